//! Internet addresses and networks, and which of them are open to the public.
//!
//! An IPv4 address has one spelling: one that is carried in an IPv6 address is refused, and no short or octal form is read.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// What an address is, as far as its number tells. A node's own addresses are known only there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AddressClass {
    /// Reachable by anyone: opened by a name, or by a network, without a range.
    Public,
    /// In 10/8, 172.16/12, 192.168/16, 100.64/10 or fc00::/7: opened by a range or `@private`.
    Private,
    /// Loopback, link-local, metadata, multicast, unspecified or reserved: opened only when it is named literally.
    Special,
}

/// The IPv4 address that an IPv6 one carries (mapped, NAT64, 6to4), else the address itself.
#[must_use]
pub fn unwrapped(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else {
        return address;
    };
    let low = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        v4(a, b, c, d)
    };
    match v6.segments() {
        [0, 0, 0, 0, 0, 0xffff, g, h] | [0x64, 0xff9b, 0, 0, 0, 0, g, h] => low(g, h),
        [0x2002, b, c, ..] => low(b, c),
        _ => address,
    }
}

/// Classifies an address by its number, after unwrapping it.
#[must_use]
pub fn classify(address: IpAddr) -> AddressClass {
    let address = unwrapped(address);
    let lies_in = |networks: &[(IpAddr, u8)]| {
        networks.iter().any(|(base, prefix)| {
            Network {
                base: *base,
                prefix: *prefix,
            }
            .contains(address)
        })
    };
    if lies_in(&SPECIAL) {
        AddressClass::Special
    } else if lies_in(&PRIVATE) {
        AddressClass::Private
    } else {
        AddressClass::Public
    }
}

/// Addresses with a common beginning, such as `10.0.0.0/8` or `fd00::/8`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Network {
    base: IpAddr,
    prefix: u8,
}

impl Network {
    /// The network of all addresses that share the first `prefix` bits of this one; its own alone where there are no more.
    #[must_use]
    pub fn around(address: IpAddr, prefix: u8) -> Self {
        let prefix = prefix.min(width(address));
        let kept = masked(bits(address), prefix, address);
        let base = match address {
            IpAddr::V4(_) => {
                let [a, b, c, d, ..] = kept.to_be_bytes();
                v4(a, b, c, d)
            }
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(kept)),
        };
        Self { base, prefix }
    }

    /// The first address of the network.
    #[must_use]
    pub const fn base(&self) -> IpAddr {
        self.base
    }

    /// How many leading bits all its addresses share.
    #[must_use]
    pub const fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Whether the address lies in the network. IPv4 and IPv6 never mix.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.base.is_ipv4() == address.is_ipv4()
            && masked(bits(address), self.prefix, address) == bits(self.base)
    }

    /// Whether every address of `other` lies in this network.
    #[must_use]
    pub fn contains_network(&self, other: &Self) -> bool {
        self.prefix <= other.prefix && self.contains(other.base)
    }

    /// Whether all its addresses are private ones.
    #[must_use]
    pub fn is_private(&self) -> bool {
        PRIVATE.iter().any(|(base, prefix)| {
            Self {
                base: *base,
                prefix: *prefix,
            }
            .contains_network(self)
        })
    }

    /// The only address, if the network has no more.
    pub(crate) fn single(&self) -> Option<IpAddr> {
        (self.prefix == width(self.base)).then_some(self.base)
    }
}

/// Reads `10.0.0.0/8`, and `fd00::/8` with or without brackets.
impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bracketed = text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'));
        let inner = bracketed.unwrap_or(text);
        let malformed = || NetworkError::Malformed {
            text: text.to_owned(),
        };
        let (base, prefix) = inner.split_once('/').ok_or_else(malformed)?;
        let base: IpAddr = base.parse().map_err(|_| malformed())?;
        refuse_wrapped(base)?;
        if bracketed.is_some() && base.is_ipv4() {
            return Err(malformed());
        }
        let digits =
            (1..=3).contains(&prefix.len()) && prefix.bytes().all(|byte| byte.is_ascii_digit());
        let leading_zero = prefix.len() > 1 && prefix.starts_with('0');
        let prefix: u8 = prefix
            .parse()
            .ok()
            .filter(|_| digits && !leading_zero)
            .ok_or_else(malformed)?;
        if prefix > width(base) {
            return Err(malformed());
        }
        if masked(bits(base), prefix, base) != bits(base) {
            return Err(NetworkError::HostBits {
                text: text.to_owned(),
            });
        }
        Ok(Self { base, prefix })
    }
}

/// Prints an IPv6 network in brackets.
impl fmt::Display for Network {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.base {
            IpAddr::V4(base) => write!(out, "{base}/{}", self.prefix),
            IpAddr::V6(base) => write!(out, "[{base}/{}]", self.prefix),
        }
    }
}

/// Why a text is not a network.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// It is not an address, a slash and a number of bits.
    #[error("`{}` is not a network such as `10.0.0.0/8` or `[fd00::/8]`", crate::Shown(.text))]
    Malformed {
        /// What was given.
        text: String,
    },
    /// Bits behind the prefix are set.
    #[error("`{}` names an address inside its network: the bits behind the prefix must be zero", crate::Shown(.text))]
    HostBits {
        /// What was given.
        text: String,
    },
    /// An IPv4 address in the guise of an IPv6 one: mapped, NAT64 or 6to4.
    #[error("`{address}` is an IPv4 address in IPv6 form: write `{v4}`")]
    Wrapped {
        /// What was given.
        address: Ipv6Addr,
        /// How to write it.
        v4: Ipv4Addr,
    },
}

/// Refuses an IPv6 address that carries an IPv4 one, because rules for one would miss the other.
pub(crate) fn refuse_wrapped(address: IpAddr) -> Result<(), NetworkError> {
    match (address, unwrapped(address)) {
        (IpAddr::V6(address), IpAddr::V4(v4)) => Err(NetworkError::Wrapped { address, v4 }),
        _ => Ok(()),
    }
}

/// The address in the upper bits of 128, so that a prefix means the same in both families.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn masked(bits: u128, prefix: u8, family: IpAddr) -> u128 {
    let kept = u32::from(prefix.min(width(family)));
    bits & u128::MAX.checked_shl(128 - kept).unwrap_or(0)
}

const fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

const fn v4(a: u8, b: u8, c: u8, d: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(a, b, c, d))
}

const fn v6(a: u16, b: u16, c: u16, g: u16, h: u16) -> IpAddr {
    IpAddr::V6(Ipv6Addr::new(a, b, c, 0, 0, 0, g, h))
}

const PRIVATE: [(IpAddr, u8); 5] = [
    (v4(10, 0, 0, 0), 8),
    (v4(100, 64, 0, 0), 10),
    (v4(172, 16, 0, 0), 12),
    (v4(192, 168, 0, 0), 16),
    (v6(0xfc00, 0, 0, 0, 0), 7),
];

/// Special-purpose blocks by the IANA registries, and the metadata services that live in private or shared blocks.
const SPECIAL: [(IpAddr, u8); 22] = [
    (v4(0, 0, 0, 0), 8),
    (v4(100, 100, 100, 200), 32),
    (v4(127, 0, 0, 0), 8),
    (v4(169, 254, 0, 0), 16),
    (v4(192, 0, 0, 0), 24),
    (v4(192, 0, 2, 0), 24),
    (v4(192, 88, 99, 0), 24),
    (v4(198, 18, 0, 0), 15),
    (v4(198, 51, 100, 0), 24),
    (v4(203, 0, 113, 0), 24),
    (v4(224, 0, 0, 0), 3),
    (v6(0, 0, 0, 0, 0), 32),
    (v6(0x64, 0xff9b, 0, 0, 0), 32),
    (v6(0x100, 0, 0, 0, 0), 64),
    (v6(0x2001, 0, 0, 0, 0), 23),
    (v6(0x2001, 0xdb8, 0, 0, 0), 32),
    (v6(0x3fff, 0, 0, 0, 0), 20),
    (v6(0x5f00, 0, 0, 0, 0), 16),
    (v6(0xfd00, 0xec2, 0, 0, 0x254), 128),
    (v6(0xfe80, 0, 0, 0, 0), 10),
    (v6(0xfec0, 0, 0, 0, 0), 10),
    (v6(0xff00, 0, 0, 0, 0), 8),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_are_classified_by_number() {
        for (address, class) in [
            ("8.8.8.8", AddressClass::Public),
            ("2606:4700::1", AddressClass::Public),
            ("172.32.0.1", AddressClass::Public),
            ("10.1.2.3", AddressClass::Private),
            ("172.31.255.255", AddressClass::Private),
            ("192.168.0.1", AddressClass::Private),
            ("fd12::1", AddressClass::Private),
            ("0.0.0.0", AddressClass::Special),
            ("127.0.0.53", AddressClass::Special),
            ("169.254.169.254", AddressClass::Special),
            ("100.100.100.200", AddressClass::Special),
            ("224.0.0.1", AddressClass::Special),
            ("255.255.255.255", AddressClass::Special),
            ("::", AddressClass::Special),
            ("::1", AddressClass::Special),
            ("::ffff:10.0.0.1", AddressClass::Private),
            ("::ffff:8.8.8.8", AddressClass::Public),
            ("64:ff9b::7f00:1", AddressClass::Special),
            ("64:ff9b::808:808", AddressClass::Public),
            ("64:ff9b:1::808:808", AddressClass::Special),
            ("2002:7f00:1::", AddressClass::Special),
            ("2002:a00:1::1", AddressClass::Private),
            ("100.64.0.1", AddressClass::Private),
            ("2001:0:1::", AddressClass::Special),
            ("3fff:fff::1", AddressClass::Special),
            ("3fff:1000::1", AddressClass::Public),
            ("5f00::1", AddressClass::Special),
            ("fd00:ec2::254", AddressClass::Special),
            ("fe80::1", AddressClass::Special),
            ("ff02::1", AddressClass::Special),
        ] {
            assert_eq!(classify(address.parse().unwrap()), class, "{address}");
        }
    }

    #[test]
    fn networks_are_read_strictly() {
        for (text, printed) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("10.0.0.1/32", "10.0.0.1/32"),
            ("fd00::/8", "[fd00::/8]"),
            ("[FD00:0::/8]", "[fd00::/8]"),
            ("[::/0]", "[::/0]"),
        ] {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), printed);
        }
        for bad in [
            "",
            "10.0.0.0",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/08",
            "10.0.0.0/+8",
            "10.0.0/8",
            "010.0.0.0/8",
            "a/8",
            "[fd00::/129]",
            "[10.0.0.0/8]",
        ] {
            assert!(
                matches!(bad.parse::<Network>(), Err(NetworkError::Malformed { .. })),
                "{bad}"
            );
        }
        for bad in ["10.0.0.1/8", "[fd00::1/8]", "0.0.0.1/0"] {
            assert!(
                matches!(bad.parse::<Network>(), Err(NetworkError::HostBits { .. })),
                "{bad}"
            );
        }
        for bad in ["::ffff:10.0.0.0/104", "64:ff9b::/96", "2002::/16"] {
            assert!(
                matches!(bad.parse::<Network>(), Err(NetworkError::Wrapped { .. })),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_network_around_an_address_has_its_first_bits_and_no_others() {
        for (address, prefix, network) in [
            ("10.1.2.3", 8, "10.0.0.0/8"),
            ("10.1.2.3", 0, "0.0.0.0/0"),
            ("10.1.2.3", 255, "10.1.2.3/32"),
            ("fd12:3456::1", 12, "[fd10::/12]"),
            ("fd12::1", 128, "[fd12::1/128]"),
        ] {
            let around = Network::around(address.parse().unwrap(), prefix);
            assert_eq!(around.to_string(), network);
            assert_eq!(network.parse::<Network>(), Ok(around));
        }
    }

    proptest! {
        /// The oracle compares the leading bits as text.
        #[test]
        fn a_network_contains_what_shares_its_leading_bits(base: u32, other: u32, prefix in 0_u8..=32, near in 0_u32..40) {
            let base = base.checked_shr(32 - u32::from(prefix)).and_then(|kept| kept.checked_shl(32 - u32::from(prefix))).unwrap_or(0);
            let other = if near < 32 { base ^ (1 << near) } else { other };
            let network: Network = format!("{}/{prefix}", Ipv4Addr::from_bits(base)).parse().unwrap();
            let leading = |bits: u32| format!("{bits:032b}")[..usize::from(prefix)].to_owned();
            prop_assert_eq!(network.contains(Ipv4Addr::from_bits(other).into()), leading(base) == leading(other));
        }
    }
}
