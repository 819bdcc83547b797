//! Random lives of a cluster: objects, agents, offers, failing writes, lost connections, crashes of the leader and the
//! last writes of dead leaders. After every event the master's own invariants must hold; no task starts twice, none
//! rises from the dead, nothing is acknowledged that is not durable; and once the faults are over, everything is as
//! the objects want it and stays so.

#![expect(clippy::panic, reason = "a test that cannot go on has failed")]

mod agent;
mod cluster;
mod oracle;
mod reservations;
mod step;

use cluster::Cluster;
use proptest::prelude::*;

proptest! {
    // PROPTEST_CASES asks for more.
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases.max(2000),
        max_shrink_iters: 20_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_happens_the_invariants_hold(steps in proptest::collection::vec(step::any_step(), 1..70)) {
        let mut cluster = Cluster::new();
        for step in steps {
            cluster.step(&step);
        }
        cluster.heal();
        cluster.check_final_state();
    }
}
