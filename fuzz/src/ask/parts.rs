//! Compares a filled capability with its template, part by part.

use host_core::{ArgumentPattern, CanonicalPath, Capability, Command, HostPattern};

use super::{is_of_kind, target};
use crate::capability::decode;
use crate::words::{Word, words};

type Value<'a> = &'a dyn Fn(&str) -> String;

/// Panics unless the capability is the template with its values, each in its place.
pub(super) fn check(template: &str, capability: &Capability, value: Value<'_>) {
    assert!(is_of_kind(template, capability));
    let words = words(target(template));
    let first = words.first().cloned().unwrap_or_default();
    let text = first.filled(value);
    match capability {
        Capability::FsRead(path) | Capability::FsWrite(path) | Capability::UnixConnect(path) => {
            assert_eq!(words.len(), 1);
            check_path(&first, path, value);
        }
        Capability::NetConnect(endpoint) => {
            check_host(&first, endpoint.host(), value);
            // The range is the author's, or is left out where an address inside it was filled in.
            let written = first.split('@').get(1).map(|range| range.filled(value));
            let range = endpoint.range().map(ToString::to_string);
            assert!(range.is_none() || written.is_some());
            let is_address = matches!(endpoint.host(), HostPattern::Address(_));
            assert!(range.is_some() || written.is_none() || is_address);
        }
        Capability::HttpRequest(http) => {
            assert_eq!(http.method().as_str(), text);
            check_url(words.get(1), http.host(), http.segments(), value);
        }
        Capability::Env(name) => assert_eq!(name.as_str(), text),
        Capability::Secret(name) => assert_eq!(name.as_str(), text),
        Capability::RunAs(user) => {
            assert_eq!(user.as_str(), text);
            assert_ne!(text, "root");
        }
        Capability::Exec(command) => check_command(&words, command, value),
        Capability::AppearRoot | Capability::HostFull => assert!(words.is_empty()),
    }
}

fn check_path(word: &Word, path: &CanonicalPath, value: Value<'_>) {
    let whole = word.pieces.len() == 1 && word.has_hole();
    let written = if whole {
        value(word.first_hole().unwrap_or_default())
            .split('/')
            .map(str::to_owned)
            .collect()
    } else {
        let pieces = word.split('/');
        pieces
            .iter()
            .map(|piece| piece.filled(value))
            .collect::<Vec<_>>()
    };
    let written: Vec<String> = written
        .into_iter()
        .filter(|segment| !segment.is_empty())
        .collect();
    let have: Vec<&str> = path.segments().collect();
    assert_eq!(have, written);
    assert!(have.iter().all(|segment| !matches!(*segment, "." | "..")));
}

/// A host that comes from a value is one name or address; a pattern is the author's.
fn check_host(word: &Word, host: &HostPattern, value: Value<'_>) {
    match (word.first_hole(), host) {
        (Some(name), HostPattern::Name(_)) => {
            assert_eq!(host.to_string(), value(name).to_ascii_lowercase());
        }
        (Some(_), HostPattern::Address(_)) => {}
        (Some(_), HostPattern::Below(_) | HostPattern::Network(_)) => {
            panic!("a value became the pattern {host}")
        }
        (None, _) => {
            let text = word.filled(value).to_ascii_lowercase();
            let is_name = matches!(host, HostPattern::Name(_) | HostPattern::Below(_));
            assert!(!is_name || text.starts_with(&format!("{host}:")), "{host}");
        }
    }
}

fn check_url(word: Option<&Word>, host: &HostPattern, segments: &[String], value: Value<'_>) {
    let word = word.cloned().unwrap_or_default();
    // Scheme, nothing, authority, and then the path.
    let pieces = word.split('/');
    if pieces
        .get(2)
        .is_some_and(|host| host.first_hole().is_some())
    {
        let is_exact = matches!(host, HostPattern::Name(_) | HostPattern::Address(_));
        assert!(is_exact, "a value became the pattern {host}");
    }
    let mut path: Vec<&Word> = pieces.iter().skip(3).collect();
    if path.last().is_some_and(|last| last.pieces.is_empty()) {
        path.pop();
    }
    assert_eq!(segments.len(), path.len(), "{segments:?}");
    for (segment, piece) in segments.iter().zip(path) {
        let encoded = |name: &str| encode(&value(name));
        assert_eq!(*segment, decode(&piece.filled(&encoded)));
        assert!(!matches!(segment.as_str(), "" | "." | ".."));
    }
}

/// Percent-encodes everything.
fn encode(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

fn check_command(words: &[Word], command: &Command, value: Value<'_>) {
    let (program, arguments) = words.split_first().expect("a program");
    let path = match program.split('@').as_slice() {
        [user, rest @ ..] if command.user().is_some() => {
            let user = user.filled(value);
            assert_eq!(command.user().map(ToString::to_string), Some(user.clone()));
            let skipped =
                program.pieces.len() - rest.iter().map(|word| word.pieces.len() + 1).sum::<usize>();
            let mut path = program.clone();
            path.pieces.drain(..=skipped);
            path
        }
        _ => program.clone(),
    };
    check_path(&path, command.program(), value);
    assert_eq!(command.arguments().len(), arguments.len());
    let mut after_dashes = false;
    for (word, argument) in arguments.iter().zip(command.arguments()) {
        check_argument(word, argument, after_dashes, value);
        after_dashes |= !word.has_hole() && word.filled(value) == "--";
    }
}

fn check_argument(word: &Word, argument: &ArgumentPattern, after_dashes: bool, value: Value<'_>) {
    let text = word.filled(value);
    let ArgumentPattern::Literal(literal) = argument else {
        assert!(
            !word.has_hole() && !word.quoted,
            "a value became {argument}"
        );
        // A pattern's directory is made canonical, so only its beginning stays as it was.
        let beginning: String = argument.to_string().chars().take(5).collect();
        assert!(text.starts_with(&beginning), "{text} became {argument}");
        return;
    };
    assert_eq!(*literal, text);
    assert!(!literal.chars().any(char::is_control));
    if !word.has_hole() {
        return;
    }
    let has_dots = literal.split('/').any(|part| matches!(part, "." | ".."));
    assert!(!has_dots, "a value became part of {literal}");
    let first = word.first_hole().map(value).unwrap_or_default();
    let is_option = first.starts_with('-') && !after_dashes;
    assert!(!is_option, "a value became the option {literal}");
}
