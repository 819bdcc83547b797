//! What a new leader is told before it may decide anything.

use crate::event::{Event, FrameworkObject, ReservationObject, TaskObject};
use crate::ids::{ObjectKey, TaskId};
use crate::master::Master;
use crate::state::{AgentObject, Liveness};
use std::collections::BTreeMap;

/// What was told before [`Event::Recovered`]: the newest of each object, and what came in meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Recovery {
    frameworks: BTreeMap<ObjectKey, FrameworkObject>,
    tasks: BTreeMap<TaskId, Box<TaskObject>>,
    reservations: BTreeMap<String, Box<ReservationObject>>,
    /// About agents and offers, in the order in which it happened.
    later: Vec<Event>,
}

impl Master {
    /// Keeps an event for [`Master::recovered`] if nothing may be decided yet.
    pub(crate) fn hold_back(&mut self, event: Event) -> Option<Event> {
        let Some(recovery) = &mut self.recovery else { return Some(event) };
        if event == Event::Recovered {
            return Some(event);
        }
        recovery.keep(event);
        None
    }

    /// All objects are known: from now on there are decisions.
    pub(crate) fn recovered(&mut self) {
        let Some(recovery) = self.recovery.take() else { return };
        for object in recovery.frameworks.into_values() {
            self.framework_applied(object);
        }
        for object in recovery.reservations.into_values() {
            self.reservation_applied(*object);
        }
        for object in recovery.tasks.into_values() {
            self.task_applied(*object);
        }
        for event in recovery.later {
            self.dispatch(event);
        }
        // The list of Agent objects was complete: an agent with tasks and without an object has lost its node.
        for known in self.agents.values_mut() {
            if known.liveness == Liveness::Expected && known.object == AgentObject::NotSeen {
                known.object = AgentObject::Deleted;
            }
        }
        self.expect_recovered_agents();
    }
}

impl Recovery {
    fn keep(&mut self, event: Event) {
        match event {
            Event::FrameworkApplied(object) => {
                self.frameworks.insert(object.key.clone(), object);
            }
            Event::FrameworkDeleted { key, uid } => {
                if self.frameworks.get(&key).is_some_and(|object| object.uid == uid) {
                    self.frameworks.remove(&key);
                }
            }
            Event::TaskApplied(object) => {
                self.tasks.insert(object.id.clone(), object);
            }
            Event::TaskDeleted(task) => {
                self.tasks.remove(&task);
            }
            Event::ReservationApplied(object) => {
                self.reservations.insert(object.name.clone(), object);
            }
            Event::ReservationDeleted { name, uid } => {
                if self.reservations.get(&name).is_some_and(|object| object.uid == uid) {
                    self.reservations.remove(&name);
                }
            }
            other => self.later.push(other),
        }
    }
}
