//! Quantities as people write them: `500m`, `2`, `64Mi`.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};
use std::borrow::Cow;

/// A Kubernetes quantity, as text. Numbers without quotes are taken too, as everywhere in Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct QuantityText(pub String);

impl Default for QuantityText {
    fn default() -> Self {
        Self("0".to_owned())
    }
}

impl<'de> Deserialize<'de> for QuantityText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Text(String),
            Integer(i64),
            Decimal(f64),
        }
        Ok(Self(match Written::deserialize(deserializer)? {
            Written::Text(text) => text,
            Written::Integer(number) => number.to_string(),
            Written::Decimal(number) => number.to_string(),
        }))
    }
}

impl JsonSchema for QuantityText {
    fn schema_name() -> Cow<'static, str> {
        "Quantity".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "x-kubernetes-int-or-string": true,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "maxLength": 32,
            // One rule, since each one takes the API server's time with every write of the object.
            "x-kubernetes-validations": [
                {
                    "rule": "isQuantity(string(self)) && quantity(string(self)).compareTo(quantity('0')) >= 0 && quantity(string(self)).compareTo(quantity('1P')) <= 0",
                    "message": "not a quantity that an agent can have: write a number with an optional suffix, such as 500m, 2 or 64Mi",
                    "messageExpression": "string(self) + (!isQuantity(string(self)) ? ' is not a quantity: write a number with an optional suffix, such as 500m, 2 or 64Mi' : quantity(string(self)).compareTo(quantity('0')) < 0 ? ' is negative, and a quantity cannot be negative: write 0 or more, such as 500m, 2 or 64Mi' : ' is larger than any agent can have: write a smaller quantity, such as 500m, 2 or 64Mi')",
                },
            ],
        })
    }
}

impl From<&str> for QuantityText {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for QuantityText {
    fn from(text: String) -> Self {
        Self(text)
    }
}
