//! Real tasks, run by the real agent in a slot of real cgroups and namespaces: what they get and how they end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test that fails")]

mod world;

use proffer_agent_link::v1;
use std::time::{Duration, Instant};
use world::World;
use world::master::shell;

macro_rules! skip_where_impossible {
    () => {
        if world::skipped().is_some() {
            return;
        }
    };
}

/// A task and how it should end: UID, launch, state, reason, part of the message, exit code.
type Case = (&'static str, v1::Launch, &'static str, &'static str, &'static str, Option<i32>);

fn program(uid: &str, value: &str, arguments: &[&str]) -> v1::Launch {
    let mut launch = shell(uid, value);
    let command = launch.command.as_mut().unwrap();
    command.shell = false;
    command.arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    launch
}

fn with_user(uid: &str, user: &str) -> v1::Launch {
    let mut launch = shell(uid, "id");
    user.clone_into(&mut launch.command.as_mut().unwrap().user);
    launch
}

fn with_variable(uid: &str, name: &str, value: String) -> v1::Launch {
    let mut launch = shell(uid, "true");
    launch.command.as_mut().unwrap().environment = vec![v1::EnvironmentVariable { name: name.to_owned(), value }];
    launch
}

fn with_memory(uid: &str, text: &str, mib: u64) -> v1::Launch {
    let mut launch = shell(uid, text);
    launch.resources.as_mut().unwrap().mem_thousandths = mib * 1000;
    launch
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hello_world_runs_and_its_output_is_kept() {
    skip_where_impossible!();
    let world = World::start("hello", &[]).await;
    world.master.launch(shell("hello", "echo hello world; echo oops >&2"));
    let running = world.master.status("hello", "TASK_RUNNING").await;
    let end = world.master.end("hello").await;
    assert_eq!((end.state.as_str(), end.exit_code), ("TASK_FINISHED", Some(0)), "{end:?}");
    assert!(running.pid.is_some() && running.launch_times.is_some());
    assert_eq!(world.output("hello", "stdout"), "hello world\n");
    assert_eq!(world.output("hello", "stderr"), "oops\n");
    assert_eq!(end.sandbox, world.sandbox("hello").display().to_string());
    assert_eq!(world.master.tokens(), ["Bearer token-of-the-test"]);
    world.wait_cleaned("hello");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_end_is_told_with_its_reason() {
    skip_where_impossible!();
    let world = World::start("ends", &[]).await;
    let hog = "x=$(head -c 64m /dev/zero | tr '\\0' x); echo ${#x}";
    let failed = "REASON_COMMAND_EXECUTOR_FAILED";
    let not_launched = "REASON_CONTAINER_LAUNCH_FAILED";
    let cases: Vec<Case> = vec![
        ("ok", program("ok", "/bin/echo", &["echo", "a b"]), "TASK_FINISHED", "", "status 0", Some(0)),
        ("found-in-path", program("found-in-path", "true", &["true"]), "TASK_FINISHED", "", "", Some(0)),
        ("three", shell("three", "exit 3"), "TASK_FAILED", failed, "status 3", Some(3)),
        ("absent", shell("absent", "no-such-program"), "TASK_FAILED", failed, "did not find the program", Some(127)),
        ("segv", shell("segv", "kill -SEGV $$"), "TASK_FAILED", failed, "SIGSEGV (11)", None),
        ("exec", program("exec", "no-such", &["x"]), "TASK_FAILED", not_launched, "\"no-such\" does not exist", None),
        ("dir", program("dir", "/bin", &["bin"]), "TASK_FAILED", not_launched, "Permission denied", None),
        ("hog", with_memory("hog", hog, 32), "TASK_FAILED", "REASON_CONTAINER_LIMITATION_MEMORY", "limit 32Mi", None),
        ("tiny", with_memory("tiny", "true", 0), "TASK_FAILED", not_launched, "memory limit is too small", None),
        ("who", with_user("who", "who"), "TASK_FAILED", not_launched, "user \"who\" does not exist", None),
        ("root", with_user("root", "root"), "TASK_ERROR", "REASON_TASK_UNAUTHORIZED", "may not run as root", None),
        ("zero", with_user("zero", "0"), "TASK_ERROR", "REASON_TASK_UNAUTHORIZED", "may not run as root", None),
        ("empty", shell("empty", " "), "TASK_ERROR", "REASON_TASK_INVALID", "command is empty", None),
        ("name", with_variable("name", "A=B", String::new()), "TASK_ERROR", "REASON_TASK_INVALID", "\"A=B\"", None),
        (
            "long",
            with_variable("long", "A", "x".repeat(1 << 20)),
            "TASK_ERROR",
            "REASON_TASK_INVALID",
            "too large",
            None,
        ),
        ("../up", shell("../up", "true"), "TASK_ERROR", "REASON_TASK_INVALID", "cannot be part of a path", None),
    ];
    for (_, launch, ..) in &cases {
        world.master.launch(launch.clone());
    }
    for (uid, _, state, reason, message, exit_code) in cases {
        let end = world.master.end(uid).await;
        assert_eq!((end.state.as_str(), end.reason.as_str()), (state, reason), "{end:?}");
        assert!(end.message.contains(message), "{uid}: {:?} does not contain {message:?}", end.message);
        if exit_code.is_some() || state == "TASK_ERROR" {
            assert_eq!(end.exit_code, exit_code, "{uid}");
        }
        world.wait_cleaned(uid);
    }
    assert_eq!(world.slot.leftovers(), Vec::<std::path::PathBuf>::new());
    assert_eq!(world.slot.all_processes(), Vec::<u32>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_is_shut_in() {
    skip_where_impossible!();
    let world = World::start("shut-in", &[]).await;
    let text = r#"
        echo "id $(id -u) $(id -g) $(id -G)"
        echo "pid1 $(cat /proc/1/comm)"
        echo "cwd $PWD $HOME $MESOS_SANDBOX"
        echo "hello" > file && echo "sandbox is writable"
        touch /file 2>/dev/null || echo "root is read-only"
        touch /etc/passwd 2>/dev/null || echo "etc is read-only"
        touch /tmp/x && echo "tmp is writable"
        grep -E '^(CapEff|CapBnd|CapPrm|CapInh|CapAmb|NoNewPrivs|Seccomp):' /proc/self/status
        mount -t tmpfs none /tmp 2>/dev/null || echo "no mount"
        unshare -U true 2>/dev/null || echo "no user namespace"
        unshare -m true 2>/dev/null || echo "no mount namespace"
        mknod null c 1 3 2>/dev/null || echo "no device"
        chroot / true 2>/dev/null || echo "no chroot"
        ls -l /proc/self/fd | tail -n +2 | wc -l
        ls /dev | tr '\n' ' '; echo
        ls / | tr '\n' ' '; echo
        echo x > /dev/null && echo "null is there"
        cat /proc/1/environ 2>/dev/null || echo "init is not readable"
        env | cut -d= -f1 | sort | tr '\n' ' '; echo
        ps | grep -v -e PID -e 'ps$' -e grep -e ' sh ' -e proffer -e ' cut' -e ' tr' | wc -l
        readlink /proc/self/ns/net
    "#;
    let mut launch = shell("shut-in", text);
    launch.resources.as_mut().unwrap().ports = vec![v1::Range { begin: 31_007, end: 31_008 }];
    launch.command.as_mut().unwrap().environment =
        vec![v1::EnvironmentVariable { name: "MINE".into(), value: "1".into() }];
    world.master.launch(launch);
    let end = world.master.end("shut-in").await;
    let output = world.output("shut-in", "stdout");
    println!("{output}\n{}", world.output("shut-in", "stderr"));
    assert_eq!(end.state, "TASK_FINISHED", "{end:?}");
    for line in [
        "id 65534 65534 65534",
        "pid1 proffer-init",
        "cwd /mnt/mesos/sandbox /mnt/mesos/sandbox /mnt/mesos/sandbox",
        "sandbox is writable",
        "root is read-only",
        "etc is read-only",
        "tmp is writable",
        "CapEff:\t0000000000000000",
        "CapBnd:\t0000000000000000",
        "CapPrm:\t0000000000000000",
        "CapInh:\t0000000000000000",
        "CapAmb:\t0000000000000000",
        "NoNewPrivs:\t1",
        "Seccomp:\t2",
        "no mount",
        "no user namespace",
        "no mount namespace",
        "no device",
        "no chroot",
        "4",
        "fd full null pts random shm stderr stdin stdout tty urandom zero ",
        "bin dev etc mnt proc tmp var ",
        "null is there",
        "init is not readable",
        "HOME MESOS_SANDBOX MESOS_TASK_ID MINE PATH PORT PORT0 PORT1 PORTS PWD SHLVL ",
    ] {
        assert!(output.lines().any(|found| found == line), "no line {line:?}");
    }
    let namespace = world.slot.network_namespace();
    assert!(output.lines().any(|line| line == namespace.to_str().unwrap()), "not in the slot's network namespace");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_are_obeyed_and_root_has_no_power() {
    skip_where_impossible!();
    let world = World::start("users", &["--allow-root-tasks"]).await;
    world.master.launch(with_user("web", "web"));
    let text = r#"
        echo "id $(id -u)"
        grep CapEff /proc/self/status
        echo 1 > /proc/sys/kernel/sysrq 2>/dev/null || echo "no sysctl"
        echo h > /proc/sysrq-trigger 2>/dev/null || echo "no sysrq"
        head -c 1 /proc/kcore 2>/dev/null | wc -c
        touch /bin/x 2>/dev/null || echo "no write to the root"
        cat /proc/1/environ 2>/dev/null || echo "init is not readable"
    "#;
    let mut launch = shell("root", text);
    launch.command.as_mut().unwrap().user = "root".to_owned();
    world.master.launch(launch);
    assert_eq!(world.master.end("web").await.state, "TASK_FINISHED");
    assert!(world.output("web", "stdout").contains("uid=1234(web) gid=1235"), "{}", world.output("web", "stdout"));
    assert_eq!(world.master.end("root").await.state, "TASK_FINISHED");
    let output = world.output("root", "stdout");
    let expected =
        "id 0\nCapEff:\t0000000000000000\nno sysctl\nno sysrq\n0\nno write to the root\ninit is not readable\n";
    assert_eq!(output, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_are_set_and_a_fork_bomb_stays_small() {
    skip_where_impossible!();
    let world = World::start("limits", &["--task-pids-limit", "50"]).await;
    // The command itself does not fork once the bomb has gone off: it would fail, and end by itself.
    let text = "(b() { echo x >> forks; b | b & }; b) & while :; do :; done";
    let mut bomb = shell("bomb", text);
    bomb.kill_grace_millis = 100;
    world.master.launch(bomb);
    world.master.status("bomb", "TASK_RUNNING").await;
    world::wait_until("the bomb has forked", || {
        std::fs::metadata(world.sandbox("bomb").join("forks")).is_ok_and(|file| file.len() > 60)
    });
    assert!(world.processes("bomb").len() <= 50, "{}", world.processes("bomb").len());
    // Others go on beside it.
    world.master.launch(shell("beside", "echo fine"));
    assert_eq!(world.master.end("beside").await.state, "TASK_FINISHED");
    world.master.kill("bomb", None);
    assert_eq!(world.master.end("bomb").await.state, "TASK_KILLED");
    world.wait_cleaned("bomb");
    assert_eq!(world.slot.all_processes(), Vec::<u32>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn output_is_capped_and_rotated_without_following_links() {
    skip_where_impossible!();
    let world = World::start("output", &["--log-max-bytes", "64Ki", "--log-files", "3"]).await;
    world
        .master
        .launch(shell("many", "i=0; while [ $i -lt 20000 ]; do echo \"line $i of many lines\"; i=$((i+1)); done"));
    // A task that puts links where its output goes.
    let trick = "ln -sf /etc/passwd stdout.1; rm stdout; ln -s /etc/passwd stdout; mkdir stderr.1; rm stderr; mkdir stderr; \
                 head -c 200k /dev/zero | tr '\\0' x; head -c 200k /dev/zero | tr '\\0' y >&2; ls -l; true";
    world.master.launch(shell("trick", trick));
    assert_eq!(world.master.end("many").await.state, "TASK_FINISHED");
    assert_eq!(world.master.end("trick").await.state, "TASK_FINISHED");
    let sizes = ["stdout", "stdout.1", "stdout.2"].map(|name| world.output("many", name).len());
    assert!(sizes.iter().all(|size| *size <= 65_536) && sizes[1] == 65_536, "{sizes:?}");
    assert!(!world.sandbox("many").join("stdout.3").exists());
    assert!(world.output("many", "stdout").ends_with("line 19999 of many lines\n"));
    assert!(!std::fs::read_to_string("/etc/passwd").unwrap().contains("xxxx"));
    assert!(!world.sandbox("trick").join("stdout").is_symlink());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_is_gentle_first_and_certain_in_the_end() {
    skip_where_impossible!();
    let world = World::start("kill", &[]).await;
    let master = &world.master;
    master.launch(shell("gentle", "trap 'echo bye; exit 7' TERM; while :; do sleep 0.1; done"));
    let stubborn =
        "trap '' TERM; (trap '' TERM; setsid sleep 1000 &) ; sh -c 'trap \"\" TERM; sleep 1000' & sleep 1000";
    master.launch(shell("stubborn", stubborn));
    master.status("gentle", "TASK_RUNNING").await;
    master.status("stubborn", "TASK_RUNNING").await;
    world::wait_until("the stubborn task has children", || world.processes("stubborn").len() >= 4);
    let begin = Instant::now();
    master.kill("gentle", None);
    master.kill("stubborn", Some(Duration::from_millis(300)));
    let end = master.end("gentle").await;
    assert_eq!((end.state.as_str(), end.exit_code), ("TASK_KILLED", Some(7)), "{end:?}");
    assert_eq!(world.output("gentle", "stdout"), "bye\n");
    let end = master.end("stubborn").await;
    assert_eq!((end.state.as_str(), end.signal), ("TASK_KILLED", Some(9)), "{end:?}");
    assert!(begin.elapsed() >= Duration::from_millis(300) && begin.elapsed() < Duration::from_secs(4));
    world.wait_cleaned("stubborn");
    assert_eq!(world.slot.all_processes(), Vec::<u32>::new());

    // One that nobody knows, and one that is over.
    master.kill("unknown", None);
    let answer = master.end("unknown").await;
    assert_eq!((answer.state.as_str(), answer.uuid.len()), ("TASK_DROPPED", 0), "{answer:?}");
    // Right behind the launch: it may or may not have run, but it ends.
    master.launch(shell("early", "sleep 1000"));
    master.kill("early", Some(Duration::ZERO));
    assert_eq!(master.end("early").await.state, "TASK_KILLED");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_command_leaves_behind_ends_with_it() {
    skip_where_impossible!();
    let world = World::start("daemon", &[]).await;
    world.master.launch(shell("daemon", "(setsid sleep 1000 >/dev/null 2>&1 &); (sleep 1000 &); echo left; exit 0"));
    let begin = Instant::now();
    let end = world.master.end("daemon").await;
    assert_eq!(end.state, "TASK_FINISHED", "{end:?}");
    assert!(begin.elapsed() < Duration::from_secs(5));
    assert_eq!(world.output("daemon", "stdout"), "left\n");
    world.wait_cleaned("daemon");
    assert_eq!(world.slot.all_processes(), Vec::<u32>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_of_the_node_can_be_given_to_tasks() {
    skip_where_impossible!();
    let ledger = std::env::temp_dir().join(format!("proffer-ledger-{}", std::process::id()));
    std::fs::create_dir_all(&ledger).unwrap();
    std::fs::set_permissions(&ledger, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let mounts = format!("{0}:/ledger,{0}:/srv/ledger:ro", ledger.display());
    let world = World::start("mounts", &["--task-mount", &mounts]).await;
    world
        .master
        .launch(shell("mounts", "echo started >> /ledger/log; cat /srv/ledger/log; touch /srv/ledger/x || echo no"));
    assert_eq!(world.master.end("mounts").await.state, "TASK_FINISHED");
    assert_eq!(world.output("mounts", "stdout"), "started\nno\n");
    assert_eq!(std::fs::read_to_string(ledger.join("log")).unwrap(), "started\n");
    std::fs::remove_dir_all(&ledger).unwrap();
}
