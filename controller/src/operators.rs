//! Operators whose calls change something: one changes objects at a time, and some wait for the master's answer.

use proffer_master::OperatorProblem;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// What the master says to an operation.
pub(crate) type Answer = Result<(), OperatorProblem>;

/// The operators. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Operators(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    turn: tokio::sync::Mutex<()>,
    asked: Mutex<Asked>,
}

#[derive(Debug, Default)]
struct Asked {
    waiting: HashMap<u64, oneshot::Sender<Answer>>,
    last: u64,
}

/// Whoever has it may look at objects and then change them: no other operator does so meanwhile.
pub(crate) struct Turn<'a>(#[expect(dead_code, reason = "it is held, not read")] tokio::sync::MutexGuard<'a, ()>);

impl Operators {
    /// Waits until no other operator's change is under way, as Mesos' registry takes one at a time.
    pub(crate) async fn turn(&self) -> Turn<'_> {
        Turn(self.0.turn.lock().await)
    }

    /// Names a question to the master, and where its answer comes.
    pub(crate) fn ask(&self) -> (u64, oneshot::Receiver<Answer>) {
        let (answer, answered) = oneshot::channel();
        let mut asked = self.asked();
        asked.last += 1;
        let id = asked.last;
        asked.waiting.insert(id, answer);
        (id, answered)
    }

    /// The master answers a question.
    pub(crate) fn answer(&self, id: u64, answer: Answer) {
        if let Some(waiting) = self.asked().waiting.remove(&id) {
            // Who asked may be gone.
            let _ = waiting.send(answer);
        }
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        // Nothing that holds it can fail half-way.
        self.0.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
