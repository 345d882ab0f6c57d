//! Known dates, and texts that are none.

use proptest::prelude::*;

use super::*;

fn moment(text: &str) -> Moment {
    text.parse().unwrap()
}

#[test]
fn known_times_have_their_known_seconds() {
    for (text, seconds) in [
        ("1970-01-01", 0),
        ("1970-01-01T00:00:01Z", 1),
        ("2000-02-29", 951_782_400),
        ("2000-03-01T00:00:00Z", 951_868_800),
        ("2026-11-21T08:30:15Z", 1_795_249_815),
        ("2100-03-01", 4_107_542_400),
        ("9999-12-31T23:59:59Z", 253_402_300_799),
    ] {
        assert_eq!(moment(text).first_second(), seconds, "{text}");
        assert_eq!(moment(text).to_string(), text);
    }
}

#[test]
fn a_day_begins_with_its_first_second_and_ends_with_its_last() {
    let day = moment("2026-11-21");
    let first = day.first_second();
    assert!(day.is_after(first - 1) && !day.is_after(first));
    assert!(!day.is_before(first + 86_399) && day.is_before(first + 86_400));
}

#[test]
fn a_second_is_over_with_the_next() {
    let second = moment("2026-11-21T08:30:00Z");
    let at = second.first_second();
    assert!(second.is_after(at - 1) && !second.is_after(at));
    assert!(!second.is_before(at) && second.is_before(at + 1));
}

#[test]
fn compact_texts_are_seconds_in_utc() {
    for (compact, text) in [
        ("20261121", "2026-11-21T00:00:00Z"),
        ("20261121Z", "2026-11-21T00:00:00Z"),
        ("202611210830", "2026-11-21T08:30:00Z"),
        ("20261121083015Z", "2026-11-21T08:30:15Z"),
    ] {
        assert_eq!(Moment::from_compact(compact), Ok(moment(text)));
    }
    for bad in [
        "",
        "Z",
        "2026112",
        "20261121ZZ",
        "2026-11-21",
        "2026112108301",
        "+2261121",
    ] {
        assert_eq!(Moment::from_compact(bad), Err(MomentError::Form), "{bad}");
    }
    assert_eq!(
        Moment::from_compact("20261321"),
        Err(MomentError::Impossible)
    );
}

#[test]
fn other_forms_and_impossible_days_are_refused() {
    for bad in [
        "",
        "2026",
        "2026-11",
        "2026-11-21-1",
        "26-11-21",
        "2026-1-21",
        "2026/11/21",
        " 2026-11-21",
        "2026-11-21T08:30:00",
        "2026-11-21T08:30:00+01:00",
        "2026-11-21T08:30Z",
        "2026-11-21T08:30:00.5Z",
        "2026-11-21t08:30:00z",
        "2026-11-21T",
        "+026-11-21",
    ] {
        assert_eq!(bad.parse::<Moment>(), Err(MomentError::Form), "{bad}");
    }
    for bad in [
        "1969-12-31",
        "2026-00-10",
        "2026-13-10",
        "2026-02-29",
        "2100-02-29",
        "2026-04-31",
        "2026-11-00",
        "2026-11-21T24:00:00Z",
        "2026-11-21T08:60:00Z",
        "2026-12-31T23:59:60Z",
    ] {
        assert_eq!(bad.parse::<Moment>(), Err(MomentError::Impossible), "{bad}");
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in ".{0,24}") {
        if let Ok(moment) = text.parse::<Moment>() {
            prop_assert_eq!(moment.to_string(), text);
        }
    }

    #[test]
    fn each_day_is_one_day_after_the_day_before(
        year in 1_970_u64..10_000, month in 1_u64..=12, day in 2_u64..=31,
    ) {
        let days = [day - 1, day].map(|day| Moment::of_calendar(year, month, day, None));
        if let [Ok(before), Ok(after)] = days {
            prop_assert_eq!(before.first_second() + DAY_SECONDS, after.first_second());
        }
    }
}
