//! Mesos' text form: `cpus:4;mem:8192;ports:[31000-32000];disk(eng):100`.

use crate::{Amount, Ranges, Reservation, ReservationKind, Resource, ResourceBag, Role, Value};
use std::fmt;
use std::str::FromStr;

/// More resources than this in one text are refused.
const MAX_RESOURCES: usize = 10_000;

/// Why a text is not a list of resources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextError(String);

impl TextError {
    pub(crate) fn new(what: &str, text: &str) -> Self {
        Self(format!("{what} in {:?}", text.chars().take(80).collect::<String>()))
    }
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: write resources as cpus:4;mem:8192;ports:[31000-32000];disk(eng):100", self.0)
    }
}

impl std::error::Error for TextError {}

/// Reads a value, or `None` if the text is neither a number, nor ranges, nor a set (Mesos: `values::parse`).
pub(crate) fn parse_value(text: &str) -> Option<Result<Value, TextError>> {
    let text = text.trim();
    if text.starts_with('[') {
        return Some(text.parse::<Ranges>().map(Value::Ranges).map_err(|error| TextError(error.to_string())));
    }
    if let Some(inner) = text.strip_prefix('{') {
        let Some(inner) = inner.strip_suffix('}') else { return Some(Err(TextError::new("a set without }", text))) };
        let items = inner.split(',').map(|item| item.trim().to_owned()).filter(|item| !item.is_empty());
        return Some(Ok(Value::Set(items.collect())));
    }
    let plain = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b'e' | b'E'));
    let number: f64 = text.parse().ok().filter(|_| plain)?;
    Some(
        Amount::from_float(number)
            .map(Value::Scalar)
            .ok_or_else(|| TextError::new("a number below zero or above what an agent can have", text)),
    )
}

impl FromStr for ResourceBag {
    type Err = TextError;

    /// Reads `name:value` or `name(role):value`, separated by `;`. A role makes a reservation of the agent's own.
    fn from_str(text: &str) -> Result<Self, TextError> {
        let mut bag = Self::new();
        for (count, part) in text.split([';', '\n']).map(str::trim).filter(|part| !part.is_empty()).enumerate() {
            if count >= MAX_RESOURCES {
                return Err(TextError::new("more than 10000 resources", text));
            }
            let (name, value) = part.split_once(':').ok_or_else(|| TextError::new("no colon", part))?;
            let (name, role) = match name.split_once('(') {
                None => (name, None),
                Some((name, rest)) => {
                    let role = rest.trim_end().strip_suffix(')').ok_or_else(|| TextError::new("no )", part))?;
                    (name, Some(Role::new(role.trim()).map_err(|error| TextError(error.to_string()))?))
                }
            };
            let value = parse_value(value).ok_or_else(|| TextError::new("a value of no known type", part))??;
            let mut resource = Resource::new(name.trim(), value);
            if let Some(role) = role.filter(|role| !role.is_any()) {
                resource = resource.reserved(Reservation::fixed(role));
            }
            resource.validate().map_err(|error| TextError::new(&error.to_string(), part))?;
            bag.add_one(resource);
        }
        Ok(bag)
    }
}

impl fmt::Display for Resource {
    /// `cpus:4`, `disk(eng):100`, and what has no short form as Mesos logs it:
    /// `disk(reservations: [(DYNAMIC,eng,ops)])[volume-1:data]<SHARED>:100`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name.as_str())?;
        if let Some(role) = &self.allocated_to {
            write!(f, "(allocated: {role})")?;
        }
        match self.reservations() {
            [] => {}
            [one] if one.kind == ReservationKind::Static && one.principal.is_none() && one.labels.0.is_empty() => {
                write!(f, "({})", one.role)?;
            }
            stack => {
                let stack: Vec<String> = stack.iter().map(describe).collect();
                write!(f, "(reservations: [{}])", stack.join(","))?;
            }
        }
        if let Some(disk) = &self.disk {
            let mut parts = Vec::new();
            if let Some(source) = &disk.source {
                let known = [&source.vendor, &source.id, &source.profile, &source.root];
                let known: Vec<&str> = known.into_iter().filter_map(|part| part.as_deref()).collect();
                parts.push(format!("{}({})", source.kind.as_str(), known.join(",")));
            }
            if let Some(persistence) = &disk.persistence {
                parts.push(persistence.id.clone());
            }
            if let Some(volume) = &disk.volume {
                parts.push(volume.container_path.clone());
            }
            write!(f, "[{}]", parts.join(":"))?;
        }
        if self.revocable {
            f.write_str("{REV}")?;
        }
        if self.shared {
            f.write_str("<SHARED>")?;
        }
        write!(f, ":{}", self.value)
    }
}

/// One reservation of a stack: `(DYNAMIC,eng,ops,{k: v})`.
fn describe(reservation: &Reservation) -> String {
    let mut parts = vec![
        match reservation.kind {
            ReservationKind::Static => "STATIC".to_owned(),
            ReservationKind::Dynamic => "DYNAMIC".to_owned(),
        },
        reservation.role.to_string(),
    ];
    parts.extend(reservation.principal.clone());
    if !reservation.labels.0.is_empty() {
        let labels = reservation.labels.0.iter().map(|(key, value)| match value {
            Some(value) => format!("{key}: {value}"),
            None => key.clone(),
        });
        parts.push(format!("{{{}}}", labels.collect::<Vec<_>>().join(", ")));
    }
    format!("({})", parts.join(","))
}

impl fmt::Display for ResourceBag {
    /// `cpus:4;mem:8192`; an empty bag is `{}`, as Mesos writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("{}");
        }
        for (i, resource) in self.iter().enumerate() {
            if i > 0 {
                f.write_str(";")?;
            }
            write!(f, "{resource}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_mesos_reads_and_adds_it_up() {
        for (text, printed) in [
            ("cpus:4;mem:8192;ports:[31000-32000];disk(eng):100", "cpus:4;mem:8192;disk(eng):100;ports:[31000-32000]"),
            (" cpus : 1.5 ; cpus(*):0.5004;", "cpus:2"),
            ("gpus:2;zones:{b, a}", "gpus:2;zones:{a,b}"),
            ("ports:[1-3];ports:[4-5,9-9]", "ports:[1-5,9-9]"),
            ("cpus(eng/a):1;cpus(eng):1", "cpus(eng):1;cpus(eng/a):1"),
            ("cpus:0", "{}"),
            ("", "{}"),
        ] {
            assert_eq!(text.parse::<ResourceBag>().unwrap().to_string(), printed, "{text}");
        }
    }

    #[test]
    fn refuses_what_mesos_refuses() {
        for text in [
            "cpus",
            "cpus:",
            "cpus:x",
            "cpus:-1",
            "cpus:[1-2]",
            "ports:3",
            "cpus(:1",
            "cpus(..):1",
            ":1",
            "gpus:0.5",
            "s:{a",
            "cpus:1e99",
            "cpus:NaN",
            "cpus:inf",
        ] {
            assert!(text.parse::<ResourceBag>().is_err(), "{text}");
        }
    }
}
