//! Asks the API server for the Lease and does what [`decide`](super::decide()) says.

use super::decide::{Decision, Observed, Role, Timings, decide};
use super::guard::{Guard, exit};
use super::identity::Identity;
use super::lease::{self, LeaseRecord};
use crate::clock::Boot;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::PostParams;
use proffer_master::Epoch;
use std::time::Duration;
use tokio::sync::watch;

/// How far the count of epochs is set above what an agent has obeyed. Agents that were away then know an earlier one.
const RAISED_BY: u64 = 1000;

/// A leader whose renewal failed tries again after this long.
const AFTER_FAILURE: Duration = Duration::from_millis(50);

/// What went wrong with a request about the Lease.
#[derive(Debug, thiserror::Error)]
pub enum ElectorError {
    /// It could not be read.
    #[error("the Lease cannot be read")]
    Get(#[source] kube::Error),
    /// It could not be written, for another reason than that somebody else wrote it.
    #[error("the Lease cannot be written")]
    Write(#[source] kube::Error),
    /// No answer within the time.
    #[error("no answer about the Lease within {0:?}")]
    Timeout(Duration),
}

/// What a candidate has won.
#[derive(Clone, Debug)]
pub struct Term {
    /// Ends the process when the term is over.
    pub guard: Guard,
    /// When the count of epochs was last set beyond what an agent had obeyed, by the clock of who did that.
    pub raised: Option<Timestamp>,
}

/// Takes part in the election on behalf of this process.
pub struct Elector {
    api: Api<Lease>,
    namespace: String,
    name: String,
    me: Identity,
    timings: Timings,
    observed: Observed,
    newest: Option<Lease>,
    /// The highest epoch that the Lease ever showed to this process.
    highest: Epoch,
    holder: watch::Sender<Option<Identity>>,
}

impl Elector {
    /// An elector for the Lease `namespace`/`name`, which tells `holder` who holds it.
    #[must_use]
    pub fn new(
        client: kube::Client,
        namespace: &str,
        name: &str,
        me: Identity,
        timings: Timings,
        holder: watch::Sender<Option<Identity>>,
    ) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            me,
            timings,
            observed: Observed::default(),
            newest: None,
            highest: Epoch::default(),
            holder,
        }
    }

    /// Waits until the Lease is ours. `floor` tells the highest epoch seen in any object.
    pub async fn campaign(&mut self, floor: impl Fn() -> Epoch) -> Term {
        let mut failures = 0u32;
        loop {
            let role = Role::Candidate { floor: floor().max(self.highest) };
            let wait = match self.try_once(role, self.timings.renew_deadline).await {
                Ok(Outcome::Won { epoch, until }) => {
                    tracing::info!(epoch = epoch.0, identity = %self.me, "elected: this process leads");
                    let raised = self.newest.as_ref().and_then(lease::raised);
                    return Term { guard: Guard::new(epoch, until), raised };
                }
                Ok(Outcome::Waiting(wait)) => {
                    failures = 0;
                    wait
                }
                Ok(Outcome::Raced | Outcome::Lost { .. }) => Duration::ZERO,
                Err(error) => {
                    failures += 1;
                    if failures.is_power_of_two() {
                        tracing::warn!(error = &error as &dyn std::error::Error, failures, "election: will try again");
                    }
                    self.timings.retry_period
                }
            };
            tokio::time::sleep(jittered(wait)).await;
        }
    }

    /// Keeps the Lease until it is lost, which ends the process. Only ever returns by not returning.
    pub async fn keep(&mut self, term: &Term) -> std::convert::Infallible {
        let role = Role::Leader(term.guard.epoch());
        loop {
            let mut wait = self.timings.retry_period;
            let Some(rest) = term.guard.rest(Boot::now()) else { exit("the Lease was not renewed in time") };
            // A connection that is stuck must leave time for a second try, on another one.
            let second_try = self.timings.renew_deadline / 4;
            match self.try_once(role, rest.saturating_sub(second_try).max(second_try)).await {
                Ok(Outcome::Won { until, .. }) => term.guard.extend(until),
                Ok(Outcome::Lost { holder }) => {
                    tracing::error!(?holder, "the Lease names somebody else");
                    exit("the Lease names somebody else");
                }
                Ok(Outcome::Raced) => continue,
                Ok(Outcome::Waiting(_)) => {}
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "the Lease was not renewed: will try again"
                    );
                    // What is left of the time is for tries, not for waiting.
                    wait = AFTER_FAILURE.min(wait);
                }
            }
            term.guard.check();
            tokio::time::sleep(jittered(wait)).await;
        }
    }

    /// Gives the Lease back, so that the next leader need not wait. With `above`, the count of epochs goes on well above
    /// that, so that no other agent is ahead of it either.
    pub async fn release(&mut self, term: &Term, above: Option<Epoch>) {
        if self.newest.is_none()
            && let Ok(Ok(lease)) = answer(Duration::from_secs(1), self.api.get_opt(&self.name)).await
        {
            self.see(lease);
        }
        let Some(base) = self.newest.clone() else { return };
        if LeaseRecord::from(&base).holder.as_deref() != Some(self.me.to_string().as_str()) {
            return;
        }
        let (ours, now) = (term.guard.epoch(), Timestamp::now());
        let last = above.map_or(ours, |above| Epoch(above.0 + RAISED_BY).max(ours));
        let mut free = lease::write(Some(base), &self.name, &self.namespace, None, last, self.timings, now);
        if above.is_some() {
            lease::set_raised(&mut free, now);
        }
        let params = PostParams::default();
        let write = self.api.replace(&self.name, &params, &free);
        match tokio::time::timeout(Duration::from_secs(1), write).await {
            Ok(Ok(_)) => tracing::info!("gave the Lease back"),
            Ok(Err(error)) => tracing::warn!(error = &error as &dyn std::error::Error, "the Lease was not given back"),
            Err(_) => tracing::warn!("the Lease was not given back within a second"),
        }
    }

    /// One look at the Lease and what follows from it. No request is given more time than `within`.
    async fn try_once(&mut self, role: Role, within: Duration) -> Result<Outcome, ElectorError> {
        // A leader knows the Lease from its own last write, so one request renews it. All else begins with a look.
        if matches!(role, Role::Candidate { .. }) || self.newest.is_none() {
            let lease = answer(within, self.api.get_opt(&self.name)).await?.map_err(ElectorError::Get)?;
            self.see(lease);
        }
        // The time before the request is what counts: the API server may have taken it in right then.
        let asked = Boot::now();
        let (epoch, creates) = match decide(&self.observed, role, &self.me.to_string(), self.timings, asked) {
            Decision::Wait(wait) => return Ok(Outcome::Waiting(wait)),
            Decision::Lost { holder } => return Ok(Outcome::Lost { holder }),
            Decision::Create(epoch) => (epoch, true),
            Decision::Take(epoch) | Decision::Renew(epoch) => (epoch, false),
        };
        let base = if creates { None } else { self.newest.clone() };
        let me = self.me.to_string();
        let lease = lease::write(base, &self.name, &self.namespace, Some(&me), epoch, self.timings, Timestamp::now());
        // Whatever becomes of the request, the Lease as it was known before it is not the newest any more.
        self.newest = None;
        let params = PostParams::default();
        let written = if creates {
            answer(within, self.api.create(&params, &lease)).await?
        } else {
            answer(within, self.api.replace(&self.name, &params, &lease)).await?
        };
        match written {
            Ok(lease) => {
                self.see(Some(lease));
                Ok(Outcome::Won { epoch, until: asked.after(self.timings.renew_deadline) })
            }
            // Somebody wrote it since: look again before anything else.
            Err(kube::Error::Api(status))
                if status.is_conflict() || status.is_already_exists() || status.is_not_found() =>
            {
                Ok(Outcome::Raced)
            }
            Err(error) => Err(ElectorError::Write(error)),
        }
    }

    fn see(&mut self, lease: Option<Lease>) {
        self.observed.see(lease.as_ref().map(LeaseRecord::from), Boot::now());
        self.newest = lease;
        self.highest =
            self.highest.max(self.observed.record.as_ref().map(|record| record.transitions).unwrap_or_default());
        let holder = self.observed.record.as_ref().and_then(|record| record.holder.as_deref()?.parse().ok());
        self.holder.send_if_modified(|known| {
            let changed = *known != holder;
            *known = holder;
            changed
        });
    }
}

/// What came of one try.
enum Outcome {
    /// The Lease is ours until then.
    Won { epoch: Epoch, until: Boot },
    /// Somebody else's.
    Waiting(Duration),
    /// Was ours.
    Lost { holder: Option<String> },
    /// Somebody wrote it in between.
    Raced,
}

/// The answer to a request, if it comes within a time.
async fn answer<T>(
    within: Duration,
    request: impl Future<Output = kube::Result<T>>,
) -> Result<kube::Result<T>, ElectorError> {
    tokio::time::timeout(within, request).await.map_err(|_| ElectorError::Timeout(within))
}

/// Up to a fifth longer, so that candidates do not march in step.
fn jittered(wait: Duration) -> Duration {
    let thousandth = u32::try_from(uuid::Uuid::new_v4().as_u128() % 1000).unwrap_or(0);
    wait + wait * thousandth / 5000
}
