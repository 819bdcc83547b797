//! The forms that answers have: JSON or a script around it, texts, and refusals in Mesos' words.

use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// A plain text for a person, which no browser takes for anything else.
pub(super) fn text(status: StatusCode, text: impl Into<String>) -> Response {
    (
        status,
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")],
        text.into(),
    )
        .into_response()
}

/// The answer, or the refusal that took its place.
pub(super) async fn answer(handler: impl Future<Output = Result<Response, Response>>) -> Response {
    handler.await.unwrap_or_else(|refused| refused)
}

/// A value as JSON, or as a script that calls a function with it (Mesos' web UI asks so).
#[expect(clippy::result_large_err, reason = "the answer is sent, not passed on")]
pub(super) fn json(value: &impl Serialize, jsonp: Option<&str>) -> Result<Response, Response> {
    let body = serde_json::to_string(value).map_err(|error| {
        text(StatusCode::INTERNAL_SERVER_ERROR, format!("The answer cannot be written: {error}.\n"))
    })?;
    written(body, jsonp)
}

/// JSON that is written already, in the same two forms.
#[expect(clippy::result_large_err, reason = "the answer is sent, not passed on")]
pub(super) fn written(body: String, jsonp: Option<&str>) -> Result<Response, Response> {
    let nosniff = (header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    match jsonp {
        None => Ok(([(header::CONTENT_TYPE, "application/json"), nosniff], body).into_response()),
        Some(function) => {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '.');
            if function.is_empty() || function.len() > 128 || !function.chars().all(plain) {
                return Err(text(StatusCode::BAD_REQUEST, "jsonp must be the name of a function.\n"));
            }
            Ok(([(header::CONTENT_TYPE, "text/javascript"), nosniff], format!("{function}({body});")).into_response())
        }
    }
}

/// 405, as Mesos says it.
pub(super) fn not_allowed(method: &Method, allowed: &[&'static str]) -> Response {
    let expected = allowed.join("', '");
    let mut response = text(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("405 Method Not Allowed. Expecting one of {{ '{expected}' }}, but received '{method}'."),
    );
    if let Ok(allow) = HeaderValue::from_str(&allowed.join(", ")) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}
