//! The agent link: where agents dial in.
//!
//! One gRPC stream per agent. What an agent says becomes the master's events; what the master wants said waits in a
//! queue of bounded size. A replica that does not lead names the leader and ends the stream.

mod convert;
mod files;
mod links;
mod server;

pub use files::FileError;
pub use links::{Links, OutgoingStream, Standing};
pub use server::{AgentAccount, Link, LinkError, serve};
