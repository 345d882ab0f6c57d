//! The keeper: one process for each run, outside the jail, that holds everything the run was given.
//!
//! It has one thread and parses nothing but its own init's messages. Whoever started it hears of progress
//! over a socket and may cancel; when that socket closes, the run is ended, because in the foreground a run
//! does not outlive the one who asked for it. What it learned goes into the report before it says that the
//! run has ended; the output is durable by then.

use std::borrow::Cow;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use host_core::{LimitName, RunId};
use rustix::event::{PollFd, PollFlags};
use rustix::fs::{Gid, MemfdFlags, Mode, OFlags, SeekFrom, Uid};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitOptions};
use rustix::time::Timespec;

use crate::cgroup::{self, Controller, Hierarchies, RunGroups};
use crate::channel::{Channel, Exit, FromInit};
use crate::init::Init;
use crate::recipe::{JailRecipe, Who};
use crate::report::{Ending, REPORT_FORMAT, Report};
use crate::rlimits::Fallbacks;
use crate::seccomp::{self, Surface};
use crate::setup::{SetupError, WallStep};
use crate::streams::{self, Moved, Stream};
use crate::sys::{self, Cloned, Forked};
use crate::task::Streams;
use crate::{collect, cpu, landlock};

/// How long a killed run may take to die before it is called unkillable.
const DEATH_WAIT_MAX: Duration = Duration::from_secs(5);
/// The longest pause between two looks at the CPU time that was used.
const CPU_LOOK_MAX: Duration = Duration::from_secs(1);
/// The shortest, so that looking costs little.
const CPU_LOOK_MIN: Duration = Duration::from_millis(20);

/// Where a keeper puts what comes out of a run.
#[derive(Debug)]
pub struct Outlets {
    /// An empty file for the standard output.
    pub stdout: OwnedFd,
    /// An empty file for the standard error.
    pub stderr: OwnedFd,
    /// An empty file for the [`Report`], one line of JSON.
    pub report: OwnedFd,
    /// An empty directory for files that come back.
    pub artifacts: OwnedFd,
}

/// Why no keeper could be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A fork of a process with threads could deadlock.
    #[error("this process has {threads} threads, and a keeper starts from one")]
    Threads {
        /// How many.
        threads: usize,
    },
    /// The kernel refused.
    #[error("cannot start a keeper")]
    Kernel(#[from] io::Error),
}

/// What a keeper tells while a run goes on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Event {
    /// More output has been kept.
    Output,
    /// The report is written; nothing of the run is left.
    Ended,
    /// The keeper is gone without a word.
    Gone,
}

/// A running keeper, as its parent holds it.
#[derive(Debug)]
pub struct Keeper {
    pid: Pid,
    socket: OwnedFd,
}

const SAY_OUTPUT: u8 = b'o';
const SAY_ENDED: u8 = b'e';
const HEAR_CANCEL: u8 = b'c';

/// Starts a keeper for `recipe` and returns at once.
pub fn start(recipe: &JailRecipe, outlets: Outlets) -> Result<Keeper, StartError> {
    let threads = std::fs::read_dir("/proc/self/task")?.count();
    if threads != 1 {
        return Err(StartError::Threads { threads });
    }
    let (ours, theirs) =
        rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .map_err(io::Error::from)?;
    match sys::fork()? {
        Forked::Child => {
            drop(ours);
            keep(recipe, outlets, theirs)
        }
        Forked::Parent(pid) => Ok(Keeper { pid, socket: ours }),
    }
}

/// Ends and removes what a killed keeper left of `run` in control groups.
pub fn remove_left(by_root: bool, run: &RunId) {
    cgroup::remove_left(by_root, run);
}

impl Keeper {
    /// The next event; waits for it.
    pub fn next(&self) -> Event {
        let mut byte = [0u8; 1];
        loop {
            return match rustix::net::recv(&self.socket, &mut byte[..], RecvFlags::empty()) {
                Ok((1, _)) if byte == [SAY_ENDED] => Event::Ended,
                Ok((1, _)) => Event::Output,
                Err(rustix::io::Errno::INTR) => continue,
                Ok(_) | Err(_) => Event::Gone,
            };
        }
    }

    /// Asks for the run to be ended.
    pub fn cancel(&self) {
        // A keeper that is gone has ended the run already.
        let _ = rustix::net::send(&self.socket, &[HEAR_CANCEL], SendFlags::NOSIGNAL);
    }

    /// Waits until the keeper process itself is gone.
    pub fn finish(self) {
        let _ = rustix::process::waitpid(Some(self.pid), WaitOptions::empty());
    }

    /// Its process id, for those who look after it.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }
}

impl AsFd for Keeper {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[expect(clippy::disallowed_methods, reason = "the keeper is the clock of a run")]
fn now() -> Instant {
    Instant::now()
}

/// The life of a keeper process.
fn keep(recipe: &JailRecipe, outlets: Outlets, parent: OwnedFd) -> ! {
    let Outlets { stdout, stderr, report, artifacts } = outlets;
    let ended = leave_the_terminal()
        .step("leave the terminal")
        .and_then(|()| expand_root(recipe))
        .and_then(|recipe| Ok(Run::set_up(&recipe, stdout, stderr)?.watch(&parent, &artifacts)))
        .unwrap_or_else(|error| not_started(error, Vec::new()));
    let written = serde_json::to_vec(&ended).map_err(io::Error::from).and_then(|mut line| {
        line.push(b'\n');
        // Whoever reads it makes the outcome durable: after a power failure the run is lost with or without it.
        streams::write_all(&report, &line)
    });
    if written.is_ok() {
        let _ = rustix::net::send(&parent, &[SAY_ENDED], SendFlags::NOSIGNAL);
    }
    sys::leave(0)
}

/// Only what is in `/` itself can be mounted below the root of a jail.
fn expand_root(recipe: &JailRecipe) -> Result<Cow<'_, JailRecipe>, SetupError> {
    if recipe.openings.iter().all(|opening| opening.path != Path::new("/")) {
        return Ok(Cow::Borrowed(recipe));
    }
    let listing = std::fs::read_dir("/").map_err(|cause| SetupError::opening("read `/`".to_owned(), cause))?;
    let mountable = listing.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir() || kind.is_file()));
    let top: Vec<String> = mountable.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    Ok(Cow::Owned(recipe.without_root_opening(&top)))
}

/// Takes this process out of the caller's session and gives back what it inherited of the terminal.
fn leave_the_terminal() -> io::Result<()> {
    sys::default_signals()?;
    rustix::process::setsid()?;
    rustix::process::umask(Mode::from_raw_mode(0o022));
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    sys::close_on_exec_from_3()
}

fn not_started(error: SetupError, walls: Vec<(String, String)>) -> Report {
    Report {
        format: REPORT_FORMAT.to_owned(),
        ending: Ending::NotStarted(error),
        runtime_ms: 0,
        stdout: Default::default(),
        stderr: Default::default(),
        left: Vec::new(),
        left_out: Vec::new(),
        not_opened: Vec::new(),
        walls,
        usage: Vec::new(),
        reached: Vec::new(),
    }
}

/// A run whose init is alive.
struct Run<'a> {
    recipe: &'a JailRecipe,
    init: Cloned,
    channel: Channel,
    stdout: Stream,
    stderr: Stream,
    groups: RunGroups,
    walls: Vec<(String, String)>,
    not_opened: Vec<(String, String)>,
    started: Instant,
    ending: Option<Ending>,
    killed: Option<Instant>,
    out: Option<OwnedFd>,
    cpu_used: Duration,
}

impl<'a> Run<'a> {
    /// Makes control groups, mounts and init, and lets init go.
    fn set_up(recipe: &'a JailRecipe, stdout: OwnedFd, stderr: OwnedFd) -> Result<Self, SetupError> {
        let hierarchies = Hierarchies::discover(recipe.who.by_root());
        let limits = &recipe.limits;
        let groups =
            hierarchies.make(&recipe.run, limits.memory().bytes(), limits.processes()).step("make control groups")?;
        Self::born(recipe, stdout, stderr, groups)
    }

    fn born(recipe: &'a JailRecipe, stdout: OwnedFd, stderr: OwnedFd, groups: RunGroups) -> Result<Self, SetupError> {
        let made = Self::give_birth(recipe, stdout, stderr, &groups);
        match made {
            Ok((init, channel, stdout, stderr)) => Ok(Self {
                recipe,
                init,
                channel,
                stdout,
                stderr,
                walls: walls(recipe, &groups),
                not_opened: Vec::new(),
                groups,
                started: now(),
                ending: None,
                killed: None,
                out: None,
                cpu_used: Duration::ZERO,
            }),
            Err(error) => {
                groups.kill();
                groups.remove();
                Err(error)
            }
        }
    }

    fn give_birth(
        recipe: &JailRecipe,
        stdout: OwnedFd,
        stderr: OwnedFd,
        groups: &RunGroups,
    ) -> Result<(Cloned, Channel, Stream, Stream), SetupError> {
        let fallbacks = fallbacks(recipe, groups)?;
        let bytes_max = recipe.limits.output().bytes();
        let (stdout, stdout_end) = Stream::new(stdout, bytes_max).step("make a pipe")?;
        let (stderr, stderr_end) = Stream::new(stderr, bytes_max).step("make a pipe")?;
        let stdin = input(&recipe.stdin).step("prepare standard input")?;
        if recipe.who.by_root() {
            // `echo > /dev/stderr` opens the pipe anew, which only its owner may.
            let (uid, gid) = recipe.who.outside();
            for end in [&stdout_end, &stderr_end] {
                let owner = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
                rustix::fs::fchown(end, owner.0, owner.1).step("give the pipes to the task")?;
            }
        }
        let filter = seccomp::program(surface(recipe));
        let tree = if recipe.who.by_root() { Some(crate::mounts::prepare(recipe)?) } else { None };
        let (channel, inner) = Channel::pair().step("make a socket pair")?;
        let streams = Streams { stdin, stdout: stdout_end, stderr: stderr_end };
        let init = Init { recipe, channel: inner, streams, filter: &filter, fallbacks, tree };
        match sys::clone_into(sys::JAIL_NAMESPACES, groups.birth()).step("make the namespaces")? {
            Forked::Child => {
                drop(channel);
                init.run()
            }
            Forked::Parent(cloned) => {
                drop(init);
                let let_go = map_ids(recipe, cloned.pid).step("map the user of the jail").and_then(|()| {
                    groups.attach(cloned.pid).step("move the run into its control groups")?;
                    channel.go().step("start the run")
                });
                if let Err(error) = let_go {
                    end_at_once(&cloned);
                    return Err(error);
                }
                Ok((cloned, channel, stdout, stderr))
            }
        }
    }

    /// Waits until the last process of the run is dead and everything of it is in the spool.
    fn watch(mut self, parent: &OwnedFd, artifacts: &OwnedFd) -> Report {
        let mut piece = streams::piece();
        let mut called_off = false;
        loop {
            let (ready, died) = self.wait(parent, called_off);
            if ready.parent {
                called_off = true;
                self.kill(Ending::Cancelled);
            }
            if ready.channel {
                self.listen();
            }
            self.move_output(&ready, &mut piece, parent);
            if died {
                break;
            }
            if self.keep_the_clock() {
                break;
            }
        }
        self.conclude(artifacts, &mut piece)
    }

    fn wait(&self, parent: &OwnedFd, called_off: bool) -> (Ready, bool) {
        let closed = self.init.pidfd.as_fd();
        let (stdout, stderr) = (self.stdout.waiting(), self.stderr.waiting());
        // A closed stream stands in the list as init's own descriptor, which changes nothing.
        let mut polled = [
            PollFd::from_borrowed_fd(closed, PollFlags::IN),
            PollFd::new(&self.channel, PollFlags::IN),
            PollFd::from_borrowed_fd(stdout.unwrap_or(closed), PollFlags::IN),
            PollFd::from_borrowed_fd(stderr.unwrap_or(closed), PollFlags::IN),
            PollFd::new(parent, if called_off { PollFlags::empty() } else { PollFlags::IN }),
        ];
        let timeout = self.patience();
        let timeout = Timespec { tv_sec: timeout.as_secs().cast_signed(), tv_nsec: timeout.subsec_nanos().into() };
        let _ = rustix::event::poll(&mut polled, Some(&timeout));
        let [died, channel, stdout, stderr, parent] = polled.map(|poll| !poll.revents().is_empty());
        (Ready { channel, stdout, stderr, parent: parent && !called_off }, died)
    }

    /// How long nothing needs to be looked at.
    fn patience(&self) -> Duration {
        if let Some(killed) = self.killed {
            return DEATH_WAIT_MAX.saturating_sub(now() - killed);
        }
        let wall = self.wall_limit().saturating_sub(now() - self.started);
        let left = self.cpu_limit().saturating_sub(self.cpu_used);
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let soonest = left / u32::try_from(cores).unwrap_or(1);
        wall.min(soonest.clamp(CPU_LOOK_MIN, CPU_LOOK_MAX))
    }

    fn wall_limit(&self) -> Duration {
        Duration::from_millis(self.recipe.limits.wall().ms())
    }

    fn cpu_limit(&self) -> Duration {
        Duration::from_millis(self.recipe.limits.cpu().ms())
    }

    fn listen(&mut self) {
        match self.channel.hear() {
            Ok(Some((FromInit::Ready { notes, not_opened }, out))) => {
                self.walls.extend(notes);
                self.not_opened = not_opened;
                self.out = out;
            }
            Ok(Some((FromInit::Failed(error), _))) => self.end(Ending::NotStarted(error)),
            Ok(Some((FromInit::Ended(Exit::Code(code)), _))) => self.end(Ending::Exited { code }),
            Ok(Some((FromInit::Ended(Exit::Signal(signal)), _))) => self.end(Ending::Signalled { signal }),
            // Init is going; its descriptor says so next.
            Ok(None) | Err(_) => {}
        }
    }

    /// The first ending stands.
    fn end(&mut self, ending: Ending) {
        self.ending.get_or_insert(ending);
    }

    fn kill(&mut self, ending: Ending) {
        self.end(ending);
        self.groups.kill();
        // The death of process 1 takes everything in its namespace along.
        let _ = rustix::process::pidfd_send_signal(&self.init.pidfd, Signal::KILL);
        self.killed.get_or_insert_with(now);
    }

    fn move_output(&mut self, ready: &Ready, piece: &mut [u8; 64 * 1024], parent: &OwnedFd) {
        let stdout = if ready.stdout { self.stdout.step(piece) } else { Ok(Moved::Nothing) };
        let stderr = if ready.stderr { self.stderr.step(piece) } else { Ok(Moved::Nothing) };
        for moved in [stdout, stderr] {
            match moved {
                // A reader that is behind hears of the next piece; what it reads is the file.
                Ok(Moved::Some) => {
                    let _ = rustix::net::send(parent, &[SAY_OUTPUT], SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
                }
                Ok(Moved::OverLimit) => self.kill(Ending::Limit { name: LimitName::Output }),
                Ok(Moved::Nothing | Moved::End) => {}
                Err(cause) => self.kill(Ending::OutputLost { cause: cause.to_string() }),
            }
        }
    }

    /// Kills on time; says whether waiting for death has been given up.
    fn keep_the_clock(&mut self) -> bool {
        if let Some(killed) = self.killed {
            return now() - killed >= DEATH_WAIT_MAX;
        }
        self.cpu_used = self.groups.cpu_used().unwrap_or_else(|| cpu::of_tree(self.init.pid));
        if now() - self.started >= self.wall_limit() {
            self.kill(Ending::Limit { name: LimitName::Wall });
        } else if self.cpu_used >= self.cpu_limit() {
            self.kill(Ending::Limit { name: LimitName::Cpu });
        } else if self.groups.memory_kills() > 0 {
            self.kill(Ending::Limit { name: LimitName::Memory });
        }
        false
    }

    /// Gathers what is left to gather and lets go of everything.
    fn conclude(mut self, artifacts: &OwnedFd, piece: &mut [u8; 64 * 1024]) -> Report {
        let runtime = now() - self.started;
        let died = rustix::process::waitid(
            WaitId::PidFd(self.init.pidfd.as_fd()),
            WaitIdOptions::EXITED | WaitIdOptions::NOHANG,
        );
        let unkillable = !matches!(died, Ok(Some(_)));
        // Init's last word may still stand in the channel.
        while self.ending.is_none() && !unkillable && self.heard_more() {}
        self.drain(piece);
        let ending = self.judge(unkillable);
        let mut usage = self.usage();
        let collected = match &self.out {
            Some(out) if !unkillable => {
                scratch_usage(out, &mut usage);
                collect::collect(out, artifacts)
            }
            _ => Ok(collect::Collected::default()),
        };
        let reached = self.reached();
        let kept = collected.and_then(|collected| {
            self.stdout.settle()?;
            self.stderr.settle()?;
            Ok(collected)
        });
        let (ending, collected) = match kept {
            Ok(collected) => (ending, collected),
            Err(cause) => (Ending::OutputLost { cause: cause.to_string() }, collect::Collected::default()),
        };
        self.groups.remove();
        Report {
            format: REPORT_FORMAT.to_owned(),
            ending,
            runtime_ms: u64::try_from(runtime.as_millis()).unwrap_or(u64::MAX),
            stdout: self.stdout.kept(),
            stderr: self.stderr.kept(),
            left: collected.left,
            left_out: collected.left_out,
            not_opened: self.not_opened,
            walls: self.walls,
            usage,
            reached,
        }
    }

    fn heard_more(&mut self) -> bool {
        let mut polled = [PollFd::new(&self.channel, PollFlags::IN)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let waits = rustix::event::poll(&mut polled, Some(&now)).is_ok_and(|ready| ready > 0)
            && polled.iter().any(|poll| poll.revents().contains(PollFlags::IN));
        if waits {
            self.listen();
        }
        waits
    }

    fn drain(&mut self, piece: &mut [u8; 64 * 1024]) {
        for moved in [self.stdout.drain(piece), self.stderr.drain(piece)] {
            match moved {
                Ok(Moved::OverLimit) => self.ending = Some(Ending::Limit { name: LimitName::Output }),
                Ok(_) => {}
                Err(cause) => self.ending = Some(Ending::OutputLost { cause: cause.to_string() }),
            }
        }
    }

    /// The ending, with what the kernel counted taken into account.
    fn judge(&mut self, unkillable: bool) -> Ending {
        self.cpu_used = self.groups.cpu_used().unwrap_or(self.cpu_used);
        let by_kernel = matches!(self.ending, None | Some(Ending::Exited { .. } | Ending::Signalled { .. }));
        if unkillable {
            Ending::Unkillable
        } else if by_kernel && self.groups.memory_kills() > 0 {
            Ending::Limit { name: LimitName::Memory }
        } else if by_kernel && self.cpu_used >= self.cpu_limit() {
            Ending::Limit { name: LimitName::Cpu }
        } else {
            // Without a word init was killed from outside.
            self.ending.take().unwrap_or(Ending::Signalled { signal: libc::SIGKILL })
        }
    }

    fn usage(&self) -> Vec<(String, u64)> {
        let cpu = u64::try_from(self.cpu_used.as_millis()).unwrap_or(u64::MAX);
        let mut usage = vec![("cpu_ms".to_owned(), cpu)];
        if let Some(peak) = self.groups.memory_peak() {
            usage.push(("memory_peak_bytes".to_owned(), peak));
        }
        usage
    }

    fn reached(&self) -> Vec<LimitName> {
        let mut reached = Vec::new();
        if self.groups.processes_refused() > 0 {
            reached.push(LimitName::Processes);
        }
        if let Some(space) = self.out.as_ref().and_then(|out| rustix::fs::fstatfs(out).ok()) {
            if space.f_bavail == 0 {
                reached.push(LimitName::Scratch);
            }
            if space.f_ffree == 0 {
                reached.push(LimitName::Inodes);
            }
        }
        reached
    }
}

/// Which descriptors have something to say.
struct Ready {
    channel: bool,
    stdout: bool,
    stderr: bool,
    parent: bool,
}

fn scratch_usage(out: &OwnedFd, usage: &mut Vec<(String, u64)>) {
    if let Ok(space) = rustix::fs::fstatfs(out) {
        let block = u64::try_from(space.f_bsize).unwrap_or(0);
        usage.push(("scratch_bytes".to_owned(), (space.f_blocks - space.f_bfree) * block));
    }
}

fn end_at_once(init: &Cloned) {
    let _ = rustix::process::pidfd_send_signal(&init.pidfd, Signal::KILL);
    let _ = rustix::process::waitid(WaitId::PidFd(init.pidfd.as_fd()), WaitIdOptions::EXITED);
}

/// A memory limit without a control group falls back only if nobody asked for it.
fn fallbacks(recipe: &JailRecipe, groups: &RunGroups) -> Result<Fallbacks, SetupError> {
    let memory = !groups.binds(Controller::Memory);
    if memory && recipe.limits.asked(LimitName::Memory) {
        let missing = io::Error::other("no control group for memory can be made here");
        return Err(SetupError::wall("impose the limit `memory`", missing)
            .hinting("run as root, or leave the limit to its default, which then bounds each process"));
    }
    Ok(Fallbacks { memory })
}

fn surface(recipe: &JailRecipe) -> Surface {
    // A granted directory may hold a socket, and an older Landlock cannot refuse to connect to it.
    let unix_sockets = recipe.openings.is_empty() || landlock::version() >= landlock::ABI_CLOSING_SOCKETS;
    Surface { unix_sockets }
}

/// What holds each wall up, for the record.
fn walls(recipe: &JailRecipe, groups: &RunGroups) -> Vec<(String, String)> {
    let landlock = match landlock::version() {
        0 => "missing".to_owned(),
        version => format!("ABI {version}"),
    };
    let user = match &recipe.who {
        Who::Throwaway { id } => format!("throw-away id {id}"),
        Who::RunAs { uid, .. } => format!("user id {uid} by run.as"),
        Who::Caller { uid, .. } => format!("the caller's own user id {uid}, with its groups"),
    };
    let memory = if groups.binds(Controller::Memory) { "control group" } else { "per process, by RLIMIT_DATA" };
    let processes = if groups.binds(Controller::Pids) { "control group" } else { "RLIMIT_NPROC of the namespace" };
    let cpu = if groups.cpu_used().is_some() { "control group" } else { "summed over the processes" };
    [
        ("user", user),
        ("namespaces", "user, mount, pid, ipc, uts, cgroup, net".to_owned()),
        ("seccomp", "yes".to_owned()),
        ("no_new_privs", "yes".to_owned()),
        ("landlock", landlock),
        ("memory", memory.to_owned()),
        ("processes", processes.to_owned()),
        ("cpu", cpu.to_owned()),
    ]
    .map(|(wall, held)| (wall.to_owned(), held))
    .into()
}

/// A sealed file that reads as `bytes` and can be read again from the start.
fn input(bytes: &[u8]) -> io::Result<OwnedFd> {
    if bytes.is_empty() {
        return Ok(rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?);
    }
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file = rustix::fs::memfd_create("input", flags | MemfdFlags::NOEXEC_SEAL)
        .or_else(|_| rustix::fs::memfd_create("input", flags))?;
    streams::write_all(&file, bytes)?;
    use rustix::fs::SealFlags;
    rustix::fs::fcntl_add_seals(&file, SealFlags::SEAL | SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK)?;
    rustix::fs::seek(&file, SeekFrom::Start(0))?;
    Ok(file)
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
