//! What a caller may see of the cluster, read from the registry at one moment.
//!
//! A [`Snapshot`] holds on to the objects; a [`View`] of it has them sorted as Mesos' master does: frameworks with their
//! tasks and offers, agents with what is used of them. Nothing is copied but numbers.

mod agent;
mod framework;
mod schedule;
mod settings;
mod task;

pub(super) use agent::{AGENT_CAPABILITIES, AGENT_PORT, AgentView, Membership};
pub(super) use framework::{FrameworkView, OfferView, RoleView};
pub(super) use schedule::{Machine, WINDOW_LABEL, machines};
pub(super) use settings::{RoleSettings, role_settings};
pub(super) use task::TaskView;

use super::authorize::Sight;
use crate::records;
use crate::registry::{Entry, Everything, Registry};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use proffer_crds::{Framework, Reservation};
use proffer_master::Epoch;
use proffer_resources::{Amount, Ranges, ResourceBag, Resources, Role};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The objects of one moment.
pub(super) struct Snapshot {
    objects: Everything,
    /// Offers of other leaders are void.
    epoch: Epoch,
}

impl Snapshot {
    /// What the registry has now.
    pub(super) fn take(registry: &Registry, epoch: Epoch) -> Self {
        Self::of(registry.everything(), epoch)
    }

    /// These objects, as a leader of this epoch sees them.
    pub(super) fn of(objects: Everything, epoch: Epoch) -> Self {
        Self { objects, epoch }
    }

    /// The namespaces that frameworks are in, each once, in order.
    pub(super) fn namespaces(registry: &Registry) -> Vec<String> {
        let mut namespaces: Vec<String> =
            registry.all::<Framework>().iter().map(|entry| namespace(entry.meta()).to_owned()).collect();
        namespaces.sort_unstable();
        namespaces.dedup();
        namespaces
    }
}

/// What one caller may see of a snapshot.
pub(super) struct View<'a> {
    /// Frameworks that the master knows, in the order of their names.
    pub(super) frameworks: Vec<FrameworkView<'a>>,
    /// Agents, in the order of their names.
    pub(super) agents: Vec<AgentView<'a>>,
    /// Weights and quota, by the role's name.
    pub(super) settings: BTreeMap<String, RoleSettings>,
    /// What agents keep for roles, by the role's name.
    pub(super) reserved: BTreeMap<String, ResourceBag>,
    /// Whether roles without a framework that may be seen are shown.
    pub(super) all_roles: bool,
    /// Whether flags are shown.
    pub(super) flags: bool,
}

impl<'a> View<'a> {
    /// What may be seen of `snapshot`. What agents and frameworks hold counts all their tasks, also those that the
    /// caller may not see, as in Mesos.
    pub(super) fn of(snapshot: &'a Snapshot, sight: &Sight) -> Self {
        let Snapshot { objects, epoch } = snapshot;
        let mut used: HashMap<&str, ByRole<'_>> = HashMap::new();
        let mut offered: HashMap<&str, ByRole<'_>> = HashMap::new();
        let mut frameworks: Vec<FrameworkView<'a>> =
            objects.frameworks.iter().filter_map(|entry| FrameworkView::new(entry)).collect();
        let index: HashMap<(&str, &str), usize> =
            frameworks.iter().enumerate().map(|(index, framework)| (framework.key(), index)).collect();
        for entry in &objects.tasks {
            let Ok(object) = entry.value() else { continue };
            let key = (namespace(entry.meta()), object.spec.framework_ref.name.as_str());
            let Some(framework) = index.get(&key).and_then(|&index| frameworks.get_mut(index)) else { continue };
            let Some(task) = TaskView::new(entry.meta(), object) else { continue };
            if task.holds_resources() {
                let role = task.role.unwrap_or_else(|| framework.role());
                used.entry(task.agent.name.as_str()).or_default().add(role, &task.resources);
                framework.used.add(role, &task.resources);
            }
            if sight.tasks.contains(key.0) {
                framework.tasks.push(task);
            }
        }
        for entry in &objects.offers {
            let Some(offer) = OfferView::new(entry, *epoch) else { continue };
            let key = (namespace(entry.meta()), offer.terms.framework.as_str());
            let Some(framework) = index.get(&key).and_then(|&index| frameworks.get_mut(index)) else { continue };
            let role = offer.terms.role.as_str();
            offered.entry(offer.terms.agent.name.as_str()).or_default().add(role, &offer.resources);
            framework.offered.add(role, &offer.resources);
            framework.offers.push(offer);
        }
        frameworks.retain(|framework| sight.frameworks.contains(framework.key().0));
        for framework in &mut frameworks {
            framework::keep_newest(&mut framework.tasks, framework::MAX_COMPLETED_TASKS);
        }
        let mut reserved_on = reserved_by_agent(&objects.reservations);
        let mut reserved: BTreeMap<String, ResourceBag> = BTreeMap::new();
        for (role, bag) in reserved_on.values().flat_map(by_role) {
            reserved.entry(role.to_string()).or_default().add(&bag);
        }
        let agents = if sight.agents { objects.agents.as_slice() } else { &[] };
        let agents = agents
            .iter()
            .filter_map(|entry| {
                let name = entry.meta().name.as_deref().unwrap_or_default();
                let (used, offered) = (used.remove(name).unwrap_or_default(), offered.remove(name).unwrap_or_default());
                Some(AgentView::new(entry, used, offered)?.reserving(reserved_on.remove(name).unwrap_or_default()))
            })
            .collect();
        let settings = role_settings(&objects.roles);
        Self { frameworks, agents, settings, reserved, all_roles: sight.roles, flags: sight.flags }
    }

    /// Agents of this membership.
    pub(super) fn agents_that_are(&self, membership: Membership) -> impl Iterator<Item = &AgentView<'a>> {
        self.agents.iter().filter(move |agent| agent.membership == membership)
    }

    /// Frameworks that are not over.
    pub(super) fn frameworks_that_go_on(&self) -> impl Iterator<Item = &FrameworkView<'a>> {
        self.frameworks.iter().filter(|framework| !framework.completed)
    }

    /// Frameworks that are over.
    pub(super) fn frameworks_that_are_over(&self) -> impl Iterator<Item = &FrameworkView<'a>> {
        self.frameworks.iter().filter(|framework| framework.completed)
    }

    /// Every task that may be seen.
    pub(super) fn tasks(&self) -> impl Iterator<Item = (&FrameworkView<'a>, &TaskView<'a>)> {
        self.frameworks.iter().flat_map(|framework| framework.tasks.iter().map(move |task| (framework, task)))
    }
}

/// What is reserved on each agent, by its name.
pub(super) fn reserved_by_agent(reservations: &[Arc<Entry<Reservation>>]) -> HashMap<&str, ResourceBag> {
    let mut reserved: HashMap<&str, ResourceBag> = HashMap::new();
    for object in reservations.iter().filter_map(|entry| entry.value().ok()) {
        let Some(text) = object.status.as_ref().and_then(|status| status.reserved.as_deref()) else { continue };
        reserved.entry(&object.spec.agent).or_default().add(&records::reservation::bag(Some(text)));
    }
    reserved
}

/// What is reserved for each role.
pub(super) fn by_role(reserved: &ResourceBag) -> BTreeMap<Role, ResourceBag> {
    let mut roles: BTreeMap<Role, ResourceBag> = BTreeMap::new();
    for resource in reserved.iter() {
        if let Some(role) = resource.reserved_for() {
            roles.entry(role.clone()).or_default().add_one(resource.clone());
        }
    }
    roles
}

/// Sums of resources, by the role that they are allocated to.
#[derive(Default)]
pub(super) struct ByRole<'a>(BTreeMap<&'a str, Sum>);

impl<'a> ByRole<'a> {
    fn add(&mut self, role: &'a str, resources: &Resources) {
        self.0.entry(role).or_default().add(resources);
    }

    /// What is allocated to each role.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'a str, Resources)> {
        self.0.iter().map(|(role, sum)| (*role, sum.total()))
    }

    /// The sum of all.
    pub(super) fn total(&self) -> Resources {
        let mut total = Sum::default();
        self.0.values().for_each(|sum| total.add(&sum.total()));
        total.total()
    }
}

/// Adds resources up. Ports are gathered first and made a set once.
#[derive(Default)]
struct Sum {
    cpus: Amount,
    mem: Amount,
    disk: Amount,
    ports: Vec<(u64, u64)>,
}

impl Sum {
    fn add(&mut self, resources: &Resources) {
        self.cpus = self.cpus.plus(resources.cpus);
        self.mem = self.mem.plus(resources.mem);
        self.disk = self.disk.plus(resources.disk);
        self.ports.extend_from_slice(resources.ports.as_pairs());
    }

    fn total(&self) -> Resources {
        Resources {
            cpus: self.cpus,
            mem: self.mem,
            disk: self.disk,
            ports: self.ports.iter().copied().collect::<Ranges>(),
        }
    }
}

/// The namespace in some metadata; empty for kinds of the cluster.
pub(super) fn namespace(meta: &ObjectMeta) -> &str {
    meta.namespace.as_deref().unwrap_or_default()
}

/// When an object was made, in seconds since 1970; 0 if it does not say.
#[allow(clippy::cast_precision_loss, reason = "whole seconds, which a double holds exactly")]
fn created(meta: &ObjectMeta) -> f64 {
    meta.creation_timestamp.as_ref().map_or(0.0, |time| time.0.as_second() as f64)
}
