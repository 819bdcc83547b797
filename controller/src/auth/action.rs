//! Mesos' authorizable actions, each as a Kubernetes right. `docs/security.md` has the same table; a test keeps both equal.

use k8s_openapi::api::authorization::v1::{NonResourceAttributes, ResourceAttributes, SubjectAccessReviewSpec};
use std::fmt;

/// Where a right counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In the namespace of the framework that it is about, by a Role there or a `ClusterRole` everywhere.
    Namespace,
    /// In the whole cluster, by a `ClusterRole` that is bound by a `ClusterRoleBinding`.
    Cluster,
    /// For a URL of the HTTP API, by a `ClusterRole` with `nonResourceURLs`.
    Url,
}

/// What somebody wants to do, as Mesos' ACLs name it (its docs/authorization.md, `acls.proto`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Subscribe as a framework, and change it.
    RegisterFrameworks,
    /// Launch tasks and executors.
    RunTasks,
    /// End a framework and its tasks.
    TeardownFrameworks,
    /// Reserve resources for a role.
    ReserveResources,
    /// Give reserved resources back.
    UnreserveResources,
    /// Make persistent volumes.
    CreateVolumes,
    /// Destroy persistent volumes.
    DestroyVolumes,
    /// Grow and shrink persistent volumes.
    ResizeVolumes,
    /// Make block disks of raw ones.
    CreateBlockDisks,
    /// Make raw disks of block ones.
    DestroyBlockDisks,
    /// Make mount disks of raw ones.
    CreateMountDisks,
    /// Make raw disks of mount ones.
    DestroyMountDisks,
    /// Destroy raw disks.
    DestroyRawDisks,
    /// See frameworks.
    ViewFrameworks,
    /// See tasks.
    ViewTasks,
    /// See executors.
    ViewExecutors,
    /// See agents. Mesos shows them to everybody.
    ViewAgents,
    /// See roles and their weights.
    ViewRoles,
    /// See quota.
    GetQuotas,
    /// Set and remove quota.
    UpdateQuotas,
    /// Set weights.
    UpdateWeights,
    /// See when which machines are to be down.
    GetMaintenanceSchedules,
    /// See which machines are draining or down.
    GetMaintenanceStatuses,
    /// Say when which machines are to be down.
    UpdateMaintenanceSchedules,
    /// Take machines down.
    StartMaintenances,
    /// Bring machines up again.
    StopMaintenances,
    /// Say that an agent never comes back.
    MarkAgentsGone,
    /// Empty an agent.
    DrainAgents,
    /// Keep an agent from being offered.
    DeactivateAgents,
    /// Let an agent be offered again.
    ReactivateAgents,
    /// See what tasks wrote into their sandboxes.
    AccessSandboxes,
    /// See the logs of master and agents.
    AccessMesosLogs,
    /// See with which flags the master runs.
    ViewFlags,
    /// Change for a while how much is logged.
    SetLogLevel,
    /// Use an endpoint that shows nobody's objects, such as `/metrics/snapshot`.
    GetEndpoints,
}

/// What an action is done to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Object<'a> {
    /// Namespace of the framework that it is about; empty for the whole cluster.
    pub namespace: &'a str,
    /// Name of the object in Kubernetes, or the URL's path for [`Scope::Url`]; empty for all of them.
    pub name: &'a str,
}

impl<'a> Object<'a> {
    /// Everything in the cluster.
    pub const CLUSTER: Self = Self { namespace: "", name: "" };

    /// Everything in this namespace.
    #[must_use]
    pub const fn namespace(namespace: &'a str) -> Self {
        Self { namespace, name: "" }
    }

    /// The object of this name in this namespace.
    #[must_use]
    pub const fn named(namespace: &'a str, name: &'a str) -> Self {
        Self { namespace, name }
    }

    /// The object of this name in the cluster, or this path.
    #[must_use]
    pub const fn cluster(name: &'a str) -> Self {
        Self { namespace: "", name }
    }
}

impl Action {
    /// Every action, in the order of the documentation.
    pub const ALL: [Self; 35] = [
        Self::RegisterFrameworks,
        Self::RunTasks,
        Self::TeardownFrameworks,
        Self::ReserveResources,
        Self::UnreserveResources,
        Self::CreateVolumes,
        Self::DestroyVolumes,
        Self::ResizeVolumes,
        Self::CreateBlockDisks,
        Self::DestroyBlockDisks,
        Self::CreateMountDisks,
        Self::DestroyMountDisks,
        Self::DestroyRawDisks,
        Self::ViewFrameworks,
        Self::ViewTasks,
        Self::ViewExecutors,
        Self::ViewAgents,
        Self::ViewRoles,
        Self::GetQuotas,
        Self::UpdateQuotas,
        Self::UpdateWeights,
        Self::GetMaintenanceSchedules,
        Self::GetMaintenanceStatuses,
        Self::UpdateMaintenanceSchedules,
        Self::StartMaintenances,
        Self::StopMaintenances,
        Self::MarkAgentsGone,
        Self::DrainAgents,
        Self::DeactivateAgents,
        Self::ReactivateAgents,
        Self::AccessSandboxes,
        Self::AccessMesosLogs,
        Self::ViewFlags,
        Self::SetLogLevel,
        Self::GetEndpoints,
    ];

    /// Name in Mesos' ACLs, verb, resource of the group `proffer.dev` (or subresource of one), and where it counts.
    ///
    /// What is an object in Kubernetes too needs the right on that object, so that nobody can do by one way what they may
    /// not by the other.
    #[must_use]
    pub const fn right(self) -> (&'static str, &'static str, &'static str, Scope) {
        use Scope::{Cluster, Namespace, Url};
        match self {
            Self::RegisterFrameworks => ("register_frameworks", "create", "frameworks", Namespace),
            Self::RunTasks => ("run_tasks", "create", "tasks", Namespace),
            Self::TeardownFrameworks => ("teardown_frameworks", "delete", "frameworks", Namespace),
            Self::ReserveResources => ("reserve_resources", "create", "reservations", Namespace),
            Self::UnreserveResources => ("unreserve_resources", "delete", "reservations", Namespace),
            Self::CreateVolumes => ("create_volumes", "create", "reservations/volumes", Namespace),
            Self::DestroyVolumes => ("destroy_volumes", "delete", "reservations/volumes", Namespace),
            Self::ResizeVolumes => ("resize_volumes", "update", "reservations/volumes", Namespace),
            Self::CreateBlockDisks => ("create_block_disks", "create", "reservations/blockdisks", Namespace),
            Self::DestroyBlockDisks => ("destroy_block_disks", "delete", "reservations/blockdisks", Namespace),
            Self::CreateMountDisks => ("create_mount_disks", "create", "reservations/mountdisks", Namespace),
            Self::DestroyMountDisks => ("destroy_mount_disks", "delete", "reservations/mountdisks", Namespace),
            Self::DestroyRawDisks => ("destroy_raw_disks", "delete", "reservations/rawdisks", Namespace),
            Self::ViewFrameworks => ("view_frameworks", "list", "frameworks", Namespace),
            Self::ViewTasks => ("view_tasks", "list", "tasks", Namespace),
            Self::ViewExecutors => ("view_executors", "list", "frameworks/executors", Namespace),
            Self::ViewAgents => ("view_agents", "list", "agents", Cluster),
            Self::ViewRoles => ("view_roles", "list", "allocationroles", Cluster),
            Self::GetQuotas => ("get_quotas", "get", "allocationroles/quota", Cluster),
            Self::UpdateQuotas => ("update_quotas", "update", "allocationroles/quota", Cluster),
            Self::UpdateWeights => ("update_weights", "update", "allocationroles/weight", Cluster),
            Self::GetMaintenanceSchedules => ("get_maintenance_schedules", "get", "maintenances/schedule", Cluster),
            Self::GetMaintenanceStatuses => ("get_maintenance_statuses", "get", "maintenances/status", Cluster),
            Self::UpdateMaintenanceSchedules => {
                ("update_maintenance_schedules", "update", "maintenances/schedule", Cluster)
            }
            Self::StartMaintenances => ("start_maintenances", "start", "maintenances", Cluster),
            Self::StopMaintenances => ("stop_maintenances", "stop", "maintenances", Cluster),
            Self::MarkAgentsGone => ("mark_agents_gone", "update", "agents/gone", Cluster),
            Self::DrainAgents => ("drain_agents", "update", "agents/drain", Cluster),
            Self::DeactivateAgents => ("deactivate_agents", "update", "agents/deactivate", Cluster),
            Self::ReactivateAgents => ("reactivate_agents", "update", "agents/reactivate", Cluster),
            Self::AccessSandboxes => ("access_sandboxes", "get", "tasks/sandbox", Namespace),
            Self::AccessMesosLogs => ("access_mesos_logs", "get", "agents/log", Cluster),
            Self::ViewFlags => ("view_flags", "get", "/flags", Url),
            Self::SetLogLevel => ("set_log_level", "put", "/logging/toggle", Url),
            Self::GetEndpoints => ("get_endpoints", "get", "the endpoint's path", Url),
        }
    }

    /// What is asked of the API server, of nobody yet.
    pub(super) fn question(self, object: Object<'_>) -> SubjectAccessReviewSpec {
        let (_, verb, resource, scope) = self.right();
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        if scope == Scope::Url {
            let path = if object.name.is_empty() { resource } else { object.name };
            let url = NonResourceAttributes { path: some(path), verb: some(verb) };
            return SubjectAccessReviewSpec {
                non_resource_attributes: Some(url),
                ..SubjectAccessReviewSpec::default()
            };
        }
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let resource = ResourceAttributes {
            group: some(proffer_crds::GROUP),
            version: some(proffer_crds::VERSION),
            resource: some(resource),
            subresource: some(subresource),
            verb: some(verb),
            namespace: if scope == Scope::Namespace { some(object.namespace) } else { None },
            name: some(object.name),
            ..ResourceAttributes::default()
        };
        SubjectAccessReviewSpec { resource_attributes: Some(resource), ..SubjectAccessReviewSpec::default() }
    }
}

impl fmt::Display for Action {
    /// The right, as a person says it: "create tasks".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, verb, resource, _) = self.right();
        write!(f, "{verb} {resource}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize as _;
    use serde_yaml::Value;
    use std::collections::BTreeSet;

    /// The chart's roles, in the order in which the documentation names them.
    const ROLES: [&str; 5] =
        ["proffer-viewer", "proffer-editor", "proffer-admin", "proffer-framework", "proffer-operator"];

    /// Each `ClusterRole` of the chart and its rules.
    fn roles() -> Vec<(String, Vec<Value>)> {
        let template = include_str!("../../../charts/proffer/templates/user-roles.yaml");
        let plain: Vec<&str> = template.lines().filter(|line| !line.contains("{{")).collect();
        serde_yaml::Deserializer::from_str(&plain.join("\n"))
            .map(|document| {
                let role = Value::deserialize(document).unwrap();
                (role["metadata"]["name"].as_str().unwrap().to_owned(), role["rules"].as_sequence().unwrap().clone())
            })
            .collect()
    }

    fn has(rule: &Value, list: &str, text: &str) -> bool {
        rule[list].as_sequence().is_some_and(|all| all.iter().any(|one| one == text))
    }

    /// The roles that allow an action, without the first part of their names.
    fn allowed_by(action: Action, roles: &[(String, Vec<Value>)]) -> Vec<&'static str> {
        let (_, verb, resource, scope) = action.right();
        let resource = if action == Action::GetEndpoints { "/metrics/snapshot" } else { resource };
        let allows = |rule: &Value| {
            let list = if scope == Scope::Url { "nonResourceURLs" } else { "resources" };
            has(rule, "verbs", verb)
                && has(rule, list, resource)
                && (scope == Scope::Url || has(rule, "apiGroups", proffer_crds::GROUP))
        };
        ROLES
            .into_iter()
            .filter(|&name| roles.iter().any(|(role, rules)| role == name && rules.iter().any(allows)))
            .map(|name| name.strip_prefix("proffer-").unwrap_or(name))
            .collect()
    }

    #[test]
    fn the_documentation_has_this_table_and_the_chart_these_roles() {
        let roles = roles();
        assert_eq!(roles.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ROLES);
        let rows = Action::ALL.map(|action| {
            let (name, verb, resource, scope) = action.right();
            let scope = match scope {
                Scope::Namespace => "namespace",
                Scope::Cluster => "cluster",
                Scope::Url => "URL",
            };
            let allowed = allowed_by(action, &roles);
            assert!(!allowed.is_empty(), "no role of the chart allows {action}");
            format!("| `{name}` | `{verb}` `{resource}` | {scope} | {} |", allowed.join(", "))
        });
        let documentation = include_str!("../../../docs/security.md");
        let written: Vec<&str> = documentation
            .lines()
            .skip_while(|line| !line.starts_with("| Mesos' action"))
            .skip(2)
            .take_while(|line| line.starts_with('|'))
            .collect();
        assert_eq!(written, rows, "write this table there:\n{}\n", rows.join("\n"));
    }

    #[test]
    fn every_action_is_another_right() {
        let rights: BTreeSet<String> = Action::ALL.iter().map(ToString::to_string).collect();
        let names: BTreeSet<&str> = Action::ALL.iter().map(|action| action.right().0).collect();
        assert_eq!((rights.len(), names.len()), (Action::ALL.len(), Action::ALL.len()));
    }

    #[test]
    fn a_question_names_the_object_where_it_counts() {
        let asked = Action::AccessSandboxes.question(Object::named("ns", "t")).resource_attributes.unwrap();
        assert_eq!((asked.resource.as_deref(), asked.subresource.as_deref()), (Some("tasks"), Some("sandbox")));
        assert_eq!((asked.namespace.as_deref(), asked.name.as_deref()), (Some("ns"), Some("t")));
        let asked = Action::DrainAgents.question(Object::named("ns", "node1")).resource_attributes.unwrap();
        assert_eq!((asked.namespace, asked.name.as_deref()), (None, Some("node1")), "an agent is in no namespace");
        let asked = Action::GetEndpoints.question(Object::cluster("/metrics/snapshot"));
        assert!(asked.resource_attributes.is_none());
        assert_eq!(asked.non_resource_attributes.unwrap().path.as_deref(), Some("/metrics/snapshot"));
    }
}
