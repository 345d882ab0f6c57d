STREAM, DATAGRAMS, RAW, SEQUENCED = socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET
INET, INET6, UNIX = socket.AF_INET, socket.AF_INET6, socket.AF_UNIX


def connect(family, place):
    made = socket.socket(family, STREAM)
    made.settimeout(2)
    made.connect((place, int(given("port"))))


def send(family, place):
    """What nobody hears is refused, and that is told with the next word."""
    made = socket.socket(family, DATAGRAMS)
    made.connect((place, int(given("datagrams"))))
    made.send(b"x")
    time.sleep(0.05)
    made.send(b"x")


def fast_open(family, place):
    socket.socket(family, STREAM).sendto(b"x", 0x20000000, (place, int(given("port"))))


for name, family, place in [
    ("loopback", INET, "127.0.0.1"),
    ("all_of_loopback", INET, "127.7.7.7"),
    ("any_address", INET, "0.0.0.0"),
    ("loopback6", INET6, "::1"),
    ("any_address6", INET6, "::"),
    ("mapped_loopback", INET6, "::ffff:127.0.0.1"),
]:
    ATTEMPTS["connect_to_" + name] = lambda family=family, place=place: connect(family, place)
    ATTEMPTS["send_to_" + name] = lambda family=family, place=place: send(family, place)
    ATTEMPTS["fast_open_to_" + name] = lambda family=family, place=place: fast_open(family, place)


def called_out(place, option):
    made = socket.socket(INET, DATAGRAMS)
    made.setsockopt(*option)
    made.sendto(b"x", (place, int(given("datagrams"))))


ATTEMPTS["broadcast"] = lambda: called_out("255.255.255.255", (socket.SOL_SOCKET, socket.SO_BROADCAST, 1))
ATTEMPTS["multicast"] = lambda: called_out("224.0.0.1", (socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1))


def socket_by_number(family, kind, protocol):
    system(number(41, 198), family, kind, protocol)


for name, kind in {
    "vsock": (40, STREAM, 0),
    "vsock_datagrams": (40, DATAGRAMS, 0),
    "alg": (38, SEQUENCED, 0),
    "netlink_route": (16, RAW, 0),
    "netlink_audit": (16, RAW, 9),
    "netlink_events": (16, DATAGRAMS, 15),
    "packet": (17, RAW, 0x300),
    "packet_datagrams": (17, DATAGRAMS, 0x300),
    "packet_of_old": (INET, 10, 0x300),
    "keys": (15, RAW, 2),
    "express": (44, RAW, 0),
    "raw": (INET, RAW, 1),
    "raw_anything": (INET, RAW, 255),
    "raw6": (INET6, RAW, 58),
    "ping": (INET, DATAGRAMS, 1),
    "ping6": (INET6, DATAGRAMS, 58),
    "mptcp": (INET, STREAM, 262),
    "mptcp6": (INET6, STREAM, 262),
    "sctp": (INET, STREAM, 132),
    "sctp_sequenced": (INET, SEQUENCED, 132),
    "udplite": (INET, DATAGRAMS, 136),
    "dccp": (INET, 6, 33),
    "l2tp": (INET, DATAGRAMS, 115),
    "smc": (43, STREAM, 0),
    "rds": (21, SEQUENCED, 0),
    "tipc": (30, DATAGRAMS, 0),
    "can": (29, RAW, 1),
    "bluetooth": (31, RAW, 1),
    "phone": (35, DATAGRAMS, 0),
    "router": (42, DATAGRAMS, 0),
    "kernel_connections": (41, DATAGRAMS, 0),
    "management": (45, DATAGRAMS, 0),
    "vsock_by_a_longer_number": (0x1_0000_0028, STREAM, 0),
    "raw_by_a_longer_number": (INET, 0x1_0000_0003, 1),
    "raw_with_flags": (INET, RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 1),
    "mptcp_by_a_longer_number": (INET, STREAM, 0x1_0000_0106),
}.items():
    ATTEMPTS["socket_" + name] = lambda kind=kind: socket_by_number(*kind)


@attempt
def families_that_can_be_made():
    made = set()
    for family in range(64):
        for kind in [STREAM, DATAGRAMS, RAW, SEQUENCED]:
            try:
                socket_by_number(family, kind, 0)
                made.add(family)
            except OSError:
                pass
    return sorted(made - {UNIX})


@attempt
def vsock_to_itself():
    socket.socket(40, STREAM).connect((1, 7))


@attempt
def pair_of_the_internet():
    system(number(53, 199), INET, STREAM, 0, (ctypes.c_int * 2)())


def option(family, kind, level, name, value):
    socket.socket(family, kind).setsockopt(level, name, value)


for name, what in {
    "mark": (socket.SOL_SOCKET, 36, 1),
    "larger_buffer": (socket.SOL_SOCKET, 33, 1 << 24),
    "foreign_addresses": (socket.IPPROTO_IP, 19, 1),
    "repair": (socket.IPPROTO_TCP, 19, 1),
    "many_paths_by_name": (socket.IPPROTO_TCP, 31, b"mptcp"),
    "packet_filter": (socket.IPPROTO_IP, 64, bytes(96)),
}.items():
    ATTEMPTS["option_" + name] = lambda what=what: option(INET, STREAM, *what)


@attempt
def take_a_well_known_port():
    socket.socket().bind(("127.0.0.1", 80))


@attempt
def take_loopback_down():
    import fcntl

    fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sH14x", b"lo", 0))


@attempt
def connect_to_an_abstract_name():
    socket.socket(UNIX).connect("\0" + given("abstract"))


@attempt
def send_to_an_abstract_name():
    socket.socketpair(UNIX, DATAGRAMS)[0].sendto(b"x", "\0" + given("abstract") + "-datagrams")


@attempt
def pass_for_another():
    mine, _ = socket.socketpair(UNIX, STREAM)
    forged = struct.pack("iII", 1, 0, 0)
    mine.sendmsg([b"x"], [(socket.SOL_SOCKET, 2, forged)])


def interfaces():
    return sorted(line.split(":")[0].strip() for line in open("/proc/self/net/dev").readlines()[2:])


ATTEMPTS["interfaces"] = interfaces
ATTEMPTS["routes"] = lambda: len(open("/proc/self/net/route").readlines()) - 1
ATTEMPTS["others_sockets"] = lambda: len(open("/proc/self/net/tcp").readlines()) - 1
