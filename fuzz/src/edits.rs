//! A generator: reads a script of edits from arbitrary bytes and applies it to a sound original.
//!
//! Random bytes never get behind a checksum or a digest; an edited original gets as far as its edits are small. Some
//! edits know tar: they move whole blocks, or repair a header's checksum, so that later checks are reached too.

/// How many edits one script has at most; what follows is not read.
const EDITS_MAX: usize = 16;

/// Bytes of one edit in a script: its kind, a position of two bytes, a value.
const EDIT_BYTES: usize = 4;

/// Bytes of a tar block, and of what is moved as a whole.
const BLOCK_BYTES: usize = 512;

/// Where a tar header keeps its checksum.
const CHECKSUM: std::ops::Range<usize> = 148..156;

/// The original with the edits of `script` applied, one after the other.
pub(crate) fn apply(original: &[u8], script: &[u8]) -> Vec<u8> {
    let mut bytes = original.to_vec();
    for edit in script.chunks_exact(EDIT_BYTES).take(EDITS_MAX) {
        if let [kind, high, low, value] = *edit {
            apply_one(&mut bytes, kind, u16::from_be_bytes([high, low]), value);
        }
    }
    bytes
}

fn apply_one(bytes: &mut Vec<u8>, kind: u8, position: u16, value: u8) {
    if bytes.is_empty() {
        return;
    }
    let place = usize::from(position) % bytes.len();
    let block = place - place % BLOCK_BYTES;
    let block_end = (block + BLOCK_BYTES).min(bytes.len());
    match kind % 9 {
        0 => flip(bytes, place, value),
        1 => {
            flip(bytes, place, value);
            repair_checksum(bytes, block);
        }
        2 => drop(bytes.remove(place)),
        3 => bytes.insert(place, value),
        4 => bytes.truncate(place),
        5 => bytes.resize(bytes.len() + usize::from(value), 0),
        6 => drop(bytes.drain(block..block_end)),
        7 => {
            let copy: Vec<u8> = bytes.drain(block..block_end).collect();
            let doubled = copy.iter().chain(&copy).copied();
            drop(bytes.splice(block..block, doubled));
        }
        // A block changes its place with the first one.
        _ => {
            let moved: Vec<u8> = bytes.drain(block..block_end).collect();
            drop(bytes.splice(0..0, moved));
        }
    }
}

fn flip(bytes: &mut [u8], place: usize, mask: u8) {
    if let Some(byte) = bytes.get_mut(place) {
        *byte ^= mask;
    }
}

/// Writes the right checksum into the header that begins at `block`, if a whole block is there.
fn repair_checksum(bytes: &mut [u8], block: usize) {
    let Some(header) = bytes.get_mut(block..block + BLOCK_BYTES) else {
        return;
    };
    if let Some(field) = header.get_mut(CHECKSUM) {
        field.fill(b' ');
    }
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    if let Some(field) = header.get_mut(CHECKSUM) {
        field.copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_script_changes_nothing_and_each_edit_does_what_it_says() {
        let original: Vec<u8> = (0..1024_u32)
            .map(|number| u8::from(number >= 512))
            .collect();
        assert_eq!(apply(&original, b""), original);
        assert_eq!(apply(&original, &[0, 0, 3, 0xff])[3], 0xff);
        assert_eq!(apply(&original, &[2, 0, 3, 0]).len(), 1023);
        assert_eq!(apply(&original, &[3, 0, 3, 9])[3], 9);
        assert_eq!(apply(&original, &[4, 0, 3, 0]).len(), 3);
        assert_eq!(apply(&original, &[5, 0, 0, 7]).len(), 1031);
        assert_eq!(apply(&original, &[6, 0, 0, 0]), vec![1; 512]);
        assert_eq!(apply(&original, &[7, 2, 0, 0]).len(), 1536);
        assert_eq!(apply(&original, &[8, 2, 0, 0])[..512], [1; 512]);
        let repaired = apply(&original, &[1, 0, 0, 1]);
        // One byte of 1 and eight blanks: octal 401.
        assert_eq!(&repaired[CHECKSUM], b"000401\0 ");
    }
}
