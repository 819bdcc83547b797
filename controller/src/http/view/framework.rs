//! A framework, its offers and its roles as Mesos' API tells them.

use super::super::about::seconds;
use super::{ByRole, RoleSettings, TaskView, View, created, namespace};
use crate::clock::from_text;
use crate::registry::Entry;
use proffer_crds::{Capability, Delivery, Framework, FrameworkPhase, Offer, OfferPhase, OfferTerms};
use proffer_master::{Epoch, Quota};
use proffer_mesos_api::v1::{self, framework_info};
use proffer_mesos_api::{TaskState, json};
use proffer_resources::quantity::{parse_bytes_as_mib, parse_cpu};
use proffer_resources::{Quantities, ResourceBag, Resources};
use std::collections::{BTreeMap, HashSet};

/// What every framework of objects can do: it has several roles, is told of killing and of partitions.
const CAPABILITIES: [&str; 3] = ["TASK_KILLING_STATE", "PARTITION_AWARE", "MULTI_ROLE"];

/// Most tasks of a framework that ended and are shown (Mesos: `--max_completed_tasks_per_framework`).
pub(super) const MAX_COMPLETED_TASKS: usize = 1000;

/// A framework that the master knows.
pub(in crate::http) struct FrameworkView<'a> {
    /// Its ID in Mesos' API.
    pub(in crate::http) id: &'a str,
    /// What it says of itself: its scheduler's own words, or what its object says.
    pub(in crate::http) info: v1::FrameworkInfo,
    /// Its object.
    pub(in crate::http) object: &'a Framework,
    /// When it registered: when its object was made, in seconds since 1970.
    pub(in crate::http) registered: f64,
    /// Whether it goes on: its scheduler is there, and its object is not being deleted.
    pub(in crate::http) active: bool,
    /// Whether it is over.
    pub(in crate::http) completed: bool,
    /// Since when its scheduler is not there, in seconds since 1970; 0 if it is.
    pub(in crate::http) unregistered: f64,
    /// Its tasks that the caller may see.
    pub(in crate::http) tasks: Vec<TaskView<'a>>,
    /// Its outstanding offers that are objects.
    pub(in crate::http) offers: Vec<OfferView<'a>>,
    /// What all its tasks hold.
    pub(in crate::http) used: ByRole<'a>,
    /// What is offered to it.
    pub(in crate::http) offered: ByRole<'a>,
    key: (&'a str, &'a str),
}

/// What a scheduler that subscribed said of its framework.
fn said(object: &Framework, id: &str) -> Option<v1::FrameworkInfo> {
    let said = object.spec.scheduler.external.as_ref()?.framework_info.as_ref()?;
    // The master wrote it, so it can be read.
    let info: v1::FrameworkInfo = json::decode(said.to_string().as_bytes()).ok()?;
    Some(v1::FrameworkInfo { id: Some(v1::FrameworkId { value: id.to_owned() }), ..info })
}

/// What an object says of its framework.
fn of_object(object: &Framework, name: &str, id: &str) -> v1::FrameworkInfo {
    let spec = &object.spec;
    let name_of = |capability: &Capability| match capability {
        Capability::RevocableResources => "REVOCABLE_RESOURCES",
        Capability::GpuResources => "GPU_RESOURCES",
        Capability::SharedResources => "SHARED_RESOURCES",
        Capability::ReservationRefinement => "RESERVATION_REFINEMENT",
        Capability::RegionAware => "REGION_AWARE",
        Capability::MultiRole => "MULTI_ROLE",
        Capability::PartitionAware => "PARTITION_AWARE",
        Capability::TaskKillingState => "TASK_KILLING_STATE",
    };
    // A scheduler of the scheduler API says all that it knows of; for the others it is known.
    let stream = spec.scheduler.external.as_ref().is_some_and(|external| external.delivery == Delivery::Stream);
    let known: &[&str] = if stream { &[] } else { &CAPABILITIES };
    let mut capabilities = known.to_vec();
    capabilities.extend(spec.capabilities.iter().map(name_of).filter(|name| !known.contains(name)));
    let capability = |name| framework_info::Capability {
        r#type: framework_info::capability::Type::from_str_name(name).map(i32::from),
    };
    v1::FrameworkInfo {
        // Tasks run as nobody unless they say otherwise.
        user: "nobody".to_owned(),
        name: name.to_owned(),
        id: Some(v1::FrameworkId { value: id.to_owned() }),
        failover_timeout: Some(spec.failover_timeout_seconds.unwrap_or_default()),
        // Agents checkpoint every task.
        checkpoint: Some(true),
        roles: spec.roles.clone(),
        hostname: Some(String::new()),
        principal: spec.principal.clone(),
        capabilities: capabilities.into_iter().map(capability).collect(),
        ..v1::FrameworkInfo::default()
    }
}

impl<'a> FrameworkView<'a> {
    /// The framework of an object; nothing if the master did not take it in yet, or no scheduler ever subscribed.
    pub(in crate::http) fn new(entry: &'a Entry<Framework>) -> Option<Self> {
        let (object, meta) = (entry.value().ok()?, entry.meta());
        let (name, status) = (meta.name.as_deref()?, object.status.as_ref()?);
        let id = status.framework_id.as_deref()?;
        if status.phase == Some(FrameworkPhase::New) {
            return None;
        }
        let completed = status.phase == Some(FrameworkPhase::Completed);
        let subscribed = matches!(status.phase, None | Some(FrameworkPhase::Active));
        Some(Self {
            id,
            info: said(object, id).unwrap_or_else(|| of_object(object, name, id)),
            object,
            registered: created(meta),
            active: subscribed && meta.deletion_timestamp.is_none(),
            completed,
            unregistered: status.disconnected_at.as_deref().and_then(from_text).map_or(0.0, seconds),
            tasks: Vec::new(),
            offers: Vec::new(),
            used: ByRole::default(),
            offered: ByRole::default(),
            key: (namespace(meta), name),
        })
    }

    /// Namespace and name of its object.
    pub(in crate::http) fn key(&self) -> (&'a str, &'a str) {
        self.key
    }

    /// What it can do, in Mesos' names.
    pub(in crate::http) fn capabilities(&self) -> impl Iterator<Item = &'static str> {
        self.info.capabilities.iter().map(|capability| capability.r#type().as_str_name())
    }

    /// Its roles.
    pub(in crate::http) fn roles(&self) -> &[String] {
        if self.info.roles.is_empty() { self.info.role.as_slice() } else { &self.info.roles }
    }

    /// The role of its tasks that name none: the first it has.
    pub(in crate::http) fn role(&self) -> &'a str {
        self.object.spec.roles.first().map_or("*", String::as_str)
    }

    /// Its tasks that run or may run.
    pub(in crate::http) fn live_tasks(&self) -> impl Iterator<Item = &TaskView<'a>> {
        self.tasks.iter().filter(|task| task.holds_resources())
    }

    /// Its tasks on agents that cannot be reached.
    pub(in crate::http) fn unreachable_tasks(&self) -> impl Iterator<Item = &TaskView<'a>> {
        self.tasks.iter().filter(|task| task.state == TaskState::Unreachable)
    }

    /// Its tasks that ended.
    pub(in crate::http) fn completed_tasks(&self) -> impl Iterator<Item = &TaskView<'a>> {
        self.tasks.iter().filter(|task| task.state.is_terminal())
    }
}

/// Leaves of a framework's tasks that ended only so many, those whose last known moment is the latest.
pub(super) fn keep_newest(tasks: &mut Vec<TaskView<'_>>, most: usize) {
    let ended = |task: &TaskView<'_>| task.state.is_terminal();
    let count = tasks.iter().filter(|task| ended(task)).count();
    let Some(surplus) = count.checked_sub(most).filter(|surplus| *surplus > 0) else { return };
    let last = |task: &TaskView<'_>| task.moments().last().map_or(0.0, |moment| moment.timestamp);
    let mut ends: Vec<(f64, &str)> =
        tasks.iter().filter(|task| ended(task)).map(|task| (last(task), task.container)).collect();
    ends.sort_unstable_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(other.1)));
    let oldest: HashSet<&str> = ends.iter().take(surplus).map(|&(_, container)| container).collect();
    tasks.retain(|task| !ended(task) || !oldest.contains(task.container));
}

/// An offer that waits for a reply.
pub(in crate::http) struct OfferView<'a> {
    /// Its ID: the object's name.
    pub(in crate::http) id: &'a str,
    /// What is offered to whom.
    pub(in crate::http) terms: &'a OfferTerms,
    /// The resources.
    pub(in crate::http) resources: Resources,
}

impl<'a> OfferView<'a> {
    /// The offer of an object; nothing if it is not outstanding, or another leader's.
    pub(super) fn new(entry: &'a Entry<Offer>, epoch: Epoch) -> Option<Self> {
        let object = entry.value().ok()?;
        let terms = &object.spec.terms;
        let phase = object.status.as_ref().and_then(|status| status.phase).unwrap_or(OfferPhase::Outstanding);
        if phase != OfferPhase::Outstanding || u64::try_from(terms.master_epoch) != Ok(epoch.0) {
            return None;
        }
        let offered = &terms.resources;
        let resources = Resources {
            cpus: parse_cpu(&offered.cpu).unwrap_or_default(),
            mem: parse_bytes_as_mib(&offered.memory).unwrap_or_default(),
            disk: parse_bytes_as_mib(&offered.disk).unwrap_or_default(),
            ports: offered.ports.parse().unwrap_or_default(),
        };
        Some(Self { id: entry.meta().name.as_deref()?, terms, resources })
    }
}

/// A role that frameworks have.
#[derive(Default)]
pub(in crate::http) struct RoleView<'a> {
    /// The IDs of its frameworks.
    pub(in crate::http) frameworks: Vec<&'a str>,
    /// What tasks hold in it.
    pub(in crate::http) allocated: Resources,
    /// What is offered in it.
    pub(in crate::http) offered: Resources,
    /// What agents keep for it.
    pub(in crate::http) reserved: Quantities,
    /// Its weight and quota, if it was given some.
    settings: Option<&'a RoleSettings>,
}

impl RoleView<'_> {
    /// Its weight.
    pub(in crate::http) fn weight(&self) -> f64 {
        self.settings.map_or(1.0, |settings| settings.weight)
    }

    /// Its quota, if it has one.
    pub(in crate::http) fn quota(&self) -> Option<&Quota> {
        self.settings.map(|settings| &settings.quota)
    }

    /// What counts against its quota.
    pub(in crate::http) fn consumed(&self) -> Quantities {
        let held = Quantities::from(&self.allocated);
        self.settings.and_then(|settings| settings.consumed.clone()).unwrap_or(held)
    }
}

impl View<'_> {
    /// The roles of the frameworks that may be seen, by their names.
    pub(in crate::http) fn roles(&self) -> BTreeMap<&str, RoleView<'_>> {
        let mut roles: BTreeMap<&str, RoleView<'_>> = BTreeMap::new();
        for framework in self.frameworks_that_go_on() {
            for role in &framework.object.spec.roles {
                roles.entry(role).or_default().frameworks.push(framework.id);
            }
            for (name, used) in framework.used.iter() {
                let role = roles.entry(name).or_default();
                role.allocated = role.allocated.plus(&used);
            }
            for (name, offered) in framework.offered.iter() {
                let role = roles.entry(name).or_default();
                role.offered = role.offered.plus(&offered);
            }
        }
        if self.all_roles {
            for role in self.settings.keys().chain(self.reserved.keys()) {
                roles.entry(role).or_default();
            }
        }
        for (name, role) in &mut roles {
            role.settings = self.settings.get(*name);
            role.reserved = self.reserved.get(*name).map(ResourceBag::quantities).unwrap_or_default();
        }
        roles
    }
}
