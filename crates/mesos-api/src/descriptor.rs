//! What is known of each message at run time: the tables that the build script writes.

use std::fmt;

/// A message that has a table.
pub trait Described: prost::Message + Default {
    /// The message's table.
    fn descriptor() -> &'static Message;
}

/// The table of a message.
pub struct Message {
    pub(crate) name: &'static str,
    /// In the order of declaration, which is the order in JSON.
    pub(crate) fields: &'static [Field],
    /// Indices of `fields`, by number.
    pub(crate) by_number: &'static [usize],
    /// Indices of `fields`, by name.
    pub(crate) by_name: &'static [usize],
    /// Bytes that the message takes in memory without what it points to.
    pub(crate) size: usize,
    /// Whether it, or a message within it, has a map whose values have required fields.
    pub(crate) has_demanding_maps: bool,
}

impl Message {
    /// The full name, with its package.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Every message of the API but the entries of maps, in the order of the files.
    #[must_use]
    pub fn all() -> &'static [&'static Message] {
        ALL
    }

    /// The index of the field with this number.
    pub(crate) fn index_of_number(&self, number: u32) -> Option<usize> {
        let position = self.by_number.binary_search_by_key(&number, |&index| self.fields[index].number).ok()?;
        self.by_number.get(position).copied()
    }

    /// The index of the field with this name.
    pub(crate) fn index_of_name(&self, name: &str) -> Option<usize> {
        let position = self.by_name.binary_search_by_key(&name, |&index| self.fields[index].name).ok()?;
        self.by_name.get(position).copied()
    }
}

impl fmt::Debug for Message {
    /// The name alone: tables refer to each other in circles.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Message").field(&self.name).finish()
    }
}

/// A field of a message.
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) number: u32,
    pub(crate) kind: Kind,
    pub(crate) label: Label,
    /// What JSON shows when the field is not set; absent for deprecated fields.
    pub(crate) default: Option<DefaultValue>,
}

/// Type of a field.
pub(crate) enum Kind {
    Bool,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Double,
    String,
    Bytes,
    Enum(&'static Enum),
    Message(&'static Message),
}

impl Kind {
    /// How values of this type stand on the wire.
    pub(crate) fn wire_type(&self) -> u8 {
        match self {
            Self::Bool | Self::Int32 | Self::Int64 | Self::Uint32 | Self::Uint64 | Self::Enum(_) => 0,
            Self::Double => 1,
            Self::String | Self::Bytes | Self::Message(_) => 2,
        }
    }
}

/// How often a field occurs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Label {
    Required,
    Optional,
    /// Of proto3: zero is unset.
    Implicit,
    Repeated,
    Map,
}

/// A default that the .proto file gives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum DefaultValue {
    Bool(bool),
    Unsigned(u64),
    Double(f64),
    /// A text, or the name of an enum's value.
    Text(&'static str),
}

/// The table of an enum.
pub(crate) struct Enum {
    by_number: &'static [(&'static str, i32)],
    by_name: &'static [(&'static str, i32)],
}

impl Enum {
    /// The name of a number.
    pub(crate) fn name(&self, number: i32) -> Option<&'static str> {
        let position = self.by_number.binary_search_by_key(&number, |(_, number)| *number).ok()?;
        self.by_number.get(position).map(|(name, _)| *name)
    }

    /// The number of a name.
    pub(crate) fn number(&self, name: &str) -> Option<i32> {
        let position = self.by_name.binary_search_by_key(&name, |(name, _)| *name).ok()?;
        self.by_name.get(position).map(|(_, number)| *number)
    }
}

use tables::ALL;

/// The tables themselves.
#[allow(clippy::all, clippy::pedantic, dead_code, non_upper_case_globals, reason = "generated")]
mod tables {
    use super::{DefaultValue, Enum, Field, Kind, Label, Message};

    include!(concat!(env!("OUT_DIR"), "/tables.rs"));
}
