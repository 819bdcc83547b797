//! One resource with all that is known of it.

use crate::{Amount, DiskInfo, Ranges, Reservation, ResourceName, Role, Value};
use std::sync::Arc;

/// One resource of an agent, an offer or a task (Mesos: `Resource`).
///
/// What is rare is behind an [`Arc`], so that copies of it cost no allocation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resource {
    /// What it is.
    pub name: ResourceName,
    /// Its reservations, from the first to the one that counts. `None` if it has none.
    pub(crate) reservations: Option<Arc<[Reservation]>>,
    /// What is known of a disk.
    pub disk: Option<Arc<DiskInfo>>,
    /// Whether it may be taken back at any time (oversubscribed resources).
    pub revocable: bool,
    /// Whether several tasks may use it at once: a shared persistent volume.
    pub shared: bool,
    /// The role that it is offered or given to, once it is (Mesos: `AllocationInfo`).
    pub allocated_to: Option<Role>,
    /// The resource provider on the agent that it comes from; `None` if it is the agent's own.
    pub provider: Option<Arc<str>>,
    /// How much, or which. Last, so that the order of resources is by kind first.
    pub value: Value,
}

impl Resource {
    /// An unreserved resource.
    #[must_use]
    pub fn new(name: impl Into<ResourceName>, value: Value) -> Self {
        Self {
            name: name.into(),
            reservations: None,
            disk: None,
            revocable: false,
            shared: false,
            allocated_to: None,
            provider: None,
            value,
        }
    }

    /// So many units of an unreserved scalar.
    #[must_use]
    pub fn scalar(name: impl Into<ResourceName>, amount: Amount) -> Self {
        Self::new(name, Value::Scalar(amount))
    }

    /// Unreserved ports.
    #[must_use]
    pub fn ports(ports: Ranges) -> Self {
        Self::new(ResourceName::Ports, Value::Ranges(ports))
    }

    /// The same with another value: as much, or which, of the same kind.
    #[must_use]
    pub fn with_value(mut self, value: Value) -> Self {
        self.value = value;
        self
    }

    /// The same with one more reservation on top (Mesos: `pushReservation`).
    #[must_use]
    pub fn reserved(mut self, reservation: Reservation) -> Self {
        self.reservations = Some(self.reservations().iter().cloned().chain([reservation]).collect());
        self
    }

    /// The same without its last reservation (Mesos: `popReservation`); unchanged if it has none.
    #[must_use]
    pub fn unreserved_once(mut self) -> Self {
        self.reservations = match self.reservations() {
            [] | [_] => None,
            [below @ .., _] => Some(below.into()),
        };
        self
    }

    /// The same without reservations.
    #[must_use]
    pub fn unreserved(mut self) -> Self {
        self.reservations = None;
        self
    }

    /// The same with what is known of its disk.
    #[must_use]
    pub fn on_disk(mut self, disk: DiskInfo) -> Self {
        self.disk = Some(Arc::new(disk));
        self
    }

    /// The same, revocable.
    #[must_use]
    pub fn as_revocable(mut self) -> Self {
        self.revocable = true;
        self
    }

    /// The same, usable by several tasks at once.
    #[must_use]
    pub fn as_shared(mut self) -> Self {
        self.shared = true;
        self
    }

    /// Its reservations, from the first to the one that counts.
    #[must_use]
    pub fn reservations(&self) -> &[Reservation] {
        self.reservations.as_deref().unwrap_or_default()
    }

    /// The role that it is reserved for, if it is.
    #[must_use]
    pub fn reserved_for(&self) -> Option<&Role> {
        self.reservations().last().map(|reservation| &reservation.role)
    }

    /// Whether it may be given to `role`: it is unreserved, or reserved for that role or one above it.
    #[must_use]
    pub fn is_allocatable_to(&self, role: &Role) -> bool {
        self.reserved_for().is_none_or(|reserved| role.may_use(reserved))
    }

    /// Whether it is a persistent volume.
    #[must_use]
    pub fn is_persistent_volume(&self) -> bool {
        self.disk.as_ref().is_some_and(|disk| disk.persistence.is_some())
    }

    /// Whether there is nothing of it. A persistent volume is something even if it is small.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.value.is_empty()
    }

    /// The amount of a scalar; nothing for others.
    #[must_use]
    pub fn amount(&self) -> Amount {
        match self.value {
            Value::Scalar(amount) => amount,
            _ => Amount::ZERO,
        }
    }

    /// Whether the two differ at most in how much of it there is.
    #[must_use]
    pub fn is_alike(&self, other: &Self) -> bool {
        self.name == other.name
            && self.value.is_same_type(&other.value)
            && self.revocable == other.revocable
            && self.shared == other.shared
            && same(self.reservations.as_ref(), other.reservations.as_ref())
            && same(self.disk.as_ref(), other.disk.as_ref())
            && self.allocated_to == other.allocated_to
            && self.provider == other.provider
    }

    /// Whether it can be given away in parts: not a volume, not a whole disk.
    #[must_use]
    pub fn is_divisible(&self) -> bool {
        !self.shared && !self.disk.as_ref().is_some_and(|disk| disk.is_indivisible())
    }

    /// Whether the two have a sum that is one resource.
    #[must_use]
    pub fn can_add(&self, other: &Self) -> bool {
        self.is_alike(other) && self.is_divisible()
    }

    /// Whether `other` is part of this: alike and as much or less, or, of what cannot be divided, the same.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        self.is_alike(other)
            && if self.is_divisible() { self.value.contains(&other.value) } else { self.value == other.value }
    }
}

/// Equality that looks at addresses first.
fn same<T: PartialEq + ?Sized>(one: Option<&Arc<T>>, other: Option<&Arc<T>>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => Arc::ptr_eq(one, other) || one == other,
        _ => false,
    }
}
