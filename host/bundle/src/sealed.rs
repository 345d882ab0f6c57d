//! The three states of a bundle: sealed, authentic, verified.
//!
//! [`open`] reads no further than the manifest and the signatures and believes neither. Only a trust list
//! turns a [`SealedBundle`] into an [`AuthenticBundle`], only reading every byte turns that into a
//! [`VerifiedBundle`], and there is no other way to have one. The bytes may come from anywhere: nothing
//! here trusts a length, an order or a name that the archive states.

use std::io::{self, Read, Write};

use host_core::Digest;
use host_trust::{DistrustError, SignedBy, TrustList};

use crate::entries::{Entries, EntryError};
use crate::manifest::{MANIFEST_BYTES_MAX, MANIFEST_PATH, SIGNATURES_PATH, sha256};
use crate::signatures::{self, SIGNATURES_BYTES_MAX};
use crate::ustar::Block;
use crate::{BundlePath, FileEntry, HeaderFault, Manifest, ManifestError, SignaturesError};

/// A bundle whose manifest and signatures have been read, believed by no one.
#[derive(Debug)]
pub struct SealedBundle<R> {
    entries: Entries<R>,
    id: Digest,
    manifest: Manifest,
    manifest_bytes: Vec<u8>,
    signatures: Vec<String>,
}

/// A bundle whose manifest is believed, and whose files have not been read.
#[derive(Debug)]
pub struct AuthenticBundle<R> {
    entries: Entries<R>,
    verified: VerifiedBundle,
}

/// A bundle whose every byte has been read and found to be what a believed manifest says.
#[derive(Clone, Debug)]
pub struct VerifiedBundle {
    id: Digest,
    manifest: Manifest,
    signers: Vec<SignedBy>,
}

/// Where the files of a bundle go while they are verified.
pub trait FileSink {
    /// One file that is being written and that nobody may use yet.
    type File: Write;

    /// Starts a file. What is written to it afterwards is not verified yet.
    ///
    /// # Errors
    ///
    /// When the file cannot be created; this ends the receiving.
    fn begin(&mut self, entry: &FileEntry) -> io::Result<Self::File>;

    /// Takes over a file whose contents have the size and the digest of its entry.
    ///
    /// Called once for each file, and never for one whose verification failed. The bundle as a whole is
    /// verified only when [`AuthenticBundle::receive`] returns.
    ///
    /// # Errors
    ///
    /// When the file cannot be kept; this ends the receiving.
    fn finish(&mut self, entry: &FileEntry, file: Self::File) -> io::Result<()>;
}

/// Why a bundle could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenBundleError {
    /// The archive begins with something else than a manifest: it is no bundle, perhaps a plain tar.
    #[error("this is not a sealed bundle: it does not begin with `{MANIFEST_PATH}`")]
    NotABundle(#[source] EntryError),
    /// The entry of the manifest or of the signatures is damaged.
    #[error("bundle is damaged at `{path}`")]
    Entry {
        /// Which entry.
        path: &'static str,
        /// What is wrong with it.
        #[source]
        source: EntryError,
    },
    /// The manifest is there and not acceptable.
    #[error("bundle has no acceptable manifest")]
    Manifest(#[source] ManifestError),
    /// The list of signatures is there and not acceptable.
    #[error("bundle has no acceptable list of signatures")]
    Signatures(#[source] SignaturesError),
}

/// Why a bundle is not believed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyBundleError {
    /// The trust list does not accept it.
    #[error("bundle `{module}` {version} is not trusted")]
    Distrusted {
        /// The module it claims to be.
        module: String,
        /// The version it claims to be.
        version: String,
        /// What the trust list says.
        #[source]
        source: Box<DistrustError>,
    },
}

/// Why the files of a bundle could not be received.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiveError {
    /// A file is not as the manifest says.
    #[error("bundle is damaged at `{path}`")]
    Entry {
        /// Which file.
        path: BundlePath,
        /// What is wrong with it.
        #[source]
        source: EntryError,
    },
    /// The archive does not end after the last file.
    #[error("bundle does not end where its manifest ends")]
    End(#[source] EntryError),
    /// The sink failed.
    #[error("file `{path}` cannot be kept")]
    Sink {
        /// Which file.
        path: BundlePath,
        /// What the sink says.
        #[source]
        source: io::Error,
    },
}

/// Reads the manifest and the signatures of a bundle, and nothing behind them.
///
/// # Errors
///
/// When these two are not exactly where and what they must be; [`OpenBundleError::NotABundle`] when
/// already the first header is another one, or the bytes end before it is told, so that a caller may try [`crate::read_plain_tar`].
pub fn open<R: Read>(reader: R) -> Result<SealedBundle<R>, OpenBundleError> {
    let mut entries = Entries::new(reader);
    let manifest_bytes = manifest_bytes(&mut entries)?;
    let manifest = Manifest::read(&manifest_bytes).map_err(OpenBundleError::Manifest)?;
    let signatures_bytes = entries
        .small(SIGNATURES_PATH, SIGNATURES_BYTES_MAX)
        .map_err(|source| OpenBundleError::Entry {
            path: SIGNATURES_PATH,
            source,
        })?;
    let signatures = signatures::read(&signatures_bytes).map_err(OpenBundleError::Signatures)?;
    Ok(SealedBundle {
        entries,
        id: sha256(&manifest_bytes),
        manifest,
        manifest_bytes,
        signatures,
    })
}

fn manifest_bytes(entries: &mut Entries<impl Read>) -> Result<Vec<u8>, OpenBundleError> {
    let found = entries.first_header().map_err(manifest_entry_error)?;
    let read = match Block::try_from(found.as_slice()) {
        Ok(header) => entries.small_behind(&header, MANIFEST_PATH, MANIFEST_BYTES_MAX),
        Err(_) => Err(EntryError::Truncated),
    };
    // Only what begins like a bundle can be a damaged one.
    let begins_alike = found.starts_with(MANIFEST_PATH.as_bytes());
    read.map_err(|source| match source {
        EntryError::Read(_) => manifest_entry_error(source),
        _ if !begins_alike => OpenBundleError::NotABundle(source),
        _ => manifest_entry_error(source),
    })
}

fn manifest_entry_error(source: EntryError) -> OpenBundleError {
    let is_other = match &source {
        EntryError::Header(HeaderFault::Name { .. } | HeaderFault::NotUstar) => true,
        EntryError::Header(HeaderFault::Kind { found, .. }) => found != MANIFEST_PATH,
        _ => false,
    };
    if is_other {
        return OpenBundleError::NotABundle(source);
    }
    OpenBundleError::Entry {
        path: MANIFEST_PATH,
        source,
    }
}

impl<R: Read> SealedBundle<R> {
    /// Asks a trust list whether this manifest is to be believed at this time, in Unix seconds.
    ///
    /// # Errors
    ///
    /// When the list does not accept the signatures, the module, its version or the bundle's id.
    pub fn verify(
        self,
        trust: &TrustList,
        now_unix: u64,
    ) -> Result<AuthenticBundle<R>, VerifyBundleError> {
        let (module, version) = (self.manifest.module(), self.manifest.version().as_str());
        let signers = trust
            .judge(
                module,
                version,
                &self.id,
                &self.signatures,
                &self.manifest_bytes,
                now_unix,
            )
            .map_err(|source| VerifyBundleError::Distrusted {
                module: module.to_string(),
                version: version.to_owned(),
                source: Box::new(source),
            })?;
        Ok(self.authentic(signers))
    }

    /// Believes the manifest without a signature.
    ///
    /// Only for bytes that this very process sealed a moment ago from a directory or a plain tar of the
    /// person at the keyboard, and that nobody else could write since. A node never calls this.
    pub fn of_local_author(self) -> AuthenticBundle<R> {
        self.authentic(Vec::new())
    }

    /// The manifest, as someone claims it.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The exact bytes of the manifest, which are what a signature covers.
    pub fn manifest_bytes(&self) -> &[u8] {
        &self.manifest_bytes
    }

    /// The bundle's id: the SHA-256 of the manifest's bytes.
    pub fn id(&self) -> Digest {
        self.id
    }

    /// The signatures as they stand in the bundle, unchecked.
    pub fn signatures(&self) -> &[String] {
        &self.signatures
    }

    /// The position behind the signatures, with the manifest that says what follows.
    pub(crate) fn into_entries(self) -> (Entries<R>, Manifest) {
        (self.entries, self.manifest)
    }

    fn authentic(self, signers: Vec<SignedBy>) -> AuthenticBundle<R> {
        let verified = VerifiedBundle {
            id: self.id,
            manifest: self.manifest,
            signers,
        };
        AuthenticBundle {
            entries: self.entries,
            verified,
        }
    }
}

impl<R: Read> AuthenticBundle<R> {
    /// Reads every file through its digest into the sink, and then the end of the archive.
    ///
    /// # Errors
    ///
    /// At the first byte that is not as the manifest says, or when the sink fails. Files that were
    /// finished before are then whole, yet belong to no verified bundle: the caller drops the sink.
    pub fn receive(mut self, sink: &mut impl FileSink) -> Result<VerifiedBundle, ReceiveError> {
        for entry in self.verified.manifest.files() {
            receive_file(&mut self.entries, entry, sink)?;
        }
        self.entries.end().map_err(ReceiveError::End)?;
        Ok(self.verified)
    }

    /// The manifest, which is believed.
    pub fn manifest(&self) -> &Manifest {
        &self.verified.manifest
    }

    /// The bundle's id.
    pub fn id(&self) -> Digest {
        self.verified.id
    }

    /// Who signed; empty for the local author's own.
    pub fn signers(&self) -> &[SignedBy] {
        &self.verified.signers
    }
}

impl VerifiedBundle {
    /// The bundle's id: the SHA-256 of the manifest's bytes.
    pub fn id(&self) -> Digest {
        self.id
    }

    /// What the bundle holds.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Who signed; empty for the local author's own.
    pub fn signers(&self) -> &[SignedBy] {
        &self.signers
    }
}

fn receive_file<R: Read>(
    entries: &mut Entries<R>,
    entry: &FileEntry,
    sink: &mut impl FileSink,
) -> Result<(), ReceiveError> {
    let damaged = |source| ReceiveError::Entry {
        path: entry.path.clone(),
        source,
    };
    let failed = |source| ReceiveError::Sink {
        path: entry.path.clone(),
        source,
    };
    entries.header(entry).map_err(damaged)?;
    let mut file = sink.begin(entry).map_err(failed)?;
    entries
        .contents(entry, &mut file)
        .map_err(|error| match error {
            EntryError::Write(source) => failed(source),
            other => damaged(other),
        })?;
    sink.finish(entry, file).map_err(failed)
}
