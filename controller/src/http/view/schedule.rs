//! Which agents will not be there when, as the Maintenance objects say.

use crate::clock::from_text;
use crate::registry::Entry;
use k8s_openapi::jiff::SignedDuration;
use proffer_crds::{Maintenance, MaintenancePhase, Window};
use proffer_mesos_api::v1::{DurationInfo, TimeInfo, Unavailability};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Label of the objects that were made of one schedule: the number of the window that its agents are in.
pub(in crate::http) const WINDOW_LABEL: &str = "proffer.dev/maintenance-window";

/// An agent for which maintenance is planned or has begun.
#[derive(Clone, Debug)]
pub(in crate::http) struct Machine {
    /// The object that counts for it.
    pub(in crate::http) entry: Arc<Entry<Maintenance>>,
    /// When it will not be there.
    pub(in crate::http) unavailability: Unavailability,
    /// Whether that has begun.
    pub(in crate::http) down: bool,
    /// Which window of the schedule it is in: machines of the same window have the same.
    pub(in crate::http) window: (u64, String),
}

impl Machine {
    /// Whether it is to be left now: its window is not over.
    pub(in crate::http) fn draining(&self) -> bool {
        let phase = self.entry.value().ok().and_then(|object| object.status.as_ref()?.phase);
        !self.down && phase != Some(MaintenancePhase::Up)
    }
}

/// The agents that are in the schedule, by their names. Of two objects for one agent the older counts, as for the master.
pub(in crate::http) fn machines(entries: &[Arc<Entry<Maintenance>>]) -> BTreeMap<String, Machine> {
    let mut entries: Vec<&Arc<Entry<Maintenance>>> =
        entries.iter().filter(|entry| entry.meta().deletion_timestamp.is_none()).collect();
    entries.sort_by_key(|entry| (entry.meta().creation_timestamp.as_ref().map(|time| time.0), &entry.meta().name));
    let mut machines = BTreeMap::new();
    for entry in entries {
        let Ok(object) = entry.value() else { continue };
        let Some(unavailability) = unavailability(&object.spec.window) else { continue };
        let window = window_of(entry);
        for agent in &object.spec.agents {
            machines.entry(agent.clone()).or_insert_with(|| Machine {
                entry: Arc::clone(entry),
                unavailability,
                down: object.spec.started,
                window: window.clone(),
            });
        }
    }
    machines
}

/// The window's number in the schedule that its object was made of; an object that was made otherwise is a window of its own,
/// after those.
fn window_of(entry: &Entry<Maintenance>) -> (u64, String) {
    let number = entry.meta().labels.as_ref().and_then(|labels| labels.get(WINDOW_LABEL)?.parse().ok());
    number.map_or_else(|| (u64::MAX, entry.meta().name.clone().unwrap_or_default()), |number| (number, String::new()))
}

/// A window as messages have it; nothing if the object does not have one.
fn unavailability(window: &Window) -> Option<Unavailability> {
    let start = from_text(&window.start)?;
    let duration = match &window.duration {
        None => None,
        Some(text) => {
            let nanoseconds = text.parse::<SignedDuration>().ok()?.as_nanos();
            Some(DurationInfo { nanoseconds: i64::try_from(nanoseconds).ok()? })
        }
    };
    let nanoseconds = start.0.checked_mul(1000)?;
    Some(Unavailability { start: TimeInfo { nanoseconds }, duration })
}
