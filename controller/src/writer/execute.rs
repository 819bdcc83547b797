//! One operation, from begin to end.

use super::backoff::{Backoff, Failure};
use super::queue::Op;
use crate::clock::Boot;
use crate::leader::Guard;
use crate::metrics::Metrics;
use crate::registry::{Guarded, Heard, Kind, Registry};
use kube::{Api, Client};
use proffer_master::{Event, WriteId, WriteOutcome};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Carries out operations against the API server.
pub struct Executor {
    pub(super) client: Client,
    pub(super) registry: Arc<Registry>,
    pub(super) guard: Guard,
    heard: mpsc::UnboundedSender<Heard>,
    metrics: Arc<Metrics>,
}

impl Executor {
    /// An executor that tells `heard` how writes ended.
    #[must_use]
    pub fn new(
        client: Client,
        registry: Arc<Registry>,
        guard: Guard,
        heard: mpsc::UnboundedSender<Heard>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self { client, registry, guard, heard, metrics }
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Carries out one operation, however often it must be tried.
    pub async fn execute(&self, op: Op) {
        let began = Boot::now();
        let (kind, writes, outcome) = match op {
            Op::TaskStatus { writes, task, record, basis, .. } => {
                ("task", writes, self.task_status(&task, &record, &basis).await)
            }
            Op::CreateTask { write, task } => ("task-create", vec![write], self.create_task(&task).await),
            Op::FrameworkSpec { write, spec } => ("framework-spec", vec![write], self.framework_spec(&spec).await),
            Op::DeleteFramework { key, uid } => ("framework-delete", vec![], self.delete_framework(&key, uid).await),
            Op::AdoptTask { task, framework, finalizer } => {
                ("task-adopt", vec![], self.adopt_task(&task, &framework, finalizer).await)
            }
            Op::ReleaseTask(task) => ("task-release", vec![], self.release_task(&task).await),
            Op::DeleteTask(task) => ("task-delete", vec![], self.delete_task(&task).await),
            Op::CreateOffer { write, offer } => {
                let outcome = self.create_offer(&offer).await;
                self.answer(&[write], &outcome);
                if outcome == WriteOutcome::Done {
                    self.open_offer(&offer).await;
                }
                ("offer-create", vec![], outcome)
            }
            Op::CloseOffer { offer, end, message } => ("offer", vec![], self.close_offer(&offer, end, &message).await),
            Op::DeleteOffer(offer) => ("offer-delete", vec![], self.delete_offer(&offer).await),
            Op::CreateReservation { write, reservation } => {
                ("reservation-create", vec![write], self.create_reservation(&reservation).await)
            }
            Op::ChangeReservation { write, name, uid, resources } => {
                ("reservation-change", vec![write], self.change_reservation(&name, &uid, &resources).await)
            }
            Op::DeleteReservation { write, name, uid } => {
                ("reservation-delete", vec![write], self.delete_reservation(&name, &uid).await)
            }
            Op::Reservation(record) => ("reservation", vec![], self.reservation_status(&record).await),
            Op::ReleaseReservation(name) => ("reservation-release", vec![], self.release_reservation(&name).await),
            Op::Framework(record) => ("framework", vec![], self.framework_status(&record).await),
            Op::Agent(record) => ("agent", vec![], self.agent_status(&record).await),
            Op::Role(record) => ("role", vec![], self.role_status(&record).await),
            Op::Maintenance(record) => ("maintenance", vec![], self.maintenance_status(&record).await),
            Op::MarkAgentGone(agent) => ("agent-gone", vec![], self.mark_gone(&agent).await),
        };
        self.metrics.wrote(kind, outcome_name(&outcome), Boot::now().since(began));
        if let WriteOutcome::Refused(why) = &outcome {
            tracing::error!(kind, why, "the API server refused a write");
        }
        self.answer(&writes, &outcome);
    }

    fn answer(&self, writes: &[WriteId], outcome: &WriteOutcome) {
        for &write in writes {
            let _ = self.heard.send(Heard::Event(Event::Written { write, outcome: outcome.clone() }));
        }
    }

    /// Reads an object live, however often it must be tried, and takes it into the registry. `None` if it is gone.
    pub(super) async fn look<K: Kind>(
        &self,
        namespace: &str,
        name: &str,
        backoff: &mut Backoff,
    ) -> Result<Option<()>, String> {
        let api: Api<Guarded<K>> = K::within(&self.client, namespace);
        loop {
            self.guard.check();
            match super::backoff::request(api.get_opt(name)).await {
                Ok(Some(object)) => {
                    self.registry.observe(crate::registry::Entry::new(object));
                    return Ok(Some(()));
                }
                Ok(None) | Err(Failure::NotFound) => return Ok(None),
                Err(Failure::Again(why)) => backoff.wait("look", &why).await?,
                Err(Failure::Refused(why)) => return Err(why),
                Err(failure) => return Err(format!("unexpected answer to a read: {failure:?}")),
            }
        }
    }
}

fn outcome_name(outcome: &WriteOutcome) -> &'static str {
    match outcome {
        WriteOutcome::Done => "done",
        WriteOutcome::Gone => "gone",
        WriteOutcome::Conflict => "conflict",
        WriteOutcome::Refused(_) => "refused",
    }
}
