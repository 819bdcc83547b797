//! The Secret with principals and their secrets, read in the forms that people have them in.

use super::answers::Question;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use subtle::ConstantTimeEq;

/// Keys that hold a file of credentials as Mesos' `--credentials` has it.
const FILES: [&str; 2] = ["credentials", "credentials.json"];
/// Type of a Secret with one principal, under `username` and `password`.
const BASIC_AUTH: &str = "kubernetes.io/basic-auth";
/// Annotation, with the principal after it, that names the namespace of the principal's frameworks.
const NAMESPACE_ANNOTATION: &str = "namespace.proffer.dev/";
/// Longest name of a principal, in bytes.
const LONGEST_PRINCIPAL: usize = 256;

/// The Secret cannot be used. Never has a secret in its text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrincipalsError {
    /// A file of credentials is neither of Mesos' two forms.
    #[error(
        "key {0:?} is no file of credentials as Mesos has it, {{\"credentials\": [{{\"principal\": …, \"secret\": …}}]}}"
    )]
    File(String),
    /// A secret is not text.
    #[error("key {0:?} is not UTF-8")]
    Text(String),
    /// A principal has a name that cannot be sent.
    #[error("{0:?} cannot be a principal: it is empty, too long, or has a colon or control character in it")]
    Name(String),
    /// A principal has no secret.
    #[error("principal {0:?} has no secret")]
    NoSecret(String),
    /// A principal is there twice.
    #[error("principal {0:?} is there more than once")]
    Twice(String),
    /// A namespace is none.
    #[error("{1:?} of principal {0:?} is no namespace")]
    Namespace(String, String),
}

/// Everybody who may come with basic credentials. Secrets are kept as digests.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Principals(HashMap<String, Principal>);

#[derive(Clone, PartialEq, Eq)]
struct Principal {
    secret: Question,
    namespace: Option<String>,
}

/// Mesos' `Credentials`, and where the principal's frameworks live.
#[derive(Deserialize)]
struct File {
    credentials: Vec<Credential>,
}

#[derive(Deserialize)]
struct Credential {
    principal: String,
    secret: String,
    namespace: Option<String>,
}

impl Principals {
    /// Reads a Secret: the key `credentials` or `credentials.json` is Mesos' file in either of its forms (JSON, or lines of
    /// a principal and a secret); in a Secret of type `kubernetes.io/basic-auth`, `username` has the secret `password`; any
    /// other key is a principal and its value the secret, less one line's end.
    pub fn read(secret: &Secret) -> Result<Self, PrincipalsError> {
        let mut principals = Self::default();
        let empty = BTreeMap::new();
        let data = secret.data.as_ref().unwrap_or(&empty);
        let annotations = secret.metadata.annotations.as_ref();
        let annotated = |principal: &str| {
            annotations.and_then(|all| all.get(&format!("{NAMESPACE_ANNOTATION}{principal}"))).cloned()
        };
        if secret.type_.as_deref() == Some(BASIC_AUTH) {
            let name = data.get("username").map(|value| text("username", value)).transpose()?.unwrap_or_default();
            let password = data.get("password").map(|value| text("password", value)).transpose()?.unwrap_or_default();
            principals.add(line(name), line(password), annotated(line(name)))?;
            return Ok(principals);
        }
        for (key, value) in data {
            let value = text(key, value)?;
            if FILES.contains(&key.as_str()) {
                for Credential { principal, secret, namespace } in file(key, value)? {
                    let namespace = namespace.or_else(|| annotated(&principal));
                    principals.add(&principal, &secret, namespace)?;
                }
            } else {
                principals.add(key, line(value), annotated(key))?;
            }
        }
        Ok(principals)
    }

    fn add(&mut self, name: &str, secret: &str, namespace: Option<String>) -> Result<(), PrincipalsError> {
        let sendable = |c: char| c != ':' && !c.is_control();
        if name.is_empty() || name.len() > LONGEST_PRINCIPAL || !name.chars().all(sendable) {
            return Err(PrincipalsError::Name(name.to_owned()));
        }
        if secret.is_empty() {
            return Err(PrincipalsError::NoSecret(name.to_owned()));
        }
        if let Some(namespace) = namespace.as_deref().filter(|namespace| !is_namespace(namespace)) {
            return Err(PrincipalsError::Namespace(name.to_owned(), namespace.to_owned()));
        }
        let principal = Principal { secret: digest(secret), namespace };
        match self.0.insert(name.to_owned(), principal) {
            None => Ok(()),
            Some(_) => Err(PrincipalsError::Twice(name.to_owned())),
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nobody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a secret of this digest is the principal's. Takes as long for a wrong one, and for a principal that does not
    /// exist, as for the right one: digests of one length are compared, to their end.
    pub(super) fn accept(&self, name: &str, presented: &Question) -> bool {
        const NOBODY: Question = [0; 32];
        let known = self.0.get(name);
        let equal: bool = known.map_or(&NOBODY, |principal| &principal.secret).ct_eq(presented).into();
        equal && known.is_some()
    }

    /// Namespace of the principal's frameworks, if one is set.
    pub(super) fn namespace(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.namespace.as_deref()
    }
}

/// Without the digests.
impl fmt::Debug for Principals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// What stands for a secret in memory.
pub(super) fn digest(secret: &str) -> Question {
    Sha256::digest(secret).into()
}

fn text<'a>(key: &str, value: &'a ByteString) -> Result<&'a str, PrincipalsError> {
    std::str::from_utf8(&value.0).map_err(|_| PrincipalsError::Text(key.to_owned()))
}

/// A text without the line's end that editors put there.
fn line(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

fn file(key: &str, text: &str) -> Result<Vec<Credential>, PrincipalsError> {
    let refused = || PrincipalsError::File(key.to_owned());
    if text.trim_start().starts_with('{') {
        // The parser's own words could quote a secret.
        return serde_json::from_str::<File>(text).map(|file| file.credentials).map_err(|_| refused());
    }
    text.lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| {
            let mut words = line.split_ascii_whitespace();
            match (words.next(), words.next(), words.next()) {
                (Some(principal), Some(secret), None) => {
                    Ok(Credential { principal: principal.to_owned(), secret: secret.to_owned(), namespace: None })
                }
                _ => Err(refused()),
            }
        })
        .collect()
}

/// RFC 1123 label.
fn is_namespace(name: &str) -> bool {
    let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    let bytes = name.as_bytes();
    matches!((bytes.first(), bytes.last()), (Some(&first), Some(&last)) if plain(first) && plain(last))
        && bytes.len() <= 63
        && bytes.iter().all(|&c| plain(c) || c == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(kind: Option<&str>, data: &[(&str, &str)], annotations: &[(&str, &str)]) -> Secret {
        let mut secret = Secret { type_: kind.map(str::to_owned), ..Secret::default() };
        secret.data =
            Some(data.iter().map(|&(key, value)| (key.to_owned(), ByteString(value.as_bytes().to_vec()))).collect());
        secret.metadata.annotations =
            Some(annotations.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect());
        secret
    }

    #[test]
    fn every_form_that_people_have_is_read() {
        let json = r#"{"credentials": [{"principal": "marathon", "secret": "s3cret", "namespace": "apps"}]}"#;
        let cases: [(&str, Secret, Option<&str>); 6] = [
            ("Mesos' JSON", secret(None, &[("credentials", json)], &[]), Some("apps")),
            ("its other name", secret(None, &[("credentials.json", json)], &[]), Some("apps")),
            ("Mesos' lines", secret(None, &[("credentials", "\nmarathon  s3cret\nother x\n")], &[]), None),
            ("a key each", secret(None, &[("marathon", "s3cret"), ("other", "x")], &[]), None),
            (
                "with a line's end and an annotation",
                secret(None, &[("marathon", "s3cret\n")], &[("namespace.proffer.dev/marathon", "team-a")]),
                Some("team-a"),
            ),
            (
                "Kubernetes' basic-auth",
                secret(Some(BASIC_AUTH), &[("username", "marathon"), ("password", "s3cret")], &[]),
                None,
            ),
        ];
        for (what, secret, namespace) in cases {
            let principals = Principals::read(&secret).unwrap();
            assert!(principals.accept("marathon", &digest("s3cret")), "{what}");
            assert_eq!(principals.namespace("marathon"), namespace, "{what}");
            for (name, wrong) in
                [("marathon", "s3cre"), ("marathon", ""), ("marathon", "s3cret\n"), ("chronos", "s3cret")]
            {
                assert!(!principals.accept(name, &digest(wrong)), "{what}: {name} {wrong:?}");
            }
        }
        assert!(!Principals::default().accept("", &[0; 32]), "nobody is nobody's digest");
    }

    #[test]
    fn what_cannot_be_meant_is_refused_without_telling_secrets() {
        let json = |text: &str| secret(None, &[("credentials", text)], &[]);
        for (secret, words) in [
            (json(r#"{"credentials": [{"principal": "a", "secret": 7}]}"#), "key \"credentials\" is no file"),
            (json(r#"{"credentials": [{"principal": "a", "hidden": "hidden"}]}"#), "is no file of credentials"),
            (json("a hidden hidden"), "is no file of credentials"),
            (json(r#"{"credentials": [{"principal": "a:b", "secret": "hidden"}]}"#), "\"a:b\" cannot be a principal"),
            (json(r#"{"credentials": [{"principal": "", "secret": "hidden"}]}"#), "\"\" cannot be a principal"),
            (json(r#"{"credentials": [{"principal": "a", "secret": ""}]}"#), "\"a\" has no secret"),
            (json("a hidden\na hidden2"), "\"a\" is there more than once"),
            (
                json(r#"{"credentials": [{"principal": "a", "secret": "hidden", "namespace": "A/b"}]}"#),
                "\"A/b\" of principal \"a\" is no namespace",
            ),
            (secret(None, &[("a", "\n")], &[]), "\"a\" has no secret"),
            (secret(Some(BASIC_AUTH), &[("password", "hidden")], &[]), "\"\" cannot be a principal"),
        ] {
            let error = Principals::read(&secret).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
            assert!(!error.contains("hidden"), "{error}");
        }
        let mut bytes = secret(None, &[], &[]);
        bytes.data = Some([("a".to_owned(), ByteString(vec![0xff]))].into());
        assert_eq!(Principals::read(&bytes), Err(PrincipalsError::Text("a".to_owned())));
        assert!(!format!("{:?}", Principals::read(&json("a hidden")).unwrap()).contains("hidden"));
    }
}
