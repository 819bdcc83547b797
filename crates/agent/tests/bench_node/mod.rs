//! A node on the bench: carries out what the core asks for, keeps a journal that can be cut back to what is durable,
//! and runs tasks that exist only as entries of a table.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]

use proffer_agent::{
    Action, Agent, Command, Config, Effect, Event, Exit, Found, FromMaster, LaunchFailure, LaunchTimes, MasterCall,
    Now, Order, Outcome, Process, Record, TaskId, TaskSignal, ToMaster, Update, VolumeId, VolumeMount, WriteId,
};
use proffer_resources::{Amount, Resources};
use std::collections::BTreeMap;
use std::time::Duration;

/// A process of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Life {
    Runs(Process),
    Ended(i32),
}

/// The node.
pub struct Node {
    pub agent: Agent,
    pub now: Duration,
    pub draws: u128,
    /// The journal: what was appended, with its number.
    pub journal: Vec<(WriteId, Record)>,
    pub durable: WriteId,
    pub waiting: Vec<(WriteId, Action)>,
    /// Everything that was sent.
    pub sent: Vec<ToMaster>,
    pub signals: Vec<(String, TaskSignal)>,
    pub removed: Vec<String>,
    /// Volumes whose removal the shell has not finished.
    pub removing: Vec<VolumeId>,
    /// What was made ready.
    pub prepared: Vec<String>,
    /// Spawns that the shell has not finished.
    pub spawning: Vec<String>,
    /// Every task that was ever started, and how it is.
    pub lives: BTreeMap<String, Life>,
    /// How often each was started.
    pub starts: BTreeMap<String, u32>,
    pub next_pid: u32,
    pub boots: u32,
}

pub fn config() -> Config {
    Config {
        work_dir: "/var/lib/proffer".to_owned(),
        boot_id: "boot-1".to_owned(),
        sandbox_retention: Duration::from_hours(1),
    }
}

pub fn task_id(uid: &str) -> TaskId {
    TaskId { namespace: "ns".into(), framework: "fw".into(), name: format!("task-{uid}"), uid: uid.into() }
}

pub fn order(uid: &str) -> Order {
    Order {
        task: task_id(uid),
        resources: Resources::of(Amount::from_units(1), Amount::from_units(32)),
        cpu_limit: None,
        mem_limit: None,
        command: Command { value: "true".to_owned(), shell: true, ..Command::default() },
        kill_grace_millis: 3000,
        volumes: Vec::new(),
        group: None,
    }
}

/// An order with the volume of this ID, of role `eng`.
pub fn order_with(uid: &str, volume: &str) -> Order {
    let mount = VolumeMount {
        role: "eng".to_owned(),
        id: volume.to_owned(),
        container_path: "data".to_owned(),
        read_only: false,
    };
    Order { volumes: vec![mount], ..order(uid) }
}

impl Node {
    /// A node whose agent has never run.
    pub fn new() -> Self {
        Self {
            agent: Agent::new(config()),
            now: Duration::from_secs(1),
            draws: 0,
            journal: Vec::new(),
            durable: WriteId(0),
            waiting: Vec::new(),
            sent: Vec::new(),
            signals: Vec::new(),
            removed: Vec::new(),
            removing: Vec::new(),
            prepared: Vec::new(),
            spawning: Vec::new(),
            lives: BTreeMap::new(),
            starts: BTreeMap::new(),
            next_pid: 100,
            boots: 1,
        }
    }

    /// One that is registered in epoch 1 and attached to a slot.
    pub fn ready() -> Self {
        let mut node = Self::new();
        node.connect(1);
        node.master(1, MasterCall::Slot { pod_uid: "slot-1".into(), pod_ip: "10.0.0.1".into() });
        node.happens(Event::SlotAttached { pod_uid: "slot-1".into(), pod_ip: "10.0.0.1".into() });
        node.sync();
        node
    }

    pub fn moment(&mut self) -> Now {
        self.draws += 1000;
        let wall_micros = i64::try_from(self.now.as_micros()).unwrap();
        Now { wall_micros, monotonic: self.now, random: self.draws << 90 }
    }

    pub fn happens(&mut self, event: Event) {
        let now = self.moment();
        let effects = self.agent.handle(now, event);
        self.carry_out(effects);
        if let Err(problem) = self.agent.check_invariants() {
            panic!("{problem}");
        }
    }

    pub fn master(&mut self, epoch: u64, call: MasterCall) {
        self.happens(Event::FromMaster(FromMaster { epoch, call }));
    }

    pub fn connect(&mut self, epoch: u64) {
        self.happens(Event::Connected);
        self.master(epoch, MasterCall::Registered { agent_id: "agent-1".into() });
        self.sync();
    }

    pub fn launch(&mut self, uid: &str) {
        self.launch_order(order(uid));
    }

    pub fn launch_order(&mut self, order: Order) {
        self.master(self.agent.epoch(), MasterCall::Launch(Box::new(order)));
    }

    /// Tasks that belong together.
    pub fn launch_group(&mut self, uids: &[&str]) {
        let orders = uids.iter().map(|uid| Order { group: Some("g".to_owned()), ..order(uid) }).collect();
        self.master(self.agent.epoch(), MasterCall::LaunchGroup(orders));
    }

    /// The shell is done with the oldest removal of a volume.
    pub fn volume_removed(&mut self, problem: Option<&str>) {
        if !self.removing.is_empty() {
            let volume = self.removing.remove(0);
            self.happens(Event::VolumeRemoved { volume, problem: problem.map(ToOwned::to_owned) });
        }
    }

    pub fn kill(&mut self, uid: &str) {
        self.master(self.agent.epoch(), MasterCall::Kill { task: task_id(uid), grace_millis: None });
    }

    /// The master acknowledges the newest update of a task that was sent.
    pub fn acknowledge(&mut self, uid: &str) {
        if let Some(uuid) = self.updates(uid).iter().rev().find_map(|update| update.uuid) {
            self.master(self.agent.epoch(), MasterCall::Acknowledge { task: task_id(uid), uuid });
        }
    }

    pub fn pass(&mut self, time: Duration) {
        self.now += time;
        self.happens(Event::Tick);
    }

    /// Everything that was appended reaches the disk, and what waited for it is done.
    pub fn sync(&mut self) {
        self.durable = self.journal.last().map_or(self.durable, |(write, _)| *write);
        let waiting = std::mem::take(&mut self.waiting);
        for (after, action) in waiting {
            assert!(after <= self.durable);
            self.act(action);
        }
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for Effect { after, action } in effects {
            match (after, action) {
                (_, Action::Checkpoint { write, record, .. }) => {
                    // As the shell does: through its form on disk.
                    let text = serde_json::to_string(&record).unwrap();
                    self.journal.push((write, serde_json::from_str(&text).unwrap()));
                }
                (Some(after), action) if after > self.durable => self.waiting.push((after, action)),
                (_, action) => self.act(action),
            }
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Send(message) => self.sent.push(message),
            Action::Prepare { order, .. } => self.prepared.push(order.task.uid),
            Action::Spawn { order, .. } => self.spawning.push(order.task.uid),
            Action::Signal { uid, signal } => self.signals.push((uid, signal)),
            Action::RemoveSandbox { uid, .. } => self.removed.push(uid),
            Action::RemoveVolume { volume } => self.removing.push(volume),
            _ => {}
        }
    }

    /// The oldest spawn under way succeeds.
    pub fn spawned(&mut self) {
        if self.spawning.is_empty() {
            return;
        }
        let uid = self.spawning.remove(0);
        let process = self.start(&uid);
        self.happens(Event::Spawned { uid, process, times: LaunchTimes::default() });
    }

    /// The oldest spawn under way fails.
    pub fn spawn_failed(&mut self, failure: LaunchFailure) {
        if !self.spawning.is_empty() {
            let uid = self.spawning.remove(0);
            self.happens(Event::SpawnFailed { uid, failure });
        }
    }

    /// The init starts the command, as it does whoever is told of it.
    pub fn start(&mut self, uid: &str) -> Process {
        self.next_pid += 1;
        let process = Process { pid: self.next_pid, start_ticks: u64::from(self.next_pid) * 7 };
        *self.starts.entry(uid.to_owned()).or_default() += 1;
        self.lives.insert(uid.to_owned(), Life::Runs(process));
        process
    }

    /// A running task's command exits, and the agent hears of it.
    pub fn exits(&mut self, uid: &str, code: i32) {
        if let Some(life @ Life::Runs(_)) = self.lives.get_mut(uid) {
            *life = Life::Ended(code);
            self.happens(Event::Exited { uid: uid.to_owned(), exit: exited(code) });
        }
    }

    /// The agent's process is killed and started anew. With `power_cut`, what was not durable is lost, and so is
    /// everything that ran.
    pub fn crash(&mut self, power_cut: bool) {
        if power_cut {
            let durable = self.durable;
            self.journal.retain(|(write, _)| *write <= durable);
            self.lives.retain(|_, life| matches!(life, Life::Ended(_)));
        }
        self.waiting.clear();
        self.removing.clear();
        // A spawn under way may have got as far as the init; then that has noted that it started.
        for uid in std::mem::take(&mut self.spawning) {
            if !power_cut && (self.draws / 1000).is_multiple_of(2) {
                self.start(&uid);
            }
        }
        self.boots += u32::from(power_cut);
        let records: Vec<Record> = self.journal.drain(..).map(|(_, record)| record).collect();
        self.agent = Agent::recover(self.config(), records);
        let again = Agent::recover(self.config(), self.agent.records());
        assert_eq!(
            format!("{:?}", again.records()),
            format!("{:?}", self.agent.records()),
            "compaction loses something"
        );
        self.journal = self.agent.records().into_iter().map(|record| (WriteId(0), record)).collect();
        self.durable = WriteId(0);
        let effects = self.agent.resume();
        self.carry_out(effects);
        for (uid, known, rebooted) in self.agent.unresolved() {
            let found = match (self.lives.get(&uid), rebooted) {
                (Some(Life::Ended(code)), _) => Found::Ended(exited(*code)),
                (_, true) => Found::Rebooted,
                (Some(Life::Runs(process)), false) => {
                    assert!(known.is_none_or(|known| known == *process));
                    Found::Running { process: *process }
                }
                (None, false) => Found::NeverStarted,
            };
            self.happens(Event::Found { uid, found });
        }
        assert!(self.agent.unresolved().is_empty());
    }

    fn config(&self) -> Config {
        Config { boot_id: format!("boot-{}", self.boots), ..config() }
    }

    /// Updates of a task that were sent, oldest first.
    pub fn updates(&self, uid: &str) -> Vec<Update> {
        let of = |message: &ToMaster| match message {
            ToMaster::Status(update) if update.task.uid == uid => Some(update.as_ref().clone()),
            _ => None,
        };
        self.sent.iter().filter_map(of).collect()
    }

    /// The same in short: state and whether it must be acknowledged.
    pub fn story(&self, uid: &str) -> Vec<String> {
        let line = |update: &Update| {
            let mark = if update.uuid.is_some() { "" } else { " (no ack)" };
            format!("{}{mark}", update.status.state)
        };
        self.updates(uid).iter().map(line).collect()
    }
}

pub fn exited(code: i32) -> Exit {
    Exit { outcome: Outcome::Exited(code), out_of_memory: None, at_micros: None }
}
