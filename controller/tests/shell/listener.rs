//! The socket of HTTP against peers that mean no good: slow, silent, many, too large, ambiguous, and TLS.

use crate::api_server::eventually;
use crate::files::master;
use crate::link::Replica;
use axum::Router;
use axum::routing::get;
use proffer_controller::auth::Anonymous;
use proffer_controller::http::{Closed, Connections, Limits, listen, router};
use proffer_controller::runner::Arrived;
use proffer_controller::tls::Certificates;
use rustls::pki_types::ServerName;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;

/// Limits that a test does not wait for.
const SHORT: Duration = Duration::from_millis(200);
/// Limits that a test does not meet.
const LONG: Duration = Duration::from_mins(10);

fn limits() -> Limits {
    Limits { connections: 100, silent: LONG, head: LONG, idle: LONG, stalled: LONG, head_bytes: 64 << 10 }
}

/// A listener.
struct Listening {
    address: SocketAddr,
    connections: Arc<Connections>,
    _leads: Option<(Replica, mpsc::Receiver<Arrived>)>,
}

impl Listening {
    async fn start(router: Router, limits: Limits, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Connections::new(limits);
        tokio::spawn(listen(router, listener, tls, Arc::clone(&connections)));
        Self { address, connections, _leads: None }
    }

    /// Something small and something endless.
    async fn small(limits: Limits) -> Self {
        let endless = || async { "x".repeat(64 << 20) };
        Self::start(Router::new().route("/", get(|| async { "ok" })).route("/large", get(endless)), limits, None).await
    }

    /// The leader's own routes.
    async fn leader(limits: Limits, anonymous: Anonymous) -> Self {
        let replica = Replica::start().await;
        let master = master(&replica, anonymous).await;
        let events = replica.lead();
        Self { _leads: Some((replica, events)), ..Self::start(router(master), limits, None).await }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Everything that comes back for these bytes until the connection ends.
    async fn say(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect().await;
        // The other side may have said enough before it has read all.
        let _: Result<(), _> = stream.write_all(bytes.as_ref()).await;
        read(&mut stream).await
    }

    async fn is_served(&self) -> bool {
        self.say("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.starts_with("HTTP/1.1 200")
    }

    async fn counted(&self, why: Closed, times: u64) {
        eventually("the close is counted", || (self.connections.closed(why) >= times).then_some(())).await;
        assert_eq!(self.connections.closed(why), times, "{why:?}");
    }
}

async fn read(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
    assert!(ended.is_ok(), "the connection stays: {}", String::from_utf8_lossy(&answer));
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn ten_thousand_that_say_nothing_cost_places_and_keep_nobody_out() {
    let listening = Listening::small(Limits { connections: 500, ..limits() }).await;
    let mut silent = Vec::new();
    for count in 1..=9000 {
        silent.push(listening.connect().await);
        if count % 1000 == 0 {
            assert!(listening.is_served().await, "others are served beside {count}");
            assert!(listening.connections.open() <= 500, "{} places are taken", listening.connections.open());
        }
    }
    eventually("the last is taken in", || (listening.connections.closed(Closed::GivenUp) >= 8500).then_some(())).await;
    assert_eq!(listening.connections.closed(Closed::NoPlace), 0, "each was given a place for a while");
    assert!(listening.connections.idle() <= 500, "nothing is remembered of those that are gone");
    drop(silent);
    eventually("the places are free again", || (listening.connections.open() == 0).then_some(())).await;
    assert_eq!(listening.connections.idle(), 0);
}

#[tokio::test]
async fn who_has_a_request_under_way_is_not_given_up() {
    let listening = Listening::small(Limits { connections: 2, ..limits() }).await;
    let mut reading = [listening.connect().await, listening.connect().await];
    for stream in &mut reading {
        stream.write_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut first = [0; 12];
        stream.read_exact(&mut first).await.unwrap();
    }
    assert_eq!(listening.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await, "", "there is no place");
    listening.counted(Closed::NoPlace, 1).await;
    let [first, _second] = reading;
    drop(first);
    eventually("a place is free", || (listening.connections.open() == 1).then_some(())).await;
    assert!(listening.is_served().await);
}

#[tokio::test]
async fn who_does_nothing_is_ended() {
    let listening = Listening::small(Limits { silent: SHORT, ..limits() }).await;
    assert_eq!(listening.say("").await, "");
    listening.counted(Closed::Silent, 1).await;

    let listening = Listening::small(Limits { head: SHORT, ..limits() }).await;
    assert_eq!(listening.say("GET / HTTP/1.1\r\nHost: x\r\nX-Never-End").await, "");
    listening.counted(Closed::SlowHead, 1).await;
    let mut slow = listening.connect().await;
    for byte in b"GET / HTTP/1.1\r\nX-Byte-By-Byte: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".iter().cycle()
    {
        if slow.write_all(&[*byte]).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    listening.counted(Closed::SlowHead, 2).await;

    let listening = Listening::small(Limits { idle: SHORT, ..limits() }).await;
    let answer = listening.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(answer.ends_with("\r\n\r\nok"), "{answer}");
    listening.counted(Closed::Idle, 1).await;
}

#[tokio::test]
async fn who_never_reads_its_answer_is_ended() {
    let listening = Listening::small(Limits { stalled: SHORT, ..limits() }).await;
    let mut stream = listening.connect().await;
    stream.write_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    listening.counted(Closed::Stalled, 1).await;
    eventually("its place is free", || (listening.connections.open() == 0).then_some(())).await;
    let answer = read_what_there_is(&mut stream).await;
    assert!(answer < 64 << 20, "{answer} bytes came of 64 MiB");
}

/// How much comes until the connection ends or breaks.
async fn read_what_there_is(stream: &mut TcpStream) -> usize {
    let (mut buffer, mut length) = (vec![0; 1 << 16], 0);
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        length += read;
    }
    length
}

#[tokio::test]
async fn a_head_is_bounded() {
    let listening = Listening::small(limits()).await;
    for head in [
        format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(1 << 20)),
        format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "X: y\r\n".repeat(1000)),
        format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(1 << 20)),
    ] {
        let answer = listening.say(&head).await;
        // The refusal may be lost with the connection, since more was on its way.
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    assert!(listening.is_served().await);
}

#[tokio::test]
async fn a_hundred_megabytes_are_not_taken() {
    let everybody = Anonymous { loopback: true, everybody: false };
    let listening = Listening::leader(limits(), everybody).await;
    let head = "POST /api/v1 HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    let answer = listening.say(format!("{head}Content-Length: 104857600\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("At most 16777216 bytes"), "{answer}");

    let mut chunked = listening.connect().await;
    chunked.write_all(format!("{head}Transfer-Encoding: chunked\r\n\r\n").as_bytes()).await.unwrap();
    let chunk = [b"10000\r\n".as_slice(), &vec![b' '; 0x10000], b"\r\n"].concat();
    let mut taken = 0;
    for _ in 0..1600 {
        if chunked.write_all(&chunk).await.is_err() {
            break;
        }
        taken += chunk.len();
    }
    assert!(taken < 32 << 20, "it was read on and on: {taken} bytes");

    let gzip = listening.say(format!("{head}Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx")).await;
    assert!(gzip.starts_with("HTTP/1.1 415"), "{gzip}");
    eventually("nothing is left of them", || (listening.connections.open() <= 1).then_some(())).await;
}

#[tokio::test]
async fn a_body_of_somebody_unknown_is_not_read() {
    let listening = Listening::leader(limits(), Anonymous::default()).await;
    for path in ["/api/v1", "/state", "/files/browse?path=/"] {
        let request = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n");
        let answer = listening.say(request).await;
        assert!(answer.starts_with("HTTP/1.1 401"), "{path}: {answer}");
        assert!(answer.to_lowercase().contains("\r\nconnection: close\r\n"), "{answer}");
        assert!(answer.contains("Bearer realm=\"proffer\""), "{answer}");
    }
}

#[tokio::test]
async fn a_request_that_two_readers_could_read_differently_is_refused_or_the_last() {
    let listening = Listening::leader(limits(), Anonymous { loopback: true, everybody: false }).await;
    let smuggled = "GET /version HTTP/1.1\r\nHost: smuggled\r\n\r\n";
    for (request, what) in [
        (
            format!(
                "POST /api/v1 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"
            ),
            "both lengths",
        ),
        (
            format!(
                "POST /api/v1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n{smuggled}"
            ),
            "both, the other way round",
        ),
        (
            format!("POST /api/v1 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n{smuggled}"),
            "two lengths",
        ),
        (format!("POST /api/v1 HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nxxxxx{smuggled}"), "a signed length"),
        (format!("POST /api/v1 HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n{smuggled}"), "a negative length"),
        (
            format!("POST /api/v1 HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551616\r\n\r\n{smuggled}"),
            "a length beyond 64 bits",
        ),
        (
            format!("POST /api/v1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{smuggled}"),
            "an unknown coding",
        ),
        (
            format!(
                "POST /api/v1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{smuggled}"
            ),
            "chunked not last",
        ),
        (
            format!("POST /api/v1 HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"),
            "chunked in 1.0",
        ),
        (
            format!("POST /api/v1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n{smuggled}"),
            "a space before the colon",
        ),
        (
            format!(
                "POST /api/v1 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"
            ),
            "a folded line",
        ),
        (format!("GET /version HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n{smuggled}"), "a zero byte"),
    ] {
        let answer = listening.say(&request).await;
        assert!(answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.0 4"), "{what}: {answer}");
        assert_eq!(answer.matches("HTTP/1.").count(), 1, "{what}: what came after is not served: {answer}");
    }
}

#[tokio::test]
async fn nonsense_gets_a_refusal_and_the_next_is_served() {
    let listening = Listening::leader(limits(), Anonymous { loopback: true, everybody: false }).await;
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let post = |headers: &str, body: &str| {
        format!("POST /api/v1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n{body}")
    };
    for (request, what) in [
        ("GET  HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "an empty path"),
        (get("//"), "two slashes"),
        (get("/%00"), "a zero byte"),
        (get("/%zz"), "no hex digits"),
        (get("/files/read?path=%ff%fe&offset=0"), "no UTF-8"),
        (get("/files/read?path=%c0%ae%c0%ae/etc/passwd&offset=0"), "an overlong dot"),
        (get("/files/read?path=%2e%2e/%2e%2e/etc/passwd&offset=0"), "dots"),
        (get("/files/read?path=%00&offset=0"), "a zero byte in a query"),
        (get("/files/read?path=a&path=b&offset=0"), "a key twice"),
        (get("/files/read?path=/&offset=99999999999999999999"), "an offset beyond 64 bits"),
        (get(&format!("/{}", "a/".repeat(30_000))), "a long path"),
        (get("/state\u{e4}"), "a letter beyond ASCII"),
        ("\0\0\0\0\0\0\0\0\r\n\r\n".to_owned(), "zero bytes"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), "HTTP/2"),
        ("\x16\x03\x01\x02\x00\x01\x00\x01\u{7f}".to_owned(), "TLS"),
        ("GET / HTTP/9.9\r\nHost: x\r\n\r\n".to_owned(), "a version that is none"),
        (post("Content-Type: application/json\r\nContent-Length: 100\r\n", "{}"), "less than was said"),
        (
            post("Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n", "zz\r\n{}\r\n0\r\n\r\n"),
            "a chunk's size that is none",
        ),
        (
            post("Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n", "ffffffffffffffffff\r\n{}"),
            "a chunk beyond 64 bits",
        ),
        (
            post(
                "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n",
                "2\r\n{}\r\n0\r\nTrailer: x\r\n\r\n",
            ),
            "trailers, and no call",
        ),
        (
            post(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n", 200_000), &"[".repeat(200_000)),
            "depth",
        ),
        (post("Content-Type: application/json\r\nContent-Length: 1\r\n", "\u{1}"), "no JSON"),
        (post("Content-Length: 2\r\n", "{}"), "no type"),
    ] {
        let mut stream = listening.connect().await;
        let _: Result<(), _> = stream.write_all(request.as_bytes()).await;
        stream.shutdown().await.unwrap();
        let answer = read(&mut stream).await;
        let refused = answer.is_empty() || answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.0 4");
        assert!(refused, "{what}: {answer}");
        let next = listening.say(get("/version")).await;
        assert!(next.starts_with("HTTP/1.1 200"), "after {what}: {next}");
    }
}

/// A folder with a certificate, and that certificate.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("proffer-http-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn path(&self) -> &Path {
        &self.0
    }

    /// Puts a new certificate there; a client that trusts it and nothing else.
    fn renew(&self, versions: &[&'static rustls::SupportedProtocolVersion]) -> TlsConnector {
        let key = rcgen::generate_simple_self_signed(["proffer".to_owned()]).unwrap();
        std::fs::write(self.0.join("tls.crt"), key.cert.pem()).unwrap();
        std::fs::write(self.0.join("tls.key"), key.signing_key.serialize_pem()).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(key.cert.der().clone()).unwrap();
        let mut config =
            rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_protocol_versions(versions)
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth();
        // A session that goes on shows no certificate.
        config.resumption = rustls::client::Resumption::disabled();
        TlsConnector::from(Arc::new(config))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left in the temporary folder harms nobody.
        let _: Result<(), _> = std::fs::remove_dir_all(&self.0);
    }
}

async fn encrypted(listening: &Listening, connector: &TlsConnector) -> std::io::Result<String> {
    let name = ServerName::try_from("proffer").unwrap();
    let mut stream = connector.connect(name, listening.connect().await).await?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn tls_is_served_and_follows_its_certificate() {
    let folder = Folder::new();
    let old = folder.renew(rustls::ALL_VERSIONS);
    let certificates = Certificates::load(folder.path(), "HTTP").unwrap();
    let config = certificates.server_config(b"http/1.1").unwrap();
    let router = Router::new().route("/", get(|| async { "ok" }));
    let listening = Listening::start(router, Limits { head: SHORT, ..limits() }, Some(config)).await;
    assert!(encrypted(&listening, &old).await.unwrap().starts_with("HTTP/1.1 200"));

    std::fs::write(folder.path().join("tls.crt"), "nonsense").unwrap();
    certificates.look();
    assert!(encrypted(&listening, &old).await.is_ok(), "a broken file changes nothing");

    let new = folder.renew(&[&rustls::version::TLS12]);
    certificates.look();
    assert!(encrypted(&listening, &new).await.unwrap().starts_with("HTTP/1.1 200"), "TLS 1.2 is enough");
    assert!(encrypted(&listening, &old).await.is_err(), "the old certificate is not shown any more");

    let plain = listening.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(!plain.contains("200 OK"), "nothing is served in the clear: {plain}");
    let before = listening.connections.closed(Closed::SlowHead);
    assert_eq!(listening.say(b"\x16\x03\x01\x02\x00").await, "", "half a handshake");
    listening.counted(Closed::SlowHead, before + 1).await;
}
