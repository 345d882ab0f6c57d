//! Takes out of what a run says the texts that it was given in confidence.
//!
//! It keeps a secret out of logs that somebody prints by mistake. It is no wall: a task that encodes a secret, or says it letter
//! by letter, has said it.

/// Shorter texts are not masked: they would be found in everything.
const SECRET_BYTES_MIN: usize = 4;
/// What stands in the place of a secret.
pub(crate) const MASKED: &[u8] = b"***";

/// A mask over one stream.
#[derive(Debug, Default)]
pub(crate) struct Mask {
    /// The longest first.
    secrets: Vec<Vec<u8>>,
    /// The end of what was heard, which may be the beginning of a secret.
    held: Vec<u8>,
}

impl Mask {
    /// A mask for these texts.
    pub(crate) fn of<'s>(secrets: impl Iterator<Item = &'s [u8]>) -> Self {
        let mut secrets: Vec<Vec<u8>> = secrets
            .filter(|secret| secret.len() >= SECRET_BYTES_MIN)
            .map(<[u8]>::to_vec)
            .collect();
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets.dedup();
        Self {
            secrets,
            held: Vec::new(),
        }
    }

    /// Whether there is anything to mask.
    pub(crate) fn is_empty(&self) -> bool {
        self.secrets.is_empty()
    }

    /// What can be said of `bytes` and of what was held back before them.
    pub(crate) fn pass(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut heard = std::mem::take(&mut self.held);
        heard.extend_from_slice(bytes);
        self.masked(heard, true)
    }

    /// What was held back, when nothing follows any more.
    pub(crate) fn end(&mut self) -> Vec<u8> {
        let held = std::mem::take(&mut self.held);
        self.masked(held, false)
    }

    fn masked(&mut self, heard: Vec<u8>, goes_on: bool) -> Vec<u8> {
        let mut said = Vec::with_capacity(heard.len());
        let mut rest = heard.as_slice();
        while let Some((first, behind)) = rest.split_first() {
            if goes_on && self.secrets.iter().any(|secret| is_longer(secret, rest)) {
                // What follows decides.
                self.held = rest.to_vec();
                return said;
            }
            let whole = |secret: &Vec<u8>| rest.strip_prefix(secret.as_slice());
            rest = match self.secrets.iter().find_map(whole) {
                Some(behind) => {
                    said.extend_from_slice(MASKED);
                    behind
                }
                None => {
                    said.push(*first);
                    behind
                }
            };
        }
        said
    }
}

/// Whether `heard` is the beginning of a secret that goes on.
fn is_longer(secret: &[u8], heard: &[u8]) -> bool {
    secret.len() > heard.len() && secret.starts_with(heard)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn masked(secrets: &[&str], pieces: &[&str]) -> String {
        let mut mask = Mask::of(secrets.iter().map(|secret| secret.as_bytes()));
        let mut said: Vec<u8> = pieces
            .iter()
            .flat_map(|piece| mask.pass(piece.as_bytes()))
            .collect();
        said.extend(mask.end());
        String::from_utf8(said).unwrap()
    }

    #[test]
    fn a_secret_is_masked_however_it_is_cut() {
        for pieces in [
            &["the key is hunter2!\n"][..],
            &["the key is hun", "ter2!\n"],
            &["the key is h", "u", "n", "t", "e", "r", "2", "!\n"],
        ] {
            assert_eq!(masked(&["hunter2"], pieces), "the key is ***!\n");
        }
        assert_eq!(masked(&["hunter2"], &["hunter", "1 hunt"]), "hunter1 hunt");
    }

    #[test]
    fn the_longest_of_several_counts_and_short_ones_do_not() {
        assert_eq!(
            masked(&["token", "token-of-root"], &["token-of-root token"]),
            "*** ***"
        );
        assert_eq!(
            masked(&["token", "token-of-root"], &["token-of-", "r"]),
            "***-of-r"
        );
        assert_eq!(masked(&["abc"], &["abcabc"]), "abcabc");
        assert_eq!(masked(&["aaab"], &["aaaab"]), "a***");
    }

    proptest! {
        /// Cut in any way it says the same, and nothing that is said has a secret in it.
        #[test]
        fn no_secret_comes_through(
            secrets in proptest::collection::vec("[ab]{4,6}", 1..4),
            text in "[abc]{0,60}",
            cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..5),
        ) {
            let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
            let whole = masked(&secrets, &[&text]);
            let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            places.extend([0, text.len()]);
            places.sort_unstable();
            let pieces: Vec<&str> = places.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
            prop_assert_eq!(masked(&secrets, &pieces), whole.clone());
            for secret in secrets {
                prop_assert!(!whole.contains(secret), "{}", whole);
            }
        }
    }
}
