//! Bags of resources: what an agent has, what an offer holds.

use crate::{Amount, Quantities, Ranges, Reservation, Resource, ResourceName, Resources, Role, Value};

/// Resources in canonical form (Mesos: `Resources`): what can be added is added, nothing is empty, and the order is fixed,
/// so that equal bags compare equal.
///
/// A shared volume may be in it several times, once for each that uses it; all others are there once.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceBag {
    items: Vec<Item>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Item {
    resource: Resource,
    /// How often it is there; more than once only if it is shared.
    copies: u32,
}

impl ResourceBag {
    /// An empty bag.
    #[must_use]
    pub const fn new() -> Self {
        Self { items: Vec::new() }
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The resources in it. A shared volume that is there several times is told once.
    pub fn iter(&self) -> impl Iterator<Item = &Resource> {
        self.items.iter().map(|item| &item.resource)
    }

    /// How often a resource is there; more than once only if it is shared.
    #[must_use]
    pub fn copies(&self, resource: &Resource) -> u32 {
        self.items.iter().find(|item| item.resource == *resource).map_or(0, |item| item.copies)
    }

    /// Adds one resource.
    pub fn add_one(&mut self, resource: Resource) {
        self.add_copies(resource, 1);
    }

    /// Adds all of `other`.
    pub fn add(&mut self, other: &Self) {
        if self.items.is_empty() {
            self.items.clone_from(&other.items);
            return;
        }
        for item in &other.items {
            self.add_copies_of(&item.resource, item.copies);
        }
    }

    fn add_copies_of(&mut self, resource: &Resource, copies: u32) {
        match self.items.iter_mut().find(|item| item.resource.can_add(resource)) {
            Some(item) => item.resource.value.add(&resource.value),
            None => self.add_copies(resource.clone(), copies),
        }
    }

    fn add_copies(&mut self, resource: Resource, copies: u32) {
        if resource.is_empty() {
            return;
        }
        if let Some(item) = self.items.iter_mut().find(|item| item.resource.can_add(&resource)) {
            item.resource.value.add(&resource.value);
            return;
        }
        let at = match self.items.binary_search_by(|item| item.resource.cmp(&resource)) {
            Ok(at) if resource.shared => {
                self.items[at].copies += copies;
                return;
            }
            Ok(at) | Err(at) => at,
        };
        self.items.insert(at, Item { resource, copies: if copies > 1 { copies } else { 1 } });
    }

    /// Takes away what is in `other`, as far as it is there (Mesos: `operator-=`).
    pub fn subtract(&mut self, other: &Self) {
        for item in &other.items {
            self.subtract_copies(&item.resource, item.copies);
        }
    }

    /// Takes away one resource, as far as it is there.
    pub fn subtract_one(&mut self, resource: &Resource) {
        self.subtract_copies(resource, 1);
    }

    fn subtract_copies(&mut self, resource: &Resource, copies: u32) {
        let divisible = resource.is_divisible();
        let found = self
            .items
            .iter()
            .position(|item| if divisible { item.resource.is_alike(resource) } else { item.resource == *resource });
        let Some(at) = found else { return };
        let item = &mut self.items[at];
        if divisible {
            item.resource.value.subtract(&resource.value);
        } else {
            item.copies = item.copies.saturating_sub(copies);
        }
        if item.copies == 0 || item.resource.is_empty() {
            self.items.remove(at);
        }
    }

    /// Both together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let mut sum = self.clone();
        sum.add(other);
        sum
    }

    /// What is left without `other`, as far as that is there.
    #[must_use]
    pub fn saturating_minus(&self, other: &Self) -> Self {
        let mut rest = self.clone();
        rest.subtract(other);
        rest
    }

    /// What is left without `other`, or `None` if that is not all here.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Option<Self> {
        self.contains(other).then(|| self.saturating_minus(other))
    }

    /// Whether all of `other` is in here.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        other.items.iter().all(|wanted| {
            let (mut has, mut copies) = (false, 0u32);
            for item in &self.items {
                if item.resource.contains(&wanted.resource) {
                    has = true;
                    copies = copies.saturating_add(item.copies);
                }
            }
            // Of whole disks that look the same there may be several, as items of their own.
            has && (wanted.resource.is_divisible() || copies >= other.copies_alike(&wanted.resource))
        })
    }

    fn copies_alike(&self, resource: &Resource) -> u32 {
        self.items.iter().filter(|item| item.resource == *resource).fold(0, |n, item| n.saturating_add(item.copies))
    }

    /// Those for which `keep` holds.
    #[must_use]
    pub fn filter(&self, mut keep: impl FnMut(&Resource) -> bool) -> Self {
        Self { items: self.items.iter().filter(|item| keep(&item.resource)).cloned().collect() }
    }

    /// Each changed by `change`, in canonical form again.
    #[must_use]
    pub fn map(&self, mut change: impl FnMut(Resource) -> Resource) -> Self {
        let mut bag = Self::new();
        for item in &self.items {
            bag.add_copies(change(item.resource.clone()), item.copies);
        }
        bag
    }

    /// What is reserved for nobody.
    #[must_use]
    pub fn unreserved(&self) -> Self {
        self.filter(|resource| resource.reserved_for().is_none())
    }

    /// What is reserved for exactly `role`.
    #[must_use]
    pub fn reserved_for(&self, role: &Role) -> Self {
        self.filter(|resource| resource.reserved_for() == Some(role))
    }

    /// What may be given to `role`: unreserved, or reserved for it or a role above.
    #[must_use]
    pub fn allocatable_to(&self, role: &Role) -> Self {
        self.filter(|resource| resource.is_allocatable_to(role))
    }

    /// All without reservations, added up (Mesos: `toUnreserved`).
    #[must_use]
    pub fn flatten(&self) -> Self {
        self.map(Resource::unreserved)
    }

    /// All with one more reservation on top.
    #[must_use]
    pub fn push_reservation(&self, reservation: &Reservation) -> Self {
        self.map(|resource| resource.reserved(reservation.clone()))
    }

    /// All without their last reservations.
    #[must_use]
    pub fn pop_reservation(&self) -> Self {
        self.map(Resource::unreserved_once)
    }

    /// All as offered or given to `role`.
    #[must_use]
    pub fn allocate(&self, role: &Role) -> Self {
        self.map(|resource| Resource { allocated_to: Some(role.clone()), ..resource })
    }

    /// All as if not offered or given to a role.
    #[must_use]
    pub fn unallocate(&self) -> Self {
        self.map(|resource| Resource { allocated_to: None, ..resource })
    }

    /// At most `target` of the scalars (Mesos: `shrinkResources`). What cannot be divided is there whole or not at all; what
    /// `target` does not name, and all that is not a scalar, is left out.
    #[must_use]
    pub fn shrink(&self, target: &Quantities) -> Self {
        let mut left = target.clone();
        let mut shrunk = Self::new();
        for Item { resource, copies } in &self.items {
            let Value::Scalar(has) = resource.value else { continue };
            let room = left.get(&resource.name);
            let takes = has.min(room);
            if takes.is_zero() || (takes < has && !resource.is_divisible()) {
                continue;
            }
            left.set(&resource.name, room.saturating_minus(takes));
            shrunk.add_copies(Resource { value: Value::Scalar(takes), ..resource.clone() }, *copies);
        }
        shrunk
    }

    /// The part of this bag that a request for `target` takes (Mesos: `Resources::find`), or `None` if there is too little.
    /// What is reserved as asked for is taken first, then the unreserved, then any other that `target`'s role may use.
    #[must_use]
    pub fn find(&self, target: &Self) -> Option<Self> {
        let (mut left, mut found) = (self.clone(), Self::new());
        for wanted in target.iter() {
            let mut missing = wanted.value.clone();
            let reserved = wanted.reserved_for();
            let wish = |resource: &Resource| resource.reserved_for() == reserved;
            let free = |resource: &Resource| resource.reserved_for().is_none();
            let usable = |resource: &Resource| reserved.is_some_and(|role| resource.is_allocatable_to(role));
            let passes: [&dyn Fn(&Resource) -> bool; 3] = [&wish, &free, &usable];
            for pass in passes {
                for resource in left.filter(|resource| may_stand_for(resource, wanted) && pass(resource)).iter() {
                    let Some(part) = resource.value.common(&missing).filter(|part| !part.is_empty()) else { continue };
                    if !resource.is_divisible() && part != resource.value {
                        continue;
                    }
                    missing.subtract(&part);
                    let taken = Resource { value: part, ..resource.clone() };
                    left.subtract_one(&taken);
                    found.add_one(taken);
                }
            }
            if !missing.is_empty() {
                return None;
            }
        }
        Some(found)
    }

    /// The sums of scalars by name, reserved or not.
    #[must_use]
    pub fn quantities(&self) -> Quantities {
        self.quantities_of(|_| true)
    }

    /// The sums by name of those scalars for which `which` holds.
    #[must_use]
    pub fn quantities_of(&self, mut which: impl FnMut(&Resource) -> bool) -> Quantities {
        let mut sum = Quantities::default();
        for item in &self.items {
            if let Value::Scalar(amount) = item.resource.value
                && which(&item.resource)
            {
                // A shared volume takes its disk once, however many use it.
                sum.add_one(&item.resource.name, amount);
            }
        }
        sum
    }

    /// All numbers of one name, reserved or not.
    #[must_use]
    pub fn ranges(&self, name: &ResourceName) -> Ranges {
        let mut all = Ranges::default();
        for item in &self.items {
            if let Value::Ranges(ranges) = &item.resource.value
                && item.resource.name == *name
            {
                all = if all.is_empty() { ranges.clone() } else { all.union(ranges) };
            }
        }
        all
    }

    /// Cores, memory, disk and ports of it, without regard to reservations.
    #[must_use]
    pub fn to_resources(&self) -> Resources {
        let Quantities { cpus, mem, disk, .. } = self.quantities();
        Resources { cpus, mem, disk, ports: self.ranges(&ResourceName::Ports) }
    }
}

/// Whether `resource` is what `wanted` asks for but for how much and for whom.
fn may_stand_for(resource: &Resource, wanted: &Resource) -> bool {
    resource.name == wanted.name
        && resource.value.is_same_type(&wanted.value)
        && resource.revocable == wanted.revocable
        && resource.shared == wanted.shared
        && resource.disk == wanted.disk
        && resource.provider == wanted.provider
        && resource.allocated_to == wanted.allocated_to
}

impl FromIterator<Resource> for ResourceBag {
    fn from_iter<I: IntoIterator<Item = Resource>>(iter: I) -> Self {
        let mut bag = Self::new();
        for resource in iter {
            bag.add_one(resource);
        }
        bag
    }
}

impl From<Resource> for ResourceBag {
    fn from(resource: Resource) -> Self {
        [resource].into_iter().collect()
    }
}

impl From<&Resources> for ResourceBag {
    /// The same, unreserved.
    fn from(flat: &Resources) -> Self {
        let mut items = Vec::with_capacity(4);
        let scalars = [(ResourceName::Cpus, flat.cpus), (ResourceName::Mem, flat.mem), (ResourceName::Disk, flat.disk)];
        for (name, amount) in scalars {
            if amount > Amount::ZERO {
                items.push(Item { resource: Resource::scalar(name, amount), copies: 1 });
            }
        }
        if !flat.ports.is_empty() {
            items.push(Item { resource: Resource::ports(flat.ports.clone()), copies: 1 });
        }
        Self { items }
    }
}

impl From<&Quantities> for ResourceBag {
    /// The same, unreserved.
    fn from(quantities: &Quantities) -> Self {
        quantities.iter().map(|(name, amount)| Resource::scalar(name, amount)).collect()
    }
}
