//! Subject: the import of Choria's action policies, given any text.
//!
//! What is not carried is refused with its place. What is carried passes strict validation, reads back, and decides about a
//! few callers, tasks and nodes out of the text as the lines themselves do.
//!
//! A line `== NAME` begins the file of that name; what stands before the first is `bolt_tasks.policy`.

use std::collections::BTreeSet;

use host_core::{CallerName, TaskName};
use host_policy::choria::{ImportErrors, ImportOptions, Imported, import};
use host_policy::predicates::Predicates;
use serde_json::{Map, Value, json};

#[path = "../../host/policy/src/choria/tests/harness.rs"]
mod harness;

use harness::Asked;

/// Most callers and tasks that are asked about.
const CALLERS_MAX: usize = 3;
const TASKS_MAX: usize = 4;

/// Panics unless `data` is refused with places, or is carried exactly.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (files, groups) = files(text);
    let options = ImportOptions {
        enable_default: true,
        default_agents: "puppet".parse().into_iter().collect(),
        ..ImportOptions::default()
    };
    match import(&files, groups.as_deref(), &options) {
        Ok(imported) => check_imported(text, &imported),
        Err(errors) => check_refused(text, &errors),
    }
}

fn check_refused(text: &str, errors: &ImportErrors) {
    assert!(!errors.problems().is_empty());
    let lines = text.split('\n').count();
    for problem in errors.problems() {
        assert!(!problem.hint().is_empty());
        assert!(problem.line.is_none_or(|line| (1..=lines).contains(&line)));
        let shown = problem.to_string();
        assert!(!shown.chars().any(char::is_control), "{shown:?}");
    }
}

fn check_imported(text: &str, imported: &Imported) {
    let cedar = Asked::new(imported);
    let predicates = imported
        .files
        .iter()
        .find(|(name, _)| name == "predicates.toml");
    if let Some((_, written)) = predicates {
        let again = Predicates::read(written).expect("what was written");
        assert_eq!(again.to_toml(), *written);
    }
    let callers = callers(text);
    let callers: Vec<&str> = callers.iter().map(String::as_str).collect();
    let tasks = tasks(text);
    let names: Vec<&str> = tasks.iter().map(TaskName::as_str).collect();
    for (facts, classes) in nodes(text) {
        let node = cedar.on(&facts, &classes, &callers, &names);
        for (caller, task) in callers
            .iter()
            .flat_map(|it| tasks.iter().map(move |task| (it, task)))
        {
            let wanted = imported.would_allow(&format!("choria={caller}"), task, &facts, &classes);
            let found = node.allows(caller, task.as_str());
            assert_eq!(found, wanted, "{caller} {task} {facts:?} {classes:?}");
        }
    }
}

fn files(text: &str) -> (Vec<(String, String)>, Option<String>) {
    let mut files = vec![("bolt_tasks.policy".to_owned(), String::new())];
    for line in text.split_inclusive('\n') {
        if let Some(name) = line.strip_prefix("== ") {
            files.push((name.trim().to_owned(), String::new()));
        } else if let Some((_, text)) = files.last_mut() {
            text.push_str(line);
        }
    }
    if files.first().is_some_and(|(_, text)| text.is_empty()) {
        files.remove(0);
    }
    let is_groups = |(name, _): &(String, String)| name == "groups";
    let groups = files.iter().position(is_groups);
    let groups = groups.map(|index| files.remove(index).1);
    (files, groups)
}

/// Every word of the text, however it is set off.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|character: char| character.is_whitespace() || "()!".contains(character))
}

fn callers(text: &str) -> Vec<String> {
    let ids = words(text).filter_map(|word| word.strip_prefix("choria="));
    let names = ids.filter(|id| id.parse::<CallerName>().is_ok());
    let distinct: BTreeSet<String> = names.map(str::to_owned).collect();
    let named = distinct.into_iter().take(CALLERS_MAX);
    named
        .chain(["nobody".to_owned()])
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
}

fn tasks(text: &str) -> Vec<TaskName> {
    let is_action = |word: &&str| {
        !matches!(
            *word,
            "allow" | "deny" | "policy" | "default" | "and" | "or" | "not"
        )
    };
    let whole = words(text)
        .filter(is_action)
        .filter_map(|word| word.parse().ok());
    let mut distinct: BTreeSet<TaskName> = whole.collect();
    let as_actions = words(text).filter_map(|word| format!("puppet::{word}").parse().ok());
    let mut some: BTreeSet<TaskName> = as_actions.take(TASKS_MAX).collect();
    while distinct.len() > TASKS_MAX {
        distinct.pop_last();
    }
    some.append(&mut distinct);
    some.extend(
        ["disk::wipe", "download"]
            .iter()
            .filter_map(|name| name.parse().ok()),
    );
    some.into_iter().collect()
}

/// A bare node, one that has what the text compares with and names, and one that has every other of that.
fn nodes(text: &str) -> Vec<(Map<String, Value>, BTreeSet<String>)> {
    let pairs = words(text).filter_map(|word| {
        let start = word.find(['=', '<', '>'])?;
        let (fact, value) = word.split_at(start);
        let value = value.trim_start_matches(['=', '<', '>', '~']);
        Some((fact.trim_end_matches('!'), typed(value)))
    });
    let pairs: Vec<(&str, Value)> = pairs.filter(|(fact, _)| !fact.is_empty()).collect();
    let classes: Vec<&str> = words(text)
        .filter(|word| !word.contains(['=', '<', '>', '/']))
        .collect();
    let every = |step: usize| {
        let mut facts = Map::new();
        pairs
            .iter()
            .step_by(step)
            .for_each(|(fact, value)| put(&mut facts, fact, value));
        let classes = classes
            .iter()
            .step_by(step)
            .map(|class| (*class).to_owned());
        (facts, classes.collect())
    };
    vec![(Map::new(), BTreeSet::new()), every(1), every(2)]
}

/// The value as a number or truth where it looks like one.
fn typed(value: &str) -> Value {
    let number = value.parse::<i64>().map(|number| json!(number));
    let fraction = || value.parse::<f64>().map(|number| json!(number));
    match (number.or_else(|_| fraction()), value) {
        (Ok(number), _) if !number.is_null() => number,
        (_, "true") => json!(true),
        (_, "false") => json!(false),
        _ => json!(value),
    }
}

fn put(facts: &mut Map<String, Value>, fact: &str, value: &Value) {
    match fact.split_once('.') {
        None => drop(facts.insert(fact.to_owned(), value.clone())),
        Some((first, rest)) => {
            let inner = facts.entry(first).or_insert_with(|| json!({}));
            if let Value::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}
