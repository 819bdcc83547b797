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
use tonic::{Request, Streaming};

/// A controller in the same cluster that does not answer by then is down.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
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
    let found = tokio::net::lookup_host(controller).await;
    found.map(Iterator::collect).map_err(|error| DialError::Resolve(controller.to_owned(), error))
}

/// Opens a stream to the controller at `address`. What is sent into the channel beforehand goes out at once.
pub(super) async fn attach(
    settings: &LinkSettings,
    address: SocketAddr,
    outgoing: mpsc::UnboundedReceiver<v1::FromAgent>,
) -> Result<Streaming<v1::FromMaster>, DialError> {
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
    let channel = Endpoint::from_shared(format!("https://{address}"))
        .map_err(connect)?
        .tls_config(tls)
        .map_err(connect)?
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .connect()
        .await
        .map_err(connect)?;
    let mut client = AgentLinkClient::new(channel)
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES);
    let mut request = Request::new(UnboundedReceiverStream::new(outgoing));
    request.metadata_mut().insert("authorization", bearer);
    let attached = tokio::time::timeout(CONNECT_TIMEOUT, client.attach(request)).await;
    match attached {
        Ok(Ok(response)) => Ok(response.into_inner()),
        Ok(Err(status)) => Err(DialError::Attach(address, format!("{}: {}", status.code(), status.message()))),
        Err(_) => Err(DialError::Attach(address, "it did not answer in time".to_owned())),
    }
}
