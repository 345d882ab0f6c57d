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

#[test]
fn what_is_nested_too_deeply_is_output() {
    let nested = |levels: usize| format!("{{\"a\": {}{}}}", "[".repeat(levels), "]".repeat(levels));
    assert!(
        read(&nested(RESULT_DEPTH_MAX - 1), "", 0)
            .value
            .contains_key("a")
    );
    for levels in [RESULT_DEPTH_MAX, 100_000] {
        assert!(
            read(&nested(levels), "", 0).value.contains_key(OUTPUT),
            "{levels}"
        );
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

proptest! {
    #[test]
    fn success_is_exit_zero_and_no_error(stdout in prop::collection::vec(any::<u8>(), 0..64), code in 0..3_i32) {
        let task: TaskName = "demo".parse().expect("a task name");
        let result = TaskResult::read(&task, &stdout, b"", code);
        prop_assert_eq!(result.success, code == 0 && str::from_utf8(&stdout).is_ok());
        prop_assert_eq!(result.success, result.error.is_none());
        prop_assert_eq!(result.success, !result.value.contains_key(ERROR));
    }

    #[test]
    fn text_output_is_kept_whole(text in "[a-z\\n ]{0,40}") {
        prop_assume!(text != "null");
        let result = read(&text, "", 0);
        prop_assert_eq!(result.value.get(OUTPUT).and_then(Value::as_str), Some(text.as_str()));
    }
}
