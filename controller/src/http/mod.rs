//! HTTP on 5050, where Mesos' master has it: health, metrics, and Mesos' own endpoints.
//!
//! A replica that does not lead answers 307 with the leader's address, as a Mesos standby does.

mod authorize;
mod files;
mod health;
mod redirect;

pub use authorize::Anonymous;

use crate::agent_link::{Links, Standing};
use crate::auth::Reviewer;
use crate::leader::Identity;
use crate::metrics::Metrics;
use crate::registry::{Registry, Watches};
use axum::Router;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// What handlers need.
#[derive(Clone)]
pub struct Master {
    /// This process.
    pub me: Identity,
    /// What this process is.
    pub standing: watch::Receiver<Standing>,
    /// Who leads.
    pub holder: watch::Receiver<Option<Identity>>,
    /// Port of HTTP, on every replica.
    pub port: u16,
    /// Whether the registry is complete.
    pub watches: Watches,
    /// The newest objects.
    pub registry: Arc<Registry>,
    /// The connected agents.
    pub links: Arc<Links>,
    /// Asks the API server who may do what.
    pub reviewer: Arc<Reviewer>,
    /// Who needs no token.
    pub anonymous: Anonymous,
    /// Figures.
    pub metrics: Arc<Metrics>,
}

/// Every route.
pub fn router(master: Master) -> Router {
    Router::new()
        .route("/healthz", get(health::healthz))
        .route("/health", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics))
        .route("/version", get(health::version))
        .route("/redirect", get(redirect::redirect))
        .route("/master/redirect", get(redirect::redirect))
        .route("/files/browse", get(files::browse))
        .route("/files/browse.json", get(files::browse))
        .route("/files/read", get(files::read))
        .route("/files/read.json", get(files::read))
        .route("/files/download", get(files::download))
        .fallback(other)
        .with_state(master)
}

/// Serves until the process ends.
pub async fn serve(master: Master, listener: TcpListener) -> std::io::Result<()> {
    axum::serve(listener, router(master).into_make_service_with_connect_info::<SocketAddr>()).await
}

/// Everything that is not there (yet).
async fn other(axum::extract::State(master): axum::extract::State<Master>, uri: Uri) -> Response {
    if let Err(elsewhere) = redirect::leader_only(&master, &uri) {
        return elsewhere;
    }
    text(
        StatusCode::NOT_FOUND,
        format!(
            "404 Not Found. {} is not served by this version of Proffer. There are /version, /redirect, /files/browse, /files/read, \
             /files/download, /metrics, /healthz and /readyz; frameworks, tasks, offers and agents are objects: kubectl get proffer -A.\n",
            uri.path()
        ),
    )
}

/// A plain text for a person, which no browser takes for anything else.
fn text(status: StatusCode, text: impl Into<String>) -> Response {
    (
        status,
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")],
        text.into(),
    )
        .into_response()
}
