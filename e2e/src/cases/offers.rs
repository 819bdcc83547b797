//! Schedulers that answer Offer objects.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::lab::{Lab, SOON, contains};

/// An outstanding offer of a framework.
pub(super) fn outstanding(lab: &Lab, framework: &str) -> Result<Value> {
    let what = format!("an outstanding offer of {framework}");
    crate::deadline::wait_every(Duration::from_millis(250), &what, SOON, || {
        Ok(offers(lab, framework)?
            .into_iter()
            .find(|offer| offer["status"]["phase"] == "Outstanding" && offer["spec"].get("reply").is_none()))
    })
}

/// Every Offer object of a framework.
pub(super) fn offers(lab: &Lab, framework: &str) -> Result<Vec<Value>> {
    let all = lab.kubectl.list("offers", "")?;
    Ok(all.into_iter().filter(|offer| offer["spec"]["terms"]["framework"] == framework).collect())
}

/// Accepts an offer with these tasks.
pub(super) fn accept(lab: &Lab, offer: &str, tasks: &Value) -> Result<()> {
    let reply = json!({"spec": {"reply": {"accept": {"operations": [{"launch": {"tasks": tasks}}]}}}});
    lab.kubectl.patch("offer", offer, &reply)
}

/// The example that people read runs as it stands: it accepts, declines with a filter, and is told when it is too late.
pub(super) fn the_example_runs_as_it_stands(lab: &Lab) -> Result<()> {
    let script = crate::paths::workspace()?.join("examples/offers-by-hand/offers-by-hand.sh");
    let lines =
        std::fs::read_to_string(&script).with_context(|| format!("reading {}", script.display()))?.lines().count();
    ensure!(lines < 60, "the example has {lines} lines");
    let mut command = crate::command::command("/bin/sh", [script.as_os_str()]);
    let path = std::env::var("PATH").unwrap_or_default();
    let tools = lab.kubectl.program().parent().context("kubectl is in no folder")?;
    command.env("PATH", format!("{}:{path}", tools.display())).env("KUBECONFIG", lab.kubectl.kubeconfig());
    command.env("NAMESPACE", lab.namespace());
    let output = crate::command::run(&mut command)?;
    contains(&output, "Finished")
}

/// A declined agent is not offered again before the filter ends, and is then.
pub(super) fn a_filter_holds_until_it_ends(lab: &Lab) -> Result<()> {
    lab.apply(&json!({"kind": "Framework", "metadata": {"name": "picky"},
        "spec": {"scheduler": {"external": {"delivery": "Resource"}}, "offerTimeoutSeconds": 300}}))?;
    let declined = outstanding(lab, "picky")?;
    let name = declined["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let agent = declined["spec"]["terms"]["agent"]["name"].clone();
    let filter = Duration::from_secs(8);
    let started = std::time::Instant::now();
    let reply = json!({"spec": {"reply": {"decline": {"filters": {"refuseSeconds": filter.as_secs()}}}}});
    lab.kubectl.patch("offer", &name, &reply)?;
    crate::deadline::wait_every(Duration::from_millis(250), "the agent to be offered again", SOON, || {
        let again = offers(lab, "picky")?.into_iter().any(|offer| {
            offer["spec"]["terms"]["agent"]["name"] == agent
                && offer["metadata"]["name"] != json!(name)
                && offer["status"]["phase"] == "Outstanding"
        });
        Ok(again.then_some(()))
    })?;
    ensure!(
        started.elapsed() >= filter,
        "offered again after {:?}, before the filter of {filter:?} ended",
        started.elapsed()
    );
    Ok(())
}

/// An offer that nobody answers goes away in time, and a late reply is told so.
pub(super) fn an_unanswered_offer_expires(lab: &Lab) -> Result<()> {
    lab.apply(&json!({"kind": "Framework", "metadata": {"name": "slow"},
        "spec": {"scheduler": {"external": {"delivery": "Resource"}}, "offerTimeoutSeconds": 3}}))?;
    let offer = outstanding(lab, "slow")?;
    let name = offer["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    lab.kubectl.wait_object("offer", &name, "Expired", SOON, |offer| offer["status"]["phase"] == "Expired")?;
    let late =
        lab.kubectl.run(["patch", "offer", &name, "--type=merge", "--patch", r#"{"spec":{"reply":{"decline":{}}}}"#]);
    contains(&lab.refusal(late)?, "no longer outstanding")?;
    // Its resources are offered again.
    outstanding(lab, "slow").map(drop)
}

/// The terms cannot be changed, and a reply is given once.
pub(super) fn terms_and_replies_are_fixed(lab: &Lab) -> Result<()> {
    lab.apply(&json!({"kind": "Framework", "metadata": {"name": "sly"},
        "spec": {"scheduler": {"external": {"delivery": "Resource"}}, "offerTimeoutSeconds": 300}}))?;
    let name = outstanding(lab, "sly")?["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let patch = |patch: &str| lab.kubectl.run(["patch", "offer", &name, "--type=merge", "--patch", patch]);
    let refusal = lab.refusal(patch(r#"{"spec":{"terms":{"resources":{"cpu":"1000"}}}}"#))?;
    contains(&refusal, "the terms of an offer cannot be changed")?;
    let refusal = lab.refusal(patch(r#"{"spec":{"reply":{}}}"#))?;
    contains(&refusal, "a reply either accepts or declines")?;
    patch(r#"{"spec":{"reply":{"decline":{"filters":{"refuseSeconds":1}}}}}"#)?;
    let refusal = lab.refusal(patch(r#"{"spec":{"reply":{"decline":{"filters":{"refuseSeconds":9}}}}}"#))?;
    contains(&refusal, "only once")
}
