//! What one event costs in a cluster that is full of frameworks and tasks. It must not grow with their number.

use crate::cluster::{Cluster, EPOCH, agent, runs, small, task, task_id};
use crate::failover::{Sizes, list};
use proffer_master::{
    Effect, Epoch, Event, Launch, OfferRecord, OfferReply, Operation, Session, StatusUpdate, TaskId, ToAgent,
    WriteOutcome,
};
use proffer_measure::{Figure, Size, line, logarithms, timed, to_float};
use proffer_mesos_api::TaskState;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// How often each event is measured.
const EVENTS: usize = 300;

/// Kinds of events, as they are told.
const KINDS: [&str; 7] = [
    "an offer is declined",
    "a task comes",
    "an offer is accepted, a task launched",
    "a task runs",
    "a task ends",
    "an agent connects anew with 10 tasks",
    "a write is done",
];

/// With ever more frameworks: 1,000 agents with 10 tasks each.
pub(crate) fn by_frameworks(size: Size) -> Vec<Figure> {
    let frameworks: &[usize] = size.pick(&[10, 100, 1_000, 3_000, 6_000], &[10, 100]);
    let sizes = frameworks.iter().map(|&frameworks| Sizes { agents: 1_000, tasks_each: 10, frameworks });
    growth(size, "frameworks", sizes.map(|sizes| (sizes.frameworks, sizes)))
}

/// With ever more agents, each with 10 tasks, of 100 frameworks.
pub(crate) fn by_tasks(size: Size) -> Vec<Figure> {
    let agents: &[usize] = size.pick(&[300, 1_000, 10_000, 40_000], &[100, 300]);
    let sizes = agents.iter().map(|&agents| Sizes { agents, tasks_each: 10, frameworks: 100 });
    growth(size, "tasks", sizes.map(|sizes| (10 * sizes.agents, sizes)))
}

/// Measures every kind of event in clusters of several sizes, and how its cost grows with them.
fn growth(size: Size, of: &str, sizes: impl Iterator<Item = (usize, Sizes)>) -> Vec<Figure> {
    let mut figures = Vec::new();
    let mut points: BTreeMap<&str, Vec<(f64, f64)>> = BTreeMap::new();
    for (number, sizes) in sizes {
        let costs = Meter::measure(sizes);
        for kind in KINDS {
            let (time, events) = costs.get(kind).copied().unwrap_or_default();
            let each = time.as_secs_f64() * 1e6 / to_float(events.max(1));
            figures.push(Figure::of(format!("{number} {of}: {kind} ({events} events)"), each, "us"));
            points.entry(kind).or_default().push((to_float(number as u64), each));
        }
    }
    for kind in KINDS {
        let Some(points) = points.get(kind) else { continue };
        // 1 would be linear.
        let exponent = line(&logarithms(points)).slope;
        let figure = Figure::of(format!("exponent of the number of {of}: {kind}"), exponent, "");
        figures.push(size.pick(figure.clone().aim(0.5), figure));
    }
    figures
}

/// What is round the master, and what its events cost.
struct Meter {
    cluster: Cluster,
    sizes: Sizes,
    costs: BTreeMap<&'static str, (Duration, u64)>,
    offers: VecDeque<OfferRecord>,
    launches: Vec<(Session, Launch)>,
}

impl Meter {
    fn measure(sizes: Sizes) -> BTreeMap<&'static str, (Duration, u64)> {
        let mut cluster = Cluster::new();
        list(&mut cluster, sizes);
        let mut meter = Self { cluster, sizes, costs: BTreeMap::new(), offers: VecDeque::new(), launches: Vec::new() };
        meter.connect_all();
        // What is put off for a second is done.
        for _ in 0..3 {
            let effects = meter.cluster.pass(Duration::from_secs(2));
            meter.carry_out(effects);
        }
        meter.costs.clear();
        meter.decline();
        let tasks = meter.launch();
        meter.end(tasks);
        meter.connect();
        meter.costs
    }

    /// An event, and the writes that follow from it.
    fn event(&mut self, kind: &'static str, event: Event) {
        let (time, effects) = timed(|| self.cluster.event(event));
        let (sum, events) = self.costs.entry(kind).or_default();
        (*sum, *events) = (*sum + time, *events + 1);
        self.carry_out(effects);
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        let mut written = Vec::new();
        for effect in effects {
            match effect {
                Effect::WriteTask { write, .. } => written.push(write),
                Effect::CreateOffer { write, offer } => {
                    written.push(write);
                    self.offers.push_back(*offer);
                }
                Effect::CloseOffer { offer, .. } => self.offers.retain(|other| other.id != offer),
                Effect::Send { session, message: ToAgent::Launch(launch), .. } => {
                    self.launches.push((session, *launch));
                }
                _ => {}
            }
        }
        for write in written {
            self.event("a write is done", Event::Written { write, outcome: WriteOutcome::Done });
        }
    }

    /// All agents connect, and are offered.
    fn connect_all(&mut self) {
        for number in 0..self.sizes.agents {
            let session = Session(number as u64 + 1);
            self.event("all connect", self.sizes.registration(number, session, Epoch(EPOCH.0 - 1)));
            self.event("all connect", Event::EpochConfirmed { agent: agent(number), session, epoch: EPOCH });
        }
    }

    /// Offers are declined for five seconds; others get them.
    fn decline(&mut self) {
        for _ in 0..EVENTS {
            let Some(offer) = self.offers.pop_front() else { break };
            self.event(KINDS[0], Event::OfferReplied { offer: offer.id, reply: OfferReply::Decline { refuse: None } });
        }
    }

    /// Tasks come, are launched in offers and run.
    fn launch(&mut self) -> Vec<(usize, Session, TaskId, String)> {
        let mut running = Vec::new();
        for number in 0..EVENTS {
            let Some(offer) = self.offers.pop_front() else { break };
            let id = task_id(format!("event-{number:07}"));
            self.event(KINDS[1], task(id.clone(), offer.framework.name.clone(), small()));
            let operations = vec![Operation::launch(vec![id.key.name.clone()])];
            let reply = OfferReply::Accept { operations, refuse: None };
            self.event(KINDS[2], Event::OfferReplied { offer: offer.id, reply });
            let on = (0..self.sizes.agents).find(|number| agent(*number) == offer.agent.agent).unwrap_or_default();
            for (session, launch) in std::mem::take(&mut self.launches) {
                let uuid = Some(number.to_be_bytes().repeat(2));
                let update = runs(launch.task.clone(), launch.framework.clone(), uuid);
                self.event(KINDS[3], Event::StatusUpdate { agent: agent(on), session, update });
                running.push((on, session, launch.task, launch.framework));
            }
        }
        running
    }

    /// They end.
    fn end(&mut self, tasks: Vec<(usize, Session, TaskId, String)>) {
        for (number, (on, session, id, framework)) in tasks.into_iter().enumerate() {
            let uuid = Some((number + EVENTS).to_be_bytes().repeat(2));
            let update = StatusUpdate { state: TaskState::Finished, exit_code: Some(0), ..runs(id, framework, uuid) };
            self.event(KINDS[4], Event::StatusUpdate { agent: agent(on), session, update });
        }
    }

    /// Agents connect anew, with what they have.
    fn connect(&mut self) {
        for number in (0..self.sizes.agents).rev().take(EVENTS) {
            let session = Session((self.sizes.agents + number + 1) as u64);
            let event = self.sizes.registration(number, session, EPOCH);
            self.event(KINDS[5], event);
        }
    }
}
