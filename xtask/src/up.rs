//! `cargo xtask up`: a cluster, with Proffer on it unless `--bare`.

use anyhow::Result;
use clap::Args;
use proffer_e2e::cluster::Cluster;
use proffer_e2e::steps::Steps;
use serde_json::json;

use crate::cluster_options::ClusterOptions;
use crate::install::{self, InstallOptions};
use crate::output::Output;

/// Start a cluster and install Proffer on it; again to install what changed
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    cluster: ClusterOptions,

    /// How many nodes a new cluster gets
    #[arg(long, default_value_t = 3)]
    nodes: u8,

    /// Only the cluster, without Proffer
    #[arg(long)]
    bare: bool,

    #[command(flatten)]
    install: InstallOptions,

    /// A value for the chart, as `helm --set` takes it; may be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,

    #[command(flatten)]
    output: Output,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let steps = Steps::on_stderr();
    let cluster = Cluster::up(&arguments.cluster.with_nodes(arguments.nodes), &steps)?;
    let values: Vec<&str> = arguments.set.iter().map(String::as_str).collect();
    let port =
        if arguments.bare { None } else { Some(install::install(&cluster, &arguments.install, &values, &steps)?) };
    arguments.output.print(|| text(&cluster, port), || facts(&cluster, port))
}

/// What people need to use the cluster.
pub(crate) fn text(cluster: &Cluster, port: Option<u16>) -> String {
    let kubectl = cluster.kubectl();
    let mut lines = vec![format!("export KUBECONFIG={}", kubectl.kubeconfig().display())];
    if let Some(directory) = kubectl.program().parent().filter(|directory| directory.is_absolute()) {
        lines.push(format!("export PATH={}:$PATH   # kubectl", directory.display()));
    }
    if let Some(port) = port {
        lines.push(format!("the master's API: http://127.0.0.1:{port}"));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn facts(cluster: &Cluster, port: Option<u16>) -> serde_json::Value {
    json!({
        "name": cluster.name(),
        "cluster": cluster.origin().to_string(),
        "kubeconfig": cluster.kubectl().kubeconfig(),
        "kubectl": cluster.kubectl().program(),
        "master": port.map(|port| format!("http://127.0.0.1:{port}")),
    })
}
