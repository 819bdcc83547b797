//! Becoming the task's user, for good.

use rustix::io;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{
    CapabilitySet, CapabilitySets, Gid, Uid, clear_ambient_capability_set, remove_capability_from_bounding_set,
    set_capabilities, set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

/// How many files a task may have open unless it asks for more: what programs that use `select()` or loop over all
/// descriptors still cope with.
const SOFT_OPEN_FILES: u64 = 65_536;

/// Drops every capability and group, becomes `uid` and `gid`, and gives up ever gaining privileges. The process has
/// one thread, so thread credentials are those of the process.
pub(crate) fn drop_to(uid: u32, gid: u32) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    for number in 0..64 {
        match remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(1 << number)) {
            // The first number that the kernel does not know ends the list.
            Err(io::Errno::INVAL) => break,
            result => result?,
        }
    }
    set_thread_groups(&[])?;
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)?;
    // Leaving user 0 has cleared these already; a task that stays root keeps none either.
    clear_ambient_capability_set()?;
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
    set_no_new_privs(true)
}

/// Limits of the process itself; those of the task are its cgroup's.
pub(crate) fn set_limits() -> io::Result<()> {
    let files = getrlimit(Resource::Nofile);
    let soft = files.maximum.map_or(SOFT_OPEN_FILES, |most| most.min(SOFT_OPEN_FILES));
    setrlimit(Resource::Nofile, Rlimit { current: Some(soft), maximum: files.maximum })?;
    let core = getrlimit(Resource::Core);
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: core.maximum })
}
