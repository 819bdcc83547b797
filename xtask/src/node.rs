//! `cargo xtask node`: what happens to nodes, for trying out by hand what tests do.

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};
use proffer_e2e::cluster::Cluster;
use proffer_e2e::steps::Steps;

use crate::cluster_options::ClusterOptions;

/// Cut a node's power or network, bring it back, or run a command on it
#[derive(Args)]
pub(crate) struct Arguments {
    /// What to do
    #[arg(value_enum)]
    action: Action,

    /// The node, for example node2
    node: String,

    /// The command of `run`, after `--`
    #[arg(last = true)]
    command: Vec<String>,

    #[command(flatten)]
    cluster: ClusterOptions,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq)]
enum Action {
    /// Cut its power: all of its processes end at once, its disk stays
    Off,
    /// Boot it again
    On,
    /// Cut its network cable; what runs on it goes on
    Cut,
    /// Mend its network cable
    Mend,
    /// Run a command on it, as root
    Run,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let steps = Steps::on_stderr();
    let cluster = Cluster::open(&arguments.cluster.options(), &steps)?;
    let (provider, node) = (cluster.provider(), arguments.node.as_str());
    match arguments.action {
        Action::Off => steps.step(&format!("{node} off"), || provider.power_off(node)),
        Action::On => steps.step(&format!("{node} on"), || provider.power_on(node)),
        Action::Cut => steps.step(&format!("{node} cut off"), || provider.set_connected(node, false)),
        Action::Mend => steps.step(&format!("{node} connected"), || provider.set_connected(node, true)),
        Action::Run => {
            ensure!(!arguments.command.is_empty(), "name the command: cargo xtask node run {node} -- ps");
            let command: Vec<&str> = arguments.command.iter().map(String::as_str).collect();
            print!("{}", provider.run_on_node(node, &command)?);
            Ok(())
        }
    }
}
