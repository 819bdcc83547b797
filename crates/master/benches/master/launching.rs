//! Frameworks launch their tasks out of offers, to the end.

use crate::cluster::{Cluster, EPOCH, agent_object, framework, key, registration, runs, slot, task, task_id};
use proffer_master::{
    Delivery, Effect, Epoch, Event, ObjectKey, OfferRecord, OfferReply, Operation, SchedulerKind, Session,
    StatusUpdate, ToAgent, WriteId, WriteOutcome,
};
use proffer_measure::{Figure, Size, timed, to_float};
use proffer_resources::{Amount, Resources};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Frameworks of one kind.
struct Kind {
    role: &'static str,
    frameworks: usize,
    tasks: usize,
    task: Resources,
    most_per_offer: usize,
}

/// What a scheduler has still to launch, and how much at a time.
struct Work {
    waiting: VecDeque<String>,
    task: Resources,
    most_per_offer: usize,
}

/// Mesos' `MultiFrameworkAllocations`: 80 agents; 4 Marathons with 4,000 tasks each, 500 Jenkins with 5, 50 Sparks with
/// 20. Here every task has an object, its placement is written before it is launched, and it comes to run.
pub(crate) fn multi_framework(size: Size) -> Vec<Figure> {
    let few = size.pick(1, 10);
    let kinds = [
        Kind { role: "marathon", frameworks: 4, tasks: 4000 / few, task: resources(70, 400), most_per_offer: 100 },
        Kind { role: "jenkins", frameworks: 500 / few, tasks: 5, task: resources(100, 4096), most_per_offer: 1 },
        Kind { role: "spark", frameworks: 50, tasks: 20 / few, task: resources(1000, 1024), most_per_offer: 5 },
    ];
    let frameworks: usize = kinds.iter().map(|kind| kind.frameworks).sum();
    let tasks: usize = kinds.iter().map(|kind| kind.frameworks * kind.tasks).sum();
    let (time, shell) = timed(|| {
        let mut shell = Shell::new(&kinds);
        for _ in 0..10_000 {
            shell.settle();
            if shell.work.is_empty() {
                break;
            }
            shell.pass();
        }
        shell
    });
    let sizes = format!("{frameworks} frameworks, {tasks} tasks in {} offers", shell.offers);
    let whole = Figure::ms(format!("{sizes}: to the end"), time);
    vec![
        size.pick(whole.clone().aim(2000.0), whole),
        Figure::of(format!("{sizes}: events"), to_float(shell.events), ""),
        Figure::of("tasks that do not run", to_float((tasks - shell.running) as u64), "").aim(0.0),
    ]
}

fn resources(thousandths: u64, mem: u64) -> Resources {
    Resources::of(Amount::from_thousandths(thousandths), Amount::from_units(mem))
}

/// What is round the master: writes succeed, agents run what they are sent, schedulers answer their offers.
struct Shell {
    cluster: Cluster,
    to_come: VecDeque<Event>,
    /// Launches that wait for a write.
    parked: BTreeMap<WriteId, Vec<Event>>,
    work: BTreeMap<ObjectKey, Work>,
    offers: usize,
    running: usize,
    events: u64,
}

impl Shell {
    fn new(kinds: &[Kind]) -> Self {
        let mut shell = Self {
            cluster: Cluster::new(),
            to_come: VecDeque::new(),
            parked: BTreeMap::new(),
            work: BTreeMap::new(),
            offers: 0,
            running: 0,
            events: 0,
        };
        for kind in kinds {
            for number in 0..kind.frameworks {
                let name = format!("{}-{number:03}", kind.role);
                let object = framework(&name, kind.role, SchedulerKind::External(Delivery::Objects));
                shell.to_come.push_back(Event::FrameworkApplied(object));
                let names: VecDeque<String> = (0..kind.tasks).map(|task| format!("{name}-{task:04}")).collect();
                for task_name in &names {
                    shell.to_come.push_back(task(task_id(task_name.clone()), name.clone(), kind.task.clone()));
                }
                let work = Work { waiting: names, task: kind.task.clone(), most_per_offer: kind.most_per_offer };
                shell.work.insert(key(name), work);
            }
        }
        for number in 0..80 {
            let session = Session(number as u64 + 1);
            let slot = slot(number, resources(64_000, 499_712));
            let agent = crate::cluster::agent(number);
            shell.to_come.push_back(agent_object(number));
            shell.to_come.push_back(Event::SlotChanged { agent: agent.clone(), slot: Some(slot) });
            shell.to_come.push_back(registration(number, session, Epoch(EPOCH.0 - 1), Vec::new()));
            shell.to_come.push_back(Event::EpochConfirmed { agent, session, epoch: EPOCH });
        }
        shell.to_come.push_back(Event::Recovered);
        shell
    }

    /// Until nothing follows any more.
    fn settle(&mut self) {
        while let Some(event) = self.to_come.pop_front() {
            self.events += 1;
            let effects = self.cluster.event(event);
            self.carry_out(effects);
        }
    }

    /// A second passes: filters end.
    fn pass(&mut self) {
        let effects = self.cluster.pass(Duration::from_secs(1));
        self.carry_out(effects);
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        let (mut written, mut offers) = (Vec::new(), Vec::new());
        for effect in effects {
            match effect {
                Effect::WriteTask { write, .. } => written.push(write),
                Effect::CreateOffer { write, offer } => {
                    written.push(write);
                    offers.push(*offer);
                }
                Effect::Send { agent, session, message: ToAgent::Launch(launch), after } => {
                    self.running += 1;
                    let uuid = Some(launch.task.uid.as_bytes().iter().copied().take(16).collect());
                    let update: StatusUpdate = runs(launch.task, launch.framework, uuid);
                    let event = Event::StatusUpdate { agent, session, update };
                    match after {
                        Some(write) => self.parked.entry(write).or_default().push(event),
                        None => self.to_come.push_back(event),
                    }
                }
                _ => {}
            }
        }
        for write in written {
            self.to_come.push_back(Event::Written { write, outcome: WriteOutcome::Done });
            self.to_come.extend(self.parked.remove(&write).unwrap_or_default());
        }
        for offer in offers {
            self.answer(offer);
        }
    }

    /// A scheduler takes as many tasks as fit and as it wants at a time, and does not want the rest for a second.
    fn answer(&mut self, offer: OfferRecord) {
        self.offers += 1;
        let second = Some(Duration::from_secs(1));
        let reply = match self.work.get_mut(&offer.framework) {
            None => OfferReply::Decline { refuse: Some(Duration::from_hours(24)) },
            Some(work) => {
                let (mut left, mut launch) = (offer.resources.to_resources(), Vec::new());
                while launch.len() < work.most_per_offer && left.contains(&work.task) {
                    let Some(name) = work.waiting.pop_front() else { break };
                    left = left.saturating_minus(&work.task);
                    launch.push(name);
                }
                if work.waiting.is_empty() {
                    self.work.remove(&offer.framework);
                }
                if launch.is_empty() {
                    OfferReply::Decline { refuse: second }
                } else {
                    OfferReply::Accept { operations: vec![Operation::launch(launch)], refuse: second }
                }
            }
        };
        self.to_come.push_back(Event::OfferReplied { offer: offer.id, reply });
    }
}
