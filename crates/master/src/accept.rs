//! A framework accepts an offer: task by task, what fits is launched.

use crate::event::OfferReply;
use crate::ids::{ObjectKey, OfferId, TaskId};
use crate::master::Master;
use crate::operations::Pool;
use crate::state::{OfferPhase, Task};
use crate::timers::Timer;
use proffer_allocator::{Demand, Kind, PortRequest};
use proffer_resources::Resources;
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
        let OfferPhase::Replied(reply) = &offer.phase else { return };
        let namespace = &offer.framework.namespace;
        let all_known = reply
            .tasks()
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
        let OfferPhase::Replied(OfferReply::Accept { operations, refuse }) = offer.phase.clone() else { return };
        let framework = offer.framework.clone();
        self.accept_offers(&framework, std::slice::from_ref(id), operations, refuse);
    }

    /// Launches a task that has an object out of offers, or says why not.
    pub(crate) fn launch_in_pool(&mut self, pool: &mut Pool, offers: &[OfferId], name: &str) -> Result<(), String> {
        let framework = &pool.framework;
        let key = ObjectKey::new(framework.namespace.clone(), name);
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
        let request = task.request.as_ref().map_err(|_| format!("task {name:?} is not valid"))?;
        if let Some(asked) = request.role.as_ref().filter(|asked| **asked != pool.role) {
            return Err(format!("task {name:?} is of role {asked}, the offer is for role {}", pool.role));
        }
        let demand = request.demand();
        let id = id.clone();
        let Some(given) = demand.carve(&pool.left, &pool.role) else {
            let what = match demand.volume_missing(&pool.left, &pool.role) {
                Some(volume) => format!("uses volume {volume:?}, which is not in the offer"),
                None => too_much(&demand, &pool.left.to_resources()),
            };
            let problem = format!("task {name:?} {what}");
            self.tell_not_launched(&id, offers, &problem);
            return Err(problem);
        };
        pool.left.subtract(&given);
        let agent = pool.agent.clone();
        self.launch(&id, &agent, pool.role.clone(), &given, Some(pool.number));
        Ok(())
    }

    /// Says in a task that stays behind why it was not launched.
    fn tell_not_launched(&mut self, id: &TaskId, offers: &[OfferId], problem: &str) {
        if let (Some(task), Some(offer)) = (self.tasks.get_mut(id), offers.first()) {
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
