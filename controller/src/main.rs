//! Entry point of the controller.

use clap::Parser;
use proffer_controller::args::{Arguments, Command};
use proffer_controller::{check, logging, wiring};

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match arguments.command {
        Some(Command::Check(check)) => check::run(&check),
        None => {
            let levels = logging::start(&arguments.run)?;
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(wiring::run(arguments.run, levels))
        }
    }
}
