//! A task as Mesos' API tells it.

use super::super::about::seconds;
use crate::clock::from_text;
use crate::records;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use proffer_crds::{Task, TaskAgent, TaskStatus};
use proffer_mesos_api::{Reason, TaskState};
use proffer_resources::quantity::{parse_bytes_as_mib, parse_cpu};
use proffer_resources::{Amount, Ranges, Resources};
use serde_json::Value;

/// A task that was accepted: it has an agent. What still waits for resources is not known to a Mesos master either.
pub(in crate::http) struct TaskView<'a> {
    /// Its ID: what its scheduler gave it, else the object's name.
    pub(in crate::http) id: &'a str,
    /// Its name, likewise.
    pub(in crate::http) name: &'a str,
    /// Its object.
    pub(in crate::http) object: &'a Task,
    /// Its container's ID, by which the agent names sandbox and cgroup: the object's UID, unless its scheduler launched it.
    pub(in crate::http) container: &'a str,
    /// Where it runs or ran.
    pub(in crate::http) agent: &'a TaskAgent,
    /// Its state.
    pub(in crate::http) state: TaskState,
    /// What it was given.
    pub(in crate::http) resources: Resources,
    /// The role in which it was given that; its framework's first if it does not say.
    pub(in crate::http) role: Option<&'a str>,
    status: Option<&'a TaskStatus>,
}

/// One status update, as far as its object remembers it.
pub(in crate::http) struct Moment {
    /// The state that it told.
    pub(in crate::http) state: TaskState,
    /// When, in seconds since 1970.
    pub(in crate::http) timestamp: f64,
}

impl<'a> TaskView<'a> {
    /// The task of an object; nothing if it was not accepted yet.
    pub(in crate::http) fn new(meta: &'a ObjectMeta, object: &'a Task) -> Option<Self> {
        let (status, placement) = (object.status.as_ref(), object.spec.placement.as_ref());
        let agent = status.and_then(|status| status.agent.as_ref()).or(placement.map(|placement| &placement.agent))?;
        // What a scheduler launched is placed before it has a status.
        let state = status.and_then(|status| records::task::mesos_state(status.state));
        let state = state.or(placement.map(|_| TaskState::Staging))?;
        let name = meta.name.as_deref().unwrap_or_default();
        let said = |path: &str| object.spec.task_info.as_ref()?.pointer(path)?.as_str();
        let asked = &object.spec.resources;
        let resources = Resources {
            cpus: parse_cpu(&asked.cpu.0).unwrap_or_default(),
            mem: parse_bytes_as_mib(&asked.memory.0).unwrap_or_default(),
            disk: asked.disk.as_ref().and_then(|disk| parse_bytes_as_mib(&disk.0).ok()).unwrap_or_default(),
            ports: status
                .into_iter()
                .flat_map(|status| &status.ports)
                .filter_map(|&port| u64::try_from(port).ok())
                .map(|port| (port, port))
                .collect::<Ranges>(),
        };
        Some(Self {
            id: said("/task_id/value").unwrap_or(name),
            name: said("/name").unwrap_or(name),
            object,
            container: placement
                .map(|placement| placement.container_id.as_str())
                .or(meta.uid.as_deref())
                .unwrap_or_default(),
            agent,
            state,
            resources,
            role: status
                .and_then(|status| status.role.as_deref())
                .or(placement.map(|placement| placement.role.as_str()))
                .or(object.spec.role.as_deref()),
            status,
        })
    }

    /// Whether its resources are taken on its agent.
    pub(in crate::http) fn holds_resources(&self) -> bool {
        !self.state.is_terminal() && self.state != TaskState::Unreachable
    }

    /// Its status updates, oldest first: those whose times the object has, which are that it ran and that it ended.
    pub(in crate::http) fn moments(&self) -> impl Iterator<Item = Moment> {
        let times = self.status.map(|status| &status.times);
        let at = |text: Option<&String>| text.and_then(|text| from_text(text)).map(seconds);
        let ran = at(times.and_then(|times| times.running.as_ref()))
            .map(|timestamp| Moment { state: TaskState::Running, timestamp });
        let ended = at(times.and_then(|times| times.completed.as_ref()))
            .filter(|_| self.state.is_terminal())
            .map(|timestamp| Moment { state: self.state, timestamp });
        ran.into_iter().chain(ended)
    }

    /// What its scheduler said of it under this name of `TaskInfo`, in Mesos' JSON.
    pub(in crate::http) fn said(&self, name: &str) -> Option<&'a Value> {
        self.object.spec.task_info.as_ref()?.get(name)
    }

    /// The ID of its executor, if it has one of its own.
    pub(in crate::http) fn executor(&self) -> Option<&'a str> {
        self.said("executor")?.pointer("/executor_id/value")?.as_str()
    }

    /// What it was given, in Mesos' JSON form, where that is reserved or a volume.
    pub(in crate::http) fn held(&self) -> Option<&'a str> {
        self.status?.held.as_deref()
    }

    /// Its sandbox, as a path for `/files`.
    pub(in crate::http) fn sandbox(&self) -> Option<&'a str> {
        self.status?.sandbox.as_deref()
    }

    /// Why it is in its state, for a person.
    pub(in crate::http) fn message(&self) -> Option<&'a str> {
        self.status?.message.as_deref()
    }

    /// Why it is in its state.
    pub(in crate::http) fn reason(&self) -> Option<Reason> {
        self.status?.reason.as_deref()?.parse().ok()
    }

    /// Its upper bounds by Mesos' resource names, in cores and MiB.
    pub(in crate::http) fn limits(&self) -> impl Iterator<Item = (&'static str, Amount)> {
        let limits = self.object.spec.limits.as_ref();
        let cpus = limits.and_then(|limits| parse_cpu(&limits.cpu.as_ref()?.0).ok());
        let mem = limits.and_then(|limits| parse_bytes_as_mib(&limits.memory.as_ref()?.0).ok());
        [("cpus", cpus), ("mem", mem)].into_iter().filter_map(|(name, limit)| Some((name, limit?)))
    }
}
