//! Whom to trust.

use crate::Tls;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls::{ClientConfig, RootCertStore};
use std::path::PathBuf;
use std::sync::Arc;

/// TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("{0} is no PEM of certificates: {1}")]
    Pem(PathBuf, #[source] pem::Error),
    #[error("there is no certificate authority to trust in {0}")]
    NoRoots(String),
    #[error("{0}")]
    Config(#[from] rustls::Error),
    #[error("its set-up was cancelled")]
    Cancelled,
}

/// The configuration of one connection. Reads files.
pub(crate) async fn config(tls: &Tls) -> Result<Arc<ClientConfig>, TlsError> {
    let tls = tls.clone();
    tokio::task::spawn_blocking(move || read(&tls)).await.map_err(|_| TlsError::Cancelled)?
}

fn read(tls: &Tls) -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = RootCertStore::empty();
    let place = if let Some(path) = &tls.ca_file {
        let failed = |error| TlsError::Pem(path.clone(), error);
        for certificate in CertificateDer::pem_file_iter(path).map_err(failed)? {
            roots.add(certificate.map_err(failed)?)?;
        }
        path.display().to_string()
    } else {
        // One of the system's certificates that cannot be read is no reason to do without the others.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        "the system's store".to_owned()
    };
    if roots.is_empty() {
        return Err(TlsError::NoRoots(place));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
