//! The only place that prints. Data goes to standard output, words for people to standard error.
//!
//! Foreign strings are escaped by whoever puts them into a message; this file escapes what a task writes
//! while it runs, where it goes to a terminal. Nothing depends on colour.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use anstyle::{AnsiColor, Style};
use host_core::Shown;
use serde::Serialize;
use serde_json::json;

use crate::failure::Failure;

/// Goes to the beginning of the line and clears it.
const CLEAR_LINE: &str = "\r\x1b[K";
/// The columns of a terminal that does not say how many it has.
const USUAL_WIDTH: u16 = 80;

/// Columns that are left for what a terminal echoes, such as `^C`.
const ECHO_WIDTH: u16 = 8;

/// What standard output is for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub(crate) enum OutputMode {
    /// For people
    #[default]
    Human,
    /// One JSON document
    Json,
    /// One JSON object a line, as things happen
    Jsonl,
}

/// How words are painted on a terminal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Paint {
    /// Headings.
    Bold,
    /// Things that went well.
    Ok,
    /// Refusals and warnings.
    Refused,
    /// Failures.
    Failed,
    /// Less important words.
    Dim,
}

/// Prints for one command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Printer {
    mode: OutputMode,
    stdout_is_terminal: bool,
    stderr_is_terminal: bool,
    paints_stdout: bool,
    paints_stderr: bool,
    is_one_stream: bool,
}

impl Printer {
    /// A printer for this process; `no_color` forbids colours.
    pub(crate) fn new(mode: OutputMode, no_color: bool) -> Self {
        let (stdout_is_terminal, stderr_is_terminal) =
            (io::stdout().is_terminal(), io::stderr().is_terminal());
        let colour = !no_color;
        Self {
            mode,
            stdout_is_terminal,
            stderr_is_terminal,
            paints_stdout: colour && stdout_is_terminal,
            paints_stderr: colour && stderr_is_terminal,
            is_one_stream: is_one_stream(),
        }
    }

    /// What standard output is for.
    pub(crate) fn mode(self) -> OutputMode {
        self.mode
    }

    /// Whether people see what goes to standard error as it comes.
    pub(crate) fn shows_progress(self) -> bool {
        self.stderr_is_terminal
    }

    /// Whether standard output shows colours.
    pub(crate) fn paints_stdout(self) -> bool {
        self.paints_stdout
    }

    /// Whether standard error shows colours.
    pub(crate) fn paints_stderr(self) -> bool {
        self.paints_stderr
    }

    /// Whether standard output and standard error end in the same place, or look like it.
    pub(crate) fn shows_both(self) -> bool {
        self.is_one_stream || self.stdout_is_terminal && self.stderr_is_terminal
    }

    /// Whether standard output is a terminal.
    pub(crate) fn stdout_is_terminal(self) -> bool {
        self.stdout_is_terminal
    }

    /// Whether standard error is a terminal.
    pub(crate) fn stderr_is_terminal(self) -> bool {
        self.stderr_is_terminal
    }

    /// A line of data for people.
    pub(crate) fn line(self, text: &str) {
        write_whole(io::stdout().lock(), format!("{text}\n").as_bytes());
    }

    /// A line for people beside the data.
    pub(crate) fn note(self, text: &str) {
        write_whole(io::stderr().lock(), format!("{text}\n").as_bytes());
    }

    /// A question to people, behind which they answer.
    pub(crate) fn ask(self, text: &str) {
        write_whole(io::stderr().lock(), text.as_bytes());
    }

    /// Puts a sign of life in place of the line that stands at the cursor; nothing takes it away.
    ///
    /// It is cut to the width of the terminal, since a line that is folded is two, of which one would stay. It is not
    /// filled up either: what a terminal echoes behind it must not be folded.
    pub(crate) fn sign_of_life(self, text: &str) {
        let width = rustix::termios::tcgetwinsize(io::stderr()).map_or(0, |size| size.ws_col);
        let width = if width == 0 { USUAL_WIDTH } else { width };
        let room = usize::from(width.saturating_sub(ECHO_WIDTH)).max(1);
        let cut: String = text.chars().take(room).collect();
        write_whole(io::stderr().lock(), format!("{CLEAR_LINE}{cut}").as_bytes());
    }

    /// Clears the line that stands at the cursor.
    pub(crate) fn clear_line(self) {
        write_whole(io::stderr().lock(), CLEAR_LINE.as_bytes());
    }

    /// One JSON document, pretty where it stands alone.
    pub(crate) fn json(self, value: &impl Serialize) {
        let text = match self.mode {
            OutputMode::Jsonl => serde_json::to_string(value),
            OutputMode::Json | OutputMode::Human => serde_json::to_string_pretty(value),
        };
        // Our own values always serialise.
        self.line(&visible(&text.unwrap_or_default()));
    }

    /// One JSON document on a line of its own, whatever standard output is for.
    pub(crate) fn json_line(self, value: &impl Serialize) {
        // Our own values always serialise.
        let text = serde_json::to_string(value).unwrap_or_default();
        self.line(&visible(&text));
    }

    /// What a task wrote, as bytes where a program reads them and escaped where a terminal would act on them.
    pub(crate) fn task_stdout(self, bytes: &[u8]) {
        write_whole(
            io::stdout().lock(),
            &self.fit(bytes, self.stdout_is_terminal),
        );
    }

    /// The same for its standard error.
    pub(crate) fn task_stderr(self, bytes: &[u8]) {
        write_whole(
            io::stderr().lock(),
            &self.fit(bytes, self.stderr_is_terminal),
        );
    }

    fn fit(self, bytes: &[u8], terminal: bool) -> Vec<u8> {
        if terminal {
            for_terminal(&String::from_utf8_lossy(bytes)).into_bytes()
        } else {
            bytes.to_vec()
        }
    }

    /// A failure, with its causes, details and hint.
    pub(crate) fn failure(self, failure: &Failure) {
        if self.mode != OutputMode::Human {
            self.json(&json!({
                "format": "host.error/1",
                "error": {
                    "message": failure.chain.first(),
                    "causes": failure.chain.get(1..),
                    "details": failure.details,
                    "hint": failure.hint,
                    "exit": failure.exit.code(),
                },
            }));
            return;
        }
        let mut chain = failure.chain.iter().map(|text| on_one_line(text));
        let message = chain.next().unwrap_or_default();
        self.note(&format!(
            "{} {message}",
            self.on_stderr(Paint::Failed, "error:")
        ));
        for cause in chain {
            self.note(&format!("  because {cause}"));
        }
        if !failure.details.is_empty() {
            self.note("");
            failure
                .details
                .iter()
                .for_each(|line| self.note(&for_terminal(&format!("    {line}"))));
            self.note("");
        }
        if let Some(hint) = &failure.hint {
            self.hint(hint);
        }
    }

    /// What to do next.
    pub(crate) fn hint(self, text: &str) {
        let mut lines = text.lines();
        let first = lines.next().unwrap_or_default();
        self.note(&format!("{} {first}", self.on_stderr(Paint::Bold, "hint:")));
        lines.for_each(|line| self.note(line));
    }

    /// Painted words for standard error.
    pub(crate) fn on_stderr(self, paint: Paint, text: &str) -> String {
        if self.paints_stderr {
            painted(paint, text)
        } else {
            text.to_owned()
        }
    }

    /// Painted words for standard output.
    pub(crate) fn on_stdout(self, paint: Paint, text: &str) -> String {
        if self.paints_stdout {
            painted(paint, text)
        } else {
            text.to_owned()
        }
    }
}

/// Whether standard output and standard error are one file, pipe or terminal.
fn is_one_stream() -> bool {
    let place = |stat: rustix::fs::Stat| (stat.st_dev, stat.st_ino);
    let stdout = rustix::fs::fstat(io::stdout()).map(place);
    let stderr = rustix::fs::fstat(io::stderr()).map(place);
    stdout.is_ok() && stdout == stderr
}

/// A message of an error, in which a library may have repeated what it read.
fn on_one_line(text: &str) -> String {
    for_terminal(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Whether something could not be printed, such as on a full disk.
static UNPRINTED: AtomicBool = AtomicBool::new(false);

/// Whether a reader has closed its end of a pipe.
static UNREAD: AtomicBool = AtomicBool::new(false);

/// Whether a reader of ours has had enough.
pub(crate) fn reader_is_gone() -> bool {
    UNREAD.load(Ordering::Relaxed)
}

/// Whether everything was printed that should have been.
pub(crate) fn all_printed() -> bool {
    !UNPRINTED.load(Ordering::Relaxed)
}

/// A closed pipe is a reader that has had enough, which is no failure of ours; everything else is remembered.
fn write_whole(mut stream: impl Write, bytes: &[u8]) {
    match stream.write_all(bytes).and_then(|()| stream.flush()) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            UNREAD.store(true, Ordering::Relaxed);
        }
        Err(_) => UNPRINTED.store(true, Ordering::Relaxed),
    }
}

fn painted(paint: Paint, text: &str) -> String {
    let style = match paint {
        Paint::Bold => Style::new().bold(),
        Paint::Ok => AnsiColor::Green.on_default(),
        Paint::Refused => AnsiColor::Yellow.on_default(),
        Paint::Failed => AnsiColor::Red.on_default(),
        Paint::Dim => Style::new().dimmed(),
    };
    format!("{style}{text}{style:#}")
}

/// Text that cannot act on a terminal: line ends and tabs stay, everything else that is hidden is escaped.
pub(crate) fn for_terminal(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for piece in text.split_inclusive(['\n', '\t']) {
        let (body, end) = match piece.strip_suffix(['\n', '\t']) {
            Some(body) => (
                body.strip_suffix('\r').unwrap_or(body),
                piece.get(piece.len() - 1..).unwrap_or_default(),
            ),
            None => (piece, ""),
        };
        // A backslash is plain text here; only what is hidden needs to be made visible.
        let shown = body
            .split('\\')
            .map(|part| Shown(part).to_string())
            .collect::<Vec<_>>()
            .join("\\");
        safe.push_str(&shown);
        safe.push_str(end);
    }
    safe
}

/// JSON in which every character shows that is there, as JSON itself writes those that do not.
///
/// Outside of strings, and for escapes that are there already, nothing changes: both are plain ASCII.
fn visible(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_ascii() && character != '\u{7f}' || !host_core::is_hidden(character) {
            text.push(character);
            continue;
        }
        let mut units = [0; 2];
        for unit in character.encode_utf16(&mut units) {
            text.push_str(&format!("\\u{unit:04x}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::for_terminal;

    #[test]
    fn nothing_that_acts_on_a_terminal_reaches_it() {
        for (written, shown) in [
            ("plain\ttext\n", "plain\ttext\n"),
            ("a\r\nb", "a\nb"),
            ("C:\\x", "C:\\x"),
            ("\u{1b}[31mred", "\\u{1b}[31mred"),
            ("over\rwritten", "over\\u{d}written"),
            ("\u{202e}txt.exe", "\\u{202e}txt.exe"),
            ("bell\u{7}", "bell\\u{7}"),
        ] {
            assert_eq!(for_terminal(written), shown);
        }
    }
}
