//! Defects for the simulation to find, each a rule of this crate that is not kept. There is none without the feature
//! `planted`, and a release build cannot have that.

#[cfg(all(feature = "planted", not(debug_assertions)))]
compile_error!("the feature `planted` is for tests only");

/// A rule that is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "planted"), expect(unreachable_pub, reason = "only for the simulation's tests"))]
pub enum Planted {
    /// A task's end is acknowledged before it is durable.
    AcknowledgesBeforeWrite,
    /// A task is launched before its place is durable.
    LaunchesBeforeWrite,
    /// An offer is taken back and nobody is told.
    ForgetsRescind,
    /// What is offered stays free.
    OffersTwice,
    /// What an offer held is not free after its end.
    KeepsOffered,
    /// One ping without an answer is enough.
    UnreachableTooEarly,
    /// The finalizer is taken off when a task is asked to end.
    ReleasesAtKill,
    /// An agent that has not confirmed the epoch counts as if it had.
    OffersBeforeConfirmation,
    /// An agent that obeys a later leader is registered.
    TakesAgentsOfLaterEpochs,
    /// A launch that an agent never got is not sent again.
    ForgetsLostLaunch,
    /// A kill that an agent never got is not sent again.
    ForgetsLostKill,
    /// What an agent says of a task that waits here is not believed.
    ForgetsForeignPlacement,
}

impl crate::Master {
    /// Whether this rule is not kept.
    #[cfg(feature = "planted")]
    pub(crate) fn has(&self, planted: Planted) -> bool {
        self.planted == Some(planted)
    }

    /// Whether this rule is not kept: they all are.
    #[cfg(not(feature = "planted"))]
    #[expect(clippy::unused_self, reason = "with the feature it has a use")]
    pub(crate) const fn has(&self, _: Planted) -> bool {
        false
    }

    /// Has a rule not kept from now on.
    #[cfg(feature = "planted")]
    pub fn plant(&mut self, planted: Planted) {
        self.planted = Some(planted);
    }
}
