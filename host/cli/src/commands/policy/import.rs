//! `host policy import`: rules of other systems, carried over exactly or not at all.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use host_core::ModuleName;
use host_policy::choria::{self, ImportErrors, ImportOptions, Imported};
use host_policy::{PolicySet, SourceFile};
use host_store::{OwnedDir, Privacy};
use serde_json::{Value, json};

use super::sets;
use crate::app::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::{OutputMode, for_terminal};
use crate::wording::shown;

/// How names of Choria's action policies end.
const POLICY_SUFFIX: &str = ".policy";
/// The name of its file of groups.
const GROUPS: &str = "groups";

/// Carry over the rules of another system
#[derive(Debug, Subcommand)]
pub(crate) enum ImportCommand {
    Choria(ChoriaArgs),
}

/// Carry over Choria's action policies and groups, first-match semantics kept exactly
///
/// FROM is the directory of its policies: files that end in `.policy`, and `groups`. What cannot be carried over exactly is
/// refused with its line, and then nothing is written. The report says of each line what became of it, and of lines that the
/// old server passed over that they count again.
#[derive(Args, Debug)]
#[command(after_help = "examples:
  host policy import choria /etc/choria/policies --into ./choria
  host policy import choria ./policies --dry-run --enable-default")]
pub(crate) struct ChoriaArgs {
    /// The directory of the old policies
    #[arg(value_name = "FROM")]
    from: PathBuf,

    /// The directory of the new set, which is made
    #[arg(long, value_name = "DIR", required_unless_present = "dry_run")]
    into: Option<PathBuf>,

    /// Write nothing, and only report
    #[arg(long, conflicts_with = "into")]
    dry_run: bool,

    /// A kind of caller whose id is the name of ours, such as choria in choria=alice (may be repeated) [default: choria]
    #[arg(long, value_name = "KIND")]
    kind: Vec<String>,

    /// Carry over default.policy, as with plugin.actionpolicy.enable_default
    #[arg(long)]
    enable_default: bool,

    /// An agent that default.policy decides for (may be repeated)
    #[arg(long, value_name = "AGENT")]
    default_agent: Vec<ModuleName>,
}

pub(super) fn run(context: &Context, command: &ImportCommand) -> Result<Exit, Failure> {
    let ImportCommand::Choria(arguments) = command;
    let (files, groups) = old_files(&arguments.from)?;
    let mut options = ImportOptions {
        enable_default: arguments.enable_default,
        default_agents: arguments.default_agent.iter().cloned().collect(),
        ..ImportOptions::default()
    };
    if !arguments.kind.is_empty() {
        options.kinds = arguments.kind.iter().cloned().collect::<BTreeSet<String>>();
    }
    let imported = choria::import(&files, groups.as_deref(), &options)
        .map_err(|errors| refused(context, &arguments.from, &errors))?;
    let sources = imported.files.iter().map(|(name, text)| SourceFile {
        name: name.clone(),
        text: text.clone(),
    });
    // What was written wrongly would be found by the first run; so it is found here.
    let read = PolicySet::read("choria", sources.collect());
    let set =
        read.map_err(|error| Failure::new(Exit::Bug, &error).within("the new set cannot be used"))?;
    if let Some(into) = &arguments.into {
        write(into, &imported)?;
    }
    report(context, arguments, &imported, set.rules().len());
    Ok(Exit::Done)
}

type OldFiles = (Vec<(String, String)>, Option<String>);

fn old_files(from: &Path) -> Result<OldFiles, Failure> {
    let mut files = Vec::new();
    let mut groups = None;
    for (name, bytes) in sets::files(from)? {
        if name != GROUPS && !name.ends_with(POLICY_SUFFIX) {
            continue;
        }
        let text = String::from_utf8(bytes)
            .map_err(|_| Failure::usage(format!("`{}` is not UTF-8", shown(&from.join(&name)))))?;
        if name == GROUPS {
            groups = Some(text);
        } else {
            files.push((name, text));
        }
    }
    if files.is_empty() {
        return Err(Failure::usage(format!(
            "`{}` has no file that ends in .policy",
            shown(from)
        ))
        .hint("name the directory of Choria's action policies"));
    }
    Ok((files, groups))
}

fn write(into: &Path, imported: &Imported) -> Result<(), Failure> {
    let machine = |error: &dyn std::error::Error| {
        Failure::new(Exit::Machine, error).within(format!("`{}` cannot be written", shown(into)))
    };
    let path = std::path::absolute(into).map_err(|error| machine(&error))?;
    if path.exists() {
        return Err(
            Failure::usage(format!("there is a `{}` already", shown(into)))
                .hint("a set is written into a directory of its own, which is made"),
        );
    }
    let directory = OwnedDir::create(&path).map_err(|error| machine(&error))?;
    for (name, text) in &imported.files {
        directory
            .write(name, text.as_bytes(), Privacy::Public)
            .map_err(|error| machine(&error))?;
    }
    Ok(())
}

fn refused(context: &Context, from: &Path, errors: &ImportErrors) -> Failure {
    let problems = errors.problems();
    let failure = Failure::plain(
        Exit::Usage,
        format!(
            "the policies in `{}` cannot be carried over exactly, so none were",
            shown(from)
        ),
    );
    let details = if context.printer.mode() == OutputMode::Human {
        problems
            .iter()
            .flat_map(|problem| {
                [
                    for_terminal(&problem.to_string()),
                    format!("    {}", problem.hint()),
                ]
            })
            .collect()
    } else {
        problems.iter().map(ToString::to_string).collect()
    };
    failure.details(details)
}

fn report(context: &Context, arguments: &ChoriaArgs, imported: &Imported, rules: usize) {
    let printer = context.printer;
    if printer.mode() != OutputMode::Human {
        printer.json(&as_json(arguments, imported, rules));
        return;
    }
    let text = imported.report.to_string();
    text.lines()
        .for_each(|line| printer.line(&for_terminal(line)));
    printer.line("");
    match &arguments.into {
        Some(into) => {
            printer.line(&format!("wrote {rules} rules to `{}`", shown(into)));
            printer.hint(&format!(
                "host policy check {0} && host policy explain {0} --as CALLER TASK",
                shown(into)
            ));
        }
        None => printer.line(&format!("{rules} rules; nothing was written")),
    }
}

fn as_json(arguments: &ChoriaArgs, imported: &Imported, rules: usize) -> Value {
    let files = imported.report.files.iter().map(|file| {
        let lines = file.lines.iter().map(|line| {
            json!({
                "line": line.line,
                "text": line.text,
                "carried": line.carried.to_string(),
                "notes": line.notes.iter().map(ToString::to_string).collect::<Vec<_>>(),
            })
        });
        json!({
            "file": file.file,
            "written": file.written,
            "notes": file.notes.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "lines": lines.collect::<Vec<_>>(),
        })
    });
    json!({
        "format": "host.policy-import/1",
        "into": arguments.into,
        "rules": rules,
        "files": files.collect::<Vec<_>>(),
    })
}
