//! What is reserved follows what objects ask for.

use crate::ids::AgentName;
use crate::master::Master;
use crate::state::{Agent, volume_id};
use proffer_resources::{Resource, ResourceBag};
use std::collections::BTreeSet;

/// How many tasks are named to a person who asks what uses a reservation.
const TASKS_NAMED: usize = 5;

impl Master {
    /// Carries out what objects ask for and what has become possible since.
    pub(crate) fn settle_reservations(&mut self) {
        if self.unsettled.is_empty() {
            return;
        }
        for name in self.unsettled.clone() {
            let Some(known) = self.reservations.get(&name) else { continue };
            if self.changed_agents.contains(&known.agent) || self.changed_reservations.contains(&name) {
                self.settle_reservation(&name);
            }
        }
    }

    fn settle_reservation(&mut self, name: &str) {
        let Some(known) = self.reservations.get(name) else {
            self.unsettled.remove(name);
            return;
        };
        if known.busy || known.write.is_some() {
            return;
        }
        let settled = match known.target() {
            None => Ok(()),
            Some(target) if target == known.reserved => Ok(()),
            Some(target) => self.reserve(name, &target),
        };
        let Some(known) = self.reservations.get_mut(name) else { return };
        let waits_for = settled.err();
        if known.waits_for != waits_for {
            known.waits_for = waits_for;
            self.changed_reservations.insert(name.to_owned());
        }
        let Some(known) = self.reservations.get(name) else { return };
        let nothing_left = known.deleting && known.reserved.is_empty() && known.destroying.is_empty();
        let (gone, finalizer, release_asked) = (known.gone, known.finalizer, known.release_asked);
        if nothing_left && gone {
            self.forget_reservation(name);
        } else if nothing_left && finalizer && !release_asked {
            self.push(crate::effect::Effect::ReleaseReservation { name: name.to_owned() });
            if let Some(known) = self.reservations.get_mut(name) {
                known.release_asked = true;
            }
        }
        let Some(known) = self.reservations.get(name) else { return };
        if known.waits_for.is_none() && known.destroying.is_empty() {
            self.unsettled.remove(name);
        } else {
            self.destroy_volumes(name);
        }
    }

    /// Has a reservation reserve `target` instead of what it does; an error says what it waits for. Offers in the way are
    /// rescinded if that is enough.
    fn reserve(&mut self, name: &str, target: &ResourceBag) -> Result<(), String> {
        let Some(known) = self.reservations.get(name) else { return Ok(()) };
        let agent = known.agent.clone();
        // A volume that goes leaves nothing until its data is gone; what else changes comes after.
        let removed: Vec<Resource> = removed_volumes(&known.reserved, target);
        let without = known.reserved.saturating_minus(&removed.iter().cloned().collect());
        let target = if removed.is_empty() { target } else { &without };
        let Some(host) = self.agents.get(&agent).filter(|host| host.has_registered()) else {
            return self.reserve_on_absent(name, target, &agent);
        };
        let (total, missing) = self.total_with(host, Some((name, target)));
        if let Some(missing) = missing.first() {
            return Err(format!("agent {agent} has too little: {} cannot be reserved", text(missing)));
        }
        let total = removed.iter().fold(total, |total, volume| total.saturating_minus(&super::below(volume).into()));
        self.make_room(&agent, &total).map_err(|lacking| self.what_is_in_the_way(&agent, name, target, &lacking))?;
        let Some(known) = self.reservations.get_mut(name) else { return Ok(()) };
        known.reserved = target.clone();
        let is_all = removed.is_empty();
        for volume in removed {
            if let Some(id) = volume_id(&volume) {
                known.destroying.insert(id, volume);
            }
        }
        self.changed_reservations.insert(name.to_owned());
        self.agent_changed(&agent);
        if is_all { Ok(()) } else { Err("its volumes are being destroyed".to_owned()) }
    }

    /// Of an agent that is not here, what is reserved stays so, and nothing is added.
    fn reserve_on_absent(&mut self, name: &str, target: &ResourceBag, agent: &AgentName) -> Result<(), String> {
        let absent = self.agents.get(agent).is_none_or(|host| host.object == crate::state::AgentObject::Deleted);
        let Some(known) = self.reservations.get_mut(name) else { return Ok(()) };
        if absent && target.is_empty() && known.gone {
            // Nobody has its data, and nobody asks for it.
            known.reserved = ResourceBag::new();
            known.destroying.clear();
            return Ok(());
        }
        Err(format!("agent {agent} is not here"))
    }

    /// Rescinds offers of an agent until what is held and offered fits in `total`. An error is what tasks hold of it that
    /// would not be there; nothing is rescinded then.
    pub(crate) fn make_room(&mut self, agent: &AgentName, total: &ResourceBag) -> Result<(), ResourceBag> {
        let Some(books) = self.allocator.agent(agent) else { return Ok(()) };
        if books.fits_in(total) {
            return Ok(());
        }
        let pools = self.pooled_on(agent);
        let kept = books.allocated().filter(|resource| !resource.shared).plus(&pools);
        if !total.contains(&kept)
            || books.allocated().iter().any(|held| held.shared && !total.contains(&held.clone().into()))
        {
            return Err(kept.saturating_minus(total));
        }
        for offer in self.offers_of(agent) {
            if self.allocator.agent(agent).is_some_and(|books| books.fits_in(total)) {
                break;
            }
            self.rescind(&offer, format!("resources of agent {agent} are being reserved or released"));
        }
        Ok(())
    }

    /// What is being taken out of offers of an agent by operations that are under way.
    pub(crate) fn pooled_on(&self, agent: &AgentName) -> ResourceBag {
        let pools = self.acceptances.values().map(|acceptance| &acceptance.pool).filter(|pool| pool.agent == *agent);
        pools.fold(ResourceBag::new(), |sum, pool| sum.plus(&pool.left))
    }

    /// Says what a reservation waits for.
    fn what_is_in_the_way(&self, agent: &AgentName, name: &str, target: &ResourceBag, lacking: &ResourceBag) -> String {
        let users = self.users_of(name);
        let releases = self.reservations.get(name).is_some_and(|known| !target.contains(&known.reserved));
        if releases && !users.is_empty() {
            let more = if users.len() > TASKS_NAMED { " and others" } else { "" };
            let named: Vec<String> = users.into_iter().take(TASKS_NAMED).map(|key| key.to_string()).collect();
            return format!("is still used by {}{more}", named.join(", "));
        }
        format!("{lacking} of agent {agent} is held by tasks: waits until so much is free")
    }

    /// The tasks that hold something of what a reservation reserves.
    pub(crate) fn users_of(&self, name: &str) -> BTreeSet<crate::ids::ObjectKey> {
        let Some(known) = self.reservations.get(name) else { return BTreeSet::new() };
        let uses = |held: &ResourceBag| {
            let ours = |resource: &Resource| known.reserved.iter().any(|reserved| is_of(resource, reserved));
            held.iter().any(ours)
        };
        let tasks = self.agents.get(&known.agent).map(|host| &host.tasks);
        let placed = tasks.into_iter().flatten().filter_map(|id| Some((id, self.tasks.get(id)?.placed()?)));
        placed.filter(|(_, placed)| uses(&placed.held)).map(|(id, _)| id.key.clone()).collect()
    }
}

impl Agent {
    /// Whether what it has is known.
    pub(crate) fn has_registered(&self) -> bool {
        self.newest_session.is_some()
    }
}

/// Whether what a task holds may be part of what is reserved.
fn is_of(held: &Resource, reserved: &Resource) -> bool {
    match volume_id(reserved) {
        Some(id) => volume_id(held) == Some(id),
        None => held.is_alike(reserved),
    }
}

/// Volumes that are in `before` and not in `after`, of whatever size.
fn removed_volumes(before: &ResourceBag, after: &ResourceBag) -> Vec<Resource> {
    let left: BTreeSet<_> = after.iter().filter_map(volume_id).collect();
    before.iter().filter(|resource| volume_id(resource).is_some_and(|id| !left.contains(&id))).cloned().collect()
}

/// A resource in Mesos' text form.
fn text(resource: &Resource) -> String {
    ResourceBag::from(resource.clone()).to_string()
}
