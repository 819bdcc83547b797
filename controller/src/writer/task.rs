//! Writes to Task objects.

use super::backoff::{Backoff, Failure, request};
use super::execute::Executor;
use super::queue::Basis;
use crate::records;
use crate::registry::{Entry, Guarded, task_id};
use k8s_openapi::jiff::Timestamp;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams, Preconditions};
use kube::core::ApiResource;
use kube::{Api, Resource};
use proffer_crds::{Framework, TASK_FINALIZER, Task, TaskStatus};
use proffer_master::{NewTask, TaskId, TaskRecord, WriteOutcome};
use serde_json::{Value, json};
use std::sync::Arc;

impl Executor {
    fn tasks(&self, task: &TaskId) -> Api<Guarded<Task>> {
        Api::namespaced(self.client.clone(), &task.key.namespace)
    }

    /// The newest known version of a task; `None` if it is gone, or another one by now.
    fn known_task(&self, task: &TaskId) -> Option<Arc<Entry<Task>>> {
        self.registry.get::<Task>(&task.key).filter(|entry| task_id(entry) == *task)
    }

    /// Makes the object of a task that was launched over a stream.
    pub(super) async fn create_task(&self, new: &NewTask) -> WriteOutcome {
        let object = match records::stream::task(new) {
            Ok(task) => Guarded(Ok(task)),
            Err(why) => return WriteOutcome::Refused(why),
        };
        let api = self.tasks(&new.id);
        let mut backoff = Backoff::default();
        loop {
            self.guard.check();
            match request(api.create(&PostParams::default(), &object)).await {
                Ok(written) => {
                    // The master is told of its object as of any other, before it is told that it is written.
                    self.registry.observe(Entry::new(written));
                    return WriteOutcome::Done;
                }
                // The answer to an earlier try may have been lost.
                Err(Failure::AlreadyExists | Failure::Conflict) => {
                    return match self.look_at(&new.id, &mut backoff).await {
                        Ok(true) => WriteOutcome::Done,
                        Ok(false) => WriteOutcome::Conflict,
                        Err(why) => WriteOutcome::Refused(why),
                    };
                }
                // Its namespace is gone.
                Err(Failure::NotFound) => return WriteOutcome::Gone,
                Err(Failure::Again(why)) => {
                    if let Err(why) = backoff.wait("task creation", &why).await {
                        return WriteOutcome::Refused(why);
                    }
                }
                Err(Failure::Refused(why)) => return WriteOutcome::Refused(why),
            }
        }
    }

    /// Writes a task's status, unless somebody else wrote it since the master decided.
    pub(super) async fn task_status(&self, task: &TaskId, record: &TaskRecord, basis: &Basis) -> WriteOutcome {
        // A version that the master had not been told when it decided must not be overwritten unseen.
        let basis = match &basis.0 {
            Some(basis) => Arc::clone(basis),
            // What it launched over a stream is as it made it until it has a status.
            None => match self.known_task(task) {
                Some(entry) if is_new(&entry) => entry,
                _ => return WriteOutcome::Gone,
            },
        };
        let mut backoff = Backoff::default();
        loop {
            let Some(entry) = self.known_task(task) else { return WriteOutcome::Gone };
            let before = status_of(&entry);
            let wanted = records::task::status(record, before, Timestamp::now());
            if before == Some(&wanted) {
                return WriteOutcome::Done;
            }
            let own = self.registry.own_task(&task.key).filter(|own| own.version() >= basis.version());
            let known = before == status_of(&basis)
                || own.is_some_and(|own| before == status_of(&own))
                || before.is_some_and(|before| written_by_this(before, &wanted));
            if !known {
                return WriteOutcome::Conflict;
            }
            self.guard.check();
            match self.put_status(task, &entry, wanted).await {
                Ok(object) => {
                    self.registry.absorb_task(Entry::new(object));
                    return WriteOutcome::Done;
                }
                Err(Failure::NotFound) => return WriteOutcome::Gone,
                Err(Failure::Conflict | Failure::AlreadyExists) => match self.look_at(task, &mut backoff).await {
                    Ok(true) => {}
                    Ok(false) => return WriteOutcome::Gone,
                    Err(why) => return WriteOutcome::Refused(why),
                },
                Err(Failure::Again(why)) => {
                    if let Err(why) = backoff.wait("task status", &why).await {
                        return WriteOutcome::Refused(why);
                    }
                }
                Err(Failure::Refused(why)) => {
                    // A leader of a later epoch may have written it: the schema refuses ours then.
                    let _ = self.look_at(task, &mut backoff).await;
                    let newer = self.known_task(task).is_some_and(|entry| {
                        status_of(&entry).and_then(|status| status.master_epoch)
                            > records::epoch_number(self.guard.epoch())
                    });
                    return if newer { WriteOutcome::Conflict } else { WriteOutcome::Refused(why) };
                }
            }
        }
    }

    /// Reads a task live. Says whether it is still there and the same one.
    async fn look_at(&self, task: &TaskId, backoff: &mut Backoff) -> Result<bool, String> {
        let found = self.look::<Task>(&task.key.namespace, &task.key.name, backoff).await?;
        Ok(found.is_some() && self.known_task(task).is_some())
    }

    async fn put_status(
        &self,
        task: &TaskId,
        entry: &Entry<Task>,
        wanted: TaskStatus,
    ) -> Result<Guarded<Task>, Failure> {
        if let Ok(known) = entry.value() {
            let object = Guarded(Ok(Task { status: Some(wanted), ..known.clone() }));
            return request(self.tasks(task).replace_status(&task.key.name, &PostParams::default(), &object)).await;
        }
        self.put_status_of_malformed(task, entry, wanted).await
    }

    /// An object without a Task's form is read and written as what it is, with the status replaced.
    async fn put_status_of_malformed(
        &self,
        task: &TaskId,
        entry: &Entry<Task>,
        wanted: TaskStatus,
    ) -> Result<Guarded<Task>, Failure> {
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), &task.key.namespace, &ApiResource::erase::<Task>(&()));
        let mut object = request(api.get(&task.key.name)).await?;
        object.metadata.resource_version.clone_from(&entry.meta().resource_version);
        object.data["status"] = serde_json::to_value(wanted).map_err(|error| Failure::Refused(error.to_string()))?;
        let written = request(api.replace_status(&task.key.name, &PostParams::default(), &object)).await?;
        let value = serde_json::to_value(written).map_err(|error| Failure::Refused(error.to_string()))?;
        serde_json::from_value(value).map_err(|error| Failure::Refused(error.to_string()))
    }

    /// Puts the owner reference, and the finalizer if asked for, on a task.
    pub(super) async fn adopt_task(
        &self,
        task: &TaskId,
        framework: &(String, String),
        finalizer: bool,
    ) -> WriteOutcome {
        self.patch_metadata(task, |entry| {
            let meta = entry.meta();
            if meta.deletion_timestamp.is_some() {
                return None;
            }
            let (name, uid) = framework;
            let mut owners = meta.owner_references.clone().unwrap_or_default();
            let mut finalizers = meta.finalizers.clone().unwrap_or_default();
            let owned = owners.iter().any(|owner| owner.uid == *uid);
            let held = !finalizer || finalizers.iter().any(|finalizer| finalizer == TASK_FINALIZER);
            if owned && held {
                return None;
            }
            if !owned {
                // Of a framework of the same name that is gone, nothing keeps the task.
                owners.retain(|owner| owner.kind != Framework::kind(&()));
                owners.push(k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference {
                    api_version: Framework::api_version(&()).into_owned(),
                    kind: Framework::kind(&()).into_owned(),
                    name: name.clone(),
                    uid: uid.clone(),
                    controller: Some(true).filter(|_| !owners.iter().any(|owner| owner.controller == Some(true))),
                    block_owner_deletion: Some(true),
                });
            }
            if !held {
                finalizers.push(TASK_FINALIZER.to_owned());
            }
            Some(json!({"ownerReferences": owners, "finalizers": finalizers}))
        })
        .await
    }

    /// Takes the finalizer off a task.
    pub(super) async fn release_task(&self, task: &TaskId) -> WriteOutcome {
        self.patch_metadata(task, |entry| {
            let finalizers = entry.meta().finalizers.clone().unwrap_or_default();
            let kept: Vec<&String> = finalizers.iter().filter(|finalizer| *finalizer != TASK_FINALIZER).collect();
            (kept.len() < finalizers.len()).then(|| json!({"finalizers": kept}))
        })
        .await
    }

    /// Patches a task's metadata as `change` says, on top of the newest version.
    async fn patch_metadata(&self, task: &TaskId, change: impl Fn(&Entry<Task>) -> Option<Value>) -> WriteOutcome {
        let api = self.tasks(task);
        let mut backoff = Backoff::default();
        loop {
            let Some(entry) = self.known_task(task) else { return WriteOutcome::Gone };
            let Some(mut metadata) = change(&entry) else { return WriteOutcome::Done };
            metadata["resourceVersion"] = json!(entry.meta().resource_version);
            metadata["uid"] = json!(entry.meta().uid);
            let patch = Patch::Merge(json!({"metadata": metadata}));
            self.guard.check();
            match request(api.patch(&task.key.name, &PatchParams::default(), &patch)).await {
                Ok(object) => {
                    self.registry.observe(Entry::new(object));
                    return WriteOutcome::Done;
                }
                Err(Failure::NotFound) => return WriteOutcome::Gone,
                Err(Failure::Conflict | Failure::AlreadyExists) => match self.look_at(task, &mut backoff).await {
                    Ok(true) => {}
                    Ok(false) => return WriteOutcome::Gone,
                    Err(why) => return WriteOutcome::Refused(why),
                },
                Err(Failure::Again(why)) => {
                    if let Err(why) = backoff.wait("task metadata", &why).await {
                        return WriteOutcome::Refused(why);
                    }
                }
                Err(Failure::Refused(why)) => return WriteOutcome::Refused(why),
            }
        }
    }

    /// Deletes a task's object.
    pub(super) async fn delete_task(&self, task: &TaskId) -> WriteOutcome {
        let Some(entry) = self.known_task(task) else { return WriteOutcome::Gone };
        let params = DeleteParams::background()
            .preconditions(Preconditions { uid: entry.meta().uid.clone(), resource_version: None });
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), &task.key.namespace, &ApiResource::erase::<Task>(&()));
        let mut backoff = Backoff::default();
        loop {
            self.guard.check();
            match request(api.delete(&task.key.name, &params)).await {
                Ok(_) => return WriteOutcome::Done,
                // Of another UID: the one that was meant is gone.
                Err(Failure::NotFound | Failure::Conflict | Failure::AlreadyExists) => return WriteOutcome::Gone,
                Err(Failure::Again(why)) => {
                    if let Err(why) = backoff.wait("task deletion", &why).await {
                        return WriteOutcome::Refused(why);
                    }
                }
                Err(Failure::Refused(why)) => return WriteOutcome::Refused(why),
            }
        }
    }
}

/// Whether a task was launched over a stream and has no status yet.
fn is_new(entry: &Entry<Task>) -> bool {
    entry.value().is_ok_and(|task| task.spec.placement.is_some() && task.status.is_none())
}

fn status_of(entry: &Entry<Task>) -> Option<&TaskStatus> {
    entry.value().ok().and_then(|task| task.status.as_ref())
}

/// Whether `before` is what this very write would leave, but for the times of its conditions: its answer was lost.
fn written_by_this(before: &TaskStatus, wanted: &TaskStatus) -> bool {
    let without_conditions = |status: &TaskStatus| TaskStatus { conditions: Vec::new(), ..status.clone() };
    without_conditions(before) == without_conditions(wanted)
}
