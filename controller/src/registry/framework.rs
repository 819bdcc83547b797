//! Framework objects to the master's events.

use super::shelf::{Entry, object_key, uid_of};
use crate::records;
use proffer_crds::{
    Capability, Delivery as ObjectDelivery, ExternalScheduler, Framework, FrameworkSpec, Strategy as ObjectStrategy,
};
use proffer_master::{Capabilities, Delivery, Event, FrameworkObject, ObjectKey, SchedulerKind, Strategy};
use proffer_resources::Role;
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
            if let Some(external) =
                spec.scheduler.external.as_ref().filter(|external| external.delivery == ObjectDelivery::Stream)
            {
                return Event::FrameworkApplied(over_stream(framework, external, key, uid));
            }
            let (roles, problem) = match roles(spec) {
                Ok(roles) => (roles, None),
                Err(problem) => (vec![Role::any()], Some(problem)),
            };
            FrameworkObject {
                generation,
                roles,
                capabilities: capabilities(spec),
                offer_timeout: offer_timeout(spec),
                history_limit: usize::try_from(spec.history_limit).unwrap_or(0),
                ..FrameworkObject::new(key, uid, problem.map_or_else(|| scheduler(spec), Err))
            }
        }
        Err(problem) => FrameworkObject {
            generation,
            // Nothing of a framework that cannot be read is deleted.
            history_limit: usize::MAX,
            ..FrameworkObject::new(key, uid, Err(format!("the object does not have a Framework's form: {problem}")))
        },
    })
}

/// A framework that is served over a stream.
fn over_stream(framework: &Framework, external: &ExternalScheduler, key: ObjectKey, uid: String) -> FrameworkObject {
    let object = match records::stream::framework_object(framework, external) {
        Ok(stream) => proffer_master::framework_object(key, uid, stream),
        Err(problem) => FrameworkObject::new(key, uid, Err(problem)),
    };
    FrameworkObject {
        generation: framework.metadata.generation.unwrap_or_default(),
        offer_timeout: offer_timeout(&framework.spec),
        history_limit: usize::try_from(framework.spec.history_limit).unwrap_or(0),
        ..object
    }
}

fn offer_timeout(spec: &FrameworkSpec) -> Option<Duration> {
    let seconds = spec.offer_timeout_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    seconds.filter(|&seconds| seconds > 0).map(Duration::from_secs)
}

/// What a Framework object that is gone tells the master.
pub(super) fn deleted(entry: &Entry<Framework>) -> Event {
    Event::FrameworkDeleted { key: object_key(entry), uid: uid_of(entry) }
}

fn roles(spec: &FrameworkSpec) -> Result<Vec<Role>, String> {
    let mut roles = Vec::new();
    for text in &spec.roles {
        let role = Role::new(text).map_err(|error| error.to_string())?;
        if !roles.contains(&role) {
            roles.push(role);
        }
    }
    if roles.is_empty() {
        return Err("roles is empty: write roles: ['*'] or leave it out".to_owned());
    }
    Ok(roles)
}

fn capabilities(spec: &FrameworkSpec) -> Capabilities {
    let has = |capability| spec.capabilities.contains(&capability);
    Capabilities {
        revocable: has(Capability::RevocableResources),
        gpus: has(Capability::GpuResources),
        shared: has(Capability::SharedResources),
        refinement: has(Capability::ReservationRefinement),
        region_aware: has(Capability::RegionAware),
    }
}

fn scheduler(spec: &FrameworkSpec) -> Result<SchedulerKind, String> {
    match (&spec.scheduler.built_in, &spec.scheduler.external) {
        (Some(built_in), None) => Ok(SchedulerKind::BuiltIn(match built_in.strategy {
            ObjectStrategy::BinPack => Strategy::BinPack,
            ObjectStrategy::Spread => Strategy::Spread,
        })),
        (None, Some(external)) => match external.delivery {
            ObjectDelivery::Resource => Ok(SchedulerKind::External(Delivery::Objects)),
            ObjectDelivery::Stream => Ok(SchedulerKind::External(Delivery::Stream)),
        },
        _ => Err("choose one scheduler: either builtIn: {} or external: {delivery: Resource} or external: {delivery: Stream}".to_owned()),
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
            (json!({"scheduler": {"external": {"delivery": "Resource"}}}), SchedulerKind::External(Delivery::Objects)),
        ] {
            assert_eq!(scheduler_of(&spec), Ok(expected), "{spec}");
        }
    }

    #[test]
    fn roles_and_capabilities_are_read() {
        let spec = json!({"roles": ["eng/a", "*", "eng/a"], "capabilities": ["SharedResources", "RegionAware"]});
        let Event::FrameworkApplied(framework) = event(&spec) else { panic!("not applied") };
        assert_eq!(framework.roles.iter().map(Role::as_str).collect::<Vec<_>>(), ["eng/a", "*"]);
        let expected = Capabilities { shared: true, region_aware: true, ..Capabilities::default() };
        assert_eq!(framework.capabilities, expected);
    }

    #[test]
    fn what_the_schema_would_have_refused_is_told() {
        for (spec, expected) in [
            (
                json!({"roles": ["eng//a"]}),
                "role \"eng//a\" begins or ends with / or has //: write a role as eng or eng/analytics",
            ),
            (json!({"roles": []}), "roles is empty: write roles: ['*'] or leave it out"),
            (
                json!({"scheduler": {}}),
                "choose one scheduler: either builtIn: {} or external: {delivery: Resource} or external: {delivery: Stream}",
            ),
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
