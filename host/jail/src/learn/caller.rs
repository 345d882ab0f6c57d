//! Reads of a caller, which waits for its answer, what the arguments of its call point to.
//!
//! INVARIANT: nothing is taken for read before it is known that the caller still waited afterwards: until then the process
//! may have died and its number may be another one's.

use std::fs::File;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;

use crate::read::read_text;
use crate::sys::{self, Waiting};

/// The longest path, in bytes, with its end: longer ones the kernel takes from nobody.
pub(super) const PATH_BYTES_MAX: usize = 4096;
/// What the kernel puts behind the path of a directory that is no more.
const DELETED: &[u8] = b" (deleted)";
/// The state of a socket that listens, in the kernel's lists.
const LISTENS: &str = "0A";

/// What can be read of a caller.
pub(super) trait Caller {
    /// Up to `length` bytes that lie at `start` in its memory, as many as can be read.
    fn bytes(&self, start: u64, length: usize) -> Vec<u8>;

    /// The path of the directory that it holds open as `descriptor`, or works in where there is none.
    fn directory(&self, descriptor: Option<i32>) -> Option<Vec<u8>>;

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

impl Caller for Live<'_> {
    fn bytes(&self, start: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        // Up to the first page that is not there, the kernel reads what is.
        let read = self.memory.read_at(&mut bytes, start).unwrap_or(0);
        bytes.truncate(read);
        bytes
    }

    fn directory(&self, descriptor: Option<i32>) -> Option<Vec<u8>> {
        let process = self.process;
        let link = match descriptor {
            Some(descriptor) => format!("/proc/{process}/fd/{descriptor}"),
            None => format!("/proc/{process}/cwd"),
        };
        let path = std::fs::read_link(link).ok()?;
        let path = path.as_os_str().as_bytes();
        // What is no path of the jail begins otherwise, as the names of pipes do.
        let is_there = path.starts_with(b"/") && !path.ends_with(DELETED);
        is_there.then(|| path.to_vec())
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
