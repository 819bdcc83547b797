//! `proffer-controller check`: asks a URL once, for `helm test` in an image that has no other program.

use crate::args::CheckArguments;
use anyhow::{Context, bail};
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// Asks until there is an answer of success or the time is over.
pub fn run(arguments: &CheckArguments) -> anyhow::Result<()> {
    let deadline = Instant::now() + arguments.timeout;
    ask(&arguments.url, deadline.saturating_duration_since(Instant::now()))
}

fn ask(url: &str, within: Duration) -> anyhow::Result<()> {
    let rest =
        url.strip_prefix("http://").with_context(|| format!("{url:?} is not http: write http://HOST:PORT/PATH"))?;
    let (host, path) = rest.split_once('/').map_or((rest, ""), |(host, path)| (host, path));
    let address = if host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) {
        host.to_owned()
    } else {
        format!("{host}:80")
    };
    let address = address
        .to_socket_addrs()
        .with_context(|| format!("{host:?} has no address"))?
        .next()
        .with_context(|| format!("{host:?} has no address"))?;
    let mut stream =
        TcpStream::connect_timeout(&address, within).with_context(|| format!("{address} does not answer"))?;
    stream.set_read_timeout(Some(within))?;
    stream.set_write_timeout(Some(within))?;
    stream.write_all(format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    stream.take(64 * 1024).read_to_end(&mut answer).with_context(|| format!("{address} broke off"))?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.lines().next().unwrap_or_default();
    if status.split(' ').nth(1).is_some_and(|code| code.starts_with('2')) {
        return Ok(());
    }
    bail!("{url} answered {status:?}")
}
