CLONES = {"user": 0x10000000, "mount": 0x20000, "net": 0x40000000, "pid": 0x20000000, "ipc": 0x8000000, "uts": 0x4000000, "cgroup": 0x2000000}
HERE = -100


def each(names, prefix, act):
    """An attempt for each name."""
    for name, value in names.items():
        ATTEMPTS[f"{prefix}_{name}"] = lambda value=value: act(value)


def unshare(flag):
    system(number(272, 97), flag)


def clone(flag):
    if system(number(56, 220), flag | signal.SIGCHLD, 0, 0, 0, 0) == 0:
        os._exit(0)


def join(name):
    system(number(308, 268), os.open("/proc/self/ns/" + name, os.O_RDONLY), 0)


each({**CLONES, "time": 0x80}, "unshare", unshare)
each(CLONES, "clone", clone)
each({name: name for name in ["mnt", "net", "ipc", "uts", "cgroup"]}, "join", join)


@attempt
def clone3_user():
    arguments = (ctypes.c_uint64 * 8)(CLONES["user"], 0, 0, 0, signal.SIGCHLD, 0, 0, 0)
    if system(435, arguments, 64) == 0:
        os._exit(0)


@attempt
def join_by_pidfd():
    system(number(308, 268), os.pidfd_open(os.getpid()), CLONES["uts"])


def plain(name, *call):
    """An attempt that is one system call."""
    ATTEMPTS[name] = lambda: (system(*call), None)[1]


NOTHING = ctypes.create_string_buffer(256)
plain("mount", number(165, 40), b"none", b"/tmp", b"tmpfs", 0, None)
plain("bind", number(165, 40), b"/tmp", b"/mnt", None, 0x1000, None)
plain("remount_root_writable", number(165, 40), None, b"/", None, 0x1020, None)
plain("make_root_shared", number(165, 40), None, b"/", None, 0x100000 | 0x4000, None)
plain("umount", number(166, 39), b"/proc", 2)
plain("fsopen", 430, b"tmpfs", 0)
plain("fspick", 433, HERE, b"/", 0)
plain("open_tree_clone", 428, HERE, b"/usr", 1)
plain("move_mount", 429, HERE, b"/usr", HERE, b"/tmp", 0)
plain("mount_setattr", 442, HERE, b"/", 0, (ctypes.c_uint64 * 4)(0, 1, 0, 0), 32)
plain("statmount", 457, NOTHING, NOTHING, 256, 0)
plain("listmount", 458, NOTHING, NOTHING, 8, 0)
plain("pivot_root", number(155, 41), b"/tmp", b"/tmp")
plain("chroot", number(161, 51), b"/tmp")
plain("ptrace_me", number(101, 117), 0, 0, 0, 0)
plain("ptrace_init", number(101, 117), 0x4206, 1, 0, 0)
plain("add_key", number(248, 217), b"user", b"host-it", b"x", 1, -2)
plain("request_key", number(249, 218), b"user", b"host-it", None, 0)
plain("join_a_session_of_keys", number(250, 219), 1, None)
plain("bpf", number(321, 280), 0, (ctypes.c_uint32 * 16)(2, 4, 4, 1), 64)
plain("perf", number(298, 241), ctypes.create_string_buffer(struct.pack("<IIQ", 1, 112, 0) + bytes(96)), 0, -1, -1, 0)
plain("userfaultfd", number(323, 282), 1)
plain("io_uring", 425, 4, NOTHING)
plain("aio", number(206, 0), 8, (ctypes.c_ulong * 1)())
plain("fanotify", number(300, 262), 0x200, 0)
plain("quotactl", number(179, 60), 0x80000100, None, 0, None)
plain("quotactl_fd", 443, 0, 0x80000100, 0, None)
plain("init_module", number(175, 105), NOTHING, 1, b"")
plain("finit_module", number(313, 273), 0, b"", 0)
plain("delete_module", number(176, 106), b"host-it", 0x800)
plain("kexec", number(246, 104), 0, 0, None, 0)
plain("kexec_file", number(320, 294), 0, 0, 0, None, 0)
plain("reboot", number(169, 142), 0xFEE1DEAD, 672274793, 0, None)
plain("swapon", number(167, 224), b"/tmp/none", 0)
plain("swapoff", number(168, 225), b"/tmp/none")
plain("acct", number(163, 89), b"/tmp/none")
plain("settimeofday", number(164, 170), None, NOTHING)
plain("clock_settime", number(227, 112), 0, NOTHING)
plain("adjtimex", number(159, 171), NOTHING)
plain("sethostname", number(170, 161), b"taken", 5)
plain("setdomainname", number(171, 162), b"taken", 5)
plain("syslog", number(103, 116), 10, None, 0)
plain("vhangup", number(153, 58))
plain("iopl", number(172, None), 3)
plain("ioperm", number(173, None), 0x80, 1, 1)
plain("modify_ldt", number(154, None), 0, NOTHING, 16)
plain("personality_of_a_fixed_place", number(135, 92), 0x0040000)
plain("personality_of_all_executable", number(135, 92), 0x0400000)
plain("set_mempolicy", number(238, 237), 0, None, 0)
plain("migrate_pages", number(256, 238), 0, 8, NOTHING, NOTHING)
plain("move_pages", number(279, 239), 0, 0, None, None, None, 0)
plain("mq_open", number(240, 180), b"host-it", 0x42, 0o600, None)
plain("memfd_secret", 447, 0)
plain("lookup_dcookie", number(212, 18), 0, NOTHING, 8)
plain("a_call_of_the_future", 900)
plain("a_call_below_zero", -7)
plain("openat2", 437, HERE, b"/usr", (ctypes.c_uint64 * 3)(0, 0, 0), 24)
plain("setuid", number(105, 146), 0)
plain("setgid", number(106, 144), 0)
plain("setresuid", number(117, 147), 65534, 65534, 65534)
plain("setgroups", number(116, 159), 1, (ctypes.c_uint32 * 1)(0))
plain("limit_of_init", number(302, 261), 1, 0, (ctypes.c_uint64 * 2)(1, 1), None)
plain("keep_capabilities", number(157, 167), 8, 1, 0, 0, 0)
plain("secure_bits", number(157, 167), 28, 0, 0, 0, 0)
plain("ambient_capability", number(157, 167), 47, 2, 21, 0, 0)
plain("gain_privileges_again", number(157, 167), 38, 0, 0, 0, 0)
plain("leave_seccomp", number(157, 167), 22, 0, 0, 0, 0)
plain("lay_out_memory", number(157, 167), 35, 1, 0x400000, 0, 0)
plain("dump_as_root", number(157, 167), 4, 2, 0, 0, 0)
plain("flush_io_first", number(157, 167), 57, 1, 0, 0, 0)
plain("type_into_a_terminal", number(16, 29), 0, 0x5412, b"x")
plain("type_into_a_terminal_by_a_longer_number", number(16, 29), 0, 0x1_0000_5412, b"x")
plain("paste_into_a_console", number(16, 29), 0, 0x541C, b"\x03")


@attempt
def raise_capabilities():
    head = struct.pack("<Ii", 0x20080522, 0)
    system(number(126, 91), ctypes.create_string_buffer(head), ctypes.create_string_buffer(b"\xff" * 24))


@attempt
def rights_to_files_of_root():
    libc.setfsuid(0)
    return "done" if libc.setfsuid(-1) == 0 else "EPERM"


@attempt
def open_by_handle():
    handle = ctypes.create_string_buffer(struct.pack("<IiII", 128, 0, 0, 0) + bytes(128))
    mount = ctypes.c_int()
    try:
        system(number(303, 264), HERE, b"/usr", handle, ctypes.byref(mount), 0)
    except OSError:
        # The root of the machine's disk, as a handle that is guessed.
        handle = ctypes.create_string_buffer(struct.pack("<IiII", 8, 1, 2, 0))
    system(number(304, 265), os.open("/usr", os.O_RDONLY), handle, os.O_RDONLY)


@attempt
def handle_of_a_name():
    handle = ctypes.create_string_buffer(struct.pack("<Ii", 128, 0) + bytes(128))
    system(number(303, 264), HERE, b"/usr", handle, ctypes.byref(ctypes.c_int()), 0)


@attempt
def ptrace_a_child():
    system(number(101, 117), 0x4206, sleeper(), 0, 0)


def vectors():
    return (ctypes.c_uint64 * 2)(ctypes.addressof(NOTHING), 8)


@attempt
def read_a_childs_memory():
    system(number(310, 270), sleeper(), vectors(), 1, vectors(), 1, 0)


@attempt
def write_a_childs_memory():
    system(number(311, 271), sleeper(), vectors(), 1, vectors(), 1, 0)


@attempt
def take_a_childs_descriptor():
    system(438, os.pidfd_open(sleeper()), 0, 0)


@attempt
def compare_with_a_child():
    system(number(312, 272), os.getpid(), sleeper(), 1, 0, 0)


@attempt
def advise_a_child():
    system(440, os.pidfd_open(sleeper()), vectors(), 1, 21, 0)


def mounting_behind_a_filter(action, flags):
    """A filter of one's own adds to what is forbidden; a later one never takes back."""
    system(number(157, 167), 38, 1, 0, 0, 0)
    mount = number(165, 40)
    steps = [(0x20, 0, 0, 0), (0x15, 0, 1, mount), (0x06, 0, 0, action), (0x06, 0, 0, 0x7FFF0000)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *step) for step in steps))
    filter_ = ctypes.create_string_buffer(struct.pack("<HxxxxxxQ", len(steps), ctypes.addressof(code)))
    system(number(317, 277), 1, flags, filter_)
    system(mount, b"none", b"/tmp", b"tmpfs", 0, None)


ATTEMPTS["mount_behind_a_filter_that_allows"] = lambda: mounting_behind_a_filter(0x7FFF0000, 0)
ATTEMPTS["mount_behind_a_filter_that_logs"] = lambda: mounting_behind_a_filter(0x7FFC0000, 0)
ATTEMPTS["mount_behind_a_filter_for_tracers"] = lambda: mounting_behind_a_filter(0x7FF00000, 0)
# With a listener that would be asked, and is not.
ATTEMPTS["mount_behind_a_filter_with_a_listener"] = lambda: mounting_behind_a_filter(0x7FC00000, 8)


def machine_code(code):
    import mmap

    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    return ctypes.CFUNCTYPE(ctypes.c_long)(address)()


def by_the_old_door(call):
    # push rbx; mov eax, CALL; xor ebx, ebx; int 0x80; pop rbx; ret
    result = machine_code(b"\x53\xb8" + struct.pack("<I", call) + b"\x31\xdb\xcd\x80\x5b\xc3")
    return "done" if result >= 0 else errno.errorcode.get(-ctypes.c_int(result).value)


ATTEMPTS["pid_by_the_old_door"] = lambda: by_the_old_door(20)
ATTEMPTS["socket_by_the_old_door"] = lambda: by_the_old_door(102)
plain("pid_by_x32", 0x40000000 | 39)
plain("mount_by_x32", 0x40000000 | 165, b"none", b"/tmp", b"tmpfs", 0, None)
plain("execute_by_x32", 0x40000000 | 520, b"/usr/bin/true", None, None)
