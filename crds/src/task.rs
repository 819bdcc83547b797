//! Task: one command, run once on one agent.

use crate::{Condition, QuantityText};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A task of a framework. It runs once; `kubectl delete` ends it.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "proffer.dev",
    version = "v1alpha1",
    kind = "Task",
    namespaced,
    status = "TaskStatus",
    category = "proffer",
    derive = "PartialEq",
    doc = "A Task is one command that runs once on one agent, under the limits it asks for. Deleting it ends the command, gracefully first.",
    printcolumn(name = "Framework", type_ = "string", json_path = ".spec.frameworkRef.name"),
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "Agent", type_ = "string", json_path = ".status.agent.name"),
    printcolumn(name = "Exit", type_ = "integer", json_path = ".status.exitCode"),
    printcolumn(name = "CPU", type_ = "string", json_path = ".spec.resources.cpu", priority = 1),
    printcolumn(name = "Memory", type_ = "string", json_path = ".spec.resources.memory", priority = 1),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.reason", priority = 1),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.message", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
// Set as a whole, and never changed: so the API server need not note who set which field of it.
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
#[x_kube(validation = Rule::new("self == oldSelf").message("a task's spec cannot be changed, since it may run already: delete the Task and apply it again"))]
#[x_kube(validation = Rule::new("!has(self.limits) || !has(self.limits.cpu) || !isQuantity(string(self.limits.cpu)) || !isQuantity(string(self.resources.cpu)) || quantity(string(self.limits.cpu)).compareTo(quantity(string(self.resources.cpu))) >= 0").message("limits.cpu is less than resources.cpu, which the task is given: write a limit of at least that, or leave it out"))]
#[x_kube(validation = Rule::new("!has(self.limits) || !has(self.limits.memory) || !isQuantity(string(self.limits.memory)) || !isQuantity(string(self.resources.memory)) || quantity(string(self.limits.memory)).compareTo(quantity(string(self.resources.memory))) >= 0").message("limits.memory is less than resources.memory, which the task is given: write a limit of at least that, or leave it out"))]
pub struct TaskSpec {
    /// The framework it belongs to, in the same namespace.
    pub framework_ref: FrameworkReference,
    /// In which of its framework's roles it runs; the first of them if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub role: Option<String>,
    /// What to run.
    pub command: Command,
    /// What it is given.
    #[serde(default)]
    pub resources: ResourceRequest,
    /// Upper bounds above what it is given (Mesos: `TaskInfo.limits`). Without: memory is bounded by `resources`, and cores only shared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<TaskLimits>,
    /// Environment variables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000))]
    pub env: Vec<EnvironmentVariable>,
    /// User name or number to run as; `nobody` if left out. Root only where the operator allows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(validation = Rule::new("self.matches('^([a-z_][a-z0-9_-]*|[0-9]+)$')").message("user is a name of lower-case letters, digits, - and _, or a number: write nobody or 65534"))]
    pub user: Option<String>,
    /// Persistent volumes of Reservations for its role, or for one above it. It goes where they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = Rule::new("self.all(one, self.exists_one(other, other.id == one.id))").message("two volumes have the same id: write each once"))]
    pub volumes: Vec<TaskVolume>,
    /// How it is ended.
    #[serde(default)]
    pub kill_policy: KillPolicy,
    /// What its framework's scheduler asked for, if it was launched over the Mesos API: all of it, in Mesos' JSON (`TaskInfo`). The
    /// fields above show what of it they can. Written by the controller only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::mesos_json")]
    pub task_info: Option<Value>,
    /// Where its framework's scheduler launched it, if it was launched over the Mesos API. Written by the controller only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement: Option<Placement>,
}

/// The place that a scheduler chose for a task.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Placement {
    /// Its agent.
    pub agent: TaskAgent,
    /// ID of its container, by which the agent knows it.
    pub container_id: String,
    /// The role for which it holds its resources.
    pub role: String,
    /// Epoch of the leader that placed it.
    pub master_epoch: i64,
    /// When it was placed, RFC 3339 with microseconds.
    pub at: String,
    /// The group that it was launched with, if it was (Mesos: `LAUNCH_GROUP`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<TaskGroup>,
}

/// The group of tasks that a task was launched with: all of them or none.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskGroup {
    /// The same in all of its tasks, and in no others.
    pub id: String,
    /// How many tasks it has.
    pub size: i32,
}

/// A persistent volume of a task.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskVolume {
    /// ID of the volume in its Reservation.
    #[schemars(length(min = 1, max = 253))]
    pub id: String,
    /// Where the task finds it, below its sandbox; where the Reservation says, if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    #[x_kube(validation = Rule::new("!self.startsWith('/') && !self.endsWith('/') && !self.contains('//') && !self.matches('(^|/)[.][.]?(/|$)')").message("path is one below the sandbox, without . and ..: write data or var/data"))]
    pub path: Option<String>,
    /// Whether the task may only read it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub read_only: bool,
}

/// Names a Framework of the same namespace.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameworkReference {
    /// The Framework's name.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
}

/// What to run (Mesos: `CommandInfo`).
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(validation = Rule::new("self.shell || !has(self.arguments) || self.arguments.size() == 0 || self.arguments[0] != ''").message("arguments[0] is the program's own name, as in execve: write it first"))]
#[x_kube(validation = Rule::new("!self.shell || !has(self.arguments) || self.arguments.size() == 0").message("with shell: true the whole command stands in value: leave arguments out, or write shell: false"))]
pub struct Command {
    /// With `shell`: a command line for `/bin/sh -c`. Without: the program, looked up in PATH.
    #[schemars(length(max = 131_072))]
    #[x_kube(validation = Rule::new("self.matches('[^ \\t\\r\\n]')").message("the command is empty: write what to run, such as value: echo hello"))]
    pub value: String,
    /// Whether `value` is for a shell.
    #[serde(default = "default_shell")]
    pub shell: bool,
    /// Without `shell`: the arguments, the program's own name first (as in Mesos and execve).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000), inner(length(max = 131_072)))]
    pub arguments: Vec<String>,
}

fn default_shell() -> bool {
    true
}

/// An environment variable.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentVariable {
    /// Its name.
    #[schemars(length(min = 1, max = 1024))]
    #[x_kube(validation = Rule::new("self.matches('^[^=\\\\x00]+$')").message("a variable's name has no '=' in it: write name: FOO and value: bar"))]
    pub name: String,
    /// Its value.
    #[serde(default)]
    #[schemars(length(max = 131_072))]
    pub value: String,
}

/// What a task is given on its agent.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceRequest {
    /// Cores.
    #[serde(default = "default_cpu")]
    #[x_kube(validation = Rule::new("!isQuantity(string(self)) || quantity(string(self)).compareTo(quantity('10m')) >= 0").message("a task needs at least 10m of cpu: write cpu: 10m or more"))]
    pub cpu: QuantityText,
    /// Memory.
    #[serde(default = "default_memory")]
    #[x_kube(validation = Rule::new("!isQuantity(string(self)) || quantity(string(self)).compareTo(quantity('4Mi')) >= 0").message("a task needs at least 4Mi of memory: write memory: 4Mi or more"))]
    pub memory: QuantityText,
    /// Disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<QuantityText>,
    /// Ports, which the task finds in PORT0, PORT1 and so on, and in PORTS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ports: Option<PortRequest>,
}

fn default_cpu() -> QuantityText {
    "100m".into()
}

fn default_memory() -> QuantityText {
    "32Mi".into()
}

impl Default for ResourceRequest {
    fn default() -> Self {
        Self { cpu: default_cpu(), memory: default_memory(), disk: None, ports: None }
    }
}

/// How many ports, or which.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(validation = Rule::new("has(self.count) != has(self.numbers)").message("ask for ports in one way: either count: 2 or numbers: [31000, 31001]"))]
pub struct PortRequest {
    /// Any so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub count: Option<i32>,
    /// Exactly these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100), inner(range(min = 1, max = 65535)))]
    pub numbers: Option<Vec<i32>>,
}

/// Upper bounds above what the task is given.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskLimits {
    /// Cores, enforced as a CFS quota.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<QuantityText>,
    /// Memory, above which the task is ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<QuantityText>,
}

/// How a task is ended.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KillPolicy {
    /// Seconds between SIGTERM and SIGKILL.
    #[serde(default = "default_grace")]
    #[schemars(range(min = 0, max = 86_400))]
    pub grace_period_seconds: i32,
}

fn default_grace() -> i32 {
    5
}

impl Default for KillPolicy {
    fn default() -> Self {
        Self { grace_period_seconds: default_grace() }
    }
}

/// State of a task: Mesos' names in camel case, without the prefix; `Pending` before anything was decided.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskState {
    /// Waits for resources, or for its framework to launch it.
    #[default]
    Pending,
    /// Has an agent; not yet known to run.
    Staging,
    /// Is being started.
    Starting,
    /// Runs.
    Running,
    /// Was asked to end.
    Killing,
    /// Ended by itself with exit code 0.
    Finished,
    /// Ended with an error or by a limit.
    Failed,
    /// Ended because it was asked to.
    Killed,
    /// Its description was not acceptable.
    Error,
    /// Nobody knows.
    Lost,
    /// Never ran.
    Dropped,
    /// Its agent cannot be reached; it may still run.
    Unreachable,
    /// Ran, and its agent has no trace of it now.
    Gone,
    /// An operator declared its agent gone.
    GoneByOperator,
    /// Was never heard of.
    Unknown,
}

/// What the controller and the agent know of a task.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
// Written by the leader alone, and as a whole.
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct TaskStatus {
    /// Generation of the spec that this was seen of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Epoch of the leader that wrote this; never goes down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self >= oldSelf").message("written by a leader of an earlier epoch"))]
    pub master_epoch: Option<i64>,
    /// State.
    #[serde(default)]
    pub state: TaskState,
    /// Why it is in this state: Mesos' reason in camel case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why, for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Where it runs or ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<TaskAgent>,
    /// The role in which it was given its resources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// What it was given, in Mesos' JSON form, where that is reserved or a volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<String>,
    /// Ports it was given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<i32>,
    /// Exit code of the command, if it exited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Signal that ended the command, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// Sandbox, as a path for the controller's `/files`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<String>,
    /// When it entered its states.
    #[serde(default)]
    pub times: TaskTimes,
    /// `Placed`, `Running`, `Finished`, `Failed`, `Complete`.
    #[serde(default)]
    pub conditions: Vec<Condition>,
}

/// The agent of a task.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskAgent {
    /// Name of the Agent, which is its node's.
    pub name: String,
    /// The agent's ID in the Mesos API.
    pub id: String,
    /// IP address at which the task's ports are reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// When a task entered its states, RFC 3339 with microseconds.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskTimes {
    /// Was given an agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staging: Option<String>,
    /// Ran, by its agent's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<String>,
    /// Ended, by its agent's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed: Option<String>,
}
