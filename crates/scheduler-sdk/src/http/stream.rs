//! The stream of events.

use super::connection::{body_of, text_of};
use super::{Client, HttpError, STREAM_ID, from_bytes};
use crate::MasterUrl;
use crate::event::Received;
use crate::session::{Answer, Attempt, Input};
use crate::v1::scheduler::{Call, Event};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use proffer_mesos_api::recordio::Decoder;
use std::time::Duration;
use tokio::sync::mpsc::Sender;

/// Subscribes and tells everything that comes, until the stream ends or nobody listens.
pub(crate) async fn follow(
    client: &Client,
    attempt: Attempt,
    master: &MasterUrl,
    call: &Call,
    within: Duration,
    inputs: &Sender<Input>,
) {
    let answer = tokio::time::timeout(within, subscribe(client, master, call)).await;
    let (answer, body) = match answer.unwrap_or(Err(HttpError::TimedOut(within))) {
        Ok(done) => done,
        Err(error) => (Answer::Failed(error.to_string()), None),
    };
    if inputs.send(Input::Answer(attempt, answer)).await.is_err() {
        return;
    }
    if let Some(body) = body
        && let Some(why) = read(client, attempt, body, inputs).await
    {
        // Nobody listens when the driver is just ending, and then nobody needs to know.
        let _ = inputs.send(Input::StreamEnded(attempt, why)).await;
    }
}

async fn subscribe(client: &Client, master: &MasterUrl, call: &Call) -> Result<(Answer, Option<Incoming>), HttpError> {
    let request = client.request(master, None, call).await?;
    let mut connection = client.connect(master).await?;
    let answer = connection.send_request(request).await.map_err(HttpError::Connection)?;
    let content_type = client.encoding.content_type();
    Ok(match answer.status().as_u16() {
        200 => match (text_of(&answer, STREAM_ID), text_of(&answer, "content-type")) {
            (None | Some(""), _) => (Answer::Failed("the answer has no Mesos-Stream-Id".to_owned()), None),
            (Some(_), given) if given != Some(content_type) => {
                (Answer::Failed(format!("the stream is {given:?} and not {content_type}")), None)
            }
            (Some(stream_id), _) => (Answer::Opened(stream_id.to_owned()), Some(answer.into_body())),
        },
        307 => (Answer::Redirect(text_of(&answer, "location").unwrap_or_default().to_owned()), None),
        status => {
            if status == 401 {
                client.authorization.refused();
            }
            (Answer::Status(status, body_of(answer).await), None)
        }
    })
}

/// Reads until the stream ends, and says why it did; nothing if nobody listens any more.
async fn read(client: &Client, attempt: Attempt, mut body: Incoming, inputs: &Sender<Input>) -> Option<String> {
    let mut decoder = Decoder::new(client.max_event_bytes);
    loop {
        let bytes = match body.frame().await {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(bytes) => bytes,
                // Trailers, which mean nothing here.
                Err(_) => continue,
            },
            Some(Err(error)) => return Some(format!("the stream broke: {error}")),
            None if decoder.is_between_records() => return Some("the master closed the stream".to_owned()),
            None => return Some("the stream ended within a record".to_owned()),
        };
        let mut rest = &bytes[..];
        loop {
            let record = match decoder.decode(&mut rest) {
                Ok(Some(record)) => record,
                Ok(None) => break,
                Err(error) => return Some(error.to_string()),
            };
            let event = match from_bytes::<Event>(client.encoding, &record) {
                Ok(event) => Received::from(event),
                Err(error) => return Some(format!("an event cannot be read: {error}")),
            };
            inputs.send(Input::Event(attempt, Box::new(event))).await.ok()?;
        }
    }
}
