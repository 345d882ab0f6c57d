//! What is printed when a run has ended, and how `host` itself ends then.

use std::path::Path;

use host_core::{
    Capability, Denial, LimitName, LimitUnit, Limits, Outcome, Record, RunId, Shown, Status,
};
use host_jail::{SetupError, SetupKind};
use host_node::{Finished, HIDDEN, NOT_GRANTED, Plan, ResultValue, RunRequest, TRIED};
use serde_json::{Value, json};

use super::learned;
use super::live::Followed;
use super::refusal::shell_word;
use crate::app::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::{OutputMode, Paint, Printer, for_terminal};
use crate::wording::{shown, size};

/// How many things are told that a run tried and had no grant for.
const TRIED_MAX: usize = 5;
/// What the record says under `walls` of grants whose owner the run could not be.
const IDMAP: &str = "idmap";
/// How many lines of an error message are repeated.
const MESSAGE_LINES_MAX: usize = 20;

/// What is said of a run beside its record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told<'t> {
    /// What people know it as.
    pub(super) name: &'t str,
    /// Its limits.
    pub(super) limits: &'t Limits,
    /// What runs, in a word.
    pub(super) kind: &'t str,
    /// Whether it was to change nothing.
    pub(super) noop: bool,
}

/// Says how a program ended that did not end by itself.
pub(super) fn failure(context: &Context, told: &Told<'_>, finished: &Finished, run: RunId) {
    words(context.printer, told, finished, run);
    reached(context.printer, told, finished);
    if let Some(hint) = finished
        .setup
        .as_ref()
        .and_then(|error| error.hint.as_ref())
    {
        context.printer.hint(hint);
    } else if let Outcome::Limit { limit } = finished.record.outcome {
        context.printer.hint(&more(context, told, limit));
    }
}

/// Prints a record for a program to read.
pub(super) fn record(printer: Printer, record: &Record<ResultValue>) {
    if printer.mode() == OutputMode::Jsonl {
        printer.json(&json!({"event": "record", "record": record}));
    } else {
        printer.json(record);
    }
}

/// Prints the result and returns how `host` ends.
pub(super) fn end(
    context: &Context,
    plan: &Plan<'_>,
    request: &RunRequest,
    followed: &Followed,
    run: RunId,
) -> Result<Exit, Failure> {
    let printer = context.printer;
    let finished = &followed.finished;
    let name = plan.task.name.to_string();
    let told = Told {
        name: &name,
        limits: &plan.limits,
        kind: kind(&plan.installation.executable),
        noop: plan.noop,
    };
    if printer.mode() == OutputMode::Human {
        let ended_line = value(printer, followed).unwrap_or(followed.ended_line);
        if !ended_line {
            printer.note("");
        }
        words(printer, &told, finished, run);
        artifacts(context, &finished.record, run);
    } else {
        record(printer, &finished.record);
    }
    // The record has no place for these, so they are told beside it.
    left_out(printer, finished);
    if plan.learn.is_some() {
        learned::tell(printer, finished);
    }
    if printer.mode() == OutputMode::Human {
        reached(printer, &told, finished);
        hint(context, plan, &told, request, finished);
    }
    Ok(exit(followed))
}

fn exit(followed: &Followed) -> Exit {
    let finished = &followed.finished;
    let setup = finished.setup.as_ref().map(|error| error.kind);
    match (finished.record.status, setup) {
        _ if matches!(finished.record.outcome, Outcome::Cancelled { .. }) => {
            Exit::Interrupted(followed.interrupted.unwrap_or(2))
        }
        (Status::Success, _) => Exit::Done,
        (_, Some(SetupKind::Wall)) => Exit::Machine,
        (Status::Refused, _) => Exit::Refused,
        (Status::Lost, _) if host_node::is_machines_fault(finished) => Exit::Machine,
        (Status::Lost, _) => Exit::Lost,
        (Status::Failure, _) => Exit::TaskFailed,
    }
}

/// The result, unless it was plain text that has been shown as it came. Says whether a line ended with it that
/// others are on too.
fn value(printer: Printer, followed: &Followed) -> Option<bool> {
    let value = &followed.finished.record.value;
    let only_text = value.keys().all(|key| key == "_output" || key == "_error");
    if !only_text {
        let shown: serde_json::Map<String, Value> = value
            .iter()
            .filter(|(key, _)| *key != "_error")
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        // JSON leaves every control character but DEL and the C1 set escaped already.
        printer.task_stdout(format!("{:#}\n", Value::Object(shown)).as_bytes());
        return None;
    }
    if !followed.stdout_shown
        && let Some(text) = value.get("_output").and_then(Value::as_str)
        && !text.is_empty()
    {
        printer.task_stdout(text.as_bytes());
        return Some(text.ends_with('\n') || !printer.shows_both());
    }
    None
}

fn words(printer: Printer, told: &Told<'_>, finished: &Finished, run: RunId) {
    let record = &finished.record;
    let name = told.name;
    let took = seconds(record.runtime);
    if record.status == Status::Success {
        let ok = printer.on_stderr(Paint::Ok, "ok");
        let noop = if told.noop { ", noop" } else { "" };
        printer.note(&format!(
            "{ok}  {name}  {took}  ({}, jailed{noop})  run {run}",
            told.kind
        ));
    } else {
        failed(printer, told, finished, &took);
        printer.note(&printer.on_stderr(Paint::Dim, &format!("run {run}")));
    }
    withheld(printer, record);
}

fn left_out(printer: Printer, finished: &Finished) {
    for (left, reason) in &finished.left_out {
        printer.note(&format!(
            "note: `{}` was left in $HOST_OUT and not brought back: {reason}",
            Shown(left)
        ));
    }
}

fn reached(printer: Printer, told: &Told<'_>, finished: &Finished) {
    for limit in &finished.reached {
        printer.note(&format!(
            "note: the run reached its limit `{limit}` ({})",
            limit_text(told.limits, *limit)
        ));
    }
}

/// The value of a limit, written like every other size or time, and never rounded: somebody asked for it.
fn limit_text(limits: &Limits, limit: LimitName) -> String {
    let value = limits.value(limit);
    match limit.unit() {
        LimitUnit::Size if value.is_multiple_of(1024) => size(value),
        LimitUnit::Size => format!("{value} B"),
        LimitUnit::Span | LimitUnit::Count | LimitUnit::Percent => limits.text(limit),
    }
}

/// Grants that could not be opened after all.
fn withheld(printer: Printer, record: &Record<ResultValue>) {
    let is_withheld = |denial: &&Denial| {
        denial.reason != NOT_GRANTED
            && !denial.reason.starts_with(TRIED)
            && !denial.reason.starts_with(HIDDEN)
    };
    for denial in record.denials.iter().filter(is_withheld) {
        printer.note(&format!(
            "note: {} was not opened: {}",
            Shown(&denial.capability),
            denial.reason
        ));
    }
}

/// What runs when this file is started, in a word.
pub(super) fn kind(executable: &str) -> &'static str {
    let extension = Path::new(executable)
        .extension()
        .and_then(|extension| extension.to_str());
    match extension {
        Some("sh" | "bash") => "shell",
        Some("py") => "python",
        Some("rb") => "ruby",
        Some("pl") => "perl",
        Some(extension) if extension.eq_ignore_ascii_case("wasm") => "wasm",
        _ => "program",
    }
}

fn seconds(runtime: f64) -> String {
    format!("{runtime:.2} s")
}

fn failed(printer: Printer, told: &Told<'_>, finished: &Finished, took: &str) {
    let record = &finished.record;
    let name = told.name;
    let head = match record.status {
        Status::Refused => printer.on_stderr(Paint::Refused, "refused:"),
        _ => printer.on_stderr(Paint::Failed, "failed:"),
    };
    match &record.outcome {
        Outcome::Exited { code: 0 } => {
            printer.note(&format!("{head} `{name}` reported an error after {took}"))
        }
        Outcome::Exited { code } => {
            printer.note(&format!("{head} `{name}` exited with {code} after {took}"))
        }
        Outcome::Signalled { signal } => {
            printer.note(&format!(
                "{head} `{name}` was killed by signal {signal} after {took}"
            ));
        }
        Outcome::Limit { limit } => printer.note(&format!(
            "{head} `{name}` was stopped by limit `{limit}` ({}); nothing of it is left running",
            limit_text(told.limits, *limit)
        )),
        Outcome::Cancelled { .. } => {
            printer.note(&format!(
                "{head} `{name}` was interrupted after {took}; nothing of it is left running"
            ));
        }
        Outcome::CouldNotStart { reason } => {
            printer.note(&format!("{head} `{name}` could not be started: {reason}"))
        }
        Outcome::Refused { reason } => {
            printer.note(&format!("{head} `{name}` was not started: {reason}"))
        }
        Outcome::Lost { reason } => {
            printer.note(&format!("{head} nobody knows how `{name}` ended: {reason}"))
        }
        Outcome::Unkillable { reason } => {
            printer.note(&format!("{head} `{name}` was killed, but {reason}"))
        }
        Outcome::Trapped { reason } => printer.note(&format!("{head} `{name}` trapped: {reason}")),
    }
    if matches!(record.outcome, Outcome::Exited { .. }) {
        message(printer, record);
    }
}

/// What the task itself says of its failure; what was only made up for it is not repeated.
fn message(printer: Printer, record: &Record<ResultValue>) {
    let error = record.value.get("_error");
    let text = |key: &str| {
        error
            .and_then(|error| error.get(key))
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let Some(said) = own_words(text("msg")) else {
        return;
    };
    printer.note("");
    for line in said.lines().take(MESSAGE_LINES_MAX) {
        printer.note(&format!("    {}", for_terminal(line)));
    }
    printer.note("");
}

/// A message without what was made up for an exit code, which the line above says; none where nothing is left.
fn own_words(msg: &str) -> Option<&str> {
    let made_up = msg
        .strip_prefix("The task failed with exit code ")
        .map(|rest| rest.trim_start_matches(|letter: char| letter.is_ascii_digit()));
    match made_up {
        Some("" | " and no output") => None,
        Some(rest) if rest.starts_with(" and no stdout, but stderr contained:\n") => None,
        Some(rest) => Some(rest.strip_prefix(", and ").unwrap_or(msg)),
        None => Some(msg).filter(|msg| !msg.is_empty()),
    }
}

/// What came back, and where it is.
fn artifacts(context: &Context, record: &Record<ResultValue>, run: RunId) {
    let runs = context.settings.places.state.join("runs");
    let directory = runs.join(run.to_string()).join("artifacts");
    for artifact in &record.artifacts {
        context.printer.note(&format!(
            "left  {}  {}  {}",
            Shown(&artifact.name),
            size(artifact.bytes),
            shown(&directory.join(artifact.digest.to_string()))
        ));
    }
}

fn hint(
    context: &Context,
    plan: &Plan<'_>,
    told: &Told<'_>,
    request: &RunRequest,
    finished: &Finished,
) {
    let printer = context.printer;
    if let Some(error) = &finished.setup {
        let hint = unimposed(error, plan, request).or_else(|| error.hint.clone());
        return hint.into_iter().for_each(|hint| printer.hint(&hint));
    }
    match &finished.record.outcome {
        Outcome::Limit { limit } => printer.hint(&more(context, told, *limit)),
        Outcome::Exited { code } if *code != 0 => {
            let flags = flags_of_optional(&finished.record);
            if !flags.is_empty() {
                printer.hint(&format!("it ran without what it may ask for: {flags}"));
            }
            tried(printer, &finished.record);
            as_a_stranger(printer, &finished.record);
        }
        _ => {}
    }
}

/// Grants that were opened, and in which the run could read only what everybody may; it may be why it failed.
fn as_a_stranger(printer: Printer, record: &Record<ResultValue>) {
    if let Some(note) = record.walls.get(IDMAP) {
        printer.note(&format!("note: {IDMAP}: {}", Shown(note)));
    }
}

/// What a run tried that it had no grant for, as far as the kernel told; it may be why it failed.
fn tried(printer: Printer, record: &Record<ResultValue>) {
    let tried = record
        .denials
        .iter()
        .filter(|denial| denial.reason.starts_with(TRIED));
    for denial in tried.take(TRIED_MAX) {
        printer.note(&format!(
            "note: it {} ({})",
            Shown(&denial.reason),
            Shown(&denial.capability)
        ));
    }
}

/// Advice where a limit cannot be imposed that only the bundle asks for: leaving it to its default is not up to
/// the person then.
fn unimposed(error: &SetupError, plan: &Plan<'_>, request: &RunRequest) -> Option<String> {
    let limits = plan.task.asks.limits.iter().map(|(name, _)| name);
    let is_meant = |name: &LimitName| {
        error.kind == SetupKind::Wall
            && request.limits.get(*name).is_none()
            && error.step.contains(&format!("limit `{name}`"))
    };
    let name = { limits }.find(is_meant)?;
    Some(format!(
        "the bundle asks for the limit `{name}`, which an ordinary user cannot impose here: run as root"
    ))
}

/// How to have more of a limit that ended the run, if that can be.
fn more(context: &Context, told: &Told<'_>, limit: LimitName) -> String {
    let had = limit_text(told.limits, limit);
    let ceiling = context.settings.ceiling(limit);
    if ceiling.is_some_and(|ceiling| told.limits.value(limit) >= ceiling) {
        let key = format!("ceilings.{limit}");
        return format!(
            "{had} is the most that a run gets here, by `{key}` from {}",
            context.settings.origin(&key)
        );
    }
    if limit == LimitName::Output {
        return format!(
            "what it wrote up to {had} is kept; give it more with --limit output=VALUE"
        );
    }
    format!("give it more with --limit {limit}=VALUE; it had {had}")
}

/// The flags for optional asks that nobody granted.
fn flags_of_optional(record: &Record<ResultValue>) -> String {
    let not_granted = record.denials.iter().filter(|denial| {
        denial.reason == NOT_GRANTED && denial.capability.parse::<Capability>().is_ok()
    });
    let flags: Vec<String> = not_granted
        .map(|denial| {
            format!(
                "--allow {}",
                shell_word(&Shown(&denial.capability).to_string())
            )
        })
        .collect();
    flags.join(" ")
}

#[cfg(test)]
mod tests {
    use super::own_words;

    /// Every message that began so was once dropped, and the reason with it.
    #[test]
    fn only_what_was_made_up_for_an_exit_code_is_dropped() {
        for (msg, said) in [
            ("", None),
            ("The task failed with exit code 3", None),
            ("The task failed with exit code 3 and no output", None),
            (
                "The task failed with exit code 3 and no stdout, but stderr contained:\nx",
                None,
            ),
            (
                "The task failed with exit code 3, and its result cannot be read: why",
                Some("its result cannot be read: why"),
            ),
            (
                "The task failed with exit code 3 of the service",
                Some("The task failed with exit code 3 of the service"),
            ),
            ("it broke", Some("it broke")),
        ] {
            assert_eq!(own_words(msg), said, "{msg}");
        }
    }
}
