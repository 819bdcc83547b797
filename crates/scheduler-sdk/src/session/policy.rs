//! What a session was told to do, and what the framework has said about itself since.

use crate::{BackOff, MasterUrl, Settings, v1};
use std::collections::BTreeSet;
use std::time::Duration;
use v1::scheduler::{OfferConstraints, call};

/// What a session was told to do.
#[derive(Debug)]
pub(crate) struct Policy {
    pub(crate) masters: Vec<MasterUrl>,
    pub(crate) framework: v1::FrameworkInfo,
    pub(crate) suppressed_roles: BTreeSet<String>,
    pub(crate) offer_constraints: Option<OfferConstraints>,
    pub(crate) known_tasks: Vec<(v1::TaskId, Option<v1::AgentId>)>,
    pub(crate) reconcile: bool,
    pub(crate) back_off: BackOff,
    pub(crate) missed_heartbeats: u32,
    pub(crate) answer_timeout: Duration,
    pub(crate) patience: Option<Duration>,
}

impl Policy {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            masters: settings.masters.clone(),
            framework: settings.framework.clone(),
            suppressed_roles: settings.suppressed_roles.iter().cloned().collect(),
            offer_constraints: settings.offer_constraints.clone(),
            known_tasks: settings.known_tasks.clone(),
            reconcile: settings.reconcile,
            back_off: settings.back_off,
            missed_heartbeats: settings.missed_heartbeats.max(1),
            answer_timeout: settings.answer_timeout,
            patience: settings.patience,
        }
    }

    pub(crate) fn subscribe(&self) -> call::Subscribe {
        call::Subscribe {
            framework_info: self.framework.clone(),
            suppressed_roles: self.suppressed_roles.iter().cloned().collect(),
            offer_constraints: self.offer_constraints.clone(),
        }
    }

    /// Keeps in mind that these roles, or all, want no offers: a SUBSCRIBE says anew which.
    pub(crate) fn suppress(&mut self, roles: &[String]) {
        let roles = if roles.is_empty() { self.roles() } else { roles.to_vec() };
        self.suppressed_roles.extend(roles);
    }

    /// The reverse.
    pub(crate) fn revive(&mut self, roles: &[String]) {
        if roles.is_empty() {
            self.suppressed_roles.clear();
        }
        for role in roles {
            self.suppressed_roles.remove(role);
        }
    }

    pub(crate) fn update(&mut self, update: call::UpdateFramework) {
        let id = self.framework.id.take();
        self.framework = v1::FrameworkInfo { id, ..update.framework_info };
        self.suppressed_roles = update.suppressed_roles.into_iter().collect();
        self.offer_constraints = update.offer_constraints;
    }

    fn roles(&self) -> Vec<String> {
        use v1::framework_info::capability::Type;
        if self.framework.capabilities.iter().any(|capability| capability.r#type() == Type::MultiRole) {
            return self.framework.roles.clone();
        }
        #[allow(deprecated, reason = "it is the role of frameworks that have one only")]
        let role = self.framework.role().to_owned();
        vec![role]
    }
}
