//! `host bundle diff`: what a bundle would ask for, and holds, that an earlier one does not.

mod changes;

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use host_bundle::Change;
use serde_json::json;

use self::changes::{Kind, Row, Section};
use super::columns::columns;
use super::lines::Budget;
use super::look::Look;
use crate::app::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::{OutputMode, Paint};

/// Show what differs between two bundles: signatures, tasks, asks, limits and files
///
/// Each is a sealed bundle, a plain tar of a module, or a module's directory. What is marked + is new in the
/// second, - is gone, ~ is different. Neither needs to be trusted, and nothing of them is run.
#[derive(Args, Debug)]
#[command(after_help = "examples:
  host bundle diff service-1.3.0.tar service-1.4.0.tar
  host bundle diff service-1.4.0.tar ./service")]
pub(crate) struct DiffArgs {
    /// The earlier bundle
    old: PathBuf,

    /// The later bundle
    new: PathBuf,
}

pub(super) fn run(context: &Context, arguments: &DiffArgs) -> Result<Exit, Failure> {
    let before = Look::at(context, &arguments.old)?;
    let after = Look::at(context, &arguments.new)?;
    let files = host_bundle::diff(&before.manifest, &after.manifest);
    let compared: BTreeSet<&str> = files.iter().filter_map(compared_path).collect();
    let old = before.read(context, &compared)?;
    let new = after.read(context, &compared)?;
    let mut rows = changes::of_bundles(&before, &after);
    rows.extend(changes::of_modules(&old.module, &new.module));
    let mut budget = Budget::new();
    rows.extend(
        files
            .iter()
            .map(|change| changes::of_file(change, &old.texts, &new.texts, &mut budget)),
    );
    print(context, &before, &after, &rows);
    Ok(Exit::Done)
}

fn compared_path<'a>(change: &Change<'a>) -> Option<&'a str> {
    match change {
        Change::Changed { after, .. } => Some(after.path.as_str()),
        Change::Added(_) | Change::Removed(_) => None,
    }
}

fn print(context: &Context, before: &Look, after: &Look, rows: &[Row]) {
    let printer = context.printer;
    if printer.mode() != OutputMode::Human {
        let about = |look: &Look| {
            let id = Some(look.id).filter(|_| look.is_sealed);
            json!({"module": look.manifest.module(), "version": look.manifest.version(), "id": id})
        };
        printer.json(&json!({
            "format": "host.diff/1",
            "before": about(before),
            "after": about(after),
            "changes": rows,
        }));
        return;
    }
    if rows.is_empty() {
        printer.note("no difference");
        return;
    }
    // INVARIANT: the rows of a section stand together.
    for rows in rows.chunk_by(|one, other| one.section == other.section) {
        print_section(context, rows);
    }
}

fn print_section(context: &Context, rows: &[Row]) {
    let cells: Vec<[String; 2]> = rows
        .iter()
        .map(|row| [row.name.clone(), row.words()])
        .collect();
    for (at, (line, row)) in columns(&cells).iter().zip(rows).enumerate() {
        let section = if at == 0 { row.section.as_str() } else { "" };
        let line = format!("{section:6}   {} {line}", row.kind.sign());
        let is_risen = row.section == Section::Asks && row.kind != Kind::Removed;
        let line = if is_risen {
            context.printer.on_stdout(Paint::Refused, &line)
        } else {
            line
        };
        context.printer.line(&line);
    }
}
