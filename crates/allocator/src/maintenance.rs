//! Maintenance: frameworks are asked to leave agents that will not be there (Mesos: inverse offers).

use crate::{Allocator, Name, Time, Unavailability};
use std::collections::BTreeMap;

/// What a framework said to an inverse offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum InverseReply {
    /// It will be gone in time.
    Accepted,
    /// It will not, or cannot tell.
    Declined,
}

/// A question to a framework that has something on an agent that will not be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InverseOffer<A, F> {
    /// Who is asked.
    pub framework: F,
    /// Which agent is to be left.
    pub agent: A,
    /// When it will not be there.
    pub unavailability: Unavailability,
}

/// Where a question stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    /// It was asked.
    Asked,
    /// It was answered, and is not asked again before then.
    Answered(InverseReply, Time),
}

/// All planned windows and what was said to them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Maintenance {
    /// By agent and framework.
    questions: BTreeMap<u32, BTreeMap<u32, Question>>,
}

impl Maintenance {
    /// An agent's window was set, changed or taken away: everybody is asked anew.
    pub(crate) fn schedule(&mut self, agent: u32, window: Option<Unavailability>) {
        match window {
            Some(_) => drop(self.questions.insert(agent, BTreeMap::new())),
            None => drop(self.questions.remove(&agent)),
        }
    }

    pub(crate) fn forget_framework(&mut self, framework: u32) {
        for questions in self.questions.values_mut() {
            questions.remove(&framework);
        }
    }
}

impl<A: Name, F: Name> Allocator<A, F> {
    /// Whom to ask at `now`: each connected framework that holds something of an agent with a window, unless it was asked
    /// and has not answered, or answered and a filter lasts. They count as asked from now on.
    pub fn inverse_offers(&mut self, now: Time) -> Vec<InverseOffer<A, F>> {
        let mut offers = Vec::new();
        for (number, questions) in &mut self.maintenance.questions {
            let books = &self.agents[*number as usize];
            let (Some(unavailability), Some(agent)) = (books.unavailability, &self.agent_names[*number as usize])
            else {
                continue;
            };
            for client in books.holders.keys() {
                let Some(client) = self.clients[*client as usize].as_ref() else { continue };
                let Some(framework) = self.frameworks[client.framework as usize].as_ref() else { continue };
                let rests = match questions.get(&client.framework) {
                    None => false,
                    Some(Question::Asked) => true,
                    Some(Question::Answered(_, until)) => *until > now,
                };
                if framework.active && !rests {
                    questions.insert(client.framework, Question::Asked);
                    offers.push(InverseOffer {
                        framework: framework.name.clone(),
                        agent: agent.clone(),
                        unavailability,
                    });
                }
            }
        }
        offers
    }

    /// A framework answered an inverse offer; it is not asked again before `until` (Mesos: `ACCEPT_INVERSE_OFFERS` and
    /// `DECLINE_INVERSE_OFFERS` with filters). `false` if it was not asked.
    pub fn answer_inverse_offer(&mut self, agent: &A, framework: &F, reply: InverseReply, until: Time) -> bool {
        let (Some(agent), Some(framework)) = (self.agent_number(agent), self.framework_number(framework)) else {
            return false;
        };
        let asked = self.maintenance.questions.get_mut(&agent).and_then(|questions| questions.get_mut(&framework));
        asked.map(|question| *question = Question::Answered(reply, until)).is_some()
    }

    /// An inverse offer was rescinded or lost with its framework's connection: it may be asked again.
    pub fn forget_inverse_offer(&mut self, agent: &A, framework: &F) {
        if let (Some(agent), Some(framework)) = (self.agent_number(agent), self.framework_number(framework))
            && let Some(questions) = self.maintenance.questions.get_mut(&agent)
        {
            questions.remove(&framework);
        }
    }

    /// What frameworks said about an agent's window (Mesos: `GET_MAINTENANCE_STATUS`); `None`: not answered yet.
    #[must_use]
    pub fn maintenance_status(&self, agent: &A) -> BTreeMap<F, Option<InverseReply>> {
        let questions = self.agent_number(agent).and_then(|agent| self.maintenance.questions.get(&agent));
        let named = questions.into_iter().flatten().filter_map(|(framework, question)| {
            let known = self.frameworks[*framework as usize].as_ref()?;
            let reply = match question {
                Question::Asked => None,
                Question::Answered(reply, _) => Some(*reply),
            };
            Some((known.name.clone(), reply))
        });
        named.collect()
    }
}
