//! Reservation objects: what the master is told of them, and what it writes into them, whatever happens on the way.

use crate::api_server::{ApiServer, Fault, eventually};
use axum::http::Method;
use kube::Api;
use proffer_controller::leader::Guard;
use proffer_controller::metrics::Metrics;
use proffer_controller::registry::{Heard, Registry, Watches};
use proffer_controller::writer::{self, Executor, Op};
use proffer_crds::{RESERVATION_FINALIZER, Reservation};
use proffer_master::{
    AgentName, Epoch, Event, NewReservation, ObjectKey, ReservationObject, ReservationPhase, ReservationRecord,
    WriteId, WriteOutcome,
};
use proffer_resources::{Amount, Reservation as Reserved, Resource, ResourceBag, Role};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

const EPOCH: u64 = 5;

/// A leader's writer and what it is told.
struct World {
    server: ApiServer,
    ops: mpsc::UnboundedSender<Op>,
    heard: mpsc::UnboundedReceiver<Heard>,
    _tasks: JoinSet<()>,
}

impl World {
    async fn new(server: ApiServer) -> Self {
        let (registry, metrics) = (Registry::new(), Arc::new(Metrics::new()));
        let client = server.client();
        let mut watches = Watches::new(Arc::clone(&registry), Arc::clone(&metrics), Duration::from_secs(30));
        watches.start::<Reservation>(&client, Api::all(client.clone()), None);
        watches.synced().await;
        let (sender, heard) = mpsc::unbounded_channel();
        registry.attach(Epoch(EPOCH), sender.clone());
        let executor = Executor::new(client, registry, Guard::without_end(Epoch(EPOCH)), sender, metrics);
        let mut tasks = JoinSet::new();
        let ops = writer::start(executor, 4, &mut tasks);
        Self { server, ops, heard, _tasks: tasks }
    }

    async fn next(&mut self) -> Event {
        loop {
            let heard = tokio::time::timeout(Duration::from_secs(10), self.heard.recv()).await.unwrap().unwrap();
            if let Heard::Event(event) = heard {
                return event;
            }
        }
    }

    /// The object as the master was told it last before the answer to a write, and the answer.
    async fn answer(&mut self, write: u64) -> (Option<ReservationObject>, WriteOutcome) {
        let mut told = None;
        loop {
            match self.next().await {
                Event::ReservationApplied(object) => told = Some(*object),
                Event::Written { write: WriteId(answered), outcome } if answered == write => return (told, outcome),
                _ => {}
            }
        }
    }

    fn object(&self, name: &str) -> Option<Value> {
        self.server.get("reservations", "", name)
    }
}

fn reserved(cpus: u64) -> ResourceBag {
    let eng = Reserved::dynamic(Role::new("eng").unwrap(), None);
    Resource::scalar("cpus", Amount::from_units(cpus)).reserved(eng).into()
}

fn record(uid: &str, message: &str) -> Op {
    Op::Reservation(Box::new(ReservationRecord {
        name: "db".to_owned(),
        uid: uid.to_owned(),
        generation: 1,
        phase: ReservationPhase::Pending,
        message: message.to_owned(),
        reserved: reserved(1),
        destroying: Vec::new(),
        tasks: [ObjectKey::new("shop", "one")].into(),
        epoch: Epoch(EPOCH),
    }))
}

fn by_a_person(spec: &Value) -> Value {
    json!({
        "apiVersion": "proffer.dev/v1alpha1", "kind": "Reservation",
        "metadata": {"name": "db", "uid": "u1", "generation": 1}, "spec": spec,
    })
}

#[tokio::test]
async fn what_an_operation_reserves_is_told_before_its_write_is_answered() {
    let mut world = World::new(ApiServer::default()).await;
    let agent = AgentName("node1".to_owned());
    let name = "op-node1-5-1".to_owned();
    let reservation = Box::new(NewReservation { name: name.clone(), agent, resources: reserved(1), principal: None });
    world.server.fault(Method::POST, "/reservations", Fault::LoseAnswer);
    world.ops.send(Op::CreateReservation { write: WriteId(1), reservation }).unwrap();
    let (told, outcome) = world.answer(1).await;
    let told = told.unwrap();
    assert_eq!(
        (outcome, told.resources, told.finalizer, told.deleting),
        (WriteOutcome::Done, Ok(reserved(1)), true, false)
    );

    let uid = told.uid;
    let change = |write, uid: &str| Op::ChangeReservation {
        write: WriteId(write),
        name: name.clone(),
        uid: uid.to_owned(),
        resources: reserved(2),
    };
    world.server.fault(
        Method::PUT,
        "/reservations/op-node1-5-1",
        Fault::Meanwhile(json!({"metadata": {"annotations": {"a": "b"}}})),
    );
    world.ops.send(change(2, &uid)).unwrap();
    let (told, outcome) = world.answer(2).await;
    assert_eq!((outcome, told.unwrap().resources), (WriteOutcome::Done, Ok(reserved(2))));
    assert_eq!(world.object(&name).unwrap()["metadata"]["annotations"]["a"], "b");
    world.ops.send(change(3, "another")).unwrap();
    assert_eq!(world.answer(3).await.1, WriteOutcome::Gone);

    world.ops.send(Op::DeleteReservation { write: WriteId(4), name: name.clone(), uid }).unwrap();
    let (told, outcome) = world.answer(4).await;
    assert_eq!((outcome, told.unwrap().deleting), (WriteOutcome::Done, true));
    world.ops.send(Op::ReleaseReservation(name.clone())).unwrap();
    eventually("the object is gone", || world.object(&name).is_none().then_some(())).await;
}

#[tokio::test]
async fn a_persons_reservation_gets_the_finalizer_and_then_its_status_and_keeps_the_change_made_meanwhile() {
    let server = ApiServer::default();
    server.put(by_a_person(&json!({"agent": "node1", "role": "eng", "resources": {"cpu": 1}})));
    let mut world = World::new(server).await;
    let Event::ReservationApplied(told) = world.next().await else { panic!("no reservation") };
    assert_eq!(
        (told.agent.0.as_str(), told.resources, told.finalizer, told.record),
        ("node1", Ok(reserved(1)), false, None)
    );

    world.server.fault(
        Method::PUT,
        "/reservations/db/status",
        Fault::Meanwhile(json!({"spec": {"resources": {"cpu": 2}}, "metadata": {"generation": 2}})),
    );
    world.ops.send(record("u1", "agent node1 is not here")).unwrap();
    eventually("the status", || world.object("db").filter(|object| object["status"]["phase"] == "Pending")).await;
    let object = world.object("db").unwrap();
    assert_eq!(object["metadata"]["finalizers"], json!([RESERVATION_FINALIZER]));
    assert_eq!(object["spec"]["resources"]["cpu"], 2);
    assert_eq!(object["status"]["message"], "agent node1 is not here");
    assert_eq!(object["status"]["tasks"], json!([{"namespace": "shop", "name": "one"}]));
    loop {
        if let Event::ReservationApplied(told) = world.next().await
            && let Some(record) = told.record.clone()
        {
            assert_eq!((told.resources, told.finalizer), (Ok(reserved(2)), true));
            assert_eq!((record.reserved, record.epoch), (reserved(1), Epoch(EPOCH)), "a next leader knows what is so");
            break;
        }
    }
    // One of another UID is another reservation; one without the form of its kind is told so.
    world.ops.send(record("another", "not this one")).unwrap();
    world.ops.send(record("u1", "still this one")).unwrap();
    eventually("the newer status", || {
        world.object("db").filter(|object| object["status"]["message"] == "still this one")
    })
    .await;
}

#[tokio::test]
async fn what_makes_no_sense_is_told_and_the_others_go_on() {
    let server = ApiServer::default();
    server.put(by_a_person(&json!({"agent": "node1", "role": "*", "resources": {"cpu": 1}})));
    let mut malformed = by_a_person(&json!({"agent": 5}));
    malformed["metadata"]["name"] = json!("malformed");
    server.put(malformed);
    let mut world = World::new(server).await;
    let mut problems = Vec::new();
    while problems.len() < 2 {
        if let Event::ReservationApplied(told) = world.next().await {
            problems.push(told.resources.unwrap_err());
        }
    }
    assert!(problems[0].contains("reserves nothing"), "{problems:?}");
    assert!(problems[1].contains("does not have a Reservation's form"), "{problems:?}");
}
