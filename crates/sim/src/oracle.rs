//! What no run may show, seen from outside. The codes are those of the invariants in the crate's documentation.

use crate::happening::LeaderId;
use proffer_agent::{ToMaster, Update, Uuid};
use proffer_master::{AgentName, Epoch, OfferId, OfferRecord, TaskId, TaskRecord, Time};
use proffer_mesos_api::TaskState;
use proffer_resources::Resources;
use std::collections::BTreeMap;
use std::time::Duration;

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The invariant that does not hold, such as `I2`.
    pub invariant: &'static str,
    /// What this is about: a task, an agent, an offer.
    pub subject: String,
    /// What is wrong with it.
    pub text: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} {}", self.invariant, self.subject, self.text)
    }
}

/// What a leadership has done that can be held against it.
#[derive(Debug)]
struct Deeds {
    epoch: Epoch,
    since: Time,
    alive: bool,
    /// When each agent was heard last.
    heard: BTreeMap<AgentName, Time>,
    /// Offers that it made and that did not end.
    offers: BTreeMap<OfferId, Made>,
    /// The newest revision of each task that it was told.
    seen: BTreeMap<TaskId, u64>,
}

/// An offer.
#[derive(Debug)]
struct Made {
    agent: AgentName,
    resources: Resources,
    at: Time,
    /// Whether its object is there. Until then an end of it is not told.
    shown: bool,
}

/// Sees every start, every status, every offer and every message.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    /// The node on which each task started, by the task's UID.
    starts: BTreeMap<String, usize>,
    /// The update with which an agent said that a task had ended, by the task's UID.
    endings: BTreeMap<String, Uuid>,
    /// The highest epoch that each node's agent has confirmed.
    confirmed: BTreeMap<usize, u64>,
    /// The same, whatever became of the node's disk.
    ever_confirmed: BTreeMap<usize, u64>,
    leaders: Vec<Deeds>,
    problem: Option<Problem>,
}

/// How long an agent must have been silent before it may be called unreachable.
pub(crate) const UNREACHABLE_AFTER: Duration = Duration::from_secs(6);
/// How long a new leader waits for the agents.
const REREGISTER_TIMEOUT: Duration = Duration::from_secs(20);
/// An offer's time-out, and how long a reply may wait for its tasks.
const OFFER_LIFE: Duration = Duration::from_secs(5 + 2);

impl Oracle {
    /// A task's command starts.
    pub(crate) fn started(&mut self, uid: &str, node: usize) {
        if let Some(before) = self.starts.insert(uid.to_owned(), node) {
            self.found("I2", uid.to_owned(), format!("started on node{before} and again on node{node}"));
        }
    }

    /// How many tasks started.
    pub(crate) fn starts(&self) -> usize {
        self.starts.len()
    }

    /// A process leads.
    pub(crate) fn leads(&mut self, _: LeaderId, epoch: Epoch, now: Time) {
        let (heard, offers, seen) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        self.leaders.push(Deeds { epoch, since: now, alive: true, heard, offers, seen });
    }

    /// It does not lead any more.
    pub(crate) fn ends(&mut self, id: LeaderId) {
        self.leaders[id.0].alive = false;
    }

    /// A leader hears something of an agent.
    pub(crate) fn heard_from(&mut self, id: LeaderId, agent: &AgentName, now: Time) {
        self.leaders[id.0].heard.insert(agent.clone(), now);
    }

    /// A leader is about to be told this revision of a task.
    pub(crate) fn sees(&mut self, id: LeaderId, task: &TaskId, revision: u64) {
        let seen = self.leaders[id.0].seen.entry(task.clone()).or_default();
        if *seen >= revision {
            let before = *seen;
            self.found("I14", task.uid.clone(), format!("was seen at revision {before} and is told at {revision}"));
        } else {
            *seen = revision;
        }
    }

    /// A leader decides on a new state of a task.
    pub(crate) fn decides(&mut self, id: LeaderId, task: &TaskId, record: &TaskRecord, now: Time) {
        if !matches!(record.state, Some(TaskState::Unreachable | TaskState::Lost | TaskState::Unknown)) {
            return;
        }
        let Some(place) = &record.agent else { return };
        let deeds = &self.leaders[id.0];
        let early = match deeds.heard.get(&place.agent) {
            Some(heard) => now < heard.after(UNREACHABLE_AFTER),
            None => now < deeds.since.after(REREGISTER_TIMEOUT),
        };
        if early {
            let text = format!("is called {:?} though {} may still come back", record.state, place.agent);
            self.found("I6", task.uid.clone(), text);
        }
    }

    /// A leader makes an offer of a node.
    pub(crate) fn offered(&mut self, id: LeaderId, node: usize, offer: &OfferRecord, now: Time) {
        let deeds = &mut self.leaders[id.0];
        let (agent, resources) = (offer.agent.agent.clone(), offer.resources.to_resources());
        deeds.offers.insert(offer.id.clone(), Made { agent, resources, at: now, shown: false });
        if self.ever_confirmed.get(&node).copied().unwrap_or(0) < deeds.epoch.0 {
            let text = format!("is of {}, which has not confirmed epoch {}", offer.agent.agent, deeds.epoch.0);
            self.found("I8", offer.id.0.name.clone(), text);
        }
    }

    /// The object of an offer is there, and the leader still stands by it; `running` is what runs on that node.
    pub(crate) fn shown(&mut self, id: LeaderId, offer: &OfferId, total: &Resources, running: &Resources, now: Time) {
        let offers = &mut self.leaders[id.0].offers;
        let Some(made) = offers.get_mut(offer) else { return };
        (made.shown, made.at) = (true, now);
        let (agent, resources) = (made.agent.clone(), made.resources.clone());
        let others = offers.iter().filter(|(other, made)| *other != offer && made.shown && made.agent == agent);
        let mut taken = running.clone();
        let mut twice = taken.overlaps(&resources);
        for (_, other) in others {
            twice |= other.resources.overlaps(&resources);
            taken = taken.plus(&other.resources);
        }
        let sum = taken.plus(&resources);
        if twice || sum.cpus > total.cpus || sum.mem > total.mem {
            let text = format!("offers {resources} of {agent}, where {taken} is taken of {total}");
            self.found("I7", offer.0.name.clone(), text);
        }
    }

    /// A leader says that an offer has ended.
    pub(crate) fn offer_ended(&mut self, id: LeaderId, offer: &OfferId) {
        self.leaders[id.0].offers.remove(offer);
    }

    /// Whether an offer was made by this leader and has not ended.
    pub(crate) fn is_live(&self, id: LeaderId, offer: &OfferId) -> bool {
        self.leaders[id.0].offers.contains_key(offer)
    }

    /// No offer of a leader that acts is older than it may be.
    pub(crate) fn inspect_offers(&mut self, acting: LeaderId, now: Time) {
        let slack = Duration::from_secs(1);
        let old = self.leaders[acting.0]
            .offers
            .iter()
            .find(|(_, made)| made.shown && now > made.at.after(OFFER_LIFE + slack))
            .map(|(offer, _)| offer.0.name.clone());
        if let Some(offer) = old {
            self.found("I9", offer, "is still there long after its time-out".to_owned());
        }
    }

    /// A status replaced another.
    pub(crate) fn wrote(&mut self, _: Time, task: &TaskId, before: Option<&TaskRecord>, after: &TaskRecord) {
        let ended = before.and_then(|record| record.state).filter(|state| state.is_terminal());
        if ended.is_some() && ended != after.state {
            self.found("I5", task.uid.clone(), format!("was {ended:?} and became {:?}", after.state));
        }
        if before.is_some_and(|before| before.epoch > after.epoch) {
            self.found("I8", task.uid.clone(), "got a status of an earlier epoch".to_owned());
        }
    }

    /// An agent says something.
    pub(crate) fn told(&mut self, node: usize, message: &ToMaster) {
        if let ToMaster::EpochConfirmed(epoch) | ToMaster::Register { epoch, .. } = message {
            let ever = self.ever_confirmed.entry(node).or_default();
            *ever = (*ever).max(*epoch);
            let highest = self.confirmed.entry(node).or_default();
            *highest = (*highest).max(*epoch);
        }
        let updates: Vec<&Update> = match message {
            ToMaster::Register { tasks, .. } => tasks.iter().map(|task| &task.status).collect(),
            ToMaster::Status(update) => vec![update],
            _ => Vec::new(),
        };
        for update in updates.into_iter().filter(|update| update.status.state.is_terminal()) {
            let Some(uuid) = update.uuid else { continue };
            let task = &update.task.uid;
            if self.endings.insert(task.clone(), uuid).is_some_and(|before| before != uuid) {
                self.found(
                    "I4",
                    task.clone(),
                    format!("ended again, as {:?}: the first end is forgotten", update.status.state),
                );
            }
        }
    }

    /// The agent of a node obeys somebody.
    pub(crate) fn obeyed(&mut self, node: usize, epoch: u64) {
        let highest = self.confirmed.get(&node).copied().unwrap_or(0);
        if epoch < highest {
            self.found("I8", format!("node{node}"), format!("obeys epoch {epoch} after epoch {highest}"));
        }
    }

    /// The disk of a node is new: what its agent said before does not bind it.
    pub(crate) fn wiped(&mut self, node: usize) {
        self.confirmed.remove(&node);
    }

    /// The highest epoch that the agent of a node has confirmed.
    pub(crate) fn confirmed(&self, node: usize) -> u64 {
        self.confirmed.get(&node).copied().unwrap_or(0)
    }

    /// Whether any agent has this epoch on its disk.
    pub(crate) fn was_heard(&self, epoch: Epoch) -> bool {
        self.confirmed.values().any(|confirmed| *confirmed >= epoch.0)
    }

    /// The newest leadership, if it acts.
    pub(crate) fn newest(&self) -> Option<(LeaderId, Epoch)> {
        let index = self.leaders.len().checked_sub(1)?;
        self.leaders.get(index).filter(|deeds| deeds.alive).map(|deeds| (LeaderId(index), deeds.epoch))
    }

    /// An agent is told that it may forget an update.
    pub(crate) fn acknowledged(&mut self, task: &str, uuid: Uuid, recorded: Option<TaskState>, has_object: bool) {
        let end = self.endings.get(task) == Some(&uuid);
        if end && has_object && !recorded.is_some_and(TaskState::is_terminal) {
            self.found("I4", task.to_owned(), format!("was acknowledged at its end and its object says {recorded:?}"));
        }
    }

    /// Something is wrong. Only the first thing counts.
    pub(crate) fn found(&mut self, invariant: &'static str, subject: String, text: String) {
        self.problem.get_or_insert(Problem { invariant, subject, text });
    }

    /// The first thing that is wrong.
    pub(crate) fn problem(&self) -> Option<&Problem> {
        self.problem.as_ref()
    }
}
