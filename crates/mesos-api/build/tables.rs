//! Writes one static table per message and enum: names, numbers, types, labels and defaults, in the order of
//! declaration.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt::Write;

use heck::{ToSnakeCase, ToUpperCamelCase};
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet, MessageOptions};

/// What is generated: Rust source.
pub(crate) struct Generated {
    /// The tables, and which type each belongs to.
    pub(crate) tables: String,
    /// A macro that hands the name and type of every message to another, for tests that go through them all.
    pub(crate) every_message: String,
}

/// Generates the source of all tables.
pub(crate) fn generate(files: &FileDescriptorSet) -> Result<Generated, Box<dyn Error>> {
    let mut tables = Tables { demanding: demanding(files), ..Tables::default() };
    for file in &files.file {
        let package = file.package().to_owned();
        // Fields of proto3 have no presence: zero is unset.
        let presence = file.syntax() != "proto3";
        let own = package.starts_with("mesos.v1");
        let mut wanted = 0;
        for message in &file.message_type {
            if own || message.name() == "Duration" {
                tables.message(&Scope { package: package.clone(), outer: Vec::new(), presence }, message)?;
                wanted += 1;
            }
        }
        for declared in &file.enum_type {
            tables.declared(&package, &[], declared)?;
        }
        if wanted == 0 {
            return Err(format!("{} has no message that is used", file.name()).into());
        }
    }
    Ok(tables.finish())
}

/// The messages with a map, in them or in one within, whose values have required fields.
fn demanding(files: &FileDescriptorSet) -> BTreeSet<String> {
    fn collect<'a>(all: &mut BTreeMap<String, &'a DescriptorProto>, prefix: &str, message: &'a DescriptorProto) {
        let name = format!("{prefix}.{}", message.name());
        for nested in &message.nested_type {
            collect(all, &name, nested);
        }
        all.insert(name, message);
    }
    let mut all = BTreeMap::new();
    for file in &files.file {
        for message in &file.message_type {
            collect(&mut all, &format!(".{}", file.package()), message);
        }
    }
    let is_entry = |message: &DescriptorProto| message.options.as_ref().is_some_and(MessageOptions::map_entry);
    let has_required = |name: &str| {
        all.get(name).is_some_and(|value| value.field.iter().any(|field| field.label() == Label::Required))
    };
    let mut found: BTreeSet<String> = BTreeSet::new();
    loop {
        let before = found.len();
        for (name, message) in &all {
            let here = |field: &FieldDescriptorProto| {
                found.contains(field.type_name()) || is_entry(message) && has_required(field.type_name())
            };
            if message.field.iter().any(here) {
                found.insert(name.clone());
            }
        }
        if found.len() == before {
            return found.iter().map(|name| name.trim_start_matches('.').to_owned()).collect();
        }
    }
}

/// Where a message is declared.
struct Scope {
    package: String,
    outer: Vec<String>,
    presence: bool,
}

impl Scope {
    fn full_name(&self, name: &str) -> String {
        let mut parts = vec![self.package.clone()];
        parts.extend(self.outer.iter().cloned());
        parts.push(name.to_owned());
        parts.join(".")
    }

    /// The path of the type that prost generates.
    fn rust_path(&self, name: &str) -> String {
        let name = name.to_upper_camel_case();
        if self.package == "google.protobuf" {
            return format!("::prost_types::{name}");
        }
        let mut path = String::from("crate::");
        for module in self.package.split('.').skip(1).chain(self.outer.iter().map(String::as_str)) {
            path.push_str(&module.to_snake_case());
            path.push_str("::");
        }
        path + &name
    }
}

#[derive(Default)]
struct Tables {
    source: String,
    all: String,
    every: String,
    /// Messages with a map, in them or in one within, whose values have required fields.
    demanding: BTreeSet<String>,
}

/// The name of the static that holds a table.
fn table(kind: &str, full_name: &str) -> String {
    format!("{kind}_{}", full_name.trim_start_matches('.').replace('.', "_"))
}

impl Tables {
    fn message(&mut self, scope: &Scope, message: &DescriptorProto) -> Result<(), Box<dyn Error>> {
        let full_name = scope.full_name(message.name());
        let is_entry = message.options.as_ref().is_some_and(MessageOptions::map_entry);
        let entries: Vec<&DescriptorProto> = message
            .nested_type
            .iter()
            .filter(|nested| nested.options.as_ref().is_some_and(MessageOptions::map_entry))
            .collect();
        let mut fields = String::new();
        for field in &message.field {
            Self::field(&mut fields, scope, &full_name, &entries, field)?;
        }
        let mut by_number: Vec<(i32, usize)> =
            message.field.iter().map(FieldDescriptorProto::number).zip(0..).collect();
        by_number.sort_unstable();
        let by_number: Vec<usize> = by_number.into_iter().map(|(_, index)| index).collect();
        let mut by_name: Vec<(&str, usize)> = message.field.iter().map(FieldDescriptorProto::name).zip(0..).collect();
        by_name.sort_unstable();
        let by_name: Vec<usize> = by_name.into_iter().map(|(_, index)| index).collect();
        let path = scope.rust_path(message.name());
        let size = if is_entry {
            // A node of the map holds key and value; what the tree adds is little beside them.
            let value = message.field.iter().find(|field| field.number() == 2).ok_or("a map without value")?;
            match value.r#type() {
                Type::Message => {
                    let name = value.type_name().trim_start_matches('.');
                    format!("size_of::<String>() + {}.size", table("MESSAGE", name))
                }
                Type::String => "2 * size_of::<String>()".to_owned(),
                other => return Err(format!("{full_name}: a map of {other:?}").into()),
            }
        } else {
            format!("size_of::<{path}>()")
        };
        let name = table("MESSAGE", &full_name);
        writeln!(
            self.source,
            "pub(crate) static {name}: Message = Message {{ name: {full_name:?}, fields: &[{fields}], \
             by_number: &{by_number:?}, by_name: &{by_name:?}, size: {size}, \
             has_demanding_maps: {} }};",
            self.demanding.contains(&full_name)
        )?;
        if !is_entry {
            writeln!(
                self.source,
                "impl crate::Described for {path} {{ fn descriptor() -> &'static Message {{ &{name} }} }}"
            )?;
            write!(self.all, "&{name}, ")?;
            if let Some(inside) = path.strip_prefix("crate::") {
                writeln!(self.every, "{full_name:?} => ::proffer_mesos_api::{inside},")?;
            }
        }
        let mut outer = scope.outer.clone();
        outer.push(message.name().to_owned());
        let inner = Scope { package: scope.package.clone(), outer, presence: scope.presence };
        for nested in &message.nested_type {
            self.message(&inner, nested)?;
        }
        for declared in &message.enum_type {
            self.declared(&inner.package, &inner.outer, declared)?;
        }
        Ok(())
    }

    fn field(
        out: &mut String,
        scope: &Scope,
        message: &str,
        entries: &[&DescriptorProto],
        field: &FieldDescriptorProto,
    ) -> Result<(), Box<dyn Error>> {
        let name = field.name();
        let (kind, default) = kind_and_default(field).map_err(|problem| format!("{message}.{name}: {problem}"))?;
        let is_map = entries.iter().any(|entry| field.type_name() == format!(".{message}.{}", entry.name()));
        let label = match field.label() {
            Label::Repeated if is_map => "Map",
            Label::Repeated => "Repeated",
            Label::Required => "Required",
            Label::Optional if !scope.presence => "Implicit",
            Label::Optional => "Optional",
        };
        // Mesos writes a default that was not set, unless the field is deprecated.
        let deprecated = field.options.as_ref().is_some_and(prost_types::FieldOptions::deprecated);
        let default = default.filter(|_| !deprecated).map_or("None".to_owned(), |value| format!("Some({value})"));
        write!(
            out,
            "Field {{ name: {name:?}, number: {}, kind: {kind}, label: Label::{label}, default: {default} }}, ",
            field.number()
        )?;
        Ok(())
    }

    fn declared(
        &mut self,
        package: &str,
        outer: &[String],
        declared: &EnumDescriptorProto,
    ) -> Result<(), Box<dyn Error>> {
        let scope = Scope { package: package.to_owned(), outer: outer.to_vec(), presence: true };
        let full_name = scope.full_name(declared.name());
        let mut values: Vec<(&str, i32)> = declared.value.iter().map(|value| (value.name(), value.number())).collect();
        values.sort_by_key(|(_, number)| *number);
        let mut by_name: Vec<(&str, i32)> = values.clone();
        by_name.sort_unstable();
        writeln!(
            self.source,
            "pub(crate) static {}: Enum = Enum {{ by_number: &{values:?}, by_name: &{by_name:?} }};",
            table("ENUM", &full_name)
        )?;
        Ok(())
    }

    fn finish(self) -> Generated {
        Generated {
            tables: format!("{}\npub(crate) static ALL: &[&Message] = &[{}];\n", self.source, self.all),
            every_message: format!(
                "macro_rules! every_message {{ ($with:ident) => {{ $with! {{\n{}}} }} }}\n",
                self.every
            ),
        }
    }
}

/// A field's kind and its default, both as Rust source.
fn kind_and_default(field: &FieldDescriptorProto) -> Result<(String, Option<String>), String> {
    let text = field.default_value.as_deref();
    let target = |kind: &str| table(kind, field.type_name());
    let plain = |kind: &str, variant: &str| {
        (format!("Kind::{kind}"), text.map(|text| format!("DefaultValue::{variant}({text})")))
    };
    Ok(match field.r#type() {
        Type::Bool => plain("Bool", "Bool"),
        Type::Int32 => plain("Int32", "Unsigned"),
        Type::Int64 => plain("Int64", "Unsigned"),
        Type::Uint32 => plain("Uint32", "Unsigned"),
        Type::Uint64 => plain("Uint64", "Unsigned"),
        Type::Double => ("Kind::Double".to_owned(), text.map(|text| format!("DefaultValue::Double({text}_f64)"))),
        Type::String => ("Kind::String".to_owned(), text.map(|text| format!("DefaultValue::Text({text:?})"))),
        Type::Bytes if text.is_none() => ("Kind::Bytes".to_owned(), None),
        Type::Enum => {
            (format!("Kind::Enum(&{})", target("ENUM")), text.map(|text| format!("DefaultValue::Text({text:?})")))
        }
        Type::Message => (format!("Kind::Message(&{})", target("MESSAGE")), None),
        other => return Err(format!("{other:?} is not among the types that Mesos uses")),
    })
}
