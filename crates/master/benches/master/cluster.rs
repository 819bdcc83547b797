//! A cluster for the master: what its objects and its agents say, made when it is needed, as nothing is to be measured
//! but the master.

use proffer_master::{
    AgentName, AgentOrders, AgentRegistration, Command, Effect, Epoch, Event, FrameworkObject, Master, MasterConfig,
    ObjectKey, PlacedOn, PortRequest, SchedulerKind, Session, Slot, StatusUpdate, TaskId, TaskObject, TaskRecord,
    TaskRequest, TaskSnapshot, Time,
};
use proffer_mesos_api::TaskState;
use proffer_resources::{Amount, Ranges, ResourceBag, Resources, Role};
use std::collections::BTreeMap;
use std::time::Duration;

/// Epoch of the leader that is measured. The one before it placed the tasks.
pub(crate) const EPOCH: Epoch = Epoch(2);
const NAMESPACE: &str = "bench";
const START: Time = Time(1_700_000_000_000_000);

/// A master and the time of its events. What it wants done is counted and dropped.
pub(crate) struct Cluster {
    pub(crate) master: Master,
    now: Time,
    pub(crate) effects: usize,
}

impl Cluster {
    /// A leader that was told nothing yet.
    pub(crate) fn new() -> Self {
        Self { master: Master::new(MasterConfig::new(EPOCH)), now: START, effects: 0 }
    }

    /// An event happens, a microsecond after the one before.
    pub(crate) fn event(&mut self, event: Event) -> Vec<Effect> {
        self.now = self.now.after(Duration::from_micros(1));
        let effects = self.master.handle(self.now, event);
        self.effects += effects.len();
        effects
    }

    /// Time passes.
    pub(crate) fn pass(&mut self, time: Duration) -> Vec<Effect> {
        self.now = self.now.after(time);
        self.event(Event::Tick)
    }
}

/// Key of an object of the one namespace that there is.
pub(crate) fn key(name: impl Into<String>) -> ObjectKey {
    ObjectKey::new(NAMESPACE, name)
}

/// Name of a framework.
pub(crate) fn framework_name(number: usize) -> String {
    format!("framework-{number:05}")
}

/// A framework's object.
pub(crate) fn framework(name: &str, role: &str, scheduler: SchedulerKind) -> FrameworkObject {
    let object = FrameworkObject::new(key(name.to_owned()), format!("uid-{name}"), Ok(scheduler));
    FrameworkObject { roles: Role::new(role).into_iter().collect(), ..object }
}

/// Name of an agent, as long as real ones.
pub(crate) fn agent(number: usize) -> AgentName {
    AgentName(format!("node-{number:06}.cluster.example"))
}

fn agent_id(number: usize) -> String {
    format!("9c4a2d6e-7f10-4b5a-8d3c-{number:012}")
}

fn slot_uid(number: usize) -> String {
    format!("5b1e0f7a-2c3d-4e5f-9a8b-{number:012}")
}

/// The slot of an agent.
pub(crate) fn slot(number: usize, resources: Resources) -> Slot {
    Slot {
        pod: format!("proffer-slot-{number:06}"),
        uid: slot_uid(number),
        address: Some("10.20.30.40".to_owned()),
        running: true,
        resources,
    }
}

/// The object of an agent that was known to the leader before.
pub(crate) fn agent_object(number: usize) -> Event {
    Event::AgentApplied {
        agent: agent(number),
        attributes: BTreeMap::from([("rack".to_owned(), format!("rack-{}", number % 100))]),
        orders: AgentOrders::default(),
        was_drained: false,
        was_unreachable: false,
        agent_id: Some(agent_id(number)),
        epoch: Some(Epoch(EPOCH.0 - 1)),
    }
}

/// An agent connects, with what it still runs.
pub(crate) fn registration(number: usize, session: Session, epoch: Epoch, tasks: Vec<TaskSnapshot>) -> Event {
    Event::AgentRegistered(AgentRegistration {
        agent: agent(number),
        session,
        agent_id: Some(agent_id(number)),
        new_agent_id: String::new(),
        version: "0.1.0".to_owned(),
        epoch,
        capacity: ResourceBag::from(&Resources {
            disk: Amount::from_units(4096),
            ports: Ranges::span(31_000, 32_000),
            ..Resources::default()
        }),
        tasks,
        attached_slot: Some(slot_uid(number)),
    })
}

/// A task's name and UID.
pub(crate) fn task_id(name: String) -> TaskId {
    TaskId { uid: format!("0d9c8b7a-6f5e-4d3c-2b1a-{name:0>12}"), key: key(name) }
}

/// What tasks of failing-over frameworks hold.
pub(crate) fn small() -> Resources {
    Resources::of(Amount::from_thousandths(100), Amount::from_units(32))
}

/// A task that nobody placed yet.
pub(crate) fn task(id: TaskId, framework: String, resources: Resources) -> Event {
    let command = Command { value: "sleep 100000".to_owned(), shell: true, ..Command::default() };
    Event::TaskApplied(Box::new(TaskObject {
        id,
        generation: 1,
        framework,
        request: Ok(TaskRequest {
            command,
            role: None,
            resources,
            ports: PortRequest::None,
            volumes: Vec::new(),
            cpu_limit: None,
            mem_limit: None,
            kill_grace: Duration::from_secs(5),
        }),
        record: None,
        deleting: false,
        finalizer: true,
        owner: None,
        created: START,
        stream: None,
    }))
}

/// A task that the leader before placed on an agent, where it runs.
pub(crate) fn running_task(id: TaskId, framework: &str, on: usize) -> Event {
    let Event::TaskApplied(mut object) = task(id, framework.to_owned(), small()) else { return Event::Tick };
    object.owner = Some(format!("uid-{framework}"));
    object.record = Some(TaskRecord {
        generation: 1,
        state: Some(TaskState::Running),
        reason: None,
        message: String::new(),
        agent: Some(PlacedOn { agent: agent(on), agent_id: agent_id(on), address: Some("10.20.30.40".to_owned()) }),
        ports: Ranges::default(),
        role: None,
        held: None,
        exit_code: None,
        signal: None,
        sandbox: Some(sandbox(&object.id)),
        staging_at: Some(START),
        running_at: Some(START),
        completed_at: None,
        epoch: Epoch(EPOCH.0 - 1),
    });
    Event::TaskApplied(object)
}

fn sandbox(id: &TaskId) -> String {
    format!("/var/lib/proffer/sandboxes/{NAMESPACE}/{}", id.uid)
}

/// What an agent says of a task that runs. With a UUID it waits for an acknowledgement.
pub(crate) fn runs(id: TaskId, framework: String, uuid: Option<Vec<u8>>) -> StatusUpdate {
    StatusUpdate {
        sandbox: sandbox(&id),
        task: id,
        framework,
        state: TaskState::Running,
        reason: None,
        message: String::new(),
        uuid,
        at: START,
        exit_code: None,
        signal: None,
    }
}
