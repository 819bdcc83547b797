//! Who gets what: placement for the built-in scheduler, and what may be offered to whom.
//!
//! [`Allocator`] keeps the books: what each agent has, what tasks hold of it and what is offered. It decides nothing by
//! itself; the master asks it in the order of [`Allocator::share`] (dominant resource fairness) either to
//! [`Allocator::place`] a task or for what is [`Allocator::offerable`]. Each refusal comes with its reason.
//!
//! `A` names agents and `F` names frameworks.

mod agent;
mod allocator;
mod demand;
mod filter;
mod no_offers;
mod place;
mod share;
mod time;
mod unplaced;

pub use agent::AgentBooks;
pub use allocator::{Allocator, Name};
pub use demand::{Demand, Kind, PortRequest};
pub use filter::{DEFAULT_REFUSE, MAX_REFUSE};
pub use no_offers::{NoOffers, Withheld};
pub use place::{Strategy, Verdict};
pub use share::Share;
pub use time::Time;
pub use unplaced::Unplaced;
