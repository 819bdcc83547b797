//! An agent connects: it gets the epoch, and what it has is compared with what is recorded.

use crate::effect::{Effect, ToAgent};
use crate::ending::Ending;
use crate::event::{AgentRegistration, TaskSnapshot};
use crate::ids::{AgentName, Epoch, Session, TaskId};
use crate::master::Master;
use crate::planted::Planted;
use crate::record::PlacedOn;
use crate::state::{Agent, Liveness};
use crate::timers::Timer;
use proffer_mesos_api::{Reason, TaskState};
use std::collections::BTreeSet;

impl Master {
    /// An agent connected and told what it has.
    pub(crate) fn agent_registered(&mut self, registration: AgentRegistration) {
        let AgentRegistration {
            agent,
            session,
            agent_id,
            new_agent_id,
            version,
            epoch,
            capacity,
            tasks,
            attached_slot,
        } = registration;
        let ours = self.epoch();
        if epoch > ours && !self.has(Planted::TakesAgentsOfLaterEpochs) {
            self.outrun(&agent, session, epoch);
            return;
        }
        self.expect_agent(&agent);
        if self.is_current(&agent, session) {
            return;
        }
        if self.agents.get(&agent).is_some_and(|known| known.newest_session >= Some(session)) {
            let why = format!("agent {agent} has had a newer connection");
            self.disconnect(&agent, session, why);
            return;
        }
        if let Some(current) = self.agents.get(&agent).and_then(Agent::session) {
            self.disconnect(&agent, current, format!("agent {agent} opened a newer connection"));
        }
        let agent_id = agent_id.unwrap_or(new_agent_id);
        if self.agents.get(&agent).is_some_and(|known| known.orders.gone) {
            self.disconnect(&agent, session, crate::drain::refusal(&agent));
            return;
        }
        let hasty = self.has(Planted::OffersBeforeConfirmation);
        let Some(known) = self.agents.get_mut(&agent) else { return };
        known.newest_session = Some(session);
        known.version = version;
        known.capacity = capacity;
        known.liveness = Liveness::Connected { session, ping: 0, silent: false, missed: 0 };
        known.epoch_confirmed = epoch == ours || hasty;
        known.attached = attached_slot;
        known.attach_problem = None;
        known.to_launch.clear();
        self.no_longer_missing(&agent);
        self.set_agent_id(&agent, agent_id.clone());
        self.timers.clear(&Timer::AgentLost(agent.clone()));
        self.timers.clear(&Timer::AgentLate(agent.clone()));
        self.timers.set(Timer::Ping(agent.clone()), self.now.after(self.config.agent_ping_timeout));
        self.send(&agent, ToAgent::Registered { agent_id, epoch: ours }, None);
        self.send_slot(&agent);
        self.reconcile(&agent, tasks);
        self.agent_changed(&agent);
    }

    /// An agent has an epoch on its disk.
    pub(crate) fn epoch_confirmed(&mut self, agent: &AgentName, session: Session, epoch: Epoch) {
        if !self.is_current(agent, session) {
            return;
        }
        self.heard_from(agent, session);
        let ours = self.epoch();
        if epoch > ours {
            self.outrun(agent, session, epoch);
            self.connection_lost(agent);
        } else if epoch == ours {
            if let Some(known) = self.agents.get_mut(agent) {
                known.epoch_confirmed = true;
            }
            self.agent_changed(agent);
        }
    }

    /// An agent obeys the leader of a later epoch: there is nothing to tell it from here.
    fn outrun(&mut self, agent: &AgentName, session: Session, epoch: Epoch) {
        let ours = self.epoch().0;
        let why = format!("agent {agent} obeys the leader of epoch {}; this one's epoch is {ours}", epoch.0);
        self.disconnect(agent, session, why);
        // It is there, whomever it obeys: a leader that has not noticed yet that it is none may not say otherwise.
        self.timers.put_off(Timer::AgentLost(agent.clone()), self.now.after(self.config.unreachable_after()));
        self.push(Effect::Outrun { agent: agent.clone(), epoch });
    }

    /// Where a task is that is placed on `agent` now.
    pub(crate) fn place_on(&self, agent: &AgentName) -> PlacedOn {
        let known = self.agents.get(agent);
        PlacedOn {
            agent: agent.clone(),
            agent_id: known.and_then(|known| known.id.clone()).unwrap_or_default(),
            address: known.and_then(|known| known.slot.as_ref()?.address.clone()),
        }
    }

    /// Compares what an agent has with what should be there.
    fn reconcile(&mut self, agent: &AgentName, snapshots: Vec<TaskSnapshot>) {
        self.forget_strays(agent);
        let told: BTreeSet<TaskId> = snapshots.iter().map(|snapshot| snapshot.update.task.clone()).collect();
        for snapshot in snapshots {
            self.take_update(agent, snapshot.update, Some(snapshot.resources));
        }
        let expected = self.agents.get(agent).map(|known| known.tasks.clone()).unwrap_or_default();
        for id in &expected {
            if told.contains(id) && self.has(Planted::ForgetsLostKill) {
                continue;
            }
            if told.contains(id) {
                // The kill may have been lost with the connection before.
                self.show_killing(id);
                self.send_kill(id);
            } else {
                self.missing_on_agent(agent, id);
            }
        }
    }

    /// A task is recorded on a connected agent that has no trace of it.
    pub(crate) fn missing_on_agent(&mut self, agent: &AgentName, id: &TaskId) {
        let Some(task) = self.tasks.get(id) else { return };
        let Some(placed) = task.placed() else { return };
        let (confirmed, killed) = (placed.confirmed, placed.kill.is_some() || task.deleting);
        let recorded = task.record.agent.as_ref().map(|place| place.agent_id.clone());
        let same_agent = self.agents.get(agent).is_some_and(|known| known.id == recorded);
        if !same_agent || confirmed {
            let message = if same_agent {
                format!("ran on agent {agent}, which has no trace of it now")
            } else {
                format!("was on agent {agent}, which lost its records since (it has a new agent ID)")
            };
            self.end_task(id, Ending::decided(TaskState::Gone, Reason::AgentRestarted, message));
        } else if killed {
            let message = "was asked to end before it was launched".to_owned();
            self.end_task(id, Ending::decided(TaskState::Killed, Reason::TaskKilledDuringLaunch, message));
        } else {
            // Its launch got lost on the way. The agent launches a UID once at most, so it may be sent again.
            if let Some(task) = self.tasks.get_mut(id).filter(|task| task.record.state != Some(TaskState::Staging)) {
                task.record.state = Some(TaskState::Staging);
                task.record.reason = Some(Reason::AgentReregistered);
                task.record.message = format!("is being launched on agent {agent}");
                self.write_note(id);
            }
            if !self.has(Planted::ForgetsLostLaunch) {
                self.send_launch(id);
            }
        }
    }
}
