//! How many agents may be taken for unreachable, and how fast.
//!
//! If most agents do not come to a new leader, it is rather their way to it that is broken than they are. Mesos' master
//! stops then (`recovery_agent_removal_limit`). This one goes on with the agents that came and leaves the others, with
//! their tasks, as they were: a leader that stops would be followed by one that finds the same, and would take the agents
//! that are well with it. Whoever is held back says so in its `Ready` condition, until it comes, its Node is deleted or
//! enough others have come.

use crate::ids::{AgentName, Time};
use crate::master::Master;
use crate::record::NoticeAbout;
use crate::state::{Agent, AgentObject, Liveness};
use crate::timers::Timer;
use std::collections::BTreeSet;

/// Which agents may be taken for unreachable, and when.
#[derive(Debug, Default)]
pub(crate) struct Removals {
    /// How many agents the leader before this one reached.
    known: usize,
    /// Those of them that have neither come to this one nor been taken for unreachable.
    missing: BTreeSet<AgentName>,
    /// Those of them whose time is over and that are too many to be taken for unreachable.
    held_back: BTreeSet<AgentName>,
    /// No agent is taken for unreachable before then.
    next: Time,
}

impl Removals {
    /// Whether an agent has not come in time and is not taken for unreachable all the same.
    pub(crate) fn is_held_back(&self, agent: &AgentName) -> bool {
        self.held_back.contains(agent)
    }
}

impl Master {
    /// An agent's object says whether the leader before took it for unreachable; what this one knows itself counts more.
    pub(crate) fn note_unreachable_before(&mut self, agent: &AgentName, was_unreachable: bool) {
        if let Some(known) = self.agents.get_mut(agent) {
            known.was_unreachable = was_unreachable && known.liveness == Liveness::Expected;
        }
    }

    /// All objects are known: the agents that the leader before reached are expected to come.
    pub(crate) fn expect_recovered_agents(&mut self) {
        let reached = |known: &Agent| !known.was_unreachable && !known.orders.gone;
        let expected = |known: &Agent| known.liveness == Liveness::Expected;
        let recovered = self
            .agents
            .iter()
            .filter(|(_, known)| reached(known) && (expected(known) || known.object == AgentObject::Exists));
        let (mut known, mut missing) = (0, BTreeSet::new());
        for (agent, one) in recovered {
            known += 1;
            if expected(one) {
                missing.insert(agent.clone());
            }
        }
        self.removals.known = known;
        self.removals.missing = missing;
    }

    /// Whether an agent that has not come in time is one of too many. It is looked at again when one of the others comes.
    pub(crate) fn holds_removal_back(&mut self, agent: &AgentName) -> bool {
        if !self.removals.missing.contains(agent) || !self.too_many_missing() {
            return false;
        }
        let first = self.removals.held_back.is_empty();
        self.removals.held_back.insert(agent.clone());
        if first {
            let Removals { known, missing, .. } = &self.removals;
            let (missing, why) = (missing.len(), self.why_held_back());
            let message = format!("{why} ({missing} of {known} have not registered)");
            self.warn(NoticeAbout::Agent(agent.clone()), "RemovalHeldBack", message);
        }
        self.agent_changed(agent);
        true
    }

    /// Why an agent that has not come in time is not taken for unreachable, for a person.
    pub(crate) fn why_held_back(&self) -> String {
        let (limit, timeout) = (self.config.recovery_agent_removal_limit, self.config.agent_reregister_timeout);
        format!(
            "has not registered with this leader within {} s, and is not taken for unreachable, since more than {limit} % \
             of the agents have not: see their network, pods and nodes, or raise agentPing.recoveryRemovalLimit",
            timeout.as_secs()
        )
    }

    /// An agent came, is gone, or is taken for unreachable: the others may be few enough now.
    pub(crate) fn no_longer_missing(&mut self, agent: &AgentName) {
        let was_missing = self.removals.missing.remove(agent);
        self.removals.held_back.remove(agent);
        if was_missing && !self.too_many_missing() {
            for agent in std::mem::take(&mut self.removals.held_back) {
                self.timers.set(Timer::AgentLost(agent), self.now);
            }
        }
    }

    /// When an agent may be taken for unreachable; `None` if that is now, and then no other may for a while.
    pub(crate) fn removal_turn(&mut self) -> Option<Time> {
        let interval = self.config.agent_removal_interval?;
        if self.now < self.removals.next {
            return Some(self.removals.next);
        }
        self.removals.next = self.now.after(interval);
        None
    }

    fn too_many_missing(&self) -> bool {
        let Removals { known, missing, .. } = &self.removals;
        missing.len() * 100 > usize::from(self.config.recovery_agent_removal_limit) * known
    }
}
