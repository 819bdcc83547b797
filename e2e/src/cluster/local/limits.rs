//! Limits of the host that several nodes on one kernel run into.
//!
//! Each node's programs take some dozens of inotify instances, and they all count for one user: root. The usual limit of
//! 128 is enough for one cluster, and not for two. It is raised while there are clusters and then set back.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rustix::fs::{FlockOperation, flock};

use crate::paths::CLUSTERS;

use super::identity::known_clusters;

/// What each limit must at least be.
const LIMITS: [(&str, u64); 2] =
    [("/proc/sys/fs/inotify/max_user_instances", 8192), ("/proc/sys/fs/inotify/max_user_watches", 524_288)];

/// Raises what is too low, and writes down what it was.
pub(super) fn raise() -> Result<()> {
    let _lock = lock()?;
    let mut before = read_record();
    for (file, wanted) in LIMITS {
        let current = read(file)?;
        if current < wanted {
            before.entry(file.to_owned()).or_insert(current);
            let record = record();
            fs::write(&record, serde_json::to_vec(&before)?)
                .with_context(|| format!("cannot write {}", record.display()))?;
            write(file, wanted)?;
        }
    }
    Ok(())
}

/// Sets everything back when no cluster is left, and removes the directory of all clusters.
pub(super) fn restore() -> Result<()> {
    let Ok(lock) = lock() else { return Ok(()) };
    if !known_clusters().is_empty() {
        return Ok(());
    }
    for (file, value) in read_record() {
        write(&file, value)?;
    }
    fs::remove_file(record()).ok();
    drop(lock);
    fs::remove_dir(CLUSTERS).ok();
    Ok(())
}

fn lock() -> Result<File> {
    let directory = File::open(CLUSTERS).with_context(|| format!("cannot open {CLUSTERS}"))?;
    flock(&directory, FlockOperation::LockExclusive).with_context(|| format!("cannot lock {CLUSTERS}"))?;
    Ok(directory)
}

fn record() -> PathBuf {
    Path::new(CLUSTERS).join("limits.json")
}

fn read_record() -> BTreeMap<String, u64> {
    fs::read(record()).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
}

fn read(file: &str) -> Result<u64> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {file}"))?;
    text.trim().parse().with_context(|| format!("{file} has no number but {text:?}"))
}

fn write(file: &str, value: u64) -> Result<()> {
    fs::write(file, value.to_string()).with_context(|| format!("cannot set {file} to {value}"))
}
