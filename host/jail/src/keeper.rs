//! The keeper: one process for each run, outside the jail, that holds everything the run was given.
//!
//! It has one thread and parses nothing but its order, which its own program wrote, and its init's messages.
//! Whoever started it hears of progress over a socket and may cancel; when that socket closes, the run is ended,
//! because in the foreground a run does not outlive the one who asked for it. What it learned goes into the
//! report before it says that the run has ended; the output is durable by then.

pub(crate) mod beside;
mod birth;
mod end;
mod recorder;
mod refused;
mod watch;

use std::ffi::{CStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use host_core::RunId;
use rustix::event::{PollFd, PollFlags};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown};
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions};

use self::birth::Warm;
use self::recorder::Recorder;
use self::refused::Refusals;
use crate::cgroup::{self, RunGroups};
use crate::channel::{self, Channel};
use crate::clock::{now, timespec};
use crate::egress::Relay;
use crate::order::{self, Order};
use crate::parts;
use crate::recipe::JailRecipe;
use crate::report::{Ending, REPORT_FORMAT, Report};
use crate::rlimits;
use crate::setup::{SetupError, WallStep};
use crate::streams::{self, Stream};
use crate::sys::{self, Cloned, Forked};
use crate::tree::Tree;

/// How long a keeper waits to be told that the program may start: longer than the journal is ever waited for.
const GO_WAIT_MAX: Duration = Duration::from_secs(60);
/// How long a killed run may take to die before it is called unkillable.
const DEATH_WAIT_MAX: Duration = Duration::from_secs(5);
/// What a keeper and an init have open beside the places that a run is shown.
const FILES_BESIDE: usize = 128;

/// Where a keeper puts what comes out of a run.
#[derive(Debug)]
pub struct Outlets {
    /// An empty file for the standard output.
    pub stdout: OwnedFd,
    /// An empty file for the standard error.
    pub stderr: OwnedFd,
    /// An empty file for the [`Report`], one line of JSON.
    pub report: OwnedFd,
    /// An empty directory for files that come back; nothing comes back without one.
    pub artifacts: Option<OwnedFd>,
    /// The mark of the run, an empty file with a lock that says that somebody looks after the run. The keeper holds it
    /// as long as it lives, and writes into it which control groups it has made, a path a line.
    pub held: OwnedFd,
    /// Another lock that it holds as long.
    pub held_too: Option<OwnedFd>,
}

/// What a run is given as open files, where it is given any.
#[derive(Debug, Default)]
pub struct Inlets {
    /// What it reads from its standard input, instead of the recipe's bytes.
    pub stdin: Option<OwnedFd>,
    /// A sealed file for the function.
    pub file: Option<OwnedFd>,
}

/// What will probably be run, when a keeper is started before that is known. A wrong guess costs time and nothing else.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Guess {
    /// A file, with the machine's system around it.
    Program,
    /// A function, with nothing around it.
    Function,
}

/// A function of this binary that is the program of some runs: called in the jail with everything given up, and what
/// it returns is the exit code.
pub type Payload = fn(Call) -> i32;

/// What a [`Payload`] is called with.
#[derive(Debug)]
pub struct Call {
    /// What it is told, as the recipe has it.
    pub order: String,
    /// The file that came with the recipe.
    pub file: Option<OwnedFd>,
    /// Where it says how it ended, at most [`LAST_WORDS_BYTES_MAX`] of it.
    pub last_words: OwnedFd,
}

/// How long the last words of a function may be, in bytes: what a pipe takes at once.
pub const LAST_WORDS_BYTES_MAX: usize = 4096;

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
    pidfd: OwnedFd,
    socket: OwnedFd,
}

/// What a keeper that was executed anew is called.
const KEEPER: &CStr = c"host-keeper";

const SAY_OUTPUT: u8 = b'o';
const SAY_ENDED: u8 = b'e';
const HEAR_GO: u8 = b'g';
const HEAR_CANCEL: u8 = b'c';

/// Forks a keeper, which begins with what every jail needs, and returns at once. It leaves nothing behind if it is never
/// told for what. `payload` is the program of those recipes that name no file.
///
/// # Errors
/// [`StartError`] when it cannot be forked.
pub fn start(by_root: bool, payload: Payload, guess: Guess) -> Result<Keeper, StartError> {
    fork(|theirs| keep(by_root, payload, guess, theirs))
}

/// The same in a process that knows nothing of this one: it is executed anew, without an environment. For functions only,
/// and for those that must not find in their memory what this process knows.
///
/// Whatever binary this is must call [`keep_if_asked`] before it does anything else.
///
/// # Errors
/// [`StartError`] when it cannot be forked. That it cannot be executed shows when it is told what to do.
pub fn start_afresh() -> Result<Keeper, StartError> {
    fork(|theirs| {
        if rustix::stdio::dup2_stdin(&theirs).is_ok() {
            // One without a proc file system cannot be a keeper either.
            let _ = sys::exec(c"/proc/self/exe", &[KEEPER], &[]);
        }
    })
}

/// Becomes a keeper if that is what this process was started for, by its arguments; returns if it was not.
pub fn keep_if_asked(arguments: &[OsString], payload: Payload) {
    let [name] = arguments else { return };
    if name.as_bytes() != KEEPER.to_bytes() {
        return;
    }
    let by_root = rustix::process::geteuid().is_root();
    match rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3) {
        Ok(parent) => keep(by_root, payload, Guess::Function, parent),
        Err(_) => sys::leave(1),
    }
}

fn fork(child: impl FnOnce(OwnedFd)) -> Result<Keeper, StartError> {
    let threads = std::fs::read_dir("/proc/self/task")?.count();
    if threads != 1 {
        return Err(StartError::Threads { threads });
    }
    let (ours, theirs) = channel::socket_pair()?;
    match sys::fork_in_quiet()? {
        Forked::Child => {
            drop(ours);
            child(theirs);
            sys::leave(1)
        }
        Forked::Parent(pid) => {
            // The id is the child's until it has been waited for, which nobody does before this.
            let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty());
            Ok(Keeper {
                pid,
                pidfd: pidfd.map_err(io::Error::from)?,
                socket: ours,
            })
        }
    }
}

/// Ends and removes what a killed keeper left of `run` in control groups: in those that it noted in the run's mark, and
/// where such groups are made by this process. Says whether all of it is gone, for which it waits at most `wait_max`.
pub fn remove_left(by_root: bool, run: &RunId, noted: Vec<PathBuf>, wait_max: Duration) -> bool {
    cgroup::remove_left(by_root, run, noted, wait_max)
}

impl Keeper {
    /// Tells the keeper which jail to make, and where to put what comes out of it. The program starts at [`Keeper::go`],
    /// not before.
    ///
    /// # Errors
    /// [`StartError::Kernel`] when the keeper cannot be told, which then ends with the value.
    pub fn prepare(
        &self,
        recipe: &JailRecipe,
        inlets: &Inlets,
        outlets: &Outlets,
    ) -> Result<(), StartError> {
        Ok(order::send(&self.socket, recipe, inlets, outlets)?)
    }

    /// Lets the program start, as soon as its jail stands.
    pub fn go(&self) {
        self.tell(HEAR_GO);
    }

    /// The next event; waits for it.
    pub fn next(&self) -> Event {
        let mut byte = [0u8; 1];
        loop {
            return match rustix::net::recv(&self.socket, &mut byte[..], RecvFlags::empty()) {
                Ok((1, _)) if byte == [SAY_ENDED] => Event::Ended,
                Ok((1, _)) => Event::Output,
                // A keeper that is gone with a word of ours unread: what it said before that comes next.
                Err(Errno::INTR | Errno::CONNRESET) => continue,
                Ok(_) | Err(_) => Event::Gone,
            };
        }
    }

    /// Asks for the run to be ended.
    pub fn cancel(&self) {
        self.tell(HEAR_CANCEL);
    }

    fn tell(&self, word: u8) {
        // A keeper that is gone has ended the run already, and its report says how.
        let _ = rustix::net::send(&self.socket, &[word], SendFlags::NOSIGNAL);
    }

    /// Ends the run, however far it is, and says whether the keeper is gone.
    pub fn end(&self) -> bool {
        let _ = rustix::net::shutdown(&self.socket, Shutdown::Both);
        self.wait()
    }

    /// Kills the keeper, and with it the run. For one that does not answer: what it would still do is not done.
    pub fn kill(&self) {
        let _ = rustix::process::pidfd_send_signal(&self.pidfd, Signal::KILL);
    }

    /// Waits until the keeper process itself is gone, and says whether it is: one that the kernel holds in the midst of a
    /// call may outlive its kill.
    #[must_use]
    pub fn wait(&self) -> bool {
        let latest = now() + DEATH_WAIT_MAX;
        loop {
            let left = latest.saturating_duration_since(now());
            let timeout = timespec(left);
            let mut polled = [PollFd::new(&self.pidfd, PollFlags::IN)];
            let waited = rustix::event::poll(&mut polled, Some(&timeout));
            if waited != Err(Errno::INTR) {
                break;
            }
        }
        let gone = rustix::process::waitpid(Some(self.pid), WaitOptions::NOHANG);
        // One that has been waited for before is no child any more.
        matches!(gone, Ok(Some(_)) | Err(Errno::CHILD))
    }
}

/// A keeper that was told nothing, or whose run has ended, ends by itself when nobody can tell it anything any more.
impl Drop for Keeper {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

impl AsFd for Keeper {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The life of a keeper process.
fn keep(by_root: bool, payload: Payload, guess: Guess, parent: OwnedFd) -> ! {
    let warm = leave_the_terminal()
        .step("leave the terminal")
        .and_then(|()| Warm::up(by_root, guess));
    let Some(Order {
        recipe,
        inlets,
        outlets,
    }) = order::hear(&parent)
    else {
        sys::leave(0)
    };
    let Outlets {
        stdout,
        stderr,
        report,
        artifacts,
        held,
        held_too: _held_too,
    } = outlets;
    let ended = warm
        .and_then(|warm| {
            let recipe = recipe.step("read the recipe of the jail")?;
            let recipe = in_parts(recipe)?;
            let given = Given {
                payload,
                inlets,
                stdout,
                stderr,
            };
            let run = Run::set_up(&recipe, warm, given, &held)?;
            Ok(run.watch(&parent, artifacts.as_ref()))
        })
        .unwrap_or_else(|error| not_started(error, Vec::new()));
    let written = serde_json::to_vec(&ended)
        .map_err(io::Error::from)
        .and_then(|mut line| {
            line.push(b'\n');
            // Whoever reads it makes the outcome durable: after a power failure the run is lost with or without it.
            streams::write_all(&report, &line)
        });
    if written.is_ok() {
        let _ = rustix::net::send(&parent, &[SAY_ENDED], SendFlags::NOSIGNAL);
    }
    sys::leave(0)
}

/// The recipe with what cannot be mounted whole in parts, and room for all that it opens.
fn in_parts(recipe: JailRecipe) -> Result<JailRecipe, SetupError> {
    let files = rlimits::raise_files().step("raise the limit of open files")?;
    if !recipe.has_parts() {
        return Ok(recipe);
    }
    let recipe = parts::expanded(recipe)?;
    let places = recipe.openings.len() + recipe.configured().len();
    if places.saturating_add(FILES_BESIDE) > files {
        let step = format!("open {places} places to the run");
        let cause = format!("no more than {files} files can be open here (RLIMIT_NOFILE)");
        return Err(SetupError::unfit(step, &cause).hinting(
            "ask for the directories that are needed, or raise the limit (`ulimit -Hn`)",
        ));
    }
    Ok(recipe)
}

/// Takes this process out of the caller's session and gives back what it inherited of the terminal.
fn leave_the_terminal() -> io::Result<()> {
    rustix::process::setsid()?;
    // ORDER: in a session of its own, where an interrupt of the terminal does not reach it any more.
    sys::default_signals()?;
    // What a run says must not end the one who keeps it.
    sys::survive_file_size(true);
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
        refused: Vec::new(),
        connections: Vec::new(),
        learned: None,
        not_opened: Vec::new(),
        walls,
        usage: Vec::new(),
        reached: Vec::new(),
        last_words: String::new(),
    }
}

/// What a run is made of beside its recipe.
struct Given {
    payload: Payload,
    inlets: Inlets,
    stdout: OwnedFd,
    stderr: OwnedFd,
}

/// A run whose init is alive.
struct Run<'a> {
    recipe: &'a JailRecipe,
    init: Cloned,
    channel: Channel,
    stdout: Stream,
    stderr: Stream,
    /// Where a function leaves its last words.
    last_words: OwnedFd,
    groups: RunGroups,
    walls: Vec<(String, String)>,
    not_opened: Vec<(usize, String)>,
    refusals: Refusals,
    /// Who takes note, in a run that learns.
    recorder: Option<Recorder>,
    /// Who connects for the run, where something is granted.
    relay: Option<Relay>,
    born: Instant,
    /// When the program was let go.
    started: Option<Instant>,
    ending: Option<Ending>,
    killed: Option<Instant>,
    channel_closed: bool,
    out: Option<OwnedFd>,
    cpu_used: Duration,
    tree: Tree,
    looked: Instant,
}
