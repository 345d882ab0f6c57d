//! Reads of a caller, which waits for its answer, what the arguments of its call point to.
//!
//! INVARIANT: nothing is taken for read before it is known that the caller still waited afterwards: until then the process
//! may have died and its number may be another one's.

use std::fs::File;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;

use rustix::fs::{Mode, OFlags, ResolveFlags};

use super::walk::{self, Step, Tree};
use crate::read::read_text;
use crate::sys::{self, Waiting};

/// The longest path, in bytes, with its end: longer ones the kernel takes from nobody.
pub(super) const PATH_BYTES_MAX: usize = 4096;
/// What the kernel puts behind the path of what has none any more.
const DELETED: &[u8] = b" (deleted)";
/// How the kernel calls a file in memory that never had a path.
const MEMFD: &[u8] = b"/memfd:";
/// The state of a socket that listens, in the kernel's lists.
const LISTENS: &str = "0A";

/// What a process holds open, or works in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Held {
    /// What has this path in the jail.
    Path(Vec<u8>),
    /// What had this one and has none any more.
    Gone(Vec<u8>),
    /// A pipe, a socket, or a file in memory.
    NoPath,
    /// Nobody knows.
    Unknown,
}

/// What can be read of a caller.
pub(super) trait Caller {
    /// The jail, as far as it is walked in.
    type Jail: Tree;

    /// Up to `length` bytes that lie at `start` in its memory, as many as can be read.
    fn bytes(&self, start: u64, length: usize) -> Vec<u8>;

    /// What it holds open as `descriptor`, or works in where there is none.
    fn held(&self, descriptor: Option<i32>) -> Held;

    /// Its root directory.
    fn jail(&self) -> Option<Self::Jail>;

    /// Whether in its network somebody listens at this port.
    fn hears(&self, port: u16) -> bool;

    /// Whether it still waits.
    fn still_waits(&self) -> bool;

    /// A text that ends with a NUL, without it; nothing where it has no end within `bytes_max` bytes.
    fn text(&self, start: u64, bytes_max: usize) -> Option<Vec<u8>> {
        let mut bytes = self.bytes(start, bytes_max);
        let end = bytes.iter().position(|byte| *byte == 0)?;
        bytes.truncate(end);
        Some(bytes)
    }
}

/// A caller as the kernel shows it.
#[derive(Debug)]
pub(super) struct Live<'l> {
    process: u32,
    memory: File,
    call: u64,
    listener: BorrowedFd<'l>,
}

impl<'l> Live<'l> {
    /// Who made `call`, if its memory may be read.
    pub(super) fn of(call: &Waiting, listener: BorrowedFd<'l>) -> Option<Self> {
        let process = call.process;
        let live = Self {
            process,
            memory: File::open(format!("/proc/{process}/mem")).ok()?,
            call: call.id,
            listener,
        };
        // ORDER: only now is it sure that what was opened is the memory of who made the call.
        live.still_waits().then_some(live)
    }
}

/// The root of a jail.
#[derive(Debug)]
pub(super) struct Root(OwnedFd);

impl Tree for Root {
    type Place = OwnedFd;

    fn root(&self) -> Option<OwnedFd> {
        self.0.try_clone().ok()
    }

    fn step(&self, directory: &OwnedFd, segment: &str, _name: &str) -> Step<OwnedFd> {
        walk::step(directory, segment, ResolveFlags::empty())
    }
}

impl Caller for Live<'_> {
    type Jail = Root;

    fn bytes(&self, start: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        // Up to the first page that is not there, the kernel reads what is.
        let read = self.memory.read_at(&mut bytes, start).unwrap_or(0);
        bytes.truncate(read);
        bytes
    }

    fn held(&self, descriptor: Option<i32>) -> Held {
        let process = self.process;
        let link = match descriptor {
            Some(descriptor) => format!("/proc/{process}/fd/{descriptor}"),
            None => format!("/proc/{process}/cwd"),
        };
        match std::fs::read_link(link) {
            Ok(path) => of_link(path.as_os_str().as_bytes()),
            Err(_) => Held::Unknown,
        }
    }

    fn jail(&self) -> Option<Root> {
        let how = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = format!("/proc/{}/root", self.process);
        let root = rustix::fs::open(root, how, Mode::empty()).ok()?;
        // ORDER: only now is it sure that this is no root of the machine, on which no name of a run is looked up.
        self.still_waits().then_some(Root(root))
    }

    fn hears(&self, port: u16) -> bool {
        let lists = ["tcp", "tcp6"].map(|list| format!("/proc/{}/net/{list}", self.process));
        let texts = lists.into_iter().filter_map(|list| read_text(list).ok());
        { texts }.any(|text| listens(&text, port))
    }

    fn still_waits(&self) -> bool {
        sys::still_waits(self.listener, self.call)
    }
}

/// What a link in `/proc` says of what is held.
fn of_link(path: &[u8]) -> Held {
    match path.strip_suffix(DELETED) {
        // What is no path of the jail begins otherwise, as the names of pipes do.
        _ if !path.starts_with(b"/") || path.starts_with(MEMFD) => Held::NoPath,
        Some(path) => Held::Gone(path.to_vec()),
        None => Held::Path(path.to_vec()),
    }
}

/// Whether a list of sockets has one that listens at `port`.
fn listens(list: &str, port: u16) -> bool {
    list.lines().skip(1).any(|line| {
        let mut words = line.split_whitespace().skip(1);
        let (local, state) = (words.next(), words.nth(1));
        let bound = local.and_then(|local| local.rsplit_once(':'));
        let bound = bound.and_then(|(_, port)| u16::from_str_radix(port, 16).ok());
        bound == Some(port) && state == Some(LISTENS)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_has_a_path_or_had_one_or_never_had_one() {
        let gone = |path: &[u8]| Held::Gone(path.to_vec());
        assert_eq!(of_link(b"/srv/a"), Held::Path(b"/srv/a".to_vec()));
        assert_eq!(of_link(b"/tmp/a (deleted)"), gone(b"/tmp/a"));
        for none in [&b"pipe:[1]"[..], b"socket:[1]", b"/memfd:x (deleted)", b""] {
            assert_eq!(of_link(none), Held::NoPath);
        }
    }

    #[test]
    fn only_who_listens_is_heard_at_a_port() {
        let list = "  sl  local_address rem_address   st tx_queue rx_queue\n\
            \x20  0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000\n\
            \x20  1: 0100007F:0050 0100007F:C000 01 00000000:00000000 00:00000000\n\
            broken\n";
        assert!(listens(list, 8080));
        assert!(!listens(list, 80), "a connection is nobody who listens");
        assert!(!listens(list, 443));
        assert!(!listens("", 8080));
    }
}
