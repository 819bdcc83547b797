//! The system call filter of tasks: what no ordinary program needs and kernel bugs are reached through.
//!
//! On top of it comes the filter of the agent's own container, which tasks inherit.

use proffer_init::sys::Instruction;

/// Loads a 32-bit word of the call's data.
const LOAD: u16 = 0x20;
/// Compares for equality.
const JUMP_EQUAL: u16 = 0x15;
/// Compares for greater or equal.
const JUMP_GREATER_EQUAL: u16 = 0x35;
/// Tests bits.
const JUMP_BITS: u16 = 0x45;
/// Ends with a verdict.
const RETURN: u16 = 0x06;
const ALLOW: u32 = 0x7fff_0000;
const ERRNO: u32 = 0x0005_0000;
/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const FIRST_ARGUMENT: u32 = 16;

#[cfg(target_arch = "x86_64")]
const NATIVE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const NATIVE: u32 = 0xc000_00b7;
/// Numbers from here on are x86's x32 calls; no call of any architecture has such a number otherwise.
const X32: u32 = 0x4000_0000;

/// Refused with EPERM.
const REFUSED: &[i64] = &[
    libc::SYS_acct,
    libc::SYS_add_key,
    libc::SYS_bpf,
    libc::SYS_clock_adjtime,
    libc::SYS_clock_settime,
    libc::SYS_delete_module,
    libc::SYS_finit_module,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_init_module,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    libc::SYS_kexec_file_load,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_mount,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_open_tree,
    libc::SYS_perf_event_open,
    libc::SYS_pivot_root,
    libc::SYS_quotactl,
    libc::SYS_reboot,
    libc::SYS_request_key,
    libc::SYS_setns,
    libc::SYS_settimeofday,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_syslog,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_userfaultfd,
];

/// Answered with ENOSYS, on which libraries take another way: `io_uring`, and clone3, whose flags a filter cannot see.
const ABSENT: &[i64] =
    &[libc::SYS_clone3, libc::SYS_io_uring_enter, libc::SYS_io_uring_register, libc::SYS_io_uring_setup];

/// The filter's program.
pub(crate) fn program() -> Vec<Instruction> {
    let mut program = vec![
        load(ARCHITECTURE),
        // Calls of another architecture (32-bit programs) have other numbers, so they are not let in at all.
        skip_if_equal(NATIVE, 1),
        verdict(ERRNO | errno(libc::ENOSYS)),
        load(NUMBER),
        Instruction { code: JUMP_GREATER_EQUAL, if_true: 0, if_false: 1, operand: X32 },
        verdict(ERRNO | errno(libc::ENOSYS)),
    ];
    for (calls, answer) in [(REFUSED, libc::EPERM), (ABSENT, libc::ENOSYS)] {
        for &call in calls {
            program.push(Instruction { code: JUMP_EQUAL, if_true: 0, if_false: 1, operand: word(call) });
            program.push(verdict(ERRNO | errno(answer)));
        }
    }
    // clone: everything but a new user namespace, which would bring back what the capabilities were dropped for.
    program.push(Instruction { code: JUMP_EQUAL, if_true: 0, if_false: 3, operand: word(libc::SYS_clone) });
    program.push(load(FIRST_ARGUMENT));
    program.push(Instruction {
        code: JUMP_BITS,
        if_true: 0,
        if_false: 1,
        operand: libc::CLONE_NEWUSER.cast_unsigned(),
    });
    program.push(verdict(ERRNO | errno(libc::EPERM)));
    program.push(verdict(ALLOW));
    program
}

const fn load(offset: u32) -> Instruction {
    Instruction { code: LOAD, if_true: 0, if_false: 0, operand: offset }
}

const fn skip_if_equal(operand: u32, skip: u8) -> Instruction {
    Instruction { code: JUMP_EQUAL, if_true: skip, if_false: 0, operand }
}

const fn verdict(operand: u32) -> Instruction {
    Instruction { code: RETURN, if_true: 0, if_false: 0, operand }
}

const fn errno(number: i32) -> u32 {
    number.cast_unsigned()
}

/// System call numbers are small.
fn word(call: i64) -> u32 {
    u32::try_from(call).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_with_a_verdict_and_jumps_stay_inside() {
        let program = program();
        assert_eq!(program.last().unwrap().code, RETURN);
        for (index, instruction) in program.iter().enumerate() {
            let farthest = index + 1 + usize::from(instruction.if_true.max(instruction.if_false));
            assert!(instruction.code == RETURN || farthest < program.len(), "instruction {index}");
        }
    }
}
