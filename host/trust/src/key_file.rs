//! A private key in the text that OpenSSH keeps in files.
//!
//! Reads and writes unencrypted Ed25519 keys. Encrypted keys, keys of other algorithms, handles of security
//! tokens and the older PEM forms are refused: ssh-agent opens those, and [`crate::Agent`] asks it.

use std::fmt;
use std::ops::Deref;

use ed25519_dalek::Signer as _;
use ssh_key::private::{Ed25519Keypair, KeypairData};
use ssh_key::{LineEnding, PrivateKey};

use crate::key::{PublicKey, PublicKeyError};
use crate::signer::{RawSignature, SignError, Signer};

#[cfg(test)]
mod tests;

/// Longest text that is read as a private key, in bytes.
pub const KEY_FILE_BYTES_MAX: usize = 16 * 1_024;

/// How an OpenSSH private key begins.
const HEADER: &str = "-----BEGIN OPENSSH PRIVATE KEY-----";

/// Why a text is not a private key that can sign here.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// The text is longer than [`KEY_FILE_BYTES_MAX`].
    #[error("private key is {have_bytes} bytes long, at most {KEY_FILE_BYTES_MAX} are read")]
    TooLong {
        /// The length of the text.
        have_bytes: usize,
    },
    /// The text is something else: a public key, an older PEM form, or no key at all.
    #[error("not an OpenSSH private key (`{HEADER}`)")]
    NotAKey,
    /// The text cannot be decoded.
    #[error("private key is damaged")]
    Damaged(#[source] ssh_key::Error),
    /// The key is encrypted with a passphrase.
    #[error("private key is encrypted: load it with `ssh-add` and sign through ssh-agent")]
    Encrypted,
    /// The key is a handle for a security token.
    #[error(
        "private key is on a security token: load it with `ssh-add` and sign through ssh-agent"
    )]
    OnToken,
    /// The key is RSA, ECDSA or of another kind that is not accepted.
    #[error("algorithm of the private key is not accepted: use `ssh-ed25519`")]
    Algorithm,
    /// The public half of the key is not accepted.
    #[error("public half of the private key is not accepted")]
    Public(#[source] PublicKeyError),
}

/// An Ed25519 private key in memory, wiped when dropped.
pub struct KeyFile {
    public: PublicKey,
    private: PrivateKey,
    signing: ed25519_dalek::SigningKey,
}

impl KeyFile {
    /// Makes a new key of 32 random bytes, which must come from the operating system's generator.
    ///
    /// # Errors
    ///
    /// When the comment holds control characters.
    pub fn generate(random: &[u8; 32], comment: &str) -> Result<Self, KeyFileError> {
        let pair = KeypairData::Ed25519(Ed25519Keypair::from_seed(random));
        let private = PrivateKey::new(pair, comment).map_err(KeyFileError::Damaged)?;
        Self::from_private(private)
    }

    /// Reads the text of a key file.
    ///
    /// # Errors
    ///
    /// When the text is too long, is not a key, is damaged, or is a key that only ssh-agent can use.
    pub fn read(text: &str) -> Result<Self, KeyFileError> {
        if text.len() > KEY_FILE_BYTES_MAX {
            return Err(KeyFileError::TooLong {
                have_bytes: text.len(),
            });
        }
        if !text.starts_with(HEADER) {
            return Err(KeyFileError::NotAKey);
        }
        let private = PrivateKey::from_openssh(text).map_err(|error| match error {
            ssh_key::Error::AlgorithmUnknown => KeyFileError::Algorithm,
            other => KeyFileError::Damaged(other),
        })?;
        Self::from_private(private)
    }

    fn from_private(private: PrivateKey) -> Result<Self, KeyFileError> {
        let signing = match private.key_data() {
            KeypairData::Ed25519(pair) => pair.try_into().map_err(KeyFileError::Damaged)?,
            KeypairData::Encrypted(_) => return Err(KeyFileError::Encrypted),
            KeypairData::SkEd25519(_) => return Err(KeyFileError::OnToken),
            _ => return Err(KeyFileError::Algorithm),
        };
        let public = private.public_key();
        let public = PublicKey::from_data(public.key_data().clone(), public.comment())
            .map_err(KeyFileError::Public)?;
        Ok(Self {
            public,
            private,
            signing,
        })
    }

    /// The text of the key file, wiped when dropped. The same key gives the same text.
    ///
    /// # Errors
    ///
    /// When the key cannot be encoded, which no key read or made here is known to cause.
    pub fn to_text(&self) -> Result<impl Deref<Target = String> + use<>, KeyFileError> {
        self.private
            .to_openssh(LineEnding::LF)
            .map_err(KeyFileError::Damaged)
    }
}

impl Signer for KeyFile {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign_bytes(&mut self, bytes: &[u8]) -> Result<RawSignature, SignError> {
        let signature = self.signing.sign(bytes);
        Ok(RawSignature {
            bytes: signature.to_bytes(),
            touch: None,
        })
    }
}

/// Shows the public half only.
impl fmt::Debug for KeyFile {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "KeyFile({})", self.public)
    }
}
