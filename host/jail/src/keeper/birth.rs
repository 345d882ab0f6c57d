//! How a run comes into the world: control groups, mounts, init, its user, and the word to go.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use host_core::LimitName;
use rustix::fs::{Gid, Mode, OFlags, Uid};
use rustix::pipe::PipeFlags;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

use super::refused::Refusals;
use super::{Given, Guess, Run};
use crate::cgroup::{Bounds, Controller, Hierarchies, RunGroups};
use crate::channel::Channel;
use crate::clock::now;
use crate::egress::{Relay, Way};
use crate::init::{Filters, Init};
use crate::landlock;
use crate::mask::Mask;
use crate::mounts::{self, Base};
use crate::network;
use crate::recipe::{JailRecipe, Who};
use crate::rlimits::Fallbacks;
use crate::seccomp::Surface;
use crate::setup::{SetupError, WallStep};
use crate::streams::{self, Stream};
use crate::sys::{self, Cloned, Forked};
use crate::task::Streams;
use crate::tree::Tree;

/// What every jail needs, begun before a recipe is known.
#[derive(Debug)]
pub(super) struct Warm {
    /// The root that root makes in the machine's namespace, for what will probably be run.
    base: Option<Base>,
    hierarchies: Hierarchies,
    filters: Filters,
    /// The machine's network, where this process is in that of the run already.
    machines: Option<OwnedFd>,
}

impl Warm {
    /// Makes what can be made without a recipe. Nothing of it outlives this process.
    pub(super) fn up(by_root: bool, guess: Guess) -> Result<Self, SetupError> {
        let hierarchies = Hierarchies::discover(by_root).step("look for control groups")?;
        let machines = by_root.then(network::leave_the_machines).transpose()?;
        let of_guess = || Base::guessed(guess == Guess::Function);
        let base = by_root.then(of_guess).transpose()?;
        let surface = match guess {
            Guess::Function => Surface::Function,
            Guess::Program if landlock::closes_sockets() => Surface::ProgramWithSockets,
            Guess::Program => Surface::Program,
        };
        Ok(Self {
            base,
            hierarchies,
            filters: Filters::of(surface, false),
            machines,
        })
    }
}

impl<'a> Run<'a> {
    /// Makes control groups, mounts and init, and lets init go.
    pub(super) fn set_up(
        recipe: &'a JailRecipe,
        warm: Warm,
        given: Given,
        mark: &OwnedFd,
    ) -> Result<Self, SetupError> {
        let Warm {
            base,
            hierarchies,
            filters,
            machines,
        } = warm;
        let filters = match surface(recipe) {
            surface if surface == filters.surface && recipe.learn.is_none() => filters,
            other => Filters::of(other, recipe.learn.is_some()),
        };
        let base = match base {
            Some(base) if !base.fits(recipe) => Some(Base::of(recipe)?),
            base => base,
        };
        // ORDER: noted before they are made, so that whoever clears away knows of all.
        for group in hierarchies.groups_of(&recipe.run) {
            let line = [group.as_os_str().as_bytes(), b"\n"].concat();
            streams::write_all(mark, &line).step("note the control groups")?;
        }
        let groups = hierarchies
            .make(&recipe.run, bounds(recipe))
            .step("make control groups")?;
        let relay = machines.is_some().then(|| start_relay(recipe, &machines));
        let relay = relay.transpose().map(Option::flatten);
        let has_network = machines.is_some();
        // ORDER: before init is born, which has no way back.
        drop(machines);
        let born = relay.and_then(|relay| {
            let born = give_birth(recipe, base, given, &groups, &filters, has_network)?;
            Ok((born, relay))
        });
        match born {
            Ok((born, relay)) => {
                let Born {
                    init,
                    channel,
                    stdout,
                    stderr,
                    last_words,
                } = born;
                Ok(Self {
                    recipe,
                    init,
                    channel,
                    stdout,
                    stderr,
                    last_words,
                    walls: walls(recipe, &groups),
                    not_opened: Vec::new(),
                    refusals: Refusals::new(filters.surface, recipe),
                    recorder: None,
                    relay,
                    groups,
                    born: now(),
                    started: None,
                    ending: None,
                    killed: None,
                    channel_closed: false,
                    out: None,
                    cpu_used: Duration::ZERO,
                    tree: Tree::default(),
                    looked: now(),
                })
            }
            Err(error) => {
                groups.kill();
                groups.remove();
                Err(error)
            }
        }
    }
}

/// A secret as a run may say it: whole, without what stands behind it, and line by line.
fn forms(secret: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = secret
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii_end);
    [secret, secret.trim_ascii_end()]
        .into_iter()
        .chain(lines.filter(|line| line.len() >= LINE_BYTES_MIN))
}

/// Shorter lines of a secret are not masked by themselves.
const LINE_BYTES_MIN: usize = 8;

/// Root's relay, for a run that may connect to something: its keeper is in the run's network.
fn start_relay(
    recipe: &JailRecipe,
    machines: &Option<OwnedFd>,
) -> Result<Option<Relay>, SetupError> {
    let Some(listeners) = network::listeners(recipe)? else {
        return Ok(None);
    };
    let way = Way {
        id: recipe.relay,
        network: machines.as_ref().map(AsFd::as_fd),
    };
    Relay::start(&recipe.egress, listeners, &way).map(Some)
}

/// Process 1 of a jail, and the keeper's ends of everything that leads into it.
struct Born {
    init: Cloned,
    channel: Channel,
    stdout: Stream,
    stderr: Stream,
    last_words: OwnedFd,
}

fn give_birth(
    recipe: &JailRecipe,
    base: Option<Base>,
    given: Given,
    groups: &RunGroups,
    filters: &Filters,
    has_network: bool,
) -> Result<Born, SetupError> {
    let fallbacks = fallbacks(recipe, groups)?;
    let bytes_max = recipe.limits.output().bytes();
    let mask = || {
        Mask::of(
            recipe
                .secrets
                .iter()
                .flat_map(|secret| forms(&secret.bytes)),
        )
    };
    let (stdout, stdout_end) = Stream::new(given.stdout, bytes_max, mask()).step("make a pipe")?;
    let (stderr, stderr_end) = Stream::new(given.stderr, bytes_max, mask()).step("make a pipe")?;
    let (last_words, words_end) =
        rustix::pipe::pipe_with(PipeFlags::CLOEXEC).step("make a pipe")?;
    rustix::fs::fcntl_setfl(&last_words, OFlags::NONBLOCK).step("make a pipe")?;
    let stdin = match given.inlets.stdin {
        Some(stdin) => stdin,
        None => input(&recipe.stdin).step("prepare standard input")?,
    };
    give_to_task(recipe, [&stdout_end, &stderr_end])?;
    let tree = base.map(|base| mounts::prepare(recipe, base)).transpose()?;
    let (channel, inner) = Channel::pair().step("make a socket pair")?;
    let streams = Streams {
        stdin,
        stdout: stdout_end,
        stderr: stderr_end,
    };
    let init = Init {
        recipe,
        channel: inner,
        streams,
        filters,
        fallbacks,
        has_network,
        groups: groups.to_join().step("open the control groups")?,
        tree,
        scratch: Vec::new(),
        payload: given.payload,
        file: given.inlets.file,
        last_words: words_end,
    };
    let mut namespaces = sys::JAIL_NAMESPACES;
    if !has_network {
        namespaces |= sys::NETWORK_NAMESPACE;
    }
    match sys::clone_into(namespaces, groups.birth()).step("make the namespaces")? {
        Forked::Child => {
            drop(channel);
            init.run()
        }
        Forked::Parent(cloned) => {
            drop(init);
            let let_go = map_ids(recipe, cloned.pid)
                .step("map the user of the jail")
                .and_then(|()| channel.go().step("start the run"));
            if let Err(error) = let_go {
                end_at_once(&cloned);
                return Err(error);
            }
            Ok(Born {
                init: cloned,
                channel,
                stdout,
                stderr,
                last_words,
            })
        }
    }
}

/// `echo > /dev/stderr` opens the pipe anew, which only its owner may.
fn give_to_task(recipe: &JailRecipe, pipes: [&OwnedFd; 2]) -> Result<(), SetupError> {
    if !recipe.who.by_root() {
        return Ok(());
    }
    let (uid, gid) = recipe.who.outside();
    let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
    for pipe in pipes {
        rustix::fs::fchown(pipe, uid, gid).step("give the pipes to the task")?;
    }
    Ok(())
}

fn end_at_once(init: &Cloned) {
    let _ = rustix::process::pidfd_send_signal(&init.pidfd, Signal::KILL);
    let _ = rustix::process::waitid(WaitId::PidFd(init.pidfd.as_fd()), WaitIdOptions::EXITED);
}

fn bounds(recipe: &JailRecipe) -> Bounds {
    Bounds {
        memory_bytes: recipe.group_memory_bytes(),
        processes: recipe.processes(),
        share: recipe.limits.share(),
    }
}

/// A limit without a control group falls back only if nobody asked for it: what is then looked at from time to time can
/// be got round by a program that means to.
///
/// A function is one process that can start no other and bounds its own memory, so that for it nothing falls back.
fn fallbacks(recipe: &JailRecipe, groups: &RunGroups) -> Result<Fallbacks, SetupError> {
    let memory = !groups.binds(Controller::Memory);
    let can_get_round = !recipe.is_function();
    if can_get_round && memory && recipe.limits.asked(LimitName::Memory) {
        let missing = io::Error::other("no control group for memory can be made here");
        return Err(
            SetupError::wall("impose the limit `memory`", missing).hinting(
                "run as root; or leave the limit to its default, with no ceiling below that, which then bounds each process",
            ),
        );
    }
    if can_get_round && !groups.counts_cpu() && recipe.limits.asked(LimitName::Cpu) {
        let missing = io::Error::other("no control group can be made here that counts it");
        return Err(
            SetupError::wall("impose the limit `cpu`", missing).hinting(
                "run as root; or leave the limit to its default, with no ceiling below that, which is then looked at from time to time",
            ),
        );
    }
    let share = recipe.limits.share().is_some() && recipe.limits.asked(LimitName::Share);
    if share && !groups.binds(Controller::Share) {
        let missing = io::Error::other("no control group can be made here that bounds it");
        return Err(SetupError::wall("impose the limit `share`", missing)
            .hinting("run as root, where the control group around it has that much; or leave the limit to its default, with no ceiling below that"));
    }
    Ok(Fallbacks {
        memory,
        processes: !groups.binds(Controller::Pids),
    })
}

fn surface(recipe: &JailRecipe) -> Surface {
    // Any directory of the machine may hold a socket, and an older Landlock cannot refuse to reach it. What is
    // shown below a place where the task may make sockets of its own would be as open as that place.
    let opened = recipe.openings.iter().map(|opening| &opening.path);
    let in_scratch = opened
        .chain(recipe.configured())
        .any(|path| mounts::is_of_scratch(path));
    if recipe.is_function() {
        Surface::Function
    } else if !in_scratch && landlock::closes_sockets() {
        Surface::ProgramWithSockets
    } else {
        Surface::Program
    }
}

/// What bounds memory where no control group does.
const MEMORY_LOOKED_AT: &str = "each process by RLIMIT_DATA; the sum of what they map is looked at from time to time, and files in memory, System V segments and what waits in sockets are not in it";
/// What bounds CPU time where no control group does.
const CPU_LOOKED_AT: &str =
    "summed over the processes that are seen, from time to time; each one by RLIMIT_CPU";
/// The same two where `/proc` hides the processes of the run.
const MEMORY_UNSEEN: &str =
    "each process by RLIMIT_DATA; /proc hides the run, so their sum is not looked at";
const CPU_UNSEEN: &str =
    "each process by RLIMIT_CPU; /proc hides the run, so their sum is not looked at";
/// What bounds the CPU time of a function there.
const CPU_OF_ONE_UNSEEN: &str =
    "RLIMIT_CPU of the one process that there is, seconds late; /proc hides it";

/// What holds the walls up that would be looked after in `/proc`, where it hides the run.
pub(super) fn blind(recipe: &JailRecipe) -> Vec<(String, String)> {
    let walls: &[(&str, &str)] = if recipe.is_function() {
        &[("cpu", CPU_OF_ONE_UNSEEN)]
    } else {
        &[("memory", MEMORY_UNSEEN), ("cpu", CPU_UNSEEN)]
    };
    let owned = |(wall, held): &(&str, &str)| ((*wall).to_owned(), (*held).to_owned());
    walls.iter().map(owned).collect()
}

/// What holds each wall up, for the record.
fn walls(recipe: &JailRecipe, groups: &RunGroups) -> Vec<(String, String)> {
    let landlock = match landlock::version() {
        0 => "missing".to_owned(),
        version => format!("ABI {}", version.min(landlock::ABI_USED_MAX)),
    };
    let user = match &recipe.who {
        Who::Throwaway { id } => format!("throw-away id {id}"),
        Who::RunAs { uid, .. } => format!("user id {uid} by run.as"),
        Who::Caller { uid, .. } => format!("the caller's own user id {uid}, with its groups"),
    };
    let memory = match (recipe.is_function(), groups.binds(Controller::Memory)) {
        (false, true) => "control group",
        (false, false) => MEMORY_LOOKED_AT,
        (true, true) => "the engine, to the byte; around it a control group",
        (true, false) => "the engine, to the byte; around it RLIMIT_DATA",
    };
    let processes = if groups.binds(Controller::Pids) {
        "control group"
    } else {
        "RLIMIT_NPROC of the namespace"
    };
    let share = match (recipe.limits.share(), groups.binds(Controller::Share)) {
        (None, _) => None,
        (Some(_), true) => Some("control group"),
        (Some(_), false) => Some("not bounded, for want of a control group"),
    };
    let cpu = match (recipe.is_function(), groups.counts_cpu()) {
        (_, true) => "control group",
        (false, false) => CPU_LOOKED_AT,
        (true, false) => "the one process that there is",
    };
    [
        ("user", user),
        (
            "namespaces",
            "user, mount, pid, ipc, uts, cgroup, net".to_owned(),
        ),
        ("seccomp", "yes".to_owned()),
        ("no_new_privs", "yes".to_owned()),
        ("landlock", landlock),
        ("memory", memory.to_owned()),
        ("processes", processes.to_owned()),
        ("cpu", cpu.to_owned()),
    ]
    .into_iter()
    .chain(share.map(|held| ("share", held.to_owned())))
    .map(|(wall, held)| (wall.to_owned(), held))
    .collect()
}

/// A sealed file that reads as `bytes` and can be read again from the start.
fn input(bytes: &[u8]) -> io::Result<OwnedFd> {
    if bytes.is_empty() {
        return Ok(rustix::fs::open(
            "/dev/null",
            OFlags::RDONLY | OFlags::CLOEXEC,
            Mode::empty(),
        )?);
    }
    streams::sealed_file("input", [bytes].into_iter())
}

/// Describes the jail's one user to the kernel, and, for a user of the node, its groups.
fn map_ids(recipe: &JailRecipe, init: Pid) -> io::Result<()> {
    let proc = format!("/proc/{}", init.as_raw_nonzero());
    let (inside_uid, inside_gid) = recipe.inside();
    let (uid, gid) = recipe.who.outside();
    if !recipe.who.by_root() {
        crate::write_file(&format!("{proc}/setgroups"), "deny")?;
    }
    crate::write_file(&format!("{proc}/uid_map"), &format!("{inside_uid} {uid} 1"))?;
    let mut groups = format!("{inside_gid} {gid} 1");
    if let Who::RunAs { groups: others, .. } = &recipe.who {
        for other in others.iter().filter(|other| **other != gid) {
            groups.push_str(&format!("\n{other} {other} 1"));
        }
    }
    crate::write_file(&format!("{proc}/gid_map"), &groups)
}
