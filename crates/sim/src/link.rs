//! Links between agents and leaders: messages arrive late and in order, until the link breaks; then each end finds out
//! in its own time.

use crate::happening::LeaderId;
use proffer_agent::{FromMaster, ToMaster};
use proffer_master::{Session, Time};

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
    /// Nothing arrives any more.
    pub(crate) broken: bool,
    /// When the last message on its way to each end arrives: none overtakes it.
    pub(crate) master_hears_at: Time,
    pub(crate) agent_hears_at: Time,
}
