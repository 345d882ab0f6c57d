//! `host policy check`: whether a set can be used, and what looks wrong in it.

use std::path::PathBuf;

use clap::Args;
use host_policy::{PolicySet, Table};
use serde_json::json;

use super::{sets, snippet};
use crate::app::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::{OutputMode, Paint};
use crate::wording::shown;

/// Check a set of rules: parse it, hold it against the schema, and look for what is probably not meant
///
/// Exit code 3 says that the set cannot be used: a run that names it would be refused. Warnings change nothing.
#[derive(Args, Debug)]
#[command(after_help = "examples:
  host policy check /etc/host/policies/web-ops
  host policy check policies/* --output json")]
pub(crate) struct CheckArgs {
    /// Directories of policy sets
    #[arg(value_name = "DIR", required = true)]
    directories: Vec<PathBuf>,
}

pub(super) fn run(context: &Context, arguments: &CheckArgs) -> Result<Exit, Failure> {
    let printer = context.printer;
    let mut all = Vec::new();
    let mut worst = Exit::Done;
    // What cannot be read is said before anything else is.
    let read = |directory: &PathBuf| sets::files(directory);
    let all_files = arguments.directories.iter().map(read);
    let all_files: Vec<_> = all_files.collect::<Result<_, _>>()?;
    for (directory, files) in arguments.directories.iter().zip(all_files) {
        let texts = files.clone();
        let text_of = |file: Option<&String>| {
            let found = texts.iter().find(|(name, _)| Some(name) == file)?;
            std::str::from_utf8(&found.1).ok()
        };
        let read = sets::sources(files)
            .and_then(|sources| PolicySet::read(&sets::name(directory), sources));
        let (mut errors, mut warnings, counted) = match read {
            Ok(set) => {
                let tables = set.tables().filter_map(|file| Table::read(file).err());
                let counted = (set.rules().len(), set.digest().to_string());
                (tables.collect(), set.warnings().to_vec(), Some(counted))
            }
            Err(error) => (error.problems, Vec::new(), None),
        };
        if let Err(reason) = sets::is_guarded(directory) {
            warnings.push(host_policy::Problem {
                file: None,
                span: None,
                line: None,
                message: format!("a run would not use it from here: {reason}"),
                help: None,
            });
        }
        if !errors.is_empty() {
            worst = Exit::Refused;
        }
        if printer.mode() == OutputMode::Human {
            for (problems, is_error) in [(&mut errors, true), (&mut warnings, false)] {
                for problem in problems.iter() {
                    let text = text_of(problem.file.as_ref());
                    printer.note(&snippet::rendered(printer, problem, text, is_error));
                    printer.note("");
                }
            }
            let name = shown(directory);
            printer.line(&match counted {
                Some((rules, _)) if errors.is_empty() => format!(
                    "{}  {name}  {rules} {}",
                    printer.on_stdout(Paint::Ok, "ok"),
                    if rules == 1 { "rule" } else { "rules" }
                ),
                // A run uses the rules of such a set all the same.
                Some(_) => format!(
                    "{}  {name}",
                    printer.on_stdout(Paint::Failed, "a table cannot be read")
                ),
                None => format!(
                    "{}  {name}",
                    printer.on_stdout(Paint::Failed, "cannot be used")
                ),
            });
        }
        all.push(json!({
            "directory": directory,
            "usable": errors.is_empty(),
            "rules": counted.as_ref().map(|(rules, _)| rules),
            "digest": counted.as_ref().map(|(_, digest)| digest),
            "errors": errors.iter().map(snippet::as_json).collect::<Vec<_>>(),
            "warnings": warnings.iter().map(snippet::as_json).collect::<Vec<_>>(),
        }));
    }
    if printer.mode() != OutputMode::Human {
        printer.json(&json!({"format": "host.policy-check/1", "sets": all}));
    }
    Ok(worst)
}
