//! A first look at the arguments of `host run`, to find the bundle and the task before anything is parsed.
//!
//! The options of a task come from its metadata, so the bundle must be opened before the command line can be
//! read. This look knows only which of our own flags take a value; what it finds is checked by the real
//! parse afterwards, and what it cannot place it leaves alone.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::OnceLock;

use clap::{CommandFactory, ValueEnum};

use crate::args::Cli;
use crate::printer::OutputMode;

/// Flags of every command that the parser adds itself.
const BUILT_IN: [&str; 2] = ["help", "version"];

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
    /// What `--input` says, where that is text.
    pub(crate) input: Option<String>,
    /// Options before the bundle of which nothing is known.
    pub(super) before_bundle: Vec<Stranger>,
    /// The same between the bundle and the task; without a task, all behind the bundle.
    pub(super) before_task: Vec<Stranger>,
    /// The option without a value that the task stands right behind.
    pub(super) switch: Option<String>,
}

/// An option of which nothing is known, so that the word behind it may be its value or not.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Stranger {
    /// With its dashes.
    pub(super) flag: String,
    /// What was taken for its value.
    pub(super) value: Option<String>,
}

/// An option of a task, and whether it takes the word behind it as its value.
pub(super) type KnownOption = (String, bool);

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
    scan_knowing(arguments, &[])
}

/// The same where the options of a task are known.
pub(super) fn scan_knowing(arguments: &[OsString], known: &[KnownOption]) -> Option<Named> {
    let mut found = Words::default();
    let mut arguments = arguments.iter().skip(1);
    while let Some(argument) = arguments.next() {
        let text = argument.to_string_lossy();
        if text == "--" {
            arguments.by_ref().for_each(|word| found.word(word));
        } else if text == "-h" || text == "--help" {
            found.named.help = true;
        } else if let Some(flag) = text.strip_prefix("--") {
            let (name, inline) = flag
                .split_once('=')
                .map_or((flag, None), |(name, _)| (name, inline_value(argument)));
            let next = arguments.clone().next();
            let value = if inline.is_none() && has_value(name, known, next) {
                arguments.next().map(OsString::as_os_str)
            } else {
                inline
            };
            found.flag(name, value, known);
        } else if !text.starts_with('-') || text == "-" {
            found.word(argument);
        }
    }
    found.named()
}

/// What has been seen of a command line so far.
#[derive(Default)]
struct Words<'a> {
    named: Named,
    /// Each word with what stands between it and the word before.
    words: Vec<(&'a OsString, Vec<Stranger>, Option<String>)>,
    strangers: Vec<Stranger>,
    switch: Option<String>,
}

impl<'a> Words<'a> {
    fn word(&mut self, word: &'a OsString) {
        let strangers = std::mem::take(&mut self.strangers);
        self.words.push((word, strangers, self.switch.take()));
    }

    fn flag(&mut self, name: &str, value: Option<&OsStr>, known: &[KnownOption]) {
        let is_own = takes_value(name, &[]).is_some();
        let is_known = takes_value(name, known);
        self.switch = None;
        if name == "modulepath" {
            self.named.modulepath.extend(value.map(PathBuf::from));
        } else if name == "input" {
            self.named.input = value.and_then(OsStr::to_str).map(str::to_owned);
        } else if is_known.is_none() {
            self.strangers.push(Stranger {
                flag: format!("--{name}"),
                value: value.map(|value| value.to_string_lossy().into_owned()),
            });
        } else if !is_own && value.is_none() {
            self.switch = Some(format!("--{name}"));
        }
    }

    fn named(self) -> Option<Named> {
        let mut named = self.named;
        let mut words = self.words.into_iter();
        let (first, before, _) = words.next()?;
        if first != "run" {
            return None;
        }
        named.before_bundle = before;
        let (bundle, before, _) = words.next()?;
        named.before_bundle.extend(before);
        named.bundle = PathBuf::from(bundle);
        for (word, before, switch) in words {
            named.before_task.extend(before);
            let word = word.to_string_lossy();
            if !word.contains('=') {
                named.task = Some(word.into_owned());
                named.switch = switch;
                return Some(named);
            }
        }
        named.before_task.extend(self.strangers);
        Some(named)
    }
}

/// Whether the word behind a flag is its value.
fn has_value(name: &str, known: &[KnownOption], next: Option<&OsString>) -> bool {
    // An option that nobody knows has a value as a rule, but hardly one that is written like a flag of ours.
    takes_value(name, known).unwrap_or_else(|| next.is_some_and(|next| !is_own_flag(next)))
}

/// Whether a word is one of our own flags, with a value of its own or without one.
fn is_own_flag(word: &OsStr) -> bool {
    let text = word.to_string_lossy();
    let Some(flag) = text.strip_prefix("--") else {
        return text == "-h";
    };
    let name = flag.split('=').next().unwrap_or_default();
    flag.is_empty() || BUILT_IN.contains(&name) || takes_value(name, &[]).is_some()
}

/// What stands behind the first `=` of a flag.
fn inline_value(flag: &OsStr) -> Option<&OsStr> {
    let bytes = flag.as_bytes();
    let at = bytes.iter().position(|byte| *byte == b'=')?;
    bytes.get(at + 1..).map(OsStr::from_bytes)
}

/// Our own flags of `host run`, and whether they take a value.
fn flags() -> &'static [KnownOption] {
    static FLAGS: OnceLock<Vec<KnownOption>> = OnceLock::new();
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

/// Whether a flag takes the word behind it as its value, if it is ours or among those that are `known`.
fn takes_value(name: &str, known: &[KnownOption]) -> Option<bool> {
    flags()
        .iter()
        .chain(known)
        .find(|(flag, _)| flag == name)
        .map(|(_, takes)| *takes)
}

/// The names of our own long flags, which no option of a task replaces.
pub(super) fn own_flags() -> Vec<String> {
    let built_in = BUILT_IN.map(str::to_owned);
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
        check(
            "host run b.tar --force --allow fs.read:/x svc",
            Some(("b.tar", Some("svc"), false)),
        );
        check(
            "host run b.tar --force --timeout=3s svc",
            Some(("b.tar", Some("svc"), false)),
        );
        check("host run b.tar --force --help", Some(("b.tar", None, true)));
        check("host run --help", None);
        check("host doctor", None);
        check("host", None);
    }

    #[test]
    fn options_that_are_known_take_values_as_they_do() {
        let line = "host run b.tar --force svc --who --allow=x";
        let arguments: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let unknown = scan(&arguments).unwrap();
        assert_eq!(unknown.task, None);
        let flags: Vec<&str> = unknown
            .before_task
            .iter()
            .map(|stranger| stranger.flag.as_str())
            .collect();
        assert_eq!(flags, ["--force", "--who"]);
        let known = [("force".to_owned(), false), ("who".to_owned(), true)];
        let named = scan_knowing(&arguments, &known).unwrap();
        assert_eq!(named.task.as_deref(), Some("svc"));
        assert_eq!(named.switch.as_deref(), Some("--force"));
        assert!(named.before_task.is_empty());
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
