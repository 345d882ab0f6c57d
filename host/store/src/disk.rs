//! The few file operations that everything else here is made of.
//!
//! Each takes an open directory and names below it, follows no link in the last place, and closes on exec. None of them
//! loops over what it reads without a limit.

use std::fs::File;
use std::io::{self, Read};

use cap_std::fs::Dir;
use rustix::fs::{self, Mode, OFlags};
use rustix::io::Errno;

/// The disk did not do what it was asked; what that was, and the system's own word.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing}")]
pub struct DiskError {
    doing: &'static str,
    #[source]
    source: io::Error,
}

impl DiskError {
    /// Makes the error of an operation out of what the system said.
    pub(crate) fn when<E: Into<io::Error>>(doing: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self {
            doing,
            source: source.into(),
        }
    }

    /// Whether there was no room: disk full, quota reached, or file as large as it may become.
    pub fn is_full(&self) -> bool {
        matches!(
            Errno::from_io_error(&self.source),
            Some(Errno::NOSPC | Errno::DQUOT | Errno::FBIG)
        )
    }
}

/// Mode of every directory that is made here.
pub(crate) const DIRECTORY_MODE: Mode = Mode::RWXU;

/// Mode of every file that is written more than once.
pub(crate) const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);

/// Opens a file; NONBLOCK keeps a named pipe put in its place from holding us up.
pub(crate) fn open_file(dir: &Dir, name: &str, how: OFlags, mode: Mode) -> Result<File, Errno> {
    let always = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    fs::openat(dir, name, how | always, mode).map(File::from)
}

/// Opens a directory for listing, syncing and names below it.
pub(crate) fn open_dir(dir: &Dir, name: &str) -> Result<Dir, Errno> {
    let how = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = fs::openat(dir, name, how, Mode::empty())?;
    Ok(Dir::from_std_file(File::from(opened)))
}

/// Opens a directory, making it first where it is missing; whether that lasts a power failure is the caller's affair.
pub(crate) fn open_or_make_dir(dir: &Dir, name: &str) -> Result<Dir, Errno> {
    match open_dir(dir, name) {
        Err(Errno::NOENT) => match fs::mkdirat(dir, name, DIRECTORY_MODE) {
            // One that another process made meanwhile is as good.
            Ok(()) | Err(Errno::EXIST) => open_dir(dir, name),
            Err(errno) => Err(errno),
        },
        opened => opened,
    }
}

/// Reads to the end, or says `None` when that is more than `size_max` bytes.
pub(crate) fn read_whole(
    file: &File,
    size_expected: u64,
    size_max: u64,
) -> io::Result<Option<Vec<u8>>> {
    if size_expected > size_max {
        return Ok(None);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size_expected).unwrap_or(0));
    // The file can have grown since its size was asked for.
    file.take(size_max.saturating_add(1))
        .read_to_end(&mut bytes)?;
    let fits = u64::try_from(bytes.len()).is_ok_and(|size| size <= size_max);
    Ok(fits.then_some(bytes))
}
