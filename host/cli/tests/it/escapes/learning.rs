//! The same attempts in runs that learn: being told of more calls makes no answer another one.

use super::Attacker;
use crate::lab::Lab;

#[track_caller]
fn attempts(program: &'static str, table: &str) {
    let lab = Lab::new();
    Attacker::new(program).attempts(&lab, table, &["--learn"]);
}

#[test]
fn calls_of_the_kernel_stay_refused_in_a_run_that_learns() {
    attempts(
        include_str!("kernel.py"),
        "unshare_user EPERM anyone
         unshare_mount EPERM anyone
         unshare_net EPERM anyone
         clone_user EPERM anyone
         clone3_user ENOSYS anyone
         join_mnt EPERM anyone
         mount EPERM anyone
         bind EPERM anyone
         umount EPERM -
         fsopen EPERM anyone
         open_tree_clone EPERM anyone
         move_mount EPERM -
         pivot_root EPERM -
         chroot EPERM anyone
         handle_of_a_name EPERM anyone
         open_by_handle EPERM root
         openat2 ENOSYS anyone
         ptrace_me EPERM anyone
         ptrace_init EPERM -
         read_a_childs_memory EPERM anyone
         take_a_childs_descriptor EPERM anyone
         add_key EPERM anyone
         bpf EPERM root
         perf EPERM root
         io_uring ENOSYS -
         aio ENOSYS anyone
         fanotify EPERM root
         a_call_of_the_future ENOSYS -
         setuid EINVAL anyone
         gain_privileges_again EINVAL -
         leave_seccomp EINVAL -
         limit_of_init EPERM anyone",
    );
}

/// A filter that is laid over ours could otherwise answer what ours asks about.
#[test]
fn a_filter_of_its_own_opens_nothing_in_a_run_that_learns() {
    attempts(
        include_str!("kernel.py"),
        "mount_behind_a_filter_that_allows EPERM anyone
         mount_behind_a_filter_that_logs EPERM anyone
         mount_behind_a_filter_for_tracers EPERM -
         mount_behind_a_filter_with_a_listener EPERM|EBUSY -",
    );
}

#[cfg(target_arch = "x86_64")]
#[test]
fn who_calls_by_another_door_is_killed_in_a_run_that_learns() {
    attempts(
        include_str!("kernel.py"),
        "pid_by_the_old_door SIGSYS -
         socket_by_the_old_door SIGSYS -
         pid_by_x32 SIGSYS -
         execute_by_x32 SIGSYS -
         a_call_below_zero SIGSYS -",
    );
}
