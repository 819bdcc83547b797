//! What operators change in the cluster: weights, quota, agents and maintenance, over both doors.

use super::cluster::Served;
use crate::api_server::{Fault, eventually};
use crate::files::{LOOPBACK, user};
use axum::http::Method;
use proffer_controller::auth::Anonymous;
use serde_json::{Value, json};

fn ok() -> (u16, String) {
    (200, String::new())
}

fn refused(why: &str) -> (u16, String) {
    (400, why.to_owned())
}

fn weights(infos: &Value) -> Value {
    json!({"type": "UPDATE_WEIGHTS", "update_weights": {"weight_infos": infos}})
}

fn quota(role: &str, guarantees: &Value, limits: &Value, force: bool) -> Value {
    let config = json!({"role": role, "guarantees": guarantees, "limits": limits});
    json!({"type": "UPDATE_QUOTA", "update_quota": {"force": force, "quota_configs": [config]}})
}

#[tokio::test]
async fn weights_become_objects_and_are_read_back() {
    let served = Served::leader(LOOPBACK).await;
    let objects = &served.replica.server;
    let both = json!([{"role": "eng", "weight": 2.5}, {"role": " eng/Q_1 ", "weight": 3}]);
    assert_eq!(served.call(&weights(&both)).await, ok());
    let eng = objects.get("allocationroles", "", "eng").unwrap();
    assert_eq!(eng["spec"], json!({"path": "eng", "weight": 2.5}));
    let told = json!({"weight_infos": [{"weight": 2.5, "role": "eng"}, {"weight": 3.0, "role": "eng/Q_1"}]});
    assert_eq!(served.read("GET_WEIGHTS").await, told, "whoever asks next is told");

    let put = served.ask("PUT", "/master/weights", &[], br#"[{"role":"eng","weight":1}]"#).await;
    assert_eq!((put.status, put.body.len(), put.headers.get("content-type")), (200, 0, None), "{}", put.text());
    assert_eq!(objects.get("allocationroles", "", "eng").unwrap()["spec"]["weight"], 1.0);
    assert_eq!(served.get("/weights").await.json()[0], json!({"weight": 1.0, "role": "eng"}));
    let roles = served.get("/roles").await.json();
    let role = roles["roles"].as_array().unwrap().iter().find(|role| role["name"] == "eng/Q_1").unwrap();
    assert_eq!((&role["weight"], &role["frameworks"]), (&json!(3.0), &json!([])));

    let before = objects.all("allocationroles");
    for (infos, why) in [
        (
            json!([{"role": "x", "weight": 2}, {"role": "/y", "weight": 1}]),
            "Failed to validate update weights request JSON: Invalid role '/y': Role '/y' cannot start with a slash",
        ),
        (
            json!([{"role": "x", "weight": 0}]),
            "Failed to validate update weights request JSON for role 'x': Invalid weight '0': Weights must be positive",
        ),
    ] {
        assert_eq!(served.call(&weights(&infos)).await, refused(why));
    }
    assert_eq!(objects.all("allocationroles"), before, "all of them or none");
    objects.fault(Method::PATCH, "/allocationroles/eng", Fault::Refuse(500));
    let failed = served.call(&weights(&json!([{"role": "eng", "weight": 7}]))).await;
    assert_eq!(failed.0, 503, "{}", failed.1);
}

#[tokio::test]
async fn quota_becomes_an_object_within_what_the_cluster_has() {
    let served = Served::leader(LOOPBACK).await;
    let objects = &served.replica.server;
    let (two, four) = (json!({"cpus": {"value": 2}}), json!({"cpus": {"value": 4}, "mem": {"value": 512}}));
    assert_eq!(served.call(&quota("eng", &two, &four, false)).await, ok());
    let spec = || objects.get("allocationroles", "", "eng").unwrap()["spec"]["quota"].clone();
    assert_eq!(spec(), json!({"guarantees": {"cpu": "2"}, "limits": {"cpu": "4", "memory": "512Mi"}, "force": false}));
    let status = served.get("/quota").await.json();
    let config = json!({"role": "eng", "guarantees": {"cpus": {"value": 2.0}}, "limits": {"cpus": {"value": 4.0}, "mem": {"value": 512.0}}});
    assert_eq!(status["configs"], json!([config]));
    assert_eq!(served.read("GET_QUOTA").await["status"], status);
    let role = served.get("/roles").await.json()["roles"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&role["quota"]["guarantee"], &role["quota"]["limit"]["mem"]), (&json!({"cpus": 2.0}), &json!(512.0)));

    // What was there before goes.
    assert_eq!(served.call(&quota("eng", &json!({}), &json!({"disk": {"value": 0}}), false)).await, ok());
    assert_eq!(spec(), json!({"guarantees": {}, "limits": {"disk": "0Mi"}, "force": false}));

    let five = json!({"cpus": {"value": 5}});
    let too_much = "Invalid QuotaConfig: total quota guarantees 'cpus:5' exceed cluster capacity 'cpus:4; mem:8192' \
                    (use 'force' flag to bypass this check)";
    for (call, why) in [
        (quota("eng", &five, &json!({}), false), too_much),
        (quota("a/b", &json!({}), &two, false), "Updating quota on nested role 'a/b' is not supported yet"),
        (
            quota("eng", &five, &four, true),
            "Invalid QuotaConfig: 'QuotaConfig.guarantees' {cpus: 5} is not contained within the 'QuotaConfig.limits' \
             {cpus: 4, mem: 512}",
        ),
        (
            quota("eng", &json!({}), &json!({"cpus": {"value": -1}}), true),
            "Invalid QuotaConfig: Invalid limit configuration {'cpus': -1}: Negative values not supported",
        ),
        (
            quota("-x", &json!({}), &two, true),
            "Invalid QuotaConfig: Invalid 'QuotaConfig.role': Role component '-x' is invalid because it starts with a dash",
        ),
    ] {
        assert_eq!(served.call(&call).await, refused(why));
    }
    assert_eq!(served.call(&quota("eng", &five, &json!({}), true)).await, ok());
    assert_eq!(spec(), json!({"guarantees": {"cpu": "5"}, "limits": {}, "force": true}));

    let consumed = json!({"status": {"masterEpoch": 5, "consumed": {"cpu": "3"}}});
    objects.merge("allocationroles", "", "eng", &consumed);
    let less = quota("eng", &json!({}), &two, false);
    let why = "Invalid QuotaConfig: Role 'eng' is already consuming 'cpus:3'; this is more than the requested limits \
               'cpus:2' (use 'force' flag to bypass this check)";
    let mut last = ok();
    for _ in 0..500 {
        last = served.call(&less).await;
        if last.0 != 200 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(last, refused(why));
}

#[tokio::test]
async fn the_older_quota_api_sets_and_removes() {
    let served = Served::leader(LOOPBACK).await;
    let request = |role: &str, cpus: f64, force: bool| {
        let cpus = json!({"name": "cpus", "type": "SCALAR", "scalar": {"value": cpus}});
        json!({"role": role, "force": force, "guarantee": [cpus]})
    };
    let post = async |request: Value| {
        let answer = served.ask("POST", "/quota", &[], request.to_string().as_bytes()).await;
        (answer.status, answer.text())
    };
    let over = post(request("eng", 5.0, false)).await;
    let why = "Quota guarantees overcommit the cluster (use 'force' to bypass this check): Total quota guarantees \
               'cpus:5' exceed cluster capacity 'cpus:4; mem:8192'";
    assert_eq!(over, (409, why.to_owned()));
    assert_eq!(post(request("eng", 1.0, false)).await, ok());
    let set = json!({"type": "SET_QUOTA", "set_quota": {"quota_request": request("eng", 1.0, false)}});
    let already = "Failed to validate set quota request: Cannot set quota for role 'eng' which already has quota";
    assert_eq!(served.call(&set).await, refused(already));
    let quota = served.replica.server.get("allocationroles", "", "eng").unwrap()["spec"]["quota"].clone();
    assert_eq!(quota, json!({"guarantees": {"cpu": "1"}, "limits": {"cpu": "1"}, "force": false}));
    assert_eq!(served.ask("DELETE", "/master/quota/eng", &[], b"").await.status, 200);
    assert_eq!(served.get("/quota").await.text(), "{}");
    assert!(served.replica.server.get("allocationroles", "", "eng").unwrap()["spec"]["quota"].is_null());
    let remove = json!({"type": "REMOVE_QUOTA", "remove_quota": {"role": "eng"}});
    assert_eq!(served.call(&remove).await, refused("Failed to remove quota: Role 'eng' has no quota set"));
}

fn of_agent(kind: &str, id: &str, more: &Value) -> Value {
    let mut body = more.clone();
    body["agent_id"] = json!({"value": id});
    json!({"type": kind, kind.to_lowercase(): body})
}

#[tokio::test]
async fn an_agent_is_drained_reactivated_and_marked_gone_in_its_object() {
    let served = Served::leader(LOOPBACK).await;
    let objects = &served.replica.server;
    let spec = || objects.get("agents", "", "node1").unwrap()["spec"].clone();
    let none = json!({});
    assert_eq!(served.call(&of_agent("DRAIN_AGENT", "nope", &none)).await, refused("Unknown agent"));
    let grace = json!({"max_grace_period": {"seconds": 90, "nanos": 1}, "mark_gone": true});
    assert_eq!(served.call(&of_agent("DRAIN_AGENT", "a1", &grace)).await, ok());
    assert_eq!(spec()["drain"], json!({"maxGracePeriodSeconds": 91, "markGone": true}));
    let agent = served.read("GET_AGENTS").await["agents"][0].clone();
    let config = json!({"max_grace_period": {"nanoseconds": 91_000_000_000_u64}, "mark_gone": true});
    assert_eq!(agent["drain_info"], json!({"state": "DRAINING", "config": config}));
    assert_eq!((&agent["active"], &agent["deactivated"]), (&json!(false), &json!(true)));
    assert_eq!(served.get("/slaves").await.json()["slaves"][0]["drain_info"], agent["drain_info"]);

    let reactivate = of_agent("REACTIVATE_AGENT", "a1", &none);
    assert_eq!(served.call(&reactivate).await, refused("Agent is still in the DRAINING state"));
    objects.merge("agents", "", "node1", &json!({"status": {"mode": "Drained"}}));
    for _ in 0..500 {
        if served.read("GET_AGENTS").await["agents"][0]["drain_info"]["state"] == "DRAINED" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(served.call(&reactivate).await, ok());
    assert_eq!((&spec()["drain"], &spec()["deactivated"]), (&Value::Null, &json!(false)));
    assert_eq!(served.call(&reactivate).await, refused("Agent is not deactivated"));

    let gone = of_agent("MARK_AGENT_GONE", "a1", &none);
    let unknown = served.call(&of_agent("MARK_AGENT_GONE", "nope", &none)).await;
    assert_eq!(unknown, (404, "Agent 'nope' not found".to_owned()));
    assert_eq!(served.call(&gone).await, ok());
    assert_eq!(spec()["gone"], true);
    assert_eq!(served.call(&gone).await, ok(), "once more is as well");
    assert_eq!(served.read("GET_AGENTS").await["agents"], json!([]), "nothing tells of what is gone");
    let drain = served.call(&of_agent("DRAIN_AGENT", "a1", &none)).await;
    assert_eq!(drain, (409, "Agent is currently being marked gone".to_owned()));
}

fn schedule(windows: &[(i64, &[Value])]) -> Value {
    let window = |&(start, machines): &(i64, &[Value])| {
        let unavailability =
            json!({"start": {"nanoseconds": start}, "duration": {"nanoseconds": 3_600_000_000_000_i64}});
        json!({"machine_ids": machines, "unavailability": unavailability})
    };
    json!({"windows": windows.iter().map(window).collect::<Vec<_>>()})
}

fn update(schedule: &Value) -> Value {
    json!({"type": "UPDATE_MAINTENANCE_SCHEDULE", "update_maintenance_schedule": {"schedule": schedule}})
}

const SOON: i64 = 1_900_000_000_000_000_000;
const LATER: i64 = 1_950_000_000_000_000_000;

#[tokio::test]
async fn a_schedule_becomes_objects_and_machines_go_down_and_up() {
    let served = Served::leader(LOOPBACK).await;
    let objects = &served.replica.server;
    let one = json!({"hostname": "node1", "ip": "10.244.1.7"});
    let (two, new) = (json!({"hostname": "Node2"}), json!({"hostname": "node9"}));
    let posted = schedule(&[(SOON, &[one.clone(), new.clone()]), (LATER, std::slice::from_ref(&two))]);
    assert_eq!(served.call(&update(&posted)).await, ok());
    let object = objects.get("maintenances", "", "node1").unwrap();
    assert_eq!(
        object["spec"],
        json!({"window": {"start": "2030-03-17T17:46:40.000000Z", "duration": "1h0m0s"}, "agents": ["node1"], "started": false})
    );
    let told = served.get("/maintenance/schedule").await.json();
    let known_two = json!({"hostname": "node2", "ip": "10.244.1.7"});
    let expected = schedule(&[(SOON, &[one.clone(), new.clone()]), (LATER, std::slice::from_ref(&known_two))]);
    assert_eq!(told, expected);
    assert_eq!(served.read("GET_MAINTENANCE_SCHEDULE").await["schedule"], expected);
    let status = served.read("GET_MAINTENANCE_STATUS").await["status"].clone();
    assert_eq!(status["draining_machines"].as_array().unwrap().len(), 3);

    let in_schedule = served.call(&of_agent("DRAIN_AGENT", "a1", &json!({}))).await;
    assert_eq!(in_schedule, refused("Agent a1 is part of a maintenance schedule under Machine node1"));

    let machines = |kind: &str, ids: &[&Value]| json!({"type": kind, kind.to_lowercase(): {"machines": ids}});
    let up = served.call(&machines("STOP_MAINTENANCE", &[&one])).await;
    assert_eq!(
        up.1,
        r#"Machine '{"hostname":"node1","ip":"10.244.1.7"}' is not in DOWN mode and cannot be brought up"#
    );
    assert_eq!(served.call(&machines("START_MAINTENANCE", &[&one])).await, ok());
    assert_eq!(objects.get("maintenances", "", "node1").unwrap()["spec"]["started"], true);
    let status = served.get("/maintenance/status").await.json();
    assert_eq!(status["down_machines"], json!([one]));
    let again = served.ask("POST", "/machine/down", &[], json!([one]).to_string().as_bytes()).await;
    assert_eq!(again.status, 400);
    assert!(again.text().ends_with("is not in DRAINING mode and cannot be brought down"), "{}", again.text());
    let unknown = served.call(&machines("START_MAINTENANCE", &[&json!({"hostname": "nope"})])).await;
    assert_eq!(unknown, refused(r#"Machine '{"hostname":"nope"}' is not part of a maintenance schedule"#));
    let removed = served.call(&update(&schedule(&[(SOON, std::slice::from_ref(&new))]))).await;
    assert!(removed.1.ends_with("is deactivated and cannot be removed from the schedule"), "{}", removed.1);

    let up = served.ask("POST", "/machine/up", &[], json!([one]).to_string().as_bytes()).await;
    assert_eq!(up.status, 200, "{}", up.text());
    assert!(objects.get("maintenances", "", "node1").is_none());
    assert_eq!(served.get("/maintenance/schedule").await.json()["windows"].as_array().unwrap().len(), 2);
    assert_eq!(served.call(&update(&json!({}))).await, ok());
    assert_eq!(objects.all("maintenances"), Vec::<Value>::new());
    assert_eq!(served.get("/maintenance/schedule").await.text(), "{}");
}

#[tokio::test]
async fn what_people_wrote_for_several_agents_is_taken_apart() {
    let served = Served::leader(LOOPBACK).await;
    let objects = &served.replica.server;
    objects.put(json!({
        "apiVersion": "proffer.dev/v1alpha1", "kind": "Maintenance",
        "metadata": {"name": "racks", "uid": "u", "creationTimestamp": "2026-11-22T15:40:00Z"},
        "spec": {"window": {"start": "2030-03-17T17:46:40Z", "duration": "1h"}, "agents": ["node1", "node2"]},
        "status": {"masterEpoch": 5, "phase": "Draining", "agents": [
            {"name": "node1", "known": true, "frameworks": [{"name": "ns/fw", "reply": "Accepted"}, {"name": "other/fw", "reply": "NotAsked"}]},
        ]},
    }));
    for _ in 0..500 {
        if served.get("/maintenance/schedule").await.text() != "{}" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let said = served.get("/maintenance/status").await.json()["draining_machines"][0]["statuses"].clone();
    assert_eq!((&said[0]["status"], &said[0]["framework_id"]["value"]), (&json!("ACCEPT"), &json!("fw-1")));
    assert_eq!(said.as_array().unwrap().len(), 1, "who was not asked has said nothing");
    let down = served.ask("POST", "/machine/down", &[], br#"[{"hostname":"node2"}]"#).await;
    assert_eq!(down.status, 200, "{}", down.text());
    assert_eq!(objects.get("maintenances", "", "racks").unwrap()["spec"]["agents"], json!(["node1"]));
    let own = objects.get("maintenances", "", "node2").unwrap()["spec"].clone();
    assert_eq!((&own["agents"], &own["started"]), (&json!(["node2"]), &json!(true)));
}

#[tokio::test]
async fn a_schedule_that_cannot_be_says_why() {
    let served = Served::leader(LOOPBACK).await;
    let one = json!({"hostname": "node1"});
    let twice = schedule(&[(SOON, std::slice::from_ref(&one)), (LATER, std::slice::from_ref(&one))]);
    let mut negative = schedule(&[(SOON, std::slice::from_ref(&one))]);
    negative["windows"][0]["unavailability"]["duration"]["nanoseconds"] = json!(-1);
    for (wrong, why) in [
        (schedule(&[(SOON, &[])]), "List of machines in the maintenance window is empty"),
        (negative, "Unavailability 'duration' is negative"),
        (schedule(&[(SOON, &[json!({})])]), "Both 'hostname' and 'ip' for a machine are empty"),
        (schedule(&[(SOON, &[json!({"ip": "x"})])]), "Failed to parse the IP address 'x'"),
        (twice, r#"Machine '{"hostname":"node1"}' appears more than once in the schedule"#),
    ] {
        assert_eq!(served.call(&update(&wrong)).await, refused(why));
    }
    assert_eq!(served.replica.server.all("maintenances"), Vec::<Value>::new());
}

#[tokio::test]
async fn who_may_not_is_refused_and_sees_nothing() {
    let served = Served::leader(Anonymous { loopback: false, everybody: false }).await;
    let objects = &served.replica.server;
    for name in ["nobody", "ops"] {
        user(objects, name);
    }
    for right in [
        "update allocationroles/weight",
        "update allocationroles/quota",
        "update agents/drain",
        "update maintenances/schedule",
        "get allocationroles/quota",
        "get maintenances/schedule",
    ] {
        objects.grant("ops", right, "");
    }
    objects.allow_list("ops", "", "allocationroles");
    let call = async |name: &str, call: &Value| {
        let headers = [("Content-Type", "application/json"), ("Authorization", &*format!("Bearer {name}"))];
        served.ask("POST", "/api/v1", &headers, call.to_string().as_bytes()).await
    };
    let changes = [
        weights(&json!([{"role": "eng", "weight": 2}])),
        quota("eng", &json!({}), &json!({"cpus": {"value": 1}}), false),
        of_agent("DRAIN_AGENT", "a1", &json!({})),
        update(&schedule(&[(SOON, std::slice::from_ref(&json!({"hostname": "node2"})))])),
    ];
    let reservations = json!([{"type": "DYNAMIC", "role": "eng", "principal": "ops"}]);
    let cpus = json!({"name": "cpus", "type": "SCALAR", "scalar": {"value": 1}, "reservations": reservations});
    let others = [
        of_agent("DRAIN_AGENT", "a1", &json!({"mark_gone": true})),
        of_agent("MARK_AGENT_GONE", "a1", &json!({})),
        of_agent("MARK_AGENT_GONE", "nope", &json!({})),
        json!({"type": "START_MAINTENANCE", "start_maintenance": {"machines": [{"hostname": "node2"}]}}),
        of_agent("RESERVE_RESOURCES", "a1", &json!({"resources": [cpus]})),
    ];
    for change in &changes {
        assert_eq!(call("nobody", change).await.status, 403, "{change}");
    }
    for change in &changes {
        let answer = call("ops", change).await;
        assert_eq!(answer.status, 200, "{change}: {}", answer.text());
    }
    for change in &others {
        assert_eq!(call("ops", change).await.status, 403, "{change}");
    }
    for (path, hidden) in [("/weights", "[]"), ("/quota", "{}"), ("/maintenance/schedule", "{}")] {
        assert_eq!(served.get_as(path, "nobody").await.text(), hidden);
        assert_ne!(served.get_as(path, "ops").await.text(), hidden);
    }
    assert_eq!(served.get_as("/maintenance/status", "ops").await.text(), "{}");
    eventually("the agent is told", || {
        objects.get("agents", "", "node1").unwrap()["spec"]["drain"].is_object().then_some(())
    })
    .await;
}
