//! The master as a state machine: events in, effects out.
//!
//! [`Master::handle`] is the only way in. It reads no clock and no random source; time and fresh identifiers come with
//! the events. What is in `record.rs` is what gets written into objects; a new leader is told those objects again as
//! events, ends with [`Event::Recovered`], and goes on from there.
//!
//! ```text
//! Event --> master.rs --> frameworks.rs  tasks.rs  agents.rs  offers.rs     what objects, agents and frameworks say
//!                              |            |          |          |
//!                              |         launch.rs  registration.rs         a task gets, has and loses its agent
//!                              |         groups.rs  executors.rs            so do groups of tasks
//!                              |         updates.rs kill.rs ending.rs
//!                              v
//!  roles.rs  drain.rs  maintenance.rs  inverse_offers.rs                    what operators say
//!                              v
//!                        allocation.rs  rescind.rs                          once per event: who gets what is free
//!                              |
//!                        explain.rs  no_offers.rs  records.rs  writes.rs  -->  Effects    what people and objects are told
//! ```

mod accept;
mod agents;
mod allocation;
mod closed;
mod config;
mod delivery;
mod drain;
mod effect;
mod ending;
mod event;
mod executors;
mod explain;
mod frameworks;
mod groups;
mod ids;
mod invariants;
mod inverse_offers;
mod kill;
mod launch;
mod liveness;
mod maintenance;
mod master;
mod no_offers;
mod offers;
mod operations;
mod operator_objects;
mod orphans;
mod planted;
mod record;
mod records;
mod recovery;
mod registration;
mod removal;
mod rescind;
mod reservations;
mod roles;
mod state;
mod strays;
mod stream;
mod tasks;
mod timers;
mod updates;
mod waiting;
mod writes;

pub use config::MasterConfig;
pub use effect::{Effect, Launch, OperatorProblem, ToAgent, VolumeMount};
pub use event::{
    AgentRegistration, Command, Delivery, Event, FrameworkObject, OfferReply, ReservationObject, SchedulerKind, Slot,
    StatusUpdate, StreamObject, StreamTaskObject, Subscription, TaskGroup, TaskObject, TaskRequest, TaskSnapshot,
    VolumeRequest, WriteOutcome,
};
pub use explain::WaitingTask;
pub use ids::{AgentName, Connection, Epoch, ObjectKey, OfferId, Session, TaskId, Time, WriteId};
pub use master::Master;
pub use operations::{Asked, Body as OperationBody, LaunchBody, Operation, OperationState, OperationUpdate, Pool};
pub use operator_objects::{
    AgentInMaintenance, AgentOrders, AgentUse, DrainOrder, FrameworkInMaintenance, MaintenanceObject, MaintenancePhase,
    MaintenanceRecord, MaintenanceTerms, RoleObject, RoleRecord, RoleTerms,
};
#[cfg(feature = "planted")]
pub use planted::Planted;
pub use proffer_allocator::{
    Capabilities, Constraints, InverseReply, PortRequest, Quota, Strategy, Unavailability, Weight,
};
pub use record::{
    AgentRecord, FrameworkRecord, FrameworkSpecRecord, NewReservation, NewTask, Notice, NoticeAbout, OfferEnd,
    OfferRecord, PlacedOn, Readiness, ReservationPhase, ReservationRecord, StreamPhase, StreamRecord, TaskRecord,
};
pub use roles::quota_problem;
pub use stream::{framework_object, resources, task_request};
