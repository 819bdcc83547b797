//! The agent link over real sockets, with TLS and tokens.

use crate::api_server::ApiServer;
use k8s_openapi::api::authentication::v1::{TokenReviewStatus, UserInfo};
use proffer_agent_link::TOKEN_AUDIENCE;
use proffer_agent_link::v1::agent_link_client::AgentLinkClient;
use proffer_agent_link::v1::{self, FromAgent, FromMaster, from_agent, from_master};
use proffer_controller::agent_link::{AgentAccount, Link, Links, Standing, serve};
use proffer_controller::auth::Reviewer;
use proffer_controller::leader::{Guard, Identity};
use proffer_controller::metrics::Metrics;
use proffer_controller::runner::{Arrived, inbox};
use proffer_controller::tls::Certificates;
use proffer_master::{AgentName, Epoch, Event, Session, ToAgent};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Status, Streaming};

/// Name in the certificate.
const SERVER_NAME: &str = "proffer-controller.proffer-system.svc";

/// A replica's link.
pub(crate) struct Replica {
    /// The API server that it asks.
    pub server: ApiServer,
    /// What it is.
    pub standing: watch::Sender<Standing>,
    /// Who it thinks leads.
    pub holder: watch::Sender<Option<Identity>>,
    /// Its agents.
    pub links: Arc<Links>,
    address: SocketAddr,
    ca: String,
}

/// What the agent of a test says and hears.
pub(crate) struct TestAgent {
    /// Says something.
    pub say: mpsc::Sender<FromAgent>,
    /// Hears something.
    pub hear: Streaming<FromMaster>,
}

impl Replica {
    /// A standby that knows no leader.
    pub(crate) async fn start() -> Self {
        let key = rcgen::generate_simple_self_signed([SERVER_NAME.to_owned()]).unwrap();
        let folder = std::env::temp_dir().join(format!("proffer-link-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("tls.crt"), key.cert.pem()).unwrap();
        std::fs::write(folder.join("tls.key"), key.signing_key.serialize_pem()).unwrap();
        let certificates = Certificates::load(&folder, "the agent link").unwrap();
        std::fs::remove_dir_all(&folder).unwrap();

        let server = ApiServer::default();
        let (standing, follow) = watch::channel(Standing::Standby);
        let (holder, follow_holder) = watch::channel(None);
        let links = Links::new("test-master");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let link = Link {
            reviewer: Arc::new(Reviewer::new(server.client())),
            account: AgentAccount { namespace: "proffer-system".to_owned(), name: "proffer-agent".to_owned() },
            standing: follow,
            holder: follow_holder,
            port: 5052,
            links: Arc::clone(&links),
            metrics: Arc::new(Metrics::new()),
        };
        tokio::spawn(serve(link, listener, certificates));
        Self { server, standing, holder, links, address, ca: key.cert.pem() }
    }

    /// From now on it leads. Returns what its master hears from agents.
    pub(crate) fn lead(&self) -> mpsc::Receiver<Arrived> {
        let (inbox, outlets) = inbox();
        self.standing.send_replace(Standing::Leader { guard: Guard::without_end(Epoch(5)), inbox });
        outlets.agents
    }

    /// Lets a token be that of an agent's pod on this node.
    pub(crate) fn agent_token(&self, token: &str, node: &str) {
        let claims = BTreeMap::from([("authentication.kubernetes.io/node-name".to_owned(), vec![node.to_owned()])]);
        self.token(token, "system:serviceaccount:proffer-system:proffer-agent", Some(claims), &[TOKEN_AUDIENCE]);
    }

    fn token(&self, token: &str, user: &str, extra: Option<BTreeMap<String, Vec<String>>>, audiences: &[&str]) {
        let user = UserInfo { username: Some(user.to_owned()), extra, ..UserInfo::default() };
        let audiences = Some(audiences.iter().map(|&audience| audience.to_owned()).collect());
        self.server
            .token(token, TokenReviewStatus { authenticated: Some(true), user: Some(user), audiences, error: None });
    }

    async fn channel(&self) -> Channel {
        let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&self.ca)).domain_name(SERVER_NAME);
        let endpoint = Endpoint::from_shared(format!("https://{}", self.address)).unwrap();
        endpoint.tls_config(tls).unwrap().connect().await.unwrap()
    }

    /// Dials with this token.
    pub(crate) async fn dial(&self, token: &str) -> Result<TestAgent, Status> {
        let (say, said) = mpsc::channel(16);
        let mut request = Request::new(ReceiverStream::new(said));
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        let hear = AgentLinkClient::new(self.channel().await).attach(request).await?.into_inner();
        Ok(TestAgent { say, hear })
    }

    /// Dials and registers as the agent of this node.
    pub(crate) async fn register(&self, node: &str, events: &mut mpsc::Receiver<Arrived>) -> (TestAgent, Session) {
        self.agent_token(node, node);
        let agent = self.dial(node).await.unwrap();
        agent
            .say(from_agent::Message::Register(v1::Register { version: "0.1.0".to_owned(), ..v1::Register::default() }))
            .await;
        match next(events).await {
            Event::AgentRegistered(registration) => {
                assert_eq!(registration.agent, AgentName(node.to_owned()));
                (agent, registration.session)
            }
            other => panic!("{other:?}"),
        }
    }
}

impl TestAgent {
    /// Says something.
    pub(crate) async fn say(&self, message: from_agent::Message) {
        self.say.send(FromAgent { message: Some(message) }).await.unwrap();
    }

    /// What it hears next; `None` at the end of the stream.
    pub(crate) async fn hears(&mut self) -> Option<from_master::Message> {
        let next = tokio::time::timeout(Duration::from_secs(10), self.hear.message()).await.unwrap();
        next.ok().flatten().and_then(|message| message.message)
    }
}

async fn next(events: &mut mpsc::Receiver<Arrived>) -> Event {
    tokio::time::timeout(Duration::from_secs(10), events.recv()).await.unwrap().unwrap().event
}

#[tokio::test]
async fn a_standby_names_the_leader_and_ends_the_stream() {
    let replica = Replica::start().await;
    let not_leader = |leader: &str| Some(from_master::Message::NotLeader(v1::NotLeader { leader: leader.to_owned() }));
    let mut agent = replica.dial("whatever").await.unwrap();
    assert_eq!(agent.hears().await, not_leader(""), "nobody leads");
    assert_eq!(agent.hears().await, None);
    replica.holder.send_replace(Some(Identity::new("other", "10.244.1.9".parse().unwrap())));
    let mut agent = replica.dial("whatever").await.unwrap();
    assert_eq!(agent.hears().await, not_leader("10.244.1.9:5052"));
}

#[tokio::test]
async fn an_agent_is_the_node_of_its_token_and_nobody_else_is_an_agent() {
    let replica = Replica::start().await;
    let mut events = replica.lead();
    replica.token("stranger", "system:serviceaccount:default:default", None, &[TOKEN_AUDIENCE]);
    replica.token("nodeless", "system:serviceaccount:proffer-system:proffer-agent", None, &[TOKEN_AUDIENCE]);
    replica.token("other-audience", "system:serviceaccount:proffer-system:proffer-agent", None, &["vault"]);
    for (token, code, message) in [
        ("unknown", Code::Unauthenticated, "the bearer token is not accepted: it is not one of this cluster's"),
        (
            "other-audience",
            Code::Unauthenticated,
            "the bearer token is not accepted: it is not for the audience proffer-agent-link",
        ),
        (
            "stranger",
            Code::PermissionDenied,
            "system:serviceaccount:default:default is not the agents' account, system:serviceaccount:proffer-system:proffer-agent",
        ),
        ("nodeless", Code::PermissionDenied, "the token names no node: use a projected token of a pod on a node"),
    ] {
        let status = replica.dial(token).await.err().unwrap();
        assert_eq!((status.code(), status.message()), (code, message), "{token}");
    }
    let (agent, session) = replica.register("node1", &mut events).await;
    drop(agent);
    let gone = Event::AgentDisconnected { agent: AgentName("node1".to_owned()), session };
    assert_eq!(next(&mut events).await, gone);
}

#[tokio::test]
async fn messages_go_both_ways() {
    let replica = Replica::start().await;
    let mut events = replica.lead();
    let (mut agent, session) = replica.register("node1", &mut events).await;
    replica.links.send(session, ToAgent::Registered { agent_id: "a1".to_owned(), epoch: Epoch(5) });
    replica.links.send(session, ToAgent::Ping { epoch: Epoch(5), sequence: 1 });
    let registered = v1::Registered { agent_id: "a1".to_owned(), epoch: 5, master_id: "test-master".to_owned() };
    assert_eq!(agent.hears().await, Some(from_master::Message::Registered(registered)));
    assert_eq!(agent.hears().await, Some(from_master::Message::Ping(v1::Ping { epoch: 5, sequence: 1 })));
    agent.say(from_agent::Message::EpochConfirmed(v1::EpochConfirmed { epoch: 5 })).await;
    agent.say(from_agent::Message::Pong(v1::Pong { sequence: 1 })).await;
    let name = AgentName("node1".to_owned());
    let confirmed = Event::EpochConfirmed { agent: name.clone(), session, epoch: Epoch(5) };
    assert_eq!(next(&mut events).await, confirmed);
    assert_eq!(next(&mut events).await, Event::Pong { agent: name.clone(), session });

    replica.links.disconnect(session, "for a reason");
    assert_eq!(agent.hears().await, None);
    assert_eq!(next(&mut events).await, Event::AgentDisconnected { agent: name, session });
}

#[tokio::test]
async fn an_agent_that_obeys_a_later_leader_is_let_go() {
    let replica = Replica::start().await;
    let mut events = replica.lead();
    let (mut agent, _) = replica.register("node1", &mut events).await;
    agent.say(from_agent::Message::StaleEpoch(v1::StaleEpoch { refused: 5, confirmed: 6 })).await;
    assert_eq!(agent.hears().await, None);
    assert!(matches!(next(&mut events).await, Event::AgentDisconnected { .. }));
}

#[tokio::test]
async fn a_stream_that_does_not_begin_with_a_registration_is_refused() {
    let replica = Replica::start().await;
    let mut events = replica.lead();
    replica.agent_token("t", "node1");
    let mut agent = replica.dial("t").await.unwrap();
    agent.say(from_agent::Message::Pong(v1::Pong { sequence: 1 })).await;
    let refused = v1::Refused { message: "the first message must be Register".to_owned() };
    assert_eq!(agent.hears().await, Some(from_master::Message::Refused(refused)));
    assert_eq!(agent.hears().await, None);
    assert!(events.try_recv().is_err());
}
