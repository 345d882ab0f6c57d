//! Subject: verification of audit logs, given any bytes as one.
//!
//! A verdict covers every byte and names places that are in the log. A log that is whole has one unbroken line of records,
//! recounted here from the design alone, and is whole with one record more; any other head than its own does not fit it.

use host_core::{Digest, Timestamp};
use host_store::{
    BREAKS_MAX, Chain, ChainKey, Checkpoint, Evidence, Head, Unproven, Verdict, verify_log,
};
use serde_json::{Value, json};

use crate::received::sha256;

/// Panics unless `data` is broken, or is a log that goes on as one.
pub fn check(data: &[u8]) {
    let verdict = verdict(data, None);
    assert_eq!(verdict, self::verdict(data, None));
    check_places(data, &verdict);
    check_texts(data);
    if !verdict.is_whole() {
        return;
    }
    let head = recount(data);
    if let Some(walked) = verdict.head {
        assert_eq!(walked, head);
        assert!(self::verdict(data, Some(head)).is_whole());
        let other = Head {
            hash: Digest::from_bytes([0; 32]),
            ..head
        };
        assert!(!self::verdict(data, Some(other)).is_whole());
    }
    let beyond = Head {
        seq: head.seq + 1,
        ..head
    };
    assert!(!self::verdict(data, Some(beyond)).is_whole());
    let is_torn = |unproven: &Unproven| matches!(unproven, Unproven::Torn { .. });
    if !verdict.unproven.iter().any(is_torn) {
        check_longer(data, &verdict, head);
    }
}

fn verdict(log: &[u8], against: Option<Head>) -> Verdict {
    let evidence = Evidence {
        against,
        ..Evidence::default()
    };
    verify_log(log, &evidence).expect("bytes in memory are always read")
}

fn check_places(data: &[u8], verdict: &Verdict) {
    let newlines = data.iter().filter(|byte| **byte == b'\n').count();
    let is_ended = data.is_empty() || data.ends_with(b"\n");
    let lines = newlines + usize::from(!is_ended);
    assert_eq!(verdict.bytes, data.len() as u64);
    assert_eq!(verdict.lines, lines as u64);
    assert!(verdict.old_lines <= verdict.lines);
    assert!(verdict.breaks.len() <= BREAKS_MAX);
    for found in &verdict.breaks {
        assert!((1..=verdict.lines + 1).contains(&found.line), "{found}");
        assert!(found.offset <= verdict.bytes, "{found}");
        let before = data.get(..usize::try_from(found.offset).unwrap_or(0));
        let before = before.unwrap_or_default();
        let above = before.iter().filter(|byte| **byte == b'\n').count();
        let is_behind = found.offset == verdict.bytes;
        assert!(is_behind || found.line == above as u64 + 1, "{found}");
        assert!(!found.to_string().chars().any(char::is_control));
    }
}

/// Heads and checkpoints have one spelling.
fn check_texts(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    if let Ok(head) = text.parse::<Head>() {
        assert_eq!(head.to_string(), text);
    }
    if let Some(checkpoint) = Checkpoint::read(text) {
        let written = Checkpoint {
            name: checkpoint.name.clone(),
            head: checkpoint.head,
        };
        assert!(text.starts_with(&written.text()));
    }
}

/// The last record of a log that is said to be whole, found by its links alone.
fn recount(data: &[u8]) -> Head {
    let mut head = None;
    let mut before = Vec::new();
    for line in data.split_inclusive(|byte| *byte == b'\n') {
        let bytes = line.strip_suffix(b"\n").unwrap_or(line);
        let Some((seq, prev)) = link(bytes) else {
            if head.is_none() {
                before.extend_from_slice(line);
            }
            continue;
        };
        let last = head.unwrap_or_else(|| begin(&before));
        assert_eq!((seq, prev), (last.seq + 1, last.hash.to_string()));
        head = Some(Head {
            seq,
            hash: sha256(&[&[1], bytes].concat()),
        });
    }
    if !before.is_empty() && !before.ends_with(b"\n") {
        // What closes the old part belongs to it.
        before.push(b'\n');
    }
    head.unwrap_or_else(|| begin(&before))
}

fn begin(before: &[u8]) -> Head {
    Head {
        seq: 0,
        hash: sha256(&[&[0], before].concat()),
    }
}

/// The number and the link of a line that has a code at its end.
fn link(line: &[u8]) -> Option<(u64, String)> {
    if !line.starts_with(b"{\"format\":\"host.journal/2\",\"seq\":") {
        return None;
    }
    let value: Value = serde_json::from_slice(line).ok()?;
    let code = value.as_object()?.iter().next_back()?;
    let is_code = code.0 == "mac" && code.1.as_str()?.len() == 64;
    let prev = value.get("prev")?.as_str()?.to_owned();
    Some((value.get("seq")?.as_u64()?, prev)).filter(|_| is_code)
}

/// Any log that is whole is whole with one record more.
fn check_longer(data: &[u8], verdict: &Verdict, head: Head) {
    let mut longer = data.to_vec();
    if !longer.is_empty() && !longer.ends_with(b"\n") {
        longer.push(b'\n');
    }
    let mut chain = Chain::resume(head, ChainKey::from_bytes([7; 32]));
    let time = Timestamp::from_unix(1_795_252_811, 0);
    let record = json!({"event": "one more\n", "bytes": data.len()});
    let line = chain.write(time, &record).expect("a short record fits");
    longer.extend(line);
    let again = self::verdict(&longer, Some(chain.head()));
    assert!(again.is_whole(), "{:?}", again.breaks);
    assert_eq!(again.head, Some(chain.head()));
    assert_eq!(again.lines, verdict.lines + 1);
}

#[cfg(test)]
mod tests {
    use super::verdict;

    /// Another program wrote the corpus, from the description of the format alone.
    #[test]
    fn logs_by_another_program_are_whole_and_broken_ones_are_not() {
        let corpus = |name: &str| {
            let path = format!("{}/corpus/audit_log/{name}", env!("CARGO_MANIFEST_DIR"));
            let file = std::fs::File::open(path).unwrap();
            std::io::Read::bytes(file)
                .map(Result::unwrap)
                .collect::<Vec<u8>>()
        };
        for (name, records) in [
            ("three", 3),
            ("unended", 3),
            ("torn", 3),
            ("continued", 2),
            ("recovered", 5),
            ("checkpoints", 4),
            ("rekeyed", 3),
        ] {
            let verdict = verdict(&corpus(name), None);
            assert!(verdict.is_whole(), "{name}: {:?}", verdict.breaks);
            assert_eq!(verdict.head.map(|head| head.seq), Some(records), "{name}");
        }
        for name in ["swapped", "branch"] {
            assert!(!verdict(&corpus(name), None).is_whole(), "{name}");
        }
    }
}
