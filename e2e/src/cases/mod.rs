//! What is tested on a real cluster: one function a case, told as a sentence by its name.

mod agent_restart;
mod bad_input;
mod deletion;
mod failover;
mod http_access;
pub mod lab;
mod maintenance;
mod mesos_go;
mod node_loss;
mod nodes;
mod offers;
mod operator;
mod operator_changes;
mod reservations;
mod roles;
mod scheduler;
mod slot;
mod tasks;

use anyhow::Result;

use self::lab::Lab;

/// One case.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// `<file>::<function>`.
    pub name: &'static str,
    /// What is done; an error is a failed case.
    pub run: fn(&Lab) -> Result<()>,
}

/// Names each function by its path, so that a reader finds it.
macro_rules! cases {
    ($($file:ident::$function:ident,)+) => {
        &[$(Case { name: concat!(stringify!($file), "::", stringify!($function)), run: $file::$function },)+]
    };
}

/// Every case, in the order in which they run: the gentle ones first.
pub const CASES: &[Case] = cases![
    nodes::every_node_reaches_services_by_name,
    nodes::clusters_live_side_by_side,
    tasks::a_task_runs_to_its_end,
    tasks::a_failure_shows_exit_code_and_reason,
    tasks::a_memory_limit_is_told,
    tasks::deleting_a_task_ends_it,
    offers::the_example_runs_as_it_stands,
    offers::a_filter_holds_until_it_ends,
    offers::an_unanswered_offer_expires,
    offers::terms_and_replies_are_fixed,
    operator::endpoints_tell_what_objects_tell,
    operator::events_follow_a_task,
    scheduler::the_python_framework_runs_as_it_stands,
    scheduler::the_rust_framework_runs_as_it_stands,
    scheduler::a_task_group_ends_as_one,
    bad_input::an_unknown_framework_is_named,
    bad_input::bad_quantities_are_refused,
    bad_input::more_than_any_agent_has_is_told,
    bad_input::bad_commands_and_users_are_told,
    bad_input::bad_names_are_refused,
    bad_input::a_megabyte_of_environment_is_told,
    bad_input::a_user_who_may_not_is_refused,
    bad_input::bad_replies_are_told,
    bad_input::a_poisoned_object_stops_nobody,
    http_access::nobody_is_let_in_without_credentials,
    http_access::a_token_may_do_what_a_role_binding_says,
    http_access::principals_follow_their_secret,
    reservations::a_reservation_that_cannot_be_says_why,
    reservations::a_reservation_keeps_others_out,
    reservations::a_volume_outlives_its_task_and_its_agent,
    slot::kube_scheduler_counts_the_slot,
    slot::tasks_never_exceed_the_slot,
    slot::a_resize_changes_what_is_offered,
    roles::weights_share_the_cluster_one_to_three,
    roles::a_quota_limit_holds,
    roles::a_quota_that_cannot_be_is_told,
    roles::why_there_are_no_offers_is_told,
    maintenance::a_deactivated_node_keeps_its_tasks,
    maintenance::a_drained_node_is_emptied_and_used_again,
    maintenance::a_maintenance_asks_frameworks_first,
    operator_changes::weights_and_quota_are_objects,
    operator_changes::an_agent_is_drained_over_http,
    operator_changes::a_machine_goes_down_and_up_over_http,
    operator_changes::a_volume_is_made_and_destroyed_over_http,
    operator_changes::an_agent_is_marked_gone_over_http,
    deletion::deleting_a_framework_ends_what_it_has,
    deletion::deleting_a_namespace_does_not_hang,
    mesos_go::msh_runs_commands,
    mesos_go::mwatch_follows_the_master,
    mesos_go::mesos_go_meets_the_next_leader,
    agent_restart::tasks_outlive_their_agent,
    failover::a_leader_that_slept_exits,
    failover::tasks_go_on_while_leaders_are_killed,
    node_loss::a_node_loses_its_network,
    node_loss::a_node_loses_power,
    deletion::what_was_uninstalled_installs_again,
    deletion::uninstalling_leaves_the_cluster_as_it_was,
];
