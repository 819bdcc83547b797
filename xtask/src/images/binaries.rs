//! The programs that go into images: linked statically, since the images have no C library.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use proffer_e2e::command::cargo;
use proffer_e2e::paths;
use proffer_e2e::steps::Steps;

/// Where each program was built.
pub(super) struct Binaries {
    /// proffer-controller
    pub(super) controller: PathBuf,
    /// proffer-agent
    pub(super) agent: PathBuf,
    /// proffer-init
    pub(super) init: PathBuf,
}

/// Builds the programs, in a target directory of their own: other flags would make Cargo build everything anew each time.
pub(super) fn build(steps: &Steps) -> Result<Binaries> {
    let triple = triple()?;
    let target = paths::target()?.join("static");
    let mut cargo = cargo(["build", "--release", "--target", triple, "--target-dir"]);
    cargo.arg(&target).current_dir(paths::workspace()?);
    cargo.args([
        "--package",
        "proffer-controller",
        "--package",
        "proffer-agent-daemonset",
        "--package",
        "proffer-init",
        "--bins",
    ]);
    // Named with --target, the flags reach the programs only and not the build scripts, which must stay dynamic.
    cargo.env("RUSTFLAGS", "-C target-feature=+crt-static").env_remove("CARGO_ENCODED_RUSTFLAGS");
    steps.step("cargo build --release of the static programs", || stream(&mut cargo))?;
    let program = |name: &str| {
        let path = target.join(triple).join("release").join(name);
        ensure!(path.exists(), "cargo built no {}", path.display());
        Ok(path)
    };
    Ok(Binaries {
        controller: program("proffer-controller")?,
        agent: program("proffer-agent")?,
        init: program("proffer-init")?,
    })
}

/// Runs a command with its output on ours: a compiler's messages are for people.
fn stream(command: &mut Command) -> Result<()> {
    let status = command.status().context("cannot start cargo")?;
    ensure!(status.success(), "`{}` ended with {status}", proffer_e2e::command::line(command));
    Ok(())
}

fn triple() -> Result<&'static str> {
    match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => Ok("x86_64-unknown-linux-gnu"),
        ("linux", "aarch64") => Ok("aarch64-unknown-linux-gnu"),
        (system, processor) => bail!(
            "the images hold Linux programs, and this is {system} on {processor}: build them in a Linux container or machine"
        ),
    }
}
