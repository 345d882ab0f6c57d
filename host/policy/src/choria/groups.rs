//! Reads the groups file: one group a line, its name and then its callers.
//!
//! A line that the readers of old skipped is refused. Where a name stands twice the later line holds, as it did.

use std::collections::BTreeMap;

use host_core::CallerName;

use super::fault::{Fault, Problems};
use super::policy::Caller;
use super::report::{Carried, FileReport, LineReport, Note};
use super::{Kinds, LINE_BYTES_MAX, LINES_MAX};

/// The name under which the file is spoken of.
pub(super) const GROUPS_FILE: &str = "groups";

/// Groups by name, with the lines they come from.
#[derive(Clone, Debug, Default)]
pub(super) struct Groups {
    pub(super) members: BTreeMap<String, Vec<Caller>>,
    lines: BTreeMap<String, usize>,
    texts: Vec<(usize, String, String)>,
}

impl Groups {
    pub(super) fn read(text: &str, kinds: &Kinds, problems: &mut Problems<'_>) -> Self {
        let mut groups = Self::default();
        for (number, line) in (1..).zip(text.lines()) {
            if number > LINES_MAX {
                problems.add(None, Fault::TooLarge("lines"));
                break;
            }
            if line.starts_with('#') || line.trim_ascii().is_empty() {
                continue;
            }
            match read_line(line, kinds) {
                Ok((name, members)) => {
                    groups.members.insert(name.to_owned(), members);
                    groups.lines.insert(name.to_owned(), number);
                    groups
                        .texts
                        .push((number, name.to_owned(), line.to_owned()));
                }
                Err(fault) => problems.add(Some(number), fault),
            }
        }
        groups
    }

    /// The line that a group comes from.
    pub(super) fn line(&self, name: &str) -> Option<usize> {
        self.lines.get(name).copied()
    }

    pub(super) fn report(&self) -> FileReport {
        let line = |(line, name, text): &(usize, String, String)| {
            let by = self.line(name).unwrap_or(*line);
            let is_replaced = by != *line;
            LineReport {
                line: *line,
                text: text.clone(),
                carried: if is_replaced {
                    Carried::Nothing
                } else {
                    Carried::Group
                },
                notes: is_replaced
                    .then_some(Note::Replaced { by })
                    .into_iter()
                    .collect(),
            }
        };
        FileReport {
            file: GROUPS_FILE.to_owned(),
            written: Some("groups.toml".to_owned()),
            notes: Vec::new(),
            lines: self.texts.iter().map(line).collect(),
        }
    }

    /// The groups in our own format.
    pub(super) fn to_toml(&self) -> String {
        let mut out = "format = \"host.groups/1\"\n\n[groups]\n".to_owned();
        for (name, members) in &self.members {
            let mut quoted: Vec<String> = members
                .iter()
                .map(|caller| format!("\"{}\"", caller.name))
                .collect();
            quoted.sort();
            quoted.dedup();
            out.push_str(&format!("\"{name}\" = [{}]\n", quoted.join(", ")));
        }
        out
    }
}

fn read_line<'a>(line: &'a str, kinds: &Kinds) -> Result<(&'a str, Vec<Caller>), Fault> {
    if line.len() > LINE_BYTES_MAX {
        return Err(Fault::TooLarge("bytes in a line"));
    }
    if line.chars().any(char::is_control) {
        return Err(Fault::Control);
    }
    let mut words = line.split(' ').filter(|word| !word.is_empty());
    let name = words.next().filter(|_| !line.starts_with(' '));
    let name = name.ok_or(Fault::Group)?;
    if name.parse::<CallerName>().is_err() {
        return Err(Fault::GroupName(name.to_owned()));
    }
    let members: Result<Vec<Caller>, Fault> = words.map(|word| member(word, kinds)).collect();
    let members = members?;
    if members.is_empty() {
        return Err(Fault::Group);
    }
    Ok((name, members))
}

fn member(word: &str, kinds: &Kinds) -> Result<Caller, Fault> {
    match word.split_once('=') {
        Some(_) if !word.starts_with('/') => Caller::read(word, kinds),
        _ => Err(Fault::Member(word.to_owned())),
    }
}
