//! Offer operations.

use super::framework::{has_capability, roles};
use super::resource::{
    allocated_to_one_role, fixed, is_dynamically_reserved, is_persistent_volume, one_provider, persistent_volumes,
    reservation_role, unique_persistence_ids, upgrade, validate as validate_resources, validate_each, validate_one,
};
use super::resource_sum::Sum;
use super::resource_text::{Text, list};
use super::{Validity, braced, ensure, refuse};
use crate::v1::framework_info::capability::Type as Capability;
use crate::v1::offer::Operation;
use crate::v1::offer::operation::{
    Create, CreateDisk, Destroy, DestroyDisk, GrowVolume, Reserve, ShrinkVolume, Type, Unreserve,
};
use crate::v1::resource::disk_info::source::Type as SourceType;
use crate::v1::{FrameworkInfo, Resource, TaskInfo};

/// The first check of an operation of an ACCEPT: its body is there and its resources are sound. Then brings their
/// reservations into one form (Mesos: `validateAndUpgradeResources`, and what `Master::accept` adds to it).
pub fn validate_and_upgrade(operation: &mut Operation) -> Validity {
    let kind = operation.r#type();
    let mut sound = Ok(());
    let found = each_resource_list(operation, |resources| {
        if sound.is_ok() {
            sound = match (kind, &*resources) {
                // Of one resource alone the list's text is not given.
                (Type::GrowVolume | Type::ShrinkVolume | Type::CreateDisk | Type::DestroyDisk, [one]) => {
                    validate_one(one)
                }
                _ => validate_each(resources),
            };
        }
    });
    if kind == Type::Unknown {
        return refuse("Unknown offer operation");
    }
    ensure(found, || {
        let article = if kind == Type::Unreserve { "An" } else { "A" };
        let noun = if kind == Type::GrowVolume { "operation" } else { "offer operation" };
        let stop = if matches!(kind, Type::GrowVolume | Type::ShrinkVolume) { "" } else { "." };
        let name = kind.as_str_name();
        format!("{article} {name} {noun} must have the Offer.Operation.{} field set{stop}", name.to_lowercase())
    })?;
    sound?;
    each_resource_list(operation, |resources| resources.iter_mut().for_each(upgrade));
    ensure(operation.reserve.as_ref().is_none_or(|reserve| reserve.source.is_empty()), || {
        "Reservation updates are not yet implemented for the scheduler API.".to_owned()
    })?;
    ensure(operation.id.is_none() || !matches!(kind, Type::Launch | Type::LaunchGroup), || {
        format!("The `id` field cannot be set on {} operations", kind.as_str_name())
    })
}

/// Says of every resource that none names which role it is allocated to (Mesos: `protobuf::injectAllocationInfo`).
pub fn inject_allocation(operation: &mut Operation, allocation: &crate::v1::resource::AllocationInfo) {
    each_resource_list(operation, |resources| {
        for resource in resources {
            resource.allocation_info.get_or_insert_with(|| allocation.clone());
        }
    });
}

/// Goes through all resources of the operation's body; whether it has the body that its type says.
fn each_resource_list(operation: &mut Operation, mut visit: impl FnMut(&mut [Resource])) -> bool {
    fn task(task: &mut TaskInfo, visit: &mut impl FnMut(&mut [Resource])) {
        visit(&mut task.resources);
        if let Some(executor) = &mut task.executor {
            visit(&mut executor.resources);
        }
    }
    let one = std::slice::from_mut::<Resource>;
    match operation.r#type() {
        Type::Unknown => None,
        Type::Launch => operation.launch.as_mut().map(|body| {
            body.task_infos.iter_mut().for_each(|info| task(info, &mut visit));
        }),
        Type::LaunchGroup => operation.launch_group.as_mut().map(|body| {
            visit(&mut body.executor.resources);
            body.task_group.tasks.iter_mut().for_each(|info| task(info, &mut visit));
        }),
        Type::Reserve => operation.reserve.as_mut().map(|body| {
            visit(&mut body.resources);
            visit(&mut body.source);
        }),
        Type::Unreserve => operation.unreserve.as_mut().map(|body| visit(&mut body.resources)),
        Type::Create => operation.create.as_mut().map(|body| visit(&mut body.volumes)),
        Type::Destroy => operation.destroy.as_mut().map(|body| visit(&mut body.volumes)),
        Type::GrowVolume => operation.grow_volume.as_mut().map(|body| {
            visit(one(&mut body.volume));
            visit(one(&mut body.addition));
        }),
        Type::ShrinkVolume => operation.shrink_volume.as_mut().map(|body| visit(one(&mut body.volume))),
        Type::CreateDisk => operation.create_disk.as_mut().map(|body| visit(one(&mut body.source))),
        Type::DestroyDisk => operation.destroy_disk.as_mut().map(|body| visit(one(&mut body.source))),
    }
    .is_some()
}

/// RESERVE, by a framework or, without one, by an operator. Agents that know neither hierarchical roles nor refined
/// reservations do not exist here.
pub fn reserve(reserve: &Reserve, principal: Option<&str>, framework: Option<&FrameworkInfo>) -> Validity {
    validate_resources(&reserve.resources).map_err(|error| error.after("Invalid resources: "))?;
    validate_resources(&reserve.source).map_err(|error| error.after("Invalid source: "))?;
    if !reserve.source.is_empty() {
        changed_reservation(reserve)?;
    }
    one_provider(&reserve.resources).map_err(|error| error.after("Invalid resources: "))?;
    for resource in &reserve.resources {
        ensure(is_dynamically_reserved(resource), || {
            format!("Resource {} is not dynamically reserved", Text(resource))
        })?;
        if let Some(principal) = principal {
            by_principal(resource, principal)?;
        }
        match framework {
            Some(framework) => by_framework(resource, framework)?,
            None => ensure(resource.allocation_info.is_none(), || {
                "A reserve operation was attempted with an allocated resource, but the operator API only allows \
                 reservations to be made to unallocated resources"
                    .to_owned()
            })?,
        }
    }
    match framework {
        Some(_) => {
            allocated_to_one_role(&reserve.resources).map_err(|error| error.after("Invalid reservation resources: "))
        }
        None => Ok(()),
    }
}

fn changed_reservation(reserve: &Reserve) -> Validity {
    for (resources, which) in [(&reserve.source, "source"), (&reserve.resources, "resources")] {
        let Some(first) = resources.first() else {
            return refuse(format!("Invalid {which}: Resource cannot be empty"));
        };
        ensure(resources.iter().all(|resource| resource.reservations == first.reservations), || {
            format!("Invalid {which}: Mixed reservations are not supported{}", list(resources))
        })?;
    }
    let unreserved = |resources: &[Resource]| -> Vec<Resource> {
        resources.iter().cloned().map(|resource| Resource { reservations: Vec::new(), ..resource }).collect()
    };
    let (source, target) = (unreserved(&reserve.source), unreserved(&reserve.resources));
    ensure(Sum::of(&source) == Sum::of(&target), || {
        format!(
            "Source and target resources should refer to identical resource quantities: {} vs. {}",
            list(&source),
            list(&target)
        )
    })
}

fn by_principal(resource: &Resource, principal: &str) -> Validity {
    match resource.reservations.last().and_then(|last| last.principal.as_ref()) {
        None => refuse(format!(
            "A reserve operation was attempted by principal '{principal}', but there is a reserved resource in the \
             request with no principal set"
        )),
        Some(named) => ensure(named == principal, || {
            format!(
                "A reserve operation was attempted by authenticated principal '{principal}', which does not match a \
                 reserved resource in the request with principal '{named}'"
            )
        }),
    }
}

fn by_framework(resource: &Resource, framework: &FrameworkInfo) -> Validity {
    let Some(allocated) = resource.allocation_info.as_ref().and_then(|info| info.role.as_deref()) else {
        return refuse(format!(
            "A reserve operation was attempted on unallocated resource {}, but frameworks can only perform \
             reservations on allocated resources",
            Text(resource)
        ));
    };
    let reserved = reservation_role(resource);
    ensure(allocated == reserved, || {
        format!(
            "A reserve operation was attempted for a resource with role '{reserved}', but the resource was allocated \
             to role '{allocated}'"
        )
    })?;
    let roles = roles(framework);
    ensure(roles.contains(allocated), || {
        format!(
            "A reserve operation was attempted for a resource allocated to role '{allocated}', but the framework only \
             has roles '{}'",
            braced(roles.iter().copied())
        )
    })
}

/// UNRESERVE.
pub fn unreserve(unreserve: &Unreserve) -> Validity {
    validate_resources(&unreserve.resources).map_err(|error| error.after("Invalid resources: "))?;
    one_provider(&unreserve.resources).map_err(|error| error.after("Invalid resources: "))?;
    unreserve.resources.iter().try_for_each(|resource| {
        ensure(is_dynamically_reserved(resource), || {
            format!("Resource {} is not dynamically reserved", Text(resource))
        })?;
        ensure(!is_persistent_volume(resource), || {
            format!(
                "A dynamically reserved persistent volume {} cannot be unreserved directly. Please destroy the \
                 persistent volume first then unreserve the resource",
                Text(resource)
            )
        })
    })
}

/// CREATE, by a framework or, without one, by an operator; `existing` are the volumes that the agent has.
pub fn create(
    create: &Create,
    existing: &[Resource],
    principal: Option<&str>,
    framework: Option<&FrameworkInfo>,
) -> Validity {
    validate_resources(&create.volumes).map_err(|error| error.after("Invalid resources: "))?;
    one_provider(&create.volumes).map_err(|error| error.after("Invalid resources: "))?;
    persistent_volumes(&create.volumes).map_err(|error| error.after("Not a persistent volume: "))?;
    unique_persistence_ids(existing.iter().chain(&create.volumes))?;
    for volume in &create.volumes {
        if let Some(framework) = framework.filter(|_| volume.shared.is_some()) {
            ensure(has_capability(framework, Capability::SharedResources), || {
                format!(
                    "Create volume operation for '{}' has been attempted by framework '{}' with no SHARED_RESOURCES \
                     capability",
                    Text(volume),
                    framework.id.as_ref().map_or("", |id| &id.value)
                )
            })?;
        }
        if let Some(principal) = principal {
            volume_principal(volume, principal)?;
        }
    }
    match framework {
        Some(_) => allocated_to_one_role(&create.volumes).map_err(|error| error.after("Invalid volume resources: ")),
        None => Ok(()),
    }
}

fn volume_principal(volume: &Resource, principal: &str) -> Validity {
    let persistence = volume.disk.as_ref().and_then(|disk| disk.persistence.as_ref());
    match persistence.and_then(|persistence| persistence.principal.as_ref()) {
        None => refuse(format!(
            "Create volume operation attempted by principal '{principal}', but there is a volume in the operation \
             with no principal set in 'disk.persistence'"
        )),
        Some(named) => ensure(named == principal, || {
            format!(
                "Create volume operation attempted by authenticated principal '{principal}', which does not match a \
                 volume in the operation with principal '{named}' set in 'disk.persistence'"
            )
        }),
    }
}

/// DESTROY. Mesos then asks whether the agent has the volumes ("Persistent volumes not found") and whether a task uses
/// one ("Persistent volumes in use").
pub fn destroy(destroy: &Destroy) -> Validity {
    validate_resources(&destroy.volumes).map_err(|error| error.after("Invalid resources: "))?;
    one_provider(&destroy.volumes).map_err(|error| error.after("Invalid resources: "))?;
    persistent_volumes(&destroy.volumes).map_err(|error| error.after("Not a persistent volume: "))
}

/// `GROW_VOLUME`.
pub fn grow_volume(grow: &GrowVolume) -> Validity {
    let (volume, addition) = (&grow.volume, &grow.addition);
    validate_one(volume).map_err(|error| error.after("Invalid resource in the 'GrowVolume.volume' field: "))?;
    validate_one(addition).map_err(|error| error.after("Invalid resource in the 'GrowVolume.addition' field: "))?;
    ensure(size(addition) > 0, || "The size of 'GrowVolume.addition' field must be greater than zero".to_owned())?;
    ensure(volume.provider_id.is_none(), || "Growing a volume from a resource provider is not supported".to_owned())?;
    persistent_volumes(std::slice::from_ref(volume))
        .map_err(|error| error.after("Invalid persistent volume in the 'GrowVolume.volume' field: "))?;
    ensure(volume.shared.is_none(), || "Growing a shared persistent volume is not supported".to_owned())?;
    // What the volume lies on: the disk of a source, or the agent's own.
    let mut below = volume.clone();
    below.disk = below.disk.filter(|disk| disk.source.is_some()).map(|mut disk| {
        (disk.persistence, disk.volume) = (None, None);
        disk
    });
    ensure(Sum::of([&below, addition]).len() == 1, || {
        "Incompatible resources in the 'GrowVolume.volume' and 'GrowVolume.addition' fields".to_owned()
    })
}

/// `SHRINK_VOLUME`.
pub fn shrink_volume(shrink: &ShrinkVolume) -> Validity {
    let volume = &shrink.volume;
    validate_one(volume).map_err(|error| error.after("Invalid resource in the 'ShrinkVolume.volume' field: "))?;
    let subtract = fixed(shrink.subtract.value);
    ensure(subtract > 0, || "Value of 'ShrinkVolume.subtract' must be greater than zero".to_owned())?;
    ensure(size(volume) > subtract, || {
        "Value of 'ShrinkVolume.subtract' must be smaller than the size of 'ShrinkVolume.volume'".to_owned()
    })?;
    ensure(volume.provider_id.is_none(), || "Shrinking a volume from a resource provider is not supported".to_owned())?;
    ensure(source_type(volume) != Some(SourceType::Mount), || {
        "Shrinking a volume on a MOUNT disk is not supported".to_owned()
    })?;
    persistent_volumes(std::slice::from_ref(volume))
        .map_err(|error| error.after("Invalid persistent volume in the 'ShrinkVolume.volume' field: "))?;
    ensure(volume.shared.is_none(), || "Shrinking a shared persistent volume is not supported".to_owned())
}

/// `CREATE_DISK`.
pub fn create_disk(create: &CreateDisk) -> Validity {
    let source = &create.source;
    provided(source)?;
    ensure(source_type(source) == Some(SourceType::Raw), || "'source' is not a RAW disk resource".to_owned())?;
    ensure(matches!(create.target_type(), SourceType::Mount | SourceType::Block), || {
        "'target_type' is neither MOUNT or BLOCK".to_owned()
    })?;
    let has_profile =
        source.disk.as_ref().and_then(|disk| disk.source.as_ref()).is_some_and(|source| source.profile.is_some());
    match (has_profile, create.target_profile.is_some()) {
        (true, true) => refuse("'target_profile' must not be set when 'source' has a profile"),
        (false, false) => refuse("'target_profile' must be set when 'source' has no profile"),
        _ => Ok(()),
    }
}

/// `DESTROY_DISK`.
pub fn destroy_disk(destroy: &DestroyDisk) -> Validity {
    let source = &destroy.source;
    provided(source)?;
    ensure(matches!(source_type(source), Some(SourceType::Mount | SourceType::Block | SourceType::Raw)), || {
        "'source' is neither a MOUNT, BLOCK or RAW disk resource".to_owned()
    })?;
    let has_id = source.disk.as_ref().and_then(|disk| disk.source.as_ref()).is_some_and(|source| source.id.is_some());
    ensure(has_id, || "'source' is not backed by a CSI volume".to_owned())?;
    ensure(!is_persistent_volume(source), || {
        format!(
            "A disk resource containing a persistent volume {} cannot be destroyed directly. Please destroy the \
             persistent volume first then destroy the disk resource",
            Text(source)
        )
    })
}

fn provided(source: &Resource) -> Validity {
    validate_resources(std::slice::from_ref(source)).map_err(|error| error.after("Invalid resource: "))?;
    ensure(source.provider_id.is_some(), || "'source' is not managed by a resource provider".to_owned())
}

fn source_type(resource: &Resource) -> Option<SourceType> {
    Some(resource.disk.as_ref()?.source.as_ref()?.r#type())
}

/// A scalar's size in thousandths; none of other resources.
fn size(resource: &Resource) -> i64 {
    resource.scalar.as_ref().map_or(0, |scalar| fixed(scalar.value))
}
