//! Task and executor descriptions.

use super::container::share_cgroups;
use super::resource::{
    allocated_to_one_role, fixed, not_mixed, scalar_of, unique_persistence_ids, validate as validate_resources,
};
use super::resource_sum::overlap;
use super::resource_text::list;
use super::{Validity, command, container, ensure, health, ids, refuse};
use crate::v1::container_info::Type as ContainerType;
use crate::v1::executor_info::Type as ExecutorType;
use crate::v1::{DurationInfo, ExecutorInfo, FrameworkId, Resource, TaskInfo};

/// A task's ID. Mesos then asks whether the framework has such a task already, and whether the task names the offers'
/// agent, before [`description`].
pub fn id(task: &TaskInfo) -> Validity {
    ids::id(&task.task_id.value)
}

/// What a task says, but for its executor (Mesos: `task::internal::validateTask` after the ID).
pub fn description(task: &TaskInfo) -> Validity {
    let grace = task.kill_policy.as_ref().and_then(|policy| policy.grace_period.as_ref());
    ensure(not_negative(grace), || "Task's 'kill_policy.grace_period' must be non-negative".to_owned())?;
    ensure(not_negative(task.max_completion_time.as_ref()), || {
        "Task's `max_completion_time` must be non-negative".to_owned()
    })?;
    if let Some(check) = &task.check {
        health::check(check).map_err(|error| error.after("Task uses invalid check: "))?;
    }
    if let Some(check) = &task.health_check {
        health::health_check(check).map_err(|error| error.after("Task uses invalid health check: "))?;
    }
    ensure(!task.resources.is_empty(), || "Task uses no resources".to_owned())?;
    use_of(&task.resources, "Task", "task")?;
    if let Some(info) = &task.command {
        command::command(info).map_err(|error| error.after("Task's `CommandInfo` is invalid: "))?;
    }
    if let Some(info) = &task.container {
        container::container(info).map_err(|error| error.after("Task's `ContainerInfo` is invalid: "))?;
    }
    limits(task)
}

fn not_negative(duration: Option<&DurationInfo>) -> bool {
    duration.is_none_or(|duration| duration.nanoseconds >= 0)
}

/// The resources of a task or an executor.
fn use_of(resources: &[Resource], whose: &str, what: &str) -> Validity {
    validate_resources(resources).map_err(|error| error.after(&format!("{whose} uses invalid resources: ")))?;
    unique_persistence_ids(resources)
        .map_err(|error| error.after(&format!("{whose} uses duplicate persistence ID: ")))?;
    allocated_to_one_role(resources).map_err(|error| error.after(&format!("Invalid {what} resources: ")))?;
    not_mixed(resources).map_err(|error| error.after(&format!("{whose} mixes revocable and non-revocable resources: ")))
}

fn limits(task: &TaskInfo) -> Validity {
    ensure(task.limits.keys().all(|name| name == "cpus" || name == "mem"), || {
        "Only cpus and mem may be included in a task's resource limits".to_owned()
    })?;
    for (name, noun, short) in [("cpus", "CPU", "cpu"), ("mem", "memory", "memory")] {
        let Some(limit) = task.limits.get(name) else { continue };
        let Some(request) = scalar_of(&task.resources, name) else {
            return refuse(format!("When a {noun} limit is specified, a {noun} request must also be specified"));
        };
        let unlimited = limit.value == f64::INFINITY;
        ensure(unlimited || i128::from(fixed(limit.value)) >= request, || {
            format!("The {short} limit must be greater than or equal to the {short} request")
        })?;
    }
    Ok(())
}

/// An executor by itself (Mesos: `executor::validate`).
pub fn executor(executor: &ExecutorInfo) -> Validity {
    executor_type(executor)?;
    ids::id(&executor.executor_id.value)?;
    ensure(not_negative(executor.shutdown_grace_period.as_ref()), || {
        "ExecutorInfo's 'shutdown_grace_period' must be non-negative".to_owned()
    })?;
    if let Some(info) = &executor.command {
        command::command(info).map_err(|error| error.after("Executor's `CommandInfo` is invalid: "))?;
    }
    if let Some(info) = &executor.container {
        container::container(info).map_err(|error| error.after("Executor's `ContainerInfo` is invalid: "))?;
    }
    Ok(())
}

fn executor_type(executor: &ExecutorInfo) -> Validity {
    match executor.r#type() {
        ExecutorType::Unknown => Ok(()),
        ExecutorType::Custom => {
            ensure(executor.command.is_some(), || "'ExecutorInfo.command' must be set for 'CUSTOM' executor".to_owned())
        }
        ExecutorType::Default => {
            ensure(executor.command.is_none(), || {
                "'ExecutorInfo.command' must not be set for 'DEFAULT' executor".to_owned()
            })?;
            let Some(container) = &executor.container else { return Ok(()) };
            ensure(container.r#type() == ContainerType::Mesos, || {
                "'ExecutorInfo.container.type' must be 'MESOS' for 'DEFAULT' executor".to_owned()
            })?;
            ensure(container.mesos.as_ref().is_none_or(|mesos| mesos.image.is_none()), || {
                "'ExecutorInfo.container.mesos.image' must not be set for 'DEFAULT' executor".to_owned()
            })
        }
    }
}

/// An executor for a framework, on an agent that may have one of that ID already (Mesos: `executor::internal::validate`).
pub fn executor_for(info: &ExecutorInfo, framework: &FrameworkId, existing: Option<&ExecutorInfo>) -> Validity {
    executor(info)?;
    let Some(named) = &info.framework_id else { return refuse("'ExecutorInfo.framework_id' must be set") };
    ensure(named == framework, || {
        format!("ExecutorInfo has an invalid FrameworkID (Actual: {} vs Expected: {})", named.value, framework.value)
    })?;
    use_of(&info.resources, "Executor", "executor")?;
    match existing {
        Some(existing) if existing != info => {
            let line = "------------------------------------------------------------";
            refuse(format!(
                "ExecutorInfo is not compatible with existing ExecutorInfo with same ExecutorID.\n{line}\n\
                 Existing ExecutorInfo:\n{}\n{line}\nExecutorInfo:\n{}\n{line}\n",
                crate::json::encode(existing),
                crate::json::encode(info)
            ))
        }
        _ => Ok(()),
    }
}

/// The executor that a task names (Mesos: `task::internal::validateExecutor`). `existing` is the executor of that ID
/// which runs on the agent. Mesos then asks whether the offers have what task and executor need, and last
/// [`no_own_cgroups`].
pub fn executor_of(task: &TaskInfo, framework: &FrameworkId, existing: Option<&ExecutorInfo>) -> Validity {
    ensure(task.executor.is_some() != task.command.is_some(), || {
        "Task should have at least one (but not both) of CommandInfo or ExecutorInfo present".to_owned()
    })?;
    if let Some(info) = &task.executor {
        executor_for(info, framework, existing)?;
        ensure(info.r#type.is_none() || info.r#type() == ExecutorType::Custom, || {
            "'ExecutorInfo.type' must be 'CUSTOM'".to_owned()
        })?;
        ensure(info.command.is_some(), || "'ExecutorInfo.command' must be set".to_owned())?;
        ensure(info.resources.iter().all(|resource| resource.shared.is_none()), || {
            format!("Executor resources {} should not contain any shared resources", list(&info.resources))
        })?;
        no_shared_cgroups(info)?;
    }
    resources_together(task)
}

/// An executor's container shares its cgroups with none (part of several checks of Mesos).
pub(super) fn no_shared_cgroups(executor: &ExecutorInfo) -> Validity {
    ensure(share_cgroups(executor.container.as_ref()) != Some(true), || {
        "The 'share_cgroups' field cannot be set to 'true' on executor containers".to_owned()
    })
}

/// Resources of a task and its executor together (Mesos: `validateTaskAndExecutorResources`).
fn resources_together(task: &TaskInfo) -> Validity {
    let executor: &[Resource] = task.executor.as_ref().map_or(&[], |executor| &executor.resources);
    let total: Vec<Resource> = task.resources.iter().chain(executor).cloned().collect();
    validate_resources(&total).map_err(|error| error.after("Task and its executor use invalid resources: "))?;
    ensure(!overlap(&[&task.resources, executor]), || {
        format!(
            "There are overlapping resources in the task resources {} and executor resources {}",
            list(&task.resources),
            list(executor)
        )
    })?;
    unique_persistence_ids(&total)
        .map_err(|error| error.after("Task and its executor use duplicate persistence ID: "))?;
    not_mixed(&total).map_err(|error| error.after("Task and its executor mix revocable and non-revocable resources: "))
}

/// Outside a task group no task has cgroups of its own below its executor's (Mesos: `task::internal::validateShareCgroups`).
pub fn no_own_cgroups(task: &TaskInfo) -> Validity {
    ensure(share_cgroups(task.container.as_deref()) != Some(false), || {
        "Only tasks in a task group may have 'share_cgroups' set to 'false'".to_owned()
    })
}
