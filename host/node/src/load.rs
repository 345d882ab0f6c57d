//! From a path that a person named to a verified bundle and its module.
//!
//! A sealed bundle is believed only by its signatures. A directory or a plain tar is what its author has at
//! hand: it is sealed to a snapshot first, nothing is read from it afterwards, and no node accepts it.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use host_bundle::{
    AuthenticBundle, FileEntry, FileMode, FileSink, OpenBundleError, Packed, PlainTarError,
    ReceiveError, VerifiedBundle, VerifyBundleError,
};
use host_store::{DiskError, ReadContentError, StagedFile, Staging, Store};
use host_task::{Module, OpenModuleError};
use host_trust::TrustList;

use crate::source::{self, SealOptions, SourceError};

/// The most that is read of a metadata or alias file, in bytes.
const TEXT_BYTES_MAX: u64 = 1 << 20;

/// A verified bundle, opened.
#[derive(Debug)]
pub struct Loaded {
    /// What was verified.
    pub bundle: VerifiedBundle,
    /// The module in it.
    pub module: Module,
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
        let mut snapshot = Vec::new();
        let mut writer = Busy(&mut snapshot, &mut *busy);
        source::seal_directory(path, options, &mut writer)?;
        return load_own(path, Busy(snapshot.as_slice(), busy), store);
    }
    let mut file = source::open_file(path).map_err(unread)?;
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
            let mut snapshot = Vec::new();
            let mut writer = Busy(&mut snapshot, &mut *busy);
            seal_plain_tar(path, &file, options, &mut writer)?;
            load_own(path, Busy(snapshot.as_slice(), busy), store)
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
    let packed = source::seal(&module, module.directory(), path, options, writer)?;
    Ok(packed)
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
fn load_own(path: &Path, snapshot: impl Read, store: &Store) -> Result<Loaded, LoadError> {
    let sealed = host_bundle::open(snapshot).map_err(|source| LoadError::Open {
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
    let mut sink = StoreSink {
        store,
        staging: None,
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
    let kept = sink.staging.map_or(Ok(()), Staging::commit);
    kept.map_err(|source| LoadError::Keep {
        path: path.to_owned(),
        source: io::Error::other(source),
    })?;
    let names = bundle
        .manifest()
        .files()
        .iter()
        .map(|entry| entry.path.as_str().to_owned());
    let mut read = |name: &str| read_file(&bundle, name, TEXT_BYTES_MAX, store);
    let module = Module::open(bundle.manifest().module(), names, &mut read).map_err(|source| {
        LoadError::Module {
            path: path.to_owned(),
            source,
        }
    })?;
    Ok(Loaded { bundle, module })
}

/// Reads one file of a verified bundle, hashed again on the way.
pub(crate) fn read_file(
    bundle: &VerifiedBundle,
    name: &str,
    bytes_max: u64,
    store: &Store,
) -> io::Result<Vec<u8>> {
    let entry = bundle
        .manifest()
        .file(name)
        .ok_or(io::ErrorKind::NotFound)?;
    store
        .read(&entry.sha256, bytes_max)
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
    store: &'s Store,
    staging: Option<Staging>,
}

/// A file on its way: already in the store, or staged.
enum Arriving {
    Known,
    New(StagedFile),
}

impl Write for Arriving {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Known => Ok(bytes.len()),
            Self::New(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Known => Ok(()),
            Self::New(file) => file.flush(),
        }
    }
}

impl StoreSink<'_> {
    fn staging(&mut self) -> Result<&mut Staging, DiskError> {
        let staging = match self.staging.take() {
            Some(staging) => staging,
            None => self.store.stage()?,
        };
        Ok(self.staging.insert(staging))
    }
}

impl FileSink for StoreSink<'_> {
    type File = Arriving;

    fn begin(&mut self, entry: &FileEntry) -> io::Result<Arriving> {
        if self.store.has(&entry.sha256) {
            return Ok(Arriving::Known);
        }
        let file = self
            .staging()
            .and_then(Staging::create)
            .map_err(io::Error::other)?;
        Ok(Arriving::New(file))
    }

    fn finish(&mut self, entry: &FileEntry, file: Arriving) -> io::Result<()> {
        match file {
            Arriving::Known => Ok(()),
            Arriving::New(file) => self
                .staging()
                .map_err(io::Error::other)?
                .keep(file, &entry.sha256)
                .map_err(io::Error::other),
        }
    }
}
