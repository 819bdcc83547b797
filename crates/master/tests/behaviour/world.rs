//! A world for the master: objects, writes, agents and time, and a log of what the master does.

use proffer_master::{
    AgentName, AgentOrders, AgentRecord, AgentRegistration, AgentUse, Command, Delivery, Effect, Epoch, Event,
    FrameworkObject, FrameworkRecord, MaintenanceObject, MaintenanceRecord, Master, MasterConfig, NewReservation,
    ObjectKey, OfferId, OfferReply, PortRequest, ReservationObject, RoleObject, RoleRecord, SchedulerKind, Session,
    Slot, StatusUpdate, Strategy, TaskId, TaskObject, TaskRecord, TaskRequest, TaskSnapshot, Time, ToAgent, WriteId,
    WriteOutcome,
};
use proffer_mesos_api::{Reason, TaskState};
use proffer_resources::{ResourceBag, Resources, quantity};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// The namespace of everything.
pub(crate) const NAMESPACE: &str = "ns";

/// Seconds, for short.
pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Resources as people write them.
pub(crate) fn resources(cpu: &str, memory: &str) -> Resources {
    Resources::of(
        quantity::parse_cpu(cpu).expect("a quantity of cpu"),
        quantity::parse_bytes_as_mib(memory).expect("a quantity of memory"),
    )
}

/// The same as a bag, unreserved.
pub(crate) fn bag(cpu: &str, memory: &str) -> ResourceBag {
    (&resources(cpu, memory)).into()
}

/// A write that the master asked for.
#[derive(Clone, Debug)]
pub(crate) enum Write {
    Task(TaskId, Box<TaskRecord>),
    Offer,
    Reservation(Change),
}

/// What the master wants of a Reservation object.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Create(Box<NewReservation>),
    Ask(String, ResourceBag),
    Delete(String),
}

/// The world.
pub(crate) struct World {
    pub(crate) master: Master,
    pub(crate) now: Time,
    /// Task objects by name, with the status that was last written.
    pub(crate) objects: BTreeMap<String, TaskObject>,
    pub(crate) frameworks: BTreeMap<String, FrameworkObject>,
    pub(crate) reservations: BTreeMap<String, ReservationObject>,
    pub(crate) framework_records: BTreeMap<String, FrameworkRecord>,
    pub(crate) agent_records: BTreeMap<String, AgentRecord>,
    pub(crate) agent_orders: BTreeMap<String, AgentOrders>,
    pub(crate) roles: BTreeMap<String, RoleObject>,
    pub(crate) role_records: BTreeMap<String, RoleRecord>,
    pub(crate) maintenance: BTreeMap<String, MaintenanceObject>,
    pub(crate) maintenance_records: BTreeMap<String, MaintenanceRecord>,
    /// Name and agent of each offer ever made.
    offers: Vec<(String, String)>,
    slots: BTreeMap<String, Slot>,
    sessions: BTreeMap<String, Session>,
    last_session: u64,
    /// Writes that were not answered.
    pub(crate) writes: VecDeque<(WriteId, Write)>,
    /// Messages that wait for a write.
    parked: Vec<(WriteId, String)>,
    /// Whether the master's invariants are checked after every event.
    pub(crate) check: bool,
    /// Whether writes are left for the test to answer.
    pub(crate) hold_writes: bool,
    /// Events that follow from effects.
    to_come: VecDeque<Event>,
    log: Vec<String>,
}

/// A new object of a world has a UID of its own.
fn uid_of(name: &str) -> String {
    format!("uid-{name}")
}

pub(crate) fn key(name: &str) -> ObjectKey {
    ObjectKey::new(NAMESPACE, name)
}

pub(crate) fn task_id(name: &str) -> TaskId {
    TaskId { key: key(name), uid: uid_of(name) }
}

pub(crate) fn agent_name(name: &str) -> AgentName {
    AgentName(name.to_owned())
}

pub(crate) fn offer_id(name: &str) -> OfferId {
    OfferId(key(name))
}

/// A status update as agents send it; the UUID is made of the task and the state.
pub(crate) fn update(task: &str, framework: &str, state: TaskState) -> StatusUpdate {
    StatusUpdate {
        task: task_id(task),
        framework: framework.to_owned(),
        state,
        reason: None,
        message: String::new(),
        uuid: Some(format!("{task}/{state}").into_bytes()),
        at: Time(1_000_000),
        exit_code: (state == TaskState::Finished).then_some(0),
        signal: None,
        sandbox: format!("/sandbox/{task}"),
    }
}

impl World {
    /// A leader of epoch 1 that has taken over an empty cluster.
    pub(crate) fn new() -> Self {
        Self::before_recovery(1).recovered()
    }

    /// A leader that has not been told any object.
    pub(crate) fn before_recovery(epoch: u64) -> Self {
        Self::configured(MasterConfig::new(Epoch(epoch)))
    }

    fn configured(config: MasterConfig) -> Self {
        Self {
            master: Master::new(config),
            now: Time(1_000_000_000_000),
            objects: BTreeMap::new(),
            frameworks: BTreeMap::new(),
            reservations: BTreeMap::new(),
            framework_records: BTreeMap::new(),
            agent_records: BTreeMap::new(),
            agent_orders: BTreeMap::new(),
            roles: BTreeMap::new(),
            role_records: BTreeMap::new(),
            maintenance: BTreeMap::new(),
            maintenance_records: BTreeMap::new(),
            offers: Vec::new(),
            slots: BTreeMap::new(),
            sessions: BTreeMap::new(),
            last_session: 0,
            writes: VecDeque::new(),
            parked: Vec::new(),
            check: true,
            hold_writes: false,
            to_come: VecDeque::new(),
            log: Vec::new(),
        }
    }

    pub(crate) fn recovered(mut self) -> Self {
        self.event(Event::Recovered);
        self
    }

    /// Another leader takes over: it is told all objects, and no agent is connected yet.
    pub(crate) fn failover(self, epoch: u64) -> Self {
        self.failover_to(MasterConfig::new(Epoch(epoch)))
    }

    /// The same to a leader with settings of its own.
    pub(crate) fn failover_to(self, config: MasterConfig) -> Self {
        let mut next = Self::configured(config);
        next.now = self.now;
        next.last_session = self.last_session;
        for object in self.frameworks.into_values() {
            next.apply_framework(object);
        }
        for object in self.objects.into_values() {
            next.objects.insert(object.id.key.name.clone(), object.clone());
            next.event(Event::TaskApplied(Box::new(object)));
        }
        for (agent, record) in self.agent_records {
            next.event(Event::AgentApplied {
                agent: agent_name(&agent),
                attributes: BTreeMap::new(),
                orders: self.agent_orders.get(&agent).cloned().unwrap_or_default(),
                was_drained: record.usage == AgentUse::Drained,
                was_unreachable: record.ready.reason == "Unreachable",
                agent_id: Some(record.agent_id),
                epoch: Some(record.epoch),
            });
        }
        next.agent_orders = self.agent_orders;
        for (name, object) in self.roles {
            let in_force = self.role_records.get(&name).and_then(|record| record.quota.clone());
            next.apply_role(RoleObject { quota_in_force: in_force, ..object });
        }
        for object in self.maintenance.into_values() {
            next.apply_maintenance(object);
        }
        for (name, object) in self.reservations {
            next.reservations.insert(name, object.clone());
            next.event(Event::ReservationApplied(Box::new(object)));
        }
        for (agent, slot) in self.slots {
            next.slots.insert(agent.clone(), slot.clone());
            next.event(Event::SlotChanged { agent: agent_name(&agent), slot: Some(slot) });
        }
        next
    }

    // Things that exist.

    pub(crate) fn built_in(self, name: &str) -> Self {
        self.framework(name, Ok(SchedulerKind::BuiltIn(Strategy::BinPack)))
    }

    pub(crate) fn external(self, name: &str) -> Self {
        self.framework(name, Ok(SchedulerKind::External(Delivery::Objects)))
    }

    pub(crate) fn framework(mut self, name: &str, scheduler: Result<SchedulerKind, String>) -> Self {
        let object = FrameworkObject::new(key(name), uid_of(name), scheduler);
        self.apply_framework(FrameworkObject { history_limit: 100, ..object });
        self
    }

    pub(crate) fn apply_framework(&mut self, object: FrameworkObject) {
        self.frameworks.insert(object.key.name.clone(), object.clone());
        self.event(Event::FrameworkApplied(object));
    }

    pub(crate) fn delete_framework(&mut self, name: &str) {
        self.frameworks.remove(name);
        self.event(Event::FrameworkDeleted { key: key(name), uid: uid_of(name) });
    }

    pub(crate) fn apply_role(&mut self, object: RoleObject) {
        self.roles.insert(object.name.clone(), object.clone());
        self.event(Event::RoleApplied(object));
    }

    pub(crate) fn apply_maintenance(&mut self, object: MaintenanceObject) {
        self.maintenance.insert(object.name.clone(), object.clone());
        self.event(Event::MaintenanceApplied(object));
    }

    pub(crate) fn delete_maintenance(&mut self, name: &str) {
        let uid = self.maintenance.remove(name).expect("a maintenance of that name").uid;
        self.event(Event::MaintenanceDeleted { name: name.to_owned(), uid });
    }

    /// An operator edits an Agent object.
    pub(crate) fn order(&mut self, agent: &str, orders: AgentOrders) {
        self.agent_orders.insert(agent.to_owned(), orders);
        self.event(self.agent_object(agent));
    }

    fn agent_object(&self, agent: &str) -> Event {
        let record = self.agent_records.get(agent);
        Event::AgentApplied {
            agent: agent_name(agent),
            attributes: BTreeMap::new(),
            orders: self.agent_orders.get(agent).cloned().unwrap_or_default(),
            was_drained: record.is_some_and(|record| record.usage == AgentUse::Drained),
            was_unreachable: record.is_some_and(|record| record.ready.reason == "Unreachable"),
            agent_id: record.map(|record| record.agent_id.clone()),
            epoch: record.map(|record| record.epoch),
        }
    }

    /// An agent that is ready: connected, its epoch confirmed, its slot running and attached.
    pub(crate) fn agent(mut self, name: &str, cpu: &str, memory: &str) -> Self {
        self.add_agent(name, cpu, memory);
        self
    }

    pub(crate) fn add_agent(&mut self, name: &str, cpu: &str, memory: &str) {
        self.give_slot(name, cpu, memory);
        self.connect(name, Vec::new());
    }

    /// Agents of 4 cores that become usable at the same moment.
    pub(crate) fn agents_at_once(&mut self, names: &[&str]) {
        let before = std::mem::replace(self, Self::before_recovery(1));
        self.log.clear();
        for object in before.frameworks.into_values() {
            self.apply_framework(object);
        }
        for name in names {
            self.add_agent(name, "4", "8Gi");
        }
        self.event(Event::Recovered);
    }

    pub(crate) fn give_slot(&mut self, name: &str, cpu: &str, memory: &str) {
        let slot = Slot {
            pod: format!("proffer-slot-{name}"),
            uid: format!("slot-{name}"),
            address: Some("10.0.0.1".to_owned()),
            running: true,
            resources: resources(cpu, memory),
        };
        self.set_slot(name, Some(slot));
    }

    pub(crate) fn set_slot(&mut self, name: &str, slot: Option<Slot>) {
        match &slot {
            Some(slot) => self.slots.insert(name.to_owned(), slot.clone()),
            None => self.slots.remove(name),
        };
        self.event(Event::SlotChanged { agent: agent_name(name), slot });
    }

    /// The agent connects with what it still knows, and confirms the epoch.
    pub(crate) fn connect(&mut self, name: &str, tasks: Vec<TaskSnapshot>) {
        self.register(name, tasks);
        let (agent, session, epoch) = (agent_name(name), self.session(name), self.master.config().epoch);
        self.event(Event::EpochConfirmed { agent, session, epoch });
    }

    pub(crate) fn registration(&mut self, name: &str, tasks: Vec<TaskSnapshot>) -> AgentRegistration {
        self.last_session += 1;
        let session = Session(self.last_session);
        self.sessions.insert(name.to_owned(), session);
        AgentRegistration {
            agent: agent_name(name),
            session,
            agent_id: Some(format!("id-{name}")),
            new_agent_id: "fresh".to_owned(),
            version: "0.1.0".to_owned(),
            epoch: Epoch(0),
            capacity: "cpus:64;mem:999999;disk:10240;ports:[31000-31009]".parse().expect("resources"),
            tasks,
            attached_slot: Some(format!("slot-{name}")),
        }
    }

    pub(crate) fn register(&mut self, name: &str, tasks: Vec<TaskSnapshot>) {
        let registration = self.registration(name, tasks);
        self.event(Event::AgentRegistered(registration));
    }

    pub(crate) fn disconnect(&mut self, name: &str) {
        let (agent, session) = (agent_name(name), self.session(name));
        self.event(Event::AgentDisconnected { agent, session });
    }

    pub(crate) fn session(&self, name: &str) -> Session {
        self.sessions[name]
    }

    /// A task of `framework`.
    pub(crate) fn task(mut self, name: &str, framework: &str, cpu: &str, memory: &str) -> Self {
        self.add_task(name, framework, cpu, memory);
        self
    }

    pub(crate) fn add_task(&mut self, name: &str, framework: &str, cpu: &str, memory: &str) {
        self.add_task_with_ports(name, framework, cpu, memory, PortRequest::None);
    }

    pub(crate) fn add_task_with_ports(
        &mut self,
        name: &str,
        framework: &str,
        cpu: &str,
        memory: &str,
        ports: PortRequest,
    ) {
        let request = TaskRequest { ports, ..self.request(cpu, memory) };
        self.add_task_asking(name, framework, Ok(request));
    }

    /// What a task asks for.
    #[expect(clippy::unused_self, reason = "reads as a part of the world")]
    pub(crate) fn request(&self, cpu: &str, memory: &str) -> TaskRequest {
        TaskRequest {
            command: Command { value: "true".to_owned(), shell: true, ..Command::default() },
            role: None,
            resources: resources(cpu, memory),
            ports: PortRequest::None,
            volumes: Vec::new(),
            cpu_limit: None,
            mem_limit: None,
            kill_grace: secs(5),
        }
    }

    pub(crate) fn add_task_asking(&mut self, name: &str, framework: &str, request: Result<TaskRequest, String>) {
        // The order in which tasks are made is the order of their times.
        self.now = self.now.after(Duration::from_micros(1));
        let object = TaskObject {
            id: task_id(name),
            generation: 1,
            framework: framework.to_owned(),
            request,
            record: None,
            deleting: false,
            finalizer: false,
            owner: None,
            created: self.now,
            stream: None,
        };
        self.objects.insert(name.to_owned(), object.clone());
        self.event(Event::TaskApplied(Box::new(object)));
    }

    /// `kubectl delete task`: the object stays while it holds the finalizer.
    pub(crate) fn delete_task(&mut self, name: &str) {
        let object = self.objects.get_mut(name).expect("a task of that name");
        if object.finalizer {
            object.deleting = true;
            let object = object.clone();
            self.event(Event::TaskApplied(Box::new(object)));
        } else {
            self.remove_task(name);
        }
    }

    /// The object goes, finalizer or not.
    pub(crate) fn remove_task(&mut self, name: &str) {
        self.objects.remove(name);
        self.event(Event::TaskDeleted(task_id(name)));
    }

    // Things that happen.

    pub(crate) fn status(&mut self, agent: &str, update: StatusUpdate) {
        let (agent, session) = (agent_name(agent), self.session(agent));
        self.event(Event::StatusUpdate { agent, session, update });
    }

    /// The agent says that a task of `fw` is in this state.
    pub(crate) fn says(&mut self, agent: &str, task: &str, state: TaskState) {
        self.status(agent, update(task, "fw", state));
    }

    pub(crate) fn reply(&mut self, offer: &str, reply: OfferReply) {
        self.event(Event::OfferReplied { offer: offer_id(offer), reply });
    }

    pub(crate) fn accept(&mut self, offer: &str, tasks: &[&str]) {
        let launch = tasks.iter().map(|&task| task.to_owned()).collect();
        self.reply(offer, OfferReply::launch(launch, None));
    }

    pub(crate) fn decline(&mut self, offer: &str, refuse: Option<Duration>) {
        self.reply(offer, OfferReply::Decline { refuse });
    }

    /// Time passes; the master gets its ticks when it wants them, and agents in `answering` answer pings.
    pub(crate) fn pass(&mut self, duration: Duration) {
        let end = self.now.after(duration);
        while let Some(next) = self.master.next_tick().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.event(Event::Tick);
        }
        self.now = end;
        self.event(Event::Tick);
    }

    /// As [`World::pass`], but every connected agent answers each ping.
    pub(crate) fn pass_with_pongs(&mut self, duration: Duration) {
        let end = self.now.after(duration);
        while self.now < end {
            self.pass(secs(1).min(end.since(self.now)));
            for (agent, session) in self.sessions.clone() {
                self.event(Event::Pong { agent: agent_name(&agent), session });
            }
        }
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.event_keeping_writes(event);
        if !self.hold_writes {
            self.finish_writes();
        }
    }

    /// What follows from an effect is told after all effects of its event.
    fn event_keeping_writes(&mut self, event: Event) {
        self.to_come.push_back(event);
        while let Some(event) = self.to_come.pop_front() {
            let effects = self.master.handle(self.now, event);
            if self.check
                && let Err(problem) = self.master.check_invariants()
            {
                panic!("{problem}\n{:#?}", self.log);
            }
            for effect in effects {
                self.take(effect);
            }
        }
    }

    /// All writes succeed.
    pub(crate) fn finish_writes(&mut self) {
        while !self.writes.is_empty() {
            self.finish_write(WriteOutcome::Done);
        }
    }

    /// The oldest write ends.
    pub(crate) fn finish_write(&mut self, outcome: WriteOutcome) {
        let (id, write) = self.writes.pop_front().expect("a write");
        if outcome == WriteOutcome::Done {
            match write {
                Write::Task(task, record) => {
                    if let Some(object) = self.objects.get_mut(&task.key.name).filter(|object| object.id == task) {
                        object.record = Some(*record);
                        let object = object.clone();
                        self.event_keeping_writes(Event::TaskApplied(Box::new(object)));
                    }
                }
                Write::Reservation(change) => self.store(change),
                Write::Offer => {}
            }
            let sent: Vec<_> = self.parked.extract_if(.., |(after, _)| *after == id).collect();
            self.log.extend(sent.into_iter().map(|(_, line)| line));
        } else {
            self.parked.retain(|(after, _)| *after != id);
        }
        self.event_keeping_writes(Event::Written { write: id, outcome });
    }

    /// The API server does what the master wants of a Reservation object, and tells it.
    fn store(&mut self, change: Change) {
        let (name, event) = match change {
            Change::Create(new) => {
                let name = new.name.clone();
                self.reserve_as(&name, &new.agent.0, Ok(new.resources), new.principal);
                return;
            }
            Change::Ask(name, resources) => {
                let object = self.reservations.get_mut(&name).expect("a reservation");
                object.resources = Ok(resources);
                object.generation += 1;
                (name, Event::ReservationApplied(Box::new(object.clone())))
            }
            Change::Delete(name) => {
                let object = self.reservations.get_mut(&name).expect("a reservation");
                object.deleting = true;
                (name, Event::ReservationApplied(Box::new(object.clone())))
            }
        };
        if let Event::ReservationApplied(object) = &event
            && object.deleting
            && !object.finalizer
        {
            let uid = object.uid.clone();
            self.reservations.remove(&name);
            return self.event_keeping_writes(Event::ReservationDeleted { name, uid });
        }
        self.event_keeping_writes(event);
    }

    /// Somebody makes a Reservation object.
    pub(crate) fn reserve_as(
        &mut self,
        name: &str,
        agent: &str,
        resources: Result<ResourceBag, String>,
        principal: Option<String>,
    ) {
        let object = ReservationObject {
            name: name.to_owned(),
            uid: uid_of(name),
            generation: 1,
            agent: agent_name(agent),
            resources,
            principal,
            deleting: false,
            finalizer: false,
            record: None,
        };
        self.reservations.insert(name.to_owned(), object.clone());
        self.event_keeping_writes(Event::ReservationApplied(Box::new(object)));
    }

    // Looking at it.

    /// What was done since this was last asked.
    pub(crate) fn log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }

    /// Forgets what was done so far.
    pub(crate) fn clear(mut self) -> Self {
        self.log.clear();
        self
    }

    /// State and message of a task, as its object has them.
    pub(crate) fn shown(&self, task: &str) -> (String, String) {
        let record = self.objects[task].record.as_ref().expect("a status");
        (record.state.map_or("Pending".to_owned(), |state| state.to_string()), record.message.clone())
    }

    pub(crate) fn record(&self, task: &str) -> TaskRecord {
        self.objects[task].record.clone().expect("a status")
    }

    /// State of a task, if anything was decided about it.
    pub(crate) fn state_if_any(&self, task: &str) -> Option<TaskState> {
        self.objects[task].record.as_ref()?.state
    }

    /// State and reason of a task.
    pub(crate) fn state(&self, task: &str) -> (Option<TaskState>, Option<Reason>) {
        let record = self.record(task);
        (record.state, record.reason)
    }

    /// The tasks that are recorded on an agent, by name.
    pub(crate) fn tasks_on(&self, agent: &str) -> Vec<String> {
        let is_there = |object: &&TaskObject| {
            object.record.as_ref().and_then(|record| record.agent.as_ref()).is_some_and(|place| place.agent.0 == agent)
        };
        self.objects.values().filter(is_there).map(|object| object.id.key.name.clone()).collect()
    }

    /// The newest offer.
    pub(crate) fn newest_offer(&self) -> String {
        self.offers.last().expect("an offer").0.clone()
    }

    /// The newest offer of an agent.
    pub(crate) fn offer_of(&self, agent: &str) -> String {
        self.offers.iter().rev().find(|(_, of)| of == agent).expect("an offer of that agent").0.clone()
    }

    /// Readiness of an agent: reason and message.
    pub(crate) fn readiness(&self, agent: &str) -> (&'static str, String) {
        let ready = &self.agent_records[agent].ready;
        (ready.reason, ready.message.clone())
    }

    #[expect(clippy::too_many_lines, reason = "one match")]
    fn take(&mut self, effect: Effect) {
        match effect {
            Effect::WriteTask { write, task, record, .. } => {
                let state = record.state.map_or("Pending".to_owned(), |state| state.to_string());
                self.log.push(format!("write {}: {state}", task.key.name));
                self.writes.push_back((write, Write::Task(task, record)));
            }
            Effect::CreateOffer { write, offer } => {
                let (name, agent) = (&offer.id.0.name, &offer.agent.agent);
                let until = if offer.unavailability.is_some() { ", which will be away" } else { "" };
                if offer.inverse {
                    self.log.push(format!("inverse offer {name}: leave {agent}"));
                } else {
                    self.offers.push((name.clone(), agent.0.clone()));
                    self.log.push(format!("offer {name}: {} of {agent}{until}", offer.resources));
                }
                self.writes.push_back((write, Write::Offer));
            }
            Effect::AdoptTask { task, framework, finalizer } => {
                self.log.push(format!("adopt {}{}", task.key.name, if finalizer { " with finalizer" } else { "" }));
                if let Some(object) = self.objects.get_mut(&task.key.name) {
                    object.owner = Some(framework.1);
                    object.finalizer = object.finalizer || finalizer;
                }
            }
            Effect::ReleaseTask(task) => {
                self.log.push(format!("release {}", task.key.name));
                if self.objects.remove(&task.key.name).is_some() {
                    self.to_come.push_back(Event::TaskDeleted(task));
                }
            }
            Effect::DeleteTask(task) => {
                self.log.push(format!("delete {}", task.key.name));
                let Some(object) = self.objects.get_mut(&task.key.name) else { return };
                if object.finalizer {
                    object.deleting = true;
                    self.to_come.push_back(Event::TaskApplied(Box::new(object.clone())));
                } else {
                    self.objects.remove(&task.key.name);
                    self.to_come.push_back(Event::TaskDeleted(task));
                }
            }
            Effect::CloseOffer { offer, end, message } => {
                self.log.push(format!("close {}: {end:?}: {message}", offer.0.name));
            }
            Effect::CreateReservation { write, reservation } => {
                self.log
                    .push(format!("create {}: {} of {}", reservation.name, reservation.resources, reservation.agent));
                self.writes.push_back((write, Write::Reservation(Change::Create(reservation))));
            }
            Effect::ChangeReservation { write, name, resources, .. } => {
                self.log.push(format!("change {name}: {resources}"));
                self.writes.push_back((write, Write::Reservation(Change::Ask(name, resources))));
            }
            Effect::DeleteReservation { write, name, .. } => {
                self.log.push(format!("delete reservation {name}"));
                self.writes.push_back((write, Write::Reservation(Change::Delete(name))));
            }
            Effect::WriteReservation(record) => {
                self.log.push(format!("{} is {:?}: {}", record.name, record.phase, record.message));
                if let Some(object) = self.reservations.get_mut(&record.name) {
                    object.finalizer = true;
                    object.record = Some(*record);
                    self.to_come.push_back(Event::ReservationApplied(Box::new(object.clone())));
                }
            }
            Effect::ReleaseReservation { name } => {
                self.log.push(format!("release reservation {name}"));
                if let Some(object) = self.reservations.remove(&name) {
                    self.to_come.push_back(Event::ReservationDeleted { name, uid: object.uid });
                }
            }
            Effect::Answer { id, result } => self.log.push(format!("answer {id}: {result:?}")),
            Effect::DeleteOffer(offer) => self.log.push(format!("delete offer {}", offer.0.name)),
            // The behaviour over streams has tests of its own.
            Effect::CreateTask { .. }
            | Effect::WriteFrameworkSpec { .. }
            | Effect::DeleteFramework { .. }
            | Effect::KnowFramework { .. }
            | Effect::ForgetFramework { .. }
            | Effect::Subscribed { .. }
            | Effect::Notify { .. }
            | Effect::CloseStream { .. }
            | Effect::AnswerUpdate { .. } => {}
            Effect::WriteFramework(record) => {
                self.framework_records.insert(record.key.name.clone(), *record);
            }
            Effect::WriteAgent(record) => {
                let agent = record.agent.clone();
                let new = self.agent_records.insert(agent.0.clone(), *record).is_none();
                if new {
                    self.to_come.push_back(self.agent_object(&agent.0));
                }
            }
            Effect::WriteRole(record) => {
                self.role_records.insert(record.name.clone(), *record);
            }
            Effect::WriteMaintenance(record) => {
                self.maintenance_records.insert(record.name.clone(), *record);
            }
            Effect::MarkAgentGone(agent) => {
                self.log.push(format!("mark {agent} gone"));
                self.agent_orders.entry(agent.0.clone()).or_default().gone = true;
                self.to_come.push_back(self.agent_object(&agent.0));
            }
            Effect::Send { agent, message, after, .. } => {
                let line = describe(&agent, &message);
                match after.filter(|write| self.writes.iter().any(|(id, _)| id == write)) {
                    Some(write) => self.parked.push((write, line)),
                    None => self.log.push(line),
                }
            }
            Effect::Outrun { agent, epoch } => self.log.push(format!("{agent} has obeyed epoch {}", epoch.0)),
            Effect::Disconnect { agent, why, .. } => self.log.push(format!("disconnect {agent}: {why}")),
            Effect::Tell(notice) => self.log.push(format!("tell {}: {}", notice.reason, notice.message)),
        }
    }
}

fn describe(agent: &AgentName, message: &ToAgent) -> String {
    match message {
        ToAgent::Registered { epoch, .. } => format!("{agent}: registered in epoch {}", epoch.0),
        ToAgent::Slot { slot, .. } => {
            format!("{agent}: slot {}", slot.as_ref().map_or("none", |slot| slot.uid.as_str()))
        }
        ToAgent::Prepare(launch) => format!("{agent}: prepare {}", launch.task.key.name),
        ToAgent::Launch(launch) => format!("{agent}: launch {} with {}", launch.task.key.name, launch.resources),
        ToAgent::LaunchGroup { launches, .. } => format!("{agent}: launch {} tasks together", launches.len()),
        ToAgent::Kill { task, grace: None, .. } => format!("{agent}: kill {}", task.key.name),
        ToAgent::Kill { task, grace: Some(grace), .. } => {
            format!("{agent}: kill {} within {} s", task.key.name, grace.as_secs())
        }
        ToAgent::Acknowledge { uuid, .. } => format!("{agent}: acknowledge {}", String::from_utf8_lossy(uuid)),
        ToAgent::DestroyVolume { role, id, .. } => format!("{agent}: destroy volume {id} of {role}"),
        ToAgent::Ping { sequence, .. } => format!("{agent}: ping {sequence}"),
    }
}
