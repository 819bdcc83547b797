//! Offers: who is left out of which, how they end, and what comes of it.
#![allow(clippy::unwrap_used, reason = "a test that fails")]

use proffer_allocator::{
    AgentInfo, AgentMode, Allocator, Capabilities, Constraint, Constraints, FrameworkInfo, InverseReply, Lacking,
    Offer, Predicate, Selector, Settings, Time, Unavailability, Withheld,
};
use proffer_resources::{
    Amount, DiskInfo, Persistence, Quantities, Reservation, Resource, ResourceBag, Role, Volume, VolumeMode,
};
use std::collections::BTreeSet;
use std::time::Duration;

type Books = Allocator<&'static str, &'static str>;

const SECOND: i64 = 1_000_000;

fn role(text: &str) -> Role {
    Role::new(text).unwrap()
}

fn bag(text: &str) -> ResourceBag {
    text.parse().unwrap()
}

fn books(agents: &[(&'static str, &str)], frameworks: &[(&'static str, &str)]) -> Books {
    let mut books = Books::new(Settings::default());
    for (agent, total) in agents {
        books.set_agent(agent, bag(total), true);
    }
    for (framework, in_role) in frameworks {
        books.set_framework(framework, info(in_role));
    }
    books
}

fn info(in_role: &str) -> FrameworkInfo {
    FrameworkInfo { roles: [role(in_role)].into(), ..FrameworkInfo::default() }
}

/// Offers as `framework agent resources`.
fn texts(offers: &[Offer<&'static str, &'static str>]) -> BTreeSet<String> {
    offers.iter().map(|offer| format!("{} {} {}", offer.framework, offer.agent, offer.resources)).collect()
}

fn run(books: &mut Books, now: i64) -> BTreeSet<String> {
    let offers = books.run(Time(now));
    books.check_invariants().unwrap();
    texts(&offers)
}

fn set<const N: usize>(texts: [&str; N]) -> BTreeSet<String> {
    texts.into_iter().map(ToOwned::to_owned).collect()
}

#[test]
fn a_declined_agent_comes_back_when_the_filter_ends_or_more_is_free() {
    let mut books = books(&[("n1", "cpus:4")], &[("fw", "a")]);
    books.allocate(&"n1", &"fw", &role("a"), &bag("cpus:1"));
    let offers = books.run(Time(0));
    assert_eq!(texts(&offers), set(["fw n1 cpus:3"]));
    books.end_offer(offers[0].number, Some(Time(5 * SECOND)), Time(0));
    assert_eq!(run(&mut books, SECOND), set([]));
    assert_eq!(books.next_filter_end(), Some(Time(5 * SECOND)));
    // A task ends: more is free than was refused.
    books.release(&"n1", &"fw", &role("a"), &bag("cpus:1"));
    let offers = books.run(Time(2 * SECOND));
    assert_eq!(texts(&offers), set(["fw n1 cpus:4"]));
    books.end_offer(offers[0].number, Some(Time(9 * SECOND)), Time(2 * SECOND));
    assert_eq!(run(&mut books, 8 * SECOND), set([]));
    assert_eq!(run(&mut books, 9 * SECOND), set(["fw n1 cpus:4"]));
}

#[test]
fn revive_forgets_filters_and_suppress_stops_offers_by_role() {
    let mut books = books(&[("n1", "cpus:4"), ("n2", "cpus(b):2")], &[]);
    let roles: BTreeSet<Role> = [role("a"), role("b")].into();
    books.set_framework(&"fw", FrameworkInfo { roles, ..FrameworkInfo::default() });
    books.suppress(&"fw", &[role("a")].into());
    let offers = books.run(Time(0));
    assert_eq!(texts(&offers), set(["fw n1 cpus:4", "fw n2 cpus(b):2"]));
    for offer in &offers {
        assert_eq!(offer.role, role("b"));
        books.end_offer(offer.number, Some(Time(i64::MAX)), Time(0));
    }
    assert_eq!((run(&mut books, 1), books.filters(&role("b"))), (set([]), 2));
    books.revive(&"fw", &[role("a")].into());
    assert_eq!(run(&mut books, 2), set(["fw n1 cpus:4"]));
    books.revive(&"fw", &[].into());
    assert_eq!(run(&mut books, 3), set(["fw n2 cpus(b):2"]));
}

#[test]
fn capabilities_decide_what_is_seen() {
    let total = bag("cpus:1;cpus(eng):2")
        .plus(&Resource::scalar("cpus", Amount::from_units(4)).as_revocable().into())
        .plus(&bag("cpus(eng):8").push_reservation(&Reservation::dynamic(role("eng/a"), None)));
    let all = Capabilities { revocable: true, gpus: true, shared: true, refinement: true, region_aware: true };
    for (capabilities, seen) in [
        (Capabilities::default(), 3),
        (Capabilities { revocable: true, ..Capabilities::default() }, 7),
        (Capabilities { refinement: true, ..Capabilities::default() }, 11),
        (all, 15),
    ] {
        let mut books = books(&[], &[]);
        books.set_agent(&"n1", total.clone(), true);
        books.set_framework(&"fw", FrameworkInfo { capabilities, ..info("eng/a") });
        let offers = books.run(Time(0));
        assert_eq!(offers[0].resources.quantities().cpus, Amount::from_units(seen), "{capabilities:?}");
        books.check_invariants().unwrap();
    }
    // Agents with GPUs, and agents far away.
    let mut books = Allocator::new(Settings { region: Some("eu".to_owned()), ..Settings::default() });
    books.set_agent(&"gpu", bag("cpus:1;gpus:1"), true);
    books.set_agent(&"far", bag("cpus:1"), true);
    books.set_agent_info(&"far", AgentInfo { region: Some("us".to_owned()), ..AgentInfo::default() });
    books.set_framework(&"plain", info("a"));
    assert_eq!(run(&mut books, 0), set([]));
    let why: Vec<_> =
        books.explain(&"plain", &role("a"), Time(0)).into_iter().map(|(_, why)| why.unwrap_err()).collect();
    assert_eq!(why, [Withheld::Capability(Lacking::RegionAware), Withheld::Capability(Lacking::Gpus)]);
    books.set_framework(&"able", FrameworkInfo { capabilities: all, ..info("b") });
    assert_eq!(run(&mut books, 1), set(["able far cpus:1", "able gpu cpus:1;gpus:1"]));
}

#[test]
fn constraints_and_the_least_offer_are_the_frameworks_own() {
    let mut books = books(&[("n1", "cpus:4"), ("n2", "cpus:4"), ("n3", "cpus:1")], &[]);
    books.set_agent_info(&"n2", AgentInfo { attributes: "rack:r2".parse().unwrap(), ..AgentInfo::default() });
    books.set_agent_info(&"n3", AgentInfo { attributes: "rack:r2".parse().unwrap(), ..AgentInfo::default() });
    let rack =
        Constraint { selector: Selector::Attribute("rack".into()), predicate: Predicate::TextEquals("r2".into()) };
    let constraints = [(role("a"), Constraints { groups: vec![vec![rack]] })].into();
    let min_allocatable = [(role("a"), vec![bag("cpus:2").quantities()])].into();
    books.set_framework(&"fw", FrameworkInfo { constraints, min_allocatable, ..info("a") });
    assert_eq!(run(&mut books, 0), set(["fw n2 cpus:4"]));
    let why: Vec<_> = books.explain(&"fw", &role("a"), Time(0)).into_iter().map(|(_, why)| why.unwrap_err()).collect();
    assert_eq!(why, [Withheld::Constraint, Withheld::NothingFree, Withheld::TooLittle]);
    // The agent moves: it is looked at again.
    books.set_agent_info(&"n1", AgentInfo { attributes: "rack:r2".parse().unwrap(), ..AgentInfo::default() });
    assert_eq!(run(&mut books, 1), set(["fw n1 cpus:4"]));
}

#[test]
fn reservations_are_for_the_role_and_those_below_it() {
    let total = "cpus:1;cpus(eng):2;cpus(eng/a):4;cpus(ops):8";
    for (in_role, seen) in
        [("eng", "cpus:1;cpus(eng):2"), ("eng/a", "cpus:1;cpus(eng):2;cpus(eng/a):4"), ("*", "cpus:1")]
    {
        let mut books = books(&[("n1", total)], &[("fw", in_role)]);
        assert_eq!(run(&mut books, 0), set([&format!("fw n1 {seen}")]));
    }
    // What one role leaves, another gets in the same run.
    let mut books = books(&[("n1", total)], &[("one", "ops"), ("two", "eng/a")]);
    assert_eq!(run(&mut books, 0), set(["one n1 cpus(ops):8", "two n1 cpus:1;cpus(eng):2;cpus(eng/a):4"]));
}

#[test]
fn agents_that_are_drained_or_deactivated_are_not_offered() {
    let mut books = books(&[("n1", "cpus:1"), ("n2", "cpus:1")], &[("fw", "a")]);
    books.set_agent_mode(&"n1", AgentMode::Draining);
    books.set_agent_mode(&"n2", AgentMode::Deactivated);
    assert_eq!(run(&mut books, 0), set([]));
    books.set_agent_mode(&"n2", AgentMode::Active);
    assert_eq!(run(&mut books, 1), set(["fw n2 cpus:1"]));
}

#[test]
fn frameworks_with_something_on_an_agent_are_asked_before_its_maintenance() {
    let mut books = books(&[("n1", "cpus:4")], &[("one", "a"), ("two", "b")]);
    books.allocate(&"n1", &"one", &role("a"), &bag("cpus:1"));
    let window = Unavailability { start: Time(99), duration: Some(Duration::from_mins(1)) };
    assert_eq!(books.inverse_offers(Time(0)), []);
    books.set_unavailability(&"n1", Some(window));
    assert_eq!(books.run(Time(0))[0].unavailability, Some(window));
    let asked: Vec<_> = books.inverse_offers(Time(0)).into_iter().map(|offer| (offer.framework, offer.agent)).collect();
    assert_eq!(asked, [("one", "n1")]);
    assert_eq!((books.inverse_offers(Time(1)).len(), books.maintenance_status(&"n1")), (0, [("one", None)].into()));
    assert!(books.answer_inverse_offer(&"n1", &"one", InverseReply::Declined, Time(5)));
    assert!(!books.answer_inverse_offer(&"n1", &"two", InverseReply::Declined, Time(5)));
    assert_eq!(books.inverse_offers(Time(4)).len(), 0);
    assert_eq!(books.inverse_offers(Time(5)).len(), 1);
    assert!(books.answer_inverse_offer(&"n1", &"one", InverseReply::Accepted, Time(i64::MAX)));
    assert_eq!(books.maintenance_status(&"n1"), [("one", Some(InverseReply::Accepted))].into());
}

#[test]
fn a_framework_may_ask_for_shapes_and_is_spared_the_rest() {
    let mut books = books(&[("small", "cpus:1;mem:9"), ("large", "cpus:8;mem:9")], &[("fw", "a")]);
    books.request(&"fw", &role("a"), vec![bag("cpus:4").quantities(), bag("mem:99").quantities()]);
    assert_eq!(run(&mut books, 0), set(["fw large cpus:8;mem:9"]));
    assert_eq!(books.offerable(&"small", &"fw", &role("a"), Time(0)), Err(Withheld::TooSmall));
    // The agent grows into the shape.
    books.set_agent(&"small", bag("cpus:4;mem:9"), true);
    assert_eq!(run(&mut books, 1), set(["fw small cpus:4;mem:9"]));
    books.set_agent(&"tiny", bag("cpus:1"), true);
    assert_eq!(run(&mut books, 2), set([]));
    books.request(&"fw", &role("a"), vec![]);
    assert_eq!(run(&mut books, 3), set(["fw tiny cpus:1"]));
}

#[test]
fn a_bundle_comes_whole_and_ends_whole() {
    let agents = [("n1", "cpus:4"), ("n2", "cpus:4"), ("n3", "cpus:1")];
    let mut books = books(&agents, &[("fw", "a")]);
    let shapes = || vec![bag("cpus:3").quantities(), bag("cpus:2").quantities(), bag("cpus:3").quantities()];
    books.request_gang(&"fw", &role("a"), shapes());
    assert_eq!(run(&mut books, 0), set([]));
    assert_eq!(books.offerable(&"n1", &"fw", &role("a"), Time(0)), Err(Withheld::GangIncomplete));
    books.set_agent(&"n3", bag("cpus:2"), true);
    let offers = books.run(Time(1));
    assert_eq!(texts(&offers), set(["fw n1 cpus:3", "fw n2 cpus:3", "fw n3 cpus:2"]));
    assert!(offers.iter().all(|offer| offer.bundle == offers[0].bundle && offer.bundle.is_some()));
    // An agent is lost: the whole bundle is taken back, and made anew when it fits again.
    assert_eq!(books.remove_agent(&"n1").len(), 3);
    books.check_invariants().unwrap();
    assert_eq!(run(&mut books, 2), set([]));
    books.set_agent(&"n1", bag("cpus:4"), true);
    let offers = books.run(Time(3));
    assert_eq!(offers.len(), 3);
    // Declining one declines all, and the request is over.
    assert_eq!(books.end_offer(offers[1].number, Some(Time(9)), Time(3)).len(), 3);
    books.check_invariants().unwrap();
    assert_eq!(books.live_offers().count(), 0);
}

#[test]
fn who_sits_on_offers_while_others_have_less_loses_some() {
    let agents = [("n1", "cpus:4"), ("n2", "cpus:4"), ("n3", "cpus:4"), ("n4", "cpus:4")];
    let mut books = books(&agents, &[("hoarder", "a")]);
    assert_eq!(books.run(Time(0)).len(), 4);
    assert_eq!(books.preemptible(Time(2 * SECOND)), Vec::<u64>::new());
    books.set_framework(&"late", info("b"));
    assert_eq!(run(&mut books, SECOND / 2), set([]));
    assert_eq!(books.preemptible(Time(SECOND / 2)), Vec::<u64>::new());
    assert_eq!(books.next_preemption(Time(SECOND / 2)), Some(Time(SECOND)));
    let taken = books.preemptible(Time(SECOND));
    assert_eq!(taken.len(), 1);
    books.rescind(taken[0]);
    assert_eq!(run(&mut books, SECOND).iter().filter(|text| text.starts_with("late")).count(), 1);
    assert_eq!(books.preemptible(Time(9 * SECOND)), Vec::<u64>::new());
}

#[test]
fn revocable_offers_are_taken_back_at_once() {
    let mut books = books(&[], &[]);
    for agent in ["n1", "n2"] {
        books.set_agent(&agent, Resource::scalar("cpus", Amount::from_units(4)).as_revocable().into(), true);
    }
    let capabilities = Capabilities { revocable: true, ..Capabilities::default() };
    books.set_framework(&"one", FrameworkInfo { capabilities, ..info("a") });
    assert_eq!(books.run(Time(0)).len(), 2);
    books.set_framework(&"two", FrameworkInfo { capabilities, ..info("b") });
    assert_eq!(books.preemptible(Time(0)).len(), 1);
}

#[test]
fn operations_change_what_an_offer_holds() {
    let mut books = books(&[("n1", "cpus:4;disk:100")], &[("fw", "eng")]);
    let offers = books.run(Time(0));
    let reserved = |text: &str| bag(text).push_reservation(&Reservation::dynamic(role("eng"), Some("ops")));
    assert!(books.convert_in_offer(offers[0].number, &bag("cpus:1;disk:10"), &reserved("cpus:1;disk:10")));
    assert!(!books.convert_in_offer(offers[0].number, &bag("cpus:4"), &reserved("cpus:4")));
    books.check_invariants().unwrap();
    assert_eq!(books.consumed(&role("eng")), bag("cpus:4;disk:100").quantities());
    books.end_offer(offers[0].number, None, Time(0));
    // What is reserved counts against quota also when nobody uses it.
    assert_eq!(books.consumed(&role("eng")), bag("cpus:1;disk:10").quantities());
    books.set_framework(&"other", info("ops"));
    books.suppress(&"fw", &[].into());
    assert_eq!(run(&mut books, 1), set(["other n1 cpus:3;disk:90"]));
    assert!(books.convert_free(&"n1", &reserved("cpus:1"), &bag("cpus:1")));
    assert_eq!(run(&mut books, 2), set(["other n1 cpus:1"]));
}

#[test]
fn a_shared_volume_is_offered_while_others_use_it() {
    let disk = DiskInfo {
        persistence: Some(Persistence { id: "v".into(), principal: None }),
        volume: Some(Volume { mode: VolumeMode::ReadWrite, container_path: "data".into(), host_path: None }),
        source: None,
    };
    let volume = Resource::scalar("disk", Amount::from_units(64)).on_disk(disk);
    let volume: ResourceBag = volume.reserved(Reservation::dynamic(role("eng"), None)).as_shared().into();
    let mut books = books(&[], &[]);
    books.set_agent(&"n1", bag("cpus:4").plus(&volume), true);
    let capabilities = Capabilities { shared: true, ..Capabilities::default() };
    books.set_framework(&"fw", FrameworkInfo { capabilities, ..info("eng") });
    for (now, left) in [(0, 4), (1, 3), (2, 2)] {
        let offers = books.run(Time(now));
        assert_eq!(offers[0].resources, bag(&format!("cpus:{left}")).plus(&volume));
        assert!(books.launch_from(offers[0].number, &bag("cpus:1").plus(&volume)));
        books.end_offer(offers[0].number, None, Time(now));
        books.check_conservation().unwrap();
        books.check_exclusive().unwrap();
    }
    for _ in 0..3 {
        books.release(&"n1", &"fw", &role("eng"), &bag("cpus:1").plus(&volume));
    }
    assert_eq!(
        (books.claim(&"fw"), books.agent(&"n1").unwrap().free().clone()),
        (Quantities::default(), bag("cpus:4").plus(&volume))
    );
}

#[test]
fn runs_are_coalesced_by_the_interval() {
    let mut books = Books::new(Settings { interval: Duration::from_secs(1), ..Settings::default() });
    books.set_framework(&"fw", info("a"));
    books.set_agent(&"n1", bag("cpus:1"), true);
    assert!(books.is_due(Time(0)));
    assert_eq!(books.run(Time(0)).len(), 1);
    assert_eq!(books.next_run(), None);
    books.set_agent(&"n2", bag("cpus:1"), true);
    books.set_agent(&"n3", bag("cpus:1"), true);
    assert_eq!((books.is_due(Time(SECOND - 1)), books.next_run()), (false, Some(Time(SECOND))));
    assert_eq!(books.run(Time(SECOND)).len(), 2);
}

#[test]
fn a_framework_has_no_more_offers_than_it_may_have() {
    let mut books = books(&[("n1", "cpus:1"), ("n2", "cpus:1"), ("n3", "cpus:1")], &[]);
    books.set_framework(&"fw", FrameworkInfo { max_offers: Some(2), ..info("a") });
    let offers = books.run(Time(0));
    assert_eq!(texts(&offers), set(["fw n1 cpus:1", "fw n2 cpus:1"]));
    books.end_offer(offers[0].number, Some(Time(9)), Time(0));
    assert_eq!(run(&mut books, 1), set(["fw n3 cpus:1"]));
}

#[test]
fn what_frameworks_leave_behind_is_forgotten() {
    let mut books = books(&[("n1", "cpus:4"), ("n2", "cpus:4")], &[("fw", "a"), ("other", "b")]);
    let offers = books.run(Time(0));
    let (mine, kept): (Vec<_>, Vec<_>) = offers.into_iter().partition(|offer| offer.framework == "fw");
    assert!(books.launch_from(mine[0].number, &bag("cpus:1")));
    assert_eq!(books.remove_framework(&"fw"), [mine[0].number]);
    books.check_invariants().unwrap();
    assert_eq!((books.claim(&"fw"), kept.len()), (bag("cpus:1").quantities(), 1));
    assert_eq!(run(&mut books, 1), set([&format!("other {} cpus:3", mine[0].agent)]));
    books.release(&mine[0].agent, &"fw", &role("a"), &bag("cpus:1"));
    books.check_invariants().unwrap();
    assert_eq!(books.offerable(&"n1", &"fw", &role("a"), Time(1)), Err(Withheld::NotConnected));
}
