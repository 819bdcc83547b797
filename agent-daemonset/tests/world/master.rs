//! A master played by the test: accepts the agent, sends what the test says, keeps what comes, and acknowledges it.

use super::PATIENCE;
use proffer_agent_link::v1::agent_link_server::{AgentLink, AgentLinkServer};
use proffer_agent_link::v1::{self, from_agent, from_master};
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status, Streaming};

type Outgoing = mpsc::UnboundedSender<Result<v1::FromMaster, Status>>;

/// The master.
#[derive(Clone)]
pub struct Master {
    pub port: u16,
    shared: Arc<Shared>,
    identity: Identity,
}

struct Shared {
    state: Mutex<State>,
    /// Counts what has come.
    changed: watch::Sender<u64>,
    pod_uid: String,
}

struct State {
    epoch: u64,
    acknowledges: bool,
    registrations: Vec<v1::Register>,
    received: Vec<(Instant, from_agent::Message)>,
    agent: Option<Outgoing>,
    /// Since when the agent is this process.
    agent_since: Instant,
    tokens: Vec<String>,
}

impl Master {
    /// Starts one with a certificate of its own, whose authority it leaves in `directory`.
    pub async fn start(directory: &Path, pod_uid: &str) -> Self {
        let authority_key = rcgen::KeyPair::generate().unwrap();
        let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority_certificate = authority.self_signed(&authority_key).unwrap();
        std::fs::write(directory.join("ca.crt"), authority_certificate.pem()).unwrap();
        let issuer = rcgen::Issuer::new(authority, authority_key);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(vec!["proffer-controller.test.svc".to_owned()])
            .unwrap()
            .signed_by(&key, &issuer)
            .unwrap();
        let identity = Identity::from_pem(certificate.pem(), key.serialize_pem());

        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = State {
            epoch: 1,
            acknowledges: true,
            registrations: Vec::new(),
            received: Vec::new(),
            agent: None,
            agent_since: Instant::now(),
            tokens: Vec::new(),
        };
        let shared =
            Arc::new(Shared { state: Mutex::new(state), changed: watch::Sender::new(0), pod_uid: pod_uid.to_owned() });
        let service = AgentLinkServer::new(Service(Arc::clone(&shared)));
        let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
        let server = Server::builder()
            .tls_config(ServerTlsConfig::new().identity(identity.clone()))
            .unwrap()
            .add_service(service);
        tokio::spawn(server.serve_with_incoming(incoming));
        Self { port, shared, identity }
    }

    /// Starts a standby that knows this one to lead; its port.
    pub async fn start_standby(&self) -> u16 {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
        let service = AgentLinkServer::new(Standby(format!("127.0.0.1:{}", self.port)));
        let tls = ServerTlsConfig::new().identity(self.identity.clone());
        let server = Server::builder().tls_config(tls).unwrap().add_service(service);
        tokio::spawn(server.serve_with_incoming(incoming));
        port
    }

    /// From now on the master leads in this epoch; the stream of the old one is closed.
    pub fn set_epoch(&self, epoch: u64) {
        let mut state = self.shared.state.lock().unwrap();
        state.epoch = epoch;
        state.registrations.clear();
        if let Some(agent) = state.agent.take() {
            let _ = agent.send(Err(Status::unavailable("the master has lost its Lease")));
        }
    }

    /// Waits until the agent has taken in everything that was sent so far.
    pub async fn settle(&self) {
        static LAST: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let sequence = LAST.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        let epoch = self.shared.state.lock().unwrap().epoch;
        self.send(from_master::Message::Ping(v1::Ping { epoch, sequence }));
        self.wait_for("a pong", |received, _| {
            let answer = |message: &from_agent::Message| matches!(message, from_agent::Message::Pong(pong) if pong.sequence == sequence);
            received.iter().any(|(_, message)| answer(message)).then_some(())
        })
        .await;
    }

    pub fn set_acknowledges(&self, acknowledges: bool) {
        self.shared.state.lock().unwrap().acknowledges = acknowledges;
    }

    pub fn forget_agent(&self) {
        let mut state = self.shared.state.lock().unwrap();
        state.agent = None;
        state.agent_since = Instant::now();
        state.registrations.clear();
    }

    /// The bearer tokens that were shown.
    pub fn tokens(&self) -> Vec<String> {
        self.shared.state.lock().unwrap().tokens.clone()
    }

    pub fn send(&self, message: from_master::Message) {
        let state = self.shared.state.lock().unwrap();
        let agent = state.agent.as_ref().expect("no agent is connected");
        agent.send(Ok(v1::FromMaster { message: Some(message) })).unwrap();
    }

    pub fn launch(&self, launch: v1::Launch) {
        let epoch = self.shared.state.lock().unwrap().epoch;
        self.send(from_master::Message::Launch(v1::Launch { epoch, ..launch }));
    }

    pub fn prepare(&self, launch: v1::Launch) {
        let epoch = self.shared.state.lock().unwrap().epoch;
        let launch = Some(v1::Launch { epoch, ..launch });
        self.send(from_master::Message::Prepare(v1::Prepare { launch }));
    }

    pub fn kill(&self, uid: &str, grace: Option<Duration>) {
        let epoch = self.shared.state.lock().unwrap().epoch;
        let grace_millis = grace.map(|grace| u64::try_from(grace.as_millis()).unwrap());
        self.send(from_master::Message::Kill(v1::Kill { epoch, task: Some(task_id(uid)), grace_millis }));
    }

    /// Has a volume of role `eng` destroyed; what the agent answers, empty if it is gone.
    pub async fn destroy_volume(&self, id: &str) -> String {
        let epoch = self.shared.state.lock().unwrap().epoch;
        let answers = |received: &[(Instant, from_agent::Message)]| -> Vec<String> {
            let answer = |message: &from_agent::Message| match message {
                from_agent::Message::VolumeDestroyed(said) if said.id == id => Some(said.problem.clone()),
                _ => None,
            };
            received.iter().filter_map(|(_, message)| answer(message)).collect()
        };
        let before = answers(&self.shared.state.lock().unwrap().received).len();
        let (role, id) = ("eng".to_owned(), id.to_owned());
        self.send(from_master::Message::DestroyVolume(v1::DestroyVolume { epoch, role, id }));
        self.wait_for("the answer to a destruction", |received, _| answers(received).get(before).cloned()).await
    }

    /// Waits for the first thing that `find` finds in what has come so far.
    pub async fn wait_for<T>(
        &self,
        what: &str,
        find: impl Fn(&[(Instant, from_agent::Message)], &[v1::Register]) -> Option<T>,
    ) -> T {
        let mut changed = self.shared.changed.subscribe();
        let give_up = Instant::now() + PATIENCE;
        loop {
            {
                let state = self.shared.state.lock().unwrap();
                if let Some(found) = find(&state.received, &state.registrations) {
                    return found;
                }
            }
            let left = give_up.saturating_duration_since(Instant::now());
            if tokio::time::timeout(left, changed.changed()).await.is_err() {
                let state = self.shared.state.lock().unwrap();
                panic!(
                    "waited in vain for {what}; came: {:#?}",
                    state.received.iter().map(|(_, m)| m).collect::<Vec<_>>()
                );
            }
        }
    }

    /// The newest registration.
    pub async fn registered(&self) -> v1::Register {
        self.wait_for("a registration", |_, registrations| registrations.last().cloned()).await
    }

    /// Waits until the agent's process of now has said that it is in its slot.
    pub async fn attached(&self) {
        let since = self.shared.state.lock().unwrap().agent_since;
        self.wait_for("the slot", |received, registrations| {
            let told = received
                .iter()
                .filter(|(at, _)| *at >= since)
                .any(|(_, message)| matches!(message, from_agent::Message::SlotState(slot) if slot.attached));
            let registered =
                registrations.last().and_then(|register| register.slot.clone()).is_some_and(|slot| slot.attached);
            (told || registered).then_some(())
        })
        .await;
    }

    /// The first status of a task in this state.
    pub async fn status(&self, uid: &str, state: &str) -> v1::StatusUpdate {
        self.wait_for(&format!("{state} of {uid}"), |received, _| {
            statuses(received, uid).find(|status| status.state == state).cloned()
        })
        .await
    }

    /// The terminal status of a task.
    pub async fn end(&self, uid: &str) -> v1::StatusUpdate {
        let terminal =
            ["TASK_FINISHED", "TASK_FAILED", "TASK_KILLED", "TASK_ERROR", "TASK_DROPPED", "TASK_GONE", "TASK_LOST"];
        self.wait_for(&format!("the end of {uid}"), |received, _| {
            statuses(received, uid).find(|status| terminal.contains(&status.state.as_str())).cloned()
        })
        .await
    }

    /// All statuses of a task so far.
    pub fn statuses(&self, uid: &str) -> Vec<v1::StatusUpdate> {
        statuses(&self.shared.state.lock().unwrap().received, uid).cloned().collect()
    }
}

/// The statuses of a task among these messages.
pub fn statuses<'a>(
    received: &'a [(Instant, from_agent::Message)],
    uid: &'a str,
) -> impl Iterator<Item = &'a v1::StatusUpdate> {
    received.iter().filter_map(move |(_, message)| match message {
        from_agent::Message::StatusUpdate(status) if status.task.as_ref().is_some_and(|task| task.uid == uid) => {
            Some(status)
        }
        _ => None,
    })
}

/// Identity of a test's task.
pub fn task_id(uid: &str) -> v1::TaskId {
    v1::TaskId { namespace: "default".into(), framework: "test".into(), name: format!("task-{uid}"), uid: uid.into() }
}

/// A shell command with 0.1 cores and 32 MiB.
pub fn shell(uid: &str, text: &str) -> v1::Launch {
    v1::Launch {
        task: Some(task_id(uid)),
        resources: Some(v1::Resources { cpus_thousandths: 100, mem_thousandths: 32_000, ..Default::default() }),
        command: Some(v1::Command { value: text.to_owned(), shell: true, ..Default::default() }),
        kill_grace_millis: 5000,
        ..Default::default()
    }
}

struct Service(Arc<Shared>);

#[tonic::async_trait]
impl AgentLink for Service {
    type AttachStream = Pin<Box<dyn Stream<Item = Result<v1::FromMaster, Status>> + Send>>;

    async fn attach(&self, request: Request<Streaming<v1::FromAgent>>) -> Result<Response<Self::AttachStream>, Status> {
        let token = request.metadata().get("authorization").and_then(|token| token.to_str().ok()).unwrap_or_default();
        self.0.state.lock().unwrap().tokens.push(token.to_owned());
        let mut incoming = request.into_inner();
        let (sender, receiver) = mpsc::unbounded_channel();
        let shared = Arc::clone(&self.0);
        tokio::spawn(async move {
            while let Some(Ok(v1::FromAgent { message: Some(message) })) = incoming.next().await {
                shared.take(message, &sender);
            }
        });
        Ok(Response::new(Box::pin(UnboundedReceiverStream::new(receiver))))
    }
}

struct Standby(String);

#[tonic::async_trait]
impl AgentLink for Standby {
    type AttachStream = Pin<Box<dyn Stream<Item = Result<v1::FromMaster, Status>> + Send>>;

    async fn attach(&self, _: Request<Streaming<v1::FromAgent>>) -> Result<Response<Self::AttachStream>, Status> {
        let not_leader = from_master::Message::NotLeader(v1::NotLeader { leader: self.0.clone() });
        let messages = [Ok(v1::FromMaster { message: Some(not_leader) })];
        Ok(Response::new(Box::pin(tokio_stream::iter(messages))))
    }
}

impl Shared {
    fn take(&self, message: from_agent::Message, sender: &Outgoing) {
        let mut state = self.state.lock().unwrap();
        let epoch = state.epoch;
        let reply = |message| drop(sender.send(Ok(v1::FromMaster { message: Some(message) })));
        match &message {
            from_agent::Message::Register(register) => {
                state.agent = Some(sender.clone());
                state.registrations.push(register.clone());
                let agent_id = "agent-1".to_owned();
                reply(from_master::Message::Registered(v1::Registered { agent_id, epoch, master_id: "m".into() }));
                let slot =
                    v1::Slot { epoch, pod_uid: self.pod_uid.clone(), pod_ip: "10.0.0.1".into(), resources: None };
                reply(from_master::Message::Slot(slot));
            }
            from_agent::Message::StatusUpdate(status) if state.acknowledges && !status.uuid.is_empty() => {
                let acknowledge = v1::Acknowledge { epoch, task: status.task.clone(), uuid: status.uuid.clone() };
                reply(from_master::Message::Acknowledge(acknowledge));
            }
            _ => {}
        }
        state.received.push((Instant::now(), message));
        drop(state);
        self.changed.send_modify(|count| *count += 1);
    }
}
