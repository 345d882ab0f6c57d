//! From what the keeper saw and what the task wrote to a record.

use host_core::{Artifact, Outcome, Shown, StreamText, TaskName};
use host_jail::{Ending, Refused, Report, SetupKind};
use host_task::TaskResult;
use host_wasm::{Attempt, End, Tried, Verdict};
use serde_json::Value;

use crate::draft::{Draft, ResultValue};
use crate::running::{Finished, LearnedRun};

/// A finished run with what its spool shall hold instead of a secret.
pub(crate) struct Ended {
    pub(crate) finished: Finished,
    pub(crate) redacted: Option<Vec<u8>>,
}

impl Ended {
    pub(crate) fn new(
        draft: &Draft,
        report: Option<Report>,
        stdout: Vec<u8>,
        stderr: Vec<u8>,
        artifacts: Vec<Artifact>,
    ) -> Self {
        let verdict = report
            .as_ref()
            .filter(|_| draft.is_wasm)
            .map(|report| Verdict::read(&report.last_words));
        let outcome = outcome(report.as_ref(), verdict.as_ref());
        let (public, redacted) = match &draft.task {
            Some(task) => {
                let result = result(task, &outcome, &stdout, &stderr);
                let public = result.public_value();
                let redacted = result
                    .sensitive
                    .then(|| Value::Object(public.clone()).to_string().into_bytes());
                (public, redacted)
            }
            // What a program says means nothing to us.
            None => (text_value(&stdout), None),
        };
        let mut draft = draft.clone();
        if let Some(report) = &report {
            draft.withhold(&report.not_opened);
            draft.note_refused(&report.refused);
        }
        let learned = report.as_ref().and_then(|report| report.learned.as_ref());
        let learned = learned.map(|learned| LearnedRun {
            lines: draft.mark_used(learned),
            beyond: learned.beyond,
            blind: learned.blind,
        });
        if let Some(report) = &report {
            let made = report.usage.iter().find(|(name, _)| name == "connections");
            let are_all = made.is_some_and(|(_, made)| *made == report.connections.len() as u64);
            draft.mark_connected(&report.connections, are_all);
        }
        if let Some(Some(verdict)) = &verdict {
            let refused: Vec<Refused> = verdict.tried.iter().map(refused).collect();
            draft.note_refused(&refused);
        }
        let mut record = draft.record(outcome, public, report.as_ref());
        // Limits that the kernel answers with an error, which end nobody: what a program said of that may be nothing.
        let reached = report.iter().flat_map(|report| &report.reached);
        let reached = reached.map(|limit| (format!("reached_{limit}"), 1));
        record.usage.extend(reached);
        if let Some(Some(verdict)) = &verdict {
            let peak = verdict.memory_peak_bytes;
            record
                .usage
                .insert("guest_memory_peak_bytes".to_owned(), peak);
        }
        record.stderr = stderr_text(report.as_ref(), &stderr);
        record.artifacts = artifacts;
        let setup = match report.as_ref().map(|report| &report.ending) {
            Some(Ending::NotStarted(error)) => Some(error.clone()),
            _ => None,
        };
        let (left_out, reached) = report
            .map(|report| (report.left_out, report.reached))
            .unwrap_or_default();
        Self {
            finished: Finished {
                record,
                setup,
                left_out,
                reached,
                learned,
            },
            redacted,
        }
    }
}

/// What the run wrote to its standard error, as far as it was kept.
fn stderr_text(report: Option<&Report>, stderr: &[u8]) -> StreamText {
    let kept = report.map(|report| report.stderr).unwrap_or_default();
    let bytes = kept.bytes.max(stderr.len() as u64);
    StreamText {
        text: String::from_utf8_lossy(stderr).into_owned(),
        bytes,
        truncated: kept.truncated || bytes > stderr.len() as u64,
    }
}

/// How the run ended: as the keeper saw it, and for a WASI program that ended by itself as its worker says.
fn outcome(report: Option<&Report>, verdict: Option<&Option<Verdict>>) -> Outcome {
    let Some(report) = report else {
        return Outcome::Lost {
            reason: "the keeper of the run was killed".to_owned(),
        };
    };
    match &report.ending {
        Ending::Exited { code } => match verdict {
            None => Outcome::Exited { code: *code },
            Some(Some(verdict)) => said(&verdict.end),
            Some(None) => Outcome::Trapped {
                reason: format!("the engine ended without a word, with {code}"),
            },
        },
        Ending::Signalled { signal } => Outcome::Signalled { signal: *signal },
        Ending::Limit { name } => Outcome::Limit { limit: *name },
        Ending::Cancelled => Outcome::Cancelled {
            reason: "interrupted".to_owned(),
        },
        Ending::NotStarted(error) if error.kind == SetupKind::Program => Outcome::CouldNotStart {
            reason: error.to_string(),
        },
        Ending::NotStarted(error) => Outcome::Refused {
            reason: error.to_string(),
        },
        Ending::Unkillable => Outcome::Unkillable {
            reason: "a process of it does not die".to_owned(),
        },
        Ending::OutputLost { cause } => Outcome::Lost {
            reason: format!("its output could not be kept: {cause}"),
        },
        Ending::RecorderLost => Outcome::Lost {
            reason: "who took note of it with --learn was killed".to_owned(),
        },
    }
}

/// What a worker says may come from a program that has broken out of the engine: none of it reaches a terminal as it is.
fn said(end: &End) -> Outcome {
    let shown = |reason: &String| Shown(reason).to_string();
    match end {
        End::Exited { code } => Outcome::Exited { code: *code },
        End::Trapped { reason } => Outcome::Trapped {
            reason: shown(reason),
        },
        End::Limit { name, .. } => Outcome::Limit { limit: *name },
        End::Unfit { reason, .. } => Outcome::CouldNotStart {
            reason: shown(reason),
        },
        End::Broken { reason } => Outcome::CouldNotStart {
            reason: format!("the engine failed: {}", shown(reason)),
        },
    }
}

/// What a program tried in vain, as the capability that was missing. What it is said to have looked up is as little to be
/// believed as a reason.
fn refused(tried: &Tried) -> Refused {
    let what = match &tried.what {
        Attempt::Tcp => "a TCP socket".to_owned(),
        Attempt::Udp => "a UDP socket".to_owned(),
        Attempt::Lookup { name } if name.is_empty() => "the look-up of a name".to_owned(),
        Attempt::Lookup { name } => format!("the look-up of `{}`", Shown(name)),
    };
    Refused {
        capability: "net.connect".to_owned(),
        what,
        times: tried.times,
    }
}

/// What a program wrote, as a task's result would be that is plain text.
fn text_value(stdout: &[u8]) -> ResultValue {
    let text = String::from_utf8_lossy(stdout).into_owned();
    ResultValue::from_iter([("_output".to_owned(), Value::String(text))])
}

/// The result of a task that was not started.
pub(crate) fn stopped_value(task: Option<&TaskName>, outcome: &Outcome) -> ResultValue {
    task.map(|task| result(task, outcome, &[], &[]).public_value())
        .unwrap_or_default()
}

/// The result by the Puppet rules; a run that did not end by itself has an error of ours in it.
fn result(task: &TaskName, outcome: &Outcome, stdout: &[u8], stderr: &[u8]) -> TaskResult {
    let (kind, msg) = match outcome {
        Outcome::Exited { code } => return TaskResult::read(task, stdout, stderr, *code),
        Outcome::Signalled { signal } => (
            "host/signalled",
            format!("the task was killed by signal {signal}"),
        ),
        Outcome::Trapped { reason } => ("host/trapped", reason.clone()),
        Outcome::Limit { limit } => (
            "host/limit",
            format!("the task was stopped by limit `{limit}`"),
        ),
        Outcome::Cancelled { reason } => (
            "host/cancelled",
            format!("the run was called off: {reason}"),
        ),
        Outcome::CouldNotStart { reason } => ("host/could-not-start", reason.clone()),
        Outcome::Refused { reason } => ("host/refused", reason.clone()),
        Outcome::Lost { reason } => ("host/lost", reason.clone()),
        Outcome::Unkillable { reason } => ("host/unkillable", reason.clone()),
    };
    TaskResult::stopped(stdout, kind, &msg)
}
