//! What operators change over Mesos' operator API, seen in the objects and in what the API tells next.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::lab::{Lab, SOON};
use super::operator::{call, get};
use super::roles::agents;
use crate::forward::Tunnel;

/// Weights and quota that are set over HTTP are `AllocationRoles`, and what is removed is gone from them.
pub(super) fn weights_and_quota_are_objects(lab: &Lab) -> Result<()> {
    let tunnel = Tunnel::open(&lab.system(), "service/proffer")?;
    let role = "http-role";
    let done = (|| {
        let infos = json!([{"role": role, "weight": 2.5}]);
        call(&tunnel, &json!({"type": "UPDATE_WEIGHTS", "update_weights": {"weight_infos": infos}}))?;
        let config = json!({"role": role, "limits": {"cpus": {"value": 1.5}, "mem": {"value": 64}}});
        call(&tunnel, &json!({"type": "UPDATE_QUOTA", "update_quota": {"quota_configs": [config]}}))?;
        let object = lab.kubectl.wait_object("allocationrole", role, "accepted", SOON, |object| {
            object["status"]["quota"]["limits"]["cpu"] == "1500m"
        })?;
        ensure!(object["spec"]["weight"].as_f64() == Some(2.5), "{object}");
        ensure!(object["spec"]["quota"]["limits"]["memory"] == "64Mi", "{object}");
        let weights = get(&tunnel, "/weights")?;
        ensure!(weights.as_array().is_some_and(|all| all.contains(&json!({"weight": 2.5, "role": role}))), "{weights}");
        let quota = get(&tunnel, "/quota")?;
        ensure!(quota["configs"].to_string().contains(role), "{quota}");
        call(&tunnel, &json!({"type": "REMOVE_QUOTA", "remove_quota": {"role": role}}))?;
        let quota = get(&tunnel, "/quota")?;
        ensure!(!quota.to_string().contains(role), "{quota}");
        lab.kubectl
            .wait_object("allocationrole", role, "without quota", SOON, |object| object["spec"]["quota"].is_null())
    })();
    lab.kubectl.delete("allocationrole", role)?;
    done.map(drop)
}

/// An agent that is drained over HTTP is emptied, told so, and used again when it is reactivated.
pub(super) fn an_agent_is_drained_over_http(lab: &Lab) -> Result<()> {
    let tunnel = Tunnel::open(&lab.system(), "service/proffer")?;
    let (node, id) = first(lab)?;
    let agent_id = json!({"value": id});
    let drain = json!({"agent_id": agent_id, "max_grace_period": {"seconds": 2}});
    call(&tunnel, &json!({"type": "DRAIN_AGENT", "drain_agent": drain}))?;
    let drained = lab.kubectl.wait_object("agent", &node, "drained", SOON, |agent| {
        agent["spec"]["drain"]["maxGracePeriodSeconds"] == 2 && agent["status"]["mode"] == "Drained"
    });
    let told = told_of(&tunnel, &id, "drain_info");
    call(&tunnel, &json!({"type": "REACTIVATE_AGENT", "reactivate_agent": {"agent_id": agent_id}}))?;
    let (_, told) = (drained?, told?);
    ensure!(told["state"] == "DRAINED", "{told}");
    lab.kubectl.wait_object("agent", &node, "active", SOON, |agent| agent["status"]["mode"] == "Active").map(drop)
}

/// A machine is planned to be down, goes down and comes up, each seen as a Maintenance.
pub(super) fn a_machine_goes_down_and_up_over_http(lab: &Lab) -> Result<()> {
    let tunnel = Tunnel::open(&lab.system(), "service/proffer")?;
    let (node, _) = first(lab)?;
    let machines = json!([{"hostname": node}]);
    let unavailability = json!({"start": {"nanoseconds": 1_900_000_000_000_000_000_i64}, "duration": {"nanoseconds": 3_600_000_000_000_i64}});
    let update = |schedule: Value| json!({"type": "UPDATE_MAINTENANCE_SCHEDULE", "update_maintenance_schedule": {"schedule": schedule}});
    let done = (|| {
        let windows = json!([{"machine_ids": machines, "unavailability": unavailability}]);
        call(&tunnel, &update(json!({"windows": windows})))?;
        let planned = |object: &Value| object["status"]["phase"] == "Draining";
        lab.kubectl.wait_object("maintenance", &node, "planned", SOON, planned)?;
        let status = get(&tunnel, "/maintenance/status")?;
        ensure!(status["draining_machines"][0]["id"]["hostname"] == node.as_str(), "{status}");
        call(&tunnel, &json!({"type": "START_MAINTENANCE", "start_maintenance": {"machines": machines}}))?;
        lab.kubectl.wait_object("agent", &node, "down", SOON, |agent| agent["status"]["mode"] == "Down")?;
        let status = get(&tunnel, "/maintenance/status")?;
        ensure!(status["down_machines"][0]["hostname"] == node.as_str(), "{status}");
        call(&tunnel, &json!({"type": "STOP_MAINTENANCE", "stop_maintenance": {"machines": machines}}))?;
        lab.kubectl.wait_object("agent", &node, "active", SOON, |agent| agent["status"]["mode"] == "Active")?;
        let schedule = get(&tunnel, "/maintenance/schedule")?;
        ensure!(!schedule.to_string().contains(&node), "{schedule}");
        Ok(())
    })();
    lab.kubectl.delete("maintenance", &node)?;
    done
}

/// Resources are reserved, become a volume, and are given back, each over HTTP.
pub(super) fn a_volume_is_made_and_destroyed_over_http(lab: &Lab) -> Result<()> {
    let tunnel = Tunnel::open(&lab.system(), "service/proffer")?;
    let (node, id) = first(lab)?;
    let agent_id = json!({"value": id});
    let reservations = json!([{"type": "DYNAMIC", "role": "http-reserved"}]);
    let disk = json!({"name": "disk", "type": "SCALAR", "scalar": {"value": 32}, "reservations": reservations});
    let mut volume = disk.clone();
    volume["disk"] =
        json!({"persistence": {"id": "made-over-http"}, "volume": {"mode": "RW", "container_path": "data"}});
    let reserved = |lab: &Lab| -> Result<Vec<Value>> {
        let all = lab.kubectl.list("reservations", "")?;
        Ok(all.into_iter().filter(|one| one["spec"]["role"] == "http-reserved").collect())
    };
    let act = |kind: &str, field: &str, resource: &Value| {
        call(&tunnel, &json!({"type": kind, kind.to_lowercase(): {"agent_id": agent_id, field: [resource]}}))
    };
    act("RESERVE_RESOURCES", "resources", &disk)?;
    let objects = reserved(lab)?;
    ensure!(objects.len() == 1 && objects[0]["spec"]["agent"] == node.as_str(), "{objects:?}");
    wait_told(&tunnel, &id, "reserved", |roles| roles["http-reserved"]["disk"] == 32.0)?;
    act("CREATE_VOLUMES", "volumes", &volume)?;
    let objects = reserved(lab)?;
    let named = objects.iter().any(|one| one["spec"]["volumes"][0]["id"] == "made-over-http");
    ensure!(named, "no volume in {objects:?}");
    wait_told(&tunnel, &id, "a volume", |roles| roles["http-reserved"]["disk"] == 32.0)?;
    act("DESTROY_VOLUMES", "volumes", &volume)?;
    // The agent empties it first.
    crate::deadline::wait_for("the volume to be gone and unreserved", SOON, || {
        Ok(act("UNRESERVE_RESOURCES", "resources", &disk).ok())
    })?;
    wait_told(&tunnel, &id, "nothing reserved", |roles| roles["http-reserved"].is_null())
}

/// An agent that is marked gone is not told of any more, until its object is deleted.
pub(super) fn an_agent_is_marked_gone_over_http(lab: &Lab) -> Result<()> {
    let tunnel = Tunnel::open(&lab.system(), "service/proffer")?;
    let (node, id) = first(lab)?;
    call(&tunnel, &json!({"type": "MARK_AGENT_GONE", "mark_agent_gone": {"agent_id": {"value": id}}}))?;
    let gone = lab.kubectl.wait_object("agent", &node, "gone", SOON, |agent| agent["status"]["mode"] == "Gone");
    let slaves = get(&tunnel, "/slaves");
    lab.kubectl.delete("agent", &node)?;
    gone?;
    let slaves = slaves?;
    ensure!(!slaves["slaves"].to_string().contains(&id), "{slaves}");
    lab.kubectl.wait_object("agent", &node, "back", SOON * 2, |agent| agent["status"]["mode"] == "Active").map(drop)
}

/// The first agent: its name, and its ID.
fn first(lab: &Lab) -> Result<(String, String)> {
    let node = agents(lab)?.into_iter().next().context("there is no agent")?;
    let agent = lab.kubectl.get("agent", &node)?.context("the agent is gone")?;
    let id = agent["status"]["agentId"].as_str().context("an agent has an ID")?.to_owned();
    Ok((node, id))
}

/// What `/slaves` tells of an agent under this name.
fn told_of(tunnel: &Tunnel, id: &str, field: &str) -> Result<Value> {
    let slaves = get(tunnel, &format!("/slaves?slave_id={id}"))?;
    Ok(slaves["slaves"][0][field].clone())
}

/// Waits until an agent's reserved resources, by role, are told so.
fn wait_told(tunnel: &Tunnel, id: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Result<()> {
    crate::deadline::wait_for(&format!("/slaves to tell of {what}"), SOON, || {
        let roles = told_of(tunnel, id, "reserved_resources")?;
        Ok(holds(&roles).then_some(()))
    })
}
