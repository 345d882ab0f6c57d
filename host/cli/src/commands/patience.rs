//! Tells people that a large bundle is still being read or written, once, where they would begin to wonder.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use crate::clock;
use crate::printer::{OutputMode, Printer};

/// How long people wait without asking themselves whether anything happens.
const SILENCE_MAX: Duration = Duration::from_secs(1);

/// Somebody who waits, and is told once for what.
#[derive(Debug)]
pub(crate) struct Waiting {
    doing: Option<String>,
    since: Instant,
    printer: Printer,
}

impl Waiting {
    /// Begins to wait; `doing` is said as it stands.
    pub(crate) fn new(printer: Printer, doing: String) -> Self {
        let is_watched = printer.shows_progress() && printer.mode() == OutputMode::Human;
        Self {
            doing: Some(doing).filter(|_| is_watched),
            since: clock::stopwatch(),
            printer,
        }
    }

    /// Says what goes on when that takes long; to be called whenever some of it is done.
    pub(crate) fn nudge(&mut self) {
        if self.doing.is_some()
            && self.since.elapsed() >= SILENCE_MAX
            && let Some(doing) = self.doing.take()
        {
            self.printer.note(&format!("{doing} ..."));
        }
    }
}

/// A stream that says what it is busy with when that takes long.
#[derive(Debug)]
pub(crate) struct Patient<S> {
    stream: S,
    waiting: Waiting,
}

impl<S> Patient<S> {
    /// Wraps a stream; `doing` is said as it stands.
    pub(crate) fn new(printer: Printer, stream: S, doing: String) -> Self {
        Self {
            stream,
            waiting: Waiting::new(printer, doing),
        }
    }
}

impl<S: Read> Read for Patient<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.waiting.nudge();
        self.stream.read(buffer)
    }
}

impl<S: Write> Write for Patient<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.waiting.nudge();
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
