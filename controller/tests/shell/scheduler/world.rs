//! A leader with its runner and writer, HTTP and the agent link on real sockets.

use crate::api_server::{ApiServer, eventually};
use crate::files::master;
use crate::link::{Replica, TestAgent};
use crate::operator::cluster::{Answer, Reader, Served};
use proffer_agent_link::v1::{self, from_agent, from_master};
use proffer_controller::agent_link::Standing;
use proffer_controller::auth::Anonymous;
use proffer_controller::clock::Clock;
use proffer_controller::http::serve;
use proffer_controller::leader::Guard;
use proffer_controller::metrics::Metrics;
use proffer_controller::registry::Heard;
use proffer_controller::runner::{self, Inbox, Reach, Runner};
use proffer_controller::writer::{self, Executor, Notices};
use proffer_master::{AgentName, Epoch, Event, MasterConfig, Slot};
use proffer_resources::{Amount, Resources};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

const EPOCH: Epoch = Epoch(5);

/// A leader.
pub(super) struct World {
    pub(super) served: Served,
    pub(super) server: ApiServer,
    /// What schedulers send as `Authorization`; nothing if empty.
    pub(super) authorization: String,
    inbox: Inbox,
    _tasks: JoinSet<()>,
}

/// A subscribed scheduler.
pub(super) struct Scheduler {
    pub(super) id: String,
    pub(super) stream_id: String,
    pub(super) events: Reader,
}

impl World {
    /// A leader without agents and frameworks.
    pub(super) async fn new() -> Self {
        Self::with(Vec::new()).await
    }

    /// A leader that finds these objects.
    pub(super) async fn with(objects: Vec<Value>) -> Self {
        let replica = Replica::start().await;
        for object in objects {
            replica.server.put(object);
        }
        let server = replica.server.clone();
        let http = master(&replica, Anonymous { loopback: true, everybody: false }).await;
        let (registry, schedulers, me) = (Arc::clone(&http.registry), http.schedulers.clone(), http.me.clone());
        let operators = http.operators.clone();
        let (inbox, outlets) = runner::inbox();
        let (metrics, guard) = (Arc::new(Metrics::new()), Guard::without_end(EPOCH));
        let mut tasks = JoinSet::new();
        let client = server.client();
        let executor = Executor::new(
            client.clone(),
            Arc::clone(&registry),
            guard.clone(),
            inbox.heard.clone(),
            Arc::clone(&metrics),
        );
        let writer = writer::start(executor, 4, &mut tasks);
        let notices = Notices::start(client, Arc::clone(&registry), Arc::clone(&metrics), "test");
        let (outrun, _) = watch::channel(EPOCH);
        let reach = Reach {
            guard: guard.clone(),
            links: Arc::clone(&replica.links),
            writer,
            notices,
            metrics,
            outrun,
            schedulers,
            operators,
        };
        let (on_recovered, recovered) = oneshot::channel();
        let config = MasterConfig {
            master_info: proffer_controller::http::master_info(&http.me, http.port),
            ..MasterConfig::new(EPOCH)
        };
        let runner = Runner::new(config, Clock::start(), reach, on_recovered);
        registry.attach(EPOCH, inbox.heard.clone());
        inbox.heard.send(Heard::Event(Event::Recovered)).unwrap();
        tasks.spawn(runner.run(outlets));
        recovered.await.unwrap();
        replica.standing.send_replace(Standing::Leader { guard, inbox: inbox.clone() });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(http, listener));
        let own = Served::at(replica, me, registry, address);
        Self { served: own, server, authorization: String::new(), inbox, _tasks: tasks }
    }

    /// An agent with four cores and 4 GiB in its slot.
    pub(super) async fn agent(&self, name: &str, tasks: Vec<v1::TaskSnapshot>) -> TestAgent {
        let replica = &self.served.replica;
        replica.agent_token(name, name);
        let slot = Slot {
            pod: format!("slot-{name}"),
            uid: format!("pod-{name}"),
            address: Some("10.1.2.3".to_owned()),
            running: true,
            resources: Resources::of(Amount::from_units(4), Amount::from_units(4096)),
        };
        let changed = Event::SlotChanged { agent: AgentName(name.to_owned()), slot: Some(slot) };
        self.inbox.heard.send(Heard::Event(changed)).unwrap();
        let mut agent = replica.dial(name).await.unwrap();
        let register = v1::Register {
            version: "0.1.0".to_owned(),
            agent_id: format!("id-of-{name}"),
            epoch: EPOCH.0,
            tasks,
            slot: Some(v1::SlotState { pod_uid: format!("pod-{name}"), attached: true, ..v1::SlotState::default() }),
            capacity: Some(v1::Resources {
                ports: vec![v1::Range { begin: 31_000, end: 32_000 }],
                ..Default::default()
            }),
            ..v1::Register::default()
        };
        agent.say(from_agent::Message::Register(register)).await;
        loop {
            match agent.hears().await.unwrap() {
                from_master::Message::Slot(_) => return agent,
                from_master::Message::Registered(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// POST of a call as JSON.
    pub(super) async fn post(&self, stream_id: Option<&str>, call: &Value) -> Answer {
        let mut headers = vec![("Content-Type", "application/json"), ("Accept", "application/json")];
        headers.extend(stream_id.map(|id| ("Mesos-Stream-Id", id)));
        headers.extend(self.credentials());
        self.served.ask("POST", "/api/v1/scheduler", &headers, call.to_string().as_bytes()).await
    }

    /// Subscribes with this `FrameworkInfo`; fails if the first event is not SUBSCRIBED.
    pub(super) async fn subscribe(&self, info: &Value) -> Scheduler {
        let mut events = self.open(info).await;
        let subscribed = events.expect("SUBSCRIBED").await;
        Self::subscribed(events, &subscribed).await
    }

    /// Subscribes as soon as that is allowed: a refusal is believed for a while.
    pub(super) async fn subscribe_when_allowed(&self, info: &Value) -> Scheduler {
        let allowed = async {
            loop {
                let mut events = self.open(info).await;
                let first: Value = serde_json::from_slice(&events.next().await.unwrap()).unwrap();
                if first["type"] == "SUBSCRIBED" {
                    break Self::subscribed(events, &first).await;
                }
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(10), allowed).await.unwrap()
    }

    async fn subscribed(mut events: Reader, subscribed: &Value) -> Scheduler {
        events.expect("HEARTBEAT").await;
        let header = events.head.lines().find_map(|line| line.strip_prefix("mesos-stream-id: ")).unwrap();
        Scheduler {
            id: subscribed["subscribed"]["framework_id"]["value"].as_str().unwrap().to_owned(),
            stream_id: header.to_owned(),
            events,
        }
    }

    /// Asks to subscribe.
    pub(super) async fn open(&self, info: &Value) -> Reader {
        let mut call = json!({"type": "SUBSCRIBE", "subscribe": {"framework_info": info}});
        if !info["id"].is_null() {
            call["framework_id"] = info["id"].clone();
        }
        let mut headers = vec![("Content-Type", "application/json"), ("Accept", "application/json")];
        headers.extend(self.credentials());
        self.served.stream("/api/v1/scheduler", &headers, call.to_string().as_bytes()).await
    }

    fn credentials(&self) -> Option<(&str, &str)> {
        (!self.authorization.is_empty()).then_some(("Authorization", self.authorization.as_str()))
    }

    /// The only object of a kind, once there is one that `found` likes.
    pub(super) async fn object(&self, plural: &str, found: impl Fn(&Value) -> bool) -> Value {
        let server = self.server.clone();
        eventually(plural, move || server.all(plural).into_iter().find(|object| found(object))).await
    }
}

impl Scheduler {
    /// Calls, which must be accepted.
    pub(super) async fn call(&self, world: &World, mut call: Value) {
        call["framework_id"] = json!({"value": self.id});
        let answer = world.post(Some(&self.stream_id), &call).await;
        assert_eq!((answer.status, answer.text().as_str()), (202, ""), "{call}");
        assert!(!answer.headers.contains_key("content-type"), "an answer without a body has no type");
    }

    /// The next offers.
    pub(super) async fn offers(&mut self) -> Vec<Value> {
        self.events.expect("OFFERS").await["offers"]["offers"].as_array().unwrap().clone()
    }

    /// The next status update.
    pub(super) async fn update(&mut self) -> Value {
        self.events.expect("UPDATE").await["update"]["status"].clone()
    }

    /// Acknowledges an update.
    pub(super) async fn acknowledge(&self, world: &World, status: &Value) {
        let acknowledge = json!({"agent_id": status["agent_id"], "task_id": status["task_id"], "uuid": status["uuid"]});
        self.call(world, json!({"type": "ACKNOWLEDGE", "acknowledge": acknowledge})).await;
    }
}

/// A framework that knows of partitions.
pub(super) fn info() -> Value {
    json!({
        "user": "root", "name": "Test", "failover_timeout": 3600.0, "roles": ["*"],
        "capabilities": [{"type": "MULTI_ROLE"}, {"type": "PARTITION_AWARE"}],
    })
}

/// A task for the agent of an offer.
pub(super) fn task(id: &str, offer: &Value) -> Value {
    json!({
        "name": id, "task_id": {"value": id}, "agent_id": offer["agent_id"],
        "resources": [
            {"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.5}},
            {"name": "mem", "type": "SCALAR", "scalar": {"value": 64}},
        ],
        "command": {"value": "sleep 100"},
    })
}

/// An acceptance that launches these tasks.
pub(super) fn accept(offer: &Value, tasks: &[Value]) -> Value {
    json!({"type": "ACCEPT", "accept": {
        "offer_ids": [offer["id"]],
        "operations": [{"type": "LAUNCH", "launch": {"task_infos": tasks}}],
        "filters": {"refuse_seconds": 0.0},
    }})
}

/// A UUID of version 4.
pub(super) fn uuid_of(number: u8) -> Vec<u8> {
    let mut uuid = vec![number; 16];
    (uuid[6], uuid[8]) = (0x40, 0x80);
    uuid
}

/// What an agent says of a task.
pub(super) fn status(launch: &v1::Launch, state: &str, uuid: u8) -> v1::StatusUpdate {
    v1::StatusUpdate {
        task: launch.task.clone(),
        state: state.to_owned(),
        uuid: uuid_of(uuid),
        timestamp_micros: 1_795_362_000_000_000,
        sandbox: "/s".to_owned(),
        ..v1::StatusUpdate::default()
    }
}
