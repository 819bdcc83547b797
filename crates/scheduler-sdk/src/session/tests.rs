//! The session alone: what happens goes in, what is to be done comes out, at times of the test's choosing.

use super::{Answer, Effect, Input, Notice, Phase, Policy, Session};
use crate::event::Received;
use crate::{Ended, Event, Settings, v1};
use proptest::prelude::*;
use std::time::Duration;
use v1::scheduler::{call, event};

struct World {
    session: Session,
    now: Duration,
}

fn settings(masters: &[&str]) -> Settings {
    let framework = v1::FrameworkInfo { user: "me".into(), name: "f".into(), ..Default::default() };
    Settings::new(masters.iter().map(|text| text.parse().unwrap()), framework)
}

fn world(settings: &Settings) -> World {
    World { session: Session::new(Policy::new(settings), Duration::ZERO, 7), now: Duration::ZERO }
}

fn subscribed(heartbeat: f64) -> Received {
    Received::Subscribed(event::Subscribed {
        framework_id: v1::FrameworkId { value: "F".into() },
        heartbeat_interval_seconds: Some(heartbeat),
        master_info: None,
    })
}

fn update(task: &str, state: v1::TaskState) -> Received {
    let status =
        v1::TaskStatus { task_id: v1::TaskId { value: task.into() }, state: state.into(), ..Default::default() };
    Received::Event(Event::Update(Box::new(status)))
}

fn task(name: &str) -> (v1::TaskId, v1::AgentId) {
    (v1::TaskId { value: name.into() }, v1::AgentId { value: "A".into() })
}

/// An effect in few words.
fn words(effect: &Effect) -> String {
    match effect {
        Effect::Subscribe { master, call, .. } => {
            let subscribe = call.subscribe.as_ref().unwrap();
            assert_eq!(call.framework_id, subscribe.framework_info.id);
            let id = call.framework_id.as_ref().map_or("-", |id| &id.value);
            let suppressed = subscribe.suppressed_roles.join(",");
            format!("subscribe {} {id} {suppressed}", master.host()).trim().to_owned()
        }
        Effect::Close(_) => "close".to_owned(),
        Effect::Publish(None) => "no calls".to_owned(),
        Effect::Publish(Some(subscription)) => {
            format!(
                "calls {} {} {}",
                subscription.master.host(),
                subscription.framework_id.value,
                subscription.stream_id
            )
        }
        Effect::Deliver(Event::Subscribed(subscribed)) if subscribed.again => "tell: subscribed again".to_owned(),
        Effect::Deliver(Event::Subscribed(_)) => "tell: subscribed".to_owned(),
        Effect::Deliver(Event::Disconnected(why)) => format!("tell: lost, {why}"),
        Effect::Deliver(Event::Update(status)) => format!("tell: {}", status.task_id.value),
        Effect::Deliver(event) => format!("tell: {event:?}"),
        Effect::Reconcile(_, tasks) if tasks.is_empty() => "ask for all".to_owned(),
        Effect::Reconcile(_, tasks) => {
            let names: Vec<_> = tasks.iter().map(|task| task.task_id.value.as_str()).collect();
            format!("ask for {}", names.join(","))
        }
        Effect::End(ended) => format!("end: {ended}"),
    }
}

impl World {
    fn take(&mut self, input: Input) -> Vec<String> {
        self.session.handle(self.now, input).iter().map(words).collect()
    }

    fn answer(&mut self, answer: Answer) -> Vec<String> {
        let attempt = self.session.attempt;
        self.take(Input::Answer(attempt, answer))
    }

    fn event(&mut self, event: Received) -> Vec<String> {
        let attempt = self.session.attempt;
        self.take(Input::Event(attempt, Box::new(event)))
    }

    fn ends(&mut self, why: &str) -> Vec<String> {
        let attempt = self.session.attempt;
        self.take(Input::StreamEnded(attempt, why.to_owned()))
    }

    fn after(&mut self, seconds: f64) -> Vec<String> {
        self.now += Duration::from_secs_f64(seconds);
        self.take(Input::Time)
    }

    /// Goes to the next deadline; how long that took, and what was to be done then.
    fn sleep(&mut self) -> (Duration, Vec<String>) {
        let slept = self.session.deadline().unwrap().saturating_sub(self.now);
        self.now += slept;
        (slept, self.take(Input::Time))
    }

    /// Subscribes, with a heartbeat each second.
    fn subscribe(&mut self) -> Vec<String> {
        self.sleep();
        self.answer(Answer::Opened("S".into()));
        self.event(subscribed(1.0))
    }
}

#[test]
fn subscribes_and_is_told_what_calls_need() {
    let mut world = world(&settings(&["m1"]));
    assert_eq!(world.sleep(), (Duration::ZERO, vec!["subscribe m1 -".to_owned()]));
    assert!(world.answer(Answer::Opened("S1".into())).is_empty());
    // The first subscription of a new framework has nothing to reconcile.
    assert_eq!(world.event(subscribed(15.0)), ["calls m1 F S1", "tell: subscribed"]);
    assert!(world.event(Received::Heartbeat).is_empty());
    assert_eq!(world.event(update("t", v1::TaskState::TaskRunning)), ["tell: t"]);
}

#[test]
fn a_lost_stream_is_opened_again_with_the_id_and_the_tasks_are_asked_for() {
    let mut world = world(&settings(&["m1"]));
    world.subscribe();
    world.take(Input::Notice(Notice::Launching(vec![task("a"), task("b"), task("c")])));
    world.event(update("a", v1::TaskState::TaskFinished));
    world.event(update("b", v1::TaskState::TaskRunning));
    assert_eq!(world.ends("gone"), ["close", "no calls", "tell: lost, gone"]);
    let (pause, effects) = world.sleep();
    assert!((50..=100).contains(&pause.as_millis()), "{pause:?}");
    assert_eq!(effects, ["subscribe m1 F"]);
    world.answer(Answer::Opened("S2".into()));
    assert_eq!(
        world.event(subscribed(100.0)),
        ["calls m1 F S2", "tell: subscribed again", "ask for b,c", "ask for all"]
    );
    // What was answered is not asked for again; what was not, after ever longer pauses.
    world.event(update("c", v1::TaskState::TaskRunning));
    assert_eq!(world.sleep(), (Duration::from_secs(5), vec!["ask for b".to_owned()]));
    assert_eq!(world.sleep(), (Duration::from_secs(10), vec!["ask for b".to_owned()]));
    world.event(update("b", v1::TaskState::TaskUnknown));
    assert_eq!(world.sleep(), (Duration::from_secs(20), vec![]));
    assert_eq!(world.session.tasks.known(), ["c"]);
}

#[test]
fn a_scheduler_that_takes_over_reconciles_what_it_knows() {
    let mut settings = settings(&["m1"]);
    settings.framework.id = Some(v1::FrameworkId { value: "F".into() });
    settings.known_tasks = vec![(v1::TaskId { value: "a".into() }, None)];
    let mut world = world(&settings);
    assert_eq!(world.subscribe(), ["calls m1 F S", "tell: subscribed again", "ask for a", "ask for all"]);
    // The question for all is put again if it did not arrive.
    let attempt = world.session.attempt;
    world.take(Input::Notice(Notice::ReconcileFailed(attempt, vec![])));
    world.event(update("a", v1::TaskState::TaskRunning));
    world.take(Input::Held(true));
    assert_eq!(world.after(5.0), ["ask for all"]);
}

#[test]
fn many_tasks_are_asked_for_in_several_calls() {
    let mut settings = settings(&["m1"]);
    settings.framework.id = Some(v1::FrameworkId { value: "F".into() });
    settings.known_tasks = (0..12_000).map(|i| (v1::TaskId { value: format!("t{i}") }, None)).collect();
    let mut world = world(&settings);
    world.sleep();
    world.answer(Answer::Opened("S".into()));
    let attempt = world.session.attempt;
    let effects = world.session.handle(world.now, Input::Event(attempt, Box::new(subscribed(1.0))));
    let sizes: Vec<_> = effects
        .iter()
        .filter_map(|effect| if let Effect::Reconcile(_, tasks) = effect { Some(tasks.len()) } else { None })
        .collect();
    assert_eq!(sizes, [5_000, 5_000, 2_000, 0]);
}

#[test]
fn redirects_are_followed_at_once_but_not_in_a_circle() {
    let mut world = world(&settings(&["m1"]));
    world.sleep();
    for leader in ["m2", "m3", "m2", "m3", "m2"] {
        assert_eq!(world.answer(Answer::Redirect(format!("//{leader}:5050/api/v1/scheduler"))), ["close"]);
        assert_eq!(world.sleep(), (Duration::ZERO, vec![format!("subscribe {leader} -")]));
    }
    world.answer(Answer::Redirect("//m3:5050".into()));
    let (pause, effects) = world.sleep();
    assert!(pause >= Duration::from_millis(50));
    assert_eq!(effects, ["subscribe m1 -"]);
}

#[test]
fn pauses_grow_from_round_to_round_of_the_masters() {
    let mut world = world(&settings(&["m1", "m2"]));
    let mut seen = Vec::new();
    world.sleep();
    for _ in 0..6 {
        world.answer(Answer::Status(503, "No leader elected".into()));
        let (pause, effects) = world.sleep();
        seen.push((effects[0].clone(), pause));
    }
    let names: Vec<_> = seen.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["m2", "m1", "m2", "m1", "m2", "m1"].map(|name| format!("subscribe {name} -")));
    for ((_, pause), longest) in seen.iter().zip([100, 100, 200, 200, 400, 400]) {
        assert!((longest / 2..=longest).contains(&pause.as_millis()), "{pause:?} of {longest} ms");
    }
}

#[test]
fn silence_ends_the_stream_but_not_while_nothing_is_read() {
    let mut world = world(&settings(&["m1"]));
    world.subscribe();
    assert!(world.after(2.9).is_empty());
    world.event(Received::Heartbeat);
    assert!(world.after(2.9).is_empty());
    world.take(Input::Held(true));
    assert!(world.after(60.0).is_empty());
    world.take(Input::Held(false));
    assert!(world.after(2.9).is_empty());
    assert_eq!(world.after(0.1), ["close", "no calls", "tell: lost, no event for 3.0 s"]);
}

#[test]
fn a_master_that_does_not_answer_is_given_up() {
    let mut world = world(&settings(&["m1", "m2"]));
    world.sleep();
    assert_eq!(world.sleep(), (Duration::from_secs(30), vec!["close".to_owned()]));
    assert_eq!(world.sleep().1, ["subscribe m2 -"]);
    // One that opens the stream and says nothing, likewise.
    world.answer(Answer::Opened("S".into()));
    assert_eq!(world.sleep(), (Duration::from_secs(45), vec!["close".to_owned()]));
}

#[test]
fn ends_for_good_when_the_master_says_so() {
    for (answer, expected) in [
        (Answer::Status(400, "bad".into()), Some("end: the master refused to subscribe the framework: 400 bad")),
        (Answer::Status(403, "no".into()), Some("end: the master refused to subscribe the framework: 403 no")),
        (Answer::Status(404, String::new()), None),
        (Answer::Status(503, String::new()), None),
        (Answer::Failed("refused".into()), None),
    ] {
        let mut world = world(&settings(&["m1"]));
        world.sleep();
        let effects = world.answer(answer);
        assert_eq!(effects.iter().find(|effect| effect.starts_with("end")).map(String::as_str), expected);
        assert_eq!(world.session.deadline().is_none(), expected.is_some());
    }
}

#[test]
fn an_error_event_ends_even_before_subscribed() {
    let mut world = world(&settings(&["m1"]));
    world.sleep();
    world.answer(Answer::Opened("S".into()));
    let removed = Received::Error("Framework has been removed".into());
    assert_eq!(
        world.event(removed),
        ["close", "no calls", "end: the master ended the subscription: Framework has been removed"]
    );
    assert!(world.after(1000.0).is_empty());
}

#[test]
fn a_token_may_be_refused_a_few_times() {
    let mut world = world(&settings(&["m1"]));
    for _ in 0..3 {
        world.sleep();
        assert_eq!(world.answer(Answer::Status(401, String::new())), ["close"]);
    }
    world.sleep();
    let effects = world.answer(Answer::Status(401, "who?".into()));
    assert_eq!(effects[2], "end: the master refused to subscribe the framework: 401 who?");
}

#[test]
fn patience_counts_from_when_the_subscription_was_lost() {
    let mut settings = settings(&["m1"]);
    settings.patience = Some(Duration::from_secs(20));
    let mut world = world(&settings);
    world.subscribe();
    world.now += Duration::from_secs(100);
    world.ends("gone");
    let lost = world.now;
    loop {
        let (_, effects) = world.sleep();
        if effects.iter().any(|effect| effect.starts_with("end")) {
            assert_eq!(effects.last().unwrap(), "end: no subscription for 20s: refused");
            break;
        }
        world.answer(Answer::Failed("refused".into()));
    }
    assert_eq!(world.now.saturating_sub(lost), Duration::from_secs(20));
}

#[test]
fn a_call_that_finds_no_leader_moves_the_stream() {
    let mut world = world(&settings(&["m1"]));
    world.subscribe();
    let attempt = world.session.attempt;
    let effects = world.take(Input::Notice(Notice::NotLeader(attempt, "//m2:5050".into())));
    assert_eq!(effects, ["close", "no calls", "tell: lost, http://m2:5050 is the leader"]);
    assert_eq!(world.sleep().1, ["subscribe m2 F"]);
    // A late word about the earlier stream changes nothing.
    assert!(world.take(Input::Notice(Notice::NotLeader(attempt, "//m3:5050".into()))).is_empty());
}

#[test]
fn what_was_suppressed_or_updated_is_said_again() {
    let mut settings = settings(&["m1"]);
    let multi_role = v1::framework_info::capability::Type::MultiRole;
    settings.framework.capabilities = vec![v1::framework_info::Capability { r#type: Some(multi_role.into()) }];
    settings.framework.roles = vec!["a".into(), "b".into()];
    let mut world = world(&settings);
    world.subscribe();
    for (notice, expected) in [
        (Notice::Suppressed(vec!["b".into()]), "subscribe m1 F b"),
        (Notice::Suppressed(vec![]), "subscribe m1 F a,b"),
        (Notice::Revived(vec!["a".into()]), "subscribe m1 F b"),
        (Notice::Revived(vec![]), "subscribe m1 F"),
        (
            Notice::Updated(Box::new(call::UpdateFramework {
                suppressed_roles: vec!["c".into()],
                ..Default::default()
            })),
            "subscribe m1 F c",
        ),
    ] {
        world.take(Input::Notice(notice));
        world.ends("gone");
        assert_eq!(world.sleep().1, [expected]);
        world.answer(Answer::Opened("S".into()));
        world.event(subscribed(1.0));
    }
}

#[test]
fn a_stream_that_ends_by_teardown_is_not_opened_again() {
    let mut world = world(&settings(&["m1"]));
    world.subscribe();
    world.take(Input::Notice(Notice::TearingDown(true)));
    world.ends("closed");
    assert!(world.after(20.0).is_empty());
    assert_eq!(world.take(Input::Notice(Notice::TornDown)), ["no calls", "end: the framework was torn down"]);
}

#[test]
fn a_teardown_that_failed_is_forgotten() {
    let mut world = world(&settings(&["m1"]));
    world.subscribe();
    world.take(Input::Notice(Notice::TearingDown(true)));
    world.ends("closed");
    world.take(Input::Notice(Notice::TearingDown(false)));
    assert_eq!(world.sleep(), (Duration::ZERO, vec!["subscribe m1 F".to_owned()]));
}

#[test]
fn a_launch_that_was_refused_is_not_asked_for() {
    let mut world = world(&settings(&["m1"]));
    world.subscribe();
    world.take(Input::Notice(Notice::Launching(vec![task("a"), task("b")])));
    world.take(Input::Notice(Notice::NotLaunched(vec![task("a").0])));
    assert_eq!(world.session.tasks.known(), ["b"]);
}

fn any_input() -> impl Strategy<Value = (u64, u8, u8)> {
    // How long it takes, what happens, and whether it comes from the present stream.
    (0_u64..40_000, 0_u8..17, 0_u8..4)
}

proptest! {
    /// Whatever happens, in whatever order: at most one stream, the ID is never lost, calls only while subscribed,
    /// there is always a next step until the end, and nothing after it.
    #[test]
    fn any_history_keeps_the_rules(seed: u64, steps in prop::collection::vec(any_input(), 1..120)) {
        let mut settings = settings(&["m1", "m2", "m3"]);
        settings.patience = Some(Duration::from_mins(10));
        let mut session = Session::new(Policy::new(&settings), Duration::ZERO, seed);
        let mut now = Duration::ZERO;
        let (mut open, mut calls, mut known, mut ended) = (false, false, false, false);
        for (wait, what, stale) in steps {
            now += Duration::from_millis(wait);
            let attempt = super::Attempt(session.attempt.0 - u64::from(stale == 0 && session.attempt.0 > 0));
            let of_stream = |event| Input::Event(attempt, Box::new(event));
            let input = match what {
                0..=3 => Input::Time,
                4 => Input::Answer(attempt, Answer::Opened("S".into())),
                5 => Input::Answer(attempt, Answer::Redirect("//m9:5050".into())),
                6 => Input::Answer(attempt, Answer::Status(503, String::new())),
                7 => Input::Answer(attempt, Answer::Failed("refused".into())),
                8 => of_stream(subscribed(15.0)),
                9 => of_stream(Received::Heartbeat),
                10 => of_stream(update("a", v1::TaskState::TaskRunning)),
                11 => of_stream(update("a", v1::TaskState::TaskFailed)),
                12 => Input::StreamEnded(attempt, "gone".into()),
                13 => Input::Held(stale % 2 == 0),
                14 => Input::Notice(Notice::Launching(vec![task("a"), task("b")])),
                15 => Input::Notice(Notice::NotLeader(attempt, "//m8:5050".into())),
                _ if stale == 0 => of_stream(Received::Error("no".into())),
                _ => Input::Answer(attempt, Answer::Status(401, String::new())),
            };
            for effect in session.handle(now, input) {
                prop_assert!(!ended, "{effect:?} after the end");
                match effect {
                    Effect::Subscribe { call, .. } => {
                        prop_assert!(!open && !calls);
                        prop_assert_eq!(call.framework_id.is_some(), known);
                        open = true;
                    }
                    Effect::Close(closed) => {
                        prop_assert_eq!(closed, session.attempt);
                        open = false;
                    }
                    Effect::Publish(subscription) => {
                        calls = subscription.is_some();
                        known |= calls;
                    }
                    Effect::Reconcile(..) => prop_assert!(calls),
                    Effect::Deliver(Event::Update(_)) => prop_assert!(calls),
                    Effect::Deliver(_) => {}
                    Effect::End(ending) => {
                        prop_assert!(!open && !calls);
                        prop_assert!(!matches!(ending, Ended::Stopped | Ended::TornDown));
                        ended = true;
                    }
                }
            }
            prop_assert!(!calls || open);
            prop_assert_eq!(matches!(session.phase, Phase::Ended), ended);
            prop_assert!(ended || session.held || session.deadline().is_some());
        }
    }
}
