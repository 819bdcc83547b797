//! Persistent volumes of real tasks: what one leaves, the next finds, whatever becomes of the agent in between.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test that fails")]

mod world;

use proffer_agent_link::v1;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use world::World;
use world::master::shell;

macro_rules! skip_where_impossible {
    () => {
        if world::skipped().is_some() {
            return;
        }
    };
}

/// A shell command with a volume of role `eng` at a path of its sandbox.
fn with_volume(uid: &str, text: &str, id: &str, path: &str, read_only: bool) -> v1::Launch {
    let (role, id) = ("eng".to_owned(), id.to_owned());
    v1::Launch {
        volumes: vec![v1::VolumeMount { role, id, container_path: path.to_owned(), read_only }],
        ..shell(uid, text)
    }
}

fn volume(world: &World, id: &str) -> PathBuf {
    world.directory.join("work/volumes/roles/eng").join(id)
}

/// Runs a task to its end and gives its output.
async fn output(world: &World, launch: v1::Launch) -> String {
    let uid = launch.task.as_ref().unwrap().uid.clone();
    world.master.launch(launch);
    let end = world.master.end(&uid).await;
    assert_eq!(end.state, "TASK_FINISHED", "{end:?}");
    world.output(&uid, "stdout")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_task_leaves_in_a_volume_the_next_finds_also_after_the_agent_was_killed() {
    skip_where_impossible!();
    let mut world = World::start("kept", &[]).await;
    let write = with_volume("one", "echo hello > data/file; ls -ld data | cut -c1-10; id -u", "v", "data", false);
    assert_eq!(output(&world, write).await, "drwxr-xr-x\n65534\n");
    let directory = std::fs::metadata(volume(&world, "v")).unwrap();
    assert_eq!((directory.uid(), directory.gid()), (65534, 65534));
    world.restart_agent().await;
    world.master.attached().await;
    let read =
        with_volume("two", "cat /mnt/mesos/sandbox/deep/in/file; echo more >> deep/in/file", "v", "deep/in", false);
    assert_eq!(output(&world, read).await, "hello\n");
    assert_eq!(std::fs::read_to_string(volume(&world, "v").join("file")).unwrap(), "hello\nmore\n");
    // Of another name: empty.
    assert_eq!(output(&world, with_volume("three", "ls -A data | wc -l", "w", "data", false)).await, "0\n");
    for uid in ["one", "two", "three"] {
        world.wait_cleaned(uid);
    }
    assert_eq!(world.slot.all_processes(), Vec::<u32>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_volume_gives_its_tasks_no_more_than_a_directory() {
    skip_where_impossible!();
    let world = World::start("no-more", &["--allow-root-tasks"]).await;
    assert_eq!(output(&world, with_volume("make", "echo a > data/file; chmod 777 data", "v", "data", false)).await, "");
    let text = "cat data/file; echo b > data/file 2>/dev/null || echo read-only; touch data/x 2>/dev/null || echo no; \
                touch own && echo yes; grep -c ' /mnt/mesos/sandbox/data ' /proc/self/mountinfo; \
                grep ' /mnt/mesos/sandbox/data ' /proc/self/mountinfo | cut -d' ' -f6 | tr , '\\n' | grep -c -e nosuid -e nodev -e ro";
    assert_eq!(output(&world, with_volume("read", text, "v", "data", true)).await, "a\nread-only\nno\nyes\n1\n3\n");
    // Root of a task, which owns nothing: it cannot remount it, and what it makes setuid has no effect.
    let text = "mount -o remount,rw data 2>/dev/null || echo no mount; umount data 2>/dev/null || echo no umount; \
                rm -r data 2>/dev/null || echo stays";
    let mut root = with_volume("root", text, "v", "data", true);
    root.command.as_mut().unwrap().user = "root".to_owned();
    assert_eq!(output(&world, root).await, "no mount\nno umount\nstays\n");
    assert_eq!(std::fs::read_to_string(volume(&world, "v").join("file")).unwrap(), "a\n");
    // A link that a task left leads the next nowhere but where it could go anyway, and the agent not at all.
    let link = "ln -s /etc data/link; ln -s ../../.. data/up; ls data/link | grep -c passwd";
    assert_eq!(output(&world, with_volume("link", link, "v", "data", false)).await, "1\n");
    assert_eq!(world.master.destroy_volume("v").await, "");
    assert!(!volume(&world, "v").exists() && std::path::Path::new("/etc/passwd").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_tasks_share_a_volume_and_it_goes_when_none_uses_it() {
    skip_where_impossible!();
    let mut world = World::start("shared", &[]).await;
    let master = world.master.clone();
    let writes = with_volume("writes", "echo hello > data/file; while :; do sleep 0.1; done", "v", "data", false);
    let waits = with_volume("waits", "while [ ! -s data/file ]; do sleep 0.02; done; cat data/file", "v", "data", true);
    master.launch(waits);
    master.status("waits", "TASK_RUNNING").await;
    master.launch(writes);
    assert_eq!(master.end("waits").await.state, "TASK_FINISHED");
    assert_eq!(world.output("waits", "stdout"), "hello\n");
    master.status("writes", "TASK_RUNNING").await;

    assert_eq!(master.destroy_volume("v").await, "task default/task-writes (writes) uses volume \"v\"");
    world.restart_agent().await;
    assert_eq!(master.destroy_volume("v").await, "task default/task-writes (writes) uses volume \"v\"");
    assert!(volume(&world, "v").join("file").exists());
    master.kill("writes", Some(std::time::Duration::ZERO));
    assert_eq!(master.end("writes").await.state, "TASK_KILLED");
    assert_eq!((master.destroy_volume("v").await, master.destroy_volume("v").await), (String::new(), String::new()));
    assert!(!volume(&world, "v").exists());
    assert_eq!(std::fs::read_dir(world.directory.join("work/volumes/gone")).unwrap().count(), 0);
    assert_eq!(output(&world, with_volume("anew", "ls -A data | wc -l", "v", "data", false)).await, "0\n");
    assert_eq!(master.destroy_volume("../v").await, "the volume's id \"../v\" cannot be part of a path");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_volume_that_cannot_be_mounted_is_told_and_leaves_nothing() {
    skip_where_impossible!();
    let world = World::start("refused", &[]).await;
    std::fs::create_dir_all(volume(&world, "")).unwrap();
    std::os::unix::fs::symlink("/etc", volume(&world, "link")).unwrap();
    for (uid, launch, state, text) in [
        ("up", with_volume("up", "true", "v", "../up", false), "TASK_ERROR", "write a path below the sandbox"),
        ("etc", with_volume("etc", "true", "v", "/etc", false), "TASK_ERROR", "write a path below the sandbox"),
        ("id", with_volume("id", "true", "a/b", "data", false), "TASK_ERROR", "cannot be part of a path"),
        ("link", with_volume("link", "true", "link", "data", false), "TASK_FAILED", "mounting its volume \"link\""),
    ] {
        world.master.launch(launch);
        let end = world.master.end(uid).await;
        assert_eq!(end.state, state, "{end:?}");
        assert!(end.message.contains(text), "{end:?}");
        world.wait_cleaned(uid);
    }
    assert_eq!(world.slot.leftovers(), Vec::<PathBuf>::new());
}
