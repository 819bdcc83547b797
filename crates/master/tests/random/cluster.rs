//! The cluster round the master: an API server that has objects, a shell that carries effects out, agents.

use crate::agent::{Agent, Deed};
use crate::oracle::Oracle;
use crate::reservations::{Change, bag_of, operation};
use crate::step::{Ending, Step};
use proffer_master::{
    AgentName, AgentOrders, AgentRecord, Capabilities, Command, Delivery, Effect, Epoch, Event, FrameworkObject,
    Master, MasterConfig, ObjectKey, OfferId, OfferReply, Operation, PortRequest, ReservationObject, SchedulerKind,
    Session, Slot, Strategy, TaskId, TaskObject, TaskRecord, TaskRequest, Time, ToAgent, WriteId, WriteOutcome,
};
use proffer_mesos_api::TaskState;
use proffer_resources::{Amount, Ranges, Resources, Role};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// A write under way.
#[derive(Clone, Debug)]
enum Write {
    /// With the number of late writes to the task that the master knew of when it decided.
    Task(TaskId, Box<TaskRecord>, u64),
    Offer(OfferId, ObjectKey),
    Reservation(Change),
}

/// What happened; it is made readable only if something fails.
enum Trace {
    Step(Step),
    Event(Event),
    Effect(Effect),
}

/// The cluster.
pub(crate) struct Cluster {
    pub(crate) master: Master,
    pub(crate) now: Time,
    epoch: u64,
    pub(crate) tasks: BTreeMap<TaskId, TaskObject>,
    /// Late writes to each task since this leader listed them, and how many of them the master was told.
    late_writes: BTreeMap<TaskId, (u64, u64)>,
    /// Tasks whose status the API server refuses for good.
    pub(crate) refused: BTreeSet<TaskId>,
    frameworks: BTreeMap<ObjectKey, FrameworkObject>,
    /// Offer objects, and whether they are outstanding.
    offers: BTreeMap<OfferId, (ObjectKey, bool)>,
    pub(crate) reservations: BTreeMap<String, ReservationObject>,
    agent_objects: BTreeMap<AgentName, Option<AgentRecord>>,
    slots: BTreeMap<AgentName, Slot>,
    deactivated: BTreeSet<AgentName>,
    /// Agents that are to be emptied.
    draining: BTreeSet<AgentName>,
    pub(crate) agents: Vec<Agent>,
    writes: VecDeque<(WriteId, Write)>,
    /// Messages that wait for a write.
    parked: Vec<(WriteId, AgentName, Session, ToAgent)>,
    /// Writes of dead leaders that may still arrive.
    late: VecDeque<(TaskId, Box<TaskRecord>)>,
    /// What agents said before.
    said: Vec<Event>,
    /// What follows from effects.
    pub(crate) to_come: VecDeque<Event>,
    last_session: u64,
    pub(crate) last_uid: u64,
    pub(crate) oracle: Oracle,
    /// What happened, for a person who looks for the cause of a failure.
    trace: Vec<Trace>,
}

fn pick<T: Clone>(number: u8, from: impl ExactSizeIterator<Item = T>) -> Option<T> {
    let length = from.len();
    from.into_iter().nth(usize::from(number).checked_rem(length)?)
}

impl Cluster {
    pub(crate) fn new() -> Self {
        let mut cluster = Self {
            master: Master::new(MasterConfig::new(Epoch(1))),
            now: Time(1_000_000_000),
            epoch: 1,
            tasks: BTreeMap::new(),
            late_writes: BTreeMap::new(),
            refused: BTreeSet::new(),
            frameworks: BTreeMap::new(),
            offers: BTreeMap::new(),
            reservations: BTreeMap::new(),
            agent_objects: BTreeMap::new(),
            slots: BTreeMap::new(),
            deactivated: BTreeSet::new(),
            draining: BTreeSet::new(),
            agents: ["n1", "n2", "n3"].map(Agent::new).into(),
            writes: VecDeque::new(),
            parked: Vec::new(),
            late: VecDeque::new(),
            said: Vec::new(),
            to_come: VecDeque::new(),
            last_session: 0,
            last_uid: 0,
            oracle: Oracle::default(),
            trace: Vec::new(),
        };
        cluster.event(Event::Recovered);
        cluster.apply_framework("a", Ok(SchedulerKind::BuiltIn(Strategy::BinPack)));
        cluster.apply_framework("b", Ok(SchedulerKind::External(Delivery::Objects)));
        for index in 0..3 {
            cluster.resize(index, 4);
        }
        cluster
    }

    /// Somebody does something to a reservation.
    fn reservation_step(&mut self, step: &Step) {
        let agent = |number: u8| usize::from(number) % 3;
        match step.clone() {
            Step::Operate { offer, what, task } => {
                let task = pick(task, self.tasks.keys().cloned()).map(|id| Operation::launch(vec![id.key.name]));
                let operations = what.map(operation).map(Operation::new).into_iter().chain(task).collect();
                self.reply(offer, OfferReply::Accept { operations, refuse: Some(Duration::ZERO) });
            }
            Step::Reserve { agent: number, what } => {
                self.last_uid += 1;
                let name = format!("r{}", self.last_uid);
                let agent = self.agents[agent(number)].name.clone();
                self.create_reservation(&name, &agent, bag_of(what));
            }
            Step::ChangeReservation { reservation, what } => {
                if let Some(name) = pick(reservation, self.reservations.keys().cloned()) {
                    self.change_reservation(&name, bag_of(what));
                }
            }
            Step::DeleteReservation(number) => {
                if let Some(name) = pick(number, self.reservations.keys().cloned()) {
                    self.delete_reservation(&name, false);
                }
            }
            Step::ForceDeleteReservation(number) => {
                if let Some(name) = pick(number, self.reservations.keys().cloned()) {
                    self.delete_reservation(&name, true);
                }
            }
            Step::Operator { agent: number, what } => {
                let agent = self.agents[agent(number)].name.clone();
                let operation = operation(what);
                self.event(Event::OperatorOperation { id: 1, agent, principal: None, operation });
            }
            other => self.fail(&format!("{other:?} is about no reservation")),
        }
    }

    #[expect(clippy::too_many_lines, reason = "one match")]
    pub(crate) fn step(&mut self, step: &Step) {
        self.trace.push(Trace::Step(step.clone()));
        let agent = |number: u8| usize::from(number) % 3;
        match step.clone() {
            Step::CreateTask { framework, size } => self.create_task(framework, size),
            Step::DeleteTask(number) => {
                if let Some(id) = pick(number, self.tasks.keys().cloned()) {
                    self.delete_task(&id);
                }
            }
            Step::ForceDeleteTask(number) => {
                if let Some(id) = pick(number, self.tasks.keys().cloned()) {
                    self.remove_task(&id);
                }
            }
            Step::ApplyFramework { framework, scheduler } => {
                let scheduler = match scheduler % 5 {
                    0 => Err("it is invalid".to_owned()),
                    1 => Ok(SchedulerKind::BuiltIn(Strategy::BinPack)),
                    2 => Ok(SchedulerKind::BuiltIn(Strategy::Spread)),
                    _ => Ok(SchedulerKind::External(Delivery::Objects)),
                };
                self.apply_framework(["a", "b", "c"][usize::from(framework) % 3], scheduler);
            }
            Step::DeleteFramework(number) => {
                if let Some(object) = pick(number, self.frameworks.values().cloned()) {
                    self.frameworks.remove(&object.key);
                    self.event(Event::FrameworkDeleted { key: object.key, uid: object.uid });
                }
            }
            Step::Accept { offer, tasks, refuse } => {
                let names = tasks.map(|number| pick(number, self.tasks.keys().cloned()));
                let launch = names.into_iter().flatten().map(|id| id.key.name).collect();
                let refuse = refuse.map(|seconds| Duration::from_secs(seconds.into()));
                self.reply(offer, OfferReply::launch(launch, refuse));
            }
            Step::Decline { offer, refuse } => {
                let refuse = refuse.map(|seconds| Duration::from_secs(seconds.into()));
                self.reply(offer, OfferReply::Decline { refuse });
            }
            Step::DeleteOffer(number) => {
                if let Some(offer) = pick(number, self.offers.keys().cloned()) {
                    self.offers.remove(&offer);
                    self.event(Event::OfferDeleted(offer));
                }
            }
            Step::Operate { .. }
            | Step::Reserve { .. }
            | Step::ChangeReservation { .. }
            | Step::DeleteReservation(_)
            | Step::ForceDeleteReservation(_)
            | Step::Operator { .. } => self.reservation_step(step),
            Step::FinishWrite(ending) => self.finish_write(ending),
            Step::Settle => self.settle(),
            Step::AgentReads(number) => self.agent_reads(agent(number)),
            Step::MasterReads(number) => self.master_reads(agent(number)),
            Step::Repeat(number) => {
                if let Some(event) = pick(number, self.said.iter().cloned()) {
                    self.event(event);
                }
            }
            Step::TaskEnds { agent: number, task } => {
                let agent = &mut self.agents[agent(number)];
                if let Some(id) = pick(task, agent.tasks.keys().cloned()) {
                    agent.end(&id, if task % 2 == 0 { TaskState::Finished } else { TaskState::Failed });
                }
            }
            Step::Connect(number) => self.connect(agent(number)),
            Step::Disconnect(number) => self.disconnect(agent(number), true),
            Step::Vanish(number) => self.disconnect(agent(number), false),
            Step::LoseDisk(number) => {
                self.disconnect(agent(number), true);
                self.agents[agent(number)].lose_disk();
            }
            Step::DeleteAgent(number) => {
                let name = self.agents[agent(number)].name.clone();
                if self.agent_objects.remove(&name).is_some() {
                    self.event(Event::AgentDeleted(name));
                }
            }
            Step::Deactivate(number, on) => {
                let name = self.agents[agent(number)].name.clone();
                if on {
                    self.deactivated.insert(name.clone())
                } else {
                    self.deactivated.remove(&name)
                };
                self.tell_agent_object(&name);
            }
            Step::Drain(number, on) => {
                let name = self.agents[agent(number)].name.clone();
                if on {
                    self.draining.insert(name.clone())
                } else {
                    self.draining.remove(&name)
                };
                self.tell_agent_object(&name);
            }
            Step::Resize { agent: number, cores } => self.resize(agent(number), u64::from(cores % 6)),
            Step::Pass(seconds) => self.pass(Duration::from_secs(u64::from(seconds) / 2)),
            Step::Crash { done, late } => self.crash(done, late),
            Step::LateWrite { told } => self.late_write(told),
        }
    }

    /// Whether anything is on its way.
    pub(crate) fn is_quiet(&self) -> bool {
        self.writes.is_empty() && self.agents.iter().all(|agent| agent.inbox.is_empty() && agent.outbox.is_empty())
    }

    /// Everything on its way arrives.
    pub(crate) fn settle(&mut self) {
        for _ in 0..10_000 {
            if self.is_quiet() {
                return;
            }
            if !self.writes.is_empty() {
                self.finish_write(Ending::Honest);
            }
            for index in 0..self.agents.len() {
                self.agent_reads(index);
                self.master_reads(index);
            }
        }
        self.fail("never comes to rest");
    }

    /// Time passes, with the ticks that the master wants.
    pub(crate) fn pass(&mut self, duration: Duration) {
        let end = self.now.after(duration);
        while let Some(next) = self.master.next_tick().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.event(Event::Tick);
        }
        self.now = end;
        self.event(Event::Tick);
    }

    pub(crate) fn connect(&mut self, index: usize) {
        self.last_session += 1;
        self.agents[index].connect(Session(self.last_session));
    }

    /// Late writes never come any more, every agent is active and has a slot.
    pub(crate) fn end_of_faults(&mut self) {
        self.late.clear();
        let untold = self.late_writes.iter().filter(|(_, (written, told))| written > told);
        let untold: Vec<_> = untold.filter_map(|(id, _)| self.tasks.get(id).cloned()).collect();
        for object in untold {
            self.event(Event::TaskApplied(Box::new(object)));
        }
        self.deactivated.clear();
        self.draining.clear();
        for index in 0..self.agents.len() {
            if !self.slots.contains_key(&self.agents[index].name) {
                self.resize(index, 4);
            }
        }
        let names: Vec<AgentName> = self.agent_objects.keys().cloned().collect();
        for name in names {
            self.tell_agent_object(&name);
        }
    }

    fn create_task(&mut self, framework: u8, size: u8) {
        self.last_uid += 1;
        let name = format!("t{}", self.last_uid);
        let id = TaskId { key: ObjectKey::new("ns", name), uid: format!("u{}", self.last_uid) };
        let (cores, ports) = match size % 7 {
            0 => (1, PortRequest::None),
            1 => (2, PortRequest::None),
            2 => (1, PortRequest::Count(1)),
            3 => (1, PortRequest::Numbers(Ranges::span(31_001, 31_002))),
            4 => (3, PortRequest::Count(2)),
            _ => (9, PortRequest::None),
        };
        let request = TaskRequest {
            command: Command::default(),
            role: None,
            resources: Resources::of(Amount::from_units(cores), Amount::from_units(64)),
            ports,
            volumes: Vec::new(),
            cpu_limit: None,
            mem_limit: None,
            kill_grace: Duration::from_secs(1),
        };
        let object = TaskObject {
            id: id.clone(),
            generation: 1,
            framework: ["a", "b", "c"][usize::from(framework) % 3].to_owned(),
            request: if size % 7 == 6 { Err("it is invalid".to_owned()) } else { Ok(request) },
            record: None,
            deleting: false,
            finalizer: false,
            owner: None,
            created: self.now,
            stream: None,
        };
        self.tasks.insert(id, object.clone());
        self.event(Event::TaskApplied(Box::new(object)));
    }

    fn delete_task(&mut self, id: &TaskId) {
        let Some(object) = self.tasks.get_mut(id) else { return };
        if object.finalizer {
            object.deleting = true;
            let object = object.clone();
            self.to_come.push_back(Event::TaskApplied(Box::new(object)));
            self.event_queue();
        } else {
            self.remove_task(id);
        }
    }

    fn remove_task(&mut self, id: &TaskId) {
        self.tasks.remove(id);
        self.to_come.push_back(Event::TaskDeleted(id.clone()));
        self.event_queue();
    }

    fn apply_framework(&mut self, name: &str, scheduler: Result<SchedulerKind, String>) {
        let key = ObjectKey::new("ns", name);
        self.last_uid += 1;
        let uid = self.frameworks.get(&key).map_or_else(|| format!("u{}", self.last_uid), |known| known.uid.clone());
        let roles: &[&str] = match name {
            "a" => &["eng", "*"],
            "b" => &["*", "eng"],
            _ => &["eng/a"],
        };
        let roles = roles.iter().filter_map(|role| Role::new(role).ok()).collect();
        let capabilities = Capabilities { shared: true, refinement: true, ..Capabilities::default() };
        let object = FrameworkObject {
            roles,
            capabilities,
            history_limit: 3,
            ..FrameworkObject::new(key.clone(), uid, scheduler)
        };
        self.frameworks.insert(key, object.clone());
        self.event(Event::FrameworkApplied(object));
    }

    fn reply(&mut self, number: u8, reply: OfferReply) {
        let outstanding: Vec<_> = self.offers.iter().filter(|(_, (_, open))| *open).map(|(id, _)| id.clone()).collect();
        if let Some(offer) = pick(number, outstanding.into_iter()) {
            self.event(Event::OfferReplied { offer, reply });
        }
    }

    fn resize(&mut self, index: usize, cores: u64) {
        let agent = self.agents[index].name.clone();
        let slot = (cores > 0).then(|| Slot {
            pod: format!("slot-{agent}"),
            uid: format!("slot-{agent}"),
            address: None,
            running: true,
            resources: Resources::of(Amount::from_units(cores), Amount::from_units(1024)),
        });
        match &slot {
            Some(slot) => self.slots.insert(agent.clone(), slot.clone()),
            None => self.slots.remove(&agent),
        };
        self.event(Event::SlotChanged { agent, slot });
    }

    fn orders_of(&self, agent: &AgentName) -> AgentOrders {
        let drain = self.draining.contains(agent).then(proffer_master::DrainOrder::default);
        AgentOrders { deactivated: self.deactivated.contains(agent), drain, gone: false }
    }

    fn tell_agent_object(&mut self, agent: &AgentName) {
        let Some(record) = self.agent_objects.get(agent) else { return };
        let event = Event::AgentApplied {
            agent: agent.clone(),
            attributes: BTreeMap::new(),
            orders: self.orders_of(agent),
            was_drained: false,
            was_unreachable: false,
            agent_id: record.as_ref().map(|record| record.agent_id.clone()),
            epoch: record.as_ref().map(|record| record.epoch),
        };
        self.to_come.push_back(event);
        self.event_queue();
    }

    fn disconnect(&mut self, index: usize, noticed: bool) {
        let agent = &mut self.agents[index];
        let session = agent.session;
        agent.disconnect();
        if let (Some(session), true) = (session, noticed) {
            let agent = agent.name.clone();
            self.event(Event::AgentDisconnected { agent, session });
        }
    }

    fn agent_reads(&mut self, index: usize) {
        match self.agents[index].read() {
            Deed::Nothing => {}
            Deed::Started(id) => self.oracle.started(&id),
            Deed::Forgot(id, state) => {
                let refused = self.refused.contains(&id);
                self.oracle.forgot(&id, state, self.tasks.get(&id), refused);
            }
        }
    }

    fn master_reads(&mut self, index: usize) {
        if let Some(event) = self.agents[index].outbox.pop_front() {
            self.said.push(event.clone());
            self.event(event);
        }
    }

    fn crash(&mut self, done: u8, late: u8) {
        let bit = |number: u8, index: usize| number >> (index % 8) & 1 == 1;
        let mut undone = BTreeSet::new();
        for (index, (_, write)) in std::mem::take(&mut self.writes).into_iter().enumerate() {
            let Write::Task(id, record, _) = write else { continue };
            // A shell writes an object once at a time: what came after an unfinished write was never sent.
            if undone.contains(&id) {
                continue;
            }
            if bit(done, index) {
                self.apply(&id, &record);
                continue;
            }
            undone.insert(id.clone());
            if bit(late, index) {
                self.late.push_back((id, record));
            }
        }
        self.parked.clear();
        for agent in &mut self.agents {
            agent.disconnect();
        }
        self.offers.clear();
        // Connections end with their leader.
        self.said.clear();
        self.late_writes.clear();
        self.epoch += 1;
        self.master = Master::new(MasterConfig::new(Epoch(self.epoch)));
        let frameworks = self.frameworks.values().cloned().map(Event::FrameworkApplied);
        self.to_come.extend(frameworks);
        self.to_come.extend(self.tasks.values().cloned().map(|object| Event::TaskApplied(Box::new(object))));
        let reservations = self.reservations.values().cloned();
        self.to_come.extend(reservations.map(|object| Event::ReservationApplied(Box::new(object))));
        self.event_queue();
        let names: Vec<AgentName> = self.agent_objects.keys().cloned().collect();
        for name in names {
            self.tell_agent_object(&name);
        }
        for (agent, slot) in self.slots.clone() {
            self.event(Event::SlotChanged { agent, slot: Some(slot) });
        }
        self.event(Event::Recovered);
    }

    /// A status that a dead leader wrote gets through, unless a later leader has written since.
    fn late_write(&mut self, told: bool) {
        let Some((id, record)) = self.late.pop_front() else { return };
        if !self.apply(&id, &record) {
            return;
        }
        self.late_writes.entry(id.clone()).or_default().0 += 1;
        if told {
            let newest = Event::TaskApplied(Box::new(self.tasks[&id].clone()));
            self.event(newest);
        }
    }

    /// The API server stores a status; it never lets the epoch go down.
    fn apply(&mut self, id: &TaskId, record: &TaskRecord) -> bool {
        let Some(object) = self.tasks.get_mut(id) else { return false };
        let stored = object.record.as_ref().map_or(Epoch(0), |stored| stored.epoch);
        if record.epoch < stored {
            return false;
        }
        self.oracle.wrote(id, object.record.as_ref(), record);
        object.record = Some(record.clone());
        true
    }

    fn finish_write(&mut self, ending: Ending) {
        let Some((write, what)) = self.writes.pop_front() else { return };
        let outcome = match what {
            Write::Task(id, record, known) => self.finish_task_write(&id, &record, known, ending),
            Write::Reservation(change) => self.finish_reservation_write(change, ending),
            Write::Offer(offer, framework) => match ending {
                Ending::Refused => WriteOutcome::Refused("no offers today".to_owned()),
                _ if !self.frameworks.contains_key(&framework) => WriteOutcome::Gone,
                _ => {
                    self.offers.insert(offer, (framework, true));
                    WriteOutcome::Done
                }
            },
        };
        let sent: Vec<_> = self.parked.extract_if(.., |(after, ..)| *after == write).collect();
        if outcome == WriteOutcome::Done {
            for (_, agent, session, message) in sent {
                self.deliver(&agent, session, message);
            }
        }
        self.event(Event::Written { write, outcome });
    }

    fn finish_task_write(&mut self, id: &TaskId, record: &TaskRecord, known: u64, ending: Ending) -> WriteOutcome {
        let Some(object) = self.tasks.get(id) else { return WriteOutcome::Gone };
        let overwritten = self.late_writes.get(id).is_some_and(|(written, _)| *written > known);
        let conflict = overwritten || matches!(ending, Ending::Conflict);
        if conflict {
            let newest = Event::TaskApplied(Box::new(object.clone()));
            self.event(newest);
            return WriteOutcome::Conflict;
        }
        if matches!(ending, Ending::Refused) {
            self.refused.insert(id.clone());
            return WriteOutcome::Refused("no statuses today".to_owned());
        }
        assert!(self.apply(id, record), "a leader's write was refused for its epoch: {record:?}");
        let echo = Event::TaskApplied(Box::new(self.tasks[id].clone()));
        self.event(echo);
        WriteOutcome::Done
    }

    fn deliver(&mut self, to: &AgentName, session: Session, message: ToAgent) {
        if let Some(agent) = self.agents.iter_mut().find(|agent| agent.name == *to && agent.session == Some(session)) {
            agent.inbox.push_back(message);
        }
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.to_come.push_back(event);
        self.event_queue();
    }

    fn event_queue(&mut self) {
        while let Some(event) = self.to_come.pop_front() {
            if let Event::TaskApplied(object) = &event
                && let Some((written, told)) = self.late_writes.get_mut(&object.id)
                && self.tasks.get(&object.id).is_some_and(|newest| newest.record == object.record)
            {
                *told = *written;
            }
            self.trace.push(Trace::Event(event.clone()));
            let effects = self.master.handle(self.now, event);
            if let Err(problem) = self.master.check_invariants() {
                self.fail(&problem);
            }
            for effect in effects {
                self.trace.push(Trace::Effect(effect.clone()));
                self.carry_out(effect);
            }
            if let Some(problem) = self.oracle.problem.take() {
                self.fail(&problem);
            }
        }
    }

    /// What the trace says about a failure.
    pub(crate) fn fail(&self, problem: &str) -> ! {
        let lines = self.trace.iter().map(|line| match line {
            Trace::Step(step) => format!("{step:?}"),
            Trace::Event(event) => format!("    {event:?}"),
            Trace::Effect(effect) => format!("        {effect:?}"),
        });
        let lines: Vec<String> = lines.map(|line| line.chars().take(400).collect()).collect();
        panic!("{}\n{problem}", lines.join("\n"));
    }

    #[expect(clippy::too_many_lines, reason = "one match")]
    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::WriteTask { write, task, record, .. } => {
                assert_eq!(record.epoch, Epoch(self.epoch));
                let known = self.late_writes.get(&task).map_or(0, |(_, told)| *told);
                self.writes.push_back((write, Write::Task(task, record, known)));
            }
            Effect::CreateOffer { write, offer } => {
                self.writes.push_back((write, Write::Offer(offer.id, offer.framework)));
            }
            Effect::AdoptTask { task, framework, finalizer } => {
                if let Some(object) = self.tasks.get_mut(&task) {
                    object.owner = Some(framework.1);
                    object.finalizer |= finalizer && !object.deleting;
                    let object = object.clone();
                    self.to_come.push_back(Event::TaskApplied(Box::new(object)));
                }
            }
            Effect::ReleaseTask(id) => {
                let alive = self.agents.iter().any(|agent| {
                    agent.id.is_some() && agent.tasks.get(&id).is_some_and(|task| !task.state.is_terminal())
                });
                self.oracle.released(&id, self.tasks.get(&id), alive);
                if self.tasks.remove(&id).is_some() {
                    self.to_come.push_back(Event::TaskDeleted(id));
                }
            }
            Effect::DeleteTask(id) => {
                self.oracle.deleted(&id, self.tasks.get(&id));
                let Some(object) = self.tasks.get_mut(&id) else { return };
                if object.finalizer {
                    object.deleting = true;
                    self.to_come.push_back(Event::TaskApplied(Box::new(object.clone())));
                } else {
                    self.tasks.remove(&id);
                    self.to_come.push_back(Event::TaskDeleted(id));
                }
            }
            Effect::CloseOffer { offer, .. } => {
                if let Some((_, open)) = self.offers.get_mut(&offer) {
                    *open = false;
                }
            }
            Effect::CreateReservation { write, reservation } => {
                self.writes.push_back((write, Write::Reservation(Change::Create(reservation))));
            }
            Effect::ChangeReservation { write, name, uid, resources } => {
                self.writes.push_back((write, Write::Reservation(Change::Ask(name, uid, resources))));
            }
            Effect::DeleteReservation { write, name, uid } => {
                self.writes.push_back((write, Write::Reservation(Change::Delete(name, uid))));
            }
            Effect::WriteReservation(record) => self.write_reservation(*record),
            Effect::ReleaseReservation { name } => self.release_reservation(&name),
            Effect::DeleteOffer(offer) => {
                self.offers.remove(&offer);
            }
            // Nothing here speaks the scheduler API.
            Effect::WriteFramework(_)
            | Effect::CreateTask { .. }
            | Effect::WriteFrameworkSpec { .. }
            | Effect::KnowFramework { .. }
            | Effect::ForgetFramework { .. }
            | Effect::Subscribed { .. }
            | Effect::Notify { .. }
            | Effect::CloseStream { .. }
            | Effect::AnswerUpdate { .. }
            | Effect::WriteRole(_)
            | Effect::WriteMaintenance(_)
            | Effect::MarkAgentGone(_)
            | Effect::DeleteFramework { .. }
            | Effect::Tell(_)
            | Effect::Outrun { .. }
            | Effect::Answer { .. } => {}
            Effect::WriteAgent(record) => {
                let name = record.agent.clone();
                let new = !self.agent_objects.contains_key(&name);
                self.agent_objects.insert(name.clone(), Some(*record));
                if new {
                    let event = Event::AgentApplied {
                        agent: name.clone(),
                        attributes: BTreeMap::new(),
                        orders: self.orders_of(&name),
                        was_drained: false,
                        was_unreachable: false,
                        agent_id: None,
                        epoch: None,
                    };
                    self.to_come.push_back(event);
                }
            }
            Effect::Send { agent, session, message, after } => {
                match after.filter(|after| self.writes.iter().any(|(write, _)| write == after)) {
                    Some(write) => self.parked.push((write, agent, session, message)),
                    None => self.deliver(&agent, session, message),
                }
            }
            Effect::Disconnect { agent, session, .. } => {
                if let Some(index) =
                    self.agents.iter().position(|known| known.name == agent && known.session == Some(session))
                {
                    self.agents[index].disconnect();
                    self.to_come.push_back(Event::AgentDisconnected { agent, session });
                }
            }
        }
    }
}
