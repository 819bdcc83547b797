//! Disks: where a disk resource comes from, and the persistent volume on it.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

/// What a disk is made of (Mesos: `DiskInfo.Source.Type`). A disk without a source is the agent's root disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DiskSourceKind {
    /// A directory; it can be divided.
    Path,
    /// A whole mounted file system; it is given away whole.
    Mount,
    /// A block device; it is given away whole.
    Block,
    /// Raw storage that `CREATE_DISK` can turn into one of the others.
    Raw,
}

impl DiskSourceKind {
    /// Mesos' name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Path => "PATH",
            Self::Mount => "MOUNT",
            Self::Block => "BLOCK",
            Self::Raw => "RAW",
        }
    }
}

/// Where a disk comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DiskSource {
    /// What it is.
    pub kind: DiskSourceKind,
    /// Its directory on the agent.
    pub root: Option<String>,
    /// The vendor of the storage plugin.
    pub vendor: Option<String>,
    /// Its identifier at the storage plugin.
    pub id: Option<String>,
    /// The profile it was made with.
    pub profile: Option<String>,
}

/// What makes a volume outlive the task that uses it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Persistence {
    /// Its name, unique for its role on its agent.
    pub id: String,
    /// The principal that created it, if it had one.
    pub principal: Option<String>,
}

/// Whether a task may write into a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VolumeMode {
    /// It may (`RW`).
    ReadWrite,
    /// It may not (`RO`).
    ReadOnly,
}

/// Where a task sees a volume.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Volume {
    /// Whether the task may write.
    pub mode: VolumeMode,
    /// Its path for the task.
    pub container_path: String,
    /// Its path on the agent; Mesos refuses it for persistent volumes.
    pub host_path: Option<String>,
}

/// What is known of a disk beyond its size. How a task uses it makes no other disk of it: `volume` is not compared, as in
/// Mesos.
#[derive(Clone, Debug, Default)]
pub struct DiskInfo {
    /// Set on persistent volumes.
    pub persistence: Option<Persistence>,
    /// Where a task sees it.
    pub volume: Option<Volume>,
    /// Where it comes from; `None` for the root disk.
    pub source: Option<DiskSource>,
}

impl DiskInfo {
    fn identity(&self) -> (&Option<Persistence>, &Option<DiskSource>) {
        (&self.persistence, &self.source)
    }

    /// Whether it can only be given away whole: a volume, or a disk that cannot be divided.
    #[must_use]
    pub fn is_indivisible(&self) -> bool {
        self.persistence.is_some()
            || self.source.as_ref().is_some_and(|source| match source.kind {
                DiskSourceKind::Path => false,
                DiskSourceKind::Mount | DiskSourceKind::Block => true,
                // Raw storage with an identifier is one existing device; without, it is a pool.
                DiskSourceKind::Raw => source.id.is_some(),
            })
    }
}

impl PartialEq for DiskInfo {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for DiskInfo {}

impl PartialOrd for DiskInfo {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for DiskInfo {
    fn cmp(&self, other: &Self) -> Ordering {
        self.identity().cmp(&other.identity())
    }
}

impl Hash for DiskInfo {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}
