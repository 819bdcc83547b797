//! The task's root: the template that the tasks of a slot share, and what each task adds to its copy.

use proffer_init::spec::{FdNumber, Mount, Report, SANDBOX_PATH, SetupFailure, Step, Task, Template, Volume};
use proffer_init::sys;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use rustix::io;
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, mount, mount_change, mount_remount, move_mount,
    open_tree,
};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::path::Path;
use std::process::ExitCode;

/// Device nodes that tasks get, taken from the slot's own /dev.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];
/// Files of the slot that tasks see, where the slot and the userland both have them.
const SLOT_FILES: [&str; 3] = ["/etc/resolv.conf", "/etc/hosts", "/etc/hostname"];
/// Links that programs expect in /dev.
const DEVICE_LINKS: [(&str, &str); 4] = [
    ("/proc/self/fd", "fd"),
    ("/proc/self/fd/0", "stdin"),
    ("/proc/self/fd/1", "stdout"),
    ("/proc/self/fd/2", "stderr"),
];
/// Parts of /proc that a task of user root could write to.
const PROC_READ_ONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];
/// Parts of /proc that tell a task of user root too much.
const PROC_HIDDEN: [&str; 4] = ["/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list"];

type SetupResult<T> = Result<T, SetupFailure>;

/// Turns the kernel's answer into a failure of `step` that names what it was about.
pub(crate) fn at(step: Step, subject: &str) -> impl Fn(io::Errno) -> SetupFailure {
    move |errno| SetupFailure::new(step, errno.raw_os_error(), subject)
}

fn making(subject: &str) -> impl Fn(io::Errno) -> SetupFailure {
    at(Step::MakeRoot, subject)
}

fn joining(subject: &str) -> impl Fn(io::Errno) -> SetupFailure {
    at(Step::JoinNamespaces, subject)
}

/// Makes the template, reports, and stays until the agent kills it; the agent holds the namespace by then.
pub(crate) fn serve_template(template: &Template) -> ExitCode {
    let Ok(report) = sys::take_inherited(template.report) else {
        return ExitCode::FAILURE;
    };
    let outcome = build_template(template);
    let message = match &outcome {
        Ok(()) => Report::Ready,
        Err(failure) => Report::Failed(failure.clone()),
    };
    let sent = serde_json::to_vec(&message).is_ok_and(|text| io::write(&report, &text).is_ok());
    drop(report);
    if outcome.is_err() || !sent {
        return ExitCode::FAILURE;
    }
    crate::pause::run()
}

fn build_template(template: &Template) -> SetupResult<()> {
    let root = take(template.root)?;
    let mounts = template
        .mounts
        .iter()
        .map(|mount| Ok((mount, take(mount.tree)?)))
        .collect::<SetupResult<Vec<(&Mount, _)>>>()?;
    let namespace = take(template.mount_namespace)?;
    enter_mount_namespace(&namespace)?;

    // Taken out of the slot's root before it is covered.
    let devices = DEVICES.map(|name| (name, clone_mount(&format!("/dev/{name}"))));
    let files = SLOT_FILES.map(|path| (path, clone_mount(path)));

    attach(&root, "/").map_err(making("the userland"))?;
    rustix::process::fchdir(&root).map_err(making("the userland"))?;
    rustix::process::chroot(".").map_err(making("the userland"))?;
    protect("/", MountFlags::RDONLY).map_err(making("/"))?;

    tmpfs("/dev", "mode=755,size=64k")?;
    for (name, node) in devices {
        let path = format!("/dev/{name}");
        let node = node.map_err(making(&path))?;
        std::fs::File::create(&path).map_err(|error| lost(&path, &error))?;
        attach(&node, &path).map_err(making(&path))?;
    }
    for (target, name) in DEVICE_LINKS {
        rustix::fs::symlink(target, format!("/dev/{name}")).map_err(making(name))?;
    }
    for directory in ["/dev/shm", "/dev/pts"] {
        rustix::fs::mkdir(directory, Mode::from_raw_mode(0o755)).map_err(making(directory))?;
    }
    // Only NODEV is left out of what `protect` sets: these are the devices.
    let flags = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NOEXEC;
    mount_remount("/dev", flags, "").map_err(making("/dev"))?;

    for (path, file) in files {
        // A slot without the file (a test's) or a userland without the place for it: the userland's own stays.
        if let (Ok(file), true) = (file, Path::new(path).exists()) {
            attach(&file, path).map_err(making(path))?;
            protect(path, MountFlags::RDONLY).map_err(making(path))?;
        }
    }
    for (mount, tree) in mounts {
        attach(&tree, &mount.target).map_err(making(&mount.target))?;
        let access = if mount.read_only { MountFlags::RDONLY } else { MountFlags::empty() };
        protect(&mount.target, access).map_err(making(&mount.target))?;
    }
    Ok(())
}

/// Joins the slot's namespaces and makes this task's copy of the template, with its own /proc, /tmp and sandbox.
///
/// `sandbox` is the detached mount of the task's sandbox directory.
pub(crate) fn enter(task: &Task, sandbox: &OwnedFd) -> SetupResult<()> {
    let network = take(task.network_namespace)?;
    let uts = take(task.uts_namespace)?;
    let mounts = take(task.mount_namespace)?;
    move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network)).map_err(joining("network"))?;
    move_into_link_name_space(uts.as_fd(), Some(LinkNameSpaceType::HostNameAndNISDomainName))
        .map_err(joining("UTS"))?;
    enter_mount_namespace(&mounts)?;

    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("proc", "/proc", "proc", flags, None).map_err(making("/proc"))?;
    if task.uid == 0 {
        protect_proc()?;
    }
    tmpfs("/tmp", "mode=1777")?;
    tmpfs("/dev/shm", "mode=1777")?;
    attach(sandbox, SANDBOX_PATH).map_err(making(SANDBOX_PATH))?;
    protect(SANDBOX_PATH, MountFlags::empty()).map_err(making(SANDBOX_PATH))?;
    for volume in &task.volumes {
        mount_volume(sandbox, volume)?;
    }
    rustix::process::chdir(SANDBOX_PATH).map_err(making(SANDBOX_PATH))
}

/// Mounts a volume in the sandbox. Nothing on the way there is followed: what is in the sandbox, or in a volume that is
/// mounted already, is not to be trusted.
fn mount_volume(sandbox: &OwnedFd, volume: &Volume) -> SetupResult<()> {
    let failed = making(&volume.path);
    let tree = take(volume.tree)?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let way = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let place = openat2(sandbox, &volume.path, flags, Mode::empty(), way).map_err(&failed)?;
    let both = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(&tree, "", &place, "", both).map_err(&failed)?;
    // The mount itself, by no path that could be another's.
    rustix::process::fchdir(&tree).map_err(&failed)?;
    let access = if volume.read_only { MountFlags::RDONLY } else { MountFlags::empty() };
    protect(".", access).map_err(&failed)
}

/// Root without capabilities still owns what is in /proc/sys: bind those parts read-only, or /dev/null over them.
fn protect_proc() -> SetupResult<()> {
    for path in PROC_READ_ONLY {
        if let Ok(part) = clone_mount(path) {
            attach(&part, path).map_err(making(path))?;
            protect(path, MountFlags::RDONLY | MountFlags::NOEXEC).map_err(making(path))?;
        }
    }
    for path in PROC_HIDDEN {
        if Path::new(path).exists() {
            let null = clone_mount("/dev/null").map_err(making(path))?;
            attach(&null, path).map_err(making(path))?;
        }
    }
    Ok(())
}

/// Enters a copy of a mount namespace from which nothing propagates, into or out of it.
fn enter_mount_namespace(namespace: &OwnedFd) -> SetupResult<()> {
    let join = joining("mount");
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Mount)).map_err(&join)?;
    sys::unshare_mounts().map_err(&join)?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).map_err(&join)
}

fn take(number: FdNumber) -> SetupResult<OwnedFd> {
    sys::take_inherited(number).map_err(at(Step::ReadJob, "an inherited descriptor"))
}

/// A detached copy of what is mounted at, or lies at, `path`.
fn clone_mount(path: &str) -> io::Result<OwnedFd> {
    open_tree(CWD, path, OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC)
}

fn attach(tree: &OwnedFd, target: &str) -> io::Result<()> {
    move_mount(tree, "", CWD, target, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
}

/// No setuid programs and no devices below `target`, and `more`.
fn protect(target: &str, more: MountFlags) -> io::Result<()> {
    mount_remount(target, MountFlags::BIND | MountFlags::NOSUID | MountFlags::NODEV | more, "")
}

fn tmpfs(target: &str, options: &str) -> SetupResult<()> {
    let options = std::ffi::CString::new(options).unwrap_or_default();
    mount("tmpfs", target, "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, Some(options.as_c_str()))
        .map_err(making(target))
}

fn lost(subject: &str, error: &std::io::Error) -> SetupFailure {
    SetupFailure::new(Step::MakeRoot, error.raw_os_error().unwrap_or_default(), subject)
}
