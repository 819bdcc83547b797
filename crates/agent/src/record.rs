//! What is checkpointed. Read in order, the records give the agent's state again.

use crate::message::{LaunchTimes, Order, Update, Uuid};
use crate::task::Process;
use serde::{Deserialize, Serialize};

/// One checkpointed fact. Later versions may add variants and optional fields; none is ever given another meaning.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// The agent's ID.
    AgentId {
        /// The ID.
        agent_id: String,
    },
    /// The highest epoch.
    Epoch {
        /// The epoch.
        epoch: u64,
    },
    /// The slot that the master named last.
    Slot {
        /// The pod's UID; empty for none.
        pod_uid: String,
        /// The pod's address.
        pod_ip: String,
    },
    /// A task was accepted: from here on it is spawned once or reported as failed.
    Launched {
        /// The order; its command is left out when the task has ended.
        order: Box<Order>,
        /// Its sandbox.
        sandbox: String,
        /// Boot of the node.
        boot_id: String,
        /// UUID of its `TASK_RUNNING`.
        running_uuid: Uuid,
    },
    /// Several facts, all of them or none.
    Together {
        /// The facts, in their order.
        records: Vec<Record>,
    },
    /// A task's command runs.
    Spawned {
        /// UID of the task.
        uid: String,
        /// Its init.
        process: Process,
        /// When, in microseconds since 1970.
        at_micros: i64,
        /// How long it took.
        times: LaunchTimes,
    },
    /// A task is to end.
    Kill {
        /// UID of the task.
        uid: String,
        /// Time from SIGTERM to SIGKILL, in milliseconds.
        grace_millis: u64,
        /// Why, if it is the agent that wants it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        because: Option<String>,
    },
    /// A task has ended.
    Ended {
        /// UID of the task.
        uid: String,
        /// Its last update.
        update: Box<Update>,
    },
    /// An update is acknowledged, and with it all earlier ones of the task.
    Acknowledged {
        /// UID of the task.
        uid: String,
        /// Which update.
        uuid: Uuid,
    },
    /// A sandbox is kept after its task was forgotten (written when the journal is compacted).
    Retained {
        /// The task's last update.
        last: Box<Update>,
    },
    /// A sandbox was removed; nothing of the task is known any more.
    Collected {
        /// UID of the task.
        uid: String,
    },
}
