//! Who leads: a Lease, as client-go's leader election keeps it.
//!
//! [`decide`] is pure: what was observed, and when, gives what to do. [`Elector`] asks the API server and obeys it;
//! [`Election`] gives it a thread of its own.
//! [`Guard`] is what everything else holds: it ends the process as soon as the leadership may be over. The Lease gives
//! liveness only; that an old leader does no harm is up to the epoch, which agents and CRD rules check.

mod count;
mod decide;
mod election;
mod elector;
mod guard;
mod identity;
mod lease;

pub use count::count_lost;
pub use decide::{Decision, Observed, Role, Timings, decide};
pub use election::{Candidacy, Connect, Election};
pub use elector::{Elector, ElectorError, Term};
pub use guard::Guard;
pub use identity::Identity;
pub use lease::LeaseRecord;
