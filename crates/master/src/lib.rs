//! The master as a state machine: events in, effects out.
//!
//! [`Master::handle`] is the only way in. It reads no clock and no random source; time and fresh identifiers come with
//! the events. What is in `record.rs` is what gets written into objects; a new leader is told those objects again as
//! events, ends with [`Event::Recovered`], and goes on from there.

mod effect;
mod event;
mod ids;
mod record;

pub use effect::{Effect, Launch, ToAgent};
pub use event::{
    AgentRegistration, Command, Event, FrameworkObject, OfferReply, PortRequest, SchedulerKind, Slot, StatusUpdate,
    Strategy, TaskObject, TaskRequest, TaskSnapshot, WriteOutcome,
};
pub use ids::{AgentName, Epoch, ObjectKey, OfferId, Session, TaskId, Time, WriteId};
pub use record::{
    AgentRecord, FrameworkRecord, Notice, NoticeAbout, OfferEnd, OfferRecord, PlacedOn, Readiness, TaskRecord,
};

use std::time::Duration;

/// What an operator sets.
#[derive(Clone, Debug, PartialEq)]
pub struct MasterConfig {
    /// This leader's epoch.
    pub epoch: Epoch,
    /// Between two pings of an agent (Mesos: `agent_ping_timeout`, 15 s).
    pub agent_ping_timeout: Duration,
    /// Pings without an answer after which an agent is unreachable (Mesos: `max_agent_ping_timeouts`, 5).
    pub max_agent_ping_timeouts: u32,
    /// How long a new leader waits for agents that the old one knew (Mesos: `agent_reregister_timeout`, 10 min).
    pub agent_reregister_timeout: Duration,
    /// How long an offer waits for a reply.
    pub offer_timeout: Duration,
    /// How long an offer that ended keeps its object, so that a late reply is told what happened.
    pub offer_retention: Duration,
    /// How long an offer is left alone before a task of the built-in scheduler that fits nowhere else may have it rescinded.
    pub offer_min_hold: Duration,
    /// Least free resources worth an offer (Mesos: `min_allocatable_resources`, 0.01 cores or 32 MiB).
    pub min_allocatable: proffer_resources::Resources,
}

impl MasterConfig {
    /// Mesos' defaults, and a minute for offers.
    #[must_use]
    pub fn new(epoch: Epoch) -> Self {
        use proffer_resources::{Amount, Resources};
        Self {
            epoch,
            agent_ping_timeout: Duration::from_secs(15),
            max_agent_ping_timeouts: 5,
            agent_reregister_timeout: Duration::from_secs(600),
            offer_timeout: Duration::from_secs(60),
            offer_retention: Duration::from_secs(60),
            offer_min_hold: Duration::from_secs(1),
            min_allocatable: Resources::of(Amount::from_thousandths(10), Amount::from_units(32)),
        }
    }
}

/// The master.
#[derive(Debug)]
pub struct Master {
    config: MasterConfig,
}

impl Master {
    /// A master that knows nothing yet. Tell it the objects, then [`Event::Recovered`].
    #[must_use]
    pub fn new(config: MasterConfig) -> Self {
        Self { config }
    }

    /// What the operator set.
    #[must_use]
    pub fn config(&self) -> &MasterConfig {
        &self.config
    }

    /// Takes in one event that happens at `now` and returns what is to be done about it.
    pub fn handle(&mut self, now: Time, event: Event) -> Vec<Effect> {
        let _ = (now, event);
        Vec::new()
    }

    /// When to send the next [`Event::Tick`] at the latest; `None` if nothing waits for time.
    #[must_use]
    pub fn next_tick(&self) -> Option<Time> {
        None
    }
}
