//! A framework accepts an offer: task by task, what fits is launched.

use crate::event::OfferReply;
use crate::ids::{ObjectKey, OfferId, TaskId};
use crate::master::Master;
use crate::record::{NoticeAbout, OfferEnd};
use crate::state::{OfferPhase, Task};
use crate::timers::Timer;
use proffer_allocator::{Demand, Kind, PortRequest};
use proffer_resources::Resources;
use std::collections::BTreeSet;
use std::time::Duration;

/// How long a reply waits for tasks that are not known here yet: Tasks and Offers come over different watches, so a
/// Task that was made just before the reply may be told just after it.
const WAIT_FOR_TASKS: Duration = Duration::from_secs(2);

impl Master {
    /// The tasks with an object of this name; more than one only while an old one's deletion is not told yet.
    pub(crate) fn tasks_named(&self, key: &ObjectKey) -> impl Iterator<Item = (&TaskId, &Task)> {
        let first = TaskId { key: key.clone(), uid: String::new() };
        let key = key.clone();
        self.tasks.range(first..).take_while(move |(id, _)| id.key == key)
    }

    /// Carries an acceptance out if all its tasks are known, else waits for them a little.
    pub(crate) fn consider_reply(&mut self, id: &OfferId) {
        let Some(offer) = self.offers.get(id) else { return };
        let OfferPhase::Replied(OfferReply::Accept { launch, .. }) = &offer.phase else { return };
        let namespace = &offer.framework.namespace;
        let all_known = launch
            .iter()
            .all(|name| self.tasks_named(&ObjectKey::new(namespace.clone(), name.clone())).next().is_some());
        if all_known {
            self.decide_reply(id);
        } else {
            self.parked_replies.insert(id.clone());
            self.timers.clear(&Timer::OfferExpires(id.clone()));
            self.timers.set_at_latest(Timer::ReplyDue(id.clone()), self.now.after(WAIT_FOR_TASKS));
        }
    }

    /// A task came: replies may have waited for it.
    pub(crate) fn wake_parked_replies(&mut self, task: &ObjectKey) {
        let namespace = |offer: &OfferId| offer.0.namespace == task.namespace;
        let waiting: Vec<OfferId> = self.parked_replies.iter().filter(|offer| namespace(offer)).cloned().collect();
        for offer in waiting {
            self.consider_reply(&offer);
        }
    }

    /// Carries an acceptance out.
    pub(crate) fn decide_reply(&mut self, id: &OfferId) {
        let Some(offer) = self.offers.get(id) else { return };
        let OfferPhase::Replied(OfferReply::Accept { launch, refuse }) = offer.phase.clone() else { return };
        let (key, agent) = (offer.framework.clone(), offer.agent.clone());
        let (mut launched, mut problems) = (0, Vec::new());
        let mut named = BTreeSet::new();
        for name in launch.into_iter().filter(|name| named.insert(name.clone())) {
            match self.launch_in_offer(id, &key, &name) {
                Ok(()) => launched += 1,
                Err(problem) => problems.push(problem),
            }
        }
        self.refuse(id, refuse);
        if !problems.is_empty()
            && let Some(uid) = self.frameworks.get(&key).and_then(|framework| framework.uid().map(ToOwned::to_owned))
        {
            let message = format!("offer {}: {}", id.0.name, problems.join("; "));
            self.warn(NoticeAbout::Framework(key, uid), "LaunchRejected", message);
        }
        let tasks = if launched == 1 { "1 task".to_owned() } else { format!("{launched} tasks") };
        let (end, message) = match (launched, problems.is_empty()) {
            (0, _) => (OfferEnd::Rejected, format!("no task was launched: {}", problems.join("; "))),
            (_, true) => (OfferEnd::Accepted, format!("{tasks} launched on agent {agent}")),
            (_, false) => (
                OfferEnd::Accepted,
                format!("{tasks} launched on agent {agent}; not launched: {}", problems.join("; ")),
            ),
        };
        self.end_offer(id, end, message);
    }

    /// Launches one task out of an offer, or says why not.
    fn launch_in_offer(&mut self, offer_id: &OfferId, framework: &ObjectKey, name: &str) -> Result<(), String> {
        let key = ObjectKey::new(framework.namespace.clone(), name);
        let Some(offer) = self.offers.get(offer_id) else { return Ok(()) };
        // The newest object of the name, should there be two.
        let (id, task) = self
            .tasks_named(&key)
            .last()
            .ok_or_else(|| format!("task {name:?} does not exist in namespace {:?}: create it first", key.namespace))?;
        if task.framework != *framework {
            return Err(format!("task {name:?} belongs to framework {:?}", task.framework.name));
        }
        if task.deleting {
            return Err(format!("task {name:?} is being deleted"));
        }
        if !task.is_waiting() || task.superseded {
            return Err(format!("task {name:?} was launched before and is {} now", task.state_name()));
        }
        let demand = task.demand().ok_or_else(|| format!("task {name:?} is not valid"))?;
        let (id, agent, number, role) = (id.clone(), offer.agent.clone(), offer.number, offer.role.clone());
        if let Some(asked) =
            task.request.as_ref().ok().and_then(|request| request.role.as_ref()).filter(|asked| **asked != role)
        {
            return Err(format!("task {name:?} is of role {asked}, the offer is for role {role}"));
        }
        let Some(given) = demand.carve(&offer.resources, &role) else {
            let problem = format!("task {name:?} {}", too_much(&demand, &offer.resources.to_resources()));
            self.tell_not_launched(&id, offer_id, &problem);
            return Err(problem);
        };
        if let Some(offer) = self.offers.get_mut(offer_id) {
            offer.resources.subtract(&given);
        }
        self.launch(&id, &agent, role, given, Some(number));
        Ok(())
    }

    /// Says in a task that stays behind why it was not launched.
    fn tell_not_launched(&mut self, id: &TaskId, offer: &OfferId, problem: &str) {
        if let Some(task) = self.tasks.get_mut(id) {
            task.record.message =
                format!("was not launched in offer {}: {problem}; waits for another offer", offer.0.name);
            self.write_note(id);
        }
    }
}

/// What a task asks for that is not left in an offer.
fn too_much(demand: &Demand, left: &Resources) -> String {
    let kind = demand.lacking(left).first().copied().unwrap_or(Kind::Cpus);
    match (&demand.ports, kind) {
        (PortRequest::Numbers(numbers), Kind::Ports) => {
            format!("asks for the ports {numbers}, the offer has {} left", left.ports)
        }
        (PortRequest::Count(count), Kind::Ports) => {
            format!("asks for {count} ports, the offer has {} left", left.ports.len())
        }
        _ => format!("asks for {}, the offer has {} left", kind.describe(&demand.resources), kind.describe(left)),
    }
}
