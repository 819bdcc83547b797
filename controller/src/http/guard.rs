//! What every request passes before its handler: bounds on its body, and for what needs a caller, who that is.

use super::Master;
use super::answer::text;
use super::files::Peer;
use super::redirect::leader_only;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Sleep;

/// Largest body that is taken, in bytes. Handlers may take less.
const LARGEST_BODY: u64 = 16 << 20;
/// How long a whole body may take to come.
const LONGEST_BODY: Duration = Duration::from_mins(1);

/// Refuses a body that says it is too large without reading it, and cuts off one that turns out to be, or is too slow.
pub(super) async fn bounded(request: Request, next: Next) -> Response {
    let said = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if said.is_some_and(|length: u64| length > LARGEST_BODY) {
        return last_word(text(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("413 Payload Too Large. At most {LARGEST_BODY} bytes are taken.\n"),
        ));
    }
    // Nothing that is read here is worth the memory that a small body may unpack to.
    if request.headers().get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return last_word(text(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "415 Unsupported Media Type. A body must not have a Content-Encoding.\n",
        ));
    }
    next.run(request.map(|body| Body::new(Bounded::new(body, LONGEST_BODY)))).await
}

/// Lets in who has good credentials and is within their rate limit. A standby protects nothing: its handlers tell where
/// the leader is.
pub(super) async fn known(State(master): State<Master>, peer: Peer, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    if leader_only(&master, &parts.uri).is_ok() {
        let admitted = async {
            let caller = master.access.authenticate(&parts.headers, peer.0.ip()).await?;
            master.access.admit(&caller).await
        };
        if let Err(denied) = admitted.await {
            // What else they would send is not read.
            return last_word(denied.into_response());
        }
    }
    next.run(Request::from_parts(parts, body)).await
}

/// An answer after which the connection ends.
fn last_word(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// The body of a request, cut off when it is too large or too slow.
struct Bounded {
    body: Body,
    left: u64,
    longest: Duration,
    /// Runs from when the body is first waited for.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Bounded {
    fn new(body: Body, longest: Duration) -> Self {
        Self { body, left: LARGEST_BODY, longest, deadline: None }
    }
}

impl HttpBody for Bounded {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        let frame = Pin::new(&mut this.body).poll_frame(context);
        match &frame {
            Poll::Ready(Some(Ok(frame))) => {
                let length = frame.data_ref().map_or(0, |data| u64::try_from(data.len()).unwrap_or(u64::MAX));
                match this.left.checked_sub(length) {
                    Some(left) => this.left = left,
                    None => return Poll::Ready(Some(Err(axum::Error::new(Cut::TooLarge)))),
                }
            }
            Poll::Pending => {
                let longest = this.longest;
                let deadline = this.deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep(longest)));
                if deadline.as_mut().poll(context).is_ready() {
                    return Poll::Ready(Some(Err(axum::Error::new(Cut::TooSlow))));
                }
            }
            Poll::Ready(_) => {}
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Why a body was cut off.
#[derive(Debug, thiserror::Error)]
enum Cut {
    #[error("the body has more than {LARGEST_BODY} bytes")]
    TooLarge,
    #[error("the body took too long")]
    TooSlow,
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::to_bytes;
    use futures::stream;

    fn body(chunk: usize, chunks: usize) -> Body {
        let bytes = Bytes::from(vec![b'x'; chunk]);
        let body = Body::from_stream(stream::iter((0..chunks).map(move |_| Ok::<_, axum::Error>(bytes.clone()))));
        Body::new(Bounded::new(body, LONGEST_BODY))
    }

    #[tokio::test]
    async fn a_body_is_cut_off_where_it_becomes_too_large() {
        let most = usize::try_from(LARGEST_BODY).unwrap();
        assert_eq!(to_bytes(body(1 << 20, 16), usize::MAX).await.unwrap().len(), most);
        assert!(to_bytes(body(1 << 20, 17), usize::MAX).await.is_err());
    }

    #[tokio::test]
    async fn a_body_that_never_ends_is_cut_off_in_time() {
        let body = Body::from_stream(stream::pending::<Result<Bytes, axum::Error>>());
        let body = Body::new(Bounded::new(body, Duration::from_millis(10)));
        assert!(to_bytes(body, usize::MAX).await.is_err());
    }
}
