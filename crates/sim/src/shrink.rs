//! Makes a failing run small: the same seed with as few steps of its plan as still show the same invariant broken.

use crate::failure::Failure;
use crate::simulation::{Options, Simulation};
use std::collections::BTreeSet;

/// Runs that a reduction may take.
const BUDGET: usize = 300;

/// A failing run made small. The options run it again, to the same hash.
#[derive(Clone, Debug)]
pub struct Reduced {
    /// What to run it with; the trace is on.
    pub options: Options,
    /// What it shows.
    pub failure: Failure,
    /// How many runs that took.
    pub runs: usize,
}

/// Leaves out what is not needed for a seed to break this invariant: kinds of faults first, then steps, in halves,
/// quarters and so on, then nodes and controllers. `None` if the seed does not break it.
#[must_use]
pub fn reduce(seed: u64, options: &Options, invariant: &str) -> Option<Reduced> {
    let mut search = Search { seed, invariant, runs: 0, options: Options { trace: false, ..options.clone() } };
    let mut failure = search.fails(&search.options.clone())?;
    let mut kept: BTreeSet<usize> = failure.steps.iter().copied().collect();
    search.try_fewer_kinds(&mut failure);
    let mut parts = 2;
    while !kept.is_empty() && search.runs < BUDGET {
        let steps: Vec<usize> = kept.iter().copied().collect();
        let size = steps.len().div_ceil(parts);
        let smaller = steps.chunks(size).find_map(|chunk| {
            let fewer: BTreeSet<usize> = kept.iter().copied().filter(|step| !chunk.contains(step)).collect();
            let options = Options { keep: Some(fewer.clone()), ..search.options.clone() };
            search.fails(&options).map(|failure| (options, fewer, failure))
        });
        match smaller {
            Some((options, fewer, shown)) => {
                search.options = options;
                kept = fewer;
                failure = shown;
                parts = parts.saturating_sub(1).max(2);
            }
            None if size == 1 => break,
            None => parts = (parts * 2).min(steps.len()),
        }
    }
    for (nodes, replicas) in [(1, 1), (1, 2), (2, 1), (2, 2), (2, 3), (3, 3)] {
        if nodes <= options.nodes && replicas <= options.replicas {
            let fewer = Options { nodes, replicas, ..search.options.clone() };
            if let Some(shown) = search.fails(&fewer) {
                (search.options, failure) = (fewer, shown);
                break;
            }
        }
    }
    let traced = Options { trace: true, ..search.options.clone() };
    let shown = search.fails(&traced).filter(|shown| shown.hash == failure.hash)?;
    Some(Reduced { options: traced, failure: shown, runs: search.runs })
}

struct Search<'a> {
    seed: u64,
    invariant: &'a str,
    runs: usize,
    options: Options,
}

impl Search<'_> {
    fn fails(&mut self, options: &Options) -> Option<Failure> {
        self.runs += 1;
        let failure = Simulation::run(self.seed, options).err()?;
        (failure.problem.invariant == self.invariant).then_some(*failure)
    }

    /// Switches kinds of faults off, one after the other.
    fn try_fewer_kinds(&mut self, failure: &mut Failure) {
        let all: BTreeSet<_> = crate::fault::FaultKind::ALL.iter().map(|(kind, ..)| *kind).collect();
        let mut kinds = self.options.faults.clone().unwrap_or(all);
        for kind in kinds.clone() {
            let fewer: BTreeSet<_> = kinds.iter().copied().filter(|other| *other != kind).collect();
            let options = Options { faults: Some(fewer.clone()), ..self.options.clone() };
            if let Some(shown) = self.fails(&options) {
                (self.options, kinds, *failure) = (options, fewer, shown);
            }
        }
    }
}
