//! Where the files of a module come from before they are sealed.

use std::fmt;
use std::io::{self, Read};

/// A module's files, wherever they lie.
///
/// Whoever implements this has already refused links and special files, and left out what is no part of
/// the module, such as a version control directory.
pub trait ModuleSource: fmt::Debug {
    /// All files, in any order.
    fn files(&self) -> Vec<SourceFile>;

    /// Opens one of them, by the path it was listed under.
    ///
    /// # Errors
    ///
    /// When the file is not there or cannot be read.
    fn open(&self, path: &str) -> io::Result<Box<dyn Read + '_>>;
}

/// One file of a module that is not sealed yet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SourceFile {
    /// Its path below the module's directory, with slashes.
    pub path: String,
    /// Whether it is executable.
    pub executable: bool,
    /// Its length in bytes when it was listed.
    pub size: u64,
}
