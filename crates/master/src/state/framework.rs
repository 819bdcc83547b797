//! A framework: its object, if there is one, and what is counted for it.

use crate::event::{FrameworkObject, SchedulerKind};
use crate::ids::{OfferId, TaskId, Time};
use crate::operations::OperationUpdate;
use crate::record::FrameworkRecord;
use crate::state::{Stream, Waiting, Want};
use proffer_resources::Role;
use std::collections::{BTreeMap, BTreeSet};

/// A framework. It is known while it has an object or tasks that name it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Framework {
    /// Its object, if there is one.
    pub(crate) object: Option<FrameworkObject>,
    /// All tasks that name it.
    pub(crate) tasks: BTreeSet<TaskId>,
    /// Those that wait for an agent.
    pub(crate) waiting: Waiting,
    /// How many hold resources.
    pub(crate) active: usize,
    /// Those that are over and not yet to be forgotten, the oldest first.
    pub(crate) completed: BTreeSet<(Time, TaskId)>,
    /// Its offers that wait for a reply.
    pub(crate) offers: BTreeSet<OfferId>,
    /// Those of its roles in which it wants no offers now (Mesos: SUPPRESS).
    pub(crate) suppressed: BTreeSet<Role>,
    /// What became of operations that it named, until it says that it knows.
    pub(crate) operations: BTreeMap<String, OperationUpdate>,
    /// What is particular to it if it is served over a stream.
    pub(crate) stream: Stream,
    /// Why it gets no offers, as far as that was found out, and when.
    pub(crate) no_offers: Option<(Time, String)>,
    /// What was last written of it.
    pub(crate) written: Option<FrameworkRecord>,
}

impl Framework {
    /// Who schedules it; `None` if it has no usable object.
    pub(crate) fn scheduler(&self) -> Option<SchedulerKind> {
        self.object.as_ref()?.scheduler.as_ref().ok().copied()
    }

    /// Its roles, the one first in which tasks run that name none.
    pub(crate) fn roles(&self) -> &[Role] {
        self.object.as_ref().map_or(&[], |object| &object.roles)
    }

    /// The role of its tasks that name none; `*` if it has no object.
    pub(crate) fn first_role(&self) -> Role {
        self.roles().first().cloned().unwrap_or_else(Role::any)
    }

    /// Whether tasks that ask for this can be given anything: their role is one of its roles, and not suppressed.
    pub(crate) fn is_served_in(&self, want: &Want) -> bool {
        let role = want.role.as_ref().or(self.roles().first());
        role.is_some_and(|role| self.roles().contains(role) && !self.suppressed.contains(role))
    }

    /// UID of its object.
    pub(crate) fn uid(&self) -> Option<&str> {
        self.object.as_ref().map(|object| object.uid.as_str())
    }

    /// Whether nothing refers to it any more.
    pub(crate) fn is_forgotten(&self) -> bool {
        self.object.is_none() && self.tasks.is_empty() && self.offers.is_empty()
    }
}
