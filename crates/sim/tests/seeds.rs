//! Some hundred clusters, each with faults of its own. `PROFFER_SIM_SEEDS` asks for more, `PROFFER_SIM_SEED` for one
//! with everything that happened in it.

use proffer_sim::{Options, Simulation};

#[expect(clippy::disallowed_methods, reason = "how many seeds to run is asked for from outside")]
fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn no_task_is_lost_or_started_twice_whatever_fails() {
    if let Some(seed) = number("PROFFER_SIM_SEED") {
        let options = Options { trace: true, ..Options::default() };
        match Simulation::run(seed, &options) {
            Ok(summary) => println!("{summary:?}"),
            Err(failure) => panic!("{failure}"),
        }
        return;
    }
    let (mut starts, mut leaders) = (0, 0);
    for seed in 0..number("PROFFER_SIM_SEEDS").unwrap_or(200) {
        match Simulation::run(seed, &Options::default()) {
            Ok(summary) => {
                starts += summary.starts;
                leaders += summary.leaders;
            }
            Err(failure) => {
                panic!("{failure}\nto see what happened: PROFFER_SIM_SEED={seed} cargo test -p proffer-sim")
            }
        }
    }
    println!("{starts} tasks started under {leaders} leaders");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in [1, 2, 3] {
        let run = || Simulation::run(seed, &Options::default());
        match (run(), run()) {
            (Ok(one), Ok(other)) => assert_eq!(one, other),
            (one, other) => panic!("{one:?} {other:?}"),
        }
    }
}
