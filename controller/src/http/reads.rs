//! Mesos' unversioned endpoints that only read: `/state` and its relatives.
//!
//! They are written from a snapshot of the registry, off the runtime's own threads, so that neither the master nor other
//! requests wait for a large answer.

use super::about::build;
use super::answer::{answer, text, written};
use super::authorize::Sight;
use super::files::Peer;
use super::redirect::leader_only;
use super::view::{FrameworkView, Membership, Snapshot, TaskView, View};
use super::{Master, figures, state};
use crate::auth::{Action, Object};
use crate::registry::Everything;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use proffer_master::{Epoch, Quota};
use proffer_mesos_api::TaskState;
use proffer_mesos_api::json::{self, ObjectWriter};
use proffer_resources::Quantities;
use serde::Deserialize;
use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;

/// Most tasks that `/tasks` gives unless asked for more (Mesos: `TASK_LIMIT`).
const TASK_LIMIT: usize = 100;

/// What this master can do, in Mesos' names.
pub(super) const MASTER_CAPABILITIES: [&str; 1] = ["AGENT_UPDATE"];

/// States that `/state-summary` counts.
const SUMMARY_STATES: [TaskState; 10] = [
    TaskState::Staging,
    TaskState::Starting,
    TaskState::Running,
    TaskState::Killing,
    TaskState::Finished,
    TaskState::Killed,
    TaskState::Failed,
    TaskState::Lost,
    TaskState::Error,
    TaskState::Unreachable,
];

/// One endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    State,
    StateSummary,
    Slaves,
    Frameworks,
    Tasks,
    Roles,
    Flags,
    Metrics,
    SystemStats,
    FilesDebug,
}

/// Every endpoint, by its path.
pub(super) const READS: [(&str, Read); 10] = [
    ("state", Read::State),
    ("state-summary", Read::StateSummary),
    ("slaves", Read::Slaves),
    ("frameworks", Read::Frameworks),
    ("tasks", Read::Tasks),
    ("roles", Read::Roles),
    ("flags", Read::Flags),
    ("metrics/snapshot", Read::Metrics),
    ("system/stats", Read::SystemStats),
    ("files/debug", Read::FilesDebug),
];

/// The function that the answer is to be wrapped in, for scripts.
#[derive(Debug, Deserialize)]
pub(super) struct Jsonp {
    pub(super) jsonp: Option<String>,
}

/// What is asked for. All texts: what cannot be read is as good as left out, as in Mesos.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    jsonp: Option<String>,
    limit: Option<String>,
    offset: Option<String>,
    order: Option<String>,
    task_id: Option<String>,
    framework_id: Option<String>,
    slave_id: Option<String>,
}

/// Answers one endpoint.
pub(super) async fn serve(
    read: Read,
    State(master): State<Master>,
    peer: Peer,
    uri: Uri,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Response {
    answer(async {
        // Libprocess itself has figures, on a standby as on the leader.
        let epoch = match (leader_only(&master, &uri), read) {
            (Err(_), Read::Metrics | Read::SystemStats) => None,
            (epoch, _) => Some(epoch?),
        };
        let peer = peer.0.ip();
        let jsonp = asked.jsonp.clone();
        let sight = match read {
            // Nobody's objects are in these.
            Read::Flags => master.may(&headers, peer, Action::ViewFlags, Object::CLUSTER).await.map(|()| Sight::ALL)?,
            Read::Metrics => {
                let object = Object::cluster("/metrics/snapshot");
                master.may(&headers, peer, Action::GetEndpoints, object).await.map(|()| Sight::ALL)?
            }
            Read::SystemStats => master.known(&headers, peer).await.map(|()| Sight::ALL)?,
            Read::FilesDebug => {
                master.may(&headers, peer, Action::GetEndpoints, Object::cluster("/files/debug")).await?;
                master.sight(&headers, peer).await?
            }
            _ => master.sight(&headers, peer).await?,
        };
        let body = off_thread(move || write(read, &master, epoch, &sight, &asked)).await?;
        written(body, jsonp.as_deref())
    })
    .await
}

/// Runs what takes a while on a thread that nothing else waits for.
pub(super) async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Response> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| text(StatusCode::INTERNAL_SERVER_ERROR, format!("The answer cannot be written: {error}.\n")))
}

fn write(read: Read, master: &Master, epoch: Option<Epoch>, sight: &Sight, asked: &Asked) -> String {
    // A standby's master knows nothing, although its registry does.
    let snapshot = epoch
        .map_or_else(|| Snapshot::of(Everything::default(), Epoch(0)), |epoch| Snapshot::take(&master.registry, epoch));
    let view = View::of(&snapshot, sight);
    let mut body = String::new();
    json::object(&mut body, |out| match read {
        Read::State => whole_state(out, master, &view),
        Read::StateSummary => summary(out, master, &view),
        Read::Slaves => slaves(out, &view, asked.slave_id.as_deref()),
        Read::Frameworks => frameworks(out, &view, asked.framework_id.as_deref()),
        Read::Tasks => tasks(out, &view, asked),
        Read::Roles => roles(out, &view),
        Read::Flags => flags(out, master),
        Read::Metrics => {
            for (name, value) in figures::figures(master, &view, epoch.is_some()) {
                out.double(&name, value);
            }
        }
        Read::SystemStats => figures::system().into_iter().for_each(|(name, value)| out.double(&name, value)),
        Read::FilesDebug => {
            // Sandboxes are named by the path that they have on their node.
            let sandboxes = view.tasks().filter_map(|(_, task)| task.sandbox());
            sandboxes.for_each(|sandbox| out.string(sandbox, sandbox));
        }
    });
    body
}

impl Master {
    /// Where this process serves HTTP.
    pub(super) fn address(&self) -> SocketAddr {
        SocketAddr::new(self.me.address, self.port)
    }

    /// Its address as Mesos writes it: `master@IP:PORT`.
    pub(super) fn pid(&self) -> String {
        format!("master@{}", self.address())
    }
}

fn whole_state(out: &mut ObjectWriter<'_>, master: &Master, view: &View<'_>) {
    let build = build();
    out.string("version", build.version);
    out.string("git_sha", build.git_sha);
    out.string("build_date", build.date);
    out.double("build_time", build.time);
    out.string("build_user", build.user);
    out.double("start_time", master.about.start_time());
    out.double("elected_time", master.about.elected_time());
    let (pid, hostname) = (master.pid(), master.me.address.to_string());
    out.string("id", &master.me.uuid);
    out.string("pid", &pid);
    out.string("hostname", &hostname);
    out.array("capabilities", |out| MASTER_CAPABILITIES.iter().for_each(|name| out.string(name)));
    let count = |active| view.agents_that_are(Membership::Registered).filter(|agent| agent.active == active).count();
    out.double("activated_slaves", double(count(true)));
    out.double("deactivated_slaves", double(count(false)));
    out.double("unreachable_slaves", double(view.agents_that_are(Membership::Unreachable).count()));
    out.string("leader", &pid);
    out.object("leader_info", |out| {
        out.string("id", &master.me.uuid);
        out.string("pid", &pid);
        out.unsigned("port", master.port.into());
        out.string("hostname", &hostname);
    });
    if view.flags {
        flags(out, master);
    }
    out.array("slaves", |out| {
        view.agents_that_are(Membership::Registered).for_each(|one| out.object(|out| state::agent(out, one)));
    });
    recovered(out, view, None);
    out.array("frameworks", |out| {
        view.frameworks_that_go_on().for_each(|one| out.object(|out| state::framework(out, one)));
    });
    // Only what subscribed has an object when it is over.
    out.array("completed_frameworks", |out| {
        view.frameworks_that_are_over().for_each(|one| out.object(|out| state::framework(out, one)));
    });
    out.array("orphan_tasks", |_| {});
    out.array("unregistered_frameworks", |_| {});
}

fn flags(out: &mut ObjectWriter<'_>, master: &Master) {
    out.object("flags", |out| master.about.flags().for_each(|(name, value)| out.string(name, value)));
}

fn recovered(out: &mut ObjectWriter<'_>, view: &View<'_>, only: Option<&str>) {
    out.array("recovered_slaves", |out| {
        view.agents_that_are(Membership::Recovered)
            .filter(|agent| only.is_none_or(|id| agent.id == id))
            .for_each(|one| out.object(|out| state::recovered_agent(out, one)));
    });
}

fn slaves(out: &mut ObjectWriter<'_>, view: &View<'_>, only: Option<&str>) {
    out.array("slaves", |out| {
        view.agents_that_are(Membership::Registered)
            .filter(|agent| only.is_none_or(|id| agent.id == id))
            .for_each(|one| out.object(|out| state::agent_full(out, one)));
    });
    recovered(out, view, only);
}

fn frameworks(out: &mut ObjectWriter<'_>, view: &View<'_>, only: Option<&str>) {
    let mut list = |name: &str, frameworks: &mut dyn Iterator<Item = &FrameworkView<'_>>| {
        out.array(name, |out| {
            frameworks
                .filter(|framework| only.is_none_or(|id| framework.id == id))
                .for_each(|one| out.object(|out| state::framework(out, one)));
        });
    };
    list("frameworks", &mut view.frameworks_that_go_on());
    list("completed_frameworks", &mut view.frameworks_that_are_over());
    out.array("unregistered_frameworks", |_| {});
}

/// Tasks by the time of their first status, the newest first unless `order=asc`; those without one count as the oldest.
fn tasks(out: &mut ObjectWriter<'_>, view: &View<'_>, asked: &Asked) {
    let number = |text: Option<&String>| text.and_then(|text| text.parse::<usize>().ok());
    let limit = number(asked.limit.as_ref()).unwrap_or(TASK_LIMIT);
    let offset = number(asked.offset.as_ref()).unwrap_or(0);
    let mut found: Vec<(f64, &FrameworkView<'_>, &TaskView<'_>)> = view
        .tasks()
        .filter(|(framework, _)| asked.framework_id.as_ref().is_none_or(|id| framework.id == id))
        .filter(|(_, task)| asked.task_id.as_ref().is_none_or(|id| task.id == id))
        .map(|(framework, task)| (task.moments().next().map_or(0.0, |moment| moment.timestamp), framework, task))
        .collect();
    if asked.order.as_deref() == Some("asc") {
        found.sort_by(|(one, ..), (other, ..)| one.total_cmp(other));
    } else {
        found.sort_by(|(one, ..), (other, ..)| other.total_cmp(one));
    }
    out.array("tasks", |out| {
        for (_, framework, task) in found.into_iter().skip(offset).take(limit) {
            out.object(|out| state::task(out, framework, task));
        }
    });
}

/// How many tasks are in which state, and whose they are.
#[derive(Default)]
struct Count<'a> {
    states: HashMap<TaskState, u64>,
    others: BTreeSet<&'a str>,
}

impl<'a> Count<'a> {
    fn add(&mut self, state: TaskState, other: &'a str) {
        *self.states.entry(state).or_default() += 1;
        self.others.insert(other);
    }

    fn write(&self, out: &mut ObjectWriter<'_>, others: &str) {
        for state in SUMMARY_STATES {
            out.unsigned(state.as_mesos(), self.states.get(&state).copied().unwrap_or(0));
        }
        out.array(others, |out| self.others.iter().for_each(|id| out.string(id)));
    }
}

fn summary(out: &mut ObjectWriter<'_>, master: &Master, view: &View<'_>) {
    let (mut by_agent, mut by_framework): (HashMap<&str, Count<'_>>, HashMap<&str, Count<'_>>) = Default::default();
    for (framework, task) in view.tasks() {
        by_agent.entry(&task.agent.id).or_default().add(task.state, framework.id);
        by_framework.entry(framework.id).or_default().add(task.state, &task.agent.id);
    }
    out.string("hostname", &master.me.address.to_string());
    out.array("slaves", |out| {
        for agent in view.agents_that_are(Membership::Registered) {
            out.object(|out| {
                state::agent(out, agent);
                by_agent.remove(agent.id).unwrap_or_default().write(out, "framework_ids");
            });
        }
    });
    out.array("frameworks", |out| {
        for framework in view.frameworks_that_go_on() {
            out.object(|out| {
                state::framework_summary(out, framework);
                by_framework.remove(framework.id).unwrap_or_default().write(out, "slave_ids");
            });
        }
    });
}

fn roles(out: &mut ObjectWriter<'_>, view: &View<'_>) {
    out.array("roles", |out| {
        for (name, role) in view.roles() {
            let (allocated, offered) = (Quantities::from(&role.allocated), Quantities::from(&role.offered));
            out.object(|out| {
                out.string("name", name);
                out.double("weight", role.weight());
                out.object("quota", |out| {
                    let none = Quota::default();
                    let quota = role.quota().unwrap_or(&none);
                    out.string("role", name);
                    state::quantities(out.value("guarantee"), &quota.guarantees);
                    state::amounts(out.value("limit"), quota.limits.iter());
                    state::quantities(out.value("consumed"), &role.consumed());
                });
                state::quantities(out.value("resources"), &allocated.plus(&offered));
                state::quantities(out.value("allocated"), &allocated);
                state::quantities(out.value("offered"), &offered);
                state::quantities(out.value("reserved"), &role.reserved);
                out.array("frameworks", |out| role.frameworks.iter().for_each(|id| out.string(id)));
            });
        }
    });
}

/// A count as Mesos writes it in JSON.
#[allow(clippy::cast_precision_loss, reason = "exact up to 2^53")]
pub(super) fn double(count: usize) -> f64 {
    count as f64
}
