//! Names of objects and containers, made of names that schedulers chose.

use crate::ids::ObjectKey;
use crate::master::Master;

/// Longest part of an object's name that is taken from a scheduler's own name.
const LONGEST_SLUG: usize = 40;

impl Master {
    /// The name of a new Framework's object, which no other has.
    pub(crate) fn name_of_framework(&self, namespace: &str, name: &str, framework_id: &str) -> ObjectKey {
        self.unused(namespace, &object_name(name, framework_id), |key| {
            self.frameworks.contains_key(key) || self.streams.waiting.contains_key(key)
        })
    }

    /// The name of a new Task's object, which no other has.
    pub(crate) fn name_of_task(&self, framework: &ObjectKey, framework_id: &str, task_id: &str) -> ObjectKey {
        let name = object_name(task_id, &format!("{framework_id}/{task_id}"));
        self.unused(&framework.namespace, &name, |key| self.tasks_named(key).next().is_some())
    }

    /// A container's ID, in the form of a UUID that this leader and no other makes up.
    pub(crate) fn name_container(&mut self) -> String {
        self.streams.last_container += 1;
        let drawn = u128::from(self.config.container_seed) << 64 | u128::from(self.streams.last_container);
        // Version 8: made by a rule of one's own.
        let fixed = (drawn & !(0xf << 76) & !(0x3 << 62)) | (0x8 << 76) | (0x2 << 62);
        let hex = format!("{fixed:032x}");
        [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
    }

    #[expect(clippy::unused_self, reason = "reads as a part of the two above")]
    fn unused(&self, namespace: &str, name: &str, used: impl Fn(&ObjectKey) -> bool) -> ObjectKey {
        let mut key = ObjectKey::new(namespace, name);
        let mut attempt = 1_u32;
        while used(&key) {
            attempt += 1;
            key = ObjectKey::new(namespace, format!("{name}-{attempt}"));
        }
        key
    }
}

/// A name for an object that says where it comes from, and that differs where `identity` does.
fn object_name(name: &str, identity: &str) -> String {
    let mut slug = String::with_capacity(LONGEST_SLUG);
    for byte in name.bytes().map(|byte| byte.to_ascii_lowercase()) {
        let dash = slug.ends_with('-') || slug.is_empty();
        if byte.is_ascii_lowercase() || byte.is_ascii_digit() {
            slug.push(byte.into());
        } else if !dash {
            slug.push('-');
        }
        if slug.len() >= LONGEST_SLUG {
            break;
        }
    }
    let slug = slug.trim_matches('-');
    // An object's name begins with a letter where a label's value or a host name is made of it.
    let prefix = if slug.starts_with(|c: char| c.is_ascii_lowercase()) { "" } else { "m" };
    let dash = if slug.is_empty() || prefix.is_empty() { "" } else { "-" };
    let between = if slug.is_empty() && prefix.is_empty() { "" } else { "-" };
    format!("{prefix}{dash}{slug}{between}{:010x}", fnv(identity) & 0xff_ffff_ffff)
}

/// The hash of Fowler, Noll and Vo (FNV-1a, 64 bits): it stays the same over versions. It need not withstand anybody, since
/// a name that is taken is not used.
fn fnv(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_can_be_those_of_objects() {
        for (name, identity, expected) in [
            ("Spark Pi!", "F-1", "spark-pi-"),
            ("", "F-1", "m-"),
            ("..", "F-1", "m-"),
            ("7", "F-1", "m-7-"),
            (&"x".repeat(300), "F-1", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-"),
            ("Ünïcode", "F-1", "n-code-"),
        ] {
            let made = object_name(name, identity);
            assert_eq!(&made[..made.len() - 10], expected, "{name:?}");
            assert!(made.len() <= 63);
        }
        assert_ne!(object_name("a", "F-1/a"), object_name("a", "F-2/a"));
    }
}
