//! How many lines of a text are new and how many are gone, as `diff` would count them.

/// The most lines that differ before counting is given up; its cost is the square of that.
const DIFFERENCES_MAX: usize = 4_000;

/// Counts added and removed lines; `None` for what is no text, or has too little in common.
pub(super) fn changed_lines(before: &[u8], after: &[u8]) -> Option<(usize, usize)> {
    let before: Vec<&str> = text(before)?.lines().collect();
    let after: Vec<&str> = text(after)?.lines().collect();
    let differences = distance(&before, &after)?;
    // INVARIANT: added + removed = differences, and added - removed = after - before.
    let added = (differences + after.len()).checked_sub(before.len())? / 2;
    Some((added, differences.checked_sub(added)?))
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes)
        .ok()
        .filter(|text| !text.contains('\0'))
}

/// The least number of lines to take out and put in to make one text of the other, after Myers.
///
/// For each number of changes it keeps how far each diagonal (the place in `before` less the place in
/// `after`) can be followed.
fn distance(before: &[&str], after: &[&str]) -> Option<usize> {
    let most = before
        .len()
        .saturating_add(after.len())
        .min(DIFFERENCES_MAX);
    // The diagonal `k` stands at `middle + k`.
    let middle = most + 1;
    let mut reached = vec![0_usize; 2 * middle + 1];
    for changes in 0..=most {
        for step in 0..=changes {
            let diagonal = middle + 2 * step - changes;
            let taken_out = *reached.get(diagonal - 1)? + 1;
            let put_in = *reached.get(diagonal + 1)?;
            let is_down = step == 0 || (step != changes && taken_out <= put_in);
            let mut old = if is_down { put_in } else { taken_out };
            let new_of = |old: usize| (old + middle).checked_sub(diagonal);
            while let (Some(one), Some(other)) =
                (before.get(old), new_of(old).and_then(|new| after.get(new)))
                && one == other
            {
                old += 1;
            }
            if old >= before.len() && new_of(old).is_some_and(|new| new >= after.len()) {
                return Some(changes);
            }
            *reached.get_mut(diagonal)? = old;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_are_counted_as_diff_counts_them() {
        for (before, after, expected) in [
            ("", "", (0, 0)),
            ("a\nb\n", "a\nb\n", (0, 0)),
            ("", "a\nb\n", (2, 0)),
            ("a\nb\n", "", (0, 2)),
            ("a\nb\nc\n", "a\nx\nc\n", (1, 1)),
            ("a\nb\nc\na\nb\nb\na\n", "c\nb\na\nb\na\nc\n", (2, 3)),
        ] {
            let counted = changed_lines(before.as_bytes(), after.as_bytes());
            assert_eq!(counted, Some(expected), "{before:?} {after:?}");
        }
    }

    #[test]
    fn what_is_no_text_is_not_counted() {
        assert_eq!(changed_lines(b"\xff\xfe", b"a\n"), None);
        assert_eq!(changed_lines(b"a\n", b"a\0b\n"), None);
    }

    #[test]
    fn counting_is_given_up_where_nothing_is_alike() {
        let before: String = (0..5_000).map(|number| format!("a{number}\n")).collect();
        let after = before.replace('a', "b");
        assert_eq!(changed_lines(before.as_bytes(), after.as_bytes()), None);
    }

    /// The plain quadratic way, as an oracle.
    fn longest_common(before: &[u8], after: &[u8]) -> usize {
        let mut row = vec![0; after.len() + 1];
        for one in before {
            let mut diagonal = 0;
            for (at, other) in after.iter().enumerate() {
                let above = row[at + 1];
                row[at + 1] = if one == other {
                    diagonal + 1
                } else {
                    above.max(row[at])
                };
                diagonal = above;
            }
        }
        row[after.len()]
    }

    proptest! {
        #[test]
        fn what_is_neither_added_nor_removed_is_the_longest_common_part(
            before in proptest::collection::vec(b'a'..b'd', 0..24),
            after in proptest::collection::vec(b'a'..b'd', 0..24),
        ) {
            let text = |bytes: &[u8]| bytes.iter().flat_map(|byte| [*byte, b'\n']).collect::<Vec<u8>>();
            let common = longest_common(&before, &after);
            let expected = (after.len() - common, before.len() - common);
            prop_assert_eq!(changed_lines(&text(&before), &text(&after)), Some(expected));
        }
    }
}
