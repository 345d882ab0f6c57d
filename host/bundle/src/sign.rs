//! Adds a signature to a bundle; everything else of it stays byte for byte.

use std::io::{self, Read, Write};

use host_trust::PublicKey;
use host_trust::sshsig::{self, Namespace, Signature, VerifySignatureError};

use crate::entries::EntryError;
use crate::pack::write_front;
use crate::ustar::{self, END_BYTES};
use crate::{BundlePath, FileEntry, OpenBundleError, SignaturesError, open, signatures};

/// Why a signature could not be added.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AddSignatureError {
    /// What should be signed is no bundle.
    #[error("bundle cannot be read")]
    Open(#[source] OpenBundleError),
    /// The signature is none of this bundle's manifest.
    #[error("signature does not fit the bundle")]
    Signature(#[source] VerifySignatureError),
    /// An earlier signature does not hold, and would keep the bundle from being verified for ever.
    #[error("signature {number} that is in it does not hold")]
    Earlier {
        /// Which one, from 1.
        number: usize,
        /// What is wrong with it.
        #[source]
        source: VerifySignatureError,
    },
    /// The list of signatures would not be acceptable any more.
    #[error("signature does not fit in the bundle")]
    Signatures(#[source] SignaturesError),
    /// A file is not as the manifest says: such a bundle is not worth a signature.
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
    /// The signed bundle could not be written.
    #[error("bundle cannot be written")]
    Write(#[source] io::Error),
}

/// Copies a bundle with one signature more, which replaces an earlier one by the same key.
///
/// `armored` is an SSHSIG over the manifest's bytes in the namespace `bundle@host`.
///
/// # Errors
///
/// When the bundle is damaged, the signature or an earlier one does not verify, it would be one too many, or
/// the writer fails. What was written until then is no bundle.
pub fn add_signature(
    reader: impl Read,
    writer: &mut impl Write,
    armored: &str,
) -> Result<(), AddSignatureError> {
    let sealed = open(reader).map_err(AddSignatureError::Open)?;
    let key = sshsig::verify(armored, Namespace::Bundle, sealed.manifest_bytes())
        .map_err(AddSignatureError::Signature)?;
    let mut signed = Vec::new();
    for (earlier, number) in sealed.signatures().iter().zip(1..) {
        if is_by(earlier, &key) {
            continue;
        }
        sshsig::verify(earlier, Namespace::Bundle, sealed.manifest_bytes())
            .map_err(|source| AddSignatureError::Earlier { number, source })?;
        signed.push(earlier.clone());
    }
    signed.push(armored.to_owned());
    let signatures = signatures::write(&signed).map_err(AddSignatureError::Signatures)?;
    write_front(writer, sealed.manifest_bytes(), &signatures).map_err(AddSignatureError::Write)?;
    let (mut entries, manifest) = sealed.into_entries();
    for entry in manifest.files() {
        let damaged = |source| match source {
            EntryError::Write(source) => AddSignatureError::Write(source),
            source => AddSignatureError::Entry {
                path: entry.path.clone(),
                source,
            },
        };
        entries.header(entry).map_err(damaged)?;
        write_header(writer, entry).map_err(AddSignatureError::Write)?;
        entries.contents(entry, writer).map_err(damaged)?;
        ustar::write_padding(writer, entry.size).map_err(AddSignatureError::Write)?;
    }
    entries.end().map_err(AddSignatureError::End)?;
    writer
        .write_all(&[0; END_BYTES])
        .map_err(AddSignatureError::Write)?;
    writer.flush().map_err(AddSignatureError::Write)
}

/// Whether a signature that is in the bundle already claims this key.
fn is_by(earlier: &str, key: &PublicKey) -> bool {
    earlier
        .parse::<Signature>()
        .is_ok_and(|signature| signature.claimed_key() == key)
}

fn write_header(writer: &mut impl Write, entry: &FileEntry) -> io::Result<()> {
    writer.write_all(&ustar::header(entry.path.as_str(), entry.mode, entry.size))
}
