//! What may happen next, in the order of its time.

use crate::api_server::{Answer, StatusWrite, Versions};
use crate::link::{LinkId, Message};
use proffer_master::{Event, OfferId, TaskId, Time, WriteId};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Numbers a controller process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LeaderId(pub(crate) usize);

/// Something that happens at a time.
#[derive(Debug)]
pub(crate) enum Happening {
    /// A watch tells a leader something, with the versions of a task.
    Told(LeaderId, Box<Event>, Versions),
    /// Time passes for a leader.
    LeaderTick(LeaderId),
    /// A status write reaches the API server.
    WriteArrives(LeaderId, Box<StatusWrite>),
    /// The API server's answer reaches the leader.
    WriteAnswered(LeaderId, TaskId, Answer),
    /// An Offer object's creation reaches the API server.
    OfferArrives(LeaderId, WriteId, OfferId),
    /// A standby becomes the leader.
    LeaderStarts,
    /// A leader finds out that it does not lead any more, and exits.
    LeaderEnds(LeaderId),
    /// A message arrives at the other end of a link.
    Arrives(LinkId, Message),
    /// One end of a broken link notices.
    Noticed(LinkId, End),
    /// A node's agent dials.
    Dial(usize),
    /// Time passes for an agent.
    AgentTick(usize, u64),
    /// A node's disk has everything up to this journal position.
    Synced(usize, u64, usize),
    /// A node's slot is found by its agent.
    SlotFound(usize, u64, String),
    /// A task's init starts, if the agent process that forked it lived long enough.
    InitStarts(usize, u64, String),
    /// A task's command ends.
    CommandEnds(usize, String, CommandEnd),
    /// An agent process starts.
    AgentStarts(usize),
    /// A user does something.
    Workload,
    /// A framework looks at its offers.
    Replies,
    /// Something fails.
    Fault,
}

impl Happening {
    /// A number for what kind of thing this is.
    pub(crate) fn kind(&self) -> u64 {
        match self {
            Self::Told(..) => 0,
            Self::LeaderTick(..) => 1,
            Self::WriteArrives(..) => 2,
            Self::WriteAnswered(..) => 3,
            Self::OfferArrives(..) => 4,
            Self::LeaderStarts => 5,
            Self::LeaderEnds(..) => 6,
            Self::Arrives(..) => 7,
            Self::Noticed(..) => 8,
            Self::Dial(..) => 9,
            Self::AgentTick(..) => 10,
            Self::Synced(..) => 11,
            Self::SlotFound(..) => 12,
            Self::InitStarts(..) => 13,
            Self::CommandEnds(..) => 14,
            Self::AgentStarts(..) => 15,
            Self::Workload => 16,
            Self::Replies => 17,
            Self::Fault => 18,
        }
    }
}

/// An end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Master,
    Agent,
}

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CommandEnd {
    /// By itself, with this code.
    Exits(i32),
    /// By this signal.
    Signaled(i32),
}

/// What is to happen.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    heap: BinaryHeap<Reverse<Entry>>,
    sequence: u64,
}

#[derive(Debug)]
struct Entry {
    at: Time,
    sequence: u64,
    happening: Happening,
}

impl Agenda {
    pub(crate) fn at(&mut self, at: Time, happening: Happening) {
        self.sequence += 1;
        self.heap.push(Reverse(Entry { at, sequence: self.sequence, happening }));
    }

    pub(crate) fn pop(&mut self) -> Option<(Time, Happening)> {
        self.heap.pop().map(|Reverse(entry)| (entry.at, entry.happening))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.sequence == other.sequence
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.sequence).cmp(&(other.at, other.sequence))
    }
}
