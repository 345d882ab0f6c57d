use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::{FileExt, symlink};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use proptest::prelude::*;
use rustix::mount::MountFlags;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};

use super::{JournalError, LINE_BYTES_MAX};
use crate::lab::{Disk, Lab, get, mode_of, put};
use crate::lock::{lock, try_lock};
use crate::{Places, Store};

fn file(lab: &Lab) -> PathBuf {
    lab.path("state/journal.jsonl")
}

fn text(lab: &Lab) -> String {
    String::from_utf8(get(&file(lab))).unwrap()
}

/// What the reader gives, each record without its format, each error as text.
fn read(store: &Store) -> Vec<Value> {
    let lines = store.journal().read().unwrap();
    let shown = |line: Result<Value, _>| match line {
        Ok(mut record) => {
            let format = record.as_object_mut().unwrap().shift_remove("format");
            assert_eq!(format, Some(json!("host.journal/1")));
            record
        }
        Err(error) => json!(format!("{error}")),
    };
    lines.map(shown).collect()
}

#[test]
fn a_line_begins_with_its_format() {
    let lab = Lab::new();
    let store = lab.store();
    store
        .journal()
        .append(&json!({"event": "intended", "why": "a\nb"}))
        .unwrap();
    store
        .journal()
        .append(&json!({"event": "finished"}))
        .unwrap();
    let expected = concat!(
        r#"{"format":"host.journal/1","event":"intended","why":"a\nb"}"#,
        "\n",
        r#"{"format":"host.journal/1","event":"finished"}"#,
        "\n",
    );
    assert_eq!(text(&lab), expected);
    assert_eq!(mode_of(&file(&lab)), 0o600);
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
    ] {
        let appended = store.journal().append(&record);
        assert!(matches!(appended, Err(JournalError::NotRecord)), "{record}");
    }
    let long = "x".repeat(usize::try_from(LINE_BYTES_MAX).unwrap());
    let appended = store.journal().append(&json!({"long": long}));
    assert!(matches!(appended, Err(JournalError::TooLong { .. })));
    assert_eq!(read(&store), Vec::<Value>::new());
}

#[test]
fn the_longest_line_is_read_back() {
    let lab = Lab::new();
    let store = lab.store();
    let around = r#"{"format":"host.journal/1","long":""}"#.len() + 1;
    let long = "x".repeat(usize::try_from(LINE_BYTES_MAX).unwrap() - around);
    let record = json!({ "long": long });
    store.journal().append(&record).unwrap();
    assert_eq!(
        u64::try_from(get(&file(&lab)).len()).unwrap(),
        LINE_BYTES_MAX
    );
    assert_eq!(read(&store), [record]);
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
                    store.journal().append(&record).unwrap();
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
    store.journal().append(&json!({"line": 1})).unwrap();
    let other = OpenOptions::new().append(true).open(file(&lab)).unwrap();
    lock(&other).unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| store.journal().append(&json!({"line": 2})));
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
    store.journal().append(&json!({"line": 1})).unwrap();
    let mut journal = OpenOptions::new().append(true).open(file(&lab)).unwrap();
    journal.write_all(b"{\"format\":\"ho").unwrap();
    assert_eq!(read(&store), [json!({"line": 1})]);
    store.journal().append(&json!({"line": 2})).unwrap();
    let expected = concat!(
        r#"{"format":"host.journal/1","line":1}"#,
        "\n",
        r#"{"format":"ho"#,
        "\n",
        r#"{"format":"host.journal/1","event":"recovered","bytes":13}"#,
        "\n",
        r#"{"format":"host.journal/1","line":2}"#,
        "\n",
    );
    assert_eq!(text(&lab), expected);
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
        r#"{"format":"host.journal/2"}"#,
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
        json!("line 5 of the journal has not the format host.journal/1"),
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
        store.journal().append(&json!({})),
        Err(JournalError::Disk(_))
    ));
    assert!(store.journal().read().is_err());
    assert_eq!(get(&lab.path("elsewhere")), b"");
}

/// A limit on the size of files cuts the write short exactly as a full disk does, and needs no privilege. It is far
/// above what any other test writes.
#[test]
fn a_line_that_does_not_fit_leaves_nothing() {
    let size_max = 1 << 30;
    let maximum = getrlimit(Resource::Fsize).maximum;
    let limit = Rlimit {
        current: Some(size_max),
        maximum,
    };
    setrlimit(Resource::Fsize, limit).unwrap();

    let lab = Lab::new();
    let store = lab.store();
    put(&file(&lab), "", 0o600);
    let journal = OpenOptions::new().write(true).open(file(&lab)).unwrap();
    let size = size_max - 50;
    journal.write_all_at(b"\n", size - 1).unwrap();

    let appended = store.journal().append(&json!({"pad": "p".repeat(100)}));
    assert!(
        matches!(appended, Err(JournalError::Full(_))),
        "{appended:?}"
    );
    assert_eq!(journal.metadata().unwrap().len(), size);
    store.journal().append(&json!({"n": 1})).unwrap();
    let line = "{'format':'host.journal/1','n':1}\n";
    assert_eq!(journal.metadata().unwrap().len(), size + line.len() as u64);
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
        .append(&json!({"event": "intended"}))
        .unwrap();

    let mut filler = std::fs::File::create(small("filler")).unwrap();
    while filler.write_all(&[0; 4096]).is_ok() {}
    let record = json!({"event": "finished", "pad": "p".repeat(1000)});
    let mut finished = 0_u64;
    while finished < 3000 && store.journal().append(&record).is_ok() {
        finished += 1;
    }
    assert!(
        (1900..2100).contains(&finished),
        "{finished} lines of about 1 KiB from a reserve of 2 MiB"
    );
    assert_eq!(u64::try_from(read(&store).len()).unwrap(), finished + 1);
    assert!(matches!(
        store.journal().append(&record),
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
    store.journal().append(&json!({"line": 1})).unwrap();
    for _ in 0..3 {
        store.journal().reserve().unwrap();
    }
    store.journal().append(&json!({"line": 2})).unwrap();
    assert_eq!(read(&store), [json!({"line": 1}), json!({"line": 2})]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Wherever a crash cuts the file: what was whole before the cut is read, nothing is invented, and what is
    /// appended afterwards is read too.
    #[test]
    fn a_cut_journal_keeps_what_was_whole(texts in prop::collection::vec(".{0,40}", 1..6), cut in 0.0..1.0_f64) {
        let lab = Lab::new();
        let store = lab.store();
        let records: Vec<_> = texts.iter().map(|text| json!({ "text": text })).collect();
        for record in &records {
            store.journal().append(record).unwrap();
        }
        let whole = get(&file(&lab));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a share of a small length")]
        let kept = &whole[..(whole.len() as f64 * cut) as usize];
        put(&file(&lab), kept, 0o600);

        let lines = kept.iter().filter(|byte| **byte == b'\n').count();
        prop_assert_eq!(read(&store), &records[..lines]);

        store.journal().append(&json!({"after": true})).unwrap();
        let read = read(&store);
        prop_assert_eq!(&read[..lines], &records[..lines]);
        prop_assert_eq!(read.last().unwrap(), &json!({"after": true}));
        // A line that lost only its newline is a record all the same.
        let between = read.len() - lines - 1;
        prop_assert!(between == 0 || (between == 1 && read[lines] == records[lines]));
    }
}
