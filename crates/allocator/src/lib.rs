//! Who gets what: Mesos' hierarchical allocator, with reasons.
//!
//! [`Allocator`] keeps the books of the cluster: what each agent has, what tasks hold of it and what is offered, by
//! framework and role. When something changed, [`Allocator::begin_run`] and [`Allocator::next_turn`] give away what is
//! free: first to roles that have less than they are guaranteed, then to everybody in the order of weighted dominant
//! shares. Each refusal comes with its reason ([`Withheld`]), and the same code gives the reason that decides.
//!
//! ```text
//! allocator.rs  agents, frameworks and tasks come and go; everything that follows is kept right change by change
//!   agent.rs      the books of one agent            order.rs   who comes first, in ordered sets
//!   framework.rs  frameworks in their roles         roles.rs   the tree: weights, quota, what counts against it
//! run.rs        turn by turn: first client in order -> its next agent -> gate.rs -> an offer
//!   gate.rs       what of an agent a client may be offered, and if nothing, why
//!   filter.rs     what was refused                  constraints.rs  which agents are wanted
//!   gang.rs       several offers as one             offers.rs       live offers, and how they end
//! preempt.rs    offers that should be taken back for those who have less
//! maintenance.rs  who is asked to leave an agent in time
//! role_figures.rs  what roles have, for people
//! place.rs      the built-in scheduler's agents for tasks; unplaced.rs, no_offers.rs: why not, for people
//! invariants.rs what always holds
//! ```
//!
//! `A` names agents and `F` names frameworks. Nothing here reads a clock or a random source.

mod agent;
mod allocator;
mod bits;
mod constraints;
mod demand;
mod filter;
mod framework;
mod gang;
mod gate;
mod invariants;
mod maintenance;
mod no_offers;
mod offers;
mod order;
mod place;
mod preempt;
mod random;
mod role_figures;
mod roles;
mod run;
mod settings;
mod share;
mod time;
mod unplaced;
mod volume;

pub use agent::{AgentBooks, AgentInfo, AgentMode, Unavailability};
pub use allocator::{Allocator, Name};
pub use constraints::{Constraint, Constraints, Pattern, Predicate, Selector};
pub use demand::{Demand, Kind, PortRequest};
pub use filter::{DEFAULT_REFUSE, MAX_REFUSE};
pub use framework::{Capabilities, FrameworkInfo, Taking};
pub use gate::{Lacking, Withheld};
pub use maintenance::{InverseOffer, InverseReply};
pub use no_offers::NoOffers;
pub use offers::Offer;
pub use place::{For, Strategy, Verdict};
pub use role_figures::RoleFigures;
pub use roles::{Quota, QuotaError};
pub use run::Turn;
pub use settings::{Settings, Sorter};
pub use share::{Share, Weight};
pub use time::Time;
pub use unplaced::{Unplaced, Unusable};
pub use volume::VolumeLack;
