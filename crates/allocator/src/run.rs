//! A run: turn by turn, what is free goes to those who have least.
//!
//! Mesos goes through the agents and asks for each who comes first. Here it is the other way round, as in the DRF paper
//! (progressive filling): who comes first gets the next agent that it can be offered. For coarse offers both give the same
//! shares, but a client that refused 50,000 agents is passed over in 800 words instead of 50,000 questions.
//!
//! ```text
//! begin_run --> stage 1: roles with unsatisfied guarantees, in order --> stage 2: everybody, in order --> end
//!                        next_turn: first client in order -> its next agent -> gate -> Offer
//!                                                         -> none left: out of the order until the end of the run
//! ```

use crate::agent::is_plain;
use crate::bits::{AgentSet, ClientSet};
use crate::framework::{ClientId, Cursor};
use crate::gate::Stage;
use crate::order::Key;
use crate::roles::{NodeId, ROOT};
use crate::{Allocator, Name, Offer, Taking, Time, Withheld};
use proffer_resources::Role;
use std::collections::{BTreeSet, VecDeque};

/// Up to so many agents that changed, who has turned all of them down is passed over without being taken out of the order:
/// an event that concerns one agent then costs little, however many frameworks have nothing to do with it.
const FEW_AGENTS: usize = 8;

/// For so many turns of a run. Passing over begins anew with each, so in a long run it is better to take them out.
const FEW_TURNS: usize = 16;

/// What a run does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn<A, F> {
    /// This offer was booked.
    Offer(Offer<A, F>),
    /// The built-in scheduler may place one task of this framework, or say with [`Allocator::pass`] that it has none that
    /// fits.
    Place {
        /// The framework.
        framework: F,
        /// The role in which it is served.
        role: Role,
    },
}

/// A run that has begun.
#[derive(Clone, Debug)]
pub(crate) struct RunState {
    now: Time,
    stage: Stage,
    /// Agents that changed since the last run.
    agents: AgentSet,
    /// Clients that look at all agents.
    eager: BTreeSet<ClientId>,
    /// Whether everybody looks at all agents.
    all: bool,
    /// Roles with unsatisfied guarantees that are served in stage 1.
    tops: BTreeSet<(Key, NodeId)>,
    /// Clients that are out of the order until the end of the stage.
    parked: Vec<ClientId>,
    /// Words of `agents` that are not empty lie from here
    first: usize,
    /// to before here.
    end: usize,
    /// If the agents are few, who has turned down each of them.
    few: Option<Vec<(u32, ClientSet)>>,
    /// How many turns there were.
    turns: usize,
    /// Offers of a bundle that were not told yet.
    bundled: VecDeque<u64>,
}

impl RunState {
    /// Whether a client is out of the order until the end of the stage.
    pub(crate) fn is_parked(&self, client: ClientId) -> bool {
        self.parked.contains(&client)
    }
}

impl<A: Name, F: Name> Allocator<A, F> {
    /// Whether a run would look at anything.
    #[must_use]
    pub fn is_due(&self, now: Time) -> bool {
        self.next_run().is_some_and(|due| due <= now)
    }

    /// When the next run is due; `None` if nothing changed since the last one. Changes that come sooner than the interval
    /// after a run share the next one.
    #[must_use]
    pub fn next_run(&self) -> Option<Time> {
        let wanted = !self.touched.is_empty() || self.all_touched || !self.eager.is_empty();
        wanted.then(|| self.last_run.map_or(Time(i64::MIN), |last| last.after(self.settings.interval)))
    }

    /// Begins a run at `now`. A run that has not ended yet is ended.
    pub fn begin_run(&mut self, now: Time) {
        self.end_run();
        self.expire_filters(now);
        self.roles.reorder_all(&mut self.clients);
        self.last_run = Some(now);
        let all = std::mem::take(&mut self.all_touched);
        let agents = std::mem::take(&mut self.touched);
        let eager = std::mem::take(&mut self.eager);
        if all {
            self.held_back = false;
        }
        let guaranteed = !self.roles.required.is_empty();
        let stage = if guaranteed { Stage::Guarantees } else { Stage::Surplus };
        self.runs += 1;
        let tops = if guaranteed {
            let waiting = self.roles.tops().filter(|top| !self.roles.unsatisfied(*top).is_empty());
            waiting.map(|top| (self.roles.top_key(top), top)).collect()
        } else {
            BTreeSet::new()
        };
        let (parked, bundled) = (Vec::new(), VecDeque::new());
        let first = (0..agents.words()).find(|index| agents.word(*index) != 0).unwrap_or(0);
        let end = (first..agents.words()).rev().find(|index| agents.word(*index) != 0).map_or(first, |last| last + 1);
        let few = (!all && agents.len() <= FEW_AGENTS).then(|| {
            let refusing = |agent: u32| ClientSet::of(&self.agents[agent as usize].settled);
            agents.iter().map(|agent| (agent, refusing(agent))).collect()
        });
        self.run = Some(RunState { now, stage, agents, eager, all, tops, parked, first, end, few, turns: 0, bundled });
    }

    /// Agents that the run that has begun looks at because they changed.
    #[must_use]
    pub fn freed(&self) -> BTreeSet<A> {
        let Some(run) = &self.run else { return BTreeSet::new() };
        if run.all {
            return self.agent_numbers.keys().cloned().collect();
        }
        run.agents.iter().filter_map(|agent| self.agent_names[agent as usize].clone()).collect()
    }

    /// The next turn of the run that has begun; `None` if it has ended.
    pub fn next_turn(&mut self) -> Option<Turn<A, F>> {
        loop {
            let run = self.run.as_mut()?;
            if let Some(number) = run.bundled.pop_front() {
                if let Some(offer) = self.tell_offer(number) {
                    return Some(Turn::Offer(offer));
                }
                continue;
            }
            let Some(client) = self.first_client() else {
                if self.next_stage() {
                    continue;
                }
                self.end_run();
                return None;
            };
            if let Some(turn) = self.serve(client) {
                return Some(turn);
            }
        }
    }

    /// The framework whose turn it was to place a task has none that fits: it gets no more turns in this run.
    pub fn pass(&mut self, framework: &F, role: &Role) {
        if let Some(client) = self.client_of(framework, role) {
            self.held_back |= self.roles.limited || !self.roles.required.is_empty();
            self.park(client);
        }
    }

    /// All offers of one run. Only for clusters without frameworks of the built-in scheduler, which would get no turns.
    pub fn run(&mut self, now: Time) -> Vec<Offer<A, F>> {
        self.begin_run(now);
        let mut offers = Vec::new();
        while let Some(turn) = self.next_turn() {
            match turn {
                Turn::Offer(offer) => offers.push(offer),
                Turn::Place { framework, role } => self.pass(&framework, &role),
            }
        }
        offers
    }

    /// Ends the run that has begun, if any, where it stands. Agents that it has not come to are looked at in the next one.
    pub fn end_run(&mut self) {
        let Some(run) = self.run.take() else { return };
        self.unpark(run.parked);
    }

    fn unpark(&mut self, parked: Vec<ClientId>) {
        for id in parked {
            self.list_if_wanted(id);
        }
    }

    /// Puts a client into the order if it is to get turns.
    pub(crate) fn list_if_wanted(&mut self, id: ClientId) {
        let wanted = self.may_be_listed(id);
        if let Some(client) = self.clients[id as usize].as_mut()
            && wanted
        {
            self.roles.list(id, client);
        }
    }

    pub(crate) fn may_be_listed(&self, id: ClientId) -> bool {
        let capped = self
            .framework_of(id)
            .is_some_and(|number| self.frameworks[number as usize].as_ref().is_some_and(|framework| framework.capped));
        !capped && !matches!(self.may_be_served(id), Err(Withheld::NotConnected | Withheld::Suppressed))
    }

    /// Who comes first in the present stage.
    fn first_client(&mut self) -> Option<ClientId> {
        let run = self.run.as_mut()?;
        if run.stage == Stage::Surplus {
            // Nobody has to be asked if there is nothing to give.
            let everywhere = run.all || !run.eager.is_empty();
            let something_left = if everywhere {
                !self.offerable.is_empty()
            } else {
                (run.first..run.end).any(|index| run.agents.word(index) & self.offerable.word(index) != 0)
            };
            if !something_left && self.placing.is_empty() {
                return None;
            }
            run.turns += 1;
            let run = self.run.as_ref()?;
            let Some(few) = run.few.as_ref().filter(|_| run.turns <= FEW_TURNS) else {
                return self.roles.first_below(ROOT);
            };
            let left: Vec<&(u32, ClientSet)> =
                few.iter().filter(|(agent, _)| self.offerable.contains(*agent)).collect();
            return self.roles.first_wanted(ROOT, &|client| self.may_have_a_turn(client, &run.eager, &left));
        }
        while let Some((key, top)) = run.tops.pop_first() {
            if self.roles.unsatisfied(top).is_empty() || !self.roles.has_listed(top) {
                continue;
            }
            let now = self.roles.top_key(top);
            run.tops.insert((now, top));
            if now == key {
                return self.roles.first_below(top);
            }
        }
        None
    }

    /// Whether a client has anything to look at in a run of few agents, of which these are left. Of what it turned down it
    /// has nothing; but who places tasks has its turn anyway.
    fn may_have_a_turn(&self, id: ClientId, eager: &BTreeSet<ClientId>, left: &[&(u32, ClientSet)]) -> bool {
        if !eager.is_empty() && eager.contains(&id) {
            return true;
        }
        if !left.is_empty() && left.iter().all(|(_, refusing)| refusing.contains(id)) {
            return false;
        }
        let Some(client) = self.clients[id as usize].as_ref() else { return false };
        left.iter().any(|(agent, refusing)| !refusing.contains(id) && !client.excluded.contains(*agent))
            || self.placing.contains(&client.framework)
    }

    /// Goes on to the next stage; `false` if there is none.
    fn next_stage(&mut self) -> bool {
        let Some(run) = self.run.as_mut().filter(|run| run.stage == Stage::Guarantees) else { return false };
        run.stage = Stage::Surplus;
        let parked = std::mem::take(&mut run.parked);
        self.runs += 1;
        self.unpark(parked);
        true
    }

    /// Gives a client the next thing that it can have, or takes it out of the order.
    fn serve(&mut self, client: ClientId) -> Option<Turn<A, F>> {
        if self.may_be_served(client).is_err() {
            self.mark_capped(client);
            self.park(client);
            return None;
        }
        let (now, stage) = self.run.as_ref().map(|run| (run.now, run.stage))?;
        let known = self.clients[client as usize].as_ref()?;
        let framework = self.frameworks[known.framework as usize].as_ref()?;
        if framework.info.taking == Taking::Placement {
            let run = self.run.as_ref()?;
            // The placement itself looks after guarantees; it has its turns in the second stage.
            if stage == Stage::Surplus && (run.all || !run.agents.is_empty() || run.eager.contains(&client)) {
                return Some(Turn::Place { framework: framework.name.clone(), role: known.role.clone() });
            }
            self.park(client);
            return None;
        }
        if !known.gang.is_empty() {
            if stage == Stage::Surplus {
                self.offer_gang(client, now);
            }
            // With or without its bundle, it gets nothing else in this run.
            self.park(client);
            return None;
        }
        if self.quota_forbids_all(client, stage) {
            self.held_back = true;
            self.park(client);
            return None;
        }
        while let Some(agent) = self.next_agent(client) {
            match self.gate(client, agent, stage, now) {
                Ok(resources) => {
                    if self.roles.limited || !self.roles.required.is_empty() {
                        let plain = resources.quantities_of(is_plain);
                        self.held_back |= plain != *self.agents[agent as usize].plain_free();
                    }
                    if let Some(offer) = self.book_offer(client, agent, resources, now, None) {
                        return Some(Turn::Offer(offer));
                    }
                }
                Err(why) => self.remember(client, agent, &why),
            }
        }
        self.park(client);
        None
    }

    /// Whether quota leaves a client too little for an offer wherever it looks: then it need not look.
    fn quota_forbids_all(&self, client: ClientId, stage: Stage) -> bool {
        let quota = self.roles.limited || !self.roles.required.is_empty();
        let known = self.clients[client as usize].as_ref().filter(|_| quota && self.special.is_empty());
        known.is_some_and(|known| {
            let (most, _) = self.allowed(known, &self.headroom, stage);
            self.worth_an_offer(known, &most).is_err()
        })
    }

    /// Keeps in mind what need not be asked again.
    fn remember(&mut self, client: ClientId, agent: u32, why: &Withheld) {
        // What was refused or too small may have been cut down by quota before.
        self.held_back |= self.roles.limited || !self.roles.required.is_empty();
        match why {
            Withheld::Constraint | Withheld::Capability(_) => {
                if let Some(known) = self.clients[client as usize].as_mut()
                    && !matches!(why, Withheld::Capability(crate::Lacking::Kind))
                {
                    known.excluded.insert(agent);
                }
            }
            Withheld::Filtered(_) => {
                let known = self.clients[client as usize].as_ref();
                let refused = known.and_then(|known| {
                    let potential = self.agents[agent as usize].potential_for(&known.role)?;
                    let now = self.run.as_ref().map(|run| run.now)?;
                    known.refusals.get(&agent)?.refuse(&potential, now)
                });
                if refused.is_some() {
                    self.settle(client, agent);
                }
            }
            Withheld::TooSmall => {
                let known = self.clients[client as usize].as_ref();
                let never = known.is_some_and(|known| {
                    let potential = self.agents[agent as usize].potential_for(&known.role);
                    let amounts = potential.map(|potential| potential.quantities()).unwrap_or_default();
                    !known.requests.iter().any(|shape| amounts.contains(shape))
                });
                if never {
                    self.settle(client, agent);
                }
            }
            _ => {}
        }
    }

    fn mark_capped(&mut self, client: ClientId) {
        if self.may_be_served(client) != Err(Withheld::EnoughOffers) {
            return;
        }
        let framework = self.clients[client as usize].as_ref().map(|known| known.framework);
        if let Some(known) = framework.and_then(|number| self.frameworks[number as usize].as_mut()) {
            known.capped = true;
        }
    }

    /// Takes a client out of the order until the end of the stage.
    fn park(&mut self, id: ClientId) {
        if let (Some(run), Some(client)) = (self.run.as_mut(), self.clients[id as usize].as_mut())
            && client.key.is_some()
        {
            self.roles.unlist(id, client);
            run.parked.push(id);
        }
    }

    /// The next agent that a client has not looked at in this stage.
    fn next_agent(&mut self, id: ClientId) -> Option<u32> {
        let run = self.run.as_ref()?;
        let everywhere = run.all || run.eager.contains(&id);
        let (first, words) = if everywhere { (0, self.offerable.words()) } else { (run.first, run.end - run.first) };
        let client = self.clients[id as usize].as_mut()?;
        if client.cursor.run != self.runs {
            let start = match self.settings.seed {
                Some(_) => usize::try_from(self.random.below(words as u64)).unwrap_or(0),
                None => 0,
            };
            client.cursor = Cursor { run: self.runs, start, passed: 0, seen: 0 };
        }
        while client.cursor.passed < words {
            let index = first + (client.cursor.start + client.cursor.passed) % words;
            let looked_at = if everywhere { u64::MAX } else { run.agents.word(index) };
            let left = self.offerable.word(index)
                & looked_at
                & !client.settled.word(index)
                & !client.excluded.word(index)
                & !client.cursor.seen;
            if left == 0 {
                client.cursor.passed += 1;
                client.cursor.seen = 0;
                continue;
            }
            let bit = left.trailing_zeros();
            client.cursor.seen |= 1 << bit;
            return u32::try_from(index).ok().map(|index| index * 64 + bit);
        }
        None
    }

    /// Tells an offer that was booked as one of a bundle.
    fn tell_offer(&self, number: u64) -> Option<Offer<A, F>> {
        let live = self.offers.get(&number)?;
        let (framework, role) = self.name_of(live.client)?;
        let agent = self.agent_names[live.agent as usize].clone()?;
        let unavailability = self.agents[live.agent as usize].unavailability;
        Some(Offer {
            number,
            framework,
            role,
            agent,
            resources: live.left.clone(),
            unavailability,
            bundle: live.bundle,
        })
    }

    /// Adds the offers of a bundle to what the run tells next.
    pub(crate) fn tell_next(&mut self, offers: &[u64]) {
        if let Some(run) = self.run.as_mut() {
            run.bundled.extend(offers);
        }
    }
}
