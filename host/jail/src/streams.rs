//! One output stream of a run: from the task's pipe into a file, up to its limit.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{MemfdFlags, SealFlags, SeekFrom};
use rustix::io::Errno;
use rustix::pipe::PipeFlags;

use crate::mask::Mask;
use crate::report::StreamKept;

/// How much is moved at once, in bytes.
const PIECE_BYTES_MAX: usize = 64 * 1024;

/// What one look at a stream found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Moved {
    /// Nothing waits at the moment.
    Nothing,
    /// This many bytes were kept.
    Some,
    /// Nobody can write any more.
    End,
    /// The task wrote more than it may.
    OverLimit,
}

/// The keeper's side of a stream.
#[derive(Debug)]
pub(crate) struct Stream {
    from: Option<OwnedFd>,
    into: OwnedFd,
    bytes_max: u64,
    kept: StreamKept,
    /// What is taken out of it, if anything is.
    mask: Mask,
}

impl Stream {
    /// A stream into `into`, and the end that the task writes to.
    pub(crate) fn new(into: OwnedFd, bytes_max: u64, mask: Mask) -> io::Result<(Self, OwnedFd)> {
        let (from, to) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
        rustix::fs::fcntl_setfl(&from, rustix::fs::OFlags::NONBLOCK)?;
        Ok((
            Self {
                from: Some(from),
                into,
                bytes_max,
                kept: StreamKept::default(),
                mask,
            },
            to,
        ))
    }

    /// The descriptor to wait for, while the stream is open.
    pub(crate) fn waiting(&self) -> Option<BorrowedFd<'_>> {
        self.from.as_ref().map(AsFd::as_fd)
    }

    /// What has been kept so far.
    pub(crate) fn kept(&self) -> StreamKept {
        self.kept
    }

    /// Moves what waits, at most one piece.
    pub(crate) fn step(&mut self, piece: &mut [u8]) -> io::Result<Moved> {
        let Some(from) = &self.from else {
            return Ok(Moved::End);
        };
        let read = match rustix::io::read(from, &mut piece[..]) {
            Ok(read) => read,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(Moved::Nothing),
            Err(errno) => return Err(errno.into()),
        };
        if read == 0 {
            self.from = None;
            let held = self.mask.end();
            return match self.keep(&held)? {
                Moved::Some => Ok(Moved::End),
                over => Ok(over),
            };
        }
        let said = piece.get(..read).unwrap_or_default();
        if self.mask.is_empty() {
            return self.keep(said);
        }
        let said = self.mask.pass(said);
        self.keep(&said)
    }

    /// Keeps what was said, as far as there is room.
    fn keep(&mut self, said: &[u8]) -> io::Result<Moved> {
        let room = usize::try_from(self.bytes_max - self.kept.bytes).unwrap_or(usize::MAX);
        let keep = said.get(..said.len().min(room)).unwrap_or_default();
        write_all(&self.into, keep)?;
        self.kept.bytes += keep.len() as u64;
        if keep.len() < said.len() {
            self.kept.truncated = true;
            self.from = None;
            return Ok(Moved::OverLimit);
        }
        Ok(Moved::Some)
    }

    /// Moves everything that still waits, when nobody can write any more.
    pub(crate) fn drain(&mut self, piece: &mut [u8]) -> io::Result<Moved> {
        loop {
            match self.step(piece)? {
                Moved::Some => {}
                last => return Ok(last),
            }
        }
    }

    /// Makes what was kept durable.
    pub(crate) fn settle(&self) -> io::Result<()> {
        if self.kept.bytes > 0 {
            rustix::fs::fdatasync(&self.into)?;
        }
        Ok(())
    }
}

/// A buffer for [`Stream::step`], of which nothing is touched before something is read into it.
pub(crate) fn piece() -> Box<[u8]> {
    vec![0; PIECE_BYTES_MAX].into_boxed_slice()
}

/// A sealed file in memory that reads as all of `contents`, one behind the other, from the start.
///
/// # Errors
/// When there is no room for it.
pub fn sealed_file<'c>(
    name: &str,
    contents: impl Iterator<Item = &'c [u8]>,
) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file = rustix::fs::memfd_create(name, flags | MemfdFlags::NOEXEC_SEAL)
        .or_else(|_| rustix::fs::memfd_create(name, flags))?;
    for content in contents {
        write_all(&file, content)?;
    }
    let seals = SealFlags::SEAL | SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK;
    rustix::fs::fcntl_add_seals(&file, seals)?;
    rustix::fs::seek(&file, SeekFrom::Start(0))?;
    Ok(file)
}

/// Writes all of `bytes` to the end of `file`.
pub(crate) fn write_all(file: &OwnedFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(file, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}
