use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::{FileExt, symlink};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use host_core::{Digest, Timestamp};
use proptest::prelude::*;
use rustix::mount::MountFlags;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Evidence, JournalError, LINE_BYTES_MAX};
use crate::lab::{Disk, Lab, get, mode_of, put};
use crate::lock::{lock, try_lock};
use crate::{Places, Store};

mod chained;
mod restarted;

fn file(lab: &Lab) -> PathBuf {
    lab.path("state/journal.jsonl")
}

/// A time that many seconds after the first.
fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix(1_795_252_811 + seconds, 42_000_000)
}

fn sha256(pieces: &[&[u8]]) -> String {
    Digest::from_bytes(Sha256::digest(pieces.concat()).into()).to_string()
}

fn text(lab: &Lab) -> String {
    String::from_utf8(get(&file(lab))).unwrap()
}

/// What the reader gives, each record without the frame of its line, each error as text.
fn read(store: &Store) -> Vec<Value> {
    let lines = store.journal().read().unwrap();
    let shown = |line: Result<Value, _>| match line {
        Ok(mut record) => {
            let fields = record.as_object_mut().unwrap();
            let format = fields.shift_remove("format").unwrap();
            if format != "host.journal/1" {
                assert_eq!(format, "host.journal/2");
                for name in ["seq", "prev", "time", "mac"] {
                    assert!(fields.shift_remove(name).is_some(), "{name}");
                }
            }
            record
        }
        Err(error) => json!(format!("{error}")),
    };
    lines.map(shown).collect()
}

#[test]
fn a_line_has_the_frame_of_the_chain() {
    let lab = Lab::new();
    let store = lab.store();
    let journal = store.journal();
    journal
        .append(at(0), &json!({"event": "intended", "why": "a\nb"}))
        .unwrap();
    journal
        .append(at(1), &json!({"event": "finished"}))
        .unwrap();
    let text = text(&lab);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2);
    let begins = [
        format!(
            r#"{{"format":"host.journal/2","seq":1,"prev":"{}","time":"2026-11-21T09:20:11.042Z","event":"intended","why":"a\nb","mac":""#,
            sha256(&[&[0]])
        ),
        format!(
            r#"{{"format":"host.journal/2","seq":2,"prev":"{}","time":"2026-11-21T09:20:12.042Z","event":"finished","mac":""#,
            sha256(&[&[1], lines[0].as_bytes()])
        ),
    ];
    for (line, begin) in lines.iter().zip(begins) {
        assert!(line.starts_with(&begin), "{line}\n{begin}");
    }
    assert_eq!(mode_of(&file(&lab)), 0o600);
    assert_eq!(mode_of(&lab.path("state/journal.state")), 0o600);
}

#[test]
fn only_objects_without_format_are_records() {
    let lab = Lab::new();
    let store = lab.store();
    for record in [
        json!(1),
        json!([]),
        json!(null),
        json!({"format": "host.run/1"}),
        json!({"mac": ""}),
        json!({"event": "checkpoint"}),
    ] {
        let appended = store.journal().append(at(0), &record);
        assert!(matches!(appended, Err(JournalError::NotRecord)), "{record}");
    }
    let long = "x".repeat(usize::try_from(LINE_BYTES_MAX).unwrap());
    let appended = store.journal().append(at(0), &json!({"long": long}));
    assert!(matches!(appended, Err(JournalError::TooLong { .. })));
    assert_eq!(read(&store), Vec::<Value>::new());
}

#[test]
fn the_longest_line_is_read_back() {
    let lab = Lab::new();
    let store = lab.store();
    store.journal().append(at(0), &json!({"long": ""})).unwrap();
    let around = get(&file(&lab)).len();
    let long = "x".repeat(usize::try_from(LINE_BYTES_MAX).unwrap() - around);
    let record = json!({ "long": long });
    store.journal().append(at(0), &record).unwrap();
    let size = u64::try_from(get(&file(&lab)).len() - around).unwrap();
    assert_eq!(size, LINE_BYTES_MAX);
    assert_eq!(read(&store), [json!({"long": ""}), record]);
}

#[test]
fn appends_at_the_same_time_stay_whole() {
    let lab = Lab::new();
    let store = lab.store();
    let (writers, lines) = (8, 40);
    thread::scope(|scope| {
        for writer in 0..writers {
            let store = &store;
            scope.spawn(move || {
                for line in 0..lines {
                    let record = json!({"writer": writer, "line": line, "pad": "p".repeat(5000)});
                    store.journal().append(at(0), &record).unwrap();
                }
            });
        }
    });
    let records = read(&store);
    assert_eq!(records.len(), writers * lines);
    for writer in 0..writers {
        let mine = records.iter().filter(|record| record["writer"] == writer);
        let order: Vec<_> = mine
            .map(|record| record["line"].as_u64().unwrap())
            .collect();
        assert_eq!(order, (0..40).collect::<Vec<_>>());
    }
}

#[test]
fn an_append_waits_for_the_lock_of_another() {
    let lab = Lab::new();
    let store = lab.store();
    store.journal().append(at(0), &json!({"line": 1})).unwrap();
    let other = OpenOptions::new().append(true).open(file(&lab)).unwrap();
    lock(&other).unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| store.journal().append(at(0), &json!({"line": 2})));
        thread::sleep(Duration::from_millis(30));
        assert_eq!(read(&store).len(), 1);
        drop(other);
        waiting.join().unwrap().unwrap();
    });
    assert_eq!(read(&store).len(), 2);
}

#[test]
fn two_openings_do_not_share_a_lock() {
    let lab = Lab::new();
    put(&lab.path("lock"), "", 0o600);
    let open = || {
        OpenOptions::new()
            .read(true)
            .open(lab.path("lock"))
            .unwrap()
    };
    let (one, two) = (open(), open());
    try_lock(&one).unwrap();
    assert_eq!(try_lock(&two), Err(rustix::io::Errno::WOULDBLOCK));
    drop(one);
    assert_eq!(try_lock(&two), Ok(()));
}

#[test]
fn a_torn_line_is_closed_and_noted() {
    let lab = Lab::new();
    let store = lab.store();
    store.journal().append(at(0), &json!({"line": 1})).unwrap();
    let mut journal = OpenOptions::new().append(true).open(file(&lab)).unwrap();
    journal.write_all(b"{\"format\":\"ho").unwrap();
    assert_eq!(read(&store), [json!({"line": 1})]);
    store.journal().append(at(0), &json!({"line": 2})).unwrap();
    let text = text(&lab);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4);
    assert_eq!(lines[1], "{\"format\":\"ho");
    let notice: Value = serde_json::from_str(lines[2]).unwrap();
    assert_eq!(notice["event"], "recovered");
    assert_eq!(notice["seq"], 2);
    assert_eq!(notice["prev"], sha256(&[&[1], lines[0].as_bytes()]));
    assert_eq!(notice["bytes"], 13);
    assert_eq!(notice["sha256"], sha256(&[b"{\"format\":\"ho"]));
    assert_eq!(read(&store), [json!({"line": 1}), json!({"line": 2})]);
}

#[test]
fn a_line_that_was_changed_is_reported_and_passed() {
    let lab = Lab::new();
    let store = lab.store();
    let long = "x".repeat(usize::try_from(LINE_BYTES_MAX).unwrap() * 2);
    let good = r#"{"format":"host.journal/1","line":1}"#;
    let lines = [
        good,
        "not JSON",
        good,
        "[]",
        r#"{"format":"host.journal/3"}"#,
        &long,
        good,
        "torn",
        r#"{"format":"host.journal/1","event":"recovered","bytes":4}"#,
        good,
        "torn at the end",
    ];
    put(&file(&lab), lines.join("\n"), 0o600);
    let good = json!({"line": 1});
    let expected = [
        good.clone(),
        json!("line 2 of the journal is damaged"),
        good.clone(),
        json!("line 4 of the journal is damaged"),
        json!("line 5 of the journal has not the format host.journal/2"),
        json!("line 6 of the journal is longer than 1048576 bytes"),
        good.clone(),
        good,
    ];
    assert_eq!(read(&store), expected);
}

#[test]
fn a_link_in_the_place_of_the_journal_is_refused() {
    let lab = Lab::new();
    let store = lab.store();
    put(&lab.path("elsewhere"), "", 0o600);
    symlink(lab.path("elsewhere"), file(&lab)).unwrap();
    assert!(matches!(
        store.journal().append(at(0), &json!({})),
        Err(JournalError::Disk(_))
    ));
    assert!(store.journal().read().is_err());
    assert_eq!(get(&lab.path("elsewhere")), b"");
}

/// A limit on the size of files cuts the write short exactly as a full disk does, and needs no privilege. It is far
/// above what any other test writes.
#[test]
fn a_line_that_does_not_fit_leaves_nothing() {
    let size_max = 1 << 24;
    let maximum = getrlimit(Resource::Fsize).maximum;
    let limit = Rlimit {
        current: Some(size_max),
        maximum,
    };
    setrlimit(Resource::Fsize, limit).unwrap();

    let lab = Lab::new();
    let store = lab.store();
    // Lines of before the chain take up the room.
    put(&file(&lab), "", 0o600);
    let journal = OpenOptions::new().write(true).open(file(&lab)).unwrap();
    let size = size_max - 1_000;
    journal.write_all_at(b"\n", size - 1).unwrap();

    let record = json!({"pad": "p".repeat(1_000)});
    for _ in 0..2 {
        let appended = store.journal().append(at(0), &record);
        assert!(
            matches!(appended, Err(JournalError::Full(_))),
            "{appended:?}"
        );
        assert_eq!(journal.metadata().unwrap().len(), size);
    }
    let group = [json!({"n": 1}), record];
    assert!(store.journal().append_all(at(0), &group).is_err());
    assert_eq!(journal.metadata().unwrap().len(), size);
    store.journal().append(at(0), &json!({"n": 1})).unwrap();
    let line = &get(&file(&lab))[usize::try_from(size).unwrap()..];
    assert!(line.ends_with(b"\"}\n"), "{}", line.escape_ascii());
}

#[test]
fn a_reserve_outlasts_a_disk_that_fills_up() {
    let lab = Lab::new();
    let Some(_disk) = Disk::mount(&lab.path("small"), MountFlags::empty(), 8 << 20) else {
        return;
    };
    let small = |name: &str| lab.path("small").join(name);
    let places = Places {
        state: small("state"),
        cache: small("cache"),
        ..lab.places()
    };
    let store = Store::open(&places, crate::OpenMode::Write).unwrap();
    store.journal().reserve().unwrap();
    store
        .journal()
        .append(at(0), &json!({"event": "intended"}))
        .unwrap();

    let mut filler = std::fs::File::create(small("filler")).unwrap();
    while filler.write_all(&[0; 4096]).is_ok() {}
    let record = json!({"event": "finished", "pad": "p".repeat(1000)});
    let mut finished = 0_u64;
    while finished < 3000 && store.journal().append(at(0), &record).is_ok() {
        finished += 1;
    }
    assert!(
        (1600..1800).contains(&finished),
        "{finished} lines of about 1.2 KiB from a reserve of 2 MiB"
    );
    assert_eq!(u64::try_from(read(&store).len()).unwrap(), finished + 1);
    assert!(matches!(
        store.journal().append(at(0), &record),
        Err(JournalError::Full(_))
    ));
    assert!(matches!(
        store.journal().reserve(),
        Err(JournalError::Full(_))
    ));
    assert!(
        std::fs::read_to_string(small("state/journal.jsonl"))
            .unwrap()
            .ends_with('\n')
    );
}

#[test]
fn a_reserve_does_not_show_in_the_journal() {
    let lab = Lab::new();
    let store = lab.store();
    store.journal().append(at(0), &json!({"line": 1})).unwrap();
    for _ in 0..3 {
        store.journal().reserve().unwrap();
    }
    store.journal().append(at(0), &json!({"line": 2})).unwrap();
    assert_eq!(read(&store), [json!({"line": 1}), json!({"line": 2})]);
}

/// Puts back the log cut to this length and the state, appends, and returns what is read then.
fn read_after_crash(lab: &Lab, log: &[u8], state: &[u8]) -> Vec<Value> {
    put(&file(lab), log, 0o600);
    put(&lab.path("state/journal.state"), state, 0o600);
    let store = lab.store();
    let journal = store.journal();
    journal.append(at(2), &json!({"after": true})).unwrap();
    let verdict = journal.verify(Evidence::default()).unwrap();
    assert!(
        verdict.is_whole(),
        "cut at {}: {:?}",
        log.len(),
        verdict.breaks
    );
    read(&store)
}

/// Every byte at which a crash can cut the last write, also where that write closed what a crash before it had torn.
#[test]
fn a_log_whose_last_write_was_cut_anywhere_goes_on() {
    let lab = Lab::new();
    let store = lab.store();
    let journal = store.journal();
    journal.append(at(0), &json!({"n": 0})).unwrap();
    let state = get(&lab.path("state/journal.state"));
    let mut before = get(&file(&lab));
    before.extend(b"{\"format\":\"host.jour");
    put(&file(&lab), &before, 0o600);
    journal.append(at(1), &json!({"n": 1})).unwrap();
    let whole = get(&file(&lab));
    for cut in before.len()..=whole.len() {
        let read = read_after_crash(&lab, &whole[..cut], &state);
        let expected = [json!({"n": 0}), json!({"n": 1}), json!({"after": true})];
        // The last line may have lost its newline only.
        if cut + 1 >= whole.len() {
            assert_eq!(read, expected, "cut {cut}");
        } else {
            assert_eq!(
                [&read[..1], &read[read.len() - 1..]].concat(),
                [&expected[..1], &expected[2..]].concat()
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Wherever a crash cuts the last write: what was whole before the cut is read, nothing is invented, what is
    /// appended afterwards is read too, and the log is whole.
    #[test]
    fn a_log_whose_last_group_was_cut_goes_on(texts in prop::collection::vec(".{0,40}", 1..6), grouped in 1..4_usize, cut in 0..10_000_usize) {
        let lab = Lab::new();
        let store = lab.store();
        let journal = store.journal();
        let records: Vec<_> = texts.iter().map(|text| json!({ "text": text })).collect();
        journal.append_all(at(0), &records).unwrap();
        let state = get(&lab.path("state/journal.state"));
        let before = get(&file(&lab)).len();
        let group = vec![json!({"last": true}); grouped];
        journal.append_all(at(1), &group).unwrap();
        let whole = get(&file(&lab));
        let cut = before + cut % (whole.len() - before + 1);
        let read = read_after_crash(&lab, &whole[..cut], &state);
        prop_assert_eq!(&read[..records.len()], &records[..]);
        prop_assert_eq!(read.last().unwrap(), &json!({"after": true}));
        // A line that lost only its newline is a record all the same.
        let lines = whole[before..cut].iter().filter(|byte| **byte == b'\n').count();
        let between = read.len() - records.len() - 1;
        prop_assert!(between == lines || between == lines + 1, "cut {cut}");
    }
}
