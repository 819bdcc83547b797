//! Persistent volumes that a task asks for: a task goes where its volume is.

use crate::{AgentBooks, Allocator, Demand, For, Kind, Name, Unplaced, Verdict};
use proffer_resources::{Resource, ResourceBag, Resources, Role};
use std::fmt;

/// Why a task that asks for a volume is on no agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VolumeLack<A> {
    /// No agent has such a volume.
    Nowhere {
        /// The task's role.
        role: Role,
    },
    /// An agent has one, for a role that the task's is neither nor is below.
    OtherRole {
        /// The agent.
        agent: A,
        /// For whom it has it.
        reserved: Role,
        /// The task's role.
        role: Role,
    },
    /// The agent that has it lacks another volume that the task asks for.
    Apart {
        /// The agent.
        agent: A,
        /// The other volume.
        other: String,
    },
    /// The agent that has it cannot be used now.
    NotReady {
        /// The agent.
        agent: A,
    },
    /// It is not shared, and a task or an offer has it.
    Held {
        /// The agent.
        agent: A,
    },
    /// The agent that has it has too little of something else.
    NoRoom {
        /// The agent.
        agent: A,
        /// What is asked for.
        demand: Demand,
        /// What there is too little of.
        kind: Kind,
        /// How much of it there is: free, or at all.
        has: Resources,
        /// Whether it would do if nothing else ran there.
        busy: bool,
    },
    /// More runs on the agent that has it than it has room for.
    Overcommitted {
        /// The agent.
        agent: A,
    },
}

impl<A: fmt::Display> fmt::Display for VolumeLack<A> {
    /// Goes on after `volume "x"`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nowhere { role } => {
                write!(f, "is on no agent: apply a Reservation for role {role} that has it, or name one that is there")
            }
            Self::OtherRole { agent, reserved, role } => {
                write!(f, "is on agent {agent}, which keeps it for role {reserved}, and the task runs in role {role}")
            }
            Self::Apart { agent, other } => write!(f, "is on agent {agent}, which does not have volume {other:?}"),
            Self::NotReady { agent } => write!(f, "is on agent {agent}, which is not ready"),
            Self::Held { agent } => write!(
                f,
                "is on agent {agent}, which has given or offered it to somebody else: wait for that to end, or make the volume shared"
            ),
            Self::NoRoom { agent, demand, kind, has, busy } => {
                let has = kind.describe(has);
                if *busy {
                    write!(f, "is on agent {agent}, which has {has} free; the task needs {demand}")
                } else {
                    write!(f, "is on agent {agent}, which has no more than {has}; the task needs {demand}")
                }
            }
            Self::Overcommitted { agent } => {
                write!(f, "is on agent {agent}, which has less than what runs there already needs")
            }
        }
    }
}

/// The volume of this ID in `bag` that a task of `role` may use. The one that is reserved deepest counts, if there are several.
pub(crate) fn find_volume<'a>(bag: &'a ResourceBag, id: &str, role: &Role) -> Option<&'a Resource> {
    let named = bag.iter().filter(|resource| is_volume(resource, id));
    let usable = named.filter(|resource| !resource.revocable && resource.is_allocatable_to(role));
    usable.max_by_key(|resource| resource.reserved_for().map_or(0, |reserved| reserved.as_str().len()))
}

fn is_volume(resource: &Resource, id: &str) -> bool {
    let persistence = resource.disk.as_ref().and_then(|disk| disk.persistence.as_ref());
    persistence.is_some_and(|persistence| persistence.id == id)
}

impl Demand {
    /// The first volume that a task of `role` asks for and `bag` does not have.
    #[must_use]
    pub fn volume_missing(&self, bag: &ResourceBag, role: &Role) -> Option<&str> {
        self.volumes.iter().map(String::as_str).find(|id| find_volume(bag, id, role).is_none())
    }
}

impl<A: Name, F: Name> Allocator<A, F> {
    /// Why a demand with volumes is not placed; `None` if it asks for none, or if the volumes are not why.
    pub(crate) fn explain_volumes(&self, demand: &Demand, whose: For<'_, F>) -> Option<Unplaced<A>> {
        let first = demand.volumes.first()?;
        let lack = |id: &str, lack| Some(Unplaced::Volume { id: id.to_owned(), lack });
        let has = |books: &AgentBooks, id: &str| find_volume(books.total(), id, whose.role).is_some();
        let has_all = |books: &AgentBooks| demand.volume_missing(books.total(), whose.role).is_none();
        let Some((agent, books)) = self.agents().find(|(_, books)| has_all(books)) else {
            // The first that is nowhere, or else two that are apart.
            let nowhere = demand.volumes.iter().find(|id| !self.agents().any(|(_, books)| has(books, id)));
            if let Some(id) = nowhere {
                return lack(id, self.lost_volume(id, whose.role));
            }
            let (agent, books) = self.agents().find(|(_, books)| has(books, first))?;
            let other = demand.volume_missing(books.total(), whose.role)?.to_owned();
            return lack(first, VolumeLack::Apart { agent: agent.clone(), other });
        };
        let agent = agent.clone();
        let no_room = |kinds: Vec<Kind>, has: Resources, busy: bool| {
            let kind = kinds.first().copied().unwrap_or(Kind::Cpus);
            lack(first, VolumeLack::NoRoom { agent: agent.clone(), demand: demand.clone(), kind, has, busy })
        };
        match self.verdict(demand, whose, &agent) {
            Verdict::Fits => Some(Unplaced::Fits),
            Verdict::KeptBack(why) => Some(Unplaced::KeptBack(why)),
            Verdict::NotReady => lack(first, VolumeLack::NotReady { agent }),
            Verdict::Overcommitted => lack(first, VolumeLack::Overcommitted { agent }),
            Verdict::VolumeHeld(id) | Verdict::NoVolume(id) => lack(&id, VolumeLack::Held { agent }),
            Verdict::Busy(kinds) => no_room(kinds, books.flat_free(whose.role), true),
            Verdict::TooSmall(kinds) => no_room(kinds, books.flat_total(whose.role), false),
        }
    }

    /// A volume that no agent has for this role.
    fn lost_volume(&self, id: &str, role: &Role) -> VolumeLack<A> {
        let elsewhere = self.agents().find_map(|(agent, books)| {
            let volume = books.total().iter().find(|resource| is_volume(resource, id))?;
            Some((agent.clone(), volume.reserved_for()?.clone()))
        });
        match elsewhere {
            Some((agent, reserved)) => VolumeLack::OtherRole { agent, reserved, role: role.clone() },
            None => VolumeLack::Nowhere { role: role.clone() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FrameworkInfo, PortRequest, Settings, Strategy};
    use proffer_resources::{Amount, DiskInfo, Persistence, Reservation, Volume, VolumeMode};

    type Books = Allocator<&'static str, &'static str>;

    fn role(text: &str) -> Role {
        Role::new(text).unwrap()
    }

    fn volume(id: &str, whose: &str) -> Resource {
        let volume = Volume { mode: VolumeMode::ReadWrite, container_path: "data".to_owned(), host_path: None };
        let persistence = Some(Persistence { id: id.to_owned(), principal: None });
        Resource::scalar("disk", Amount::from_units(64))
            .reserved(Reservation::dynamic(role(whose), None))
            .on_disk(DiskInfo { persistence, volume: Some(volume), source: None })
    }

    fn demand(cpus: u64, volumes: &[&str]) -> Demand {
        let resources = Resources::of(Amount::from_units(cpus), Amount::from_units(1));
        Demand::new(&resources, PortRequest::None).with_volumes(volumes.iter().map(|id| (*id).to_owned()))
    }

    /// Agent a is empty; b has volume v of role eng and shared s of eng/a; c has w of role ops.
    fn books() -> Books {
        let mut books = Books::new(Settings::default());
        let has = |volumes: Vec<Resource>| {
            let mut bag: ResourceBag = "cpus:4;mem:100".parse().unwrap();
            for volume in volumes {
                bag.add_one(volume);
            }
            bag
        };
        books.set_agent(&"a", has(vec![]), true);
        books.set_agent(&"b", has(vec![volume("v", "eng"), volume("s", "eng/a").as_shared()]), true);
        books.set_agent(&"c", has(vec![volume("w", "ops"), volume("x", "eng")]), true);
        let roles = ["eng", "eng/a", "ops"].map(role).into();
        books.set_framework(&"fw", FrameworkInfo { roles, ..FrameworkInfo::default() });
        books
    }

    fn place(books: &mut Books, demand: &Demand, whose: &str) -> Option<&'static str> {
        let whose = role(whose);
        let found = books.place(demand, For { framework: &"fw", role: &whose }, Strategy::Spread);
        let (agent, given) = found?;
        assert!(books.agent(&agent).unwrap().free().contains(&given));
        books.allocate(&agent, &"fw", &whose, &given);
        books.check_invariants().unwrap();
        Some(agent)
    }

    fn why(books: &Books, demand: &Demand, whose: &str) -> String {
        books.explain_unplaced(demand, For { framework: &"fw", role: &role(whose) }).to_string()
    }

    #[test]
    fn a_task_goes_where_its_volume_is_and_has_it_alone_unless_it_is_shared() {
        let mut books = books();
        assert_eq!(place(&mut books, &demand(1, &["v"]), "eng"), Some("b"));
        assert_eq!(place(&mut books, &demand(1, &["v"]), "eng"), None);
        assert_eq!(
            why(&books, &demand(1, &["v"]), "eng"),
            "volume \"v\" is on agent b, which has given or offered it to somebody else: wait for that to end, or make the volume shared"
        );
        assert_eq!(place(&mut books, &demand(1, &["s"]), "eng/a"), Some("b"));
        assert_eq!(place(&mut books, &demand(1, &["s"]), "eng/a"), Some("b"));
        let held: ResourceBag = [volume("v", "eng")].into_iter().collect();
        books.release(&"b", &"fw", &role("eng"), &held.plus(&"cpus:1;mem:1".parse().unwrap()));
        assert_eq!(place(&mut books, &demand(1, &["s", "v"]), "eng/a"), Some("b"), "what is eng's is eng/a's too");
    }

    #[test]
    fn says_where_the_volume_is_and_what_is_missing_there() {
        let mut books = books();
        for (cpus, volumes, whose, text) in [
            (
                1,
                &["none"][..],
                "eng",
                "volume \"none\" is on no agent: apply a Reservation for role eng that has it, or name one that is there",
            ),
            (
                1,
                &["w"],
                "eng",
                "volume \"w\" is on agent c, which keeps it for role ops, and the task runs in role eng",
            ),
            (
                1,
                &["s"],
                "eng",
                "volume \"s\" is on agent b, which keeps it for role eng/a, and the task runs in role eng",
            ),
            (1, &["v", "x"], "eng", "volume \"v\" is on agent b, which does not have volume \"x\""),
            (
                8,
                &["v"],
                "eng",
                "volume \"v\" is on agent b, which has no more than 4 cpu; the task needs 8 cpu, 1Mi memory and volume \"v\"",
            ),
            (1, &["v"], "eng", "is about to be placed"),
        ] {
            assert_eq!(why(&books, &demand(cpus, volumes), whose), text);
        }
        books.allocate(&"b", &"fw", &role("eng"), &"cpus:3".parse().unwrap());
        assert_eq!(
            why(&books, &demand(2, &["v"]), "eng"),
            "volume \"v\" is on agent b, which has 1 cpu free; the task needs 2 cpu, 1Mi memory and volume \"v\""
        );
        let total = books.agent(&"b").unwrap().total().clone();
        books.set_agent(&"b", total, false);
        assert_eq!(why(&books, &demand(1, &["v"]), "eng"), "volume \"v\" is on agent b, which is not ready");
    }
}
