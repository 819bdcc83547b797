//! The driver's decisions: [`Session::handle`] takes what happened and returns what is to be done.
//!
//! ```text
//!            Subscribe                    Opened              SUBSCRIBED
//! Waiting ---------------> Asking --------------------> Open ------------> Open, subscribed
//!    ^ back-off               | refused, unreachable      | ended, silent, not leader |
//!    +------------------------+---------------------------+---------------------------+
//! ```
//!
//! There is at most one stream; each try has a number, and what comes from an earlier one is ignored.

mod back_off;
mod input;
mod policy;
mod reconciliation;
mod stream;
#[cfg(test)]
mod tests;

pub(crate) use input::{Answer, Attempt, Effect, Input, Notice, Subscription};
pub(crate) use policy::Policy;

use crate::{Ended, Event, MasterUrl};
use back_off::Random;
use reconciliation::Reconciliation;
use std::time::Duration;

/// How many redirects in a row are followed at once; then it is no fail-over but a circle.
const MAX_REDIRECTS: u32 = 5;
/// How often in a row the master may not know who we are, before that is final: a token may just be being replaced.
const MAX_UNAUTHORIZED: u32 = 3;

/// The state of the driver.
#[derive(Debug)]
pub(crate) struct Session {
    policy: Policy,
    random: Random,
    phase: Phase,
    /// The number of the latest try.
    attempt: Attempt,
    /// Which of the masters is asked, unless one has named the leader.
    position: usize,
    leader: Option<MasterUrl>,
    /// Tries in a row without a subscription.
    failures: u32,
    redirects: u32,
    unauthorized: u32,
    /// Since when there is no subscription.
    without_since: Option<Duration>,
    /// Why the last try failed.
    last_failure: String,
    tasks: Reconciliation,
    /// The scheduler does not take its events: nothing is read, so silence means nothing.
    held: bool,
    /// TEARDOWN is under way.
    tearing_down: bool,
}

#[derive(Debug)]
enum Phase {
    Waiting { until: Duration },
    Asking { master: MasterUrl, until: Duration },
    Open { subscription: Subscription, subscribed: bool, silent_after: Duration, heard: Duration },
    Ended,
}

impl Session {
    /// A session that subscribes at once. `seed` is for the pauses.
    pub(crate) fn new(mut policy: Policy, now: Duration, seed: u64) -> Self {
        let mut tasks = Reconciliation::default();
        for (task, agent) in std::mem::take(&mut policy.known_tasks) {
            tasks.launched(task, agent);
        }
        Self {
            policy,
            random: Random(seed),
            phase: Phase::Waiting { until: now },
            attempt: Attempt(0),
            position: 0,
            leader: None,
            failures: 0,
            redirects: 0,
            unauthorized: 0,
            without_since: Some(now),
            last_failure: String::new(),
            tasks,
            held: false,
            tearing_down: false,
        }
    }

    /// Takes note of what happened, and says what is to be done, in this order.
    pub(crate) fn handle(&mut self, now: Duration, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        if matches!(self.phase, Phase::Ended) {
            return effects;
        }
        match input {
            Input::Time => self.time(now, &mut effects),
            Input::Answer(attempt, answer) if attempt == self.attempt => self.answer(now, answer, &mut effects),
            Input::Event(attempt, event) if attempt == self.attempt => self.event(now, *event, &mut effects),
            Input::StreamEnded(attempt, why) if attempt == self.attempt => self.lost(now, why, &mut effects),
            // From a stream that was given up.
            Input::Answer(..) | Input::Event(..) | Input::StreamEnded(..) => {}
            Input::Held(held) => self.hold(now, held),
            Input::Notice(notice) => self.notice(now, notice, &mut effects),
        }
        effects
    }

    /// When [`Input::Time`] is wanted at the latest.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        let phase = match &self.phase {
            Phase::Waiting { until } | Phase::Asking { until, .. } => {
                // Patience may end before.
                Some(self.patience_ends().map_or(*until, |end| end.min(*until)))
            }
            Phase::Open { .. } if self.held => None,
            Phase::Open { heard, silent_after, .. } => Some(*heard + *silent_after),
            Phase::Ended => return None,
        };
        phase.into_iter().chain(self.tasks.due()).min()
    }

    fn patience_ends(&self) -> Option<Duration> {
        Some(self.without_since? + self.policy.patience?)
    }

    fn time(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        if let Some(patience) = self.policy.patience.filter(|_| self.patience_ends().is_some_and(|end| end <= now)) {
            let last = std::mem::take(&mut self.last_failure);
            self.end(Ended::NoMaster { patience, last }, effects);
            return;
        }
        match &self.phase {
            Phase::Waiting { until } if *until <= now => self.subscribe(now, effects),
            Phase::Asking { until, .. } if *until <= now => {
                self.lost(now, "the master does not answer".to_owned(), effects);
            }
            Phase::Open { heard, silent_after, .. } if !self.held && *heard + *silent_after <= now => {
                let why = format!("no event for {:.1} s", now.saturating_sub(*heard).as_secs_f64());
                self.lost(now, why, effects);
            }
            _ => {}
        }
        let attempt = self.attempt;
        effects.extend(self.tasks.questions(now).into_iter().map(|tasks| Effect::Reconcile(attempt, tasks)));
    }

    fn notice(&mut self, now: Duration, notice: Notice, effects: &mut Vec<Effect>) {
        match notice {
            Notice::Launching(tasks) => {
                for (task, agent) in tasks {
                    self.tasks.launched(task, Some(agent));
                }
            }
            Notice::NotLaunched(tasks) => tasks.iter().for_each(|task| self.tasks.not_launched(task)),
            Notice::ReconcileFailed(attempt, tasks) => {
                if attempt == self.attempt {
                    self.tasks.failed(&tasks);
                }
            }
            Notice::NotLeader(attempt, location) => {
                if attempt == self.attempt {
                    self.not_leader(now, &location, effects);
                }
            }
            Notice::Suppressed(roles) => self.policy.suppress(&roles),
            Notice::Revived(roles) => self.policy.revive(&roles),
            Notice::Updated(update) => self.policy.update(*update),
            Notice::TearingDown(yes) => {
                self.tearing_down = yes;
                if let Phase::Waiting { until } = &mut self.phase {
                    *until = if yes { *until } else { now };
                }
            }
            Notice::TornDown => self.end(Ended::TornDown, effects),
            Notice::Stop => self.end(Ended::Stopped, effects),
        }
    }

    fn hold(&mut self, now: Duration, held: bool) {
        self.held = held;
        if let Phase::Open { heard, .. } = &mut self.phase {
            *heard = now;
        }
    }

    fn end(&mut self, ended: Ended, effects: &mut Vec<Effect>) {
        if !matches!(self.phase, Phase::Waiting { .. }) {
            effects.push(Effect::Close(self.attempt));
        }
        self.phase = Phase::Ended;
        self.tasks.stop();
        effects.push(Effect::Publish(None));
        effects.push(Effect::End(ended));
    }

    fn deliver(effects: &mut Vec<Effect>, event: Event) {
        effects.push(Effect::Deliver(event));
    }
}
