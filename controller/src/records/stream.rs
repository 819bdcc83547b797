//! Frameworks and tasks of the scheduler API as the specs of their objects, and back.

use super::epoch_number;
use crate::clock::{from_text, to_text};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Resource;
use proffer_crds::{
    Capability, Command, Delivery, EnvironmentVariable, ExternalScheduler, Framework, FrameworkPhase,
    FrameworkReference, FrameworkSpec, KillPolicy, Placement, PortRequest, QuantityText, ResourceRequest, Scheduler,
    TASK_FINALIZER, Task, TaskAgent, TaskDurability, TaskGroup as ObjectGroup, TaskLimits, TaskSpec,
};
use proffer_master::{
    AgentName, Epoch, FrameworkSpecRecord, NewTask, PlacedOn, PortRequest as Ports, StreamObject, StreamTaskObject,
    TaskGroup, TaskRecord, resources,
};
use proffer_mesos_api::v1::framework_info::capability::Type;
use proffer_mesos_api::v1::scheduler::OfferConstraints;
use proffer_mesos_api::v1::{FrameworkId, FrameworkInfo, TaskInfo, framework_info};
use proffer_mesos_api::validation::framework::{has_capability, roles};
use proffer_mesos_api::{Described, TaskState, json};
use proffer_resources::{Amount, Role, quantity};
use serde_json::Value;

/// Most ports that an object lists one by one.
const MOST_PORTS: u64 = 100;

/// Mesos' capabilities and those of the kind.
const CAPABILITIES: [(Type, Capability); 8] = [
    (Type::RevocableResources, Capability::RevocableResources),
    (Type::GpuResources, Capability::GpuResources),
    (Type::SharedResources, Capability::SharedResources),
    (Type::ReservationRefinement, Capability::ReservationRefinement),
    (Type::RegionAware, Capability::RegionAware),
    (Type::MultiRole, Capability::MultiRole),
    (Type::PartitionAware, Capability::PartitionAware),
    (Type::TaskKillingState, Capability::TaskKillingState),
];

/// The object of a task that was launched over a stream, with its place. An error says what cannot be written.
pub fn task(new: &NewTask) -> Result<Task, String> {
    let NewTask { id, framework: (framework, framework_uid), info, group, request, record } = new;
    let place = record.agent.as_ref().ok_or("a launch without an agent")?;
    let ports = match &request.ports {
        Ports::Numbers(numbers) if numbers.len() <= MOST_PORTS => {
            Some(numbers.iter().filter_map(|port| i32::try_from(port).ok()).collect::<Vec<_>>())
        }
        _ => None,
    };
    let limits = TaskLimits { cpu: request.cpu_limit.map(cpu), memory: request.mem_limit.map(mebibytes) };
    let grace = request.kill_grace.as_secs() + u64::from(request.kill_grace.subsec_nanos() > 0);
    let spec = TaskSpec {
        framework_ref: FrameworkReference { name: framework.clone() },
        command: Command {
            value: request.command.value.clone(),
            shell: request.command.shell,
            arguments: request.command.arguments.clone(),
        },
        resources: ResourceRequest {
            cpu: cpu(request.resources.cpus),
            memory: mebibytes(request.resources.mem),
            disk: Some(request.resources.disk).filter(|disk| !disk.is_zero()).map(mebibytes),
            ports: ports.map(|numbers| PortRequest { count: None, numbers: Some(numbers) }),
        },
        limits: Some(limits).filter(|limits| *limits != TaskLimits::default()),
        env: environment(&request.command.environment),
        user: request.command.user.clone(),
        kill_policy: KillPolicy { grace_period_seconds: i32::try_from(grace).unwrap_or(i32::MAX) },
        task_info: Some(to_json(info)?),
        placement: Some(Placement {
            agent: TaskAgent {
                name: place.agent.0.clone(),
                id: place.agent_id.clone(),
                address: place.address.clone(),
            },
            container_id: id.uid.clone(),
            role: record.role.as_ref().map_or_else(|| "*".to_owned(), ToString::to_string),
            master_epoch: epoch_number(record.epoch).unwrap_or_default(),
            at: record.staging_at.map(to_text).unwrap_or_default(),
            group: group
                .as_ref()
                .map(|group| ObjectGroup { id: group.id.clone(), size: i32::try_from(group.size).unwrap_or(i32::MAX) }),
        }),
        ..TaskSpec::default()
    };
    let mut task = Task::new(&id.key.name, spec);
    task.metadata = ObjectMeta {
        namespace: Some(id.key.namespace.clone()),
        finalizers: Some(vec![TASK_FINALIZER.to_owned()]),
        owner_references: Some(vec![OwnerReference {
            api_version: Framework::api_version(&()).into_owned(),
            kind: Framework::kind(&()).into_owned(),
            name: framework.clone(),
            uid: framework_uid.clone(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        }]),
        ..task.metadata
    };
    Ok(task)
}

/// What a Task object says of its launch over a stream; `None` if it was not launched so.
#[must_use]
pub fn task_object(spec: &TaskSpec) -> Option<Result<StreamTaskObject, String>> {
    let info = spec.task_info.as_ref()?;
    let group = spec.placement.as_ref().and_then(|placement| placement.group.as_ref());
    let group = group.map(|group| TaskGroup { id: group.id.clone(), size: usize::try_from(group.size).unwrap_or(0) });
    let object = from_json(info).map(|info| StreamTaskObject { info, group });
    Some(object.map_err(|error| format!("spec.taskInfo: {error}")))
}

/// The record that a Task's place in its spec stands for: what counts until a status is written.
#[must_use]
pub fn placed(spec: &TaskSpec, info: &TaskInfo) -> Option<TaskRecord> {
    let place = spec.placement.as_ref()?;
    let held = resources::from_v1(&info.resources).ok()?;
    Some(TaskRecord {
        generation: 1,
        state: Some(TaskState::Staging),
        reason: None,
        message: format!("is being launched on agent {}", place.agent.name),
        agent: Some(PlacedOn {
            agent: AgentName(place.agent.name.clone()),
            agent_id: place.agent.id.clone(),
            address: place.agent.address.clone(),
        }),
        role: Role::new(&place.role).ok(),
        ports: held.ranges(&proffer_resources::ResourceName::Ports),
        held: Some(held),
        exit_code: None,
        signal: None,
        sandbox: None,
        staging_at: from_text(&place.at),
        running_at: None,
        completed_at: None,
        epoch: Epoch(u64::try_from(place.master_epoch).ok()?),
    })
}

/// Writes into a framework's spec what its scheduler says of it.
pub fn write_framework(spec: &mut FrameworkSpec, record: &FrameworkSpecRecord) -> Result<(), String> {
    let info = &record.info;
    spec.roles = roles(info).into_iter().map(ToOwned::to_owned).collect();
    if spec.roles.is_empty() {
        // MULTI_ROLE without a role: the object needs one, and what Mesos' own form says counts.
        spec.roles = vec!["*".to_owned()];
    }
    let capabilities = CAPABILITIES.into_iter().filter(|(kind, _)| has_capability(info, *kind));
    spec.capabilities = capabilities.map(|(_, capability)| capability).collect();
    spec.principal = info.principal.clone().filter(|principal| !principal.is_empty());
    spec.failover_timeout_seconds = info.failover_timeout.filter(|seconds| *seconds >= 0.0);
    spec.checkpoint = info.checkpoint;
    spec.offer_constraints =
        if record.constraints == OfferConstraints::default() { None } else { Some(to_json(&record.constraints)?) };
    let framework_id = spec
        .scheduler
        .external
        .as_ref()
        .map_or_else(|| Some(record.framework_id.clone()), |so_far| so_far.framework_id.clone());
    let external = ExternalScheduler { delivery: Delivery::Stream, framework_id, framework_info: Some(to_json(info)?) };
    spec.scheduler = Scheduler { built_in: None, external: Some(external) };
    Ok(())
}

/// What a Framework object says that is served over a stream; an error says what cannot be read.
pub fn framework_object(framework: &Framework, external: &ExternalScheduler) -> Result<StreamObject, String> {
    let spec = &framework.spec;
    let status = framework.status.as_ref();
    let uid = framework.metadata.uid.as_deref().unwrap_or_default();
    let framework_id = external.framework_id.clone().unwrap_or_else(|| format!("fw-{uid}"));
    let mut info = match &external.framework_info {
        Some(info) => {
            from_json(info).map_err(|error| format!("scheduler.external.frameworkInfo cannot be read: {error}"))?
        }
        None => described(framework),
    };
    info.id = Some(FrameworkId { value: framework_id.clone() });
    info.principal.clone_from(&spec.principal);
    let constraints = spec.offer_constraints.as_ref().map(from_json).transpose();
    let phase = status.and_then(|status| status.phase);
    let over = || {
        let conditions = status.iter().flat_map(|status| &status.conditions);
        let mut told = conditions.filter(|condition| condition.type_ == "Ready").map(|condition| &condition.message);
        told.next_back().map_or_else(String::new, |told| told.trim_start_matches("is over: ").to_owned())
    };
    Ok(StreamObject {
        framework_id,
        info,
        constraints: constraints
            .map_err(|error| format!("offerConstraints cannot be read: {error}"))?
            .unwrap_or_default(),
        write_behind: spec.task_durability == TaskDurability::WriteBehind,
        // A person leaves it out: then it follows from the UID.
        made_here: external.framework_id.is_some(),
        subscribed: phase.is_some_and(|phase| phase != FrameworkPhase::New),
        disconnected_at: status.and_then(|status| from_text(status.disconnected_at.as_deref()?)),
        completed: (phase == Some(FrameworkPhase::Completed)).then(over),
    })
}

/// What an object says of a framework of which no scheduler has said anything yet.
fn described(framework: &Framework) -> FrameworkInfo {
    let spec = &framework.spec;
    let has = |kind: Type| CAPABILITIES.iter().any(|(one, ours)| *one == kind && spec.capabilities.contains(ours));
    let mut kinds: Vec<Type> = CAPABILITIES.iter().map(|(kind, _)| *kind).filter(|kind| has(*kind)).collect();
    if !kinds.contains(&Type::MultiRole) {
        kinds.push(Type::MultiRole);
    }
    let capabilities = kinds.into_iter().map(|kind| framework_info::Capability { r#type: Some(kind.into()) });
    FrameworkInfo {
        name: framework.metadata.name.clone().unwrap_or_default(),
        roles: spec.roles.clone(),
        failover_timeout: spec.failover_timeout_seconds,
        checkpoint: spec.checkpoint,
        capabilities: capabilities.collect(),
        ..FrameworkInfo::default()
    }
}

fn environment(variables: &[(String, String)]) -> Vec<EnvironmentVariable> {
    variables.iter().map(|(name, value)| EnvironmentVariable { name: name.clone(), value: value.clone() }).collect()
}

fn cpu(amount: Amount) -> QuantityText {
    QuantityText(quantity::format_cpu(amount))
}

fn mebibytes(amount: Amount) -> QuantityText {
    QuantityText(quantity::format_mib(amount))
}

fn to_json<M: Described>(message: &M) -> Result<Value, String> {
    serde_json::from_str(&json::encode(message)).map_err(|error| error.to_string())
}

fn from_json<M: Described>(value: &Value) -> Result<M, String> {
    json::decode(value.to_string().as_bytes()).map_err(|error| error.to_string())
}
