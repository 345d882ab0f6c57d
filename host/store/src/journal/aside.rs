//! Logs that were laid aside: whether they are still what the logs behind them say.

use std::fs::File;
use std::io::{self, BufReader, Read as _, Seek as _};

use cap_std::fs::Dir;
use host_core::Digest;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use super::JOURNAL;
use super::line::{RESTARTED, Told};
use super::lines::take_line;
use crate::disk::{DiskError, open_file};

/// How many logs that took each other's place are looked at.
const ASIDE_MAX: usize = 64;
/// Bytes that are hashed at once.
const PIECE_BYTES: usize = 64 * 1_024;

/// A log that was laid aside, by what the one in its place says of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Aside {
    name: String,
    bytes: u64,
    sha256: Digest,
}

/// What became of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Fate {
    /// It is what it was.
    Same,
    /// It is not there.
    Gone,
    /// It is another one.
    Changed,
}

/// Looks at the log that `log` took the place of, at the one that this took the place of, and so on.
pub(super) fn fates(dir: &Dir, log: &File) -> Result<Vec<(String, Fate)>, DiskError> {
    looked_at(dir, log).map_err(DiskError::when("read a journal that was laid aside"))
}

fn looked_at(dir: &Dir, log: &File) -> io::Result<Vec<(String, Fate)>> {
    let mut found = Vec::new();
    let mut next = named_by(log)?;
    while let Some(aside) = next.take() {
        if found.len() == ASIDE_MAX {
            break;
        }
        let fate = match open_file(dir, &aside.name, OFlags::RDONLY, Mode::empty()) {
            Err(Errno::NOENT) => Fate::Gone,
            Err(errno) => return Err(errno.into()),
            Ok(file) => {
                let is_same = hash_whole(&file)? == (aside.bytes, aside.sha256);
                if is_same {
                    next = named_by(&file)?;
                    Fate::Same
                } else {
                    Fate::Changed
                }
            }
        };
        found.push((aside.name, fate));
    }
    Ok(found)
}

/// The log that the first line of this one names.
fn named_by(mut log: &File) -> io::Result<Option<Aside>> {
    log.rewind()?;
    let mut line = Vec::new();
    if take_line(&mut BufReader::new(log), &mut line, |_| {})?.is_none() {
        return Ok(None);
    }
    let told = Told::of(&line).filter(|told| told.is(RESTARTED));
    Ok(told.and_then(|told| {
        let (name, bytes, sha256) = told.old()?;
        // Whoever wrote the line names nothing but a log here.
        let is_log = name
            .strip_prefix(JOURNAL)
            .is_some_and(|stamp| stamp.starts_with('.') && !stamp.contains('/'));
        is_log.then(|| Aside {
            name: name.to_owned(),
            bytes,
            sha256,
        })
    }))
}

/// How long a log is, and its hash.
pub(super) fn hash_whole(mut file: &File) -> io::Result<(u64, Digest)> {
    file.rewind()?;
    let mut hash = Sha256::new();
    let mut bytes = 0_u64;
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let count = match file.read(&mut piece) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            count => count?,
        };
        if count == 0 {
            return Ok((bytes, Digest::from_bytes(hash.finalize().into())));
        }
        bytes = bytes.saturating_add(count as u64);
        hash.update(piece.get(..count).unwrap_or_default());
    }
}
