//! A run of our own that is nobody's task: it is in no journal and leaves nothing but what it says.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use host_jail::{Event, Inlets, JailRecipe, Keeper, Outlets, Report, StartError};
use host_store::{DiskError, Store};
use rustix::event::{PollFd, PollFlags};
use rustix::time::Timespec;

use crate::machine::Machine;
use crate::running::GROUPS_WAIT_MAX;

/// How often whoever waits is asked whether to go on, in milliseconds.
const ASK_EVERY_MS: i64 = 100;
/// The most of a report that is read, in bytes.
const REPORT_BYTES_MAX: u64 = 4 << 20;

/// How waiting for such a run came to an end.
pub(crate) enum Apart {
    /// It ended, with what it wrote; without a report its keeper was killed.
    Ended {
        stdout: File,
        report: Option<Box<Report>>,
    },
    /// Nobody wanted it any longer.
    Unwanted,
    /// Its keeper did not answer.
    TooLong,
}

/// Why such a run could not be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApartError {
    #[error(transparent)]
    Keeper(#[from] StartError),
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Runs what `recipe` says in the jail of `keeper`, but not longer than `patience`, or than `goes_on` says.
///
/// # Errors
/// [`ApartError`]; nothing of it goes on then.
pub(crate) fn run(
    keeper: &Keeper,
    recipe: &JailRecipe,
    machine: &Machine,
    store: &Store,
    patience: Duration,
    goes_on: &mut dyn FnMut() -> bool,
) -> Result<Apart, ApartError> {
    // ORDER: marked before anything else of it exists, so that whoever finds a piece of it finds the mark.
    let mark = store.mark_active(recipe.run)?;
    let waited = (|| {
        let (stdout, stderr, report) = (store.nameless()?, store.nameless()?, store.nameless()?);
        let outlets = Outlets {
            stdout: stdout.try_clone()?.into(),
            stderr: stderr.into(),
            report: report.try_clone()?.into(),
            artifacts: None,
            held: mark.share()?,
            held_too: None,
        };
        keeper.prepare(recipe, &Inlets::default(), &outlets)?;
        keeper.go();
        Ok::<_, ApartError>((wait(keeper, patience, goes_on), stdout, report))
    })();
    // ORDER: whatever came of it, nothing of it goes on.
    let mut is_gone = keeper.end();
    if !is_gone {
        keeper.kill();
        is_gone = keeper.wait();
    }
    let groups = mark.notes().into_iter().map(PathBuf::from).collect();
    if host_jail::remove_left(machine.by_root(), &recipe.run, groups, GROUPS_WAIT_MAX) && is_gone {
        let _ = mark.done();
    }
    let (waited, stdout, report) = waited?;
    Ok(match waited {
        Waited::Ended => Apart::Ended {
            stdout,
            report: serde_json::from_slice(&read(report, REPORT_BYTES_MAX)?).ok(),
        },
        Waited::Unwanted => Apart::Unwanted,
        Waited::TooLong => Apart::TooLong,
    })
}

/// What came of waiting.
enum Waited {
    Ended,
    Unwanted,
    TooLong,
}

#[expect(
    clippy::disallowed_methods,
    reason = "the keeper is the clock of the run; this one is for when it does not answer"
)]
fn wait(keeper: &Keeper, patience: Duration, goes_on: &mut dyn FnMut() -> bool) -> Waited {
    let since = Instant::now();
    loop {
        let mut polled = [PollFd::new(keeper, PollFlags::IN)];
        let pause = Timespec {
            tv_sec: 0,
            tv_nsec: ASK_EVERY_MS * 1_000_000,
        };
        let heard = rustix::event::poll(&mut polled, Some(&pause));
        if heard.is_ok_and(|heard| heard > 0) && keeper.next() != Event::Output {
            return Waited::Ended;
        }
        if !goes_on() {
            return Waited::Unwanted;
        }
        if since.elapsed() >= patience {
            return Waited::TooLong;
        }
    }
}

/// All that such a run wrote, up to `bytes_max`.
pub(crate) fn read(mut file: File, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.take(bytes_max).read_to_end(&mut bytes)?;
    Ok(bytes)
}
