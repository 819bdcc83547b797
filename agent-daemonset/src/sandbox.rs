//! Sandboxes: made, opened and removed by descriptors, so that nothing a task puts there leads outside.

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{
    AtFlags, Dir, FileType, Gid, Mode, OFlags, ResolveFlags, Uid, fchmod, fchown, mkdirat, open, openat, openat2,
    renameat, unlinkat,
};
use rustix::io::{self, Errno};
use std::ffi::CString;
use std::path::{Path, PathBuf};

use crate::userland::User;

/// Sandboxes belong to the task's user; others on the node do not look in.
const MODE: Mode = Mode::from_raw_mode(0o750);
const PARENT_MODE: Mode = Mode::from_raw_mode(0o755);
/// How often the whole of a sandbox is gone through before its removal counts as failed; more than one round is only
/// needed if something is still writing to it.
const ROUNDS: u32 = 100;

/// The directory below which all sandboxes are.
#[derive(Clone, Debug)]
pub struct Sandboxes {
    work_dir: PathBuf,
}

impl Sandboxes {
    /// Those below this work directory.
    #[must_use]
    pub fn new(work_dir: &Path) -> Self {
        Self { work_dir: work_dir.to_owned() }
    }

    /// Makes a sandbox for this user, and opens it.
    pub fn create(&self, sandbox: &str, user: User) -> io::Result<OwnedFd> {
        let mut directory = self.open_work_dir()?;
        let mut parts = self.relative(sandbox)?.split('/').peekable();
        while let Some(part) = parts.next() {
            let last = parts.peek().is_none();
            match mkdirat(&directory, part, if last { MODE } else { PARENT_MODE }) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error),
            }
            directory = open_directory(&directory, part)?;
        }
        fchown(&directory, Some(Uid::from_raw(user.uid)), Some(Gid::from_raw(user.gid)))?;
        fchmod(&directory, MODE)?;
        Ok(directory)
    }

    /// Opens a sandbox.
    pub fn open(&self, sandbox: &str) -> io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        openat2(self.open_work_dir()?, self.relative(sandbox)?, flags, Mode::empty(), inside())
    }

    /// Removes a sandbox and the directories above it that have become empty.
    pub fn remove(&self, sandbox: &str) -> io::Result<()> {
        let relative = self.relative(sandbox)?;
        let work_dir = self.open_work_dir()?;
        match openat2(
            &work_dir,
            relative,
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
            inside(),
        ) {
            Ok(directory) => empty(&directory)?,
            Err(Errno::NOENT) => {}
            Err(error) => return Err(error),
        }
        let mut path = Path::new(relative);
        // The last level to go is that of one framework.
        while path.components().count() > 3 {
            match unlinkat(&work_dir, path, AtFlags::REMOVEDIR) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(Errno::NOTEMPTY | Errno::EXIST) if path != Path::new(relative) => break,
                Err(error) => return Err(error),
            }
            match path.parent() {
                Some(parent) => path = parent,
                None => break,
            }
        }
        Ok(())
    }

    fn open_work_dir(&self) -> io::Result<OwnedFd> {
        open(&self.work_dir, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
    }

    fn relative<'a>(&self, sandbox: &'a str) -> io::Result<&'a str> {
        let work_dir = self.work_dir.to_str().ok_or(Errno::INVAL)?;
        let rest = sandbox.strip_prefix(work_dir).and_then(|rest| rest.strip_prefix('/')).ok_or(Errno::INVAL)?;
        let plain = rest.split('/').all(|part| !matches!(part, "" | "." | ".."));
        if plain { Ok(rest) } else { Err(Errno::INVAL) }
    }
}

/// Makes a directory in a sandbox, at a plain relative path, to mount something on.
pub(crate) fn make_place(sandbox: &OwnedFd, path: &str, user: User) -> io::Result<()> {
    let mut parts = path.split('/');
    let mut make = |directory: &OwnedFd| -> io::Result<Option<OwnedFd>> {
        let Some(part) = parts.next() else { return Ok(None) };
        match mkdirat(directory, part, MODE) {
            Ok(()) => {
                let made = open_directory(directory, part)?;
                fchown(&made, Some(Uid::from_raw(user.uid)), Some(Gid::from_raw(user.gid)))?;
                Ok(Some(made))
            }
            Err(Errno::EXIST) => open_directory(directory, part).map(Some),
            Err(error) => Err(error),
        }
    };
    let mut directory = make(sandbox)?;
    while let Some(known) = directory {
        directory = make(&known)?;
    }
    Ok(())
}

/// How names below a sandbox are resolved: no way leads out, not even by a link that comes back in.
pub(crate) fn inside() -> ResolveFlags {
    ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS
}

/// Opens a directory in another; a link is none.
pub(crate) fn open_directory(at: impl AsFd, name: &str) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(at, name, flags, Mode::empty())
}

/// Removes everything in a directory. Subdirectories are moved up before they are emptied: a tree of any depth takes
/// two descriptors and no recursion.
pub(crate) fn empty(top: &OwnedFd) -> io::Result<()> {
    let mut moved = 0u64;
    for _ in 0..ROUNDS {
        let mut subdirectories = entries(top, |name| unlinkat(top, name, AtFlags::empty()))?;
        if subdirectories.is_empty() {
            return Ok(());
        }
        while let Some(name) = subdirectories.pop() {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let directory = openat(top, &name, flags, Mode::empty())?;
            for below in entries(&directory, |name| unlinkat(&directory, name, AtFlags::empty()))? {
                let up = loop {
                    moved += 1;
                    let up = CString::new(format!(".proffer-gc-{moved}")).map_err(|_| Errno::INVAL)?;
                    match renameat(&directory, &below, top, &up) {
                        Ok(()) => break up,
                        // The task has made a directory of that name.
                        Err(Errno::NOTEMPTY | Errno::EXIST) => {}
                        Err(error) => return Err(error),
                    }
                };
                subdirectories.push(up);
            }
            match unlinkat(top, &name, AtFlags::REMOVEDIR) {
                Ok(()) | Err(Errno::NOTEMPTY | Errno::NOENT) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Err(Errno::BUSY)
}

/// Removes a directory's files with `unlink` and gives back the names of its directories.
fn entries(directory: &OwnedFd, unlink: impl Fn(&std::ffi::CStr) -> io::Result<()>) -> io::Result<Vec<CString>> {
    let mut subdirectories = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        if entry.file_type() == FileType::Directory {
            subdirectories.push(name.to_owned());
            continue;
        }
        match unlink(name) {
            // The kind was not told, or has changed.
            Err(Errno::ISDIR) => subdirectories.push(name.to_owned()),
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(subdirectories)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn me() -> User {
        User { uid: rustix::process::getuid().as_raw(), gid: rustix::process::getgid().as_raw() }
    }

    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> (Self, Sandboxes, String) {
            let path = std::env::temp_dir().join(format!("proffer-sandbox-{}-{name}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(path.join("work")).unwrap();
            let sandbox = format!("{}/work/slaves/a/frameworks/ns.f/executors/t/runs/u1", path.display());
            let sandboxes = Sandboxes::new(&path.join("work"));
            (Self(path), sandboxes, sandbox)
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn is_made_private_and_removed_with_its_empty_parents() {
        let (place, sandboxes, sandbox) = Place::new("made");
        sandboxes.create(&sandbox, me()).unwrap();
        sandboxes.create(&sandbox, me()).unwrap();
        assert_eq!(fs::metadata(&sandbox).unwrap().permissions().mode() & 0o777, 0o750);
        sandboxes.open(&sandbox).unwrap();
        sandboxes.remove(&sandbox).unwrap();
        sandboxes.remove(&sandbox).unwrap();
        assert!(!place.0.join("work/slaves/a/frameworks/ns.f").exists());
        assert!(place.0.join("work/slaves/a/frameworks").exists());
    }

    #[test]
    fn removal_follows_no_link() {
        let (place, sandboxes, sandbox) = Place::new("links");
        sandboxes.create(&sandbox, me()).unwrap();
        let outside = place.0.join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("precious"), "").unwrap();
        symlink(&outside, format!("{sandbox}/link")).unwrap();
        fs::create_dir(format!("{sandbox}/directory")).unwrap();
        symlink(&outside, format!("{sandbox}/directory/link")).unwrap();
        sandboxes.remove(&sandbox).unwrap();
        assert!(outside.join("precious").exists());

        // The sandbox itself swapped for a link: nothing at all is done.
        symlink(
            &outside,
            Path::new(&sandbox).parent().map_or_else(PathBuf::new, |parent| {
                fs::create_dir_all(parent).unwrap();
                PathBuf::from(&sandbox)
            }),
        )
        .unwrap();
        assert!(sandboxes.remove(&sandbox).is_err() && sandboxes.open(&sandbox).is_err());
        assert!(outside.join("precious").exists());
    }

    #[test]
    fn removes_a_tree_deeper_than_any_stack() {
        let (_place, sandboxes, sandbox) = Place::new("deep");
        let mut directory = sandboxes.create(&sandbox, me()).unwrap();
        for _ in 0..2_000 {
            mkdirat(&directory, "d", Mode::from_raw_mode(0o700)).unwrap();
            mkdirat(&directory, "e", Mode::from_raw_mode(0o700)).unwrap();
            directory = open_directory(&directory, "d").unwrap();
        }
        drop(directory);
        sandboxes.remove(&sandbox).unwrap();
        assert!(!Path::new(&sandbox).exists());
    }

    #[test]
    fn paths_outside_are_refused() {
        let (_place, sandboxes, sandbox) = Place::new("outside");
        for path in
            ["/etc", "", "work", &format!("{sandbox}/../u2"), &format!("{sandbox}//x"), &format!("{sandbox}x/.")]
        {
            assert_eq!(sandboxes.create(path, me()).err(), Some(Errno::INVAL), "{path}");
        }
    }
}
