//! `cargo xtask bench allocator`: the allocator and the whole master at the sizes of Mesos' own benchmarks, on one core and
//! without a cluster.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use proffer_e2e::command::{cargo, line};
use proffer_e2e::paths;
use serde_json::{Value, json};

/// The allocator and the master at the sizes of Mesos' own benchmarks, without a cluster
#[derive(Args)]
pub(super) struct Arguments {
    /// Only benchmarks whose name begins with one of these
    names: Vec<String>,

    /// Small sizes, in seconds: do the benchmarks still work?
    #[arg(long)]
    quick: bool,

    /// Where to write the figures; by default a new file in target/bench
    #[arg(long)]
    result: Option<PathBuf>,
}

/// The programs: a package and its benchmark.
const PROGRAMS: [(&str, &str); 2] = [("proffer-allocator", "allocator"), ("proffer-master", "master")];

/// Runs the command. Fails if a figure is above what it should be.
pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let folder = paths::target()?.join("bench");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut programs = vec![];
    for (package, bench) in PROGRAMS {
        let part = folder.join(format!("{bench}.part.json"));
        programs.push(measure(arguments, package, bench, &part)?);
    }
    let count = |field: fn(&Value) -> u64| programs.iter().map(field).sum::<u64>();
    let missed = count(|program| program["missed"].as_u64().unwrap_or(0));
    let figures = count(|program| program["figures"].as_array().map_or(0, |figures| figures.len() as u64));
    ensure!(figures > 0, "no benchmark has a name that begins with {}", arguments.names.join(" or "));
    let result = arguments.result.clone().unwrap_or_else(|| folder.join(format!("allocator-{at}.json")));
    let all = json!({"at": at, "quick": arguments.quick, "processor": processor(), "programs": programs});
    fs::write(&result, format!("{all:#}\n")).with_context(|| format!("cannot write {}", result.display()))?;
    println!("{figures} figures in {}", result.display());
    if missed > 0 {
        bail!("{missed} of {figures} figures are above what they should be: see MISSED");
    }
    Ok(())
}

/// Runs one program with its table on our output, and gives its figures.
fn measure(arguments: &Arguments, package: &str, bench: &str, part: &Path) -> Result<Value> {
    if part.exists() {
        fs::remove_file(part).with_context(|| format!("cannot remove {}", part.display()))?;
    }
    let mut cargo = cargo(["bench", "--quiet", "--package", package, "--bench", bench, "--"]);
    cargo.args(arguments.quick.then_some("--quick")).arg("--json").arg(part).args(&arguments.names);
    let status = cargo.current_dir(paths::workspace()?).status().context("cannot start cargo")?;
    // It fails too if a figure is above what it should be, but with all figures in the file.
    let Ok(text) = fs::read_to_string(part) else { bail!("`{}` ended with {status}", line(&cargo)) };
    fs::remove_file(part).with_context(|| format!("cannot remove {}", part.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not JSON", part.display()))
}

/// The name of the processor that the figures are of.
fn processor() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
