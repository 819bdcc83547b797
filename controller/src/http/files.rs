//! `/files/browse`, `/files/read` and `/files/download`: sandboxes, fetched from their agents over the link.

use super::Master;
use super::answer::{answer, json, text};
use super::redirect::leader_only;
use crate::agent_link::FileError;
use axum::body::Body;
use axum::extract::{ConnectInfo, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use proffer_master::{AgentName, Epoch, ObjectKey};
use proffer_mesos_api::files::{FileData, FileInfo, MAX_READ_BYTES};
use serde::Deserialize;
use std::net::SocketAddr;
use std::sync::Arc;

/// What is asked for. All texts, so that what is wrong can be told in Mesos' words.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    path: Option<String>,
    offset: Option<String>,
    length: Option<String>,
    jsonp: Option<String>,
}

/// Who asks.
pub(super) type Peer = ConnectInfo<SocketAddr>;

/// A file or folder that the caller may see.
pub(super) struct Granted {
    master: Master,
    epoch: Epoch,
    agent: AgentName,
    path: String,
}

/// The files of a folder.
pub(super) async fn browse(
    State(master): State<Master>,
    peer: Peer,
    uri: Uri,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Response {
    answer(async {
        let granted = grant(master, peer, &uri, &headers, asked.path.as_deref()).await?;
        json(&granted.browse().await?, asked.jsonp.as_deref())
    })
    .await
}

/// A part of a file.
pub(super) async fn read(
    State(master): State<Master>,
    peer: Peer,
    uri: Uri,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Response {
    answer(async {
        let offset = number("offset", asked.offset.as_deref())?;
        let length = number("length", asked.length.as_deref())?;
        let granted = grant(master, peer, &uri, &headers, asked.path.as_deref()).await?;
        let (offset, data) = granted.read(offset, length).await.map(|(offset, data, size)| {
            // Without an offset, the size is what is asked for (Mesos' own convention).
            if offset_is_size(asked.offset.as_deref()) { (size, Vec::new()) } else { (offset, data) }
        })?;
        json(&FileData { data: String::from_utf8_lossy(&data).into_owned(), offset }, asked.jsonp.as_deref())
    })
    .await
}

/// A whole file.
pub(super) async fn download(
    State(master): State<Master>,
    peer: Peer,
    uri: Uri,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Response {
    answer(async {
        let granted = Arc::new(grant(master, peer, &uri, &headers, asked.path.as_deref()).await?);
        let (_, first, size) = granted.read(0, -1).await?;
        let name = granted.path.rsplit('/').next().unwrap_or("file").to_owned();
        let at = u64::try_from(first.len()).unwrap_or(0);
        let rest = futures::stream::unfold((granted, at), move |(granted, at)| async move {
            if at >= size {
                return None;
            }
            let offset = i64::try_from(at).unwrap_or(i64::MAX);
            // A file that became shorter meanwhile breaks the download off, so that nobody takes it for whole.
            let broken = || Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof));
            match granted.read(offset, -1).await {
                Ok((_, mut data, _)) if !data.is_empty() => {
                    data.truncate(usize::try_from(size - at).unwrap_or(usize::MAX));
                    let next = at + u64::try_from(data.len()).unwrap_or(0);
                    Some((Ok(data), (granted, next)))
                }
                _ => Some((broken(), (granted, size))),
            }
        });
        let body = futures::StreamExt::chain(futures::stream::iter([Ok(first)]), rest);
        let mut response = Body::from_stream(body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(size));
        headers.insert(header::CONTENT_DISPOSITION, disposition(&name));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'"));
        Ok(response)
    })
    .await
}

impl Granted {
    /// The files of the folder.
    pub(super) async fn browse(&self) -> Result<Vec<FileInfo>, Response> {
        let links = &self.master.links;
        links.browse(self.epoch, &self.agent, &self.path).await.map_err(|error| failure(&error))
    }

    /// A part of the file: where it starts, its bytes, and the size of the whole. `length` -1 is as much as one read gives.
    pub(super) async fn read(&self, offset: i64, length: i64) -> Result<(u64, Vec<u8>, u64), Response> {
        self.master
            .links
            .read(self.epoch, &self.agent, &self.path, offset, length)
            .await
            .map_err(|error| failure(&error))
    }
}

/// Finds the task whose sandbox is asked for, and whether the caller may see it.
pub(super) async fn grant(
    master: Master,
    peer: Peer,
    uri: &Uri,
    headers: &HeaderMap,
    path: Option<&str>,
) -> Result<Granted, Response> {
    let epoch = leader_only(&master, uri)?;
    let path = path.filter(|path| !path.is_empty());
    let path = path.ok_or_else(|| text(StatusCode::BAD_REQUEST, "Expecting 'path=value' in query.\n"))?;
    if path.split('/').any(|part| part == "..") || path.contains('\0') {
        return Err(text(StatusCode::BAD_REQUEST, "The path must not have .. or a zero byte in it.\n"));
    }
    let task = master.registry.task_of_sandbox(path);
    let key = task.as_ref().map(|task| {
        let meta = task.meta();
        ObjectKey::new(meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default())
    });
    master.may_read_sandbox(headers, peer.0.ip(), key.as_ref()).await?;
    let agent = task
        .as_ref()
        .and_then(|task| task.value().ok()?.status.as_ref()?.agent.as_ref())
        .map(|agent| agent.name.clone());
    let Some(agent) = agent else {
        return Err(text(
            StatusCode::NOT_FOUND,
            format!("No task's sandbox is at {path:?}: a Task's own path stands in its status.sandbox.\n"),
        ));
    };
    Ok(Granted { epoch, agent: AgentName(agent), path: path.trim_end_matches('/').to_owned(), master })
}

/// Whether the caller wants the size only: no offset, or -1.
fn offset_is_size(offset: Option<&str>) -> bool {
    matches!(offset, None | Some("-1"))
}

/// An offset or length; -1 if there is none.
#[expect(clippy::result_large_err, reason = "the answer is sent, not passed on")]
fn number(name: &str, text_value: Option<&str>) -> Result<i64, Response> {
    let Some(value) = text_value else { return Ok(-1) };
    match value.parse::<i64>() {
        Ok(number) if number >= -1 => {
            let most = if name == "length" { i64::try_from(MAX_READ_BYTES).unwrap_or(i64::MAX) } else { i64::MAX };
            Ok(number.min(most))
        }
        Ok(number) => Err(text(StatusCode::BAD_REQUEST, format!("Negative {name} provided: {number}.\n"))),
        Err(error) => Err(text(StatusCode::BAD_REQUEST, format!("Failed to parse {name}: {value:?}: {error}.\n"))),
    }
}

fn failure(error: &FileError) -> Response {
    let status = match error {
        FileError::Agent(status, _) => StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_GATEWAY),
        FileError::NotConnected(_) => StatusCode::SERVICE_UNAVAILABLE,
        FileError::NoAnswer(_) => StatusCode::GATEWAY_TIMEOUT,
    };
    text(status, format!("{error}.\n"))
}

/// The file's name for the browser; what a header cannot have becomes an underscore.
fn disposition(name: &str) -> HeaderValue {
    let plain: String =
        name.chars().map(|c| if c.is_ascii_graphic() && !matches!(c, '"' | '\\') { c } else { '_' }).collect();
    HeaderValue::from_str(&format!("attachment; filename=\"{plain}\""))
        .unwrap_or(HeaderValue::from_static("attachment"))
}
