//! The calls as messages; the framework's ID is added when they are sent.

use crate::v1;
use v1::scheduler::call::Type;
use v1::scheduler::{Call, call};

fn of(kind: Type) -> Call {
    Call { r#type: Some(kind.into()), ..Call::default() }
}

pub(crate) fn filters(refuse_seconds: Option<f64>) -> Option<v1::Filters> {
    refuse_seconds.map(|seconds| v1::Filters { refuse_seconds: Some(seconds) })
}

pub(crate) fn subscribe(subscribe: call::Subscribe) -> Call {
    let framework_id = subscribe.framework_info.id.clone();
    Call { framework_id, subscribe: Some(subscribe), ..of(Type::Subscribe) }
}

pub(crate) fn teardown() -> Call {
    of(Type::Teardown)
}

pub(crate) fn accept(accept: call::Accept) -> Call {
    Call { accept: Some(accept), ..of(Type::Accept) }
}

pub(crate) fn decline(decline: call::Decline) -> Call {
    Call { decline: Some(decline), ..of(Type::Decline) }
}

pub(crate) fn accept_inverse_offers(accept: call::AcceptInverseOffers) -> Call {
    Call { accept_inverse_offers: Some(accept), ..of(Type::AcceptInverseOffers) }
}

pub(crate) fn decline_inverse_offers(decline: call::DeclineInverseOffers) -> Call {
    Call { decline_inverse_offers: Some(decline), ..of(Type::DeclineInverseOffers) }
}

/// Without roles there is no body either, which masters before 1.2 need.
pub(crate) fn revive(roles: Vec<String>) -> Call {
    Call { revive: (!roles.is_empty()).then_some(call::Revive { roles }), ..of(Type::Revive) }
}

pub(crate) fn suppress(roles: Vec<String>) -> Call {
    Call { suppress: (!roles.is_empty()).then_some(call::Suppress { roles }), ..of(Type::Suppress) }
}

pub(crate) fn kill(kill: call::Kill) -> Call {
    Call { kill: Some(kill), ..of(Type::Kill) }
}

pub(crate) fn shutdown(shutdown: call::Shutdown) -> Call {
    Call { shutdown: Some(shutdown), ..of(Type::Shutdown) }
}

/// Nothing for an update that needs no acknowledgement: one without a UUID comes from the master itself.
pub(crate) fn acknowledge(status: &v1::TaskStatus) -> Option<Call> {
    let acknowledge = call::Acknowledge {
        agent_id: status.agent_id.clone()?,
        task_id: status.task_id.clone(),
        uuid: status.uuid.clone().filter(|uuid| !uuid.is_empty())?,
    };
    Some(Call { acknowledge: Some(acknowledge), ..of(Type::Acknowledge) })
}

/// Nothing for an update that needs no acknowledgement.
pub(crate) fn acknowledge_operation_status(status: &v1::OperationStatus) -> Option<Call> {
    let acknowledge = call::AcknowledgeOperationStatus {
        agent_id: status.agent_id.clone(),
        resource_provider_id: status.resource_provider_id.clone(),
        uuid: status.uuid.clone()?.value,
        operation_id: status.operation_id.clone()?,
    };
    Some(Call { acknowledge_operation_status: Some(acknowledge), ..of(Type::AcknowledgeOperationStatus) })
}

pub(crate) fn reconcile(tasks: Vec<call::reconcile::Task>) -> Call {
    Call { reconcile: Some(call::Reconcile { tasks }), ..of(Type::Reconcile) }
}

pub(crate) fn reconcile_operations(operations: Vec<call::reconcile_operations::Operation>) -> Call {
    Call { reconcile_operations: Some(call::ReconcileOperations { operations }), ..of(Type::ReconcileOperations) }
}

pub(crate) fn message(message: call::Message) -> Call {
    Call { message: Some(message), ..of(Type::Message) }
}

pub(crate) fn request(requests: Vec<v1::Request>) -> Call {
    Call { request: Some(call::Request { requests }), ..of(Type::Request) }
}

pub(crate) fn update_framework(update: call::UpdateFramework) -> Call {
    Call { update_framework: Some(update), ..of(Type::UpdateFramework) }
}

/// The tasks that an ACCEPT launches, and their agents.
pub(crate) fn launched(operations: &[v1::offer::Operation]) -> Vec<(v1::TaskId, v1::AgentId)> {
    let single = operations.iter().filter_map(|operation| operation.launch.as_ref()).flat_map(|it| &it.task_infos);
    let groups = operations.iter().filter_map(|operation| operation.launch_group.as_ref());
    let grouped = groups.flat_map(|group| &group.task_group.tasks);
    single.chain(grouped).map(|task| (task.task_id.clone(), task.agent_id.clone())).collect()
}
