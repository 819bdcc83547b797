//! A master with one agent that runs tasks in its head: what the example frameworks are tried against.

#![allow(dead_code, reason = "each test program uses its part")]

use crate::master::{Master, event};
use proffer_mesos_api::v1;
use std::collections::BTreeMap;
use v1::TaskState::{TaskFailed, TaskFinished, TaskRunning, TaskStarting};
use v1::scheduler::call::Type;
use v1::scheduler::event::{self as body, Type as Kind};

/// What came of a framework.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// The states that were acknowledged, for each task.
    pub(crate) acknowledged: BTreeMap<String, usize>,
    /// How often the framework subscribed.
    pub(crate) subscribed: usize,
    /// Offers that were declined, all with a filter.
    pub(crate) declined: usize,
    /// How often offers were asked for.
    pub(crate) revived: usize,
    /// How often it was asked what became of tasks.
    pub(crate) reconciled: usize,
}

/// Plays the master until TEARDOWN. Each offer has room for two copies. Copy 1 fails the first time; before its last
/// update, the connection is cut, so that the framework has to come back.
pub(crate) async fn play(master: &mut Master) -> Outcome {
    let mut outcome = Outcome::default();
    let (mut offers, mut cut) = (0, false);
    loop {
        let seen = master.seen().await;
        let call = seen.call;
        match call.r#type() {
            Type::Subscribe => {
                outcome.subscribed += 1;
                master.streaming().await;
                offer(master, &mut offers);
            }
            Type::Accept => {
                let accept = call.accept.unwrap();
                assert_eq!(accept.offer_ids[0].value, format!("o{offers}"), "only the last offer is outstanding");
                let tasks = accept.operations.into_iter().flat_map(|operation| operation.launch.unwrap().task_infos);
                for task in tasks {
                    assert_eq!(task.agent_id.value, "A");
                    assert_eq!(task.command.unwrap().value(), "true");
                    let last = if task.name == "copy-1-1" { TaskFailed } else { TaskFinished };
                    let states = [(TaskStarting, 1), (TaskRunning, 2)].map(|(s, n)| update(&task.name, s, Some(n)));
                    master.send(&states);
                    if last == TaskFailed && !cut {
                        cut = true;
                        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                        master.cut();
                        break;
                    }
                    master.send(&[update(&task.name, last, Some(3))]);
                }
            }
            Type::Decline => {
                assert!(call.decline.unwrap().filters.unwrap().refuse_seconds() > 60.0);
                outcome.declined += 1;
            }
            Type::Revive => {
                outcome.revived += 1;
                offer(master, &mut offers);
            }
            Type::Reconcile => {
                outcome.reconciled += 1;
                for task in call.reconcile.unwrap().tasks {
                    let name = task.task_id.value;
                    let last = if name == "copy-1-1" { TaskFailed } else { TaskFinished };
                    master.send(&[update(&name, last, None)]);
                }
            }
            Type::Acknowledge => {
                let acknowledge = call.acknowledge.unwrap();
                *outcome.acknowledged.entry(acknowledge.task_id.value).or_default() += 1;
            }
            Type::Teardown => return outcome,
            other => panic!("{other:?} was not expected"),
        }
    }
}

fn offer(master: &Master, offers: &mut usize) {
    *offers += 1;
    let scalar = |name: &str, value| v1::Resource {
        name: name.to_owned(),
        r#type: v1::value::Type::Scalar.into(),
        scalar: Some(v1::value::Scalar { value }),
        ..Default::default()
    };
    let ports = v1::Resource { name: "ports".into(), r#type: v1::value::Type::Ranges.into(), ..Default::default() };
    let mut reserved = scalar("cpus", 64.0);
    reserved.reservations.push(v1::resource::ReservationInfo { role: Some("others".into()), ..Default::default() });
    let offer = v1::Offer {
        id: v1::OfferId { value: format!("o{offers}") },
        framework_id: v1::FrameworkId { value: "F-1".into() },
        agent_id: v1::AgentId { value: "A".into() },
        hostname: "a1".into(),
        resources: vec![ports, reserved, scalar("cpus", 0.2), scalar("mem", 1024.0)],
        ..Default::default()
    };
    master.send(&[v1::scheduler::Event { offers: Some(body::Offers { offers: vec![offer] }), ..event(Kind::Offers) }]);
}

/// An update, with a UUID of this byte.
pub(crate) fn update(task: &str, state: v1::TaskState, uuid: Option<u8>) -> v1::scheduler::Event {
    let status = v1::TaskStatus {
        task_id: v1::TaskId { value: task.into() },
        state: state.into(),
        agent_id: Some(v1::AgentId { value: "A".into() }),
        uuid: uuid.map(|byte| vec![byte; 16]),
        ..Default::default()
    };
    v1::scheduler::Event { update: Some(body::Update { status }), ..event(Kind::Update) }
}
