//! What operators change in the cluster, over both doors of Mesos' API: calls of `POST /api/v1` and the unversioned endpoints.
//!
//! Each is checked and authorized as a Mesos master does it, in its order and words, and then becomes a change of objects.
//! The master hears of it as of what `kubectl` changes.

mod agents;
mod maintenance;
mod operations;
mod quota;
mod roles;
mod weights;
mod write;

use super::Master;
use super::answer::{answer, not_allowed, text, written};
use super::files::Peer;
use super::reads::Jsonp;
use super::redirect::leader_only;
use crate::auth::{Action, Caller, Object};
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use proffer_mesos_api::v1::master::call::Type;
use proffer_mesos_api::v1::master::{Call, Response as Reply, response};
use proffer_mesos_api::{Described, json};
use serde_json::Value;
use std::net::IpAddr;

/// Largest body that is read, in bytes.
const LARGEST_BODY: usize = 4 << 20;

/// An endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    Weights,
    Quota,
    Schedule,
    Status,
    MachineDown,
    MachineUp,
    Reserve,
    Unreserve,
    CreateVolumes,
    DestroyVolumes,
}

/// Every endpoint, by its path.
pub(super) const ENDPOINTS: [(&str, Endpoint); 10] = [
    ("weights", Endpoint::Weights),
    ("quota", Endpoint::Quota),
    ("maintenance/schedule", Endpoint::Schedule),
    ("maintenance/status", Endpoint::Status),
    ("machine/down", Endpoint::MachineDown),
    ("machine/up", Endpoint::MachineUp),
    ("reserve", Endpoint::Reserve),
    ("unreserve", Endpoint::Unreserve),
    ("create-volumes", Endpoint::CreateVolumes),
    ("destroy-volumes", Endpoint::DestroyVolumes),
];

impl Endpoint {
    /// Methods that it takes, as Mesos lists them. Whatever is read by GET is by HEAD, too.
    fn methods(self) -> &'static [&'static str] {
        match self {
            Self::Weights => &["GET", "PUT"],
            Self::Quota => &["GET", "POST", "DELETE"],
            Self::Schedule => &["GET", "POST"],
            Self::Status => &["GET"],
            _ => &["POST"],
        }
    }
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
        let (parts, body) = request.into_parts();
        leader_only(&master, &parts.uri)?;
        let method = if parts.method == Method::HEAD { Method::GET } else { parts.method };
        if !endpoint.methods().contains(&method.as_str()) {
            return Err(not_allowed(&method, endpoint.methods()));
        }
        let operator = Operator::new(master, &parts.headers, peer.0.ip()).await?;
        let body = bytes(body).await?;
        let body = match (endpoint, method == Method::GET) {
            (Endpoint::Weights, true) => {
                let infos = operator.weights().await?;
                format!("[{}]", infos.iter().map(json::encode).collect::<Vec<_>>().join(","))
            }
            (Endpoint::Quota, true) => json::encode(&operator.quota().await?),
            (Endpoint::Schedule, true) => json::encode(&operator.schedule().await?),
            (Endpoint::Status, _) => json::encode(&operator.maintenance_status().await?),
            _ => return operator.changed(endpoint, &method, parts.uri.path(), &body).await,
        };
        written(body, asked.jsonp.as_deref())
    })
    .await
}

/// Somebody who was let in, and the master that they ask.
pub(super) struct Operator {
    master: Master,
    caller: Caller,
}

impl Operator {
    /// Whoever sent this request.
    pub(super) async fn new(master: Master, headers: &HeaderMap, peer: IpAddr) -> Result<Self, Response> {
        let caller = master.caller(headers, peer).await?;
        Ok(Self { master, caller })
    }

    /// Carries out what an endpoint is asked to change.
    async fn changed(
        &self,
        endpoint: Endpoint,
        method: &Method,
        path: &str,
        body: &[u8],
    ) -> Result<Response, Response> {
        match endpoint {
            Endpoint::Weights => self.put_weights(body).await,
            Endpoint::Quota if *method == Method::POST => self.post_quota(body).await,
            Endpoint::Quota => self.delete_quota(path).await,
            Endpoint::Schedule | Endpoint::Status => self.post_schedule(body).await,
            Endpoint::MachineDown => self.start_maintenance(&messages(body)?).await,
            Endpoint::MachineUp => self.stop_maintenance(&messages(body)?).await,
            Endpoint::Reserve | Endpoint::Unreserve | Endpoint::CreateVolumes | Endpoint::DestroyVolumes => {
                self.post_operation(endpoint, body).await
            }
        }
    }

    /// Answers a call that reads what operators set.
    pub(super) async fn read(&self, kind: Type, mut reply: Reply) -> Result<Reply, Response> {
        match kind {
            Type::GetWeights => {
                let weight_infos = self.weights().await?;
                // A Mesos in which no weight was set does not say more.
                reply.get_weights = (!weight_infos.is_empty()).then_some(response::GetWeights { weight_infos });
            }
            Type::GetQuota => reply.get_quota = Some(response::GetQuota { status: self.quota().await? }),
            Type::GetMaintenanceSchedule => {
                let schedule = self.schedule().await?;
                reply.get_maintenance_schedule = Some(response::GetMaintenanceSchedule { schedule });
            }
            Type::GetMaintenanceStatus => {
                let status = self.maintenance_status().await?;
                reply.get_maintenance_status = Some(response::GetMaintenanceStatus { status });
            }
            _ => {}
        }
        Ok(reply)
    }

    /// Carries out a call that changes something; nothing if it is none of these.
    pub(super) async fn change(&self, call: Call) -> Option<Result<Response, Response>> {
        Some(match call.r#type() {
            Type::UpdateWeights => self.update_weights(call.update_weights.unwrap_or_default().weight_infos).await,
            Type::UpdateQuota => self.update_quota(&call.update_quota.unwrap_or_default()).await,
            Type::SetQuota => self.set_quota(call.set_quota.unwrap_or_default().quota_request).await,
            Type::RemoveQuota => self.remove_quota(&call.remove_quota.unwrap_or_default().role, None).await,
            Type::UpdateMaintenanceSchedule => {
                self.update_schedule(&call.update_maintenance_schedule.unwrap_or_default().schedule).await
            }
            Type::StartMaintenance => {
                self.start_maintenance(&call.start_maintenance.unwrap_or_default().machines).await
            }
            Type::StopMaintenance => self.stop_maintenance(&call.stop_maintenance.unwrap_or_default().machines).await,
            Type::DrainAgent => self.drain(&call.drain_agent.unwrap_or_default()).await,
            Type::DeactivateAgent => self.deactivate(&call.deactivate_agent.unwrap_or_default().agent_id.value).await,
            Type::ReactivateAgent => self.reactivate(&call.reactivate_agent.unwrap_or_default().agent_id.value).await,
            Type::MarkAgentGone => self.mark_gone(&call.mark_agent_gone.unwrap_or_default().agent_id.value).await,
            Type::ReserveResources
            | Type::UnreserveResources
            | Type::CreateVolumes
            | Type::DestroyVolumes
            | Type::GrowVolume
            | Type::ShrinkVolume => self.operation(call).await,
            _ => return None,
        })
    }

    /// Goes on only if the caller may do this.
    async fn may(&self, action: Action, object: Object<'_>) -> Result<(), Response> {
        self.master.access.authorize(&self.caller, action, object).await.map_err(IntoResponse::into_response)
    }

    /// Of these, by the names of their objects, those to which the caller may do this.
    async fn may_with<T>(&self, action: Action, all: Vec<T>, name: impl Fn(&T) -> &str) -> Result<Vec<T>, Response> {
        let all_of_them = self.master.access.allows(&self.caller, action, Object::CLUSTER).await;
        if all.is_empty() || all_of_them.map_err(IntoResponse::into_response)? {
            return Ok(all);
        }
        let mut allowed = Vec::new();
        for one in all {
            let named = self.master.access.allows(&self.caller, action, Object::cluster(name(&one))).await;
            if named.map_err(IntoResponse::into_response)? {
                allowed.push(one);
            }
        }
        Ok(allowed)
    }
}

/// The body of a request.
async fn bytes(body: Body) -> Result<Bytes, Response> {
    to_bytes(body, LARGEST_BODY).await.map_err(|_| {
        text(StatusCode::PAYLOAD_TOO_LARGE, format!("The body is larger than {LARGEST_BODY} bytes, or was cut off.\n"))
    })
}

/// 400 with these words.
fn bad(why: impl Into<String>) -> Response {
    text(StatusCode::BAD_REQUEST, why)
}

/// 200 with nothing in it.
fn done() -> Response {
    StatusCode::OK.into_response()
}

/// Reads a list of messages in JSON; an error is for a person.
fn list<M: Described>(json: &[u8]) -> Result<Vec<M>, String> {
    let values: Vec<Value> = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    let message = |value: &Value| json::decode(value.to_string().as_bytes()).map_err(|error| error.to_string());
    values.iter().map(message).collect()
}

#[expect(clippy::result_large_err, reason = "the answer is sent, not passed on")]
fn messages<M: Described>(body: &[u8]) -> Result<Vec<M>, Response> {
    list(body).map_err(bad)
}
