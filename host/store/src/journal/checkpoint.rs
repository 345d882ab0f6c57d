//! Checkpoints: from time to time a line that says, signed, how far the log has come.
//!
//! The text is a checkpoint as transparency logs write them: the log's name, the number of its last line, the hash of
//! that line in base64, each on a line of its own. Who signs, and how, is the affair of whoever brings a [`Sealer`].

use std::fmt::Debug;

use host_core::{Digest, Shown, Timestamp};
use serde_json::{Value, json};

use super::chain::{Head, plain_number};
use super::line::CHECKPOINT;
use super::state::Mark;

/// Lines after which the next append writes a checkpoint.
pub const CHECKPOINT_LINES: u64 = 256;

/// Time of the log's own lines after which the next append writes a checkpoint, in milliseconds.
pub const CHECKPOINT_MS: u64 = 60 * 60 * 1_000;

/// The longest text that is read as a checkpoint, in bytes; a signature may follow in it.
pub const CHECKPOINT_BYTES_MAX: usize = 16 * 1_024;

/// How the first line of a checkpoint begins.
const ORIGIN: &str = "host/audit ";

/// Characters of a log's name that are kept.
const NAME_CHARACTERS_MAX: usize = 255;

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Signs the checkpoints of a log.
pub trait Sealer: Debug + Send + Sync {
    /// The name of the node or machine that the log is of.
    fn name(&self) -> &str;

    /// An armored signature over exactly this text; `None` when it cannot be made now.
    fn seal(&self, checkpoint: &str) -> Option<String>;
}

/// Whether a signature holds over a checkpoint; else why not, as a fragment for people.
pub type CheckSeal<'c> = &'c dyn Fn(&str, &str) -> Result<(), String>;

/// What a checkpoint says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Checkpoint {
    /// The name of the log.
    pub name: String,
    /// How far it had come.
    pub head: Head,
}

impl Checkpoint {
    /// The checkpoint of a log with this name, which is escaped where it could break the text.
    #[must_use]
    pub fn new(name: &str, head: Head) -> Self {
        let name: String = name.chars().take(NAME_CHARACTERS_MAX).collect();
        Self {
            name: Shown(&name).to_string(),
            head,
        }
    }

    /// The text that is signed.
    #[must_use]
    pub fn text(&self) -> String {
        let root = base64(self.head.hash.as_bytes());
        format!("{ORIGIN}{}\n{}\n{root}\n", self.name, self.head.seq)
    }

    /// Reads the text of a checkpoint. What follows behind an empty line, such as signatures, is passed over.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        if text.len() > CHECKPOINT_BYTES_MAX {
            return None;
        }
        let mut lines = text.split('\n');
        let name = lines.next()?.strip_prefix(ORIGIN)?.to_owned();
        let seq = plain_number(lines.next()?)?;
        let hash = Digest::from_bytes(of_base64(lines.next()?)?);
        // The third line has its end, and then comes nothing, or an empty line before anything else.
        lines.next().filter(|line| line.is_empty())?;
        let head = Head { seq, hash };
        Some(Self { name, head })
    }
}

/// Whether the next append owes a checkpoint.
pub(super) fn is_due(last: Mark, head: Head, time: Timestamp) -> bool {
    let lines = head.seq.saturating_sub(last.seq);
    // A clock that was set back makes it wait for the count of lines.
    let ms = time.unix_ms().saturating_sub(last.time.unix_ms());
    lines >= CHECKPOINT_LINES || ms >= CHECKPOINT_MS
}

/// The record of a checkpoint, unless it cannot be signed now: then the next append tries again, and no line that says
/// what happened waits for a signature.
pub(super) fn record(sealer: &dyn Sealer, head: Head) -> Option<Value> {
    let text = Checkpoint::new(sealer.name(), head).text();
    let signature = sealer.seal(&text)?;
    Some(json!({"event": CHECKPOINT, "checkpoint": text, "signature": signature}))
}

fn base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let mut bits = 0_u32;
        for at in 0..3 {
            bits = bits << 8 | u32::from(group.get(at).copied().unwrap_or(0));
        }
        for at in 0..4_usize {
            let index = bits >> (18 - 6 * at) & 0x3f;
            let letter = usize::try_from(index)
                .ok()
                .and_then(|index| BASE64.get(index));
            let letter = letter.filter(|_| at <= group.len());
            text.push(letter.map_or('=', |letter| char::from(*letter)));
        }
    }
    text
}

/// Reads 32 bytes in the one spelling that [`base64`] gives them.
fn of_base64(text: &str) -> Option<[u8; 32]> {
    let mut bytes = Vec::with_capacity(32);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for letter in text.strip_suffix('=')?.bytes() {
        let value = BASE64.iter().position(|known| *known == letter)?;
        bits = bits << 6 | u32::try_from(value).ok()?;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xff).ok()?);
        }
        bits &= (1 << held) - 1;
    }
    let bytes: [u8; 32] = bytes.try_into().ok()?;
    Some(bytes).filter(|bytes| base64(bytes) == text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn head() -> Head {
        Head {
            seq: 256,
            hash: Digest::from_bytes([0xfb; 32]),
        }
    }

    #[test]
    fn a_checkpoint_is_three_lines() {
        let checkpoint = Checkpoint::new("db-03.fra", head());
        let expected = "host/audit db-03.fra\n256\n+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s=\n";
        assert_eq!(checkpoint.text(), expected);
        assert_eq!(Checkpoint::read(expected), Some(checkpoint.clone()));
        let signed = format!("{expected}\n-----BEGIN SSH SIGNATURE-----\n");
        assert_eq!(Checkpoint::read(&signed), Some(checkpoint));
    }

    #[test]
    fn a_name_adds_no_line() {
        let text = Checkpoint::new("a\n9\nb\u{202e}", head()).text();
        assert_eq!(text.lines().count(), 3);
        assert!(text.starts_with("host/audit a\\u{a}9\\u{a}b\\u{202e}\n256\n"));
    }

    #[test]
    fn what_is_no_checkpoint_is_refused() {
        let good = Checkpoint::new("x", head()).text();
        for bad in [
            good.replace("host/audit", "go.sum"),
            good.replace("256", "0256"),
            good.replace("/s=", "/t="),
            good.replace("/s=", "/s"),
            good.replace("/s=\n", "/s="),
            good.replace("/s=\n", "/s=\nmore"),
            good.replace("+/v7+", "+/v7 "),
            String::new(),
        ] {
            assert_eq!(Checkpoint::read(&bad), None, "{bad}");
        }
    }

    #[test]
    fn a_checkpoint_is_due_by_lines_or_by_time() {
        let at = |seconds: u64| Timestamp::from_unix(1_000_000 + seconds, 0);
        let last = Mark {
            seq: 10,
            time: at(0),
        };
        let head = |seq| Head { seq, ..head() };
        assert!(!is_due(last, head(265), at(3_599)));
        assert!(is_due(last, head(266), at(0)));
        assert!(is_due(last, head(11), at(3_600)));
        assert!(!is_due(last, head(11), Timestamp::from_unix(5, 0)));
    }

    proptest! {
        #[test]
        fn base64_is_read_as_it_is_written(bytes in any::<[u8; 32]>()) {
            let text = base64(&bytes);
            prop_assert_eq!(text.len(), 44);
            prop_assert_eq!(of_base64(&text), Some(bytes));
        }
    }
}
