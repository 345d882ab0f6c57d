//! The chain of an audit log, apart from any file: where a log stands, and how its next line is written.
//!
//! Each line names the hash of the line before it, so whoever knows the last hash knows every line. Each line also has a
//! code made with a key that is replaced by its own hash as soon as the line is written: whoever takes today's key
//! cannot make yesterday's lines. A key never comes back, and none is ever shown.
//!
//! Nothing here opens a file, reads a clock or makes random numbers.

use std::fmt;
use std::str::FromStr;

use hmac::{Hmac, Mac};
use host_core::{Digest, Timestamp};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::JournalError;
use super::line::{Body, Frame, write_line};

/// The length of a key, in bytes.
pub const CHAIN_KEY_BYTES: usize = 32;

/// What is hashed before the bytes of a line, so that no line is taken for something else.
const LINE_PREFIX: [u8; 1] = [0x01];

/// What is hashed before the bytes that lie before the first line.
const BLOCK_PREFIX: [u8; 1] = [0x00];

/// What is hashed before a key to make the next one.
const RATCHET_PREFIX: &[u8] = b"host.audit.ratchet/1";

/// The longest text that is read as a head; more than the longest number and a hash.
const HEAD_BYTES_MAX: usize = 128;

/// How far a log has come: the number of its last line, and that line's hash, which stands for all lines before it too.
///
/// Written as `SEQ:HASH`. Number 0 is a log without a line; its hash is that of what lay there before the first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Head {
    /// The number of the line, counted from 1.
    pub seq: u64,
    /// Its hash.
    pub hash: Digest,
}

impl fmt::Display for Head {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.seq, self.hash)
    }
}

/// Why a text is not a head. The text itself is left out, as it may be long or foreign.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("expected the number of a line, a colon and 64 lower-case hex characters")]
pub struct HeadError;

impl FromStr for Head {
    type Err = HeadError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > HEAD_BYTES_MAX {
            return Err(HeadError);
        }
        let (seq, hash) = text.split_once(':').ok_or(HeadError)?;
        Ok(Self {
            seq: plain_number(seq).ok_or(HeadError)?,
            hash: hash.parse().map_err(|_| HeadError)?,
        })
    }
}

/// Reads a number that has one spelling: digits only, none of them a zero in front.
pub(super) fn plain_number(text: &str) -> Option<u64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let has_zero = text.len() > 1 && text.starts_with('0');
    text.parse().ok().filter(|_| is_plain && !has_zero)
}

/// The key of the next line.
#[derive(Clone, Eq, PartialEq)]
pub struct ChainKey([u8; CHAIN_KEY_BYTES]);

impl ChainKey {
    /// The key with these bytes, which must come from the operating system's generator.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; CHAIN_KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; CHAIN_KEY_BYTES] {
        &self.0
    }

    /// What may be told of a key: its hash, by which it is known again.
    #[must_use]
    pub fn commitment(&self) -> Digest {
        digest_of(&[&self.0])
    }

    /// The key of the line after the one that this is for.
    #[must_use]
    pub(super) fn next(&self) -> Self {
        Self(*digest_of(&[RATCHET_PREFIX, &self.0]).as_bytes())
    }

    /// The code of these bytes.
    pub(super) fn code(&self, bytes: &[u8]) -> Digest {
        Digest::from_bytes(self.hmac(bytes).finalize().into_bytes().into())
    }

    /// Whether a code is that of these bytes, in a time that tells nothing of where it differs.
    pub(super) fn fits(&self, bytes: &[u8], code: &Digest) -> bool {
        self.hmac(bytes).verify_slice(code.as_bytes()).is_ok()
    }

    fn hmac(&self, bytes: &[u8]) -> Hmac<Sha256> {
        let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
        for (to, from) in block.iter_mut().zip(self.0) {
            *to = from;
        }
        <Hmac<Sha256> as Mac>::new(&block).chain_update(bytes)
    }
}

/// Shows nothing of it.
impl fmt::Debug for ChainKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("ChainKey(..)")
    }
}

/// Where a log stands, with the key of its next line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Chain {
    head: Head,
    key: ChainKey,
}

impl Chain {
    /// A chain that goes on behind `head`; `key` is that of the next line.
    #[must_use]
    pub const fn resume(head: Head, key: ChainKey) -> Self {
        Self { head, key }
    }

    /// The last line.
    #[must_use]
    pub const fn head(&self) -> Head {
        self.head
    }

    /// The next line, with its newline; the chain then stands behind it, with the next key.
    ///
    /// # Errors
    /// [`JournalError`] when the record is none, or too long for a line.
    pub fn write(
        &mut self,
        time: Timestamp,
        record: &impl Serialize,
    ) -> Result<Vec<u8>, JournalError> {
        self.write_body(time, &Body::of(record)?)
    }

    pub(super) fn write_body(
        &mut self,
        time: Timestamp,
        body: &Body,
    ) -> Result<Vec<u8>, JournalError> {
        let seq = self.head.seq.saturating_add(1);
        let mut line = write_line(seq, &self.head.hash, time, body, &self.key)?;
        self.step(seq, hash_of_line(&line));
        line.push(b'\n');
        Ok(line)
    }

    /// Whether this line is the next one, by its number, its link and its code.
    pub(super) fn continues_with(&self, frame: &Frame<'_>) -> bool {
        let is_next = Some(frame.seq) == self.head.seq.checked_add(1);
        is_next && frame.prev == self.head.hash && self.key.fits(frame.covered, &frame.mac)
    }

    /// Goes on behind the line with this number and hash.
    pub(super) fn step(&mut self, seq: u64, hash: Digest) {
        self.head = Head { seq, hash };
        self.key = self.key.next();
    }

    /// Takes another key for the next line.
    pub(super) fn take_key(&mut self, key: ChainKey) {
        self.key = key;
    }

    pub(super) fn key(&self) -> &ChainKey {
        &self.key
    }
}

/// The hash of a line, given without its newline.
pub(super) fn hash_of_line(line: &[u8]) -> Digest {
    digest_of(&[&LINE_PREFIX, line])
}

/// The hash of what lies before the first line, piece by piece.
#[derive(Clone, Debug)]
pub(super) struct BlockHash(Sha256);

impl BlockHash {
    pub(super) fn new() -> Self {
        Self(Sha256::new_with_prefix(BLOCK_PREFIX))
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(super) fn end(self) -> Digest {
        Digest::from_bytes(self.0.finalize().into())
    }
}

fn digest_of(pieces: &[&[u8]]) -> Digest {
    let mut hash = Sha256::new();
    for piece in pieces {
        hash.update(piece);
    }
    Digest::from_bytes(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_has_one_spelling() {
        let hash = "ab".repeat(32);
        let text = format!("12:{hash}");
        let head: Head = text.parse().unwrap();
        assert_eq!((head.seq, head.to_string()), (12, text));
        for bad in [
            String::new(),
            "12".to_owned(),
            format!("012:{hash}"),
            format!("+1:{hash}"),
            format!(" 1:{hash}"),
            format!("1:{}", hash.to_uppercase()),
            format!("1:{hash} "),
            format!("{}:{hash}", u128::MAX),
        ] {
            assert_eq!(bad.parse::<Head>(), Err(HeadError), "{bad}");
        }
    }

    #[test]
    fn a_key_shows_nothing_and_never_comes_back() {
        let key = ChainKey::from_bytes([7; CHAIN_KEY_BYTES]);
        assert_eq!(format!("{key:?}"), "ChainKey(..)");
        assert_ne!(key.next(), key);
        assert_ne!(key.next().next(), key.next());
        assert!(key.fits(b"line", &key.code(b"line")));
        assert!(!key.fits(b"line", &key.next().code(b"line")));
    }
}
