//! Refusals, as the HTTP API says them.

use super::reviewer::AuthError;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::time::Duration;

/// Why a request is not served. As a response it is 401, 403, 429 or 503.
#[derive(Debug, thiserror::Error)]
pub enum Denied {
    /// There are no credentials, or they are not good.
    #[error("401 Unauthorized. {why}.")]
    Unauthenticated {
        /// What is wrong with them.
        why: String,
        /// Whether basic credentials would do as well.
        basic: bool,
    },
    /// They may not do this.
    #[error("403 Forbidden. {0}.")]
    Forbidden(String),
    /// Their principal's requests exceed its rate limit (Mesos: `--rate_limits`).
    #[error(
        "429 Too Many Requests. Capacity({capacity}) of principal {principal:?} exceeded: {capacity} requests wait already."
    )]
    TooMany {
        /// The principal, or nothing for all that have no limit of their own.
        principal: String,
        /// How many requests may wait.
        capacity: u64,
        /// When it is worth another try.
        retry_after: Duration,
    },
    /// Nobody can say who they are or what they may do.
    #[error("503 Service Unavailable. {0}: try again.")]
    Unavailable(String),
}

impl Denied {
    /// The refusal for what went wrong with a review.
    pub(super) fn from_review(error: &AuthError, basic: bool) -> Self {
        match error {
            AuthError::NoToken | AuthError::Refused(_) => Self::Unauthenticated { why: error.to_string(), basic },
            AuthError::Unavailable(source) => {
                tracing::warn!(error = source as &dyn std::error::Error, "a caller cannot be reviewed");
                Self::Unavailable(error.to_string())
            }
            AuthError::Busy => Self::Unavailable(error.to_string()),
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Unauthenticated { .. } => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        let plain = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
        let mut response = (self.status(), plain, format!("{self}\n")).into_response();
        let headers = response.headers_mut();
        match self {
            // All challenges in one header, as Mesos has it: many clients see the first of several only.
            Self::Unauthenticated { basic, .. } => {
                let challenges = if basic {
                    "Basic realm=\"proffer\", Bearer realm=\"proffer\""
                } else {
                    "Bearer realm=\"proffer\""
                };
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenges));
            }
            Self::TooMany { retry_after, .. } => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(retry_after.as_secs().max(1)));
            }
            Self::Forbidden(_) | Self::Unavailable(_) => {}
        }
        response
    }
}
