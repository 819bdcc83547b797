//! From an order to a running command.

use crate::agent::Agent;
use crate::effect::Action;
use crate::event::Now;
use crate::failure::LaunchFailure;
use crate::message::{Command, LaunchTimes, Order, Status, ToMaster, Update};
use crate::planted::Planted;
use crate::record::Record;
use crate::task::{Phase, Process, Task};
use crate::validate;
use proffer_mesos_api::{Reason, TaskState};
use std::collections::VecDeque;

impl Agent {
    /// Launches a task, once: a repeated order is answered with the task's status.
    pub(crate) fn launch(&mut self, now: Now, order: Order) {
        let uid = order.task.uid.clone();
        if self.answer_status(&uid) {
            return;
        }
        if let Err(failure) = validate::identity(&order.task) {
            // Nothing can be kept under such a name, so this answer is not repeated.
            let status = refusal(now, &failure);
            let update = Update { task: order.task, uuid: None, status, sandbox: String::new() };
            self.send(ToMaster::Status(Box::new(update)));
            return;
        }
        let problem = self.problem_with(&order);
        let task = self.new_task(now, order, problem.is_none());
        let write = self.checkpoint(task.launched(), problem.is_none());
        let spawn = task.spawn();
        self.tasks.insert(uid.clone(), task);
        match problem {
            Some(failure) => self.finish(now, &uid, refusal(now, &failure)),
            None => self.act(Some(write).filter(|_| !self.has(Planted::SpawnsBeforeCheckpoint)), spawn),
        }
    }

    /// Why a task cannot be started here and now.
    pub(crate) fn problem_with(&self, order: &Order) -> Option<LaunchFailure> {
        let problem = validate::order(order).err().or_else(|| self.no_slot());
        problem.or_else(|| self.volume_in_removal(&order.volumes))
    }

    /// A task that was ordered, to be started or only to be told of.
    pub(crate) fn new_task(&mut self, now: Now, order: Order, to_be_started: bool) -> Task {
        let sandbox = if to_be_started { self.sandbox_of(&order.task) } else { String::new() };
        let running_uuid = self.draw_uuid(now);
        let mut task = Task {
            order,
            sandbox,
            boot_id: self.config.boot_id.clone(),
            phase: Phase::Starting,
            killing: None,
            kill_because: None,
            running_uuid,
            pending: VecDeque::new(),
            latest: None,
            retry: None,
        };
        if !to_be_started {
            // It may be what is wrong, and it is not needed any more.
            task.order.command = Command::default();
        }
        task
    }

    /// Has a task made ready that is likely to be launched. What is wrong with it is for the launch to say. One with volumes
    /// is not: made ready, it would hold on to them while they are removed, and then write into what is gone.
    pub(crate) fn prepare(&mut self, order: Box<Order>) {
        let wanted = !self.knows(&order.task.uid) && order.volumes.is_empty();
        if wanted && self.slot.attached && validate::identity(&order.task).is_ok() && validate::order(&order).is_ok() {
            let sandbox = self.sandbox_of(&order.task);
            self.act(None, Action::Prepare { order, sandbox });
        }
    }

    fn no_slot(&self) -> Option<LaunchFailure> {
        (!self.slot.attached).then(|| LaunchFailure::NotAttached(self.slot.message.clone()))
    }

    /// The command runs.
    pub(crate) fn spawned(&mut self, now: Now, uid: &str, process: Process, times: LaunchTimes) {
        if !self.tasks.get(uid).is_some_and(|task| task.phase == Phase::Starting) {
            return;
        }
        // Not durable: only a power cut could lose it, and that ends the task as well.
        let at_micros = now.wall_micros;
        self.checkpoint(Record::Spawned { uid: uid.to_owned(), process, at_micros, times }, false);
        self.now_running(uid, process, at_micros, times);
        self.send_first(now, uid, None);
        self.continue_kill(now, uid);
    }

    /// Notes that the task runs, and its `TASK_RUNNING` as pending.
    pub(crate) fn now_running(&mut self, uid: &str, process: Process, at_micros: i64, times: LaunchTimes) {
        if let Some(task) = self.tasks.get_mut(uid) {
            let status = running(process, at_micros, times);
            task.phase = Phase::Running(process);
            task.latest = Some(status.clone());
            task.pending.push_back(task.update(Some(task.running_uuid), status));
            // What was only needed to spawn it is not kept in memory.
            task.order.command = Command::default();
        }
    }

    /// The command could not be started.
    pub(crate) fn spawn_failed(&mut self, now: Now, uid: &str, failure: &LaunchFailure) {
        let Some(task) = self.tasks.get(uid).filter(|task| task.phase == Phase::Starting) else {
            return;
        };
        let status = if task.killing.is_some() {
            let message = format!("killed during launch ({})", failure.message());
            Status { reason: Some(Reason::TaskKilledDuringLaunch), message, ..ended(now, TaskState::Killed) }
        } else {
            refusal(now, failure)
        };
        self.finish(now, uid, status);
    }
}

impl Task {
    /// The record of its launch.
    pub(crate) fn launched(&self) -> Record {
        Record::Launched {
            order: Box::new(self.order.clone()),
            sandbox: self.sandbox.clone(),
            boot_id: self.boot_id.clone(),
            running_uuid: self.running_uuid,
        }
    }

    /// The action that starts it.
    pub(crate) fn spawn(&self) -> Action {
        Action::Spawn { order: Box::new(self.order.clone()), sandbox: self.sandbox.clone() }
    }
}

/// `TASK_RUNNING`.
pub(crate) fn running(process: Process, at_micros: i64, launch_times: LaunchTimes) -> Status {
    Status {
        state: TaskState::Running,
        reason: None,
        message: String::new(),
        at_micros,
        exit_code: None,
        signal: None,
        pid: Some(process.pid),
        launch_times,
    }
}

/// A terminal status without particulars.
pub(crate) fn ended(now: Now, state: TaskState) -> Status {
    Status {
        state,
        reason: None,
        message: String::new(),
        at_micros: now.wall_micros,
        exit_code: None,
        signal: None,
        pid: None,
        launch_times: LaunchTimes::default(),
    }
}

/// The terminal status of a task that could not be started.
pub(crate) fn refusal(now: Now, failure: &LaunchFailure) -> Status {
    Status { reason: Some(failure.reason()), message: failure.message(), ..ended(now, failure.state()) }
}
