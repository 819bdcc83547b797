//! The registry: what the leader hears of objects.

use crate::api_server::{ApiServer, eventually};
use kube::Api;
use proffer_controller::metrics::Metrics;
use proffer_controller::registry::{Heard, Registry, Watches, fresh_list};
use proffer_crds::{Framework, Offer, Task};
use proffer_master::{Epoch, Event, ObjectKey};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

fn framework(name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "proffer.dev/v1alpha1", "kind": "Framework",
        "metadata": {"name": name, "namespace": "ns", "uid": format!("uid-{name}"), "generation": 1},
        "spec": spec,
    })
}

async fn watch(server: &ApiServer) -> (Arc<Registry>, Watches) {
    let (registry, client) = (Registry::new(), server.client());
    let mut watches = Watches::new(Arc::clone(&registry), Arc::new(Metrics::new()), Duration::from_secs(30));
    watches.start::<Framework>(&client, Api::all(client.clone()), None);
    watches.start::<Task>(&client, Api::all(client.clone()), None);
    watches.start::<Offer>(&client, Api::all(client.clone()), None);
    watches.synced().await;
    (registry, watches)
}

fn listen(registry: &Registry) -> mpsc::UnboundedReceiver<Heard> {
    let (sender, heard) = mpsc::unbounded_channel();
    registry.attach(Epoch(5), sender);
    heard
}

/// The next thing that is heard, in a word.
async fn next(heard: &mut mpsc::UnboundedReceiver<Heard>) -> String {
    let next = tokio::time::timeout(Duration::from_secs(10), heard.recv()).await.unwrap().unwrap();
    match next {
        Heard::Event(Event::FrameworkApplied(framework)) => {
            format!("framework {} {}", framework.key.name, if framework.scheduler.is_ok() { "good" } else { "bad" })
        }
        Heard::Event(Event::FrameworkDeleted { uid, .. }) => format!("framework gone {uid}"),
        Heard::Task(Event::TaskApplied(task), _) => format!("task {}", task.id.key.name),
        Heard::Malformed { .. } => "malformed".to_owned(),
        Heard::VoidOffer(offer) => format!("void {}", offer.0.name),
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn one_malformed_object_does_not_stop_the_others() {
    let server = ApiServer::default();
    server.put(framework("a", &json!({})));
    server.put(framework("b", &json!({"roles": "not a list"})));
    let (registry, _watches) = watch(&server).await;
    let mut heard = listen(&registry);
    assert_eq!(next(&mut heard).await, "framework a good");
    assert_eq!(next(&mut heard).await, "framework b bad");
    assert_eq!(next(&mut heard).await, "malformed");
    server.put(framework("c", &json!({})));
    assert_eq!(next(&mut heard).await, "framework c good");
}

#[tokio::test]
async fn what_happened_while_a_watch_was_blind_is_told_after_it() {
    let server = ApiServer::default();
    for name in ["a", "b"] {
        server.put(framework(name, &json!({})));
    }
    let (registry, _watches) = watch(&server).await;
    let mut heard = listen(&registry);
    assert_eq!(next(&mut heard).await, "framework a good");
    assert_eq!(next(&mut heard).await, "framework b good");
    // Both in one moment, then the history is forgotten: the watch gets a 410 and must list again.
    server.delete("frameworks", "ns", "a");
    server.put(framework("c", &json!({})));
    server.compact();
    let mut told = vec![next(&mut heard).await, next(&mut heard).await];
    told.sort();
    assert_eq!(told, ["framework c good", "framework gone uid-a"]);
}

#[tokio::test]
async fn a_new_leader_hears_of_everything_in_order_and_of_offers_that_are_void() {
    let server = ApiServer::default();
    server.put(json!({
        "apiVersion": "proffer.dev/v1alpha1", "kind": "Task",
        "metadata": {"name": "t", "namespace": "ns", "uid": "t1"},
        "spec": {"frameworkRef": {"name": "a"}, "command": {"value": "true"}},
    }));
    for (name, epoch) in [("old", 4), ("own", 5)] {
        server.put(json!({
            "apiVersion": "proffer.dev/v1alpha1", "kind": "Offer",
            "metadata": {"name": name, "namespace": "ns", "uid": name},
            "spec": {"terms": {
                "framework": "a", "role": "*", "expiresAt": "2026-11-22T15:40:00Z", "masterEpoch": epoch,
                "agent": {"name": "node1", "id": "a1"},
                "resources": {"cpu": "1", "memory": "64Mi", "disk": "0Mi", "ports": "[]"},
            }},
        }));
    }
    let (registry, _watches) = watch(&server).await;
    server.put(framework("a", &json!({})));
    fresh_list::<Framework>(&registry, &server.client()).await.unwrap();
    assert_eq!(registry.highest_epoch(), Epoch(5));
    let mut heard = listen(&registry);
    assert_eq!(next(&mut heard).await, "framework a good");
    assert_eq!(next(&mut heard).await, "task t");
    assert_eq!(next(&mut heard).await, "void old");
    server.put(framework("b", &json!({})));
    assert_eq!(next(&mut heard).await, "framework b good", "nothing is told twice");
}

#[tokio::test]
async fn sandboxes_are_found_by_any_path_below_them() {
    let server = ApiServer::default();
    let (registry, _watches) = watch(&server).await;
    server.put(json!({
        "apiVersion": "proffer.dev/v1alpha1", "kind": "Task",
        "metadata": {"name": "t", "namespace": "ns", "uid": "t1"},
        "spec": {"frameworkRef": {"name": "a"}, "command": {"value": "true"}},
        "status": {"masterEpoch": 5, "state": "Running", "sandbox": "/var/lib/proffer/slaves/a1/t1"},
    }));
    eventually("the task is known", || registry.get::<Task>(&ObjectKey::new("ns", "t"))).await;
    for (path, found) in [
        ("/var/lib/proffer/slaves/a1/t1", true),
        ("/var/lib/proffer/slaves/a1/t1/", true),
        ("/var/lib/proffer/slaves/a1/t1/logs/stdout", true),
        ("/var/lib/proffer/slaves/a1/t10", false),
        ("/var/lib/proffer/slaves/a1", false),
        ("/", false),
        ("", false),
    ] {
        assert_eq!(registry.task_of_sandbox(path).is_some(), found, "{path}");
    }
    server.delete("tasks", "ns", "t");
    eventually("the task is gone", || {
        registry.task_of_sandbox("/var/lib/proffer/slaves/a1/t1").is_none().then_some(())
    })
    .await;
}
