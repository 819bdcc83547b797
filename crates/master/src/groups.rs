//! Task groups reach their agents: all of their tasks at once, when all of them are recorded, or none.
//!
//! What holds among the tasks of a group that runs is their agent's business; it goes by the rules of Mesos' default
//! executor. Here is what holds before: a group that is not whole any more (one of its tasks was killed, could not be
//! recorded, or was lost with a leader that had not recorded all of them) is not launched.

use crate::effect::{Launch, ToAgent};
use crate::ending::Ending;
use crate::ids::TaskId;
use crate::master::Master;
use crate::state::{Group, KillCause, Placed, Task};
use proffer_allocator::AgentBooks;
use proffer_mesos_api::{Reason, TaskState};
use std::collections::BTreeSet;

/// What Mesos says of tasks of a group that was killed before its executor got it.
pub(crate) const KILLED_BEFORE_DELIVERY: &str =
    "A task within the task group was killed before delivery to the executor";

impl Master {
    /// The group that a task was launched with.
    pub(crate) fn group_of(&self, id: &TaskId) -> Option<String> {
        self.member(id).map(|member| member.group.clone())
    }

    /// A task is known that may be one of a group.
    pub(crate) fn enter_group(&mut self, id: &TaskId) {
        let Some(member) = self.member(id) else { return };
        let (group, size) = (member.group.clone(), member.size);
        let new = || Group { size, tasks: BTreeSet::new(), refused: None, sent: None };
        self.groups.entry(group).or_insert_with(new).tasks.insert(id.clone());
    }

    /// Nothing is known any more of a task that may have been one of a group.
    pub(crate) fn leave_group(&mut self, id: &TaskId, task: &Task) {
        let Some(member) = task.stream.as_ref().and_then(|stream| stream.member.as_ref()) else { return };
        if let Some(group) = self.groups.get_mut(&member.group) {
            group.tasks.remove(id);
            if group.tasks.is_empty() {
                self.groups.remove(&member.group);
            }
        }
    }

    /// A task of a group was recorded, or cannot be. When that is known of all of them, they are launched or ended.
    pub(crate) fn member_written(&mut self, group: &str, id: &TaskId, refused: Option<&str>) {
        if let Some(why) = refused {
            let task_id = self.tasks.get(id).and_then(|task| Some(task.stream.as_ref()?.task_id.clone()));
            if let Some(known) = self.groups.get_mut(group) {
                known.refused = Some(format!("Task '{}' cannot be recorded: {why}", task_id.unwrap_or_default()));
            }
            self.not_created(id, why);
        }
        let Some(known) = self.groups.get(group) else { return };
        let Some(why) = known.refused.clone() else {
            self.send_group(group);
            return;
        };
        let placed = self.placed_members(group);
        if placed.iter().any(|(_, placed)| placed.launch.is_some()) {
            return;
        }
        for (id, _) in placed {
            self.end_task(&id, Ending::decided(TaskState::Error, Reason::TaskGroupInvalid, why.clone()));
        }
    }

    /// Sends a group to its agent if all of its tasks are recorded; as soon as the agent can launch.
    pub(crate) fn send_group(&mut self, id: &str) {
        let Some(Group { size, sent, refused: None, .. }) = self.groups.get(id) else { return };
        let (size, sent) = (*size, *sent);
        let members = self.placed_members(id);
        let Some((_, Placed { agent, .. })) = members.first().cloned() else { return };
        if members.iter().any(|(_, placed)| placed.launch.is_some()) {
            return;
        }
        if members.len() < size {
            self.give_group_up(id);
            return;
        }
        if let Some(cause) = members.iter().find_map(|(_, placed)| placed.kill) {
            // Its kill is on its way; an agent that does not know the task says so.
            self.kill_unlaunched(id, cause);
            return;
        }
        let Some(known) = self.agents.get(&agent).filter(|known| known.can_launch()) else {
            for (id, _) in &members {
                self.postpone_launch(id, &agent);
            }
            return;
        };
        if self.allocator.agent(&agent).is_some_and(AgentBooks::is_overcommitted) {
            for (id, _) in &members {
                self.take_placement_back(id);
            }
            return;
        }
        let session = known.session();
        if sent == session {
            return;
        }
        let launches: Vec<Launch> = members.iter().filter_map(|(id, _)| self.launch_of(id)).collect();
        if let Some(group) = self.groups.get_mut(id) {
            group.sent = session;
        }
        self.send(&agent, ToAgent::LaunchGroup { epoch: self.epoch(), id: id.to_owned(), launches }, None);
    }

    /// One that its agent may not have was asked to end, so all of its group are.
    pub(crate) fn kill_unlaunched(&mut self, group: &str, cause: KillCause) {
        for (id, placed) in self.placed_members(group) {
            // Another may have been asked meanwhile, as this is how they come here.
            let asked = self.tasks.get(&id).and_then(Task::placed).is_none_or(|placed| placed.kill.is_some());
            if !placed.confirmed && !asked {
                self.kill(&id, cause);
            }
        }
    }

    /// Ends what is left of a group that cannot be launched any more, as it is not whole.
    fn give_group_up(&mut self, group: &str) {
        let members = self.groups.get(group).map(|group| group.tasks.clone()).unwrap_or_default();
        let killed = |id: &TaskId| self.tasks.get(id).is_some_and(|task| task.record.state == Some(TaskState::Killed));
        let killed = members.iter().any(killed);
        for (id, placed) in self.placed_members(group) {
            let ending = if killed {
                Ending::decided(TaskState::Killed, Reason::TaskKilledDuringLaunch, KILLED_BEFORE_DELIVERY.to_owned())
            } else {
                let message = "its task group was not launched, as not all of its tasks were recorded".to_owned();
                Ending::decided(TaskState::Dropped, Reason::MasterDisconnected, message)
            };
            if !placed.confirmed {
                self.end_task(&id, ending);
            }
        }
    }

    /// The tasks of a group that have their place.
    fn placed_members(&self, group: &str) -> Vec<(TaskId, Placed)> {
        let members = self.groups.get(group).map(|group| &group.tasks).into_iter().flatten();
        members.filter_map(|id| Some((id.clone(), self.tasks.get(id)?.placed()?.clone()))).collect()
    }

    /// What holds of groups and executors, whatever the events were; an error says what does not.
    pub(crate) fn check_groups(&self) -> Result<(), String> {
        for (name, group) in &self.groups {
            let stray = group.tasks.iter().find(|id| self.group_of(id).as_ref() != Some(name));
            if group.tasks.is_empty() || stray.is_some() {
                return Err(format!("group {name} has {:?}", group.tasks));
            }
        }
        for id in self.tasks.keys() {
            let in_group = |group: String| self.groups.get(&group).is_some_and(|group| group.tasks.contains(id));
            if !self.group_of(id).is_none_or(in_group) {
                return Err(format!("task {id:?} is missing from its group"));
            }
            let under = |key| self.executors.get(&key).is_some_and(|executor| executor.tasks.contains(id));
            if !self.executor_key(id).is_none_or(under) {
                return Err(format!("task {id:?} is missing from its executor"));
            }
        }
        for (key, executor) in &self.executors {
            let stray = executor.tasks.iter().find(|id| self.executor_key(id).as_ref() != Some(key));
            if executor.tasks.is_empty() || stray.is_some() {
                return Err(format!("executor {key:?} has {:?}", executor.tasks));
            }
        }
        Ok(())
    }
}
