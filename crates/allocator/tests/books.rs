//! Random histories: whatever happens, the invariants hold, turns are in order, and nothing is kept back without a reason.
#![allow(clippy::unwrap_used, reason = "a test that fails")]

use proffer_allocator::{
    AgentMode, Allocator, Capabilities, Demand, For, FrameworkInfo, Offer, PortRequest, Quota, Settings,
    Strategy as Placement, Taking, Time, Turn, Weight,
};
use proffer_resources::{Amount, Quantities, Reservation, Resource, ResourceBag, ResourceName, Resources, Role};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

type Books = Allocator<u8, u8>;

const ROLES: [&str; 5] = ["*", "eng", "eng/a", "eng/b", "ops"];

const TOTALS: [&str; 7] = [
    "cpus:4;mem:100;ports:[1-9]",
    "cpus:2;mem:300",
    "cpus:8;mem:50;gpus:1",
    "cpus:1;cpus(eng):3;mem:100;mem(eng):50",
    "cpus(ops):2;cpus(eng/a):2;mem(ops):10",
    "cpus:3",
    "",
];

#[derive(Clone, Debug)]
enum Step {
    Agent {
        agent: u8,
        total: usize,
        ready: bool,
        revocable: bool,
    },
    Mode {
        agent: u8,
        mode: u8,
    },
    RemoveAgent(u8),
    Framework {
        framework: u8,
        roles: u8,
        capable: bool,
        places: bool,
        most: Option<usize>,
    },
    RemoveFramework(u8),
    Active(u8, bool),
    Suppress(u8, usize),
    Revive(u8, usize),
    Request(u8, usize, u64),
    Gang(u8, usize, u64),
    Weight(usize, u32),
    Quota {
        role: usize,
        guarantee: u64,
        limit: Option<u64>,
    },
    /// A live offer gets a reply: so many cores of it are used, and the rest is refused for so long.
    Reply {
        offer: u8,
        cpus: u64,
        refuse: i64,
    },
    /// A part of a live offer is reserved for its role.
    Reserve {
        offer: u8,
        cpus: u64,
    },
    Rescind(u8),
    Preempt,
    End(u8),
    /// A task runs on an agent, whether it fits or not.
    Force {
        agent: u8,
        framework: u8,
        role: usize,
        cpus: u64,
        port: u64,
    },
    Wait(i64),
    Run,
}

fn any_step() -> impl Strategy<Value = Step> {
    let agent = 0..4u8;
    let framework = 0..4u8;
    let role = 0..ROLES.len();
    prop_oneof![
        5 => (agent.clone(), 0..TOTALS.len(), prop::bool::weighted(0.9), prop::bool::weighted(0.2))
            .prop_map(|(agent, total, ready, revocable)| Step::Agent { agent, total, ready, revocable }),
        1 => (agent.clone(), 0..3u8).prop_map(|(agent, mode)| Step::Mode { agent, mode }),
        1 => agent.clone().prop_map(Step::RemoveAgent),
        5 => (framework.clone(), 1..32u8, any::<bool>(), prop::bool::weighted(0.2), prop::option::weighted(0.2, 1usize..3))
            .prop_map(|(framework, roles, capable, places, most)| Step::Framework { framework, roles, capable, places, most }),
        1 => framework.clone().prop_map(Step::RemoveFramework),
        1 => (framework.clone(), any::<bool>()).prop_map(|(framework, active)| Step::Active(framework, active)),
        1 => (framework.clone(), role.clone()).prop_map(|(framework, role)| Step::Suppress(framework, role)),
        1 => (framework.clone(), role.clone()).prop_map(|(framework, role)| Step::Revive(framework, role)),
        1 => (framework.clone(), role.clone(), 0..6u64).prop_map(|(framework, role, cpus)| Step::Request(framework, role, cpus)),
        1 => (framework.clone(), role.clone(), 0..6u64).prop_map(|(framework, role, cpus)| Step::Gang(framework, role, cpus)),
        1 => (role.clone(), 1..4000u32).prop_map(|(role, weight)| Step::Weight(role, weight)),
        2 => (role.clone(), 0..8u64, prop::option::of(0..10u64))
            .prop_map(|(role, guarantee, limit)| Step::Quota { role, guarantee, limit }),
        8 => (any::<u8>(), 0..4u64, 0..5i64).prop_map(|(offer, cpus, refuse)| Step::Reply { offer, cpus, refuse }),
        1 => (any::<u8>(), 1..4u64).prop_map(|(offer, cpus)| Step::Reserve { offer, cpus }),
        1 => any::<u8>().prop_map(Step::Rescind),
        1 => Just(Step::Preempt),
        4 => any::<u8>().prop_map(Step::End),
        1 => (agent, framework, role, 1..4u64, 0..4u64)
            .prop_map(|(agent, framework, role, cpus, port)| Step::Force { agent, framework, role, cpus, port }),
        2 => (1..4i64).prop_map(Step::Wait),
        8 => Just(Step::Run),
    ]
}

/// What tasks hold: agent, framework, role, what.
type Task = (u8, u8, Role, ResourceBag);

struct World {
    books: Books,
    now: Time,
    tasks: Vec<Task>,
    /// Frameworks of the built-in scheduler, which may leave things.
    places: BTreeSet<u8>,
    /// Who ever asked for a bundle gets nothing else for the rest of a run, also if it has what it asked for.
    asked_gang: BTreeSet<u8>,
}

fn role(index: usize) -> Role {
    Role::new(ROLES[index]).unwrap()
}

fn bag(text: &str) -> ResourceBag {
    text.parse().unwrap()
}

fn cpus(units: u64) -> Quantities {
    Quantities::of(Amount::from_units(units), Amount::ZERO)
}

impl World {
    fn new() -> Self {
        Self {
            books: Books::new(Settings::default()),
            now: Time(0),
            tasks: Vec::new(),
            places: BTreeSet::new(),
            asked_gang: BTreeSet::new(),
        }
    }

    fn nth_offer(&self, nth: u8) -> Option<(u64, u8, Role, u8, ResourceBag)> {
        let live: Vec<_> = self.books.live_offers().collect();
        let (number, framework, role, agent, left) = live.get(usize::from(nth) % live.len().max(1))?;
        Some((*number, **framework, (*role).clone(), **agent, (*left).clone()))
    }

    #[allow(clippy::too_many_lines)] // one arm a step
    fn take(&mut self, step: &Step) -> Result<(), String> {
        let now = self.now;
        match step.clone() {
            Step::Agent { agent, total, ready, revocable } => {
                let mut total = bag(TOTALS[total]);
                if revocable {
                    total.add_one(Resource::scalar("cpus", Amount::from_units(2)).as_revocable());
                }
                // As the master does: offers that would not fit are taken back first.
                if self.books.agent(&agent).is_some_and(|books| !books.fits_in(&total)) || !ready {
                    self.rescind_all_of(agent);
                }
                self.books.set_agent(&agent, total, ready);
            }
            Step::Mode { agent, mode } => {
                let mode = [AgentMode::Active, AgentMode::Draining, AgentMode::Deactivated][usize::from(mode)];
                self.books.set_agent_mode(&agent, mode);
            }
            Step::RemoveAgent(agent) => {
                let (there, elsewhere): (Vec<Task>, Vec<Task>) =
                    std::mem::take(&mut self.tasks).into_iter().partition(|task| task.0 == agent);
                self.tasks = elsewhere;
                for (agent, framework, role, held) in there {
                    self.books.release(&agent, &framework, &role, &held);
                }
                self.books.remove_agent(&agent);
            }
            Step::Framework { framework, roles, capable, places, most } => {
                let roles = (0..ROLES.len()).filter(|index| roles & (1 << index) != 0).map(role).collect();
                let capabilities = Capabilities {
                    revocable: capable,
                    gpus: capable,
                    shared: capable,
                    refinement: capable,
                    region_aware: capable,
                };
                if places {
                    self.places.insert(framework);
                } else {
                    self.places.remove(&framework);
                }
                let taking = if places { Taking::Placement } else { Taking::Offers };
                let info = FrameworkInfo { roles, capabilities, taking, max_offers: most, ..FrameworkInfo::default() };
                self.books.set_framework(&framework, info);
            }
            Step::RemoveFramework(framework) => drop(self.books.remove_framework(&framework)),
            Step::Active(framework, active) => self.books.set_active(&framework, active),
            Step::Suppress(framework, index) => self.books.suppress(&framework, &[role(index)].into()),
            Step::Revive(framework, index) => self.books.revive(&framework, &[role(index)].into()),
            Step::Request(framework, index, units) => {
                let shapes = if units == 0 { vec![] } else { vec![cpus(units)] };
                self.books.request(&framework, &role(index), shapes);
            }
            Step::Gang(framework, index, units) => {
                let shapes = if units == 0 { vec![] } else { vec![cpus(units), cpus(1)] };
                self.asked_gang.insert(framework);
                self.books.request_gang(&framework, &role(index), shapes);
            }
            Step::Weight(index, weight) => self.books.set_weight(&role(index), Weight::from_thousandths(weight)),
            Step::Quota { role: index, guarantee, limit } => {
                let guarantees = if role(index).parent().is_some() { cpus(0) } else { cpus(guarantee) };
                let limits = limit.map(|limit| (ResourceName::Cpus, Amount::from_units(limit))).into_iter().collect();
                let refused = self.books.set_quota(&role(index), Quota { guarantees, limits }).is_err();
                let wrong = role(index).parent().is_none() && limit.is_some_and(|limit| limit < guarantee);
                if refused != wrong {
                    return Err(format!("a quota was taken or refused wrongly: {index} {guarantee} {limit:?}"));
                }
            }
            Step::Reply { offer, cpus: units, refuse } => {
                let Some((number, framework, role, agent, left)) = self.nth_offer(offer) else { return Ok(()) };
                let used = left.shrink(&cpus(units));
                if units > 0 && !used.is_empty() {
                    if !self.books.launch_from(number, &used) {
                        return Err(format!("{used} of {left} could not be used"));
                    }
                    self.tasks.push((agent, framework, role, used));
                }
                self.books.end_offer(number, (refuse > 0).then_some(Time(now.0 + refuse)), now);
            }
            Step::Reserve { offer, cpus: units } => {
                let Some((number, _, role, _, left)) = self.nth_offer(offer) else { return Ok(()) };
                let part = left
                    .filter(|resource| resource.reserved_for().is_none() && !resource.revocable)
                    .shrink(&cpus(units));
                if !role.is_any() && !part.is_empty() {
                    let reserved = part.push_reservation(&Reservation::dynamic(role, None));
                    if !self.books.convert_in_offer(number, &part, &reserved) {
                        return Err(format!("{part} of {left} could not be reserved"));
                    }
                }
            }
            Step::Rescind(offer) => {
                if let Some((number, ..)) = self.nth_offer(offer) {
                    self.books.rescind(number);
                }
            }
            Step::Preempt => {
                for number in self.books.preemptible(now) {
                    self.books.rescind(number);
                }
            }
            Step::End(task) => {
                if !self.tasks.is_empty() {
                    let (agent, framework, role, held) = self.tasks.remove(usize::from(task) % self.tasks.len());
                    self.books.release(&agent, &framework, &role, &held);
                }
            }
            Step::Force { agent, framework, role: index, cpus, port } => {
                let held = bag(&format!("cpus:{cpus};ports:[{port}-{port}]"));
                self.rescind_all_of(agent);
                self.books.allocate(&agent, &framework, &role(index), &held);
                self.tasks.push((agent, framework, role(index), held));
            }
            Step::Wait(seconds) => {
                self.now = Time(now.0 + seconds);
                self.books.expire_filters(self.now);
            }
            Step::Run => self.run()?,
        }
        Ok(())
    }

    fn rescind_all_of(&mut self, agent: u8) {
        let live = self.books.live_offers().filter(|(_, _, _, of, _)| **of == agent);
        for number in live.map(|(number, ..)| number).collect::<Vec<_>>() {
            self.books.rescind(number);
        }
    }

    fn run(&mut self) -> Result<(), String> {
        self.books.begin_run(self.now);
        let mut places = 0;
        loop {
            let before = self.books.clone();
            let Some(turn) = self.books.next_turn() else { break };
            match turn {
                Turn::Offer(offer) => {
                    before.check_turn(&offer, self.now)?;
                    Self::check_disjoint(&before, &offer)?;
                }
                Turn::Place { framework, role } => {
                    places += 1;
                    let demand = Demand::new(&Resources::of(Amount::from_units(1), Amount::ZERO), PortRequest::None);
                    let whose = For { framework: &framework, role: &role };
                    match self.books.place(&demand, whose, Placement::BinPack) {
                        Some((agent, given)) if places % 3 != 0 => {
                            self.books.allocate(&agent, &framework, &role, &given);
                            self.tasks.push((agent, framework, role, given));
                        }
                        _ => self.books.pass(&framework, &role),
                    }
                }
            }
            self.check_quota_grows_no_further(&before)?;
            self.books.check_conservation()?;
        }
        self.check_nothing_is_kept_back()
    }

    /// What is offered was free before.
    fn check_disjoint(before: &Books, offer: &Offer<u8, u8>) -> Result<(), String> {
        let free = before.agent(&offer.agent).map(|books| books.free().clone()).unwrap_or_default();
        // Several offers of a bundle are booked in one turn.
        if offer.bundle.is_none() && !free.contains(&offer.resources) {
            return Err(format!("{} was offered where {free} was free", offer.resources));
        }
        Ok(())
    }

    /// No turn brings a role over its limit, or further over it.
    fn check_quota_grows_no_further(&self, before: &Books) -> Result<(), String> {
        for (role, _) in self.books.roles() {
            let (was, is) = (before.consumed(role), self.books.consumed(role));
            for (name, limit) in self.books.quota(role).limits.iter() {
                if is.get(name) > limit.max(was.get(name)) {
                    return Err(format!("role {role} has {is} of {limit} {name}"));
                }
            }
        }
        Ok(())
    }

    fn check_nothing_is_kept_back(&self) -> Result<(), String> {
        for framework in 0..4u8 {
            for (index, name) in ROLES.iter().enumerate() {
                for (agent, answer) in self.books.explain(&framework, &role(index), self.now) {
                    let may_be_left = self.places.contains(&framework) || self.asked_gang.contains(&framework);
                    if let Ok(resources) = answer
                        && !may_be_left
                    {
                        return Err(format!("{resources} of {agent} is kept from {framework} in {name}"));
                    }
                }
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), String> {
        self.books.check_invariants()?;
        let mut held: BTreeMap<u8, ResourceBag> = BTreeMap::new();
        let mut claims: BTreeMap<u8, Quantities> = BTreeMap::new();
        for (agent, framework, _, what) in &self.tasks {
            held.entry(*agent).or_default().add(what);
            claims.entry(*framework).or_default().add(&what.quantities());
        }
        for (_, framework, _, _, left) in self.books.live_offers() {
            claims.entry(*framework).or_default().add(&left.quantities());
        }
        for (agent, books) in self.books.agents() {
            let sum = held.get(agent).cloned().unwrap_or_default();
            if *books.allocated() != sum {
                return Err(format!("{agent}: tasks hold {sum}, the books say {}", books.allocated()));
            }
        }
        for framework in 0..4u8 {
            let sum = claims.get(&framework).cloned().unwrap_or_default();
            if self.books.claim(&framework) != sum {
                return Err(format!("{framework} has {sum}, the books say {}", self.books.claim(&framework)));
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(2000), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn always_add_up(steps in proptest::collection::vec(any_step(), 1..60)) {
        let mut world = World::new();
        for step in steps {
            let done = world.take(&step);
            prop_assert_eq!(done, Ok(()), "{:?}", step);
            prop_assert_eq!(world.check(), Ok(()), "{:?}", step);
        }
    }
}
