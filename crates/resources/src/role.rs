//! Roles: who resources are reserved for, allocated to and shared between.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A role: `*`, `eng` or, in a hierarchy, `eng/analytics`. Cheap to copy, and mostly compared by its address.
#[derive(Clone)]
pub struct Role(Arc<str>);

/// Why a text is no role (the rules of Mesos' `roles::validate`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleError(String);

impl fmt::Display for RoleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: write a role as eng or eng/analytics", self.0)
    }
}

impl std::error::Error for RoleError {}

impl Role {
    /// Reads a role.
    pub fn new(text: &str) -> Result<Self, RoleError> {
        let wrong = |what: &str| Err(RoleError(format!("role {:?} {what}", text.chars().take(80).collect::<String>())));
        if text == "*" {
            return Ok(Self(text.into()));
        }
        if text.is_empty() {
            return wrong("is empty");
        }
        for part in text.split('/') {
            match part {
                "" => return wrong("begins or ends with / or has //"),
                "." | ".." => return wrong("has a part . or .."),
                "*" => return wrong("has a part *"),
                part if part.starts_with('-') => return wrong("has a part that begins with -"),
                part if part.chars().any(|c| c.is_whitespace() || c == '\u{8}' || c == '\u{7f}') => {
                    return wrong("has white space");
                }
                _ => {}
            }
        }
        Ok(Self(text.into()))
    }

    /// `*`, the role of those that have none.
    #[must_use]
    pub fn any() -> Self {
        Self("*".into())
    }

    /// The role as a text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is `*`.
    #[must_use]
    pub fn is_any(&self) -> bool {
        &*self.0 == "*"
    }

    /// Whether this is strictly below `other`: `eng/analytics` is below `eng`.
    #[must_use]
    pub fn is_below(&self, other: &Self) -> bool {
        self.0.len() > other.0.len() && self.0.starts_with(&*other.0) && self.0.as_bytes()[other.0.len()] == b'/'
    }

    /// Whether resources that are reserved for `reserved` may be given to this role: it is the same one or below it.
    #[must_use]
    pub fn may_use(&self, reserved: &Self) -> bool {
        self == reserved || self.is_below(reserved)
    }

    /// The role above, unless this is at the top.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        self.0.rsplit_once('/').map(|(parent, _)| Self(parent.into()))
    }

    /// This role's part of the path below its parent: `analytics` of `eng/analytics`.
    #[must_use]
    pub fn last_part(&self) -> &str {
        self.0.rsplit_once('/').map_or(&*self.0, |(_, last)| last)
    }

    /// The role at the top of this one's path: `eng` of `eng/analytics`.
    #[must_use]
    pub fn top(&self) -> Self {
        self.0.split_once('/').map_or_else(|| self.clone(), |(top, _)| Self(top.into()))
    }
}

impl PartialEq for Role {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

impl Eq for Role {}

impl PartialOrd for Role {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Role {
    fn cmp(&self, other: &Self) -> Ordering {
        if Arc::ptr_eq(&self.0, &other.0) { Ordering::Equal } else { self.0.cmp(&other.0) }
    }
}

impl Hash for Role {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(text: &str) -> Role {
        Role::new(text).unwrap()
    }

    #[test]
    fn names_that_mesos_refuses_are_refused() {
        for text in ["", ".", "..", "-eng", "eng/", "/eng", "eng//a", "eng/..", "eng/*", "a b", "a\tb", "eng/-a"] {
            assert!(Role::new(text).is_err(), "{text:?}");
        }
        for text in ["*", "eng", "eng/analytics", "a.b", "...", "a-b", "größe"] {
            assert_eq!(role(text).to_string(), text);
        }
    }

    #[test]
    fn a_role_is_below_its_ancestors_only() {
        for (one, other, below) in [
            ("eng/a", "eng", true),
            ("eng/a/b", "eng", true),
            ("eng", "eng", false),
            ("engine", "eng", false),
            ("eng", "eng/a", false),
        ] {
            assert_eq!(role(one).is_below(&role(other)), below, "{one} {other}");
        }
        assert_eq!((role("a/b/c").parent(), role("a").parent()), (Some(role("a/b")), None));
        assert_eq!((role("a/b/c").top(), role("a/b/c").last_part()), (role("a"), "c"));
    }
}
