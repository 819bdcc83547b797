//! Places for connections: a bounded number, the longest idle given up first.

use super::Limits;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// How long a new connection waits for the place of one that is being given up.
const CHANGE_OVER: Duration = Duration::from_secs(1);

/// Why a connection was closed by this side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Closed {
    /// It said nothing at all.
    Silent,
    /// The head of a request took too long.
    SlowHead,
    /// It made no further request.
    Idle,
    /// It did not take what it was sent.
    Stalled,
    /// It was the one that had been idle longest when there was no place left.
    GivenUp,
    /// There was no place, and nobody was idle.
    NoPlace,
}

impl Closed {
    /// Every reason.
    pub const ALL: [Self; 6] = [Self::Silent, Self::SlowHead, Self::Idle, Self::Stalled, Self::GivenUp, Self::NoPlace];
}

/// Every open connection. Counts what it closed.
#[derive(Debug)]
pub struct Connections {
    limits: Limits,
    places: Arc<Semaphore>,
    /// Connections that have no request under way, by when that began.
    idle: Mutex<BTreeMap<(Instant, u64), Arc<Notify>>>,
    next: AtomicU64,
    closed: [AtomicU64; Closed::ALL.len()],
}

impl Connections {
    /// None yet.
    #[must_use]
    pub fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            places: Arc::new(Semaphore::new(limits.connections)),
            idle: Mutex::default(),
            next: AtomicU64::new(0),
            closed: std::array::from_fn(|_| AtomicU64::new(0)),
        })
    }

    /// How many are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.limits.connections - self.places.available_permits()
    }

    /// How many of them have no request under way.
    #[must_use]
    pub fn idle(&self) -> usize {
        self.lock().len()
    }

    /// How many were closed for this reason so far.
    #[must_use]
    pub fn closed(&self, why: Closed) -> u64 {
        self.closed[why as usize].load(Ordering::Relaxed)
    }

    /// A place for a new connection; nothing if all are taken by connections with requests.
    pub(super) async fn place(self: &Arc<Self>) -> Option<Place> {
        let permit = match Arc::clone(&self.places).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => self.give_one_up().await?,
        };
        let place = Place {
            connections: Arc::clone(self),
            id: self.next.fetch_add(1, Ordering::Relaxed),
            give_up: Arc::default(),
            state: Mutex::new(State { doing: Doing::Resting(Instant::now()), answering: 0, listed: None }),
            changed: Notify::new(),
            _permit: permit,
        };
        place.rests();
        Some(place)
    }

    /// Ends the connection that has been idle longest, and takes its place.
    async fn give_one_up(&self) -> Option<OwnedSemaphorePermit> {
        let longest = self.lock().pop_first();
        if let Some((_, longest)) = longest {
            longest.notify_one();
            self.count(Closed::GivenUp);
            let freed = Arc::clone(&self.places).acquire_owned();
            if let Ok(Ok(permit)) = tokio::time::timeout(CHANGE_OVER, freed).await {
                return Some(permit);
            }
        }
        self.count(Closed::NoPlace);
        None
    }

    fn count(&self, why: Closed) {
        self.closed[why as usize].fetch_add(1, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(Instant, u64), Arc<Notify>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a connection is doing, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    /// It has no request under way.
    Resting(Instant),
    /// It has begun to send one.
    Head(Instant),
    /// It has one under way.
    Answering,
}

/// The place of one connection, which goes with it.
#[derive(Debug)]
pub(super) struct Place {
    connections: Arc<Connections>,
    id: u64,
    /// Told when somebody else is to have the place.
    give_up: Arc<Notify>,
    state: Mutex<State>,
    /// Told when what it does changes.
    changed: Notify,
    _permit: OwnedSemaphorePermit,
}

#[derive(Debug)]
struct State {
    doing: Doing,
    /// Requests under way, or whose answer is not sent yet.
    answering: usize,
    /// Under which time it stands among the idle.
    listed: Option<Instant>,
}

impl Place {
    pub(super) fn limits(&self) -> &Limits {
        &self.connections.limits
    }

    /// Bytes came in. A head that comes byte by byte is no request yet: the connection still counts as idle.
    pub(super) fn heard(&self) {
        let mut state = self.state();
        if let Doing::Resting(_) = state.doing {
            state.doing = Doing::Head(Instant::now());
            drop(state);
            self.changed.notify_one();
        }
    }

    /// A request is there.
    pub(super) fn answers(&self) {
        let mut state = self.state();
        state.answering += 1;
        state.doing = Doing::Answering;
        if let Some(since) = state.listed.take() {
            self.connections.lock().remove(&(since, self.id));
        }
        drop(state);
        self.changed.notify_one();
    }

    /// An answer is sent.
    pub(super) fn answered(&self) {
        let mut state = self.state();
        state.answering = state.answering.saturating_sub(1);
        if state.answering == 0 {
            drop(state);
            self.rests();
        }
    }

    /// Nothing is under way.
    pub(super) fn rests(&self) {
        let now = Instant::now();
        let mut state = self.state();
        state.doing = Doing::Resting(now);
        let mut idle = self.connections.lock();
        if let Some(since) = state.listed.replace(now) {
            idle.remove(&(since, self.id));
        }
        idle.insert((now, self.id), Arc::clone(&self.give_up));
        drop(idle);
        drop(state);
        self.changed.notify_one();
    }

    /// This side closes it.
    pub(super) fn closes(&self, why: Closed) {
        self.connections.count(why);
    }

    /// Returns when somebody else is to have the place.
    pub(super) async fn given_up(&self) {
        self.give_up.notified().await;
    }

    /// Returns when a head or the next request has been waited for long enough.
    pub(super) async fn overdue(&self) -> Closed {
        loop {
            let doing = self.state().doing;
            let (deadline, why) = match doing {
                Doing::Resting(since) => (since + self.limits().idle, Closed::Idle),
                Doing::Head(since) => (since + self.limits().head, Closed::SlowHead),
                Doing::Answering => {
                    self.changed.notified().await;
                    continue;
                }
            };
            tokio::select! {
                () = self.changed.notified() => {}
                () = tokio::time::sleep_until(deadline) => {
                    if self.state().doing == doing {
                        return why;
                    }
                }
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let listed = self.state().listed;
        if let Some(since) = listed {
            self.connections.lock().remove(&(since, self.id));
        }
    }
}
