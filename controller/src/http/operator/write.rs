//! Changes to objects. What the API server answers is known at once, so that who asks next is told of it.

use super::super::Master;
use super::super::answer::text;
use crate::registry::{Entry, Guarded, Kind};
use axum::http::StatusCode;
use axum::response::Response;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::Resource as _;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// Longest name of an object, in bytes.
const LONGEST_NAME: usize = 253;

impl Master {
    /// Makes an object of the cluster.
    pub(in crate::http) async fn create<K: Kind + Serialize>(&self, object: K) -> Result<(), Response> {
        self.still_leads()?;
        let api: Api<Guarded<K>> = K::everywhere(&self.client);
        let made = api.create(&PostParams::default(), &Guarded(Ok(object))).await.map_err(|error| refused(&error))?;
        self.registry.observe(Entry::new(made));
        Ok(())
    }

    /// Merges something into an object of the cluster.
    pub(in crate::http) async fn merge<K: Kind>(&self, name: &str, change: &Value) -> Result<(), Response> {
        self.still_leads()?;
        let api: Api<Guarded<K>> = K::everywhere(&self.client);
        let change = Patch::Merge(change);
        let changed = api.patch(name, &PatchParams::default(), &change).await.map_err(|error| refused(&error))?;
        self.registry.observe(Entry::new(changed));
        Ok(())
    }

    /// Deletes an object of the cluster: this one, and no other that has its name by now.
    pub(in crate::http) async fn remove<K: Kind>(&self, entry: &Entry<K>) -> Result<(), Response> {
        self.still_leads()?;
        let preconditions = Preconditions { uid: entry.meta().uid.clone(), resource_version: None };
        let parameters = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
        let api: Api<Guarded<K>> = K::everywhere(&self.client);
        let name = entry.meta().name.as_deref().unwrap_or_default();
        match api.delete(name, &parameters).await {
            Ok(deleted) => match deleted.left() {
                // Somebody's finalizer holds it: it is told as it is, on its way out.
                Some(leaving) if leaving.meta().finalizers.as_ref().is_some_and(|all| !all.is_empty()) => {
                    self.registry.observe(Entry::new(leaving));
                }
                _ => self.registry.delete(entry),
            },
            // It went meanwhile, which is what was asked for.
            Err(kube::Error::Api(status)) if status.is_not_found() => self.registry.delete(entry),
            Err(error) => return Err(refused(&error)),
        }
        Ok(())
    }
}

/// What is said of a change that the API server does not take: 400 if it is against a kind's rules, 409 if somebody else
/// changed the object meanwhile, 503 otherwise.
fn refused(error: &kube::Error) -> Response {
    if let kube::Error::Api(status) = error {
        match status.code {
            400 | 422 => return text(StatusCode::BAD_REQUEST, status.message.clone()),
            409 => return text(StatusCode::CONFLICT, status.message.clone()),
            _ => {}
        }
    }
    tracing::warn!(error = error as &dyn std::error::Error, "an operator's change is not written");
    text(
        StatusCode::SERVICE_UNAVAILABLE,
        format!("503 Service Unavailable. The API server does not take the change: {error}.\n"),
    )
}

/// The name of the object for something that Mesos names so: that name, with - for /, where it can be one.
pub(super) fn object_name(mesos: &str) -> String {
    let good = |part: &str| {
        let alphanumeric =
            |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        let bytes = part.as_bytes();
        alphanumeric(bytes.first())
            && alphanumeric(bytes.last())
            && bytes.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-')
    };
    let readable = mesos.replace('/', "-");
    if readable.len() <= LONGEST_NAME && readable.split('.').all(good) { readable } else { other_name(mesos) }
}

/// A name that nothing else has, for when [`object_name`] is another's.
pub(super) fn other_name(mesos: &str) -> String {
    let digest = Sha256::digest(mesos.as_bytes());
    digest.iter().take(10).fold("mesos-".to_owned(), |mut name, byte| {
        // Writing into a String cannot fail.
        let _ = write!(name, "{byte:02x}");
        name
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_readable_where_they_can_be() {
        for (mesos, name) in
            [("eng", "eng"), ("eng/analytics", "eng-analytics"), ("node1.example.com", "node1.example.com")]
        {
            assert_eq!(object_name(mesos), name);
        }
        for mesos in ["*", "Eng", "eng_2", "a..b", "-a", "", &"a".repeat(254)] {
            let name = object_name(mesos);
            assert!(name.starts_with("mesos-") && name.len() == 26, "{mesos}: {name}");
            assert_eq!(name, other_name(mesos));
        }
        assert_ne!(object_name("Eng"), object_name("ENG"));
    }
}
