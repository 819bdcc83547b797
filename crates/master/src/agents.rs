//! Agent objects and slots; what makes an agent usable.

use crate::effect::ToAgent;
use crate::ending::Ending;
use crate::event::Slot;
use crate::ids::{AgentName, OfferId, Session, TaskId};
use crate::master::Master;
use crate::operator_objects::AgentOrders;
use crate::record::Readiness;
use crate::state::{Agent, AgentObject, Liveness};
use crate::timers::Timer;
use proffer_allocator::{AgentBooks, AgentMode};
use proffer_mesos_api::{Reason, TaskState};
use std::collections::BTreeMap;

impl Master {
    /// An Agent object is there, or was changed.
    pub(crate) fn agent_applied(
        &mut self,
        agent: &AgentName,
        attributes: BTreeMap<String, String>,
        (orders, was_drained): (AgentOrders, bool),
        agent_id: Option<String>,
    ) {
        self.expect_agent(agent);
        self.orders_changed(agent, orders, was_drained);
        let Some(known) = self.agents.get_mut(agent) else { return };
        known.object = AgentObject::Exists;
        known.attributes = attributes;
        if let Some(agent_id) = agent_id.filter(|_| known.id.is_none()) {
            self.set_agent_id(agent, agent_id);
        }
        self.agent_changed(agent);
    }

    /// Remembers the ID of an agent.
    pub(crate) fn set_agent_id(&mut self, agent: &AgentName, agent_id: String) {
        self.forget_agent_id(agent);
        if let Some(known) = self.agents.get_mut(agent) {
            known.id = Some(agent_id.clone());
            self.agent_ids.insert(agent_id, agent.clone());
        }
    }

    fn forget_agent_id(&mut self, agent: &AgentName) {
        let Some(before) = self.agents.get_mut(agent).and_then(|known| known.id.take()) else { return };
        if self.agent_ids.get(&before) == Some(agent) {
            self.agent_ids.remove(&before);
        }
    }

    /// The agent of this ID.
    pub(crate) fn agent_of_id(&self, agent_id: &str) -> Option<&AgentName> {
        self.agent_ids.get(agent_id)
    }

    /// An Agent object is gone.
    pub(crate) fn agent_deleted(&mut self, agent: &AgentName) {
        let Some(known) = self.agents.get_mut(agent) else { return };
        known.object = AgentObject::Deleted;
        known.written = None;
        if known.session().is_some() {
            // It is there, so it gets an object again; if its node went, its connection will too.
            self.changed_agents.insert(agent.clone());
        } else {
            self.agent_gone(agent);
        }
    }

    /// The slot of an agent is there, changed, or went.
    pub(crate) fn slot_changed(&mut self, agent: &AgentName, slot: Option<Slot>) {
        let Some(known) = self.agents.get_mut(agent) else {
            match slot {
                Some(slot) => self.slots.insert(agent.clone(), slot),
                None => self.slots.remove(agent),
            };
            return;
        };
        if known.slot == slot {
            return;
        }
        known.slot = slot;
        self.send_slot(agent);
        self.agent_changed(agent);
    }

    /// An agent says whether it can launch in its slot.
    pub(crate) fn slot_attached(
        &mut self,
        agent: &AgentName,
        session: Session,
        pod_uid: String,
        problem: Option<String>,
    ) {
        if !self.is_current(agent, session) {
            return;
        }
        self.heard_from(agent, session);
        if let Some(known) = self.agents.get_mut(agent) {
            known.attached = problem.is_none().then_some(pod_uid);
            known.attach_problem = problem;
        }
        self.agent_changed(agent);
    }

    /// Tells an agent where to run tasks.
    pub(crate) fn send_slot(&mut self, agent: &AgentName) {
        let slot = self.agents.get(agent).and_then(|known| known.slot.clone()).filter(|slot| slot.running);
        self.send(agent, ToAgent::Slot { epoch: self.epoch(), slot }, None);
    }

    /// The agent, which from now on is waited for if it is not known.
    pub(crate) fn expect_agent(&mut self, agent: &AgentName) {
        if self.agents.contains_key(agent) {
            return;
        }
        let slot = self.slots.remove(agent);
        let reservations = self.unclaimed_reservations.remove(agent).unwrap_or_default();
        self.agents.insert(agent.clone(), Agent { slot, reservations, ..Agent::expected() });
        self.timers.set(Timer::AgentLost(agent.clone()), self.now.after(self.config.agent_reregister_timeout));
        self.timers.set(Timer::AgentLate(agent.clone()), self.now.after(self.config.agent_ping_timeout));
        self.agent_changed(agent);
    }

    /// Something that decides about the use of an agent may have changed.
    pub(crate) fn agent_changed(&mut self, agent: &AgentName) {
        let Some(known) = self.agents.get(agent) else { return };
        let (total, mode, can_launch) = (self.total_of(known), self.mode_of(agent, known), known.can_launch());
        let ready = can_launch && mode == AgentMode::Active;
        let fits = self.allocator.agent(agent).is_none_or(|books| books.fits_in(&total));
        if !ready || !fits {
            let why = if ready {
                format!("agent {agent} has less than it had")
            } else {
                format!("agent {agent} cannot be used now")
            };
            for offer in self.offers_of(agent) {
                self.rescind(&offer, why.clone());
            }
        }
        let same = |books: &AgentBooks| *books.total() == total && books.is_up() == can_launch && books.mode() == mode;
        if !self.allocator.agent(agent).is_some_and(same) {
            self.allocator.set_agent_mode(agent, mode);
            self.allocator.set_agent(agent, total, can_launch);
            self.capacity_changed();
            self.explain_soon();
            self.note_no_offers_to_all();
        }
        self.tell_window(agent);
        self.changed_agents.insert(agent.clone());
        self.empty_agent(agent);
        self.send_waiting_launches(agent);
    }

    /// A task that was placed before is known to hold something of an agent now: what is offered of it may not fit beside
    /// that, and if nothing is to run there, it is ended.
    pub(crate) fn more_is_held(&mut self, agent: &AgentName) {
        let Some(known) = self.agents.get(agent) else { return };
        let away = known.session().is_none() && known.offers.is_empty();
        if away && self.mode_of(agent, known) == AgentMode::Active {
            self.changed_agents.insert(agent.clone());
        } else {
            self.agent_changed(agent);
        }
    }

    /// An agent and its node are gone for good, and so is what ran there.
    pub(crate) fn agent_gone(&mut self, agent: &AgentName) {
        let Some(known) = self.agents.get(agent) else { return };
        let tasks: Vec<TaskId> = known.tasks.iter().cloned().collect();
        for offer in self.offers_of(agent) {
            self.rescind(&offer, format!("agent {agent} is gone"));
        }
        for id in tasks {
            let message = format!("agent {agent} was removed from the cluster");
            self.end_task(&id, Ending::decided(TaskState::Gone, Reason::AgentRemoved, message));
        }
        self.drop_acceptances(|pool| pool.agent == *agent, &format!("Agent {agent} is removed"));
        self.forget_strays(agent);
        for timer in [Timer::Ping(agent.clone()), Timer::AgentLost(agent.clone()), Timer::AgentLate(agent.clone())] {
            self.timers.clear(&timer);
        }
        self.forget_agent_id(agent);
        if let Some(known) = self.agents.remove(agent) {
            // Its pod is there until that is told to be gone.
            if let Some(slot) = known.slot {
                self.slots.insert(agent.clone(), slot);
            }
            // It may come back with its disk.
            if !known.reservations.is_empty() {
                self.unclaimed_reservations.insert(agent.clone(), known.reservations);
            }
        }
        self.no_longer_missing(agent);
        self.allocator.remove_agent(agent);
        self.explain_soon();
    }

    /// The live offers of an agent.
    pub(crate) fn offers_of(&self, agent: &AgentName) -> Vec<OfferId> {
        self.agents.get(agent).map(|known| known.offers.iter().cloned().collect()).unwrap_or_default()
    }

    /// What an Agent object says about its readiness.
    pub(crate) fn readiness(&self, agent: &AgentName, known: &Agent) -> Readiness {
        let unused = self.why_unused(agent, known);
        if let Some(gone) = unused.as_ref().filter(|_| known.orders.gone) {
            return gone.clone();
        }
        let (reason, message) = match (&known.liveness, &known.slot) {
            (Liveness::Expected, _) if self.removals.is_held_back(agent) => ("RemovalHeldBack", self.why_held_back()),
            (Liveness::Expected, _) => ("NotRegistered", "has not registered with this leader yet".to_owned()),
            (Liveness::Disconnected(since), _) => ("Disconnected", format!("lost its connection at {since}")),
            (Liveness::Unreachable, _) => {
                ("Unreachable", "has not been heard from for too long: see its node and its agent pod".to_owned())
            }
            (Liveness::Connected { .. }, _) if !known.epoch_confirmed => {
                ("WaitingForEpoch", "has not confirmed this leader yet".to_owned())
            }
            (_, None) => ("NoSlot", "has no slot pod".to_owned()),
            (_, Some(slot)) if !slot.running => {
                ("SlotNotRunning", format!("its slot pod {} does not run yet", slot.pod))
            }
            (_, Some(slot)) if known.attached.as_ref() != Some(&slot.uid) => {
                let problem = known.attach_problem.as_deref().unwrap_or("it is looking for it");
                ("NotAttached", format!("cannot launch in its slot pod {} yet: {problem}", slot.pod))
            }
            _ => return unused.unwrap_or_else(|| self.ready(agent)),
        };
        Readiness { ready: false, reason, message }
    }

    fn ready(&self, agent: &AgentName) -> Readiness {
        let overcommitted = self.allocator.agent(agent).is_some_and(AgentBooks::is_overcommitted);
        if overcommitted {
            let message = "its slot is smaller than what runs in it: nothing is offered until that fits again";
            return Readiness { ready: true, reason: "Overcommitted", message: message.to_owned() };
        }
        Readiness { ready: true, reason: "Registered", message: "runs tasks".to_owned() }
    }
}
