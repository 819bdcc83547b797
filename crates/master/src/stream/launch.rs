//! A task that a scheduler described gets its object and its agent, with one write.

use crate::effect::Effect;
use crate::ending::Ending;
use crate::event::{StreamTaskObject, TaskGroup, TaskObject, TaskRequest};
use crate::ids::{AgentName, ObjectKey, TaskId, WriteId};
use crate::launch::Placement;
use crate::master::Master;
use crate::record::NewTask;
use crate::state::{Task, Write};
use crate::tasks::SETTLE;
use crate::timers::Timer;
use proffer_mesos_api::v1::TaskInfo;
use proffer_mesos_api::{Reason, TaskState};
use proffer_resources::{ResourceBag, Role};

/// A place for a task that a scheduler chose.
#[derive(Debug)]
pub(crate) struct Place {
    /// The agent.
    pub(crate) agent: AgentName,
    /// The role for which the task holds it.
    pub(crate) role: Role,
    /// What the task holds there.
    pub(crate) held: ResourceBag,
    /// The number of the offer, at the allocator, that it is taken out of; `None` if it is free.
    pub(crate) offer: Option<u64>,
}

impl Master {
    /// Launches a task: its object is created with its place in it, and once that is durable the agent gets it. With
    /// write-behind the agent gets it at once.
    ///
    /// A task of a group is not sent by this: when all of the group have come so far, the group is.
    pub(crate) fn launch_over_stream(
        &mut self,
        key: &ObjectKey,
        info: TaskInfo,
        request: TaskRequest,
        place: Place,
        group: Option<TaskGroup>,
    ) {
        let Some((framework_id, write_behind)) =
            self.stream_object(key).map(|stream| (stream.framework_id.clone(), stream.write_behind))
        else {
            return;
        };
        let Some(uid) = self.frameworks.get(key).and_then(|framework| framework.uid().map(ToOwned::to_owned)) else {
            return;
        };
        let Place { agent, role, held, offer } = place;
        let task_id = info.task_id.value.clone();
        let id = TaskId { key: self.name_of_task(key, &framework_id, &task_id), uid: self.name_container() };
        let object = TaskObject {
            id: id.clone(),
            generation: 1,
            framework: key.name.clone(),
            request: Ok(request.clone()),
            record: None,
            deleting: false,
            finalizer: true,
            owner: Some(uid.clone()),
            created: self.now,
            stream: Some(Box::new(StreamTaskObject { info: info.clone(), group: group.clone() })),
        };
        let mut task = Task::new(object, self.epoch(), self.now);
        task.record.state = Some(TaskState::Staging);
        task.record.message = format!("is being launched on agent {agent}");
        task.record.agent = Some(self.place_on(&agent));
        task.record.staging_at = Some(self.now);
        task.note_held(&role, &held);
        let record = task.record.clone();
        self.tasks.insert(id.clone(), task);
        let framework = self.framework_mut(key);
        framework.tasks.insert(id.clone());
        framework.stream.tasks.insert(task_id, id.clone());
        self.enter_group(&id);
        let write = self.new_write();
        let about = if write_behind { Write::Creation(id.clone()) } else { Write::Launch(id.clone()) };
        self.writes.insert(write, about);
        let launch: Option<WriteId> = Some(write).filter(|_| !write_behind);
        self.occupy(&id, Placement { agent, role, held, offer, confirmed: false, launch });
        let (framework, alone) = ((key.name.clone(), uid), group.is_none());
        self.push(Effect::CreateTask {
            write,
            task: Box::new(NewTask { id: id.clone(), framework, info, group, request, record }),
        });
        if alone {
            self.send_launch(&id);
        }
        self.timers.set(Timer::Settle(id), self.now.after(SETTLE));
    }

    /// A task's object could not be created: it is not launched, and nothing is kept of it.
    pub(crate) fn not_created(&mut self, id: &TaskId, why: &str) {
        let message = format!("Task cannot be recorded: {why}");
        if let Some(task) = self.tasks.get_mut(id) {
            // There is nothing to write it into.
            task.refused = true;
        }
        let reason = if self.member(id).is_some() { Reason::TaskGroupInvalid } else { Reason::TaskInvalid };
        self.end_task(id, Ending::decided(TaskState::Error, reason, message));
        self.task_deleted(id);
    }
}
