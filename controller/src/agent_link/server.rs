//! The gRPC service that agents dial.

use super::convert::{registration, status_update};
use super::files;
use super::links::{Links, Outgoing, OutgoingStream, Standing, queue};
use crate::auth::{AuthError, Reviewer, bearer};
use crate::leader::Identity;
use crate::metrics::Metrics;
use crate::runner::{Arrived, Inbox};
use crate::tls::{Certificates, TlsError};
use proffer_agent_link::v1::agent_link_server::{AgentLink, AgentLinkServer};
use proffer_agent_link::v1::{self, FromAgent, FromMaster, from_agent, from_master};
use proffer_agent_link::{MAX_MESSAGE_BYTES, TOKEN_AUDIENCE};
use proffer_master::{AgentName, Epoch, Event, Session};
use proffer_resources::Role;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

/// A connection that does not say who it is within this time is closed.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// An idle connection is asked for a sign of life this often, and given this long to give one.
const KEEPALIVE: Duration = Duration::from_secs(10);
/// Claim with the name of the node to which a token's pod is bound.
const NODE_CLAIM: &str = "authentication.kubernetes.io/node-name";

/// The link cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The certificate is not usable.
    #[error("the agent link's certificate")]
    Tls(#[source] TlsError),
    /// The server ended.
    #[error("the agent link's server ended")]
    Server(#[source] tonic::transport::Error),
}

/// The `ServiceAccount` that agents run as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentAccount {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl FromStr for AgentAccount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains(':') => {
                Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
            }
            _ => Err(format!(
                "{text:?} is no ServiceAccount: write NAMESPACE:NAME, such as proffer-system:proffer-agent"
            )),
        }
    }
}

impl fmt::Display for AgentAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "system:serviceaccount:{}:{}", self.namespace, self.name)
    }
}

/// The service: what a connection needs to know.
#[derive(Clone)]
pub struct Link {
    /// Asks the API server whose a token is.
    pub reviewer: Arc<Reviewer>,
    /// The `ServiceAccount` of agents.
    pub account: AgentAccount,
    /// What this process is.
    pub standing: watch::Receiver<Standing>,
    /// Who leads.
    pub holder: watch::Receiver<Option<Identity>>,
    /// Port of the link, on every replica.
    pub port: u16,
    /// The connected agents.
    pub links: Arc<Links>,
    /// Figures.
    pub metrics: Arc<Metrics>,
}

/// Serves the link on a listener until the process ends.
pub async fn serve(link: Link, listener: TcpListener, certificates: Arc<Certificates>) -> Result<(), LinkError> {
    let acceptor = TlsAcceptor::from(certificates.server_config(b"h2").map_err(LinkError::Tls)?);
    tokio::spawn(certificates.follow());
    let (accepted, incoming) = mpsc::channel(64);
    tokio::spawn(accept(listener, acceptor, accepted));
    let service = AgentLinkServer::new(link)
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES);
    tonic::transport::Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
        .add_service(service)
        .serve_with_incoming(ReceiverStream::new(incoming))
        .await
        .map_err(LinkError::Server)
}

/// Accepts connections. One that is slow to shake hands holds up no other.
async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    accepted: mpsc::Sender<std::io::Result<TlsStream<TcpStream>>>,
) {
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "the agent link cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (acceptor, accepted) = (acceptor.clone(), accepted.clone());
        tokio::spawn(async move {
            // Small messages must not wait for more; without this only speed is lost.
            let _ = stream.set_nodelay(true);
            match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => drop(accepted.send(Ok(stream)).await),
                Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS on the agent link"),
                Err(_) => tracing::debug!(%peer, "no TLS on the agent link within {HANDSHAKE:?}"),
            }
        });
    }
}

#[tonic::async_trait]
impl AgentLink for Link {
    type AttachStream = OutgoingStream;

    async fn attach(&self, request: Request<Streaming<FromAgent>>) -> Result<Response<OutgoingStream>, Status> {
        let (outgoing, stream) = queue();
        let standing = self.standing.borrow().clone();
        let Standing::Leader { guard, inbox } = standing else {
            let leader = self.holder.borrow().as_ref().map(|leader| leader.at(self.port)).unwrap_or_default();
            let not_leader = from_master::Message::NotLeader(v1::NotLeader { leader });
            // The queue is empty, so there is room; with the sender dropped, the stream ends after this.
            let _ = outgoing.push(FromMaster { message: Some(not_leader) });
            return Ok(Response::new(stream));
        };
        guard.check();
        let header = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
        let agent = self.agent(header).await?;
        guard.check();
        let incoming = request.into_inner();
        let connection = Connection { link: self.clone(), agent, inbox, epoch: guard.epoch() };
        tokio::spawn(connection.run(incoming, outgoing));
        Ok(Response::new(stream))
    }
}

impl Link {
    /// Which agent this is, from its token alone.
    async fn agent(&self, header: Option<&str>) -> Result<AgentName, Status> {
        let token =
            bearer(header).map_err(|_| Status::unauthenticated("no token: send authorization: Bearer TOKEN"))?;
        let user = self.reviewer.user(token, Some(TOKEN_AUDIENCE)).await.map_err(|error| match &error {
            AuthError::Unavailable(source) => {
                tracing::warn!(error = source as &dyn std::error::Error, "an agent's token cannot be reviewed");
                Status::unavailable(error.to_string())
            }
            AuthError::Busy => Status::unavailable(error.to_string()),
            AuthError::NoToken | AuthError::Refused(_) => Status::unauthenticated(error.to_string()),
        })?;
        if user.name() != self.account.to_string() {
            tracing::warn!(user = user.name(), expected = %self.account, "somebody else than an agent dialled the link");
            return Err(Status::permission_denied(format!(
                "{} is not the agents' account, {}",
                user.name(),
                self.account
            )));
        }
        match user.claim(NODE_CLAIM) {
            Some(node) if !node.is_empty() => Ok(AgentName(node.to_owned())),
            _ => Err(Status::permission_denied("the token names no node: use a projected token of a pod on a node")),
        }
    }
}

/// One connection of one agent to the leader.
struct Connection {
    link: Link,
    agent: AgentName,
    inbox: Inbox,
    epoch: Epoch,
}

impl Connection {
    async fn run(self, mut incoming: Streaming<FromAgent>, outgoing: Outgoing) {
        let said = match tokio::time::timeout(HANDSHAKE, incoming.message()).await {
            Ok(Ok(Some(FromAgent { message: Some(from_agent::Message::Register(said)) }))) => said,
            Ok(Ok(_)) => return refuse(&outgoing, "the first message must be Register"),
            Ok(Err(status)) => {
                return tracing::debug!(agent = %self.agent, %status, "an agent went before it registered");
            }
            Err(_) => return refuse(&outgoing, "no Register in time"),
        };
        let (session, mut ended) = self.link.links.open(self.agent.clone(), outgoing);
        self.link.metrics.session_began();
        tracing::info!(agent = %self.agent, session = session.0, version = said.version, tasks = said.tasks.len(), "agent connected");
        let registered = Event::AgentRegistered(registration(self.agent.clone(), session, said));
        self.tell(Arrived::new(registered)).await;
        let why = loop {
            tokio::select! {
                why = &mut ended => break why.unwrap_or_else(|_| "it was replaced".to_owned()),
                message = incoming.message() => match message {
                    Ok(Some(FromAgent { message: Some(message) })) => self.take(session, message).await,
                    Ok(Some(FromAgent { message: None })) => {}
                    Ok(None) => break "it closed the stream".to_owned(),
                    Err(status) => break status.message().to_owned(),
                },
            }
        };
        tracing::info!(agent = %self.agent, session = session.0, why, "agent disconnected");
        self.link.links.close(session);
        self.link.metrics.session_ended();
        self.tell(Arrived::new(Event::AgentDisconnected { agent: self.agent.clone(), session })).await;
    }

    async fn take(&self, session: Session, message: from_agent::Message) {
        let agent = self.agent.clone();
        let event = match message {
            from_agent::Message::StatusUpdate(said) => {
                let times = said.launch_times;
                match status_update(said) {
                    Ok(update) => {
                        let event = Event::StatusUpdate { agent, session, update };
                        return self.tell(Arrived { event, launch_times: times }).await;
                    }
                    Err(error) => return tracing::warn!(%agent, %error, "a status update makes no sense"),
                }
            }
            from_agent::Message::EpochConfirmed(said) => {
                Event::EpochConfirmed { agent, session, epoch: Epoch(said.epoch) }
            }
            from_agent::Message::SlotState(said) => Event::SlotAttached {
                agent,
                session,
                problem: (!said.attached).then(|| {
                    if said.message.is_empty() {
                        "the agent cannot launch in its slot".to_owned()
                    } else {
                        said.message
                    }
                }),
                pod_uid: said.pod_uid,
            },
            from_agent::Message::Pong(_) => Event::Pong { agent, session },
            from_agent::Message::FileReply(said) => {
                return self.link.links.answered(session, said.id, files::answer(said));
            }
            // Another may lead without this process having noticed. The Lease decides that, not an agent's word; but an
            // agent that obeys somebody else is of no use here.
            from_agent::Message::StaleEpoch(said) if said.confirmed > self.epoch.0 => {
                tracing::error!(%agent, confirmed = said.confirmed, epoch = self.epoch.0, "an agent obeys a later leader");
                return self.link.links.disconnect(session, "it obeys a later leader");
            }
            from_agent::Message::StaleEpoch(said) => {
                return tracing::warn!(%agent, refused = said.refused, "an agent refused a message of an earlier epoch");
            }
            from_agent::Message::VolumeDestroyed(said) => {
                let Ok(role) = Role::new(&said.role) else {
                    return tracing::warn!(%agent, role = said.role, "an agent destroyed a volume of no role");
                };
                let problem = Some(said.problem).filter(|problem| !problem.is_empty());
                Event::VolumeDestroyed { agent, session, role, id: said.id, problem }
            }
            from_agent::Message::Register(_) => {
                return self.link.links.disconnect(session, "it registered twice on one stream");
            }
        };
        self.tell(Arrived::new(event)).await;
    }

    /// Hands an event to the master. Waits while the master is busy, and so lets the agent wait.
    async fn tell(&self, arrived: Arrived) {
        let _ = self.inbox.agents.send(arrived).await;
    }
}

fn refuse(outgoing: &Outgoing, why: &str) {
    let refused = from_master::Message::Refused(v1::Refused { message: why.to_owned() });
    let _ = outgoing.push(FromMaster { message: Some(refused) });
}
