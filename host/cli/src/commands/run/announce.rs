//! What is said before a task starts: what it was granted, what it goes without, and what it will not see.

use std::path::Path;

use host_core::{Capability, Grant, Shown};
use host_node::{Plan, RunRequest};

use crate::app::Context;
use crate::printer::{OutputMode, Paint, Printer};

/// Places that every task sees, so that a path there needs no grant.
const SEEN: [&str; 7] = ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/dev", "/proc"];

/// Says it to people, beside the data.
pub(super) fn announce(context: &Context, plan: &Plan<'_>, grant: &Grant, request: &RunRequest) {
    let printer = context.printer;
    if printer.mode() != OutputMode::Human {
        return;
    }
    if plan.loaded.is_plain_tar {
        printer.note("note: this is a plain tar: nobody signed it, so it runs as your own");
    }
    granted(printer, plan, grant, request);
    for ask in grant.dropped() {
        let why = Shown(ask.why.as_deref().unwrap_or_default()).to_string();
        printer.note(format!("without  {}  {why}", ask.capability).trim_end());
    }
    for except in grant.exceptions() {
        printer.note(&format!(
            "without  {}  forbidden by {}",
            except.capability,
            Shown(&except.rule)
        ));
    }
    for denial in &plan.denials {
        printer.note(&format!(
            "without  {}  {}",
            Shown(&denial.capability),
            denial.reason
        ));
    }
    unseen_paths(printer, plan, grant);
    if !plan.task.asks.is_stated && grant.iter().next().is_none() {
        let seen = if plan.is_wasm() {
            "nothing of this machine"
        } else {
            "the system's programs, a bare /etc and nothing else of this machine"
        };
        printer.note(&format!(
            "note: `{}` does not say what it needs; it sees {seen}",
            plan.task.name
        ));
    }
}

fn granted(printer: Printer, plan: &Plan<'_>, grant: &Grant, request: &RunRequest) {
    let mut lines: Vec<(String, String)> = Vec::new();
    for granted in grant {
        let text = granted.capability.to_string();
        if lines.iter().any(|(known, _)| *known == text) {
            continue;
        }
        let ask = plan
            .asks
            .iter()
            .find(|ask| ask.capability == granted.capability);
        let why = ask.and_then(|ask| ask.why.as_deref()).unwrap_or_default();
        lines.push((text, Shown(why).to_string()));
    }
    let head = printer.on_stderr(Paint::Bold, "granted");
    if lines.is_empty() {
        return;
    }
    if !request.allow_asked {
        let texts: Vec<&str> = lines.iter().map(|(text, _)| text.as_str()).collect();
        return printer.note(&format!("{head}  {}", texts.join(", ")));
    }
    let width = lines
        .iter()
        .map(|(text, _)| text.chars().count())
        .max()
        .unwrap_or(0);
    for (index, (text, why)) in lines.iter().enumerate() {
        let head = if index == 0 { head.as_str() } else { "       " };
        printer.note(format!("{head}  {text:width$}  {why}").trim_end());
    }
}

/// A task that is told of a place which it cannot see often does nothing and says nothing.
fn unseen_paths(printer: Printer, plan: &Plan<'_>, grant: &Grant) {
    for (parameter, path) in &plan.named_paths {
        let wanted = Capability::FsRead(path.clone());
        let seen = SEEN
            .iter()
            .any(|place| Path::new(path.as_str()).starts_with(place));
        if !seen && !grant.covers(&wanted) {
            printer.note(&format!(
                "note: `{parameter}` names {}, which the run cannot see unless you --allow fs.read or fs.write for it",
                Shown(path.as_str())
            ));
        }
    }
}
