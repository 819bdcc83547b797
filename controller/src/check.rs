//! `proffer-controller check`: asks a URL once, for `helm test` in an image that has no other program.

use crate::args::CheckArguments;
use anyhow::{Context, bail};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Asks until there is an answer of success or the time is over.
pub fn run(arguments: &CheckArguments) -> anyhow::Result<()> {
    let deadline = Instant::now() + arguments.timeout;
    ask(&arguments.url, arguments.ca_file.as_deref(), deadline.saturating_duration_since(Instant::now()))
}

fn ask(url: &str, ca_file: Option<&Path>, within: Duration) -> anyhow::Result<()> {
    let (tls, rest) = match (url.strip_prefix("http://"), url.strip_prefix("https://")) {
        (Some(rest), _) => (false, rest),
        (_, Some(rest)) => (true, rest),
        _ => bail!("{url:?} is neither http nor https: write http://HOST:PORT/PATH"),
    };
    let (host, path) = rest.split_once('/').map_or((rest, ""), |(host, path)| (host, path));
    let port = host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok());
    let name = port.map_or(host, |(name, _)| name);
    let address = if port.is_some() { host.to_owned() } else { format!("{host}:{}", if tls { 443 } else { 80 }) };
    let address = address
        .to_socket_addrs()
        .with_context(|| format!("{host:?} has no address"))?
        .next()
        .with_context(|| format!("{host:?} has no address"))?;
    let stream = TcpStream::connect_timeout(&address, within).with_context(|| format!("{address} does not answer"))?;
    stream.set_read_timeout(Some(within))?;
    stream.set_write_timeout(Some(within))?;
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    let answer = if tls {
        let file = ca_file.context("an https URL needs --ca-file FILE")?;
        exchange(StreamOwned::new(secured(name, file)?, stream), &request)
    } else {
        exchange(stream, &request)
    };
    let answer = answer.with_context(|| format!("{address} broke off"))?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.lines().next().unwrap_or_default();
    if status.split(' ').nth(1).is_some_and(|code| code.starts_with('2')) {
        return Ok(());
    }
    bail!("{url} answered {status:?}")
}

/// Sends the request and takes what comes back, within reason.
fn exchange(mut stream: impl Read + Write, request: &str) -> std::io::Result<Vec<u8>> {
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(64 * 1024).read_to_end(&mut answer)?;
    Ok(answer)
}

/// TLS to whoever has a certificate of this name from this CA.
fn secured(name: &str, ca_file: &Path) -> anyhow::Result<ClientConnection> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca_file).with_context(|| ca_file.display().to_string())? {
        roots.add(certificate.with_context(|| ca_file.display().to_string())?)?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(ClientConnection::new(Arc::new(config), ServerName::try_from(name.to_owned())?)?)
}
