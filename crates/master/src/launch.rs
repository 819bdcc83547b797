//! A task gets an agent, and its agent gets the task.

use crate::effect::{Launch, ToAgent, VolumeMount};
use crate::ending::Ending;
use crate::event::TaskRequest;
use crate::ids::{AgentName, TaskId, WriteId};
use crate::master::Master;
use crate::planted::Planted;
use crate::record::PlacedOn;
use crate::state::{Agent, Phase, Placed, Task, Write, volume_id};
use crate::tasks::SETTLE;
use crate::timers::Timer;
use proffer_allocator::AgentBooks;
use proffer_mesos_api::{Reason, TaskState};
use proffer_resources::{DiskInfo, Ranges, ResourceBag, Role, Volume, VolumeMode};

/// With more writes under way than this, a launch has to wait for its turn, and is not worth preparing.
const PREPARED_AT_ONCE: usize = 8;
/// A command that is larger than this, in bytes, is not sent twice.
const LARGEST_PREPARED: usize = 16 * 1024;

/// A place for a task.
#[derive(Debug)]
pub(crate) struct Placement {
    /// The agent.
    pub(crate) agent: AgentName,
    /// The role for which the task holds it.
    pub(crate) role: Role,
    /// What the task holds there.
    pub(crate) held: ResourceBag,
    /// The number of the offer, at the allocator, that it is taken out of.
    pub(crate) offer: Option<u64>,
    /// Whether the agent is known to have it.
    pub(crate) confirmed: bool,
    /// The write that the launch waits for.
    pub(crate) launch: Option<WriteId>,
}

impl Master {
    /// Launches a waiting task on `agent` with `given`, which is free or in `offer`: recorded first, sent once the record is
    /// durable.
    pub(crate) fn launch(
        &mut self,
        id: &TaskId,
        agent: &AgentName,
        role: Role,
        given: &ResourceBag,
        offer: Option<u64>,
    ) {
        self.stop_waiting(id);
        let now = self.now;
        let Some(place) = self.agents.get(agent).map(|known| PlacedOn {
            agent: agent.clone(),
            agent_id: known.id.clone().unwrap_or_default(),
            address: known.slot.as_ref().and_then(|slot| slot.address.clone()),
        }) else {
            return;
        };
        let Some(task) = self.tasks.get_mut(id) else { return };
        let given = task.request.as_ref().map_or_else(|_| given.clone(), |request| as_used(request, given));
        task.record.state = Some(TaskState::Staging);
        task.record.reason = None;
        task.record.message = format!("is being launched on agent {agent}");
        task.record.agent = Some(place);
        task.record.staging_at = Some(now);
        task.record.generation = task.generation;
        task.note_held(&role, &given);
        let write = self.write_awaited(id, Write::Launch(id.clone()));
        let agent = agent.clone();
        self.occupy(id, Placement { agent, role, held: given, offer, confirmed: false, launch: write });
        match write {
            Some(_) => self.send_launch(id),
            None => self.could_not_be_recorded(id, "the API server refuses it"),
        }
        self.timers.set(Timer::Settle(id.clone()), now.after(SETTLE));
    }

    /// Enters a task's place into all books.
    pub(crate) fn occupy(&mut self, id: &TaskId, placement: Placement) {
        let Placement { agent, role, held, offer, confirmed, launch } = placement;
        let Some(task) = self.tasks.get(id) else { return };
        let framework = task.framework.clone();
        // It may have been met on that agent while it was thought to be elsewhere: it holds its resources once.
        self.forget_stray(&agent, id);
        let placed =
            Placed { agent: agent.clone(), role: role.clone(), held: held.clone(), confirmed, launch, kill: None };
        let Some(task) = self.tasks.get_mut(id) else { return };
        task.note_held(&role, &held);
        task.phase = Phase::Placed(placed);
        if !offer.is_some_and(|offer| self.allocator.launch_from(offer, &held)) {
            self.allocator.allocate(&agent, &framework, &role, &held);
        }
        self.join_executor(id, &role, offer);
        if let Some(known) = self.agents.get_mut(&agent) {
            known.tasks.insert(id.clone());
        }
        self.framework_mut(&framework).active += 1;
        self.changed_frameworks.insert(framework);
        self.changed_agents.insert(agent);
    }

    /// Takes a task's place out of all books. The caller says where it stands then.
    pub(crate) fn vacate(&mut self, id: &TaskId) {
        let Some(task) = self.tasks.get(id) else { return };
        let Some(Placed { agent, role, held, launch, .. }) = task.placed().cloned() else { return };
        let framework = task.framework.clone();
        self.leave_executor(id);
        self.allocator.release(&agent, &framework, &role, &held);
        if let Some(known) = self.agents.get_mut(&agent) {
            known.tasks.remove(id);
            known.to_launch.remove(id);
        }
        if let Some(launch) = launch {
            self.writes.remove(&launch);
        }
        self.framework_mut(&framework).active -= 1;
        self.changed_frameworks.insert(framework);
        self.changed_agents.insert(agent);
    }

    /// Forgets in a task's record that it had an agent.
    pub(crate) fn clear_place(&mut self, id: &TaskId) {
        let now = self.now;
        let Some(task) = self.tasks.get_mut(id) else { return };
        task.phase = Phase::Waiting(now);
        task.record.state = None;
        task.record.reason = None;
        task.record.message = String::new();
        task.record.agent = None;
        task.record.ports = Ranges::default();
        task.record.role = None;
        task.record.held = None;
        task.record.staging_at = None;
    }

    /// Sends a task to its agent, once its place is recorded; as soon as the agent can launch.
    pub(crate) fn send_launch(&mut self, id: &TaskId) {
        if let Some(group) = self.group_of(id) {
            self.send_group(&group);
            return;
        }
        let Some(placed) = self.tasks.get(id).and_then(Task::placed) else { return };
        if placed.kill.is_some() {
            // The kill is on its way and must not be overtaken: an agent that does not know the task says so.
            return;
        }
        let agent = placed.agent.clone();
        let after = placed.launch.filter(|_| !self.has(Planted::LaunchesBeforeWrite));
        if !self.agents.get(&agent).is_some_and(Agent::can_launch) {
            self.postpone_launch(id, &agent);
            return;
        }
        if placed.launch.is_none() && self.allocator.agent(&agent).is_some_and(AgentBooks::is_overcommitted) {
            self.take_placement_back(id);
            return;
        }
        let Some(launch) = self.launch_of(id).map(Box::new) else { return };
        if after.is_some() && self.writes.len() <= PREPARED_AT_ONCE && launch.command.size() <= LARGEST_PREPARED {
            self.send(&agent, ToAgent::Prepare(launch.clone()), None);
        }
        self.send(&agent, ToAgent::Launch(launch), after);
    }

    /// What the agent of a placed task needs to run it.
    pub(crate) fn launch_of(&self, id: &TaskId) -> Option<Launch> {
        let task = self.tasks.get(id)?;
        let (placed, request) = (task.placed()?, task.request.as_ref().ok()?);
        Some(Launch {
            epoch: self.epoch(),
            task: id.clone(),
            framework: task.framework.name.clone(),
            resources: placed.held.clone(),
            volumes: mounts(&placed.held),
            cpu_limit: request.cpu_limit,
            mem_limit: request.mem_limit,
            command: request.command.clone(),
            kill_grace: request.kill_grace,
        })
    }

    /// A leader before this one recorded a place late, and by then there is no room. Its agent obeys this leader and has
    /// not got the task, so nobody ever launches it there.
    pub(crate) fn take_placement_back(&mut self, id: &TaskId) {
        self.vacate(id);
        self.clear_place(id);
        self.write_note(id);
        self.begin(id);
    }

    /// A task waits for its agent to be able to launch; if that takes long, it says so.
    pub(crate) fn postpone_launch(&mut self, id: &TaskId, agent: &AgentName) {
        let Some(known) = self.agents.get_mut(agent) else { return };
        known.to_launch.insert(id.clone());
        let Some(known) = self.agents.get(agent) else { return };
        let why = self.readiness(agent, known).message;
        if let Some(task) = self.tasks.get_mut(id) {
            task.record.message = format!("is to be launched on agent {agent}, which {why}");
            task.unwritten = true;
        }
        self.timers.set_at_latest(Timer::Settle(id.clone()), self.now.after(SETTLE));
    }

    /// An agent can launch (again): it gets what waited for that.
    pub(crate) fn send_waiting_launches(&mut self, agent: &AgentName) {
        let Some(known) = self.agents.get_mut(agent).filter(|known| known.can_launch()) else { return };
        for id in std::mem::take(&mut known.to_launch) {
            self.send_launch(&id);
        }
    }

    /// A task whose place cannot be recorded is not launched.
    pub(crate) fn could_not_be_recorded(&mut self, id: &TaskId, why: &str) {
        let message = format!("cannot be launched, since its status cannot be written: {why}");
        self.end_task(id, Ending::decided(TaskState::Error, Reason::TaskInvalid, message));
    }
}

/// What a task is given, with its volumes where it wants to see them. That makes no other resources of them.
fn as_used(request: &TaskRequest, given: &ResourceBag) -> ResourceBag {
    given.map(|resource| {
        let id = volume_id(&resource).map(|(_, id)| id);
        let Some(wanted) = request.volumes.iter().find(|wanted| id.as_ref() == Some(&wanted.id)) else {
            return resource;
        };
        let mode = if wanted.read_only { VolumeMode::ReadOnly } else { VolumeMode::ReadWrite };
        let volume = Volume { mode, container_path: wanted.container_path.clone(), host_path: None };
        let disk = resource.disk.as_deref().cloned().unwrap_or_default();
        resource.on_disk(DiskInfo { volume: Some(volume), ..disk })
    })
}

/// The volumes of what a task holds that it wants to see.
fn mounts(held: &ResourceBag) -> Vec<VolumeMount> {
    let mount = |resource: &proffer_resources::Resource| {
        let (role, id) = volume_id(resource)?;
        let volume = resource.disk.as_ref()?.volume.as_ref()?;
        let read_only = volume.mode == VolumeMode::ReadOnly;
        Some(VolumeMount { role, id, container_path: volume.container_path.clone(), read_only })
    };
    held.iter().filter_map(mount).collect()
}
