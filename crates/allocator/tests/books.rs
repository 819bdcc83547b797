//! Random bookings against the plainest possible books.

use proffer_allocator::{Allocator, Demand, PortRequest, Share, Strategy as Placement, Time};
use proffer_resources::{Amount, Ranges, Resources};
use proptest::prelude::*;
use std::collections::BTreeMap;

type Books = Allocator<String, String>;

#[derive(Clone, Debug)]
enum Step {
    /// An agent has so many cores, and is ready or not.
    Agent(u8, u64, bool),
    /// A task takes what it asks for, if that fits somewhere.
    Place(u8, u64, u16, bool),
    /// A task runs on an agent, whether it fits or not.
    Force(u8, u8, u64, u64),
    /// The oldest task, or offer, ends.
    End(u8),
    /// All that is free of an agent is offered.
    Offer(u8, u8),
    /// An agent goes with all that is on it.
    Remove(u8),
}

/// Something that is held: agent, framework, what, and whether it is offered only.
type Held = (String, String, Resources, bool);

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0..4u8, 0..6u64, any::<bool>()).prop_map(|(agent, cores, ready)| Step::Agent(agent, cores, ready)),
        6 => (0..3u8, 1..4u64, 0..3u16, any::<bool>()).prop_map(|(fw, cores, ports, pack)| Step::Place(fw, cores, ports, pack)),
        1 => (0..4u8, 0..3u8, 1..4u64, 0..6u64).prop_map(|(agent, fw, cores, port)| Step::Force(agent, fw, cores, port)),
        4 => any::<u8>().prop_map(Step::End),
        2 => (0..4u8, 0..3u8).prop_map(|(agent, fw)| Step::Offer(agent, fw)),
        1 => (0..4u8).prop_map(Step::Remove),
    ]
}

fn total(cores: u64) -> Resources {
    Resources { ports: Ranges::span(1, 6), ..Resources::of(Amount::from_units(cores), Amount::from_units(10 * cores)) }
}

fn take_back(books: &mut Books, (agent, framework, what, offered): Held) {
    if offered { books.recover(&agent, &framework, &what) } else { books.release(&agent, &framework, &what) }
}

/// The fullest, or emptiest, of the agents that fit, by looking at each.
fn place_plainly(books: &Books, demand: &Demand, strategy: Placement) -> Option<String> {
    let fitting = books.agents().filter(|(_, books)| books.is_ready() && demand.fits(&books.free()));
    let fullness = |name: &&String| {
        let agent = books.agent(name).map(|books| (books.allocated().plus(books.offered()), books.total().clone()));
        agent.map(|(used, total)| Share::dominant(&used, &total)).unwrap_or_default()
    };
    let mut names: Vec<&String> = fitting.map(|(name, _)| name).collect();
    names.sort();
    match strategy {
        Placement::Spread => names.into_iter().min_by_key(fullness),
        Placement::BinPack => names.into_iter().rev().max_by_key(fullness),
    }
    .cloned()
}

proptest! {
    #[test]
    fn agree_with_plain_ones(steps in proptest::collection::vec(any_step(), 1..60)) {
        let mut books = Books::new(Resources::default());
        let mut held: Vec<Held> = Vec::new();
        for step in steps {
            match step {
                Step::Agent(agent, cores, ready) => books.set_agent(&format!("n{agent}"), total(cores), ready),
                Step::Place(framework, cores, ports, pack) => {
                    let what = Resources::of(Amount::from_units(cores), Amount::from_units(cores));
                    let demand = Demand::new(&what, PortRequest::Count(ports));
                    let strategy = if pack { Placement::BinPack } else { Placement::Spread };
                    let placed = books.place(&demand, strategy);
                    prop_assert_eq!(placed.as_ref().map(|(agent, _)| agent.clone()), place_plainly(&books, &demand, strategy));
                    let all = books.agents().map(|(agent, _)| agent.clone()).collect();
                    prop_assert_eq!(&placed, &books.place_among(&demand, strategy, &all));
                    if let Some((agent, given)) = placed {
                        let framework = format!("f{framework}");
                        books.allocate(&agent, &framework, &given);
                        held.push((agent, framework, given, false));
                    }
                }
                Step::Force(agent, framework, cores, port) => {
                    let (agent, framework) = (format!("n{agent}"), format!("f{framework}"));
                    let ports = Ranges::span(port, port);
                    let what = Resources { ports, ..Resources::of(Amount::from_units(cores), Amount::ZERO) };
                    books.allocate(&agent, &framework, &what);
                    held.push((agent, framework, what, false));
                }
                Step::End(number) => {
                    if !held.is_empty() {
                        take_back(&mut books, held.remove(usize::from(number) % held.len()));
                    }
                }
                Step::Offer(agent, framework) => {
                    let (agent, framework) = (format!("n{agent}"), format!("f{framework}"));
                    if let Ok(what) = books.offerable(&agent, &framework, Time(0)) {
                        books.offer(&agent, &framework, &what);
                        held.push((agent, framework, what, true));
                    }
                }
                Step::Remove(agent) => {
                    let agent = format!("n{agent}");
                    let (there, elsewhere) = held.into_iter().partition(|held: &Held| held.0 == agent);
                    held = elsewhere;
                    for held in there {
                        take_back(&mut books, held);
                    }
                    books.remove_agent(&agent);
                }
            }
            let mut claims: BTreeMap<&String, Resources> = BTreeMap::new();
            for (_, framework, what, _) in &held {
                let claim = claims.entry(framework).or_default();
                *claim = claim.plus(&what.without_ports());
            }
            for (framework, claim) in claims {
                prop_assert_eq!(books.claim(framework), claim);
            }
            for (agent, known) in books.agents() {
                let sum = |offered: bool| {
                    let parts = held.iter().filter(|held| held.0 == *agent && held.3 == offered);
                    parts.fold(Resources::default(), |sum, (_, _, what, _)| sum.plus(what))
                };
                prop_assert_eq!(known.allocated(), &sum(false));
                prop_assert_eq!(known.offered(), &sum(true));
                prop_assert!(known.free().is_empty() || known.total().contains(&known.free().plus(known.allocated())));
            }
        }
    }
}
