//! `net.connect:host:port[@range]`: TCP to a name, an address or a network.
//!
//! A name leads to public addresses, unless a range is named with it. An address, or a network inside a private one, is
//! its own range, so none may stand beside it. Nothing is resolved here.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::str::FromStr;

use crate::serde_text::serde_as_text;

use super::address::{AddressClass, Network, NetworkError, classify, refuse_wrapped, unwrapped};
use super::host::{HostName, HostNameError};

/// Where a run may connect to.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Endpoint {
    host: HostPattern,
    port: NonZeroU16,
    range: Option<AddressRange>,
}

impl Endpoint {
    /// An endpoint of these parts.
    ///
    /// # Errors
    /// When a range stands beside an address or a network.
    pub fn new(
        host: HostPattern,
        port: NonZeroU16,
        range: Option<AddressRange>,
    ) -> Result<Self, EndpointError> {
        match host {
            HostPattern::Address(_) | HostPattern::Network(_) if range.is_some() => {
                Err(EndpointError::NeedlessRange)
            }
            _ => Ok(Self { host, port, range }),
        }
    }

    /// The host or hosts.
    #[must_use]
    pub const fn host(&self) -> &HostPattern {
        &self.host
    }

    /// The TCP port.
    #[must_use]
    pub const fn port(&self) -> NonZeroU16 {
        self.port
    }

    /// The range that a name may lead to; public addresses when there is none.
    #[must_use]
    pub const fn range(&self) -> Option<&AddressRange> {
        self.range.as_ref()
    }

    /// Whether an address may be dialled under this endpoint: the address itself, or one that a granted name led to.
    ///
    /// Whether the name is the granted one, and whether the address is the node's own, is for the caller to know.
    #[must_use]
    pub fn admits(&self, address: IpAddr) -> bool {
        let address = unwrapped(address);
        match (&self.host, &self.range) {
            (HostPattern::Address(literal), _) => *literal == address,
            (HostPattern::Network(network), _) => {
                HostPattern::Network(*network).covers(&HostPattern::Address(address))
            }
            (_, None) => classify(address) == AddressClass::Public,
            (_, Some(range)) => range.admits(address),
        }
    }

    /// Whether everything that `other` opens is opened by this.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let range = match (&self.range, &other.range) {
            (None, None) => true,
            (Some(range), Some(other)) => range.covers(other),
            _ => false,
        };
        self.port == other.port && range && self.host.covers(&other.host)
    }
}

/// Reads what stands behind `net.connect:`.
impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (endpoint, range) = match text.split_once('@') {
            Some((endpoint, range)) => (endpoint, Some(range.parse()?)),
            None => (text, None),
        };
        let (host, port) = endpoint.rsplit_once(':').ok_or(EndpointError::Shape)?;
        Self::new(host.parse()?, read_port(port)?, range)
    }
}

/// Prints bare: no character of an endpoint needs quoting.
impl fmt::Display for Endpoint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.host, self.port)?;
        match &self.range {
            Some(range) => write!(out, "@{range}"),
            None => Ok(()),
        }
    }
}

/// Which hosts an endpoint means.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum HostPattern {
    /// One name.
    Name(HostName),
    /// `*.suffix`: every name below the suffix, at any depth.
    Below(HostName),
    /// One address.
    Address(IpAddr),
    /// Every address of a network: its private ones if the whole network is private, else its public ones.
    Network(Network),
}

impl HostPattern {
    /// Reads one name or one address, and no pattern.
    ///
    /// # Errors
    /// As reading a pattern, and when it is one.
    pub fn exact(text: &str) -> Result<Self, EndpointError> {
        match text.parse()? {
            host @ (Self::Name(_) | Self::Address(_)) => Ok(host),
            Self::Below(_) | Self::Network(_) => Err(EndpointError::NotExact),
        }
    }

    /// One address. The unspecified ones are refused: whoever connects there comes to the loopback of the machine, which
    /// has a name of its own.
    fn address(address: IpAddr) -> Result<Self, EndpointError> {
        if address.is_unspecified() {
            return Err(EndpointError::Unspecified);
        }
        Ok(Self::Address(address))
    }

    /// Whether every host that `other` means is meant by this.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Below(suffix), Self::Name(name)) => suffix.is_above(name),
            (Self::Below(suffix), Self::Below(other)) => suffix == other || suffix.is_above(other),
            (Self::Network(network), Self::Network(other)) => {
                network.contains_network(other) && network.is_private() == other.is_private()
            }
            (Self::Network(network), Self::Address(address)) => {
                network.contains(*address)
                    && match classify(*address) {
                        AddressClass::Public => true,
                        AddressClass::Private => network.is_private(),
                        AddressClass::Special => false,
                    }
            }
            _ => self == other,
        }
    }
}

impl FromStr for HostPattern {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains('/') {
            let network: Network = text.parse()?;
            if network.base().is_ipv6() && !text.starts_with('[') {
                return Err(EndpointError::Brackets);
            }
            return match network.single() {
                Some(address) => Self::address(address),
                None => Ok(Self::Network(network)),
            };
        }
        if let Some(inner) = text.strip_prefix('[') {
            let address = inner
                .strip_suffix(']')
                .and_then(|inner| inner.parse().ok())
                .ok_or(EndpointError::Brackets)?;
            let address = IpAddr::V6(address);
            refuse_wrapped(address)?;
            return Self::address(address);
        }
        if let Ok(address) = text.parse() {
            return Self::address(IpAddr::V4(address));
        }
        if text.contains(':') {
            return Err(EndpointError::Brackets);
        }
        match text.strip_prefix("*.") {
            Some(suffix) => Ok(Self::Below(suffix.parse()?)),
            None => Ok(Self::Name(text.parse()?)),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(out, "{name}"),
            Self::Below(suffix) => write!(out, "*.{suffix}"),
            Self::Address(IpAddr::V4(address)) => write!(out, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(out, "[{address}]"),
            Self::Network(network) => write!(out, "{network}"),
        }
    }
}

/// Where the addresses of a name may lie, written after `@`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum AddressRange {
    /// `private`: every private network.
    Private,
    /// One network.
    Network(Network),
}

impl AddressRange {
    /// Whether an address that a name led to may be dialled: it lies in the range, and if it is a special one the range
    /// names it alone.
    #[must_use]
    pub fn admits(&self, address: IpAddr) -> bool {
        let address = unwrapped(address);
        let class = classify(address);
        match self {
            Self::Private => class == AddressClass::Private,
            Self::Network(network) => {
                network.contains(address)
                    && (class != AddressClass::Special || network.single() == Some(address))
            }
        }
    }

    /// Whether every address that `other` admits is admitted by this range.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Private, Self::Private) => true,
            (Self::Network(_), Self::Private) => false,
            // A special address is opened by the range that names it alone, so no wider range covers that one.
            (_, Self::Network(other))
                if other
                    .single()
                    .is_some_and(|address| classify(address) == AddressClass::Special) =>
            {
                *self == Self::Network(*other)
            }
            (Self::Private, Self::Network(network)) => network.is_private(),
            (Self::Network(network), Self::Network(other)) => network.contains_network(other),
        }
    }
}

impl FromStr for AddressRange {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "private" {
            return Ok(Self::Private);
        }
        let network: Network = text.parse()?;
        if network.base().is_ipv6() && !text.starts_with('[') {
            return Err(EndpointError::Brackets);
        }
        Ok(Self::Network(network))
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Private => out.write_str("private"),
            Self::Network(network) => write!(out, "{network}"),
        }
    }
}

serde_as_text!(Endpoint, HostName, HostPattern);

/// Why a text is not an endpoint.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// There is no port.
    #[error("expected `host:port`, `host:port@network` or `host:port@private`")]
    Shape,
    /// The port is not a number from 1 to 65535.
    #[error("`{}` is not a port from 1 to 65535", crate::Shown(.port))]
    Port {
        /// What was given.
        port: String,
    },
    /// The name is not one.
    #[error(transparent)]
    Name(#[from] HostNameError),
    /// The network or address is not one.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// An IPv6 address or network without its brackets, or brackets around something else.
    #[error("an IPv6 address or network stands in brackets, such as `[2001:db8::1]:443`")]
    Brackets,
    /// `0.0.0.0` or `[::]`.
    #[error(
        "`0.0.0.0` and `[::]` are no addresses to connect to: this machine is `127.0.0.1` or `[::1]`"
    )]
    Unspecified,
    /// A pattern where one name or address is wanted.
    #[error("one name or address is wanted here, not a pattern or network")]
    NotExact,
    /// A range beside an address or network, which is its own.
    #[error("an address or network needs no range after it")]
    NeedlessRange,
}

/// Reads a port from 1 to 65535 without sign or leading zero.
pub(crate) fn read_port(text: &str) -> Result<NonZeroU16, EndpointError> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    text.parse()
        .ok()
        .filter(|_| plain)
        .ok_or_else(|| EndpointError::Port {
            port: text.to_owned(),
        })
}
