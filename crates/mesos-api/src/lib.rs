//! Mesos' v1 API without sockets: its messages in both encodings, the framing of its streams, and the checks that a call
//! must pass before anything else looks at it.
//!
//! | module | what |
//! | --- | --- |
//! | [`v1`] | the messages, generated from `proto/` |
//! | [`decode`], [`encode`], [`MessageWriter`] | protobuf |
//! | [`json`] | JSON as Mesos writes and reads it, and a writer for answers that are not messages |
//! | [`recordio`] | the framing of streams |
//! | [`validation`] | the checks of calls, task descriptions and offer operations that need no state |
//! | [`files`] | the answers of the file endpoints |
//!
//! Names are those of `mesos.proto`; objects in Kubernetes write them in camel case without the prefix
//! (`TASK_GONE_BY_OPERATOR` is `GoneByOperator`).

mod check;
mod descriptor;
pub mod files;
pub mod json;
mod maps;
mod message_writer;
mod names;
mod protobuf;
mod reason;
pub mod recordio;
mod task_state;
pub mod v1;
mod v1_names;
pub mod validation;
mod wire;

pub use descriptor::{Described, Message as Descriptor};
pub use message_writer::MessageWriter;
pub use names::UnknownName;
pub use protobuf::{DecodeError, Limits, decode, decode_within, encode};
pub use reason::Reason;
pub use task_state::TaskState;
