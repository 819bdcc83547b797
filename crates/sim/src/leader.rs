//! A controller process that leads, or believes that it does: the real master and what is round it.

use crate::api_server::{Object, Op, Stream, Subject};
use crate::fault::FaultKind;
use crate::happening::{Happening, LeaderId};
use crate::link::{LinkId, Message};
use crate::node::Node;
#[cfg(feature = "planted")]
use crate::planted::Planted;
use crate::simulation::Simulation;
use crate::translate;
use crate::watch::{News, Shelf, Watch};
use crate::writer::Writer;
use proffer_agent::ToMaster;
use proffer_master::{
    AgentOrders, AgentRegistration, Effect, Epoch, Event, Master, MasterConfig, ObjectKey, OfferId, Session, TaskId,
    Time, ToAgent,
};
use proffer_resources::Resources;
use std::collections::BTreeMap;
use std::time::Duration;

/// A leadership.
#[derive(Debug)]
pub(crate) struct Leader {
    pub(crate) epoch: Epoch,
    /// The process that leads.
    pub(crate) replica: usize,
    pub(crate) master: Master,
    /// Whether its process runs.
    pub(crate) alive: bool,
    pub(crate) shelf: Shelf,
    pub(crate) watches: [Watch; 3],
    /// The version of each task's status that the master was told last.
    told: BTreeMap<ObjectKey, (String, u64)>,
    /// The version of each task's status that this process wrote last.
    pub(crate) own: BTreeMap<TaskId, u64>,
    pub(crate) writer: Writer,
    /// The next tick that is on the agenda.
    tick_at: Option<Time>,
}

/// Time-outs that let a run see all of them.
pub(crate) fn config(epoch: Epoch) -> MasterConfig {
    MasterConfig {
        agent_ping_timeout: Duration::from_secs(2),
        max_agent_ping_timeouts: 3,
        agent_reregister_timeout: Duration::from_secs(20),
        offer_timeout: Duration::from_secs(5),
        offer_retention: Duration::from_secs(5),
        offer_min_hold: Duration::from_millis(300),
        ..MasterConfig::new(epoch)
    }
}

impl Simulation {
    /// A process has won the Lease: it lists everything live, then leads.
    pub(crate) fn start_leader(&mut self, replica: usize, epoch: Epoch) {
        let id = LeaderId(self.leaders.len());
        self.replicas[replica].leading = Some(id);
        self.follows(|| format!("replica {replica} leads as leader {} in epoch {}", id.0 + 1, epoch.0));
        let before = self.leaders.iter().filter(|leader| leader.epoch == epoch);
        let acts = before.clone().any(|leader| leader.alive);
        let forgotten = !acts && self.plan.kinds.contains(&FaultKind::LeaseTampered) && !self.oracle.was_heard(epoch);
        if before.count() > 0 && !forgotten {
            self.oracle.found("I8", format!("epoch {}", epoch.0), "has two leaders".to_owned());
        }
        #[cfg_attr(not(feature = "planted"), expect(unused_mut, reason = "nothing is planted into it"))]
        let mut master = Master::new(config(epoch));
        #[cfg(feature = "planted")]
        match self.options.planted {
            Some(Planted::Master(planted)) => master.plant(planted),
            Some(Planted::ChecksNoEpoch) => master.plant(proffer_master::Planted::TakesAgentsOfLaterEpochs),
            _ => {}
        }
        // The watches of a standby are behind the list, and tell again what was in it.
        let watches = Stream::ALL.map(|stream| {
            let behind = usize::try_from(self.random.below(20)).unwrap_or(0);
            Watch::from(self.api.history(stream).len().saturating_sub(behind))
        });
        self.leaders.push(Leader {
            epoch,
            replica,
            master,
            alive: true,
            shelf: Shelf::default(),
            watches,
            told: BTreeMap::new(),
            own: BTreeMap::new(),
            writer: Writer::default(),
            tick_at: None,
        });
        self.oracle.leads(id, epoch, self.now);
        let versions: Vec<_> = self.api.all().cloned().collect();
        for version in versions {
            for news in self.leaders[id.0].shelf.put(&version) {
                self.hear(id, &news);
            }
        }
        self.leader_event(id, Event::Recovered);
    }

    /// A leader's process is gone.
    pub(crate) fn end_leader(&mut self, id: LeaderId) {
        self.leaders[id.0].alive = false;
        self.oracle.ends(id);
        let links: Vec<LinkId> =
            (0..self.links.len()).map(LinkId).filter(|link| self.links[link.0].leader == id).collect();
        for link in links {
            self.break_link(link);
        }
        // What it would still do, it does not.
        self.leaders[id.0].writer = Writer::default();
    }

    /// Tells the master what is new on the shelf.
    pub(crate) fn hear(&mut self, id: LeaderId, news: &News) {
        let epoch = self.leaders[id.0].epoch;
        let event = match news {
            News::Applied(version) => match &version.object {
                Object::Framework(object) => Event::FrameworkApplied(object.clone()),
                Object::Agent(stored) => Event::AgentApplied {
                    agent: stored.record.agent.clone(),
                    attributes: BTreeMap::new(),
                    orders: AgentOrders { deactivated: stored.deactivated, ..AgentOrders::default() },
                    was_drained: false,
                    was_unreachable: false,
                    agent_id: Some(stored.record.agent_id.clone()),
                    epoch: Some(stored.record.epoch),
                },
                Object::Slot(agent, slot) => Event::SlotChanged { agent: agent.clone(), slot: Some(slot.clone()) },
                Object::Task(stored) => {
                    let task = &stored.object.id;
                    self.leaders[id.0].told.insert(task.key.clone(), (task.uid.clone(), stored.version));
                    Event::TaskApplied(Box::new(stored.object.clone()))
                }
                Object::Offer(stored) if stored.terms.epoch < epoch => {
                    self.write(id, Op::DeleteOffer(stored.terms.id.0.clone()));
                    return;
                }
                Object::Offer(stored) => match (&stored.reply, stored.end) {
                    (Some(reply), None) if stored.terms.epoch == epoch => {
                        Event::OfferReplied { offer: stored.terms.id.clone(), reply: reply.clone() }
                    }
                    _ => return,
                },
            },
            News::Deleted(version) => match &version.object {
                Object::Framework(object) => {
                    Event::FrameworkDeleted { key: object.key.clone(), uid: object.uid.clone() }
                }
                Object::Agent(stored) => Event::AgentDeleted(stored.record.agent.clone()),
                Object::Slot(agent, _) => Event::SlotChanged { agent: agent.clone(), slot: None },
                Object::Task(stored) => {
                    let task = &stored.object.id;
                    self.leaders[id.0].told.remove(&task.key);
                    self.leaders[id.0].own.remove(task);
                    Event::TaskDeleted(task.clone())
                }
                Object::Offer(stored) => {
                    self.oracle.offer_ended(id, &stored.terms.id);
                    Event::OfferDeleted(stored.terms.id.clone())
                }
            },
        };
        self.leader_event(id, event);
    }

    pub(crate) fn leader_tick(&mut self, id: LeaderId) {
        self.leaders[id.0].tick_at = None;
        self.leader_event(id, Event::Tick);
    }

    pub(crate) fn leader_hears(&mut self, id: LeaderId, link: LinkId, message: ToMaster) {
        if !self.leaders[id.0].alive {
            return;
        }
        let session = self.links[link.0].session;
        let node = self.links[link.0].node;
        let agent = self.nodes[node].name.clone();
        let name = agent.clone();
        let event = match message {
            ToMaster::Register { agent_id, epoch, tasks, slot } => Event::AgentRegistered(AgentRegistration {
                new_agent_id: format!("{agent}-{}", session.0),
                agent,
                session,
                agent_id: (!agent_id.is_empty()).then_some(agent_id),
                version: "sim".to_owned(),
                epoch: Epoch(epoch),
                capacity: (&Node::capacity()).into(),
                tasks: tasks.into_iter().map(translate::snapshot).collect(),
                attached_slot: slot.attached.then_some(slot.pod_uid),
            }),
            ToMaster::EpochConfirmed(epoch) => Event::EpochConfirmed { agent, session, epoch: Epoch(epoch) },
            ToMaster::Status(update) => Event::StatusUpdate { agent, session, update: translate::update(*update) },
            ToMaster::Slot(report) => Event::SlotAttached {
                agent,
                session,
                pod_uid: report.pod_uid,
                problem: (!report.attached).then_some(report.message),
            },
            ToMaster::Pong { .. } => Event::Pong { agent, session },
            ToMaster::StaleEpoch { confirmed, .. } => {
                self.outrun(id, Epoch(confirmed));
                return;
            }
            ToMaster::FileRefused { .. } | ToMaster::VolumeDestroyed { .. } => return,
        };
        self.leader_event(id, event);
        self.oracle.heard_from(id, &name, self.now);
    }

    pub(crate) fn leader_event(&mut self, id: LeaderId, event: Event) {
        let leader = &mut self.leaders[id.0];
        if !leader.alive {
            return;
        }
        let skew = self.replicas[leader.replica].skew;
        let now = Time(self.now.0 + skew);
        // The master's own tests check after every event; here it is enough to find a seed that shows it.
        let is_checked = self.happenings.is_multiple_of(16);
        let replied = match &event {
            Event::OfferReplied { offer, .. } => Some(offer.clone()),
            _ => None,
        };
        let effects = leader.master.handle(now, event);
        if is_checked && let Err(problem) = leader.master.check_invariants() {
            let epoch = leader.epoch.0;
            self.oracle.found("I7", format!("master of epoch {epoch}"), problem);
        }
        if let Some(offer) = replied {
            self.judge_reply(id, &offer, &effects);
        }
        // A message may wait for a write that stands behind it.
        for effect in &effects {
            if let Effect::WriteTask { write, .. } | Effect::CreateOffer { write, .. } = effect {
                self.leaders[id.0].writer.expect(*write);
            }
        }
        for effect in effects {
            self.carry_out(id, effect);
        }
        let leader = &mut self.leaders[id.0];
        if let Some(next) = leader.master.next_tick().map(|next| Time(next.0 - skew))
            && leader.tick_at.is_none_or(|at| at > next)
        {
            leader.tick_at = Some(next);
            self.agenda.at(next.max(self.now), Happening::LeaderTick(id));
        }
    }

    /// What is offered is free on the node too.
    pub(crate) fn judge_offer(&mut self, id: LeaderId, offer: &proffer_master::OfferRecord) {
        let Some(index) = self.nodes.iter().position(|node| node.name == offer.agent.agent) else { return };
        let node = &self.nodes[index];
        // Of an agent that obeys a later leader, this one knows nothing any more.
        let current = self.oracle.confirmed(index) == self.leaders[id.0].epoch.0;
        let running = if current { node.in_use() } else { Resources::default() };
        let total = node.slot().resources;
        self.oracle.shown(id, &offer.id, &total, &running, self.now);
    }

    /// An offer that is not there any more launches nothing.
    fn judge_reply(&mut self, id: LeaderId, offer: &OfferId, effects: &[Effect]) {
        if self.oracle.is_live(id, offer) {
            return;
        }
        let accepted = effects.iter().any(|effect| {
            let closed = |other: &OfferId| other == offer;
            matches!(effect, Effect::CloseOffer { offer, end: proffer_master::OfferEnd::Accepted, .. } if closed(offer))
        });
        if accepted {
            self.oracle.found("I9", offer.0.name.clone(), "was accepted after its end".to_owned());
        }
    }

    fn carry_out(&mut self, id: LeaderId, effect: Effect) {
        self.follows(|| format!("leader {}: {effect:?}", id.0 + 1));
        if !self.leaders[id.0].alive {
            return;
        }
        match effect {
            Effect::WriteTask { write, task, record, awaited } => {
                // What an earlier leader found out is taken over.
                let known = self.leaders[id.0].shelf.get(&Subject::Task(task.key.clone()));
                let known = known.and_then(|version| version.task()?.object.record.as_ref()?.state);
                if known != record.state {
                    self.oracle.decides(id, &task, &record, self.now);
                }
                let basis = self.leaders[id.0].told.get(&task.key).filter(|(uid, _)| *uid == task.uid);
                let basis = basis.map(|(_, version)| *version);
                self.write(id, Op::Status { writes: vec![write], task, record, basis, awaited });
            }
            Effect::AdoptTask { task, framework, finalizer } => {
                self.write(id, Op::Adopt { task, owner: framework.1, finalizer });
            }
            Effect::ReleaseTask(task) => {
                let newest = self.leaders.iter().rposition(|leader| leader.alive) == Some(id.0);
                if newest && self.nodes.iter().any(|node| node.runs(&task.uid)) {
                    self.oracle.found("I12", task.uid.clone(), "is let go and still runs".to_owned());
                }
                self.write(id, Op::Release(task));
            }
            Effect::DeleteTask(task) => self.write(id, Op::DeleteTask(task)),
            Effect::CreateOffer { write, offer } => {
                let node = self.nodes.iter().position(|node| node.name == offer.agent.agent).unwrap_or(0);
                self.oracle.offered(id, node, &offer, self.now);
                self.write(id, Op::CreateOffer(write, offer));
            }
            Effect::CloseOffer { offer, end, .. } => {
                self.oracle.offer_ended(id, &offer);
                self.write(id, Op::CloseOffer(offer.0, end));
            }
            Effect::DeleteOffer(offer) => {
                self.oracle.offer_ended(id, &offer);
                self.write(id, Op::DeleteOffer(offer.0));
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
            | Effect::Tell(_)
            | Effect::WriteRole(_)
            | Effect::WriteMaintenance(_)
            | Effect::MarkAgentGone(_)
            | Effect::DeleteFramework { .. }
            // No scheduler here reserves, and there are no Reservation objects.
            | Effect::CreateReservation { .. }
            | Effect::ChangeReservation { .. }
            | Effect::DeleteReservation { .. }
            | Effect::WriteReservation(_)
            | Effect::ReleaseReservation { .. }
            | Effect::Answer { .. } => {}
            Effect::Outrun { epoch, .. } => self.outrun(id, epoch),
            Effect::WriteAgent(record) => self.write(id, Op::Agent(record)),
            Effect::Send { session, message, after, .. } => {
                let now = match after {
                    Some(write) => self.leaders[id.0].writer.park(write, session, message),
                    None => Some((session, message)),
                };
                if let Some((session, message)) = now.filter(|_| after.is_none()) {
                    self.send_to_agent(id, session, message);
                }
            }
            Effect::Disconnect { session, .. } => {
                if let Some(link) = self.sessions.get(&session).copied() {
                    self.break_link(link);
                }
            }
        }
    }

    pub(crate) fn send_to_agent(&mut self, id: LeaderId, session: Session, message: ToAgent) {
        let link = self.sessions.get(&session).copied().filter(|link| self.links[link.0].leader == id);
        if let Some(link) = link {
            self.post(link, Message::ToAgent(translate::to_agent(message)));
        }
    }
}
