//! `/metrics/snapshot`: Mesos' figures by their names, as far as they follow from what the registry has.
//!
//! What cannot happen here stands at zero, as in a Mesos in which it did not happen: operations on reservations, messages
//! of the old protocol, revocable resources. Timers without a measurement are left out, as Mesos leaves them out;
//! what Proffer itself measures is on `/metrics`.

use super::Master;
use super::about::seconds;
use super::reads::double;
use super::view::{AgentView, Membership, View};
use crate::clock::Clock;
use proffer_mesos_api::TaskState;
use proffer_resources::{Amount, Resources};
use std::collections::BTreeMap;

/// Kinds of operations on an offer that Mesos counts.
const OPERATIONS: [&str; 8] =
    ["create", "create_disk", "destroy", "destroy_disk", "grow_volume", "reserve", "shrink_volume", "unreserve"];
/// States of an operation that Mesos counts.
const OPERATION_STATES: [&str; 9] =
    ["dropped", "error", "failed", "finished", "gone_by_operator", "pending", "recovering", "total", "unreachable"];
/// Messages of libprocess, which nobody sends here: `master/messages_NAME`.
const MESSAGES: [&str; 24] = [
    "authenticate",
    "deactivate_framework",
    "decline_offers",
    "executor_to_framework",
    "exited_executor",
    "framework_to_executor",
    "kill_task",
    "launch_tasks",
    "operation_status_update",
    "operation_status_update_acknowledgement",
    "reconcile_operations",
    "reconcile_tasks",
    "register_framework",
    "register_slave",
    "reregister_framework",
    "reregister_slave",
    "resource_request",
    "revive_offers",
    "status_update",
    "status_update_acknowledgement",
    "suppress_offers",
    "unregister_framework",
    "unregister_slave",
    "update_slave",
];
/// What Mesos counts as `master/valid_NAME` and `master/invalid_NAME`.
const JUDGED: [&str; 6] = [
    "executor_to_framework_messages",
    "framework_to_executor_messages",
    "operation_status_update_acknowledgements",
    "operation_status_updates",
    "status_update_acknowledgements",
    "status_updates",
];
/// What else does not exist here, or was not counted: `master/NAME`.
const NONE_OF_IT: [&str; 18] = [
    "dropped_messages",
    "event_queue_dispatches",
    "event_queue_http_requests",
    "event_queue_messages",
    "http_cache_hits",
    "recovery_slave_removals",
    "slave_registrations",
    "slave_removals",
    "slave_removals/reason_registered",
    "slave_removals/reason_unhealthy",
    "slave_removals/reason_unregistered",
    "slave_reregistrations",
    "slave_shutdowns_canceled",
    "slave_shutdowns_completed",
    "slave_shutdowns_scheduled",
    "slave_unreachable_canceled",
    "slave_unreachable_completed",
    "slave_unreachable_scheduled",
];
/// States of which Mesos counts the tasks: `master/tasks_NAME`.
const TASK_STATES: [(&str, TaskState); 13] = [
    ("dropped", TaskState::Dropped),
    ("error", TaskState::Error),
    ("failed", TaskState::Failed),
    ("finished", TaskState::Finished),
    ("gone", TaskState::Gone),
    ("gone_by_operator", TaskState::GoneByOperator),
    ("killed", TaskState::Killed),
    ("killing", TaskState::Killing),
    ("lost", TaskState::Lost),
    ("running", TaskState::Running),
    ("staging", TaskState::Staging),
    ("starting", TaskState::Starting),
    ("unreachable", TaskState::Unreachable),
];

/// One scalar of some resources.
type Part = fn(&Resources) -> Amount;

/// Every scalar that Mesos has figures of.
const KINDS: [(&str, Part); 4] =
    [("cpus", |of| of.cpus), ("mem", |of| of.mem), ("disk", |of| of.disk), ("gpus", |_| Amount::ZERO)];

/// Every figure, by its name. Who does not lead has those of an empty cluster.
pub(super) fn figures(master: &Master, view: &View<'_>, leads: bool) -> BTreeMap<String, f64> {
    let mut figures = BTreeMap::new();
    never(&mut figures);
    of_resources(&mut figures, view);
    of_tasks(&mut figures, view);
    let mut set = |name: &str, value: f64| {
        figures.insert(format!("master/{name}"), value);
    };
    set("elected", if leads { 1.0 } else { 0.0 });
    set("uptime_secs", (seconds(Clock::start().now()) - master.about.start_time()).max(0.0));
    let agents = |membership| double(view.agents_that_are(membership).count());
    let active = double(view.agents_that_are(Membership::Registered).filter(|agent| agent.active).count());
    set("slaves_active", active);
    set("slaves_inactive", agents(Membership::Registered) - active);
    set("slaves_connected", agents(Membership::Registered));
    set("slaves_disconnected", 0.0);
    set("slaves_unreachable", agents(Membership::Unreachable));
    let active = double(view.frameworks_that_go_on().filter(|framework| framework.active).count());
    let inactive = double(view.frameworks_that_go_on().count()) - active;
    set("frameworks_active", active);
    set("frameworks_connected", active);
    set("frameworks_inactive", inactive);
    set("frameworks_disconnected", inactive);
    let offers = view.frameworks.iter().filter_map(|framework| framework.object.status.as_ref());
    set("outstanding_offers", offers.map(|status| f64::from(status.offers)).sum());
    set("operator_event_stream_subscribers", double(master.subscribers.count()));
    figures.extend(system().into_iter().map(|(name, value)| {
        // The names of `/system/stats` are older.
        let name = name.strip_prefix("avg_").unwrap_or(&name);
        (format!("system/{name}"), value)
    }));
    figures
}

fn never(figures: &mut BTreeMap<String, f64>) {
    let mut zero = |name: String| {
        figures.insert(name, 0.0);
    };
    for state in OPERATION_STATES {
        zero(format!("master/operations/{state}"));
        for kind in OPERATIONS {
            zero(format!("master/operations/{kind}/{state}"));
        }
    }
    for name in MESSAGES {
        zero(format!("master/messages_{name}"));
    }
    for name in JUDGED {
        zero(format!("master/valid_{name}"));
        zero(format!("master/invalid_{name}"));
    }
    for name in NONE_OF_IT {
        zero(format!("master/{name}"));
    }
    for name in ["cpus", "gpus", "mem", "disk"] {
        for figure in ["percent", "total", "used"] {
            zero(format!("master/{name}_revocable_{figure}"));
        }
    }
    zero("allocator/event_queue_dispatches".to_owned());
    zero("allocator/mesos/event_queue_dispatches".to_owned());
    zero("registrar/queued_operations".to_owned());
}

fn of_resources(figures: &mut BTreeMap<String, f64>, view: &View<'_>) {
    let registered = || view.agents_that_are(Membership::Registered);
    let sum = |of: &dyn Fn(&AgentView<'_>) -> Resources| {
        registered().fold(Resources::default(), |sum, agent| sum.plus(&of(agent).without_ports()))
    };
    let total = sum(&|agent| agent.total.clone());
    let used = sum(&|agent| agent.used.total());
    let given = used.plus(&sum(&|agent| agent.offered.total()));
    let share = |part: Amount, whole: Amount| if whole.is_zero() { 0.0 } else { part.to_float() / whole.to_float() };
    for (name, amount) in KINDS {
        let (total, used) = (amount(&total), amount(&used));
        figures.insert(format!("master/{name}_total"), total.to_float());
        figures.insert(format!("master/{name}_used"), used.to_float());
        figures.insert(format!("master/{name}_percent"), share(used, total));
        if name != "gpus" {
            figures.insert(format!("allocator/mesos/resources/{name}/total"), total.to_float());
            figures.insert(format!("allocator/mesos/resources/{name}/offered_or_allocated"), amount(&given).to_float());
        }
    }
    // The role of everybody is there even when nobody has it.
    figures.insert("allocator/mesos/roles/*/shares/dominant".to_owned(), 0.0);
    for (name, role) in view.roles() {
        let used = &role.allocated;
        for (kind, amount) in [("cpus", used.cpus), ("mem", used.mem)] {
            figures.insert(format!("allocator/mesos/quota/roles/{name}/resources/{kind}/consumed"), amount.to_float());
        }
        let given = used.plus(&role.offered);
        let shares = KINDS.into_iter().map(|(_, amount)| share(amount(&given), amount(&total)));
        figures.insert(format!("allocator/mesos/roles/{name}/shares/dominant"), shares.fold(0.0, f64::max));
    }
}

fn of_tasks(figures: &mut BTreeMap<String, f64>, view: &View<'_>) {
    let mut counts: BTreeMap<TaskState, f64> = BTreeMap::new();
    for (_, task) in view.tasks() {
        *counts.entry(task.state).or_default() += 1.0;
    }
    for (name, state) in TASK_STATES {
        figures.insert(format!("master/tasks_{name}"), counts.get(&state).copied().unwrap_or(0.0));
    }
}

/// The figures of the machine, under the names of `/system/stats`.
#[allow(clippy::cast_precision_loss, reason = "sizes of memory and loads are far below 2^53")]
pub(super) fn system() -> BTreeMap<String, f64> {
    let info = rustix::system::sysinfo();
    let unit = f64::from(info.mem_unit);
    // The kernel counts loads in 65536ths.
    let loads = ["1min", "5min", "15min"].into_iter().zip(info.loads);
    let mut figures: BTreeMap<String, f64> =
        loads.map(|(name, load)| (format!("avg_load_{name}"), load as f64 / 65_536.0)).collect();
    figures.insert("mem_total_bytes".to_owned(), info.totalram as f64 * unit);
    figures.insert("mem_free_bytes".to_owned(), info.freeram as f64 * unit);
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    figures.insert("cpus_total".to_owned(), double(cpus));
    figures
}
