import fcntl, stat

HERE = -100


def path(name):
    return given("root") + "/" + name


def opened(name, flags=os.O_RDONLY, mode=0o600, **how):
    return os.open(name, flags, mode, **how)


# What leads out of what was granted. Whoever gets there reads a word that is nowhere inside.

def follows(name, way):
    ATTEMPTS["read_" + name] = lambda: read(way())


def read(name, **how):
    text = os.read(opened(name, **how), 99).decode()
    return "done" if "outside" in text else "something else: " + text


SECRET = "victim/secret"
follows("what_was_not_granted", lambda: path(SECRET))
follows("by_dots", lambda: path("read/../" + SECRET))
follows("by_many_dots", lambda: path("read/" + "../" * 30 + path(SECRET)[1:]))
follows("by_a_link", lambda: path("read/link"))
follows("by_a_relative_link", lambda: path("read/up/secret"))
follows("by_a_link_in_what_is_written", lambda: path("write/link"))
follows("by_the_root_of_itself", lambda: "/proc/self/root" + path(SECRET))
follows("by_the_root_of_init", lambda: "/proc/1/root" + path(SECRET))
follows("by_the_root_of_its_parent", lambda: f"/proc/{os.getppid()}/root" + path(SECRET))
follows("by_the_directory_of_init", lambda: "/proc/1/cwd" + path(SECRET))
follows("by_its_thread", lambda: "/proc/thread-self/root" + path(SECRET))
follows("by_a_descriptor_of_init", lambda: "/proc/1/fd/3/" + SECRET)


@attempt
def read_by_a_descriptor_and_dots():
    directory = opened(path("read"))
    return read("../" + SECRET, dir_fd=directory)


@attempt
def read_by_a_place_and_dots():
    directory = opened(path("read"), os.O_PATH)
    return read(f"/proc/self/fd/{directory}/../" + SECRET)


@attempt
def read_from_the_directory_itself():
    os.chdir(path("read/sub"))
    return read("../../" + SECRET)


@attempt
def read_by_a_link_of_its_own():
    os.symlink(path("victim"), path("write/way"))
    return read(path("write/way/secret"))


@attempt
def write_by_a_link():
    os.write(opened(path("write/link"), os.O_WRONLY | os.O_CREAT), b"inside")


@attempt
def write_by_a_link_of_its_own():
    os.symlink("../victim/new", path("write/new"))
    os.write(opened(path("write/new"), os.O_WRONLY | os.O_CREAT), b"inside")


@attempt
def make_a_file_outside():
    opened(path("victim/new"), os.O_WRONLY | os.O_CREAT)


@attempt
def make_a_directory_above():
    os.mkdir(path("new"))


@attempt
def move_the_grant_away():
    os.rename(path("write"), path("elsewhere"))


@attempt
def move_out_of_the_grant():
    os.rename(path("write/own"), path("own"))


@attempt
def exchange_what_is_read_and_what_is_written():
    system(number(316, 276), HERE, path("read/plain").encode(), HERE, path("write/own").encode(), 2)


@attempt
def move_what_is_only_read():
    os.rename(path("read/plain"), path("write/plain"))


@attempt
def link_what_is_only_read():
    os.link(path("read/plain"), path("write/linked"))


@attempt
def link_a_descriptor_of_what_is_only_read():
    held = opened(path("read/plain"))
    system(number(265, 37), HERE, f"/proc/self/fd/{held}".encode(), HERE, path("write/linked").encode(), 0x400)


@attempt
def link_the_bare_descriptor():
    system(number(265, 37), opened(path("read/plain")), b"", HERE, path("write/linked").encode(), 0x1000)


@attempt
def link_the_systems_programs():
    os.link("/usr/bin/env", path("write/linked"))


@attempt
def remove_the_grant():
    os.rmdir(path("write"))


# Changes of a file, by every call that makes one. The place is a file that is only read, or one of its own.

def flags_of(name, request, value):
    fcntl.ioctl(opened(name), request, struct.pack("l", value))


def mapped(name):
    import mmap

    mmap.mmap(opened(name), 1, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)[0] = 120


def other(name):
    return os.path.dirname(name) + "/other"


def in_directory(name, new):
    return os.path.dirname(name) + "/" + new


CHANGES = {
    "open_to_write": lambda name: opened(name, os.O_WRONLY),
    "open_to_append": lambda name: opened(name, os.O_RDWR | os.O_APPEND),
    "empty_by_opening": lambda name: opened(name, os.O_RDONLY | os.O_TRUNC),
    "truncate": lambda name: os.truncate(name, 1),
    "open_again_to_write": lambda name: opened(f"/proc/self/fd/{opened(name)}", os.O_RDWR),
    "open_its_place_to_write": lambda name: opened(f"/proc/self/fd/{opened(name, os.O_PATH)}", os.O_WRONLY),
    "map": mapped,
    "chmod": lambda name: os.chmod(name, 0o600),
    "fchmod": lambda name: os.fchmod(opened(name), 0o600),
    "fchmodat2": lambda name: system(452, HERE, name.encode(), 0o600, 0),
    "chown": lambda name: os.chown(name, os.getuid(), os.getgid()),
    "fchown": lambda name: os.fchown(opened(name), os.getuid(), os.getgid()),
    "utime": lambda name: os.utime(name, (1, 1)),
    "futime": lambda name: os.utime(opened(name), (1, 1)),
    "setxattr": lambda name: os.setxattr(name, "user.host-it", b"x"),
    "fsetxattr": lambda name: os.setxattr(opened(name), "user.host-it", b"x"),
    "removexattr": lambda name: os.removexattr(name, "user.kept"),
    "access_list": lambda name: os.setxattr(name, "system.posix_acl_access", struct.pack("<I" + "HHI" * 3, 2, 1, 6, 2**32 - 1, 4, 4, 2**32 - 1, 32, 0, 2**32 - 1)),
    "make_beside": lambda name: opened(in_directory(name, "made"), os.O_WRONLY | os.O_CREAT),
    "nameless_beside": lambda name: opened(os.path.dirname(name), os.O_TMPFILE | os.O_WRONLY),
    "directory_beside": lambda name: os.mkdir(in_directory(name, "made-directory")),
    "pipe_beside": lambda name: os.mkfifo(in_directory(name, "made-pipe")),
    "link_beside": lambda name: os.link(name, in_directory(name, "made-link")),
    "symlink_beside": lambda name: os.symlink("x", in_directory(name, "made-symlink")),
    "exchange_beside": lambda name: system(number(316, 276), HERE, name.encode(), HERE, other(name).encode(), 2),
    "rename": lambda name: os.rename(other(name), in_directory(name, "renamed")),
    "unlink": lambda name: os.unlink(name),
}
for place in ["granted", "system", "etc", "program", "free"]:
    for change, act in CHANGES.items():
        ATTEMPTS[f"{change}_{place}"] = lambda act=act, place=place: (act(given(place)), None)[1]


# What no file may become, in a directory where all else may be done.

def fresh(name):
    name = path("write/" + name)
    os.close(opened(name, os.O_CREAT | os.O_RDWR))
    return name


def capability():
    return struct.pack("<IIIII", 0x02000001, 1 << 21, 0, 0, 0)


def becomes(name, act):
    ATTEMPTS["become_" + name] = lambda: (act(), None)[1]


becomes("capable", lambda: os.setxattr(fresh("f"), "security.capability", capability()))
becomes("capable_by_descriptor", lambda: os.setxattr(opened(fresh("f")), "security.capability", capability()))
becomes("trusted", lambda: os.setxattr(fresh("f"), "trusted.host-it", b"x"))
becomes("labelled", lambda: os.setxattr(fresh("f"), "security.host-it", b"x"))
becomes("roots", lambda: os.chown(fresh("f"), 0, 0))
becomes("a_groups", lambda: os.chown(fresh("f"), -1, 42))
becomes("immutable", lambda: flags_of(fresh("f"), 0x40086602, 0x10))
becomes("append_only", lambda: flags_of(fresh("f"), 0x40086602, 0x20))
becomes("a_device", lambda: os.mknod(path("write/disk"), 0o600 | stat.S_IFBLK, os.makedev(254, 0)))
becomes("a_character_device", lambda: os.mknod(path("write/mem"), 0o600 | stat.S_IFCHR, os.makedev(1, 1)))
becomes("a_whiteout", lambda: os.mknod(path("write/white"), 0o600 | stat.S_IFCHR, 0))
becomes("set_id_by_a_longer_number", lambda: system(number(91, 52), opened(fresh("f")), 0x1_0000_0000 | 0o4755))
becomes("set_id_without_a_name", lambda: opened(path("write"), os.O_TMPFILE | os.O_RDWR, 0o4755))


@attempt
def name_what_had_no_name():
    held = opened(path("write"), os.O_TMPFILE | os.O_RDWR, 0o644)
    os.write(held, b"named")
    system(number(265, 37), HERE, f"/proc/self/fd/{held}".encode(), HERE, path("write/named").encode(), 0x400)


@attempt
def access_list_for_a_stranger():
    entries = struct.pack("<I" + "HHI" * 5, 2, 1, 6, 2**32 - 1, 2, 7, 33, 4, 4, 2**32 - 1, 16, 7, 2**32 - 1, 32, 0, 2**32 - 1)
    os.setxattr(fresh("listed"), "system.posix_acl_access", entries)


@attempt
def file_in_a_directory_of_a_group():
    os.mkdir(path("write/shared/below"))
    opened(path("write/shared/file"), os.O_CREAT | os.O_WRONLY, 0o755)
    opened(path("write/shared/below/file"), os.O_CREAT | os.O_WRONLY, 0o755)


# What lies in what was granted and could do more than be read.

ATTEMPTS["open_a_device_to_read"] = lambda: (opened(path("read/zero")), None)[1]
ATTEMPTS["open_a_device_to_write"] = lambda: (opened(path("write/null"), os.O_RDWR), None)[1]


def run(*words):
    import subprocess

    return subprocess.run(words, capture_output=True, text=True).stdout.strip()


ATTEMPTS["user_of_a_set_id_program"] = lambda: run(path("read/id"), "-u")
ATTEMPTS["user_of_the_systems_set_id_program"] = lambda: run("/usr/bin/su", "-c", "id -u") or "none"


@attempt
def powers_of_a_capable_program():
    status = run(path("read/capable"), "/proc/self/status")
    return [line.split()[1] for line in status.splitlines() if line.startswith("CapEff")]
