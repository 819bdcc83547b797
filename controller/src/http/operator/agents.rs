//! Agents that are drained, deactivated, reactivated and marked gone: each is said in the spec of the Agent object.

use super::{Operator, bad, done};
use crate::auth::{Action, Object};
use crate::http::answer::text;
use crate::http::view::{AgentView, ByRole, machines};
use crate::registry::Entry;
use axum::http::StatusCode;
use axum::response::Response;
use proffer_crds::{Agent, AgentMode, Maintenance};
use proffer_mesos_api::v1::master::call::DrainAgent;
use serde_json::{Value, json};
use std::sync::Arc;

/// The longest grace period that an object can have, in seconds.
const LONGEST_GRACE: i64 = 86_400;

impl Operator {
    /// The agent that has this ID in Mesos' API.
    pub(super) fn agent(&self, id: &str) -> Option<Arc<Entry<Agent>>> {
        let is = |entry: &Arc<Entry<Agent>>| {
            AgentView::new(entry, ByRole::default(), ByRole::default()).is_some_and(|agent| agent.id == id)
        };
        self.master.registry.all::<Agent>().into_iter().find(is)
    }

    /// Goes on only if the caller may do this to the agent; of one that is not known, to all.
    async fn may_to(&self, action: Action, agent: Option<&Arc<Entry<Agent>>>) -> Result<(), Response> {
        let name = agent.and_then(|entry| entry.meta().name.as_deref());
        self.may(action, name.map_or(Object::CLUSTER, Object::cluster)).await
    }

    async fn order(&self, agent: &Entry<Agent>, spec: Value) -> Result<Response, Response> {
        let name = agent.meta().name.as_deref().unwrap_or_default();
        self.master.merge::<Agent>(name, &json!({"spec": spec})).await?;
        Ok(done())
    }

    /// `DRAIN_AGENT`.
    pub(super) async fn drain(&self, call: &DrainAgent) -> Result<Response, Response> {
        let id = &call.agent_id.value;
        let agent = self.agent(id);
        if let Some(name) = agent.as_ref().and_then(|entry| entry.meta().name.as_deref())
            && machines(&self.master.registry.all::<Maintenance>()).contains_key(name)
        {
            return Err(bad(format!("Agent {id} is part of a maintenance schedule under Machine {name}")));
        }
        self.may_to(Action::DrainAgents, agent.as_ref()).await?;
        if call.mark_gone() {
            self.may_to(Action::MarkAgentsGone, agent.as_ref()).await?;
        }
        let agent = agent.ok_or_else(|| bad("Unknown agent"))?;
        if is_gone(&agent) {
            return Err(text(StatusCode::CONFLICT, "Agent is currently being marked gone"));
        }
        let grace = call.max_grace_period.as_ref();
        if grace.is_some_and(|grace| grace.seconds < 0 || grace.nanos < 0) {
            return Err(bad("'max_grace_period' is negative"));
        }
        // Objects have whole seconds: never less than was granted.
        let whole = |seconds: i64, nanos: i32| seconds.saturating_add(i64::from(nanos > 0)).min(LONGEST_GRACE);
        let seconds = grace.map(|grace| whole(grace.seconds, grace.nanos));
        let drain = json!({"maxGracePeriodSeconds": seconds, "markGone": call.mark_gone()});
        self.order(&agent, json!({"drain": drain})).await
    }

    /// `DEACTIVATE_AGENT`.
    pub(super) async fn deactivate(&self, id: &str) -> Result<Response, Response> {
        let agent = self.agent(id);
        self.may_to(Action::DeactivateAgents, agent.as_ref()).await?;
        let agent = agent.filter(|agent| !is_gone(agent)).ok_or_else(|| bad("Unknown agent"))?;
        self.order(&agent, json!({"deactivated": true})).await
    }

    /// `REACTIVATE_AGENT`, also of one that was drained.
    pub(super) async fn reactivate(&self, id: &str) -> Result<Response, Response> {
        let agent = self.agent(id);
        self.may_to(Action::ReactivateAgents, agent.as_ref()).await?;
        let agent = agent.filter(|agent| !is_gone(agent)).ok_or_else(|| bad("Agent is not deactivated"))?;
        let object = agent.value().map_err(|problem| bad(format!("Agent {id} cannot be read: {problem}")))?;
        if !object.spec.deactivated && object.spec.drain.is_none() {
            return Err(bad("Agent is not deactivated"));
        }
        let drained = object.status.as_ref().is_some_and(|status| status.mode == Some(AgentMode::Drained));
        if object.spec.drain.is_some() && !drained {
            return Err(bad("Agent is still in the DRAINING state"));
        }
        self.order(&agent, json!({"deactivated": false, "drain": null})).await
    }

    /// `MARK_AGENT_GONE`.
    pub(super) async fn mark_gone(&self, id: &str) -> Result<Response, Response> {
        let agent = self.agent(id);
        self.may_to(Action::MarkAgentsGone, agent.as_ref()).await?;
        let agent = agent.ok_or_else(|| text(StatusCode::NOT_FOUND, format!("Agent '{id}' not found")))?;
        if is_gone(&agent) {
            return Ok(done());
        }
        self.order(&agent, json!({"gone": true})).await
    }
}

fn is_gone(agent: &Entry<Agent>) -> bool {
    agent.value().is_ok_and(|agent| agent.spec.gone)
}
