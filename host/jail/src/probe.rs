//! What walls this machine can put up, tried one by one, for `host doctor`.
//!
//! Each probe does the thing itself, in a child where it would change this process, and leaves nothing.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::mount::OpenTreeFlags;
use rustix::process::{WaitId, WaitIdOptions};

use crate::cgroup::{Controller, Hierarchies};
use crate::idmap;
use crate::landlock;
use crate::read::read_text;
use crate::sys::{self, Forked, MountChange};

/// How well one wall stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WallState {
    /// It stands.
    Ok,
    /// Some of it stands; the detail says what does not.
    Partly,
    /// It is missing.
    Missing,
}

/// One wall of this machine.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wall {
    /// What it is.
    pub name: String,
    /// How well it stands.
    pub state: WallState,
    /// What holds it up, or what its absence refuses or changes.
    pub detail: String,
    /// Whether a run is refused without it.
    pub required: bool,
}

/// Tries every wall; `by_root` as the runs would be.
#[must_use]
pub fn probe(by_root: bool) -> Vec<Wall> {
    let mut walls = vec![namespaces(by_root), seccomp(), host_uid(by_root)];
    walls.extend(control_groups(by_root));
    if by_root {
        walls.extend(
            ["/", "/var", "/srv"]
                .into_iter()
                .filter(|path| Path::new(path).is_dir())
                .map(idmapped),
        );
    }
    walls.push(landlock_wall());
    walls
}

fn wall(name: &str, state: WallState, detail: impl Into<String>, required: bool) -> Wall {
    Wall {
        name: name.to_owned(),
        state,
        detail: detail.into(),
        required,
    }
}

fn namespaces(by_root: bool) -> Wall {
    const NAME: &str = "user, mount, pid, ipc, uts, net, cgroup namespaces";
    match try_namespaces() {
        Ok(()) => wall(NAME, WallState::Ok, "", true),
        Err(cause) => {
            let advice = if by_root { "" } else { advice_for_users() };
            wall(
                NAME,
                WallState::Missing,
                format!("no run can start: {cause}{advice}"),
                true,
            )
        }
    }
}

fn advice_for_users() -> &'static str {
    let restricted =
        |file: &str, value: &str| read_text(file).is_ok_and(|text| text.trim() == value);
    if restricted(
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
    ) {
        "; AppArmor keeps user namespaces from ordinary users (sysctl kernel.apparmor_restrict_unprivileged_userns), so give host a profile that allows `userns`"
    } else if restricted("/proc/sys/kernel/unprivileged_userns_clone", "0") {
        "; set the sysctl kernel.unprivileged_userns_clone to 1"
    } else if restricted("/proc/sys/user/max_user_namespaces", "0") {
        "; raise the sysctl user.max_user_namespaces"
    } else {
        ""
    }
}

fn try_namespaces() -> io::Result<()> {
    match sys::clone_into(sys::JAIL_NAMESPACES | sys::NETWORK_NAMESPACE, None)? {
        Forked::Child => sys::leave(0),
        Forked::Parent(cloned) => {
            rustix::process::waitid(WaitId::PidFd(cloned.pidfd.as_fd()), WaitIdOptions::EXITED)?;
            Ok(())
        }
    }
}

fn seccomp() -> Wall {
    const NAME: &str = "seccomp, no_new_privs, capability bounding";
    let actions = read_text("/proc/sys/kernel/seccomp/actions_avail").unwrap_or_default();
    let has = |action| {
        actions
            .split_ascii_whitespace()
            .any(|found| found == action)
    };
    if has("errno") && has("kill_process") && rustix::thread::no_new_privs().is_ok() {
        wall(NAME, WallState::Ok, "", true)
    } else {
        wall(
            NAME,
            WallState::Missing,
            "no run can start: this kernel filters no system calls",
            true,
        )
    }
}

fn host_uid(by_root: bool) -> Wall {
    if by_root {
        wall("a user id of its own for each run", WallState::Ok, "", true)
    } else {
        let detail = "runs have your own user id and groups; only mounts and Landlock stand between them and your files";
        wall(
            "a user id of its own for each run",
            WallState::Partly,
            detail,
            false,
        )
    }
}

fn control_groups(by_root: bool) -> Vec<Wall> {
    let hierarchies = Hierarchies::discover(by_root).unwrap_or_default();
    let missing = [
        (
            Controller::Memory,
            "memory limit",
            "each process is bounded, and their sum looked at from time to time; `--limit memory=` is refused",
        ),
        (
            Controller::Pids,
            "process limit",
            "RLIMIT_NPROC of the run's own namespace holds it",
        ),
        (
            Controller::Cpu,
            "CPU limit",
            "summed over the run's processes from time to time; `--limit cpu=` is refused",
        ),
        (
            Controller::Share,
            "share of the processors",
            "nothing bounds it; `--limit share=` is refused",
        ),
    ];
    let mut walls: Vec<Wall> = missing
        .into_iter()
        .map(
            |(controller, name, without)| match hierarchies.source(controller) {
                Some(source) if by_root => wall(name, WallState::Ok, source, false),
                _ => wall(name, WallState::Partly, without, false),
            },
        )
        .collect();
    let (state, detail) = if hierarchies.kills() && by_root {
        (WallState::Ok, "cgroup.kill, and the death of process 1")
    } else {
        (WallState::Ok, "the death of process 1")
    };
    walls.push(wall("whole-tree kill", state, detail, true));
    walls
}

fn idmapped(path: &str) -> Wall {
    let name = format!("id-mapped mounts on {path}");
    match try_idmap(path) {
        Ok(()) => wall(&name, WallState::Ok, "", false),
        Err(_) => wall(
            &name,
            WallState::Missing,
            "fs.write there needs run.as",
            false,
        ),
    }
}

fn try_idmap(path: &str) -> io::Result<()> {
    const SOME_ID: u32 = 0x7800_0000;
    let namespace = idmap::make((0, 0), SOME_ID)?;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let mount = rustix::mount::open_tree(rustix::fs::CWD, path, flags)?;
    let change = MountChange {
        set: libc::MOUNT_ATTR_IDMAP,
        userns: Some(namespace.as_fd()),
        recursive: false,
    };
    sys::mount_setattr(mount.as_fd(), &change)
}

/// The version of Landlock's interface; 0 where there is none.
#[must_use]
pub fn landlock_abi() -> u32 {
    u32::try_from(landlock::version()).unwrap_or(0)
}

fn landlock_wall() -> Wall {
    match landlock::version() {
        0 => wall(
            "Landlock",
            WallState::Missing,
            "mounts carry the file grants alone",
            false,
        ),
        version @ 1..landlock::ABI_CLOSING_SOCKETS => {
            let detail = format!(
                "ABI {version} of {}; UNIX sockets are closed to runs",
                landlock::ABI_CLOSING_SOCKETS
            );
            wall("Landlock", WallState::Partly, detail, false)
        }
        version => wall("Landlock", WallState::Ok, format!("ABI {version}"), false),
    }
}
