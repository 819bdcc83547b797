//! Reservation objects to the master's events.

use super::shelf::{Entry, object_key, uid_of};
use crate::records::{reservation, reserved};
use proffer_crds::{RESERVATION_FINALIZER, Reservation};
use proffer_master::{AgentName, Event, ReservationObject};

/// What a Reservation object that is there tells the master.
pub(super) fn applied(entry: &Entry<Reservation>) -> Event {
    let meta = entry.meta();
    let (name, uid) = (object_key(entry).name, uid_of(entry));
    let (agent, resources, principal, record) = match entry.value() {
        Ok(object) => (
            object.spec.agent.clone(),
            reserved::wanted(&object.spec),
            object.spec.principal.clone(),
            object.status.as_ref().and_then(|status| reservation::record(&name, &uid, status)),
        ),
        Err(problem) => {
            (String::new(), Err(format!("the object does not have a Reservation's form: {problem}")), None, None)
        }
    };
    Event::ReservationApplied(Box::new(ReservationObject {
        generation: meta.generation.unwrap_or_default(),
        agent: AgentName(agent),
        resources,
        principal,
        deleting: meta.deletion_timestamp.is_some(),
        finalizer: meta.finalizers.as_ref().is_some_and(|all| all.iter().any(|one| one == RESERVATION_FINALIZER)),
        record,
        name,
        uid,
    }))
}

/// What a Reservation object that is gone tells the master.
pub(super) fn deleted(entry: &Entry<Reservation>) -> Event {
    Event::ReservationDeleted { name: object_key(entry).name, uid: uid_of(entry) }
}
