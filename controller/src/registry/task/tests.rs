//! Tables of Task objects and what is told about them.

use super::*;
use serde_json::{Value, json};

fn object(spec: &Value) -> Value {
    json!({
        "apiVersion": "proffer.dev/v1alpha1",
        "kind": "Task",
        "metadata": {
            "name": "hello", "namespace": "default", "uid": "u1", "resourceVersion": "5", "generation": 1,
            "creationTimestamp": "2026-11-22T15:40:00Z",
        },
        "spec": spec,
    })
}

fn task(object: Value) -> TaskObject {
    match applied(&Entry::new(serde_json::from_value(object).unwrap())) {
        Event::TaskApplied(task) => *task,
        other => panic!("{other:?}"),
    }
}

/// A spec that is fine, with one field (a JSON pointer below `spec`) set to `value`.
fn spec_with(pointer: &str, value: Value) -> Value {
    let mut spec = json!({"frameworkRef": {"name": "fw"}, "command": {"value": "echo hello"}});
    let mut at = &mut spec;
    for part in pointer.trim_start_matches('/').split('/') {
        at = &mut at[part];
    }
    *at = value;
    spec
}

#[test]
fn a_short_spec_gets_defaults() {
    let task = task(object(&json!({"frameworkRef": {"name": "fw"}, "command": {"value": "echo hello"}})));
    assert_eq!(task.framework, "fw");
    assert_eq!(task.created, proffer_master::Time(1_795_362_000_000_000));
    assert!(!task.deleting && !task.finalizer && task.record.is_none());
    assert_eq!(
        task.request,
        Ok(TaskRequest {
            role: None,
            command: Command { value: "echo hello".to_owned(), shell: true, ..Command::default() },
            resources: Resources::of(Amount::from_thousandths(100), Amount::from_units(32)),
            ports: PortRequest::None,
            volumes: Vec::new(),
            cpu_limit: None,
            mem_limit: None,
            kill_grace: Duration::from_secs(5),
        })
    );
}

#[test]
fn everything_that_can_be_written_is_read() {
    let task = task(object(&json!({
        "frameworkRef": {"name": "fw"},
        "command": {"value": "sleep", "shell": false, "arguments": ["sleep", "5"]},
        "resources": {"cpu": 1.5, "memory": "1Gi", "disk": "10Mi", "ports": {"numbers": [31001, 31000]}},
        "limits": {"cpu": 2, "memory": "2Gi"},
        "env": [{"name": "A", "value": "1"}, {"name": "B"}],
        "user": "app",
        "killPolicy": {"gracePeriodSeconds": 0},
    })));
    let request = task.request.unwrap();
    assert_eq!(request.resources.to_string(), "cpus:1.5;mem:1024;disk:10");
    assert_eq!(request.ports, PortRequest::Numbers(Ranges::span(31_000, 31_001)));
    assert_eq!(request.cpu_limit, Some(Amount::from_units(2)));
    assert_eq!(request.mem_limit, Some(Amount::from_units(2048)));
    assert_eq!(request.kill_grace, Duration::ZERO);
    assert_eq!(request.command.arguments, ["sleep", "5"]);
    assert_eq!(request.command.environment, [("A".to_owned(), "1".to_owned()), ("B".to_owned(), String::new())]);
    assert_eq!(request.command.user.as_deref(), Some("app"));
}

#[test]
fn what_is_wrong_is_told_with_the_value_and_what_to_write() {
    let long = "x".repeat(131_072);
    let many: Vec<Value> = (0..3).map(|n| json!({"name": format!("V{n}"), "value": "x".repeat(100_000)})).collect();
    for (pointer, value, expected) in [
        ("/resources/cpu", json!("0"), "resources.cpu: a task needs at least 10m of cpu: write cpu: 10m or more"),
        ("/resources/cpu", json!("-1"), "resources.cpu: \"-1\" is negative: write a quantity above zero"),
        (
            "/resources/cpu",
            json!("many"),
            "resources.cpu: \"many\" is not a quantity: write a number with an optional suffix, such as 500m, 2 or 64Mi",
        ),
        (
            "/resources/memory",
            json!("1Ki"),
            "resources.memory: a task needs at least 4Mi of memory: write memory: 4Mi or more",
        ),
        (
            "/resources/memory",
            json!("1e99"),
            "resources.memory: \"1e99\" is not a quantity: write a number with an optional suffix, such as 500m, 2 or 64Mi",
        ),
        (
            "/resources/ports",
            json!({}),
            "resources.ports: ask for ports in one way: either count: 2 or numbers: [31000, 31001]",
        ),
        ("/resources/ports", json!({"count": 0}), "resources.ports.count is 0: write a number from 1 to 100"),
        (
            "/resources/ports",
            json!({"numbers": [70000]}),
            "resources.ports.numbers has 70000: write ports from 1 to 65535",
        ),
        ("/resources/ports", json!({"numbers": [5, 5]}), "resources.ports.numbers has 5 twice: write each port once"),
        (
            "/limits",
            json!({"memory": "16Mi"}),
            "limits.memory is 16Mi, less than the 32Mi that the task is given: write a limit of at least 32Mi",
        ),
        ("/command/value", json!(" \n"), "the command is empty: write what to run, such as value: echo hello"),
        (
            "/command/arguments",
            json!(["echo"]),
            "with shell: true the whole command stands in value: leave arguments out, or write shell: false",
        ),
        (
            "/command/value",
            json!("echo \u{0}"),
            "command.value has a zero byte in it, which no program can be given: remove it",
        ),
        (
            "/command/value",
            json!(long),
            "command.value has 131072 bytes, and a program can be given at most 131071 in one string: put large data into a \
             file that the command reads",
        ),
        (
            "/env",
            json!([{"name": "A=B"}]),
            "env: \"A=B\" is no variable's name, which has at least one character and no '=': write name: FOO and value: bar",
        ),
        (
            "/env",
            json!(many),
            "command, arguments and environment have 300022 bytes together, and at most 262144 are taken: put large data \
             into a file that the command reads",
        ),
        (
            "/user",
            json!("Root User"),
            "user \"Root User\" is neither a name of lower-case letters, digits, - and _, nor a number: write nobody or 65534",
        ),
        ("/volumes", json!([{"id": "v"}, {"id": "v", "path": "w"}]), "volumes has \"v\" twice: write each once"),
        (
            "/volumes",
            json!([{"id": "v", "path": "../up"}]),
            "volume \"v\": \"../up\" is no path below the sandbox: write one without . and .., such as data",
        ),
        (
            "/volumes",
            json!([{"id": "v", "path": "data"}, {"id": "w", "path": "data/w"}]),
            "volumes \"v\" and \"w\" are in each other's way, at \"data\" and \"data/w\": write paths apart",
        ),
        (
            "/killPolicy",
            json!({"gracePeriodSeconds": -1}),
            "killPolicy.gracePeriodSeconds is -1: write a number of seconds from 0 to 86400",
        ),
    ] {
        let told = task(object(&spec_with(pointer, value))).request.unwrap_err();
        assert_eq!(told, expected, "{pointer}");
    }
}

#[test]
fn a_volume_without_a_path_is_found_at_its_id() {
    let volumes = json!([{"id": "v"}, {"id": "w", "path": "var/w", "readOnly": true}]);
    let request = task(object(&spec_with("/volumes", volumes))).request.unwrap();
    let volume = |id: &str, path: &str, read_only| proffer_master::VolumeRequest {
        id: id.to_owned(),
        container_path: path.to_owned(),
        read_only,
    };
    assert_eq!(request.volumes, [volume("v", "v", false), volume("w", "var/w", true)]);
}

#[test]
fn an_object_without_a_tasks_form_is_still_a_task() {
    let mut object = object(&json!({"command": 5}));
    object["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "proffer.dev/v1alpha1", "kind": "Framework", "name": "fw", "uid": "f1"}]);
    object["metadata"]["finalizers"] = json!([TASK_FINALIZER]);
    object["metadata"]["deletionTimestamp"] = json!("2026-11-22T15:50:00Z");
    let task = task(object);
    assert_eq!((task.framework.as_str(), task.deleting, task.finalizer), ("fw", true, true));
    assert_eq!(
        task.request,
        Err("the object does not have a Task's form: invalid type: integer `5`, expected struct Command".to_owned())
    );
}

#[test]
fn the_record_of_an_earlier_leader_is_read() {
    let mut object = object(&json!({"frameworkRef": {"name": "fw"}, "command": {"value": "true"}}));
    object["status"] = json!({
        "masterEpoch": 3, "observedGeneration": 1, "state": "Failed", "reason": "CommandExecutorFailed",
        "message": "exited with code 3", "exitCode": 3, "agent": {"name": "node1", "id": "a1"},
    });
    let record = task(object).record.unwrap();
    assert_eq!(record.epoch, proffer_master::Epoch(3));
    assert_eq!(record.state, Some(proffer_mesos_api::TaskState::Failed));
    assert_eq!(record.exit_code, Some(3));
}
