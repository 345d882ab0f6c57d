//! Carries bytes between the two sides of a connection, through pipes that the kernel fills and empties.

use std::io;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use host_core::{ConnectionEnd, HostName};
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown};
use rustix::pipe::{PipeFlags, SpliceFlags};

use super::hello::{self, HELLO_BYTES_MAX, Hello};
use crate::clock::{now, timespec};

/// How long nobody may say anything.
const IDLE_MAX: Duration = Duration::from_secs(600);
/// How much is moved at once, in bytes: what a pipe is to hold.
const PIECE_BYTES: usize = 512 << 10;

/// How long what a run said may take to arrive when it is over.
const LAST_WAIT_MAX: Duration = Duration::from_millis(800);
/// How often one direction moves something before the other one is looked at.
const ROUNDS_MAX: usize = 16;
const HOW: SpliceFlags = SpliceFlags::NONBLOCK.union(SpliceFlags::MOVE);

/// What was carried.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Carried {
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) end: ConnectionEnd,
}

/// Carries until both sides have ended, one of them breaks, nobody says anything, or the run is over. Where the server has a
/// name, a TLS client has to ask for it; the name that it asked for instead is returned too.
pub(super) fn carry(
    client: &TcpStream,
    server: &TcpStream,
    name: Option<&HostName>,
    over: Option<&OwnedFd>,
) -> io::Result<(Carried, Option<String>)> {
    for stream in [client, server] {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
    }
    let mut there = Half::new(client, server)?;
    let mut back = Half::new(server, client)?;
    let mut opening = name.map(|name| Opening {
        name,
        bytes: Vec::new(),
    });
    let mut other = None;
    let (mut is_broken, mut is_over) = (false, false);
    let mut latest = now() + IDLE_MAX;
    let end = loop {
        if there.is_done && back.is_done {
            break match (is_over, is_broken) {
                (true, _) => ConnectionEnd::RunOver,
                (false, true) => ConnectionEnd::Broken,
                (false, false) => ConnectionEnd::Closed,
            };
        }
        let waits = Waits::of(&there, &back, opening.is_some());
        let Some(ready) = waits.wait(client, server, over.filter(|_| !is_over), latest) else {
            break if is_over {
                ConnectionEnd::RunOver
            } else {
                ConnectionEnd::Idle
            };
        };
        if ready.over {
            // Whoever would hear is gone. What was said before that still has to arrive.
            (is_over, back.is_done) = (true, true);
            latest = now() + LAST_WAIT_MAX;
        }
        let before = there.bytes + back.bytes;
        let moved = match &mut opening {
            Some(held) if ready.client => match held.hear(client, server) {
                Ok(Heard::More) => Ok(()),
                Ok(Heard::Passed(bytes)) => {
                    there.bytes += bytes;
                    opening = None;
                    Ok(())
                }
                Ok(Heard::Other(name)) => {
                    other = Some(name);
                    break ConnectionEnd::Refused;
                }
                Err(error) => Err(error),
            },
            Some(_) => Ok(()),
            None => there.step(ready.client),
        };
        // Where one direction breaks the other may still have something to say.
        is_broken |= moved.is_err();
        there.is_done |= moved.is_err();
        if !back.is_done {
            let moved = back.step(ready.server);
            is_broken |= moved.is_err();
            back.is_done |= moved.is_err();
        }
        if there.bytes + back.bytes > before && !is_over {
            latest = now() + IDLE_MAX;
        }
    };
    let carried = Carried {
        sent: there.bytes,
        received: back.bytes,
        end,
    };
    Ok((carried, other))
}

/// One direction.
struct Half<'s> {
    from: &'s TcpStream,
    to: &'s TcpStream,
    read: OwnedFd,
    write: OwnedFd,
    /// How much the pipe holds.
    held: usize,
    /// Whether the one that speaks has ended.
    is_spoken: bool,
    /// Whether the one that hears has heard of that.
    is_done: bool,
    bytes: u64,
}

impl<'s> Half<'s> {
    fn new(from: &'s TcpStream, to: &'s TcpStream) -> io::Result<Self> {
        let (read, write) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // What one user may have of pipes is bounded by the kernel; a smaller one does as well, and slower.
        let _ = rustix::pipe::fcntl_setpipe_size(&read, PIECE_BYTES);
        Ok(Self {
            from,
            to,
            read,
            write,
            held: 0,
            is_spoken: false,
            is_done: false,
            bytes: 0,
        })
    }

    fn wants_to_hear(&self) -> bool {
        self.held == 0 && !self.is_spoken && !self.is_done
    }

    /// Moves what can be moved without waiting, up to some bound; `is_ready` says that there was something to hear.
    fn step(&mut self, mut is_ready: bool) -> io::Result<()> {
        for _ in 0..ROUNDS_MAX {
            if self.is_done {
                return Ok(());
            }
            let heard = self.wants_to_hear() && self.hear(is_ready)?;
            is_ready = false;
            if self.held > 0 && !self.say()? {
                return Ok(());
            }
            if self.is_spoken && self.held == 0 {
                self.is_done = true;
                // Whoever is gone already hears of nothing.
                let _ = rustix::net::shutdown(self.to, Shutdown::Write);
                return Ok(());
            }
            if !heard {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Takes into the pipe what waits; whether there was something.
    fn hear(&mut self, is_ready: bool) -> io::Result<bool> {
        match rustix::pipe::splice(self.from, None, &self.write, None, PIECE_BYTES, HOW) {
            Ok(moved) if moved > 0 => {
                self.held = moved;
                Ok(true)
            }
            // Nothing is spliced at urgent data, as if there were an end or nothing yet: a plain read goes past.
            Ok(_) => self.hear_plainly(),
            Err(Errno::AGAIN) if is_ready => self.hear_plainly(),
            Err(Errno::AGAIN | Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn hear_plainly(&mut self) -> io::Result<bool> {
        let mut piece = [0; 4 << 10];
        let length = match rustix::net::recv(self.from, &mut piece[..], RecvFlags::DONTWAIT) {
            Ok((0, _)) => {
                self.is_spoken = true;
                return Ok(false);
            }
            Ok((length, _)) => length,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        // The pipe is empty, and larger than this.
        let heard = piece.get(..length).unwrap_or_default();
        self.held = rustix::io::write(&self.write, heard)?;
        Ok(true)
    }

    /// Hands on what the pipe holds; whether all of it.
    fn say(&mut self) -> io::Result<bool> {
        match rustix::pipe::splice(&self.read, None, self.to, None, self.held, HOW) {
            Ok(moved) => {
                self.held = self.held.saturating_sub(moved);
                self.bytes = self.bytes.saturating_add(moved as u64);
                Ok(self.held == 0)
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// What is waited for.
struct Waits {
    client: PollFlags,
    server: PollFlags,
}

struct Ready {
    client: bool,
    server: bool,
    over: bool,
}

impl Waits {
    fn of(there: &Half<'_>, back: &Half<'_>, is_opening: bool) -> Self {
        let interest = |hears: &Half<'_>, speaks: &Half<'_>| {
            let mut interest = PollFlags::empty();
            if hears.wants_to_hear() {
                interest |= PollFlags::IN;
            }
            if speaks.held > 0 && !speaks.is_done {
                interest |= PollFlags::OUT;
            }
            interest
        };
        let mut client = interest(there, back);
        if is_opening {
            client |= PollFlags::IN;
        }
        Self {
            client,
            server: interest(back, there),
        }
    }

    /// Waits until something of it is there; nothing if that takes too long.
    fn wait(
        self,
        client: &TcpStream,
        server: &TcpStream,
        over: Option<&OwnedFd>,
        latest: Instant,
    ) -> Option<Ready> {
        // Whoever is asked for nothing is left out: a side that has closed would be ready at every look.
        let mut polled = Vec::with_capacity(3);
        let at_over = over.map(|over| {
            polled.push(PollFd::new(over, PollFlags::IN));
            polled.len() - 1
        });
        let [at_client, at_server] =
            [(client, self.client), (server, self.server)].map(|(stream, interest)| {
                (!interest.is_empty()).then(|| {
                    polled.push(PollFd::new(stream, interest));
                    polled.len() - 1
                })
            });
        loop {
            let left = latest.saturating_duration_since(now());
            match rustix::event::poll(&mut polled, Some(&timespec(left))) {
                Ok(0) => return None,
                Err(Errno::INTR) => {}
                Ok(_) | Err(_) => break,
            }
        }
        let is_ready = |at: Option<usize>| {
            let polled = at.and_then(|at| polled.get(at));
            polled.is_some_and(|poll| !poll.revents().is_empty())
        };
        Some(Ready {
            over: is_ready(at_over),
            client: is_ready(at_client),
            server: is_ready(at_server),
        })
    }
}

/// What a client has said before it is known what it speaks.
struct Opening<'n> {
    name: &'n HostName,
    bytes: Vec<u8>,
}

enum Heard {
    /// Not enough.
    More,
    /// It may go on; so much was handed on.
    Passed(u64),
    /// It asks for another name, or for one that cannot be read.
    Other(String),
}

impl Opening<'_> {
    fn hear(&mut self, client: &TcpStream, server: &TcpStream) -> io::Result<Heard> {
        let mut piece = [0; 4 << 10];
        let room = HELLO_BYTES_MAX
            .saturating_sub(self.bytes.len())
            .min(piece.len());
        let piece = piece.get_mut(..room).unwrap_or_default();
        match rustix::net::recv(client, &mut *piece, RecvFlags::DONTWAIT) {
            // It has ended: whatever it said is all that it says.
            Ok((0, _)) => return self.pass(server),
            Ok((length, _)) => self
                .bytes
                .extend_from_slice(piece.get(..length).unwrap_or_default()),
            Err(Errno::AGAIN | Errno::INTR) => return Ok(Heard::More),
            Err(error) => return Err(error.into()),
        }
        match hello::read(&self.bytes) {
            Hello::Unfinished => Ok(Heard::More),
            Hello::Other | Hello::For(None) => self.pass(server),
            Hello::For(Some(name)) => match name.parse::<HostName>() {
                Ok(asked) if asked == *self.name => self.pass(server),
                Ok(asked) => Ok(Heard::Other(asked.to_string())),
                Err(_) => Ok(Heard::Other("?".to_owned())),
            },
            Hello::Broken => Ok(Heard::Other("?".to_owned())),
        }
    }

    fn pass(&mut self, server: &TcpStream) -> io::Result<Heard> {
        let mut rest = self.bytes.as_slice();
        while !rest.is_empty() {
            match rustix::net::send(server, rest, SendFlags::NOSIGNAL) {
                Ok(sent) => rest = rest.get(sent..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    let mut polled = [PollFd::new(server, PollFlags::OUT)];
                    if rustix::event::poll(&mut polled, Some(&timespec(IDLE_MAX)))? == 0 {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Heard::Passed(self.bytes.len() as u64))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, TcpListener};
    use std::thread;

    use super::*;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let one = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (one, listener.accept().unwrap().0)
    }

    /// Carries between two pairs while `speak` has both outer ends.
    fn carried(
        name: Option<&str>,
        speak: impl FnOnce(TcpStream, TcpStream, &mut Option<OwnedFd>) + Send + 'static,
    ) -> (Carried, Option<String>) {
        let (client, inner_client) = pair();
        let (inner_server, server) = pair();
        let (over, goes_on) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).unwrap();
        let speaking = thread::spawn(move || {
            let mut goes_on = Some(goes_on);
            speak(client, server, &mut goes_on);
            goes_on
        });
        let name: Option<HostName> = name.map(|name| name.parse().unwrap());
        let carried = carry(&inner_client, &inner_server, name.as_ref(), Some(&over)).unwrap();
        drop((inner_client, inner_server));
        speaking.join().unwrap();
        carried
    }

    #[test]
    fn bytes_arrive_in_both_directions_and_each_end_by_itself() {
        let (carried, _) = carried(None, |mut client, mut server, _goes_on| {
            let sent: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
            let length = sent.len();
            let expected = sent.clone();
            let writing = thread::spawn(move || {
                client.write_all(&sent).unwrap();
                client.shutdown(std::net::Shutdown::Write).unwrap();
                let mut answer = String::new();
                client.read_to_string(&mut answer).unwrap();
                answer
            });
            let mut received = Vec::with_capacity(length);
            server.read_to_end(&mut received).unwrap();
            assert!(received == expected);
            server.write_all(b"all of it").unwrap();
            drop(server);
            assert_eq!(writing.join().unwrap(), "all of it");
        });
        let all = Carried {
            sent: 12_000_000,
            received: 9,
            end: ConnectionEnd::Closed,
        };
        assert_eq!(carried, all);
    }

    #[test]
    fn when_the_run_is_over_so_is_the_connection() {
        let (carried, _) = carried(None, |client, server, goes_on| {
            *goes_on = None;
            let mut byte = [0];
            let mut client = client;
            assert_eq!(client.read(&mut byte).unwrap_or(0), 0);
            drop(server);
        });
        assert_eq!(carried.end, ConnectionEnd::RunOver);
    }

    #[test]
    fn a_client_that_says_nothing_first_hears_what_the_server_says() {
        let (carried, other) = carried(Some("db.internal"), |mut client, mut server, _goes_on| {
            server.write_all(b"220 ready").unwrap();
            let mut greeting = [0; 9];
            client.read_exact(&mut greeting).unwrap();
            client.write_all(b"EHLO").unwrap();
            let mut hello = [0; 4];
            server.read_exact(&mut hello).unwrap();
            assert_eq!((&greeting, &hello), (b"220 ready", b"EHLO"));
        });
        assert_eq!((carried.sent, carried.received), (4, 9));
        assert_eq!((carried.end, other), (ConnectionEnd::Closed, None));
    }

    #[test]
    fn tls_for_another_name_is_not_handed_on() {
        let hello = |name: &[u8]| {
            let vector = |bytes: &[u8]| {
                [
                    &u16::try_from(bytes.len()).unwrap().to_be_bytes()[..],
                    bytes,
                ]
                .concat()
            };
            let names = vector(&[&[0], vector(name).as_slice()].concat());
            let extensions = vector(&[&[0, 0], vector(&names).as_slice()].concat());
            let body = [&[3; 34][..], &[0, 0, 2, 0x13, 1, 1, 0], &extensions].concat();
            let [_, a, b, c] = u32::try_from(body.len()).unwrap().to_be_bytes();
            let message = [&[1, a, b, c][..], &body].concat();
            [&[22, 3, 1][..], &vector(&message)].concat()
        };
        for (asked, expected) in [
            (&b"db.internal"[..], None),
            (b"DB.internal", None),
            (b"evil.com", Some("evil.com".to_owned())),
            (b"127.0.0.1", Some("?".to_owned())),
        ] {
            let bytes = hello(asked);
            let is_passed = expected.is_none();
            let (carried, other) = carried(
                Some("db.internal"),
                move |mut client, mut server, _goes_on| {
                    client.write_all(&bytes).unwrap();
                    client.shutdown(std::net::Shutdown::Write).unwrap();
                    let mut received = Vec::new();
                    let _ = server.read_to_end(&mut received);
                    assert_eq!(received, if is_passed { bytes } else { Vec::new() });
                },
            );
            assert_eq!(other, expected);
            assert_eq!(carried.end == ConnectionEnd::Refused, !is_passed);
        }
    }
}
