//! `AllocationRole`: how much of the cluster the frameworks of a role get.

use crate::{Condition, QuantityText};
use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The weight and the quota of a role. A role without one has the weight 1 and no quota.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "proffer.dev",
    version = "v1alpha1",
    kind = "AllocationRole",
    plural = "allocationroles",
    status = "AllocationRoleStatus",
    shortname = "arole",
    category = "proffer",
    derive = "PartialEq",
    doc = "An AllocationRole says how much of the cluster the frameworks of a role get: a weight against other roles, and a quota of guarantees and limits.",
    printcolumn(name = "Path", type_ = "string", json_path = ".spec.path"),
    printcolumn(name = "Weight", type_ = "number", json_path = ".spec.weight"),
    printcolumn(name = "Accepted", type_ = "string", json_path = ".status.conditions[?(@.type=='Accepted')].status"),
    printcolumn(name = "Share", type_ = "string", json_path = ".status.dominantShare"),
    printcolumn(name = "CPU", type_ = "string", json_path = ".status.allocated.cpu"),
    printcolumn(name = "Memory", type_ = "string", json_path = ".status.allocated.memory"),
    printcolumn(name = "Limit-CPU", type_ = "string", json_path = ".status.quota.limits.cpu", priority = 1),
    printcolumn(name = "Limit-Memory", type_ = "string", json_path = ".status.quota.limits.memory", priority = 1),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Accepted')].message",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct AllocationRoleSpec {
    /// The role: `eng`, or `eng/analytics` below it. `*` is the role of frameworks that name none.
    #[schemars(length(min = 1, max = 255))]
    #[x_kube(validation = Rule::new("self == '*' || self.matches('^[^/ \\\\t\\\\r\\\\n]+(/[^/ \\\\t\\\\r\\\\n]+)*$')").message("a role has names with / between them and no white space: write eng or eng/analytics"))]
    #[x_kube(validation = Rule::new("self == '*' || self.split('/').all(p, p != '.' && p != '..' && p != '*' && !p.startsWith('-'))").message("no part of a role is ., .., * or begins with -: write eng or eng/analytics"))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("the path cannot be changed: make another AllocationRole and delete this one"))]
    pub path: String,
    /// How much more the role gets than others when several want the same: one of weight 3 ends with three times what one of
    /// weight 1 has. It counts among the roles of one parent.
    #[serde(default = "default_weight")]
    #[x_kube(validation = Rule::new("self >= 0.001 && self <= 1000000.0").message("a weight is a number from 0.001 to 1000000: write 1 for an ordinary role"))]
    pub weight: f64,
    /// Bounds of what the role and all roles below it have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<QuotaSpec>,
}

fn default_weight() -> f64 {
    1.0
}

/// Bounds of what a role and all roles below it have.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct QuotaSpec {
    /// What is kept free for the role as long as it has less. Only for roles at the top.
    #[serde(default, skip_serializing_if = "QuantityMap::is_empty")]
    pub guarantees: QuantityMap,
    /// The most that it may have. What is not named is not bounded.
    #[serde(default, skip_serializing_if = "QuantityMap::is_empty")]
    pub limits: QuantityMap,
    /// Whether the guarantees count although the cluster does not have as much.
    #[serde(default)]
    pub force: bool,
}

/// Amounts by resource: `cpu`, `memory`, `disk`, `gpus`, or a name of the operator's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct QuantityMap(pub BTreeMap<String, QuantityText>);

impl QuantityMap {
    /// Whether nothing is named.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl JsonSchema for QuantityMap {
    fn schema_name() -> Cow<'static, str> {
        "Quantities".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "maxProperties": 16,
            "additionalProperties": QuantityText::json_schema(generator),
            "x-kubernetes-validations": [
                {
                    "rule": "self.all(name, name.matches('^[a-z][a-z0-9_.-]*$') && name.size() <= 63)",
                    "message": "a resource's name has lower-case letters, digits, _, . and -: write cpu, memory, disk or gpus",
                },
                {
                    "rule": "!('cpus' in self) && !('mem' in self) && !('ports' in self) && !('ephemeral-storage' in self)",
                    "message": "resources are named as in Tasks: write cpu, memory, disk or gpus (ports have no quota)",
                },
            ],
        })
    }
}

/// What the controller knows of a role.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AllocationRoleStatus {
    /// Generation of the spec that this was seen of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Epoch of the leader that wrote this; never goes down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self >= oldSelf").message("written by a leader of an earlier epoch"))]
    pub master_epoch: Option<i64>,
    /// The quota in force: the one of the spec, or the one before it while that is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<QuotaInForce>,
    /// What tasks of the role and of roles below it hold.
    #[serde(default)]
    // The controller writes it: rules for people would only cost the API server time, and more than it allows.
    #[schemars(with = "BTreeMap<String, String>")]
    pub allocated: BTreeMap<String, QuantityText>,
    /// What is offered to their frameworks now.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    pub offered: BTreeMap<String, QuantityText>,
    /// What counts against the quota: what is held or offered, and all reservations for the role.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    pub consumed: BTreeMap<String, QuantityText>,
    /// The largest part of the cluster that the role has of any resource, in per cent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dominant_share: Option<String>,
    /// Frameworks that want offers in the role or below, or hold something there, as namespace/name; the first hundred.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frameworks: Vec<String>,
    /// `Accepted`, with the reason if the spec is not in force.
    #[serde(default)]
    pub conditions: Vec<Condition>,
}

/// The quota in force.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaInForce {
    /// What is kept free for the role as long as it has less.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, String>")]
    pub guarantees: BTreeMap<String, QuantityText>,
    /// The most that it may have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, String>")]
    pub limits: BTreeMap<String, QuantityText>,
}
