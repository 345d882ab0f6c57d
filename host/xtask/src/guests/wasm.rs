//! What a WebAssembly file says of itself in its first eight bytes.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// The two kinds of WebAssembly files.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Shape {
    /// A core module, version 1.
    Module,
    /// A component, version 13 of its own layer.
    Component,
}

impl Shape {
    /// What such a file begins with.
    fn magic(self) -> [u8; 8] {
        match self {
            Self::Module => *b"\0asm\x01\0\0\0",
            Self::Component => *b"\0asm\x0d\0\x01\0",
        }
    }

    fn of(start: [u8; 8]) -> Option<Self> {
        [Self::Module, Self::Component]
            .into_iter()
            .find(|shape| shape.magic() == start)
    }
}

/// Looks whether a file is of this shape.
///
/// # Errors
///
/// When it is not, or cannot be read.
pub(crate) fn check(file: &Path, expected: Shape) -> Result<()> {
    let mut start = [0; 8];
    File::open(file)
        .and_then(|mut file| file.read_exact(&mut start))
        .with_context(|| format!("{}", file.display()))?;
    match Shape::of(start) {
        Some(shape) if shape == expected => Ok(()),
        Some(shape) => bail!(
            "{} is a {shape:?}, expected was a {expected:?}",
            file.display()
        ),
        None => bail!("{} is not WebAssembly: {start:02x?}", file.display()),
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test writes files of its own")]
mod tests {
    use super::{Shape, check};

    #[test]
    fn a_file_is_what_its_first_bytes_say() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("x.wasm");
        let complaint = |bytes: &[u8], expected| {
            std::fs::write(&file, bytes).unwrap();
            let checked = check(&file, expected);
            checked
                .err()
                .map(|error| format!("{error:#}"))
                .unwrap_or_default()
        };
        let module = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01];
        let component = [0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00];
        assert_eq!(complaint(&module, Shape::Module), "");
        assert_eq!(complaint(&component, Shape::Component), "");
        assert!(
            complaint(&module, Shape::Component).ends_with("is a Module, expected was a Component")
        );
        assert!(
            complaint(&component, Shape::Module).ends_with("is a Component, expected was a Module")
        );
        assert!(complaint(b"#!/bin/sh\n", Shape::Module).contains("is not WebAssembly"));
        assert!(complaint(&[0x00, 0x61], Shape::Module).contains("fill"));
    }
}
