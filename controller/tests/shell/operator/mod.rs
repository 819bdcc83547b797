//! Mesos' operator endpoints over real sockets, compared with what a real Mesos answered.

mod calls;
mod cluster;
mod events;
mod reads;
mod shape;
