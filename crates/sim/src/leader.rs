//! A controller process that leads, or believes that it does: the real master and what is round it.

use crate::api_server::Versions;
use crate::happening::{Happening, LeaderId};
use crate::link::{LinkId, Message};
use crate::node::Node;
use crate::shell::Writer;
use crate::simulation::Simulation;
use crate::translate;
use proffer_agent::ToMaster;
use proffer_master::{
    AgentName, AgentRegistration, Effect, Epoch, Event, Master, MasterConfig, OfferId, Session, Time, ToAgent, WriteId,
    WriteOutcome,
};
use std::time::Duration;

/// A leader.
#[derive(Debug)]
pub(crate) struct Leader {
    pub(crate) epoch: Epoch,
    pub(crate) master: Master,
    /// Whether its process runs.
    pub(crate) alive: bool,
    /// When the last thing that its watches are about to tell arrives.
    pub(crate) watch_at: Time,
    pub(crate) writer: Writer,
    /// Offers whose creation is under way.
    pub(crate) offers: Vec<proffer_master::OfferRecord>,
    /// The next tick that is on the agenda.
    tick_at: Option<Time>,
}

/// Time-outs that let a run see all of them.
fn config(epoch: Epoch) -> MasterConfig {
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
    /// Another leader takes over, whether or not the last one knows.
    pub(crate) fn start_leader(&mut self) {
        let id = LeaderId(self.leaders.len());
        let epoch = Epoch(u64::try_from(id.0).unwrap_or(u64::MAX) + 1);
        self.leaders.push(Leader {
            epoch,
            master: Master::new(config(epoch)),
            alive: true,
            watch_at: self.now,
            writer: Writer::default(),
            offers: Vec::new(),
            tick_at: None,
        });
        // Whoever led before finds out, sooner or later.
        for before in (0..id.0).map(LeaderId) {
            if self.leaders[before.0].alive {
                self.soon(Happening::LeaderEnds(before), Duration::from_millis(10), Duration::from_secs(10));
            }
        }
        // Offers of earlier epochs are void.
        self.api.offers.retain(|_, offer| offer.epoch >= epoch);
        let mut listed: Vec<Event> = self.api.frameworks.values().cloned().map(Event::FrameworkApplied).collect();
        for (task, stored) in &self.api.tasks {
            self.leaders[id.0].writer.known(task, (stored.version, stored.revision));
            listed.push(Event::TaskApplied(Box::new(stored.object.clone())));
        }
        listed.extend(self.api.agents.values().map(crate::api_server::ApiServer::agent_event));
        let slot = |node: &Node| Event::SlotChanged { agent: node.name.clone(), slot: Some(node.slot()) };
        listed.extend(self.nodes.iter().map(slot));
        listed.push(Event::Recovered);
        for event in listed {
            self.leader_event(id, event);
        }
    }

    /// A leader's process is gone.
    pub(crate) fn end_leader(&mut self, id: LeaderId) {
        self.leaders[id.0].alive = false;
        let links: Vec<LinkId> =
            (0..self.links.len()).map(LinkId).filter(|link| self.links[link.0].leader == id).collect();
        for link in links {
            self.break_link(link);
        }
    }

    pub(crate) fn leader_tick(&mut self, id: LeaderId) {
        self.leaders[id.0].tick_at = None;
        self.leader_event(id, Event::Tick);
    }

    pub(crate) fn watch_tells(&mut self, id: LeaderId, event: Event, versions: Versions) {
        if let Event::TaskApplied(object) = &event
            && !self.leaders[id.0].writer.known(&object.id, versions)
        {
            // Older than what was read live meanwhile: time does not go back.
            return;
        }
        self.leader_event(id, event);
    }

    pub(crate) fn leader_hears(&mut self, id: LeaderId, link: LinkId, message: ToMaster) {
        let session = self.links[link.0].session;
        let agent = self.nodes[self.links[link.0].node].name.clone();
        let event = match message {
            ToMaster::Register { agent_id, epoch, tasks, slot } => Event::AgentRegistered(AgentRegistration {
                new_agent_id: format!("{agent}-{}", session.0),
                agent,
                session,
                agent_id: (!agent_id.is_empty()).then_some(agent_id),
                version: "sim".to_owned(),
                epoch: Epoch(epoch),
                capacity: Node::capacity(),
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
            ToMaster::StaleEpoch { .. } => {
                // The process finds out that it was replaced, and exits.
                self.agenda.at(self.now, Happening::LeaderEnds(id));
                return;
            }
            ToMaster::FileRefused { .. } => return,
        };
        self.leader_event(id, event);
    }

    pub(crate) fn leader_event(&mut self, id: LeaderId, event: Event) {
        let now = self.now;
        // The master's own tests check after every event; here it is enough to find a seed that shows it.
        let is_checked = self.happenings.is_multiple_of(8);
        let leader = &mut self.leaders[id.0];
        if !leader.alive {
            return;
        }
        let effects = leader.master.handle(now, event);
        if is_checked && let Err(problem) = leader.master.check_invariants() {
            self.oracle.found(format!("master of epoch {}: {problem}", leader.epoch.0));
        }
        for effect in effects {
            self.carry_out(id, effect);
        }
        let leader = &mut self.leaders[id.0];
        if let Some(next) = leader.master.next_tick()
            && leader.tick_at.is_none_or(|at| at > next)
        {
            leader.tick_at = Some(next);
            self.agenda.at(next.max(now), Happening::LeaderTick(id));
        }
    }

    fn carry_out(&mut self, id: LeaderId, effect: Effect) {
        self.follows(|| format!("leader {}: {effect:?}", id.0 + 1));
        match effect {
            Effect::WriteTask { write, task, record, awaited } => self.write_task(id, write, &task, *record, awaited),
            Effect::AdoptTask { task, framework, finalizer } => self.api.adopt_task(&task, framework.1, finalizer),
            Effect::ReleaseTask(task) => self.api.release_task(&task),
            Effect::DeleteTask(task) => self.api.delete_task(&task),
            Effect::CreateOffer { write, offer } => {
                let arrives = Happening::OfferArrives(id, write, offer.id.clone());
                self.leaders[id.0].offers.push(*offer);
                self.soon(arrives, Duration::from_millis(1), Duration::from_millis(20));
            }
            Effect::CloseOffer { offer, .. } | Effect::DeleteOffer(offer) => {
                self.api.offers.remove(&offer);
            }
            // The Lease never loses its count here: if an agent has obeyed a later leader, this one will find out.
            Effect::WriteFramework(_) | Effect::Tell(_) | Effect::Outrun { .. } => {}
            Effect::WriteAgent(record) => self.api.write_agent(*record),
            Effect::Send { session, message, after, agent } => {
                match after.filter(|write| self.leaders[id.0].writer.is_open(*write)) {
                    Some(write) => self.leaders[id.0].writer.park(write, agent, session, message),
                    None => self.send_to_agent(id, &agent, session, message),
                }
            }
            Effect::Disconnect { agent, session, .. } => {
                if let Some(link) = self.sessions.get(&session).copied() {
                    self.break_link(link);
                }
                self.follows(|| format!("{agent} is disconnected"));
            }
        }
    }

    pub(crate) fn send_to_agent(&mut self, id: LeaderId, _agent: &AgentName, session: Session, message: ToAgent) {
        let Some(link) = self.sessions.get(&session).copied().filter(|link| self.links[link.0].leader == id) else {
            return;
        };
        let delay = self.random.delay(Duration::from_micros(100), self.faults.link_delay);
        let known = &mut self.links[link.0];
        known.agent_hears_at = self.now.after(delay).max(known.agent_hears_at);
        let message = Message::ToAgent(translate::to_agent(message));
        self.agenda.at(known.agent_hears_at, Happening::Arrives(link, message));
    }

    pub(crate) fn offer_arrives(&mut self, id: LeaderId, write: WriteId, offer: &OfferId) {
        let offers = &mut self.leaders[id.0].offers;
        let Some(position) = offers.iter().position(|known| known.id == *offer) else { return };
        let record = offers.swap_remove(position);
        self.api.create_offer(record);
        self.leader_event(id, Event::Written { write, outcome: WriteOutcome::Done });
    }
}
