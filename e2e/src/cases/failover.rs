//! Leaders that die, and leaders that come back too late.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::lab::{Lab, SOON, state_of};

/// How often the leader is killed.
const KILLS: usize = 20;
const TASKS: usize = 12;

/// The leader's process is killed again and again: another leader makes offers, every task goes on, none starts twice.
pub(super) fn tasks_go_on_while_leaders_are_killed(lab: &Lab) -> Result<()> {
    start_ledger_tasks(lab)?;
    lab.apply(&json!({"kind": "Framework", "metadata": {"name": "watcher"},
        "spec": {"scheduler": {"external": {"delivery": "Resource"}}, "offerTimeoutSeconds": 600}}))?;
    super::offers::outstanding(lab, "watcher")?;
    let before = lab.task_processes()?;
    let offers = OfferWatch::start(lab)?;
    let mut times = Vec::new();
    for round in 1..=KILLS {
        wait_for_a_standby(lab)?;
        let epoch = epoch(lab)?;
        let leading = leader(lab)?;
        let killed = Instant::now();
        lab.signal_controller(&leading, Signal::KILL)?;
        let offered = offers.first_of_epoch_after(epoch).with_context(|| format!("kill number {round}"))?;
        times.push(offered.saturating_duration_since(killed));
    }
    times.sort_unstable();
    let seconds = |time: Duration| time.as_secs_f64();
    lab.note(&format!("leader killed {KILLS} times; kill to the next leader's first offer: median {:.2} s, shortest {:.2} s, longest {:.2} s",
        seconds(times[KILLS / 2]),
        seconds(times[0]),
        seconds(times[KILLS - 1])))?;
    for number in 0..TASKS {
        let task = lab.wait_task(&format!("ledger-{number}"), &["Running"], SOON)?;
        ensure!(state_of(&task) == "Running", "{task}");
    }
    ensure!(lab.task_processes()? == before, "processes changed: before {before:?}, now {:?}", lab.task_processes()?);
    one_start_each(lab)?;
    lab.framework("first")?;
    lab.others_go_on("first")
}

/// A leader that was stopped until its Lease went does nothing more when it goes on: it exits.
pub(super) fn a_leader_that_slept_exits(lab: &Lab) -> Result<()> {
    start_ledger_tasks(lab)?;
    wait_for_a_standby(lab)?;
    let old = leader(lab)?;
    let old_epoch = epoch(lab)?;
    let restarts = restarts_of(&old);
    lab.signal_controller(&old, Signal::STOP)?;
    let taken = crate::deadline::wait_every(Duration::from_millis(200), "another leader", SOON, || {
        Ok((epoch(lab)? > old_epoch).then_some(()))
    });
    lab.signal_controller(&old, Signal::CONT)?;
    taken?;
    let name = old["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    lab.system().wait_object("pod", &name, "restarted", SOON, |pod| restarts_of(pod) > restarts)?;
    let log = lab.system().logs(&name, "controller", true)?;
    ensure!(
        log.contains("lease") || log.contains("Lease"),
        "the old leader's last words should tell of the Lease: {log}"
    );
    for number in 0..TASKS {
        lab.wait_task(&format!("ledger-{number}"), &["Running"], SOON)?;
    }
    one_start_each(lab)?;
    lab.others_go_on("ledgers")
}

/// Tasks that each write a line into a ledger when they start, and run until they are ended.
fn start_ledger_tasks(lab: &Lab) -> Result<()> {
    lab.apply(&json!({"kind": "Framework", "metadata": {"name": "ledgers"}, "spec": {"scheduler": {"builtIn": {"strategy": "Spread"}}}}))?;
    let tasks: Vec<Value> = (0..TASKS)
        .map(|number| lab.task("ledgers", &format!("ledger-{number}"), "echo start >>ledger; exec sleep 100000"))
        .collect();
    lab.tasks(&tasks)?;
    for number in 0..TASKS {
        lab.wait_task(&format!("ledger-{number}"), &["Running"], SOON)?;
    }
    Ok(())
}

/// Over all sandboxes of all nodes, each task has started exactly once.
fn one_start_each(lab: &Lab) -> Result<()> {
    for number in 0..TASKS {
        let task = format!("ledger-{number}");
        let mut starts = 0;
        for node in lab.cluster.provider().nodes()? {
            let root = lab.cluster.provider().host_path(&node, std::path::Path::new("/var/lib/proffer/slaves"))?;
            starts += count_lines(&root, &format!("{}.ledgers/executors/{task}/", lab.namespace()))?;
        }
        ensure!(starts == 1, "task {task} has started {starts} times");
    }
    Ok(())
}

/// Lines of every file `ledger` below `root` whose path has `part` in it.
fn count_lines(root: &std::path::Path, part: &str) -> Result<usize> {
    let mut lines = 0;
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() && entry.file_name() == "ledger" && entry.path().to_string_lossy().contains(part) {
                lines += std::fs::read_to_string(entry.path())?.lines().count();
            }
        }
    }
    Ok(lines)
}

/// The pod that leads.
pub(super) fn leader(lab: &Lab) -> Result<Value> {
    crate::deadline::wait_every(Duration::from_millis(100), "a leader", SOON, || {
        let lease = lab.system().get("lease", "proffer-controller")?.context("there is no Lease")?;
        let holder = lease["spec"]["holderIdentity"].as_str().unwrap_or_default();
        let pod = holder.split('_').next().unwrap_or_default();
        if pod.is_empty() { Ok(None) } else { lab.system().get("pod", pod) }
    })
}

/// The epoch: how often the Lease has changed hands.
pub(super) fn epoch(lab: &Lab) -> Result<u64> {
    let lease = lab.system().get("lease", "proffer-controller")?.context("there is no Lease")?;
    lease["spec"]["leaseTransitions"].as_u64().context("the Lease has no leaseTransitions")
}

fn restarts_of(pod: &Value) -> u64 {
    pod.pointer("/status/containerStatuses/0/restartCount").and_then(Value::as_u64).unwrap_or_default()
}

/// Waits until at least two replicas are ready, so that a kill meets a standby and not an empty house.
pub(super) fn wait_for_a_standby(lab: &Lab) -> Result<()> {
    crate::deadline::wait_every(Duration::from_millis(200), "two replicas to be ready", SOON, || {
        let pods = lab.system().list("pods", "app.kubernetes.io/component=controller")?;
        let ready = pods.iter().filter(|pod| {
            pod.pointer("/status/containerStatuses/0/ready").and_then(Value::as_bool).unwrap_or_default()
        });
        Ok((ready.count() >= 2).then_some(()))
    })
}

/// Offers as they appear, with the moment.
struct OfferWatch {
    watch: Child,
    seen: Receiver<(Instant, u64)>,
}

impl OfferWatch {
    fn start(lab: &Lab) -> Result<Self> {
        let columns = "custom-columns=EPOCH:.spec.terms.masterEpoch";
        let mut command = lab.kubectl.command(["get", "offers", "--watch", "--no-headers", "--output", columns]);
        let mut watch = command.stdout(Stdio::piped()).spawn().context("starting kubectl get --watch")?;
        let output = watch.stdout.take().context("kubectl has no output")?;
        let (sender, seen) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(std::result::Result::ok) {
                // Offers of leaders that wrote none yet have `<none>` there.
                let Ok(epoch) = line.trim().parse() else { continue };
                if sender.send((Instant::now(), epoch)).is_err() {
                    return;
                }
            }
        });
        Ok(Self { watch, seen })
    }

    /// When the first offer of a later epoch was seen.
    fn first_of_epoch_after(&self, epoch: u64) -> Result<Instant> {
        let limit = Instant::now() + SOON;
        while let Some(rest) = limit.checked_duration_since(Instant::now()) {
            match self.seen.recv_timeout(rest) {
                Ok((at, offered)) if offered > epoch => return Ok(at),
                Ok(_) => {}
                Err(_) => break,
            }
        }
        bail!("no offer of an epoch after {epoch} within {} s", SOON.as_secs())
    }
}

impl Drop for OfferWatch {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        self.watch.kill().ok();
        self.watch.wait().ok();
    }
}
