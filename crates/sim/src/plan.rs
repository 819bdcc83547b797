//! What a seed has planned: which faults there are and when, and what users do.
//!
//! The plan is drawn before the run and each of its steps has random numbers of its own. So a step can be left out
//! without changing the others, which is what makes a failing run small ([`crate::shrink`]).

use crate::fault::FaultKind;
use crate::random::Random;
use crate::simulation::Options;
use std::collections::BTreeSet;
use std::time::Duration;

/// What users do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Create a task.
    Create,
    /// Delete a task.
    Delete,
    /// Delete a task, and create another of its name.
    Replace,
    /// Delete a framework, and create it again later.
    Refound,
    /// Deactivate an agent, and activate it again later.
    Deactivate,
}

/// Something planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    Fault(FaultKind),
    Act(Act),
}

/// A step of the plan.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// Its place in the whole plan of its seed.
    pub(crate) number: usize,
    /// When, after the beginning.
    pub(crate) at: Duration,
    pub(crate) deed: Deed,
    /// What its particulars are drawn from.
    pub(crate) seed: u64,
}

/// How bad the standing faults are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rates {
    /// Of a thousand requests to the API server, so many never arrive.
    pub(crate) lost_requests: u64,
    /// Of a thousand requests, so many are carried out and the answer is lost.
    pub(crate) lost_answers: u64,
    /// Longest time for a request to arrive.
    pub(crate) write_delay: Duration,
    /// Longest time for a watch to tell a change.
    pub(crate) watch_delay: Duration,
    /// Longest time for a message on a link.
    pub(crate) link_delay: Duration,
    /// Longest time until a write is on an agent's disk.
    pub(crate) disk_delay: Duration,
    /// Of a thousand tasks, so many ignore SIGTERM.
    pub(crate) stubborn: u64,
    /// Of a thousand tasks, so many make no sense or have a finalizer of somebody else's.
    pub(crate) poison: u64,
}

/// The plan of a run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Kinds of faults that the seed has and the options allow.
    pub(crate) kinds: BTreeSet<FaultKind>,
    pub(crate) rates: Rates,
    /// In the order of their time.
    pub(crate) steps: Vec<Step>,
}

impl Plan {
    pub(crate) fn draw(seed: u64, options: &Options) -> Self {
        let mut random = Random::new(seed ^ 0x5eed_0f91_a400_0001);
        let drawn: Vec<FaultKind> =
            FaultKind::ALL.iter().map(|(kind, ..)| *kind).filter(|_| random.in_thousand(350)).collect();
        let allowed = |kind: &FaultKind| options.faults.as_ref().is_none_or(|faults| faults.contains(kind));
        let kinds: BTreeSet<FaultKind> = drawn.iter().copied().filter(allowed).collect();
        let rates = Self::rates(&mut random, &kinds);
        let mut steps = Vec::new();
        let single: Vec<FaultKind> = drawn.iter().copied().filter(|kind| !kind.is_standing()).collect();
        let longest_pause = Duration::from_millis(random.one_of(&[2000, 5000, 9000]).unwrap_or(5000));
        let mut at = random.between(Duration::from_secs(1), Duration::from_secs(6));
        while at < options.faults_for {
            let kind = random.one_of(&single);
            let seed = random.next();
            if let Some(kind) = kind {
                steps.push(Step { number: 0, at, deed: Deed::Fault(kind), seed });
            }
            at += random.between(Duration::from_millis(200), longest_pause);
        }
        let mut random = Random::new(seed ^ 0x5eed_0f91_a400_0002);
        for _ in 0..options.tasks {
            let at = random.between(Duration::ZERO, options.faults_for);
            steps.push(Step { number: 0, at, deed: Deed::Act(Act::Create), seed: random.next() });
            let more = match random.below(20) {
                0..=2 => Act::Delete,
                3 => Act::Replace,
                4 if random.in_thousand(400) => Act::Refound,
                5 if random.in_thousand(400) => Act::Deactivate,
                _ => continue,
            };
            let at = random.between(at, options.faults_for);
            steps.push(Step { number: 0, at, deed: Deed::Act(more), seed: random.next() });
        }
        steps.sort_by_key(|step| step.at);
        for (number, step) in steps.iter_mut().enumerate() {
            step.number = number;
        }
        steps.retain(|step| match step.deed {
            Deed::Fault(kind) => allowed(&kind),
            Deed::Act(_) => true,
        });
        if let Some(keep) = &options.keep {
            steps.retain(|step| keep.contains(&step.number));
        }
        Self { kinds, rates, steps }
    }

    fn rates(random: &mut Random, kinds: &BTreeSet<FaultKind>) -> Rates {
        let mut rate = |kind: FaultKind, choices: [u64; 2], calm: u64| {
            let chosen = random.one_of(&choices).unwrap_or(calm);
            if kinds.contains(&kind) { chosen } else { calm }
        };
        Rates {
            lost_requests: rate(FaultKind::LostReplies, [5, 50], 0),
            lost_answers: rate(FaultKind::LostReplies, [5, 50], 0),
            write_delay: Duration::from_millis(rate(FaultKind::SlowNetwork, [200, 2000], 10)),
            watch_delay: Duration::from_millis(rate(FaultKind::WatchDelayed, [300, 3000], 20)),
            link_delay: Duration::from_millis(rate(FaultKind::SlowNetwork, [50, 500], 3)),
            disk_delay: Duration::from_millis(rate(FaultKind::CrashAtWrite, [20, 200], 20)),
            stubborn: rate(FaultKind::StubbornTask, [200, 800], 0),
            poison: rate(FaultKind::PoisonObject, [50, 200], 0),
        }
    }
}
