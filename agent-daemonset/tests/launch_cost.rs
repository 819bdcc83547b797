//! What a launch costs, printed and not judged: machines differ, and this one may be busy.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test that fails")]

mod world;

use std::time::{Duration, Instant};
use world::World;
use world::master::shell;

const LAUNCHES: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cost_of_a_launch_is_printed() {
    if world::skipped().is_some() {
        return;
    }
    let world = World::start("cost", &[]).await;
    let mut took: Vec<Duration> = Vec::with_capacity(LAUNCHES);
    let mut steps: Vec<(u64, u64)> = Vec::with_capacity(LAUNCHES);
    for index in 0..LAUNCHES {
        let uid = format!("one-{index}");
        let begin = Instant::now();
        world.master.launch(shell(&uid, "true"));
        let running = world.master.status(&uid, "TASK_RUNNING").await;
        took.push(begin.elapsed());
        let times = running.launch_times.unwrap();
        steps.push((times.checkpoint_micros, times.spawn_micros));
        world.master.end(&uid).await;
    }
    took.sort();
    let (mut checkpoints, mut spawns): (Vec<u64>, Vec<u64>) = steps.into_iter().unzip();
    checkpoints.sort_unstable();
    spawns.sort_unstable();
    let at = |share: usize| LAUNCHES * share / 100;
    println!("one at a time, launch to TASK_RUNNING: p50 {:?}, p99 {:?}", took[at(50)], took[at(99)]);
    println!(
        "  of which checkpoint p50 {} us, p99 {} us; spawn p50 {} us, p99 {} us",
        checkpoints[at(50)],
        checkpoints[at(99)],
        spawns[at(50)],
        spawns[at(99)]
    );

    let begin = Instant::now();
    let before = world.cpu_time();
    let uids: Vec<String> = (0..LAUNCHES).map(|index| format!("many-{index}")).collect();
    for uid in &uids {
        world.master.launch(shell(uid, "true"));
    }
    for uid in &uids {
        world.master.end(uid).await;
    }
    let elapsed = begin.elapsed();
    let agent = world.cpu_time().saturating_sub(before);
    let count = u32::try_from(LAUNCHES).unwrap();
    println!(
        "{LAUNCHES} at once, launch to the acknowledged end: {elapsed:?}, {:.0} a second, {:?} of the agent's CPU time each",
        f64::from(count) / elapsed.as_secs_f64(),
        agent / count
    );
}
