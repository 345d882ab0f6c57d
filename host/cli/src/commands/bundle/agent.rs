//! A conversation with ssh-agent that ends in time, however the agent behaves.
//!
//! One deadline holds for a whole exchange: connecting, asking and the last byte of the answer. An agent that takes a
//! byte now and then, or lets nobody in, is given up like one that says nothing.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use host_trust::{Agent, PublicKey, RawSignature, SignError, Signer};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use crate::clock;

/// How long an agent may take to list its keys.
const LIST_WAIT: Duration = Duration::from_secs(10);
/// How long an agent may take to sign: its owner may have to be asked, or a token to be touched.
const SIGN_WAIT: Duration = Duration::from_secs(120);
/// Pause before an agent is called again that has too many callers waiting.
const CALL_PAUSE: Duration = Duration::from_millis(20);

/// A stream that fails once its time is up.
#[derive(Debug)]
pub(super) struct Timely {
    stream: UnixStream,
    since: Instant,
    wait: Duration,
}

impl Timely {
    /// Connects to the agent at `socket`, for asking which keys it holds.
    pub(super) fn connect(socket: &str) -> io::Result<Self> {
        Self::connect_within(socket, LIST_WAIT)
    }

    fn connect_within(socket: &str, wait: Duration) -> io::Result<Self> {
        let since = clock::stopwatch();
        let address = SocketAddrUnix::new(socket)?;
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let opened = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        // LIMIT: `wait`. A local socket is connected at once, or has too many callers and says so.
        loop {
            match connect(&opened, &address) {
                Ok(()) => break,
                Err(Errno::AGAIN | Errno::INTR) if since.elapsed() < wait => {
                    std::thread::sleep(CALL_PAUSE);
                }
                Err(Errno::AGAIN | Errno::INTR) => return Err(late(wait)),
                Err(errno) => return Err(errno.into()),
            }
        }
        let stream = UnixStream::from(opened);
        stream.set_nonblocking(false)?;
        Ok(Self {
            stream,
            since,
            wait,
        })
    }

    /// The signer of one of the agent's keys, whose time begins when it is to sign.
    pub(super) fn into_signer(self, key: &PublicKey) -> AgentSigner {
        AgentSigner {
            stream: self.stream,
            key: key.clone(),
        }
    }

    /// What is left of the time.
    fn left(&self) -> io::Result<Duration> {
        let left = self.wait.checked_sub(self.since.elapsed());
        left.filter(|left| !left.is_zero())
            .ok_or_else(|| late(self.wait))
    }

    fn in_time<T>(&self, done: io::Result<T>) -> io::Result<T> {
        match done {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(late(self.wait)),
            done => done,
        }
    }
}

fn late(wait: Duration) -> io::Error {
    let message = format!("ssh-agent did not answer within {} s", wait.as_secs());
    io::Error::new(io::ErrorKind::TimedOut, message)
}

impl Read for Timely {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.left()?))?;
        let done = self.stream.read(buffer);
        self.in_time(done)
    }
}

impl Write for Timely {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.left()?))?;
        let done = self.stream.write(bytes);
        self.in_time(done)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// One key of an agent; nothing is said to the agent before it is to sign.
#[derive(Debug)]
pub(super) struct AgentSigner {
    stream: UnixStream,
    key: PublicKey,
}

impl Signer for AgentSigner {
    fn public_key(&self) -> &PublicKey {
        &self.key
    }

    fn sign_bytes(&mut self, bytes: &[u8]) -> Result<RawSignature, SignError> {
        let unsigned = |error| SignError::Agent(host_trust::AgentError::Stream(error));
        let timely = Timely {
            stream: self.stream.try_clone().map_err(unsigned)?,
            since: clock::stopwatch(),
            wait: SIGN_WAIT,
        };
        let signer = Agent::new(timely).into_signer(&self.key);
        signer.map_err(SignError::Agent)?.sign_bytes(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    const WAIT: Duration = Duration::from_secs(1);

    /// Asserts that whoever asks the agent at `socket` is told in time that it is late.
    fn is_late(socket: &str) {
        let since = clock::stopwatch();
        let asked = Timely::connect_within(socket, WAIT)
            .and_then(|timely| Agent::new(timely).keys().map_err(io::Error::other));
        let mut error: &dyn std::error::Error = &asked.unwrap_err();
        let mut said = error.to_string();
        while let Some(source) = error.source() {
            said = format!("{said}: {source}");
            error = source;
        }
        assert!(
            said.contains("ssh-agent did not answer within 1 s"),
            "{said}"
        );
        assert!((WAIT..3 * WAIT).contains(&since.elapsed()), "{said}");
    }

    #[test]
    fn an_agent_that_says_a_byte_now_and_then_is_given_up() {
        let lab = tempfile::tempdir().unwrap();
        let path = lab.path().join("agent");
        let listener = UnixListener::bind(&path).unwrap();
        let agent = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let frame = [0, 0, 2, 0, 12, 0, 0, 0, 0];
            for byte in frame.iter().chain(std::iter::repeat_n(&0, 500)) {
                if stream.write_all(&[*byte]).is_err() {
                    return;
                }
                std::thread::sleep(WAIT / 5);
            }
        });
        is_late(path.to_str().unwrap());
        agent.join().unwrap();
    }

    #[test]
    fn an_agent_that_lets_nobody_in_is_given_up() {
        let lab = tempfile::tempdir().unwrap();
        let path = lab.path().join("agent");
        let _listener = UnixListener::bind(&path).unwrap();
        let address = SocketAddrUnix::new(&*path).unwrap();
        let mut callers = Vec::new();
        // Until the queue of those who wait to be let in is full.
        loop {
            let caller = socket_with(
                AddressFamily::UNIX,
                SocketType::STREAM,
                SocketFlags::NONBLOCK | SocketFlags::CLOEXEC,
                None,
            );
            let caller = caller.unwrap();
            if connect(&caller, &address).is_err() {
                break;
            }
            callers.push(caller);
            assert!(callers.len() < 10_000);
        }
        is_late(path.to_str().unwrap());
    }
}
