//! What an init could not do, in terms of its task.

use proffer_agent::LaunchFailure;
use proffer_init::spec::{SetupFailure, Step};
use std::io;

const ENOENT: i32 = 2;
const E2BIG: i32 = 7;

/// The failure in terms of the task.
pub(crate) fn translate(failure: &SetupFailure) -> LaunchFailure {
    match (failure.step, failure.errno) {
        (Step::ExecCommand, ENOENT) => LaunchFailure::CommandNotFound(failure.subject.clone()),
        (Step::ExecCommand, E2BIG) => LaunchFailure::EnvironmentTooLarge,
        (Step::ExecCommand, errno) => LaunchFailure::CommandNotExecutable(failure.subject.clone(), kernel_says(errno)),
        (Step::AlreadyStarted, _) => LaunchFailure::AlreadyStarted,
        (step, errno) => LaunchFailure::Setup(name(step).to_owned(), about(&failure.subject, errno)),
    }
}

/// The failure in words.
pub(crate) fn describe(failure: &SetupFailure) -> String {
    format!("{}: {}", name(failure.step), about(&failure.subject, failure.errno))
}

fn about(subject: &str, errno: i32) -> String {
    if subject.is_empty() { kernel_says(errno) } else { format!("{subject}: {}", kernel_says(errno)) }
}

fn kernel_says(errno: i32) -> String {
    io::Error::from_raw_os_error(errno).to_string()
}

fn name(step: Step) -> &'static str {
    match step {
        Step::Clone => "creating its process",
        Step::EnterCgroup => "entering its cgroup",
        Step::ExecInit => "executing its init",
        Step::ReadJob => "handing over what to do",
        Step::Dismissed => "waiting for its start",
        Step::AlreadyStarted => "it was started before",
        Step::JoinNamespaces => "joining the slot's namespaces",
        Step::MakeRoot => "mounting its root",
        Step::OpenOutput => "opening its output files",
        Step::DropPrivileges => "becoming its user",
        Step::ExecCommand => "executing its command",
    }
}
