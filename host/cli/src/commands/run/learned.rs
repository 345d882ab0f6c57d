//! What is told at the end of a run that learns: what it used, what it wanted and did not have, and what it did not use.

use host_core::{Capability, Outcome, Shown, Used};
use host_node::Finished;

use crate::printer::{Paint, Printer};

/// How many things of each kind are told; all of them are in the audit log.
const TOLD_MAX: usize = 20;

/// Says it to people, beside the data.
pub(super) fn tell(printer: Printer, finished: &Finished) {
    let record = &finished.record;
    let Some(learned) = &finished.learned else {
        // A run that did not start has said why.
        if !matches!(
            record.outcome,
            Outcome::Refused { .. } | Outcome::CouldNotStart { .. }
        ) {
            printer.note("note: nobody could take note of what the run used, so there is nothing to learn from it");
        }
        return;
    };
    let of = |granted: bool| {
        let lines = learned.lines.iter();
        let lines = lines.filter(move |line| line.granted == granted);
        lines.map(|line| &line.capability)
    };
    list(printer, "used", of(true).map(Capability::to_string));
    list(printer, "wanted", of(false).map(Capability::to_string));
    let unused = record.grant.iter().filter(|line| line.used == Used::No);
    list(
        printer,
        "unused",
        unused.map(|line| line.capability.clone()),
    );
    if learned.beyond > 0 {
        printer.note(&format!(
            "note: it did {} more that could not be noted, so what it did not use is not known",
            learned.beyond
        ));
    }
    if learned.blind {
        printer
            .note("note: not all that it did could be seen, so what it did not use is not known");
    } else if learned.lines.is_empty() {
        printer.note("note: it used nothing that has to be granted");
    }
    printer.hint(&format!(
        "write the least rules from it, and what its tasks have to ask for\n        host policy learn --run {run}\n        host policy learn --run {run} --asks asks.json; host bundle pack MODULE --asks asks.json",
        run = record.run
    ));
}

fn list(printer: Printer, head: &str, texts: impl Iterator<Item = String>) {
    let mut texts: Vec<String> = texts.collect();
    texts.dedup();
    let head = format!("{head:8}");
    for (index, text) in texts.iter().take(TOLD_MAX).enumerate() {
        let head = if index == 0 {
            printer.on_stderr(Paint::Bold, &head)
        } else {
            " ".repeat(head.len())
        };
        printer.note(&format!("{head} {}", Shown(text)));
    }
    let more = texts.len().saturating_sub(TOLD_MAX);
    if more > 0 {
        printer.note(&format!("{:8} and {more} more", ""));
    }
}
