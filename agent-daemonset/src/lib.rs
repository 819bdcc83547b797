//! The agent's shell: everything of the agent that touches the node.
//!
//! `proffer_agent` decides; this crate carries out. The way through it:
//!
//! ```text
//!   link (gRPC) ─▶ driver ─▶ proffer_agent::Agent ─▶ journal ─▶ work ─▶ launcher ─▶ proffer-init ─▶ the task
//!                    ▲                                            │         │
//!                    └────────────── events ─────────────────────┴─────────┘
//! ```
//!
//! - [`run`] wires it together, from the flags ([`args`]);
//! - [`driver`] owns the core and the order of things: what must be on disk before something else is done;
//! - [`launcher`] starts tasks in the slot ([`cgroup`], [`sandbox`], [`volumes`], [`userland`]) and watches them;
//! - [`files`] looks into sandboxes for people; [`http`] tells Kubernetes and Prometheus how the agent is.
//!
//! There is no unsafe code here: what needs it is `proffer_init::sys`.

pub mod args;
pub mod cgroup;
pub mod driver;
pub mod files;
pub mod http;
pub mod journal;
pub mod launcher;
pub mod link;
pub mod metrics;
pub mod node;
pub mod process;
pub mod run;
pub mod sandbox;
pub mod userland;
pub mod volumes;
mod work;
