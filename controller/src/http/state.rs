//! Frameworks, tasks, offers and agents in the JSON of Mesos' unversioned endpoints, written straight from the objects.
//!
//! Fields and their order are those of a Mesos 1.11 master. What a Mesos without the feature would say is said of what
//! Proffer does not have: no executors, no GPUs.

use super::view::{AGENT_CAPABILITIES, AGENT_PORT, AgentView, ByRole, FrameworkView, OfferView, TaskView, by_role};
use proffer_mesos_api::json::{self, ArrayWriter, ObjectWriter, ValueWriter};
use proffer_mesos_api::v1;
use proffer_resources::{Amount, Quantities, ResourceName, Resources};
use serde_json::Value;

/// Resources as Mesos' model has them: the four scalars always, ports if there are any.
pub(super) fn resources(out: ValueWriter<'_>, resources: &Resources) {
    out.object(|out| {
        out.double("disk", resources.disk.to_float());
        out.double("mem", resources.mem.to_float());
        out.double("gpus", 0.0);
        out.double("cpus", resources.cpus.to_float());
        if !resources.ports.is_empty() {
            out.string("ports", &resources.ports.to_string());
        }
    });
}

/// Amounts of which there is something.
pub(super) fn quantities(out: ValueWriter<'_>, of: &Quantities) {
    out.object(|out| of.iter().for_each(|(name, amount)| out.double(name.as_str(), amount.to_float())));
}

/// Amounts by name, zeros among them.
pub(super) fn amounts<'a>(out: ValueWriter<'_>, of: impl Iterator<Item = (&'a ResourceName, Amount)>) {
    out.object(|out| of.for_each(|(name, amount)| out.double(name.as_str(), amount.to_float())));
}

/// Resources one by one, as messages.
fn resources_full(out: &mut ArrayWriter<'_>, resources: &Resources, allocated_to: Option<&str>) {
    let mut one = |name: &str, kind: &str, value: &dyn Fn(&mut ObjectWriter<'_>)| {
        out.object(|out| {
            out.string("name", name);
            out.string("type", kind);
            value(out);
            out.string("role", "*");
            if let Some(role) = allocated_to {
                out.object("allocation_info", |out| out.string("role", role));
            }
        });
    };
    for (name, amount) in [("cpus", resources.cpus), ("mem", resources.mem), ("disk", resources.disk)] {
        if !amount.is_zero() {
            one(name, "SCALAR", &|out| out.object("scalar", |out| out.double("value", amount.to_float())));
        }
    }
    if !resources.ports.is_empty() {
        one("ports", "RANGES", &|out| {
            out.object("ranges", |out| {
                out.array("range", |out| {
                    for &(begin, end) in resources.ports.as_pairs() {
                        out.object(|out| {
                            out.unsigned("begin", begin);
                            out.unsigned("end", end);
                        });
                    }
                });
            });
        });
    }
}

fn allocated_full(out: &mut ArrayWriter<'_>, allocated: &ByRole<'_>) {
    allocated.iter().for_each(|(role, resources)| resources_full(out, &resources, Some(role)));
}

/// A task.
pub(super) fn task(out: &mut ObjectWriter<'_>, framework: &FrameworkView<'_>, task: &TaskView<'_>) {
    out.string("id", task.id);
    out.string("name", task.name);
    out.string("framework_id", framework.id);
    // A command task has no executor of its own, for which Mesos writes an empty ID.
    out.string("executor_id", task.executor().unwrap_or_default());
    out.string("slave_id", &task.agent.id);
    out.string("state", task.state.as_mesos());
    resources(out.value("resources"), &task.resources);
    let mut limits = task.limits().peekable();
    if limits.peek().is_some() {
        out.object("limits", |out| limits.for_each(|(name, limit)| out.double(name, limit.to_float())));
    }
    out.string("role", task.role.unwrap_or_else(|| framework.role()));
    out.array("statuses", |out| {
        for moment in task.moments() {
            out.object(|out| {
                out.string("state", moment.state.as_mesos());
                out.double("timestamp", moment.timestamp);
                container_status(out, task);
            });
        }
    });
    if let Some(user) = &task.object.spec.user {
        out.string("user", user);
    }
    if let Some(labels) = task.said("labels").and_then(|labels| labels.get("labels")) {
        value(out.value("labels"), labels);
    }
    for name in ["discovery", "container", "health_check"] {
        if let Some(said) = task.said(name) {
            value(out.value(name), said);
        }
    }
}

/// JSON as it is.
fn value(out: ValueWriter<'_>, json: &Value) {
    match json {
        Value::Null => out.null(),
        Value::Bool(json) => out.bool(*json),
        Value::String(json) => out.string(json),
        Value::Number(json) => match (json.as_u64(), json.as_i64()) {
            (Some(json), _) => out.unsigned(json),
            (_, Some(json)) => out.signed(json),
            _ => out.double(json.as_f64().unwrap_or_default()),
        },
        Value::Array(json) => out.array(|out| json.iter().for_each(|one| value(out.value(), one))),
        Value::Object(json) => out.object(|out| json.iter().for_each(|(name, one)| value(out.value(name), one))),
    }
}

fn container_status(out: &mut ObjectWriter<'_>, task: &TaskView<'_>) {
    out.object("container_status", |out| {
        out.object("container_id", |out| out.string("value", task.container));
        if let Some(address) = &task.agent.address {
            out.array("network_infos", |out| {
                out.object(|out| {
                    out.array("ip_addresses", |out| {
                        out.object(|out| {
                            out.string("protocol", if address.contains(':') { "IPv6" } else { "IPv4" });
                            out.string("ip_address", address);
                        });
                    });
                });
            });
        }
    });
}

/// What `/state-summary` also has of a framework.
pub(super) fn framework_summary(out: &mut ObjectWriter<'_>, framework: &FrameworkView<'_>) {
    out.string("id", framework.id);
    out.string("name", &framework.info.name);
    resources(out.value("used_resources"), &framework.used.total());
    resources(out.value("offered_resources"), &framework.offered.total());
    out.array("capabilities", |out| framework.capabilities().for_each(|name| out.string(name)));
    out.string("hostname", framework.info.hostname());
    out.string("webui_url", framework.info.webui_url());
    out.bool("active", framework.active);
    out.bool("connected", framework.active);
    out.bool("recovered", false);
}

/// A framework with everything of it.
pub(super) fn framework(out: &mut ObjectWriter<'_>, framework: &FrameworkView<'_>) {
    framework_summary(out, framework);
    out.string("user", &framework.info.user);
    out.double("failover_timeout", framework.info.failover_timeout());
    out.bool("checkpoint", framework.info.checkpoint());
    out.double("registered_time", framework.registered);
    out.double("unregistered_time", framework.unregistered);
    if let Some(principal) = &framework.info.principal {
        out.string("principal", principal);
    }
    resources(out.value("resources"), &framework.used.total().plus(&framework.offered.total()));
    out.array("roles", |out| framework.roles().iter().for_each(|role| out.string(role)));
    out.array("tasks", |out| framework.live_tasks().for_each(|one| out.object(|out| task(out, framework, one))));
    out.array("unreachable_tasks", |out| {
        framework.unreachable_tasks().for_each(|one| out.object(|out| task(out, framework, one)));
    });
    out.array("completed_tasks", |out| {
        framework.completed_tasks().for_each(|one| out.object(|out| task(out, framework, one)));
    });
    out.array("offers", |out| framework.offers.iter().for_each(|one| out.object(|out| offer(out, framework, one))));
    out.array("executors", |_| {});
    if let Some(labels) = &framework.info.labels {
        out.array("labels", |out| labels.labels.iter().for_each(|label| json::write(label, out.value())));
    }
    match &framework.object.spec.offer_constraints {
        Some(constraints) => value(out.value("offer_constraints"), constraints),
        None => out.object("offer_constraints", |_| {}),
    }
}

fn offer(out: &mut ObjectWriter<'_>, framework: &FrameworkView<'_>, offer: &OfferView<'_>) {
    out.string("id", offer.id);
    out.string("framework_id", framework.id);
    out.object("allocation_info", |out| out.string("role", &offer.terms.role));
    out.string("slave_id", &offer.terms.agent.id);
    resources(out.value("resources"), &offer.resources);
}

/// How an agent is drained and how far that is.
pub(super) fn drain_info(agent: &AgentView<'_>) -> Option<v1::DrainInfo> {
    let (spec, state) = agent.drain()?;
    let nanoseconds = |seconds: i32| v1::DurationInfo { nanoseconds: i64::from(seconds) * 1_000_000_000 };
    let max_grace_period = spec.max_grace_period_seconds.map(nanoseconds);
    let config = v1::DrainConfig { max_grace_period, mark_gone: Some(spec.mark_gone) };
    Some(v1::DrainInfo { state: state.into(), config })
}

/// An agent, as `/state` has it.
pub(super) fn agent(out: &mut ObjectWriter<'_>, agent: &AgentView<'_>) {
    recovered_agent(out, agent);
    out.string("pid", &agent.pid());
    out.double("registered_time", agent.registered);
    resources(out.value("resources"), &agent.total);
    resources(out.value("used_resources"), &agent.used.total());
    resources(out.value("offered_resources"), &agent.offered.total());
    out.object("reserved_resources", |out| {
        for (role, reserved) in by_role(&agent.reserved) {
            resources(out.value(role.as_str()), &reserved.to_resources());
        }
    });
    resources(out.value("unreserved_resources"), &agent.unreserved());
    out.bool("active", agent.active);
    out.bool("deactivated", agent.deactivated());
    if let Some(drain) = drain_info(agent) {
        json::write(&drain, out.value("drain_info"));
    }
    if let Some(since) = agent.draining_since() {
        out.double("estimated_drain_start_time_seconds", since);
    }
    out.string("version", agent.version());
    out.array("capabilities", |out| AGENT_CAPABILITIES.iter().for_each(|name| out.string(name)));
}

/// An agent, as `/slaves` has it: with its resources one by one.
pub(super) fn agent_full(out: &mut ObjectWriter<'_>, one: &AgentView<'_>) {
    agent(out, one);
    out.object("reserved_resources_full", |out| {
        for (role, reserved) in by_role(&one.reserved) {
            value(out.value(role.as_str()), &reserved.to_json());
        }
    });
    out.array("unreserved_resources_full", |out| resources_full(out, &one.unreserved(), None));
    out.array("used_resources_full", |out| allocated_full(out, &one.used));
    out.array("offered_resources_full", |out| allocated_full(out, &one.offered));
}

/// An agent that has not come to this leader yet: what is known of it without asking it.
pub(super) fn recovered_agent(out: &mut ObjectWriter<'_>, agent: &AgentView<'_>) {
    out.string("id", agent.id);
    out.string("hostname", agent.name);
    out.unsigned("port", AGENT_PORT.into());
    out.object("attributes", |out| {
        agent.object.spec.attributes.iter().for_each(|(name, value)| out.string(name, value));
    });
}
