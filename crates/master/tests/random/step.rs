//! What can happen.

use proptest::prelude::*;

/// Something that happens. Numbers choose among what there is.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A task of a framework is created, of one of a few sizes.
    CreateTask { framework: u8, size: u8 },
    /// Somebody deletes a task.
    DeleteTask(u8),
    /// A task's object vanishes, finalizer and all.
    ForceDeleteTask(u8),
    /// A framework is created, or gets another scheduler.
    ApplyFramework { framework: u8, scheduler: u8 },
    /// A framework is deleted.
    DeleteFramework(u8),
    /// A framework accepts an offer with some tasks.
    Accept { offer: u8, tasks: [u8; 2], refuse: Option<u8> },
    /// A framework declines an offer.
    Decline { offer: u8, refuse: Option<u8> },
    /// Somebody deletes an Offer object.
    DeleteOffer(u8),
    /// A framework accepts an offer with operations and a task.
    Operate { offer: u8, what: [u8; 2], task: u8 },
    /// Somebody makes a Reservation of an agent's cores or a volume on it.
    Reserve { agent: u8, what: u8 },
    /// Somebody makes a Reservation ask for something else.
    ChangeReservation { reservation: u8, what: u8 },
    /// Somebody deletes a Reservation.
    DeleteReservation(u8),
    /// A Reservation vanishes, finalizer and all.
    ForceDeleteReservation(u8),
    /// An operator reserves, unreserves, makes or destroys a volume.
    Operator { agent: u8, what: u8 },
    /// The oldest write ends.
    FinishWrite(Ending),
    /// Everything on its way arrives and every write ends well.
    Settle,
    /// An agent reads its next message.
    AgentReads(u8),
    /// The master reads an agent's next message.
    MasterReads(u8),
    /// The master hears something a second time that it heard before.
    Repeat(u8),
    /// A task on an agent ends by itself.
    TaskEnds { agent: u8, task: u8 },
    /// An agent connects.
    Connect(u8),
    /// A connection breaks.
    Disconnect(u8),
    /// A connection breaks, and the master does not notice.
    Vanish(u8),
    /// An agent's disk is lost, and all that it ran.
    LoseDisk(u8),
    /// An Agent object is deleted.
    DeleteAgent(u8),
    /// An operator (de)activates an agent.
    Deactivate(u8, bool),
    /// An operator has an agent drained, or not any more.
    Drain(u8, bool),
    /// A slot gets another size, or goes.
    Resize { agent: u8, cores: u8 },
    /// Seconds pass.
    Pass(u8),
    /// The leader dies; its writes under way are done, lost, or come late, each by one bit of each number.
    Crash { done: u8, late: u8 },
    /// A write of a dead leader comes late; it may be a while until the master is told.
    LateWrite { told: bool },
}

/// How a write ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ending {
    /// As the API server decides.
    Honest,
    /// With a conflict that is none.
    Conflict,
    /// Refused for good.
    Refused,
}

fn ending() -> impl Strategy<Value = Ending> {
    prop_oneof![20 => Just(Ending::Honest), 2 => Just(Ending::Conflict), 1 => Just(Ending::Refused)]
}

/// Any step, the usual ones more often.
pub(crate) fn any_step() -> impl Strategy<Value = Step> {
    use Step::*;
    let n = any::<u8>;
    let refuse = || prop_oneof![Just(None), Just(Some(0)), Just(Some(20))];
    prop_oneof![
        12 => (n(), n()).prop_map(|(framework, size)| CreateTask { framework, size }),
        4 => n().prop_map(DeleteTask),
        2 => n().prop_map(ForceDeleteTask),
        4 => (n(), n()).prop_map(|(framework, scheduler)| ApplyFramework { framework, scheduler }),
        1 => n().prop_map(DeleteFramework),
        6 => (n(), any::<[u8; 2]>(), refuse()).prop_map(|(offer, tasks, refuse)| Accept { offer, tasks, refuse }),
        2 => (n(), refuse()).prop_map(|(offer, refuse)| Decline { offer, refuse }),
        1 => n().prop_map(DeleteOffer),
        6 => (n(), any::<[u8; 2]>(), n()).prop_map(|(offer, what, task)| Operate { offer, what, task }),
        3 => (n(), n()).prop_map(|(agent, what)| Reserve { agent, what }),
        2 => (n(), n()).prop_map(|(reservation, what)| ChangeReservation { reservation, what }),
        2 => n().prop_map(DeleteReservation),
        1 => n().prop_map(ForceDeleteReservation),
        3 => (n(), n()).prop_map(|(agent, what)| Operator { agent, what }),
        16 => ending().prop_map(FinishWrite),
        8 => Just(Settle),
        12 => n().prop_map(AgentReads),
        12 => n().prop_map(MasterReads),
        3 => n().prop_map(Repeat),
        6 => (n(), n()).prop_map(|(agent, task)| TaskEnds { agent, task }),
        8 => n().prop_map(Connect),
        3 => n().prop_map(Disconnect),
        1 => n().prop_map(Vanish),
        1 => n().prop_map(LoseDisk),
        1 => n().prop_map(DeleteAgent),
        1 => (n(), any::<bool>()).prop_map(|(agent, on)| Deactivate(agent, on)),
        1 => (n(), any::<bool>()).prop_map(|(agent, on)| Drain(agent, on)),
        2 => (n(), n()).prop_map(|(agent, cores)| Resize { agent, cores }),
        6 => n().prop_map(Pass),
        3 => (n(), n()).prop_map(|(done, late)| Crash { done, late }),
        3 => any::<bool>().prop_map(|told| LateWrite { told }),
    ]
}
