//! Reservations and persistent volumes. Their objects are the truth: what an operation reserves counts once its object is
//! written, and what a person writes into an object is carried out as soon as its agent has it free.
//!
//! ```text
//! objects.rs  objects come, change and go
//! layers.rs   what an agent has: its capacity with all reservations applied, the lower ones first
//! settle.rs   what is reserved follows what objects ask for: offers in the way are rescinded, tasks are waited for
//! volumes.rs  the data of a volume that is not wanted any more goes, and its agent says so
//! records.rs  what objects are told
//! ```

mod layers;
mod objects;
mod records;
mod settle;
mod volumes;

pub(crate) use layers::{below, without_volume};
