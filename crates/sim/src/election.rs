//! Controller processes and their election, after the rules of the controller's own: the Lease is judged by when a
//! process saw it change last, on its own clock; every write of it has the revision that it replaces.

use crate::api_server::Lease;
use crate::happening::{Happening, LeaderId};
use crate::planted::Planted;
use crate::simulation::Simulation;
use proffer_master::{Epoch, Time};
use std::time::Duration;

/// How long a Lease that nobody renews is left to its holder.
const LEASE_DURATION: Duration = Duration::from_secs(3);
/// How long a leader that cannot renew goes on.
const RENEW_DEADLINE: Duration = Duration::from_millis(2500);
/// Between two tries.
const RETRY_PERIOD: Duration = Duration::from_millis(500);

/// A controller process.
#[derive(Debug, Default)]
pub(crate) struct Replica {
    pub(crate) up: bool,
    /// Counts processes.
    incarnation: u64,
    /// The revision of the Lease as it was seen last, and since when it is that.
    observed: Option<(u64, Time)>,
    /// The leadership, if it leads.
    pub(crate) leading: Option<LeaderId>,
    /// When the renewal that was answered last was sent.
    renewed: Time,
    /// The highest epoch that it has seen in the Lease, or that agents obey: the next one is above.
    highest: Epoch,
    /// Until when the API server is out of its reach.
    pub(crate) cut_off_until: Time,
    /// Until when it stands still.
    pub(crate) paused_until: Time,
    /// How far its clock is ahead, in microseconds.
    pub(crate) skew: i64,
    /// It crashes at the end of so many more writes: before the last of them (`true`), or right after.
    pub(crate) crash: Option<(u64, bool)>,
}

impl Replica {
    /// Whether it has seen this epoch in the Lease.
    pub(crate) fn knows(&self, epoch: Epoch) -> bool {
        self.up && self.highest >= epoch
    }
}

impl Simulation {
    /// Whether a process and the API server cannot hear each other.
    pub(crate) fn is_cut_off(&self, replica: usize) -> bool {
        self.api_is_down() || self.replicas[replica].cut_off_until > self.now
    }

    pub(crate) fn start_replica(&mut self, index: usize) {
        let replica = &mut self.replicas[index];
        if replica.up {
            return;
        }
        replica.up = true;
        replica.incarnation += 1;
        replica.observed = None;
        replica.highest = Epoch(0);
        let elect = Happening::Elect(index, replica.incarnation);
        self.soon(elect, Duration::from_millis(1), RETRY_PERIOD);
    }

    /// A process is gone, and is started again a little later.
    pub(crate) fn crash_replica(&mut self, index: usize) {
        let replica = &mut self.replicas[index];
        if !replica.up {
            return;
        }
        replica.up = false;
        replica.crash = None;
        replica.paused_until = self.now;
        let leading = replica.leading.take();
        if let Some(leader) = leading {
            self.end_leader(leader);
        }
        self.soon(Happening::ReplicaStarts(index), Duration::from_millis(200), Duration::from_secs(5));
    }

    /// A process is told to end: it gives the Lease back if it has it.
    pub(crate) fn terminate_replica(&mut self, index: usize) {
        let held = self.replicas[index].leading.is_some() && !self.is_cut_off(index);
        let me = (index, self.replicas[index].incarnation);
        if held && self.api.lease.as_ref().is_some_and(|lease| lease.holder == Some(me)) {
            let highest = self.replicas[index].highest;
            let lease = self.api.lease.clone().map(|lease| Lease {
                holder: None,
                transitions: lease.transitions.max(highest),
                renewed: self.now,
            });
            let revision = self.api.lease_revision;
            self.api.put_lease(lease, revision);
        }
        self.crash_replica(index);
    }

    /// An agent has obeyed a later epoch than the leader's. If this leader holds the Lease, the count was lost with it:
    /// the next one counts on above.
    pub(crate) fn outrun(&mut self, id: LeaderId, epoch: Epoch) {
        let index = self.leaders[id.0].replica;
        if self.replicas[index].leading == Some(id) {
            self.replicas[index].highest = self.replicas[index].highest.max(epoch);
            self.soon(Happening::LeaderEnds(id), Duration::from_millis(1), Duration::from_secs(1));
        }
    }

    /// A leader that may not lead any more ends.
    pub(crate) fn leader_ends(&mut self, id: LeaderId) {
        let index = self.leaders[id.0].replica;
        if self.leaders[id.0].alive && self.replicas[index].leading == Some(id) {
            self.terminate_replica(index);
        }
    }

    /// Whether a process crashes at this write: before it, or right after.
    pub(crate) fn crash_point(&mut self, id: LeaderId) -> Option<bool> {
        let replica = &mut self.replicas[self.leaders[id.0].replica];
        let (left, before) = replica.crash.as_mut()?;
        *left = left.saturating_sub(1);
        let before = *before;
        if *left > 0 {
            return None;
        }
        replica.crash = None;
        Some(before)
    }

    /// A process looks at the Lease, and takes or renews it if it may.
    pub(crate) fn elect(&mut self, index: usize, incarnation: u64) {
        if !self.replicas[index].up || self.replicas[index].incarnation != incarnation {
            return;
        }
        let next = self.now.after(self.random.between(RETRY_PERIOD / 2, RETRY_PERIOD));
        self.agenda.at(next, Happening::Elect(index, incarnation));
        if self.replicas[index].leading.is_some() && self.now.since(self.replicas[index].renewed) > RENEW_DEADLINE {
            self.crash_replica(index);
            return;
        }
        if self.is_cut_off(index) {
            return;
        }
        let (lease, revision) = (self.api.lease.clone(), self.api.lease_revision);
        let replica = &mut self.replicas[index];
        let is_news = replica.observed.as_ref().is_none_or(|(seen, _)| *seen != revision);
        if is_news {
            replica.observed = Some((revision, self.now));
        }
        replica.highest = replica.highest.max(lease.as_ref().map_or(Epoch(0), |lease| lease.transitions));
        let since = replica.observed.as_ref().map_or(self.now, |(_, since)| *since);
        let me = (index, incarnation);
        let mine = Lease { holder: Some(me), transitions: Epoch(0), renewed: self.now };
        let wanted = match (replica.leading, &lease) {
            (Some(leader), Some(lease)) if lease.holder == Some(me) => {
                Lease { transitions: lease.transitions.max(self.leaders[leader.0].epoch), ..mine }
            }
            (Some(leader), None) => Lease { transitions: self.leaders[leader.0].epoch, ..mine },
            (Some(_), Some(_)) => {
                self.crash_replica(index);
                return;
            }
            (None, lease) => {
                let held = lease.as_ref().and_then(|lease| lease.holder).is_some_and(|holder| holder != me);
                if held && self.now.since(since) < LEASE_DURATION {
                    return;
                }
                let seen = self.api.all().map(|version| version.object.epoch()).max().unwrap_or_default();
                Lease { transitions: Epoch(replica.highest.max(seen).0 + 1), ..mine }
            }
        };
        let write = Happening::LeaseWrite(index, incarnation, Some(wanted), revision);
        self.soon(write, Duration::from_micros(500), Duration::from_millis(200));
    }

    pub(crate) fn write_lease(&mut self, index: usize, incarnation: u64, lease: Option<Lease>, revision: u64) {
        if self.is_cut_off(index) {
            return;
        }
        let revision = if self.has(Planted::WritesLeaseUnseen) { self.api.lease_revision } else { revision };
        let done = self.api.put_lease(lease.clone(), revision);
        let lost = self.is_rough() && self.random.in_thousand(self.plan.rates.lost_answers);
        if let (Some(lease), false) = (lease, lost) {
            let sent = lease.renewed;
            let answer = Happening::LeaseAnswer(index, incarnation, lease, done, sent);
            self.soon(answer, Duration::from_micros(500), Duration::from_millis(50));
        }
    }

    pub(crate) fn lease_answered(&mut self, index: usize, incarnation: u64, lease: &Lease, done: bool, sent: Time) {
        let replica = &mut self.replicas[index];
        if !replica.up || replica.incarnation != incarnation || !done {
            return;
        }
        replica.renewed = sent;
        if replica.leading.is_none() && self.now.since(sent) < RENEW_DEADLINE {
            self.start_leader(index, lease.transitions);
        }
    }
}
