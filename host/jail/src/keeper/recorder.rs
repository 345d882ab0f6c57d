//! The recorder of a run that learns: a process beside the keeper, which answers for the filter in its place and takes note of
//! what is allowed.
//!
//! It is another process so that nothing a run does can hold the keeper up. What it reads of the run's memory, and what it
//! looks for on the machine, may lie on a file system that does not answer: then the run waits, its limits go on being kept,
//! and nothing is learned. It has what the keeper has but for every descriptor, and dies with the keeper.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{MemfdFlags, SeekFrom};
use rustix::io::Errno;
use rustix::pipe::PipeFlags;
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions};
use rustix::time::Timespec;
use serde::{Deserialize, Serialize};

use super::refused::Refusals;
use crate::learn::Notes;
use crate::recipe::JailRecipe;
use crate::report::{Learned, Refused};
use crate::seccomp::Surface;
use crate::streams;
use crate::sys::{self, Forked};

/// How long a recorder may take to say what it noted, once the run is over.
const RECORDER_WAIT_MAX: Duration = Duration::from_secs(3);
/// How much of it is read, in bytes.
const RECORDED_BYTES_MAX: u64 = 2 << 20;

/// What a recorder leaves.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Recorded {
    pub(super) refused: Vec<Refused>,
    pub(super) learned: Learned,
}

/// A recorder, as its keeper holds it.
#[derive(Debug)]
pub(super) struct Recorder {
    pid: Pid,
    pidfd: OwnedFd,
    /// Closed when the run is over.
    goes_on: OwnedFd,
    /// What it noted, in memory.
    recorded: OwnedFd,
}

/// What both sides of the fork need.
struct Ends {
    goes_on: OwnedFd,
    heard: OwnedFd,
    recorded: OwnedFd,
}

impl Ends {
    fn new() -> io::Result<Self> {
        let (heard, goes_on) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
        let flags = MemfdFlags::CLOEXEC;
        let recorded = rustix::fs::memfd_create("recorded", flags | MemfdFlags::NOEXEC_SEAL)
            .or_else(|_| rustix::fs::memfd_create("recorded", flags))?;
        Ok(Self {
            goes_on,
            heard,
            recorded,
        })
    }
}

impl Recorder {
    /// Forks a recorder that listens at `listener`, which is given back where there can be none.
    pub(super) fn start(
        listener: OwnedFd,
        recipe: &JailRecipe,
        surface: Surface,
        not_opened: &[usize],
    ) -> Result<Self, OwnedFd> {
        let Ok(ends) = Ends::new() else {
            return Err(listener);
        };
        let keeper = rustix::process::getpid();
        match sys::fork() {
            Ok(Forked::Child) => {
                drop(ends.goes_on);
                let kept = [&listener, &ends.heard, &ends.recorded].map(AsFd::as_fd);
                if die_with(keeper).is_err() || sys::close_all_but(&kept).is_err() {
                    sys::leave(1);
                }
                let notes = Notes::new(recipe, not_opened, never(recipe));
                let recorded = record(listener, &ends.heard, surface, recipe, notes);
                let line = serde_json::to_vec(&recorded).unwrap_or_default();
                let written = streams::write_all(&ends.recorded, &line);
                sys::leave(i32::from(written.is_err()))
            }
            Ok(Forked::Parent(pid)) => {
                match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
                    // INVARIANT: the recorder alone holds the listener, which goes here: should it die, the kernel refuses
                    // whatever it was asked.
                    Ok(pidfd) => Ok(Self {
                        pid,
                        pidfd,
                        goes_on: ends.goes_on,
                        recorded: ends.recorded,
                    }),
                    Err(_) => {
                        let _ = rustix::process::kill_process(pid, Signal::KILL);
                        Err(listener)
                    }
                }
            }
            Err(_) => Err(listener),
        }
    }

    /// Lets it come to an end, and says what it left.
    pub(super) fn end(self) -> Option<Recorded> {
        let Self {
            pid,
            pidfd,
            goes_on,
            recorded,
        } = self;
        drop(goes_on);
        let timeout = Timespec {
            tv_sec: RECORDER_WAIT_MAX.as_secs().cast_signed(),
            tv_nsec: RECORDER_WAIT_MAX.subsec_nanos().into(),
        };
        let mut polled = [PollFd::new(&pidfd, PollFlags::IN)];
        while rustix::event::poll(&mut polled, Some(&timeout)) == Err(Errno::INTR) {}
        let ended = rustix::process::waitpid(Some(pid), WaitOptions::NOHANG);
        let Ok(Some((_, status))) = ended else {
            // It waits for something that does not answer, and goes when that does.
            let _ = rustix::process::pidfd_send_signal(&pidfd, Signal::KILL);
            return None;
        };
        if status.exit_status() != Some(0) {
            return None;
        }
        rustix::fs::seek(&recorded, SeekFrom::Start(0)).ok()?;
        let mut line = Vec::new();
        let read = File::from(recorded)
            .take(RECORDED_BYTES_MAX)
            .read_to_end(&mut line);
        read.ok()?;
        serde_json::from_slice(&line).ok()
    }
}

fn die_with(keeper: Pid) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // ORDER: the keeper may have died before the signal was armed.
    if rustix::process::getppid() == Some(keeper) {
        Ok(())
    } else {
        Err(io::ErrorKind::BrokenPipe.into())
    }
}

/// The places that no grant opens, by whatever name.
fn never(recipe: &JailRecipe) -> Vec<PathBuf> {
    let real = recipe.never.iter();
    let real = real.filter_map(|place| std::fs::canonicalize(place).ok());
    recipe.never.iter().cloned().chain(real).collect()
}

/// Answers and takes note until nobody is left who could make a call, or the keeper says that the run is over.
fn record(
    listener: OwnedFd,
    heard: &OwnedFd,
    surface: Surface,
    recipe: &JailRecipe,
    mut notes: Notes<'_>,
) -> Recorded {
    let mut refusals = Refusals::new(surface, recipe);
    refusals.listen(Some(listener));
    while let Some(listener) = refusals.waiting() {
        let mut polled = [
            PollFd::from_borrowed_fd(listener, PollFlags::IN),
            PollFd::new(heard, PollFlags::IN),
        ];
        let _ = rustix::event::poll(&mut polled, None);
        let [_, over] = polled.map(|poll| !poll.revents().is_empty());
        if over {
            break;
        }
        refusals.answer(Some(&mut notes));
    }
    // Whoever still waits gets no answer any more but the kernel's own.
    refusals.listen(None);
    Recorded {
        refused: refusals.told(),
        learned: notes.learned(),
    }
}
