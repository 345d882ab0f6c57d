//! Points in time as records write them: RFC 3339, UTC, milliseconds.
//!
//! No clock is read: whoever has one brings the reading. Leap seconds are not known, as in the clock itself.

use std::fmt;
use std::str::FromStr;

use crate::serde_text::serde_as_text;

/// A point in time between the years 1970 and 9999, such as `2026-11-21T09:20:11.042Z`.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Timestamp {
    unix_ms: u64,
}

impl Timestamp {
    /// The point in time that many seconds and nanoseconds after 1970 began, cut to milliseconds.
    ///
    /// What lies after the year 9999 becomes its last millisecond.
    #[must_use]
    pub const fn from_unix(seconds: u64, nanos: u32) -> Self {
        let ms = seconds
            .saturating_mul(1_000)
            .saturating_add(nanos as u64 / 1_000_000);
        Self {
            unix_ms: if ms > UNIX_MS_MAX { UNIX_MS_MAX } else { ms },
        }
    }

    /// Milliseconds since 1970 began.
    #[must_use]
    pub const fn unix_ms(self) -> u64 {
        self.unix_ms
    }

    /// Whole seconds since 1970 began.
    #[must_use]
    pub const fn unix_seconds(self) -> u64 {
        self.unix_ms / 1_000
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil_from_days(self.unix_ms / DAY_MS);
        let ms = self.unix_ms % DAY_MS;
        let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
        write!(
            out,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z",
            ms % 1_000
        )
    }
}

/// Reads UTC only, with `T` and `Z`, and at most nine digits of a second's fraction, cut to milliseconds.
impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        read(text).ok_or_else(|| TimestampError {
            text: text.chars().take(SHOWN_CHARACTERS_MAX).collect(),
        })
    }
}

serde_as_text!(Timestamp);

/// Why a text is not a point in time.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{}` is not a time in UTC such as `2026-11-21T09:20:11Z`", crate::Shown(.text))]
pub struct TimestampError {
    text: String,
}

const DAY_MS: u64 = 86_400_000;
/// The last millisecond of the year 9999.
const UNIX_MS_MAX: u64 = 253_402_300_799_999;
/// How much of a bad text an error repeats.
const SHOWN_CHARACTERS_MAX: usize = 40;

fn read(text: &str) -> Option<Timestamp> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let (clock, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [year, month, day] = fields(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = fields(clock, ':', [2, 2, 2])?;
    if hour > 23 || minute > 59 || second > 59 || !(1..=9).contains(&fraction.len()) {
        return None;
    }
    let days = days_from_civil(year, month, day)?;
    let nanos: u32 = format!("{fraction:0<9}")
        .parse()
        .ok()
        .filter(|_| is_digits(fraction))?;
    Some(Timestamp::from_unix(
        days * 86_400 + hour * 3_600 + minute * 60 + second,
        nanos,
    ))
}

/// Reads three numbers of fixed width.
fn fields(text: &str, separator: char, widths: [usize; 3]) -> Option<[u64; 3]> {
    let mut pieces = text.split(separator);
    let mut numbers = [0; 3];
    for (number, width) in numbers.iter_mut().zip(widths) {
        let piece = pieces
            .next()
            .filter(|piece| piece.len() == width && is_digits(piece))?;
        *number = piece.parse().ok()?;
    }
    pieces.next().is_none().then_some(numbers)
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The date of a day counted from 1970-01-01.
///
/// Years are taken from March on, so that the leap day is the last of its year; 400 such years always have 146,097 days.
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let days = days + MARCH_OF_YEAR_ZERO;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// The day of a date, counted from 1970-01-01; none if there is no such date, or it is earlier.
fn days_from_civil(year: u64, month: u64, day: u64) -> Option<u64> {
    if year < 1970 || !(1..=12).contains(&month) {
        return None;
    }
    let march_year = if month <= 2 { year - 1 } else { year };
    let month_from_march = if month <= 2 { month + 9 } else { month - 3 };
    let years = 365 * march_year + march_year / 4 - march_year / 100 + march_year / 400;
    let days =
        (years + (153 * month_from_march + 2) / 5 + day).checked_sub(MARCH_OF_YEAR_ZERO + 1)?;
    // A day that the month does not have comes back as another date.
    (civil_from_days(days) == (year, month, day)).then_some(days)
}

/// Days from the first of March of the year 0 to 1970-01-01.
const MARCH_OF_YEAR_ZERO: u64 = 719_468;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_dates_are_printed_and_read() {
        for (seconds, nanos, text) in [
            (0, 0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, 0, "2000-02-29T00:00:00.000Z"),
            (951_868_799, 999_999_999, "2000-02-29T23:59:59.999Z"),
            (1_000_000_000, 0, "2001-09-09T01:46:40.000Z"),
            (1_709_164_800, 0, "2024-02-29T00:00:00.000Z"),
            (1_795_252_811, 42_000_000, "2026-11-21T09:20:11.042Z"),
            (2_147_483_647, 0, "2038-01-19T03:14:07.000Z"),
            (4_107_542_399, 0, "2100-02-28T23:59:59.000Z"),
            (4_107_542_400, 0, "2100-03-01T00:00:00.000Z"),
            (253_402_300_799, 0, "9999-12-31T23:59:59.000Z"),
        ] {
            let time = Timestamp::from_unix(seconds, nanos);
            assert_eq!(time.to_string(), text);
            assert_eq!(text.parse(), Ok(time));
        }
        assert_eq!(
            Timestamp::from_unix(u64::MAX, u32::MAX).to_string(),
            "9999-12-31T23:59:59.999Z"
        );
    }

    #[test]
    fn fractions_are_cut_to_milliseconds() {
        for (text, ms) in [
            ("2026-01-01T00:00:00Z", 0),
            ("2026-01-01T00:00:00.5Z", 500),
            ("2026-01-01T00:00:00.123456789Z", 123),
        ] {
            assert_eq!(
                text.parse::<Timestamp>().unwrap().unix_ms() % 1_000,
                ms,
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for bad in [
            "",
            "2026-11-21",
            "2026-11-21T09:20:11",
            "2026-11-21 09:20:11Z",
            "2026-11-21T09:20:11+00:00",
            "2026-11-21T09:20:11.Z",
            "2026-11-21T09:20:11.1234567890Z",
            "2026-11-21T09:20:11.1aZ",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2100-02-29T00:00:00Z",
            "2026-04-31T00:00:00Z",
            "2026-04-00T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:60:00Z",
            "2026-01-01T00:00:60Z",
            "1969-12-31T23:59:59Z",
            "+026-01-01T00:00:00Z",
        ] {
            assert!(bad.parse::<Timestamp>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_timestamp_reads_what_it_prints(ms in 0..=UNIX_MS_MAX) {
            let time = Timestamp { unix_ms: ms };
            prop_assert_eq!(time.to_string().parse(), Ok(time));
        }

        /// The oracle counts one day after another.
        #[test]
        fn the_next_day_follows_the_calendar(days in 0_u64..2_932_896) {
            let (year, month, day) = civil_from_days(days);
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let month_days = match month {
                2 => if leap { 29 } else { 28 },
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            let next = match (month, day) {
                (12, 31) => (year + 1, 1, 1),
                (_, last) if last == month_days => (year, month + 1, 1),
                _ => (year, month, day + 1),
            };
            prop_assert_eq!(civil_from_days(days + 1), next);
        }
    }
}
