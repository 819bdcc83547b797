//! The header `Authorization`.

use crate::Credentials;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::HeaderValue;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a token that was read is used. The kubelet replaces a token when a fifth of its time is left.
const FRESH: Duration = Duration::from_secs(10);

/// The credentials cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuthorizationError {
    #[error("{0} cannot be read: {1}")]
    Read(PathBuf, #[source] std::io::Error),
    #[error("they cannot stand in a header")]
    Header,
}

/// Makes the header, and reads a token's file again from time to time.
#[derive(Debug)]
pub(crate) struct Authorization {
    credentials: Credentials,
    read: Mutex<Option<(Instant, HeaderValue)>>,
}

impl Authorization {
    pub(crate) fn new(credentials: Credentials) -> Self {
        Self { credentials, read: Mutex::new(None) }
    }

    /// What the header says now.
    pub(crate) async fn header(&self) -> Result<Option<HeaderValue>, AuthorizationError> {
        let text = match &self.credentials {
            Credentials::None => return Ok(None),
            Credentials::Bearer(token) => format!("Bearer {token}"),
            Credentials::Basic { principal, secret } => {
                format!("Basic {}", STANDARD.encode(format!("{principal}:{secret}")))
            }
            Credentials::BearerFile(path) => {
                if let Some((at, header)) = self.read.lock().unwrap_or_else(PoisonError::into_inner).as_ref()
                    && at.elapsed() < FRESH
                {
                    return Ok(Some(header.clone()));
                }
                let token = tokio::fs::read_to_string(path)
                    .await
                    .map_err(|error| AuthorizationError::Read(path.clone(), error))?;
                format!("Bearer {}", token.trim())
            }
        };
        let mut header = HeaderValue::try_from(text).map_err(|_| AuthorizationError::Header)?;
        header.set_sensitive(true);
        if let Credentials::BearerFile(_) = self.credentials {
            *self.read.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), header.clone()));
        }
        Ok(Some(header))
    }

    /// The master did not take it: read the file again next time.
    pub(crate) fn refused(&self) {
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
