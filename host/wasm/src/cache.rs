//! Machine code that was made here before, and how it is known.
//!
//! Whoever can hand us code owns the process that runs it. So compiled code is kept under a tag: a MAC over the program
//! that it was made from, the engine that made it, and all of it, by a key that is this installation's own. What has no
//! tag of that key, or that of another program or engine, does not exist.
//!
//! Loading it is the one thing in this room that the compiler cannot check.
#![expect(
    unsafe_code,
    reason = "compiled code is believed because of its tag, which no type can tell"
)]

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use hmac::{Hmac, Mac};
use host_core::Digest;
use rustix::fs::{MemfdFlags, SealFlags, SeekFrom};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags};
use sha2::Sha256;
use wasmtime::component::Component;
use wasmtime::{Engine, Module, Result};

use crate::artifact::{Artifact, LINE_BYTES_MAX, ProgramKind};

/// What a tag is about, so that no other use of the key makes one.
const CONTEXT: &[u8] = b"host.wasm/1";
/// The length of a tag, in bytes.
const TAG_BYTES: usize = 32;
/// How much is copied at once, in bytes.
const PIECE_BYTES_MAX: usize = 64 << 20;

/// The key of this installation's cache.
#[derive(Clone)]
pub struct CacheKey([u8; 32]);

impl CacheKey {
    /// A key of these bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// What is kept of an artifact: its tag, then the artifact.
    #[must_use]
    pub fn seal(&self, program: &Digest, engine: &str, artifact: &[u8]) -> Vec<u8> {
        let tag = self.mac(program, engine, artifact).finalize().into_bytes();
        [tag.as_slice(), artifact].concat()
    }

    /// The program that was kept in `file` for `program` and `engine`; nothing if this is anything else.
    ///
    /// Its machine code is copied within the kernel to a sealed file in memory, and judged there: what was judged is what
    /// is loaded, whatever becomes of `file`.
    #[must_use]
    pub fn open(&self, program: &Digest, engine: &str, file: &File) -> Option<Opened> {
        let mut front = vec![0; TAG_BYTES + LINE_BYTES_MAX];
        let read = file.read_at(&mut front, 0).ok()?;
        front.truncate(read);
        let (tag, artifact) = front.split_at_checked(TAG_BYTES)?;
        let (kind, line_bytes) = Artifact::read_line(artifact)?;
        let line = artifact.get(..line_bytes)?;
        let code = copy_from(file, (TAG_BYTES + line_bytes) as u64).ok()?;
        let mapped = Mapped::of(&code).ok()?;
        let mut mac = self.begin(program, engine, line_bytes + mapped.bytes().len());
        mac.update(line);
        mac.update(mapped.bytes());
        mac.verify_slice(tag).ok()?;
        let bytes = mapped.bytes().len() as u64;
        drop(mapped);
        Some(Opened { kind, code, bytes })
    }

    fn mac(&self, program: &Digest, engine: &str, artifact: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.begin(program, engine, artifact.len());
        mac.update(artifact);
        mac
    }

    /// A tag as far as it is known before the artifact, of which only the length is.
    fn begin(&self, program: &Digest, engine: &str, artifact_bytes: usize) -> Hmac<Sha256> {
        // As long as a block of the hash, the rest zeroes, which is what HMAC makes of a shorter key.
        let mut key = hmac::digest::Key::<Hmac<Sha256>>::default();
        for (place, byte) in key.iter_mut().zip(self.0) {
            *place = byte;
        }
        let mut mac = <Hmac<Sha256> as Mac>::new(&key);
        let program = program.to_string();
        for part in [CONTEXT, program.as_bytes(), engine.as_bytes()] {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part);
        }
        mac.update(&(artifact_bytes as u64).to_le_bytes());
        mac
    }
}

/// A program from the cache whose tag is right.
#[derive(Debug)]
pub struct Opened {
    /// What kind of program it is.
    pub kind: ProgramKind,
    /// Its machine code, sealed.
    pub code: OwnedFd,
    /// How long that is.
    pub bytes: u64,
}

/// The rest of `file` from an offset on, in a sealed file in memory.
fn copy_from(file: &File, mut from: u64) -> rustix::io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let copy = rustix::fs::memfd_create("program", flags | MemfdFlags::NOEXEC_SEAL)
        .or_else(|_| rustix::fs::memfd_create("program", flags))?;
    // No more than it had when it was looked at, whatever others append to it now.
    let size = u64::try_from(rustix::fs::fstat(file)?.st_size).unwrap_or(0);
    while from < size {
        let left = usize::try_from(size - from).unwrap_or(usize::MAX);
        match rustix::fs::sendfile(&copy, file, Some(&mut from), left.min(PIECE_BYTES_MAX)) {
            Ok(0) => break,
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    let seals = SealFlags::SEAL | SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK;
    rustix::fs::fcntl_add_seals(&copy, seals)?;
    rustix::fs::seek(&copy, SeekFrom::Start(0))?;
    Ok(copy)
}

impl std::fmt::Debug for CacheKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("CacheKey(..)")
    }
}

/// Loads a module whose tag has been checked.
pub(crate) fn load_module(engine: &Engine, code: OwnedFd) -> Result<Module> {
    // SAFETY: what is in the file was written by this engine's `serialize`, or so says its tag, and its seals keep it so.
    unsafe { Module::deserialize_open_file(engine, File::from(code)) }
}

/// Loads a component whose tag has been checked. The engine takes those from memory only, and copies it.
pub(crate) fn load_component(engine: &Engine, code: &OwnedFd) -> Result<Component> {
    let mapped = Mapped::of(code)?;
    // SAFETY: as for a module.
    unsafe { Component::deserialize(engine, mapped.bytes()) }
}

/// All of a sealed file, in memory.
struct Mapped {
    start: *mut std::ffi::c_void,
    length: usize,
}

impl Mapped {
    /// Maps `file`, which must have seals against every change.
    fn of(file: &OwnedFd) -> rustix::io::Result<Self> {
        let seals = rustix::fs::fcntl_get_seals(file)?;
        if !seals.contains(SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK) {
            return Err(Errno::PERM);
        }
        let length = rustix::fs::fstat(file)?.st_size;
        let length = usize::try_from(length).map_err(|_| Errno::FBIG)?;
        let (access, flags) = (ProtFlags::READ, MapFlags::PRIVATE);
        // SAFETY: the kernel chooses where, so nothing that is there already is replaced.
        let start =
            unsafe { rustix::mm::mmap(std::ptr::null_mut(), length, access, flags, file, 0)? };
        Ok(Self { start, length })
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: mapped at least this long until `self` is dropped, and the file's seals, which were looked at, keep it
        // from changing and from shrinking.
        unsafe { std::slice::from_raw_parts(self.start.cast::<u8>(), self.length) }
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: mapped by `of`, and nothing that `bytes` lent outlives `self`. That it fails costs the space.
        let _ = unsafe { rustix::mm::munmap(self.start, self.length) };
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const ENGINE: &str = "0123456789abcdef";

    fn key(byte: u8) -> CacheKey {
        CacheKey::new([byte; 32])
    }

    fn digest(byte: u8) -> Digest {
        Digest::from_bytes([byte; 32])
    }

    fn sealed() -> Vec<u8> {
        let mut artifact = Artifact::line(ProgramKind::Module).unwrap();
        artifact.extend(b"code");
        key(1).seal(&digest(1), ENGINE, &artifact)
    }

    fn opened(key: &CacheKey, program: u8, engine: &str, kept: &[u8]) -> Option<Vec<u8>> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(kept).unwrap();
        let opened = key.open(&digest(program), engine, &file)?;
        assert_eq!(opened.kind, ProgramKind::Module);
        Some(Mapped::of(&opened.code).unwrap().bytes().to_vec())
    }

    #[test]
    fn what_was_sealed_is_opened() {
        assert_eq!(opened(&key(1), 1, ENGINE, &sealed()).unwrap(), b"code");
    }

    #[test]
    fn another_key_program_or_engine_opens_nothing() {
        assert!(opened(&key(2), 1, ENGINE, &sealed()).is_none());
        assert!(opened(&key(1), 2, ENGINE, &sealed()).is_none());
        assert!(opened(&key(1), 1, "0123456789abcdee", &sealed()).is_none());
    }

    #[test]
    fn no_byte_can_be_changed_added_or_taken_away() {
        let sealed = sealed();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(opened(&key(1), 1, ENGINE, &changed).is_none(), "{at}");
            assert!(opened(&key(1), 1, ENGINE, &sealed[..at]).is_none(), "{at}");
        }
        let longer = [sealed.as_slice(), b"x"].concat();
        assert!(opened(&key(1), 1, ENGINE, &longer).is_none());
    }

    #[test]
    fn what_somebody_could_still_change_is_not_mapped() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"code").unwrap();
        assert!(Mapped::of(&file.into()).is_err());
    }

    #[test]
    fn a_key_is_not_shown() {
        assert_eq!(format!("{:?}", key(7)), "CacheKey(..)");
    }
}
