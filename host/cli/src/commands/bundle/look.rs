//! Looks into a bundle, a module's directory or a plain tar of a module, without believing any of it.
//!
//! Every byte is compared with the manifest, so what is damaged shows; who made the manifest is another
//! question, which `seals` and the trust list answer. Only words come out of here: metadata to show and
//! texts to compare, never a file that could be run.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use host_bundle::{BUNDLE_BYTES_MAX, FileEntry, FileSink, Manifest, OVERLAY_PATH, OpenBundleError};
use host_core::Digest;
use host_node::SealOptions;
use host_task::Module;

use crate::app::Context;
use crate::commands::patience::Patient;
use crate::commands::source::{damaged, modulepath, unloaded, unopened, unread, unsealed};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::wording::{reason, shown};

/// The longest text that is looked into, in bytes.
const TEXT_BYTES_MAX: u64 = 1 << 20;
/// All texts of a bundle together that are looked into, in bytes.
const TEXTS_BYTES_MAX: u64 = 64 << 20;
/// The most that is taken from a pipe, in bytes: the largest bundle with its headers, manifest and signatures.
const PIPE_BYTES_MAX: u64 = BUNDLE_BYTES_MAX + (32 << 20);

/// A bundle whose front has been read.
#[derive(Debug)]
pub(crate) struct Look {
    /// Where it was found, printable.
    pub(super) name: String,
    /// Whether it was sealed by someone; not so a directory or a plain tar, which was sealed here, just now.
    pub(crate) is_sealed: bool,
    /// What its manifest claims.
    pub(crate) manifest: Manifest,
    /// The exact bytes that signatures cover.
    pub(super) manifest_bytes: Vec<u8>,
    /// Its id.
    pub(super) id: Digest,
    /// The signatures, unchecked.
    pub(super) signatures: Vec<String>,
    file: File,
}

/// What is in a bundle, all of it as the manifest says.
#[derive(Debug)]
pub(crate) struct Contents {
    /// Its tasks.
    pub(crate) module: Module,
    /// The texts that were asked for, by path.
    pub(super) texts: BTreeMap<String, Vec<u8>>,
}

impl Look {
    /// Opens what a person named.
    pub(super) fn at(context: &Context, path: &Path) -> Result<Self, Failure> {
        Self::beside(context, path, &[])
    }

    /// The same where other modules lie in directories that were named besides.
    pub(crate) fn beside(
        context: &Context,
        path: &Path,
        modulepath: &[PathBuf],
    ) -> Result<Self, Failure> {
        let metadata = std::fs::metadata(path).map_err(|error| unread(path, &error))?;
        if metadata.is_dir() {
            let sealed = seal_directory(context, path, modulepath)?;
            return Self::of_file(path, sealed, false);
        }
        let file = File::open(path).map_err(|error| unread(path, &error))?;
        let file = if metadata.is_file() {
            file
        } else {
            spooled(path, &file)?
        };
        match host_bundle::open(&file) {
            Err(OpenBundleError::NotABundle(_)) => {
                Self::of_file(path, seal_plain(context, path, &file, modulepath)?, false)
            }
            _ => Self::of_file(path, file, true),
        }
    }

    /// Its id.
    pub(crate) fn id(&self) -> Digest {
        self.id
    }

    /// Reads the front of a sealed bundle.
    pub(super) fn of_file(path: &Path, file: File, is_sealed: bool) -> Result<Self, Failure> {
        rewind(path, &file)?;
        let sealed = host_bundle::open(&file).map_err(|error| unopened(path, &error))?;
        Ok(Self {
            name: shown(path),
            is_sealed,
            manifest: sealed.manifest().clone(),
            manifest_bytes: sealed.manifest_bytes().to_vec(),
            id: sealed.id(),
            signatures: sealed.signatures().to_vec(),
            file,
        })
    }

    /// Reads every byte, and keeps what the tasks say of themselves and the texts at `also`.
    pub(crate) fn read(
        &self,
        context: &Context,
        also: &BTreeSet<&str>,
    ) -> Result<Contents, Failure> {
        let path = Path::new(&self.name);
        rewind(path, &self.file)?;
        let doing = format!("reading `{}`", self.name);
        let reader = Patient::new(context.printer, &self.file, doing);
        let sealed = host_bundle::open(reader).map_err(|error| unopened(path, &error))?;
        if sealed.id() != self.id {
            let message = format!("`{}` changed while it was being read", self.name);
            return Err(Failure::plain(Exit::Untrusted, message));
        }
        let mut texts = Texts {
            also,
            kept: BTreeMap::new(),
            bytes: 0,
        };
        // This believes the manifest only to compare the bytes with it. The verified bundle that comes
        // back is dropped here, as nothing but words may come of a look.
        let received = sealed.of_local_author().receive(&mut texts);
        received.map_err(|error| damaged(path, &error))?;
        let kept = texts.kept;
        let names = self
            .manifest
            .files()
            .iter()
            .map(|entry| entry.path.to_string());
        let mut read = |name: &str| {
            let too_large = || io::Error::other("it is too large to be looked into");
            kept.get(name).cloned().ok_or_else(too_large)
        };
        let module = Module::open(self.manifest.module(), names, &mut read).map_err(|error| {
            Failure::new(Exit::Untrusted, &error)
                .within(format!("the module in `{}` cannot be used", self.name))
        })?;
        Ok(Contents {
            module,
            texts: kept,
        })
    }
}

/// Keeps texts in memory and lets everything else pass.
struct Texts<'a> {
    also: &'a BTreeSet<&'a str>,
    kept: BTreeMap<String, Vec<u8>>,
    /// Bytes of all that is kept.
    bytes: u64,
}

/// A file on its way: kept, or let pass.
struct Passing(Option<Vec<u8>>);

impl Write for Passing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(kept) = &mut self.0 {
            kept.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl FileSink for Texts<'_> {
    type File = Passing;

    fn begin(&mut self, entry: &FileEntry) -> io::Result<Passing> {
        let path = entry.path.as_str();
        let is_wanted = describes_tasks(path) || self.also.contains(path);
        let is_small = entry.size <= TEXT_BYTES_MAX && self.bytes + entry.size <= TEXTS_BYTES_MAX;
        if !is_wanted || !is_small {
            return Ok(Passing(None));
        }
        self.bytes += entry.size;
        Ok(Passing(Some(Vec::new())))
    }

    fn finish(&mut self, entry: &FileEntry, file: Passing) -> io::Result<()> {
        if let Some(text) = file.0 {
            self.kept.insert(entry.path.to_string(), text);
        }
        Ok(())
    }
}

/// Whether a module is opened with the text at this path.
fn describes_tasks(path: &str) -> bool {
    let is_metadata = path.starts_with("tasks/") && path.ends_with(".json");
    is_metadata || path.ends_with(".pp") || path == OVERLAY_PATH
}

/// Keeps what comes through a pipe in a file without a name, so that it can be read twice.
fn spooled(path: &Path, pipe: &File) -> Result<File, Failure> {
    let file = nameless()?;
    let copied = io::copy(&mut pipe.take(PIPE_BYTES_MAX + 1), &mut &file);
    if copied.map_err(|error| unread(path, &error))? > PIPE_BYTES_MAX {
        let message = format!("`{}` is larger than any bundle", shown(path));
        return Err(Failure::usage(message));
    }
    rewind(path, &file)?;
    Ok(file)
}

/// Seals a module's directory as `host run` would, into a file without a name.
fn seal_directory(context: &Context, path: &Path, typed: &[PathBuf]) -> Result<File, Failure> {
    let options = own_run(context, path, typed)?;
    let file = nameless()?;
    let mut writer = BufWriter::new(&file);
    host_node::seal_directory(path, &options, &mut writer)
        .map_err(|error| unsealed(path, &error))?;
    drop(writer);
    Ok(file)
}

fn own_run(context: &Context, path: &Path, typed: &[PathBuf]) -> Result<SealOptions, Failure> {
    Ok(SealOptions {
        for_own_run: true,
        modulepath: modulepath(context, path, typed)?,
        ..SealOptions::default()
    })
}

/// Seals a plain tar as `host run` would, into a file without a name.
fn seal_plain(
    context: &Context,
    path: &Path,
    file: &File,
    typed: &[PathBuf],
) -> Result<File, Failure> {
    rewind(path, file)?;
    let options = own_run(context, path, typed)?;
    let sealed = nameless()?;
    let mut writer = BufWriter::new(&sealed);
    host_node::seal_plain_tar(path, file, &options, &mut writer)
        .map_err(|error| unloaded(path, &error))?;
    drop(writer);
    Ok(sealed)
}

fn nameless() -> Result<File, Failure> {
    let no_room = |error| {
        Failure::plain(
            Exit::Machine,
            format!("no room for a temporary file: {}", reason(&error)),
        )
    };
    tempfile::tempfile().map_err(no_room)
}

/// Goes back to the beginning of a file.
pub(super) fn rewind(path: &Path, mut file: &File) -> Result<(), Failure> {
    file.seek(SeekFrom::Start(0))
        .map(drop)
        .map_err(|error| unread(path, &error))
}

#[cfg(test)]
mod tests;
