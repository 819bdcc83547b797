//! What every case starts from: a cluster with Proffer on it and a namespace of the case's own.

use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::forward;
use crate::kubectl::Kubectl;

/// How long anything may take that takes about a second on an idle machine: generous, since cases run on small machines.
pub const SOON: Duration = Duration::from_mins(1);

/// The namespace of Proffer's own programs.
pub const SYSTEM: &str = "proffer-system";

/// A cluster with Proffer on it, and a namespace of the case's own.
#[derive(Debug)]
pub struct Lab<'a> {
    /// The cluster.
    pub cluster: &'a Cluster,
    /// kubectl in the case's namespace.
    pub kubectl: Kubectl,
    namespace: String,
}

impl<'a> Lab<'a> {
    /// Makes the namespace `case-<name>` anew.
    pub fn new(cluster: &'a Cluster, name: &str) -> Result<Self> {
        let namespace = format!("case-{name}");
        let kubectl = cluster.kubectl().in_namespace(&namespace);
        kubectl.run(["delete", "namespace", &namespace, "--ignore-not-found", "--timeout=120s"])?;
        kubectl.run(["create", "namespace", &namespace])?;
        Ok(Self { cluster, kubectl, namespace })
    }

    /// The namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// kubectl in Proffer's own namespace.
    #[must_use]
    pub fn system(&self) -> Kubectl {
        self.kubectl.in_namespace(SYSTEM)
    }

    /// Deletes the namespace and everything in it; must not hang.
    pub fn close(self) -> Result<()> {
        self.kubectl.run(["delete", "namespace", &self.namespace, "--ignore-not-found", "--timeout=120s"]).map(drop)
    }

    /// Prints a line that belongs to the case's result: a figure, a count.
    pub fn note(&self, text: &str) -> Result<()> {
        writeln!(std::io::stdout(), "     {text}").context("printing")
    }

    /// Applies a Framework with the built-in scheduler.
    pub fn framework(&self, name: &str) -> Result<()> {
        self.apply(&json!({"kind": "Framework", "metadata": {"name": name}, "spec": {}})).map(drop)
    }

    /// Applies an object of our group.
    pub fn apply(&self, object: &Value) -> Result<String> {
        let mut object = object.clone();
        object["apiVersion"] = json!("proffer.dev/v1alpha1");
        self.kubectl.apply(&object.to_string())
    }

    /// Applies several Tasks with one call.
    pub fn tasks(&self, tasks: &[Value]) -> Result<()> {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": tasks});
        self.kubectl.apply(&list.to_string()).map(drop)
    }

    /// A Task that runs a shell command with 10m of cpu and 16Mi of memory, to be changed and applied.
    #[must_use]
    pub fn task(&self, framework: &str, name: &str, command: &str) -> Value {
        json!({
            "apiVersion": "proffer.dev/v1alpha1",
            "kind": "Task",
            "metadata": {"name": name},
            "spec": {
                "frameworkRef": {"name": framework},
                "command": {"value": command},
                "resources": {"cpu": "10m", "memory": "16Mi"},
            },
        })
    }

    /// Waits until a task is in one of these states; fails at once when it is in another terminal one.
    pub fn wait_task(&self, name: &str, wanted: &[&str], limit: Duration) -> Result<Value> {
        let mut wrong = None;
        let task = self.kubectl.wait_object("task", name, &wanted.join(" or "), limit, |task| {
            let state = state_of(task);
            if wanted.contains(&state) {
                return true;
            }
            let terminal = ["Finished", "Failed", "Killed", "Error", "Lost", "Dropped", "Gone", "GoneByOperator"];
            if terminal.contains(&state) {
                wrong = Some(task["status"].clone());
            }
            wrong.is_some()
        })?;
        match wrong {
            Some(status) => bail!("task {name} should be {} and is {status}", wanted.join(" or ")),
            None => Ok(task),
        }
    }

    /// Waits until every task that a label selector picks is in this state, and returns them.
    pub fn wait_tasks(&self, selector: &str, count: usize, state: &str, limit: Duration) -> Result<Vec<Value>> {
        let what = format!("{count} tasks with {selector} to be {state}");
        let mut last = Vec::new();
        crate::deadline::wait_every(Duration::from_millis(500), &what, limit, || {
            last = self.kubectl.list("tasks", selector)?;
            let there = last.iter().filter(|task| state_of(task) == state).count();
            Ok((there == count && last.len() == count).then(|| last.clone()))
        })
        .with_context(|| {
            let states: Vec<String> =
                last.iter().map(|task| format!("{}: {}", task["metadata"]["name"], task["status"])).take(5).collect();
            format!("{} tasks, the first: {}", last.len(), states.join("; "))
        })
    }

    /// The message of an API server or kubectl that refuses; an error if it does not refuse.
    pub fn refusal(&self, result: Result<String>) -> Result<String> {
        match result {
            Ok(answer) => bail!("this should have been refused, and the answer was {answer}"),
            Err(error) => Ok(format!("{error:#}")),
        }
    }

    /// What `kubectl describe` tells of an object.
    pub fn describe(&self, kind: &str, name: &str) -> Result<String> {
        self.kubectl.run(["describe", kind, name])
    }

    /// A file of a task's sandbox, through the controller's `/files/read`.
    pub fn sandbox_file(&self, task: &str, file: &str) -> Result<String> {
        let object = self.kubectl.get("task", task)?.with_context(|| format!("there is no task {task}"))?;
        let sandbox = object["status"]["sandbox"].as_str().with_context(|| format!("task {task} has no sandbox"))?;
        let tunnel = forward::Tunnel::open(&self.system(), "service/proffer")?;
        let read = forward::get(tunnel.port(), &format!("/files/read?path={sandbox}/{file}&offset=0&length=65536"))?;
        let answer: Value = serde_json::from_str(&read).with_context(|| format!("/files/read answered {read}"))?;
        Ok(answer["data"].as_str().unwrap_or_default().to_owned())
    }

    /// Every process of every task on the nodes: what runs in a cgroup of Proffer's below a slot.
    pub fn task_processes(&self) -> Result<Vec<TaskProcess>> {
        let mut found = Vec::new();
        for slot in self.system().list("pods", "app.kubernetes.io/component=slot")? {
            let node = slot["spec"]["nodeName"].as_str().unwrap_or_default().to_owned();
            let uid = slot["metadata"]["uid"].as_str().unwrap_or_default();
            if node.is_empty() {
                continue;
            }
            for pid in self.cluster.provider().processes_of_pod(&node, uid)? {
                // A process may end while it is looked at: then it is none any more.
                let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
                let Some(task) =
                    read("cgroup").lines().find_map(|line| Some(line.rsplit_once("/proffer/")?.1.to_owned()))
                else {
                    continue;
                };
                let facts = read("stat");
                // After the last parenthesis, since a command may have one in its name: state is field 3, start time field 22.
                let Some(start) =
                    facts.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(19)?.parse().ok())
                else {
                    continue;
                };
                found.push(TaskProcess { node: node.clone(), task, pid, start });
            }
        }
        found.sort();
        Ok(found)
    }

    /// Waits until no process of any task is left.
    pub fn wait_no_processes(&self) -> Result<()> {
        crate::deadline::wait_every(Duration::from_millis(250), "every process of every task to be gone", SOON, || {
            let left = self.task_processes()?;
            ensure!(left.is_empty(), "left: {left:?}");
            Ok(Some(()))
        })
    }

    /// Signals the main process of a controller's pod.
    pub fn signal_controller(&self, pod: &Value, signal: Signal) -> Result<()> {
        let name = pod["metadata"]["name"].as_str().unwrap_or_default();
        self.cluster.signal_container(SYSTEM, name, "controller", signal)
    }

    /// That a framework of this case still gets its tasks run: nothing that came before has stopped the others.
    pub fn others_go_on(&self, framework: &str) -> Result<()> {
        let name = format!("after-{}", unique());
        self.apply(&self.task(framework, &name, "true"))?;
        self.wait_task(&name, &["Finished"], SOON).context("others should go on")?;
        Ok(())
    }
}

/// A process of a task.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TaskProcess {
    /// Its node.
    pub node: String,
    /// The task's UID, from the name of its cgroup.
    pub task: String,
    /// Its PID on the machine.
    pub pid: i32,
    /// When it started, in clock ticks since the machine did.
    pub start: u64,
}

/// The state of a Task object.
#[must_use]
pub fn state_of(task: &Value) -> &str {
    task["status"]["state"].as_str().unwrap_or("")
}

/// Fails with both texts unless `text` has `part` in it.
pub fn contains(text: &str, part: &str) -> Result<()> {
    ensure!(text.contains(part), "{part:?} should stand in: {text}");
    Ok(())
}

/// A number that no other call of this process gives.
#[must_use]
pub fn unique() -> usize {
    static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(1);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}
