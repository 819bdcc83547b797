//! Which Reservation objects an operation changes, and how they are written.

use super::conversion::Conversion;
use crate::effect::Effect;
use crate::ids::{AgentName, WriteId};
use crate::master::Master;
use crate::record::NewReservation;
use crate::state::{Reservation, Write};
use proffer_resources::{Resource, ResourceBag};
use std::collections::BTreeMap;

/// With what the names of objects begin that operations made. To others, operations add nothing that was not theirs.
const MADE_BY_OPERATION: &str = "op-";

/// What objects are to ask for after an operation, by name; those that do not exist are to be made.
pub(crate) type Objects = BTreeMap<String, ResourceBag>;

impl Master {
    /// What the objects of an agent are to ask for after a conversion.
    pub(crate) fn plan_objects(&mut self, agent: &AgentName, conversion: &Conversion) -> Result<Objects, String> {
        let mut plan = Objects::new();
        for resource in conversion.removed.iter() {
            self.take_from_objects(agent, resource, &mut plan)?;
        }
        for resource in conversion.added.iter() {
            let name = self.object_for(agent, resource, &plan);
            let so_far = || self.reservations.get(&name).and_then(Reservation::target).unwrap_or_default();
            plan.entry(name.clone()).or_insert_with(so_far).add_one(resource.clone());
        }
        Ok(plan)
    }

    /// Objects of an agent that are as they should be, so that they can be changed.
    fn settled_objects<'a>(&'a self, agent: &AgentName) -> impl Iterator<Item = (&'a String, &'a Reservation)> {
        let names = self.agents.get(agent).map(|known| &known.reservations);
        names.into_iter().flatten().filter_map(|name| Some((name, self.reservations.get(name)?))).filter(
            |(_, known)| {
                !known.busy && known.write.is_none() && !known.deleting && known.wanted.as_ref() == Ok(&known.reserved)
            },
        )
    }

    fn take_from_objects(&self, agent: &AgentName, resource: &Resource, plan: &mut Objects) -> Result<(), String> {
        let mut missing = resource.clone();
        for (name, known) in self.settled_objects(agent) {
            let asked = plan.get(name).unwrap_or(&known.reserved).clone();
            for has in asked.iter().filter(|has| has.is_alike(resource)) {
                let part = if resource.is_divisible() { has.value.common(&missing.value) } else { None };
                let part = part.or_else(|| (has.value == missing.value).then(|| has.value.clone()));
                let Some(part) = part.filter(|part| !part.is_empty()) else { continue };
                missing.value.subtract(&part);
                plan.entry(name.clone()).or_insert_with(|| asked.clone()).subtract_one(&has.clone().with_value(part));
            }
            if missing.is_empty() {
                return Ok(());
            }
        }
        let text = ResourceBag::from(resource.clone());
        Err(format!("no reservation of agent {agent} that could be changed now has {text}"))
    }

    /// The object that is to ask for a new resource: one that is changed anyway, or one that an operation made, of the same
    /// reservations; else a new one.
    fn object_for(&mut self, agent: &AgentName, resource: &Resource, plan: &Objects) -> String {
        let alike = |bag: &ResourceBag| bag.iter().any(|other| other.reservations() == resource.reservations());
        let changed = plan.iter().find(|(name, bag)| {
            alike(bag)
                || self.reservations.get(*name).is_some_and(|known| alike(&known.reserved))
                || !self.reservations.contains_key(*name)
        });
        if let Some((name, _)) = changed {
            return name.clone();
        }
        let ours = |name: &str, known: &Reservation| name.starts_with(MADE_BY_OPERATION) && alike(&known.reserved);
        if let Some((name, _)) = self.settled_objects(agent).find(|(name, known)| ours(name, known)) {
            return name.clone();
        }
        self.last_reservation += 1;
        format!("{MADE_BY_OPERATION}{agent}-{:x}-{}", self.config.epoch.0, self.last_reservation)
    }

    /// Hands out the writes that make objects ask for what is planned.
    pub(crate) fn write_objects(
        &mut self,
        agent: &AgentName,
        plan: &Objects,
        principal: Option<&str>,
        busy: bool,
    ) -> Vec<WriteId> {
        let mut writes = Vec::with_capacity(plan.len());
        for (name, bag) in plan {
            let write = self.new_write();
            let effect = match self.reservations.get(name) {
                None => {
                    let principal = principal.map(ToOwned::to_owned);
                    let reservation = NewReservation {
                        name: name.clone(),
                        agent: agent.clone(),
                        resources: bag.clone(),
                        principal: principal.clone(),
                    };
                    let known = Reservation::new(agent.clone(), Ok(ResourceBag::new()), principal);
                    self.reservations.insert(name.clone(), known);
                    self.expect_agent_of_reservation(agent, name);
                    Effect::CreateReservation { write, reservation: Box::new(reservation) }
                }
                Some(known) if bag.is_empty() => {
                    Effect::DeleteReservation { write, name: name.clone(), uid: known.uid.clone() }
                }
                Some(known) => Effect::ChangeReservation {
                    write,
                    name: name.clone(),
                    uid: known.uid.clone(),
                    resources: bag.clone(),
                },
            };
            self.push(effect);
            self.writes.insert(write, Write::Reservation(name.clone()));
            if let Some(known) = self.reservations.get_mut(name) {
                known.write = Some((write, bag.clone()));
                known.busy = busy;
            }
            writes.push(write);
        }
        writes
    }
}
