//! What the master does, told as stories: a world of agents, frameworks and tasks in a few words, something happens,
//! and what is done about it stands there as text.

#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod agents;
mod drain;
mod failover;
mod frameworks;
mod maintenance;
mod offers;
mod operations;
mod placement;
mod reservations;
mod roles;
mod tasks;
mod world;
mod writes;
