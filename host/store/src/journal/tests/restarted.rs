//! Logs that were laid aside: nothing of them is lost, and what takes their place says so.

use std::fs::{self, OpenOptions};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::{at, file, read, sha256, text};
use crate::journal::{Evidence, JournalError, RestartError};
use crate::lab::{Lab, get, mode_of, names_in, put};
use crate::lock::lock;

const ASIDE: &str = "journal.jsonl.20261121T092020.042Z";

/// A log with two records whose second line was cut off.
fn damaged(lab: &Lab) {
    let store = lab.store();
    for n in 1..3 {
        store.journal().append(at(n), &json!({ "n": n })).unwrap();
    }
    let first = text(lab).lines().next().unwrap().to_owned() + "\n";
    put(&file(lab), first, 0o600);
}

#[test]
fn a_damaged_log_is_kept_and_named_by_the_new_one() {
    let lab = Lab::new();
    damaged(&lab);
    let old = get(&file(&lab));
    let store = lab.store();
    let journal = store.journal();
    assert!(matches!(
        journal.append(at(3), &json!({})),
        Err(JournalError::Cut { .. })
    ));
    let restarted = journal.restart(at(9), "cut by\nhand").unwrap();
    assert_eq!(restarted.aside.as_deref(), Some(ASIDE));
    assert_eq!(get(&lab.path("state").join(ASIDE)), old);
    assert_eq!(mode_of(&file(&lab)), 0o600);
    assert_eq!(
        names_in(&lab.path("state")),
        [
            "journal.jsonl",
            ASIDE,
            "journal.state",
            "journal.state.20261121T092020.042Z"
        ]
    );

    journal.append(at(10), &json!({"n": 3})).unwrap();
    let first: Value = serde_json::from_str(text(&lab).lines().next().unwrap()).unwrap();
    assert_eq!(
        (&first["event"], &first["seq"]),
        (&json!("restarted"), &json!(1))
    );
    assert_eq!(first["reason"], "cut by\nhand");
    assert_eq!(first["old"]["file"], ASIDE);
    assert_eq!(first["old"]["bytes"], old.len());
    assert_eq!(first["old"]["sha256"], sha256(&[&old]));
    assert!(first["old"]["state"].as_str().unwrap().starts_with("2:"));
    assert_eq!(read(&store).len(), 2);
    let verdict = journal.verify(Evidence::default()).unwrap();
    assert!(verdict.is_whole(), "{:?}", verdict.breaks);
}

#[test]
fn a_log_that_was_laid_aside_is_still_looked_at() {
    let lab = Lab::new();
    damaged(&lab);
    let store = lab.store();
    let journal = store.journal();
    journal.restart(at(9), "cut by hand").unwrap();
    let second = journal.restart(at(10), "once more").unwrap().aside.unwrap();
    let verdict = || journal.verify(Evidence::default()).unwrap();
    assert!(verdict().is_whole());

    let first = lab.path("state").join(ASIDE);
    let mut bytes = get(&first);
    bytes.push(b'\n');
    put(&first, &bytes, 0o600);
    let found = verdict();
    let words: Vec<String> = found.breaks.iter().map(ToString::to_string).collect();
    let expected = format!(
        "line 1 (byte 0, record 1): changed: `{ASIDE}`, which was laid aside, is not what it was then"
    );
    assert_eq!(words, [expected]);

    fs::remove_file(lab.path("state").join(&second)).unwrap();
    let found = verdict();
    assert!(found.is_whole());
    let gone = crate::journal::Unproven::AsideGone { name: second };
    assert!(found.unproven.contains(&gone), "{:?}", found.unproven);
}

#[test]
fn a_log_that_is_gone_is_begun_anew_with_a_reason() {
    let lab = Lab::new();
    damaged(&lab);
    fs::remove_file(file(&lab)).unwrap();
    let store = lab.store();
    let restarted = store.journal().restart(at(9), "it was gone").unwrap();
    assert_eq!(restarted.aside, None);
    let first: Value = serde_json::from_str(text(&lab).trim_end()).unwrap();
    assert_eq!(first["old"], Value::Null);
    store.journal().append(at(10), &json!({})).unwrap();
    assert_eq!(read(&store).len(), 2);
}

#[test]
fn a_reason_is_needed_and_no_log_is_laid_over_another() {
    let lab = Lab::new();
    damaged(&lab);
    let store = lab.store();
    let journal = store.journal();
    for reason in ["", " \n", &"x".repeat(5_000)] {
        assert!(matches!(
            journal.restart(at(9), reason),
            Err(RestartError::Reason)
        ));
    }
    put(&lab.path("state").join(ASIDE), "other", 0o600);
    let before = (get(&file(&lab)), names_in(&lab.path("state")));
    let taken = journal.restart(at(9), "why");
    assert!(matches!(taken, Err(RestartError::Taken { name }) if name == ASIDE));
    assert_eq!((get(&file(&lab)), names_in(&lab.path("state"))), before);
    journal.restart(at(10), "why").unwrap();
}

/// Whatever a crash leaves of a restart, no line is taken before it was done to its end.
#[test]
fn half_a_restart_takes_no_line_and_can_be_done_again() {
    let lab = Lab::new();
    damaged(&lab);
    let store = lab.store();
    let journal = store.journal();
    let state = get(&lab.path("state/journal.state"));
    journal.restart(at(9), "first").unwrap();
    // The new log has its name, and the state is still the old one's.
    put(&lab.path("state/journal.state"), &state, 0o600);
    assert!(journal.append(at(10), &json!({})).unwrap_err().is_damage());
    journal.restart(at(11), "second").unwrap();
    journal.append(at(12), &json!({"n": 3})).unwrap();
    assert!(journal.verify(Evidence::default()).unwrap().is_whole());
}

#[test]
fn an_append_that_waited_goes_to_the_new_log() {
    let lab = Lab::new();
    let store = lab.store();
    let journal = store.journal();
    journal.append(at(1), &json!({"n": 1})).unwrap();
    let held = OpenOptions::new().append(true).open(file(&lab)).unwrap();
    lock(&held).unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| journal.append(at(2), &json!({"n": 2})));
        let restarting = scope.spawn(|| journal.restart(at(9), "why"));
        thread::sleep(Duration::from_millis(30));
        drop(held);
        waiting.join().unwrap().unwrap();
        restarting.join().unwrap().unwrap();
    });
    journal.append(at(10), &json!({"n": 3})).unwrap();
    let all = [get(&lab.path("state").join(ASIDE)), get(&file(&lab))].concat();
    let all = String::from_utf8(all).unwrap();
    assert_eq!(all.matches("\"n\":2").count(), 1);
    assert!(journal.verify(Evidence::default()).unwrap().is_whole());
}
