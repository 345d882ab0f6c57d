//! The least rules that permit what runs were seen to use.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use host_core::{CallerName, Capability, TaskName};

use crate::action::permitting;
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

/// What follows from what was seen.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Learned {
    /// Rules that permit that and nothing else.
    pub rules: String,
    /// What each task has to ask for.
    pub asks: BTreeMap<TaskName, Vec<Capability>>,
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
    let mut learned = Learned::default();
    for (task, (callers, used)) in by_task {
        let least = least(used);
        let principals = principals(&callers, group);
        for principal in &principals {
            rule(&mut learned.rules, principal, task, None);
            for capability in &least {
                rule(&mut learned.rules, principal, task, Some(capability));
            }
        }
        learned.asks.insert(task.clone(), least);
    }
    learned
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

fn rule(rules: &mut String, principal: &str, task: &TaskName, capability: Option<&Capability>) {
    let Some(capability) = capability else {
        // Writing to a text cannot fail.
        let _ = writeln!(
            rules,
            "permit ({principal}, action == Action::\"run\", resource == Task::{:?});",
            task.as_str()
        );
        return;
    };
    let target = Target::of(capability, task.as_str());
    for action in permitting(capability) {
        let _ = writeln!(
            rules,
            "permit ({principal}, action == Action::{:?}, resource == {}::{:?})\nwhen {{ context.task == Task::{:?} }};",
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
        let set = set(&learned.rules);
        let allows =
            |text: &str| matches!(set.decide(&request(text)).decision, Decision::Allowed(_));
        assert!(allows(
            "alice service::report asks fs.read:/var/log/a, fs.write:/srv, exec:root@/bin/systemctl status {unit}"
        ));
        assert!(!allows("alice service::report asks fs.read:/var/log"));
        assert!(!allows("alice service asks fs.read:/var/log/a"));
        assert!(!allows("bob service::report"));
        assert_eq!(
            learned.asks.values().next().unwrap().len(),
            3,
            "what is covered is left out"
        );
    }

    #[test]
    fn a_group_stands_for_all_callers() {
        let learned = learn(&[observed("alice", &[]), observed("bob", &[])], Some("ops"));
        assert_eq!(
            learned.rules,
            "permit (principal in Group::\"ops\", action == Action::\"run\", resource == Task::\"service::report\");\n"
        );
    }
}
