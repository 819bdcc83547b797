//! What a scheduler is told.

use crate::v1;
use v1::scheduler::event;

/// What a scheduler is told. Heartbeats are the driver's own business.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The framework is subscribed, for the first time or again. Calls are possible from now on; offers from before are
    /// void.
    Subscribed(Subscribed),
    /// The stream is lost, for this reason. Outstanding offers are void; tasks go on. The driver subscribes again.
    Disconnected(String),
    /// New offers (OFFERS): each is to be accepted or declined.
    Offers(Vec<v1::Offer>),
    /// Requests to give resources back (`INVERSE_OFFERS`).
    InverseOffers(Vec<v1::InverseOffer>),
    /// An offer is void from now on (RESCIND).
    Rescind(v1::OfferId),
    /// An inverse offer is void from now on (`RESCIND_INVERSE_OFFER`).
    RescindInverseOffer(v1::OfferId),
    /// The state of a task (UPDATE).
    Update(Box<v1::TaskStatus>),
    /// The state of an offer operation (`UPDATE_OPERATION_STATUS`).
    UpdateOperationStatus(Box<v1::OperationStatus>),
    /// What an executor sends (MESSAGE).
    Message {
        /// The executor's agent.
        agent_id: v1::AgentId,
        /// The executor.
        executor_id: v1::ExecutorId,
        /// Its bytes, which mean something to the framework alone.
        data: Vec<u8>,
    },
    /// An agent is gone, or an executor ended (FAILURE).
    Failure {
        /// The agent that is gone, or the executor's.
        agent_id: Option<v1::AgentId>,
        /// The executor that ended; nothing if the agent is gone.
        executor_id: Option<v1::ExecutorId>,
        /// The executor's status as waitpid gives it.
        status: Option<i32>,
    },
}

/// A subscription has begun.
#[derive(Clone, Debug, PartialEq)]
pub struct Subscribed {
    /// The framework's ID: what a later process needs to take the framework over.
    pub framework_id: v1::FrameworkId,
    /// The leading master, if it told.
    pub master: Option<v1::MasterInfo>,
    /// Whether the framework was known by an ID before, so that it may have tasks.
    pub again: bool,
}

/// What the driver itself acts upon.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Received {
    Subscribed(event::Subscribed),
    Heartbeat,
    Error(String),
    /// For the scheduler.
    Event(Event),
    /// A type that this driver does not know, or one without its body.
    Other,
}

impl From<v1::scheduler::Event> for Received {
    fn from(wire: v1::scheduler::Event) -> Self {
        use event::Type;
        let event = match wire.r#type() {
            Type::Unknown => None,
            Type::Heartbeat => return Self::Heartbeat,
            Type::Subscribed => return wire.subscribed.map_or(Self::Other, Self::Subscribed),
            Type::Error => return wire.error.map_or(Self::Other, |error| Self::Error(error.message)),
            Type::Offers => wire.offers.map(|body| Event::Offers(body.offers)),
            Type::InverseOffers => wire.inverse_offers.map(|body| Event::InverseOffers(body.inverse_offers)),
            Type::Rescind => wire.rescind.map(|body| Event::Rescind(body.offer_id)),
            Type::RescindInverseOffer => {
                wire.rescind_inverse_offer.map(|body| Event::RescindInverseOffer(body.inverse_offer_id))
            }
            Type::Update => wire.update.map(|body| Event::Update(Box::new(body.status))),
            Type::UpdateOperationStatus => {
                wire.update_operation_status.map(|body| Event::UpdateOperationStatus(Box::new(body.status)))
            }
            Type::Message => wire.message.map(|body| Event::Message {
                agent_id: body.agent_id,
                executor_id: body.executor_id,
                data: body.data,
            }),
            Type::Failure => wire.failure.map(|body| Event::Failure {
                agent_id: body.agent_id,
                executor_id: body.executor_id,
                status: body.status,
            }),
        };
        event.map_or(Self::Other, Self::Event)
    }
}
