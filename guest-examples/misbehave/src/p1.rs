//! The calls of preview 1, as they are.

#![expect(
    unsafe_code,
    reason = "the bindings of preview 1 have no other functions"
)]

use std::mem::{ManuallyDrop, MaybeUninit};
use std::net::{TcpStream, UdpSocket};

use serde_json::{Value, json};
use wasip1::{
    CLOCKID_MONOTONIC, CLOCKID_PROCESS_CPUTIME_ID, CLOCKID_REALTIME, CLOCKID_THREAD_CPUTIME_ID,
    Ciovec, Clockid, EVENTTYPE_CLOCK, Errno, Event, FILETYPE_DIRECTORY, FILETYPE_REGULAR_FILE,
    FILETYPE_SYMBOLIC_LINK, FSTFLAGS_MTIM_NOW, Fd, Iovec, LOOKUPFLAGS_SYMLINK_FOLLOW, OFLAGS_CREAT,
    OFLAGS_DIRECTORY, OFLAGS_EXCL, OFLAGS_TRUNC, RIGHTS_FD_FILESTAT_GET,
    RIGHTS_FD_FILESTAT_SET_SIZE, RIGHTS_FD_FILESTAT_SET_TIMES, RIGHTS_FD_READ, RIGHTS_FD_READDIR,
    RIGHTS_FD_WRITE, Subscription, SubscriptionClock, SubscriptionU, SubscriptionUU,
};

use crate::how::How;

/// Which version this is.
pub(crate) const VERSION: &str = "p1";

/// The first descriptor that can be a directory.
const FIRST_PREOPEN: Fd = 3;

/// The paths of preopened directories are no longer.
const NAME_BYTES_MAX: usize = 4096;

/// How many descriptors are tried for being a socket.
const DESCRIPTORS_TRIED: Fd = 64;

/// How often the clock is read to see how fine it is.
const READINGS: usize = 1000;

fn said<T>(answer: Result<T, Errno>) -> Result<T, String> {
    answer.map_err(|error| error.name().to_lowercase())
}

/// How much of a directory one answer lists, in bytes.
const LISTING_BYTES: usize = 4096;

/// What is left of a directory that was listed: how many bytes the answer has.
pub(crate) type Listing = usize;

/// An open file or directory, closed with the value.
#[derive(Debug)]
pub(crate) struct Handle(Fd);

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: takes a number and no memory.
        _ = unsafe { wasip1::fd_close(self.0) };
    }
}

/// The directories that are open from the start, which stay open.
pub(crate) fn preopens() -> Vec<(String, ManuallyDrop<Handle>)> {
    let mut found = Vec::new();
    for fd in FIRST_PREOPEN.. {
        // SAFETY: takes a number; the answer is a value of the binding's own.
        let Ok(described) = (unsafe { wasip1::fd_prestat_get(fd) }) else {
            break;
        };
        // SAFETY: there is no kind but directories.
        let length = unsafe { described.u.dir.pr_name_len }.min(NAME_BYTES_MAX);
        let mut name = vec![0_u8; length];
        // SAFETY: `name` has room for `length` bytes.
        if unsafe { wasip1::fd_prestat_dir_name(fd, name.as_mut_ptr(), length) }.is_ok() {
            let name = String::from_utf8_lossy(&name).into_owned();
            found.push((name, ManuallyDrop::new(Handle(fd))));
        }
    }
    found
}

impl Handle {
    pub(crate) fn open(&self, path: &str, how: How) -> Result<Self, String> {
        let flag = |is_set: bool, bits: u16| if is_set { bits } else { 0 };
        let flags = flag(how.create, OFLAGS_CREAT)
            | flag(how.exclusive, OFLAGS_EXCL)
            | flag(how.truncate, OFLAGS_TRUNC)
            | flag(how.directory, OFLAGS_DIRECTORY);
        let mut rights = RIGHTS_FD_READ | RIGHTS_FD_READDIR | RIGHTS_FD_FILESTAT_GET;
        if how.write && !how.directory {
            rights |= RIGHTS_FD_WRITE | RIGHTS_FD_FILESTAT_SET_SIZE | RIGHTS_FD_FILESTAT_SET_TIMES;
        }
        let lookup = lookup(how.follow);
        // SAFETY: `path` lives through the call.
        said(unsafe { wasip1::path_open(self.0, lookup, path, flags, rights, rights, 0) }).map(Self)
    }

    pub(crate) fn make_directory(&self, path: &str) -> Result<(), String> {
        // SAFETY: `path` lives through the call.
        said(unsafe { wasip1::path_create_directory(self.0, path) })
    }

    pub(crate) fn remove_directory(&self, path: &str) -> Result<(), String> {
        // SAFETY: `path` lives through the call.
        said(unsafe { wasip1::path_remove_directory(self.0, path) })
    }

    pub(crate) fn unlink(&self, path: &str) -> Result<(), String> {
        // SAFETY: `path` lives through the call.
        said(unsafe { wasip1::path_unlink_file(self.0, path) })
    }

    pub(crate) fn rename(&self, from: &str, to: &Self, name: &str) -> Result<(), String> {
        // SAFETY: both paths live through the call.
        said(unsafe { wasip1::path_rename(self.0, from, to.0, name) })
    }

    pub(crate) fn link(
        &self,
        from: &str,
        follow: bool,
        to: &Self,
        name: &str,
    ) -> Result<(), String> {
        // SAFETY: both paths live through the call.
        said(unsafe { wasip1::path_link(self.0, lookup(follow), from, to.0, name) })
    }

    pub(crate) fn symlink(&self, target: &str, name: &str) -> Result<(), String> {
        // SAFETY: both texts live through the call.
        said(unsafe { wasip1::path_symlink(target, self.0, name) })
    }

    pub(crate) fn read_link(&self, path: &str) -> Result<String, String> {
        let mut target = vec![0_u8; NAME_BYTES_MAX];
        // SAFETY: `path` lives through the call, and `target` has the room that is said.
        let read =
            unsafe { wasip1::path_readlink(self.0, path, target.as_mut_ptr(), target.len()) };
        let read = said(read)?;
        target.truncate(read);
        Ok(String::from_utf8_lossy(&target).into_owned())
    }

    /// What a path leads to, and its size.
    pub(crate) fn stat(&self, path: &str, follow: bool) -> Result<(&'static str, u64), String> {
        // SAFETY: `path` lives through the call.
        let stat = said(unsafe { wasip1::path_filestat_get(self.0, lookup(follow), path) })?;
        let kind = match stat.filetype {
            FILETYPE_DIRECTORY => "directory",
            FILETYPE_REGULAR_FILE => "file",
            FILETYPE_SYMBOLIC_LINK => "link",
            _ => "other",
        };
        Ok((kind, stat.size))
    }

    /// Sets the time of the last change to now.
    pub(crate) fn touch(&self, path: &str) -> Result<(), String> {
        // SAFETY: `path` lives through the call.
        said(unsafe { wasip1::path_filestat_set_times(self.0, 0, path, 0, 0, FSTFLAGS_MTIM_NOW) })
    }

    /// Reads from the start, at most as many bytes as the buffer has.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> Result<usize, String> {
        let vector = [Iovec {
            buf: buffer.as_mut_ptr(),
            buf_len: buffer.len(),
        }];
        // SAFETY: the vector describes `buffer`, and both live through the call.
        said(unsafe { wasip1::fd_pread(self.0, &vector, 0) })
    }

    pub(crate) fn write(&self, bytes: &[u8], offset: u64) -> Result<u64, String> {
        let vector = [Ciovec {
            buf: bytes.as_ptr(),
            buf_len: bytes.len(),
        }];
        // SAFETY: the vector describes `bytes`, and both live through the call.
        said(unsafe { wasip1::fd_pwrite(self.0, &vector, offset) }).map(|written| written as u64)
    }

    pub(crate) fn set_size(&self, bytes: u64) -> Result<(), String> {
        // SAFETY: takes numbers and no memory.
        said(unsafe { wasip1::fd_filestat_set_size(self.0, bytes) })
    }

    /// Lists a directory as far as the answer has room; what the host made of it is gone with the call.
    pub(crate) fn list(&self) -> Result<Listing, String> {
        let mut answer = vec![0_u8; LISTING_BYTES];
        // SAFETY: `answer` has room for as many bytes as are named.
        said(unsafe { wasip1::fd_readdir(self.0, answer.as_mut_ptr(), LISTING_BYTES, 0) })
    }
}

fn lookup(follow: bool) -> u32 {
    if follow {
        LOOKUPFLAGS_SYMLINK_FOLLOW
    } else {
        0
    }
}

/// Waits for a timer of so many nanoseconds, in one call.
pub(crate) fn wait(nanoseconds: u64) {
    let mut event = MaybeUninit::<Event>::uninit();
    // SAFETY: there is one subscription, and room for one event.
    _ = unsafe { wasip1::poll_oneoff(&timer(nanoseconds), event.as_mut_ptr(), 1) };
}

fn timer(nanoseconds: u64) -> Subscription {
    Subscription {
        userdata: 0,
        u: SubscriptionU {
            tag: EVENTTYPE_CLOCK.raw(),
            u: SubscriptionUU {
                clock: SubscriptionClock {
                    id: CLOCKID_MONOTONIC,
                    timeout: nanoseconds,
                    precision: 0,
                    flags: 0,
                },
            },
        },
    }
}

/// Makes so many timers, or as many as there is memory for, and one that has run out; waits for any of them.
pub(crate) fn subscribe(count: u64) -> Value {
    let mut wanted = usize::try_from(count).unwrap_or(usize::MAX).max(1);
    let mut timers: Vec<Subscription> = Vec::new();
    let mut events: Vec<MaybeUninit<Event>> = Vec::new();
    while timers.try_reserve_exact(wanted).is_err() || events.try_reserve_exact(wanted).is_err() {
        (timers, events) = (Vec::new(), Vec::new());
        wanted -= wanted.div_ceil(16);
    }
    timers.resize(wanted - 1, timer(u64::MAX));
    timers.push(timer(0));
    // SAFETY: there are `wanted` subscriptions, and room for as many events.
    let answer = said(unsafe {
        wasip1::poll_oneoff(timers.as_ptr(), events.as_mut_ptr().cast(), timers.len())
    });
    json!({"subscriptions": wanted, "events": answer.as_ref().ok(), "error": answer.err()})
}

/// Asks for so many random bytes in one call.
///
/// No memory has room for 4 GiB, so by default the host has to see that it must not write them.
pub(crate) fn random(count: u64) -> Value {
    let asked = usize::try_from(count).unwrap_or(usize::MAX);
    let mut bytes = Vec::<u8>::new();
    let fits = bytes.try_reserve_exact(asked).is_ok();
    // SAFETY: where they fit, there is room for as many, and none is read. Where they do not, that the host refuses is
    // what is tried; if it does not, what it overwrites is ours and nobody else's.
    let answer = said(unsafe { wasip1::random_get(bytes.as_mut_ptr(), asked) });
    json!({"bytes": asked, "fits": fits, "error": answer.err()})
}

/// 32 random bytes; zeros when there are none.
pub(crate) fn random_bytes() -> Vec<u8> {
    let mut bytes = vec![0; 32];
    // SAFETY: `bytes` has room for as many.
    _ = unsafe { wasip1::random_get(bytes.as_mut_ptr(), bytes.len()) };
    bytes
}

/// Hands a text to the host as an argument of this kind.
pub(crate) fn hand_over(what: &str, text: &str) -> Value {
    let answer = match what {
        "path" => match preopens().first() {
            Some((_, directory)) => directory.make_directory(text),
            // The host may look at the descriptor first, or at the path.
            None => ManuallyDrop::new(Handle(FIRST_PREOPEN)).make_directory(text),
        },
        "write" => {
            let vector = [Ciovec {
                buf: text.as_ptr(),
                buf_len: text.len(),
            }];
            // SAFETY: the vector describes `text`, and both live through the call.
            return match said(unsafe { wasip1::fd_write(2, &vector) }) {
                Ok(written) => json!({"written": written}),
                Err(error) => json!({"error": error}),
            };
        }
        _ => Err("no such argument in this version".to_owned()),
    };
    json!({"error": answer.err()})
}

/// What the clocks say, and how fine they are.
pub(crate) fn clocks() -> Value {
    let read = |clock: Clockid| {
        // SAFETY: takes numbers and no memory.
        said(unsafe { wasip1::clock_time_get(clock, 1) })
    };
    let resolution = |clock: Clockid| {
        // SAFETY: takes a number and no memory.
        said(unsafe { wasip1::clock_res_get(clock) })
    };
    let one = |clock: Clockid| {
        let (time, resolution) = (read(clock), resolution(clock));
        json!({"now": time.as_ref().ok(), "resolution": resolution.ok(), "error": time.err()})
    };
    let readings: Vec<u64> = (0..READINGS)
        .filter_map(|_| read(CLOCKID_MONOTONIC).ok())
        .collect();
    json!({
        "wall": one(CLOCKID_REALTIME),
        "monotonic": one(CLOCKID_MONOTONIC),
        "process_cpu": one(CLOCKID_PROCESS_CPUTIME_ID),
        "thread_cpu": one(CLOCKID_THREAD_CPUTIME_ID),
        "finest_step": crate::world::finest_step(&readings),
    })
}

/// Tries what preview 1 has: no call makes a socket, but a descriptor could be one.
pub(crate) fn network(address: &str) -> Value {
    let mut tried = vec![
        json!({"try": "tcp connect", "error": TcpStream::connect(address).err().map(|error| error.to_string())}),
        json!({"try": "udp bind", "error": UdpSocket::bind("127.0.0.1:0").err().map(|error| error.to_string())}),
    ];
    for fd in 0..DESCRIPTORS_TRIED {
        // SAFETY: takes numbers; the answer is a descriptor.
        let accepted = said(unsafe { wasip1::sock_accept(fd, 0) });
        // SAFETY: there is nothing to be sent, and nothing to be described.
        let sent = said(unsafe { wasip1::sock_send(fd, &[], 0) });
        for (what, error) in [("accept", accepted.err()), ("send", sent.err())] {
            if error.is_none() {
                tried.push(json!({"try": format!("{what} {fd}"), "error": error}));
            }
        }
    }
    crate::world::tried(tried)
}

/// Ends with a code, whatever codes there are.
pub(crate) fn exit(code: u32) -> ! {
    // SAFETY: takes a number, and does not come back.
    unsafe { wasip1::proc_exit(code) };
    std::process::abort()
}
