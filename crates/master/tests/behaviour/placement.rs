//! The built-in scheduler.

use crate::world::*;
use proffer_master::{PortRequest, SchedulerKind, Strategy};
use proffer_mesos_api::TaskState;
use proffer_resources::Ranges;

fn placed_on(world: &World, task: &str) -> String {
    world.record(task).agent.map(|place| place.agent.0).unwrap_or_default()
}

#[test]
fn binpack_fills_one_agent_and_spread_fills_all() {
    for (strategy, agents) in [(Strategy::BinPack, ["n1", "n1", "n1"]), (Strategy::Spread, ["n1", "n2", "n3"])] {
        let mut world = World::new().framework("fw", Ok(SchedulerKind::BuiltIn(strategy)));
        world.agents_at_once(&["n1", "n2", "n3"]);
        for task in ["a", "b", "c"] {
            world.add_task(task, "fw", "1", "64Mi");
        }
        assert_eq!(["a", "b", "c"].map(|task| placed_on(&world, task)), agents, "{strategy:?}");
    }
}

#[test]
fn the_oldest_goes_first_and_a_large_one_does_not_hold_up_small_ones() {
    let mut world = World::new().built_in("fw");
    for (task, cpu) in [("large", "3"), ("first", "1"), ("second", "1"), ("third", "1")] {
        world.add_task(task, "fw", cpu, "64Mi");
    }
    world.add_agent("node1", "2", "8Gi");
    world.pass(secs(2));
    let states = ["large", "first", "second", "third"].map(|task| world.shown(task).0);
    assert_eq!(states, ["Pending", "Staging", "Staging", "Pending"]);
    world.says("node1", "first", TaskState::Finished);
    assert_eq!(world.shown("third").0, "Staging");
}

#[test]
fn two_built_in_frameworks_share_by_what_they_hold() {
    let mut world = World::new().built_in("a").built_in("b");
    for number in 0..4 {
        world.add_task(&format!("a{number}"), "a", "1", "64Mi");
    }
    for number in 0..4 {
        world.add_task(&format!("b{number}"), "b", "1", "64Mi");
    }
    world.add_agent("node1", "4", "8Gi");
    assert_eq!((world.framework_records["a"].active, world.framework_records["b"].active), (2, 2));
}

#[test]
fn ports_are_given_once() {
    let mut world = World::new().built_in("fw").agent("node1", "4", "8Gi");
    for task in ["a", "b", "c"] {
        world.add_task_with_ports(task, "fw", "100m", "64Mi", PortRequest::Count(4));
    }
    assert_eq!(world.record("a").ports, Ranges::span(31_000, 31_003));
    assert_eq!(world.record("b").ports, Ranges::span(31_004, 31_007));
    world.pass(secs(2));
    assert_eq!(
        world.shown("c").1,
        "needs 0.1 cpu, 64Mi memory and 4 ports; the largest free is node1 with 2 ports; the largest agent is node1 with 10 ports"
    );
}

#[test]
fn an_agent_that_shrank_below_what_runs_gets_nothing_until_that_fits() {
    let mut world = World::new().built_in("fw").agent("node1", "4", "8Gi").task("a", "fw", "3", "64Mi");
    world.give_slot("node1", "2", "8Gi");
    assert_eq!(world.readiness("node1").0, "Overcommitted");
    world.add_task("b", "fw", "100m", "64Mi");
    world.pass(secs(2));
    assert_eq!(world.shown("b").0, "Pending");
    assert_eq!(world.shown("a").0, "Staging");
    world.give_slot("node1", "4", "8Gi");
    assert_eq!((world.shown("b").0.as_str(), world.readiness("node1").0), ("Staging", "Registered"));
}

#[test]
fn explains_itself_agent_by_agent() {
    let mut world = World::new().built_in("fw").agent("node1", "2", "1Gi").agent("node2", "4", "1Gi");
    world.add_task("a", "fw", "3500m", "64Mi");
    world.add_task("b", "fw", "3", "64Mi");
    let why = world.master.explain_task(&key("b")).expect("it waits");
    assert_eq!(
        why.message,
        "needs 3 cpu and 64Mi memory; the largest free is node1 with 2 cpu; the largest agent is node2 with 4 cpu"
    );
    let agents: Vec<String> = why.agents.iter().map(|(agent, verdict)| format!("{agent}: {verdict:?}")).collect();
    assert_eq!(agents, ["node1: TooSmall([Cpus])", "node2: Busy([Cpus])"]);
    assert_eq!(world.master.explain_task(&key("a")), None);
}

#[test]
fn thousands_of_waiting_tasks_cost_little() {
    let mut world = World::new().built_in("fw");
    world.check = false;
    for number in 0..5000 {
        // A thousand different shapes.
        world.add_task(&format!("task-{number:04}"), "fw", &format!("{}m", 1000 + number % 1000), "64Mi");
    }
    for number in 0..100 {
        world.add_agent(&format!("node-{number:02}"), "2", "8Gi");
    }
    let active = world.framework_records["fw"].active;
    assert!((100..=200).contains(&active), "{active}");
}
