//! From a path that a person named to a verified bundle and its module.
//!
//! A sealed bundle is believed only by its signatures. A directory or a plain tar is what its author has at
//! hand: it is sealed to a snapshot first, nothing is read from it afterwards, and no node accepts it.
//!
//! A file that is in the cache already is compared with the bytes that arrive for it, and replaced where it differs: a
//! damaged cache makes no sound bundle fail, and what the cache cannot give is the machine's fault, not the author's.

use std::cell::RefCell;
use std::error::Error;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use host_bundle::{
    AuthenticBundle, BUNDLE_BYTES_MAX, FileEntry, FileMode, FileSink, OpenBundleError, PackError,
    Packed, PlainTarError, ReceiveError, VerifiedBundle, VerifyBundleError,
};
use host_core::BundleSummary;
use host_store::{InPlace, ReadContentError, Shelved, StagedFile, Staging, Store};
use host_task::{Module, OpenModuleError};
use host_trust::TrustList;

use crate::compile::PROGRAM_BYTES_MAX;
use crate::source::{self, SealOptions, SourceError};

/// The most that is read of a metadata or alias file, in bytes.
const TEXT_BYTES_MAX: u64 = 1 << 20;
/// The most that is taken from a pipe, in bytes: the largest bundle with its headers, manifest and signatures.
const PIPE_BYTES_MAX: u64 = BUNDLE_BYTES_MAX + (32 << 20);

/// A verified bundle, opened.
#[derive(Debug)]
pub struct Loaded {
    /// What was verified.
    pub bundle: VerifiedBundle,
    /// The module in it.
    pub module: Module,
    /// Whether it came as a plain tar, which may be a sealed bundle whose signatures somebody took away.
    pub is_plain_tar: bool,
}

impl Loaded {
    /// The bundle as records name it.
    #[must_use]
    pub fn summary(&self) -> BundleSummary {
        let manifest = self.bundle.manifest();
        let signers = self.bundle.signers().iter();
        BundleSummary {
            id: self.bundle.id(),
            module: Some(manifest.module().clone()),
            version: manifest.version().to_string(),
            signers: signers.map(|signed| signed.owner.to_string()).collect(),
        }
    }
}

/// Why a bundle cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// There is no such file or directory, or it cannot be read.
    #[error("cannot read `{}`", .path.display())]
    Read {
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is a bundle, and damaged.
    #[error("`{}` cannot be opened", .path.display())]
    Open {
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        source: OpenBundleError,
    },
    /// It is neither a bundle nor a tar of a module.
    #[error("`{}` is neither a sealed bundle nor a tar of a module", .path.display())]
    Plain {
        /// The path.
        path: PathBuf,
        /// Why it is no tar of a module.
        #[source]
        source: PlainTarError,
    },
    /// It is not signed by anyone who is trusted.
    #[error("`{}` is not trusted", .path.display())]
    Distrusted {
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        source: VerifyBundleError,
    },
    /// A file in it is not what its manifest says.
    #[error("`{}` is damaged", .path.display())]
    Receive {
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        source: ReceiveError,
    },
    /// A module that is not sealed yet cannot be.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The module in it cannot be used.
    #[error("the module in `{}` cannot be used", .path.display())]
    Module {
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        source: OpenModuleError,
    },
    /// What was verified a moment ago cannot be had from the cache again.
    #[error("the files of `{}` cannot be read from the cache", .path.display())]
    Cache {
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        source: ReadContentError,
    },
    /// What was verified cannot be kept.
    #[error("the files of `{}` cannot be kept", .path.display())]
    Keep {
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Loads what lies at `path`: a sealed bundle that `trust` accepts at the time `now_unix`, or the author's own
/// directory or plain tar. `busy` is called from time to time while bytes go by.
///
/// # Errors
/// [`LoadError`] says what is wrong with it. Nothing of it is kept then.
pub fn load(
    path: &Path,
    trust: &TrustList,
    now_unix: u64,
    options: &SealOptions,
    store: &Store,
    busy: &mut dyn FnMut(),
) -> Result<Loaded, LoadError> {
    let unread = |source| LoadError::Read {
        path: path.to_owned(),
        source,
    };
    if std::fs::metadata(path).map_err(unread)?.is_dir() {
        let snapshot = Snapshot::begin(path, store)?;
        let mut writer = BufWriter::new(Busy(&snapshot.0, &mut *busy));
        let sealed = source::seal_directory(path, options, &mut writer);
        sealed.map_err(|error| unsealed(path, error))?;
        drop(writer);
        return load_own(path, snapshot, store, busy);
    }
    let mut file = source::open_file(path).map_err(unread)?;
    if !file.metadata().map_err(unread)?.is_file() {
        file = spooled(path, &file, store)?;
    }
    match host_bundle::open(Busy(&file, &mut *busy)) {
        Ok(sealed) => {
            let authentic =
                sealed
                    .verify(trust, now_unix)
                    .map_err(|source| LoadError::Distrusted {
                        path: path.to_owned(),
                        source,
                    })?;
            receive(path, authentic, store)
        }
        Err(OpenBundleError::NotABundle(_)) => {
            file.seek(SeekFrom::Start(0)).map_err(unread)?;
            let snapshot = Snapshot::begin(path, store)?;
            let mut writer = BufWriter::new(Busy(&snapshot.0, &mut *busy));
            seal_plain_tar(path, &file, options, &mut writer)?;
            drop(writer);
            Ok(Loaded {
                is_plain_tar: true,
                ..load_own(path, snapshot, store, busy)?
            })
        }
        Err(source) => Err(LoadError::Open {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Seals the module in a plain tar into `writer`, without signatures; `path` is for messages.
///
/// # Errors
/// When it is no tar of a module, or the module cannot be sealed.
pub fn seal_plain_tar(
    path: &Path,
    tar: impl Read,
    options: &SealOptions,
    writer: &mut impl Write,
) -> Result<Packed, LoadError> {
    let module = host_bundle::read_plain_tar(tar).map_err(|source| LoadError::Plain {
        path: path.to_owned(),
        source,
    })?;
    source::seal_module(&module, path, options, writer).map_err(|error| unsealed(path, error))
}

/// What this process seals itself: a file without a name, which nobody else can open.
struct Snapshot(File);

impl Snapshot {
    fn begin(path: &Path, store: &Store) -> Result<Self, LoadError> {
        let file = store.nameless().map_err(|error| unkept(path, error))?;
        Ok(Self(file))
    }
}

/// Keeps what comes through a pipe in a file without a name, so that it can be read twice.
fn spooled(path: &Path, pipe: &File, store: &Store) -> Result<File, LoadError> {
    let failed = |source| LoadError::Read {
        path: path.to_owned(),
        source,
    };
    let mut file = Snapshot::begin(path, store)?.0;
    let copied = io::copy(&mut pipe.take(PIPE_BYTES_MAX + 1), &mut file).map_err(failed)?;
    if copied > PIPE_BYTES_MAX {
        return Err(failed(io::Error::other("it is larger than any bundle")));
    }
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    Ok(file)
}

/// A snapshot that cannot be written is no fault of the module.
fn unsealed(path: &Path, error: SourceError) -> LoadError {
    match error {
        SourceError::Pack {
            source: PackError::Write(source),
            ..
        } => LoadError::Keep {
            path: path.to_owned(),
            source,
        },
        error => error.into(),
    }
}

fn unkept(path: &Path, error: impl Error + Send + Sync + 'static) -> LoadError {
    LoadError::Keep {
        path: path.to_owned(),
        source: io::Error::other(error),
    }
}

/// A stream whose owner hears of every piece that goes by.
struct Busy<'b, S>(S, &'b mut dyn FnMut());

impl<S: Read> Read for Busy<'_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (self.1)();
        self.0.read(buffer)
    }
}

impl<S: Write> Write for Busy<'_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (self.1)();
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Loads what this process sealed itself a moment ago.
fn load_own(
    path: &Path,
    snapshot: Snapshot,
    store: &Store,
    busy: &mut dyn FnMut(),
) -> Result<Loaded, LoadError> {
    let mut file = snapshot.0;
    file.seek(SeekFrom::Start(0))
        .map_err(|error| unkept(path, error))?;
    let sealed =
        host_bundle::open(Busy(BufReader::new(file), busy)).map_err(|source| LoadError::Open {
            path: path.to_owned(),
            source,
        })?;
    receive(path, sealed.of_local_author(), store)
}

fn receive<R: Read>(
    path: &Path,
    authentic: AuthenticBundle<R>,
    store: &Store,
) -> Result<Loaded, LoadError> {
    let shelf = Rc::new(Shelf {
        store,
        staging: RefCell::new(None),
    });
    let mut sink = StoreSink {
        shelf: Rc::clone(&shelf),
    };
    let bundle = authentic
        .receive(&mut sink)
        .map_err(|source| match source {
            ReceiveError::Sink { source, .. } => LoadError::Keep {
                path: path.to_owned(),
                source,
            },
            source => LoadError::Receive {
                path: path.to_owned(),
                source,
            },
        })?;
    let staging = shelf.staging.take();
    let kept = staging.map_or(Ok(()), Staging::commit);
    kept.map_err(|error| unkept(path, error))?;
    let names = bundle
        .manifest()
        .files()
        .iter()
        .map(|entry| entry.path.as_str().to_owned());
    let mut lost = None;
    let mut read = |name: &str| {
        let entry = entry_of(&bundle, name, TEXT_BYTES_MAX)?;
        store.read(&entry.sha256, entry.size).map_err(|error| {
            lost.get_or_insert(error);
            io::Error::other("it cannot be read from the cache")
        })
    };
    let module = Module::open(bundle.manifest().module(), names, &mut read);
    // First: a task without its metadata looks like one whose author left it out.
    if let Some(source) = lost {
        return Err(LoadError::Cache {
            path: path.to_owned(),
            source,
        });
    }
    let module = module.map_err(|source| LoadError::Module {
        path: path.to_owned(),
        source,
    })?;
    Ok(Loaded {
        bundle,
        module,
        is_plain_tar: false,
    })
}

/// A file of a verified bundle that is not longer than the reader expects.
fn entry_of<'b>(
    bundle: &'b VerifiedBundle,
    name: &str,
    bytes_max: u64,
) -> io::Result<&'b FileEntry> {
    let entry = bundle
        .manifest()
        .file(name)
        .ok_or(io::ErrorKind::NotFound)?;
    no_longer_than(entry, bytes_max)
}

fn no_longer_than(entry: &FileEntry, bytes_max: u64) -> io::Result<&FileEntry> {
    if entry.size > bytes_max {
        let message = format!("it is longer than {bytes_max} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(entry)
}

/// Reads one file of a verified bundle, hashed again on the way.
pub(crate) fn read_file(
    bundle: &VerifiedBundle,
    name: &str,
    bytes_max: u64,
    store: &Store,
) -> io::Result<Vec<u8>> {
    read_entry(entry_of(bundle, name, bytes_max)?, store)
}

/// Reads a WASI program of a verified bundle.
///
/// # Errors
/// When its file is too long ([`io::ErrorKind::FileTooLarge`]), or cannot be read any more.
pub fn read_program(file: &FileEntry, store: &Store) -> io::Result<Vec<u8>> {
    read_entry(no_longer_than(file, PROGRAM_BYTES_MAX)?, store)
}

fn read_entry(entry: &FileEntry, store: &Store) -> io::Result<Vec<u8>> {
    store
        .read(&entry.sha256, entry.size)
        .map_err(|error: ReadContentError| io::Error::other(error))
}

/// Whether a file of a bundle is marked as a program.
pub(crate) fn is_executable(bundle: &VerifiedBundle, name: &str) -> bool {
    bundle
        .manifest()
        .file(name)
        .is_some_and(|entry| entry.mode == FileMode::Executable)
}

/// Puts the files of a bundle into the content store, once each.
struct StoreSink<'s> {
    shelf: Rc<Shelf<'s>>,
}

/// The store, and where what is new to it is staged.
struct Shelf<'s> {
    store: &'s Store,
    /// Made when the first file is new.
    staging: RefCell<Option<Staging>>,
}

/// A file on its way: like the one in the store as far as it came, or staged.
enum Arriving<'s> {
    Known(Shelved, Rc<Shelf<'s>>),
    New(StagedFile),
}

impl Shelf<'_> {
    fn staging<T, E: Error + Send + Sync + 'static>(
        &self,
        act: impl FnOnce(&mut Staging) -> Result<T, E>,
    ) -> io::Result<T> {
        let mut slot = self.staging.borrow_mut();
        let staging = match slot.take() {
            Some(staging) => staging,
            None => self.store.stage().map_err(io::Error::other)?,
        };
        act(slot.insert(staging)).map_err(io::Error::other)
    }
}

impl Write for Arriving<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Self::Known(kept, shelf) = self
            && !kept.goes_on_with(bytes)
        {
            let mut file = shelf.staging(Staging::create_over)?;
            kept.copy_alike(&mut file)?;
            *self = Self::New(file);
        }
        match self {
            Self::Known(..) => Ok(bytes.len()),
            Self::New(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Known(..) => Ok(()),
            Self::New(file) => file.flush(),
        }
    }
}

impl<'s> FileSink for StoreSink<'s> {
    type File = Arriving<'s>;

    fn begin(&mut self, entry: &FileEntry) -> io::Result<Arriving<'s>> {
        match self.shelf.store.shelved(&entry.sha256, entry.size) {
            InPlace::Kept(kept) => Ok(Arriving::Known(kept, Rc::clone(&self.shelf))),
            InPlace::Nothing => self.shelf.staging(Staging::create).map(Arriving::New),
            InPlace::Unfit => self.shelf.staging(Staging::create_over).map(Arriving::New),
        }
    }

    fn finish(&mut self, entry: &FileEntry, file: Arriving<'s>) -> io::Result<()> {
        match file {
            Arriving::Known(..) => Ok(()),
            Arriving::New(file) => self
                .shelf
                .staging(|staging| staging.keep(file, &entry.sha256)),
        }
    }
}
