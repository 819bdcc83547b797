//! Task groups.

use super::container::share_cgroups;
use super::resource::{not_mixed, scalar_of, unique_persistence_ids};
use super::resource_sum::overlap;
use super::resource_text::{list, thousandths};
use super::task::{executor_for, no_shared_cgroups};
use super::{Validity, command, ensure, refuse, task};
use crate::v1::container_info::Type as ContainerType;
use crate::v1::executor_info::Type as ExecutorType;
use crate::v1::health_check::Type as HealthCheckType;
use crate::v1::{ExecutorInfo, FrameworkId, Resource, TaskGroupInfo, TaskInfo};

/// Least cpus of an executor, in thousandths.
const MIN_CPUS: i128 = 10;
/// Least memory of an executor, in thousandths of a MiB.
const MIN_MEM: i128 = 32_000;

/// A task of a group, after [`task::id`] and the questions that follow it (Mesos: `task::group::internal::validateTask`).
/// The caller puts `Task '…' is invalid: ` before the reason.
pub fn member(info: &TaskInfo) -> Validity {
    task::description(info)?;
    ensure(info.executor.is_some(), || "'TaskInfo.executor' must be set".to_owned())?;
    if let Some(container) = &info.container {
        let over_network = info
            .health_check
            .as_ref()
            .is_some_and(|check| matches!(check.r#type(), HealthCheckType::Http | HealthCheckType::Tcp));
        ensure(container.network_infos.is_empty() || !over_network, || {
            "HTTP and TCP health checks are not supported for nested containers not joining parent's network".to_owned()
        })?;
        ensure(container.r#type() != ContainerType::Docker, || {
            "Docker ContainerInfo is not supported on the task".to_owned()
        })?;
    }
    ensure(info.limits.is_empty() || share_cgroups(info.container.as_deref()) == Some(false), || {
        "Resource limits may only be set for tasks within a task group when the 'share_cgroups' field is set to \
         'false'."
            .to_owned()
    })
}

/// The executor of a group (Mesos: `task::group::internal::validateExecutor`). Mesos then asks whether the offers have
/// what group and executor need, and checks the executor's command, which [`executor_for`] has checked already.
pub fn executor(
    group: &TaskGroupInfo,
    info: &ExecutorInfo,
    framework: &FrameworkId,
    existing: Option<&ExecutorInfo>,
) -> Validity {
    let id = &info.executor_id.value;
    executor_for(info, framework, existing)?;
    ensure(info.r#type.is_some(), || "'ExecutorInfo.type' must be set".to_owned())?;
    ensure(info.r#type() != ExecutorType::Unknown, || "Unknown executor type".to_owned())?;
    ensure(info.container.as_ref().is_none_or(|container| container.r#type() != ContainerType::Docker), || {
        "Docker ContainerInfo is not supported on the executor".to_owned()
    })?;
    for member in &group.tasks {
        ensure(member.executor.as_ref().is_none_or(|named| **named == *info), || {
            format!("The `ExecutorInfo` of task '{}' is different from executor '{id}'", member.task_id.value)
        })?;
    }
    enough(info, "cpus", "CPUs", MIN_CPUS, "0.01")?;
    enough(info, "mem", "memory", MIN_MEM, "32MB")?;
    ensure(scalar_of(&info.resources, "disk").is_some(), || format!("Executor '{id}' uses no disk"))?;
    resources_together(group, info)?;
    match &info.command {
        Some(found) => command::command(found)
            .map_err(|error| error.after(&format!("Executor '{id}'contains an invalid command: "))),
        None => Ok(()),
    }
}

fn enough(info: &ExecutorInfo, name: &str, noun: &str, least: i128, text: &str) -> Validity {
    let found = scalar_of(&info.resources, name);
    if found.is_some_and(|found| found >= least) {
        return Ok(());
    }
    let unit = if name == "mem" { "MB" } else { "" };
    let used = found
        .map_or("None".to_owned(), |found| format!("{}{unit}", thousandths(i64::try_from(found).unwrap_or(i64::MIN))));
    refuse(format!(
        "Executor '{}' uses less {noun} ({used}) than the minimum required ({text})",
        info.executor_id.value
    ))
}

/// Resources of a group and its executor together (Mesos: `validateTaskGroupAndExecutorResources`).
fn resources_together(group: &TaskGroupInfo, info: &ExecutorInfo) -> Validity {
    let all = || info.resources.iter().chain(group.tasks.iter().flat_map(|task| &task.resources));
    unique_persistence_ids(all())
        .map_err(|error| error.after("Task group and executor use duplicate persistence ID: "))?;
    not_mixed(all())
        .map_err(|error| error.after("Task group and executor mix revocable and non-revocable resources: "))?;
    let mut parts: Vec<&[Resource]> = group.tasks.iter().map(|task| task.resources.as_slice()).collect();
    parts.push(&info.resources);
    ensure(!overlap(&parts), || {
        let tasks: Vec<String> = group.tasks.iter().map(|task| list(&task.resources)).collect();
        format!(
            "There are overlapping resources in the task group's task resources [ {} ] and/or executor resources {}",
            tasks.join(", "),
            list(&info.resources)
        )
    })
}

/// All tasks under an executor share its cgroups, or none does (Mesos: `task::group::internal::validateShareCgroups`).
/// `running` says it of the tasks that the executor has already; nothing if it has none.
pub fn same_cgroups(group: &TaskGroupInfo, info: &ExecutorInfo, running: Option<bool>) -> Validity {
    no_shared_cgroups(info)?;
    let mut all =
        group.tasks.iter().map(|task| share_cgroups(task.container.as_deref()).unwrap_or(true)).chain(running);
    let first = all.next();
    ensure(all.all(|shared| Some(shared) == first), || {
        "If set, the value of 'share_cgroups' must be the same for all tasks in each task group and under a single \
         executor"
            .to_owned()
    })
}
