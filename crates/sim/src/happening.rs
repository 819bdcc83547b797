//! What may happen next, in the order of its time.

use crate::api_server::{Answer, Change, Lease, Op, Stream, Subject};
use crate::link::{LinkId, Message};
use crate::watch::{Listing, Resume};
use proffer_master::{ObjectKey, Time};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Numbers a leadership: a controller process that leads, or led.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LeaderId(pub(crate) usize);

/// Something that happens at a time. What is for a process names its incarnation where a later one must not get it.
#[derive(Debug)]
pub(crate) enum Happening {
    /// A controller process starts.
    ReplicaStarts(usize),
    /// A controller process looks at the Lease.
    Elect(usize, u64),
    /// Its write of the Lease reaches the API server: what it wants, and the revision that this replaces.
    LeaseWrite(usize, u64, Option<Lease>, u64),
    /// The answer to a write of the Lease that was sent then reaches it.
    LeaseAnswer(usize, u64, Lease, bool, Time),
    /// A leader finds out that it may not lead any more, and ends.
    LeaderEnds(LeaderId),
    /// A watch, in this generation of it, tells a leader something; its place in the history.
    Told(LeaderId, Stream, u64, Change, usize),
    /// A broken watch is connected again.
    Reconnects(LeaderId, Stream, u64, Resume),
    /// A list reaches a leader.
    Listed(LeaderId, Stream, u64, Box<Listing>),
    /// Time passes for a leader.
    LeaderTick(LeaderId),
    /// A leader's write about an object is tried.
    Attempt(LeaderId, Subject),
    /// It reaches the API server, based on this revision.
    Request(LeaderId, Subject, Box<Op>, u64),
    /// The answer reaches the leader.
    Answered(LeaderId, Subject, Answer),
    /// The API server looks for what lost its owner.
    Garbage,
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
    /// An agent process sees that a command has ended.
    ExitSeen(usize, u64, String),
    /// An agent process starts.
    AgentStarts(usize),
    /// A node loses its power for a while.
    PowerCut(usize),
    /// A node that lost its power has it again.
    PowerOn(usize),
    /// A node joins the cluster, or has a slot again.
    SlotMade(usize),
    /// A step of the plan.
    Step(usize),
    /// A scheduler looks at its offers.
    Schedule(usize),
    /// A framework that was deleted is made again.
    Refounded(usize),
    /// A user makes another task of a name.
    Recreate(ObjectKey, u64),
    /// A foreign finalizer is taken off, or an agent activated again.
    Relents(Subject),
    /// All faults are over.
    Calm,
    /// Is everything at rest?
    Inspect,
}

impl Happening {
    /// A number for what kind of thing this is.
    pub(crate) fn kind(&self) -> u64 {
        match self {
            Self::ReplicaStarts(..) => 0,
            Self::Elect(..) => 1,
            Self::LeaseWrite(..) => 2,
            Self::LeaseAnswer(..) => 3,
            Self::LeaderEnds(..) => 4,
            Self::Told(..) => 5,
            Self::Reconnects(..) => 6,
            Self::Listed(..) => 7,
            Self::LeaderTick(..) => 8,
            Self::Attempt(..) => 9,
            Self::Request(..) => 10,
            Self::Answered(..) => 11,
            Self::Garbage => 12,
            Self::Arrives(..) => 13,
            Self::Noticed(..) => 14,
            Self::Dial(..) => 15,
            Self::AgentTick(..) => 16,
            Self::Synced(..) => 17,
            Self::SlotFound(..) => 18,
            Self::InitStarts(..) => 19,
            Self::CommandEnds(..) => 20,
            Self::ExitSeen(..) => 21,
            Self::AgentStarts(..) => 22,
            Self::PowerOn(..) => 23,
            Self::SlotMade(..) => 24,
            Self::Step(..) => 25,
            Self::Schedule(..) => 26,
            Self::Refounded(..) => 27,
            Self::Relents(..) => 28,
            Self::Recreate(..) => 31,
            Self::PowerCut(..) => 32,
            Self::Calm => 29,
            Self::Inspect => 30,
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
    /// With its init, which leaves no record.
    WithoutRecord,
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
