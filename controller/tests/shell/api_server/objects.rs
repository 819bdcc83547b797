//! What the server stores, and every change in order.

use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Plural, namespace and name.
type Key = (String, String, String);

/// Why a write did not happen.
#[derive(Debug, PartialEq)]
pub(super) enum Refusal {
    NotFound,
    AlreadyExists,
    Conflict,
}

/// One change, for watches.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub version: u64,
    pub plural: String,
    pub kind: &'static str,
    pub object: Value,
}

#[derive(Default)]
pub(super) struct Objects {
    version: u64,
    stored: BTreeMap<Key, Value>,
    pub changes: Vec<Change>,
    pub compacted: u64,
}

impl Objects {
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn get(&self, plural: &str, namespace: &str, name: &str) -> Option<&Value> {
        self.stored.get(&key(plural, namespace, name))
    }

    pub(super) fn list(&self, plural: &str, namespace: Option<&str>) -> Vec<Value> {
        self.stored
            .iter()
            .filter(|((p, n, _), _)| p == plural && namespace.is_none_or(|namespace| n == namespace))
            .map(|(_, object)| object.clone())
            .collect()
    }

    /// Stores an object whatever was there.
    pub(super) fn put(&mut self, object: Value) -> Value {
        let (plural, namespace, name) = key_of(&object);
        let kind = if self.get(&plural, &namespace, &name).is_some() { "MODIFIED" } else { "ADDED" };
        self.store(&plural, &namespace, &name, object, kind)
    }

    pub(super) fn create(&mut self, plural: &str, namespace: &str, mut object: Value) -> Result<Value, Refusal> {
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        if self.get(plural, namespace, &name).is_some() {
            return Err(Refusal::AlreadyExists);
        }
        if let Some(fields) = object.as_object_mut() {
            fields.remove("status");
        }
        Ok(self.store(plural, namespace, &name, object, "ADDED"))
    }

    /// Replaces an object, or only its status.
    pub(super) fn replace(
        &mut self,
        plural: &str,
        namespace: &str,
        name: &str,
        object: &Value,
        status_only: bool,
    ) -> Result<Value, Refusal> {
        let known = self.get(plural, namespace, name).ok_or(Refusal::NotFound)?;
        let wanted = &object["metadata"]["resourceVersion"];
        if !wanted.is_null() && *wanted != known["metadata"]["resourceVersion"] {
            return Err(Refusal::Conflict);
        }
        let mut next = if status_only { known.clone() } else { object.clone() };
        next["status"] = if status_only { object["status"].clone() } else { known["status"].clone() };
        Ok(self.store(plural, namespace, name, next, "MODIFIED"))
    }

    pub(super) fn merge(&mut self, plural: &str, namespace: &str, name: &str, patch: &Value) -> Result<Value, Refusal> {
        let mut object = self.get(plural, namespace, name).ok_or(Refusal::NotFound)?.clone();
        let wanted = &patch["metadata"]["resourceVersion"];
        if !wanted.is_null() && *wanted != object["metadata"]["resourceVersion"] {
            return Err(Refusal::Conflict);
        }
        merge(&mut object, patch);
        let going = !object["metadata"]["deletionTimestamp"].is_null();
        let held = object["metadata"]["finalizers"].as_array().is_some_and(|all| !all.is_empty());
        if going && !held {
            return Ok(self.remove(plural, namespace, name, object));
        }
        Ok(self.store(plural, namespace, name, object, "MODIFIED"))
    }

    /// Deletes an object, or marks it if something holds it.
    pub(super) fn delete(&mut self, plural: &str, namespace: &str, name: &str) -> Option<Value> {
        let mut object = self.get(plural, namespace, name)?.clone();
        if object["metadata"]["finalizers"].as_array().is_some_and(|all| !all.is_empty()) {
            object["metadata"]["deletionTimestamp"] = json!("2026-11-22T16:00:00Z");
            return Some(self.store(plural, namespace, name, object, "MODIFIED"));
        }
        Some(self.remove(plural, namespace, name, object))
    }

    pub(super) fn compact(&mut self) {
        self.compacted = self.version;
        self.changes.clear();
    }

    fn store(&mut self, plural: &str, namespace: &str, name: &str, mut object: Value, kind: &'static str) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        if !namespace.is_empty() {
            object["metadata"]["namespace"] = json!(namespace);
        }
        if object["metadata"]["uid"].is_null() {
            object["metadata"]["uid"] = json!(format!("uid-{}", self.version));
        }
        if object["status"].is_null()
            && let Some(fields) = object.as_object_mut()
        {
            fields.remove("status");
        }
        self.stored.insert(key(plural, namespace, name), object.clone());
        self.changes.push(Change { version: self.version, plural: plural.to_owned(), kind, object: object.clone() });
        object
    }

    fn remove(&mut self, plural: &str, namespace: &str, name: &str, mut object: Value) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.stored.remove(&key(plural, namespace, name));
        self.changes.push(Change {
            version: self.version,
            plural: plural.to_owned(),
            kind: "DELETED",
            object: object.clone(),
        });
        object
    }
}

fn key(plural: &str, namespace: &str, name: &str) -> Key {
    (plural.to_owned(), namespace.to_owned(), name.to_owned())
}

fn key_of(object: &Value) -> Key {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let plural = format!("{}s", text(&object["kind"]).to_lowercase());
    (plural, text(&object["metadata"]["namespace"]), text(&object["metadata"]["name"]))
}

/// RFC 7386.
fn merge(object: &mut Value, patch: &Value) {
    let Some(changes) = patch.as_object() else {
        *object = patch.clone();
        return;
    };
    if !object.is_object() {
        *object = json!({});
    }
    for (key, change) in changes {
        if change.is_null() {
            object.as_object_mut().unwrap().remove(key);
        } else {
            merge(&mut object[key], change);
        }
    }
}
