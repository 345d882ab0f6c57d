//! Looks names up by the machine's own resolver, in a process of its own: the C library's look-up opens files and loads
//! libraries, which a relay cannot.
//!
//! A relay has some lanes to it, each of which carries one question at a time.

use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use host_core::HostName;
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use serde::{Deserialize, Serialize};

use crate::channel;
use crate::clock::{now, timespec};

/// How many names are looked up at once.
const LANES: usize = 8;
/// How long the answer to one question is waited for, a lane included.
const LOOK_UP_MAX: Duration = Duration::from_secs(15);
/// How many addresses of a name are tried.
const ADDRESSES_MAX: usize = 16;
/// The longest message of either side, in bytes.
const MESSAGE_BYTES_MAX: usize = 4 << 10;

#[derive(Debug, Deserialize, Serialize)]
struct Question {
    number: u64,
    name: HostName,
}

#[derive(Debug, Deserialize, Serialize)]
struct Reply {
    number: u64,
    addresses: Result<Vec<IpAddr>, String>,
}

/// The relay's ends of the lanes.
#[derive(Debug)]
pub(crate) struct Resolver {
    free: Mutex<Vec<Lane>>,
    freed: Condvar,
}

#[derive(Debug)]
struct Lane {
    socket: OwnedFd,
    /// Of the next question; a late answer to another one is passed over.
    number: u64,
}

/// Makes the lanes: the relay's ends, and the resolver's.
pub(crate) fn lanes() -> io::Result<(Resolver, Vec<OwnedFd>)> {
    let mut ours = Vec::with_capacity(LANES);
    let mut theirs = Vec::with_capacity(LANES);
    for _ in 0..LANES {
        let (one, other) = channel::socket_pair()?;
        ours.push(Lane {
            socket: one,
            number: 0,
        });
        theirs.push(other);
    }
    let resolver = Resolver {
        free: Mutex::new(ours),
        freed: Condvar::new(),
    };
    Ok((resolver, theirs))
}

/// Answers at the lanes until nobody asks any more.
pub(crate) fn serve(lanes: &[OwnedFd]) {
    std::thread::scope(|scope| {
        for lane in lanes {
            scope.spawn(move || while serve_one(lane).is_ok() {});
        }
    });
}

fn serve_one(lane: &OwnedFd) -> io::Result<()> {
    let question: Question = hear(lane)?;
    let addresses = (question.name.as_str(), 0)
        .to_socket_addrs()
        .map(|found| {
            let mut addresses: Vec<IpAddr> = Vec::new();
            for address in found.map(|address| address.ip()) {
                if addresses.len() < ADDRESSES_MAX && !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
            addresses
        })
        .map_err(|error| error.to_string());
    say(
        lane,
        &Reply {
            number: question.number,
            addresses,
        },
    )
}

impl Resolver {
    /// The addresses of a name.
    pub(crate) fn look_up(&self, name: &HostName) -> io::Result<Vec<IpAddr>> {
        let latest = now() + LOOK_UP_MAX;
        let mut lane = self.lane(latest)?;
        let asked = lane.ask(name, latest);
        self.free
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(lane);
        self.freed.notify_one();
        asked
    }

    fn lane(&self, latest: std::time::Instant) -> io::Result<Lane> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(lane) = free.pop() {
                return Ok(lane);
            }
            let left = latest.saturating_duration_since(now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            (free, _) = self
                .freed
                .wait_timeout(free, left)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Lane {
    fn ask(&mut self, name: &HostName, latest: std::time::Instant) -> io::Result<Vec<IpAddr>> {
        self.number += 1;
        let number = self.number;
        say(
            &self.socket,
            &Question {
                number,
                name: name.clone(),
            },
        )?;
        loop {
            let left = latest.saturating_duration_since(now());
            let mut polled = [PollFd::new(&self.socket, PollFlags::IN)];
            match rustix::event::poll(&mut polled, Some(&timespec(left))) {
                Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
                Err(Errno::INTR) => continue,
                Ok(_) => {}
                Err(error) => return Err(error.into()),
            }
            let reply: Reply = hear(&self.socket)?;
            if reply.number == number {
                return reply.addresses.map_err(io::Error::other);
            }
        }
    }
}

fn say(socket: &OwnedFd, message: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_vec(message)?;
    rustix::net::send(socket, &text, SendFlags::NOSIGNAL)?;
    Ok(())
}

fn hear<T: for<'de> Deserialize<'de>>(socket: &OwnedFd) -> io::Result<T> {
    let mut text = [0; MESSAGE_BYTES_MAX];
    loop {
        match rustix::net::recv(socket, &mut text[..], RecvFlags::empty()) {
            Ok((0, _)) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok((length, _)) => {
                let text = text.get(..length).unwrap_or_default();
                return Ok(serde_json::from_slice(text)?);
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn names_are_looked_up_by_the_machine_more_at_once_than_there_are_lanes() {
        let (resolver, lanes) = lanes().unwrap();
        let serving = std::thread::spawn(move || serve(&lanes));
        let name: HostName = "localhost".parse().unwrap();
        let found = std::thread::scope(|scope| {
            let ask = || scope.spawn(|| resolver.look_up(&name).unwrap());
            let asking: Vec<_> = std::iter::repeat_with(ask).take(3 * LANES).collect();
            let found = asking.into_iter().map(|asked| asked.join().unwrap());
            found.collect::<Vec<_>>()
        });
        for addresses in found {
            assert!(
                addresses.contains(&Ipv4Addr::LOCALHOST.into()),
                "{addresses:?}"
            );
        }
        drop(resolver);
        serving.join().unwrap();
    }

    #[test]
    fn a_late_answer_is_not_taken_for_the_next() {
        let (resolver, lanes) = lanes().unwrap();
        let lane = resolver.lane(now()).unwrap();
        let name: HostName = "db.internal".parse().unwrap();
        let other = lanes.last().unwrap();
        let reply = |number, last| Reply {
            number,
            addresses: Ok(vec![Ipv4Addr::new(10, 0, 0, last).into()]),
        };
        say(other, &reply(0, 1)).unwrap();
        say(other, &reply(1, 2)).unwrap();
        let mut lane = lane;
        let addresses = lane.ask(&name, now() + LOOK_UP_MAX).unwrap();
        assert_eq!(addresses, [IpAddr::from(Ipv4Addr::new(10, 0, 0, 2))]);
        drop(lanes);
        assert!(lane.ask(&name, now() + LOOK_UP_MAX).is_err());
    }
}
