//! A framework: its object, if there is one, and what is counted for it.

use crate::event::{FrameworkObject, SchedulerKind};
use crate::ids::{OfferId, TaskId, Time};
use crate::record::FrameworkRecord;
use crate::state::Waiting;
use proffer_resources::Role;
use std::collections::BTreeSet;

/// A framework. It is known while it has an object or tasks that name it.
#[derive(Clone, Debug)]
pub(crate) struct Framework {
    /// Its object, if there is one.
    pub(crate) object: Option<FrameworkObject>,
    /// All tasks that name it.
    pub(crate) tasks: BTreeSet<TaskId>,
    /// Those that wait for an agent.
    pub(crate) waiting: Waiting,
    /// How many hold resources.
    pub(crate) active: usize,
    /// Those that are over and remembered, the oldest first.
    pub(crate) completed: BTreeSet<(Time, TaskId)>,
    /// Its offers that wait for a reply.
    pub(crate) offers: BTreeSet<OfferId>,
    /// The role in which it is served.
    pub(crate) role: Role,
    /// What was last written of it.
    pub(crate) written: Option<FrameworkRecord>,
}

impl Default for Framework {
    fn default() -> Self {
        Self {
            object: None,
            tasks: BTreeSet::new(),
            waiting: Waiting::default(),
            active: 0,
            completed: BTreeSet::new(),
            offers: BTreeSet::new(),
            role: Role::any(),
            written: None,
        }
    }
}

impl Framework {
    /// Who schedules it; `None` if it has no usable object.
    pub(crate) fn scheduler(&self) -> Option<SchedulerKind> {
        self.object.as_ref()?.scheduler.as_ref().ok().copied()
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
