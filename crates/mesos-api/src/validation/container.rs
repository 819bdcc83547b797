//! Containers and their volumes.

use super::{Validity, ensure, refuse};
use crate::v1::volume::source::Type as SourceType;
use crate::v1::{ContainerInfo, Volume, container_info, volume};

/// What a container is made of (Mesos: `common::validation::validateContainerInfo`).
pub fn container(container: &ContainerInfo) -> Validity {
    container.volumes.iter().try_for_each(validate_volume).map_err(|error| error.after("Invalid volume: "))?;
    if container.r#type() == container_info::Type::Docker {
        let Some(docker) = &container.docker else {
            return refuse("DockerInfo 'docker' is not set for DOCKER typed ContainerInfo");
        };
        // The containerizer names containers itself, to know them again.
        ensure(docker.parameters.iter().all(|parameter| parameter.key != "name"), || {
            "Parameter in DockerInfo must not be 'name'".to_owned()
        })?;
    }
    Ok(())
}

/// A volume has exactly one origin (Mesos: `common::validation::validateVolume`).
pub fn validate_volume(volume: &Volume) -> Validity {
    let origins = [volume.host_path.is_some(), volume.image.is_some(), volume.source.is_some()];
    ensure(origins.into_iter().filter(|set| *set).count() == 1, || {
        "Only one of them should be set: 'host_path', 'image' and 'source'".to_owned()
    })?;
    volume.source.as_ref().map_or(Ok(()), validate_source)
}

fn validate_source(source: &volume::Source) -> Validity {
    let (set, field, kind) = match source.r#type() {
        SourceType::DockerVolume => (source.docker_volume.is_some(), "docker_volume", "DOCKER_VOLUME"),
        SourceType::HostPath => (source.host_path.is_some(), "host_path", "HOST_PATH"),
        SourceType::SandboxPath => (source.sandbox_path.is_some(), "sandbox_path", "SANDBOX_PATH"),
        SourceType::Secret => (source.secret.is_some(), "secret", "SECRET"),
        SourceType::CsiVolume => match &source.csi_volume {
            None => (false, "csi_volume", "CSI"),
            Some(csi) => (csi.static_provisioning.is_some(), "csi_volume.static_provisioning", "CSI"),
        },
        SourceType::Unknown => return refuse("'source.type' is unknown"),
    };
    ensure(set, || format!("'source.{field}' is not set for {kind} volume"))
}

/// What `share_cgroups` was set to; nothing if it was not.
#[must_use]
pub fn share_cgroups(container: Option<&ContainerInfo>) -> Option<bool> {
    container?.linux_info.as_ref()?.share_cgroups
}
