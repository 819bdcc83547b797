//! Mesos' own terms, as its v1 API has them: task states, reasons, file listings.
//!
//! Nothing here opens a socket. Names are those of `mesos.proto`; objects in Kubernetes write them in camel case
//! without the prefix (`TASK_GONE_BY_OPERATOR` is `GoneByOperator`).

pub mod files;
mod names;
mod reason;
mod task_state;

pub use names::UnknownName;
pub use reason::Reason;
pub use task_state::TaskState;
