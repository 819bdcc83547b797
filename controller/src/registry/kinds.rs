//! The kinds that the registry keeps, and what each tells the leader.

use super::shelf::{Change, Entry, Shelf, object_key, uid_of};
use super::{Followed, Heard, Shelves, Turned, agent, framework, maintenance, offer, reservation, role, task};
use crate::registry::Guarded;
use crate::slots;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{Api, Client, Resource};
use proffer_crds::{Agent, AllocationRole, Framework, Maintenance, Offer, Reservation, Task};
use proffer_master::{AgentName, Epoch, Event, NoticeAbout, OfferId};
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::sync::Arc;

/// A kind of object that the registry keeps.
pub trait Kind: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static {
    /// Its plural, for logs and metrics.
    const NAME: &'static str;
    /// Whether slots depend on it.
    const CONCERNS_SLOTS: bool = false;

    /// The API of all its objects.
    #[must_use]
    fn everywhere(client: &Client) -> Api<Guarded<Self>> {
        Api::all(client.clone())
    }

    /// The API of the objects of one namespace; for kinds of the cluster, of all objects.
    fn within(client: &Client, namespace: &str) -> Api<Guarded<Self>>;

    /// Its shelf.
    fn shelf(shelves: &Shelves) -> &Shelf<Self>;

    /// Its shelf, to put something there.
    fn shelf_mut(shelves: &mut Shelves) -> &mut Shelf<Self>;

    /// The epoch of the leader that wrote this object last.
    fn epoch(&self) -> Option<i64> {
        None
    }

    /// Takes a change into what is derived from the shelves.
    fn index(_: &mut Shelves, _: &Change<Self>) {}

    /// What a change tells a leader of this epoch.
    fn heard(change: &Change<Self>, epoch: Epoch) -> Vec<Heard>;

    /// What a change tells who looks on, if it concerns them.
    #[must_use]
    fn followed(_: Turned<Self>) -> Option<Followed> {
        None
    }

    /// Removes what nobody asks for, to save memory.
    fn prune(&mut self) {
        self.meta_mut().managed_fields = None;
    }
}

impl Kind for Framework {
    const NAME: &'static str = "frameworks";

    fn within(client: &Client, namespace: &str) -> Api<Guarded<Self>> {
        Api::namespaced(client.clone(), namespace)
    }

    fn shelf(shelves: &Shelves) -> &Shelf<Self> {
        &shelves.frameworks
    }

    fn shelf_mut(shelves: &mut Shelves) -> &mut Shelf<Self> {
        &mut shelves.frameworks
    }

    fn epoch(&self) -> Option<i64> {
        self.status.as_ref()?.master_epoch
    }

    fn heard(change: &Change<Self>, _: Epoch) -> Vec<Heard> {
        match change {
            Change::Applied(entry) => {
                let about = || NoticeAbout::Framework(object_key(entry), uid_of(entry));
                with_problem(entry, about, Some(framework::applied(entry)))
            }
            Change::Deleted(entry) => vec![Heard::Event(framework::deleted(entry))],
        }
    }

    fn followed(turned: Turned<Self>) -> Option<Followed> {
        Some(Followed::Framework(turned))
    }
}

impl Kind for Task {
    const NAME: &'static str = "tasks";

    fn within(client: &Client, namespace: &str) -> Api<Guarded<Self>> {
        Api::namespaced(client.clone(), namespace)
    }

    fn shelf(shelves: &Shelves) -> &Shelf<Self> {
        &shelves.tasks
    }

    fn shelf_mut(shelves: &mut Shelves) -> &mut Shelf<Self> {
        &mut shelves.tasks
    }

    fn epoch(&self) -> Option<i64> {
        self.status.as_ref()?.master_epoch
    }

    fn index(shelves: &mut Shelves, change: &Change<Self>) {
        let (Change::Applied(entry) | Change::Deleted(entry)) = change;
        if matches!(change, Change::Deleted(_)) {
            shelves.own.remove(&object_key(entry));
        }
        let sandbox = entry.value().ok().and_then(|task| task.status.as_ref()?.sandbox.clone());
        let Some(sandbox) = sandbox.filter(|sandbox| !sandbox.is_empty()) else { return };
        match change {
            Change::Applied(entry) => shelves.sandboxes.insert(sandbox, object_key(entry)),
            Change::Deleted(_) => shelves.sandboxes.remove(&sandbox),
        };
    }

    fn heard(change: &Change<Self>, _: Epoch) -> Vec<Heard> {
        match change {
            Change::Applied(entry) => {
                let mut heard = vec![Heard::Task(task::applied(entry), Arc::clone(entry))];
                heard.extend(with_problem(entry, || NoticeAbout::Task(task::id(entry)), None));
                heard
            }
            Change::Deleted(entry) => vec![Heard::Event(task::deleted(entry))],
        }
    }

    fn followed(turned: Turned<Self>) -> Option<Followed> {
        Some(Followed::Task(turned))
    }
}

impl Kind for Offer {
    const NAME: &'static str = "offers";

    fn within(client: &Client, namespace: &str) -> Api<Guarded<Self>> {
        Api::namespaced(client.clone(), namespace)
    }

    fn shelf(shelves: &Shelves) -> &Shelf<Self> {
        &shelves.offers
    }

    fn shelf_mut(shelves: &mut Shelves) -> &mut Shelf<Self> {
        &mut shelves.offers
    }

    fn epoch(&self) -> Option<i64> {
        Some(self.spec.terms.master_epoch.max(self.status.as_ref().and_then(|status| status.master_epoch).unwrap_or(0)))
    }

    fn heard(change: &Change<Self>, epoch: Epoch) -> Vec<Heard> {
        match change {
            Change::Applied(entry) => {
                let made_in = entry.value().ok().and_then(|offer| u64::try_from(offer.spec.terms.master_epoch).ok());
                match made_in {
                    Some(made_in) if made_in < epoch.0 => vec![Heard::VoidOffer(OfferId(object_key(entry)))],
                    Some(made_in) if made_in > epoch.0 => Vec::new(),
                    Some(_) => offer::applied(entry).map(Heard::Event).into_iter().collect(),
                    None => {
                        tracing::warn!(offer = %object_key(entry), problem = entry.value().err(), "an Offer without an Offer's form");
                        Vec::new()
                    }
                }
            }
            Change::Deleted(entry) => vec![Heard::Event(offer::deleted(entry))],
        }
    }
}

impl Kind for Agent {
    const NAME: &'static str = "agents";
    const CONCERNS_SLOTS: bool = true;

    fn within(client: &Client, _: &str) -> Api<Guarded<Self>> {
        Api::all(client.clone())
    }

    fn shelf(shelves: &Shelves) -> &Shelf<Self> {
        &shelves.agents
    }

    fn shelf_mut(shelves: &mut Shelves) -> &mut Shelf<Self> {
        &mut shelves.agents
    }

    fn epoch(&self) -> Option<i64> {
        self.status.as_ref()?.master_epoch
    }

    fn heard(change: &Change<Self>, _: Epoch) -> Vec<Heard> {
        match change {
            Change::Applied(entry) => {
                let about = || NoticeAbout::Agent(AgentName(object_key(entry).name));
                with_problem(entry, about, Some(agent::applied(entry)))
            }
            Change::Deleted(entry) => vec![Heard::Event(agent::deleted(entry))],
        }
    }

    fn followed(turned: Turned<Self>) -> Option<Followed> {
        Some(Followed::Agent(turned))
    }
}

impl Kind for AllocationRole {
    const NAME: &'static str = "allocationroles";

    fn within(client: &Client, _: &str) -> Api<Guarded<Self>> {
        Api::all(client.clone())
    }

    fn shelf(shelves: &Shelves) -> &Shelf<Self> {
        &shelves.roles
    }

    fn shelf_mut(shelves: &mut Shelves) -> &mut Shelf<Self> {
        &mut shelves.roles
    }

    fn epoch(&self) -> Option<i64> {
        self.status.as_ref()?.master_epoch
    }

    fn heard(change: &Change<Self>, _: Epoch) -> Vec<Heard> {
        match change {
            Change::Applied(entry) => vec![Heard::Event(role::applied(entry))],
            Change::Deleted(entry) => vec![Heard::Event(role::deleted(entry))],
        }
    }
}

impl Kind for Maintenance {
    const NAME: &'static str = "maintenances";

    fn within(client: &Client, _: &str) -> Api<Guarded<Self>> {
        Api::all(client.clone())
    }

    fn shelf(shelves: &Shelves) -> &Shelf<Self> {
        &shelves.maintenance
    }

    fn shelf_mut(shelves: &mut Shelves) -> &mut Shelf<Self> {
        &mut shelves.maintenance
    }

    fn epoch(&self) -> Option<i64> {
        self.status.as_ref()?.master_epoch
    }

    fn heard(change: &Change<Self>, _: Epoch) -> Vec<Heard> {
        match change {
            Change::Applied(entry) => vec![Heard::Event(maintenance::applied(entry))],
            Change::Deleted(entry) => vec![Heard::Event(maintenance::deleted(entry))],
        }
    }
}

impl Kind for Reservation {
    const NAME: &'static str = "reservations";

    fn within(client: &Client, _: &str) -> Api<Guarded<Self>> {
        Api::all(client.clone())
    }

    fn shelf(shelves: &Shelves) -> &Shelf<Self> {
        &shelves.reservations
    }

    fn shelf_mut(shelves: &mut Shelves) -> &mut Shelf<Self> {
        &mut shelves.reservations
    }

    fn epoch(&self) -> Option<i64> {
        self.status.as_ref()?.master_epoch
    }

    fn heard(change: &Change<Self>, _: Epoch) -> Vec<Heard> {
        vec![Heard::Event(match change {
            Change::Applied(entry) => reservation::applied(entry),
            Change::Deleted(entry) => reservation::deleted(entry),
        })]
    }
}

impl Kind for Node {
    const NAME: &'static str = "nodes";
    const CONCERNS_SLOTS: bool = true;

    fn within(client: &Client, _: &str) -> Api<Guarded<Self>> {
        Api::all(client.clone())
    }

    fn shelf(shelves: &Shelves) -> &Shelf<Self> {
        &shelves.nodes
    }

    fn shelf_mut(shelves: &mut Shelves) -> &mut Shelf<Self> {
        &mut shelves.nodes
    }

    fn heard(_: &Change<Self>, _: Epoch) -> Vec<Heard> {
        Vec::new()
    }

    fn prune(&mut self) {
        self.metadata.managed_fields = None;
        if let Some(status) = &mut self.status {
            status.images = None;
            status.volumes_attached = None;
            status.volumes_in_use = None;
        }
    }
}

impl Kind for Pod {
    const NAME: &'static str = "pods";
    const CONCERNS_SLOTS: bool = true;

    fn within(client: &Client, namespace: &str) -> Api<Guarded<Self>> {
        Api::namespaced(client.clone(), namespace)
    }

    fn shelf(shelves: &Shelves) -> &Shelf<Self> {
        &shelves.pods
    }

    fn shelf_mut(shelves: &mut Shelves) -> &mut Shelf<Self> {
        &mut shelves.pods
    }

    fn heard(change: &Change<Self>, _: Epoch) -> Vec<Heard> {
        let (Change::Applied(entry) | Change::Deleted(entry)) = change;
        let Ok(pod) = entry.value() else { return Vec::new() };
        let Some(agent) = slots::agent_of(pod) else { return Vec::new() };
        let slot = match change {
            Change::Applied(_) => Some(slots::read(pod)),
            Change::Deleted(_) => None,
        };
        vec![Heard::Event(Event::SlotChanged { agent, slot })]
    }
}

/// An event, and a word on the object if it does not have its kind's form.
fn with_problem<K: Resource>(
    entry: &Entry<K>,
    about: impl FnOnce() -> NoticeAbout,
    event: Option<Event>,
) -> Vec<Heard> {
    let problem = entry.value().err().map(|problem| Heard::Malformed { about: about(), problem: problem.to_owned() });
    event.map(Heard::Event).into_iter().chain(problem).collect()
}
