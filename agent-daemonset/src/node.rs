//! What the node has.

use proffer_resources::{Amount, Ranges, Resources};
use std::path::Path;

/// Bytes of a MiB.
const MIB: u64 = 1024 * 1024;

/// The node's own capacity. Of the disk the half is offered, or all but 5 GiB if that is more (as Mesos does).
#[must_use]
pub fn capacity(work_dir: &Path, ports: &Ranges) -> Resources {
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    Resources {
        cpus: Amount::from_units(cpus as u64),
        mem: Amount::from_units(total_mib(&meminfo).unwrap_or_default()),
        disk: Amount::from_units(disk_mib(work_dir)),
        ports: ports.clone(),
    }
}

fn total_mib(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1024)
}

fn disk_mib(path: &Path) -> u64 {
    let Ok(stat) = rustix::fs::statvfs(path) else {
        return 0;
    };
    let total = stat.f_blocks.saturating_mul(stat.f_frsize) / MIB;
    total.saturating_sub(5 * 1024).max(total / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_that_of_the_node() {
        assert_eq!(total_mib("MemTotal:       24683852 kB\nMemFree: 1 kB\n"), Some(24_105));
        assert_eq!(total_mib(""), None);
    }
}
