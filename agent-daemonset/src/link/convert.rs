//! The wire's messages to and from the core's.

use proffer_agent::{
    Command, FileOperation, FileRequest, FromMaster, LaunchTimes, MasterCall, Order, SlotReport, Snapshot, TaskId,
    ToMaster, Update, Uuid, VolumeId, VolumeMount,
};
use proffer_agent_link::v1::{self, from_agent, from_master::Message};
use proffer_resources::{Amount, Resources};

/// What a registration says of this agent that does not change while it runs.
#[derive(Clone, Debug)]
pub struct Registration {
    /// Kernel boot ID.
    pub boot_id: String,
    /// The node's own capacity.
    pub capacity: Resources,
    /// The agent's attributes.
    pub attributes: crate::args::Attributes,
}

/// A message of the leader's; `None` if it is not one for the core, or lacks what it is about.
pub(super) fn from_wire(message: Message) -> Option<FromMaster> {
    let (epoch, call) = match message {
        Message::Registered(v1::Registered { agent_id, epoch, .. }) => (epoch, MasterCall::Registered { agent_id }),
        Message::Slot(v1::Slot { epoch, pod_uid, pod_ip, .. }) => (epoch, MasterCall::Slot { pod_uid, pod_ip }),
        Message::Prepare(v1::Prepare { launch }) => {
            let launch = launch?;
            (launch.epoch, MasterCall::Prepare(Box::new(order(launch)?)))
        }
        Message::Launch(launch) => (launch.epoch, MasterCall::Launch(Box::new(order(launch)?))),
        Message::LaunchGroup(v1::LaunchGroup { epoch, id, launches }) => {
            let of_group = |launch| Some(Order { group: Some(id.clone()), ..order(launch)? });
            (epoch, MasterCall::LaunchGroup(launches.into_iter().map(of_group).collect::<Option<_>>()?))
        }
        Message::Kill(v1::Kill { epoch, task, grace_millis }) => {
            (epoch, MasterCall::Kill { task: task_id(task?), grace_millis })
        }
        Message::Acknowledge(v1::Acknowledge { epoch, task, uuid }) => {
            (epoch, MasterCall::Acknowledge { task: task_id(task?), uuid: Uuid(uuid.try_into().ok()?) })
        }
        Message::Ping(v1::Ping { epoch, sequence }) => (epoch, MasterCall::Ping { sequence }),
        Message::FileRequest(v1::FileRequest { epoch, id, path, operation }) => {
            let operation = match operation? {
                v1::file_request::Operation::Browse(v1::Browse {}) => FileOperation::Browse,
                v1::file_request::Operation::Read(v1::Read { offset, length }) => {
                    FileOperation::Read { offset, length }
                }
            };
            (epoch, MasterCall::Files(FileRequest { id, path, operation }))
        }
        Message::DestroyVolume(v1::DestroyVolume { epoch, role, id }) => {
            (epoch, MasterCall::DestroyVolume(VolumeId { role, id }))
        }
        Message::NotLeader(_) | Message::Refused(_) => return None,
    };
    Some(FromMaster { epoch, call })
}

fn task_id(task: v1::TaskId) -> TaskId {
    let v1::TaskId { namespace, framework, name, uid } = task;
    TaskId { namespace, framework, name, uid }
}

fn order(launch: v1::Launch) -> Option<Order> {
    let limit = |thousandths: u64| (thousandths > 0).then(|| Amount::from_thousandths(thousandths));
    let v1::Command { value, shell, arguments, user, environment } = launch.command?;
    Some(Order {
        task: task_id(launch.task?),
        resources: launch.resources.as_ref().map(Resources::from).unwrap_or_default(),
        cpu_limit: limit(launch.cpu_limit_thousandths),
        mem_limit: limit(launch.mem_limit_thousandths),
        command: Command {
            value,
            shell,
            arguments,
            user,
            environment: environment.into_iter().map(|variable| (variable.name, variable.value)).collect(),
        },
        kill_grace_millis: launch.kill_grace_millis,
        volumes: launch.volumes.into_iter().map(volume_mount).collect(),
        group: None,
    })
}

fn volume_mount(mount: v1::VolumeMount) -> VolumeMount {
    let v1::VolumeMount { role, id, container_path, read_only } = mount;
    VolumeMount { role, id, container_path, read_only }
}

/// A message to the leader in the wire's form.
#[must_use]
pub fn to_wire(message: ToMaster, registration: &Registration) -> v1::FromAgent {
    use from_agent::Message as Out;
    let message = match message {
        ToMaster::Register { agent_id, epoch, tasks, slot } => Out::Register(v1::Register {
            agent_id,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            boot_id: registration.boot_id.clone(),
            epoch,
            capacity: Some(v1::Resources::from(&registration.capacity)),
            tasks: tasks.into_iter().map(snapshot).collect(),
            slot: Some(slot_state(slot)),
            attributes: registration.attributes.clone().into_iter().collect(),
        }),
        ToMaster::EpochConfirmed(epoch) => Out::EpochConfirmed(v1::EpochConfirmed { epoch }),
        ToMaster::StaleEpoch { refused, confirmed } => Out::StaleEpoch(v1::StaleEpoch { refused, confirmed }),
        ToMaster::Status(update) => Out::StatusUpdate(status_update(*update)),
        ToMaster::Slot(slot) => Out::SlotState(slot_state(slot)),
        ToMaster::Pong { sequence } => Out::Pong(v1::Pong { sequence }),
        ToMaster::VolumeDestroyed { volume: VolumeId { role, id }, problem } => {
            Out::VolumeDestroyed(v1::VolumeDestroyed { role, id, problem: problem.unwrap_or_default() })
        }
        ToMaster::FileRefused { id, message } => {
            let error = v1::FileError { status: 404, message };
            Out::FileReply(v1::FileReply { id, result: Some(v1::file_reply::Result::Error(error)) })
        }
    };
    v1::FromAgent { message: Some(message) }
}

fn snapshot(snapshot: Snapshot) -> v1::TaskSnapshot {
    let status = status_update(snapshot.status);
    v1::TaskSnapshot {
        task: status.task.clone(),
        resources: Some(v1::Resources::from(&snapshot.resources)),
        status: Some(status),
    }
}

fn slot_state(slot: SlotReport) -> v1::SlotState {
    let SlotReport { pod_uid, attached, message, pod_ip } = slot;
    v1::SlotState { pod_uid, attached, message, pod_ip }
}

fn status_update(update: Update) -> v1::StatusUpdate {
    let Update { task: TaskId { namespace, framework, name, uid }, uuid, status, sandbox } = update;
    let LaunchTimes { checkpoint_micros, spawn_micros } = status.launch_times;
    v1::StatusUpdate {
        task: Some(v1::TaskId { namespace, framework, name, uid }),
        state: status.state.as_mesos().to_owned(),
        reason: status.reason.map(|reason| reason.as_mesos().to_owned()).unwrap_or_default(),
        message: status.message,
        uuid: uuid.map(|uuid| uuid.0.to_vec()).unwrap_or_default(),
        timestamp_micros: status.at_micros,
        exit_code: status.exit_code,
        signal: status.signal,
        sandbox,
        pid: status.pid,
        launch_times: Some(v1::LaunchTimes { checkpoint_micros, spawn_micros }),
    }
}
