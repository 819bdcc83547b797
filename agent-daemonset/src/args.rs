//! The agent's flags; each is an environment variable as well.

use proffer_resources::quantity;
use std::path::PathBuf;
use std::time::Duration;

/// Runs tasks on this node for the Proffer controller.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "proffer-agent", version)]
pub struct Args {
    /// Where the controllers' agent link is: all addresses of the name are tried
    /// [default: proffer-controller.NAMESPACE.svc:5052].
    #[arg(long, env = "PROFFER_CONTROLLER", value_name = "HOST:PORT")]
    pub controller: Option<String>,

    /// Name in the controllers' certificate [default: proffer-controller.NAMESPACE.svc].
    #[arg(long, env = "PROFFER_SERVER_NAME")]
    pub server_name: Option<String>,

    /// Certificate authority of the agent link.
    #[arg(long, env = "PROFFER_CA_FILE", default_value = "/etc/proffer/tls/ca.crt")]
    pub ca_file: PathBuf,

    /// `ServiceAccount` token that proves which node this is; read again for every connection.
    #[arg(long, env = "PROFFER_TOKEN_FILE", default_value = "/var/run/secrets/proffer/token")]
    pub token_file: PathBuf,

    /// Directory on the node for checkpoints and sandboxes; must have the same path in the agent's container.
    #[arg(long, env = "PROFFER_WORK_DIR", default_value = "/var/lib/proffer")]
    pub work_dir: PathBuf,

    /// The node's cgroup file systems.
    #[arg(long, env = "PROFFER_CGROUP_ROOT", default_value = "/host/sys/fs/cgroup")]
    pub cgroup_root: PathBuf,

    /// The init program that is started beside every task.
    #[arg(long, env = "PROFFER_INIT", default_value = "/proffer-init")]
    pub init: PathBuf,

    /// The file tree that tasks see as their root.
    #[arg(long, env = "PROFFER_USERLAND", default_value = "/userland")]
    pub userland: PathBuf,

    /// Address of /healthz, /readyz and /metrics.
    #[arg(long, env = "PROFFER_LISTEN", default_value = "0.0.0.0:5051")]
    pub listen: std::net::SocketAddr,

    /// Ports that tasks may be given.
    #[arg(long, env = "PROFFER_PORTS", default_value = "31000-32000", value_parser = parse_ports)]
    pub ports: proffer_resources::Ranges,

    /// Attributes of this agent, as `rack:r1;zone:a`.
    #[arg(long, env = "PROFFER_ATTRIBUTES", default_value = "", value_parser = parse_attributes)]
    pub attributes: Attributes,

    /// How long a sandbox is kept after its task ended: a number with ms, s, m, h, d or w.
    #[arg(long, env = "PROFFER_SANDBOX_RETENTION", default_value = "1w", value_parser = parse_duration)]
    pub sandbox_retention: Duration,

    /// How large stdout and stderr of a task may grow before they are rotated.
    #[arg(long, env = "PROFFER_LOG_MAX_BYTES", default_value = "10Mi", value_parser = parse_bytes)]
    pub log_max_bytes: u64,

    /// How many files are kept of stdout and of stderr: stdout, stdout.1, and so on.
    #[arg(long, env = "PROFFER_LOG_FILES", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub log_files: u32,

    /// Most processes and threads of one task.
    #[arg(long, env = "PROFFER_TASK_PIDS_LIMIT", default_value_t = 1024, value_parser = clap::value_parser!(u64).range(8..))]
    pub task_pids_limit: u64,

    /// User of tasks that name none.
    #[arg(long, env = "PROFFER_TASK_USER", default_value = "nobody")]
    pub task_user: String,

    /// Whether tasks may run as root.
    #[arg(long, env = "PROFFER_ALLOW_ROOT_TASKS", default_value_t = false, action = clap::ArgAction::Set,
          num_args = 0..=1, default_missing_value = "true")]
    pub allow_root_tasks: bool,

    /// Directories that every task sees, as `path-in-agent:path-in-task[:ro]`.
    #[arg(long = "task-mount", env = "PROFFER_TASK_MOUNTS", value_delimiter = ',', value_parser = parse_task_mount)]
    pub task_mounts: Vec<TaskMount>,

    /// Which messages are logged, in tracing's filter syntax.
    #[arg(long, env = "PROFFER_LOG", default_value = "info")]
    pub log: String,

    /// Form of the log.
    #[arg(long, env = "PROFFER_LOG_FORMAT", default_value = "json")]
    pub log_format: LogFormat,

    /// Namespace of this pod.
    #[arg(long, env = "POD_NAMESPACE", default_value = "proffer-system", hide = true)]
    pub namespace: String,
}

/// Form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For a person at a terminal.
    Text,
}

/// Names and values, in order.
pub type Attributes = std::collections::BTreeMap<String, String>;

/// A directory that every task sees.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TaskMount {
    /// Where it is in the agent's container.
    pub source: PathBuf,
    /// Where tasks see it.
    pub target: String,
    /// Whether tasks may not write there.
    pub read_only: bool,
}

impl Args {
    /// Where the controllers' agent link is.
    #[must_use]
    pub fn controller(&self) -> String {
        self.controller.clone().unwrap_or_else(|| format!("proffer-controller.{}.svc:5052", self.namespace))
    }

    /// Name in the controllers' certificate.
    #[must_use]
    pub fn server_name(&self) -> String {
        self.server_name.clone().unwrap_or_else(|| format!("proffer-controller.{}.svc", self.namespace))
    }
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let millis = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "w" => 604_800_000,
        _ => return Err("write a number with ms, s, m, h, d or w, such as 12h".to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| "write a number with ms, s, m, h, d or w, such as 12h".to_owned())?;
    number.checked_mul(millis).map(Duration::from_millis).ok_or_else(|| "that is too long".to_owned())
}

fn parse_bytes(text: &str) -> Result<u64, String> {
    // The reader of plain numbers: that of bytes rounds to thousandths of a MiB.
    let bytes = quantity::parse_cpu(text).map_err(|error| error.to_string())?.thousandths() / 1000;
    if bytes < 4096 { Err("write at least 4Ki".to_owned()) } else { Ok(bytes) }
}

/// Mesos' form, whose brackets may be left out.
fn parse_ports(text: &str) -> Result<proffer_resources::Ranges, String> {
    let ports: proffer_resources::Ranges =
        if text.starts_with('[') { text.parse() } else { format!("[{text}]").parse() }
            .map_err(|error: proffer_resources::ParseRangesError| error.to_string())?;
    match ports.as_pairs() {
        [(first, _), .., (_, last)] | [(first, last)] if *first == 0 || *last > u64::from(u16::MAX) => {
            Err("ports are 1 to 65535".to_owned())
        }
        _ => Ok(ports),
    }
}

fn parse_attributes(text: &str) -> Result<Attributes, String> {
    let parts = text.split(';').map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| match part.split_once(':') {
            Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.trim().to_owned())),
            _ => Err(format!("{part:?} is no attribute: write name:value;name:value")),
        })
        .collect()
}

fn parse_task_mount(text: &str) -> Result<TaskMount, String> {
    let wrong = || format!("{text:?} is no mount: write /path/in/agent:/path/in/task, with :ro for read-only");
    let (paths, read_only) = match text.strip_suffix(":ro") {
        Some(paths) => (paths, true),
        None => (text, false),
    };
    let (source, target) = paths.split_once(':').ok_or_else(wrong)?;
    let plain = target.starts_with('/') && target.len() > 1 && !target.contains(':');
    let inside = target.split('/').skip(1).all(|part| !matches!(part, "" | "." | ".."));
    if !source.starts_with('/') || !plain || !inside {
        return Err(wrong());
    }
    Ok(TaskMount { source: PathBuf::from(source), target: target.to_owned(), read_only })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[test]
    fn the_defaults_are_those_of_the_documentation() {
        let args = Args::try_parse_from(["proffer-agent"]).unwrap();
        assert_eq!(args.controller(), "proffer-controller.proffer-system.svc:5052");
        assert_eq!(args.server_name(), "proffer-controller.proffer-system.svc");
        assert_eq!(args.sandbox_retention, Duration::from_hours(168));
        assert_eq!(args.log_max_bytes, 10 * 1024 * 1024);
        assert_eq!((args.log_files, args.allow_root_tasks, args.ports.len()), (2, false, 1001));
    }

    #[test]
    fn wrong_values_are_refused() {
        for arguments in [
            ["--sandbox-retention", "1"],
            ["--sandbox-retention", "1y"],
            ["--log-max-bytes", "1"],
            ["--log-files", "0"],
            ["--attributes", "rack"],
            ["--task-mount", "/a"],
            ["--task-mount", "a:/b"],
            ["--task-mount", "/a:/b/../c"],
            ["--ports", "x"],
        ] {
            let arguments = ["proffer-agent"].into_iter().chain(arguments);
            assert!(Args::try_parse_from(arguments.clone()).is_err(), "{:?}", arguments.collect::<Vec<_>>());
        }
    }

    #[test]
    fn mounts_and_attributes_are_read() {
        let args = Args::try_parse_from([
            "proffer-agent",
            "--task-mount",
            "/srv/a:/a,/srv/b:/data/b:ro",
            "--attributes",
            "rack:r1; zone:a",
            "--allow-root-tasks",
        ])
        .unwrap();
        assert_eq!(args.task_mounts.len(), 2);
        assert_eq!(args.task_mounts[1].target, "/data/b");
        assert!(args.task_mounts[1].read_only && !args.task_mounts[0].read_only && args.allow_root_tasks);
        assert_eq!(args.attributes.len(), 2);
    }
}
