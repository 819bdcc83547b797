//! The data of a volume goes when its destruction was asked for, and nobody uses it; its agent says when it is gone.

use crate::effect::ToAgent;
use crate::ids::{AgentName, Session};
use crate::master::Master;
use crate::record::NoticeAbout;
use crate::state::Agent;
use proffer_resources::Role;

impl Master {
    /// Asks the agent of a reservation to remove the data of volumes that nobody wants any more. An agent forgets what it was
    /// asked when it restarts, so it is asked anew whenever it has come back.
    pub(crate) fn destroy_volumes(&mut self, name: &str) {
        let epoch = self.epoch();
        let Some(known) = self.reservations.get(name) else { return };
        let agent = known.agent.clone();
        let Some(session) = self.agents.get(&agent).filter(|host| host.epoch_confirmed).and_then(Agent::session) else {
            return;
        };
        let volumes: Vec<_> = known.destroying.keys().cloned().collect();
        for (role, id) in volumes {
            let asked = self
                .agents
                .get_mut(&agent)
                .is_some_and(|host| !host.asked_to_destroy.insert((role.clone(), id.clone(), session)));
            if !asked {
                self.send(&agent, ToAgent::DestroyVolume { epoch, role, id }, None);
            }
        }
    }

    /// An agent answers that the data of a volume is gone, or why it is not.
    pub(crate) fn volume_destroyed(
        &mut self,
        agent: &AgentName,
        session: Session,
        role: Role,
        id: String,
        problem: Option<String>,
    ) {
        if !self.is_current(agent, session) {
            return;
        }
        self.heard_from(agent, session);
        if let Some(host) = self.agents.get_mut(agent) {
            host.asked_to_destroy.remove(&(role.clone(), id.clone(), session));
        }
        let volume = (role, id);
        let mut told = problem.clone();
        let names = self.agents.get(agent).map(|host| host.reservations.clone()).unwrap_or_default();
        for name in names {
            let Some(known) = self.reservations.get_mut(&name).filter(|known| known.destroying.contains_key(&volume))
            else {
                continue;
            };
            self.unsettled.insert(name.clone());
            self.changed_reservations.insert(name);
            match told.take() {
                // It is asked again when the agent comes anew.
                Some(problem) => {
                    known.waits_for = Some(format!("volume {:?} could not be destroyed: {problem}", volume.1));
                }
                None => {
                    known.destroying.remove(&volume);
                }
            }
        }
        if let Some(problem) = &problem {
            let message = format!("volume {:?} of role {} could not be destroyed: {problem}", volume.1, volume.0);
            self.warn(NoticeAbout::Agent(agent.clone()), "VolumeNotDestroyed", message);
        }
        self.operation_volume_destroyed(agent, &volume, problem);
        self.agent_changed(agent);
    }
}
