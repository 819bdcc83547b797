//! The master's side of the scheduler API on a real socket, written byte by byte: nothing of the driver's own code, and
//! nothing of an HTTP library's.

#![allow(dead_code, reason = "each test program uses its part")]

use proffer_mesos_api::{encode, json, recordio, v1};
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use v1::scheduler::call::Type;
use v1::scheduler::{Call, Event, event};

/// An answer that is not the usual one.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// A status with a text.
    Status(u16, &'static str),
    /// 307 to there.
    Redirect(String),
    /// Nothing, for ever.
    Silence,
    /// The usual one, and then the connection is closed.
    Close,
}

/// A call that came, and how.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) call: Call,
    pub(crate) head: String,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }
}

enum Out {
    /// These bytes, within the chunked body.
    Body(Vec<u8>),
    /// The end of the body.
    End,
    /// The end of the connection, within the body.
    Cut,
}

struct Stream {
    id: String,
    json: bool,
    out: UnboundedSender<Out>,
}

#[derive(Default)]
struct State {
    /// For the next SUBSCRIBEs, before the usual answer.
    subscribes: VecDeque<Reply>,
    /// For the next other calls.
    calls: VecDeque<Reply>,
    stream: Option<Stream>,
    streams: usize,
    written: usize,
}

/// A master on 127.0.0.1.
pub(crate) struct Master {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
    seen: UnboundedReceiver<Seen>,
}

impl Master {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let (tell, seen) = unbounded_channel();
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                socket.set_nodelay(true).unwrap();
                tokio::spawn(serve(socket, Arc::clone(&shared), tell.clone()));
            }
        });
        Self { address, state, seen }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How the next SUBSCRIBEs are answered before one is taken.
    pub(crate) fn answer_subscribe(&self, replies: impl IntoIterator<Item = Reply>) {
        self.state.lock().unwrap().subscribes.extend(replies);
    }

    /// How the next other calls are answered.
    pub(crate) fn answer_calls(&self, replies: impl IntoIterator<Item = Reply>) {
        self.state.lock().unwrap().calls.extend(replies);
    }

    /// The next call.
    pub(crate) async fn seen(&mut self) -> Seen {
        tokio::time::timeout(Duration::from_secs(20), self.seen.recv()).await.expect("no call came").unwrap()
    }

    /// The next call of this type; others before it are passed over.
    pub(crate) async fn seen_of(&mut self, kind: Type) -> Seen {
        loop {
            let seen = self.seen().await;
            if seen.call.r#type() == kind {
                return seen;
            }
        }
    }

    /// Whether a call came that nobody has looked at.
    pub(crate) fn seen_now(&mut self) -> Option<Seen> {
        self.seen.try_recv().ok()
    }

    /// Waits until somebody is subscribed, which is a little after the call was seen.
    pub(crate) async fn streaming(&self) {
        while self.state.lock().unwrap().stream.is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Sends events, in one piece of the stream.
    pub(crate) fn send(&self, events: &[Event]) {
        let state = self.state.lock().unwrap();
        let stream = state.stream.as_ref().expect("nobody is subscribed");
        let body = events.iter().map(|event| recordio::encode(&bytes(event, stream.json))).collect::<Vec<_>>().concat();
        // A client that has gone does not matter here.
        let _ = stream.out.send(Out::Body(body));
    }

    /// Sends bytes that need not be records.
    pub(crate) fn send_raw(&self, body: &[u8]) {
        let _ = self.state.lock().unwrap().stream.as_ref().unwrap().out.send(Out::Body(body.to_vec()));
    }

    /// Ends the stream as HTTP does.
    pub(crate) fn end(&self) {
        let _ = self.state.lock().unwrap().stream.take().unwrap().out.send(Out::End);
    }

    /// Drops the stream's connection.
    pub(crate) fn cut(&self) {
        let _ = self.state.lock().unwrap().stream.take().unwrap().out.send(Out::Cut);
    }

    /// From now on calls need another stream ID.
    pub(crate) fn change_stream_id(&self) {
        "another".clone_into(&mut self.state.lock().unwrap().stream.as_mut().unwrap().id);
    }

    /// How many bytes of streams the sockets have taken.
    pub(crate) fn written(&self) -> usize {
        self.state.lock().unwrap().written
    }
}

fn bytes(event: &Event, as_json: bool) -> Vec<u8> {
    if as_json { json::encode(event).into_bytes() } else { encode(event) }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find_map(|(key, value)| key.eq_ignore_ascii_case(name).then(|| value.trim()))
}

pub(crate) fn event(kind: event::Type) -> Event {
    Event { r#type: Some(kind.into()), ..Event::default() }
}

pub(crate) fn heartbeat() -> Event {
    event(event::Type::Heartbeat)
}

/// Reads a request: its head, and its body.
async fn request(socket: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let mut body = vec![0; header(&head, "content-length")?.parse().ok()?];
    socket.read_exact(&mut body).await.ok()?;
    Some((head, body))
}

async fn answer(socket: &mut TcpStream, status: u16, headers: &str, text: &str) {
    let length = text.len();
    let answer = format!("HTTP/1.1 {status} Whatever\r\n{headers}Content-Length: {length}\r\n\r\n{text}");
    // A client that has gone does not matter here.
    let _ = socket.write_all(answer.as_bytes()).await;
}

async fn serve(mut socket: TcpStream, state: Arc<Mutex<State>>, tell: UnboundedSender<Seen>) {
    while let Some((head, body)) = request(&mut socket).await {
        assert!(head.starts_with("POST /api/v1/scheduler HTTP/1.1\r\n"), "{head}");
        let as_json = match header(&head, "content-type") {
            Some("application/json") => true,
            Some("application/x-protobuf") => false,
            other => panic!("content type {other:?}"),
        };
        let call: Call = if as_json { json::decode(&body).unwrap() } else { proffer_mesos_api::decode(&body).unwrap() };
        let subscribing = call.r#type() == Type::Subscribe;
        let _ = tell.send(Seen { call: call.clone(), head: head.clone() });
        let reply = {
            let mut state = state.lock().unwrap();
            if subscribing { state.subscribes.pop_front() } else { state.calls.pop_front() }
        };
        match reply {
            Some(Reply::Status(status, text)) => answer(&mut socket, status, "", text).await,
            Some(Reply::Redirect(location)) => {
                answer(&mut socket, 307, &format!("Location: {location}\r\n"), "").await;
            }
            Some(Reply::Silence) => std::future::pending().await,
            Some(Reply::Close) => {
                answer(&mut socket, 202, "", "").await;
                return;
            }
            None if subscribing => {
                subscribe(socket, &state, &call, &head, as_json).await;
                return;
            }
            None => {
                let (status, text) = check(&state, &call, &head);
                answer(&mut socket, status, "", text).await;
            }
        }
    }
}

/// The checks of a call, in the master's order.
fn check(state: &Mutex<State>, call: &Call, head: &str) -> (u16, &'static str) {
    let state = state.lock().unwrap();
    let Some(stream) = &state.stream else { return (403, "Framework is not subscribed") };
    match (call.framework_id.as_ref(), header(head, "mesos-stream-id")) {
        (None, _) => (400, "Failed to validate scheduler::Call: Expecting 'framework_id' to be present"),
        (Some(id), _) if id.value != "F-1" => (400, "Framework cannot be found"),
        (_, None) => (400, "All non-subscribe calls should include the 'Mesos-Stream-Id' header"),
        (_, Some(id)) if id != stream.id => (400, "The stream ID included in this request didn't match"),
        _ => (202, ""),
    }
}

async fn subscribe(mut socket: TcpStream, state: &Mutex<State>, call: &Call, head: &str, as_json: bool) {
    if header(head, "mesos-stream-id").is_some() {
        answer(&mut socket, 400, "", "Subscribe calls should not include the 'Mesos-Stream-Id' header").await;
        return;
    }
    let info = &call.subscribe.as_ref().unwrap().framework_info;
    assert_eq!(info.id, call.framework_id, "the ID is to be given twice");
    let (out, outs) = unbounded_channel();
    let (id, mut dice) = {
        let mut state = state.lock().unwrap();
        state.streams += 1;
        (format!("stream-{}", state.streams), state.streams as u64)
    };
    let subscribed = event::Subscribed {
        framework_id: v1::FrameworkId { value: "F-1".to_owned() },
        heartbeat_interval_seconds: Some(1.0),
        master_info: None,
    };
    let first = Event { subscribed: Some(subscribed), ..event(event::Type::Subscribed) };
    let _ = out.send(Out::Body(recordio::encode(&bytes(&first, as_json))));
    state.lock().unwrap().stream = Some(Stream { id: id.clone(), json: as_json, out });
    let kind = if as_json { "application/json" } else { "application/x-protobuf" };
    let head = format!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nMesos-Stream-Id: {id}\r\nContent-Type: {kind}\r\n\r\n"
    );
    if socket.write_all(head.as_bytes()).await.is_ok() {
        write_stream(socket, state, outs, &mut dice).await;
    }
}

/// Writes the body in chunks and packets whose borders have nothing to do with those of records.
async fn write_stream(mut socket: TcpStream, state: &Mutex<State>, mut outs: UnboundedReceiver<Out>, dice: &mut u64) {
    while let Some(out) = outs.recv().await {
        let body = match out {
            Out::Body(body) => body,
            Out::End => {
                let _ = socket.write_all(b"0\r\n\r\n").await;
                return;
            }
            Out::Cut => return,
        };
        let mut chunks = Vec::new();
        let mut rest = &body[..];
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at(rest.len().min(roll(dice, rest.len())));
            let mut size = String::new();
            write!(size, "{:x}\r\n", chunk.len()).unwrap();
            chunks.extend_from_slice(size.as_bytes());
            chunks.extend_from_slice(chunk);
            chunks.extend_from_slice(b"\r\n");
            rest = after;
        }
        let mut rest = &chunks[..];
        while !rest.is_empty() {
            let (packet, after) = rest.split_at(rest.len().min(roll(dice, rest.len())));
            if socket.write_all(packet).await.is_err() {
                return;
            }
            state.lock().unwrap().written += packet.len();
            tokio::task::yield_now().await;
            rest = after;
        }
    }
}

/// From 1 to `most`; often few.
fn roll(dice: &mut u64, most: usize) -> usize {
    *dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    let number = usize::try_from(*dice >> 33).unwrap();
    match number % 3 {
        0 => 1,
        1 => 1 + number / 3 % 7,
        _ => 1 + number / 3 % most,
    }
}
