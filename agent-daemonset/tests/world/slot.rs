//! A slot pod made by hand: cgroups as a kubelet makes them, a network namespace, and the pause program.

use super::{init_program, wait_until};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

/// The pod.
pub struct Slot {
    pub pod_uid: String,
    pause: Child,
    /// The directories of this test in each hierarchy, to remove at the end.
    tops: Vec<PathBuf>,
    pods: Vec<PathBuf>,
}

fn hierarchies() -> Vec<PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    if root.join("cgroup.controllers").exists() {
        return vec![root.to_owned()];
    }
    let entries = std::fs::read_dir(root).unwrap().flatten();
    entries.filter(|entry| entry.file_type().unwrap().is_dir()).map(|entry| entry.path()).collect()
}

impl Slot {
    pub fn new(count: u32) -> Self {
        let pod_uid = uuid::Uuid::new_v4().to_string();
        let top = format!("proffer-test-{}-{count}", std::process::id());
        let relative = format!("kubepods/burstable/pod{pod_uid}");
        let (mut tops, mut pods) = (Vec::new(), Vec::new());
        for hierarchy in hierarchies() {
            let mut path = hierarchy.join(&top);
            std::fs::create_dir(&path).unwrap();
            tops.push(path.clone());
            fill_cpuset(&path);
            for part in relative.split('/').chain(["c"]) {
                enable_controllers(&path);
                path = path.join(part);
                std::fs::create_dir(&path).unwrap();
                fill_cpuset(&path);
            }
            pods.push(path.parent().unwrap().to_owned());
        }
        let pause =
            Command::new("unshare").args(["--net", "--uts", "--"]).arg(init_program()).arg("pause").spawn().unwrap();
        for pod in &pods {
            std::fs::write(pod.join("c/cgroup.procs"), pause.id().to_string()).unwrap();
        }
        let slot = Self { pod_uid, pause, tops, pods };
        // unshare executes the program in its own process.
        wait_until("the pause program runs", || {
            std::fs::read_to_string(format!("/proc/{}/comm", slot.pause.id())).unwrap().trim() == "proffer-init"
        });
        slot
    }

    fn memory(&self) -> &Path {
        self.pods.iter().find(|pod| pod.starts_with("/sys/fs/cgroup/memory")).unwrap_or(&self.pods[0])
    }

    pub fn task_processes(&self, uid: &str) -> Vec<u32> {
        let path = self.memory().join("proffer").join(uid).join("cgroup.procs");
        std::fs::read_to_string(path).unwrap_or_default().lines().map(|line| line.parse().unwrap()).collect()
    }

    pub fn has_task(&self, uid: &str) -> bool {
        self.pods.iter().any(|pod| pod.join("proffer").join(uid).exists())
    }

    /// Makes a cgroup of a task that has none.
    pub fn make_task(&self, uid: &str) {
        std::fs::create_dir(self.memory().join("proffer").join(uid)).unwrap();
    }

    /// Cgroups of tasks that are still there.
    pub fn leftovers(&self) -> Vec<PathBuf> {
        let below = |pod: &PathBuf| std::fs::read_dir(pod.join("proffer")).into_iter().flatten().flatten();
        self.pods.iter().flat_map(below).map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
    }

    /// All host PIDs in the slot but the pause program's.
    pub fn all_processes(&self) -> Vec<u32> {
        let mut pids = Vec::new();
        for pod in &self.pods {
            collect(&pod.join("proffer"), &mut pids);
        }
        pids
    }

    /// Network namespace of the slot.
    pub fn network_namespace(&self) -> PathBuf {
        std::fs::read_link(format!("/proc/{}/ns/net", self.pause.id())).unwrap()
    }

    /// What the kubelet does when the pod is deleted.
    pub fn delete(&mut self) {
        let _ = self.pause.kill();
        let _ = self.pause.wait();
        for pid in self.all_processes() {
            let _ = rustix::process::kill_process(
                rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(),
                rustix::process::Signal::KILL,
            );
        }
        wait_until("the slot is empty", || self.all_processes().is_empty());
        for top in &self.tops {
            wait_until("the slot's cgroups are removed", || {
                remove(top);
                !top.exists()
            });
        }
    }

    pub fn tear_down(&mut self) {
        if self.tops.iter().any(|top| top.exists()) {
            self.delete();
        }
    }
}

fn collect(path: &Path, into: &mut Vec<u32>) {
    let text = std::fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
    into.extend(text.lines().filter_map(|line| line.parse::<u32>().ok()));
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten().filter(|entry| entry.path().is_dir()) {
        collect(&entry.path(), into);
    }
}

fn remove(path: &Path) {
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten().filter(|entry| entry.path().is_dir()) {
        remove(&entry.path());
    }
    let _ = std::fs::remove_dir(path);
}

fn fill_cpuset(path: &Path) {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        if path.starts_with("/sys/fs/cgroup/cpuset") {
            let inherited = std::fs::read_to_string(path.parent().unwrap().join(file)).unwrap();
            std::fs::write(path.join(file), inherited.trim()).unwrap();
        }
    }
}

fn enable_controllers(path: &Path) {
    for controller in ["+cpu", "+memory", "+pids"] {
        let _ = std::fs::write(path.join("cgroup.subtree_control"), controller);
    }
}
