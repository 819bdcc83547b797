//! `POST /api/v1/scheduler`: Mesos' v1 scheduler API.
//!
//! The checks, their order and their words are those of a Mesos master (its `http.cpp`, `Master::Http::scheduler`). What
//! passes them goes to the master's loop; a call is answered without waiting for it, as in Mesos.

mod rights;

use super::Master;
use super::answer::{answer, not_allowed, text};
use super::encoding::Encoding;
use super::files::Peer;
use super::redirect::leader_only;
use super::stream;
use crate::agent_link::Standing;
use crate::auth::{Action, Caller, Object};
use crate::runner::Inbox;
use crate::schedulers::{Opened, Refused};
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use proffer_master::{Event, Subscription};
use proffer_mesos_api::v1::scheduler::Call;
use proffer_mesos_api::v1::scheduler::call::{self, Type};
use proffer_mesos_api::validation::scheduler_call::validate;

/// Largest call that is read, in bytes.
const LARGEST_CALL: usize = 4 << 20;
/// Names the subscription that a call belongs to.
const STREAM_ID: HeaderName = HeaderName::from_static("mesos-stream-id");

/// Answers one call.
pub(super) async fn call(State(master): State<Master>, peer: Peer, request: Request) -> Response {
    // A call has room for every kind of body, which is more than a thread's stack should hold.
    answer(Box::pin(async {
        let (parts, body) = request.into_parts();
        leader_only(&master, &parts.uri)?;
        if parts.method != Method::POST {
            return Err(not_allowed(&parts.method, &["POST"]));
        }
        let caller = master.caller(&parts.headers, peer.0.ip()).await?;
        let call = read(&parts.headers, body).await?;
        validate(&call, caller.principal())
            .map_err(|invalid| bad(format!("Failed to validate scheduler::Call: {invalid}")))?;
        let inbox =
            inbox(&master).ok_or_else(|| text(StatusCode::SERVICE_UNAVAILABLE, "Master has not finished recovery"))?;
        let asked = Asked { master, caller, inbox, headers: parts.headers };
        if call.r#type() == Type::Subscribe { asked.subscribe(call) } else { asked.pass_on(call).await }
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

fn inbox(master: &Master) -> Option<Inbox> {
    match &*master.standing.borrow() {
        Standing::Leader { inbox, .. } => Some(inbox.clone()),
        Standing::Standby => None,
    }
}

fn bad(reason: impl Into<String>) -> Response {
    text(StatusCode::BAD_REQUEST, reason)
}

/// Whose call it is, and where it goes.
struct Asked {
    master: Master,
    caller: Caller,
    inbox: Inbox,
    headers: HeaderMap,
}

impl Asked {
    #[expect(clippy::result_large_err, reason = "both are answers, and go the same way")]
    fn subscribe(self, call: Call) -> Result<Response, Response> {
        let encoding = self.wanted()?;
        if self.headers.contains_key(STREAM_ID) {
            return Err(bad("Subscribe calls should not include the 'Mesos-Stream-Id' header"));
        }
        let Some(mut subscribe) = call.subscribe else { return Err(bad("Expecting 'subscribe' to be present")) };
        let principal = self.caller.principal().map(ToOwned::to_owned);
        if subscribe.framework_info.principal.is_none() {
            subscribe.framework_info.principal.clone_from(&principal);
        }
        let schedulers = self.master.schedulers.clone();
        let Opened { connection, stream_id, records, sender } = schedulers.open(encoding);
        let mut response = stream::response(records, encoding);
        if let Ok(value) = HeaderValue::from_str(&stream_id) {
            response.headers_mut().insert(STREAM_ID, value);
        }
        let Self { master, caller, inbox, .. } = self;
        tokio::spawn(async move {
            let namespace = caller.namespace().to_owned();
            let rights = [(Action::RegisterFrameworks, Object::namespace(&namespace))];
            // Mesos, too, says this on the stream.
            if let Err(denied) = master.access.authorize(&caller, rights[0].0, rights[0].1).await {
                schedulers.end(connection, Some(&denied.to_string()));
                return;
            }
            let subscription = Subscription {
                connection,
                namespace: namespace.clone(),
                principal,
                subscribe,
                new_framework_id: uuid::Uuid::new_v4().to_string(),
            };
            if inbox.schedulers.send(Event::Subscribe(Box::new(subscription))).await.is_err() {
                schedulers.end(connection, Some("The master ended"));
                return;
            }
            tokio::select! {
                _ = schedulers.over(connection, sender) => {}
                lost = master.access.until_lost(&caller, &rights) => {
                    schedulers.end(connection, Some(&lost.to_string()));
                }
            }
            // The loop is gone only when the process is about to end.
            let _ = inbox.schedulers.send(Event::Unsubscribed(connection)).await;
        });
        Ok(response)
    }

    async fn pass_on(self, call: Call) -> Result<Response, Response> {
        if call.r#type() == Type::ReconcileOperations {
            self.wanted()?;
        }
        let framework_id = call.framework_id.as_ref().map(|id| id.value.as_str()).unwrap_or_default();
        let stream_id = self.headers.get(STREAM_ID).and_then(|id| id.to_str().ok());
        let checked = self.master.schedulers.check(framework_id, self.caller.principal(), stream_id);
        let connection = checked.map_err(|refused| match refused {
            Refused::Bad(why) => bad(why),
            Refused::Forbidden(why) => text(StatusCode::FORBIDDEN, why),
        })?;
        if call.r#type() == Type::Unknown {
            return Err(text(StatusCode::NOT_IMPLEMENTED, "UNKNOWN is no call"));
        }
        if call.r#type() == Type::UpdateFramework {
            let Some(update) = call.update_framework else {
                return Err(bad("Expecting 'update_framework' to be present"));
            };
            return self.update(connection, update).await;
        }
        let denied =
            rights::denied(&self.master.access, &self.caller, &call).await.map_err(IntoResponse::into_response)?;
        self.send(Event::Call { connection, call: Box::new(call), denied }).await?;
        Ok(StatusCode::ACCEPTED.into_response())
    }

    /// The one call whose answer says what became of it.
    async fn update(
        self,
        connection: proffer_master::Connection,
        update: call::UpdateFramework,
    ) -> Result<Response, Response> {
        let namespace = self.caller.namespace();
        let allowed =
            self.master.access.authorize(&self.caller, Action::RegisterFrameworks, Object::namespace(namespace)).await;
        allowed.map_err(IntoResponse::into_response)?;
        let (asked, answered) = self.master.schedulers.ask();
        self.send(Event::UpdateFramework { connection, asked, update: Box::new(update) }).await?;
        match answered.await {
            Ok(Ok(())) => Ok(StatusCode::OK.into_response()),
            Ok(Err(why)) => Err(bad(why)),
            Err(_) => Err(text(StatusCode::SERVICE_UNAVAILABLE, "The master ended")),
        }
    }

    /// Gives an event to the master's loop, which may have to catch up first.
    async fn send(&self, event: Event) -> Result<(), Response> {
        let sent = self.inbox.schedulers.send(event).await;
        sent.map_err(|_| text(StatusCode::SERVICE_UNAVAILABLE, "The master ended"))
    }

    #[expect(clippy::result_large_err, reason = "the answer is sent, not passed on")]
    fn wanted(&self) -> Result<Encoding, Response> {
        Encoding::wanted(self.headers.get(header::ACCEPT)).ok_or_else(|| {
            text(
                StatusCode::NOT_ACCEPTABLE,
                "Expecting 'Accept' to allow 'application/x-protobuf' or 'application/json'",
            )
        })
    }
}
