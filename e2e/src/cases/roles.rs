//! Roles share the cluster by their weights, keep to their quota, and frameworks are told why they get no offers.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::lab::{Lab, SOON, contains, state_of};
use super::offers::{offers, outstanding};

/// Two frameworks that both want all there is end with one and three parts of it, as their roles' weights say.
pub(super) fn weights_share_the_cluster_one_to_three(lab: &Lab) -> Result<()> {
    with_roles(lab, &[("w-one", json!({"weight": 1})), ("w-three", json!({"weight": 3}))], || {
        for (framework, role) in [("one", "w-one"), ("three", "w-three")] {
            built_in(lab, framework, role)?;
        }
        // Nobody may have anything before both want something.
        let agents = agents(lab)?;
        with_agents(lab, &agents, &json!({"deactivated": true}), || {
            for framework in ["one", "three"] {
                let tasks: Vec<Value> =
                    (0..60).map(|number| tenth(lab, framework, &format!("{framework}-{number}"))).collect();
                lab.tasks(&tasks)?;
            }
            lab.kubectl.wait_object("framework", "three", "with 60 tasks that wait", SOON, |framework| {
                framework["status"]["tasks"]["pending"] == 60
            })?;
            lab.kubectl.wait_object("framework", "one", "with 60 tasks that wait", SOON, |framework| {
                framework["status"]["tasks"]["pending"] == 60
            })
        })?;
        let (one, three) = settled(lab, "one", "three")?;
        lab.note(&format!("weights 1 and 3: {one} and {three} tasks run"))?;
        ensure!(three + one < 120, "the cluster is not full: {one} and {three} tasks run");
        ensure!((3 * one).abs_diff(three) <= 3, "{one} and {three} tasks are not one to three within a task");
        let share = |name: &str| -> Result<String> {
            let role = lab.kubectl.get("allocationrole", name)?.context("the role is gone")?;
            Ok(role["status"]["dominantShare"].as_str().unwrap_or_default().to_owned())
        };
        ensure!(share("w-one")? != share("w-three")?, "both roles show a share of {}", share("w-one")?);
        Ok(())
    })
}

/// A limit holds, a task that it keeps waiting is told so, and a higher one lets more run at once.
pub(super) fn a_quota_limit_holds(lab: &Lab) -> Result<()> {
    with_roles(lab, &[("q-limited", json!({"quota": {"limits": {"cpu": "300m"}}}))], || {
        built_in(lab, "limited", "q-limited/below")?;
        let tasks: Vec<Value> = (0..6).map(|number| tenth(lab, "limited", &format!("limited-{number}"))).collect();
        lab.tasks(&tasks)?;
        running(lab, "limited", 3)?;
        // Once those that wait are told why, they were tried on every agent.
        let why = "role q-limited is at its quota limit";
        for waiting in lab.kubectl.list("tasks", "")?.iter().filter(|task| state_of(task) == "Pending") {
            let name = waiting["metadata"]["name"].as_str().unwrap_or_default();
            lab.kubectl.wait_object("task", name, &format!("told: {why}"), SOON, |task| {
                task["status"]["message"].as_str().is_some_and(|message| message.contains(why))
            })?;
            contains(&lab.describe("task", name)?, why)?;
        }
        running(lab, "limited", 3)?;
        lab.kubectl.wait_object("allocationrole", "q-limited", "at its limit", SOON, |role| {
            role["status"]["consumed"]["cpu"] == "300m"
        })?;
        lab.kubectl.patch("allocationrole", "q-limited", &json!({"spec": {"quota": {"limits": {"cpu": "500m"}}}}))?;
        running(lab, "limited", 5)
    })
}

/// A quota that Mesos would refuse is refused in the object's status or by the API server, with what to write instead.
pub(super) fn a_quota_that_cannot_be_is_told(lab: &Lab) -> Result<()> {
    for (spec, part) in [
        (json!({"path": "a//b"}), "write eng or eng/analytics"),
        (json!({"path": "a/../b"}), "write eng or eng/analytics"),
        (json!({"path": "-a"}), "write eng or eng/analytics"),
        (json!({"path": "a", "weight": 0}), "a weight is a number from 0.001"),
        (json!({"path": "a", "quota": {"limits": {"cpus": 1}}}), "resources are named as in Tasks"),
        (json!({"path": "a", "quota": {"limits": {"cpu": "one"}}}), "not a quantity"),
    ] {
        let object = json!({"kind": "AllocationRole", "metadata": {"name": "q-bad"}, "spec": spec});
        contains(&lab.refusal(lab.apply(&object))?, part).with_context(|| spec.to_string())?;
    }
    for (spec, reason, part) in [
        (json!({"guarantees": {"cpu": 2}, "limits": {"cpu": 1}}), "GuaranteeAboveLimit", "more cpus is guaranteed"),
        (json!({"guarantees": {"cpu": 100_000}}), "Overcommitted", "add nodes, or set quota.force"),
    ] {
        with_roles(lab, &[("q-told", json!({"quota": spec}))], || {
            lab.kubectl.wait_object("allocationrole", "q-told", "refused", SOON, |role| {
                role["status"]["conditions"][0]["reason"] == reason
            })?;
            contains(&lab.describe("allocationrole", "q-told")?, part)
        })?;
    }
    Ok(())
}

/// `kubectl describe framework` says why there are no offers: in five situations, what a person can do about each.
pub(super) fn why_there_are_no_offers_is_told(lab: &Lab) -> Result<()> {
    let agents = agents(lab)?;
    // It declined all of them itself.
    external(lab, "picky", "*")?;
    outstanding(lab, "picky")?;
    decline_all(lab, "picky")?;
    told(lab, "picky", "declined by the framework itself, the first until")?;
    lab.kubectl.delete("framework", "picky")?;
    // Its role's quota.
    with_roles(lab, &[("n-none", json!({"quota": {"limits": {"cpu": 0, "memory": 0}}}))], || {
        external(lab, "limited", "n-none")?;
        told(lab, "limited", "kept back by the quota limit of role n-none: raise that, or end tasks of the role")
    })?;
    lab.kubectl.delete("framework", "limited")?;
    // What other roles are guaranteed.
    let everything = json!({"quota": {"guarantees": {"cpu": 100_000, "memory": "100Ti"}, "force": true}});
    with_roles(lab, &[("n-all", everything)], || {
        external(lab, "guest", "*")?;
        told(lab, "guest", "kept free for other roles, which are guaranteed more than they have")
    })?;
    lab.kubectl.delete("framework", "guest")?;
    // Others hold everything.
    built_in(lab, "hog", "*")?;
    let tasks: Vec<Value> = agents.iter().map(|agent| whole(lab, agent)).collect::<Result<_>>()?;
    lab.tasks(&tasks)?;
    running(lab, "hog", agents.len())?;
    external(lab, "late", "*")?;
    told(lab, "late", &format!("(framework {}/hog has most of the cluster", lab.namespace()))?;
    lab.kubectl.delete("framework", "late")?;
    lab.kubectl.delete("framework", "hog")?;
    // An operator withdrew the agents.
    with_agents(lab, &agents, &json!({"deactivated": true}), || {
        external(lab, "early", "*")?;
        told(lab, "early", "deactivated by an operator or down for maintenance")
    })?;
    outstanding(lab, "early").map(drop)
}

/// Waits until a framework has no offers and its description says why.
fn told(lab: &Lab, framework: &str, why: &str) -> Result<()> {
    lab.kubectl.wait_object("framework", framework, &format!("told: {why}"), SOON, |framework| {
        framework["status"]["conditions"][0]["message"].as_str().is_some_and(|message| message.contains(why))
    })?;
    contains(&lab.describe("framework", framework)?, "NoOffers")?;
    contains(&lab.describe("framework", framework)?, why)
}

/// Declines every offer of a framework for an hour, until none is left.
fn decline_all(lab: &Lab, framework: &str) -> Result<()> {
    crate::deadline::wait_every(Duration::from_millis(500), &format!("{framework} to have no offers"), SOON, || {
        let open: Vec<Value> = offers(lab, framework)?
            .into_iter()
            .filter(|offer| offer["status"]["phase"] == "Outstanding" && offer["spec"].get("reply").is_none())
            .collect();
        for offer in &open {
            let reply = json!({"spec": {"reply": {"decline": {"filters": {"refuseSeconds": 3600}}}}});
            lab.kubectl.patch("offer", offer["metadata"]["name"].as_str().unwrap_or_default(), &reply)?;
        }
        let known = lab.kubectl.get("framework", framework)?.context("the framework is gone")?;
        Ok((open.is_empty() && known["status"]["offers"] == 0).then_some(()))
    })
}

/// Applies `AllocationRoles` of these paths, and deletes them whatever comes of `work`.
fn with_roles<T>(lab: &Lab, roles: &[(&str, Value)], work: impl FnOnce() -> Result<T>) -> Result<T> {
    for (path, spec) in roles {
        let mut spec = spec.clone();
        spec["path"] = json!(path);
        lab.apply(&json!({"kind": "AllocationRole", "metadata": {"name": path}, "spec": spec}))?;
    }
    let done = work();
    for (path, _) in roles {
        lab.kubectl.delete("allocationrole", path)?;
    }
    done
}

/// Changes the specs of agents, and takes that back whatever comes of `work`.
pub(super) fn with_agents<T>(
    lab: &Lab,
    agents: &[String],
    spec: &Value,
    work: impl FnOnce() -> Result<T>,
) -> Result<T> {
    for agent in agents {
        lab.kubectl.patch("agent", agent, &json!({ "spec": spec }))?;
    }
    let done = work();
    for agent in agents {
        lab.kubectl.patch("agent", agent, &json!({"spec": {"deactivated": false, "drain": null}}))?;
    }
    done
}

/// The names of the agents.
pub(super) fn agents(lab: &Lab) -> Result<Vec<String>> {
    let all = lab.kubectl.list("agents", "")?;
    Ok(all.iter().filter_map(|agent| agent["metadata"]["name"].as_str().map(str::to_owned)).collect())
}

fn built_in(lab: &Lab, name: &str, role: &str) -> Result<()> {
    lab.apply(&json!({"kind": "Framework", "metadata": {"name": name}, "spec": {"roles": [role]}})).map(drop)
}

/// Applies a framework that answers Offer objects.
pub(super) fn external(lab: &Lab, name: &str, role: &str) -> Result<()> {
    lab.apply(&json!({"kind": "Framework", "metadata": {"name": name}, "spec": {"roles": [role],
        "scheduler": {"external": {"delivery": "Resource"}}, "offerTimeoutSeconds": 300}}))
        .map(drop)
}

/// A task of a tenth of a core that runs on.
fn tenth(lab: &Lab, framework: &str, name: &str) -> Value {
    let mut task = lab.task(framework, name, "exec sleep 100000");
    task["spec"]["resources"]["cpu"] = json!("100m");
    task["metadata"]["labels"] = json!({"framework": framework});
    task
}

/// A task that takes all cores and memory of an agent.
fn whole(lab: &Lab, agent: &str) -> Result<Value> {
    let object = lab.kubectl.get("agent", agent)?.context("the agent is gone")?;
    let mut task = lab.task("hog", &format!("hog-{agent}"), "exec sleep 100000");
    for resource in ["cpu", "memory"] {
        task["spec"]["resources"][resource] = object["status"]["slot"][resource].clone();
    }
    task["metadata"]["labels"] = json!({"framework": "hog"});
    Ok(task)
}

fn count_running(lab: &Lab, framework: &str) -> Result<usize> {
    let all = lab.kubectl.list("tasks", &format!("framework={framework}"))?;
    Ok(all.iter().filter(|task| state_of(task) == "Running").count())
}

/// Waits until so many tasks of a framework run.
fn running(lab: &Lab, framework: &str, count: usize) -> Result<()> {
    let what = format!("{count} tasks of {framework} to run");
    crate::deadline::wait_every(Duration::from_millis(500), &what, SOON, || {
        let run = count_running(lab, framework)?;
        ensure!(run <= count, "{run} tasks of {framework} run");
        Ok((run == count).then_some(()))
    })
}

/// How many tasks of two frameworks run, once that has not changed for five seconds.
fn settled(lab: &Lab, one: &str, other: &str) -> Result<(usize, usize)> {
    let mut last = ((0, 0), Instant::now());
    crate::deadline::wait_every(Duration::from_millis(500), "the cluster to be full", SOON, || {
        let now = (count_running(lab, one)?, count_running(lab, other)?);
        if now != last.0 {
            last = (now, Instant::now());
        }
        Ok((now.0 > 0 && now.1 > 0 && last.1.elapsed() > Duration::from_secs(5)).then_some(now))
    })
}
