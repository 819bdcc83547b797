//! Persistent volumes: who uses them, and their removal. They outlive tasks, sandboxes and agents, and go when the master
//! says so only.
//!
//! The files are the record of which volumes there are. A removal is not checkpointed: the master asks again until it is
//! answered, and what is gone already is answered at once.

use crate::agent::Agent;
use crate::effect::Action;
use crate::failure::LaunchFailure;
use crate::message::{ToMaster, VolumeId, VolumeMount};
use crate::task::Phase;
use crate::validate;

impl VolumeId {
    /// Where the volume is below the agent's directory (Mesos' layout): a role's slashes are written as spaces, which no
    /// role has.
    #[must_use]
    pub fn path(&self) -> String {
        format!("volumes/roles/{}/{}", self.role.replace('/', " "), self.id)
    }
}

impl VolumeMount {
    /// The volume.
    #[must_use]
    pub fn volume(&self) -> VolumeId {
        VolumeId { role: self.role.clone(), id: self.id.clone() }
    }

    /// Its path below the sandbox; `None` if that is no plain path there.
    #[must_use]
    pub fn path_in_sandbox(&self) -> Option<&str> {
        validate::container_path(&self.container_path)
    }
}

impl Agent {
    /// Removes a volume with all that is in it, unless a task uses it. Of one that is being removed, nothing is answered
    /// twice.
    pub(crate) fn destroy_volume(&mut self, volume: VolumeId) {
        let problem = validate::volume(&volume).err().map(|failure| failure.message());
        if let Some(problem) = problem.or_else(|| self.user_of(&volume)) {
            self.send(ToMaster::VolumeDestroyed { volume, problem: Some(problem) });
        } else if self.removing.insert(volume.clone()) {
            self.act(None, Action::RemoveVolume { volume });
        }
    }

    /// The shell is done with a removal.
    pub(crate) fn volume_removed(&mut self, volume: VolumeId, problem: Option<String>) {
        if self.removing.remove(&volume) {
            self.send(ToMaster::VolumeDestroyed { volume, problem });
        }
    }

    /// Why a volume that this order wants cannot be had.
    pub(crate) fn volume_in_removal(&self, volumes: &[VolumeMount]) -> Option<LaunchFailure> {
        let removed = volumes.iter().find(|mount| self.removing.contains(&mount.volume()));
        removed.map(|mount| LaunchFailure::VolumeInRemoval(mount.id.clone()))
    }

    /// The task that uses a volume, as a reason not to remove it.
    fn user_of(&self, volume: &VolumeId) -> Option<String> {
        let uses = |mount: &VolumeMount| mount.role == volume.role && mount.id == volume.id;
        let task =
            self.tasks.values().find(|task| task.phase != Phase::Ended && task.order.volumes.iter().any(uses))?;
        Some(format!("task {} uses volume {:?}", task.order.task, volume.id))
    }
}
