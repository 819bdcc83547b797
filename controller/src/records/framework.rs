//! A framework's record as the status of its Framework.

use super::{allocated, condition, count, epoch_number};
use crate::clock::to_text;
use k8s_openapi::jiff::Timestamp;
use proffer_crds::{FrameworkPhase, FrameworkStatus, FrameworkTaskCounts};
use proffer_master::{FrameworkRecord, StreamPhase};

/// The status that says what `record` says. `before` is the status so far.
#[must_use]
pub fn status(record: &FrameworkRecord, before: Option<&FrameworkStatus>, now: Timestamp) -> FrameworkStatus {
    let mut conditions = before.map(|status| status.conditions.clone()).unwrap_or_default();
    condition(&mut conditions, "Ready", &record.ready, record.generation, now);
    FrameworkStatus {
        observed_generation: Some(record.generation),
        master_epoch: epoch_number(record.epoch),
        phase: record.stream.as_ref().map(|stream| phase(stream.phase)),
        disconnected_at: record.stream.as_ref().and_then(|stream| stream.disconnected_at).map(to_text),
        framework_id: Some(record.framework_id.clone()).filter(|id| !id.is_empty()),
        scheduler: Some(record.scheduler.to_owned()).filter(|scheduler| !scheduler.is_empty()),
        tasks: FrameworkTaskCounts {
            pending: count(record.pending),
            active: count(record.active),
            completed: count(record.completed),
        },
        allocated: allocated(&record.allocated),
        offers: count(record.offers),
        conditions,
    }
}

fn phase(phase: StreamPhase) -> FrameworkPhase {
    match phase {
        StreamPhase::New => FrameworkPhase::New,
        StreamPhase::Active => FrameworkPhase::Active,
        StreamPhase::Disconnected => FrameworkPhase::Disconnected,
        StreamPhase::Completed => FrameworkPhase::Completed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proffer_master::{Epoch, ObjectKey, Readiness};
    use proffer_resources::{Amount, Quantities};
    use serde_json::json;

    #[test]
    fn the_status_says_what_the_record_says() {
        let record = FrameworkRecord {
            key: ObjectKey::new("default", "hello"),
            uid: "u1".to_owned(),
            generation: 2,
            framework_id: "f-1".to_owned(),
            scheduler: "BinPack",
            pending: 1,
            active: 2,
            completed: 3,
            allocated: Quantities::of(Amount::from_thousandths(200), Amount::from_units(64)),
            offers: 0,
            ready: Readiness { ready: false, reason: "NoAgents", message: "no agent is registered".to_owned() },
            stream: None,
            epoch: Epoch(4),
        };
        let now = Timestamp::from_second(1_795_362_000).unwrap();
        assert_eq!(
            serde_json::to_value(status(&record, None, now)).unwrap(),
            json!({
                "observedGeneration": 2,
                "masterEpoch": 4,
                "frameworkId": "f-1",
                "scheduler": "BinPack",
                "tasks": {"pending": 1, "active": 2, "completed": 3},
                "allocated": {"cpu": "200m", "memory": "64Mi"},
                "offers": 0,
                "conditions": [{
                    "type": "Ready", "status": "False", "reason": "NoAgents", "message": "no agent is registered",
                    "lastTransitionTime": "2026-11-22T15:40:00Z", "observedGeneration": 2,
                }],
            })
        );
    }
}
