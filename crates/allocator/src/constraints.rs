//! Offer constraints: which agents a framework wants to be offered for a role (Mesos 1.11: `OfferConstraints`).

use crate::AgentInfo;
use proffer_resources::AttributeValue;
use regex::{Regex, RegexBuilder};
use std::borrow::Cow;
use std::fmt;

/// The most bytes that a compiled pattern may take (Mesos bounds the memory of its RE2 patterns, too).
const MAX_PATTERN_BYTES: usize = 64 * 1024;

/// What a constraint looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// The agent's host name.
    Hostname,
    /// The region of its fault domain.
    Region,
    /// The zone of its fault domain.
    Zone,
    /// Its first attribute of this name.
    Attribute(String),
}

/// What a constraint demands. Those about texts hold for values that are no texts, as in Mesos.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Predicate {
    /// There is a value.
    Exists,
    /// There is none.
    NotExists,
    /// The text is this.
    TextEquals(String),
    /// The text is not this, or there is none.
    TextNotEquals(String),
    /// The whole text matches.
    TextMatches(Pattern),
    /// The whole text does not match, or there is none.
    TextNotMatches(Pattern),
}

/// A compiled pattern. It matches whole texts only.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for Pattern {}

impl Pattern {
    /// Compiles a pattern; an error says what is wrong with it, or that it is too large.
    pub fn new(pattern: &str) -> Result<Self, String> {
        RegexBuilder::new(&format!("^(?:{pattern})$"))
            .size_limit(MAX_PATTERN_BYTES)
            .build()
            .map(Self)
            .map_err(|error| format!("pattern {:?}: {error}", pattern.chars().take(80).collect::<String>()))
    }
}

/// One demand on an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraint {
    /// What it looks at.
    pub selector: Selector,
    /// What it demands.
    pub predicate: Predicate,
}

/// The constraints of a framework for one role: an agent passes if it passes all of any one group. Without groups, every
/// agent passes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Constraints {
    /// The groups.
    pub groups: Vec<Vec<Constraint>>,
}

impl Constraints {
    /// Whether an agent passes.
    #[must_use]
    pub fn allow(&self, agent: &AgentInfo) -> bool {
        self.groups.is_empty() || self.groups.iter().any(|group| group.iter().all(|constraint| constraint.holds(agent)))
    }
}

/// A value that a selector found.
enum Found<'a> {
    Nothing,
    Text(Cow<'a, str>),
    /// A number or numbers.
    NoText,
}

impl Constraint {
    fn holds(&self, agent: &AgentInfo) -> bool {
        let text = |text: Option<&'_ String>| text.map_or(Found::Nothing, |text| Found::Text(text.clone().into()));
        let found = match &self.selector {
            Selector::Hostname => Found::Text(agent.hostname.as_str().into()),
            Selector::Region => text(agent.region.as_ref()),
            Selector::Zone => text(agent.zone.as_ref()),
            Selector::Attribute(name) => match agent.attributes.get(name) {
                None => Found::Nothing,
                Some(AttributeValue::Text(text)) => Found::Text(text.as_str().into()),
                Some(_) => Found::NoText,
            },
        };
        match (&self.predicate, found) {
            (Predicate::Exists, found) => !matches!(found, Found::Nothing),
            (Predicate::NotExists, found) => matches!(found, Found::Nothing),
            (_, Found::NoText) | (Predicate::TextNotEquals(_) | Predicate::TextNotMatches(_), Found::Nothing) => true,
            (Predicate::TextEquals(_) | Predicate::TextMatches(_), Found::Nothing) => false,
            (Predicate::TextEquals(wanted), Found::Text(text)) => *wanted == text,
            (Predicate::TextNotEquals(wanted), Found::Text(text)) => *wanted != text,
            (Predicate::TextMatches(pattern), Found::Text(text)) => pattern.0.is_match(&text),
            (Predicate::TextNotMatches(pattern), Found::Text(text)) => !pattern.0.is_match(&text),
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hostname => f.write_str("HOSTNAME"),
            Self::Region => f.write_str("REGION"),
            Self::Zone => f.write_str("ZONE"),
            Self::Attribute(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(selector: &str, predicate: Predicate) -> bool {
        let agent = AgentInfo {
            hostname: "node1.example".to_owned(),
            region: Some("eu".to_owned()),
            zone: None,
            attributes: "rack:r17;level:3".parse().unwrap(),
        };
        let selector = match selector {
            "HOSTNAME" => Selector::Hostname,
            "REGION" => Selector::Region,
            "ZONE" => Selector::Zone,
            name => Selector::Attribute(name.to_owned()),
        };
        Constraints { groups: vec![vec![Constraint { selector, predicate }]] }.allow(&agent)
    }

    #[test]
    fn predicates_hold_as_in_mesos() {
        let matches = |pattern| Predicate::TextMatches(Pattern::new(pattern).unwrap());
        let not_matches = |pattern| Predicate::TextNotMatches(Pattern::new(pattern).unwrap());
        let equals = |text: &str| Predicate::TextEquals(text.to_owned());
        let not_equals = |text: &str| Predicate::TextNotEquals(text.to_owned());
        for (selector, predicate, expected) in [
            ("HOSTNAME", Predicate::Exists, true),
            ("REGION", equals("eu"), true),
            ("REGION", not_equals("eu"), false),
            ("ZONE", Predicate::NotExists, true),
            ("ZONE", equals("a"), false),
            ("ZONE", not_equals("a"), true),
            ("ZONE", not_matches(".*"), true),
            ("rack", matches("r[0-9]+"), true),
            ("rack", matches("r1"), false),
            ("rack", matches("r1|r17"), true),
            ("rack", not_matches("r1."), false),
            ("level", Predicate::Exists, true),
            ("level", equals("nothing like it"), true),
            ("level", not_matches(".*"), true),
            ("other", Predicate::Exists, false),
        ] {
            assert_eq!(holds(selector, predicate.clone()), expected, "{selector} {predicate:?}");
        }
    }

    #[test]
    fn groups_are_alternatives() {
        let rack = |rack: &str| Constraint {
            selector: Selector::Attribute("rack".to_owned()),
            predicate: Predicate::TextEquals(rack.to_owned()),
        };
        let agent = AgentInfo { attributes: "rack:a".parse().unwrap(), ..AgentInfo::default() };
        let allow = |groups| Constraints { groups }.allow(&agent);
        assert!(allow(vec![]) && allow(vec![vec![rack("b")], vec![rack("a")]]));
        assert!(!allow(vec![vec![rack("a"), rack("b")]]));
    }

    #[test]
    fn patterns_that_cost_too_much_are_refused() {
        for pattern in ["(", "(a{1000}){1000}", "\\p{L}{1000}"] {
            assert!(Pattern::new(pattern).is_err(), "{pattern}");
        }
    }
}
