//! Task groups, by the rules of Mesos' default executor: launched as one, and when one of them fails or is killed, the
//! others are killed. One that finishes leaves the others running.

use crate::agent::Agent;
use crate::event::Now;
use crate::failure::LaunchFailure;
use crate::kill::LONGEST_GRACE_MILLIS;
use crate::launch::refusal;
use crate::message::{Order, ToMaster, Update};
use crate::planted::Planted;
use crate::record::Record;
use crate::task::Phase;
use crate::validate;
use proffer_mesos_api::TaskState;

impl Agent {
    /// Launches the tasks of a group, all or none, and once: a repeated order is answered with the tasks' statuses.
    pub(crate) fn launch_group(&mut self, now: Now, orders: Vec<Order>) {
        if orders.iter().any(|order| self.knows(&order.task.uid)) {
            // One record took them all up, so one that is not known has been over for long.
            for order in &orders {
                if !self.answer_status(&order.task.uid) {
                    self.answer_unknown(now, &order.task);
                }
            }
            return;
        }
        let nameless = orders.iter().find_map(|order| Some((name(order), validate::identity(&order.task).err()?)));
        if let Some((culprit, failure)) = nameless {
            // Nothing can be kept under such a name, so this answer is not repeated.
            for order in orders {
                let status = refusal(now, &for_member(&order, &culprit, &failure));
                let update = Update { task: order.task, uuid: None, status, sandbox: String::new() };
                self.send(ToMaster::Status(Box::new(update)));
            }
            return;
        }
        let problem = orders.iter().find_map(|order| Some((name(order), self.problem_with(order)?)));
        let mut tasks = Vec::with_capacity(orders.len());
        for order in orders {
            tasks.push(self.new_task(now, order, problem.is_none()));
        }
        let records = tasks.iter().map(crate::task::Task::launched).collect();
        let write = self.checkpoint(Record::Together { records }, problem.is_none());
        let started: Vec<_> = tasks.iter().map(|task| (task.order.clone(), task.spawn())).collect();
        self.tasks.extend(tasks.into_iter().map(|task| (task.order.task.uid.clone(), task)));
        for (order, spawn) in started {
            match &problem {
                Some((culprit, failure)) => {
                    let status = refusal(now, &for_member(&order, culprit, failure));
                    self.finish(now, &order.task.uid, status);
                }
                None => self.act(Some(write).filter(|_| !self.has(Planted::SpawnsBeforeCheckpoint)), spawn),
            }
        }
    }

    /// A task is about to end in `state`: if that is not how it should end, those that were launched with it are killed.
    pub(crate) fn end_rest_of_group(&mut self, now: Now, uid: &str, state: TaskState) {
        let Some(task) = self.tasks.get(uid) else { return };
        let Some(group) = &task.order.group else { return };
        // One that was refused was refused with its whole group.
        let refused = task.sandbox.is_empty();
        if refused || !matches!(state, TaskState::Failed | TaskState::Killed | TaskState::Error) {
            return;
        }
        let because = format!("task {} of its group ended in {state}", task.order.task.name);
        let rest = self.tasks.iter().filter(|(other, task)| {
            *other != uid
                && task.order.group.as_ref() == Some(group)
                && task.phase != Phase::Ended
                && task.killing.is_none()
        });
        let rest: Vec<(String, u64)> = rest.map(|(uid, task)| (uid.clone(), task.order.kill_grace_millis)).collect();
        for (other, grace_millis) in rest {
            self.begin_kill(now, &other, grace_millis.min(LONGEST_GRACE_MILLIS), Some(because.clone()));
        }
    }
}

fn name(order: &Order) -> String {
    order.task.name.clone()
}

/// What a task of a group is told that cannot be started, as `culprit` cannot.
fn for_member(order: &Order, culprit: &str, failure: &LaunchFailure) -> LaunchFailure {
    if order.task.name == culprit {
        return failure.clone();
    }
    LaunchFailure::OfGroup(culprit.to_owned(), Box::new(failure.clone()))
}
