//! A master, the objects that it writes, an agent, and a log of what schedulers are told.

use proffer_master::{
    AgentName, AgentRegistration, Connection, Effect, Epoch, Event, FrameworkObject, FrameworkRecord,
    FrameworkSpecRecord, Launch, Master, MasterConfig, NewTask, ObjectKey, Session, Slot, StatusUpdate, StreamObject,
    StreamPhase, StreamTaskObject, Subscription, TaskId, TaskObject, TaskRecord, TaskSnapshot, Time, ToAgent, WriteId,
    WriteOutcome, framework_object, task_request,
};
use proffer_mesos_api::v1::scheduler::{Call, call, event};
use proffer_mesos_api::v1::{self, FrameworkInfo};
use proffer_mesos_api::{TaskState, json};
use proffer_resources::{Amount, Resources};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

pub(crate) const NAMESPACE: &str = "ns";
pub(crate) const ID: &str = "F-1";

/// What was written of a framework.
#[derive(Clone, Debug)]
pub(crate) struct Framework {
    pub(crate) spec: FrameworkSpecRecord,
    pub(crate) record: Option<FrameworkRecord>,
}

/// The world.
pub(crate) struct World {
    pub(crate) master: Master,
    pub(crate) now: Time,
    pub(crate) frameworks: BTreeMap<ObjectKey, Framework>,
    pub(crate) tasks: BTreeMap<TaskId, (NewTask, Option<TaskRecord>)>,
    /// Writes that were not answered.
    pub(crate) held: VecDeque<(WriteId, Held)>,
    pub(crate) hold_writes: bool,
    /// What waits for a write.
    parked: Vec<(WriteId, ToAgent)>,
    /// What schedulers were told, since the last look.
    told: Vec<String>,
    /// Events, as they were told.
    pub(crate) events: Vec<(Connection, v1::scheduler::Event)>,
    /// What agents were told, since the last look.
    heard: Vec<String>,
    pub(crate) launches: Vec<Launch>,
    known: BTreeMap<String, Option<String>>,
    to_come: VecDeque<Event>,
    last_session: u64,
    pub(crate) write_behind: bool,
}

/// A write.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a few of them")]
pub(crate) enum Held {
    Spec(FrameworkSpecRecord),
    Task(NewTask),
    Status(TaskId, TaskRecord),
}

impl World {
    /// A leader that found nothing.
    pub(crate) fn new() -> Self {
        Self::leader(1, BTreeMap::new(), BTreeMap::new())
    }

    /// The leader after this one.
    pub(crate) fn next_leader(self) -> Self {
        let mut next = Self::leader(self.master.config().epoch.0 + 1, self.frameworks.clone(), self.tasks.clone());
        next.now = self.now;
        next.write_behind = self.write_behind;
        next
    }

    fn leader(
        epoch: u64,
        frameworks: BTreeMap<ObjectKey, Framework>,
        tasks: BTreeMap<TaskId, (NewTask, Option<TaskRecord>)>,
    ) -> Self {
        let mut world = Self {
            master: Master::new(MasterConfig::new(Epoch(epoch))),
            now: Time(1_000_000),
            frameworks,
            tasks,
            held: VecDeque::new(),
            hold_writes: false,
            parked: Vec::new(),
            told: Vec::new(),
            events: Vec::new(),
            heard: Vec::new(),
            launches: Vec::new(),
            known: BTreeMap::new(),
            to_come: VecDeque::new(),
            last_session: 0,
            write_behind: false,
        };
        for key in world.frameworks.keys().cloned().collect::<Vec<_>>() {
            world.event(Event::FrameworkApplied(world.framework_object(&key)));
        }
        for id in world.tasks.keys().cloned().collect::<Vec<_>>() {
            world.event(Event::TaskApplied(Box::new(world.task_object(&id))));
        }
        world.event(Event::Recovered);
        world
    }

    /// An event, and all that follows from it.
    pub(crate) fn event(&mut self, event: Event) {
        self.to_come.push_back(event);
        self.go_on();
    }

    fn go_on(&mut self) {
        while let Some(event) = self.to_come.pop_front() {
            for effect in self.master.handle(self.now, event) {
                self.effect(effect);
            }
            self.master.check_invariants().unwrap();
        }
    }

    /// Time goes by, in steps of what the master waits for.
    pub(crate) fn pass(&mut self, duration: Duration) {
        let until = self.now.after(duration);
        while let Some(next) = self.master.next_tick().filter(|next| *next <= until) {
            self.now = self.now.max(next);
            self.event(Event::Tick);
        }
        self.now = until;
        self.event(Event::Tick);
    }

    /// An agent with four cores, 4 GiB, 1,000 MiB of disk and a thousand ports, which has these tasks.
    pub(crate) fn agent(&mut self, name: &str, tasks: Vec<TaskSnapshot>) {
        self.last_session += 1;
        let slot = Slot {
            pod: format!("slot-{name}"),
            uid: format!("pod-{name}"),
            address: Some("10.0.0.1".to_owned()),
            running: true,
            resources: Resources::of(Amount::from_units(4), Amount::from_units(4096)),
        };
        self.event(Event::SlotChanged { agent: agent(name), slot: Some(slot) });
        self.event(Event::AgentRegistered(AgentRegistration {
            agent: agent(name),
            session: Session(self.last_session),
            agent_id: Some(format!("id-of-{name}")),
            new_agent_id: String::new(),
            version: String::new(),
            epoch: Epoch(0),
            capacity: "disk:1000;ports:[31000-31999]".parse().unwrap(),
            tasks,
            attached_slot: Some(format!("pod-{name}")),
        }));
        let epoch = self.master.config().epoch;
        self.event(Event::EpochConfirmed { agent: agent(name), session: Session(self.last_session), epoch });
    }

    /// The newest connection of the only agent ends.
    pub(crate) fn agent_goes(&mut self, name: &str) {
        self.event(Event::AgentDisconnected { agent: agent(name), session: Session(self.last_session) });
    }

    /// An agent says something of the task that was launched last.
    pub(crate) fn status(&mut self, name: &str, state: TaskState, uuid: u8) {
        let update = self.update(state, Some(uuid));
        self.event(Event::StatusUpdate { agent: agent(name), session: Session(self.last_session), update });
    }

    /// What an agent says of the task that was launched last.
    pub(crate) fn update(&self, state: TaskState, uuid: Option<u8>) -> StatusUpdate {
        let task = self.launches.last().map(|launch| launch.task.clone());
        let task = task.or_else(|| self.tasks.keys().next_back().cloned()).unwrap();
        StatusUpdate {
            task,
            framework: "test".to_owned(),
            state,
            reason: None,
            message: String::new(),
            uuid: uuid.map(|uuid| vec![uuid; 16]),
            at: self.now,
            exit_code: None,
            signal: None,
            sandbox: String::new(),
        }
    }

    /// A scheduler asks to subscribe.
    pub(crate) fn subscribe(&mut self, connection: u64, info: FrameworkInfo) {
        self.subscribe_as(connection, ID, info);
    }

    /// The same, and if it is new it gets this ID.
    pub(crate) fn subscribe_as(&mut self, connection: u64, new_id: &str, info: FrameworkInfo) {
        let subscribe = call::Subscribe { framework_info: info, ..call::Subscribe::default() };
        self.event(Event::Subscribe(Box::new(Subscription {
            connection: Connection(connection),
            namespace: NAMESPACE.to_owned(),
            principal: subscribe.framework_info.principal.clone(),
            subscribe,
            new_framework_id: new_id.to_owned(),
        })));
    }

    /// A call in Mesos' JSON.
    pub(crate) fn call(&mut self, connection: u64, text: &str) {
        let call: Call = json::decode(text.as_bytes()).unwrap();
        self.event(Event::Call { connection: Connection(connection), call: Box::new(call), denied: Vec::new() });
    }

    /// Accepts the newest offers on a connection and launches tasks in them.
    pub(crate) fn launch(&mut self, connection: u64, tasks: &[&str]) {
        let offer = self.offers().pop().unwrap();
        let tasks: Vec<String> = tasks.iter().map(|id| task(id, &offer.agent_id.value, 1.0)).collect();
        self.accept(connection, &[&offer.id.value], &tasks);
    }

    /// Accepts offers and launches tasks in them.
    pub(crate) fn accept(&mut self, connection: u64, offers: &[&str], tasks: &[String]) {
        let offers: Vec<String> = offers.iter().map(|id| format!(r#"{{"value":"{id}"}}"#)).collect();
        let (offers, tasks) = (offers.join(","), tasks.join(","));
        self.call(
            connection,
            &format!(
                r#"{{"type":"ACCEPT","accept":{{"offer_ids":[{offers}],"filters":{{"refuse_seconds":0}},
                "operations":[{{"type":"LAUNCH","launch":{{"task_infos":[{tasks}]}}}}]}}}}"#
            ),
        );
    }

    /// The offers that were told last.
    pub(crate) fn offers(&self) -> Vec<v1::Offer> {
        let offers = self.events.iter().rev().find_map(|(_, event)| event.offers.clone());
        offers.map(|offers| offers.offers).unwrap_or_default()
    }

    /// What schedulers were told since the last look.
    pub(crate) fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.told)
    }

    /// What agents were told since the last look.
    pub(crate) fn heard(&mut self) -> Vec<String> {
        std::mem::take(&mut self.heard)
    }

    /// Frameworks that may call, with their principals.
    pub(crate) fn known(&self) -> Vec<String> {
        self.known
            .iter()
            .map(|(id, principal)| format!("{id} of {}", principal.as_deref().unwrap_or("nobody")))
            .collect()
    }

    /// How far the only framework is, by its object.
    pub(crate) fn phase(&self) -> Option<StreamPhase> {
        self.frameworks.values().next()?.record.as_ref()?.stream.as_ref().map(|stream| stream.phase)
    }

    /// The state of the only task, by its object.
    pub(crate) fn recorded(&self) -> Option<TaskState> {
        self.tasks.values().next()?.1.as_ref()?.state
    }

    /// Answers the oldest write that was held.
    pub(crate) fn answer(&mut self, outcome: WriteOutcome) {
        let (write, what) = self.held.pop_front().unwrap();
        self.written(write, what, outcome);
        self.go_on();
    }

    fn written(&mut self, write: WriteId, what: Held, outcome: WriteOutcome) {
        if outcome == WriteOutcome::Done {
            match what {
                Held::Spec(spec) => {
                    let key = spec.key.clone();
                    let record = self.frameworks.get(&key).and_then(|framework| framework.record.clone());
                    self.frameworks.insert(key.clone(), Framework { spec, record });
                    self.to_come.push_back(Event::FrameworkApplied(self.framework_object(&key)));
                }
                Held::Task(task) => {
                    let id = task.id.clone();
                    self.tasks.insert(id.clone(), (task, None));
                    self.to_come.push_back(Event::TaskApplied(Box::new(self.task_object(&id))));
                }
                Held::Status(id, record) => {
                    if let Some((_, status)) = self.tasks.get_mut(&id) {
                        *status = Some(record);
                    }
                }
            }
        }
        let done = outcome == WriteOutcome::Done;
        self.to_come.push_back(Event::Written { write, outcome });
        for (_, message) in self.parked.extract_if(.., |(waits, _)| *waits == write).collect::<Vec<_>>() {
            if done {
                self.for_agent(message);
            }
        }
    }

    fn framework_object(&self, key: &ObjectKey) -> FrameworkObject {
        let Framework { spec, record } = &self.frameworks[key];
        let stream = record.as_ref().and_then(|record| record.stream.clone());
        let phase = stream.as_ref().map(|stream| stream.phase);
        framework_object(
            key.clone(),
            format!("uid-of-{}", key.name),
            StreamObject {
                framework_id: spec.framework_id.clone(),
                info: spec.info.clone(),
                constraints: spec.constraints.clone(),
                write_behind: self.write_behind,
                made_here: true,
                subscribed: phase.is_some_and(|phase| phase != StreamPhase::New),
                disconnected_at: stream.and_then(|stream| stream.disconnected_at),
                completed: (phase == Some(StreamPhase::Completed)).then(String::new),
            },
        )
    }

    fn task_object(&self, id: &TaskId) -> TaskObject {
        let (new, record) = &self.tasks[id];
        TaskObject {
            id: id.clone(),
            generation: 1,
            framework: new.framework.0.clone(),
            request: task_request(&new.info),
            record: record.clone().or_else(|| Some(new.record.clone())),
            deleting: false,
            finalizer: true,
            owner: Some(new.framework.1.clone()),
            created: self.now,
            stream: Some(Box::new(StreamTaskObject { info: new.info.clone(), group: new.group.clone() })),
        }
    }

    fn effect(&mut self, effect: Effect) {
        match effect {
            Effect::WriteFrameworkSpec { write, spec } => self.write(write, Held::Spec(*spec)),
            Effect::CreateTask { write, task } => self.write(write, Held::Task(*task)),
            Effect::WriteTask { write, task, record, .. } => self.write(write, Held::Status(task, *record)),
            Effect::WriteFramework(record) => {
                if let Some(framework) = self.frameworks.get_mut(&record.key) {
                    framework.record = Some(*record);
                }
            }
            Effect::DeleteFramework { key, uid } => {
                self.told.push(format!("delete {}", key.name));
                self.frameworks.remove(&key);
                self.to_come.push_back(Event::FrameworkDeleted { key, uid });
            }
            Effect::DeleteTask(task) => drop(self.tasks.remove(&task)),
            Effect::KnowFramework { framework_id, principal } => drop(self.known.insert(framework_id, principal)),
            Effect::ForgetFramework { framework_id } => drop(self.known.remove(&framework_id)),
            Effect::Subscribed { connection, framework_id } => {
                self.told.push(format!("{}: subscribed as {framework_id}", connection.0));
            }
            Effect::Notify { connection, event } => {
                if let Some(line) = line(&event) {
                    self.told.push(format!("{}: {line}", connection.0));
                }
                self.events.push((connection, *event));
            }
            Effect::CloseStream { connection, error } => {
                self.told.push(format!("{}: end {}", connection.0, error.unwrap_or_default()));
            }
            Effect::AnswerUpdate { asked, answer } => self.told.push(format!("answer {asked}: {answer:?}")),
            Effect::Send { message, after: None, .. } => self.for_agent(message),
            Effect::Send { message, after: Some(write), .. } => {
                if self.held.iter().any(|(held, _)| *held == write) {
                    self.parked.push((write, message));
                } else {
                    self.for_agent(message);
                }
            }
            _ => {}
        }
    }

    fn write(&mut self, write: WriteId, what: Held) {
        if self.hold_writes {
            self.held.push_back((write, what));
        } else {
            self.written(write, what, WriteOutcome::Done);
        }
    }

    fn for_agent(&mut self, message: ToAgent) {
        match message {
            ToAgent::Launch(launch) => {
                self.heard.push(format!("launch {} with {}", launch.task.key.name, launch.resources));
                self.launches.push(*launch);
            }
            ToAgent::LaunchGroup { launches, .. } => {
                let names: Vec<&str> = launches.iter().map(|launch| launch.task.key.name.as_str()).collect();
                self.heard.push(format!("launch together {}", names.join(" ")));
                self.launches.extend(launches);
            }
            ToAgent::Kill { grace, .. } => self.heard.push(format!("kill {grace:?}")),
            ToAgent::Acknowledge { uuid, .. } => self.heard.push(format!("acknowledge {}", uuid[0])),
            _ => {}
        }
    }
}

/// What matters of an event, in a line. Offers are looked at by those who care.
fn line(event: &v1::scheduler::Event) -> Option<String> {
    Some(match event.r#type() {
        event::Type::Offers => format!("{} offers", event.offers.as_ref()?.offers.len()),
        event::Type::Rescind => "rescind".to_owned(),
        event::Type::Update => {
            let status = &event.update.as_ref()?.status;
            let uuid = status.uuid.as_ref().map(|uuid| format!(" #{}", uuid[0])).unwrap_or_default();
            let message = status.message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
            format!("{} {}{uuid}{message}", status.task_id.value, status.state().as_str_name())
        }
        other => other.as_str_name().to_owned(),
    })
}

pub(crate) fn agent(name: &str) -> AgentName {
    AgentName(name.to_owned())
}

/// A framework that knows of partitions and may be away for an hour.
pub(crate) fn info() -> FrameworkInfo {
    read(
        r#"{"user":"u","name":"test","principal":"p","failover_timeout":3600,"roles":["*"],
        "capabilities":[{"type":"MULTI_ROLE"},{"type":"PARTITION_AWARE"}]}"#,
    )
}

/// A framework from Mesos' JSON.
pub(crate) fn read(text: &str) -> FrameworkInfo {
    json::decode(text.as_bytes()).unwrap()
}

/// The same framework with its ID.
pub(crate) fn back(info: FrameworkInfo) -> FrameworkInfo {
    FrameworkInfo { id: Some(v1::FrameworkId { value: ID.to_owned() }), ..info }
}

/// A task with so many cores, in Mesos' JSON.
pub(crate) fn task(id: &str, agent_id: &str, cpus: f64) -> String {
    format!(
        r#"{{"name":"{id}","task_id":{{"value":"{id}"}},"agent_id":{{"value":"{agent_id}"}},"command":{{"value":"x"}},
        "resources":[{{"name":"cpus","type":"SCALAR","scalar":{{"value":{cpus}}}}},
                     {{"name":"mem","type":"SCALAR","scalar":{{"value":64}}}}]}}"#
    )
}
