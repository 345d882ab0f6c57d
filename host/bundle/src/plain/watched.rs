//! A reader that remembers how it ended, because a tar library tells neither from a damaged archive.

use std::io::{self, Read};

/// A stream of at most so many bytes, with what became of it.
#[derive(Debug)]
pub(super) struct Watched<R> {
    stream: io::Take<R>,
    bytes: u64,
    has_ended: bool,
    /// The first error that it had, and that was told on as one of the same kind.
    failed: Option<io::Error>,
}

impl<R: Read> Watched<R> {
    pub(super) fn new(stream: R, bytes_max: u64) -> Self {
        Self {
            stream: stream.take(bytes_max),
            bytes: 0,
            has_ended: false,
            failed: None,
        }
    }

    /// Whether all bytes that are allowed were read.
    pub(super) fn is_spent(&self) -> bool {
        self.stream.limit() == 0
    }

    /// How many bytes were read.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether somebody wanted to read on behind the end.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// What the stream failed with, once.
    pub(super) fn take_failure(&mut self) -> Option<io::Error> {
        self.failed.take()
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.stream.read(buffer) {
            Ok(count) => {
                self.has_ended |= count == 0 && !buffer.is_empty();
                self.bytes += count as u64;
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                let kind = error.kind();
                self.failed.get_or_insert(error);
                Err(kind.into())
            }
        }
    }
}
