//! Certificates of the agent link and of HTTP, read again when their files change.

use rustls::ServerConfig;
use rustls::crypto::ring::{default_provider, sign};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// How often the files are looked at. The kubelet itself takes up to a minute to bring a changed Secret.
const LOOK: Duration = Duration::from_secs(30);

/// The certificate is not usable.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{0} cannot be read")]
    Read(PathBuf, #[source] std::io::Error),
    /// A file is not PEM, or has nothing of its kind in it.
    #[error("{0} is not PEM of a certificate chain or key")]
    Pem(PathBuf, #[source] rustls::pki_types::pem::Error),
    /// Key and certificate do not go together, or the key is of an unknown kind.
    #[error("the certificate and its key cannot be used")]
    Key(#[source] rustls::Error),
    /// TLS itself cannot be set up.
    #[error("TLS cannot be set up")]
    Config(#[source] rustls::Error),
}

/// The certificate that is shown to who connects.
#[derive(Debug)]
pub struct Certificates {
    folder: PathBuf,
    /// Who shows it, for the log.
    owner: &'static str,
    current: RwLock<Arc<CertifiedKey>>,
}

impl Certificates {
    /// Reads `tls.crt` and `tls.key` in this folder, for `owner` to show.
    pub fn load(folder: &Path, owner: &'static str) -> Result<Arc<Self>, TlsError> {
        let current = RwLock::new(Arc::new(read(folder)?));
        Ok(Arc::new(Self { folder: folder.to_owned(), owner, current }))
    }

    /// What a TLS server (1.2 and 1.3) that speaks this protocol needs.
    pub fn server_config(self: &Arc<Self>, protocol: &[u8]) -> Result<Arc<ServerConfig>, TlsError> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Config)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![protocol.to_vec()];
        Ok(Arc::new(config))
    }

    /// Reads the files again, from time to time, for ever. While they cannot be used, the certificate in use stays.
    pub async fn follow(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(LOOK);
        loop {
            ticks.tick().await;
            self.look();
        }
    }

    /// Reads the files again, now.
    pub fn look(&self) {
        match read(&self.folder) {
            Ok(fresh) => {
                let known = Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner));
                if fresh.cert != known.cert {
                    *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
                    tracing::info!(owner = self.owner, "a new certificate is shown");
                }
            }
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    owner = self.owner,
                    "the certificate in use stays: its files cannot be used"
                );
            }
        }
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn read(folder: &Path) -> Result<CertifiedKey, TlsError> {
    let text = |name: &str| {
        let path = folder.join(name);
        std::fs::read(&path).map(|text| (path.clone(), text)).map_err(|error| TlsError::Read(path, error))
    };
    let (path, chain) = text("tls.crt")?;
    let chain = CertificateDer::pem_slice_iter(&chain)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| TlsError::Pem(path, error))?;
    let (path, key) = text("tls.key")?;
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|error| TlsError::Pem(path, error))?;
    let key = sign::any_supported_type(&key).map_err(TlsError::Key)?;
    let certified = CertifiedKey::new(chain, key);
    certified.keys_match().map_err(TlsError::Key)?;
    Ok(certified)
}
