//! Writes what the master decided into objects.
//!
//! ```text
//!  runner ── Op ──▶ Queue (merges by object, awaited first) ──▶ a window of writes ──▶ API server
//!     ▲                                                              │
//!     └────────────── newest objects, then Written ◀─────────────────┘
//! ```
//!
//! Every write of a status carries the resource version that it was built on. When that is not the newest any more, the
//! live object decides: unless somebody else changed what was decided, the write is built anew and tried again.

mod agent;
mod backoff;
mod execute;
mod framework;
mod gone;
mod notices;
mod offer;
mod pool;
mod queue;
mod reservation;
mod status;
mod task;
mod window;

pub use execute::Executor;
pub use notices::Notices;
pub use pool::start;
pub use queue::{Basis, Op, Queue, Subject};
