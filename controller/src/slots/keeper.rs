//! Does what [`plan`](super::plan()) says, for every agent, while this process leads.

use super::plan::{Step, plan};
use super::read::amounts;
use super::size::{Share, Size};
use super::template::{Template, resources};
use super::{SIZE_ANNOTATION, SLOT_CONTAINER, pod_name};
use crate::clock::Boot;
use crate::leader::Guard;
use crate::registry::{Entry, Guarded, Registry};
use futures::StreamExt;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::{Api, Client};
use proffer_crds::Agent;
use proffer_master::ObjectKey;
use serde_json::json;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// Everything is looked at again this often, whatever was heard.
const AGAIN: Duration = Duration::from_secs(30);
/// A slot that ends at once is not made anew more often than this.
const BETWEEN_CREATES: Duration = Duration::from_secs(2);
/// Slots worked on at once.
const AT_ONCE: usize = 8;

/// What could not be done about a slot.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// The owner of slots cannot be read.
    #[error("the agents' DaemonSet cannot be read")]
    Owner(#[source] kube::Error),
    /// The pod was not made.
    #[error("the slot pod cannot be created")]
    Create(#[source] kube::Error),
    /// The pod was not deleted.
    #[error("the ended slot pod cannot be deleted")]
    Delete(#[source] kube::Error),
    /// The pod was not resized.
    #[error("the slot pod cannot be resized in place")]
    Resize(#[source] kube::Error),
    /// The size was not written down.
    #[error("the slot pod's annotation cannot be written")]
    Annotate(#[source] kube::Error),
}

/// Keeps every agent's slot as the operator configured it.
pub struct Keeper {
    registry: Arc<Registry>,
    guard: Guard,
    pods: Api<Pod>,
    daemon_sets: Api<DaemonSet>,
    namespace: String,
    daemon_set: String,
    template: Template,
    cpu: Share,
    memory: Share,
    node_selector: BTreeMap<String, String>,
    created: std::sync::Mutex<HashMap<String, Boot>>,
}

/// What the operator configured about slots.
#[derive(Clone, Debug)]
pub struct Configured {
    /// Namespace of slots and of the agents' `DaemonSet`.
    pub namespace: String,
    /// Name of the agents' `DaemonSet`, which owns slots.
    pub daemon_set: String,
    /// The pod template.
    pub template: Template,
    /// Cores.
    pub cpu: Share,
    /// Memory.
    pub memory: Share,
    /// Labels that a node must have; every node with an agent if empty.
    pub node_selector: BTreeMap<String, String>,
}

impl Keeper {
    /// A keeper of the slots of `registry`'s agents.
    #[must_use]
    pub fn new(client: Client, registry: Arc<Registry>, guard: Guard, configured: Configured) -> Self {
        Self {
            registry,
            guard,
            pods: Api::namespaced(client.clone(), &configured.namespace),
            daemon_sets: Api::namespaced(client, &configured.namespace),
            namespace: configured.namespace,
            daemon_set: configured.daemon_set,
            template: configured.template,
            cpu: configured.cpu,
            memory: configured.memory,
            node_selector: configured.node_selector,
            created: std::sync::Mutex::default(),
        }
    }

    /// Works until the process ends.
    pub async fn run(self) -> std::convert::Infallible {
        loop {
            self.guard.check();
            let agents = self.registry.all::<Agent>();
            let again = futures::stream::iter(agents)
                .map(|agent| {
                    let name = agent.meta().name.clone().unwrap_or_default();
                    let keeper = &self;
                    async move {
                        match keeper.keep(&name).await {
                            Ok(wait) => wait,
                            Err(error) => {
                                tracing::warn!(agent = name, error = &error as &dyn std::error::Error, "slot");
                                Some(Duration::from_secs(5))
                            }
                        }
                    }
                })
                .buffer_unordered(AT_ONCE)
                .fold(AGAIN, async |soonest, wait| wait.map_or(soonest, |wait| soonest.min(wait)))
                .await;
            tokio::select! {
                () = self.registry.slots_changed() => {}
                () = tokio::time::sleep(again) => {}
            }
        }
    }

    /// Does what is missing for one agent. Returns when to look again, if that is soon.
    async fn keep(&self, agent: &str) -> Result<Option<Duration>, KeeperError> {
        let Some(node) = self.registry.get::<Node>(&ObjectKey::new("", agent)) else { return Ok(None) };
        let Ok(node) = node.value() else { return Ok(None) };
        let labels = node.metadata.labels.clone().unwrap_or_default();
        if !self.node_selector.iter().all(|(key, value)| labels.get(key) == Some(value)) {
            return Ok(None);
        }
        let Some(allocatable) = amounts(node.status.as_ref().and_then(|status| status.allocatable.as_ref())) else {
            return Ok(None);
        };
        let size = Size::on(self.cpu, self.memory, &allocatable);
        let name = pod_name(agent);
        let known = self.registry.get::<Pod>(&ObjectKey::new(self.namespace.clone(), name.clone()));
        let gone = self.registry.get::<Agent>(&ObjectKey::new("", agent));
        let gone = gone.is_some_and(|entry| entry.value().is_ok_and(|agent| agent.spec.gone));
        let step = plan(known.as_ref().and_then(|entry| entry.value().ok()), (!gone).then_some(size));
        self.guard.check();
        match step {
            Step::Keep => {}
            Step::Create(size) => return self.create(agent, size).await,
            Step::Delete { uid } => {
                tracing::warn!(agent, pod = name, gone, "deleting the slot pod: it has ended, or its agent is gone");
                let params =
                    DeleteParams::default().preconditions(Preconditions { uid: Some(uid), resource_version: None });
                match self.pods.delete(&name, &params).await {
                    Ok(_) => {}
                    Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => {}
                    Err(error) => return Err(KeeperError::Delete(error)),
                }
            }
            Step::Resize(size) => {
                tracing::info!(agent, pod = name, %size, "resizing the slot in place");
                let patch = json!({"spec": {"containers": [{"name": SLOT_CONTAINER, "resources": resources(size)}]}});
                let resized = self.pods.patch_resize(&name, &PatchParams::default(), &Patch::Strategic(patch)).await;
                self.observe(resized.map_err(KeeperError::Resize)?);
                self.annotate(&name, size).await?;
            }
            Step::Annotate(size) => self.annotate(&name, size).await?,
        }
        Ok(None)
    }

    async fn create(&self, agent: &str, size: Size) -> Result<Option<Duration>, KeeperError> {
        let now = Boot::now();
        {
            let mut created = self.created.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if let Some(wait) = created.get(agent).and_then(|&last| BETWEEN_CREATES.checked_sub(now.since(last))) {
                return Ok(Some(wait));
            }
            created.insert(agent.to_owned(), now);
        }
        let owner = self.owner().await?;
        let pod = self.template.pod(agent, &self.namespace, size, owner);
        tracing::info!(agent, %size, "making the slot pod");
        match self.pods.create(&PostParams::default(), &pod).await {
            Ok(pod) => self.observe(pod),
            // The watch has not told of it yet.
            Err(kube::Error::Api(status)) if status.is_already_exists() => return Ok(Some(Duration::from_secs(1))),
            Err(error) => return Err(KeeperError::Create(error)),
        }
        Ok(None)
    }

    /// The owner of slots. Not their controller: the `DaemonSet` controller would let go of pods that are not its own.
    async fn owner(&self) -> Result<Option<OwnerReference>, KeeperError> {
        let daemon_set = self.daemon_sets.get_opt(&self.daemon_set).await.map_err(KeeperError::Owner)?;
        Ok(daemon_set.map(|daemon_set| OwnerReference {
            api_version: "apps/v1".to_owned(),
            kind: "DaemonSet".to_owned(),
            name: self.daemon_set.clone(),
            uid: daemon_set.metadata.uid.unwrap_or_default(),
            controller: None,
            block_owner_deletion: None,
        }))
    }

    async fn annotate(&self, name: &str, size: Size) -> Result<(), KeeperError> {
        let patch = json!({"metadata": {"annotations": {SIZE_ANNOTATION: size.to_string()}}});
        let pod = self.pods.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await;
        self.observe(pod.map_err(KeeperError::Annotate)?);
        Ok(())
    }

    fn observe(&self, pod: Pod) {
        self.registry.observe(Entry::new(Guarded(Ok(pod))));
    }
}
