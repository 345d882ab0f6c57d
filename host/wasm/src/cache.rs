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

use hmac::{Hmac, Mac};
use host_core::Digest;
use rustix::mm::{MapFlags, ProtFlags};
use sha2::Sha256;
use wasmtime::component::Component;
use wasmtime::{Engine, Module, Result};

use crate::artifact::Artifact;

/// What a tag is about, so that no other use of the key makes one.
const CONTEXT: &[u8] = b"host.wasm/1";
/// The length of a tag, in bytes.
const TAG_BYTES: usize = 32;

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

    /// The artifact that was kept for `program` and `engine`; nothing if this is anything else.
    #[must_use]
    pub fn open(&self, program: &Digest, engine: &str, mut sealed: Vec<u8>) -> Option<Artifact> {
        let (tag, artifact) = sealed.split_at_checked(TAG_BYTES)?;
        self.mac(program, engine, artifact).verify_slice(tag).ok()?;
        Artifact::read(sealed.split_off(TAG_BYTES))
    }

    fn mac(&self, program: &Digest, engine: &str, artifact: &[u8]) -> Hmac<Sha256> {
        // As long as a block of the hash, the rest zeroes, which is what HMAC makes of a shorter key.
        let mut key = hmac::digest::Key::<Hmac<Sha256>>::default();
        for (place, byte) in key.iter_mut().zip(self.0) {
            *place = byte;
        }
        let mut mac = <Hmac<Sha256> as Mac>::new(&key);
        let program = program.to_string();
        for part in [CONTEXT, program.as_bytes(), engine.as_bytes(), artifact] {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part);
        }
        mac
    }
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
    let length = usize::try_from(rustix::fs::fstat(code)?.st_size)?;
    let (access, flags) = (ProtFlags::READ, MapFlags::PRIVATE);
    // SAFETY: the kernel chooses where, so nothing that is there already is replaced.
    let start = unsafe { rustix::mm::mmap(std::ptr::null_mut(), length, access, flags, code, 0)? };
    // SAFETY: mapped above, at least this long, and of a file with seals against every change. It is unmapped below, when
    // nothing refers to it any more.
    let bytes = unsafe { std::slice::from_raw_parts(start.cast::<u8>(), length) };
    // SAFETY: as for a module.
    let component = unsafe { Component::deserialize(engine, bytes) };
    // SAFETY: mapped above; the engine has its own copy.
    unsafe { rustix::mm::munmap(start, length)? };
    component
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENGINE: &str = "0123456789abcdef";

    fn key(byte: u8) -> CacheKey {
        CacheKey::new([byte; 32])
    }

    fn digest(byte: u8) -> Digest {
        Digest::from_bytes([byte; 32])
    }

    fn artifact() -> Vec<u8> {
        let mut bytes = Artifact::line(crate::ProgramKind::Module).unwrap();
        bytes.extend(b"code");
        bytes
    }

    #[test]
    fn what_was_sealed_is_opened() {
        let sealed = key(1).seal(&digest(1), ENGINE, &artifact());
        let opened = key(1).open(&digest(1), ENGINE, sealed).unwrap();
        assert_eq!(opened.code, b"code");
    }

    #[test]
    fn another_key_program_or_engine_opens_nothing() {
        let sealed = key(1).seal(&digest(1), ENGINE, &artifact());
        assert!(key(2).open(&digest(1), ENGINE, sealed.clone()).is_none());
        assert!(key(1).open(&digest(2), ENGINE, sealed.clone()).is_none());
        assert!(
            key(1)
                .open(&digest(1), "0123456789abcdee", sealed)
                .is_none()
        );
    }

    #[test]
    fn no_byte_can_be_changed_added_or_taken_away() {
        let sealed = key(1).seal(&digest(1), ENGINE, &artifact());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(key(1).open(&digest(1), ENGINE, changed).is_none(), "{at}");
            let cut = sealed[..at].to_vec();
            assert!(key(1).open(&digest(1), ENGINE, cut).is_none(), "{at}");
        }
        let longer = [sealed.as_slice(), b"x"].concat();
        assert!(key(1).open(&digest(1), ENGINE, longer).is_none());
    }

    #[test]
    fn a_key_is_not_shown() {
        assert_eq!(format!("{:?}", key(7)), "CacheKey(..)");
    }
}
