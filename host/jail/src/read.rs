//! Reading the small text files of the kernel, with a limit.

use std::io::{self, Read};
use std::path::Path;

/// The most that is read of one file of the kernel, in bytes.
const KERNEL_FILE_BYTES_MAX: u64 = 1024 * 1024;

/// The text of a file such as `/proc/self/mountinfo`.
pub(crate) fn read_text(path: impl AsRef<Path>) -> io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?
        .take(KERNEL_FILE_BYTES_MAX)
        .read_to_string(&mut text)?;
    Ok(text)
}

/// The number that a file such as `memory.peak` holds.
pub(crate) fn read_number(path: &Path) -> Option<u64> {
    read_text(path).ok()?.trim().parse().ok()
}
