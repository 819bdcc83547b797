//! What waits to be written. Pure: no write happens here.

use crate::clock::Boot;
use crate::registry::Entry;
use proffer_crds::Task;
use proffer_master::{
    AgentName, AgentRecord, Epoch, FrameworkRecord, FrameworkSpecRecord, MaintenanceRecord, NewReservation, NewTask,
    ObjectKey, OfferEnd, OfferId, OfferRecord, ReservationRecord, RoleRecord, TaskId, TaskRecord, WriteId,
};
use proffer_mesos_api::TaskState;
use proffer_resources::ResourceBag;
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// After so many awaited writes in a row, one other goes first, so that none waits for ever.
const AWAITED_IN_A_ROW: u32 = 8;
/// A task that starts is about to say that it runs: that it starts is written only if nothing more comes for this long.
const LAZY: Duration = Duration::from_millis(100);
/// What a framework or an agent has changes with each of its tasks, and people look at it now and then. So it is written
/// this long after a change, out of the way of the launch that caused it ...
const TALLY_DELAY: Duration = Duration::from_millis(250);
/// ... and at most once in this time.
const TALLY_PERIOD: Duration = Duration::from_secs(1);

/// One thing to be written.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// A task's status. Answered for each of `writes`.
    TaskStatus {
        /// The writes that this one is the answer to: its own and those that it replaced.
        writes: Vec<WriteId>,
        /// The task.
        task: TaskId,
        /// The whole new status.
        record: Box<TaskRecord>,
        /// The version that the master knew when it decided on this.
        basis: Basis,
        /// Whether something waits for it.
        awaited: bool,
    },
    /// A new task, launched over a stream.
    CreateTask {
        /// The write that this is the answer to.
        write: WriteId,
        /// The task.
        task: Box<NewTask>,
    },
    /// What a scheduler says of its framework.
    FrameworkSpec {
        /// The write that this is the answer to.
        write: WriteId,
        /// The spec.
        spec: Box<FrameworkSpecRecord>,
    },
    /// A framework's object away.
    DeleteFramework {
        /// Its key.
        key: ObjectKey,
        /// Its UID.
        uid: String,
    },
    /// Owner reference and finalizer onto a task.
    AdoptTask {
        /// The task.
        task: TaskId,
        /// Name and UID of the owner.
        framework: (String, String),
        /// Whether the finalizer is to be put on too.
        finalizer: bool,
    },
    /// The finalizer off a task.
    ReleaseTask(TaskId),
    /// A task's object away.
    DeleteTask(TaskId),
    /// A new offer.
    CreateOffer {
        /// The write that this is the answer to.
        write: WriteId,
        /// The offer.
        offer: Box<OfferRecord>,
    },
    /// How an offer ended.
    CloseOffer {
        /// The offer.
        offer: OfferId,
        /// How.
        end: OfferEnd,
        /// Why.
        message: String,
    },
    /// An offer's object away.
    DeleteOffer(OfferId),
    /// A new reservation.
    CreateReservation {
        /// The write that this is the answer to.
        write: WriteId,
        /// The reservation.
        reservation: Box<NewReservation>,
    },
    /// Something else for a reservation to ask for.
    ChangeReservation {
        /// The write that this is the answer to.
        write: WriteId,
        /// Its name.
        name: String,
        /// Its UID.
        uid: String,
        /// All that it is to ask for.
        resources: ResourceBag,
    },
    /// A reservation's object away.
    DeleteReservation {
        /// The write that this is the answer to.
        write: WriteId,
        /// Its name.
        name: String,
        /// Its UID.
        uid: String,
    },
    /// A reservation's status, and the finalizer before it.
    Reservation(Box<ReservationRecord>),
    /// The finalizer off a reservation.
    ReleaseReservation(String),
    /// A framework's status.
    Framework(Box<FrameworkRecord>),
    /// An agent's status.
    Agent(Box<AgentRecord>),
    /// A role's status.
    Role(Box<RoleRecord>),
    /// A maintenance's status.
    Maintenance(Box<MaintenanceRecord>),
    /// That an agent is gone, into its spec.
    MarkAgentGone(AgentName),
}

/// A version of a task: what a decision was based on.
#[derive(Clone, Debug, Default)]
pub struct Basis(pub Option<Arc<Entry<Task>>>);

impl PartialEq for Basis {
    fn eq(&self, other: &Self) -> bool {
        let version = |basis: &Self| basis.0.as_ref().map(|entry| entry.version());
        version(self) == version(other)
    }
}

/// The object that an operation is about. Operations on one object never run at the same time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A Task.
    Task(ObjectKey),
    /// An Offer.
    Offer(ObjectKey),
    /// A Framework.
    Framework(ObjectKey),
    /// An Agent.
    Agent(String),
    /// A Reservation.
    Reservation(String),
    /// An `AllocationRole`.
    Role(String),
    /// A Maintenance.
    Maintenance(String),
}

impl Op {
    /// The object that this is about.
    #[must_use]
    pub fn subject(&self) -> Subject {
        match self {
            Self::TaskStatus { task, .. }
            | Self::AdoptTask { task, .. }
            | Self::ReleaseTask(task)
            | Self::DeleteTask(task) => Subject::Task(task.key.clone()),
            Self::CreateTask { task, .. } => Subject::Task(task.id.key.clone()),
            Self::FrameworkSpec { spec, .. } => Subject::Framework(spec.key.clone()),
            Self::DeleteFramework { key, .. } => Subject::Framework(key.clone()),
            Self::CreateOffer { offer, .. } => Subject::Offer(offer.id.0.clone()),
            Self::CloseOffer { offer, .. } | Self::DeleteOffer(offer) => Subject::Offer(offer.0.clone()),
            Self::CreateReservation { reservation, .. } => Subject::Reservation(reservation.name.clone()),
            Self::ChangeReservation { name, .. }
            | Self::DeleteReservation { name, .. }
            | Self::ReleaseReservation(name) => Subject::Reservation(name.clone()),
            Self::Reservation(record) => Subject::Reservation(record.name.clone()),
            Self::Framework(record) => Subject::Framework(record.key.clone()),
            Self::Agent(record) => Subject::Agent(record.agent.0.clone()),
            Self::Role(record) => Subject::Role(record.name.clone()),
            Self::Maintenance(record) => Subject::Maintenance(record.name.clone()),
            Self::MarkAgentGone(agent) => Subject::Agent(agent.0.clone()),
        }
    }

    /// Whether something waits for it.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        match self {
            Self::TaskStatus { awaited, .. } => *awaited,
            Self::CreateTask { .. }
            | Self::FrameworkSpec { .. }
            | Self::CreateOffer { .. }
            | Self::MarkAgentGone(_)
            | Self::CreateReservation { .. }
            | Self::ChangeReservation { .. }
            | Self::DeleteReservation { .. } => true,
            _ => false,
        }
    }

    /// Whether it says no more than that a task starts.
    fn is_starting(&self) -> bool {
        matches!(self, Self::TaskStatus { record, awaited: false, .. } if record.state == Some(TaskState::Starting))
    }

    /// What a person or a program may be waiting for in the status of a framework or an agent.
    fn readiness(&self) -> Option<Readiness> {
        match self {
            Self::Framework(record) => Some((record.generation, record.ready.reason, record.epoch)),
            Self::Agent(record) => Some((0, record.ready.reason, record.epoch)),
            Self::Role(record) => Some((record.generation, record.accepted.reason, record.epoch)),
            Self::Maintenance(record) => Some((record.generation, record.drained.reason, record.epoch)),
            _ => None,
        }
    }
}

/// What a change of is written at once: the generation of the spec that was seen, the reason of the condition, the epoch.
type Readiness = (i64, &'static str, Epoch);

/// When the status of each framework and agent was last written, and what it said then.
#[derive(Debug, Default)]
struct Tallies {
    known: HashMap<Subject, (Boot, Readiness)>,
    /// At so many, those that would not hold anything back any more are forgotten.
    most: usize,
}

impl Tallies {
    fn begun(&mut self, subject: &Subject, readiness: Readiness, now: Boot) {
        self.known.insert(subject.clone(), (now, readiness));
        if self.known.len() > self.most {
            self.known.retain(|_, (begun, _)| now.since(*begun) < TALLY_PERIOD);
            self.most = self.known.len() * 2 + 64;
        }
    }

    /// When a status may be written; `None` for at once, since it says something else than the last one.
    fn due(&self, subject: &Subject, readiness: Readiness, now: Boot) -> Option<Boot> {
        let (begun, said) = self.known.get(subject)?;
        (*said == readiness).then(|| begun.after(TALLY_PERIOD).max(now.after(TALLY_DELAY)))
    }
}

/// Operations that have not begun, merged by object.
#[derive(Debug, Default)]
pub struct Queue {
    waiting: HashMap<Subject, VecDeque<Op>>,
    busy: HashSet<Subject>,
    awaited: VecDeque<Subject>,
    others: VecDeque<Subject>,
    /// Those of which something lazy waits, and until when; in the order of time and by object.
    lazy: BTreeSet<(Boot, Subject)>,
    due: HashMap<Subject, Boot>,
    tallies: Tallies,
    in_a_row: u32,
    length: usize,
}

impl Queue {
    /// How many operations have not begun.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Takes in an operation. It may replace one that has not begun, or be the same as one.
    pub fn push(&mut self, op: Op, now: Boot) {
        let subject = op.subject();
        let waiting = self.waiting.entry(subject.clone()).or_default();
        let before = waiting.len();
        merge(waiting, op);
        self.length += waiting.len() - before;
        if !self.busy.contains(&subject) {
            self.line_up(subject, now);
        }
    }

    /// When something lazy is due.
    #[must_use]
    pub fn next_due(&self) -> Option<Boot> {
        self.lazy.first().map(|(due, _)| *due)
    }

    /// The next operation to begin. [`Queue::done`] must be called for its object when it has ended.
    pub fn pop(&mut self, now: Boot) -> Option<(Subject, Op)> {
        while self.next_due().is_some_and(|due| due <= now) {
            // It stays in `due`, which says that its time has come.
            self.others.extend(self.lazy.pop_first().map(|(_, subject)| subject));
        }
        loop {
            let others_turn = self.in_a_row >= AWAITED_IN_A_ROW && !self.others.is_empty();
            let subject = if others_turn || self.awaited.is_empty() {
                self.in_a_row = 0;
                self.others.pop_front()?
            } else {
                self.in_a_row += 1;
                self.awaited.pop_front()?
            };
            if self.busy.contains(&subject) {
                continue;
            }
            let Some(first) = self.first(&subject, now) else { continue };
            let Some(waiting) = self.waiting.get_mut(&subject) else { continue };
            let Some(op) = waiting.remove(first) else { continue };
            self.length -= 1;
            if waiting.is_empty() {
                self.waiting.remove(&subject);
            }
            if let Some(due) = self.due.remove(&subject) {
                self.lazy.remove(&(due, subject.clone()));
            }
            if let Some(readiness) = op.readiness() {
                self.tallies.begun(&subject, readiness, now);
            }
            self.busy.insert(subject.clone());
            return Some((subject, op));
        }
    }

    /// The operation on this object has ended.
    pub fn done(&mut self, subject: Subject, now: Boot) {
        self.busy.remove(&subject);
        self.line_up(subject, now);
    }

    /// Which of the operations that wait for an object goes first; `None` if all may wait for something newer.
    fn first(&self, subject: &Subject, now: Boot) -> Option<usize> {
        let waiting = self.waiting.get(subject)?;
        let due = || self.due.get(subject).filter(|&&due| due <= now).map(|_| 0);
        waiting
            .iter()
            .position(Op::is_awaited)
            .or_else(|| waiting.iter().position(|op| self.may_wait(subject, op, now).is_none()))
            .or_else(due)
    }

    /// Until when an operation may wait for something newer; `None` if it may not.
    fn may_wait(&self, subject: &Subject, op: &Op, now: Boot) -> Option<Boot> {
        match op.readiness() {
            Some(readiness) => self.tallies.due(subject, readiness, now),
            None => op.is_starting().then(|| now.after(LAZY)),
        }
    }

    fn line_up(&mut self, subject: Subject, now: Boot) {
        let Some(waiting) = self.waiting.get(&subject) else { return };
        let until = waiting.iter().map(|op| self.may_wait(&subject, op, now)).min().flatten();
        if waiting.iter().any(Op::is_awaited) {
            self.awaited.push_back(subject);
        } else if let Some(until) = until {
            // What waits longest counts: a status that keeps changing is written too.
            if !self.due.contains_key(&subject) {
                self.due.insert(subject.clone(), until);
                self.lazy.insert((until, subject));
            }
        } else {
            self.others.push_back(subject);
        }
    }
}

/// Puts an operation behind those on the same object, or in the place of one that it makes needless.
fn merge(waiting: &mut VecDeque<Op>, op: Op) {
    match op {
        Op::TaskStatus { writes, task, record, basis, awaited } => {
            let replaced = waiting.iter_mut().rev().find_map(|known| match known {
                Op::TaskStatus { writes, task: same, record, basis, awaited } if *same == task && !*awaited => {
                    Some((writes, record, basis, awaited))
                }
                _ => None,
            });
            match replaced {
                Some((known_writes, known_record, known_basis, known_awaited)) => {
                    known_writes.extend(writes);
                    *known_record = record;
                    *known_basis = basis;
                    *known_awaited = awaited;
                }
                None => waiting.push_back(Op::TaskStatus { writes, task, record, basis, awaited }),
            }
        }
        Op::Framework(record) => {
            waiting.retain(|known| !matches!(known, Op::Framework(_)));
            waiting.push_back(Op::Framework(record));
        }
        Op::Agent(record) => {
            waiting.retain(|known| !matches!(known, Op::Agent(_)));
            waiting.push_back(Op::Agent(record));
        }
        Op::Role(record) => {
            waiting.retain(|known| !matches!(known, Op::Role(_)));
            waiting.push_back(Op::Role(record));
        }
        Op::Maintenance(record) => {
            waiting.retain(|known| !matches!(known, Op::Maintenance(_)));
            waiting.push_back(Op::Maintenance(record));
        }
        Op::Reservation(record) => {
            waiting.retain(|known| !matches!(known, Op::Reservation(_)));
            waiting.push_back(Op::Reservation(record));
        }
        Op::DeleteOffer(offer) => {
            waiting.retain(|known| !matches!(known, Op::CloseOffer { .. } | Op::DeleteOffer(_)));
            waiting.push_back(Op::DeleteOffer(offer));
        }
        op => {
            if !waiting.contains(&op) {
                waiting.push_back(op);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proffer_master::{Epoch, Readiness};
    use proffer_resources::{Quantities, Ranges};

    const AT: Boot = Boot::from_micros(1_000_000);

    fn task(name: &str) -> TaskId {
        TaskId { key: ObjectKey::new("ns", name), uid: format!("uid-{name}") }
    }

    fn status(write: u64, name: &str, state: TaskState, awaited: bool) -> Op {
        let record = TaskRecord {
            generation: 1,
            state: Some(state),
            reason: None,
            message: String::new(),
            agent: None,
            role: None,
            held: None,
            ports: Ranges::default(),
            exit_code: None,
            signal: None,
            sandbox: None,
            staging_at: None,
            running_at: None,
            completed_at: None,
            epoch: Epoch(1),
        };
        Op::TaskStatus {
            writes: vec![WriteId(write)],
            task: task(name),
            record: Box::new(record),
            basis: Basis::default(),
            awaited,
        }
    }

    fn framework(pending: usize) -> Op {
        Op::Framework(Box::new(FrameworkRecord {
            key: ObjectKey::new("ns", "fw"),
            uid: "f".to_owned(),
            generation: 1,
            framework_id: String::new(),
            scheduler: "BinPack",
            pending,
            active: 0,
            completed: 0,
            allocated: Quantities::default(),
            offers: 0,
            ready: Readiness { ready: true, reason: "Ready", message: String::new() },
            stream: None,
            epoch: Epoch(1),
        }))
    }

    /// Begins and ends everything, and tells in which order.
    fn drain(queue: &mut Queue) -> Vec<String> {
        let mut order = Vec::new();
        while let Some((subject, op)) = queue.pop(AT) {
            order.push(match &op {
                Op::TaskStatus { writes, task, record, .. } => {
                    let ids: Vec<String> = writes.iter().map(|write| write.0.to_string()).collect();
                    format!("{} {:?} for {}", task.key.name, record.state.unwrap(), ids.join(","))
                }
                Op::AdoptTask { task, .. } => format!("{} adopt", task.key.name),
                Op::ReleaseTask(task) => format!("{} release", task.key.name),
                Op::Framework(record) => format!("framework pending {}", record.pending),
                other => format!("{other:?}"),
            });
            queue.done(subject, AT);
        }
        assert!(queue.is_empty());
        order
    }

    #[test]
    fn awaited_writes_go_first_and_adoption_after_them() {
        let mut queue = Queue::default();
        queue.push(framework(1), AT);
        queue
            .push(Op::AdoptTask { task: task("a"), framework: ("fw".to_owned(), "f".to_owned()), finalizer: true }, AT);
        queue.push(status(1, "a", TaskState::Staging, true), AT);
        queue.push(status(2, "b", TaskState::Staging, true), AT);
        assert_eq!(drain(&mut queue), ["a Staging for 1", "b Staging for 2", "framework pending 1", "a adopt"]);
    }

    #[test]
    fn the_newest_status_replaces_one_that_has_not_begun() {
        let mut queue = Queue::default();
        queue.push(status(1, "a", TaskState::Starting, false), AT);
        queue.push(status(2, "a", TaskState::Running, false), AT);
        queue.push(status(3, "a", TaskState::Finished, true), AT);
        queue.push(Op::ReleaseTask(task("a")), AT);
        queue.push(Op::ReleaseTask(task("a")), AT);
        assert_eq!(drain(&mut queue), ["a Finished for 1,2,3", "a release"]);
    }

    #[test]
    fn that_a_task_starts_is_written_only_if_nothing_follows_soon() {
        let mut queue = Queue::default();
        queue.push(status(1, "a", TaskState::Starting, false), AT);
        queue.push(status(2, "b", TaskState::Starting, false), AT);
        assert_eq!(queue.pop(AT), None);
        queue.push(status(3, "a", TaskState::Running, false), AT);
        let (subject, op) = queue.pop(AT).unwrap();
        assert_eq!(op, status_for(&[1, 3], "a", TaskState::Running));
        queue.done(subject, AT);
        assert_eq!(queue.next_due(), Some(AT.after(LAZY)));
        assert_eq!(queue.pop(AT), None);
        let (_, op) = queue.pop(AT.after(LAZY)).unwrap();
        assert_eq!(op, status_for(&[2], "b", TaskState::Starting));
        assert!(queue.is_empty());
    }

    #[test]
    fn what_a_framework_has_is_written_now_and_then_and_what_it_is_at_once() {
        let mut queue = Queue::default();
        queue.push(framework(1), AT);
        let (subject, _) = queue.pop(AT).unwrap();
        queue.done(subject, AT);
        let after = |millis| AT.after(Duration::from_millis(millis));
        for millis in (10..900).step_by(10) {
            queue.push(framework(millis), after(millis as u64));
            assert_eq!(queue.pop(after(millis as u64)), None);
        }
        assert_eq!(queue.next_due(), Some(AT.after(TALLY_PERIOD)));
        let (subject, op) = queue.pop(AT.after(TALLY_PERIOD)).unwrap();
        assert_eq!(op, framework(890));
        queue.push(framework(891), after(1010));
        queue.done(subject, after(1020));
        assert_eq!((queue.pop(after(1020)), queue.next_due()), (None, Some(after(2000))));
        let mut not_ready = framework(3);
        if let Op::Framework(record) = &mut not_ready {
            record.ready = Readiness { ready: false, reason: "Refused", message: String::new() };
        }
        queue.push(not_ready.clone(), after(1030));
        assert_eq!(queue.pop(after(1030)).unwrap().1, not_ready);
        assert_eq!((queue.is_empty(), queue.next_due()), (true, None));
    }

    #[test]
    fn after_a_quiet_time_a_status_still_makes_way_for_the_launch_that_changed_it() {
        let mut queue = Queue::default();
        queue.push(framework(1), AT);
        let (subject, _) = queue.pop(AT).unwrap();
        queue.done(subject, AT);
        let later = AT.after(Duration::from_mins(1));
        queue.push(framework(2), later);
        assert_eq!((queue.pop(later), queue.next_due()), (None, Some(later.after(TALLY_DELAY))));
    }

    fn status_for(writes: &[u64], name: &str, state: TaskState) -> Op {
        let mut op = status(0, name, state, false);
        if let Op::TaskStatus { writes: known, .. } = &mut op {
            *known = writes.iter().map(|&write| WriteId(write)).collect();
        }
        op
    }

    #[test]
    fn an_awaited_status_is_never_replaced() {
        let mut queue = Queue::default();
        queue.push(status(1, "a", TaskState::Staging, true), AT);
        queue.push(status(2, "a", TaskState::Running, false), AT);
        queue.push(status(3, "a", TaskState::Finished, false), AT);
        assert_eq!(drain(&mut queue), ["a Staging for 1", "a Finished for 2,3"]);
    }

    #[test]
    fn the_status_of_another_task_of_the_same_name_is_not_replaced() {
        let mut queue = Queue::default();
        queue.push(status(1, "a", TaskState::Finished, false), AT);
        let mut later = status(2, "a", TaskState::Running, false);
        if let Op::TaskStatus { task, .. } = &mut later {
            task.uid = "another".to_owned();
        }
        queue.push(later, AT);
        assert_eq!(drain(&mut queue), ["a Finished for 1", "a Running for 2"]);
    }

    #[test]
    fn one_object_is_written_by_one_at_a_time() {
        let mut queue = Queue::default();
        queue.push(status(1, "a", TaskState::Staging, true), AT);
        let (subject, _) = queue.pop(AT).unwrap();
        queue.push(status(2, "a", TaskState::Running, true), AT);
        assert_eq!(queue.pop(AT), None);
        queue.done(subject, AT);
        assert_eq!(drain(&mut queue), ["a Running for 2"]);
    }

    #[test]
    fn what_nobody_awaits_is_written_too_while_awaited_writes_keep_coming() {
        let mut queue = Queue::default();
        for write in 0..100 {
            queue.push(status(write, &format!("t{write}"), TaskState::Staging, true), AT);
        }
        queue.push(framework(1), AT);
        queue.push(framework(2), AT);
        let position = drain(&mut queue).iter().position(|done| done == "framework pending 2");
        assert_eq!(position, Some(8));
    }
}
