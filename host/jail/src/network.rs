//! The network of a run: a namespace of its own with nothing in it but loopback.
//!
//! Root's keeper makes it before it knows for what, goes into it, and init is born there; it belongs to the machine, so
//! that nobody in the jail has a say in it. An ordinary user's init is born into one that is made with its other namespaces.

use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType};

use crate::setup::{SetupError, WallStep};
use crate::sys;

/// Leaves the machine's network for a new one, for good.
pub(crate) fn leave_the_machines() -> Result<(), SetupError> {
    sys::unshare_network().step("make a network namespace")?;
    loopback_up()
}

/// Asks the kernel by netlink to set the first interface, loopback, up.
pub(crate) fn loopback_up() -> Result<(), SetupError> {
    ask_for_loopback().step("bring loopback up")
}

fn ask_for_loopback() -> rustix::io::Result<()> {
    const RTM_NEWLINK: u16 = 16;
    const NLM_F_REQUEST: u16 = 1;
    const IFF_UP: u32 = 1;
    const LOOPBACK: i32 = 1;
    let socket = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        None,
    )?;
    // struct nlmsghdr: length, type, flags, sequence, port; struct ifinfomsg: family, pad, type, index, flags, change.
    let mut message = Vec::with_capacity(32);
    message.extend(32u32.to_ne_bytes());
    message.extend(RTM_NEWLINK.to_ne_bytes());
    message.extend(NLM_F_REQUEST.to_ne_bytes());
    message.extend([0; 8]);
    message.extend([0; 4]);
    message.extend(LOOPBACK.to_ne_bytes());
    message.extend(IFF_UP.to_ne_bytes());
    message.extend(IFF_UP.to_ne_bytes());
    rustix::net::send(&socket, &message, SendFlags::NOSIGNAL)?;
    Ok(())
}
