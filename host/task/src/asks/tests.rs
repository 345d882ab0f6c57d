use std::error::Error as _;

use host_core::{LimitRequests, ModuleName, Origin};
use serde_json::json;

use super::*;
use crate::metadata::Metadata;
use crate::module::Module;
use crate::types::TypeAliases;
use crate::{RawInput, TaskDefinition};

const PARAMETERS: &str = r#"{
    "name": {"type": "String"}, "paths": {"type": "Optional[Array[String]]"}, "note": {"type": "Optional[String]"},
    "size": {"type": "Optional[Float]"}, "password": {"type": "Sensitive[String]"}
}"#;

fn metadata(host: &Value) -> String {
    let parameters: Value = serde_json::from_str(PARAMETERS).expect("JSON");
    json!({ "parameters": parameters, "extensions": { "host": host } }).to_string()
}

fn read(host: &Value) -> Result<TaskAsks, String> {
    match Metadata::read(metadata(host).as_bytes(), &TypeAliases::builtin()) {
        Ok((metadata, _)) => Ok(metadata.asks),
        Err(error) => Err(error.to_string()),
    }
}

fn task(host: &Value) -> TaskDefinition {
    let paths = ["tasks/init.sh", "tasks/init.json"].map(str::to_owned);
    let name: ModuleName = "demo".parse().expect("a name");
    let text = metadata(host);
    let module =
        Module::open(&name, paths, &mut |_| Ok(text.clone().into_bytes())).expect("a module");
    module.find("demo").expect("a task").clone()
}

fn asked(asks: &Value, input: &Value) -> Result<Vec<String>, String> {
    let task = task(&json!({ "asks": asks }));
    let mut raw = RawInput::default();
    raw.read_object(input.to_string().as_bytes())
        .expect("an object");
    let input = task
        .check(&raw, false, &TypeAliases::builtin())
        .expect("a valid input");
    match task.fill_asks(&input) {
        Ok(asks) => {
            assert!(asks.iter().all(|ask| ask.origin == Origin::Bundle));
            Ok(asks.iter().map(|ask| ask.capability.to_string()).collect())
        }
        Err(error) => {
            assert!(error.source().is_some());
            Err(error.to_string())
        }
    }
}

#[test]
fn asks_limits_and_exclusiveness_are_read() {
    let asks = read(&json!({
        "asks": ["fs.read:/etc", {"capability": "fs.read:/var/log/${name}", "optional": true, "why": "logs"}],
        "limits": {"wall": "30s", "processes": 16},
        "exclusive": true,
    }))
    .expect("readable");
    let texts: Vec<_> = asks
        .asks
        .iter()
        .map(|ask| (ask.template.to_string(), ask.optional, ask.why.clone()))
        .collect();
    let wanted = [
        ("fs.read:/etc".to_owned(), false, None),
        (
            "fs.read:/var/log/${name}".to_owned(),
            true,
            Some("logs".to_owned()),
        ),
    ];
    assert_eq!(texts, wanted);
    let mut limits = LimitRequests::default();
    limits.set("wall", "30s").expect("a limit");
    limits.set("processes", "16").expect("a limit");
    assert_eq!((asks.limits, asks.exclusive), (limits, true));
}

#[test]
fn nothing_asked_is_nothing() {
    assert!(read(&json!({})).expect("readable").is_empty());
    assert!(read(&Value::Null).expect("readable").is_empty());
    assert!(
        !read(&json!({"exclusive": true}))
            .expect("readable")
            .is_empty()
    );
}

#[test]
fn every_bad_item_is_named_by_its_place() {
    let cases = [
        (
            json!([]),
            "`extensions.host` expects an object, got an array",
        ),
        (
            json!({"allow": []}),
            "`extensions.host.allow` is not known here",
        ),
        (
            json!({"asks": "fs.read:/"}),
            "`extensions.host.asks` expects an array, got a string",
        ),
        (
            json!({"asks": [1]}),
            "`extensions.host.asks[0]` expects a capability or an object with one, got a number",
        ),
        (
            json!({"asks": ["fs.read:/a", "fs.fly:/"]}),
            "`extensions.host.asks[1]` is not a capability",
        ),
        (
            json!({"asks": [{}]}),
            "`extensions.host.asks[0]` expects a `capability`, got an object",
        ),
        (
            json!({"asks": [{"capability": "fs.read:/a", "Optional": true}]}),
            "`extensions.host.asks[0].Optional` is not known here",
        ),
        (
            json!({"asks": [{"capability": "fs.read:relative"}]}),
            "`extensions.host.asks[0].capability` is not a capability",
        ),
        (
            json!({"asks": [{"capability": "fs.read:/a", "optional": "yes"}]}),
            "`extensions.host.asks[0].optional` expects true or false, got a string",
        ),
        (
            json!({"limits": {"walls": "1s"}}),
            "`extensions.host.limits.walls` cannot be used",
        ),
        (
            json!({"limits": {"wall": "soon"}}),
            "`extensions.host.limits.wall` cannot be used",
        ),
        (
            json!({"limits": {"wall": true}}),
            "`extensions.host.limits.wall` expects a string or a count, got a boolean",
        ),
        (
            json!({"exclusive": 1}),
            "`extensions.host.exclusive` expects true or false, got a number",
        ),
        (
            json!({"asks": ["fs.read:/a", "fs.read:/b/${other}"]}),
            "`extensions.host.asks[1]` has a placeholder for `other`, which the task does not declare",
        ),
        (
            json!({"asks": ["fs.read:/b/${password}"]}),
            "`extensions.host.asks[0]` has a placeholder for `password`, which is sensitive",
        ),
    ];
    for (host, wanted) in cases {
        assert_eq!(read(&host).expect_err(wanted), wanted);
    }
}

#[test]
fn a_placeholder_needs_declared_parameters() {
    let text = r#"{"extensions": {"host": {"asks": ["fs.read:/b/${name}"]}}}"#;
    let error = Metadata::read(text.as_bytes(), &TypeAliases::builtin())
        .expect_err("refused")
        .to_string();
    assert_eq!(
        error,
        "`extensions.host.asks[0]` has a placeholder for `name`, which the task does not declare"
    );
}

#[test]
fn placeholders_are_filled_from_the_input() {
    let given = json!({"name": "nginx", "password": "x", "paths": ["/a", "/b"]});
    let asks = json!(["fs.read:/var/log/${name}", "fs.write:${paths}"]);
    assert_eq!(
        asked(&asks, &given),
        Ok(vec![
            "fs.read:/var/log/nginx".into(),
            "fs.write:/a".into(),
            "fs.write:/b".into()
        ])
    );
}

#[test]
fn an_absent_value_refuses_a_required_ask_and_drops_an_optional_one() {
    let required = json!(["fs.read:/var/log/${note}"]);
    let optional = json!([{"capability": "fs.read:/var/log/${note}", "optional": true}]);
    for note in [json!(null), json!("")] {
        let given = json!({"name": "n", "password": "x", "note": note});
        let refused = "`fs.read:/var/log/${note}` cannot be asked for with this input";
        assert_eq!(asked(&required, &given), Err(refused.to_owned()));
        assert_eq!(asked(&optional, &given), Ok(Vec::new()));
    }
}

#[test]
fn an_empty_element_drops_only_itself_from_an_optional_ask() {
    let given = json!({"name": "n", "password": "x", "paths": ["a", "", "b"]});
    let optional = json!([{"capability": "fs.read:/var/log/${paths}", "optional": true}]);
    let filled = asked(&optional, &given).expect("two asks");
    assert_eq!(filled.len(), 2, "{filled:?}");
    let required = json!(["fs.read:/var/log/${paths}"]);
    assert!(asked(&required, &given).is_err());
}

#[test]
fn a_value_that_cannot_stand_there_refuses_an_optional_ask_too() {
    let given = json!({"name": "..", "password": "x", "size": 1.5});
    for text in ["fs.read:/var/log/${name}", "fs.read:/var/log/${size}"] {
        let asks = json!([{"capability": text, "optional": true}]);
        assert!(asked(&asks, &given).is_err(), "{text}");
    }
}

fn overlay(value: &Value) -> Result<Overlay, String> {
    let module: ModuleName = "demo".parse().expect("a name");
    Overlay::read(value.to_string().as_bytes(), &module).map_err(|error| error.to_string())
}

#[test]
fn an_overlay_names_tasks_short_or_in_full() {
    let overlay = overlay(&json!({
        "format": "host.asks/1",
        "tasks": {"init": {"asks": ["fs.read:/a"]}, "demo::report": {"exclusive": true}, "other": {}},
    }))
    .expect("readable");
    let names: Vec<_> = overlay.tasks().map(ToString::to_string).collect();
    assert_eq!(names, ["demo", "demo::other", "demo::report"]);
    let asks = |name: &str| overlay.asks(&name.parse().expect("a task"));
    assert_eq!(asks("demo").map(|asks| asks.asks.len()), Some(1));
    assert_eq!(asks("demo::report").map(|asks| asks.exclusive), Some(true));
    assert!(asks("demo::missing").is_none());
}

#[test]
fn an_overlay_that_is_not_understood_is_refused() {
    let cases = [
        (json!([]), "`the document` expects an object, got an array"),
        (
            json!({"tasks": {}}),
            "`host/asks.json` is not of format `host.asks/1`",
        ),
        (
            json!({"format": "host.asks/2", "tasks": {}}),
            "`host/asks.json` is not of format `host.asks/1`",
        ),
        (
            json!({"format": "host.asks/1"}),
            "`the document` expects `tasks`, got an object",
        ),
        (
            json!({"format": "host.asks/1", "tasks": {}, "task": {}}),
            "`task` is not known here",
        ),
        (
            json!({"format": "host.asks/1", "tasks": {"other::x": {}}}),
            "`tasks.other::x` does not name a task of this module",
        ),
        (
            json!({"format": "host.asks/1", "tasks": {"demo": {}, "init": {}}}),
            "`tasks.init` names a task a second time",
        ),
        (
            json!({"format": "host.asks/1", "tasks": {"x": {"asks": ["nothing"]}}}),
            "`tasks.x.asks[0]` is not a capability",
        ),
    ];
    for (value, wanted) in cases {
        assert_eq!(overlay(&value).expect_err(wanted), wanted);
    }
}
