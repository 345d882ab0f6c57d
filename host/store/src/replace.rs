//! Replacing a file so that a crash leaves either the old content or the new.
//!
//! Only for files that are read as a whole: what must be durable during a run is appended instead.

use std::fs::File;
use std::io::Write;

use cap_std::fs::Dir;
use rustix::fs::{self, AtFlags, Mode, OFlags};

use crate::disk::{DiskError, open_file};
use crate::names::with_fresh_name;

/// Puts `bytes` in the place of `name`, with exactly this mode, on disk when it returns.
pub(crate) fn replace(dir: &Dir, name: &str, bytes: &[u8], mode: Mode) -> Result<(), DiskError> {
    let how = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
    // The leading dot and the suffix keep a leftover from being taken for a policy or a key.
    let (file, fresh) =
        with_fresh_name(|fresh| open_file(dir, &temporary(name, fresh), how, Mode::RUSR))
            .map_err(DiskError::when("create a temporary file"))?;
    let temporary = temporary(name, &fresh);
    let put = fill(&file, bytes, mode).and_then(|()| {
        fs::renameat(dir, &*temporary, dir, name).map_err(DiskError::when("rename a file"))
    });
    if put.is_err() {
        // The first error is the one to report; a leftover costs only its space.
        let _ = fs::unlinkat(dir, &*temporary, AtFlags::empty());
    }
    put?;
    fs::fsync(dir).map_err(DiskError::when("sync a directory"))
}

fn temporary(name: &str, fresh: &str) -> String {
    format!(".{name}.{fresh}.new")
}

fn fill(mut file: &File, bytes: &[u8], mode: Mode) -> Result<(), DiskError> {
    file.write_all(bytes)
        .map_err(DiskError::when("write a file"))?;
    // Asked for again because the process's umask took part in the first mode.
    fs::fchmod(file, mode).map_err(DiskError::when("set the mode of a file"))?;
    // ORDER: the content is on disk before the name leads to it.
    file.sync_all().map_err(DiskError::when("sync a file"))
}
