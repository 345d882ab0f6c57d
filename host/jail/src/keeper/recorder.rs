//! The recorder of a run that learns: a process beside the keeper, which answers for the filter in its place and takes note of
//! what is allowed.
//!
//! It is another process so that nothing a run does can hold the keeper up. What it reads of the run's memory, and what it
//! looks for on the machine, may lie on a file system that does not answer: then the run waits, its limits go on being kept,
//! and nothing is learned. It has nothing of what the keeper has but the rights to read what others may not, and dies with it.
//! Should it die before, nobody answers for the filter any more, and the keeper ends the run.
//!
//! What the run was refused is left before the machine is looked at, so that nothing that is noted can cost the record that.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use rustix::fs::MemfdFlags;
use rustix::io::Errno;
use rustix::pipe::PipeFlags;
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitOptions};
use rustix::thread::{CapabilitySet, CapabilitySets};
use rustix::time::Timespec;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::now;
use super::refused::Refusals;
use crate::learn::Notes;
use crate::recipe::JailRecipe;
use crate::report::{Learned, Refused};
use crate::seccomp::Surface;
use crate::streams;
use crate::sys::{self, Forked};

/// How long a recorder may take to say what it noted, once the run is over.
const RECORDER_WAIT_MAX: Duration = Duration::from_secs(3);
/// How much of that it may take to find names for what it noted; the rest is for what cannot be broken off.
const NAMING_TIME_MAX: Duration = Duration::from_secs(2);
/// How much of what it leaves is read, in bytes.
const RECORDED_BYTES_MAX: usize = 2 << 20;
/// The rights of the keeper that it keeps: to read what lies in another process, and what others may not see.
const RIGHTS: CapabilitySet = CapabilitySet::SYS_PTRACE.union(CapabilitySet::DAC_READ_SEARCH);

/// What a recorder leaves, each in a line of its own.
#[derive(Debug, Default)]
pub(super) struct Recorded {
    /// What the run was refused; nothing where the recorder did not come to say it.
    pub(super) refused: Option<Vec<Refused>>,
    /// What was noted.
    pub(super) learned: Option<Learned>,
}

impl Recorded {
    /// Reads each line that has its end.
    fn read(bytes: &[u8]) -> Self {
        let lines = bytes.split_inclusive(|byte| *byte == b'\n');
        let mut lines = lines.filter(|line| line.ends_with(b"\n"));
        Self {
            refused: line(lines.next()),
            learned: line(lines.next()),
        }
    }
}

fn line<T: DeserializeOwned>(line: Option<&[u8]>) -> Option<T> {
    serde_json::from_slice(line?).ok()
}

/// A recorder, as its keeper holds it.
#[derive(Debug)]
pub(super) struct Recorder {
    pid: Pid,
    pidfd: OwnedFd,
    /// Closed when the run is over.
    goes_on: OwnedFd,
    /// What it noted, in memory.
    recorded: File,
    /// Whether it was seen to have ended.
    has_ended: bool,
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
                let is_apart = drop_rights()
                    .and_then(|()| die_with(keeper))
                    .and_then(|()| sys::close_all_but(&kept));
                if is_apart.is_err() {
                    sys::leave(1);
                }
                let mut notes = Notes::new(recipe, not_opened, never(recipe));
                let refused = record(listener, &ends.heard, surface, recipe, &mut notes);
                let told = tell(&ends.recorded, &refused, notes);
                sys::leave(i32::from(told.is_err()))
            }
            Ok(Forked::Parent(pid)) => {
                match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
                    // INVARIANT: the recorder alone holds the listener, which goes here: should it die, the kernel refuses
                    // whatever it was asked.
                    Ok(pidfd) => Ok(Self {
                        pid,
                        pidfd,
                        goes_on: ends.goes_on,
                        recorded: ends.recorded.into(),
                        has_ended: false,
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

    /// Where to wait for its end, until that was seen.
    pub(super) fn waiting(&self) -> Option<BorrowedFd<'_>> {
        (!self.has_ended).then(|| self.pidfd.as_fd())
    }

    /// Whether it has ended otherwise than because nobody is left who could make a call.
    pub(super) fn has_died(&mut self) -> bool {
        // ORDER: it is waited for when the run is over, behind the last look at CPU time.
        let how = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let found = rustix::process::waitid(WaitId::PidFd(self.pidfd.as_fd()), how);
        if matches!(found, Ok(None)) {
            return false;
        }
        self.has_ended = true;
        !matches!(found, Ok(Some(status)) if status.exit_status() == Some(0))
    }

    /// Lets it come to an end, and says what it left.
    pub(super) fn end(self) -> Recorded {
        let Self {
            pid,
            pidfd,
            goes_on,
            recorded,
            ..
        } = self;
        drop(goes_on);
        let timeout = Timespec {
            tv_sec: RECORDER_WAIT_MAX.as_secs().cast_signed(),
            tv_nsec: RECORDER_WAIT_MAX.subsec_nanos().into(),
        };
        let mut polled = [PollFd::new(&pidfd, PollFlags::IN)];
        while rustix::event::poll(&mut polled, Some(&timeout)) == Err(Errno::INTR) {}
        let ended = rustix::process::waitpid(Some(pid), WaitOptions::NOHANG);
        if !matches!(ended, Ok(Some(_))) {
            // It waits for something that does not answer, and goes when that does.
            let _ = rustix::process::pidfd_send_signal(&pidfd, Signal::KILL);
        }
        let mut bytes = vec![0; RECORDED_BYTES_MAX];
        let mut read = 0;
        while let Some(room) = bytes.get_mut(read..).filter(|room| !room.is_empty()) {
            // By its place: the recorder may still be writing, and its place in the file is the same one.
            match recorded.read_at(room, read as u64) {
                Ok(0) | Err(_) => break,
                Ok(more) => read += more,
            }
        }
        Recorded::read(bytes.get(..read).unwrap_or_default())
    }
}

/// Gives up what the keeper may do and a recorder need not.
fn drop_rights() -> io::Result<()> {
    let has = rustix::thread::capabilities(None)?;
    let kept = has.permitted.intersection(RIGHTS);
    let sets = CapabilitySets {
        effective: kept,
        permitted: kept,
        inheritable: CapabilitySet::empty(),
    };
    Ok(rustix::thread::set_capabilities(None, sets)?)
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

/// Answers and takes note until nobody is left who could make a call, or the keeper says that the run is over; returns what
/// was refused.
fn record(
    listener: OwnedFd,
    heard: &OwnedFd,
    surface: Surface,
    recipe: &JailRecipe,
    notes: &mut Notes<'_>,
) -> Vec<Refused> {
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
        refusals.answer(Some(notes));
    }
    // Whoever still waits gets no answer any more but the kernel's own.
    refusals.listen(None);
    refusals.told()
}

/// Leaves what there was to the keeper.
fn tell(recorded: &OwnedFd, refused: &[Refused], notes: Notes<'_>) -> io::Result<()> {
    // ORDER: what a run was refused is known without looking at anything.
    say(recorded, &refused)?;
    let began = now();
    say(
        recorded,
        &notes.learned(&|| now() - began > NAMING_TIME_MAX),
    )
}

fn say(recorded: &OwnedFd, what: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    streams::write_all(recorded, &line)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One thing that could not be read took everything with it that the run had been refused.
    #[test]
    fn what_was_refused_is_read_apart_from_what_was_noted() {
        let refused = r#"[{"capability":"host.full","what":"mount","times":1}]"#;
        let noted = |capability: &str| {
            format!(
                r#"{{"noted":[{{"capability":"{capability}","granted":true,"file":true,"times":1}}],"beyond":0,"blind":false}}"#
            )
        };
        let read = |text: &str| Recorded::read(text.as_bytes());
        let whole = read(&format!("{refused}\n{}\n", noted("fs.read:/a")));
        assert!(whole.refused.is_some() && whole.learned.is_some());
        for torn in [
            format!("{refused}\n"),
            format!("{refused}\n{}", noted("fs.read:/a")),
            format!("{refused}\n{}\n", noted("fs.read:/${a}")),
        ] {
            let read = read(&torn);
            assert!(read.refused.is_some() && read.learned.is_none(), "{torn}");
        }
        let none = read(refused);
        assert!(none.refused.is_none() && none.learned.is_none());
    }
}
