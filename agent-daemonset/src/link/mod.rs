//! The agent's side of the agent link: finds the leader, keeps one stream to it, and passes messages on.

mod client;
mod convert;
mod dial;

pub use client::{LinkSettings, run};
pub use convert::{Registration, to_wire};
pub use dial::DialError;
