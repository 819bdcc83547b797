//! Frameworks that subscribe over Mesos' scheduler API: what they are told, and what is written.

// A failed unwrap is a failed test with a line number; Clippy knows that of test functions only, not of what they call.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod acceptance;
mod groups;
mod operations;
mod subscriptions;
mod updates;
mod world;
