//! How many lines of a text are new and how many are gone, as `diff` would count them.

use std::collections::HashMap;

/// The most lines that differ before counting is given up; its cost is the square of that.
const DIFFERENCES_MAX: usize = 4_000;

/// The most steps of counting for all texts that are compared, a second or so.
const STEPS_MAX: u64 = 100_000_000;

/// What is left of the time for counting: one budget for all texts, however many there are.
#[derive(Debug)]
pub(super) struct Budget {
    steps: u64,
}

impl Budget {
    pub(super) fn new() -> Self {
        Self { steps: STEPS_MAX }
    }

    /// Takes one step, if there is one left.
    fn step(&mut self) -> Option<()> {
        self.steps = self.steps.checked_sub(1)?;
        Some(())
    }
}

/// Counts added and removed lines; `None` for what is no text, or has too little in common, or when the budget is spent.
pub(super) fn changed_lines(
    before: &[u8],
    after: &[u8],
    budget: &mut Budget,
) -> Option<(usize, usize)> {
    let mut numbers = HashMap::new();
    let before = numbered(text(before)?, &mut numbers, budget)?;
    let after = numbered(text(after)?, &mut numbers, budget)?;
    let differences = distance(&before, &after, budget)?;
    // INVARIANT: added + removed = differences, and added - removed = after - before.
    let added = (differences + after.len()).checked_sub(before.len())? / 2;
    Some((added, differences.checked_sub(added)?))
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes)
        .ok()
        .filter(|text| !text.contains('\0'))
}

/// The lines of a text as numbers, the same for the same line, so that comparing two costs one step however long they are.
fn numbered<'t>(
    text: &'t str,
    numbers: &mut HashMap<&'t str, usize>,
    budget: &mut Budget,
) -> Option<Vec<usize>> {
    let number = |line| {
        budget.step()?;
        let next = numbers.len();
        Some(*numbers.entry(line).or_insert(next))
    };
    text.lines().map(number).collect()
}

/// The least number of lines to take out and put in to make one text of the other, after Myers.
///
/// For each number of changes it keeps how far each diagonal (the place in `before` less the place in
/// `after`) can be followed.
fn distance(before: &[usize], after: &[usize], budget: &mut Budget) -> Option<usize> {
    let most = before
        .len()
        .saturating_add(after.len())
        .min(DIFFERENCES_MAX);
    // The diagonal `k` stands at `middle + k`.
    let middle = most + 1;
    let mut reached = vec![0_usize; 2 * middle + 1];
    for changes in 0..=most {
        for step in 0..=changes {
            budget.step()?;
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
                budget.step()?;
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

    fn changed_lines(before: &[u8], after: &[u8]) -> Option<(usize, usize)> {
        super::changed_lines(before, after, &mut Budget::new())
    }

    #[test]
    fn counting_many_texts_ends_when_the_budget_of_all_is_spent() {
        let before: String = (0..1_500).map(|number| format!("a{number}\n")).collect();
        let after = before.replace('a', "b");
        let mut budget = Budget::new();
        let counted = (0..3_500).filter(|_| {
            super::changed_lines(before.as_bytes(), after.as_bytes(), &mut budget).is_some()
        });
        let counted = counted.count();
        assert!((10..100).contains(&counted), "{counted}");
        assert!(budget.steps < 5_000, "{}", budget.steps);
    }

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
