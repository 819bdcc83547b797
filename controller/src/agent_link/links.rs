//! The agents that are connected now, and the queues to them.

use super::convert::to_agent;
use super::files::Answer;
use crate::leader::Guard;
use crate::runner::Inbox;
use proffer_agent_link::v1;
use proffer_master::{AgentName, Session, ToAgent};
use prost::Message;
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use tokio::sync::{mpsc, oneshot};

/// Most bytes that wait for one agent. An agent that takes them more slowly than they come is disconnected; it dials
/// again and is told anew.
const MOST_WAITING: usize = 64 * 1024 * 1024;

/// What this process is to the agents that dial it.
#[derive(Clone)]
pub enum Standing {
    /// Somebody else leads, or nobody.
    Standby,
    /// This process leads.
    Leader {
        /// Ends the process when it does not lead any more.
        guard: Guard,
        /// Where the master listens.
        inbox: Inbox,
    },
}

/// The agents that are connected.
pub struct Links {
    state: Mutex<State>,
    next_session: AtomicU64,
    pub(super) next_request: AtomicU64,
    master_id: String,
}

#[derive(Default)]
struct State {
    by_session: HashMap<Session, Connection>,
    by_agent: HashMap<AgentName, Session>,
    pub(super) asked: HashMap<u64, (Session, oneshot::Sender<Answer>)>,
}

struct Connection {
    agent: AgentName,
    outgoing: Outgoing,
    end: Option<oneshot::Sender<String>>,
}

impl Links {
    /// No agent yet. `master_id` names this process to agents.
    #[must_use]
    pub fn new(master_id: &str) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            next_session: AtomicU64::new(1),
            next_request: AtomicU64::new(1),
            master_id: master_id.to_owned(),
        })
    }

    /// A connection of an agent begins. Returns its number and what fires when it is to end, with the reason.
    pub(super) fn open(&self, agent: AgentName, outgoing: Outgoing) -> (Session, oneshot::Receiver<String>) {
        let session = Session(self.next_session.fetch_add(1, Ordering::SeqCst));
        let (end, ended) = oneshot::channel();
        let mut state = self.lock();
        state.by_agent.insert(agent.clone(), session);
        state.by_session.insert(session, Connection { agent, outgoing, end: Some(end) });
        (session, ended)
    }

    /// A connection has ended.
    pub(super) fn close(&self, session: Session) {
        let mut state = self.lock();
        if let Some(connection) = state.by_session.remove(&session)
            && state.by_agent.get(&connection.agent) == Some(&session)
        {
            state.by_agent.remove(&connection.agent);
        }
        // Who waits for a file hears by the drop that nobody will answer.
        state.asked.retain(|_, (asked, _)| *asked != session);
    }

    /// Says something to an agent. Never waits. A connection that has ended takes nothing.
    pub fn send(&self, session: Session, message: ToAgent) {
        let message = to_agent(message, &self.master_id);
        self.send_message(session, message);
    }

    /// Ends a connection.
    pub fn disconnect(&self, session: Session, why: &str) {
        if let Some(connection) = self.lock().by_session.get_mut(&session)
            && let Some(end) = connection.end.take()
        {
            let _ = end.send(why.to_owned());
        }
    }

    pub(super) fn send_message(&self, session: Session, message: v1::FromMaster) {
        let full = match self.lock().by_session.get(&session) {
            Some(connection) => connection.outgoing.push(message).is_err(),
            None => return,
        };
        if full {
            self.disconnect(session, "it takes messages more slowly than they come");
        }
    }

    /// Asks an agent something; the answer comes later, or the receiver hears that nobody will answer.
    pub(super) fn ask(&self, agent: &AgentName, request: u64) -> Option<(Session, oneshot::Receiver<Answer>)> {
        let (sender, receiver) = oneshot::channel();
        let mut state = self.lock();
        let session = *state.by_agent.get(agent)?;
        state.asked.insert(request, (session, sender));
        Some((session, receiver))
    }

    /// An agent answered.
    pub(super) fn answered(&self, session: Session, request: u64, answer: Answer) {
        let mut state = self.lock();
        // Only who was asked may answer.
        if state.asked.get(&request).is_some_and(|(asked, _)| *asked == session)
            && let Some((_, sender)) = state.asked.remove(&request)
        {
            let _ = sender.send(answer);
        }
    }

    /// Nobody waits for this answer any more.
    pub(super) fn forget(&self, request: u64) {
        self.lock().asked.remove(&request);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The sending end of an agent's queue.
#[derive(Clone)]
pub(super) struct Outgoing {
    messages: mpsc::UnboundedSender<v1::FromMaster>,
    waiting: Arc<AtomicUsize>,
}

/// The receiving end of an agent's queue: the stream that gRPC sends.
pub struct OutgoingStream {
    messages: mpsc::UnboundedReceiver<v1::FromMaster>,
    waiting: Arc<AtomicUsize>,
}

/// The queue has no room.
#[derive(Debug)]
pub(super) struct Full;

/// A queue bounded by the bytes in it.
pub(super) fn queue() -> (Outgoing, OutgoingStream) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    (Outgoing { messages: sender, waiting: Arc::clone(&waiting) }, OutgoingStream { messages: receiver, waiting })
}

impl Outgoing {
    pub(super) fn push(&self, message: v1::FromMaster) -> Result<(), Full> {
        let bytes = message.encoded_len();
        if self.waiting.fetch_add(bytes, Ordering::SeqCst).saturating_add(bytes) > MOST_WAITING {
            return Err(Full);
        }
        self.messages.send(message).map_err(|_| Full)
    }
}

impl futures::Stream for OutgoingStream {
    type Item = Result<v1::FromMaster, tonic::Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.messages.poll_recv(context).map(|message| {
            let message = message?;
            self.waiting.fetch_sub(message.encoded_len(), Ordering::SeqCst);
            Some(Ok(message))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::StreamExt;
    use proffer_master::Epoch;

    fn agent() -> AgentName {
        AgentName("node1".to_owned())
    }

    #[tokio::test]
    async fn a_message_reaches_its_connection_and_no_other() {
        let links = Links::new("m");
        let (outgoing, mut stream) = queue();
        let (session, _ended) = links.open(agent(), outgoing);
        links.send(Session(999), ToAgent::Ping { epoch: Epoch(1), sequence: 1 });
        links.send(session, ToAgent::Ping { epoch: Epoch(1), sequence: 2 });
        let message = stream.next().await.unwrap().unwrap();
        assert_eq!(message.message, Some(v1::from_master::Message::Ping(v1::Ping { epoch: 1, sequence: 2 })));
    }

    #[tokio::test]
    async fn a_slow_agent_is_disconnected_and_not_buffered_for_without_end() {
        let links = Links::new("m");
        let (outgoing, _stream) = queue();
        let (session, ended) = links.open(agent(), outgoing);
        let large = v1::FromMaster {
            message: Some(v1::from_master::Message::Refused(v1::Refused { message: "x".repeat(1024 * 1024) })),
        };
        for _ in 0..=64 {
            links.send_message(session, large.clone());
        }
        assert_eq!(ended.await.unwrap(), "it takes messages more slowly than they come");
    }

    #[tokio::test]
    async fn only_the_agent_that_was_asked_may_answer() {
        let links = Links::new("m");
        let (first, _) = links.open(agent(), queue().0);
        let (other, _) = links.open(AgentName("node2".to_owned()), queue().0);
        let (session, receiver) = links.ask(&agent(), 5).unwrap();
        assert_eq!(session, first);
        links.answered(other, 5, Answer::Error(404, "no".to_owned()));
        links.close(first);
        assert!(receiver.await.is_err(), "the one that was asked went without an answer");
    }

    #[tokio::test]
    async fn an_earlier_connection_that_ends_late_does_not_hide_the_later_one() {
        let links = Links::new("m");
        let (first, _) = links.open(agent(), queue().0);
        let (second, _) = links.open(agent(), queue().0);
        links.close(first);
        assert_eq!(links.ask(&agent(), 1).unwrap().0, second);
    }
}
