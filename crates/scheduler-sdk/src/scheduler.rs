//! The calls of a scheduler.

use crate::events::{Acknowledge, Ended};
use crate::http::{Lane, Outcome};
use crate::session::{Notice, Subscription};
use crate::{calls, v1};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};
use v1::scheduler::Call;
use v1::scheduler::call::{self, reconcile, reconcile_operations};

/// Why a call was not carried out, as far as is known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// There is no subscription just now. Offers are void; whatever else it was can be said again after the next
    /// [`crate::Event::Subscribed`].
    #[error("the framework is not subscribed")]
    NotSubscribed,
    /// The master refused it.
    #[error("the master refused the call: {status} {body}")]
    Refused {
        /// The status, such as 400 for a call that is not valid.
        status: u16,
        /// What the master said.
        body: String,
    },
    /// It could not be sent.
    #[error("the call could not be sent: {0}")]
    NotSent(String),
    /// It was sent, but there was no answer: it may or may not have been carried out.
    #[error("the call got no answer: {0}")]
    Unanswered(String),
    /// The update cannot be acknowledged, and need not be: it came from the master itself.
    #[error("the update has no UUID")]
    NothingToAcknowledge,
}

/// What all copies of a [`Scheduler`] have in common with the driver.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) subscription: watch::Receiver<Option<Subscription>>,
    pub(crate) notify: mpsc::UnboundedSender<Notice>,
    pub(crate) calls: Lane,
    pub(crate) acknowledgements: Lane,
    pub(crate) ended: watch::Receiver<Option<Ended>>,
}

impl Shared {
    pub(crate) fn tell(&self, notice: Notice) {
        // A driver that has ended needs to know nothing.
        let _ = self.notify.send(notice);
    }

    pub(crate) async fn call(&self, call: Call) -> Result<(), CallError> {
        self.send(&self.calls, call).await
    }

    pub(crate) async fn acknowledge(&self, call: Call) -> Result<(), CallError> {
        self.send(&self.acknowledgements, call).await
    }

    async fn send(&self, lane: &Lane, call: Call) -> Result<(), CallError> {
        let subscription = || self.subscription.borrow().clone();
        let (subscription, outcome) = lane.call(subscription, call).await.ok_or(CallError::NotSubscribed)?;
        match outcome {
            Outcome::Taken => Ok(()),
            Outcome::NotLeader(location) => {
                self.tell(Notice::NotLeader(subscription.attempt, location));
                Err(CallError::NotSubscribed)
            }
            Outcome::Refused(status, body) => Err(CallError::Refused { status, body }),
            Outcome::NotSent(error) => Err(CallError::NotSent(error.to_string())),
            Outcome::Unanswered(error) => Err(CallError::Unanswered(error.to_string())),
        }
    }
}

/// The calls of a scheduler; all of Mesos' but SUBSCRIBE, which the driver makes. Cheap to copy.
///
/// Calls are sent one after the other, in the order in which they are first awaited. `Ok` is what Mesos' 202 is: the
/// master has taken the call; what comes of it, events tell.
#[derive(Clone, Debug)]
pub struct Scheduler {
    shared: Arc<Shared>,
    acknowledger: mpsc::Sender<Acknowledge>,
}

impl Scheduler {
    pub(crate) fn new(shared: Arc<Shared>, acknowledger: mpsc::Sender<Acknowledge>) -> Self {
        Self { shared, acknowledger }
    }

    /// The framework's ID, while it is subscribed.
    #[must_use]
    pub fn framework_id(&self) -> Option<v1::FrameworkId> {
        self.shared.subscription.borrow().as_ref().map(|subscription| subscription.framework_id.clone())
    }

    /// ACCEPT: takes offers, all of one agent, and does these operations with them. What is left over is declined, for
    /// `refuse_seconds` (nothing: Mesos' 5 s).
    pub async fn accept(
        &self,
        offers: impl IntoIterator<Item = v1::OfferId>,
        operations: Vec<v1::offer::Operation>,
        refuse_seconds: Option<f64>,
    ) -> Result<(), CallError> {
        let launched = calls::launched(&operations);
        let tasks: Vec<_> = launched.iter().map(|(task, _)| task.clone()).collect();
        // Told before, so that an update cannot come first.
        self.shared.tell(Notice::Launching(launched));
        let offer_ids = offers.into_iter().collect();
        let accept = call::Accept { offer_ids, operations, filters: calls::filters(refuse_seconds) };
        let result = self.shared.call(calls::accept(accept)).await;
        if let Err(error) = &result
            && !matches!(error, CallError::Unanswered(_))
        {
            self.shared.tell(Notice::NotLaunched(tasks));
        }
        result
    }

    /// ACCEPT with one LAUNCH: starts these tasks on an offer.
    pub async fn launch(
        &self,
        offer: v1::OfferId,
        tasks: Vec<v1::TaskInfo>,
        refuse_seconds: Option<f64>,
    ) -> Result<(), CallError> {
        let operation = v1::offer::Operation {
            r#type: Some(v1::offer::operation::Type::Launch.into()),
            launch: Some(v1::offer::operation::Launch { task_infos: tasks }),
            ..Default::default()
        };
        self.accept([offer], vec![operation], refuse_seconds).await
    }

    /// DECLINE: gives offers back, not to be offered the same or less of their agents for `refuse_seconds`: at most a
    /// year, 0 for no filter, nothing for Mesos' 5 s.
    pub async fn decline(
        &self,
        offers: impl IntoIterator<Item = v1::OfferId>,
        refuse_seconds: Option<f64>,
    ) -> Result<(), CallError> {
        let offer_ids = offers.into_iter().collect();
        self.shared.call(calls::decline(call::Decline { offer_ids, filters: calls::filters(refuse_seconds) })).await
    }

    /// `ACCEPT_INVERSE_OFFERS`: agrees to give resources back in time.
    pub async fn accept_inverse_offers(
        &self,
        offers: impl IntoIterator<Item = v1::OfferId>,
        refuse_seconds: Option<f64>,
    ) -> Result<(), CallError> {
        let inverse_offer_ids = offers.into_iter().collect();
        let accept = call::AcceptInverseOffers { inverse_offer_ids, filters: calls::filters(refuse_seconds) };
        self.shared.call(calls::accept_inverse_offers(accept)).await
    }

    /// `DECLINE_INVERSE_OFFERS`: does not agree to give resources back.
    pub async fn decline_inverse_offers(
        &self,
        offers: impl IntoIterator<Item = v1::OfferId>,
        refuse_seconds: Option<f64>,
    ) -> Result<(), CallError> {
        let inverse_offer_ids = offers.into_iter().collect();
        let decline = call::DeclineInverseOffers { inverse_offer_ids, filters: calls::filters(refuse_seconds) };
        self.shared.call(calls::decline_inverse_offers(decline)).await
    }

    /// REVIVE: removes filters and suppression of these roles, or of all if none is named.
    pub async fn revive(&self, roles: Vec<String>) -> Result<(), CallError> {
        self.shared.call(calls::revive(roles.clone())).await?;
        self.shared.tell(Notice::Revived(roles));
        Ok(())
    }

    /// SUPPRESS: no offers for these roles, or for all if none is named, until REVIVE; also after subscribing again.
    pub async fn suppress(&self, roles: Vec<String>) -> Result<(), CallError> {
        self.shared.call(calls::suppress(roles.clone())).await?;
        self.shared.tell(Notice::Suppressed(roles));
        Ok(())
    }

    /// KILL: ends a task, with this policy instead of its own if one is given.
    pub async fn kill(
        &self,
        task_id: v1::TaskId,
        agent_id: Option<v1::AgentId>,
        kill_policy: Option<v1::KillPolicy>,
    ) -> Result<(), CallError> {
        self.shared.call(calls::kill(call::Kill { task_id, agent_id, kill_policy })).await
    }

    /// SHUTDOWN: ends an executor with all its tasks.
    pub async fn shutdown(&self, executor_id: v1::ExecutorId, agent_id: v1::AgentId) -> Result<(), CallError> {
        self.shared.call(calls::shutdown(call::Shutdown { executor_id, agent_id })).await
    }

    /// ACKNOWLEDGE: the update has been taken note of; only with [`crate::Acknowledgement::ByHand`].
    pub async fn acknowledge(&self, status: &v1::TaskStatus) -> Result<(), CallError> {
        let call = calls::acknowledge(status).ok_or(CallError::NothingToAcknowledge)?;
        self.shared.acknowledge(call).await
    }

    /// `ACKNOWLEDGE_OPERATION_STATUS`: the same for an offer operation.
    pub async fn acknowledge_operation_status(&self, status: &v1::OperationStatus) -> Result<(), CallError> {
        let call = calls::acknowledge_operation_status(status).ok_or(CallError::NothingToAcknowledge)?;
        self.shared.acknowledge(call).await
    }

    /// RECONCILE: asks for the state of these tasks, or of all that have not ended if none is named.
    pub async fn reconcile(&self, tasks: Vec<reconcile::Task>) -> Result<(), CallError> {
        self.shared.call(calls::reconcile(tasks)).await
    }

    /// `RECONCILE_OPERATIONS`: asks for the state of these operations, or of all if none is named.
    pub async fn reconcile_operations(
        &self,
        operations: Vec<reconcile_operations::Operation>,
    ) -> Result<(), CallError> {
        self.shared.call(calls::reconcile_operations(operations)).await
    }

    /// MESSAGE: sends bytes to an executor; they may get lost.
    pub async fn message(
        &self,
        agent_id: v1::AgentId,
        executor_id: v1::ExecutorId,
        data: Vec<u8>,
    ) -> Result<(), CallError> {
        self.shared.call(calls::message(call::Message { agent_id, executor_id, data })).await
    }

    /// REQUEST: says what is wanted. Mesos' own allocator does not listen.
    pub async fn request(&self, requests: Vec<v1::Request>) -> Result<(), CallError> {
        self.shared.call(calls::request(requests)).await
    }

    /// `UPDATE_FRAMEWORK`: changes what the framework says about itself; its ID is filled in.
    pub async fn update_framework(&self, mut update: call::UpdateFramework) -> Result<(), CallError> {
        update.framework_info.id = self.framework_id();
        self.shared.call(calls::update_framework(update.clone())).await?;
        self.shared.tell(Notice::Updated(Box::new(update)));
        Ok(())
    }

    /// TEARDOWN: ends the framework with all its tasks, and the driver.
    pub async fn teardown(&self) -> Result<(), CallError> {
        // Told before: the master closes the stream at once, which then is no reason to subscribe again.
        self.shared.tell(Notice::TearingDown(true));
        let result = self.shared.call(calls::teardown()).await;
        match &result {
            Ok(()) => {
                self.shared.tell(Notice::TornDown);
                self.ended().await;
            }
            Err(_) => self.shared.tell(Notice::TearingDown(false)),
        }
        result
    }

    /// Stops the driver, once the calls and acknowledgements that are under way are through. The framework and its
    /// tasks go on for the `failover_timeout`, and another driver can take it over by its ID.
    pub async fn stop(&self) {
        let (done, flushed) = oneshot::channel();
        if self.acknowledger.send(Acknowledge::Flush(done)).await.is_ok() {
            // Nobody answers when the acknowledger has ended; then there is nothing to wait for.
            let _ = flushed.await;
        }
        self.shared.calls.drained().await;
        self.shared.tell(Notice::Stop);
        self.ended().await;
    }

    async fn ended(&self) {
        let mut ended = self.shared.ended.clone();
        // An error means that the driver is gone, which is the same.
        let _ = ended.wait_for(Option::is_some).await;
    }
}
