//! Calls of the kernel that no task needs, by every door.

use super::Attacker;
use crate::lab::Lab;

const KERNEL: &str = include_str!("kernel.py");

#[track_caller]
fn attempts(table: &str) {
    let lab = Lab::new();
    Attacker::new(KERNEL).attempts(&lab, table, &[]);
}

#[test]
fn no_namespace_is_made_or_entered() {
    attempts(
        "unshare_user EPERM anyone
         unshare_mount EPERM anyone
         unshare_net EPERM anyone
         unshare_pid EPERM anyone
         unshare_ipc EPERM anyone
         unshare_uts EPERM anyone
         unshare_cgroup EPERM anyone
         unshare_time EPERM anyone
         clone_user EPERM anyone
         clone_mount EPERM anyone
         clone_net EPERM anyone
         clone_pid EPERM anyone
         clone_ipc EPERM anyone
         clone_uts EPERM anyone
         clone_cgroup EPERM anyone
         clone3_user ENOSYS anyone
         join_mnt EPERM anyone
         join_net EPERM anyone
         join_ipc EPERM anyone
         join_uts EPERM anyone
         join_cgroup EPERM anyone
         join_by_pidfd EPERM anyone",
    );
}

#[test]
fn nothing_is_mounted_by_the_old_calls_or_the_new() {
    attempts(
        "mount EPERM anyone
         bind EPERM anyone
         remount_root_writable EPERM root
         make_root_shared EPERM -
         umount EPERM -
         fsopen EPERM anyone
         fspick EPERM root
         open_tree_clone EPERM anyone
         move_mount EPERM -
         mount_setattr EPERM anyone
         statmount EPERM|ENOSYS -
         listmount EPERM|ENOSYS -
         pivot_root EPERM -
         chroot EPERM anyone
         handle_of_a_name EPERM anyone
         open_by_handle EPERM root
         openat2 ENOSYS anyone",
    );
}

#[test]
fn no_process_is_traced_or_read_by_another() {
    attempts(
        "ptrace_me EPERM anyone
         ptrace_init EPERM -
         ptrace_a_child EPERM anyone
         read_a_childs_memory EPERM anyone
         write_a_childs_memory EPERM anyone
         take_a_childs_descriptor EPERM anyone
         compare_with_a_child EPERM anyone
         advise_a_child EPERM -",
    );
}

#[test]
fn what_is_known_for_its_holes_is_not_there() {
    attempts(
        "add_key EPERM anyone
         request_key EPERM -
         join_a_session_of_keys EPERM anyone
         bpf EPERM root
         perf EPERM root
         userfaultfd EPERM -
         io_uring ENOSYS -
         aio ENOSYS anyone
         fanotify EPERM root
         modify_ldt EPERM anyone
         personality_of_a_fixed_place EPERM anyone
         personality_of_all_executable EPERM anyone
         set_mempolicy EPERM anyone
         migrate_pages EPERM -
         move_pages EPERM anyone
         mq_open EPERM anyone
         memfd_secret EPERM -
         lookup_dcookie EPERM -
         a_call_of_the_future ENOSYS -",
    );
}

#[test]
fn what_concerns_the_whole_machine_is_refused() {
    attempts(
        "quotactl EPERM -
         quotactl_fd EPERM -
         init_module EPERM -
         finit_module EPERM -
         delete_module EPERM -
         kexec EPERM -
         kexec_file EPERM -
         reboot EPERM -
         swapon EPERM -
         swapoff EPERM -
         acct EPERM -
         settimeofday EPERM -
         clock_settime EPERM -
         adjtimex EPERM anyone
         sethostname EPERM anyone
         setdomainname EPERM anyone
         syslog EPERM root
         vhangup EPERM -
         iopl EPERM|ENOSYS -
         ioperm EPERM|ENOSYS -
         type_into_a_terminal EPERM -
         type_into_a_terminal_by_a_longer_number EPERM -
         paste_into_a_console EPERM -",
    );
}

#[test]
fn no_right_comes_back_that_was_given_up() {
    attempts(
        "setuid EINVAL anyone
         setgid EINVAL anyone
         setresuid EINVAL root
         setgroups EPERM root
         rights_to_files_of_root EPERM anyone
         raise_capabilities EPERM -
         keep_capabilities EPERM anyone
         secure_bits EPERM anyone
         ambient_capability EPERM -
         gain_privileges_again EINVAL -
         leave_seccomp EINVAL -
         lay_out_memory EPERM -
         dump_as_root EINVAL -
         flush_io_first EPERM -
         limit_of_init EPERM anyone",
    );
}

/// A filter that is laid over ours only ever takes more away.
#[test]
fn a_filter_of_its_own_opens_nothing() {
    attempts(
        "mount_behind_a_filter_that_allows EPERM anyone
         mount_behind_a_filter_that_logs EPERM anyone
         mount_behind_a_filter_for_tracers EPERM -
         mount_behind_a_filter_with_a_listener EPERM|EBUSY -",
    );
}

/// A 32-bit call has other numbers, and one of its sockets is another call altogether.
#[cfg(target_arch = "x86_64")]
#[test]
fn who_calls_by_another_door_is_killed() {
    attempts(
        "pid_by_the_old_door SIGSYS -
         socket_by_the_old_door SIGSYS -
         pid_by_x32 SIGSYS -
         mount_by_x32 SIGSYS -
         execute_by_x32 SIGSYS -
         a_call_below_zero SIGSYS -",
    );
}
