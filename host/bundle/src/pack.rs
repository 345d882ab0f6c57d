//! Seals a module into a bundle: the same files give the same bytes, whoever lists them in whatever order.
//!
//! Each file is read twice, once for the manifest and once for the archive, so nothing is held in memory;
//! a file that changed in between is an error. Nothing is signed here: see [`crate::add_signature`].

use std::io::{self, Read, Write};

use host_core::{Digest, ModuleName, Shown};
use sha2::{Digest as _, Sha256};

use crate::manifest::{
    FILE_BYTES_MAX, FILES_MAX, MANIFEST_PATH, NEEDED_MODULES_PATH, OVERLAY_PATH, SIGNATURES_PATH,
};
use crate::ustar::{self, END_BYTES};
use crate::{
    BundlePath, BundlePathError, FileEntry, FileMode, Manifest, ManifestError, ModuleSource,
    ModuleVersion, SignaturesError, SourceFile, signatures,
};

/// Bytes that are read, hashed and written at once.
const PIECE_BYTES: usize = 64 << 10;

/// What is to be sealed.
#[derive(Debug)]
pub struct PackRequest<'a> {
    /// The module's name.
    pub module: ModuleName,
    /// The module's version.
    pub version: ModuleVersion,
    /// The module's files, all of which are sealed.
    pub source: &'a dyn ModuleSource,
    /// Other modules of which some files are needed.
    pub needs: Vec<NeededModule<'a>>,
    /// Asks to seal beside the module, the bytes of `host/asks.json`. The caller has read them.
    pub overlay: Option<Vec<u8>>,
}

/// Another module of which some files are sealed too, below `host/modules/<name>/`.
#[derive(Debug)]
pub struct NeededModule<'a> {
    /// Its name.
    pub module: ModuleName,
    /// Its files.
    pub source: &'a dyn ModuleSource,
    /// Which of them: a path, or a directory with a slash at its end for everything below it.
    pub paths: Vec<String>,
}

/// What was sealed.
#[derive(Clone, Debug)]
pub struct Packed {
    /// What the bundle holds; its bytes are what is to be signed.
    pub manifest: Manifest,
    /// The bundle's id.
    pub id: Digest,
    /// The length of the bundle in bytes.
    pub bytes: u64,
}

/// Why a module could not be sealed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// A file of the module has a path that no bundle may have.
    #[error("file `{}` cannot be sealed", Shown(.path))]
    Path {
        /// Which file.
        path: String,
        /// What is wrong with its path.
        #[source]
        source: BundlePathError,
    },
    /// The module keeps its own files in the directory that is host's.
    #[error("file `{}` is reserved: of `host/`, a module may have asks.json alone", Shown(.path))]
    Reserved {
        /// Which file.
        path: String,
    },
    /// Asks were given for a module that has a file of them.
    #[error("the module has its own `{OVERLAY_PATH}`: seal it without other asks, or remove it")]
    TwoOverlays,
    /// A needed module lacks a file.
    #[error("module `{module}` has no file `{}`", Shown(.path))]
    Missing {
        /// Which module.
        module: ModuleName,
        /// Which file or directory.
        path: String,
    },
    /// The files together make no manifest.
    #[error("these files make no bundle")]
    Manifest(#[source] ManifestError),
    /// The empty list of signatures could not be made.
    #[error("list of signatures cannot be written")]
    Signatures(#[source] SignaturesError),
    /// A file could not be read.
    #[error("file `{}` cannot be read", Shown(.path))]
    Read {
        /// Which file.
        path: String,
        /// What the source says.
        #[source]
        source: io::Error,
    },
    /// A file is not the one that was listed, or hashed, a moment before.
    #[error("file `{}` changed while it was being sealed", Shown(.path))]
    Changed {
        /// Which file.
        path: String,
    },
    /// The bundle could not be written.
    #[error("bundle cannot be written")]
    Write(#[source] io::Error),
}

/// A file that is going to be sealed, and where its bytes come from.
struct Plan<'a> {
    path: BundlePath,
    mode: FileMode,
    /// The size that was listed, in bytes.
    size: u64,
    origin: Origin<'a>,
}

enum Origin<'a> {
    Source(&'a dyn ModuleSource, String),
    Bytes(&'a [u8]),
}

/// Writes a bundle without signatures.
///
/// # Errors
///
/// When a path, a limit or a collision forbids it, a file changes or cannot be read, or the writer fails.
/// What was written until then is no bundle.
pub fn pack(request: &PackRequest<'_>, writer: &mut impl Write) -> Result<Packed, PackError> {
    let mut plans = plan(request)?;
    plans.sort_by(|a, b| a.path.cmp(&b.path));
    let entries = plans.iter().map(hash).collect::<Result<Vec<_>, _>>()?;
    let manifest = Manifest::new(request.module.clone(), request.version.clone(), entries)
        .map_err(PackError::Manifest)?;
    let signatures = signatures::write(&[]).map_err(PackError::Signatures)?;
    let mut bytes =
        write_front(writer, &manifest.to_bytes(), &signatures).map_err(PackError::Write)?;
    // INVARIANT: plans and entries are sorted by the same key, which no two share.
    for (plan, entry) in plans.iter().zip(manifest.files()) {
        bytes += write_file(writer, plan, entry)?;
    }
    writer
        .write_all(&[0; END_BYTES])
        .map_err(PackError::Write)?;
    writer.flush().map_err(PackError::Write)?;
    Ok(Packed {
        id: manifest.id(),
        manifest,
        bytes: bytes + END_BYTES as u64,
    })
}

/// Writes the entries of the manifest and the signatures; the answer is their length in bytes.
pub(crate) fn write_front(
    writer: &mut impl Write,
    manifest: &[u8],
    signatures: &[u8],
) -> io::Result<u64> {
    let mut bytes = 0;
    for (path, contents) in [(MANIFEST_PATH, manifest), (SIGNATURES_PATH, signatures)] {
        let size = contents.len() as u64;
        writer.write_all(&ustar::header(path, FileMode::Plain, size))?;
        writer.write_all(contents)?;
        ustar::write_padding(writer, size)?;
        bytes += ustar::entry_bytes(size);
    }
    Ok(bytes)
}

fn plan<'a>(request: &'a PackRequest<'_>) -> Result<Vec<Plan<'a>>, PackError> {
    let mut plans = Vec::new();
    for file in request.source.files() {
        plans.push(plan_own(request, file)?);
    }
    for need in &request.needs {
        plan_needed(need, &mut plans)?;
    }
    if let Some(overlay) = &request.overlay {
        plans.push(Plan {
            path: parse(OVERLAY_PATH)?,
            mode: FileMode::Plain,
            size: overlay.len() as u64,
            origin: Origin::Bytes(overlay),
        });
    }
    if plans.len() > FILES_MAX {
        return Err(PackError::Manifest(ManifestError::TooManyFiles {
            have: plans.len(),
        }));
    }
    Ok(plans)
}

fn plan_own<'a>(request: &PackRequest<'a>, file: SourceFile) -> Result<Plan<'a>, PackError> {
    if file.path == OVERLAY_PATH {
        if request.overlay.is_some() {
            return Err(PackError::TwoOverlays);
        }
    } else if file.path.starts_with("host/") {
        return Err(PackError::Reserved { path: file.path });
    }
    let path = parse(&file.path)?;
    Ok(Plan::of(path, request.source, file))
}

fn plan_needed<'a>(need: &NeededModule<'a>, plans: &mut Vec<Plan<'a>>) -> Result<(), PackError> {
    let files = need.source.files();
    let names = |wanted: &str, path: &str| {
        path == wanted || (wanted.ends_with('/') && path.starts_with(wanted))
    };
    for wanted in &need.paths {
        if !files.iter().any(|file| names(wanted, &file.path)) {
            let (module, path) = (need.module.clone(), wanted.clone());
            return Err(PackError::Missing { module, path });
        }
    }
    let chosen = |file: &SourceFile| need.paths.iter().any(|wanted| names(wanted, &file.path));
    for file in files.into_iter().filter(chosen) {
        let path = parse(&format!(
            "{NEEDED_MODULES_PATH}{}/{}",
            need.module, file.path
        ))?;
        plans.push(Plan::of(path, need.source, file));
    }
    Ok(())
}

fn parse(path: &str) -> Result<BundlePath, PackError> {
    path.parse().map_err(|source| PackError::Path {
        path: path.to_owned(),
        source,
    })
}

impl<'a> Plan<'a> {
    fn of(path: BundlePath, source: &'a dyn ModuleSource, file: SourceFile) -> Self {
        let mode = if file.executable {
            FileMode::Executable
        } else {
            FileMode::Plain
        };
        Self {
            path,
            mode,
            size: file.size,
            origin: Origin::Source(source, file.path),
        }
    }

    /// Hands the contents on in pieces; the answer is their size and digest.
    fn read(&self, take: impl FnMut(&[u8]) -> io::Result<()>) -> Result<(u64, Digest), PackError> {
        let read_error = |source| PackError::Read {
            path: self.path.to_string(),
            source,
        };
        match &self.origin {
            Origin::Bytes(bytes) => read_pieces(*bytes, read_error, take),
            Origin::Source(source, path) => {
                read_pieces(source.open(path).map_err(read_error)?, read_error, take)
            }
        }
    }
}

fn read_pieces(
    mut reader: impl Read,
    read_error: impl Fn(io::Error) -> PackError,
    mut take: impl FnMut(&[u8]) -> io::Result<()>,
) -> Result<(u64, Digest), PackError> {
    let (mut hash, mut size, mut buffer) = (Sha256::new(), 0, vec![0; PIECE_BYTES]);
    // One byte beyond the limit is enough to know that it was passed.
    while size <= FILE_BYTES_MAX {
        let count = match reader.read(&mut buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(read_error(error)),
        };
        let piece = buffer.get(..count).unwrap_or_default();
        if piece.is_empty() {
            break;
        }
        hash.update(piece);
        take(piece).map_err(PackError::Write)?;
        size += count as u64;
    }
    Ok((size, Digest::from_bytes(hash.finalize().into())))
}

fn hash(plan: &Plan<'_>) -> Result<FileEntry, PackError> {
    let (size, sha256) = plan.read(|_| Ok(()))?;
    if size != plan.size && size <= FILE_BYTES_MAX {
        return Err(PackError::Changed {
            path: plan.path.to_string(),
        });
    }
    Ok(FileEntry {
        path: plan.path.clone(),
        size,
        mode: plan.mode,
        sha256,
    })
}

fn write_file(
    writer: &mut impl Write,
    plan: &Plan<'_>,
    entry: &FileEntry,
) -> Result<u64, PackError> {
    let header = ustar::header(entry.path.as_str(), entry.mode, entry.size);
    writer.write_all(&header).map_err(PackError::Write)?;
    let (size, sha256) = plan.read(|piece| writer.write_all(piece))?;
    if (size, sha256) != (entry.size, entry.sha256) {
        return Err(PackError::Changed {
            path: entry.path.to_string(),
        });
    }
    ustar::write_padding(writer, size).map_err(PackError::Write)?;
    Ok(ustar::entry_bytes(size))
}
