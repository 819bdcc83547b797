//! Programs of mesos-go, which were written for Mesos and know nothing of Proffer, unchanged.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;

use super::lab::{Lab, SOON, unique};
use crate::command::{command, tail};
use crate::deadline::{wait_every, wait_for};
use crate::forward::Tunnel;
use crate::steps::Steps;
use crate::tools::Tools;

/// `msh` runs a command on an agent and ends as the command does.
pub(super) fn msh_runs_commands(lab: &Lab) -> Result<()> {
    let msh = Tools::ensure_msh(&Steps::silent())?;
    let tunnel = Tunnel::open(&lab.system(), "service/proffer")?;
    let mark = format!("written by msh {}", unique());
    let mut run = Program::msh(&msh, &tunnel, &["/bin/sh", "-c", &format!("echo '{mark}' >mark")])?;
    ensure!(run.wait()?.success(), "msh failed: {}", run.output());
    ensure!(some_sandbox_has(lab, "mark", &mark)?, "no sandbox has the file that the command wrote: {}", run.output());
    let mut run = Program::msh(&msh, &tunnel, &["/bin/sh", "-c", "exit 3"])?;
    ensure!(!run.wait()?.success(), "msh should fail as its command does: {}", run.output());
    ensure!(run.output().contains("TASK_FAILED"), "msh should be told of TASK_FAILED: {}", run.output());
    Ok(())
}

/// `mwatch` prints what the master's event stream tells of a task that `msh` runs.
pub(super) fn mwatch_follows_the_master(lab: &Lab) -> Result<()> {
    let (msh, mwatch) = (Tools::ensure_msh(&Steps::silent())?, Tools::ensure_mwatch(&Steps::silent())?);
    let tunnel = Tunnel::open(&lab.system(), "service/proffer")?;
    let watch = Program::mwatch(&mwatch, &tunnel)?;
    // Until it has subscribed it cannot see anything, and it does not tell when it has: so there is always one more task.
    wait_every(Duration::ZERO, "mwatch to see a task from its launch to its end", SOON, || {
        let mut run = Program::msh(&msh, &tunnel, &["/bin/true"])?;
        ensure!(run.wait()?.success(), "msh failed: {}", run.output());
        let seen = watch.output();
        let all = ["FRAMEWORK_ADDED", "TASK_ADDED", "TASK_UPDATED", "TASK_FINISHED", "FRAMEWORK_REMOVED"];
        let missing: Vec<_> = all.into_iter().filter(|text| !seen.contains(text)).collect();
        ensure!(missing.is_empty(), "{missing:?} not seen in: {seen}");
        Ok(Some(()))
    })
}

/// The leader is killed while both are connected: they lose their streams, as they would with Mesos, and work again with
/// the next leader.
pub(super) fn mesos_go_meets_the_next_leader(lab: &Lab) -> Result<()> {
    let (msh, mwatch) = (Tools::ensure_msh(&Steps::silent())?, Tools::ensure_mwatch(&Steps::silent())?);
    super::failover::wait_for_a_standby(lab)?;
    let tunnel = Tunnel::open(&lab.system(), "service/proffer")?;
    let mut run = Program::msh(&msh, &tunnel, &["/bin/sleep", "1000"])?;
    wait_for("msh's task to run", SOON, || Ok(run.output().contains("TASK_RUNNING").then_some(())))
        .with_context(|| run.output())?;
    let mut watch = Program::mwatch(&mwatch, &tunnel)?;
    let (leading, epoch) = (super::failover::leader(lab)?, super::failover::epoch(lab)?);
    lab.signal_controller(&leading, Signal::KILL)?;
    run.wait().context("msh has to notice that its stream ended")?;
    watch.kill()?;
    drop(tunnel);
    wait_every(Duration::from_millis(200), "another leader", SOON, || {
        Ok((super::failover::epoch(lab)? > epoch).then_some(()))
    })?;
    wait_every(Duration::from_millis(500), "msh to run a command with the next leader", SOON, || {
        let tunnel = Tunnel::open(&lab.system(), "service/proffer")?;
        let mut run = Program::msh(&msh, &tunnel, &["/bin/true"])?;
        ensure!(run.wait()?.success(), "msh failed: {}", run.output());
        Ok(Some(()))
    })?;
    // Its failover_timeout is zero: the framework that was cut off is over, and so is what it ran.
    wait_every(Duration::from_millis(500), "the task of the msh that went to be over", SOON, || {
        let sleeping = lab.task_processes()?.into_iter().filter(|process| {
            fs::read_to_string(format!("/proc/{}/cmdline", process.pid))
                .is_ok_and(|line| line.contains("sleep\u{0}1000"))
        });
        Ok((sleeping.count() == 0).then_some(()))
    })
}

/// A program of mesos-go that runs; it is ended when this is dropped.
struct Program {
    child: Child,
    log: PathBuf,
}

impl Program {
    fn msh(program: &Path, tunnel: &Tunnel, arguments: &[&str]) -> Result<Self> {
        let master = format!("127.0.0.1:{}", tunnel.port());
        let own = ["-master", &master, "-user", "nobody", "-memory", "32", "--"];
        Self::start(program, &[&own[..], arguments].concat())
    }

    fn mwatch(program: &Path, tunnel: &Tunnel) -> Result<Self> {
        Self::start(program, &["-master", "127.0.0.1", "-port", &tunnel.port().to_string()])
    }

    fn start(program: &Path, arguments: &[&str]) -> Result<Self> {
        let log = std::env::temp_dir().join(format!("proffer-mesos-go-{}-{}.log", std::process::id(), unique()));
        let output = File::create(&log).with_context(|| format!("cannot make {}", log.display()))?;
        let errors = output.try_clone().context("a second handle of a log")?;
        let mut start = command(program, arguments);
        start.stdin(Stdio::null()).stdout(output).stderr(errors);
        let child = start.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Self { child, log })
    }

    /// What it has said so far.
    fn output(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        tail(&text, 6000).to_owned()
    }

    /// Waits until it ends by itself.
    fn wait(&mut self) -> Result<ExitStatus> {
        let waited = wait_for("a program of mesos-go to end", SOON, || Ok(self.child.try_wait()?));
        waited.with_context(|| self.output())
    }

    fn kill(&mut self) -> Result<()> {
        self.child.kill().context("ending a program of mesos-go")?;
        self.child.wait().map(drop).context("waiting for a program of mesos-go")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail if it has ended by itself, which is as good.
        self.kill().ok();
        fs::remove_file(&self.log).ok();
    }
}

/// Whether the sandbox of some task on some node has a file with this text.
fn some_sandbox_has(lab: &Lab, name: &str, text: &str) -> Result<bool> {
    for node in lab.cluster.provider().nodes()? {
        let root = lab.cluster.provider().host_path(&node, Path::new("/var/lib/proffer/slaves"))?;
        let mut folders = vec![root];
        while let Some(folder) = folders.pop() {
            let Ok(entries) = fs::read_dir(&folder) else { continue };
            for entry in entries.flatten() {
                let kind = entry.file_type()?;
                if kind.is_dir() {
                    folders.push(entry.path());
                } else if entry.file_name() == name
                    && fs::read_to_string(entry.path()).is_ok_and(|found| found.contains(text))
                {
                    return Ok(true);
                }
            }
        }
    }
    Ok(false)
}
