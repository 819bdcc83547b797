//! Proves that the simulation finds what it is for: each of these defects, planted into the master, the agent or the
//! model of the shells round them, shows within a thousand seeds, and the failing run can be made small and run again.

use proffer_agent::Planted as InAgent;
use proffer_master::Planted as InMaster;
use proffer_sim::{Failure, Options, Planted, Simulation, reduce};

/// The first of a thousand seeds that shows a defect.
fn first(planted: Planted) -> Option<Failure> {
    let options = Options { planted: Some(planted), ..Options::default() };
    (0..1000).find_map(|seed| Simulation::run(seed, &options).err()).map(|failure| *failure)
}

/// A test a defect: it is found, and what it breaks is one of these invariants.
macro_rules! is_found {
    ($($name:ident: $planted:expr => $invariants:expr;)*) => {$(
        #[test]
        fn $name() {
            let failure = first($planted).expect("a thousand seeds find it");
            assert!($invariants.contains(&failure.problem.invariant), "{failure}");
        }
    )*};
}

is_found! {
    agents_and_masters_that_check_no_epoch: Planted::ChecksNoEpoch => ["I8"];
    an_agent_that_forgets_its_epoch: Planted::Agent(InAgent::ForgetsEpoch) => ["I8"];
    an_end_told_before_it_is_on_disk: Planted::Agent(InAgent::TellsBeforeCheckpoint) => ["I4"];
    a_start_before_the_launch_is_on_disk: Planted::Agent(InAgent::SpawnsBeforeCheckpoint) => ["I2"];
    a_restart_that_starts_tasks_again: Planted::Agent(InAgent::RestartsAsNew) => ["I2"];
    an_update_dropped_before_it_was_told: Planted::Agent(InAgent::DropsUntoldUpdate) => ["I1", "I4"];
    an_acknowledgement_before_the_end_is_durable: Planted::Master(InMaster::AcknowledgesBeforeWrite) => ["I4"];
    a_launch_before_its_place_is_durable: Planted::Master(InMaster::LaunchesBeforeWrite) => ["I2", "I1"];
    an_offer_taken_back_in_silence: Planted::Master(InMaster::ForgetsRescind) => ["I7", "I9"];
    resources_offered_twice: Planted::Master(InMaster::OffersTwice) => ["I7"];
    resources_kept_after_their_offer: Planted::Master(InMaster::KeepsOffered) => ["I7"];
    an_agent_unreachable_too_early: Planted::Master(InMaster::UnreachableTooEarly) => ["I6"];
    a_finalizer_taken_off_at_the_kill: Planted::Master(InMaster::ReleasesAtKill) => ["I12", "I3"];
    offers_of_an_agent_that_may_obey_another: Planted::Master(InMaster::OffersBeforeConfirmation) => ["I8"];
    a_lost_launch_forgotten: Planted::Master(InMaster::ForgetsLostLaunch) => ["I1"];
    a_lost_kill_forgotten: Planted::Master(InMaster::ForgetsLostKill) => ["I12", "I1"];
    a_placement_by_the_leader_before_not_believed: Planted::Master(InMaster::ForgetsForeignPlacement) => ["I1", "I2", "I4"];
    a_stale_list_trusted: Planted::TrustsStaleList => ["I1", "I2", "I4", "I12"];
    a_lost_reply_taken_for_done: Planted::TakesLostReplyForDone => ["I1", "I4", "I11"];
    a_lease_written_unseen: Planted::WritesLeaseUnseen => ["I8"];
    a_watch_that_goes_back_in_time: Planted::GoesBackInTime => ["I4", "I14"];
    a_status_written_over_another_leaders: Planted::OverwritesUnseen => ["I5", "I2", "I1"];
    a_disk_that_is_not_waited_for: Planted::ActsBeforeSync => ["I2", "I4", "I8"];
}

#[test]
fn a_failing_run_is_made_small_and_runs_again_to_the_same_hash() {
    let planted = Planted::Agent(InAgent::RestartsAsNew);
    let failure = first(planted).expect("a thousand seeds find it");
    let options = Options { planted: Some(planted), ..Options::default() };
    let reduced = reduce(failure.seed, &options, "I2").expect("it fails");
    assert!(reduced.failure.steps.len() <= 12, "{:?}", reduced.failure.steps);
    assert!(reduced.failure.telling_lines().len() < 100);
    let again = Simulation::run(failure.seed, &reduced.options).expect_err("it fails again");
    assert_eq!(*again, reduced.failure);
    let untraced = Options { trace: false, ..reduced.options };
    assert_eq!(Simulation::run(failure.seed, &untraced).expect_err("it fails again").hash, again.hash);
}
