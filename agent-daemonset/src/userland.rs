//! The file tree that tasks see as their root: copied from the agent's image to the node, so that tasks outlive the
//! agent's container; and its users.

use crate::args::TaskMount;
use proffer_agent::LaunchFailure;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// Directories that a task's root must have to mount on.
const MOUNT_POINTS: [&str; 6] = ["proc", "dev", "tmp", "etc", "mnt/mesos/sandbox", "var"];
/// Files that the slot's are mounted over.
const MOUNT_FILES: [&str; 3] = ["etc/resolv.conf", "etc/hosts", "etc/hostname"];

/// Why the userland cannot be made ready.
#[derive(Debug, thiserror::Error)]
pub enum UserlandError {
    /// The image has none.
    #[error("cannot read the userland {0}: it is part of the agent's image")]
    Read(PathBuf, #[source] io::Error),
    /// It cannot be copied.
    #[error("cannot copy the userland to {0}")]
    Copy(PathBuf, #[source] io::Error),
}

/// The userland on the node.
#[derive(Clone, Debug)]
pub struct Userland {
    /// Where it is.
    pub root: PathBuf,
    passwd: String,
}

/// A task's user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    /// User ID.
    pub uid: u32,
    /// Group ID.
    pub gid: u32,
}

impl Userland {
    /// Copies `image`'s file tree below `directory` unless the same is there already.
    pub fn install(image: &Path, mounts: &[TaskMount], directory: &Path) -> Result<Self, UserlandError> {
        let unreadable = |error| UserlandError::Read(image.to_owned(), error);
        let mut entries = Vec::new();
        list(image, Path::new(""), &mut entries).map_err(unreadable)?;
        let mut hasher = crc32fast::Hasher::new();
        let mut length = 0;
        for entry in &entries {
            hasher.update(format!("{entry:?}").as_bytes());
            if entry.kind == Kind::File {
                let bytes = fs::read(image.join(&entry.path)).map_err(unreadable)?;
                length += bytes.len();
                hasher.update(&bytes);
            }
        }
        let targets: BTreeSet<&str> = mounts.iter().map(|mount| mount.target.as_str()).collect();
        hasher.update(format!("{targets:?}").as_bytes());
        let root = directory.join(format!("{:08x}-{length}", hasher.finalize()));

        let failed = |error| UserlandError::Copy(root.clone(), error);
        if !root.is_dir() {
            let new = directory.join(format!("new-{}", std::process::id()));
            let _ = fs::remove_dir_all(&new);
            fs::create_dir_all(&new).map_err(failed)?;
            copy(image, &entries, mounts, &new).map_err(failed)?;
            fs::rename(&new, &root).map_err(failed)?;
        }
        let passwd = fs::read_to_string(root.join("etc/passwd")).unwrap_or_default();
        Ok(Self { root, passwd })
    }

    /// Removes the copies of other versions. Only when no task runs that an earlier agent process started: it may have
    /// one of them as its root.
    pub fn remove_others(&self) {
        let siblings = self.root.parent().and_then(|directory| fs::read_dir(directory).ok());
        for entry in siblings.into_iter().flatten().flatten().filter(|entry| entry.path() != self.root) {
            if let Err(error) = fs::remove_dir_all(entry.path()) {
                tracing::warn!(path = %entry.path().display(), %error, "cannot remove an old copy of the userland");
            }
        }
    }

    /// The user that a task names: a number, `number:number`, or a name of the userland's /etc/passwd.
    pub fn user(&self, name: &str, root_allowed: bool) -> Result<User, LaunchFailure> {
        let unknown = || LaunchFailure::UnknownUser(name.chars().take(80).collect());
        let user = match name.split_once(':') {
            Some((uid, gid)) => {
                User { uid: uid.parse().map_err(|_| unknown())?, gid: gid.parse().map_err(|_| unknown())? }
            }
            None => match (name.parse(), self.find(name)) {
                (_, Some(user)) => user,
                (Ok(uid), None) => User { uid, gid: uid },
                (Err(_), None) => return Err(unknown()),
            },
        };
        // The kernel's "no user" is not one.
        if user.uid == u32::MAX || user.gid == u32::MAX {
            return Err(unknown());
        }
        if (user.uid == 0 || user.gid == 0) && !root_allowed {
            return Err(LaunchFailure::RootNotAllowed);
        }
        Ok(user)
    }

    /// By name, or by number for its group.
    fn find(&self, name: &str) -> Option<User> {
        self.passwd.lines().find_map(|line| {
            let mut fields = line.split(':');
            let (login, uid, gid) = (fields.next()?, fields.nth(1)?, fields.next()?);
            (login == name || uid == name).then(|| Some(User { uid: uid.parse().ok()?, gid: gid.parse().ok()? }))?
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Directory,
    File,
    Link,
}

#[derive(Debug)]
struct Entry {
    path: PathBuf,
    kind: Kind,
    mode: u32,
}

/// Everything below `root/path`, parents before children, in a fixed order.
fn list(root: &Path, path: &Path, into: &mut Vec<Entry>) -> io::Result<()> {
    let mut names: Vec<_> = fs::read_dir(root.join(path))?.collect::<io::Result<Vec<_>>>()?;
    names.sort_by_key(fs::DirEntry::file_name);
    for entry in names {
        let path = path.join(entry.file_name());
        let metadata = entry.path().symlink_metadata()?;
        let kind = match metadata.file_type() {
            kind if kind.is_dir() => Kind::Directory,
            kind if kind.is_symlink() => Kind::Link,
            kind if kind.is_file() => Kind::File,
            _ => continue,
        };
        into.push(Entry { path: path.clone(), kind, mode: metadata.mode() & 0o777 });
        if kind == Kind::Directory {
            list(root, &path, into)?;
        }
    }
    Ok(())
}

fn copy(image: &Path, entries: &[Entry], mounts: &[TaskMount], to: &Path) -> io::Result<()> {
    for Entry { path, kind, mode } in entries {
        let (from, to) = (image.join(path), to.join(path));
        match kind {
            Kind::Directory => fs::create_dir(&to)?,
            Kind::Link => symlink(fs::read_link(&from)?, &to)?,
            Kind::File => {
                // Not fs::copy: what is hard-linked or a bare layer in the image is a plain file here.
                fs::write(&to, fs::read(&from)?)?;
            }
        }
        if *kind != Kind::Link {
            fs::set_permissions(&to, fs::Permissions::from_mode(*mode))?;
        }
    }
    for directory in MOUNT_POINTS {
        fs::create_dir_all(to.join(directory))?;
    }
    for file in MOUNT_FILES {
        if !to.join(file).exists() {
            fs::write(to.join(file), "")?;
        }
    }
    if !to.join("var/tmp").exists() {
        symlink("/tmp", to.join("var/tmp"))?;
    }
    for mount in mounts {
        let target = to.join(mount.target.trim_start_matches('/'));
        if mount.source.is_dir() {
            fs::create_dir_all(target)?;
        } else if !target.exists() {
            if let Some(parent) = target.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(target, "")?;
        }
    }
    // A power cut must not leave a half-written tree under its final name.
    rustix::fs::sync();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn userland() -> Userland {
        Userland {
            root: PathBuf::new(),
            passwd: "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65533::/:\nweb:x:100:101::/:\n".to_owned(),
        }
    }

    #[test]
    fn users_are_names_or_numbers() {
        let userland = userland();
        let user = |name: &str| userland.user(name, false).map(|user| (user.uid, user.gid));
        assert_eq!(user("nobody"), Ok((65534, 65533)));
        assert_eq!(user("100"), Ok((100, 101)));
        assert_eq!(user("1234"), Ok((1234, 1234)));
        assert_eq!(user("7:8"), Ok((7, 8)));
        for name in ["who", "", "-1", "4294967295", "1:x", "99999999999", "nobody:nobody"] {
            assert!(matches!(user(name), Err(LaunchFailure::UnknownUser(_))), "{name}");
        }
    }

    #[test]
    fn root_needs_leave_under_any_spelling() {
        for name in ["root", "0", "00", "+0", "0:5", "5:0"] {
            assert_eq!(userland().user(name, false), Err(LaunchFailure::RootNotAllowed), "{name}");
            assert!(userland().user(name, true).is_ok(), "{name}");
        }
    }

    #[test]
    fn a_copy_is_made_once_and_has_every_place_to_mount_on() {
        let base = std::env::temp_dir().join(format!("proffer-userland-{}", std::process::id()));
        let _ = fs::remove_dir_all(&base);
        let image = base.join("image");
        fs::create_dir_all(image.join("bin")).unwrap();
        fs::write(image.join("bin/busybox"), "program").unwrap();
        symlink("busybox", image.join("bin/sh")).unwrap();
        let mount = TaskMount { source: base.clone(), target: "/data/ledger".to_owned(), read_only: false };
        let first = Userland::install(&image, &[], &base.join("copies")).unwrap();
        let again = Userland::install(&image, &[], &base.join("copies")).unwrap();
        let with_mount = Userland::install(&image, &[mount], &base.join("copies")).unwrap();
        assert_eq!(first.root, again.root);
        assert_ne!(first.root, with_mount.root);
        assert!(with_mount.root.join("data/ledger").is_dir() && with_mount.root.join("mnt/mesos/sandbox").is_dir());
        assert_eq!(fs::read_link(first.root.join("bin/sh")).unwrap(), Path::new("busybox"));
        fs::remove_dir_all(&base).unwrap();
    }
}
