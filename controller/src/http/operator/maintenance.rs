//! Maintenance: the schedule, and machines that are taken down and brought up. Each machine of a schedule is a Maintenance
//! object of its own, so that one can go down while the others of its window stay; what people wrote for several agents
//! counts as well, and is taken apart where it must be.

use super::write::{object_name, other_name};
use super::{Operator, bad, done};
use crate::auth::{Action, Object};
use crate::clock::to_text;
use crate::http::view::{AgentView, ByRole, FrameworkView, Machine, WINDOW_LABEL, machines};
use crate::registry::Entry;
use axum::response::Response;
use k8s_openapi::jiff::Timestamp;
use proffer_crds::{Agent, Framework, Maintenance, MaintenanceReply, MaintenanceSpec, Window};
use proffer_master::{ObjectKey, Time};
use proffer_mesos_api::json;
use proffer_mesos_api::v1::allocator::{InverseOfferStatus, inverse_offer_status};
use proffer_mesos_api::v1::maintenance::{ClusterStatus, Schedule, Window as V1Window, cluster_status};
use proffer_mesos_api::v1::{FrameworkId, MachineId, TimeInfo, Unavailability};
use serde_json::json as value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::Ipv4Addr;
use std::sync::Arc;

impl Operator {
    fn machines(&self) -> BTreeMap<String, Machine> {
        machines(&self.master.registry.all::<Maintenance>())
    }

    /// The addresses of agents, by their names.
    fn addresses(&self) -> BTreeMap<String, String> {
        let agents = self.master.registry.all::<Agent>();
        let address = |entry: &Arc<Entry<Agent>>| {
            let agent = AgentView::new(entry, ByRole::default(), ByRole::default())?;
            Some((agent.name.to_owned(), agent.address()?.to_owned()))
        };
        agents.iter().filter_map(address).collect()
    }

    /// The schedule, as far as the caller may see it.
    pub(super) async fn schedule(&self) -> Result<Schedule, Response> {
        let (machines, addresses) = (self.machines().into_iter().collect(), self.addresses());
        let seen = self.may_with(Action::GetMaintenanceSchedules, machines, |(name, _)| name).await?;
        // What was changed by hand since then is a window of its own.
        let mut windows: BTreeMap<(u64, String, i64, Option<i64>), V1Window> = BTreeMap::new();
        for (name, machine) in seen {
            let Unavailability { start, duration } = machine.unavailability;
            let key = (machine.window.0, machine.window.1, start.nanoseconds, duration.map(|of| of.nanoseconds));
            let window = windows
                .entry(key)
                .or_insert_with(|| V1Window { machine_ids: Vec::new(), unavailability: machine.unavailability });
            window.machine_ids.push(id_of(name, &addresses));
        }
        Ok(Schedule { windows: windows.into_values().collect() })
    }

    /// Which machines are draining, and what frameworks say to that, and which are down, as far as the caller may see it.
    pub(super) async fn maintenance_status(&self) -> Result<ClusterStatus, Response> {
        let (machines, addresses) = (self.machines().into_iter().collect(), self.addresses());
        let seen = self.may_with(Action::GetMaintenanceStatuses, machines, |(name, _)| name).await?;
        let frameworks = self.framework_ids();
        let mut status = ClusterStatus::default();
        for (name, machine) in seen {
            if machine.down {
                status.down_machines.push(id_of(name, &addresses));
            } else if machine.draining() {
                let statuses = said(&machine.entry, &name, &frameworks);
                let id = id_of(name, &addresses);
                status.draining_machines.push(cluster_status::DrainingMachine { id, statuses });
            }
        }
        Ok(status)
    }

    /// The IDs of frameworks, by namespace and name.
    fn framework_ids(&self) -> HashMap<String, String> {
        let frameworks = self.master.registry.all::<Framework>();
        let id = |entry: &Arc<Entry<Framework>>| {
            let framework = FrameworkView::new(entry)?;
            let (namespace, name) = framework.key();
            Some((format!("{namespace}/{name}"), framework.id.to_owned()))
        };
        frameworks.iter().filter_map(id).collect()
    }

    /// POST of `/maintenance/schedule`.
    pub(super) async fn post_schedule(&self, body: &[u8]) -> Result<Response, Response> {
        let schedule: Schedule = json::decode(body).map_err(|error| bad(error.to_string()))?;
        self.update_schedule(&schedule).await
    }

    /// `UPDATE_MAINTENANCE_SCHEDULE`: machines that are named get their window, and what is not named is taken out. Where the
    /// API server fails in between, some are done and others not: the same call again does the rest.
    pub(super) async fn update_schedule(&self, schedule: &Schedule) -> Result<Response, Response> {
        let _turn = self.master.operators.turn().await;
        let known = self.machines();
        let mut wanted: BTreeMap<String, (usize, Unavailability)> = BTreeMap::new();
        for (number, window) in schedule.windows.iter().enumerate() {
            if window.machine_ids.is_empty() {
                return Err(bad("List of machines in the maintenance window is empty"));
            }
            if window.unavailability.duration.is_some_and(|duration| duration.nanoseconds < 0) {
                return Err(bad("Unavailability 'duration' is negative"));
            }
            for id in &window.machine_ids {
                let name = self.name_of_machine(id)?;
                if wanted.insert(name, (number, window.unavailability)).is_some() {
                    return Err(bad(format!("Machine '{}' appears more than once in the schedule", json::encode(id))));
                }
            }
        }
        if let Some((name, _)) = known.iter().find(|(name, machine)| machine.down && !wanted.contains_key(*name)) {
            let id = json::encode(&id_of(name.clone(), &self.addresses()));
            return Err(bad(format!("Machine '{id}' is deactivated and cannot be removed from the schedule")));
        }
        for name in wanted.keys() {
            self.may(Action::UpdateMaintenanceSchedules, Object::cluster(name)).await?;
        }
        if wanted.is_empty() {
            self.may(Action::UpdateMaintenanceSchedules, Object::CLUSTER).await?;
        }
        for (name, (number, unavailability)) in &wanted {
            self.plan(name, *number, unavailability, known.get(name)).await?;
        }
        self.take_out(|name| !wanted.contains_key(name)).await?;
        Ok(done())
    }

    /// Gives a machine its window.
    async fn plan(
        &self,
        name: &str,
        number: usize,
        unavailability: &Unavailability,
        known: Option<&Machine>,
    ) -> Result<(), Response> {
        let number_text = number.to_string();
        let window = window(unavailability);
        let Some(machine) = known else {
            return self.make(name, &number_text, window, false).await;
        };
        let numbered = u64::try_from(number).is_ok_and(|number| machine.window == (number, String::new()));
        if numbered && machine.unavailability == *unavailability {
            return Ok(());
        }
        let object_of_machine = machine.entry.meta().name.as_deref().unwrap_or_default();
        if machine.entry.value().is_ok_and(|object| object.spec.agents.len() == 1) {
            let change = value!({
                "metadata": {"labels": {WINDOW_LABEL: number_text}},
                "spec": {"window": {"start": window.start, "duration": window.duration}},
            });
            return self.master.merge::<Maintenance>(object_of_machine, &change).await;
        }
        // The older object counts until its agent is taken out of it, so the agent is never in none.
        self.make(name, &number_text, window, machine.down).await?;
        self.without(&machine.entry, |agent| agent == name).await
    }

    async fn make(&self, name: &str, number: &str, window: Window, started: bool) -> Result<(), Response> {
        let mut object_name = object_name(name);
        if self.master.registry.get::<Maintenance>(&ObjectKey::new("", object_name.clone())).is_some() {
            object_name = other_name(name);
        }
        let spec = MaintenanceSpec { window, agents: vec![name.to_owned()], started };
        let mut object = Maintenance::new(&object_name, spec);
        object.metadata.labels = Some(BTreeMap::from([(WINDOW_LABEL.to_owned(), number.to_owned())]));
        self.master.create(object).await
    }

    /// Takes these agents out of every object. An object that names no other goes.
    async fn take_out(&self, which: impl Fn(&str) -> bool) -> Result<(), Response> {
        for entry in self.master.registry.all::<Maintenance>() {
            let named = entry.value().is_ok_and(|object| object.spec.agents.iter().any(|agent| which(agent)));
            if named && entry.meta().deletion_timestamp.is_none() {
                self.without(&entry, &which).await?;
            }
        }
        Ok(())
    }

    async fn without(&self, entry: &Entry<Maintenance>, which: impl Fn(&str) -> bool) -> Result<(), Response> {
        let Ok(object) = entry.value() else { return Ok(()) };
        let left: Vec<&String> = object.spec.agents.iter().filter(|agent| !which(agent)).collect();
        if left.is_empty() {
            return self.master.remove(entry).await;
        }
        let change = value!({"spec": {"agents": left}});
        self.master.merge::<Maintenance>(entry.meta().name.as_deref().unwrap_or_default(), &change).await
    }

    /// `START_MAINTENANCE`: takes machines down.
    pub(super) async fn start_maintenance(&self, ids: &[MachineId]) -> Result<Response, Response> {
        let wrong = |machine: &Machine| machine.down.then_some("is not in DRAINING mode and cannot be brought down");
        let _turn = self.master.operators.turn().await;
        for (name, machine) in self.scheduled(ids, Action::StartMaintenances, wrong).await? {
            if machine.entry.value().is_ok_and(|object| object.spec.agents.len() == 1) {
                let object = machine.entry.meta().name.as_deref().unwrap_or_default();
                self.master.merge::<Maintenance>(object, &value!({"spec": {"started": true}})).await?;
            } else {
                let number = machine.window.0.to_string();
                self.make(&name, &number, window(&machine.unavailability), true).await?;
                self.without(&machine.entry, |agent| agent == name).await?;
            }
        }
        Ok(done())
    }

    /// `STOP_MAINTENANCE`: brings machines up, which takes them out of the schedule.
    pub(super) async fn stop_maintenance(&self, ids: &[MachineId]) -> Result<Response, Response> {
        let wrong = |machine: &Machine| (!machine.down).then_some("is not in DOWN mode and cannot be brought up");
        let _turn = self.master.operators.turn().await;
        let names: BTreeSet<String> =
            self.scheduled(ids, Action::StopMaintenances, wrong).await?.into_iter().map(|(name, _)| name).collect();
        self.take_out(|name| names.contains(name)).await?;
        Ok(done())
    }

    /// The machines of a call, checked as Mesos checks them; `wrong` says in which mode one must not be.
    async fn scheduled(
        &self,
        ids: &[MachineId],
        action: Action,
        wrong: impl Fn(&Machine) -> Option<&'static str>,
    ) -> Result<Vec<(String, Machine)>, Response> {
        if ids.is_empty() {
            return Err(bad("List of machines is empty"));
        }
        let mut names = BTreeSet::new();
        for id in ids {
            if !names.insert(self.name_of_machine(id)?) {
                return Err(bad(format!("Machine '{}' appears more than once in the schedule", json::encode(id))));
            }
        }
        let mut known = self.machines();
        let mut scheduled = Vec::new();
        for id in ids {
            let name = self.name_of_machine(id)?;
            let machine = known
                .remove(&name)
                .ok_or_else(|| bad(format!("Machine '{}' is not part of a maintenance schedule", json::encode(id))))?;
            if let Some(why) = wrong(&machine) {
                return Err(bad(format!("Machine '{}' {why}", json::encode(id))));
            }
            self.may(action, Object::cluster(&name)).await?;
            scheduled.push((name, machine));
        }
        Ok(scheduled)
    }

    /// The agent that a machine is: it has its host name, or, of a machine that has none, its address.
    #[expect(clippy::result_large_err, reason = "the answer is sent, not passed on")]
    fn name_of_machine(&self, id: &MachineId) -> Result<String, Response> {
        let (hostname, ip) = (id.hostname(), id.ip());
        if hostname.is_empty() && ip.is_empty() {
            return Err(bad("Both 'hostname' and 'ip' for a machine are empty"));
        }
        if !ip.is_empty() && ip.parse::<Ipv4Addr>().is_err() {
            return Err(bad(format!("Failed to parse the IP address '{ip}'")));
        }
        if !hostname.is_empty() {
            // Host names do not differ by their case.
            return Ok(hostname.to_ascii_lowercase());
        }
        let agent = self.addresses().into_iter().find(|(_, address)| address == ip);
        agent.map(|(name, _)| name).ok_or_else(|| bad(format!("No agent has the address {ip}: name its host")))
    }
}

/// A machine as Mesos names it: by host name and, if it is known, by address.
fn id_of(name: String, addresses: &BTreeMap<String, String>) -> MachineId {
    MachineId { ip: addresses.get(&name).cloned(), hostname: Some(name) }
}

/// What frameworks said to leaving an agent. Objects do not tell when: the time is since when the window has been in force.
fn said(entry: &Entry<Maintenance>, name: &str, frameworks: &HashMap<String, String>) -> Vec<InverseOfferStatus> {
    let Some(status) = entry.value().ok().and_then(|object| object.status.as_ref()) else { return Vec::new() };
    let since = status.conditions.iter().find(|condition| condition.type_ == "Accepted");
    let since = since.and_then(|condition| condition.last_transition_time.parse::<Timestamp>().ok());
    let nanoseconds = since.and_then(|since| i64::try_from(since.as_nanosecond()).ok()).unwrap_or_default();
    let agent = status.agents.iter().find(|agent| agent.name == name);
    let one = |said: &proffer_crds::FrameworkInMaintenance| {
        let status = match said.reply {
            MaintenanceReply::Accepted => inverse_offer_status::Status::Accept,
            MaintenanceReply::Declined => inverse_offer_status::Status::Decline,
            MaintenanceReply::Asked => inverse_offer_status::Status::Unknown,
            MaintenanceReply::NotAsked => return None,
        };
        let framework_id = FrameworkId { value: frameworks.get(&said.name)?.clone() };
        Some(InverseOfferStatus { status: status.into(), framework_id, timestamp: TimeInfo { nanoseconds } })
    };
    agent.into_iter().flat_map(|agent| &agent.frameworks).filter_map(one).collect()
}

/// A window as objects have it: to the microsecond, and for whole seconds, never fewer than were said.
fn window(unavailability: &Unavailability) -> Window {
    let duration = unavailability.duration.map(|duration| {
        let seconds = duration.nanoseconds.max(0).saturating_add(999_999_999) / 1_000_000_000;
        format!("{}h{}m{}s", seconds / 3600, seconds / 60 % 60, seconds % 60)
    });
    Window { start: to_text(Time(unavailability.start.nanoseconds.div_euclid(1000))), duration }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proffer_mesos_api::v1::DurationInfo;

    #[test]
    fn windows_are_written_as_objects_have_them() {
        let start = TimeInfo { nanoseconds: 1_795_362_000_123_456_789 };
        let lasting = |nanoseconds| {
            window(&Unavailability { start, duration: Some(DurationInfo { nanoseconds }) }).duration.unwrap()
        };
        assert_eq!(window(&Unavailability { start, duration: None }).start, "2026-11-22T15:40:00.123456Z");
        assert_eq!(lasting(5_400_000_000_000), "1h30m0s");
        assert_eq!(lasting(1), "0h0m1s");
        assert_eq!(lasting(0), "0h0m0s");
        assert_eq!(lasting(1_000_000_000_000_000), "277h46m40s");
    }
}
