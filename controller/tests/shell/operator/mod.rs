//! Mesos' operator endpoints over real sockets, compared with what a real Mesos answered.

mod acts;
mod calls;
mod changes;
pub(crate) mod cluster;
mod conformance;
mod events;
mod reads;
mod shape;
