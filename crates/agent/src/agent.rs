//! The state, and the one match over events.

use crate::effect::{Action, Effect, WriteId};
use crate::event::{Event, Now};
use crate::message::{FileRequest, FromMaster, MasterCall, SlotReport, TaskId, ToMaster, Uuid, VolumeId};
use crate::planted::Planted;
use crate::record::Record;
use crate::task::{Retained, Task};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What does not change while the agent runs.
#[derive(Clone, Debug)]
pub struct Config {
    /// Directory of the agent on the node; sandboxes are below it.
    pub work_dir: String,
    /// Kernel boot ID.
    pub boot_id: String,
    /// How long a sandbox is kept after its task ended.
    pub sandbox_retention: Duration,
}

/// The agent. See the crate's documentation.
#[derive(Clone, Debug)]
#[allow(clippy::struct_field_names, reason = "Mesos' own term")]
pub struct Agent {
    pub(crate) config: Config,
    /// Empty until the first registration.
    pub(crate) agent_id: String,
    /// Highest epoch seen; on disk before it is confirmed.
    pub(crate) epoch: u64,
    pub(crate) link: Link,
    pub(crate) slot: Slot,
    /// By UID.
    pub(crate) tasks: BTreeMap<String, Task>,
    /// By UID: over for the master, sandbox not yet removed.
    pub(crate) retained: BTreeMap<String, Retained>,
    /// Volumes that the shell is removing: no task is launched with one of them.
    pub(crate) removing: BTreeSet<VolumeId>,
    last_write: WriteId,
    /// The newest write that must reach the disk. What is told to the master waits for it; the writes after it tell only
    /// of what a power cut ends as well, or what is found out again.
    durable_write: WriteId,
    effects: Vec<Effect>,
    uuids_drawn: u128,
    /// A rule that is not kept.
    #[cfg(feature = "planted")]
    pub(crate) planted: Option<Planted>,
}

/// How far the agent is with the controller it is connected to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Link {
    Disconnected,
    /// Has sent its registration.
    Registering,
    /// May send updates and obey.
    Registered,
}

/// The slot as the master named it, and whether it was found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Slot {
    pub(crate) pod_uid: String,
    pub(crate) pod_ip: String,
    pub(crate) attached: bool,
    pub(crate) message: String,
}

impl Agent {
    /// An agent on a node that never had one.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config,
            agent_id: String::new(),
            epoch: 0,
            link: Link::Disconnected,
            slot: Slot::default(),
            tasks: BTreeMap::new(),
            retained: BTreeMap::new(),
            removing: BTreeSet::new(),
            last_write: WriteId::default(),
            durable_write: WriteId::default(),
            effects: Vec::new(),
            uuids_drawn: 0,
            #[cfg(feature = "planted")]
            planted: None,
        }
    }

    /// Takes in what happened; gives back what is to be done about it.
    pub fn handle(&mut self, now: Now, event: Event) -> Vec<Effect> {
        self.uuids_drawn = 0;
        match event {
            Event::Connected => self.connected(),
            Event::Disconnected => self.disconnected(),
            Event::FromMaster(message) => self.hear(now, message),
            Event::SlotAttached { pod_uid, pod_ip } => self.slot_attached(&pod_uid, pod_ip),
            Event::SlotDetached { pod_uid, message } => self.slot_detached(&pod_uid, message),
            Event::Spawned { uid, process, times } => self.spawned(now, &uid, process, times),
            Event::SpawnFailed { uid, failure } => self.spawn_failed(now, &uid, &failure),
            Event::Exited { uid, exit } => self.exited(now, &uid, &exit),
            Event::Found { uid, found } => self.found(now, &uid, found),
            Event::SandboxRemoved { uid } => self.sandbox_removed(&uid),
            Event::VolumeRemoved { volume, problem } => self.volume_removed(volume, problem),
            Event::Tick => {
                self.send_again(now);
                self.escalate_kills(now);
                self.remove_due_sandboxes(now);
            }
        }
        self.take_effects()
    }

    /// How long nothing has to be done if no event comes; `None` for as long as one likes.
    #[must_use]
    pub fn next_wakeup(&self, now: Now) -> Option<Duration> {
        let tasks = self.tasks.values().flat_map(|task| {
            let retry = task.retry.filter(|_| self.link == Link::Registered).map(|(at, _)| at);
            let kill = task.killing.and_then(|killing| killing.next).map(|(_, at)| at);
            [retry, kill]
        });
        let deadlines = tasks.flatten().map(|at| at.saturating_sub(now.monotonic));
        deadlines.chain(self.next_collection(now)).min()
    }

    /// How many tasks run.
    #[must_use]
    pub fn running(&self) -> usize {
        self.tasks.values().filter(|task| matches!(task.phase, crate::task::Phase::Running(_))).count()
    }

    /// How many status updates are not acknowledged.
    #[must_use]
    pub fn unacknowledged(&self) -> usize {
        self.tasks.values().map(|task| task.pending.len()).sum()
    }

    /// Whether a leader has accepted the agent and its epoch is confirmed.
    #[must_use]
    pub fn is_registered(&self) -> bool {
        self.link == Link::Registered
    }

    /// Highest epoch seen.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether the agent knows of this task, or keeps its sandbox.
    #[must_use]
    pub fn knows(&self, uid: &str) -> bool {
        self.tasks.contains_key(uid) || self.retained.contains_key(uid)
    }

    fn connected(&mut self) {
        self.link = Link::Registering;
        // What is told must be on disk: a crash right after may not make it untrue.
        let register = ToMaster::Register {
            agent_id: self.agent_id.clone(),
            epoch: self.epoch,
            tasks: self.tasks.values().map(Task::snapshot).collect(),
            slot: self.slot_report(),
        };
        self.act(Some(self.durable_write), Action::Send(register));
    }

    fn disconnected(&mut self) {
        self.link = Link::Disconnected;
    }

    fn hear(&mut self, now: Now, message: FromMaster) {
        let FromMaster { epoch, call } = message;
        if epoch < self.epoch && !self.has(Planted::SkipsEpochCheck) {
            self.send(ToMaster::StaleEpoch { refused: epoch, confirmed: self.epoch });
            return;
        }
        match call {
            MasterCall::Registered { agent_id } => self.registered(now, agent_id, epoch),
            // Only a registration raises the epoch, and a leader has one epoch for all its life.
            _ if epoch > self.epoch || self.link != Link::Registered => {
                let message = format!("a message of epoch {epoch} came before its registration was answered");
                self.act(None, Action::Reconnect { message });
            }
            MasterCall::Slot { pod_uid, pod_ip } => self.slot_named(pod_uid, pod_ip),
            MasterCall::Prepare(order) => self.prepare(order),
            MasterCall::Launch(order) => self.launch(now, *order),
            MasterCall::LaunchGroup(orders) => self.launch_group(now, orders),
            MasterCall::Kill { task, grace_millis } => self.kill(now, &task, grace_millis),
            MasterCall::Acknowledge { task, uuid } => self.acknowledge(now, &task.uid, uuid),
            MasterCall::Ping { sequence } => self.send(ToMaster::Pong { sequence }),
            MasterCall::Files(request) => self.files(request),
            MasterCall::DestroyVolume(volume) => self.destroy_volume(volume),
        }
    }

    fn registered(&mut self, now: Now, agent_id: String, epoch: u64) {
        if self.agent_id != agent_id {
            self.agent_id.clone_from(&agent_id);
            self.checkpoint(Record::AgentId { agent_id }, true);
        }
        if epoch > self.epoch {
            self.epoch = epoch;
            self.checkpoint(Record::Epoch { epoch }, true);
        }
        self.link = Link::Registered;
        self.act(Some(self.durable_write), Action::Send(ToMaster::EpochConfirmed(epoch)));
        self.send_all_pending(now);
    }

    fn slot_named(&mut self, pod_uid: String, pod_ip: String) {
        if self.slot.pod_uid == pod_uid && self.slot.attached {
            self.slot.pod_ip = pod_ip;
            self.send(ToMaster::Slot(self.slot_report()));
            return;
        }
        if self.slot.pod_uid != pod_uid {
            self.checkpoint(Record::Slot { pod_uid: pod_uid.clone(), pod_ip: pod_ip.clone() }, false);
        }
        self.set_slot(pod_uid, pod_ip);
        if self.slot.pod_uid.is_empty() {
            self.send(ToMaster::Slot(self.slot_report()));
        }
    }

    /// Makes this the slot and has the shell look for it.
    pub(crate) fn set_slot(&mut self, pod_uid: String, pod_ip: String) {
        let message = if pod_uid.is_empty() { "the node has no slot pod" } else { "looking for the slot pod" };
        self.slot = Slot { pod_uid, pod_ip, attached: false, message: message.to_owned() };
        let action = if self.slot.pod_uid.is_empty() {
            Action::LeaveSlot
        } else {
            Action::AttachSlot { pod_uid: self.slot.pod_uid.clone(), pod_ip: self.slot.pod_ip.clone() }
        };
        self.act(None, action);
    }

    fn slot_attached(&mut self, pod_uid: &str, pod_ip: String) {
        if self.slot.pod_uid == pod_uid {
            self.slot.attached = true;
            self.slot.message = String::new();
            self.slot.pod_ip = pod_ip;
            self.send(ToMaster::Slot(self.slot_report()));
        }
    }

    fn slot_detached(&mut self, pod_uid: &str, message: String) {
        if self.slot.pod_uid == pod_uid && (self.slot.attached || self.slot.message != message) {
            self.slot.attached = false;
            self.slot.message = message;
            self.send(ToMaster::Slot(self.slot_report()));
        }
    }

    fn slot_report(&self) -> SlotReport {
        SlotReport {
            pod_uid: self.slot.pod_uid.clone(),
            attached: self.slot.attached,
            message: self.slot.message.clone(),
            pod_ip: self.slot.pod_ip.clone(),
        }
    }

    /// Lets through what is in a sandbox of this agent, by whole path components.
    fn files(&mut self, request: FileRequest) {
        let sandboxes = self.tasks.values().map(|task| &task.sandbox);
        let sandboxes = sandboxes.chain(self.retained.values().map(|retained| &retained.last.sandbox));
        let inside = |sandbox: &&String| {
            !sandbox.is_empty()
                && request
                    .path
                    .strip_prefix(sandbox.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let found = sandboxes.clone().find(inside).cloned();
        if let Some(sandbox) = found {
            self.act(None, Action::ServeFile { request, sandbox });
        } else {
            let message = format!("{:?} is in no sandbox of this agent", request.path);
            self.send(ToMaster::FileRefused { id: request.id, message });
        }
    }

    /// Where a task's sandbox is (Mesos' layout).
    pub(crate) fn sandbox_of(&self, task: &TaskId) -> String {
        let TaskId { namespace, framework, name, uid } = task;
        let (work_dir, agent_id) = (&self.config.work_dir, &self.agent_id);
        format!("{work_dir}/slaves/{agent_id}/frameworks/{namespace}.{framework}/executors/{name}/runs/{uid}")
    }

    pub(crate) fn act(&mut self, after: Option<WriteId>, action: Action) {
        self.effects.push(Effect { after, action });
    }

    /// Tells the master now, if it listens.
    pub(crate) fn send(&mut self, message: ToMaster) {
        if self.link == Link::Registered || matches!(message, ToMaster::StaleEpoch { .. }) {
            self.act(None, Action::Send(message));
        }
    }

    /// Appends to the journal; the returned number is what later effects may wait for.
    pub(crate) fn checkpoint(&mut self, record: Record, durable: bool) -> WriteId {
        self.last_write = WriteId(self.last_write.0 + 1);
        if durable {
            self.durable_write = self.last_write;
        }
        let action = Action::Checkpoint { write: self.last_write, record: Box::new(record), durable };
        self.act(None, action);
        self.last_write
    }

    /// What must be on disk before anything is told.
    pub(crate) fn durable_write(&self) -> WriteId {
        self.durable_write
    }

    pub(crate) fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// A UUID (version 4) that no other update has.
    pub(crate) fn draw_uuid(&mut self, now: Now) -> Uuid {
        // Counting up keeps those of one event apart; the low bits are not touched by the version.
        let drawn = now.random.wrapping_add(self.uuids_drawn);
        self.uuids_drawn += 1;
        let fixed = (drawn & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
        Uuid(fixed.to_be_bytes())
    }
}
