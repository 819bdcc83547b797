//! The one way in: credentials become a [`Caller`], and a caller's wish is allowed or denied.

use super::action::{Action, Object, Scope};
use super::caller::{Caller, Proof};
use super::credentials::Credentials;
use super::denied::Denied;
use super::principals;
use super::rates::Rates;
use super::reviewer::{AuthError, Reviewer, User};
use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// What a principal's user is called in Kubernetes, before the principal's name.
const PRINCIPAL_USER: &str = "proffer:principal:";
/// The group of all principals with basic credentials.
const PRINCIPAL_GROUP: &str = "proffer:principals";
/// How often the caller of an open stream is looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// Who needs no credentials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Anonymous {
    /// Who comes from this machine itself, as through `kubectl port-forward`.
    pub loopback: bool,
    /// Everybody.
    pub everybody: bool,
}

impl Anonymous {
    fn allows(self, peer: IpAddr) -> bool {
        self.everybody || (self.loopback && peer.to_canonical().is_loopback())
    }
}

/// Says who calls and what they may do.
pub struct Access {
    reviewer: Arc<Reviewer>,
    credentials: Credentials,
    anonymous: Anonymous,
    rates: Rates,
    /// Namespace of the frameworks of callers that have none of their own.
    default_namespace: String,
    /// How often the caller of an open stream is looked at again.
    look_again: Duration,
}

impl Access {
    /// What lets these in. `default_namespace` is where frameworks live whose caller has no namespace of its own.
    #[must_use]
    pub fn new(
        reviewer: Arc<Reviewer>,
        credentials: Credentials,
        anonymous: Anonymous,
        default_namespace: &str,
    ) -> Self {
        Self {
            reviewer,
            credentials,
            anonymous,
            rates: Rates::default(),
            default_namespace: default_namespace.to_owned(),
            look_again: LOOK_AGAIN,
        }
    }

    /// The same, but principals are held to these rates.
    #[must_use]
    pub fn limited(self, rates: Rates) -> Self {
        Self { rates, ..self }
    }

    /// The same, but callers of open streams are looked at again so often.
    #[must_use]
    pub fn looking_again(self, every: Duration) -> Self {
        Self { look_again: every, ..self }
    }

    /// Who calls, from their `Authorization` header and their address. Answers of the API server are believed for ten
    /// seconds, so a caller who calls often costs it nothing.
    pub async fn authenticate(&self, headers: &HeaderMap, peer: IpAddr) -> Result<Caller, Denied> {
        let mut sent = headers.get_all(header::AUTHORIZATION).iter();
        // Credentials that are sent are looked at, even where none are needed: wrong ones are worth a word.
        let Some(header) = sent.next() else {
            if self.anonymous.allows(peer) {
                let user = User::named("system:anonymous", &["system:unauthenticated"]);
                return Ok(Caller::new(user, None, self.default_namespace.clone(), Proof::None));
            }
            return Err(self.denied(&AuthError::NoToken));
        };
        if sent.next().is_some() {
            return Err(self.unauthenticated("there is more than one Authorization header"));
        }
        let header = header.to_str().map_err(|_| self.unauthenticated("the Authorization header is not text"))?;
        match header.split_once(' ').map(|(scheme, rest)| (scheme, rest.trim())) {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() => {
                self.bearer(token).await
            }
            Some((scheme, pair)) if scheme.eq_ignore_ascii_case("basic") => self.basic(pair),
            _ => Err(self.denied(&AuthError::NoToken)),
        }
    }

    async fn bearer(&self, token: &str) -> Result<Caller, Denied> {
        let user = self.reviewer.user(token, None).await.map_err(|error| self.denied(&error))?;
        let namespace = user.service_account_namespace().unwrap_or(&self.default_namespace).to_owned();
        let principal = user.name().to_owned();
        Ok(Caller::new(user, Some(principal), namespace, Proof::Bearer(token.to_owned())))
    }

    fn basic(&self, pair: &str) -> Result<Caller, Denied> {
        let pair = STANDARD.decode(pair).ok().and_then(|pair| String::from_utf8(pair).ok());
        let (principal, secret) = pair
            .as_deref()
            .and_then(|pair| pair.split_once(':'))
            .ok_or_else(|| self.unauthenticated("the basic credentials are not PRINCIPAL:SECRET in base64"))?;
        let secret = principals::digest(secret);
        self.accept(principal, &secret)?;
        let user = User::named(&format!("{PRINCIPAL_USER}{principal}"), &[PRINCIPAL_GROUP]);
        let namespace = self.credentials.namespace(principal).unwrap_or_else(|| self.default_namespace.clone());
        Ok(Caller::new(user, Some(principal.to_owned()), namespace, Proof::Basic(secret)))
    }

    fn accept(&self, principal: &str, secret: &[u8; 32]) -> Result<(), Denied> {
        match self.credentials.accept(principal, secret) {
            Some(true) => Ok(()),
            // The same words for a principal that does not exist as for a wrong secret.
            Some(false) => Err(self.unauthenticated("the principal and its secret are not accepted")),
            None => Err(Denied::Unavailable("the principals are not read yet".to_owned())),
        }
    }

    /// Goes on when the caller's rate limit lets this request through; refused if too many of theirs wait. Once a request.
    pub async fn admit(&self, caller: &Caller) -> Result<(), Denied> {
        self.rates.admit(caller.principal()).await
    }

    /// Goes on only if the caller may do this. Answers are believed for ten seconds if good and for one if not.
    pub async fn authorize(&self, caller: &Caller, action: Action, object: Object<'_>) -> Result<(), Denied> {
        if self.allows(caller, action, object).await? {
            return Ok(());
        }
        Err(forbidden(caller, action, object))
    }

    /// Whether the caller may do this.
    pub async fn allows(&self, caller: &Caller, action: Action, object: Object<'_>) -> Result<bool, Denied> {
        if caller.is_anonymous() {
            return Ok(true);
        }
        let asked = action.question(object);
        self.reviewer.may(caller.user(), caller.digest(), asked).await.map_err(|error| self.denied(&error))
    }

    /// Returns when the caller of an open stream has lost what it was opened with: the token ran out, the secret was
    /// changed, or one of the rights is gone. Looks every 30 seconds, and believes nothing that is older than ten. While
    /// nobody can say, the stream goes on: a leader that cannot reach the API server is none for much longer.
    pub async fn until_lost(&self, caller: &Caller, rights: &[(Action, Object<'_>)]) -> Denied {
        loop {
            tokio::time::sleep(self.look_again).await;
            match self.look_again(caller, rights).await {
                Ok(()) | Err(Denied::Unavailable(_)) => {}
                Err(lost) => return lost,
            }
        }
    }

    async fn look_again(&self, caller: &Caller, rights: &[(Action, Object<'_>)]) -> Result<(), Denied> {
        match caller.proof() {
            Proof::None => return Ok(()),
            Proof::Bearer(token) => {
                self.reviewer.user(token, None).await.map_err(|error| self.denied(&error))?;
            }
            Proof::Basic(secret) => self.accept(caller.principal().unwrap_or_default(), secret)?,
        }
        for &(action, object) in rights {
            self.authorize(caller, action, object).await?;
        }
        Ok(())
    }

    fn denied(&self, error: &AuthError) -> Denied {
        Denied::from_review(error, self.credentials.are_on())
    }

    fn unauthenticated(&self, why: &str) -> Denied {
        Denied::Unauthenticated { why: why.to_owned(), basic: self.credentials.are_on() }
    }
}

fn forbidden(caller: &Caller, action: Action, object: Object<'_>) -> Denied {
    let (_, verb, resource, scope) = action.right();
    let user = caller.user().name();
    let group = proffer_crds::GROUP;
    Denied::Forbidden(match (scope, object.namespace) {
        (Scope::Url, _) => {
            let path = if object.name.is_empty() { resource } else { object.name };
            format!("{user} may not {verb} {path}: a ClusterRole with it among its nonResourceURLs allows it")
        }
        (Scope::Namespace, namespace) if !namespace.is_empty() => format!(
            "{user} may not {verb} {resource} of group {group} in namespace {namespace}: a Role with that rule, bound to \
             this user, allows it"
        ),
        _ => format!(
            "{user} may not {verb} {resource} of group {group}: a ClusterRole with that rule, bound to this user by a \
             ClusterRoleBinding, allows it"
        ),
    })
}
