//! Subject: the text of capabilities, and which of them covers which; one capability a line.
//!
//! Covering is held against what the capabilities let through: what the covered one admits, the other one admits too.
//! Lines also serve as argument lists (split at tabs) and as URLs, and every command and prefix is asked about them.

mod laws;
mod remote;

use host_core::{ArgumentPattern, CAPABILITY_BYTES_MAX, Capability, Command};

pub(crate) use remote::decode;

/// How many lines are looked at, since every pair and triple of them is compared.
const LINES_MAX: usize = 8;

/// Panics when a capability does not read what it prints, or opens more than it says.
pub fn check(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let lines: Vec<&str> = text.split('\n').take(LINES_MAX).collect();
    let read = |line: &&str| line.parse::<Capability>().ok();
    let capabilities: Vec<Capability> = lines.iter().filter_map(read).collect();
    for capability in &capabilities {
        check_text(capability);
        match capability {
            Capability::Exec(command) => check_command(command, &lines),
            Capability::HttpRequest(target) => remote::check_target(target, &lines),
            Capability::NetConnect(endpoint) => remote::check_endpoint(endpoint),
            _ => {}
        }
    }
    laws::check(&capabilities, &lines);
}

/// Panics unless a capability reads what it prints, as one line.
pub(crate) fn check_text(capability: &Capability) {
    let printed = capability.to_string();
    assert!(printed.len() <= CAPABILITY_BYTES_MAX);
    assert!(!printed.chars().any(char::is_control), "{printed:?}");
    assert!(printed.starts_with(capability.kind()));
    assert_eq!(
        printed.parse::<Capability>().as_ref(),
        Ok(capability),
        "{printed}"
    );
}

fn check_command(command: &Command, lines: &[&str]) {
    for line in lines {
        let arguments: Vec<&str> = line.split('\t').collect();
        let argv: Vec<&str> = std::iter::once(command.program().as_str())
            .chain(arguments.iter().copied())
            .collect();
        if command.matches(&argv) {
            assert_eq!(arguments.len(), command.arguments().len());
        }
        for pattern in command.arguments() {
            for argument in &arguments {
                check_argument(pattern, argument);
            }
        }
        let elsewhere = [&["/somewhere/else"], arguments.as_slice()].concat();
        let is_elsewhere = command.program().as_str() == "/somewhere/else";
        assert!(is_elsewhere || !command.matches(&elsewhere));
    }
}

/// The rules for arguments: what no pattern but the raw one lets through.
fn check_argument(pattern: &ArgumentPattern, argument: &str) {
    if !pattern.matches(argument) {
        return;
    }
    let is_harmless = |letter: char| !letter.is_control() && !"*?[]{}".contains(letter);
    let has_dots = argument.split('/').any(|part| matches!(part, "." | ".."));
    match pattern {
        ArgumentPattern::Raw => assert!(!argument.contains('\0')),
        ArgumentPattern::Literal(text) => assert_eq!(text, argument),
        ArgumentPattern::Path(above) => {
            assert!(std::path::Path::new(argument).starts_with(above.as_str()));
            assert!(argument.starts_with('/') && !has_dots, "{argument:?}");
            assert!(argument.chars().all(is_harmless), "{argument:?}");
        }
        ArgumentPattern::Any
        | ArgumentPattern::Unit
        | ArgumentPattern::Int
        | ArgumentPattern::Name => {
            assert!(!argument.is_empty() && !argument.starts_with(['-', '/']));
            assert!(
                argument.chars().all(is_harmless) && !has_dots,
                "{argument:?}"
            );
        }
    }
}
