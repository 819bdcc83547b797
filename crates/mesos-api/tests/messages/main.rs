//! Messages in both encodings: as recorded from Mesos, as another implementation has them, and as nobody should.

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
