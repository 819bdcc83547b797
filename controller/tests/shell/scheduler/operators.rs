//! What operators reserve over HTTP: carried out by the master, and answered once it is written.

use super::world::World;
use crate::operator::cluster;
use serde_json::{Value, json};
use std::time::Duration;

fn cpus(amount: f64, role: Option<&str>) -> Value {
    let mut resource = json!({"name": "cpus", "type": "SCALAR", "scalar": {"value": amount}});
    if let Some(role) = role {
        resource["reservations"] = json!([{"type": "DYNAMIC", "role": role}]);
    }
    resource
}

fn of(kind: &str, resources: &Value) -> Value {
    let field = if kind.ends_with("VOLUMES") { "volumes" } else { "resources" };
    json!({"type": kind, kind.to_lowercase(): {"agent_id": {"value": "id-of-node1"}, field: resources}})
}

/// Waits until `/slaves` says this of the agent.
async fn until(world: &World, what: &str, holds: impl Fn(&Value) -> bool) {
    for _ in 0..500 {
        if holds(&world.served.get("/slaves").await.json()["slaves"][0]) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not in five seconds: {what}: {}", world.served.get("/slaves").await.text());
}

#[tokio::test]
async fn an_operator_reserves_and_unreserves() {
    let world = World::with(vec![cluster::agent("node1", "id-of-node1", "True", "Registered")]).await;
    let _agent = world.agent("node1", vec![]).await;
    let served = &world.served;
    let two = json!([cpus(2.0, Some("eng"))]);
    assert_eq!(served.call(&of("RESERVE_RESOURCES", &two)).await, (202, String::new()));
    let spec = world.object("reservations", |_| true).await["spec"].clone();
    assert_eq!(
        (&spec["agent"], &spec["role"], &spec["resources"]["cpu"]),
        (&json!("node1"), &json!("eng"), &json!("2"))
    );
    until(&world, "cores are reserved", |agent| agent["reserved_resources"]["eng"]["cpus"] == 2.0).await;
    until(&world, "others are not", |agent| agent["unreserved_resources"]["cpus"] == 2.0).await;
    let full = served.get("/slaves").await.json()["slaves"][0]["reserved_resources_full"]["eng"][0].clone();
    assert_eq!((&full["name"], &full["scalar"]["value"]), (&json!("cpus"), &json!(2.0)));
    let told = served.read("GET_AGENTS").await["agents"][0]["total_resources"].clone();
    assert!(told.as_array().unwrap().iter().any(|one| one["reservations"][0]["role"] == "eng"), "{told}");

    let three = json!([cpus(3.0, Some("eng"))]);
    let (status, why) = served.call(&of("RESERVE_RESOURCES", &three)).await;
    assert_eq!(status, 409, "{why}");
    let form = format!("slaveId=id-of-node1&resources={two}");
    let form = served.ask("POST", "/unreserve", &[], form.as_bytes()).await;
    assert_eq!((form.status, form.text().as_str()), (202, ""));
    until(&world, "nothing is reserved", |agent| agent["reserved_resources"] == json!({})).await;
}

#[tokio::test]
async fn an_operation_that_cannot_be_says_why() {
    let world = World::with(vec![cluster::agent("node1", "id-of-node1", "True", "Registered")]).await;
    let _agent = world.agent("node1", vec![]).await;
    let volume = json!([{
        "name": "disk", "type": "SCALAR", "scalar": {"value": 1.0},
        "reservations": [{"type": "DYNAMIC", "role": "eng"}],
        "disk": {"persistence": {"id": "v"}, "volume": {"mode": "RW", "container_path": "v"}},
    }]);
    for (call, told) in [
        (
            of("RESERVE_RESOURCES", &json!([cpus(1.0, None)])),
            "Invalid RESERVE operation on agent id-of-node1 at slave(1)@10.",
        ),
        (of("UNRESERVE_RESOURCES", &json!([cpus(1.0, None)])), "Invalid UNRESERVE operation: "),
        (of("DESTROY_VOLUMES", &volume), "Invalid DESTROY operation: Persistent volumes not found"),
    ] {
        let (status, why) = world.served.call(&call).await;
        assert_eq!(status, 400, "{why}");
        assert!(why.starts_with(told), "{why}");
    }
    let (status, why) = world.served.call(&of("CREATE_VOLUMES", &volume)).await;
    assert_eq!(status, 409, "there is no such disk: {why}");
    assert_eq!(world.server.all("reservations"), Vec::<Value>::new());
}
