//! One connection of a run: where it leads, whether that is granted, and then its bytes in both directions.
//!
//! The run's side stands already when this begins, since the kernel has shaken hands for us. What is refused, and what
//! cannot be reached, is reset.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::num::NonZeroU16;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use host_core::{Connection, ConnectionEnd, HostName, unwrapped};
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use super::account::Account;
use super::carry::{self, Carried};
use super::dns::{self, Known};
use super::names::Names;
use super::resolver::Resolver;
use super::rules::{Destination, Outside, Rules};
use crate::clock::now;
use crate::recipe::Egress;

/// How long one address is dialled.
const DIAL_MAX: Duration = Duration::from_secs(10);

/// The name of the machine itself, on every machine.
const LOCALHOST: &str = "localhost";

/// What all connections of a run share.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) granted: Vec<Egress>,
    pub(super) names: Mutex<Names>,
    pub(super) resolver: Resolver,
    pub(super) account: Account,
    /// Closed by the keeper when the run is over.
    pub(super) over: OwnedFd,
}

/// What came of a connection that is granted.
struct Made {
    address: Option<SocketAddr>,
    carried: Carried,
}

impl Made {
    fn not(end: ConnectionEnd) -> Self {
        Self {
            address: None,
            carried: Carried {
                sent: 0,
                received: 0,
                end,
            },
        }
    }
}

impl Desk {
    pub(super) fn rules(&self) -> Rules<'_> {
        Rules::of(&self.granted)
    }

    /// Serves a connection that the run made.
    pub(super) fn serve(&self, client: TcpStream) {
        let began = now();
        let Ok(local) = client.local_addr() else {
            return;
        };
        // The kernel has no port 0.
        let Some(port) = NonZeroU16::new(local.port()) else {
            return;
        };
        let to = self.destination(local.ip().to_canonical(), port);
        let granting: Vec<&Egress> = self.rules().granting(&to, port).collect();
        let Some(first) = granting.first() else {
            self.account.refused(
                format!("net.connect:{to}:{port}"),
                "a connection".to_owned(),
            );
            return reset(&client);
        };
        let opened = Connection {
            capability: format!("net.connect:{}", first.endpoint),
            to: format!("{to}:{port}"),
            address: None,
            sent: 0,
            received: 0,
            ms: 0,
            end: ConnectionEnd::Lost,
        };
        // ORDER: before anything leaves the machine for it.
        let Ok(number) = self.account.opened(&opened) else {
            return reset(&client);
        };
        let made = self.make(&client, &to, port, &granting);
        if !matches!(made.carried.end, ConnectionEnd::Closed) {
            reset(&client);
        }
        let ended = Connection {
            address: made.address,
            sent: made.carried.sent,
            received: made.carried.received,
            ms: ms_since(began),
            end: made.carried.end,
            ..opened
        };
        self.account.ended(number, ended);
    }

    /// Where a connection to this address of the run's network was to lead.
    fn destination(&self, ip: IpAddr, port: NonZeroU16) -> Destination {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = names.name_at(ip) {
            return Destination::Name(name.clone());
        }
        drop(names);
        let address = Destination::Address(ip);
        let is_granted = |to: &Destination| self.rules().granting(to, port).next().is_some();
        // Some programs know where `localhost` leads without asking anybody.
        let local = LOCALHOST.parse().map(Destination::Name);
        match local {
            Ok(local) if is_localhost(ip) && !is_granted(&address) && is_granted(&local) => local,
            _ => address,
        }
    }

    /// Dials what a granted destination leads to, and carries what both sides say.
    fn make(
        &self,
        client: &TcpStream,
        to: &Destination,
        port: NonZeroU16,
        granting: &[&Egress],
    ) -> Made {
        let (addresses, name) = match to {
            Destination::Address(address) => (vec![*address], None),
            Destination::Name(name) => match self.resolver.look_up(name) {
                Ok(addresses) => (addresses, Some(name)),
                Err(_) => return Made::not(ConnectionEnd::NotFound),
            },
        };
        let mut end = ConnectionEnd::Refused;
        let mut outside = Vec::new();
        for address in addresses {
            if let Err(why) = judge(granting, address) {
                outside.push(format!("it leads to {address}, which {why}"));
                continue;
            }
            let address = SocketAddr::new(address, port.get());
            match TcpStream::connect_timeout(&address, DIAL_MAX) {
                Ok(server) => {
                    let carried = self.carry(client, &server, name, port);
                    return Made {
                        address: Some(address),
                        carried,
                    };
                }
                Err(_) => end = ConnectionEnd::Unreachable,
            }
        }
        // One of them that is admitted is enough.
        for why in outside
            .into_iter()
            .filter(|_| end == ConnectionEnd::Refused)
        {
            self.account
                .refused(format!("net.connect:{to}:{port}"), why);
        }
        Made::not(end)
    }

    fn carry(
        &self,
        client: &TcpStream,
        server: &TcpStream,
        name: Option<&HostName>,
        port: NonZeroU16,
    ) -> Carried {
        let carried = carry::carry(client, server, name, Some(&self.over));
        match carried {
            Ok((carried, other)) => {
                if let Some(other) = other {
                    let what = match name {
                        Some(name) => format!("TLS for it over a connection to {name}"),
                        None => "TLS for it".to_owned(),
                    };
                    self.account
                        .refused(format!("net.connect:{other}:{port}"), what);
                }
                if !matches!(carried.end, ConnectionEnd::Closed | ConnectionEnd::RunOver) {
                    reset(server);
                }
                carried
            }
            Err(_) => {
                reset(server);
                Carried {
                    sent: 0,
                    received: 0,
                    end: ConnectionEnd::Broken,
                }
            }
        }
    }

    /// The answer to a question of DNS.
    pub(super) fn answer(&self, question: &[u8]) -> Option<Vec<u8>> {
        let look_up = |name: &HostName| {
            if !self.rules().has(name) {
                return Known::Not;
            }
            let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
            names.address_of(name).map_or(Known::TooMany, Known::At)
        };
        let answer = dns::answer(question, look_up)?;
        if let Some(name) = answer.refused
            // Looking for the name of an address is no way to anywhere.
            && !name.as_str().ends_with(".arpa")
        {
            self.account.refused(
                format!("net.connect:{name}"),
                "its name was asked for".to_owned(),
            );
        }
        Some(answer.message)
    }
}

/// Whether one of the grants lets an address be dialled, and none of them forbids it; if not, what the last has against it.
fn judge(granting: &[&Egress], address: IpAddr) -> Result<(), Outside> {
    // What an address of the newer protocol carries may be the machine's own, behind somebody who unwraps it.
    let is_own = is_own(address) || is_own(unwrapped(address));
    let judged = || granting.iter().map(|rule| rule.judge(address, is_own));
    if judged().any(|judged| judged == Err(Outside::Forbidden)) {
        return Err(Outside::Forbidden);
    }
    judged()
        .find(Result::is_ok)
        .or_else(|| judged().next_back())
        .unwrap_or(Err(Outside::Range))
}

/// Whether an address belongs to this machine: then, and only then, something can be bound to it. Where that cannot be
/// known, it is.
fn is_own(address: IpAddr) -> bool {
    let family = match address {
        IpAddr::V4(_) => AddressFamily::INET,
        IpAddr::V6(_) => AddressFamily::INET6,
    };
    let socket = rustix::net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None);
    let bound = socket.and_then(|socket| rustix::net::bind(&socket, &SocketAddr::new(address, 0)));
    bound != Err(rustix::io::Errno::ADDRNOTAVAIL)
}

/// Whether an address is one that `localhost` has everywhere.
fn is_localhost(address: IpAddr) -> bool {
    address == IpAddr::V4(Ipv4Addr::LOCALHOST) || address == IpAddr::V6(Ipv6Addr::LOCALHOST)
}

/// Closes a connection so that its other side hears of an error and not of an end.
pub(super) fn reset(stream: &TcpStream) {
    let _ = rustix::net::sockopt::set_socket_linger(stream.as_fd(), Some(Duration::ZERO));
}

fn ms_since(began: Instant) -> u64 {
    u64::try_from((now() - began).as_millis()).unwrap_or(u64::MAX)
}

/// The opposite, for one that is served.
pub(super) fn close_in_order(stream: &TcpStream) {
    let _ = rustix::net::sockopt::set_socket_linger(stream.as_fd(), None);
}

/// Reads questions of DNS from a stream and answers them, as long as somebody asks.
pub(super) fn answer_stream(desk: &Desk, stream: &mut TcpStream) -> io::Result<()> {
    use std::io::{Read, Write};

    /// How many questions one stream carries.
    const QUESTIONS_MAX: usize = 64;
    /// How long the next one is waited for.
    const WAIT_MAX: Duration = Duration::from_secs(5);

    stream.set_read_timeout(Some(WAIT_MAX))?;
    stream.set_write_timeout(Some(WAIT_MAX))?;
    for _ in 0..QUESTIONS_MAX {
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let length = usize::from(u16::from_be_bytes(length));
        if length > dns::MESSAGE_BYTES_MAX {
            return Ok(());
        }
        let mut question = vec![0; length];
        stream.read_exact(&mut question)?;
        let Some(answer) = desk.answer(&question) else {
            return Ok(());
        };
        let length = u16::try_from(answer.len()).map_err(io::Error::other)?;
        stream.write_all(&[&length.to_be_bytes(), answer.as_slice()].concat())?;
    }
    Ok(())
}
