//! Operations of the scheduler API, as the master carries them out.

use super::resources::from_v1;
use crate::operations::{Body, LaunchBody, Operation};
use proffer_mesos_api::v1::offer::operation::Type;
use proffer_mesos_api::v1::resource::AllocationInfo;
use proffer_mesos_api::v1::{FrameworkInfo, Resource as V1Resource, offer};
use proffer_mesos_api::validation::{Invalid, operation};
use proffer_resources::{Amount, Resource, ResourceBag, Role};

/// Checks an operation as Mesos does, in its order and words, as far as that needs no state; what is wrong with it is kept
/// in it. `role` is that of the offers, and `agent` theirs, as messages have it.
pub(super) fn read(operation: offer::Operation, role: &Role, framework: &FrameworkInfo, agent: &str) -> Operation {
    let id = operation.id.as_ref().map(|id| id.value.clone());
    Operation { id, body: body(operation, role, framework, agent) }
}

fn body(mut asked: offer::Operation, role: &Role, framework: &FrameworkInfo, agent: &str) -> Result<Body, String> {
    let text = |error: Invalid| format!("{error}; on agent {agent}");
    if asked.r#type() == Type::Launch {
        // Each task is checked by itself, and told by itself.
        return Ok(Body::Launch(LaunchBody::Infos(asked.launch.map(|launch| launch.task_infos).unwrap_or_default())));
    }
    if asked.r#type() == Type::LaunchGroup {
        let group = asked.launch_group.unwrap_or_default();
        return Ok(Body::Launch(LaunchBody::Group(group)));
    }
    operation::validate_and_upgrade(&mut asked)
        .map_err(|error| error.after("Operation attempted with invalid resources: ").to_string())?;
    operation::inject_allocation(&mut asked, &AllocationInfo { role: Some(role.as_str().to_owned()) });
    let principal = framework.principal.as_deref();
    let kind = asked.r#type();
    match asked {
        offer::Operation { reserve: Some(reserve), .. } if kind == Type::Reserve => {
            operation::reserve(&reserve, principal, Some(framework)).map_err(text)?;
            Ok(Body::Reserve { source: from_v1(&reserve.source)?, resources: from_v1(&reserve.resources)? })
        }
        offer::Operation { unreserve: Some(unreserve), .. } if kind == Type::Unreserve => {
            operation::unreserve(&unreserve).map_err(text)?;
            Ok(Body::Unreserve(from_v1(&unreserve.resources)?))
        }
        offer::Operation { create: Some(create), .. } if kind == Type::Create => {
            // Whether the agent has a volume of that name is looked at when its turn comes.
            operation::create(&create, &[], principal, Some(framework)).map_err(text)?;
            Ok(Body::Create(from_v1(&create.volumes)?))
        }
        offer::Operation { destroy: Some(destroy), .. } if kind == Type::Destroy => {
            operation::destroy(&destroy).map_err(text)?;
            Ok(Body::Destroy(from_v1(&destroy.volumes)?))
        }
        offer::Operation { grow_volume: Some(grow), .. } if kind == Type::GrowVolume => {
            operation::grow_volume(&grow).map_err(text)?;
            Ok(Body::GrowVolume { volume: one(&grow.volume)?, addition: one(&grow.addition)? })
        }
        offer::Operation { shrink_volume: Some(shrink), .. } if kind == Type::ShrinkVolume => {
            operation::shrink_volume(&shrink).map_err(text)?;
            let amount = Amount::from_float(shrink.subtract.value);
            let subtract = amount.ok_or_else(|| format!("{} is no amount", shrink.subtract.value))?;
            Ok(Body::ShrinkVolume { volume: one(&shrink.volume)?, subtract })
        }
        // Mesos hands these to resource providers.
        offer::Operation { create_disk: Some(create), .. } if kind == Type::CreateDisk => {
            operation::create_disk(&create).map_err(text)?;
            Ok(Body::OfProvider { name: kind.as_str_name(), source: from_v1(std::slice::from_ref(&create.source))? })
        }
        offer::Operation { destroy_disk: Some(destroy), .. } if kind == Type::DestroyDisk => {
            operation::destroy_disk(&destroy).map_err(text)?;
            Ok(Body::OfProvider { name: kind.as_str_name(), source: from_v1(std::slice::from_ref(&destroy.source))? })
        }
        _ => Err("Unknown offer operation".to_owned()),
    }
}

fn one(resource: &V1Resource) -> Result<Resource, String> {
    let bag: ResourceBag = from_v1(std::slice::from_ref(resource))?;
    bag.iter().next().cloned().ok_or_else(|| format!("resource {:?} is empty", resource.name))
}
