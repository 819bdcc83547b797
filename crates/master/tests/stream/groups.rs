//! Task groups: checked as Mesos checks them, launched whole or not, under an executor that holds its share once.

use crate::world::{World, agent, back, info, task};
use proffer_master::{Connection, Event, Session, StatusUpdate, TaskId, TaskSnapshot, WriteOutcome};
use proffer_mesos_api::TaskState;
use proffer_mesos_api::json;
use proffer_mesos_api::v1::scheduler::Call;
use proffer_resources::ResourceBag;

const EXECUTOR: &str = r#""type":"DEFAULT","executor_id":{"value":"e"},"framework_id":{"value":"F-1"},
    "resources":[{"name":"cpus","type":"SCALAR","scalar":{"value":0.5}},
                 {"name":"mem","type":"SCALAR","scalar":{"value":32}},
                 {"name":"disk","type":"SCALAR","scalar":{"value":10}}]"#;

fn subscribed() -> World {
    let mut world = World::new();
    world.agent("a1", vec![]);
    world.subscribe(1, info());
    world
}

/// The call that launches a group in the newest offer.
fn group_call(world: &World, executor: &str, tasks: &[String], more: &str) -> String {
    let (offer, tasks) = (world.offers().pop().unwrap().id.value, tasks.join(","));
    format!(
        r#"{{"type":"ACCEPT","accept":{{"offer_ids":[{{"value":"{offer}"}}],"filters":{{"refuse_seconds":0}},
        "operations":[{{"type":"LAUNCH_GROUP",{more}"launch_group":{{"executor":{{{executor}}},"task_group":{{"tasks":[{tasks}]}}}}}}]}}}}"#
    )
}

fn launch(world: &mut World, executor: &str, tasks: &[&str]) {
    let tasks: Vec<String> = tasks.iter().map(|id| task(id, "id-of-a1", 1.0)).collect();
    let call = group_call(world, executor, &tasks, "");
    world.call(1, &call);
}

/// Two tasks of one core each under an executor of half a core.
fn launched() -> World {
    let mut world = subscribed();
    launch(&mut world, EXECUTOR, &["t1", "t2"]);
    world.told();
    world.heard();
    world
}

fn id_of(world: &World, task_id: &str) -> TaskId {
    world.tasks.iter().find(|(_, (new, _))| new.info.task_id.value == task_id).unwrap().0.clone()
}

fn update(world: &World, task_id: &str, state: TaskState, uuid: Option<u8>) -> StatusUpdate {
    StatusUpdate { task: id_of(world, task_id), ..world.update(state, uuid) }
}

/// What the agent says of a task of its first connection.
fn says(world: &mut World, task_id: &str, state: TaskState, uuid: Option<u8>) {
    let update = update(world, task_id, state, uuid);
    world.event(Event::StatusUpdate { agent: agent("a1"), session: Session(1), update });
}

/// Cores in the offers that were told last.
fn offered(world: &World) -> f64 {
    let offers = world.offers();
    let resources = offers.iter().flat_map(|offer| &offer.resources).filter(|resource| resource.name == "cpus");
    resources.filter_map(|resource| Some(resource.scalar.as_ref()?.value)).sum()
}

/// State, reason and message of the last word about each task.
fn last_words(world: &World, task_id: &str) -> (String, String, String) {
    let status = world.events.iter().rev().find_map(|(_, event)| {
        let status = &event.update.as_ref()?.status;
        (status.task_id.value == task_id).then(|| status.clone())
    });
    let status = status.unwrap();
    let message = status.message.clone().unwrap_or_default();
    (status.state().as_str_name().to_owned(), status.reason().as_str_name().to_owned(), message)
}

#[test]
fn a_group_is_launched_when_all_of_it_is_recorded() {
    let mut world = subscribed();
    world.hold_writes = true;
    launch(&mut world, EXECUTOR, &["t1", "t2"]);
    assert_eq!(world.held.len(), 2);
    world.answer(WriteOutcome::Done);
    assert!(world.heard().is_empty());
    world.answer(WriteOutcome::Done);
    let heard = world.heard();
    assert!(heard.len() == 1 && heard[0].starts_with("launch together t1-"), "{heard:?}");
    let (one, other) = (id_of(&world, "t1"), id_of(&world, "t2"));
    let group = |id: &TaskId| world.tasks[id].0.group.clone().unwrap();
    assert_eq!((group(&one), group(&one).size), (group(&other), 2));
    assert_eq!(world.tasks[&one].0.info.executor.as_ref().unwrap().executor_id.value, "e", "as Mesos keeps it");
}

#[test]
fn with_write_behind_a_group_waits_for_nothing() {
    let mut world = World::new();
    world.write_behind = true;
    world.agent("a1", vec![]);
    world.subscribe(1, info());
    world.hold_writes = true;
    launch(&mut world, EXECUTOR, &["t1", "t2"]);
    assert_eq!((world.launches.len(), world.held.len()), (2, 2));
}

#[test]
fn when_one_cannot_be_recorded_none_is_launched() {
    for order in [[true, false], [false, true]] {
        let mut world = subscribed();
        world.hold_writes = true;
        launch(&mut world, EXECUTOR, &["t1", "t2"]);
        for done in order {
            world.answer(if done { WriteOutcome::Done } else { WriteOutcome::Refused("no".to_owned()) });
        }
        while !world.held.is_empty() {
            world.answer(WriteOutcome::Done);
        }
        assert!(world.heard().is_empty());
        for task in ["t1", "t2"] {
            let (state, reason, message) = last_words(&world, task);
            assert_eq!((state.as_str(), reason.as_str()), ("TASK_ERROR", "REASON_TASK_GROUP_INVALID"));
            assert!(message.ends_with("cannot be recorded: no"), "{message}");
        }
        world.event(Event::Unsubscribed(Connection(1)));
        world.hold_writes = false;
        world.subscribe(2, back(info()));
        assert!((offered(&world) - 4.0).abs() < 1e-9, "nothing is held any more");
    }
}

#[test]
fn an_executor_holds_its_resources_once_and_until_its_last_task_is_over() {
    let mut world = launched();
    assert!((offered(&world) - 1.5).abs() < 1e-9, "{}", offered(&world));
    launch(&mut world, EXECUTOR, &["t3"]);
    assert!((offered(&world) - 0.5).abs() < 1e-9, "{}", offered(&world));
    says(&mut world, "t1", TaskState::Finished, Some(1));
    says(&mut world, "t3", TaskState::Finished, Some(3));
    let all = |world: &mut World, before: u64| {
        world.event(Event::Unsubscribed(Connection(before)));
        world.subscribe(before + 1, back(info()));
        offered(world)
    };
    assert!((all(&mut world, 1) - 2.5).abs() < 1e-9, "one task and the executor");
    says(&mut world, "t2", TaskState::Finished, Some(2));
    assert!((all(&mut world, 2) - 4.0).abs() < 1e-9, "nothing");
}

#[test]
fn what_is_wrong_with_a_group_is_told_of_all_of_it_in_mesos_words() {
    let one = |id: &str| task(id, "id-of-a1", 1.0);
    let with = |change: &str| one("t2").replacen('{', &format!("{{{change},"), 1);
    let custom = EXECUTOR.replace("DEFAULT", "CUSTOM") + r#","command":{"value":"x"}"#;
    let table: [(&str, String, String, &str, &str); 13] = [
        ("the same ID twice", EXECUTOR.to_owned(), one("t1"), "", "Task 't1' is invalid: Task has duplicate ID: t1"),
        (
            "another agent",
            EXECUTOR.to_owned(),
            task("t2", "x", 1.0),
            "",
            "Task 't2' is invalid: Task uses invalid agent x while agent id-of-a1 is expected",
        ),
        ("no type", EXECUTOR.replace(r#""type":"DEFAULT","#, ""), one("t2"), "", "'ExecutorInfo.type' must be set"),
        ("custom", custom, one("t2"), "", "Custom executors are not supported by this version of Proffer"),
        (
            "a command",
            EXECUTOR.to_owned() + r#","command":{"value":"x"}"#,
            one("t2"),
            "",
            "'ExecutorInfo.command' must not be set for 'DEFAULT' executor",
        ),
        (
            "no framework",
            EXECUTOR.replace(r#""framework_id":{"value":"F-1"},"#, ""),
            one("t2"),
            "",
            "'ExecutorInfo.framework_id' must be set",
        ),
        ("no disk", EXECUTOR.replace("disk", "gpus"), one("t2"), "", "Executor 'e' uses no disk"),
        (
            "little memory",
            EXECUTOR.replace("32", "8"),
            one("t2"),
            "",
            "Executor 'e' uses less memory (8MB) than the minimum required (32MB)",
        ),
        (
            "too much",
            EXECUTOR.to_owned(),
            task("t2", "id-of-a1", 2.6),
            "",
            "Total resources cpus(allocated: *):4.1; mem(allocated: *):160; disk(allocated: *):10 required by task group and \
             its executor are more than available cpus(allocated: *):4;",
        ),
        (
            "an id",
            EXECUTOR.to_owned(),
            one("t2"),
            r#""id":{"value":"o"},"#,
            "The `id` field cannot be set on LAUNCH_GROUP operations",
        ),
        (
            "limits",
            EXECUTOR.to_owned(),
            with(r#""limits":{"cpus":{"value":2}}"#),
            "",
            "Task 't2' is invalid: Resource limits may only be set for tasks within a task group when the 'share_cgroups'",
        ),
        (
            "different cgroups",
            EXECUTOR.to_owned(),
            with(r#""container":{"type":"MESOS","linux_info":{"share_cgroups":false}}"#),
            "",
            "If set, the value of 'share_cgroups' must be the same for all tasks in each task group",
        ),
        (
            "what agents cannot do",
            EXECUTOR.to_owned(),
            with(r#""health_check":{"type":"TCP","tcp":{"port":1}}"#),
            "",
            "Task 't2' is invalid: Health checks are not supported by this version of Proffer",
        ),
    ];
    for (what, executor, second, more, expected) in table {
        let mut world = subscribed();
        let call = group_call(&world, &executor, &[one("t1"), second], more);
        world.call(1, &call);
        let (state, reason, message) = last_words(&world, "t1");
        assert_eq!((state.as_str(), reason.as_str()), ("TASK_ERROR", "REASON_TASK_GROUP_INVALID"), "{what}: {message}");
        assert!(message.starts_with(expected), "{what}: {message}");
        assert!(world.tasks.is_empty() && world.launches.is_empty());
        let told = world.told();
        assert_eq!(told.iter().filter(|line| line.contains("TASK_ERROR")).count(), 2, "{what}: {told:?}");
        assert!((offered(&world) - 4.0).abs() < 1e-9, "{what}: what was offered is offered again");
    }
}

#[test]
fn limits_of_their_own_are_for_tasks_with_cgroups_of_their_own() {
    let mut world = subscribed();
    let own = r#"{"limits":{"cpus":{"value":2}},"container":{"type":"MESOS","linux_info":{"share_cgroups":false}},"#;
    let call = group_call(&world, EXECUTOR, &[task("t1", "id-of-a1", 1.0).replacen('{', own, 1)], "");
    world.call(1, &call);
    assert_eq!(world.launches.len(), 1);
    // Under one executor, all do it one way.
    launch(&mut world, EXECUTOR, &["t2"]);
    assert!(last_words(&world, "t2").2.starts_with("If set, the value of 'share_cgroups' must be the same"));
}

#[test]
fn an_executor_that_is_there_cannot_be_described_otherwise() {
    let mut world = launched();
    launch(&mut world, &EXECUTOR.replace("0.5", "0.25"), &["t3"]);
    let (_, _, message) = last_words(&world, "t3");
    assert!(
        message.starts_with("ExecutorInfo is not compatible with existing ExecutorInfo with same ExecutorID."),
        "{message}"
    );
}

#[test]
fn a_group_that_its_principal_may_not_launch_is_not_launched() {
    let mut world = subscribed();
    let tasks = ["t1", "t2"].map(|id| task(id, "id-of-a1", 1.0));
    let call: Call = json::decode(group_call(&world, EXECUTOR, &tasks, "").as_bytes()).unwrap();
    let denied = vec![(0, "Task 't1' is not authorized".to_owned())];
    world.event(Event::Call { connection: Connection(1), call: Box::new(call), denied });
    for task in ["t1", "t2"] {
        let (state, reason, _) = last_words(&world, task);
        assert_eq!((state.as_str(), reason.as_str()), ("TASK_ERROR", "REASON_TASK_GROUP_UNAUTHORIZED"));
    }
    assert!(world.launches.is_empty());
}

#[test]
fn a_kill_before_the_launch_takes_the_whole_group() {
    let mut world = subscribed();
    world.hold_writes = true;
    launch(&mut world, EXECUTOR, &["t1", "t2"]);
    world.call(1, r#"{"type":"KILL","kill":{"task_id":{"value":"t2"}}}"#);
    while !world.held.is_empty() {
        world.answer(WriteOutcome::Done);
    }
    assert_eq!(world.heard(), ["kill None", "kill None"]);
    for task in ["t1", "t2"] {
        // The agent answers of what it does not know, and wants no acknowledgement.
        says(&mut world, task, TaskState::Dropped, None);
        let (state, reason, message) = last_words(&world, task);
        assert_eq!((state.as_str(), reason.as_str()), ("TASK_KILLED", "REASON_TASK_KILLED_DURING_LAUNCH"));
        assert_eq!(message, "A task within the task group was killed before delivery to the executor");
    }
}

#[test]
fn a_kill_of_one_that_runs_is_for_that_one_and_its_agent_ends_the_others() {
    let mut world = launched();
    for (task, uuid) in [("t1", 1), ("t2", 2)] {
        says(&mut world, task, TaskState::Running, Some(uuid));
    }
    let (_, event) = world.events.last().unwrap();
    assert_eq!(event.update.as_ref().unwrap().status.executor_id.as_ref().unwrap().value, "e");
    world.call(1, r#"{"type":"KILL","kill":{"task_id":{"value":"t2"}}}"#);
    assert_eq!(world.heard(), ["kill None"]);
    world.call(1, r#"{"type":"SHUTDOWN","shutdown":{"executor_id":{"value":"e"},"agent_id":{"value":"id-of-a1"}}}"#);
    assert_eq!(world.heard(), ["kill None", "kill None"], "all under the executor");
}

#[test]
fn the_next_leader_launches_a_group_that_was_recorded_whole_and_no_other() {
    for recorded in [2, 1] {
        let mut world = subscribed();
        world.hold_writes = true;
        launch(&mut world, EXECUTOR, &["t1", "t2"]);
        for _ in 0..recorded {
            world.answer(WriteOutcome::Done);
        }
        let mut world = world.next_leader();
        world.subscribe(2, back(info()));
        assert_eq!(world.tasks.len(), recorded);
        world.agent("a1", vec![]);
        let launched = world.launches.len();
        if recorded == 2 {
            assert_eq!(launched, 2);
            assert_eq!(world.heard().len(), 1, "together");
            assert!((offered(&world) - 1.5).abs() < 1e-9, "the executor holds what it held: {}", offered(&world));
        } else {
            assert_eq!(launched, 0);
            assert_eq!(last_words(&world, "t1").0, "TASK_DROPPED");
        }
    }
}

#[test]
fn the_next_leader_takes_over_a_group_that_runs() {
    let world = launched();
    let snapshot = |world: &World, task: &str| TaskSnapshot {
        resources: "cpus:1;mem:64".parse::<ResourceBag>().unwrap(),
        update: update(world, task, TaskState::Running, Some(7)),
    };
    let tasks = ["t1", "t2"].map(|task| snapshot(&world, task)).to_vec();
    let mut world = world.next_leader();
    world.agent("a1", tasks);
    assert!(world.heard().iter().all(|line| !line.starts_with("launch")));
    world.subscribe(2, back(info()));
    assert!((offered(&world) - 1.5).abs() < 1e-9, "{}", offered(&world));
}
