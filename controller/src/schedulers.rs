//! The schedulers that are subscribed, as HTTP and the runner both see them.
//!
//! The runner enters what the master decides; HTTP looks up whose stream a call came with, and so can answer without
//! waiting for the master's loop.

use crate::http::encoding::Encoding;
use crate::http::stream::{End, HEARTBEAT_INTERVAL, Record, RecordSender, Records, Terms, open};
use proffer_master::Connection;
use proffer_mesos_api::v1::scheduler::{Event, event};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// Most bytes of events that wait for one scheduler. One that lets more wait is told so and disconnected.
const MOST_WAITING: usize = 16 << 20;

/// Why a call is refused before the master hears of it, in Mesos' words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// 400.
    Bad(String),
    /// 403.
    Forbidden(&'static str),
}

/// A stream that was opened for a scheduler.
pub(crate) struct Opened {
    /// Its name for the master.
    pub(crate) connection: Connection,
    /// Its name for the scheduler.
    pub(crate) stream_id: String,
    /// The body of the answer.
    pub(crate) records: Records,
    /// The end to send by.
    pub(crate) sender: RecordSender,
}

/// The schedulers that are subscribed. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Schedulers(Arc<Mutex<Table>>);

#[derive(Debug, Default)]
struct Table {
    /// By framework ID.
    frameworks: HashMap<String, Known>,
    streams: HashMap<Connection, Stream>,
    /// Those who wait for the answer to an `UPDATE_FRAMEWORK`.
    updates: HashMap<u64, oneshot::Sender<Result<(), String>>>,
    last: u64,
}

#[derive(Debug)]
struct Known {
    principal: Option<String>,
    connection: Option<Connection>,
}

#[derive(Debug)]
struct Stream {
    id: String,
    encoding: Encoding,
    sender: RecordSender,
}

impl Schedulers {
    /// Opens a stream for a scheduler that wants to subscribe.
    pub(crate) fn open(&self, encoding: Encoding) -> Opened {
        let error = |message: &str| record(encoding, &error_event(message));
        let (sender, records) = open(Terms {
            most_waiting: MOST_WAITING,
            heartbeat: record(encoding, &of_type(event::Type::Heartbeat)),
            every: HEARTBEAT_INTERVAL,
            too_slow: Some(error("Events come faster than they are read: subscribe again and reconcile")),
        });
        let stream_id = uuid::Uuid::new_v4().to_string();
        let mut table = self.lock();
        table.last += 1;
        let connection = Connection(table.last);
        table.streams.insert(connection, Stream { id: stream_id.clone(), encoding, sender: sender.clone() });
        Opened { connection, stream_id, records, sender }
    }

    /// Waits until a stream is over, and forgets it.
    pub(crate) async fn over(&self, connection: Connection, sender: RecordSender) -> End {
        let end = sender.over().await;
        self.forget_stream(connection);
        end
    }

    /// Ends a stream, with a last word.
    pub(crate) fn end(&self, connection: Connection, error: Option<&str>) {
        // Not under the lock: a body that ends may drop what it holds.
        let Some((sender, encoding)) =
            self.lock().streams.get(&connection).map(|stream| (stream.sender.clone(), stream.encoding))
        else {
            return;
        };
        sender.finish(error.map(|error| record(encoding, &error_event(error))));
        self.forget_stream(connection);
    }

    /// Mesos' checks of a call, in its order and its words. The stream that the framework is subscribed by, if all is well.
    pub(crate) fn check(
        &self,
        framework_id: &str,
        principal: Option<&str>,
        stream_id: Option<&str>,
    ) -> Result<Connection, Refused> {
        let table = self.lock();
        let Some(known) = table.frameworks.get(framework_id) else {
            return Err(Refused::Bad("Framework cannot be found".to_owned()));
        };
        let owner = known.principal.as_deref();
        if let Some(principal) = principal.filter(|principal| Some(*principal) != owner) {
            let owner = owner.unwrap_or_default();
            return Err(Refused::Bad(format!(
                "Authenticated principal '{principal}' does not match principal '{owner}' set in `FrameworkInfo`"
            )));
        }
        let stream = known.connection.and_then(|connection| Some((connection, table.streams.get(&connection)?)));
        let Some((connection, stream)) = stream else {
            return Err(Refused::Forbidden("Framework is not subscribed"));
        };
        match stream_id {
            None => Err(Refused::Bad("All non-subscribe calls should include the 'Mesos-Stream-Id' header".to_owned())),
            Some(id) if id == stream.id => Ok(connection),
            Some(id) => Err(Refused::Bad(format!(
                "The stream ID '{id}' included in this request didn't match the stream ID currently associated with \
                 framework ID {framework_id}"
            ))),
        }
    }

    /// Names a question to the master, and where its answer comes.
    pub(crate) fn ask(&self) -> (u64, oneshot::Receiver<Result<(), String>>) {
        let (answer, answered) = oneshot::channel();
        let mut table = self.lock();
        table.last += 1;
        let asked = table.last;
        table.updates.insert(asked, answer);
        (asked, answered)
    }

    /// The master knows a framework of this ID.
    pub(crate) fn know(&self, framework_id: String, principal: Option<String>) {
        let mut table = self.lock();
        let known = table.frameworks.entry(framework_id).or_insert(Known { principal: None, connection: None });
        known.principal = principal;
    }

    /// The master knows no framework of this ID any more.
    pub(crate) fn forget(&self, framework_id: &str) {
        self.lock().frameworks.remove(framework_id);
    }

    /// A framework is subscribed by this stream.
    pub(crate) fn subscribed(&self, connection: Connection, framework_id: &str) {
        if let Some(known) = self.lock().frameworks.get_mut(framework_id) {
            known.connection = Some(connection);
        }
    }

    /// Sends an event; dropped if the stream is over, which is told by itself.
    pub(crate) fn notify(&self, connection: Connection, event: &Event) {
        let stream = self.lock().streams.get(&connection).map(|stream| (stream.sender.clone(), stream.encoding));
        if let Some((sender, encoding)) = stream {
            let _ = sender.send(record(encoding, event));
        }
    }

    /// Hands an answer to whoever waits for it.
    pub(crate) fn answer(&self, asked: u64, answer: Result<(), String>) {
        if let Some(asker) = self.lock().updates.remove(&asked) {
            // One who does not wait any more does not matter.
            let _ = asker.send(answer);
        }
    }

    fn forget_stream(&self, connection: Connection) {
        let mut table = self.lock();
        // Dropped after the lock is.
        let stream = table.streams.remove(&connection);
        for known in table.frameworks.values_mut().filter(|known| known.connection == Some(connection)) {
            known.connection = None;
        }
        drop(table);
        drop(stream);
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn record(encoding: Encoding, event: &Event) -> Record {
    Record::new(&encoding.encode(event))
}

fn of_type(kind: event::Type) -> Event {
    Event { r#type: Some(kind.into()), ..Event::default() }
}

fn error_event(message: &str) -> Event {
    Event { error: Some(event::Error { message: message.to_owned() }), ..of_type(event::Type::Error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_checked_in_the_order_of_mesos() {
        let schedulers = Schedulers::default();
        let bad = |text: &str| Err(Refused::Bad(text.to_owned()));
        let no_header = "All non-subscribe calls should include the 'Mesos-Stream-Id' header";
        assert_eq!(schedulers.check("F", None, None), bad("Framework cannot be found"));
        schedulers.know("F".to_owned(), Some("p".to_owned()));
        assert_eq!(
            schedulers.check("F", Some("q"), None),
            bad("Authenticated principal 'q' does not match principal 'p' set in `FrameworkInfo`")
        );
        let not_subscribed = Err(Refused::Forbidden("Framework is not subscribed"));
        assert_eq!(schedulers.check("F", Some("p"), Some("x")), not_subscribed);
        let opened = schedulers.open(Encoding::Json);
        schedulers.subscribed(opened.connection, "F");
        assert_eq!(schedulers.check("F", None, None), bad(no_header));
        assert_eq!(
            schedulers.check("F", Some("p"), Some("x")),
            bad("The stream ID 'x' included in this request didn't match the stream ID currently associated with \
                 framework ID F")
        );
        assert_eq!(schedulers.check("F", Some("p"), Some(&opened.stream_id)), Ok(opened.connection));
        schedulers.end(opened.connection, None);
        assert_eq!(schedulers.check("F", Some("p"), Some(&opened.stream_id)), not_subscribed);
        schedulers.forget("F");
        assert_eq!(schedulers.check("F", None, None), bad("Framework cannot be found"));
    }
}
