//! The calls of subscribed frameworks, one match.

use super::describe::{amount, quantities};
use crate::ids::{Connection, ObjectKey, TaskId};
use crate::master::Master;
use crate::state::KillCause;
use proffer_mesos_api::v1::framework_info::capability::Type as Capability;
use proffer_mesos_api::v1::scheduler::Call;
use proffer_mesos_api::v1::scheduler::call::{Kill, Type, reconcile};
use proffer_mesos_api::v1::{Request, TaskState as V1State};
use proffer_mesos_api::validation::framework::has_capability;
use proffer_resources::{Quantities, Role};
use std::collections::BTreeSet;
use std::time::Duration;

impl Master {
    /// A subscribed framework calls. A call that came over a stream by which it is not subscribed any more is dropped.
    pub(crate) fn scheduler_call(&mut self, connection: Connection, call: Call, denied: &[(usize, String)]) {
        let Some(key) = self.streams.connections.get(&connection).cloned() else { return };
        match call.r#type() {
            Type::Teardown => self.complete_framework(&key, "its scheduler tore it down".to_owned()),
            Type::Accept => {
                if let Some(accept) = call.accept {
                    self.accept(&key, accept, denied);
                }
            }
            Type::Decline => {
                if let Some(decline) = call.decline {
                    self.decline(&key, &decline.offer_ids, decline.filters.as_ref());
                }
            }
            Type::Revive => self.revive(&key, call.revive.map(|revive| revive.roles).unwrap_or_default()),
            Type::Suppress => self.suppress(&key, call.suppress.map(|suppress| suppress.roles).unwrap_or_default()),
            Type::Kill => {
                if let Some(kill) = call.kill {
                    self.scheduler_kills(&key, kill);
                }
            }
            Type::Shutdown => {
                if let Some(shutdown) = call.shutdown {
                    self.shut_down(&key, &shutdown.executor_id.value, &shutdown.agent_id.value);
                }
            }
            Type::Acknowledge => {
                if let Some(acknowledge) = call.acknowledge {
                    self.acknowledged(&key, &acknowledge);
                }
            }
            Type::Reconcile => {
                let tasks = call.reconcile.map(|reconcile| reconcile.tasks).unwrap_or_default();
                if tasks.is_empty() { self.reconcile_all(&key) } else { self.reconcile_tasks(&key, &tasks) }
            }
            Type::ReconcileOperations => {
                let operations = call.reconcile_operations.map(|asked| asked.operations).unwrap_or_default();
                self.reconcile_operations(&key, operations);
            }
            Type::Request => {
                self.request_shapes(&key, &call.request.map(|request| request.requests).unwrap_or_default());
            }
            Type::AcknowledgeOperationStatus => {
                if let Some(acknowledge) = call.acknowledge_operation_status {
                    // Mesos, too, passes over those that it does not wait for.
                    self.acknowledge_operation(&key, &acknowledge.operation_id.value, &acknowledge.uuid);
                }
            }
            Type::AcceptInverseOffers => {
                if let Some(accept) = call.accept_inverse_offers {
                    self.answer_inverse_offers(&key, &accept.inverse_offer_ids, accept.filters.as_ref(), true);
                }
            }
            Type::DeclineInverseOffers => {
                if let Some(decline) = call.decline_inverse_offers {
                    self.answer_inverse_offers(&key, &decline.inverse_offer_ids, decline.filters.as_ref(), false);
                }
            }
            // No executor would get the message.
            Type::Message | Type::Subscribe | Type::UpdateFramework | Type::Unknown => {}
        }
    }

    /// The newest task of a framework of this ID.
    pub(crate) fn task_of(&self, key: &ObjectKey, task_id: &str) -> Option<TaskId> {
        self.frameworks.get(key)?.stream.tasks.get(task_id).cloned()
    }

    /// Whether a framework said that it knows of something.
    pub(crate) fn can(&self, key: &ObjectKey, capability: Capability) -> bool {
        self.stream_object(key).is_some_and(|stream| has_capability(&stream.info, capability))
    }

    /// A framework wants a task ended.
    fn scheduler_kills(&mut self, key: &ObjectKey, kill: Kill) {
        let Kill { task_id, agent_id, kill_policy } = kill;
        let known = self.task_of(key, &task_id.value);
        let Some(id) = known.filter(|id| self.tasks.get(id).is_some_and(|task| task.placed().is_some())) else {
            // As Mesos does: who kills a task that is not known does not know what became of it.
            self.reconcile_tasks(key, &[reconcile::Task { task_id, agent_id }]);
            return;
        };
        if agent_id.is_some_and(|agent_id| !self.is_on(&id, &agent_id.value)) {
            return;
        }
        let first = self.tasks.get(&id).and_then(|task| task.placed()).is_some_and(|placed| placed.kill.is_none());
        self.kill(&id, KillCause::Scheduler);
        let grace = kill_policy.and_then(|policy| policy.grace_period);
        if let Some(nanoseconds) = grace.and_then(|grace| u64::try_from(grace.nanoseconds).ok()) {
            self.send_kill_within(&id, Some(Duration::from_nanos(nanoseconds)));
        }
        if first && self.can(key, Capability::TaskKillingState) {
            self.tell_state(&id, V1State::TaskKilling, None, "The framework asked for it");
        }
    }

    /// A framework wants an executor ended: one of task groups, or that of a command task, which has the task's ID.
    fn shut_down(&mut self, key: &ObjectKey, executor_id: &str, agent_id: &str) {
        let of_groups =
            self.executors.iter().filter(|(executor, _)| executor.framework == *key && executor.id == executor_id);
        let tasks = of_groups.flat_map(|(_, executor)| &executor.tasks);
        let alone = self.task_of(key, executor_id).filter(|id| self.member(id).is_none());
        let tasks: Vec<TaskId> = tasks.cloned().chain(alone).filter(|id| self.is_on(id, agent_id)).collect();
        for id in tasks {
            self.kill(&id, KillCause::Scheduler);
        }
    }

    /// Whether a task is on the agent of this ID.
    fn is_on(&self, id: &TaskId, agent_id: &str) -> bool {
        let place = self.tasks.get(id).and_then(|task| task.record.agent.as_ref());
        place.is_some_and(|place| place.agent_id == agent_id)
    }

    fn revive(&mut self, key: &ObjectKey, roles: Vec<String>) {
        let Some(roles) = self.roles_named(key, roles) else { return };
        if let Some(framework) = self.frameworks.get_mut(key) {
            framework.suppressed = framework.suppressed.difference(&roles).cloned().collect();
        }
        self.allocator.revive(key, &roles);
        self.changed_frameworks.insert(key.clone());
    }

    fn suppress(&mut self, key: &ObjectKey, roles: Vec<String>) {
        let Some(roles) = self.roles_named(key, roles) else { return };
        if let Some(framework) = self.frameworks.get_mut(key) {
            framework.suppressed.extend(roles.iter().cloned());
        }
        self.allocator.suppress(key, &roles);
        self.changed_frameworks.insert(key.clone());
    }

    /// The roles that a call names, all of the framework's if it names none. `None`, and the call is dropped as in Mesos, if
    /// one of them is not the framework's.
    fn roles_named(&self, key: &ObjectKey, named: Vec<String>) -> Option<BTreeSet<Role>> {
        let own = self.frameworks.get(key)?.roles();
        if named.is_empty() {
            return Some(own.iter().cloned().collect());
        }
        named.into_iter().map(|name| own.iter().find(|role| role.as_str() == name).cloned()).collect()
    }

    /// A framework says what its tasks need. Mesos' allocator ignores that; ours looks for offers that hold one of them.
    fn request_shapes(&mut self, key: &ObjectKey, requests: &[Request]) {
        let Some(framework) = self.frameworks.get(key) else { return };
        let shapes: Vec<Quantities> = requests
            .iter()
            .map(|request| {
                let scalars = request
                    .resources
                    .iter()
                    .filter_map(|resource| Some((resource.name.as_str(), amount(resource.scalar.as_ref()?.value))));
                quantities(scalars)
            })
            .collect();
        for role in framework.roles().to_vec() {
            self.allocator.request(key, &role, shapes.clone());
        }
    }
}
