//! Calls of operators to a master.

use super::resource::validate_each;
use super::{Validity, ensure, present};
use crate::v1::master::Call;
use crate::v1::master::call::Type;

/// Checks a call (Mesos: `master::call::validate`).
pub fn validate(call: &Call) -> Validity {
    let kind = call.r#type.and_then(|kind| Type::try_from(kind).ok());
    present(kind.as_ref(), "type")?;
    match call.r#type() {
        Type::GetMetrics => present(call.get_metrics.as_ref(), "get_metrics"),
        Type::SetLoggingLevel => present(call.set_logging_level.as_ref(), "set_logging_level"),
        Type::ListFiles => present(call.list_files.as_ref(), "list_files"),
        Type::ReadFile => present(call.read_file.as_ref(), "read_file"),
        Type::UpdateWeights => present(call.update_weights.as_ref(), "update_weights"),
        Type::ReserveResources => {
            present(call.reserve_resources.as_ref(), "reserve_resources")?;
            call.reserve_resources.iter().try_for_each(|body| validate_each(&body.resources))
        }
        Type::UnreserveResources => {
            present(call.unreserve_resources.as_ref(), "unreserve_resources")?;
            call.unreserve_resources.iter().try_for_each(|body| validate_each(&body.resources))
        }
        Type::CreateVolumes => present(call.create_volumes.as_ref(), "create_volumes"),
        Type::DestroyVolumes => present(call.destroy_volumes.as_ref(), "destroy_volumes"),
        Type::GrowVolume => {
            present(call.grow_volume.as_ref(), "grow_volume")?;
            of_agent(call.grow_volume.iter().all(|body| body.agent_id.is_some()))
        }
        Type::ShrinkVolume => {
            present(call.shrink_volume.as_ref(), "shrink_volume")?;
            of_agent(call.shrink_volume.iter().all(|body| body.agent_id.is_some()))
        }
        Type::UpdateMaintenanceSchedule => {
            present(call.update_maintenance_schedule.as_ref(), "update_maintenance_schedule")
        }
        Type::StartMaintenance => present(call.start_maintenance.as_ref(), "start_maintenance"),
        Type::StopMaintenance => present(call.stop_maintenance.as_ref(), "stop_maintenance"),
        Type::DrainAgent => present(call.drain_agent.as_ref(), "drain_agent"),
        Type::DeactivateAgent => present(call.deactivate_agent.as_ref(), "deactivate_agent"),
        Type::ReactivateAgent => present(call.reactivate_agent.as_ref(), "reactivate_agent"),
        Type::UpdateQuota => present(call.update_quota.as_ref(), "update_quota"),
        Type::SetQuota => present(call.set_quota.as_ref(), "set_quota"),
        Type::RemoveQuota => present(call.remove_quota.as_ref(), "remove_quota"),
        Type::Teardown => present(call.teardown.as_ref(), "teardown"),
        Type::MarkAgentGone => present(call.mark_agent_gone.as_ref(), "mark_agent_gone"),
        // These carry nothing.
        Type::Unknown
        | Type::GetHealth
        | Type::GetFlags
        | Type::GetVersion
        | Type::GetLoggingLevel
        | Type::GetState
        | Type::GetAgents
        | Type::GetFrameworks
        | Type::GetExecutors
        | Type::GetOperations
        | Type::GetTasks
        | Type::GetRoles
        | Type::GetWeights
        | Type::GetMaster
        | Type::Subscribe
        | Type::GetMaintenanceStatus
        | Type::GetMaintenanceSchedule
        | Type::GetQuota => Ok(()),
    }
}

fn of_agent(named: bool) -> Validity {
    ensure(named, || {
        "Expecting 'agent_id' to be present; only agent default resources are supported right now".to_owned()
    })
}
