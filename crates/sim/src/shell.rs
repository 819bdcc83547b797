//! How a leader's writes reach the API server: one at a time for each task, each only onto the status that the master
//! knew when it decided, and with an honest answer even when the API server's own was lost.

use crate::api_server::{Answer, StatusWrite, Versions};
use crate::happening::{Happening, LeaderId};
use crate::simulation::Simulation;
use proffer_master::{AgentName, Event, Session, TaskId, TaskRecord, ToAgent, WriteId, WriteOutcome};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// The writes of one leader.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    /// The versions of each task that the master was told, or that were written for it.
    known: BTreeMap<TaskId, Versions>,
    tasks: BTreeMap<TaskId, Queue>,
    /// Messages that wait for a write.
    parked: Vec<(WriteId, AgentName, Session, ToAgent)>,
}

#[derive(Debug, Default)]
struct Queue {
    under_way: Option<StatusWrite>,
    waiting: VecDeque<StatusWrite>,
}

impl Writer {
    /// The master is about to be told these versions of a task. `false` if it was told later ones.
    pub(crate) fn known(&mut self, task: &TaskId, versions: Versions) -> bool {
        let known = self.known.entry(task.clone()).or_default();
        let later = versions.1 >= known.1;
        *known = (versions.0.max(known.0), versions.1.max(known.1));
        later
    }

    /// Whether a write has not ended.
    pub(crate) fn is_open(&self, write: WriteId) -> bool {
        let is = |other: &StatusWrite| other.id == write;
        self.tasks.values().any(|queue| queue.under_way.as_ref().is_some_and(is) || queue.waiting.iter().any(is))
    }

    pub(crate) fn park(&mut self, after: WriteId, agent: AgentName, session: Session, message: ToAgent) {
        self.parked.push((after, agent, session, message));
    }
}

impl Simulation {
    pub(crate) fn write_task(
        &mut self,
        id: LeaderId,
        write: WriteId,
        task: &TaskId,
        record: TaskRecord,
        awaited: bool,
    ) {
        let writer = &mut self.leaders[id.0].writer;
        let expected = writer.known.get(task).map_or(0, |(version, _)| *version);
        let queue = writer.tasks.entry(task.clone()).or_default();
        queue.waiting.retain(|other| other.awaited);
        queue.waiting.push_back(StatusWrite { id: write, task: task.clone(), record, expected, awaited });
        self.next_write(id, task);
    }

    fn next_write(&mut self, id: LeaderId, task: &TaskId) {
        let Some(queue) = self.leaders[id.0].writer.tasks.get_mut(task) else { return };
        if queue.under_way.is_some() {
            return;
        }
        match queue.waiting.pop_front() {
            Some(write) => {
                queue.under_way = Some(write.clone());
                self.submit(id, write);
            }
            None => {
                self.leaders[id.0].writer.tasks.remove(task);
            }
        }
    }

    fn submit(&mut self, id: LeaderId, write: StatusWrite) {
        if self.is_rough() && self.random.in_thousand(self.faults.lost_requests) {
            let lost = Happening::WriteAnswered(id, write.task, Answer::Lost);
            self.agenda.at(self.now.after(Duration::from_secs(2)), lost);
            return;
        }
        let most = if self.is_rough() { self.faults.write_delay } else { Duration::from_millis(10) };
        self.soon(Happening::WriteArrives(id, Box::new(write)), Duration::from_micros(500), most);
    }

    /// The API server does what it is asked, whether or not the leader still lives.
    pub(crate) fn write_arrives(&mut self, id: LeaderId, write: &StatusWrite) {
        let (answer, before) = self.api.write_status(write);
        if matches!(answer, Answer::Stored(_)) {
            self.oracle.wrote(&write.task, before.as_ref(), &write.record);
        }
        if self.is_rough() && self.random.in_thousand(self.faults.lost_answers) {
            let lost = Happening::WriteAnswered(id, write.task.clone(), Answer::Lost);
            self.agenda.at(self.now.after(Duration::from_secs(2)), lost);
            return;
        }
        let answered = Happening::WriteAnswered(id, write.task.clone(), answer);
        self.soon(answered, Duration::from_micros(200), Duration::from_millis(10));
    }

    pub(crate) fn write_answered(&mut self, id: LeaderId, task: &TaskId, answer: Answer) {
        if !self.leaders[id.0].alive {
            return;
        }
        let under_way = self.leaders[id.0].writer.tasks.get_mut(task).and_then(|queue| queue.under_way.take());
        let Some(write) = under_way else { return };
        let newest = self.api.tasks.get(task).cloned();
        // What is not known is read live.
        let mine = |version: u64| {
            newest
                .as_ref()
                .is_some_and(|stored| stored.version == version && stored.object.record.as_ref() == Some(&write.record))
        };
        let answer = match (&newest, answer) {
            (None, _) => Answer::NotFound,
            (Some(_), Answer::Conflict | Answer::Lost) if mine(write.expected + 1) => {
                Answer::Stored(write.expected + 1)
            }
            (Some(stored), Answer::Lost) if stored.version == write.expected => {
                if let Some(queue) = self.leaders[id.0].writer.tasks.get_mut(task) {
                    queue.under_way = Some(write.clone());
                }
                self.submit(id, write);
                return;
            }
            (Some(_), Answer::Lost) => Answer::Conflict,
            (Some(_), other) => other,
        };
        let outcome = match answer {
            Answer::Stored(version) => {
                self.stored(id, &write, version);
                WriteOutcome::Done
            }
            Answer::NotFound => WriteOutcome::Gone,
            Answer::Conflict | Answer::Lost => {
                if let Some(stored) = newest {
                    self.leaders[id.0].writer.known(task, (stored.version, stored.revision));
                    self.leader_event(id, Event::TaskApplied(Box::new(stored.object)));
                }
                WriteOutcome::Conflict
            }
        };
        let parked = &mut self.leaders[id.0].writer.parked;
        let sent: Vec<_> = parked.extract_if(.., |(after, ..)| *after == write.id).collect();
        if outcome == WriteOutcome::Done {
            for (_, agent, session, message) in sent {
                self.send_to_agent(id, &agent, session, message);
            }
        }
        self.leader_event(id, Event::Written { write: write.id, outcome });
        self.next_write(id, task);
    }

    /// What was decided on what this write replaced holds for what it wrote as well.
    fn stored(&mut self, id: LeaderId, write: &StatusWrite, version: u64) {
        let writer = &mut self.leaders[id.0].writer;
        writer.known(&write.task, (version, 0));
        if let Some(queue) = writer.tasks.get_mut(&write.task) {
            for waiting in queue.waiting.iter_mut().filter(|waiting| waiting.expected == write.expected) {
                waiting.expected = version;
            }
        }
    }
}
