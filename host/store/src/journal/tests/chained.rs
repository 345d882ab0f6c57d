//! What the chain, its state and its keys promise of a real log on a real disk.

use std::fs;
use std::thread;

use serde_json::{Value, json};

use super::{at, file, read, sha256, text};
use crate::journal::line::Body;
use crate::journal::state::{State, make_state, read_state};
use crate::journal::{
    Broken, CHECKPOINT_LINES, ChainKey, Evidence, Head, JournalError, Sealer, Unproven,
};
use crate::lab::{Lab, get, put};
use crate::{Store, Verdict};

/// A log as the first version wrote it, torn line and all.
const YESTERDAY: &str = concat!(
    r#"{"format":"host.journal/1","event":"intended","run":"0192f3c1a2b4714f8c6e1f0a9d3b5c77"}"#,
    "\n",
    r#"{"format":"host.jou"#,
    "\n",
    r#"{"format":"host.journal/1","event":"recovered","bytes":19}"#,
    "\n",
    r#"{"format":"host.journal/1","event":"finished","run":"0192f3c1a2b4714f8c6e1f0a9d3b5c77"}"#,
    "\n",
);

fn state(lab: &Lab) -> std::path::PathBuf {
    lab.path("state/journal.state")
}

/// Appends that many records, one by one.
fn filled(lab: &Lab, records: u64) -> Store {
    let store = lab.store();
    for n in 1..=records {
        store.journal().append(at(n), &json!({ "n": n })).unwrap();
    }
    store
}

fn verify(store: &Store) -> Verdict {
    store.journal().verify(Evidence::default()).unwrap()
}

/// What refuses the next append; the log is as it was.
fn refused(lab: &Lab, store: &Store) -> JournalError {
    let before = (get(&file(lab)), fs::metadata(state(lab)).is_ok());
    let error = store
        .journal()
        .append(at(99), &json!({"n": 99}))
        .unwrap_err();
    assert!(error.is_damage(), "{error}");
    assert_eq!((get(&file(lab)), fs::metadata(state(lab)).is_ok()), before);
    assert!(!verify(store).is_whole());
    assert!(store.journal().head().is_err());
    error
}

#[test]
fn a_log_of_yesterday_is_read_and_continued() {
    let lab = Lab::new();
    let store = lab.store();
    put(&file(&lab), YESTERDAY, 0o600);
    assert_eq!(read(&store).len(), 2);
    assert_eq!(store.journal().head().unwrap(), None);
    assert_eq!(
        verify(&store).unproven,
        [Unproven::NoChain, Unproven::NoHead]
    );

    store
        .journal()
        .append(at(0), &json!({"event": "refused"}))
        .unwrap();
    assert_eq!(read(&store).len(), 3);
    let text = text(&lab);
    assert!(text.starts_with(YESTERDAY));
    let line: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(line["seq"], 1);
    assert_eq!(line["prev"], sha256(&[&[0], YESTERDAY.as_bytes()]));
    let verdict = verify(&store);
    assert!(verdict.is_whole(), "{:?}", verdict.breaks);
    assert_eq!((verdict.lines, verdict.old_lines), (5, 4));
}

#[test]
fn a_change_of_what_lies_before_the_chain_is_found() {
    let lab = Lab::new();
    let store = lab.store();
    put(&file(&lab), YESTERDAY, 0o600);
    for n in 0..2 {
        store.journal().append(at(n), &json!({})).unwrap();
    }
    let changed = text(&lab).replacen("finished", "abandoned", 1);
    put(&file(&lab), changed, 0o600);
    let breaks = verify(&store).breaks;
    assert!(
        breaks
            .iter()
            .any(|found| found.what == Broken::OldChanged { lines: 4 }),
        "{breaks:?}"
    );
}

#[test]
fn a_log_of_yesterday_that_was_torn_is_closed_by_the_chain() {
    let lab = Lab::new();
    let store = lab.store();
    let begun = State::begun(ChainKey::from_bytes([5; 32]));
    for torn in ["{\"form", "{\"format\":\"host.journal/2\",\"seq\":1,\"prev"] {
        put(&file(&lab), format!("{YESTERDAY}{torn}"), 0o600);
        make_state(store.state().dir(), &begun).unwrap();
        store.journal().append(at(0), &json!({"n": 1})).unwrap();
        let verdict = verify(&store);
        assert!(verdict.is_whole(), "{torn}: {:?}", verdict.breaks);
        let notice: Value = serde_json::from_str(text(&lab).lines().nth(5).unwrap()).unwrap();
        assert_eq!(
            (&notice["event"], &notice["seq"]),
            (&json!("recovered"), &json!(1))
        );
        assert_eq!(notice["sha256"], sha256(&[torn.as_bytes()]));
    }
}

#[test]
fn a_group_is_written_whole_and_in_order() {
    let lab = Lab::new();
    let store = lab.store();
    let group: Vec<Value> = (0..16).map(|n| json!({ "n": n })).collect();
    store.journal().append_all(at(0), &group).unwrap();
    assert_eq!(read(&store), group);
    let bad = [json!({"n": 16}), json!({"seq": 1})];
    assert!(store.journal().append_all(at(0), &bad).is_err());
    assert_eq!(read(&store), group);
    assert!(verify(&store).is_whole());
}

#[test]
fn appends_at_the_same_time_are_one_chain() {
    let lab = Lab::new();
    let store = lab.store();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for n in 0..10 {
                    store.journal().append(at(n), &json!({})).unwrap();
                }
            });
        }
    });
    let verdict = verify(&store);
    assert!(verdict.is_whole(), "{:?}", verdict.breaks);
    assert_eq!(verdict.head.map(|head| head.seq), Some(40));
}

#[test]
fn a_log_that_was_cut_takes_no_line() {
    let lab = Lab::new();
    let store = filled(&lab, 3);
    let whole = get(&file(&lab));
    let last = text(&lab).lines().last().unwrap().len() + 1;
    for cut in [whole.len() - 1, whole.len() - last, 0] {
        put(&file(&lab), &whole[..cut], 0o600);
        assert!(
            matches!(refused(&lab, &store), JournalError::Cut { .. }),
            "{cut}"
        );
    }
    fs::remove_file(file(&lab)).unwrap();
    let appended = store.journal().append(at(9), &json!({}));
    assert!(matches!(
        appended,
        Err(JournalError::Cut { have_bytes: 0, .. })
    ));
    assert!(!verify(&store).is_whole());
}

#[test]
fn a_log_whose_end_was_changed_takes_no_line() {
    let lab = Lab::new();
    let store = filled(&lab, 3);
    let whole = text(&lab);
    for changed in [
        whole.replace("\"n\":3", "\"n\":4"),
        format!("{whole}hello\n"),
        format!("{whole}hello"),
        format!("{whole}\n"),
        format!("{whole}{}\n", whole.lines().last().unwrap()),
        format!("{whole}{}", whole.lines().next().unwrap()),
    ] {
        put(&file(&lab), &changed, 0o600);
        assert!(
            matches!(refused(&lab, &store), JournalError::Altered { .. }),
            "{changed}"
        );
    }
    put(&file(&lab), &whole, 0o600);
    store.journal().append(at(9), &json!({})).unwrap();
}

#[test]
fn a_log_without_its_state_takes_no_line() {
    let lab = Lab::new();
    let store = filled(&lab, 2);
    let good = get(&state(&lab));
    fs::remove_file(state(&lab)).unwrap();
    assert!(matches!(refused(&lab, &store), JournalError::StateMissing));
    put(&state(&lab), &good[1..], 0o600);
    assert!(matches!(refused(&lab, &store), JournalError::StateDamaged));
    put(&state(&lab), &good, 0o600);
    store.journal().append(at(9), &json!({})).unwrap();
}

#[test]
fn a_state_that_is_older_than_the_log_is_brought_forward() {
    let lab = Lab::new();
    let store = filled(&lab, 2);
    let older = get(&state(&lab));
    for n in 3..6 {
        store.journal().append(at(n), &json!({ "n": n })).unwrap();
    }
    put(&state(&lab), &older, 0o600);
    let verdict = verify(&store);
    assert!(verdict.is_whole(), "{:?}", verdict.breaks);
    assert_eq!(store.journal().head().unwrap(), verdict.head);
    store.journal().append(at(6), &json!({"n": 6})).unwrap();
    assert_eq!(read(&store).len(), 6);
    assert!(verify(&store).is_whole());

    put(&state(&lab), &older, 0o600);
    let forged = text(&lab).replace("\"n\":4", "\"n\":7");
    put(&file(&lab), forged, 0o600);
    assert!(matches!(
        refused(&lab, &store),
        JournalError::Altered { .. }
    ));
    let breaks = verify(&store).breaks;
    assert!(
        breaks
            .iter()
            .any(|found| found.line == 4 && found.what == Broken::Code),
        "{breaks:?}"
    );
}

#[test]
fn zeros_that_a_power_failure_left_are_closed_as_torn() {
    let lab = Lab::new();
    let store = filled(&lab, 2);
    let torn = b"\0\0\0\0\0\n\0\0\"}\n";
    put(&file(&lab), [&get(&file(&lab)), &torn[..]].concat(), 0o600);
    assert_eq!(verify(&store).unproven[0], Unproven::Torn { bytes: 10 });
    store.journal().append(at(3), &json!({"n": 3})).unwrap();
    let verdict = verify(&store);
    assert!(verdict.is_whole(), "{:?}", verdict.breaks);
    assert_eq!(verdict.recovered, 1);
    let changed = text(&lab).replacen("\0\0\"}", "\0\0\"]", 1);
    put(&file(&lab), changed, 0o600);
    assert_eq!(verify(&store).breaks[0].what, Broken::TornChanged);
}

#[test]
fn a_backup_that_was_put_back_is_found_by_a_head_from_elsewhere() {
    let lab = Lab::new();
    let store = filled(&lab, 3);
    let backup = (get(&file(&lab)), get(&state(&lab)));
    store.journal().append(at(4), &json!({"n": 4})).unwrap();
    let kept = store.journal().head().unwrap().unwrap();
    let against = || Evidence {
        against: Some(kept),
        ..Evidence::default()
    };
    assert!(store.journal().verify(against()).unwrap().is_whole());

    put(&file(&lab), &backup.0, 0o600);
    put(&state(&lab), &backup.1, 0o600);
    let alone = verify(&store);
    assert!(alone.is_whole() && alone.unproven.contains(&Unproven::NoHead));
    let verdict = store.journal().verify(against()).unwrap();
    assert_eq!(verdict.breaks[0].what, Broken::RolledBack { want: kept });
    assert_eq!(verdict.breaks[0].line, 4);

    for n in 5..7 {
        store.journal().append(at(n), &json!({ "n": n })).unwrap();
    }
    assert!(verify(&store).is_whole());
    let verdict = store.journal().verify(against()).unwrap();
    assert_eq!(verdict.breaks[0].what, Broken::OtherBranch { want: kept });
    assert_eq!(verdict.breaks[0].line, 4);
}

/// Signs with a word.
#[derive(Debug)]
struct Word(Option<&'static str>);

impl Sealer for Word {
    fn name(&self) -> &'static str {
        "lab"
    }

    fn seal(&self, checkpoint: &str) -> Option<String> {
        Some(format!("{} {}", self.0?, sha256(&[checkpoint.as_bytes()])))
    }
}

fn check_word(checkpoint: &str, signature: &str) -> Result<(), String> {
    let expected = Word(Some("word")).seal(checkpoint);
    if Some(signature) == expected.as_deref() {
        Ok(())
    } else {
        Err("other\nword".to_owned())
    }
}

#[test]
fn checkpoints_come_by_lines_and_by_time() {
    let lab = Lab::new();
    let mut store = lab.store();
    store.seal_with(Box::new(Word(Some("word"))));
    let journal = store.journal();
    let seqs = || {
        let lines = journal.read().unwrap().map(Result::unwrap);
        let marks = lines.filter(|line| line["event"] == "checkpoint");
        marks
            .map(|line| line["seq"].as_u64().unwrap())
            .collect::<Vec<_>>()
    };
    journal.append(at(0), &json!({})).unwrap();
    journal.append(at(3_599), &json!({})).unwrap();
    assert_eq!(seqs(), [0_u64; 0]);
    journal.append(at(3_600), &json!({})).unwrap();
    assert_eq!(seqs(), [4]);
    let group = vec![json!({}); usize::try_from(CHECKPOINT_LINES).unwrap() - 1];
    journal.append_all(at(3_601), &group).unwrap();
    assert_eq!(seqs(), [4]);
    journal.append(at(3_601), &json!({})).unwrap();
    assert_eq!(seqs(), [4, 4 + CHECKPOINT_LINES + 1]);

    let sealed = || Evidence {
        seals: Some(&check_word),
        ..Evidence::default()
    };
    let verdict = journal.verify(sealed()).unwrap();
    assert!(verdict.is_whole(), "{:?}", verdict.breaks);
    assert_eq!(verdict.checkpoints, 2);
    assert!(!verdict.unproven.contains(&Unproven::NoCheckpoint));
    journal.append(at(3_602), &json!({})).unwrap();
    let verdict = journal.verify(sealed()).unwrap();
    assert!(
        verdict
            .unproven
            .contains(&Unproven::BehindCheckpoint { lines: 1 })
    );
}

#[test]
fn a_checkpoint_by_another_key_is_found() {
    let lab = Lab::new();
    let mut store = lab.store();
    store.seal_with(Box::new(Word(Some("sword"))));
    store.journal().append(at(0), &json!({})).unwrap();
    store.journal().append(at(4_000), &json!({})).unwrap();
    let evidence = Evidence {
        seals: Some(&check_word),
        ..Evidence::default()
    };
    let breaks = store.journal().verify(evidence).unwrap().breaks;
    assert_eq!(
        breaks[0].to_string(),
        format!(
            "line 3 (byte {}, record 3): checkpoint does not hold: other\\u{{a}}word",
            breaks[0].offset
        )
    );
}

#[test]
fn lines_do_not_wait_for_a_signature_that_cannot_be_made() {
    let lab = Lab::new();
    let mut store = lab.store();
    store.seal_with(Box::new(Word(None)));
    store.journal().append(at(0), &json!({})).unwrap();
    store.journal().append(at(4_000), &json!({})).unwrap();
    assert_eq!(read(&store).len(), 2);
    store.seal_with(Box::new(Word(Some("word"))));
    store.journal().append(at(4_001), &json!({})).unwrap();
    assert_eq!(read(&store).len(), 4);
    assert!(verify(&store).unproven.contains(&Unproven::NoCheckpoint));
}

#[test]
fn a_key_from_elsewhere_proves_what_is_behind_its_line() {
    let lab = Lab::new();
    let store = filled(&lab, 2);
    let journal = store.journal();
    let key = ChainKey::from_bytes([9; 32]);
    let with = |key: &ChainKey| Evidence {
        key: Some(key.clone()),
        ..Evidence::default()
    };
    let unknown = journal.verify(with(&key)).unwrap();
    assert_eq!(unknown.breaks[0].what, Broken::KeyUnknown);
    let head = journal.rekey(at(3), &key).unwrap();
    assert_eq!(head.seq, 3);
    for n in 4..7 {
        journal.append(at(n), &json!({ "n": n })).unwrap();
    }
    let verdict = journal.verify(with(&key)).unwrap();
    assert!(verdict.is_whole(), "{:?}", verdict.breaks);
    assert_eq!(verdict.codes, 3);
    assert!(verdict.unproven.contains(&Unproven::BeforeKey { seq: 3 }));

    let second = ChainKey::from_bytes([10; 32]);
    journal.rekey(at(7), &second).unwrap();
    journal.append(at(8), &json!({})).unwrap();
    let verdict = journal.verify(with(&key)).unwrap();
    assert!(verdict.is_whole() && verdict.codes == 4, "{verdict:?}");
    assert!(verdict.unproven.contains(&Unproven::BehindKey { seq: 7 }));
    assert_eq!(journal.verify(with(&second)).unwrap().codes, 1);
}

/// The machine goes down when the line of the new key is on disk, and the state is not written behind it.
#[test]
fn a_new_key_outlives_a_crash_behind_its_line() {
    let lab = Lab::new();
    let store = filled(&lab, 2);
    let dir = store.state().dir();
    let key = ChainKey::from_bytes([9; 32]);
    let mut state = read_state(dir).unwrap().state().unwrap().unwrap();
    state.pending = Some(key.clone());
    make_state(dir, &state).unwrap();
    let record = json!({"event": "rekeyed", "sha256": key.commitment()});
    let mut bytes = get(&file(&lab));
    state
        .write(at(3), &Body::own(&record).unwrap(), &mut bytes)
        .unwrap();
    put(&file(&lab), &bytes, 0o600);

    assert!(verify(&store).is_whole());
    store.journal().append(at(4), &json!({})).unwrap();
    let evidence = Evidence {
        key: Some(key),
        ..Evidence::default()
    };
    let verdict = store.journal().verify(evidence).unwrap();
    assert!(verdict.is_whole() && verdict.codes == 1, "{verdict:?}");
}

#[test]
fn the_head_is_the_last_line() {
    let lab = Lab::new();
    let store = lab.store();
    assert_eq!(store.journal().head().unwrap(), None);
    store.journal().append(at(0), &json!({})).unwrap();
    let head = store.journal().head().unwrap().unwrap();
    let line = text(&lab);
    let hash = sha256(&[&[1], line.trim_end().as_bytes()]);
    assert_eq!(head.to_string(), format!("1:{hash}"));
    assert_eq!(head.to_string().parse(), Ok::<Head, _>(head));
}

#[test]
fn lines_that_come_later_are_read_later() {
    let lab = Lab::new();
    let store = filled(&lab, 1);
    let journal = store.journal();
    let mut lines = journal.lines().unwrap();
    assert_eq!(lines.next().unwrap().unwrap().record["n"], 1);
    assert!(lines.next().is_none());
    journal.append(at(2), &json!({"n": 2})).unwrap();
    let whole = get(&file(&lab));
    put(&file(&lab), &whole[..whole.len() - 3], 0o600);
    assert!(lines.next().is_none());
    put(&file(&lab), &whole, 0o600);
    let line = lines.next().unwrap().unwrap();
    assert_eq!((line.line, &line.record["n"]), (2, &json!(2)));
    assert_eq!(line.hash, journal.head().unwrap().map(|head| head.hash));
    assert!(journal.is_read_by(&lines));
    journal.restart(at(3), "lab").unwrap();
    assert!(!journal.is_read_by(&lines));
}
