//! The order of versions.

use super::*;

fn version(text: &str) -> Version {
    text.parse().unwrap()
}

#[test]
fn versions_rise_as_semantic_versioning_says() {
    let rising = [
        "0.0.1",
        "0.9",
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
        "1.0.0-rc.1",
        "1.0.0",
        "1.0.1-0",
        "1.0.1",
        "1.2",
        "1.9.9",
        "1.10.0",
        "2-1",
        "2",
        "10.0.0",
        "2026.01.05",
        "2026.1.6",
    ];
    for (at, low) in rising.iter().enumerate() {
        for high in &rising[at + 1..] {
            assert!(version(low).is_below(&version(high)), "{low} < {high}");
            assert!(!version(high).is_below(&version(low)), "{high} >= {low}");
        }
    }
}

#[test]
fn missing_numbers_are_zero_and_builds_do_not_count() {
    for (one, other) in [
        ("1", "1.0.0"),
        ("1.4", "1.4.0+linux"),
        ("1.0+a", "1.0+b-1.x"),
        ("01.2", "1.2"),
    ] {
        assert!(!version(one).is_below(&version(other)), "{one}, {other}");
        assert!(!version(other).is_below(&version(one)), "{one}, {other}");
    }
}

#[test]
fn what_cannot_be_compared_is_refused() {
    for bad in [
        "",
        "v1.0",
        "1.",
        ".1",
        "1..2",
        "1.x",
        "-1",
        "1-",
        "1+",
        "1-a..b",
        "1 ",
        "1.0-ä",
        "1.0+a+b",
        "+1",
        "1.2.3.4.5.6.7.8.9",
        "18446744073709551616",
        "1.0-18446744073709551616",
        "latest",
    ] {
        assert!(bad.parse::<Version>().is_err(), "{bad}");
    }
    assert!(
        "1".repeat(VERSION_BYTES_MAX + 1)
            .parse::<Version>()
            .is_err()
    );
}
