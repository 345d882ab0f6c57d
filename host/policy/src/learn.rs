//! The least rules that permit what runs were seen to use.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use host_core::{CallerName, CanonicalPath, Capability, TaskName};

use crate::action::{Action, permitting};
use crate::target::Target;

/// How many files of one directory stay apart.
pub const FILES_APART_MAX: usize = 3;

/// What one run was seen to use.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Observed {
    /// Who ran it; nobody where the person at the keyboard did.
    pub caller: Option<CallerName>,
    /// The task.
    pub task: TaskName,
    /// What it used.
    pub used: Vec<Capability>,
    /// Files among that, each with the directory that is permitted in their place where they are more than
    /// [`FILES_APART_MAX`].
    pub files: Vec<(Capability, Capability)>,
}

/// What follows from what was seen of one task.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LearnedTask {
    /// Rules that permit that and nothing else.
    pub rules: String,
    /// What the task has to ask for.
    pub asks: Vec<Capability>,
}

/// What follows from what was seen.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Learned {
    /// Task by task.
    pub tasks: BTreeMap<TaskName, LearnedTask>,
}

impl Learned {
    /// The rules for all tasks.
    #[must_use]
    pub fn rules(&self) -> String {
        self.tasks
            .values()
            .map(|task| task.rules.as_str())
            .collect()
    }
}

/// What was seen of one task and one caller.
#[derive(Debug, Default)]
struct Seen<'o> {
    used: BTreeSet<&'o Capability>,
    /// Files by the directory that may stand for them.
    files: BTreeMap<&'o Capability, BTreeSet<&'o Capability>>,
}

/// A capability that a rule is written for.
#[derive(Debug)]
struct Needed {
    capability: Capability,
    /// How many files it stands for, where they were too many to stay apart.
    stands_for: Option<usize>,
}

/// Writes the least rules for what was seen; `group`, where there is one, stands for all callers.
///
/// INVARIANT: nobody is permitted what only others were seen to use, unless a group stands for all of them.
#[must_use]
pub fn learn(observed: &[Observed], group: Option<&str>) -> Learned {
    let mut seen: BTreeMap<(&TaskName, Option<&CallerName>), Seen<'_>> = BTreeMap::new();
    for run in observed {
        let caller = run.caller.as_ref().filter(|_| group.is_none());
        let seen = seen.entry((&run.task, caller)).or_default();
        seen.used.extend(&run.used);
        for (file, directory) in &run.files {
            seen.files.entry(directory).or_default().insert(file);
        }
    }
    let mut ids = Ids::default();
    let mut learned = Learned::default();
    for ((task, caller), seen) in seen {
        let needed = seen.least();
        let of_task = learned.tasks.entry(task.clone()).or_default();
        let mut writer = Writer {
            rules: &mut of_task.rules,
            ids: &mut ids,
            principal: principal(caller, group),
            task,
        };
        if caller.is_none() && group.is_none() {
            writer.comment("nobody was named who ran this, so it is permitted to everybody");
        }
        writer.run();
        for needed in &needed {
            writer.capability(needed);
        }
        let needed = needed.into_iter().map(|needed| needed.capability);
        let asks = std::mem::take(&mut of_task.asks).into_iter().chain(needed);
        of_task.asks = least(asks.collect());
    }
    learned
}

impl Seen<'_> {
    /// What it takes, without what others cover, and with directories in place of too many files.
    fn least(&self) -> Vec<Needed> {
        let many = self.files.iter();
        let many: BTreeMap<&Capability, &BTreeSet<&Capability>> = many
            .filter(|(_, files)| files.len() > FILES_APART_MAX)
            .map(|(directory, files)| (*directory, files))
            .collect();
        let is_apart = |used: &Capability| !many.values().any(|files| files.contains(used));
        let used = self.used.iter().filter(|used| is_apart(used));
        let used: BTreeSet<Capability> =
            used.copied().chain(many.keys().copied()).cloned().collect();
        let needed = least(used).into_iter();
        needed
            .map(|capability| Needed {
                stands_for: many.get(&capability).map(|files| files.len()),
                capability,
            })
            .collect()
    }
}

/// The same for the directory that a file lies in; never for all of the machine.
#[must_use]
pub fn directory_of(capability: &Capability) -> Option<Capability> {
    let above = |path: &CanonicalPath| {
        let (above, _) = path.as_str().rsplit_once('/')?;
        above.parse::<CanonicalPath>().ok()
    };
    match capability {
        Capability::FsRead(path) => above(path).map(Capability::FsRead),
        Capability::FsWrite(path) => above(path).map(Capability::FsWrite),
        _ => None,
    }
}

/// The same without what others cover.
fn least(used: BTreeSet<Capability>) -> Vec<Capability> {
    let all: Vec<Capability> = used.into_iter().collect();
    let is_needed = |capability: &&Capability| {
        !all.iter()
            .any(|other| other != *capability && other.covers(capability))
    };
    all.iter().filter(is_needed).cloned().collect()
}

/// Ids of rules, of which no two are the same.
#[derive(Debug, Default)]
struct Ids(BTreeMap<String, usize>);

/// How much of a task's name stands in the id of a rule, in bytes: ids are short.
const ID_TASK_BYTES_MAX: usize = 80;

impl Ids {
    fn next(&mut self, task: &TaskName, action: Action) -> String {
        // The name of a task is ASCII, so it may be cut anywhere.
        let task = task.as_str();
        let task = task.get(..ID_TASK_BYTES_MAX).unwrap_or(task);
        let id = format!("{task}/{}", action.as_str());
        let used = self.0.entry(id.clone()).or_default();
        *used += 1;
        match *used {
            1 => id,
            number => format!("{id}-{number}"),
        }
    }
}

fn principal(caller: Option<&CallerName>, group: Option<&str>) -> String {
    match (group, caller) {
        (Some(group), _) => format!("principal in Group::{group:?}"),
        (None, None) => "principal".to_owned(),
        (None, Some(caller)) => format!("principal == Caller::{:?}", caller.as_str()),
    }
}

/// Writes the rules of one task for one principal. Writing to a text cannot fail.
struct Writer<'w> {
    rules: &'w mut String,
    ids: &'w mut Ids,
    principal: String,
    task: &'w TaskName,
}

impl Writer<'_> {
    fn comment(&mut self, text: &str) {
        let _ = writeln!(self.rules, "// {text}");
    }

    fn run(&mut self) {
        let _ = writeln!(
            self.rules,
            "@id({:?})\npermit ({}, action == Action::\"run\", resource == Task::{:?});",
            self.ids.next(self.task, Action::Run),
            self.principal,
            self.task.as_str()
        );
    }

    fn capability(&mut self, needed: &Needed) {
        if let Some(files) = needed.stands_for {
            self.comment(&format!(
                "this is in place of {files} files, and permits all there is in their directory"
            ));
        }
        let capability = &needed.capability;
        let target = Target::of(capability, self.task.as_str());
        for action in permitting(capability) {
            let _ = writeln!(
                self.rules,
                "@id({:?})\npermit ({}, action == Action::{:?}, resource == {}::{:?})\nwhen {{ context.task == Task::{:?} }};",
                self.ids.next(self.task, action),
                self.principal,
                action.as_str(),
                target.kind(),
                target.id(),
                self.task.as_str()
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use host_core::Decision;

    use super::*;
    use crate::lab::{request, set};

    fn observed(caller: &str, used: &[&str]) -> Observed {
        Observed {
            caller: Some(caller.parse().unwrap()),
            task: "service::report".parse().unwrap(),
            used: used.iter().map(|used| used.parse().unwrap()).collect(),
            files: Vec::new(),
        }
    }

    #[test]
    fn what_was_seen_is_permitted_afterwards_and_nothing_besides() {
        let learned = learn(
            &[
                observed("alice", &["fs.read:/var/log/a", "fs.write:/srv"]),
                observed(
                    "alice",
                    &["fs.read:/srv/x", "exec:root@/bin/systemctl status {unit}"],
                ),
            ],
            None,
        );
        let set = set(&learned.rules());
        let allows =
            |text: &str| matches!(set.decide(&request(text)).decision, Decision::Allowed(_));
        assert!(allows(
            "alice service::report asks fs.read:/var/log/a, fs.write:/srv, exec:root@/bin/systemctl status {unit}"
        ));
        assert!(!allows("alice service::report asks fs.read:/var/log"));
        assert!(!allows("alice service asks fs.read:/var/log/a"));
        assert!(!allows("bob service::report"));
        assert_eq!(
            learned.tasks.values().next().unwrap().asks.len(),
            3,
            "what is covered is left out"
        );
    }

    #[test]
    fn a_group_stands_for_all_callers() {
        let learned = learn(&[observed("alice", &[]), observed("bob", &[])], Some("ops"));
        assert_eq!(
            learned.rules(),
            "@id(\"service::report/run\")\npermit (principal in Group::\"ops\", action == Action::\"run\", resource == Task::\"service::report\");\n"
        );
    }

    /// Rules of one id would be no set.
    #[test]
    fn every_rule_has_an_id_of_its_own() {
        let long = format!("{}::{}", "s".repeat(60), "a".repeat(60));
        let mut runs = vec![
            observed("alice", &["fs.read:/a", "fs.read:/b", "fs.write:/c"]),
            observed(
                "bob",
                &["exec:root@/bin/x {raw}", "fs.read:'/a b/\u{200b}\"'"],
            ),
        ];
        for name in ["b", "c"] {
            runs.push(Observed {
                caller: None,
                task: format!("{long}{name}").parse().unwrap(),
                used: vec!["fs.read:/a".parse().unwrap()],
                files: Vec::new(),
            });
        }
        let learned = learn(&runs, None);
        let set = set(&learned.rules());
        let ids: Vec<&str> = set.rules().iter().map(crate::set::Rule::id).collect();
        assert!(ids.contains(&"service::report/fs.read-2"), "{ids:?}");
        assert!(ids.contains(&"service::report/exec.raw"), "{ids:?}");
    }

    #[test]
    fn what_is_learned_of_plain_names_warns_of_nothing() {
        let used = [
            "fs.read:'/a b/c'",
            "fs.write:/srv/d",
            "env:LANG",
            "exec:/bin/x 'a b' '*'",
        ];
        let set = set(&learn(&[observed("alice", &used)], Some("ops")).rules());
        assert!(set.warnings().is_empty(), "{:?}", set.warnings());
    }

    /// What one caller used and another did not was permitted to both.
    #[test]
    fn nobody_is_permitted_what_only_others_used() {
        let runs = [
            observed("alice", &["fs.read:/a"]),
            observed("bob", &["fs.read:/b"]),
            Observed {
                caller: None,
                ..observed("bob", &["fs.read:/c"])
            },
        ];
        let learned = learn(&runs, None);
        let set = set(&learned.rules());
        let allows =
            |text: &str| matches!(set.decide(&request(text)).decision, Decision::Allowed(_));
        for (caller, has, has_not) in [("alice", "/a", "/b"), ("bob", "/b", "/a")] {
            let asks = |path: &str| format!("{caller} service::report asks fs.read:{path}");
            assert!(allows(&asks(has)) && !allows(&asks(has_not)), "{caller}");
            assert!(allows(&asks("/c")), "{caller}");
        }
        assert!(allows("carol service::report asks fs.read:/c"));
        let rules = learned.rules();
        assert!(
            rules
                .starts_with("// nobody was named who ran this, so it is permitted to everybody\n"),
            "{rules}"
        );
        assert_eq!(rules.matches("// nobody").count(), 1);
        let asks = &learned.tasks.values().next().unwrap().asks;
        assert_eq!(asks.len(), 3, "a task asks for what any run of it takes");
        let of_group = learn(&runs, Some("ops")).rules();
        assert_eq!(of_group.matches("principal in Group").count(), 4);
        assert!(!of_group.contains("// nobody"));
    }

    #[test]
    fn many_files_of_one_directory_are_the_directory() {
        let with_files = |caller: &str, used: &[&str], files: &[&str]| {
            let files = files.iter().map(|file| {
                let file: Capability = file.parse().unwrap();
                let directory = directory_of(&file).unwrap();
                (file, directory)
            });
            Observed {
                files: files.collect(),
                ..observed(caller, used)
            }
        };
        let check = |runs: &[Observed], expected: &str| {
            let learned = learn(runs, None);
            let asks = &learned.tasks.values().next().unwrap().asks;
            let texts: Vec<String> = asks.iter().map(ToString::to_string).collect();
            assert_eq!(texts.join(", "), expected);
            learned.rules()
        };
        let three = ["fs.read:/a/1", "fs.read:/a/2", "fs.read:/a/3"];
        let four = [&three[..], &["fs.read:/a/4"]].concat();
        let all = four.join(", ");
        check(&[with_files("alice", &three, &three)], &three.join(", "));
        let used = [&four[..], &["fs.read:/b/1"]].concat();
        let rules = check(
            &[with_files("alice", &used, &used)],
            "fs.read:/a, fs.read:/b/1",
        );
        assert!(rules.contains("// this is in place of 4 files"), "{rules}");
        assert!(set(&rules).warnings().is_empty());
        // What is no file, or was only wanted, is named as no file.
        check(&[with_files("alice", &four, &three)], &all);
        let of_two = [
            with_files("alice", &four[..2], &four[..2]),
            with_files("alice", &four[2..], &four[2..]),
        ];
        check(&of_two, "fs.read:/a");
        let of_others = [
            with_files("alice", &four[..2], &four[..2]),
            with_files("bob", &four[2..], &four[2..]),
        ];
        check(&of_others, &all);
        let mixed = [
            "fs.read:/a/3",
            "fs.read:/a/4",
            "fs.write:/a/1",
            "fs.write:/a/2",
        ];
        check(&[with_files("alice", &mixed, &mixed)], &mixed.join(", "));
        assert_eq!(directory_of(&"fs.read:/1".parse().unwrap()), None);
    }
}
