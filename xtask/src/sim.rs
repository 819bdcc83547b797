//! `cargo xtask sim`: whole clusters in virtual time, with faults; a failing seed is made small and shown.

use std::collections::BTreeSet;
use std::io::{IsTerminal as _, Write as _};
use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use proffer_sim::{Failure, FaultKind, Options, Reduced, Simulation, Summary, reduce};
use serde_json::{Value, json};

use crate::output::Output;

/// Simulate whole clusters with faults in virtual time, a seed each
#[derive(Args)]
pub(crate) struct Arguments {
    /// How many seeds to run
    #[arg(long, default_value_t = 200)]
    seeds: u64,

    /// The first seed
    #[arg(long, default_value_t = 0)]
    seed: u64,

    /// Only these kinds of faults, by number or name (F5 or lost-replies); `none` for no fault at all
    #[arg(long, value_delimiter = ',')]
    faults: Option<Vec<String>>,

    /// Only these steps of the seed's plan, as a failure names them; `none` for no step at all
    #[arg(long, value_delimiter = ',')]
    keep: Option<Vec<String>>,

    /// Nodes of each cluster
    #[arg(long, default_value_t = Options::default().nodes)]
    nodes: usize,

    /// Controllers of each cluster
    #[arg(long, default_value_t = Options::default().replicas)]
    replicas: usize,

    /// Tasks that users create in each run
    #[arg(long, default_value_t = Options::default().tasks)]
    tasks: usize,

    /// Runs at a time; by default as many as there are processors
    #[arg(long)]
    jobs: Option<NonZeroUsize>,

    /// Show everything that happens, also in runs that do not fail
    #[arg(long)]
    trace: bool,

    /// Show a failing run as it is, without making it small first
    #[arg(long)]
    whole: bool,

    #[command(flatten)]
    output: Output,
}

/// What some runs came to together.
#[derive(Default)]
struct Total {
    runs: u64,
    happenings: u64,
    starts: usize,
    leaders: usize,
    /// All hashes in one, whatever the order of the runs was.
    hash: u64,
}

/// Runs the command. Fails if a seed fails.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let options = arguments.options()?;
    let began = Instant::now();
    let (total, failure) = run_seeds(arguments, &options);
    let seconds = began.elapsed().as_secs_f64();
    let Some(failure) = failure else {
        return arguments.output.print(|| passed(&total, seconds), || passed_json(&total, seconds));
    };
    let reduced = if arguments.whole {
        None
    } else {
        progress(&format!("seed {} fails ({}); making it small", failure.seed, failure.problem));
        reduce(failure.seed, &options, failure.problem.invariant)
    };
    clear_progress();
    arguments
        .output
        .print(|| failed(&failure, reduced.as_ref()), || failed_json(&failure, reduced.as_ref(), &total))?;
    bail!("seed {} fails: {}", failure.seed, failure.problem)
}

impl Arguments {
    fn options(&self) -> Result<Options> {
        let kinds = |names: &Vec<String>| -> Result<BTreeSet<FaultKind>> {
            names.iter().filter(|name| *name != "none").map(|name| Ok(name.parse()?)).collect()
        };
        let steps = |numbers: &Vec<String>| -> Result<BTreeSet<usize>> {
            let parse = |number: &String| number.parse().with_context(|| format!("--keep {number:?} is no number"));
            numbers.iter().filter(|number| *number != "none").map(parse).collect()
        };
        Ok(Options {
            nodes: self.nodes,
            replicas: self.replicas,
            tasks: self.tasks,
            faults: self.faults.as_ref().map(kinds).transpose()?,
            keep: self.keep.as_ref().map(steps).transpose()?,
            trace: self.trace,
            ..Options::default()
        })
    }
}

/// Runs the seeds on several threads until one fails; of several, the lowest is what counts.
fn run_seeds(arguments: &Arguments, options: &Options) -> (Total, Option<Failure>) {
    let jobs = arguments.jobs.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
    let end = arguments.seed.saturating_add(arguments.seeds);
    let (next, stop) = (AtomicU64::new(arguments.seed), AtomicBool::new(false));
    let results = Mutex::new((Total::default(), None::<Failure>));
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    let result = Simulation::run(seed, options);
                    let mut results = results.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    match result {
                        Ok(summary) => results.0.add(&summary),
                        Err(failure) => {
                            stop.store(true, Ordering::Relaxed);
                            if results.1.as_ref().is_none_or(|known| known.seed > failure.seed) {
                                results.1 = Some(*failure);
                            }
                        }
                    }
                    if results.0.runs % 20 == 0 {
                        progress(&format!("{} of {} seeds", results.0.runs, arguments.seeds));
                    }
                }
            });
        }
    });
    clear_progress();
    results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Total {
    fn add(&mut self, summary: &Summary) {
        self.runs += 1;
        self.happenings += summary.happenings;
        self.starts += summary.starts;
        self.leaders += summary.leaders;
        self.hash = self.hash.wrapping_add(summary.hash);
    }
}

fn passed(total: &Total, seconds: f64) -> String {
    let Total { runs, happenings, starts, leaders, hash } = total;
    format!(
        "{runs} seeds in {seconds:.1} s: {happenings} things happened, {starts} tasks started under {leaders} leaders; nothing is \
         wrong (hash {hash:016x})\n"
    )
}

fn passed_json(total: &Total, seconds: f64) -> Value {
    let Total { runs, happenings, starts, leaders, hash } = total;
    json!({
        "failed": false, "seeds": runs, "seconds": seconds, "happenings": happenings, "starts": starts,
        "leaders": leaders, "hash": format!("{hash:016x}"),
    })
}

/// The run, or what is left of it, and how to see it again.
fn failed(failure: &Failure, reduced: Option<&Reduced>) -> String {
    let shown = reduced.map_or(failure, |reduced| &reduced.failure);
    let lines = shown.telling_lines().join("\n");
    let again =
        reduced.map_or_else(|| format!("cargo xtask sim --seeds 1 --seed {} --whole --trace", failure.seed), replay);
    let hash = shown.hash;
    format!(
        "{lines}\n\nseed {}: after {:.3} s: {}\nto run it again, to the hash {hash:016x}:\n  {again}\n",
        failure.seed,
        shown.at.as_secs_f64(),
        shown.problem
    )
}

fn failed_json(failure: &Failure, reduced: Option<&Reduced>, total: &Total) -> Value {
    let shown = reduced.map_or(failure, |reduced| &reduced.failure);
    json!({
        "failed": true, "seed": failure.seed, "invariant": shown.problem.invariant, "subject": shown.problem.subject,
        "problem": shown.problem.text, "atSeconds": shown.at.as_secs_f64(), "hash": format!("{:016x}", shown.hash),
        "replay": reduced.map(replay), "steps": shown.steps, "trace": shown.telling_lines(), "passed": total.runs,
    })
}

/// The command that runs a reduced failure again.
fn replay(reduced: &Reduced) -> String {
    let Reduced { options, failure, .. } = reduced;
    let list = |words: Vec<String>| if words.is_empty() { "none".to_owned() } else { words.join(",") };
    let faults = options.faults.as_ref().map(|faults| {
        let numbers = faults.iter().map(|kind| kind.names().0.to_owned()).collect();
        format!(" --faults {}", list(numbers))
    });
    let keep = options.keep.as_ref().map(|keep| {
        let numbers = keep.iter().map(ToString::to_string).collect();
        format!(" --keep {}", list(numbers))
    });
    format!(
        "cargo xtask sim --seeds 1 --seed {} --whole --trace --nodes {} --replicas {} --tasks {}{}{}",
        failure.seed,
        options.nodes,
        options.replicas,
        options.tasks,
        faults.unwrap_or_default(),
        keep.unwrap_or_default()
    )
}

/// Says on a terminal how far it is.
fn progress(text: &str) {
    let mut stderr = std::io::stderr();
    if stderr.is_terminal() {
        // What cannot be shown is not missed.
        let _ = write!(stderr, "\r\x1b[K{text}").and_then(|()| stderr.flush());
    }
}

fn clear_progress() {
    progress("");
}
