//! Messages of the link to the master's events, and the master's messages to those of the link.

use proffer_agent_link::v1;
use proffer_master::{
    AgentName, AgentRegistration, Command, Epoch, Launch, ObjectKey, Session, StatusUpdate, TaskId, TaskSnapshot, Time,
    ToAgent, VolumeMount,
};
use proffer_mesos_api::{Reason, TaskState};
use proffer_resources::{ResourceBag, Resources};
use std::time::Duration;

/// Longest text of an agent that is put into an object.
const LONGEST_MESSAGE: usize = 1024;

/// A message that does not make sense, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Malformed(pub String);

fn missing(what: &str) -> Malformed {
    Malformed(format!("a message without {what}"))
}

/// What an agent said first, as the master's event has it.
pub(super) fn registration(agent: AgentName, session: Session, said: v1::Register) -> AgentRegistration {
    let mut tasks = Vec::with_capacity(said.tasks.len());
    for snapshot in said.tasks {
        match task_snapshot(snapshot) {
            Ok(snapshot) => tasks.push(snapshot),
            Err(error) => tracing::warn!(%agent, %error, "a task in a registration"),
        }
    }
    AgentRegistration {
        agent,
        session,
        agent_id: Some(said.agent_id).filter(|id| !id.is_empty()),
        new_agent_id: uuid::Uuid::new_v4().to_string(),
        version: shortened(said.version),
        epoch: Epoch(said.epoch),
        capacity: said.capacity.as_ref().map(unreserved).unwrap_or_default(),
        tasks,
        attached_slot: said.slot.filter(|slot| slot.attached && !slot.pod_uid.is_empty()).map(|slot| slot.pod_uid),
    }
}

/// Cores, memory, disk and ports as the link has them.
fn unreserved(said: &v1::Resources) -> ResourceBag {
    ResourceBag::from(&Resources::from(said))
}

fn task_snapshot(snapshot: v1::TaskSnapshot) -> Result<TaskSnapshot, Malformed> {
    let mut status = snapshot.status.ok_or_else(|| missing("status"))?;
    if status.task.is_none() {
        status.task = snapshot.task;
    }
    Ok(TaskSnapshot {
        resources: snapshot.resources.as_ref().map(unreserved).unwrap_or_default(),
        update: status_update(status)?,
    })
}

/// A task's new state, as the master's event has it.
pub(super) fn status_update(said: v1::StatusUpdate) -> Result<StatusUpdate, Malformed> {
    let (task, framework) = task_id(said.task.ok_or_else(|| missing("task"))?)?;
    let state: TaskState =
        said.state.parse().map_err(|_| Malformed(format!("state {:?}", shortened(said.state.clone()))))?;
    // A reason that this version does not know is told by the message.
    let reason: Option<Reason> = said.reason.parse().ok();
    let uuid = match said.uuid.len() {
        0 => None,
        16 => Some(said.uuid),
        length => return Err(Malformed(format!("a uuid of {length} bytes"))),
    };
    Ok(StatusUpdate {
        task,
        framework,
        state,
        reason,
        message: shortened(said.message),
        uuid,
        at: Time(said.timestamp_micros),
        exit_code: said.exit_code,
        signal: said.signal,
        sandbox: said.sandbox,
    })
}

fn task_id(said: v1::TaskId) -> Result<(TaskId, String), Malformed> {
    if said.namespace.is_empty() || said.name.is_empty() || said.uid.is_empty() {
        return Err(Malformed("a task without namespace, name or uid".to_owned()));
    }
    Ok((TaskId { key: ObjectKey::new(said.namespace, said.name), uid: said.uid }, said.framework))
}

fn shortened(mut text: String) -> String {
    if text.len() > LONGEST_MESSAGE {
        let mut end = LONGEST_MESSAGE;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
    text
}

/// What the master wants said, as the link has it.
pub(super) fn to_agent(message: ToAgent, master_id: &str) -> v1::FromMaster {
    use v1::from_master::Message;
    let message = match message {
        ToAgent::Registered { agent_id, epoch } => {
            Message::Registered(v1::Registered { agent_id, epoch: epoch.0, master_id: master_id.to_owned() })
        }
        ToAgent::Slot { epoch, slot } => {
            let slot = slot.filter(|slot| slot.running);
            Message::Slot(v1::Slot {
                epoch: epoch.0,
                pod_uid: slot.as_ref().map(|slot| slot.uid.clone()).unwrap_or_default(),
                pod_ip: slot.as_ref().and_then(|slot| slot.address.clone()).unwrap_or_default(),
                resources: slot.as_ref().map(|slot| (&slot.resources).into()),
            })
        }
        ToAgent::Prepare(launch) => Message::Prepare(v1::Prepare { launch: Some(to_launch(*launch)) }),
        ToAgent::Launch(launch) => Message::Launch(to_launch(*launch)),
        ToAgent::LaunchGroup { epoch, id, launches } => Message::LaunchGroup(v1::LaunchGroup {
            epoch: epoch.0,
            id,
            launches: launches.into_iter().map(to_launch).collect(),
        }),
        ToAgent::Kill { epoch, task, framework, grace } => Message::Kill(v1::Kill {
            epoch: epoch.0,
            task: Some(to_task_id(task, framework)),
            grace_millis: grace.map(millis),
        }),
        ToAgent::Acknowledge { epoch, task, framework, uuid } => {
            Message::Acknowledge(v1::Acknowledge { epoch: epoch.0, task: Some(to_task_id(task, framework)), uuid })
        }
        ToAgent::DestroyVolume { epoch, role, id } => {
            Message::DestroyVolume(v1::DestroyVolume { epoch: epoch.0, role: role.to_string(), id })
        }
        ToAgent::Ping { epoch, sequence } => Message::Ping(v1::Ping { epoch: epoch.0, sequence }),
    };
    v1::FromMaster { message: Some(message) }
}

fn to_launch(launch: Launch) -> v1::Launch {
    v1::Launch {
        epoch: launch.epoch.0,
        task: Some(to_task_id(launch.task, launch.framework)),
        resources: Some((&launch.resources.to_resources()).into()),
        cpu_limit_thousandths: launch.cpu_limit.map_or(0, proffer_resources::Amount::thousandths),
        mem_limit_thousandths: launch.mem_limit.map_or(0, proffer_resources::Amount::thousandths),
        command: Some(to_command(launch.command)),
        kill_grace_millis: millis(launch.kill_grace),
        volumes: launch.volumes.into_iter().map(mount).collect(),
    }
}

fn mount(volume: VolumeMount) -> v1::VolumeMount {
    let VolumeMount { role, id, container_path, read_only } = volume;
    v1::VolumeMount { role: role.to_string(), id, container_path, read_only }
}

fn to_command(command: Command) -> v1::Command {
    v1::Command {
        value: command.value,
        shell: command.shell,
        arguments: command.arguments,
        user: command.user.unwrap_or_default(),
        environment: command
            .environment
            .into_iter()
            .map(|(name, value)| v1::EnvironmentVariable { name, value })
            .collect(),
    }
}

fn to_task_id(task: TaskId, framework: String) -> v1::TaskId {
    v1::TaskId { namespace: task.key.namespace, framework, name: task.key.name, uid: task.uid }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proffer_master::Slot;
    use proffer_resources::Amount;

    fn said() -> v1::StatusUpdate {
        v1::StatusUpdate {
            task: Some(v1::TaskId {
                namespace: "default".to_owned(),
                framework: "fw".to_owned(),
                name: "hello".to_owned(),
                uid: "u1".to_owned(),
            }),
            state: "TASK_FAILED".to_owned(),
            reason: "REASON_COMMAND_EXECUTOR_FAILED".to_owned(),
            message: "exited with code 3".to_owned(),
            uuid: vec![7; 16],
            timestamp_micros: 5,
            exit_code: Some(3),
            sandbox: "/s".to_owned(),
            ..v1::StatusUpdate::default()
        }
    }

    #[test]
    fn a_status_update_is_read() {
        assert_eq!(
            status_update(said()),
            Ok(StatusUpdate {
                task: TaskId { key: ObjectKey::new("default", "hello"), uid: "u1".to_owned() },
                framework: "fw".to_owned(),
                state: TaskState::Failed,
                reason: Some(Reason::CommandExecutorFailed),
                message: "exited with code 3".to_owned(),
                uuid: Some(vec![7; 16]),
                at: Time(5),
                exit_code: Some(3),
                signal: None,
                sandbox: "/s".to_owned(),
            })
        );
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        type Change = fn(&mut v1::StatusUpdate);
        let table: [(Change, &str); 4] = [
            (|said| said.task = None, "a message without task"),
            (|said| said.state = "TASK_HAPPY".to_owned(), "state \"TASK_HAPPY\""),
            (|said| said.uuid = vec![1, 2], "a uuid of 2 bytes"),
            (|said| said.task.as_mut().unwrap().uid.clear(), "a task without namespace, name or uid"),
        ];
        for (change, expected) in table {
            let mut said = said();
            change(&mut said);
            assert_eq!(status_update(said), Err(Malformed(expected.to_owned())));
        }
    }

    #[test]
    fn a_registration_keeps_the_tasks_that_make_sense() {
        let broken = v1::StatusUpdate { state: String::new(), ..said() };
        let snapshot = |status| v1::TaskSnapshot { status: Some(status), ..v1::TaskSnapshot::default() };
        let register = v1::Register {
            agent_id: String::new(),
            version: "0.1.0".to_owned(),
            epoch: 4,
            tasks: vec![snapshot(said()), snapshot(broken)],
            slot: Some(v1::SlotState { pod_uid: "p1".to_owned(), attached: true, ..v1::SlotState::default() }),
            ..v1::Register::default()
        };
        let read = registration(AgentName("node1".to_owned()), Session(9), register);
        assert_eq!((read.agent_id, read.epoch, read.tasks.len()), (None, Epoch(4), 1));
        assert_eq!(read.attached_slot.as_deref(), Some("p1"));
        assert_eq!(read.new_agent_id.len(), 36);
    }

    #[test]
    fn a_slot_that_does_not_run_is_none_for_the_agent() {
        let slot = |running| Slot {
            pod: "s".to_owned(),
            uid: "p1".to_owned(),
            address: None,
            running,
            resources: Resources::of(Amount::from_units(1), Amount::from_units(64)),
        };
        for (slot, uid) in [(Some(slot(true)), "p1"), (Some(slot(false)), ""), (None, "")] {
            match to_agent(ToAgent::Slot { epoch: Epoch(1), slot }, "m").message {
                Some(v1::from_master::Message::Slot(said)) => assert_eq!(said.pod_uid, uid),
                other => panic!("{other:?}"),
            }
        }
    }
}
