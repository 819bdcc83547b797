//! Opening a connection to one controller.

use super::client::LinkSettings;
use proffer_agent_link::v1::agent_link_client::AgentLinkClient;
use proffer_agent_link::{MAX_MESSAGE_BYTES, v1};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};
use tonic::{Request, Status, Streaming};

/// A controller in the same cluster that does not answer by then is down.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The leader has the API server review the agent's token before it answers.
const ATTACH_TIMEOUT: Duration = Duration::from_secs(10);
/// A name that is not resolved by then is looked up again later: DNS may be what has failed.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(1);
/// A connection on which nothing is heard for this long is asked whether it is still there.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(2);
/// And is given up when nothing comes back for this long.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(2);

/// Why a controller cannot be reached.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The name does not resolve.
    #[error("cannot resolve the controllers' address {0:?}")]
    Resolve(String, #[source] std::io::Error),
    /// A file of the connection's credentials cannot be read.
    #[error("cannot read {0}")]
    Credentials(std::path::PathBuf, #[source] std::io::Error),
    /// The token is not text.
    #[error("the token in {0} is not usable as a header")]
    Token(std::path::PathBuf),
    /// No connection.
    #[error("cannot connect to the controller at {0}")]
    Connect(SocketAddr, #[source] tonic::transport::Error),
    /// The connection is there, the call is not accepted.
    #[error("the controller at {0} does not accept this agent: {1}")]
    Attach(SocketAddr, String),
}

/// All addresses of the controllers.
pub(super) async fn resolve(controller: &str) -> Result<Vec<SocketAddr>, DialError> {
    let found = match tokio::time::timeout(RESOLVE_TIMEOUT, tokio::net::lookup_host(controller)).await {
        Ok(found) => found,
        Err(_) => Err(std::io::ErrorKind::TimedOut.into()),
    };
    found.map(Iterator::collect).map_err(|error| DialError::Resolve(controller.to_owned(), error))
}

/// A stream to a controller on which nothing has been said yet.
pub(super) struct Attached {
    /// What is sent goes out on it.
    pub(super) outgoing: mpsc::UnboundedSender<v1::FromAgent>,
    /// What the controller says.
    pub(super) incoming: Streaming<v1::FromMaster>,
}

/// Opens a stream to the controller at `address`.
pub(super) async fn attach(settings: LinkSettings, address: SocketAddr) -> Result<Attached, DialError> {
    // Read again each time: the kubelet renews the one, an administrator the other.
    let read = |path: &std::path::PathBuf| {
        std::fs::read_to_string(path).map_err(|error| DialError::Credentials(path.clone(), error))
    };
    let (authority, token) = (read(&settings.ca_file)?, read(&settings.token_file)?);
    let bearer: AsciiMetadataValue =
        format!("Bearer {}", token.trim()).parse().map_err(|_| DialError::Token(settings.token_file.clone()))?;
    let connect = |error| DialError::Connect(address, error);
    let tls =
        ClientTlsConfig::new().ca_certificate(Certificate::from_pem(authority)).domain_name(&settings.server_name);
    let endpoint = Endpoint::from_shared(format!("https://{address}"))
        .map_err(connect)?
        .tls_config(tls)
        .map_err(connect)?
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true);
    let attach = async {
        let mut client = AgentLinkClient::new(endpoint.connect().await.map_err(connect)?)
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES);
        let (outgoing, messages) = mpsc::unbounded_channel();
        let mut request = Request::new(UnboundedReceiverStream::new(messages));
        request.metadata_mut().insert("authorization", bearer);
        let refused = |status: Status| DialError::Attach(address, format!("{}: {}", status.code(), status.message()));
        let incoming = client.attach(request).await.map_err(refused)?.into_inner();
        Ok(Attached { outgoing, incoming })
    };
    // A controller that is stopped still gets its connections accepted, by the kernel; answer it does not.
    match tokio::time::timeout(ATTACH_TIMEOUT, attach).await {
        Ok(attached) => attached,
        Err(_) => Err(DialError::Attach(address, "it did not answer in time".to_owned())),
    }
}
