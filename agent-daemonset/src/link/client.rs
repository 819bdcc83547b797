//! Keeps the agent connected to whoever leads.

use super::convert;
use super::dial::{self, DialError};
use crate::driver::{Driver, Input};
use proffer_agent_link::v1::{self, from_master::Message};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;

/// Bounds of the wait after all controllers were tried in vain. Short: a new leader should see its agents at once.
const RETRY_MILLIS: std::ops::Range<u64> = 100..300;
/// Wait after a leader has refused this agent: that is for a person to mend.
const REFUSED_WAIT: Duration = Duration::from_secs(5);
/// The first message must come by then.
const FIRST_MESSAGE_TIMEOUT: Duration = Duration::from_secs(5);

/// Where the controllers are, and what proves which agent this is.
#[derive(Clone, Debug)]
pub struct LinkSettings {
    /// Host and port; all addresses of the host are tried.
    pub controller: String,
    /// Name in the controllers' certificate.
    pub server_name: String,
    /// Their certificate authority.
    pub ca_file: PathBuf,
    /// `ServiceAccount` token.
    pub token_file: PathBuf,
}

/// How a stream ended.
enum Ended {
    /// The controller does not lead; where the leader is, if it knows.
    NotLeader(Option<SocketAddr>),
    /// The leader does not take this agent.
    Refused,
    /// It was there, and broke.
    Broken,
}

/// Connects, and connects again, until the process ends.
pub async fn run(settings: LinkSettings, driver: Driver) {
    let mut last_complaint = String::new();
    let mut hint = None;
    loop {
        let mut targets: VecDeque<SocketAddr> = hint.take().into_iter().collect();
        let mut complaint = String::new();
        match dial::resolve(&settings.controller).await {
            Ok(addresses) => targets.extend(shuffled(addresses)),
            Err(error) => complaint = chain(&error),
        }
        let mut wait = jitter();
        let mut hops = 0;
        while let Some(address) = targets.pop_front() {
            match session(&settings, &driver, address).await {
                Ok(Ended::NotLeader(Some(leader))) if hops < 3 && leader != address => {
                    hops += 1;
                    targets.push_front(leader);
                }
                Ok(Ended::NotLeader(_)) => {}
                Ok(Ended::Refused) => {
                    wait = REFUSED_WAIT;
                    break;
                }
                Ok(Ended::Broken) => {
                    // It may be back at once, or another leads: start over with fresh addresses.
                    targets.clear();
                    complaint = String::new();
                }
                Err(error) => complaint = chain(&error),
            }
        }
        // Said once, not five times a second.
        if complaint != last_complaint && !complaint.is_empty() {
            tracing::warn!(error = complaint, "no controller to register with; trying on");
        }
        last_complaint = complaint;
        tokio::time::sleep(wait).await;
    }
}

/// One stream, from dialling to its end.
async fn session(settings: &LinkSettings, driver: &Driver, address: SocketAddr) -> Result<Ended, DialError> {
    let (sender, outgoing) = mpsc::unbounded_channel();
    let session = driver.open_session(sender);
    let mut incoming = match dial::attach(settings, address, outgoing).await {
        Ok(incoming) => incoming,
        Err(error) => {
            driver.close_session(session);
            return Err(error);
        }
    };
    let mut registered = false;
    let ended = loop {
        let next = async { incoming.next().await };
        let message = if registered {
            next.await
        } else {
            tokio::time::timeout(FIRST_MESSAGE_TIMEOUT, next).await.unwrap_or_default()
        };
        let message = match message {
            Some(Ok(v1::FromMaster { message: Some(message) })) => message,
            // Nothing that this version knows.
            Some(Ok(v1::FromMaster { message: None })) => continue,
            Some(Err(status)) => {
                if registered {
                    tracing::warn!(%address, code = %status.code(), why = status.message(), "the link broke");
                    break Ended::Broken;
                }
                driver.close_session(session);
                return Err(DialError::Attach(address, format!("{}: {}", status.code(), status.message())));
            }
            None => break Ended::Broken,
        };
        match message {
            Message::NotLeader(v1::NotLeader { leader }) => break Ended::NotLeader(leader.parse().ok()),
            Message::Refused(v1::Refused { message }) => {
                tracing::error!(%address, why = message, "the leader refused this agent");
                break Ended::Refused;
            }
            message => {
                if let (false, Message::Registered(v1::Registered { agent_id, epoch, master_id })) =
                    (registered, &message)
                {
                    tracing::info!(%address, agent_id, epoch, master_id, "registered");
                    registered = true;
                }
                if let Some(message) = convert::from_wire(message) {
                    driver.send(Input::Master(session, message));
                }
            }
        }
        if driver.wants_reconnect(session) {
            break Ended::Broken;
        }
    };
    driver.close_session(session);
    Ok(ended)
}

/// A random wait, so that agents do not all come at the same moment.
fn jitter() -> Duration {
    let span = RETRY_MILLIS.end - RETRY_MILLIS.start;
    Duration::from_millis(RETRY_MILLIS.start + random() % span)
}

fn shuffled(mut addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    if !addresses.is_empty() {
        let first = usize::try_from(random()).unwrap_or_default() % addresses.len();
        addresses.rotate_left(first);
    }
    addresses
}

fn random() -> u64 {
    uuid::Uuid::new_v4().as_u64_pair().1 & (u64::MAX >> 2)
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
