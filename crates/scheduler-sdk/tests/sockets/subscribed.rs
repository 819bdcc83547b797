//! While all goes well: events of every kind, calls of every kind, acknowledgements, back-pressure, the end.

use crate::master::{Reply, event, heartbeat};
use crate::{next, subscribed, update};
use proffer_mesos_api::v1::scheduler::call::{self, Type};
use proffer_mesos_api::v1::scheduler::event::{self as body, Type as Kind};
use proffer_scheduler_sdk::{Acknowledgement, CallError, Encoding, Ended, Event, v1};
use std::time::Duration;

fn offer(id: &str) -> v1::Offer {
    v1::Offer {
        id: v1::OfferId { value: id.into() },
        framework_id: v1::FrameworkId { value: "F-1".into() },
        agent_id: v1::AgentId { value: "A".into() },
        hostname: "häst\n1".into(),
        resources: vec![proffer_scheduler_sdk::resources::scalar("cpus", 0.1)],
        ..Default::default()
    }
}

fn executor(name: &str) -> v1::ExecutorId {
    v1::ExecutorId { value: name.into() }
}

fn agent(name: &str) -> v1::AgentId {
    v1::AgentId { value: name.into() }
}

/// One of each kind of event, and what it is to a scheduler.
fn every_event() -> Vec<(v1::scheduler::Event, Event)> {
    use v1::scheduler::Event as Wire;
    let id = |value: &str| v1::OfferId { value: value.into() };
    let inverse = v1::InverseOffer { id: id("i1"), ..Default::default() };
    let operation = v1::OperationStatus { state: v1::OperationState::OperationFinished.into(), ..Default::default() };
    let message = body::Message {
        agent_id: agent("A"),
        executor_id: executor("e"),
        data: (0..=255).cycle().take(70_000).collect(),
    };
    let failure = body::Failure { agent_id: Some(agent("A")), executor_id: Some(executor("e")), status: Some(9) };
    let status = update("t1", v1::TaskState::TaskRunning, None).update.unwrap().status;
    vec![
        (
            Wire { offers: Some(body::Offers { offers: vec![offer("o1"), offer("o2")] }), ..event(Kind::Offers) },
            Event::Offers(vec![offer("o1"), offer("o2")]),
        ),
        (
            Wire {
                inverse_offers: Some(body::InverseOffers { inverse_offers: vec![inverse.clone()] }),
                ..event(Kind::InverseOffers)
            },
            Event::InverseOffers(vec![inverse]),
        ),
        (
            Wire { rescind: Some(body::Rescind { offer_id: id("o1") }), ..event(Kind::Rescind) },
            Event::Rescind(id("o1")),
        ),
        (
            Wire {
                rescind_inverse_offer: Some(body::RescindInverseOffer { inverse_offer_id: id("i1") }),
                ..event(Kind::RescindInverseOffer)
            },
            Event::RescindInverseOffer(id("i1")),
        ),
        (update("t1", v1::TaskState::TaskRunning, None), Event::Update(Box::new(status))),
        (
            Wire {
                update_operation_status: Some(body::UpdateOperationStatus { status: operation.clone() }),
                ..event(Kind::UpdateOperationStatus)
            },
            Event::UpdateOperationStatus(Box::new(operation)),
        ),
        (
            Wire { message: Some(message.clone()), ..event(Kind::Message) },
            Event::Message { agent_id: agent("A"), executor_id: executor("e"), data: message.data },
        ),
        (
            Wire { failure: Some(failure), ..event(Kind::Failure) },
            Event::Failure { agent_id: Some(agent("A")), executor_id: Some(executor("e")), status: Some(9) },
        ),
    ]
}

#[tokio::test]
async fn events_arrive_whole_in_whatever_pieces_they_come() {
    for encoding in [Encoding::Protobuf, Encoding::Json] {
        let (master, _scheduler, mut events) = subscribed(|settings| settings.encoding = encoding).await;
        let (wire, expected): (Vec<_>, Vec<_>) = every_event().into_iter().unzip();
        for together in [1, 3, wire.len()] {
            for some in wire.chunks(together) {
                // A kind that is not known is passed over, as are heartbeats.
                master.send(&[some, &[heartbeat(), v1::scheduler::Event::default()]].concat());
            }
            for expected in &expected {
                assert_eq!(next(&mut events).await, *expected, "{encoding:?}");
            }
        }
    }
}

#[tokio::test]
async fn every_call_says_who_and_on_which_stream() {
    for encoding in [Encoding::Protobuf, Encoding::Json] {
        let (mut master, scheduler, _events) = subscribed(|settings| settings.encoding = encoding).await;
        let id = || v1::OfferId { value: "o1".into() };
        let task = || v1::TaskId { value: "t1".into() };
        let status = update("t1", v1::TaskState::TaskRunning, Some(7)).update.unwrap().status;
        let operation = v1::OperationStatus {
            operation_id: Some(v1::OperationId { value: "op".into() }),
            uuid: Some(v1::Uuid { value: vec![1; 16] }),
            ..Default::default()
        };
        let info = v1::FrameworkInfo { user: "me".into(), name: "renamed".into(), ..Default::default() };
        scheduler.launch(id(), vec![], None).await.unwrap();
        scheduler.decline([id()], Some(0.0)).await.unwrap();
        scheduler.accept_inverse_offers([id()], None).await.unwrap();
        scheduler.decline_inverse_offers([id()], None).await.unwrap();
        scheduler.revive(vec![]).await.unwrap();
        scheduler.suppress(vec!["r".into()]).await.unwrap();
        scheduler.kill(task(), Some(agent("A")), None).await.unwrap();
        scheduler.shutdown(executor("e"), agent("A")).await.unwrap();
        scheduler.acknowledge(&status).await.unwrap();
        scheduler.acknowledge_operation_status(&operation).await.unwrap();
        scheduler.reconcile(vec![call::reconcile::Task { task_id: task(), agent_id: None }]).await.unwrap();
        scheduler.reconcile_operations(vec![]).await.unwrap();
        scheduler.message(agent("A"), executor("e"), vec![0, 255]).await.unwrap();
        scheduler.request(vec![]).await.unwrap();
        let update = call::UpdateFramework { framework_info: info, ..Default::default() };
        scheduler.update_framework(update).await.unwrap();
        scheduler.teardown().await.unwrap();
        let expected = [
            Type::Accept,
            Type::Decline,
            Type::AcceptInverseOffers,
            Type::DeclineInverseOffers,
            Type::Revive,
            Type::Suppress,
            Type::Kill,
            Type::Shutdown,
            Type::Acknowledge,
            Type::AcknowledgeOperationStatus,
            Type::Reconcile,
            Type::ReconcileOperations,
            Type::Message,
            Type::Request,
            Type::UpdateFramework,
            Type::Teardown,
        ];
        for kind in expected {
            let seen = master.seen().await;
            assert_eq!(seen.call.r#type(), kind);
            assert_eq!(seen.call.framework_id.as_ref().unwrap().value, "F-1");
            assert_eq!(seen.header("mesos-stream-id"), Some("stream-1"));
            match kind {
                Type::Decline => assert_eq!(seen.call.decline.unwrap().filters.unwrap().refuse_seconds, Some(0.0)),
                Type::Acknowledge => assert_eq!(seen.call.acknowledge.unwrap().uuid, [7; 16]),
                Type::Message => assert_eq!(seen.call.message.unwrap().data, [0, 255]),
                Type::UpdateFramework => {
                    let info = seen.call.update_framework.unwrap().framework_info;
                    assert_eq!((info.name.as_str(), info.id.unwrap().value.as_str()), ("renamed", "F-1"));
                }
                _ => {}
            }
        }
    }
}

#[tokio::test]
async fn an_update_is_acknowledged_when_the_scheduler_is_done_with_it() {
    let (mut master, _scheduler, mut events) = subscribed(|_| ()).await;
    master.send(&[update("a", v1::TaskState::TaskRunning, Some(1)), update("b", v1::TaskState::TaskLost, None)]);
    next(&mut events).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(master.seen_now().is_none());
    next(&mut events).await;
    let acknowledge = master.seen().await.call.acknowledge.unwrap();
    assert_eq!((acknowledge.task_id.value.as_str(), acknowledge.uuid), ("a", vec![1; 16]));
    // The master's own updates have no UUID and are not acknowledged.
    master.send(&[update("c", v1::TaskState::TaskRunning, Some(3)), heartbeat()]);
    next(&mut events).await;
    assert!(tokio::time::timeout(Duration::from_millis(50), events.next()).await.is_err());
    assert_eq!(master.seen().await.call.acknowledge.unwrap().task_id.value, "c");
}

#[tokio::test]
async fn by_hand_only_what_is_asked_for_is_acknowledged() {
    let (mut master, scheduler, mut events) =
        subscribed(|settings| settings.acknowledgement = Acknowledgement::ByHand).await;
    master.send(&["a", "b", "c"].map(|task| update(task, v1::TaskState::TaskRunning, Some(1))));
    next(&mut events).await;
    let Event::Update(status) = next(&mut events).await else { panic!("no update") };
    scheduler.acknowledge(&status).await.unwrap();
    next(&mut events).await;
    assert_eq!(master.seen().await.call.acknowledge.unwrap().task_id.value, "b");
    assert!(master.seen_now().is_none());
    let own = update("d", v1::TaskState::TaskLost, None).update.unwrap().status;
    assert_eq!(scheduler.acknowledge(&own).await, Err(CallError::NothingToAcknowledge));
}

#[tokio::test]
async fn a_scheduler_that_takes_its_time_holds_the_stream_back_and_loses_nothing() {
    let (mut master, scheduler, mut events) = subscribed(|settings| settings.queue = 4).await;
    let large = |i: u8| v1::scheduler::Event {
        message: Some(body::Message { agent_id: agent("A"), executor_id: executor("e"), data: vec![i; 100_000] }),
        ..event(Kind::Message)
    };
    for i in 0..200 {
        master.send(&[large(i)]);
    }
    // Longer than three heartbeats: that nothing is read does not mean that nothing comes.
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(master.written() < 15_000_000, "{} bytes were read ahead", master.written());
    scheduler.revive(vec![]).await.unwrap();
    assert_eq!(master.seen().await.call.r#type(), Type::Revive);
    for i in 0..200 {
        let Event::Message { data, .. } = next(&mut events).await else { panic!("no message") };
        assert_eq!((data.len(), data[0]), (100_000, i));
    }
}

#[tokio::test]
async fn stopping_sends_what_is_owed_and_leaves_the_framework() {
    let (mut master, scheduler, mut events) = subscribed(|_| ()).await;
    master.send(&[update("a", v1::TaskState::TaskRunning, Some(1)), heartbeat()]);
    next(&mut events).await;
    assert!(tokio::time::timeout(Duration::from_millis(20), events.next()).await.is_err());
    scheduler.stop().await;
    assert_eq!(master.seen().await.call.r#type(), Type::Acknowledge);
    assert_eq!(events.next().await, Err(Ended::Stopped));
    assert_eq!(scheduler.revive(vec![]).await, Err(CallError::NotSubscribed));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(master.seen_now().is_none());
}

#[tokio::test]
async fn teardown_ends_the_driver_though_the_master_closes_the_stream_first() {
    let (mut master, scheduler, mut events) = subscribed(|_| ()).await;
    let teardown = tokio::spawn(async move { scheduler.teardown().await });
    assert_eq!(master.seen().await.call.r#type(), Type::Teardown);
    master.end();
    teardown.await.unwrap().unwrap();
    loop {
        match events.next().await {
            Ok(event) => assert!(matches!(event, Event::Disconnected(_))),
            Err(ended) => break assert_eq!(ended, Ended::TornDown),
        }
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(master.seen_now().is_none());
}

#[tokio::test]
async fn dropping_the_events_stops_the_driver() {
    let (master, scheduler, events) = subscribed(|_| ()).await;
    drop(events);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(scheduler.revive(vec![]).await, Err(CallError::NotSubscribed));
    drop(master);
}

#[tokio::test]
async fn a_connection_that_the_master_closed_between_calls_is_no_failure() {
    let (master, scheduler, _events) = subscribed(|_| ()).await;
    for _ in 0..20 {
        master.answer_calls([Reply::Close]);
        scheduler.revive(vec![]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
