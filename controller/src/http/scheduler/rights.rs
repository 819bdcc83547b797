//! What a framework may do with its offers: each operation of an ACCEPT is one of Mesos' actions.

use crate::auth::{Access, Action, Caller, Denied, Object};
use proffer_mesos_api::v1::offer::Operation;
use proffer_mesos_api::v1::offer::operation::Type;
use proffer_mesos_api::v1::resource::disk_info::source::Type as DiskType;
use proffer_mesos_api::v1::scheduler::Call;

/// The operations of a call, by their place in it, that the caller may not do in the namespace of its frameworks, each with
/// why not. The master tells its scheduler so, as Mesos does; the others are carried out.
pub(super) async fn denied(access: &Access, caller: &Caller, call: &Call) -> Result<Vec<(usize, String)>, Denied> {
    let operations = call.accept.as_ref().map_or(&[][..], |accept| &accept.operations);
    let mut denied = Vec::new();
    for (index, operation) in operations.iter().enumerate() {
        let Some((action, what)) = action(operation) else { continue };
        match access.authorize(caller, action, Object::namespace(caller.namespace())).await {
            Ok(()) => {}
            Err(Denied::Forbidden(why)) => denied.push((index, format!("Not authorized to {what}: {why}"))),
            Err(other) => return Err(other),
        }
    }
    Ok(denied)
}

/// The right that an operation needs, and what Mesos calls it when it is refused.
fn action(operation: &Operation) -> Option<(Action, &'static str)> {
    Some(match operation.r#type() {
        Type::Launch => (Action::RunTasks, "launch tasks"),
        Type::LaunchGroup => (Action::RunTasks, "launch task groups"),
        Type::Reserve => (Action::ReserveResources, "reserve resources"),
        Type::Unreserve => (Action::UnreserveResources, "unreserve resources"),
        Type::Create => (Action::CreateVolumes, "create persistent volumes"),
        Type::Destroy => (Action::DestroyVolumes, "destroy persistent volumes"),
        Type::GrowVolume => (Action::ResizeVolumes, "grow volumes"),
        Type::ShrinkVolume => (Action::ResizeVolumes, "shrink volumes"),
        Type::CreateDisk => match operation.create_disk.as_ref().map(|create| create.target_type()) {
            Some(DiskType::Block) => (Action::CreateBlockDisks, "create block disks"),
            _ => (Action::CreateMountDisks, "create mount disks"),
        },
        Type::DestroyDisk => match operation
            .destroy_disk
            .as_ref()
            .and_then(|destroy| Some(destroy.source.disk.as_ref()?.source.as_ref()?.r#type()))
        {
            Some(DiskType::Block) => (Action::DestroyBlockDisks, "destroy block disks"),
            Some(DiskType::Mount) => (Action::DestroyMountDisks, "destroy mount disks"),
            _ => (Action::DestroyRawDisks, "destroy raw disks"),
        },
        // Refused by validation.
        Type::Unknown => return None,
    })
}
