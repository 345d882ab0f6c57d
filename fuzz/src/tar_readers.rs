//! Other readers of plain tars, as an oracle for members that only some programs would see.
//!
//! They are as lenient as tar programs are, and differ from each other where those do. For a tar that is accepted they
//! must list the same files, or somebody who looked into it was shown something else than what runs.

use std::collections::BTreeMap;

/// Bytes in a block.
const BLOCK_BYTES: usize = 512;

/// Where programs differ in what they make of a header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Habits {
    /// Whether the prefix belongs to the name whatever the magic says, as Python's `tarfile` has it.
    pub(crate) takes_any_prefix: bool,
    /// Whether what a directory's header states as its size is skipped, as some programs do.
    pub(crate) skips_contents_of_directories: bool,
}

/// The files that a reader with these habits lists, with their contents; `None` where it stumbles.
pub(crate) fn files(data: &[u8], habits: Habits) -> Option<BTreeMap<Vec<u8>, Vec<u8>>> {
    let mut found: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    let (mut rest, mut long_name) = (data, None);
    let mut pax: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    while let Some((header, after)) = rest.split_at_checked(BLOCK_BYTES) {
        if header.iter().all(|byte| *byte == 0) {
            return Some(found);
        }
        let kind = *header.get(156)?;
        let size = match pax.get(b"size".as_slice()).filter(|_| !is_record(kind)) {
            Some(size) => std::str::from_utf8(size).ok()?.parse().ok()?,
            None => octal(header.get(124..136)?)?,
        };
        let is_skipped = kind != b'5' || habits.skips_contents_of_directories;
        let size = if is_skipped { size } else { 0 };
        let contents = after.get(..size)?;
        rest = after.get(size.next_multiple_of(BLOCK_BYTES)..)?;
        match kind {
            b'L' => long_name = Some(text(contents).to_vec()),
            b'x' => pax = records(contents)?,
            b'g' => {}
            _ => {
                let own = name(header, habits)?;
                let by_pax = std::mem::take(&mut pax).remove(b"path".as_slice());
                let name = by_pax.or_else(|| long_name.take()).unwrap_or(own);
                if kind != b'5' {
                    found.insert(name, contents.to_vec());
                }
                long_name = None;
            }
        }
    }
    None
}

/// Whether a header is of a record about the next member.
fn is_record(kind: u8) -> bool {
    matches!(kind, b'L' | b'x' | b'g')
}

fn name(header: &[u8], habits: Habits) -> Option<Vec<u8>> {
    let name = text(header.get(..100)?);
    let prefix = text(header.get(345..500)?);
    let has_prefix = habits.takes_any_prefix || header.get(257..263)? == b"ustar\0";
    if prefix.is_empty() || !has_prefix {
        return Some(name.to_vec());
    }
    Some([prefix, b"/", name].concat())
}

/// A field up to its first zero byte.
fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn octal(field: &[u8]) -> Option<usize> {
    let digits = std::str::from_utf8(text(field)).ok()?.trim();
    usize::from_str_radix(digits, 8).ok()
}

/// PAX records; the last of those with one key counts.
fn records(mut rest: &[u8]) -> Option<BTreeMap<Vec<u8>, Vec<u8>>> {
    let mut found = BTreeMap::new();
    while !rest.is_empty() {
        let space = rest.iter().position(|byte| *byte == b' ')?;
        let length: usize = std::str::from_utf8(rest.get(..space)?).ok()?.parse().ok()?;
        let record = rest.get(space + 1..length.checked_sub(1)?)?;
        let equals = record.iter().position(|byte| *byte == b'=')?;
        found.insert(
            record.get(..equals)?.to_vec(),
            record.get(equals + 1..)?.to_vec(),
        );
        rest = rest.get(length..)?;
    }
    Some(found)
}
