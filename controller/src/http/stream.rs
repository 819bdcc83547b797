//! Streams of records to subscribers, as Mesos' scheduler and operator APIs have them.
//!
//! ```text
//!  who has news ── RecordSender::send ──▶ queue, bounded ──▶ body ──▶ hyper: one record, one chunk
//!                                                             ▲
//!                                            heartbeats ──────┘ made when they are due, never queued
//! ```
//!
//! [`open`] gives both ends. The sender never waits: a reader who takes records more slowly than they come finds the
//! stream ended once too much waits, with a last word if there is one for that case. Records that go to many readers are
//! framed once and shared.
//!
//! A reader who has stopped reading holds no more than its queue; its connection is for the listener to end
//! (`TCP_USER_TIMEOUT`).

use super::encoding::Encoding;
use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::Stream;
use proffer_mesos_api::recordio;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep};

/// How often a stream beats (Mesos: `DEFAULT_HEARTBEAT_INTERVAL`).
pub(crate) const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(15);

/// What a waiting record costs beside its own bytes, roughly.
const RECORD_OVERHEAD: usize = 64;

/// A message, encoded and framed. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record(Bytes);

impl Record {
    /// Frames an encoded message.
    pub(crate) fn new(message: &[u8]) -> Self {
        Self(recordio::encode(message).into())
    }
}

/// How a stream is.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    /// Most bytes of records that wait for the reader. The first record does not count, since it may be the whole state.
    pub(crate) most_waiting: usize,
    /// Said right after the first record and then again and again, whatever else is said.
    pub(crate) heartbeat: Record,
    /// How often: [`HEARTBEAT_INTERVAL`].
    pub(crate) every: Duration,
    /// The last word to a reader who is too slow. Nothing, where the API has no event for it.
    pub(crate) too_slow: Option<Record>,
}

/// Why a stream is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Our side ended it.
    Finished,
    /// The reader took records more slowly than they came.
    TooSlow,
    /// The reader went away.
    ReaderGone,
}

/// The sending end. Clones send into the same stream, which ends with the last of them.
#[derive(Clone, Debug)]
pub(crate) struct RecordSender(Arc<Last>);

/// The body end.
#[derive(Debug)]
pub(crate) struct Records {
    shared: Arc<Shared>,
    heartbeat: Record,
    every: Duration,
    /// When the stream beats next; nothing before its first record.
    next: Option<Pin<Box<Sleep>>>,
    beat_at_once: bool,
}

/// Ends the stream when it goes.
#[derive(Debug)]
struct Last(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    over: watch::Sender<Option<End>>,
    most_waiting: usize,
    too_slow: Option<Record>,
}

#[derive(Debug, Default)]
struct Queue {
    /// Records, each with what it counts for.
    waiting: VecDeque<(Record, usize)>,
    /// What waits, in bytes.
    bytes: usize,
    /// Whether a record was ever sent.
    begun: bool,
    /// Whether nothing will be put there any more.
    closed: bool,
    reader: Option<Waker>,
}

/// Opens a stream: the end to send by, and the body of the answer.
pub(crate) fn open(terms: Terms) -> (RecordSender, Records) {
    let Terms { most_waiting, heartbeat, every, too_slow } = terms;
    let shared = Arc::new(Shared { queue: Mutex::default(), over: watch::Sender::new(None), most_waiting, too_slow });
    let records = Records { shared: Arc::clone(&shared), heartbeat, every, next: None, beat_at_once: false };
    (RecordSender(Arc::new(Last(shared))), records)
}

/// The answer whose body is the stream. It has no length, by which clients tell it from a single message.
pub(crate) fn response(records: Records, encoding: Encoding) -> Response {
    (StatusCode::OK, [(header::CONTENT_TYPE, encoding.media_type())], Body::from_stream(records)).into_response()
}

impl RecordSender {
    /// Puts a record into the queue. Why not, if the stream is over or ends by this record being one too many.
    pub(crate) fn send(&self, record: Record) -> Result<(), End> {
        self.0.0.send(record)
    }

    /// Ends the stream after what waits, and after a last word. Nothing happens if it is over.
    pub(crate) fn finish(&self, last: Option<Record>) {
        self.0.0.end(End::Finished, last);
    }

    /// Whether the stream is over.
    pub(crate) fn is_over(&self) -> bool {
        self.0.0.over.borrow().is_some()
    }

    /// Why the stream is over, as soon as it is.
    pub(crate) async fn over(&self) -> End {
        let mut over = self.0.0.over.subscribe();
        // The other end of `over` is in what `self` holds.
        over.wait_for(Option::is_some).await.ok().and_then(|end| *end).unwrap_or(End::Finished)
    }

    /// Bytes that wait for the reader.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.0.0.lock().bytes
    }
}

impl Drop for Last {
    fn drop(&mut self) {
        self.0.end(End::Finished, None);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, record: Record) -> Result<(), End> {
        let mut queue = self.lock();
        if queue.closed {
            drop(queue);
            return Err((*self.over.borrow()).unwrap_or(End::Finished));
        }
        if queue.bytes > self.most_waiting {
            // What waits would come too late for anybody; the reader is to come again.
            queue.waiting.clear();
            queue.bytes = 0;
            drop(queue);
            self.end(End::TooSlow, self.too_slow.clone());
            return Err(End::TooSlow);
        }
        queue.push(record);
        Ok(())
    }

    fn end(&self, end: End, last: Option<Record>) {
        let mut queue = self.lock();
        if queue.closed {
            return;
        }
        queue.closed = true;
        if let Some(last) = last {
            queue.push(last);
        }
        queue.wake();
        drop(queue);
        self.over.send_replace(Some(end));
    }
}

impl Queue {
    fn push(&mut self, record: Record) {
        let counts = if self.begun { record.0.len() + RECORD_OVERHEAD } else { 0 };
        self.begun = true;
        self.bytes += counts;
        self.waiting.push_back((record, counts));
        self.wake();
    }

    fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

impl Records {
    /// A heartbeat, if it is due.
    fn beat(&mut self, context: &mut Context<'_>) -> Poll<Record> {
        let Some(next) = &mut self.next else { return Poll::Pending };
        if self.beat_at_once || next.as_mut().poll(context).is_ready() {
            self.beat_at_once = false;
            next.as_mut().reset(Instant::now() + self.every);
            return Poll::Ready(self.heartbeat.clone());
        }
        Poll::Pending
    }
}

impl Stream for Records {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if let Poll::Ready(beat) = this.beat(context) {
            return Poll::Ready(Some(Ok(beat.0)));
        }
        let mut queue = this.shared.lock();
        if let Some((record, counted)) = queue.waiting.pop_front() {
            queue.bytes -= counted;
            if this.next.is_none() && !(queue.closed && queue.waiting.is_empty()) {
                this.next = Some(Box::pin(tokio::time::sleep(this.every)));
                this.beat_at_once = true;
            }
            return Poll::Ready(Some(Ok(record.0)));
        }
        if queue.closed {
            return Poll::Ready(None);
        }
        queue.reader = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Records {
    fn drop(&mut self) {
        self.shared.end(End::ReaderGone, None);
        let mut queue = self.shared.lock();
        queue.waiting = VecDeque::new();
        queue.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::StreamExt;

    fn record(text: &str) -> Record {
        Record::new(text.as_bytes())
    }

    fn stream(most_waiting: usize) -> (RecordSender, Records) {
        open(Terms {
            most_waiting,
            heartbeat: record("beat"),
            every: Duration::from_millis(50),
            too_slow: Some(record("too slow")),
        })
    }

    async fn next(records: &mut Records) -> Option<String> {
        let Ok(record) = records.next().await?;
        Some(String::from_utf8(record.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn it_beats_after_the_first_record_and_then_again_and_again() {
        let (sender, mut records) = stream(1000);
        sender.send(record("first")).unwrap();
        sender.send(record("second")).unwrap();
        for said in ["5\nfirst", "4\nbeat", "6\nsecond", "4\nbeat", "4\nbeat"] {
            assert_eq!(next(&mut records).await.as_deref(), Some(said));
        }
    }

    #[tokio::test]
    async fn a_stream_that_is_refused_says_why_and_nothing_else() {
        let (sender, mut records) = stream(1000);
        sender.finish(Some(record("no")));
        assert_eq!(next(&mut records).await.as_deref(), Some("2\nno"));
        assert_eq!(next(&mut records).await, None);
        assert_eq!(sender.send(record("late")), Err(End::Finished));
    }

    #[tokio::test]
    async fn what_waits_is_bounded_but_for_the_first_record() {
        let (sender, mut records) = stream(200);
        sender.send(record(&"state".repeat(100))).unwrap();
        assert_eq!(sender.waiting(), 0, "the first is as large as it is");
        let told = (0..10).map_while(|_| sender.send(record("news")).ok()).count();
        assert_eq!(told, 3, "three of 70 bytes are more than 200");
        assert_eq!(sender.over().await, End::TooSlow);
        assert_eq!(sender.waiting(), "8\ntoo slow".len() + RECORD_OVERHEAD, "what waited is given up");
        assert_eq!(next(&mut records).await.as_deref(), Some("8\ntoo slow"));
        assert_eq!(next(&mut records).await, None);
    }

    #[tokio::test]
    async fn either_side_ends_it() {
        let (sender, records) = stream(1000);
        drop(records);
        assert_eq!((sender.over().await, sender.send(record("x"))), (End::ReaderGone, Err(End::ReaderGone)));

        let (sender, mut records) = stream(1000);
        let other = sender.clone();
        sender.send(record("last")).unwrap();
        drop((sender, other));
        assert_eq!(next(&mut records).await.as_deref(), Some("4\nlast"));
        assert_eq!(next(&mut records).await, None);
    }

    #[tokio::test]
    async fn a_reader_that_waits_is_woken() {
        let (sender, mut records) = stream(1000);
        let reader = tokio::spawn(async move { next(&mut records).await });
        tokio::task::yield_now().await;
        sender.send(record("news")).unwrap();
        assert_eq!(reader.await.unwrap().as_deref(), Some("4\nnews"));
    }
}
