//! The controller: the shell round [`proffer_master`].
//!
//! ```text
//!             leader: a Lease says who acts; all others only keep their registry warm
//!                │
//!  registry ──▶ runner (owns the Master) ──▶ writer ──▶ API server
//!     ▲          ▲      │                      │
//!     └──────────┼──────┼──── own writes ◀─────┘
//!             agent_link ◀── agents            slots: one pod per agent     http: Mesos' endpoints
//! ```
//!
//! [`wiring::run`] puts it together, and reads from top to bottom.

pub mod agent_link;
pub mod args;
pub mod auth;
pub mod check;
pub mod clock;
pub mod http;
pub mod leader;
pub mod logging;
pub mod metrics;
pub mod operators;
pub mod records;
pub mod registry;
pub mod runner;
pub mod schedulers;
pub mod slots;
pub mod tls;
pub mod wiring;
pub mod writer;
