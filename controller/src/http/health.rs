//! `/healthz`, `/readyz`, `/metrics`, and Mesos' `/health` and `/version`.

use super::answer::{text, written};
use super::reads::Jsonp;
use super::{Master, about};
use crate::agent_link::Standing;
use crate::clock::Boot;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use proffer_mesos_api::json;

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

/// Mesos' own: an empty answer says that the process serves.
pub(super) async fn health() -> Response {
    StatusCode::OK.into_response()
}

/// Version and build, under Mesos' names.
pub(super) async fn version(Query(asked): Query<Jsonp>) -> Response {
    let mut body = String::new();
    json::object(&mut body, |out| {
        let build = about::build();
        out.string("build_date", build.date);
        out.double("build_time", build.time);
        out.string("build_user", build.user);
        out.string("git_sha", build.git_sha);
        out.string("version", build.version);
    });
    written(body, asked.jsonp.as_deref()).unwrap_or_else(|refused| refused)
}
