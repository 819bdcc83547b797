//! What is particular to frameworks and tasks of the scheduler API.

use crate::event::StreamTaskObject;
use crate::ids::{AgentName, Connection, TaskId, Time};
use crate::state::Member;
use crate::stream::shares_cgroups;
use proffer_mesos_api::v1::TaskStatus;
use std::collections::BTreeMap;

/// What is particular to a framework that is served over a stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stream {
    /// The stream by which its scheduler is subscribed, while it is.
    pub(crate) connection: Option<Connection>,
    /// Since when it is not, if it ever was.
    pub(crate) disconnected_at: Option<Time>,
    /// Whether it ever was.
    pub(crate) subscribed: bool,
    /// Why it is over for good, if it is.
    pub(crate) completed: Option<String>,
    /// Its newest task of each ID that it gave.
    pub(crate) tasks: BTreeMap<String, TaskId>,
}

/// What is particular to a task that was launched over a stream.
#[derive(Clone, Debug)]
pub(crate) struct StreamTask {
    /// The ID that its framework gave it.
    pub(crate) task_id: String,
    /// The group that it was launched with.
    pub(crate) member: Option<Member>,
    /// The update that its framework has not acknowledged yet.
    pub(crate) pending: Option<Pending>,
    /// UUID of the update that its framework acknowledged last: what comes again of it is not told again.
    pub(crate) acknowledged: Option<Vec<u8>>,
    /// Whether its framework was told that it is lost and takes that for its end. It is told nothing more.
    pub(crate) told_lost: bool,
}

/// An update that waits for its framework's acknowledgement.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    /// The agent that sent it.
    pub(crate) agent: AgentName,
    /// Its UUID.
    pub(crate) uuid: Vec<u8>,
    /// As it is told.
    pub(crate) status: TaskStatus,
}

impl StreamTask {
    /// Nothing was told of it yet.
    pub(crate) fn new(object: StreamTaskObject) -> Self {
        let StreamTaskObject { info, group } = object;
        let member = group.map(|group| Member {
            group: group.id,
            size: group.size,
            shares_cgroups: shares_cgroups(&info),
            executor: info.executor.clone().unwrap_or_default(),
        });
        Self { task_id: info.task_id.value, member, pending: None, acknowledged: None, told_lost: false }
    }
}
