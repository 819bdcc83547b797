//! Some hundred clusters, each with faults of its own. `cargo xtask sim` runs more of them, and shows one in full.

use proffer_sim::{FaultKind, Options, Simulation};
use std::collections::BTreeSet;

/// Runs seeds and gives how many tasks started under how many leaders.
fn run(seeds: std::ops::Range<u64>, options: &Options) -> (usize, usize) {
    let (mut starts, mut leaders) = (0, 0);
    for seed in seeds {
        let result = Simulation::run(seed, options);
        let shown = result.as_ref().err().map(ToString::to_string);
        assert_eq!(shown, None, "to see what happened: cargo xtask sim --seed {seed} --trace");
        if let Ok(summary) = result {
            starts += summary.starts;
            leaders += summary.leaders;
        }
    }
    (starts, leaders)
}

#[test]
fn nothing_is_lost_or_started_twice_whatever_fails() {
    let (starts, leaders) = run(0..150, &Options::default());
    // Tasks did run, and leaders did fail.
    assert!(starts > 150 * 25 && leaders > 150 * 3, "{starts} starts, {leaders} leaders");
}

#[test]
fn without_faults_one_leader_runs_every_task() {
    let calm = Options { faults: Some(BTreeSet::new()), ..Options::default() };
    let (starts, leaders) = run(0..10, &calm);
    assert!(starts > 10 * 30, "{starts} starts");
    assert_eq!(leaders, 10);
}

#[test]
fn each_kind_of_fault_alone_does_no_harm() {
    for (kind, ..) in FaultKind::ALL {
        run(0..6, &Options { faults: Some(BTreeSet::from([kind])), ..Options::default() });
    }
}

#[test]
fn a_larger_cluster_is_no_different() {
    run(0..5, &Options { nodes: 12, replicas: 5, tasks: 150, ..Options::default() });
}

#[test]
fn the_same_seed_gives_the_same_run_100_of_100() {
    for seed in 1000..1100 {
        let again = |trace| Simulation::run(seed, &Options { trace, ..Options::default() });
        match (again(false), again(seed % 10 == 0)) {
            (Ok(one), Ok(other)) => assert_eq!(one, other),
            (one, other) => panic!("{one:?} {other:?}"),
        }
    }
}
