//! Keeps the agent connected to whoever leads.

use super::convert;
use super::dial::{self, Attached, DialError};
use crate::driver::{Driver, Input, Session};
use proffer_agent_link::v1::{self, from_master::Message};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_stream::StreamExt;
use tonic::Streaming;

/// Bounds of the wait between two rounds of dialling. Short: a new leader should see its agents at once.
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

/// What came of a stream's first message.
enum First {
    /// The leader has taken the agent.
    Registered(Session, Box<Streaming<v1::FromMaster>>),
    /// The controller does not lead; where the leader is, if it knows.
    NotLeader(Option<SocketAddr>),
    /// The leader does not take this agent.
    Refused,
    /// Nothing, or nothing useful.
    Nothing(String),
}

type Dials = JoinSet<(SocketAddr, Result<Attached, DialError>)>;

/// Connects, and connects again, until the process ends.
///
/// All controllers are dialled at once, and those that take long are waited for while the others are tried again: one
/// that is down must not keep an agent from the one that leads.
pub async fn run(settings: LinkSettings, driver: Driver) {
    let mut complaint = Complaint::default();
    let mut known = Vec::new();
    let mut dials: Dials = JoinSet::new();
    let mut under_way = BTreeSet::new();
    loop {
        match dial::resolve(&settings.controller).await {
            Ok(addresses) => known = addresses,
            Err(error) => complaint.say(&chain(&error)),
        }
        for &address in &known {
            start_dial(&settings, address, &mut dials, &mut under_way);
        }
        let mut round = Box::pin(tokio::time::sleep(jitter()));
        loop {
            let (address, attached) = tokio::select! {
                Some(done) = dials.join_next(), if !dials.is_empty() => match done {
                    Ok(done) => done,
                    Err(_) => continue,
                },
                () = &mut round => break,
            };
            under_way.remove(&address);
            let first = match attached {
                Ok(attached) => first_message(&driver, address, attached).await,
                Err(error) => First::Nothing(chain(&error)),
            };
            match first {
                First::Registered(session, incoming) => {
                    dials = JoinSet::new();
                    under_way.clear();
                    complaint = Complaint::default();
                    listen(&driver, session, *incoming).await;
                    driver.close_session(session);
                    round = Box::pin(tokio::time::sleep(jitter()));
                }
                First::NotLeader(Some(leader)) if !known.contains(&leader) => {
                    start_dial(&settings, leader, &mut dials, &mut under_way);
                }
                First::NotLeader(_) => {}
                First::Refused => round = Box::pin(tokio::time::sleep(REFUSED_WAIT)),
                First::Nothing(why) => complaint.say(&why),
            }
        }
    }
}

fn start_dial(settings: &LinkSettings, address: SocketAddr, dials: &mut Dials, under_way: &mut BTreeSet<SocketAddr>) {
    if under_way.insert(address) {
        let attach = dial::attach(settings.clone(), address);
        dials.spawn(async move { (address, attach.await) });
    }
}

/// Says the same thing once, not five times a second.
#[derive(Default)]
struct Complaint(BTreeSet<String>);

impl Complaint {
    fn say(&mut self, why: &str) {
        if self.0.insert(why.to_owned()) {
            tracing::warn!(error = why, "cannot register with a controller; trying on");
        }
    }
}

/// Sends the registration and waits for the answer.
async fn first_message(driver: &Driver, address: SocketAddr, attached: Attached) -> First {
    let Attached { outgoing, mut incoming } = attached;
    let session = driver.open_session(outgoing);
    let message = tokio::time::timeout(FIRST_MESSAGE_TIMEOUT, incoming.next()).await;
    let first = match message {
        Ok(Some(Ok(v1::FromMaster { message: Some(message) }))) => match message {
            Message::NotLeader(v1::NotLeader { leader }) => First::NotLeader(leader_address(&leader).await),
            Message::Refused(v1::Refused { message }) => {
                tracing::error!(%address, why = message, "the leader refused this agent");
                First::Refused
            }
            Message::Registered(registered) => {
                let v1::Registered { agent_id, epoch, master_id } = &registered;
                tracing::info!(%address, agent_id, epoch, master_id, "registered");
                pass_on(driver, session, Message::Registered(registered));
                return First::Registered(session, Box::new(incoming));
            }
            _ => First::Nothing(format!("{address} said something else before it answered the registration")),
        },
        Ok(Some(Err(status))) => First::Nothing(format!("{address}: {}: {}", status.code(), status.message())),
        Ok(_) => First::Nothing(format!("{address} closed the stream without a word")),
        Err(_) => First::Nothing(format!("{address} did not answer the registration in time")),
    };
    driver.close_session(session);
    first
}

/// Passes on what the leader says, until the stream ends.
async fn listen(driver: &Driver, session: Session, mut incoming: Streaming<v1::FromMaster>) {
    while !driver.wants_reconnect(session) {
        match incoming.next().await {
            Some(Ok(v1::FromMaster { message: Some(message) })) => pass_on(driver, session, message),
            // Nothing that this version knows.
            Some(Ok(v1::FromMaster { message: None })) => {}
            Some(Err(status)) => {
                tracing::warn!(code = %status.code(), why = status.message(), "the link broke");
                return;
            }
            None => {
                tracing::warn!("the leader closed the link");
                return;
            }
        }
    }
}

fn pass_on(driver: &Driver, session: Session, message: Message) {
    if let Some(message) = convert::from_wire(message) {
        driver.send(Input::Master(session, message));
    }
}

/// The leader's address as a standby names it; nothing if it does not know, or the name does not resolve.
async fn leader_address(leader: &str) -> Option<SocketAddr> {
    match leader.parse() {
        Ok(address) => Some(address),
        Err(_) if leader.is_empty() => None,
        Err(_) => dial::resolve(leader).await.ok()?.into_iter().next(),
    }
}

/// A random wait, so that agents do not all come at the same moment.
fn jitter() -> Duration {
    let span = RETRY_MILLIS.end - RETRY_MILLIS.start;
    Duration::from_millis(RETRY_MILLIS.start + random() % span)
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
