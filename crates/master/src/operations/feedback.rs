//! What became of an operation that its framework gave a name (Mesos: operation feedback).

use crate::event::Delivery;
use crate::ids::{AgentName, ObjectKey};
use crate::master::Master;
use proffer_resources::ResourceBag;

/// How an operation ended (Mesos: `OperationState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationState {
    /// It was carried out.
    Finished,
    /// It is not valid.
    Error,
    /// It was valid and could not be carried out.
    Dropped,
}

/// What a framework is told of an operation that it named.
#[derive(Clone, Debug, PartialEq)]
pub struct OperationUpdate {
    /// The name.
    pub operation: String,
    /// How it ended.
    pub state: OperationState,
    /// Why, for a person; empty if it was carried out.
    pub message: String,
    /// The agent on which it was carried out; `None` if it never got that far.
    pub agent: Option<AgentName>,
    /// What it made.
    pub converted: ResourceBag,
    /// Names this update: it is told again until it is acknowledged by that.
    pub uuid: [u8; 16],
}

impl Master {
    /// An operation ended. If its framework gave it a name, that is told, and remembered until it is acknowledged.
    pub(crate) fn operation_ended(
        &mut self,
        framework: &ObjectKey,
        agent: Option<&AgentName>,
        id: Option<String>,
        state: OperationState,
        message: &str,
        converted: ResourceBag,
    ) {
        let Some(operation) = id else { return };
        self.last_update += 1;
        let uuid = (u128::from(self.epoch().0) << 64 | u128::from(self.last_update)).to_be_bytes();
        let agent = agent.cloned();
        let update = OperationUpdate { operation, state, message: message.to_owned(), agent, converted, uuid };
        self.tell_operation(framework, &update);
        self.framework_mut(framework).operations.insert(update.operation.clone(), update);
    }

    /// Tells a framework what became of an operation.
    pub(crate) fn tell_operation(&mut self, framework: &ObjectKey, update: &OperationUpdate) {
        match self.delivery_to(framework) {
            // The offer's own status says it.
            Some(Delivery::Objects) | None => {}
            Some(Delivery::Stream) => self.send_operation_update(framework, update),
        }
    }

    /// A framework knows what became of an operation: it is not told again.
    pub(crate) fn acknowledge_operation(&mut self, framework: &ObjectKey, operation: &str, uuid: &[u8]) {
        let Some(known) = self.frameworks.get_mut(framework) else { return };
        if known.operations.get(operation).is_some_and(|update| update.uuid == uuid) {
            known.operations.remove(operation);
        }
    }
}
