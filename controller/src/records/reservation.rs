//! A reservation's record as the status of its Reservation, and back; new Reservations.

use super::{epoch_number, reserved};
use k8s_openapi::jiff::Timestamp;
use proffer_crds::{
    ConditionStatus, RESERVATION_FINALIZER, Reservation, ReservationPhase as ObjectPhase, ReservationSpec,
    ReservationStatus, ReservationTask, set_condition,
};
use proffer_master::{Epoch, NewReservation, ObjectKey, ReservationPhase, ReservationRecord};
use proffer_resources::ResourceBag;

/// Most tasks that a status names.
const TASKS_NAMED: usize = 20;

/// The object that an operation makes; or why it cannot be one.
pub fn object(new: &NewReservation) -> Result<Reservation, String> {
    let mut object = Reservation::new(&new.name, spec(&new.agent.0, &new.resources)?);
    object.metadata.finalizers = Some(vec![RESERVATION_FINALIZER.to_owned()]);
    Ok(object)
}

/// The spec that asks for all of `resources`; or why none can.
pub fn spec(agent: &str, resources: &ResourceBag) -> Result<ReservationSpec, String> {
    reserved::spec(agent, resources)
}

/// The status that says what `record` says. `before` is the status so far.
#[must_use]
pub fn status(record: &ReservationRecord, before: Option<&ReservationStatus>, now: Timestamp) -> ReservationStatus {
    let mut conditions = before.map(|status| status.conditions.clone()).unwrap_or_default();
    let (phase, ready) = match record.phase {
        ReservationPhase::Pending => (ObjectPhase::Pending, ConditionStatus::False),
        ReservationPhase::Reserved => (ObjectPhase::Reserved, ConditionStatus::True),
        ReservationPhase::Rejected => (ObjectPhase::Rejected, ConditionStatus::False),
        ReservationPhase::Released => (ObjectPhase::Released, ConditionStatus::False),
    };
    let reason = format!("{phase:?}");
    set_condition(&mut conditions, "Ready", ready, &reason, &record.message, Some(record.generation), now);
    let json = |bag: &ResourceBag| (!bag.is_empty()).then(|| bag.to_json().to_string());
    ReservationStatus {
        observed_generation: Some(record.generation),
        master_epoch: epoch_number(record.epoch),
        phase,
        message: record.message.clone(),
        reserved: json(&record.reserved),
        destroying: json(&record.destroying.iter().cloned().collect()),
        tasks: record
            .tasks
            .iter()
            .take(TASKS_NAMED)
            .map(|task| ReservationTask { namespace: task.namespace.clone(), name: task.name.clone() })
            .collect(),
        conditions,
    }
}

/// The record that a status was written from; `None` if no leader ever wrote one.
#[must_use]
pub fn record(name: &str, uid: &str, status: &ReservationStatus) -> Option<ReservationRecord> {
    let epoch = u64::try_from(status.master_epoch?).ok()?;
    Some(ReservationRecord {
        name: name.to_owned(),
        uid: uid.to_owned(),
        generation: status.observed_generation.unwrap_or_default(),
        phase: match status.phase {
            ObjectPhase::Pending => ReservationPhase::Pending,
            ObjectPhase::Reserved => ReservationPhase::Reserved,
            ObjectPhase::Rejected => ReservationPhase::Rejected,
            ObjectPhase::Released => ReservationPhase::Released,
        },
        message: status.message.clone(),
        reserved: bag(status.reserved.as_deref()),
        destroying: bag(status.destroying.as_deref()).iter().cloned().collect(),
        tasks: status.tasks.iter().map(|task| ObjectKey::new(&*task.namespace, &*task.name)).collect(),
        epoch: Epoch(epoch),
    })
}

/// What Mesos' JSON form says; nothing if somebody else wrote there.
#[must_use]
pub fn bag(text: Option<&str>) -> ResourceBag {
    text.and_then(|text| ResourceBag::from_json(&serde_json::from_str(text).ok()?).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proffer_master::AgentName;

    fn reserved() -> ResourceBag {
        let spec = "{agent: node1, role: eng, resources: {cpu: 1}, volumes: [{id: v, size: 1Gi, shared: true}]}";
        reserved::wanted(&serde_yaml::from_str(spec).unwrap()).unwrap()
    }

    fn a_record() -> ReservationRecord {
        ReservationRecord {
            name: "db".to_owned(),
            uid: "u1".to_owned(),
            generation: 3,
            phase: ReservationPhase::Pending,
            message: "is still used by default/one".to_owned(),
            reserved: reserved(),
            destroying: reserved().iter().filter(|resource| resource.is_persistent_volume()).cloned().collect(),
            tasks: [ObjectKey::new("default", "one")].into(),
            epoch: Epoch(7),
        }
    }

    #[test]
    fn a_record_survives_its_status() {
        let now = Timestamp::from_second(1_795_362_000).unwrap();
        let written = status(&a_record(), None, now);
        let read: ReservationStatus = serde_json::from_value(serde_json::to_value(&written).unwrap()).unwrap();
        assert_eq!(record("db", "u1", &read), Some(a_record()));
        assert_eq!((read.conditions[0].type_.as_str(), read.conditions[0].reason.as_str()), ("Ready", "Pending"));
        assert_eq!(record("db", "u1", &ReservationStatus::default()), None);
        assert_eq!(status(&a_record(), Some(&written), now), written);
    }

    #[test]
    fn what_an_operation_makes_asks_for_what_it_reserved() {
        let new = NewReservation {
            name: "op-node1-7-1".to_owned(),
            agent: AgentName("node1".to_owned()),
            resources: reserved(),
            principal: None,
        };
        let object = object(&new).unwrap();
        assert_eq!(reserved::wanted(&object.spec), Ok(reserved()));
        assert_eq!(object.metadata.finalizers, Some(vec![RESERVATION_FINALIZER.to_owned()]));
    }
}
