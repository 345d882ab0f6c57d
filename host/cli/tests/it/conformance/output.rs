//! What a task prints and leaves: its result by the Puppet rules, both streams, and the files in `$HOST_OUT`.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::{Language, Suite, exited, failure, success, task_error, text};

const CANARY: &str = "canary-oht7bahp";

/// How much a stream may carry by default, in bytes.
const OUTPUT_BYTES: usize = 8 << 20;
/// How much of standard error a record repeats, in bytes.
const RECORD_STDERR_BYTES: usize = 64 << 10;

#[test]
fn one_object_is_the_result_and_anything_else_is_text() {
    let suite = Suite::new();
    for (printed, expected) in [
        (
            r#"{"z": [1, {"b": null}], "a": 1.50, "big": 9007199254740993, "ü": "\n\ud83d\ude00"}"#,
            serde_json::from_str(
                r#"{"z": [1, {"b": null}], "a": 1.50, "big": 9007199254740993, "ü": "\n😀"}"#,
            )
            .unwrap(),
        ),
        (" \n{}\n\n", json!({})),
        ("\u{feff}{\"a\": 1}", json!({"a": 1})),
        (
            r#"{"_output": "said", "b": 1}"#,
            json!({"_output": "said", "b": 1}),
        ),
        (r#"{"_error": null, "b": 1}"#, json!({"b": 1})),
        ("", json!({"_output": ""})),
        ("häl\nlo\n", json!({"_output": "häl\nlo\n"})),
        ("[1, 2]", json!({"_output": "[1, 2]"})),
        ("\"text\"", json!({"_output": "\"text\""})),
        ("null", json!({"_output": "null"})),
        ("{} {}", json!({"_output": "{} {}"})),
        ("{unread", json!({"_output": "{unread"})),
    ] {
        suite.alike(&["do=print", &text(printed)], &success(expected));
    }
}

#[test]
fn an_object_that_cannot_be_read_fails_the_task() {
    let suite = Suite::new();
    let printed = r#"{"a": NaN}"#;
    for (language, record) in suite.records(&["do=print", &text(printed)]) {
        assert_eq!(record["status"], "failure", "{language:?}");
        assert_eq!(record["outcome"], exited(0), "{language:?}");
        assert_eq!(record["value"]["_output"], printed, "{language:?}");
        let msg = record["value"]["_error"]["msg"].as_str().unwrap();
        let said = "The task's result cannot be read: not JSON at line 1";
        assert!(msg.starts_with(said), "{language:?}: {msg}");
    }
}

#[test]
fn an_error_that_a_task_reports_fails_it_whatever_its_code() {
    let suite = Suite::new();
    let error = json!({"kind": "demo/full", "msg": "the disk is full", "details": {"free": 0}});
    let value = json!({"_error": error, "tried": 3});
    for code in [0, 1] {
        let arguments = [
            "do=print",
            &text(&value.to_string()),
            &format!("code={code}"),
        ];
        suite.alike(&arguments, &failure(code, value.clone()));
    }
    let kindless = json!({"_error": {"msg": "it broke"}}).to_string();
    let value = json!({"_error": {"msg": "it broke", "kind": "bolt/error", "details": {}}});
    suite.alike(&["do=print", &text(&kindless)], &failure(0, value));
}

#[test]
fn a_malformed_error_is_replaced_by_one_that_names_the_task() {
    let suite = Suite::new();
    for language in Language::ALL {
        let msg = format!(
            "Invalid error returned from task {}: \"oops\". Error must be an object with a msg key.",
            language.task()
        );
        let error = json!({
            "kind": "bolt/invalid-task-error", "msg": msg, "details": {"original_error": "oops"},
        });
        let printed = text(r#"{"_error": "oops"}"#);
        let expected = failure(0, json!({"_error": error}));
        suite.ends(language, &["do=print", &printed], &expected);
    }
}

#[test]
fn a_sensitive_result_is_shown_and_kept_nowhere() {
    let suite = Suite::new();
    let printed = json!({"_sensitive": {"password": CANARY}, "user": "web"});
    let input = suite.given(&json!({"do": "print", "text": printed.to_string()}));
    let shown = json!({"_sensitive": "Sensitive [value redacted]", "user": "web"});
    for language in Language::ALL {
        let record = suite.ends(language, &["--input", &input], &success(shown.clone()));
        assert_eq!(suite.kept(&record, "stdout"), shown.to_string().as_bytes());
        let ran = suite.shown(language, &["--input", &input]);
        ran.exits(0).never_says(CANARY);
    }
    suite.lab.nowhere("home", CANARY);
}

#[test]
fn output_that_is_not_utf8_is_an_error_and_kept_as_it_came() {
    let suite = Suite::new();
    let msg = "The task result contained invalid UTF-8 on stdout";
    let expected = failure(0, json!({"_error": task_error(0, msg)}));
    for language in Language::ALL {
        let record = suite.ends(language, &["do=not-utf8"], &expected);
        assert_eq!(record["stderr"]["text"], "c\u{fffd}d", "{language:?}");
        assert_eq!(record["stdout"], json!({"bytes": 3, "truncated": false}));
        assert_eq!(suite.kept(&record, "stdout"), b"a\xffb", "{language:?}");
        assert_eq!(suite.kept(&record, "stderr"), b"c\xffd", "{language:?}");
    }
}

#[test]
fn stderr_is_in_the_record_and_in_the_error_of_a_silent_task() {
    let suite = Suite::new();
    let said = "höl\n\tsecond line";
    let expected = json!({"text": said, "bytes": said.len(), "truncated": false});
    let msg =
        format!("The task failed with exit code 1 and no stdout, but stderr contained:\n{said}");
    for (code, end) in [
        ("code=0", success(json!({"_output": ""}))),
        (
            "code=1",
            failure(1, json!({"_output": "", "_error": task_error(1, &msg)})),
        ),
    ] {
        for language in Language::ALL {
            let record = suite.ends(language, &["do=complain", &text(said), code], &end);
            assert_eq!(record["stderr"], expected, "{language:?}");
            assert_eq!(
                suite.kept(&record, "stderr"),
                said.as_bytes(),
                "{language:?}"
            );
        }
    }
}

#[test]
fn a_long_stderr_is_cut_in_the_record_and_kept_whole() {
    let suite = Suite::new();
    for (language, record) in suite.records(&["do=flood-stderr", "bytes=100000"]) {
        assert_eq!(record["outcome"], exited(0), "{language:?}");
        let expected = json!({
            "text": "x".repeat(RECORD_STDERR_BYTES), "bytes": 100_000, "truncated": true,
        });
        assert!(record["stderr"] == expected, "{language:?}");
        assert!(
            suite.kept(&record, "stderr") == vec![b'x'; 100_000],
            "{language:?}"
        );
    }
}

#[test]
fn output_up_to_the_limit_arrives_whole() {
    let suite = Suite::new();
    for (bytes, limit) in [(OUTPUT_BYTES, "8MiB"), (100_000, "100000")] {
        let (bytes_, limit) = (format!("bytes={bytes}"), format!("output={limit}"));
        let arguments = ["do=flood", &bytes_, "--limit", &limit];
        for (language, record) in suite.records(&arguments) {
            assert_eq!(record["outcome"], exited(0), "{language:?}");
            assert_eq!(
                record["stdout"],
                json!({"bytes": bytes, "truncated": false})
            );
            let value = record["value"]["_output"].as_str().unwrap();
            assert!(
                value == "x".repeat(bytes),
                "{language:?}: {} bytes",
                value.len()
            );
        }
    }
}

/// Asserts that a stream passed its limit of `bytes`, and that what came before is kept.
#[track_caller]
fn passed(suite: &Suite, record: &Value, stream: &str, bytes: usize, shown: &str) {
    let outcome = json!({
        "kind": "limit", "code": null, "signal": null, "limit": "output", "reason": "",
    });
    assert_eq!(record["outcome"], outcome, "{shown}");
    assert_eq!(record["status"], "failure", "{shown}");
    let error = json!({
        "kind": "host/limit", "msg": "the task was stopped by limit `output`", "details": {},
    });
    assert_eq!(record["value"]["_error"], error, "{shown}");
    assert_eq!(record[stream]["bytes"], bytes, "{shown}");
    assert_eq!(record[stream]["truncated"], true, "{shown}");
    assert!(suite.kept(record, stream) == vec![b'x'; bytes], "{shown}");
    let output = record["value"].get("_output").and_then(Value::as_str);
    let expected = (stream == "stdout").then(|| "x".repeat(bytes));
    assert!(output == expected.as_deref(), "{shown}");
}

/// The first by default, the others by an explicit limit.
#[test]
fn output_past_the_limit_ends_the_run_and_what_came_before_is_kept() {
    let suite = Suite::new();
    let explicit = ["--limit", "output=100000"];
    for (act, stream, bytes, limit) in [
        ("do=flood", "stdout", OUTPUT_BYTES, &[][..]),
        ("do=flood", "stdout", 100_000, &explicit),
        ("do=flood-stderr", "stderr", 100_000, &explicit),
    ] {
        // More than a pipe holds, so that the task cannot end before it is seen.
        let more = format!("bytes={}", bytes + (1 << 20));
        for (language, record) in suite.records(&[&[act, &more], limit].concat()) {
            let shown = format!("{language:?} with {act} {bytes}");
            passed(&suite, &record, stream, bytes, &shown);
        }
    }
    for language in Language::ALL {
        let flood = ["do=flood", "bytes=1000000"];
        let ran = suite.shown(language, &[&flood[..], &explicit].concat());
        ran.exits(1)
            .says(&["stopped by limit `output` (100000 B)"])
            .hints("--limit output=");
    }
}

/// A keeper that has not been able to look for a while finds the end of the task and the last of its output together.
#[test]
fn output_past_the_limit_is_no_success_however_soon_the_task_ends() {
    let suite = Suite::new();
    for language in Language::ALL {
        let task = language.task();
        let limit = ["--limit", "output=1000"];
        let flood = ["do=flood-late", "text=soon\n", "bytes=1001"];
        let run = [&["run", &suite.module, &task], &limit[..], &flood].concat();
        let mut live = suite.lab.host(&run).start();
        live.hears("soon\n");
        let keeper = live.keeper();
        rustix::process::kill_process(keeper, Signal::STOP).unwrap();
        std::thread::sleep(Duration::from_secs(3));
        rustix::process::kill_process(keeper, Signal::CONT).unwrap();
        live.end().exits(1);
        let journal = suite.lab.journal();
        let record = &journal.last().unwrap()["record"];
        passed(&suite, record, "stdout", 1000, &format!("{language:?}"));
    }
}

#[test]
fn a_file_in_host_out_comes_back_by_its_digest() {
    let suite = Suite::new();
    let expected = success(json!({"_output": ""}));
    for language in Language::ALL {
        let arguments = ["do=leave", "path=report.txt", &text("report")];
        let record = suite.ends(language, &arguments, &expected);
        let artifact = json!({
            "name": "report.txt",
            "digest": "845e91831319e89c4d656bdb80c278ac09a7230d61e5dfd2e1b1fbb436ac8917",
            "bytes": 6,
        });
        assert_eq!(record["artifacts"], json!([artifact]), "{language:?}");
        let run = record["run"].as_str().unwrap();
        let kept = suite.lab.files(&format!("home/state/runs/{run}/artifacts"));
        let kept: Vec<Vec<u8>> = kept
            .iter()
            .map(|file| std::fs::read(file).unwrap())
            .collect();
        assert_eq!(kept, [b"report"], "{language:?}");
    }
}

/// The one word that people see of the language is what the program was run by.
#[test]
fn people_get_the_same_text_on_both_streams() {
    let suite = Suite::new();
    for language in Language::ALL {
        let task = language.task();
        let kind = match language {
            Language::Shell => "shell",
            Language::Python => "python",
            Language::Module | Language::Component => "wasm",
        };
        let run = |arguments: &[&str]| suite.shown(language, arguments);
        let ran = run(&["do=print", &text("half\na line")]).exits(0);
        assert_eq!(ran.text(), "half\na line", "{language:?}");
        let ran = ran.says(&[
            &format!("ok  {task}  "),
            &format!("  ({kind}, jailed)  run "),
        ]);
        assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
        let ran = run(&["do=print", &text(r#"{"b":1,"a":2}"#)]).exits(0);
        assert_eq!(
            ran.text(),
            "{\n  \"b\": 1,\n  \"a\": 2\n}\n",
            "{language:?}"
        );
        let ran = run(&["do=complain", &text("it broke\n"), "code=1"]).exits(1);
        assert_eq!(ran.text(), "", "{language:?}");
        ran.says(&["it broke\n", &format!("failed: `{task}` exited with 1")]);
    }
}
