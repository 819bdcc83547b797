//! What is written straight is the message that would be built.

use super::super::authorize::Sight;
use super::super::encoding::Encoding;
use super::super::view::{Snapshot, View};
use super::fields::message;
use super::{large, messages};
use crate::registry::{Entry, Everything};
use proffer_master::Epoch;
use proffer_mesos_api::{decode, json, v1};
use proffer_resources::ResourceBag;
use serde_json::{Value, json};
use std::sync::Arc;

fn entry<K: serde::de::DeserializeOwned + kube::Resource>(value: Value) -> Arc<Entry<K>>
where
    crate::registry::Guarded<K>: serde::de::DeserializeOwned,
{
    Arc::new(Entry::new(serde_json::from_value(value).unwrap()))
}

fn framework() -> Value {
    json!({
        "apiVersion": "proffer.dev/v1alpha1", "kind": "Framework",
        "metadata": {"name": "fw", "namespace": "ns"}, "spec": {}, "status": {"frameworkId": "fw-1"},
    })
}

fn task(name: &str, spec: &Value, status: &Value) -> Value {
    let mut whole = json!({"frameworkRef": {"name": "fw"}, "command": {"value": "true"}});
    for (key, value) in spec.as_object().unwrap() {
        whole[key] = value.clone();
    }
    json!({
        "apiVersion": "proffer.dev/v1alpha1", "kind": "Task",
        "metadata": {"name": name, "namespace": "ns", "uid": format!("uid-{name}")}, "spec": whole, "status": status,
    })
}

#[test]
fn a_task_is_the_same_written_straight_and_built() {
    let status = |state: &str, more: &Value| {
        let mut status = json!({"masterEpoch": 1, "state": state, "agent": {"name": "n", "id": "a"}});
        for (key, value) in more.as_object().unwrap() {
            status[key] = value.clone();
        }
        status
    };
    let (running, completed) = ("2026-11-22T15:42:00.500000Z", "2026-11-22T15:44:00.250000Z");
    let tasks = [
        task("staging", &json!({}), &status("Staging", &json!({}))),
        task(
            "runs",
            &json!({
                "user": "dämon", "resources": {"cpu": "1500m", "memory": "1Gi", "disk": "10Gi"},
                "limits": {"cpu": "2", "memory": "2Gi"},
            }),
            &status(
                "Running",
                &json!({
                    "ports": [31000, 31001, 31005], "times": {"running": running},
                    "agent": {"name": "n", "id": "a", "address": "10.0.0.7"},
                }),
            ),
        ),
        task(
            "failed",
            &json!({}),
            &status(
                "Failed",
                &json!({
                    "times": {"running": running, "completed": completed}, "message": "exited with 3\nor \"so\"",
                    "reason": "ContainerLimitationMemory", "agent": {"name": "n", "id": "a", "address": "fd00::7"},
                }),
            ),
        ),
        task("away", &json!({}), &status("Unreachable", &json!({"times": {"running": running}}))),
    ];
    let held = "cpus(eng):1;mem:32".parse::<ResourceBag>().unwrap().to_json().to_string();
    let tasks = tasks.into_iter().chain([task(
        "reserved",
        &json!({"role": "eng/a"}),
        &status("Running", &json!({"role": "eng/a", "held": held, "times": {"running": running}})),
    )]);
    let mut launched = task("object-name", &json!({}), &json!(null));
    launched["spec"]["placement"] = json!({
        "agent": {"name": "n", "id": "a"}, "containerId": "c", "role": "eng", "masterEpoch": 1,
        "at": "2026-11-22T15:41:00.000000Z",
    });
    launched["spec"]["taskInfo"] = json!({
        "name": "web", "task_id": {"value": "web.1"}, "agent_id": {"value": "a"},
        "executor": {"executor_id": {"value": "e"}},
        "labels": {"labels": [{"key": "tier", "value": "front"}]},
        "discovery": {"visibility": "CLUSTER", "name": "web"},
        "kill_policy": {"grace_period": {"nanoseconds": 5_000_000_000_i64}},
    });
    let tasks = tasks.chain([launched]);
    let tasks: Vec<_> = tasks.map(entry).collect();
    let count = tasks.len();
    let objects = Everything { frameworks: vec![entry(framework())], tasks, ..Everything::default() };
    let snapshot = Snapshot::of(objects, Epoch(1));
    let view = View::of(&snapshot, &Sight::ALL);
    let mut seen = 0;
    for (framework, one) in view.tasks() {
        let built = messages::task(framework, one);
        if one.id == "reserved" {
            let roles = |resource: &v1::Resource| {
                let allocated = resource.allocation_info.as_ref().and_then(|info| info.role.clone());
                (resource.reservations.iter().map(|of| of.role().to_owned()).collect::<Vec<_>>(), allocated)
            };
            let told: Vec<_> = built.resources.iter().map(roles).collect();
            let expected = |reserved: &[&str]| {
                (reserved.iter().map(ToString::to_string).collect::<Vec<_>>(), Some("eng/a".to_owned()))
            };
            assert_eq!(told, [expected(&["eng"]), expected(&[])]);
        }
        let text = message(Encoding::Json, |out| large::task(out, framework, one));
        assert_eq!(
            serde_json::from_slice::<Value>(&text).unwrap(),
            serde_json::from_str::<Value>(&json::encode(&built)).unwrap(),
            "{}",
            one.id
        );
        let bytes = message(Encoding::Protobuf, |out| large::task(out, framework, one));
        assert_eq!(decode::<v1::Task>(&bytes), Ok(built.clone()), "{}", one.id);
        if one.object.spec.placement.is_some() {
            assert_eq!((built.name.as_str(), built.task_id.value.as_str()), ("web", "web.1"));
            assert_eq!(built.executor_id.map(|id| id.value).as_deref(), Some("e"));
            assert_eq!(built.labels.unwrap().labels[0].value(), "front");
        }
        seen += 1;
    }
    assert_eq!(seen, count);
}
