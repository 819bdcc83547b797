//! The state from its records, and what became of the tasks meanwhile.

use crate::agent::{Agent, Config};
use crate::effect::{Action, Effect};
use crate::event::{Exit, Found, Now, Outcome};
use crate::exit::describe;
use crate::launch::{ended, running};
use crate::message::{LaunchTimes, Status};
use crate::planted::Planted;
use crate::record::Record;
use crate::task::{Killing, Phase, Process, Retained, Task};
use proffer_mesos_api::{Reason, TaskState};
use std::collections::VecDeque;
use std::time::Duration;

impl Agent {
    /// The agent whose records these are. Every task that had not ended is [`Self::unresolved`] now.
    #[must_use]
    pub fn recover(config: Config, records: impl IntoIterator<Item = Record>) -> Self {
        let mut agent = Self::new(config);
        for record in records {
            agent.replay(record);
        }
        agent
    }

    /// Has the shell look for the slot that the last agent process knew.
    pub fn resume(&mut self) -> Vec<Effect> {
        if self.slot.pod_uid.is_empty() {
            return Vec::new();
        }
        let (pod_uid, pod_ip) = (self.slot.pod_uid.clone(), self.slot.pod_ip.clone());
        self.set_slot(pod_uid, pod_ip);
        self.take_effects()
    }

    /// Tasks of which the shell must find out what became ([`crate::Event::Found`]) before it connects: UID, process
    /// if it had one, and whether the node has rebooted since.
    #[must_use]
    pub fn unresolved(&self) -> Vec<(String, Option<Process>, bool)> {
        let unresolved = self.tasks.iter().filter_map(|(uid, task)| match task.phase {
            Phase::Unresolved(process) => Some((uid.clone(), process, task.boot_id != self.config.boot_id)),
            _ => None,
        });
        unresolved.collect()
    }

    pub(crate) fn replay(&mut self, record: Record) {
        match record {
            Record::AgentId { agent_id } => self.agent_id = agent_id,
            Record::Epoch { .. } if self.has(Planted::ForgetsEpoch) => {}
            Record::Epoch { epoch } => self.epoch = self.epoch.max(epoch),
            Record::Slot { pod_uid, pod_ip } => {
                self.slot.pod_uid = pod_uid;
                self.slot.pod_ip = pod_ip;
            }
            Record::Launched { order, sandbox, boot_id, running_uuid } => {
                let task = Task {
                    order: *order,
                    sandbox,
                    boot_id,
                    phase: Phase::Unresolved(None),
                    killing: None,
                    kill_because: None,
                    running_uuid,
                    pending: VecDeque::new(),
                    latest: None,
                    retry: None,
                };
                self.tasks.insert(task.order.task.uid.clone(), task);
            }
            Record::Together { records } => {
                for record in records {
                    self.replay(record);
                }
            }
            Record::Spawned { uid, process, at_micros, times } => {
                self.now_running(&uid, process, at_micros, times);
                self.with(&uid, |task| task.phase = Phase::Unresolved(Some(process)));
            }
            Record::Kill { uid, grace_millis, because } => self.with(&uid, |task| {
                task.kill_because = because;
                task.killing = Some(Killing { grace: Duration::from_millis(grace_millis), next: None });
            }),
            Record::Ended { uid, update } => self.with(&uid, |task| {
                task.phase = Phase::Ended;
                task.killing = None;
                task.order.command = crate::message::Command::default();
                task.latest = Some(update.status.clone());
                task.pending.push_back(*update);
            }),
            Record::Acknowledged { uid, uuid } => self.replay_acknowledged(&uid, uuid),
            Record::Retained { last } => {
                self.retained.insert(last.task.uid.clone(), Retained { last: *last, not_before: Duration::ZERO });
            }
            Record::Collected { uid } => {
                self.retained.remove(&uid);
            }
        }
    }

    fn replay_acknowledged(&mut self, uid: &str, uuid: crate::message::Uuid) {
        let Some(task) = self.tasks.get_mut(uid) else {
            return;
        };
        let Some(position) = task.pending.iter().position(|update| update.uuid == Some(uuid)) else {
            return;
        };
        let last = task.pending.drain(..=position).next_back();
        if let (Some(last), true, Phase::Ended) = (last, task.pending.is_empty(), &task.phase) {
            self.retain(uid, last);
        }
    }

    fn with(&mut self, uid: &str, change: impl FnOnce(&mut Task)) {
        if let Some(task) = self.tasks.get_mut(uid) {
            change(task);
        }
    }

    /// The shortest list of records with this state: for a new journal.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        let mut records = vec![
            Record::AgentId { agent_id: self.agent_id.clone() },
            Record::Epoch { epoch: self.epoch },
            Record::Slot { pod_uid: self.slot.pod_uid.clone(), pod_ip: self.slot.pod_ip.clone() },
        ];
        for retained in self.retained.values() {
            records.push(Record::Retained { last: Box::new(retained.last.clone()) });
        }
        for (uid, task) in &self.tasks {
            records.push(task.launched());
            let latest = task.latest.as_ref().or(task.pending.front().map(|update| &update.status));
            if let Phase::Running(process) | Phase::Unresolved(Some(process)) = task.phase {
                let (at_micros, times) = latest.map_or((0, LaunchTimes::default()), |s| (s.at_micros, s.launch_times));
                records.push(Record::Spawned { uid: uid.clone(), process, at_micros, times });
                if task.pending.is_empty() {
                    records.push(Record::Acknowledged { uid: uid.clone(), uuid: task.running_uuid });
                }
            }
            if let Some(killing) = task.killing {
                let grace_millis = u64::try_from(killing.grace.as_millis()).unwrap_or(u64::MAX);
                records.push(Record::Kill { uid: uid.clone(), grace_millis, because: task.kill_because.clone() });
            }
            if task.phase == Phase::Ended {
                // A TASK_RUNNING that was never acknowledged comes before it.
                for update in &task.pending {
                    match update.status.pid {
                        Some(pid) => records.push(Record::Spawned {
                            uid: uid.clone(),
                            process: Process { pid, start_ticks: 0 },
                            at_micros: update.status.at_micros,
                            times: update.status.launch_times,
                        }),
                        None => records.push(Record::Ended { uid: uid.clone(), update: Box::new(update.clone()) }),
                    }
                }
            }
        }
        records
    }

    /// A restarted agent has found out what became of a task.
    pub(crate) fn found(&mut self, now: Now, uid: &str, found: Found) {
        let as_new = self.has(Planted::RestartsAsNew);
        let Some(task) = self.tasks.get_mut(uid) else {
            return;
        };
        let Phase::Unresolved(known) = task.phase else {
            return;
        };
        let killed = task.killing.is_some();
        let found = match found {
            Found::Running { .. } if as_new => Found::NeverStarted,
            found => found,
        };
        match found {
            Found::Running { process } => {
                if known.is_none() {
                    // The last agent process died between the spawn and its record.
                    let (at_micros, times) = (now.wall_micros, LaunchTimes::default());
                    self.checkpoint(Record::Spawned { uid: uid.to_owned(), process, at_micros, times }, false);
                    self.now_running(uid, process, at_micros, times);
                } else {
                    task.phase = Phase::Running(process);
                    let times = task.latest.as_ref().map(|status| (status.at_micros, status.launch_times));
                    let (at_micros, times) = times.unwrap_or((now.wall_micros, LaunchTimes::default()));
                    task.latest = Some(running(process, at_micros, times));
                }
                self.act(None, Action::Adopt { uid: uid.to_owned(), process });
                self.continue_kill(now, uid);
            }
            Found::Ended(exit) => {
                let status = describe(now, &task.order, killed, &exit);
                self.finish(now, uid, status);
            }
            Found::NeverStarted if killed => {
                let message = "killed during launch".to_owned();
                let reason = Some(Reason::TaskKilledDuringLaunch);
                self.finish(now, uid, Status { reason, message, ..ended(now, TaskState::Killed) });
            }
            Found::NeverStarted => {
                task.phase = Phase::Starting;
                let spawn = task.spawn();
                self.act(None, spawn);
            }
            Found::Rebooted if killed => {
                let message = "the node rebooted while the task was being killed".to_owned();
                self.finish(now, uid, Status { message, ..ended(now, TaskState::Killed) });
            }
            Found::Rebooted => {
                let message = "the node rebooted, which ended the task".to_owned();
                let reason = Some(Reason::AgentRestarted);
                self.finish(now, uid, Status { reason, message, ..ended(now, TaskState::Gone) });
            }
        }
    }
}

impl Exit {
    /// The end of an init that left no record.
    #[must_use]
    pub fn without_record(hint: impl Into<String>) -> Self {
        Self { outcome: Outcome::Unknown { hint: hint.into() }, out_of_memory: None, at_micros: None }
    }
}
