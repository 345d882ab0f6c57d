//! A directory read whole, as it was at one time: the files of a policy set, or facts.
//!
//! What is read while somebody changes it is refused, not taken half. Two kinds of directories are read: one that only
//! its owner controls, for what decides; and any, for tools that only look.

use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use rustix::fs::{AtFlags, FileType, statat};

use crate::disk::{DiskError, read_whole};
use crate::owned::{OwnedDir, Privacy, ReadOwnedError, open_to_judge};
use crate::walk::{OpenDirError, shown};

/// Files of one directory.
const FILES_MAX: usize = 4_096;

/// Why a directory was not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadWholeError {
    /// The directory is missing, or could be changed by others.
    #[error(transparent)]
    Directory(#[from] OpenDirError),
    /// It cannot be listed, or has too many files.
    #[error("cannot list `{path}`")]
    List {
        /// The directory, printable.
        path: String,
        /// What failed.
        #[source]
        source: DiskError,
    },
    /// A file of it could not be read, or could be changed by others.
    #[error(transparent)]
    File(#[from] ReadOwnedError),
    /// Somebody changed it meanwhile.
    #[error("`{path}` was changed while it was read; try again")]
    Changed {
        /// The directory, printable.
        path: String,
    },
    /// All files together are larger than anything expected there.
    #[error("`{path}` has more than {size_max} bytes")]
    TooLarge {
        /// The directory, printable.
        path: String,
        /// The limit in bytes.
        size_max: u64,
    },
}

impl OwnedDir {
    /// Reads all files of this directory, sorted by name, but for what a crash left of a file that was being replaced.
    ///
    /// # Errors
    /// [`ReadWholeError`], also for anything in it that is no file that only its owner could have written.
    pub fn read_whole(&self, size_max: u64) -> Result<Vec<(String, Vec<u8>)>, ReadWholeError> {
        let names = || names_of(self.dir()).map_err(listing(self.path()));
        let read = |name: &str, room| self.read(name, room, Privacy::Public);
        read_settled(self.path(), self.dir(), &names, &read, size_max)
    }
}

/// Reads all files of any directory, whoever may write there: for tools that decide nothing.
///
/// # Errors
/// [`ReadWholeError`], also for anything in it that is no regular file.
pub fn read_whole_anywhere(
    path: &Path,
    size_max: u64,
) -> Result<Vec<(String, Vec<u8>)>, ReadWholeError> {
    let dir = Dir::open_ambient_dir(path, ambient_authority()).map_err(|error| {
        let path = shown(path);
        match error.kind() {
            std::io::ErrorKind::NotFound => OpenDirError::Missing { path },
            _ => OpenDirError::NotDirectory { path },
        }
    })?;
    let names = || names_of(&dir).map_err(listing(path));
    let read = |name: &str, room| read_any(&dir, name, &path.join(name), room);
    read_settled(path, &dir, &names, &read, size_max)
}

fn listing(path: &Path) -> impl FnOnce(DiskError) -> ReadWholeError {
    let path = shown(path);
    move |source| ReadWholeError::List { path, source }
}

/// Reads one file, at most so many bytes of it.
type ReadOne<'r> = dyn Fn(&str, u64) -> Result<Vec<u8>, ReadOwnedError> + 'r;

/// Reads what `names` lists, and looks afterwards whether all of it is still what it was before.
fn read_settled(
    path: &Path,
    dir: &Dir,
    names: &dyn Fn() -> Result<Vec<String>, ReadWholeError>,
    read: &ReadOne<'_>,
    size_max: u64,
) -> Result<Vec<(String, Vec<u8>)>, ReadWholeError> {
    let listed = names()?;
    let before = stamps(dir, &listed);
    let mut room = size_max;
    let mut files = Vec::with_capacity(listed.len());
    for name in &listed {
        let bytes = read(name, room).map_err(|error| match error {
            ReadOwnedError::TooLarge { .. } => ReadWholeError::TooLarge {
                path: shown(path),
                size_max,
            },
            error => error.into(),
        })?;
        room = room.saturating_sub(bytes.len() as u64);
        files.push((name.clone(), bytes));
    }
    let after = names()?;
    if after != listed || stamps(dir, &after) != before {
        return Err(ReadWholeError::Changed { path: shown(path) });
    }
    Ok(files)
}

/// What tells a file from another one, and from itself after a change.
type Stamp = Option<(u64, u64, i64, i64, u64, i64, u64)>;

fn stamps(dir: &Dir, names: &[String]) -> Vec<Stamp> {
    let stamp = |name: &String| {
        let stat = statat(dir, name.as_str(), AtFlags::SYMLINK_NOFOLLOW).ok()?;
        Some((
            stat.st_dev,
            stat.st_ino,
            stat.st_size,
            stat.st_mtime,
            stat.st_mtime_nsec,
            stat.st_ctime,
            stat.st_ctime_nsec,
        ))
    };
    names.iter().map(stamp).collect()
}

fn names_of(dir: &Dir) -> Result<Vec<String>, DiskError> {
    const DOING: &str = "list the directory";
    let mut names = Vec::new();
    for entry in dir.entries().map_err(DiskError::when(DOING))? {
        let name = entry.map_err(DiskError::when(DOING))?.file_name();
        let name = name
            .into_string()
            .map_err(|_| DiskError::when(DOING)(rustix::io::Errno::ILSEQ))?;
        if names.len() == FILES_MAX {
            return Err(DiskError::when(DOING)(rustix::io::Errno::TOOBIG));
        }
        if !is_leftover(&name) {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// As replacing a file names the new one until it is whole.
fn is_leftover(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(".new")
}

fn read_any(dir: &Dir, name: &str, path: &Path, room: u64) -> Result<Vec<u8>, ReadOwnedError> {
    let failed = |source| ReadOwnedError::Disk {
        path: shown(path),
        source,
    };
    let file = open_to_judge(dir, name, path)?;
    let stat = rustix::fs::fstat(&file)
        .map_err(|errno| failed(DiskError::when("look at a file")(errno)))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(ReadOwnedError::NotFile { path: shown(path) });
    }
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    read_whole(&file, size, room)
        .map_err(|error| failed(DiskError::when("read a file")(error)))?
        .ok_or_else(|| ReadOwnedError::TooLarge {
            path: shown(path),
            size_max: room,
        })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    use super::*;
    use crate::lab::Lab;

    fn lab() -> (Lab, PathBuf) {
        let lab = Lab::new();
        let path = lab.path("set");
        std::fs::create_dir(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        for (name, text) in [("b.cedar", "b"), ("a.cedar", "a"), (".a.cedar.x.new", "x")] {
            put(&path.join(name), text);
        }
        (lab, path)
    }

    fn put(path: &Path, text: &str) {
        std::fs::File::create(path)
            .and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()))
            .unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
    }

    #[test]
    fn all_files_are_read_in_order_and_leftovers_left_out() {
        let (_lab, path) = lab();
        let expected = vec![
            ("a.cedar".to_owned(), b"a".to_vec()),
            ("b.cedar".to_owned(), b"b".to_vec()),
        ];
        assert_eq!(
            OwnedDir::open(&path).unwrap().read_whole(10).unwrap(),
            expected
        );
        assert_eq!(read_whole_anywhere(&path, 10).unwrap(), expected);
    }

    #[test]
    fn a_directory_or_file_that_others_can_write_decides_nothing() {
        let (_lab, path) = lab();
        let file = path.join("a.cedar");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).unwrap();
        let error = OwnedDir::open(&path).unwrap().read_whole(10).unwrap_err();
        assert!(
            matches!(error, ReadWholeError::File(ReadOwnedError::Writable { .. })),
            "{error}"
        );
        assert!(read_whole_anywhere(&path, 10).is_ok(), "tools may look");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(
            OwnedDir::open(&path),
            Err(OpenDirError::Writable { .. })
        ));
    }

    #[test]
    fn what_is_no_file_and_what_is_too_large_refuses_all() {
        let (_lab, path) = lab();
        assert!(matches!(
            read_whole_anywhere(&path, 1),
            Err(ReadWholeError::TooLarge { .. })
        ));
        std::os::unix::fs::symlink("a.cedar", path.join("c.cedar")).unwrap();
        assert!(matches!(
            OwnedDir::open(&path).unwrap().read_whole(10),
            Err(ReadWholeError::File(ReadOwnedError::Link { .. }))
        ));
        assert!(read_whole_anywhere(&path, 10).is_err());
    }

    /// The reader itself changes a file between reading and looking once more.
    #[test]
    fn what_is_changed_while_it_is_read_is_refused() {
        let (_lab, path) = lab();
        let dir = Dir::open_ambient_dir(&path, ambient_authority()).unwrap();
        let names = || names_of(&dir).map_err(listing(&path));
        for change in [0, 1, 2] {
            let read = |name: &str, room| {
                let bytes = read_any(&dir, name, &path.join(name), room);
                match change {
                    0 => put(&path.join(name), "another"),
                    1 => put(&path.join("new.cedar"), "new"),
                    _ => {
                        let _ = std::fs::remove_file(path.join("new.cedar"));
                    }
                }
                bytes
            };
            let error = read_settled(&path, &dir, &names, &read, 100).unwrap_err();
            assert!(
                matches!(
                    error,
                    ReadWholeError::Changed { .. } | ReadWholeError::File(_)
                ),
                "{change}: {error}"
            );
        }
    }
}
