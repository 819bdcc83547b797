//! What Proffer's own processes spend, where they run on this machine as a local cluster's do.

use anyhow::{Context, Result};
use serde::Serialize;
use std::fs;

/// Clock ticks a second in `/proc/<pid>/stat` on Linux (`USER_HZ`): part of its interface on every architecture.
const TICKS_PER_SECOND: f64 = 100.0;
/// The processes, as `/proc` cuts their names.
const CONTROLLER: &str = "proffer-control";
const AGENT: &str = "proffer-agent";

/// Sums over all processes of Proffer, the inits that agents have waited for included.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sums {
    cpu_ticks: u64,
    controller_kib: u64,
    agents_kib: u64,
}

/// What a run of tasks cost.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Cost {
    /// CPU of controllers, agents and their inits per task.
    pub(crate) cpu_ms_per_task: f64,
    /// Memory of the controllers at the end.
    pub(crate) controller_kib: u64,
    /// By how much it grew per task.
    pub(crate) controller_kib_per_task: f64,
    /// Memory of the agents at the end.
    pub(crate) agents_kib: u64,
    /// By how much it grew per task.
    pub(crate) agents_kib_per_task: f64,
}

impl Cost {
    /// All that was spent so far; nothing if no such process is on this machine.
    pub(crate) fn so_far() -> Result<Option<Sums>> {
        let mut sums = None;
        for entry in fs::read_dir("/proc").context("reading /proc")? {
            let path = entry.context("reading /proc")?.path();
            // A process may end while it is looked at: then it is none of those that stay.
            let Ok(stat) = fs::read_to_string(path.join("stat")) else { continue };
            let Some((name, rest)) = stat.split_once('(').and_then(|(_, rest)| rest.rsplit_once(") ")) else {
                continue;
            };
            if name != CONTROLLER && name != AGENT {
                continue;
            }
            let Ok(status) = fs::read_to_string(path.join("status")) else { continue };
            sums.get_or_insert_with(Sums::default).add(name, rest, &status);
        }
        Ok(sums)
    }
}

impl Sums {
    /// `stat` from the state on (field 3), and `status`.
    fn add(&mut self, name: &str, stat: &str, status: &str) {
        // utime, stime, cutime, cstime are fields 14 to 17.
        let ticks = stat.split_whitespace().skip(11).take(4).filter_map(|field| field.parse::<u64>().ok());
        self.cpu_ticks += ticks.sum::<u64>();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        let kib = resident.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or_default();
        if name == CONTROLLER {
            self.controller_kib += kib;
        } else {
            self.agents_kib += kib;
        }
    }

    /// What was spent since `before`, by this many tasks.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    pub(crate) fn since(self, before: Self, tasks: usize) -> Cost {
        let tasks = tasks.max(1) as f64;
        let grown = |after: u64, before: u64| (after as f64 - before as f64) / tasks;
        let cpu_seconds = self.cpu_ticks.saturating_sub(before.cpu_ticks) as f64 / TICKS_PER_SECOND;
        Cost {
            cpu_ms_per_task: cpu_seconds * 1000.0 / tasks,
            controller_kib: self.controller_kib,
            controller_kib_per_task: grown(self.controller_kib, before.controller_kib),
            agents_kib: self.agents_kib,
            agents_kib_per_task: grown(self.agents_kib, before.agents_kib),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_those_of_proc() {
        let mut before = Sums::default();
        let stat = |user, children| format!("S 1 2 3 4 5 6 7 8 9 10 {user} 20 {children} 0 20 0");
        before.add(CONTROLLER, &stat(100, 0), "Name:\tx\nVmRSS:\t   1024 kB\n");
        let mut after = Sums::default();
        after.add(CONTROLLER, &stat(150, 0), "VmRSS:\t   2048 kB\n");
        after.add(AGENT, &stat(0, 30), "VmRSS:\t   512 kB\n");
        let cost = after.since(before, 100);
        // 50 + 30 ticks, and 20 of the agent's system time: one second for a hundred tasks.
        assert!((cost.cpu_ms_per_task - 10.0).abs() < 1e-9, "{cost:?}");
        assert_eq!((cost.controller_kib, cost.agents_kib), (2048, 512));
        assert!((cost.controller_kib_per_task - 10.24).abs() < 1e-9, "{cost:?}");
    }
}
