//! What Prometheus is told.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// How a launch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum LaunchOutcome {
    /// The command runs.
    Running,
    /// It does not.
    Failed,
}

/// Label of launches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct LaunchLabels {
    /// How it ended.
    pub outcome: LaunchOutcome,
}

/// The agent's figures.
#[derive(Debug)]
pub struct Metrics {
    /// Everything below.
    pub registry: Registry,
    /// Tasks whose command runs.
    pub tasks_running: Gauge,
    /// Status updates that are not acknowledged.
    pub updates_unacknowledged: Gauge,
    /// 1 while registered with a leader.
    pub registered: Gauge,
    /// Highest epoch seen.
    pub epoch: Gauge,
    /// Launches by how they ended.
    pub launches: Family<LaunchLabels, Counter>,
    /// From the order's arrival to the running command.
    pub launch_seconds: Histogram,
    /// Messages of a lower epoch that were not obeyed.
    pub stale_epoch_refused: Counter,
    /// Connections to a controller.
    pub connections: Counter,
    /// Writes that were waited for to be on disk, in groups.
    pub journal_syncs: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        let buckets = [0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0];
        let mut metrics = Self {
            registry: Registry::with_prefix("proffer_agent"),
            tasks_running: Gauge::default(),
            updates_unacknowledged: Gauge::default(),
            registered: Gauge::default(),
            epoch: Gauge::default(),
            launches: Family::default(),
            launch_seconds: Histogram::new(buckets),
            stale_epoch_refused: Counter::default(),
            connections: Counter::default(),
            journal_syncs: Counter::default(),
        };
        let registry = &mut metrics.registry;
        registry.register("tasks_running", "Tasks whose command runs", metrics.tasks_running.clone());
        registry.register(
            "updates_unacknowledged",
            "Status updates that are not acknowledged",
            metrics.updates_unacknowledged.clone(),
        );
        registry.register("registered", "1 while registered with a leader", metrics.registered.clone());
        registry.register("epoch", "Highest epoch seen", metrics.epoch.clone());
        registry.register("launches", "Launches by how they ended", metrics.launches.clone());
        registry.register(
            "launch_seconds",
            "From the arrival of an order to the running command",
            metrics.launch_seconds.clone(),
        );
        registry.register(
            "stale_epoch_refused",
            "Messages of a lower epoch that were not obeyed",
            metrics.stale_epoch_refused.clone(),
        );
        registry.register("connections", "Connections to a controller", metrics.connections.clone());
        registry.register("journal_syncs", "Times the journal was made durable", metrics.journal_syncs.clone());
        metrics
    }
}

impl Metrics {
    /// Counts a launch.
    pub fn launched(&self, outcome: LaunchOutcome) {
        self.launches.get_or_create(&LaunchLabels { outcome }).inc();
    }
}
