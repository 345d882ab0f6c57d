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

/// Every mount of this process, or nothing at all: a list that was cut short would hide what must be seen.
pub(crate) fn read_mountinfo() -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open("/proc/self/mountinfo")?;
    file.take(KERNEL_FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > KERNEL_FILE_BYTES_MAX {
        return Err(io::Error::other(
            "there are more mounts than are ever looked at",
        ));
    }
    Ok(bytes)
}

/// The number that a file such as `memory.peak` holds.
pub(crate) fn read_number(path: &Path) -> Option<u64> {
    read_text(path).ok()?.trim().parse().ok()
}
