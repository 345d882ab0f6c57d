//! The walk itself: one line after another, each judged by those before it and by the one behind it.
//!
//! A link that does not hold tells of two lines, of which one was changed. Which one is known when the line behind both
//! has been seen, or the state that vouches for the last: so a broken link waits for that.

use std::io::{self, BufRead};
use std::mem;

use host_core::Digest;

use super::broken::{BREAKS_MAX, Break, Broken};
use super::link::{Links, Place};
use super::proofs::{Codes, begins_key, check_checkpoint};
use super::{Claim, Evidence, StateClaim, Unproven, Verdict};
use crate::journal::JOURNAL_FORMAT_BEFORE;
use crate::journal::chain::{BlockHash, ChainKey, Head, hash_of_line};
use crate::journal::line::{CHECKPOINT, Frame, LINE_BEGIN, RECOVERED, Told};
use crate::journal::lines::{Taken, take_line};
use crate::journal::torn::Tail;

/// Where something stands in the file.
#[derive(Clone, Copy, Debug)]
struct Spot {
    line: u64,
    offset: u64,
    seq: Option<u64>,
}

/// The beginning of the file.
const TOP: Spot = Spot {
    line: 1,
    offset: 0,
    seq: None,
};

/// Records that can have stood in one line that is none: two, where the newline between them was changed.
const SPOILED_MAX: u64 = 2;

/// Lines in a row that do not continue the chain.
#[derive(Debug)]
struct Run {
    spot: Spot,
    lines: u64,
    tail: Tail,
}

/// A link that does not hold, between this line and the one behind it.
#[derive(Clone, Copy, Debug)]
struct Suspect {
    before: Spot,
    behind: Spot,
}

/// A record of the chain as it was read.
struct Read<'l> {
    spot: Spot,
    frame: Frame<'l>,
    told: Told,
    hash: Digest,
}

/// A walk over one log.
#[derive(Debug)]
pub(super) struct Walk<'e> {
    evidence: &'e Evidence<'e>,
    verdict: Verdict,
    /// What comes before the chain, while none of its records was seen.
    block: Option<BlockHash>,
    links: Option<Links>,
    /// Where lines began that are neither of the chain nor of what was before it, up to its first record.
    strange: Option<Spot>,
    /// The last record that was gone on behind.
    last: Option<Spot>,
    last_checkpoint: Option<u64>,
    run: Option<Run>,
    suspect: Option<Suspect>,
    codes: Option<Codes>,
    /// Codes of records behind what the state has.
    codes_behind: Option<Codes>,
    key_began: Option<u64>,
    key_ended: Option<u64>,
    is_state_met: bool,
    is_head_met: bool,
}

impl<'e> Walk<'e> {
    pub(super) fn new(evidence: &'e Evidence<'e>) -> Self {
        Self {
            evidence,
            verdict: Verdict::default(),
            block: Some(BlockHash::new()),
            links: None,
            strange: None,
            last: None,
            last_checkpoint: None,
            run: None,
            suspect: None,
            codes: None,
            codes_behind: None,
            key_began: None,
            key_ended: None,
            is_state_met: false,
            is_head_met: false,
        }
    }

    pub(super) fn walk(mut self, mut log: impl BufRead) -> io::Result<Verdict> {
        let mut line = Vec::new();
        loop {
            // What a line belongs to is known when it has been read; a long one is in both until then.
            let mut block = self.block.clone();
            let mut run = self
                .run
                .as_ref()
                .map_or_else(Tail::new, |run| run.tail.clone());
            let taken = take_line(&mut log, &mut line, |piece| {
                if let Some(block) = &mut block {
                    block.add(piece);
                }
                run.add_piece(piece);
            })?;
            let Some(taken) = taken else { break };
            let spot = Spot {
                line: self.verdict.lines.saturating_add(1),
                offset: self.verdict.bytes,
                seq: None,
            };
            self.verdict.lines = spot.line;
            self.verdict.bytes = spot.offset.saturating_add(taken.bytes);
            if !self.pass_old(spot, block, &line, taken) {
                self.pass(spot, &line, taken, run);
            }
        }
        self.end();
        Ok(self.verdict)
    }

    /// Takes a line before the chain; `false` for the first of the chain and all behind it.
    fn pass_old(
        &mut self,
        spot: Spot,
        block: Option<BlockHash>,
        line: &[u8],
        taken: Taken,
    ) -> bool {
        let Some(mut longer) = block else {
            return false;
        };
        if line.starts_with(LINE_BEGIN) {
            self.begin_chain();
            return false;
        }
        if taken.is_whole {
            longer.add(line);
        }
        if taken.is_ended {
            longer.add(b"\n");
        }
        self.block = Some(longer);
        self.verdict.old_lines = self.verdict.lines;
        let is_old = Told::of(line).is_some_and(|told| told.has_format(JOURNAL_FORMAT_BEFORE));
        self.strange = match self.strange {
            _ if is_old => None,
            None => Some(spot),
            strange => strange,
        };
        true
    }

    fn begin_chain(&mut self) {
        if let Some(block) = self.block.take() {
            let hash = block.end();
            self.links = Some(Links::begin(hash));
            self.meet(Head { seq: 0, hash }, TOP);
        }
    }

    fn pass(&mut self, spot: Spot, line: &[u8], taken: Taken, run: Tail) {
        let frame = Frame::of(line).filter(|_| taken.is_whole);
        let told = Told::of(line).filter(|_| taken.is_whole);
        let (Some(frame), Some(told)) = (frame, told) else {
            return self.add_to_run(spot, line, taken, run);
        };
        // A record that lacks its newline is one only where it is the next.
        let is_next =
            |last: Head| frame.prev == last.hash && Some(frame.seq) == last.seq.checked_add(1);
        let is_next = self
            .links
            .as_ref()
            .is_some_and(|links| is_next(links.last()));
        if !taken.is_ended && !is_next {
            return self.add_to_run(spot, line, taken, run);
        }
        let seq = Some(frame.seq);
        self.pass_record(&Read {
            spot: Spot { seq, ..spot },
            frame,
            told,
            hash: hash_of_line(line),
        });
    }

    fn add_to_run(&mut self, spot: Spot, line: &[u8], taken: Taken, mut tail: Tail) {
        tail.add(line, taken);
        let before = self.run.take();
        self.run = Some(Run {
            spot: before.as_ref().map_or(spot, |run| run.spot),
            lines: before.map_or(0, |run| run.lines).saturating_add(1),
            tail,
        });
    }

    fn pass_record(&mut self, read: &Read<'_>) {
        let Some(links) = &mut self.links else {
            return;
        };
        let before = links.last();
        let place = links.place(&read.frame, read.hash);
        let last = links.last();
        let spot = Spot {
            seq: Some(last.seq),
            ..read.spot
        };
        let is_filled = self.settle_run(read, place);
        self.settle_suspect(place);
        match place {
            Place::Next => {}
            Place::Unlinked if before.seq == 0 => match self.verdict.old_lines {
                0 => self.add(read.spot, Broken::Changed),
                lines => self.add(TOP, Broken::OldChanged { lines }),
            },
            Place::Unlinked => {
                self.suspect = self.last.map(|before| Suspect {
                    before,
                    behind: read.spot,
                });
            }
            Place::Misnumbered => self.add(spot, Broken::Changed),
            Place::Behind { .. } if is_filled => {}
            Place::Behind { from, to }
                if let Some(strange) = self.strange.filter(|_| from == 1) =>
            {
                self.add(strange, Broken::Spoiled { from, to });
            }
            Place::Behind { from, to } => self.add(read.spot, Broken::Missing { from, to }),
            Place::Displaced => self.add(read.spot, Broken::Displaced),
            Place::Repeated => self.add(read.spot, Broken::Repeated),
            Place::Branch { after } => self.add(read.spot, Broken::Branch { after }),
            Place::Unrelated => self.add(read.spot, Broken::Foreign { lines: 1 }),
        }
        let is_gone_on = !matches!(place, Place::Displaced | Place::Repeated | Place::Unrelated);
        if is_gone_on {
            self.last = Some(spot);
            self.verdict.head = Some(last);
            self.verdict.last = Some(read.frame.time);
            self.meet(last, read.spot);
            self.prove(read);
        }
    }

    /// Judges the lines before this record that are none; whether they account for the records that are missing.
    fn settle_run(&mut self, read: &Read<'_>, place: Place) -> bool {
        let run = self.run.take();
        let tells = read.told.is(RECOVERED);
        let Some(run) = run else {
            // What was torn before the first record is held with everything else before it.
            if tells && read.frame.seq > 1 {
                self.add(read.spot, Broken::TornChanged);
            }
            return false;
        };
        if tells {
            if run.tail.is_told_by(&read.told) {
                self.verdict.recovered = self.verdict.recovered.saturating_add(1);
            } else {
                self.add(run.spot, Broken::TornChanged);
            }
            return false;
        }
        match place {
            Place::Behind { from, to }
                if to.saturating_sub(from) < run.lines.saturating_mul(SPOILED_MAX) =>
            {
                let spot = Spot {
                    seq: Some(from),
                    ..run.spot
                };
                self.add(spot, Broken::Spoiled { from, to });
                true
            }
            _ => {
                self.add(run.spot, Broken::Foreign { lines: run.lines });
                false
            }
        }
    }

    /// Tells which of two lines was changed, now that there is one behind them.
    fn settle_suspect(&mut self, place: Place) {
        let Some(suspect) = self.suspect.take() else {
            return;
        };
        let vouches =
            place == Place::Next && self.last.map(|last| last.line) == Some(suspect.behind.line);
        self.blame(suspect, vouches);
    }

    /// `vouches`: something says that the line behind is as it was.
    fn blame(&mut self, suspect: Suspect, vouches: bool) {
        let what = if vouches {
            Broken::Changed
        } else {
            Broken::ChangedEither
        };
        self.add(suspect.before, what);
    }

    /// Compares a place of the chain with what is known of it from elsewhere.
    fn meet(&mut self, head: Head, spot: Spot) {
        if let Some(want) = self.evidence.against
            && want.seq == head.seq
            && !self.is_head_met
        {
            self.is_head_met = true;
            if want.hash != head.hash {
                self.add(spot, Broken::OtherBranch { want });
            }
        }
        if let Claim::End(claim) = &self.evidence.claim
            && claim.head.seq == head.seq
            && !self.is_state_met
        {
            self.is_state_met = true;
            self.codes_behind = Some(Codes::behind(head.seq, claim.key.clone()));
            // Before the first record the state has no hash to compare with.
            if claim.head.hash != head.hash && head.seq > 0 {
                self.add(spot, Broken::NotAsInState);
            }
        }
    }

    /// Checks what proves a record beyond its link.
    fn prove(&mut self, read: &Read<'_>) {
        self.prove_code(read);
        if read.told.is(CHECKPOINT) {
            match check_checkpoint(&read.frame, &read.told, self.evidence.seals) {
                Ok(()) => {
                    let count = if self.evidence.seals.is_some() {
                        &mut self.verdict.checkpoints
                    } else {
                        &mut self.verdict.checkpoints_unchecked
                    };
                    *count = count.saturating_add(1);
                    self.last_checkpoint = Some(read.frame.seq);
                }
                Err(why) => self.add(read.spot, Broken::Checkpoint { why }),
            }
        }
    }

    fn prove_code(&mut self, read: &Read<'_>) {
        let check = |codes: &mut Codes| codes.check(&read.frame);
        let by_key = self.codes.as_mut().and_then(check);
        let by_state = self.codes_behind.as_mut().and_then(check);
        if by_key == Some(false) || by_state == Some(false) {
            self.add(read.spot, Broken::Code);
        }
        let is_proven = by_key == Some(true);
        self.verdict.codes = self.verdict.codes.saturating_add(u64::from(is_proven));
        if let Some(begun) = begins_key(&read.told) {
            self.change_keys(read.frame.seq, begun);
        }
    }

    /// Goes on with the keys that begin behind this record, as far as they are known.
    fn change_keys(&mut self, seq: u64, begun: Digest) {
        let is_behind = matches!(&self.evidence.claim, Claim::End(claim) if claim.head.seq < seq);
        if is_behind {
            let pending = self.pending(begun);
            self.codes_behind = pending.map(|key| Codes::behind(seq, key));
        }
        let key = self.evidence.key.as_ref();
        let key = key.filter(|key| key.commitment() == begun);
        if key.is_some() {
            self.key_began = Some(seq);
            self.key_ended = None;
        } else if self.codes.is_some() {
            self.key_ended = Some(seq);
        }
        self.codes = key.map(|key| Codes::behind(seq, key.clone()));
    }

    /// The key that the state keeps for the records behind the one that begins it.
    fn pending(&self, begun: Digest) -> Option<ChainKey> {
        let Claim::End(StateClaim { pending, .. }) = &self.evidence.claim else {
            return None;
        };
        pending.clone().filter(|key| key.commitment() == begun)
    }

    fn end(&mut self) {
        // A log without records has a beginning too.
        self.begin_chain();
        self.end_run();
        if let Some(suspect) = self.suspect.take() {
            let vouches = self.is_vouched_for(suspect.behind.seq);
            self.blame(suspect, vouches);
        }
        self.end_state();
        let behind = self.behind();
        if let Some(want) = self.evidence.against.filter(|_| !self.is_head_met) {
            self.add(behind, Broken::RolledBack { want });
        }
        if self.evidence.key.is_some() && self.key_began.is_none() {
            self.add(behind, Broken::KeyUnknown);
        }
        self.verdict.breaks.sort_by_key(|found| found.line);
        self.verdict.unproven = self.unproven();
    }

    /// Whether the state has the record with this number as it is here.
    fn is_vouched_for(&self, seq: Option<u64>) -> bool {
        let Claim::End(claim) = &self.evidence.claim else {
            return false;
        };
        Some(claim.head.seq) == seq && self.verdict.head == Some(claim.head)
    }

    /// Judges what is behind the last record.
    fn end_run(&mut self) {
        let Some(run) = self.run.take() else {
            return;
        };
        if run.tail.may_be_torn() {
            let bytes = run.tail.torn().bytes;
            self.verdict.unproven.push(Unproven::Torn { bytes });
        } else {
            self.add(run.spot, Broken::Foreign { lines: run.lines });
        }
    }

    fn end_state(&mut self) {
        let behind = self.behind();
        match &self.evidence.claim {
            Claim::Unasked => {}
            Claim::Missing if self.verdict.head.is_some() => self.add(behind, Broken::StateMissing),
            Claim::Missing => {}
            Claim::Damaged => self.add(behind, Broken::StateDamaged),
            Claim::End(claim) => {
                // A log that comes to its end and is shorter is one of which something else is missing, as was said.
                let is_short = self.verdict.bytes < claim.end && self.verdict.is_whole();
                if is_short || !self.is_state_met {
                    let what = Broken::Cut {
                        have_bytes: self.verdict.bytes,
                        want_bytes: claim.end,
                        want_seq: claim.head.seq,
                    };
                    self.add(behind, what);
                }
            }
        }
    }

    /// The place behind the last line.
    fn behind(&self) -> Spot {
        Spot {
            line: self.verdict.lines.saturating_add(1),
            offset: self.verdict.bytes,
            seq: None,
        }
    }

    fn unproven(&mut self) -> Vec<Unproven> {
        let mut unproven = mem::take(&mut self.verdict.unproven);
        if self.verdict.old_lines > 0 && self.verdict.head.is_some() {
            let lines = self.verdict.old_lines;
            unproven.push(Unproven::OldLines { lines });
        }
        let Some(head) = self.verdict.head else {
            unproven.extend((self.verdict.lines > 0).then_some(Unproven::NoChain));
            unproven.extend(self.evidence.against.is_none().then_some(Unproven::NoHead));
            return unproven;
        };
        let checked = self
            .last_checkpoint
            .filter(|_| self.evidence.seals.is_some());
        unproven.extend(match checked {
            None => Some(Unproven::NoCheckpoint),
            Some(seq) => {
                let lines = head.seq.saturating_sub(seq);
                (lines > 0).then_some(Unproven::BehindCheckpoint { lines })
            }
        });
        unproven.extend((self.evidence.claim == Claim::Unasked).then_some(Unproven::NoState));
        unproven.extend(self.key_began.map(|seq| Unproven::BeforeKey { seq }));
        unproven.extend(self.key_ended.map(|seq| Unproven::BehindKey { seq }));
        unproven.extend(self.evidence.key.is_none().then_some(Unproven::NoKey));
        unproven.extend(self.evidence.against.is_none().then_some(Unproven::NoHead));
        unproven
    }

    fn add(&mut self, spot: Spot, what: Broken) {
        let found = Break {
            line: spot.line,
            offset: spot.offset,
            seq: spot.seq,
            what,
        };
        if self.verdict.breaks.contains(&found) {
            return;
        }
        if self.verdict.breaks.len() < BREAKS_MAX {
            self.verdict.breaks.push(found);
        } else {
            self.verdict.breaks_more = self.verdict.breaks_more.saturating_add(1);
        }
    }
}
