//! Frameworks, and the schedulers of those that answer offers themselves: each reads Offer objects and sets their reply,
//! as any program in any language does.

use crate::api_server::{Object, StoredOffer, Subject};
use crate::happening::Happening;
use crate::random::Random;
use crate::simulation::Simulation;
use proffer_master::{Delivery, FrameworkObject, ObjectKey, OfferReply, PortRequest, SchedulerKind, Strategy, Time};
use proffer_resources::Resources;
use std::time::Duration;

pub(crate) const NAMESPACE: &str = "sim";

/// How a scheduler is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Temper {
    /// None: the built-in scheduler serves it.
    BuiltIn(Strategy),
    /// Takes whatever fits, at once.
    Greedy,
    /// Wants one node and declines the others.
    Picky(usize),
    /// Answers when the offer is nearly or quite over.
    Slow,
    /// Keeps all offers for as long as it can, and seldom uses one.
    Hoarding,
    /// Crashes between its writes.
    Crashing,
    /// Never answers.
    Silent,
}

/// A framework, and its scheduler.
#[derive(Debug)]
pub(crate) struct Scheduler {
    pub(crate) framework: ObjectKey,
    pub(crate) temper: Temper,
    /// Counts its Framework objects.
    pub(crate) founded: u64,
    /// Until when it does nothing: it crashed, or has no connection.
    pub(crate) down_until: Time,
}

impl Scheduler {
    /// Those of a run.
    pub(crate) fn draw(random: &mut Random, nodes: usize) -> Vec<Self> {
        let strategy = if random.in_thousand(500) { Strategy::BinPack } else { Strategy::Spread };
        let picky = Temper::Picky(random.index(nodes).unwrap_or(0));
        let others = [Temper::Greedy, picky, Temper::Slow, Temper::Hoarding, Temper::Crashing, Temper::Silent];
        let mut tempers = vec![Temper::BuiltIn(strategy)];
        for _ in 0..=random.below(3) {
            tempers.extend(random.one_of(&others));
        }
        let named = |(number, temper)| Self {
            framework: ObjectKey::new(NAMESPACE, format!("framework{number}")),
            temper,
            founded: 0,
            down_until: Time(0),
        };
        tempers.into_iter().enumerate().map(named).collect()
    }

    /// Whether tasks of it are ever launched.
    pub(crate) fn launches(&self) -> bool {
        self.temper != Temper::Silent
    }
}

impl Simulation {
    /// Creates the object of a framework.
    pub(crate) fn found(&mut self, index: usize) {
        let scheduler = &mut self.schedulers[index];
        scheduler.founded += 1;
        let kind = match scheduler.temper {
            Temper::BuiltIn(strategy) => SchedulerKind::BuiltIn(strategy),
            _ => SchedulerKind::External(Delivery::Objects),
        };
        let uid = format!("{}-{}", scheduler.framework.name, scheduler.founded);
        let object = FrameworkObject::new(scheduler.framework.clone(), uid, Ok(kind));
        if self.api.get(&Subject::Framework(object.key.clone())).is_none() {
            self.api.put(Object::Framework(object));
        }
    }

    /// A scheduler looks at its offers.
    pub(crate) fn schedule(&mut self, index: usize) {
        let next = self.now.after(self.random.between(Duration::from_millis(50), Duration::from_secs(1)));
        let down_until = self.schedulers[index].down_until;
        self.agenda.at(next.max(down_until), Happening::Schedule(index));
        if down_until > self.now || self.api_is_down() {
            return;
        }
        let key = self.schedulers[index].framework.clone();
        let open =
            |stored: &&StoredOffer| stored.reply.is_none() && stored.end.is_none() && stored.terms.framework == key;
        let offers: Vec<StoredOffer> = self.api.offers().filter(open).cloned().collect();
        for offer in offers {
            // Once the faults are over, all come to reason.
            let temper = match self.schedulers[index].temper {
                Temper::Silent => Temper::Silent,
                _ if !self.is_rough() => Temper::Greedy,
                temper => temper,
            };
            let (answers, most) = match temper {
                Temper::BuiltIn(_) | Temper::Silent => (0, 0),
                Temper::Greedy | Temper::Crashing => (600, 4),
                Temper::Picky(_) => (800, 2),
                Temper::Slow => (80, 2),
                Temper::Hoarding => (30, 1),
            };
            if !self.random.in_thousand(answers) {
                continue;
            }
            if temper == Temper::Crashing && self.random.in_thousand(300) {
                let away = self.random.between(Duration::from_secs(1), Duration::from_secs(8));
                self.schedulers[index].down_until = self.now.after(away);
                return;
            }
            let wanted = match temper {
                Temper::Picky(node) if self.nodes[node].name != offer.terms.agent.agent => Vec::new(),
                _ => self.choose(&key, &offer.terms.resources.to_resources(), most),
            };
            let refuse = Some(Duration::from_millis(self.random.below(3000)));
            let reply =
                if wanted.is_empty() { OfferReply::Decline { refuse } } else { OfferReply::launch(wanted, refuse) };
            self.follows(|| format!("{} ({temper:?}) answers {}: {reply:?}", key.name, offer.terms.id.0.name));
            self.api.put(Object::Offer(StoredOffer { reply: Some(reply), ..offer }));
        }
    }

    /// Names waiting tasks that fit into an offer; now and then one that fits no more, or that is not new.
    fn choose(&mut self, framework: &ObjectKey, offered: &Resources, most: usize) -> Vec<String> {
        let careless = self.random.in_thousand(50);
        let mut left = offered.clone();
        let mut wanted = Vec::new();
        for stored in self.api.tasks().filter(|stored| stored.object.framework == framework.name) {
            let waits = stored.object.record.as_ref().is_none_or(|record| record.state.is_none());
            let Ok(request) = &stored.object.request else { continue };
            let fits = request.resources.cpus <= left.cpus && request.resources.mem <= left.mem;
            if wanted.len() < most && (waits && fits && !stored.object.deleting || careless) {
                left = left.saturating_minus(&request.resources);
                wanted.push(stored.object.id.key.name.clone());
            }
        }
        wanted
    }

    /// Ports that a task asks for, drawn.
    pub(crate) fn ports(random: &mut Random) -> PortRequest {
        match random.below(10) {
            0..=1 => PortRequest::Count(1),
            2 => PortRequest::Count(3),
            _ => PortRequest::None,
        }
    }
}
