//! Both versions, on trees of plain files.

use super::*;
use std::fs;

const UID: &str = "0e9c1a5f-1111-2222-3333-444455556666";

struct Tree(PathBuf);

impl Tree {
    fn new(name: &str, directories: &[&str], files: &[(&str, &str)]) -> Self {
        let root = std::env::temp_dir().join(format!("proffer-cgroup-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        for directory in directories {
            fs::create_dir_all(root.join(directory)).unwrap();
        }
        for (path, text) in files {
            fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            fs::write(root.join(path), text).unwrap();
        }
        Self(root)
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.0.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn limits() -> Limits {
    Limits {
        cpus: Amount::from_thousandths(500),
        cpu_limit: Some(Amount::from_thousandths(1500)),
        memory_bytes: 64 << 20,
        pids: 100,
    }
}

#[test]
fn version_1_enters_every_hierarchy_and_limits_in_three() {
    let pod = format!("node1/kubepods/burstable/pod{UID}");
    let names = ["memory", "cpu,cpuacct", "pids", "cpuset", "devices", "systemd", "unified"];
    let mut files = Vec::new();
    for name in names {
        files.push((format!("{name}/cgroup.procs"), String::new()));
        if name != "unified" {
            files.push((format!("{name}/{pod}/c/cgroup.procs"), "41\n42\n".to_owned()));
        }
        let task = format!("{name}/{pod}/proffer/task-1");
        if ["memory", "cpu,cpuacct", "pids"].contains(&name) {
            files.push((format!("{task}/tasks"), String::new()));
        } else if name != "unified" {
            files.push((format!("{name}/{pod}/proffer/tasks"), String::new()));
        }
        if name == "unified" {
            files.push((format!("{name}/cgroup.subtree_control"), String::new()));
        }
    }
    files.push((format!("cpuset/{pod}/cpuset.cpus"), "0-1\n".to_owned()));
    files.push((format!("cpuset/{pod}/cpuset.mems"), "0\n".to_owned()));
    files.push((format!("memory/{pod}/proffer/task-1/memory.memsw.limit_in_bytes"), String::new()));
    files.push((
        format!("memory/{pod}/proffer/task-1/memory.oom_control"),
        "oom_kill_disable 0\noom_kill 2\n".to_owned(),
    ));
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let tree = Tree::new("v1", &[], &files);

    let cgroups = Cgroups::detect(&tree.0).unwrap();
    assert!(matches!(cgroups, Cgroups::V1(_)));
    assert_eq!(cgroups.find_pod("another"), None);
    let found = cgroups.find_pod(UID).unwrap();
    found.prepare().unwrap();
    let entrance = found.create("task-1", &limits()).unwrap();

    assert_eq!((entrance.files.len(), entrance.directory.is_some()), (names.len() - 1, true));
    assert_eq!(found.processes(), [41, 42]);
    assert_eq!(found.tasks(), ["task-1"]);
    assert_eq!(tree.read(&format!("cpuset/{pod}/proffer/cpuset.cpus")), "0-1");
    let task = |controller: &str, file: &str| tree.read(&format!("{controller}/{pod}/proffer/task-1/{file}"));
    assert_eq!(task("memory", "memory.limit_in_bytes"), "67108864");
    assert_eq!(task("memory", "memory.memsw.limit_in_bytes"), "67108864");
    assert_eq!(task("cpu,cpuacct", "cpu.shares"), "512");
    assert_eq!(task("cpu,cpuacct", "cpu.cfs_quota_us"), "150000");
    assert_eq!(task("pids", "pids.max"), "100");
    let state = found.memory_state("task-1").unwrap();
    assert_eq!((state.oom_kills, state.limit_bytes), (2, 64 << 20));
    assert_eq!(found.memory_state("task-2"), None);
}

#[test]
fn version_2_turns_the_controllers_on_below_the_pod() {
    let slice =
        format!("kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{}.slice", UID.replace('-', "_"));
    let files = [
        ("cgroup.controllers".to_owned(), "cpu memory pids"),
        (format!("{slice}/cgroup.subtree_control"), "cpu pids"),
        (format!("{slice}/cri-containerd-1.scope/cgroup.procs"), "7\n"),
        (format!("{slice}/proffer/cgroup.subtree_control"), ""),
        (format!("{slice}/proffer/task-1/cgroup.procs"), "9\n"),
        (format!("{slice}/proffer/task-1/memory.swap.max"), "max"),
        (format!("{slice}/proffer/task-1/memory.events"), "low 0\nhigh 0\nmax 9\noom 1\noom_kill 1\n"),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
    let tree = Tree::new("v2", &[], &files);

    let cgroups = Cgroups::detect(&tree.0).unwrap();
    assert!(matches!(cgroups, Cgroups::V2(_)));
    let found = cgroups.find_pod(UID).unwrap();
    found.prepare().unwrap();
    let entrance = found.create("task-1", &limits()).unwrap();
    assert!(entrance.files.is_empty() && entrance.directory.is_some());

    assert_eq!(tree.read(&format!("{slice}/cgroup.subtree_control")), "+memory");
    let task = |file: &str| tree.read(&format!("{slice}/proffer/task-1/{file}"));
    assert_eq!(task("memory.max"), "67108864");
    assert_eq!(task("memory.swap.max"), "0");
    assert_eq!(task("cpu.max"), "150000 100000");
    assert_eq!(task("cpu.weight"), "20");
    assert_eq!((found.processes(), found.task_processes("task-1")), (vec![7], vec![9]));
    let state = found.memory_state("task-1").unwrap();
    assert_eq!((state.oom_kills, state.at_limit, state.limit_bytes), (1, true, 64 << 20));
}

#[test]
fn without_a_limit_the_cpu_is_soft() {
    let pod = format!("kubepods/pod{UID}");
    let files = [
        ("cgroup.controllers".to_owned(), ""),
        (format!("{pod}/cgroup.subtree_control"), "cpu memory pids"),
        (format!("{pod}/proffer/cgroup.subtree_control"), "cpu memory pids"),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
    let tree = Tree::new("soft", &[], &files);
    let found = Cgroups::detect(&tree.0).unwrap().find_pod(UID).unwrap();
    found.create("task-1", &Limits { cpu_limit: None, ..limits() }).unwrap();
    assert!(!tree.0.join(&pod).join("proffer/task-1/cpu.max").exists());
}

#[test]
fn a_tree_without_cgroups_is_refused_with_what_to_do() {
    let tree = Tree::new("none", &["memory"], &[]);
    let error = Cgroups::detect(&tree.0).unwrap_err();
    assert!(error.to_string().contains("mount the node's /sys/fs/cgroup"), "{error}");
}
