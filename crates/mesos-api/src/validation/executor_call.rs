//! Calls of executors.

use super::{Validity, ensure, health, ids, present};
use crate::v1::executor::Call;
use crate::v1::executor::call::Type;
use crate::v1::{TaskState, task_status};

/// Checks a call before it is known whose it is (Mesos: `common::validation::validateExecutorCall`).
pub fn validate(call: &Call) -> Validity {
    let kind = call.r#type.and_then(|kind| Type::try_from(kind).ok());
    present(kind.as_ref(), "type")?;
    match call.r#type() {
        Type::Subscribe => present(call.subscribe.as_ref(), "subscribe"),
        Type::Update => update(call),
        Type::Message => present(call.message.as_ref(), "message"),
        Type::Heartbeat | Type::Unknown => Ok(()),
    }
}

fn update(call: &Call) -> Validity {
    present(call.update.as_ref(), "update")?;
    let Some(status) = call.update.as_ref().map(|update| &update.status) else { return Ok(()) };
    let (executor, framework) = (&call.executor_id.value, &call.framework_id.value);
    present(status.uuid.as_ref(), "uuid")?;
    ids::uuid(status.uuid())?;
    if let Some(named) = &status.executor_id {
        ensure(named.value == *executor, || {
            format!("ExecutorID in Call: {executor} does not match ExecutorID in TaskStatus: {}", named.value)
        })?;
    }
    ensure(status.source() == task_status::Source::Executor, || {
        format!(
            "Received Call from executor {executor} of framework {framework} with invalid source, \
             expecting 'SOURCE_EXECUTOR'"
        )
    })?;
    ensure(status.state() != TaskState::TaskStaging, || {
        format!("Received TASK_STAGING from executor {executor} of framework {framework} which is not allowed")
    })?;
    status.check_status.as_ref().map_or(Ok(()), health::check_status)
}
