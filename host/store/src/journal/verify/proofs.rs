//! What proves a record beyond its link: the codes by a key, and the checkpoints by their signature.

use host_core::Digest;

use crate::journal::chain::{ChainKey, Head};
use crate::journal::checkpoint::{CheckSeal, Checkpoint};
use crate::journal::line::{Frame, REKEYED, Told};

/// Missing records over which a key is brought forward; behind more of them codes are not checked.
const KEY_STEPS_MAX: u64 = 1 << 20;

/// Checks codes from some record on.
#[derive(Debug)]
pub(super) struct Codes {
    /// The number of the record that the key is for.
    seq: u64,
    key: ChainKey,
}

impl Codes {
    /// `key` is that of the record behind `seq`.
    pub(super) fn behind(seq: u64, key: ChainKey) -> Self {
        Self {
            seq: seq.saturating_add(1),
            key,
        }
    }

    /// Whether the code of this record fits; `None` when it is none of those that can be checked.
    pub(super) fn check(&mut self, frame: &Frame<'_>) -> Option<bool> {
        let steps = frame.seq.checked_sub(self.seq)?;
        if steps > KEY_STEPS_MAX {
            return None;
        }
        for _ in 0..steps {
            self.key = self.key.next();
        }
        let fits = self.key.fits(frame.covered, &frame.mac);
        self.key = self.key.next();
        self.seq = frame.seq.saturating_add(1);
        Some(fits)
    }
}

/// The hash of the key that begins behind this record.
pub(super) fn begins_key(told: &Told) -> Option<Digest> {
    told.digest().filter(|_| told.is(REKEYED))
}

/// Whether a checkpoint says what it must: the records before it, all of them, under a signature that holds.
///
/// Without somebody to ask, the signature is not looked at.
pub(super) fn check_checkpoint(
    frame: &Frame<'_>,
    told: &Told,
    seals: Option<CheckSeal<'_>>,
) -> Result<(), String> {
    let (text, signature) = told.checkpoint().ok_or("it has no text or no signature")?;
    let checkpoint = Checkpoint::read(text).ok_or("its text is not that of a checkpoint")?;
    let before = Head {
        seq: frame.seq.saturating_sub(1),
        hash: frame.prev,
    };
    if checkpoint.head != before || checkpoint.text() != text {
        return Err("its root is not the record before it".to_owned());
    }
    seals.map_or(Ok(()), |check| check(text, signature))
}
