//! Reservations: resources that are for one role, and the roles below it, only.

use crate::Role;

/// Who made a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReservationKind {
    /// The agent, in its own settings: it cannot be undone.
    Static,
    /// A framework or an operator: it can be undone by UNRESERVE.
    Dynamic,
}

/// Keys, each with a value or none, in the order in which they were given (Mesos: `Labels`; the order counts there too).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(pub Vec<(String, Option<String>)>);

/// One reservation. A resource may have several, each for a role below the one before: a stack, of which the last counts
/// (Mesos: reservation refinement).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reservation {
    /// Who made it.
    pub kind: ReservationKind,
    /// For whom.
    pub role: Role,
    /// The principal that made it, if it had one.
    pub principal: Option<String>,
    /// What its maker wrote on it.
    pub labels: Labels,
}

impl Reservation {
    /// A reservation that the agent made in its settings.
    #[must_use]
    pub fn fixed(role: Role) -> Self {
        Self { kind: ReservationKind::Static, role, principal: None, labels: Labels::default() }
    }

    /// A reservation that can be undone.
    #[must_use]
    pub fn dynamic(role: Role, principal: Option<&str>) -> Self {
        let principal = principal.map(ToOwned::to_owned);
        Self { kind: ReservationKind::Dynamic, role, principal, labels: Labels::default() }
    }
}
