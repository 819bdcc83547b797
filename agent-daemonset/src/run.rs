//! Wires everything together.

use crate::args::{Args, LogFormat};
use crate::cgroup::Cgroups;
use crate::driver::{Driver, Input, Loop};
use crate::journal::{self, Journal};
use crate::launcher::{Launcher, Settings};
use crate::link::{self, LinkSettings, Registration};
use crate::metrics::Metrics;
use crate::userland::Userland;
use crate::{http, node, process};
use anyhow::Context;
use proffer_agent::{Agent, Config};
use std::io::IsTerminal;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Sends log lines to standard output.
pub fn start_logging(args: &Args) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&args.log).with_context(|| format!("--log {:?} is no filter", args.log))?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter);
    match args.log_format {
        LogFormat::Json => subscriber.json().flatten_event(true).init(),
        LogFormat::Text => subscriber.with_ansi(std::io::stdout().is_terminal()).init(),
    }
    Ok(())
}

/// Runs the agent until it is told to end. Tasks go on without it.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let meta = args.work_dir.join("meta");
    std::fs::create_dir_all(&meta).with_context(|| format!("cannot make {}", meta.display()))?;
    let boot_id = process::boot_id().context("cannot read the kernel's boot ID")?;

    // What the node has, and what was going on.
    let cgroups = Cgroups::detect(&args.cgroup_root)?;
    let userland = Userland::install(&args.userland, &args.task_mounts, &args.work_dir.join("userland"))?;
    let recovered = journal::read(&meta)?;
    if recovered.torn_bytes > 0 {
        tracing::warn!(bytes = recovered.torn_bytes, "cut off the journal's torn end; a copy is in journal.torn");
    }
    let work_dir = args.work_dir.to_str().context("--work-dir is not UTF-8")?.to_owned();
    let config = Config { work_dir, boot_id: boot_id.clone(), sandbox_retention: args.sandbox_retention };
    let agent = Agent::recover(config, recovered.records);

    // The parts.
    let (driver, inputs) = Driver::new();
    let synced = driver.clone();
    let journal = Journal::create(&meta, &agent.records(), move |write| synced.send(Input::Synced(write)))?;
    let settings = Settings {
        work_dir: args.work_dir.clone(),
        task_user: args.task_user.clone(),
        allow_root_tasks: args.allow_root_tasks,
        pids_limit: args.task_pids_limit,
        log_max_bytes: args.log_max_bytes,
        log_files: args.log_files,
        mounts: args.task_mounts.clone(),
    };
    let launcher = Arc::new(Launcher::new(settings, userland, cgroups, &args.init)?);
    let metrics = Arc::new(Metrics::default());
    let capacity = node::capacity(&args.work_dir, &args.ports);
    tracing::info!(version = env!("CARGO_PKG_VERSION"), %capacity, epoch = agent.epoch(), "starting");
    let registration = Registration { boot_id, capacity, attributes: args.attributes.clone() };
    let link_settings = LinkSettings {
        controller: args.controller(),
        server_name: args.server_name(),
        ca_file: args.ca_file.clone(),
        token_file: args.token_file.clone(),
    };

    // Everything runs from here on.
    finish_removals(Arc::clone(&launcher));
    let listener = http::listen(args.listen).await.with_context(|| format!("cannot listen on {}", args.listen))?;
    tokio::spawn(http::serve(listener, Arc::clone(&metrics)));
    stop_on_signal(&driver)?;
    let link = link::run(link_settings, driver.clone());
    let main = Loop { agent, journal, launcher, registration, metrics, driver, inputs };
    main.run(link).await.context("the journal failed")?;
    tracing::info!("stopping; tasks go on");
    Ok(())
}

/// Removes in the background what is left of volumes that an earlier agent process was removing.
fn finish_removals(launcher: Arc<Launcher>) {
    tokio::task::spawn_blocking(move || {
        if let Err(error) = launcher.volumes.finish_removals() {
            tracing::warn!(%error, "cannot remove what is left of a volume");
        }
    });
}

fn stop_on_signal(driver: &Driver) -> anyhow::Result<()> {
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let mut signals = signal(kind).context("cannot handle signals")?;
        let driver = driver.clone();
        tokio::spawn(async move {
            signals.recv().await;
            driver.send(Input::Stop);
        });
    }
    Ok(())
}
