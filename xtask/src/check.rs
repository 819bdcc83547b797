//! `cargo xtask check`: everything that can be said about the tree without a cluster.

mod charts;
mod house_rules;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use proffer_e2e::command::{cargo, command, line, run as run_command, succeeds};
use proffer_e2e::paths;
use proffer_e2e::steps::Steps;
use proffer_e2e::tools::Tools;
use serde_json::Value;

use crate::{crds, test};

/// Check format, house rules, lints of each crate alone, generated files, charts, dependencies and unit tests
#[derive(Args)]
pub(crate) struct Arguments {
    /// Go on after a failed step, to see all that is wrong
    #[arg(long)]
    keep_going: bool,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let steps = Steps::on_stderr();
    let root = paths::workspace()?;
    let mut failed = vec![];
    let mut check = |name: &str, work: &mut dyn FnMut() -> Result<()>| -> Result<()> {
        match steps.step(name, work) {
            Err(error) if arguments.keep_going => {
                steps.note(&format!("{error:#}"));
                failed.push(name.to_owned());
                Ok(())
            }
            other => other,
        }
    };
    check("format", &mut || stream(cargo(["fmt", "--all", "--check"]).current_dir(&root)))?;
    check("house rules", &mut || house_rules::check(&root))?;
    for member in members()? {
        let clippy = ["clippy", "--quiet", "--all-targets", "--package", &member, "--", "--deny", "warnings"];
        check(&format!("clippy of {member} alone"), &mut || stream(cargo(clippy).current_dir(&root)))?;
    }
    check("generated files", &mut || crds::check(&crds::wanted()?))?;
    check("charts (helm lint)", &mut || {
        let mut lint = command(Tools::ensure_helm(&steps)?, ["lint", "--strict", "--quiet"]);
        stream(lint.arg(root.join("charts/proffer")).arg(root.join("charts/proffer-crds")))
    })?;
    check("charts (helm template)", &mut || charts::check(&Tools::ensure_helm(&steps)?, &root.join("charts/proffer")))?;
    if root.join("deny.toml").exists() {
        check("dependencies (cargo deny)", &mut || deny(&steps))?;
    }
    check("unit tests", &mut || {
        let counts = test::unit(&[])?;
        ensure!(counts.failed == 0, "{} unit tests failed", counts.failed);
        Ok(())
    })?;
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    steps.note("everything is as it should be");
    Ok(())
}

/// The workspace's packages.
fn members() -> Result<Vec<String>> {
    let mut metadata = cargo(["metadata", "--no-deps", "--format-version=1"]);
    let text = run_command(metadata.current_dir(paths::workspace()?))?;
    let metadata: Value = serde_json::from_str(&text).context("cargo metadata printed no JSON")?;
    let packages = metadata["packages"].as_array().context("cargo metadata has no packages")?;
    let mut names: Vec<String> =
        packages.iter().filter_map(|package| package["name"].as_str().map(str::to_owned)).collect();
    names.sort();
    Ok(names)
}

/// cargo-deny over deny.toml; advisories only where their database can be fetched.
fn deny(steps: &Steps) -> Result<()> {
    let program = cargo_deny(steps)?;
    let deny = |checks: &[&str]| {
        let mut deny = command(&program, ["--log-level=error", "check", "--hide-inclusion-graph"]);
        deny.args(checks);
        deny
    };
    let root = paths::workspace()?;
    stream(deny(&["bans", "licenses", "sources"]).current_dir(&root))?;
    if succeeds(command(&program, ["fetch", "db"]).current_dir(&root)) {
        return stream(deny(&["advisories"]).current_dir(&root));
    }
    steps.note("cargo deny: the database of advisories cannot be fetched here; advisories are not checked");
    Ok(())
}

fn cargo_deny(steps: &Steps) -> Result<PathBuf> {
    let root = paths::cache()?.join("cargo-deny");
    let own = root.join("bin/cargo-deny");
    if own.exists() {
        return Ok(own);
    }
    if succeeds(&mut command("cargo-deny", ["--version"])) {
        return Ok("cargo-deny".into());
    }
    steps.step("cargo install cargo-deny", || {
        let mut install = cargo(["install", "--quiet", "--locked", "--root"]);
        // Away from this tree, whose .cargo/config.toml is not for other people's programs.
        stream(install.arg(&root).arg("cargo-deny").current_dir("/"))
    })?;
    Ok(own)
}

/// Runs a command with its output on ours.
fn stream(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start `{}`", line(command)))?;
    ensure!(status.success(), "`{}` ended with {status}", line(command));
    Ok(())
}
