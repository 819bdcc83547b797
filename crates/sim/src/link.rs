//! Links between agents and leaders: messages arrive late and in order, until the link breaks; then each end finds out
//! in its own time.

use crate::happening::{End, Happening, LeaderId};
use crate::simulation::Simulation;
use proffer_agent::{FromMaster, ToMaster};
use proffer_master::{Event, Session, Time};
use std::time::Duration;

/// Numbers a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LinkId(pub(crate) usize);

/// A message under way.
#[derive(Clone, Debug)]
pub(crate) enum Message {
    ToMaster(ToMaster),
    ToAgent(FromMaster),
}

/// A link.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) node: usize,
    pub(crate) leader: LeaderId,
    pub(crate) session: Session,
    /// Nothing is sent any more.
    pub(crate) broken: bool,
    /// What was on its way when it broke still arrives, until that end notices.
    pub(crate) drains: bool,
    pub(crate) master_noticed: bool,
    /// When the last message on its way to each end arrives: none overtakes it.
    pub(crate) master_hears_at: Time,
    pub(crate) agent_hears_at: Time,
}

impl Simulation {
    /// Puts a message on its way. While its direction is cut it is sent again and again, as TCP does.
    pub(crate) fn post(&mut self, id: LinkId, message: Message) {
        if self.links[id.0].broken {
            return;
        }
        let most = if self.is_rough() { self.plan.rates.link_delay } else { Duration::from_millis(3) };
        let delay = self.random.delay(Duration::from_micros(100), most);
        let node = &self.nodes[self.links[id.0].node];
        let link = &mut self.links[id.0];
        let (hears_at, deaf_until) = match message {
            Message::ToMaster(_) => (&mut link.master_hears_at, node.mute_until),
            Message::ToAgent(_) => (&mut link.agent_hears_at, node.deaf_until),
        };
        *hears_at = self.now.after(delay).max(*hears_at).max(deaf_until);
        self.agenda.at(*hears_at, Happening::Arrives(id, message));
    }

    pub(crate) fn arrive(&mut self, id: LinkId, message: Message) {
        let link = &self.links[id.0];
        let gone = link.master_noticed && matches!(message, Message::ToMaster(_));
        if link.broken && (!link.drains || gone) {
            return;
        }
        let (node, leader) = (link.node, link.leader);
        match message {
            Message::ToMaster(message) => self.leader_hears(leader, id, message),
            Message::ToAgent(message) => self.agent_hears(node, id, message),
        }
    }

    /// Nothing more arrives on a link; its ends notice later, and a master's end perhaps never.
    pub(crate) fn break_link(&mut self, id: LinkId) {
        if std::mem::replace(&mut self.links[id.0].broken, true) {
            return;
        }
        self.links[id.0].drains = self.random.in_thousand(500);
        if !self.random.in_thousand(150) {
            self.soon(Happening::Noticed(id, End::Master), Duration::from_millis(1), Duration::from_secs(4));
        }
        self.soon(Happening::Noticed(id, End::Agent), Duration::from_millis(1), Duration::from_secs(5));
    }

    pub(crate) fn notice(&mut self, id: LinkId, end: End) {
        let (node, leader, session) = (self.links[id.0].node, self.links[id.0].leader, self.links[id.0].session);
        match end {
            End::Master => {
                self.links[id.0].master_noticed = true;
                let agent = self.nodes[node].name.clone();
                self.leader_event(leader, Event::AgentDisconnected { agent, session });
            }
            End::Agent if self.nodes[node].link == Some(id) => {
                self.nodes[node].link = None;
                self.agent_event(node, proffer_agent::Event::Disconnected);
                self.soon(Happening::Dial(node), Duration::from_millis(50), Duration::from_secs(2));
            }
            End::Agent => {}
        }
    }
}
