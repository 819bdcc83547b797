//! Somebody who calls, and what they called with.

use super::answers::Question;
use super::reviewer::User;
use std::fmt;
use std::sync::Arc;

/// Somebody who was let in. Made by [`super::Access::authenticate`] only. Cheap to clone.
#[derive(Clone)]
pub struct Caller(Arc<Inner>);

struct Inner {
    user: User,
    digest: Question,
    principal: Option<String>,
    namespace: String,
    proof: Proof,
}

/// What a caller came with: it is looked at again while a stream of theirs is open.
pub(super) enum Proof {
    /// Nothing, where nothing is needed.
    None,
    /// A token of the cluster.
    Bearer(String),
    /// The digest of a principal's secret.
    Basic(Question),
}

impl Caller {
    pub(super) fn new(user: User, principal: Option<String>, namespace: String, proof: Proof) -> Self {
        let digest = user.digest();
        Self(Arc::new(Inner { user, digest, principal, namespace, proof }))
    }

    /// Who this is in Kubernetes: what RBAC knows them by.
    #[must_use]
    pub fn user(&self) -> &User {
        &self.0.user
    }

    /// Mesos' principal, which frameworks have in `FrameworkInfo.principal`: the name in basic credentials, or the user's
    /// name. Nobody for a caller who needed no credentials.
    #[must_use]
    pub fn principal(&self) -> Option<&str> {
        self.0.principal.as_deref()
    }

    /// Namespace of the Framework objects of this caller's frameworks.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.0.namespace
    }

    /// Whether no credentials were needed: such a caller may do everything.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        matches!(self.0.proof, Proof::None)
    }

    pub(super) fn digest(&self) -> &Question {
        &self.0.digest
    }

    pub(super) fn proof(&self) -> &Proof {
        &self.0.proof
    }
}

/// Without what they came with.
impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller")
            .field("user", &self.user().name())
            .field("principal", &self.principal())
            .field("namespace", &self.namespace())
            .finish_non_exhaustive()
    }
}
