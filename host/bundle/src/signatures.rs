//! The list of signatures that travels in a bundle.
//!
//! It is no part of what is signed, so anyone may add to it or take from it; here it is only kept small
//! and in one spelling. What a signature is worth is decided by the trust list.

use host_core::Shown;
use host_trust::sshsig::{SIGNATURE_BYTES_MAX, SIGNATURES_MAX};
use serde::{Deserialize, Serialize};

/// Longest list of signatures, in bytes: eight of the longest, were every byte written as `\\u0000`.
pub(crate) const SIGNATURES_BYTES_MAX: u64 = 256 << 10;

const FORMAT: &str = "host.signatures/1";

/// Why a list of signatures cannot be read or made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignaturesError {
    /// The bytes are not the list's JSON.
    #[error("list of signatures is not readable")]
    Json(#[source] serde_json::Error),
    /// The list is of another format or version of the format.
    #[error("list of signatures has the format `{}`, known is `{FORMAT}`", Shown(.found))]
    Format {
        /// The format found.
        found: String,
    },
    /// The list says what it may say, but in other bytes than ours.
    #[error("list of signatures is not in its canonical form")]
    NotCanonical,
    /// There are too many signatures.
    #[error("{have} signatures, {SIGNATURES_MAX} are allowed")]
    TooMany {
        /// How many there are.
        have: usize,
    },
    /// One signature is too long.
    #[error("a signature has {have} bytes, {SIGNATURE_BYTES_MAX} are allowed")]
    TooLong {
        /// Its bytes.
        have: usize,
    },
}

#[derive(Deserialize)]
struct FormatOnly {
    format: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct SignaturesText {
    format: String,
    signatures: Vec<String>,
}

/// Reads the list.
pub(crate) fn read(bytes: &[u8]) -> Result<Vec<String>, SignaturesError> {
    // The format first: what a later one adds should not be reported as a mistake of this one.
    let FormatOnly { format: found } =
        serde_json::from_slice(bytes).map_err(SignaturesError::Json)?;
    if found != FORMAT {
        return Err(SignaturesError::Format { found });
    }
    let text: SignaturesText = serde_json::from_slice(bytes).map_err(SignaturesError::Json)?;
    if write(&text.signatures)? != bytes {
        return Err(SignaturesError::NotCanonical);
    }
    Ok(text.signatures)
}

/// Writes the list: JSON on one line.
pub(crate) fn write(signatures: &[String]) -> Result<Vec<u8>, SignaturesError> {
    if signatures.len() > SIGNATURES_MAX {
        return Err(SignaturesError::TooMany {
            have: signatures.len(),
        });
    }
    if let Some(long) = signatures
        .iter()
        .find(|text| text.len() > SIGNATURE_BYTES_MAX)
    {
        return Err(SignaturesError::TooLong { have: long.len() });
    }
    let text = SignaturesText {
        format: FORMAT.to_owned(),
        signatures: signatures.to_vec(),
    };
    let mut bytes = serde_json::to_vec(&text).map_err(SignaturesError::Json)?;
    bytes.push(b'\n');
    Ok(bytes)
}

#[cfg(test)]
mod tests;
