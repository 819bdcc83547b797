//! What an operator sets.

use crate::ids::Epoch;
use proffer_allocator::Settings;
use proffer_mesos_api::v1::MasterInfo;
use proffer_resources::{Amount, Quantities, Resources};
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
    /// Percentage of the agents that the old leader reached: if more than that have not come to the new one in time, none
    /// of them is taken for unreachable (Mesos: `recovery_agent_removal_limit`, 100).
    pub recovery_agent_removal_limit: u8,
    /// Least time between two agents that are taken for unreachable (Mesos: `agent_removal_rate_limit`); none if `None`.
    pub agent_removal_interval: Option<Duration>,
    /// How long an offer waits for a reply.
    pub offer_timeout: Duration,
    /// How long an offer that ended keeps its object, so that a late reply is told what happened.
    pub offer_retention: Duration,
    /// How long an offer is left alone before a task of the built-in scheduler that fits nowhere else may have it rescinded.
    pub offer_min_hold: Duration,
    /// How long the schedulers that were subscribed at the leader before have to come to this one, if their own
    /// `failover_timeout` is shorter.
    pub framework_return: Duration,
    /// How many frameworks are remembered that are over and whose objects were made here (Mesos:
    /// `max_completed_frameworks`, 50).
    pub max_completed_frameworks: usize,
    /// What schedulers are told of this master (Mesos: `MasterInfo`).
    pub master_info: MasterInfo,
    /// In the containers' IDs, to make them unique: random, or different for each leader.
    pub container_seed: u64,
    /// Least free resources worth an offer (Mesos: `min_allocatable_resources`, 0.01 cores or 32 MiB).
    pub min_allocatable: Resources,
}

impl MasterConfig {
    /// Mesos' defaults, and a minute for offers.
    #[must_use]
    pub fn new(epoch: Epoch) -> Self {
        Self {
            epoch,
            agent_ping_timeout: Duration::from_secs(15),
            max_agent_ping_timeouts: 5,
            agent_reregister_timeout: Duration::from_mins(10),
            recovery_agent_removal_limit: 100,
            agent_removal_interval: None,
            offer_timeout: Duration::from_mins(1),
            offer_retention: Duration::from_mins(1),
            offer_min_hold: Duration::from_secs(1),
            framework_return: Duration::from_mins(1),
            max_completed_frameworks: 50,
            master_info: MasterInfo::default(),
            container_seed: epoch.0,
            min_allocatable: Resources::of(Amount::from_thousandths(10), Amount::from_units(32)),
        }
    }

    /// What of it is the allocator's.
    pub(crate) fn allocation(&self) -> Settings {
        let Resources { cpus, mem, .. } = self.min_allocatable;
        let min_allocatable = vec![Quantities::of(cpus, Amount::ZERO), Quantities::of(Amount::ZERO, mem)];
        Settings { min_allocatable, min_hold: self.offer_min_hold, ..Settings::default() }
    }

    /// How long an agent may be silent before it is unreachable.
    pub(crate) fn unreachable_after(&self) -> Duration {
        self.agent_ping_timeout.saturating_mul(self.max_agent_ping_timeouts)
    }
}
