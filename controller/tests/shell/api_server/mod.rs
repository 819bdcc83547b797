//! An API server in memory: as much of one as the controller speaks to.
//!
//! Objects of any kind, resource versions, the status subresource, merge patches, finalizers, watches with 410, and
//! canned `TokenReviews` and `SubjectAccessReviews`. No schemas, no defaults, no rights. Faults are ordered beforehand.

mod objects;
mod serve;

use axum::Router;
use axum::http::Method;
use k8s_openapi::api::authentication::v1::TokenReviewStatus;
use kube::Client;
use objects::Objects;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

/// What is to go wrong with a request.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// It is refused with this status and nothing happens.
    Refuse(u16),
    /// It happens, but the answer is lost: the client sees a gateway's timeout.
    LoseAnswer,
    /// It does not happen, and there is no answer at all.
    Hang,
    /// Before it happens, somebody else merges this into the object.
    Meanwhile(Value),
}

/// The server. Clones are the same server.
#[derive(Clone, Default)]
pub(crate) struct ApiServer {
    state: Arc<Mutex<State>>,
    changed: Arc<Notify>,
}

#[derive(Default)]
struct State {
    objects: Objects,
    faults: Vec<(Method, String, Fault)>,
    requests: Vec<String>,
    tokens: HashMap<String, TokenReviewStatus>,
    allowed: Vec<String>,
    /// Watches that are older than this are ended.
    generation: u64,
}

impl ApiServer {
    /// A client of this server.
    pub(crate) fn client(&self) -> Client {
        let router = Router::new().fallback(serve::handle).with_state(self.clone());
        Client::new(router, "default")
    }

    /// Orders a fault for the next request of this method whose path ends so.
    pub(crate) fn fault(&self, method: Method, path_end: &str, fault: Fault) {
        self.lock().faults.push((method, path_end.to_owned(), fault));
    }

    /// Puts an object there, as somebody else than the controller. Returns it as stored.
    pub(crate) fn put(&self, object: Value) -> Value {
        let stored = self.lock().objects.put(object);
        self.changed.notify_waiters();
        stored
    }

    /// Merges something into an object, as somebody else than the controller.
    pub(crate) fn merge(&self, plural: &str, namespace: &str, name: &str, patch: &Value) -> Value {
        let stored = self.lock().objects.merge(plural, namespace, name, patch).unwrap();
        self.changed.notify_waiters();
        stored
    }

    /// Deletes an object, as somebody else than the controller.
    pub(crate) fn delete(&self, plural: &str, namespace: &str, name: &str) {
        self.lock().objects.delete(plural, namespace, name);
        self.changed.notify_waiters();
    }

    /// An object as it is now.
    pub(crate) fn get(&self, plural: &str, namespace: &str, name: &str) -> Option<Value> {
        self.lock().objects.get(plural, namespace, name).cloned()
    }

    /// Every object of a kind.
    pub(crate) fn all(&self, plural: &str) -> Vec<Value> {
        self.lock().objects.list(plural, None)
    }

    /// Forgets what happened before now, so that watches must list again, and ends all watches.
    pub(crate) fn compact(&self) {
        let mut state = self.lock();
        state.objects.compact();
        state.generation += 1;
        drop(state);
        self.changed.notify_waiters();
    }

    /// Lets a token be this user.
    pub(crate) fn token(&self, token: &str, status: TokenReviewStatus) {
        self.lock().tokens.insert(token.to_owned(), status);
    }

    /// Lets a user get sandboxes in a namespace.
    pub(crate) fn allow(&self, user: &str, namespace: &str) {
        self.lock().allowed.push(format!("{user}@{namespace}"));
    }

    /// Lets a user list objects of a namespace, or of all if it is empty.
    pub(crate) fn allow_list(&self, user: &str, namespace: &str, plural: &str) {
        self.lock().allowed.push(format!("{user}@{namespace} lists {plural}"));
    }

    /// Lets a user do this in a namespace, everywhere in it and in no other, or in the cluster if it is empty. `right` is a verb
    /// and a resource, with its subresource, or a URL.
    pub(crate) fn grant(&self, user: &str, right: &str, namespace: &str) {
        self.lock().allowed.push(format!("{user} {right} @{namespace}"));
    }

    /// Takes everything away from everybody.
    pub(crate) fn revoke_all(&self) {
        let mut state = self.lock();
        state.allowed.clear();
        state.tokens.clear();
    }

    /// Method and path of every request but watches and lists, since the last call.
    pub(crate) fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().requests)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

/// Waits until something holds; panics with `what` if it does not within ten seconds.
pub(crate) async fn eventually<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "not within ten seconds: {what}");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}
