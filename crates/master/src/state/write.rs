//! Writes that were asked for and not answered yet.

use crate::ids::{AgentName, ObjectKey, OfferId, TaskId};

/// What a write is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Write {
    /// A task's newest state, which nothing waits for.
    Note(TaskId),
    /// A task's placement, which its launch waits for.
    Launch(TaskId),
    /// The placement of a task whose object went meanwhile.
    LaunchOfStray(AgentName, TaskId),
    /// A task's terminal state, which its acknowledgement waits for.
    Ending(TaskId),
    /// What a Reservation object asks for, its creation or its deletion.
    Reservation(String),
    /// The creation of an Offer object.
    Offer(OfferId),
    /// The creation of an Offer object that asks to leave an agent.
    InverseOffer(OfferId),
    /// The creation of a task that runs already.
    Creation(TaskId),
    /// The spec of a framework, which a subscription or an update of it waits for.
    Framework(ObjectKey),
}
