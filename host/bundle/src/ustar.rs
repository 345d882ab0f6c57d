//! The one tar dialect of a sealed bundle: plain ustar, every field determined.
//!
//! For a path, a mode and a size there is exactly one header. It is built here for writing, and built
//! again for reading, where it is compared byte for byte with what the archive holds: a reader that
//! accepts one spelling only cannot differ from another reader. There are no directories, links, devices,
//! sparse files, PAX records, GNU names or base-256 numbers to interpret, so nothing here interprets them.

use std::io::{self, Write};

use host_core::Shown;
use serde::{Deserialize, Serialize};

/// Bytes in a block.
pub(crate) const BLOCK_BYTES: usize = 512;

/// Longest name field, in bytes.
const NAME_BYTES_MAX: usize = 100;

/// Longest prefix field, in bytes.
const PREFIX_BYTES_MAX: usize = 155;

/// Bytes of the two zero blocks that end an archive.
pub(crate) const END_BYTES: usize = 2 * BLOCK_BYTES;

/// One 512-byte block.
pub(crate) type Block = [u8; BLOCK_BYTES];

/// Whether a file of a bundle is executable: of all mode bits, this one alone is kept.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum FileMode {
    /// Readable, 0644.
    #[serde(rename = "0644")]
    Plain,
    /// Readable and executable, 0755.
    #[serde(rename = "0755")]
    Executable,
}

impl FileMode {
    /// The mode as the manifest writes it, `0644` or `0755`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "0644",
            Self::Executable => "0755",
        }
    }
}

/// Why a header is not the one that was expected.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderFault {
    /// The end of the archive stands where a header was expected.
    #[error("the archive ends before this entry")]
    End,
    /// The bytes are no tar header.
    #[error("there is no ustar header")]
    NotUstar,
    /// The header's checksum does not match its bytes.
    #[error("the header's checksum is wrong")]
    Checksum,
    /// The entry is something else than a regular file.
    #[error("the entry `{}` is {kind}, and only regular files are accepted", Shown(.found))]
    Kind {
        /// Its path, with unreadable bytes replaced.
        found: String,
        /// What it is.
        kind: &'static str,
    },
    /// Another entry stands here: the order is fixed, and nothing may be added or left out.
    #[error("`{}` stands in its place", Shown(.found))]
    Name {
        /// The path found, with unreadable bytes replaced.
        found: String,
    },
    /// The size is not written in eleven octal digits, or is another one than the manifest's.
    #[error("its size is not the manifest's")]
    Size,
    /// The mode is another one than the manifest's.
    #[error("its mode is not the manifest's")]
    Mode,
    /// The size of the manifest or of the signatures is not written in eleven octal digits.
    #[error("its size is not written in eleven octal digits")]
    OwnSize,
    /// The mode of the manifest or of the signatures is not 0644.
    #[error("its mode is not 0644")]
    OwnMode,
    /// Some other field is not as a bundle writes it: owner, time, names, device or padding.
    #[error("its header is not written as in a bundle")]
    Field,
}

// Fields of a header: (first byte, length).
type Field = (usize, usize);
const NAME: Field = (0, NAME_BYTES_MAX);
const MODE: Field = (100, 8);
const OWNER: Field = (108, 8);
const GROUP: Field = (116, 8);
const SIZE: Field = (124, 12);
const TIME: Field = (136, 12);
const CHECKSUM: Field = (148, 8);
const KIND: Field = (156, 1);
const MAGIC: Field = (257, 8);
const DEVICE_MAJOR: Field = (329, 8);
const DEVICE_MINOR: Field = (337, 8);
const PREFIX: Field = (345, PREFIX_BYTES_MAX);

/// Splits a path for the prefix and name fields, at the first slash that makes both fit.
///
/// A path that fits the name field has no prefix. `None`: no split fits.
pub(crate) fn split_path(path: &str) -> Option<(&str, &str)> {
    if path.len() <= NAME_BYTES_MAX {
        return Some(("", path));
    }
    path.match_indices('/')
        .filter_map(|(slash, _)| Some((path.get(..slash)?, path.get(slash + 1..)?)))
        .find(|(_, name)| name.len() <= NAME_BYTES_MAX)
        .filter(|(prefix, _)| prefix.len() <= PREFIX_BYTES_MAX)
}

/// The header of a regular file.
pub(crate) fn header(path: &str, mode: FileMode, size: u64) -> Block {
    // INVARIANT: a BundlePath can be split; other callers pass fixed short names.
    let (prefix, name) = split_path(path).unwrap_or_default();
    let mut block = [0; BLOCK_BYTES];
    put(&mut block, NAME, name.as_bytes());
    put(&mut block, MODE, format!("000{}", mode.as_str()).as_bytes());
    for owner in [OWNER, GROUP, DEVICE_MAJOR, DEVICE_MINOR] {
        put(&mut block, owner, b"0000000");
    }
    put(&mut block, SIZE, format!("{size:011o}").as_bytes());
    put(&mut block, TIME, b"00000000000");
    put(&mut block, KIND, b"0");
    put(&mut block, MAGIC, b"ustar\x0000");
    put(&mut block, PREFIX, prefix.as_bytes());
    let checksum = checksum(&block);
    put(
        &mut block,
        CHECKSUM,
        format!("{checksum:06o}\0 ").as_bytes(),
    );
    block
}

/// The size that a header states, if it is written in the one way that is accepted.
pub(crate) fn size(block: &Block) -> Option<u64> {
    let digits = field(block, SIZE).strip_suffix(b"\0")?;
    if !digits.iter().all(|digit| (b'0'..=b'7').contains(digit)) {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()
}

/// Compares a header with the one that must stand there, and says what is wrong with it.
///
/// # Errors
///
/// The first difference, in the order in which a reader would trust the fields.
pub(crate) fn compare(found: &Block, expected: &Block) -> Result<(), HeaderFault> {
    if found == expected {
        return Ok(());
    }
    Err(diagnose(found, expected))
}

fn diagnose(found: &Block, expected: &Block) -> HeaderFault {
    let differs = |place| field(found, place) != field(expected, place);
    if found.iter().all(|byte| *byte == 0) {
        HeaderFault::End
    } else if !field(found, MAGIC).starts_with(b"ustar") {
        HeaderFault::NotUstar
    } else if !field(found, CHECKSUM).starts_with(format!("{:06o}", checksum(found)).as_bytes()) {
        HeaderFault::Checksum
    } else if differs(KIND) {
        HeaderFault::Kind {
            found: path(found),
            kind: kind(found),
        }
    } else if differs(NAME) || differs(PREFIX) {
        HeaderFault::Name { found: path(found) }
    } else if differs(SIZE) {
        HeaderFault::Size
    } else if differs(MODE) {
        HeaderFault::Mode
    } else {
        HeaderFault::Field
    }
}

/// What kind of entry a header announces, for people.
fn kind(block: &Block) -> &'static str {
    match field(block, KIND).first() {
        Some(b'1') => "a hard link",
        Some(b'2') => "a symbolic link",
        Some(b'3' | b'4') => "a device",
        Some(b'5') => "a directory",
        Some(b'6') => "a named pipe",
        Some(b'g' | b'x') => "a PAX record",
        Some(b'K' | b'L') => "a GNU long name",
        Some(b'S') => "a sparse file",
        _ => "of an unknown kind",
    }
}

fn path(block: &Block) -> String {
    let text = |place| {
        let bytes = field(block, place)
            .split(|byte| *byte == 0)
            .next()
            .unwrap_or_default();
        String::from_utf8_lossy(bytes).into_owned()
    };
    let (prefix, name) = (text(PREFIX), text(NAME));
    if prefix.is_empty() {
        name
    } else {
        format!("{prefix}/{name}")
    }
}

/// How many zero bytes follow contents of this size.
pub(crate) fn padding_bytes(size: u64) -> usize {
    let block_bytes = BLOCK_BYTES as u64;
    usize::try_from(size.next_multiple_of(block_bytes) - size).unwrap_or_default()
}

/// The bytes that an entry of this size takes: header, contents and padding.
pub(crate) fn entry_bytes(size: u64) -> u64 {
    BLOCK_BYTES as u64 + size + padding_bytes(size) as u64
}

/// Writes the zero bytes that follow contents of this size.
pub(crate) fn write_padding(writer: &mut impl Write, size: u64) -> io::Result<()> {
    let zeros = [0; BLOCK_BYTES];
    writer.write_all(zeros.get(..padding_bytes(size)).unwrap_or_default())
}

/// The sum of a header's bytes, its checksum field counted as spaces.
fn checksum(block: &Block) -> u32 {
    let sum = |bytes: &[u8]| bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>();
    let spaces = u32::from(b' ') * 8;
    sum(block) - sum(field(block, CHECKSUM)) + spaces
}

fn field(block: &Block, (first, length): Field) -> &[u8] {
    block.get(first..first + length).unwrap_or_default()
}

fn put(block: &mut Block, (first, length): Field, bytes: &[u8]) {
    for (target, byte) in block.iter_mut().skip(first).take(length).zip(bytes) {
        *target = *byte;
    }
}
