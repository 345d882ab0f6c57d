//! Finds the name that someone probably meant.
//!
//! A suggestion is a courtesy in a message and decides nothing: a wrong name stays an error.

/// Longer names are compared no further, so that a hostile one costs little.
const NAME_CHARS_MAX: usize = 64;

/// How many candidates are looked at.
const CANDIDATES_MAX: usize = 1024;

/// The candidate nearest to `wanted`, where one is near enough to be a slip of the hand.
pub(crate) fn nearest<'a>(
    wanted: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let wanted: Vec<char> = wanted.chars().take(NAME_CHARS_MAX + 1).collect();
    if wanted.is_empty() || wanted.len() > NAME_CHARS_MAX {
        return None;
    }
    let slips_max = (wanted.len() / 3).clamp(1, 3);
    candidates
        .take(CANDIDATES_MAX)
        .filter(|candidate| candidate.chars().count() <= NAME_CHARS_MAX)
        .map(|candidate| (slips(&wanted, candidate), candidate))
        .filter(|(slips, _)| *slips <= slips_max)
        .min()
        .map(|(_, candidate)| candidate)
}

/// How many characters must be added, dropped or changed to turn one name into the other.
fn slips(from: &[char], to: &str) -> usize {
    let mut row: Vec<usize> = (0..=from.len()).collect();
    for (above, wanted) in to.chars().enumerate() {
        let mut next = Vec::with_capacity(row.len());
        let mut left = above + 1;
        next.push(left);
        for ((here, pair), have) in row.iter().zip(row.iter().skip(1)).zip(from) {
            left = (here + usize::from(*have != wanted))
                .min(pair + 1)
                .min(left + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_the_name_and_a_different_word_does_not() {
        let names = ["action", "name", "force", "service_provider"];
        let cases = [
            ("actoin", Some("action")),
            ("nme", Some("name")),
            ("service-provider", Some("service_provider")),
            ("reload", None),
            ("", None),
            ("x", None),
        ];
        for (wanted, found) in cases {
            assert_eq!(nearest(wanted, names.into_iter()), found, "{wanted}");
        }
        assert_eq!(nearest(&"a".repeat(65), std::iter::once("a")), None);
    }

    #[test]
    fn slips_are_counted_both_ways() {
        let count = |from: &str, to: &str| slips(&from.chars().collect::<Vec<_>>(), to);
        let cases = [
            ("kitten", "sitting", 3),
            ("", "abc", 3),
            ("abc", "abc", 0),
            ("ab", "ba", 2),
        ];
        for (from, to, wanted) in cases {
            assert_eq!(count(from, to), wanted);
            assert_eq!(count(to, from), wanted);
        }
    }
}
