//! What a crash leaves behind the last line: pieces of lines, told from what nobody's crash makes.
//!
//! A torn tail is the beginning of a line; or several, where the crash came again while the first was being closed. A line
//! with zeros is one too: they are of a file system that knew a length and not what is in it, and no line is written with
//! one. A whole object that is not the next line, or a line that does not begin like one of this log, is no torn tail.

use host_core::Digest;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::line::{Frame, LINE_BEGIN, RECOVERED, Told};
use super::lines::Taken;

/// A torn tail as the line that closes it tells of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Torn {
    pub(super) bytes: u64,
    pub(super) sha256: Digest,
    /// Whether a newline stands behind it already.
    pub(super) is_ended: bool,
}

impl Torn {
    /// The record that closes it.
    pub(super) fn notice(&self) -> Value {
        json!({"event": RECOVERED, "bytes": self.bytes, "sha256": self.sha256})
    }
}

/// Lines that do not continue the chain, one behind the other.
#[derive(Clone, Debug)]
pub(super) struct Tail {
    hash: Sha256,
    bytes: u64,
    /// Whether the last line that was added has its newline, which is not hashed yet.
    is_ended: bool,
    /// Whether the line that is being added has a zero.
    has_zero: bool,
    has_other: bool,
}

impl Tail {
    pub(super) fn new() -> Self {
        Self {
            hash: Sha256::new(),
            bytes: 0,
            is_ended: false,
            has_zero: false,
            has_other: false,
        }
    }

    /// Adds a piece of a line that is too long to be one, before [`Tail::add`] is told of it.
    pub(super) fn add_piece(&mut self, piece: &[u8]) {
        self.end_line();
        self.hash.update(piece);
        self.has_zero |= piece.contains(&0);
    }

    /// Adds a line.
    pub(super) fn add(&mut self, line: &[u8], taken: Taken) {
        if taken.is_whole {
            self.add_piece(line);
        }
        let is_begun = LINE_BEGIN.starts_with(line) && !line.is_empty();
        let begins_alike = line.starts_with(LINE_BEGIN) || is_begun;
        // The beginning of an object is none yet: whatever is one was whole when it was written, here or elsewhere.
        let is_object =
            Frame::of(line).is_some() || serde_json::from_slice::<IgnoredAny>(line).is_ok();
        let is_piece = self.has_zero || begins_alike && taken.is_whole;
        self.has_other |= is_object || !is_piece;
        self.has_zero = false;
        self.bytes = self.bytes.saturating_add(taken.bytes);
        self.is_ended = taken.is_ended;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// How long it is, in bytes.
    pub(super) fn length(&self) -> u64 {
        self.bytes
    }

    /// Whether a line closes this and tells what it is.
    pub(super) fn is_told_by(&self, told: &Told) -> bool {
        let torn = self.torn();
        let is_same = told.length() == Some(torn.bytes) && told.digest() == Some(torn.sha256);
        is_same && told.is(RECOVERED)
    }

    /// Whether a crash can have left this.
    pub(super) fn may_be_torn(&self) -> bool {
        !self.has_other
    }

    /// What the line tells that closes this, where the last newline is not a part of it.
    pub(super) fn torn(&self) -> Torn {
        Torn {
            bytes: self.bytes.saturating_sub(u64::from(self.is_ended)),
            sha256: Digest::from_bytes(self.hash.clone().finalize().into()),
            is_ended: self.is_ended,
        }
    }

    fn end_line(&mut self) {
        if self.is_ended {
            self.hash.update(b"\n");
            self.is_ended = false;
        }
    }
}
