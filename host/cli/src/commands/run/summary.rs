//! What is printed when a run has ended, and how `host` itself ends then.

use std::path::Path;

use host_core::{Capability, LimitName, Outcome, Record, RunId, Shown, Status};
use host_jail::SetupKind;
use host_node::{Finished, NOT_GRANTED, Plan, ResultValue};
use serde_json::{Value, json};

use super::live::Followed;
use crate::app::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::{OutputMode, Paint, Printer, for_terminal};

/// How many lines of an error message are repeated.
const MESSAGE_LINES_MAX: usize = 20;

/// Prints the result and returns how `host` ends.
pub(super) fn end(
    context: &Context,
    plan: &Plan<'_>,
    followed: &Followed,
    run: RunId,
) -> Result<Exit, Failure> {
    let printer = context.printer;
    let finished = &followed.finished;
    match printer.mode() {
        OutputMode::Json => printer.json(&finished.record),
        OutputMode::Jsonl => printer.json(&json!({"event": "record", "record": finished.record})),
        OutputMode::Human => {
            value(printer, followed);
            if !followed.ended_line {
                printer.note("");
            }
            words(printer, plan, finished, run);
        }
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

/// The result, unless it was plain text that has been shown as it came.
fn value(printer: Printer, followed: &Followed) {
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
    } else if !followed.stdout_shown
        && let Some(text) = value.get("_output").and_then(Value::as_str)
        && !text.is_empty()
    {
        printer.task_stdout(text.as_bytes());
    }
}

fn words(printer: Printer, plan: &Plan<'_>, finished: &Finished, run: RunId) {
    let record = &finished.record;
    let name = &plan.task.name;
    let took = seconds(record.runtime);
    if record.status == Status::Success {
        let ok = printer.on_stderr(Paint::Ok, "ok");
        let noop = if plan.noop { ", noop" } else { "" };
        printer.note(&format!(
            "{ok}  {name}  {took}  ({}, jailed{noop})  run {run}",
            kind(plan)
        ));
    } else {
        failed(printer, plan, finished, &took);
        printer.note(&printer.on_stderr(Paint::Dim, &format!("run {run}")));
    }
    withheld(printer, record);
    artifacts(printer, record);
    for (left, reason) in &finished.left_out {
        printer.note(&format!(
            "note: `{}` was left in $HOST_OUT and not brought back: {reason}",
            Shown(left)
        ));
    }
    for limit in &finished.reached {
        printer.note(&format!(
            "note: the run reached its limit `{limit}` ({})",
            plan.limits.text(*limit)
        ));
    }
    hint(printer, plan, finished);
}

/// Grants that could not be opened after all.
fn withheld(printer: Printer, record: &Record<ResultValue>) {
    for denial in record
        .denials
        .iter()
        .filter(|denial| denial.reason != NOT_GRANTED)
    {
        printer.note(&format!(
            "note: {} was not opened: {}",
            Shown(&denial.capability),
            denial.reason
        ));
    }
}

/// What runs, in a word.
fn kind(plan: &Plan<'_>) -> &'static str {
    let extension = Path::new(&plan.installation.executable)
        .extension()
        .and_then(|extension| extension.to_str());
    match extension {
        Some("sh" | "bash") => "shell",
        Some("py") => "python",
        Some("rb") => "ruby",
        Some("pl") => "perl",
        _ => "program",
    }
}

fn seconds(runtime: f64) -> String {
    format!("{runtime:.2} s")
}

fn failed(printer: Printer, plan: &Plan<'_>, finished: &Finished, took: &str) {
    let record = &finished.record;
    let name = &plan.task.name;
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
            plan.limits.text(*limit)
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
    if text("msg").is_empty() || text("msg").starts_with("The task failed with exit code") {
        return;
    }
    printer.note("");
    for line in text("msg").lines().take(MESSAGE_LINES_MAX) {
        printer.note(&format!("    {}", for_terminal(line)));
    }
    printer.note("");
}

fn artifacts(printer: Printer, record: &Record<ResultValue>) {
    for artifact in &record.artifacts {
        printer.note(&format!(
            "left  {}  {}  {}",
            Shown(&artifact.name),
            host_core::ByteSize::from_bytes(artifact.bytes),
            artifact.digest
        ));
    }
}

fn hint(printer: Printer, plan: &Plan<'_>, finished: &Finished) {
    if let Some(hint) = finished
        .setup
        .as_ref()
        .and_then(|error| error.hint.as_ref())
    {
        return printer.hint(hint);
    }
    let missing: Vec<String> = finished
        .record
        .denials
        .iter()
        .filter(|denial| denial.capability.parse::<Capability>().is_ok())
        .map(|denial| denial.capability.clone())
        .collect();
    match &finished.record.outcome {
        Outcome::Limit { limit } if *limit != LimitName::Output => {
            let name = limit.as_str();
            printer.hint(&format!(
                "give it more with --limit {name}=VALUE; it had {}",
                plan.limits.text(*limit)
            ));
        }
        Outcome::Limit { .. } => printer.hint(&format!(
            "what it wrote up to {} is kept; give it more with --limit output=VALUE",
            plan.limits.text(LimitName::Output)
        )),
        Outcome::Exited { code } if *code != 0 && !missing.is_empty() => {
            printer.hint(&format!(
                "it ran without what it asks for as optional: {}",
                missing.join(", ")
            ));
        }
        _ => {}
    }
}
