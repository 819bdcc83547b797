//! The slots: one pod on every agent's node, below whose cgroup the agent's tasks run.
//!
//! [`plan`] says, for one agent, what is missing; [`Keeper`] does it, while this process leads. A slot is never made anew
//! while it runs, since that would end its tasks: its size is changed in place.
//!
//! Who resizes by hand is left alone. The size that was last applied stands in the annotation [`SIZE_ANNOTATION`]; only
//! when the *configured* size (or the node's allocatable, for a share of it) differs from that is the slot resized again.

mod keeper;
mod plan;
mod read;
mod size;
mod template;

pub use keeper::{Configured, Keeper, KeeperError};
pub use plan::{Step, plan};
pub use read::{agent_of, read};
pub use size::{Share, Size, SizeError, cpu_share, memory_share};
pub use template::{Template, TemplateError};

/// Annotation with the name of a slot's agent.
pub const AGENT_ANNOTATION: &str = "proffer.dev/agent";
/// Annotation with the size that was last applied to a slot by the controller.
pub const SIZE_ANNOTATION: &str = "proffer.dev/slot-size";
/// Label selector of slot pods.
pub const SLOT_LABELS: &str = "app.kubernetes.io/name=proffer,app.kubernetes.io/component=slot";
/// Name of a slot's container.
pub const SLOT_CONTAINER: &str = "slot";

/// Name of the slot pod of an agent. A node's name that is too long for it is shortened, with a digest to keep it unique.
#[must_use]
pub fn pod_name(agent: &str) -> String {
    use sha2::{Digest, Sha256};
    let name = format!("proffer-slot-{agent}");
    if name.len() <= 253 {
        return name;
    }
    let digest = Sha256::digest(agent).iter().take(8).fold(0u64, |digest, &byte| digest << 8 | u64::from(byte));
    let kept: String = name.chars().take(253 - 17).collect();
    format!("{}-{digest:016x}", kept.trim_end_matches(['-', '.']))
}

#[cfg(test)]
mod tests {
    #[test]
    fn pod_names_are_short_enough_and_unique() {
        assert_eq!(super::pod_name("node1.example.com"), "proffer-slot-node1.example.com");
        let (a, b) = (super::pod_name(&"n".repeat(253)), super::pod_name(&format!("{}x", "n".repeat(252))));
        assert!(a.len() <= 253 && b.len() <= 253 && a != b);
    }
}
