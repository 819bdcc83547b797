//! Reservation objects come, change and go.

use crate::event::{ReservationObject, WriteOutcome};
use crate::ids::{AgentName, WriteId};
use crate::master::Master;
use crate::state::{Reservation, volume_id};

impl Master {
    /// A Reservation object was created or changed, or is seen for the first time.
    pub(crate) fn reservation_applied(&mut self, object: ReservationObject) {
        let name = object.name.clone();
        let epoch = self.epoch();
        if let Some(known) = self.reservations.get(&name) {
            let other_object = !known.uid.is_empty() && known.uid != object.uid;
            if other_object && (!known.reserved.is_empty() || !known.destroying.is_empty() || known.busy) {
                // What the object before it reserved is released first; its shell tells the new one again.
                let uid = known.uid.clone();
                self.reservation_deleted(&name, &uid);
                self.successors.insert(name, Box::new(object));
                return;
            }
            if other_object {
                self.forget_reservation(&name);
            } else if object.generation < known.generation {
                return;
            }
        }
        let agent = object.agent.clone();
        if self.reservations.get(&name).is_some_and(|known| known.agent != agent) {
            // The kind's rules forbid it; of two agents, the first counts.
            return;
        }
        let wanted = object.resources.clone();
        let reservation = self
            .reservations
            .entry(name.clone())
            .or_insert_with(|| Reservation::new(agent.clone(), wanted, object.principal.clone()));
        if reservation.uid.is_empty() {
            // What the leader before this one had reserved is reserved, whether or not its agent is here.
            if let Some(record) = object.record.clone().filter(|record| record.epoch != epoch) {
                reservation.reserved = record.reserved.clone();
                reservation.destroying =
                    record.destroying.iter().filter_map(|gone| Some((volume_id(gone)?, gone.clone()))).collect();
            }
        }
        reservation.uid = object.uid;
        reservation.generation = object.generation;
        reservation.principal = object.principal;
        reservation.deleting = object.deleting;
        reservation.finalizer = object.finalizer;
        reservation.wanted = object.resources;
        self.expect_agent_of_reservation(&agent, &name);
        self.unsettled.insert(name.clone());
        self.changed_reservations.insert(name);
        self.agent_changed(&agent);
    }

    /// A Reservation object is gone. What it reserved is released as soon as no task uses it.
    pub(crate) fn reservation_deleted(&mut self, name: &str, uid: &str) {
        let Some(known) = self.reservations.get_mut(name).filter(|known| known.uid == uid) else {
            if self.successors.get(name).is_some_and(|object| object.uid == uid) {
                self.successors.remove(name);
            }
            return;
        };
        known.gone = true;
        known.deleting = true;
        self.unsettled.insert(name.to_owned());
    }

    /// Enters a reservation at its agent. Of an agent that nobody knows, it is kept until that comes.
    pub(crate) fn expect_agent_of_reservation(&mut self, agent: &AgentName, name: &str) {
        match self.agents.get_mut(agent) {
            Some(known) => {
                known.reservations.insert(name.to_owned());
            }
            None => {
                self.unclaimed_reservations.entry(agent.clone()).or_default().insert(name.to_owned());
            }
        }
    }

    /// What an operation made of a reservation's object is written, or cannot be.
    pub(crate) fn reservation_written(&mut self, name: &str, write: WriteId, outcome: WriteOutcome) {
        let failed = match outcome {
            WriteOutcome::Done => None,
            WriteOutcome::Gone => Some(format!("Reservation {name} is gone")),
            WriteOutcome::Conflict => Some(format!("Reservation {name} was changed by somebody else")),
            WriteOutcome::Refused(why) => Some(why),
        };
        if let Some(known) = self.reservations.get_mut(name)
            && let Some((_, asked)) = known.write.take_if(|(of, _)| *of == write)
        {
            if failed.is_none() {
                known.wanted = Ok(asked);
            }
            self.unsettled.insert(name.to_owned());
            self.changed_reservations.insert(name.to_owned());
        }
        if !self.operation_written(write, failed.clone()) {
            self.operator_written(write, failed.clone());
        }
        let never_was = |known: &Reservation| known.uid.is_empty() && known.reserved.is_empty();
        if failed.is_some() && self.reservations.get(name).is_some_and(never_was) {
            self.forget_reservation(name);
        }
    }

    /// Forgets a reservation of which nothing is left.
    pub(crate) fn forget_reservation(&mut self, name: &str) {
        let Some(gone) = self.reservations.remove(name) else { return };
        if let Some(known) = self.agents.get_mut(&gone.agent) {
            known.reservations.remove(name);
        }
        if let Some(names) = self.unclaimed_reservations.get_mut(&gone.agent) {
            names.remove(name);
        }
        if let Some((write, _)) = gone.write {
            self.writes.remove(&write);
        }
        self.unsettled.remove(name);
        if let Some(successor) = self.successors.remove(name) {
            self.reservation_applied(*successor);
        }
    }
}
