//! Defects for the simulation to find, each a rule of this crate that is not kept. There is none without the feature
//! `planted`, and a release build cannot have that.

#[cfg(all(feature = "planted", not(debug_assertions)))]
compile_error!("the feature `planted` is for tests only");

/// A rule that is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "planted"), expect(unreachable_pub, reason = "only for the simulation's tests"))]
pub enum Planted {
    /// A message of an earlier epoch is obeyed.
    SkipsEpochCheck,
    /// The epoch on the disk is not read back.
    ForgetsEpoch,
    /// A task's end is told before it is on the disk.
    TellsBeforeCheckpoint,
    /// A task is started before its launch is on the disk.
    SpawnsBeforeCheckpoint,
    /// A task that ran on while the agent was away is started again.
    RestartsAsNew,
    /// An acknowledgement counts for what was not even told yet.
    DropsUntoldUpdate,
}

impl crate::Agent {
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

    /// As [`crate::Agent::recover`], with a rule that is not kept.
    #[cfg(feature = "planted")]
    #[must_use]
    pub fn recover_with(
        config: crate::Config,
        records: impl IntoIterator<Item = crate::Record>,
        planted: Planted,
    ) -> Self {
        let mut agent = Self::new(config);
        agent.planted = Some(planted);
        for record in records {
            agent.replay(record);
        }
        agent
    }
}
