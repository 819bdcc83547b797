//! What holds after every event. Tests ask after each one.

use crate::event::SchedulerKind;
use crate::ids::{AgentName, ObjectKey, TaskId, WriteId};
use crate::master::Master;
use crate::offers::MAX_OFFERS_PER_FRAMEWORK;
use crate::operator_objects::AgentUse;
use crate::state::{Agent, Framework, OfferPhase, Over, Phase, Task, Write};
use proffer_allocator::{AgentBooks, For};
use proffer_mesos_api::TaskState;
use proffer_resources::{Quantities, ResourceBag, ResourceName};
use std::collections::{BTreeMap, BTreeSet};

/// An error with what is wrong, unless `holds`.
fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

impl Master {
    /// What is wrong with the state, if anything is: a defect, whatever the events were.
    ///
    /// Nothing is held twice; every book agrees with what it is a book of; nothing that could be given away is kept;
    /// every write that something waits for is known.
    pub fn check_invariants(&self) -> Result<(), String> {
        if self.recovery.is_some() {
            return ensure(self.tasks.is_empty() && self.offers.is_empty(), || "decided before recovery".to_owned());
        }
        for (id, task) in &self.tasks {
            let known = self.frameworks.get(&task.framework).is_some_and(|framework| framework.tasks.contains(id));
            ensure(known, || format!("task {id:?} is missing from its framework"))?;
            self.check_task(id)?;
        }
        for (key, framework) in &self.frameworks {
            self.check_framework(key, framework).map_err(|problem| format!("framework {key}: {problem}"))?;
        }
        let wait: BTreeSet<&ObjectKey> =
            self.frameworks.iter().filter(|(_, known)| !known.waiting.is_empty()).map(|(key, _)| key).collect();
        ensure(wait == self.waiting.iter().collect(), || format!("{wait:?} wait, {:?} are counted", self.waiting))?;
        for (agent, known) in &self.agents {
            if let Some(agent_id) = &known.id {
                ensure(self.agent_ids.contains_key(agent_id), || format!("agent {agent} is not found by its ID"))?;
            }
            self.check_agent(agent, known).map_err(|problem| format!("agent {agent}: {problem}"))?;
        }
        let mut unknown = self.allocator.agents().filter(|(agent, _)| !self.agents.contains_key(agent));
        ensure(unknown.next().is_none(), || "books of an unknown agent".to_owned())?;
        for (id, agent) in &self.orphans {
            let stray = self.agents.get(agent).and_then(|known| known.strays.get(id));
            let waits = stray.is_some_and(|stray| stray.orphan.is_some()) && !self.tasks.contains_key(id);
            ensure(waits, || format!("{id:?} is no orphan on {agent}"))?;
        }
        self.check_groups()?;
        self.check_claims()?;
        self.allocator.check_invariants()?;
        self.check_nothing_is_kept_back()
    }

    fn check_task(&self, id: &TaskId) -> Result<(), String> {
        let task = &self.tasks[id];
        let state = task.record.state;
        let fits = match &task.phase {
            Phase::Waiting(_) => task.superseded || task.deleting || state.is_none(),
            Phase::Placed(placed) => {
                state.is_some_and(|state| !state.is_terminal())
                    && task.record.agent.as_ref().is_some_and(|place| place.agent == placed.agent)
            }
            Phase::Over(_) => state.is_some_and(TaskState::is_terminal),
        };
        ensure(fits, || format!("task {id:?} is {state:?} in phase {:?}", task.phase))?;
        let known = |write: Option<WriteId>, about: &Write| match write {
            Some(write) => self.writes.get(&write) == Some(about),
            None => true,
        };
        let writes = match &task.phase {
            Phase::Waiting(_) => true,
            Phase::Placed(placed) => known(placed.launch, &Write::Launch(id.clone())),
            Phase::Over(Over { write, .. }) => known(*write, &Write::Ending(id.clone())),
        };
        ensure(writes && known(task.note, &Write::Note(id.clone())), || format!("task {id:?} waits for a lost write"))?;
        ensure(task.superseded || task.record.epoch == self.config.epoch, || format!("task {id:?} has another's epoch"))
    }

    fn check_framework(&self, key: &ObjectKey, framework: &Framework) -> Result<(), String> {
        let tasks: BTreeMap<_, _> = framework.tasks.iter().filter_map(|id| Some((id, self.tasks.get(id)?))).collect();
        ensure(tasks.len() == framework.tasks.len(), || "a task is unknown".to_owned())?;
        let should_wait: BTreeSet<&TaskId> = tasks
            .iter()
            .filter(|(_, task)| task.is_waiting() && !task.deleting && !task.superseded && task.request.is_ok())
            .map(|(id, _)| *id)
            .collect();
        let wait: Vec<&TaskId> =
            framework.waiting.groups().flat_map(|(_, group)| group.iter().map(|(_, id)| id)).collect();
        ensure(wait.len() == framework.waiting.len(), || "miscounted those who wait".to_owned())?;
        ensure(wait.len() == should_wait.len() && wait.iter().all(|id| should_wait.contains(id)), || {
            format!("{wait:?} wait, {should_wait:?} should")
        })?;
        let active = tasks.values().filter(|task| task.placed().is_some()).count();
        ensure(active == framework.active, || format!("{active} are active, {} are counted", framework.active))?;
        let kept = |task: &Task| task.is_over() && !task.deletion_asked;
        let over: BTreeSet<_> = tasks.iter().filter(|(_, task)| kept(task)).map(|(id, _)| *id).collect();
        ensure(framework.completed.iter().map(|(_, id)| id).collect::<BTreeSet<_>>() == over, || {
            format!("{over:?} are over, {:?} are counted", framework.completed)
        })?;
        let offers: BTreeSet<_> = self
            .offers
            .iter()
            .filter(|(_, offer)| offer.framework == *key && offer.is_live())
            .map(|(id, _)| id.clone())
            .collect();
        ensure(offers == framework.offers, || format!("{offers:?} are live, {:?} are counted", framework.offers))?;
        let takes_offers = matches!(framework.scheduler(), Some(SchedulerKind::External(_)));
        ensure(offers.is_empty() || takes_offers, || "has offers and takes none".to_owned())
    }

    fn check_agent(&self, agent: &AgentName, known: &Agent) -> Result<(), String> {
        let books = self.allocator.agent(agent).ok_or("has no books")?;
        let placed: BTreeMap<_, _> = self
            .tasks
            .iter()
            .filter_map(|(id, task)| Some((id, task.placed()?)))
            .filter(|(_, placed)| placed.agent == *agent)
            .collect();
        ensure(placed.keys().copied().eq(&known.tasks), || {
            format!("{:?} are there, {:?} counted", placed.keys(), known.tasks)
        })?;
        ensure(known.to_launch.is_subset(&known.tasks), || "is to launch what it does not have".to_owned())?;
        let twice = known.strays.keys().find(|id| known.tasks.contains(*id));
        ensure(twice.is_none(), || format!("{twice:?} is there both as it should and as it should not"))?;
        let live: Vec<_> = self.offers.iter().filter(|(_, offer)| offer.agent == *agent && offer.is_live()).collect();
        ensure(live.iter().map(|(id, _)| *id).eq(&known.offers), || "miscounted its offers".to_owned())?;

        let sum =
            |parts: &mut dyn Iterator<Item = &ResourceBag>| parts.fold(ResourceBag::new(), |sum, part| sum.plus(part));
        let strays = known.strays.values().map(|stray| &stray.held);
        let executors =
            self.executors.iter().filter(|(key, _)| key.agent == *agent).map(|(_, executor)| &executor.held);
        let allocated = sum(&mut placed.values().map(|placed| &placed.held).chain(strays).chain(executors));
        let offered = sum(&mut live.iter().map(|(_, offer)| &offer.resources)).plus(&self.pooled_on(agent));
        ensure(*books.allocated() == allocated, || format!("{allocated} is held, {} in the books", books.allocated()))?;
        ensure(*books.offered() == offered, || format!("{offered} is offered, {} in the books", books.offered()))?;
        let total = self.total_of(known);
        ensure(*books.total() == total, || format!("has {total}, {} in the books", books.total()))?;
        Self::check_offers_are_exclusive(books, &live.iter().map(|(_, offer)| &offer.resources).collect::<Vec<_>>())?;
        let usable = known.can_launch() && self.use_of(agent, known) == AgentUse::Active;
        ensure(usable == books.is_ready(), || format!("is usable: {usable}, in the books: {}", books.is_ready()))?;
        ensure(usable || live.is_empty(), || "is not usable and offered".to_owned())
    }

    /// Nothing is in two live offers, or in an offer and held.
    fn check_offers_are_exclusive(books: &AgentBooks, offers: &[&ResourceBag]) -> Result<(), String> {
        ensure(offers.is_empty() || !books.is_overcommitted(), || {
            format!("{} and {} of {} are held and offered", books.allocated(), books.offered(), books.total())
        })?;
        let mut taken = books.allocated().ranges(&ResourceName::Ports);
        for offer in offers {
            let ports = offer.ranges(&ResourceName::Ports);
            ensure(!taken.intersects(&ports), || format!("ports {ports} are given twice"))?;
            taken = taken.union(&ports);
        }
        Ok(())
    }

    fn check_claims(&self) -> Result<(), String> {
        let mut claims: BTreeMap<ObjectKey, Quantities> = BTreeMap::new();
        let mut claim = |key: ObjectKey, held: &ResourceBag| {
            claims.entry(key).or_default().add(&held.quantities());
        };
        for task in self.tasks.values() {
            if let Some(placed) = task.placed() {
                claim(task.framework.clone(), &placed.held);
            }
        }
        for (key, executor) in &self.executors {
            claim(key.framework.clone(), &executor.held);
        }
        for (id, stray) in self.agents.values().flat_map(|known| &known.strays) {
            claim(ObjectKey::new(id.key.namespace.clone(), stray.framework.clone()), &stray.held);
        }
        for offer in self.offers.values().filter(|offer| offer.is_live()) {
            claim(offer.framework.clone(), &offer.resources);
        }
        for pool in self.acceptances.values().map(|acceptance| &acceptance.pool) {
            claim(pool.framework.clone(), &pool.left);
        }
        for (key, sum) in &claims {
            ensure(self.allocator.claim(key) == *sum, || {
                format!("{key} claims {sum}, {} in the books", self.allocator.claim(key))
            })?;
        }
        let unclaimed = self.frameworks.keys().filter(|key| !claims.contains_key(key));
        for key in unclaimed {
            ensure(self.allocator.claim(key).is_empty(), || format!("{key} claims what nobody has"))?;
        }
        Ok(())
    }

    /// What could be placed is placed, and what could be offered is offered.
    fn check_nothing_is_kept_back(&self) -> Result<(), String> {
        for (key, framework) in &self.frameworks {
            match framework.scheduler() {
                Some(SchedulerKind::BuiltIn(strategy)) => {
                    for (want, _) in framework.waiting.groups().filter(|(want, _)| framework.is_served_in(want)) {
                        let whose = For { framework: key, role: &self.role_wanted(key, want) };
                        let place = self.allocator.place(&want.demand, whose, strategy);
                        ensure(place.is_none(), || format!("{key}: {want:?} waits and fits: {place:?}"))?;
                    }
                }
                Some(SchedulerKind::External(_)) if framework.offers.len() < MAX_OFFERS_PER_FRAMEWORK => {
                    for ((agent, _), role) in self
                        .allocator
                        .agents()
                        .flat_map(|agent| framework.roles().iter().map(move |role| (agent, role)))
                    {
                        let offer = self.allocator.offerable(agent, key, role, self.now);
                        ensure(offer.is_err(), || format!("{key}: {agent} is not offered for {role}: {offer:?}"))?;
                    }
                }
                _ => {}
            }
        }
        for (id, offer) in &self.offers {
            let taken = self.acceptances.values().any(|acceptance| acceptance.offers.contains(id));
            let waits = self.timers.is_set_for_offer(id) || offer.creation.is_some() || taken;
            ensure(waits, || format!("offer {id:?} is {:?} for ever", offer.phase))?;
            let expires = !matches!(offer.phase, OfferPhase::Outstanding) || self.timers.is_set_for_offer(id);
            ensure(expires, || format!("offer {id:?} never expires"))?;
        }
        Ok(())
    }
}
