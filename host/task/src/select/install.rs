//! Says which file of a bundle goes where in the directory of one run.
//!
//! A task without `files` stands alone at the top. With `files`, everything keeps its place below its module, so
//! that a task finds its neighbours through `_installdir` as well as relative to itself.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use host_core::{ModuleName, Shown};

use super::Selection;
use crate::metadata::FileReference;
use crate::module::{MODULES_PREFIX, Module};

/// What a run finds in its directory.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Installation {
    /// The program, relative to the directory.
    pub executable: String,
    /// Every file, the program included, sorted by where it goes.
    pub files: Vec<InstalledFile>,
    /// Whether the task is told the directory as `_installdir`.
    pub has_installdir: bool,
}

/// One file of a run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InstalledFile {
    /// Its path in the bundle.
    pub from: String,
    /// Its path relative to the run's directory.
    pub to: String,
}

/// Why the files of a task cannot be laid out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstallError {
    /// A `files` entry names a file or a directory that the bundle does not hold.
    #[error("`{reference}` is not in the bundle")]
    Missing {
        /// The entry.
        reference: String,
    },
    /// A `files` entry names a directory without a trailing `/`.
    #[error("`{reference}` is a directory: write `{reference}/` for all of it")]
    Directory {
        /// The entry.
        reference: String,
    },
}

impl Selection<'_> {
    /// Lays out the selected implementation of a task of `module`.
    ///
    /// # Errors
    /// When a file that the task needs is not in the bundle.
    pub fn install(&self, module: &Module) -> Result<Installation, InstallError> {
        let program = format!("tasks/{}", self.executable);
        if self.files.is_empty() {
            let executable = self.executable.to_owned();
            let files = vec![InstalledFile {
                from: program,
                to: executable.clone(),
            }];
            return Ok(Installation {
                executable,
                files,
                has_installdir: false,
            });
        }
        let executable = format!("{}/{program}", module.name());
        let mut sources = BTreeMap::from([(executable.clone(), program)]);
        for reference in &self.files {
            add(&mut sources, reference, module)?;
        }
        let files = sources
            .into_iter()
            .map(|(to, from)| InstalledFile { from, to })
            .collect();
        Ok(Installation {
            executable,
            files,
            has_installdir: true,
        })
    }
}

/// Adds what `reference` names to `sources`, a map from places in the run's directory to paths in the bundle.
fn add(
    sources: &mut BTreeMap<String, String>,
    reference: &FileReference,
    module: &Module,
) -> Result<(), InstallError> {
    let root = root(reference.module(), module);
    let path = format!("{root}{}", reference.path_in_module());
    let shown = || Shown(&reference.to_string()).to_string();
    let mut below = files_below(module.files(), &path).peekable();
    match (reference.is_directory(), below.peek().is_some()) {
        (true, false) => return Err(InstallError::Missing { reference: shown() }),
        (false, true) => return Err(InstallError::Directory { reference: shown() }),
        (false, false) if !module.files().contains(&path) => {
            return Err(InstallError::Missing { reference: shown() });
        }
        _ => {}
    }
    let single = (!reference.is_directory()).then_some(&path);
    for from in below.chain(single) {
        let in_module = from.strip_prefix(&root).unwrap_or(from);
        sources.insert(format!("{}/{in_module}", reference.module()), from.clone());
    }
    Ok(())
}

/// Where the bundle keeps the files of `name`: at the top for its own module, else below `host/modules/`.
fn root(name: &ModuleName, module: &Module) -> String {
    if name == module.name() {
        String::new()
    } else {
        format!("{MODULES_PREFIX}{name}/")
    }
}

fn files_below<'m>(
    files: &'m BTreeSet<String>,
    directory: &str,
) -> impl Iterator<Item = &'m String> {
    let prefix = format!("{directory}/");
    let from = (Bound::Included(prefix.clone()), Bound::Unbounded);
    files
        .range::<String, _>(from)
        .take_while(move |path| path.starts_with(&prefix))
}
