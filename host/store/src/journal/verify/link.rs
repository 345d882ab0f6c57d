//! Where a record stands in relation to those before it.

use std::collections::BTreeMap;

use host_core::Digest;

use crate::journal::chain::Head;
use crate::journal::line::Frame;

/// Records whose hash is remembered, to tell a repeated one from another branch.
const SEEN_MAX: usize = 4_096;

/// Gaps that are remembered, to tell a displaced record from another.
const GAPS_MAX: usize = 256;

/// What a record is to those before it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Place {
    /// The next one, and linked.
    Next,
    /// The next one by number, and not linked to the last.
    Unlinked,
    /// The next one by its link, and not by number.
    Misnumbered,
    /// Records before it are missing.
    Behind {
        /// The first of them.
        from: u64,
        /// The last of them.
        to: u64,
    },
    /// One that was missing further up.
    Displaced,
    /// One that was there.
    Repeated,
    /// The first of another line behind a record that was there.
    Branch {
        /// That record.
        after: u64,
    },
    /// One with a number that was there, and linked to nothing that is known.
    Unrelated,
}

/// The records that were passed.
#[derive(Debug)]
pub(super) struct Links {
    last: Head,
    seen: BTreeMap<u64, Digest>,
    gaps: Vec<(u64, u64)>,
}

impl Links {
    /// Begins behind what was before the first record.
    pub(super) fn begin(hash: Digest) -> Self {
        Self {
            last: Head { seq: 0, hash },
            seen: BTreeMap::from([(0, hash)]),
            gaps: Vec::new(),
        }
    }

    /// The record that the next one is expected behind.
    pub(super) fn last(&self) -> Head {
        self.last
    }

    /// Places a record with this hash, and goes on behind it where it is one to go on behind.
    pub(super) fn place(&mut self, frame: &Frame<'_>, hash: Digest) -> Place {
        let next = self.last.seq.saturating_add(1);
        let is_linked = frame.prev == self.last.hash;
        let place = if frame.seq == next {
            if is_linked {
                Place::Next
            } else {
                Place::Unlinked
            }
        } else if is_linked {
            Place::Misnumbered
        } else if frame.seq > next {
            Place::Behind {
                from: next,
                to: frame.seq.saturating_sub(1),
            }
        } else {
            self.place_passed(frame, hash)
        };
        match place {
            Place::Next | Place::Unlinked | Place::Branch { .. } => self.go_on(frame.seq, hash),
            Place::Misnumbered => self.go_on(next, hash),
            Place::Behind { from, to } => {
                if self.gaps.len() < GAPS_MAX {
                    self.gaps.push((from, to));
                }
                self.go_on(frame.seq, hash);
            }
            Place::Displaced => self.remember(frame.seq, hash),
            Place::Repeated | Place::Unrelated => {}
        }
        place
    }

    /// Places a record whose number was passed already.
    fn place_passed(&mut self, frame: &Frame<'_>, hash: Digest) -> Place {
        let seq = frame.seq;
        let gap = self
            .gaps
            .iter()
            .position(|(from, to)| (*from..=*to).contains(&seq));
        if let Some((from, to)) = gap.map(|at| self.gaps.swap_remove(at)) {
            let pieces = [(from, seq.saturating_sub(1)), (seq.saturating_add(1), to)];
            let left = pieces.into_iter().filter(|(from, to)| from <= to);
            self.gaps.extend(left);
            return Place::Displaced;
        }
        if self.seen.get(&seq) == Some(&hash) {
            return Place::Repeated;
        }
        let after = seq.saturating_sub(1);
        if self.seen.get(&after) == Some(&frame.prev) {
            return Place::Branch { after };
        }
        Place::Unrelated
    }

    fn go_on(&mut self, seq: u64, hash: Digest) {
        self.last = Head { seq, hash };
        self.remember(seq, hash);
    }

    fn remember(&mut self, seq: u64, hash: Digest) {
        self.seen.insert(seq, hash);
        if self.seen.len() > SEEN_MAX {
            self.seen.pop_first();
        }
    }
}
