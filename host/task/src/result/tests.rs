use proptest::prelude::*;

use super::*;

fn read(stdout: &str, stderr: &str, exit_code: i32) -> TaskResult {
    let task: TaskName = "demo::run".parse().expect("a task name");
    TaskResult::read(&task, stdout.as_bytes(), stderr.as_bytes(), exit_code)
}

fn value(result: &TaskResult) -> Value {
    Value::Object(result.value.clone())
}

#[test]
fn one_object_is_the_value_and_anything_else_is_output() {
    let cases = [
        ("{\"a\": 1}", json!({"a": 1})),
        ("\n {\"a\": 1}\n", json!({"a": 1})),
        ("{}", json!({})),
        ("", json!({"_output": ""})),
        ("hello\n", json!({"_output": "hello\n"})),
        ("[1]", json!({"_output": "[1]"})),
        ("1", json!({"_output": "1"})),
        ("\"text\"", json!({"_output": "\"text\""})),
        ("null", json!({"_output": "null"})),
        ("{} {}", json!({"_output": "{} {}"})),
        (
            "log line\n{\"a\": 1}",
            json!({"_output": "log line\n{\"a\": 1}"}),
        ),
        ("{\"a\": 1, \"a\": 2}", json!({"a": 2})),
        ("{\"_error\": null}", json!({})),
    ];
    for (stdout, wanted) in cases {
        let result = read(stdout, "ignored", 0);
        assert_eq!(value(&result), wanted, "{stdout}");
        assert!(result.success && result.error.is_none(), "{stdout}");
    }
}

/// Members of an object that a parser may stumble over: half of a surrogate pair, numbers without a place on the
/// line, deep nesting, words that are no JSON, a key of the parser's own.
fn stumbling_blocks() -> Vec<String> {
    let nested = |levels: usize| format!("\"a\": {}{}", "[".repeat(levels), "]".repeat(levels));
    vec![
        r#""a": "\udce9""#.to_owned(),
        r#""a": "\ud83d \ude00""#.to_owned(),
        "\"a\": 1e999".to_owned(),
        "\"a\": -1e999".to_owned(),
        "\"a\": 123456789012345678901234567890".to_owned(),
        "\"a\": NaN".to_owned(),
        "\"a\": 017".to_owned(),
        r#""a": {"$serde_json::private::Number": "x"}"#.to_owned(),
        nested(70),
        nested(RESULT_DEPTH_MAX - 1),
        nested(RESULT_DEPTH_MAX),
        nested(200),
        nested(100_000),
    ]
}

/// An object that could not be read was once kept as text: its error was no failure.
#[test]
fn an_error_is_a_failure_whatever_stands_beside_it() {
    for block in stumbling_blocks() {
        for text in [
            format!(r#"{{{block}, "_error": {{"msg": "it broke"}}}}"#),
            format!(r#" {{"\u005ferror": {{"msg": "it broke"}}, {block}}}"#),
        ] {
            let result = read(&text, "", 0);
            assert!(!result.success, "{text:.60}");
            let msg = result.error.expect("an error").msg;
            let is_told = msg == "it broke" || msg.contains("result cannot be read: ");
            assert!(is_told, "{text:.60}: {msg}");
        }
    }
}

/// An object that could not be read was once kept as text: its secret was shown and stored.
#[test]
fn a_secret_is_withheld_whatever_stands_beside_it() {
    for block in stumbling_blocks() {
        for text in [
            format!(r#"{{{block}, "_sensitive": {{"password": "hunter2"}}}}"#),
            format!("\u{feff}\n{{\"\\u005fsensitive\": \"hunter2\", {block}}}"),
        ] {
            for result in [
                read(&text, "", 0),
                read(&text, "", 1),
                TaskResult::stopped(text.as_bytes(), "host/limit", "stopped"),
            ] {
                assert!(result.sensitive, "{text:.60}");
                let public = Value::Object(result.public_value()).to_string();
                assert!(!public.contains("hunter2"), "{public:.200}");
                assert!(!format!("{result:?}").contains("hunter2"));
            }
        }
    }
}

#[test]
fn the_beginning_of_an_object_with_a_secret_is_withheld() {
    let whole = r#"{"id": 1, "_sensitive": {"password": "hunter2"}, "note": "é"}"#;
    for end in (whole.find("hunter2").expect("a secret") + 1)..whole.len() {
        let part = &whole.as_bytes()[..end];
        let task: TaskName = "demo".parse().expect("a task name");
        for result in [
            TaskResult::read(&task, part, b"", 0),
            TaskResult::stopped(part, "host/limit", "stopped"),
        ] {
            assert!(result.sensitive && !result.success, "{end}");
            assert!(!result.value.contains_key(OUTPUT), "{end}");
        }
    }
}

#[test]
fn an_object_that_cannot_be_read_fails_the_run_and_is_kept() {
    let deep = format!("{{\"a\": {}{}}}", "[".repeat(100), "]".repeat(100));
    let cases = [
        (
            "{\"a\": NaN}",
            0,
            "The task's result cannot be read: not JSON at line 1, column 7",
        ),
        (
            "{\"a\": NaN}",
            3,
            "The task failed with exit code 3, and its result cannot be read: not JSON at line 1, column 7",
        ),
        (
            &deep,
            0,
            "The task's result cannot be read: nested more than 100 levels deep",
        ),
    ];
    for (stdout, code, msg) in cases {
        let result = read(stdout, "", code);
        assert_eq!(result.value.get(OUTPUT), Some(&json!(stdout)));
        assert_eq!(result.error.expect("an error").msg, msg);
        assert!(!result.sensitive);
    }
}

/// Such an object was once taken for a number, and its error or its members were lost.
#[test]
fn an_object_with_the_parsers_own_key_fails_the_run() {
    for text in [
        r#"{"$serde_json::private::Number": "12"}"#,
        r#"{"$serde_json::private::Number": "x"}"#,
        r#"{"a": [{"\u0024serde_json::private::Number": "12"}]}"#,
    ] {
        let result = read(text, "", 0);
        let msg = result.error.expect("an error").msg;
        assert_eq!(
            msg,
            "The task's result cannot be read: a key is `$serde_json::private::Number`, which no object may have",
            "{text}"
        );
        assert_eq!(result.value.get("_output"), Some(&Value::from(text)));
    }
    let text = r#"{"a": "$serde_json::private::Number"}"#;
    assert!(read(text, "", 0).success);
}

#[test]
fn what_other_runners_read_is_read() {
    let nested = format!("{{\"a\": {}{}}}", "[".repeat(99), "]".repeat(99));
    for text in [
        &nested,
        "{\"a\": 1e999}",
        "{\"a\": 123456789012345678901234567890.5}",
        "{\"a\": -0, \"b\": 1.10, \"c\": 18446744073709551616}",
    ] {
        let result = read(text, "", 0);
        assert!(result.success, "{text}");
        assert_eq!(
            value(&result).to_string(),
            text.replace(": ", ":")
                .replace(", ", ",")
                .replace("1e999", "1e+999")
        );
    }
    let mended = read(r#"{"file": "caf\udce9", "smile": "\ud83d\ude00"}"#, "", 0);
    assert!(mended.success);
    assert_eq!(
        value(&mended),
        json!({"file": "caf\u{fffd}", "smile": "\u{1f600}"})
    );
    assert_eq!(value(&read("\u{feff}{\"a\": 1}", "", 0)), json!({"a": 1}));
}

#[test]
fn text_in_braces_is_output() {
    for text in [
        "{",
        "{ echo; }",
        "{'a': 1}",
        "{\"a\" => 1}",
        "{\"a\": 1",
        "{\"a\": \"\n\"}",
        "{\"a\": 1}\n{\"a\": 2}",
    ] {
        let result = read(text, "", 0);
        assert!(result.success && !result.sensitive, "{text}");
        assert_eq!(value(&result), json!({"_output": text}));
    }
}

#[test]
fn an_exit_code_without_an_error_gets_one() {
    let failed = "The task failed with exit code 3";
    let cases = [
        ("some output", "noise", failed.to_owned()),
        ("", "", format!("{failed} and no output")),
        (
            "",
            "it broke\n",
            format!("{failed} and no stdout, but stderr contained:\nit broke\n"),
        ),
        ("{\"_error\": null}", "", failed.to_owned()),
    ];
    for (stdout, stderr, msg) in cases {
        let result = read(stdout, stderr, 3);
        assert!(!result.success);
        let wanted = json!({
            "kind": "puppetlabs.tasks/task-error", "issue_code": "TASK_ERROR", "msg": msg,
            "details": {"exit_code": 3, "exitcode": 3},
        });
        assert_eq!(
            result.value.get("_error"),
            Some(&wanted),
            "{stdout} {stderr}"
        );
        let error = result.error.expect("an error");
        assert_eq!(
            (error.kind, error.msg),
            ("puppetlabs.tasks/task-error".to_owned(), msg)
        );
    }
    assert_eq!(
        read("kept", "", 1).value.get("_output"),
        Some(&json!("kept"))
    );
}

#[test]
fn a_long_stderr_is_cut_in_the_message() {
    let result = read("", &"é".repeat(STDERR_BYTES_MAX), 1);
    let msg = result.error.expect("an error").msg;
    assert!(
        msg.ends_with("\n...") && msg.len() < STDERR_BYTES_MAX + 200,
        "{} bytes",
        msg.len()
    );
}

#[test]
fn an_error_of_the_task_is_a_failure_whatever_its_exit_code() {
    for exit_code in [0, 2] {
        let result = read(
            r#"{"_error": {"msg": "no", "kind": "demo/no", "details": {"a": 1}}, "b": 1}"#,
            "",
            exit_code,
        );
        assert!(!result.success);
        let wanted =
            json!({"_error": {"msg": "no", "kind": "demo/no", "details": {"a": 1}}, "b": 1});
        assert_eq!(value(&result), wanted);
    }
}

#[test]
fn an_error_is_completed_or_replaced() {
    let invalid = |shown: &str, original: Value| {
        json!({
            "kind": "bolt/invalid-task-error",
            "msg": format!("Invalid error returned from task demo::run: {shown}. Error must be an object with a msg key."),
            "details": {"original_error": original},
        })
    };
    let cases = [
        (
            json!({"msg": "m"}),
            json!({"msg": "m", "kind": "bolt/error", "details": {}}),
        ),
        (
            json!({"msg": "m", "kind": null}),
            json!({"msg": "m", "kind": "bolt/error", "details": {}}),
        ),
        (
            json!({"msg": "m", "details": "d", "x": 1}),
            json!({"msg": "m", "details": "d", "x": 1, "kind": "bolt/error"}),
        ),
        (json!("text"), invalid("\"text\"", json!("text"))),
        (json!(false), invalid("false", json!(false))),
        (
            json!({"kind": "k"}),
            invalid("{\"kind\":\"k\"}", json!({"kind": "k"})),
        ),
        (json!({"msg": 1}), invalid("{\"msg\":1}", json!({"msg": 1}))),
    ];
    for (error, wanted) in cases {
        let result = read(&json!({ "_error": error }).to_string(), "", 0);
        assert!(!result.success, "{error}");
        assert_eq!(result.value.get("_error"), Some(&wanted), "{error}");
    }
}

#[test]
fn output_that_is_not_utf8_is_a_failure() {
    let task: TaskName = "demo".parse().expect("a task name");
    let result = TaskResult::read(&task, b"{\"a\": \"\xff\"}", b"", 0);
    assert!(!result.success && !result.value.contains_key(OUTPUT));
    let error = result.error.expect("an error");
    assert_eq!(
        error.msg,
        "The task result contained invalid UTF-8 on stdout"
    );
    assert_eq!(error.kind, "puppetlabs.tasks/task-error");
    assert!(!result.sensitive);
    assert!(TaskResult::read(&task, b"{\"_sensitive\": \"\xff\"}", b"", 0).sensitive);
}

#[test]
fn stderr_that_is_not_utf8_is_repeated_as_far_as_it_goes() {
    let task: TaskName = "demo".parse().expect("a task name");
    let msg = TaskResult::read(&task, b"", b"bad \xff", 1)
        .error
        .expect("an error")
        .msg;
    assert!(msg.ends_with("bad \u{fffd}"), "{msg}");
}

#[test]
fn a_sensitive_result_is_redacted_at_the_top_only() {
    let result = read(
        r#"{"_sensitive": {"password": "hunter2"}, "user": "a", "deep": {"_sensitive": "b"}}"#,
        "",
        0,
    );
    assert!(result.sensitive && result.success);
    let wanted = json!({"_sensitive": "Sensitive [value redacted]", "user": "a", "deep": {"_sensitive": "b"}});
    assert_eq!(Value::Object(result.public_value()), wanted);
    assert!(!format!("{result:?}").contains("hunter2"));
    assert_eq!(result.value["_sensitive"], json!({"password": "hunter2"}));
    assert!(!read("{}", "", 0).sensitive);
}

/// Objects in which the keys that mean something are as likely as others.
fn members() -> impl Strategy<Value = Map<String, Value>> {
    let value = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        any::<String>().prop_map(|text| json!({"msg": text, "kind": "demo/no"})),
        any::<String>().prop_map(|text| json!([{"_error": text, "_sensitive": text}])),
    ];
    let key = prop::sample::select(vec![ERROR, SENSITIVE, OUTPUT, "a", "é\"\\"]);
    prop::collection::vec((key.prop_map(str::to_owned), value), 0..5)
        .prop_map(|members| members.into_iter().collect())
}

proptest! {
    #[test]
    fn success_is_exit_zero_and_no_error(members in members(), code in 0..3_i32) {
        let text = Value::Object(members.clone()).to_string();
        let result = read(&text, "", code);
        let says_error = members.get(ERROR).is_some_and(|error| !error.is_null());
        prop_assert_eq!(result.success, code == 0 && !says_error);
        prop_assert_eq!(result.success, result.error.is_none());
        prop_assert_eq!(result.success, !result.value.contains_key(ERROR));
        prop_assert_eq!(result.sensitive, members.contains_key(SENSITIVE));
        for (key, value) in members.iter().filter(|(key, _)| *key != ERROR) {
            prop_assert_eq!(result.value.get(key), Some(value));
        }
        let public = result.public_value();
        prop_assert!(public.get(SENSITIVE).is_none_or(|secret| secret == REDACTED));
    }

    #[test]
    fn any_bytes_are_a_result(stdout in prop::collection::vec(any::<u8>(), 0..64), code in 0..3_i32) {
        let task: TaskName = "demo".parse().expect("a task name");
        let result = TaskResult::read(&task, &stdout, b"", code);
        prop_assert_eq!(result.success, result.error.is_none());
        let is_text = str::from_utf8(&stdout).is_ok_and(|text| !text.trim_start().starts_with('{'));
        prop_assert!(!is_text || result.success == (code == 0));
    }

    #[test]
    fn text_output_is_kept_whole(text in "[a-z\\n ]{0,40}") {
        prop_assume!(text != "null");
        let result = read(&text, "", 0);
        prop_assert_eq!(result.value.get(OUTPUT).and_then(Value::as_str), Some(text.as_str()));
    }
}
