//! Which connections a run may make, as rules over where they lead. Nothing here touches the network.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU16;

use host_core::{AddressRange, Endpoint, HostName, HostPattern, Network, unwrapped};

use crate::recipe::Egress;
use crate::sockaddr::DNS;

/// Where a connection of the run leads: the name that it looked up, or the address that it knows.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Destination {
    Name(HostName),
    Address(IpAddr),
}

impl fmt::Display for Destination {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(out, "{name}"),
            Self::Address(IpAddr::V4(address)) => write!(out, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(out, "[{address}]"),
        }
    }
}

impl Destination {
    fn pattern(&self) -> HostPattern {
        match self {
            Self::Name(name) => HostPattern::Name(name.clone()),
            Self::Address(address) => HostPattern::Address(*address),
        }
    }
}

/// Why an address is not dialled although what led to it is granted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outside {
    /// It lies in no range of the grant.
    Range,
    /// It is the machine's own, and the grant does not name it.
    Own,
    /// A rule forbids it.
    Forbidden,
}

impl fmt::Display for Outside {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Range => "is in no range of the grant: name one after `@`, such as `@private`",
            Self::Own => "is this machine's own: name it alone after `@`, or instead of the name",
            Self::Forbidden => "is forbidden",
        })
    }
}

/// The grants of one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules<'r>(&'r [Egress]);

impl<'r> Rules<'r> {
    pub(crate) const fn of(granted: &'r [Egress]) -> Self {
        Self(granted)
    }

    /// The ports that are granted.
    pub(crate) fn ports(self) -> BTreeSet<NonZeroU16> {
        self.0.iter().map(|rule| rule.endpoint.port()).collect()
    }

    /// The ports to listen at: those, and that of DNS.
    pub(crate) fn listened(self) -> BTreeSet<u16> {
        let granted = self.ports().into_iter().map(NonZeroU16::get);
        granted.chain([DNS]).collect()
    }

    /// The networks that must lead into the run's own network: those that are granted by their addresses.
    pub(crate) fn networks(self) -> BTreeSet<Network> {
        let network = |rule: &Egress| match rule.endpoint.host() {
            HostPattern::Address(address) => Some(Network::around(*address, u8::MAX)),
            HostPattern::Network(network) => Some(*network),
            HostPattern::Name(_) | HostPattern::Below(_) => None,
        };
        self.0.iter().filter_map(network).collect()
    }

    /// The names that are granted as they are.
    pub(crate) fn names(self) -> BTreeSet<&'r HostName> {
        let name = |rule: &'r Egress| match rule.endpoint.host() {
            HostPattern::Name(name) => Some(name),
            _ => None,
        };
        self.0.iter().filter_map(name).collect()
    }

    /// Whether something is granted at this name.
    pub(crate) fn has(self, name: &HostName) -> bool {
        let name = HostPattern::Name(name.clone());
        let covers = |rule: &Egress| rule.endpoint.host().covers(&name);
        self.0.iter().any(covers)
    }

    /// The grants of a connection to `to`.
    pub(crate) fn granting(
        self,
        to: &Destination,
        port: NonZeroU16,
    ) -> impl Iterator<Item = &'r Egress> + use<'r> {
        let pattern = to.pattern();
        let grants = move |rule: &&Egress| {
            rule.endpoint.port() == port && rule.endpoint.host().covers(&pattern)
        };
        self.0.iter().filter(grants)
    }
}

impl Egress {
    /// Whether an address may be dialled that something led to which is granted here.
    pub(crate) fn judge(&self, address: IpAddr, is_own: bool) -> Result<(), Outside> {
        let address = unwrapped(address);
        if self
            .except
            .iter()
            .any(|forbidden| lies_in(address, forbidden))
        {
            return Err(Outside::Forbidden);
        }
        if !self.endpoint.admits(address) {
            return Err(Outside::Range);
        }
        if is_own && !names_alone(&self.endpoint, address) {
            return Err(Outside::Own);
        }
        Ok(())
    }
}

fn lies_in(address: IpAddr, pattern: &HostPattern) -> bool {
    match pattern {
        HostPattern::Address(other) => *other == address,
        HostPattern::Network(network) => network.contains(address),
        HostPattern::Name(_) | HostPattern::Below(_) => false,
    }
}

fn names_alone(endpoint: &Endpoint, address: IpAddr) -> bool {
    match (endpoint.host(), endpoint.range()) {
        (HostPattern::Address(literal), _) => *literal == address,
        (_, Some(AddressRange::Network(network))) => *network == Network::around(address, u8::MAX),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn egress(endpoint: &str, except: &[&str]) -> Egress {
        Egress {
            endpoint: endpoint.parse().unwrap(),
            except: except.iter().map(|host| host.parse().unwrap()).collect(),
        }
    }

    fn port(port: u16) -> NonZeroU16 {
        NonZeroU16::new(port).unwrap()
    }

    #[test]
    fn a_destination_is_granted_by_name_or_address_and_port() {
        let granted = [
            egress("db.internal:5432@private", &[]),
            egress("*.example.com:443", &[]),
            egress("10.0.0.0/8:80", &[]),
            egress("[fd00::1]:80", &[]),
        ];
        let rules = Rules::of(&granted);
        let count = |to: Destination, at: u16| rules.granting(&to, port(at)).count();
        let name = |text: &str| Destination::Name(text.parse().unwrap());
        let address = |text: &str| Destination::Address(text.parse().unwrap());
        assert_eq!(count(name("db.internal"), 5432), 1);
        assert_eq!(count(name("db.internal"), 443), 0);
        assert_eq!(count(name("a.b.example.com"), 443), 1);
        assert_eq!(count(name("example.com"), 443), 0);
        assert_eq!(count(name("example.com.evil.org"), 443), 0);
        assert_eq!(count(address("10.200.0.1"), 80), 1);
        assert_eq!(count(address("10.200.0.1"), 81), 0);
        assert_eq!(count(address("11.0.0.1"), 80), 0);
        assert_eq!(count(address("fd00::1"), 80), 1);
        let ports: Vec<u16> = rules.ports().into_iter().map(NonZeroU16::get).collect();
        assert_eq!(ports, [80, 443, 5432]);
        assert!(rules.listened().into_iter().eq([53, 80, 443, 5432]));
        let networks: Vec<String> = rules.networks().iter().map(ToString::to_string).collect();
        assert_eq!(networks, ["10.0.0.0/8", "[fd00::1/128]"]);
        let names: Vec<&str> = rules.names().into_iter().map(HostName::as_str).collect();
        assert_eq!(names, ["db.internal"]);
        assert!(rules.has(&"x.example.com".parse().unwrap()));
        assert!(!rules.has(&"internal".parse().unwrap()));
    }

    #[test]
    fn what_a_name_leads_to_is_judged_by_its_address() {
        let judge = |endpoint: &str, except: &[&str], address: &str, is_own: bool| {
            egress(endpoint, except).judge(address.parse().unwrap(), is_own)
        };
        let name = "db.internal:5432";
        assert_eq!(judge(name, &[], "8.8.8.8", false), Ok(()));
        // Rebinding: whatever the name leads to next, it is no address of the machine, of its link or of its networks.
        for special in [
            "127.0.0.1",
            "10.0.0.1",
            "169.254.169.254",
            "::1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "0.0.0.0",
            "fe80::1",
            "100.100.100.200",
        ] {
            assert_eq!(
                judge(name, &[], special, false),
                Err(Outside::Range),
                "{special}"
            );
        }
        assert_eq!(
            judge("db.internal:5432@private", &[], "10.0.0.1", false),
            Ok(())
        );
        assert_eq!(
            judge("db.internal:5432@private", &[], "127.0.0.1", false),
            Err(Outside::Range)
        );
        assert_eq!(
            judge("db.internal:5432@127.0.0.1/32", &[], "127.0.0.1", true),
            Ok(())
        );
        assert_eq!(judge("127.0.0.1:5432", &[], "127.0.0.1", true), Ok(()));
    }

    #[test]
    fn the_machines_own_addresses_have_to_be_named_alone() {
        let judge = |endpoint: &str, address: &str| {
            egress(endpoint, &[]).judge(address.parse().unwrap(), true)
        };
        assert_eq!(
            judge("db.internal:5432@private", "10.0.0.1"),
            Err(Outside::Own)
        );
        assert_eq!(
            judge("db.internal:5432@10.0.0.0/8", "10.0.0.1"),
            Err(Outside::Own)
        );
        assert_eq!(judge("10.0.0.0/8:5432", "10.0.0.1"), Err(Outside::Own));
        assert_eq!(judge("8.0.0.0/8:53", "8.8.8.8"), Err(Outside::Own));
        assert_eq!(judge("db.internal:5432@10.0.0.1/32", "10.0.0.1"), Ok(()));
        assert_eq!(judge("10.0.0.1:5432", "10.0.0.1"), Ok(()));
    }

    #[test]
    fn what_a_rule_forbids_is_not_dialled_by_any_name() {
        let judge = |endpoint: &str, address: &str| {
            egress(endpoint, &["10.1.0.0/16", "8.8.8.8"]).judge(address.parse().unwrap(), false)
        };
        assert_eq!(
            judge("db.internal:80@private", "10.1.2.3"),
            Err(Outside::Forbidden)
        );
        assert_eq!(judge("db.internal:80@private", "10.2.2.3"), Ok(()));
        assert_eq!(judge("db.internal:80", "8.8.8.8"), Err(Outside::Forbidden));
        assert_eq!(
            judge("db.internal:80", "::ffff:8.8.8.8"),
            Err(Outside::Forbidden)
        );
        assert_eq!(judge("db.internal:80", "8.8.4.4"), Ok(()));
    }
}
