//! Reads the directory of a policy set.
//!
//! What decides on runs is read only where nobody but its owner could have written it; tools that only look read any
//! directory, and say where a run would refuse it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use host_core::{CallerName, Timestamp};
use host_node::Ruled;
use host_policy::{PolicySet, Problem, ReadSetError, SET_BYTES_MAX, SourceFile};
use host_store::{OwnedDir, ReadWholeError, read_whole_anywhere};

use super::snippet;
use crate::app::Context;
use crate::clock;
use crate::exit::Exit;
use crate::facts;
use crate::failure::Failure;
use crate::printer::OutputMode;
use crate::wording::shown;

/// Rules that decide on a run, instead of the person at the keyboard.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct PolicyArgs {
    /// Let the rules in this directory decide, not --allow; needs --as
    #[arg(long, value_name = "DIR", requires = "caller", help_heading = "Policy")]
    pub(crate) policy: Option<PathBuf>,

    /// Who the rules are to take you for
    #[arg(
        long = "as",
        value_name = "CALLER",
        requires = "policy",
        help_heading = "Policy"
    )]
    pub(crate) caller: Option<CallerName>,

    /// Why you run it, for the rules and the record
    #[arg(
        long,
        value_name = "TEXT",
        requires = "policy",
        help_heading = "Policy"
    )]
    pub(crate) reason: Option<String>,
}

/// How long a reason may be, in bytes.
const REASON_BYTES_MAX: usize = 1_024;

/// The rules that a command line names to decide on its run.
pub(crate) fn ruled(context: &Context, typed: &PolicyArgs) -> Result<Option<Ruled>, Failure> {
    let (Some(directory), Some(caller)) = (&typed.policy, &typed.caller) else {
        return Ok(None);
    };
    let reason = typed.reason.clone().unwrap_or_default();
    if reason.len() > REASON_BYTES_MAX {
        return Err(Failure::usage(format!(
            "--reason has more than {REASON_BYTES_MAX} bytes"
        )));
    }
    let set = deciding(context, directory)?;
    // What cannot be named cannot be kept from being written.
    let place = std::fs::canonicalize(directory).map_err(|error| unusable(directory, &error))?;
    let moment = clock::moment()?;
    Ok(Some(Ruled {
        set: Arc::new(set),
        caller: caller.clone(),
        reason,
        time: Timestamp::from_unix(moment.unix_seconds, moment.nanos),
        node: context.settings.node.clone(),
        facts: facts::gather(&context.settings)?,
        place,
    }))
}

fn unusable(directory: &Path, error: &dyn std::error::Error) -> Failure {
    let sentence = format!(
        "the policy `{}` cannot be used, so nothing is run",
        shown(directory)
    );
    Failure::new(Exit::Refused, error).within(sentence)
}

/// A set that decides: read where nobody but its owner could have written, or not at all.
fn deciding(context: &Context, directory: &Path) -> Result<PolicySet, Failure> {
    let path = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
    let opened = OwnedDir::open(&path).map_err(|error| unusable(directory, &error))?;
    let files = opened
        .read_whole(SET_BYTES_MAX)
        .map_err(|error| unusable(directory, &error))?;
    read(context, directory, counted(files)).map_err(|failure| Failure {
        exit: Exit::Refused,
        ..failure
    })
}

/// A set to look at.
pub(super) fn looking(context: &Context, directory: &Path) -> Result<PolicySet, Failure> {
    read(context, directory, files(directory)?)
}

/// The files of a directory to look at.
pub(super) fn files(directory: &Path) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let read = read_whole_anywhere(directory, SET_BYTES_MAX);
    read.map(counted).map_err(|error| {
        let exit = match error {
            ReadWholeError::Directory(host_store::OpenDirError::Missing { .. }) => {
                return Failure::usage(format!("there is no `{}`", shown(directory)));
            }
            ReadWholeError::Directory(_) => Exit::Usage,
            _ => Exit::Refused,
        };
        Failure::new(exit, &error).within(format!("`{}` cannot be read", shown(directory)))
    })
}

/// The files that count. One with a dot before its name is somebody's own business, unless it looks like a part of the set:
/// then it is handed on, and the set is refused for it.
fn counted(files: Vec<(String, Vec<u8>)>) -> Vec<(String, Vec<u8>)> {
    let is_meant = |name: &str| {
        [".cedar", ".toml", ".yaml"]
            .iter()
            .any(|end| name.ends_with(end))
    };
    let counts = |(name, _): &(String, Vec<u8>)| !name.starts_with('.') || is_meant(name);
    files.into_iter().filter(counts).collect()
}

/// Whether a run would read the same directory, and if not, why.
pub(super) fn is_guarded(directory: &Path) -> Result<(), String> {
    let path = std::path::absolute(directory).map_err(|error| error.to_string())?;
    let opened = OwnedDir::open(&path).map_err(|error| error.to_string())?;
    opened
        .read_whole(SET_BYTES_MAX)
        .map(drop)
        .map_err(|error| error.to_string())
}

/// The name of a set: that of its directory.
pub(super) fn name(directory: &Path) -> String {
    let absolute = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
    absolute.file_name().map_or_else(
        || "policy".to_owned(),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// The files as texts; one that is no text is a problem like any other.
pub(super) fn sources(files: Vec<(String, Vec<u8>)>) -> Result<Vec<SourceFile>, ReadSetError> {
    let mut sources = Vec::with_capacity(files.len());
    let mut problems = Vec::new();
    for (name, bytes) in files {
        match String::from_utf8(bytes) {
            Ok(text) => sources.push(SourceFile { name, text }),
            Err(_) => problems.push(Problem {
                file: Some(name),
                span: None,
                line: None,
                message: "it is not UTF-8".to_owned(),
                help: None,
            }),
        }
    }
    if problems.is_empty() {
        Ok(sources)
    } else {
        Err(ReadSetError { problems })
    }
}

fn read(
    context: &Context,
    directory: &Path,
    files: Vec<(String, Vec<u8>)>,
) -> Result<PolicySet, Failure> {
    let texts = files.clone();
    let parsed = sources(files).and_then(|sources| PolicySet::read(&name(directory), sources));
    parsed.map_err(|error| broken(context, directory, &error, &texts))
}

/// Shows what is wrong with a set, and ends with it.
pub(super) fn broken(
    context: &Context,
    directory: &Path,
    error: &ReadSetError,
    files: &[(String, Vec<u8>)],
) -> Failure {
    let count = error.problems.len();
    let what = if count == 1 {
        "one problem".to_owned()
    } else {
        format!("{count} problems")
    };
    let failure = Failure::plain(
        Exit::Refused,
        format!("policy set `{}` cannot be used: {what}", shown(directory)),
    )
    .hint(format!(
        "nothing of a set is used while any of it is wrong: host policy check {}",
        shown(directory)
    ));
    if context.printer.mode() != OutputMode::Human {
        return failure.details(error.problems.iter().map(ToString::to_string).collect());
    }
    for problem in &error.problems {
        let text = files
            .iter()
            .find(|(name, _)| Some(name) == problem.file.as_ref())
            .and_then(|(_, bytes)| std::str::from_utf8(bytes).ok());
        context
            .printer
            .note(&snippet::rendered(context.printer, problem, text, true));
        context.printer.note("");
    }
    failure
}
