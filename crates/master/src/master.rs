//! The master: its state, and the one place where events come in.

use crate::closed::ClosedOffers;
use crate::config::MasterConfig;
use crate::effect::{Effect, ToAgent};
use crate::event::ReservationObject;
use crate::event::{Event, Slot};
use crate::ids::{AgentName, Epoch, ObjectKey, OfferId, Session, TaskId, Time, WriteId};
use crate::maintenance::Maintenances;
use crate::no_offers::Unexplained;
use crate::operations::{Acceptance, OperatorTask};
use crate::record::{Notice, NoticeAbout};
use crate::recovery::Recovery;
use crate::removal::Removals;
use crate::roles::Roles;
use crate::state::{Agent, Executor, ExecutorKey, Framework, Group, Offer, Reservation, Task, Turn, Want, Write};
use crate::stream::Streams;
use crate::timers::{Timer, Timers};
use proffer_allocator::Allocator;
use std::collections::{BTreeMap, BTreeSet};

/// The master.
#[derive(Debug)]
pub struct Master {
    pub(crate) config: MasterConfig,
    /// The moment of the event that is being handled.
    pub(crate) now: Time,
    /// What is told before `Recovered`; `None` from then on.
    pub(crate) recovery: Option<Box<Recovery>>,
    pub(crate) frameworks: BTreeMap<ObjectKey, Framework>,
    pub(crate) tasks: BTreeMap<TaskId, Task>,
    pub(crate) agents: BTreeMap<AgentName, Agent>,
    /// Task groups of which a task is known, by their IDs.
    pub(crate) groups: BTreeMap<String, Group>,
    /// Executors of task groups that hold resources.
    pub(crate) executors: BTreeMap<ExecutorKey, Executor>,
    /// Which agents may be taken for unreachable, and how fast.
    pub(crate) removals: Removals,
    /// Frameworks of which tasks wait for an agent.
    pub(crate) waiting: BTreeSet<ObjectKey>,
    /// Agents by their ID.
    pub(crate) agent_ids: BTreeMap<String, AgentName>,
    /// Tasks that agents have and of which no object was seen so far, and where they are.
    pub(crate) orphans: BTreeMap<TaskId, AgentName>,
    /// Slots of agents that are not known.
    pub(crate) slots: BTreeMap<AgentName, Slot>,
    /// Live offers, and those that ended before their object was made.
    pub(crate) offers: BTreeMap<OfferId, Offer>,
    /// Those that ended and still have an object.
    pub(crate) closed: ClosedOffers,
    /// Live offers whose reply waits for tasks that are not known yet.
    pub(crate) parked_replies: BTreeSet<OfferId>,
    /// Acceptances whose operations wait for something, by the number of their offers at the allocator.
    pub(crate) acceptances: BTreeMap<u64, Acceptance>,
    /// Operators' operations whose objects are being written.
    pub(crate) operator_tasks: BTreeMap<u64, OperatorTask>,
    pub(crate) reservations: BTreeMap<String, Reservation>,
    /// Reservations of agents that are not known.
    pub(crate) unclaimed_reservations: BTreeMap<AgentName, BTreeSet<String>>,
    /// Objects whose name another had before, of which something is still reserved.
    pub(crate) successors: BTreeMap<String, Box<ReservationObject>>,
    /// Reservations that are not as their objects ask for.
    pub(crate) unsettled: BTreeSet<String>,
    pub(crate) last_reservation: u64,
    pub(crate) last_update: u64,
    pub(crate) allocator: Allocator<AgentName, ObjectKey>,
    pub(crate) roles: Roles,
    pub(crate) maintenance: Maintenances,
    pub(crate) timers: Timers,
    /// Writes that were not answered yet.
    pub(crate) writes: BTreeMap<WriteId, Write>,
    pub(crate) last_write: u64,
    pub(crate) last_offer: u64,
    /// Whether waiting tasks may be helped by rescinding an offer.
    pub(crate) rescind_due: bool,
    /// Whether it is time to look for that among many offers.
    pub(crate) rescind_among_many: bool,
    /// What is known of the scheduler API as a whole.
    pub(crate) streams: Streams,
    /// Where it goes on to be worked out why tasks wait, if that was too much for one go.
    pub(crate) explained_tasks: Option<(ObjectKey, Want, Turn)>,
    /// Frameworks, agents and reservations whose record may have changed.
    pub(crate) changed_frameworks: BTreeSet<ObjectKey>,
    pub(crate) changed_agents: BTreeSet<AgentName>,
    pub(crate) changed_reservations: BTreeSet<String>,
    /// Frameworks that have to be told why they get no offers.
    pub(crate) unexplained: Unexplained,
    /// What is to be done about the event that is being handled.
    effects: Vec<Effect>,
    /// A rule that is not kept.
    #[cfg(feature = "planted")]
    pub(crate) planted: Option<crate::planted::Planted>,
}

impl Master {
    /// A master that knows nothing yet. Tell it the objects, then [`Event::Recovered`].
    #[must_use]
    pub fn new(config: MasterConfig) -> Self {
        Self {
            now: Time::default(),
            recovery: Some(Box::default()),
            frameworks: BTreeMap::new(),
            tasks: BTreeMap::new(),
            agents: BTreeMap::new(),
            groups: BTreeMap::new(),
            executors: BTreeMap::new(),
            removals: Removals::default(),
            waiting: BTreeSet::new(),
            agent_ids: BTreeMap::new(),
            orphans: BTreeMap::new(),
            slots: BTreeMap::new(),
            offers: BTreeMap::new(),
            closed: ClosedOffers::default(),
            parked_replies: BTreeSet::new(),
            acceptances: BTreeMap::new(),
            operator_tasks: BTreeMap::new(),
            reservations: BTreeMap::new(),
            unclaimed_reservations: BTreeMap::new(),
            successors: BTreeMap::new(),
            unsettled: BTreeSet::new(),
            last_reservation: 0,
            last_update: 0,
            allocator: Allocator::new(config.allocation()),
            roles: Roles::default(),
            maintenance: Maintenances::default(),
            timers: Timers::default(),
            writes: BTreeMap::new(),
            last_write: 0,
            last_offer: 0,
            rescind_due: false,
            rescind_among_many: false,
            streams: Streams::default(),
            explained_tasks: None,
            changed_frameworks: BTreeSet::new(),
            changed_agents: BTreeSet::new(),
            changed_reservations: BTreeSet::new(),
            unexplained: Unexplained::default(),
            effects: Vec::new(),
            #[cfg(feature = "planted")]
            planted: None,
            config,
        }
    }

    /// What the operator set.
    #[must_use]
    pub fn config(&self) -> &MasterConfig {
        &self.config
    }

    /// Takes in one event that happens at `now` and returns what is to be done about it.
    pub fn handle(&mut self, now: Time, event: Event) -> Vec<Effect> {
        self.now = self.now.max(now);
        if self.recovery.is_none() {
            self.fire_due_timers();
            self.allocator.expire_filters(self.now);
        }
        if let Some(event) = self.hold_back(event) {
            self.dispatch(event);
        }
        if self.recovery.is_none() {
            self.settle_reservations();
            self.allocate();
            self.rescind_among_many = false;
            self.send_offers();
            self.write_records();
        }
        std::mem::take(&mut self.effects)
    }

    /// When to send the next [`Event::Tick`] at the latest; `None` if nothing waits for time.
    #[must_use]
    pub fn next_tick(&self) -> Option<Time> {
        [self.timers.next(), self.closed.next(), self.allocator.next_filter_end()].into_iter().flatten().min()
    }

    /// The one match on events.
    pub(crate) fn dispatch(&mut self, event: Event) {
        match event {
            Event::FrameworkApplied(object) => self.framework_applied(object),
            Event::FrameworkDeleted { key, uid } => self.framework_deleted(&key, &uid),
            Event::TaskApplied(object) => self.task_applied(*object),
            Event::TaskDeleted(task) => self.task_deleted(&task),
            Event::OfferReplied { offer, reply } => self.offer_replied(&offer, reply),
            Event::OfferDeleted(offer) => self.offer_deleted(&offer),
            Event::AgentApplied { agent, attributes, orders, was_drained, was_unreachable, agent_id, epoch: _ } => {
                self.agent_applied(&agent, attributes, (orders, was_drained), agent_id);
                self.note_unreachable_before(&agent, was_unreachable);
            }
            Event::AgentDeleted(agent) => self.agent_deleted(&agent),
            Event::RoleApplied(object) => self.role_applied(object),
            Event::RoleDeleted { name, uid } => self.role_deleted(&name, &uid),
            Event::MaintenanceApplied(object) => self.maintenance_applied(object),
            Event::MaintenanceDeleted { name, uid } => self.maintenance_deleted(&name, &uid),
            Event::SlotChanged { agent, slot } => self.slot_changed(&agent, slot),
            Event::AgentRegistered(registration) => self.agent_registered(registration),
            Event::AgentDisconnected { agent, session } => self.agent_disconnected(&agent, session),
            Event::EpochConfirmed { agent, session, epoch } => self.epoch_confirmed(&agent, session, epoch),
            Event::SlotAttached { agent, session, pod_uid, problem } => {
                self.slot_attached(&agent, session, pod_uid, problem);
            }
            Event::StatusUpdate { agent, session, update } => self.status_update(&agent, session, update),
            Event::ReservationApplied(object) => self.reservation_applied(*object),
            Event::ReservationDeleted { name, uid } => self.reservation_deleted(&name, &uid),
            Event::VolumeDestroyed { agent, session, role, id, problem } => {
                self.volume_destroyed(&agent, session, role, id, problem);
            }
            Event::OperationAcknowledged { framework, operation, uuid } => {
                self.acknowledge_operation(&framework, &operation, &uuid);
            }
            Event::OperatorOperation { id, agent, principal, operation } => {
                self.operator_operation(id, &agent, principal.as_deref(), &operation);
            }
            Event::Pong { agent, session } => self.heard_from(&agent, session),
            Event::Subscribe(subscription) => self.subscribe(*subscription),
            Event::Unsubscribed(connection) => self.unsubscribed(connection),
            Event::Call { connection, call, denied } => self.scheduler_call(connection, *call, &denied),
            Event::UpdateFramework { connection, asked, update } => self.update_framework(connection, asked, *update),
            Event::Written { write, outcome } => self.written(write, outcome),
            Event::Recovered => self.recovered(),
            Event::Tick => {}
        }
    }

    fn fire_due_timers(&mut self) {
        for offer in self.closed.take_due(self.now) {
            self.push(Effect::DeleteOffer(offer));
        }
        for timer in self.timers.take_due(self.now) {
            match timer {
                Timer::Ping(agent) => self.ping(&agent),
                Timer::AgentLost(agent) => self.agent_lost(&agent),
                Timer::AgentLate(agent) => self.agent_changed(&agent),
                Timer::OfferExpires(offer) => self.offer_expired(&offer),
                Timer::ReplyDue(offer) => self.decide_reply(&offer),
                Timer::OfferForgotten(offer) => self.forget_inverse_offer(&offer),
                Timer::OrphanDue(agent, task) => self.orphan_overdue(agent, task),
                Timer::OrphanGivenUp(agent, task) => self.orphan_given_up(&agent, &task),
                Timer::Settle(task) => self.settle(&task),
                Timer::OfferMature => (self.rescind_due, self.rescind_among_many) = (true, true),
                Timer::FailoverDue(framework) => self.failover_due(&framework),
                Timer::Explain => self.explain_waiting(),
                Timer::RoleFigures => self.write_roles(),
                Timer::Maintenance => self.go_on_with_maintenance(),
                Timer::WindowOver => self.window_over(),
                Timer::ExplainNoOffers => self.explain_no_offers(),
            }
        }
    }

    /// This leader's epoch.
    pub(crate) fn epoch(&self) -> Epoch {
        self.config.epoch
    }

    /// Adds an effect.
    pub(crate) fn push(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// Sends a message to an agent if it is connected.
    pub(crate) fn send(&mut self, agent: &AgentName, message: ToAgent, after: Option<WriteId>) {
        if let Some(session) = self.agents.get(agent).and_then(Agent::session) {
            self.push(Effect::Send { agent: agent.clone(), session, message, after });
        }
    }

    /// Ends a connection.
    pub(crate) fn disconnect(&mut self, agent: &AgentName, session: Session, why: String) {
        self.push(Effect::Disconnect { agent: agent.clone(), session, why });
    }

    /// Warns a person.
    pub(crate) fn warn(&mut self, about: NoticeAbout, reason: &'static str, message: String) {
        self.push(Effect::Tell(Notice { about, warning: true, reason, message }));
    }
}
