//! Maintenance objects: windows in which agents will not be there (Mesos' maintenance primitives).
//!
//! A window that is planned is told with every offer of its agents, and frameworks that have something there are asked to
//! leave (`inverse_offers.rs`). Once it is started, nothing runs there until the object goes.

use crate::effect::Effect;
use crate::ids::{AgentName, ObjectKey, Time};
use crate::inverse_offers::InverseOffers;
use crate::master::Master;
use crate::operator_objects::{
    AgentInMaintenance, FrameworkInMaintenance, MaintenanceObject, MaintenancePhase, MaintenanceRecord,
    MaintenanceTerms,
};
use crate::record::Readiness;
use crate::timers::Timer;
use proffer_allocator::Unavailability;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long after a change frameworks are asked and statuses are written.
const LATENCY: Duration = Duration::from_millis(500);

/// The Maintenance objects.
#[derive(Debug, Default)]
pub(crate) struct Maintenances {
    known: BTreeMap<String, Known>,
    /// The object that counts for an agent.
    of_agent: BTreeMap<AgentName, String>,
    pub(crate) inverse_offers: InverseOffers,
}

/// A Maintenance object.
#[derive(Debug)]
struct Known {
    object: MaintenanceObject,
    phase: MaintenancePhase,
    accepted: Readiness,
    written: Option<MaintenanceRecord>,
}

impl Known {
    fn terms(&self) -> Option<&MaintenanceTerms> {
        self.object.terms.as_ref().ok()
    }
}

impl Maintenances {
    /// The Maintenance that counts for an agent.
    pub(crate) fn of(&self, agent: &AgentName) -> Option<&str> {
        self.of_agent.get(agent).map(String::as_str)
    }

    fn counts_for(&self, agent: &AgentName) -> Option<&Known> {
        self.known.get(self.of_agent.get(agent)?)
    }

    /// Whether the maintenance of an agent has begun.
    pub(crate) fn is_down(&self, agent: &AgentName) -> bool {
        self.counts_for(agent).is_some_and(|known| known.phase == MaintenancePhase::Down)
    }

    /// When an agent will not be there.
    pub(crate) fn window_of(&self, agent: &AgentName) -> Option<Unavailability> {
        Some(self.counts_for(agent)?.terms()?.window)
    }
}

/// When a window ends; `None` if it does not.
fn end_of(window: &Unavailability) -> Option<Time> {
    Some(window.start.after(window.duration?))
}

impl Master {
    /// A Maintenance object was created or changed, or is seen for the first time.
    pub(crate) fn maintenance_applied(&mut self, object: MaintenanceObject) {
        let known = self.maintenance.known.remove(&object.name).filter(|known| known.object.uid == object.uid);
        let known = Known {
            object,
            phase: MaintenancePhase::Up,
            accepted: Readiness { ready: false, reason: "Pending", message: String::new() },
            written: known.and_then(|known| known.written),
        };
        self.maintenance.known.insert(known.object.name.clone(), known);
        self.review_maintenance();
    }

    /// A Maintenance object is gone: its agents are up again.
    pub(crate) fn maintenance_deleted(&mut self, name: &str, uid: &str) {
        if self.maintenance.known.get(name).is_some_and(|known| known.object.uid == uid) {
            self.maintenance.known.remove(name);
            self.review_maintenance();
        }
    }

    /// Which objects count for which agents.
    fn review_maintenance(&mut self) {
        let now = self.now;
        let mut of_agent: BTreeMap<AgentName, String> = BTreeMap::new();
        let mut by_age: Vec<&mut Known> = self.maintenance.known.values_mut().collect();
        by_age.sort_by(|one, other| {
            (one.object.created, &one.object.name).cmp(&(other.object.created, &other.object.name))
        });
        for known in by_age {
            let (phase, accepted) = judge(&known.object, &of_agent, now);
            if phase != MaintenancePhase::Up
                && let Ok(terms) = &known.object.terms
            {
                of_agent.extend(terms.agents.iter().map(|agent| (agent.clone(), known.object.name.clone())));
                if let (MaintenancePhase::Draining, Some(end)) = (phase, end_of(&terms.window)) {
                    self.timers.set_at_latest(Timer::WindowOver, end);
                }
            }
            (known.phase, known.accepted) = (phase, accepted);
        }
        let before = std::mem::replace(&mut self.maintenance.of_agent, of_agent);
        let agents: BTreeSet<AgentName> = before.into_keys().chain(self.maintenance.of_agent.keys().cloned()).collect();
        for agent in agents {
            self.agent_changed(&agent);
        }
        self.timers.set(Timer::Maintenance, now);
    }

    /// A window is over that was never started.
    pub(crate) fn window_over(&mut self) {
        self.review_maintenance();
    }

    /// Tells the allocator when an agent will not be there. What is offered of it was offered without that.
    pub(crate) fn tell_window(&mut self, agent: &AgentName) {
        let wanted = self.maintenance.window_of(agent);
        let Some(books) = self.allocator.agent(agent) else { return };
        if books.unavailability() == wanted {
            return;
        }
        self.allocator.set_unavailability(agent, wanted);
        for offer in self.offers_of(agent) {
            self.rescind(&offer, format!("the maintenance of agent {agent} was planned anew"));
        }
        self.rescind_inverse_offers(|_, of| of == agent, "the maintenance was planned anew");
    }

    /// What maintenance asks of frameworks, or tells in statuses, may have changed.
    pub(crate) fn maintenance_concerned(&mut self) {
        if !self.maintenance.known.is_empty() {
            self.timers.set_at_latest(Timer::Maintenance, self.now.after(LATENCY));
        }
    }

    /// Asks frameworks to leave, and writes statuses that changed.
    pub(crate) fn go_on_with_maintenance(&mut self) {
        self.make_inverse_offers();
        let names: Vec<String> = self.maintenance.known.keys().cloned().collect();
        for name in names {
            let Some(record) = self.maintenance_record(&name) else { continue };
            let Some(known) = self.maintenance.known.get_mut(&name) else { continue };
            if known.written.as_ref() != Some(&record) {
                known.written = Some(record.clone());
                self.push(Effect::WriteMaintenance(Box::new(record)));
            }
        }
    }

    fn maintenance_record(&self, name: &str) -> Option<MaintenanceRecord> {
        let known = self.maintenance.known.get(name)?;
        let counts = known.phase != MaintenancePhase::Up;
        let named = known.terms().filter(|_| counts).into_iter().flat_map(|terms| &terms.agents);
        let agents: BTreeMap<AgentName, AgentInMaintenance> =
            named.map(|agent| (agent.clone(), self.in_maintenance(agent))).collect();
        let tasks: usize = agents.values().map(|agent| agent.tasks).sum();
        let drained = match (known.phase, tasks) {
            (MaintenancePhase::Up, _) => {
                Readiness { ready: false, reason: "NotInForce", message: "nothing is asked of its agents".to_owned() }
            }
            (_, 0) => Readiness { ready: true, reason: "Empty", message: "nothing runs on its agents".to_owned() },
            (_, tasks) => {
                let has = if tasks == 1 { "1 task runs".to_owned() } else { format!("{tasks} tasks run") };
                Readiness { ready: false, reason: "TasksLeft", message: format!("{has} on its agents") }
            }
        };
        Some(MaintenanceRecord {
            name: name.to_owned(),
            uid: known.object.uid.clone(),
            generation: known.object.generation,
            phase: known.phase,
            accepted: known.accepted.clone(),
            drained,
            agents,
            epoch: self.epoch(),
        })
    }

    fn in_maintenance(&self, agent: &AgentName) -> AgentInMaintenance {
        let Some(known) = self.agents.get(agent) else { return AgentInMaintenance::default() };
        let mut frameworks: BTreeMap<ObjectKey, FrameworkInMaintenance> = BTreeMap::new();
        for id in &known.tasks {
            if let Some(task) = self.tasks.get(id) {
                frameworks.insert(task.framework.clone(), FrameworkInMaintenance::NotAsked);
            }
        }
        for (key, reply) in self.allocator.maintenance_status(agent) {
            let said = match reply {
                Some(reply) => FrameworkInMaintenance::Answered(reply),
                None if self.is_asked(&key, agent) => FrameworkInMaintenance::Asked,
                None => FrameworkInMaintenance::NotAsked,
            };
            frameworks.insert(key, said);
        }
        AgentInMaintenance { known: true, tasks: known.tasks.len() + known.strays.len(), frameworks }
    }
}

/// Whether an object counts, given the agents that older ones have.
fn judge(object: &MaintenanceObject, taken: &BTreeMap<AgentName, String>, now: Time) -> (MaintenancePhase, Readiness) {
    let refused = |reason, message| (MaintenancePhase::Up, Readiness { ready: false, reason, message });
    let terms = match &object.terms {
        Ok(terms) => terms,
        Err(problem) => return refused("Invalid", problem.clone()),
    };
    if let Some((agent, other)) = terms.agents.iter().find_map(|agent| Some((agent, taken.get(agent)?))) {
        let message =
            format!("agent {agent} is in Maintenance {other:?} already, which is older: take it out of one of the two");
        return refused("AgentScheduled", message);
    }
    if terms.started {
        let message = "it has begun: nothing runs on its agents until this object is deleted".to_owned();
        return (MaintenancePhase::Down, Readiness { ready: true, reason: "Started", message });
    }
    if end_of(&terms.window).is_some_and(|end| end <= now) {
        return refused("Over", "its window is over: delete it, or give it another window".to_owned());
    }
    let message = "it is planned: frameworks are asked to leave its agents in time".to_owned();
    (MaintenancePhase::Draining, Readiness { ready: true, reason: "Scheduled", message })
}
