//! What people get wrong: each is told what was wrong, with which value and what to write instead, and others go on.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::lab::{Lab, SOON, contains};

/// A task whose framework does not exist says so, and runs once it does.
pub(super) fn an_unknown_framework_is_named(lab: &Lab) -> Result<()> {
    lab.framework("first")?;
    lab.apply(&lab.task("nobody", "orphan", "true"))?;
    lab.kubectl.wait_object("task", "orphan", "told about its framework", SOON, |task| {
        task["status"]["message"]
            .as_str()
            .is_some_and(|message| message.contains("framework \"nobody\" does not exist"))
    })?;
    contains(&lab.describe("task", "orphan")?, "nobody")?;
    lab.others_go_on("first")?;
    lab.framework("nobody")?;
    lab.wait_task("orphan", &["Finished"], SOON).map(drop)
}

/// Quantities that are zero, negative, absurd or malformed are refused by the API server, with what to write.
pub(super) fn bad_quantities_are_refused(lab: &Lab) -> Result<()> {
    lab.framework("first")?;
    for (resource, value, part) in [
        ("cpu", json!("0"), "at least 10m of cpu"),
        ("cpu", json!(0), "at least 10m of cpu"),
        ("cpu", json!("-1"), "cannot be negative"),
        ("cpu", json!("1e30"), "larger than any agent can have"),
        ("cpu", json!("two"), "not a quantity: write a number"),
        ("cpu", json!("1 core"), "not a quantity: write a number"),
        ("memory", json!("0"), "at least 4Mi of memory"),
        ("memory", json!("-64Mi"), "cannot be negative"),
        ("memory", json!("9999Ei"), "larger than any agent can have"),
        ("memory", json!("64MB"), "not a quantity: write a number"),
        ("memory", json!(""), "not a quantity: write a number"),
    ] {
        let mut task = lab.task("first", "bad", "true");
        task["spec"]["resources"][resource] = value.clone();
        let refusal = lab.refusal(lab.apply(&task)).with_context(|| format!("{resource}: {value}"))?;
        contains(&refusal, part).with_context(|| format!("{resource}: {value}"))?;
        contains(&refusal, &format!("spec.resources.{resource}"))?;
    }
    lab.others_go_on("first")
}

/// A task larger than any agent waits, and is told what the largest agent has.
pub(super) fn more_than_any_agent_has_is_told(lab: &Lab) -> Result<()> {
    lab.framework("first")?;
    let mut task = lab.task("first", "huge", "true");
    task["spec"]["resources"]["cpu"] = json!("1000");
    lab.apply(&task)?;
    let huge = lab.kubectl.wait_object("task", "huge", "told why it waits", SOON, |task| {
        task["status"]["message"].as_str().is_some_and(|message| message.contains("largest"))
    })?;
    let message = huge["status"]["message"].as_str().unwrap_or_default();
    contains(message, "node")?;
    contains(message, "1000")?;
    contains(&lab.describe("task", "huge")?, "largest")?;
    lab.others_go_on("first")
}

/// Commands that are empty or do not exist, and users that do not exist or may not be used.
pub(super) fn bad_commands_and_users_are_told(lab: &Lab) -> Result<()> {
    lab.framework("first")?;
    for empty in ["", "  \t "] {
        let refusal = lab.refusal(lab.apply(&lab.task("first", "empty", empty)))?;
        contains(&refusal, "the command is empty: write what to run")?;
    }
    let mut missing = lab.task("first", "missing", "no-such-program");
    missing["spec"]["command"] = json!({"value": "no-such-program", "shell": false, "arguments": ["no-such-program"]});
    let mut nobody = lab.task("first", "no-such-user", "true");
    nobody["spec"]["user"] = json!("mallory");
    let mut root = lab.task("first", "as-root", "true");
    root["spec"]["user"] = json!("root");
    lab.tasks(&[missing, nobody, root])?;
    for (task, part) in [("missing", "no-such-program"), ("no-such-user", "mallory"), ("as-root", "root")] {
        let failed = lab.wait_task(task, &["Failed", "Error"], SOON)?;
        contains(failed["status"]["message"].as_str().unwrap_or_default(), part)?;
    }
    let mut shouting = lab.task("first", "shouting", "true");
    shouting["spec"]["user"] = json!("Not A User");
    contains(&lab.refusal(lab.apply(&shouting))?, "user is a name of lower-case letters")?;
    lab.others_go_on("first")
}

/// A namespace that does not exist, a name that is none.
pub(super) fn bad_names_are_refused(lab: &Lab) -> Result<()> {
    lab.framework("first")?;
    let task = lab.task("first", "lost", "true");
    let nowhere = lab.kubectl.in_namespace("no-such-namespace");
    contains(&lab.refusal(nowhere.apply(&task.to_string()))?, "\"no-such-namespace\" not found")?;
    let refusal = lab.refusal(lab.apply(&lab.task("first", "Not_A_Name", "true")))?;
    contains(&refusal, "metadata.name")?;
    let refusal = lab.refusal(lab.kubectl.run(["get", "task", "no-such-task"]))?;
    contains(&refusal, "\"no-such-task\" not found")?;
    lab.others_go_on("first")
}

/// A megabyte of environment is refused or fails with the size that is allowed; others go on.
pub(super) fn a_megabyte_of_environment_is_told(lab: &Lab) -> Result<()> {
    lab.framework("first")?;
    let mut task = lab.task("first", "big-environment", "true");
    let variables: Vec<Value> =
        (0..40).map(|number| json!({"name": format!("V{number}"), "value": "x".repeat(26 * 1024)})).collect();
    task["spec"]["env"] = json!(variables);
    // `kubectl apply` keeps the object in an annotation of at most 256 KiB; `create` does not.
    if let Err(refusal) = lab.kubectl.create(&task) {
        contains(&format!("{refusal:#}"), "env")?;
    } else {
        let failed = lab.wait_task("big-environment", &["Error", "Failed"], SOON)?;
        contains(failed["status"]["message"].as_str().unwrap_or_default(), "environment")?;
    }
    lab.others_go_on("first")
}

/// A user without the right is refused by name, verb and resource.
pub(super) fn a_user_who_may_not_is_refused(lab: &Lab) -> Result<()> {
    lab.framework("first")?;
    let task = lab.task("first", "forbidden", "true").to_string();
    let mut command = lab.kubectl.command(["apply", "--as=mallory", "-f", "-"]);
    let refusal = lab.refusal(crate::command::run_with_input(&mut command, task.as_bytes()))?;
    contains(&refusal, "mallory")?;
    contains(&refusal, "forbidden")?;
    lab.others_go_on("first")
}

/// A reply that names tasks which do not fit, belong to another framework or do not exist launches none of them.
pub(super) fn bad_replies_are_told(lab: &Lab) -> Result<()> {
    lab.framework("first")?;
    lab.apply(&json!({"kind": "Framework", "metadata": {"name": "mine"},
        "spec": {"scheduler": {"external": {"delivery": "Resource"}}, "offerTimeoutSeconds": 120}}))?;
    let mut large = lab.task("mine", "too-large", "true");
    large["spec"]["resources"]["cpu"] = json!("900");
    lab.apply(&large)?;
    lab.apply(&lab.task("mine", "fits", "true"))?;
    let mut theirs = lab.task("first", "theirs", "sleep 600");
    theirs["spec"]["resources"]["cpu"] = json!("1000");
    lab.apply(&theirs)?;
    for (tasks, parts) in [
        (json!(["too-large"]), ["too-large", "900"]),
        (json!(["theirs"]), ["theirs", "first"]),
        (json!(["no-such-task"]), ["no-such-task", "does not exist"]),
    ] {
        let offer = super::offers::outstanding(lab, "mine")?;
        let name = offer["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        super::offers::accept(lab, &name, &tasks)?;
        let rejected = lab
            .kubectl
            .wait_object("offer", &name, "Rejected", SOON, |offer| offer["status"]["phase"] == "Rejected")?;
        for part in parts {
            contains(rejected["status"]["message"].as_str().unwrap_or_default(), part)?;
        }
    }
    let offer = super::offers::outstanding(lab, "mine")?;
    let name = offer["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    super::offers::accept(lab, &name, &json!(["too-large", "fits"]))?;
    lab.wait_task("fits", &["Finished"], SOON)?;
    let accepted =
        lab.kubectl.wait_object("offer", &name, "Accepted", SOON, |offer| offer["status"]["phase"] == "Accepted")?;
    contains(accepted["status"]["message"].as_str().unwrap_or_default(), "too-large")?;
    lab.others_go_on("first")
}

/// An object that breaks its own schema, since the rules were taken away, stops no other.
pub(super) fn a_poisoned_object_stops_nobody(lab: &Lab) -> Result<()> {
    lab.framework("first")?;
    let cluster_wide = &lab.kubectl;
    let rules = cluster_wide.get("crd", "tasks.proffer.dev")?.context("the Task kind is not installed")?;
    let mut lax = rules.clone();
    for version in lax["spec"]["versions"].as_array_mut().context("no versions")? {
        version["schema"]["openAPIV3Schema"] = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    }
    let strip = |mut object: Value| {
        for field in ["resourceVersion", "uid", "generation", "managedFields", "creationTimestamp"] {
            if let Some(metadata) = object["metadata"].as_object_mut() {
                metadata.remove(field);
            }
        }
        if let Some(object) = object.as_object_mut() {
            object.remove("status");
        }
        object.to_string()
    };
    let replace = |text: String| {
        let mut command = cluster_wide.command(["replace", "-f", "-"]);
        crate::command::run_with_input(&mut command, text.as_bytes())
    };
    replace(strip(lax))?;
    let poisoned = (|| {
        crate::deadline::wait_until("the lax schema to be served", SOON, || {
            let task = json!({"apiVersion": "proffer.dev/v1alpha1", "kind": "Task", "metadata": {"name": "poison"},
                "spec": {"frameworkRef": 7, "command": ["not", "an", "object"], "resources": {"cpu": {"a": 1}}}});
            lab.kubectl.create(&task).map(|_| true)
        })?;
        let negative = json!({"apiVersion": "proffer.dev/v1alpha1", "kind": "Task", "metadata": {"name": "negative"},
            "spec": {"frameworkRef": {"name": "first"}, "command": {"value": "true"}, "resources": {"cpu": "-5", "memory": "1e99"}}});
        lab.kubectl.create(&negative)?;
        lab.others_go_on("first")?;
        let told = lab.wait_task("negative", &["Error"], SOON)?;
        contains(told["status"]["message"].as_str().unwrap_or_default(), "negative")?;
        lab.others_go_on("first")
    })();
    lab.kubectl.run(["delete", "task", "poison", "negative", "--ignore-not-found", "--timeout=60s"])?;
    replace(strip(rules)).context("putting the rules back")?;
    poisoned?;
    ensure!(lab.refusal(lab.apply(&lab.task("first", "again", ""))).is_ok(), "the rules are back");
    Ok(())
}
