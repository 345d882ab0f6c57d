//! Input: the ways it reaches a task, and the ways it is typed.

use serde_json::{Value, json};

use crate::lab::{Host, Lab};

/// Prints what arrived on standard input and in `PT_*` as one JSON object.
const ARRIVED: &str = r#"#!/usr/bin/python3
import json, os, sys
print(json.dumps({"stdin": sys.stdin.read(), "pt": {k: v for k, v in os.environ.items() if k.startswith("PT_")}}))
"#;

/// What arrived at a task with this input method, given `arguments`.
#[track_caller]
fn arrived(method: Value, arguments: &[&str]) -> (Value, Value) {
    let lab = Lab::new();
    let mut metadata = json!({"supports_noop": true});
    if !method.is_null() {
        metadata["input_method"] = method;
    }
    let module = lab
        .module("demo")
        .task("show.py", ARRIVED, metadata)
        .build();
    let record = lab.record(&[&[module.as_str(), "show"], arguments].concat());
    let stdin = record["value"]["stdin"]
        .as_str()
        .unwrap_or_else(|| panic!("{record:#}"));
    let stdin = if stdin.is_empty() {
        Value::Null
    } else {
        serde_json::from_str(stdin).expect("stdin is JSON")
    };
    (stdin, record["value"]["pt"].clone())
}

#[test]
fn by_stdin_one_object_arrives_and_no_variable() {
    let (stdin, variables) = arrived(json!("stdin"), &["a=1", "b=two"]);
    assert_eq!(stdin, json!({"a": 1, "b": "two", "_task": "demo::show"}));
    assert_eq!(variables, json!({}));
}

#[test]
fn by_environment_variables_arrive_and_nothing_on_stdin() {
    let input = r#"{"text": "a b", "number": 1.5, "list": [1, "x"], "map": {"k": true}, "nothing": null, "yes": true}"#;
    let (stdin, variables) = arrived(json!("environment"), &["--input", input]);
    assert_eq!(stdin, Value::Null);
    let expected = json!({
        "PT_text": "a b", "PT_number": "1.5", "PT_list": r#"[1,"x"]"#, "PT_map": r#"{"k":true}"#,
        "PT_nothing": "null", "PT_yes": "true", "PT__task": "demo::show",
    });
    assert_eq!(variables, expected);
}

#[test]
fn by_both_and_by_default_the_input_arrives_twice() {
    for method in [json!("both"), Value::Null] {
        let (stdin, variables) = arrived(method, &["a=1"]);
        assert_eq!(stdin, json!({"a": 1, "_task": "demo::show"}));
        assert_eq!(variables, json!({"PT_a": "1", "PT__task": "demo::show"}));
    }
}

#[test]
fn a_task_for_powershell_is_refused_before_it_starts() {
    let lab = Lab::new();
    let by_name = lab
        .module("one")
        .task("init.ps1", "Write-Output 1", Value::Null)
        .build();
    let by_method = lab
        .module("two")
        .task(
            "init.sh",
            "#!/bin/sh\n",
            json!({"input_method": "powershell"}),
        )
        .build();
    for module in [by_name, by_method] {
        lab.run(&["run", &module]).exits(2).says(&["PowerShell"]);
    }
    assert!(lab.events().is_empty(), "nothing was intended");
}

#[test]
fn a_noop_run_says_so_to_its_task() {
    let (stdin, variables) = arrived(json!("both"), &["--noop"]);
    assert_eq!(stdin, json!({"_noop": true, "_task": "demo::show"}));
    assert_eq!(variables["PT__noop"], "true");
}

/// The module `demo` with a task that prints its input and declares these types.
fn echo(lab: &Lab, types: &[(&str, &str)]) -> String {
    let parameters: serde_json::Map<String, Value> = types
        .iter()
        .map(|(name, data_type)| ((*name).to_owned(), json!({"type": data_type})))
        .collect();
    let metadata = json!({"input_method": "stdin", "parameters": parameters});
    lab.module("demo")
        .task("init.sh", "#!/bin/sh\ncat\n", metadata)
        .build()
}

#[test]
fn a_text_is_read_by_the_type_that_its_parameter_declares() {
    let lab = Lab::new();
    let types = [
        ("version", "String"),
        ("word", "Variant[String, Integer]"),
        ("count", "Integer"),
        ("ratio", "Float"),
        ("flag", "Boolean"),
        ("many", "Array[String]"),
        ("single", "Array[Integer]"),
        ("map", "Hash"),
        ("text", "String"),
        ("quoted", "String"),
        ("nothing", "Optional[String]"),
        ("either", "Enum[on, off]"),
    ];
    let module = echo(&lab, &types);
    let typed = [
        "version=1.10",
        "word=007",
        "count=5",
        "ratio=1.50",
        "flag=true",
        "many=a",
        "many=b",
        "single=3",
        r#"map={"x":[1]}"#,
        "text=null",
        "quoted=\"q\"",
        "nothing:=null",
        "either=on",
    ];
    let value = &lab.record(&[&[module.as_str()], &typed[..]].concat())["value"];
    // A number keeps its text.
    let ratio: Value = serde_json::from_str("1.50").unwrap();
    let expected = json!({
        "version": "1.10", "word": "007", "count": 5, "ratio": ratio, "flag": true, "many": ["a", "b"], "single": [3],
        "map": {"x": [1]}, "text": "null", "quoted": "\"q\"", "nothing": null, "either": "on", "_task": "demo",
    });
    assert_eq!(*value, expected);
}

#[test]
fn without_a_type_only_plain_json_is_taken_for_json() {
    let lab = Lab::new();
    let module = lab
        .module("demo")
        .task(
            "init.sh",
            "#!/bin/sh\ncat\n",
            json!({"input_method": "stdin"}),
        )
        .build();
    let typed = [
        "a=1.10", "b=7", "c=true", "d=[1]", "e=01", "f:=\"1\"", "g=x=y", "h=", "i=1e3",
    ];
    let value = &lab.record(&[&[module.as_str()], &typed[..]].concat())["value"];
    let expected = json!({
        "a": "1.10", "b": 7, "c": true, "d": [1], "e": "01", "f": "1", "g": "x=y", "h": "", "i": "1e3", "_task": "demo",
    });
    assert_eq!(*value, expected);
}

#[test]
fn parameters_can_be_typed_as_options() {
    let lab = Lab::new();
    let module = echo(
        &lab,
        &[
            ("two_words", "String"),
            ("count", "Integer"),
            ("force", "Optional[Boolean]"),
            ("limit", "Optional[String]"),
        ],
    );
    for options in [
        &["demo", "--two-words", "-x y", "--count=-3", "--force"][..],
        &["--two_words=-x y", "--count", "-3", "--force=true"],
    ] {
        let value = &lab.record(&[&[module.as_str()], options].concat())["value"];
        assert_eq!(
            *value,
            json!({"two_words": "-x y", "count": -3, "force": true, "_task": "demo"}),
            "{options:?}"
        );
    }
    // `--limit` is ours; the parameter of that name is set by its name alone.
    let value = &lab.record(&[
        &module,
        "two_words=a",
        "count=1",
        "limit=theirs",
        "--limit",
        "wall=20s",
    ])["value"];
    assert_eq!(value["limit"], "theirs");
}

#[test]
fn input_is_the_same_inline_from_a_file_and_from_stdin_in_json_and_yaml() {
    let lab = Lab::new();
    let module = echo(&lab, &[("name", "String"), ("ports", "Array[Integer]")]);
    let (json_text, yaml_text) = (
        r#"{"name": "web", "ports": [80, 443]}"#,
        "name: web\nports:\n  - 80\n  - 443\n",
    );
    let json_file = format!("@{}", lab.write("values.json", json_text));
    let yaml_file = format!("@{}", lab.write("values.yaml", yaml_text));
    let expected = json!({"name": "web", "ports": [80, 443], "_task": "demo"});
    for (input, stdin) in [
        (json_text, ""),
        (yaml_text, ""),
        (json_file.as_str(), ""),
        (&yaml_file, ""),
        ("-", json_text),
        ("-", yaml_text),
    ] {
        let ran = Host::new(
            &lab,
            &["--output", "json", "run", &module, "--input", input],
        )
        .stdin(stdin)
        .run();
        assert_eq!(ran.exits(0).record()["value"], expected, "{input} {stdin}");
    }
}

#[test]
fn an_argument_outweighs_the_same_parameter_of_the_input() {
    let lab = Lab::new();
    let module = echo(&lab, &[("a", "Integer"), ("b", "Integer")]);
    let value = &lab.record(&[&module, "--input", r#"{"a": 1, "b": 2}"#, "b=3"])["value"];
    assert_eq!(*value, json!({"a": 1, "b": 3, "_task": "demo"}));
}

#[test]
fn defaults_are_filled_where_nothing_or_undef_was_given() {
    let lab = Lab::new();
    let metadata = json!({"input_method": "stdin", "parameters": {
        "port": {"type": "Integer", "default": 8080},
        "mode": {"type": "Enum[a, b]", "default": "a"},
        "note": {"type": "Optional[String]"},
    }});
    let module = lab
        .module("demo")
        .task("init.sh", "#!/bin/sh\ncat\n", metadata)
        .build();
    for arguments in [&[][..], &["port:=null"]] {
        let value = &lab.record(&[&[module.as_str()], arguments].concat())["value"];
        assert_eq!(
            *value,
            json!({"port": 8080, "mode": "a", "_task": "demo"}),
            "{arguments:?}"
        );
    }
}

#[test]
fn everything_that_is_wrong_is_said_at_once_and_nothing_starts() {
    let lab = Lab::new();
    let module = echo(
        &lab,
        &[
            ("name", "String[1]"),
            ("action", "Enum[start, stop]"),
            ("count", "Integer[0, 5]"),
        ],
    );
    lab.run(&["run", &module, "action=reload", "count=50", "colour=red"])
        .exits(2)
        .says(&[
            "four things are wrong",
            "name",
            "action",
            "'start', 'stop'",
            "'reload'",
            "count",
            "Integer[0, 5]",
            "colour",
        ])
        .hints("--help");
    assert!(lab.events().is_empty() && lab.spooled().is_empty());
}

#[test]
fn the_hint_shows_the_parameters_that_were_wrong() {
    let lab = Lab::new();
    echo(&lab, &[("action", "Enum[start, stop]")]);
    let module = lab
        .module("demo")
        .task("other.sh", "#!/bin/sh\n", json!({"description": "Another"}))
        .build();
    for arguments in [
        &["action=reload"][..],
        &["demo", "action=reload"],
        &["action=reload", "--limit", "wall=3s"],
    ] {
        let ran = lab
            .run(&[&["run", module.as_str()], arguments].concat())
            .exits(2);
        let hint = ran
            .stderr
            .lines()
            .find_map(|line| line.strip_prefix("hint: host "))
            .expect("a hint")
            .to_owned();
        let help = Host::by_shell(&lab, &format!("\"$@\" {hint}"), &[])
            .run()
            .exits(0);
        assert!(
            help.text().contains("--action"),
            "`host {hint}` shows\n{}",
            help.text()
        );
    }
}

#[test]
fn a_typo_in_a_parameter_is_answered_with_its_right_name() {
    let lab = Lab::new();
    let module = echo(&lab, &[("action", "Optional[String]")]);
    lab.run(&["run", &module, "acton=stop"])
        .exits(2)
        .says(&["acton", "did you mean 'action'?"]);
}

#[test]
fn input_that_cannot_be_read_is_refused_with_its_place() {
    let lab = Lab::new();
    let module = echo(&lab, &[("a", "Optional[Integer]")]);
    for (input, said) in [
        ("{\"a\": 1", "input"),
        ("[1, 2]", "object"),
        ("@nowhere.json", "nowhere.json"),
        ("just words", "object"),
        ("a: 1\na: 2", "`a` twice"),
        ("{\"a\": 1, \"a\": 2}", "`a` twice"),
        ("a: 0644", "leading zero"),
    ] {
        lab.run(&["run", &module, "--input", input])
            .exits(2)
            .says(&["error:", said]);
    }
    lab.run(&["run", &module, "a:=nonsense"])
        .exits(2)
        .says(&["`a`"]);
    lab.run(&["run", &module, "=1"])
        .exits(2)
        .says(&["name=value"]);
    assert!(lab.events().is_empty());
}

#[test]
fn input_that_is_nested_too_deeply_is_said_to_be() {
    let lab = Lab::new();
    let module = echo(&lab, &[("a", "Optional[Data]")]);
    for levels in [40, 200, 100_000] {
        let deep = format!("{{\"a\": {}1{}}}", "[".repeat(levels), "]".repeat(levels));
        lab.host(&["run", &module, "--input", "-"])
            .stdin(deep)
            .run()
            .exits(2)
            .says(&["deep"]);
    }
    assert!(lab.events().is_empty());
}

#[test]
fn a_declared_empty_list_of_parameters_takes_none() {
    let lab = Lab::new();
    let module = lab
        .module("demo")
        .task("init.sh", "#!/bin/sh\ncat\n", json!({"parameters": {}}))
        .build();
    lab.run(&["run", &module, "a=1"]).exits(2).says(&["a"]);
    lab.run(&["run", &module]).exits(0);
}
