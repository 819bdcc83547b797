//! What of an agent a client may be offered, and if nothing, why.
//!
//! Runs, explanations and preemption all ask here, so that what a person is told is what was decided.

use crate::agent::{AgentBooks, is_plain};
use crate::framework::{Client, ClientId};
use crate::{AgentMode, Allocator, Name, Time};
use proffer_resources::{Quantities, Resource, ResourceBag, Role, Value};

/// A capability that a framework lacks for an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lacking {
    /// `GPU_RESOURCES`: the agent has GPUs.
    Gpus,
    /// `REGION_AWARE`: the agent is in another region than the master.
    RegionAware,
    /// All that is free is revocable, shared or of refined reservations, and the framework does not know of that.
    Kind,
}

/// Why an agent is not offered to a framework.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Withheld {
    /// The framework is not connected.
    NotConnected,
    /// The framework does not want offers in this role now.
    Suppressed,
    /// The framework has as many offers as it may have.
    EnoughOffers,
    /// The agent cannot be used now.
    NotReady,
    /// An operator wants nothing of the agent offered.
    Deactivated,
    /// The agent is being emptied.
    Draining,
    /// The framework's constraints leave it out.
    Constraint,
    /// The framework lacks a capability.
    Capability(Lacking),
    /// Nothing of it is free: others hold it, or are offered it.
    NothingFree,
    /// What is free is reserved for other roles.
    Reserved,
    /// Less is free than is worth an offer.
    TooLittle,
    /// A role, this one or one above, is at its limit.
    Quota(Role),
    /// What is free is kept for roles that are guaranteed it.
    Headroom,
    /// It fits none of the shapes that the framework asks for.
    TooSmall,
    /// It fits some shapes that the framework asks for at once, but not all do.
    GangIncomplete,
    /// The framework refused as much of it, until then.
    Filtered(Time),
}

/// Under which rules something is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// To roles that have less than they are guaranteed.
    Guarantees,
    /// To everybody, of what need not be kept for guarantees.
    Surplus,
}

impl<A: Name, F: Name> Allocator<A, F> {
    /// What of `agent` would be offered to `framework` in a role at `now` if it were its turn (coarse offers, as in Mesos).
    pub fn offerable(&self, agent: &A, framework: &F, role: &Role, now: Time) -> Result<ResourceBag, Withheld> {
        let number = self.agent_number(agent).ok_or(Withheld::NotReady)?;
        let client = self.client_of(framework, role).ok_or(Withheld::NotConnected)?;
        self.may_be_served(client)?;
        let known = self.clients[client as usize].as_ref().ok_or(Withheld::NotConnected)?;
        if !known.gang.is_empty() {
            return if self.find_gang(client, now).is_some() {
                self.gate(client, number, Stage::Surplus, now)
            } else {
                Err(Withheld::GangIncomplete)
            };
        }
        self.gate(client, number, Stage::Guarantees, now).or_else(|_| self.gate(client, number, Stage::Surplus, now))
    }

    /// Whether a client can be served at all now.
    pub(crate) fn may_be_served(&self, client: ClientId) -> Result<(), Withheld> {
        let client = self.clients[client as usize].as_ref().ok_or(Withheld::NotConnected)?;
        let framework = self.frameworks[client.framework as usize].as_ref().ok_or(Withheld::NotConnected)?;
        if !framework.active || !client.subscribed {
            return Err(Withheld::NotConnected);
        }
        if client.suppressed || framework.rests() {
            return Err(Withheld::Suppressed);
        }
        if framework.info.max_offers.is_some_and(|most| framework.offers >= most) {
            return Err(Withheld::EnoughOffers);
        }
        Ok(())
    }

    /// What of an agent a client may be offered under the rules of a stage. Whether the client is to be served is not asked.
    pub(crate) fn gate(
        &self,
        client_id: ClientId,
        agent: u32,
        stage: Stage,
        now: Time,
    ) -> Result<ResourceBag, Withheld> {
        let client = self.clients[client_id as usize].as_ref().ok_or(Withheld::NotConnected)?;
        let books = &self.agents[agent as usize];
        usable(books)?;
        self.suits(client, books)?;
        self.gate_resources(client, agent, books.free(), books.free_is_plain(), stage, now)
    }

    /// Whether agent and client suit each other, whatever is free.
    pub(crate) fn suits(&self, client: &Client, books: &AgentBooks) -> Result<(), Withheld> {
        if !client.constraints.allow(&books.info) {
            return Err(Withheld::Constraint);
        }
        let framework = self.frameworks[client.framework as usize].as_ref().ok_or(Withheld::NotConnected)?;
        let capabilities = framework.info.capabilities;
        if self.settings.filter_gpus && !capabilities.gpus && has_gpus(books) {
            return Err(Withheld::Capability(Lacking::Gpus));
        }
        let elsewhere = matches!((&self.settings.region, &books.info.region), (Some(ours), Some(its)) if ours != its);
        if elsewhere && !capabilities.region_aware {
            return Err(Withheld::Capability(Lacking::RegionAware));
        }
        Ok(())
    }

    /// What of `free` resources of an agent a client may be offered.
    pub(crate) fn gate_resources(
        &self,
        client: &Client,
        agent: u32,
        free: &ResourceBag,
        free_is_plain: bool,
        stage: Stage,
        now: Time,
    ) -> Result<ResourceBag, Withheld> {
        if free.is_empty() {
            return Err(Withheld::NothingFree);
        }
        let available = if free_is_plain { free.clone() } else { self.allocatable(client, free)? };
        let amounts = available.quantities();
        self.worth_an_offer(client, &amounts).map_err(|why| {
            // Some disk and ports are left on most agents that are full.
            if amounts.cpus.is_zero() && amounts.mem.is_zero() { Withheld::NothingFree } else { why }
        })?;

        let plain = if free_is_plain { amounts } else { available.quantities_of(is_plain) };
        let (allowed, bound) = self.allowed(client, &plain, stage);
        if stage == Stage::Guarantees && allowed.is_empty() {
            return Err(bound.unwrap_or(Withheld::Headroom));
        }
        let offer = if allowed == plain {
            available
        } else {
            let rest = available.filter(|resource| !matches!(resource.value, Value::Scalar(_)) || !is_plain(resource));
            rest.plus(&available.filter(is_plain).shrink(&allowed))
        };
        let amounts = offer.quantities();
        if offer.is_empty() || self.worth_an_offer(client, &amounts).is_err() {
            return Err(bound.unwrap_or(Withheld::TooLittle));
        }
        if !client.requests.is_empty() && !client.requests.iter().any(|shape| amounts.contains(shape)) {
            return Err(bound.unwrap_or(Withheld::TooSmall));
        }
        if let Some(refusals) = client.refusals.get(&agent)
            && let Some(until) = refusals.refuse(&offer, now)
        {
            return Err(Withheld::Filtered(until));
        }
        Ok(offer)
    }

    /// What of `free` is for the client's role and of kinds that its framework knows of.
    fn allocatable(&self, client: &Client, free: &ResourceBag) -> Result<ResourceBag, Withheld> {
        let framework = self.frameworks[client.framework as usize].as_ref().ok_or(Withheld::NotConnected)?;
        let capabilities = framework.info.capabilities;
        let for_role = free.allocatable_to(&client.role);
        if for_role.is_empty() {
            return Err(Withheld::Reserved);
        }
        let known = |resource: &Resource| {
            (capabilities.revocable || !resource.revocable)
                && (capabilities.shared || !resource.shared)
                && (capabilities.refinement || resource.reservations().len() < 2)
        };
        let available = for_role.filter(known);
        if available.is_empty() { Err(Withheld::Capability(Lacking::Kind)) } else { Ok(available) }
    }

    /// Whether so much is worth an offer (Mesos: `allocatable`).
    pub(crate) fn worth_an_offer(&self, client: &Client, amounts: &Quantities) -> Result<(), Withheld> {
        let least = client.min_allocatable.as_ref().unwrap_or(&self.settings.min_allocatable);
        let worth = least.is_empty() || least.iter().any(|least| amounts.contains(least));
        if worth { Ok(()) } else { Err(Withheld::TooLittle) }
    }

    /// As much of unreserved resources as quota lets a client have, and what bounds it if that is less than all.
    pub(crate) fn allowed(&self, client: &Client, plain: &Quantities, stage: Stage) -> (Quantities, Option<Withheld>) {
        if !self.roles.limited && self.roles.required.is_empty() && stage == Stage::Surplus {
            return (plain.clone(), None);
        }
        let guaranteed = match stage {
            Stage::Surplus => Quantities::default(),
            Stage::Guarantees => plain.at_most(&self.roles.unsatisfied(self.roles.top(client.node))),
        };
        if stage == Stage::Guarantees && guaranteed.is_empty() {
            return (guaranteed, None);
        }
        let (within_limits, by) = self.roles.cut(client.node, plain.clone());
        let quota = by.and_then(|node| self.roles.nodes[node as usize].role.clone()).map(Withheld::Quota);
        if self.roles.required.is_empty() {
            return (within_limits, quota);
        }
        // Beyond what the role is guaranteed itself, only what no guarantee needs.
        let guaranteed = guaranteed.at_most(&within_limits);
        let extra = within_limits.saturating_minus(&guaranteed);
        let surplus = self.headroom.saturating_minus(&self.roles.required);
        let allowed = guaranteed.plus(&extra.at_most(&surplus));
        let bound = if allowed == within_limits { quota } else { Some(Withheld::Headroom) };
        (allowed, bound)
    }
}

/// Whether an agent can be offered to anybody.
pub(crate) fn usable(books: &AgentBooks) -> Result<(), Withheld> {
    match books.mode {
        _ if !books.ready => Err(Withheld::NotReady),
        AgentMode::Deactivated => Err(Withheld::Deactivated),
        AgentMode::Draining => Err(Withheld::Draining),
        AgentMode::Active => Ok(()),
    }
}

fn has_gpus(books: &AgentBooks) -> bool {
    books.total.iter().any(|resource| resource.name == proffer_resources::ResourceName::Gpus)
}
