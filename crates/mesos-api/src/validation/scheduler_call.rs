//! Calls of schedulers.

use super::{Validity, ensure, ids, present};
use crate::v1::FrameworkId;
use crate::v1::scheduler::Call;
use crate::v1::scheduler::call::Type;

/// Checks a call before it is known whose it is (Mesos: `scheduler::call::validate`); `principal` is who is
/// authenticated.
pub fn validate(call: &Call, principal: Option<&str>) -> Validity {
    // A type that is not known is as good as none.
    let kind = call.r#type.and_then(|kind| Type::try_from(kind).ok());
    present(kind.as_ref(), "type")?;
    if call.r#type() == Type::Subscribe {
        return subscribe(call, principal);
    }
    present(call.framework_id.as_ref(), "framework_id")?;
    match call.r#type() {
        Type::Subscribe | Type::Teardown | Type::Revive | Type::Suppress | Type::Unknown => Ok(()),
        Type::Accept => present(call.accept.as_ref(), "accept"),
        Type::Decline => present(call.decline.as_ref(), "decline"),
        Type::AcceptInverseOffers => present(call.accept_inverse_offers.as_ref(), "accept_inverse_offers"),
        Type::DeclineInverseOffers => present(call.decline_inverse_offers.as_ref(), "decline_inverse_offers"),
        Type::Kill => present(call.kill.as_ref(), "kill"),
        Type::Shutdown => present(call.shutdown.as_ref(), "shutdown"),
        Type::Acknowledge => {
            present(call.acknowledge.as_ref(), "acknowledge")?;
            call.acknowledge.iter().try_for_each(|acknowledge| ids::uuid(&acknowledge.uuid))
        }
        Type::AcknowledgeOperationStatus => {
            present(call.acknowledge_operation_status.as_ref(), "acknowledge_operation_status")?;
            call.acknowledge_operation_status.iter().try_for_each(|acknowledge| {
                ids::uuid(&acknowledge.uuid)?;
                present(acknowledge.agent_id.as_ref(), "agent_id")
            })
        }
        Type::Reconcile => present(call.reconcile.as_ref(), "reconcile"),
        Type::ReconcileOperations => present(call.reconcile_operations.as_ref(), "reconcile_operations"),
        Type::Message => present(call.message.as_ref(), "message"),
        Type::Request => present(call.request.as_ref(), "request"),
        Type::UpdateFramework => {
            present(call.update_framework.as_ref(), "update_framework")?;
            let inner = call.update_framework.as_ref().and_then(|update| update.framework_info.id.as_ref());
            ensure(value(call.framework_id.as_ref()) == value(inner), || {
                "'framework_id' differs from 'update_framework.framework_info.id'".to_owned()
            })
        }
    }
}

fn subscribe(call: &Call, principal: Option<&str>) -> Validity {
    present(call.subscribe.as_ref(), "subscribe")?;
    let Some(framework) = call.subscribe.as_ref().map(|subscribe| &subscribe.framework_info) else { return Ok(()) };
    ensure(value(framework.id.as_ref()) == value(call.framework_id.as_ref()), || {
        "'framework_id' differs from 'subscribe.framework_info.id'".to_owned()
    })?;
    match (principal, &framework.principal) {
        (Some(principal), Some(claimed)) => ensure(principal == claimed, || {
            format!("Authenticated principal '{principal}' does not match principal '{claimed}' set in `FrameworkInfo`")
        }),
        _ => Ok(()),
    }
}

/// No ID is an empty one.
fn value(id: Option<&FrameworkId>) -> &str {
    id.map_or("", |id| &id.value)
}
