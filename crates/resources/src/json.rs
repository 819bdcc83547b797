//! Mesos' JSON form of resources and attributes: that of its v1 API, and the older one with `role` and `reservation`.

use crate::{
    Amount, Attribute, AttributeValue, Attributes, DiskInfo, DiskSource, DiskSourceKind, Labels, Persistence, Ranges,
    Reservation, ReservationKind, Resource, ResourceBag, Role, Value, Volume, VolumeMode,
};
use serde_json::{Map, Value as Json, json};
use std::fmt;
use std::sync::Arc;

/// Why a JSON value is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError(String);

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for JsonError {}

fn wrong(what: &str, json: &Json) -> JsonError {
    JsonError(format!("{what}: {}", json.to_string().chars().take(120).collect::<String>()))
}

fn text<'a>(json: &'a Json, key: &str) -> Result<Option<&'a str>, JsonError> {
    match json.get(key) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) => Ok(Some(text)),
        Some(_) => Err(wrong(&format!("{key:?} is not a text"), json)),
    }
}

fn owned(json: &Json, key: &str) -> Result<Option<String>, JsonError> {
    Ok(text(json, key)?.map(ToOwned::to_owned))
}

fn needed<'a>(json: &'a Json, key: &str) -> Result<&'a str, JsonError> {
    text(json, key)?.ok_or_else(|| wrong(&format!("{key:?} is missing"), json))
}

fn role(json: &Json) -> Result<Option<Role>, JsonError> {
    text(json, "role")?.map(|role| Role::new(role).map_err(|error| JsonError(error.to_string()))).transpose()
}

fn list<'a>(json: &'a Json, key: &str) -> Result<&'a [Json], JsonError> {
    match json.get(key) {
        None | Some(Json::Null) => Ok(&[]),
        Some(Json::Array(list)) => Ok(list),
        Some(_) => Err(wrong(&format!("{key:?} is not a list"), json)),
    }
}

fn scalar(json: &Json) -> Result<Amount, JsonError> {
    let number = json.get("scalar").and_then(|scalar| scalar.get("value")).and_then(Json::as_f64);
    number
        .and_then(Amount::from_float)
        .ok_or_else(|| wrong("\"scalar\" has no \"value\" that is a number from 0 to 10^12", json))
}

fn ranges(json: &Json) -> Result<Ranges, JsonError> {
    let pairs = json.get("ranges").map(|ranges| list(ranges, "range")).transpose()?.unwrap_or_default();
    let bounds = pairs.iter().map(|pair| {
        // Protobuf's JSON may write 64-bit numbers as texts.
        let bound = |key: &str| match pair.get(key) {
            Some(Json::String(text)) => text.parse::<u64>().ok(),
            Some(number) => number.as_u64(),
            None => None,
        };
        match (bound("begin"), bound("end")) {
            (Some(begin), Some(end)) if begin <= end => Ok((begin, end)),
            _ => Err(wrong("a range without a \"begin\" and an \"end\" that is not smaller", pair)),
        }
    });
    bounds.collect()
}

fn ranges_to_json(ranges: &Ranges) -> Json {
    let pairs = ranges.as_pairs().iter().map(|(begin, end)| json!({"begin": begin, "end": end}));
    json!({"range": pairs.collect::<Vec<_>>()})
}

/// Puts a text in if there is one.
fn put(map: &mut Map<String, Json>, key: &str, value: Option<&str>) {
    if let Some(value) = value {
        map.insert(key.to_owned(), value.into());
    }
}

impl Reservation {
    fn from_json(json: &Json) -> Result<Self, JsonError> {
        let kind = match text(json, "type")? {
            Some("STATIC") => ReservationKind::Static,
            Some("DYNAMIC") | None => ReservationKind::Dynamic,
            Some(_) => return Err(wrong("a reservation is STATIC or DYNAMIC", json)),
        };
        let role = role(json)?.ok_or_else(|| wrong("a reservation has no \"role\"", json))?;
        Ok(Self { kind, role, principal: owned(json, "principal")?, labels: Labels::from_json(json)? })
    }

    /// With its kind and role, or without (the older form).
    fn to_json(&self, whole: bool) -> Json {
        let mut map = Map::new();
        if whole {
            let kind = match self.kind {
                ReservationKind::Static => "STATIC",
                ReservationKind::Dynamic => "DYNAMIC",
            };
            map.insert("type".to_owned(), kind.into());
            map.insert("role".to_owned(), self.role.as_str().into());
        }
        put(&mut map, "principal", self.principal.as_deref());
        if !self.labels.0.is_empty() {
            let labels = self.labels.0.iter().map(|(key, value)| {
                let mut label = Map::new();
                put(&mut label, "key", Some(key));
                put(&mut label, "value", value.as_deref());
                Json::Object(label)
            });
            map.insert("labels".to_owned(), json!({"labels": labels.collect::<Vec<_>>()}));
        }
        Json::Object(map)
    }
}

impl Labels {
    fn from_json(json: &Json) -> Result<Self, JsonError> {
        let labels = json.get("labels").map(|labels| list(labels, "labels")).transpose()?.unwrap_or_default();
        let pairs = labels.iter().map(|label| Ok((needed(label, "key")?.to_owned(), owned(label, "value")?)));
        pairs.collect::<Result<_, _>>().map(Self)
    }
}

impl DiskInfo {
    fn from_json(json: &Json) -> Result<Self, JsonError> {
        let persistence = json
            .get("persistence")
            .map(|json| Ok(Persistence { id: needed(json, "id")?.to_owned(), principal: owned(json, "principal")? }));
        let volume = json.get("volume").map(|json| {
            let mode = match text(json, "mode")? {
                Some("RO") => VolumeMode::ReadOnly,
                Some("RW") => VolumeMode::ReadWrite,
                _ => return Err(wrong("a volume's \"mode\" is RW or RO", json)),
            };
            let container_path = needed(json, "container_path")?.to_owned();
            Ok(Volume { mode, container_path, host_path: owned(json, "host_path")? })
        });
        let source = json.get("source").map(|json| {
            let (kind, key) = match text(json, "type")? {
                Some("PATH") => (DiskSourceKind::Path, "path"),
                Some("MOUNT") => (DiskSourceKind::Mount, "mount"),
                Some("BLOCK") => (DiskSourceKind::Block, ""),
                Some("RAW") => (DiskSourceKind::Raw, ""),
                _ => return Err(wrong("a disk's source has the type PATH, MOUNT, BLOCK or RAW", json)),
            };
            let root = json.get(key).map(|json| owned(json, "root")).transpose()?.flatten();
            let (id, profile) = (owned(json, "id")?, owned(json, "profile")?);
            Ok(DiskSource { kind, root, vendor: owned(json, "vendor")?, id, profile })
        });
        Ok(Self { persistence: persistence.transpose()?, volume: volume.transpose()?, source: source.transpose()? })
    }

    fn to_json(&self) -> Json {
        let mut map = Map::new();
        if let Some(Persistence { id, principal }) = &self.persistence {
            let mut inner = Map::new();
            put(&mut inner, "id", Some(id));
            put(&mut inner, "principal", principal.as_deref());
            map.insert("persistence".to_owned(), inner.into());
        }
        if let Some(Volume { mode, container_path, host_path }) = &self.volume {
            let mut inner = Map::new();
            put(&mut inner, "mode", Some(if *mode == VolumeMode::ReadOnly { "RO" } else { "RW" }));
            put(&mut inner, "container_path", Some(container_path));
            put(&mut inner, "host_path", host_path.as_deref());
            map.insert("volume".to_owned(), inner.into());
        }
        if let Some(DiskSource { kind, root, vendor, id, profile }) = &self.source {
            let mut inner = Map::new();
            put(&mut inner, "type", Some(kind.as_str()));
            let key = match kind {
                DiskSourceKind::Path => Some("path"),
                DiskSourceKind::Mount => Some("mount"),
                DiskSourceKind::Block | DiskSourceKind::Raw => None,
            };
            if let (Some(key), Some(root)) = (key, root) {
                inner.insert(key.to_owned(), json!({"root": root}));
            }
            for (key, value) in [("vendor", vendor), ("id", id), ("profile", profile)] {
                put(&mut inner, key, value.as_deref());
            }
            map.insert("source".to_owned(), inner.into());
        }
        Json::Object(map)
    }
}

impl Resource {
    /// Reads one resource, with `reservations` or with the older `role` and `reservation`, and validates it.
    pub fn from_json(json: &Json) -> Result<Self, JsonError> {
        let name = needed(json, "name")?;
        let value = match needed(json, "type")? {
            "SCALAR" => Value::Scalar(scalar(json)?),
            "RANGES" => Value::Ranges(ranges(json)?),
            "SET" => {
                let items = json.get("set").map(|set| list(set, "item")).transpose()?.unwrap_or_default();
                let items = items.iter().map(|item| item.as_str().map(ToOwned::to_owned));
                Value::Set(items.collect::<Option<_>>().ok_or_else(|| wrong("a set's \"item\" is not a text", json))?)
            }
            _ => return Err(wrong("a resource's type is SCALAR, RANGES or SET", json)),
        };
        let mut resource = Self::new(name, value);
        let stack = list(json, "reservations")?;
        let old_role = role(json)?.filter(|role| !role.is_any());
        let old = json.get("reservation").filter(|reservation| !reservation.is_null());
        if !stack.is_empty() {
            // Mesos itself writes both forms side by side; then the stack counts.
            let stack: Result<Vec<_>, _> = stack.iter().map(Reservation::from_json).collect();
            resource.reservations = Some(stack?.into());
        } else if let Some(role) = old_role {
            let reservation = match old {
                None => Reservation::fixed(role),
                Some(json) => Reservation {
                    kind: ReservationKind::Dynamic,
                    role,
                    principal: owned(json, "principal")?,
                    labels: Labels::from_json(json)?,
                },
            };
            resource = resource.reserved(reservation);
        } else if old.is_some() {
            return Err(wrong("a reservation without a role", json));
        }
        if let Some(disk) = json.get("disk").filter(|disk| !disk.is_null()) {
            resource = resource.on_disk(DiskInfo::from_json(disk)?);
        }
        resource.revocable = json.get("revocable").is_some_and(|there| !there.is_null());
        resource.shared = json.get("shared").is_some_and(|there| !there.is_null());
        resource.allocated_to = json.get("allocation_info").map(role).transpose()?.flatten();
        resource.provider = json.get("provider_id").map(|id| needed(id, "value").map(Arc::from)).transpose()?;
        resource.validate().map_err(|error| wrong(&error.to_string(), json))?;
        Ok(resource)
    }

    /// The form that frameworks with the capability `RESERVATION_REFINEMENT` get: all reservations as `reservations`.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let mut map = self.unreserved_json();
        if !self.reservations().is_empty() {
            let stack: Vec<Json> = self.reservations().iter().map(|reservation| reservation.to_json(true)).collect();
            map.insert("reservations".to_owned(), stack.into());
        }
        map.into()
    }

    /// The form that other frameworks get, and that Mesos' endpoints show: `role` and `reservation`. `None` for refined
    /// reservations, which it cannot say.
    #[must_use]
    pub fn to_json_without_refinement(&self) -> Option<Json> {
        let mut map = self.unreserved_json();
        match self.reservations() {
            [] => put(&mut map, "role", Some("*")),
            [one] => {
                put(&mut map, "role", Some(one.role.as_str()));
                if one.kind == ReservationKind::Dynamic {
                    map.insert("reservation".to_owned(), one.to_json(false));
                }
            }
            _ => return None,
        }
        Some(map.into())
    }

    fn unreserved_json(&self) -> Map<String, Json> {
        let mut map = Map::new();
        put(&mut map, "name", Some(self.name.as_str()));
        let (kind, key, value) = match &self.value {
            Value::Scalar(amount) => ("SCALAR", "scalar", json!({"value": amount.to_float()})),
            Value::Ranges(ranges) => ("RANGES", "ranges", ranges_to_json(ranges)),
            Value::Set(items) => ("SET", "set", json!({"item": items})),
        };
        put(&mut map, "type", Some(kind));
        map.insert(key.to_owned(), value);
        if let Some(disk) = &self.disk {
            map.insert("disk".to_owned(), disk.to_json());
        }
        for (key, there) in [("revocable", self.revocable), ("shared", self.shared)] {
            if there {
                map.insert(key.to_owned(), json!({}));
            }
        }
        if let Some(role) = &self.allocated_to {
            map.insert("allocation_info".to_owned(), json!({"role": role.as_str()}));
        }
        if let Some(provider) = &self.provider {
            map.insert("provider_id".to_owned(), json!({"value": &**provider}));
        }
        map
    }
}

impl ResourceBag {
    /// Reads a list of resources.
    pub fn from_json(json: &Json) -> Result<Self, JsonError> {
        let list = json.as_array().ok_or_else(|| wrong("resources are not a list", json))?;
        list.iter().map(Resource::from_json).collect()
    }

    /// The list of its resources; a shared volume as often as it is there.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let each = self.iter().flat_map(|resource| {
            let copies = self.copies(resource).max(1);
            (0..if resource.shared { copies } else { 1 }).map(|_| resource.to_json())
        });
        Json::Array(each.collect())
    }
}

impl Attributes {
    /// Reads a list of attributes.
    pub fn from_json(json: &Json) -> Result<Self, JsonError> {
        let list = json.as_array().ok_or_else(|| wrong("attributes are not a list", json))?;
        let attributes = list.iter().map(|json| {
            let value = match needed(json, "type")? {
                "SCALAR" => AttributeValue::Scalar(scalar(json)?),
                "RANGES" => AttributeValue::Ranges(ranges(json)?),
                "TEXT" => {
                    let inner = json.get("text").ok_or_else(|| wrong("\"text\" is missing", json))?;
                    AttributeValue::Text(needed(inner, "value")?.to_owned())
                }
                _ => return Err(wrong("an attribute's type is SCALAR, RANGES or TEXT", json)),
            };
            Ok(Attribute { name: needed(json, "name")?.to_owned(), value })
        });
        attributes.collect::<Result<_, _>>().map(Self)
    }

    /// The list of its attributes.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let each = self.0.iter().map(|Attribute { name, value }| match value {
            AttributeValue::Scalar(amount) => {
                json!({"name": name, "type": "SCALAR", "scalar": {"value": amount.to_float()}})
            }
            AttributeValue::Ranges(ranges) => json!({"name": name, "type": "RANGES", "ranges": ranges_to_json(ranges)}),
            AttributeValue::Text(text) => json!({"name": name, "type": "TEXT", "text": {"value": text}}),
        });
        Json::Array(each.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_reservations_are_read() {
        let old = json!({"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.1}, "role": "eng",
            "reservation": {"principal": "ops", "labels": {"labels": [{"key": "k", "value": "v"}, {"key": "bare"}]}}});
        let resource = Resource::from_json(&old).unwrap();
        assert_eq!(resource.to_string(), "cpus(reservations: [(DYNAMIC,eng,ops,{k: v, bare})]):0.1");
        assert_eq!(resource.to_json_without_refinement(), Some(old));
        let new = json!({"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.1}, "reservations": [
            {"type": "STATIC", "role": "eng"}, {"type": "DYNAMIC", "role": "eng/a", "principal": "ops"}]});
        let refined = Resource::from_json(&new).unwrap();
        assert_eq!((refined.to_json(), refined.to_json_without_refinement()), (new, None));
    }

    #[test]
    fn volumes_keep_all_that_is_known() {
        let volume = json!({"name": "disk", "type": "SCALAR", "scalar": {"value": 64.0}, "shared": {},
            "reservations": [{"type": "DYNAMIC", "role": "eng"}], "provider_id": {"value": "p"},
            "allocation_info": {"role": "eng"},
            "disk": {"persistence": {"id": "v1", "principal": "ops"},
                "volume": {"mode": "RW", "container_path": "data"},
                "source": {"type": "MOUNT", "mount": {"root": "/mnt/a"}, "id": "x", "profile": "fast", "vendor": "v"}}});
        assert_eq!(Resource::from_json(&volume).unwrap().to_json(), volume);
    }

    #[test]
    fn what_is_malformed_is_refused() {
        for json in [
            json!([]),
            json!({"name": "cpus"}),
            json!({"name": "cpus", "type": "SCALAR"}),
            json!({"name": "cpus", "type": "SCALAR", "scalar": {"value": -1}}),
            json!({"name": "cpus", "type": "TEXT"}),
            json!({"name": "ports", "type": "RANGES", "ranges": {"range": [{"begin": 2, "end": 1}]}}),
            json!({"name": "cpus", "type": "SCALAR", "scalar": {"value": 1}, "role": 7}),
            json!({"name": "cpus", "type": "SCALAR", "scalar": {"value": 1}, "reservation": {}}),
            json!({"name": "cpus", "type": "SCALAR", "scalar": {"value": 1}, "shared": {}}),
            json!({"name": "s", "type": "SET", "set": {"item": [1]}}),
        ] {
            assert!(Resource::from_json(&json).is_err(), "{json}");
        }
    }

    #[test]
    fn attributes_are_read_back() {
        let attributes: Attributes = "rack:r1;level:1.5;keys:[1-5]".parse().unwrap();
        assert_eq!(Attributes::from_json(&attributes.to_json()), Ok(attributes));
    }
}
