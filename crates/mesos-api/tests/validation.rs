//! Calls that Mesos refuses are refused in its words, and those that it takes are taken.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests, and what they are made of")]

use proffer_mesos_api::v1::{FrameworkId, FrameworkInfo, Resource, TaskGroupInfo, TaskInfo, offer};
use proffer_mesos_api::validation::{
    self, Validity, agent_call, executor_call, framework, ids, master_call, operation, resource, scheduler_call, task,
    task_group,
};
use proffer_mesos_api::{Described, json};
use serde_json::{Value, json};

fn read<M: Described>(value: &Value) -> M {
    json::decode(value.to_string().as_bytes()).unwrap_or_else(|error| panic!("{value}: {error}"))
}

fn reason(validity: Validity) -> String {
    validity.map_or_else(|invalid| invalid.to_string(), |()| "ok".to_owned())
}

/// The value with another laid over it: objects are merged, `null` takes away.
fn with(base: &Value, over: Value) -> Value {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            let mut all = base.clone();
            for (name, value) in over {
                if value.is_null() {
                    all.remove(&name);
                } else {
                    let merged = all.get(&name).map_or(value.clone(), |found| with(found, value));
                    all.insert(name, merged);
                }
            }
            Value::Object(all)
        }
        (_, over) => over,
    }
}

#[test]
fn scheduler_calls() {
    let id = json!({"value": "f"});
    let uuid = "NwNgEl2BR/a6YazIoZ2KUA==";
    let framework = json!({"user": "u", "name": "n", "id": id, "principal": "p"});
    for (call, expected) in [
        (json!({}), "Expecting 'type' to be present"),
        (json!({"type": "NOPE"}), "Expecting 'type' to be present"),
        (json!({"type": "TEARDOWN"}), "Expecting 'framework_id' to be present"),
        (json!({"type": "UNKNOWN"}), "Expecting 'framework_id' to be present"),
        (json!({"type": "UNKNOWN", "framework_id": id}), "ok"),
        (json!({"type": "TEARDOWN", "framework_id": id}), "ok"),
        (json!({"type": "SUBSCRIBE"}), "Expecting 'subscribe' to be present"),
        (
            json!({"type": "SUBSCRIBE", "subscribe": {"framework_info": framework}}),
            "'framework_id' differs from 'subscribe.framework_info.id'",
        ),
        (json!({"type": "SUBSCRIBE", "framework_id": id, "subscribe": {"framework_info": framework}}), "ok"),
        (
            json!({"type": "SUBSCRIBE", "subscribe": {"framework_info": {"user": "u", "name": "n", "principal": "q"}}}),
            "Authenticated principal 'p' does not match principal 'q' set in `FrameworkInfo`",
        ),
        (json!({"type": "ACCEPT", "framework_id": id}), "Expecting 'accept' to be present"),
        (json!({"type": "ACCEPT", "framework_id": id, "accept": {}}), "ok"),
        (json!({"type": "DECLINE", "framework_id": id}), "Expecting 'decline' to be present"),
        (json!({"type": "REVIVE", "framework_id": id}), "ok"),
        (json!({"type": "SUPPRESS", "framework_id": id}), "ok"),
        (json!({"type": "KILL", "framework_id": id}), "Expecting 'kill' to be present"),
        (
            json!({"type": "ACKNOWLEDGE", "framework_id": id,
                "acknowledge": {"agent_id": id, "task_id": id, "uuid": "AAAA"}}),
            "Not a valid UUID",
        ),
        (
            json!({"type": "ACKNOWLEDGE", "framework_id": id,
                "acknowledge": {"agent_id": id, "task_id": id, "uuid": "AAAAAAAAAAAAAAAAAAAAAA=="}}),
            "Not a valid UUID",
        ),
        (
            json!({"type": "ACKNOWLEDGE", "framework_id": id,
                "acknowledge": {"agent_id": id, "task_id": id, "uuid": uuid}}),
            "ok",
        ),
        (
            json!({"type": "ACKNOWLEDGE_OPERATION_STATUS", "framework_id": id,
                "acknowledge_operation_status": {"operation_id": id, "uuid": uuid}}),
            "Expecting 'agent_id' to be present",
        ),
        (
            json!({"type": "UPDATE_FRAMEWORK", "framework_id": {"value": "other"},
                "update_framework": {"framework_info": framework}}),
            "'framework_id' differs from 'update_framework.framework_info.id'",
        ),
    ] {
        assert_eq!(reason(scheduler_call::validate(&read(&call), Some("p"))), expected, "{call}");
    }
}

#[test]
fn every_scheduler_call_asks_for_its_body() {
    for kind in [
        "ACCEPT",
        "DECLINE",
        "ACCEPT_INVERSE_OFFERS",
        "DECLINE_INVERSE_OFFERS",
        "KILL",
        "SHUTDOWN",
        "ACKNOWLEDGE",
        "ACKNOWLEDGE_OPERATION_STATUS",
        "RECONCILE",
        "RECONCILE_OPERATIONS",
        "MESSAGE",
        "REQUEST",
        "UPDATE_FRAMEWORK",
    ] {
        let call = json!({"type": kind, "framework_id": {"value": "f"}});
        let expected = format!("Expecting '{}' to be present", kind.to_lowercase());
        assert_eq!(reason(scheduler_call::validate(&read(&call), None)), expected);
    }
}

#[test]
fn executor_calls() {
    let base = json!({"framework_id": {"value": "f"}, "executor_id": {"value": "e"}});
    let update = |status: Value| {
        let status = with(
            &json!({"task_id": {"value": "t"}, "state": "TASK_RUNNING", "source": "SOURCE_EXECUTOR",
                "uuid": "NwNgEl2BR/a6YazIoZ2KUA=="}),
            status,
        );
        json!({"type": "UPDATE", "update": {"status": status}})
    };
    for (call, expected) in [
        (json!({}), "Expecting 'type' to be present"),
        (json!({"type": "SUBSCRIBE"}), "Expecting 'subscribe' to be present"),
        (json!({"type": "SUBSCRIBE", "subscribe": {}}), "ok"),
        (json!({"type": "MESSAGE"}), "Expecting 'message' to be present"),
        (json!({"type": "HEARTBEAT"}), "ok"),
        (json!({"type": "UPDATE"}), "Expecting 'update' to be present"),
        (update(json!({})), "ok"),
        (update(json!({"uuid": null})), "Expecting 'uuid' to be present"),
        (update(json!({"uuid": "AA=="})), "Not a valid UUID"),
        (
            update(json!({"executor_id": {"value": "x"}})),
            "ExecutorID in Call: e does not match ExecutorID in TaskStatus: x",
        ),
        (
            update(json!({"source": "SOURCE_MASTER"})),
            "Received Call from executor e of framework f with invalid source, expecting 'SOURCE_EXECUTOR'",
        ),
        (
            update(json!({"state": "TASK_STAGING"})),
            "Received TASK_STAGING from executor e of framework f which is not allowed",
        ),
        (update(json!({"check_status": {}})), "CheckStatusInfo must specify 'type'"),
        (update(json!({"check_status": {"type": "TCP"}})), "Expecting 'tcp' to be set for TCP check's status"),
    ] {
        assert_eq!(reason(executor_call::validate(&read(&with(&base, call.clone())))), expected, "{call}");
    }
}

#[test]
fn frameworks() {
    let multi = json!([{"type": "MULTI_ROLE"}]);
    for (over, expected) in [
        (json!({}), "ok"),
        (json!({"role": "a/b"}), "ok"),
        (json!({"role": "/a"}), "'FrameworkInfo.role' is not a valid role: Role '/a' cannot start with a slash"),
        (json!({"role": ""}), "'FrameworkInfo.role' is not a valid role: Role names cannot be the empty string"),
        (json!({"roles": ["a"]}), "'FrameworkInfo.roles' must not be set when the framework is not MULTI_ROLE capable"),
        (
            json!({"role": "a", "capabilities": multi}),
            "'FrameworkInfo.role' must not be set when the framework is MULTI_ROLE capable",
        ),
        (
            json!({"roles": ["b", "a", "b"], "capabilities": multi}),
            "'FrameworkInfo.roles' contains duplicate items: { b }",
        ),
        (
            json!({"roles": ["a/.."], "capabilities": multi}),
            "'FrameworkInfo.roles' contains invalid role: Role 'a/..' cannot include '..' as a component",
        ),
        (json!({"id": {"value": "../x"}}), "'../x' contains invalid characters"),
        (json!({"id": {"value": ""}}), "ok"),
        (
            json!({"offer_filters": {"*": {"min_allocatable_resources": {"quantities": [{}]}}}}),
            "Resource quantities must contain at least one quantity",
        ),
        (
            json!({"offer_filters": {"*": {"min_allocatable_resources": {"quantities":
                [{"quantities": {"cpus": {"value": -1}}}]}}}}),
            "Invalid resource quantity for 'cpus': Negative values not supported",
        ),
        (
            json!({"offer_filters": {"*": {"min_allocatable_resources": {"quantities":
                [{"quantities": {"cpus": {"value": "Infinity"}}}]}}}}),
            "Invalid resource quantity for 'cpus': Infinite values not supported",
        ),
        (json!({"failover_timeout": 1e300}), "ok?"),
        (json!({"failover_timeout": 604_800}), "ok"),
    ] {
        let info: FrameworkInfo = read(&with(&json!({"user": "u", "name": "n"}), over.clone()));
        let found = reason(framework::validate(&info));
        if expected == "ok?" {
            assert!(found.starts_with("The framework failover_timeout (1000"), "{found}");
        } else {
            assert_eq!(found, expected, "{over}");
        }
    }
}

#[test]
fn what_a_framework_may_not_change() {
    let old = json!({"user": "u", "name": "n", "principal": "p", "checkpoint": true});
    for (over, expected) in [
        (json!({"name": "other", "failover_timeout": 5}), "ok"),
        (json!({"principal": null}), "Changing framework's principal is not allowed."),
        (json!({"user": "v"}), "Updating 'FrameworkInfo.user' is unsupported; attempted to update from 'u' to 'v'"),
        (
            json!({"checkpoint": false}),
            "Updating 'FrameworkInfo.checkpoint' is unsupported; attempted to update from 'true' to 'false'",
        ),
    ] {
        assert_eq!(reason(framework::validate_update(&read(&old), &read(&with(&old, over)))), expected);
    }
    let info: FrameworkInfo =
        read(&json!({"user": "u", "name": "n", "roles": ["a"], "capabilities": [{"type": "MULTI_ROLE"}]}));
    assert_eq!(
        reason(framework::suppressed_roles(&info, &["a".into(), "c".into(), "b".into()])),
        "Suppressed roles { b, c } are not contained in the set of roles"
    );
    assert_eq!(
        reason(framework::offer_constraints_roles(&info, &read(&json!({"role_constraints": {"b": {}}})))),
        "Offer constraints specify `role_constraints` for a role 'b'not contained in the set of roles"
    );
}

#[test]
fn ids_that_would_be_bad_names_of_directories() {
    for bad in ["", ".", "..", "a/b", "a\\b", "a\nb", "a\0", &"x".repeat(256)] {
        assert!(ids::id(bad).is_err(), "{bad:?}");
    }
    for good in ["a", "-a", "a b", "a.b", "ü", &"x".repeat(255)] {
        assert!(ids::id(good).is_ok(), "{good:?}");
    }
    for bad in ["", "/a", "a/", "a//b", ".", "a/.", "-a", "a/-b", "a b", "a\tb", "a/*", "\u{7f}"] {
        assert!(ids::role(bad).is_err(), "{bad:?}");
    }
}

fn scalar(name: &str, value: f64) -> Value {
    json!({"name": name, "type": "SCALAR", "scalar": {"value": value}, "allocation_info": {"role": "dev"}})
}

#[test]
fn resources() {
    let cpus = scalar("cpus", 1.0);
    let ports = json!({"name": "ports", "type": "RANGES", "ranges": {"range": [{"begin": 1, "end": 9}]}});
    let dynamic = |role: &str| json!({"type": "DYNAMIC", "role": role});
    for (base, over, expected) in [
        (&cpus, json!({}), "ok"),
        (&cpus, json!({"name": ""}), "Empty resource name"),
        (&cpus, json!({"scalar": {"value": 0}}), "ok"),
        (&cpus, json!({"scalar": {"value": 0.0001}}), "Invalid scalar resource: value <= 0"),
        (&cpus, json!({"scalar": {"value": -1}}), "Invalid scalar resource: value <= 0"),
        (&cpus, json!({"scalar": {"value": "NaN"}}), "Invalid scalar resource: value <= 0"),
        (&cpus, json!({"scalar": {"value": "Infinity"}}), "Invalid scalar resource: value <= 0"),
        (&cpus, json!({"scalar": {"value": 1e308}}), "Invalid scalar resource: value <= 0"),
        (&cpus, json!({"scalar": null}), "Invalid scalar resource"),
        (&cpus, json!({"set": {}}), "Invalid scalar resource"),
        (&cpus, json!({"type": "TEXT"}), "Unsupported resource type"),
        (&ports, json!({}), "ok"),
        (&ports, json!({"ranges": {"range": [{"begin": 2, "end": 1}]}}), "Invalid ranges resource: begin > end"),
        (
            &ports,
            json!({"ranges": {"range": [{"begin": 5, "end": 6}, {"begin": 1, "end": 5}]}}),
            "Invalid ranges resource: overlapping ranges",
        ),
        (&ports, json!({"ranges": {"range": [{"begin": 0, "end": 18_446_744_073_709_551_615_u64}]}}), "ok"),
        (&cpus, json!({"disk": {}}), "DiskInfo should not be set for cpus resource"),
        (&cpus, json!({"role": "a b"}), "Role component 'a b' is invalid because it contains backspace or whitespace"),
        (&cpus, json!({"reservation": {}}), "Invalid reservation: role \"*\" cannot be dynamically reserved"),
        (&cpus, json!({"role": "a", "reservation": {"principal": "p"}}), "ok"),
        (&cpus, json!({"reservations": [dynamic("a"), dynamic("a/b")]}), "ok"),
        (
            &cpus,
            json!({"reservations": [dynamic("a"), dynamic("ab/c")]}),
            "Invalid refined reservation: role 'ab/c' is not a refinement of 'a'",
        ),
        (&cpus, json!({"reservations": [dynamic("*")]}), "Invalid reservation: role \"*\" cannot be reserved"),
        (
            &cpus,
            json!({"reservations": [dynamic("a")], "role": "b"}),
            "Invalid resource format: 'Resource.role' field with 'b' does not match the role 'a' in \
             'Resource.reservations'",
        ),
        (&cpus, json!({"shared": {}}), "Resource cpus cannot be shared"),
    ] {
        let found: Resource = read(&with(base, over.clone()));
        assert_eq!(reason(resource::validate_one(&found)), expected, "{over}");
    }
}

#[test]
fn a_refused_resource_is_shown_as_mesos_shows_it() {
    let resource: Resource = read(&json!({
        "name": "disk", "type": "SCALAR", "scalar": {"value": -2.5}, "allocation_info": {"role": "dev"},
        "reservations": [{"type": "DYNAMIC", "role": "dev", "principal": "p",
            "labels": {"labels": [{"key": "a", "value": "1"}, {"key": "b"}]}}],
        "disk": {"source": {"type": "MOUNT", "mount": {"root": "/mnt"}}, "persistence": {"id": "id1"},
            "volume": {"container_path": "data", "mode": "RW"}},
        "shared": {}
    }));
    assert_eq!(
        reason(resource::validate_each(&[resource])),
        "Resource 'disk(allocated: dev)(reservations: [(DYNAMIC,dev,p,{a: 1, b})])[MOUNT:/mnt,id1:data]<SHARED>:-2.5' \
         is invalid: Invalid scalar resource: value <= 0"
    );
}

#[test]
fn a_hundred_thousand_ranges_are_checked_at_once() {
    let range = (0..100_000_u64).map(|index| json!({"begin": index * 2, "end": index * 2})).collect::<Vec<_>>();
    let ports: Resource = read(&json!({"name": "ports", "type": "RANGES", "ranges": {"range": range}}));
    assert_eq!(reason(resource::validate_one(&ports)), "ok");
}

#[test]
fn old_reservations_become_new_ones() {
    for (old, new) in [
        (json!({"role": "*"}), json!({})),
        (json!({}), json!({})),
        (json!({"role": "a"}), json!({"reservations": [{"type": "STATIC", "role": "a"}]})),
        (
            json!({"role": "a", "reservation": {"principal": "p"}}),
            json!({"reservations": [{"type": "DYNAMIC", "role": "a", "principal": "p"}]}),
        ),
    ] {
        let base = scalar("cpus", 1.0);
        let mut found: Resource = read(&with(&base, old));
        resource::upgrade(&mut found);
        assert_eq!(found, read(&with(&base, new)));
    }
}

fn base_task() -> Value {
    json!({"name": "t", "task_id": {"value": "t"}, "agent_id": {"value": "a"}, "command": {"value": "true"},
        "resources": [scalar("cpus", 1.0), scalar("mem", 32.0)]})
}

#[test]
fn tasks() {
    for (over, expected) in [
        (json!({}), "ok"),
        (json!({"resources": []}), "Task uses no resources"),
        (
            json!({"kill_policy": {"grace_period": {"nanoseconds": -1}}}),
            "Task's 'kill_policy.grace_period' must be non-negative",
        ),
        (json!({"max_completion_time": {"nanoseconds": -1}}), "Task's `max_completion_time` must be non-negative"),
        (json!({"check": {}}), "Task uses invalid check: CheckInfo must specify 'type'"),
        (
            json!({"check": {"type": "COMMAND", "command": {"command": {}}}}),
            "Task uses invalid check: Command check must contain 'shell command'",
        ),
        (
            json!({"health_check": {"type": "HTTP", "http": {"port": 1, "path": "x"}}}),
            "Task uses invalid health check: The path 'x' of HTTP health check must start with '/'",
        ),
        (
            json!({"health_check": {"type": "HTTP", "http": {"port": 1, "scheme": "ftp"}}}),
            "Task uses invalid health check: Unsupported HTTP health check scheme: 'ftp'",
        ),
        (
            json!({"health_check": {"type": "TCP", "tcp": {"port": 1}, "delay_seconds": -1}}),
            "Task uses invalid health check: Expecting 'delay_seconds' to be non-negative",
        ),
        (
            json!({"resources": [scalar("gpus", 0.5)]}),
            "Task uses invalid resources: Invalid 'gpus' resource: The 'gpus' resource must be an unsigned integer",
        ),
        (
            json!({"resources": [{"name": "cpus", "type": "SCALAR", "scalar": {"value": 1}}]}),
            "Invalid task resources: The resources are not allocated to a role",
        ),
        (
            json!({"resources": [scalar("cpus", 1.0), with(&scalar("mem", 1.0), json!({"allocation_info": {"role": "x"}}))]}),
            "Invalid task resources: The resources have multiple allocation roles ('x' and 'dev') but only one \
             allocation role is allowed",
        ),
        (
            json!({"resources": [scalar("cpus", 1.0), with(&scalar("cpus", 1.0), json!({"revocable": {}}))]}),
            "Task mixes revocable and non-revocable resources: Cannot use both revocable and non-revocable 'cpus' at \
             the same time",
        ),
        (
            json!({"command": {"environment": {"variables": [{"name": "A"}]}}}),
            "Task's `CommandInfo` is invalid: Environment variable 'A' of type 'VALUE' must have a value set",
        ),
        (
            json!({"command": {"environment": {"variables": [{"name": "A", "type": "SECRET",
                "secret": {"type": "VALUE", "value": {"data": "AA=="}}}]}}}),
            "Task's `CommandInfo` is invalid: Environment variable 'A' specifies a secret containing null bytes, which \
             is not allowed in the environment",
        ),
        (
            json!({"container": {"type": "DOCKER"}}),
            "Task's `ContainerInfo` is invalid: DockerInfo 'docker' is not set for DOCKER typed ContainerInfo",
        ),
        (
            json!({"container": {"type": "MESOS", "volumes": [{"container_path": "x", "mode": "RW"}]}}),
            "Task's `ContainerInfo` is invalid: Invalid volume: Only one of them should be set: 'host_path', 'image' \
             and 'source'",
        ),
        (json!({"limits": {"disk": {"value": 1}}}), "Only cpus and mem may be included in a task's resource limits"),
        (json!({"limits": {"cpus": {"value": 0.5}}}), "The cpu limit must be greater than or equal to the cpu request"),
        (json!({"limits": {"cpus": {"value": "Infinity"}, "mem": {"value": 32}}}), "ok"),
        (
            json!({"resources": [scalar("cpus", 1.0)], "limits": {"mem": {"value": 1}}}),
            "When a memory limit is specified, a memory request must also be specified",
        ),
    ] {
        let found: TaskInfo = read(&with(&base_task(), over.clone()));
        assert_eq!(reason(task::description(&found)), expected, "{over}");
    }
}

#[test]
fn executors() {
    let framework = FrameworkId { value: "f".to_owned() };
    let executor = json!({"executor_id": {"value": "e"}, "framework_id": {"value": "f"}, "command": {"value": "x"},
        "resources": [scalar("cpus", 0.1)]});
    let ports = |begin: u64, end: u64| {
        json!({"name": "ports", "type": "RANGES", "ranges": {"range": [{"begin": begin, "end": end}]},
            "allocation_info": {"role": "dev"}})
    };
    for (over, expected) in [
        (json!({"executor": executor, "command": null}), "ok"),
        (json!({}), "ok"),
        (
            json!({"executor": executor}),
            "Task should have at least one (but not both) of CommandInfo or ExecutorInfo present",
        ),
        (
            json!({"executor": with(&executor, json!({"type": "CUSTOM", "command": null})), "command": null}),
            "'ExecutorInfo.command' must be set for 'CUSTOM' executor",
        ),
        (
            json!({"executor": with(&executor, json!({"type": "DEFAULT", "command": null})), "command": null}),
            "'ExecutorInfo.type' must be 'CUSTOM'",
        ),
        (
            json!({"executor": with(&executor, json!({"executor_id": {"value": "a/b"}})), "command": null}),
            "'a/b' contains invalid characters",
        ),
        (
            json!({"executor": with(&executor, json!({"framework_id": {"value": "g"}})), "command": null}),
            "ExecutorInfo has an invalid FrameworkID (Actual: g vs Expected: f)",
        ),
        (
            json!({"executor": with(&executor, json!({"framework_id": null})), "command": null}),
            "'ExecutorInfo.framework_id' must be set",
        ),
        (
            json!({"executor": with(&executor, json!({"shutdown_grace_period": {"nanoseconds": -5}})), "command": null}),
            "ExecutorInfo's 'shutdown_grace_period' must be non-negative",
        ),
        (
            json!({"executor": with(&executor, json!({"resources": [ports(1, 5)]})), "command": null,
                "resources": [ports(5, 9)]}),
            "There are overlapping resources in the task resources ports(allocated: dev):[5-9] and executor resources \
             ports(allocated: dev):[1-5]",
        ),
    ] {
        let found: TaskInfo = read(&with(&base_task(), over.clone()));
        assert_eq!(reason(task::executor_of(&found, &framework, None)), expected, "{over}");
    }
    let found: TaskInfo = read(&with(&base_task(), json!({"executor": executor, "command": null})));
    let other = read(&with(&executor, json!({"name": "other"})));
    let text = reason(task::executor_of(&found, &framework, Some(&other)));
    assert!(
        text.starts_with("ExecutorInfo is not compatible with existing ExecutorInfo with same ExecutorID."),
        "{text}"
    );
}

#[test]
fn task_groups() {
    let framework = FrameworkId { value: "f".to_owned() };
    let executor = json!({"type": "DEFAULT", "executor_id": {"value": "e"}, "framework_id": {"value": "f"},
        "resources": [scalar("cpus", 0.1), scalar("mem", 32.0), scalar("disk", 1.0)]});
    let member = with(&base_task(), json!({"executor": executor}));
    let group: TaskGroupInfo = read(&json!({"tasks": [member, member]}));
    assert_eq!(reason(task_group::member(&group.tasks[0])), "ok");
    assert_eq!(reason(task_group::member(&read(&base_task()))), "'TaskInfo.executor' must be set");
    for (over, expected) in [
        (json!({}), "ok"),
        (json!({"type": null}), "'ExecutorInfo.type' must be set"),
        (json!({"name": "x"}), "The `ExecutorInfo` of task 't' is different from executor 'e'"),
    ] {
        let info = read(&with(&executor, over));
        assert_eq!(reason(task_group::executor(&group, &info, &framework, None)), expected);
    }
    let alone = TaskGroupInfo { tasks: Vec::new() };
    for (resources, expected) in [
        (
            json!([scalar("cpus", 0.001), scalar("mem", 32.0), scalar("disk", 1.0)]),
            "Executor 'e' uses less CPUs (0.001) than the minimum required (0.01)",
        ),
        (
            json!([scalar("cpus", 0.1), scalar("mem", 31.0), scalar("disk", 1.0)]),
            "Executor 'e' uses less memory (31MB) than the minimum required (32MB)",
        ),
        (json!([scalar("cpus", 0.1), scalar("mem", 32.0)]), "Executor 'e' uses no disk"),
    ] {
        let info = read(&with(&executor, json!({"resources": resources})));
        assert_eq!(reason(task_group::executor(&alone, &info, &framework, None)), expected);
    }
    let own = with(&member, json!({"container": {"type": "MESOS", "linux_info": {"share_cgroups": false}}}));
    let mixed: TaskGroupInfo = read(&json!({"tasks": [member, own]}));
    let info = read(&executor);
    let expected = "If set, the value of 'share_cgroups' must be the same for all tasks in each task group and under a \
                    single executor";
    assert_eq!(reason(task_group::same_cgroups(&mixed, &info, None)), expected);
    assert_eq!(reason(task_group::same_cgroups(&group, &info, Some(false))), expected);
    assert_eq!(reason(task_group::same_cgroups(&group, &info, Some(true))), "ok");
}

#[test]
fn operations_need_their_bodies() {
    for (kind, expected) in [
        ("RESERVE", "A RESERVE offer operation must have the Offer.Operation.reserve field set."),
        ("UNRESERVE", "An UNRESERVE offer operation must have the Offer.Operation.unreserve field set."),
        ("CREATE", "A CREATE offer operation must have the Offer.Operation.create field set."),
        ("DESTROY", "A DESTROY offer operation must have the Offer.Operation.destroy field set."),
        ("GROW_VOLUME", "A GROW_VOLUME operation must have the Offer.Operation.grow_volume field set"),
        ("SHRINK_VOLUME", "A SHRINK_VOLUME offer operation must have the Offer.Operation.shrink_volume field set"),
        ("LAUNCH", "A LAUNCH offer operation must have the Offer.Operation.launch field set."),
        ("LAUNCH_GROUP", "A LAUNCH_GROUP offer operation must have the Offer.Operation.launch_group field set."),
        ("CREATE_DISK", "A CREATE_DISK offer operation must have the Offer.Operation.create_disk field set."),
        ("DESTROY_DISK", "A DESTROY_DISK offer operation must have the Offer.Operation.destroy_disk field set."),
        ("UNKNOWN", "Unknown offer operation"),
        ("FROM_THE_FUTURE", "Unknown offer operation"),
    ] {
        assert_eq!(reason(operation::validate_and_upgrade(&mut read(&json!({"type": kind})))), expected);
    }
    let mut launch: offer::Operation = read(&json!({"type": "LAUNCH", "id": {"value": "x"}, "launch": {}}));
    assert_eq!(
        reason(operation::validate_and_upgrade(&mut launch)),
        "The `id` field cannot be set on LAUNCH operations"
    );
    let task = with(&base_task(), json!({"resources": [with(&scalar("cpus", 1.0), json!({"role": "dev"}))]}));
    let mut launch: offer::Operation = read(&json!({"type": "LAUNCH", "launch": {"task_infos": [task]}}));
    assert_eq!(reason(operation::validate_and_upgrade(&mut launch)), "ok");
    let upgraded = &launch.launch.as_ref().unwrap().task_infos[0].resources[0];
    assert_eq!((upgraded.role.as_deref(), resource::reservation_role(upgraded)), (None, "dev"));
}

#[test]
fn reservations() {
    let framework: FrameworkInfo = read(&json!({"user": "u", "name": "n", "role": "dev", "id": {"value": "f"}}));
    let reserved =
        with(&scalar("cpus", 1.0), json!({"reservations": [{"type": "DYNAMIC", "role": "dev", "principal": "p"}]}));
    for (over, principal, expected) in [
        (json!({}), Some("p"), "ok"),
        (json!({}), None, "ok"),
        (
            json!({}),
            Some("q"),
            "A reserve operation was attempted by authenticated principal 'q', which does not match a reserved resource \
             in the request with principal 'p'",
        ),
        (json!({"reservations": []}), None, "Resource cpus(allocated: dev):1 is not dynamically reserved"),
        (
            json!({"allocation_info": {"role": "x"}}),
            None,
            "A reserve operation was attempted for a resource with role 'dev', but the resource was allocated to role 'x'",
        ),
        (
            json!({"allocation_info": {"role": "x"}, "reservations": [{"type": "DYNAMIC", "role": "x"}]}),
            None,
            "A reserve operation was attempted for a resource allocated to role 'x', but the framework only has roles \
             '{ dev }'",
        ),
    ] {
        let body = read(&json!({"resources": [with(&reserved, over)]}));
        assert_eq!(reason(operation::reserve(&body, principal, Some(&framework))), expected);
    }
    let body = read(&json!({"resources": [reserved]}));
    assert_eq!(
        reason(operation::reserve(&body, None, None)),
        "A reserve operation was attempted with an allocated resource, but the operator API only allows reservations to \
         be made to unallocated resources"
    );
    let changed = |value: f64| {
        let bare = with(&reserved, json!({"allocation_info": null}));
        let source =
            with(&bare, json!({"reservations": [{"type": "DYNAMIC", "role": "old"}], "scalar": {"value": value}}));
        read(&json!({"resources": [bare], "source": [source]}))
    };
    assert_eq!(reason(operation::reserve(&changed(1.0), None, None)), "ok");
    assert_eq!(
        reason(operation::reserve(&changed(2.0), None, None)),
        "Source and target resources should refer to identical resource quantities: cpus:2 vs. cpus:1"
    );
    assert_eq!(reason(operation::unreserve(&read(&json!({"resources": [reserved]})))), "ok");
}

#[test]
fn volumes() {
    let volume = with(
        &scalar("disk", 64.0),
        json!({"reservations": [{"type": "DYNAMIC", "role": "dev"}],
            "disk": {"persistence": {"id": "v1"}, "volume": {"container_path": "data", "mode": "RW"}}}),
    );
    let framework: FrameworkInfo = read(&json!({"user": "u", "name": "n", "role": "dev", "id": {"value": "f"}}));
    let existing: Vec<Resource> = vec![read(&with(&volume, json!({"allocation_info": null})))];
    let create = |over: Value| read(&json!({"volumes": [with(&volume, over)]}));
    assert_eq!(reason(operation::create(&create(json!({})), &[], None, Some(&framework))), "ok");
    for (over, expected) in [
        (json!({}), "Persistence ID 'v1' is not unique"),
        (
            json!({"disk": {"volume": {"mode": "RO"}}}),
            "Not a persistent volume: Read-only persistent volume not supported",
        ),
        (
            json!({"disk": {"persistence": {"id": "a/b"}}}),
            "Invalid resources: Invalid DiskInfo: Invalid persistence ID for persistent volume: 'a/b' contains invalid \
             characters",
        ),
        (
            json!({"reservations": []}),
            "Invalid resources: Invalid DiskInfo: Persistent volumes cannot be created from unreserved resources",
        ),
        (
            json!({"shared": {}, "disk": {"persistence": {"id": "v2"}}}),
            "Create volume operation for 'disk(allocated: dev)(reservations: [(DYNAMIC,dev)])[v2:data]<SHARED>:64' has \
             been attempted by framework 'f' with no SHARED_RESOURCES capability",
        ),
    ] {
        assert_eq!(reason(operation::create(&create(over), &existing, None, Some(&framework))), expected);
    }
    assert_eq!(reason(operation::destroy(&read(&json!({"volumes": [volume]})))), "ok");

    let space = with(&volume, json!({"disk": null, "scalar": {"value": 1}}));
    let grow = |addition: &Value| read(&json!({"volume": volume, "addition": addition}));
    assert_eq!(reason(operation::grow_volume(&grow(&space))), "ok");
    assert_eq!(
        reason(operation::grow_volume(&grow(&with(&space, json!({"scalar": {"value": 0}}))))),
        "The size of 'GrowVolume.addition' field must be greater than zero"
    );
    assert_eq!(
        reason(operation::grow_volume(&grow(&with(&space, json!({"reservations": []}))))),
        "Incompatible resources in the 'GrowVolume.volume' and 'GrowVolume.addition' fields"
    );
    let shrink = |value: f64| read(&json!({"volume": volume, "subtract": {"value": value}}));
    assert_eq!(reason(operation::shrink_volume(&shrink(1.0))), "ok");
    assert_eq!(
        reason(operation::shrink_volume(&shrink(64.0))),
        "Value of 'ShrinkVolume.subtract' must be smaller than the size of 'ShrinkVolume.volume'"
    );
    assert_eq!(
        reason(operation::create_disk(&read(&json!({"source": scalar("disk", 1.0), "target_type": "MOUNT"})))),
        "'source' is not managed by a resource provider"
    );
}

#[test]
fn operator_calls() {
    for (call, expected) in [
        (json!({}), "Expecting 'type' to be present"),
        (json!({"type": "NOPE"}), "Expecting 'type' to be present"),
        (json!({"type": "GET_METRICS"}), "Expecting 'get_metrics' to be present"),
        (json!({"type": "GET_STATE"}), "ok"),
        (json!({"type": "SUBSCRIBE"}), "ok"),
        (
            json!({"type": "GROW_VOLUME", "grow_volume": {"volume": scalar("disk", 1.0), "addition": scalar("disk", 1.0)}}),
            "Expecting 'agent_id' to be present; only agent default resources are supported right now",
        ),
        (
            json!({"type": "RESERVE_RESOURCES", "reserve_resources": {"agent_id": {"value": "a"},
                "resources": [{"name": "", "type": "SCALAR", "scalar": {"value": 1}}]}}),
            "Resource ':1' is invalid: Empty resource name",
        ),
    ] {
        assert_eq!(reason(master_call::validate(&read(&call))), expected, "{call}");
    }
    let nested = json!({"container_id": {"value": "c"}});
    for (call, expected) in [
        (json!({}), "Expecting 'type' to be present"),
        (json!({"type": "GET_CONTAINERS"}), "ok"),
        (json!({"type": "WAIT_CONTAINER"}), "Expecting 'wait_container' to be present"),
        (json!({"type": "WAIT_CONTAINER", "wait_container": nested}), "ok"),
        (
            json!({"type": "WAIT_NESTED_CONTAINER", "wait_nested_container": nested}),
            "Expecting 'wait_nested_container.container_id.parent' to be present",
        ),
        (
            json!({"type": "KILL_CONTAINER", "kill_container": {"container_id": {"value": "c",
                "parent": {"value": "a.b"}}}}),
            "'kill_container.container_id' is invalid: 'ContainerID.parent' is invalid: 'ContainerID.value' 'a.b' \
             contains invalid characters",
        ),
        (
            json!({"type": "ATTACH_CONTAINER_INPUT", "attach_container_input": {"type": "UNKNOWN"}}),
            "'attach_container_input.type' is unknown",
        ),
        (
            json!({"type": "LAUNCH_CONTAINER", "launch_container": {"container_id": {"value": "c"},
                "resources": [with(&scalar("cpus", 1.0), json!({"role": "dev"}))]}}),
            "'launch_container.resources' must be unreserved",
        ),
    ] {
        assert_eq!(reason(agent_call::validate(&read(&call))), expected, "{call}");
    }
}

#[test]
fn a_reason_can_be_put_in_context() {
    let invalid: validation::Invalid = ids::id("").unwrap_err();
    assert_eq!(invalid.after("Task 't' is invalid: ").to_string(), "Task 't' is invalid: ID must not be empty");
}
