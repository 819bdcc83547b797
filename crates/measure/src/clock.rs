//! CPU time of one thread, and memory of the process (from Linux' `/proc`).

use rustix::time::{ClockId, clock_gettime};
use std::fs;
use std::time::Duration;

/// The CPU time that `work` takes on this thread, so that a busy machine does not show, and what it returns.
pub fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let before = cpu_time();
    let answer = work();
    (cpu_time().saturating_sub(before), answer)
}

fn cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

/// Forgets the peak of memory so far, where the kernel lets us.
pub fn reset_peak() {
    // Without the right to do so, the peak is that of the whole program: an upper bound.
    if fs::write("/proc/self/clear_refs", "5").is_err() {
        eprintln!("the peak of memory is that of the whole program");
    }
}

/// The most memory that this process has had since the last [`reset_peak`], in MiB.
#[must_use]
pub fn peak_mib() -> u64 {
    status_mib("VmHWM:")
}

/// The memory that this process has now, in MiB.
#[must_use]
pub fn resident_mib() -> u64 {
    status_mib("VmRSS:")
}

fn status_mib(field: &str) -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_takes_time_and_memory() {
        let (time, sum) = timed(|| (0..3_000_000u64).fold(0u64, |sum, number| sum.wrapping_mul(31) ^ number));
        assert!(time > Duration::ZERO, "{time:?} for {sum}");
        assert!(resident_mib() > 0 && peak_mib() >= resident_mib());
    }
}
