//! Brings back what a task left in `$HOST_OUT`, after its last process has died.
//!
//! Only regular files with one link, opened without following anything, under limits of count, depth, bytes and
//! the length of names. What does not qualify is named in the report, up to a number, and left behind.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};

use crate::report::LeftFile;

/// Files that come back at the most.
const FILES_MAX: usize = 1_000;
/// Entries that are looked at, at the most.
const ENTRIES_MAX: usize = 10_000;
/// The names of all of them together, in bytes, so that they fit into one record.
const NAMES_BYTES_MAX: usize = 64 * 1024;
/// What was left behind is named up to this number.
const LEFT_OUT_MAX: usize = 50;
/// Directories are entered this deep.
const DEPTH_MAX: usize = 16;

/// What was found in the directory for files that come back.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    pub(crate) left: Vec<LeftFile>,
    pub(crate) left_out: Vec<(String, String)>,
    entries: usize,
    names_bytes: usize,
    bytes_left: u64,
    not_named: usize,
}

/// Copies the files below `out` into the directory `into`, numbered, at most `bytes_max` bytes of them.
pub(crate) fn collect(out: &OwnedFd, into: &OwnedFd, bytes_max: u64) -> io::Result<Collected> {
    let mut collected = Collected {
        bytes_left: bytes_max,
        ..Collected::default()
    };
    collected.directory(out, "", 0, into)?;
    if collected.not_named > 0 {
        let more = format!("and {} more", collected.not_named);
        collected.left_out.push(("...".to_owned(), more));
    }
    Ok(collected)
}

impl Collected {
    /// Lists a directory, which a task may have closed to everyone, itself and thereby us included.
    fn directory(
        &mut self,
        directory: &OwnedFd,
        prefix: &str,
        depth: usize,
        into: &OwnedFd,
    ) -> io::Result<()> {
        // Only an ordinary user needs it, who then owns the directory; whoever does not will see on listing it.
        let _ = rustix::fs::fchmod(directory, Mode::RWXU);
        let mut names = Vec::new();
        for entry in Dir::new(directory.try_clone()?)? {
            let name = entry?.file_name().to_bytes().to_vec();
            if name != b"." && name != b".." {
                names.push(name);
            }
            self.entries += 1;
            if self.entries > ENTRIES_MAX {
                self.refuse(prefix, "...", "there are too many entries");
                return Ok(());
            }
        }
        names.sort();
        for name in names {
            match String::from_utf8(name) {
                Ok(name) => self.entry(directory, prefix, &name, depth, into)?,
                Err(name) => self.refuse(
                    prefix,
                    &String::from_utf8_lossy(name.as_bytes()),
                    "its name is not UTF-8",
                ),
            }
        }
        Ok(())
    }

    fn refuse(&mut self, prefix: &str, name: &str, reason: &str) {
        if self.left_out.len() >= LEFT_OUT_MAX {
            self.not_named += 1;
            return;
        }
        let shown: String = format!("{prefix}{name}").chars().take(128).collect();
        self.left_out.push((shown, reason.to_owned()));
    }

    fn entry(
        &mut self,
        parent: &OwnedFd,
        prefix: &str,
        name: &str,
        depth: usize,
        into: &OwnedFd,
    ) -> io::Result<()> {
        let flags =
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let opened = match rustix::fs::openat(parent, name, flags, Mode::empty()) {
            Ok(opened) => opened,
            Err(errno) => {
                let is_link = errno == rustix::io::Errno::LOOP;
                let reason = if is_link {
                    "it is a link".to_owned()
                } else {
                    errno.to_string()
                };
                self.refuse(prefix, name, &reason);
                return Ok(());
            }
        };
        let stat = rustix::fs::fstat(&opened)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind.is_dir() && depth < DEPTH_MAX {
            return self.directory(&opened, &format!("{prefix}{name}/"), depth + 1, into);
        }
        let reason = match () {
            () if kind.is_dir() => "it lies too deep",
            () if !kind.is_file() => "it is not a regular file",
            () if stat.st_nlink != 1 => "it has more than one link",
            () if self.left.len() >= FILES_MAX => "there are too many files",
            () if self.names_bytes + prefix.len() + name.len() > NAMES_BYTES_MAX => {
                "the names of all are too long"
            }
            // A hole in a file takes no room in the scratch directory and would here.
            () if u64::try_from(stat.st_size).unwrap_or(u64::MAX) > self.bytes_left => {
                "it is longer than the scratch directory had room for"
            }
            () => return self.bring_back(opened, format!("{prefix}{name}"), into),
        };
        self.refuse(prefix, name, reason);
        Ok(())
    }

    fn bring_back(&mut self, file: OwnedFd, name: String, into: &OwnedFd) -> io::Result<()> {
        let copy = self.left.len().to_string();
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let target = rustix::fs::openat(into, copy.as_str(), flags, Mode::from_raw_mode(0o600))?;
        let mut target = File::from(target);
        let copied = io::copy(&mut File::from(file).take(self.bytes_left), &mut target)
            .and_then(|bytes| target.sync_data().map(|()| bytes));
        let bytes = copied.inspect_err(|_| {
            // Half a file is of no use, and its room may be what is missing.
            let _ = rustix::fs::unlinkat(into, copy.as_str(), AtFlags::empty());
        })?;
        self.bytes_left -= bytes;
        self.names_bytes += name.len();
        self.left.push(LeftFile { name, copy, bytes });
        Ok(())
    }
}
