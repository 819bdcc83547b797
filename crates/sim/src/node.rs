//! A node: its agent (the real state machine), the agent's journal, and the commands that run whether there is an agent
//! or not.

use crate::happening::{CommandEnd, Happening, LeaderId};
use crate::link::{Link, LinkId, Message};
use crate::planted::Planted;
use crate::simulation::Simulation;
use proffer_agent::{
    Action, Agent, Config, Effect, Event, Exit, Found, FromMaster, LaunchFailure, Now, Outcome, Process, Record,
    TaskSignal, ToMaster,
};
use proffer_master::{AgentName, Session, Slot, Time};
use proffer_resources::{Amount, Ranges, Resources};
use std::collections::BTreeMap;
use std::time::Duration;

/// A node.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct Node {
    pub(crate) name: AgentName,
    /// The agent process, if one runs.
    pub(crate) agent: Option<Agent>,
    /// Counts agent processes.
    pub(crate) incarnation: u64,
    /// Counts boots.
    boot: u64,
    /// Counts slots.
    pub(crate) slot_number: u64,
    pub(crate) has_slot: bool,
    pub(crate) powered: bool,
    pub(crate) link: Option<LinkId>,
    /// Until when the agent process stands still.
    pub(crate) paused_until: Time,
    /// Until when nothing from it, and nothing to it, gets through.
    pub(crate) mute_until: Time,
    pub(crate) deaf_until: Time,
    /// How far its clock is ahead, in microseconds.
    pub(crate) skew: i64,
    /// What happens at the end of so many more checkpoints.
    pub(crate) crash: Option<(u64, Crash)>,
    /// The journal, and whether each record must reach the disk soon.
    journal: Vec<(Record, bool)>,
    /// How many of them a power cut cannot take.
    synced: usize,
    /// Where this agent process began to write.
    base: usize,
    /// What waits for the journal up to a position.
    waiting: Vec<(usize, Action)>,
    /// Commands by their task's UID.
    pub(crate) commands: BTreeMap<String, Command>,
    /// What was given to tasks whose init is about to start, and their names.
    starting: BTreeMap<String, (Resources, (String, String))>,
    /// Whether the next init fails before it starts the command.
    pub(crate) spawn_fails: bool,
    /// Whether the cluster has this node.
    pub(crate) exists: bool,
    /// The next tick that is on the agenda.
    tick_at: Option<Time>,
}

/// What happens to a node at a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Crash {
    /// The agent process dies before it.
    Before,
    /// The agent process dies right after it.
    After,
    /// The node loses its power a moment later, when the disk may have it or not.
    PowerCut,
}

/// A command that was started once.
#[derive(Debug)]
pub(crate) struct Command {
    process: Process,
    /// Namespace and name of its task.
    key: (String, String),
    /// What its task was given.
    resources: Resources,
    /// How it ended, once it has.
    pub(crate) exit: Option<Exit>,
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
            slot_number: 1,
            has_slot: true,
            powered: true,
            link: None,
            paused_until: Time(0),
            mute_until: Time(0),
            deaf_until: Time(0),
            skew: 0,
            crash: None,
            journal: Vec::new(),
            synced: 0,
            base: 0,
            waiting: Vec::new(),
            commands: BTreeMap::new(),
            starting: BTreeMap::new(),
            spawn_fails: false,
            exists: true,
            tick_at: None,
        }
    }

    /// Whether a task's command runs here.
    pub(crate) fn runs(&self, uid: &str) -> bool {
        self.commands.get(uid).is_some_and(|command| command.exit.is_none())
    }

    /// What the commands that run have been given.
    pub(crate) fn in_use(&self) -> Resources {
        let running = self.commands.values().filter(|command| command.exit.is_none());
        running.fold(Resources::default(), |sum, command| sum.plus(&command.resources))
    }

    /// Its slot, as its pod has it.
    pub(crate) fn slot(&self) -> Slot {
        Slot {
            pod: format!("slot-{}", self.name),
            uid: self.slot_uid(),
            address: Some("10.1.2.3".to_owned()),
            running: true,
            resources: Resources::of(Amount::from_units(4), Amount::from_units(4096)),
        }
    }

    fn slot_uid(&self) -> String {
        format!("slot-{}-{}", self.name, self.slot_number)
    }

    pub(crate) fn capacity() -> Resources {
        Resources { disk: Amount::from_units(10_000), ports: Ranges::span(31_000, 31_099), ..Resources::default() }
    }

    /// What is wrong with it when all should be at rest.
    pub(crate) fn problem_at_rest(&self, is_object: impl Fn(&str) -> bool) -> Option<(&'static str, String)> {
        let Some(agent) = &self.agent else { return Some(("I1", "has no agent at rest".to_owned())) };
        if !agent.is_registered() {
            return Some(("I1", "is not registered at rest".to_owned()));
        }
        if agent.unacknowledged() > 0 {
            return Some(("I4", format!("has {} updates that are not acknowledged at rest", agent.unacknowledged())));
        }
        let running = self.commands.values().filter(|command| command.exit.is_none()).count();
        if agent.running() != running {
            return Some(("I13", format!("has {running} commands at rest, and its agent knows {}", agent.running())));
        }
        let orphan = self.commands.iter().find(|(uid, command)| command.exit.is_none() && !is_object(uid));
        orphan.map(|(uid, _)| ("I12", format!("runs {uid} at rest, which has no object")))
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
        node.crash = None;
        node.tick_at = None;
        node.starting.clear();
        node.waiting.clear();
        let config = Config {
            work_dir: "/var/lib/proffer".to_owned(),
            boot_id: format!("boot-{}", node.boot),
            sandbox_retention: Duration::from_hours(1),
        };
        let records = node.journal.iter().map(|(record, _)| record.clone());
        #[cfg(not(feature = "planted"))]
        let mut agent = Agent::recover(config, records);
        #[cfg(feature = "planted")]
        let mut agent = match self.options.planted {
            Some(Planted::Agent(planted)) => Agent::recover_with(config, records, planted),
            Some(Planted::ChecksNoEpoch) => {
                Agent::recover_with(config, records, proffer_agent::Planted::SkipsEpochCheck)
            }
            _ => Agent::recover(config, records),
        };
        // The journal is written anew from the state, and is on disk before anything is built on it.
        let node = &mut self.nodes[index];
        node.journal = agent.records().into_iter().map(|record| (record, true)).collect();
        node.base = node.journal.len();
        node.synced = node.base;
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
        node.crash = None;
        node.paused_until = self.now;
        if let Some(link) = node.link.take() {
            self.break_link(link);
        }
        self.soon(Happening::AgentStarts(index), Duration::from_millis(10), Duration::from_secs(10));
    }

    /// The node loses its power, and with it what was not on disk; perhaps the disk too.
    pub(crate) fn power_off(&mut self, index: usize, wiped: bool) {
        self.kill_agent(index);
        let unsynced = self.nodes[index].journal.len() - self.nodes[index].synced;
        let kept = self.random.index(unsynced + 1).unwrap_or(0);
        let node = &mut self.nodes[index];
        node.journal.truncate(node.synced + kept);
        if wiped {
            node.journal.clear();
            node.synced = 0;
            self.oracle.wiped(index);
        }
        node.powered = false;
        node.boot += 1;
        self.end_commands(index, "the node lost its power");
    }

    /// Everything that runs on a node ends, and leaves no record.
    pub(crate) fn end_commands(&mut self, index: usize, hint: &str) {
        for command in self.nodes[index].commands.values_mut() {
            command.exit.get_or_insert_with(|| Exit::without_record(hint));
        }
    }

    pub(crate) fn power_on(&mut self, index: usize) {
        if !self.nodes[index].exists || std::mem::replace(&mut self.nodes[index].powered, true) {
            return;
        }
        self.soon(Happening::AgentStarts(index), Duration::from_secs(1), Duration::from_secs(5));
    }

    pub(crate) fn dial(&mut self, index: usize) {
        let node = &self.nodes[index];
        if node.agent.is_none() || node.link.is_some() {
            return;
        }
        let acting: Vec<usize> = (0..self.leaders.len())
            .filter(|number| {
                let leader = &self.leaders[*number];
                leader.alive && self.replicas[leader.replica].paused_until <= self.now
            })
            .collect();
        // Mostly the newest; but an old one that still acts may be found too.
        let chosen = if self.random.in_thousand(800) { acting.last() } else { acting.first() };
        let partitioned = node.mute_until > self.now || node.deaf_until > self.now;
        let Some(leader) = chosen.copied().filter(|_| !partitioned) else {
            self.soon(Happening::Dial(index), Duration::from_millis(100), Duration::from_secs(1));
            return;
        };
        let id = LinkId(self.links.len());
        let session = Session(u64::try_from(id.0).unwrap_or(u64::MAX) + 1);
        let (leader, now) = (LeaderId(leader), self.now);
        self.links.push(Link {
            node: index,
            leader,
            session,
            broken: false,
            drains: false,
            master_noticed: false,
            master_hears_at: now,
            agent_hears_at: now,
        });
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
            let stored = self.api.tasks().find(|stored| stored.object.id.uid == uid);
            let state = stored.and_then(|stored| stored.object.record.as_ref()).and_then(|record| record.state);
            self.oracle.acknowledged(&uid, uuid, state, stored.is_some());
        }
        let epoch = message.epoch;
        let effects = self.agent_takes(index, Event::FromMaster(message));
        let refused = effects.iter().any(|effect| {
            matches!(effect.action, Action::Send(ToMaster::StaleEpoch { .. }) | Action::Reconnect { .. })
        });
        if !refused && self.nodes[index].agent.is_some() {
            self.oracle.obeyed(index, epoch);
        }
        self.agent_effects(index, effects);
    }

    pub(crate) fn agent_tick(&mut self, index: usize, incarnation: u64) {
        if self.nodes[index].incarnation == incarnation {
            self.agent_event(index, Event::Tick);
        }
    }

    pub(crate) fn synced(&mut self, index: usize, incarnation: u64, position: usize) {
        let node = &mut self.nodes[index];
        if node.incarnation != incarnation || node.agent.is_none() {
            return;
        }
        node.synced = node.synced.max(position);
        let synced = node.synced;
        let ready: Vec<_> = node.waiting.extract_if(.., |(needs, _)| *needs <= synced).collect();
        for (_, action) in ready {
            if self.nodes[index].agent.is_none() {
                return;
            }
            self.act(index, action);
        }
    }

    pub(crate) fn slot_found(&mut self, index: usize, incarnation: u64, pod_uid: String) {
        if self.nodes[index].incarnation != incarnation {
            return;
        }
        if self.nodes[index].has_slot && self.nodes[index].slot_uid() == pod_uid {
            self.agent_event(index, Event::SlotAttached { pod_uid, pod_ip: "10.1.2.3".to_owned() });
        } else {
            let message = "there is no such pod here".to_owned();
            self.agent_event(index, Event::SlotDetached { pod_uid, message });
        }
    }

    /// The slot pod is there, new.
    pub(crate) fn slot_made(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        node.exists = true;
        if std::mem::replace(&mut node.has_slot, true) {
            return;
        }
        node.slot_number += 1;
        let slot = crate::api_server::Object::Slot(node.name.clone(), node.slot());
        self.api.put(slot);
    }

    pub(crate) fn init_starts(&mut self, index: usize, incarnation: u64, uid: &str) {
        let node = &mut self.nodes[index];
        if node.incarnation != incarnation || node.agent.is_none() {
            // The process that was to fork it is gone.
            return;
        }
        let (resources, key) = node.starting.remove(uid).unwrap_or_default();
        if !node.has_slot || std::mem::take(&mut node.spawn_fails) {
            let failure = LaunchFailure::Setup("cgroup".to_owned(), "there is none".to_owned());
            self.agent_event(index, Event::SpawnFailed { uid: uid.to_owned(), failure });
            return;
        }
        let process = Process { pid: u32::try_from(node.commands.len()).unwrap_or(0) + 2, start_ticks: node.boot };
        let stubborn = self.random.in_thousand(self.plan.rates.stubborn);
        self.judge_start(index, uid, &key);
        let node = &mut self.nodes[index];
        node.commands.insert(uid.to_owned(), Command { process, key, resources, exit: None, stubborn });
        let (used, slot) = (node.in_use(), node.slot());
        self.oracle.started(uid, index);
        if used.cpus > slot.resources.cpus || used.mem > slot.resources.mem {
            let text = format!("is started on node{index}, where {used} is in use then, of {}", slot.resources);
            self.oracle.found("I7", uid.to_owned(), text);
        }
        // One in ten goes on for ever.
        if !self.random.in_thousand(100) {
            let code = i32::from(self.random.in_thousand(200));
            let end = Happening::CommandEnds(index, uid.to_owned(), CommandEnd::Exits(code));
            self.soon(end, Duration::from_millis(2), Duration::from_mins(1));
        }
        let times = proffer_agent::LaunchTimes::default();
        self.agent_event(index, Event::Spawned { uid: uid.to_owned(), process, times });
    }

    /// No two tasks of one name run at a time, unless the object of one was deleted before anything held it.
    fn judge_start(&mut self, index: usize, uid: &str, key: &(String, String)) {
        if self.api.was_unheld(uid) {
            return;
        }
        for node in &self.nodes {
            let other = node.commands.iter().find(|(other, command)| {
                command.exit.is_none() && command.key == *key && *other != uid && !self.api.was_unheld(other)
            });
            if let Some((other, _)) = other {
                let text = format!("starts on node{index} while {other} of the same name runs on {}", node.name);
                self.oracle.found("I3", uid.to_owned(), text);
            }
        }
    }

    pub(crate) fn command_ends(&mut self, index: usize, uid: &str, how: CommandEnd) {
        let at = self.now.0 + self.nodes[index].skew;
        let node = &mut self.nodes[index];
        let Some(command) = node.commands.get_mut(uid).filter(|command| command.exit.is_none()) else { return };
        command.exit = Some(match how {
            CommandEnd::Exits(code) => {
                Exit { outcome: Outcome::Exited(code), out_of_memory: None, at_micros: Some(at) }
            }
            CommandEnd::Signaled(signal) => {
                Exit { outcome: Outcome::Signaled(signal), out_of_memory: None, at_micros: Some(at) }
            }
            CommandEnd::WithoutRecord => Exit::without_record("its init was killed"),
        });
        let seen = Happening::ExitSeen(index, node.incarnation, uid.to_owned());
        self.agenda.at(self.now, seen);
    }

    pub(crate) fn exit_seen(&mut self, index: usize, incarnation: u64, uid: String) {
        let node = &self.nodes[index];
        if node.incarnation != incarnation {
            return;
        }
        if let Some(exit) = node.commands.get(&uid).and_then(|command| command.exit.clone()) {
            self.agent_event(index, Event::Exited { uid, exit });
        }
    }

    pub(crate) fn agent_event(&mut self, index: usize, event: Event) {
        let effects = self.agent_takes(index, event);
        self.agent_effects(index, effects);
    }

    /// Hands the agent an event; what it wants done is for the caller.
    fn agent_takes(&mut self, index: usize, event: Event) -> Vec<Effect> {
        let micros = u64::try_from(self.now.0).unwrap_or(0);
        let wall_micros = self.now.0 + self.nodes[index].skew;
        let now = Now { wall_micros, monotonic: Duration::from_micros(micros), random: self.random.wide() };
        let Some(agent) = &mut self.nodes[index].agent else { return Vec::new() };
        let effects = agent.handle(now, event);
        if let Err(problem) = agent.check_invariants() {
            self.oracle.found("I4", format!("node{index}"), format!("has an agent whose books are wrong: {problem}"));
        }
        let node = &mut self.nodes[index];
        if let Some(wait) = node.agent.as_ref().and_then(|agent| agent.next_wakeup(now)) {
            let at = self.now.after(wait.max(Duration::from_millis(1)));
            // Sooner than what is on the agenda: once it comes, it finds out about the rest.
            if node.tick_at.is_none_or(|known| known <= self.now || known > at) {
                node.tick_at = Some(at);
                self.agenda.at(at, Happening::AgentTick(index, node.incarnation));
            }
        }
        effects
    }

    fn agent_effects(&mut self, index: usize, effects: Vec<Effect>) {
        let eager = self.has(Planted::ActsBeforeSync);
        let incarnation = self.nodes[index].incarnation;
        // What is to be written is appended before anything else is done.
        let (records, others): (Vec<Effect>, Vec<Effect>) =
            effects.into_iter().partition(|effect| matches!(effect.action, Action::Checkpoint { .. }));
        for Effect { after, action } in records.into_iter().chain(others) {
            let node = &mut self.nodes[index];
            if node.agent.is_none() || node.incarnation != incarnation {
                return;
            }
            let needs = after.map_or(0, |write| node.needs(write.0));
            if needs > node.synced && !eager {
                node.waiting.push((needs, action));
            } else {
                self.act(index, action);
            }
        }
    }

    /// What happens at this checkpoint.
    fn crash_at_checkpoint(&mut self, index: usize) -> Option<Crash> {
        let (left, crash) = self.nodes[index].crash.as_mut()?;
        *left = left.saturating_sub(1);
        let (left, crash) = (*left, *crash);
        (left == 0).then(|| self.nodes[index].crash = None).map(|()| crash)
    }

    fn act(&mut self, index: usize, action: Action) {
        self.follows(|| format!("node{index}: {action:?}"));
        let incarnation = self.nodes[index].incarnation;
        match action {
            Action::Checkpoint { record, durable, .. } => {
                let crash = self.crash_at_checkpoint(index);
                if crash == Some(Crash::Before) {
                    return self.kill_agent(index);
                }
                let node = &mut self.nodes[index];
                node.journal.push((*record, durable));
                match crash {
                    Some(Crash::After) => return self.kill_agent(index),
                    Some(Crash::PowerCut) => {
                        let cut = Happening::PowerCut(index);
                        self.soon(cut, Duration::from_micros(100), Duration::from_millis(30));
                    }
                    Some(Crash::Before) | None => {}
                }
                let node = &mut self.nodes[index];
                if durable {
                    let synced = Happening::Synced(index, incarnation, node.journal.len());
                    self.soon(synced, Duration::from_micros(300), self.plan.rates.disk_delay);
                }
            }
            Action::Send(message) => self.send_to_master(index, message),
            Action::AttachSlot { pod_uid, .. } => {
                let found = Happening::SlotFound(index, incarnation, pod_uid);
                self.soon(found, Duration::from_millis(1), Duration::from_millis(300));
            }
            Action::Spawn { order, .. } => {
                let uid = order.task.uid.clone();
                let key = (order.task.namespace.clone(), order.task.name.clone());
                self.nodes[index].starting.insert(uid.clone(), (order.resources.clone(), key));
                let starts = Happening::InitStarts(index, incarnation, uid);
                self.soon(starts, Duration::from_micros(500), Duration::from_millis(30));
            }
            Action::Signal { uid, signal } => self.signal(index, uid, signal),
            Action::RemoveSandbox { uid, .. } => self.agent_event(index, Event::SandboxRemoved { uid }),
            Action::RemoveVolume { volume } => self.agent_event(index, Event::VolumeRemoved { volume, problem: None }),
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
        let end = match signal {
            TaskSignal::Terminate if command.stubborn => return,
            TaskSignal::Terminate => CommandEnd::Signaled(15),
            TaskSignal::KillAll => CommandEnd::Signaled(9),
            TaskSignal::KillInit => CommandEnd::WithoutRecord,
        };
        let end = Happening::CommandEnds(index, uid, end);
        self.soon(end, Duration::from_micros(100), Duration::from_millis(50));
    }

    fn send_to_master(&mut self, index: usize, message: ToMaster) {
        let Some(id) = self.nodes[index].link else { return };
        self.oracle.told(index, &message);
        self.post(id, Message::ToMaster(message));
    }
}
