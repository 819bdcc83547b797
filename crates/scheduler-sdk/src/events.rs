//! The events, as a scheduler takes them.

use crate::scheduler::Shared;
use crate::{Acknowledgement, Event, calls};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// How many acknowledgements may be under way.
const ACKNOWLEDGEMENTS: usize = 1024;

/// Why there are no more events.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// The scheduler stopped the driver. Its framework waits for it for its `failover_timeout`.
    #[error("the driver was stopped")]
    Stopped,
    /// The scheduler ended its framework.
    #[error("the framework was torn down")]
    TornDown,
    /// The master ended the subscription, such as for a framework that is removed, or another scheduler that took it
    /// over. The text is the master's. To subscribe again after this may be wrong; that is the scheduler's to decide.
    #[error("the master ended the subscription: {message}")]
    Error {
        /// What the master said.
        message: String,
    },
    /// The master refused to subscribe the framework.
    #[error("the master refused to subscribe the framework: {status} {body}")]
    Refused {
        /// The status, from 400 to 499.
        status: u16,
        /// What the master said.
        body: String,
    },
    /// No master subscribed the framework for as long as the driver was to be patient.
    #[error("no subscription for {patience:?}: {last}")]
    NoMaster {
        /// How long that was.
        patience: Duration,
        /// Why the last try failed.
        last: String,
    },
}

/// An acknowledgement to be sent, or somebody to be told that all before are sent.
#[derive(Debug)]
pub(crate) enum Acknowledge {
    Call(Box<crate::v1::scheduler::Call>),
    Flush(oneshot::Sender<()>),
}

/// The events of a framework. Dropping it stops the driver.
#[derive(Debug)]
pub struct Events {
    queue: mpsc::Receiver<Event>,
    acknowledgement: Acknowledgement,
    /// The acknowledgement of the update that the scheduler has and may not be done with.
    owed: Option<Box<crate::v1::scheduler::Call>>,
    acknowledger: mpsc::Sender<Acknowledge>,
    shared: Arc<Shared>,
}

impl Events {
    pub(crate) fn new(queue: mpsc::Receiver<Event>, acknowledgement: Acknowledgement, shared: &Arc<Shared>) -> Self {
        let (acknowledger, due) = mpsc::channel(ACKNOWLEDGEMENTS);
        tokio::spawn(acknowledge(Arc::clone(shared), due));
        Self { queue, acknowledgement, owed: None, acknowledger, shared: Arc::clone(shared) }
    }

    pub(crate) fn acknowledger(&self) -> mpsc::Sender<Acknowledge> {
        self.acknowledger.clone()
    }

    /// The next event, when there is one. Asking for it acknowledges the update before, unless that is done by hand.
    ///
    /// May be given up while it waits: no event is lost.
    pub async fn next(&mut self) -> Result<Event, Ended> {
        if self.owed.is_some()
            && let Ok(permit) = self.acknowledger.reserve().await
            && let Some(call) = self.owed.take()
        {
            permit.send(Acknowledge::Call(call));
        }
        let Some(event) = self.queue.recv().await else {
            return Err(self.shared.ended.borrow().clone().unwrap_or(Ended::Stopped));
        };
        if self.acknowledgement == Acknowledgement::Automatic {
            self.owed = match &event {
                Event::Update(status) => calls::acknowledge(status).map(Box::new),
                Event::UpdateOperationStatus(status) => calls::acknowledge_operation_status(status).map(Box::new),
                _ => None,
            };
        }
        Ok(event)
    }
}

/// Sends acknowledgements, apart from other calls so that neither waits for the other.
async fn acknowledge(shared: Arc<Shared>, mut due: mpsc::Receiver<Acknowledge>) {
    while let Some(next) = due.recv().await {
        match next {
            Acknowledge::Call(call) => {
                if let Err(error) = shared.acknowledge(*call).await {
                    // The update comes again.
                    tracing::debug!(error = &error as &dyn std::error::Error, "an acknowledgement did not get through");
                }
            }
            Acknowledge::Flush(done) => {
                // Whoever asked may have given up.
                let _ = done.send(());
            }
        }
    }
}
