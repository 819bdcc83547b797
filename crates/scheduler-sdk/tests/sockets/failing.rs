//! What goes wrong: other leaders, masters that are not ready, refusals, silence, broken streams, bad credentials.

use crate::master::{Master, Reply, event, heartbeat};
use crate::{next, settings, subscribed, update};
use proffer_mesos_api::v1::scheduler::call::Type;
use proffer_mesos_api::v1::scheduler::event::{self as body, Type as Kind};
use proffer_scheduler_sdk::{CallError, Credentials, Driver, Encoding, Ended, Event, Events, v1};
use std::time::Duration;

/// Waits for the loss of the stream and the next subscription; the reason of the loss.
async fn subscribed_again(master: &mut Master, events: &mut Events) -> String {
    let Event::Disconnected(why) = next(events).await else { panic!("the stream is not lost") };
    let Event::Subscribed(subscribed) = next(events).await else { panic!("not subscribed") };
    assert!(subscribed.again);
    let subscribe = master.seen_of(Type::Subscribe).await;
    assert_eq!(subscribe.call.framework_id.unwrap().value, "F-1");
    why
}

#[tokio::test]
async fn follows_a_standby_to_the_leader() {
    let mut leader = Master::start().await;
    let standby = Master::start().await;
    standby.answer_subscribe([Reply::Redirect(format!("//{}/api/v1/scheduler", leader.address))]);
    let (scheduler, mut events) = Driver::start(&settings(&standby.url())).unwrap();
    assert!(matches!(next(&mut events).await, Event::Subscribed(_)));
    scheduler.revive(vec![]).await.unwrap();
    assert_eq!(leader.seen().await.call.r#type(), Type::Subscribe);
    assert_eq!(leader.seen().await.call.r#type(), Type::Revive);
}

#[tokio::test]
async fn finds_the_leader_among_masters_of_which_some_are_gone() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut master = Master::start().await;
    let mut settings = settings(&format!("http://{gone}"));
    settings.masters.push(master.url().parse().unwrap());
    let (_scheduler, mut events) = Driver::start(&settings).unwrap();
    assert!(matches!(next(&mut events).await, Event::Subscribed(_)));
    assert_eq!(master.seen().await.call.r#type(), Type::Subscribe);
}

#[tokio::test]
async fn waits_for_a_master_that_is_not_ready() {
    let mut master = Master::start().await;
    master.answer_subscribe([
        Reply::Status(503, "Master has not finished recovery"),
        Reply::Status(404, ""),
        Reply::Status(503, "No leader elected"),
        Reply::Status(500, ""),
    ]);
    let (scheduler, mut events) = Driver::start(&settings(&master.url())).unwrap();
    assert_eq!(scheduler.revive(vec![]).await, Err(CallError::NotSubscribed));
    assert!(matches!(next(&mut events).await, Event::Subscribed(_)));
    for _ in 0..5 {
        assert_eq!(master.seen().await.call.r#type(), Type::Subscribe);
    }
}

#[tokio::test]
async fn a_refused_subscription_is_the_end() {
    let master = Master::start().await;
    master.answer_subscribe([Reply::Status(400, "Failed to validate scheduler::Call: no")]);
    let (_scheduler, mut events) = Driver::start(&settings(&master.url())).unwrap();
    let body = "Failed to validate scheduler::Call: no".to_owned();
    assert_eq!(events.next().await, Err(Ended::Refused { status: 400, body }));
}

#[tokio::test]
async fn calls_tell_why_they_were_refused() {
    let (master, scheduler, _events) = subscribed(|_| ()).await;
    master.answer_calls([
        Reply::Status(400, "no such offer"),
        Reply::Status(503, "later"),
        Reply::Status(403, "not you"),
    ]);
    for (status, text) in [(400, "no such offer"), (503, "later"), (403, "not you")] {
        let refused = CallError::Refused { status, body: text.to_owned() };
        assert_eq!(scheduler.revive(vec![]).await, Err(refused));
    }
    scheduler.revive(vec![]).await.unwrap();
    master.change_stream_id();
    let body = "The stream ID included in this request didn't match".to_owned();
    assert_eq!(scheduler.revive(vec![]).await, Err(CallError::Refused { status: 400, body }));
}

#[tokio::test]
async fn a_call_that_is_not_answered_may_have_been_carried_out() {
    let (master, scheduler, mut events) =
        subscribed(|settings| settings.answer_timeout = Duration::from_millis(200)).await;
    master.answer_calls([Reply::Silence]);
    let result = scheduler.revive(vec![]).await;
    assert_eq!(result, Err(CallError::Unanswered("no answer within 200ms".to_owned())));
    // The next call has a connection of its own.
    scheduler.revive(vec![]).await.unwrap();
    master.send(&[update("t", v1::TaskState::TaskRunning, None)]);
    assert!(matches!(next(&mut events).await, Event::Update(_)));
}

#[tokio::test]
async fn a_call_that_finds_a_standby_moves_the_subscription() {
    let (master, scheduler, mut events) = subscribed(|_| ()).await;
    let mut leader = Master::start().await;
    master.answer_calls([Reply::Redirect(format!("//{}/api/v1/scheduler", leader.address))]);
    assert_eq!(scheduler.revive(vec![]).await, Err(CallError::NotSubscribed));
    let why = subscribed_again(&mut leader, &mut events).await;
    assert_eq!(why, format!("{} is the leader", leader.url()));
}

#[tokio::test]
async fn silence_is_noticed_and_tasks_are_asked_for_again() {
    let (mut master, scheduler, mut events) = subscribed(|_| ()).await;
    let task = v1::TaskInfo { task_id: v1::TaskId { value: "launched".into() }, ..Default::default() };
    scheduler.launch(v1::OfferId { value: "o".into() }, vec![task], None).await.unwrap();
    master.send(&[
        update("runs", v1::TaskState::TaskRunning, None),
        update("over", v1::TaskState::TaskRunning, None),
        update("over", v1::TaskState::TaskFinished, None),
    ]);
    for _ in 0..3 {
        next(&mut events).await;
    }
    // With heartbeats every second the stream lives; without, it is given up after the third that does not come.
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        master.send(&[heartbeat()]);
    }
    let why = subscribed_again(&mut master, &mut events).await;
    assert!(why.starts_with("no event for 3."), "{why}");
    let mut asked = Vec::new();
    for _ in 0..2 {
        let mut tasks: Vec<_> = master.seen_of(Type::Reconcile).await.call.reconcile.unwrap().tasks;
        tasks.sort_by(|a, b| a.task_id.value.cmp(&b.task_id.value));
        asked.push(tasks.into_iter().map(|task| task.task_id.value).collect::<Vec<_>>());
    }
    asked.sort();
    assert_eq!(asked, [vec![], vec!["launched".to_owned(), "runs".to_owned()]]);
}

#[tokio::test]
async fn a_broken_stream_is_opened_again() {
    let (mut master, scheduler, mut events) = subscribed(|settings| settings.max_event_bytes = 1000).await;
    for (broken, expected) in [
        (&b"20\n{\"type\""[..], "the stream broke"),
        (b"", "the stream broke"),
        (b"abc", "Failed to decode length 'a'"),
        (b"1001\n", "Record of 1001 bytes is larger than the limit of 1000"),
        (b"5\n\xff\xff\xff\xff\xff", "an event cannot be read"),
    ] {
        master.send_raw(broken);
        if expected == "the stream broke" {
            tokio::time::sleep(Duration::from_millis(20)).await;
            master.cut();
        }
        let why = subscribed_again(&mut master, &mut events).await;
        assert!(why.starts_with(expected), "{why}");
        scheduler.revive(vec![]).await.unwrap();
    }
    master.send_raw(b"20\n{\"type\"");
    master.end();
    assert_eq!(subscribed_again(&mut master, &mut events).await, "the stream ended within a record");
    master.end();
    assert_eq!(subscribed_again(&mut master, &mut events).await, "the master closed the stream");
}

#[tokio::test]
async fn what_the_master_says_last_is_the_end() {
    let (mut master, scheduler, mut events) = subscribed(|settings| settings.encoding = Encoding::Json).await;
    let message = "Framework failed over".to_owned();
    master.send(&[
        update("t", v1::TaskState::TaskRunning, None),
        v1::scheduler::Event { error: Some(body::Error { message: message.clone() }), ..event(Kind::Error) },
    ]);
    assert!(matches!(next(&mut events).await, Event::Update(_)));
    assert_eq!(events.next().await, Err(Ended::Error { message }));
    assert_eq!(scheduler.revive(vec![]).await, Err(CallError::NotSubscribed));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(master.seen_now().is_none());
}

#[tokio::test]
async fn a_token_is_read_again_when_it_is_refused() {
    let file = std::env::temp_dir().join(format!("token-{}", std::process::id()));
    std::fs::write(&file, "first\n").unwrap();
    let mut master = Master::start().await;
    master.answer_subscribe([Reply::Status(401, "expired")]);
    let mut settings = settings(&master.url());
    settings.credentials = Credentials::BearerFile(file.clone());
    settings.back_off.min = Duration::from_millis(400);
    settings.back_off.max = Duration::from_millis(400);
    let (_scheduler, mut events) = Driver::start(&settings).unwrap();
    assert_eq!(master.seen().await.header("authorization"), Some("Bearer first"));
    std::fs::write(&file, "second\n").unwrap();
    assert!(matches!(next(&mut events).await, Event::Subscribed(_)));
    assert_eq!(master.seen().await.header("authorization"), Some("Bearer second"));
    std::fs::remove_file(&file).unwrap();
}

#[tokio::test]
async fn a_principal_and_its_secret_are_sent_as_basic_credentials() {
    let mut master = Master::start().await;
    let mut settings = settings(&master.url());
    settings.credentials = Credentials::Basic { principal: "Aladdin".into(), secret: "open sesame".into() };
    let (_scheduler, mut events) = Driver::start(&settings).unwrap();
    next(&mut events).await;
    // The example of RFC 7617.
    assert_eq!(master.seen().await.header("authorization"), Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
}

#[tokio::test]
async fn patience_has_an_end_if_it_is_given_one() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut settings = settings(&format!("http://{gone}"));
    settings.patience = Some(Duration::from_millis(300));
    let (_scheduler, mut events) = Driver::start(&settings).unwrap();
    let Err(Ended::NoMaster { patience, last }) = events.next().await else { panic!("there is no master") };
    assert_eq!(patience, Duration::from_millis(300));
    assert!(last.contains("cannot be reached"), "{last}");
}
