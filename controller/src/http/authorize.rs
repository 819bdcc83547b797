//! Who may see a task's files.

use super::{Master, text};
use crate::auth::{AuthError, bearer};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use k8s_openapi::api::authorization::v1::ResourceAttributes;
use proffer_master::ObjectKey;
use std::net::IpAddr;

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

impl Master {
    /// Goes on only if the caller may read the sandbox of this task.
    pub(super) async fn may_read_sandbox(
        &self,
        headers: &HeaderMap,
        peer: IpAddr,
        task: Option<&ObjectKey>,
    ) -> Result<(), Response> {
        // A token that is sent is looked at, even where none is needed: a wrong one is worth a word.
        let header = headers.get(header::AUTHORIZATION);
        if header.is_none() && self.anonymous.allows(peer) {
            return Ok(());
        }
        let token = bearer(header.and_then(|value| value.to_str().ok())).map_err(|error| refusal(&error))?;
        let user = self.reviewer.user(token, None).await.map_err(|error| refusal(&error))?;
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
