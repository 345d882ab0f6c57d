//! What a task is given: its parameters by either way, what is told about the run, and its environment.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Language, Suite, exited, success};

/// The variables that every task has.
const FIXED: [(&str, &str); 5] = [
    ("HOME", "/scratch"),
    ("HOST_OUT", "/out"),
    ("LANG", "C.UTF-8"),
    (
        "PATH",
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ),
    ("TMPDIR", "/tmp"),
];

/// A secret that stands on no command line.
const QUIET_CANARY: &str = "quiet-canary-yie4ohch";

/// What a task says has arrived.
#[derive(Debug)]
struct Arrived {
    /// Standard input as it came.
    stdin: String,
    /// The same as JSON; null if it was empty.
    object: Value,
    variables: BTreeMap<String, String>,
}

impl Arrived {
    #[track_caller]
    fn of(record: &Value) -> Self {
        let said = record["value"]["_output"].as_str();
        let said = said.and_then(|said| said.strip_prefix("stdin\0"));
        let (stdin, variables) = said
            .and_then(|said| said.split_once("\0environment\0"))
            .unwrap_or_else(|| panic!("not what `do=input` prints: {record:#}"));
        let object = match stdin {
            "" => Value::Null,
            stdin => serde_json::from_str(stdin).expect("JSON on standard input"),
        };
        let mut arrived = Self {
            stdin: stdin.to_owned(),
            object,
            variables: BTreeMap::new(),
        };
        for variable in variables.split_terminator('\0') {
            let (name, value) = variable.split_once('=').expect("a variable");
            let before = arrived.variables.insert(name.to_owned(), value.to_owned());
            assert_eq!(before, None, "`{name}` is there twice");
        }
        arrived
    }
}

/// The fixed variables and these.
fn variables(more: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    FIXED.iter().chain(more).map(owned).collect()
}

#[test]
fn by_stdin_alone_an_object_arrives_and_no_variable() {
    let suite = Suite::declaring(json!({"input_method": "stdin"}));
    for (language, record) in suite.records(&["text=one\ntwo", "code=5"]) {
        let arrived = Arrived::of(&record);
        let expected = json!({
            "do": "input", "code": 5, "text": "one\ntwo", "bytes": 0, "_task": language.task(),
        });
        assert_eq!(arrived.object, expected, "{language:?}");
        assert_eq!(arrived.variables, variables(&[]), "{language:?}");
    }
}

#[test]
fn by_environment_alone_variables_arrive_and_an_empty_stdin() {
    let suite = Suite::declaring(json!({"input_method": "environment"}));
    for (language, record) in suite.records(&["text=one\ntwo"]) {
        let arrived = Arrived::of(&record);
        let expected = variables(&[
            ("PT_do", "input"),
            ("PT_code", "0"),
            ("PT_text", "one\ntwo"),
            ("PT_bytes", "0"),
            ("PT__task", &language.task()),
        ]);
        assert_eq!(arrived.stdin, "", "{language:?}");
        assert_eq!(arrived.variables, expected, "{language:?}");
    }
}

#[test]
fn by_both_ways_and_by_default_the_input_arrives_twice() {
    for method in [json!("both"), Value::Null] {
        let suite = Suite::declaring(json!({"input_method": method, "parameters": null}));
        for (language, record) in suite.records(&["a=1", "b=two words"]) {
            let arrived = Arrived::of(&record);
            let task = language.task();
            let expected = json!({"a": 1, "b": "two words", "_task": task});
            assert_eq!(arrived.object, expected, "{language:?}");
            let expected = [("PT_a", "1"), ("PT_b", "two words"), ("PT__task", &task)];
            assert_eq!(arrived.variables, variables(&expected), "{language:?}");
        }
    }
}

/// Every kind of value as JSON, and as the text of its variable.
const VALUES: &[(&str, &str, &str)] = &[
    ("empty", r#""""#, ""),
    ("spaces", r#""  a  b  ""#, "  a  b  "),
    ("lines", r#""one\ntwo\r\n\n""#, "one\ntwo\r\n\n"),
    (
        "quotes",
        r#""\"double\" 'single' `back`""#,
        "\"double\" 'single' `back`",
    ),
    ("backslashes", r#""\\ \\n \\\\""#, r"\ \n \\"),
    (
        "code",
        r#""$HOME $(id) ${x} %s; rm -rf *""#,
        "$HOME $(id) ${x} %s; rm -rf *",
    ),
    (
        "unicode",
        r#""h\u00f6l \u20ac \ud83d\ude00 日本 e\u0301""#,
        "höl € 😀 日本 e\u{301}",
    ),
    (
        "control",
        r#""\u0001\u001b[0m\t\u007f""#,
        "\u{1}\u{1b}[0m\t\u{7f}",
    ),
    ("like_null", r#""null""#, "null"),
    ("like_number", r#""-007""#, "-007"),
    ("like_object", r#""{\"a\":1}""#, r#"{"a":1}"#),
    ("zero", "0", "0"),
    ("negative", "-7", "-7"),
    ("beyond_2_53", "9007199254740993", "9007199254740993"),
    (
        "beyond_2_64",
        "-123456789012345678901234567890",
        "-123456789012345678901234567890",
    ),
    ("tenth", "0.1", "0.1"),
    ("digits", "1.50", "1.50"),
    (
        "many_digits",
        "3.14159265358979323846264338327950288",
        "3.14159265358979323846264338327950288",
    ),
    ("exponent", "2e+400", "2e+400"),
    ("yes", "true", "true"),
    ("no", "false", "false"),
    ("nothing", "null", "null"),
    ("no_list", "[]", "[]"),
    (
        "list",
        r#"["a b", 1, null, [true, "\n"]]"#,
        r#"["a b",1,null,[true,"\n"]]"#,
    ),
    ("no_object", "{}", "{}"),
    (
        "object",
        r#"{"z": {"ä b": [{"deep": "\""}]}, "a": 9007199254740993, "": ""}"#,
        r#"{"z":{"ä b":[{"deep":"\""}]},"a":9007199254740993,"":""}"#,
    ),
];

#[test]
fn every_kind_of_value_arrives_as_it_was_given() {
    let suite = Suite::declaring(json!({"parameters": null}));
    let members: Vec<String> = VALUES
        .iter()
        .map(|(name, json, _)| format!("\"{name}\": {json}"))
        .collect();
    let given = format!("{{{}}}", members.join(", "));
    let file = format!("@{}", suite.lab.write("values.json", &given));
    for (language, record) in suite.records(&["--input", &file]) {
        let arrived = Arrived::of(&record);
        let task = language.task();
        let mut expected: Value = serde_json::from_str(&given).unwrap();
        expected["_task"] = json!(task);
        // Numbers are equal here only if all of their digits are.
        assert_eq!(arrived.object, expected, "{language:?}");
        let names: Vec<String> = VALUES
            .iter()
            .map(|(name, ..)| format!("PT_{name}"))
            .collect();
        let mut expected: Vec<(&str, &str)> = names
            .iter()
            .zip(VALUES)
            .map(|(name, (_, _, text))| (name.as_str(), *text))
            .collect();
        expected.push(("PT__task", &task));
        assert_eq!(arrived.variables, variables(&expected), "{language:?}");
    }
}

#[test]
fn a_nul_arrives_on_stdin_and_is_refused_for_variables() {
    let input = ["--input", r#"{"text": "a\u0000b"}"#];
    let suite = Suite::declaring(json!({"input_method": "stdin"}));
    for (language, record) in suite.records(&input) {
        assert_eq!(Arrived::of(&record).object["text"], "a\0b", "{language:?}");
    }
    let suite = Suite::new();
    for language in Language::ALL {
        let ran = suite.shown(language, &input).exits(2);
        ran.says(&["`text` holds a NUL"]);
    }
    assert!(suite.lab.events().is_empty());
}

#[test]
fn defaults_are_filled_in_by_both_ways() {
    let parameters = json!({
        "port": {"type": "Integer", "default": 9_007_199_254_740_993_u64},
        "hosts": {"type": "Array[String]", "default": ["a b", "c"]},
        "ratio": {"type": "Float", "default": 0.5},
        "force": {"type": "Boolean", "default": false},
        "note": {"type": "Optional[String]"},
    });
    let suite = Suite::declaring(json!({"parameters": parameters}));
    for (language, record) in suite.records(&["port:=null", "force=true"]) {
        let arrived = Arrived::of(&record);
        let task = language.task();
        let expected = json!({
            "do": "input", "code": 0, "text": "", "bytes": 0, "port": 9_007_199_254_740_993_u64,
            "hosts": ["a b", "c"], "ratio": 0.5, "force": true, "_task": task,
        });
        assert_eq!(arrived.object, expected, "{language:?}");
        let expected = variables(&[
            ("PT_do", "input"),
            ("PT_code", "0"),
            ("PT_text", ""),
            ("PT_bytes", "0"),
            ("PT_port", "9007199254740993"),
            ("PT_hosts", r#"["a b","c"]"#),
            ("PT_ratio", "0.5"),
            ("PT_force", "true"),
            ("PT__task", &task),
        ]);
        assert_eq!(arrived.variables, expected, "{language:?}");
    }
}

#[test]
fn a_secret_reaches_its_task_and_is_kept_nowhere() {
    let secret = json!({"secret": {"type": "String[8]", "sensitive": true}});
    let suite = Suite::declaring(json!({"parameters": secret}));
    let input = suite.given(&json!({"do": "secret", "secret": QUIET_CANARY}));
    let expected = success(json!({"on_stdin": true, "characters": QUIET_CANARY.len()}));
    for language in Language::ALL {
        suite.ends(language, &["--input", &input], &expected);
        let ran = suite.shown(language, &["--input", &input]);
        ran.exits(0).never_says(QUIET_CANARY);
    }
    suite.lab.nowhere("home", QUIET_CANARY);
}

#[test]
fn a_noop_run_is_told_by_both_ways() {
    let suite = Suite::new();
    for (language, record) in suite.records(&["--noop"]) {
        let arrived = Arrived::of(&record);
        assert_eq!(arrived.object["_noop"], true, "{language:?}");
        assert_eq!(arrived.variables["PT__noop"], "true", "{language:?}");
    }
    for (language, record) in suite.records(&[]) {
        let arrived = Arrived::of(&record);
        assert!(arrived.object.get("_noop").is_none(), "{language:?}");
        assert!(!arrived.variables.contains_key("PT__noop"), "{language:?}");
    }
}

#[test]
fn files_of_the_module_lie_below_the_installdir() {
    let greeting = "conformance/files/greeting.txt";
    let suite = Suite::declaring(json!({"files": [greeting]}));
    let expected = success(json!({"_output": "greetings from a file of the module\n"}));
    suite.alike(&["do=installed"], &expected);
    for (language, record) in suite.records(&[]) {
        let arrived = Arrived::of(&record);
        assert_eq!(arrived.object["_installdir"], "/task", "{language:?}");
        assert_eq!(arrived.variables["PT__installdir"], "/task", "{language:?}");
    }
    let expected = success(json!({"_output": "greeting.txt\n"}));
    suite.alike(&["do=list", "path=/task/conformance/files"], &expected);
    suite.fails(
        &["do=write", &format!("path=/task/{greeting}")],
        "Read-only file system",
        "Operation not permitted (os error 63)",
    );
}

/// A native program is started from its file; a WASI program was compiled before, and its file is not in the jail.
#[test]
fn only_a_native_program_finds_its_own_file() {
    let suite = Suite::declaring(json!({"files": ["conformance/files/greeting.txt"]}));
    for language in Language::ALL {
        let path = format!("path=/task/conformance/tasks/{}", language.file());
        let expected = json!({"_output": language.either("yes\n", "no\n")});
        suite.ends(language, &["do=exists", &path], &success(expected));
    }
}

#[test]
fn the_environment_is_the_fixed_variables_the_input_and_what_was_granted() {
    let suite = Suite::declaring(json!({"parameters": null}));
    let granted = "granted = höl\n$x";
    let record = |language: Language, arguments: &[&str]| {
        let task = language.task();
        let host = suite.lab.host(&suite.arguments(&task, arguments));
        let ran = host.env("IT_GRANTED", granted).env("IT_OTHER", "other");
        ran.run().exits(0).record()
    };
    for language in Language::ALL {
        let task = language.task();
        let arrived = Arrived::of(&record(language, &[]));
        let mut expected = vec![("PT__task", task.as_str())];
        assert_eq!(arrived.variables, variables(&expected), "{language:?}");
        let record = record(language, &["--allow", "env:IT_GRANTED"]);
        expected.push(("IT_GRANTED", granted));
        let arrived = Arrived::of(&record);
        assert_eq!(arrived.variables, variables(&expected), "{language:?}");
        assert_eq!(record["grant"][0]["capability"], "env:IT_GRANTED");
    }
}

#[test]
fn input_of_a_megabyte_arrives_whole() {
    let suite = Suite::declaring(json!({"input_method": "stdin"}));
    let long = "höl\n".repeat(160_000);
    let input = suite.given(&json!({"text": long}));
    for (language, record) in suite.records(&["--input", &input]) {
        assert!(Arrived::of(&record).object["text"] == long, "{language:?}");
    }
}

#[test]
fn input_that_nobody_reads_holds_nobody_up() {
    let suite = Suite::new();
    let input = suite.given(&json!({"do": "print", "text": "x".repeat(100_000)}));
    let expected = success(json!({"_output": "x".repeat(100_000)}));
    suite.alike(&["--input", &input], &expected);
}

/// A task may name its program and how it is told its input, whatever its own name is.
#[test]
fn any_of_them_can_be_an_implementation_of_another_task() {
    let suite = Suite::new();
    for language in Language::ALL {
        let implementation = json!({"name": language.file(), "input_method": "environment"});
        let metadata = json!({"implementations": [implementation], "input_method": "stdin"});
        suite.lab.write(
            "modules/conformance/tasks/another.json",
            metadata.to_string(),
        );
        let arguments = suite.arguments("conformance::another", &["a=1"]);
        let record = suite.lab.run(&arguments).exits(0).record();
        let arrived = Arrived::of(&record);
        assert_eq!(arrived.stdin, "", "{language:?}");
        let expected = [("PT_a", "1"), ("PT__task", "conformance::another")];
        assert_eq!(arrived.variables, variables(&expected), "{language:?}");
        assert_eq!(record["outcome"], exited(0), "{language:?}");
    }
}

#[test]
fn input_that_is_wrong_starts_nothing() {
    let suite = Suite::new();
    for language in Language::ALL {
        let ran = suite.shown(language, &["do=dance", "code=256", "colour=red"]);
        ran.exits(2).says(&[
            "three things are wrong with the input of `conformance::",
            "do      expects a match for Enum",
            "code    expects an Integer[0, 255] value",
            "colour  is no parameter",
        ]);
    }
    assert!(suite.lab.events().is_empty());
}
