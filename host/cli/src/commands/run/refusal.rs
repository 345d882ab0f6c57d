//! What is said when a run is refused before it starts: what is missing, and the flags that would give it.

use host_core::{Ask, Decision, Denied, Origin, Shown};
use host_node::{Judgment, Moment, Plan, RunRequest};
use host_store::Store;

use super::summary;
use crate::app::Context;
use crate::commands::audit;
use crate::commands::policy::explain;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::{OutputMode, Paint, Printer, for_terminal};

/// Records the refusal and explains it.
pub(super) fn end(
    context: &Context,
    plan: &Plan<'_>,
    request: &RunRequest,
    store: &Store,
    moment: &Moment,
    again: &str,
) -> Result<Exit, Failure> {
    let record =
        host_node::refuse(plan, store, moment).map_err(|error| audit::unrecorded(&error))?;
    let printer = context.printer;
    if printer.mode() != OutputMode::Human {
        summary::record(printer, &record);
    }
    let refused = printer.on_stderr(Paint::Refused, "refused:");
    if let Some(judgment) = &plan.judgment {
        by_rules(printer, plan, judgment);
        return Ok(Exit::Refused);
    }
    let missing = plan.missing();
    if missing.is_empty() {
        printer.note(&format!(
            "{refused} `{}` asks for what no run can have here",
            plan.task.name
        ));
        printer.note("");
        for denial in &record.denials {
            printer.note(&format!(
                "    {}   {}",
                Shown(&denial.capability),
                denial.reason
            ));
        }
        printer.note("");
        return Ok(Exit::Refused);
    }
    printer.note(&format!(
        "{refused} `{}` needs what it was not granted",
        plan.task.name
    ));
    printer.note("");
    lines(&missing)
        .iter()
        .for_each(|line| printer.note(&format!("    {line}")));
    printer.note("");
    printer.hint(&hint(&missing, request, again));
    Ok(Exit::Refused)
}

/// What rules said, question by question, and what would have been enough.
fn by_rules(printer: Printer, plan: &Plan<'_>, judgment: &Judgment) {
    let set = &judgment.set;
    printer.note(&format!(
        "{} `{}` may not run as {} by the policy `{}`",
        printer.on_stderr(Paint::Refused, "refused:"),
        plan.task.name,
        judgment.request.caller,
        Shown(set.name())
    ));
    printer.note("");
    let task = judgment.request.task.id();
    for line in explain::lines(set, &task, &judgment.decided) {
        printer.note(&format!("    {line}"));
    }
    let impossible = denied(plan).into_iter().filter(|denied| {
        !judgment
            .decided
            .answers
            .iter()
            .any(|answer| answer.question == denied.question)
    });
    for denied in impossible {
        printer.note(&format!(
            "    {}   {}",
            denied.question,
            denied.rules.join(", ")
        ));
    }
    printer.note("");
    let rules = explain::smallest(set, &judgment.request);
    if rules.is_empty() {
        return;
    }
    printer.note("the smallest rules that would permit what is missing:");
    let lines = rules.iter().flat_map(|rule| rule.lines());
    lines.for_each(|line| printer.note(&format!("    {}", for_terminal(line))));
    printer.note("");
    printer.hint("`host policy explain` says which rules come nearest, and what in them is false");
}

/// The questions that were answered with no.
fn denied<'p>(plan: &'p Plan<'_>) -> Vec<&'p Denied> {
    match &plan.decision {
        Decision::Allowed(_) => Vec::new(),
        Decision::Refused(refusal) => refusal.denied.iter().collect(),
    }
}

fn lines(missing: &[&Ask]) -> Vec<String> {
    let texts: Vec<(String, String, &str)> = missing
        .iter()
        .map(|ask| {
            let why = Shown(ask.why.as_deref().unwrap_or_default()).to_string();
            let origin = match ask.origin {
                Origin::Bundle => "(asked by the bundle)",
                Origin::Overlay => "(asked by the overlay)",
                Origin::Caller => "(asked by you)",
            };
            (ask.capability.to_string(), why, origin)
        })
        .collect();
    let first = texts
        .iter()
        .map(|(capability, _, _)| capability.chars().count())
        .max()
        .unwrap_or(0);
    let second = texts
        .iter()
        .map(|(_, why, _)| why.chars().count())
        .max()
        .unwrap_or(0);
    texts
        .iter()
        .map(|(capability, why, origin)| format!("{capability:first$}  {why:second$}  {origin}"))
        .collect()
}

fn hint(missing: &[&Ask], request: &RunRequest, again: &str) -> String {
    let flags: Vec<String> = missing
        .iter()
        .map(|ask| format!("--allow {}", shell_word(&ask.capability.to_string())))
        .collect();
    let one_by_one = format!("grant them one by one\n        {again} {}", flags.join(" "));
    let dangerous: Vec<&&Ask> = missing
        .iter()
        .filter(|ask| ask.capability.is_dangerous())
        .collect();
    if !dangerous.is_empty() {
        return format!("{one_by_one}\n      (what is dangerous is never part of --allow-asked)");
    }
    if request.allow_asked {
        return one_by_one;
    }
    format!("{one_by_one}\n      or all that it asks for\n        {again} --allow-asked")
}

/// A capability as one word of a shell.
pub(super) fn shell_word(text: &str) -> String {
    let plain =
        |character: char| character.is_ascii_alphanumeric() || "_@%+=:,./-".contains(character);
    if text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::shell_word;

    #[test]
    fn a_capability_is_quoted_only_where_a_shell_needs_it() {
        assert_eq!(shell_word("fs.read:/var/log"), "fs.read:/var/log");
        assert_eq!(shell_word("exec:/bin/a *"), "'exec:/bin/a *'");
        assert_eq!(shell_word("fs.read:'/a b'"), r"'fs.read:'\''/a b'\'''");
    }
}
