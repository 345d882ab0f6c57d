//! The network of a run: a namespace of its own with nothing in it but loopback.
//!
//! Root's keeper makes it before it knows for what, goes into it, and init is born there; it belongs to the machine, so
//! that nobody in the jail has a say in it. An ordinary user's init is born into one that is made with its other namespaces.
//! Where something may be connected to, whoever made it also makes what listens there.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

use host_core::Network;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::sockopt;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use crate::egress::{Listeners, PORTS_MAX, Rules};
use crate::recipe::JailRecipe;
use crate::setup::{SetupError, WallStep};
use crate::sockaddr::DNS;
use crate::sys;

/// Connections that wait to be taken.
const BACKLOG: i32 = 128;

/// Leaves the machine's network for a new one, and returns the way back.
pub(crate) fn leave_the_machines() -> Result<OwnedFd, SetupError> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let machines = rustix::fs::open("/proc/self/ns/net", flags, Mode::empty())
        .step("keep the machine's network")?;
    sys::unshare_network().step("make a network namespace")?;
    loopback_up()?;
    Ok(machines)
}

/// Asks the kernel by netlink to set the first interface, loopback, up.
pub(crate) fn loopback_up() -> Result<(), SetupError> {
    const RTM_NEWLINK: u16 = 16;
    const IFF_UP: u32 = 1;
    // struct ifinfomsg: family, pad, type, index, flags, change.
    let mut body = vec![0; 4];
    body.extend(LOOPBACK.to_ne_bytes());
    body.extend(IFF_UP.to_ne_bytes());
    body.extend(IFF_UP.to_ne_bytes());
    Netlink::open()
        .and_then(|netlink| netlink.ask(RTM_NEWLINK, 0, &body))
        .step("bring loopback up")
}

/// Makes what the run may connect to end in its own network, and somebody listen there; nothing where it may not.
pub(crate) fn listeners(recipe: &JailRecipe) -> Result<Option<Listeners>, SetupError> {
    if recipe.egress.is_empty() {
        return Ok(None);
    }
    let rules = Rules::of(&recipe.egress);
    if rules.ports().len() > PORTS_MAX {
        let many = io::Error::other(format!("more than {PORTS_MAX} ports are granted"));
        return Err(SetupError::wall("listen at what is granted", many));
    }
    let netlink = Netlink::open().step("lead what is granted into the run's network")?;
    for network in rules.networks() {
        netlink
            .lead_here(&network)
            .step(&format!("lead `{network}` into the run's network"))?;
    }
    let listen = |port: u16| listen(port).step(&format!("listen at port {port}"));
    let ports = rules.listened().into_iter().map(listen);
    let ports = ports.collect::<Result<_, _>>()?;
    let dns = dns().step("listen for questions of DNS")?;
    Ok(Some(Listeners { dns, ports }))
}

fn listen(port: u16) -> rustix::io::Result<OwnedFd> {
    let (socket, any) = match tcp(AddressFamily::INET6) {
        Ok(socket) => {
            sockopt::set_ipv6_v6only(&socket, false)?;
            (socket, IpAddr::V6(Ipv6Addr::UNSPECIFIED))
        }
        // A kernel without the newer protocol.
        Err(Errno::AFNOSUPPORT) => (tcp(AddressFamily::INET)?, IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        Err(errno) => return Err(errno),
    };
    rustix::net::bind(&socket, &SocketAddr::new(any, port))?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket)
}

fn tcp(family: AddressFamily) -> rustix::io::Result<OwnedFd> {
    rustix::net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)
}

fn dns() -> rustix::io::Result<OwnedFd> {
    let socket = rustix::net::socket_with(
        AddressFamily::INET,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    let address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), DNS);
    rustix::net::bind(&socket, &address)?;
    Ok(socket)
}

/// The only interface of a run.
const LOOPBACK: i32 = 1;

/// A socket that the kernel is asked to change the network by (rtnetlink(7)).
struct Netlink(OwnedFd);

impl Netlink {
    fn open() -> io::Result<Self> {
        let socket = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            None,
        )?;
        Ok(Self(socket))
    }

    /// Makes all addresses of a network the run's own; those of loopback are.
    fn lead_here(&self, network: &Network) -> io::Result<()> {
        const RTM_NEWROUTE: u16 = 24;
        const CREATE: u16 = 0x400;
        const TABLE_LOCAL: u8 = 255;
        const PROTOCOL_STATIC: u8 = 4;
        const SCOPE_HOST: u8 = 254;
        const SCOPE_UNIVERSE: u8 = 0;
        const TYPE_LOCAL: u8 = 2;
        const DESTINATION: u16 = 1;
        const INTERFACE: u16 = 4;
        if network.base().is_loopback() {
            return Ok(());
        }
        let (family, scope, base) = match network.base() {
            IpAddr::V4(base) => (libc::AF_INET, SCOPE_HOST, base.octets().to_vec()),
            IpAddr::V6(base) => (libc::AF_INET6, SCOPE_UNIVERSE, base.octets().to_vec()),
        };
        let family = u8::try_from(family).map_err(io::Error::other)?;
        // struct rtmsg: family, lengths of destination and source, tos, table, protocol, scope, type, flags.
        let mut body = vec![family, network.prefix(), 0, 0];
        body.extend([TABLE_LOCAL, PROTOCOL_STATIC, scope, TYPE_LOCAL, 0, 0, 0, 0]);
        let mut attribute = |kind: u16, value: &[u8]| {
            let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
            body.extend(length.to_ne_bytes());
            body.extend(kind.to_ne_bytes());
            body.extend(value);
        };
        attribute(DESTINATION, &base);
        attribute(INTERFACE, &LOOPBACK.to_ne_bytes());
        match self.ask(RTM_NEWROUTE, CREATE, &body) {
            Err(error) if error.raw_os_error() == Some(libc::EEXIST) => Ok(()),
            asked => asked,
        }
    }

    /// Sends one message, and hears whether it was done.
    fn ask(&self, kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
        const REQUEST: u16 = 1;
        const WITH_ANSWER: u16 = 4;
        const HEADER_BYTES: usize = 16;
        const ERROR: u16 = 2;
        // struct nlmsghdr: length, type, flags, sequence, port.
        let length = u32::try_from(HEADER_BYTES + body.len()).map_err(io::Error::other)?;
        let mut message = Vec::with_capacity(HEADER_BYTES + body.len());
        message.extend(length.to_ne_bytes());
        message.extend(kind.to_ne_bytes());
        message.extend((REQUEST | WITH_ANSWER | flags).to_ne_bytes());
        message.extend([0; 8]);
        message.extend(body);
        rustix::net::send(&self.0, &message, SendFlags::NOSIGNAL)?;
        let mut answer = [0; 512];
        let (length, _) = rustix::net::recv(&self.0, &mut answer[..], RecvFlags::empty())?;
        let answer = answer.get(..length).unwrap_or_default();
        // An answer is an error, which is 0 where it was done.
        let strange = || io::Error::other("the kernel gave a strange answer");
        let kind = answer.get(4..6).and_then(|kind| kind.try_into().ok());
        let code = answer.get(HEADER_BYTES..HEADER_BYTES + 4);
        let code = code.and_then(|code| code.try_into().ok());
        match (kind.map(u16::from_ne_bytes), code.map(i32::from_ne_bytes)) {
            (Some(ERROR), Some(0)) => Ok(()),
            (Some(ERROR), Some(code)) => Err(io::Error::from_raw_os_error(-code)),
            _ => Err(strange()),
        }
    }
}
