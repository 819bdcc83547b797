//! Reads objects so that one without its kind's form does no harm to the others.
//!
//! As [`kube::core::DeserializeGuard`], which this stands in for: every replica reads every version of every Task, and
//! most of an object's bytes are `managedFields`, which nobody here asks for. They are skipped without being stored,
//! which makes reading several times cheaper.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::de::{DeserializeOwned, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Number, Value};
use std::borrow::Cow;
use std::fmt;

/// An object, or what is known of one that does not have its kind's form.
#[derive(Clone, Debug)]
pub struct Guarded<K>(pub Result<K, Malformed>);

/// An object that does not have its kind's form.
#[derive(Clone, Debug)]
pub struct Malformed {
    /// What is wrong with it.
    pub problem: String,
    /// Its metadata.
    pub metadata: ObjectMeta,
}

impl<'de, K: DeserializeOwned> Deserialize<'de> for Guarded<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Skimmed(mut value) = Skimmed::deserialize(deserializer)?;
        Ok(Self(match K::deserialize(&value) {
            Ok(object) => Ok(object),
            Err(problem) => {
                let metadata = serde_json::from_value(value["metadata"].take()).map_err(D::Error::custom)?;
                Err(Malformed { problem: problem.to_string(), metadata })
            }
        }))
    }
}

impl<K: Serialize> Serialize for Guarded<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Ok(object) => object.serialize(serializer),
            Err(malformed) => Err(serde::ser::Error::custom(&malformed.problem)),
        }
    }
}

impl<K: Resource> Resource for Guarded<K> {
    type DynamicType = K::DynamicType;
    type Scope = K::Scope;

    fn kind(dynamic: &K::DynamicType) -> Cow<'_, str> {
        K::kind(dynamic)
    }

    fn group(dynamic: &K::DynamicType) -> Cow<'_, str> {
        K::group(dynamic)
    }

    fn version(dynamic: &K::DynamicType) -> Cow<'_, str> {
        K::version(dynamic)
    }

    fn plural(dynamic: &K::DynamicType) -> Cow<'_, str> {
        K::plural(dynamic)
    }

    fn meta(&self) -> &ObjectMeta {
        self.0.as_ref().map_or_else(|malformed| &malformed.metadata, K::meta)
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        self.0.as_mut().map_or_else(|malformed| &mut malformed.metadata, K::meta_mut)
    }
}

/// JSON without `managedFields`.
struct Skimmed(Value);

impl<'de> Deserialize<'de> for Skimmed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Skimmer)
    }
}

struct Skimmer;

impl<'de> Visitor<'de> for Skimmer {
    type Value = Skimmed;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Skimmed, E> {
        Ok(Skimmed(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Skimmed, E> {
        Ok(Skimmed(Value::Number(value.into())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Skimmed, E> {
        Ok(Skimmed(Value::Number(value.into())))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Skimmed, E> {
        Ok(Skimmed(Number::from_f64(value).map_or(Value::Null, Value::Number)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Skimmed, E> {
        Ok(Skimmed(Value::String(value.to_owned())))
    }

    fn visit_string<E>(self, value: String) -> Result<Skimmed, E> {
        Ok(Skimmed(Value::String(value)))
    }

    fn visit_unit<E>(self) -> Result<Skimmed, E> {
        Ok(Skimmed(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Skimmed, E> {
        Ok(Skimmed(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Skimmed, D::Error> {
        Skimmed::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Skimmed, A::Error> {
        let mut values = Vec::new();
        while let Some(Skimmed(value)) = items.next_element()? {
            values.push(value);
        }
        Ok(Skimmed(Value::Array(values)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Skimmed, A::Error> {
        let mut values = Map::new();
        while let Some(key) = fields.next_key::<String>()? {
            if key == "managedFields" {
                fields.next_value::<IgnoredAny>()?;
            } else {
                let Skimmed(value) = fields.next_value()?;
                values.insert(key, value);
            }
        }
        Ok(Skimmed(Value::Object(values)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::{ObjectList, WatchEvent};
    use proffer_crds::Framework;
    use serde_json::json;

    fn object(spec: &Value) -> Value {
        json!({
            "apiVersion": "proffer.dev/v1alpha1",
            "kind": "Framework",
            "metadata": {"name": "a", "resourceVersion": "5", "managedFields": [{"manager": "kubectl", "fieldsV1": {"f:spec": {}}}]},
            "spec": spec,
        })
    }

    #[test]
    fn a_list_and_a_watch_go_on_past_what_is_malformed() {
        let list = json!({
            "kind": "FrameworkList", "apiVersion": "proffer.dev/v1alpha1", "metadata": {"resourceVersion": "9"},
            "items": [object(&json!({"historyLimit": 7})), object(&json!({"roles": 5}))],
        });
        let list: ObjectList<Guarded<Framework>> = serde_json::from_value(list).unwrap();
        let good = list.items[0].0.as_ref().unwrap();
        assert_eq!((good.spec.history_limit, &good.metadata.managed_fields), (7, &None));
        let malformed = list.items[1].0.as_ref().unwrap_err();
        assert_eq!(malformed.problem, "invalid type: integer `5`, expected a sequence");
        assert_eq!(malformed.metadata.resource_version.as_deref(), Some("5"));

        let text = json!({"type": "ADDED", "object": object(&json!({"roles": 5}))}).to_string();
        let event: WatchEvent<Guarded<Framework>> = serde_json::from_str(&text).unwrap();
        assert!(matches!(event, WatchEvent::Added(Guarded(Err(_)))));
    }

    #[test]
    fn numbers_stay_what_they_are() {
        let text = r#"{"a":1,"b":-1,"c":1.5,"d":18446744073709551615,"e":null,"f":[true,"x"]}"#;
        let Skimmed(value) = serde_json::from_str(text).unwrap();
        assert_eq!(value.to_string(), text);
    }
}
