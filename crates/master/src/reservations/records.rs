//! What Reservation objects are told.

use crate::effect::Effect;
use crate::master::Master;
use crate::record::{ReservationPhase, ReservationRecord};

impl Master {
    /// Hands out the statuses of reservations that changed during this event.
    pub(crate) fn write_reservations(&mut self) {
        for name in std::mem::take(&mut self.changed_reservations) {
            let Some(record) = self.reservation_record(&name) else { continue };
            let Some(known) = self.reservations.get_mut(&name) else { continue };
            if known.written.as_ref() != Some(&record) {
                known.written = Some(record.clone());
                self.push(Effect::WriteReservation(Box::new(record)));
            }
        }
    }

    fn reservation_record(&self, name: &str) -> Option<ReservationRecord> {
        let known = self.reservations.get(name).filter(|known| !known.uid.is_empty() && !known.gone)?;
        let (phase, message) = match (&known.wanted, &known.waits_for) {
            (_, Some(why)) if known.deleting => (ReservationPhase::Reserved, format!("is not released yet: {why}")),
            _ if known.deleting && known.destroying.is_empty() => (ReservationPhase::Released, String::new()),
            _ if known.deleting => {
                (ReservationPhase::Reserved, "is being released: its volumes are destroyed".to_owned())
            }
            (Err(problem), _) => (ReservationPhase::Rejected, problem.clone()),
            (Ok(_), Some(why)) => (ReservationPhase::Pending, why.clone()),
            (Ok(_), None) => (ReservationPhase::Reserved, String::new()),
        };
        Some(ReservationRecord {
            name: name.to_owned(),
            uid: known.uid.clone(),
            generation: known.generation,
            phase,
            message,
            reserved: known.reserved.clone(),
            destroying: known.destroying.values().cloned().collect(),
            tasks: self.users_of(name),
            epoch: self.epoch(),
        })
    }
}
