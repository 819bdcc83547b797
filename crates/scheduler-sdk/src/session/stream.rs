//! Subscribing, what the stream says, and how it ends.

use super::{Answer, Attempt, Effect, MAX_REDIRECTS, MAX_UNAUTHORIZED, Phase, Session, Subscription};
use crate::event::Received;
use crate::{Ended, Event, Subscribed, calls, v1};
use std::time::Duration;
use v1::scheduler::event;

/// Mesos' interval of heartbeats, in seconds, for a master that does not tell its own.
const DEFAULT_HEARTBEAT: f64 = 15.0;
/// No interval is taken for longer, in seconds.
const LONGEST_HEARTBEAT: f64 = 3600.0;

impl Session {
    /// Tries the leader, or whom we hope it is.
    pub(super) fn subscribe(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        let Some(master) = self.leader.take().or_else(|| self.policy.masters.get(self.position).cloned()) else {
            let last = "there is no master to ask".to_owned();
            self.end(Ended::NoMaster { patience: Duration::ZERO, last }, effects);
            return;
        };
        self.attempt = Attempt(self.attempt.0 + 1);
        self.phase = Phase::Asking { master: master.clone(), until: now + self.policy.answer_timeout };
        effects.push(Effect::Subscribe {
            attempt: self.attempt,
            master,
            call: Box::new(calls::subscribe(self.policy.subscribe())),
            within: self.policy.answer_timeout,
        });
    }

    pub(super) fn answer(&mut self, now: Duration, answer: Answer, effects: &mut Vec<Effect>) {
        let Phase::Asking { master, .. } = &self.phase else { return };
        match answer {
            Answer::Opened(stream_id) => {
                let subscription = Subscription {
                    attempt: self.attempt,
                    master: master.clone(),
                    stream_id,
                    // Known only when the master says it.
                    framework_id: v1::FrameworkId::default(),
                };
                let silent_after = self.silent_after(None);
                self.phase = Phase::Open { subscription, subscribed: false, silent_after, heard: now };
            }
            Answer::Redirect(location) => self.redirected(now, &location, effects),
            // What masters say while they are starting, recovering, or looking for a leader.
            Answer::Status(status @ (404 | 408 | 429 | 500..), body) => {
                self.lost(now, format!("the master answers {status}: {body}"), effects);
            }
            Answer::Status(401, body) if self.unauthorized < MAX_UNAUTHORIZED => {
                self.unauthorized += 1;
                self.lost(now, format!("the master answers 401: {body}"), effects);
            }
            Answer::Status(status, body) => self.end(Ended::Refused { status, body }, effects),
            Answer::Failed(why) => self.lost(now, why, effects),
        }
    }

    fn redirected(&mut self, now: Duration, location: &str, effects: &mut Vec<Effect>) {
        let master = match &self.phase {
            Phase::Asking { master, .. } => master.clone(),
            Phase::Open { subscription, .. } => subscription.master.clone(),
            Phase::Waiting { .. } | Phase::Ended => return,
        };
        self.redirects += 1;
        match master.redirected(location) {
            Ok(_) if self.redirects > MAX_REDIRECTS => {
                self.lost(now, format!("{MAX_REDIRECTS} masters in a row name another as the leader"), effects);
            }
            Ok(leader) => {
                self.close(now, format!("{leader} is the leader"), effects);
                self.leader = Some(leader);
                self.phase = Phase::Waiting { until: now };
            }
            Err(error) => self.lost(now, error.to_string(), effects),
        }
    }

    /// A call was told that its master does not lead: then neither does our stream's.
    pub(super) fn not_leader(&mut self, now: Duration, location: &str, effects: &mut Vec<Effect>) {
        if matches!(self.phase, Phase::Open { .. }) {
            self.redirected(now, location, effects);
        }
    }

    pub(super) fn event(&mut self, now: Duration, event: Received, effects: &mut Vec<Effect>) {
        let Phase::Open { subscribed, heard, .. } = &mut self.phase else { return };
        *heard = now;
        match (event, *subscribed) {
            (Received::Error(message), _) => self.end(Ended::Error { message }, effects),
            (Received::Subscribed(event), false) => self.subscribed(now, event, effects),
            (Received::Subscribed(_), true) => self.lost(now, "a second SUBSCRIBED".to_owned(), effects),
            (Received::Heartbeat | Received::Other, _) => {}
            (Received::Event(_), false) => self.lost(now, "events before SUBSCRIBED".to_owned(), effects),
            (Received::Event(event), true) => {
                if let Event::Update(status) = &event {
                    self.tasks.heard(status);
                }
                Self::deliver(effects, event);
            }
        }
    }

    fn subscribed(&mut self, now: Duration, event: event::Subscribed, effects: &mut Vec<Effect>) {
        let silence = self.silent_after(event.heartbeat_interval_seconds);
        let Phase::Open { subscription, subscribed, silent_after, .. } = &mut self.phase else { return };
        *subscribed = true;
        *silent_after = silence;
        subscription.framework_id = event.framework_id.clone();
        effects.push(Effect::Publish(Some(subscription.clone())));
        let again = self.policy.framework.id.is_some();
        self.policy.framework.id = Some(event.framework_id.clone());
        self.failures = 0;
        self.redirects = 0;
        self.unauthorized = 0;
        self.without_since = None;
        let master = event.master_info;
        Self::deliver(effects, Event::Subscribed(Subscribed { framework_id: event.framework_id, master, again }));
        if again && self.policy.reconcile {
            self.tasks.begin(now);
            let attempt = self.attempt;
            effects.extend(self.tasks.questions(now).into_iter().map(|tasks| Effect::Reconcile(attempt, tasks)));
        }
    }

    fn silent_after(&self, heartbeat: Option<f64>) -> Duration {
        let seconds = heartbeat.filter(|seconds| *seconds > 0.0).unwrap_or(DEFAULT_HEARTBEAT).min(LONGEST_HEARTBEAT);
        Duration::from_secs_f64(seconds).saturating_mul(self.policy.missed_heartbeats)
    }

    /// The try failed or the stream is no good: wait, then ask the next master.
    pub(super) fn lost(&mut self, now: Duration, why: String, effects: &mut Vec<Effect>) {
        // A stream that was good: its master, or the name that stands for the leader, is asked again first.
        let was_subscribed = matches!(self.phase, Phase::Open { subscribed: true, .. });
        self.close(now, why, effects);
        self.redirects = 0;
        let masters = self.policy.masters.len();
        let tries = u32::try_from(masters.max(1)).unwrap_or(u32::MAX);
        let pause = self.policy.back_off.longest(self.failures / tries);
        if !was_subscribed {
            self.failures = self.failures.saturating_add(1);
            self.position = (self.position + 1) % masters.max(1);
        }
        // What a TEARDOWN under way did will be told; until then nobody wants to subscribe again.
        let pause = if self.tearing_down { self.policy.answer_timeout } else { self.random.shorten(pause) };
        self.phase = Phase::Waiting { until: now + pause };
    }

    fn close(&mut self, now: Duration, why: String, effects: &mut Vec<Effect>) {
        effects.push(Effect::Close(self.attempt));
        self.last_failure.clone_from(&why);
        self.tasks.stop();
        if let Phase::Open { subscribed: true, .. } = self.phase {
            effects.push(Effect::Publish(None));
            Self::deliver(effects, Event::Disconnected(why));
            self.without_since = Some(now);
        }
    }
}
