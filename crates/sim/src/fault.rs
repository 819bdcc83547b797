//! The kinds of faults, by their number in the list that the crate's documentation has.

use std::fmt;
use std::str::FromStr;

/// A kind of fault. A seed has some of them and not others, so that each is also seen without the noise of the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// F1: the leader's process dies.
    LeaderKilled,
    /// F2: the leader stands still past its Lease, then goes on for a moment (a zombie).
    LeaderPaused,
    /// F3: the leader is told to end and gives the Lease back.
    LeaderTerminated,
    /// F4: a process dies right before or right after one of its writes, whichever write that is.
    CrashAtWrite,
    /// F5: requests to the API server, or its answers, get lost.
    LostReplies,
    /// F6: the API server answers nobody for a while.
    ApiUnavailable,
    /// F7: a watch breaks; it resumes, or its place is compacted away and everything is listed anew.
    WatchCut,
    /// F8: a watch says nothing more, and nobody notices for a while.
    WatchHalfOpen,
    /// F9: a watch comes back on a replica that is behind, and tells old things again.
    StaleReplica,
    /// F10: a watch tells things late.
    WatchDelayed,
    /// F11: somebody else writes the same objects all the time.
    SecondWriter,
    /// F12: the Lease is deleted or edited by hand, and clocks differ.
    LeaseTampered,
    /// F13: an agent process dies and is started again.
    AgentKilled,
    /// F14: an agent process stands still, for less or for more than it takes to be unreachable.
    AgentPaused,
    /// F15: a node loses its power for a while; now and then its disk too.
    HostRebooted,
    /// F16: a task's init is ended from outside, or never starts the command.
    InitKilled,
    /// F17: an agent and the controllers do not hear each other: both ways, one way, on and off.
    LinkPartitioned,
    /// F18: a controller, or a scheduler, and the API server do not hear each other.
    ApiPartitioned,
    /// F19: a scheduler crashes between two of its writes.
    SchedulerCrashed,
    /// F20: an agent's disk refuses a write, or tears it.
    DiskFailed,
    /// F21: tasks ignore SIGTERM.
    StubbornTask,
    /// F22: a node is deleted, or its slot pod is evicted.
    NodeDeleted,
    /// F23: the leader dies together with a third of the nodes.
    MassLoss,
    /// F25: objects that make no sense, and finalizers that nobody takes off for long.
    PoisonObject,
    /// F26: the network is slow.
    SlowNetwork,
}

impl FaultKind {
    /// All of them, with number and name.
    pub const ALL: [(Self, &'static str, &'static str); 25] = [
        (Self::LeaderKilled, "F1", "leader-killed"),
        (Self::LeaderPaused, "F2", "leader-paused"),
        (Self::LeaderTerminated, "F3", "leader-terminated"),
        (Self::CrashAtWrite, "F4", "crash-at-write"),
        (Self::LostReplies, "F5", "lost-replies"),
        (Self::ApiUnavailable, "F6", "api-unavailable"),
        (Self::WatchCut, "F7", "watch-cut"),
        (Self::WatchHalfOpen, "F8", "watch-half-open"),
        (Self::StaleReplica, "F9", "stale-replica"),
        (Self::WatchDelayed, "F10", "watch-delayed"),
        (Self::SecondWriter, "F11", "second-writer"),
        (Self::LeaseTampered, "F12", "lease-tampered"),
        (Self::AgentKilled, "F13", "agent-killed"),
        (Self::AgentPaused, "F14", "agent-paused"),
        (Self::HostRebooted, "F15", "host-rebooted"),
        (Self::InitKilled, "F16", "init-killed"),
        (Self::LinkPartitioned, "F17", "link-partitioned"),
        (Self::ApiPartitioned, "F18", "api-partitioned"),
        (Self::SchedulerCrashed, "F19", "scheduler-crashed"),
        (Self::DiskFailed, "F20", "disk-failed"),
        (Self::StubbornTask, "F21", "stubborn-task"),
        (Self::NodeDeleted, "F22", "node-deleted"),
        (Self::MassLoss, "F23", "mass-loss"),
        (Self::PoisonObject, "F25", "poison-object"),
        (Self::SlowNetwork, "F26", "slow-network"),
    ];

    /// Its number and its name.
    #[must_use]
    pub fn names(self) -> (&'static str, &'static str) {
        let found = Self::ALL.iter().find(|(kind, ..)| *kind == self);
        found.map_or(("F0", "unknown"), |(_, number, name)| (number, name))
    }

    /// Whether it is a property of the whole run. The others are single events.
    pub(crate) fn is_standing(self) -> bool {
        matches!(
            self,
            Self::LostReplies | Self::WatchDelayed | Self::StubbornTask | Self::PoisonObject | Self::SlowNetwork
        )
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, name) = self.names();
        write!(f, "{number} {name}")
    }
}

/// A name that no kind of fault has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownFault(String);

impl fmt::Display for UnknownFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known: Vec<String> = FaultKind::ALL.iter().map(|(_, number, name)| format!("{number} ({name})")).collect();
        write!(f, "{:?} is no kind of fault; there are {}", self.0, known.join(", "))
    }
}

impl std::error::Error for UnknownFault {}

impl FromStr for FaultKind {
    type Err = UnknownFault;

    /// Reads a number such as `F5` or a name such as `lost-replies`.
    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        let matches = |number: &str, name: &str| number.eq_ignore_ascii_case(text) || name == text;
        let found = Self::ALL.iter().find(|(_, number, name)| matches(number, name));
        found.map(|(kind, ..)| *kind).ok_or_else(|| UnknownFault(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_read_back() {
        for (kind, number, name) in FaultKind::ALL {
            assert_eq!((number.parse(), name.parse(), kind.names()), (Ok(kind), Ok(kind), (number, name)));
        }
        assert!("F24".parse::<FaultKind>().is_err(), "version skew is not simulated");
    }
}
