//! What is wrong with a command line, said in our words instead of the parser's.

use std::error::Error as _;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use host_core::Shown;

use crate::failure::Failure;

/// A command line that cannot be read.
pub(crate) fn failure(error: &clap::Error) -> Failure {
    let failure = Failure::usage(message(error).unwrap_or_else(|| rendered(error)));
    let failure = match error.source() {
        Some(why) if error.kind() == ErrorKind::ValueValidation => failure.because(why.to_string()),
        _ => failure,
    };
    let text = error.render().to_string();
    let usage = text.lines().find_map(|line| line.strip_prefix("Usage: "));
    match usage {
        Some(usage) => failure.hint(format!("usage: {usage}")),
        None => match valueless(error) {
            Some(flag) => failure.hint(format!("write it as {flag}")),
            None => failure,
        },
    }
}

/// A flag without its value, with what stands for it.
fn valueless(error: &clap::Error) -> Option<String> {
    let has_value = !texts(error, ContextKind::InvalidValue).concat().is_empty();
    let flag = texts(error, ContextKind::InvalidArg).join(" ");
    let is_meant = error.kind() == ErrorKind::InvalidValue && !has_value && flag.contains(' ');
    is_meant.then(|| flag.replace(['<', '>'], ""))
}

/// The flag, word or value that the error is about, printable.
pub(crate) fn culprit(error: &clap::Error) -> String {
    let flag = |text: String| {
        // What follows a flag stands for its value.
        let name = text.split(" <").next().unwrap_or_default();
        name.replace(['<', '>'], "")
    };
    let texts = texts(error, ContextKind::InvalidArg).into_iter();
    texts.map(flag).collect::<Vec<_>>().join(", ")
}

/// What is known and nearly so called, as a question.
pub(crate) fn did_you_mean(error: &clap::Error) -> Option<String> {
    let kinds = [
        ContextKind::SuggestedArg,
        ContextKind::SuggestedSubcommand,
        ContextKind::SuggestedValue,
    ];
    let near: Vec<String> = kinds
        .into_iter()
        .flat_map(|kind| texts(error, kind))
        .collect();
    let near = near.first()?;
    Some(format!("did you mean `{near}`?"))
}

fn message(error: &clap::Error) -> Option<String> {
    let culprit = culprit(error);
    let value = texts(error, ContextKind::InvalidValue).join(", ");
    let plainly = match error.kind() {
        ErrorKind::MissingRequiredArgument => {
            let verb = if culprit.contains(", ") { "are" } else { "is" };
            format!("{culprit} {verb} missing")
        }
        ErrorKind::UnknownArgument if culprit.starts_with('-') => {
            format!("there is no option `{culprit}`")
        }
        ErrorKind::UnknownArgument => format!("`{culprit}` is one word too many"),
        ErrorKind::TooManyValues => format!("`{culprit}` takes no value, and `{value}` was given"),
        ErrorKind::InvalidSubcommand => {
            let command = texts(error, ContextKind::InvalidSubcommand).join(", ");
            format!("there is no command `{command}`")
        }
        ErrorKind::InvalidValue if value.is_empty() => format!("`{culprit}` has no value"),
        ErrorKind::InvalidValue => {
            let valid = texts(error, ContextKind::ValidValue).join(", ");
            format!("`{value}` is not a value of `{culprit}`: use {valid}")
        }
        ErrorKind::ValueValidation => format!("`{value}` cannot be used for `{culprit}`"),
        ErrorKind::ArgumentConflict => {
            let other = texts(error, ContextKind::PriorArg).join("`, `");
            format!("`{culprit}` cannot be used with `{other}`")
        }
        ErrorKind::InvalidUtf8 => "a word of the command line is not UTF-8".to_owned(),
        _ => return None,
    };
    Some(match did_you_mean(error) {
        Some(question) => format!("{plainly}; {question}"),
        None => plainly,
    })
}

/// The parser's own sentence.
fn rendered(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let first = text.lines().next().unwrap_or_default();
    first.strip_prefix("error: ").unwrap_or(first).to_owned()
}

fn texts(error: &clap::Error, kind: ContextKind) -> Vec<String> {
    let shown = |text: &String| Shown(text).to_string();
    match error.get(kind) {
        Some(ContextValue::String(text)) => vec![shown(text)],
        Some(ContextValue::Strings(texts)) => texts.iter().map(shown).collect(),
        Some(ContextValue::StyledStr(text)) => vec![shown(&text.to_string())],
        _ => Vec::new(),
    }
}
