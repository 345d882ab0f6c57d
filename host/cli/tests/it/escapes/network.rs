//! Ways to the network: the machine's own services on loopback, sockets of every kind, and tricks with those that there
//! are. Nothing is sent beyond loopback, by a free attacker either.

use std::io::ErrorKind;
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};

use super::Attacker;
use crate::lab::Lab;

/// Services of the machine that hear everybody, and tell whether somebody came.
struct Services {
    tcp: TcpListener,
    udp: UdpSocket,
    stream: UnixListener,
    datagrams: UnixDatagram,
    name: String,
}

impl Services {
    fn new(lab: &Lab) -> Self {
        let name = format!("{}services", lab.marker());
        let address = |end: &str| SocketAddr::from_abstract_name(format!("{name}{end}")).unwrap();
        // Both kinds of addresses, where the machine has both.
        let tcp = TcpListener::bind("[::]:0").or_else(|_| TcpListener::bind("0.0.0.0:0"));
        let udp = UdpSocket::bind("[::]:0").or_else(|_| UdpSocket::bind("0.0.0.0:0"));
        let services = Self {
            tcp: tcp.unwrap(),
            udp: udp.unwrap(),
            stream: UnixListener::bind_addr(&address("")).unwrap(),
            datagrams: UnixDatagram::bind_addr(&address("-datagrams")).unwrap(),
            name,
        };
        services.tcp.set_nonblocking(true).unwrap();
        services.udp.set_nonblocking(true).unwrap();
        services.stream.set_nonblocking(true).unwrap();
        services.datagrams.set_nonblocking(true).unwrap();
        services
    }

    fn attacker(&self) -> Attacker {
        let port = self.tcp.local_addr().unwrap().port().to_string();
        let datagrams = self.udp.local_addr().unwrap().port().to_string();
        Attacker::new(include_str!("network.py"))
            .knows("port", port)
            .knows("datagrams", datagrams)
            .knows("abstract", self.name.as_str())
            .among_us()
    }

    /// Who was heard, of the four.
    fn heard(&self) -> [bool; 4] {
        let quiet = |error: std::io::Error| assert_eq!(error.kind(), ErrorKind::WouldBlock);
        [
            self.tcp.accept().map_err(quiet).is_ok(),
            self.udp.recv(&mut [0; 8]).map_err(quiet).is_ok(),
            self.stream.accept().map_err(quiet).is_ok(),
            self.datagrams.recv(&mut [0; 8]).map_err(quiet).is_ok(),
        ]
    }
}

#[test]
fn no_service_of_the_machine_hears_a_task() {
    let lab = Lab::new();
    let services = Services::new(&lab);
    let table = |outside: &str| {
        let ways = ["connect", "send", "fast_open"];
        let places = ["loopback", "all_of_loopback", "any_address"];
        let mut table = String::new();
        for way in ways {
            for place in places {
                table.push_str(&format!("{way}_to_{place} ECONNREFUSED {outside}\n"));
            }
            for place in ["loopback6", "any_address6", "mapped_loopback"] {
                table.push_str(&format!(
                    "{way}_to_{place} ECONNREFUSED|EADDRNOTAVAIL|EAFNOSUPPORT|ENETUNREACH -\n"
                ));
            }
        }
        let refused = "ECONNREFUSED|EPERM|EAFNOSUPPORT|EACCES";
        table.push_str(&format!(
            "connect_to_an_abstract_name {refused} {outside}\nsend_to_an_abstract_name {refused} {outside}\n"
        ));
        table
    };
    services.attacker().attempts(&lab, &table("-"), &[]);
    assert_eq!(services.heard(), [false; 4], "somebody got out");
    services.attacker().attempts(&lab, &table("anyone"), &[]);
    assert_eq!(services.heard(), [true; 4], "nobody outside was heard");
}

/// Reachable past an empty network namespace, or around what is allowed of plain sockets.
#[test]
fn no_other_socket_than_the_plain_ones_is_made() {
    let lab = Lab::new();
    let none = "EAFNOSUPPORT|EPROTONOSUPPORT|ESOCKTNOSUPPORT";
    let outside = |kind: &str| match kind {
        "netlink_route" => "anyone",
        "packet" | "packet_datagrams" | "raw" | "raw_anything" | "raw_with_flags" => "root",
        _ => "-",
    };
    let kinds = "vsock vsock_datagrams alg netlink_route netlink_audit netlink_events packet packet_datagrams packet_of_old keys \
        express raw raw_anything raw6 ping ping6 mptcp mptcp6 sctp sctp_sequenced udplite dccp l2tp smc rds tipc can bluetooth \
        phone router kernel_connections management vsock_by_a_longer_number raw_by_a_longer_number raw_with_flags \
        mptcp_by_a_longer_number";
    let lines = kinds
        .split_whitespace()
        .map(|kind| format!("socket_{kind} {none} {}\n", outside(kind)));
    let table: String = lines
        .chain([format!(
            "vsock_to_itself {none} -\npair_of_the_internet {none} -\n"
        )])
        .collect();
    let services = Services::new(&lab);
    services.attacker().attempts(&lab, &table, &[]);
    let record = services
        .attacker()
        .jailed(&lab, "families_that_can_be_made", &[]);
    assert_eq!(
        record["value"]["families_that_can_be_made"], "[2, 10]",
        "of all 64, besides UNIX"
    );
}

#[test]
fn no_option_of_a_socket_is_a_way_out() {
    let lab = Lab::new();
    let services = Services::new(&lab);
    services.attacker().attempts(
        &lab,
        "option_mark EPERM root
         option_larger_buffer EPERM root
         option_foreign_addresses EPERM root
         option_repair EPERM root
         option_many_paths_by_name ENOTSUP|ENOENT|EPERM -
         option_packet_filter EPERM|ENOPROTOOPT -
         take_a_well_known_port EACCES -
         take_loopback_down EPERM -
         pass_for_another EINVAL|EPERM root
         broadcast ENETUNREACH|EACCES -
         multicast ENETUNREACH -",
        &[],
    );
    let names = "interfaces,routes,others_sockets";
    let value = services.attacker().jailed(&lab, names, &[])["value"].clone();
    assert_eq!(
        value,
        serde_json::json!({"interfaces": "['lo']", "routes": "0", "others_sockets": "0"})
    );
    assert_eq!(services.heard(), [false; 4]);
}
