//! Names a file or a directory of a module, as the `files` lists of metadata do: `module/mount/path`.
//!
//! Only the four mounts of the task format exist. `..`, empty segments, backslashes and control characters are
//! refused, so that a reference never leaves the directory it is copied to.

use std::fmt;
use std::str::FromStr;

use host_core::ModuleName;

/// How long a path may be, in bytes.
const PATH_BYTES_MAX: usize = 4096;

/// A part of a module that tasks may take files from.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Mount {
    /// `files/`
    Files,
    /// `lib/`
    Lib,
    /// `scripts/`
    Scripts,
    /// `tasks/`
    Tasks,
}

impl Mount {
    /// The directory of the module.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Lib => "lib",
            Self::Scripts => "scripts",
            Self::Tasks => "tasks",
        }
    }
}

/// One entry of a `files` list.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct FileReference {
    module: ModuleName,
    mount: Mount,
    path: String,
    is_directory: bool,
}

/// Why a `files` entry cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileReferenceError {
    /// It does not begin with a module's name.
    #[error("`{text}` does not begin with the name of a module")]
    Module {
        /// The entry.
        text: String,
    },
    /// The second part is not a mount.
    #[error("`{text}` is not below `files`, `lib`, `scripts` or `tasks` of its module")]
    Mount {
        /// The entry.
        text: String,
    },
    /// The path is absolute, leaves its directory or has characters that no path should have.
    #[error("`{text}` is not a plain relative path")]
    Path {
        /// The entry.
        text: String,
    },
}

impl FileReference {
    /// The module that the file comes from.
    #[must_use]
    pub fn module(&self) -> &ModuleName {
        &self.module
    }

    /// The part of the module.
    #[must_use]
    pub fn mount(&self) -> Mount {
        self.mount
    }

    /// The path inside the module, such as `files/lib/helper.sh`, without a trailing `/`.
    #[must_use]
    pub fn path_in_module(&self) -> String {
        if self.path.is_empty() {
            self.mount.as_str().to_owned()
        } else {
            format!("{}/{}", self.mount.as_str(), self.path)
        }
    }

    /// Whether a whole directory is meant, with everything below it.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        self.is_directory
    }
}

impl FromStr for FileReference {
    type Err = FileReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let shown = || host_core::Shown(text).to_string();
        let (module, rest) = text
            .split_once('/')
            .ok_or_else(|| FileReferenceError::Module { text: shown() })?;
        let module = module
            .parse()
            .map_err(|_| FileReferenceError::Module { text: shown() })?;
        let (mount, rest) = rest
            .split_once('/')
            .ok_or_else(|| FileReferenceError::Mount { text: shown() })?;
        let mount = [Mount::Files, Mount::Lib, Mount::Scripts, Mount::Tasks]
            .into_iter()
            .find(|known| known.as_str() == mount)
            .ok_or_else(|| FileReferenceError::Mount { text: shown() })?;
        let path = rest.strip_suffix('/').unwrap_or(rest);
        // The whole mount, `module/files/`, is the one reference with nothing after the mount.
        if !rest.is_empty() && !is_plain_path(path) {
            return Err(FileReferenceError::Path { text: shown() });
        }
        let is_directory = rest.is_empty() || rest.ends_with('/');
        Ok(Self {
            module,
            mount,
            path: path.to_owned(),
            is_directory,
        })
    }
}

impl fmt::Display for FileReference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = if self.is_directory { "/" } else { "" };
        write!(out, "{}/{}{end}", self.module, self.path_in_module())
    }
}

/// Whether `path` is relative, not empty, and made of ordinary segments alone.
pub(crate) fn is_plain_path(path: &str) -> bool {
    path.len() <= PATH_BYTES_MAX
        && !path.contains(|letter: char| letter == '\\' || letter.is_control())
        && path
            .split('/')
            .all(|segment| !matches!(segment, "" | "." | ".."))
}
