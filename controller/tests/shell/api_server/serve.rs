//! Requests, as the API server answers them.

use super::objects::Refusal;
use super::{ApiServer, Fault, State};
use axum::body::{Body, to_bytes};
use axum::extract::{Query, State as Shared};
use axum::http::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;

/// Where a request goes.
#[derive(Clone, Debug)]
struct Target {
    plural: String,
    namespace: Option<String>,
    name: Option<String>,
    subresource: Option<String>,
}

pub(super) async fn handle(
    Shared(server): Shared<ApiServer>,
    Query(query): Query<HashMap<String, String>>,
    request: Request<Body>,
) -> Response<Body> {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let body = to_bytes(request.into_body(), usize::MAX).await.unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let target = target(&path);
    if target.name.is_none() && method == Method::GET {
        if query.get("watch").is_some_and(|watch| watch == "true") {
            return watch(server, target, query.get("resourceVersion").and_then(|v| v.parse().ok()).unwrap_or(0));
        }
        let state = server.lock();
        let items = state.objects.list(&target.plural, target.namespace.as_deref());
        let version = state.objects.version().to_string();
        return answer(
            200,
            &json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": version}, "items": items}),
        );
    }
    let answered = act(&mut server.lock(), &method, &path, &target, &body);
    server.changed.notify_waiters();
    match answered {
        Some(answered) => answered,
        None => std::future::pending().await,
    }
}

/// The answer, if there is to be one.
fn act(state: &mut State, method: &Method, path: &str, target: &Target, body: &Value) -> Option<Response<Body>> {
    state.requests.push(format!("{method} {path}"));
    let fault = state
        .faults
        .iter()
        .position(|(m, end, _)| m == method && path.ends_with(end))
        .map(|index| state.faults.remove(index).2);
    if let Some(Fault::Refuse(code)) = fault {
        return Some(refused(code, "Fault", "a fault was ordered"));
    }
    if let Some(Fault::Hang) = fault {
        return None;
    }
    if let Some(Fault::Meanwhile(change)) = &fault {
        let (namespace, name) = (target.namespace.clone().unwrap_or_default(), target.name.clone().unwrap_or_default());
        state.objects.merge(&target.plural, &namespace, &name, change).unwrap();
    }
    let done = carry_out(state, method, target, body);
    if matches!(fault, Some(Fault::LoseAnswer)) {
        return Some(refused(504, "Timeout", "the answer was lost"));
    }
    Some(match done {
        Ok(object) => answer(if *method == Method::POST { 201 } else { 200 }, &object),
        Err(Refusal::NotFound) => refused(404, "NotFound", "not found"),
        Err(Refusal::AlreadyExists) => refused(409, "AlreadyExists", "already exists"),
        Err(Refusal::Conflict) => refused(409, "Conflict", "the object has been modified"),
    })
}

fn carry_out(state: &mut State, method: &Method, target: &Target, body: &Value) -> Result<Value, Refusal> {
    let (plural, namespace) = (target.plural.as_str(), target.namespace.as_deref().unwrap_or_default());
    match target.plural.as_str() {
        "tokenreviews" => {
            let token = body["spec"]["token"].as_str().unwrap_or_default();
            let status = state.tokens.get(token).cloned().unwrap_or_default();
            return Ok(json!({"metadata": {}, "spec": body["spec"], "status": status}));
        }
        "subjectaccessreviews" => {
            let spec = &body["spec"];
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let what = &spec["resourceAttributes"];
            let asked = if what["verb"] == "list" {
                format!("{}@{} lists {}", text(&spec["user"]), text(&what["namespace"]), text(&what["resource"]))
            } else {
                format!("{}@{}", text(&spec["user"]), text(&what["namespace"]))
            };
            let subresource = what["subresource"].as_str().map(|name| format!("/{name}")).unwrap_or_default();
            let right = if what.is_null() {
                let url = &spec["nonResourceAttributes"];
                format!("{} {} {} @", text(&spec["user"]), text(&url["verb"]), text(&url["path"]))
            } else {
                let (user, verb, resource) = (text(&spec["user"]), text(&what["verb"]), text(&what["resource"]));
                format!("{user} {verb} {resource}{subresource} @{}", text(&what["namespace"]))
            };
            let allowed = state.allowed.contains(&asked) || state.allowed.contains(&right);
            return Ok(json!({"metadata": {}, "spec": spec, "status": {"allowed": allowed}}));
        }
        _ => {}
    }
    let Some(name) = target.name.as_deref() else {
        return state.objects.create(plural, namespace, body.clone());
    };
    match *method {
        Method::GET => state.objects.get(plural, namespace, name).cloned().ok_or(Refusal::NotFound),
        Method::PUT => {
            let status_only = target.subresource.as_deref() == Some("status");
            state.objects.replace(plural, namespace, name, body, status_only)
        }
        Method::PATCH => state.objects.merge(plural, namespace, name, body),
        Method::DELETE => {
            let wanted = &body["preconditions"]["uid"];
            let known = state.objects.get(plural, namespace, name).ok_or(Refusal::NotFound)?;
            if !wanted.is_null() && known["metadata"]["uid"] != *wanted {
                return Err(Refusal::Conflict);
            }
            state.objects.delete(plural, namespace, name).ok_or(Refusal::NotFound)
        }
        _ => Err(Refusal::NotFound),
    }
}

fn target(path: &str) -> Target {
    let mut parts = path.trim_matches('/').split('/');
    let skipped = if parts.next() == Some("api") { 1 } else { 2 };
    let mut parts = parts.skip(skipped).map(str::to_owned).peekable();
    let namespace = if parts.peek().is_some_and(|part| part == "namespaces") {
        parts.next();
        parts.next()
    } else {
        None
    };
    Target { plural: parts.next().unwrap_or_default(), namespace, name: parts.next(), subresource: parts.next() }
}

/// A stream of changes after a version; an error if they are forgotten.
fn watch(server: ApiServer, target: Target, from: u64) -> Response<Body> {
    let generation = server.lock().generation;
    let stream = futures::stream::unfold(
        (server, target, from, false),
        move |(server, target, from, over)| async move {
            if over {
                return None;
            }
            let notify = Arc::clone(&server.changed);
            loop {
                let changed = notify.notified();
                let next = {
                    let state = server.lock();
                    if from < state.objects.compacted {
                        let error = json!({"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}});
                        drop(state);
                        return Some((
                            Ok::<String, std::convert::Infallible>(line(&error)),
                            (server, target, from, true),
                        ));
                    }
                    if state.generation != generation {
                        return None;
                    }
                    state
                        .objects
                        .changes
                        .iter()
                        .find(|change| change.version > from && change.plural == target.plural)
                        .cloned()
                };
                match next {
                    Some(change) => {
                        let event = json!({"type": change.kind, "object": change.object});
                        return Some((Ok(line(&event)), (server, target, change.version, false)));
                    }
                    None => changed.await,
                }
            }
        },
    );
    Response::builder().status(200).body(Body::from_stream(stream)).unwrap()
}

fn line(event: &Value) -> String {
    format!("{event}\n")
}

fn refused(code: u16, reason: &str, message: &str) -> Response<Body> {
    answer(
        code,
        &json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message}),
    )
}

fn answer(code: u16, body: &Value) -> Response<Body> {
    Response::builder()
        .status(StatusCode::from_u16(code).unwrap())
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()))
        .unwrap()
}
