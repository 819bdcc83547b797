//! A node: its agent (the real state machine), the agent's journal, and the commands that run whether there is an agent
//! or not.

use crate::happening::{CommandEnd, Happening, LeaderId};
use crate::link::{Link, LinkId, Message};
use crate::simulation::Simulation;
use proffer_agent::{
    Action, Agent, Config, Effect, Event, Exit, Found, FromMaster, Now, Outcome, Process, Record, TaskSignal, ToMaster,
};
use proffer_master::{AgentName, Session, Slot};
use proffer_resources::{Amount, Ranges, Resources};
use std::collections::BTreeMap;
use std::time::Duration;

/// A node.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) name: AgentName,
    /// The agent process, if one runs.
    agent: Option<Agent>,
    /// Counts agent processes.
    incarnation: u64,
    /// Counts boots.
    boot: u64,
    powered: bool,
    pub(crate) link: Option<LinkId>,
    /// The journal, and whether each record must reach the disk soon.
    journal: Vec<(Record, bool)>,
    /// How many of them a power cut cannot take.
    synced: usize,
    /// Where this agent process began to write.
    base: usize,
    /// What waits for the journal up to a position.
    waiting: Vec<(usize, Action)>,
    /// Commands by their task's UID.
    commands: BTreeMap<String, Command>,
}

/// A command that was started once.
#[derive(Debug)]
struct Command {
    process: Process,
    /// How it ended, once it has.
    exit: Option<Exit>,
    /// Whether SIGTERM does not end it.
    stubborn: bool,
}

impl Node {
    pub(crate) fn new(index: usize) -> Self {
        Self {
            name: AgentName(format!("node{index}")),
            agent: None,
            incarnation: 0,
            boot: 1,
            powered: true,
            link: None,
            journal: Vec::new(),
            synced: 0,
            base: 0,
            waiting: Vec::new(),
            commands: BTreeMap::new(),
        }
    }

    /// Whether a task's command runs here.
    pub(crate) fn runs(&self, uid: &str) -> bool {
        self.commands.get(uid).is_some_and(|command| command.exit.is_none())
    }

    /// Its slot, which is always there.
    pub(crate) fn slot(&self) -> Slot {
        Slot {
            pod: format!("slot-{}", self.name),
            uid: format!("slot-{}", self.name),
            address: Some("10.1.2.3".to_owned()),
            running: true,
            resources: Resources::of(Amount::from_units(4), Amount::from_units(4096)),
        }
    }

    pub(crate) fn capacity() -> Resources {
        Resources { disk: Amount::from_units(10_000), ports: Ranges::span(31_000, 31_099), ..Resources::default() }
    }

    /// What is wrong with it when all should be at rest.
    pub(crate) fn problem_at_rest(&self, is_object: impl Fn(&str) -> bool) -> Option<String> {
        let Some(agent) = &self.agent else { return Some(format!("{} has no agent at rest", self.name)) };
        if !agent.is_registered() || agent.unacknowledged() > 0 {
            return Some(format!("{}: {} updates are not acknowledged at rest", self.name, agent.unacknowledged()));
        }
        let orphan = self.commands.iter().find(|(uid, command)| command.exit.is_none() && !is_object(uid));
        orphan.map(|(uid, _)| format!("{}: {uid} runs at rest and has no object", self.name))
    }

    /// The position up to which the journal must be on disk for an agent's write.
    fn needs(&self, write: u64) -> usize {
        let written = self.base + usize::try_from(write).unwrap_or(usize::MAX);
        // What is not durable by itself waits for what is, before it.
        self.journal.iter().take(written).rposition(|(_, durable)| *durable).map_or(0, |last| last + 1)
    }
}

impl Simulation {
    pub(crate) fn start_agent(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        if node.agent.is_some() || !node.powered {
            return;
        }
        node.incarnation += 1;
        // What the last process wrote is read from the page cache, so it is synced before anything is built on it.
        node.base = node.journal.len();
        node.synced = node.base;
        node.waiting.clear();
        let config = Config {
            work_dir: "/var/lib/proffer".to_owned(),
            boot_id: format!("boot-{}", node.boot),
            sandbox_retention: Duration::from_hours(1),
        };
        let mut agent = Agent::recover(config, node.journal.iter().map(|(record, _)| record.clone()));
        let effects = agent.resume();
        let unresolved = agent.unresolved();
        node.agent = Some(agent);
        self.agent_effects(index, effects);
        for (uid, _, rebooted) in unresolved {
            let found = match self.nodes[index].commands.get(&uid) {
                _ if rebooted => Found::Rebooted,
                Some(Command { exit: Some(exit), .. }) => Found::Ended(exit.clone()),
                Some(Command { process, .. }) => Found::Running { process: *process },
                None => Found::NeverStarted,
            };
            self.agent_event(index, Event::Found { uid, found });
        }
        self.soon(Happening::Dial(index), Duration::from_millis(5), Duration::from_secs(1));
    }

    /// The agent process is gone; commands go on.
    pub(crate) fn kill_agent(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        if node.agent.take().is_none() {
            // It is starting, or its node is off.
            return;
        }
        node.waiting.clear();
        if let Some(link) = node.link.take() {
            self.break_link(link);
        }
        self.soon(Happening::AgentStarts(index), Duration::from_millis(10), Duration::from_secs(10));
    }

    /// The node loses its power, and with it what was not on disk.
    pub(crate) fn power_off(&mut self, index: usize) {
        self.kill_agent(index);
        let unsynced = self.nodes[index].journal.len() - self.nodes[index].synced;
        let kept = self.random.index(unsynced + 1).unwrap_or(0);
        let node = &mut self.nodes[index];
        node.journal.truncate(node.synced + kept);
        node.powered = false;
        node.boot += 1;
        for command in node.commands.values_mut() {
            command.exit.get_or_insert_with(|| Exit::without_record("the node lost its power"));
        }
    }

    pub(crate) fn power_on(&mut self, index: usize) {
        self.nodes[index].powered = true;
        self.soon(Happening::AgentStarts(index), Duration::from_secs(1), Duration::from_secs(5));
    }

    /// Whether a node has no power.
    pub(crate) fn is_off(&self, index: usize) -> bool {
        !self.nodes[index].powered
    }

    pub(crate) fn dial(&mut self, index: usize) {
        let node = &self.nodes[index];
        if node.agent.is_none() || node.link.is_some() {
            return;
        }
        let acting: Vec<usize> =
            self.leaders.iter().enumerate().filter(|(_, leader)| leader.alive).map(|(number, _)| number).collect();
        // Mostly the newest; but an old one that still acts may be found too.
        let chosen = if self.random.in_thousand(800) { acting.last() } else { acting.first() };
        let Some(leader) = chosen.copied() else {
            self.soon(Happening::Dial(index), Duration::from_millis(100), Duration::from_secs(1));
            return;
        };
        let id = LinkId(self.links.len());
        let session = Session(u64::try_from(id.0).unwrap_or(u64::MAX) + 1);
        let (leader, broken, now) = (LeaderId(leader), false, self.now);
        self.links.push(Link { node: index, leader, session, broken, master_hears_at: now, agent_hears_at: now });
        self.sessions.insert(session, id);
        self.nodes[index].link = Some(id);
        self.agent_event(index, Event::Connected);
    }

    pub(crate) fn agent_hears(&mut self, index: usize, link: LinkId, message: FromMaster) {
        if self.nodes[index].link != Some(link) {
            return;
        }
        let acknowledged = match &message.call {
            proffer_agent::MasterCall::Acknowledge { task, uuid } => Some((task.uid.clone(), *uuid)),
            _ => None,
        };
        if let Some((uid, uuid)) = acknowledged {
            let object = self.api.tasks.iter().find(|(id, _)| id.uid == uid).map(|(_, stored)| &stored.object);
            let state = object.and_then(|object| object.record.as_ref()).and_then(|record| record.state);
            self.oracle.acknowledged(&uid, uuid, state, object.is_some());
        }
        self.agent_event(index, Event::FromMaster(message));
    }

    pub(crate) fn agent_tick(&mut self, index: usize, incarnation: u64) {
        if self.nodes[index].incarnation == incarnation {
            self.agent_event(index, Event::Tick);
        }
    }

    pub(crate) fn synced(&mut self, index: usize, incarnation: u64, position: usize) {
        let node = &mut self.nodes[index];
        if node.incarnation != incarnation || !node.powered {
            return;
        }
        node.synced = node.synced.max(position);
        let synced = node.synced;
        let ready: Vec<_> = node.waiting.extract_if(.., |(needs, _)| *needs <= synced).collect();
        for (_, action) in ready {
            self.act(index, action);
        }
    }

    pub(crate) fn slot_found(&mut self, index: usize, incarnation: u64, pod_uid: String) {
        if self.nodes[index].incarnation == incarnation {
            self.agent_event(index, Event::SlotAttached { pod_uid, pod_ip: "10.1.2.3".to_owned() });
        }
    }

    pub(crate) fn init_starts(&mut self, index: usize, incarnation: u64, uid: &str) {
        let node = &mut self.nodes[index];
        if node.incarnation != incarnation || node.agent.is_none() {
            // The process that was to fork it is gone.
            return;
        }
        let process = Process { pid: u32::try_from(node.commands.len()).unwrap_or(0) + 2, start_ticks: node.boot };
        let stubborn = self.random.in_thousand(200);
        node.commands.insert(uid.to_owned(), Command { process, exit: None, stubborn });
        self.oracle.started(uid, index);
        // One in ten goes on for ever.
        if !self.random.in_thousand(100) {
            let code = i32::from(self.random.in_thousand(200));
            let end = Happening::CommandEnds(index, uid.to_owned(), CommandEnd::Exits(code));
            self.soon(end, Duration::from_millis(2), Duration::from_mins(1));
        }
        let times = proffer_agent::LaunchTimes::default();
        self.agent_event(index, Event::Spawned { uid: uid.to_owned(), process, times });
    }

    pub(crate) fn command_ends(&mut self, index: usize, uid: &str, how: CommandEnd) {
        let at = self.now.0;
        let Some(command) = self.nodes[index].commands.get_mut(uid).filter(|command| command.exit.is_none()) else {
            return;
        };
        let outcome = match how {
            CommandEnd::Exits(code) => Outcome::Exited(code),
            CommandEnd::Signaled(signal) => Outcome::Signaled(signal),
        };
        let exit = Exit { outcome, out_of_memory: None, at_micros: Some(at) };
        command.exit = Some(exit.clone());
        self.agent_event(index, Event::Exited { uid: uid.to_owned(), exit });
    }

    pub(crate) fn agent_event(&mut self, index: usize, event: Event) {
        let micros = u64::try_from(self.now.0).unwrap_or(0);
        let now = Now { wall_micros: self.now.0, monotonic: Duration::from_micros(micros), random: self.random.wide() };
        let Some(agent) = &mut self.nodes[index].agent else { return };
        let effects = agent.handle(now, event);
        if let Err(problem) = agent.check_invariants() {
            self.oracle.found(format!("agent of node {index}: {problem}"));
        }
        self.agent_effects(index, effects);
        let node = &self.nodes[index];
        if let Some(wait) = node.agent.as_ref().and_then(|agent| agent.next_wakeup(now)) {
            let tick = Happening::AgentTick(index, node.incarnation);
            self.agenda.at(self.now.after(wait.max(Duration::from_millis(1))), tick);
        }
    }

    fn agent_effects(&mut self, index: usize, effects: Vec<Effect>) {
        for Effect { after, action } in effects {
            let node = &mut self.nodes[index];
            let needs = after.map_or(0, |write| node.needs(write.0));
            if needs > node.synced {
                node.waiting.push((needs, action));
            } else {
                self.act(index, action);
            }
        }
    }

    fn act(&mut self, index: usize, action: Action) {
        self.follows(|| format!("node{index}: {action:?}"));
        let incarnation = self.nodes[index].incarnation;
        match action {
            Action::Checkpoint { record, durable, .. } => {
                let node = &mut self.nodes[index];
                node.journal.push((*record, durable));
                if durable {
                    let synced = Happening::Synced(index, incarnation, node.journal.len());
                    self.soon(synced, Duration::from_micros(300), Duration::from_millis(20));
                }
            }
            Action::Send(message) => self.send_to_master(index, message),
            Action::AttachSlot { pod_uid, .. } => {
                let found = Happening::SlotFound(index, incarnation, pod_uid);
                self.soon(found, Duration::from_millis(1), Duration::from_millis(300));
            }
            Action::Spawn { order, .. } => {
                let starts = Happening::InitStarts(index, incarnation, order.task.uid.clone());
                self.soon(starts, Duration::from_micros(500), Duration::from_millis(30));
            }
            Action::Signal { uid, signal } => self.signal(index, uid, signal),
            Action::RemoveSandbox { uid, .. } => self.agent_event(index, Event::SandboxRemoved { uid }),
            Action::Reconnect { .. } => {
                if let Some(link) = self.nodes[index].link {
                    self.break_link(link);
                }
            }
            Action::Prepare { .. }
            | Action::LeaveSlot
            | Action::Adopt { .. }
            | Action::CleanUp { .. }
            | Action::ServeFile { .. } => {}
        }
    }

    fn signal(&mut self, index: usize, uid: String, signal: TaskSignal) {
        let Some(command) = self.nodes[index].commands.get(&uid) else { return };
        let number = match signal {
            TaskSignal::Terminate if command.stubborn => return,
            TaskSignal::Terminate => 15,
            TaskSignal::KillAll | TaskSignal::KillInit => 9,
        };
        let end = Happening::CommandEnds(index, uid, CommandEnd::Signaled(number));
        self.soon(end, Duration::from_micros(100), Duration::from_millis(50));
    }

    fn send_to_master(&mut self, index: usize, message: ToMaster) {
        let Some(id) = self.nodes[index].link else { return };
        self.oracle.told(&message);
        let delay = self.random.delay(Duration::from_micros(100), self.faults.link_delay);
        let link = &mut self.links[id.0];
        link.master_hears_at = self.now.after(delay).max(link.master_hears_at);
        self.agenda.at(link.master_hears_at, Happening::Arrives(id, Message::ToMaster(message)));
    }
}
