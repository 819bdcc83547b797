//! What operators change over HTTP. What is an object in Kubernetes is changed there; the master hears of it by its watch,
//! as of what `kubectl` changes.

use super::Master;
use super::about::parse_duration;
use super::answer::{answer, not_allowed, text};
use super::files::Peer;
use super::redirect::leader_only;
use super::view::{FrameworkView, namespace};
use crate::agent_link::Standing;
use crate::auth::{Action, Object};
use crate::logging::Levels;
use axum::body::{Body, to_bytes};
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use kube::Api;
use kube::api::{DeleteParams, Preconditions};
use proffer_crds::Framework;
use proffer_master::ObjectKey;
use serde::Deserialize;
use std::net::IpAddr;
use std::time::Duration;

/// Largest form that is read, in bytes.
const LARGEST_FORM: usize = 64 << 10;

/// `/teardown`: ends a framework and its tasks.
pub(super) async fn teardown(State(master): State<Master>, peer: Peer, request: Request) -> Response {
    answer(async {
        let (parts, body) = request.into_parts();
        leader_only(&master, &parts.uri)?;
        if parts.method != Method::POST {
            return Err(not_allowed(&parts.method, &["POST"]));
        }
        master.known(&parts.headers, peer.0.ip()).await?;
        let form = form(body).await?;
        let id = form.into_iter().find(|(name, _)| name == "frameworkId").map(|(_, value)| value);
        let missing = || text(StatusCode::BAD_REQUEST, "Missing 'frameworkId' query parameter in the request body");
        master.tear_down(&parts.headers, peer.0.ip(), &id.ok_or_else(missing)?).await
    })
    .await
}

/// What `/logging/toggle` is asked for.
#[derive(Debug, Deserialize)]
pub(super) struct Toggle {
    level: Option<String>,
    duration: Option<String>,
}

/// `/logging/toggle`: how much is logged, and a change of it for a while. On any replica, as in Mesos.
pub(super) async fn toggle(
    State(master): State<Master>,
    peer: Peer,
    headers: HeaderMap,
    Query(asked): Query<Toggle>,
) -> Response {
    answer(async {
        let (level, duration) = match (asked.level, asked.duration) {
            (None, None) => {
                let object = Object::cluster("/logging/toggle");
                master.may(&headers, peer.0.ip(), Action::GetEndpoints, object).await?;
                return Ok(text(StatusCode::OK, format!("{}\n", master.levels.level())));
            }
            (Some(_), None) => return Err(text(StatusCode::BAD_REQUEST, "Expecting 'duration=value' in query.\n")),
            (None, Some(_)) => return Err(text(StatusCode::BAD_REQUEST, "Expecting 'level=value' in query.\n")),
            (Some(level), Some(duration)) => (level, duration),
        };
        let level = to_level(&master.levels, &level)?;
        let duration = parse_duration(&duration)
            .ok_or_else(|| text(StatusCode::BAD_REQUEST, format!("Invalid duration '{duration}'.\n")))?;
        master.set_level(&headers, peer.0.ip(), level, duration).await
    })
    .await
}

#[expect(clippy::result_large_err, reason = "the answer is sent, not passed on")]
fn to_level(levels: &Levels, level: &str) -> Result<u32, Response> {
    let bad = |why: String| text(StatusCode::BAD_REQUEST, why);
    let number: i32 = level.parse().map_err(|_| bad(format!("Failed to convert '{level}' to number.\n")))?;
    let level = u32::try_from(number).map_err(|_| bad(format!("Invalid level '{number}'.\n")))?;
    if level < levels.original() {
        return Err(bad(format!("'{level}' < original level.\n")));
    }
    Ok(level)
}

/// The fields of a form in a request's body.
async fn form(body: Body) -> Result<Vec<(String, String)>, Response> {
    let body = to_bytes(body, LARGEST_FORM).await.map_err(|_| {
        text(StatusCode::PAYLOAD_TOO_LARGE, format!("The form is larger than {LARGEST_FORM} bytes, or was cut off.\n"))
    })?;
    Ok(form_urlencoded::parse(&body).into_owned().collect())
}

impl Master {
    /// Sets for a while how much this process logs.
    pub(super) async fn set_level(
        &self,
        headers: &HeaderMap,
        peer: IpAddr,
        level: u32,
        duration: Duration,
    ) -> Result<Response, Response> {
        self.may(headers, peer, Action::SetLogLevel, Object::CLUSTER).await?;
        self.levels.set(level, duration);
        Ok(StatusCode::OK.into_response())
    }

    /// Ends a framework and its tasks: deletes its object.
    pub(super) async fn tear_down(&self, headers: &HeaderMap, peer: IpAddr, id: &str) -> Result<Response, Response> {
        let found = self
            .registry
            .all::<Framework>()
            .into_iter()
            .find(|entry| FrameworkView::new(entry).is_some_and(|framework| framework.id == id));
        let entry = found.ok_or_else(|| text(StatusCode::BAD_REQUEST, "No framework found with specified ID"))?;
        let key = ObjectKey::new(namespace(entry.meta()), entry.meta().name.as_deref().unwrap_or_default());
        self.may(headers, peer, Action::TeardownFrameworks, Object::named(&key.namespace, &key.name)).await?;
        self.still_leads()?;
        // Another framework that has the name by now is left alone.
        let parameters = DeleteParams {
            preconditions: Some(Preconditions { uid: entry.meta().uid.clone(), resource_version: None }),
            ..DeleteParams::default()
        };
        let frameworks = Api::<Framework>::namespaced(self.client.clone(), &key.namespace);
        match frameworks.delete(&key.name, &parameters).await {
            Ok(_) => {}
            // It went meanwhile, which is what was asked for.
            Err(kube::Error::Api(status)) if status.is_not_found() => {}
            Err(error) => return Err(not_written(&error)),
        }
        Ok(StatusCode::OK.into_response())
    }

    /// Goes on only while this process leads; one whose Lease ran out ends here.
    #[expect(clippy::result_large_err, reason = "the answer is sent, not passed on")]
    pub(super) fn still_leads(&self) -> Result<(), Response> {
        match &*self.standing.borrow() {
            Standing::Leader { guard, .. } => {
                guard.check();
                Ok(())
            }
            Standing::Standby => Err(text(StatusCode::SERVICE_UNAVAILABLE, "No leader elected")),
        }
    }
}

fn not_written(error: &kube::Error) -> Response {
    tracing::warn!(error = error as &dyn std::error::Error, "an operator's change is not written");
    text(
        StatusCode::SERVICE_UNAVAILABLE,
        format!("503 Service Unavailable. The API server does not take the change: {error}.\n"),
    )
}
