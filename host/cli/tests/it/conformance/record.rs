//! The record and the journal: what is on record of a run does not depend on what its task is written in.

use serde_json::{Value, json};

use super::{Language, Suite, success, text};
use crate::lab::is_root;

fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

/// A run of each language with everything in it that a record can tell of.
fn eventful(suite: &Suite) -> [(Language, Value); 4] {
    let data = suite.lab.directory("data");
    suite.records(&[
        "do=leave",
        "path=report.txt",
        &text("report"),
        "--allow",
        &format!("fs.read:{data}"),
        "--limit",
        "output=4KiB",
        "--noop",
    ])
}

#[test]
fn a_record_has_the_same_fields_in_the_same_order() {
    let suite = Suite::new();
    let fields = [
        "format",
        "run",
        "node",
        "caller",
        "task",
        "bundle",
        "status",
        "outcome",
        "value",
        "stdout",
        "stderr",
        "artifacts",
        "started",
        "runtime",
        "grant",
        "denials",
        "connections",
        "walls",
        "usage",
    ];
    for (language, record) in eventful(&suite) {
        assert_eq!(keys(&record), fields, "{language:?}");
        let outcome = ["kind", "code", "signal", "limit", "reason"];
        assert_eq!(keys(&record["outcome"]), outcome, "{language:?}");
        let kept = suite.kept(&record, "record.json");
        let kept: Value = serde_json::from_slice(&kept).unwrap();
        assert_eq!(kept, record, "{language:?}: the spool keeps another record");
    }
}

#[test]
fn a_record_says_the_same_but_for_the_name_of_the_task() {
    let suite = Suite::new();
    let records = eventful(&suite);
    let (_, first) = &records[0];
    let capability = format!("fs.read:{}", suite.lab.path("data"));
    for (language, record) in &records {
        assert_eq!(record["task"], language.task());
        assert_eq!(record["format"], "host.run/1", "{language:?}");
        assert_eq!(record["bundle"], first["bundle"], "{language:?}");
        assert_eq!(record["bundle"]["module"], "conformance", "{language:?}");
        assert_eq!(record["bundle"]["version"], "1.0.0", "{language:?}");
        assert_eq!(record["stdout"], json!({"bytes": 0, "truncated": false}));
        assert_eq!(record["artifacts"], first["artifacts"], "{language:?}");
        let granted = json!([{
            "capability": capability, "origin": "caller", "rule": "--allow", "used": "unknown",
        }]);
        assert_eq!(record["grant"], granted, "{language:?}");
        assert_eq!(record["denials"], json!([]), "{language:?}");
        let runtime = record["runtime"].as_f64().unwrap();
        assert!((0.0..10.0).contains(&runtime), "{language:?}: {runtime}");
    }
}

/// The same walls hold all of them. Only who bounds memory and CPU time differs, and is said.
#[test]
fn the_same_walls_hold_native_and_wasi_programs() {
    let suite = Suite::new();
    let records = eventful(&suite);
    let (_, first) = &records[0];
    for (language, record) in &records {
        let walls = &record["walls"];
        let names = [
            "cpu",
            "landlock",
            "memory",
            "namespaces",
            "no_new_privs",
            "processes",
            "seccomp",
            "user",
        ];
        assert_eq!(keys(walls), names, "{language:?}");
        for wall in [
            "namespaces",
            "seccomp",
            "no_new_privs",
            "landlock",
            "processes",
        ] {
            assert_eq!(walls[wall], first["walls"][wall], "{language:?}: {wall}");
        }
        let user = walls["user"].as_str().unwrap();
        let expected = if is_root() {
            "throw-away id "
        } else {
            "the caller's own user id "
        };
        assert!(user.starts_with(expected), "{language:?}: {user}");
        let starts = |wall: &str, expected: &str| {
            let held = walls[wall].as_str().unwrap();
            assert!(held.starts_with(expected), "{language:?}: {wall}: {held}");
        };
        if is_root() {
            let around = "the engine, to the byte; around it a control group";
            starts("memory", language.either("control group", around));
            starts("cpu", "control group");
        } else {
            let around = "the engine, to the byte; around it RLIMIT_DATA";
            starts(
                "memory",
                language.either("each process by RLIMIT_DATA", around),
            );
            starts(
                "cpu",
                language.either("summed over the processes", "the one process that there is"),
            );
        }
    }
}

#[test]
fn usage_tells_the_same_and_of_a_wasi_program_its_memory_too() {
    let suite = Suite::new();
    for (language, record) in suite.records(&["do=grow", "bytes=20000000"]) {
        let usage = &record["usage"];
        let mut expected = vec!["cpu_ms", "scratch_bytes"];
        if language.is_wasm() {
            expected.insert(1, "guest_memory_peak_bytes");
        }
        if is_root() {
            expected.insert(expected.len() - 1, "memory_peak_bytes");
        }
        assert_eq!(keys(usage), expected, "{language:?}");
        let own = usage["guest_memory_peak_bytes"].as_u64();
        assert_eq!(own.is_some(), language.is_wasm());
        for held in own.into_iter().chain(usage["memory_peak_bytes"].as_u64()) {
            assert!(
                (20_000_000..60_000_000).contains(&held),
                "{language:?}: {usage}"
            );
        }
    }
}

#[test]
fn the_journal_has_an_intent_with_every_limit_and_an_end() {
    let suite = Suite::new();
    let records = eventful(&suite);
    let journal = suite.lab.journal();
    assert_eq!(suite.lab.events(), ["intended", "finished"].repeat(4));
    for ((language, record), lines) in records.iter().zip(journal.chunks(2)) {
        let [intended, finished] = lines else {
            panic!("half a run: {lines:?}");
        };
        assert_eq!(intended["run"], record["run"], "{language:?}");
        assert_eq!(intended["task"], language.task());
        assert_eq!(intended["noop"], true, "{language:?}");
        assert_eq!(intended["grant"], record["grant"], "{language:?}");
        assert_eq!(intended["limits"], journal[0]["limits"], "{language:?}");
        assert_eq!(intended["limits"]["output"], "4KiB", "{language:?}");
        assert_eq!(finished["record"], *record, "{language:?}");
    }
}

#[test]
fn a_sealed_bundle_runs_as_its_directory_does() {
    let suite = Suite::new();
    let (bundle, public) = (
        suite.lab.path("conformance.tar"),
        suite.lab.path("author.pub"),
    );
    let pack = ["bundle", "pack", &suite.module, "-o", &bundle, "--no-sign"];
    suite.lab.run(&pack).exits(0);
    let key = suite.lab.path("author");
    suite
        .lab
        .run(&["key", "new", &key, "--comment", "author@example.com"])
        .exits(0);
    suite
        .lab
        .run(&["bundle", "sign", &bundle, "--key", &key])
        .exits(0);
    suite.lab.run(&["trust", "add", &public]).exits(0);
    let sealed = Suite {
        module: bundle,
        ..suite
    };
    let expected = success(json!({"_output": "sealed"}));
    for language in Language::ALL {
        let record = sealed.ends(language, &["do=print", &text("sealed")], &expected);
        let signers = json!(["author@example.com"]);
        assert_eq!(record["bundle"]["signers"], signers, "{language:?}");
    }
}
