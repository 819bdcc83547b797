//! Frameworks, tasks, offers, agents and files as v1 messages.

use super::super::state::drain_info;
use super::super::view::{AGENT_CAPABILITIES, AGENT_PORT, AgentView, ByRole, FrameworkView, OfferView, TaskView};
use proffer_mesos_api::files::FileInfo;
use proffer_mesos_api::v1::master::response::{get_agents, get_frameworks};
use proffer_mesos_api::v1::{self, agent_info, network_info, resource, task_status, value};
use proffer_mesos_api::{Described, TaskState, json};
use proffer_resources::{Amount, Ranges, Resources};
use serde_json::Value;

/// The role of resources that are not reserved.
const UNRESERVED: &str = "*";

/// A framework's ID.
pub(super) fn framework_id(id: &str) -> v1::FrameworkId {
    v1::FrameworkId { value: id.to_owned() }
}

/// An agent's ID.
pub(super) fn agent_id(id: &str) -> v1::AgentId {
    v1::AgentId { value: id.to_owned() }
}

/// A time in seconds since 1970, to the microsecond.
#[allow(clippy::cast_possible_truncation, reason = "a cast of a float ends at the largest number there is")]
fn time(seconds: f64) -> v1::TimeInfo {
    v1::TimeInfo { nanoseconds: ((seconds * 1_000_000.0).round() as i64).saturating_mul(1000) }
}

/// One resource of which there is something.
#[derive(Clone, Copy)]
pub(super) enum Part<'a> {
    Scalar(&'static str, Amount),
    Ports(&'a Ranges),
}

impl Part<'_> {
    /// Its name.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Scalar(name, _) => name,
            Self::Ports(_) => "ports",
        }
    }
}

/// Resources one by one: those of which there is something.
pub(super) fn parts(of: &Resources) -> impl Iterator<Item = Part<'_>> {
    let scalars = [("cpus", of.cpus), ("mem", of.mem), ("disk", of.disk)];
    let scalars = scalars.into_iter().filter(|(_, amount)| !amount.is_zero());
    let ports = (!of.ports.is_empty()).then_some(Part::Ports(&of.ports));
    scalars.map(|(name, amount)| Part::Scalar(name, amount)).chain(ports)
}

/// Resources of which there is something, with the role they are reserved for and the one they are allocated to, if the
/// message is to have these.
pub(super) fn resources(of: &Resources, role: Option<&str>, allocated_to: Option<&str>) -> Vec<v1::Resource> {
    let one = |part: &Part<'_>, kind: value::Type| v1::Resource {
        name: part.name().to_owned(),
        r#type: kind.into(),
        role: role.map(str::to_owned),
        allocation_info: allocated_to.map(|role| resource::AllocationInfo { role: Some(role.to_owned()) }),
        ..v1::Resource::default()
    };
    let resource = |part| match part {
        Part::Scalar(_, amount) => {
            let scalar = Some(value::Scalar { value: amount.to_float() });
            v1::Resource { scalar, ..one(&part, value::Type::Scalar) }
        }
        Part::Ports(ports) => {
            let range = ports.as_pairs().iter().map(|&(begin, end)| value::Range { begin, end }).collect();
            v1::Resource { ranges: Some(value::Ranges { range }), ..one(&part, value::Type::Ranges) }
        }
    };
    parts(of).map(resource).collect()
}

/// Unreserved resources that are allocated to roles.
fn allocated(by_role: &ByRole<'_>) -> Vec<v1::Resource> {
    by_role.iter().flat_map(|(role, of)| resources(&of, Some(UNRESERVED), Some(role))).collect()
}

/// What a task was given, with the role that it is allocated to.
pub(super) fn task_resources(framework: &FrameworkView<'_>, task: &TaskView<'_>) -> Vec<v1::Resource> {
    let role = task.role.unwrap_or_else(|| framework.role());
    held(task, role).unwrap_or_else(|| resources(&task.resources, None, Some(role)))
}

/// What a task was given that is reserved or a volume. The master wrote it, so it is read as it is.
fn held(task: &TaskView<'_>, role: &str) -> Option<Vec<v1::Resource>> {
    let listed: Vec<Value> = serde_json::from_str(task.held()?).ok()?;
    let resource = |one: &Value| {
        let resource: v1::Resource = json::decode(one.to_string().as_bytes()).ok()?;
        let allocation_info = Some(resource::AllocationInfo { role: Some(role.to_owned()) });
        Some(v1::Resource { allocation_info, ..resource })
    };
    listed.iter().map(resource).collect()
}

/// A message that an object has in Mesos' JSON. The master wrote it, so it can be read.
fn message<M: Described>(json: &Value) -> Option<M> {
    json::decode(json.to_string().as_bytes()).ok()
}

/// What a task's scheduler said of it.
pub(super) fn said<M: Described>(task: &TaskView<'_>, name: &str) -> Option<M> {
    task.said(name).and_then(message)
}

/// An executor's ID. A task without one of its own has its own ID for it.
fn executor_id(id: &str) -> v1::ExecutorId {
    v1::ExecutorId { value: id.to_owned() }
}

/// A task.
pub(super) fn task(framework: &FrameworkView<'_>, task: &TaskView<'_>) -> v1::Task {
    let statuses: Vec<v1::TaskStatus> = statuses(task).map(|one| status(task, &one)).collect();
    v1::Task {
        name: task.name.to_owned(),
        task_id: v1::TaskId { value: task.id.to_owned() },
        framework_id: framework_id(framework.id),
        executor_id: task.executor().map(executor_id),
        agent_id: agent_id(&task.agent.id),
        state: v1::TaskState::from(task.state).into(),
        labels: said(task, "labels"),
        discovery: said(task, "discovery"),
        container: said(task, "container").map(Box::new),
        health_check: said(task, "health_check"),
        kill_policy: said(task, "kill_policy"),
        resources: task_resources(framework, task),
        status_update_state: statuses.last().map(|status| status.state),
        statuses,
        user: task.object.spec.user.clone(),
        limits: task
            .limits()
            .map(|(name, limit)| (name.to_owned(), value::Scalar { value: limit.to_float() }))
            .collect(),
        ..v1::Task::default()
    }
}

/// A status update, as far as its object remembers it.
pub(super) struct Status<'a> {
    pub(super) state: TaskState,
    /// Seconds since 1970.
    pub(super) timestamp: f64,
    pub(super) source: task_status::Source,
    pub(super) message: Option<&'a str>,
    pub(super) reason: Option<task_status::Reason>,
}

/// What is known of a task's status updates. Message and reason are those of the newest.
pub(super) fn statuses<'a>(task: &TaskView<'a>) -> impl Iterator<Item = Status<'a>> {
    task.moments().map(|moment| {
        let newest = moment.state == task.state;
        Status {
            state: moment.state,
            timestamp: moment.timestamp,
            // A command task's executor is part of its agent, and Mesos' speaks as an executor.
            source: task_status::Source::Executor,
            message: task.message().filter(|_| newest),
            reason: task.reason().filter(|_| newest).map(task_status::Reason::from),
        }
    })
}

/// The status update by which a task came into the state that it has now. `now`, in seconds since 1970, stands in for a
/// time that its object does not have.
pub(super) fn newest_status(task: &TaskView<'_>, now: f64) -> v1::TaskStatus {
    let known = statuses(task).last().filter(|newest| newest.state == task.state);
    // Of what an agent cannot have said, the master says it.
    let by_master = !matches!(
        task.state,
        TaskState::Starting
            | TaskState::Running
            | TaskState::Killing
            | TaskState::Finished
            | TaskState::Failed
            | TaskState::Killed
    );
    let newest = known.unwrap_or_else(|| Status {
        state: task.state,
        timestamp: now,
        source: if by_master { task_status::Source::Master } else { task_status::Source::Executor },
        message: task.message(),
        reason: task.reason().map(task_status::Reason::from),
    });
    status(task, &newest)
}

fn status(task: &TaskView<'_>, status: &Status<'_>) -> v1::TaskStatus {
    v1::TaskStatus {
        task_id: v1::TaskId { value: task.id.to_owned() },
        state: v1::TaskState::from(status.state).into(),
        message: status.message.map(str::to_owned),
        source: Some(status.source.into()),
        reason: status.reason.map(i32::from),
        agent_id: Some(agent_id(&task.agent.id)),
        executor_id: Some(executor_id(task.executor().unwrap_or(task.id))),
        timestamp: Some(status.timestamp),
        container_status: Some(container_status(task)),
        ..v1::TaskStatus::default()
    }
}

fn container_status(task: &TaskView<'_>) -> v1::ContainerStatus {
    let network = |address: &String| v1::NetworkInfo {
        ip_addresses: vec![network_info::IpAddress {
            protocol: Some(protocol(address).into()),
            ip_address: Some(address.clone()),
        }],
        ..v1::NetworkInfo::default()
    };
    v1::ContainerStatus {
        container_id: Some(v1::ContainerId { value: task.container.to_owned(), ..v1::ContainerId::default() }),
        network_infos: task.agent.address.iter().map(network).collect(),
        ..v1::ContainerStatus::default()
    }
}

/// Which protocol an address is of.
pub(super) fn protocol(address: &str) -> network_info::Protocol {
    if address.contains(':') { network_info::Protocol::IPv6 } else { network_info::Protocol::IPv4 }
}

/// A framework, with its offers.
pub(super) fn framework(framework: &FrameworkView<'_>) -> get_frameworks::Framework {
    let constraints = framework.object.spec.offer_constraints.as_ref().and_then(message);
    get_frameworks::Framework {
        framework_info: framework.info.clone(),
        active: framework.active,
        connected: framework.active,
        recovered: false,
        registered_time: Some(time(framework.registered)),
        reregistered_time: Some(time(framework.registered)),
        unregistered_time: (framework.unregistered > 0.0).then(|| time(framework.unregistered)),
        offers: framework.offers.iter().map(|one| offer(framework, one)).collect(),
        allocated_resources: allocated(&framework.used),
        offered_resources: allocated(&framework.offered),
        offer_constraints: Some(constraints.unwrap_or_default()),
        ..get_frameworks::Framework::default()
    }
}

fn offer(framework: &FrameworkView<'_>, offer: &OfferView<'_>) -> v1::Offer {
    let terms = offer.terms;
    v1::Offer {
        id: v1::OfferId { value: offer.id.to_owned() },
        framework_id: framework_id(framework.id),
        agent_id: agent_id(&terms.agent.id),
        hostname: terms.agent.name.clone(),
        resources: resources(&offer.resources, Some(UNRESERVED), Some(&terms.role)),
        attributes: terms.attributes.iter().map(attribute).collect(),
        allocation_info: Some(resource::AllocationInfo { role: Some(terms.role.clone()) }),
        ..v1::Offer::default()
    }
}

/// An attribute; in objects all are texts.
fn attribute((name, text): (&String, &String)) -> v1::Attribute {
    v1::Attribute {
        name: name.clone(),
        r#type: value::Type::Text.into(),
        text: Some(value::Text { value: text.clone() }),
        ..v1::Attribute::default()
    }
}

/// What an agent said when it registered.
pub(super) fn agent_info(agent: &AgentView<'_>) -> v1::AgentInfo {
    v1::AgentInfo {
        hostname: agent.name.to_owned(),
        port: Some(AGENT_PORT.into()),
        resources: resources(&agent.total, None, None),
        attributes: agent.object.spec.attributes.iter().map(attribute).collect(),
        id: Some(agent_id(agent.id)),
        ..v1::AgentInfo::default()
    }
}

/// An agent.
pub(super) fn agent(agent: &AgentView<'_>) -> get_agents::Agent {
    let capability =
        |name| agent_info::Capability { r#type: agent_info::capability::Type::from_str_name(name).map(i32::from) };
    get_agents::Agent {
        agent_info: agent_info(agent),
        active: agent.active,
        deactivated: Some(agent.deactivated()),
        drain_info: drain_info(agent),
        estimated_drain_start_time: agent.draining_since().map(time),
        version: agent.version().to_owned(),
        pid: Some(agent.pid()),
        registered_time: Some(time(agent.registered)),
        total_resources: {
            let mut total = resources(&agent.unreserved(), Some(UNRESERVED), None);
            total.extend(proffer_master::resources::to_v1(&agent.reserved, None, true));
            total
        },
        allocated_resources: allocated(&agent.used),
        offered_resources: allocated(&agent.offered),
        capabilities: AGENT_CAPABILITIES.into_iter().map(capability).collect(),
        ..get_agents::Agent::default()
    }
}

/// A file.
pub(super) fn file(file: FileInfo) -> v1::FileInfo {
    v1::FileInfo {
        mode: Some(mode(&file.mode)),
        nlink: i32::try_from(file.nlink).ok(),
        size: Some(file.size),
        mtime: Some(time(file.mtime)),
        uid: Some(file.uid),
        gid: Some(file.gid),
        path: file.path,
    }
}

/// The number that `ls -l` writes as `text`.
fn mode(text: &str) -> u32 {
    let kind = match text.as_bytes().first() {
        Some(b'd') => 0o040_000,
        Some(b'l') => 0o120_000,
        Some(b'p') => 0o010_000,
        Some(b's') => 0o140_000,
        Some(b'c') => 0o020_000,
        Some(b'b') => 0o060_000,
        _ => 0o100_000,
    };
    let bits = text.bytes().skip(1).take(9).fold(0, |bits, byte| (bits << 1) | u32::from(byte != b'-'));
    kind | bits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_numbers_again() {
        for (text, number) in [("drwxr-xr-x", 0o040_755), ("-rw-r--r--", 0o100_644), ("lrwxrwxrwx", 0o120_777)] {
            assert_eq!(mode(text), number, "{text}");
        }
    }
}
