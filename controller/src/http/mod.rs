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
mod guard;
mod health;
mod listener;
mod operator;
mod reads;
mod redirect;
mod scheduler;
mod state;
pub(crate) mod stream;
mod view;

pub use about::About;
pub use api::{Subscribers, master_info};
pub use listener::{Closed, Connections, Limits, listen};

use crate::agent_link::{Links, Standing};
use crate::auth::Access;
use crate::leader::Identity;
use crate::logging::Levels;
use crate::metrics::Metrics;
use crate::operators::Operators;
use crate::registry::{Registry, Watches};
use crate::schedulers::Schedulers;
use answer::{not_allowed, text};
use axum::Router;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::middleware;
use axum::response::Response;
use axum::routing::{MethodRouter, any, get};
use files::Peer;
use kube::Client;
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
    /// The operators whose changes are under way.
    pub operators: Operators,
}

/// Every route.
pub fn router(master: Master) -> Router {
    // For everybody: what says whether and where the master is.
    let mut open = Router::new()
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics));
    let own =
        [("health", get(health::health)), ("version", get(health::version)), ("redirect", get(redirect::redirect))];
    for (name, method) in own {
        open = spelled(open, name, &method);
    }
    // For callers who say who they are.
    let acts = [("teardown", any(acts::teardown)), ("logging/toggle", get(acts::toggle))];
    let reads = reads::READS.into_iter().map(|(name, read)| {
        let serve =
            move |master: State<Master>, peer: Peer, uri: Uri, headers: HeaderMap, asked: Query<reads::Asked>| {
                reads::serve(read, master, peer, uri, headers, asked)
            };
        (name, get(serve).fallback(read_only))
    });
    let operators = |endpoint| {
        any(move |master: State<Master>, peer: Peer, asked: Query<reads::Jsonp>, request: Request| {
            operator::endpoint(endpoint, master, peer, asked, request)
        })
    };
    let changes = operator::ENDPOINTS.into_iter().map(|(name, endpoint)| (name, operators(endpoint)));
    let mut known = Router::new();
    for (name, method) in acts.into_iter().chain(reads).chain(changes) {
        known = spelled(known, name, &method);
    }
    for path in ["/api/v1", "/api/v1/operator", "/master/api/v1", "/master/api/v1/operator"] {
        known = known.route(path, any(api::call));
    }
    for path in ["/api/v1/scheduler", "/master/api/v1/scheduler"] {
        known = known.route(path, any(scheduler::call));
    }
    known = spelled(known, "files/browse", &get(files::browse));
    known = spelled(known, "files/read", &get(files::read));
    known = known.route("/files/download", get(files::download));
    for path in ["/quota/{*role}", "/master/quota/{*role}"] {
        known = known.route(path, operators(operator::Endpoint::Quota));
    }
    let known = known.route_layer(middleware::from_fn_with_state(master.clone(), guard::known));
    open.merge(known).fallback(other).layer(middleware::from_fn(guard::bounded)).with_state(master)
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

/// Serves until the process ends, without TLS and within the usual limits.
pub async fn serve(master: Master, listener: TcpListener) -> std::io::Result<()> {
    listen(router(master), listener, None, Connections::new(Limits::default())).await
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
