//! SSHSIG, the one signature format: made and checked over exact bytes, within one namespace.
//!
//! `ssh-keygen -Y verify` accepts what [`sign`] writes, and [`verify`] accepts what `ssh-keygen -Y sign` writes
//! with an accepted key. The armor is held to its one canonical form (the two marker lines, base64 in
//! lines of 70 characters, line feeds, at most one line feed at the end), so nobody can vary the
//! text of a signature that he cannot make. Refused are other namespaces and versions, a filled reserved
//! field, hashes besides SHA-512 and SHA-256, lenient Ed25519, and token signatures without a touch.
//!
//! A signature that verifies says which key made it, and nothing about whether that key is trusted.

use std::fmt;
use std::str::FromStr;

use host_core::Shown;
use sha2::{Digest as _, Sha256};
use ssh_key::{HashAlg, LineEnding, SshSig};

use crate::key::{PublicKey, PublicKeyError};
use crate::signer::{RawSignature, SignError, Signer};

#[cfg(test)]
pub(crate) mod tests;

/// Longest armored signature that is read, in bytes. An Ed25519 signature takes about 300.
pub const SIGNATURE_BYTES_MAX: usize = 4_096;

/// Most signatures that are looked at over one document.
pub const SIGNATURES_MAX: usize = 8;

/// The version of SSHSIG that is written and accepted.
const VERSION: u32 = 1;

/// The bit in a token's flags that says that a person touched it.
const USER_PRESENT: u8 = 0x01;

/// What a signature is for. A signature made for one purpose is refused for every other.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Namespace {
    /// The manifest of a bundle: `bundle@host`.
    Bundle,
    /// A caller's order: `order@host`.
    Order,
    /// A trust list or policy: `trust@host`.
    Trust,
    /// A node's receipt: `receipt@host`.
    Receipt,
    /// A checkpoint of an audit log: `audit@host`.
    Audit,
}

impl Namespace {
    /// The text that is signed along.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bundle => "bundle@host",
            Self::Order => "order@host",
            Self::Trust => "trust@host",
            Self::Receipt => "receipt@host",
            Self::Audit => "audit@host",
        }
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// Why a text is not a signature.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadSignatureError {
    /// The text is longer than [`SIGNATURE_BYTES_MAX`].
    #[error("signature is {have_bytes} bytes long, at most {SIGNATURE_BYTES_MAX} are read")]
    TooLong {
        /// The length of the text.
        have_bytes: usize,
    },
    /// The armor or what it wraps cannot be decoded.
    #[error("not an SSH signature")]
    Damaged(#[source] ssh_key::Error),
    /// The text decodes, but is not what encoding it again gives.
    #[error("signature is not in its canonical form")]
    NotCanonical,
    /// The format has another version.
    #[error("SSH signature of version {version}, only version {VERSION} is accepted")]
    Version {
        /// The version that the signature claims.
        version: u32,
    },
    /// The reserved field is not empty.
    #[error("reserved field of the SSH signature is not empty")]
    Reserved,
    /// The key in the signature is not accepted.
    #[error("key of the signature is not accepted")]
    Key(#[source] PublicKeyError),
    /// The signature is of an algorithm that is not accepted.
    #[error("signature is of an algorithm that is not accepted")]
    Algorithm,
}

/// Why a signature does not hold.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifySignatureError {
    /// The text is not a signature.
    #[error("signature is not readable")]
    Read(#[source] ReadSignatureError),
    /// The signature was made for another purpose.
    #[error("signature is for `{}`, not for `{want}`", Shown(.have))]
    Namespace {
        /// The namespace that was signed.
        have: String,
        /// The namespace that is needed here.
        want: Namespace,
    },
    /// The token signed without anyone touching it.
    #[error("security token signed without a touch")]
    NoTouch,
    /// The key did not sign these bytes.
    #[error("signature does not fit these bytes and key `{fingerprint}`")]
    Mismatch {
        /// The key that the signature names.
        fingerprint: crate::Fingerprint,
    },
}

/// A signature that was read and proves nothing until [`Signature::verify`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Signature {
    key: PublicKey,
    namespace: String,
    hash: HashAlg,
    raw: RawSignature,
    armored: String,
}

impl Signature {
    /// The key that the signature says made it.
    #[must_use]
    pub fn claimed_key(&self) -> &PublicKey {
        &self.key
    }

    /// The armored text, ending in a line feed.
    #[must_use]
    pub fn armored(&self) -> &str {
        &self.armored
    }

    /// Checks that the claimed key signed exactly `message` in this namespace, and returns that key.
    ///
    /// # Errors
    ///
    /// When the namespace is another, the bytes or the key are, or a token was not touched.
    pub fn verify(
        &self,
        namespace: Namespace,
        message: &[u8],
    ) -> Result<&PublicKey, VerifySignatureError> {
        if self.namespace != namespace.as_str() {
            let have = self.namespace.clone();
            return Err(VerifySignatureError::Namespace {
                have,
                want: namespace,
            });
        }
        if self
            .raw
            .touch
            .is_some_and(|touch| touch.flags & USER_PRESENT == 0)
        {
            return Err(VerifySignatureError::NoTouch);
        }
        let fingerprint = self.key.fingerprint();
        let mismatch = VerifySignatureError::Mismatch { fingerprint };
        let Ok(signed) = SshSig::signed_data(&self.namespace, self.hash, message) else {
            return Err(mismatch);
        };
        if fits(&self.key, &signed, &self.raw) {
            Ok(&self.key)
        } else {
            Err(mismatch)
        }
    }
}

impl FromStr for Signature {
    type Err = ReadSignatureError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > SIGNATURE_BYTES_MAX {
            return Err(ReadSignatureError::TooLong {
                have_bytes: text.len(),
            });
        }
        let read = SshSig::from_pem(text).map_err(ReadSignatureError::Damaged)?;
        let armored = armor(&read).map_err(ReadSignatureError::Damaged)?;
        if text != armored && Some(text) != armored.strip_suffix('\n') {
            return Err(ReadSignatureError::NotCanonical);
        }
        if read.version() != VERSION {
            return Err(ReadSignatureError::Version {
                version: read.version(),
            });
        }
        if !read.reserved().is_empty() {
            return Err(ReadSignatureError::Reserved);
        }
        let key =
            PublicKey::from_data(read.public_key().clone(), "").map_err(ReadSignatureError::Key)?;
        let raw = RawSignature::from_ssh(read.signature()).ok_or(ReadSignatureError::Algorithm)?;
        let namespace = read.namespace().to_owned();
        Ok(Self {
            key,
            namespace,
            hash: read.hash_alg(),
            raw,
            armored,
        })
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.armored)
    }
}

/// Signs exactly `message` in this namespace, hashed with SHA-512.
///
/// # Errors
///
/// When the signer fails, or answers with what is no signature of its key over the given bytes.
pub fn sign(
    signer: &mut dyn Signer,
    namespace: Namespace,
    message: &[u8],
) -> Result<Signature, SignError> {
    let hash = HashAlg::Sha512;
    let name = namespace.as_str();
    let signed = SshSig::signed_data(name, hash, message).map_err(SignError::Encode)?;
    let raw = signer.sign_bytes(&signed)?;
    let key = PublicKey::from_data(signer.public_key().data().clone(), "")
        .map_err(|_| SignError::Unfit)?;
    let written = raw.to_ssh().map_err(SignError::Encode)?;
    let written =
        SshSig::new(key.data().clone(), name, hash, written).map_err(SignError::Encode)?;
    let armored = armor(&written).map_err(SignError::Encode)?;
    let signature = Signature {
        key,
        namespace: name.to_owned(),
        hash,
        raw,
        armored,
    };
    // What is not accepted here must not leave here: an agent may answer with anything.
    match signature.verify(namespace, message) {
        Ok(_) => Ok(signature),
        Err(_) => Err(SignError::Unfit),
    }
}

/// Reads an armored signature and checks it over exactly `message`; returns the key that made it.
///
/// # Errors
///
/// When the text is not a signature, or it does not hold for these bytes in this namespace.
pub fn verify(
    armored: &str,
    namespace: Namespace,
    message: &[u8],
) -> Result<PublicKey, VerifySignatureError> {
    let signature: Signature = armored.parse().map_err(VerifySignatureError::Read)?;
    signature.verify(namespace, message).cloned()
}

/// Checks the bare signature strictly; for a token, over what a token signs.
fn fits(key: &PublicKey, signed: &[u8], raw: &RawSignature) -> bool {
    let signature = ed25519_dalek::Signature::from_bytes(&raw.bytes);
    match (key.application(), raw.touch) {
        (None, None) => key.point().verify_strict(signed, &signature).is_ok(),
        (Some(application), Some(touch)) => {
            let mut message = Sha256::digest(application).to_vec();
            message.push(touch.flags);
            message.extend(touch.counter.to_be_bytes());
            message.extend(Sha256::digest(signed));
            key.point().verify_strict(&message, &signature).is_ok()
        }
        _ => false,
    }
}

/// Writes the canonical armor, ending in one line feed.
fn armor(signature: &SshSig) -> Result<String, ssh_key::Error> {
    let mut text = signature.to_pem(LineEnding::LF)?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}
