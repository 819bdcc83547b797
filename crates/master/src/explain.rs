//! Why a task waits: the same words for objects, `kubectl describe` and the API.

use crate::event::SchedulerKind;
use crate::ids::{AgentName, ObjectKey, TaskId, Time};
use crate::master::Master;
use crate::state::{Phase, Want};
use crate::tasks::SETTLE;
use crate::timers::Timer;
use proffer_allocator::{For, Verdict};
use proffer_resources::Role;
use std::ops::Bound;
use std::time::Duration;

/// How many waiting tasks are told in one go, so that a long queue does not become a flood of writes.
const TOLD_AT_ONCE: usize = 100;

/// How old the figures may be that a waiting task was told.
pub(crate) const RETELL: Duration = Duration::from_secs(30);

/// How many agents are gone through in one go to find why tasks wait.
const EXPLAINED_AT_ONCE: usize = 100_000;

/// As many agents are gone through in the time in which one waiting task is looked at.
const COST_OF_TASK: usize = 4;

/// Classes of reasons that are not the allocator's.
const NO_FRAMEWORK: u8 = 100;
const UNUSABLE_FRAMEWORK: u8 = 101;
const WAITS_FOR_FRAMEWORK: u8 = 102;
const ROLE_OF_OTHERS: u8 = 103;

/// Why a task waits, for the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingTask {
    /// In a sentence.
    pub message: String,
    /// Agent by agent; empty if no agent would help.
    pub agents: Vec<(AgentName, Verdict)>,
}

impl Master {
    /// Why a task waits; `None` if there is no such task or it does not wait.
    #[must_use]
    pub fn explain_task(&self, key: &ObjectKey) -> Option<WaitingTask> {
        let (_, task) = self.tasks_named(key).find(|(_, task)| task.is_waiting())?;
        let want = task.want()?;
        let (_, message) = self.why_waiting(&task.framework, &want);
        let placed_here = matches!(self.scheduler_of(&task.framework), Some(SchedulerKind::BuiltIn(_)));
        let agents = if placed_here {
            let (framework, role) = (&task.framework, &self.role_wanted(&task.framework, &want));
            let verdict = |agent| self.allocator.verdict(&want.demand, For { framework, role }, agent);
            self.agents.keys().map(|agent| (agent.clone(), verdict(agent))).collect()
        } else {
            Vec::new()
        };
        Some(WaitingTask { message, agents })
    }

    /// Writes into waiting tasks why they wait, where that is new to them. What is too much for one go is gone on with a
    /// second later.
    pub(crate) fn explain_waiting(&mut self) {
        let mut to_tell = Vec::new();
        let (mut again, mut cost) = (None, 0);
        let from = self.explained_tasks.take();
        let goes_on = from.is_some();
        let first = from.as_ref().map_or(Bound::Unbounded, |(key, ..)| Bound::Included(key.clone()));
        'frameworks: for key in self.waiting.range((first, Bound::Unbounded)) {
            let Some(framework) = self.frameworks.get(key) else { continue };
            let from = from.as_ref().filter(|(of, ..)| of == key);
            for (want, group) in framework.waiting.groups_from(from.map(|(_, want, _)| want)) {
                again.get_or_insert(RETELL);
                let turn =
                    from.filter(|(_, of, _)| of == want).map_or(Bound::Unbounded, |(.., turn)| Bound::Included(turn));
                let mut rest = group.range((turn, Bound::Unbounded)).peekable();
                let Some(next) = rest.peek() else { continue };
                if cost >= EXPLAINED_AT_ONCE {
                    self.explained_tasks = Some((key.clone(), want.clone(), (*next).clone()));
                    break 'frameworks;
                }
                let (class, message) = self.why_waiting(key, want);
                // What costs something is to look at every agent.
                cost += if class < NO_FRAMEWORK { self.agents.len() } else { 1 };
                while let Some(turn) = rest.next() {
                    let (_, id) = turn;
                    match self.is_to_be_told(id, class, &message) {
                        Some(true) if to_tell.len() < TOLD_AT_ONCE => {
                            to_tell.push((id.clone(), class, message.clone()));
                        }
                        None | Some(false) => {}
                        Some(true) => again = Some(SETTLE),
                    }
                    if self.waits_shorter_than(id, SETTLE) {
                        again = Some(SETTLE);
                    }
                    cost += COST_OF_TASK;
                    if cost >= EXPLAINED_AT_ONCE
                        && let Some(next) = rest.peek()
                    {
                        self.explained_tasks = Some((key.clone(), want.clone(), (*next).clone()));
                        break 'frameworks;
                    }
                }
            }
        }
        if goes_on || self.explained_tasks.is_some() {
            again = Some(SETTLE);
        }
        for (id, class, message) in to_tell {
            self.tell(&id, class, message);
        }
        if let Some(again) = again {
            self.timers.set_at_latest(Timer::Explain, self.now.after(again));
        }
    }

    /// Whether a task began to wait less than so long ago.
    fn waits_shorter_than(&self, id: &TaskId, time: Duration) -> bool {
        let phase = self.tasks.get(id).map(|task| &task.phase);
        matches!(phase, Some(Phase::Waiting(since)) if self.now.since(*since) < time)
    }

    /// Writes into one waiting task why it waits.
    pub(crate) fn tell_why_waiting(&mut self, id: &TaskId) {
        let Some(task) = self.tasks.get(id) else { return };
        let Some(want) = task.want() else { return };
        let (class, message) = self.why_waiting(&task.framework, &want);
        self.tell(id, class, message);
    }

    /// Something changed that many waiting tasks may want to know.
    pub(crate) fn explain_soon(&mut self) {
        if !self.waiting.is_empty() {
            self.timers.set_at_latest(Timer::Explain, self.now.after(SETTLE));
        }
    }

    /// The role in which tasks that ask for this are to be placed.
    pub(crate) fn role_wanted(&self, framework: &ObjectKey, want: &Want) -> Role {
        want.role.clone().unwrap_or_else(|| self.role_of(framework))
    }

    /// The scheduler of a framework, if that exists and is usable.
    pub(crate) fn scheduler_of(&self, framework: &ObjectKey) -> Option<SchedulerKind> {
        self.frameworks.get(framework)?.scheduler()
    }

    /// A message about a waiting task, and its class: messages of one class differ in figures only.
    fn why_waiting(&self, key: &ObjectKey, want: &Want) -> (u8, String) {
        let (name, namespace) = (&key.name, &key.namespace);
        let Some(object) = self.frameworks.get(key).and_then(|framework| framework.object.as_ref()) else {
            let message = format!(
                "framework {name:?} does not exist in namespace {namespace:?}: create it, or correct spec.frameworkRef.name"
            );
            return (NO_FRAMEWORK, message);
        };
        match &object.scheduler {
            Err(problem) => (UNUSABLE_FRAMEWORK, format!("framework {name:?} cannot be served: {problem}")),
            Ok(SchedulerKind::External(_)) => {
                (WAITS_FOR_FRAMEWORK, format!("waits for its framework {name:?} to launch it in an offer"))
            }
            Ok(SchedulerKind::BuiltIn(_)) => {
                let role = &self.role_wanted(key, want);
                if !object.roles.contains(role) {
                    let message =
                        format!("framework {name:?} has no role {role}: correct spec.role, or add it to its roles");
                    return (ROLE_OF_OTHERS, message);
                }
                let unplaced = self.allocator.explain_unplaced(&want.demand, For { framework: key, role });
                (unplaced.class(), unplaced.to_string())
            }
        }
    }

    /// Whether a waiting task is to be told something; `None` if it has waited too little for it to matter.
    fn is_to_be_told(&self, id: &TaskId, class: u8, message: &str) -> Option<bool> {
        let task = self.tasks.get(id)?;
        let Phase::Waiting(since) = task.phase else { return None };
        let news = match task.told {
            None if class < NO_FRAMEWORK && self.now.since(since) < SETTLE => return None,
            None => true,
            Some((before, _)) if before != class => true,
            Some((_, at)) => self.now.since(at) >= RETELL,
        };
        Some(news && task.record.message != message)
    }

    fn tell(&mut self, id: &TaskId, class: u8, message: String) {
        let now: Time = self.now;
        let Some(task) = self.tasks.get_mut(id) else { return };
        task.told = Some((class, now));
        if task.record.message == message && task.record.state.is_none() && !task.unwritten {
            return;
        }
        task.record.message = message;
        self.write_note(id);
    }
}
