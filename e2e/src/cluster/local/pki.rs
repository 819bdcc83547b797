//! The cluster's certificates and kubeconfigs.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};
use rustix::fs::Mode;
use serde_json::json;

use super::identity::Identity;

/// A certificate authority and the directory that its certificates go to.
pub(super) struct Authority {
    directory: PathBuf,
    issuer: CertifiedIssuer<'static, KeyPair>,
    server: String,
}

/// What a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// Its owner calls others.
    Client,
    /// Its owner is called.
    Server,
}

impl Authority {
    /// A new authority; its certificate is `<directory>/<name>.crt`.
    pub(super) fn create(directory: &Path, name: &str, identity: &Identity) -> Result<Self> {
        fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        let mut params = parameters(name, None);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages =
            vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().context("cannot make a key")?;
        let issuer =
            CertifiedIssuer::self_signed(params, key).with_context(|| format!("cannot make the authority {name}"))?;
        write(&directory.join(format!("{name}.crt")), &issuer.pem())?;
        write(&directory.join(format!("{name}.key")), &issuer.key().serialize_pem())?;
        let server = format!("https://{}:6443", identity.host_address());
        Ok(Self { directory: directory.to_owned(), issuer, server })
    }

    /// A certificate `<file>.crt` with its key `<file>.key`. `organization` is the Kubernetes group of a client.
    pub(super) fn certify(
        &self,
        file: &str,
        common_name: &str,
        organization: Option<&str>,
        purpose: Use,
        names: &[&str],
        addresses: &[IpAddr],
    ) -> Result<()> {
        let (certificate, key) = self.issue(common_name, organization, purpose, names, addresses)?;
        write(&self.directory.join(format!("{file}.crt")), &certificate)?;
        write(&self.directory.join(format!("{file}.key")), &key)
    }

    /// The authority's own certificate, as PEM.
    pub(super) fn certificate(&self) -> String {
        self.issuer.pem()
    }

    /// A kubeconfig for a user of the API server, with a certificate of its own inside.
    pub(super) fn kubeconfig(&self, path: &Path, common_name: &str, organization: Option<&str>) -> Result<()> {
        let (certificate, key) = self.issue(common_name, organization, Use::Client, &[], &[])?;
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{ "name": "proffer", "cluster": {
                "server": self.server,
                "certificate-authority-data": BASE64.encode(self.issuer.pem()),
            }}],
            "users": [{ "name": common_name, "user": {
                "client-certificate-data": BASE64.encode(&certificate),
                "client-key-data": BASE64.encode(&key),
            }}],
            "contexts": [{ "name": "proffer", "context": { "cluster": "proffer", "user": common_name } }],
            "current-context": "proffer",
        });
        // JSON is YAML.
        write(path, &serde_json::to_string_pretty(&config)?)
    }

    /// A certificate and its key, both as PEM.
    pub(super) fn issue(
        &self,
        common_name: &str,
        organization: Option<&str>,
        purpose: Use,
        names: &[&str],
        addresses: &[IpAddr],
    ) -> Result<(String, String)> {
        let mut params = parameters(common_name, organization);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = vec![match purpose {
            Use::Client => ExtendedKeyUsagePurpose::ClientAuth,
            Use::Server => ExtendedKeyUsagePurpose::ServerAuth,
        }];
        for name in names {
            params
                .subject_alt_names
                .push(SanType::DnsName((*name).try_into().with_context(|| format!("{name} is no DNS name"))?));
        }
        params.subject_alt_names.extend(addresses.iter().copied().map(SanType::IpAddress));
        let key = KeyPair::generate().context("cannot make a key")?;
        let certificate = params
            .signed_by(&key, &self.issuer)
            .with_context(|| format!("cannot make a certificate for {common_name}"))?;
        Ok((certificate.pem(), key.serialize_pem()))
    }
}

/// The key pair that service accounts' tokens are signed with: `<directory>/sa.key` and `sa.pub`.
pub(super) fn create_token_key(directory: &Path) -> Result<()> {
    let key = KeyPair::generate().context("cannot make a key")?;
    write(&directory.join("sa.key"), &key.serialize_pem())?;
    write(&directory.join("sa.pub"), &key.public_key_pem())
}

fn parameters(common_name: &str, organization: Option<&str>) -> CertificateParams {
    let mut params = CertificateParams::default();
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    if let Some(organization) = organization {
        name.push(DnType::OrganizationName, organization);
    }
    params.distinguished_name = name;
    params.use_authority_key_identifier_extension = true;
    // Fixed years: a test machine's clock may be wrong, and a test cluster lives for hours.
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2100, 1, 1);
    params
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    rustix::fs::chmod(path, Mode::RUSR | Mode::WUSR).with_context(|| format!("cannot protect {}", path.display()))
}
