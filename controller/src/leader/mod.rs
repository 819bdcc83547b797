//! Who leads: a Lease, as client-go's leader election keeps it.
//!
//! [`decide`] is pure: what was observed, and when, gives what to do. [`Elector`] asks the API server and obeys it.
//! [`Guard`] is what everything else holds: it ends the process as soon as the leadership may be over. The Lease gives
//! liveness only; that an old leader does no harm is up to the epoch, which agents and CRD rules check.

mod decide;
mod elector;
mod guard;
mod identity;
mod lease;

pub use decide::{Decision, Observed, Role, Timings, decide};
pub use elector::{Elector, ElectorError, Term};
pub use guard::Guard;
pub use identity::Identity;
pub use lease::LeaseRecord;
