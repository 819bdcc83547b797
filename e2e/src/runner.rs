//! Runs cases on a cluster, one after the other, and says what happened in a form that people and CI read.

use std::fs;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow};

use crate::cases::lab::Lab;
use crate::cases::{CASES, Case};
use crate::cluster::Cluster;
use crate::command::tail;
use crate::install;

/// How much of each log goes on the screen when a case failed; the report's files have more.
const SHOWN: usize = 1500;
/// How much of each log of the cluster's own programs goes into a failed case's report.
const KEPT: usize = 2_000_000;

/// How many tests went which way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// That did what they say.
    pub passed: usize,
    /// That did not.
    pub failed: usize,
}

impl Counts {
    /// Adds other counts to these.
    pub fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// The cases that have one of these texts in their name; with no texts, all.
#[must_use]
pub fn select(names: &[String]) -> Vec<Case> {
    let wanted = |case: &&Case| names.is_empty() || names.iter().any(|name| case.name.contains(name.as_str()));
    CASES.iter().filter(wanted).copied().collect()
}

/// Runs cases; what a failed one leaves for looking at goes below `reports`.
pub fn run(cluster: &Cluster, cases: &[Case], reports: &Path) -> Result<Counts> {
    let mut counts = Counts::default();
    let mut failed = vec![];
    for case in cases {
        let begun = Instant::now();
        let result = run_one(cluster, case, reports);
        let seconds = begun.elapsed().as_secs_f32();
        match result {
            Ok(()) => {
                counts.passed += 1;
                say(&format!("test {} ... ok ({seconds:.1} s)", case.name))?;
            }
            Err(error) => {
                counts.failed += 1;
                failed.push(case.name);
                say(&format!("test {} ... FAILED ({seconds:.1} s)\n{error:#}\n", case.name))?;
            }
        }
    }
    if !failed.is_empty() {
        say(&format!("failed:\n  {}\nreports: {}", failed.join("\n  "), reports.display()))?;
    }
    Ok(counts)
}

fn run_one(cluster: &Cluster, case: &Case, reports: &Path) -> Result<()> {
    let lab = Lab::new(cluster, &namespace(case.name))?;
    let begun =
        lab.kubectl.run(["get", "namespace", lab.namespace(), "--output=jsonpath={.metadata.creationTimestamp}"])?;
    let outcome = catch_unwind(AssertUnwindSafe(|| (case.run)(&lab)))
        .unwrap_or_else(|panic| Err(anyhow!("the case panicked: {}", panic_text(&*panic))));
    if let Err(error) = outcome {
        let report = reports.join(case.name.replace("::", "-"));
        let seen = collect(&lab, &error, &begun, &report).unwrap_or_else(|error| format!("no report: {error:#}"));
        // The next case must find what it expects; whether that works is not this case's result.
        for repair in [lab.close(), cluster.provider().recover()] {
            if let Err(error) = repair {
                say(&format!("after the failure: {error:#}"))?;
            }
        }
        return Err(anyhow!("{error:#}\n{seen}"));
    }
    lab.close().context("removing the case's namespace")
}

/// Writes all that may show the cause into a directory and returns the part for the screen.
fn collect(lab: &Lab, error: &anyhow::Error, begun: &str, report: &Path) -> Result<String> {
    fs::remove_dir_all(report).ok();
    fs::create_dir_all(report).with_context(|| format!("cannot make {}", report.display()))?;
    let write = |name: &str, text: &str| {
        let path = report.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    write("error.txt", &format!("{error:#}\n"))?;
    let queries: [(&str, &[&str]); 4] = [
        ("objects.yaml", &["get", "frameworks,tasks,offers", "--output=yaml"]),
        ("agents.yaml", &["get", "agents", "--output=yaml"]),
        ("pods.txt", &["get", "pods", "--all-namespaces", "--output=wide"]),
        ("events.txt", &["get", "events", "--all-namespaces", "--sort-by=.lastTimestamp"]),
    ];
    for (name, arguments) in queries {
        let text = lab.kubectl.run(arguments).unwrap_or_else(|error| format!("{error:#}"));
        write(name, &text)?;
    }
    let mut screen = vec![];
    for (title, log) in install::logs(&lab.system())? {
        write(&format!("{title}.log"), &log)?;
        // What was logged before the case began is not about it.
        let since = log.lines().skip_while(|line| !is_since(line, begun)).collect::<Vec<_>>().join("\n");
        if !since.is_empty() {
            screen.push(format!("--- the end of {title}'s log\n{}", tail(&since, SHOWN)));
        }
    }
    copy_logs(lab.cluster, report)?;
    screen.push(format!("--- more in {}", report.display()));
    Ok(screen.join("\n"))
}

/// The logs of the cluster's own programs go with the cluster, so a report has them too.
fn copy_logs(cluster: &Cluster, report: &Path) -> Result<()> {
    let Some(source) = cluster.provider().log_directory() else { return Ok(()) };
    let target: PathBuf = report.join("cluster");
    fs::create_dir_all(&target).with_context(|| format!("cannot make {}", target.display()))?;
    for entry in fs::read_dir(&source).with_context(|| format!("cannot read {}", source.display()))?.flatten() {
        let text = fs::read(entry.path()).unwrap_or_default();
        let end = tail(&String::from_utf8_lossy(&text), KEPT).to_owned();
        fs::write(target.join(entry.file_name()), end)
            .with_context(|| format!("cannot write into {}", target.display()))?;
    }
    Ok(())
}

/// Whether a line of a log (JSON with a `timestamp`) was written at or after a time such as `2026-01-31T12:00:00Z`.
fn is_since(line: &str, begun: &str) -> bool {
    let time = line.split("\"timestamp\":\"").nth(1).unwrap_or_default();
    // Times of this form sort as texts, up to the second, behind which one has a point and the other a Z.
    let seconds = begun.len().saturating_sub(1);
    time.get(..seconds).is_some_and(|time| time >= &begun[..seconds])
}

/// A case's namespace: its function's name as a DNS label.
fn namespace(case: &str) -> String {
    let name = case.rsplit("::").next().unwrap_or(case).replace('_', "-");
    name.chars().take(50).collect::<String>().trim_end_matches('-').to_owned()
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    match (panic.downcast_ref::<String>(), panic.downcast_ref::<&str>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text,
        _ => "without a text",
    }
}

fn say(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{text}").and_then(|()| stdout.flush()).context("cannot write to standard output")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_before_a_case_are_left_out() {
        let line = |time: &str| format!("{{\"timestamp\":\"{time}\",\"level\":\"INFO\"}}");
        let begun = "2026-11-22T19:09:25Z";
        assert!(!is_since(&line("2026-11-22T19:09:24.989070Z"), begun));
        assert!(is_since(&line("2026-11-22T19:09:25.000001Z"), begun));
        assert!(!is_since("a line without a time", begun));
    }

    #[test]
    fn a_case_gets_a_namespace_that_kubernetes_takes() {
        assert_eq!(namespace("tasks::a_task_runs_to_its_end"), "a-task-runs-to-its-end");
        assert!(namespace(&format!("a::{}", "long_".repeat(20))).len() <= 50);
    }
}
