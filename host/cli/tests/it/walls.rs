//! Walls: what a task finds when it tries to be more than it is. Each script reports what it could do.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::{Value, json};

use crate::lab::{Host, Lab, is_root};

/// Python that every probe begins with: `tried` names the error of a call, or says `done`.
const PROBE: &str = r#"import ctypes, errno, json, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
def tried(call, *arguments, **named):
    try:
        call(*arguments, **named)
    except OSError as error:
        return errno.errorcode[error.errno]
    return "done"
def system(number, *arguments):
    if libc.syscall(number, *arguments) == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
x86 = os.uname().machine == "x86_64"
def number(on_x86, elsewhere):
    return on_x86 if x86 else elsewhere
"#;

/// The value of a Python probe, which assigns to `found`.
#[track_caller]
fn probe(script: &str) -> Value {
    let lab = Lab::new();
    let module = lab.python(&format!("{PROBE}\n{script}\nprint(json.dumps(found))"));
    lab.record(&[&module])["value"].clone()
}

/// Asserts that every attempt of a probe was answered with one of `errors`.
#[track_caller]
fn refused(script: &str, errors: &[&str]) {
    let value = probe(script);
    let found = value.as_object().unwrap();
    assert!(
        found.len() > 1 || !found.contains_key("_output"),
        "{value:#}"
    );
    for (attempt, answer) in found {
        assert!(
            answer
                .as_str()
                .is_some_and(|answer| errors.contains(&answer)),
            "{attempt}: {answer}"
        );
    }
}

/// Whether this kernel's Landlock refuses to resolve the path of a socket, so that tasks may make sockets.
fn sockets_are_closed_by_landlock() -> bool {
    let lab = Lab::new();
    let module = lab.shell("true");
    let landlock = lab.record(&[&module])["walls"]["landlock"].clone();
    let version = landlock.as_str().and_then(|wall| wall.strip_prefix("ABI "));
    version.is_some_and(|version| version.parse::<u32>().unwrap() >= 9)
}

#[test]
fn a_task_is_nobody_and_has_no_powers() {
    let lab = Lab::new();
    let module = lab.shell("id -u; id -g; id -un; sed -n '/^Groups\\|^Cap\\|^NoNewPrivs\\|^Seccomp:/p' /proc/self/status");
    let record = lab.record(&[&module]);
    let output = record["value"]["_output"].as_str().unwrap();
    assert!(output.starts_with("1000\n1000\ntask\n"), "{output}");
    for line in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert!(
            output.contains(&format!("{line}:\t0000000000000000\n")),
            "{output}"
        );
    }
    assert!(
        output.contains("NoNewPrivs:\t1\n") && output.contains("Seccomp:\t2\n"),
        "{output}"
    );
    if is_root() {
        let groups = output
            .lines()
            .find(|line| line.starts_with("Groups:"))
            .unwrap();
        assert_eq!(groups.trim_end(), "Groups:", "groups came along");
        assert!(
            record["walls"]["user"]
                .as_str()
                .unwrap()
                .starts_with("throw-away id "),
            "{record:#}"
        );
    } else {
        assert!(
            record["walls"]["user"]
                .as_str()
                .unwrap()
                .contains("own user id"),
            "{record:#}"
        );
    }
}

#[test]
fn the_environment_is_what_was_promised_and_no_more() {
    let lab = Lab::new();
    let module = lab.python(&format!("{PROBE}\nprint(json.dumps(dict(os.environ)))"));
    let ran = lab
        .host(&["--output", "json", "run", &module, "a=1"])
        .env("LD_PRELOAD", "/nonexistent.so")
        .env("BASH_ENV", "/nonexistent")
        .env("PYTHONPATH", "/nonexistent")
        .env("HOST_IT_SECRET", "leaked")
        .run();
    let expected = json!({
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/scratch", "LANG": "C.UTF-8",
        "TMPDIR": "/tmp", "HOST_OUT": "/out", "PT_a": "1", "PT__task": "demo",
    });
    let mut value = ran.exits(0).record()["value"].clone();
    value.as_object_mut().unwrap().remove("LC_CTYPE");
    assert_eq!(value, expected);
}

#[test]
fn descriptors_that_host_inherits_do_not_reach_a_task() {
    let lab = Lab::new();
    let module = lab.python(&format!("{PROBE}\nfound = {{str(n): tried(os.fstat, n) for n in range(3, 1024)}}\nprint(json.dumps(found))"));
    lab.write("leaked.txt", "leaked");
    let script = "exec 5< / 7<leaked.txt 8>>leaked.txt 9<&0; exec \"$@\"";
    let ran = Host::by_shell(&lab, script, &["--output", "json", "run", &module])
        .run()
        .exits(0);
    let value = ran.record()["value"].clone();
    for (descriptor, answer) in value.as_object().unwrap() {
        assert_eq!(answer, "EBADF", "descriptor {descriptor} is open");
    }
}

#[test]
fn the_standard_streams_lead_nowhere_else() {
    let value = probe(
        "found = {'in': os.readlink('/proc/self/fd/0'), 'out': os.readlink('/proc/self/fd/1'), 'tty': tried(os.open, '/dev/tty', os.O_RDWR), 'leader': os.getsid(0) == os.getpid(), 'write': tried(os.write, 0, b'x')}",
    );
    assert!(
        value["in"].as_str().unwrap().starts_with("/memfd:input"),
        "{value}"
    );
    assert!(
        value["out"].as_str().unwrap().starts_with("pipe:"),
        "{value}"
    );
    assert_eq!(value["leader"], true);
    assert_ne!(value["tty"], "done");
    assert_eq!(value["write"], "EPERM", "the input can be changed");
}

#[test]
fn nothing_can_be_typed_into_a_terminal() {
    refused(
        "import fcntl, termios\nfound = {'tiocsti': tried(fcntl.ioctl, 0, termios.TIOCSTI, b'x'), 'tioclinux': tried(fcntl.ioctl, 0, 0x541C, b'x')}",
        &["EPERM"],
    );
}

#[test]
fn other_processes_of_the_jail_and_the_machine_are_out_of_sight() {
    let value = probe(
        "pids = sorted(int(p) for p in os.listdir('/proc') if p.isdigit())\nfound = {'pids': pids, 'own': os.getpid(), 'environ': tried(open, '/proc/1/environ'), 'root': tried(os.listdir, '/proc/1/root'), 'exe': tried(os.readlink, '/proc/1/exe'), 'mem': tried(open, '/proc/1/mem', 'r+b'), 'kill': tried(os.kill, 1, 9)}",
    );
    assert_eq!(
        value["pids"],
        json!([value["own"]]),
        "other processes are seen"
    );
    for place in ["environ", "root", "exe", "mem"] {
        assert!(
            ["ENOENT", "EACCES", "EPERM"].contains(&value[place].as_str().unwrap()),
            "{place}: {value}"
        );
    }
}

#[test]
fn there_is_no_network_but_an_empty_loopback() {
    let value = probe(
        "found = {'interfaces': [name for _, name in socket.if_nameindex()] if False else sorted(line.split(':')[0].strip() for line in open('/proc/net/dev').readlines()[2:])}\nfor name, family, address in [('far', socket.AF_INET, ('192.0.2.1', 80)), ('metadata', socket.AF_INET, ('169.254.169.254', 80)), ('near', socket.AF_INET, ('127.0.0.1', 22)), ('six', socket.AF_INET6, ('2001:db8::1', 80))]:\n    s = socket.socket(family, socket.SOCK_STREAM)\n    s.settimeout(2)\n    found[name] = tried(s.connect, address)\n    s.close()",
    );
    assert_eq!(value["interfaces"], json!(["lo"]));
    assert_eq!(value["near"], "ECONNREFUSED");
    for place in ["far", "metadata", "six"] {
        assert!(
            ["ENETUNREACH", "EADDRNOTAVAIL"].contains(&value[place].as_str().unwrap()),
            "{place}: {value}"
        );
    }
}

#[test]
fn a_service_of_the_machine_cannot_be_reached_through_loopback() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    refused(
        &format!(
            "s = socket.socket()\nfound = {{'tcp': tried(s.connect, ('127.0.0.1', {port})), 'udp': 'ECONNREFUSED'}}"
        ),
        &["ECONNREFUSED"],
    );
}

#[test]
fn only_plain_internet_sockets_can_be_made() {
    refused(
        "kinds = {'vsock': (40, socket.SOCK_STREAM, 0), 'alg': (38, socket.SOCK_SEQPACKET, 0), 'netlink': (16, socket.SOCK_RAW, 0), 'raw': (socket.AF_INET, socket.SOCK_RAW, 1), 'raw6': (socket.AF_INET6, socket.SOCK_RAW, 58), 'packet': (17, socket.SOCK_RAW, 0), 'sctp': (socket.AF_INET, socket.SOCK_STREAM, 132), 'mptcp': (socket.AF_INET, socket.SOCK_STREAM, 262), 'bluetooth': (31, socket.SOCK_RAW, 0), 'can': (29, socket.SOCK_RAW, 1), 'xdp': (44, socket.SOCK_RAW, 0), 'tipc': (30, socket.SOCK_DGRAM, 0)}\nfound = {name: tried(socket.socket, *kind) for name, kind in kinds.items()}",
        &["EAFNOSUPPORT", "EPERM", "EPROTONOSUPPORT"],
    );
    let value = probe(
        "found = {name: tried(socket.socket, family) for name, family in [('inet', socket.AF_INET), ('unix', socket.AF_UNIX)]}",
    );
    // A UNIX socket reaches every other that the run can see, unless Landlock refuses to resolve its path.
    let unix = if sockets_are_closed_by_landlock() {
        "done"
    } else {
        "EAFNOSUPPORT"
    };
    assert_eq!(value, json!({"inet": "done", "unix": unix}));
}

#[test]
fn a_pair_of_sockets_is_connected_to_itself_alone() {
    let value = probe(
        "pair = socket.socketpair()\npair[0].sendall(b'x')\nfound = {'pair': pair[1].recv(1).decode(), 'datagrams': tried(socket.socketpair, socket.AF_UNIX, socket.SOCK_DGRAM)}",
    );
    let datagrams = if sockets_are_closed_by_landlock() {
        "done"
    } else {
        "EAFNOSUPPORT"
    };
    assert_eq!(value, json!({"pair": "x", "datagrams": datagrams}));
}

#[test]
fn an_abstract_socket_of_the_machine_is_not_there() {
    use std::os::linux::net::SocketAddrExt;
    let name = format!("host-it-{}", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let _listener = std::os::unix::net::UnixListener::bind_addr(&address).unwrap();
    refused(
        &format!(
            "def connect():\n    socket.socket(socket.AF_UNIX).connect('\\0{name}')\ndef send():\n    socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0].sendto(b'x', '\\0{name}')\nfound = {{'connect': tried(connect), 'send': tried(send)}}"
        ),
        &["ECONNREFUSED", "EPERM", "EACCES", "EAFNOSUPPORT"],
    );
}

#[test]
fn a_socket_inside_a_granted_directory_is_not_reached() {
    let lab = Lab::new();
    let data = lab.directory("data");
    let path = lab.path("data/service");
    let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
    let datagrams = lab.path("data/datagrams");
    let mailbox = std::os::unix::net::UnixDatagram::bind(&datagrams).unwrap();
    mailbox.set_nonblocking(true).unwrap();
    fs::set_permissions(&datagrams, fs::Permissions::from_mode(0o777)).unwrap();
    let module = lab.python(&format!(
        "{PROBE}\ndef connect():\n    s = socket.socket(socket.AF_UNIX)\n    s.connect('{path}')\ndef send():\n    socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0].sendto(b'x', '{datagrams}')\npair = socket.socketpair()\nprint(json.dumps({{'connect': tried(connect), 'send': tried(send)}}))"
    ));
    for access in ["fs.read", "fs.write"] {
        let value = lab.record(&[&module, "--allow", &format!("{access}:{data}")])["value"].clone();
        for way in ["connect", "send"] {
            assert!(
                ["EACCES", "EPERM", "EAFNOSUPPORT"].contains(&value[way].as_str().unwrap()),
                "{access}: {value}"
            );
        }
    }
    assert!(mailbox.recv(&mut [0]).is_err(), "something was sent");
}

#[test]
fn a_named_pipe_that_is_only_read_cannot_be_written() {
    let lab = Lab::new();
    let below_tmp = lab.directory("data");
    let elsewhere = tempfile::tempdir_in("/srv").ok();
    let elsewhere = elsewhere.as_ref().and_then(|place| place.path().to_str());
    for place in [Some(below_tmp.as_str()), elsewhere].into_iter().flatten() {
        let pipe = format!("{place}/pipe");
        let made = Command::new("/usr/bin/mkfifo")
            .args(["-m", "666", &pipe])
            .status();
        assert!(made.unwrap().success());
        let listener = fs::File::options()
            .read(true)
            .write(true)
            .open(&pipe)
            .unwrap();
        rustix::io::ioctl_fionbio(&listener, true).unwrap();
        let module = lab.shell(&format!("echo x > {pipe}"));
        let ran = lab.run(&["run", &module, "--allow", &format!("fs.read:{place}")]);
        if place == below_tmp {
            ran.exits(3).says(&["a named pipe"]);
        } else {
            ran.exits(1).says(&["ermission denied"]);
        }
        let mut byte = [0];
        assert!(
            (&listener).read(&mut byte).is_err(),
            "written through {place}"
        );
    }
}

#[test]
fn asynchronous_io_of_the_kernel_is_not_there() {
    refused(
        "context = ctypes.c_ulong()\ndef setup():\n    if ctypes.CDLL(None, use_errno=True).syscall(206, 1000, ctypes.byref(context)) < 0:\n        raise OSError(ctypes.get_errno(), 'io_setup')\nfound = {'io_setup': tried(setup), 'again': tried(setup)}",
        &["ENOSYS"],
    );
}

#[test]
fn namespaces_mounts_tracing_and_keys_are_out_of_reach() {
    refused(
        r#"NEWUSER, NEWNS = 0x10000000, 0x00020000
calls = {
    "unshare user": (number(272, 97), NEWUSER), "unshare mount": (number(272, 97), NEWNS), "setns": (number(308, 268), 0, 0),
    "mount": (number(165, 40), b"none", b"/tmp", b"tmpfs", 0, None), "umount": (number(166, 39), b"/usr", 0),
    "pivot_root": (number(155, 41), b"/tmp", b"/tmp"), "chroot": (number(161, 51), b"/tmp"),
    "open_tree": (428, -100, b"/usr", 1), "fsopen": (430, b"tmpfs", 0), "mount_setattr": (442, -100, b"/usr", 0, None, 0),
    "ptrace": (number(101, 117), 0, 0, 0, 0), "process_vm_readv": (number(310, 270), 1, None, 0, None, 0, 0),
    "pidfd_getfd": (438, 0, 0, 0), "kcmp": (number(312, 272), 1, 1, 0, 0, 0),
    "keyctl": (number(250, 219), 0, -3, 0), "add_key": (number(248, 217), b"user", b"x", b"y", 1, -3),
    "bpf": (number(321, 280), 0, None, 0), "perf": (number(298, 241), None, 0, -1, -1, 0),
    "userfaultfd": (number(323, 282), 0), "init_module": (number(175, 105), None, 0, b""), "kexec": (number(246, 104), 0, 0, None, 0),
    "reboot": (number(169, 142), 0xfee1dead, 672274793, 0), "swapon": (number(167, 224), b"/tmp/x", 0),
    "settimeofday": (number(164, 170), None, None), "sethostname": (number(170, 161), b"x", 1), "acct": (number(163, 89), b"/tmp/x"),
    "open_by_handle_at": (number(304, 265), 0, None, 0), "name_to_handle_at": (number(303, 264), -100, b"/", None, None, 0),
    "fanotify_init": (number(300, 262), 0, 0), "quotactl": (number(179, 60), 0, None, 0, None), "personality": (number(135, 92), 0x0040000),
    "io_uring": (425, 1, None), "openat2": (437, -100, b"/usr", None, 0), "clone3": (435, None, 0), "future": (900,),
    "setuid": (number(105, 146), 0), "setgid": (number(106, 144), 0), "setgroups": (number(116, 159), 0, None),
}
found = {name: tried(system, *call) for name, call in calls.items()}"#,
        // EINVAL: there is no user or group 0 in the jail to become.
        &["EPERM", "ENOSYS", "EINVAL"],
    );
}

#[test]
fn a_new_user_namespace_cannot_be_made_by_clone() {
    refused(
        "NEWUSER, SIGCHLD = 0x10000000, 17\nfound = {'clone': tried(system, number(56, 220), NEWUSER | SIGCHLD, None, None, None, None), 'net': tried(system, number(56, 220), 0x40000000 | SIGCHLD, None, None, None, None)}",
        &["EPERM"],
    );
}

#[test]
fn no_file_gets_a_set_id_bit() {
    let lab = Lab::new();
    let data = lab.directory("data");
    let module = lab.python(&format!(
        r#"{PROBE}
os.umask(0)
found = {{}}
for place in ["/scratch", "/out", "{data}"]:
    name = lambda n: place + "/" + n
    open(name("plain"), "w").close()
    f = os.open(name("plain"), os.O_RDWR)
    for mode in [0o4755, 0o2755, 0o6000]:
        found[f"{{place}} chmod {{mode:o}}"] = tried(os.chmod, name("plain"), mode)
        found[f"{{place}} fchmod {{mode:o}}"] = tried(os.fchmod, f, mode)
        found[f"{{place}} fchmodat2 {{mode:o}}"] = tried(system, 452, -100, name("plain").encode(), mode, 0)
        found[f"{{place}} open {{mode:o}}"] = tried(os.open, name(f"o{{mode:o}}"), os.O_CREAT | os.O_WRONLY, mode)
        found[f"{{place}} tmpfile {{mode:o}}"] = tried(os.open, place, os.O_TMPFILE | os.O_WRONLY, mode)
        found[f"{{place}} mknod {{mode:o}}"] = tried(os.mknod, name(f"n{{mode:o}}"), mode | 0o100000)
        found[f"{{place}} mkdir {{mode:o}}"] = tried(os.mkdir, name(f"d{{mode:o}}"), mode)
    found[place + " device"] = tried(os.mknod, name("null"), 0o666 | 0o020000, os.makedev(1, 3))
print(json.dumps(found))"#
    ));
    let value = lab.record(&[&module, "--allow", &format!("fs.write:{data}")])["value"].clone();
    for (attempt, answer) in value.as_object().unwrap() {
        assert!(
            ["EPERM", "EACCES", "ENOSYS"].contains(&answer.as_str().unwrap()),
            "{attempt}: {answer}"
        );
    }
    for file in lab.files("data") {
        assert_eq!(
            fs::metadata(&file).unwrap().permissions().mode() & 0o6000,
            0,
            "{}",
            file.display()
        );
    }
}

#[test]
fn a_directory_with_a_set_id_file_is_not_opened_for_writing() {
    let lab = Lab::new();
    let tool = lab.write("data/deep/tool", "#!/bin/sh\n");
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o4755)).unwrap();
    let module = lab.shell(&format!("cat {tool}; echo evil >> {tool}"));
    let grant = |access: &str| format!("{access}:{}", lab.path("data"));
    let ran = lab
        .run(&["run", &module, "--allow", &grant("fs.write")])
        .exits(3);
    let ran = ran.says(&["deep/tool", "set-id"]).hints("grant");
    assert_eq!(ran.text(), "");
    let ran = lab
        .run(&["run", &module, "--allow", &grant("fs.read")])
        .exits(1);
    assert_eq!(ran.text(), "#!/bin/sh\n");
    assert_eq!(lab.read("data/deep/tool"), "#!/bin/sh\n");
}

#[test]
fn the_system_is_read_only_and_its_secrets_are_absent() {
    let value = probe(
        r#"found = {path: tried(open, path, "w") for path in ["/usr/x", "/usr/bin/env", "/etc/x", "/etc/passwd", "/x", "/task/x", "/dev/x", "/var/x", "/home/x", "/run/x"]}
found.update({path: tried(os.stat, path) for path in ["/etc/shadow", "/etc/gshadow", "/etc/sudoers", "/etc/ssh", "/root", "/boot", "/sys/kernel", "/dev/kmsg", "/dev/mem", "/dev/ptmx", "/dev/fuse", "/dev/kvm", "/dev/net/tun", "/run/dbus"]})"#,
    );
    for (path, answer) in value.as_object().unwrap() {
        assert!(
            ["EROFS", "EACCES", "ENOENT", "EPERM"].contains(&answer.as_str().unwrap()),
            "{path}: {answer}"
        );
    }
}

#[test]
fn the_kernel_cannot_be_set_or_asked() {
    let value = probe(
        r#"writes = ["/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sys/vm/drop_caches", "/proc/sysrq-trigger", "/proc/self/oom_score_adj", "/proc/self/uid_map", "/proc/self/setgroups", "/proc/self/attr/current"]
found = {path: tried(lambda p: open(p, "w").write("1\n"), path) for path in writes}
for path in ["/proc/kcore", "/proc/kallsyms", "/proc/kmsg", "/proc/keys", "/proc/timer_list", "/proc/cmdline", "/proc/interrupts"]:
    try:
        found["read " + path] = "done" if open(path, "rb").read(64) else "EACCES"
    except OSError as error:
        found["read " + path] = errno.errorcode[error.errno]"#,
    );
    for (path, answer) in value.as_object().unwrap() {
        assert!(
            ["EROFS", "EACCES", "ENOENT", "EPERM", "EINVAL", "EIO"]
                .contains(&answer.as_str().unwrap()),
            "{path}: {answer}"
        );
    }
}

#[test]
fn the_jail_has_places_of_its_own_and_the_name_of_the_machine() {
    let lab = Lab::new();
    let module = lab.shell("hostname; pwd; echo ~; umask; ulimit -c; cat /etc/hostname; ls -A /scratch /tmp /out /dev/shm | grep -v : ; cat /etc/passwd | wc -l; touch /scratch/a /tmp/b /out/c /dev/shm/d && echo wrote; rm /out/c; cd / && ls -d bin dev etc lib out proc scratch task tmp usr | wc -l");
    let output = lab.record(&[&module])["value"]["_output"].clone();
    let name = rustix::system::uname()
        .nodename()
        .to_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        output,
        format!("{name}\n/scratch\n/scratch\n0022\n0\n{name}\n\n\n\n3\nwrote\n10\n")
    );
}

#[test]
fn scratch_is_gone_with_its_run() {
    let lab = Lab::new();
    let module = lab.shell("ls -A /scratch /tmp | grep -c left; touch /scratch/left /tmp/left");
    for _ in 0..2 {
        assert_eq!(lab.run(&["run", &module]).exits(0).text(), "0\n");
    }
}

#[test]
fn the_program_cannot_be_changed_by_its_task() {
    let lab = Lab::new();
    let module = lab.shell("echo 'echo evil' > \"$0\" 2>/dev/null && echo wrote; rm -f \"$0\" 2>/dev/null && echo removed; chmod 0 \"$0\" 2>/dev/null && echo changed; true");
    for _ in 0..2 {
        assert_eq!(lab.run(&["run", &module]).exits(0).text(), "");
    }
}

#[test]
fn two_runs_of_root_have_two_users() {
    let lab = Lab::new();
    let module = lab.shell("true");
    let uids: Vec<Value> = (0..2)
        .map(|_| lab.record(&[&module]))
        .map(|record| record["walls"]["user"].clone())
        .collect();
    if is_root() {
        assert_ne!(uids[0], uids[1]);
    } else {
        assert_eq!(uids[0], uids[1]);
    }
}

/// Without any grant a run could take all that the kernel has of these for the user who started it.
#[test]
fn what_the_kernel_counts_for_whoever_starts_a_run_is_left_to_it() {
    let value = probe(
        r#"import struct
timers = 0
class Event(ctypes.Structure):
    _fields_ = [("value", ctypes.c_void_p), ("signal", ctypes.c_int), ("notify", ctypes.c_int), ("pad", ctypes.c_char * 48)]
made = ctypes.c_int()
while timers < 5000 and libc.syscall(number(222, 107), 1, ctypes.byref(Event(None, 34, 0)), ctypes.byref(made)) == 0:
    timers += 1
found = {"timers": timers, "inotify": tried(system, number(294, 26), 0)}"#,
    );
    let timers = value["timers"].as_u64().unwrap();
    assert!((1..=1024).contains(&timers), "{value:#}");
    assert_eq!(value["inotify"], "ENOSYS");
}

/// A lease on a file that may only be read held up everybody else who opened it.
#[test]
fn nobody_else_is_held_up_or_watched_by_what_is_only_read() {
    let lab = Lab::new();
    lab.write("data/file", "read me");
    let script = r#"import fcntl
file = open(os.environ["PT_path"])
below = os.open(os.path.dirname(os.environ["PT_path"]), os.O_RDONLY)
found = {"lease": tried(fcntl.fcntl, file, 1024, 0), "notice": tried(fcntl.fcntl, below, 1026, 1),
         "flags": tried(fcntl.fcntl, file, 3)}"#;
    let module = lab.python(&format!("{PROBE}\n{script}\nprint(json.dumps(found))"));
    let data = lab.path("data");
    let path = format!("path={data}/file");
    let allow = format!("fs.read:{data}");
    let found = lab.record(&[&module, &path, "--allow", &allow])["value"].clone();
    assert_eq!(
        found,
        json!({"lease": "EPERM", "notice": "EPERM", "flags": "done"})
    );
}

/// What a task tried is told as what it had no grant for, as far as the kernel tells.
#[test]
fn what_a_task_tries_and_is_refused_is_on_record_and_said() {
    let lab = Lab::new();
    let script = r#"for _ in range(3):
    tried(socket.create_connection, ("192.0.2.1", 443), 1)
tried(system, number(272, 97), 0x10000000)
tried(socket.socket, 40, 1, 0)
sys.exit(3)"#;
    let module = lab.python(&format!("{PROBE}\n{script}"));
    let ran = lab.run(&["--output", "json", "run", &module]).exits(1);
    let denials = ran.record()["denials"].clone();
    let told = |capability: &str, reason: &str| {
        let denials = denials.as_array().unwrap();
        let wanted = json!({"capability": capability, "reason": reason});
        assert!(denials.contains(&wanted), "{wanted} is not in {denials:#?}");
    };
    told(
        "net.connect:192.0.2.1:443",
        "tried 3 times, and not granted: a connection",
    );
    told("host.full", "tried once, and not granted: unshare");
    told("host.full", "tried once, and not granted: a vsock socket");
    let ran = lab.run(&["run", &module]).exits(1);
    ran.says(&[
        "note: it tried 3 times, and not granted: a connection (net.connect:192.0.2.1:443)",
    ]);
}

/// Each refused call is answered by the keeper, which goes on with everything else.
#[test]
fn calls_that_are_refused_without_end_keep_nobody_from_anything() {
    let lab = Lab::new();
    let script = r#"import threading
def flood():
    for _ in range(5000):
        libc.syscall(number(272, 97), 0x10000000)
threads = [threading.Thread(target=flood) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print("done")"#;
    let module = lab.python(&format!("{PROBE}\n{script}"));
    let record = lab.record(&[&module]);
    assert_eq!(record["value"]["_output"], "done\n");
    let denials = record["denials"].as_array().unwrap();
    assert_eq!(denials.len(), 1, "{denials:#?}");
    assert!(
        denials[0]["reason"]
            .as_str()
            .unwrap()
            .starts_with("tried 20000 times")
    );
    // Without an end of its own it ends by its limit.
    let endless = lab.python(&format!(
        "{PROBE}\nwhile True: libc.syscall(number(272, 97), 0x10000000)"
    ));
    let ran = lab
        .run(&["run", &endless, "--limit", "wall=500ms"])
        .exits(1);
    ran.says(&["limit `wall`"]);
}
