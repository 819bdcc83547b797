//! What a session hears and what it wants done.

use crate::event::Received;
use crate::{Ended, Event, MasterUrl, v1};
use std::time::Duration;
use v1::scheduler::{Call, call};

/// The number of a try to subscribe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Attempt(pub(crate) u64);

/// What happened.
#[derive(Debug)]
pub(crate) enum Input {
    /// Time has passed.
    Time,
    /// The answer to a SUBSCRIBE.
    Answer(Attempt, Answer),
    /// An event on the stream.
    Event(Attempt, Box<Received>),
    /// The stream ended or cannot be read on.
    StreamEnded(Attempt, String),
    /// Reading was stopped, or goes on, since the scheduler does not or does take its events.
    Held(bool),
    /// What the calls did.
    Notice(Notice),
}

/// The answer to a SUBSCRIBE.
#[derive(Debug)]
pub(crate) enum Answer {
    /// 200 with this stream ID.
    Opened(String),
    /// 307 with this location.
    Redirect(String),
    /// Any other status.
    Status(u16, String),
    /// None: no connection, no TLS, no HTTP.
    Failed(String),
}

/// What the calls did that the session must know.
#[derive(Debug)]
pub(crate) enum Notice {
    /// These tasks may exist from now on.
    Launching(Vec<(v1::TaskId, v1::AgentId)>),
    /// They were refused.
    NotLaunched(Vec<v1::TaskId>),
    /// A question of the session's own did not reach the master.
    ReconcileFailed(Attempt, Vec<call::reconcile::Task>),
    /// A call was answered with 307 and this location.
    NotLeader(Attempt, String),
    /// These roles, or all if none is named, want no offers.
    Suppressed(Vec<String>),
    /// These roles, or all if none is named, want offers.
    Revived(Vec<String>),
    /// The master has taken what the framework says about itself now.
    Updated(Box<call::UpdateFramework>),
    /// TEARDOWN is being sent, or has failed.
    TearingDown(bool),
    /// The framework is no more.
    TornDown,
    /// Nobody wants events any more.
    Stop,
}

/// What calls need to know.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Subscription {
    pub(crate) attempt: Attempt,
    pub(crate) master: MasterUrl,
    pub(crate) stream_id: String,
    pub(crate) framework_id: v1::FrameworkId,
}

/// What is to be done.
#[derive(Debug, PartialEq)]
pub(crate) enum Effect {
    /// Send a SUBSCRIBE; at most that long may the answer take.
    Subscribe { attempt: Attempt, master: MasterUrl, call: Box<Call>, within: Duration },
    /// Close the stream of this try, or give the try up.
    Close(Attempt),
    /// Calls are possible with this, or not.
    Publish(Option<Subscription>),
    /// Tell the scheduler.
    Deliver(Event),
    /// Ask for these tasks; for all if it is none.
    Reconcile(Attempt, Vec<call::reconcile::Task>),
    /// Nothing more happens.
    End(Ended),
}
