use host_core::ModuleName;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::module::{Module, TaskDefinition};
use crate::types::TypeAliases;

fn task(metadata: &str) -> TaskDefinition {
    let name: ModuleName = "service".parse().expect("a name");
    let paths = ["tasks/init.sh", "tasks/init.json"].map(str::to_owned);
    let module =
        Module::open(&name, paths, &mut |_| Ok(metadata.as_bytes().to_vec())).expect("a module");
    module.find("service").expect("a task").clone()
}

/// A task with one parameter `x` of that type.
fn typed(data_type: &str) -> TaskDefinition {
    task(&json!({"parameters": {"x": {"type": data_type}}}).to_string())
}

fn raw(arguments: &[&str]) -> RawInput {
    let mut raw = RawInput::default();
    for argument in arguments {
        raw.assign(argument).expect("an assignment");
    }
    raw
}

fn check(task: &TaskDefinition, raw: &RawInput) -> Result<Value, String> {
    match task.check(raw, false, &TypeAliases::builtin()) {
        Ok(input) => Ok(input
            .iter()
            .map(|(name, value, _)| (name.to_string(), value.clone()))
            .collect()),
        Err(error) => Err(error
            .problems
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")),
    }
}

/// A number that Rust has no type for.
fn number(text: &str) -> Value {
    serde_json::from_str(text).expect("a number")
}

/// What `x` becomes, or what is wrong.
fn reads(data_type: &str, arguments: &[&str]) -> Result<Value, String> {
    check(&typed(data_type), &raw(arguments))
        .map(|value| value.get("x").cloned().unwrap_or(json!("absent")))
}

#[test]
fn a_text_is_read_by_the_declared_type() {
    let cases = [
        ("String", "1.10", json!("1.10")),
        ("String", "null", json!("null")),
        ("String", "\"quoted\"", json!("\"quoted\"")),
        ("String", "{}", json!("{}")),
        ("String", "", json!("")),
        ("String", "a=b=c", json!("a=b=c")),
        ("Optional[String]", "null", json!("null")),
        ("Optional[Integer]", "null", json!(null)),
        ("Integer", "10", json!(10)),
        ("Integer[0, 10]", "-0", number("-0")),
        ("Integer[0, 10]", "-1", json!("refused")),
        (
            "Integer[1]",
            "18446744073709551616",
            number("18446744073709551616"),
        ),
        (
            "Integer[default, -1]",
            "-18446744073709551617",
            number("-18446744073709551617"),
        ),
        (
            "Integer[default, 9]",
            "18446744073709551616",
            json!("refused"),
        ),
        ("Float", "1", json!(1.0)),
        (
            "Float",
            "18446744073709551616",
            number("18446744073709551616.0"),
        ),
        ("Optional[Float[0.0, 2.0]]", "-0", number("-0.0")),
        ("Float[0.0, 2.0]", "3", json!("refused")),
        ("Variant[Float, String]", "1", json!("1")),
        ("Variant[Float, Integer]", "1", json!(1)),
        ("Array[Float]", "1", json!([1.0])),
        ("Float", "1e999", number("1e999")),
        ("Float[0.0, 10.0]", "1e999", json!("refused")),
        (
            "Variant[Integer, String]",
            "18446744073709551616",
            json!("18446744073709551616"),
        ),
        ("Float", "1.10", number("1.10")),
        ("Numeric", "1.5", json!(1.5)),
        ("Boolean", "true", json!(true)),
        ("Boolean", "yes", json!("refused")),
        ("Enum['true', 'false']", "true", json!("true")),
        (
            "Variant[Boolean, Enum['true', 'false']]",
            "true",
            json!(true),
        ),
        (
            "Optional[Variant[Boolean, Enum['true', 'false']]]",
            "false",
            json!(false),
        ),
        ("Variant[Integer, String]", "5", json!(5)),
        ("Variant[Integer, String]", "007", json!("007")),
        ("Variant[Numeric, String]", "1.10", json!("1.10")),
        ("Hash", "{\"a\": 1}", json!({"a": 1})),
        ("Hash[String, Integer]", "{\"a\": \"b\"}", json!("refused")),
        ("Array", "[1, 2]", json!([1, 2])),
        ("Array[String]", "one", json!(["one"])),
        ("Array[String]", "5", json!(["5"])),
        ("Array[Integer]", "5", json!([5])),
        ("Array[Float]", "1.5", json!([1.5])),
        ("Optional[Array[String]]", "null", json!(null)),
        ("Array[String]", "[broken", json!("refused")),
        ("Any", "1.10", json!("1.10")),
        ("Data", "[1]", json!([1])),
        ("Sensitive[String]", "5", json!("5")),
    ];
    for (data_type, text, wanted) in cases {
        let found = reads(data_type, &[&format!("x={text}")]);
        match wanted.as_str() {
            Some("refused") => assert!(found.is_err(), "{data_type} x={text}: {found:?}"),
            _ => assert_eq!(found, Ok(wanted), "{data_type} x={text}"),
        }
    }
}

#[test]
fn a_text_without_a_type_is_json_only_where_that_is_plain() {
    let cases = [
        ("1.10", json!("1.10")),
        ("1.5", json!("1.5")),
        ("1e3", json!("1e3")),
        ("007", json!("007")),
        ("-0", json!("-0")),
        ("+1", json!("+1")),
        (" 1", json!(" 1")),
        ("0", json!(0)),
        ("-17", json!(-17)),
        ("18446744073709551615", json!(u64::MAX)),
        ("18446744073709551616", json!("18446744073709551616")),
        ("true", json!(true)),
        ("True", json!("True")),
        ("null", json!(null)),
        ("\"a\"", json!("\"a\"")),
        ("[1, \"a\"]", json!([1, "a"])),
        ("{\"a\": 1.10}", json!({"a": number("1.10")})),
        ("{a: 1}", json!("{a: 1}")),
        ("", json!("")),
    ];
    let (untyped, undeclared) = (task(r#"{"parameters": {"x": {}}}"#), task(""));
    for (text, wanted) in cases {
        for task in [&untyped, &undeclared] {
            assert_eq!(
                check(task, &raw(&[&format!("x={text}")])),
                Ok(json!({"x": wanted})),
                "{text}"
            );
        }
    }
}

#[test]
fn json_can_be_forced() {
    let cases = [
        ("Optional[String]", "x:=null", json!(null)),
        ("String", "x:=\"5\"", json!("5")),
        ("Any", "x:=1.5", json!(1.5)),
        ("Any", "x:=\"null\"", json!("null")),
    ];
    for (data_type, argument, wanted) in cases {
        assert_eq!(reads(data_type, &[argument]), Ok(wanted), "{argument}");
    }
    assert!(reads("String", &["x:=5"]).is_err());
}

#[test]
fn a_repeated_text_is_a_list_and_nothing_else() {
    assert_eq!(
        reads("Array[String]", &["x=a", "x=5"]),
        Ok(json!(["a", "5"]))
    );
    assert_eq!(reads("Array[Integer]", &["x=1", "x=2"]), Ok(json!([1, 2])));
    assert_eq!(
        reads("Optional[Array[Boolean]]", &["x=true", "x=false"]),
        Ok(json!([true, false]))
    );
    assert_eq!(
        reads("Variant[String, Array[String]]", &["x=a", "x=b"]),
        Ok(json!(["a", "b"]))
    );
    assert_eq!(
        reads("Array[Float]", &["x=1", "x=2.5"]),
        Ok(json!([1.0, 2.5]))
    );
    let repeated = Err("x  is given more than once".to_owned());
    assert_eq!(reads("String", &["x=a", "x=b"]), repeated);
    assert_eq!(reads("Array[String]", &["x=a", "x:=[\"b\"]"]), repeated);
    assert_eq!(reads("String", &["x:=\"a\"", "x:=\"a\""]), repeated);
    assert_eq!(check(&task(""), &raw(&["x=a", "x=b"])), repeated);
    assert!(reads("Array[Integer]", &["x=1", "x=two"]).is_err());
}

#[test]
fn a_message_speaks_of_the_likelier_reading() {
    let cases = [
        ("Integer", "abc", "x  expects an Integer value, got String"),
        (
            "Enum['a', 'b']",
            "5",
            "x  expects a match for Enum['a', 'b'], got '5'",
        ),
        (
            "Enum['a', 'b']",
            "c",
            "x  expects a match for Enum['a', 'b'], got 'c'",
        ),
        ("Boolean", "5", "x  expects a Boolean value, got Integer"),
    ];
    for (data_type, text, wanted) in cases {
        assert_eq!(
            reads(data_type, &[&format!("x={text}")]),
            Err(wanted.to_owned()),
            "{data_type} {text}"
        );
    }
    let out_of_range = reads("Integer[0, 10]", &["x=50"]).expect_err("out of range");
    assert!(!out_of_range.contains("String"), "{out_of_range}");
}

#[test]
fn everything_wrong_is_said_at_once() {
    let task = task(
        r#"{"parameters": {
            "action": {"type": "Enum['start', 'stop']"}, "name": {"type": "String[1]"},
            "force": {"type": "Optional[Boolean]"}
        }}"#,
    );
    let raw = raw(&["action=reload", "forse=true", "Bad=1"]);
    let error = task
        .check(&raw, true, &TypeAliases::builtin())
        .expect_err("wrong");
    assert_eq!(
        error.to_string(),
        "five things are wrong with the input of `service`"
    );
    let problems: Vec<_> = error.problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            "--noop  is not supported by this task",
            "action  expects a match for Enum['start', 'stop'], got 'reload'",
            "name  expects a value",
            "forse  is no parameter of this task; did you mean 'force'?",
            "Bad  is no parameter of this task",
        ]
    );
}

/// Each of any number of unknown names was once compared with every known one.
#[test]
fn many_unknown_names_are_counted_and_few_are_guessed_at() {
    let parameters: serde_json::Map<_, _> = (0..100)
        .map(|index| {
            (
                format!("parameter_{index}"),
                json!({"type": "Optional[String]"}),
            )
        })
        .collect();
    let task = task(&json!({ "parameters": parameters }).to_string());
    let unknown: serde_json::Map<_, _> = (0..16_000)
        .map(|index| (format!("paramater_{index}"), json!(1)))
        .collect();
    let mut raw = RawInput::default();
    raw.read_object(Value::Object(unknown).to_string().as_bytes())
        .expect("an object");
    let error = task
        .check(&raw, false, &TypeAliases::builtin())
        .expect_err("unknown names");
    assert_eq!(
        error.to_string(),
        "16000 things are wrong with the input of `service`, and 15900 of them are not listed"
    );
    assert_eq!(error.problems.len(), PROBLEMS_MAX);
    let guesses = error
        .problems
        .iter()
        .filter(|problem| problem.text.contains("did you mean"));
    assert_eq!(guesses.count(), 10);
}

#[test]
fn one_problem_is_one_thing() {
    let error = typed("String")
        .check(&raw(&[]), false, &TypeAliases::builtin())
        .expect_err("missing");
    assert_eq!(
        error.to_string(),
        "one thing is wrong with the input of `service`"
    );
}

#[test]
fn defaults_fill_what_is_missing_or_null() {
    let task = task(
        r#"{"parameters": {
            "port": {"type": "Integer", "default": 80}, "note": {"type": "Optional[String]", "default": "n"},
            "bare": {"type": "Optional[String]"}, "any": {}, "flag": {"type": "Boolean", "default": false}
        }}"#,
    );
    let cases = [
        (json!({}), json!({"flag": false, "note": "n", "port": 80})),
        (
            json!({"port": null, "note": null}),
            json!({"flag": false, "note": "n", "port": 80}),
        ),
        (
            json!({"port": 81, "flag": true, "bare": null}),
            json!({"bare": null, "flag": true, "note": "n", "port": 81}),
        ),
        (
            json!({"note": "", "any": [1]}),
            json!({"any": [1], "flag": false, "note": "", "port": 80}),
        ),
    ];
    for (given, wanted) in cases {
        let mut raw = RawInput::default();
        raw.read_object(given.to_string().as_bytes())
            .expect("an object");
        assert_eq!(check(&task, &raw), Ok(wanted), "{given}");
    }
}

#[test]
fn a_default_of_the_wrong_type_is_refused_when_it_is_used() {
    let task = task(r#"{"parameters": {"x": {"type": "Integer", "default": "eighty"}}}"#);
    assert_eq!(
        check(&task, &raw(&[])),
        Err("x  expects an Integer value, got String (its default in the metadata)".to_owned())
    );
    assert_eq!(
        check(&task, &raw(&["x=two"])),
        Err("x  expects an Integer value, got String".to_owned())
    );
    assert_eq!(check(&task, &raw(&["x=1"])), Ok(json!({"x": 1})));
}

#[test]
fn a_parameter_of_an_unreadable_type_keeps_its_task_from_running() {
    let task = task(r#"{"parameters": {"x": {"type": "[String]", "default": "a"}}}"#);
    for given in [raw(&[]), raw(&["x=a"])] {
        let problem = check(&task, &given).expect_err("refused");
        assert!(
            problem.starts_with("x  has the type [String], which cannot be read: "),
            "{problem}"
        );
    }
}

/// The message once said only that the pattern at byte 8 cannot be used.
#[test]
fn an_unreadable_type_is_told_with_its_reason() {
    let task = typed(r"Pattern[/\A(?!-)x/]");
    assert_eq!(
        check(&task, &raw(&["x=a"])),
        Err(
            r"x  has the type Pattern[/\A(?!-)x/], which cannot be read: the pattern at byte 8 cannot be used: negative lookahead `(?!` at byte 4 of the pattern is not supported"
                .to_owned()
        )
    );
}

#[test]
fn an_assignment_outweighs_the_object() {
    let mut raw = raw(&["x=text"]);
    raw.read_object(br#"{"x": "object", "y": 1}"#)
        .expect("an object");
    assert_eq!(check(&task(""), &raw), Ok(json!({"x": "text", "y": 1})));
}

#[test]
fn a_task_without_parameters_takes_none_and_one_that_is_silent_takes_any() {
    assert_eq!(
        check(&task(r#"{"parameters": {}}"#), &raw(&["x=1"])),
        Err("x  is no parameter of this task".to_owned())
    );
    assert_eq!(
        check(&task(""), &raw(&["_noop=true"])),
        Err("_noop  is not a parameter name".to_owned())
    );
    assert_eq!(
        check(&task(""), &raw(&["LD_PRELOAD=x"])),
        Err("LD_PRELOAD  is not a parameter name".to_owned())
    );
}

#[test]
fn what_is_not_input_is_refused_without_its_value() {
    let cases = [
        ("word", "`word` is not `name=value`"),
        ("=hunter2", "`` is not `name=value`"),
        (":=1", "`:` is not `name=value`"),
        ("x:=hunter2", "value of `x` is not readable"),
        (
            "x:={\"$serde_json::private::Number\": \"1\"}",
            "value of `x` is not readable",
        ),
        (
            "x:={\"hunter2\": 1, \"hunter2\": 2}",
            "value of `x` is not readable",
        ),
    ];
    for (argument, wanted) in cases {
        assert_eq!(
            RawInput::default()
                .assign(argument)
                .expect_err(wanted)
                .to_string(),
            wanted
        );
    }
    for (text, wanted) in [
        ("[1]", "input is not a JSON object"),
        ("hunter2", "input is not readable"),
        (
            "{\"a\": {\"$serde_json::private::Number\": \"1\"}}",
            "input is not readable",
        ),
    ] {
        assert_eq!(
            RawInput::default()
                .read_object(text.as_bytes())
                .expect_err(wanted)
                .to_string(),
            wanted
        );
    }
    let deep = format!("{{\"x\": {}{}}}", "[".repeat(32), "]".repeat(32));
    assert!(RawInput::default().read_object(deep.as_bytes()).is_err());
}

/// The last one once won without a word.
#[test]
fn a_key_that_stands_twice_is_refused_where_a_text_is_read_as_json() {
    let twice = r#"h={"a": 1, "b": [{"c": 1, "c": 2}]}"#;
    let refused = Err("h  has the key `c` twice".to_owned());
    assert_eq!(check(&task(""), &raw(&[twice])), refused);
    let declares = |data_type: &str, more: &str| {
        task(&format!(
            r#"{{"parameters": {{"h": {{"type": "{data_type}"{more}}}}}}}"#
        ))
    };
    assert_eq!(check(&declares("Hash", ""), &raw(&[twice])), refused);
    assert_eq!(check(&declares("Array[Hash]", ""), &raw(&[twice])), refused);
    assert_eq!(
        check(&declares("Hash", r#", "sensitive": true"#), &raw(&[twice])),
        Err("h  has a key twice".to_owned())
    );
    assert!(check(&declares("String", ""), &raw(&[twice])).is_ok());
    assert!(check(&declares("Array[String]", ""), &raw(&[twice])).is_ok());
}

#[test]
fn noop_needs_a_task_that_supports_it() {
    let noop = |metadata: &str| task(metadata).check(&raw(&[]), true, &TypeAliases::builtin());
    assert!(
        noop(r#"{"supports_noop": true}"#)
            .expect("allowed")
            .is_noop()
    );
    assert!(noop("{}").is_err());
}

#[test]
fn a_secret_is_in_no_message_and_no_debugging_output() {
    let metadata = json!({"parameters": {
        "enum": {"type": "Enum['a']", "sensitive": true}, "list": {"type": "Array[Integer]", "sensitive": true},
        "wrapped": {"type": "Sensitive[Pattern[/\\A[a-z]+\\z/]]"}, "fine": {"type": "String", "sensitive": true},
        "public": {"type": "String"}
    }});
    let task = task(&metadata.to_string());
    let raw = raw(&[
        "enum=hunter2",
        "list:=[\"hunter2\"]",
        "wrapped=hunter2",
        "fine=hunter2",
        "public=seen",
    ]);
    let error = task
        .check(&raw, false, &TypeAliases::builtin())
        .expect_err("wrong");
    assert_eq!(error.problems.len(), 3, "{error:?}");
    for shown in [format!("{error:?}"), format!("{raw:?}")] {
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    let fine = self::raw(&[
        "enum=a",
        "list:=[1]",
        "wrapped=hunter",
        "fine=hunter2",
        "public=seen",
    ]);
    let input = task
        .check(&fine, false, &TypeAliases::builtin())
        .expect("valid");
    let shown = format!("{input:?}");
    assert!(
        !shown.contains("hunter") && shown.contains("seen") && shown.contains(REDACTED),
        "{shown}"
    );
    assert_eq!(input.public_json(), json!({"public": "seen"}));
}

#[test]
fn the_public_form_does_not_depend_on_the_order_of_keys() {
    let public = |text: &str| {
        let mut raw = RawInput::default();
        raw.read_object(text.as_bytes()).expect("an object");
        task("")
            .check(&raw, false, &TypeAliases::builtin())
            .expect("valid")
            .public_json()
            .to_string()
    };
    let wanted = r#"{"a":[{"c":1,"d":2}],"b":{"x":1,"y":{"k":1,"l":2}}}"#;
    assert_eq!(
        public(r#"{"b": {"y": {"l": 2, "k": 1}, "x": 1}, "a": [{"d": 2, "c": 1}]}"#),
        wanted
    );
    assert_eq!(
        public(r#"{"a": [{"c": 1, "d": 2}], "b": {"x": 1, "y": {"k": 1, "l": 2}}}"#),
        wanted
    );
}

#[test]
fn placeholders_take_scalars_and_lists_of_them() {
    let metadata =
        json!({"parameters": {"secret": {"type": "Optional[String]", "sensitive": true}, "x": {}}});
    let task = task(&metadata.to_string());
    let fill = |x: Value| {
        let mut raw = RawInput::default();
        raw.read_object(json!({"secret": "s", "x": x}).to_string().as_bytes())
            .expect("an object");
        let input = task
            .check(&raw, false, &TypeAliases::builtin())
            .expect("valid");
        assert!(matches!(
            input.placeholder(&"secret".parse().expect("a name")),
            Placeholder::Sensitive
        ));
        assert!(matches!(
            input.placeholder(&"other".parse().expect("a name")),
            Placeholder::Absent
        ));
        match input.placeholder(&"x".parse().expect("a name")) {
            Placeholder::Absent => "absent".to_owned(),
            Placeholder::One(text) => format!("one {text}"),
            Placeholder::Many(texts) => format!("many {}", texts.join(" ")),
            Placeholder::Unfit(what) => format!("unfit {what}"),
            Placeholder::Sensitive => "sensitive".to_owned(),
        }
    };
    let cases = [
        (json!(null), "absent"),
        (json!([]), "absent"),
        (json!(""), "one "),
        (json!("a b"), "one a b"),
        (json!(-5), "one -5"),
        (number("18446744073709551616"), "one 18446744073709551616"),
        (number("1e999"), "unfit is a floating point number"),
        (json!(true), "one true"),
        (json!(1.5), "unfit is a floating point number"),
        (json!({}), "unfit is an object"),
        (json!(["a", 1, false]), "many a 1 false"),
        (
            json!(["a", null]),
            "unfit is a list of something else than strings, integers and booleans",
        ),
        (
            json!([["a"]]),
            "unfit is a list of something else than strings, integers and booleans",
        ),
    ];
    for (value, wanted) in cases {
        assert_eq!(fill(value.clone()), wanted, "{value}");
    }
}

proptest! {
    #[test]
    fn a_string_parameter_takes_every_text_as_it_is(text in any::<String>()) {
        for data_type in ["String", "Optional[String]", "Sensitive[String]"] {
            prop_assert_eq!(reads(data_type, &[&format!("x={text}")]), Ok(json!(text)));
        }
    }

    #[test]
    fn the_text_of_a_value_is_read_back_by_its_type(number in any::<i64>(), flag in any::<bool>()) {
        prop_assert_eq!(reads("Integer", &[&format!("x={number}")]), Ok(json!(number)));
        prop_assert_eq!(reads("Boolean", &[&format!("x={flag}")]), Ok(json!(flag)));
        prop_assert_eq!(reads("Array[Integer]", &[&format!("x=[{number}]")]), Ok(json!([number])));
    }

    #[test]
    fn a_text_without_a_type_keeps_its_meaning(text in "[-+0-9.eE]{1,8}") {
        let value = check(&task(""), &raw(&[&format!("x={text}")])).expect("any value is taken");
        let kept = match &value["x"] {
            Value::String(kept) => kept.clone(),
            other => other.to_string(),
        };
        prop_assert_eq!(kept, text);
    }
}
