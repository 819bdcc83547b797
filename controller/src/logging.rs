//! Logs, and what a panic does.

use crate::args::{LogFormat, RunArguments};
use anyhow::Context;
use tracing_subscriber::EnvFilter;

/// Starts to write logs to stderr. A panic from now on is logged and ends the process: half a controller is none.
pub fn start(arguments: &RunArguments) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&arguments.log).with_context(|| {
        format!("--log {:?} is no filter: write info, or info,proffer_controller=debug", arguments.log)
    })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    match arguments.log_format {
        LogFormat::Json => builder.json().flatten_event(true).init(),
        LogFormat::Text => builder.init(),
    }
    std::panic::set_hook(Box::new(|panic| {
        let backtrace = std::backtrace::Backtrace::force_capture();
        tracing::error!(%panic, %backtrace, "panic: this is a bug in Proffer, please report it");
        std::process::abort();
    }));
    Ok(())
}
