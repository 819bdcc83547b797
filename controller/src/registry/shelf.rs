//! All objects of one kind, each in its newest known version.
//!
//! Versions come from several sides (a watch, a list, the answers to our own writes) and in any order. An older one never
//! replaces a newer one: resource versions of one kind are compared as the numbers that they are (KEP-5504).

use crate::registry::Guarded;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use proffer_master::ObjectKey;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Debug;
use std::sync::Arc;

/// How many deletions are remembered, so that a late answer to a write does not bring an object back.
const REMEMBERED_DELETIONS: usize = 16_384;

/// One object, or what is known of one that does not have its kind's form.
#[derive(Clone, Debug)]
pub struct Entry<K> {
    object: Guarded<K>,
}

impl<K: Resource> Entry<K> {
    /// An entry of what the API server sent.
    #[must_use]
    pub fn new(object: Guarded<K>) -> Self {
        Self { object }
    }

    /// The metadata, which every object has.
    #[must_use]
    pub fn meta(&self) -> &ObjectMeta {
        self.object.meta()
    }

    /// The object, or why it does not have its kind's form.
    pub fn value(&self) -> Result<&K, &str> {
        self.object.0.as_ref().map_err(|malformed| malformed.problem.as_str())
    }

    /// The resource version as a number.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.meta().resource_version.as_deref().and_then(|text| text.parse().ok()).unwrap_or(0)
    }
}

/// Namespace and name of an entry; the namespace is empty for kinds of the cluster.
pub(super) fn object_key<K: Resource>(entry: &Entry<K>) -> ObjectKey {
    key_of(entry.meta())
}

/// Namespace and name in some metadata.
pub(super) fn key_of(meta: &ObjectMeta) -> ObjectKey {
    ObjectKey::new(meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default())
}

/// UID of an entry.
pub(super) fn uid_of<K: Resource>(entry: &Entry<K>) -> String {
    entry.meta().uid.clone().unwrap_or_default()
}

/// What a shelf did with a version that it was given.
#[derive(Debug)]
pub enum Change<K> {
    /// The object is new here, or newer.
    Applied(Arc<Entry<K>>),
    /// The object is gone.
    Deleted(Arc<Entry<K>>),
}

/// The objects of one kind.
#[derive(Debug)]
pub struct Shelf<K> {
    entries: BTreeMap<ObjectKey, Arc<Entry<K>>>,
    deletions: BTreeMap<ObjectKey, u64>,
    deletion_order: VecDeque<ObjectKey>,
}

impl<K> Default for Shelf<K> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), deletions: BTreeMap::new(), deletion_order: VecDeque::new() }
    }
}

/// A list of everything that is under way.
#[derive(Debug)]
pub struct Relist {
    /// What was known when it began.
    before: BTreeMap<ObjectKey, u64>,
    /// What it named.
    listed: BTreeSet<ObjectKey>,
}

impl Relist {
    /// The list names this object.
    pub fn names<K: Resource>(&mut self, entry: &Entry<K>) {
        self.listed.insert(object_key(entry));
    }
}

impl<K: Resource + Debug> Shelf<K> {
    /// The newest known version of an object.
    #[must_use]
    pub fn get(&self, key: &ObjectKey) -> Option<&Arc<Entry<K>>> {
        self.entries.get(key)
    }

    /// Every object.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Entry<K>>> {
        self.entries.values()
    }

    /// How many objects there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Takes in a version of an object, if it is newer than what is known.
    pub fn put(&mut self, entry: Entry<K>) -> Vec<Change<K>> {
        let key = object_key(&entry);
        let version = entry.version();
        if self.deletions.get(&key).is_some_and(|&deleted| deleted >= version) {
            return Vec::new();
        }
        let entry = Arc::new(entry);
        match self.entries.get(&key) {
            Some(known) if known.version() >= version => Vec::new(),
            Some(known) if known.meta().uid != entry.meta().uid => {
                let old = Arc::clone(known);
                self.entries.insert(key, Arc::clone(&entry));
                vec![Change::Deleted(old), Change::Applied(entry)]
            }
            _ => {
                self.entries.insert(key, Arc::clone(&entry));
                vec![Change::Applied(entry)]
            }
        }
    }

    /// Takes in that an object was deleted at this version, unless a newer one is known.
    pub fn delete(&mut self, last: &Entry<K>) -> Vec<Change<K>> {
        let key = object_key(last);
        match self.entries.get(&key) {
            Some(known) if known.version() > last.version() => return Vec::new(),
            _ => {}
        }
        self.remember_deletion(key.clone(), last.version());
        self.entries.remove(&key).map(Change::Deleted).into_iter().collect()
    }

    /// A list of everything begins.
    #[must_use]
    pub fn begin_relist(&self) -> Relist {
        let before = self.entries.iter().map(|(key, entry)| (key.clone(), entry.version())).collect();
        Relist { before, listed: BTreeSet::new() }
    }

    /// The list is complete: what was known before it and is not in it is gone. Returns also the keys that changed while
    /// the list was under way and are not in it; only a look at the object itself tells what holds for these.
    pub fn finish_relist(&mut self, relist: Relist) -> (Vec<Change<K>>, Vec<ObjectKey>) {
        let Relist { before, listed } = relist;
        let mut gone = Vec::new();
        let mut doubtful = Vec::new();
        for (key, version) in before {
            if listed.contains(&key) {
                continue;
            }
            match self.entries.get(&key) {
                Some(known) if known.version() == version => {
                    self.remember_deletion(key.clone(), version);
                    gone.extend(self.entries.remove(&key).map(Change::Deleted));
                }
                Some(_) => doubtful.push(key),
                None => {}
            }
        }
        (gone, doubtful)
    }

    fn remember_deletion(&mut self, key: ObjectKey, version: u64) {
        if let Some(known) = self.deletions.get_mut(&key) {
            // A watch that goes back in time tells of an earlier one.
            *known = version.max(*known);
            return;
        }
        self.deletions.insert(key.clone(), version);
        self.deletion_order.push_back(key);
        if self.deletion_order.len() > REMEMBERED_DELETIONS
            && let Some(oldest) = self.deletion_order.pop_front()
        {
            self.deletions.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proffer_crds::Framework;
    use serde_json::json;

    fn entry(name: &str, uid: &str, version: u64) -> Entry<Framework> {
        Entry::new(
            serde_json::from_value(json!({
                "apiVersion": "proffer.dev/v1alpha1",
                "kind": "Framework",
                "metadata": {"name": name, "namespace": "ns", "uid": uid, "resourceVersion": version.to_string()},
                "spec": {},
            }))
            .unwrap(),
        )
    }

    fn told(changes: &[Change<Framework>]) -> Vec<String> {
        changes
            .iter()
            .map(|change| match change {
                Change::Applied(entry) => format!("+{}@{}", uid_of(entry), entry.version()),
                Change::Deleted(entry) => format!("-{}@{}", uid_of(entry), entry.version()),
            })
            .collect()
    }

    #[test]
    fn an_older_version_never_replaces_a_newer_one() {
        let mut shelf = Shelf::default();
        assert_eq!(told(&shelf.put(entry("a", "u", 5))), ["+u@5"]);
        assert!(shelf.put(entry("a", "u", 4)).is_empty());
        assert!(shelf.put(entry("a", "u", 5)).is_empty());
        assert_eq!(told(&shelf.put(entry("a", "u", 10))), ["+u@10"], "compared as numbers, not as texts");
    }

    #[test]
    fn an_object_of_the_same_name_is_another_one() {
        let mut shelf = Shelf::default();
        shelf.put(entry("a", "u", 5));
        assert_eq!(told(&shelf.put(entry("a", "v", 8))), ["-u@5", "+v@8"]);
        assert!(shelf.delete(&entry("a", "u", 7)).is_empty(), "the deletion of the earlier one comes late");
        assert_eq!(shelf.len(), 1);
    }

    #[test]
    fn a_late_answer_to_a_write_does_not_bring_a_deleted_object_back() {
        let mut shelf = Shelf::default();
        shelf.put(entry("a", "u", 5));
        assert_eq!(told(&shelf.delete(&entry("a", "u", 7))), ["-u@5"]);
        assert!(shelf.put(entry("a", "u", 6)).is_empty());
        assert!(shelf.is_empty());
    }

    #[test]
    fn a_watch_that_goes_back_in_time_does_not_bring_a_deleted_object_back() {
        let mut shelf = Shelf::default();
        shelf.put(entry("a", "u", 5));
        shelf.delete(&entry("a", "u", 7));
        assert_eq!(told(&shelf.put(entry("a", "v", 8))), ["+v@8"]);
        shelf.delete(&entry("a", "v", 9));
        shelf.delete(&entry("a", "u", 7));
        assert!(shelf.put(entry("a", "v", 8)).is_empty() && shelf.is_empty());
    }

    #[test]
    fn a_list_ends_what_it_does_not_name_but_not_what_is_newer() {
        let mut shelf = Shelf::default();
        for name in ["kept", "gone", "written"] {
            shelf.put(entry(name, name, 5));
        }
        let mut relist = shelf.begin_relist();
        shelf.put(entry("written", "written", 9));
        for listed in [entry("kept", "kept", 5), entry("fresh", "fresh", 8)] {
            relist.names(&listed);
            shelf.put(listed);
        }
        let (gone, doubtful) = shelf.finish_relist(relist);
        assert_eq!(told(&gone), ["-gone@5"]);
        assert_eq!(doubtful, [ObjectKey::new("ns", "written")]);
        assert_eq!(shelf.len(), 3);
    }
}
