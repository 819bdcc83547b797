//! Keeps the principals as the Secret has them, by watching that one Secret.

use super::credentials::{Credentials, ReadState};
use super::principals::Principals;
use futures::StreamExt;
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, ResourceExt};
use std::pin::pin;
use std::time::Duration;

/// How long to wait after a watch that failed.
const RETRY: Duration = Duration::from_secs(1);

/// Follows the Secret for ever. What cannot be read changes nothing: the principals before stay, and the log says why.
/// A Secret that is gone has nobody in it.
pub async fn follow_secret(client: Client, namespace: String, name: String, credentials: Credentials) {
    // The controller may read this Secret only, so the watch has to ask for it only.
    let only = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let mut events = pin!(watcher::watcher(Api::<Secret>::namespaced(client, &namespace), only));
    // Whether the list that a watch begins with had it.
    let mut listed = false;
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => listed = false,
            Ok(Event::InitApply(secret) | Event::Apply(secret)) if secret.name_any() == name => {
                listed = true;
                take(&secret, &credentials);
            }
            Ok(Event::Delete(secret)) if secret.name_any() == name => nobody(&name, &credentials),
            Ok(Event::InitDone) if !listed => nobody(&name, &credentials),
            Ok(Event::InitApply(_) | Event::Apply(_) | Event::Delete(_) | Event::InitDone) => {}
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    secret = name,
                    "the principals cannot be watched: will try again"
                );
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

fn take(secret: &Secret, credentials: &Credentials) {
    match Principals::read(secret) {
        Ok(principals) => {
            let new = match credentials.state() {
                ReadState::Read(known) => *known != principals,
                ReadState::Off | ReadState::Waiting => true,
            };
            if new {
                tracing::info!(secret = secret.name_any(), principals = principals.len(), "principals read");
                credentials.replace(principals);
            }
        }
        Err(error) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                secret = secret.name_any(),
                "the principals cannot be read: those from before stay"
            );
            // At the start there are none from before.
            if let ReadState::Waiting = credentials.state() {
                credentials.replace(Principals::default());
            }
        }
    }
}

fn nobody(name: &str, credentials: &Credentials) {
    tracing::warn!(secret = name, "there is no such Secret: nobody has basic credentials");
    credentials.replace(Principals::default());
}
