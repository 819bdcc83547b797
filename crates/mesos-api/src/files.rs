//! The answers of `/files/browse` and `/files/read`, as Mesos writes them.

use serde::Serialize;

/// Most bytes that one `/files/read` gives: sixteen pages (Mesos: `files.cpp`).
pub const MAX_READ_BYTES: u64 = 16 * 4096;

/// One entry of `/files/browse`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FileInfo {
    /// Path as it can be put into a further request.
    pub path: String,
    /// Number of hard links.
    pub nlink: u64,
    /// Size in bytes.
    pub size: u64,
    /// Last change, in seconds since 1970.
    pub mtime: f64,
    /// Kind and permissions as `ls -l` writes them: `drwxr-xr-x`.
    pub mode: String,
    /// Owner.
    pub uid: String,
    /// Owner's group.
    pub gid: String,
}

/// The answer of `/files/read`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FileData {
    /// What was read, as text; bytes that are no UTF-8 are replaced.
    pub data: String,
    /// Where `data` starts, in bytes; the file's size if none was asked for.
    pub offset: u64,
}
