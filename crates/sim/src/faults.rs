//! What fails. Each seed picks a few kinds of faults, and how bad they are.

use crate::happening::{Happening, LeaderId};
use crate::link::LinkId;
use crate::random::Random;
use crate::simulation::Simulation;
use std::time::Duration;

/// The faults of one run.
#[derive(Debug)]
pub(crate) struct Faults {
    /// Kinds that happen.
    kinds: Vec<Kind>,
    /// Of a thousand write requests, so many never arrive.
    pub(crate) lost_requests: u64,
    /// Of a thousand writes, so many are done and the answer is lost.
    pub(crate) lost_answers: u64,
    /// Longest time for a write to arrive.
    pub(crate) write_delay: Duration,
    /// Longest time for a watch to tell a change.
    pub(crate) watch_delay: Duration,
    /// Longest time for a message on a link.
    pub(crate) link_delay: Duration,
}

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The leader dies; another follows a little later.
    LeaderDies,
    /// Another leader takes over while the old one goes on for a while (a zombie).
    LeaderIsReplaced,
    /// An agent process dies and is started again.
    AgentDies,
    /// A node loses its power for a while.
    PowerCut,
    /// A link breaks.
    LinkBreaks,
}

impl Faults {
    pub(crate) fn choose(random: &mut Random) -> Self {
        let all = [Kind::LeaderDies, Kind::LeaderIsReplaced, Kind::AgentDies, Kind::PowerCut, Kind::LinkBreaks];
        let kinds: Vec<Kind> = all.into_iter().filter(|_| random.in_thousand(500)).collect();
        let mut one_of = |choices: [u64; 3]| choices[random.index(choices.len()).unwrap_or(0)];
        Self {
            kinds,
            lost_requests: one_of([0, 5, 50]),
            lost_answers: one_of([0, 5, 50]),
            write_delay: Duration::from_millis(one_of([5, 50, 2000])),
            watch_delay: Duration::from_millis(one_of([5, 100, 3000])),
            link_delay: Duration::from_millis(one_of([2, 20, 500])),
        }
    }
}

impl Simulation {
    /// Something fails, and the next fault is on the agenda; at the end all is put right.
    pub(crate) fn fault(&mut self) {
        if !self.is_rough() {
            self.put_right();
            return;
        }
        if let Some(index) = self.random.index(self.faults.kinds.len()) {
            let kind = self.faults.kinds[index];
            self.follows(|| format!("fault: {kind:?}"));
            self.fail(kind);
        }
        self.soon(Happening::Fault, Duration::from_millis(300), Duration::from_secs(8));
    }

    fn fail(&mut self, kind: Kind) {
        let leader = self.leaders.iter().rposition(|leader| leader.alive).map(LeaderId);
        let node = self.random.index(self.nodes.len()).unwrap_or(0);
        match (kind, leader) {
            (Kind::LeaderDies, Some(leader)) => {
                self.end_leader(leader);
                self.soon(Happening::LeaderStarts, Duration::from_millis(200), Duration::from_secs(5));
            }
            (Kind::LeaderIsReplaced, Some(_)) => self.start_leader(),
            // The next one is on its way.
            (Kind::LeaderDies | Kind::LeaderIsReplaced, None) => {}
            (Kind::AgentDies, _) => self.kill_agent(node),
            (Kind::PowerCut, _) => {
                if self.is_off(node) {
                    self.power_on(node);
                } else {
                    self.power_off(node);
                }
            }
            (Kind::LinkBreaks, _) => {
                let live: Vec<LinkId> = self.nodes.iter().filter_map(|node| node.link).collect();
                if let Some(index) = self.random.index(live.len()) {
                    self.break_link(live[index]);
                }
            }
        }
    }

    fn put_right(&mut self) {
        for node in 0..self.nodes.len() {
            if self.is_off(node) {
                self.power_on(node);
            }
        }
        if !self.leaders.iter().any(|leader| leader.alive) {
            self.start_leader();
        }
    }
}
