//! What changed from one bundle to another, row by row.

use std::collections::{BTreeMap, BTreeSet};

use host_bundle::{Change, FileEntry};
use host_core::{LimitRequests, Shown, TaskName};
use host_task::{Module, TaskAsks};
use host_trust::sshsig::{self, Namespace};
use serde::Serialize;

use crate::commands::bundle::lines::{Budget, changed_lines};
use crate::commands::bundle::look::Look;
use crate::wording::size;

/// What a row is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Section {
    /// Name and version.
    Bundle,
    /// Keys that signed.
    Signed,
    /// Tasks there are.
    Tasks,
    /// What tasks ask for.
    Asks,
    /// The limits that tasks ask for.
    Limits,
    /// The files.
    Files,
}

impl Section {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Bundle => "bundle",
            Self::Signed => "signed",
            Self::Tasks => "tasks",
            Self::Asks => "asks",
            Self::Limits => "limits",
            Self::Files => "files",
        }
    }
}

/// How something changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Added,
    Removed,
    Changed,
}

impl Kind {
    pub(super) fn sign(self) -> char {
        match self {
            Self::Added => '+',
            Self::Removed => '-',
            Self::Changed => '~',
        }
    }
}

/// One difference.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(super) struct Row {
    pub(super) section: Section,
    #[serde(rename = "change")]
    pub(super) kind: Kind,
    /// The task, file, key or module.
    pub(super) name: String,
    /// The capability, where the row is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    capability: Option<String>,
    /// A remark.
    #[serde(skip_serializing_if = "String::is_empty")]
    note: String,
}

impl Row {
    fn new(section: Section, kind: Kind, name: impl ToString, note: impl Into<String>) -> Self {
        Self {
            section,
            kind,
            name: name.to_string(),
            capability: None,
            note: note.into(),
        }
    }

    /// What stands behind the name, for people.
    pub(super) fn words(&self) -> String {
        match &self.capability {
            Some(capability) if self.note.is_empty() => Shown(capability).to_string(),
            Some(capability) => format!("{}   {}", Shown(capability), self.note),
            None => self.note.clone(),
        }
    }
}

/// Differences of name, version and signatures.
pub(super) fn of_bundles(before: &Look, after: &Look) -> Vec<Row> {
    let mut rows = Vec::new();
    let title = |look: &Look| format!("{} {}", look.manifest.module(), look.manifest.version());
    let (old, new) = (title(before), title(after));
    if old != new {
        rows.push(Row::new(
            Section::Bundle,
            Kind::Changed,
            old,
            format!("-> {new}"),
        ));
    }
    let (old, new) = (signers(before), signers(after));
    rows.extend(
        new.difference(&old)
            .map(|key| Row::new(Section::Signed, Kind::Added, key, "")),
    );
    rows.extend(
        old.difference(&new)
            .map(|key| Row::new(Section::Signed, Kind::Removed, key, "")),
    );
    rows
}

/// The fingerprints of the keys whose signatures hold.
fn signers(look: &Look) -> BTreeSet<String> {
    let key =
        |armored: &String| sshsig::verify(armored, Namespace::Bundle, &look.manifest_bytes).ok();
    look.signatures
        .iter()
        .filter_map(key)
        .map(|key| key.fingerprint().to_string())
        .collect()
}

/// Differences of tasks, their asks and their limits.
pub(super) fn of_modules(before: &Module, after: &Module) -> Vec<Row> {
    let (old, new) = (tasks(before), tasks(after));
    let names: BTreeSet<&TaskName> = old.keys().chain(new.keys()).copied().collect();
    let nothing = TaskAsks::default();
    let (mut tasks, mut asks, mut limits) = (Vec::new(), Vec::new(), Vec::new());
    for name in names {
        let (old, new) = (old.get(name), new.get(name));
        tasks.extend(of_task(name, old.copied(), new.copied()));
        let asks_of = |task: Option<&Option<&TaskAsks>>| task.copied().flatten().cloned();
        let (old, new) = (asks_of(old), asks_of(new));
        let (old, new) = (
            old.as_ref().unwrap_or(&nothing),
            new.as_ref().unwrap_or(&nothing),
        );
        asks.extend(of_asks(name, old, new));
        limits.extend(of_limits(name, &old.limits, &new.limits));
    }
    tasks.into_iter().chain(asks).chain(limits).collect()
}

/// Each task with what it asks for; nothing for one that cannot be used.
fn tasks(module: &Module) -> BTreeMap<&TaskName, Option<&TaskAsks>> {
    module
        .tasks()
        .map(|(name, task)| (name, task.ok().map(|task| &task.asks)))
        .collect()
}

fn of_task(
    name: &TaskName,
    old: Option<Option<&TaskAsks>>,
    new: Option<Option<&TaskAsks>>,
) -> Option<Row> {
    let row = |kind, note: &str| Some(Row::new(Section::Tasks, kind, name, note));
    match (old, new) {
        (None, Some(Some(_))) => row(Kind::Added, ""),
        (None, Some(None)) => row(Kind::Added, "cannot be used"),
        (Some(_), None) => row(Kind::Removed, ""),
        (Some(Some(_)), Some(None)) => row(Kind::Changed, "cannot be used any more"),
        (Some(None), Some(Some(_))) => row(Kind::Changed, "can be used now"),
        (None, None) | (Some(Some(_)), Some(Some(_))) | (Some(None), Some(None)) => None,
    }
}

fn of_asks(name: &TaskName, old: &TaskAsks, new: &TaskAsks) -> Vec<Row> {
    let (old, new) = (optional_by_text(old), optional_by_text(new));
    let row = |kind, text: &str, note: &str| Row {
        capability: Some(text.to_owned()),
        ..Row::new(Section::Asks, kind, name, note)
    };
    let optional = |is_optional: bool| if is_optional { "optional" } else { "" };
    let mut rows = Vec::new();
    for (text, is_optional) in &new {
        match old.get(text) {
            None => rows.push(row(Kind::Added, text, optional(*is_optional))),
            Some(was_optional) if was_optional == is_optional => {}
            Some(_) if *is_optional => rows.push(row(Kind::Changed, text, "optional now")),
            Some(_) => rows.push(row(Kind::Changed, text, "required now")),
        }
    }
    let gone = old.iter().filter(|(text, _)| !new.contains_key(*text));
    rows.extend(gone.map(|(text, was_optional)| row(Kind::Removed, text, optional(*was_optional))));
    rows
}

/// Asks by their text; one that stands twice is required if it is so once.
fn optional_by_text(asks: &TaskAsks) -> BTreeMap<&str, bool> {
    let mut by_text = BTreeMap::new();
    for ask in &asks.asks {
        let is_optional = by_text.entry(ask.template.as_str()).or_insert(true);
        *is_optional &= ask.optional;
    }
    by_text
}

fn of_limits(name: &TaskName, old: &LimitRequests, new: &LimitRequests) -> Vec<Row> {
    let by_name = |limits: &LimitRequests| -> BTreeMap<String, String> {
        limits
            .iter()
            .map(|(limit, value)| (limit.to_string(), value))
            .collect()
    };
    let (old, new) = (by_name(old), by_name(new));
    let limits: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let row = |limit: &String| {
        let (kind, words) = match (old.get(limit), new.get(limit)) {
            (None, Some(value)) => (Kind::Added, value.clone()),
            (Some(value), None) => (Kind::Removed, value.clone()),
            (Some(old), Some(new)) if old != new => (Kind::Changed, format!("{old} -> {new}")),
            _ => return None,
        };
        Some(Row::new(
            Section::Limits,
            kind,
            name,
            format!("{limit} {words}"),
        ))
    };
    limits.into_iter().filter_map(row).collect()
}

/// The difference of one file.
pub(super) fn of_file(
    change: &Change<'_>,
    old: &BTreeMap<String, Vec<u8>>,
    new: &BTreeMap<String, Vec<u8>>,
    budget: &mut Budget,
) -> Row {
    let whole = |kind, entry: &FileEntry| {
        Row::new(
            Section::Files,
            kind,
            &entry.path,
            format!("({})", size(entry.size)),
        )
    };
    match change {
        Change::Added(entry) => whole(Kind::Added, entry),
        Change::Removed(entry) => whole(Kind::Removed, entry),
        Change::Changed { before, after } => {
            let path = after.path.as_str();
            let lines = old
                .get(path)
                .zip(new.get(path))
                .and_then(|(old, new)| changed_lines(old, new, budget));
            let contents = match lines {
                Some((added, removed)) => format!("+{added} -{removed}"),
                None => format!("{} -> {}", size(before.size), size(after.size)),
            };
            let mode = if before.mode == after.mode {
                String::new()
            } else {
                format!(", {} now", after.mode.as_str())
            };
            Row::new(
                Section::Files,
                Kind::Changed,
                path,
                format!("({contents}{mode})"),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(metadata: &str) -> Module {
        let paths = ["tasks/init.json", "tasks/init.sh"].map(str::to_owned);
        let mut read = |_: &str| Ok(metadata.as_bytes().to_vec());
        Module::open(&"service".parse().unwrap(), paths, &mut read).unwrap()
    }

    fn check(before: &str, after: &str, expected: &[&str]) {
        let wrap = |host: &str| module(&format!(r#"{{"extensions": {{"host": {host}}}}}"#));
        let rows = of_modules(&wrap(before), &wrap(after));
        let lines: Vec<String> = rows
            .iter()
            .map(|row| {
                format!(
                    "{} {} {} {}",
                    row.section.as_str(),
                    row.kind.sign(),
                    row.name,
                    row.words()
                )
            })
            .collect();
        assert_eq!(lines, expected);
    }

    #[test]
    fn asks_that_came_and_went_are_rows() {
        check(
            r#"{"asks": ["host.full"]}"#,
            r#"{"asks": ["fs.read:/etc", {"capability": "fs.read:/var", "optional": true}]}"#,
            &[
                "asks + service fs.read:/etc",
                "asks + service fs.read:/var   optional",
                "asks - service host.full",
            ],
        );
    }

    #[test]
    fn an_ask_that_became_required_is_a_change() {
        check(
            r#"{"asks": [{"capability": "fs.read:/etc", "optional": true}]}"#,
            r#"{"asks": ["fs.read:/etc"]}"#,
            &["asks ~ service fs.read:/etc   required now"],
        );
        check(
            r#"{"asks": ["fs.read:/etc"]}"#,
            r#"{"asks": [{"capability": "fs.read:/etc", "why": "for other reasons"}]}"#,
            &[],
        );
    }

    #[test]
    fn limits_are_compared_by_what_they_mean() {
        check(
            r#"{"limits": {"wall": "60s", "memory": "64MiB"}}"#,
            r#"{"limits": {"wall": "1m", "memory": "1GiB", "files": 100}}"#,
            &[
                "limits + service files 100",
                "limits ~ service memory 64MiB -> 1GiB",
            ],
        );
    }

    #[test]
    fn a_task_that_broke_is_said_to_be() {
        check(
            r#"{"asks": ["fs.read:/etc"]}"#,
            r#"{"asks": ["nonsense"]}"#,
            &[
                "tasks ~ service cannot be used any more",
                "asks - service fs.read:/etc",
            ],
        );
    }
}
