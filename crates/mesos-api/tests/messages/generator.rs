//! Makes messages of any type with contents taken from a supply of bytes, by their descriptors.

use std::sync::OnceLock;

use prost_reflect::prost_types::FieldOptions;
use prost_reflect::{
    Cardinality, DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage,
    Value,
};

/// How deep messages are filled beyond what they require.
const DEPTH: usize = 5;

/// The descriptors of all messages, as the independent implementation reads them.
pub(crate) fn pool() -> &'static DescriptorPool {
    static POOL: OnceLock<DescriptorPool> = OnceLock::new();
    POOL.get_or_init(|| {
        DescriptorPool::decode(include_bytes!(concat!(env!("OUT_DIR"), "/mesos.fds")).as_slice()).unwrap()
    })
}

/// Bytes that decide what a message holds; when they are used up, it holds as little as it may.
pub(crate) struct Supply<'a>(pub(crate) &'a [u8]);

impl Supply<'_> {
    fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    fn u64(&mut self) -> u64 {
        match self.byte() % 6 {
            0 => 0,
            1 => 1,
            2 => u64::MAX,
            3 => i64::MAX as u64,
            4 => u64::from(self.byte()),
            _ => (0..8).fold(0, |value, _| value << 8 | u64::from(self.byte())),
        }
    }

    fn double(&mut self) -> f64 {
        match self.byte() % 8 {
            0 => 0.0,
            1 => f64::INFINITY,
            2 => f64::NEG_INFINITY,
            3 => f64::MAX,
            4 => 0.1,
            5 => -f64::from(self.byte()),
            6 => 31000.0,
            _ => Some(f64::from_bits(self.u64())).filter(|value| !value.is_nan()).unwrap_or(5e-324),
        }
    }

    fn text(&mut self) -> String {
        const WORDS: [&str; 8] =
            ["", "a", "/tmp/x y", "\u{e9}\u{1F600}", "\"\\\n\r\t\0\u{7f}", "null", "-1e5", "Infinity"];
        let mut text = WORDS[usize::from(self.byte() % 8)].to_owned();
        for _ in 0..self.byte() % 4 {
            text.push(char::from(self.byte()));
        }
        text
    }

    fn bytes(&mut self) -> Vec<u8> {
        (0..self.byte() % 20).map(|_| self.byte()).collect()
    }

    /// A message of this type.
    pub(crate) fn message(&mut self, descriptor: &MessageDescriptor, depth: usize) -> DynamicMessage {
        let mut message = DynamicMessage::new(descriptor.clone());
        for field in descriptor.fields() {
            if let Some(oneof) = field.containing_oneof()
                && oneof.fields().any(|other| message.has_field(&other))
            {
                continue;
            }
            if field.cardinality() != Cardinality::Required && (depth >= DEPTH || self.byte() % 3 != 1) {
                continue;
            }
            let value = self.field(&field, depth);
            message.set_field(&field, value);
        }
        message
    }

    fn field(&mut self, field: &FieldDescriptor, depth: usize) -> Value {
        if field.is_map() {
            let Kind::Message(entry) = field.kind() else { panic!("a map is made of entries") };
            let value = entry.map_entry_value_field();
            let count = self.byte() % 3;
            return Value::Map((0..count).map(|_| (MapKey::String(self.text()), self.value(&value, depth))).collect());
        }
        if field.is_list() {
            let count = self.byte() % 4;
            return Value::List((0..count).map(|_| self.value(field, depth)).collect());
        }
        self.value(field, depth)
    }

    #[allow(clippy::cast_possible_truncation, reason = "any number will do")]
    fn value(&mut self, field: &FieldDescriptor, depth: usize) -> Value {
        match field.kind() {
            Kind::Bool => Value::Bool(self.byte() & 1 == 1),
            Kind::Int32 => Value::I32(self.u64() as i32),
            Kind::Int64 => Value::I64(self.u64().cast_signed()),
            Kind::Uint32 => Value::U32(self.u64() as u32),
            Kind::Uint64 => Value::U64(self.u64()),
            Kind::Double => Value::F64(self.double()),
            Kind::String => Value::String(self.text()),
            Kind::Bytes => Value::Bytes(self.bytes().into()),
            Kind::Enum(descriptor) => {
                let index = usize::from(self.byte()) % descriptor.values().len();
                Value::EnumNumber(descriptor.values().nth(index).unwrap().number())
            }
            Kind::Message(descriptor) => Value::Message(self.message(&descriptor, depth + 1)),
            other => panic!("{other:?} is not among the types that Mesos uses"),
        }
    }
}

/// The message with every default set that Mesos' JSON shows without its being set.
pub(crate) fn with_defaults(message: &DynamicMessage) -> DynamicMessage {
    let mut result = message.clone();
    for field in message.descriptor().fields() {
        let options = field.field_descriptor_proto().options.as_ref();
        let deprecated = options.is_some_and(FieldOptions::deprecated);
        if message.has_field(&field) {
            let value = value_with_defaults(&message.get_field(&field));
            result.set_field(&field, value);
        } else if field.field_descriptor_proto().default_value.is_some() && !deprecated {
            result.set_field(&field, field.default_value());
        }
    }
    result
}

fn value_with_defaults(value: &Value) -> Value {
    match value {
        Value::Message(message) => Value::Message(with_defaults(message)),
        Value::List(values) => Value::List(values.iter().map(value_with_defaults).collect()),
        Value::Map(entries) => {
            Value::Map(entries.iter().map(|(key, value)| (key.clone(), value_with_defaults(value))).collect())
        }
        other => other.clone(),
    }
}
