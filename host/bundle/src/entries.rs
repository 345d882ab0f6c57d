//! Reads the entries of a sealed bundle one after the other, each of which is known beforehand.
//!
//! Whoever calls says which entry must come next; anything else is an error, and so is a byte of padding
//! that is not zero or a byte after the end. Contents pass from the read buffer to their destination
//! without another copy.

use std::io::{self, BufRead, BufReader, Read, Write};

use host_core::Digest;
use sha2::{Digest as _, Sha256};

use crate::FileEntry;
use crate::ustar::{self, BLOCK_BYTES, Block, END_BYTES, FileMode, HeaderFault};

/// Bytes that are read, hashed and written at once.
const PIECE_BYTES: usize = 64 << 10;

/// Why an entry is not what the bundle says it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// The bytes end within this entry.
    #[error("the archive is truncated")]
    Truncated,
    /// The bytes could not be read.
    #[error("the archive cannot be read")]
    Read(#[source] io::Error),
    /// The header is not the expected one.
    #[error(transparent)]
    Header(#[from] HeaderFault),
    /// An entry that is read whole is too large.
    #[error("it has {have} bytes, {max} are allowed")]
    TooLarge {
        /// Its bytes.
        have: u64,
        /// How many are allowed.
        max: u64,
    },
    /// The contents have another digest than the manifest's.
    #[error("its contents do not match the manifest: SHA-256 is {found}, not {expected}")]
    Digest {
        /// The digest of what was read.
        found: Digest,
        /// The digest in the manifest.
        expected: Digest,
    },
    /// The bytes that fill the last block are not zero.
    #[error("bytes are hidden behind its contents")]
    Padding,
    /// The archive does not end with two zero blocks and nothing after them.
    #[error("the archive goes on where it should end")]
    Trailing,
    /// The contents could not be handed on.
    #[error("its contents cannot be written")]
    Write(#[source] io::Error),
}

/// A position between two entries.
#[derive(Debug)]
pub(crate) struct Entries<R> {
    input: BufReader<R>,
}

impl<R: Read> Entries<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self {
            input: BufReader::with_capacity(PIECE_BYTES, reader),
        }
    }

    /// Reads the first header, or what there is of it where the bytes end within it.
    pub(crate) fn first_header(&mut self) -> Result<Vec<u8>, EntryError> {
        let mut found = Vec::new();
        let reader = self.input.by_ref().take(BLOCK_BYTES as u64);
        { reader }.read_to_end(&mut found).map_err(read_error)?;
        Ok(found)
    }

    /// Reads an entry whole whose path is known and whose size is not.
    pub(crate) fn small(&mut self, path: &str, bytes_max: u64) -> Result<Vec<u8>, EntryError> {
        let found = self.block()?;
        self.small_behind(&found, path, bytes_max)
    }

    /// The same when its header has been read.
    pub(crate) fn small_behind(
        &mut self,
        found: &Block,
        path: &str,
        bytes_max: u64,
    ) -> Result<Vec<u8>, EntryError> {
        let size = ustar::size(found).unwrap_or_default();
        let compared = ustar::compare(found, &ustar::header(path, FileMode::Plain, size));
        // No manifest says what these two are.
        compared.map_err(|fault| match fault {
            HeaderFault::Size => HeaderFault::OwnSize,
            HeaderFault::Mode => HeaderFault::OwnMode,
            fault => fault,
        })?;
        if size > bytes_max {
            return Err(EntryError::TooLarge {
                have: size,
                max: bytes_max,
            });
        }
        let mut contents = Vec::new();
        self.pieces(size, |piece| {
            contents.extend_from_slice(piece);
            Ok(())
        })?;
        self.padding(size)?;
        Ok(contents)
    }

    /// Reads the header of a file.
    pub(crate) fn header(&mut self, entry: &FileEntry) -> Result<(), EntryError> {
        let expected = ustar::header(entry.path.as_str(), entry.mode, entry.size);
        Ok(ustar::compare(&self.block()?, &expected)?)
    }

    /// Reads what follows a file's header: its contents, which are written on while they are hashed.
    ///
    /// # Errors
    ///
    /// When the contents or the padding are not what the manifest says, or cannot be read or written. Then
    /// what was written so far is not the file.
    pub(crate) fn contents(
        &mut self,
        entry: &FileEntry,
        writer: &mut impl Write,
    ) -> Result<(), EntryError> {
        let mut hash = Sha256::new();
        self.pieces(entry.size, |piece| {
            hash.update(piece);
            writer.write_all(piece)
        })?;
        let found = Digest::from_bytes(hash.finalize().into());
        if found != entry.sha256 {
            return Err(EntryError::Digest {
                found,
                expected: entry.sha256,
            });
        }
        self.padding(entry.size)
    }

    /// Reads the end: two zero blocks, and not a byte more.
    pub(crate) fn end(mut self) -> Result<(), EntryError> {
        self.zeros(END_BYTES, EntryError::Trailing)?;
        match self.fill()? {
            [] => Ok(()),
            _ => Err(EntryError::Trailing),
        }
    }

    fn block(&mut self) -> Result<Block, EntryError> {
        let mut block = [0; BLOCK_BYTES];
        self.input.read_exact(&mut block).map_err(read_error)?;
        Ok(block)
    }

    fn pieces(
        &mut self,
        bytes: u64,
        mut take: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), EntryError> {
        let mut rest = bytes;
        while rest > 0 {
            let buffer = self.fill()?;
            let piece_max = usize::try_from(rest).unwrap_or(usize::MAX);
            let piece = buffer.get(..piece_max).unwrap_or(buffer);
            if piece.is_empty() {
                return Err(EntryError::Truncated);
            }
            take(piece).map_err(EntryError::Write)?;
            let taken = piece.len();
            self.input.consume(taken);
            rest -= taken as u64;
        }
        Ok(())
    }

    fn padding(&mut self, size: u64) -> Result<(), EntryError> {
        self.zeros(ustar::padding_bytes(size), EntryError::Padding)
    }

    fn zeros(&mut self, bytes: usize, otherwise: EntryError) -> Result<(), EntryError> {
        let mut found = [0; END_BYTES];
        let found = found.get_mut(..bytes).unwrap_or_default();
        self.input.read_exact(found).map_err(read_error)?;
        if found.iter().any(|byte| *byte != 0) {
            return Err(otherwise);
        }
        Ok(())
    }

    /// The bytes that are buffered or, when there are none, the next that can be read.
    fn fill(&mut self) -> Result<&[u8], EntryError> {
        loop {
            match self.input.fill_buf() {
                Ok(_) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(read_error(error)),
            }
        }
        Ok(self.input.buffer())
    }
}

fn read_error(error: io::Error) -> EntryError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => EntryError::Truncated,
        _ => EntryError::Read(error),
    }
}
