//! The socket of HTTP: connections are taken in, bounded, and ended when they do nothing.
//!
//! ```text
//!  accept ─▶ Connections: a place, or that of the one that has been idle longest
//!            └▶ first byte within Limits::silent ─▶ TLS, if configured ─▶ HTTP/1.1 (hyper) ─▶ router
//!               Watched: heads in time, answers taken in time, idle not for ever
//! ```
//!
//! HTTP/1.1 only: Mesos and its clients speak nothing else, and what a connection can cost stays plain.

mod connections;
mod watched;

pub use connections::{Closed, Connections};

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use connections::Place;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;
use watched::{Answering, Watched};

/// What one connection, and all of them, may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most connections at once. One more takes the place of the one that has been idle longest.
    pub connections: usize,
    /// How long a new connection may say nothing at all. It has no buffers until then.
    pub silent: Duration,
    /// How long the head of a request, and a TLS handshake, may take.
    pub head: Duration,
    /// How long a connection may wait between two requests.
    pub idle: Duration,
    /// How long a peer may take nothing of an answer that it was sent.
    pub stalled: Duration,
    /// Largest head of a request, in bytes.
    pub head_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 16_384,
            silent: Duration::from_secs(30),
            head: Duration::from_secs(10),
            idle: Duration::from_mins(5),
            stalled: Duration::from_mins(1),
            head_bytes: 64 << 10,
        }
    }
}

/// How long to wait when the system has no sockets left.
const NO_SOCKETS: Duration = Duration::from_millis(100);

/// Serves the router until the process ends.
pub async fn listen(
    router: Router,
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    connections: Arc<Connections>,
) -> std::io::Result<()> {
    let acceptor = tls.map(TlsAcceptor::from);
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            // The peer went away again.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionAborted => continue,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a connection cannot be taken in");
                tokio::time::sleep(NO_SOCKETS).await;
                continue;
            }
        };
        let Some(place) = connections.place().await else { continue };
        tokio::spawn(attend(stream, peer, router.clone(), acceptor.clone(), place));
    }
}

/// One connection, from its first byte to its end.
async fn attend(stream: TcpStream, peer: SocketAddr, router: Router, tls: Option<TlsAcceptor>, place: Place) {
    let limits = *place.limits();
    // Events are small and wanted at once.
    let prepared = stream.set_nodelay(true).and_then(|()| {
        // Of a peer that vanished the kernel would wait for answers for a quarter of an hour.
        let millis = u32::try_from(limits.stalled.as_millis()).unwrap_or(u32::MAX);
        rustix::net::sockopt::set_tcp_user_timeout(&stream, millis).map_err(Into::into)
    });
    if let Err(error) = prepared {
        tracing::debug!(error = &error as &dyn std::error::Error, "a connection went away");
        return;
    }
    let place = Arc::new(place);
    let mut first = [0];
    let spoken = tokio::select! {
        first = stream.peek(&mut first) => matches!(first, Ok(1)),
        () = tokio::time::sleep(limits.silent) => {
            place.closes(Closed::Silent);
            false
        }
        () = place.given_up() => false,
    };
    if !spoken {
        return;
    }
    let watched = Watched::new(stream, Arc::clone(&place));
    let served = async {
        match tls {
            None => serve(watched, peer, router, &place).await,
            Some(acceptor) => {
                if let Ok(stream) = acceptor.accept(watched).await {
                    place.rests();
                    serve(stream, peer, router, &place).await;
                }
            }
        }
    };
    tokio::select! {
        () = served => {}
        why = place.overdue() => place.closes(why),
        () = place.given_up() => {}
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send,
    peer: SocketAddr,
    router: Router,
    place: &Arc<Place>,
) {
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let answering = Answering::begin(Arc::clone(place));
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        let answer = router.clone().oneshot(request);
        async move { answer.await.map(|response| response.map(|body| answering.until_sent(body))) }
    });
    let ended = http1::Builder::new()
        .max_buf_size(place.limits().head_bytes)
        // The same is watched here, together with what hyper does not watch.
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = ended {
        tracing::debug!(error = &error as &dyn std::error::Error, %peer, "a connection broke");
    }
}
