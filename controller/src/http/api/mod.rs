//! `POST /api/v1`: the calls of Mesos' operator API, in protobuf and in JSON.
//!
//! The checks, their order and their words are those of a Mesos master.

mod events;
mod fields;
mod large;
mod messages;
mod replies;
#[cfg(test)]
mod tests;

pub use events::Subscribers;
pub use replies::master_info;

use super::Master;
use super::answer::{answer, not_allowed, text};
use super::authorize::Sight;
use super::encoding::Encoding;
use super::files::{Peer, grant};
use super::operator::Operator;
use super::reads::off_thread;
use super::redirect::leader_only;
use super::stream;
use super::view::{Snapshot, View};
use crate::auth::{Action, Object};
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use proffer_master::Epoch;
use proffer_mesos_api::files::MAX_READ_BYTES;
use proffer_mesos_api::v1::master::call::Type;
use proffer_mesos_api::v1::master::{self, Call, Response as Reply, response};
use proffer_mesos_api::validation::master_call::validate;
use std::time::Duration;

/// Largest call that is read, in bytes.
const LARGEST_CALL: usize = 4 << 20;

/// Answers one call.
pub(super) async fn call(State(master): State<Master>, peer: Peer, request: Request) -> Response {
    // A call has room for every kind of body, which is more than a thread's stack should hold.
    answer(Box::pin(async {
        let (parts, body) = request.into_parts();
        let epoch = leader_only(&master, &parts.uri)?;
        if parts.method != Method::POST {
            return Err(not_allowed(&parts.method, &["POST"]));
        }
        // Who it is comes before what they want: Mesos authenticates first, too.
        master.known(&parts.headers, peer.0.ip()).await?;
        let call = read(&parts.headers, body).await?;
        validate(&call).map_err(|invalid| bad(format!("Failed to validate master::Call: {invalid}")))?;
        let encoding = Encoding::wanted(parts.headers.get(header::ACCEPT)).ok_or_else(|| {
            text(
                StatusCode::NOT_ACCEPTABLE,
                "Expecting 'Accept' to allow 'application/x-protobuf' or 'application/json'",
            )
        })?;
        let asked = Asked { master, peer, epoch, uri: parts.uri, headers: parts.headers };
        asked.reply(call, encoding).await
    }))
    .await
}

/// Reads the call in the encoding that its header names.
async fn read(headers: &HeaderMap, body: Body) -> Result<Call, Response> {
    let content_type = headers.get(header::CONTENT_TYPE);
    let content_type = content_type.ok_or_else(|| bad("Expecting 'Content-Type' to be present"))?;
    let encoding = Encoding::named(content_type.as_bytes()).ok_or_else(|| {
        text(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Expecting 'Content-Type' of application/json or application/x-protobuf",
        )
    })?;
    let body = to_bytes(body, LARGEST_CALL).await.map_err(|_| {
        text(StatusCode::PAYLOAD_TOO_LARGE, format!("The call is larger than {LARGEST_CALL} bytes, or was cut off.\n"))
    })?;
    encoding.decode(&body).map_err(bad)
}

fn bad(reason: impl Into<String>) -> Response {
    text(StatusCode::BAD_REQUEST, reason)
}

/// Where a call came from, and who answers it.
struct Asked {
    master: Master,
    peer: Peer,
    epoch: Epoch,
    uri: Uri,
    headers: HeaderMap,
}

impl Asked {
    async fn reply(self, call: Call, encoding: Encoding) -> Result<Response, Response> {
        let kind = call.r#type();
        let reply = match kind {
            Type::ListFiles => {
                let path = call.list_files.unwrap_or_default().path;
                let granted = grant(self.master, self.peer, &self.uri, &self.headers, Some(&path)).await?;
                let file_infos = granted.browse().await?.into_iter().map(messages::file).collect();
                Reply { list_files: Some(response::ListFiles { file_infos }), ..replies::empty(kind) }
            }
            Type::ReadFile => self.file(call.read_file.unwrap_or_default()).await?,
            Type::GetState
            | Type::GetAgents
            | Type::GetFrameworks
            | Type::GetExecutors
            | Type::GetTasks
            | Type::GetRoles => {
                let sight = self.master.sight(&self.headers, self.peer.0.ip()).await?;
                return self.written(kind, sight, encoding).await;
            }
            Type::Subscribe => {
                let sight = self.master.sight(&self.headers, self.peer.0.ip()).await?;
                return self.subscribe(sight, encoding);
            }
            Type::SetLoggingLevel => {
                let wanted = call.set_logging_level.unwrap_or_default();
                let duration = Duration::from_nanos(u64::try_from(wanted.duration.nanoseconds).unwrap_or(0));
                return self.master.set_level(&self.headers, self.peer.0.ip(), wanted.level, duration).await;
            }
            Type::Teardown => {
                let id = call.teardown.unwrap_or_default().framework_id.value;
                return self.master.tear_down(&self.headers, self.peer.0.ip(), &id).await;
            }
            Type::GetWeights | Type::GetQuota | Type::GetMaintenanceSchedule | Type::GetMaintenanceStatus => {
                let operator = Operator::new(self.master, &self.headers, self.peer.0.ip()).await?;
                operator.read(kind, replies::empty(kind)).await?
            }
            Type::GetFlags => {
                self.master.may(&self.headers, self.peer.0.ip(), Action::ViewFlags, Object::CLUSTER).await?;
                replies::plain(&self.master, kind).ok_or_else(|| unknown(kind))?
            }
            // Figures count everything, and name nobody.
            Type::GetMetrics => return self.written(kind, Sight::ALL, encoding).await,
            _ => {
                if let Some(reply) = replies::plain(&self.master, kind) {
                    reply
                } else {
                    let operator = Operator::new(self.master, &self.headers, self.peer.0.ip()).await?;
                    return operator.change(call).await.ok_or_else(|| unknown(kind))?;
                }
            }
        };
        Ok(sent(encoding.encode(&reply), encoding))
    }

    /// Answers from the registry, on a thread that nothing else waits for.
    async fn written(self, kind: Type, sight: Sight, encoding: Encoding) -> Result<Response, Response> {
        let body = off_thread(move || {
            let snapshot = Snapshot::take(&self.master.registry, self.epoch);
            let view = View::of(&snapshot, &sight);
            large::answer(kind, &view, encoding)
                .unwrap_or_else(|| encoding.encode(&replies::seen(&self.master, kind, &view)))
        })
        .await?;
        Ok(sent(body, encoding))
    }

    #[expect(clippy::result_large_err, reason = "the answer is sent, not passed on")]
    fn subscribe(self, sight: Sight, encoding: Encoding) -> Result<Response, Response> {
        let Self { master, peer, epoch, headers, .. } = self;
        let joined = master.subscribers.join(&master.registry, epoch, sight.clone(), encoding);
        let joined = joined.ok_or_else(|| {
            text(StatusCode::SERVICE_UNAVAILABLE, "503 Service Unavailable. Events come too fast now: try again.\n")
        })?;
        joined.review(master, headers, peer.0.ip(), sight);
        Ok(stream::response(joined.records, encoding))
    }

    async fn file(self, wanted: master::call::ReadFile) -> Result<Reply, Response> {
        let offset = i64::try_from(wanted.offset).unwrap_or(i64::MAX);
        let length = wanted.length.unwrap_or(MAX_READ_BYTES).min(MAX_READ_BYTES);
        let granted = grant(self.master, self.peer, &self.uri, &self.headers, Some(&wanted.path)).await?;
        let (_, data, size) = granted.read(offset, i64::try_from(length).unwrap_or(-1)).await?;
        Ok(Reply { read_file: Some(response::ReadFile { size, data }), ..replies::empty(Type::ReadFile) })
    }
}

/// 501, as Mesos answers a call that it does not know.
fn unknown(kind: Type) -> Response {
    text(StatusCode::NOT_IMPLEMENTED, format!("501 Not Implemented. {} is no call.\n", kind.as_str_name()))
}

fn sent(body: Vec<u8>, encoding: Encoding) -> Response {
    let nosniff = (header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    ([(header::CONTENT_TYPE, encoding.media_type()), nosniff], body).into_response()
}
