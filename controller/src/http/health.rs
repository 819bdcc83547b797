//! `/healthz`, `/readyz`, `/metrics` and `/version`.

use super::{Master, text};
use crate::agent_link::Standing;
use crate::clock::Boot;
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// Whether the process answers at all.
pub(super) async fn healthz() -> Response {
    text(StatusCode::OK, "ok\n")
}

/// A standby is ready when it could take over, a leader when it has.
pub(super) async fn readyz(State(master): State<Master>) -> Response {
    let unready = |why: &str| text(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n"));
    if matches!(*master.standing.borrow(), Standing::Leader { .. }) {
        return text(StatusCode::OK, "ok: leads\n");
    }
    if master.is_holder() {
        return unready("Master has not finished recovery");
    }
    if !master.watches.are_synced() {
        return unready("the watches are not synced yet");
    }
    text(StatusCode::OK, "ok: stands by\n")
}

/// Figures, as `OpenMetrics`.
pub(super) async fn metrics(State(master): State<Master>) -> Response {
    match master.metrics.encode(&master.registry, Boot::now()) {
        Ok(figures) => {
            ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], figures)
                .into_response()
        }
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("the figures cannot be written: {error}\n")),
    }
}

/// Version and build, under Mesos' names.
pub(super) async fn version() -> Response {
    let build_time: Option<f64> = option_env!("PROFFER_BUILD_TIME").and_then(|time| time.parse().ok());
    Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "git_sha": option_env!("PROFFER_GIT_SHA").unwrap_or_default(),
        "build_date": option_env!("PROFFER_BUILD_DATE").unwrap_or_default(),
        "build_time": build_time.unwrap_or_default(),
        "build_user": option_env!("PROFFER_BUILD_USER").unwrap_or_default(),
    }))
    .into_response()
}
