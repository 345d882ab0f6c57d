import resource

# What proc shows and takes.


def takes(name, place, text="1\n"):
    """Writing to it."""
    ATTEMPTS["write_" + name] = lambda: (os.write(os.open(place, os.O_WRONLY), text.encode()), None)[1]


for name, place in {
    "core_pattern": "/proc/sys/kernel/core_pattern",
    "modprobe": "/proc/sys/kernel/modprobe",
    "hostname": "/proc/sys/kernel/hostname",
    "binfmt": "/proc/sys/fs/binfmt_misc/register",
    "drop_caches": "/proc/sys/vm/drop_caches",
    "overcommit": "/proc/sys/vm/overcommit_memory",
    "forwarding": "/proc/sys/net/ipv4/ip_forward",
    "namespaces": "/proc/sys/user/max_user_namespaces",
    "messages": "/proc/sys/kernel/msgmax",
    "last_pid": "/proc/sys/kernel/ns_last_pid",
    "sysrq": "/proc/sysrq-trigger",
    "pressure": "/proc/pressure/memory",
    "oom_score": "/proc/self/oom_score_adj",
    "user_map": "/proc/self/uid_map",
    "group_map": "/proc/self/gid_map",
    "project_map": "/proc/self/projid_map",
    "setgroups": "/proc/self/setgroups",
    "label": "/proc/self/attr/current",
    "label_of_programs": "/proc/self/attr/exec",
    "login": "/proc/self/loginuid",
    "clear_refs": "/proc/self/clear_refs",
    "clock_offsets": "/proc/self/timens_offsets",
    "scheduling_group": "/proc/self/autogroup",
    "own_program": "/proc/self/exe",
    "program_of_init": "/proc/1/exe",
    "memory_of_init": "/proc/1/mem",
    "cgroup": "/sys/fs/cgroup/cgroup.procs",
    "host_cgroup_release": "/sys/fs/cgroup/release_agent",
    "uevent_helper": "/sys/kernel/uevent_helper",
}.items():
    takes(name, place)


def first_byte(place):
    """Of what is covered by an empty file there is none."""
    read = open(place, "rb").read(1)
    if not read:
        raise OSError(errno.ENODATA, place)


def shows(name, act):
    ATTEMPTS["see_" + name] = lambda: (act(), None)[1]


for part in ["environ", "cmdline", "maps", "mem", "auxv", "stack", "syscall", "pagemap", "mountinfo", "status", "limits", "io"]:
    shows(part + "_of_init", lambda part=part: open(f"/proc/1/{part}", "rb").read(1))
for part in ["root", "cwd", "exe", "ns/net", "ns/user", "fd/0", "fd/3"]:
    shows(part.replace("/", "_") + "_of_init", lambda part=part: os.readlink(f"/proc/1/{part}"))
for name in ["kcore", "kpagecount", "kpageflags", "kpagecgroup", "vmcore"]:
    shows(name, lambda name=name: first_byte("/proc/" + name))



def covered(name):
    """What is covered by an empty file or by an empty directory is there, and holds nothing."""
    place = "/proc/" + name
    held = os.listdir(place) if os.path.isdir(place) else open(place, "rb").read(64)
    if not held:
        raise OSError(errno.ENODATA, "empty")


for name in ["cmdline", "interrupts", "softirqs", "iomem", "ioports", "kallsyms", "keys", "key-users", "modules", "timer_list", "config.gz", "slabinfo", "vmallocinfo", "bus", "driver", "fs", "irq", "acpi", "asound", "scsi"]:
    shows("contents_of_" + name, lambda name=name: covered(name))
for place in ["/dev/mem", "/dev/kmsg", "/dev/port", "/dev/console", "/dev/tty", "/dev/ptmx", "/dev/fuse", "/dev/kvm", "/dev/net/tun", "/dev/vda", "/dev/loop-control", "/dev/userfaultfd", "/dev/vsock", "/dev/vhost-vsock"]:
    shows(place[1:].replace("/", "_"), lambda place=place: os.open(place, os.O_RDWR))


@attempt
def words_of_the_caller():
    """Files of proc in which a word stands that only who started the run should have."""
    found = set()
    for place, directories, names in os.walk("/proc"):
        if place.count("/") > 4 or place.startswith(("/proc/sys", "/proc/fs")):
            directories.clear()
        if place.endswith("/fd"):
            # Its own pipes, which nobody writes to.
            continue
        for name in names:
            try:
                with open(os.path.join(place, name), "rb") as file:
                    if given("canary")[::-1].encode() in file.read(1 << 20):
                        found.add(os.path.join(place, name))
            except (OSError, ValueError):
                pass
    return sorted(found)


for name, act in {
    "rename": lambda: os.rename("/dev/null", "/dev/other"),
    "unlink": lambda: os.unlink("/dev/null"),
    "cover": lambda: os.symlink("/etc/passwd", "/dev/new"),
    "chmod": lambda: os.chmod("/dev/null", 0),
    "link": lambda: os.link("/dev/null", "/tmp/null"),
    "masked": lambda: os.unlink("/proc/kcore"),
}.items():
    ATTEMPTS["null_" + name] = lambda act=act: (act(), None)[1]


# Signals, and what else one process can do to another.


@attempt
def signal_every_number():
    reached = 0
    for pid in [*range(2, 5000), *range(5000, 70000, 7), 2**22 - 1]:
        if pid in (os.getpid(), os.getppid()):
            continue
        try:
            os.kill(pid, 0)
            reached += 1
        except OSError:
            pass
    return reached


@attempt
def signal_every_group():
    reached = 0
    for group in range(2, 5000):
        if group in (os.getpgrp(), os.getpid(), os.getppid()):
            continue
        try:
            os.killpg(group, 0)
            reached += 1
        except OSError:
            pass
    return reached


def queued():
    return ctypes.create_string_buffer(struct.pack("iii", signal.SIGKILL, 0, -1) + bytes(116))


for name, act in {
    "kill": lambda: os.kill(1, signal.SIGKILL),
    "stop": lambda: os.kill(1, signal.SIGSTOP),
    "abort": lambda: os.kill(1, signal.SIGABRT),
    "fault": lambda: os.kill(1, signal.SIGSEGV),
    "queue": lambda: system(number(129, 138), 1, int(signal.SIGKILL), queued()),
    "thread": lambda: system(number(234, 131), 1, 1, int(signal.SIGKILL)),
    "pidfd": lambda: signal.pidfd_send_signal(os.pidfd_open(1), signal.SIGKILL),
    "limit": lambda: resource.prlimit(1, resource.RLIMIT_CPU, (1, 1)),
    "limits": lambda: resource.prlimit(1, resource.RLIMIT_NOFILE),
    "hand_over_io": lambda: __import__("fcntl").fcntl(os.pipe()[0], 8, 1),
    "least_nice": lambda: os.setpriority(os.PRIO_PROCESS, 1, -20),
    "real_time": lambda: os.sched_setscheduler(1, os.SCHED_FIFO, os.sched_param(1)),
    "deadline": lambda: system(number(314, 274), 1, ctypes.create_string_buffer(struct.pack("<IIQiIQQQ", 48, 6, 0, 0, 0, 10**6, 10**7, 10**7)), 0),
    "starve": lambda: os.sched_setscheduler(1, os.SCHED_IDLE, os.sched_param(0)),
    "be_last": lambda: os.setpriority(os.PRIO_USER, os.getuid(), 19),
    "io_last": lambda: system(number(251, 30), 3, os.getuid(), 3 << 13),
}.items():
    ATTEMPTS["init_" + name] = lambda act=act: (act(), None)[1]


def raised(limit):
    _, most = resource.getrlimit(limit)
    if most == resource.RLIM_INFINITY:
        return "endless"
    try:
        resource.setrlimit(limit, (most, most + 1))
    except ValueError:
        raise OSError(errno.EPERM, "not raised")


for name in ["NOFILE", "NPROC", "CORE", "MEMLOCK", "CPU", "MSGQUEUE", "NICE", "RTPRIO"]:
    ATTEMPTS["raise_" + name.lower()] = lambda name=name: raised(getattr(resource, "RLIMIT_" + name))


@attempt
def first_among_processes():
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


@attempt
def nicer_than_all():
    os.setpriority(os.PRIO_PROCESS, 0, -1)


@attempt
def io_before_all():
    system(number(251, 30), 1, 0, 1 << 13)


@attempt
def powers():
    lines = open("/proc/self/status").read().splitlines()
    fields = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    return [fields[name].strip() for name in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp"]]


@attempt
def core_of_a_crash():
    child = os.fork()
    if child == 0:
        os.chdir("/tmp")
        os.abort()
    _, status = os.waitpid(child, 0)
    return [os.WCOREDUMP(status), [name for name in os.listdir("/tmp") if name.startswith("core")]]
