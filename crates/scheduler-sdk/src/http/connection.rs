//! One connection, and requests on it.

use super::{Client, HttpError, MAX_ANSWER, STREAM_ID, tls, to_bytes};
use crate::{MasterUrl, v1};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Response, header};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use std::io;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// A connection that requests can be sent on.
pub(super) type Connection = SendRequest<Full<Bytes>>;

impl Client {
    /// Connects to a master. The connection closes when it is dropped, and the answers of its requests are.
    pub(super) async fn connect(&self, master: &MasterUrl) -> Result<Connection, HttpError> {
        let unreachable = |error| HttpError::Connect(master.to_string(), error);
        let tcp = TcpStream::connect((master.host(), master.port())).await.map_err(unreachable)?;
        // Calls are small and somebody waits for each.
        tcp.set_nodelay(true).map_err(unreachable)?;
        if !master.is_https() {
            let (sender, connection) = handshake(TokioIo::new(tcp)).await.map_err(HttpError::Connection)?;
            tokio::spawn(connection);
            return Ok(sender);
        }
        let name =
            ServerName::try_from(master.host().to_owned()).map_err(|error| unreachable(io::Error::other(error)))?;
        let connector = TlsConnector::from(tls::config(&self.tls).await?);
        let stream = connector.connect(name, tcp).await.map_err(unreachable)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(HttpError::Connection)?;
        tokio::spawn(connection);
        Ok(sender)
    }

    /// The request of a call.
    pub(super) async fn request(
        &self,
        master: &MasterUrl,
        stream_id: Option<&str>,
        call: &v1::scheduler::Call,
    ) -> Result<Request<Full<Bytes>>, HttpError> {
        let content_type = self.encoding.content_type();
        let mut request = Request::post(master.path())
            .header(header::HOST, master.authority())
            .header(header::CONTENT_TYPE, content_type)
            .header(header::ACCEPT, content_type)
            .header(header::USER_AGENT, concat!("proffer-scheduler-sdk/", env!("CARGO_PKG_VERSION")));
        if let Some(stream_id) = stream_id {
            request = request.header(STREAM_ID, stream_id);
        }
        if let Some(authorization) = self.authorization.header().await? {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        Ok(request.body(Full::new(Bytes::from(to_bytes(self.encoding, call))))?)
    }
}

/// A header's value, if it is there and is text.
pub(super) fn text_of<'a>(answer: &'a Response<Incoming>, name: &str) -> Option<&'a str> {
    answer.headers().get(name)?.to_str().ok()
}

/// The body of an answer, as far as anybody wants to read it.
pub(super) async fn body_of(answer: Response<Incoming>) -> String {
    match Limited::new(answer.into_body(), MAX_ANSWER).collect().await {
        Ok(body) => String::from_utf8_lossy(&body.to_bytes()).trim().to_owned(),
        Err(error) => format!("(its text cannot be read: {error})"),
    }
}
