//! What this process says of itself: since when it runs and leads, its build, and its flags under Mesos' names.

use crate::args::RunArguments;
use proffer_master::Time;
use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

/// What does not follow from any object.
#[derive(Debug)]
pub struct About {
    started: Time,
    elected: OnceLock<Time>,
    flags: BTreeMap<&'static str, String>,
}

/// This program's build; each text is empty if the build did not say.
pub(super) struct Build {
    pub(super) version: &'static str,
    pub(super) git_sha: &'static str,
    pub(super) date: &'static str,
    /// Seconds since 1970; 0 if the build did not say.
    pub(super) time: f64,
    pub(super) user: &'static str,
}

/// The build of this program.
pub(super) fn build() -> Build {
    let time: Option<f64> = option_env!("PROFFER_BUILD_TIME").and_then(|time| time.parse().ok());
    Build {
        version: env!("CARGO_PKG_VERSION"),
        git_sha: option_env!("PROFFER_GIT_SHA").unwrap_or_default(),
        date: option_env!("PROFFER_BUILD_DATE").unwrap_or_default(),
        time: time.unwrap_or_default(),
        user: option_env!("PROFFER_BUILD_USER").unwrap_or_default(),
    }
}

impl About {
    /// A process that started then, with these flags.
    #[must_use]
    pub fn new(started: Time, args: &RunArguments) -> Self {
        Self { started, elected: OnceLock::new(), flags: flags(args) }
    }

    /// It leads from now on. A process leads once in its life, so only the first call counts.
    pub fn elected(&self, now: Time) {
        let _ = self.elected.set(now);
    }

    /// When the process started, in seconds since 1970.
    pub(super) fn start_time(&self) -> f64 {
        seconds(self.started)
    }

    /// When it won the election, in seconds since 1970; 0 if it did not.
    pub(super) fn elected_time(&self) -> f64 {
        self.elected.get().copied().map_or(0.0, seconds)
    }

    /// Flags by name, in Mesos' spelling.
    pub(super) fn flags(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.flags.iter().map(|(&name, value)| (name, value.as_str()))
    }
}

/// A time as Mesos writes it: seconds since 1970.
#[allow(clippy::cast_precision_loss, reason = "a double holds the microseconds of the next 200 years")]
pub(super) fn seconds(time: Time) -> f64 {
    time.0 as f64 / 1_000_000.0
}

/// What of the controller's flags Mesos has a name for; its other flags of 1.11 with the value that says "not here", or
/// Mesos' own default where there is no such value. `docs/mesos-api.md` tells which are which.
fn flags(args: &RunArguments) -> BTreeMap<&'static str, String> {
    let authenticates = (!args.http_anonymous).to_string();
    let ours = [
        ("agent_ping_timeout", duration(args.agent_ping_timeout)),
        ("agent_reregister_timeout", duration(args.agent_reregister_timeout)),
        ("authenticate_http_readonly", authenticates.clone()),
        ("authenticate_http_readwrite", authenticates.clone()),
        ("authenticate_http_frameworks", authenticates),
        ("hostname", args.pod_ip.to_string()),
        ("ip", args.http_listen.ip().to_string()),
        ("logging_level", args.log.to_uppercase()),
        ("max_agent_ping_timeouts", args.max_agent_ping_timeouts.to_string()),
        ("max_completed_frameworks", args.max_completed_frameworks.to_string()),
        ("offer_timeout", duration(args.offer_timeout)),
        ("port", args.http_listen.port().to_string()),
        ("recovery_agent_removal_limit", format!("{}%", args.recovery_agent_removal_limit)),
    ];
    let fixed = [
        // Agents prove themselves by a token of their own, whatever the flags say.
        ("authenticate_agents", "true"),
        ("authenticate_frameworks", "false"),
        ("authenticators", "kubernetes"),
        ("authorizers", "kubernetes"),
        ("http_authenticators", "kubernetes"),
        ("min_allocatable_resources", "cpus:0.01|mem:32"),
        ("registry", "kubernetes"),
        ("allocation_interval", "1secs"),
        ("allocator", "hierarchical"),
        ("allocator_agent_recovery_factor", "0.8"),
        ("allocator_recovery_timeout", "10mins"),
        ("authentication_v0_timeout", "15secs"),
        ("filter_gpu_resources", "true"),
        ("framework_sorter", "drf"),
        ("help", "false"),
        ("hostname_lookup", "false"),
        ("initialize_driver_logging", "true"),
        ("log_auto_initialize", "true"),
        ("logbufsecs", "0"),
        ("max_completed_tasks_per_framework", "1000"),
        ("max_operator_event_stream_subscribers", "1000"),
        ("max_unreachable_tasks_per_framework", "1000"),
        ("memory_profiling", "false"),
        ("offer_constraints_re2_max_mem", "4KB"),
        ("offer_constraints_re2_max_program_size", "100"),
        ("publish_per_framework_metrics", "false"),
        ("quiet", "false"),
        ("quorum", "1"),
        ("registry_fetch_timeout", "1mins"),
        ("registry_gc_interval", "15mins"),
        ("registry_max_agent_age", "2weeks"),
        ("registry_max_agent_count", "102400"),
        ("registry_store_timeout", "20secs"),
        ("registry_strict", "false"),
        ("require_agent_domain", "false"),
        ("role_sorter", "drf"),
        ("root_submissions", "true"),
        ("version", "false"),
        ("webui_dir", ""),
        ("work_dir", ""),
        ("zk_session_timeout", "10secs"),
    ];
    fixed.into_iter().map(|(name, value)| (name, value.to_owned())).chain(ours).collect()
}

/// A duration as Mesos writes it: a whole number of the largest unit in which it is one (stout's `Duration`).
fn duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    let units = [(604_800_000, "weeks"), (86_400_000, "days"), (3_600_000, "hrs"), (60_000, "mins"), (1000, "secs")];
    let unit = units.into_iter().find(|&(unit, _)| millis >= unit && millis.is_multiple_of(unit));
    unit.map_or_else(|| format!("{millis}ms"), |(unit, name)| format!("{}{name}", millis / unit))
}

/// Reads a duration as Mesos writes it: a number and its unit.
pub(super) fn parse_duration(text: &str) -> Option<Duration> {
    let end = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(end);
    let seconds = match unit {
        "ns" => 1e-9,
        "us" => 1e-6,
        "ms" => 1e-3,
        "secs" => 1.0,
        "mins" => 60.0,
        "hrs" => 3600.0,
        "days" => 86_400.0,
        "weeks" => 604_800.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_mesos_writes_them() {
        for (millis, text) in [(250, "250ms"), (15_000, "15secs"), (600_000, "10mins"), (90_000, "90secs"), (0, "0ms")]
        {
            assert_eq!(duration(Duration::from_millis(millis)), text);
        }
        assert_eq!(duration(Duration::from_hours(336)), "2weeks");
    }

    #[test]
    fn durations_are_read_as_mesos_writes_them() {
        for (text, millis) in [("250ms", 250), ("15secs", 15_000), ("1.5mins", 90_000), ("2weeks", 1_209_600_000)] {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "15", "secs", "-1secs", "1 secs", "1sec", "NaNsecs", "infsecs", "1e99weeks"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }
}
