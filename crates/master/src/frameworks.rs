//! Framework objects come, change and go.

use crate::event::FrameworkObject;
use crate::event::SchedulerKind;
use crate::ids::{ObjectKey, OfferId, TaskId};
use crate::master::Master;
use crate::offers::MAX_OFFERS_PER_FRAMEWORK;
use crate::state::KillCause;
use crate::tasks::SETTLE;
use crate::timers::Timer;
use proffer_allocator::{FrameworkInfo, Taking};

impl Master {
    /// A Framework object was created or changed.
    pub(crate) fn framework_applied(&mut self, object: FrameworkObject) {
        let key = object.key.clone();
        let before = self.frameworks.get(&key).and_then(|framework| framework.object.clone());
        if let Some(before) = before.as_ref().filter(|before| before.uid != object.uid) {
            // The object was deleted and made anew, and the deletion was not told.
            self.framework_deleted(&key, &before.uid);
        }
        if before.as_ref() == Some(&object) {
            return;
        }
        let known_as = before.filter(|before| before.uid == object.uid).map(|before| before.scheduler);
        let rescheduled = known_as.as_ref() != Some(&object.scheduler);
        let takes_offers = matches!(object.scheduler, Ok(SchedulerKind::External(_)));
        let usable = object.scheduler.is_ok();
        let framework = self.framework_mut(&key);
        if framework.object.as_ref().is_none_or(|before| before.suppressed != object.suppressed) {
            framework.suppressed.clone_from(&object.suppressed);
        }
        framework.object = Some(object);
        framework.waiting.refresh();
        for offer in self.offers_to(&key) {
            let Some(role) = self.offers.get(&offer).map(|offer| offer.role.clone()) else { continue };
            if !self.frameworks.get(&key).is_some_and(|framework| framework.roles().contains(&role)) {
                self.rescind(&offer, format!("framework {:?} has no role {role} any more", key.name));
            }
        }
        if rescheduled {
            if !takes_offers {
                for offer in self.offers_to(&key) {
                    self.rescind(&offer, format!("framework {:?} does not take offers any more", key.name));
                }
            }
            self.explain_soon();
            let due = self.now.after(SETTLE);
            for task in self.tasks_of(&key) {
                // Owner references could not be written without it.
                self.timers.set_at_latest(Timer::Settle(task.clone()), due);
                if self.tasks.get(&task).is_some_and(crate::state::Task::is_over) {
                    self.adopt(&task, false);
                }
            }
        }
        if usable {
            self.tell_allocator(&key);
        } else {
            self.allocator.set_active(&key, false);
        }
        self.stream_framework_applied(&key);
        self.changed_frameworks.insert(key);
    }

    /// Tells the allocator what a framework wants.
    pub(crate) fn tell_allocator(&mut self, key: &ObjectKey) {
        let Some(framework) = self.frameworks.get(key) else { return };
        let Some(object) = &framework.object else { return };
        let takes_offers = matches!(object.scheduler, Ok(SchedulerKind::External(_)));
        let info = FrameworkInfo {
            roles: object.roles.iter().cloned().collect(),
            suppressed: framework.suppressed.clone(),
            capabilities: object.capabilities,
            taking: if takes_offers { Taking::Offers } else { Taking::Placement },
            constraints: object.constraints.clone(),
            min_allocatable: object.min_allocatable.clone(),
            max_offers: Some(MAX_OFFERS_PER_FRAMEWORK),
        };
        let none_waits = framework.waiting.is_empty();
        self.allocator.set_framework(key, info);
        if none_waits {
            self.allocator.rest(key);
        } else {
            self.allocator.wake(key);
        }
    }

    /// A Framework object is gone or is being deleted: its offers and tasks go too.
    pub(crate) fn framework_deleted(&mut self, key: &ObjectKey, uid: &str) {
        let Some(framework) = self.frameworks.get_mut(key).filter(|framework| framework.uid() == Some(uid)) else {
            return;
        };
        framework.written = None;
        // Tasks that were not adopted yet get their owner now: the garbage collector then deletes them like the others.
        for id in self.tasks_of(key) {
            let placed = self.tasks.get(&id).is_some_and(|task| task.placed().is_some());
            self.adopt(&id, placed);
        }
        self.stream_framework_deleted(key);
        self.framework_mut(key).object = None;
        for offer in self.offers_to(key) {
            self.drop_offer(&offer);
        }
        self.drop_acceptances(|pool| pool.framework == *key, "Framework is removed");
        self.drop_inverse_offers(key);
        self.allocator.remove_framework(key);
        for id in self.tasks_of(key) {
            let Some(task) = self.tasks.get(&id) else { continue };
            if task.placed().is_some() {
                self.kill(&id, KillCause::FrameworkRemoved);
            }
        }
        if !self.frameworks.get(key).is_none_or(|framework| framework.waiting.is_empty()) {
            self.timers.set_at_latest(Timer::Explain, self.now);
        }
        self.changed_frameworks.insert(key.clone());
    }

    /// The tasks that name a framework.
    pub(crate) fn tasks_of(&self, key: &ObjectKey) -> Vec<TaskId> {
        self.frameworks.get(key).map(|framework| framework.tasks.iter().cloned().collect()).unwrap_or_default()
    }

    /// The live offers to a framework.
    pub(crate) fn offers_to(&self, key: &ObjectKey) -> Vec<OfferId> {
        self.frameworks.get(key).map(|framework| framework.offers.iter().cloned().collect()).unwrap_or_default()
    }
}
