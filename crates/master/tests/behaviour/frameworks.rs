//! Frameworks come and go.

use crate::world::*;
use proffer_mesos_api::{Reason, TaskState};

#[test]
fn an_unusable_framework_says_so_and_its_tasks_wait() {
    let mut world = World::new().agent("node1", "4", "8Gi").framework("fw", Err("no scheduler is named".to_owned()));
    world.add_task("hello", "fw", "1", "64Mi");
    let record = &world.framework_records["fw"];
    assert_eq!((record.ready.ready, record.ready.reason), (false, "Invalid"));
    assert_eq!((record.ready.message.as_str(), record.scheduler, record.pending), ("no scheduler is named", "", 1));
    world = world.built_in("fw");
    assert_eq!(world.state("hello").0, Some(TaskState::Staging));
    let record = &world.framework_records["fw"];
    assert_eq!((record.ready.ready, record.scheduler, record.active), (true, "BinPack", 1));
    assert_eq!(record.framework_id, "fw-uid-fw");
}

#[test]
fn deleting_a_framework_ends_its_tasks_and_its_offers() {
    let mut world = World::new().external("fw").agent("node1", "2", "1Gi").task("hello", "fw", "1", "64Mi");
    world.add_task("waiting", "fw", "9", "64Mi");
    world.accept("fw-1-1", &["hello"]);
    world.says("node1", "hello", TaskState::Running);
    world.pass(secs(6));
    world = world.clear();
    world.delete_framework("fw");
    assert_eq!(
        world.log(),
        ["delete offer fw-1-2", "write hello: Killing", "node1: kill hello", "write waiting: Pending"]
    );
    world.says("node1", "hello", TaskState::Killed);
    assert_eq!(world.state("hello"), (Some(TaskState::Killed), Some(Reason::FrameworkRemoved)));
    assert!(world.shown("waiting").1.starts_with(r#"framework "fw" does not exist"#));
}

#[test]
fn the_deletion_of_an_earlier_framework_of_the_name_is_ignored() {
    let mut world = World::new().external("fw").agent("node1", "2", "1Gi").clear();
    world.event(proffer_master::Event::FrameworkDeleted { key: key("fw"), uid: "earlier".to_owned() });
    assert_eq!(world.log(), [""; 0]);
}

#[test]
fn a_framework_made_anew_is_another_one() {
    let mut world = World::new().built_in("fw").agent("node1", "2", "1Gi").task("hello", "fw", "1", "64Mi").clear();
    let mut again = world.frameworks["fw"].clone();
    again.uid = "another".to_owned();
    world.apply_framework(again);
    // It is owned by the framework that it was made for, so it goes with that.
    assert_eq!(world.log(), ["adopt hello with finalizer", "write hello: Killing", "node1: kill hello"]);
    assert_eq!(world.framework_records["fw"].framework_id, "fw-another");
}

#[test]
fn a_namespace_can_be_deleted() {
    let mut world = World::new().built_in("fw").external("ext").agent("node1", "2", "1Gi");
    world.add_task("runs", "fw", "1", "64Mi");
    world.add_task("waits", "fw", "9", "64Mi");
    world.add_task("offered", "ext", "9", "64Mi");
    world.pass(secs(1));
    world.says("node1", "runs", TaskState::Running);
    world.pass(secs(2));
    for task in ["waits", "runs", "offered"] {
        world.delete_task(task);
    }
    world.delete_framework("fw");
    world.delete_framework("ext");
    world.says("node1", "runs", TaskState::Killed);
    assert!(world.objects.is_empty());
    assert!(world.agent_records["node1"].allocated.is_empty());
    assert!(world.agent_records["node1"].offered.is_empty());
}

#[test]
fn statuses_are_written_only_when_they_change() {
    let mut world = World::new().built_in("fw").agent("node1", "2", "1Gi");
    world.framework_records.clear();
    world.agent_records.clear();
    let same = world.frameworks["fw"].clone();
    world.apply_framework(same);
    world.pass_with_pongs(secs(120));
    assert!(world.framework_records.is_empty() && world.agent_records.is_empty());
}
