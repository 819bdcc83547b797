//! Task objects come, change and go.

use crate::effect::Effect;
use crate::ending::Ending;
use crate::event::TaskObject;
use crate::ids::{ObjectKey, TaskId};
use crate::launch::Placement;
use crate::master::Master;
use crate::record::{PlacedOn, TaskRecord};
use crate::state::{KillCause, Over, Phase, Task};
use crate::timers::Timer;
use proffer_mesos_api::{Reason, TaskState};
use proffer_resources::Resources;
use std::time::Duration;

/// How long after a task began to wait or to run the writes come that can wait: they must not hold up its launch.
pub(crate) const SETTLE: Duration = Duration::from_secs(1);

impl Master {
    /// A Task object was created or changed, or is seen for the first time.
    pub(crate) fn task_applied(&mut self, object: TaskObject) {
        if self.tasks.contains_key(&object.id) {
            self.task_changed(object);
        } else {
            self.forget_namesakes(&object.id);
            self.task_added(object);
        }
    }

    /// A Task object is gone.
    pub(crate) fn task_deleted(&mut self, id: &TaskId) {
        let Some(task) = self.tasks.get(id) else { return };
        match task.phase.clone() {
            Phase::Waiting(_) => self.stop_waiting(id),
            Phase::Placed(placed) => self.turn_into_stray(id, &placed),
            Phase::Over(over) => {
                if let Some((agent, uuid)) = over.acknowledge {
                    self.acknowledge(&agent, id, uuid, None);
                }
                self.forget_pending(id);
            }
        }
        self.forget_task(id);
    }

    /// Does what could wait a second: owner reference, finalizer, and a state that is passed through quickly.
    pub(crate) fn settle(&mut self, id: &TaskId) {
        let Some(task) = self.tasks.get(id).filter(|task| !task.is_over()) else { return };
        if task.unwritten {
            self.write_note(id);
        }
        self.adopt(id, true);
    }

    /// Has [`Master::settle`] done in a second, if there is anything to do. Of a million tasks that were there before, there
    /// mostly is not.
    pub(crate) fn settle_later(&mut self, id: &TaskId) {
        let Some(task) = self.tasks.get(id) else { return };
        let framework = self.frameworks.get(&task.framework).and_then(|framework| framework.uid());
        if task.unwritten || framework.is_none_or(|uid| task.is_to_be_adopted(uid, true)) {
            self.timers.set_at_latest(Timer::Settle(id.clone()), self.now.after(SETTLE));
        }
    }

    /// Has the Task's object owned by its framework, and held by the finalizer while something of it may run.
    pub(crate) fn adopt(&mut self, id: &TaskId, finalizer: bool) {
        let Some(task) = self.tasks.get(id) else { return };
        let Some(uid) = self.frameworks.get(&task.framework).and_then(|framework| framework.uid()) else { return };
        if !task.is_to_be_adopted(uid, finalizer) {
            return;
        }
        let framework = (task.framework.name.clone(), uid.to_owned());
        self.push(Effect::AdoptTask { task: id.clone(), framework, finalizer });
        if let Some(task) = self.tasks.get_mut(id) {
            task.adoption_asked = true;
        }
    }

    /// Takes the finalizer off a task that is being deleted and of which nothing runs.
    pub(crate) fn release_if_deleting(&mut self, id: &TaskId) {
        if self.tasks.get(id).is_some_and(|task| task.deleting && task.finalizer && !task.superseded) {
            self.push(Effect::ReleaseTask(id.clone()));
        }
    }

    fn task_added(&mut self, object: TaskObject) {
        let id = object.id.clone();
        let framework = ObjectKey::new(id.key.namespace.clone(), object.framework.clone());
        let recorded = object.record.clone();
        self.tasks.insert(id.clone(), Task::new(object, self.epoch(), self.now));
        let task_id = self.tasks.get(&id).and_then(|task| Some(task.stream.as_ref()?.task_id.clone()));
        let known = self.framework_mut(&framework);
        known.tasks.insert(id.clone());
        known.stream.tasks.extend(task_id.map(|task_id| (task_id, id.clone())));
        self.enter_group(&id);
        self.changed_frameworks.insert(framework);
        let orphaned_on = self.orphans.get(&id).cloned();
        let streamed = self.tasks.get(&id).is_some_and(|task| task.stream.is_some());
        match recorded {
            // What this leader launched is known, and what it did not was not accepted by anybody.
            Some(record) if streamed && record.state == Some(TaskState::Staging) && record.epoch == self.epoch() => {
                let message = "its place was not chosen by its framework's scheduler".to_owned();
                self.end_task(&id, Ending::decided(TaskState::Error, Reason::TaskInvalid, message));
            }
            Some(record) => self.take_up(&id, record),
            None => self.begin(&id),
        }
        if let Some(agent) = orphaned_on {
            self.recognize_orphan(&id, &agent);
        }
        self.wake_parked_replies(&id.key);
    }

    /// Goes on from what a leader recorded.
    pub(crate) fn take_up(&mut self, id: &TaskId, record: TaskRecord) {
        let epoch = self.epoch();
        let Some(task) = self.tasks.get_mut(id) else { return };
        task.superseded = record.epoch > epoch;
        let place = record.agent.clone();
        let state = record.state;
        task.record = TaskRecord { epoch, ..record };
        match (state, place) {
            (Some(state), _) if state.is_terminal() => {
                task.phase = Phase::Over(Over::default());
                let turn = (task.record.completed_at.unwrap_or(task.created), id.clone());
                let framework = task.framework.clone();
                self.framework_mut(&framework).completed.insert(turn);
                self.adopt(id, false);
                self.release_if_deleting(id);
            }
            (Some(state), Some(place)) => self.take_up_placed(id, state, &place),
            (Some(_), None) => {
                // No leader writes that; somebody edited it.
                self.clear_place(id);
                self.begin(id);
            }
            (None, _) => self.begin(id),
        }
    }

    /// Begins with a task that has no agent.
    pub(crate) fn begin(&mut self, id: &TaskId) {
        let Some(task) = self.tasks.get(id) else { return };
        if task.superseded {
            return;
        }
        if task.deleting {
            self.release_if_deleting(id);
            return;
        }
        if task.stream.is_some() {
            // Only its framework's scheduler could find it another agent, and takes it for launched.
            let message = "lost its agent before it was launched".to_owned();
            self.end_task(id, Ending::decided(TaskState::Dropped, Reason::AgentDisconnected, message));
            return;
        }
        match &task.request {
            Err(problem) => {
                let message = problem.clone();
                self.end_task(id, Ending::decided(TaskState::Error, Reason::TaskInvalid, message));
            }
            Ok(_) => self.start_waiting(id),
        }
    }

    fn take_up_placed(&mut self, id: &TaskId, state: TaskState, place: &PlacedOn) {
        let Some(task) = self.tasks.get(id) else { return };
        let asked = task.demand().map(|demand| demand.resources).unwrap_or_default();
        let ports = task.record.ports.clone();
        let recorded = task.record.held.clone();
        let held = recorded.unwrap_or_else(|| (&Resources { ports, ..asked }).into());
        // Unreachable says nothing about how far it had come; that it ran leaves a time.
        let confirmed = match state {
            TaskState::Staging => false,
            TaskState::Unreachable => task.record.running_at.is_some(),
            _ => true,
        };
        let deleting = task.deleting;
        self.expect_agent(&place.agent);
        let (agent, role) = (place.agent.clone(), self.task_role(id));
        self.occupy(id, Placement { agent, role, held, offer: None, confirmed, launch: None });
        self.more_is_held(&place.agent);
        self.look_for_late_placement(id, place, confirmed);
        if deleting {
            self.kill(id, KillCause::Deleted);
        } else if state == TaskState::Killing {
            // The leader before this one had asked it to end; without a deletion, for its agent or its framework.
            let for_agent = self.tasks.get(id).is_some_and(|task| task.record.reason == Some(Reason::AgentDraining));
            self.kill(id, if for_agent { KillCause::Draining } else { KillCause::FrameworkRemoved });
        }
        self.settle_later(id);
    }

    /// A placement was learned after its agent had registered and said nothing of the task.
    fn look_for_late_placement(&mut self, id: &TaskId, place: &PlacedOn, confirmed: bool) {
        let agent = &place.agent;
        let Some(known) = self.agents.get(agent) else { return };
        let Some(session) = known.session() else { return };
        if self.orphans.get(id) == Some(agent) {
            // It did say so: what it said is about to be entered.
            return;
        }
        if confirmed && known.id.as_ref() == Some(&place.agent_id) {
            // It may have gone to the leader that placed this, and its connection here is dead. It is to tell anew.
            self.disconnect(agent, session, format!("task {} has to be looked for on agent {agent}", id.key));
            self.connection_lost(agent);
        } else {
            self.missing_on_agent(agent, id);
        }
    }

    fn task_changed(&mut self, object: TaskObject) {
        let (id, epoch) = (object.id, self.epoch());
        let Some(task) = self.tasks.get_mut(&id) else { return };
        let framework = ObjectKey::new(id.key.namespace.clone(), object.framework);
        let foreign = object.record.filter(|record| record.epoch != epoch).map(Box::new);
        let late = foreign.clone().filter(|record| record.epoch < epoch && task.foreign.as_ref() != Some(record));
        task.foreign = foreign;
        let now_deleting = object.deleting && !task.deleting;
        task.deleting = object.deleting || task.gone;
        task.finalizer = object.finalizer;
        task.owner = object.owner;
        let respecified = task.framework != framework
            || task.generation != object.generation
            || task.request.is_err() != object.request.is_err();
        if late.is_some_and(|record| self.heed_late_word(&id, *record)) {
            return;
        }
        if self.yields_to_another_leader(&id) {
            return;
        }
        let Some(task) = self.tasks.get(&id) else { return };
        match &task.phase {
            Phase::Waiting(_) => {
                if now_deleting || respecified {
                    self.stop_waiting(&id);
                    self.respecify(&id, framework, object.generation, object.request);
                    self.begin(&id);
                } else if object.deleting {
                    self.release_if_deleting(&id);
                }
            }
            Phase::Placed(placed) => {
                if object.deleting && placed.kill.is_none() {
                    self.kill(&id, KillCause::Deleted);
                }
            }
            Phase::Over(over) => {
                if over.write.is_none() {
                    self.release_if_deleting(&id);
                }
            }
        }
    }

    /// A leader before this one wrote a status after this one had listed the objects. What it placed may have been
    /// launched, and what it saw to its end was acknowledged and is forgotten by its agent. `true` if the task goes on
    /// from there.
    fn heed_late_word(&mut self, id: &TaskId, record: TaskRecord) -> bool {
        let Some(task) = self.tasks.get(id) else { return false };
        match &task.phase {
            Phase::Waiting(_) => {
                self.stop_waiting(id);
                self.take_up(id, record);
                true
            }
            // Its write conflicts: it is decided then.
            Phase::Placed(placed) if placed.launch.is_some() => false,
            Phase::Placed(placed) => {
                let agent = placed.agent.clone();
                let ended = record.state.is_some_and(TaskState::is_terminal);
                if !ended && self.agents.get(&agent).and_then(crate::state::Agent::session).is_some() {
                    // What the agent said here is at least as new; but an end counts whoever recorded it, since the
                    // agent may have gone from here to that leader and have been acknowledged there.
                    self.write_note(id);
                    false
                } else {
                    self.vacate(id);
                    self.take_up(id, record);
                    true
                }
            }
            Phase::Over(_) => false,
        }
    }

    fn respecify(
        &mut self,
        id: &TaskId,
        framework: ObjectKey,
        generation: i64,
        request: Result<crate::event::TaskRequest, String>,
    ) {
        let Some(task) = self.tasks.get_mut(id) else { return };
        let before = std::mem::replace(&mut task.framework, framework.clone());
        task.generation = generation;
        task.record.generation = generation;
        task.request = request;
        task.refused = false;
        if let Some(old) = self.frameworks.get_mut(&before) {
            old.tasks.remove(id);
        }
        self.framework_mut(&framework).tasks.insert(id.clone());
        self.changed_frameworks.extend([before, framework]);
    }

    /// A new object of a name means that the earlier ones are gone, whether or not that was told.
    fn forget_namesakes(&mut self, id: &TaskId) {
        let first = TaskId { key: id.key.clone(), uid: String::new() };
        let namesakes: Vec<TaskId> = self
            .tasks
            .range(first..)
            .map(|(other, _)| other)
            .take_while(|other| other.key == id.key)
            .cloned()
            .collect();
        for namesake in namesakes {
            self.task_deleted(&namesake);
        }
    }

    fn forget_task(&mut self, id: &TaskId) {
        let Some(task) = self.tasks.remove(id) else { return };
        self.leave_group(id, &task);
        self.timers.clear(&Timer::Settle(id.clone()));
        if let Some(note) = task.note {
            self.writes.remove(&note);
        }
        if let Phase::Over(Over { write: Some(write), .. }) = task.phase {
            self.writes.remove(&write);
        }
        if let Some(framework) = self.frameworks.get_mut(&task.framework) {
            framework.tasks.remove(id);
            if let Some(stream) = &task.stream
                && framework.stream.tasks.get(&stream.task_id) == Some(id)
            {
                framework.stream.tasks.remove(&stream.task_id);
            }
            framework.completed.remove(&(task.record.completed_at.unwrap_or(task.created), id.clone()));
        }
        self.changed_frameworks.insert(task.framework);
    }
}
