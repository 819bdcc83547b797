//! The event stream of the operator API: everything as it is, then what happens.
//!
//! ```text
//!  registry ── changes, and everything at a subscriber's place among them ──▶ hub ──▶ subscribers, each with a queue
//! ```
//!
//! The hub is a task that runs while there are subscribers. It makes each event once, writes it once in each encoding, and
//! hands it to those who may see it. A subscriber's first event takes a while to write; what happens meanwhile waits.

mod news;

use super::super::Master;
use super::super::authorize::Sight;
use super::super::encoding::Encoding;
use super::super::stream::{self, End, HEARTBEAT_INTERVAL, Record, RecordSender, Records, Terms};
use super::super::view::{Snapshot, View};
use super::large;
use crate::registry::{Everything, Followed, Registry};
use axum::http::{HeaderMap, StatusCode};
use news::News;
use proffer_master::Epoch;
use proffer_mesos_api::v1::master::{Event, event};
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;

/// Most subscribers; the oldest makes room for one more (Mesos: `max_operator_event_stream_subscribers`).
const MOST_SUBSCRIBERS: usize = 1000;
/// Most bytes of events that wait for one subscriber.
const MOST_WAITING: usize = 16 << 20;
/// Most events that wait for a subscriber's first one to be written.
const MOST_BACKLOG: usize = 65_536;
/// Changes that wait for the hub. Should it fall behind by more, all subscribers are to begin again.
const MOST_CHANGES: usize = 65_536;
/// How often it is looked at anew what a subscriber may see.
const REVIEWED_EVERY: Duration = Duration::from_mins(1);

/// Who follows the event stream.
#[derive(Clone, Debug, Default)]
pub struct Subscribers(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    count: AtomicUsize,
}

/// What the hub is to take up.
#[derive(Debug, Default)]
struct Waiting {
    /// The hub's channel. The registry holds it; when it lets it go, the hub ends.
    hub: Option<mpsc::WeakSender<Followed>>,
    next: u64,
    joining: HashMap<u64, Subscriber>,
}

/// One subscriber.
#[derive(Debug)]
struct Subscriber {
    number: u64,
    encoding: Encoding,
    sight: Sight,
    sender: RecordSender,
    /// Events that wait for the first one; nothing once it is sent.
    backlog: Option<Vec<Record>>,
}

/// What the hub hears of a subscriber.
enum Word {
    /// Its first event is written.
    First(u64, Record),
    /// It went, or is to go.
    Over(u64),
}

impl Subscribers {
    /// How many there are.
    pub(in crate::http) fn count(&self) -> usize {
        self.0.count.load(Ordering::Relaxed)
    }

    /// One more. Returns the stream that it is to read; nothing if the hub cannot take it up now.
    pub(super) fn join(
        &self,
        registry: &Arc<Registry>,
        epoch: Epoch,
        sight: Sight,
        encoding: Encoding,
    ) -> Option<Joined> {
        let heartbeat = Event { r#type: Some(event::Type::Heartbeat.into()), ..Event::default() };
        let (sender, records) = stream::open(Terms {
            most_waiting: MOST_WAITING,
            heartbeat: Record::new(&encoding.encode(&heartbeat)),
            every: HEARTBEAT_INTERVAL,
            // The operator API has no event for errors: the stream just ends, as Mesos' does.
            too_slow: None,
        });
        let mut waiting = self.0.lock();
        let number = waiting.next;
        waiting.next += 1;
        let subscriber = Subscriber { number, encoding, sight, sender: sender.clone(), backlog: Some(Vec::new()) };
        waiting.joining.insert(number, subscriber);
        let running = waiting.hub.as_ref().and_then(mpsc::WeakSender::upgrade);
        if running.is_some_and(|hub| registry.follow(&hub, number, true)) {
            return Some(Joined { sender, records });
        }
        let (hub, changes) = mpsc::channel(MOST_CHANGES);
        waiting.hub = Some(hub.downgrade());
        if !registry.follow(&hub, number, false) {
            waiting.joining.remove(&number);
            return None;
        }
        let (words, heard) = mpsc::unbounded_channel();
        let hub = Hub {
            shared: Arc::clone(&self.0),
            registry: Arc::clone(registry),
            epoch,
            subscribers: VecDeque::new(),
            words,
        };
        tokio::spawn(hub.run(changes, heard));
        Some(Joined { sender, records })
    }
}

/// What a new subscriber reads, and the other end of it.
pub(super) struct Joined {
    sender: RecordSender,
    /// The answer's body.
    pub(super) records: Records,
}

impl Joined {
    /// Ends the stream as soon as its subscriber may see something else than at its beginning.
    pub(super) fn review(&self, master: Master, headers: HeaderMap, peer: IpAddr, sight: Sight) {
        let sender = self.sender.clone();
        tokio::spawn(async move {
            while tokio::time::timeout(REVIEWED_EVERY, sender.over()).await.is_err() {
                match master.sight(&headers, peer).await {
                    Ok(now) if now == sight => {}
                    // Who cannot be asked now is asked again.
                    Err(refused) if refused.status() == StatusCode::SERVICE_UNAVAILABLE => {}
                    Ok(_) | Err(_) => sender.finish(None),
                }
            }
        });
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hands events to subscribers.
struct Hub {
    shared: Arc<Shared>,
    registry: Arc<Registry>,
    epoch: Epoch,
    /// The oldest first.
    subscribers: VecDeque<Subscriber>,
    words: mpsc::UnboundedSender<Word>,
}

impl Hub {
    async fn run(mut self, mut changes: mpsc::Receiver<Followed>, mut heard: mpsc::UnboundedReceiver<Word>) {
        while !self.rests() {
            tokio::select! {
                followed = changes.recv() => match followed {
                    Some(Followed::Everything(number, everything)) => self.take_up(number, *everything),
                    Some(change) => self.tell(&change),
                    // It fell behind, or another one took over.
                    None => break,
                },
                Some(word) = heard.recv() => self.hear(word),
            }
        }
        self.subscribers.iter().for_each(|subscriber| subscriber.sender.finish(None));
        self.shared.count.fetch_sub(self.subscribers.len(), Ordering::Relaxed);
    }

    /// Whether nobody is there and nobody comes. Who comes later finds that there is no hub.
    fn rests(&self) -> bool {
        if !self.subscribers.is_empty() {
            return false;
        }
        let mut waiting = self.shared.lock();
        let rests = waiting.joining.is_empty();
        if rests {
            waiting.hub = None;
        }
        rests
    }

    fn take_up(&mut self, number: u64, everything: Everything) {
        let Some(subscriber) = self.shared.lock().joining.remove(&number) else { return };
        if self.subscribers.len() >= MOST_SUBSCRIBERS
            && let Some(oldest) = self.subscribers.pop_front()
        {
            oldest.sender.finish(None);
            self.shared.count.fetch_sub(1, Ordering::Relaxed);
        }
        let (words, epoch, encoding) = (self.words.clone(), self.epoch, subscriber.encoding);
        let (sight, sender) = (subscriber.sight.clone(), subscriber.sender.clone());
        tokio::spawn(async move {
            let written = tokio::task::spawn_blocking(move || first(everything, epoch, &sight, encoding)).await;
            if let Ok(record) = written {
                // The hub has ended only if the stream has, too.
                let _ = words.send(Word::First(number, record));
                let _: End = sender.over().await;
            }
            let _ = words.send(Word::Over(number));
        });
        self.subscribers.push_back(subscriber);
        self.shared.count.fetch_add(1, Ordering::Relaxed);
    }

    fn hear(&mut self, word: Word) {
        match word {
            Word::First(number, record) => {
                let subscriber = self.subscribers.iter_mut().find(|subscriber| subscriber.number == number);
                let Some(subscriber) = subscriber else { return };
                let backlog = subscriber.backlog.take().unwrap_or_default();
                // Whether that went well shows in the stream's end.
                let _ = std::iter::once(record).chain(backlog).try_for_each(|record| subscriber.sender.send(record));
            }
            Word::Over(number) => self.remove(|subscriber| subscriber.number == number),
        }
    }

    fn tell(&mut self, change: &Followed) {
        let Some(news) = News::of(change, &self.registry) else { return };
        let mut over = false;
        for subscriber in self.subscribers.iter_mut().filter(|subscriber| news.may_be_seen(&subscriber.sight)) {
            let record = news.record(subscriber.encoding);
            match &mut subscriber.backlog {
                Some(backlog) if backlog.len() < MOST_BACKLOG => backlog.push(record),
                Some(_) => {
                    subscriber.sender.finish(None);
                    over = true;
                }
                None => over |= subscriber.sender.send(record).is_err(),
            }
        }
        if over {
            self.remove(|subscriber| subscriber.sender.is_over());
        }
    }

    fn remove(&mut self, which: impl Fn(&Subscriber) -> bool) {
        let before = self.subscribers.len();
        self.subscribers.retain(|subscriber| {
            let goes = which(subscriber);
            if goes {
                subscriber.sender.finish(None);
            }
            !goes
        });
        self.shared.count.fetch_sub(before - self.subscribers.len(), Ordering::Relaxed);
    }
}

fn first(everything: Everything, epoch: Epoch, sight: &Sight, encoding: Encoding) -> Record {
    let snapshot = Snapshot::of(everything, epoch);
    let view = View::of(&snapshot, sight);
    Record::new(&large::subscribed(&view, HEARTBEAT_INTERVAL.as_secs_f64(), encoding))
}
