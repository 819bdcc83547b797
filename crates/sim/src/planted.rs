//! Defects that can be planted into the model of the shells round the two state machines, and into these themselves, to
//! prove that the simulation finds them. Nothing of it is in a build without the feature `planted`.

use crate::simulation::Simulation;

/// A defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "planted"),
    expect(unreachable_pub, reason = "only seen from outside where it can be planted")
)]
pub enum Planted {
    /// Of the master.
    #[cfg(feature = "planted")]
    Master(proffer_master::Planted),
    /// Of the agent.
    #[cfg(feature = "planted")]
    Agent(proffer_agent::Planted),
    /// Neither the master nor the agent look at the other's epoch. Each check alone would be enough.
    #[cfg(feature = "planted")]
    ChecksNoEpoch,
    /// A list from a replica of the API server that is behind counts as complete.
    TrustsStaleList,
    /// A write whose answer was lost counts as done.
    TakesLostReplyForDone,
    /// The Lease is written whatever it is by then.
    WritesLeaseUnseen,
    /// What a watch tells counts, though something newer is known.
    GoesBackInTime,
    /// A status is written onto whatever is there.
    OverwritesUnseen,
    /// What waits for the agent's disk does not.
    ActsBeforeSync,
}

impl Simulation {
    /// Whether this defect is planted.
    #[cfg(feature = "planted")]
    pub(crate) fn has(&self, planted: Planted) -> bool {
        self.options.planted == Some(planted)
    }

    /// Whether this defect is planted.
    #[cfg(not(feature = "planted"))]
    #[expect(clippy::unused_self, reason = "with the feature it has a use")]
    pub(crate) const fn has(&self, _: Planted) -> bool {
        false
    }
}
