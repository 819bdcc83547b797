//! What went wrong in a run.

use crate::oracle::Problem;
use std::fmt;
use std::time::Duration;

/// What went wrong in a run, and what happened before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The seed that shows it again.
    pub seed: u64,
    /// When, after the beginning of the run.
    pub at: Duration,
    /// What went wrong.
    pub problem: Problem,
    /// The hash of all that happened until then.
    pub hash: u64,
    /// The steps of the seed's plan that there were, by their number.
    pub steps: Vec<usize>,
    /// Everything that happened, if the options asked for it.
    pub trace: Vec<String>,
}

impl Failure {
    /// The lines of the trace that a person needs: faults, what users do, who leads, and what is said of the subject.
    #[must_use]
    pub fn telling_lines(&self) -> Vec<&str> {
        let subject = self.problem.subject.as_str();
        let tells = |line: &&String| {
            let (_, what) = line.split_once(" ms  ").unwrap_or(("", line));
            let says = what.trim_start().trim_start_matches("-> ");
            says.starts_with("FAULT") || says.starts_with("replica") || what.contains(subject)
        };
        self.trace.iter().filter(tells).map(String::as_str).collect()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.trace {
            writeln!(f, "{line}")?;
        }
        let Self { seed, at, problem, hash, .. } = self;
        write!(f, "seed {seed}: after {:.3} s: {problem} (hash {hash:016x})", at.as_secs_f64())
    }
}

impl std::error::Error for Failure {}
