//! The least rules that permit what runs were seen to use.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use host_core::{CallerName, CanonicalPath, Capability, TaskName};

use crate::action::{Action, permitting};
use crate::target::Target;

/// What one run was seen to use.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Observed {
    /// Who ran it; nobody where the person at the keyboard did.
    pub caller: Option<CallerName>,
    /// The task.
    pub task: TaskName,
    /// What it used.
    pub used: Vec<Capability>,
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

/// Writes the least rules for what was seen; `group`, where there is one, stands for all callers.
#[must_use]
pub fn learn(observed: &[Observed], group: Option<&str>) -> Learned {
    let mut by_task: BTreeMap<&TaskName, (BTreeSet<&CallerName>, BTreeSet<Capability>)> =
        BTreeMap::new();
    for run in observed {
        let (callers, used) = by_task.entry(&run.task).or_default();
        callers.extend(&run.caller);
        used.extend(run.used.iter().cloned());
    }
    let mut ids = Ids::default();
    let mut learned = Learned::default();
    for (task, (callers, used)) in by_task {
        let mut rules = String::new();
        let asks = least(used);
        for principal in principals(&callers, group) {
            rule(&mut rules, &mut ids, &principal, task, None);
            for capability in &asks {
                rule(&mut rules, &mut ids, &principal, task, Some(capability));
            }
        }
        learned
            .tasks
            .insert(task.clone(), LearnedTask { rules, asks });
    }
    learned
}

/// The same, but for files of one directory where they are more than [`FILES_APART_MAX`]: then it is the directory.
#[must_use]
pub fn by_directories(used: &[Capability]) -> Vec<Capability> {
    let mut files: BTreeMap<Capability, BTreeSet<&Capability>> = BTreeMap::new();
    for capability in used {
        if let Some(directory) = directory_of(capability) {
            files.entry(directory).or_default().insert(capability);
        }
    }
    let widened = |capability: &Capability| {
        let directory = directory_of(capability)?;
        let files = files.get(&directory)?;
        (files.len() > FILES_APART_MAX).then_some(directory)
    };
    let all: BTreeSet<Capability> = used
        .iter()
        .map(|capability| widened(capability).unwrap_or_else(|| capability.clone()))
        .collect();
    least(all)
}

/// How many files of one directory stay apart.
pub const FILES_APART_MAX: usize = 3;

/// The same for the directory that a file lies in; never for all of the machine.
fn directory_of(capability: &Capability) -> Option<Capability> {
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

fn principals(callers: &BTreeSet<&CallerName>, group: Option<&str>) -> Vec<String> {
    match group {
        Some(group) => vec![format!("principal in Group::{group:?}")],
        None if callers.is_empty() => vec!["principal".to_owned()],
        None => callers
            .iter()
            .map(|caller| format!("principal == Caller::{:?}", caller.as_str()))
            .collect(),
    }
}

fn rule(
    rules: &mut String,
    ids: &mut Ids,
    principal: &str,
    task: &TaskName,
    capability: Option<&Capability>,
) {
    // Writing to a text cannot fail.
    let Some(capability) = capability else {
        let _ = writeln!(
            rules,
            "@id({:?})\npermit ({principal}, action == Action::\"run\", resource == Task::{:?});",
            ids.next(task, Action::Run),
            task.as_str()
        );
        return;
    };
    let target = Target::of(capability, task.as_str());
    for action in permitting(capability) {
        let _ = writeln!(
            rules,
            "@id({:?})\npermit ({principal}, action == Action::{:?}, resource == {}::{:?})\nwhen {{ context.task == Task::{:?} }};",
            ids.next(task, action),
            action.as_str(),
            target.kind(),
            target.id(),
            task.as_str()
        );
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

    #[test]
    fn many_files_of_one_directory_are_the_directory() {
        let widened = |used: &[&str]| {
            let used: Vec<Capability> = used.iter().map(|used| used.parse().unwrap()).collect();
            let widened = by_directories(&used);
            let texts = widened.iter().map(ToString::to_string);
            texts.collect::<Vec<_>>().join(", ")
        };
        assert_eq!(
            widened(&["fs.read:/a/1", "fs.read:/a/2", "fs.read:/a/3"]),
            "fs.read:/a/1, fs.read:/a/2, fs.read:/a/3"
        );
        assert_eq!(
            widened(&[
                "fs.read:/a/1",
                "fs.read:/a/2",
                "fs.read:/a/3",
                "fs.read:/a/4",
                "fs.read:/b/1"
            ]),
            "fs.read:/a, fs.read:/b/1"
        );
        assert_eq!(
            widened(&["fs.read:/1", "fs.read:/2", "fs.read:/3", "fs.read:/4"]),
            "fs.read:/1, fs.read:/2, fs.read:/3, fs.read:/4",
            "never all of the machine"
        );
        assert_eq!(
            widened(&[
                "fs.write:/a/1",
                "fs.write:/a/2",
                "fs.read:/a/3",
                "fs.read:/a/4"
            ]),
            "fs.read:/a/3, fs.read:/a/4, fs.write:/a/1, fs.write:/a/2",
            "what is written is apart"
        );
    }
}
