//! The audit log from outside: real runs, each tampering that a log can meet, and what `host` says and does then.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::lab::{Lab, Ran};

const VERIFY: &[&str] = &["audit", "verify"];

/// Codes that act on a terminal, and letters that turn the order of others.
const HOSTILE: &str = "a\nb\u{1b}[2Jc\u{202e}d\rMESSAGE=x\u{9b}e";

/// What is done to the lines of a log, where that is found, and what is said of it.
type Tampered<'t> = (&'t str, usize, &'t str, fn(&mut Vec<String>));

fn log(lab: &Lab) -> PathBuf {
    lab.home().join("state/journal.jsonl")
}

fn state(lab: &Lab) -> PathBuf {
    lab.home().join("state/journal.state")
}

fn lines(lab: &Lab) -> Vec<String> {
    let text = fs::read_to_string(log(lab)).unwrap();
    text.split_inclusive('\n').map(str::to_owned).collect()
}

fn write(lab: &Lab, lines: &[String]) {
    fs::write(log(lab), lines.concat()).unwrap();
}

/// A module whose task is said to have run, and a log of three of its runs: six lines.
fn three_runs(lab: &Lab) -> String {
    let module = lab.shell("touch \"$HOST_OUT/ran\"; echo done");
    for _ in 0..3 {
        lab.run(&["run", &module]).exits(0);
    }
    assert_eq!(lines(lab).len(), 6);
    module
}

/// Runs `host` over a log that somebody changed.
#[track_caller]
fn look(lab: &Lab, arguments: &[&str]) -> Ran {
    lab.host(arguments).start().end_unsettled()
}

/// Asserts that the log is found to be broken here, in these words, and that it is written to no more.
#[track_caller]
fn is_broken(lab: &Lab, line: usize, what: &str) {
    let ran = look(lab, VERIFY)
        .exits(4)
        .hints("host audit restart --reason TEXT");
    let found = format!("line {line} (byte ");
    let text = ran.text();
    assert!(
        text.lines()
            .any(|said| said.contains(&found) && said.contains(what)),
        "no `{found}` with `{what}` in\n{text}"
    );
}

/// Asserts that nothing is run, and that nothing of the log is changed by that.
#[track_caller]
fn runs_nothing(lab: &Lab, module: &str) -> Ran {
    let before = (fs::read(log(lab)).ok(), lab.spooled().len());
    let ran = look(lab, &["run", module])
        .exits(7)
        .says(&["cannot be recorded, so it was not started"])
        .hints("host audit verify");
    assert_eq!((fs::read(log(lab)).ok(), lab.spooled().len()), before);
    ran
}

#[test]
fn a_log_that_nobody_touched_is_whole() {
    let lab = Lab::new();
    lab.run(VERIFY)
        .exits(0)
        .says(&["nothing is recorded here yet"]);
    three_runs(&lab);
    let ran = lab
        .run(VERIFY)
        .exits(0)
        .says(&["what this cannot tell", "kept elsewhere"]);
    assert!(
        ran.text().starts_with("ok  6 records hold together\n"),
        "{}",
        ran.text()
    );
    let json = lab
        .run(&["--output", "json", "audit", "verify"])
        .exits(0)
        .record();
    assert_eq!((&json["whole"], &json["lines"]), (&json!(true), &json!(6)));
    assert_eq!(json["breaks"], json!([]));
}

#[test]
fn each_tampering_is_found_and_located() {
    let lab = Lab::new();
    let module = three_runs(&lab);
    let good = lines(&lab);
    let tampered: [Tampered<'_>; 9] = [
        ("changed", 3, "changed: the line behind it", |lines| {
            lines[2] = lines[2].replacen("\"demo\"", "\"memo\"", 1);
        }),
        (
            "the last one changed",
            6,
            "another record with this number",
            |lines| {
                lines[5] = lines[5].replacen("success", "failure", 1);
            },
        ),
        ("removed", 3, "record 3 is missing", |lines| {
            drop(lines.remove(2))
        }),
        ("reordered", 5, "belongs further up", |lines| {
            lines.swap(3, 4)
        }),
        ("repeated", 5, "is there already", |lines| {
            lines.insert(4, lines[1].clone())
        }),
        ("foreign", 2, "no record of this log", |lines| {
            lines.insert(1, "{\"event\":\"finished\"}\n".into())
        }),
        ("no JSON any more", 4, "record 4 stood here", |lines| {
            lines[3] = lines[3].replacen("{", "[", 1);
        }),
        ("cut", 6, "cut off: the log went on to record 6", |lines| {
            lines.truncate(5)
        }),
        (
            "all of it cut",
            1,
            "cut off: the log went on to record 6",
            Vec::clear,
        ),
    ];
    for (name, line, what, tamper) in tampered {
        let mut lines = good.clone();
        tamper(&mut lines);
        assert_ne!(lines, good, "{name}");
        write(&lab, &lines);
        is_broken(&lab, line, what);
    }
    write(&lab, &good);
    lab.run(VERIFY).exits(0);
    lab.run(&["run", &module]).exits(0);
}

#[test]
fn a_log_whose_end_is_not_what_was_written_lets_nothing_run() {
    let lab = Lab::new();
    let module = three_runs(&lab);
    let good = lines(&lab);
    let tampered: [fn(&mut Vec<String>); 4] = [
        |lines| lines.truncate(5),
        Vec::clear,
        |lines| lines[5] = lines[5].replacen("success", "failure", 1),
        |lines| lines.push("{\"event\":\"finished\"}\n".into()),
    ];
    for tamper in tampered {
        let mut lines = good.clone();
        tamper(&mut lines);
        write(&lab, &lines);
        runs_nothing(&lab, &module);
    }
    write(&lab, &good);
    let kept = fs::read(state(&lab)).unwrap();
    fs::remove_file(state(&lab)).unwrap();
    runs_nothing(&lab, &module).says(&["lost its `journal.state`"]);
    is_broken(&lab, 7, "is gone");
    fs::write(state(&lab), &kept[1..]).unwrap();
    runs_nothing(&lab, &module).says(&["`journal.state` of the audit log is damaged"]);
    is_broken(&lab, 7, "is damaged");
    fs::write(state(&lab), &kept).unwrap();
    lab.run(&["run", &module]).exits(0);
}

#[test]
fn a_log_is_begun_anew_and_the_old_one_kept() {
    let lab = Lab::new();
    let module = three_runs(&lab);
    let cut = lines(&lab)[..4].to_vec();
    write(&lab, &cut);
    runs_nothing(&lab, &module);
    look(&lab, &["audit", "restart"]).exits(2);
    look(&lab, &["audit", "restart", "--reason", " "]).exits(2);
    let ran = look(&lab, &["audit", "restart", "--reason", HOSTILE]).exits(0);
    let text = ran.text();
    let aside = text.split('`').nth(1).unwrap();
    assert!(aside.starts_with("journal.jsonl.2"), "{text}");
    assert_eq!(lab.read(&format!("home/state/{aside}")), cut.concat());
    look(&lab, &["run", &module]).exits(0);
    look(&lab, VERIFY).exits(0);
    assert_eq!(lab.events(), ["restarted", "intended", "finished"]);
    let first = &lab.journal()[0];
    assert_eq!(first["old"]["file"], aside);
    assert_eq!(first["reason"], HOSTILE);
}

#[test]
fn a_log_that_was_set_back_is_found_by_a_head_that_was_kept() {
    let lab = Lab::new();
    let module = three_runs(&lab);
    let backup = (fs::read(log(&lab)).unwrap(), fs::read(state(&lab)).unwrap());
    look(&lab, &["run", &module]).exits(0);
    let head = look(&lab, &["audit", "head"])
        .exits(0)
        .says(&["signed by ssh-ed25519"])
        .text();
    let head = head.trim().to_owned();
    let kept = lab.write("head", &head);
    for against in [&head, &kept] {
        look(&lab, &["audit", "verify", "--against", against]).exits(0);
    }
    fs::write(log(&lab), &backup.0).unwrap();
    fs::write(state(&lab), &backup.1).unwrap();
    look(&lab, VERIFY)
        .exits(0)
        .says(&["whether the whole log was set back"]);
    let rolled = look(&lab, &["audit", "verify", "--against", &kept])
        .exits(4)
        .text();
    assert!(
        rolled.contains("line 7 ") && rolled.contains("rolled back"),
        "{rolled}"
    );
    look(&lab, &["run", &module]).exits(0);
    look(&lab, VERIFY).exits(0);
    let other = look(&lab, &["audit", "verify", "--against", &head])
        .exits(4)
        .text();
    assert!(
        other.contains("line 8 ") && other.contains("another branch"),
        "{other}"
    );
    look(&lab, &["audit", "verify", "--against", "nothing"])
        .exits(2)
        .hints("host audit head");
}

#[test]
fn a_key_that_was_kept_proves_what_came_after() {
    let lab = Lab::new();
    let module = three_runs(&lab);
    let key = lab.path("kept");
    lab.run(&["audit", "rekey", &key])
        .exits(0)
        .hints("another machine");
    lab.run(&["audit", "rekey", &key])
        .exits(2)
        .says(&["never overwritten"]);
    lab.run(&["run", &module]).exits(0);
    let ran = lab.run(&["audit", "verify", "--key", &key]).exits(0);
    assert!(ran.text().contains("2 codes checked"), "{}", ran.text());
    let unknown = lab.write(
        "other",
        format!(
            "{}",
            json!({"format": "host.audit-key/1", "key": "ab".repeat(32)})
        ),
    );
    fs::set_permissions(
        &unknown,
        std::os::unix::fs::PermissionsExt::from_mode(0o600),
    )
    .unwrap();
    lab.run(&["audit", "verify", "--key", &unknown]).exits(4);
}

#[test]
fn a_torn_line_is_closed_and_the_log_stays_whole() {
    let lab = Lab::new();
    let module = three_runs(&lab);
    let mut torn = fs::read(log(&lab)).unwrap();
    torn.extend(b"{\"format\":\"host.journal/2\",\"seq\":7,\"pr");
    fs::write(log(&lab), torn).unwrap();
    lab.run(VERIFY).exits(0).says(&["the torn line at the end"]);
    lab.run(&["run", &module]).exits(0);
    lab.run(VERIFY).exits(0);
    let shown = lab
        .run(&["audit", "show", "--event", "recovered"])
        .exits(0)
        .text();
    assert!(
        shown.contains("a torn line of 38 bytes was closed"),
        "{shown}"
    );
}

#[test]
fn what_a_task_says_and_gets_splits_no_line_and_reaches_no_terminal() {
    let lab = Lab::new();
    let module = lab
        .module("demo")
        .task(
            "init.sh",
            "#!/bin/sh\nprintf '%s' \"$PT_text\"; printf '%s' \"$PT_text\" >&2; exit 3\n",
            json!({"parameters": {"text": {"type": "String"}}}),
        )
        .build();
    let text = format!("text={HOSTILE}");
    lab.run(&["run", &module, &text]).exits(1);
    assert_eq!(lines(&lab).len(), 2);
    assert_eq!(lab.journal().len(), 2);
    lab.run(VERIFY).exits(0);
    let everything: [&[&str]; 4] = [
        &["audit", "show"],
        &["audit", "show", "--ecs"],
        &["--output", "json", "audit", "show"],
        &["--output", "jsonl", "audit", "show"],
    ];
    for arguments in everything {
        let shown = lab.run(arguments).exits(0).text();
        let is_hidden =
            |letter: char| letter != '\n' && letter.is_control() || letter == '\u{202e}';
        assert!(!shown.contains(is_hidden), "{shown:?}");
        assert!(!shown.lines().any(|line| line.starts_with("MESSAGE=")));
    }
    let ecs = lab.run(&["audit", "show", "--ecs"]).text();
    let objects: Vec<Value> = ecs
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(objects.len(), 2);
    assert_eq!(objects[1]["event"]["outcome"], "failure");
    assert_eq!(objects[1]["process"]["exit_code"], 3);
}

#[test]
fn a_hostile_machine_name_or_reason_is_shown_escaped() {
    let lab = Lab::new();
    lab.run(&["audit", "restart", "--reason", HOSTILE]).exits(0);
    let shown = lab.run(&["audit", "show"]).exits(0).text();
    assert_eq!(shown.lines().count(), 1);
    assert!(
        shown.contains("a\\u{a}b\\u{1b}[2Jc\\u{202e}d\\u{d}MESSAGE=x\\u{9b}e"),
        "{shown}"
    );
}

#[test]
fn only_the_lines_that_were_asked_for_are_shown() {
    let lab = Lab::new();
    three_runs(&lab);
    let run = lab.journal()[2]["run"].as_str().unwrap().to_owned();
    for (filter, count) in [
        (&["--run", &run][..], 2),
        (&["--task", "demo"], 6),
        (&["--task", "other"], 0),
        (&["--event", "intended"], 3),
        (&["--status", "success"], 3),
        (&["--caller", ""], 6),
        (&["--since", "1h"], 6),
        (&["--until", "1h"], 0),
        (&["--until", "2020-01-01"], 0),
        (&["--last", "2"], 2),
        (&["--last", "0"], 0),
        (&["--event", "finished", "--last", "1"], 1),
    ] {
        let shown = lab
            .run(&[&["audit", "show"], filter].concat())
            .exits(0)
            .text();
        assert_eq!(shown.lines().count(), count, "{filter:?}\n{shown}");
    }
    let json = lab
        .run(&["--output", "json", "audit", "show", "--last", "1"])
        .record();
    assert_eq!(json["lines"][0]["seq"], 6);
    lab.run(&["audit", "show", "--since", "yesterday"]).exits(2);
    lab.run(&["audit", "show", "--last", "100001"]).exits(2);
}

#[test]
fn a_log_of_before_the_chain_is_shown_and_continued() {
    let lab = Lab::new();
    let old = json!({"format": "host.journal/1", "event": "refused", "record": {
        "run": "0192f3c1a2b4714f8c6e1f0a9d3b5c77", "task": "demo", "status": "refused",
        "outcome": {"kind": "refused", "reason": "not granted"}, "started": "2026-11-21T09:20:11.042Z"}});
    let module = lab.shell("echo done");
    fs::create_dir_all(log(&lab).parent().unwrap()).unwrap();
    for part in ["", "state"] {
        let directory = lab.home().join(part);
        fs::set_permissions(
            directory,
            std::os::unix::fs::PermissionsExt::from_mode(0o700),
        )
        .unwrap();
    }
    fs::write(log(&lab), format!("{old}\n")).unwrap();
    lab.run(&["run", &module]).exits(0);
    let shown = lab.run(&["audit", "show"]).exits(0).text();
    assert!(
        shown.starts_with("2026-11-21 09:20:11Z  refused     demo"),
        "{shown}"
    );
    assert_eq!(shown.lines().count(), 3);
    lab.run(VERIFY)
        .exits(0)
        .says(&["what the first 1 line said"]);
}

#[test]
fn who_follows_sees_what_comes_and_ends_by_a_signal() {
    let lab = Lab::new();
    let module = lab.shell("echo done");
    look(&lab, &["run", &module]).exits(0);
    let live = lab.host(&["audit", "show", "--follow"]).start();
    std::thread::sleep(Duration::from_millis(300));
    look(&lab, &["run", &module]).exits(0);
    look(
        &lab,
        &["audit", "restart", "--reason", "while it is followed"],
    )
    .exits(0);
    look(&lab, &["run", &module]).exits(0);
    std::thread::sleep(Duration::from_millis(900));
    live.signal(Signal::INT);
    let shown = live.end_unsettled().exits(130).text();
    let events: Vec<&str> = shown
        .lines()
        .map(|line| line.split_whitespace().nth(2).unwrap())
        .collect();
    let each = ["intended", "finished"];
    assert_eq!(events, [&each[..], &each, &["restarted"], &each].concat());
}

#[test]
fn who_follows_ends_when_nobody_reads() {
    let lab = Lab::new();
    let module = lab.shell("echo done");
    lab.run(&["run", &module]).exits(0);
    let script = "\"$@\" | head -n 1; exit 0";
    let ran = crate::lab::Host::by_shell(&lab, script, &["audit", "show", "--follow"]).run();
    assert!(ran.exits(0).text().contains("intended"));
}

#[test]
fn a_key_that_cannot_be_used_lets_nothing_run() {
    let lab = Lab::new();
    let module = three_runs(&lab);
    let key = lab.home().join("state/audit.key");
    fs::write(&key, "no key").unwrap();
    lab.run(&["run", &module])
        .exits(7)
        .says(&["the key that signs the audit log cannot be used"])
        .hints("audit.key");
    assert_eq!(lines(&lab).len(), 6);
    fs::remove_file(key).unwrap();
    lab.run(&["run", &module]).exits(0);
}

#[test]
fn a_log_that_was_laid_aside_is_part_of_what_is_verified() {
    let lab = Lab::new();
    let module = three_runs(&lab);
    let ran = look(&lab, &["audit", "restart", "--reason", "a new disk"]).exits(0);
    let text = ran.text();
    let aside = lab
        .home()
        .join("state")
        .join(text.split('`').nth(1).unwrap());
    look(&lab, &["run", &module]).exits(0);
    look(&lab, VERIFY).exits(0);
    let mut old = fs::read_to_string(&aside).unwrap();
    old = old.replacen("finished", "finishes", 1);
    fs::write(&aside, old).unwrap();
    let ran = look(&lab, VERIFY).exits(4);
    assert!(
        ran.text()
            .contains("which was laid aside, is not what it was then"),
        "{}",
        ran.text()
    );
    fs::remove_file(&aside).unwrap();
    look(&lab, VERIFY)
        .exits(0)
        .says(&["which was laid aside and is gone"]);
}

/// The key that lies beside the log is believed only where nobody brings another one.
#[test]
fn checkpoints_are_checked_by_the_key_that_was_kept() {
    let lab = Lab::new();
    let module = lab.shell("echo done");
    for _ in 0..260 {
        lab.host(&["run", &module, "--allow", "unix.connect:/run/nothing"])
            .run()
            .exits(3);
    }
    let head = lab
        .run(&["--output", "json", "audit", "head"])
        .exits(0)
        .record();
    let own = lab.write("own.pub", head["key"].as_str().unwrap());
    let key = lab.path("other");
    lab.run(&["key", "new", &key]).exits(0);
    let other = format!("{key}.pub");
    look(&lab, &["audit", "verify", "--checkpoint-key", &own]).exits(0);
    let ran = look(&lab, &["audit", "verify", "--checkpoint-key", &other]).exits(4);
    assert!(
        ran.text().contains("and not by the key of this log"),
        "{}",
        ran.text()
    );
    look(&lab, &["audit", "verify", "--checkpoint-key", &module]).exits(2);
    let nowhere = lab.path("nowhere.pub");
    look(&lab, &["audit", "verify", "--checkpoint-key", &nowhere]).exits(2);
    // Without the key beside the log nobody checks them, and that is said.
    fs::remove_file(lab.home().join("state/audit.key")).unwrap();
    let ran = look(&lab, VERIFY).exits(0);
    assert!(
        ran.text().contains("without a key to check them"),
        "{}",
        ran.text()
    );
    look(&lab, &["audit", "verify", "--checkpoint-key", &own]).exits(0);
}

/// 300 lines need a checkpoint; `ssh-keygen` checks it with nothing of ours but the line that `host audit head` prints.
#[test]
fn ssh_keygen_verifies_the_checkpoint_of_a_real_log() {
    let lab = Lab::new();
    let module = lab.shell("echo done");
    lab.run(&["run", &module]).exits(0);
    let json = lab
        .run(&["--output", "json", "audit", "head"])
        .exits(0)
        .record();
    let text = json["checkpoint"]["text"].as_str().unwrap();
    assert!(
        text.starts_with("host/audit ") && text.lines().count() == 3,
        "{text}"
    );
    let checkpoint = lab.write("checkpoint", text);
    lab.write("sig", json["checkpoint"]["signature"].as_str().unwrap());
    let allowed = format!(
        "log namespaces=\"audit@host\" {}\n",
        json["key"].as_str().unwrap()
    );
    lab.write("allowed", allowed);
    let script = format!(
        "cd {} && ssh-keygen -Y verify -n audit@host -f allowed -I log -s sig < checkpoint",
        lab.root().display()
    );
    let verified = std::process::Command::new("sh")
        .args(["-c", &script])
        .output()
        .unwrap();
    assert!(
        verified.status.success(),
        "{}",
        String::from_utf8_lossy(&verified.stderr)
    );
    lab.run(&["run", &module]).exits(0);
    lab.run(&["audit", "verify", "--against", &checkpoint])
        .exits(0);
}
