//! Mesos' resource algebra: what an agent has, what an offer holds, what a task takes.
//!
//! Quantities are fixed-point with three decimals, as in Mesos, so that sums and comparisons are exact.
//! Units are Mesos' own: `cpus` in cores, `mem` and `disk` in MiB, `ports` as ranges of port numbers.
//! Kubernetes quantities (`100m`, `32Mi`) are read and written by [`quantity`].
//!
//! Three types, from the cheapest to the fullest:
//!
//! | type | what it knows | where it is used |
//! | --- | --- | --- |
//! | [`Quantities`] | amounts of scalars by name | shares, quota, headroom |
//! | [`Resources`] | cores, memory, disk and ports of one agent | tasks and slots |
//! | [`ResourceBag`] | each [`Resource`] with its reservations, volume, revocability | agents' totals, offers, operations |

mod amount;
mod attributes;
mod bag;
mod disk;
mod json;
mod name;
mod quantities;
pub mod quantity;
mod ranges;
mod reservation;
mod resource;
mod resources;
mod role;
mod text;
mod validate;
mod value;

pub use amount::Amount;
pub use attributes::{Attribute, AttributeValue, Attributes};
pub use bag::ResourceBag;
pub use disk::{DiskInfo, DiskSource, DiskSourceKind, Persistence, Volume, VolumeMode};
pub use json::JsonError;
pub use name::ResourceName;
pub use quantities::{Limits, Quantities};
pub use ranges::{ParseRangesError, Ranges};
pub use reservation::{Labels, Reservation, ReservationKind};
pub use resource::Resource;
pub use resources::Resources;
pub use role::{Role, RoleError};
pub use text::TextError;
pub use validate::ResourceError;
pub use value::Value;
