//! `host policy test`: runs the decision tables of a set.

use std::path::PathBuf;

use clap::Args;
use host_core::{Decision, Shown};
use host_policy::{CaseResult, Table};
use serde_json::{Value, json};

use super::{sets, snippet};
use crate::app::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::{OutputMode, Paint};
use crate::wording::shown;

/// Run the decision tables of a set: cases that say what it is meant to decide
///
/// A table stands beside the rules, in a file whose name ends in `decisions.yaml`.
#[derive(Args, Debug)]
#[command(after_help = "examples:
  host policy test policies/web-ops
  host policy test policies/* --only refused")]
pub(crate) struct TestArgs {
    /// Directories of policy sets
    #[arg(value_name = "DIR", required = true)]
    directories: Vec<PathBuf>,

    /// Only cases whose name has this in it
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
}

pub(super) fn run(context: &Context, arguments: &TestArgs) -> Result<Exit, Failure> {
    let printer = context.printer;
    let (mut passed, mut failed) = (0, 0);
    let mut all = Vec::new();
    for directory in &arguments.directories {
        let set = sets::looking(context, directory)?;
        let mut tables = Vec::new();
        for file in set.tables() {
            tables.push(Table::read(file).map_err(|problem| {
                printer.note(&snippet::rendered(
                    printer,
                    &problem,
                    Some(&file.text),
                    true,
                ));
                Failure::usage(format!("the table `{}` cannot be read", Shown(&file.name)))
            })?);
        }
        if tables.is_empty() {
            return Err(
                Failure::usage(format!("`{}` has no decision table", shown(directory)))
                    .hint("put one beside the rules, in a file whose name ends in decisions.yaml"),
            );
        }
        if arguments.directories.len() > 1 && printer.mode() == OutputMode::Human {
            printer.line(&printer.on_stdout(Paint::Bold, &shown(directory)));
        }
        for table in &tables {
            for result in table.run(&set) {
                let is_wanted = arguments
                    .only
                    .as_ref()
                    .is_none_or(|only| result.case.name.contains(only));
                if !is_wanted {
                    continue;
                }
                if result.differences.is_empty() {
                    passed += 1;
                } else {
                    failed += 1;
                }
                if printer.mode() == OutputMode::Human {
                    line(context, &table.file, &result);
                }
                all.push(as_json(set.name(), &table.file, &result));
            }
        }
    }
    if passed + failed == 0 {
        let only = arguments.only.as_deref().unwrap_or_default();
        return Err(Failure::usage(format!(
            "no case has `{}` in its name",
            Shown(only)
        )));
    }
    if printer.mode() == OutputMode::Human {
        printer.line(&format!("{passed} passed, {failed} failed"));
    } else {
        printer.json(&json!({
            "format": "host.policy-test/1", "passed": passed, "failed": failed, "cases": all,
        }));
    }
    Ok(if failed == 0 {
        Exit::Done
    } else {
        Exit::TaskFailed
    })
}

fn line(context: &Context, file: &str, result: &CaseResult<'_>) {
    let printer = context.printer;
    let word = if result.differences.is_empty() {
        printer.on_stdout(Paint::Ok, "ok    ")
    } else {
        printer.on_stdout(Paint::Failed, "failed")
    };
    printer.line(&format!("{word}  {}", Shown(&result.case.name)));
    for difference in &result.differences {
        printer.line(&format!(
            "        {}: {}",
            Shown(file),
            crate::printer::for_terminal(difference)
        ));
    }
}

fn as_json(set: &str, file: &str, result: &CaseResult<'_>) -> Value {
    json!({
        "set": set,
        "table": file,
        "name": result.case.name,
        "passed": result.differences.is_empty(),
        "allowed": matches!(result.decided.decision, Decision::Allowed(_)),
        "rules": result.decided.rules(),
        "differences": result.differences,
    })
}
