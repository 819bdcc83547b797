//! Persistent volumes of a task: opened, and their places in its sandbox made. The init mounts them there.

use super::Launcher;
use crate::sandbox;
use crate::userland::User;
use proffer_agent::{LaunchFailure, Order};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::mount::{OpenTreeFlags, open_tree};

/// A volume on its way into a task's mount namespace.
pub(super) struct Detached {
    /// A detached mount of it.
    pub(super) tree: OwnedFd,
    /// Its place below the sandbox.
    pub(super) path: String,
    /// Whether the task may not write to it.
    pub(super) read_only: bool,
}

impl Launcher {
    /// A detached mount of each volume that the task wants, and a directory in `directory`, its sandbox, for each.
    pub(super) fn detach_volumes(
        &self,
        order: &Order,
        directory: &OwnedFd,
        user: User,
    ) -> Result<Vec<Detached>, LaunchFailure> {
        let detach = |mount: &proffer_agent::VolumeMount| {
            let path = mount.path_in_sandbox().ok_or(Errno::INVAL)?;
            sandbox::make_place(directory, path, user)?;
            let volume = self.volumes.open(&mount.volume(), user)?;
            let flags =
                OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
            let tree = open_tree(&volume, "", flags)?;
            Ok(Detached { tree, path: path.to_owned(), read_only: mount.read_only })
        };
        let named = |mount: &proffer_agent::VolumeMount| {
            detach(mount).map_err(|error: Errno| {
                LaunchFailure::Setup(format!("mounting its volume {:?}", mount.id), error.to_string())
            })
        };
        order.volumes.iter().map(named).collect()
    }
}
