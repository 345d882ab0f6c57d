//! What this machine knows of itself: a few plain facts, and data in `facts.d`.
//!
//! Facts are the node's own claim. `facts.d` holds data that only its owner can have written, never programs: one object in
//! each file, JSON (`.json`), YAML (`.yaml`) or TOML (`.toml`). Later files win over earlier ones, and all over what is
//! built in.

use std::io::Read;

use host_store::OwnedDir;
use serde_json::{Map, Value, json};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::settings::Settings;
use crate::wording::shown;

/// How long all files of `facts.d` may be together, in bytes.
const FACTS_BYTES_MAX: u64 = 1 << 20;
/// How deep lists and objects in them may be in each other.
const FACTS_DEPTH_MAX: usize = 32;
/// The directory in that of settings.
const DIRECTORY: &str = "facts.d";
/// Where a system says what it is.
const OS_RELEASE: &str = "/etc/os-release";
/// How much of that is read, in bytes.
const OS_RELEASE_BYTES_MAX: u64 = 64 << 10;

/// The facts of this machine.
pub(crate) fn gather(settings: &Settings) -> Result<Map<String, Value>, Failure> {
    let mut facts = built_in();
    let directory = settings.places.config.join(DIRECTORY);
    let found = std::fs::symlink_metadata(&directory);
    if found.is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
        return Ok(facts);
    }
    let wrong = |error: &dyn std::error::Error| {
        Failure::new(Exit::Machine, error).within(format!(
            "the facts in `{}` cannot be used",
            shown(&directory)
        ))
    };
    let opened = OwnedDir::open(&directory).map_err(|error| wrong(&error))?;
    let files = opened
        .read_whole(FACTS_BYTES_MAX)
        .map_err(|error| wrong(&error))?;
    for (name, bytes) in files.into_iter().filter(|(name, _)| !name.starts_with('.')) {
        let object = read(&name, bytes).map_err(|message| {
            Failure::plain(
                Exit::Machine,
                format!("`{}`: {message}", shown(&directory.join(&name))),
            )
        })?;
        facts.extend(object);
    }
    Ok(facts)
}

fn read(name: &str, bytes: Vec<u8>) -> Result<Map<String, Value>, String> {
    let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    let facts: Map<String, Value> = parse(name, &text)?;
    // What is deeper could be written to the audit log, and not read from it again.
    if facts
        .values()
        .any(|value| is_deeper(value, FACTS_DEPTH_MAX))
    {
        return Err(format!("it is nested deeper than {FACTS_DEPTH_MAX}"));
    }
    Ok(facts)
}

fn is_deeper(value: &Value, depth_max: usize) -> bool {
    let Some(left) = depth_max.checked_sub(1) else {
        return true;
    };
    match value {
        Value::Array(items) => items.iter().any(|item| is_deeper(item, left)),
        Value::Object(fields) => fields.values().any(|field| is_deeper(field, left)),
        _ => false,
    }
}

fn parse(name: &str, text: &str) -> Result<Map<String, Value>, String> {
    match name.rsplit('.').next() {
        Some("json") => serde_json::from_str(text).map_err(|error| error.to_string()),
        Some("yaml") => {
            serde_saphyr::from_str(text).map_err(|error| error.without_snippet().to_string())
        }
        Some("toml") => toml::from_str(text).map_err(|error| error.message().to_owned()),
        _ => Err("facts end in .json, .yaml or .toml".to_owned()),
    }
}

fn built_in() -> Map<String, Value> {
    let system = rustix::system::uname();
    let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
    let mut facts = Map::new();
    facts.insert("hostname".to_owned(), text(system.nodename()).into());
    facts.insert("architecture".to_owned(), text(system.machine()).into());
    facts.insert(
        "kernel".to_owned(),
        json!({"release": text(system.release())}),
    );
    facts.insert("os".to_owned(), os());
    facts
}

/// `id` and `version` of the system.
fn os() -> Value {
    let mut text = String::new();
    let read = std::fs::File::open(OS_RELEASE)
        .and_then(|file| file.take(OS_RELEASE_BYTES_MAX).read_to_string(&mut text));
    if read.is_err() {
        return json!({});
    }
    let field = |name: &str| {
        let lines = text.lines().filter_map(|line| line.split_once('='));
        let mut value = lines
            .filter(|(key, _)| *key == name)
            .map(|(_, value)| value.trim_matches('"'));
        value.next_back().map(str::to_owned)
    };
    let mut os = Map::new();
    for (fact, name) in [("id", "ID"), ("version", "VERSION_ID")] {
        if let Some(value) = field(name) {
            os.insert(fact.to_owned(), value.into());
        }
    }
    Value::Object(os)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_come_in_three_forms_and_no_other() {
        for (name, text) in [
            ("a.json", r#"{"role": "app"}"#),
            ("a.yaml", "role: app"),
            ("a.toml", "role = 'app'"),
        ] {
            let facts = read(name, text.as_bytes().to_vec()).unwrap();
            assert_eq!(facts["role"], "app", "{name}");
        }
        for (name, text) in [
            ("a.sh", "echo role=app"),
            ("a.json", "[1]"),
            ("a.yaml", "- 1"),
            ("a", "{}"),
            ("a.toml", "role"),
        ] {
            assert!(
                read(name, text.as_bytes().to_vec()).is_err(),
                "{name} {text}"
            );
        }
    }
}
