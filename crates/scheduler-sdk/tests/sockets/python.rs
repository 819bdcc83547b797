//! The framework in Python against the same master.

use crate::cluster::play;
use crate::master::{Master, Reply};
use std::path::Path;
use std::process::{Command, Stdio};

#[tokio::test]
async fn the_python_framework_runs_its_copies_and_comes_back() {
    // No Python, nothing to try.
    if Command::new("python3").arg("--version").output().is_err() {
        return;
    }
    let mut master = Master::start().await;
    let standby = Master::start().await;
    standby.answer_subscribe([
        Reply::Status(503, "No leader elected"),
        Reply::Redirect(format!("//{}/api/v1/scheduler", master.address)),
    ]);
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/python-framework/framework.py");
    let child = Command::new("python3")
        .arg(program)
        .args(["--master", &standby.url(), "--copies", "2", "true"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // After the stream is lost, the standby is asked first; it knows the leader.
    standby.answer_subscribe([Reply::Redirect(format!("//{}", master.address))]);
    let outcome = play(&mut master).await;
    let output = tokio::task::spawn_blocking(move || child.wait_with_output()).await.unwrap().unwrap();
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}{errors}");
    assert!(text.ends_with("2 of 2 copies finished\n"), "{text}{errors}");
    assert!(text.contains("copy-1-1: TASK_FAILED") && text.contains("copy-1-2: TASK_FINISHED"), "{text}{errors}");
    assert_eq!(outcome.subscribed, 2, "{text}");
    assert!(outcome.revived == 1 && outcome.reconciled >= 1, "{outcome:?}");
}
