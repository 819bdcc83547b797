//! How a leader's writes reach the API server: one at a time for each object, each only onto what the master knew when
//! it decided, tried again until there is an honest answer even when the API server's own was lost.

use crate::api_server::{Answer, Op, Subject, Version};
use crate::happening::{Happening, LeaderId};
use crate::planted::Planted;
use crate::simulation::Simulation;
use proffer_master::{Event, Session, ToAgent, WriteId, WriteOutcome};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

/// The writes of one leader.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    queues: BTreeMap<Subject, Queue>,
    /// Messages that wait for a write that was not answered yet.
    parked: BTreeMap<WriteId, Vec<(Session, ToAgent)>>,
}

#[derive(Debug, Default)]
struct Queue {
    under_way: Option<Op>,
    waiting: VecDeque<Op>,
}

impl Op {
    fn subject(&self) -> Subject {
        match self {
            Self::Status { task, .. } | Self::Adopt { task, .. } | Self::Release(task) | Self::DeleteTask(task) => {
                Subject::Task(task.key.clone())
            }
            Self::CreateOffer(_, terms) => Subject::Offer(terms.id.0.clone()),
            Self::CloseOffer(key, _) | Self::DeleteOffer(key) => Subject::Offer(key.clone()),
            Self::Agent(record) => Subject::Agent(record.agent.clone()),
        }
    }
}

impl Writer {
    /// A write is about to be asked for; messages may wait for it.
    pub(crate) fn expect(&mut self, write: WriteId) {
        self.parked.entry(write).or_default();
    }

    /// Keeps a message for a write; gives it back if that has ended.
    pub(crate) fn park(&mut self, after: WriteId, session: Session, message: ToAgent) -> Option<(Session, ToAgent)> {
        match self.parked.get_mut(&after) {
            Some(parked) => {
                parked.push((session, message));
                None
            }
            None => Some((session, message)),
        }
    }

    /// Puts an operation behind those on the same object, or in the place of one that it makes needless.
    fn merge(&mut self, op: Op) -> Subject {
        let subject = op.subject();
        let waiting = &mut self.queues.entry(subject.clone()).or_default().waiting;
        match op {
            Op::Status { mut writes, task, record, basis, awaited } => {
                let replaced = waiting
                    .iter()
                    .rposition(|known| matches!(known, Op::Status { task: same, awaited: false, .. } if *same == task));
                if let Some(Op::Status { writes: known, .. }) = replaced.and_then(|index| waiting.get_mut(index)) {
                    known.append(&mut writes);
                    writes.append(known);
                }
                let op = Op::Status { writes, task, record, basis, awaited };
                match replaced.and_then(|index| waiting.get_mut(index)) {
                    Some(known) => *known = op,
                    None => waiting.push_back(op),
                }
            }
            Op::Agent(_) => {
                waiting.clear();
                waiting.push_back(op);
            }
            Op::DeleteOffer(_) => {
                waiting.retain(|known| matches!(known, Op::CreateOffer(..)));
                waiting.push_back(op);
            }
            op => {
                if !waiting.contains(&op) {
                    waiting.push_back(op);
                }
            }
        }
        subject
    }
}

impl Simulation {
    /// Takes in a write.
    pub(crate) fn write(&mut self, id: LeaderId, op: Op) {
        let writer = &mut self.leaders[id.0].writer;
        let subject = writer.merge(op);
        if writer.queues.get(&subject).is_some_and(|queue| queue.under_way.is_none()) {
            self.next_write(id, &subject);
        }
    }

    fn next_write(&mut self, id: LeaderId, subject: &Subject) {
        let queues = &mut self.leaders[id.0].writer.queues;
        let Some(queue) = queues.get_mut(subject) else { return };
        queue.under_way = queue.waiting.pop_front();
        if queue.under_way.is_some() {
            self.agenda.at(self.now, Happening::Attempt(id, subject.clone()));
        } else {
            queues.remove(subject);
        }
    }

    fn under_way(&self, id: LeaderId, subject: &Subject) -> Option<&Op> {
        self.leaders[id.0].writer.queues.get(subject)?.under_way.as_ref()
    }

    /// Tries the write about an object that is under way.
    pub(crate) fn attempt(&mut self, id: LeaderId, subject: &Subject) {
        if !self.leaders[id.0].alive {
            return;
        }
        let Some(op) = self.under_way(id, subject).cloned() else { return };
        let based_on = match self.basis_of(id, subject, &op) {
            Ok(revision) => revision,
            Err(outcome) => return self.write_ended(id, subject, &op, &outcome),
        };
        match self.crash_point(id) {
            Some(true) => return self.crash_replica(self.leaders[id.0].replica),
            Some(false) => {
                self.submit(id, subject, op, based_on);
                return self.crash_replica(self.leaders[id.0].replica);
            }
            None => {}
        }
        self.submit(id, subject, op, based_on);
    }

    /// The revision that a write replaces, or how it ends without being sent.
    fn basis_of(&self, id: LeaderId, subject: &Subject, op: &Op) -> Result<u64, WriteOutcome> {
        let leader = &self.leaders[id.0];
        let known = leader.shelf.get(subject);
        let task_of = |uid: &str| known.filter(|version| version.object.uid() == uid);
        match op {
            Op::Status { task, record, basis, .. } => {
                // A version that the master had not been told when it decided must not be overwritten unseen.
                let Some(basis) = *basis else { return Err(WriteOutcome::Gone) };
                let Some((version, stored)) = task_of(&task.uid).and_then(|version| Some((version, version.task()?)))
                else {
                    return Err(WriteOutcome::Gone);
                };
                if stored.object.record.as_ref() == Some(record) {
                    return Err(WriteOutcome::Done);
                }
                let own = leader.own.get(task).copied().filter(|own| *own >= basis);
                if stored.version == basis || own == Some(stored.version) || self.has(Planted::OverwritesUnseen) {
                    Ok(version.revision)
                } else {
                    Err(WriteOutcome::Conflict)
                }
            }
            Op::Adopt { task, owner, finalizer } => {
                let Some((version, stored)) = task_of(&task.uid).and_then(|version| Some((version, version.task()?)))
                else {
                    return Err(WriteOutcome::Gone);
                };
                let object = &stored.object;
                let adopted = object.owner.as_ref() == Some(owner) && (object.finalizer || !finalizer);
                if object.deleting || adopted { Err(WriteOutcome::Done) } else { Ok(version.revision) }
            }
            Op::Release(task) => match task_of(&task.uid) {
                Some(version) if version.task().is_some_and(|stored| stored.object.finalizer) => Ok(version.revision),
                Some(_) => Err(WriteOutcome::Done),
                None => Err(WriteOutcome::Gone),
            },
            Op::CloseOffer(..) => known.map(|version| version.revision).ok_or(WriteOutcome::Gone),
            Op::DeleteTask(_) | Op::CreateOffer(..) | Op::DeleteOffer(_) | Op::Agent(_) => Ok(0),
        }
    }

    fn submit(&mut self, id: LeaderId, subject: &Subject, op: Op, based_on: u64) {
        let rough = self.is_rough();
        let lost = self.is_cut_off(self.leaders[id.0].replica);
        if lost || rough && self.random.in_thousand(self.plan.rates.lost_requests) {
            self.lose(id, subject);
            return;
        }
        let most = if rough { self.plan.rates.write_delay } else { Duration::from_millis(10) };
        let request = Happening::Request(id, subject.clone(), Box::new(op), based_on);
        self.soon(request, Duration::from_micros(500), most);
    }

    fn lose(&mut self, id: LeaderId, subject: &Subject) {
        if self.has(Planted::TakesLostReplyForDone) {
            let done = Happening::Answered(id, subject.clone(), Answer::Done(None));
            self.agenda.at(self.now.after(Duration::from_secs(1)), done);
            return;
        }
        let lost = Happening::Answered(id, subject.clone(), Answer::Lost);
        self.agenda.at(self.now.after(Duration::from_secs(1)), lost);
    }

    /// The API server does what it is asked, whether or not the leader still lives.
    pub(crate) fn request(&mut self, id: LeaderId, subject: &Subject, op: &Op, based_on: u64) {
        let before = match op {
            Op::Status { task, .. } => self.api.task(task).and_then(|(stored, _)| stored.object.record.clone()),
            _ => None,
        };
        let answer = if self.api_is_down() { Answer::Lost } else { self.api.perform(op, based_on) };
        if let (Op::Status { task, record, .. }, Answer::Done(_)) = (op, &answer) {
            self.oracle.wrote(self.now, task, before.as_ref(), record);
        }
        if answer == Answer::Lost
            || self.is_cut_off(self.leaders[id.0].replica)
            || self.is_rough() && self.random.in_thousand(self.plan.rates.lost_answers)
        {
            self.lose(id, subject);
            return;
        }
        let answered = Happening::Answered(id, subject.clone(), answer);
        self.soon(answered, Duration::from_micros(200), Duration::from_millis(10));
    }

    pub(crate) fn answered(&mut self, id: LeaderId, subject: &Subject, answer: Answer) {
        if !self.leaders[id.0].alive {
            return;
        }
        let Some(op) = self.under_way(id, subject).cloned() else { return };
        let outcome = match answer {
            Answer::Done(version) => {
                self.absorb(id, &op, version.as_ref());
                WriteOutcome::Done
            }
            Answer::NotFound => WriteOutcome::Gone,
            Answer::Lost => return self.try_again(id, subject),
            // Offers have names of their own in all epochs: it is this one, and the answer to an earlier try was lost.
            Answer::Conflict if matches!(op, Op::CreateOffer(..)) => WriteOutcome::Done,
            Answer::Conflict => {
                self.look(id, subject);
                return self.try_again(id, subject);
            }
            Answer::Refused => {
                // A leader of a later epoch wrote it.
                self.look(id, subject);
                WriteOutcome::Conflict
            }
        };
        self.write_ended(id, subject, &op, &outcome);
    }

    fn try_again(&mut self, id: LeaderId, subject: &Subject) {
        self.soon(Happening::Attempt(id, subject.clone()), Duration::from_millis(1), Duration::from_millis(300));
    }

    /// Takes in the answer to a write of ours. Of a status nothing in it is news; a patch may show what others did.
    fn absorb(&mut self, id: LeaderId, op: &Op, version: Option<&Rc<Version>>) {
        let Some(version) = version else { return };
        match op {
            Op::Status { task, .. } => {
                let leader = &mut self.leaders[id.0];
                leader.shelf.put(version);
                leader.own.insert(task.clone(), version.task().map_or(0, |stored| stored.version));
            }
            Op::CreateOffer(..) => drop(self.leaders[id.0].shelf.put(version)),
            _ => self.look(id, &version.object.subject()),
        }
    }

    fn write_ended(&mut self, id: LeaderId, subject: &Subject, op: &Op, outcome: &WriteOutcome) {
        self.follows(|| format!("leader {}: a write about {subject:?} ended: {outcome:?}", id.0 + 1));
        let writes = match op {
            Op::Status { writes, .. } => writes.clone(),
            Op::CreateOffer(write, _) => vec![*write],
            _ => Vec::new(),
        };
        for write in writes {
            let parked = self.leaders[id.0].writer.parked.remove(&write).unwrap_or_default();
            if *outcome == WriteOutcome::Done {
                for (session, message) in parked {
                    self.send_to_agent(id, session, message);
                }
            }
            self.leader_event(id, Event::Written { write, outcome: outcome.clone() });
        }
        if let (Op::CreateOffer(_, offer), WriteOutcome::Done) = (op, outcome) {
            self.judge_offer(id, offer);
        }
        self.next_write(id, subject);
    }
}
