//! What an operator sets.

use proffer_resources::{Amount, Quantities, ResourceName};
use std::collections::BTreeSet;
use std::time::Duration;

/// In which order roles, or the frameworks of a role, get offers (Mesos: `--role_sorter`, `--framework_sorter`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sorter {
    /// Who has the smallest dominant share comes first (`drf`).
    #[default]
    Drf,
    /// Chance decides, in proportion to weights (`random`).
    Random,
}

/// What an operator sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// An offer is worth making if it holds all of one of these (Mesos: `min_allocatable_resources`). Empty: any is.
    pub min_allocatable: Vec<Quantities>,
    /// The order of roles.
    pub role_sorter: Sorter,
    /// The order of the frameworks of a role.
    pub framework_sorter: Sorter,
    /// Resources that shares do not count (Mesos: `fair_sharing_excluded_resource_names`).
    pub excluded_from_shares: BTreeSet<ResourceName>,
    /// Whether agents with GPUs are kept for frameworks that say they know of GPUs (Mesos: `filter_gpu_resources`).
    pub filter_gpus: bool,
    /// The region of the master: agents elsewhere are offered to frameworks only that say they know of regions.
    pub region: Option<String>,
    /// Shortest time between two runs; zero: a run after every event (Mesos: `allocation_interval`, 1 s).
    pub interval: Duration,
    /// How long an offer is left alone before it may be taken back for a framework that has less.
    pub min_hold: Duration,
    /// Where chance begins. `None`: agents are gone through in the order in which they came.
    pub seed: Option<u64>,
}

impl Default for Settings {
    /// Mesos' defaults, and a run after every event.
    fn default() -> Self {
        Self {
            min_allocatable: vec![
                Quantities::of(Amount::from_thousandths(10), Amount::ZERO),
                Quantities::of(Amount::ZERO, Amount::from_units(32)),
            ],
            role_sorter: Sorter::Drf,
            framework_sorter: Sorter::Drf,
            excluded_from_shares: BTreeSet::new(),
            filter_gpus: true,
            region: None,
            interval: Duration::ZERO,
            min_hold: Duration::from_secs(1),
            seed: None,
        }
    }
}
