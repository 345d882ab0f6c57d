//! Who belongs to which group: `groups.toml` beside the rules.
//!
//! Groups come from the node's own file and from nowhere else. A name with `@` before it is another group, whose members
//! are all in this one; a group that contains itself in any way is refused.

use std::collections::{BTreeMap, BTreeSet};

use host_core::CallerName;
use serde::Deserialize;

use crate::problem::Problem;

/// The file's name in a set.
pub const GROUPS_FILE: &str = "groups.toml";

/// Its format.
pub const GROUPS_FORMAT: &str = "host.groups/1";

/// How many names all groups of a set may have together.
pub const MEMBERS_MAX: usize = 100_000;

/// The groups of a set.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Groups {
    /// Each group with the callers and the groups that it names.
    named: BTreeMap<String, Members>,
    /// Each caller with all groups that it is in, by whatever way.
    of: BTreeMap<CallerName, BTreeSet<String>>,
}

#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Members {
    callers: BTreeSet<CallerName>,
    groups: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: String,
    #[serde(default)]
    groups: BTreeMap<String, Vec<String>>,
}

impl Groups {
    pub(crate) fn read(text: &str) -> Result<Self, Vec<Problem>> {
        let document: Document = toml::from_str(text).map_err(|error| {
            let message = error.message().to_owned();
            vec![match error.span() {
                Some(span) => Problem::at(GROUPS_FILE, text, span, message),
                None => Problem::of_file(GROUPS_FILE, message),
            }]
        })?;
        let wrong = |message: String| vec![Problem::of_file(GROUPS_FILE, message)];
        if document.format != GROUPS_FORMAT {
            return Err(wrong(format!(
                "the format is `{}`, and this version reads `{GROUPS_FORMAT}`",
                host_core::Shown(&document.format)
            )));
        }
        if document.groups.values().map(Vec::len).sum::<usize>() > MEMBERS_MAX {
            return Err(wrong(format!("more than {MEMBERS_MAX} names")));
        }
        let named = members(&document.groups).map_err(|problems| {
            problems
                .into_iter()
                .map(|message| Problem::of_file(GROUPS_FILE, message))
                .collect::<Vec<_>>()
        })?;
        if let Some(circle) = circle(&named) {
            return Err(wrong(format!(
                "groups contain each other: {}",
                circle.join(" in ")
            )));
        }
        let of = memberships(&named);
        Ok(Self { named, of })
    }

    /// The groups that a caller is in, by whatever way.
    pub fn of(&self, caller: &str) -> impl Iterator<Item = &str> {
        self.of
            .get(caller)
            .into_iter()
            .flatten()
            .map(String::as_str)
    }

    /// Whether there is a group of this name.
    #[must_use]
    pub fn has(&self, group: &str) -> bool {
        self.named.contains_key(group)
    }

    /// Every caller that is in some group.
    pub fn callers(&self) -> impl Iterator<Item = &CallerName> {
        self.of.keys()
    }

    /// Every group.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.named.keys().map(String::as_str)
    }
}

fn members(
    groups: &BTreeMap<String, Vec<String>>,
) -> Result<BTreeMap<String, Members>, Vec<String>> {
    let mut problems = Vec::new();
    let mut named = BTreeMap::new();
    for (group, names) in groups {
        if let Err(error) = group.parse::<CallerName>() {
            problems.push(format!("group {}", rename(&error.to_string())));
        }
        let mut members = Members::default();
        for name in names {
            match name.strip_prefix('@') {
                Some(other) if groups.contains_key(other) => {
                    members.groups.insert(other.to_owned());
                }
                Some(other) => problems.push(format!(
                    "group `{}` names group `{}`, which is not there",
                    host_core::Shown(group),
                    host_core::Shown(other)
                )),
                None => match name.parse() {
                    Ok(caller) => {
                        members.callers.insert(caller);
                    }
                    Err(error) => {
                        problems.push(format!("in group `{}`: {error}", host_core::Shown(group)))
                    }
                },
            }
        }
        named.insert(group.clone(), members);
    }
    if problems.is_empty() {
        Ok(named)
    } else {
        Err(problems)
    }
}

fn rename(message: &str) -> String {
    message.replace("caller name", "group name")
}

/// A way from a group to itself, if there is one.
fn circle(named: &BTreeMap<String, Members>) -> Option<Vec<String>> {
    let mut done: BTreeSet<&str> = BTreeSet::new();
    for start in named.keys() {
        // Depth first, without recursion: a chain may be as long as the file.
        let mut way: Vec<(&str, Vec<&str>)> = vec![(start, below(named, start))];
        while let Some((group, rest)) = way.last_mut() {
            let Some(next) = rest.pop() else {
                done.insert(group);
                way.pop();
                continue;
            };
            if let Some(at) = way.iter().position(|(group, _)| *group == next) {
                let mut names: Vec<String> = way
                    .iter()
                    .skip(at)
                    .map(|(group, _)| (*group).to_owned())
                    .collect();
                names.push(next.to_owned());
                names.reverse();
                return Some(names);
            }
            if !done.contains(next) {
                way.push((next, below(named, next)));
            }
        }
    }
    None
}

fn below<'a>(named: &'a BTreeMap<String, Members>, group: &str) -> Vec<&'a str> {
    named
        .get(group)
        .into_iter()
        .flat_map(|members| &members.groups)
        .map(String::as_str)
        .collect()
}

/// For each caller the groups that name it, and those that name these.
fn memberships(named: &BTreeMap<String, Members>) -> BTreeMap<CallerName, BTreeSet<String>> {
    let mut above: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (group, members) in named {
        for inner in &members.groups {
            above.entry(inner).or_default().insert(group);
        }
    }
    let mut of: BTreeMap<CallerName, BTreeSet<String>> = BTreeMap::new();
    for (group, members) in named {
        let mut all: BTreeSet<&str> = BTreeSet::new();
        let mut left = vec![group.as_str()];
        while let Some(next) = left.pop() {
            if all.insert(next) {
                left.extend(above.get(next).into_iter().flatten());
            }
        }
        for caller in &members.callers {
            of.entry(caller.clone())
                .or_default()
                .extend(all.iter().map(|name| (*name).to_owned()));
        }
    }
    of
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Groups, String> {
        Groups::read(&format!("format = \"host.groups/1\"\n[groups]\n{body}")).map_err(|problems| {
            problems
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("; ")
        })
    }

    #[test]
    fn members_of_a_group_are_members_of_the_groups_around_it() {
        let groups =
            read("ops = ['@web', 'carol']\nweb = ['alice', '@night']\nnight = ['bob']").unwrap();
        assert_eq!(groups.of("alice").collect::<Vec<_>>(), ["ops", "web"]);
        assert_eq!(
            groups.of("bob").collect::<Vec<_>>(),
            ["night", "ops", "web"]
        );
        assert_eq!(groups.of("carol").collect::<Vec<_>>(), ["ops"]);
        assert_eq!(groups.of("mallory").count(), 0);
    }

    #[test]
    fn groups_in_a_circle_are_refused_and_named() {
        let error = read("a = ['@b']\nb = ['@c']\nc = ['@a', 'x']").unwrap_err();
        assert_eq!(
            error,
            "groups.toml: groups contain each other: a in c in b in a"
        );
        assert!(read("a = ['@a']").unwrap_err().contains("a in a"));
        assert!(
            read("a = ['@c']\nb = ['@c']\nc = ['x']").is_ok(),
            "a shared group is no circle"
        );
    }

    #[test]
    fn names_that_nobody_can_have_are_refused_all_at_once() {
        let error = read("'a b' = ['x']\nc = ['d/e', '@f']").unwrap_err();
        assert_eq!(error.matches("; ").count(), 2, "{error}");
        assert!(
            error.contains("group `c` names group `f`, which is not there"),
            "{error}"
        );
    }

    #[test]
    fn another_format_an_unknown_key_and_broken_text_are_refused_with_their_line() {
        let broken = Groups::read("format = \"host.groups/1\"\n[groups]\nops = [").unwrap_err();
        assert_eq!(broken[0].line, Some(3));
        let unknown = Groups::read("format = \"host.groups/1\"\nx = 1").unwrap_err();
        assert_eq!(unknown[0].line, Some(2));
        let newer = Groups::read("format = \"host.groups/2\"").unwrap_err();
        assert!(newer[0].message.contains("host.groups/2"));
    }
}
