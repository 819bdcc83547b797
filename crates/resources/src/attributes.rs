//! Attributes of agents: what schedulers choose them by.

use crate::text::parse_value;
use crate::{Amount, Ranges, TextError, Value};
use std::fmt;
use std::str::FromStr;

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttributeValue {
    /// A number.
    Scalar(Amount),
    /// Numbers.
    Ranges(Ranges),
    /// A text.
    Text(String),
}

impl fmt::Display for AttributeValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scalar(amount) => amount.fmt(f),
            Self::Ranges(ranges) => ranges.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// One attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: AttributeValue,
}

/// The attributes of an agent, in the order in which they were given; a name may be there more than once, as in Mesos.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes(pub Vec<Attribute>);

impl Attributes {
    /// The first attribute of a name: the one that offer constraints look at.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&AttributeValue> {
        self.0.iter().find(|attribute| attribute.name == name).map(|attribute| &attribute.value)
    }
}

impl FromStr for Attributes {
    type Err = TextError;

    /// Reads Mesos' text form: `rack:r1;level:10;keys:[1-5]`. What is no number and no ranges is a text.
    fn from_str(text: &str) -> Result<Self, TextError> {
        let mut attributes = Vec::new();
        for part in text.split([';', '\n']).map(str::trim).filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once(':').ok_or_else(|| TextError::new("no colon", part))?;
            let (name, value) = (name.trim(), value.trim());
            if name.is_empty() || value.is_empty() {
                return Err(TextError::new("an attribute without a name or a value", part));
            }
            let value = match parse_value(value) {
                Some(Ok(Value::Scalar(amount))) => AttributeValue::Scalar(amount),
                Some(Ok(Value::Ranges(ranges))) => AttributeValue::Ranges(ranges),
                // Mesos has no attributes that are sets.
                Some(Ok(Value::Set(_))) => return Err(TextError::new("an attribute that is a set", part)),
                Some(Err(error)) => return Err(error),
                None => AttributeValue::Text(value.to_owned()),
            };
            attributes.push(Attribute { name: name.to_owned(), value });
        }
        Ok(Self(attributes))
    }
}

impl fmt::Display for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, Attribute { name, value }) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(";")?;
            }
            write!(f, "{name}:{value}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_ranges_and_texts_are_told_apart() {
        let attributes: Attributes = "rack:r1; level:10;keys:[1-5];url:http://x:80;rack:r2".parse().unwrap();
        assert_eq!(attributes.get("rack"), Some(&AttributeValue::Text("r1".to_owned())));
        assert_eq!(attributes.get("level"), Some(&AttributeValue::Scalar(Amount::from_units(10))));
        assert_eq!(attributes.get("keys"), Some(&AttributeValue::Ranges(Ranges::span(1, 5))));
        assert_eq!(attributes.to_string(), "rack:r1;level:10;keys:[1-5];url:http://x:80;rack:r2");
        for text in ["rack", ":x", "rack:", "a:{b}", "a:[1", "a:-1"] {
            assert!(text.parse::<Attributes>().is_err(), "{text}");
        }
    }
}
