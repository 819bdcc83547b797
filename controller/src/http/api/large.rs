//! The answers that grow with the cluster, written straight from what the caller sees.
//!
//! Tasks, of which there are many, are written field by field; frameworks and agents are built one at a time.

use super::super::encoding::Encoding;
use super::super::view::{FrameworkView, Membership, TaskView, View};
use super::fields::{Field, Fields, message};
use super::messages::{self, Status};
use proffer_mesos_api::v1::master::call::Type;
use proffer_mesos_api::v1::{self, master};
use proffer_resources::Resources;

/// The type of an answer or event, in either of which it is field 1.
const TYPE: Field = Field("type", 1);

/// Answers a call that asks for much; nothing if it is none of these.
pub(super) fn answer(kind: Type, view: &View<'_>, encoding: Encoding) -> Option<Vec<u8>> {
    let write: fn(&mut Fields<'_, '_>, &View<'_>) = match kind {
        Type::GetState => |out, view| out.message(Field("get_state", 9), |out| state(out, view)),
        Type::GetAgents => |out, view| out.message(Field("get_agents", 10), |out| agents(out, view)),
        Type::GetFrameworks => |out, view| out.message(Field("get_frameworks", 11), |out| frameworks(out, view)),
        Type::GetExecutors => |out, _| out.message(Field("get_executors", 12), executors),
        Type::GetTasks => |out, view| out.message(Field("get_tasks", 13), |out| tasks(out, view)),
        _ => return None,
    };
    let kind = master::response::Type::from_str_name(kind.as_str_name())?;
    Some(message(encoding, |out| {
        out.value(TYPE, (kind.as_str_name(), kind.into()));
        write(out, view);
    }))
}

/// The first event of a stream.
pub(super) fn subscribed(view: &View<'_>, heartbeat_interval: f64, encoding: Encoding) -> Vec<u8> {
    let kind = master::event::Type::Subscribed;
    message(encoding, |out| {
        out.value(TYPE, (kind.as_str_name(), kind.into()));
        out.message(Field("subscribed", 2), |out| {
            out.message(Field("get_state", 1), |out| state(out, view));
            out.double(Field("heartbeat_interval_seconds", 2), heartbeat_interval);
        });
    })
}

fn state(out: &mut Fields<'_, '_>, view: &View<'_>) {
    out.message(Field("get_tasks", 1), |out| tasks(out, view));
    out.message(Field("get_executors", 2), executors);
    out.message(Field("get_frameworks", 3), |out| frameworks(out, view));
    out.message(Field("get_agents", 4), |out| agents(out, view));
}

fn executors(out: &mut Fields<'_, '_>) {
    out.built(Field("executors", 1), std::iter::empty::<master::response::get_executors::Executor>());
}

fn frameworks(out: &mut Fields<'_, '_>, view: &View<'_>) {
    out.built(Field("frameworks", 1), view.frameworks_that_go_on().map(messages::framework));
    out.built(Field("completed_frameworks", 2), view.frameworks_that_are_over().map(messages::framework));
}

fn agents(out: &mut Fields<'_, '_>, view: &View<'_>) {
    out.built(Field("agents", 1), view.agents_that_are(Membership::Registered).map(messages::agent));
    out.built(Field("recovered_agents", 2), view.agents_that_are(Membership::Recovered).map(messages::agent_info));
}

fn tasks(out: &mut Fields<'_, '_>, view: &View<'_>) {
    let each = |out: &mut Fields<'_, '_>, (framework, one): (&FrameworkView<'_>, &TaskView<'_>)| {
        task(out, framework, one);
    };
    let frameworks = || view.frameworks.iter();
    out.list(Field("tasks", 2), frameworks().flat_map(|of| of.live_tasks().map(move |one| (of, one))), each);
    let unreachable = frameworks().flat_map(|of| of.unreachable_tasks().map(move |one| (of, one)));
    out.list(Field("unreachable_tasks", 5), unreachable, each);
    let completed = frameworks().flat_map(|of| of.completed_tasks().map(move |one| (of, one)));
    out.list(Field("completed_tasks", 3), completed, each);
}

/// The same as [`messages::task`], which the tests hold it to.
pub(super) fn task(out: &mut Fields<'_, '_>, framework: &FrameworkView<'_>, task: &TaskView<'_>) {
    out.string(Field("name", 1), task.name);
    out.id(Field("task_id", 2), task.id);
    out.id(Field("framework_id", 3), framework.id);
    if let Some(executor) = task.executor() {
        out.id(Field("executor_id", 4), executor);
    }
    out.id(Field("agent_id", 5), &task.agent.id);
    out.value(Field("state", 6), state_value(task.state.into()));
    if task.held().is_some() {
        out.built(Field("resources", 7), messages::task_resources(framework, task).into_iter());
    } else {
        resources(out, &task.resources, task.role.unwrap_or_else(|| framework.role()));
    }
    out.some(Field("statuses", 8), messages::statuses(task), |out, one| status(out, task, &one));
    if let Some(last) = messages::statuses(task).last() {
        out.value(Field("status_update_state", 9), state_value(last.state.into()));
    }
    if let Some(user) = &task.object.spec.user {
        out.string(Field("user", 14), user);
    }
    limits(out, task);
    out.one(Field("labels", 11), messages::said::<v1::Labels>(task, "labels"));
    out.one(Field("discovery", 12), messages::said::<v1::DiscoveryInfo>(task, "discovery"));
    out.one(Field("container", 13), messages::said::<v1::ContainerInfo>(task, "container"));
    out.one(Field("health_check", 15), messages::said::<v1::HealthCheck>(task, "health_check"));
    out.one(Field("kill_policy", 16), messages::said::<v1::KillPolicy>(task, "kill_policy"));
}

fn state_value(state: v1::TaskState) -> (&'static str, i32) {
    (state.as_str_name(), state.into())
}

/// A map: an object in JSON, entries of key and value in protobuf.
fn limits(out: &mut Fields<'_, '_>, task: &TaskView<'_>) {
    let mut limits = task.limits().peekable();
    if limits.peek().is_none() {
        return;
    }
    match out {
        Fields::Json(out) => out.object("limits", |out| {
            limits.for_each(|(name, limit)| out.object(name, |out| out.double("value", limit.to_float())));
        }),
        Fields::Protobuf(out) => limits.for_each(|(name, limit)| {
            out.message(17, |entry| {
                entry.bytes(1, name.as_bytes());
                entry.message(2, |scalar| scalar.double(1, limit.to_float()));
            });
        }),
    }
}

fn status(out: &mut Fields<'_, '_>, task: &TaskView<'_>, status: &Status<'_>) {
    out.id(Field("task_id", 1), task.id);
    out.value(Field("state", 2), state_value(status.state.into()));
    if let Some(message) = status.message {
        out.string(Field("message", 4), message);
    }
    out.value(Field("source", 9), (status.source.as_str_name(), status.source.into()));
    if let Some(reason) = status.reason {
        out.value(Field("reason", 10), (reason.as_str_name(), reason.into()));
    }
    out.id(Field("agent_id", 5), &task.agent.id);
    out.id(Field("executor_id", 7), task.executor().unwrap_or(task.id));
    out.double(Field("timestamp", 6), status.timestamp);
    out.message(Field("container_status", 13), |out| {
        out.id(Field("container_id", 4), task.container);
        out.some(Field("network_infos", 1), task.agent.address.iter(), |out, address| {
            out.list(Field("ip_addresses", 5), std::iter::once(address), |out, address| {
                let protocol = messages::protocol(address);
                out.value(Field("protocol", 1), (protocol.as_str_name(), protocol.into()));
                out.string(Field("ip_address", 2), address);
            });
        });
    });
}

fn resources(out: &mut Fields<'_, '_>, of: &Resources, role: &str) {
    out.some(Field("resources", 7), messages::parts(of), |out, part| {
        out.string(Field("name", 1), part.name());
        match part {
            messages::Part::Scalar(_, amount) => {
                out.value(Field("type", 2), ("SCALAR", v1::value::Type::Scalar.into()));
                out.message(Field("scalar", 3), |out| out.double(Field("value", 1), amount.to_float()));
            }
            messages::Part::Ports(ports) => {
                out.value(Field("type", 2), ("RANGES", v1::value::Type::Ranges.into()));
                out.message(Field("ranges", 4), |out| {
                    out.list(Field("range", 1), ports.as_pairs().iter(), |out, &(begin, end)| {
                        out.unsigned(Field("begin", 1), begin);
                        out.unsigned(Field("end", 2), end);
                    });
                });
            }
        }
        out.message(Field("allocation_info", 11), |out| out.string(Field("role", 1), role));
    });
}
