//! Keeps letters whole where the output of a run is shown as text and comes in pieces.

/// The most bytes of one letter in UTF-8 that can come without its end.
const PART_BYTES_MAX: usize = 3;

/// The beginning of a letter whose end has not come yet.
#[derive(Debug, Default)]
pub(super) struct Letters(Vec<u8>);

impl Letters {
    /// What was kept and `piece`, without the beginning of a letter at the end, which is kept.
    pub(super) fn whole(&mut self, piece: &[u8]) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.0);
        bytes.extend_from_slice(piece);
        self.0 = bytes.split_off(bytes.len() - part_bytes(&bytes));
        bytes
    }

    /// What is kept, when nothing comes any more.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}

/// How many bytes at the end of `bytes` begin a letter that is not there as a whole.
fn part_bytes(bytes: &[u8]) -> usize {
    let last = bytes.iter().rev().take(PART_BYTES_MAX).zip(1..);
    let is_inside = |byte: u8| byte & 0b1100_0000 == 0b1000_0000;
    let begins = last.into_iter().find(|(byte, _)| !is_inside(**byte));
    begins.map_or(0, |(byte, have)| {
        let want = match byte {
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => 1,
        };
        if have < want { have } else { 0 }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_whole_wherever_the_pieces_end() {
        let text = "aé€😀z";
        for size in 1..=text.len() {
            let mut letters = Letters::default();
            let mut shown = String::new();
            for piece in text.as_bytes().chunks(size) {
                shown.push_str(str::from_utf8(&letters.whole(piece)).unwrap());
            }
            assert_eq!((shown.as_str(), letters.rest().len()), (text, 0), "{size}");
        }
    }

    #[test]
    fn what_is_no_letter_is_not_waited_for_and_what_never_ends_is_kept() {
        for (bytes, whole) in [
            (&b"a\xff"[..], 2),
            (b"\x80\x80\x80\x80", 4),
            (b"a\xc0", 2),
            (b"a\xf0\x9f\x98", 1),
            (b"\xe2\x82", 0),
        ] {
            let mut letters = Letters::default();
            assert_eq!(letters.whole(bytes).len(), whole, "{bytes:?}");
            assert_eq!(letters.rest().len(), bytes.len() - whole, "{bytes:?}");
        }
    }
}
