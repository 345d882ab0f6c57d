//! `host audit show`: prints lines of the audit log, and those that come, if that is wanted.

use std::collections::VecDeque;
use std::time::Duration;

use clap::Args;
use host_store::{Journal, JournalLine, JournalLines, ReadJournalError};
use serde_json::{Value, json};

use super::ecs::ecs;
use super::filter::Filter;
use super::lines::Told;
use super::row::row;
use super::{key, nothing, open_to_look};
use crate::app::Context;
use crate::clock;
use crate::commands::run::Signals;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::{self, OutputMode, Paint, Printer};

/// The most lines that `--last` and one JSON document hold.
const HELD_MAX: usize = 100_000;

/// How often the log is looked at for new lines.
const FOLLOW_EVERY: Duration = Duration::from_millis(250);

/// The event of a line that closes a torn one.
const RECOVERED: &str = "recovered";

/// Show what was recorded on this machine
///
/// One line for each thing that happened, oldest first: what was about to start, how it ended, what was refused. Whether
/// all of it is what was written says `host audit verify`.
#[derive(Args, Debug)]
#[command(after_help = "examples:
  host audit show --last 20
  host audit show --task service --status failure --since 7d
  host audit show --follow --ecs | collector")]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    filter: Filter,

    /// Only the last N of them
    #[arg(long, value_name = "N")]
    last: Option<usize>,

    /// Go on and show lines as they are written, until interrupted
    #[arg(long)]
    follow: bool,

    /// Print one JSON object a line, in the Elastic Common Schema
    #[arg(long)]
    ecs: bool,
}

pub(super) fn run(context: &Context, arguments: &ShowArgs) -> Result<Exit, Failure> {
    if arguments.last.is_some_and(|last| last > HELD_MAX) {
        return Err(Failure::usage(format!("`--last` is {HELD_MAX} at most")));
    }
    if arguments.follow && context.printer.mode() == OutputMode::Json && !arguments.ecs {
        let message = "`--follow` never ends, and one JSON document must";
        return Err(Failure::usage(message).hint("say --output jsonl"));
    }
    let Some(store) = open_to_look(context)? else {
        return Ok(nothing(context));
    };
    let journal = store.journal();
    // ORDER: before the first line is read, so that an interrupt at any later moment ends this in order.
    let signals = arguments.follow.then(Signals::listen).transpose()?;
    let mut shower = Shower::new(context.printer, arguments);
    let mut lines = open(&journal)?;
    shower.take(&mut lines)?;
    shower.end_of_past();
    match signals {
        Some(signals) => follow(&journal, lines, &mut shower, &signals),
        None => Ok(Exit::Done),
    }
}

fn open(journal: &Journal<'_>) -> Result<JournalLines, Failure> {
    journal
        .lines()
        .map_err(|error| Failure::new(Exit::Machine, &error))
}

/// Shows what comes, until a signal or until nobody reads it.
fn follow(
    journal: &Journal<'_>,
    mut lines: JournalLines,
    shower: &mut Shower<'_>,
    signals: &Signals,
) -> Result<Exit, Failure> {
    loop {
        if printer::reader_is_gone() {
            return Ok(Exit::Done);
        }
        let (signal, is_unread) = signals.wait(FOLLOW_EVERY);
        if let Some(signal) = signal {
            return Ok(Exit::Interrupted(signal));
        }
        if is_unread {
            return Ok(Exit::Done);
        }
        // ORDER: what was written to the old log before it was laid aside is read before the new one.
        let is_current = journal.is_read_by(&lines);
        shower.take(&mut lines)?;
        if !is_current {
            lines = open(journal)?;
            shower.take(&mut lines)?;
        }
    }
}

/// Prints the lines that are wanted.
struct Shower<'a> {
    printer: Printer,
    arguments: &'a ShowArgs,
    machine: String,
    /// Lines that wait until it is known that they are among the last, or that all are there.
    held: VecDeque<JournalLine>,
    left_out: u64,
    is_past: bool,
    /// A line that is none, until it is known whether it was torn.
    unread: Option<String>,
}

impl<'a> Shower<'a> {
    fn new(printer: Printer, arguments: &'a ShowArgs) -> Self {
        Self {
            printer,
            arguments,
            machine: key::machine(),
            held: VecDeque::new(),
            left_out: 0,
            is_past: true,
            unread: None,
        }
    }

    /// Takes all lines that are there.
    fn take(&mut self, lines: &mut JournalLines) -> Result<(), Failure> {
        for line in lines {
            let before = self.unread.take();
            match line {
                Ok(line) => {
                    // One that was torn and closed was never reported as written.
                    if line.event() != Some(RECOVERED) {
                        self.warn(before);
                    }
                    self.take_line(line);
                }
                Err(ReadJournalError::Disk(error)) => {
                    return Err(Failure::new(Exit::Machine, &error));
                }
                Err(error) => {
                    self.warn(before);
                    self.unread = Some(error.to_string());
                }
            }
            if printer::reader_is_gone() {
                break;
            }
        }
        let unread = self.unread.take();
        self.warn(unread);
        Ok(())
    }

    fn take_line(&mut self, line: JournalLine) {
        let told = Told(&line.record);
        if !self.arguments.filter.takes(&told, clock::now_unix()) {
            return;
        }
        if !(self.is_past && (self.arguments.last.is_some() || self.is_one_document())) {
            return self.print(&line);
        }
        self.held.push_back(line);
        if self.held.len() > self.arguments.last.unwrap_or(HELD_MAX) {
            self.held.pop_front();
            self.left_out = self.left_out.saturating_add(1);
        }
    }

    fn is_one_document(&self) -> bool {
        self.printer.mode() == OutputMode::Json && !self.arguments.ecs
    }

    /// Prints what was held back, now that all that was written is known.
    fn end_of_past(&mut self) {
        self.is_past = false;
        let held = std::mem::take(&mut self.held);
        if self.is_one_document() {
            let lines: Vec<Value> = held.into_iter().map(|line| line.record).collect();
            let document =
                json!({"format": "host.audit-show/1", "lines": lines, "left_out": self.left_out});
            return self.printer.json(&document);
        }
        held.iter().for_each(|line| self.print(line));
    }

    fn print(&self, line: &JournalLine) {
        let told = Told(&line.record);
        if self.arguments.ecs {
            let object = ecs(told, line.hash, &self.machine);
            self.printer.json_line(&object);
        } else if self.printer.mode() == OutputMode::Human {
            self.printer.line(&row(told));
        } else {
            self.printer.json_line(&line.record);
        }
    }

    fn warn(&self, unread: Option<String>) {
        if let Some(unread) = unread {
            let warning = self.printer.on_stderr(Paint::Refused, "warning:");
            self.printer.note(&format!("{warning} {unread}"));
        }
    }
}
