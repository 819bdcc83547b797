//! `/files/browse` and `/files/read` in sandboxes, with Mesos' semantics. A sandbox is full of what a task chose to put
//! there: links are not followed at all, and only regular files are read.

use crate::sandbox::{Sandboxes, inside};
use proffer_agent::{FileOperation, FileRequest};
use proffer_agent_link::v1;
use proffer_mesos_api::files::MAX_READ_BYTES;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, fstat, openat2, statat};
use rustix::io::{self, Errno};

/// More entries than this are not listed.
const MAX_ENTRIES: usize = 10_000;

/// Answers a request whose path is in `sandbox`.
#[must_use]
pub fn serve(sandboxes: &Sandboxes, sandbox: &str, request: &FileRequest) -> v1::FileReply {
    let result = match request.operation {
        FileOperation::Browse => browse(sandboxes, sandbox, &request.path).map(v1::file_reply::Result::List),
        FileOperation::Read { offset, length } => {
            read(sandboxes, sandbox, &request.path, offset, length).map(v1::file_reply::Result::Data)
        }
    };
    v1::FileReply { id: request.id, result: Some(result.unwrap_or_else(v1::file_reply::Result::Error)) }
}

fn refused(status: u32, message: impl Into<String>) -> v1::FileError {
    v1::FileError { status, message: message.into() }
}

/// What the kernel's answer means to a person.
fn explain(path: &str, error: Errno) -> v1::FileError {
    match error {
        Errno::NOENT | Errno::NOTDIR => refused(404, format!("{path:?} does not exist")),
        Errno::LOOP | Errno::XDEV => refused(403, format!("{path:?} is or goes through a link, which is not followed")),
        error => refused(403, format!("{path:?} cannot be opened: {error}")),
    }
}

fn open(sandboxes: &Sandboxes, sandbox: &str, path: &str) -> Result<(OwnedFd, Stat), v1::FileError> {
    let failed = |error| explain(path, error);
    let rest = path.strip_prefix(sandbox).unwrap_or_default().trim_start_matches('/');
    let directory = sandboxes.open(sandbox).map_err(failed)?;
    // Without O_NONBLOCK a FIFO would hold this thread until somebody writes to it.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let rest = if rest.is_empty() { "." } else { rest };
    let file = openat2(&directory, rest, flags, Mode::empty(), inside()).map_err(failed)?;
    let stat = fstat(&file).map_err(failed)?;
    Ok((file, stat))
}

fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

fn browse(sandboxes: &Sandboxes, sandbox: &str, path: &str) -> Result<v1::FileList, v1::FileError> {
    let (directory, stat) = open(sandboxes, sandbox, path)?;
    if kind(&stat) != FileType::Directory {
        return Err(refused(400, format!("{path:?} is not a directory: read it")));
    }
    let mut names = Vec::new();
    for entry in Dir::read_from(&directory).map_err(|error| explain(path, error))?.flatten() {
        let name = entry.file_name().to_owned();
        if !matches!(name.to_bytes(), b"." | b"..") {
            names.push(name);
        }
        if names.len() >= MAX_ENTRIES {
            break;
        }
    }
    names.sort();
    let describe = |name: &std::ffi::CString| {
        let stat = statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        Some(info(&format!("{}/{}", path.trim_end_matches('/'), name.to_string_lossy()), &stat))
    };
    Ok(v1::FileList { files: names.iter().filter_map(describe).collect() })
}

fn info(path: &str, stat: &Stat) -> v1::FileInfo {
    v1::FileInfo {
        path: path.to_owned(),
        nlink: stat.st_nlink,
        size: u64::try_from(stat.st_size).unwrap_or_default(),
        #[allow(clippy::cast_precision_loss, reason = "Mesos gives seconds as a double")]
        mtime: stat.st_mtime as f64,
        mode: mode(stat),
        uid: stat.st_uid.to_string(),
        gid: stat.st_gid.to_string(),
    }
}

/// As `ls -l` writes it.
fn mode(stat: &Stat) -> String {
    let kind = match kind(stat) {
        FileType::Directory => 'd',
        FileType::Symlink => 'l',
        FileType::Fifo => 'p',
        FileType::Socket => 's',
        FileType::CharacterDevice => 'c',
        FileType::BlockDevice => 'b',
        _ => '-',
    };
    let bit = |shift: u32, letter: char| if stat.st_mode >> shift & 1 == 1 { letter } else { '-' };
    let execute = |shift: u32, special: u32, letter: char| match (bit(shift, 'x'), stat.st_mode >> special & 1 == 1) {
        ('x', true) => letter,
        (_, true) => letter.to_ascii_uppercase(),
        (plain, false) => plain,
    };
    [
        kind,
        bit(8, 'r'),
        bit(7, 'w'),
        execute(6, 11, 's'),
        bit(5, 'r'),
        bit(4, 'w'),
        execute(3, 10, 's'),
        bit(2, 'r'),
        bit(1, 'w'),
        execute(0, 9, 't'),
    ]
    .into_iter()
    .collect()
}

fn read(
    sandboxes: &Sandboxes,
    sandbox: &str,
    path: &str,
    offset: i64,
    length: i64,
) -> Result<v1::FileData, v1::FileError> {
    if offset < -1 {
        return Err(refused(400, format!("offset {offset} is negative: write 0 or more, or -1 for the size")));
    }
    if length < -1 {
        return Err(refused(400, format!("length {length} is negative: write 0 or more, or -1 for all")));
    }
    let (file, stat) = open(sandboxes, sandbox, path)?;
    match kind(&stat) {
        FileType::RegularFile => {}
        FileType::Directory => return Err(refused(400, format!("{path:?} is a directory: browse it"))),
        _ => return Err(refused(403, format!("{path:?} is no regular file"))),
    }
    let size = u64::try_from(stat.st_size).unwrap_or_default();
    // -1: only the size is asked for.
    let Ok(offset) = u64::try_from(offset) else {
        return Ok(v1::FileData { offset: size, data: Vec::new(), size });
    };
    let wanted = u64::try_from(length).unwrap_or(u64::MAX).min(MAX_READ_BYTES).min(size.saturating_sub(offset));
    let mut data = vec![0; usize::try_from(wanted).unwrap_or_default()];
    let got = read_at(&file, &mut data, offset).map_err(|error| explain(path, error))?;
    data.truncate(got);
    Ok(v1::FileData { offset, data, size })
}

fn read_at(file: &OwnedFd, data: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut got = 0;
    while let Some(rest) = data.get_mut(got..).filter(|rest| !rest.is_empty()) {
        match io::pread(file, rest, offset + got as u64)? {
            0 => break,
            count => got += count,
        }
    }
    Ok(got)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::userland::User;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    struct Place(PathBuf);

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn place(name: &str) -> (Place, Sandboxes, String) {
        let path = std::env::temp_dir().join(format!("proffer-files-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        let sandboxes = Sandboxes::new(&path);
        let me = User { uid: rustix::process::getuid().as_raw(), gid: rustix::process::getgid().as_raw() };
        let sandbox = |run: &str| format!("{}/slaves/a/frameworks/n.f/executors/t/runs/{run}", path.display());
        sandboxes.create(&sandbox("1"), me).unwrap();
        sandboxes.create(&sandbox("10"), me).unwrap();
        fs::write(format!("{}/secret", sandbox("10")), "secret").unwrap();
        let first = sandbox("1");
        (Place(path), sandboxes, first)
    }

    fn error(reply: v1::FileReply) -> u32 {
        match reply.result {
            Some(v1::file_reply::Result::Error(error)) => error.status,
            other => panic!("not refused: {other:?}"),
        }
    }

    fn data(reply: v1::FileReply) -> (u64, String) {
        match reply.result {
            Some(v1::file_reply::Result::Data(data)) => (data.offset, String::from_utf8(data.data).unwrap()),
            other => panic!("no data: {other:?}"),
        }
    }

    fn get(sandboxes: &Sandboxes, sandbox: &str, path: &str, offset: i64, length: i64) -> v1::FileReply {
        let path = format!("{sandbox}{path}");
        serve(sandboxes, sandbox, &FileRequest { id: 1, path, operation: FileOperation::Read { offset, length } })
    }

    #[test]
    fn reads_as_mesos_does() {
        let (_place, sandboxes, sandbox) = place("reads");
        fs::write(format!("{sandbox}/stdout"), "hello world").unwrap();
        let read = |offset, length| data(get(&sandboxes, &sandbox, "/stdout", offset, length));
        assert_eq!(read(0, -1), (0, "hello world".to_owned()));
        assert_eq!(read(6, 3), (6, "wor".to_owned()));
        assert_eq!(read(-1, -1), (11, String::new()));
        assert_eq!(read(99, 5), (99, String::new()));
        assert_eq!(read(i64::MAX, i64::MAX), (i64::MAX as u64, String::new()));
        fs::write(format!("{sandbox}/large"), vec![b'x'; 200_000]).unwrap();
        assert_eq!(data(get(&sandboxes, &sandbox, "/large", 0, i64::MAX)).1.len(), 65_536);
        assert_eq!(error(get(&sandboxes, &sandbox, "/stdout", -2, -1)), 400);
        assert_eq!(error(get(&sandboxes, &sandbox, "/stdout", 0, -2)), 400);
        assert_eq!(error(get(&sandboxes, &sandbox, "/none", 0, 1)), 404);
        assert_eq!(error(get(&sandboxes, &sandbox, "", 0, 1)), 400);
    }

    #[test]
    fn nothing_outside_the_sandbox_is_read() {
        let (_place, sandboxes, sandbox) = place("outside");
        symlink("/etc/passwd", format!("{sandbox}/link")).unwrap();
        symlink("/etc", format!("{sandbox}/directory")).unwrap();
        symlink("/proc/self/fd", format!("{sandbox}/fds")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, format!("{sandbox}/fifo"), Mode::from_raw_mode(0o644)).unwrap();
        for path in
            ["/link", "/directory/passwd", "/fds/0", "/fifo", "/../10/secret", "/../../../../../../../etc/passwd"]
        {
            assert_eq!(error(get(&sandboxes, &sandbox, path, 0, -1)), 403, "{path}");
        }
        assert!(matches!(error(get(&sandboxes, &sandbox, "0/secret", 0, -1)), 404 | 403));
    }

    #[test]
    fn browses_with_modes_and_full_paths() {
        let (_place, sandboxes, sandbox) = place("browse");
        fs::write(format!("{sandbox}/stdout"), "hello").unwrap();
        fs::create_dir(format!("{sandbox}/data")).unwrap();
        symlink("/etc", format!("{sandbox}/link")).unwrap();
        let request = FileRequest { id: 7, path: sandbox.clone(), operation: FileOperation::Browse };
        let reply = serve(&sandboxes, &sandbox, &request);
        let Some(v1::file_reply::Result::List(list)) = reply.result else { panic!("no list") };
        let seen: Vec<(String, String)> = list
            .files
            .into_iter()
            .map(|file| (file.path.replace(&sandbox, ""), file.mode.chars().take(1).collect()))
            .collect();
        let expected = [("/data", "d"), ("/link", "l"), ("/stdout", "-")];
        assert_eq!(seen, expected.map(|(path, mode)| (path.to_owned(), mode.to_owned())));
    }
}
