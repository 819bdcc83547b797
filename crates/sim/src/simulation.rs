//! The run: what happens next, until the faults are over and everything has come to rest.

use crate::api_server::{ApiServer, Object, Subject};
use crate::election::Replica;
use crate::failure::Failure;
use crate::fault::FaultKind;
use crate::happening::{Agenda, End, Happening};
use crate::leader::Leader;
use crate::link::{Link, LinkId, Message};
use crate::node::Node;
use crate::oracle::Oracle;
use crate::plan::{Deed, Plan};
use crate::random::Random;
use crate::scheduler::Scheduler;
use proffer_master::{Session, Time};
use proffer_mesos_api::TaskState;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// What a run is like, beside its seed.
#[derive(Clone, Debug)]
pub struct Options {
    /// Nodes with an agent.
    pub nodes: usize,
    /// Controller processes.
    pub replicas: usize,
    /// Tasks that users create; they replace some.
    pub tasks: usize,
    /// For how long things fail.
    pub faults_for: Duration,
    /// The kinds of faults that there may be; all if `None`. Each seed has some of them.
    pub faults: Option<BTreeSet<FaultKind>>,
    /// Which steps of the seed's plan to keep, by their number; all if `None`.
    pub keep: Option<BTreeSet<usize>>,
    /// Whether to keep what happened, for a person to read.
    pub trace: bool,
    /// A defect to be found.
    #[cfg(feature = "planted")]
    pub planted: Option<crate::planted::Planted>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            nodes: 4,
            replicas: 3,
            tasks: 40,
            faults_for: Duration::from_mins(1),
            faults: None,
            keep: None,
            trace: false,
            #[cfg(feature = "planted")]
            planted: None,
        }
    }
}

/// What a run came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Things that happened.
    pub happenings: u64,
    /// Tasks that started.
    pub starts: usize,
    /// Leaders that there were.
    pub leaders: usize,
    /// The hash of all that happened: the same for the same seed and options, and hardly ever for others.
    pub hash: u64,
}

/// How long everything may take to come to rest after the last fault: longer than all time-outs.
const REST: Duration = Duration::from_secs(150);
/// Between two looks at whether all is at rest.
const INSPECTION: Duration = Duration::from_secs(5);

/// When every run begins.
pub(crate) const BEGINNING: Time = Time(1_700_000_000_000_000);

/// A run.
#[derive(Debug)]
pub struct Simulation {
    pub(crate) seed: u64,
    pub(crate) options: Options,
    pub(crate) plan: Plan,
    pub(crate) now: Time,
    pub(crate) agenda: Agenda,
    pub(crate) random: Random,
    pub(crate) api: ApiServer,
    /// Until when the API server answers nobody.
    pub(crate) api_down_until: Time,
    pub(crate) replicas: Vec<Replica>,
    pub(crate) leaders: Vec<Leader>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) links: Vec<Link>,
    pub(crate) sessions: BTreeMap<Session, LinkId>,
    pub(crate) schedulers: Vec<Scheduler>,
    pub(crate) oracle: Oracle,
    pub(crate) created: usize,
    pub(crate) happenings: u64,
    /// How often Task objects had changed when all was found at rest first.
    rested_at: Option<u64>,
    hash: u64,
    trace: VecDeque<String>,
}

impl Simulation {
    /// Runs a seed to its end.
    pub fn run(seed: u64, options: &Options) -> Result<Summary, Box<Failure>> {
        Self::new(seed, options.clone()).play()
    }

    /// Runs a seed to its end, and gives everything that happened too (of very long runs the end).
    pub fn traced(seed: u64, options: &Options) -> (Vec<String>, Result<Summary, Box<Failure>>) {
        let mut simulation = Self::new(seed, Options { trace: true, ..options.clone() });
        let result = simulation.play();
        (simulation.trace.into(), result)
    }

    fn play(&mut self) -> Result<Summary, Box<Failure>> {
        let deadline = BEGINNING.after(self.options.faults_for).after(REST);
        while let Some((at, happening)) = self.agenda.pop() {
            self.now = at;
            self.note(&happening);
            let over = matches!(happening, Happening::Inspect) && self.inspect(at >= deadline);
            self.happen(happening);
            self.tell_watches();
            self.judge()?;
            if over {
                break;
            }
        }
        Ok(self.summary())
    }

    fn new(seed: u64, options: Options) -> Self {
        let mut random = Random::new(seed);
        let plan = Plan::draw(seed, &options);
        let mut simulation = Self {
            seed,
            now: BEGINNING,
            agenda: Agenda::default(),
            api: ApiServer::default(),
            api_down_until: BEGINNING,
            replicas: (0..options.replicas).map(|_| Replica::default()).collect(),
            leaders: Vec::new(),
            nodes: (0..options.nodes).map(Node::new).collect(),
            links: Vec::new(),
            sessions: BTreeMap::new(),
            schedulers: Scheduler::draw(&mut random, options.nodes),
            oracle: Oracle::default(),
            created: 0,
            happenings: 0,
            rested_at: None,
            hash: 0xcbf2_9ce4_8422_2325,
            trace: VecDeque::new(),
            random,
            plan,
            options,
        };
        simulation.begin();
        simulation
    }

    fn begin(&mut self) {
        if self.plan.kinds.contains(&FaultKind::LeaseTampered) {
            // Clocks differ by up to a minute.
            let skew = |random: &mut Random| 60_000_000 - i64::try_from(random.below(120_000_000)).unwrap_or(0);
            for index in 0..self.replicas.len() {
                self.replicas[index].skew = skew(&mut self.random);
            }
            for index in 0..self.nodes.len() {
                self.nodes[index].skew = skew(&mut self.random);
            }
        }
        for index in 0..self.schedulers.len() {
            self.found(index);
            self.agenda.at(self.now, Happening::Schedule(index));
        }
        for index in 0..self.nodes.len() {
            self.api.put(Object::Slot(self.nodes[index].name.clone(), self.nodes[index].slot()));
            self.soon(Happening::AgentStarts(index), Duration::ZERO, Duration::from_secs(2));
        }
        for index in 0..self.replicas.len() {
            self.soon(Happening::ReplicaStarts(index), Duration::ZERO, Duration::from_secs(1));
        }
        for index in 0..self.plan.steps.len() {
            self.agenda.at(self.now.after(self.plan.steps[index].at), Happening::Step(index));
        }
        self.agenda.at(self.now, Happening::Garbage);
        let calm = self.now.after(self.options.faults_for);
        self.agenda.at(calm, Happening::Calm);
        self.agenda.at(calm.after(INSPECTION), Happening::Inspect);
    }

    /// Whether things still fail.
    pub(crate) fn is_rough(&self) -> bool {
        self.now < BEGINNING.after(self.options.faults_for)
    }

    /// Whether the API server answers nobody.
    pub(crate) fn api_is_down(&self) -> bool {
        self.api_down_until > self.now
    }

    /// Has something happen after a delay between the two.
    pub(crate) fn soon(&mut self, happening: Happening, least: Duration, most: Duration) {
        let delay = self.random.delay(least, most);
        self.agenda.at(self.now.after(delay), happening);
    }

    fn happen(&mut self, happening: Happening) {
        if let Some(until) = self.stands_still_until(&happening).filter(|until| *until > self.now) {
            // In the order in which it would have happened; but for the Lease, which a process that goes on again may
            // look at a moment too late.
            let late =
                matches!(happening, Happening::Elect(..)).then(|| Duration::from_millis(self.random.below(1000)));
            self.agenda.at(until.after(late.unwrap_or_default()), happening);
            return;
        }
        match happening {
            Happening::ReplicaStarts(replica) => self.start_replica(replica),
            Happening::Elect(replica, incarnation) => self.elect(replica, incarnation),
            Happening::LeaseWrite(replica, incarnation, lease, revision) => {
                self.write_lease(replica, incarnation, lease, revision);
            }
            Happening::LeaseAnswer(replica, incarnation, lease, done, sent) => {
                self.lease_answered(replica, incarnation, &lease, done, sent);
            }
            Happening::LeaderEnds(leader) => self.leader_ends(leader),
            Happening::Told(leader, stream, generation, change, next) => {
                self.watch_tells(leader, stream, generation, &change, next);
            }
            Happening::Reconnects(leader, stream, generation, resume) => {
                self.watch_reconnects(leader, stream, generation, resume);
            }
            Happening::Listed(leader, stream, generation, listing) => self.listed(leader, stream, generation, *listing),
            Happening::LeaderTick(leader) => self.leader_tick(leader),
            Happening::Attempt(leader, subject) => self.attempt(leader, &subject),
            Happening::Request(leader, subject, op, based_on) => self.request(leader, &subject, &op, based_on),
            Happening::Answered(leader, subject, answer) => self.answered(leader, &subject, answer),
            Happening::Garbage => self.collect_garbage(),
            Happening::Arrives(link, message) => self.arrive(link, message),
            Happening::Noticed(link, end) => self.notice(link, end),
            Happening::Dial(node) => self.dial(node),
            Happening::AgentTick(node, incarnation) => self.agent_tick(node, incarnation),
            Happening::Synced(node, incarnation, position) => self.synced(node, incarnation, position),
            Happening::SlotFound(node, incarnation, pod_uid) => self.slot_found(node, incarnation, pod_uid),
            Happening::InitStarts(node, incarnation, uid) => self.init_starts(node, incarnation, &uid),
            Happening::CommandEnds(node, uid, how) => self.command_ends(node, &uid, how),
            Happening::ExitSeen(node, incarnation, uid) => self.exit_seen(node, incarnation, uid),
            Happening::AgentStarts(node) => self.start_agent(node),
            Happening::PowerCut(node) => {
                let mut random = Random::new(self.random.next());
                self.lose_node(node, &mut random, Duration::from_secs(10));
            }
            Happening::PowerOn(node) => self.power_on(node),
            Happening::SlotMade(node) => self.slot_made(node),
            Happening::Step(index) => self.step(index),
            Happening::Schedule(scheduler) => self.schedule(scheduler),
            Happening::Refounded(scheduler) => self.found(scheduler),
            Happening::Recreate(key, seed) => self.recreate(key, seed),
            Happening::Relents(subject) => self.relent(&subject),
            Happening::Calm => self.calm_down(),
            Happening::Inspect => self.agenda.at(self.now.after(INSPECTION), Happening::Inspect),
        }
    }

    /// Until when the process stands still that this would happen to.
    fn stands_still_until(&self, happening: &Happening) -> Option<Time> {
        let node = match happening {
            Happening::Arrives(link, Message::ToAgent(_)) | Happening::Noticed(link, End::Agent) => {
                Some(self.links[link.0].node)
            }
            Happening::Dial(node)
            | Happening::AgentTick(node, _)
            | Happening::Synced(node, ..)
            | Happening::SlotFound(node, ..)
            | Happening::InitStarts(node, ..)
            | Happening::ExitSeen(node, ..) => Some(*node),
            _ => None,
        };
        if let Some(node) = node {
            return Some(self.nodes[node].paused_until);
        }
        let leader = match happening {
            Happening::Arrives(link, Message::ToMaster(_)) | Happening::Noticed(link, End::Master) => {
                self.links[link.0].leader
            }
            Happening::Told(leader, ..)
            | Happening::Listed(leader, ..)
            | Happening::LeaderTick(leader)
            | Happening::Attempt(leader, _)
            | Happening::Answered(leader, ..) => *leader,
            Happening::Elect(replica, _) | Happening::LeaseAnswer(replica, ..) => {
                return Some(self.replicas[*replica].paused_until);
            }
            _ => return None,
        };
        Some(self.replicas[self.leaders[leader.0].replica].paused_until)
    }

    fn step(&mut self, index: usize) {
        let step = self.plan.steps[index].clone();
        let mut random = Random::new(step.seed);
        match step.deed {
            Deed::Fault(kind) => {
                self.follows(|| format!("FAULT {kind} (step {})", step.number));
                self.fail(kind, &mut random);
            }
            Deed::Act(act) => {
                self.follows(|| format!("USER {act:?} (step {})", step.number));
                self.act_as_user(act, step.number, &mut random);
            }
        }
        self.inspect_offers();
    }

    fn collect_garbage(&mut self) {
        self.api.collect_garbage();
        for index in 0..self.nodes.len() {
            if !self.nodes[index].exists {
                self.api.remove(&Subject::Agent(self.nodes[index].name.clone()));
            }
        }
        self.soon(Happening::Garbage, Duration::from_millis(100), Duration::from_secs(3));
    }

    /// The newest leader, if it acts, has no offer that is older than it may be.
    fn inspect_offers(&mut self) {
        let Some((leader, _)) = self.oracle.newest() else { return };
        if self.replicas[self.leaders[leader.0].replica].paused_until.after(Duration::from_secs(1)) <= self.now {
            self.oracle.inspect_offers(leader, self.now);
        }
    }

    /// After the faults: everything has ended, or runs and says so, and nothing changes any more. Whether the run is
    /// over.
    fn inspect(&mut self, at_last: bool) -> bool {
        self.inspect_offers();
        let problem = self.problem_at_rest();
        let changes = self.api.task_changes;
        match problem {
            None if self.rested_at == Some(changes) => return true,
            None => {
                self.rested_at = Some(changes);
                if at_last {
                    self.oracle.found("I11", "Task objects".to_owned(), "still change at rest".to_owned());
                }
            }
            Some((invariant, subject, text)) => {
                self.rested_at = None;
                if at_last {
                    self.oracle.found(invariant, subject, text);
                }
            }
        }
        at_last
    }

    fn problem_at_rest(&self) -> Option<(&'static str, String, String)> {
        for stored in self.api.tasks() {
            let object = &stored.object;
            let uid = &object.id.uid;
            let state = object.record.as_ref().and_then(|record| record.state);
            let runs = self.nodes.iter().any(|node| node.runs(uid));
            let fine = match state {
                Some(TaskState::Running) => runs,
                Some(state) => state.is_terminal() && !runs,
                None => false,
            };
            if !fine {
                let record = &object.record;
                return Some(("I1", uid.clone(), format!("is at rest as {record:?}, and runs: {runs}")));
            }
            if object.deleting {
                return Some(("I12", uid.clone(), "is at rest and was never let go".to_owned()));
            }
        }
        let is_object = |uid: &str| self.api.tasks().any(|stored| stored.object.id.uid == uid);
        for node in &self.nodes {
            if let Some((invariant, text)) = node.problem_at_rest(is_object) {
                return Some((invariant, node.name.0.clone(), text));
            }
        }
        let current = self.oracle.newest().map(|(_, epoch)| epoch);
        let void = self.api.offers().find(|stored| Some(stored.terms.epoch) != current);
        void.map(|stored| {
            ("I9", stored.terms.id.0.name.clone(), "of an earlier leader is still there at rest".to_owned())
        })
    }

    fn note(&mut self, happening: &Happening) {
        self.happenings += 1;
        for word in [self.now.0.cast_unsigned(), happening.kind(), self.random.state()] {
            self.hash = (self.hash ^ word).wrapping_mul(0x0100_0000_01b3);
        }
        if self.options.trace {
            let at = self.now.since(BEGINNING).as_millis();
            self.push_trace(format!("{at:>7} ms  {happening:?}"));
        }
    }

    /// Adds to the trace what follows from what happened.
    pub(crate) fn follows(&mut self, what: impl FnOnce() -> String) {
        if self.options.trace {
            let at = self.now.since(BEGINNING).as_millis();
            self.push_trace(format!("{at:>7} ms    -> {}", what()));
        }
    }

    fn push_trace(&mut self, line: String) {
        self.trace.push_back(line);
        if self.trace.len() > 200_000 {
            self.trace.pop_front();
        }
    }

    fn judge(&self) -> Result<(), Box<Failure>> {
        match self.oracle.problem() {
            None => Ok(()),
            Some(problem) => Err(Box::new(Failure {
                seed: self.seed,
                at: self.now.since(BEGINNING),
                problem: problem.clone(),
                hash: self.hash,
                steps: self.plan.steps.iter().map(|step| step.number).collect(),
                trace: self.trace.iter().cloned().collect(),
            })),
        }
    }

    fn summary(&self) -> Summary {
        Summary {
            happenings: self.happenings,
            starts: self.oracle.starts(),
            leaders: self.leaders.len(),
            hash: self.hash,
        }
    }
}
