//! Who may see what: a task's files, and which frameworks, tasks and agents.

use super::Master;
use super::answer::text;
use super::view::Snapshot;
use crate::auth::{AuthError, User, bearer};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::authorization::v1::ResourceAttributes;
use proffer_master::ObjectKey;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Reviews that one request has under way at once.
const REVIEWS_AT_ONCE: usize = 16;

/// Who needs no token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Anonymous {
    /// Who comes from this machine itself, as through `kubectl port-forward`.
    pub loopback: bool,
    /// Everybody.
    pub everybody: bool,
}

impl Anonymous {
    fn allows(self, peer: IpAddr) -> bool {
        self.everybody || (self.loopback && peer.to_canonical().is_loopback())
    }
}

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
}

impl Sight {
    /// Everything.
    pub(super) const ALL: Self = Self { agents: true, frameworks: Namespaces::All, tasks: Namespaces::All };
}

impl Master {
    /// Who calls; nobody in particular if they need not say.
    async fn caller(&self, headers: &HeaderMap, peer: IpAddr) -> Result<Option<User>, Response> {
        // A token that is sent is looked at, even where none is needed: a wrong one is worth a word.
        let header = headers.get(header::AUTHORIZATION);
        if header.is_none() && self.anonymous.allows(peer) {
            return Ok(None);
        }
        let token = bearer(header.and_then(|value| value.to_str().ok())).map_err(|error| refusal(&error))?;
        self.reviewer.user(token, None).await.map(Some).map_err(|error| refusal(&error))
    }

    /// Goes on for anybody whom the cluster knows.
    pub(super) async fn known(&self, headers: &HeaderMap, peer: IpAddr) -> Result<(), Response> {
        self.caller(headers, peer).await.map(drop)
    }

    /// What the caller may see.
    pub(super) async fn sight(&self, headers: &HeaderMap, peer: IpAddr) -> Result<Sight, Response> {
        let Some(user) = self.caller(headers, peer).await? else { return Ok(Sight::ALL) };
        let reviewed = async {
            Ok(Sight {
                agents: self.reviewer.may_list(&user, "agents", "").await?,
                frameworks: self.namespaces(&user, "frameworks").await?,
                tasks: self.namespaces(&user, "tasks").await?,
            })
        };
        reviewed.await.map_err(|error: AuthError| refusal(&error))
    }

    /// The namespaces in which the user may list objects of this plural.
    async fn namespaces(&self, user: &User, plural: &'static str) -> Result<Namespaces, AuthError> {
        if self.reviewer.may_list(user, plural, "").await? {
            return Ok(Namespaces::All);
        }
        let reviews = futures::stream::iter(Snapshot::namespaces(&self.registry)).map(|namespace| async {
            let allowed = self.reviewer.may_list(user, plural, &namespace).await?;
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
        let Some(user) = self.caller(headers, peer).await? else { return Ok(()) };
        let Some(task) = task else { return Ok(()) };
        let attributes = ResourceAttributes {
            group: Some(proffer_crds::GROUP.to_owned()),
            resource: Some("tasks".to_owned()),
            subresource: Some("sandbox".to_owned()),
            verb: Some("get".to_owned()),
            namespace: Some(task.namespace.clone()),
            name: Some(task.name.clone()),
            ..ResourceAttributes::default()
        };
        if self.reviewer.may(&user, attributes).await.map_err(|error| refusal(&error))? {
            return Ok(());
        }
        Err(text(
            StatusCode::FORBIDDEN,
            format!(
                "403 Forbidden. {} may not get tasks/sandbox of group {} in namespace {}: a Role with that rule, bound to \
                 this user, allows it.\n",
                user.name(),
                proffer_crds::GROUP,
                task.namespace
            ),
        ))
    }
}

fn refusal(error: &AuthError) -> Response {
    match error {
        AuthError::NoToken | AuthError::Refused(_) => {
            let mut response = text(StatusCode::UNAUTHORIZED, format!("401 Unauthorized. {error}.\n"));
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"proffer\""));
            response
        }
        AuthError::Unavailable(source) => {
            tracing::warn!(error = source as &dyn std::error::Error, "a caller cannot be reviewed");
            text(StatusCode::SERVICE_UNAVAILABLE, format!("503 Service Unavailable. {error}: try again.\n"))
        }
    }
}
