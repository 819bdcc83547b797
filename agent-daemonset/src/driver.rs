//! Drives the core: takes what happens, one at a time, and carries out what it answers.
//!
//! Records are appended to the journal before anything else of the same answer is done; what must wait for the disk
//! waits in a queue until the journal's thread says that it is there.

use crate::journal::{Journal, JournalError};
use crate::launcher::Launcher;
use crate::link::{self, Registration};
use crate::metrics::{LaunchOutcome, Metrics};
use crate::work::Work;
use proffer_agent::{Action, Agent, Effect, Event, FromMaster, MasterCall, Now, Order, Record, ToMaster, WriteId};
use proffer_agent_link::v1;
use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc;

/// Longest wait for the next event: bounds what a changed clock can do to the removal of sandboxes.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// Identity of one stream to a controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Session(u64);

/// What the driver is told.
#[derive(Debug)]
pub enum Input {
    /// For the core.
    Event(Event),
    /// A message that came over a stream.
    Master(Session, FromMaster),
    /// A stream is being opened; what is sent into the channel goes over it.
    Opened(Session, mpsc::UnboundedSender<v1::FromAgent>),
    /// A stream has ended.
    Closed(Session),
    /// The journal is durable up to here.
    Synced(Result<WriteId, io::Error>),
    /// The reply to a file request.
    FileReply(v1::FileReply),
    /// End now; tasks go on.
    Stop,
}

/// A handle to the driver, for whoever has something to tell.
#[derive(Clone, Debug)]
pub struct Driver {
    inputs: mpsc::UnboundedSender<Input>,
    last_session: Arc<AtomicU64>,
    /// The newest session that the core has given up.
    given_up: Arc<AtomicU64>,
}

impl Driver {
    /// A handle, and what its other end is given.
    #[must_use]
    pub fn new() -> (Self, mpsc::UnboundedReceiver<Input>) {
        let (inputs, receiver) = mpsc::unbounded_channel();
        (Self { inputs, last_session: Arc::default(), given_up: Arc::default() }, receiver)
    }

    /// Tells the driver something; after its end nobody listens.
    pub fn send(&self, input: Input) {
        let _ = self.inputs.send(input);
    }

    /// A stream is being opened: the registration is sent into the channel.
    #[must_use]
    pub fn open_session(&self, sender: mpsc::UnboundedSender<v1::FromAgent>) -> Session {
        let session = Session(self.last_session.fetch_add(1, Ordering::Relaxed) + 1);
        self.send(Input::Opened(session, sender));
        session
    }

    /// The stream has ended.
    pub fn close_session(&self, session: Session) {
        self.send(Input::Closed(session));
    }

    /// Whether the core wants this stream to end.
    #[must_use]
    pub fn wants_reconnect(&self, session: Session) -> bool {
        self.given_up.load(Ordering::Relaxed) >= session.0
    }
}

/// The driver's own side.
pub struct Loop {
    /// The core.
    pub agent: Agent,
    /// The checkpoint.
    pub journal: Journal,
    /// Who carries out what takes time.
    pub launcher: Arc<Launcher>,
    /// What registrations say of the agent.
    pub registration: Registration,
    /// Figures.
    pub metrics: Arc<Metrics>,
    /// A handle to itself.
    pub driver: Driver,
    /// What happens.
    pub inputs: mpsc::UnboundedReceiver<Input>,
}

/// What the driver remembers between two inputs.
struct State {
    work: Work,
    started: Instant,
    session: Option<(Session, mpsc::UnboundedSender<v1::FromAgent>)>,
    /// Newest write that is appended.
    appended: WriteId,
    /// Newest write that is durable.
    durable: WriteId,
    /// Newest write for which a sync was asked.
    asked: WriteId,
    waiting: VecDeque<(WriteId, Action)>,
    /// When the orders that are under way came.
    orders: Arc<Mutex<HashMap<String, Instant>>>,
}

impl Loop {
    /// Runs until [`Input::Stop`], or until the journal fails: then tasks go on, and the next agent process recovers.
    pub async fn run(mut self, link: impl Future<Output = ()> + Send + 'static) -> Result<(), JournalError> {
        let orders = Arc::default();
        let work = Work::new(Arc::clone(&self.launcher), self.driver.clone(), Arc::clone(&self.metrics), &orders);
        let mut state = State {
            work,
            started: Instant::now(),
            session: None,
            appended: WriteId::default(),
            durable: WriteId::default(),
            asked: WriteId::default(),
            waiting: VecDeque::new(),
            orders,
        };
        let effects = self.agent.resume();
        self.carry_out(&mut state, effects)?;
        self.recover(&mut state).await?;
        // Not before: a registration tells what runs.
        tokio::spawn(link);
        loop {
            let wait = self.agent.next_wakeup(state.now()).unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT);
            let input = match tokio::time::timeout(wait, self.inputs.recv()).await {
                Ok(Some(Input::Stop) | None) => return Ok(()),
                Ok(Some(input)) => input,
                Err(_) => Input::Event(Event::Tick),
            };
            self.take(&mut state, input)?;
            // They are counted anew each time, so not for each of many inputs.
            if self.inputs.is_empty() {
                self.update_gauges();
            }
        }
    }

    /// Finds out what became of the tasks of the last agent process. The slot is looked for first: tasks are in it.
    async fn recover(&mut self, state: &mut State) -> Result<(), JournalError> {
        let unresolved = self.agent.unresolved();
        // Only these still need what was made for them. A task that had ended does not: the last agent process may have
        // died between its end and the clean-up.
        let needed: HashSet<String> = unresolved.iter().map(|(uid, ..)| uid.clone()).collect();
        let left_behind = self.launcher.recorded().iter().any(|uid| !needed.contains(uid));
        if left_behind || unresolved.iter().any(|(_, _, rebooted)| !rebooted) {
            state.work.slot_settled().await;
        }
        for (uid, process, rebooted) in unresolved {
            let found = self.launcher.find(&uid, process, rebooted);
            tracing::info!(task = uid, ?found, "recovered");
            let effects = self.agent.handle(state.now(), Event::Found { uid, found });
            self.carry_out(state, effects)?;
        }
        if self.agent.running() == 0 {
            self.launcher.userland.remove_others();
        }
        self.launcher.clean_up_others(&needed);
        Ok(())
    }

    fn take(&mut self, state: &mut State, input: Input) -> Result<(), JournalError> {
        let event = match input {
            Input::Event(event) => event,
            Input::Opened(session, sender) => {
                if state.session.is_some() {
                    let effects = self.agent.handle(state.now(), Event::Disconnected);
                    self.carry_out(state, effects)?;
                }
                state.session = Some((session, sender));
                self.metrics.connections.inc();
                Event::Connected
            }
            Input::Closed(session) if state.is_open(session) => {
                state.session = None;
                Event::Disconnected
            }
            Input::Master(session, message) if state.is_open(session) => {
                state.note_order(&message);
                Event::FromMaster(message)
            }
            // Of a stream that is not the current one any more.
            Input::Closed(_) | Input::Master(..) | Input::Stop => return Ok(()),
            Input::Synced(write) => return self.synced(state, write),
            Input::FileReply(reply) => {
                state.reply(reply);
                return Ok(());
            }
        };
        let effects = self.agent.handle(state.now(), event);
        self.carry_out(state, effects)
    }

    fn carry_out(&mut self, state: &mut State, effects: Vec<Effect>) -> Result<(), JournalError> {
        let records: Vec<&Record> = effects
            .iter()
            .filter_map(|effect| match &effect.action {
                Action::Checkpoint { record, .. } => Some(record.as_ref()),
                _ => None,
            })
            .collect();
        if !records.is_empty() {
            self.journal.append(records)?;
        }
        let mut needed = WriteId::default();
        for Effect { after, action } in effects {
            match (action, after) {
                (Action::Checkpoint { write, durable, .. }, _) => {
                    state.appended = write;
                    if durable {
                        needed = write;
                    }
                }
                (action, Some(after)) if after > state.durable => {
                    needed = needed.max(after);
                    state.waiting.push_back((after, action));
                }
                (action, _) => self.act(state, action),
            }
        }
        if needed > state.asked {
            // All that is there goes to the disk together.
            state.asked = state.appended;
            self.journal.sync(state.appended)?;
        }
        if self.journal.is_large() {
            self.journal.compact(&self.agent.records())?;
        }
        Ok(())
    }

    fn synced(&mut self, state: &mut State, write: Result<WriteId, io::Error>) -> Result<(), JournalError> {
        let write = write.map_err(|error| JournalError::Write("journal".into(), error))?;
        self.metrics.journal_syncs.inc();
        state.durable = state.durable.max(write);
        while state.waiting.front().is_some_and(|(after, _)| *after <= state.durable) {
            if let Some((_, action)) = state.waiting.pop_front() {
                self.act(state, action);
            }
        }
        Ok(())
    }

    fn act(&self, state: &mut State, action: Action) {
        match action {
            Action::Checkpoint { .. } => {}
            Action::Send(message) => {
                if matches!(message, ToMaster::StaleEpoch { .. }) {
                    self.metrics.stale_epoch_refused.inc();
                }
                log(&message);
                state.send(link::to_wire(message, &self.registration));
            }
            Action::Reconnect { message } => {
                tracing::warn!(why = message, "closing the link");
                if let Some((session, _)) = state.session.take() {
                    self.driver.given_up.store(session.0, Ordering::Relaxed);
                    self.driver.send(Input::Event(Event::Disconnected));
                }
            }
            action => state.work.start(action),
        }
    }

    fn update_gauges(&self) {
        let gauge = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.metrics.tasks_running.set(gauge(self.agent.running()));
        self.metrics.updates_unacknowledged.set(gauge(self.agent.unacknowledged()));
        self.metrics.registered.set(i64::from(self.agent.is_registered()));
        self.metrics.epoch.set(i64::try_from(self.agent.epoch()).unwrap_or(i64::MAX));
    }
}

impl State {
    fn now(&self) -> Now {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now {
            wall_micros: i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX),
            monotonic: self.started.elapsed(),
            random: uuid::Uuid::new_v4().as_u128(),
        }
    }

    fn is_open(&self, session: Session) -> bool {
        self.session.as_ref().is_some_and(|(open, _)| *open == session)
    }

    fn send(&self, message: v1::FromAgent) {
        if let Some((_, sender)) = &self.session {
            // If the stream has just broken, the core hears of it and sends again what matters.
            let _ = sender.send(message);
        }
    }

    fn reply(&self, reply: v1::FileReply) {
        self.send(v1::FromAgent { message: Some(v1::from_agent::Message::FileReply(reply)) });
    }

    fn note_order(&self, message: &FromMaster) {
        let launched: &[Order] = match &message.call {
            MasterCall::Launch(order) => std::slice::from_ref(order),
            MasterCall::LaunchGroup(orders) => orders,
            _ => return,
        };
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        for order in launched {
            orders.entry(order.task.uid.clone()).or_insert_with(Instant::now);
        }
    }
}

/// What people look for in the log.
fn log(message: &ToMaster) {
    match message {
        ToMaster::Status(update) => tracing::info!(
            task = %update.task,
            state = update.status.state.as_mesos(),
            reason = update.status.reason.map(proffer_mesos_api::Reason::as_mesos),
            detail = update.status.message,
            "status"
        ),
        ToMaster::Slot(slot) => {
            tracing::info!(pod_uid = slot.pod_uid, attached = slot.attached, detail = slot.message, "slot");
        }
        ToMaster::VolumeDestroyed { volume, problem } => {
            tracing::info!(role = volume.role, id = volume.id, problem, "answered the destruction of a volume");
        }
        ToMaster::StaleEpoch { refused, confirmed } => {
            tracing::warn!(refused, confirmed, "refused a message of a lower epoch");
        }
        _ => {}
    }
}

/// Counts how a launch ended.
pub(crate) fn count_launch(metrics: &Metrics, running: bool, took: Duration) {
    metrics.launched(if running { LaunchOutcome::Running } else { LaunchOutcome::Failed });
    if running {
        metrics.launch_seconds.observe(took.as_secs_f64());
    }
}
