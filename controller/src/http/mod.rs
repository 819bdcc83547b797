//! HTTP on 5050, where Mesos' master has it: health, metrics, and Mesos' own endpoints.
//!
//! A replica that does not lead answers 307 with the leader's address, as a Mesos standby does.

mod about;
mod acts;
mod answer;
mod api;
mod authorize;
pub(crate) mod encoding;
mod figures;
mod files;
mod health;
mod missing;
mod reads;
mod redirect;
mod scheduler;
mod state;
pub(crate) mod stream;
mod view;

pub use about::About;
pub use api::{Subscribers, master_info};

use crate::agent_link::{Links, Standing};
use crate::auth::Access;
use crate::leader::Identity;
use crate::logging::Levels;
use crate::metrics::Metrics;
use crate::registry::{Registry, Watches};
use crate::schedulers::Schedulers;
use answer::{not_allowed, text};
use axum::Router;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::Response;
use axum::routing::{MethodRouter, any, get};
use files::Peer;
use kube::Client;
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
    /// Says who calls and what they may do.
    pub access: Arc<Access>,
    /// Figures.
    pub metrics: Arc<Metrics>,
    /// How much is logged.
    pub levels: Levels,
    /// The API server, for what operators change.
    pub client: Client,
    /// What this process says of itself.
    pub about: Arc<About>,
    /// Who follows the operator API's events.
    pub subscribers: Subscribers,
    /// The schedulers that are subscribed.
    pub schedulers: Schedulers,
}

/// Every route.
pub fn router(master: Master) -> Router {
    let mut router = Router::new()
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics));
    let own = [
        ("health", get(health::health)),
        ("version", get(health::version)),
        ("redirect", get(redirect::redirect)),
        ("teardown", any(acts::teardown)),
        ("logging/toggle", get(acts::toggle)),
    ];
    let reads = reads::READS.into_iter().map(|(name, read)| {
        let serve =
            move |master: State<Master>, peer: Peer, uri: Uri, headers: HeaderMap, asked: Query<reads::Asked>| {
                reads::serve(read, master, peer, uri, headers, asked)
            };
        (name, get(serve).fallback(read_only))
    });
    let missing = missing::ENDPOINTS.into_iter().map(|endpoint| {
        let serve = move |master: State<Master>, peer: Peer, asked: Query<reads::Jsonp>, request: Request| {
            missing::endpoint(endpoint, master, peer, asked, request)
        };
        (endpoint.path, any(serve))
    });
    for (name, method) in own.into_iter().chain(reads).chain(missing) {
        router = spelled(router, name, &method);
    }
    for path in ["/api/v1", "/api/v1/operator", "/master/api/v1", "/master/api/v1/operator"] {
        router = router.route(path, any(api::call));
    }
    for path in ["/api/v1/scheduler", "/master/api/v1/scheduler"] {
        router = router.route(path, any(scheduler::call));
    }
    router = spelled(router, "files/browse", &get(files::browse));
    router = spelled(router, "files/read", &get(files::read));
    router.route("/files/download", get(files::download)).fallback(other).with_state(master)
}

/// A route in every spelling that Mesos' clients use: of the master by name, and with the suffix of before Mesos 1.8.
fn spelled(mut router: Router<Master>, name: &str, method: &MethodRouter<Master>) -> Router<Master> {
    for path in [format!("/{name}"), format!("/{name}.json"), format!("/master/{name}"), format!("/master/{name}.json")]
    {
        router = router.route(&path, method.clone());
    }
    router
}

/// What only reads was asked to do something else.
async fn read_only(State(master): State<Master>, method: Method, uri: Uri) -> Response {
    match redirect::leader_only(&master, &uri) {
        Ok(_) => not_allowed(&method, &["GET", "HEAD"]),
        Err(elsewhere) => elsewhere,
    }
}

/// Serves until the process ends.
pub async fn serve(master: Master, listener: TcpListener) -> std::io::Result<()> {
    axum::serve(listener, router(master).into_make_service_with_connect_info::<SocketAddr>()).await
}

/// Everything that is not there (yet).
async fn other(State(master): State<Master>, uri: Uri) -> Response {
    if let Err(elsewhere) = redirect::leader_only(&master, &uri) {
        return elsewhere;
    }
    text(
        StatusCode::NOT_FOUND,
        format!(
            "404 Not Found. {} is not served by this version of Proffer. docs/mesos-api.md lists what is; frameworks, tasks, \
             offers and agents are also objects: kubectl get proffer -A.\n",
            uri.path()
        ),
    )
}
