//! The driver against the master's side of the scheduler API, on real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed unwrap is a failed test")]

mod cluster;
mod encrypted;
mod failing;
mod master;
mod python;
mod subscribed;

use cluster::update;
use master::Master;
use proffer_scheduler_sdk::{BackOff, Driver, Event, Events, Scheduler, Settings, v1};
use std::time::Duration;

/// Settings with short pauses, for this master.
fn settings(url: &str) -> Settings {
    let framework = v1::FrameworkInfo { user: "me".into(), name: "tested".into(), ..Default::default() };
    let mut settings = Settings::new([url.parse().unwrap()], framework);
    settings.back_off = BackOff { min: Duration::from_millis(5), max: Duration::from_millis(50) };
    settings
}

/// A master, and a framework that is subscribed there.
async fn subscribed(change: impl FnOnce(&mut Settings)) -> (Master, Scheduler, Events) {
    let mut master = Master::start().await;
    let mut settings = settings(&master.url());
    change(&mut settings);
    let (scheduler, mut events) = Driver::start(&settings).unwrap();
    assert!(matches!(next(&mut events).await, Event::Subscribed(_)));
    master.seen_of(v1::scheduler::call::Type::Subscribe).await;
    (master, scheduler, events)
}

async fn next(events: &mut Events) -> Event {
    tokio::time::timeout(Duration::from_secs(20), events.next()).await.expect("no event came").unwrap()
}
