//! The controller's shell against an in-memory API server and real sockets.

// A failed unwrap is a failed test with a line number; Clippy knows that of test functions only, not of what they call.
#![allow(clippy::unwrap_used, clippy::panic)]

mod access;
mod api_server;
mod election;
mod files;
mod link;
mod listener;
mod operator;
mod reservations;
mod scheduler;
mod watching;
mod writing;
