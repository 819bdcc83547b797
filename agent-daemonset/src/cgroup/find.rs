//! Where a pod's cgroup is: kubelets differ in their parent directory, and in names by their cgroup driver.

use super::subdirectories;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};

/// Deeper than any kubelet puts pods, with a cgroup root of its own.
const MAX_DEPTH: usize = 8;

/// The pod's directory below `root`, if it has one. A match below another directory of such a name is not looked for.
pub(super) fn pod(root: &Path, pod_uid: &str) -> Option<PathBuf> {
    if pod_uid.is_empty() || pod_uid.contains('/') {
        return None;
    }
    let mut queue = VecDeque::from([(root.to_owned(), 0)]);
    while let Some((directory, depth)) = queue.pop_front() {
        for below in subdirectories(&directory) {
            let Some(name) = below.file_name().and_then(|name| name.to_str()) else {
                continue;
            };
            if is_pod(name, pod_uid) {
                return Some(below);
            }
            if depth < MAX_DEPTH && !looks_like_a_pod(name) {
                queue.push_back((below, depth + 1));
            }
        }
    }
    None
}

/// cgroupfs driver: `pod<uid>`; systemd driver: `kubepods-besteffort-pod<uid with underscores>.slice`.
fn is_pod(name: &str, pod_uid: &str) -> bool {
    match name.strip_suffix(".slice") {
        None => name.strip_prefix("pod") == Some(pod_uid),
        Some(slice) => slice.rsplit_once("-pod").is_some_and(|(_, uid)| uid == pod_uid.replace('-', "_")),
    }
}

fn looks_like_a_pod(name: &str) -> bool {
    name.starts_with("pod") || name.strip_suffix(".slice").is_some_and(|slice| slice.contains("-pod"))
}
