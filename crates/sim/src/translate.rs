//! The two state machines' words for the same things; between real ones the wire stands here.

use proffer_agent as agent;
use proffer_master as master;

/// What a leader sends, as an agent hears it.
pub(crate) fn to_agent(message: master::ToAgent) -> agent::FromMaster {
    use agent::MasterCall;
    use master::ToAgent;
    let (epoch, call) = match message {
        ToAgent::Registered { agent_id, epoch } => (epoch, MasterCall::Registered { agent_id }),
        ToAgent::Slot { epoch, slot } => {
            let (pod_uid, pod_ip) = slot.map(|slot| (slot.uid, slot.address.unwrap_or_default())).unwrap_or_default();
            (epoch, MasterCall::Slot { pod_uid, pod_ip })
        }
        ToAgent::Prepare(launch) => (launch.epoch, MasterCall::Prepare(Box::new(order(*launch)))),
        ToAgent::Launch(launch) => (launch.epoch, MasterCall::Launch(Box::new(order(*launch)))),
        ToAgent::LaunchGroup { epoch, id, launches } => {
            let of_group = |launch| agent::Order { group: Some(id.clone()), ..order(launch) };
            (epoch, MasterCall::LaunchGroup(launches.into_iter().map(of_group).collect()))
        }
        ToAgent::Kill { epoch, task, framework, grace } => {
            let grace_millis = grace.map(|grace| u64::try_from(grace.as_millis()).unwrap_or(u64::MAX));
            (epoch, MasterCall::Kill { task: task_to_agent(task, framework), grace_millis })
        }
        ToAgent::Acknowledge { epoch, task, framework, uuid } => {
            let uuid = agent::Uuid(uuid.try_into().unwrap_or_default());
            (epoch, MasterCall::Acknowledge { task: task_to_agent(task, framework), uuid })
        }
        ToAgent::DestroyVolume { epoch, role, id } => {
            (epoch, MasterCall::DestroyVolume(agent::VolumeId { role: role.to_string(), id }))
        }
        ToAgent::Ping { epoch, sequence } => (epoch, MasterCall::Ping { sequence }),
    };
    agent::FromMaster { epoch: epoch.0, call }
}

/// What an agent says about a task, as a leader hears it.
pub(crate) fn update(update: agent::Update) -> master::StatusUpdate {
    let agent::Update { task, uuid, status, sandbox } = update;
    master::StatusUpdate {
        task: master::TaskId { key: master::ObjectKey::new(task.namespace, task.name), uid: task.uid },
        framework: task.framework,
        state: status.state,
        reason: status.reason,
        message: status.message,
        uuid: uuid.map(|uuid| uuid.0.to_vec()),
        at: master::Time(status.at_micros),
        exit_code: status.exit_code,
        signal: status.signal,
        sandbox,
    }
}

/// A task that an agent knows, as a leader hears it.
pub(crate) fn snapshot(snapshot: agent::Snapshot) -> master::TaskSnapshot {
    master::TaskSnapshot { resources: (&snapshot.resources).into(), update: update(snapshot.status) }
}

fn order(launch: master::Launch) -> agent::Order {
    let command = launch.command;
    agent::Order {
        task: task_to_agent(launch.task, launch.framework),
        resources: launch.resources.to_resources(),
        cpu_limit: launch.cpu_limit,
        mem_limit: launch.mem_limit,
        command: agent::Command {
            value: command.value,
            shell: command.shell,
            arguments: command.arguments,
            user: command.user.unwrap_or_default(),
            environment: command.environment,
        },
        kill_grace_millis: u64::try_from(launch.kill_grace.as_millis()).unwrap_or(u64::MAX),
        volumes: launch.volumes.into_iter().map(mount).collect(),
        group: None,
    }
}

fn mount(volume: master::VolumeMount) -> agent::VolumeMount {
    let master::VolumeMount { role, id, container_path, read_only } = volume;
    agent::VolumeMount { role: role.to_string(), id, container_path, read_only }
}

fn task_to_agent(task: master::TaskId, framework: String) -> agent::TaskId {
    agent::TaskId { namespace: task.key.namespace, framework, name: task.key.name, uid: task.uid }
}
