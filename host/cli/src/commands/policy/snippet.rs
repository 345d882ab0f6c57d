//! A place in a file of rules, with the line underlined.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use host_policy::Problem;
use serde_json::{Value, json};

use crate::printer::{Printer, for_terminal};

/// How much of a message of Cedar is shown.
const MESSAGE_CHARACTERS_MAX: usize = 2_000;

/// What is wrong, as people see it. `text` is the file's.
pub(super) fn rendered(
    printer: Printer,
    problem: &Problem,
    text: Option<&str>,
    is_error: bool,
) -> String {
    let level = if is_error {
        Level::ERROR
    } else {
        Level::WARNING
    };
    let message: String = problem
        .message
        .chars()
        .take(MESSAGE_CHARACTERS_MAX)
        .collect();
    let message = for_terminal(&message);
    // Colours of its own would survive no redirection; ours say what it is.
    let renderer = if printer.paints_stderr() {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let (Some(file), Some(text), Some(span)) = (&problem.file, text, &problem.span) else {
        let place = problem
            .file
            .as_ref()
            .map(|file| format!("{}: ", for_terminal(file)));
        let title = format!("{}{message}", place.unwrap_or_default());
        let help = problem.help.as_deref().map(for_terminal);
        let title = level.primary_title(title.as_str());
        let group = match &help {
            Some(help) => title.element(Level::HELP.message(help.as_str())),
            None => annotate_snippets::Group::with_title(title),
        };
        return trimmed(&renderer.render(&[group]));
    };
    let safe = tame(text);
    let snippet = Snippet::source(safe.as_str())
        .path(file.as_str())
        .annotation(AnnotationKind::Primary.span(span.clone()));
    let mut group = level.primary_title(message.as_str()).element(snippet);
    let help = problem.help.as_deref().map(for_terminal);
    if let Some(help) = &help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    trimmed(&renderer.render(&[group]))
}

/// A rule with the word that decided underlined, as in an explanation.
pub(super) fn decided(
    printer: Printer,
    file: &str,
    text: &str,
    span: std::ops::Range<usize>,
    label: &str,
) -> String {
    let renderer = if printer.paints_stdout() {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let safe = tame(text);
    let word = effect_span(text, &span);
    let snippet = Snippet::source(safe.as_str())
        .path(file)
        .annotation(AnnotationKind::Visible.span(span))
        .annotation(AnnotationKind::Primary.span(word).label(label));
    trimmed(&renderer.render(&[annotate_snippets::Group::with_level(Level::NOTE).element(snippet)]))
}

/// The bytes of `permit` or `forbid` in a rule: the first such word that is in no string and no comment.
fn effect_span(text: &str, rule: &std::ops::Range<usize>) -> std::ops::Range<usize> {
    let body = text.get(rule.clone()).unwrap_or_default();
    let (mut in_string, mut in_comment, mut escaped) = (false, false, false);
    for (at, letter) in body.char_indices() {
        let rest = body.get(at..).unwrap_or_default();
        match letter {
            '\n' => in_comment = false,
            _ if in_comment => {}
            '"' if !escaped => in_string = !in_string,
            '/' if !in_string && rest.starts_with("//") => in_comment = true,
            _ if !in_string
                && ["permit", "forbid"]
                    .iter()
                    .any(|word| rest.starts_with(word)) =>
            {
                let from = rule.start + at;
                return from..from + "permit".len();
            }
            _ => {}
        }
        escaped = letter == '\\' && !escaped;
    }
    rule.clone()
}

/// The text with as many bytes, in which nothing acts on a terminal.
fn tame(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        let acts = letter != '\n' && letter != '\t' && host_core::is_hidden(letter);
        if acts {
            safe.extend(std::iter::repeat_n('?', letter.len_utf8()));
        } else {
            safe.push(letter);
        }
    }
    safe
}

fn trimmed(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n").trim_end().to_owned()
}

/// A problem as data.
pub(super) fn as_json(problem: &Problem) -> Value {
    json!({
        "file": problem.file,
        "line": problem.line,
        "from": problem.span.as_ref().map(|span| span.start),
        "to": problem.span.as_ref().map(|span| span.end),
        "message": problem.message,
        "help": problem.help,
    })
}
