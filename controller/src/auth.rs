//! Who somebody is and what they may do, as the API server says: `TokenReview` and `SubjectAccessReview`.

use crate::clock::Boot;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, UserInfo};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::api::PostParams;
use kube::{Api, Client};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long a good answer is believed.
const BELIEVED: Duration = Duration::from_secs(10);
/// How many answers are remembered.
const REMEMBERED: usize = 65_536;
/// Longest token that is looked at.
const LONGEST_TOKEN: usize = 16 * 1024;

/// Why somebody is not let in.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// There is no token.
    #[error(
        "no bearer token: send the header Authorization: Bearer TOKEN, with a token such as `kubectl create token NAME` prints"
    )]
    NoToken,
    /// The token is not good, or not for us.
    #[error("the bearer token is not accepted: {0}")]
    Refused(String),
    /// The API server gave no answer.
    #[error("the API server cannot be asked about the token")]
    Unavailable(#[source] kube::Error),
}

/// Somebody whom the API server knows.
#[derive(Clone, Debug, PartialEq)]
pub struct User {
    info: UserInfo,
}

impl User {
    /// Their name: `system:serviceaccount:ns:name` for a `ServiceAccount`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.info.username.as_deref().unwrap_or_default()
    }

    /// Tells users apart by everything that a review of what they may do looks at.
    fn digest(&self) -> [u8; 32] {
        let UserInfo { username, uid, groups, extra } = &self.info;
        Sha256::digest(format!("{username:?} {uid:?} {groups:?} {extra:?}")).into()
    }

    /// A claim of their token, if there is exactly one of it.
    #[must_use]
    pub fn claim(&self, key: &str) -> Option<&str> {
        match self.info.extra.as_ref()?.get(key)?.as_slice() {
            [one] => Some(one),
            _ => None,
        }
    }
}

/// Asks the API server, and remembers good answers for a moment.
pub struct Reviewer {
    client: Client,
    users: Mutex<HashMap<[u8; 32], (User, Boot)>>,
    lists: Mutex<HashMap<ListKey, (bool, Boot)>>,
}

/// A user as they were reviewed, a resource, and a namespace (all of them if empty).
type ListKey = ([u8; 32], &'static str, String);

impl Reviewer {
    /// A reviewer that remembers nothing yet.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client, users: Mutex::default(), lists: Mutex::default() }
    }

    /// Whose token this is. It must be for `audience`, or for the API server itself if there is none.
    pub async fn user(&self, token: &str, audience: Option<&str>) -> Result<User, AuthError> {
        if token.is_empty() || token.len() > LONGEST_TOKEN {
            return Err(AuthError::Refused("it has no acceptable length".to_owned()));
        }
        let digest = digest(token, audience);
        if let Some(user) = self.remembered(&digest) {
            return Ok(user);
        }
        let review = TokenReview {
            spec: TokenReviewSpec {
                token: token.to_owned(),
                audiences: audience.map(|audience| vec![audience.to_owned()]),
            },
            ..TokenReview::default()
        };
        let status = Api::<TokenReview>::all(self.client.clone())
            .create(&PostParams::default(), &review)
            .await
            .map_err(AuthError::Unavailable)?
            .status
            .unwrap_or_default();
        if status.authenticated != Some(true) {
            let why = status.error.filter(|error| !error.is_empty());
            return Err(AuthError::Refused(why.unwrap_or_else(|| "it is not one of this cluster's".to_owned())));
        }
        // An authenticator that knows no audiences says so by naming none; then the token is not for us.
        if let Some(audience) = audience
            && !status.audiences.iter().flatten().any(|one| one == audience)
        {
            return Err(AuthError::Refused(format!("it is not for the audience {audience}")));
        }
        let user = User { info: status.user.unwrap_or_default() };
        self.remember(digest, user.clone());
        Ok(user)
    }

    /// Whether the user may do this.
    pub async fn may(&self, user: &User, attributes: ResourceAttributes) -> Result<bool, AuthError> {
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: user.info.username.clone(),
                groups: user.info.groups.clone(),
                uid: user.info.uid.clone(),
                extra: user.info.extra.clone(),
                resource_attributes: Some(attributes),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let answer = Api::<SubjectAccessReview>::all(self.client.clone())
            .create(&PostParams::default(), &review)
            .await
            .map_err(AuthError::Unavailable)?;
        Ok(answer.status.is_some_and(|status| status.allowed && status.denied != Some(true)))
    }

    /// Whether the user may list our objects of this plural in a namespace, or everywhere if it is empty. Either answer is
    /// believed for a moment.
    pub async fn may_list(&self, user: &User, plural: &'static str, namespace: &str) -> Result<bool, AuthError> {
        let key = (user.digest(), plural, namespace.to_owned());
        let known = self.lists.lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied();
        if let Some((allowed, since)) = known
            && Boot::now().since(since) < BELIEVED
        {
            return Ok(allowed);
        }
        let attributes = ResourceAttributes {
            group: Some(proffer_crds::GROUP.to_owned()),
            resource: Some(plural.to_owned()),
            verb: Some("list".to_owned()),
            namespace: Some(namespace.to_owned()),
            ..ResourceAttributes::default()
        };
        let allowed = self.may(user, attributes).await?;
        remember(&mut self.lists.lock().unwrap_or_else(PoisonError::into_inner), key, allowed);
        Ok(allowed)
    }

    fn remembered(&self, digest: &[u8; 32]) -> Option<User> {
        let users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        let (user, since) = users.get(digest)?;
        (Boot::now().since(*since) < BELIEVED).then(|| user.clone())
    }

    fn remember(&self, digest: [u8; 32], user: User) {
        remember(&mut self.users.lock().unwrap_or_else(PoisonError::into_inner), digest, user);
    }
}

/// Keeps an answer, if there is room for it.
fn remember<K: Eq + Hash, V>(answers: &mut HashMap<K, (V, Boot)>, key: K, value: V) {
    let now = Boot::now();
    if answers.len() >= REMEMBERED {
        answers.retain(|_, (_, since)| now.since(*since) < BELIEVED);
    }
    if answers.len() < REMEMBERED || answers.contains_key(&key) {
        answers.insert(key, (value, now));
    }
}

/// Tokens themselves are not kept.
fn digest(token: &str, audience: Option<&str>) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(audience.unwrap_or_default());
    hash.update([0]);
    hash.update(token);
    hash.finalize().into()
}

/// The token in an `authorization` header.
pub fn bearer(header: Option<&str>) -> Result<&str, AuthError> {
    let (scheme, token) = header.and_then(|header| header.split_once(' ')).ok_or(AuthError::NoToken)?;
    if !scheme.eq_ignore_ascii_case("bearer") || token.trim().is_empty() {
        return Err(AuthError::NoToken);
    }
    Ok(token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bearer_token_is_a_token() {
        assert_eq!(bearer(Some("Bearer abc")).unwrap(), "abc");
        assert_eq!(bearer(Some("bearer  abc ")).unwrap(), "abc");
        for header in [None, Some(""), Some("Bearer"), Some("Bearer "), Some("Basic abc")] {
            assert!(matches!(bearer(header), Err(AuthError::NoToken)), "{header:?}");
        }
    }
}
