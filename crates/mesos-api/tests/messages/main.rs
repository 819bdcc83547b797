//! Messages in both encodings: as recorded from Mesos, as another implementation has them, and as nobody should.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "tests, and what they are made of")]

mod any_message;
mod chunked;
mod entries;
mod generator;
mod hostile;
mod java;
mod lenient;
mod mutated;
mod recorded;
mod records;
mod tables;
