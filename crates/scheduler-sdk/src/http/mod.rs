//! Connections to masters.
//!
//! Two kinds: one for each stream of events, and one for calls, which are sent one after the other, so that the master
//! sees them in the order in which the scheduler made them.

mod authorization;
mod connection;
mod lane;
mod stream;
mod tls;

pub(crate) use authorization::Authorization;
pub(crate) use lane::{Lane, Outcome};
pub(crate) use stream::follow;

use crate::{Encoding, Settings, Tls};
use proffer_mesos_api::{DecodeError, Described, decode, encode, json};
use std::time::Duration;

/// The header that ties calls to a stream.
const STREAM_ID: &str = "mesos-stream-id";
/// The longest text of a refusal that is read, in bytes.
const MAX_ANSWER: usize = 64 << 10;

/// What every connection needs to know.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) encoding: Encoding,
    pub(crate) tls: Tls,
    pub(crate) authorization: Authorization,
    pub(crate) answer_timeout: Duration,
    pub(crate) max_event_bytes: usize,
}

impl Client {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            encoding: settings.encoding,
            tls: settings.tls.clone(),
            authorization: Authorization::new(settings.credentials.clone()),
            answer_timeout: settings.answer_timeout,
            max_event_bytes: settings.max_event_bytes,
        }
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    #[error("{0} cannot be reached: {1}")]
    Connect(String, #[source] std::io::Error),
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] tls::TlsError),
    #[error("the credentials cannot be used: {0}")]
    Credentials(#[from] authorization::AuthorizationError),
    #[error("the request cannot be made: {0}")]
    Request(#[from] hyper::http::Error),
    #[error("the connection broke: {0}")]
    Connection(#[source] hyper::Error),
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
}

/// An event is not what it should be.
#[derive(Debug, thiserror::Error)]
enum EventError {
    #[error("{0}")]
    Protobuf(#[from] DecodeError),
    #[error("{0}")]
    Json(#[from] json::Error),
}

fn to_bytes<M: Described>(encoding: Encoding, message: &M) -> Vec<u8> {
    match encoding {
        Encoding::Protobuf => encode(message),
        Encoding::Json => json::encode(message).into_bytes(),
    }
}

fn from_bytes<M: Described>(encoding: Encoding, bytes: &[u8]) -> Result<M, EventError> {
    Ok(match encoding {
        Encoding::Protobuf => decode(bytes)?,
        Encoding::Json => json::decode(bytes)?,
    })
}
