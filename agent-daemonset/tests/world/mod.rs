//! A node in miniature: a slot made of real cgroups and namespaces, the real agent binary, and a master that this
//! process plays.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]

pub mod master;
pub mod slot;

use master::Master;
use slot::Slot;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Longest wait for anything in these tests.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The node.
pub struct World {
    pub directory: PathBuf,
    pub slot: Slot,
    pub master: Master,
    pub agent: Child,
    /// Where the agent looks for controllers.
    pub controller_port: u16,
    flags: Vec<String>,
}

/// Says why the tests of this file cannot run here, if they cannot.
pub fn skipped() -> Option<&'static str> {
    static REASON: OnceLock<Option<&'static str>> = OnceLock::new();
    *REASON.get_or_init(|| {
        let reason = if !rustix::process::geteuid().is_root() {
            Some("these tests need root: they make cgroups and namespaces")
        } else if !Path::new("/sys/fs/cgroup/memory").is_dir()
            && !Path::new("/sys/fs/cgroup/cgroup.controllers").exists()
        {
            Some("these tests need a cgroup file system at /sys/fs/cgroup")
        } else if busybox().is_none() {
            Some("these tests need a static busybox: apt-get install busybox-static")
        } else {
            None
        };
        if let Some(reason) = reason {
            // To the terminal itself: the test harness keeps the output of tests that pass.
            let _ = std::fs::write("/dev/stderr", format!("SKIPPED: {reason}\n"));
        }
        reason
    })
}

fn busybox() -> Option<PathBuf> {
    ["/bin/busybox", "/usr/bin/busybox"].map(PathBuf::from).into_iter().find(|path| path.exists())
}

/// The init's program, built once.
pub fn init_program() -> PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM
        .get_or_init(|| {
            if let Some(directory) = std::env::var_os("PROFFER_TEST_BINARIES") {
                return Path::new(&directory).join("proffer-init");
            }
            let agent = Path::new(env!("CARGO_BIN_EXE_proffer-agent"));
            let release = agent.parent().is_some_and(|directory| directory.ends_with("release"));
            let mut cargo = Command::new(env!("CARGO"));
            cargo.args(["build", "--quiet", "--package", "proffer-init"]);
            if release {
                cargo.arg("--release");
            }
            assert!(cargo.status().unwrap().success(), "cannot build proffer-init");
            agent.with_file_name("proffer-init")
        })
        .clone()
}

impl World {
    /// A node with a running agent that has registered, in a slot with room.
    pub async fn start(name: &str, flags: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("proffer-agent-test-{}-{count}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&directory);
        std::fs::create_dir_all(directory.join("work")).unwrap();
        make_userland(&directory.join("userland"));
        std::fs::write(directory.join("token"), "token-of-the-test\n").unwrap();
        let slot = Slot::new(count);
        let master = Master::start(&directory, &slot.pod_uid).await;
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let controller_port = master.port;
        let agent = start_agent(&directory, controller_port, &flags);
        let world = Self { directory, slot, master, agent, controller_port, flags };
        world.master.registered().await;
        world.master.attached().await;
        world
    }

    /// Kills the agent's process and starts another.
    pub async fn restart_agent(&mut self) {
        self.kill_agent();
        self.start_agent().await;
    }

    pub fn kill_agent(&mut self) {
        self.agent.kill().unwrap();
        self.agent.wait().unwrap();
        self.master.forget_agent();
    }

    pub async fn start_agent(&mut self) {
        self.agent = start_agent(&self.directory, self.controller_port, &self.flags);
        self.master.registered().await;
    }

    /// What a task wrote.
    pub fn output(&self, uid: &str, file: &str) -> String {
        let path = self.sandbox(uid).join(file);
        String::from_utf8_lossy(&std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
            .into_owned()
    }

    pub fn sandbox(&self, uid: &str) -> PathBuf {
        self.directory.join(format!("work/slaves/agent-1/frameworks/default.test/executors/task-{uid}/runs/{uid}"))
    }

    /// Host PIDs in a task.
    pub fn processes(&self, uid: &str) -> Vec<u32> {
        self.slot.task_processes(uid)
    }

    /// CPU time that the agent's process and the children it has reaped have used: the inits, and what they reaped.
    pub fn cpu_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.agent.id())).unwrap();
        let (_, fields) = stat.rsplit_once(')').unwrap();
        // utime, stime, cutime, cstime; a clock tick is 10 ms wherever Linux runs today.
        let ticks: u64 = fields.split_whitespace().skip(11).take(4).map(|field| field.parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 10)
    }

    /// Waits until nothing of a task is left but its sandbox.
    pub fn wait_cleaned(&self, uid: &str) {
        wait_until(&format!("{uid} is cleaned up"), || {
            !self.slot.has_task(uid) && !self.directory.join("work/meta/tasks").join(uid).exists()
        });
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.agent.kill();
        let _ = self.agent.wait();
        self.slot.tear_down();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.directory.join("agent.log")).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            println!("--- the agent's log, {} ---", self.directory.display());
            lines.iter().skip(lines.len().saturating_sub(60)).for_each(|line| println!("{line}"));
        }
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// Waits for something that no message tells of.
pub fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let give_up = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < give_up, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn make_userland(userland: &Path) {
    std::fs::create_dir_all(userland.join("bin")).unwrap();
    std::fs::create_dir_all(userland.join("etc")).unwrap();
    let busybox = busybox().unwrap();
    std::fs::copy(&busybox, userland.join("bin/busybox")).unwrap();
    let applets = Command::new(&busybox).arg("--list").output().unwrap().stdout;
    for applet in String::from_utf8(applets).unwrap().lines().filter(|applet| *applet != "busybox") {
        std::os::unix::fs::symlink("busybox", userland.join("bin").join(applet)).unwrap();
    }
    std::fs::write(
        userland.join("etc/passwd"),
        "root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\nweb:x:1234:1235::/:\n",
    )
    .unwrap();
    std::fs::write(userland.join("etc/group"), "root:x:0:\nnogroup:x:65534:\n").unwrap();
}

fn start_agent(directory: &Path, controller_port: u16, flags: &[String]) -> Child {
    let log = std::fs::File::options().create(true).append(true).open(directory.join("agent.log")).unwrap();
    // Other builds of the same programs can be put to these tests: static ones, optimised ones.
    let agent = match std::env::var_os("PROFFER_TEST_BINARIES") {
        Some(directory) => Path::new(&directory).join("proffer-agent"),
        None => PathBuf::from(env!("CARGO_BIN_EXE_proffer-agent")),
    };
    Command::new(agent)
        .arg("--controller")
        .arg(format!("localhost:{controller_port}"))
        .args([
            "--server-name",
            "proffer-controller.test.svc",
            "--listen",
            "127.0.0.1:0",
            "--cgroup-root",
            "/sys/fs/cgroup",
        ])
        .args(["--log-format", "text"])
        .arg("--ca-file")
        .arg(directory.join("ca.crt"))
        .arg("--token-file")
        .arg(directory.join("token"))
        .arg("--work-dir")
        .arg(directory.join("work"))
        .arg("--init")
        .arg(init_program())
        .arg("--userland")
        .arg(directory.join("userland"))
        .args(flags)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}
