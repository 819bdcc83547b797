//! Reservation objects of the cluster.

use crate::cluster::Cluster;
use crate::step::Ending;
use proffer_master::{
    AgentName, Event, NewReservation, OperationBody, ReservationObject, ReservationPhase, ReservationRecord,
    WriteOutcome,
};
use proffer_resources::{Amount, DiskInfo, Persistence, Reservation, Resource, ResourceBag, Role};

/// What the master wants of a Reservation object.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Create(Box<NewReservation>),
    Ask(String, String, ResourceBag),
    Delete(String, String),
}

fn reserved(name: &str, amount: u64, roles: &[&str]) -> Resource {
    roles
        .iter()
        .filter_map(|role| Role::new(role).ok())
        .fold(Resource::scalar(name, Amount::from_units(amount)), |resource, role| {
            resource.reserved(Reservation::dynamic(role, None))
        })
}

fn volume(id: u8, amount: u64) -> Resource {
    let persistence = Some(Persistence { id: format!("v{id}"), principal: None });
    let volume = reserved("disk", amount, &["eng"]).on_disk(DiskInfo { persistence, ..DiskInfo::default() });
    if id == 2 { volume.as_shared() } else { volume }
}

/// What a Reservation asks for.
pub(crate) fn bag_of(what: u8) -> ResourceBag {
    match what % 8 {
        0 => reserved("cpus", 1, &["eng"]).into(),
        1 => reserved("cpus", 2, &["eng"]).into(),
        2 => reserved("cpus", 1, &["eng", "eng/a"]).into(),
        3 => volume(0, 100).into(),
        4 => volume(1, 600).into(),
        5 => [reserved("cpus", 1, &["web"]), volume(2, 100)].into_iter().collect(),
        6 => [reserved("cpus", 1, &["eng"]), reserved("disk", 200, &["eng"])].into_iter().collect(),
        _ => reserved("mem", 128, &["eng"]).into(),
    }
}

/// An operation.
pub(crate) fn operation(what: u8) -> OperationBody {
    let disk = reserved("disk", 100, &["eng"]);
    let reserve =
        |resource: Resource| OperationBody::Reserve { source: ResourceBag::new(), resources: resource.into() };
    match what % 12 {
        0 | 1 => reserve(reserved("cpus", 1, &["eng"])),
        2 | 3 => reserve(disk),
        4 => reserve(reserved("cpus", 1, &["eng", "eng/a"])),
        5 => OperationBody::Unreserve(reserved("cpus", 1, &["eng"]).into()),
        6 => OperationBody::Unreserve(disk.into()),
        7 => OperationBody::Create(volume(0, 100).into()),
        8 => OperationBody::Create(volume(2, 100).into()),
        9 => OperationBody::Destroy(volume(0, 100).into()),
        10 => OperationBody::GrowVolume { volume: volume(0, 100), addition: disk },
        _ => OperationBody::ShrinkVolume { volume: volume(0, 200), subtract: Amount::from_units(100) },
    }
}

impl Cluster {
    pub(crate) fn create_reservation(&mut self, name: &str, agent: &AgentName, resources: ResourceBag) {
        self.last_uid += 1;
        let object = ReservationObject {
            name: name.to_owned(),
            uid: format!("u{}", self.last_uid),
            generation: 1,
            agent: agent.clone(),
            resources: Ok(resources),
            principal: None,
            deleting: false,
            finalizer: false,
            record: None,
        };
        self.reservations.insert(name.to_owned(), object.clone());
        self.event(Event::ReservationApplied(Box::new(object)));
    }

    pub(crate) fn change_reservation(&mut self, name: &str, resources: ResourceBag) {
        let Some(object) = self.reservations.get_mut(name) else { return };
        object.resources = Ok(resources);
        object.generation += 1;
        let object = object.clone();
        self.event(Event::ReservationApplied(Box::new(object)));
    }

    pub(crate) fn delete_reservation(&mut self, name: &str, force: bool) {
        let Some(object) = self.reservations.get_mut(name) else { return };
        object.deleting = true;
        let object = object.clone();
        if object.finalizer && !force {
            self.event(Event::ReservationApplied(Box::new(object)));
        } else {
            self.reservations.remove(name);
            self.event(Event::ReservationDeleted { name: name.to_owned(), uid: object.uid });
        }
    }

    pub(crate) fn finish_reservation_write(&mut self, change: Change, ending: Ending) -> WriteOutcome {
        if matches!(ending, Ending::Refused) {
            return WriteOutcome::Refused("no reservations today".to_owned());
        }
        let conflict = matches!(ending, Ending::Conflict);
        match change {
            Change::Create(new) => {
                if conflict || self.reservations.contains_key(&new.name) {
                    return WriteOutcome::Conflict;
                }
                self.create_reservation(&new.name, &new.agent, new.resources);
            }
            Change::Ask(name, uid, resources) => {
                if self.reservations.get(&name).is_none_or(|object| object.uid != uid) {
                    return WriteOutcome::Gone;
                }
                if conflict {
                    return WriteOutcome::Conflict;
                }
                self.change_reservation(&name, resources);
            }
            Change::Delete(name, uid) => {
                if self.reservations.get(&name).is_none_or(|object| object.uid != uid) {
                    return WriteOutcome::Gone;
                }
                self.delete_reservation(&name, false);
            }
        }
        WriteOutcome::Done
    }

    pub(crate) fn write_reservation(&mut self, record: ReservationRecord) {
        let Some(object) = self.reservations.get_mut(&record.name).filter(|object| object.uid == record.uid) else {
            return;
        };
        if object.record.as_ref().is_some_and(|before| before.epoch > record.epoch) {
            return;
        }
        // An object that is being deleted gets no finalizer any more.
        object.finalizer |= !object.deleting;
        object.record = Some(record);
        let object = object.clone();
        self.to_come.push_back(Event::ReservationApplied(Box::new(object)));
    }

    pub(crate) fn release_reservation(&mut self, name: &str) {
        let Some(object) = self.reservations.get(name).cloned() else { return };
        if !object.deleting {
            self.fail(&format!("{name} was released and nobody deletes it"));
        }
        self.reservations.remove(name);
        self.to_come.push_back(Event::ReservationDeleted { name: name.to_owned(), uid: object.uid });
    }

    /// Every reservation is as its object wants it, or says what it waits for.
    pub(crate) fn check_reservations(&self) {
        for object in self.reservations.values() {
            let Some(record) = &object.record else { self.fail(&format!("{object:?} was told nothing")) };
            let fine = match record.phase {
                ReservationPhase::Reserved => object.deleting || Ok(&record.reserved) == object.resources.as_ref(),
                ReservationPhase::Pending => !record.message.is_empty(),
                ReservationPhase::Rejected | ReservationPhase::Released => false,
            };
            if !fine {
                self.fail(&format!("in the end: {object:?}"));
            }
        }
    }
}
