//! What agents say about tasks.

use crate::effect::ToAgent;
use crate::ending::Ending;
use crate::event::StatusUpdate;
use crate::groups::KILLED_BEFORE_DELIVERY;
use crate::ids::{AgentName, Session, TaskId, WriteId};
use crate::launch::Placement;
use crate::master::Master;
use crate::planted::Planted;
use crate::state::{KillCause, Phase};
use proffer_mesos_api::{Reason, TaskState};
use proffer_resources::ResourceBag;

/// Where an update is to be entered.
enum Addressee {
    /// A task that is where it should be.
    Here,
    /// A task that is over.
    Over { write: Option<WriteId>, reported: bool },
    /// A task that no leader is known to have placed, and that may run.
    Unplaced,
    /// Nothing that should run on this agent.
    Nobody,
    /// A task that a leader after this one looks after.
    Superseded,
}

impl Master {
    /// A task changed its state.
    pub(crate) fn status_update(&mut self, agent: &AgentName, session: Session, update: StatusUpdate) {
        if self.is_current(agent, session) {
            self.heard_from(agent, session);
            self.take_update(agent, update, None);
        }
    }

    /// Enters an update of a connected agent; `held` is what the agent says the task holds.
    pub(crate) fn take_update(&mut self, agent: &AgentName, update: StatusUpdate, held: Option<ResourceBag>) {
        let update = self.as_emptied(agent, update);
        let id = update.task.clone();
        let addressee = self.addressee(agent, &id);
        if matches!(addressee, Addressee::Unplaced) && self.tasks.get(&id).is_some_and(|task| !task.is_waiting()) {
            self.vacate(&id);
            self.clear_place(&id);
        }
        match addressee {
            Addressee::Superseded => {}
            Addressee::Here | Addressee::Unplaced if update.state.is_terminal() => {
                self.task_reported_over(agent, update);
            }
            Addressee::Here => self.progress(agent, update, held),
            Addressee::Over { write, reported } => {
                if self.is_of_stream(&id) && update.state.is_terminal() {
                    self.forward(agent, &update);
                } else if let Some(uuid) = update.uuid.clone() {
                    // A status that is not durable yet may be the very one that this acknowledges.
                    let after = if update.state.is_terminal() { write } else { None };
                    self.remember_acknowledgement(agent, &id, &uuid, &update);
                    self.acknowledge(agent, &id, uuid, after);
                }
                if !update.state.is_terminal() && !reported {
                    self.meet_stray(agent, &update, held);
                } else if update.state.is_terminal() {
                    self.forget_stray(agent, &id);
                }
            }
            Addressee::Unplaced => {
                self.adopt_placement(agent, &update, held.clone());
                self.progress(agent, update, held);
            }
            Addressee::Nobody if !self.tasks.contains_key(&id) => self.meet_orphan(agent, update, held),
            Addressee::Nobody => {
                if let Some(uuid) = update.uuid.clone() {
                    self.acknowledge(agent, &id, uuid, None);
                }
                if update.state.is_terminal() {
                    self.forget_stray(agent, &id);
                } else {
                    self.meet_stray(agent, &update, held);
                }
            }
        }
    }

    /// Tells an agent that a status is durable, or needs not be.
    pub(crate) fn acknowledge(&mut self, agent: &AgentName, task: &TaskId, uuid: Vec<u8>, after: Option<WriteId>) {
        let framework = self.framework_name(agent, task);
        let epoch = self.epoch();
        self.send(agent, ToAgent::Acknowledge { epoch, task: task.clone(), framework, uuid }, after);
    }

    fn addressee(&self, agent: &AgentName, id: &TaskId) -> Addressee {
        let Some(task) = self.tasks.get(id) else { return Addressee::Nobody };
        if task.superseded {
            return Addressee::Superseded;
        }
        match &task.phase {
            Phase::Placed(placed) if placed.agent == *agent => Addressee::Here,
            // What is being written cannot get through: a leader before this one placed the task and had that
            // recorded before it launched it. Its launch elsewhere goes with that write.
            Phase::Placed(placed) if placed.launch.is_some() => Addressee::Unplaced,
            Phase::Placed(_) => Addressee::Nobody,
            Phase::Over(over) => Addressee::Over { write: over.write, reported: over.reported },
            Phase::Waiting(_) if self.has(Planted::ForgetsForeignPlacement) => Addressee::Nobody,
            Phase::Waiting(_) => Addressee::Unplaced,
        }
    }

    /// A task that waits here is told by an agent: the write that placed it got through unseen. It is where it is.
    fn adopt_placement(&mut self, agent: &AgentName, update: &StatusUpdate, held: Option<ResourceBag>) {
        let id = &update.task;
        self.stop_waiting(id);
        let now = self.now;
        let place = self.place_on(agent);
        let Some(task) = self.tasks.get_mut(id) else { return };
        let held = held.or_else(|| task.demand().map(|demand| (&demand.resources).into())).unwrap_or_default();
        task.record.state = Some(TaskState::Staging);
        task.record.agent = Some(place);
        task.record.staging_at.get_or_insert(now);
        let deleting = task.deleting;
        let role = self.task_role(id);
        self.occupy(id, Placement { agent: agent.clone(), role, held, offer: None, confirmed: true, launch: None });
        self.write_note(id);
        if deleting {
            self.kill(id, KillCause::Deleted);
        }
        // What it holds may be offered.
        self.agent_changed(agent);
    }

    /// A task is over, says its agent.
    fn task_reported_over(&mut self, agent: &AgentName, mut update: StatusUpdate) {
        let Some(task) = self.tasks.get(&update.task) else { return };
        if task.record.agent.is_none() {
            let place = self.place_on(agent);
            if let Some(task) = self.tasks.get_mut(&update.task) {
                task.record.agent = Some(place);
            }
        } else if let Some(placed) = task.placed()
            && placed.kill.is_some()
            && !placed.confirmed
            && update.state == TaskState::Dropped
        {
            // The kill came before the launch did.
            update.state = TaskState::Killed;
            update.reason = Some(Reason::TaskKilledDuringLaunch);
            if self.member(&update.task).is_some() {
                KILLED_BEFORE_DELIVERY.clone_into(&mut update.message);
            }
        }
        let id = update.task.clone();
        self.end_task(&id, Ending::reported(agent, update.clone()));
        if update.uuid.is_some() {
            self.forward(agent, &update);
        } else {
            // The agent answers of what it does not know; there is nothing to acknowledge.
            self.tell_decided(&id);
        }
    }

    /// A task goes on, says its agent.
    fn progress(&mut self, agent: &AgentName, update: StatusUpdate, held: Option<ResourceBag>) {
        let id = update.task.clone();
        let streamed = self.is_of_stream(&id);
        if let Some(uuid) = update.uuid.clone().filter(|_| !streamed) {
            // At once: should it be lost here, the agent tells its newest state when it registers again, and a
            // terminal one must not have to wait for this one's write.
            self.acknowledge(agent, &id, uuid, None);
        }
        if let Some(known) = self.agents.get_mut(agent) {
            known.to_launch.remove(&id);
        }
        self.hold_as_told(agent, &id, held);
        if streamed {
            self.forward(agent, &update);
        }
        let Some(task) = self.tasks.get_mut(&id) else { return };
        let Some(placed) = task.placed_mut() else { return };
        placed.confirmed = true;
        let killing = placed.kill.is_some();
        let before = task.record.clone();
        let record = &mut task.record;
        if update.state == TaskState::Running {
            record.running_at.get_or_insert(update.at);
        }
        if !update.sandbox.is_empty() {
            record.sandbox = Some(update.sandbox);
        }
        if killing {
            record.state = Some(TaskState::Killing);
        } else if rank(update.state) > rank(record.state.unwrap_or(TaskState::Staging)) {
            let was_unreachable = record.state == Some(TaskState::Unreachable);
            record.state = Some(update.state);
            record.reason = if was_unreachable { Some(Reason::AgentReregistered) } else { update.reason };
            record.message = update.message;
        }
        let settled = task.record.state == before.state;
        if task.record != before {
            task.unwritten = true;
        }
        let worth_a_write = !settled && task.record.state != Some(TaskState::Starting);
        if worth_a_write {
            self.write_note(&id);
        }
        if streamed && before.state == Some(TaskState::Unreachable) {
            self.reachable_again(&id);
        }
        self.settle_later(&id);
    }

    /// Counts for a task what its agent says that it holds.
    fn hold_as_told(&mut self, agent: &AgentName, id: &TaskId, held: Option<ResourceBag>) {
        let Some(task) = self.tasks.get_mut(id) else { return };
        let framework = task.framework.clone();
        let Some(placed) = task.placed_mut() else { return };
        // How it is reserved is recorded here.
        let recorded = placed.held.to_resources();
        let Some(held) = held.filter(|held| held.to_resources() != recorded) else { return };
        let before = std::mem::replace(&mut placed.held, held.clone());
        let role = placed.role.clone();
        self.allocator.release(agent, &framework, &role, &before);
        self.allocator.allocate(agent, &framework, &role, &held);
        self.changed_agents.insert(agent.clone());
        self.changed_frameworks.insert(framework);
    }

    /// The acknowledgement of a task's end goes to where its terminal update came from last.
    fn remember_acknowledgement(&mut self, agent: &AgentName, id: &TaskId, uuid: &[u8], update: &StatusUpdate) {
        if let Some(Phase::Over(over)) = self.tasks.get_mut(id).map(|task| &mut task.phase)
            && over.write.is_some()
            && update.state.is_terminal()
        {
            over.acknowledge = Some((agent.clone(), uuid.to_vec()));
        }
    }
}

/// How far a state is: later ones replace earlier ones, never the other way round.
fn rank(state: TaskState) -> u8 {
    match state {
        TaskState::Staging => 1,
        TaskState::Starting => 2,
        TaskState::Running => 3,
        TaskState::Killing => 4,
        // What an agent does not say of a task that goes on; and unreachable, which anything it says replaces.
        _ => 0,
    }
}
