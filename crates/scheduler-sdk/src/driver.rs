//! Carries out what the session decides.

use crate::events::{Ended, Events};
use crate::http::{Client, Lane, follow};
use crate::scheduler::{Scheduler, Shared};
use crate::session::{Effect, Input, Notice, Policy, Session, Subscription};
use crate::{Event, Settings, calls};
use std::collections::VecDeque;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// How many events are read before they are looked at.
const READ_AHEAD: usize = 16;

/// A driver cannot be started with these settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// There is no master to ask.
    #[error("no master is named")]
    NoMaster,
    /// No event could ever be delivered.
    #[error("the queue has no room for an event")]
    NoQueue,
    /// The framework has neither name nor user, which masters refuse.
    #[error("the framework needs a name and a user")]
    NoName,
}

/// The driver: a task that holds the subscription.
#[derive(Debug)]
pub struct Driver {
    session: Session,
    started: Instant,
    client: Arc<Client>,
    shared: Arc<Shared>,
    publish: watch::Sender<Option<Subscription>>,
    /// The stream that is being followed.
    stream: Option<AbortHandle>,
    /// What it tells; little room, so that reading stops when nobody takes the events.
    inputs: (mpsc::Sender<Input>, mpsc::Receiver<Input>),
    notices: mpsc::UnboundedReceiver<Notice>,
    queue: mpsc::Sender<Event>,
    /// Events that the queue had no room for yet: few, since the stream is not read meanwhile.
    undelivered: VecDeque<Event>,
    ended: watch::Sender<Option<Ended>>,
}

impl Driver {
    /// Starts a driver on the current tokio runtime: the calls, and the events.
    ///
    /// It ends by [`Scheduler::stop`] or [`Scheduler::teardown`], when the events are dropped, or when the master says so.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn start(settings: &Settings) -> Result<(Scheduler, Events), StartError> {
        if settings.masters.is_empty() {
            return Err(StartError::NoMaster);
        }
        if settings.queue == 0 {
            return Err(StartError::NoQueue);
        }
        if settings.framework.name.is_empty() || settings.framework.user.is_empty() {
            return Err(StartError::NoName);
        }
        let client = Arc::new(Client::new(settings));
        let (publish, subscription) = watch::channel(None);
        let (notify, notices) = mpsc::unbounded_channel();
        let (queue, events) = mpsc::channel(settings.queue);
        let (ended, end) = watch::channel(None);
        let shared = Arc::new(Shared {
            subscription,
            notify,
            calls: Lane::new(Arc::clone(&client)),
            acknowledgements: Lane::new(Arc::clone(&client)),
            ended: end,
        });
        let events = Events::new(events, settings.acknowledgement, &shared);
        let scheduler = Scheduler::new(Arc::clone(&shared), events.acknowledger());
        let session = Session::new(Policy::new(settings), Duration::ZERO, RandomState::new().hash_one(0_u8));
        let driver = Self {
            session,
            started: Instant::now(),
            client,
            shared,
            publish,
            stream: None,
            inputs: mpsc::channel(READ_AHEAD),
            notices,
            queue,
            undelivered: VecDeque::new(),
            ended,
        };
        tokio::spawn(driver.run());
        Ok((scheduler, events))
    }

    async fn run(mut self) {
        let queue = self.queue.clone();
        while self.ended.borrow().is_none() {
            let held = !self.undelivered.is_empty();
            let deadline = self.session.deadline().map(|deadline| self.started + deadline);
            let input = tokio::select! {
                permit = queue.reserve(), if held => match permit {
                    Ok(permit) => {
                        if let Some(event) = self.undelivered.pop_front() {
                            permit.send(event);
                        }
                        if !self.undelivered.is_empty() {
                            continue;
                        }
                        Input::Held(false)
                    }
                    Err(_) => Input::Notice(Notice::Stop),
                },
                () = queue.closed() => Input::Notice(Notice::Stop),
                Some(notice) = self.notices.recv() => Input::Notice(notice),
                Some(input) = self.inputs.1.recv(), if !held => input,
                () = until(deadline) => Input::Time,
            };
            self.take(input);
        }
        if let Some(stream) = self.stream.take() {
            stream.abort();
        }
        // What the queue has no room for now, the scheduler may still want.
        for event in self.undelivered {
            if queue.send(event).await.is_err() {
                break;
            }
        }
    }

    fn take(&mut self, input: Input) {
        let was_held = !self.undelivered.is_empty();
        let now = self.started.elapsed();
        for effect in self.session.handle(now, input) {
            self.carry_out(effect);
        }
        if !was_held && !self.undelivered.is_empty() {
            for effect in self.session.handle(now, Input::Held(true)) {
                self.carry_out(effect);
            }
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Subscribe { attempt, master, call, within } => {
                tracing::debug!(%master, "subscribing");
                let client = Arc::clone(&self.client);
                let inputs = self.inputs.0.clone();
                let stream = tokio::spawn(async move {
                    follow(&client, attempt, &master, &call, within, &inputs).await;
                });
                if let Some(earlier) = self.stream.replace(stream.abort_handle()) {
                    earlier.abort();
                }
            }
            Effect::Close(_) => {
                if let Some(stream) = self.stream.take() {
                    stream.abort();
                }
            }
            Effect::Publish(subscription) => {
                self.publish.send_replace(subscription);
            }
            Effect::Deliver(event) => {
                if let Event::Disconnected(why) = &event {
                    tracing::warn!(why, "the subscription is lost");
                }
                // After those that wait already.
                let kept = if self.undelivered.is_empty() {
                    self.queue.try_send(event).map_err(mpsc::error::TrySendError::into_inner).err()
                } else {
                    Some(event)
                };
                self.undelivered.extend(kept);
            }
            Effect::Reconcile(attempt, tasks) => {
                let shared = Arc::clone(&self.shared);
                tokio::spawn(async move {
                    if let Err(error) = shared.call(calls::reconcile(tasks.clone())).await {
                        tracing::warn!(error = &error as &dyn std::error::Error, "RECONCILE did not get through");
                        shared.tell(Notice::ReconcileFailed(attempt, tasks));
                    }
                });
            }
            Effect::End(ended) => {
                tracing::debug!(%ended, "the driver ends");
                self.ended.send_replace(Some(ended));
            }
        }
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
