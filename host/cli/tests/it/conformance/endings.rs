//! How a task ends: by itself with a code, as a program that found itself broken, or called off.

use rustix::process::Signal;
use serde_json::{Value, json};

use super::{Language, Suite, exited, failure, success, task_error, text};

/// The end of a task that said `said` and ended with `code`.
fn failed(code: i32) -> Value {
    let error = task_error(code, &format!("The task failed with exit code {code}"));
    failure(code, json!({"_output": "said", "_error": error}))
}

#[test]
fn an_exit_code_other_than_0_fails_the_task() {
    let suite = Suite::new();
    let arguments = |code: i32| ["do=print".to_owned(), text("said"), format!("code={code}")];
    let [act, said, code] = &arguments(0);
    suite.alike(&[act, said, code], &success(json!({"_output": "said"})));
    let [act, said, code] = &arguments(1);
    suite.alike(&[act, said, code], &failed(1));
    for number in [3, 125, 126, 255] {
        let [act, said, code] = &arguments(number);
        for language in [Language::Shell, Language::Python, Language::Module] {
            suite.ends(language, &[act, said, code], &failed(number));
        }
    }
}

/// In preview 2 a program says only whether it did what it should.
#[test]
fn a_component_has_the_exit_codes_0_and_1_alone() {
    let suite = Suite::new();
    for code in ["code=1", "code=3", "code=126", "code=255"] {
        let arguments = ["do=print", &text("said"), code];
        suite.ends(Language::Component, &arguments, &failed(1));
    }
}

/// A native program is killed by a signal of its own; a WASI program has none and traps, and the engine says where.
#[test]
fn a_program_that_aborts_is_signalled_or_trapped() {
    let suite = Suite::new();
    for language in Language::ALL {
        let reason = "wasm trap: wasm `unreachable` instruction executed";
        let (kind, signal, reason) =
            language.either(("signalled", Some(6), ""), ("trapped", None, reason));
        let msg = language.either("the task was killed by signal 6", reason);
        let expected = json!({
            "status": "failure",
            "outcome": {
                "kind": kind, "code": null, "signal": signal, "limit": null, "reason": reason,
            },
            "value": {"_error": {"kind": format!("host/{kind}"), "msg": msg, "details": {}}},
        });
        let record = suite.ends(language, &["do=abort"], &expected);
        let said = record["stderr"]["text"].as_str().unwrap();
        let traced = said.starts_with("error while executing at wasm backtrace:\n");
        assert_eq!(
            (traced, said.is_empty()),
            language.either((false, true), (true, false))
        );
        let task = language.task();
        let ran = suite.shown(language, &["do=abort"]).exits(1);
        let said = language.either(
            "was killed by signal 6",
            "trapped: wasm trap: wasm `unreachable` instruction executed",
        );
        ran.says(&[&format!("failed: `{task}` {said}")]);
    }
}

#[test]
fn stderr_is_heard_while_the_task_runs_and_an_interrupt_ends_it() {
    let suite = Suite::new();
    for language in Language::ALL {
        let task = language.task();
        let run = ["run", &suite.module, &task, "do=sleep", "text=up\n"];
        let mut live = suite.lab.host(&run).start();
        live.hears("up\n");
        assert!(live.lives(), "what was said early was heard at the end");
        live.signal(Signal::INT);
        live.end().exits(130).says(&["interrupted"]);
        let journal = suite.lab.journal();
        let record = &journal.last().unwrap()["record"];
        let outcome = json!({
            "kind": "cancelled", "code": null, "signal": null, "limit": null, "reason": "interrupted",
        });
        assert_eq!(record["outcome"], outcome, "{language:?}");
        assert_eq!(record["value"]["_output"], "up\n", "{language:?}");
        assert_eq!(record["stderr"]["text"], "up\n", "{language:?}");
    }
}

#[test]
fn a_run_after_one_that_failed_knows_nothing_of_it() {
    let suite = Suite::new();
    let said = success(json!({"_output": "said"}));
    for language in Language::ALL {
        suite.run(language, &["do=abort"]).exits(1);
        let record = suite.ends(language, &["do=print", &text("said")], &said);
        assert_eq!(record["outcome"], exited(0));
        assert_eq!(record["stderr"]["text"], "", "{language:?}");
    }
}
