//! Whole clusters in virtual time: masters and agents, the real state machines, round a model of the API server, the
//! network, disks and processes, with faults. One thread, one seed; the same seed gives the same run.
//!
//! ```text
//!   workload, faults ──▶ Simulation ── what happens next, by virtual time ──┐
//!                          │                                                │
//!     Leader (proffer-master + its shell) ◀── watches, writes ──▶ ApiServer │
//!          ▲                                                                │
//!          └── Links: delayed, ordered, cut ──▶ Node (proffer-agent + journal + processes) ◀──┘
//! ```
//!
//! Several leaders may act at once: an old one that does not know yet that it was replaced goes on for a while. What
//! the oracle asks, of every run: each task starts at most once; no recorded end changes; both machines' own
//! invariants hold; and once the faults are over, every task has ended or runs, and its object says so.
//!
//! It is meant to grow: what is not modelled yet (schedulers over HTTP, volumes, clock skew) is not there, rather than
//! half there.

mod api_server;
mod faults;
mod happening;
mod leader;
mod link;
mod node;
mod oracle;
mod random;
mod shell;
mod simulation;
mod translate;
mod workload;

pub use oracle::Failure;
pub use simulation::{Options, Simulation, Summary};
