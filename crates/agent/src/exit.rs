//! What the end of a command means for its task.

use crate::agent::Agent;
use crate::event::{Exit, Now, Outcome};
use crate::launch::{ended, refusal};
use crate::message::{Order, Status};
use crate::task::Phase;
use proffer_mesos_api::{Reason, TaskState};
use proffer_resources::{Amount, quantity};

/// The shell's exit code for a command that it did not find.
const NOT_FOUND: i32 = 127;
/// The shell's exit code for a command that it could not execute.
const NOT_EXECUTABLE: i32 = 126;

impl Agent {
    /// A task's init is gone.
    pub(crate) fn exited(&mut self, now: Now, uid: &str, exit: &Exit) {
        let Some(task) = self.tasks.get(uid) else {
            return;
        };
        if matches!(task.phase, Phase::Running(_)) {
            let status = describe(now, &task.order, task.killing.is_some(), exit);
            self.finish(now, uid, status);
        }
    }
}

/// The terminal status for an end.
pub(crate) fn describe(now: Now, order: &Order, killed: bool, exit: &Exit) -> Status {
    let mut status = ended(now, TaskState::Failed);
    status.at_micros = exit.at_micros.unwrap_or(now.wall_micros);
    match &exit.outcome {
        Outcome::Exited(code) => {
            status.exit_code = Some(*code);
            status.message = format!("Command exited with status {code}{}", hint(*code));
        }
        Outcome::Signaled(signal) => {
            status.signal = Some(*signal);
            status.message = format!("Command terminated with signal {}", signal_name(*signal));
        }
        Outcome::Failed(failure) if !killed => {
            return Status { at_micros: status.at_micros, ..refusal(now, failure) };
        }
        Outcome::Failed(failure) => status.message = failure.message(),
        Outcome::Unknown { hint } => status.message = format!("the task ended without a status: {hint}"),
    }
    let succeeded = exit.outcome == Outcome::Exited(0);
    match (&exit.outcome, exit.out_of_memory) {
        // Mesos reports what was asked to end as killed, whatever it made of that.
        _ if killed => status.state = TaskState::Killed,
        (_, out_of_memory) if succeeded => {
            status.state = TaskState::Finished;
            // A pipeline's status is that of its last command, a server may have lost a worker: worth saying.
            if out_of_memory.is_some() {
                status.message.push_str(", though the kernel ended a process of it for want of memory");
            }
        }
        (_, Some(out_of_memory)) => {
            status.reason = Some(Reason::ContainerLimitationMemory);
            status.message = format!("{} ({})", memory_message(order, out_of_memory.limit_bytes), status.message);
        }
        (Outcome::Unknown { .. }, None) => status.reason = Some(Reason::ExecutorTerminated),
        _ => status.reason = Some(Reason::CommandExecutorFailed),
    }
    status
}

fn memory_message(order: &Order, limit_bytes: u64) -> String {
    if limit_bytes == 0 {
        return "Out of memory: the kernel ended a process of the task, which was within its own limit; the slot or the node was full"
            .to_owned();
    }
    let limit = quantity::format_mib(Amount::from_thousandths(
        u64::try_from(u128::from(limit_bytes) * 1000 / (1024 * 1024)).unwrap_or(u64::MAX),
    ));
    let what = if order.mem_limit.is_some() { "limit" } else { "request, which is its limit," };
    format!(
        "Memory limit {limit} reached: the kernel ended a process of the task; raise its memory {what} or make it use less"
    )
}

/// What an exit code of a shell usually means.
fn hint(code: i32) -> &'static str {
    match code {
        NOT_FOUND => " (from a shell: it did not find the program; see stderr in the sandbox)",
        NOT_EXECUTABLE => " (from a shell: it could not execute the program; see stderr in the sandbox)",
        _ => "",
    }
}

/// `SIGKILL (9)`; only the number where the name differs between systems.
fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        _ => return signal.to_string(),
    };
    format!("{name} ({signal})")
}
