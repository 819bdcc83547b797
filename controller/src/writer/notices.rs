//! Kubernetes Events: what a person must know, shown by `kubectl describe`.

use crate::metrics::Metrics;
use crate::registry::{Kind, Registry};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use proffer_crds::{Agent, Framework, Task};
use proffer_master::{Notice, NoticeAbout, ObjectKey};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Notices that wait. More are dropped, and counted: what they say is in an object's status too.
const WAITING: usize = 1024;
/// Most bytes of an Event's note that the API server takes.
const LONGEST_NOTE: usize = 1024;

/// Where notices are handed in.
#[derive(Clone)]
pub struct Notices {
    sender: mpsc::Sender<Notice>,
    metrics: Arc<Metrics>,
}

impl Notices {
    /// Starts to write Events in the name of `instance`.
    #[must_use]
    pub fn start(client: Client, registry: Arc<Registry>, metrics: Arc<Metrics>, instance: &str) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        let reporter =
            Reporter { controller: "proffer.dev/controller".to_owned(), instance: Some(instance.to_owned()) };
        tokio::spawn(write(Recorder::new(client, reporter), registry, receiver));
        Self { sender, metrics }
    }

    /// Hands in a notice. Never waits.
    pub fn tell(&self, notice: Notice) {
        if self.sender.try_send(notice).is_err() {
            self.metrics.notice_dropped();
        }
    }
}

async fn write(recorder: Recorder, registry: Arc<Registry>, mut notices: mpsc::Receiver<Notice>) {
    while let Some(notice) = notices.recv().await {
        let event = Event {
            type_: if notice.warning { EventType::Warning } else { EventType::Normal },
            reason: notice.reason.to_owned(),
            note: Some(shortened(notice.message)),
            action: notice.reason.to_owned(),
            secondary: None,
        };
        let regarding = reference(&notice.about, &registry);
        if let Err(error) = recorder.publish(&event, &regarding).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                reason = notice.reason,
                "an Event was not written"
            );
        }
    }
}

fn reference(about: &NoticeAbout, registry: &Registry) -> ObjectReference {
    match about {
        NoticeAbout::Task(task) => {
            let uid = registry.get::<Task>(&task.key).and_then(|entry| entry.meta().uid.clone());
            to::<Task>(&task.key, uid)
        }
        NoticeAbout::Framework(key, uid) => to::<Framework>(key, Some(uid.clone())),
        NoticeAbout::Agent(agent) => {
            let key = ObjectKey::new("", agent.0.clone());
            let uid = registry.get::<Agent>(&key).and_then(|entry| entry.meta().uid.clone());
            to::<Agent>(&key, uid)
        }
    }
}

fn to<K: Kind>(key: &ObjectKey, uid: Option<String>) -> ObjectReference {
    ObjectReference {
        api_version: Some(K::api_version(&()).into_owned()),
        kind: Some(K::kind(&()).into_owned()),
        namespace: Some(key.namespace.clone()).filter(|namespace| !namespace.is_empty()),
        name: Some(key.name.clone()),
        uid,
        ..ObjectReference::default()
    }
}

fn shortened(mut note: String) -> String {
    if note.len() > LONGEST_NOTE {
        let mut end = LONGEST_NOTE - '…'.len_utf8();
        while !note.is_char_boundary(end) {
            end -= 1;
        }
        note.truncate(end);
        note.push('…');
    }
    note
}

#[cfg(test)]
mod tests {
    #[test]
    fn notes_are_cut_where_the_api_server_would_refuse_them() {
        assert_eq!(super::shortened("short".to_owned()), "short");
        let long = super::shortened("é".repeat(1000));
        assert!(long.len() <= 1024 && long.ends_with('…'), "{}", long.len());
    }
}
