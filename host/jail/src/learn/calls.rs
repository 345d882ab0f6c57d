//! The calls that are told of in a run that learns, and where their paths stand.
//!
//! Left out is what takes neither a path nor such an address: what is written by a descriptor counts with its opening. Left
//! out is besides what changes by ioctl(2), and a datagram to a UNIX socket that nobody has connected to: to be told of every
//! `sendto` would cost more than it tells.

/// A path among the arguments of a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Place {
    /// The argument that names the directory which the path begins in; the working directory where there is none.
    pub(super) directory: Option<usize>,
    /// The argument that points to the path; none where the descriptor says it all.
    pub(super) path: Option<usize>,
}

/// What a call does with what it names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Deed {
    /// Opens it as the flags in this argument say.
    Opens { flags: usize },
    /// Opens it to write, and makes it where it is not there.
    Creates,
    /// Makes a directory, unless there is something.
    MakesDirectory,
    /// Makes it, takes it away or moves it: in its directory something changes.
    Changes,
    /// Writes to it, or changes what is said of it.
    Writes,
    /// The same of a link itself, where it is one.
    WritesItself,
    /// Executes it with the arguments that this argument points to.
    Executes { argv: usize },
    /// Connects to the address that the second argument points to.
    Connects,
    /// Makes a socket at the address that the second argument points to.
    Binds,
}

/// One call.
#[derive(Debug)]
pub(super) struct Call {
    number: libc::c_long,
    pub(super) deed: Deed,
    pub(super) places: &'static [Place],
    /// The argument in which may stand that a link is not followed, and that an empty path means the descriptor.
    pub(super) flags: Option<usize>,
}

/// Whether the filter of a run that learns tells of this call.
pub(crate) fn is_told(number: u32) -> bool {
    let number = i32::try_from(number).ok();
    number.is_some_and(|number| call(number).is_some())
}

/// What is known of a call.
pub(super) fn call(number: i32) -> Option<&'static Call> {
    let number = libc::c_long::from(number);
    let mut known = CALLS.iter().chain(CALLS_HERE);
    known.find(|call| call.number == number)
}

const fn at(directory: usize, path: usize) -> Place {
    Place {
        directory: Some(directory),
        path: Some(path),
    }
}

const fn of(path: usize) -> Place {
    Place {
        directory: None,
        path: Some(path),
    }
}

const FIRST: &[Place] = &[of(0)];
const SECOND: &[Place] = &[at(0, 1)];
const BOTH: &[Place] = &[at(0, 1), at(2, 3)];
/// What is open as the first argument.
const HELD: &[Place] = &[Place {
    directory: Some(0),
    path: None,
}];
/// fchmodat2(2), on every architecture.
const SYS_FCHMODAT2: libc::c_long = 452;

const fn told(number: libc::c_long, deed: Deed, places: &'static [Place]) -> Call {
    Call {
        number,
        deed,
        places,
        flags: None,
    }
}

impl Call {
    const fn with_flags(self, argument: usize) -> Self {
        Self {
            flags: Some(argument),
            ..self
        }
    }
}

const CALLS: &[Call] = &[
    told(libc::SYS_openat, Deed::Opens { flags: 2 }, SECOND),
    told(libc::SYS_mkdirat, Deed::MakesDirectory, SECOND),
    told(libc::SYS_mknodat, Deed::Changes, SECOND),
    told(libc::SYS_unlinkat, Deed::Changes, SECOND),
    told(libc::SYS_renameat, Deed::Changes, BOTH),
    told(libc::SYS_renameat2, Deed::Changes, BOTH),
    told(libc::SYS_linkat, Deed::Changes, &[at(2, 3)]),
    told(libc::SYS_symlinkat, Deed::Changes, &[at(1, 2)]),
    told(libc::SYS_truncate, Deed::Writes, FIRST),
    told(libc::SYS_fchmod, Deed::Writes, HELD),
    told(libc::SYS_fchmodat, Deed::Writes, SECOND),
    told(SYS_FCHMODAT2, Deed::Writes, SECOND).with_flags(3),
    told(libc::SYS_fchown, Deed::Writes, HELD),
    told(libc::SYS_fchownat, Deed::Writes, SECOND).with_flags(4),
    told(libc::SYS_utimensat, Deed::Writes, SECOND).with_flags(3),
    told(libc::SYS_setxattr, Deed::Writes, FIRST),
    told(libc::SYS_lsetxattr, Deed::WritesItself, FIRST),
    told(libc::SYS_fsetxattr, Deed::Writes, HELD),
    told(libc::SYS_removexattr, Deed::Writes, FIRST),
    told(libc::SYS_lremovexattr, Deed::WritesItself, FIRST),
    told(libc::SYS_fremovexattr, Deed::Writes, HELD),
    told(libc::SYS_execve, Deed::Executes { argv: 1 }, FIRST),
    told(libc::SYS_execveat, Deed::Executes { argv: 2 }, SECOND).with_flags(4),
    told(libc::SYS_connect, Deed::Connects, &[]),
    told(libc::SYS_bind, Deed::Binds, &[]),
];

/// Old forms that only this architecture has.
#[cfg(target_arch = "x86_64")]
const CALLS_HERE: &[Call] = &[
    told(libc::SYS_open, Deed::Opens { flags: 1 }, FIRST),
    told(libc::SYS_creat, Deed::Creates, FIRST),
    told(libc::SYS_mkdir, Deed::MakesDirectory, FIRST),
    told(libc::SYS_mknod, Deed::Changes, FIRST),
    told(libc::SYS_unlink, Deed::Changes, FIRST),
    told(libc::SYS_rmdir, Deed::Changes, FIRST),
    told(libc::SYS_rename, Deed::Changes, &[of(0), of(1)]),
    told(libc::SYS_link, Deed::Changes, &[of(1)]),
    told(libc::SYS_symlink, Deed::Changes, &[of(1)]),
    told(libc::SYS_chmod, Deed::Writes, FIRST),
    told(libc::SYS_chown, Deed::Writes, FIRST),
    told(libc::SYS_lchown, Deed::WritesItself, FIRST),
    told(libc::SYS_utime, Deed::Writes, FIRST),
    told(libc::SYS_utimes, Deed::Writes, FIRST),
    told(libc::SYS_futimesat, Deed::Writes, SECOND),
];
#[cfg(not(target_arch = "x86_64"))]
const CALLS_HERE: &[Call] = &[];
