//! `proffer-init`: runs one task for the agent; `proffer-init pause`: the program of the slot pod.

mod output;
mod pause;
mod privileges;
mod root;
mod seccomp;
mod task;

use proffer_init::spec::Job;
use std::io::Read;
use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args_os().nth(1) {
        Some(word) if word == "pause" => pause::run(),
        Some(_) => ExitCode::from(64),
        None => run_job(),
    }
}

/// Reads the job from standard input and does it.
fn run_job() -> ExitCode {
    let mut text = Vec::new();
    let job = std::io::stdin().lock().read_to_end(&mut text).ok().and_then(|_| serde_json::from_slice(&text).ok());
    drop(text);
    match job {
        Some(Job::Template(template)) => root::serve_template(&template),
        Some(Job::Task(task)) => task::run(&task),
        None => ExitCode::from(64),
    }
}
