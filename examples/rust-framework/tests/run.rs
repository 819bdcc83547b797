//! The framework against a master on a real socket.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed unwrap is a failed test")]

#[path = "../../../crates/scheduler-sdk/tests/sockets/cluster.rs"]
mod cluster;
#[path = "../../../crates/scheduler-sdk/tests/sockets/master.rs"]
mod master;

use cluster::play;
use master::{Master, Reply};
use std::process::{Command, Stdio};

#[tokio::test]
async fn runs_its_copies_and_comes_back() {
    let mut master = Master::start().await;
    let standby = Master::start().await;
    let leader = || Reply::Redirect(format!("//{}/api/v1/scheduler", master.address));
    // After the stream is lost, the standby is asked again; it knows the leader.
    standby.answer_subscribe([Reply::Status(503, "No leader elected"), leader(), leader()]);
    let child = Command::new(env!("CARGO_BIN_EXE_rust-framework"))
        .args(["--master", &standby.url(), "--copies", "2", "true"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let outcome = play(&mut master).await;
    let output = tokio::task::spawn_blocking(move || child.wait_with_output()).await.unwrap().unwrap();
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}{errors}");
    assert!(text.ends_with("2 of 2 copies finished\n"), "{text}{errors}");
    assert!(text.contains("copy-1-1: TASK_FAILED") && text.contains("copy-1-2: TASK_FINISHED"), "{text}{errors}");
    assert_eq!(outcome.subscribed, 2, "{text}");
    assert!(outcome.revived == 1 && outcome.reconciled == 2, "{outcome:?}");
}
