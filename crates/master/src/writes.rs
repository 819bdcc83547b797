//! Statuses of tasks go out to be written, and it is told what became of them.

use crate::effect::Effect;
use crate::event::WriteOutcome;
use crate::ids::{OfferId, TaskId, WriteId};
use crate::master::Master;
use crate::record::{NoticeAbout, TaskRecord};
use crate::state::{Over, Phase, Task, Write};

impl Master {
    /// Hands out a task's newest status to be written; nothing waits for it.
    pub(crate) fn write_note(&mut self, id: &TaskId) {
        if let Some(write) = self.write_task(id, false) {
            self.writes.insert(write, Write::Note(id.clone()));
            if let Some(task) = self.tasks.get_mut(id) {
                task.note = Some(write);
            }
        }
    }

    /// Hands out a task's newest status to be written first; `None` if it is not ours to write.
    pub(crate) fn write_awaited(&mut self, id: &TaskId, about: Write) -> Option<WriteId> {
        let write = self.write_task(id, true)?;
        self.writes.insert(write, about);
        Some(write)
    }

    /// Names a new write.
    pub(crate) fn new_write(&mut self) -> WriteId {
        self.last_write += 1;
        WriteId(self.last_write)
    }

    /// A write ended.
    pub(crate) fn written(&mut self, write: WriteId, outcome: WriteOutcome) {
        // Unknown: a newer write took its place, or its object is gone.
        let Some(about) = self.writes.remove(&write) else { return };
        match about {
            Write::Note(task) => self.note_written(&task, write, outcome),
            Write::Launch(task) => self.launch_written(&task, write, outcome),
            Write::LaunchOfStray(agent, task) => {
                if outcome != WriteOutcome::Done {
                    self.forget_stray(&agent, &task);
                }
            }
            Write::Ending(task) => self.ending_written(&task, write, outcome),
            Write::Reservation(name) => self.reservation_written(&name, write, outcome),
            Write::Offer(offer) => self.offer_written(&offer, outcome),
            Write::InverseOffer(offer) => self.inverse_offer_written(&offer, &outcome),
            Write::Creation(task) => {
                // It runs all the same.
                if let WriteOutcome::Refused(why) = outcome {
                    self.refused(&task, &why);
                }
            }
            Write::Framework(key) => self.framework_written(&key, write, outcome),
        }
    }

    fn write_task(&mut self, id: &TaskId, awaited: bool) -> Option<WriteId> {
        let task = self.tasks.get(id).filter(|task| !task.superseded && !task.refused)?;
        if let Some(replaced) = task.note {
            self.writes.remove(&replaced);
        }
        let write = self.new_write();
        let task = self.tasks.get_mut(id)?;
        task.note = None;
        task.unwritten = false;
        let record = Box::new(task.record.clone());
        self.push(Effect::WriteTask { write, task: id.clone(), record, awaited });
        Some(write)
    }

    fn note_written(&mut self, id: &TaskId, write: WriteId, outcome: WriteOutcome) {
        let Some(task) = self.tasks.get_mut(id).filter(|task| task.note == Some(write)) else { return };
        task.note = None;
        match outcome {
            // Gone: the deletion is told by itself.
            WriteOutcome::Done | WriteOutcome::Gone => {}
            WriteOutcome::Conflict => {
                if !self.yields_to_another_leader(id) {
                    self.write_note(id);
                }
            }
            WriteOutcome::Refused(why) => self.refused(id, &why),
        }
    }

    fn launch_written(&mut self, id: &TaskId, write: WriteId, outcome: WriteOutcome) {
        let Some(task) = self.tasks.get_mut(id) else { return };
        let Some(placed) = task.placed_mut().filter(|placed| placed.launch == Some(write)) else { return };
        placed.launch = None;
        if task.stream.is_some() {
            self.creation_written(id, &outcome);
            return;
        }
        match outcome {
            WriteOutcome::Done => {}
            WriteOutcome::Gone => {
                // Nothing was launched. The task stays known, without a place, until its deletion is told.
                self.vacate(id);
                self.clear_place(id);
                if let Some(task) = self.tasks.get_mut(id) {
                    task.gone = true;
                    task.deleting = true;
                }
            }
            WriteOutcome::Conflict => {
                self.vacate(id);
                self.clear_place(id);
                let yields = self.yields_to_another_leader(id);
                let foreign = self.tasks.get(id).and_then(|task| task.foreign.clone());
                match foreign {
                    // The leader before this one had the last word before this one could object.
                    Some(record) if !yields => self.take_up(id, *record),
                    _ => self.begin(id),
                }
            }
            WriteOutcome::Refused(why) => {
                self.refused(id, &why);
                self.could_not_be_recorded(id, &why);
            }
        }
    }

    /// The object of a task that was launched over a stream was created, or cannot be.
    fn creation_written(&mut self, id: &TaskId, outcome: &WriteOutcome) {
        let refused = match outcome {
            WriteOutcome::Done => None,
            WriteOutcome::Gone => Some("its namespace or its framework is gone"),
            WriteOutcome::Conflict => Some("there is another object of its name"),
            WriteOutcome::Refused(why) => Some(why.as_str()),
        };
        if let Some(group) = self.group_of(id) {
            self.member_written(&group, id, refused);
        } else if let Some(why) = refused {
            self.not_created(id, why);
        }
    }

    fn ending_written(&mut self, id: &TaskId, write: WriteId, outcome: WriteOutcome) {
        let Some(task) = self.tasks.get_mut(id) else { return };
        let Phase::Over(over) = &mut task.phase else { return };
        if over.write != Some(write) {
            return;
        }
        match outcome {
            WriteOutcome::Done => {
                over.write = None;
                over.acknowledge = None;
            }
            WriteOutcome::Conflict => {
                over.write = None;
                if self.yields_to_another_leader(id) {
                    return;
                }
                if !self.ended_before(id) {
                    self.write_ending(id);
                    return;
                }
            }
            WriteOutcome::Gone => self.nothing_left_to_write(id),
            WriteOutcome::Refused(why) => {
                self.refused(id, &why);
                self.nothing_left_to_write(id);
            }
        }
        self.release_if_deleting(id);
        self.adopt(id, false);
        let framework = self.tasks.get(id).map(|task| task.framework.clone());
        self.changed_frameworks.extend(framework);
    }

    /// The end of a task can not be recorded: its agent need not wait any longer.
    pub(crate) fn nothing_left_to_write(&mut self, id: &TaskId) {
        let Some(Phase::Over(over)) = self.tasks.get_mut(id).map(|task| &mut task.phase) else { return };
        let Over { acknowledge, .. } = std::mem::replace(over, Over { reported: over.reported, ..Over::default() });
        if let Some((agent, uuid)) = acknowledge {
            self.acknowledge(&agent, id, uuid, None);
        }
    }

    /// Whether a leader after this one has written the task, so that it is not ours to write any more.
    pub(crate) fn yields_to_another_leader(&mut self, id: &TaskId) -> bool {
        let epoch = self.epoch();
        let Some(task) = self.tasks.get_mut(id) else { return true };
        if !task.superseded && task.foreign.as_ref().is_some_and(|record| record.epoch > epoch) {
            task.superseded = true;
            if task.is_waiting() {
                self.stop_waiting(id);
            }
            return true;
        }
        task.superseded
    }

    /// Whether a leader before this one recorded the task's end first: that end counts.
    fn ended_before(&mut self, id: &TaskId) -> bool {
        let epoch = self.epoch();
        let Some(task) = self.tasks.get_mut(id) else { return false };
        let ended = |record: &TaskRecord| record.state.is_some_and(proffer_mesos_api::TaskState::is_terminal);
        let Some(record) = task.foreign.clone().filter(|record| ended(record)) else { return false };
        let turn = |task: &Task| (task.record.completed_at.unwrap_or(task.created), id.clone());
        let (before, framework) = (turn(task), task.framework.clone());
        task.record = TaskRecord { epoch, ..*record };
        let after = turn(task);
        let completed = &mut self.framework_mut(&framework).completed;
        completed.remove(&before);
        completed.insert(after);
        self.nothing_left_to_write(id);
        true
    }

    fn refused(&mut self, id: &TaskId, why: &str) {
        let Some(task) = self.tasks.get_mut(id) else { return };
        task.refused = true;
        let message = format!("its status cannot be written, so `kubectl get` shows an old one: {why}");
        self.warn(NoticeAbout::Task(id.clone()), "StatusRefused", message);
    }

    fn offer_written(&mut self, id: &OfferId, outcome: WriteOutcome) {
        match outcome {
            WriteOutcome::Done => self.offer_created(id),
            WriteOutcome::Gone => self.offer_not_created(id, "its namespace or its framework is gone"),
            WriteOutcome::Conflict => self.offer_not_created(id, "an Offer of this name exists already"),
            WriteOutcome::Refused(why) => self.offer_not_created(id, &why),
        }
    }
}
