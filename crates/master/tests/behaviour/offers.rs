//! Frameworks that answer Offer objects.

use crate::world::*;
use proffer_master::{Delivery, Event, OfferReply, PortRequest, SchedulerKind, Strategy, WriteOutcome};
use proffer_mesos_api::TaskState;
use proffer_resources::Ranges;

/// One agent, offered as a whole to `fw` in the offer `fw-1-1`.
fn offered() -> World {
    World::new().external("fw").agent("node1", "2", "1Gi")
}

#[test]
fn all_that_is_free_is_offered() {
    let mut world = World::new().agent("node1", "2", "1Gi").clear().external("fw");
    assert_eq!(world.log(), ["offer fw-1-1: cpus:2;mem:1024;disk:10240;ports:[31000-31009] of node1"]);
    assert_eq!(world.framework_records["fw"].offers, 1);
    assert_eq!(world.framework_records["fw"].ready.reason, "Served");
    assert_eq!(world.agent_records["node1"].offered.quantities().cpus, resources("2", "0").cpus);
}

#[test]
fn an_accepted_task_is_launched_and_the_rest_is_declined() {
    let mut world = offered().task("hello", "fw", "500m", "64Mi").clear();
    world.accept("fw-1-1", &["hello"]);
    assert_eq!(
        world.log(),
        [
            "write hello: Staging",
            "node1: prepare hello",
            "close fw-1-1: Accepted: 1 task launched on agent node1",
            "node1: launch hello with cpus:0.5;mem:64",
        ]
    );
    // The rest comes back when the default filter ends.
    world.pass(secs(4));
    assert_eq!(world.log(), ["adopt hello with finalizer"]);
    world.pass(secs(1));
    assert_eq!(world.log(), ["offer fw-1-2: cpus:1.5;mem:960;disk:10240;ports:[31000-31009] of node1"]);
    // What its end frees is more than was refused.
    world.says("node1", "hello", TaskState::Finished);
    assert!(world.log().iter().any(|line| line.starts_with("offer fw-1-3: cpus:0.5;mem:64 of")));
}

#[test]
fn what_was_declined_is_not_offered_until_the_filter_ends() {
    for (refuse, seconds) in [(None, 5), (Some(secs(60)), 60), (Some(secs(400 * 24 * 3600)), 365 * 24 * 3600)] {
        let mut world = offered().clear();
        world.hold_writes = false;
        world.decline("fw-1-1", refuse);
        assert_eq!(world.log(), ["close fw-1-1: Declined: declined by the framework"]);
        assert!(world.framework_records["fw"].ready.message.starts_with("gets no offers: 1 agent declined"));
        // As time passes only for the filter, the agent's pings do not matter.
        world.now = world.now.after(secs(seconds - 1));
        world.disconnect("node1");
        world.connect("node1", Vec::new());
        assert!(!world.log().iter().any(|line| line.starts_with("offer ")), "{seconds}");
        world.now = world.now.after(secs(1));
        world.event(Event::Tick);
        assert!(world.log().iter().any(|line| line.starts_with("offer fw-1-2")), "{seconds}");
    }
}

#[test]
fn a_decline_without_a_filter_is_answered_with_the_next_offer() {
    let mut world = offered().clear();
    world.decline("fw-1-1", Some(secs(0)));
    let log = world.log();
    assert_eq!(log[0], "close fw-1-1: Declined: declined by the framework");
    assert!(log[1].starts_with("offer fw-1-2"));
}

#[test]
fn an_offer_expires_and_is_forgotten() {
    let mut world = offered().clear();
    world.pass_with_pongs(secs(61));
    assert!(world.log().contains(&"close fw-1-1: Expired: was not answered in time".to_owned()));
    world.pass_with_pongs(secs(60));
    let log = world.log();
    assert!(log.contains(&"delete offer fw-1-1".to_owned()), "{log:?}");
    // A reply that comes too late is harmless, whether the offer is known or not.
    for offer in ["fw-1-1", "fw-1-77"] {
        world.accept(offer, &["hello"]);
        assert_eq!(world.log(), [""; 0]);
    }
}

#[test]
fn a_framework_may_set_how_long_its_offers_wait() {
    let mut world = World::new().external("fw");
    let mut framework = world.frameworks["fw"].clone();
    framework.offer_timeout = Some(secs(2));
    world.apply_framework(framework);
    world.add_agent("node1", "2", "1Gi");
    world = world.clear();
    world.pass(secs(2));
    assert_eq!(world.log(), ["close fw-1-1: Expired: was not answered in time"]);
}

#[test]
fn a_reply_that_cannot_be_carried_out_is_rejected_with_the_reason() {
    let mut world = World::new().external("fw").built_in("other");
    world.add_task("big", "fw", "4", "64Mi");
    world.add_task_with_ports("ported", "fw", "1", "64Mi", PortRequest::Numbers(Ranges::span(80, 80)));
    world.add_task("theirs", "other", "9", "64Mi");
    world.add_agent("node1", "1500m", "1Gi");
    for (task, problem) in [
        ("nosuch", r#"task "nosuch" does not exist in namespace "ns": create it first"#),
        ("theirs", r#"task "theirs" belongs to framework "other""#),
        ("big", r#"task "big" asks for 4 cpu, the offer has 1.5 cpu left"#),
        ("ported", r#"task "ported" asks for the ports [80-80], the offer has [31000-31009] left"#),
    ] {
        let offer = world.newest_offer();
        world = world.clear();
        world.reply(&offer, OfferReply::launch(vec![task.to_owned()], Some(secs(0))));
        world.pass(secs(3));
        let log = world.log();
        assert!(log.contains(&format!("close {offer}: Rejected: no task was launched: {problem}")), "{log:#?}");
        assert!(log.contains(&format!("tell LaunchRejected: offer {offer}: {problem}")), "{log:#?}");
    }
    assert!(world.shown("big").1.ends_with("waits for another offer"), "{:?}", world.shown("big"));
}

#[test]
fn of_several_tasks_those_that_fit_are_launched() {
    let mut world = offered();
    for (task, cpu) in [("a", "1"), ("b", "1500m"), ("c", "500m")] {
        world.add_task(task, "fw", cpu, "64Mi");
    }
    world = world.clear();
    world.accept("fw-1-1", &["a", "b", "c", "a"]);
    let message =
        r#"2 tasks launched on agent node1; not launched: task "b" asks for 1.5 cpu, the offer has 1 cpu left"#;
    assert!(world.log().contains(&format!("close fw-1-1: Accepted: {message}")));
    let states = ["a", "b", "c"].map(|task| world.shown(task).0);
    assert_eq!(states, ["Staging", "Pending", "Staging"]);
}

#[test]
fn a_task_that_was_launched_before_is_not_launched_again() {
    let mut world = offered().task("hello", "fw", "500m", "64Mi");
    world.accept("fw-1-1", &["hello"]);
    world.pass(secs(5));
    world = world.clear();
    world.accept("fw-1-2", &["hello"]);
    let problem = r#"task "hello" was launched before and is Staging now"#;
    assert!(world.log().contains(&format!("close fw-1-2: Rejected: no task was launched: {problem}")));
}

#[test]
fn a_reply_may_come_before_the_task_that_it_names() {
    let mut world = offered().clear();
    world.accept("fw-1-1", &["hello"]);
    assert_eq!(world.log(), [""; 0]);
    world.add_task("hello", "fw", "500m", "64Mi");
    assert_eq!(world.state("hello").0, Some(TaskState::Staging));
}

#[test]
fn tasks_get_ports_out_of_the_offer() {
    let mut world = offered();
    world.add_task_with_ports("a", "fw", "100m", "64Mi", PortRequest::Count(2));
    world.add_task_with_ports("b", "fw", "100m", "64Mi", PortRequest::Numbers(Ranges::span(31_001, 31_001)));
    world.accept("fw-1-1", &["a", "b"]);
    assert_eq!(world.record("a").ports, Ranges::span(31_000, 31_001));
    assert_eq!(world.shown("b").0, "Pending");
}

#[test]
fn an_offer_that_cannot_be_created_is_not_held_and_not_repeated_at_once() {
    let mut world = World::new().agent("node1", "2", "1Gi").clear();
    world.hold_writes = true;
    world = world.external("fw");
    world.finish_write(WriteOutcome::Refused("namespace ns is being terminated".to_owned()));
    let log = world.log();
    assert_eq!(log.len(), 2, "{log:?}");
    assert!(log[1].ends_with("could not be made: namespace ns is being terminated"), "{log:?}");
    assert!(world.agent_records["node1"].offered.is_empty());
    world.pass(secs(5));
    assert!(world.log().iter().any(|line| line.starts_with("offer fw-1-2")));
}

#[test]
fn an_offer_that_ends_before_its_object_is_there_is_closed_after() {
    let mut world = World::new().agent("node1", "2", "1Gi");
    world.hold_writes = true;
    world = world.external("fw").clear();
    world.disconnect("node1");
    assert_eq!(world.log(), [""; 0]);
    world.finish_write(WriteOutcome::Done);
    assert_eq!(world.log(), ["close fw-1-1: Rescinded: agent node1 cannot be used now"]);
}

#[test]
fn an_offer_object_that_somebody_deletes_counts_as_declined_without_a_filter() {
    let mut world = offered().clear();
    world.event(Event::OfferDeleted(offer_id("fw-1-1")));
    assert!(world.log()[0].starts_with("offer fw-1-2"));
}

#[test]
fn frameworks_share_by_what_they_hold() {
    // `a` is offered a whole agent, then it is `b`'s turn, and so on.
    let mut world = World::new().external("a").external("b");
    world.agents_at_once(&["n1", "n2", "n3", "n4"]);
    let offers: Vec<_> = world.log().into_iter().filter(|line| line.starts_with("offer ")).collect();
    let to = |name: &str| offers.iter().filter(|line| line.starts_with(&format!("offer {name}-"))).count();
    assert_eq!((to("a"), to("b")), (2, 2), "{offers:?}");
}

#[test]
fn one_framework_gets_only_so_many_offers_at_a_time() {
    let mut world = World::new();
    for number in 0..60 {
        world.add_agent(&format!("node{number:02}"), "1", "1Gi");
    }
    world = world.external("fw");
    assert_eq!(world.framework_records["fw"].offers, 50);
    world.decline("fw-1-1", None);
    assert_eq!(world.framework_records["fw"].offers, 50);
}

#[test]
fn switching_the_scheduler_takes_offers_back_and_places_what_waits() {
    let mut world = offered().task("hello", "fw", "500m", "64Mi").clear();
    world = world.framework("fw", Ok(SchedulerKind::BuiltIn(Strategy::Spread)));
    assert_eq!(
        world.log(),
        [
            r#"close fw-1-1: Rescinded: framework "fw" does not take offers any more"#,
            "write hello: Staging",
            "node1: prepare hello",
            "node1: launch hello with cpus:0.5;mem:64",
        ]
    );
    world = world.framework("fw", Ok(SchedulerKind::External(Delivery::Objects)));
    assert!(world.log()[0].starts_with("offer fw-1-2: cpus:1.5"));
}

#[test]
fn a_task_that_fits_nowhere_else_has_an_old_offer_taken_back() {
    let mut world = offered().built_in("batch").clear();
    world.add_task("job", "batch", "1", "64Mi");
    assert_eq!(world.log(), [""; 0]);
    world.pass(secs(1));
    let log = world.log();
    assert!(
        log.contains(
            &r#"close fw-1-1: Rescinded: its resources are needed for a task of framework "batch""#.to_owned()
        )
    );
    assert!(log.contains(&"node1: launch job with cpus:1;mem:64".to_owned()), "{log:#?}");
    // What is left is offered again.
    assert!(log.iter().any(|line| line.starts_with("offer fw-1-2: cpus:1;mem:960")), "{log:#?}");
}

#[test]
fn the_cheapest_offer_that_helps_is_taken_back() {
    let mut world =
        World::new().external("fw").agent("big", "8", "1Gi").agent("small", "1", "1Gi").agent("tiny", "500m", "1Gi");
    let small = world.offer_of("small");
    world.pass(secs(2));
    world = world.clear().built_in("batch");
    world.add_task("job", "batch", "1", "64Mi");
    let why = r#"its resources are needed for a task of framework "batch""#;
    assert!(world.log().contains(&format!("close {small}: Rescinded: {why}")));
    assert!(world.record("job").agent.is_some_and(|place| place.agent.0 == "small"));
}

/// What others hold changes without a word to who has nothing.
#[test]
fn who_has_no_offers_is_told_anew_why_after_a_while() {
    let mut world = World::new().external("rich").agent("node1", "2", "1Gi").external("poor");
    let told = |world: &World| world.framework_records["poor"].ready.message.clone();
    let offer = world.newest_offer();
    let first = told(&world);
    assert!(first.starts_with("gets no offers: "), "{first}");
    // What it leaves is not worth an offer.
    world.add_task("all", "rich", "1995m", "1000Mi");
    world.accept(&offer, &["all"]);
    world.pass_with_pongs(secs(61));
    let second = told(&world);
    assert_ne!(first, second);
    for _ in 0..3 {
        world.says("node1", "all", TaskState::Running);
        world.pass_with_pongs(secs(31));
        assert_eq!(told(&world), second);
    }
}
