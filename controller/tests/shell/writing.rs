//! The writer: what ends up in objects, whatever happens on the way.

use crate::api_server::{ApiServer, Fault, eventually};
use axum::http::Method;
use k8s_openapi::api::core::v1::Node;
use kube::Api;
use proffer_controller::leader::Guard;
use proffer_controller::metrics::Metrics;
use proffer_controller::registry::{Heard, Registry, Watches};
use proffer_controller::writer::{self, Basis, Executor, Op};
use proffer_crds::{Agent, Framework, Offer, TASK_FINALIZER, Task};
use proffer_master::{
    AgentName, AgentRecord, AgentUse, Epoch, Event, ObjectKey, OfferEnd, OfferId, OfferRecord, PlacedOn, Readiness,
    TaskId, TaskRecord, Time, WriteId, WriteOutcome,
};
use proffer_mesos_api::TaskState;
use proffer_resources::{Ranges, ResourceBag, Role};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// The epoch in which the writer under test leads.
const EPOCH: u64 = 5;

/// A writer, its registry and what it tells.
struct World {
    server: ApiServer,
    registry: Arc<Registry>,
    ops: mpsc::UnboundedSender<Op>,
    heard: mpsc::UnboundedReceiver<Heard>,
    /// What the master was told of the task.
    told: Basis,
    /// The writer ends with the world.
    _tasks: JoinSet<()>,
}

impl World {
    /// A leader that has been told everything that is on the server.
    async fn new(server: ApiServer) -> Self {
        let (registry, metrics) = (Registry::new(), Arc::new(Metrics::new()));
        let client = server.client();
        let mut watches = Watches::new(Arc::clone(&registry), Arc::clone(&metrics), Duration::from_secs(30));
        watches.start::<Framework>(&client, Api::all(client.clone()), None);
        watches.start::<Task>(&client, Api::all(client.clone()), None);
        watches.start::<Offer>(&client, Api::all(client.clone()), None);
        watches.start::<Agent>(&client, Api::all(client.clone()), None);
        watches.start::<Node>(&client, Api::all(client.clone()), None);
        watches.synced().await;
        let (sender, heard) = mpsc::unbounded_channel();
        registry.attach(Epoch(EPOCH), sender.clone());
        let executor = Executor::new(
            client,
            Arc::clone(&registry),
            Guard::without_end(Epoch(EPOCH)),
            sender,
            Arc::clone(&metrics),
        );
        let mut tasks = JoinSet::new();
        let ops = writer::start(executor, 4, &mut tasks);
        let mut world = Self { server, registry, ops, heard, told: Basis::default(), _tasks: tasks };
        while let Ok(heard) = world.heard.try_recv() {
            world.hear(&heard);
        }
        world
    }

    /// What the runner does with what it hears.
    fn hear(&mut self, heard: &Heard) {
        if let Heard::Task(_, entry) = heard {
            self.told = Basis(Some(Arc::clone(entry)));
        }
    }

    fn write_status(&self, write: u64, state: TaskState) {
        let (record, task, basis) = (Box::new(record(state)), task_id(), self.told.clone());
        let op = Op::TaskStatus { writes: vec![WriteId(write)], task, record, basis, awaited: true };
        self.ops.send(op).unwrap();
    }

    /// Everything that is heard up to the answer to a write, and the answer.
    async fn answer(&mut self, write: u64) -> (Vec<Event>, WriteOutcome) {
        let mut before = Vec::new();
        loop {
            let heard = tokio::time::timeout(Duration::from_secs(10), self.heard.recv()).await.unwrap().unwrap();
            self.hear(&heard);
            match heard {
                Heard::Event(Event::Written { write: WriteId(answered), outcome }) if answered == write => {
                    return (before, outcome);
                }
                Heard::Event(event) | Heard::Task(event, _) => before.push(event),
                _ => {}
            }
        }
    }

    fn task(&self) -> Value {
        self.server.get("tasks", "ns", "hello").unwrap()
    }
}

fn task_object() -> Value {
    json!({
        "apiVersion": "proffer.dev/v1alpha1", "kind": "Task",
        "metadata": {"name": "hello", "namespace": "ns", "uid": "u1", "generation": 1, "finalizers": ["example.com/other"]},
        "spec": {"frameworkRef": {"name": "fw"}, "command": {"value": "true"}},
    })
}

fn task_id() -> TaskId {
    TaskId { key: ObjectKey::new("ns", "hello"), uid: "u1".to_owned() }
}

fn record(state: TaskState) -> TaskRecord {
    TaskRecord {
        generation: 1,
        state: Some(state),
        reason: None,
        message: String::new(),
        agent: Some(PlacedOn { agent: AgentName("node1".to_owned()), agent_id: "a1".to_owned(), address: None }),
        role: None,
        held: None,
        ports: Ranges::default(),
        exit_code: None,
        signal: None,
        sandbox: None,
        staging_at: Some(Time(1_795_362_000_000_000)),
        running_at: None,
        completed_at: None,
        epoch: Epoch(EPOCH),
    }
}

async fn world_with_task() -> World {
    let server = ApiServer::default();
    server.put(task_object());
    World::new(server).await
}

#[tokio::test]
async fn a_status_is_written_with_the_known_version_in_one_request() {
    let mut world = world_with_task().await;
    world.server.requests();
    world.write_status(1, TaskState::Staging);
    assert_eq!(world.answer(1).await, (vec![], WriteOutcome::Done));
    assert_eq!(world.server.requests(), ["PUT /apis/proffer.dev/v1alpha1/namespaces/ns/tasks/hello/status"]);
    assert_eq!(world.task()["status"]["state"], "Staging");
    assert_eq!(world.task()["status"]["masterEpoch"], EPOCH);

    world.write_status(2, TaskState::Running);
    assert_eq!(world.answer(2).await.1, WriteOutcome::Done, "read your writes: the version of the first is known");
    assert_eq!(world.server.requests().len(), 1);
}

#[tokio::test]
async fn a_change_of_something_else_in_between_does_not_matter() {
    let mut world = world_with_task().await;
    world.server.fault(Method::PUT, "/hello/status", Fault::Meanwhile(json!({"metadata": {"labels": {"a": "b"}}})));
    world.write_status(1, TaskState::Staging);
    assert_eq!(world.answer(1).await.1, WriteOutcome::Done);
    assert_eq!(world.task()["status"]["state"], "Staging");
    assert_eq!(world.task()["metadata"]["labels"]["a"], "b");
}

#[tokio::test]
async fn what_another_leader_wrote_in_between_is_told_and_not_overwritten() {
    for epoch in [EPOCH - 1, EPOCH + 1] {
        let mut world = world_with_task().await;
        let status =
            json!({"status": {"masterEpoch": epoch, "state": "Staging", "agent": {"name": "node9", "id": "a9"}}});
        world.server.fault(Method::PUT, "/hello/status", Fault::Meanwhile(status));
        world.write_status(1, TaskState::Staging);
        let (events, outcome) = world.answer(1).await;
        assert_eq!(outcome, WriteOutcome::Conflict);
        assert_eq!(world.task()["status"]["agent"]["name"], "node9");
        let told = events.iter().any(|event| match event {
            Event::TaskApplied(task) => task.record.as_ref().is_some_and(|record| record.epoch == Epoch(epoch)),
            _ => false,
        });
        assert!(told, "the newest version comes before the outcome: {events:?}");
    }
}

#[tokio::test]
async fn what_the_master_has_not_been_told_yet_is_not_overwritten() {
    let mut world = world_with_task().await;
    let status =
        json!({"status": {"masterEpoch": EPOCH - 1, "state": "Staging", "agent": {"name": "node9", "id": "a9"}}});
    world.server.merge("tasks", "ns", "hello", &status);
    // The watch has it, and the event waits; the master decides before it hears of it.
    eventually("the watch tells", || {
        let entry = world.registry.get::<Task>(&task_id().key)?;
        entry.value().ok()?.status.as_ref().map(drop)
    })
    .await;
    world.write_status(1, TaskState::Staging);
    assert_eq!(world.answer(1).await.1, WriteOutcome::Conflict);
    assert_eq!(world.task()["status"]["agent"]["name"], "node9");
}

#[tokio::test]
async fn own_writes_are_built_on_before_the_master_hears_of_them() {
    let mut world = world_with_task().await;
    for (write, state) in [(1, TaskState::Staging), (2, TaskState::Running), (3, TaskState::Finished)] {
        world.write_status(write, state);
    }
    for write in 1..=3 {
        assert_eq!(world.answer(write).await.1, WriteOutcome::Done);
    }
    assert_eq!(world.task()["status"]["state"], "Finished");
}

#[tokio::test]
async fn a_lost_answer_and_a_busy_server_are_no_obstacle() {
    let mut world = world_with_task().await;
    world.server.fault(Method::PUT, "/hello/status", Fault::LoseAnswer);
    world.write_status(1, TaskState::Staging);
    assert_eq!(world.answer(1).await.1, WriteOutcome::Done);
    for code in [503, 429, 500] {
        world.server.fault(Method::PUT, "/hello/status", Fault::Refuse(code));
    }
    world.write_status(2, TaskState::Running);
    assert_eq!(world.answer(2).await.1, WriteOutcome::Done);
    assert_eq!(world.task()["status"]["state"], "Running");
}

#[tokio::test]
async fn a_refusal_is_passed_on_with_its_reason() {
    let mut world = world_with_task().await;
    world.server.fault(Method::PUT, "/hello/status", Fault::Refuse(422));
    world.write_status(1, TaskState::Staging);
    assert_eq!(world.answer(1).await.1, WriteOutcome::Refused("a fault was ordered".to_owned()));
}

#[tokio::test]
async fn a_task_that_is_gone_or_another_one_is_not_written() {
    let mut world = world_with_task().await;
    world.server.merge("tasks", "ns", "hello", &json!({"metadata": {"finalizers": null}}));
    world.server.delete("tasks", "ns", "hello");
    world.server.put(json!({
        "apiVersion": "proffer.dev/v1alpha1", "kind": "Task",
        "metadata": {"name": "hello", "namespace": "ns", "uid": "u2"},
        "spec": {"frameworkRef": {"name": "fw"}, "command": {"value": "true"}},
    }));
    world.write_status(1, TaskState::Staging);
    assert_eq!(world.answer(1).await.1, WriteOutcome::Gone);
    assert!(world.task()["status"].is_null());
}

#[tokio::test]
async fn adoption_and_release_leave_what_others_put_there() {
    let mut world = world_with_task().await;
    let framework = ("fw".to_owned(), "f1".to_owned());
    world.server.fault(Method::PATCH, "/hello", Fault::Meanwhile(json!({"metadata": {"labels": {"a": "b"}}})));
    world.ops.send(Op::AdoptTask { task: task_id(), framework, finalizer: true }).unwrap();
    let server = world.server.clone();
    let meta = eventually("the task is adopted", || {
        let meta = server.get("tasks", "ns", "hello")?["metadata"].clone();
        meta["ownerReferences"].is_array().then_some(meta)
    })
    .await;
    assert_eq!(meta["finalizers"], json!(["example.com/other", TASK_FINALIZER]));
    assert_eq!(
        meta["ownerReferences"],
        json!([{
            "apiVersion": "proffer.dev/v1alpha1", "kind": "Framework", "name": "fw", "uid": "f1",
            "controller": true, "blockOwnerDeletion": true,
        }])
    );

    // The adoption's own version is known: a status goes through without a look.
    world.server.requests();
    world.write_status(1, TaskState::Staging);
    assert_eq!(world.answer(1).await.1, WriteOutcome::Done);
    assert_eq!(world.server.requests().len(), 1);

    world.ops.send(Op::ReleaseTask(task_id())).unwrap();
    eventually("the task is released", || {
        (server.get("tasks", "ns", "hello")?["metadata"]["finalizers"] == json!(["example.com/other"])).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_task_without_a_tasks_form_gets_its_status_all_the_same() {
    let server = ApiServer::default();
    let mut object = task_object();
    object["spec"]["command"] = json!("not a command");
    object["status"] = json!({"state": "Banana"});
    server.put(object);
    let mut world = World::new(server).await;
    world.write_status(1, TaskState::Error);
    assert_eq!(world.answer(1).await.1, WriteOutcome::Done);
    assert_eq!(world.task()["status"]["state"], "Error");
    assert_eq!(world.task()["spec"]["command"], "not a command");
}

#[tokio::test]
async fn an_offer_is_made_once_opened_closed_and_deleted() {
    let mut world = World::new(ApiServer::default()).await;
    let id = OfferId(ObjectKey::new("ns", "offer-5-1"));
    let offer = OfferRecord {
        id: id.clone(),
        framework: ObjectKey::new("ns", "fw"),
        framework_uid: "f1".to_owned(),
        role: Role::any(),
        agent: record(TaskState::Staging).agent.unwrap(),
        attributes: std::collections::BTreeMap::new(),
        resources: ResourceBag::new(),
        unavailability: None,
        inverse: false,
        expires_at: Time(1_795_362_060_000_000),
        epoch: Epoch(EPOCH),
    };
    world.server.fault(Method::POST, "/offers", Fault::LoseAnswer);
    world.ops.send(Op::CreateOffer { write: WriteId(1), offer: Box::new(offer) }).unwrap();
    assert_eq!(world.answer(1).await.1, WriteOutcome::Done);
    let server = world.server.clone();
    let phase = |phase: &'static str| {
        let server = server.clone();
        move || (server.get("offers", "ns", "offer-5-1")?["status"]["phase"] == phase).then_some(())
    };
    eventually("the offer is outstanding", phase("Outstanding")).await;
    world.server.merge("offers", "ns", "offer-5-1", &json!({"spec": {"reply": {"decline": {}}}}));
    let close = Op::CloseOffer { offer: id.clone(), end: OfferEnd::Declined, message: "declined".to_owned() };
    world.ops.send(close).unwrap();
    eventually("the offer is declined", phase("Declined")).await;
    world.ops.send(Op::DeleteOffer(id)).unwrap();
    eventually("the offer is gone", || server.get("offers", "ns", "offer-5-1").is_none().then_some(())).await;
}

#[tokio::test]
async fn an_agents_object_is_made_for_its_node_and_goes_with_it() {
    let server = ApiServer::default();
    server.put(json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node1", "uid": "n1"}}));
    let world = World::new(server).await;
    let record = |name: &str| {
        Op::Agent(Box::new(AgentRecord {
            agent: AgentName(name.to_owned()),
            agent_id: "a1".to_owned(),
            version: "0.1.0".to_owned(),
            slot: None,
            total: ResourceBag::new(),
            allocated: ResourceBag::new(),
            offered: ResourceBag::new(),
            tasks: 0,
            usage: AgentUse::Active,
            maintenance: None,
            ready: Readiness { ready: false, reason: "NoSlot", message: "the slot does not run yet".to_owned() },
            epoch: Epoch(EPOCH),
        }))
    };
    world.ops.send(record("nowhere")).unwrap();
    world.ops.send(record("node1")).unwrap();
    let agent = eventually("the agent's status is there", || {
        world.server.get("agents", "", "node1").filter(|agent| !agent["status"].is_null())
    })
    .await;
    assert_eq!(agent["metadata"]["ownerReferences"][0]["uid"], "n1");
    assert_eq!(agent["status"]["conditions"][0]["reason"], "NoSlot");
    assert_eq!(world.server.get("agents", "", "nowhere"), None, "there is no such node");
}
