//! `cargo xtask sim`: whole clusters in virtual time, with faults; a failing seed is made small and shown.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{IsTerminal as _, Write as _};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use clap::{Args, Parser};
use proffer_sim::{Failure, FaultKind, Options, Reduced, Simulation, Summary, reduce};
use serde_json::{Value, json};

use crate::output::Output;

/// Simulate whole clusters with faults in virtual time, a seed each
#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
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

    /// Run one seed, and show everything that happens
    #[arg(long)]
    trace: bool,

    /// Show a failing run as it is, without making it small first
    #[arg(long)]
    whole: bool,

    /// Run all seeds, and name every one that fails; the lowest is shown
    #[arg(long)]
    keep_going: bool,

    /// Run each seed twice, and fail where the two do not come to the same hash
    #[arg(long)]
    twice: bool,

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
    if arguments.trace {
        return trace(arguments, &options);
    }
    let began = Instant::now();
    let (total, failures) = run_seeds(arguments, &options)?;
    let seconds = began.elapsed().as_secs_f64();
    let Some(failure) = failures.values().next() else {
        return arguments.output.print(|| passed(&total, seconds), || passed_json(&total, seconds));
    };
    let reduced = if arguments.whole {
        None
    } else {
        progress(&format!("seed {} fails ({}); making it small", failure.seed, failure.problem));
        reduce(failure.seed, &options, failure.problem.invariant)
    };
    clear_progress();
    arguments.output.print(
        || failed(&failures, failure, reduced.as_ref()),
        || failed_json(&failures, failure, reduced.as_ref(), &total),
    )?;
    bail!("seed {} fails: {}", failure.seed, failure.problem)
}

/// Runs one seed and shows all of it.
fn trace(arguments: &Arguments, options: &Options) -> Result<()> {
    let seed = arguments.seed;
    let (lines, result) = Simulation::traced(seed, options);
    let (end, hash, failed) = match &result {
        Ok(summary) => ("nothing is wrong".to_owned(), summary.hash, false),
        Err(failure) => (failure.problem.to_string(), failure.hash, true),
    };
    let text = || format!("{}\n\nseed {seed}: {end} (hash {hash:016x})\n", lines.join("\n"));
    let json = || json!({"failed": failed, "seed": seed, "end": end, "hash": format!("{hash:016x}"), "trace": lines});
    arguments.output.print(text, json)?;
    ensure!(!failed, "seed {seed} fails: {end}");
    Ok(())
}

/// Runs so many seeds for the tests, as the command does, and says what it came to.
pub(crate) fn test(seeds: u64) -> Result<()> {
    let words = ["sim", "--seeds", &seeds.to_string()].map(str::to_owned);
    run(&Alone::try_parse_from(words).context("the options of the simulation")?.arguments)
}

/// The command's options by themselves.
#[derive(Parser)]
struct Alone {
    #[command(flatten)]
    arguments: Arguments,
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
            ..Options::default()
        })
    }
}

/// What became of the seeds: those that failed, by number, and the others together.
type Outcome = (Total, BTreeMap<u64, Failure>);

/// Runs the seeds on several threads until one fails, or all of them.
fn run_seeds(arguments: &Arguments, options: &Options) -> Result<Outcome> {
    let jobs = arguments.jobs.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
    let end = arguments.seed.saturating_add(arguments.seeds);
    let (next, stop) = (AtomicU64::new(arguments.seed), AtomicBool::new(false));
    let outcome = Mutex::new(Outcome::default());
    let work = || -> Result<()> {
        while !stop.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                break;
            }
            let result = Simulation::run(seed, options);
            if arguments.twice {
                let (one, other) = (hash(&result), hash(&Simulation::run(seed, options)));
                if one != other {
                    stop.store(true, Ordering::Relaxed);
                    bail!("seed {seed} came to the hash {one:016x}, and to {other:016x} when it ran again");
                }
            }
            let (total, failures) = &mut *outcome.lock().unwrap_or_else(PoisonError::into_inner);
            match result {
                Ok(summary) => total.add(&summary),
                Err(failure) => {
                    stop.fetch_or(!arguments.keep_going, Ordering::Relaxed);
                    failures.insert(seed, *failure);
                }
            }
            if total.runs.is_multiple_of(20) {
                progress(&format!("{} of {} seeds, {} failed", total.runs, arguments.seeds, failures.len()));
            }
        }
        Ok(())
    };
    let ended: Vec<Result<()>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| bail!("a run did not come to its end")))
            .collect()
    });
    clear_progress();
    ended.into_iter().collect::<Result<()>>()?;
    Ok(outcome.into_inner().unwrap_or_else(PoisonError::into_inner))
}

fn hash(result: &Result<Summary, Box<Failure>>) -> u64 {
    result.as_ref().map_or_else(|failure| failure.hash, |summary| summary.hash)
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

/// The seeds that failed; of the one that is shown the run, or what is left of it, and how to see it again.
fn failed(failures: &BTreeMap<u64, Failure>, failure: &Failure, reduced: Option<&Reduced>) -> String {
    let mut list: Vec<String> =
        failures.iter().map(|(seed, failure)| format!("seed {seed}: {}\n", failure.problem)).collect();
    list.push("\n".to_owned());
    let list = if failures.len() > 1 { list.concat() } else { String::new() };
    let shown = reduced.map_or(failure, |reduced| &reduced.failure);
    let lines = shown.telling_lines().join("\n");
    let again = reduced.map_or_else(|| format!("cargo xtask sim --seed {} --trace", failure.seed), replay);
    let hash = shown.hash;
    format!(
        "{list}{lines}\n\nseed {}: after {:.3} s: {}\nto run it again, to the hash {hash:016x}:\n  {again}\n",
        failure.seed,
        shown.at.as_secs_f64(),
        shown.problem
    )
}

fn failed_json(
    failures: &BTreeMap<u64, Failure>,
    failure: &Failure,
    reduced: Option<&Reduced>,
    total: &Total,
) -> Value {
    let seeds: Vec<u64> = failures.keys().copied().collect();
    let shown = reduced.map_or(failure, |reduced| &reduced.failure);
    json!({
        "failed": true, "seed": failure.seed, "invariant": shown.problem.invariant, "subject": shown.problem.subject,
        "problem": shown.problem.text, "atSeconds": shown.at.as_secs_f64(), "hash": format!("{:016x}", shown.hash),
        "replay": reduced.map(replay), "steps": shown.steps, "trace": shown.telling_lines(), "passed": total.runs, "failedSeeds": seeds,
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
        "cargo xtask sim --seed {} --trace --nodes {} --replicas {} --tasks {}{}{}",
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
