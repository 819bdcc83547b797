//! What a Mesos master has and this version of Proffer does not.
//!
//! A call or endpoint that would change it is answered 501. One that reads it answers as a Mesos in which nothing of it
//! was ever set. Who adds a feature takes its lines out of these tables.

use super::Master;
use super::answer::{answer, not_allowed, text, written};
use super::files::Peer;
use super::reads::Jsonp;
use super::redirect::leader_only;
use axum::extract::{Query, Request, State};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use proffer_mesos_api::v1::master::call::Type;

/// Calls of the operator API, and what is missing for each.
const CALLS: [(Type, &str); 15] = [
    (Type::UpdateWeights, "weights"),
    (Type::UpdateQuota, "quota"),
    (Type::SetQuota, "quota"),
    (Type::RemoveQuota, "quota"),
    (Type::ReserveResources, "reservations"),
    (Type::UnreserveResources, "reservations"),
    (Type::CreateVolumes, "persistent volumes"),
    (Type::DestroyVolumes, "persistent volumes"),
    (Type::GrowVolume, "persistent volumes"),
    (Type::ShrinkVolume, "persistent volumes"),
    (Type::UpdateMaintenanceSchedule, "maintenance"),
    (Type::StartMaintenance, "maintenance"),
    (Type::StopMaintenance, "maintenance"),
    (Type::DrainAgent, "draining"),
    (Type::MarkAgentGone, "agents that are gone for good"),
];

/// An endpoint.
#[derive(Clone, Copy, Debug)]
pub(super) struct Endpoint {
    /// Its path, without the slash.
    pub(super) path: &'static str,
    /// What is missing.
    what: &'static str,
    /// What reading it answers, if it can be read.
    read: Option<&'static str>,
    /// By which methods it would be changed.
    change: &'static [&'static str],
}

/// Endpoints.
pub(super) const ENDPOINTS: [Endpoint; 10] = [
    Endpoint { path: "weights", what: "weights", read: Some("[]"), change: &["PUT"] },
    Endpoint { path: "quota", what: "quota", read: Some("{}"), change: &["POST", "DELETE"] },
    Endpoint { path: "maintenance/schedule", what: "maintenance", read: Some("{}"), change: &["POST"] },
    Endpoint { path: "maintenance/status", what: "maintenance", read: Some("{}"), change: &[] },
    Endpoint { path: "machine/down", what: "maintenance", read: None, change: &["POST"] },
    Endpoint { path: "machine/up", what: "maintenance", read: None, change: &["POST"] },
    Endpoint { path: "reserve", what: "reservations", read: None, change: &["POST"] },
    Endpoint { path: "unreserve", what: "reservations", read: None, change: &["POST"] },
    Endpoint { path: "create-volumes", what: "persistent volumes", read: None, change: &["POST"] },
    Endpoint { path: "destroy-volumes", what: "persistent volumes", read: None, change: &["POST"] },
];

/// 501 for a call.
pub(super) fn call(kind: Type) -> Response {
    let what = CALLS.iter().find(|(missing, _)| *missing == kind).map_or("this call", |(_, what)| what);
    not_there(kind.as_str_name(), what)
}

/// Answers an endpoint.
pub(super) async fn endpoint(
    endpoint: Endpoint,
    State(master): State<Master>,
    peer: Peer,
    Query(asked): Query<Jsonp>,
    request: Request,
) -> Response {
    answer(async {
        let (parts, _) = request.into_parts();
        leader_only(&master, &parts.uri)?;
        let reads = matches!(parts.method, Method::GET | Method::HEAD);
        let known = if reads { endpoint.read.is_some() } else { endpoint.change.contains(&parts.method.as_str()) };
        if !known {
            let read: &[&str] = if endpoint.read.is_some() { &["GET"] } else { &[] };
            return Err(not_allowed(&parts.method, &[read, endpoint.change].concat()));
        }
        master.known(&parts.headers, peer.0.ip()).await?;
        match endpoint.read.filter(|_| reads) {
            Some(body) => written(body.to_owned(), asked.jsonp.as_deref()),
            None => Err(not_there(&format!("{} /{}", parts.method, endpoint.path), endpoint.what)),
        }
    })
    .await
}

fn not_there(asked: &str, what: &str) -> Response {
    text(
        StatusCode::NOT_IMPLEMENTED,
        format!(
            "501 Not Implemented. {asked} is not served: this version of Proffer does not have {what}. docs/mesos-api.md \
             lists what is served.\n"
        ),
    )
}
