//! Offers are accepted, declined, and used once.

use crate::world::{World, back, info, read, task};
use proffer_master::{Connection, Event, WriteOutcome};
use proffer_mesos_api::TaskState;

fn subscribed() -> World {
    let mut world = World::new();
    world.agent("a1", vec![]);
    world.subscribe(1, info());
    world
}

#[test]
fn a_launch_waits_for_one_write_and_no_more() {
    let mut world = subscribed();
    world.hold_writes = true;
    world.launch(1, &["t"]);
    assert!(world.heard().is_empty());
    assert_eq!(world.held.len(), 1);
    world.answer(WriteOutcome::Done);
    assert_eq!(world.launches.len(), 1);
    let (new, _) = world.tasks.values().next().unwrap();
    assert_eq!(new.record.agent.as_ref().unwrap().agent_id, "id-of-a1");
    assert_eq!(new.id.uid.len(), 36);
}

#[test]
fn with_write_behind_a_launch_waits_for_nothing() {
    let mut world = World::new();
    world.write_behind = true;
    world.agent("a1", vec![]);
    world.subscribe(1, info());
    world.hold_writes = true;
    world.launch(1, &["t"]);
    assert_eq!((world.launches.len(), world.held.len()), (1, 1));
}

#[test]
fn a_task_that_cannot_be_recorded_is_not_launched_and_its_framework_told() {
    let mut world = subscribed();
    world.hold_writes = true;
    world.launch(1, &["t"]);
    world.told();
    world.answer(WriteOutcome::Refused("it is too large".to_owned()));
    let told = world.told();
    assert!(told.contains(&"1: t TASK_ERROR: Task cannot be recorded: it is too large".to_owned()), "{told:?}");
    assert!(world.heard().is_empty());
    world.hold_writes = false;
    world.launch(1, &["t"]);
    assert_eq!(world.launches.len(), 1, "its ID is free again");
}

#[test]
fn an_offer_is_used_once_and_only_by_whom_it_is_made_to() {
    let mut world = subscribed();
    let offer = world.offers().pop().unwrap();
    world.accept(1, &[&offer.id.value], &[task("t1", "id-of-a1", 1.0)]);
    world.told();
    for offers in [vec![offer.id.value.as_str()], vec!["nothing"], vec![]] {
        world.accept(1, &offers, &[task("t2", "id-of-a1", 1.0)]);
    }
    let gone =
        |id: &str| format!("1: t2 TASK_DROPPED: Task launched with invalid offers: Offer {id} is no longer valid");
    assert_eq!(
        world.told(),
        [
            gone(&offer.id.value),
            gone("nothing"),
            "1: t2 TASK_DROPPED: Task launched with invalid offers: No offers specified".to_owned(),
        ]
    );
}

#[test]
fn frameworks_that_do_not_know_of_partitions_are_told_that_tasks_are_lost() {
    let mut world = World::new();
    world.agent("a1", vec![]);
    world.subscribe(1, read(r#"{"user":"u","name":"test","failover_timeout":9}"#));
    world.told();
    world.accept(1, &["nothing"], &[task("t", "id-of-a1", 1.0)]);
    assert_eq!(world.told(), ["1: t TASK_LOST: Task launched with invalid offers: Offer nothing is no longer valid"]);
}

#[test]
fn an_id_is_in_use_until_the_end_of_its_task_is_acknowledged() {
    let mut world = subscribed();
    world.launch(1, &["t"]);
    world.told();
    world.launch(1, &["t"]);
    assert_eq!(world.told()[0], "1: t TASK_ERROR: Task has duplicate ID: t");
    world.status("a1", TaskState::Finished, 1);
    world.told();
    world.launch(1, &["t"]);
    assert_eq!(world.told()[0], "1: t TASK_ERROR: Task has duplicate ID: t");
    world.call(
        1,
        r#"{"type":"ACKNOWLEDGE","acknowledge":{"agent_id":{"value":"id-of-a1"},"task_id":{"value":"t"},"uuid":"AQEBAQEBAQEBAQEBAQEBAQ=="}}"#,
    );
    world.launch(1, &["t"]);
    assert_eq!(world.launches.len(), 2);
    let names: Vec<&str> = world.tasks.keys().map(|id| id.key.name.as_str()).collect();
    assert!(names.len() == 2 && names[1].ends_with("-2"), "{names:?}");
}

#[test]
fn what_is_declined_comes_again_when_the_filter_ends_or_at_once_without_one() {
    let mut world = subscribed();
    let decline = |world: &mut World, seconds: &str| {
        let id = world.offers().pop().unwrap().id.value;
        world.told();
        world.call(
            1,
            &format!(
                r#"{{"type":"DECLINE","decline":{{"offer_ids":[{{"value":"{id}"}}],"filters":{{"refuse_seconds":{seconds}}}}}}}"#
            ),
        );
    };
    decline(&mut world, "0");
    assert_eq!(world.told(), ["1: 1 offers"]);
    for (seconds, waits) in [("2", 2), ("-1", 5)] {
        decline(&mut world, seconds);
        world.pass(std::time::Duration::from_millis(waits * 1000 - 100));
        assert!(world.told().is_empty(), "{seconds}");
        world.pass(std::time::Duration::from_millis(200));
        assert_eq!(world.told(), ["1: 1 offers"], "{seconds}");
    }
}

#[test]
fn the_offers_of_a_scheduler_before_are_void() {
    let mut world = subscribed();
    let offer = world.offers().pop().unwrap();
    world.event(Event::Unsubscribed(Connection(1)));
    world.subscribe(2, back(info()));
    world.told();
    world.accept(2, &[&offer.id.value], &[task("t", "id-of-a1", 1.0)]);
    assert!(world.told()[0].ends_with("is no longer valid"));
}
