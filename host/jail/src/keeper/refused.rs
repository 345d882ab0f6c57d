//! What a task tries and is refused: told by the kernel call by call, answered as the filter's list says, and kept for the
//! report as the capability that was missing.
//!
//! Nothing here is part of a wall. What is read of a task's memory is read for the report alone; the kernel looks again.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;

use rustix::event::{PollFd, PollFlags};
use rustix::time::Timespec;

use crate::egress::{Destination as Granted, Rules};
use crate::learn::Notes;
use crate::recipe::{Egress, JailRecipe};
use crate::report::Refused;
use crate::seccomp::{self, Answer, Answers, Surface};
use crate::sockaddr::{ADDRESS_BYTES_MAX, DNS, Destination};
use crate::sys::{self, Waiting};

/// How many different things a report tells of.
const TOLD_MAX: usize = 64;
/// What opens whatever no other capability does.
const EVERYTHING: &str = "host.full";

/// Where a task's refused calls are told of, and what they were.
#[derive(Debug)]
pub(super) struct Refusals {
    surface: Surface,
    /// What the filter's list says, drawn up with the first call.
    answers: Option<Answers>,
    listener: Option<OwnedFd>,
    /// How often, by capability and what was tried.
    told: BTreeMap<(String, String), u64>,
    /// What leads somewhere.
    granted: Vec<Egress>,
}

impl Refusals {
    pub(super) fn new(surface: Surface, recipe: &JailRecipe) -> Self {
        Self {
            granted: recipe.egress.clone(),
            surface,
            answers: None,
            listener: None,
            told: BTreeMap::new(),
        }
    }

    /// Whose list it is.
    pub(super) fn surface(&self) -> Surface {
        self.surface
    }

    /// Listens from now on.
    pub(super) fn listen(&mut self, listener: Option<OwnedFd>) {
        self.listener = listener;
    }

    /// Where to wait for the next call, while anybody can make one.
    pub(super) fn waiting(&self) -> Option<BorrowedFd<'_>> {
        self.listener.as_ref().map(AsFd::as_fd)
    }

    /// Answers the next call and remembers it; in a run that learns, what is allowed is noted in `notes`.
    pub(super) fn answer(&mut self, notes: Option<&mut Notes<'_>>) {
        let Some(listener) = &self.listener else {
            return;
        };
        // ORDER: an older kernel would wait for ever for a call where nobody is left who could make one.
        let seen = poll(listener.as_fd());
        if !seen.contains(PollFlags::IN) {
            if seen.intersects(PollFlags::HUP | PollFlags::ERR) {
                self.listener = None;
            }
            return;
        }
        let Ok(call) = sys::next_waiting(listener.as_fd()) else {
            return;
        };
        let surface = self.surface;
        let answers = self.answers.get_or_insert_with(|| Answers::of(surface));
        let (errno, tried) = match answers.to(call.number, &call.arguments) {
            Answer::Errno(errno) => (Some(errno), Some(refused(&call))),
            Answer::GoOn => {
                // ORDER: what is to be read of the caller is there only as long as it waits.
                if let Some(notes) = notes {
                    notes.hear(&call, listener.as_fd());
                }
                (None, connected(&call, listener.as_fd(), &self.granted))
            }
        };
        let _ = sys::answer(listener.as_fd(), call.id, errno);
        if let Some(tried) = tried {
            self.remember(tried);
        }
    }

    fn remember(&mut self, tried: (String, String)) {
        if self.told.len() < TOLD_MAX || self.told.contains_key(&tried) {
            *self.told.entry(tried).or_default() += 1;
        }
    }

    /// All that was told.
    pub(super) fn told(&self) -> Vec<Refused> {
        let told = self.told.iter();
        told.map(|((capability, what), times)| Refused {
            capability: capability.clone(),
            what: what.clone(),
            times: *times,
        })
        .collect()
    }
}

/// What there is to be seen at `listener` right now.
fn poll(listener: BorrowedFd<'_>) -> PollFlags {
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let mut polled = [PollFd::from_borrowed_fd(listener, PollFlags::IN)];
    let _ = rustix::event::poll(&mut polled, Some(&now));
    let [seen] = polled.map(|poll| poll.revents());
    seen
}

/// A call that the filter refuses, by the capability that would have opened it.
fn refused(call: &Waiting) -> (String, String) {
    let number = libc::c_long::from(call.number);
    let first = call.arguments.first().copied().unwrap_or_default();
    if number == libc::SYS_socket || number == libc::SYS_socketpair {
        return match i32::try_from(first & u64::from(u32::MAX)) {
            Ok(libc::AF_UNIX) => ("unix.connect".to_owned(), "a UNIX socket".to_owned()),
            Ok(family) => (EVERYTHING.to_owned(), family_of(family)),
            Err(_) => (EVERYTHING.to_owned(), "a socket".to_owned()),
        };
    }
    (EVERYTHING.to_owned(), seccomp::name_of(number))
}

fn family_of(family: i32) -> String {
    let name = match family {
        libc::AF_INET | libc::AF_INET6 => "a raw internet socket",
        libc::AF_NETLINK => "a netlink socket",
        libc::AF_PACKET => "a packet socket",
        libc::AF_VSOCK => "a vsock socket",
        libc::AF_ALG => "a crypto socket",
        other => return format!("a socket of family {other}"),
    };
    name.to_owned()
}

/// Where a connection was to lead, if that is anywhere outside of the jail.
fn connected(
    call: &Waiting,
    listener: BorrowedFd<'_>,
    granted: &[Egress],
) -> Option<(String, String)> {
    if libc::c_long::from(call.number) != libc::SYS_connect {
        return None;
    }
    let [_, start, length, ..] = call.arguments;
    let length = usize::try_from(length).ok()?.min(ADDRESS_BYTES_MAX);
    let memory = File::open(format!("/proc/{}/mem", call.process)).ok()?;
    // ORDER: only now is it sure that what was opened is the memory of who made the call.
    if !sys::still_waits(listener, call.id) {
        return None;
    }
    let mut address = vec![0; length];
    memory.read_exact_at(&mut address, start).ok()?;
    leading_to(&address, granted)
}

/// The capability for a socket's address, as the kernel takes it.
fn leading_to(address: &[u8], granted: &[Egress]) -> Option<(String, String)> {
    match Destination::read(address)? {
        Destination::Unix(path) => {
            let path = String::from_utf8_lossy(&path);
            let capability = if path.starts_with('/') {
                format!("unix.connect:{path}")
            } else {
                "unix.connect".to_owned()
            };
            Some((capability, "a connection".to_owned()))
        }
        Destination::Internet(address) => outside(address, granted),
    }
}

fn outside(address: SocketAddr, granted: &[Egress]) -> Option<(String, String)> {
    // What comes to the relay it tells of itself, by its name.
    if !granted.is_empty() && address.port() == DNS && address.ip().is_loopback() {
        return None;
    }
    let to = Granted::Address(address.ip());
    let port = NonZeroU16::new(address.port());
    if port.is_some_and(|port| Rules::of(granted).granting(&to, port).next().is_some()) {
        return None;
    }
    // A resolver that was told of no server asks the machine itself.
    if address.port() == DNS {
        return Some(("net.connect".to_owned(), "the look-up of a name".to_owned()));
    }
    if address.ip().is_loopback() || address.ip().is_unspecified() {
        return None;
    }
    Some((format!("net.connect:{address}"), "a connection".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capability(address: &[u8]) -> Option<String> {
        leading_to(address, &[]).map(|(capability, _)| capability)
    }

    fn family(family: i32) -> [u8; 2] {
        u16::try_from(family).unwrap().to_ne_bytes()
    }

    #[test]
    fn an_address_is_told_as_the_capability_that_would_open_it() {
        let four = |port: [u8; 2], ip: [u8; 4]| {
            [family(libc::AF_INET), port]
                .concat()
                .into_iter()
                .chain(ip)
                .collect::<Vec<u8>>()
        };
        assert_eq!(
            capability(&four([1, 187], [192, 0, 2, 1])).unwrap(),
            "net.connect:192.0.2.1:443"
        );
        assert_eq!(
            capability(&four([0, 53], [127, 0, 0, 1])).unwrap(),
            "net.connect"
        );
        assert_eq!(capability(&four([0, 80], [127, 0, 0, 1])), None);
        let six = [&family(libc::AF_INET6)[..], &[0, 80], &[0; 4], &[0xfd; 16]].concat();
        assert!(capability(&six).unwrap().ends_with("]:80"));
        let path = [&family(libc::AF_UNIX)[..], b"/run/x\0rest"].concat();
        assert_eq!(capability(&path).unwrap(), "unix.connect:/run/x");
    }

    #[test]
    fn what_leads_to_something_granted_is_not_told_of() {
        let granted = ["10.0.0.0/8:80", "db.internal:5432"].map(|endpoint| Egress {
            endpoint: endpoint.parse().unwrap(),
            except: Vec::new(),
        });
        let told = |address: &str| outside(address.parse().unwrap(), &granted).is_some();
        assert!(!told("10.1.2.3:80") && !told("127.0.0.1:53") && !told("127.64.0.1:5432"));
        assert!(told("10.1.2.3:81") && told("8.8.8.8:53") && told("8.8.8.8:80"));
    }

    #[test]
    fn a_report_has_an_end_and_counts() {
        let recipe = crate::recipe::tests::recipe(Vec::new());
        let mut refusals = Refusals::new(Surface::Program, &recipe);
        for number in 0..200 {
            refusals.remember((EVERYTHING.to_owned(), format!("call {number}")));
        }
        for _ in 0..3 {
            refusals.remember((EVERYTHING.to_owned(), "call 0".to_owned()));
        }
        let told = refusals.told();
        assert_eq!(told.len(), TOLD_MAX);
        let first = told
            .iter()
            .find(|refused| refused.what == "call 0")
            .unwrap();
        assert_eq!(first.times, 4);
    }
}
