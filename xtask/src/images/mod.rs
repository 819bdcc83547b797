//! `cargo xtask images`: the three images as archives, built without a registry.

mod binaries;
mod build;
mod context;

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use proffer_e2e::steps::Steps;
use proffer_e2e::{packages, paths};
use serde_json::json;

use crate::output::Output;

/// The version that images are tagged with where nothing else is said: the workspace's.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What all images are called before their own name.
const REGISTRY: &str = "proffer.dev";

/// Build the images as archives in target/images, without a registry
#[derive(Args)]
pub(crate) struct Arguments {
    /// The images' tag. Another tag for the same content takes a second
    #[arg(long, default_value = VERSION)]
    tag: String,

    #[command(flatten)]
    output: Output,
}

/// An image that Proffer is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Image {
    /// The controller.
    Controller,
    /// The agent, with the file tree that tasks see.
    Agent,
    /// What holds a node's share.
    Slot,
}

impl Image {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Controller, Self::Agent, Self::Slot];

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Controller => "controller",
            Self::Agent => "agent",
            Self::Slot => "slot",
        }
    }

    /// Its name and tag.
    pub(crate) fn reference(self, tag: &str) -> String {
        format!("{REGISTRY}/{}:{tag}", self.name())
    }

    fn dockerfile(self) -> &'static str {
        match self {
            Self::Controller => "controller/Dockerfile",
            Self::Agent => "agent-daemonset/Dockerfile",
            Self::Slot => "agent-daemonset/slot.Dockerfile",
        }
    }
}

/// An image as it was built.
#[derive(Debug, Clone)]
pub(crate) struct Built {
    /// Which one.
    pub(crate) image: Image,
    /// Its name and tag.
    pub(crate) reference: String,
    /// Its archive.
    pub(crate) archive: PathBuf,
    /// A short text that changes with what is in it.
    pub(crate) fingerprint: String,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let images = build(&arguments.tag, &Steps::on_stderr())?;
    arguments.output.print(
        || {
            let lines = images.iter().map(|built| format!("{}\t{}", built.reference, built.archive.display()));
            lines.chain([String::new()]).collect::<Vec<_>>().join("\n")
        },
        || images.iter().map(|built| json!({ "image": built.reference, "archive": built.archive })).collect(),
    )
}

/// The images as they were built last, whatever has changed since.
pub(crate) fn as_built(tag: &str) -> Result<Vec<Built>> {
    let directory = paths::target()?.join("images");
    Image::ALL.into_iter().map(|image| build::as_built(image, tag, &directory)).collect()
}

/// Builds what changed and returns every image.
pub(crate) fn build(tag: &str, steps: &Steps) -> Result<Vec<Built>> {
    packages::ensure_for_images(steps)?;
    let binaries = binaries::build(steps)?;
    let directory = paths::target()?.join("images");
    let mut built = vec![];
    for image in Image::ALL {
        let context = context::stage(image, &binaries, &directory)?;
        built.push(build::archive(image, tag, &context, &directory, steps)?);
    }
    Ok(built)
}
