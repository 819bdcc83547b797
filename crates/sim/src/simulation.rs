//! The run: what happens next, until the faults are over and everything has come to rest.

use crate::api_server::ApiServer;
use crate::faults::Faults;
use crate::happening::{Agenda, End, Happening, LeaderId};
use crate::leader::Leader;
use crate::link::{Link, LinkId, Message};
use crate::node::Node;
use crate::oracle::{Failure, Oracle};
use crate::random::Random;
use proffer_master::{Event, Session, TaskId, Time};
use proffer_mesos_api::TaskState;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// How large a run is.
#[derive(Clone, Debug)]
pub struct Options {
    /// Nodes with an agent.
    pub nodes: usize,
    /// Tasks that are created.
    pub tasks: usize,
    /// For how long things fail.
    pub faults_for: Duration,
    /// Whether to keep what happened, for a person to read.
    pub trace: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { nodes: 4, tasks: 40, faults_for: Duration::from_mins(1), trace: false }
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
    /// The same for the same seed, and hardly ever for another.
    pub fingerprint: u64,
}

/// How long a run goes on after the last fault: longer than all time-outs.
const REST: Duration = Duration::from_secs(150);

/// When every run begins.
const BEGINNING: Time = Time(1_700_000_000_000_000);

/// A run.
#[derive(Debug)]
pub struct Simulation {
    pub(crate) seed: u64,
    pub(crate) options: Options,
    pub(crate) now: Time,
    pub(crate) agenda: Agenda,
    pub(crate) random: Random,
    pub(crate) api: ApiServer,
    pub(crate) leaders: Vec<Leader>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) links: Vec<Link>,
    pub(crate) sessions: BTreeMap<Session, LinkId>,
    pub(crate) oracle: Oracle,
    pub(crate) faults: Faults,
    pub(crate) created: usize,
    pub(crate) happenings: u64,
    fingerprint: u64,
    trace: VecDeque<String>,
}

impl Simulation {
    /// Runs a seed to its end.
    pub fn run(seed: u64, options: &Options) -> Result<Summary, Box<Failure>> {
        let mut simulation = Self::new(seed, options.clone());
        let end = BEGINNING.after(options.faults_for).after(REST);
        while let Some((at, happening)) = simulation.agenda.pop() {
            if at > end {
                break;
            }
            simulation.now = at;
            simulation.note(&happening);
            simulation.happen(happening);
            simulation.tell_watches();
            simulation.judge()?;
        }
        simulation.check_rest();
        simulation.judge()?;
        Ok(simulation.summary())
    }

    fn new(seed: u64, options: Options) -> Self {
        let mut random = Random::new(seed);
        let faults = Faults::choose(&mut random);
        let mut simulation = Self {
            seed,
            now: BEGINNING,
            agenda: Agenda::default(),
            random,
            api: ApiServer::default(),
            leaders: Vec::new(),
            nodes: (0..options.nodes).map(Node::new).collect(),
            links: Vec::new(),
            sessions: BTreeMap::new(),
            oracle: Oracle::default(),
            faults,
            created: 0,
            happenings: 0,
            fingerprint: 0xcbf2_9ce4_8422_2325,
            trace: VecDeque::new(),
            options,
        };
        simulation.create_frameworks();
        simulation.start_leader();
        for node in 0..simulation.nodes.len() {
            simulation.soon(Happening::AgentStarts(node), Duration::ZERO, Duration::from_secs(2));
        }
        simulation.agenda.at(simulation.now, Happening::Workload);
        simulation.agenda.at(simulation.now, Happening::Replies);
        simulation.soon(Happening::Fault, Duration::from_secs(2), Duration::from_secs(6));
        simulation
    }

    /// Whether things still fail.
    pub(crate) fn is_rough(&self) -> bool {
        self.now < BEGINNING.after(self.options.faults_for)
    }

    /// Has something happen after a delay between the two.
    pub(crate) fn soon(&mut self, happening: Happening, least: Duration, most: Duration) {
        let delay = self.random.delay(least, most);
        self.agenda.at(self.now.after(delay), happening);
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Told(leader, event, versions) => self.watch_tells(leader, *event, versions),
            Happening::LeaderTick(leader) => self.leader_tick(leader),
            Happening::WriteArrives(leader, write) => self.write_arrives(leader, &write),
            Happening::WriteAnswered(leader, task, answer) => self.write_answered(leader, &task, answer),
            Happening::OfferArrives(leader, write, offer) => self.offer_arrives(leader, write, &offer),
            Happening::LeaderStarts => self.start_leader(),
            Happening::LeaderEnds(leader) => self.end_leader(leader),
            Happening::Arrives(link, message) => self.arrive(link, message),
            Happening::Noticed(link, end) => self.notice(link, end),
            Happening::Dial(node) => self.dial(node),
            Happening::AgentTick(node, incarnation) => self.agent_tick(node, incarnation),
            Happening::Synced(node, incarnation, position) => self.synced(node, incarnation, position),
            Happening::SlotFound(node, incarnation, pod_uid) => self.slot_found(node, incarnation, pod_uid),
            Happening::InitStarts(node, incarnation, uid) => self.init_starts(node, incarnation, &uid),
            Happening::CommandEnds(node, uid, how) => self.command_ends(node, &uid, how),
            Happening::AgentStarts(node) => self.start_agent(node),
            Happening::Workload => self.workload(),
            Happening::Replies => self.replies(),
            Happening::Fault => self.fault(),
        }
    }

    /// What changed at the API server is on its way to every watch, in order.
    fn tell_watches(&mut self) {
        for (event, versions) in self.api.take_changes() {
            for index in 0..self.leaders.len() {
                if !self.leaders[index].alive {
                    continue;
                }
                let most = if self.is_rough() { self.faults.watch_delay } else { Duration::from_millis(20) };
                let delay = self.random.delay(Duration::from_micros(200), most);
                let at = self.now.after(delay).max(self.leaders[index].watch_at);
                self.leaders[index].watch_at = at;
                self.agenda.at(at, Happening::Told(LeaderId(index), Box::new(event.clone()), versions));
            }
        }
    }

    fn arrive(&mut self, id: LinkId, message: Message) {
        let link = &self.links[id.0];
        if link.broken {
            return;
        }
        let (node, leader) = (link.node, link.leader);
        match message {
            Message::ToMaster(message) => self.leader_hears(leader, id, message),
            Message::ToAgent(message) => self.agent_hears(node, id, message),
        }
    }

    /// Nothing more arrives on a link; its ends notice later, and a master's end perhaps never.
    pub(crate) fn break_link(&mut self, id: LinkId) {
        if std::mem::replace(&mut self.links[id.0].broken, true) {
            return;
        }
        if !self.random.in_thousand(150) {
            self.soon(Happening::Noticed(id, End::Master), Duration::from_millis(1), Duration::from_secs(4));
        }
        self.soon(Happening::Noticed(id, End::Agent), Duration::from_millis(1), Duration::from_secs(5));
    }

    fn notice(&mut self, id: LinkId, end: End) {
        let (node, leader, session) = (self.links[id.0].node, self.links[id.0].leader, self.links[id.0].session);
        match end {
            End::Master => {
                let agent = self.nodes[node].name.clone();
                self.leader_event(leader, Event::AgentDisconnected { agent, session });
            }
            End::Agent if self.nodes[node].link == Some(id) => {
                self.nodes[node].link = None;
                self.agent_event(node, proffer_agent::Event::Disconnected);
                self.soon(Happening::Dial(node), Duration::from_millis(50), Duration::from_secs(2));
            }
            End::Agent => {}
        }
    }

    /// After the faults: everything has ended, or runs and says so.
    fn check_rest(&mut self) {
        let mut problems = Vec::new();
        for (id, stored) in &self.api.tasks {
            let object = &stored.object;
            let state = object.record.as_ref().and_then(|record| record.state);
            let runs = self.nodes.iter().any(|node| node.runs(&id.uid));
            let fine = match state {
                Some(TaskState::Running) => runs,
                Some(state) => state.is_terminal() && !runs,
                None => false,
            };
            if !fine || object.deleting {
                problems.push(format!(
                    "at rest, {} runs: {runs}, deleting: {}, {:?}",
                    id.uid, object.deleting, object.record
                ));
            }
        }
        for node in &self.nodes {
            problems.extend(node.problem_at_rest(|uid| self.is_object(uid)));
        }
        for problem in problems {
            self.oracle.found(problem);
        }
    }

    fn is_object(&self, uid: &str) -> bool {
        self.api.tasks.keys().any(|id: &TaskId| id.uid == uid)
    }

    fn note(&mut self, happening: &Happening) {
        self.happenings += 1;
        for word in [self.now.0.cast_unsigned(), happening.kind()] {
            self.fingerprint = (self.fingerprint ^ word).wrapping_mul(0x0100_0000_01b3);
        }
        if self.options.trace {
            self.trace.push_back(format!("{:>10} {happening:?}", self.now.0 - BEGINNING.0));
            if self.trace.len() > 30000 {
                self.trace.pop_front();
            }
        }
    }

    /// Adds to the trace what follows from what happened.
    pub(crate) fn follows(&mut self, what: impl FnOnce() -> String) {
        if self.options.trace {
            self.trace.push_back(format!("{:>10}     -> {}", "", what()));
        }
    }

    fn judge(&self) -> Result<(), Box<Failure>> {
        match self.oracle.problem() {
            None => Ok(()),
            Some(problem) => Err(Box::new(Failure {
                seed: self.seed,
                at: self.now,
                problem: problem.to_owned(),
                trace: self.trace.iter().cloned().collect(),
            })),
        }
    }

    fn summary(&self) -> Summary {
        Summary {
            happenings: self.happenings,
            starts: self.oracle.starts(),
            leaders: self.leaders.len(),
            fingerprint: self.fingerprint,
        }
    }
}
