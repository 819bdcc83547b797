//! An agent as the master sees it: what it was told to run is on its disk, and it says what became of it.

use proffer_master::{
    AgentName, AgentRegistration, Epoch, Event, Session, StatusUpdate, TaskId, TaskSnapshot, Time, ToAgent,
};
use proffer_mesos_api::TaskState;
use proffer_resources::{Amount, Ranges, ResourceBag, Resources};
use std::collections::{BTreeMap, VecDeque};

/// A task on an agent.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    pub(crate) framework: String,
    pub(crate) resources: ResourceBag,
    pub(crate) state: TaskState,
    /// Whether the newest state was acknowledged.
    pub(crate) acknowledged: bool,
}

/// An agent.
#[derive(Debug)]
pub(crate) struct Agent {
    pub(crate) name: AgentName,
    pub(crate) id: Option<String>,
    pub(crate) epoch: Epoch,
    pub(crate) session: Option<Session>,
    /// Whether the leader answered the registration of this session.
    registered: bool,
    /// From the master, not read yet.
    pub(crate) inbox: VecDeque<ToAgent>,
    /// To the master, not read yet.
    pub(crate) outbox: VecDeque<Event>,
    /// What runs, and what ended and is not acknowledged.
    pub(crate) tasks: BTreeMap<TaskId, Running>,
    /// What ended and is acknowledged.
    retained: BTreeMap<TaskId, Running>,
    attached: Option<String>,
}

/// What reading a message did, for the oracle.
#[derive(Debug)]
pub(crate) enum Deed {
    Nothing,
    Started(TaskId),
    /// A terminal state was acknowledged.
    Forgot(TaskId, TaskState),
}

impl Agent {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: AgentName(name.to_owned()),
            id: None,
            epoch: Epoch(0),
            session: None,
            registered: false,
            inbox: VecDeque::new(),
            outbox: VecDeque::new(),
            tasks: BTreeMap::new(),
            retained: BTreeMap::new(),
            attached: None,
        }
    }

    pub(crate) fn connect(&mut self, session: Session) {
        self.disconnect();
        self.session = Some(session);
        let registration = AgentRegistration {
            agent: self.name.clone(),
            session,
            agent_id: self.id.clone(),
            new_agent_id: format!("{}-{}", self.name, session.0),
            version: "1".to_owned(),
            epoch: self.epoch,
            capacity: ResourceBag::from(&Resources {
                disk: Amount::from_units(1000),
                ports: Ranges::span(31_000, 31_003),
                ..Resources::default()
            }),
            tasks: self
                .tasks
                .iter()
                .map(|(id, task)| TaskSnapshot { resources: task.resources.clone(), update: Self::update(id, task) })
                .collect(),
            attached_slot: self.attached.clone(),
        };
        self.outbox.push_back(Event::AgentRegistered(registration));
    }

    pub(crate) fn disconnect(&mut self) {
        self.session = None;
        self.registered = false;
        self.inbox.clear();
        self.outbox.clear();
    }

    pub(crate) fn lose_disk(&mut self) {
        self.disconnect();
        self.id = None;
        self.epoch = Epoch(0);
        self.tasks.clear();
        self.retained.clear();
    }

    /// A task ends by itself.
    pub(crate) fn end(&mut self, id: &TaskId, state: TaskState) {
        let Some(task) = self.tasks.get_mut(id).filter(|task| !task.state.is_terminal()) else { return };
        task.state = state;
        task.acknowledged = false;
        self.tell(id);
    }

    /// Sends again what is not acknowledged.
    pub(crate) fn send_again(&mut self) {
        let ids: Vec<TaskId> =
            self.tasks.iter().filter(|(_, task)| !task.acknowledged).map(|(id, _)| id.clone()).collect();
        for id in ids {
            self.tell(&id);
        }
    }

    pub(crate) fn read(&mut self) -> Deed {
        let Some(message) = self.inbox.pop_front() else { return Deed::Nothing };
        let epoch = match &message {
            ToAgent::Registered { epoch, .. }
            | ToAgent::Slot { epoch, .. }
            | ToAgent::Kill { epoch, .. }
            | ToAgent::Acknowledge { epoch, .. }
            | ToAgent::DestroyVolume { epoch, .. }
            | ToAgent::LaunchGroup { epoch, .. }
            | ToAgent::Ping { epoch, .. } => *epoch,
            ToAgent::Prepare(launch) | ToAgent::Launch(launch) => launch.epoch,
        };
        assert!(epoch >= self.epoch, "{} was sent {message:?} of an old epoch on a new connection", self.name);
        match message {
            ToAgent::Registered { agent_id, epoch } => {
                self.id = Some(agent_id);
                self.epoch = epoch;
                self.registered = true;
                self.say(|agent, session| Event::EpochConfirmed { agent, session, epoch });
                self.send_again();
            }
            ToAgent::Slot { slot, .. } => {
                self.attached = slot.map(|slot| slot.uid);
                if let Some(pod_uid) = self.attached.clone() {
                    self.say(|agent, session| Event::SlotAttached { agent, session, pod_uid, problem: None });
                }
            }
            ToAgent::Prepare(_) => {}
            ToAgent::Launch(launch) => return self.launch(launch.task, launch.framework, launch.resources),
            ToAgent::LaunchGroup { .. } => unreachable!("no framework here is served over a stream"),
            ToAgent::Kill { task, framework, .. } => self.kill(&task, framework),
            ToAgent::Acknowledge { task, uuid, .. } => return self.acknowledged(&task, &uuid),
            ToAgent::DestroyVolume { role, id, .. } => {
                self.say(|agent, session| Event::VolumeDestroyed { agent, session, role, id, problem: None });
            }
            ToAgent::Ping { .. } => self.say(|agent, session| Event::Pong { agent, session }),
        }
        Deed::Nothing
    }

    fn launch(&mut self, id: TaskId, framework: String, resources: ResourceBag) -> Deed {
        if self.tasks.contains_key(&id) {
            self.tell(&id);
            return Deed::Nothing;
        }
        if let Some(task) = self.retained.get(&id) {
            let update = StatusUpdate { uuid: None, ..Self::update(&id, task) };
            self.say(|agent, session| Event::StatusUpdate { agent, session, update });
            return Deed::Nothing;
        }
        let task = Running { framework, resources, state: TaskState::Running, acknowledged: false };
        self.tasks.insert(id.clone(), task);
        self.tell(&id);
        Deed::Started(id)
    }

    fn kill(&mut self, id: &TaskId, framework: String) {
        if self.tasks.contains_key(id) {
            self.end(id, TaskState::Killed);
            self.tell(id);
        } else {
            let unknown =
                Running { framework, resources: ResourceBag::new(), state: TaskState::Dropped, acknowledged: true };
            let task = self.retained.get(id).unwrap_or(&unknown);
            let update = StatusUpdate { uuid: None, ..Self::update(id, task) };
            self.say(|agent, session| Event::StatusUpdate { agent, session, update });
        }
    }

    fn acknowledged(&mut self, id: &TaskId, uuid: &[u8]) -> Deed {
        let Some(task) = self.tasks.get_mut(id) else { return Deed::Nothing };
        if task.acknowledged || Self::uuid(id, task.state) != uuid {
            return Deed::Nothing;
        }
        task.acknowledged = true;
        let state = task.state;
        if !state.is_terminal() {
            return Deed::Nothing;
        }
        if let Some(task) = self.tasks.remove(id) {
            self.retained.insert(id.clone(), task);
        }
        Deed::Forgot(id.clone(), state)
    }

    fn tell(&mut self, id: &TaskId) {
        if let Some(task) = self.tasks.get(id) {
            let update = Self::update(id, task);
            self.say(|agent, session| Event::StatusUpdate { agent, session, update });
        }
    }

    fn say(&mut self, event: impl FnOnce(AgentName, Session) -> Event) {
        if let Some(session) = self.session.filter(|_| self.registered) {
            self.outbox.push_back(event(self.name.clone(), session));
        }
    }

    fn uuid(id: &TaskId, state: TaskState) -> Vec<u8> {
        format!("{}/{state}", id.uid).into_bytes()
    }

    fn update(id: &TaskId, task: &Running) -> StatusUpdate {
        StatusUpdate {
            task: id.clone(),
            framework: task.framework.clone(),
            state: task.state,
            reason: None,
            message: String::new(),
            uuid: (!task.acknowledged).then(|| Self::uuid(id, task.state)),
            at: Time(1),
            exit_code: None,
            signal: None,
            sandbox: String::new(),
        }
    }
}
