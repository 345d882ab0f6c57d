//! The addresses by which a run knows names: each granted name has one of the run's own, from the moment it is asked for.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use host_core::HostName;

/// How many names a run may know; of a wildcard there may be any number.
pub(crate) const NAMES_MAX: usize = 4_096;
/// The first bytes of all of these addresses, which lie in the run's loopback.
const FRONT: [u8; 2] = [127, 64];

/// The names that a run knows.
#[derive(Debug, Default)]
pub(crate) struct Names {
    by_name: HashMap<HostName, Ipv4Addr>,
    in_order: Vec<HostName>,
}

impl Names {
    /// The address of a name, a new one where it has none yet; none when there are too many names.
    pub(crate) fn address_of(&mut self, name: &HostName) -> Option<Ipv4Addr> {
        if let Some(known) = self.by_name.get(name) {
            return Some(*known);
        }
        if self.in_order.len() == NAMES_MAX {
            return None;
        }
        let [high, low] = u16::try_from(self.in_order.len() + 1).ok()?.to_be_bytes();
        let [first, second] = FRONT;
        let address = Ipv4Addr::new(first, second, high, low);
        self.in_order.push(name.clone());
        self.by_name.insert(name.clone(), address);
        Some(address)
    }

    /// The names with their addresses, in the order in which they came.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&HostName, Ipv4Addr)> {
        self.in_order
            .iter()
            .filter_map(|name| Some((name, *self.by_name.get(name)?)))
    }

    /// Whether an address is one of those that only names have.
    pub(crate) fn is_of_a_name(address: IpAddr) -> bool {
        matches!(address, IpAddr::V4(address) if address.octets().starts_with(&FRONT))
    }

    /// The name that has this address.
    pub(crate) fn name_at(&self, address: IpAddr) -> Option<&HostName> {
        if !Self::is_of_a_name(address) {
            return None;
        }
        let IpAddr::V4(address) = address else {
            return None;
        };
        let [.., high, low] = address.octets();
        let at = usize::from(u16::from_be_bytes([high, low])).checked_sub(1)?;
        self.in_order.get(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> HostName {
        text.parse().unwrap()
    }

    #[test]
    fn a_name_keeps_its_address_and_the_address_its_name() {
        let mut names = Names::default();
        let first = names.address_of(&name("db.internal")).unwrap();
        let second = names.address_of(&name("api.example.com")).unwrap();
        assert_eq!(first, Ipv4Addr::new(127, 64, 0, 1));
        assert_eq!(second, Ipv4Addr::new(127, 64, 0, 2));
        assert_eq!(names.address_of(&name("db.internal")), Some(first));
        assert_eq!(names.name_at(second.into()), Some(&name("api.example.com")));
        for other in ["127.64.0.0", "127.64.0.3", "127.65.0.1", "10.64.0.1", "::1"] {
            assert_eq!(names.name_at(other.parse().unwrap()), None, "{other}");
        }
    }

    #[test]
    fn a_run_knows_so_many_names_and_no_more() {
        let mut names = Names::default();
        for number in 0..NAMES_MAX {
            let name = name(&format!("n{number}.example.com"));
            let address = names.address_of(&name).unwrap();
            assert_eq!(names.name_at(address.into()), Some(&name));
        }
        assert_eq!(names.address_of(&name("one-more.example.com")), None);
        assert!(names.address_of(&name("n0.example.com")).is_some());
    }
}
