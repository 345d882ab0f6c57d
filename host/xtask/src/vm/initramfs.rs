//! What the kernel starts with: an archive in the format that it reads (`newc` of cpio), with a shell, the modules that
//! the machine needs, and a script that makes the system.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use anyhow::{Context, Result};

use super::kernel::Module;

/// The first program, which finds the modules in the order of their names.
const INIT: &str = include_str!("init.sh");

/// Where the script mounts things, all of them empty.
const DIRECTORIES: &[&str] = &["bin", "dev", "modules", "proc", "share", "sys", "system"];

const OF_DIRECTORY: u32 = 0o040_755;
const OF_PROGRAM: u32 = 0o100_755;
const OF_FILE: u32 = 0o100_644;

/// Writes it to `file`.
///
/// # Errors
///
/// When something is too long for the format, or the disk does not allow it.
pub(crate) fn write(file: &Path, busybox: &Path, modules: &[Module]) -> Result<()> {
    let mut archive = Archive::default();
    for name in DIRECTORIES {
        archive.add(name, OF_DIRECTORY, &[])?;
    }
    let mut shell = Vec::new();
    File::open(busybox)?.read_to_end(&mut shell)?;
    archive.add("bin/busybox", OF_PROGRAM, &shell)?;
    for (place, module) in modules.iter().enumerate() {
        let name = format!("modules/{place:02}-{}.ko", module.name);
        archive.add(&name, OF_FILE, &module.bytes)?;
    }
    archive.add("init", OF_PROGRAM, INIT.as_bytes())?;
    File::create(file)
        .and_then(|mut written| written.write_all(&archive.end()?))
        .with_context(|| format!("{}", file.display()))
}

/// An archive that grows at its end.
#[derive(Debug, Default)]
struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    /// Adds a file or a directory, which belongs to root.
    fn add(&mut self, name: &str, mode: u32, content: &[u8]) -> std::io::Result<()> {
        let long = |_| std::io::Error::other(format!("`{name}` is too long for the archive"));
        let size = u32::try_from(content.len()).map_err(long)?;
        let name_size = u32::try_from(name.len() + 1).map_err(long)?;
        self.entries += 1;
        self.bytes.extend_from_slice(b"070701");
        // inode, mode, owner, group, links, time, size, device (2), device of the node (2), size of the name, checksum
        let fields = [
            self.entries,
            mode,
            0,
            0,
            1,
            0,
            size,
            0,
            0,
            0,
            0,
            name_size,
            0,
        ];
        for field in fields {
            write!(self.bytes, "{field:08X}")?;
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.align();
        self.bytes.extend_from_slice(content);
        self.align();
        Ok(())
    }

    fn end(mut self) -> std::io::Result<Vec<u8>> {
        self.add("TRAILER!!!", 0, &[])?;
        Ok(self.bytes)
    }

    /// Names end, and contents begin and end, at a multiple of 4.
    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::{Archive, OF_FILE};

    #[test]
    fn an_archive_is_what_cpio_would_have_written() {
        let mut archive = Archive::default();
        archive.add("a/bc", OF_FILE, b"hello").unwrap();
        let bytes = archive.end().unwrap();
        let entry = "070701\
            00000001000081A4000000000000000000000001000000000000000500000000000000000000000000000000\
            0000000500000000a/bc\0\0hello\0\0\0";
        let trailer = "070701\
            00000002000000000000000000000000000000010000000000000000000000000000000000000000\
            00000000\0";
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.starts_with(entry), "{text:?}");
        let rest = text.strip_prefix(entry).unwrap();
        assert!(
            rest.starts_with(trailer.trim_end_matches('\0').get(..80).unwrap()),
            "{rest:?}"
        );
        assert!(
            rest.ends_with("TRAILER!!!\0\0\0\0") && rest.len() == 124,
            "{rest:?}"
        );
    }
}
