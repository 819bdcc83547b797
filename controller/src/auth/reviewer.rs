//! Who somebody is and what they may do, as the API server says: `TokenReview` and `SubjectAccessReview`.

use super::answers::{Answers, Question};
use crate::clock::Boot;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, UserInfo};
use k8s_openapi::api::authorization::v1::{SubjectAccessReview, SubjectAccessReviewSpec};
use kube::api::PostParams;
use kube::{Api, Client};
use sha2::{Digest, Sha256};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

/// How long a good answer is believed.
const BELIEVED: Duration = Duration::from_secs(10);
/// How long a bad one is: who was just given a right is not to wait for it.
const REFUSED: Duration = Duration::from_secs(1);
/// How many tokens' users are remembered.
const REMEMBERED_USERS: usize = 16_384;
/// How many answers about rights are remembered.
const REMEMBERED_RIGHTS: usize = 65_536;
/// Requests to the API server at once.
const REVIEWS_AT_ONCE: usize = 64;
/// How long a review waits for its turn.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// Longest token that is looked at.
const LONGEST_TOKEN: usize = 16 * 1024;

/// Why somebody is not let in.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// There is no token.
    #[error(
        "no credentials: send the header Authorization: Bearer TOKEN, with a token such as `kubectl create token NAME` prints"
    )]
    NoToken,
    /// The token is not good, or not for us.
    #[error("the bearer token is not accepted: {0}")]
    Refused(String),
    /// The API server gave no answer.
    #[error("the API server cannot be asked about the caller")]
    Unavailable(#[source] kube::Error),
    /// Too many reviews are under way.
    #[error("too many callers are being reviewed at the moment")]
    Busy,
}

/// Somebody whom the API server knows.
#[derive(Clone, Debug, PartialEq)]
pub struct User {
    info: UserInfo,
}

impl User {
    /// Somebody of this name, in these groups.
    #[must_use]
    pub(super) fn named(name: &str, groups: &[&str]) -> Self {
        let groups = groups.iter().map(|&group| group.to_owned()).collect();
        Self { info: UserInfo { username: Some(name.to_owned()), groups: Some(groups), ..UserInfo::default() } }
    }

    /// Namespace of the `ServiceAccount` that this is; nothing for anybody else.
    #[must_use]
    pub fn service_account_namespace(&self) -> Option<&str> {
        let (namespace, name) = self.name().strip_prefix("system:serviceaccount:")?.split_once(':')?;
        (!namespace.is_empty() && !name.is_empty()).then_some(namespace)
    }

    /// Their name: `system:serviceaccount:ns:name` for a `ServiceAccount`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.info.username.as_deref().unwrap_or_default()
    }

    /// Tells users apart by everything that a review of what they may do looks at.
    pub(super) fn digest(&self) -> Question {
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

/// Asks the API server, and remembers its answers for a moment: good ones for ten seconds, bad ones for one.
pub struct Reviewer {
    client: Client,
    /// The user of a token, or why there is none.
    users: Answers<Result<User, String>>,
    rights: Answers<bool>,
    /// Reviews under way. A flood of unknown tokens must not become a flood of requests to the API server.
    under_way: Semaphore,
}

impl Reviewer {
    /// A reviewer that remembers nothing yet.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self {
            client,
            users: Answers::new(REMEMBERED_USERS),
            rights: Answers::new(REMEMBERED_RIGHTS),
            under_way: Semaphore::new(REVIEWS_AT_ONCE),
        }
    }

    /// Whose token this is. It must be for `audience`, or for the API server itself if there is none.
    pub async fn user(&self, token: &str, audience: Option<&str>) -> Result<User, AuthError> {
        if token.is_empty() || token.len() > LONGEST_TOKEN {
            return Err(AuthError::Refused("it has no acceptable length".to_owned()));
        }
        let digest = digest(token, audience);
        if let Some(known) = self.users.get(&digest, Boot::now()) {
            return known.map_err(AuthError::Refused);
        }
        let answer = self.review_token(token, audience).await?;
        let believed = if answer.is_ok() { BELIEVED } else { REFUSED };
        self.users.put(digest, answer.clone(), Boot::now(), believed);
        answer.map_err(AuthError::Refused)
    }

    async fn review_token(&self, token: &str, audience: Option<&str>) -> Result<Result<User, String>, AuthError> {
        let review = TokenReview {
            spec: TokenReviewSpec {
                token: token.to_owned(),
                audiences: audience.map(|audience| vec![audience.to_owned()]),
            },
            ..TokenReview::default()
        };
        let _permit = self.permit().await?;
        let status = Api::<TokenReview>::all(self.client.clone())
            .create(&PostParams::default(), &review)
            .await
            .map_err(AuthError::Unavailable)?
            .status
            .unwrap_or_default();
        if status.authenticated != Some(true) {
            let why = status.error.filter(|error| !error.is_empty());
            return Ok(Err(why.unwrap_or_else(|| "it is not one of this cluster's".to_owned())));
        }
        // An authenticator that knows no audiences says so by naming none; then the token is not for us.
        if let Some(audience) = audience
            && !status.audiences.iter().flatten().any(|one| one == audience)
        {
            return Ok(Err(format!("it is not for the audience {audience}")));
        }
        Ok(Ok(User { info: status.user.unwrap_or_default() }))
    }

    /// Whether the user of this digest may do what is asked.
    pub(super) async fn may(
        &self,
        user: &User,
        digest: &Question,
        asked: SubjectAccessReviewSpec,
    ) -> Result<bool, AuthError> {
        let mut question = Sha256::new();
        question.update(digest);
        question.update(format!("{asked:?}"));
        let question = question.finalize().into();
        if let Some(allowed) = self.rights.get(&question, Boot::now()) {
            return Ok(allowed);
        }
        let UserInfo { username, groups, uid, extra } = user.info.clone();
        let spec = SubjectAccessReviewSpec { user: username, groups, uid, extra, ..asked };
        let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
        let _permit = self.permit().await?;
        let answer = Api::<SubjectAccessReview>::all(self.client.clone())
            .create(&PostParams::default(), &review)
            .await
            .map_err(AuthError::Unavailable)?;
        let allowed = answer.status.is_some_and(|status| status.allowed && status.denied != Some(true));
        self.rights.put(question, allowed, Boot::now(), if allowed { BELIEVED } else { REFUSED });
        Ok(allowed)
    }

    async fn permit(&self) -> Result<SemaphorePermit<'_>, AuthError> {
        match tokio::time::timeout(LONGEST_WAIT, self.under_way.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(AuthError::Busy),
        }
    }
}

/// Tokens themselves are not kept.
fn digest(token: &str, audience: Option<&str>) -> Question {
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
