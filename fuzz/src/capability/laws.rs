//! What covering must obey: the laws of an order, and the meaning of each kind.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use host_core::{ArgumentPattern, Capability, Command, HostPattern, HttpTarget};

/// Panics when covering is no order, or covers what is not opened.
pub(super) fn check(capabilities: &[Capability], lines: &[&str]) {
    let addresses = addresses(capabilities);
    for one in capabilities {
        assert!(one.covers(one), "{one} does not cover itself");
        for other in capabilities {
            check_kind(one, other);
            if !one.covers(other) {
                continue;
            }
            assert!(one == other || !other.covers(one), "{one} and {other}");
            assert!(one.is_dangerous() || !other.is_dangerous(), "{one} {other}");
            check_meaning(one, other, &addresses, lines);
            for third in capabilities.iter().filter(|third| other.covers(third)) {
                assert!(one.covers(third), "{one} covers {other} but not {third}");
            }
        }
    }
}

/// Kinds cover themselves, and `fs.write` covers `fs.read`; what has no inside covers only its equal.
fn check_kind(one: &Capability, other: &Capability) {
    use Capability::{Exec, FsRead, FsWrite, HttpRequest, NetConnect};
    let covers = one.covers(other);
    match (one, other) {
        (FsRead(above), FsRead(below)) | (FsWrite(above), FsWrite(below) | FsRead(below)) => {
            let agrees = Path::new(below.as_str()).starts_with(above.as_str());
            assert_eq!(covers, agrees, "{one} {other}");
        }
        (NetConnect(_), NetConnect(_)) | (HttpRequest(_), HttpRequest(_)) | (Exec(_), Exec(_)) => {}
        _ => assert_eq!(covers, one == other, "{one} {other}"),
    }
}

fn check_meaning(one: &Capability, other: &Capability, addresses: &[IpAddr], lines: &[&str]) {
    match (one, other) {
        (Capability::NetConnect(wide), Capability::NetConnect(narrow)) => {
            assert_eq!(wide.port(), narrow.port());
            for address in addresses.iter().filter(|address| narrow.admits(**address)) {
                assert!(wide.admits(*address), "{one} {other} {address}");
            }
        }
        (Capability::HttpRequest(wide), Capability::HttpRequest(narrow)) => {
            check_urls(wide, narrow, lines);
        }
        (Capability::Exec(wide), Capability::Exec(narrow)) => check_calls(wide, narrow, lines),
        _ => {}
    }
}

fn check_urls(wide: &HttpTarget, narrow: &HttpTarget, lines: &[&str]) {
    let method = narrow.method().as_str();
    let own = narrow.to_string();
    let own = own.split_once(' ').map_or("", |(_, url)| url);
    assert!(narrow.permits(method, own), "{narrow} refuses its own URL");
    for url in lines.iter().chain([&own]) {
        let is_wider = wide.permits(method, url) || !narrow.permits(method, url);
        assert!(is_wider, "{wide} covers {narrow}, and refuses {url:?}");
    }
}

fn check_calls(wide: &Command, narrow: &Command, lines: &[&str]) {
    assert_eq!(wide.user(), narrow.user());
    let literal = |pattern: &ArgumentPattern| match pattern {
        ArgumentPattern::Literal(text) => text.clone(),
        ArgumentPattern::Path(above) => above.to_string(),
        _ => "1".to_owned(),
    };
    let typical: Vec<String> = narrow.arguments().iter().map(literal).collect();
    let given = lines
        .iter()
        .map(|line| line.split('\t').map(str::to_owned).collect());
    for arguments in given.chain([typical]) {
        let mut argv: Vec<String> = vec![narrow.program().to_string()];
        argv.extend(arguments);
        let is_wider = wide.matches(&argv) || !narrow.matches(&argv);
        assert!(is_wider, "{wide} covers {narrow}, and refuses {argv:?}");
    }
}

/// Addresses of every class, and those around what the capabilities name.
fn addresses(capabilities: &[Capability]) -> Vec<IpAddr> {
    const FIXED: [Ipv4Addr; 8] = [
        Ipv4Addr::new(8, 8, 8, 8),
        Ipv4Addr::new(10, 1, 2, 3),
        Ipv4Addr::new(100, 64, 0, 1),
        Ipv4Addr::new(100, 100, 100, 200),
        Ipv4Addr::new(127, 0, 0, 1),
        Ipv4Addr::new(169, 254, 169, 254),
        Ipv4Addr::new(172, 31, 255, 255),
        Ipv4Addr::new(224, 0, 0, 1),
    ];
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in FIXED {
        addresses.push(address.into());
        addresses.push(address.to_ipv6_mapped().into());
    }
    for capability in capabilities {
        let Capability::NetConnect(endpoint) = capability else {
            continue;
        };
        match endpoint.host() {
            HostPattern::Address(address) => addresses.extend(around(*address)),
            HostPattern::Network(network) => addresses.extend(around(network.base())),
            HostPattern::Name(_) | HostPattern::Below(_) => {}
        }
        if let Some(host_core::AddressRange::Network(network)) = endpoint.range() {
            addresses.extend(around(network.base()));
        }
    }
    addresses
}

fn around(address: IpAddr) -> [IpAddr; 3] {
    match address {
        IpAddr::V4(v4) => {
            [0, 1, u32::MAX].map(|step| Ipv4Addr::from_bits(v4.to_bits().wrapping_add(step)).into())
        }
        IpAddr::V6(v6) => [0, 1, u128::MAX]
            .map(|step| Ipv6Addr::from_bits(v6.to_bits().wrapping_add(step)).into()),
    }
}
