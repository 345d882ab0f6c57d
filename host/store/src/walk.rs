//! Opening a directory so that nobody but its owner and root can have put another one there.
//!
//! The path is walked from the root, one component at a time, by descriptor. Each directory on the way, and each
//! symbolic link, belongs to us or root; each directory can be written by its owner alone, or is sticky like `/tmp`,
//! where others cannot rename what is ours. What fails is named together with the command that mends it. The walk
//! reads no file and believes no path a second time.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use cap_std::fs::Dir;
use host_core::Shown;
use rustix::fs::{self, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use rustix::process::geteuid;

use crate::disk::{DIRECTORY_MODE, open_dir};

/// Components of a path, those of the links on it included.
const COMPONENTS_MAX: usize = 256;

/// Symbolic links on one path.
const LINKS_MAX: u32 = 40;

/// Bits by which others could change what is in a directory.
const OTHERS_WRITE: u32 = 0o022;

/// The bit that keeps others from renaming what is not theirs.
const STICKY: u32 = 0o1000;

/// Why a directory could not be opened as one that only its owner controls.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenDirError {
    /// The path does not begin at the root, so its parents are unknown.
    #[error("`{path}` is not an absolute path")]
    Relative {
        /// The path as given, printable.
        path: String,
    },
    /// There is no such directory.
    #[error("`{path}` does not exist")]
    Missing {
        /// The first directory that is missing, printable.
        path: String,
    },
    /// Something else is where a directory should be.
    #[error("`{path}` is not a directory")]
    NotDirectory {
        /// What is in the way, printable.
        path: String,
    },
    /// Someone else could change the directory at will.
    #[error(
        "`{path}` belongs to uid {owner}, not to uid {us} or root: `chown {us} '{path}'` mends it"
    )]
    Owner {
        /// The directory or link, printable.
        path: String,
        /// Whose it is.
        owner: u32,
        /// Who we are.
        us: u32,
    },
    /// Others could put files into the directory or take them out.
    #[error(
        "`{path}` has mode {mode:04o}, so others can write to it: `chmod go-w '{path}'` mends it"
    )]
    Writable {
        /// The directory, printable.
        path: String,
        /// Its permission bits.
        mode: u32,
    },
    /// The path has too many components or symbolic links.
    #[error("`{path}` is too long, or its links lead nowhere")]
    TooLong {
        /// Where the walk was given up, printable.
        path: String,
    },
    /// The directory is missing and could not be made.
    #[error("cannot make `{path}`")]
    Make {
        /// The directory, printable.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The directory could not be opened.
    #[error("cannot open `{path}`")]
    Open {
        /// The directory, printable.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// What to do about directories that are missing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum IfMissing {
    Fail,
    /// Make them; a power failure may take them away again.
    Make,
    /// Make them and wait until they are on disk, because durable records will lie below.
    MakeDurable,
}

/// Who may put files into the last directory of the path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Leaf {
    /// Its owner alone: what lies in it was put there by us or root.
    Private,
    /// Others too when it is sticky, like `/tmp`: each file in it is judged by itself.
    Sticky,
}

/// Opens the directory at the end of `path`.
pub(crate) fn walk(path: &Path, missing: IfMissing, leaf: Leaf) -> Result<Dir, OpenDirError> {
    let mut walk = Walk::start(path)?;
    while let Some(next) = walk.ahead.pop() {
        walk.step(next, missing)?;
    }
    if leaf == Leaf::Private && walk.mode & OTHERS_WRITE != 0 {
        return Err(writable(&walk.path, walk.mode));
    }
    let how = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match fs::openat(&walk.at, ".", how, Mode::empty()) {
        Ok(opened) => Ok(Dir::from_std_file(File::from(opened))),
        Err(errno) => Err(open_failed(&walk.path, errno)),
    }
}

/// Opens a directory inside one that the walk gave, and judges it the same.
pub(crate) fn enter(dir: &Dir, name: &str, path: &Path) -> Result<Dir, OpenDirError> {
    let opened = open_dir(dir, name).map_err(|errno| match errno {
        Errno::LOOP | Errno::NOTDIR => OpenDirError::NotDirectory { path: shown(path) },
        errno => open_failed(path, errno),
    })?;
    let found = fs::fstat(&opened).map_err(|errno| open_failed(path, errno))?;
    let mode = judge(&found, path, geteuid().as_raw())?;
    if mode & OTHERS_WRITE != 0 {
        return Err(writable(path, mode));
    }
    Ok(opened)
}

struct Walk {
    /// Where we are; everything above it passed.
    at: OwnedFd,
    /// The same as text, for messages only.
    path: PathBuf,
    /// Permission bits of where we are.
    mode: u32,
    /// What is still to be walked, last component first.
    ahead: Vec<OsString>,
    links_left: u32,
    us: u32,
}

impl Walk {
    fn start(path: &Path) -> Result<Self, OpenDirError> {
        if !path.is_absolute() {
            let path = shown(path);
            return Err(OpenDirError::Relative { path });
        }
        let mut walk = Self {
            at: open_root()?,
            path: PathBuf::from("/"),
            mode: 0,
            ahead: Vec::new(),
            links_left: LINKS_MAX,
            us: geteuid().as_raw(),
        };
        let root = stat(&walk.at, &walk.path)?;
        walk.mode = judge(&root, &walk.path, walk.us)?;
        walk.push(path)?;
        Ok(walk)
    }

    /// Puts the components of a path, or of what a link holds, before everything that is still ahead.
    fn push(&mut self, path: &Path) -> Result<(), OpenDirError> {
        for component in path.components().rev() {
            match component {
                // `..` is walked by descriptor too: it leads to a directory that is judged like any other.
                Component::Normal(_) | Component::ParentDir => {
                    self.ahead.push(component.as_os_str().to_owned());
                }
                Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
            }
        }
        if self.ahead.len() > COMPONENTS_MAX {
            return Err(self.too_long());
        }
        Ok(())
    }

    fn step(&mut self, name: OsString, missing: IfMissing) -> Result<(), OpenDirError> {
        let path = if name == ".." {
            self.path.parent().unwrap_or(&self.path).to_owned()
        } else {
            self.path.join(&name)
        };
        let next = self.open(&name, &path, missing)?;
        let found = stat(&next, &path)?;
        match FileType::from_raw_mode(found.st_mode) {
            FileType::Directory => {
                self.mode = judge(&found, &path, self.us)?;
                self.at = next;
                self.path = path;
                Ok(())
            }
            FileType::Symlink => {
                judge_owner(&found, &path, self.us)?;
                self.follow(&next, &path)
            }
            _ => Err(OpenDirError::NotDirectory { path: shown(&path) }),
        }
    }

    fn open(&self, name: &OsStr, path: &Path, missing: IfMissing) -> Result<OwnedFd, OpenDirError> {
        let how = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = || fs::openat(&self.at, name, how, Mode::empty());
        let opened = match open() {
            Err(Errno::NOENT) if missing != IfMissing::Fail => {
                self.make(name, path, missing)?;
                open()
            }
            opened => opened,
        };
        opened.map_err(|errno| open_failed(path, errno))
    }

    fn make(&self, name: &OsStr, path: &Path, missing: IfMissing) -> Result<(), OpenDirError> {
        let failed = |errno: Errno| OpenDirError::Make {
            path: shown(path),
            source: errno.into(),
        };
        match fs::mkdirat(&self.at, name, DIRECTORY_MODE) {
            Ok(()) => {}
            // Another process was quicker; what it made is judged like anything else.
            Err(Errno::EXIST) => return Ok(()),
            Err(errno) => return Err(failed(errno)),
        }
        if missing == IfMissing::Make {
            return Ok(());
        }
        let how = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match fs::openat(&self.at, ".", how, Mode::empty()) {
            Ok(parent) => fs::fsync(parent).map_err(failed),
            // A parent that we may use but not list cannot be synced by us.
            Err(Errno::ACCESS) => Ok(()),
            Err(errno) => Err(failed(errno)),
        }
    }

    fn follow(&mut self, link: &OwnedFd, path: &Path) -> Result<(), OpenDirError> {
        let Some(left) = self.links_left.checked_sub(1) else {
            return Err(self.too_long());
        };
        self.links_left = left;
        let target =
            fs::readlinkat(link, "", Vec::new()).map_err(|errno| open_failed(path, errno))?;
        let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
        if target.is_absolute() {
            // The root itself was judged at the start.
            self.at = open_root()?;
            self.path = PathBuf::from("/");
        }
        self.push(&target)
    }

    fn too_long(&self) -> OpenDirError {
        OpenDirError::TooLong {
            path: shown(&self.path),
        }
    }
}

/// Judges a directory on the way and gives its permission bits.
fn judge(found: &Stat, path: &Path, us: u32) -> Result<u32, OpenDirError> {
    judge_owner(found, path, us)?;
    let mode = Mode::from_raw_mode(found.st_mode).as_raw_mode();
    if mode & OTHERS_WRITE != 0 && mode & STICKY == 0 {
        return Err(writable(path, mode));
    }
    Ok(mode)
}

fn judge_owner(found: &Stat, path: &Path, us: u32) -> Result<(), OpenDirError> {
    if found.st_uid == us || found.st_uid == 0 {
        return Ok(());
    }
    Err(OpenDirError::Owner {
        path: shown(path),
        owner: found.st_uid,
        us,
    })
}

fn open_root() -> Result<OwnedFd, OpenDirError> {
    let how = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    fs::open("/", how, Mode::empty()).map_err(|errno| open_failed(Path::new("/"), errno))
}

fn stat(opened: &OwnedFd, path: &Path) -> Result<Stat, OpenDirError> {
    fs::fstat(opened).map_err(|errno| open_failed(path, errno))
}

fn open_failed(path: &Path, errno: Errno) -> OpenDirError {
    let path = shown(path);
    match errno {
        Errno::NOENT => OpenDirError::Missing { path },
        _ => OpenDirError::Open {
            path,
            source: errno.into(),
        },
    }
}

fn writable(path: &Path, mode: u32) -> OpenDirError {
    OpenDirError::Writable {
        path: shown(path),
        mode,
    }
}

/// A path for people: escaped, so that it cannot draw on their terminal.
pub(crate) fn shown(path: &Path) -> String {
    Shown(&path.to_string_lossy()).to_string()
}

#[cfg(test)]
mod tests;
