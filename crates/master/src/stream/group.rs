//! A framework launches a task group: checked as Mesos checks it, in its order and its words, and launched whole or not.

use super::accept::{allocate, list};
use super::launch::Place;
use super::{request, resources};
use crate::event::{TaskGroup, TaskRequest};
use crate::ids::ObjectKey;
use crate::master::Master;
use crate::operations::Pool;
use crate::state::{ExecutorKey, Member};
use proffer_mesos_api::v1::executor_info::Type as ExecutorType;
use proffer_mesos_api::v1::offer::operation::LaunchGroup;
use proffer_mesos_api::v1::task_status::Reason;
use proffer_mesos_api::v1::{ExecutorInfo, FrameworkId, TaskInfo, TaskState as V1State};
use proffer_mesos_api::validation::container::share_cgroups;
use proffer_mesos_api::validation::{task, task_group};
use proffer_resources::{ResourceBag, Role};
use std::collections::BTreeSet;

/// Most bytes of the commands, arguments and environments of a group together: an agent takes a group in by one record.
const LARGEST_GROUP: usize = 1024 * 1024;

/// A task of a group that can be launched.
struct Ready {
    info: TaskInfo,
    request: TaskRequest,
    held: ResourceBag,
}

impl Master {
    /// Launches a group out of accepted offers: all of its tasks, of which the number is returned, or none, and then each is
    /// told why not.
    pub(crate) fn launch_group(&mut self, pool: &mut Pool, group: &LaunchGroup) -> Result<usize, String> {
        let launched = self.try_to_launch_group(pool, group);
        if let Err(error) = &launched {
            let key = pool.framework.clone();
            for info in &group.task_group.tasks {
                self.tell_refused(&key, info, V1State::TaskError, Reason::TaskGroupInvalid, error);
            }
        }
        launched
    }

    fn try_to_launch_group(&mut self, pool: &mut Pool, group: &LaunchGroup) -> Result<usize, String> {
        let key = pool.framework.clone();
        let LaunchGroup { executor, task_group } = &with_executor(group, &pool.role)?;
        self.check_members(&key, pool, &task_group.tasks)?;
        let framework_id = self.stream_object(&key).map(|stream| stream.framework_id.clone()).unwrap_or_default();
        let id = executor.executor_id.value.clone();
        let running = self.executors.get(&ExecutorKey { agent: pool.agent.clone(), framework: key.clone(), id });
        let existing = running.map(|running| running.info.as_ref());
        task_group::executor(task_group, executor, &FrameworkId { value: framework_id }, existing)
            .map_err(|error| error.to_string())?;
        let mut total = if running.is_some() { ResourceBag::new() } else { resources::from_v1(&executor.resources)? };
        for info in &task_group.tasks {
            total.add(&resources::from_v1(&info.resources)?);
        }
        if !pool.left.contains(&total) {
            return Err(format!(
                "Total resources {} required by task group and its executor are more than available {}",
                list(&total, &pool.role),
                list(&pool.left, &pool.role)
            ));
        }
        let shares = running.and_then(|running| running.tasks.first()).and_then(|id| self.member_shares_cgroups(id));
        task_group::same_cgroups(task_group, executor, shares).map_err(|error| error.to_string())?;
        can_be_default(executor)?;
        let ready = task_group.tasks.iter().map(read).collect::<Result<Vec<Ready>, String>>()?;
        let size: usize = ready.iter().map(|ready| ready.request.command.size()).sum();
        if size > LARGEST_GROUP {
            return Err(format!(
                "The commands, arguments and environments of the group have {size} bytes together, and {LARGEST_GROUP} are \
                 taken: put large data into files that the commands read"
            ));
        }
        pool.left.subtract(&total);
        Ok(self.launch_ready(&key, pool, ready))
    }

    /// Launches the tasks of a group that was checked.
    fn launch_ready(&mut self, key: &ObjectKey, pool: &Pool, ready: Vec<Ready>) -> usize {
        let (id, size) = (self.name_container(), ready.len());
        for Ready { info, request, held } in ready {
            let place = Place { agent: pool.agent.clone(), role: pool.role.clone(), held, offer: Some(pool.number) };
            self.launch_over_stream(key, info, request, place, Some(TaskGroup { id: id.clone(), size }));
        }
        // What waits for a write is sent after it.
        self.send_group(&id);
        size
    }

    /// Each task by itself (Mesos: `task::group::internal::validateTask`).
    fn check_members(&self, key: &ObjectKey, pool: &Pool, tasks: &[TaskInfo]) -> Result<(), String> {
        let mut seen = BTreeSet::new();
        for info in tasks {
            let task_id = &info.task_id.value;
            let fresh = seen.insert(task_id);
            let checked = task::id(info).map_err(|error| error.to_string()).and_then(|()| {
                if !fresh {
                    return Err(format!("Task has duplicate ID: {task_id}"));
                }
                self.check_place(key, pool, info)?;
                task_group::member(info).map_err(|error| error.to_string())
            });
            checked.map_err(|error| format!("Task '{task_id}' is invalid: {error}"))?;
        }
        Ok(())
    }

    /// Whether a task of a group says that it shares its executor's cgroups; it does if it says nothing.
    fn member_shares_cgroups(&self, id: &crate::ids::TaskId) -> Option<bool> {
        let Member { shares_cgroups, .. } = self.member(id)?;
        Some(*shares_cgroups)
    }
}

/// The group with the offer's role in all of its resources, and the executor in each of its tasks, as Mesos keeps it.
fn with_executor(group: &LaunchGroup, role: &Role) -> Result<LaunchGroup, String> {
    let mut group = group.clone();
    allocate(&mut group.executor.resources, role)?;
    for info in &mut group.task_group.tasks {
        allocate(&mut info.resources, role)?;
        match &mut info.executor {
            Some(executor) => allocate(&mut executor.resources, role)?,
            None => info.executor = Some(Box::new(group.executor.clone())),
        }
    }
    Ok(group)
}

/// What agents look at of a task that was checked.
fn read(info: &TaskInfo) -> Result<Ready, String> {
    let invalid = |error: String| format!("Task '{}' is invalid: {error}", info.task_id.value);
    let request = request::task_request(info).map_err(invalid)?;
    let held = resources::from_v1(&info.resources).map_err(invalid)?;
    Ok(Ready { info: info.clone(), request, held })
}

/// Refuses executors that would have to be run, and what nobody would carry out for one that is not.
fn can_be_default(executor: &ExecutorInfo) -> Result<(), String> {
    if executor.r#type() != ExecutorType::Default {
        return Err(
            "Custom executors are not supported by this version of Proffer: give the task group an executor of type \
                    DEFAULT"
                .to_owned(),
        );
    }
    if executor.container.as_ref().is_some_and(|container| !request::is_plain(container)) {
        return Err(
            "Executors with images, volumes, networks or limits of their own are not supported by this version of \
                    Proffer"
                .to_owned(),
        );
    }
    Ok(())
}

/// Whether a task shares the cgroups of its executor, as far as it says.
pub(crate) fn shares_cgroups(info: &TaskInfo) -> bool {
    share_cgroups(info.container.as_deref()).unwrap_or(true)
}
