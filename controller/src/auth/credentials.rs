//! Principals and their secrets as they are now: they change while the process runs.

use super::answers::Question;
use super::principals::Principals;
use std::sync::{Arc, PoisonError, RwLock};

/// What is known of the Secret.
#[derive(Clone, Debug)]
pub enum ReadState {
    /// None is configured: there are no basic credentials.
    Off,
    /// It was not read yet.
    Waiting,
    /// What is in it; nobody if it does not exist.
    Read(Arc<Principals>),
}

/// The principals, to ask and to replace. Clones are the same.
#[derive(Clone, Debug)]
pub struct Credentials(Arc<RwLock<ReadState>>);

impl Credentials {
    /// In this state.
    #[must_use]
    pub fn new(state: ReadState) -> Self {
        Self(Arc::new(RwLock::new(state)))
    }

    /// These principals, and no others any more.
    pub fn replace(&self, principals: Principals) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = ReadState::Read(Arc::new(principals));
    }

    /// The state now.
    #[must_use]
    pub fn state(&self) -> ReadState {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether basic credentials can be good at all.
    #[must_use]
    pub fn are_on(&self) -> bool {
        !matches!(self.state(), ReadState::Off)
    }

    /// Whether the principal has a secret of this digest; nothing if nobody can say yet.
    pub(super) fn accept(&self, principal: &str, secret: &Question) -> Option<bool> {
        match self.state() {
            ReadState::Off => Some(false),
            ReadState::Waiting => None,
            ReadState::Read(principals) => Some(principals.accept(principal, secret)),
        }
    }

    /// Namespace of the principal's frameworks, if one is set.
    pub(super) fn namespace(&self, principal: &str) -> Option<String> {
        match self.state() {
            ReadState::Read(principals) => principals.namespace(principal).map(str::to_owned),
            ReadState::Off | ReadState::Waiting => None,
        }
    }
}
