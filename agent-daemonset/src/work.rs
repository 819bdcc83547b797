//! What takes time, each in a task or thread of its own; the driver is told when it is done.

use crate::driver::{Driver, Input, count_launch};
use crate::files;
use crate::launcher::{Launcher, Prepared, ended};
use crate::metrics::Metrics;
use proffer_agent::{Action, Event, Found, LaunchTimes, Order, Process};
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

/// Bounds of the wait between two looks for the slot.
const SLOT_RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// Launches that are carried out at the same time; others wait. More would only make each of them slower.
const PARALLEL_LAUNCHES: usize = 16;
/// How long a starting agent waits for its slot before it looks what became of its tasks: as a rule it is there.
const SLOT_PATIENCE: Duration = Duration::from_secs(5);

/// How long a task that was made ready is kept so. As a rule its launch comes after one write to the API server.
const PREPARED_FOR: Duration = Duration::from_secs(5);
/// Most tasks that are kept ready.
const MOST_PREPARED: usize = 16;

/// A task being made ready: locked while that is under way; then what came of it, for who takes it first.
type Preparation = Arc<tokio::sync::Mutex<Option<Prepared>>>;

/// Tasks that are made ready to be launched, by UID.
#[derive(Clone, Default)]
struct Preparations(Arc<Mutex<HashMap<String, Preparation>>>);

impl Preparations {
    /// A new one, locked; `None` if there is one for this task, or too many are there.
    fn begin(&self, uid: &str) -> Option<(Preparation, tokio::sync::OwnedMutexGuard<Option<Prepared>>)> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST_PREPARED || all.contains_key(uid) {
            return None;
        }
        let preparation = Preparation::default();
        let locked = Arc::clone(&preparation).try_lock_owned().ok()?;
        all.insert(uid.to_owned(), Arc::clone(&preparation));
        Some((preparation, locked))
    }

    /// That of a task, for its launch.
    fn take(&self, uid: &str) -> Option<Preparation> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(uid)
    }

    /// This one is over.
    fn end(&self, uid: &str, preparation: &Preparation) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.get(uid).is_some_and(|known| Arc::ptr_eq(known, preparation)) {
            all.remove(uid);
        }
    }
}

/// Starts what the core asks for.
pub(crate) struct Work {
    launcher: Arc<Launcher>,
    driver: Driver,
    metrics: Arc<Metrics>,
    orders: Arc<Mutex<HashMap<String, Instant>>>,
    /// Looks for the slot and watches it.
    slot: Option<JoinHandle<()>>,
    /// True once the first look has been taken.
    slot_settled: watch::Sender<bool>,
    permits: Arc<Semaphore>,
    preparations: Preparations,
}

impl Work {
    pub(crate) fn new(
        launcher: Arc<Launcher>,
        driver: Driver,
        metrics: Arc<Metrics>,
        orders: &Arc<Mutex<HashMap<String, Instant>>>,
    ) -> Self {
        let slot_settled = watch::Sender::new(true);
        let permits = Arc::new(Semaphore::new(PARALLEL_LAUNCHES));
        Self {
            launcher,
            driver,
            metrics,
            orders: Arc::clone(orders),
            slot: None,
            slot_settled,
            permits,
            preparations: Preparations::default(),
        }
    }

    /// Comes back when the slot that is looked for was found, or was not for a while.
    pub(crate) async fn slot_settled(&self) {
        let mut settled = self.slot_settled.subscribe();
        let _ = tokio::time::timeout(SLOT_PATIENCE, settled.wait_for(|settled| *settled)).await;
    }

    pub(crate) fn start(&mut self, action: Action) {
        match action {
            Action::AttachSlot { pod_uid, pod_ip } => {
                self.leave_slot();
                self.slot_settled.send_replace(false);
                let keep = keep_slot(
                    Arc::clone(&self.launcher),
                    self.driver.clone(),
                    self.slot_settled.clone(),
                    pod_uid,
                    pod_ip,
                );
                self.slot = Some(tokio::spawn(keep));
            }
            Action::LeaveSlot => self.leave_slot(),
            Action::Prepare { order, sandbox } => self.prepare(order, sandbox),
            Action::Spawn { order, sandbox } => self.spawn(*order, sandbox),
            Action::Adopt { uid, process } => self.adopt(uid, process),
            Action::Signal { uid, signal } => {
                tracing::info!(task = uid, ?signal, "signalling a task");
                self.launcher.signal(&uid, signal);
            }
            Action::CleanUp { uid } => {
                let launcher = Arc::clone(&self.launcher);
                tokio::task::spawn_blocking(move || launcher.clean_up(&uid));
            }
            Action::RemoveSandbox { uid, sandbox } => {
                let (launcher, driver) = (Arc::clone(&self.launcher), self.driver.clone());
                tokio::task::spawn_blocking(move || match launcher.sandboxes.remove(&sandbox) {
                    Ok(()) => driver.send(Input::Event(Event::SandboxRemoved { uid })),
                    Err(error) => tracing::warn!(sandbox, %error, "cannot remove a sandbox; trying again later"),
                });
            }
            Action::RemoveVolume { volume } => {
                let (launcher, driver) = (Arc::clone(&self.launcher), self.driver.clone());
                tokio::task::spawn_blocking(move || {
                    let problem = launcher.volumes.remove(&volume).err().map(|error| error.to_string());
                    tracing::info!(role = volume.role, id = volume.id, problem, "removing a volume");
                    driver.send(Input::Event(Event::VolumeRemoved { volume, problem }));
                });
            }
            Action::ServeFile { request, sandbox } => {
                let (launcher, driver) = (Arc::clone(&self.launcher), self.driver.clone());
                tokio::task::spawn_blocking(move || {
                    driver.send(Input::FileReply(files::serve(&launcher.sandboxes, &sandbox, &request)));
                });
            }
            // The driver's own.
            Action::Checkpoint { .. } | Action::Send(_) | Action::Reconnect { .. } => {}
        }
    }

    fn adopt(&self, uid: String, process: Process) {
        if let Some(pidfd) = self.launcher.adopt(&uid, process) {
            self.watch(uid, pidfd);
            return;
        }
        // It has ended between the look and now.
        let (launcher, driver) = (Arc::clone(&self.launcher), self.driver.clone());
        tokio::task::spawn_blocking(move || {
            if let Found::Ended(exit) = launcher.find(&uid, Some(process), false) {
                driver.send(Input::Event(Event::Exited { uid, exit }));
            }
        });
    }

    fn leave_slot(&mut self) {
        if let Some(task) = self.slot.take() {
            task.abort();
        }
        self.launcher.set_slot(None);
    }

    fn spawn(&self, order: Order, sandbox: String) {
        let (launcher, driver, metrics) = (Arc::clone(&self.launcher), self.driver.clone(), Arc::clone(&self.metrics));
        let orders = Arc::clone(&self.orders);
        let durable = Instant::now();
        let runtime = tokio::runtime::Handle::current();
        let permits = Arc::clone(&self.permits);
        let preparation = self.preparations.take(&order.task.uid);
        let launch = move |prepared: Option<Prepared>| {
            let uid = order.task.uid.clone();
            let came = orders.lock().unwrap_or_else(PoisonError::into_inner).remove(&uid).unwrap_or(durable);
            let started = launcher.spawn(&order, &sandbox, prepared);
            count_launch(&metrics, started.is_ok(), came.elapsed());
            match started {
                Ok(started) => {
                    let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
                    let times = LaunchTimes {
                        checkpoint_micros: micros(durable.duration_since(came)),
                        spawn_micros: micros(durable.elapsed()),
                    };
                    let pidfd = launcher.keep(&uid, started.pidfd);
                    driver.send(Input::Event(Event::Spawned { uid: uid.clone(), process: started.process, times }));
                    runtime.spawn(report_exit(launcher, driver, uid, pidfd));
                }
                Err(failure) => driver.send(Input::Event(Event::SpawnFailed { uid, failure })),
            }
        };
        tokio::spawn(async move {
            let prepared = match preparation {
                Some(preparation) => preparation.lock().await.take(),
                None => None,
            };
            // The semaphore is never closed.
            let _permit = permits.acquire().await;
            if let Err(error) = tokio::task::spawn_blocking(move || launch(prepared)).await {
                tracing::error!(%error, "a launch was not carried out");
            }
        });
    }

    /// Has a task made ready, unless there is more than that to do. If it is not launched soon, that is taken back.
    fn prepare(&self, order: Box<Order>, sandbox: String) {
        let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else { return };
        let uid = order.task.uid.clone();
        let Some((preparation, mut outcome)) = self.preparations.begin(&uid) else { return };
        let (launcher, preparations) = (Arc::clone(&self.launcher), self.preparations.clone());
        tokio::spawn(async move {
            let prepare = {
                let launcher = Arc::clone(&launcher);
                move || launcher.prepare(order, sandbox)
            };
            *outcome = tokio::task::spawn_blocking(prepare).await.unwrap_or_default();
            drop((outcome, permit));
            tokio::time::sleep(PREPARED_FOR).await;
            // A launch that comes meanwhile waits for this, and then finds the place clean.
            let mut outcome = preparation.lock().await;
            if let Some(prepared) = outcome.take() {
                tracing::info!(task = uid, "made ready and not launched: taken back");
                let dismiss = move || launcher.dismiss(prepared);
                if let Err(error) = tokio::task::spawn_blocking(dismiss).await {
                    tracing::error!(task = uid, %error, "cannot take back what was made ready");
                }
            }
            preparations.end(&uid, &preparation);
        });
    }

    fn watch(&self, uid: String, pidfd: Arc<OwnedFd>) {
        tokio::spawn(report_exit(Arc::clone(&self.launcher), self.driver.clone(), uid, pidfd));
    }
}

/// Tells how a task ended, when it has.
async fn report_exit(launcher: Arc<Launcher>, driver: Driver, uid: String, pidfd: Arc<OwnedFd>) {
    ended(Arc::clone(&pidfd)).await;
    let tell = move || {
        let exit = launcher.exit_of(&uid, &pidfd);
        driver.send(Input::Event(Event::Exited { uid, exit }));
    };
    if let Err(error) = tokio::task::spawn_blocking(tell).await {
        tracing::error!(%error, "cannot tell how a task ended");
    }
}

/// Looks for the slot, watches it, and looks again when its container has ended.
async fn keep_slot(
    launcher: Arc<Launcher>,
    driver: Driver,
    settled: watch::Sender<bool>,
    pod_uid: String,
    pod_ip: String,
) {
    let mut wait = SLOT_RETRY.0;
    loop {
        let attempt = {
            let (launcher, pod_uid) = (Arc::clone(&launcher), pod_uid.clone());
            tokio::task::spawn_blocking(move || launcher.attach(&pod_uid)).await
        };
        let message = match attempt {
            Ok(Ok(slot)) => {
                let slot = Arc::new(slot);
                launcher.set_slot(Some(Arc::clone(&slot)));
                driver.send(Input::Event(Event::SlotAttached { pod_uid: pod_uid.clone(), pod_ip: pod_ip.clone() }));
                settled.send_replace(true);
                wait = SLOT_RETRY.0;
                slot.ended().await;
                "the slot's container has ended".to_owned()
            }
            Ok(Err(error)) => {
                let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
                format!("{error}{cause}")
            }
            Err(error) => error.to_string(),
        };
        driver.send(Input::Event(Event::SlotDetached { pod_uid: pod_uid.clone(), message }));
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(SLOT_RETRY.1);
    }
}
