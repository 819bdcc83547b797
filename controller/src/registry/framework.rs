//! Framework objects to the master's events.

use super::shelf::{Entry, object_key, uid_of};
use proffer_crds::{Delivery, Framework, FrameworkSpec, Strategy as ObjectStrategy};
use proffer_master::{Event, FrameworkObject, SchedulerKind, Strategy};
use std::time::Duration;

/// What a Framework object that is there tells the master.
pub(super) fn applied(entry: &Entry<Framework>) -> Event {
    let (key, uid) = (object_key(entry), uid_of(entry));
    let meta = entry.meta();
    if meta.deletion_timestamp.is_some() {
        return Event::FrameworkDeleted { key, uid };
    }
    let generation = meta.generation.unwrap_or_default();
    Event::FrameworkApplied(match entry.value() {
        Ok(framework) => {
            let spec = &framework.spec;
            FrameworkObject {
                key,
                uid,
                generation,
                scheduler: scheduler(spec),
                roles: spec.roles.clone(),
                offer_timeout: spec
                    .offer_timeout_seconds
                    .and_then(|seconds| u64::try_from(seconds).ok())
                    .filter(|&seconds| seconds > 0)
                    .map(Duration::from_secs),
                history_limit: usize::try_from(spec.history_limit).unwrap_or(0),
            }
        }
        Err(problem) => FrameworkObject {
            key,
            uid,
            generation,
            scheduler: Err(format!("the object does not have a Framework's form: {problem}")),
            roles: Vec::new(),
            offer_timeout: None,
            // Nothing of a framework that cannot be read is deleted.
            history_limit: usize::MAX,
        },
    })
}

/// What a Framework object that is gone tells the master.
pub(super) fn deleted(entry: &Entry<Framework>) -> Event {
    Event::FrameworkDeleted { key: object_key(entry), uid: uid_of(entry) }
}

fn scheduler(spec: &FrameworkSpec) -> Result<SchedulerKind, String> {
    if let Some(role) = spec.roles.iter().find(|role| role.as_str() != "*") {
        return Err(format!("role {role:?} does not exist: write roles: ['*'] or leave it out"));
    }
    if spec.roles.is_empty() {
        return Err("roles is empty: write roles: ['*'] or leave it out".to_owned());
    }
    match (&spec.scheduler.built_in, &spec.scheduler.external) {
        (Some(built_in), None) => Ok(SchedulerKind::BuiltIn(match built_in.strategy {
            ObjectStrategy::BinPack => Strategy::BinPack,
            ObjectStrategy::Spread => Strategy::Spread,
        })),
        (None, Some(external)) => match external.delivery {
            Delivery::Resource => Ok(SchedulerKind::OfferObjects),
        },
        _ => Err("choose one scheduler: either builtIn: {} or external: {delivery: Resource}".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::shelf::Entry;
    use serde_json::{Value, json};

    fn event(spec: &Value) -> Event {
        let object = json!({
            "apiVersion": "proffer.dev/v1alpha1",
            "kind": "Framework",
            "metadata": {"name": "hello", "namespace": "default", "uid": "u1", "resourceVersion": "5", "generation": 2},
            "spec": spec,
        });
        applied(&Entry::new(serde_json::from_value(object).unwrap()))
    }

    fn scheduler_of(spec: &Value) -> Result<SchedulerKind, String> {
        match event(spec) {
            Event::FrameworkApplied(framework) => framework.scheduler,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn schedulers_are_read() {
        for (spec, expected) in [
            (json!({}), SchedulerKind::BuiltIn(Strategy::BinPack)),
            (json!({"scheduler": {"builtIn": {"strategy": "Spread"}}}), SchedulerKind::BuiltIn(Strategy::Spread)),
            (json!({"scheduler": {"external": {"delivery": "Resource"}}}), SchedulerKind::OfferObjects),
        ] {
            assert_eq!(scheduler_of(&spec), Ok(expected), "{spec}");
        }
    }

    #[test]
    fn what_the_schema_would_have_refused_is_told() {
        for (spec, expected) in [
            (json!({"roles": ["eng"]}), "role \"eng\" does not exist: write roles: ['*'] or leave it out"),
            (json!({"roles": []}), "roles is empty: write roles: ['*'] or leave it out"),
            (json!({"scheduler": {}}), "choose one scheduler: either builtIn: {} or external: {delivery: Resource}"),
            (
                json!({"scheduler": {"builtIn": {"strategy": "Random"}}}),
                "the object does not have a Framework's form: unknown variant `Random`, expected `BinPack` or `Spread`",
            ),
            (
                json!({"historyLimit": "many"}),
                "the object does not have a Framework's form: invalid type: string \"many\", expected i32",
            ),
        ] {
            assert_eq!(scheduler_of(&spec), Err(expected.to_owned()), "{spec}");
        }
    }
}
