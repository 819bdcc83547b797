//! Who may see what: a task's files, and which frameworks, tasks and agents.

use super::Master;
use super::view::Snapshot;
use crate::auth::{Action, Caller, Denied, Object};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use futures::{StreamExt, TryStreamExt};
use proffer_master::ObjectKey;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Reviews that one request has under way at once.
const REVIEWS_AT_ONCE: usize = 16;

/// Whose objects somebody may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Namespaces {
    /// Everybody's.
    All,
    /// Those in these namespaces.
    These(BTreeSet<String>),
}

impl Namespaces {
    /// Whether it is one of them.
    pub(super) fn contains(&self, namespace: &str) -> bool {
        match self {
            Self::All => true,
            Self::These(these) => these.contains(namespace),
        }
    }
}

/// What somebody may see: what they may `list` as objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sight {
    /// Agents.
    pub(super) agents: bool,
    /// Frameworks.
    pub(super) frameworks: Namespaces,
    /// Tasks.
    pub(super) tasks: Namespaces,
    /// Roles, also those that none of their frameworks has.
    pub(super) roles: bool,
    /// Flags.
    pub(super) flags: bool,
}

impl Sight {
    /// Everything.
    pub(super) const ALL: Self =
        Self { agents: true, frameworks: Namespaces::All, tasks: Namespaces::All, roles: true, flags: true };
}

impl Master {
    /// Who calls.
    pub(super) async fn caller(&self, headers: &HeaderMap, peer: IpAddr) -> Result<Caller, Response> {
        self.access.authenticate(headers, peer).await.map_err(IntoResponse::into_response)
    }

    /// Goes on only if the caller may do this.
    pub(super) async fn may(
        &self,
        headers: &HeaderMap,
        peer: IpAddr,
        action: Action,
        object: Object<'_>,
    ) -> Result<(), Response> {
        let caller = self.caller(headers, peer).await?;
        self.access.authorize(&caller, action, object).await.map_err(IntoResponse::into_response)
    }

    /// Goes on for anybody whom the cluster knows.
    pub(super) async fn known(&self, headers: &HeaderMap, peer: IpAddr) -> Result<(), Response> {
        self.caller(headers, peer).await.map(drop)
    }

    /// What the caller may see.
    pub(super) async fn sight(&self, headers: &HeaderMap, peer: IpAddr) -> Result<Sight, Response> {
        let caller = self.caller(headers, peer).await?;
        self.sight_of(&caller).await.map_err(IntoResponse::into_response)
    }

    /// What this caller may see.
    pub(super) async fn sight_of(&self, caller: &Caller) -> Result<Sight, Denied> {
        if caller.is_anonymous() {
            return Ok(Sight::ALL);
        }
        Ok(Sight {
            agents: self.access.allows(caller, Action::ViewAgents, Object::CLUSTER).await?,
            frameworks: self.namespaces(caller, Action::ViewFrameworks).await?,
            tasks: self.namespaces(caller, Action::ViewTasks).await?,
            roles: self.access.allows(caller, Action::ViewRoles, Object::CLUSTER).await?,
            flags: self.access.allows(caller, Action::ViewFlags, Object::CLUSTER).await?,
        })
    }

    /// The namespaces in which the caller may do this.
    async fn namespaces(&self, caller: &Caller, action: Action) -> Result<Namespaces, Denied> {
        if self.access.allows(caller, action, Object::CLUSTER).await? {
            return Ok(Namespaces::All);
        }
        let reviews = futures::stream::iter(Snapshot::namespaces(&self.registry)).map(|namespace| async {
            let allowed = self.access.allows(caller, action, Object::namespace(&namespace)).await?;
            Ok(allowed.then_some(namespace))
        });
        reviews
            .buffer_unordered(REVIEWS_AT_ONCE)
            .try_filter_map(|allowed| std::future::ready(Ok(allowed)))
            .try_collect()
            .await
            .map(Namespaces::These)
    }

    /// Goes on only if the caller may read the sandbox of this task.
    pub(super) async fn may_read_sandbox(
        &self,
        headers: &HeaderMap,
        peer: IpAddr,
        task: Option<&ObjectKey>,
    ) -> Result<(), Response> {
        let caller = self.caller(headers, peer).await?;
        let Some(task) = task else { return Ok(()) };
        let object = Object::named(&task.namespace, &task.name);
        self.access.authorize(&caller, Action::AccessSandboxes, object).await.map_err(IntoResponse::into_response)
    }
}
