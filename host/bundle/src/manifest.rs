//! The manifest: what a bundle holds, file by file, in the one form that is signed.
//!
//! A manifest has exactly one spelling. [`Manifest::read`] parses strictly and then demands that the
//! bytes are those that [`Manifest::to_bytes`] writes, so an unknown, duplicate, missing, reordered or
//! differently escaped field cannot hide anything, and the id of a bundle is a function of its meaning.

use std::fmt::Write as _;

use host_core::{Digest, ModuleName, Shown};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::path::PathSet;
use crate::{BundlePath, FileMode, ModuleVersion};

/// Where the manifest lies in a bundle.
pub const MANIFEST_PATH: &str = "host/manifest.json";

/// Where the signatures lie in a bundle.
pub const SIGNATURES_PATH: &str = "host/signatures.json";

/// Where the asks lie that are sealed beside an unchanged module.
pub const OVERLAY_PATH: &str = "host/asks.json";

/// Below this directory lie files of other modules, each under its module's name.
pub const NEEDED_MODULES_PATH: &str = "host/modules/";

/// Longest manifest, in bytes.
pub const MANIFEST_BYTES_MAX: u64 = 1 << 20;

/// Most files in a bundle.
pub const FILES_MAX: usize = 10_000;

/// Largest file in a bundle, in bytes.
pub const FILE_BYTES_MAX: u64 = 1 << 30;

/// Most bytes of all files of a bundle together.
pub const BUNDLE_BYTES_MAX: u64 = 2 << 30;

const FORMAT: &str = "host.bundle/1";

/// What a bundle holds: a module's name and version, and its files in the order of their path bytes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Manifest {
    module: ModuleName,
    version: ModuleVersion,
    files: Vec<FileEntry>,
}

/// One file of a bundle.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Where it lies.
    pub path: BundlePath,
    /// Its length in bytes.
    pub size: u64,
    /// Whether it is executable.
    pub mode: FileMode,
    /// The SHA-256 of its contents.
    pub sha256: Digest,
}

#[derive(Deserialize)]
struct FormatOnly {
    format: String,
}

/// The JSON of a manifest, read only: writing is done line by line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestText {
    #[serde(rename = "format")]
    _format: String,
    module: ModuleName,
    version: ModuleVersion,
    files: Vec<FileEntry>,
}

/// Why bytes or files make no manifest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// The manifest is longer than it may be.
    #[error("manifest has more than {MANIFEST_BYTES_MAX} bytes")]
    TooLong,
    /// The bytes are not a manifest's JSON.
    #[error("manifest is not readable")]
    Json(#[source] serde_json::Error),
    /// The manifest is of another format or version of the format.
    #[error("manifest has the format `{}`, known is `{FORMAT}`", Shown(.found))]
    Format {
        /// The format found.
        found: String,
    },
    /// The manifest says what a bundle may say, but in other bytes than ours.
    #[error("manifest is not in its canonical form")]
    NotCanonical,
    /// There are too many files.
    #[error("{have} files, {FILES_MAX} are allowed")]
    TooManyFiles {
        /// How many there are.
        have: usize,
    },
    /// One file is too large.
    #[error("`{path}` has {have} bytes, {FILE_BYTES_MAX} are allowed")]
    FileTooLarge {
        /// Which file.
        path: BundlePath,
        /// Its bytes.
        have: u64,
    },
    /// All files together are too large.
    #[error("the files have more than {BUNDLE_BYTES_MAX} bytes together")]
    TooLarge,
    /// Two paths are the same, differ by case or Unicode form only, or one is both file and directory.
    #[error("`{path}` collides with `{other}`")]
    Clash {
        /// The later path.
        path: BundlePath,
        /// What it collides with.
        other: String,
    },
    /// A file lies where only this program writes.
    #[error("`{path}` is reserved: below `host/` a bundle has only asks.json and needed modules")]
    Reserved {
        /// Which file.
        path: BundlePath,
    },
}

impl Manifest {
    /// Makes the manifest of some files, in any order.
    ///
    /// # Errors
    ///
    /// When a limit is passed, two paths collide, or one is reserved.
    pub fn new(
        module: ModuleName,
        version: ModuleVersion,
        files: Vec<FileEntry>,
    ) -> Result<Self, ManifestError> {
        let manifest = Self::checked(module, version, files)?;
        if manifest.to_bytes().len() as u64 > MANIFEST_BYTES_MAX {
            return Err(ManifestError::TooLong);
        }
        Ok(manifest)
    }

    /// Reads a manifest that someone else wrote.
    ///
    /// # Errors
    ///
    /// When the bytes are anything but exactly what [`Manifest::to_bytes`] gives for a legal manifest.
    pub fn read(bytes: &[u8]) -> Result<Self, ManifestError> {
        if bytes.len() as u64 > MANIFEST_BYTES_MAX {
            return Err(ManifestError::TooLong);
        }
        // The format first: what a later one adds should not be reported as a mistake of this one.
        let FormatOnly { format: found } =
            serde_json::from_slice(bytes).map_err(ManifestError::Json)?;
        if found != FORMAT {
            return Err(ManifestError::Format { found });
        }
        let text: ManifestText = serde_json::from_slice(bytes).map_err(ManifestError::Json)?;
        let manifest = Self::checked(text.module, text.version, text.files)?;
        if manifest.to_bytes() != bytes {
            return Err(ManifestError::NotCanonical);
        }
        Ok(manifest)
    }

    /// Everything but the length of the manifest itself.
    fn checked(
        module: ModuleName,
        version: ModuleVersion,
        mut files: Vec<FileEntry>,
    ) -> Result<Self, ManifestError> {
        files.sort_by(|a, b| a.path.cmp(&b.path));
        check_sizes(&files)?;
        check_paths(&module, &files)?;
        Ok(Self {
            module,
            version,
            files,
        })
    }

    /// The module's name.
    pub fn module(&self) -> &ModuleName {
        &self.module
    }

    /// The module's version.
    pub fn version(&self) -> &ModuleVersion {
        &self.version
    }

    /// The files, sorted by the bytes of their paths.
    pub fn files(&self) -> &[FileEntry] {
        &self.files
    }

    /// The file at this path.
    pub fn file(&self, path: &str) -> Option<&FileEntry> {
        let place = self
            .files
            .binary_search_by(|entry| entry.path.as_str().cmp(path))
            .ok()?;
        self.files.get(place)
    }

    /// The bytes of all files together.
    pub fn files_bytes(&self) -> u64 {
        self.files.iter().map(|entry| entry.size).sum()
    }

    /// The bundle's id: the SHA-256 of the manifest's bytes.
    pub fn id(&self) -> Digest {
        sha256(&self.to_bytes())
    }

    /// The manifest's bytes, which are what is signed: JSON with one line for each file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!(
            r#"{{"format":"{FORMAT}","module":"{}","version":"{}","files":["#,
            self.module, self.version
        );
        for (place, entry) in self.files.iter().enumerate() {
            text.push_str(if place == 0 { "\n" } else { ",\n" });
            // INVARIANT: writing to a String cannot fail; a path has neither backslash nor control
            // characters, so the quote is all that JSON makes us escape.
            let _ = write!(
                text,
                r#"{{"path":"{}","size":{},"mode":"{}","sha256":"{}"}}"#,
                entry.path.as_str().replace('"', "\\\""),
                entry.size,
                entry.mode.as_str(),
                entry.sha256
            );
        }
        text.push_str("\n]}\n");
        text.into_bytes()
    }
}

/// The SHA-256 of some bytes.
pub(crate) fn sha256(bytes: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(bytes).into())
}

fn check_sizes(files: &[FileEntry]) -> Result<(), ManifestError> {
    if files.len() > FILES_MAX {
        return Err(ManifestError::TooManyFiles { have: files.len() });
    }
    let mut all_bytes = 0;
    for entry in files {
        if entry.size > FILE_BYTES_MAX {
            let path = entry.path.clone();
            return Err(ManifestError::FileTooLarge {
                path,
                have: entry.size,
            });
        }
        all_bytes += entry.size;
    }
    if all_bytes > BUNDLE_BYTES_MAX {
        return Err(ManifestError::TooLarge);
    }
    Ok(())
}

fn check_paths(module: &ModuleName, files: &[FileEntry]) -> Result<(), ManifestError> {
    let mut seen = PathSet::default();
    // The bundle's own two entries take part, so that `HOST/manifest.json` collides too.
    for own in [MANIFEST_PATH, SIGNATURES_PATH] {
        let _ = seen.insert_file(own);
    }
    for entry in files {
        let path = &entry.path;
        if !may_lie_at(path.as_str(), module) {
            return Err(ManifestError::Reserved { path: path.clone() });
        }
        seen.insert_file(path.as_str())
            .map_err(|clash| ManifestError::Clash {
                path: path.clone(),
                other: clash.other,
            })?;
    }
    Ok(())
}

/// Whether a bundle may have a file there, as far as the directory `host` is concerned.
fn may_lie_at(path: &str, module: &ModuleName) -> bool {
    if path == OVERLAY_PATH || !path.starts_with("host/") {
        return true;
    }
    let other = path
        .strip_prefix(NEEDED_MODULES_PATH)
        .and_then(|rest| rest.split_once('/'));
    other.is_some_and(|(name, _)| name != module.as_str() && name.parse::<ModuleName>().is_ok())
}

#[cfg(test)]
mod tests;
