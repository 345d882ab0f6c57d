//! Public keys as OpenSSH writes them, and their fingerprints.
//!
//! Accepted are Ed25519 keys (`ssh-ed25519`) and Ed25519 keys on security tokens
//! (`sk-ssh-ed25519@openssh.com`). Everything else is refused by name: RSA, DSA, ECDSA and
//! certificates, and Ed25519 points that are of small order or not encoded in the one canonical way, so that
//! one key has one spelling.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use ed25519_dalek::VerifyingKey;
use host_core::Shown;
use ssh_key::public::{Ed25519PublicKey, KeyData, SkEd25519};

#[cfg(test)]
mod tests;

/// Longest line of text that is read as a public key, in bytes.
pub const PUBLIC_KEY_BYTES_MAX: usize = 4_096;

/// The algorithm name of a key held in a file or in an agent.
pub(crate) const ED25519: &str = "ssh-ed25519";

/// The algorithm name of a key held by a security token.
pub(crate) const SK_ED25519: &str = "sk-ssh-ed25519@openssh.com";

/// The application of a token's key where its owner named none.
const TOKEN_APPLICATION: &str = "ssh:";

/// Why a text or blob is not a public key that this program accepts.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PublicKeyError {
    /// The text is longer than [`PUBLIC_KEY_BYTES_MAX`].
    #[error("public key is {have_bytes} bytes long, at most {PUBLIC_KEY_BYTES_MAX} are read")]
    TooLong {
        /// The length of the text.
        have_bytes: usize,
    },
    /// The text is not an algorithm, a blob and perhaps a comment on one line.
    #[error("not a public key line such as `{ED25519} AAAA... comment`")]
    NotAKey,
    /// The key is of a kind that is not accepted.
    #[error("key algorithm `{}` is not accepted: use `{ED25519}` or `{SK_ED25519}`", Shown(.name))]
    Algorithm {
        /// The algorithm that the text names.
        name: String,
    },
    /// The blob of the key cannot be decoded.
    #[error("public key is damaged")]
    Damaged(#[source] ssh_key::Error),
    /// The key is no point on the curve, of small order, or not in its canonical encoding.
    #[error("public key is not a sound Ed25519 point")]
    UnsoundPoint,
    /// The comment holds control characters, and could deceive whoever reads the line.
    #[error("comment of the public key holds control characters")]
    Comment,
}

/// A public key whose signatures can be checked.
///
/// Two keys are equal when algorithm, point and (for a token) application are: comments do not count.
#[derive(Clone)]
pub struct PublicKey {
    data: KeyData,
    point: VerifyingKey,
    fingerprint: Fingerprint,
    /// Algorithm, blob and comment, with one blank between them.
    line: String,
}

impl PublicKey {
    /// Makes a key of decoded key data.
    ///
    /// # Errors
    ///
    /// When the algorithm is not accepted, the point is unsound, the comment holds control characters, or the
    /// line that shows the key would be too long.
    pub(crate) fn from_data(data: KeyData, comment: &str) -> Result<Self, PublicKeyError> {
        let point = match &data {
            KeyData::Ed25519(key) => sound_point(&key.0)?,
            KeyData::SkEd25519(key) => sound_point(&key.public_key().0)?,
            other => {
                let name = other.algorithm().as_str().to_owned();
                return Err(PublicKeyError::Algorithm { name });
            }
        };
        if comment.chars().any(char::is_control) {
            return Err(PublicKeyError::Comment);
        }
        let fingerprint = data.fingerprint(ssh_key::HashAlg::Sha256).sha256();
        let fingerprint = fingerprint
            .map(Fingerprint)
            .ok_or(PublicKeyError::NotAKey)?;
        let named = ssh_key::PublicKey::new(data, comment.trim());
        let line = named.to_openssh().map_err(PublicKeyError::Damaged)?;
        // What is shown here must be readable again, also when it came in a longer form.
        if line.len() > PUBLIC_KEY_BYTES_MAX {
            return Err(PublicKeyError::TooLong {
                have_bytes: line.len(),
            });
        }
        Ok(Self {
            data: named.into(),
            point,
            fingerprint,
            line,
        })
    }

    /// Makes a key of the blob that the agent protocol and signatures carry.
    ///
    /// # Errors
    ///
    /// As [`PublicKey::from_data`], and when the blob cannot be decoded.
    pub(crate) fn from_blob(blob: &[u8], comment: &str) -> Result<Self, PublicKeyError> {
        let key = ssh_key::PublicKey::from_bytes(blob).map_err(PublicKeyError::Damaged)?;
        Self::from_data(key.into(), comment)
    }

    /// The blob that names this key on the wire.
    pub(crate) fn to_blob(&self) -> Result<Vec<u8>, ssh_key::Error> {
        ssh_key::PublicKey::from(self.data.clone()).to_bytes()
    }

    /// The decoded key data, for building signatures.
    pub(crate) fn data(&self) -> &KeyData {
        &self.data
    }

    /// The point that signatures are checked against.
    pub(crate) fn point(&self) -> &VerifyingKey {
        &self.point
    }

    /// What the token mixes into its signatures, if the key is on a token.
    pub(crate) fn application(&self) -> Option<&str> {
        self.data.sk_ed25519().map(|key| key.application())
    }

    /// The 32 bytes of the Ed25519 point: the key itself, however it is labelled.
    #[must_use]
    pub fn raw(&self) -> &[u8; 32] {
        self.point.as_bytes()
    }

    /// The fingerprints of this raw key under its own label and the two that OpenSSH gives unasked: a plain key, and a
    /// key on a token for the application `ssh:`.
    pub(crate) fn fingerprints(&self) -> impl Iterator<Item = Fingerprint> {
        let raw = Ed25519PublicKey(*self.raw());
        let token = SkEd25519::new(raw, TOKEN_APPLICATION);
        let labels = [KeyData::Ed25519(raw), KeyData::SkEd25519(token)];
        let others = labels.into_iter().filter_map(|data| {
            let fingerprint = data.fingerprint(ssh_key::HashAlg::Sha256).sha256();
            fingerprint.map(Fingerprint)
        });
        std::iter::once(self.fingerprint).chain(others)
    }

    /// The algorithm as OpenSSH names it.
    #[must_use]
    pub fn algorithm(&self) -> &'static str {
        if self.is_on_token() {
            SK_ED25519
        } else {
            ED25519
        }
    }

    /// Whether the private half is on a security token, whose signatures prove a touch.
    #[must_use]
    pub fn is_on_token(&self) -> bool {
        self.data.is_sk_ed25519()
    }

    /// The comment behind the key; empty when there is none. Written by whoever made the line.
    #[must_use]
    pub fn comment(&self) -> &str {
        self.line.splitn(3, ' ').nth(2).unwrap_or_default()
    }

    /// The fingerprint as `ssh-keygen -l` shows it.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }
}

/// Reads one line `ALGORITHM BLOB [COMMENT]`; blank space around it is ignored.
impl FromStr for PublicKey {
    type Err = PublicKeyError;

    fn from_str(line: &str) -> Result<Self, Self::Err> {
        if line.len() > PUBLIC_KEY_BYTES_MAX {
            return Err(PublicKeyError::TooLong {
                have_bytes: line.len(),
            });
        }
        let (name, rest) = line
            .trim()
            .split_once([' ', '\t'])
            .ok_or(PublicKeyError::NotAKey)?;
        if !matches!(name, ED25519 | SK_ED25519) {
            return Err(PublicKeyError::Algorithm {
                name: name.to_owned(),
            });
        }
        let rest = rest.trim_start();
        let (blob, comment) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
        let key = ssh_key::PublicKey::from_openssh(&format!("{name} {blob}"))
            .map_err(PublicKeyError::Damaged)?;
        Self::from_data(key.into(), comment)
    }
}

/// Writes the line that [`PublicKey::from_str`] reads.
impl fmt::Display for PublicKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.line)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "PublicKey({self})")
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.data == other.data
    }
}

impl Eq for PublicKey {}

impl Hash for PublicKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.data.hash(state);
    }
}

impl PartialOrd for PublicKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PublicKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.data.cmp(&other.data)
    }
}

/// Refuses points that would let one signature fit many messages, or one key have two spellings.
fn sound_point(bytes: &[u8; 32]) -> Result<VerifyingKey, PublicKeyError> {
    let point = VerifyingKey::from_bytes(bytes).map_err(|_| PublicKeyError::UnsoundPoint)?;
    let is_canonical = point.to_edwards().compress().as_bytes() == bytes;
    if point.is_weak() || !is_canonical {
        return Err(PublicKeyError::UnsoundPoint);
    }
    Ok(point)
}

/// Why a text is not a fingerprint.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a fingerprint such as `SHA256:` and 43 base64 characters")]
pub struct FingerprintError;

/// The SHA-256 of a public key's blob, shown as `SHA256:` and unpadded base64.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Fingerprint([u8; 32]);

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        /// `SHA256:` and 43 characters.
        const LENGTH: usize = 50;
        if text.len() != LENGTH {
            return Err(FingerprintError);
        }
        let parsed: ssh_key::Fingerprint = text.parse().map_err(|_| FingerprintError)?;
        parsed.sha256().map(Self).ok_or(FingerprintError)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        ssh_key::Fingerprint::Sha256(self.0).fmt(out)
    }
}
