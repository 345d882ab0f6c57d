//! Each tampering that a log can meet, what is found, and where.

use host_core::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::journal::chain::{BlockHash, Chain};
use crate::journal::line::Body;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix(1_795_252_811 + seconds, 0)
}

/// The lines of a log with these records, and where it ends.
fn written(records: &[Value]) -> (Vec<Vec<u8>>, Chain) {
    let head = Head {
        seq: 0,
        hash: BlockHash::new().end(),
    };
    let mut chain = Chain::resume(head, ChainKey::from_bytes([1; 32]));
    let write = |record: &Value| chain.write(at(0), record).unwrap();
    (records.iter().map(write).collect(), chain)
}

fn lines(count: u64) -> (Vec<Vec<u8>>, Chain) {
    let records: Vec<Value> = (1..=count).map(|n| json!({ "n": n })).collect();
    written(&records)
}

/// The evidence that the state of a log gives which ends here.
fn state_of(log: &[Vec<u8>], chain: &Chain) -> Evidence<'static> {
    let bytes: usize = log.iter().map(Vec::len).sum();
    Evidence {
        claim: Claim::End(StateClaim {
            head: chain.head(),
            end: u64::try_from(bytes).unwrap(),
            key: chain.key().clone(),
            pending: None,
        }),
        ..Evidence::default()
    }
}

/// Each break as `LINE: words`.
fn found(log: &[u8], evidence: &Evidence<'_>) -> Vec<String> {
    let verdict = verify_log(log, evidence).unwrap();
    let show = |found: &Break| format!("{}: {}", found.line, found.what);
    verdict.breaks.iter().map(show).collect()
}

/// Checks what is found in a log of eight records after `tamper` had it.
fn check(tamper: impl FnOnce(&mut Vec<Vec<u8>>), expected: &[&str]) {
    let (mut log, chain) = lines(8);
    let evidence = state_of(&log, &chain);
    assert_eq!(found(&log.concat(), &evidence), [""; 0]);
    tamper(&mut log);
    assert_eq!(found(&log.concat(), &evidence), expected);
}

fn replaced(line: &mut Vec<u8>, from: &str, to: &str) {
    let text = String::from_utf8(line.clone()).unwrap();
    assert!(text.contains(from), "{text}");
    *line = text.replacen(from, to, 1).into_bytes();
}

/// A log as the first version of the chain wrote it, made by another program from the description alone. It must stay
/// what is written, and be whole.
const YESTERDAY: [&str; 2] = [
    "{\"format\":\"host.journal/2\",\"seq\":1,\"prev\":\"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d\",\"time\":\"2026-11-21T09:20:11.042Z\",\"event\":\"intended\",\"why\":\"a\\nb\u{202e}\",\"mac\":\"780000198da899ec9105ce7a000e67ca8d426defeb06825b8746d69adf18d3b2\"}\n",
    "{\"format\":\"host.journal/2\",\"seq\":2,\"prev\":\"942af3b8494b883b36b47943af6b8989372e1172cd6816b35eabeddd51cd764a\",\"time\":\"2026-11-21T09:20:11.042Z\",\"mac\":\"b56281f52a4b97cdc5fd9f6edd63576af4405906516c2bb40a5d96c1edd3a800\"}\n",
];

#[test]
fn a_chain_of_yesterday_is_what_is_written() {
    let mut chain = written(&[]).1;
    let time = Timestamp::from_unix(1_795_252_811, 42_000_000);
    let records = [
        json!({"event": "intended", "why": "a\nb\u{202e}"}),
        json!({}),
    ];
    for (record, expected) in records.iter().zip(YESTERDAY) {
        let line = chain.write(time, record).unwrap();
        assert_eq!(String::from_utf8(line).unwrap(), expected);
    }
    let evidence = Evidence {
        against: Some(chain.head()),
        ..Evidence::default()
    };
    assert_eq!(found(YESTERDAY.concat().as_bytes(), &evidence), [""; 0]);
}

const CHANGED: &str = "changed: the line behind it was written after another one";
const EITHER: &str = "this line or the one behind it was changed: they do not belong together";

#[test]
fn a_changed_record_is_located() {
    check(
        |log| replaced(&mut log[4], "\"n\":5", "\"n\":6"),
        &[&format!("5: {CHANGED}")],
    );
}

#[test]
fn two_changed_records_are_located() {
    check(
        |log| {
            replaced(&mut log[1], "\"n\":2", "\"n\":9");
            replaced(&mut log[5], "\"n\":6", "\"n\":9");
        },
        &[&format!("2: {CHANGED}"), &format!("6: {CHANGED}")],
    );
}

#[test]
fn two_changed_records_in_a_row_are_located() {
    check(
        |log| {
            replaced(&mut log[4], "\"n\":5", "\"n\":9");
            replaced(&mut log[5], "\"n\":6", "\"n\":9");
        },
        &[&format!("5: {EITHER}"), &format!("6: {CHANGED}")],
    );
}

#[test]
fn a_changed_link_is_located() {
    check(
        |log| {
            let prev = String::from_utf8(log[4].clone()).unwrap();
            let prev = prev.split('"').nth(9).unwrap().to_owned();
            replaced(&mut log[4], &prev, &"0".repeat(64));
        },
        &[&format!("4: {EITHER}"), &format!("5: {CHANGED}")],
    );
}

#[test]
fn a_changed_last_record_is_located() {
    check(
        |log| replaced(&mut log[7], "\"n\":8", "\"n\":9"),
        &["8: changed: `journal.state` has another record with this number"],
    );
}

#[test]
fn a_changed_number_is_located() {
    check(
        |log| replaced(&mut log[4], "\"seq\":5", "\"seq\":9"),
        &[&format!("5: {CHANGED}")],
    );
}

#[test]
fn a_record_that_became_none_is_located() {
    check(
        |log| replaced(&mut log[4], "{\"format\"", "[\"format\""),
        &["5: changed: record 5 stood here, and this is none"],
    );
}

/// It was taken for a line of before the chain, and only said to be missing further down.
#[test]
fn a_first_record_that_became_none_is_located() {
    for to in ["[\"format\"", "{\n\"format\""] {
        check(
            |log| replaced(&mut log[0], "{\"format\"", to),
            &["1: changed: record 1 stood here, and this is none"],
        );
    }
}

/// Nobody can read such a record, and it was said to be one.
#[test]
fn a_record_that_is_no_text_any_more_is_located() {
    check(
        |log| {
            let text = log[4]
                .windows(3)
                .rposition(|window| window == b"\"n\"")
                .unwrap();
            log[4][text + 1] = 0xc9;
        },
        &["5: changed: record 5 stood here, and this is none"],
    );
}

#[test]
fn two_records_that_became_one_line_are_located() {
    check(
        |log| assert_eq!(log[4].pop(), Some(b'\n')),
        &["5: changed: records 5 to 6 stood here, and this is none"],
    );
}

#[test]
fn removed_records_are_located() {
    check(
        |log| drop(log.remove(4)),
        &["5: removed: record 5 is missing before it"],
    );
    check(
        |log| drop(log.drain(2..6)),
        &["3: removed: records 3 to 6 are missing before it"],
    );
    check(
        |log| drop(log.remove(0)),
        &["1: removed: record 1 is missing before it"],
    );
}

#[test]
fn a_cut_log_says_where_it_went_on() {
    let (log, _) = lines(8);
    let whole = log.concat().len();
    let kept = log[..6].concat().len();
    check(
        |log| log.truncate(6),
        &[&format!(
            "7: cut off: the log went on to record 8, with {whole} bytes, and has {kept}"
        )],
    );
    check(
        Vec::clear,
        &[&format!(
            "1: cut off: the log went on to record 8, with {whole} bytes, and has 0"
        )],
    );
}

#[test]
fn reordered_records_are_located() {
    check(
        |log| log.swap(4, 5),
        &[
            "5: removed: record 5 is missing before it",
            "6: moved: the record belongs further up",
        ],
    );
    check(
        |log| {
            let moved = log.remove(1);
            log.insert(5, moved);
        },
        &[
            "2: removed: record 2 is missing before it",
            "6: moved: the record belongs further up",
        ],
    );
}

#[test]
fn repeated_records_are_located() {
    check(
        |log| log.insert(5, log[4].clone()),
        &["6: repeated: the record is there already"],
    );
    check(
        |log| log.insert(7, log[1].clone()),
        &["8: repeated: the record is there already"],
    );
}

#[test]
fn inserted_lines_are_located() {
    for foreign in [
        "hello\n",
        "\n",
        "{\"format\":\"host.journal/1\",\"event\":\"finished\"}\n",
    ] {
        check(
            |log| log.insert(3, foreign.into()),
            &["4: inserted: the line is no record of this log"],
        );
        check(
            |log| log.push(foreign.into()),
            &["9: inserted: the line is no record of this log"],
        );
    }
}

/// They were taken for torn pieces, since they begin like lines of the log and have no frame.
#[test]
fn whole_objects_at_the_end_are_no_torn_line() {
    for foreign in [
        "{\"format\":\"host.journal/2\",\"seq\":9}\n",
        "{\"format\":\"host.journal/2\",\"seq\":9}",
    ] {
        check(
            |log| log.push(foreign.into()),
            &["9: inserted: the line is no record of this log"],
        );
    }
}

/// One zero made everything behind it a torn tail.
#[test]
fn a_zero_in_a_line_makes_no_torn_tail_of_those_behind_it() {
    let (mut log, _) = lines(8);
    replaced(&mut log[1], "\"time\"", "\"t\0me\"");
    replaced(&mut log[2], "\"seq\":3", "\"seq\": 3");
    let log = log[..3].concat();
    let breaks = found(&log, &Evidence::default());
    assert_eq!(breaks, ["2: inserted: 2 lines are no records of this log"]);
}

#[test]
fn a_record_of_another_log_is_located() {
    let head = Head {
        seq: 3,
        hash: host_core::Digest::from_bytes([9; 32]),
    };
    let mut other = Chain::resume(head, ChainKey::from_bytes([2; 32]));
    let line = other.write(at(0), &json!({"n": 4})).unwrap();
    check(
        |log| log.insert(5, line),
        &["6: inserted: the line is no record of this log"],
    );
}

/// A log that was copied, went on twice, and was put together again.
#[test]
fn a_second_branch_is_located() {
    let (log, _) = lines(5);
    let records: Vec<Value> = (1..=5)
        .chain([16, 17, 18])
        .map(|n| json!({ "n": n }))
        .collect();
    let (other, _) = written(&records);
    assert_eq!(log, other[..5]);
    check(
        |log| log.extend_from_slice(&other[5..]),
        &["9: branch: another line of records begins here, behind record 5"],
    );
}

#[test]
fn a_torn_line_that_was_told_of_is_held_too() {
    let (mut log, mut chain) = lines(3);
    let torn = br#"{"format":"host.jo"#.to_vec();
    let told = crate::journal::torn::Torn {
        bytes: u64::try_from(torn.len()).unwrap(),
        sha256: host_core::Digest::from_bytes(<sha2::Sha256 as sha2::Digest>::digest(&torn).into()),
        is_ended: false,
    };
    log.push([&torn[..], b"\n"].concat());
    let body = Body::own(&told.notice()).unwrap();
    log.push(chain.write_body(at(1), &body).unwrap());
    log.push(chain.write(at(1), &json!({"n": 4})).unwrap());
    let evidence = state_of(&log, &chain);
    assert_eq!(found(&log.concat(), &evidence), [""; 0]);
    assert_eq!(verify_log(&*log.concat(), &evidence).unwrap().recovered, 1);
    let changed = "4: changed: the torn line that it tells of is not as it was";
    for other in [
        &b"{\"format\":\"host.ja\n"[..],
        b"\n",
        b"{\"format\":\"host.jo\n\n",
    ] {
        let mut log = log.clone();
        log[3] = other.to_vec();
        assert_eq!(found(&log.concat(), &evidence), [changed]);
    }
    log.remove(3);
    let removed = found(&log.concat(), &Evidence::default());
    assert_eq!(removed, [changed]);
}

#[test]
fn a_state_that_is_missing_or_damaged_is_said() {
    let (log, _) = lines(2);
    for (claim, words) in [
        (
            Claim::Missing,
            "3: `journal.state`, which knows the end of the log, is gone",
        ),
        (
            Claim::Damaged,
            "3: `journal.state`, which knows the end of the log, is damaged",
        ),
    ] {
        let evidence = Evidence {
            claim,
            ..Evidence::default()
        };
        assert_eq!(found(&log.concat(), &evidence), [words]);
    }
}

#[test]
fn an_empty_log_proves_nothing_and_is_whole() {
    let verdict = verify_log(&b""[..], &Evidence::default()).unwrap();
    assert!(verdict.is_whole());
    assert_eq!(verdict.unproven, [Unproven::NoHead]);
}

#[test]
fn breaks_are_named_up_to_a_limit_and_counted_beyond() {
    let (log, _) = lines(1_200);
    let every_other: Vec<Vec<u8>> = log.into_iter().step_by(2).collect();
    let verdict = verify_log(&*every_other.concat(), &Evidence::default()).unwrap();
    assert_eq!(verdict.breaks.len(), BREAKS_MAX);
    assert_eq!(verdict.breaks_more, 599 - 256);
}

proptest! {
    #[test]
    fn a_replayed_log_reproduces_its_head(texts in prop::collection::vec(".{0,60}", 0..12)) {
        let records: Vec<Value> = texts.iter().map(|text| json!({ "text": text })).collect();
        let (log, chain) = written(&records);
        let evidence = Evidence { against: Some(chain.head()), ..state_of(&log, &chain) };
        let verdict = verify_log(&*log.concat(), &evidence).unwrap();
        prop_assert!(verdict.is_whole(), "{:?}", verdict.breaks);
        prop_assert_eq!(verdict.head.unwrap_or(chain.head()), chain.head());
    }

    /// Any byte, in any line, to any other: found, at the line it is in or the one before.
    #[test]
    fn any_changed_byte_is_found(count in 1_u64..6, place in any::<prop::sample::Index>(), by in 1_u8..) {
        let (log, chain) = lines(count);
        let evidence = state_of(&log, &chain);
        let mut bytes = log.concat();
        let place = place.index(bytes.len());
        bytes[place] ^= by;
        let verdict = verify_log(&*bytes, &evidence).unwrap();
        let line = 1 + u64::try_from(log.concat()[..place].iter().filter(|byte| **byte == b'\n').count()).unwrap();
        prop_assert!(!verdict.is_whole());
        let near = verdict.breaks.iter().any(|found| (line.saturating_sub(1)..=line + 1).contains(&found.line));
        prop_assert!(near, "line {} changed, found {:?}", line, verdict.breaks);
    }

    #[test]
    fn any_removed_swapped_or_repeated_line_is_found(count in 2_u64..9, one in any::<prop::sample::Index>(), other in any::<prop::sample::Index>(), how in 0..3) {
        let (mut log, chain) = lines(count);
        let evidence = state_of(&log, &chain);
        let (one, other) = (one.index(log.len()), other.index(log.len()));
        match how {
            0 => drop(log.remove(one)),
            1 if one == other => return Ok(()),
            1 => log.swap(one, other),
            _ => log.insert(other, log[one].clone()),
        }
        prop_assert!(!verify_log(&*log.concat(), &evidence).unwrap().is_whole());
    }

    /// Whatever the bytes are, the walk ends, and every break lies in the file or right behind it.
    #[test]
    fn any_bytes_are_walked(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let verdict = verify_log(&*bytes, &Evidence::default()).unwrap();
        prop_assert_eq!(verdict.bytes, u64::try_from(bytes.len()).unwrap());
        for found in &verdict.breaks {
            prop_assert!(found.line <= verdict.lines + 1 && found.offset <= verdict.bytes);
        }
    }
}
