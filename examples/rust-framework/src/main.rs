//! A complete framework: runs some copies of a command to their end, and again those that fail.
#![allow(clippy::print_stdout, reason = "what becomes of the copies is for people to read")]

use anyhow::{Result, bail};
use clap::Parser;
use proffer_scheduler_sdk::resources::{free_thousandths, scalar, thousandths};
use proffer_scheduler_sdk::v1::{CommandInfo, FrameworkInfo, Offer, TaskId, TaskInfo, TaskState, TaskStatus};
use proffer_scheduler_sdk::{Credentials, Driver, Event, MasterUrl, Scheduler, Settings};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Not to be offered the same again for an hour, unless we ask (REVIVE).
const REFUSE_SECONDS: f64 = 3600.0;

#[derive(Parser)]
struct Args {
    /// Where masters are, as host:port or a URL; with commas between them
    #[arg(long, default_value = "127.0.0.1:5050", value_delimiter = ',')]
    master: Vec<MasterUrl>,
    /// How many copies to run
    #[arg(long, default_value_t = 1)]
    copies: usize,
    /// How often a copy that fails is started again
    #[arg(long, default_value_t = 3)]
    restarts: u32,
    /// Cores for each copy
    #[arg(long, default_value_t = 0.1)]
    cpus: f64,
    /// MiB of memory for each copy
    #[arg(long, default_value_t = 32.0)]
    mem: f64,
    /// A file with a bearer token
    #[arg(long)]
    token_file: Option<PathBuf>,
    /// PEM of the authority that signed the master's certificate
    #[arg(long)]
    ca_file: Option<PathBuf>,
    /// The command, for /bin/sh -c
    command: String,
}

struct Copies {
    args: Args,
    /// Copies that want to be started.
    waiting: Vec<usize>,
    /// The copies' tasks.
    live: BTreeMap<String, usize>,
    /// How often each copy was started.
    starts: Vec<u32>,
    finished: usize,
}

impl Copies {
    fn fits(&self, offer: &Offer, taken: usize) -> bool {
        let needed = i64::try_from(taken + 1).unwrap_or(i64::MAX);
        let has = |name, each| free_thousandths(&offer.resources, name) >= needed.saturating_mul(thousandths(each));
        has("cpus", self.args.cpus) && has("mem", self.args.mem)
    }

    fn task(&mut self, copy: usize, offer: &Offer) -> TaskInfo {
        self.starts[copy] += 1;
        let name = format!("copy-{copy}-{}", self.starts[copy]);
        self.live.insert(name.clone(), copy);
        TaskInfo {
            task_id: TaskId { value: name.clone() },
            name,
            agent_id: offer.agent_id.clone(),
            resources: vec![scalar("cpus", self.args.cpus), scalar("mem", self.args.mem)],
            command: Some(CommandInfo { value: Some(self.args.command.clone()), ..Default::default() }),
            ..Default::default()
        }
    }

    /// Starts what fits on an offer, and declines what is left.
    async fn offered(&mut self, scheduler: &Scheduler, offer: Offer) {
        let mut tasks = Vec::new();
        while self.fits(&offer, tasks.len())
            && let Some(copy) = self.waiting.pop()
        {
            tasks.push(self.task(copy, &offer));
        }
        let names: Vec<_> = tasks.iter().map(|task| task.name.clone()).collect();
        let result = if tasks.is_empty() {
            scheduler.decline([offer.id], Some(REFUSE_SECONDS)).await
        } else {
            scheduler.launch(offer.id, tasks, Some(REFUSE_SECONDS)).await
        };
        if let Err(error) = result {
            // Should a task have been started all the same, its updates find no copy and are left alone.
            println!("the offer is lost: {error}");
            self.waiting.extend(names.iter().filter_map(|name| self.live.remove(name)));
        }
    }

    async fn updated(&mut self, scheduler: &Scheduler, status: TaskStatus) -> Result<()> {
        let name = &status.task_id.value;
        println!("{name}: {} {}", status.state().as_str_name(), status.message());
        if let TaskState::TaskStaging | TaskState::TaskStarting | TaskState::TaskRunning = status.state() {
            return Ok(());
        }
        let Some(copy) = self.live.remove(name) else { return Ok(()) };
        if status.state() == TaskState::TaskFinished {
            self.finished += 1;
        } else if self.starts[copy] > self.args.restarts {
            bail!("copy {copy} failed {} times", self.starts[copy]);
        } else {
            self.waiting.push(copy);
            // Without a subscription there are no filters either; the next one brings offers.
            let _ = scheduler.revive(Vec::new()).await;
        }
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let framework = FrameworkInfo {
        user: "nobody".to_owned(),
        name: "rust-framework".to_owned(),
        failover_timeout: Some(60.0),
        ..Default::default()
    };
    let mut settings = Settings::new(args.master.clone(), framework);
    settings.credentials = args.token_file.clone().map_or(Credentials::None, Credentials::BearerFile);
    settings.tls.ca_file.clone_from(&args.ca_file);
    let (scheduler, mut events) = Driver::start(&settings)?;
    let (waiting, starts) = ((0..args.copies).collect(), vec![0; args.copies]);
    let mut copies = Copies { args, waiting, live: BTreeMap::new(), starts, finished: 0 };
    let mut result = Ok(());
    while result.is_ok() && copies.finished < copies.args.copies {
        let event = tokio::select! { event = events.next() => event?, _ = tokio::signal::ctrl_c() => break };
        match event {
            Event::Subscribed(subscribed) => println!("subscribed as {}", subscribed.framework_id.value),
            Event::Disconnected(why) => println!("disconnected: {why}"),
            Event::Offers(offers) => {
                for offer in offers {
                    copies.offered(&scheduler, offer).await;
                }
            }
            Event::Update(status) => result = copies.updated(&scheduler, *status).await,
            _ => {}
        }
    }
    scheduler.teardown().await?;
    println!("{} of {} copies finished", copies.finished, copies.args.copies);
    result
}
