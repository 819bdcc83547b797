//! Persistent volumes on the node's disk: made whole, opened and removed by descriptors, so that nothing a task puts there
//! leads outside.
//!
//! ```text
//!   <state>/volumes/roles/<role>/<id>   a volume (Mesos' layout)
//!   <state>/volumes/new/                being made: moved to its place when its owner is set
//!   <state>/volumes/gone/               moved away from its place: being emptied
//! ```

use crate::sandbox::{empty, open_directory};
use crate::userland::User;
use proffer_agent::VolumeId;
use rustix::fd::OwnedFd;
use rustix::fs::{
    AtFlags, Gid, Mode, OFlags, RenameFlags, Uid, fchmod, fchown, fsync, mkdirat, open, renameat, renameat_with,
    unlinkat,
};
use rustix::io::{self, Errno};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Volumes are as open as Mesos makes them: a shared one may have readers of other users. Who comes by is seen to above.
const MODE: Mode = Mode::from_raw_mode(0o755);
/// Nobody but the agent goes through the directories above.
const PARENT_MODE: Mode = Mode::from_raw_mode(0o700);

/// The volumes below a work directory.
#[derive(Debug)]
pub struct Volumes {
    work_dir: PathBuf,
    /// One removal at a time: they all empty the same directory.
    removal: Mutex<()>,
}

impl Volumes {
    /// Those below this work directory. What an earlier agent process did not finish making is removed.
    pub fn new(work_dir: &Path) -> io::Result<Self> {
        let volumes = Self { work_dir: work_dir.to_owned(), removal: Mutex::new(()) };
        empty(&volumes.directory(&["volumes", "new"])?)?;
        Ok(volumes)
    }

    /// Opens a volume; one that is not there is made, for this user.
    pub fn open(&self, volume: &VolumeId, user: User) -> io::Result<OwnedFd> {
        let (above, name) = self.above(volume)?;
        match open_directory(&above, name) {
            Err(Errno::NOENT) => {}
            result => return result,
        }
        let new = self.directory(&["volumes", "new"])?;
        let unfinished = uuid::Uuid::new_v4().to_string();
        mkdirat(&new, &unfinished, MODE)?;
        let directory = open_directory(&new, &unfinished)?;
        fchown(&directory, Some(Uid::from_raw(user.uid)), Some(Gid::from_raw(user.gid)))?;
        // Whatever the process's umask is.
        fchmod(&directory, MODE)?;
        match renameat_with(&new, &unfinished, &above, name, RenameFlags::NOREPLACE) {
            Ok(()) => fsync(&above)?,
            // Another task has just made it.
            Err(Errno::EXIST) => unlinkat(&new, &unfinished, AtFlags::REMOVEDIR)?,
            Err(error) => return Err(error),
        }
        open_directory(&above, name)
    }

    /// Removes a volume, if it is there, with all that is in it. Once this has begun, one of the same name is another.
    pub fn remove(&self, volume: &VolumeId) -> io::Result<()> {
        let (above, name) = self.above(volume)?;
        let gone = self.directory(&["volumes", "gone"])?;
        match renameat(&above, name, &gone, uuid::Uuid::new_v4().to_string()) {
            // A power cut does not bring it back.
            Ok(()) => fsync(&above)?,
            Err(Errno::NOENT) => {}
            Err(error) => return Err(error),
        }
        self.finish_removals()
    }

    /// Empties what was moved away, also what an earlier agent process left so.
    pub fn finish_removals(&self) -> io::Result<()> {
        let _one = self.removal.lock().unwrap_or_else(PoisonError::into_inner);
        empty(&self.directory(&["volumes", "gone"])?)
    }

    /// The directory that a volume is in, and its name there.
    fn above<'a>(&self, volume: &'a VolumeId) -> io::Result<(OwnedFd, &'a str)> {
        let path = volume.path();
        let (above, _) = path.rsplit_once('/').ok_or(Errno::INVAL)?;
        let parts: Vec<&str> = above.split('/').collect();
        // The core lets no other names through; this is the last place that can look.
        let plain = |part: &&str| !matches!(*part, "" | "." | "..") && !part.contains('/');
        if parts.len() != 3 || !parts.iter().all(plain) || !plain(&volume.id.as_str()) {
            return Err(Errno::INVAL);
        }
        Ok((self.directory(&parts)?, &volume.id))
    }

    /// A directory of the agent's own; made if it is not there.
    fn directory(&self, parts: &[&str]) -> io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut directory = open(&self.work_dir, flags, Mode::empty())?;
        for part in parts {
            match mkdirat(&directory, *part, PARENT_MODE) {
                Ok(()) => fsync(&directory)?,
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error),
            }
            directory = open_directory(&directory, part)?;
        }
        Ok(directory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn me() -> User {
        User { uid: rustix::process::getuid().as_raw(), gid: rustix::process::getgid().as_raw() }
    }

    fn volume(role: &str, id: &str) -> VolumeId {
        VolumeId { role: role.to_owned(), id: id.to_owned() }
    }

    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> (Self, Volumes) {
            let path = std::env::temp_dir().join(format!("proffer-volumes-{}-{name}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(path.join("work")).unwrap();
            let volumes = Volumes::new(&path.join("work")).unwrap();
            (Self(path), volumes)
        }

        fn volumes(&self) -> PathBuf {
            self.0.join("work/volumes")
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_volume_is_made_once_and_keeps_what_is_in_it() {
        let (place, volumes) = Place::new("made");
        volumes.open(&volume("eng/a", "v"), me()).unwrap();
        let path = place.volumes().join("roles/eng a/v");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o755);
        assert_eq!(fs::metadata(place.volumes()).unwrap().permissions().mode() & 0o777, 0o700);
        fs::write(path.join("file"), "kept").unwrap();
        volumes.open(&volume("eng/a", "v"), me()).unwrap();
        volumes.open(&volume("eng", "v"), me()).unwrap();
        assert_eq!(fs::read_to_string(path.join("file")).unwrap(), "kept");
        assert_eq!(fs::read_dir(place.volumes().join("new")).unwrap().count(), 0);

        volumes.remove(&volume("eng/a", "v")).unwrap();
        volumes.remove(&volume("eng/a", "v")).unwrap();
        assert!(!path.exists() && place.volumes().join("roles/eng/v").exists());
        volumes.open(&volume("eng/a", "v"), me()).unwrap();
        assert!(!path.join("file").exists());
    }

    #[test]
    fn many_tasks_that_begin_at_once_find_the_same_volume() {
        let (place, volumes) = Place::new("race");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| volumes.open(&volume("eng", "v"), me()).unwrap());
            }
        });
        assert_eq!(fs::read_dir(place.volumes().join("new")).unwrap().count(), 0);
        assert_eq!(fs::read_dir(place.volumes().join("roles/eng")).unwrap().count(), 1);
    }

    #[test]
    fn removal_follows_no_link_and_ends_what_was_begun() {
        let (place, volumes) = Place::new("links");
        let outside = place.0.join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("precious"), "").unwrap();
        volumes.open(&volume("eng", "v"), me()).unwrap();
        let path = place.volumes().join("roles/eng/v");
        fs::create_dir(path.join("directory")).unwrap();
        symlink(&outside, path.join("link")).unwrap();
        symlink(&outside, path.join("directory/link")).unwrap();
        volumes.remove(&volume("eng", "v")).unwrap();
        assert!(outside.join("precious").exists() && !path.exists());

        // In the place of a volume, or of a role: opened never, and removed as what it is.
        symlink(&outside, &path).unwrap();
        assert!(volumes.open(&volume("eng", "v"), me()).is_err());
        volumes.remove(&volume("eng", "v")).unwrap();
        symlink(&outside, place.volumes().join("roles/ops")).unwrap();
        fs::create_dir(outside.join("v")).unwrap();
        assert!(volumes.open(&volume("ops", "v"), me()).is_err() && volumes.remove(&volume("ops", "v")).is_err());
        assert!(outside.join("precious").exists() && outside.join("v").exists());

        fs::create_dir_all(place.volumes().join("gone/half/way")).unwrap();
        fs::create_dir_all(place.volumes().join("new/half")).unwrap();
        let volumes = Volumes::new(&place.0.join("work")).unwrap();
        volumes.finish_removals().unwrap();
        assert_eq!(fs::read_dir(place.volumes().join("gone")).unwrap().count(), 0);
        assert_eq!(fs::read_dir(place.volumes().join("new")).unwrap().count(), 0);
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let (_place, volumes) = Place::new("names");
        for (role, id) in [("eng", ".."), ("eng", "a/b"), ("eng", ""), ("..", "v"), ("", "v"), (".", "v")] {
            assert_eq!(volumes.open(&volume(role, id), me()).err(), Some(Errno::INVAL), "{role} {id}");
            assert_eq!(volumes.remove(&volume(role, id)).err(), Some(Errno::INVAL), "{role} {id}");
        }
    }
}
