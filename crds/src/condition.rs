//! Standard conditions (KEP-1623): type, status, reason, message, times.

use k8s_openapi::jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One observation about an object, as Kubernetes has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What it is about, in camel case: `Ready`, `Finished`.
    #[serde(rename = "type")]
    pub type_: String,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// Why, as one word in camel case.
    pub reason: String,
    /// Why, for a person.
    #[serde(default)]
    pub message: String,
    /// When `status` last changed, RFC 3339.
    pub last_transition_time: String,
    /// The generation of the object's spec that this was seen of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not.
    False,
    /// Nobody can tell.
    Unknown,
}

/// Puts a condition into `conditions`; the transition time moves only when the status does. Returns whether anything changed.
pub fn set_condition(
    conditions: &mut Vec<Condition>,
    type_: &str,
    status: ConditionStatus,
    reason: &str,
    message: &str,
    observed_generation: Option<i64>,
    now: Timestamp,
) -> bool {
    let mut next = Condition {
        type_: type_.to_owned(),
        status,
        reason: reason.to_owned(),
        message: message.to_owned(),
        // Whole seconds, as Kubernetes writes its own.
        last_transition_time: format!("{now:.0}"),
        observed_generation,
    };
    if let Some(known) = conditions.iter_mut().find(|condition| condition.type_ == type_) {
        if known.status == status {
            next.last_transition_time.clone_from(&known.last_transition_time);
        }
        let changed = *known != next;
        *known = next;
        changed
    } else {
        conditions.push(next);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transition_time_moves_with_the_status_only() {
        let mut conditions = Vec::new();
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut set = |status, message, second| {
            set_condition(&mut conditions, "Ready", status, "Seen", message, None, at(second))
        };
        assert!(set(ConditionStatus::False, "a", 1));
        assert!(!set(ConditionStatus::False, "a", 2));
        assert!(set(ConditionStatus::False, "b", 3));
        assert!(set(ConditionStatus::True, "b", 4));
        assert_eq!(conditions.len(), 1);
        assert_eq!(conditions[0].last_transition_time, at(4).to_string());
    }
}
