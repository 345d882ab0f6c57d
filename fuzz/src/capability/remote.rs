//! A second reading of what leads out: a URL goes where its target says, however it is spelled, and an address that is
//! special or private is open only to who names it, or its range.

use std::net::{IpAddr, Ipv4Addr};

use host_core::{AddressRange, Endpoint, HostPattern, HttpTarget};

/// Metadata services, loopback and other addresses that no name, range or network opens unless it is that address.
const SPECIAL: [Ipv4Addr; 5] = [
    Ipv4Addr::new(0, 0, 0, 0),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(127, 0, 0, 1),
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(224, 0, 0, 1),
];

/// Addresses that are open only to a range, or a network inside a private one.
const PRIVATE: [Ipv4Addr; 4] = [
    Ipv4Addr::new(10, 1, 2, 3),
    Ipv4Addr::new(100, 64, 0, 1),
    Ipv4Addr::new(172, 31, 255, 255),
    Ipv4Addr::new(192, 168, 0, 1),
];

/// Panics when an endpoint opens a special or private address that it does not name.
pub(super) fn check_endpoint(endpoint: &Endpoint) {
    for address in SPECIAL {
        let is_named = match (endpoint.host(), endpoint.range()) {
            (HostPattern::Address(literal), _) => *literal == address,
            (_, Some(AddressRange::Network(range))) => range.to_string() == format!("{address}/32"),
            _ => false,
        };
        for form in forms(address) {
            assert_eq!(endpoint.admits(form), is_named, "{endpoint} and {form}");
        }
    }
    for address in PRIVATE {
        let is_private = match (endpoint.host(), endpoint.range()) {
            (HostPattern::Address(literal), _) => *literal == address,
            // Wider networks than the private ones mean public addresses.
            (HostPattern::Network(network), _) => network.prefix() >= 8 && network.base().is_ipv4(),
            (_, range) => range.is_some(),
        };
        for form in forms(address) {
            assert!(
                is_private || !endpoint.admits(form),
                "{endpoint} and {form}"
            );
        }
    }
}

/// An address, and the IPv6 ones that carry it: mapped, NAT64 and 6to4.
fn forms(address: Ipv4Addr) -> [IpAddr; 4] {
    let [a, b, c, d] = address.octets().map(u16::from);
    let (high, low) = (a << 8 | b, c << 8 | d);
    [
        address.into(),
        [0, 0, 0, 0, 0, 0xffff, high, low].into(),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low].into(),
        [0x2002, high, low, 0, 0, 0, 0, 1].into(),
    ]
}

/// Panics when a target permits a URL that leads elsewhere.
pub(super) fn check_target(target: &HttpTarget, lines: &[&str]) {
    for url in lines {
        if target.permits(target.method().as_str(), url) {
            check_url(target, url);
        }
        assert!(!target.permits("OTHER", url) || target.method().as_str() == "OTHER");
    }
}

fn check_url(target: &HttpTarget, url: &str) {
    let lower = url.to_ascii_lowercase();
    let scheme = format!("{}://", target.scheme());
    assert!(lower.starts_with(&scheme), "{url:?}");
    let rest = url.get(scheme.len()..).unwrap_or_default();
    let before_query = rest.split('?').next().unwrap_or_default();
    let (authority, path) = before_query.split_once('/').unwrap_or((before_query, ""));
    let host = target.host().to_string();
    let bare = authority.to_ascii_lowercase();
    let with_port = format!("{host}:{}", target.port());
    let is_default = target.port() == target.scheme().port();
    // An IPv6 address has many spellings: only what stands in brackets is left to its own reader.
    let is_there = bare == with_port || (is_default && bare == host) || bare.starts_with('[');
    assert!(is_there, "{target} permits {url:?}");
    assert!(!authority.contains('@') && !before_query.contains(['#', '\\']));
    check_path(target, path, url);
}

fn check_path(target: &HttpTarget, path: &str, url: &str) {
    let segments: Vec<&str> = path.split('/').collect();
    // A slash at the end leaves one empty segment, which is the only one.
    let segments = segments
        .split_last()
        .map_or(segments.as_slice(), |(last, before)| {
            if last.is_empty() { before } else { &segments }
        });
    let decoded: Vec<String> = segments.iter().map(|segment| decode(segment)).collect();
    for segment in &decoded {
        let is_plain = !matches!(segment.as_str(), "" | "." | "..");
        assert!(is_plain, "{target} permits {url:?}");
        assert!(!segment.contains(['/', '\\']) && !segment.chars().any(char::is_control));
    }
    assert!(
        decoded.starts_with(target.segments()),
        "{target} permits {url:?}"
    );
}

/// Percent-decodes what is known to be encoded properly.
pub(crate) fn decode(text: &str) -> String {
    let mut pieces = text.split('%');
    let mut bytes: Vec<u8> = pieces.next().unwrap_or_default().into();
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2).expect("two digits");
        bytes.push(u8::from_str_radix(digits, 16).expect("hexadecimal digits"));
        bytes.extend(rest.as_bytes());
    }
    String::from_utf8(bytes).expect("UTF-8")
}
