//! The leader's loop: the only place where the master is called.
//!
//! Events come in, effects go out to queues; nothing here waits for a file or a socket.

mod hops;

use crate::agent_link::Links;
use crate::clock::{Boot, Clock};
use crate::leader::Guard;
use crate::metrics::Metrics;
use crate::operators::Operators;
use crate::registry::{Entry, Heard};
use crate::schedulers::Schedulers;
use crate::writer::{Basis, Notices, Op};
use hops::Hops;
use proffer_agent_link::v1::LaunchTimes;
use proffer_crds::Task;
use proffer_master::{
    Effect, Epoch, Event, Master, MasterConfig, Notice, ObjectKey, Session, ToAgent, WriteId, WriteOutcome,
};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};

/// Most events taken from one side before the other gets its turn.
const BATCH: usize = 256;
/// Events of agents that wait; an agent whose event finds no room waits itself.
const AGENT_EVENTS: usize = 4096;

/// Calls of schedulers that wait; one whose call finds no room waits itself.
const CALLS: usize = 4096;

/// Where the runner is told things.
#[derive(Clone, Debug)]
pub struct Inbox {
    /// By the registry and the writer. Unbounded: what waits is at most what is in memory anyway.
    pub heard: mpsc::UnboundedSender<Heard>,
    /// By agents.
    pub agents: mpsc::Sender<Arrived>,
    /// By schedulers and operators.
    pub schedulers: mpsc::Sender<Event>,
}

/// The receiving ends of an [`Inbox`].
#[derive(Debug)]
pub struct Outlets {
    /// What the registry and the writer told.
    pub heard: mpsc::UnboundedReceiver<Heard>,
    /// What agents told.
    pub agents: mpsc::Receiver<Arrived>,
    /// What schedulers called.
    pub schedulers: mpsc::Receiver<Event>,
}

/// An inbox and its receiving ends.
#[must_use]
pub fn inbox() -> (Inbox, Outlets) {
    let (heard_in, heard) = mpsc::unbounded_channel();
    let (agents_in, agents) = mpsc::channel(AGENT_EVENTS);
    let (schedulers_in, schedulers) = mpsc::channel(CALLS);
    let inbox = Inbox { heard: heard_in, agents: agents_in, schedulers: schedulers_in };
    (inbox, Outlets { heard, agents, schedulers })
}

/// An event that came from an agent.
#[derive(Clone, Debug)]
pub struct Arrived {
    /// The event.
    pub event: Event,
    /// How long the agent took for a launch, with a status that is the first of one.
    pub launch_times: Option<LaunchTimes>,
}

impl Arrived {
    /// An event without more.
    #[must_use]
    pub fn new(event: Event) -> Self {
        Self { event, launch_times: None }
    }
}

/// What the runner works with.
pub struct Runner {
    master: Master,
    clock: Clock,
    guard: Guard,
    links: Arc<Links>,
    writer: mpsc::UnboundedSender<Op>,
    notices: Notices,
    metrics: Arc<Metrics>,
    outrun: watch::Sender<Epoch>,
    schedulers: Schedulers,
    operators: Operators,
    /// The version of each task that the master was told last: what it decides is decided on this one.
    told: HashMap<ObjectKey, Arc<Entry<Task>>>,
    /// Writes that have not ended, and what waits for each.
    writes: HashMap<WriteId, Vec<(Session, ToAgent)>>,
    hops: Hops,
    recovered: Option<oneshot::Sender<()>>,
}

/// Everything that effects are handed to.
pub struct Reach {
    /// Ends the process when it does not lead any more.
    pub guard: Guard,
    /// The agents.
    pub links: Arc<Links>,
    /// The writer.
    pub writer: mpsc::UnboundedSender<Op>,
    /// Kubernetes Events.
    pub notices: Notices,
    /// Figures.
    pub metrics: Arc<Metrics>,
    /// The later epoch that an agent told last.
    pub outrun: watch::Sender<Epoch>,
    /// The schedulers that are subscribed.
    pub schedulers: Schedulers,
    /// The operators who wait for an answer.
    pub operators: Operators,
}

impl Runner {
    /// A runner of a new master. `recovered` fires when [`Event::Recovered`] has been handled.
    #[must_use]
    pub fn new(config: MasterConfig, clock: Clock, reach: Reach, recovered: oneshot::Sender<()>) -> Self {
        let Reach { guard, links, writer, notices, metrics, outrun, schedulers, operators } = reach;
        Self {
            master: Master::new(config),
            clock,
            guard,
            links,
            writer,
            notices,
            told: HashMap::new(),
            hops: Hops::new(Arc::clone(&metrics)),
            metrics,
            outrun,
            schedulers,
            operators,
            writes: HashMap::new(),
            recovered: Some(recovered),
        }
    }

    /// Handles events until the process ends.
    pub async fn run(mut self, mut outlets: Outlets) {
        let mut heard = Vec::with_capacity(BATCH);
        let mut arrived = Vec::with_capacity(BATCH);
        let mut called = Vec::with_capacity(BATCH);
        loop {
            let now = self.clock.now();
            let tick = self.master.next_tick().map(|next| next.since(now));
            tokio::select! {
                biased;
                n = outlets.heard.recv_many(&mut heard, BATCH) => if n == 0 { return },
                n = outlets.agents.recv_many(&mut arrived, BATCH) => if n == 0 { return },
                n = outlets.schedulers.recv_many(&mut called, BATCH) => if n == 0 { return },
                () = tokio::time::sleep(tick.unwrap_or_default()), if tick.is_some() => {}
            }
            // One side that is busy must not keep the other waiting.
            while heard.len() < BATCH
                && let Ok(more) = outlets.heard.try_recv()
            {
                heard.push(more);
            }
            while arrived.len() < BATCH
                && let Ok(more) = outlets.agents.try_recv()
            {
                arrived.push(more);
            }
            while called.len() < BATCH
                && let Ok(more) = outlets.schedulers.try_recv()
            {
                called.push(more);
            }
            // A process that was stopped for a while must not act on what it knew before.
            self.guard.check();
            for heard in heard.drain(..) {
                self.hear(heard);
            }
            for arrived in arrived.drain(..) {
                self.hops.arrived(&arrived);
                self.handle(arrived.event);
            }
            for event in called.drain(..) {
                self.handle(event);
            }
            let now = self.clock.now();
            if self.master.next_tick().is_some_and(|next| next <= now) {
                self.handle(Event::Tick);
            }
        }
    }

    fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Event(event) => self.handle(event),
            Heard::Task(event, entry) => {
                if let Event::TaskApplied(task) = &event {
                    self.told.insert(task.id.key.clone(), entry);
                }
                self.handle(event);
            }
            Heard::VoidOffer(offer) => self.write(Op::DeleteOffer(offer)),
            Heard::Malformed { about, problem } => {
                tracing::warn!(?about, problem, "an object does not have its kind's form");
                let message = format!("the object does not have its kind's form: {problem}");
                self.notices.tell(Notice { about, warning: true, reason: "Malformed", message });
            }
        }
    }

    fn handle(&mut self, event: Event) {
        if let Event::Written { write, outcome } = &event {
            self.release(*write, outcome);
        }
        if let Event::TaskDeleted(task) = &event {
            self.told.remove(&task.key);
        }
        self.hops.event(&event);
        let recovered = event == Event::Recovered;
        let name = event_name(&event);
        let began = Boot::now();
        let effects = self.master.handle(self.clock.now(), event);
        self.metrics.handled(name, Boot::now().since(began));
        // A message may wait for a write that stands behind it.
        for write in effects.iter().filter_map(write_of) {
            self.writes.entry(write).or_default();
        }
        for effect in effects {
            self.dispatch(effect);
        }
        if recovered && let Some(recovered) = self.recovered.take() {
            let _ = recovered.send(());
        }
    }

    /// A write has ended: what waited for it goes out, if it is durable.
    fn release(&mut self, write: WriteId, outcome: &WriteOutcome) {
        let Some(waiting) = self.writes.remove(&write) else { return };
        if *outcome == WriteOutcome::Done {
            for (session, message) in waiting {
                self.send(session, message);
            }
        }
    }

    fn send(&mut self, session: Session, message: ToAgent) {
        self.hops.sent(&message);
        self.links.send(session, message);
    }

    fn write(&self, op: Op) {
        // The writer lives as long as the process.
        let _ = self.writer.send(op);
    }

    fn dispatch(&mut self, effect: Effect) {
        match effect {
            Effect::WriteTask { write, task, record, awaited } => {
                self.hops.decided(write, &task, &record);
                let basis = Basis(self.told.get(&task.key).cloned());
                self.write(Op::TaskStatus { writes: vec![write], task, record, basis, awaited });
            }
            Effect::CreateTask { write, task } => {
                self.hops.decided(write, &task.id, &task.record);
                self.write(Op::CreateTask { write, task });
            }
            Effect::WriteFrameworkSpec { write, spec } => self.write(Op::FrameworkSpec { write, spec }),
            Effect::DeleteFramework { key, uid } => self.write(Op::DeleteFramework { key, uid }),
            Effect::KnowFramework { framework_id, principal } => self.schedulers.know(framework_id, principal),
            Effect::ForgetFramework { framework_id } => self.schedulers.forget(&framework_id),
            Effect::Subscribed { connection, framework_id } => self.schedulers.subscribed(connection, &framework_id),
            Effect::Notify { connection, event } => self.schedulers.notify(connection, &event),
            Effect::CloseStream { connection, error } => self.schedulers.end(connection, error.as_deref()),
            Effect::AnswerUpdate { asked, answer } => self.schedulers.answer(asked, answer),
            Effect::AdoptTask { task, framework, finalizer } => {
                self.write(Op::AdoptTask { task, framework, finalizer });
            }
            Effect::ReleaseTask(task) => self.write(Op::ReleaseTask(task)),
            Effect::DeleteTask(task) => self.write(Op::DeleteTask(task)),
            Effect::CreateOffer { write, offer } => self.write(Op::CreateOffer { write, offer }),
            Effect::CloseOffer { offer, end, message } => self.write(Op::CloseOffer { offer, end, message }),
            Effect::DeleteOffer(offer) => self.write(Op::DeleteOffer(offer)),
            Effect::WriteFramework(record) => self.write(Op::Framework(record)),
            Effect::WriteAgent(record) => self.write(Op::Agent(record)),
            Effect::WriteRole(record) => self.write(Op::Role(record)),
            Effect::WriteMaintenance(record) => self.write(Op::Maintenance(record)),
            Effect::MarkAgentGone(agent) => self.write(Op::MarkAgentGone(agent)),
            Effect::Send { session, message, after: None, .. } => self.send(session, message),
            Effect::Send { agent, session, message, after: Some(write) } => {
                if let Some(waiting) = self.writes.get_mut(&write) {
                    waiting.push((session, message));
                } else {
                    tracing::error!(%agent, write = write.0, "a message waits for a write that is not under way: dropped");
                }
            }
            Effect::CreateReservation { write, reservation } => {
                self.write(Op::CreateReservation { write, reservation });
            }
            Effect::ChangeReservation { write, name, uid, resources } => {
                self.write(Op::ChangeReservation { write, name, uid, resources });
            }
            Effect::DeleteReservation { write, name, uid } => self.write(Op::DeleteReservation { write, name, uid }),
            Effect::WriteReservation(record) => self.write(Op::Reservation(record)),
            Effect::ReleaseReservation { name } => self.write(Op::ReleaseReservation(name)),
            Effect::Answer { id, result } => self.operators.answer(id, result),
            Effect::Outrun { epoch, .. } => drop(self.outrun.send_replace(epoch)),
            Effect::Disconnect { session, why, .. } => self.links.disconnect(session, &why),
            Effect::Tell(notice) => self.notices.tell(notice),
        }
    }
}

fn write_of(effect: &Effect) -> Option<WriteId> {
    match effect {
        Effect::WriteTask { write, .. }
        | Effect::CreateTask { write, .. }
        | Effect::WriteFrameworkSpec { write, .. }
        | Effect::CreateOffer { write, .. }
        | Effect::CreateReservation { write, .. }
        | Effect::ChangeReservation { write, .. }
        | Effect::DeleteReservation { write, .. } => Some(*write),
        _ => None,
    }
}

fn event_name(event: &Event) -> &'static str {
    match event {
        Event::FrameworkApplied(_) => "framework_applied",
        Event::FrameworkDeleted { .. } => "framework_deleted",
        Event::TaskApplied(_) => "task_applied",
        Event::TaskDeleted(_) => "task_deleted",
        Event::OfferReplied { .. } => "offer_replied",
        Event::OfferDeleted(_) => "offer_deleted",
        Event::AgentApplied { .. } => "agent_applied",
        Event::AgentDeleted(_) => "agent_deleted",
        Event::RoleApplied(_) => "role_applied",
        Event::RoleDeleted { .. } => "role_deleted",
        Event::MaintenanceApplied(_) => "maintenance_applied",
        Event::MaintenanceDeleted { .. } => "maintenance_deleted",
        Event::SlotChanged { .. } => "slot_changed",
        Event::AgentRegistered(_) => "agent_registered",
        Event::AgentDisconnected { .. } => "agent_disconnected",
        Event::EpochConfirmed { .. } => "epoch_confirmed",
        Event::SlotAttached { .. } => "slot_attached",
        Event::StatusUpdate { .. } => "status_update",
        Event::ReservationApplied(_) => "reservation_applied",
        Event::ReservationDeleted { .. } => "reservation_deleted",
        Event::VolumeDestroyed { .. } => "volume_destroyed",
        Event::OperationAcknowledged { .. } => "operation_acknowledged",
        Event::OperatorOperation { .. } => "operator_operation",
        Event::Pong { .. } => "pong",
        Event::Subscribe(_) => "subscribe",
        Event::Unsubscribed(_) => "unsubscribed",
        Event::Call { .. } => "call",
        Event::UpdateFramework { .. } => "update_framework",
        Event::Written { .. } => "written",
        Event::Recovered => "recovered",
        Event::Tick => "tick",
    }
}
