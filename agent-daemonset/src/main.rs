//! `proffer-agent`: the agent of one node.

use clap::Parser;
use proffer_agent_daemonset::args::Args;
use proffer_agent_daemonset::run;

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    run::start_logging(&args)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let result = runtime.block_on(run::run(args));
    // What still runs in threads is recovered by the next agent process, as after a crash.
    runtime.shutdown_background();
    result
}
