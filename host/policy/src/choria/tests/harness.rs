//! Asks Cedar itself about a generated set, with entities as the schema has them.
//!
//! The fuzz oracle takes this file in too, so it keeps to what is allowed outside of tests.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use cedar_policy::{
    Authorizer, Context, Decision, Entities, EntityId, EntityUid, PolicySet, Request, Schema,
    ValidationMode, Validator,
};
use serde_json::{Map, Value, json};

use super::{Imported, Predicates};

const SCHEMA: &str = include_str!("../../../../../policies/schema.cedarschema");

thread_local! {
    static VALIDATOR: Validator = Validator::new(Schema::from_cedarschema_str(SCHEMA).expect("our schema").0);
}

/// A generated set, ready to be asked.
pub(crate) struct Asked {
    rules: PolicySet,
    predicates: Predicates,
    groups: BTreeMap<String, Vec<String>>,
}

impl Asked {
    /// Takes the files of a set and validates them strictly.
    pub(crate) fn new(imported: &Imported) -> Self {
        let mut text = String::new();
        let mut predicates = Predicates::default();
        let mut groups = BTreeMap::new();
        for (name, content) in &imported.files {
            match name.as_str() {
                "predicates.toml" => predicates = Predicates::read(content).expect("predicates"),
                "groups.toml" => groups = read_groups(content),
                _ => text.push_str(content),
            }
        }
        let rules = PolicySet::from_str(&text).unwrap_or_else(|error| panic!("{error:?}\n{text}"));
        let result = VALIDATOR.with(|it| it.validate(&rules, ValidationMode::Strict));
        assert!(result.validation_passed(), "{result}\n{text}");
        assert!(!text.contains("context.task"), "{text}");
        Self {
            rules,
            predicates,
            groups,
        }
    }

    /// A node with these facts and classes, and everyone and everything that is asked about there.
    pub(crate) fn on(
        &self,
        facts: &Map<String, Value>,
        classes: &BTreeSet<String>,
        callers: &[&str],
        tasks: &[&str],
    ) -> Node<'_> {
        let entities = self.entities(callers, tasks, facts);
        let context = |caller: &&str| {
            let holding = self.predicates.holding(caller, facts, classes);
            let context = context(classes, &holding);
            (
                (*caller).to_owned(),
                Context::from_json_value(context, None).expect("a context"),
            )
        };
        Node {
            rules: &self.rules,
            entities: Entities::from_json_value(entities, None).expect("entities"),
            contexts: callers.iter().map(context).collect(),
        }
    }

    fn entities(&self, callers: &[&str], tasks: &[&str], facts: &Map<String, Value>) -> Value {
        let mut tags = Map::new();
        let mut numbers = Map::new();
        flatten("", facts, &mut tags, &mut numbers);
        let owner = json!({
            "numbers": { "type": "Numbers", "id": "facts" }, "lists": { "type": "Lists", "id": "facts" },
        });
        let mut entities = vec![
            json!({ "uid": { "type": "Facts", "id": "facts" }, "attrs": owner, "parents": [], "tags": tags }),
            json!({ "uid": { "type": "Input", "id": "input" }, "attrs": owner, "parents": [], "tags": {} }),
            json!({ "uid": { "type": "Numbers", "id": "facts" }, "attrs": {}, "parents": [], "tags": numbers }),
            json!({ "uid": { "type": "Lists", "id": "facts" }, "attrs": {}, "parents": [], "tags": {} }),
        ];
        for caller in callers {
            let is_in =
                |(_, members): &(&String, &Vec<String>)| members.iter().any(|it| it == caller);
            let groups = self.groups.iter().filter(is_in);
            let parents: Vec<Value> = groups
                .map(|(group, _)| json!({ "type": "Group", "id": group }))
                .collect();
            entities.push(json!({
                "uid": { "type": "Caller", "id": caller }, "attrs": { "name": caller }, "parents": parents,
            }));
        }
        for task in tasks {
            let module = task.split("::").next().unwrap_or(task);
            entities.push(json!({
                "uid": { "type": "Task", "id": task }, "attrs": { "name": task },
                "parents": [{ "type": "Module", "id": module }],
            }));
        }
        Value::Array(entities)
    }
}

/// A node on which a set is asked.
pub(crate) struct Node<'a> {
    rules: &'a PolicySet,
    entities: Entities,
    contexts: BTreeMap<String, Context>,
}

impl Node<'_> {
    /// Whether the caller may run the task.
    pub(crate) fn allows(&self, caller: &str, task: &str) -> bool {
        let uid = |kind: &str, id: &str| {
            EntityUid::from_type_name_and_id(kind.parse().expect("a type"), EntityId::new(id))
        };
        let (principal, action) = (uid("Caller", caller), uid("Action", "run"));
        let context = self.contexts.get(caller).expect("a caller").clone();
        let request =
            Request::new(principal, action, uid("Task", task), context, None).expect("a request");
        let answer = Authorizer::new().is_authorized(&request, self.rules, &self.entities);
        let errors: Vec<String> = answer
            .diagnostics()
            .errors()
            .map(ToString::to_string)
            .collect();
        assert!(errors.is_empty(), "{errors:?}");
        answer.decision() == Decision::Allow
    }
}

fn read_groups(text: &str) -> BTreeMap<String, Vec<String>> {
    let table: toml::Table = text.parse().expect("TOML");
    let format = table.get("format").and_then(toml::Value::as_str);
    assert_eq!(format, Some("host.groups/1"));
    let groups = table.get("groups").expect("groups").clone();
    groups.try_into().expect("lists of names")
}

/// Texts and integers of facts under their dotted names.
fn flatten(
    before: &str,
    facts: &Map<String, Value>,
    tags: &mut Map<String, Value>,
    numbers: &mut Map<String, Value>,
) {
    for (key, value) in facts {
        let name = format!("{before}{key}");
        match value {
            Value::Object(inner) => flatten(&format!("{name}."), inner, tags, numbers),
            Value::String(text) => drop(tags.insert(name, json!(text))),
            Value::Number(number) => {
                tags.insert(name.clone(), json!(number.to_string()));
                if let Some(number) = number.as_i64() {
                    numbers.insert(name, json!(number));
                }
            }
            Value::Bool(_) | Value::Null => drop(tags.insert(name, json!(value.to_string()))),
            Value::Array(_) => {}
        }
    }
}

fn context(classes: &BTreeSet<String>, holding: &BTreeSet<String>) -> Value {
    let entity = |kind: &str, id: &str| json!({ "__entity": { "type": kind, "id": id } });
    json!({
        // No generated rule reads it.
        "task": entity("Task", "any"),
        "bundle": { "id": "", "module": "", "version": "", "signers": [] },
        "input": entity("Input", "input"),
        "facts": entity("Facts", "facts"),
        "node": { "name": "db-01", "groups": [], "classes": classes },
        "limits": { "wall": 1, "cpu": 1, "share": 1, "memory": 1, "processes": 1, "output": 1, "scratch": 1,
                    "inodes": 1, "files": 1, "input": 1, "calls": 1 },
        "walls": { "landlock": 4, "own_user": true },
        "noop": false,
        "time": { "__extn": { "fn": "datetime", "arg": "2026-11-27" } },
        "utc": { "weekday": "fri", "hour": 12, "minute": 0 },
        "reason": "",
        "predicates": holding,
    })
}
