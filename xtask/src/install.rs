//! From source to a running Proffer: images built, loaded, installed with Helm, the master within reach.

use std::env;

use anyhow::{Context as _, Result};
use clap::Args;
use proffer_e2e::cluster::{Cluster, Source};
use proffer_e2e::forward;
use proffer_e2e::install;
use proffer_e2e::steps::Steps;

use crate::images::{self, Built, Image, VERSION};

/// Values for every cluster of this harness: no credentials are asked for on 127.0.0.1 of one's own machine, and a Secret
/// `principals` may have some.
const VALUES: [&str; 2] = ["http.anonymousLoopback=true", "http.credentialsSecret=principals"];

/// Which images are installed.
#[derive(Args, Clone)]
pub(crate) struct InstallOptions {
    /// The images' tag
    #[arg(long, default_value = VERSION)]
    tag: String,

    /// Use the images as they were built last (`cargo xtask images`), whatever has changed since
    #[arg(long)]
    no_build: bool,
}

impl InstallOptions {
    /// The images' tag.
    pub(crate) fn tag(&self) -> &str {
        &self.tag
    }
}

/// Installs Proffer with images built from this tree and returns the master's port on 127.0.0.1.
///
/// On an existing cluster the images must be where its nodes pull them from.
pub(crate) fn install(cluster: &Cluster, options: &InstallOptions, more_values: &[&str], steps: &Steps) -> Result<u16> {
    let tag = options.tag.as_str();
    let mut values: Vec<String> = VALUES.iter().chain(more_values).map(|value| format!("--set={value}")).collect();
    if cluster.origin() == Source::Existing {
        steps.note("an existing cluster: its nodes must be able to pull the images that the chart names");
    } else {
        let built = if options.no_build { images::as_built(tag)? } else { images::build(tag, steps)? };
        steps.step("images onto every node", || load(cluster, &built))?;
        values.push(format!("--set=image.tag={tag}"));
        values.push(format!("--set=slot.image.tag={tag}"));
        // The tag stays when the content changes; this is what makes Kubernetes roll the pods then.
        for (image, part) in [(Image::Controller, "controller"), (Image::Agent, "agent")] {
            let fingerprint = built.iter().find(|built| built.image == image).map_or("", |built| &built.fingerprint);
            values.push(format!("--set={part}.podAnnotations.proffer\\.dev/image-content={fingerprint}"));
        }
    }
    steps.step("helm upgrade --install of both charts", || install::install(cluster, &values))?;
    steps.step("the master on 127.0.0.1", || connect(cluster))
}

/// Makes the master of a cluster reachable on 127.0.0.1 and returns the port.
pub(crate) fn connect(cluster: &Cluster) -> Result<u16> {
    let program = env::current_exe().context("cannot find the path of this program")?;
    let arguments =
        ["forward", "--cluster", &cluster.origin().to_string(), "--name", cluster.name()].map(str::to_owned);
    forward::ensure(cluster, &program, &arguments)
}

fn load(cluster: &Cluster, built: &[Built]) -> Result<()> {
    let images: Vec<_> = built.iter().map(|built| (built.reference.clone(), built.archive.clone())).collect();
    install::load_images(cluster, &images)
}
