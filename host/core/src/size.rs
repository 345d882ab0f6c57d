//! Amounts of bytes, as people write them.
//!
//! Whole bytes only; a size that does not fit 64 bits, or has a fraction of a byte, is refused.

use std::fmt;
use std::str::FromStr;

use crate::serde_text::serde_as_text;

/// An amount of bytes: `64MiB`, `1 GiB`, `500kB`, `4096`.
///
/// Printed with the largest binary unit that divides it: `64MiB`, and `500000B` for what has none.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ByteSize(u64);

impl ByteSize {
    /// That many bytes.
    #[must_use]
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// That many KiB (1,024 bytes), at most what 64 bits hold.
    #[must_use]
    pub const fn kib(count: u64) -> Self {
        Self(count.saturating_mul(1 << 10))
    }

    /// That many MiB (1,048,576 bytes), at most what 64 bits hold.
    #[must_use]
    pub const fn mib(count: u64) -> Self {
        Self(count.saturating_mul(1 << 20))
    }

    /// The amount in bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for ByteSize {
    type Err = ByteSizeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits_end = text
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len());
        let (digits, unit) = text.split_at(digits_end);
        if digits.is_empty() {
            return Err(ByteSizeError::NoNumber);
        }
        let unit = unit
            .strip_prefix(' ')
            .filter(|unit| !unit.is_empty())
            .unwrap_or(unit);
        let factor = factor_of(unit).ok_or_else(|| ByteSizeError::Unit {
            unit: unit.to_owned(),
        })?;
        let count: u64 = digits.parse().map_err(|_| ByteSizeError::TooLarge)?;
        count
            .checked_mul(factor)
            .map(Self)
            .ok_or(ByteSizeError::TooLarge)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = BINARY_UNITS
            .iter()
            .find(|(_, factor)| self.0 >= *factor && self.0.is_multiple_of(*factor));
        match exact {
            Some((unit, factor)) => write!(out, "{}{unit}", self.0 / factor),
            None => write!(out, "{}B", self.0),
        }
    }
}

serde_as_text!(ByteSize);

/// Why a text is not an amount of bytes.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ByteSizeError {
    /// It does not begin with a digit.
    #[error("expected a whole number of bytes such as `64MiB`")]
    NoNumber,
    /// The unit is unknown.
    #[error("unknown unit `{}`: use B, kB, MB, GB, TB, KiB, MiB, GiB or TiB", crate::Shown(.unit))]
    Unit {
        /// What stands after the number.
        unit: String,
    },
    /// More than 64 bits hold.
    #[error("more bytes than can be counted")]
    TooLarge,
}

const BINARY_UNITS: [(&str, u64); 4] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
];

fn factor_of(unit: &str) -> Option<u64> {
    let decimal = match unit {
        "" | "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        _ => {
            return BINARY_UNITS
                .iter()
                .find(|(name, _)| *name == unit)
                .map(|(_, factor)| *factor);
        }
    };
    Some(decimal)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes, printed) in [
            ("4096", 4096, "4KiB"),
            ("64MiB", 64 << 20, "64MiB"),
            ("1 GiB", 1 << 30, "1GiB"),
            ("500kB", 500_000, "500000B"),
            ("0", 0, "0B"),
            ("1536KiB", 1536 << 10, "1536KiB"),
            ("2TiB", 2 << 40, "2TiB"),
        ] {
            let size: ByteSize = text.parse().unwrap();
            assert_eq!(
                (size.bytes(), size.to_string().as_str()),
                (bytes, printed),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_not_a_size_is_refused_with_its_reason() {
        for (text, error) in [
            ("", "expected a whole number of bytes such as `64MiB`"),
            ("-1", "expected a whole number of bytes such as `64MiB`"),
            (
                "1.5GiB",
                "unknown unit `.5GiB`: use B, kB, MB, GB, TB, KiB, MiB, GiB or TiB",
            ),
            (
                "5 ",
                "unknown unit ` `: use B, kB, MB, GB, TB, KiB, MiB, GiB or TiB",
            ),
            (
                "5m",
                "unknown unit `m`: use B, kB, MB, GB, TB, KiB, MiB, GiB or TiB",
            ),
            (
                "5\u{1b}[2J",
                "unknown unit `\\u{1b}[2J`: use B, kB, MB, GB, TB, KiB, MiB, GiB or TiB",
            ),
            ("18446744073709551616", "more bytes than can be counted"),
            ("16777216TiB", "more bytes than can be counted"),
        ] {
            assert_eq!(
                text.parse::<ByteSize>().unwrap_err().to_string(),
                error,
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_size_reads_what_it_prints(bytes: u64, shift in 0_u32..50) {
            let size = ByteSize::from_bytes(bytes >> shift << shift);
            prop_assert_eq!(size.to_string().parse(), Ok(size));
        }

        #[test]
        fn no_text_makes_the_size_parser_panic(text in ".{0,40}") {
            let _ = text.parse::<ByteSize>();
        }
    }
}
