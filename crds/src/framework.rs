//! Framework: somebody who takes offers and runs tasks.

use crate::{Condition, QuantityText};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A framework: its scheduler gets offers and decides what to run on them.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "proffer.dev",
    version = "v1alpha1",
    kind = "Framework",
    namespaced,
    status = "FrameworkStatus",
    shortname = "fw",
    category = "proffer",
    derive = "PartialEq",
    doc = "A Framework gets offers of resources and runs Tasks on them. With the built-in scheduler, applying a Framework and a Task is enough to run something.",
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Scheduler", type_ = "string", json_path = ".status.scheduler"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Pending", type_ = "integer", json_path = ".status.tasks.pending"),
    printcolumn(name = "Active", type_ = "integer", json_path = ".status.tasks.active"),
    printcolumn(name = "Completed", type_ = "integer", json_path = ".status.tasks.completed"),
    printcolumn(name = "Offers", type_ = "integer", json_path = ".status.offers"),
    printcolumn(name = "CPU", type_ = "string", json_path = ".status.allocated.cpu", priority = 1),
    printcolumn(name = "Memory", type_ = "string", json_path = ".status.allocated.memory", priority = 1),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].message", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.metadata.name.size() <= 63").message("a framework's name has at most 63 characters: choose a shorter metadata.name"),
)]
#[serde(rename_all = "camelCase")]
pub struct FrameworkSpec {
    /// The roles (Mesos' shares of the cluster) in which it is served, such as `eng` or `eng/analytics`. Its tasks that name none run in the first.
    #[serde(default = "default_roles")]
    #[schemars(length(min = 1, max = 32), inner(length(min = 1, max = 255)))]
    #[x_kube(validation = Rule::new("self.all(r, r == '*' || r.matches('^[^-/*\\\\s][^/\\\\s]*(/[^-/*\\\\s][^/\\\\s]*)*$'))").message("a role is '*' or a path such as eng or eng/analytics, without white space: write roles: ['*'] or leave it out"))]
    pub roles: Vec<String>,
    /// What its scheduler knows of (Mesos' capabilities); it is not offered what needs one that is missing here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub capabilities: Vec<Capability>,
    /// Who decides what runs on an offer.
    #[serde(default)]
    pub scheduler: Scheduler,
    /// Who may act as this framework in the Mesos API: only a scheduler that authenticates as this principal may subscribe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub principal: Option<String>,
    /// How long its tasks go on without its scheduler, in seconds, before they are ended and the framework is over (Mesos:
    /// `failover_timeout`). For `delivery: Stream`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 9_223_372_036.0))]
    pub failover_timeout_seconds: Option<f64>,
    /// Whether agents keep what they know of its tasks on disk; they always do (Mesos: `checkpoint`). Cannot be changed by its
    /// scheduler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<bool>,
    /// Which agents it wants to be offered, by role, in Mesos' JSON (`OfferConstraints`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::mesos_json")]
    pub offer_constraints: Option<Value>,
    /// When a launch over the scheduler API reaches the agent: once its Task object is written, or at once.
    #[serde(default, skip_serializing_if = "TaskDurability::is_default")]
    pub task_durability: TaskDurability,
    /// How long an offer waits for a reply, in seconds, before it goes away. The controller's own limit where this is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3600))]
    pub offer_timeout_seconds: Option<i32>,
    /// How many completed tasks keep their Task object; the oldest are deleted first (Mesos: `max_completed_tasks_per_framework`).
    #[serde(default = "default_history_limit")]
    #[schemars(range(min = 0, max = 100_000))]
    pub history_limit: i32,
}

fn default_roles() -> Vec<String> {
    vec!["*".to_owned()]
}

fn default_history_limit() -> i32 {
    1000
}

impl Default for FrameworkSpec {
    fn default() -> Self {
        Self {
            roles: default_roles(),
            capabilities: Vec::new(),
            scheduler: Scheduler::default(),
            principal: None,
            failover_timeout_seconds: None,
            checkpoint: None,
            offer_constraints: None,
            task_durability: TaskDurability::default(),
            offer_timeout_seconds: None,
            history_limit: default_history_limit(),
        }
    }
}

/// What a scheduler knows of.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Capability {
    /// Resources that may be taken back at any time.
    RevocableResources,
    /// Agents with GPUs.
    GpuResources,
    /// Volumes that several tasks share.
    SharedResources,
    /// Reservations within reservations.
    ReservationRefinement,
    /// Agents in other regions than the controller's.
    RegionAware,
    /// Roles, more than one. A scheduler without it has exactly one.
    MultiRole,
    /// That tasks may be unreachable and come back. Others are told that these are lost.
    PartitionAware,
    /// That tasks take time to end. Others are not told of it.
    TaskKillingState,
}

/// When a launch over the scheduler API reaches the agent.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskDurability {
    /// Once its Task object is written, so that a new leader knows of it.
    #[default]
    Durable,
    /// At once, as in Mesos: until its Task object is written, only the agent knows of it.
    WriteBehind,
}

impl TaskDurability {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands references")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Exactly one scheduler.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[x_kube(validation = Rule::new("has(self.builtIn) != has(self.external)").message("choose one scheduler: either builtIn: {} or external: {delivery: Resource} or external: {delivery: Stream}"))]
#[serde(rename_all = "camelCase")]
pub struct Scheduler {
    /// Proffer's own: it takes Task objects and finds an agent for each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub built_in: Option<BuiltInScheduler>,
    /// Somebody else's program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalScheduler>,
}

impl Default for Scheduler {
    fn default() -> Self {
        Self { built_in: Some(BuiltInScheduler::default()), external: None }
    }
}

/// How the built-in scheduler chooses an agent.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BuiltInScheduler {
    /// Which of the agents that fit is taken.
    #[serde(default)]
    pub strategy: Strategy,
}

/// Which of several agents that fit is taken.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Strategy {
    /// The fullest, so that whole agents stay free for large tasks.
    #[default]
    BinPack,
    /// The emptiest, so that the loss of one agent costs little.
    Spread,
}

/// A scheduler that runs elsewhere.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExternalScheduler {
    /// How offers reach it.
    pub delivery: Delivery,
    /// With `Stream`: the ID by which the framework is known in the Mesos API. One is made of the object's UID if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("a framework's ID cannot be changed: make another Framework"))]
    pub framework_id: Option<String>,
    /// With `Stream`: what its scheduler said of itself last, in Mesos' JSON (`FrameworkInfo`). Once it is there, it counts, and
    /// roles, capabilities, checkpoint and failover timeout of this object only show what of it they can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::mesos_json")]
    pub framework_info: Option<Value>,
}

/// How offers reach an external scheduler.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Delivery {
    /// As Offer objects, which it answers by setting `spec.reply`.
    Resource,
    /// As events of Mesos' v1 scheduler API at `/api/v1/scheduler`.
    Stream,
}

/// What the controller knows of a framework.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FrameworkStatus {
    /// Generation of the spec that this was seen of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Epoch of the leader that wrote this; never goes down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self >= oldSelf").message("written by a leader of an earlier epoch"))]
    pub master_epoch: Option<i64>,
    /// The framework's ID in the Mesos API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub framework_id: Option<String>,
    /// With `delivery: Stream`, whether a scheduler is subscribed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<FrameworkPhase>,
    /// With `delivery: Stream`, since when no scheduler is subscribed, RFC 3339 with microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disconnected_at: Option<String>,
    /// The scheduler in a word: `BinPack`, `Spread`, `External` or `Stream`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduler: Option<String>,
    /// How many tasks it has.
    #[serde(default)]
    pub tasks: FrameworkTaskCounts,
    /// What its tasks hold.
    #[serde(default)]
    pub allocated: Allocated,
    /// How many offers wait for its reply.
    #[serde(default)]
    pub offers: i32,
    /// `Ready`, with the reason why it gets no offers if it gets none.
    #[serde(default)]
    pub conditions: Vec<Condition>,
}

/// How far a framework is whose scheduler subscribes.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FrameworkPhase {
    /// No scheduler has subscribed so far.
    New,
    /// A scheduler is subscribed.
    Active,
    /// A scheduler was subscribed, and may come back within the failover timeout.
    Disconnected,
    /// It is over for good.
    Completed,
}

/// What is held, as Kubernetes quantities.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allocated {
    /// Cores.
    #[serde(default)]
    pub cpu: QuantityText,
    /// Memory.
    #[serde(default)]
    pub memory: QuantityText,
}

/// Tasks by what they do now.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameworkTaskCounts {
    /// Wait for resources.
    #[serde(default)]
    pub pending: i32,
    /// Hold resources.
    #[serde(default)]
    pub active: i32,
    /// Have ended and are still remembered.
    #[serde(default)]
    pub completed: i32,
}
