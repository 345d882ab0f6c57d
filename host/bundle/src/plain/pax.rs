//! PAX records: the few that a plain tar of a module may have, split exactly.
//!
//! Where two readers could see different members in one archive, the answer is a fault. What remains are
//! times, owners, attributes and comments, none of which a bundle keeps.

/// Accepts the global records that `git archive` writes, a comment, and nothing that changes a member.
///
/// # Errors
///
/// What is wrong, as the end of a sentence.
pub(super) fn check_global(bytes: &[u8]) -> Result<(), &'static str> {
    for record in records(bytes) {
        match record {
            Some((b"comment", _)) => {}
            Some(_) => return Err("is more than a comment"),
            None => return Err("cannot be read"),
        }
    }
    Ok(())
}

/// The path in the records of a member whose header states this size in bytes, if they have one.
///
/// # Errors
///
/// What is wrong, as the end of a sentence.
pub(super) fn path(bytes: &[u8], size: u64) -> Result<Option<&[u8]>, &'static str> {
    let size = size.to_string();
    let mut path = None;
    for record in records(bytes) {
        match record.ok_or("cannot be read")? {
            (b"path", _) if path.is_some() => return Err("has two paths"),
            (b"path", value) => path = Some(value),
            // The contents are read by the header, so another size would make it another file.
            (b"size", value) if value != size.as_bytes() => {
                return Err("has another size than the header");
            }
            (b"charset" | b"hdrcharset", _) => return Err("changes the character set"),
            (key, _) if is_sparse(key) => {
                return Err("describes a sparse file, and only whole files are accepted");
            }
            _ => {}
        }
    }
    Ok(path)
}

/// Whether a record says, in the words of one tar program or another, that the contents have holes.
fn is_sparse(key: &[u8]) -> bool {
    key.starts_with(b"GNU.sparse.") || matches!(key, b"SCHILY.realsize" | b"SUN.holesdata")
}

/// Splits PAX records, `LENGTH KEY=VALUE\n` each; `None` for one that cannot be read, which is the last.
fn records(bytes: &[u8]) -> impl Iterator<Item = Option<(&[u8], &[u8])>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let record = split_record(rest);
        rest = record.map_or(&[], |(_, _, after)| after);
        Some(record.map(|(key, value, _)| (key, value)))
    })
}

fn split_record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = bytes.iter().position(|byte| *byte == b' ')?;
    let digits = std::str::from_utf8(bytes.get(..space)?).ok()?;
    // A sign or a leading zero would be read differently elsewhere.
    if digits.starts_with(['+', '0']) {
        return None;
    }
    let (record, after) = bytes.split_at_checked(digits.parse().ok()?)?;
    let text = record.get(space + 1..)?.strip_suffix(b"\n")?;
    let equals = text.iter().position(|byte| *byte == b'=')?;
    Some((text.get(..equals)?, text.get(equals + 1..)?, after))
}
