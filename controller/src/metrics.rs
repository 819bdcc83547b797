//! What the controller counts, as `OpenMetrics` on `/metrics`.

use crate::clock::Boot;
use crate::registry::Registry;
use k8s_openapi::api::core::v1::Pod;
use proffer_crds::{Agent, ConditionStatus, Framework, Task};
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Kind of an object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

/// Kind and outcome of a write.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WriteLabels {
    kind: &'static str,
    outcome: &'static str,
}

/// Name of an event of the master.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EventLabel {
    event: &'static str,
}

/// State of a task.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabel {
    state: String,
}

/// Whether something is ready.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReadyLabel {
    ready: &'static str,
}

/// A hop on a task's way from its object to its process.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HopLabel {
    hop: &'static str,
}

/// A hop on a task's way from its object to its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hop {
    /// From the Task's event to the decision where it runs.
    Allocation,
    /// The write of that decision.
    Write,
    /// From the launch message to its first answer, less what the agent itself took.
    Link,
    /// The agent's own record of the launch.
    Checkpoint,
    /// The start of the process.
    Spawn,
    /// From the agent's answer to its being in the Task.
    Status,
}

impl Hop {
    const fn label(self) -> &'static str {
        match self {
            Self::Allocation => "allocation",
            Self::Write => "write",
            Self::Link => "link",
            Self::Checkpoint => "checkpoint",
            Self::Spawn => "spawn",
            Self::Status => "status",
        }
    }
}

/// Every figure of one process.
#[derive(Debug)]
pub struct Metrics {
    registry: prometheus_client::registry::Registry,
    leader: Gauge,
    epoch: Gauge,
    agents: Family<ReadyLabel, Gauge>,
    sessions: Gauge,
    tasks: Family<StateLabel, Gauge>,
    frameworks: Gauge,
    offers: Gauge,
    slots: Gauge,
    events: Family<EventLabel, Counter>,
    handle_seconds: Histogram,
    writes: Family<WriteLabels, Counter>,
    write_seconds: Family<KindLabel, Histogram>,
    writes_waiting: Gauge,
    writes_window: Gauge,
    watch_failures: Family<KindLabel, Counter>,
    watch_age_seconds: Family<KindLabel, Gauge<f64, AtomicU64>>,
    notices_dropped: Counter,
    launch_seconds: Family<HopLabel, Histogram>,
    watches: Mutex<BTreeMap<&'static str, Boot>>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Figures that all stand at zero.
    #[must_use]
    pub fn new() -> Self {
        let seconds = || Histogram::new(exponential_buckets(0.000_1, 2.0, 18));
        let mut metrics = Self {
            registry: prometheus_client::registry::Registry::with_prefix("proffer"),
            leader: Gauge::default(),
            epoch: Gauge::default(),
            agents: Family::default(),
            sessions: Gauge::default(),
            tasks: Family::default(),
            frameworks: Gauge::default(),
            offers: Gauge::default(),
            slots: Gauge::default(),
            events: Family::default(),
            handle_seconds: Histogram::new(exponential_buckets(0.000_001, 4.0, 12)),
            writes: Family::default(),
            write_seconds: Family::new_with_constructor(seconds),
            writes_waiting: Gauge::default(),
            writes_window: Gauge::default(),
            watch_failures: Family::default(),
            watch_age_seconds: Family::default(),
            notices_dropped: Counter::default(),
            launch_seconds: Family::new_with_constructor(seconds),
            watches: Mutex::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("leader", "1 if this process leads", self.leader.clone());
        registry.register("epoch", "Epoch in which this process leads, 0 if it does not", self.epoch.clone());
        registry.register("agents", "Agents by whether they are ready", self.agents.clone());
        registry.register("agent_sessions", "Agents that are connected to this process", self.sessions.clone());
        registry.register("tasks", "Tasks by state", self.tasks.clone());
        registry.register("frameworks", "Frameworks", self.frameworks.clone());
        registry.register("offers_outstanding", "Offers that wait for a reply", self.offers.clone());
        registry.register("slots", "Slot pods", self.slots.clone());
        registry.register("master_events", "Events that the master handled", self.events.clone());
        registry.register("master_handle_seconds", "Time to handle one event", self.handle_seconds.clone());
        registry.register("api_writes", "Writes to the API server by kind and outcome", self.writes.clone());
        registry.register("api_write_seconds", "Time of a write, retries included", self.write_seconds.clone());
        registry.register("api_writes_waiting", "Writes that have not begun", self.writes_waiting.clone());
        registry.register(
            "api_writes_window",
            "Writes that may be on their way at once: fewer while the API server is slow",
            self.writes_window.clone(),
        );
        registry.register("watch_failures", "Watches that broke, by kind", self.watch_failures.clone());
        registry.register(
            "watch_age_seconds",
            "Time since a watch was last heard of, by kind",
            self.watch_age_seconds.clone(),
        );
        registry.register(
            "notices_dropped",
            "Kubernetes Events not written since too many waited",
            self.notices_dropped.clone(),
        );
        registry.register("launch_seconds", "Time of each hop from a Task to its process", self.launch_seconds.clone());
    }

    /// This process leads in this epoch.
    pub fn leads(&self, epoch: proffer_master::Epoch) {
        self.leader.set(1);
        self.epoch.set(i64::try_from(epoch.0).unwrap_or(i64::MAX));
    }

    /// The master handled an event in this time.
    pub fn handled(&self, event: &'static str, took: Duration) {
        self.events.get_or_create(&EventLabel { event }).inc();
        self.handle_seconds.observe(took.as_secs_f64());
    }

    /// A write ended.
    pub fn wrote(&self, kind: &'static str, outcome: &'static str, took: Duration) {
        self.writes.get_or_create(&WriteLabels { kind, outcome }).inc();
        self.write_seconds.get_or_create(&KindLabel { kind }).observe(took.as_secs_f64());
    }

    /// So many writes have not begun, and so many may be on their way.
    pub fn writes_wait(&self, waiting: usize, window: usize) {
        self.writes_waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
        self.writes_window.set(i64::try_from(window).unwrap_or(i64::MAX));
    }

    /// A watch was heard of.
    pub fn watch_heard(&self, kind: &'static str, now: Boot) {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner).insert(kind, now);
    }

    /// A watch broke.
    pub fn watch_failed(&self, kind: &'static str) {
        self.watch_failures.get_or_create(&KindLabel { kind }).inc();
    }

    /// An agent connected.
    pub fn session_began(&self) {
        self.sessions.inc();
    }

    /// An agent's connection ended.
    pub fn session_ended(&self) {
        self.sessions.dec();
    }

    /// A Kubernetes Event was not written.
    pub fn notice_dropped(&self) {
        self.notices_dropped.inc();
    }

    /// A hop of a launch took this long.
    pub fn hop(&self, hop: Hop, took: Duration) {
        self.launch_seconds.get_or_create(&HopLabel { hop: hop.label() }).observe(took.as_secs_f64());
    }

    /// All figures as text, those that follow from the registry counted now.
    ///
    /// # Errors
    /// Never: a string takes everything.
    pub fn encode(&self, registry: &Registry, now: Boot) -> Result<String, std::fmt::Error> {
        self.count(registry, now);
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }

    fn count(&self, registry: &Registry, now: Boot) {
        self.tasks.clear();
        for entry in registry.all::<Task>() {
            let state = match entry.value() {
                Ok(task) => format!("{:?}", task.status.as_ref().map(|status| status.state).unwrap_or_default()),
                Err(_) => "Malformed".to_owned(),
            };
            self.tasks.get_or_create(&StateLabel { state }).inc();
        }
        self.agents.clear();
        for entry in registry.all::<Agent>() {
            let ready = entry.value().ok().and_then(|agent| agent.status.as_ref()).is_some_and(|status| {
                status.conditions.iter().any(|c| c.type_ == "Ready" && c.status == ConditionStatus::True)
            });
            self.agents.get_or_create(&ReadyLabel { ready: if ready { "true" } else { "false" } }).inc();
        }
        let frameworks = registry.all::<Framework>();
        self.frameworks.set(i64::try_from(frameworks.len()).unwrap_or(i64::MAX));
        let offers = frameworks
            .iter()
            .filter_map(|entry| entry.value().ok()?.status.as_ref())
            .map(|status| i64::from(status.offers))
            .sum();
        self.offers.set(offers);
        self.slots.set(i64::try_from(registry.count::<Pod>()).unwrap_or(i64::MAX));
        for (&kind, &heard) in self.watches.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            self.watch_age_seconds.get_or_create(&KindLabel { kind }).set(now.since(heard).as_secs_f64());
        }
    }
}
