//! Lengths of time, as people write them.
//!
//! Whole milliseconds; a length that does not fit 64 bits, names a unit twice or out of order, or has no unit, is refused.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::serde_text::serde_as_text;

/// A length of time in milliseconds: `30s`, `10m`, `1h30m`, `500ms`, `7d`.
///
/// Units stand from large to small, each once. Printed the same way, in as few units as are exact.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Span(u64);

impl Span {
    /// That many milliseconds.
    #[must_use]
    pub const fn from_ms(ms: u64) -> Self {
        Self(ms)
    }

    /// That many seconds, at most what 64 bits of milliseconds hold.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1_000))
    }

    /// The length in milliseconds.
    #[must_use]
    pub const fn ms(self) -> u64 {
        self.0
    }

    /// The length as the standard library's duration.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(SpanError::NoNumber);
        }
        let mut rest = text;
        let mut total_ms: u64 = 0;
        let mut units = UNITS.as_slice();
        while !rest.is_empty() {
            let (count, unit, after) = split_item(rest)?;
            // INVARIANT: `units` only shrinks to what is smaller than the unit just read, so the loop ends after 5 rounds.
            let place = units
                .iter()
                .position(|(name, _)| *name == unit)
                .ok_or_else(|| unit_fault(unit))?;
            let (_, factor) = units.get(place).ok_or(SpanError::Order)?;
            units = units.get(place + 1..).unwrap_or_default();
            let ms = count.checked_mul(*factor).ok_or(SpanError::TooLong)?;
            total_ms = total_ms.checked_add(ms).ok_or(SpanError::TooLong)?;
            rest = after;
        }
        Ok(Self(total_ms))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return out.write_str("0s");
        }
        let mut rest = self.0;
        for (unit, factor) in UNITS {
            let count = rest / factor;
            rest %= factor;
            if count > 0 {
                write!(out, "{count}{unit}")?;
            }
        }
        Ok(())
    }
}

serde_as_text!(Span);

/// Why a text is not a length of time.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SpanError {
    /// A digit was expected.
    #[error("expected a length of time such as `30s` or `1h30m`")]
    NoNumber,
    /// A number has no unit.
    #[error("`{}` needs a unit: d, h, m, s or ms", crate::Shown(.number))]
    NoUnit {
        /// The number without one.
        number: String,
    },
    /// The unit is unknown.
    #[error("unknown unit `{}`: use d, h, m, s or ms", crate::Shown(.unit))]
    Unit {
        /// What stands after the number.
        unit: String,
    },
    /// A unit comes twice, or after a smaller one.
    #[error("units stand from large to small, each once")]
    Order,
    /// More than 64 bits of milliseconds hold.
    #[error("longer than can be counted")]
    TooLong,
}

const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Splits the first number and its unit off: `1h30m` gives 1, `h` and `30m`.
fn split_item(text: &str) -> Result<(u64, &str, &str), SpanError> {
    let digits_end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at(digits_end);
    if digits.is_empty() {
        return Err(SpanError::NoNumber);
    }
    let unit_end = rest
        .find(|c: char| c.is_ascii_digit())
        .unwrap_or(rest.len());
    let (unit, after) = rest.split_at(unit_end);
    if unit.is_empty() {
        return Err(SpanError::NoUnit {
            number: digits.to_owned(),
        });
    }
    let count = digits.parse().map_err(|_| SpanError::TooLong)?;
    Ok((count, unit, after))
}

fn unit_fault(unit: &str) -> SpanError {
    if UNITS.iter().any(|(name, _)| *name == unit) {
        SpanError::Order
    } else {
        SpanError::Unit {
            unit: unit.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spans_are_read_as_people_write_them() {
        for (text, ms, printed) in [
            ("30s", 30_000, "30s"),
            ("10m", 600_000, "10m"),
            ("1h30m", 5_400_000, "1h30m"),
            ("90m", 5_400_000, "1h30m"),
            ("500ms", 500, "500ms"),
            ("1500ms", 1_500, "1s500ms"),
            ("2d", 172_800_000, "2d"),
            ("0s", 0, "0s"),
        ] {
            let span: Span = text.parse().unwrap();
            assert_eq!(
                (span.ms(), span.to_string().as_str()),
                (ms, printed),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_not_a_span_is_refused_with_its_reason() {
        for (text, error) in [
            ("", "expected a length of time such as `30s` or `1h30m`"),
            ("-3s", "expected a length of time such as `30s` or `1h30m`"),
            ("30", "`30` needs a unit: d, h, m, s or ms"),
            ("1h30", "`30` needs a unit: d, h, m, s or ms"),
            ("3 s", "unknown unit ` s`: use d, h, m, s or ms"),
            (
                "3\u{202e}w",
                "unknown unit `\\u{202e}w`: use d, h, m, s or ms",
            ),
            ("3w", "unknown unit `w`: use d, h, m, s or ms"),
            ("5m1h", "units stand from large to small, each once"),
            ("5m5m", "units stand from large to small, each once"),
            ("99999999999999999999s", "longer than can be counted"),
            ("18446744073709551615s", "longer than can be counted"),
        ] {
            assert_eq!(
                text.parse::<Span>().unwrap_err().to_string(),
                error,
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_span_reads_what_it_prints(ms: u64) {
            let span = Span::from_ms(ms);
            prop_assert_eq!(span.to_string().parse(), Ok(span));
        }

        #[test]
        fn no_text_makes_the_span_parser_panic(text in "[0-9dhms .-]{0,40}") {
            let _ = text.parse::<Span>();
        }
    }
}
