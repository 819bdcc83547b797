//! The books of the cluster: agents, frameworks, roles, and who has what.

use crate::agent::is_plain;
use crate::bits::AgentSet;
use crate::framework::{Client, ClientId, Framework};
use crate::maintenance::Maintenance;
use crate::offers::{Bundle, LiveOffer};
use crate::random::Random;
use crate::roles::RoleTree;
use crate::run::RunState;
use crate::{
    AgentBooks, AgentInfo, AgentMode, FrameworkInfo, Quota, QuotaError, Settings, Share, Time, Unavailability, Weight,
};
use proffer_resources::{Quantities, ResourceBag, Role};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::fmt;

/// What names an agent or a framework.
pub trait Name: Ord + Clone + fmt::Debug + fmt::Display {}

impl<T: Ord + Clone + fmt::Debug + fmt::Display> Name for T {}

/// The books of the cluster. Agents, frameworks and clients (frameworks in one role) have numbers inside, which are used
/// again when one goes.
#[derive(Clone, Debug)]
pub struct Allocator<A, F> {
    pub(crate) settings: Settings,
    /// Every agent that is known, usable or not.
    pub(crate) agent_numbers: BTreeMap<A, u32>,
    pub(crate) agent_names: Vec<Option<A>>,
    pub(crate) agents: Vec<AgentBooks>,
    /// The usable agents, from the emptiest to the fullest.
    pub(crate) by_fullness: BTreeSet<(Share, u32)>,
    fullness: Vec<Option<Share>>,
    /// Usable agents of which something is free.
    pub(crate) offerable: AgentSet,
    /// Those of which something is free that is not alike for every role: reserved, revocable, volumes.
    pub(crate) special: AgentSet,
    /// Agents that may have more to give than at the last run.
    pub(crate) touched: AgentSet,
    /// Whether all agents are looked at in the next run, because something that bounds everybody changed.
    pub(crate) all_touched: bool,
    /// Whether quota kept something back since the last run that looked at all agents.
    pub(crate) held_back: bool,
    /// What of usable agents is free, unreserved and not revocable.
    pub(crate) headroom: Quantities,
    pub(crate) framework_numbers: BTreeMap<F, u32>,
    pub(crate) frameworks: Vec<Option<Framework<F>>>,
    pub(crate) clients: Vec<Option<Client>>,
    /// Numbers that are to be used again.
    free_agents: Vec<u32>,
    free_frameworks: Vec<u32>,
    free_clients: Vec<ClientId>,
    pub(crate) roles: RoleTree,
    pub(crate) offers: BTreeMap<u64, LiveOffer>,
    pub(crate) last_offer: u64,
    pub(crate) bundles: BTreeMap<u64, Bundle>,
    pub(crate) expiries: BinaryHeap<Reverse<(Time, ClientId, u32)>>,
    pub(crate) maintenance: Maintenance,
    pub(crate) run: Option<RunState>,
    pub(crate) runs: u64,
    pub(crate) last_run: Option<Time>,
    /// Clients that look at all agents in the next run.
    pub(crate) eager: BTreeSet<ClientId>,
    pub(crate) random: Random,
    /// Frameworks that get turns to place tasks.
    pub(crate) placing: BTreeSet<u32>,
}

impl<A: Name, F: Name> Allocator<A, F> {
    /// Empty books.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            roles: RoleTree::new(&settings),
            random: Random::new(settings.seed.unwrap_or(0) ^ 0x5eed),
            placing: BTreeSet::new(),
            settings,
            agent_numbers: BTreeMap::new(),
            agent_names: Vec::new(),
            agents: Vec::new(),
            by_fullness: BTreeSet::new(),
            fullness: Vec::new(),
            offerable: AgentSet::default(),
            special: AgentSet::default(),
            touched: AgentSet::default(),
            all_touched: false,
            held_back: false,
            headroom: Quantities::default(),
            framework_numbers: BTreeMap::new(),
            frameworks: Vec::new(),
            clients: Vec::new(),
            free_agents: Vec::new(),
            free_frameworks: Vec::new(),
            free_clients: Vec::new(),
            offers: BTreeMap::new(),
            last_offer: 0,
            bundles: BTreeMap::new(),
            expiries: BinaryHeap::new(),
            maintenance: Maintenance::default(),
            run: None,
            runs: 0,
            last_run: None,
            eager: BTreeSet::new(),
        }
    }

    /// What an operator set.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The books of an agent.
    #[must_use]
    pub fn agent(&self, agent: &A) -> Option<&AgentBooks> {
        self.agent_number(agent).map(|number| &self.agents[number as usize])
    }

    /// All agents with their books, by name.
    pub fn agents(&self) -> impl Iterator<Item = (&A, &AgentBooks)> {
        self.agent_numbers.iter().map(|(name, number)| (name, &self.agents[*number as usize]))
    }

    /// What the framework holds and is offered.
    #[must_use]
    pub fn claim(&self, framework: &F) -> Quantities {
        self.framework(framework).map(|known| known.claim.clone()).unwrap_or_default()
    }

    /// What of that it is offered: what is left of its live offers.
    #[must_use]
    pub fn offered(&self, framework: &F) -> Quantities {
        self.framework(framework).map(|known| known.offered.clone()).unwrap_or_default()
    }

    /// The part of the cluster that the framework holds or is offered.
    #[must_use]
    pub fn share(&self, framework: &F) -> Share {
        self.framework(framework).map(|known| self.share_of(&known.claim)).unwrap_or_default()
    }

    /// The part of the cluster that `quantities` are.
    #[must_use]
    pub fn share_of(&self, quantities: &Quantities) -> Share {
        Share::dominant_but(quantities, &self.roles.total, &self.roles.excluded)
    }

    /// The part of the cluster that a role and all below it hold or are offered, divided by its weight (Mesos' metric
    /// `roles/<role>/shares/dominant`).
    #[must_use]
    pub fn role_share(&self, role: &Role) -> Share {
        self.roles.find(role).map(|node| self.roles.node_share(node)).unwrap_or_default()
    }

    /// What counts against the quota of a role (Mesos' metric `quota/roles/<role>/resources/<x>/offered_or_allocated`).
    #[must_use]
    pub fn consumed(&self, role: &Role) -> Quantities {
        self.roles.find(role).map(|node| self.roles.nodes[node as usize].consumed.clone()).unwrap_or_default()
    }

    /// All scalars of all agents.
    #[must_use]
    pub fn total(&self) -> &Quantities {
        &self.roles.total
    }

    // Agents.

    /// Says what an agent has and whether it may be used; an unknown agent becomes known.
    pub fn set_agent(&mut self, agent: &A, total: ResourceBag, ready: bool) {
        let number = self.number_agent(agent);
        let books = &self.agents[number as usize];
        let (before, was_ready) = (books.total.clone(), books.is_ready());
        let grows = !before.contains(&total);
        let other_gpus = before.quantities().gpus != total.quantities().gpus;
        if before != total {
            self.roles.total.subtract(&before.quantities());
            self.roles.total.add(&total.quantities());
            self.roles.stale = true;
            self.roles.count_reservations(&before, false);
            self.roles.count_reservations(&total, true);
            self.quota_changed();
        }
        let changed = self.change(number, |books| {
            books.total = total;
            books.ready = ready;
            books.refresh();
            books.is_ready()
        });
        if grows {
            self.unsettle_all(number);
        }
        if other_gpus {
            self.unexclude(number);
        }
        if (grows || other_gpus || !was_ready) && changed {
            self.touch(number);
        }
    }

    /// Says what is known of an agent beside its resources.
    pub fn set_agent_info(&mut self, agent: &A, info: AgentInfo) {
        let number = self.number_agent(agent);
        if self.agents[number as usize].info == info {
            return;
        }
        self.agents[number as usize].info = info;
        self.unexclude(number);
        self.touch(number);
    }

    /// Whom an agent can be offered to is to be worked out again.
    fn unexclude(&mut self, number: u32) {
        for client in self.clients.iter_mut().flatten() {
            client.excluded.remove(number);
        }
    }

    /// Says whether an operator lets an agent be offered.
    pub fn set_agent_mode(&mut self, agent: &A, mode: AgentMode) {
        let number = self.number_agent(agent);
        self.change(number, |books| books.mode = mode);
        if mode == AgentMode::Active {
            self.touch(number);
        }
    }

    /// Says when an agent will not be there. Offers of it that are out should be rescinded by the caller, so that the next
    /// ones tell (Mesos does the same).
    pub fn set_unavailability(&mut self, agent: &A, unavailability: Option<Unavailability>) {
        let number = self.number_agent(agent);
        self.agents[number as usize].unavailability = unavailability;
        self.maintenance.schedule(number, unavailability);
    }

    /// Forgets an agent, its offers and the filters on it. What tasks held of it must have been let go before. Returns the
    /// offers that ended, and those that ended because they were bundled with them.
    pub fn remove_agent(&mut self, agent: &A) -> Vec<u64> {
        let Some(number) = self.agent_number(agent) else { return Vec::new() };
        let mut ended = Vec::new();
        for offer in self.agents[number as usize].offers.clone() {
            ended.extend(self.rescind(offer));
        }
        self.change(number, |books| books.ready = false);
        let books = std::mem::take(&mut self.agents[number as usize]);
        self.roles.total.subtract(&books.total.quantities());
        self.roles.count_reservations(&books.total, false);
        self.roles.stale = true;
        self.maintenance.schedule(number, None);
        for client in self.clients.iter_mut().flatten() {
            client.settled.remove(number);
            client.excluded.remove(number);
            client.refusals.remove(&number);
        }
        self.touched.remove(number);
        self.agent_numbers.remove(agent);
        self.agent_names[number as usize] = None;
        self.free_agents.push(number);
        self.quota_changed();
        ended
    }

    /// A task of `framework` holds `resources` of `agent`. Whether they fit is not checked: what runs, runs.
    pub fn allocate(&mut self, agent: &A, framework: &F, role: &Role, resources: &ResourceBag) {
        let (number, client) = (self.number_agent(agent), self.number_client(framework, role));
        self.change(number, |books| books.hold(client, resources));
        self.claim_change(client, resources, true);
        if !self.agents[number as usize].is_ready() {
            // What is guaranteed was got elsewhere: less has to be kept.
            self.quota_changed();
        }
    }

    /// A task lets go of what it held.
    pub fn release(&mut self, agent: &A, framework: &F, role: &Role, resources: &ResourceBag) {
        let Some(client) = self.client_of(framework, role) else { return };
        if let Some(number) = self.agent_number(agent) {
            self.change(number, |books| books.let_go(client, resources));
            self.unsettle_all(number);
            self.touch(number);
        }
        self.claim_change(client, resources, false);
        self.drop_if_forgotten(client);
    }

    /// What is free of an agent changes its kind: an operator reserved or unreserved it, or made or destroyed a volume
    /// (Mesos: `updateAvailable`). `false` if not all of `before` is free.
    pub fn convert_free(&mut self, agent: &A, before: &ResourceBag, after: &ResourceBag) -> bool {
        let Some(number) = self.agent_number(agent) else { return false };
        if !self.agents[number as usize].free().contains(before) {
            return false;
        }
        self.convert_total(number, before, after);
        self.change(number, AgentBooks::refresh);
        self.unsettle_all(number);
        self.touch(number);
        true
    }

    /// Exchanges a part of an agent's total.
    pub(crate) fn convert_total(&mut self, number: u32, before: &ResourceBag, after: &ResourceBag) {
        self.roles.total.subtract(&before.quantities());
        self.roles.total.add(&after.quantities());
        self.roles.stale = true;
        self.roles.count_reservations(before, false);
        self.roles.count_reservations(after, true);
        let total = &mut self.agents[number as usize].total;
        total.subtract(before);
        total.add(after);
        self.quota_changed();
    }

    // Roles.

    /// Sets the weight of a role.
    pub fn set_weight(&mut self, role: &Role, weight: Weight) {
        self.roles.set_weight(role, weight);
    }

    /// Sets the quota of a role; the default quota takes it away.
    pub fn set_quota(&mut self, role: &Role, quota: Quota) -> Result<(), QuotaError> {
        self.roles.set_quota(role, quota)?;
        self.all_touched = true;
        Ok(())
    }

    /// The quota of a role.
    #[must_use]
    pub fn quota(&self, role: &Role) -> Quota {
        self.roles.find(role).map(|node| self.roles.nodes[node as usize].quota.clone()).unwrap_or_default()
    }

    /// Roles that are known, each with its weight.
    pub fn roles(&self) -> impl Iterator<Item = (&Role, Weight)> {
        self.roles.roles().map(|(role, node)| (role, self.roles.nodes[node as usize].weight))
    }

    // Frameworks.

    /// A framework came, or told something else than before (Mesos: `addFramework`, `updateFramework`). It is active from
    /// now on, and what it can be offered by now is looked at in the next run.
    pub fn set_framework(&mut self, framework: &F, info: FrameworkInfo) {
        let number = self.number_framework(framework);
        let roles: BTreeSet<Role> = info.roles.clone();
        if let Some(known) = self.frameworks[number as usize].as_mut() {
            known.active = true;
            known.capped = false;
            known.info = info;
        }
        self.note_placing(number);
        for role in &roles {
            self.number_client(framework, role);
        }
        for client in self.clients_of(number) {
            self.refresh_client(client);
        }
    }

    /// A framework connected or disconnected (Mesos: `activateFramework`, `deactivateFramework`). Without a connection it
    /// gets no offers, and its filters are forgotten.
    pub fn set_active(&mut self, framework: &F, active: bool) {
        let Some(number) = self.framework_number(framework) else { return };
        let Some(known) = self.frameworks[number as usize].as_mut() else { return };
        if known.active == active {
            return;
        }
        known.active = active;
        for client in self.clients_of(number) {
            if !active {
                self.forget_refusals(client);
            }
            self.refresh_client(client);
        }
    }

    /// Forgets a framework, its offers and its filters. What its tasks hold stays in the books until they let go. Returns
    /// its offers that ended.
    pub fn remove_framework(&mut self, framework: &F) -> Vec<u64> {
        let Some(number) = self.framework_number(framework) else { return Vec::new() };
        let clients = self.clients_of(number);
        let live = self.offers.iter().filter(|(_, offer)| clients.contains(&offer.client));
        let live: Vec<u64> = live.map(|(id, _)| *id).collect();
        let mut ended = Vec::new();
        for offer in live {
            ended.extend(self.rescind(offer));
        }
        if let Some(known) = self.frameworks[number as usize].as_mut() {
            known.active = false;
            known.info = FrameworkInfo::default();
            known.idle = false;
        }
        self.note_placing(number);
        for client in clients {
            self.forget_refusals(client);
            if let Some(known) = self.clients[client as usize].as_mut() {
                known.subscribed = false;
                known.requests.clear();
                known.gang.clear();
            }
            self.refresh_client(client);
            self.drop_if_forgotten(client);
        }
        self.maintenance.forget_framework(number);
        ended
    }

    /// A framework wants offers again for some of its roles, and forgets what it refused in them (Mesos: REVIVE). No roles:
    /// all of its roles.
    pub fn revive(&mut self, framework: &F, roles: &BTreeSet<Role>) {
        self.suppress_or_revive(framework, roles, false);
    }

    /// A framework wants no offers for some of its roles until it revives them (Mesos: SUPPRESS). No roles: all of its roles.
    pub fn suppress(&mut self, framework: &F, roles: &BTreeSet<Role>) {
        self.suppress_or_revive(framework, roles, true);
    }

    fn suppress_or_revive(&mut self, framework: &F, roles: &BTreeSet<Role>, suppress: bool) {
        let Some(number) = self.framework_number(framework) else { return };
        let Some(known) = self.frameworks[number as usize].as_mut() else { return };
        let all = known.info.roles.clone();
        let named = if roles.is_empty() { all } else { roles.intersection(&all).cloned().collect() };
        for role in &named {
            if suppress {
                known.info.suppressed.insert(role.clone());
            } else {
                known.info.suppressed.remove(role);
            }
        }
        for client in named.iter().filter_map(|role| self.client_of(framework, role)).collect::<Vec<_>>() {
            if !suppress {
                self.forget_refusals(client);
            }
            self.refresh_client(client);
        }
    }

    /// A framework asks for offers that hold one of `shapes` at least (Mesos has the call REQUEST and ignores it). No
    /// shapes: any offer will do again.
    pub fn request(&mut self, framework: &F, role: &Role, shapes: Vec<Quantities>) {
        self.ask(framework, role, |client| client.requests = shapes);
    }

    /// A framework asks for a bundle of offers that holds all of `shapes`, each on one agent, to be accepted or declined as
    /// one. It gets nothing else in this role until it got the bundle. No shapes: it asks no more.
    pub fn request_gang(&mut self, framework: &F, role: &Role, shapes: Vec<Quantities>) {
        self.ask(framework, role, |client| client.gang = shapes);
    }

    fn ask(&mut self, framework: &F, role: &Role, change: impl FnOnce(&mut Client)) {
        let Some(id) = self.client_of(framework, role) else { return };
        if let Some(client) = self.clients[id as usize].as_mut() {
            change(client);
            // What was too small may be large enough now; filters are looked at again, too.
            let settled: Vec<u32> = client.settled.iter().collect();
            client.settled = AgentSet::default();
            for agent in settled {
                self.agents[agent as usize].settled.retain(|other| *other != id);
            }
        }
        self.make_eager(id);
    }

    /// A framework has something new to place or to take: it looks at all agents in the next run.
    pub fn wake(&mut self, framework: &F) {
        let Some(number) = self.framework_number(framework) else { return };
        self.set_idle(number, false);
        for client in self.clients_of(number) {
            self.make_eager(client);
        }
    }

    /// A framework of the built-in scheduler has nothing to place: it gets no turns until it is woken.
    pub fn rest(&mut self, framework: &F) {
        if let Some(number) = self.framework_number(framework) {
            self.set_idle(number, true);
        }
    }

    // Inside.

    pub(crate) fn framework(&self, framework: &F) -> Option<&Framework<F>> {
        self.frameworks.get(self.framework_number(framework)? as usize)?.as_ref()
    }

    pub(crate) fn agent_number(&self, agent: &A) -> Option<u32> {
        self.agent_numbers.get(agent).copied()
    }

    pub(crate) fn framework_number(&self, framework: &F) -> Option<u32> {
        self.framework_numbers.get(framework).copied()
    }

    pub(crate) fn client_of(&self, framework: &F, role: &Role) -> Option<ClientId> {
        self.framework(framework)?.clients.get(role).copied()
    }

    pub(crate) fn clients_of(&self, framework: u32) -> Vec<ClientId> {
        let known = self.frameworks.get(framework as usize).and_then(Option::as_ref);
        known.map(|known| known.clients.values().copied().collect()).unwrap_or_default()
    }

    fn number_agent(&mut self, agent: &A) -> u32 {
        if let Some(number) = self.agent_number(agent) {
            return number;
        }
        let number = self.free_agents.pop().unwrap_or_else(|| {
            self.agents.push(AgentBooks::default());
            self.agent_names.push(None);
            self.fullness.push(None);
            u32::try_from(self.agents.len() - 1).unwrap_or(u32::MAX)
        });
        self.agent_names[number as usize] = Some(agent.clone());
        self.agent_numbers.insert(agent.clone(), number);
        number
    }

    fn number_framework(&mut self, framework: &F) -> u32 {
        if let Some(number) = self.framework_number(framework) {
            return number;
        }
        let number = self.free_frameworks.pop().unwrap_or_else(|| {
            self.frameworks.push(None);
            u32::try_from(self.frameworks.len() - 1).unwrap_or(u32::MAX)
        });
        self.frameworks[number as usize] = Some(Framework {
            name: framework.clone(),
            info: FrameworkInfo::default(),
            active: false,
            clients: BTreeMap::new(),
            claim: Quantities::default(),
            offered: Quantities::default(),
            offers: 0,
            capped: false,
            idle: false,
        });
        self.framework_numbers.insert(framework.clone(), number);
        number
    }

    fn number_client(&mut self, framework: &F, role: &Role) -> ClientId {
        if let Some(client) = self.client_of(framework, role) {
            return client;
        }
        let number = self.number_framework(framework);
        let client = Client::new(number, role.clone(), self.roles.node(role));
        let id = self.free_clients.pop().unwrap_or_else(|| {
            self.clients.push(None);
            u32::try_from(self.clients.len() - 1).unwrap_or(u32::MAX)
        });
        self.clients[id as usize] = Some(client);
        if let Some(known) = self.frameworks[number as usize].as_mut() {
            known.clients.insert(role.clone(), id);
        }
        id
    }

    fn note_placing(&mut self, number: u32) {
        if self.frameworks[number as usize].as_ref().is_some_and(Framework::places) {
            self.placing.insert(number);
        } else {
            self.placing.remove(&number);
        }
    }

    fn set_idle(&mut self, number: u32, idle: bool) {
        let Some(known) = self.frameworks[number as usize].as_mut() else { return };
        if std::mem::replace(&mut known.idle, idle) == idle {
            return;
        }
        self.note_placing(number);
        for id in self.clients_of(number) {
            let wanted = self.may_be_listed(id);
            // In a run, who had its turns gets more after it.
            let waits = self.run.as_ref().is_some_and(|run| run.is_parked(id));
            let Some(client) = self.clients[id as usize].as_mut() else { continue };
            if wanted && !waits {
                self.roles.list(id, client);
            } else if !wanted {
                self.roles.unlist(id, client);
                self.eager.remove(&id);
            }
        }
    }

    /// A client's framework told something new: whether it is served, and by which rules, is worked out again.
    fn refresh_client(&mut self, id: ClientId) {
        let Some(client) = self.clients[id as usize].as_mut() else { return };
        let Some(known) = self.frameworks[client.framework as usize].as_ref() else { return };
        let info = &known.info;
        client.subscribed = info.roles.contains(&client.role);
        client.suppressed = info.suppressed.contains(&client.role);
        client.constraints = info.constraints.get(&client.role).cloned().unwrap_or_default();
        client.min_allocatable = info.min_allocatable.get(&client.role).cloned();
        client.excluded = AgentSet::default();
        if known.active && !known.rests() && client.subscribed && !client.suppressed {
            self.roles.list(id, client);
            self.make_eager(id);
        } else {
            self.roles.unlist(id, client);
            self.eager.remove(&id);
        }
    }

    pub(crate) fn make_eager(&mut self, id: ClientId) {
        if let Some(client) = self.clients[id as usize].as_mut()
            && client.subscribed
            && !client.suppressed
        {
            client.eager = true;
            self.eager.insert(id);
        }
    }

    /// Forgets a client that holds nothing and wants nothing, and its framework if that was all of it.
    pub(crate) fn drop_if_forgotten(&mut self, id: ClientId) {
        let Some(client) = self.clients[id as usize].as_ref() else { return };
        if client.subscribed
            || !client.claim.is_empty()
            || self.offers.values().any(|offer| offer.client == id)
            || self.agents.iter().any(|books| books.holders.contains_key(&id))
        {
            return;
        }
        let (number, role) = (client.framework, client.role.clone());
        if let Some(client) = self.clients[id as usize].as_mut() {
            self.roles.unlist(id, client);
        }
        self.forget_refusals(id);
        self.eager.remove(&id);
        self.clients[id as usize] = None;
        self.free_clients.push(id);
        let Some(known) = self.frameworks[number as usize].as_mut() else { return };
        known.clients.remove(&role);
        if known.clients.is_empty() && !known.active {
            self.framework_numbers.remove(&known.name);
            self.frameworks[number as usize] = None;
            self.free_frameworks.push(number);
        }
    }

    /// Changes the books of an agent and keeps all that follows from them right. Returns what `change` does.
    pub(crate) fn change<R>(&mut self, number: u32, change: impl FnOnce(&mut AgentBooks) -> R) -> R {
        let index = number as usize;
        let books = &mut self.agents[index];
        if books.is_ready() {
            self.headroom.subtract(books.plain_free());
        }
        let answer = change(books);
        let ready = books.is_ready();
        let gives = ready && !books.free().is_empty();
        let special = gives && !books.free_is_plain();
        if ready {
            self.headroom.add(books.plain_free());
        }
        let fullness = ready.then(|| books.fullness());
        if self.fullness[index] != fullness {
            if let Some(before) = std::mem::replace(&mut self.fullness[index], fullness) {
                self.by_fullness.remove(&(before, number));
            }
            if let Some(now) = fullness {
                self.by_fullness.insert((now, number));
            }
        }
        for (set, member) in [(&mut self.offerable, gives), (&mut self.special, special)] {
            if member {
                set.insert(number);
            } else {
                set.remove(number);
            }
        }
        answer
    }

    /// An agent may have more to give than before.
    pub(crate) fn touch(&mut self, number: u32) {
        if self.agents[number as usize].is_ready() {
            self.touched.insert(number);
        }
        self.quota_changed();
    }

    /// Something that quota depends on became better: what it kept back is looked at again.
    pub(crate) fn quota_changed(&mut self) {
        if std::mem::take(&mut self.held_back) {
            self.all_touched = true;
        }
    }

    /// A client holds or is offered `resources` more or less.
    pub(crate) fn claim_change(&mut self, id: ClientId, resources: &ResourceBag, more: bool) {
        let Some(client) = self.clients[id as usize].as_mut() else { return };
        let amount = resources.quantities();
        let plain = resources.quantities_of(is_plain);
        let known = self.frameworks[client.framework as usize].as_mut();
        for claim in [Some(&mut client.claim), known.map(|known| &mut known.claim)].into_iter().flatten() {
            if more {
                claim.add(&amount);
            } else {
                claim.subtract(&amount);
            }
        }
        self.roles.claim(client.node, &amount, more);
        self.roles.consume(client.node, &plain, more);
        self.roles.reorder(id, client);
        if !more {
            self.quota_changed();
        }
    }
}
