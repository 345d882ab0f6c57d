//! Output: what a task's output means, how it is shown, and what is kept of it.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use crate::lab::Lab;

/// The record of a shell script.
#[track_caller]
fn record(script: &str) -> Value {
    let lab = Lab::new();
    let module = lab.shell(script);
    lab.record(&[&module])
}

#[test]
fn one_object_is_the_value_and_anything_else_is_text() {
    for (script, expected) in [
        (
            r#"echo '{"a": [1, {"b": null}], "z": 1.5}'"#,
            json!({"a": [1, {"b": null}], "z": 1.5}),
        ),
        (
            "echo hello; echo world",
            json!({"_output": "hello\nworld\n"}),
        ),
        ("echo '[1, 2]'", json!({"_output": "[1, 2]\n"})),
        ("echo '{} {}'", json!({"_output": "{} {}\n"})),
        ("echo '\"text\"'", json!({"_output": "\"text\"\n"})),
        ("true", json!({"_output": ""})),
        (
            r#"echo '{"_output": "said", "b": 1}'"#,
            json!({"_output": "said", "b": 1}),
        ),
    ] {
        let record = record(script);
        assert_eq!(record["value"], expected, "{script}");
        assert_eq!(
            (&record["status"], &record["outcome"]["code"]),
            (&json!("success"), &json!(0))
        );
    }
}

#[test]
fn an_error_that_a_task_reports_fails_it_whatever_its_code() {
    let lab = Lab::new();
    let module = lab.shell(r#"echo '{"_error": {"kind": "demo/full", "msg": "the disk is full", "details": {"free": 0}}}'"#);
    lab.run(&["run", &module])
        .exits(1)
        .says(&["failed: `demo` reported an error", "the disk is full"]);
    let record = lab.record(&[&module]);
    assert_eq!(record["status"], "failure");
    assert_eq!(record["outcome"]["code"], 0);
    assert_eq!(
        record["value"]["_error"],
        json!({"kind": "demo/full", "msg": "the disk is full", "details": {"free": 0}})
    );
}

#[test]
fn an_exit_code_fails_a_task_and_says_why() {
    let lab = Lab::new();
    let module = lab.shell("echo 'it broke' >&2; exit 7");
    lab.run(&["run", &module])
        .exits(1)
        .says(&["it broke", "failed: `demo` exited with 7"]);
    let record = lab.record(&[&module]);
    assert_eq!(
        record["outcome"],
        json!({"kind": "exited", "code": 7, "signal": null, "limit": null, "reason": ""})
    );
    let error = &record["value"]["_error"];
    assert_eq!(error["kind"], "puppetlabs.tasks/task-error");
    assert_eq!(error["details"], json!({"exit_code": 7, "exitcode": 7}));
    assert!(
        error["msg"].as_str().unwrap().contains("it broke"),
        "{error}"
    );
}

#[test]
fn a_signal_of_its_own_is_told_from_one_of_ours() {
    let lab = Lab::new();
    let module = lab.shell("kill -SEGV $$");
    lab.run(&["run", &module])
        .exits(1)
        .says(&["failed: `demo` was killed by signal 11"]);
    let record = lab.record(&[&module]);
    assert_eq!(
        record["outcome"],
        json!({"kind": "signalled", "code": null, "signal": 11, "limit": null, "reason": ""})
    );
    assert_eq!(record["value"]["_error"]["kind"], "host/signalled");
}

#[test]
fn a_malformed_error_is_replaced_by_one_that_says_so() {
    let record = record(r#"echo '{"_error": "oops"}'"#);
    assert_eq!(record["status"], "failure");
    assert_eq!(record["value"]["_error"]["kind"], "bolt/invalid-task-error");
    assert_eq!(
        record["value"]["_error"]["details"]["original_error"],
        "oops"
    );
}

#[test]
fn output_that_is_not_utf8_is_an_error_and_kept_as_it_came() {
    let lab = Lab::new();
    let module = lab.shell(r"printf 'a\377b'; printf 'c\377d' >&2");
    let record = lab.record(&[&module]);
    assert_eq!(record["status"], "failure");
    assert!(
        record["value"]["_error"]["msg"]
            .as_str()
            .unwrap()
            .contains("invalid UTF-8"),
        "{record}"
    );
    assert_eq!(record["stderr"]["text"], "c\u{fffd}d");
    let spool = lab.spool(record["run"].as_str().unwrap());
    assert_eq!(fs::read(spool.join("stdout")).unwrap(), b"a\xffb");
    assert_eq!(fs::read(spool.join("stderr")).unwrap(), b"c\xffd");
}

#[test]
fn people_get_text_on_stdout_and_words_on_stderr() {
    let lab = Lab::new();
    let ran = lab
        .run(&["run", &lab.shell("echo data; echo note >&2")])
        .exits(0)
        .says(&["note\n", "ok  demo  "]);
    assert_eq!(ran.text(), "data\n");
    let ran = lab
        .run(&["run", &lab.shell(r#"echo '{"b": 1, "a": 2}'"#)])
        .exits(0);
    assert_eq!(ran.text(), "{\n  \"b\": 1,\n  \"a\": 2\n}\n");
    let ran = lab
        .run(&["run", &lab.shell(r#"echo '{"_output": "only text"}'"#)])
        .exits(0);
    assert_eq!(ran.text(), "only text");
}

#[test]
fn stderr_and_text_are_shown_while_the_task_runs() {
    let lab = Lab::new();
    let mut live = lab
        .host(&["run", &lab.shell("echo early >&2; sleep 1; echo late >&2")])
        .start();
    live.hears("early");
    assert!(live.lives(), "what was said early was heard at the end");
    live.end().exits(0).says(&["late"]);
}

#[test]
fn too_much_output_ends_the_run_and_what_came_before_is_kept() {
    let lab = Lab::new();
    for (script, stream) in [("yes", "stdout"), ("yes >&2", "stderr")] {
        let module = lab.shell(&format!("{script}; {}", lab.lingerer()));
        let ran = lab
            .run(&[
                "--output",
                "json",
                "run",
                &module,
                "--limit",
                "output=100000",
            ])
            .exits(1);
        let record = ran.record();
        assert_eq!(record["outcome"]["limit"], "output");
        assert_eq!(
            (&record[stream]["bytes"], &record[stream]["truncated"]),
            (&json!(100_000), &json!(true))
        );
        let kept = fs::read(lab.spool(record["run"].as_str().unwrap()).join(stream)).unwrap();
        assert!(
            kept.len() == 100_000 && kept.chunks(2).all(|line| line == b"y\n"),
            "{} bytes kept",
            kept.len()
        );
    }
    lab.run(&["run", &lab.shell("yes"), "--limit", "output=1000"])
        .exits(1)
        .says(&["stopped by limit `output`"])
        .hints("--limit output=");
}

#[test]
fn a_flood_below_the_limit_arrives_whole() {
    let lab = Lab::new();
    let module = lab.shell("head -c 5000000 /dev/zero | tr '\\0' x; echo done >&2");
    let ran = lab.run(&["run", &module]).exits(0).says(&["done"]);
    assert_eq!(ran.stdout.len(), 5_000_000);
}

#[test]
fn the_record_has_the_fields_that_are_promised_in_their_order() {
    let lab = Lab::new();
    let data = lab.directory("data");
    let module = lab.shell(r#"echo '{"a": 1}'; echo note >&2; echo left > $HOST_OUT/report.txt"#);
    let record = lab.record(&[&module, "--allow", &format!("fs.read:{data}")]);
    let keys =
        |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    let fields = "format run node caller task bundle status outcome value stdout stderr artifacts started runtime grant denials connections walls usage";
    assert_eq!(keys(&record), fields.split(' ').collect::<Vec<_>>());
    assert_eq!(
        keys(&record["bundle"]),
        ["id", "module", "version", "signers"]
    );
    assert_eq!(
        keys(&record["outcome"]),
        ["kind", "code", "signal", "limit", "reason"]
    );
    assert_eq!(keys(&record["stdout"]), ["bytes", "truncated"]);
    assert_eq!(
        record["stderr"],
        json!({"text": "note\n", "bytes": 5, "truncated": false})
    );
    let capability = format!("fs.read:{data}");
    assert_eq!(
        record["grant"],
        json!([{"capability": capability, "origin": "caller", "rule": "--allow", "used": "unknown"}])
    );
    assert_eq!(
        (&record["format"], &record["task"]),
        (&json!("host.run/1"), &json!("demo"))
    );
    assert_eq!(
        (&record["node"], &record["caller"], &record["denials"]),
        (&json!(""), &json!(""), &json!([]))
    );
    let run = record["run"].as_str().unwrap();
    assert!(
        run.len() == 32
            && run
                .chars()
                .all(|c| c.is_ascii_hexdigit() && !c.is_ascii_uppercase()),
        "{run}"
    );
    assert!(
        record["runtime"].as_f64().unwrap() < 10.0
            && record["started"].as_str().unwrap().ends_with('Z')
    );
    for wall in [
        "user",
        "namespaces",
        "seccomp",
        "no_new_privs",
        "landlock",
        "memory",
        "processes",
        "cpu",
    ] {
        assert!(
            record["walls"][wall].is_string(),
            "no wall `{wall}`: {}",
            record["walls"]
        );
    }
    let kept: Value =
        serde_json::from_slice(&fs::read(lab.spool(run).join("record.json")).unwrap()).unwrap();
    assert_eq!(kept, record, "the spool keeps another record");
}

#[test]
fn as_lines_every_event_is_an_object_and_the_record_comes_last() {
    let lab = Lab::new();
    let ran = lab
        .run(&[
            "--output",
            "jsonl",
            "run",
            &lab.shell("echo data; echo note >&2"),
        ])
        .exits(0);
    let lines: Vec<Value> = ran
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(
        lines.iter().all(|line| line["event"].is_string()),
        "{}",
        ran.text()
    );
    assert_eq!(lines[0]["event"], "started");
    assert!(
        lines.contains(&json!({"event": "output", "stream": "stderr", "text": "note\n"})),
        "{}",
        ran.text()
    );
    let last = lines.last().unwrap();
    assert_eq!(
        (&last["event"], &last["record"]["status"]),
        (&json!("record"), &json!("success"))
    );
}

#[test]
fn an_error_in_json_is_one_document_on_stdout() {
    let lab = Lab::new();
    let ran = lab
        .run(&["run", "nowhere.tar", "--output", "json"])
        .exits(2);
    let error = ran.record();
    assert_eq!(
        (&error["format"], &error["error"]["exit"]),
        (&json!("host.error/1"), &json!(2))
    );
    assert!(
        error["error"]["message"]
            .as_str()
            .unwrap()
            .contains("nowhere.tar"),
        "{error}"
    );
}

#[test]
fn files_left_in_host_out_come_back_and_links_do_not() {
    let lab = Lab::new();
    let module = lab.shell(
        "printf report > $HOST_OUT/report.txt; ln -s /etc/passwd $HOST_OUT/link; mkfifo $HOST_OUT/pipe; mkdir -p $HOST_OUT/sub; printf in > $HOST_OUT/sub/inner.txt",
    );
    let record = lab.record(&[&module]);
    let names: Vec<&str> = record["artifacts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["name"].as_str().unwrap())
        .collect();
    assert!(
        names.contains(&"report.txt") && !names.contains(&"link") && !names.contains(&"pipe"),
        "{names:?}"
    );
    let report = &record["artifacts"]
        .as_array()
        .unwrap()
        .iter()
        .find(|file| file["name"] == "report.txt")
        .unwrap();
    assert_eq!(report["bytes"], 6);
    assert_eq!(
        report["digest"],
        "845e91831319e89c4d656bdb80c278ac09a7230d61e5dfd2e1b1fbb436ac8917"
    );
    let kept = lab.files(&format!(
        "home/state/runs/{}/artifacts",
        record["run"].as_str().unwrap()
    ));
    assert!(
        kept.iter()
            .all(|file| fs::symlink_metadata(file).unwrap().is_file())
    );
    assert!(
        kept.iter().any(|file| fs::read(file).unwrap() == b"report"),
        "{kept:?}"
    );
}

#[test]
fn what_came_back_is_named_with_its_place_and_what_did_not_with_the_reason() {
    let lab = Lab::new();
    let module =
        lab.shell("printf report > $HOST_OUT/report.txt; ln -s /etc/passwd $HOST_OUT/link");
    let ran = lab.run(&["run", &module]).exits(0);
    let left = ran.stderr.lines().find(|line| line.starts_with("left  "));
    let words: Vec<&str> = left.unwrap().split("  ").collect();
    assert_eq!(words[1..3], ["report.txt", "6 B"]);
    assert_eq!(fs::read(words[3]).unwrap(), b"report");
    // The record does not tell of it, so it is told beside the record.
    for form in ["human", "json", "jsonl"] {
        lab.run(&["--output", form, "run", &module])
            .exits(0)
            .says(&["note: `link` was left in $HOST_OUT and not brought back"]);
    }
}

/// A granted ask whose file is not there was said to be one that was not granted.
#[test]
fn only_what_was_not_granted_is_offered_to_be() {
    let lab = Lab::new();
    let absent = lab.path("absent");
    let asks =
        json!([format!("fs.read:{absent}"), {"capability": "fs.read:/srv", "optional": true}]);
    let metadata = json!({"extensions": {"host": {"asks": asks}}});
    let module = lab
        .module("demo")
        .task("init.sh", "#!/bin/sh\nexit 1\n", metadata)
        .build();
    let granted = format!("fs.read:{absent}");
    lab.run(&["run", &module, "--allow", &granted])
        .exits(1)
        .hints("--allow fs.read:/srv\n")
        .never_says(&format!("--allow {granted}"));
    lab.run(&["run", &module, "--allow-asked"])
        .exits(1)
        .never_says("hint:");
}

#[test]
fn more_of_a_limit_is_offered_only_below_its_ceiling() {
    let lab = Lab::new();
    let module = lab.shell("sleep 30");
    lab.run(&["run", &module, "--limit", "wall=200ms"])
        .exits(1)
        .hints("--limit wall=VALUE");
    lab.write("home/config/config.toml", "[ceilings]\nwall = \"200ms\"\n");
    lab.run(&["run", &module])
        .exits(1)
        .hints("200ms is the most that a run gets here, by `ceilings.wall` from ")
        .never_says("--limit wall");
}

/// Advice to leave the limit to its default is of no use to whom the bundle leaves no choice.
#[test]
fn a_limit_of_the_bundle_that_cannot_be_imposed_is_said_to_be_the_bundles() {
    let lab = Lab::new();
    let metadata = json!({"extensions": {"host": {"asks": [], "limits": {"memory": "64MiB"}}}});
    let module = lab
        .module("demo")
        .task("init.sh", "#!/bin/sh\n", metadata)
        .build();
    let ran = lab.run(&["--output", "json", "run", &module]);
    // Root imposes it, and a user whose control groups were handed over does too.
    if crate::lab::is_root() || ran.code() == 0 {
        assert_eq!(ran.record()["walls"]["memory"], "control group");
        assert_eq!(lab.journal()[0]["limits"]["memory"], "64MiB");
        return;
    }
    let ran = lab.run(&["run", &module]);
    ran.exits(7)
        .hints("the bundle asks for the limit `memory`")
        .hints("run as root");
    lab.run(&["run", &module, "--limit", "memory=64MiB"])
        .exits(7)
        .hints("leave the limit to its default");
}

#[test]
fn a_slow_reader_holds_nobody_up() {
    let lab = Lab::new();
    // The shell does not read what host prints until host has ended its run.
    let module = lab.shell("head -c 1000000 /dev/zero | tr '\\0' x; echo done >&2");
    let script = r#""$@" | { sleep 0.5; wc -c; }"#;
    let ran = crate::lab::Host::by_shell(&lab, script, &["run", &module])
        .run()
        .exits(0);
    assert_eq!(ran.text().trim(), "1000000");
    assert!(ran.took < Duration::from_secs(20));
}

#[test]
fn a_reader_that_goes_away_does_not_stop_the_run_from_being_recorded() {
    let lab = Lab::new();
    let module = lab.shell("seq 1 200000");
    crate::lab::Host::by_shell(&lab, r#""$@" | head -n 1"#, &["run", &module])
        .run()
        .exits(0);
    assert_eq!(lab.events(), ["intended", "finished"]);
    assert_eq!(lab.journal()[1]["record"]["status"], "success");
}

/// Letters were once broken wherever a piece of the output ended.
#[test]
fn letters_are_whole_in_the_events_of_a_long_output() {
    let lab = Lab::new();
    let module =
        lab.python("import sys\nsys.stdout.write('aé€😀' * 5000)\nsys.stderr.write('😀' * 5000)");
    let ran = lab.run(&["--output", "jsonl", "run", &module]).exits(0);
    let text = ran.text();
    let events = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let (mut stdout, mut stderr) = (String::new(), String::new());
    for event in events.filter(|event| event["event"] == "output") {
        let stream = match event["stream"].as_str() {
            Some("stdout") => &mut stdout,
            _ => &mut stderr,
        };
        stream.push_str(event["text"].as_str().unwrap());
    }
    assert!(stdout == "aé€😀".repeat(5000) && stderr == "😀".repeat(5000));
}

/// Our line once stood behind the task's last one.
#[test]
fn a_line_without_an_end_is_ended_where_both_streams_are_one_pipe() {
    let lab = Lab::new();
    let module = lab.shell("printf half");
    let ran = crate::lab::Host::by_shell(&lab, "\"$@\" 2>&1", &["run", &module])
        .run()
        .exits(0);
    assert!(ran.text().contains("half\nok  demo"), "{}", ran.text());
    assert_eq!(lab.run(&["run", &module]).exits(0).text(), "half");
}

#[test]
fn the_reason_of_a_result_that_cannot_be_read_is_said_whatever_the_exit_code() {
    let lab = Lab::new();
    let module = lab.shell("echo '{\"a\": NaN}'; exit 3");
    lab.run(&["run", &module]).exits(1).says(&[
        "exited with 3",
        "    its result cannot be read: not JSON at line 1",
    ]);
}
