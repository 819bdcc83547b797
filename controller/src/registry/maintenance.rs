//! Maintenance objects to the master's events.

use super::shelf::{Entry, object_key, uid_of};
use crate::clock::{from_kubernetes, from_text};
use k8s_openapi::jiff::SignedDuration;
use proffer_crds::{Maintenance, MaintenanceSpec};
use proffer_master::{AgentName, Event, MaintenanceObject, MaintenanceTerms, Unavailability};

/// What a Maintenance object that is there tells the master.
pub(super) fn applied(entry: &Entry<Maintenance>) -> Event {
    let meta = entry.meta();
    let name = object_key(entry).name;
    if meta.deletion_timestamp.is_some() {
        return Event::MaintenanceDeleted { name, uid: uid_of(entry) };
    }
    Event::MaintenanceApplied(MaintenanceObject {
        name,
        uid: uid_of(entry),
        generation: meta.generation.unwrap_or_default(),
        created: from_kubernetes(meta.creation_timestamp.as_ref()),
        terms: match entry.value() {
            Ok(object) => terms(&object.spec),
            Err(problem) => Err(format!("the object does not have a Maintenance's form: {problem}")),
        },
    })
}

/// What a Maintenance object that is gone tells the master.
pub(super) fn deleted(entry: &Entry<Maintenance>) -> Event {
    Event::MaintenanceDeleted { name: object_key(entry).name, uid: uid_of(entry) }
}

fn terms(spec: &MaintenanceSpec) -> Result<MaintenanceTerms, String> {
    let start = &spec.window.start;
    let start = from_text(start).ok_or_else(|| format!("{start:?} is no time: write one as 2030-01-31T20:00:00Z"))?;
    let duration = spec.window.duration.as_deref().map(|text| {
        let read = text.parse::<SignedDuration>().ok().and_then(|duration| duration.try_into().ok());
        read.ok_or_else(|| format!("{text:?} is no duration: write 90m, 2h or 1h30m"))
    });
    if spec.agents.is_empty() {
        return Err("agents is empty: name at least one".to_owned());
    }
    Ok(MaintenanceTerms {
        window: Unavailability { start, duration: duration.transpose()? },
        agents: spec.agents.iter().map(|agent| AgentName(agent.clone())).collect(),
        started: spec.started,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proffer_crds::Window;
    use std::time::Duration;

    fn spec(start: &str, duration: &str, agents: &[&str]) -> MaintenanceSpec {
        let window = Window { start: start.to_owned(), duration: Some(duration.to_owned()) };
        MaintenanceSpec { window, agents: agents.iter().map(|&name| name.to_owned()).collect(), started: false }
    }

    #[test]
    fn windows_are_read_and_what_is_wrong_is_told() {
        let read = terms(&spec("2030-01-31T20:00:00Z", "1h30m", &["node1"])).unwrap();
        assert_eq!(read.window.duration, Some(Duration::from_mins(90)));
        assert_eq!(read.window.start.to_string(), "2030-01-31T20:00:00Z");
        for (wrong, expected) in [
            (spec("soon", "1h", &["node1"]), "\"soon\" is no time: write one as 2030-01-31T20:00:00Z"),
            (spec("2030-01-31T20:00:00Z", "long", &["node1"]), "\"long\" is no duration: write 90m, 2h or 1h30m"),
            (spec("2030-01-31T20:00:00Z", "1h", &[]), "agents is empty: name at least one"),
        ] {
            assert_eq!(terms(&wrong), Err(expected.to_owned()));
        }
    }
}
