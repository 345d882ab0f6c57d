//! The calls of preview 2, as they are.

use std::mem::ManuallyDrop;
use std::net::SocketAddrV4;

use serde_json::{Value, json};
use wasip2::cli::stderr::get_stderr;
use wasip2::clocks::{monotonic_clock, wall_clock};
use wasip2::filesystem::preopens::get_directories;
use wasip2::filesystem::types::{
    Descriptor, DescriptorFlags, DescriptorType, DirectoryEntryStream, ErrorCode, NewTimestamp,
    OpenFlags, PathFlags,
};
use wasip2::io::poll::{Pollable, poll};
use wasip2::random::random::get_random_bytes;
use wasip2::sockets::instance_network::instance_network;
use wasip2::sockets::ip_name_lookup::resolve_addresses;
use wasip2::sockets::network::{
    ErrorCode as NetworkError, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, Network,
};
use wasip2::sockets::tcp::TcpSocket;
use wasip2::sockets::tcp_create_socket::create_tcp_socket;
use wasip2::sockets::udp::{OutgoingDatagram, UdpSocket};
use wasip2::sockets::udp_create_socket::create_udp_socket;

use crate::how::How;

/// Which version this is.
pub(crate) const VERSION: &str = "p2";

/// How long an answer of the network is waited for.
const PATIENCE_NANOSECONDS: u64 = 2_000_000_000;

/// How often an answer of the network is asked for.
const QUESTIONS_MAX: usize = 16;

/// How often the clock is read to see how fine it is.
const READINGS: usize = 1000;

fn said<T>(answer: Result<T, ErrorCode>) -> Result<T, String> {
    answer.map_err(|error| error.name().to_owned())
}

/// A directory that is being listed: the host holds all of it.
pub(crate) type Listing = DirectoryEntryStream;

/// An open file or directory, closed with the value.
#[derive(Debug)]
pub(crate) struct Handle(Descriptor);

/// The directories that are open from the start, which stay open.
pub(crate) fn preopens() -> Vec<(String, ManuallyDrop<Handle>)> {
    get_directories()
        .into_iter()
        .map(|(descriptor, name)| (name, ManuallyDrop::new(Handle(descriptor))))
        .collect()
}

impl Handle {
    pub(crate) fn open(&self, path: &str, how: How) -> Result<Self, String> {
        let mut open = OpenFlags::empty();
        open.set(OpenFlags::CREATE, how.create);
        open.set(OpenFlags::EXCLUSIVE, how.exclusive);
        open.set(OpenFlags::TRUNCATE, how.truncate);
        open.set(OpenFlags::DIRECTORY, how.directory);
        let mut flags = DescriptorFlags::READ;
        flags.set(DescriptorFlags::WRITE, how.write && !how.directory);
        flags.set(
            DescriptorFlags::MUTATE_DIRECTORY,
            how.write && how.directory,
        );
        said(self.0.open_at(lookup(how.follow), path, open, flags)).map(Self)
    }

    pub(crate) fn make_directory(&self, path: &str) -> Result<(), String> {
        said(self.0.create_directory_at(path))
    }

    pub(crate) fn remove_directory(&self, path: &str) -> Result<(), String> {
        said(self.0.remove_directory_at(path))
    }

    pub(crate) fn unlink(&self, path: &str) -> Result<(), String> {
        said(self.0.unlink_file_at(path))
    }

    pub(crate) fn rename(&self, from: &str, to: &Self, name: &str) -> Result<(), String> {
        said(self.0.rename_at(from, &to.0, name))
    }

    pub(crate) fn link(
        &self,
        from: &str,
        follow: bool,
        to: &Self,
        name: &str,
    ) -> Result<(), String> {
        said(self.0.link_at(lookup(follow), from, &to.0, name))
    }

    pub(crate) fn symlink(&self, target: &str, name: &str) -> Result<(), String> {
        said(self.0.symlink_at(target, name))
    }

    pub(crate) fn read_link(&self, path: &str) -> Result<String, String> {
        said(self.0.readlink_at(path))
    }

    /// What a path leads to, and its size.
    pub(crate) fn stat(&self, path: &str, follow: bool) -> Result<(&'static str, u64), String> {
        let stat = said(self.0.stat_at(lookup(follow), path))?;
        let kind = match stat.type_ {
            DescriptorType::Directory => "directory",
            DescriptorType::RegularFile => "file",
            DescriptorType::SymbolicLink => "link",
            _ => "other",
        };
        Ok((kind, stat.size))
    }

    /// Sets the time of the last change to now.
    pub(crate) fn touch(&self, path: &str) -> Result<(), String> {
        let (keep, now) = (NewTimestamp::NoChange, NewTimestamp::Now);
        said(self.0.set_times_at(PathFlags::empty(), path, keep, now))
    }

    /// Reads from the start, at most as many bytes as the buffer has.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> Result<usize, String> {
        let (bytes, _) = said(self.0.read(buffer.len() as u64, 0))?;
        for (to, from) in buffer.iter_mut().zip(&bytes) {
            *to = *from;
        }
        Ok(bytes.len())
    }

    pub(crate) fn write(&self, bytes: &[u8], offset: u64) -> Result<u64, String> {
        said(self.0.write(bytes, offset))
    }

    pub(crate) fn set_size(&self, bytes: u64) -> Result<(), String> {
        said(self.0.set_size(bytes))
    }

    /// Begins to list a directory, and keeps that open.
    pub(crate) fn list(&self) -> Result<Listing, String> {
        said(self.0.read_directory())
    }
}

fn lookup(follow: bool) -> PathFlags {
    if follow {
        PathFlags::SYMLINK_FOLLOW
    } else {
        PathFlags::empty()
    }
}

/// Waits for a timer of so many nanoseconds, in one call.
pub(crate) fn wait(nanoseconds: u64) {
    monotonic_clock::subscribe_duration(nanoseconds).block();
}

/// Makes so many timers, or as many as there is memory for, and one that has run out; waits for any of them.
pub(crate) fn subscribe(count: u64) -> Value {
    let timers: Vec<Pollable> = (1..count)
        .map(|_| monotonic_clock::subscribe_duration(u64::MAX))
        .chain([monotonic_clock::subscribe_duration(0)])
        .collect();
    let all: Vec<&Pollable> = timers.iter().collect();
    json!({"subscriptions": all.len(), "events": poll(&all).len(), "error": null})
}

/// Asks for so many random bytes in one call.
pub(crate) fn random(count: u64) -> Value {
    json!({"bytes": get_random_bytes(count).len(), "error": null})
}

/// 32 random bytes.
pub(crate) fn random_bytes() -> Vec<u8> {
    get_random_bytes(32)
}

/// Hands a text to the host as an argument of this kind.
pub(crate) fn hand_over(what: &str, text: &str) -> Value {
    let error = match what {
        "path" => match preopens().first() {
            Some((_, directory)) => directory.make_directory(text).err(),
            None => Some("nothing is open".to_owned()),
        },
        "name" => resolve_addresses(&instance_network(), text)
            .err()
            .map(|error| error.name().to_owned()),
        // More than the stream said that it takes, which is a breach of its contract.
        "write" => get_stderr()
            .write(text.as_bytes())
            .err()
            .map(|error| format!("{error:?}")),
        _ => Some("no such argument in this version".to_owned()),
    };
    json!({"error": error})
}

/// What the clocks say, and how fine they are.
pub(crate) fn clocks() -> Value {
    let wall = wall_clock::now();
    let readings: Vec<u64> = (0..READINGS).map(|_| monotonic_clock::now()).collect();
    json!({
        "wall": {
            "now": u128::from(wall.seconds) * 1_000_000_000 + u128::from(wall.nanoseconds),
            "resolution": wall_clock::resolution().nanoseconds,
        },
        "monotonic": {
            "now": monotonic_clock::now(),
            "resolution": monotonic_clock::resolution(),
        },
        "finest_step": crate::world::finest_step(&readings),
    })
}

/// Tries everything that preview 2 has for the network, each on its own.
pub(crate) fn network(address: &str) -> Value {
    let network = instance_network();
    let any = ip(SocketAddrV4::new([127, 0, 0, 1].into(), 0));
    let remote = match address.parse() {
        Ok(address) => ip(address),
        Err(_) => return json!({"error": format!("`{address}` is no IPv4 address with a port")}),
    };
    let tcp = || create_tcp_socket(IpAddressFamily::Ipv4);
    let udp = || create_udp_socket(IpAddressFamily::Ipv4);
    let tries: [(&str, Result<String, NetworkError>); 11] = [
        ("tcp4", tcp().map(|_| String::new())),
        (
            "tcp6",
            create_tcp_socket(IpAddressFamily::Ipv6).map(|_| String::new()),
        ),
        ("udp4", udp().map(|_| String::new())),
        (
            "udp6",
            create_udp_socket(IpAddressFamily::Ipv6).map(|_| String::new()),
        ),
        (
            "tcp listen",
            tcp().and_then(|socket| listen(&network, &socket, any)),
        ),
        (
            "tcp connect",
            tcp().and_then(|socket| connect(&network, &socket, remote)),
        ),
        (
            "udp bind",
            udp().and_then(|socket| bind(&network, &socket, any)),
        ),
        (
            "udp send",
            udp().and_then(|socket| send(&network, &socket, any, remote, false)),
        ),
        (
            "udp connect and send",
            udp().and_then(|socket| send(&network, &socket, any, remote, true)),
        ),
        ("resolve localhost", resolve(&network, "localhost")),
        ("resolve example.com", resolve(&network, "example.com")),
    ];
    crate::world::tried(
        tries
            .into_iter()
            .map(|(what, answer)| match answer {
                Ok(gave) => json!({"try": what, "gave": gave, "error": null}),
                Err(error) => json!({"try": what, "error": error.name()}),
            })
            .collect(),
    )
}

fn ip(address: SocketAddrV4) -> IpSocketAddress {
    let [first, second, third, fourth] = address.ip().octets();
    IpSocketAddress::Ipv4(Ipv4SocketAddress {
        port: address.port(),
        address: (first, second, third, fourth),
    })
}

/// Asks until there is an answer, or no patience.
fn answered<T>(
    ready: &Pollable,
    mut ask: impl FnMut() -> Result<T, NetworkError>,
) -> Result<T, NetworkError> {
    let patience = monotonic_clock::subscribe_duration(PATIENCE_NANOSECONDS);
    for _ in 0..QUESTIONS_MAX {
        match ask() {
            Err(NetworkError::WouldBlock) if !patience.ready() => {
                poll(&[ready, &patience]);
            }
            answer => return answer,
        }
    }
    Err(NetworkError::Timeout)
}

fn listen(
    network: &Network,
    socket: &TcpSocket,
    local: IpSocketAddress,
) -> Result<String, NetworkError> {
    let ready = socket.subscribe();
    socket.start_bind(network, local)?;
    answered(&ready, || socket.finish_bind())?;
    socket.start_listen()?;
    answered(&ready, || socket.finish_listen())?;
    Ok(format!("{:?}", socket.local_address()?))
}

fn connect(
    network: &Network,
    socket: &TcpSocket,
    remote: IpSocketAddress,
) -> Result<String, NetworkError> {
    let ready = socket.subscribe();
    socket.start_connect(network, remote)?;
    answered(&ready, || socket.finish_connect())?;
    Ok(format!("{:?}", socket.local_address()?))
}

fn bind(
    network: &Network,
    socket: &UdpSocket,
    local: IpSocketAddress,
) -> Result<String, NetworkError> {
    let ready = socket.subscribe();
    socket.start_bind(network, local)?;
    answered(&ready, || socket.finish_bind())?;
    Ok(format!("{:?}", socket.local_address()?))
}

/// Sends a datagram to an address: one that it carries itself, or the one that the socket is connected to.
fn send(
    network: &Network,
    socket: &UdpSocket,
    local: IpSocketAddress,
    remote: IpSocketAddress,
    connected: bool,
) -> Result<String, NetworkError> {
    bind(network, socket, local)?;
    let (_incoming, outgoing) = socket.stream(connected.then_some(remote))?;
    let ready = outgoing.subscribe();
    answered(&ready, || match outgoing.check_send()? {
        0 => Err(NetworkError::WouldBlock),
        permitted => Ok(permitted),
    })?;
    let sent = outgoing.send(&[OutgoingDatagram {
        data: b"misbehave".to_vec(),
        remote_address: (!connected).then_some(remote),
    }])?;
    Ok(format!("{sent} sent"))
}

fn resolve(network: &Network, name: &str) -> Result<String, NetworkError> {
    let addresses = resolve_addresses(network, name)?;
    let ready = addresses.subscribe();
    let first = answered(&ready, || addresses.resolve_next_address())?;
    Ok(format!("{first:?}"))
}

/// Ends with a code, of which only whether it is 0 gets through.
pub(crate) fn exit(code: u32) -> ! {
    std::process::exit(i32::try_from(code).unwrap_or(i32::MAX))
}
