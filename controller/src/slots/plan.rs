//! What is to be done about one agent's slot. Pure.

use super::SIZE_ANNOTATION;
use super::read::requested;
use super::size::Size;
use k8s_openapi::api::core::v1::Pod;
use proffer_resources::Resources;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    Keep,
    /// There is no slot: make one.
    Create(Size),
    /// It ended and will not run again, or its agent is gone: delete it.
    Delete {
        /// Its UID.
        uid: String,
    },
    /// The configured size changed: resize it in place, then write down that this was done.
    Resize(Size),
    /// It has the configured size already: only write that down.
    Annotate(Size),
}

/// What is to be done about the slot `pod` (if there is one) of an agent for which `size` is configured. Without a size,
/// the agent is gone and must have none: with its slot, everything ends that still runs there.
#[must_use]
pub fn plan(pod: Option<&Pod>, size: Option<Size>) -> Step {
    let Some(pod) = pod else { return size.map_or(Step::Keep, Step::Create) };
    if pod.metadata.deletion_timestamp.is_some() {
        return Step::Keep;
    }
    let Some(size) = size else { return Step::Delete { uid: pod.metadata.uid.clone().unwrap_or_default() } };
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    if matches!(phase, Some("Failed" | "Succeeded")) {
        return Step::Delete { uid: pod.metadata.uid.clone().unwrap_or_default() };
    }
    let applied = pod.metadata.annotations.as_ref().and_then(|annotations| annotations.get(SIZE_ANNOTATION));
    if applied == Some(&size.to_string()) {
        return Step::Keep;
    }
    if requested(pod) == Some(Resources::of(size.cpu, size.memory)) { Step::Annotate(size) } else { Step::Resize(size) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proffer_resources::Amount;
    use serde_json::json;

    fn pod(phase: &str, cpu: &str, applied: &str) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": "s", "uid": "u1", "annotations": {SIZE_ANNOTATION: applied}},
            "spec": {"containers": [{"name": "slot", "resources": {"limits": {"cpu": cpu, "memory": "1Gi"}}}]},
            "status": {"phase": phase},
        }))
        .unwrap()
    }

    /// Phase, cores, and the size that was applied last.
    type Found = Option<(&'static str, &'static str, &'static str)>;

    #[test]
    fn slots_are_made_resized_and_left_alone() {
        let size = Size { cpu: Amount::from_units(1), memory: Amount::from_units(1024) };
        let same = "cpu=1,memory=1024Mi";
        let table: [(&str, Found, Step); 7] = [
            ("none", None, Step::Create(size)),
            ("as configured", Some(("Running", "1", same)), Step::Keep),
            ("resized by hand", Some(("Running", "2", same)), Step::Keep),
            ("configured anew", Some(("Running", "1500m", "cpu=1500m,memory=1024Mi")), Step::Resize(size)),
            ("resized, not written down", Some(("Running", "1", "cpu=1500m,memory=1024Mi")), Step::Annotate(size)),
            ("waits for room", Some(("Pending", "4", "cpu=4,memory=1024Mi")), Step::Resize(size)),
            ("evicted", Some(("Failed", "1", same)), Step::Delete { uid: "u1".to_owned() }),
        ];
        for (case, slot, expected) in table {
            let pod = slot.map(|(phase, cpu, applied)| pod(phase, cpu, applied));
            assert_eq!(plan(pod.as_ref(), Some(size)), expected, "{case}");
        }
        let running = pod("Running", "1", same);
        assert_eq!(plan(Some(&running), None), Step::Delete { uid: "u1".to_owned() }, "its agent is gone");
        assert_eq!(plan(None, None), Step::Keep, "its agent is gone, and so is it");
    }
}
