//! `cargo xtask crds`: the kinds' YAML, from the Rust types, to the places where it is committed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use proffer_e2e::command::{cargo, run as run_command};
use proffer_e2e::paths;

/// Write the kinds' YAML after a change in crds/
#[derive(Args)]
pub(crate) struct Arguments {
    /// Write nothing; fail if a file is not as it would be written
    #[arg(long)]
    check: bool,
}

/// Helm deletes what is no longer in a release; deleting a kind deletes every object of it.
const KEEP: &str = "helm.sh/resource-policy: keep";

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let wanted = wanted()?;
    if arguments.check {
        return check(&wanted);
    }
    for stale in stale(&wanted)? {
        fs::remove_file(&stale).with_context(|| format!("cannot remove {}", stale.display()))?;
    }
    for (path, text) in &wanted {
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        }
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
        println!("{}", path.display());
    }
    Ok(())
}

/// Fails with the names of the files that are not as the types say.
pub(crate) fn check(wanted: &BTreeMap<PathBuf, String>) -> Result<()> {
    let mut wrong = stale(wanted)?;
    wrong.extend(
        wanted
            .iter()
            .filter(|(path, text)| fs::read_to_string(path).ok().as_ref() != Some(text))
            .map(|(path, _)| path.clone()),
    );
    if wrong.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = wrong.iter().map(|path| path.display().to_string()).collect();
    bail!("not as crds/src says: {}; type: cargo xtask crds", names.join(", "))
}

/// Every generated file with its text.
pub(crate) fn wanted() -> Result<BTreeMap<PathBuf, String>> {
    let directory = paths::target()?.join("crds");
    fs::remove_dir_all(&directory).ok();
    let mut generate = cargo(["run", "--quiet", "--package", "proffer-crds", "--bin", "generate", "--"]);
    run_command(generate.arg(&directory).current_dir(paths::workspace()?))?;
    let mut wanted = BTreeMap::new();
    let files = fs::read_dir(&directory).with_context(|| format!("cannot read {}", directory.display()))?;
    for file in files {
        let file = file?;
        let text = fs::read_to_string(file.path()).with_context(|| format!("cannot read {}", file.path().display()))?;
        for (folder, text) in [(plain()?, text.clone()), (chart()?, for_chart(&text))] {
            wanted.insert(folder.join(file.file_name()), text);
        }
    }
    anyhow::ensure!(!wanted.is_empty(), "proffer-crds generated no file into {}", directory.display());
    Ok(wanted)
}

/// Files of kinds that are no more.
fn stale(wanted: &BTreeMap<PathBuf, String>) -> Result<Vec<PathBuf>> {
    let mut stale = vec![];
    for folder in [plain()?, chart()?] {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let generated = entry.file_name().to_string_lossy().starts_with("proffer.dev_");
            if generated && !wanted.contains_key(&entry.path()) {
                stale.push(entry.path());
            }
        }
    }
    Ok(stale)
}

/// The chart's copy: kept by Helm, and with the template language's braces, should a description have any, as plain text.
fn for_chart(text: &str) -> String {
    let text = text.replace("{{", "{{`{{`}}");
    if text.contains(KEEP) {
        return text;
    }
    text.replacen("\nmetadata:\n", &format!("\nmetadata:\n  annotations:\n    {KEEP}\n"), 1)
}

fn plain() -> Result<PathBuf> {
    Ok(paths::workspace()?.join("crds/yaml"))
}

fn chart() -> Result<PathBuf> {
    Ok(paths::workspace()?.join(Path::new("charts/proffer-crds/templates")))
}
