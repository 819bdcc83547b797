//! Calls of operators to an agent.

use super::container::{container, share_cgroups};
use super::resource::{gpus, is_persistent_volume, upgrade, validate_each};
use super::{Validity, command, ensure, ids, present, refuse};
use crate::v1::agent::Call;
use crate::v1::agent::call::attach_container_input::Type as InputType;
use crate::v1::agent::call::{AttachContainerInput, LaunchContainer, Type};
use crate::v1::{CommandInfo, ContainerId, ContainerInfo};

/// Checks a call (Mesos: `agent::call::validate`).
#[allow(clippy::too_many_lines, reason = "one arm per type of call")]
pub fn validate(call: &Call) -> Validity {
    let kind = call.r#type.and_then(|kind| Type::try_from(kind).ok());
    present(kind.as_ref(), "type")?;
    match call.r#type() {
        Type::GetMetrics => present(call.get_metrics.as_ref(), "get_metrics"),
        Type::SetLoggingLevel => present(call.set_logging_level.as_ref(), "set_logging_level"),
        Type::ListFiles => present(call.list_files.as_ref(), "list_files"),
        Type::ReadFile => present(call.read_file.as_ref(), "read_file"),
        Type::LaunchNestedContainer => {
            present(call.launch_nested_container.as_ref(), "launch_nested_container")?;
            call.launch_nested_container.iter().try_for_each(|launch| {
                nested("launch_nested_container", &launch.container_id)?;
                parts("launch_nested_container", launch.command.as_ref(), launch.container.as_ref())?;
                let own_cgroups = share_cgroups(launch.container.as_ref()) == Some(false);
                ensure(!(own_cgroups && is_twice_nested(&launch.container_id)), || {
                    "'launch_nested_container' is invalid: containers nested at the second level or greater cannot \
                     set 'share_cgroups' to 'false'"
                        .to_owned()
                })
            })
        }
        Type::WaitNestedContainer => {
            present(call.wait_nested_container.as_ref(), "wait_nested_container")?;
            call.wait_nested_container.iter().try_for_each(|body| nested("wait_nested_container", &body.container_id))
        }
        Type::KillNestedContainer => {
            present(call.kill_nested_container.as_ref(), "kill_nested_container")?;
            call.kill_nested_container.iter().try_for_each(|body| nested("kill_nested_container", &body.container_id))
        }
        Type::RemoveNestedContainer => {
            present(call.remove_nested_container.as_ref(), "remove_nested_container")?;
            let body = call.remove_nested_container.iter();
            body.into_iter().try_for_each(|body| nested("remove_nested_container", &body.container_id))
        }
        Type::LaunchNestedContainerSession => {
            let name = "launch_nested_container_session";
            present(call.launch_nested_container_session.as_ref(), name)?;
            call.launch_nested_container_session.iter().try_for_each(|launch| {
                nested(name, &launch.container_id)?;
                parts(name, launch.command.as_ref(), launch.container.as_ref())?;
                ensure(share_cgroups(launch.container.as_ref()) != Some(false), || {
                    "'launch_nested_container_session.container.linux_info' is invalid: 'share_cgroups' cannot be set \
                     to 'false' for nested container sessions"
                        .to_owned()
                })
            })
        }
        Type::AttachContainerInput => {
            present(call.attach_container_input.as_ref(), "attach_container_input")?;
            call.attach_container_input.iter().try_for_each(attach_input)
        }
        Type::AttachContainerOutput => {
            present(call.attach_container_output.as_ref(), "attach_container_output")?;
            call.attach_container_output
                .iter()
                .try_for_each(|body| named("attach_container_output", &body.container_id))
        }
        Type::LaunchContainer => {
            present(call.launch_container.as_ref(), "launch_container")?;
            call.launch_container.iter().try_for_each(launch_container)
        }
        Type::WaitContainer => {
            present(call.wait_container.as_ref(), "wait_container")?;
            call.wait_container.iter().try_for_each(|body| named("wait_container", &body.container_id))
        }
        Type::KillContainer => {
            present(call.kill_container.as_ref(), "kill_container")?;
            call.kill_container.iter().try_for_each(|body| named("kill_container", &body.container_id))
        }
        Type::RemoveContainer => {
            present(call.remove_container.as_ref(), "remove_container")?;
            call.remove_container.iter().try_for_each(|body| named("remove_container", &body.container_id))
        }
        Type::AddResourceProviderConfig => {
            let body = call.add_resource_provider_config.as_ref();
            present(body, "add_resource_provider_config")?;
            no_id("add_resource_provider_config", body.is_none_or(|body| body.info.id.is_none()))
        }
        Type::UpdateResourceProviderConfig => {
            let body = call.update_resource_provider_config.as_ref();
            present(body, "update_resource_provider_config")?;
            no_id("update_resource_provider_config", body.is_none_or(|body| body.info.id.is_none()))
        }
        Type::RemoveResourceProviderConfig => {
            present(call.remove_resource_provider_config.as_ref(), "remove_resource_provider_config")
        }
        Type::MarkResourceProviderGone => {
            present(call.mark_resource_provider_gone.as_ref(), "mark_resource_provider_gone")
        }
        // These carry nothing, or nothing that they must.
        Type::Unknown
        | Type::GetHealth
        | Type::GetFlags
        | Type::GetVersion
        | Type::GetLoggingLevel
        | Type::GetState
        | Type::GetContainers
        | Type::GetFrameworks
        | Type::GetExecutors
        | Type::GetOperations
        | Type::GetTasks
        | Type::GetAgent
        | Type::GetResourceProviders
        | Type::PruneImages => Ok(()),
    }
}

fn no_id(body: &str, holds: bool) -> Validity {
    ensure(holds, || format!("Expecting '{body}.info.id' to be unset"))
}

fn named(body: &str, id: &ContainerId) -> Validity {
    ids::container_id(id).map_err(|error| error.after(&format!("'{body}.container_id' is invalid: ")))
}

fn nested(body: &str, id: &ContainerId) -> Validity {
    named(body, id)?;
    ensure(id.parent.is_some(), || format!("Expecting '{body}.container_id.parent' to be present"))
}

fn is_twice_nested(id: &ContainerId) -> bool {
    id.parent.as_ref().is_some_and(|parent| parent.parent.is_some())
}

fn parts(body: &str, info: Option<&CommandInfo>, image: Option<&ContainerInfo>) -> Validity {
    if let Some(info) = info {
        command::command(info).map_err(|error| error.after(&format!("'{body}.command' is invalid: ")))?;
    }
    match image {
        Some(image) => container(image).map_err(|error| error.after(&format!("'{body}.container' is invalid: "))),
        None => Ok(()),
    }
}

fn attach_input(input: &AttachContainerInput) -> Validity {
    let kind = input.r#type.and_then(|kind| InputType::try_from(kind).ok());
    present(kind.as_ref(), "attach_container_input.type")?;
    match input.r#type() {
        InputType::Unknown => refuse("'attach_container_input.type' is unknown"),
        InputType::ContainerId => {
            let id = input.container_id.clone().unwrap_or_default();
            named("attach_container_input", &id)
        }
        InputType::ProcessIo => Ok(()),
    }
}

fn launch_container(launch: &LaunchContainer) -> Validity {
    named("launch_container", &launch.container_id)?;
    validate_each(&launch.resources).map_err(|error| error.after("Invalid resources: "))?;
    gpus(&launch.resources).map_err(|error| error.after("Invalid GPU resources: "))?;
    let is_standalone = launch.container_id.parent.is_none();
    if is_standalone {
        // The master keeps no account of what such a container uses.
        for resource in &launch.resources {
            let mut resource = resource.clone();
            upgrade(&mut resource);
            ensure(resource.reservations.is_empty(), || "'launch_container.resources' must be unreserved".to_owned())?;
            ensure(!is_persistent_volume(&resource), || {
                "'launch_container.resources' may not use persistent volumes".to_owned()
            })?;
            ensure(resource.revocable.is_none(), || "'launch_container.resources' must be non-revocable".to_owned())?;
        }
    }
    parts("launch_container", launch.command.as_ref(), launch.container.as_ref())?;
    let shared = share_cgroups(launch.container.as_ref());
    if is_twice_nested(&launch.container_id) {
        let refused = |what: &str| {
            format!("'launch_container' is invalid: containers nested at the second level or greater cannot {what}")
        };
        ensure(launch.resources.is_empty(), || refused("specify resources"))?;
        ensure(launch.limits.is_empty(), || refused("specify resource limits"))?;
        ensure(shared != Some(false), || refused("set 'share_cgroups' to 'false'"))?;
    }
    ensure(!(is_standalone && shared == Some(true)), || {
        "'launch_container' is invalid: containers without a parent cannot set 'share_cgroups' to 'true'".to_owned()
    })
}
