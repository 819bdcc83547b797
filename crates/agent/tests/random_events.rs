//! Whatever happens in whatever order, with crashes and power cuts at any point: no task starts twice, none is lost,
//! and every end is told until it is acknowledged.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test that fails")]

mod bench_node;

use bench_node::{Life, Node, order, order_with};
use proffer_agent::{Event, LaunchFailure, MasterCall, VolumeId};
use proffer_mesos_api::TaskState;
use proptest::prelude::*;
use std::time::Duration;

/// Tasks that are launched as one.
const GROUP: [&str; 2] = ["t6", "t7"];

#[derive(Clone, Debug)]
enum Step {
    Launch(u8),
    Kill(u8),
    Acknowledge(u8),
    Sync,
    Spawned,
    SpawnFailed,
    Exits(u8, i32),
    DestroyVolume,
    VolumeRemoved,
    /// It ends while no agent looks.
    DiesUnseen(u8),
    Pass(u16),
    Disconnect,
    Connect,
    Crash,
    PowerCut,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0u8..8).prop_map(Step::Launch),
        2 => (0u8..8).prop_map(Step::Kill),
        6 => (0u8..8).prop_map(Step::Acknowledge),
        8 => Just(Step::Sync),
        6 => Just(Step::Spawned),
        1 => Just(Step::SpawnFailed),
        4 => ((0u8..8), 0i32..3).prop_map(|(task, code)| Step::Exits(task, code)),
        1 => (0u8..8).prop_map(Step::DiesUnseen),
        2 => Just(Step::DestroyVolume),
        2 => Just(Step::VolumeRemoved),
        2 => (1u16..20_000).prop_map(Step::Pass),
        1 => Just(Step::Disconnect),
        2 => Just(Step::Connect),
        2 => Just(Step::Crash),
        1 => Just(Step::PowerCut),
    ]
}

/// What a master does: it launches only what it has not, and says again what may have been lost.
#[derive(Default)]
struct Master {
    launched: std::collections::BTreeSet<String>,
    connected: bool,
    epoch: u64,
}

fn run(steps: &[Step]) -> Result<(), TestCaseError> {
    let mut node = Node::ready();
    let mut master = Master { connected: true, epoch: 1, ..Master::default() };
    let uid = |task: u8| format!("t{task}");
    for step in steps {
        match step {
            Step::Launch(task) if master.connected => {
                // A sandbox is kept for an hour here, and no test lasts as long: an earlier launch is always known.
                let group = GROUP.contains(&uid(*task).as_str());
                master.launched.extend(if group { GROUP.map(ToOwned::to_owned).to_vec() } else { vec![uid(*task)] });
                launch(&mut node, &uid(*task));
            }
            // A master kills what it has launched.
            Step::Kill(task) if master.connected && master.launched.contains(&uid(*task)) => node.kill(&uid(*task)),
            Step::Acknowledge(task) if master.connected => node.acknowledge(&uid(*task)),
            Step::Sync => node.sync(),
            Step::Spawned => node.spawned(),
            Step::SpawnFailed => node.spawn_failed(LaunchFailure::CommandNotFound("x".into())),
            Step::Exits(task, code) => node.exits(&uid(*task), *code),
            Step::DestroyVolume if master.connected => {
                let volume = VolumeId { role: "eng".into(), id: "v".into() };
                node.master(node.agent.epoch(), MasterCall::DestroyVolume(volume));
            }
            Step::VolumeRemoved => node.volume_removed(None),
            Step::DiesUnseen(task) => {
                if let Some(life @ Life::Runs(_)) = node.lives.get_mut(&uid(*task)) {
                    *life = Life::Ended(9);
                    node.crash(false);
                    master.connected = false;
                }
            }
            Step::Pass(millis) => node.pass(Duration::from_millis(u64::from(*millis))),
            Step::Disconnect => {
                node.happens(Event::Disconnected);
                master.connected = false;
            }
            Step::Connect => {
                master.epoch += 1;
                connect(&mut node, &mut master);
            }
            Step::Crash | Step::PowerCut => {
                node.crash(matches!(step, Step::PowerCut));
                master.connected = false;
            }
            _ => {}
        }
        for (uid, starts) in &node.starts {
            prop_assert!(*starts <= 1, "{uid} was started {starts} times");
        }
        let [one, other] = GROUP;
        prop_assert_eq!(node.agent.knows(one), node.agent.knows(other), "half a group is there");
    }
    settle(&mut node, &mut master);
    // Faults are over. What the master launched is running, or over and known to be so.
    for uid in &master.launched {
        let told = node.updates(uid);
        let runs = matches!(node.lives.get(uid), Some(Life::Runs(_)));
        let last = told.last().map(|update| update.status.state);
        prop_assert!(last.is_some_and(|state| state.is_terminal() != runs), "{uid}: runs {runs}, was told {last:?}");
        let starts = node.starts.get(uid).copied().unwrap_or_default();
        prop_assert!(starts <= 1, "{uid} was started {starts} times");
        // Never back from an end.
        let first_end = told.iter().position(|update| update.status.state.is_terminal()).unwrap_or(told.len());
        prop_assert!(
            told[first_end..].iter().all(|update| update.status.state == told[first_end].status.state),
            "{told:#?}"
        );
    }
    prop_assert_eq!(node.agent.unacknowledged(), 0);
    for (one, other) in [(GROUP[0], GROUP[1]), (GROUP[1], GROUP[0])] {
        let ended_badly = node
            .updates(one)
            .iter()
            .any(|update| matches!(update.status.state, TaskState::Failed | TaskState::Killed | TaskState::Error));
        if ended_badly && matches!(node.lives.get(other), Some(Life::Runs(_))) {
            prop_assert!(node.signals.iter().any(|(uid, _)| uid == other), "{one} ended badly and {other} goes on");
        }
    }
    Ok(())
}

/// Half of the tasks use a volume, the same one; two are a group.
fn launch(node: &mut Node, uid: &str) {
    if GROUP.contains(&uid) {
        node.launch_group(&GROUP);
        return;
    }
    let with_volume = ["t3", "t4", "t5"].contains(&uid);
    node.launch_order(if with_volume { order_with(uid, "v") } else { order(uid) });
}

fn connect(node: &mut Node, master: &mut Master) {
    node.happens(Event::Disconnected);
    node.connect(master.epoch);
    node.happens(Event::SlotAttached { pod_uid: "slot-1".into(), pod_ip: "10.0.0.1".into() });
    master.connected = true;
    // What it does not know to be there, it says again.
    for uid in &master.launched {
        launch(node, uid);
    }
}

fn settle(node: &mut Node, master: &mut Master) {
    connect(node, master);
    for _ in 0..20 {
        node.sync();
        node.spawned();
        for uid in master.launched.clone() {
            node.acknowledge(&uid);
        }
    }
    node.sync();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn nothing_is_lost_and_nothing_runs_twice(steps in prop::collection::vec(step(), 1..60)) {
        run(&steps)?;
    }
}
