//! A new leader: it is told all objects, then all agents come back, each with its tasks. Mesos measures the second part as
//! `AgentReregistrationDelay`.

use crate::cluster::{
    Cluster, EPOCH, agent, agent_object, framework, framework_name, registration, running_task, runs, slot, small,
    task_id,
};
use proffer_master::{Delivery, Epoch, Event, SchedulerKind, Session, Strategy, TaskSnapshot};
use proffer_measure::{Figure, Size, peak_mib, timed, to_float};
use proffer_resources::{Amount, ResourceBag, Resources};
use std::time::Duration;

/// Frameworks among which the tasks are shared out. Every other one answers offers itself.
const FRAMEWORKS: usize = 1_000;

/// Agents, tasks that each has, and the frameworks among which they are shared out.
#[derive(Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) agents: usize,
    pub(crate) tasks_each: usize,
    pub(crate) frameworks: usize,
}

impl Sizes {
    fn tasks(self) -> usize {
        self.agents * self.tasks_each
    }

    fn text(self) -> String {
        format!("{} agents, {} tasks", self.agents, self.tasks())
    }

    /// Names of an agent's tasks, and of the framework of each.
    pub(crate) fn tasks_of(self, agent: usize) -> impl Iterator<Item = (String, String)> {
        let numbers = agent * self.tasks_each..(agent + 1) * self.tasks_each;
        numbers.map(move |number| (format!("task-{number:07}"), framework_name(number % self.frameworks)))
    }

    /// An agent connects, with its tasks.
    pub(crate) fn registration(self, number: usize, session: Session, epoch: Epoch) -> Event {
        let snapshot = |(name, whose)| TaskSnapshot {
            resources: ResourceBag::from(&small()),
            update: runs(task_id(name), whose, None),
        };
        registration(number, session, epoch, self.tasks_of(number).map(snapshot).collect())
    }
}

/// Tells a new leader all objects. Gives the CPU time without the making of the events.
pub(crate) fn list(cluster: &mut Cluster, sizes: Sizes) -> Duration {
    let mut sum = Duration::ZERO;
    let mut tell = |cluster: &mut Cluster, event: Event| sum += timed(|| cluster.event(event)).0;
    for number in 0..sizes.frameworks {
        let scheduler = if number % 2 == 0 {
            SchedulerKind::BuiltIn(Strategy::BinPack)
        } else {
            SchedulerKind::External(Delivery::Objects)
        };
        let object = framework(&framework_name(number), &format!("role-{}", number % 100), scheduler);
        tell(cluster, Event::FrameworkApplied(object));
    }
    let resources = Resources::of(Amount::from_units(24), Amount::from_units(4096));
    for number in 0..sizes.agents {
        tell(cluster, agent_object(number));
        tell(cluster, Event::SlotChanged { agent: agent(number), slot: Some(slot(number, resources.clone())) });
        for (name, whose) in sizes.tasks_of(number) {
            tell(cluster, running_task(task_id(name), &whose, number));
        }
    }
    tell(cluster, Event::Recovered);
    sum
}

/// All agents connect and confirm the epoch. Gives the CPU time without the making of the events, and the longest event's.
fn register(cluster: &mut Cluster, sizes: Sizes, epoch: Epoch, round: usize) -> (Duration, Duration) {
    let (mut sum, mut longest) = (Duration::ZERO, Duration::ZERO);
    for number in 0..sizes.agents {
        let session = Session((round * sizes.agents + number + 1) as u64);
        let event = sizes.registration(number, session, epoch);
        let confirmed = Event::EpochConfirmed { agent: agent(number), session, epoch: EPOCH };
        for event in [event, confirmed] {
            let (time, _) = timed(|| cluster.event(event));
            (sum, longest) = (sum + time, longest.max(time));
        }
    }
    (sum, longest)
}

/// Mesos' 2,000 x 5 x 20 and 20,000 x 1 x 5, and 40,000 agents with 400,000 tasks.
pub(crate) fn reregistration(size: Size) -> Vec<Figure> {
    let mut figures = Vec::new();
    let all = [(2_000, 100), (20_000, 5), (40_000, 10)];
    for (agents, tasks_each) in size.pick(all.as_slice(), &[(500, 10)]).iter().copied() {
        let sizes = Sizes { agents, tasks_each, frameworks: FRAMEWORKS };
        let mut cluster = Cluster::new();
        let listing = list(&mut cluster, sizes);
        let (registering, longest) = register(&mut cluster, sizes, Epoch(EPOCH.0 - 1), 0);
        let whole = Figure::ms(format!("{}: all registered and offered", sizes.text()), registering);
        figures.push(Figure::ms(format!("{}: all objects told", sizes.text()), listing));
        figures.push(if agents == 40_000 { whole.aim(10_000.0) } else { whole });
        figures.push(Figure::ms(format!("{}: the longest event", sizes.text()), longest));
        figures.push(Figure::of(format!("{}: effects", sizes.text()), to_float(cluster.effects as u64), ""));
    }
    figures
}

/// 100,000 tasks are reconciled: their agents, known to this leader, connect anew and tell what they run.
pub(crate) fn reconciliation(size: Size) -> Vec<Figure> {
    let sizes = Sizes { agents: size.pick(10_000, 500), tasks_each: 10, frameworks: FRAMEWORKS };
    let mut cluster = Cluster::new();
    list(&mut cluster, sizes);
    register(&mut cluster, sizes, Epoch(EPOCH.0 - 1), 0);
    let (time, longest) = register(&mut cluster, sizes, EPOCH, 1);
    vec![
        Figure::ms(format!("{}: all connected anew", sizes.text()), time),
        Figure::ms(format!("{}: the longest event", sizes.text()), longest),
    ]
}

/// What 50,000 agents and 1,000,000 known tasks take.
pub(crate) fn memory(size: Size) -> Vec<Figure> {
    let sizes = Sizes { agents: size.pick(50_000, 500), tasks_each: 20, frameworks: FRAMEWORKS };
    let mut cluster = Cluster::new();
    let listing = list(&mut cluster, sizes);
    let (registering, longest) = register(&mut cluster, sizes, Epoch(EPOCH.0 - 1), 0);
    let peak = Figure::of(format!("{}: most memory", sizes.text()), to_float(peak_mib()), "MiB");
    drop(cluster);
    vec![
        Figure::ms(format!("{}: all objects told", sizes.text()), listing),
        Figure::ms(format!("{}: all registered and offered", sizes.text()), registering),
        Figure::ms(format!("{}: the longest event", sizes.text()), longest),
        size.pick(peak.clone().aim(8192.0), peak),
    ]
}
