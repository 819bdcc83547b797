//! Generates the v1 messages from `proto/`, without a protoc binary, and beside them the tables that the JSON code and
//! the checks of decoded messages work from.

#[path = "build/tables.rs"]
mod tables;

use std::path::PathBuf;

use prost_types::{DescriptorProto, EnumDescriptorProto};

/// What is compiled; imports follow.
const FILES: [&str; 8] = [
    "mesos/v1/mesos.proto",
    "mesos/v1/allocator/allocator.proto",
    "mesos/v1/maintenance/maintenance.proto",
    "mesos/v1/quota/quota.proto",
    "mesos/v1/scheduler/scheduler.proto",
    "mesos/v1/executor/executor.proto",
    "mesos/v1/master/master.proto",
    "mesos/v1/agent/agent.proto",
];

/// Large and rarely there: without a box, every resource of every task would have the room of a disk.
const BOXED: [&str; 9] = [
    ".mesos.v1.Resource.disk",
    ".mesos.v1.TaskInfo.container",
    ".mesos.v1.TaskInfo.executor",
    ".mesos.v1.Task.container",
    ".mesos.v1.Offer.Operation.launch_group",
    ".mesos.v1.Offer.Operation.grow_volume",
    ".mesos.v1.Offer.Operation.shrink_volume",
    ".mesos.v1.Offer.Operation.create_disk",
    ".mesos.v1.Offer.Operation.destroy_disk",
];

#[allow(clippy::disallowed_methods, reason = "a build script's input is its environment")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    println!("cargo:rerun-if-changed=build");
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let mut files = protox::compile(FILES, ["proto"])?;
    // What tests with an independent decoder read.
    std::fs::write(out.join("mesos.fds"), prost::Message::encode_to_vec(&files))?;
    let generated = tables::generate(&files)?;
    std::fs::write(out.join("tables.rs"), generated.tables)?;
    std::fs::write(out.join("every_message.rs"), generated.every_message)?;
    for file in &mut files.file {
        undeprecate(&mut file.message_type, &mut file.enum_type);
    }
    let mut config = prost_build::Config::new();
    config.btree_map(["."]);
    for field in BOXED {
        config.boxed(field);
    }
    config.compile_fds(files)?;
    Ok(())
}

/// Takes the mark of deprecation from all fields and values: what old clients send has to be read.
fn undeprecate(messages: &mut [DescriptorProto], enums: &mut [EnumDescriptorProto]) {
    for message in messages {
        for options in message.field.iter_mut().filter_map(|field| field.options.as_mut()) {
            options.deprecated = None;
        }
        undeprecate(&mut message.nested_type, &mut message.enum_type);
    }
    let values = enums.iter_mut().flat_map(|declared| &mut declared.value);
    for options in values.filter_map(|value| value.options.as_mut()) {
        options.deprecated = None;
    }
}
