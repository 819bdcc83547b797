//! What a scheduler says of its framework, as the rest of the master has it.

use crate::event::{Delivery, FrameworkObject, SchedulerKind, StreamObject};
use crate::ids::ObjectKey;
use proffer_allocator::{Capabilities, Constraint, Constraints, Pattern, Predicate, Selector};
use proffer_mesos_api::v1::framework_info::capability::Type as Capability;
use proffer_mesos_api::v1::scheduler::attribute_constraint::{
    Predicate as V1Predicate, Selector as V1Selector, predicate, selector,
};
use proffer_mesos_api::v1::scheduler::{AttributeConstraint, OfferConstraints};
use proffer_mesos_api::v1::{FrameworkInfo, OfferFilters};
use proffer_mesos_api::validation::framework::{has_capability, roles};
use proffer_resources::{Amount, Quantities, Role};
use std::collections::BTreeMap;

/// The object of a framework that is served over a stream.
#[must_use]
pub fn framework_object(key: ObjectKey, uid: String, stream: StreamObject) -> FrameworkObject {
    let constraints = constraints(&stream.constraints);
    let roles = roles_of(&stream.info);
    let scheduler = match (&constraints, &roles) {
        (Err(problem), _) | (_, Err(problem)) => Err(problem.clone()),
        _ => Ok(SchedulerKind::External(Delivery::Stream)),
    };
    FrameworkObject {
        roles: roles.unwrap_or_default(),
        capabilities: capabilities(&stream.info),
        constraints: constraints.unwrap_or_default(),
        min_allocatable: min_allocatable(&stream.info),
        principal: stream.info.principal.clone(),
        stream: Some(Box::new(stream)),
        ..FrameworkObject::new(key, uid, scheduler)
    }
}

/// The roles of a framework, each once.
pub(crate) fn roles_of(info: &FrameworkInfo) -> Result<Vec<Role>, String> {
    roles(info).into_iter().map(|role| Role::new(role).map_err(|error| error.to_string())).collect()
}

fn capabilities(info: &FrameworkInfo) -> Capabilities {
    Capabilities {
        revocable: has_capability(info, Capability::RevocableResources),
        gpus: has_capability(info, Capability::GpuResources),
        shared: has_capability(info, Capability::SharedResources),
        refinement: has_capability(info, Capability::ReservationRefinement),
        region_aware: has_capability(info, Capability::RegionAware),
    }
}

/// Offer constraints as the allocator has them, by role; an error says what is wrong with them.
pub(crate) fn constraints(offered: &OfferConstraints) -> Result<BTreeMap<Role, Constraints>, String> {
    let mut read = BTreeMap::new();
    for (name, constraints) in &offered.role_constraints {
        let role = Role::new(name).map_err(|error| error.to_string())?;
        if constraints.groups.is_empty() {
            return Err(format!("Role '{name}' has no groups of constraints: leave it out to be offered all agents"));
        }
        let mut groups = Vec::with_capacity(constraints.groups.len());
        for group in &constraints.groups {
            if group.attribute_constraints.is_empty() {
                return Err(format!("A group of constraints of role '{name}' is empty"));
            }
            groups.push(group.attribute_constraints.iter().map(constraint).collect::<Result<_, _>>()?);
        }
        read.insert(role, Constraints { groups });
    }
    Ok(read)
}

fn constraint(read: &AttributeConstraint) -> Result<Constraint, String> {
    let selector = match &read.selector {
        V1Selector { selector: Some(selector::Selector::AttributeName(name)) } => Selector::Attribute(name.clone()),
        V1Selector { selector: Some(selector::Selector::PseudoattributeType(kind)) } => {
            match selector::PseudoattributeType::try_from(*kind) {
                Ok(selector::PseudoattributeType::Hostname) => Selector::Hostname,
                Ok(selector::PseudoattributeType::Region) => Selector::Region,
                Ok(selector::PseudoattributeType::Zone) => Selector::Zone,
                _ => return Err("Unknown pseudoattribute type".to_owned()),
            }
        }
        V1Selector { selector: None } => return Err("Exactly one of the selector's fields must be set".to_owned()),
    };
    let predicate = match &read.predicate {
        V1Predicate { predicate: Some(predicate) } => predicate,
        V1Predicate { predicate: None } => return Err("Unknown predicate type".to_owned()),
    };
    let predicate = match predicate {
        predicate::Predicate::Exists(_) => Predicate::Exists,
        predicate::Predicate::NotExists(_) => Predicate::NotExists,
        predicate::Predicate::TextEquals(text) => Predicate::TextEquals(text.value.clone()),
        predicate::Predicate::TextNotEquals(text) => Predicate::TextNotEquals(text.value.clone()),
        predicate::Predicate::TextMatches(text) => Predicate::TextMatches(Pattern::new(&text.regex)?),
        predicate::Predicate::TextNotMatches(text) => Predicate::TextNotMatches(Pattern::new(&text.regex)?),
    };
    Ok(Constraint { selector, predicate })
}

fn min_allocatable(info: &FrameworkInfo) -> BTreeMap<Role, Vec<Quantities>> {
    let filters = info.offer_filters.iter().filter_map(|(name, filters)| {
        // Without `min_allocatable_resources` the master's own counts.
        filters.min_allocatable_resources.as_ref()?;
        Some((Role::new(name).ok()?, least(filters)))
    });
    filters.collect()
}

fn least(filters: &OfferFilters) -> Vec<Quantities> {
    let sets = filters.min_allocatable_resources.iter().flat_map(|least| &least.quantities);
    sets.map(|set| {
        let amounts = set.quantities.iter().map(|(name, scalar)| (name.as_str(), amount(scalar.value)));
        quantities(amounts)
    })
    .collect()
}

/// An amount of a message that was validated.
pub(crate) fn amount(value: f64) -> Amount {
    Amount::from_float(value).unwrap_or_default()
}

/// Quantities by name.
pub(crate) fn quantities<'a>(amounts: impl Iterator<Item = (&'a str, Amount)>) -> Quantities {
    let mut sum = Quantities::default();
    for (name, amount) in amounts {
        let bag = proffer_resources::ResourceBag::from(proffer_resources::Resource::scalar(name, amount));
        sum = sum.plus(&bag.quantities());
    }
    sum
}
