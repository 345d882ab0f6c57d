//! The name of a run, chosen by its caller and the same on every node.
//!
//! Made from a clock reading and random bytes that the caller of this code brings; neither is taken here.

use std::fmt;
use std::str::FromStr;

use crate::digest::{read_hex, write_hex};
use crate::serde_text::serde_as_text;

/// A run's id: 32 lower-case hex characters, a UUIDv7 without dashes when made here.
///
/// Any 32 hex characters are read, because the id of a scheduled slot is derived and not drawn.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RunId([u8; 16]);

impl RunId {
    /// A UUIDv7 of `unix_ms` (milliseconds since 1970, its lower 48 bits) and 74 of the 80 random bits.
    #[must_use]
    pub fn from_parts(unix_ms: u64, random: [u8; 10]) -> Self {
        let [_, _, t0, t1, t2, t3, t4, t5] = unix_ms.to_be_bytes();
        let [r0, r1, r2, r3, r4, r5, r6, r7, r8, r9] = random;
        let version = 0x70 | (r0 & 0x0f);
        let variant = 0x80 | (r2 & 0x3f);
        Self([
            t0, t1, t2, t3, t4, t5, version, r1, variant, r3, r4, r5, r6, r7, r8, r9,
        ])
    }

    /// The 16 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl FromStr for RunId {
    type Err = RunIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        read_hex(text).map(Self).ok_or(RunIdError)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, out)
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "RunId({self})")
    }
}

serde_as_text!(RunId);

/// Why a text is not a run id.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("expected 32 lower-case hex characters")]
pub struct RunIdError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_id_is_a_uuid_of_version_seven() {
        let run = RunId::from_parts(0x0192_f3c1_a2b4, [0xff; 10]);
        assert_eq!(run.to_string(), "0192f3c1a2b47fffbfffffffffffffff");
        let run = RunId::from_parts(0x0192_f3c1_a2b4, [0; 10]);
        assert_eq!(run.to_string(), "0192f3c1a2b470008000000000000000");
    }

    #[test]
    fn later_runs_sort_after_earlier_ones() {
        assert!(RunId::from_parts(1_000, [0xff; 10]) < RunId::from_parts(1_001, [0; 10]));
    }

    #[test]
    fn a_run_id_reads_what_it_prints_and_nothing_else() {
        let run = RunId::from_parts(7, *b"0123456789");
        assert_eq!(run.to_string().parse(), Ok(run));
        for bad in [
            "",
            "0192F3C1A2B47FFFBFFFFFFFFFFFFFFF",
            "0192f3c1-a2b4-7fff-bfff-ffffffffffff",
            "../../etc",
        ] {
            assert_eq!(bad.parse::<RunId>(), Err(RunIdError), "{bad}");
        }
    }
}
