//! Days and points in time as trust lists write them, always in UTC.
//!
//! `2026-11-21` is a whole day, `2026-11-21T08:30:00Z` a second; `20261121083000Z` is how `allowed_signers`
//! files say the latter. Refused are offsets from UTC, fractions, leap seconds, days that the calendar does
//! not have, and years before 1970. The clock is never read: the time to compare with is an argument.

use std::fmt;
use std::str::FromStr;

#[cfg(test)]
mod tests;

const DAY_SECONDS: u64 = 24 * 60 * 60;
const YEAR_FIRST: u64 = 1_970;

/// Why a text is not a day or a point in time.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MomentError {
    /// The text has another form.
    #[error("not a date such as `2026-11-21`, nor a time in UTC such as `2026-11-21T08:30:00Z`")]
    Form,
    /// No such day or time exists, or it is before 1970.
    #[error("no such day or time")]
    Impossible,
}

/// A day or a second, in UTC.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Moment {
    year: u64,
    month: u64,
    day: u64,
    /// Hour, minute and second; `None` is the whole day.
    time: Option<[u64; 3]>,
}

impl Moment {
    /// Whether `now_unix` is before this second, or before the first second of this day.
    #[must_use]
    pub fn is_after(&self, now_unix: u64) -> bool {
        now_unix < self.first_second()
    }

    /// Whether `now_unix` is past this second, or past the last second of this day.
    #[must_use]
    pub fn is_before(&self, now_unix: u64) -> bool {
        let lasts = if self.time.is_some() { 1 } else { DAY_SECONDS };
        now_unix >= self.first_second() + lasts
    }

    /// Reads the digits of `valid-after` and `valid-before`: `YYYYMMDD[HHMM[SS]]`, with or without `Z`.
    ///
    /// OpenSSH reads a text without `Z` in the time zone of its machine. Nobody knows that one here, so all
    /// are UTC.
    ///
    /// # Errors
    ///
    /// When the text has another form, or no such time exists.
    pub fn from_compact(text: &str) -> Result<Self, MomentError> {
        let digits = text.strip_suffix('Z').unwrap_or(text);
        let parts = match digits.len() {
            8 => [4, 2, 2].as_slice(),
            12 => [4, 2, 2, 2, 2].as_slice(),
            14 => [4, 2, 2, 2, 2, 2].as_slice(),
            _ => return Err(MomentError::Form),
        };
        let mut numbers = [0; 6];
        let mut rest = digits;
        for (number, length) in numbers.iter_mut().zip(parts) {
            let (part, after) = rest.split_at_checked(*length).ok_or(MomentError::Form)?;
            *number = decimal(part)?;
            rest = after;
        }
        let [year, month, day, hour, minute, second] = numbers;
        Self::of_calendar(year, month, day, Some([hour, minute, second]))
    }

    fn of_calendar(
        year: u64,
        month: u64,
        day: u64,
        time: Option<[u64; 3]>,
    ) -> Result<Self, MomentError> {
        let [hour, minute, second] = time.unwrap_or_default();
        let exists = year >= YEAR_FIRST
            && (1..=12).contains(&month)
            && (1..=days_of_month(year, month)).contains(&day)
            && hour < 24
            && minute < 60
            && second < 60;
        if exists {
            Ok(Self {
                year,
                month,
                day,
                time,
            })
        } else {
            Err(MomentError::Impossible)
        }
    }

    fn first_second(&self) -> u64 {
        let years = (YEAR_FIRST..self.year).map(days_of_year).sum::<u64>();
        let months = (1..self.month)
            .map(|month| days_of_month(self.year, month))
            .sum::<u64>();
        let [hour, minute, second] = self.time.unwrap_or_default();
        (years + months + self.day - 1) * DAY_SECONDS + hour * 3_600 + minute * 60 + second
    }
}

/// Reads `YYYY-MM-DD` or `YYYY-MM-DDTHH:MM:SSZ`.
impl FromStr for Moment {
    type Err = MomentError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (date, time) = match text.split_once('T') {
            Some((date, time)) => (date, Some(time.strip_suffix('Z').ok_or(MomentError::Form)?)),
            None => (text, None),
        };
        let [year, month, day] = three(date, '-', [4, 2, 2])?;
        let time = time.map(|time| three(time, ':', [2, 2, 2])).transpose()?;
        Self::of_calendar(year, month, day, time)
    }
}

/// Writes the text that [`Moment::from_str`] reads.
impl fmt::Display for Moment {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:04}-{:02}-{:02}", self.year, self.month, self.day)?;
        match self.time {
            Some([hour, minute, second]) => write!(out, "T{hour:02}:{minute:02}:{second:02}Z"),
            None => Ok(()),
        }
    }
}

/// Splits into three numbers of exactly these lengths.
fn three(text: &str, between: char, lengths: [usize; 3]) -> Result<[u64; 3], MomentError> {
    let mut parts = text.split(between);
    let mut numbers = [0; 3];
    for (number, length) in numbers.iter_mut().zip(lengths) {
        let part = parts.next().filter(|part| part.len() == length);
        *number = decimal(part.ok_or(MomentError::Form)?)?;
    }
    if parts.next().is_some() {
        Err(MomentError::Form)
    } else {
        Ok(numbers)
    }
}

/// Digits only: `u64::from_str` would take a sign as well.
fn decimal(text: &str) -> Result<u64, MomentError> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(MomentError::Form);
    }
    text.parse().map_err(|_| MomentError::Form)
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_of_year(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

fn days_of_month(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}
