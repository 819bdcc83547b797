//! `AllocationRole` objects: weights and quota of roles.
//!
//! An object counts at once, unless its quota is one that Mesos refuses. Then the quota that was in force before stays,
//! which the object's status remembers for the next leader.

use crate::effect::Effect;
use crate::ids::OfferId;
use crate::master::Master;
use crate::operator_objects::{RoleObject, RoleRecord, RoleTerms};
use crate::record::Readiness;
use crate::timers::Timer;
use proffer_allocator::{Quota, Weight};
use proffer_resources::{Quantities, ResourceName, Role, quantity};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How old the figures in the status of a role may be.
const FIGURES_AGE: Duration = Duration::from_secs(1);

/// The `AllocationRole` objects.
#[derive(Debug, Default)]
pub(crate) struct Roles {
    known: BTreeMap<String, Known>,
    /// What the allocator was told.
    told: BTreeMap<Role, (Weight, Quota)>,
}

/// An `AllocationRole` object.
#[derive(Debug)]
struct Known {
    object: RoleObject,
    /// The quota in force, while it counts for its role.
    quota: Option<Quota>,
    accepted: Readiness,
    written: Option<RoleRecord>,
}

impl Known {
    fn terms(&self) -> Option<&RoleTerms> {
        self.object.terms.as_ref().ok()
    }
}

impl Master {
    /// An `AllocationRole` object was created or changed, or is seen for the first time.
    pub(crate) fn role_applied(&mut self, object: RoleObject) {
        let known = self.roles.known.remove(&object.name).filter(|known| known.object.uid == object.uid);
        // A status of our own that comes back says nothing new.
        let (quota, written) = match known {
            Some(known) => (known.quota, known.written),
            None => (object.quota_in_force.clone(), None),
        };
        let accepted = Readiness { ready: false, reason: "Pending", message: String::new() };
        self.roles.known.insert(object.name.clone(), Known { object, quota, accepted, written });
        self.review_roles();
    }

    /// An `AllocationRole` object is gone: its role is as if there had been none.
    pub(crate) fn role_deleted(&mut self, name: &str, uid: &str) {
        if self.roles.known.get(name).is_some_and(|known| known.object.uid == uid) {
            self.roles.known.remove(name);
            self.review_roles();
        }
    }

    /// The cluster has more or less than it had: a quota that was refused may be possible now.
    pub(crate) fn capacity_changed(&mut self) {
        if self.roles.known.values().any(|known| known.accepted.reason == OVERCOMMITTED) {
            self.review_roles();
        }
    }

    /// Which objects count, and whether their quota can be.
    fn review_roles(&mut self) {
        let mut names: Vec<(crate::ids::Time, String)> =
            self.roles.known.values().map(|known| (known.object.created, known.object.name.clone())).collect();
        names.sort();
        let mut counts: BTreeMap<Role, String> = BTreeMap::new();
        for (_, name) in names {
            let Some(known) = self.roles.known.get_mut(&name) else { continue };
            match known.object.terms.clone() {
                Err(problem) => {
                    known.quota = None;
                    known.accepted = Readiness { ready: false, reason: "Invalid", message: problem };
                }
                Ok(terms) => match counts.get(&terms.role) {
                    Some(older) => {
                        known.quota = None;
                        let message = format!(
                            "AllocationRole {older:?} is older and counts for role {}: delete one of the two",
                            terms.role
                        );
                        known.accepted = Readiness { ready: false, reason: "RoleTaken", message };
                    }
                    None => drop(counts.insert(terms.role, name)),
                },
            }
        }
        // In two rounds, so that what somebody gives back is there for others.
        let names: Vec<String> = counts.into_values().collect();
        let mut undecided: Vec<&String> = names.iter().collect();
        for _ in 0..2 {
            undecided.retain(|name| !self.review_quota(name));
        }
        self.tell_allocator_of_roles();
        self.timers.set(Timer::RoleFigures, self.now);
    }

    /// Whether the quota that an object asks for can be in force. `false` if it is refused.
    fn review_quota(&mut self, name: &str) -> bool {
        let Some(known) = self.roles.known.get(name) else { return true };
        let Some(terms) = known.terms() else { return true };
        let before = known.quota.clone();
        let problem = if before.as_ref() == Some(&terms.quota) {
            None
        } else {
            let guaranteed = self.roles.known.values().filter(|other| other.object.name != name);
            let guaranteed = guaranteed.filter_map(|other| other.quota.as_ref().map(|quota| &quota.guarantees));
            let by_others = guaranteed.fold(Quantities::default(), |sum, more| sum.plus(more));
            quota_problem(terms, before.as_ref(), &by_others, self.allocator.total())
        };
        let quota = if problem.is_none() { terms.quota.clone() } else { before.unwrap_or_default() };
        let accepted = match problem {
            None => {
                Readiness { ready: true, reason: "Accepted", message: "its weight and quota are in force".to_owned() }
            }
            Some((reason, problem)) => {
                let message = format!("its weight is in force, its quota is not, and stays as it was: {problem}");
                Readiness { ready: false, reason, message }
            }
        };
        let is_accepted = accepted.ready;
        if let Some(known) = self.roles.known.get_mut(name) {
            (known.quota, known.accepted) = (Some(quota), accepted);
        }
        is_accepted
    }

    fn tell_allocator_of_roles(&mut self) {
        let wanted: BTreeMap<Role, (Weight, Quota)> = self
            .roles
            .known
            .values()
            .filter_map(|known| Some((known.terms()?.role.clone(), (known.terms()?.weight, known.quota.clone()?))))
            .collect();
        let before = std::mem::replace(&mut self.roles.told, wanted.clone());
        let roles: BTreeSet<Role> = before.keys().chain(wanted.keys()).cloned().collect();
        for role in roles {
            let (old, new) = (before.get(&role).cloned(), wanted.get(&role).cloned());
            if old == new {
                continue;
            }
            let (weight, quota) = new.unwrap_or_default();
            if self.allocator.role_weight(&role) != weight {
                self.allocator.set_weight(&role, weight);
            }
            if self.allocator.quota(&role) != quota {
                let limits = quota.limits.clone();
                // What it refuses was found out before.
                if self.allocator.set_quota(&role, quota).is_err() {
                    continue;
                }
                if !limits.allow(&self.allocator.consumed(&role)) {
                    self.rescind_in_role(&role, "the role's quota limit is lower now");
                }
                self.explain_soon();
                self.changed_frameworks.extend(self.frameworks.keys().cloned());
            }
        }
    }

    fn rescind_in_role(&mut self, role: &Role, why: &str) {
        let numbers: BTreeSet<u64> = self.allocator.offers_in(role).collect();
        let offers: Vec<OfferId> = self
            .offers
            .iter()
            .filter(|(_, offer)| offer.is_live() && numbers.contains(&offer.number))
            .map(|(id, _)| id.clone())
            .collect();
        for offer in offers {
            self.rescind(&offer, why.to_owned());
        }
    }

    /// The figures of roles may have changed.
    pub(crate) fn role_figures_changed(&mut self) {
        if !self.roles.known.is_empty() {
            self.timers.set_at_latest(Timer::RoleFigures, self.now.after(FIGURES_AGE));
        }
    }

    /// Hands out the statuses of roles that changed.
    pub(crate) fn write_roles(&mut self) {
        let mut figures = self.allocator.role_figures();
        let total = self.allocator.total().clone();
        let names: Vec<String> = self.roles.known.keys().cloned().collect();
        for name in names {
            let Some(known) = self.roles.known.get(&name) else { continue };
            let role = known.terms().map(|terms| terms.role.clone()).filter(|_| known.quota.is_some());
            let its = role.as_ref().and_then(|role| figures.remove(role)).unwrap_or_default();
            let consumed = role.as_ref().map(|role| self.allocator.consumed(role)).unwrap_or_default();
            let share = proffer_allocator::Share::dominant(&its.allocated.plus(&its.offered), &total);
            let record = RoleRecord {
                name: name.clone(),
                uid: known.object.uid.clone(),
                generation: known.object.generation,
                accepted: known.accepted.clone(),
                weight: known.terms().map(|terms| terms.weight).unwrap_or_default(),
                quota: known.quota.clone(),
                allocated: its.allocated,
                offered: its.offered,
                consumed,
                dominant_share: share.thousandths(),
                frameworks: its.frameworks,
                epoch: self.epoch(),
            };
            let Some(known) = self.roles.known.get_mut(&name) else { continue };
            if known.written.as_ref() != Some(&record) {
                known.written = Some(record.clone());
                self.push(Effect::WriteRole(Box::new(record)));
            }
        }
    }
}

/// The reason of a refusal that more agents can mend.
const OVERCOMMITTED: &str = "Overcommitted";

/// Why a quota cannot be, with a reason in camel case and a message (Mesos refuses `UPDATE_QUOTA` so); `None` if it can. `by_others` is what other roles are
/// guaranteed. A quota that guarantees no more than the one `before` can always be as far as the cluster goes.
#[must_use]
pub fn quota_problem(
    terms: &RoleTerms,
    before: Option<&Quota>,
    by_others: &Quantities,
    capacity: &Quantities,
) -> Option<(&'static str, String)> {
    let RoleTerms { role, quota, force, .. } = terms;
    if *quota == Quota::default() {
        return None;
    }
    if *role == Role::any() {
        return Some(("DefaultRole", "role * cannot have a quota: give one to a role of its own".to_owned()));
    }
    if role.parent().is_some() && !quota.guarantees.is_empty() {
        let message = format!(
            "role {role} is not at the top, so it can have limits but no guarantees: guarantee it to {}",
            role.top()
        );
        return Some(("GuaranteeBelowTop", message));
    }
    for (name, limit) in quota.limits.iter() {
        if quota.guarantees.get(name) > limit {
            let message =
                format!("more {name} is guaranteed than the limit allows: raise the limit or lower the guarantee");
            return Some(("GuaranteeAboveLimit", message));
        }
    }
    let total = by_others.plus(&quota.guarantees);
    let grows = !before.is_some_and(|before| before.guarantees.contains(&quota.guarantees));
    if grows && !*force && !capacity.contains(&total) {
        let message = format!(
            "all roles together would be guaranteed {}, and the cluster has {}: guarantee less, add nodes, or set quota.force",
            in_words(&total),
            if capacity.is_empty() { "nothing yet".to_owned() } else { in_words(capacity) }
        );
        return Some((OVERCOMMITTED, message));
    }
    None
}

/// Quantities as people write them: `2 cpu and 512Mi memory`.
fn in_words(quantities: &Quantities) -> String {
    let word = |(name, amount)| match name {
        ResourceName::Cpus => format!("{} cpu", quantity::format_cpu(amount)),
        ResourceName::Mem => format!("{} memory", quantity::format_mib(amount)),
        ResourceName::Disk => format!("{} disk", quantity::format_mib(amount)),
        name => format!("{} {name}", quantity::format_cpu(amount)),
    };
    let words: Vec<String> = quantities.iter().map(word).collect();
    match words.split_last() {
        None => "nothing".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}
