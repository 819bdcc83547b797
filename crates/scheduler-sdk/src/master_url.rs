//! Where a master is.

use hyper::http::Uri;
use std::fmt;
use std::str::FromStr;

/// The path of the scheduler API.
const API: &str = "/api/v1/scheduler";
/// A master's port when nothing else is said (Mesos: `--port`).
const DEFAULT_PORT: u16 = 5050;

/// The address of a master: `http://host:port`, `https://host:port`, or `host:port`; a path stands before `/api/v1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MasterUrl {
    https: bool,
    host: String,
    port: u16,
    prefix: String,
}

/// A text is not the address of a master.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is no address of a master: {why}")]
pub struct InvalidMasterUrl {
    text: String,
    why: &'static str,
}

impl MasterUrl {
    /// Whether it is spoken to over TLS.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.https
    }

    /// Name or address, without the brackets of an IPv6 address.
    pub(crate) fn host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// What stands in the header `Host`.
    pub(crate) fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The path that calls are posted to.
    pub(crate) fn path(&self) -> String {
        format!("{}{API}", self.prefix)
    }

    /// The master that this one names in a `Location`, which in Mesos is `//host:port` with or without a path.
    ///
    /// Never from TLS to plain text: whoever could forge the answer would get the credentials.
    pub(crate) fn redirected(&self, location: &str) -> Result<Self, InvalidMasterUrl> {
        let invalid = |why| InvalidMasterUrl { text: location.to_owned(), why };
        let scheme = if self.https { "https" } else { "http" };
        let absolute = match location.strip_prefix("//") {
            Some(rest) => format!("{scheme}://{rest}"),
            None => location.to_owned(),
        };
        if !absolute.contains("://") {
            return Err(invalid("a redirect names no host"));
        }
        let mut master: Self = absolute.parse()?;
        if self.https && !master.https {
            return Err(invalid("a redirect leads from https to http"));
        }
        master.prefix.clone_from(&self.prefix);
        Ok(master)
    }
}

impl FromStr for MasterUrl {
    type Err = InvalidMasterUrl;

    fn from_str(text: &str) -> Result<Self, InvalidMasterUrl> {
        let invalid = |why| InvalidMasterUrl { text: text.to_owned(), why };
        let (with_scheme, bare) = match text.split_once("://") {
            Some(_) => (text.to_owned(), false),
            None => (format!("http://{text}"), true),
        };
        let uri: Uri = with_scheme.parse().map_err(|_| invalid("it is no URL"))?;
        let https = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(invalid("its scheme is neither http nor https")),
        };
        let authority = uri.authority().ok_or_else(|| invalid("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(invalid("credentials do not belong into it"));
        }
        let given = authority.as_str().len() > authority.host().len();
        let port = match authority.port_u16() {
            Some(0) => return Err(invalid("its port is 0")),
            Some(port) => port,
            None if given => return Err(invalid("its port is no number")),
            None if bare => DEFAULT_PORT,
            None if https => 443,
            None => 80,
        };
        if authority.host().is_empty() {
            return Err(invalid("it names no host"));
        }
        let path = uri.path().trim_end_matches('/');
        let prefix = path.strip_suffix(API).unwrap_or(path).to_owned();
        Ok(Self { https, host: authority.host().to_owned(), port, prefix })
    }
}

impl fmt::Display for MasterUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.https { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Result<String, &'static str> {
        text.parse::<MasterUrl>().map(|url| url.to_string() + " " + &url.path()).map_err(|error| error.why)
    }

    #[test]
    fn reads_addresses() {
        for (text, expected) in [
            ("m1:5051", Ok("http://m1:5051 /api/v1/scheduler")),
            ("m1", Ok("http://m1:5050 /api/v1/scheduler")),
            ("http://m1", Ok("http://m1:80 /api/v1/scheduler")),
            ("https://m1/", Ok("https://m1:443 /api/v1/scheduler")),
            ("https://m1/mesos", Ok("https://m1:443/mesos /mesos/api/v1/scheduler")),
            ("http://m1:5050/api/v1/scheduler", Ok("http://m1:5050 /api/v1/scheduler")),
            ("http://[::1]:5050", Ok("http://[::1]:5050 /api/v1/scheduler")),
            ("zk://m1:2181/mesos", Err("its scheme is neither http nor https")),
            ("http://me:secret@m1:5050", Err("credentials do not belong into it")),
            ("m1:0", Err("its port is 0")),
            ("m1:99999", Err("its port is no number")),
            ("", Err("it is no URL")),
            ("http://", Err("it is no URL")),
        ] {
            assert_eq!(shown(text), expected.map(str::to_owned), "{text}");
        }
    }

    #[test]
    fn follows_locations() {
        for (from, location, expected) in [
            ("http://m1:5050", "//m2:5050/api/v1/scheduler", Ok("http://m2:5050")),
            ("http://m1:5050", "//10.0.0.2:5050", Ok("http://10.0.0.2:5050")),
            ("https://m1:5050", "//m2:5050", Ok("https://m2:5050")),
            ("http://m1:5050", "https://m2:5050/x?y", Ok("https://m2:5050")),
            ("http://m1:5050/p", "//m2:5050/api/v1/scheduler", Ok("http://m2:5050/p")),
            ("https://m1:5050", "http://m2:5050", Err("a redirect leads from https to http")),
            ("http://m1:5050", "/api/v1/scheduler", Err("a redirect names no host")),
            ("http://m1:5050", "", Err("a redirect names no host")),
        ] {
            let url: MasterUrl = from.parse().unwrap();
            let got = url.redirected(location).map(|url| url.to_string()).map_err(|error| error.why);
            assert_eq!(got, expected.map(str::to_owned), "{from} {location}");
        }
    }
}
