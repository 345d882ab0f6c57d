//! The addresses that connections are made to, as they lie in a program's memory.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The longest address of a socket, in bytes.
pub(crate) const ADDRESS_BYTES_MAX: usize = 128;
/// The port of name servers.
pub(crate) const DNS: u16 = 53;

/// Where a connection leads.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Destination {
    /// A UNIX socket, by its path as it was given; empty for one without.
    Unix(Vec<u8>),
    /// An address and a port; one of version 4 is never written as one of version 6.
    Internet(SocketAddr),
}

impl Destination {
    /// Reads an address, as the kernel takes it.
    pub(crate) fn read(address: &[u8]) -> Option<Self> {
        let (family, rest) = address.split_first_chunk::<2>()?;
        match i32::from(u16::from_ne_bytes(*family)) {
            libc::AF_UNIX => {
                let path = rest.split(|byte| *byte == 0).next().unwrap_or_default();
                Some(Self::Unix(path.to_vec()))
            }
            libc::AF_INET => {
                let (port, rest) = rest.split_first_chunk::<2>()?;
                let (ip, _) = rest.split_first_chunk::<4>()?;
                Some(Self::internet(Ipv4Addr::from(*ip).into(), *port))
            }
            libc::AF_INET6 => {
                let (port, rest) = rest.split_first_chunk::<2>()?;
                let (_flow, rest) = rest.split_first_chunk::<4>()?;
                let (ip, _) = rest.split_first_chunk::<16>()?;
                Some(Self::internet(Ipv6Addr::from(*ip).into(), *port))
            }
            _ => None,
        }
    }

    fn internet(ip: IpAddr, port: [u8; 2]) -> Self {
        Self::Internet(SocketAddr::new(ip.to_canonical(), u16::from_be_bytes(port)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_or_strange_address_is_no_crash() {
        for length in 0..40 {
            for kind in [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, 99] {
                let mut address = u16::try_from(kind).unwrap().to_ne_bytes().to_vec();
                address.resize(length, 0xff);
                let _ = Destination::read(&address);
            }
        }
    }
}
