//! A framework accepts offers: operation by operation, task by task.

use super::launch::Place;
use super::offers::refuse_time;
use super::{operations, request, resources};
use crate::ids::{AgentName, ObjectKey, OfferId};
use crate::master::Master;
use crate::operations::{LaunchBody, Operation, Pool};
use crate::record::{OfferEnd, PlacedOn};
use proffer_mesos_api::v1;
use proffer_mesos_api::v1::framework_info::capability::Type as Capability;
use proffer_mesos_api::v1::offer::operation::Type;
use proffer_mesos_api::v1::resource::AllocationInfo;
use proffer_mesos_api::v1::scheduler::call::Accept;
use proffer_mesos_api::v1::task_status::Reason;
use proffer_mesos_api::v1::{FrameworkId, OfferId as V1OfferId, TaskInfo, TaskState as V1State};
use proffer_mesos_api::validation::{operation, task};
use proffer_resources::{ResourceBag, Role};
use std::collections::BTreeSet;
use std::time::Duration;

impl Master {
    /// A framework accepts offers. What its principal may not do is told, and the rest is done.
    pub(crate) fn accept(&mut self, key: &ObjectKey, accept: Accept, denied: &[(usize, String)]) {
        let Accept { offer_ids, operations, filters } = accept;
        match self.offers_accepted(key, &offer_ids) {
            Ok((offers, agent, role)) => {
                let mut allowed = Vec::new();
                for (index, operation) in operations.into_iter().enumerate() {
                    match denied.iter().find(|(denied, _)| *denied == index) {
                        None => allowed.extend(self.operation(key, operation, (&role, &agent))),
                        Some((_, why)) => self.refuse_operation(key, &operation, why),
                    }
                }

                self.accept_offers(key, &offers, allowed, refuse_time(filters.as_ref()));
            }
            Err(error) => self.refuse_acceptance(key, &offer_ids, operations, &error),
        }
    }

    /// What Mesos demands of offers that are accepted together, in its order and its words.
    fn offers_accepted(&self, key: &ObjectKey, names: &[V1OfferId]) -> Result<(Vec<OfferId>, AgentName, Role), String> {
        if names.is_empty() {
            return Err("No offers specified".to_owned());
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = names.iter().find(|name| !seen.insert(&name.value)) {
            return Err(format!("Duplicate offer {} in offer list", twice.value));
        }
        let ids = names.iter().map(|name| {
            // Of another framework's offer not even that it exists is told.
            self.own_offer(key, &name.value).ok_or_else(|| format!("Offer {} is no longer valid", name.value))
        });
        let offers = ids.collect::<Result<Vec<OfferId>, String>>()?;
        let mut place: Option<(&AgentName, &Role)> = None;
        for offer in offers.iter().filter_map(|id| self.offers.get(id)) {
            let (agent, role) = place.get_or_insert((&offer.agent, &offer.role));
            if *role != &offer.role {
                return Err(format!(
                    "Aggregated offers must be allocated to the same role. One offer uses role '{}' but another is using \
                     role '{role}'",
                    offer.role
                ));
            }
            if *agent != &offer.agent {
                return Err(format!(
                    "Aggregated offers must belong to one single agent. One offer uses agent {} and another {agent}",
                    offer.agent
                ));
            }
        }
        let (agent, role) = place.map(|(agent, role)| (agent.clone(), role.clone())).ok_or("No offers specified")?;
        Ok((offers, agent, role))
    }

    /// Offers cannot be accepted so: those that are there are given up, and what was to be done is told not to be.
    fn refuse_acceptance(
        &mut self,
        key: &ObjectKey,
        offers: &[V1OfferId],
        operations: Vec<v1::offer::Operation>,
        error: &str,
    ) {
        for name in offers {
            if let Some(id) = self.own_offer(key, &name.value) {
                self.refuse(&id, Some(Duration::ZERO));
                self.end_offer(&id, OfferEnd::Rejected, error.to_owned());
            }
        }
        let state = if self.can(key, Capability::PartitionAware) { V1State::TaskDropped } else { V1State::TaskLost };
        for operation in operations {
            if let Some(tasks) = launched_by(&operation) {
                let message = format!("Task launched with invalid offers: {error}");
                for info in tasks {
                    self.tell_refused(key, info, state, Reason::InvalidOffers, &message);
                }
            } else {
                let message = format!("Operation attempted with invalid offers: {error}");
                self.drop_operation(key, &operation, None, message);
            }
        }
    }

    /// An operation that the framework's principal may not do.
    fn refuse_operation(&mut self, key: &ObjectKey, operation: &v1::offer::Operation, why: &str) {
        match launched_by(operation) {
            Some(tasks) => {
                let group = operation.r#type() == Type::LaunchGroup;
                let reason = if group { Reason::TaskGroupUnauthorized } else { Reason::TaskUnauthorized };
                for info in tasks {
                    self.tell_refused(key, info, V1State::TaskError, reason, why);
                }
            }
            None => self.drop_operation(key, operation, None, why.to_owned()),
        }
    }

    /// One operation, as the master carries it out. What is wrong with a launch as a whole is told of its tasks.
    fn operation(
        &mut self,
        key: &ObjectKey,
        mut operation: v1::offer::Operation,
        (role, agent): (&Role, &AgentName),
    ) -> Option<Operation> {
        let reason = match operation.r#type() {
            Type::Launch => Some(Reason::TaskInvalid),
            Type::LaunchGroup => Some(Reason::TaskGroupInvalid),
            _ => None,
        };
        if let Some(reason) = reason
            && let Err(error) = operation::validate_and_upgrade(&mut operation)
        {
            for info in launched_by(&operation).unwrap_or_default() {
                self.tell_refused(key, info, V1State::TaskError, reason, &error.to_string());
            }
            return None;
        }
        let info = self.stream_object(key).map(|stream| stream.info.clone()).unwrap_or_default();
        let PlacedOn { agent_id, address, .. } = self.place_on(agent);
        // As Mesos prints an agent.
        let agent = format!("{agent_id} at slave(1)@{}:5051 ({agent})", address.unwrap_or_default());
        Some(operations::read(operation, role, &info, &agent))
    }

    /// Launches a task out of accepted offers, or tells its framework why not, in Mesos' words where it is Mesos' rule.
    pub(crate) fn launch_info(&mut self, pool: &mut Pool, info: &TaskInfo) -> Result<(), String> {
        let launched = self.try_to_launch(pool, info);
        if let Err(error) = &launched {
            let key = pool.framework.clone();
            self.tell_refused(&key, info, V1State::TaskError, Reason::TaskInvalid, error);
        }
        launched
    }

    fn try_to_launch(&mut self, pool: &mut Pool, info: &TaskInfo) -> Result<(), String> {
        let key = pool.framework.clone();
        task::id(info).map_err(|error| error.to_string())?;
        self.check_place(&key, pool, info)?;
        let mut info = info.clone();
        allocate(&mut info.resources, &pool.role)?;
        task::description(&info).map_err(|error| error.to_string())?;
        let framework_id = self.stream_object(&key).map(|stream| stream.framework_id.clone()).unwrap_or_default();
        task::executor_of(&info, &FrameworkId { value: framework_id }, None).map_err(|error| error.to_string())?;
        let asked = resources::from_v1(&info.resources)?;
        if !pool.left.contains(&asked) {
            return Err(format!(
                "Total resources {} required by task and its executor is more than available {}",
                list(&asked, &pool.role),
                list(&pool.left, &pool.role)
            ));
        }
        task::no_own_cgroups(&info).map_err(|error| error.to_string())?;
        let request = request::task_request(&info)?;
        pool.left.subtract(&asked);
        let place = Place { agent: pool.agent.clone(), role: pool.role.clone(), held: asked, offer: Some(pool.number) };
        self.launch_over_stream(&key, info, request, place, None);
        Ok(())
    }

    /// Whether a task's ID is free, and it names the offers' agent (part of Mesos' `validateTask`).
    pub(super) fn check_place(&self, key: &ObjectKey, pool: &Pool, info: &TaskInfo) -> Result<(), String> {
        let task_id = &info.task_id.value;
        if self.task_of(key, task_id).is_some_and(|id| self.is_in_use(&id)) {
            return Err(format!("Task has duplicate ID: {task_id}"));
        }
        let agent_id = self.place_on(&pool.agent).agent_id;
        if info.agent_id.value != agent_id {
            return Err(format!("Task uses invalid agent {} while agent {agent_id} is expected", info.agent_id.value));
        }
        Ok(())
    }

    /// Tells of tasks that they are not launched, as their agent or their framework is gone meanwhile.
    pub(crate) fn drop_launch(&mut self, key: &ObjectKey, launch: &LaunchBody, why: &str) {
        let infos = match launch {
            LaunchBody::Objects(_) => return,
            LaunchBody::Infos(infos) => infos,
            LaunchBody::Group(group) => &group.task_group.tasks,
        };
        let state = if self.can(key, Capability::PartitionAware) { V1State::TaskDropped } else { V1State::TaskLost };
        for info in infos {
            self.tell_refused(key, info, state, Reason::AgentRemoved, why);
        }
    }

    /// Whether a task's ID cannot be used again: it runs, or its end is not acknowledged.
    fn is_in_use(&self, id: &crate::ids::TaskId) -> bool {
        self.tasks
            .get(id)
            .is_some_and(|task| !task.is_over() || task.stream.as_ref().is_some_and(|stream| stream.pending.is_some()))
    }
}

/// The tasks that an operation launches, if it does.
fn launched_by(operation: &v1::offer::Operation) -> Option<&[TaskInfo]> {
    match operation.r#type() {
        Type::Launch => Some(operation.launch.as_ref().map_or(&[], |launch| &launch.task_infos)),
        Type::LaunchGroup => Some(operation.launch_group.as_ref().map_or(&[], |group| &group.task_group.tasks)),
        _ => None,
    }
}

/// Says of resources that do not say it that they are given to this role, as Mesos does for older frameworks.
pub(super) fn allocate(resources: &mut [v1::Resource], role: &Role) -> Result<(), String> {
    for resource in resources {
        let told = resource.allocation_info.get_or_insert_with(AllocationInfo::default);
        let told = told.role.get_or_insert_with(|| role.as_str().to_owned());
        if told != role.as_str() {
            return Err(format!(
                "Task's resources are allocated to role '{told}' while the offer's are allocated to role '{role}'"
            ));
        }
    }
    Ok(())
}

/// Resources as Mesos puts them into messages.
pub(super) fn list(resources: &ResourceBag, role: &Role) -> String {
    resources.allocate(role).to_string().replace(';', "; ")
}
