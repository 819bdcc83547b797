//! Who calls the HTTP API, and what they may do.
//!
//! ```text
//!  Authorization header ─▶ Access::authenticate ─▶ Caller ─▶ Access::authorize(Action, Object) ─▶ go on, or Denied
//!                           │ Bearer: TokenReview              │ SubjectAccessReview
//!                           │ Basic: the Secret's principals   │
//!                           └ none: only if anonymous          └ again and again on open streams: Access::until_lost
//! ```
//!
//! Every answer of the API server is remembered for a moment, in bounded memory: see [`Reviewer`].

mod access;
mod action;
mod answers;
mod caller;
mod credentials;
mod denied;
mod follow;
mod principals;
mod rates;
mod reviewer;

pub use access::{Access, Anonymous};
pub use action::{Action, Object};
pub use caller::Caller;
pub use credentials::{Credentials, ReadState};
pub use denied::Denied;
pub use follow::follow_secret;
pub use principals::{Principals, PrincipalsError};
pub use rates::{RateLimit, RateLimits, RateLimitsError, Rates};
pub use reviewer::{AuthError, Reviewer, User, bearer};
