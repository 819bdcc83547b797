//! `cargo xtask forward`: keeps a port of this machine connected to the master. `up` starts it in the background.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use proffer_e2e::cluster::Cluster;
use proffer_e2e::forward;
use proffer_e2e::steps::Steps;

use crate::cluster_options::ClusterOptions;

/// Keep a port of 127.0.0.1 connected to the leading controller (`up` does this in the background)
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    cluster: ClusterOptions,

    /// A file to write the port's number into
    #[arg(long)]
    port_file: Option<PathBuf>,
}

/// Runs the command, until it is killed.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let cluster = Cluster::open(&arguments.cluster.options(), &Steps::silent())?;
    let file = arguments.port_file.clone().map_or_else(|| forward::port_file(&cluster), Ok)?;
    forward::serve(&cluster, &file)
}
