//! One line of the audit log: its frame, which the chain needs, around the fields of a record.
//!
//! A line is `{"format":..,"seq":..,"prev":..,"time":..,` then the record's own fields, then `,"mac":..}`, always in this
//! order and in one spelling. A record that brings a field of the frame, or says that it is one of the log's own events,
//! is refused. A line whose frame is not exactly of this form is not a line of the chain.

use host_core::{Digest, Timestamp};
use serde::Serialize;
use serde_json::Value;

use super::chain::{ChainKey, plain_number};
use super::{JournalError, LINE_BYTES_MAX};

/// How every line of the chain begins.
pub(super) const LINE_BEGIN: &[u8] = br#"{"format":"host.journal/2","seq":"#;

const PREV: &[u8] = br#","prev":""#;
const TIME: &[u8] = br#"","time":""#;
const MAC: &[u8] = br#","mac":""#;
const END: &[u8] = br#""}"#;

/// Characters of a hash as text.
const HASH_CHARACTERS: usize = 64;

/// Characters of a time, more than any has.
const TIME_CHARACTERS_MAX: usize = 32;

/// Fields that only the frame may have.
const FRAME_FIELDS: [&str; 5] = ["format", "seq", "prev", "time", "mac"];

/// The `event` of the line that closes a torn one.
pub(super) const RECOVERED: &str = "recovered";
/// The `event` of a checkpoint.
pub(super) const CHECKPOINT: &str = "checkpoint";
/// The `event` of the last line under an old key.
pub(super) const REKEYED: &str = "rekeyed";
/// The `event` of the first line of a log that was begun anew.
pub(super) const RESTARTED: &str = "restarted";

/// What only the log itself says.
const OWN_EVENTS: [&str; 4] = [RECOVERED, CHECKPOINT, REKEYED, RESTARTED];

/// The fields of one record as JSON, without the braces.
#[derive(Clone, Debug)]
pub(super) struct Body(Vec<u8>);

impl Body {
    /// The fields of a caller's record.
    pub(super) fn of(record: &impl Serialize) -> Result<Self, JournalError> {
        let record = serde_json::to_value(record).map_err(JournalError::Json)?;
        let own = record.get("event").and_then(Value::as_str);
        if own.is_some_and(|event| OWN_EVENTS.contains(&event)) {
            return Err(JournalError::NotRecord);
        }
        Self::own(&record)
    }

    /// The fields of one of the log's own records.
    pub(super) fn own(record: &Value) -> Result<Self, JournalError> {
        let fields = record.as_object().ok_or(JournalError::NotRecord)?;
        if FRAME_FIELDS.iter().any(|name| fields.contains_key(*name)) {
            return Err(JournalError::NotRecord);
        }
        let json = serde_json::to_vec(fields).map_err(JournalError::Json)?;
        let inner = json
            .strip_prefix(b"{")
            .and_then(|json| json.strip_suffix(b"}"));
        Ok(Self(inner.unwrap_or_default().to_vec()))
    }
}

/// A line without its newline.
pub(super) fn write_line(
    seq: u64,
    prev: &Digest,
    time: Timestamp,
    body: &Body,
    key: &ChainKey,
) -> Result<Vec<u8>, JournalError> {
    let mut line = LINE_BEGIN.to_vec();
    line.extend(seq.to_string().bytes());
    line.extend(PREV);
    line.extend(prev.to_string().bytes());
    line.extend(TIME);
    line.extend(time.to_string().bytes());
    line.push(b'"');
    if !body.0.is_empty() {
        line.push(b',');
        line.extend(&body.0);
    }
    let code = key.code(&line);
    line.extend(MAC);
    line.extend(code.to_string().bytes());
    line.extend(END);
    let bytes = u64::try_from(line.len())
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    if bytes > LINE_BYTES_MAX {
        return Err(JournalError::TooLong { bytes });
    }
    Ok(line)
}

/// What the chain needs of a line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'l> {
    pub(super) seq: u64,
    pub(super) prev: Digest,
    pub(super) time: Timestamp,
    /// What the code is of.
    pub(super) covered: &'l [u8],
    pub(super) mac: Digest,
}

impl<'l> Frame<'l> {
    /// Takes a line apart, given without its newline; `None` when it is not exactly of the form of one.
    pub(super) fn of(line: &'l [u8]) -> Option<Self> {
        let rest = line.strip_prefix(LINE_BEGIN)?;
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (seq, rest) = rest.split_at_checked(digits)?;
        let (prev, rest) = rest.strip_prefix(PREV)?.split_at_checked(HASH_CHARACTERS)?;
        let rest = rest.strip_prefix(TIME)?;
        let quote = rest
            .iter()
            .take(TIME_CHARACTERS_MAX)
            .position(|byte| *byte == b'"')?;
        let (time, rest) = rest.split_at_checked(quote)?;
        let without_end = rest.strip_suffix(END)?;
        let code_at = without_end.len().checked_sub(HASH_CHARACTERS)?;
        let (fields, mac) = without_end.split_at_checked(code_at)?;
        let fields = fields.strip_suffix(MAC)?;
        // Behind the time stands its quote, and then nothing or a field.
        if !matches!(fields, [b'"'] | [b'"', b',', b'"', ..]) {
            return None;
        }
        let text = |bytes| std::str::from_utf8(bytes).ok();
        let time_text = text(time)?;
        let time: Timestamp = time_text.parse().ok()?;
        let covered = MAC.len() + HASH_CHARACTERS + END.len();
        Some(Self {
            seq: plain_number(text(seq)?).filter(|seq| *seq > 0)?,
            prev: text(prev)?.parse().ok()?,
            time: Some(time).filter(|time| time.to_string() == time_text)?,
            covered: line.get(..line.len().checked_sub(covered)?)?,
            mac: text(mac)?.parse().ok()?,
        })
    }
}

/// The fields of a line, for what the chain needs of them.
#[derive(Debug)]
pub(super) struct Told(Value);

impl Told {
    /// Reads a line; `None` when it is not a JSON object.
    ///
    /// All of it is parsed, as by whoever reads records: what cannot be read is no record, however well it is linked.
    pub(super) fn of(line: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(line).ok()?;
        value.is_object().then_some(Self(value))
    }

    pub(super) fn is(&self, event: &str) -> bool {
        self.text("event") == Some(event)
    }

    pub(super) fn has_format(&self, format: &str) -> bool {
        self.text("format") == Some(format)
    }

    /// The text of a checkpoint and its signature.
    pub(super) fn checkpoint(&self) -> Option<(&str, &str)> {
        Some((self.text("checkpoint")?, self.text("signature")?))
    }

    /// Of `recovered`, the hash of the torn line; of `rekeyed`, that of the new key.
    pub(super) fn digest(&self) -> Option<Digest> {
        self.text("sha256")?.parse().ok()
    }

    /// Of `recovered`, how long the torn line was, in bytes.
    pub(super) fn length(&self) -> Option<u64> {
        self.0.get("bytes")?.as_u64()
    }

    /// Of `restarted`, the log that was laid aside: its name, its length in bytes, and its hash.
    pub(super) fn old(&self) -> Option<(&str, u64, Digest)> {
        let old = self.0.get("old")?;
        let sha256 = old.get("sha256")?.as_str()?.parse().ok()?;
        let (name, bytes) = (old.get("file")?, old.get("bytes")?);
        Some((name.as_str()?, bytes.as_u64()?, sha256))
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::journal::chain::{Chain, Head};

    fn line(record: &Value) -> Vec<u8> {
        let head = Head {
            seq: 6,
            hash: Digest::from_bytes([0xab; 32]),
        };
        let mut chain = Chain::resume(head, ChainKey::from_bytes([1; 32]));
        let time = "2026-11-21T09:20:11.042Z".parse().unwrap();
        let mut line = chain.write(time, record).unwrap();
        assert_eq!(line.pop(), Some(b'\n'));
        line
    }

    #[test]
    fn a_line_has_its_frame_around_its_fields() {
        let written = line(&json!({"event": "intended", "why": "a\nb\u{202e}"}));
        let text = String::from_utf8(written.clone()).unwrap();
        let expected = format!(
            r#"{{"format":"host.journal/2","seq":7,"prev":"{}","time":"2026-11-21T09:20:11.042Z","event":"intended","why":"a\nb{}","mac":""#,
            "ab".repeat(32),
            '\u{202e}'
        );
        assert!(text.starts_with(&expected), "{text}");
        let frame = Frame::of(&written).unwrap();
        assert_eq!(frame.seq, 7);
        assert_eq!(frame.prev, Digest::from_bytes([0xab; 32]));
        assert!(ChainKey::from_bytes([1; 32]).fits(frame.covered, &frame.mac));
        assert!(serde_json::from_slice::<Value>(&written).is_ok());
    }

    #[test]
    fn a_record_without_fields_is_a_line_too() {
        let written = line(&json!({}));
        assert!(Frame::of(&written).is_some());
        assert!(serde_json::from_slice::<Value>(&written).is_ok());
    }

    #[test]
    fn what_is_the_frames_or_the_logs_own_is_refused_in_a_record() {
        for name in FRAME_FIELDS {
            let refused = Body::of(&json!({ name: 1 }));
            assert!(matches!(refused, Err(JournalError::NotRecord)), "{name}");
        }
        for event in OWN_EVENTS {
            let refused = Body::of(&json!({ "event": event }));
            assert!(matches!(refused, Err(JournalError::NotRecord)), "{event}");
        }
    }

    #[test]
    fn a_frame_has_one_spelling() {
        let good = String::from_utf8(line(&json!({"event": "x"}))).unwrap();
        for (from, to) in [
            ("\"seq\":7", "\"seq\":07"),
            ("\"seq\":7", "\"seq\": 7"),
            ("\"seq\":7", "\"seq\":0"),
            ("\"seq\":7", "\"seq\":"),
            ("\"seq\":7", "\"seq\":99999999999999999999"),
            ("host.journal/2", "host.journal/3"),
            ("11.042Z", "11.0420Z"),
            ("11.042Z", "11.042"),
            ("abab\",\"time", "abaB\",\"time"),
            ("\"event\":\"x\"", ""),
            (",\"mac\"", ", \"mac\""),
            ("\"}", "\" }"),
        ] {
            assert!(good.contains(from), "{from}");
            let bad = good.replacen(from, to, 1);
            assert!(Frame::of(bad.as_bytes()).is_none(), "{bad}");
        }
    }
}
