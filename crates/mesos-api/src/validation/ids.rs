//! IDs, roles and UUIDs.

use super::{Validity, ensure, refuse};
use crate::v1::ContainerId;

/// Most bytes of an ID: what a file name may have, since IDs become names of directories.
pub const MAX_ID_LENGTH: usize = 255;

/// Most bytes of a container's ID; the rest of a path must fit beside it.
pub const MAX_CONTAINER_ID_LENGTH: usize = 242;

/// An ID of a framework, task, executor, agent or volume (Mesos: `common::validation::validateID`).
pub fn id(id: &str) -> Validity {
    ensure(!id.is_empty(), || "ID must not be empty".to_owned())?;
    ensure(id.len() <= MAX_ID_LENGTH, || format!("ID must not be greater than {MAX_ID_LENGTH} characters"))?;
    ensure(id != "." && id != "..", || format!("'{id}' is disallowed"))?;
    let allowed = |byte: u8| !byte.is_ascii_control() && byte != b'/' && byte != b'\\';
    ensure(id.bytes().all(allowed), || format!("'{id}' contains invalid characters"))
}

/// A container's ID and those of its parents (Mesos: `container::validateContainerId`).
pub fn container_id(container: &ContainerId) -> Validity {
    let value = &container.value;
    id(value)?;
    ensure(value.len() <= MAX_CONTAINER_ID_LENGTH, || {
        format!("'ContainerID.value' '{value}' exceeds the maximum length ({MAX_CONTAINER_ID_LENGTH})")
    })?;
    // Periods join the IDs of nested containers; spaces would have to be quoted in logs.
    ensure(!value.contains(['.', ' ']), || format!("'ContainerID.value' '{value}' contains invalid characters"))?;
    match &container.parent {
        Some(parent) => container_id(parent).map_err(|error| error.after("'ContainerID.parent' is invalid: ")),
        None => Ok(()),
    }
}

/// A role's name (Mesos: `roles::validate`).
pub fn role(role: &str) -> Validity {
    if role == "*" {
        return Ok(());
    }
    ensure(!role.starts_with('/'), || format!("Role '{role}' cannot start with a slash"))?;
    ensure(!role.ends_with('/'), || format!("Role '{role}' cannot end with a slash"))?;
    ensure(!role.contains("//"), || format!("Role '{role}' cannot contain two adjacent slashes"))?;
    ensure(!role.is_empty(), || "Role names cannot be the empty string".to_owned())?;
    for component in role.split('/') {
        if matches!(component, "." | ".." | "*") {
            return refuse(format!("Role '{role}' cannot include '{component}' as a component"));
        }
        ensure(!component.starts_with('-'), || {
            format!("Role component '{component}' is invalid because it starts with a dash")
        })?;
        ensure(!component.bytes().any(|byte| matches!(byte, b'\t'..=b'\r' | b' ' | 0x7f)), || {
            format!("Role component '{component}' is invalid because it contains backspace or whitespace")
        })?;
    }
    Ok(())
}

/// Whether a role lies below another.
#[must_use]
pub fn is_strict_subrole_of(role: &str, ancestor: &str) -> bool {
    role.strip_prefix(ancestor).is_some_and(|rest| rest.starts_with('/'))
}

/// A UUID in sixteen raw bytes, of a version that there is (Mesos: `id::UUID::fromBytes`).
pub fn uuid(bytes: &[u8]) -> Validity {
    let known = bytes.len() == 16 && matches!(bytes.get(6).map(|byte| byte >> 4), Some(1..=5));
    ensure(known, || "Not a valid UUID".to_owned())
}
