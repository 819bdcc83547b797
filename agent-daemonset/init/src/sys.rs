//! System calls that need unsafe code: the only such module of the project.
//!
//! What rustix has as a safe function is not here.
#![allow(unsafe_code, reason = "clone3, fork and the like have no safe form; each block says why it is sound")]

use crate::spec::{FdNumber, Report, SetupFailure, Step};
use rustix::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use rustix::io::{self, Errno};
use std::mem::{MaybeUninit, size_of};
use std::os::raw::{c_int, c_long};
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

/// libc's own constant of this name has a type too narrow for it.
const CLONE_INTO_CGROUP: u64 = 1 << 33;

/// A new init's process, as [`spawn`] makes it.
#[derive(Debug)]
pub struct Spawned {
    /// Its process ID in the caller's PID namespace.
    pub pid: u32,
    /// A pidfd of it.
    pub pidfd: OwnedFd,
}

/// What [`spawn`] starts and where.
#[derive(Debug)]
pub struct Spawn<'a> {
    /// The init's program: a sealed memfd.
    pub program: BorrowedFd<'a>,
    /// Its standard input: the job.
    pub job: BorrowedFd<'a>,
    /// Its standard output and error: /dev/null, so that nothing of the agent's container is held open.
    pub null: BorrowedFd<'a>,
    /// Where a failure before the exec is reported.
    pub report: BorrowedFd<'a>,
    /// Descriptors that stay open in the init, under the same numbers.
    pub keep: &'a [FdNumber],
    /// Cgroup v1: the `tasks` files through which it enters its cgroups.
    pub cgroup_files: &'a [BorrowedFd<'a>],
    /// Cgroup v2: the directory of the cgroup in which it is created.
    pub cgroup: Option<BorrowedFd<'a>>,
    /// Whether it gets PID and IPC namespaces of its own.
    pub isolated: bool,
}

/// Starts an init. It is in its cgroups before it is in its program, so nothing of it is ever accounted elsewhere.
pub fn spawn(spawn: &Spawn<'_>) -> Result<Spawned, SetupFailure> {
    let failed = |errno: Errno| SetupFailure::new(Step::Clone, errno.raw_os_error(), "");
    let mut pidfd: c_int = -1;
    // SAFETY: clone_args is a plain structure of integers, for which zero is a valid value.
    let mut args: libc::clone_args = unsafe { MaybeUninit::zeroed().assume_init() };
    let mut flags = libc::CLONE_PIDFD;
    if spawn.isolated {
        flags |= libc::CLONE_NEWPID | libc::CLONE_NEWIPC;
    }
    args.flags = u64::from(flags.cast_unsigned());
    args.pidfd = ptr::from_mut(&mut pidfd) as u64;
    args.exit_signal = u64::from(libc::SIGCHLD.cast_unsigned());
    if let Some(cgroup) = spawn.cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = u64::from(cgroup.as_raw_fd().cast_unsigned());
    }
    // All that the child touches is made ready here: it must not allocate.
    let mut keep = spawn.keep.to_vec();
    keep.push(spawn.report.as_raw_fd());
    let files: Vec<c_int> = spawn.cgroup_files.iter().map(AsRawFd::as_raw_fd).collect();
    let plan = Plan {
        program: spawn.program.as_raw_fd(),
        job: spawn.job.as_raw_fd(),
        null: spawn.null.as_raw_fd(),
        report: spawn.report.as_raw_fd(),
        keep: &keep,
        files: &files,
    };

    // Signals are blocked across the clone: a handler of the agent's, run in the child, would write to pipes that the
    // two share. The init wants them blocked anyway.
    let before = block_all_signals().map_err(failed)?;
    // SAFETY: args and plan live until the child has executed its program or ended. In the child only `in_child` runs,
    // which makes plain system calls and never returns, so the state of other threads' locks does not matter.
    let result = unsafe { clone_child(&mut args, &plan) };
    let outcome =
        u32::try_from(result).map_err(|_| Errno::from_raw_os_error(i32::try_from(-result).unwrap_or(libc::EIO)));
    restore_signals(&before).map_err(failed)?;
    let pid = outcome.map_err(failed)?;
    // SAFETY: the kernel has just made this descriptor for us (CLONE_PIDFD) and nobody else knows its number.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Spawned { pid, pidfd })
}

/// Runs [`in_child`] in a new process; gives back its PID or a negative error number.
///
/// The child shares this memory, on a stack of its own, and this thread stands still until it has executed its program
/// (as `posix_spawn` does it): to copy the agent's page tables, and fault its pages in again, would be a large part of
/// what a launch costs.
///
/// # Safety
/// All that `args` and `plan` point to must be valid until the call returns, and signals must be blocked.
#[cfg(target_arch = "x86_64")]
unsafe fn clone_child(args: &mut libc::clone_args, plan: &Plan<'_>) -> c_long {
    // 16 KiB: a few system calls need a few hundred bytes.
    let mut stack = vec![0u128; 1024];
    args.flags |= u64::from((libc::CLONE_VM | libc::CLONE_VFORK).cast_unsigned());
    args.stack = stack.as_mut_ptr() as u64;
    args.stack_size = size_of_val(stack.as_slice()) as u64;
    let result: c_long;
    // SAFETY: the system call returns twice. In the parent it changes rax, rcx and r11 only, and memory as declared. In
    // the child it returns on the new stack, whose end is aligned to 16 bytes, so that the call leaves it as the ABI
    // wants it; the function never returns. The stack outlives the child's use of it, since this thread waits.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r12",
            "call r13",
            "ud2",
            "2:",
            inlateout("rax") libc::SYS_clone3 => result,
            in("rdi") ptr::from_mut(args),
            in("rsi") size_of::<libc::clone_args>(),
            in("r12") ptr::from_ref(plan),
            in("r13") in_child as extern "C" fn(&Plan<'_>) -> !,
            out("rcx") _,
            out("r11") _,
        );
    }
    drop(stack);
    result
}

/// The same on other processors: the child has a copy of this memory, as after fork.
///
/// # Safety
/// All that `args` and `plan` point to must be valid until the call returns, and signals must be blocked.
#[cfg(not(target_arch = "x86_64"))]
unsafe fn clone_child(args: &mut libc::clone_args, plan: &Plan<'_>) -> c_long {
    // SAFETY: without CLONE_VM the child has a copy of this memory and its own stack at the same place; args lives until
    // the call returns and its size is given.
    let result = unsafe { libc::syscall(libc::SYS_clone3, ptr::from_mut(args), size_of::<libc::clone_args>()) };
    match result {
        0 => in_child(plan),
        result if result < 0 => -c_long::from(last_errno().raw_os_error()),
        result => result,
    }
}

/// What the child of [`spawn`] needs, without anything that would have to be allocated.
struct Plan<'a> {
    program: c_int,
    job: c_int,
    null: c_int,
    report: c_int,
    keep: &'a [c_int],
    files: &'a [c_int],
}

/// The child's way from clone to exec. Only plain system calls: it may share its memory with the threads of the agent.
extern "C" fn in_child(plan: &Plan<'_>) -> ! {
    const ARGV: [*const libc::c_char; 2] = [c"proffer-init".as_ptr(), ptr::null()];
    const ENVP: [*const libc::c_char; 1] = [ptr::null()];
    for &file in plan.files {
        // SAFETY: one byte is read from a static string. "0" stands for the writer itself.
        if unsafe { libc::write(file, c"0".as_ptr().cast(), 1) } != 1 {
            give_up(plan.report, 0);
        }
    }
    // SAFETY: dup2 and fcntl take integers only.
    let ready = unsafe {
        libc::dup2(plan.job, 0) >= 0
            && libc::dup2(plan.null, 1) >= 0
            && libc::dup2(plan.null, 2) >= 0
            && plan.keep.iter().all(|&fd| libc::fcntl(fd, libc::F_SETFD, 0) == 0)
    };
    if ready {
        // SAFETY: path, argv and envp are static, NUL-terminated and end with a null pointer where they are arrays.
        unsafe {
            libc::syscall(
                libc::SYS_execveat,
                plan.program,
                c"".as_ptr(),
                ARGV.as_ptr(),
                ENVP.as_ptr(),
                libc::AT_EMPTY_PATH,
            )
        };
    }
    give_up(plan.report, 1)
}

/// Reports the failed step and ends the child.
fn give_up(report: c_int, step: u8) -> ! {
    let [a, b, c, d] = last_errno().raw_os_error().to_le_bytes();
    let message = [Report::EARLY, step, a, b, c, d];
    // SAFETY: the buffer is on the stack and its length is given; _exit takes an integer and does not return.
    unsafe {
        libc::write(report, message.as_ptr().cast(), message.len());
        libc::_exit(127)
    }
}

/// The error of the system call made last.
fn last_errno() -> Errno {
    // SAFETY: the pointer to the thread's errno is always valid; the function is async-signal-safe.
    Errno::from_raw_os_error(unsafe { *libc::__errno_location() })
}

fn checked(result: c_int) -> io::Result<c_int> {
    if result < 0 { Err(last_errno()) } else { Ok(result) }
}

/// Takes over a descriptor that was inherited over an exec, once; from then on it is closed on the next exec.
pub fn take_inherited(number: FdNumber) -> io::Result<OwnedFd> {
    const WORDS: usize = 64;
    static TAKEN: [AtomicU64; WORDS] = [const { AtomicU64::new(0) }; WORDS];
    let index = usize::try_from(number).ok().filter(|&index| index > 2).ok_or(Errno::BADF)?;
    let word = TAKEN.get(index / 64).ok_or(Errno::BADF)?;
    let bit = 1u64 << (index % 64);
    // SAFETY: fcntl takes integers only and fails on a number that is not open.
    checked(unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) })?;
    if word.fetch_or(bit, Ordering::Relaxed) & bit != 0 {
        return Err(Errno::BADF);
    }
    // SAFETY: the number is open, was handed to this program for this purpose, and is taken only once.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Which side of [`fork`] one is on.
#[derive(Debug)]
pub enum Fork {
    /// The new process.
    Child,
    /// The old one; with the ID of the new one.
    Parent(i32),
}

/// Forks this process, which must have one thread only; refuses otherwise.
pub fn fork() -> io::Result<Fork> {
    let threads = std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    if threads != 1 {
        return Err(Errno::BUSY);
    }
    // SAFETY: there is no other thread whose locks could be held in the child's copy.
    match checked(unsafe { libc::fork() })? {
        0 => Ok(Fork::Child),
        pid => Ok(Fork::Parent(pid)),
    }
}

/// Ends the process at once, without running destructors: for the child of [`fork`].
pub fn exit_now(code: i32) -> ! {
    // SAFETY: _exit takes an integer and does not return.
    unsafe { libc::_exit(code) }
}

/// Signals blocked before [`block_all_signals`].
pub struct SignalMask(libc::sigset_t);

/// Blocks all signals for this thread.
pub fn block_all_signals() -> io::Result<SignalMask> {
    let mut all = MaybeUninit::<libc::sigset_t>::uninit();
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigfillset initialises the set it is given; pthread_sigmask reads it and writes the other.
    unsafe {
        checked(libc::sigfillset(all.as_mut_ptr()))?;
        match libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr()) {
            0 => Ok(SignalMask(before.assume_init())),
            errno => Err(Errno::from_raw_os_error(errno)),
        }
    }
}

/// Blocks again only what was blocked before.
pub fn restore_signals(mask: &SignalMask) -> io::Result<()> {
    // SAFETY: the set was initialised by pthread_sigmask; the old one is not asked for.
    match unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const mask.0, ptr::null_mut()) } {
        0 => Ok(()),
        errno => Err(Errno::from_raw_os_error(errno)),
    }
}

/// Blocks no signal any more: for the child of [`fork`], since a program inherits what is blocked.
pub fn unblock_all_signals() -> io::Result<()> {
    let mut none = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset initialises the set; pthread_sigmask reads it, and the old one is not asked for.
    unsafe {
        checked(libc::sigemptyset(none.as_mut_ptr()))?;
        match libc::pthread_sigmask(libc::SIG_SETMASK, none.as_ptr(), ptr::null_mut()) {
            0 => Ok(()),
            errno => Err(Errno::from_raw_os_error(errno)),
        }
    }
}

/// A descriptor from which blocked signals are read, all but SIGKILL and SIGSTOP, without waiting.
pub fn signal_fd() -> io::Result<OwnedFd> {
    let mut all = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigfillset initialises the set; signalfd reads it and returns a new descriptor, which is ours.
    unsafe {
        checked(libc::sigfillset(all.as_mut_ptr()))?;
        let fd = checked(libc::signalfd(-1, all.as_ptr(), libc::SFD_CLOEXEC | libc::SFD_NONBLOCK))?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

/// The next signal of a [`signal_fd`]; `None` if there is none now.
pub fn next_signal(fd: &OwnedFd) -> io::Result<Option<i32>> {
    let mut buffer = [0u8; size_of::<libc::signalfd_siginfo>()];
    match io::read(fd, &mut buffer) {
        Ok(_) => {
            let [a, b, c, d, ..] = buffer;
            Ok(Some(i32::from_ne_bytes([a, b, c, d])))
        }
        Err(Errno::AGAIN) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Sends a signal to a process group.
pub fn signal_group(leader: i32, signal: i32) -> io::Result<()> {
    if leader <= 1 {
        return Err(Errno::INVAL);
    }
    // SAFETY: kill takes integers only.
    checked(unsafe { libc::kill(-leader, signal) }).map(drop)
}

/// Kills every process of the caller's PID namespace but the caller, which must be its PID 1.
pub fn kill_everything_else() -> io::Result<()> {
    if std::process::id() != 1 {
        return Err(Errno::PERM);
    }
    // SAFETY: kill takes integers only. Being PID 1, this reaches no process outside the namespace.
    checked(unsafe { libc::kill(-1, libc::SIGKILL) }).map(drop)
}

/// Sends a signal by number (real-time ones included) to the process that a pidfd stands for.
pub fn signal_pidfd(pidfd: BorrowedFd<'_>, signal: i32) -> io::Result<()> {
    let info = ptr::null::<libc::siginfo_t>();
    // SAFETY: the descriptor is open while it is borrowed; without siginfo the kernel fills one in.
    let result = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, info, 0) };
    if result < 0 { Err(last_errno()) } else { Ok(()) }
}

/// Gives this process a mount namespace of its own.
pub fn unshare_mounts() -> io::Result<()> {
    // SAFETY: a new mount namespace changes what paths mean, not what memory or descriptors are.
    checked(unsafe { libc::unshare(libc::CLONE_NEWNS) }).map(drop)
}

/// Sets close-on-exec on every descriptor from `first` on.
pub fn close_on_exec_from(first: u32) -> io::Result<()> {
    let flag: c_int = 4; // CLOSE_RANGE_CLOEXEC
    // SAFETY: it changes flags only; no descriptor is closed before an exec.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, flag) };
    if result < 0 { Err(last_errno()) } else { Ok(()) }
}

/// One instruction of a seccomp program, in the kernel's layout.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Instruction {
    /// Operation.
    pub code: u16,
    /// Instructions to skip if a comparison holds.
    pub if_true: u8,
    /// Instructions to skip if it does not.
    pub if_false: u8,
    /// Operand.
    pub operand: u32,
}

/// Installs a system call filter for this process and what it becomes. Needs `no_new_privs`.
pub fn install_seccomp(program: &[Instruction]) -> io::Result<()> {
    #[repr(C)]
    struct Program {
        length: u16,
        instructions: *const Instruction,
    }
    let program =
        Program { length: u16::try_from(program.len()).map_err(|_| Errno::INVAL)?, instructions: program.as_ptr() };
    let mode: c_long = 1; // SECCOMP_SET_MODE_FILTER
    // SAFETY: the structures have the layout of sock_fprog and sock_filter, and live until the call returns; the
    // kernel checks the program and copies it.
    let result = unsafe { libc::syscall(libc::SYS_seccomp, mode, 0, &raw const program) };
    if result < 0 { Err(last_errno()) } else { Ok(()) }
}

/// What the children that were waited for have used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time in user mode, in microseconds.
    pub user_micros: u64,
    /// CPU time in kernel mode, in microseconds.
    pub system_micros: u64,
    /// Largest resident set, in KiB.
    pub max_rss_kib: u64,
}

/// What the children that were waited for have used; nothing if the kernel does not tell.
#[must_use]
pub fn children_usage() -> Usage {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: getrusage writes the structure it is given, for which zero is a valid value too.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_CHILDREN, usage.as_mut_ptr());
        usage.assume_init()
    };
    let micros = |time: libc::timeval| {
        u64::try_from(time.tv_sec).unwrap_or_default() * 1_000_000 + u64::try_from(time.tv_usec).unwrap_or_default()
    };
    Usage {
        user_micros: micros(usage.ru_utime),
        system_micros: micros(usage.ru_stime),
        max_rss_kib: u64::try_from(usage.ru_maxrss).unwrap_or_default(),
    }
}
