//! Agents that were drained to be gone.

use super::backoff::{Backoff, Failure, request};
use super::execute::Executor;
use crate::registry::{Entry, Guarded, Kind};
use kube::api::{Patch, PatchParams};
use proffer_crds::Agent;
use proffer_master::{AgentName, WriteOutcome};
use serde_json::json;

impl Executor {
    /// Writes into an Agent's spec that it is gone. What the answer or the watch tells of it, counts.
    pub(super) async fn mark_gone(&self, agent: &AgentName) -> WriteOutcome {
        let api = Agent::within(&self.client, "");
        let patch = Patch::Merge(json!({"spec": {"gone": true}}));
        let mut backoff = Backoff::default();
        loop {
            self.guard.check();
            let patched: Result<Guarded<Agent>, Failure> =
                request(api.patch(&agent.0, &PatchParams::default(), &patch)).await;
            match patched {
                Ok(written) => {
                    self.registry.observe(Entry::new(written));
                    return WriteOutcome::Done;
                }
                Err(Failure::NotFound) => return WriteOutcome::Gone,
                Err(Failure::Refused(why)) => return WriteOutcome::Refused(why),
                Err(failure) => {
                    if let Err(why) = backoff.wait("agent gone", &format!("{failure:?}")).await {
                        return WriteOutcome::Refused(why);
                    }
                }
            }
        }
    }
}
