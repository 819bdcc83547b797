//! A task's record as the status of its Task, and back.

use super::epoch_number;
use crate::clock::{from_text, to_text};
use k8s_openapi::jiff::Timestamp;
use proffer_crds::{
    Condition, ConditionStatus, TaskAgent, TaskState as ObjectState, TaskStatus, TaskTimes, set_condition,
};
use proffer_master::{AgentName, Epoch, PlacedOn, TaskRecord};
use proffer_mesos_api::{Reason, TaskState};
use proffer_resources::{Ranges, ResourceBag, Role};

/// The status that says what `record` says. `before` is the status so far: conditions keep their transition times.
#[must_use]
pub fn status(record: &TaskRecord, before: Option<&TaskStatus>, now: Timestamp) -> TaskStatus {
    let mut conditions = before.map(|status| status.conditions.clone()).unwrap_or_default();
    set_conditions(&mut conditions, record, now);
    TaskStatus {
        observed_generation: Some(record.generation),
        master_epoch: epoch_number(record.epoch),
        state: object_state(record.state),
        reason: record.reason.map(|reason| reason.as_camel().to_owned()),
        message: Some(record.message.clone()).filter(|message| !message.is_empty()),
        agent: record.agent.as_ref().map(|placed| TaskAgent {
            name: placed.agent.0.clone(),
            id: placed.agent_id.clone(),
            address: placed.address.clone(),
        }),
        role: record.role.as_ref().map(ToString::to_string),
        held: record.held.as_ref().map(|held| held.to_json().to_string()),
        ports: record.ports.iter().filter_map(|port| i32::try_from(port).ok()).collect(),
        exit_code: record.exit_code,
        signal: record.signal,
        sandbox: record.sandbox.clone(),
        times: TaskTimes {
            staging: record.staging_at.map(to_text),
            running: record.running_at.map(to_text),
            completed: record.completed_at.map(to_text),
        },
        conditions,
    }
}

/// Mesos' state for an object's; `None` for a task of which nothing was decided yet.
#[must_use]
pub fn mesos_state(state: ObjectState) -> Option<TaskState> {
    TaskState::ALL.iter().copied().find(|&one| object_state(Some(one)) == state)
}

/// The record that a status was written from; `None` if no leader ever wrote one.
#[must_use]
pub fn record(status: &TaskStatus) -> Option<TaskRecord> {
    let epoch = u64::try_from(status.master_epoch?).ok()?;
    Some(TaskRecord {
        generation: status.observed_generation.unwrap_or_default(),
        state: mesos_state(status.state),
        reason: status.reason.as_deref().and_then(|reason| reason.parse::<Reason>().ok()),
        message: status.message.clone().unwrap_or_default(),
        agent: status.agent.as_ref().map(|agent| PlacedOn {
            agent: AgentName(agent.name.clone()),
            agent_id: agent.id.clone(),
            address: agent.address.clone(),
        }),
        role: status.role.as_deref().and_then(|role| Role::new(role).ok()),
        held: status.held.as_deref().and_then(held),
        ports: status
            .ports
            .iter()
            .filter_map(|&port| u64::try_from(port).ok())
            .map(|port| (port, port))
            .collect::<Ranges>(),
        exit_code: status.exit_code,
        signal: status.signal,
        sandbox: status.sandbox.clone(),
        staging_at: status.times.staging.as_deref().and_then(from_text),
        running_at: status.times.running.as_deref().and_then(from_text),
        completed_at: status.times.completed.as_deref().and_then(from_text),
        epoch: Epoch(epoch),
    })
}

/// What a task holds, in Mesos' JSON form.
fn held(text: &str) -> Option<ResourceBag> {
    ResourceBag::from_json(&serde_json::from_str(text).ok()?).ok()
}

/// The state as objects write it.
fn object_state(state: Option<TaskState>) -> ObjectState {
    match state {
        None => ObjectState::Pending,
        Some(TaskState::Staging) => ObjectState::Staging,
        Some(TaskState::Starting) => ObjectState::Starting,
        Some(TaskState::Running) => ObjectState::Running,
        Some(TaskState::Killing) => ObjectState::Killing,
        Some(TaskState::Finished) => ObjectState::Finished,
        Some(TaskState::Failed) => ObjectState::Failed,
        Some(TaskState::Killed) => ObjectState::Killed,
        Some(TaskState::Error) => ObjectState::Error,
        Some(TaskState::Lost) => ObjectState::Lost,
        Some(TaskState::Dropped) => ObjectState::Dropped,
        Some(TaskState::Unreachable) => ObjectState::Unreachable,
        Some(TaskState::Gone) => ObjectState::Gone,
        Some(TaskState::GoneByOperator) => ObjectState::GoneByOperator,
        Some(TaskState::Unknown) => ObjectState::Unknown,
    }
}

/// Whether the task runs, ended well, ended badly and ended at all, as `kubectl wait` asks.
fn set_conditions(conditions: &mut Vec<Condition>, record: &TaskRecord, now: Timestamp) {
    let state_name = record.state.map_or("Pending", TaskState::as_camel);
    // An object may have been `kubectl wait`ed for by its reason too: Mesos' reason where there is one, else the state.
    let reason = record.reason.map_or(state_name, Reason::as_camel);
    let message = record.message.as_str();
    let terminal = record.state.is_some_and(TaskState::is_terminal);
    let bad = terminal && !matches!(record.state, Some(TaskState::Finished | TaskState::Killed));
    let running = match record.state {
        Some(TaskState::Running | TaskState::Killing) => ConditionStatus::True,
        Some(TaskState::Unreachable | TaskState::Unknown) => ConditionStatus::Unknown,
        _ => ConditionStatus::False,
    };
    let mut set = |type_: &str, status: ConditionStatus, reason: &str, message: &str| {
        set_condition(conditions, type_, status, reason, message, Some(record.generation), now);
    };
    match &record.agent {
        Some(placed) => {
            set("Placed", ConditionStatus::True, "Placed", &format!("on agent {}", placed.agent));
        }
        None if terminal => set("Placed", ConditionStatus::False, reason, message),
        None => set("Placed", ConditionStatus::False, "Waiting", message),
    }
    // Before it has a place, and before it has ended, there is nothing to say of what comes later: objects stay small.
    if record.agent.is_some() {
        let why = if running == ConditionStatus::True { state_name } else { reason };
        set("Running", running, why, if terminal { "" } else { message });
    }
    if terminal {
        let holds = |condition: bool| if condition { ConditionStatus::True } else { ConditionStatus::False };
        set("Finished", holds(record.state == Some(TaskState::Finished)), reason, message);
        set("Failed", holds(bad), reason, message);
        set("Complete", ConditionStatus::True, state_name, message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proffer_master::Time;

    fn now() -> Timestamp {
        Timestamp::from_second(1_795_362_000).unwrap()
    }

    fn record_in(state: Option<TaskState>) -> TaskRecord {
        TaskRecord {
            generation: 1,
            state,
            reason: None,
            message: String::new(),
            agent: Some(PlacedOn {
                agent: AgentName("node2".to_owned()),
                agent_id: "a-2".to_owned(),
                address: Some("10.244.2.3".to_owned()),
            }),
            role: Some(Role::new("eng/a").unwrap()),
            held: Some("cpus(eng):1;mem:32".parse().unwrap()),
            ports: Ranges::span(31_000, 31_001),
            exit_code: None,
            signal: None,
            sandbox: Some("/s/hello".to_owned()),
            staging_at: Some(Time(1_795_362_000_000_001)),
            running_at: None,
            completed_at: None,
            epoch: Epoch(4),
        }
    }

    /// `Type=Status/Reason: message` of every condition.
    fn told(status: &TaskStatus) -> Vec<String> {
        status
            .conditions
            .iter()
            .map(|c| {
                format!("{}={:?}/{}: {}", c.type_, c.status, c.reason, c.message).trim_end_matches(": ").to_owned()
            })
            .collect()
    }

    #[test]
    fn every_state_survives_the_object() {
        for state in TaskState::ALL.iter().copied().map(Some).chain([None]) {
            let record_before = record_in(state);
            let status = status(&record_before, None, now());
            let text = serde_json::to_string(&status).unwrap();
            assert_eq!(record(&serde_json::from_str(&text).unwrap()), Some(record_before));
        }
        assert_eq!(record(&TaskStatus::default()), None, "a status that no leader wrote is no record");
    }

    #[test]
    fn conditions_tell_what_happened() {
        let failed = TaskRecord {
            reason: Some(Reason::CommandExecutorFailed),
            message: "exited with code 3".to_owned(),
            exit_code: Some(3),
            ..record_in(Some(TaskState::Failed))
        };
        let oom = TaskRecord {
            reason: Some(Reason::ContainerLimitationMemory),
            message: "Memory limit 32Mi reached".to_owned(),
            ..record_in(Some(TaskState::Failed))
        };
        let pending = TaskRecord { agent: None, message: "waits for resources".to_owned(), ..record_in(None) };
        let unknown =
            TaskRecord { agent: None, reason: Some(Reason::TaskInvalid), ..record_in(Some(TaskState::Error)) };
        let table: [(TaskRecord, &[&str]); 7] = [
            (pending, &["Placed=False/Waiting: waits for resources"]),
            (
                unknown,
                &[
                    "Placed=False/TaskInvalid",
                    "Finished=False/TaskInvalid",
                    "Failed=True/TaskInvalid",
                    "Complete=True/Error",
                ],
            ),
            (record_in(Some(TaskState::Running)), &["Placed=True/Placed: on agent node2", "Running=True/Running"]),
            (
                record_in(Some(TaskState::Finished)),
                &[
                    "Placed=True/Placed: on agent node2",
                    "Running=False/Finished",
                    "Finished=True/Finished",
                    "Failed=False/Finished",
                    "Complete=True/Finished",
                ],
            ),
            (
                failed,
                &[
                    "Placed=True/Placed: on agent node2",
                    "Running=False/CommandExecutorFailed",
                    "Finished=False/CommandExecutorFailed: exited with code 3",
                    "Failed=True/CommandExecutorFailed: exited with code 3",
                    "Complete=True/Failed: exited with code 3",
                ],
            ),
            (
                oom,
                &[
                    "Placed=True/Placed: on agent node2",
                    "Running=False/ContainerLimitationMemory",
                    "Finished=False/ContainerLimitationMemory: Memory limit 32Mi reached",
                    "Failed=True/ContainerLimitationMemory: Memory limit 32Mi reached",
                    "Complete=True/Failed: Memory limit 32Mi reached",
                ],
            ),
            (
                record_in(Some(TaskState::Unreachable)),
                &["Placed=True/Placed: on agent node2", "Running=Unknown/Unreachable"],
            ),
        ];
        for (record, expected) in table {
            assert_eq!(told(&status(&record, None, now())), expected, "{:?}", record.state);
        }
    }

    #[test]
    fn a_killed_task_neither_finished_nor_failed() {
        let status = status(&record_in(Some(TaskState::Killed)), None, now());
        let told = told(&status);
        assert!(told[2].starts_with("Finished=False") && told[3].starts_with("Failed=False"), "{told:?}");
        assert_eq!(told[4], "Complete=True/Killed");
    }

    #[test]
    fn transition_times_stay_while_nothing_changes() {
        let first = status(&record_in(Some(TaskState::Running)), None, now());
        let later = Timestamp::from_second(1_795_362_100).unwrap();
        let second = status(&record_in(Some(TaskState::Running)), Some(&first), later);
        assert_eq!(first, second);
    }
}
