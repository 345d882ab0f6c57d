//! Follows a run: shows its output as it comes, keeps a sign of life on the terminal, passes interrupts on.

use std::io::{self, Read};
use std::iter::Cycle;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::slice;
use std::time::{Duration, Instant};

use host_jail::Event;
use host_node::{FinishError, Finished, Running, StreamName};
use rustix::event::{PollFd, PollFlags};
use rustix::time::Timespec;
use serde_json::json;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::letters::Letters;
use crate::app::Context;
use crate::clock::{stopwatch, timestamp};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::{self, OutputMode, Printer};
use crate::wording::reason;

/// What a program ends by whose output nobody reads any more.
pub(super) const SIGPIPE: u8 = 13;
/// How long a run is silent before the spinner appears.
const QUIET: Duration = Duration::from_millis(400);
/// How often the spinner moves.
const TICK: Duration = Duration::from_millis(120);
/// What it looks like, in turn.
const SPINNER: [&str; 4] = ["-", "\\", "|", "/"];
/// How long beyond its wall limit, or beyond an interrupt, a run's keeper may take before it is killed itself. Making
/// the mounts of a run can hang on a file system that does not answer.
const KEEPER_PATIENCE: Duration = Duration::from_secs(15);
/// How much output is shown at once, in bytes: what a pipe that has room takes without waiting (PIPE_BUF).
const PIECE_BYTES: usize = 4096;

/// A run that was followed to its end.
#[derive(Debug)]
pub(super) struct Followed {
    /// What came of it.
    pub(super) finished: Finished,
    /// The signal that ended it through us, if one did.
    pub(super) interrupted: Option<u8>,
    /// Whether its standard output has been shown already.
    pub(super) stdout_shown: bool,
    /// Whether what was shown of it last ended its line.
    pub(super) ended_line: bool,
}

/// What is made of the output of a run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Shows {
    /// The result of a task, which may be an object.
    Result,
    /// The bytes of a program, with nothing between them.
    Bytes,
}

/// Follows `running`, which people know as `name`, to its end.
pub(super) fn follow(
    context: &Context,
    running: Running<'_>,
    signals: &Signals,
    name: &str,
    shows: Shows,
) -> Result<Followed, Failure> {
    let mut view = View::new(context.printer, name, shows);
    let mut running = running;
    let (mut interrupted, mut abandoned) = (None, false);
    view.started(&running);
    let mut latest =
        view.started + Duration::from_millis(running.wall_ms()).saturating_add(KEEPER_PATIENCE);
    loop {
        if stopwatch() >= latest {
            // A keeper that the kernel holds in the midst of a call outlives its kill.
            if abandoned {
                break;
            }
            running.abandon();
            abandoned = true;
            latest = stopwatch() + KEEPER_PATIENCE;
        }
        let (heard, signalled) = wait(&running, signals, view.patience(latest));
        if signalled && let Some(signal) = signals.take() {
            interrupted.get_or_insert(signal);
            running.cancel();
            latest = latest.min(stopwatch() + KEEPER_PATIENCE);
            view.stopping();
        }
        if heard {
            let event = running.next();
            view.show_output(&mut running, signals, interrupted.is_some())
                .map_err(|error| unread(&error))?;
            if event != Event::Output {
                break;
            }
            // As the program itself would end, were its reader's end of the pipe its own.
            if shows == Shows::Bytes && printer::reader_is_gone() && interrupted.is_none() {
                interrupted = Some(SIGPIPE);
                running.cancel();
                latest = latest.min(stopwatch() + KEEPER_PATIENCE);
            }
        }
        view.tick();
    }
    view.show_output(&mut running, signals, interrupted.is_some())
        .map_err(|error| unread(&error))?;
    let stdout_shown = view.finish();
    let ended_line = view.ended_line;
    let finished = running.finish(timestamp()).map_err(|error: FinishError| {
        Failure::new(Exit::Machine, &error)
            .hint("the task itself has run; look at what it did before you run it again")
    })?;
    Ok(Followed {
        finished,
        interrupted,
        stdout_shown,
        ended_line,
    })
}

fn unread(error: &io::Error) -> Failure {
    Failure::plain(
        Exit::Machine,
        format!("the output of the run cannot be read: {}", reason(error)),
    )
}

fn wait(running: &Running<'_>, signals: &Signals, patience: Option<Duration>) -> (bool, bool) {
    let heard = signals.0.iter().map(|(_, receiver)| receiver.as_fd());
    let mut polled: Vec<PollFd<'_>> = [running.as_fd()]
        .into_iter()
        .chain(heard)
        .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
        .collect();
    let timeout = patience.map(timespec);
    // An interrupted wait is looked at like a finished one.
    let _ = rustix::event::poll(&mut polled, timeout.as_ref());
    let mut ready = polled.iter().map(|poll| !poll.revents().is_empty());
    (ready.next().unwrap_or(false), ready.any(|ready| ready))
}

fn timespec(patience: Duration) -> Timespec {
    Timespec {
        tv_sec: patience.as_secs().cast_signed(),
        tv_nsec: patience.subsec_nanos().into(),
    }
}

/// The signals that end a run, each as a byte on a socket of its own.
pub(crate) struct Signals(Vec<(u8, UnixStream)>);

impl Signals {
    /// Catches interrupts from now on.
    ///
    /// ORDER: before the run begins, so that an interrupt at any later moment is answered by ending it in order. Before
    /// that an interrupt ends this process, and the keeper, which no signal of the terminal reaches, goes with it.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let listen = |signal: i32, number: u8| -> io::Result<(u8, UnixStream)> {
            let (receiver, sender) = UnixStream::pair()?;
            receiver.set_nonblocking(true)?;
            signal_hook::low_level::pipe::register(signal, sender)?;
            Ok((number, receiver))
        };
        let heard = (|| {
            let mut heard = vec![listen(SIGINT, 2)?, listen(SIGTERM, 15)?];
            // Under nohup the end of the terminal is no interrupt.
            if !is_ignored(SIGHUP) {
                heard.push(listen(SIGHUP, 1)?);
            }
            Ok(heard)
        })();
        let failed = |error: io::Error| {
            let reason = reason(&error);
            Failure::plain(Exit::Machine, format!("signals cannot be heard: {reason}"))
        };
        heard.map(Self).map_err(failed)
    }

    /// Waits for a signal, for the reader of standard output to go away, or for so long; the signal that came, and
    /// whether nobody reads.
    pub(crate) fn wait(&self, patience: Duration) -> (Option<u8>, bool) {
        let stdout = io::stdout();
        let heard = self.0.iter().map(|(_, receiver)| receiver.as_fd());
        let mut polled: Vec<PollFd<'_>> = heard
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect();
        // Of the other end of a pipe nothing is asked but whether it is there.
        polled.push(PollFd::from_borrowed_fd(stdout.as_fd(), PollFlags::empty()));
        let timeout = timespec(patience);
        // An interrupted wait is looked at like a finished one.
        let _ = rustix::event::poll(&mut polled, Some(&timeout));
        let is_unread = polled
            .last()
            .is_some_and(|stdout| stdout.revents().contains(PollFlags::ERR));
        (self.take(), is_unread)
    }

    /// A signal that has come since the last look.
    pub(crate) fn take(&self) -> Option<u8> {
        let mut byte = [0; 1];
        let come =
            |receiver: &UnixStream, byte: &mut [u8]| matches!({ receiver }.read(byte), Ok(1));
        self.0
            .iter()
            .find(|(_, receiver)| come(receiver, &mut byte))
            .map(|(number, _)| *number)
    }
}

/// Whether this process was started with a signal ignored.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

/// What is shown of a run while it goes on.
struct View {
    printer: Printer,
    /// Nothing yet; `true` when standard output may be a JSON object, which is shown at the end.
    holds_stdout: Option<bool>,
    held: Vec<u8>,
    /// Whether nothing of ours stands between the output.
    is_quiet: bool,
    started: Instant,
    /// Whether the spinner stands on the terminal, and what it looks like next.
    is_spinning: bool,
    glyphs: Cycle<slice::Iter<'static, &'static str>>,
    name: String,
    piece: Vec<u8>,
    /// Of standard output and of standard error, where they are shown as text.
    stdout_letters: Letters,
    stderr_letters: Letters,
    ended_line: bool,
}

impl View {
    fn new(printer: Printer, name: &str, shows: Shows) -> Self {
        Self {
            printer,
            holds_stdout: match shows {
                Shows::Result => None,
                Shows::Bytes => Some(false),
            },
            is_quiet: shows == Shows::Bytes,
            held: Vec::new(),
            started: stopwatch(),
            is_spinning: false,
            glyphs: SPINNER.iter().cycle(),
            name: name.to_owned(),
            piece: vec![0; PIECE_BYTES],
            stdout_letters: Letters::default(),
            stderr_letters: Letters::default(),
            ended_line: true,
        }
    }

    fn started(&self, running: &Running<'_>) {
        if self.printer.mode() == OutputMode::Jsonl {
            self.printer
                .json(&json!({"event": "started", "run": running.run(), "task": self.name}));
        }
    }

    /// How long nothing needs to be drawn or done.
    fn patience(&self, latest: Instant) -> Option<Duration> {
        let quiet = QUIET.saturating_sub(self.started.elapsed());
        let draw = if quiet.is_zero() { TICK } else { quiet };
        let end = latest.saturating_duration_since(stopwatch()).max(TICK);
        Some(if self.printer.shows_progress() && !self.is_quiet {
            draw.min(end)
        } else {
            end
        })
    }

    /// Draws the sign of life, on a line of its own.
    fn tick(&mut self) {
        let elapsed = self.started.elapsed();
        let is_shown = self.printer.shows_progress() && !self.is_quiet;
        if !is_shown || elapsed < QUIET || !self.ended_line {
            return;
        }
        let glyph = self.glyphs.next().copied().unwrap_or_default();
        let text = format!("{glyph} {}  {} s", self.name, elapsed.as_secs());
        self.printer.sign_of_life(&text);
        self.is_spinning = true;
    }

    fn stop_spinning(&mut self) {
        if std::mem::take(&mut self.is_spinning) {
            self.printer.clear_line();
        }
    }

    fn stopping(&mut self) {
        let words = format!("stopping `{}` ...", self.name);
        self.words(|printer| printer.note(&words));
    }

    /// Prints with the spinner out of the way; the next tick draws it again, if the line is ended by then.
    fn words(&mut self, print: impl FnOnce(Printer)) {
        self.stop_spinning();
        print(self.printer);
    }

    /// Shows what there is. A reader that does not read must not keep an interrupt from being heard, and after one
    /// nobody waits for it.
    fn show_output(
        &mut self,
        running: &mut Running<'_>,
        signals: &Signals,
        interrupted: bool,
    ) -> io::Result<()> {
        for stream in [StreamName::Stderr, StreamName::Stdout] {
            while self.has_room(stream, signals, interrupted) {
                let mut piece = std::mem::take(&mut self.piece);
                let read = running.read(stream, &mut piece);
                let shown = read.as_ref().map_or(0, |read| *read);
                self.show(stream, piece.get(..shown).unwrap_or_default());
                self.piece = piece;
                if read? == 0 {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Waits until a piece can be written to where `stream` is shown; not, when an interrupt comes first.
    fn has_room(&self, stream: StreamName, signals: &Signals, interrupted: bool) -> bool {
        let (stdout, stderr) = (io::stdout(), io::stderr());
        let to_stderr = stream == StreamName::Stderr && self.printer.mode() != OutputMode::Jsonl;
        let target = if to_stderr {
            stderr.as_fd()
        } else {
            stdout.as_fd()
        };
        let heard = signals
            .0
            .iter()
            .map(|(_, receiver)| PollFd::from_borrowed_fd(receiver.as_fd(), PollFlags::IN));
        let mut polled: Vec<PollFd<'_>> = [PollFd::from_borrowed_fd(target, PollFlags::OUT)]
            .into_iter()
            .chain(heard)
            .collect();
        let at_once = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let _ = rustix::event::poll(&mut polled, interrupted.then_some(&at_once));
        polled
            .first()
            .is_some_and(|target| !target.revents().is_empty())
    }

    fn show(&mut self, stream: StreamName, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        match (self.printer.mode(), stream) {
            (_, StreamName::Stderr) => {
                let bytes = if self.is_text(stream) {
                    self.stderr_letters.whole(bytes)
                } else {
                    bytes.to_vec()
                };
                self.print_stderr(&bytes);
            }
            (OutputMode::Json, StreamName::Stdout) => {}
            (_, StreamName::Stdout) => self.show_stdout(bytes),
        }
    }

    /// Whether a stream is shown as text, and not byte for byte.
    fn is_text(&self, stream: StreamName) -> bool {
        self.printer.mode() == OutputMode::Jsonl
            || match stream {
                StreamName::Stdout => self.printer.stdout_is_terminal(),
                StreamName::Stderr => self.printer.stderr_is_terminal(),
            }
    }

    fn print_stderr(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if self.printer.mode() == OutputMode::Jsonl {
            return self.event("stderr", bytes);
        }
        self.ended_line = bytes.ends_with(b"\n");
        self.words(|printer| printer.task_stderr(bytes));
    }

    fn event(&self, stream: &str, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        self.printer
            .json(&json!({"event": "output", "stream": stream, "text": text}));
    }

    /// A result that may be a JSON object is shown as one at the end, because it may hold a secret; anything else
    /// as it comes.
    fn show_stdout(&mut self, bytes: &[u8]) {
        if self.holds_stdout == Some(true) {
            return;
        }
        if self.holds_stdout == Some(false) {
            return self.print_letters(bytes);
        }
        self.held.extend_from_slice(bytes);
        let Some(first) = self.held.iter().find(|byte| !byte.is_ascii_whitespace()) else {
            return;
        };
        // The other byte begins a byte order mark, which may stand before an object.
        let holds = matches!(*first, b'{' | 0xef);
        self.holds_stdout = Some(holds);
        let held = std::mem::take(&mut self.held);
        if !holds {
            self.print_letters(&held);
        }
    }

    fn print_letters(&mut self, bytes: &[u8]) {
        if self.is_text(StreamName::Stdout) {
            let whole = self.stdout_letters.whole(bytes);
            self.print_stdout(&whole);
        } else {
            self.print_stdout(bytes);
        }
    }

    fn print_stdout(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if self.printer.mode() == OutputMode::Jsonl {
            return self.event("stdout", bytes);
        }
        // A line that does not stand beside ours needs no end for them.
        if self.printer.shows_both() {
            self.ended_line = bytes.ends_with(b"\n");
        }
        self.words(|printer| printer.task_stdout(bytes));
    }

    /// Shows what was kept for its end, and clears the terminal line; says whether standard output has been shown.
    fn finish(&mut self) -> bool {
        let (stderr, stdout) = (self.stderr_letters.rest(), self.stdout_letters.rest());
        self.print_stderr(&stderr);
        self.print_stdout(&stdout);
        self.stop_spinning();
        self.printer.mode() == OutputMode::Human && self.holds_stdout == Some(false)
    }
}
