//! Limits: each is named, whatever the task is written in and whatever imposes it.

use serde_json::{Value, json};

use super::{Language, Suite, exited, success};
use crate::lab::is_root;

/// More than any run here may hold, in bytes.
const TOO_MUCH: &str = "bytes=1000000000";

/// The outcome of a run that passed this limit.
fn limit(name: &str) -> Value {
    json!({"kind": "limit", "code": null, "signal": null, "limit": name, "reason": ""})
}

/// Asserts that a run was ended by this limit, having printed this.
#[track_caller]
fn stopped(language: Language, record: &Value, name: &str, printed: Option<&str>) {
    let shown = format!("{language:?}: {record:#}");
    assert_eq!(record["outcome"], limit(name), "{shown}");
    assert_eq!(record["status"], "failure", "{shown}");
    let msg = format!("the task was stopped by limit `{name}`");
    let error = json!({"kind": "host/limit", "msg": msg, "details": {}});
    assert_eq!(record["value"]["_error"], error, "{shown}");
    let output = record["value"].get("_output").and_then(Value::as_str);
    assert_eq!(output, printed, "{shown}");
}

/// Asserts that a limit cannot be imposed on this run, which was not started.
#[track_caller]
fn refused(suite: &Suite, language: Language, arguments: &[&str], name: &str) {
    let record = suite.run(language, arguments).exits(7).record();
    assert_eq!(record["outcome"]["kind"], "refused", "{record:#}");
    let reason = record["outcome"]["reason"].as_str().unwrap();
    let limit = format!("impose the limit `{name}`: ");
    assert!(reason.starts_with(&limit), "{language:?}: {reason}");
    let ran = suite.shown(language, arguments).exits(7);
    ran.hints("leave the limit to its default");
}

#[test]
fn the_wall_limit_ends_a_sleep_and_keeps_what_was_said() {
    let suite = Suite::new();
    let arguments = ["do=sleep", "text=begun\n", "--limit", "wall=400ms"];
    for (language, record) in suite.records(&arguments) {
        stopped(language, &record, "wall", Some("begun\n"));
        assert_eq!(record["stderr"]["text"], "begun\n", "{language:?}");
        let runtime = record["runtime"].as_f64().unwrap();
        assert!((0.4..4.0).contains(&runtime), "{language:?}: {runtime}");
    }
}

#[test]
fn the_wall_limit_ends_a_spin() {
    let suite = Suite::new();
    for (language, record) in suite.records(&["do=spin", "--limit", "wall=400ms"]) {
        stopped(language, &record, "wall", None);
        let runtime = record["runtime"].as_f64().unwrap();
        assert!((0.4..4.0).contains(&runtime), "{language:?}: {runtime}");
    }
}

#[test]
fn a_default_limit_of_cpu_time_ends_a_spin() {
    let suite = Suite::new();
    suite
        .lab
        .write("home/config/config.toml", "[limits]\ncpu = \"300ms\"\n");
    for (language, record) in suite.records(&["do=spin", "--limit", "wall=20s"]) {
        stopped(language, &record, "cpu", None);
        let used = record["usage"]["cpu_ms"].as_u64().unwrap();
        assert!((300..3_000).contains(&used), "{language:?}: {used} ms");
    }
}

/// A WASI program is one process, whose time everybody can count; a native one can have more, for which a control group
/// is needed.
#[test]
fn a_limit_of_cpu_time_that_was_asked_for_holds_or_refuses() {
    let suite = Suite::new();
    let arguments = ["do=spin", "--limit", "cpu=300ms"];
    for language in Language::ALL {
        if language.is_wasm() || is_root() {
            let record = suite.run(language, &arguments).exits(1).record();
            stopped(language, &record, "cpu", None);
        } else {
            refused(&suite, language, &arguments, "cpu");
        }
    }
}

/// Where no control group can be had, memory is refused to a native program, which says so in its own way.
#[test]
fn memory_has_a_default_limit() {
    let suite = Suite::new();
    for (language, record) in suite.records(&["do=grow", TOO_MUCH]) {
        if language.is_wasm() || is_root() {
            stopped(language, &record, "memory", None);
        } else {
            let shown = format!("{language:?}: {record:#}");
            assert_eq!(record["outcome"]["kind"], "exited", "{shown}");
            assert_eq!(record["outcome"]["code"], 1, "{shown}");
            let word = match language {
                Language::Shell => "dd: memory exhausted",
                _ => "\nMemoryError\n",
            };
            let said = record["stderr"]["text"].as_str().unwrap();
            assert!(said.contains(word), "{shown}");
        }
    }
}

/// The engine counts a WASI program's memory itself and says what was asked for.
#[test]
fn a_limit_of_memory_that_was_asked_for_holds_or_refuses() {
    let suite = Suite::new();
    let arguments = |bytes| ["do=grow", bytes, "--limit", "memory=64MiB"];
    let (little, much) = (arguments("bytes=40000000"), arguments("bytes=80000000"));
    for language in Language::ALL {
        if !language.is_wasm() && !is_root() {
            refused(&suite, language, &much, "memory");
            continue;
        }
        let grown = success(json!({"_output": "grown\n"}));
        suite.ends(language, &little, &grown);
        let record = suite.run(language, &much).exits(1).record();
        stopped(language, &record, "memory", None);
        if language.is_wasm() {
            let said = "limit `memory`: it asked for 78 MiB of memory in all\n";
            assert_eq!(record["stderr"]["text"], said, "{language:?}");
        }
    }
}

#[test]
fn a_limit_of_the_tasks_own_holds_where_nobody_says_more() {
    let limits = json!({"host": {"limits": {"wall": "300ms"}}});
    let suite = Suite::declaring(json!({"extensions": limits}));
    for language in Language::ALL {
        let ran = suite.shown(language, &["do=sleep"]).exits(1);
        ran.says(&["stopped by limit `wall` (300ms)", "nothing of it is left"]);
    }
}

/// What is full is told inside, in the words of the system. In preview 2 there is no such word for what is written to a
/// stream.
#[test]
fn a_full_scratch_directory_is_told_to_the_task() {
    let suite = Suite::new();
    let big = "x".repeat(100_000);
    let input = suite.given(&json!({"do": "write", "path": "big.txt", "text": big}));
    let arguments = ["--input", &input, "--limit", "scratch=64KiB"];
    for (language, record) in suite.records(&arguments) {
        let word = match language {
            Language::Shell | Language::Python => "No space left on device",
            Language::Module => "No space left on device (os error 51)",
            Language::Component => "I/O error (os error 29)",
        };
        assert_eq!(record["outcome"], exited(1), "{language:?}");
        let said = record["stderr"]["text"].as_str().unwrap();
        assert!(
            said.ends_with(&format!(": {word}\n")),
            "{language:?}: {said}"
        );
        assert_eq!(record["usage"]["scratch_bytes"], 65_536, "{language:?}");
        let ran = suite.shown(language, &arguments).exits(1);
        ran.says(&["reached its limit `scratch`"]);
    }
}
