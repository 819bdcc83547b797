//! Flags. Each has an environment variable, so that a pod template needs no arguments.

use crate::agent_link::AgentAccount;
use crate::leader::Timings;
use crate::slots::{Share, cpu_share, memory_share};
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// The controller of Proffer: Mesos' master on Kubernetes.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
pub struct Arguments {
    /// What to do instead of running.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How to run.
    #[command(flatten)]
    pub run: RunArguments,
}

/// What to do instead of running.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Ask a URL once; succeed if it answers with a status of success. For `helm test`.
    Check(CheckArguments),
}

/// Flags of `check`.
#[derive(Debug, Args)]
pub struct CheckArguments {
    /// The URL, http or https.
    #[arg(long)]
    pub url: String,
    /// File with the CA of an https URL's certificate.
    #[arg(long)]
    pub ca_file: Option<PathBuf>,
    /// How long to wait for the answer.
    #[arg(long, default_value = "10s", value_parser = duration)]
    pub timeout: Duration,
}

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// Flags of a running controller.
#[derive(Clone, Debug, Args)]
pub struct RunArguments {
    /// Name of this pod.
    #[arg(long, env = "POD_NAME", default_value = "proffer-controller-local")]
    pub pod_name: String,
    /// Namespace of the release: of the Lease, the agents and the slots.
    #[arg(long, env = "POD_NAMESPACE", default_value = "proffer-system")]
    pub pod_namespace: String,
    /// Address at which agents and redirected requests reach this process.
    #[arg(long, env = "POD_IP", default_value = "127.0.0.1")]
    pub pod_ip: IpAddr,
    /// File with the address and credentials of the API server, for a process outside a cluster.
    #[arg(long)]
    pub kubeconfig: Option<PathBuf>,
    /// Name of the Lease that says who leads.
    #[arg(long, env = "PROFFER_LEASE_NAME", default_value = "proffer-controller")]
    pub lease_name: String,
    /// How long a Lease that nobody renews is left to its holder.
    #[arg(long, env = "PROFFER_LEASE_DURATION", default_value = "3s", value_parser = duration)]
    pub lease_duration: Duration,
    /// How long a leader that cannot renew goes on; less than the lease's duration.
    #[arg(long, env = "PROFFER_RENEW_DEADLINE", default_value = "2500ms", value_parser = duration)]
    pub renew_deadline: Duration,
    /// Between two tries to get or renew the Lease.
    #[arg(long, env = "PROFFER_RETRY_PERIOD", default_value = "500ms", value_parser = duration)]
    pub retry_period: Duration,
    /// Where HTTP is served.
    #[arg(long, env = "PROFFER_HTTP_LISTEN", default_value = "0.0.0.0:5050")]
    pub http_listen: SocketAddr,
    /// Where the agent link is served.
    #[arg(long, env = "PROFFER_LINK_LISTEN", default_value = "0.0.0.0:5052")]
    pub link_listen: SocketAddr,
    /// Folder with tls.crt and tls.key of the agent link.
    #[arg(long, env = "PROFFER_TLS_DIR", default_value = "/etc/proffer/tls")]
    pub tls_dir: PathBuf,
    /// `ServiceAccount` of agents, NAMESPACE:NAME; proffer-agent in the release's namespace if left out.
    #[arg(long, env = "PROFFER_AGENT_SERVICE_ACCOUNT")]
    pub agent_service_account: Option<AgentAccount>,
    /// `DaemonSet` of agents, which owns the slots.
    #[arg(long, env = "PROFFER_AGENT_DAEMONSET", default_value = "proffer-agent")]
    pub agent_daemonset: String,
    /// Pod template of slots.
    #[arg(long, env = "PROFFER_SLOT_TEMPLATE", default_value = "/etc/proffer/slot/slot.yaml")]
    pub slot_template: PathBuf,
    /// Cores of a slot: a quantity, or a percentage of the node's allocatable.
    #[arg(long, env = "PROFFER_SLOT_CPU", default_value = "50%", value_parser = cpu_share)]
    pub slot_cpu: Share,
    /// Memory of a slot: a quantity, or a percentage of the node's allocatable.
    #[arg(long, env = "PROFFER_SLOT_MEMORY", default_value = "50%", value_parser = memory_share)]
    pub slot_memory: Share,
    /// Labels of the nodes that get a slot, KEY=VALUE,KEY=VALUE; every node with an agent if empty.
    #[arg(long, env = "PROFFER_SLOT_NODE_SELECTOR", default_value = "", value_parser = labels)]
    pub slot_node_selector: Labels,
    /// Between two pings of an agent.
    #[arg(long, env = "PROFFER_AGENT_PING_TIMEOUT", default_value = "15s", value_parser = duration)]
    pub agent_ping_timeout: Duration,
    /// Pings without an answer after which an agent is unreachable.
    #[arg(long, env = "PROFFER_MAX_AGENT_PING_TIMEOUTS", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub max_agent_ping_timeouts: u32,
    /// How long a new leader waits for agents that the old one knew.
    #[arg(long, env = "PROFFER_AGENT_REREGISTER_TIMEOUT", default_value = "10m", value_parser = duration)]
    pub agent_reregister_timeout: Duration,
    /// If more than this percentage of the agents have not come to a new leader in time, none of them is taken for
    /// unreachable.
    #[arg(long, env = "PROFFER_RECOVERY_AGENT_REMOVAL_LIMIT", default_value_t = 100, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub recovery_agent_removal_limit: u8,
    /// How many agents are taken for unreachable in what time at most, such as 1/10m; as many as there are if empty.
    #[arg(long, env = "PROFFER_AGENT_REMOVAL_RATE_LIMIT", default_value = "", value_parser = rate)]
    pub agent_removal_rate_limit: Rate,
    /// How many frameworks keep their object that subscribed by themselves and are over.
    #[arg(long, env = "PROFFER_MAX_COMPLETED_FRAMEWORKS", default_value_t = 50)]
    pub max_completed_frameworks: u32,
    /// How long an offer waits for a reply.
    #[arg(long, env = "PROFFER_OFFER_TIMEOUT", default_value = "60s", value_parser = duration)]
    pub offer_timeout: Duration,
    /// How long an offer that ended keeps its object.
    #[arg(long, env = "PROFFER_OFFER_RETENTION", default_value = "60s", value_parser = duration)]
    pub offer_retention: Duration,
    /// How long an offer is left alone before a task that fits nowhere else may have it rescinded.
    #[arg(long, env = "PROFFER_OFFER_MIN_HOLD", default_value = "1s", value_parser = duration)]
    pub offer_min_hold: Duration,
    /// Writes to the API server at once.
    #[arg(long, env = "PROFFER_WRITE_CONCURRENCY", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub write_concurrency: u16,
    /// How often watches are renewed.
    #[arg(long, env = "PROFFER_WATCH_TIMEOUT", default_value = "45s", value_parser = duration)]
    pub watch_timeout: Duration,
    /// Name of the Secret in the release's namespace that has principals and their secrets; no basic credentials without.
    #[arg(long, env = "PROFFER_HTTP_CREDENTIALS_SECRET", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub http_credentials_secret: Option<String>,
    /// Namespace of the frameworks whose principal has none of its own.
    #[arg(long, env = "PROFFER_HTTP_DEFAULT_NAMESPACE", default_value = "default")]
    pub http_default_namespace: String,
    /// Folder with tls.crt and tls.key of HTTP; plain HTTP without.
    #[arg(long, env = "PROFFER_HTTP_TLS_DIR")]
    pub http_tls_dir: Option<PathBuf>,
    /// Most HTTP connections at once; one more takes the place of the one that has been idle longest.
    #[arg(long, env = "PROFFER_HTTP_MAX_CONNECTIONS", default_value_t = 16_384, value_parser = clap::value_parser!(u32).range(16..=1_000_000))]
    pub http_max_connections: u32,
    /// Rate limits of principals, JSON as Mesos' `--rate_limits` has it; no limits if empty.
    #[arg(long, env = "PROFFER_RATE_LIMITS", default_value = "")]
    pub rate_limits: String,
    /// Whether requests from this machine itself (kubectl port-forward) need no credentials.
    #[arg(long, env = "PROFFER_HTTP_ANONYMOUS_LOOPBACK", default_value_t = false, action = ArgAction::Set)]
    pub http_anonymous_loopback: bool,
    /// Whether nobody needs credentials.
    #[arg(long, env = "PROFFER_HTTP_ANONYMOUS", default_value_t = false, action = ArgAction::Set)]
    pub http_anonymous: bool,
    /// What is logged: error, warn, info, debug, trace, or a filter by module.
    #[arg(long, env = "PROFFER_LOG", default_value = "info")]
    pub log: String,
    /// How it is logged.
    #[arg(long, env = "PROFFER_LOG_FORMAT", default_value = "json")]
    pub log_format: LogFormat,
}

/// Labels as a flag has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels(pub BTreeMap<String, String>);

impl RunArguments {
    /// The election's times, checked against each other.
    pub fn timings(&self) -> anyhow::Result<Timings> {
        let timings = Timings {
            lease_duration: self.lease_duration,
            renew_deadline: self.renew_deadline,
            retry_period: self.retry_period,
        };
        anyhow::ensure!(
            timings.renew_deadline < timings.lease_duration,
            "--renew-deadline {:?} must be below --lease-duration {:?}, so that an old leader stops before a new one starts",
            timings.renew_deadline,
            timings.lease_duration
        );
        anyhow::ensure!(
            timings.retry_period * 2 <= timings.renew_deadline && !timings.retry_period.is_zero(),
            "--retry-period {:?} must be above zero and at most half of --renew-deadline {:?}",
            timings.retry_period,
            timings.renew_deadline
        );
        anyhow::ensure!(
            timings.lease_duration <= Duration::from_mins(1),
            "--lease-duration {:?} is more than the minute after which candidates do not believe a Lease any more",
            timings.lease_duration
        );
        Ok(timings)
    }

    /// The `ServiceAccount` of agents.
    #[must_use]
    pub fn agent_account(&self) -> AgentAccount {
        self.agent_service_account
            .clone()
            .unwrap_or_else(|| AgentAccount { namespace: self.pod_namespace.clone(), name: "proffer-agent".to_owned() })
    }
}

/// Reads `250ms`, `3s`, `10m` or `1h`.
fn duration(text: &str) -> Result<Duration, String> {
    let refused =
        || format!("{text:?} is not a duration: write a whole number with ms, s, m or h, such as 250ms or 3s");
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(refused)?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| refused())?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(refused()),
    };
    number.checked_mul(millis).map(Duration::from_millis).ok_or_else(refused)
}

/// How often something may happen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    /// As it was written; empty for no limit.
    pub text: String,
    /// Time between one and the next; `None` for no limit.
    pub interval: Option<Duration>,
}

/// Reads `1/10m`, or nothing.
fn rate(text: &str) -> Result<Rate, String> {
    if text.is_empty() {
        return Ok(Rate::default());
    }
    let refused = || format!("{text:?} is not a rate: write a number and a duration, such as 1/10m");
    let (number, time) = text.split_once('/').ok_or_else(refused)?;
    let number: u32 = number.parse().map_err(|_| refused())?;
    let interval = duration(time)?.checked_div(number).filter(|interval| !interval.is_zero()).ok_or_else(refused)?;
    Ok(Rate { text: text.to_owned(), interval: Some(interval) })
}

fn labels(text: &str) -> Result<Labels, String> {
    text.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(|part| match part.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
            _ => Err(format!("{part:?} is no label: write KEY=VALUE")),
        })
        .collect::<Result<_, _>>()
        .map(Labels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_flags_are_consistent() {
        Arguments::command().debug_assert();
        let arguments = Arguments::parse_from(["proffer-controller"]);
        assert!(arguments.run.timings().is_ok());
        assert_eq!(arguments.run.agent_account().to_string(), "system:serviceaccount:proffer-system:proffer-agent");
    }

    #[test]
    fn durations_and_labels_are_read() {
        for (text, millis) in [("250ms", 250), ("3s", 3000), ("10m", 600_000), ("1h", 3_600_000)] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)));
        }
        for text in ["", "3", "s", "1.5s", "-3s", "3 s", "99999999999999999999s", "99999999999999999h"] {
            assert!(duration(text).is_err(), "{text}");
        }
        for (text, interval) in [("1/10m", Some(600_000)), ("4/1s", Some(250)), ("", None)] {
            assert_eq!(rate(text).map(|rate| rate.interval), Ok(interval.map(Duration::from_millis)), "{text}");
        }
        for text in ["1", "1/", "/1s", "0/1s", "1/0s", "-1/1s", "1/1"] {
            assert!(rate(text).is_err(), "{text}");
        }
        assert_eq!(labels("a=1, b=2").unwrap().0.len(), 2);
        assert!(labels("a").is_err());
    }

    #[test]
    fn times_that_would_let_two_lead_are_refused() {
        for flags in [
            ["--lease-duration=2s", "--renew-deadline=2s"],
            ["--retry-period=0s", "--renew-deadline=2s"],
            ["--retry-period=2s", "--renew-deadline=2s"],
            ["--lease-duration=1h", "--renew-deadline=2s"],
        ] {
            let arguments = Arguments::parse_from(["proffer-controller"].into_iter().chain(flags));
            assert!(arguments.run.timings().is_err(), "{flags:?}");
        }
    }
}
