//! Brings back what a task left in `$HOST_OUT`, after its last process has died.
//!
//! Only regular files with one link, opened without following anything, under limits of count, depth and
//! bytes. What does not qualify is named in the report and left behind.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{Dir, FileType, Mode, OFlags};

use crate::report::LeftFile;

/// Files that come back at the most.
const FILES_MAX: usize = 1_000;
/// Entries that are looked at, at the most.
const ENTRIES_MAX: usize = 10_000;
/// Directories are entered this deep.
const DEPTH_MAX: usize = 16;

/// What was found in the directory for files that come back.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    pub(crate) left: Vec<LeftFile>,
    pub(crate) left_out: Vec<(String, String)>,
    entries: usize,
}

/// Copies the files below `out` into the directory `into`, numbered.
pub(crate) fn collect(out: &OwnedFd, into: &OwnedFd) -> io::Result<Collected> {
    let mut collected = Collected::default();
    collected.directory(out, "", 0, into)?;
    Ok(collected)
}

impl Collected {
    fn directory(
        &mut self,
        directory: &OwnedFd,
        prefix: &str,
        depth: usize,
        into: &OwnedFd,
    ) -> io::Result<()> {
        let mut names = Vec::new();
        for entry in Dir::read_from(directory)? {
            let name = entry?.file_name().to_bytes().to_vec();
            if name != b"." && name != b".." {
                names.push(name);
            }
            self.entries += 1;
            if self.entries > ENTRIES_MAX {
                self.left_out.push((
                    format!("{prefix}..."),
                    format!("more than {ENTRIES_MAX} entries"),
                ));
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
        self.left_out
            .push((format!("{prefix}{name}"), reason.to_owned()));
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
        // The scratch limit bounds what is copied: every process that could write more is dead.
        let bytes = io::copy(&mut File::from(file), &mut target)?;
        target.sync_data()?;
        self.left.push(LeftFile { name, copy, bytes });
        Ok(())
    }
}
