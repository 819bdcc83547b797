//! `cargo xtask down`: takes a cluster down and checks that nothing is left of it.

use anyhow::Result;
use clap::Args;
use proffer_e2e::cluster::Cluster;
use proffer_e2e::cluster::local::known_clusters;
use proffer_e2e::steps::Steps;

use crate::cluster_options::ClusterOptions;

/// Take a cluster down and check that nothing is left of it
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    cluster: ClusterOptions,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let steps = Steps::on_stderr();
    Cluster::down(&arguments.cluster.options(), &steps)?;
    let others = known_clusters();
    if !others.is_empty() {
        steps.note(&format!("still up, under other names: {} (down --name <name>)", others.join(", ")));
    }
    Ok(())
}
