//! Takes a log apart into lines, of which it never holds more than [`LINE_BYTES_MAX`] bytes.
//!
//! What lines mean is not known here. A line may end with its newline or with the file.

use std::io::{self, BufRead};

use super::LINE_BYTES_MAX;

/// A line that was read, whose first bytes are in the caller's buffer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Taken {
    /// Its length in bytes, with its newline.
    pub(super) bytes: u64,
    /// Whether its newline is there.
    pub(super) is_ended: bool,
    /// Whether all of it is in the buffer, without the newline.
    pub(super) is_whole: bool,
}

/// Reads one line; one that does not fit into [`LINE_BYTES_MAX`] is handed to `long`, piece by piece and without its
/// newline, and only its beginning is in the buffer.
///
/// `None` at the end of the file.
pub(super) fn take_line(
    log: &mut impl BufRead,
    line: &mut Vec<u8>,
    mut long: impl FnMut(&[u8]),
) -> io::Result<Option<Taken>> {
    line.clear();
    let mut bytes = 0_u64;
    let mut is_whole = true;
    loop {
        let chunk = match log.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            chunk => chunk?,
        };
        let newline = chunk.iter().position(|byte| *byte == b'\n');
        let end = newline.map_or(chunk.len(), |at| at.saturating_add(1));
        let taken = chunk.get(..end).unwrap_or_default();
        let length = u64::try_from(taken.len()).unwrap_or(u64::MAX);
        bytes = bytes.saturating_add(length);
        if is_whole && bytes > LINE_BYTES_MAX {
            is_whole = false;
            long(line);
        }
        if is_whole {
            line.extend_from_slice(taken);
        } else {
            long(taken.strip_suffix(b"\n").unwrap_or(taken));
        }
        let is_end = taken.is_empty();
        log.consume(end);
        if newline.is_some() || is_end {
            if is_whole && newline.is_some() {
                line.pop();
            }
            let taken = Taken {
                bytes,
                is_ended: newline.is_some(),
                is_whole,
            };
            return Ok((bytes > 0).then_some(taken));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    #[test]
    fn lines_end_with_their_newline_or_with_the_file() {
        let mut log = BufReader::with_capacity(3, &b"one\n\ntwo-two"[..]);
        let mut line = Vec::new();
        let mut lines = Vec::new();
        while let Some(taken) = take_line(&mut log, &mut line, |_| {}).unwrap() {
            lines.push((line.clone(), taken.bytes, taken.is_ended));
        }
        let expected: Vec<(Vec<u8>, u64, bool)> = vec![
            (b"one".to_vec(), 4, true),
            (b"".to_vec(), 1, true),
            (b"two-two".to_vec(), 7, false),
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn of_a_line_that_is_too_long_nothing_is_lost_and_little_is_held() {
        let size = usize::try_from(LINE_BYTES_MAX).unwrap() * 2;
        let log = [vec![b'x'; size], b"\nnext\n".to_vec()].concat();
        let mut log = log.as_slice();
        let (mut line, mut long) = (Vec::new(), 0);
        let taken = take_line(&mut log, &mut line, |piece| long += piece.len());
        let taken = taken.unwrap().unwrap();
        assert!(!taken.is_whole && taken.is_ended);
        assert_eq!(long, size);
        assert!(line.len() <= size / 2);
        take_line(&mut log, &mut line, |_| {}).unwrap();
        assert_eq!(line, b"next");
    }
}
