//! The recorder of a run that learns: a process beside the keeper, which answers for the filter in its place and takes note of
//! what is allowed.
//!
//! It is another process so that nothing a run does can hold the keeper up. What it reads of the run's memory, and what it
//! looks for on the machine, may lie on a file system that does not answer: then the run waits, its limits go on being kept,
//! and nothing is learned. It has nothing of what the keeper has but the rights to read what others may not, and dies with it.
//! Should it die before, nobody answers for the filter any more, and the keeper ends the run.
//!
//! What the run was refused is left before the machine is looked at, so that nothing that is noted can cost the record that.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use rustix::thread::{CapabilitySet, CapabilitySets};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::beside::{Beside, Own, Side};
use super::refused::Refusals;
use crate::clock::now;
use crate::learn::Notes;
use crate::recipe::JailRecipe;
use crate::report::{Learned, Refused};
use crate::seccomp::Surface;
use crate::sys;

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
    beside: Beside,
    /// Whether it was seen to have ended.
    has_ended: bool,
}

impl Recorder {
    /// Forks a recorder that listens at `listener`, which is given back where there can be none.
    pub(super) fn start(
        listener: OwnedFd,
        recipe: &JailRecipe,
        surface: Surface,
        not_opened: &[usize],
    ) -> Result<Self, OwnedFd> {
        match Beside::fork("recorded") {
            // INVARIANT: the recorder alone holds the listener, which goes here: should it die, the kernel refuses whatever it
            // was asked.
            Ok(Side::Keeper(beside)) => Ok(Self {
                beside,
                has_ended: false,
            }),
            Ok(Side::Beside(own)) => {
                let is_apart = own
                    .let_go_of_the_keepers(&[listener.as_fd()])
                    .and_then(|()| drop_rights())
                    .and_then(|()| own.die_with_keeper());
                if is_apart.is_err() {
                    sys::leave(1);
                }
                let mut notes = Notes::new(recipe, not_opened, never(recipe));
                let refused = record(listener, &own.over, surface, recipe, &mut notes);
                let told = tell(&own, &refused, notes);
                sys::leave(i32::from(told.is_err()))
            }
            Err(_) => Err(listener),
        }
    }

    /// Where to wait for its end, until that was seen.
    pub(super) fn waiting(&self) -> Option<BorrowedFd<'_>> {
        (!self.has_ended).then(|| self.beside.as_ended())
    }

    /// Whether it has ended otherwise than because nobody is left who could make a call.
    pub(super) fn has_died(&mut self) -> bool {
        let ended = self.beside.ended();
        self.has_ended = ended.is_some();
        ended == Some(false)
    }

    /// Lets it come to an end, and says what it left.
    pub(super) fn end(self) -> Recorded {
        let told = self.beside.end(RECORDER_WAIT_MAX, RECORDED_BYTES_MAX);
        Recorded::read(&told)
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
fn tell(own: &Own, refused: &[Refused], notes: Notes<'_>) -> io::Result<()> {
    // ORDER: what a run was refused is known without looking at anything.
    say(own, &refused)?;
    let began = now();
    say(own, &notes.learned(&|| now() - began > NAMING_TIME_MAX))
}

fn say(own: &Own, what: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    own.tell(&line)
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
