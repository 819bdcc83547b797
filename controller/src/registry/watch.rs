//! Keeps the registry up to date: one watch a kind, and the lists of a new leader.

use super::kinds::Kind;
use super::shelf::Entry;
use super::{Registry, Relist};
use crate::clock::Boot;
use crate::metrics::Metrics;
use crate::registry::Guarded;
use futures::StreamExt;
use kube::api::ListParams;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use proffer_master::ObjectKey;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Objects per page of a list.
const PAGE: u32 = 500;

/// A list of a new leader failed; without it no decision is safe.
#[derive(Debug, thiserror::Error)]
#[error("{kind} cannot be listed")]
pub struct FreshListError {
    kind: &'static str,
    #[source]
    source: kube::Error,
}

/// The watches of one process.
#[derive(Clone)]
pub struct Watches {
    registry: Arc<Registry>,
    metrics: Arc<Metrics>,
    timeout: Duration,
    started: usize,
    synced: Arc<watch::Sender<usize>>,
}

impl Watches {
    /// Watches that fill `registry` and are renewed every `timeout`.
    #[must_use]
    pub fn new(registry: Arc<Registry>, metrics: Arc<Metrics>, timeout: Duration) -> Self {
        Self { registry, metrics, timeout, started: 0, synced: Arc::new(watch::Sender::new(0)) }
    }

    /// Starts to watch the objects of a kind that `api` and `labels` name.
    pub fn start<K: Kind>(&mut self, client: &Client, api: Api<Guarded<K>>, labels: Option<&str>) {
        self.started += 1;
        let seconds = u32::try_from(self.timeout.as_secs()).unwrap_or(45).clamp(1, 290);
        let mut config = watcher::Config::default().timeout(seconds);
        if let Some(labels) = labels {
            config = config.labels(labels);
        }
        let (registry, synced, metrics) =
            (Arc::clone(&self.registry), Arc::clone(&self.synced), Arc::clone(&self.metrics));
        tokio::spawn(follow(registry, client.clone(), api, config, synced, metrics));
    }

    /// Whether every watch has seen a complete list.
    #[must_use]
    pub fn are_synced(&self) -> bool {
        *self.synced.borrow() >= self.started
    }

    /// Waits until every watch has seen a complete list.
    pub async fn synced(&self) {
        let started = self.started;
        // The sender lives as long as `self`.
        let _ = self.synced.subscribe().wait_for(|&synced| synced >= started).await;
    }
}

/// Follows one kind for ever. Every failure is retried, with the back-off that client-go uses too.
async fn follow<K: Kind>(
    registry: Arc<Registry>,
    client: Client,
    api: Api<Guarded<K>>,
    config: watcher::Config,
    synced: Arc<watch::Sender<usize>>,
    metrics: Arc<Metrics>,
) {
    let mut stream = std::pin::pin!(watcher(api, config).default_backoff());
    let mut relist: Option<Relist> = None;
    let mut complete = false;
    while let Some(event) = stream.next().await {
        metrics.watch_heard(K::NAME, Boot::now());
        match event {
            Ok(watcher::Event::Init) => relist = Some(registry.begin_relist::<K>()),
            Ok(watcher::Event::InitApply(object)) => {
                let entry = pruned(object);
                if let Some(relist) = &mut relist {
                    relist.names(&entry);
                }
                registry.observe(entry);
            }
            Ok(watcher::Event::InitDone) => {
                if let Some(relist) = relist.take() {
                    settle::<K>(&registry, &client, registry.finish_relist::<K>(relist)).await;
                }
                if !std::mem::replace(&mut complete, true) {
                    tracing::info!(kind = K::NAME, objects = registry.count::<K>(), "watch is synced");
                    synced.send_modify(|synced| *synced += 1);
                }
            }
            Ok(watcher::Event::Apply(object)) => registry.observe(pruned(object)),
            Ok(watcher::Event::Delete(object)) => registry.delete(&pruned(object)),
            Err(error) => {
                metrics.watch_failed(K::NAME);
                tracing::warn!(
                    kind = K::NAME,
                    error = &error as &dyn std::error::Error,
                    "watch failed: will try again"
                );
            }
        }
    }
}

/// Looks at objects of which neither the list nor what is known tells whether they exist.
async fn settle<K: Kind>(registry: &Registry, client: &Client, doubtful: Vec<ObjectKey>) {
    for key in doubtful {
        let Some(known) = registry.get::<K>(&key) else { continue };
        match K::within(client, &key.namespace).get_opt(&key.name).await {
            Ok(Some(object)) => registry.observe(pruned(object)),
            Ok(None) => registry.delete(&*known),
            // The object stays as it is known; the watch that follows this list tells what happens to it next.
            Err(error) => {
                tracing::warn!(%key, error = &error as &dyn std::error::Error, "an object cannot be looked at");
            }
        }
    }
}

/// Lists all objects of a kind, live, and takes them in: what a new leader does before it decides anything.
pub async fn fresh_list<K: Kind>(registry: &Registry, client: &Client) -> Result<(), FreshListError> {
    let api = K::everywhere(client);
    let failed = |source| FreshListError { kind: K::NAME, source };
    let mut relist = registry.begin_relist::<K>();
    let mut params = ListParams::default().limit(PAGE);
    loop {
        let page = match api.list(&params).await {
            Ok(page) => page,
            // The list took so long that its snapshot is gone: begin again.
            Err(kube::Error::Api(status)) if status.code == 410 => {
                relist = registry.begin_relist::<K>();
                params = ListParams::default().limit(PAGE);
                continue;
            }
            Err(error) => return Err(failed(error)),
        };
        for object in page.items {
            let entry = pruned(object);
            relist.names(&entry);
            registry.observe(entry);
        }
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = ListParams::default().limit(PAGE).continue_token(&token),
            None => break,
        }
    }
    settle::<K>(registry, client, registry.finish_relist::<K>(relist)).await;
    Ok(())
}

/// An entry of what the API server sent, without what nobody asks for.
fn pruned<K: Kind>(mut object: Guarded<K>) -> Entry<K> {
    if let Ok(object) = &mut object.0 {
        object.prune();
    }
    Entry::new(object)
}
