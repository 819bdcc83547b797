//! Frameworks subscribe, come back, and end.

use crate::world::{ID, World, back, info, read};
use proffer_master::{Connection, Event, StreamPhase, WriteOutcome};
use proffer_mesos_api::TaskState;
use proffer_mesos_api::v1::FrameworkInfo;
use std::time::Duration;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_new_framework_is_told_that_it_is_subscribed_once_its_object_is_durable() {
    let mut world = World::new();
    world.agent("a1", vec![]);
    world.hold_writes = true;
    world.subscribe(1, info());
    assert!(world.told().is_empty());
    world.answer(WriteOutcome::Done);
    assert_eq!(world.told(), ["1: subscribed as F-1", "1: SUBSCRIBED", "1: 1 offers"]);
    assert_eq!(world.known(), ["F-1 of p"]);
    let key = world.frameworks.keys().next().unwrap();
    assert!(key.namespace == "ns" && key.name.starts_with("test-"), "{key}");
}

#[test]
fn a_framework_that_cannot_be_recorded_is_told_so() {
    let mut world = World::new();
    world.hold_writes = true;
    world.subscribe(1, info());
    world.answer(WriteOutcome::Refused("no".to_owned()));
    assert_eq!(world.told(), ["1: end The framework cannot be recorded: no"]);
}

#[test]
fn what_is_wrong_with_a_framework_is_told_in_the_words_of_mesos() {
    for (text, error) in [
        (r#"{"user":"","name":"","role":"-x"}"#, "'FrameworkInfo.role' is not a valid role: "),
        (
            r#"{"user":"","name":"","roles":["a"]}"#,
            "'FrameworkInfo.roles' must not be set when the framework is not MULTI_ROLE",
        ),
    ] {
        let mut world = World::new();
        world.subscribe(1, read(text));
        let told = world.told();
        assert!(told[0].starts_with(&format!("1: end {error}")), "{told:?}");
    }
}

#[test]
fn a_second_subscription_sends_the_first_away_and_gets_offers_of_its_own() {
    let mut world = World::new();
    world.agent("a1", vec![]);
    world.subscribe(1, info());
    world.told();
    world.subscribe(2, back(info()));
    assert_eq!(world.told(), ["1: end Framework failed over", "2: subscribed as F-1", "2: SUBSCRIBED", "2: 1 offers"]);
    // What the first one still says, and that its stream ends, changes nothing.
    world.call(1, r#"{"type":"TEARDOWN"}"#);
    world.event(Event::Unsubscribed(Connection(1)));
    assert_eq!((world.told(), world.phase()), (vec![], Some(StreamPhase::Active)));
}

#[test]
fn nobody_takes_the_framework_of_another_principal() {
    let mut world = World::new();
    world.subscribe(1, info());
    world.told();
    let mut other = back(info());
    other.principal = Some("q".to_owned());
    world.subscribe(2, other);
    assert_eq!(world.told(), ["2: end Changing framework's principal is not allowed."]);
}

#[test]
fn a_framework_that_mesos_knew_keeps_its_id() {
    let mut world = World::new();
    let mut known = info();
    known.id = Some(proffer_mesos_api::v1::FrameworkId { value: "old-0001".to_owned() });
    world.subscribe(1, known);
    assert_eq!(world.told(), ["1: subscribed as old-0001", "1: SUBSCRIBED"]);
}

#[test]
fn what_changed_is_written_before_it_counts() {
    let mut world = World::new();
    world.subscribe(1, info());
    world.told();
    world.hold_writes = true;
    let mut changed = back(info());
    changed.webui_url = Some("http://x".to_owned());
    world.subscribe(2, changed.clone());
    assert!(world.told().is_empty());
    world.answer(WriteOutcome::Done);
    assert_eq!(world.told()[1], "2: subscribed as F-1");
    world.hold_writes = false;
    world.subscribe(3, changed);
    assert_eq!(world.told()[1], "3: subscribed as F-1", "the same again needs no write");
}

#[test]
fn offers_of_who_goes_are_free_and_its_tasks_go_on() {
    let mut world = World::new();
    world.agent("a1", vec![]);
    let minute = FrameworkInfo { failover_timeout: Some(60.0), ..info() };
    world.subscribe(1, minute.clone());
    world.launch(1, &["t"]);
    world.status("a1", TaskState::Running, 1);
    world.told();
    world.event(Event::Unsubscribed(Connection(1)));
    assert!(world.told().is_empty(), "there is nobody to be told");
    assert_eq!(world.phase(), Some(StreamPhase::Disconnected));
    world.pass(secs(59));
    assert_eq!(world.phase(), Some(StreamPhase::Disconnected));
    world.heard();
    world.pass(secs(2));
    assert_eq!(world.phase(), Some(StreamPhase::Completed));
    assert!(world.heard().contains(&"kill None".to_owned()), "its tasks end");
    assert!(world.known().is_empty());
    world.subscribe(2, back(minute));
    assert_eq!(world.told(), ["2: end Framework has been removed"]);
}

#[test]
fn without_a_failover_timeout_who_goes_is_over() {
    let mut world = World::new();
    world.subscribe(1, read(r#"{"user":"u","name":"test"}"#));
    world.event(Event::Unsubscribed(Connection(1)));
    assert_eq!(world.phase(), Some(StreamPhase::Completed));
}

#[test]
fn teardown_ends_the_stream_without_an_error() {
    let mut world = World::new();
    world.subscribe(1, info());
    world.told();
    world.call(1, r#"{"type":"TEARDOWN"}"#);
    assert_eq!((world.told(), world.phase()), (vec!["1: end ".to_owned()], Some(StreamPhase::Completed)));
    let world = world.next_leader();
    assert!(world.known().is_empty(), "it is over for the next leader, too");
}

#[test]
fn the_time_to_come_back_goes_on_at_the_next_leader() {
    let mut world = World::new();
    world.subscribe(1, info());
    world.event(Event::Unsubscribed(Connection(1)));
    world.pass(secs(3_000));
    let mut world = world.next_leader();
    assert_eq!(world.known(), ["F-1 of p"]);
    world.pass(secs(599));
    assert_eq!(world.phase(), Some(StreamPhase::Disconnected));
    world.pass(secs(2));
    assert_eq!(world.phase(), Some(StreamPhase::Completed));
}

#[test]
fn who_was_subscribed_has_time_to_find_the_next_leader() {
    let mut world = World::new();
    world.subscribe(1, read(r#"{"user":"u","name":"test"}"#));
    let mut world = world.next_leader();
    world.pass(secs(59));
    world.subscribe(7, back(read(r#"{"user":"u","name":"test"}"#)));
    assert_eq!(world.told(), ["7: subscribed as F-1", "7: SUBSCRIBED"]);
    assert_eq!(world.known().len(), 1);
    assert!(world.frameworks.len() == 1 && world.frameworks.values().all(|one| one.spec.framework_id == ID));
    let mut late = World::new();
    late.subscribe(1, read(r#"{"user":"u","name":"test"}"#));
    let mut late = late.next_leader();
    late.pass(secs(61));
    assert_eq!(late.phase(), Some(StreamPhase::Completed));
}

#[test]
fn suppressed_roles_get_no_offers_until_they_are_revived() {
    let mut world = World::new();
    world.subscribe(1, info());
    world.call(1, r#"{"type":"SUPPRESS"}"#);
    world.agent("a1", vec![]);
    world.told();
    world.call(1, r#"{"type":"REVIVE","revive":{"roles":["nobody's"]}}"#);
    assert!(world.told().is_empty());
    world.call(1, r#"{"type":"REVIVE"}"#);
    assert_eq!(world.told(), ["1: 1 offers"]);
}

#[test]
fn an_agent_that_goes_takes_its_offers_along() {
    let mut world = World::new();
    world.agent("a1", vec![]);
    world.subscribe(1, info());
    world.told();
    world.agent_goes("a1");
    assert_eq!(world.told(), ["1: rescind"]);
}

/// Mesos: `--max_completed_frameworks`.
#[test]
fn only_so_many_frameworks_that_are_over_are_remembered() {
    let mut world = World::new();
    world.agent("a1", vec![]);
    let mut names = Vec::new();
    for number in 1..=52_u64 {
        let before = world.frameworks.len();
        world.subscribe_as(number, &format!("F-{number}"), info());
        names.extend(world.frameworks.keys().filter(|key| !names.contains(*key)).cloned().collect::<Vec<_>>());
        assert_eq!(world.frameworks.len(), before + 1);
        if number == 1 {
            world.launch(number, &["t"]);
        }
        world.call(number, r#"{"type":"TEARDOWN"}"#);
        world.pass(secs(1));
    }
    let remembered = |world: &World| names.iter().map(|name| world.frameworks.contains_key(name)).collect::<Vec<_>>();
    // The first has a task that was not seen to its end.
    assert_eq!(remembered(&world)[..4], [true, false, true, true]);
    world.status("a1", TaskState::Killed, 1);
    assert_eq!(remembered(&world)[..4], [false, false, true, true]);
    // And so it is at the next leader.
    let mut world = world.next_leader();
    assert_eq!(world.frameworks.len(), 50);
    world.subscribe_as(99, "F-99", info());
    world.call(99, r#"{"type":"TEARDOWN"}"#);
    assert_eq!(world.frameworks.len(), 50);
}
