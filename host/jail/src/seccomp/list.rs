//! Which system calls a task may make.
//!
//! Drawn up from what a shell, Python, curl and compilers use, with the container world's default profile as
//! a check. Left out on purpose, so answered by EPERM: mounting and namespaces, keys, tracing and reading
//! other processes, BPF, perf, userfaultfd, modules, kexec, clocks, quotas, swap, handles, fanotify, NUMA moves.

use super::{Arm, Test, Verdict};
use crate::learn;

/// What of the kernel a run sees, by what it runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Surface {
    /// A program, without UNIX sockets that reach others by their path: where Landlock cannot refuse to resolve such a
    /// path, any directory that the task sees could hold a socket of the machine.
    Program,
    /// A program, with such sockets.
    ProgramWithSockets,
    /// A function of this binary: one process, which starts no other and executes nothing.
    Function,
}

/// The highest call number that this list was drawn up against (Linux 6.10); newer ones answer ENOSYS.
pub(super) const NEWEST_KNOWN: u32 = 462;

const EPERM: Verdict = Verdict::Errno(libc::EPERM);
const ENOSYS: Verdict = Verdict::Absent;

const fn equals(argument: u8, value: u32) -> Test {
    Test {
        argument,
        mask: u32::MAX,
        value,
        holds_if_equal: true,
    }
}

const fn has_any(argument: u8, bits: u32) -> Test {
    Test {
        argument,
        mask: bits,
        value: 0,
        holds_if_equal: false,
    }
}

const fn has_none(argument: u8, bits: u32) -> Test {
    Test {
        argument,
        mask: bits,
        value: 0,
        holds_if_equal: true,
    }
}

/// S_ISUID and S_ISGID: no task makes a file that carries its rights to another user.
const SET_ID_BITS: u32 = 0o6000;
/// Every `CLONE_NEW*` flag that clone(2) knows.
const NEW_NAMESPACE_BITS: u32 = 0x7e02_0000;
/// O_CREAT, and the bit of O_TMPFILE that O_DIRECTORY lacks: only then is there a mode to look at.
const CREATES_BITS: u32 = 0o100 | 0o20_000_000;

const fn refused(tests: &'static [Test; 1]) -> Arm {
    Arm { tests, then: EPERM }
}

const NO_SET_ID_1: Verdict =
    Verdict::Check(&[refused(&[has_any(1, SET_ID_BITS)])], &Verdict::Allow);
const NO_SET_ID_2: Verdict =
    Verdict::Check(&[refused(&[has_any(2, SET_ID_BITS)])], &Verdict::Allow);
/// The bits of a mode that say what kind of file it is, and the two kinds that are devices.
const KIND_BITS: u32 = 0o170_000;
const CHARACTER_DEVICE: u32 = 0o020_000;
const BLOCK_DEVICE: u32 = 0o060_000;

const fn is_kind(argument: u8, kind: u32) -> Test {
    Test {
        argument,
        mask: KIND_BITS,
        value: kind,
        holds_if_equal: true,
    }
}

/// No task makes such a file by mknod(2) either, nor a device. That takes a capability, but for whiteouts, which hide files
/// of others where a directory is the upper one of an overlay, and which Landlock takes for plain files on some kernels
/// (6.1.192 of Debian).
#[cfg(target_arch = "x86_64")]
const MKNOD: Verdict = Verdict::Check(
    &[
        refused(&[has_any(1, SET_ID_BITS)]),
        refused(&[is_kind(1, CHARACTER_DEVICE)]),
        refused(&[is_kind(1, BLOCK_DEVICE)]),
    ],
    &Verdict::Allow,
);
const MKNODAT: Verdict = Verdict::Check(
    &[
        refused(&[has_any(2, SET_ID_BITS)]),
        refused(&[is_kind(2, CHARACTER_DEVICE)]),
        refused(&[is_kind(2, BLOCK_DEVICE)]),
    ],
    &Verdict::Allow,
);
const OPENAT: Verdict = Verdict::Check(
    &[Arm {
        tests: &[has_any(2, CREATES_BITS), has_any(3, SET_ID_BITS)],
        then: EPERM,
    }],
    &Verdict::Allow,
);
#[cfg(target_arch = "x86_64")]
const OPEN: Verdict = Verdict::Check(
    &[Arm {
        tests: &[has_any(1, CREATES_BITS), has_any(2, SET_ID_BITS)],
        then: EPERM,
    }],
    &Verdict::Allow,
);
const CLONE: Verdict = Verdict::Check(
    &[Arm {
        tests: &[has_any(0, NEW_NAMESPACE_BITS)],
        then: EPERM,
    }],
    &Verdict::Allow,
);
/// A thread of this process, and no other process.
const CLONE_THREAD: Verdict = Verdict::Check(
    &[Arm {
        tests: &[
            has_any(0, libc::CLONE_THREAD.unsigned_abs()),
            has_none(0, NEW_NAMESPACE_BITS),
        ],
        then: Verdict::Allow,
    }],
    &EPERM,
);
const IOCTL: Verdict = Verdict::Check(
    &[
        Arm {
            tests: &[equals(1, 0x5412)],
            then: EPERM,
        },
        Arm {
            tests: &[equals(1, 0x541c)],
            then: EPERM,
        },
    ],
    &Verdict::Allow,
);
/// RENAME_WHITEOUT: it leaves a device behind in the place of what was moved.
const RENAME: Verdict = Verdict::Check(
    &[Arm {
        tests: &[has_any(4, 1 << 2)],
        then: EPERM,
    }],
    &Verdict::Allow,
);
/// No lease on a file (F_SETLEASE, F_SETDELEG), which would hold up whoever opens it elsewhere: to the kernel a run owns what
/// it was granted to read. And no notice of what others do in a directory (F_NOTIFY).
const FCNTL: Verdict = Verdict::Check(
    &[
        Arm {
            tests: &[equals(1, 1024)],
            then: EPERM,
        },
        Arm {
            tests: &[equals(1, 1026)],
            then: EPERM,
        },
        Arm {
            tests: &[equals(1, 1040)],
            then: EPERM,
        },
    ],
    &Verdict::Allow,
);
const PERSONALITY: Verdict = Verdict::Check(
    &[
        Arm {
            tests: &[equals(0, 0)],
            then: Verdict::Allow,
        },
        Arm {
            tests: &[equals(0, u32::MAX)],
            then: Verdict::Allow,
        },
    ],
    &EPERM,
);

/// Only of itself: init has the same user id, and must not be lent a limit that kills it.
const PRLIMIT: Verdict = Verdict::Check(
    &[Arm {
        tests: &[equals(0, 0)],
        then: Verdict::Allow,
    }],
    &EPERM,
);

const AF_UNIX: u32 = 1;
const AF_INET: u32 = 2;
const AF_INET6: u32 = 10;
const SOCKET_TYPE_MASK: u32 = 0xf;
const SOCK_STREAM: u32 = 1;
const SOCK_DGRAM: u32 = 2;
const SOCK_SEQPACKET: u32 = 5;

const fn is_type(kind: u32) -> Test {
    Test {
        argument: 1,
        mask: SOCKET_TYPE_MASK,
        value: kind,
        holds_if_equal: true,
    }
}

const fn inet(tests: &'static [Test; 3]) -> Arm {
    Arm {
        tests,
        then: Verdict::Allow,
    }
}

/// Plain TCP and UDP, and nothing raw: no MPTCP, SCTP, vsock, netlink, packet or crypto sockets.
const INTERNET: [Arm; 8] = [
    inet(&[equals(0, AF_INET), is_type(SOCK_STREAM), equals(2, 0)]),
    inet(&[equals(0, AF_INET), is_type(SOCK_STREAM), equals(2, 6)]),
    inet(&[equals(0, AF_INET), is_type(SOCK_DGRAM), equals(2, 0)]),
    inet(&[equals(0, AF_INET), is_type(SOCK_DGRAM), equals(2, 17)]),
    inet(&[equals(0, AF_INET6), is_type(SOCK_STREAM), equals(2, 0)]),
    inet(&[equals(0, AF_INET6), is_type(SOCK_STREAM), equals(2, 6)]),
    inet(&[equals(0, AF_INET6), is_type(SOCK_DGRAM), equals(2, 0)]),
    inet(&[equals(0, AF_INET6), is_type(SOCK_DGRAM), equals(2, 17)]),
];
const NO_FAMILY: Verdict = Verdict::Errno(libc::EAFNOSUPPORT);
const SOCKET_INTERNET: Verdict = Verdict::Check(&INTERNET, &NO_FAMILY);
const SOCKET_ALL: Verdict = Verdict::Check(
    &[Arm {
        tests: &[equals(0, AF_UNIX)],
        then: Verdict::Allow,
    }],
    &SOCKET_INTERNET,
);
/// A pair of datagram sockets can be sent from to any path; a connected pair stays what it is.
const SOCKETPAIR_CONNECTED: Verdict = Verdict::Check(
    &[
        Arm {
            tests: &[equals(0, AF_UNIX), is_type(SOCK_STREAM)],
            then: Verdict::Allow,
        },
        Arm {
            tests: &[equals(0, AF_UNIX), is_type(SOCK_SEQPACKET)],
            then: Verdict::Allow,
        },
    ],
    &NO_FAMILY,
);
const SOCKETPAIR_ALL: Verdict = Verdict::Check(
    &[Arm {
        tests: &[equals(0, AF_UNIX)],
        then: Verdict::Allow,
    }],
    &NO_FAMILY,
);

/// Every listed call with its verdict.
pub(super) fn verdicts(surface: Surface) -> Vec<(u32, Verdict)> {
    let (socket, socketpair, clone) = match surface {
        Surface::Program => (SOCKET_INTERNET, SOCKETPAIR_CONNECTED, CLONE),
        Surface::ProgramWithSockets => (SOCKET_ALL, SOCKETPAIR_ALL, CLONE),
        Surface::Function => (NO_FAMILY, NO_FAMILY, CLONE_THREAD),
    };
    let checked = [
        (libc::SYS_clone, clone),
        (libc::SYS_clone3, ENOSYS),
        (libc::SYS_openat2, ENOSYS),
        (libc::SYS_openat, OPENAT),
        (libc::SYS_fchmod, NO_SET_ID_1),
        (libc::SYS_fchmodat, NO_SET_ID_2),
        (SYS_FCHMODAT2, NO_SET_ID_2),
        (libc::SYS_mkdirat, NO_SET_ID_2),
        (libc::SYS_mknodat, MKNODAT),
        (libc::SYS_ioctl, IOCTL),
        (libc::SYS_fcntl, FCNTL),
        (libc::SYS_renameat2, RENAME),
        // It tells who else on the machine opens what the run may read, and takes of what the machine has for its user.
        (libc::SYS_inotify_init1, ENOSYS),
        (libc::SYS_personality, PERSONALITY),
        (libc::SYS_socket, socket),
        (libc::SYS_socketpair, socketpair),
        // Out of an empty network it leads nowhere, and where it should have led is worth telling.
        (libc::SYS_connect, Verdict::Watched),
        (libc::SYS_prlimit64, PRLIMIT),
        // Programs that would use a ring fall back to plain calls when there is none.
        (libc::SYS_io_uring_setup, ENOSYS),
        (libc::SYS_io_uring_enter, ENOSYS),
        (libc::SYS_io_uring_register, ENOSYS),
        // The kernel counts the events of these for the whole machine (fs.aio-max-nr): one run could take them all.
        (libc::SYS_io_setup, ENOSYS),
        (libc::SYS_io_submit, ENOSYS),
        (libc::SYS_io_getevents, ENOSYS),
        (libc::SYS_io_cancel, ENOSYS),
        (libc::SYS_io_destroy, ENOSYS),
        (SYS_IO_PGETEVENTS, ENOSYS),
    ];
    let withheld = |number: &libc::c_long| {
        surface == Surface::Function
            && (STARTING.contains(number) || WITHHELD_FROM_FUNCTIONS.contains(number))
    };
    let plain = ALLOWED.iter().chain(ALLOWED_HERE);
    let plain = plain.filter(|number| !withheld(number));
    let all = checked
        .into_iter()
        .chain(CHECKED_HERE.iter().copied())
        .chain(plain.map(|number| (*number, Verdict::Allow)));
    all.filter_map(|(number, verdict)| Some((u32::try_from(number).ok()?, verdict)))
        .collect()
}

/// The same for a run that learns: what it is allowed to open, to change and to execute is told of besides. No verdict is
/// another one for that.
pub(super) fn verdicts_of_learning(surface: Surface) -> Vec<(u32, Verdict)> {
    let listed = verdicts(surface).into_iter();
    let verdict = |number: u32, verdict| {
        if learn::is_told(number) {
            watched(verdict)
        } else {
            verdict
        }
    };
    listed
        .map(|(number, listed)| (number, verdict(number, listed)))
        .collect()
}

/// The same verdict, told of where it allows.
fn watched(verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Allow => Verdict::Watched,
        // The arms of such a check refuse, and are told of as any refusal.
        Verdict::Check(arms, Verdict::Allow) => Verdict::Check(arms, &Verdict::Watched),
        other => other,
    }
}

/// What init needs once the task runs: to wait for processes, to say how the task ended, and to end.
pub(super) fn verdicts_of_init() -> Vec<(u32, Verdict)> {
    let allowed = [
        libc::SYS_wait4,
        libc::SYS_waitid,
        libc::SYS_sendmsg,
        libc::SYS_exit,
        libc::SYS_exit_group,
        libc::SYS_brk,
        libc::SYS_mmap,
        libc::SYS_mremap,
        libc::SYS_munmap,
        libc::SYS_restart_syscall,
        libc::SYS_rt_sigreturn,
    ];
    allowed
        .into_iter()
        .filter_map(|number| Some((u32::try_from(number).ok()?, Verdict::Allow)))
        .collect()
}

/// FIONBIO, which is how the standard library has a socket not wait.
const NOT_TO_WAIT: u32 = 0x5421;

/// What a relay needs once it serves: sockets of TCP, pipes, threads and memory.
pub(super) fn verdicts_of_relay() -> Vec<(u32, Verdict)> {
    const SOCKET: Verdict = Verdict::Check(
        &[
            inet(&[equals(0, AF_INET), is_type(SOCK_STREAM), equals(2, 0)]),
            inet(&[equals(0, AF_INET6), is_type(SOCK_STREAM), equals(2, 0)]),
        ],
        &NO_FAMILY,
    );
    const IOCTL: Verdict = Verdict::Check(
        &[Arm {
            tests: &[equals(1, NOT_TO_WAIT)],
            then: Verdict::Allow,
        }],
        &EPERM,
    );
    let checked = [
        (libc::SYS_socket, SOCKET),
        (libc::SYS_ioctl, IOCTL),
        (libc::SYS_clone, CLONE_THREAD),
        (libc::SYS_clone3, ENOSYS),
    ];
    let plain = OF_RELAY.iter().chain(OF_RELAY_HERE);
    let plain = plain.map(|number| (*number, Verdict::Allow));
    checked
        .into_iter()
        .chain(plain)
        .filter_map(|(number, verdict)| Some((u32::try_from(number).ok()?, verdict)))
        .collect()
}

#[cfg(target_arch = "x86_64")]
const OF_RELAY_HERE: &[libc::c_long] = &[libc::SYS_poll];
#[cfg(not(target_arch = "x86_64"))]
const OF_RELAY_HERE: &[libc::c_long] = &[];

const OF_RELAY: &[libc::c_long] = &[
    libc::SYS_accept4,
    libc::SYS_bind,
    libc::SYS_brk,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_close,
    libc::SYS_connect,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_fcntl,
    libc::SYS_futex,
    libc::SYS_getpid,
    libc::SYS_getrandom,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_gettid,
    libc::SYS_madvise,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_nanosleep,
    libc::SYS_pipe2,
    libc::SYS_ppoll,
    libc::SYS_read,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_set_robust_list,
    libc::SYS_setsockopt,
    libc::SYS_shutdown,
    libc::SYS_sigaltstack,
    libc::SYS_splice,
    libc::SYS_write,
    libc::SYS_writev,
];

/// io_pgetevents(2), by architecture.
const SYS_IO_PGETEVENTS: libc::c_long = if cfg!(target_arch = "x86_64") {
    333
} else {
    292
};
/// fchmodat2(2), on every architecture.
const SYS_FCHMODAT2: libc::c_long = 452;

#[cfg(target_arch = "x86_64")]
const CHECKED_HERE: &[(libc::c_long, Verdict)] = &[
    (libc::SYS_open, OPEN),
    (libc::SYS_creat, NO_SET_ID_1),
    (libc::SYS_inotify_init, ENOSYS),
    (libc::SYS_chmod, NO_SET_ID_1),
    (libc::SYS_mkdir, NO_SET_ID_1),
    (libc::SYS_mknod, MKNOD),
];
#[cfg(not(target_arch = "x86_64"))]
const CHECKED_HERE: &[(libc::c_long, Verdict)] = &[];

/// What a function that holds to its purpose never calls: memory that its limit does not count, and other ways to use up
/// what the kernel has.
const WITHHELD_FROM_FUNCTIONS: &[libc::c_long] = &[
    libc::SYS_memfd_create,
    libc::SYS_msgctl,
    libc::SYS_msgget,
    libc::SYS_msgrcv,
    libc::SYS_msgsnd,
    libc::SYS_semctl,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_shmdt,
    libc::SYS_shmget,
];

/// What starts another process or another program.
#[cfg(target_arch = "x86_64")]
const STARTING: &[libc::c_long] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_fork,
    libc::SYS_vfork,
];
#[cfg(not(target_arch = "x86_64"))]
const STARTING: &[libc::c_long] = &[libc::SYS_execve, libc::SYS_execveat];

/// Old forms that only this architecture has.
#[cfg(target_arch = "x86_64")]
const ALLOWED_HERE: &[libc::c_long] = &[
    libc::SYS_access,
    libc::SYS_alarm,
    libc::SYS_arch_prctl,
    libc::SYS_chown,
    libc::SYS_dup2,
    libc::SYS_epoll_create,
    libc::SYS_epoll_wait,
    libc::SYS_eventfd,
    libc::SYS_fork,
    libc::SYS_futimesat,
    libc::SYS_getdents,
    libc::SYS_getpgrp,
    libc::SYS_getrlimit,
    libc::SYS_lchown,
    libc::SYS_link,
    libc::SYS_lstat,
    libc::SYS_pause,
    libc::SYS_pipe,
    libc::SYS_poll,
    libc::SYS_readlink,
    libc::SYS_rename,
    libc::SYS_rmdir,
    libc::SYS_select,
    libc::SYS_signalfd,
    libc::SYS_stat,
    libc::SYS_symlink,
    libc::SYS_time,
    libc::SYS_unlink,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_vfork,
];
#[cfg(not(target_arch = "x86_64"))]
const ALLOWED_HERE: &[libc::c_long] = &[];

const ALLOWED: &[libc::c_long] = &[
    // Files and directories.
    libc::SYS_chdir,
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_copy_file_range,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_fadvise64,
    libc::SYS_fallocate,
    libc::SYS_fchdir,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_fdatasync,
    libc::SYS_fgetxattr,
    libc::SYS_flistxattr,
    libc::SYS_flock,
    libc::SYS_fremovexattr,
    libc::SYS_fsetxattr,
    libc::SYS_fstat,
    libc::SYS_fstatfs,
    libc::SYS_fsync,
    libc::SYS_ftruncate,
    libc::SYS_getcwd,
    libc::SYS_getdents64,
    libc::SYS_getxattr,
    libc::SYS_lgetxattr,
    libc::SYS_linkat,
    libc::SYS_listxattr,
    libc::SYS_llistxattr,
    libc::SYS_lremovexattr,
    libc::SYS_lseek,
    libc::SYS_lsetxattr,
    libc::SYS_newfstatat,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_preadv2,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    libc::SYS_pwritev2,
    libc::SYS_read,
    libc::SYS_readahead,
    libc::SYS_readlinkat,
    libc::SYS_readv,
    libc::SYS_removexattr,
    libc::SYS_renameat,
    libc::SYS_sendfile,
    libc::SYS_setxattr,
    libc::SYS_splice,
    libc::SYS_statfs,
    libc::SYS_statx,
    libc::SYS_symlinkat,
    libc::SYS_sync,
    libc::SYS_sync_file_range,
    libc::SYS_syncfs,
    libc::SYS_tee,
    libc::SYS_truncate,
    libc::SYS_umask,
    libc::SYS_unlinkat,
    libc::SYS_utimensat,
    libc::SYS_vmsplice,
    libc::SYS_write,
    libc::SYS_writev,
    // Memory.
    libc::SYS_brk,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    libc::SYS_memfd_create,
    libc::SYS_mincore,
    libc::SYS_mlock,
    libc::SYS_mlock2,
    libc::SYS_mlockall,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_mseal,
    libc::SYS_msync,
    libc::SYS_munlock,
    libc::SYS_munlockall,
    libc::SYS_munmap,
    libc::SYS_pkey_alloc,
    libc::SYS_pkey_free,
    libc::SYS_pkey_mprotect,
    libc::SYS_remap_file_pages,
    // Processes and identity.
    libc::SYS_capget,
    libc::SYS_capset,
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_get_robust_list,
    libc::SYS_getcpu,
    libc::SYS_getegid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getgroups,
    libc::SYS_getpgid,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_getpriority,
    libc::SYS_getresgid,
    libc::SYS_getresuid,
    libc::SYS_getrusage,
    libc::SYS_getsid,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_ioprio_get,
    libc::SYS_ioprio_set,
    libc::SYS_kill,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_send_signal,
    libc::SYS_prctl,
    libc::SYS_rseq,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_sched_get_priority_max,
    libc::SYS_sched_get_priority_min,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_getattr,
    libc::SYS_sched_getparam,
    libc::SYS_sched_getscheduler,
    libc::SYS_sched_rr_get_interval,
    libc::SYS_sched_setaffinity,
    libc::SYS_sched_setattr,
    libc::SYS_sched_setparam,
    libc::SYS_sched_setscheduler,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_setfsgid,
    libc::SYS_setfsuid,
    libc::SYS_setgid,
    libc::SYS_setgroups,
    libc::SYS_setpgid,
    libc::SYS_setpriority,
    libc::SYS_setregid,
    libc::SYS_setresgid,
    libc::SYS_setresuid,
    libc::SYS_setreuid,
    libc::SYS_setrlimit,
    libc::SYS_setsid,
    libc::SYS_setuid,
    libc::SYS_sysinfo,
    libc::SYS_tgkill,
    libc::SYS_times,
    libc::SYS_tkill,
    libc::SYS_uname,
    libc::SYS_wait4,
    libc::SYS_waitid,
    // Confining oneself further.
    libc::SYS_landlock_add_rule,
    libc::SYS_landlock_create_ruleset,
    libc::SYS_landlock_restrict_self,
    libc::SYS_seccomp,
    // Signals, time, waiting.
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_eventfd2,
    libc::SYS_futex,
    libc::SYS_futex_waitv,
    libc::SYS_getitimer,
    libc::SYS_getrandom,
    libc::SYS_gettimeofday,
    libc::SYS_nanosleep,
    libc::SYS_pipe2,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_restart_syscall,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigpending,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigsuspend,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_setitimer,
    libc::SYS_sigaltstack,
    libc::SYS_signalfd4,
    libc::SYS_timer_create,
    libc::SYS_timer_delete,
    libc::SYS_timer_getoverrun,
    libc::SYS_timer_gettime,
    libc::SYS_timer_settime,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_gettime,
    libc::SYS_timerfd_settime,
    // Sockets of the families that `socket` lets through, and System V objects of the run's own namespace.
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_bind,
    libc::SYS_getpeername,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_listen,
    libc::SYS_recvfrom,
    libc::SYS_recvmmsg,
    libc::SYS_recvmsg,
    libc::SYS_sendmmsg,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_setsockopt,
    libc::SYS_shutdown,
    libc::SYS_msgctl,
    libc::SYS_msgget,
    libc::SYS_msgrcv,
    libc::SYS_msgsnd,
    libc::SYS_semctl,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_shmdt,
    libc::SYS_shmget,
];
