//! The life of a framework and its tasks.

use super::world::{World, accept, info, status, task, uuid_of};
use crate::link::TestAgent;
use k8s_openapi::api::authentication::v1::{TokenReviewStatus, UserInfo};
use proffer_agent_link::v1::{self, from_agent, from_master};
use serde_json::{Value, json};
use std::time::Duration;

/// The next launch that an agent gets; preparations are passed over.
async fn launch(agent: &mut TestAgent) -> v1::Launch {
    loop {
        match agent.hears().await.unwrap() {
            from_master::Message::Launch(launch) => return launch,
            from_master::Message::Prepare(_) | from_master::Message::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn says(agent: &TestAgent, update: v1::StatusUpdate) {
    agent.say(from_agent::Message::StatusUpdate(update)).await;
}

/// UUID of the next acknowledgement.
async fn acknowledged(agent: &mut TestAgent) -> Vec<u8> {
    loop {
        match agent.hears().await.unwrap() {
            from_master::Message::Acknowledge(acknowledge) => return acknowledge.uuid,
            from_master::Message::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_task_runs_and_ends_and_each_step_is_acknowledged_by_the_framework() {
    let world = World::new().await;
    let mut agent = world.agent("node1", Vec::new()).await;
    let mut scheduler = world.subscribe(&info()).await;
    let framework = world.object("frameworks", |framework| framework["status"]["phase"] == "Active").await;
    assert_eq!(framework["metadata"]["namespace"], "default");
    assert_eq!(framework["spec"]["scheduler"]["external"]["frameworkId"], json!(scheduler.id));
    assert_eq!(framework["spec"]["scheduler"]["external"]["frameworkInfo"]["name"], "Test");

    let offers = scheduler.offers().await;
    assert_eq!(offers.len(), 1);
    let offer = &offers[0];
    assert_eq!((&offer["hostname"], &offer["agent_id"]["value"]), (&json!("node1"), &json!("id-of-node1")));
    assert_eq!(offer["url"]["address"], json!({"hostname": "node1", "ip": "10.1.2.3", "port": 5051}));
    let cpus = offer["resources"].as_array().unwrap().iter().find(|resource| resource["name"] == "cpus").unwrap();
    assert_eq!(
        *cpus,
        json!({"name": "cpus", "type": "SCALAR", "scalar": {"value": 4.0}, "role": "*", "allocation_info": {"role": "*"}})
    );

    world.server.requests();
    scheduler.call(&world, accept(offer, &[task("t-1", offer)])).await;
    let launched = launch(&mut agent).await;
    assert_eq!(launched.command.as_ref().unwrap().value, "sleep 100");
    let posts: Vec<String> = world.server.requests().into_iter().filter(|request| request.contains("/tasks")).collect();
    assert_eq!(posts, ["POST /apis/proffer.dev/v1alpha1/namespaces/default/tasks"], "a launch costs one write");
    let left = scheduler.offers().await;
    assert_ne!(left[0]["id"], offer["id"], "what is left is offered again at once");

    says(&agent, status(&launched, "TASK_RUNNING", 1)).await;
    let running = scheduler.update().await;
    let container = &launched.task.as_ref().unwrap().uid;
    assert_eq!(
        running,
        json!({
            "task_id": {"value": "t-1"}, "state": "TASK_RUNNING", "source": "SOURCE_EXECUTOR",
            "agent_id": {"value": "id-of-node1"}, "executor_id": {"value": "t-1"}, "timestamp": 1_795_362_000.0,
            "uuid": "AQEBAQEBQAGAAQEBAQEBAQ==",
            "container_status": {
                "container_id": {"value": container},
                "network_infos": [{"ip_addresses": [{"protocol": "IPv4", "ip_address": "10.1.2.3"}]}],
            },
        })
    );
    scheduler.acknowledge(&world, &running).await;
    assert_eq!(acknowledged(&mut agent).await, uuid_of(1));
    let object = world.object("tasks", |task| task["status"]["state"] == "Running").await;
    assert_eq!(object["spec"]["placement"]["containerId"], json!(container));
    assert_eq!(object["spec"]["taskInfo"]["task_id"]["value"], "t-1");

    says(&agent, status(&launched, "TASK_FINISHED", 2)).await;
    let finished = scheduler.update().await;
    assert_eq!(finished["state"], "TASK_FINISHED");
    world.object("tasks", |task| task["status"]["state"] == "Finished").await;
    scheduler.acknowledge(&world, &finished).await;
    assert_eq!(acknowledged(&mut agent).await, uuid_of(2));
}

#[tokio::test]
async fn who_comes_back_with_its_id_is_told_what_it_has_not_acknowledged_and_the_one_before_is_sent_away() {
    let world = World::new().await;
    let mut agent = world.agent("node1", Vec::new()).await;
    let mut scheduler = world.subscribe(&info()).await;
    let offers = scheduler.offers().await;
    scheduler.call(&world, accept(&offers[0], &[task("t-1", &offers[0])])).await;
    let launched = launch(&mut agent).await;
    scheduler.offers().await;
    says(&agent, status(&launched, "TASK_RUNNING", 1)).await;
    scheduler.update().await;

    let mut back = info();
    back["id"] = json!({"value": scheduler.id});
    let mut second = world.subscribe(&back).await;
    assert_eq!(second.id, scheduler.id);
    let told = scheduler.events.expect("ERROR").await;
    assert_eq!(told["error"]["message"], "Framework failed over");
    assert_eq!(scheduler.events.next().await, None);

    let running = second.update().await;
    assert_eq!((&running["state"], &running["uuid"]), (&json!("TASK_RUNNING"), &json!("AQEBAQEBQAGAAQEBAQEBAQ==")));
    second.offers().await;
    second.acknowledge(&world, &running).await;
    assert_eq!(acknowledged(&mut agent).await, uuid_of(1));

    second.call(&world, json!({"type": "KILL", "kill": {"task_id": {"value": "t-1"}}})).await;
    match agent.hears().await {
        Some(from_master::Message::Kill(kill)) => assert_eq!(kill.task, launched.task),
        other => panic!("{other:?}"),
    }
    second.call(&world, json!({"type": "TEARDOWN"})).await;
    assert_eq!(second.events.next().await, None);
    world.object("frameworks", |framework| framework["status"]["phase"] == "Completed").await;
    let mut late = world.open(&back).await;
    assert_eq!(late.expect("ERROR").await["error"]["message"], "Framework has been removed");
    assert_eq!(late.next().await, None);
}

#[tokio::test]
async fn unknown_tasks_are_reconciled_as_mesos_does() {
    let world = World::new().await;
    let _agent = world.agent("node1", Vec::new()).await;
    let mut scheduler = world.subscribe(&info()).await;
    scheduler.offers().await;
    let table: [(Value, &str, &str); 3] = [
        (json!({"task_id": {"value": "x"}}), "TASK_UNKNOWN", "Reconciliation: Task is unknown"),
        (
            json!({"task_id": {"value": "x"}, "agent_id": {"value": "id-of-node1"}}),
            "TASK_GONE",
            "Reconciliation: Task is unknown to the agent",
        ),
        (
            json!({"task_id": {"value": "x"}, "agent_id": {"value": "nobody"}}),
            "TASK_UNKNOWN",
            "Reconciliation: Task is unknown",
        ),
    ];
    for (asked, state, message) in table {
        scheduler.call(&world, json!({"type": "RECONCILE", "reconcile": {"tasks": [asked]}})).await;
        let told = scheduler.update().await;
        assert_eq!((told["state"].as_str(), told["message"].as_str()), (Some(state), Some(message)));
        assert_eq!((&told["reason"], &told["source"]), (&json!("REASON_RECONCILIATION"), &json!("SOURCE_MASTER")));
        assert!(told["uuid"].is_null(), "there is nothing to acknowledge");
    }
}

#[tokio::test]
async fn what_cannot_be_launched_is_told() {
    let world = World::new().await;
    let _agent = world.agent("node1", Vec::new()).await;
    let mut scheduler = world.subscribe(&info()).await;
    let offer = scheduler.offers().await.remove(0);
    let change = |key: &str, value: Value| {
        let mut changed = task("t", &offer);
        changed[key] = value;
        changed
    };
    let scalar = |name: &str, value: f64| json!({"name": name, "type": "SCALAR", "scalar": {"value": value}});
    let tasks = [
        change("resources", json!([scalar("cpus", 100.0), scalar("mem", 64.0)])),
        change("agent_id", json!({"value": "other"})),
        change("health_check", json!({"type": "TCP", "tcp": {"port": 80}})),
    ];
    scheduler.call(&world, accept(&offer, &tasks)).await;
    let expected = [
        "Total resources cpus(allocated: *):100; mem(allocated: *):64 required by task and its executor is more than \
         available cpus(allocated: *):4; mem(allocated: *):4096; ports(allocated: *):[31000-32000]",
        "Task uses invalid agent other while agent id-of-node1 is expected",
        "Health checks are not supported by this version of Proffer",
    ];
    for message in expected {
        let told = scheduler.update().await;
        assert_eq!((told["state"].as_str(), told["message"].as_str()), (Some("TASK_ERROR"), Some(message)));
        assert_eq!(told["reason"], "REASON_TASK_INVALID");
    }
    let next = scheduler.offers().await;
    scheduler.call(&world, accept(&offer, &[task("t", &offer)])).await;
    let told = scheduler.update().await;
    let id = offer["id"]["value"].as_str().unwrap();
    assert_eq!(told["state"], "TASK_DROPPED");
    assert_eq!(told["message"], format!("Task launched with invalid offers: Offer {id} is no longer valid"));
    assert_eq!(told["reason"], "REASON_INVALID_OFFERS");

    let decline = |refuse: f64| json!({"type": "DECLINE", "decline": {"offer_ids": [next[0]["id"]], "filters": {"refuse_seconds": refuse}}});
    scheduler.call(&world, decline(0.0)).await;
    assert_ne!(scheduler.offers().await[0]["id"], next[0]["id"], "without a filter it is offered at once");
}

#[tokio::test]
async fn what_the_principal_may_not_do_is_told_and_the_rest_is_done() {
    let mut world = World::new().await;
    let mut agent = world.agent("node1", Vec::new()).await;
    let user = "system:serviceaccount:team-a:scheduler";
    let info_of = |name: &str| {
        let user = UserInfo { username: Some(name.to_owned()), ..UserInfo::default() };
        TokenReviewStatus { authenticated: Some(true), user: Some(user), ..TokenReviewStatus::default() }
    };
    world.server.token("t1", info_of(user));
    world.authorization = "Bearer t1".to_owned();

    let mut refused = world.open(&info()).await;
    let error = refused.expect("ERROR").await["error"]["message"].clone();
    let expected = format!("{user} may not create frameworks of group proffer.dev in namespace team-a");
    assert!(error.as_str().unwrap().contains(&expected), "{error}");

    world.server.grant(user, "create frameworks", "team-a");
    let mut scheduler = world.subscribe_when_allowed(&info()).await;
    let framework = world.object("frameworks", |_| true).await;
    assert_eq!(framework["metadata"]["namespace"], "team-a");
    let offer = scheduler.offers().await.remove(0);
    let mut denied = accept(&offer, &[task("t", &offer)]);
    denied["accept"]["filters"] = json!({"refuse_seconds": 0.0});
    scheduler.call(&world, denied).await;
    let told = scheduler.update().await;
    assert_eq!((&told["state"], &told["reason"]), (&json!("TASK_ERROR"), &json!("REASON_TASK_UNAUTHORIZED")));
    let message = told["message"].as_str().unwrap();
    assert!(message.starts_with(&format!("Not authorized to launch tasks: {user} may not create tasks")), "{message}");

    world.server.grant(user, "create tasks", "team-a");
    // A refusal is believed for a while: it is told before what is left of the offer comes again.
    let launched = async {
        loop {
            let offer = scheduler.offers().await.remove(0);
            scheduler.call(&world, accept(&offer, &[task("t", &offer)])).await;
            let told: Value = serde_json::from_slice(&scheduler.events.next().await.unwrap()).unwrap();
            if told["type"] == "OFFERS" {
                break;
            }
            assert_eq!(told["update"]["status"]["reason"], "REASON_TASK_UNAUTHORIZED", "{told}");
        }
    };
    tokio::time::timeout(Duration::from_secs(10), launched).await.unwrap();
    launch(&mut agent).await;
    assert_eq!(world.object("tasks", |_| true).await["metadata"]["namespace"], "team-a");
}
