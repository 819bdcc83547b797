//! A framework that runs `true`, on the scheduler SDK.

use crate::samples::Samples;
use anyhow::{Context, Result, bail, ensure};
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use proffer_scheduler_sdk::resources::{free_thousandths, scalar, thousandths};
use proffer_scheduler_sdk::v1::{CommandInfo, FrameworkInfo, Offer, TaskId, TaskInfo, TaskState, TaskStatus};
use proffer_scheduler_sdk::{Credentials, Driver, Event, Events, MasterUrl, Scheduler, Settings};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// What each task asks for.
const CPUS: f64 = 0.01;
const MEM: f64 = 8.0;
/// Tasks launched by one ACCEPT at most.
const AT_A_TIME: usize = 50;

/// A subscribed framework.
pub(super) struct Framework {
    name: String,
    id: String,
    scheduler: Scheduler,
    events: Events,
    launched: usize,
    /// Offers that came while something else was waited for.
    held: Vec<Offer>,
    limit: Duration,
}

impl Framework {
    /// Subscribes.
    pub(super) async fn start(
        name: &str,
        master: &MasterUrl,
        credentials: &Credentials,
        limit: Duration,
    ) -> Result<Self> {
        let info = FrameworkInfo { user: "nobody".to_owned(), name: name.to_owned(), ..FrameworkInfo::default() };
        let mut settings = Settings::new([master.clone()], info);
        settings.credentials = credentials.clone();
        let (scheduler, events) = Driver::start(&settings)?;
        let mut framework =
            Self { name: name.to_owned(), id: String::new(), scheduler, events, launched: 0, held: Vec::new(), limit };
        loop {
            if let Event::Subscribed(subscribed) = framework.next().await? {
                framework.id = subscribed.framework_id.value;
                return Ok(framework);
            }
        }
    }

    /// Ends it.
    pub(super) async fn end(self) -> Result<()> {
        self.scheduler.teardown().await.with_context(|| format!("ending framework {}", self.name))
    }

    /// Has launches not wait for the API server.
    pub(super) async fn write_behind(&self, client: &Client) -> Result<()> {
        let all: Api<proffer_crds::Framework> = Api::all(client.clone());
        let frameworks = all.list(&ListParams::default()).await.context("listing frameworks")?;
        let own = |framework: &&proffer_crds::Framework| {
            let external = framework.spec.scheduler.external.as_ref();
            external.is_some_and(|external| external.framework_id.as_deref() == Some(self.id.as_str()))
        };
        let object =
            frameworks.iter().find(own).with_context(|| format!("no Framework object has the ID {}", self.id))?;
        let namespaced: Api<proffer_crds::Framework> =
            Api::namespaced(client.clone(), &object.namespace().unwrap_or_default());
        let patch = json!({"spec": {"taskDurability": "WriteBehind"}});
        namespaced
            .patch(&object.name_any(), &PatchParams::default(), &Patch::Merge(patch))
            .await
            .map(drop)
            .context("setting taskDurability")
    }

    /// Runs tasks one after the other, and measures from ACCEPT to `TASK_RUNNING`.
    pub(super) async fn one_at_a_time(&mut self, count: usize) -> Result<Samples> {
        let mut samples = Samples::default();
        for _ in 0..count {
            let offer = self.offer().await?;
            let task = self.task(&offer);
            let id = task.task_id.value.clone();
            let started = Instant::now();
            self.scheduler.launch(offer.id, vec![task], Some(0.0)).await?;
            let mut runs = false;
            loop {
                let status = self.update().await?;
                if status.task_id.value != id {
                    continue;
                }
                match checked(&status)? {
                    TaskState::TaskRunning if !runs => {
                        samples.add(started.elapsed());
                        runs = true;
                    }
                    TaskState::TaskFinished => break,
                    _ => {}
                }
            }
        }
        Ok(samples)
    }

    /// Declines offers without a filter, and measures until the next one.
    pub(super) async fn declines(&mut self, count: usize) -> Result<Samples> {
        let mut samples = Samples::default();
        let mut held = std::mem::take(&mut self.held);
        if held.is_empty() {
            held = self.offers().await?;
        }
        for _ in 0..count {
            let started = Instant::now();
            self.scheduler.decline(held.drain(..).map(|offer| offer.id), Some(0.0)).await?;
            held = self.offers().await?;
            samples.add(started.elapsed());
        }
        self.scheduler.decline(held.into_iter().map(|offer| offer.id), Some(0.0)).await?;
        Ok(samples)
    }

    /// Runs tasks to their end, as many at a time as offers hold; says how long that took.
    pub(super) async fn run_all(&mut self, count: usize) -> Result<Duration> {
        let (mut left, mut live, mut started) = (count, BTreeSet::new(), None);
        while left > 0 || !live.is_empty() {
            match self.next().await? {
                Event::Offers(offers) => {
                    started.get_or_insert_with(Instant::now);
                    for offer in offers {
                        let tasks = self.fill(&offer, left);
                        left -= tasks.len();
                        live.extend(tasks.iter().map(|task| task.task_id.value.clone()));
                        if tasks.is_empty() {
                            // As soon as it holds more it is offered again.
                            self.scheduler.decline([offer.id], Some(5.0)).await?;
                        } else {
                            self.scheduler.launch(offer.id, tasks, Some(0.0)).await?;
                        }
                    }
                    if left == 0 {
                        self.scheduler.suppress(Vec::new()).await?;
                    }
                }
                Event::Update(status) if checked(&status)? == TaskState::TaskFinished => {
                    live.remove(&status.task_id.value);
                }
                Event::Disconnected(why) => bail!("framework {} was disconnected: {why}", self.name),
                _ => {}
            }
        }
        Ok(started.map(|started| started.elapsed()).unwrap_or_default())
    }

    /// A call that changes nothing once it was made: how long until it is answered.
    pub(super) async fn call(&self) -> Result<Duration> {
        let started = Instant::now();
        self.scheduler.suppress(Vec::new()).await?;
        Ok(started.elapsed())
    }

    fn fill(&mut self, offer: &Offer, left: usize) -> Vec<TaskInfo> {
        let fit = |name, each| free_thousandths(&offer.resources, name) / thousandths(each);
        let fit = usize::try_from(fit("cpus", CPUS).min(fit("mem", MEM))).unwrap_or_default();
        (0..fit.min(left).min(AT_A_TIME)).map(|_| self.task(offer)).collect()
    }

    fn task(&mut self, offer: &Offer) -> TaskInfo {
        self.launched += 1;
        let name = format!("{}-{}", self.name, self.launched);
        TaskInfo {
            task_id: TaskId { value: name.clone() },
            name,
            agent_id: offer.agent_id.clone(),
            resources: vec![scalar("cpus", CPUS), scalar("mem", MEM)],
            command: Some(CommandInfo { value: Some("true".to_owned()), shell: Some(false), ..CommandInfo::default() }),
            ..TaskInfo::default()
        }
    }

    /// An offer; others that come with it are held, since who declines gets them again at once.
    async fn offer(&mut self) -> Result<Offer> {
        loop {
            if let Some(offer) = self.held.pop() {
                return Ok(offer);
            }
            self.held = self.offers().await?;
        }
    }

    /// Every offer of the next OFFERS.
    async fn offers(&mut self) -> Result<Vec<Offer>> {
        loop {
            if let Event::Offers(offers) = self.next().await? {
                return Ok(offers);
            }
        }
    }

    /// The next update; offers that come before it are held.
    async fn update(&mut self) -> Result<TaskStatus> {
        loop {
            match self.next().await? {
                Event::Offers(offers) => self.held.extend(offers),
                Event::Rescind(offer) => self.held.retain(|held| held.id != offer),
                Event::Update(status) => return Ok(*status),
                _ => {}
            }
        }
    }

    async fn next(&mut self) -> Result<Event> {
        tokio::time::timeout(self.limit, self.events.next())
            .await
            .with_context(|| format!("framework {} has heard nothing for {} s", self.name, self.limit.as_secs()))?
            .with_context(|| format!("framework {}", self.name))
    }
}

/// The state of a task, if it is one that `true` goes through.
fn checked(status: &TaskStatus) -> Result<TaskState> {
    let state = status.state();
    let fine = matches!(
        state,
        TaskState::TaskStaging | TaskState::TaskStarting | TaskState::TaskRunning | TaskState::TaskFinished
    );
    ensure!(fine, "task {} is {}: {}", status.task_id.value, state.as_str_name(), status.message());
    Ok(state)
}
