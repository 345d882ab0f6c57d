//! What a member's header must be so that all tar programs see the same member.
//!
//! Readers of tar disagree where a header is of no format that any of them writes: whether the prefix belongs to the
//! name, whether a directory has contents to skip, what a size with odd characters is. Each such disagreement can hide
//! a member from one of them, so each is a fault.

use crate::ustar::Block;

/// The size and magic with version: first byte and the byte after the last.
const SIZE: std::ops::Range<usize> = 124..136;
const MAGIC: std::ops::Range<usize> = 257..265;
const PREFIX: std::ops::Range<usize> = 345..500;

/// POSIX's magic and version, GNU's, and those of tars from before either.
const POSIX: &[u8] = b"ustar\x0000";
const GNU: &[u8] = b"ustar  \0";
const OLD: &[u8] = &[0; 8];

/// Accepts a header of a known format, without what others could read differently.
///
/// # Errors
///
/// What is wrong, as the end of a sentence.
pub(super) fn check(header: &Block) -> Result<(), &'static str> {
    let field = |place: std::ops::Range<usize>| header.get(place).unwrap_or_default();
    let has_prefix = field(PREFIX).iter().any(|byte| *byte != 0);
    match field(MAGIC) {
        POSIX => {}
        GNU | OLD if has_prefix => return Err("has a prefix, which its format does not know"),
        GNU | OLD => {}
        _ => return Err("is of no known tar format"),
    }
    if !is_octal(field(SIZE)) {
        return Err("has a size that is not written in octal digits");
    }
    Ok(())
}

/// Whether a field is digits with spaces before, and spaces or zero bytes behind.
fn is_octal(field: &[u8]) -> bool {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\0');
    let number = field.trim_ascii_start();
    let digits = number
        .iter()
        .take_while(|byte| (b'0'..=b'7').contains(*byte));
    let count = digits.count();
    count > 0 && number.iter().skip(count).all(is_blank)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_digits_and_nothing_that_others_read_differently() {
        for good in [
            &b"00000000012\0"[..],
            b"00000000012 ",
            b"     12\0\0\0\0\0",
            b"777777777777",
        ] {
            assert!(is_octal(good), "{good:?}");
        }
        for bad in [
            &b"+0000000012\0"[..],
            b"",
            b"\0\0\0\0",
            b"12 34\0",
            b"8\0",
            b"\x80\0\0\0\x01",
            b"1\x0b",
        ] {
            assert!(!is_octal(bad), "{bad:?}");
        }
    }
}
