//! Whole clusters in virtual time: masters and agents, the real state machines, round models of the API server, the
//! network, disks, processes, schedulers and users, with faults. One thread, one seed; the same seed gives the same run.
//!
//! ```text
//!   Plan (faults, users) ──▶ Simulation: what happens next, by virtual time ──▶ Oracle: what must never be seen
//!                                │
//!   Replica (election) ── Leader (proffer-master, shelf, watches, writer) ◀── lists, watches, writes ──▶ ApiServer
//!                                ▲                                                                        ▲
//!                                └── Link (slow, cut, one way) ──▶ Node (proffer-agent, journal, commands) │
//!                                                                        Scheduler (greedy … silent) ──────┘
//! ```
//!
//! Several leaders may act at once: one that stood still goes on for a moment before it finds out. Schedulers of several
//! temperaments read Offer objects and set their reply, as any program does; the built-in one is the master's own.
//!
//! A seed decides everything: a [plan](Options::keep) of faults and of what users do is drawn first, each step with
//! random numbers of its own, so that [`reduce`] can leave steps out of a failing run until it is small.
//!
//! # Faults
//!
//! | fault | here | what happens |
//! | --- | --- | --- |
//! | F1 | `leader-killed` | the leader's process dies; it starts again as a standby |
//! | F2 | `leader-paused` | it stands still for up to 12 s (a Lease is 3 s), then acts for up to 1 s more on what it knew |
//! | F3 | `leader-terminated` | it gives the Lease back and ends |
//! | F4 | `crash-at-write` | a controller dies before or after its n-th write; an agent before or after its n-th checkpoint; a node loses its power within milliseconds of one |
//! | F5 | `lost-replies` | requests, or answers to requests that were carried out, get lost, the Lease's too |
//! | F6 | `api-unavailable` | nothing is answered for up to 8 s, all watches break |
//! | F7 | `watch-cut` | watches break and resume, or list anew (410) |
//! | F8 | `watch-half-open` | watches say nothing for up to 5 s |
//! | F9 | `stale-replica` | watches resume further back and tell old things again |
//! | F10 | `watch-delayed` | changes are told up to 3 s late; a list skips what was in between |
//! | F11 | `second-writer` | somebody else writes half of all Task objects |
//! | F12 | `lease-tampered` | the Lease is deleted, its holder cleared or replaced, its epoch set back; clocks differ by up to a minute, constantly. An epoch that is taken out of the Lease and that no object and no agent shows is out of scope: once its leader is dead, another may get it |
//! | F13 | `agent-killed` | commands go on; the next process reads the journal |
//! | F14 | `agent-paused` | for less than the 6 s after which it is unreachable, or for more |
//! | F15 | `host-rebooted` | what was not on the disk is lost, of it any part; now and then the whole disk is |
//! | F16 | `init-killed` | an init ends without a record, or fails before it starts the command |
//! | F17 | `link-partitioned` | one way, the other, or both, for up to 12 s; several at a time flap |
//! | F18 | `api-partitioned` | a controller, or a scheduler, and the API server. Agents do not speak with it |
//! | F19 | `scheduler-crashed` | between two writes. A slow reader, and two schedulers on one stream, need the HTTP API, which the master does not have yet |
//! | F20 | `disk-failed` | the journal refuses a record, which ends the agent process; torn ends are F15's. What a full disk does to sandboxes is below |
//! | F21 | `stubborn-task` | tasks ignore SIGTERM. Fork bombs, double forks, memory limits and PIDs that come again are the kernel's: end-to-end tests |
//! | F22 | `node-deleted` | a node goes and another of its name joins; or its slot pod is evicted |
//! | F23 | `mass-loss` | the leader and a third of the nodes at once |
//! | F24 | | version skew needs two versions of the programs: end-to-end tests |
//! | F25 | `poison-object` | tasks whose spec makes no sense, foreign finalizers. Objects without their kind's form stop at the registry, which has its own tests |
//! | F26 | `slow-network` | messages take up to 500 ms, requests up to 2 s. Loss, order and duplicates are TCP's: a link delivers in order or breaks |
//!
//! # Invariants
//!
//! | invariant | how it is asked |
//! | --- | --- |
//! | I1 no loss | within 150 s of the last fault each task has ended, or runs and says so |
//! | I2 run once | no UID starts twice, on any node, ever |
//! | I3 no overlap | no two tasks of one name run at a time, unless one was deleted before it had the finalizer |
//! | I4 status delivery | an agent never takes back an end that it told; an end is acknowledged only when its object says it; nothing is unacknowledged at rest; the agent's own invariants. The times between repetitions have tests in `crates/agent` |
//! | I5 monotone | no recorded end changes |
//! | I6 honest | no leader calls a task unreachable or lost before its agent's time is over |
//! | I7 conservation | the master's own invariants; from outside: what runs on a node and what is offered of it fits, each port once. Reservations and volumes are not simulated |
//! | I8 single writer | no status of an earlier epoch is stored; no agent obeys an epoch below one that it confirmed; no epoch has two leaders; nothing is offered of an agent that has not confirmed |
//! | I9 offers | an offer that ended launches nothing; none outlives its time-out; none of an earlier leader is left at rest |
//! | I10 removal guard | not simulated: behaviour tests of the master |
//! | I11 rest | Task objects stop changing. Offers go on: a silent scheduler is offered the same again and again |
//! | I12 no leak | nothing runs without an object at rest, nothing is let go while it runs, no deletion hangs. Processes, cgroups, mounts: end-to-end tests |
//! | I13 restart invisible | at rest the agent knows exactly the commands that run, each started once |
//! | I14 no time travel | no leader is told an older revision of a task than it knew |
//! | I15 volumes | do not exist yet |
//! | I16 stream | `RecordIO` streams belong to the HTTP API |

mod api_server;
mod election;
mod failure;
mod fault;
mod faults;
mod happening;
mod leader;
mod link;
mod node;
mod oracle;
mod plan;
mod planted;
mod random;
mod scheduler;
mod shrink;
mod simulation;
mod translate;
mod watch;
mod workload;
mod writer;

pub use failure::Failure;
pub use fault::{FaultKind, UnknownFault};
pub use oracle::Problem;
#[cfg(feature = "planted")]
pub use planted::Planted;
pub use shrink::{Reduced, reduce};
pub use simulation::{Options, Simulation, Summary};
