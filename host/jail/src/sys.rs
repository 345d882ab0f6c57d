//! The system calls that no safe crate offers, each in one small function.
//!
//! This is the only file of the room with `unsafe`. Every function returns an [`io::Result`] and keeps
//! no state. All of them run in processes that have one thread, which [`crate::keeper`] checks before it
//! forks; where a note relies on that, it says so.
#![expect(
    unsafe_code,
    reason = "clone3, fork, execve, mount_setattr and signal masks have no safe binding"
)]

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags};
use rustix::process::Pid;
use seccompiler::sock_filter;

/// Which side of a fork this process is.
#[derive(Debug)]
pub(crate) enum Forked<T> {
    /// The parent, with what it knows of the child.
    Parent(T),
    /// The child.
    Child,
}

/// A child made by [`clone_into`].
#[derive(Debug)]
pub(crate) struct Cloned {
    /// Its process id in the parent's namespace.
    pub(crate) pid: Pid,
    /// A descriptor that stays its own, even when the id is used again.
    pub(crate) pidfd: OwnedFd,
}

/// The namespaces that init is born into: user, mount, pid, ipc, uts and cgroup.
pub(crate) const JAIL_NAMESPACES: u64 = (libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP) as u64;
/// And that of the network, where the keeper has not made one.
pub(crate) const NETWORK_NAMESPACE: u64 = libc::CLONE_NEWNET as u64;

/// Not in the low 32 bits, so the constant of the `libc` crate is cut short.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// A user namespace alone, for identity maps.
pub(crate) const USER_NAMESPACE: u64 = libc::CLONE_NEWUSER as u64;

/// The CPU time of all descendants of this process that were waited for; nothing where the kernel does not say.
pub(crate) fn cpu_of_children() -> Duration {
    // SAFETY: `rusage` is plain integers, for which all zeroes is a valid value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: getrusage(2) writes one `rusage` behind the pointer, which is good for that, and keeps nothing.
    if unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage) } != 0 {
        return Duration::ZERO;
    }
    let time = |time: libc::timeval| {
        let seconds = Duration::from_secs(time.tv_sec.unsigned_abs());
        seconds + Duration::from_micros(time.tv_usec.unsigned_abs())
    };
    time(usage.ru_utime) + time(usage.ru_stime)
}

/// A call that waits for an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting {
    /// What it is answered by.
    pub(crate) id: u64,
    /// The process that made it.
    pub(crate) process: u32,
    pub(crate) number: i32,
    pub(crate) arguments: [u64; 6],
}

/// Filters the calls of this process by `filter` from now on. Those of which it tells wait until whoever holds the
/// descriptor has answered; where `patiently`, and the kernel knows how, no signal but a deadly one disturbs a call that
/// somebody has heard of.
pub(crate) fn filter_and_tell(filter: &[sock_filter], patiently: bool) -> io::Result<OwnedFd> {
    if patiently {
        let told = filter_telling(filter, libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
        // An older kernel knows no such flag.
        if !matches!(&told, Err(error) if error.raw_os_error() == Some(libc::EINVAL)) {
            return told;
        }
    }
    filter_telling(filter, 0)
}

fn filter_telling(filter: &[sock_filter], flags: libc::c_ulong) -> io::Result<OwnedFd> {
    let program = libc::sock_fprog {
        len: u16::try_from(filter.len()).map_err(|_| io::ErrorKind::InvalidInput)?,
        // The same plain layout, `struct sock_filter`, which the kernel only reads.
        filter: filter.as_ptr().cast_mut().cast(),
    };
    let flags = flags | libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    // SAFETY: `program` describes `filter`, which outlives the call; seccomp(2) reads both and keeps no pointer.
    let made = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            flags,
            &raw const program,
        )
    };
    let made = RawFd::try_from(made).map_err(|_| io::ErrorKind::InvalidData)?;
    if made < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(made) })
}

/// Takes the next call that waits at `listener`; an error where it does not wait any more.
pub(crate) fn next_waiting(listener: BorrowedFd<'_>) -> io::Result<Waiting> {
    // SAFETY: `seccomp_notif` is plain integers, for which all zeroes is a valid value, and the one that is asked for.
    let mut told: libc::seccomp_notif = unsafe { std::mem::zeroed() };
    // SAFETY: the request writes one `seccomp_notif` behind the pointer, which is good for that.
    let heard = unsafe {
        libc::ioctl(
            listener.as_raw_fd(),
            libc::SECCOMP_IOCTL_NOTIF_RECV,
            &raw mut told,
        )
    };
    if heard != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Waiting {
        id: told.id,
        process: told.pid,
        number: told.data.nr,
        arguments: told.data.args,
    })
}

/// Whether a call still waits, so that its process is still the one that made it.
pub(crate) fn still_waits(listener: BorrowedFd<'_>, id: u64) -> bool {
    // SAFETY: the request reads one number behind the pointer.
    let valid = unsafe {
        libc::ioctl(
            listener.as_raw_fd(),
            libc::SECCOMP_IOCTL_NOTIF_ID_VALID,
            &raw const id,
        )
    };
    valid == 0
}

/// Answers a call: with an error, or so that the kernel goes on with it.
pub(crate) fn answer(listener: BorrowedFd<'_>, id: u64, errno: Option<i32>) -> io::Result<()> {
    // SAFETY: `seccomp_notif_resp` is plain integers, for which all zeroes is a valid value.
    let mut answer: libc::seccomp_notif_resp = unsafe { std::mem::zeroed() };
    answer.id = id;
    match errno {
        Some(errno) => answer.error = -errno,
        None => answer.flags = GO_ON,
    }
    // SAFETY: the request reads one `seccomp_notif_resp` behind the pointer.
    let sent = unsafe {
        libc::ioctl(
            listener.as_raw_fd(),
            libc::SECCOMP_IOCTL_NOTIF_SEND,
            &raw const answer,
        )
    };
    if sent == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// SECCOMP_USER_NOTIF_FLAG_CONTINUE, as wide as it is in an answer.
const GO_ON: u32 = 1;

/// Clones this process into the namespaces of `flags` and, where given, the version 2 control group `cgroup`.
pub(crate) fn clone_into(flags: u64, cgroup: Option<BorrowedFd<'_>>) -> io::Result<Forked<Cloned>> {
    let mut pidfd: RawFd = -1;
    // SAFETY: `clone_args` is plain integers, for which all zeroes is a valid value.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = flags | libc::CLONE_PIDFD as u64;
    args.pidfd = (&raw mut pidfd) as u64;
    args.exit_signal = libc::SIGCHLD as u64;
    if let Some(cgroup) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = u64::from(cgroup.as_raw_fd().unsigned_abs());
    }
    // SAFETY: no stack and no CLONE_VM, so the child goes on with a copy of this memory, as after fork(2).
    // The process has one thread, so no lock of the allocator is held by a thread that the child lacks.
    let pid = unsafe {
        libc::syscall(
            libc::SYS_clone3,
            &raw mut args,
            size_of::<libc::clone_args>(),
        )
    };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Forked::Child),
        pid => Ok(Forked::Parent(Cloned {
            pid: positive_pid(pid)?,
            // SAFETY: the kernel has just made this descriptor for us and nothing else owns it.
            pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) },
        })),
    }
}

/// Forks by the C library, which also mends its cached thread id after [`clone_into`].
pub(crate) fn fork() -> io::Result<Forked<Pid>> {
    // SAFETY: the process has one thread, so the child may go on using the allocator and every lock.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Forked::Child),
        pid => Ok(Forked::Parent(positive_pid(pid.into())?)),
    }
}

/// The stack of a child that is to become another program.
#[derive(Debug)]
pub(crate) struct Stack(*mut libc::c_void);

impl Stack {
    /// What the child needs to confine itself, and several times that, in bytes.
    const BYTES: usize = 512 * 1024;
    /// What no stack grows into, in bytes.
    const GUARD_BYTES: usize = 64 * 1024;

    /// An empty one, with room below it that cannot be touched.
    pub(crate) fn new() -> io::Result<Self> {
        let (none, private) = (ProtFlags::empty(), MapFlags::PRIVATE);
        let length = Self::GUARD_BYTES + Self::BYTES;
        // SAFETY: a new mapping, which nobody else knows of.
        let whole =
            unsafe { rustix::mm::mmap_anonymous(std::ptr::null_mut(), length, none, private) };
        let stack = Self(whole?);
        let usable = MprotectFlags::READ | MprotectFlags::WRITE;
        // SAFETY: a part of that mapping, which holds nothing yet.
        unsafe { rustix::mm::mprotect(stack.0.byte_add(Self::GUARD_BYTES), Self::BYTES, usable) }?;
        Ok(stack)
    }

    /// Where it begins: it grows downwards.
    fn end(&self) -> *mut libc::c_void {
        self.0.wrapping_byte_add(Self::GUARD_BYTES + Self::BYTES)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours alone. A child that ran on it has left this memory, since this process stood still
        // until then.
        let _ = unsafe { rustix::mm::munmap(self.0, Self::GUARD_BYTES + Self::BYTES) };
    }
}

/// Forks a child for `become_another`, which executes a program, or ends with what that returns if it cannot. Until then the
/// child has this process's memory, nothing is copied for it, and this process stands still.
pub(crate) fn fork_to_become<F: FnMut() -> i32>(
    stack: &mut Stack,
    mut become_another: F,
) -> io::Result<Pid> {
    extern "C" fn start<F: FnMut() -> i32>(become_another: *mut libc::c_void) -> libc::c_int {
        // SAFETY: the pointer is to the closure of this very type that stands still in the parent meanwhile. A panic of it
        // ends the child here, since nothing unwinds out of this function.
        leave(unsafe { (*become_another.cast::<F>())() })
    }
    // CLONE_VFORK: this process goes on when the child has left its memory, so that one of both uses the closure, the
    // stack and the allocator at any time.
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: the process has one thread and, since `default_signals`, no signal handler, so that nothing else runs on this
    // memory meanwhile; a signal that ends this process while it waits leaves the memory to the child. The stack is large
    // enough, not in use, and outlives the child's part of this call, as the closure does.
    let pid = unsafe {
        libc::clone(
            start::<F>,
            stack.end(),
            flags,
            (&raw mut become_another).cast(),
        )
    };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        pid => positive_pid(pid.into()),
    }
}

/// Forks with every signal held back: what comes to both, as an interrupt of the terminal does, reaches the parent as ever,
/// and the child when it has called [`default_signals`], which drops it.
pub(crate) fn fork_in_quiet() -> io::Result<Forked<Pid>> {
    // SAFETY: `sigset_t` is plain integers; both are initialised before they are read and outlive the calls.
    let before = unsafe {
        let (mut all, mut before): (libc::sigset_t, libc::sigset_t) = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        done(libc::sigprocmask(libc::SIG_SETMASK, &raw const all, &raw mut before).into())?;
        before
    };
    let forked = fork();
    if !matches!(forked, Ok(Forked::Child)) {
        // SAFETY: `before` is the mask that the kernel has just told.
        let rc = unsafe {
            libc::sigprocmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut())
        };
        done(rc.into())?;
    }
    forked
}

/// Ends this process at once, with none of the exit handlers it inherited.
pub(crate) fn leave(code: i32) -> ! {
    // SAFETY: _exit(2) takes an integer and does not return.
    unsafe { libc::_exit(code) }
}

/// Replaces this process by the program at `path`; returns only when that failed.
pub(crate) fn exec(path: &CStr, argv: &[&CStr], environment: &[&CStr]) -> io::Error {
    let argv = null_ended(argv);
    let environment = null_ended(environment);
    // SAFETY: both arrays end with a null pointer and, like the strings they point to, outlive the call.
    unsafe { libc::execve(path.as_ptr(), argv.as_ptr(), environment.as_ptr()) };
    io::Error::last_os_error()
}

/// Moves this process, which has one thread, into a new network namespace.
pub(crate) fn unshare_network() -> io::Result<()> {
    // SAFETY: takes flags and no pointer; with this flag it changes nothing that is shared with anybody.
    done(unsafe { libc::unshare(libc::CLONE_NEWNET) }.into())
}

/// What [`mount_setattr`] changes.
#[derive(Debug)]
pub(crate) struct MountChange<'a> {
    /// `MOUNT_ATTR_*` bits to set.
    pub(crate) set: u64,
    /// The user namespace whose map the mount shall show, with `MOUNT_ATTR_IDMAP` in `set`.
    pub(crate) userns: Option<BorrowedFd<'a>>,
    /// Whether mounts below are changed too.
    pub(crate) recursive: bool,
}

/// Changes the attributes of the mount that `tree` refers to.
pub(crate) fn mount_setattr(tree: BorrowedFd<'_>, change: &MountChange<'_>) -> io::Result<()> {
    // SAFETY: `mount_attr` is plain integers, for which all zeroes is a valid value.
    let mut attr: libc::mount_attr = unsafe { std::mem::zeroed() };
    attr.attr_set = change.set;
    // A clone begins as a peer of what it was cloned from: what is mounted on one would appear on the other.
    attr.propagation = libc::MS_PRIVATE;
    attr.userns_fd = change
        .userns
        .map_or(0, |fd| u64::from(fd.as_raw_fd().unsigned_abs()));
    let recursive = if change.recursive {
        libc::AT_RECURSIVE
    } else {
        0
    };
    // SAFETY: the path is a static C string, `attr` outlives the call and its true size is passed with it.
    let rc = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | recursive,
            &raw const attr,
            size_of::<libc::mount_attr>(),
        )
    };
    done(rc)
}

/// Marks every descriptor from 3 on as closed on exec.
pub(crate) fn close_on_exec_from_3() -> io::Result<()> {
    // SAFETY: only flags of descriptors change; none is closed under an owner.
    let rc = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            3u32,
            u32::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    };
    done(rc)
}

/// Closes every descriptor from 3 on but those of `kept`, in a process that never returns to their other owners.
pub(crate) fn close_all_but(kept: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut kept: Vec<u32> = kept
        .iter()
        .map(|fd| fd.as_raw_fd().unsigned_abs())
        .collect();
    kept.sort_unstable();
    let mut first = 3;
    for fd in kept.into_iter().chain([u32::MAX]) {
        if first < fd {
            // SAFETY: this process was forked and ends by `leave` or exec, so no owner of a descriptor that is
            // closed here is ever used or dropped; the descriptors of `kept` stay.
            done(unsafe { libc::syscall(libc::SYS_close_range, first, fd - 1, 0u32) })?;
        }
        first = first.max(fd.saturating_add(1));
    }
    Ok(())
}

/// Overwrites the environment that this process was started with, and forgets where it was.
pub(crate) fn forget_environment() {
    // SAFETY: one thread. `environ` ends with a null pointer and each entry with a NUL; where they are is ours to write,
    // since the kernel laid them onto the stack of this process. Nobody reads them later: `environ` is null then, which
    // the C library takes for an empty environment.
    unsafe {
        let mut entry = libc_environ();
        while !entry.is_null() && !(*entry).is_null() {
            let length = libc::strlen(*entry);
            std::ptr::write_bytes((*entry).cast::<u8>(), 0, length);
            entry = entry.add(1);
        }
        libc::clearenv();
    }
}

unsafe fn libc_environ() -> *mut *mut libc::c_char {
    unsafe extern "C" {
        static mut environ: *mut *mut libc::c_char;
    }
    // SAFETY: the C library defines it, and no other thread changes it.
    unsafe { environ }
}

/// The Landlock version of this kernel, 0 where there is none.
pub(crate) fn landlock_abi() -> i32 {
    const CREATE_RULESET_VERSION: u32 = 1;
    // SAFETY: with this flag the call takes no attributes and only answers a number.
    let abi = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<u8>(),
            0usize,
            CREATE_RULESET_VERSION,
        )
    };
    i32::try_from(abi).unwrap_or(0).max(0)
}

/// Gives every signal its default effect, drops those that wait, and unblocks all of them.
pub(crate) fn default_signals() -> io::Result<()> {
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: both are valid dispositions. For SIGKILL, SIGSTOP and the two signals that the C library
        // keeps to itself the calls fail without effect, and they have their default effect already.
        unsafe {
            // A signal that is ignored does not wait any longer.
            libc::signal(signal, libc::SIG_IGN);
            libc::signal(signal, libc::SIG_DFL);
        }
    }
    // SAFETY: `sigset_t` is plain integers; sigemptyset initialises it before use and it outlives both calls.
    let rc = unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut())
    };
    done(rc.into())
}

/// Makes a write beyond the size that the caller's files may have an error (EFBIG) instead of the end of this process,
/// or the end of the process again.
pub(crate) fn survive_file_size(survive: bool) {
    let effect = if survive {
        libc::SIG_IGN
    } else {
        libc::SIG_DFL
    };
    // SAFETY: both are valid dispositions of a signal that can be ignored.
    unsafe { libc::signal(libc::SIGXFSZ, effect) };
}

/// Makes a write to somebody who is gone an error (EPIPE) instead of the end of this process.
pub(crate) fn survive_broken_pipes() {
    // SAFETY: a valid disposition of a signal that can be ignored.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
}

fn done(rc: libc::c_long) -> io::Result<()> {
    if rc == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

fn positive_pid(pid: libc::c_long) -> io::Result<Pid> {
    i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .ok_or_else(|| io::Error::other("the kernel gave a strange process id"))
}

fn null_ended(strings: &[&CStr]) -> Vec<*const libc::c_char> {
    strings
        .iter()
        .map(|string| string.as_ptr())
        .chain([std::ptr::null()])
        .collect()
}
