//! Statuses of Frameworks and Agents, and how many completed tasks are kept.

use crate::effect::Effect;
use crate::event::{Delivery, SchedulerKind};
use crate::ids::{AgentName, ObjectKey};
use crate::master::Master;
use crate::record::{AgentRecord, FrameworkRecord, Readiness};
use crate::state::{Framework, Stream};
use crate::timers::Timer;
use proffer_allocator::Strategy;

/// Those that cannot be deleted yet are passed over; this bounds what that costs with each event.
const TRIMMED_AT_ONCE: usize = 64;

impl Master {
    /// Hands out what changed during this event.
    pub(crate) fn write_records(&mut self) {
        if !self.changed_frameworks.is_empty() {
            self.role_figures_changed();
        }
        if !(self.changed_frameworks.is_empty() && self.changed_agents.is_empty()) {
            self.maintenance_concerned();
        }
        for key in std::mem::take(&mut self.changed_frameworks) {
            self.trim_history(&key);
            if self.frameworks.get(&key).is_some_and(Framework::is_forgotten) {
                self.frameworks.remove(&key);
                continue;
            }
            self.note_no_offers(&key);
            let Some(record) = self.framework_record(&key) else { continue };
            let framework = self.framework_mut(&key);
            if framework.written.as_ref() != Some(&record) {
                framework.written = Some(record.clone());
                self.push(Effect::WriteFramework(Box::new(record)));
            }
        }
        self.trim_completed_frameworks();
        for agent in &self.changed_agents {
            if let Some(known) = self.agents.get(agent).filter(|known| !known.reservations.is_empty()) {
                // Which tasks use them may have changed.
                self.changed_reservations.extend(known.reservations.iter().cloned());
            }
        }
        self.write_reservations();
        for agent in std::mem::take(&mut self.changed_agents) {
            self.note_drained(&agent);
            // A new leader leaves agents a moment to come before it says that they have not.
            if self.timers.is_set(&Timer::AgentLate(agent.clone())) {
                continue;
            }
            let Some(record) = self.agent_record(&agent) else { continue };
            let Some(known) = self.agents.get_mut(&agent) else { continue };
            if known.written.as_ref() != Some(&record) {
                known.written = Some(record.clone());
                self.push(Effect::WriteAgent(Box::new(record)));
            }
        }
    }

    /// Deletes the oldest completed tasks of a framework beyond what it keeps, of which it does not look at more than a few
    /// in one event.
    fn trim_history(&mut self, key: &ObjectKey) {
        let Some(framework) = self.frameworks.get(key) else { return };
        let Some(limit) = framework.object.as_ref().map(|object| object.history_limit) else { return };
        let excess = framework.completed.len().saturating_sub(limit).min(TRIMMED_AT_ONCE);
        let mut deleted = Vec::new();
        for turn in framework.completed.iter().take(excess) {
            let Some(task) = self.tasks.get(&turn.1) else { continue };
            // Its end must be known before it may be forgotten.
            let acknowledged = task.stream.as_ref().is_none_or(|stream| stream.pending.is_none());
            if acknowledged && task.is_durably_over() && !(task.deleting || task.superseded) {
                deleted.push(turn.clone());
            }
        }
        for turn in deleted {
            if let Some(task) = self.tasks.get_mut(&turn.1) {
                task.deletion_asked = true;
            }
            self.framework_mut(key).completed.remove(&turn);
            self.push(Effect::DeleteTask(turn.1));
        }
    }

    fn framework_record(&self, key: &ObjectKey) -> Option<FrameworkRecord> {
        let framework = self.frameworks.get(key)?;
        let object = framework.object.as_ref()?;
        let scheduler = match &object.scheduler {
            Ok(SchedulerKind::BuiltIn(Strategy::BinPack)) => "BinPack",
            Ok(SchedulerKind::BuiltIn(Strategy::Spread)) => "Spread",
            Ok(SchedulerKind::External(Delivery::Objects)) => "External",
            Ok(SchedulerKind::External(Delivery::Stream)) => "Stream",
            Err(_) => "",
        };
        let (is_ready, reason, message) = match &object.scheduler {
            Err(problem) => (false, "Invalid", problem.clone()),
            Ok(SchedulerKind::BuiltIn(_)) => (true, "Served", "the built-in scheduler places its tasks".to_owned()),
            Ok(SchedulerKind::External(Delivery::Stream)) if framework.stream.connection.is_none() => {
                let (reason, message) = not_subscribed(&framework.stream);
                (false, reason, message)
            }
            Ok(SchedulerKind::External(_)) if framework.offers.is_empty() => {
                (true, "NoOffers", Self::told_of_no_offers(framework))
            }
            Ok(SchedulerKind::External(_)) => (true, "Served", "has offers to reply to".to_owned()),
        };
        Some(FrameworkRecord {
            key: key.clone(),
            uid: object.uid.clone(),
            generation: object.generation,
            framework_id: object
                .stream
                .as_ref()
                .map_or_else(|| format!("fw-{}", object.uid), |stream| stream.framework_id.clone()),
            scheduler,
            pending: framework.waiting.len(),
            active: framework.active,
            completed: framework.completed.len(),
            allocated: self.allocator.claim(key).saturating_minus(&self.allocator.offered(key)),
            offers: framework.offers.len(),
            ready: Readiness { ready: is_ready, reason, message },
            stream: self.stream_record(key),
            epoch: self.epoch(),
        })
    }

    fn agent_record(&self, agent: &AgentName) -> Option<AgentRecord> {
        let known = self.agents.get(agent)?;
        let books = self.allocator.agent(agent)?;
        Some(AgentRecord {
            agent: agent.clone(),
            agent_id: known.id.clone()?,
            version: known.version.clone(),
            slot: known.slot.clone(),
            total: books.total().clone(),
            allocated: books.allocated().clone(),
            offered: books.offered().clone(),
            tasks: known.tasks.len(),
            usage: self.use_of(agent, known),
            maintenance: self.maintenance.of(agent).map(str::to_owned),
            ready: self.readiness(agent, known),
            epoch: self.epoch(),
        })
    }
}

/// Why a framework that is served over a stream gets nothing: as one word, and for a person.
fn not_subscribed(stream: &Stream) -> (&'static str, String) {
    match stream {
        Stream { completed: Some(why), .. } => ("Completed", format!("is over: {why}")),
        Stream { subscribed: true, .. } => ("Disconnected", "its scheduler is not connected".to_owned()),
        _ => ("NotSubscribed", "waits for its scheduler to subscribe at /api/v1/scheduler".to_owned()),
    }
}
