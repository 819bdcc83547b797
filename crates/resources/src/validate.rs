//! Which resources make sense (the rules of Mesos' `Resources::validate`).

use crate::{DiskSourceKind, ReservationKind, Resource, ResourceName, Value};
use std::fmt;

/// Why a resource makes no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResourceError {
    /// Its name is empty.
    NoName,
    /// Resources of this name have another type.
    WrongType(ResourceName),
    /// GPUs come whole.
    FractionOfGpu,
    /// It is reserved for `*`, which reserves nothing.
    ReservedForAny,
    /// Only the first reservation can be the agent's own.
    StaticOnTop,
    /// A reservation refines the one before it only for a role below that one's.
    NotBelow {
        /// The role of the earlier reservation.
        above: String,
        /// The role of the later one.
        role: String,
    },
    /// Only disks have volumes and sources.
    NotADisk(ResourceName),
    /// A persistent volume has no name or one that cannot be a directory's.
    VolumeName(String),
    /// A persistent volume has no path for the task, or one on the agent.
    VolumePath,
    /// A persistent volume cannot be made of raw storage or a block device.
    VolumeSource(DiskSourceKind),
    /// Only persistent volumes can be shared.
    SharedButNotVolume,
    /// What may be taken back cannot be reserved for ever, or be a volume.
    RevocableVolume,
}

impl fmt::Display for ResourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoName => f.write_str("a resource has no name"),
            Self::WrongType(name) => write!(f, "{name} has the wrong type of value"),
            Self::FractionOfGpu => f.write_str("gpus must be a whole number"),
            Self::ReservedForAny => f.write_str("a reservation for role * reserves nothing: leave it out"),
            Self::StaticOnTop => f.write_str("only the first reservation of a resource can be STATIC"),
            Self::NotBelow { above, role } => {
                write!(f, "a reservation for {role} cannot refine one for {above}: its role must be below that one")
            }
            Self::NotADisk(name) => write!(f, "{name} has disk information, which only disk can have"),
            Self::VolumeName(name) => {
                write!(f, "a persistent volume cannot be named {name:?}: write a name without / and white space")
            }
            Self::VolumePath => f.write_str("a persistent volume needs a container_path, and no host_path"),
            Self::VolumeSource(kind) => write!(f, "a persistent volume cannot be on a {} disk", kind.as_str()),
            Self::SharedButNotVolume => f.write_str("only persistent volumes can be shared"),
            Self::RevocableVolume => f.write_str("a persistent volume cannot be revocable"),
        }
    }
}

impl std::error::Error for ResourceError {}

impl Resource {
    /// Whether it makes sense, and if not, why.
    pub fn validate(&self) -> Result<(), ResourceError> {
        use ResourceError as Wrong;
        let typed = match (&self.name, &self.value) {
            (
                ResourceName::Cpus | ResourceName::Mem | ResourceName::Disk | ResourceName::Gpus,
                Value::Ranges(_) | Value::Set(_),
            )
            | (ResourceName::Ports, Value::Scalar(_) | Value::Set(_)) => false,
            (ResourceName::Custom(name), _) if name.is_empty() => return Err(Wrong::NoName),
            _ => true,
        };
        if !typed {
            return Err(Wrong::WrongType(self.name.clone()));
        }
        if self.name == ResourceName::Gpus && !self.amount().thousandths().is_multiple_of(1000) {
            return Err(Wrong::FractionOfGpu);
        }
        self.validate_reservations()?;
        self.validate_disk()
    }

    fn validate_reservations(&self) -> Result<(), ResourceError> {
        let stack = self.reservations();
        if stack.iter().any(|reservation| reservation.role.is_any()) {
            return Err(ResourceError::ReservedForAny);
        }
        if stack.iter().skip(1).any(|reservation| reservation.kind == ReservationKind::Static) {
            return Err(ResourceError::StaticOnTop);
        }
        for pair in stack.windows(2) {
            if let [above, refined] = pair
                && !refined.role.is_below(&above.role)
            {
                let (above, role) = (above.role.to_string(), refined.role.to_string());
                return Err(ResourceError::NotBelow { above, role });
            }
        }
        Ok(())
    }

    fn validate_disk(&self) -> Result<(), ResourceError> {
        use ResourceError as Wrong;
        let persistence = self.disk.as_ref().and_then(|disk| disk.persistence.as_ref());
        if self.shared && persistence.is_none() {
            return Err(Wrong::SharedButNotVolume);
        }
        let Some(disk) = &self.disk else { return Ok(()) };
        if self.name != ResourceName::Disk {
            return Err(Wrong::NotADisk(self.name.clone()));
        }
        let Some(persistence) = persistence else { return Ok(()) };
        let id = &persistence.id;
        if id.is_empty()
            || id == "."
            || id == ".."
            || id.chars().any(|c| c == '/' || c.is_whitespace() || c.is_control())
        {
            return Err(Wrong::VolumeName(id.clone()));
        }
        if disk.volume.as_ref().is_none_or(|volume| volume.container_path.is_empty() || volume.host_path.is_some()) {
            return Err(Wrong::VolumePath);
        }
        if let Some(kind @ (DiskSourceKind::Block | DiskSourceKind::Raw)) =
            disk.source.as_ref().map(|source| source.kind)
        {
            return Err(Wrong::VolumeSource(kind));
        }
        if self.revocable { Err(Wrong::RevocableVolume) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Amount, DiskInfo, Persistence, Ranges, Reservation, Role, Volume, VolumeMode};

    fn volume(id: &str) -> Resource {
        let volume = Volume { mode: VolumeMode::ReadWrite, container_path: "data".to_owned(), host_path: None };
        let persistence = Some(Persistence { id: id.to_owned(), principal: None });
        Resource::scalar("disk", Amount::from_units(1)).on_disk(DiskInfo {
            persistence,
            volume: Some(volume),
            source: None,
        })
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_the_reason() {
        let cpus = || Resource::scalar("cpus", Amount::from_units(1));
        let fixed = |role: &str| Reservation::fixed(Role::new(role).unwrap());
        let dynamic = |role: &str| Reservation::dynamic(Role::new(role).unwrap(), None);
        let not_below = |above: &str, role: &str| ResourceError::NotBelow { above: above.into(), role: role.into() };
        for (resource, expected) in [
            (cpus(), None),
            (cpus().reserved(fixed("eng")).reserved(dynamic("eng/a")), None),
            (volume("v1"), None),
            (Resource { shared: true, ..volume("v1") }, None),
            (Resource::scalar("", Amount::ZERO), Some(ResourceError::NoName)),
            (Resource::scalar("ports", Amount::ZERO), Some(ResourceError::WrongType(ResourceName::Ports))),
            (
                Resource::new("mem", Value::Ranges(Ranges::span(1, 2))),
                Some(ResourceError::WrongType(ResourceName::Mem)),
            ),
            (Resource::scalar("gpus", Amount::from_thousandths(500)), Some(ResourceError::FractionOfGpu)),
            (cpus().reserved(dynamic("*")), Some(ResourceError::ReservedForAny)),
            (cpus().reserved(dynamic("eng")).reserved(fixed("eng/a")), Some(ResourceError::StaticOnTop)),
            (cpus().reserved(fixed("eng")).reserved(dynamic("ops")), Some(not_below("eng", "ops"))),
            (cpus().reserved(fixed("eng")).reserved(dynamic("eng")), Some(not_below("eng", "eng"))),
            (cpus().on_disk(DiskInfo::default()), Some(ResourceError::NotADisk(ResourceName::Cpus))),
            (volume("../up"), Some(ResourceError::VolumeName("../up".into()))),
            (Resource { shared: true, ..cpus() }, Some(ResourceError::SharedButNotVolume)),
            (volume("v1").as_revocable(), Some(ResourceError::RevocableVolume)),
        ] {
            assert_eq!(resource.validate().err(), expected, "{resource:?}");
        }
    }
}
