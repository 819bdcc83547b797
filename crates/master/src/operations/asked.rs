//! Operations as people write them in an Offer's reply: amounts and names, for the role of the offer. Which resources of the
//! offer they mean is found out here.

use super::Body;
use crate::state::volume_id;
use proffer_resources::{
    Amount, DiskInfo, Persistence, Quantities, Reservation, ReservationKind, Resource, ResourceBag, ResourceName, Role,
    Volume, VolumeMode,
};

/// Where a task sees a volume unless it says otherwise.
const CONTAINER_PATH: &str = "volume";

/// An operation that names amounts only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Reserve so much of what is unreserved.
    Reserve(Quantities),
    /// Unreserve so much of what is reserved for the role.
    Unreserve(Quantities),
    /// Make a volume of disk that is reserved for the role.
    Create {
        /// Its persistence ID.
        id: String,
        /// Its size in MiB.
        size: Amount,
    },
    /// Destroy a volume.
    Destroy {
        /// Its persistence ID.
        id: String,
    },
}

impl Asked {
    /// Mesos' name of it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Reserve(_) => "RESERVE",
            Self::Unreserve(_) => "UNRESERVE",
            Self::Create { .. } => "CREATE",
            Self::Destroy { .. } => "DESTROY",
        }
    }

    /// The same with resources of `left`, in offers for `role`.
    pub(crate) fn out_of(&self, left: &ResourceBag, role: &Role) -> Result<Body, String> {
        let plain = |resource: &Resource| !resource.revocable && !resource.shared && resource.disk.is_none();
        let ours = |resource: &Resource| {
            let last = resource.reservations().last();
            plain(resource) && last.is_some_and(|last| last.kind == ReservationKind::Dynamic && last.role == *role)
        };
        match self {
            Self::Reserve(wanted) => {
                if role.is_any() {
                    return Err("nothing can be reserved for the role *: use an offer for another role".to_owned());
                }
                let free = left.filter(|resource| plain(resource) && resource.reservations().is_empty());
                let part = exactly(&free, wanted, "is unreserved")?;
                let resources = part.push_reservation(&Reservation::dynamic(role.clone(), None));
                Ok(Body::Reserve { source: ResourceBag::new(), resources })
            }
            Self::Unreserve(wanted) => Ok(Body::Unreserve(exactly(&left.filter(ours), wanted, "is reserved")?)),
            Self::Create { id, size } => {
                let is_disk = |resource: &&Resource| resource.name == ResourceName::Disk && resource.amount() >= *size;
                let reserved = left.filter(|resource| {
                    resource.disk.is_none() && plain(resource) && resource.reserved_for() == Some(role)
                });
                let disk = reserved.iter().find(is_disk).ok_or_else(|| {
                    format!("the offer has not so much disk that is reserved for role {role}: reserve it first")
                })?;
                let persistence = Some(Persistence { id: id.clone(), principal: None });
                let path = CONTAINER_PATH.to_owned();
                let volume = Volume { mode: VolumeMode::ReadWrite, container_path: path, host_path: None };
                let disk = disk.clone().with_value(proffer_resources::Value::Scalar(*size));
                Ok(Body::Create(disk.on_disk(DiskInfo { persistence, volume: Some(volume), source: None }).into()))
            }
            Self::Destroy { id } => {
                let is_it = |resource: &&Resource| volume_id(resource).is_some_and(|(_, other)| other == *id);
                let volume = left.iter().find(is_it).ok_or_else(|| format!("volume {id:?} is not in the offer"))?;
                Ok(Body::Destroy(volume.clone().into()))
            }
        }
    }
}

/// So much of `has`, or that there is less.
fn exactly(has: &ResourceBag, wanted: &Quantities, which: &str) -> Result<ResourceBag, String> {
    if wanted.is_empty() {
        return Err("names no amount: write cpu, memory or disk".to_owned());
    }
    let part = has.shrink(wanted);
    if part.quantities() == *wanted {
        return Ok(part);
    }
    Err(format!("asks for {}, and of the offer only {has} {which}", ResourceBag::from(wanted)))
}
