//! A first look at the arguments of `host run`, to find the bundle and the task before anything is parsed.
//!
//! The options of a task come from its metadata, so the bundle must be opened before the command line can be
//! read. This look knows only which of our own flags take a value; what it finds is checked by the real
//! parse afterwards, and what it cannot place it leaves alone.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::OnceLock;

use clap::{CommandFactory, ValueEnum};

use crate::args::Cli;
use crate::printer::OutputMode;

/// What was named on a command line of `host run`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Named {
    /// The bundle or directory.
    pub(crate) bundle: PathBuf,
    /// The first word behind it that is no parameter.
    pub(crate) task: Option<String>,
    /// Whether help is asked for.
    pub(crate) help: bool,
    /// Directories with other modules.
    pub(crate) modulepath: Vec<PathBuf>,
}

/// The form of output that is asked for, whatever else is on the command line.
pub(crate) fn output_mode(arguments: &[OsString]) -> Option<OutputMode> {
    // What is not UTF-8 is neither the flag nor a value of it.
    let mut arguments = arguments
        .iter()
        .map(|argument| argument.to_str().unwrap_or_default())
        .take_while(|argument| *argument != "--");
    let mut mode = None;
    while let Some(argument) = arguments.next() {
        let value = match argument.strip_prefix("--output") {
            Some("") => arguments.next(),
            Some(rest) => rest.strip_prefix('='),
            None => None,
        };
        mode = value
            .and_then(|value| OutputMode::from_str(value, false).ok())
            .or(mode);
    }
    mode
}

/// Finds bundle and task; nothing if this is not `host run` with a bundle.
///
/// Words need not be UTF-8: a path may be anything, and all that counts in other words is.
pub(crate) fn scan(arguments: &[OsString]) -> Option<Named> {
    let mut words: Vec<&OsString> = Vec::new();
    let mut named = Named::default();
    let mut arguments = arguments.iter().skip(1);
    while let Some(argument) = arguments.next() {
        let text = argument.to_string_lossy();
        if text == "--" {
            words.extend(arguments.by_ref());
        } else if text == "-h" || text == "--help" {
            named.help = true;
        } else if let Some(flag) = text.strip_prefix("--") {
            let (flag, inline) = flag
                .split_once('=')
                .map_or((flag, None), |(flag, _)| (flag, inline_value(argument)));
            // An option that is not ours is one of the task's, which have values as a rule.
            let value = if inline.is_none() && takes_value(flag).unwrap_or(true) {
                arguments.next().map(OsString::as_os_str)
            } else {
                inline
            };
            if flag == "modulepath" {
                named.modulepath.extend(value.map(PathBuf::from));
            }
        } else if !text.starts_with('-') || text == "-" {
            words.push(argument);
        }
    }
    let mut words = words.into_iter();
    if words.next()? != "run" {
        return None;
    }
    named.bundle = PathBuf::from(words.next()?);
    named.task = words
        .map(|word| word.to_string_lossy())
        .find(|word| !word.contains('='))
        .map(Cow::into_owned);
    Some(named)
}

/// What stands behind the first `=` of a flag.
fn inline_value(flag: &OsStr) -> Option<&OsStr> {
    let bytes = flag.as_bytes();
    let at = bytes.iter().position(|byte| *byte == b'=')?;
    bytes.get(at + 1..).map(OsStr::from_bytes)
}

/// Our own flags of `host run`, and whether they take a value.
fn flags() -> &'static [(String, bool)] {
    static FLAGS: OnceLock<Vec<(String, bool)>> = OnceLock::new();
    FLAGS.get_or_init(|| {
        let command = Cli::command();
        let own = command.get_arguments();
        let run = command
            .find_subcommand("run")
            .into_iter()
            .flat_map(clap::Command::get_arguments);
        own.chain(run)
            .filter_map(|flag| {
                Some((
                    flag.get_long()?.to_owned(),
                    flag.get_action().takes_values(),
                ))
            })
            .collect()
    })
}

fn takes_value(flag: &str) -> Option<bool> {
    flags()
        .iter()
        .find(|(name, _)| name == flag)
        .map(|(_, takes)| *takes)
}

/// The names of our own long flags, which no option of a task replaces.
pub(super) fn own_flags() -> Vec<String> {
    let built_in = ["help", "version"].map(str::to_owned);
    flags()
        .iter()
        .map(|(name, _)| name.clone())
        .chain(built_in)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: Option<(&str, Option<&str>, bool)>) {
        let arguments: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let found = scan(&arguments).map(|named| (named.bundle, named.task, named.help));
        let expected = expected
            .map(|(bundle, task, help)| (PathBuf::from(bundle), task.map(str::to_owned), help));
        assert_eq!(found, expected, "{line}");
    }

    #[test]
    fn bundle_and_task_are_found_between_flags_and_parameters() {
        check("host run b.tar", Some(("b.tar", None, false)));
        check(
            "host --output json run b.tar svc",
            Some(("b.tar", Some("svc"), false)),
        );
        check(
            "host run --allow fs.read:/x b.tar svc action=stop",
            Some(("b.tar", Some("svc"), false)),
        );
        check(
            "host run --noop b.tar name=x svc",
            Some(("b.tar", Some("svc"), false)),
        );
        check(
            "host run b.tar svc --action stop --help",
            Some(("b.tar", Some("svc"), true)),
        );
        check("host run b.tar --action stop", Some(("b.tar", None, false)));
        check(
            "host run --limit=wall=2s b.tar -- svc",
            Some(("b.tar", Some("svc"), false)),
        );
        check("host run --help", None);
        check("host doctor", None);
        check("host", None);
    }

    /// A path that is not UTF-8 was looked for under another name.
    #[test]
    fn a_path_is_taken_as_it_is() {
        let odd = OsStr::from_bytes(b"caf\xe9");
        let flag = OsStr::from_bytes(b"--modulepath=/\xe9");
        let arguments = ["host".as_ref(), "run".as_ref(), flag, odd].map(OsStr::to_owned);
        let named = scan(&arguments).unwrap();
        assert_eq!(named.bundle, PathBuf::from(odd));
        assert_eq!(
            named.modulepath,
            [PathBuf::from(OsStr::from_bytes(b"/\xe9"))]
        );
    }

    #[test]
    fn the_form_of_output_is_found_anywhere() {
        for (line, expected) in [
            ("host run b.tar --output json", Some(OutputMode::Json)),
            ("host --output=jsonl run b.tar", Some(OutputMode::Jsonl)),
            ("host run b.tar --output nonsense", None),
            ("host run b.tar -- --output json", None),
        ] {
            let arguments: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            assert_eq!(output_mode(&arguments), expected, "{line}");
        }
    }
}
