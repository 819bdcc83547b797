//! Offers are accepted: one operation after the other on what is left of them, and the rest is declined.

use super::conversion::Conversion;
use super::objects::Objects;
use super::{Body, LaunchBody, Operation, OperationState};
use crate::effect::ToAgent;
use crate::ids::{AgentName, ObjectKey, OfferId, WriteId};
use crate::master::Master;
use crate::planted::Planted;
use crate::record::{NoticeAbout, OfferEnd};
use crate::state::{VolumeId, volume_id};
use proffer_allocator::{DEFAULT_REFUSE, MAX_REFUSE};
use proffer_resources::{ResourceBag, Role};
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

/// What is left of offers that are being accepted. Nobody else has it until that is done.
#[derive(Clone, Debug)]
pub struct Pool {
    /// The framework.
    pub(crate) framework: ObjectKey,
    /// The agent of all of the offers.
    pub(crate) agent: AgentName,
    /// The role in which they were made.
    pub(crate) role: Role,
    /// The number, at the allocator, of the offer that they have become.
    pub(crate) number: u64,
    /// What no operation has used so far.
    pub(crate) left: ResourceBag,
}

/// An ACCEPT that is being carried out.
#[derive(Clone, Debug)]
pub(crate) struct Acceptance {
    /// What it works on.
    pub(crate) pool: Pool,
    /// The offers.
    pub(crate) offers: Vec<OfferId>,
    /// What is still to be done.
    operations: VecDeque<Operation>,
    /// How long not to offer what is left.
    refuse: Option<Duration>,
    /// The operation that waits for something.
    pub(crate) under_way: Option<UnderWay>,
    /// How many tasks were launched.
    launched: usize,
    /// The other operations that were carried out.
    converted: Vec<&'static str>,
    /// Why something was not done.
    problems: Vec<String>,
}

/// An operation that waits until Reservation objects are written, and then until an agent has destroyed volumes.
#[derive(Clone, Debug)]
pub(crate) struct UnderWay {
    id: Option<String>,
    name: &'static str,
    conversion: Conversion,
    objects: Objects,
    /// Writes that were not answered.
    pub(crate) writes: BTreeSet<WriteId>,
    /// Volumes whose data is to go, and has not gone yet.
    volumes: BTreeSet<VolumeId>,
    /// Why it cannot be done.
    failed: Option<String>,
}

impl Master {
    /// A framework accepts offers: the operations are carried out in order, and what is left is declined for as long as
    /// `refuse` says. Offers that are not all there and of one agent and role are declined, and nothing is done.
    pub(crate) fn accept_offers(
        &mut self,
        framework: &ObjectKey,
        offers: &[OfferId],
        operations: Vec<Operation>,
        refuse: Option<Duration>,
    ) {
        match self.open_pool(framework, offers) {
            Ok(pool) => self.run_acceptance(Acceptance {
                pool,
                offers: offers.to_vec(),
                operations: operations.into(),
                refuse,
                under_way: None,
                launched: 0,
                converted: Vec::new(),
                problems: Vec::new(),
            }),
            Err(why) => {
                for id in offers {
                    if self.offers.get(id).is_some_and(|offer| offer.is_live() && offer.framework == *framework) {
                        self.refuse(id, refuse);
                        self.end_offer(id, OfferEnd::Rejected, why.clone());
                    }
                }
                for Operation { id, .. } in operations {
                    self.operation_ended(framework, None, id, OperationState::Error, &why, ResourceBag::new());
                }
            }
        }
    }

    /// Makes one of several offers, which are taken; an error says in Mesos' words why they cannot be taken together.
    pub(crate) fn open_pool(&mut self, framework: &ObjectKey, offers: &[OfferId]) -> Result<Pool, String> {
        let mut pool: Option<Pool> = None;
        let mut seen = BTreeSet::new();
        for id in offers {
            let name = &id.0.name;
            let offer = self.offers.get(id).filter(|offer| offer.is_live());
            let offer = offer.ok_or_else(|| format!("Offer {name} is no longer valid"))?;
            if offer.framework != *framework {
                return Err(format!("Offer {name} has invalid framework {}", offer.framework));
            }
            if !seen.insert(id) {
                return Err(format!("Duplicate offer {name} in offer list"));
            }
            match &mut pool {
                None => {
                    pool = Some(Pool {
                        framework: framework.clone(),
                        agent: offer.agent.clone(),
                        role: offer.role.clone(),
                        number: offer.number,
                        left: offer.resources.clone(),
                    });
                }
                Some(pool) if pool.agent != offer.agent => {
                    return Err(format!(
                        "Aggregated offers must belong to one single agent. Offer {name} uses agent {} and the others \
                         agent {}",
                        offer.agent, pool.agent
                    ));
                }
                Some(pool) if pool.role != offer.role => {
                    return Err(format!(
                        "Aggregated offers must be allocated to the same role. Offer {name} is allocated to role {} and \
                         the others to role {}",
                        offer.role, pool.role
                    ));
                }
                Some(pool) => pool.left.add(&offer.resources),
            }
        }
        let pool = pool.ok_or("No offers specified")?;
        for id in offers {
            if let Some(number) = self.offers.get(id).map(|offer| offer.number).filter(|number| *number != pool.number)
            {
                self.allocator.merge_offers(pool.number, number);
            }
            self.take_offer(id);
        }
        Ok(pool)
    }

    fn run_acceptance(&mut self, mut acceptance: Acceptance) {
        while acceptance.under_way.is_none() {
            let Some(Operation { id, body }) = acceptance.operations.pop_front() else {
                self.close_acceptance(acceptance);
                return;
            };
            match body {
                Err(why) => self.not_done(&mut acceptance, id, OperationState::Error, "operation", &why),
                Ok(Body::Launch(LaunchBody::Infos(infos))) => {
                    for info in infos {
                        match self.launch_info(&mut acceptance.pool, &info) {
                            Ok(()) => acceptance.launched += 1,
                            Err(problem) => acceptance.problems.push(problem),
                        }
                    }
                }
                Ok(Body::Launch(LaunchBody::Group(group))) => match self.launch_group(&mut acceptance.pool, &group) {
                    Ok(launched) => acceptance.launched += launched,
                    Err(problem) => acceptance.problems.push(problem),
                },
                Ok(Body::Launch(LaunchBody::Objects(names))) => {
                    let mut seen = BTreeSet::new();
                    for name in names.into_iter().filter(|name| seen.insert(name.clone())) {
                        match self.launch_in_pool(&mut acceptance.pool, &acceptance.offers, &name) {
                            Ok(()) => acceptance.launched += 1,
                            Err(problem) => acceptance.problems.push(problem),
                        }
                    }
                }
                Ok(body) => {
                    if let Err(why) = self.begin_operation(&mut acceptance, id.clone(), &body) {
                        self.not_done(&mut acceptance, id, OperationState::Error, body.name(), &why);
                    }
                }
            }
        }
        self.acceptances.insert(acceptance.pool.number, acceptance);
    }

    /// Writes what an operation changes in objects, or says why it cannot be done.
    fn begin_operation(&mut self, acceptance: &mut Acceptance, id: Option<String>, body: &Body) -> Result<(), String> {
        let pool = &acceptance.pool;
        let conversion = match body {
            Body::OfProvider { name, source } => {
                return Err(format!("Invalid {name} Operation: {} does not contain {source}", pool.left));
            }
            Body::Asked(asked) => Conversion::of(&asked.out_of(&pool.left, &pool.role)?, Some(&pool.role))?,
            body => Conversion::of(body, Some(&pool.role))?,
        };
        if !pool.left.contains(&conversion.before) {
            return Err(format!("{} does not contain {}", pool.left, conversion.before));
        }
        let gone = |bag: &ResourceBag| bag.iter().filter_map(volume_id).collect::<BTreeSet<_>>();
        let (before, after) = (gone(&conversion.before), gone(&conversion.after));
        if let Some(existing) = after.difference(&before).find(|volume| self.has_volume(&pool.agent, volume)) {
            return Err(format!("Persistence ID '{}' is not unique", existing.1));
        }
        if let Some(used) = before.difference(&after).find(|volume| self.uses_volume(&pool.agent, volume)) {
            return Err(format!("Persistent volumes in use: '{}'", used.1));
        }
        let agent = pool.agent.clone();
        let framework = self.frameworks.get(&pool.framework);
        let principal = framework.and_then(|framework| framework.object.as_ref()?.principal.clone());
        let objects = self.plan_objects(&agent, &conversion)?;
        let writes = self.write_objects(&agent, &objects, principal.as_deref(), true).into_iter().collect();
        acceptance.under_way = Some(UnderWay {
            id,
            name: body.name(),
            volumes: before.difference(&after).cloned().collect(),
            conversion,
            objects,
            writes,
            failed: None,
        });
        Ok(())
    }

    /// Whether an agent has a volume, or has its data still.
    fn has_volume(&self, agent: &AgentName, volume: &VolumeId) -> bool {
        let names = self.agents.get(agent).map(|known| &known.reservations).into_iter().flatten();
        names.filter_map(|name| self.reservations.get(name)).any(|known| {
            known.destroying.contains_key(volume)
                || known.reserved.iter().any(|has| volume_id(has).as_ref() == Some(volume))
        })
    }

    /// Whether a task uses a volume; a shared one may be in an offer as well.
    fn uses_volume(&self, agent: &AgentName, volume: &VolumeId) -> bool {
        let books = self.allocator.agent(agent);
        books.is_some_and(|books| books.allocated().iter().any(|held| volume_id(held).as_ref() == Some(volume)))
    }

    /// A write for an operation in an offer ended: with why not, if it was not done. `false` if no such operation waits for it.
    pub(crate) fn operation_written(&mut self, write: WriteId, failed: Option<String>) -> bool {
        let waits = |acceptance: &Acceptance| {
            acceptance.under_way.as_ref().is_some_and(|under_way| under_way.writes.contains(&write))
        };
        let Some(number) = self.acceptances.iter().find(|(_, one)| waits(one)).map(|(number, _)| *number) else {
            return false;
        };
        let Some(mut acceptance) = self.acceptances.remove(&number) else { return false };
        if let Some(under_way) = &mut acceptance.under_way {
            under_way.writes.remove(&write);
            under_way.failed = under_way.failed.take().or(failed);
            if under_way.writes.is_empty() && under_way.failed.is_none() {
                let agent = acceptance.pool.agent.clone();
                for (role, id) in under_way.volumes.clone() {
                    self.send(&agent, ToAgent::DestroyVolume { epoch: self.epoch(), role, id }, None);
                }
                if self.agents.get(&agent).and_then(crate::state::Agent::session).is_none()
                    && !under_way.volumes.is_empty()
                {
                    under_way.failed = Some(format!("Agent {agent} is disconnected"));
                }
            }
        }
        self.go_on(acceptance);
        true
    }

    /// An agent answered about a volume: operations in offers may have waited for that.
    pub(crate) fn operation_volume_destroyed(&mut self, agent: &AgentName, volume: &VolumeId, problem: Option<String>) {
        let waits = |acceptance: &Acceptance| {
            acceptance.pool.agent == *agent
                && acceptance
                    .under_way
                    .as_ref()
                    .is_some_and(|under_way| under_way.writes.is_empty() && under_way.volumes.contains(volume))
        };
        let Some(number) = self.acceptances.iter().find(|(_, one)| waits(one)).map(|(number, _)| *number) else {
            return;
        };
        let Some(mut acceptance) = self.acceptances.remove(&number) else { return };
        if let Some(under_way) = &mut acceptance.under_way {
            under_way.volumes.remove(volume);
            under_way.failed = under_way.failed.take().or(problem);
        }
        self.go_on(acceptance);
    }

    /// Goes on with an acceptance if what it waited for is there.
    fn go_on(&mut self, mut acceptance: Acceptance) {
        let waits = acceptance.under_way.as_ref().is_some_and(|under_way| {
            !under_way.writes.is_empty() || (under_way.failed.is_none() && !under_way.volumes.is_empty())
        });
        if !waits && let Some(under_way) = acceptance.under_way.take() {
            self.finish_operation(&mut acceptance, under_way);
        }
        self.run_acceptance_or_wait(acceptance);
    }

    fn run_acceptance_or_wait(&mut self, acceptance: Acceptance) {
        if acceptance.under_way.is_some() {
            self.acceptances.insert(acceptance.pool.number, acceptance);
        } else {
            self.run_acceptance(acceptance);
        }
    }

    /// Everything that an operation waited for is there, or it cannot be done.
    fn finish_operation(&mut self, acceptance: &mut Acceptance, under_way: UnderWay) {
        let UnderWay { id, name, conversion, objects, failed, .. } = under_way;
        let pool = &mut acceptance.pool;
        let done = failed.map_or(Ok(()), Err).and_then(|()| {
            let Conversion { before, after, .. } = &conversion;
            if !self.allocator.convert_in_offer(pool.number, before, after) {
                return Err(format!("Agent {} is gone", pool.agent));
            }
            pool.left.subtract(before);
            pool.left.add(after);
            Ok(())
        });
        for (object, bag) in objects {
            let Some(known) = self.reservations.get_mut(&object) else { continue };
            known.busy = false;
            if done.is_ok() {
                known.reserved = bag;
            }
            self.unsettled.insert(object.clone());
            self.changed_reservations.insert(object);
        }
        self.changed_agents.insert(acceptance.pool.agent.clone());
        match done {
            Ok(()) => {
                let (framework, agent) = (acceptance.pool.framework.clone(), acceptance.pool.agent.clone());
                acceptance.converted.push(name);
                self.operation_ended(&framework, Some(&agent), id, OperationState::Finished, "", conversion.after);
            }
            Err(why) => self.not_done(acceptance, id, OperationState::Dropped, name, &why),
        }
    }

    fn not_done(
        &mut self,
        acceptance: &mut Acceptance,
        id: Option<String>,
        state: OperationState,
        name: &str,
        why: &str,
    ) {
        let (framework, agent) = (acceptance.pool.framework.clone(), acceptance.pool.agent.clone());
        self.operation_ended(&framework, Some(&agent), id, state, why, ResourceBag::new());
        acceptance.problems.push(format!("{name}: {why}"));
    }

    /// All is done: what is left is free again, and refused for a while.
    fn close_acceptance(&mut self, acceptance: Acceptance) {
        let Acceptance { pool, offers, refuse, launched, converted, problems, .. } = acceptance;
        let refuse = refuse.unwrap_or(DEFAULT_REFUSE).min(MAX_REFUSE);
        if !refuse.is_zero() && !pool.left.is_empty() {
            let until = self.now.after(refuse);
            self.allocator.refuse(&pool.agent, &pool.framework, &pool.role, &pool.left, until, self.now);
        }
        if !self.has(Planted::KeepsOffered) {
            self.allocator.rescind(pool.number);
        }
        self.changed_agents.insert(pool.agent.clone());
        self.changed_frameworks.insert(pool.framework.clone());
        if !problems.is_empty()
            && let Some(uid) = self.frameworks.get(&pool.framework).and_then(|known| known.uid().map(ToOwned::to_owned))
        {
            let names: Vec<&str> = offers.iter().map(|offer| offer.0.name.as_str()).collect();
            let message = format!("offer {}: {}", names.join(", "), problems.join("; "));
            self.warn(NoticeAbout::Framework(pool.framework.clone(), uid), "LaunchRejected", message);
        }
        let (end, message) = summary(&pool.agent, launched, &converted, &problems);
        for offer in offers {
            self.finish_offer(&offer, Some((end, message.clone())));
        }
    }

    /// Gives acceptances up whose agent or framework is gone. What they wrote into objects is settled without them.
    pub(crate) fn drop_acceptances(&mut self, of: impl Fn(&Pool) -> bool, why: &str) {
        let numbers: Vec<u64> =
            self.acceptances.iter().filter(|(_, one)| of(&one.pool)).map(|(number, _)| *number).collect();
        for number in numbers {
            let Some(mut acceptance) = self.acceptances.remove(&number) else { continue };
            if let Some(under_way) = acceptance.under_way.take() {
                let under_way = UnderWay { failed: Some(why.to_owned()), ..under_way };
                self.finish_operation(&mut acceptance, under_way);
            }
            for Operation { id, body } in std::mem::take(&mut acceptance.operations) {
                let name = body.as_ref().map_or("operation", Body::name);
                if let Ok(Body::Launch(launch)) = &body {
                    self.drop_launch(&acceptance.pool.framework, launch, why);
                }
                self.not_done(&mut acceptance, id, OperationState::Dropped, name, why);
            }
            self.close_acceptance(acceptance);
        }
    }

    /// Operations that wait for an agent that lost its connection are given up: what is written is settled when it is back.
    pub(crate) fn drop_destructions_on(&mut self, agent: &AgentName) {
        let waits = |acceptance: &Acceptance| {
            acceptance.pool.agent == *agent
                && acceptance.under_way.as_ref().is_some_and(|under_way| under_way.writes.is_empty())
        };
        let numbers: Vec<u64> =
            self.acceptances.iter().filter(|(_, one)| waits(one)).map(|(number, _)| *number).collect();
        for number in numbers {
            let Some(mut acceptance) = self.acceptances.remove(&number) else { continue };
            if let Some(under_way) = &mut acceptance.under_way {
                under_way.failed = Some(format!("Agent {agent} is disconnected"));
            }
            self.go_on(acceptance);
        }
    }
}

/// How an acceptance ended, for a person.
fn summary(agent: &AgentName, launched: usize, converted: &[&str], problems: &[String]) -> (OfferEnd, String) {
    let tasks = if launched == 1 { "1 task".to_owned() } else { format!("{launched} tasks") };
    let problems = problems.join("; ");
    let done = match (launched, converted) {
        (0, []) => return (OfferEnd::Rejected, format!("no task was launched: {problems}")),
        (_, []) => format!("{tasks} launched on agent {agent}"),
        (0, _) => format!("{} carried out on agent {agent}", converted.join(", ")),
        _ => format!("{} carried out and {tasks} launched on agent {agent}", converted.join(", ")),
    };
    match (problems.is_empty(), converted) {
        (true, _) => (OfferEnd::Accepted, done),
        (false, []) => (OfferEnd::Accepted, format!("{done}; not launched: {problems}")),
        (false, _) => (OfferEnd::Accepted, format!("{done}; not done: {problems}")),
    }
}
