//! Why a framework gets no offers, or fewer: agent by agent, and in a sentence.

use crate::{Allocator, Lacking, Name, Share, Time, Withheld};
use proffer_resources::{ResourceBag, Role};
use std::collections::BTreeMap;
use std::fmt;

/// Why a framework gets no offers in a role, agents counted by reason. `Display` says it to a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoOffers {
    /// How many agents there are for each reason. Of filters, the one that ends first stands for all.
    pub withheld: BTreeMap<Withheld, usize>,
    /// Agents that can be offered.
    pub offerable: usize,
    /// The framework that holds or is offered most and its part of the cluster, if it is another one and agents are full.
    pub held_by: Option<(String, Share)>,
}

impl fmt::Display for NoOffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.withheld.is_empty() {
            return f.write_str(if self.offerable == 0 { "no agent is registered" } else { "offers are on their way" });
        }
        let mut parts: Vec<(u8, String)> = self.withheld.iter().map(|(why, count)| self.part(why, *count)).collect();
        parts.sort();
        let parts: Vec<String> = parts.into_iter().map(|(_, part)| part).collect();
        f.write_str(&parts.join("; "))
    }
}

impl NoOffers {
    /// One reason for a person, and its place among the others: what the framework can change comes first.
    fn part(&self, why: &Withheld, count: usize) -> (u8, String) {
        let (agents, has, is) =
            if count == 1 { ("1 agent".to_owned(), "has", "is") } else { (format!("{count} agents"), "have", "are") };
        match why {
            Withheld::NotConnected => (0, "the framework is not connected".to_owned()),
            Withheld::Suppressed => (1, "offers are suppressed: revive them".to_owned()),
            Withheld::EnoughOffers => (2, "it has as many offers as it may have: reply to them".to_owned()),
            Withheld::Filtered(until) => {
                (3, format!("{agents} declined by the framework itself, the first until {until}"))
            }
            Withheld::Constraint => (4, format!("{agents} left out by the framework's offer constraints")),
            Withheld::Capability(Lacking::Gpus) => {
                (5, format!("{agents} with GPUs, which the framework has no capability GPU_RESOURCES for"))
            }
            Withheld::Capability(Lacking::RegionAware) => {
                (6, format!("{agents} in another region, which the framework has no capability REGION_AWARE for"))
            }
            Withheld::Capability(Lacking::Kind) => (
                7,
                format!(
                    "{agents} with nothing free but revocable, shared or refined resources, which the framework has no capability for"
                ),
            ),
            Withheld::TooSmall => (8, format!("{agents} too small for what the framework asks for")),
            Withheld::GangIncomplete => {
                (9, "the agents do not have all at once that the framework asks for".to_owned())
            }
            Withheld::Quota(role) => (
                10,
                format!(
                    "{agents} {is} kept back by the quota limit of role {role}: raise that, or end tasks of the role"
                ),
            ),
            Withheld::Headroom => {
                (11, format!("{agents} {is} kept free for other roles, which are guaranteed more than they have"))
            }
            Withheld::Reserved => (12, format!("{agents} {has} nothing free that is not reserved for other roles")),
            Withheld::NothingFree => {
                let by = self
                    .held_by
                    .as_ref()
                    .map(|(who, share)| format!(" (framework {who} has most of the cluster: {share})"))
                    .unwrap_or_default();
                (13, format!("{agents} {has} nothing free{by}"))
            }
            Withheld::TooLittle => (14, format!("{agents} {has} less free than is worth an offer")),
            Withheld::Deactivated => (15, format!("{agents} deactivated by an operator or down for maintenance")),
            Withheld::Draining => (16, format!("{agents} drained by an operator")),
            Withheld::NotReady => (17, format!("{agents} not ready")),
        }
    }
}

impl<A: Name, F: Name> Allocator<A, F> {
    /// For each agent by name: what of it `framework` would be offered in a role at `now`, or why nothing.
    #[must_use]
    pub fn explain(&self, framework: &F, role: &Role, now: Time) -> Vec<(A, Result<ResourceBag, Withheld>)> {
        let each = self.agent_numbers.keys().map(|agent| (agent.clone(), self.offerable(agent, framework, role, now)));
        each.collect()
    }

    /// Why `framework` gets no offers in a role at `now`.
    #[must_use]
    pub fn explain_no_offers(&self, framework: &F, role: &Role, now: Time) -> NoOffers {
        let mut why = NoOffers::default();
        let mut filtered: Option<(usize, Time)> = None;
        for agent in self.agent_numbers.keys() {
            match self.offerable(agent, framework, role, now) {
                Ok(_) => why.offerable += 1,
                Err(Withheld::Filtered(until)) => {
                    let (count, first) = filtered.unwrap_or((0, until));
                    filtered = Some((count + 1, first.min(until)));
                }
                Err(reason) => *why.withheld.entry(reason).or_default() += 1,
            }
        }
        if let Some((count, until)) = filtered {
            why.withheld.insert(Withheld::Filtered(until), count);
        }
        if why.withheld.contains_key(&Withheld::NothingFree) {
            let share = |number: &u32| {
                self.frameworks[*number as usize].as_ref().map(|known| self.share_of(&known.claim)).unwrap_or_default()
            };
            let all = self.framework_numbers.iter().map(|(name, number)| (share(number), name));
            let largest = all.max_by_key(|(share, _)| *share).filter(|(_, name)| *name != framework);
            why.held_by = largest.map(|(share, name)| (name.to_string(), share));
        }
        why
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AgentMode, FrameworkInfo, Settings};

    type Books = Allocator<&'static str, &'static str>;

    fn bag(text: &str) -> ResourceBag {
        text.parse().unwrap()
    }

    fn books() -> Books {
        let mut books = Books::new(Settings::default());
        for framework in ["fw", "ns/other"] {
            let info = FrameworkInfo { roles: [Role::any()].into(), ..FrameworkInfo::default() };
            books.set_framework(&framework, info);
        }
        books
    }

    #[test]
    fn offers_all_that_is_free_unless_it_is_refused_or_too_little() {
        let (mut books, role) = (books(), Role::any());
        books.set_agent(&"node1", bag("cpus:4;mem:1000"), true);
        let offerable = |books: &Books, now| books.offerable(&"node1", &"fw", &role, Time(now));
        assert_eq!(offerable(&books, 0), Ok(bag("cpus:4;mem:1000")));
        books.allocate(&"node1", &"ns/other", &role, &bag("cpus:1;mem:500"));
        books.refuse(&"node1", &"fw", &role, &bag("cpus:3;mem:500"), Time(9), Time(0));
        assert_eq!(offerable(&books, 0), Err(Withheld::Filtered(Time(9))));
        assert_eq!(offerable(&books, 9), Ok(bag("cpus:3;mem:500")));
        books.allocate(&"node1", &"ns/other", &role, &bag("cpus:2.995;mem:469"));
        assert_eq!(offerable(&books, 9), Err(Withheld::TooLittle));
        books.allocate(&"node1", &"ns/other", &role, &bag("cpus:0.005;mem:31"));
        assert_eq!(offerable(&books, 9), Err(Withheld::NothingFree));
        assert_eq!(books.offerable(&"node2", &"fw", &role, Time(9)), Err(Withheld::NotReady));
    }

    #[test]
    fn says_why_there_are_no_offers() {
        let (mut books, role) = (books(), Role::any());
        let say = |books: &Books| books.explain_no_offers(&"fw", &Role::any(), Time(0)).to_string();
        assert_eq!(say(&books), "no agent is registered");
        books.set_agent(&"node1", bag("cpus:1;mem:100"), true);
        assert_eq!(say(&books), "offers are on their way");
        books.refuse(&"node1", &"fw", &role, &bag("cpus:1;mem:100"), Time(5_000_000), Time(0));
        assert_eq!(say(&books), "1 agent declined by the framework itself, the first until 1970-01-01T00:00:05Z");
        books.set_agent(&"node2", bag("cpus:1;mem:100"), true);
        books.allocate(&"node2", &"ns/other", &role, &bag("cpus:1;mem:100"));
        books.set_agent(&"node3", bag("cpus:1;mem:100"), false);
        books.set_agent(&"node4", bag("gpus:1;cpus:9"), true);
        books.set_agent(&"node5", bag("cpus(eng):1"), true);
        books.set_agent(&"node6", bag("cpus:1"), true);
        books.set_agent_mode(&"node6", AgentMode::Draining);
        assert_eq!(
            say(&books),
            "1 agent declined by the framework itself, the first until 1970-01-01T00:00:05Z; \
             1 agent with GPUs, which the framework has no capability GPU_RESOURCES for; \
             1 agent has nothing free that is not reserved for other roles; \
             1 agent has nothing free (framework ns/other has most of the cluster: 33.3%); 1 agent drained by an operator; 1 agent not ready"
        );
        books.suppress(&"fw", &[].into());
        assert_eq!(say(&books), "offers are suppressed: revive them");
    }
}
