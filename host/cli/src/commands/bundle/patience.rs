//! Tells people that a large bundle is still being read or written, once, where they would begin to wonder.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use crate::clock;
use crate::printer::{OutputMode, Printer};

/// How long people wait without asking themselves whether anything happens.
const SILENCE_MAX: Duration = Duration::from_secs(1);

/// A stream that says what it is busy with when that takes long.
#[derive(Debug)]
pub(super) struct Patient<S> {
    stream: S,
    doing: Option<String>,
    since: Instant,
    printer: Printer,
}

impl<S> Patient<S> {
    /// Wraps a stream; `doing` is said as it stands.
    pub(super) fn new(printer: Printer, stream: S, doing: String) -> Self {
        let is_watched = printer.shows_progress() && printer.mode() == OutputMode::Human;
        Self {
            stream,
            doing: Some(doing).filter(|_| is_watched),
            since: clock::stopwatch(),
            printer,
        }
    }

    fn nudge(&mut self) {
        if self.since.elapsed() >= SILENCE_MAX
            && let Some(doing) = self.doing.take()
        {
            self.printer.note(&format!("{doing} ..."));
        }
    }
}

impl<S: Read> Read for Patient<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.nudge();
        self.stream.read(buffer)
    }
}

impl<S: Write> Write for Patient<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.nudge();
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
