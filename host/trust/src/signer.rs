//! What can sign: a key file, a key in an agent, or anything else that keeps a private key.
//!
//! A signer is handed the bytes that go under the key and answers with the bare signature. It neither knows
//! what is signed nor is it believed: [`crate::sshsig::sign`] checks each answer before it is used.

use ssh_key::Algorithm;

use crate::agent::AgentError;
use crate::key::PublicKey;

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The agent could not be asked, or refused.
    #[error("agent did not sign")]
    Agent(#[source] AgentError),
    /// The answer is not a signature of the announced key over the given bytes.
    #[error("signer answered with a signature that does not fit its key")]
    Unfit,
    /// The signature could not be written as text.
    #[error("signature cannot be encoded")]
    Encode(#[source] ssh_key::Error),
}

/// Something that signs with one private key.
pub trait Signer {
    /// The public half of the key that [`Signer::sign_bytes`] uses.
    fn public_key(&self) -> &PublicKey;

    /// Signs exactly these bytes.
    ///
    /// # Errors
    ///
    /// When the key cannot be reached or its keeper refuses.
    fn sign_bytes(&mut self, bytes: &[u8]) -> Result<RawSignature, SignError>;
}

/// A bare Ed25519 signature, with what a security token adds to it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RawSignature {
    /// The 64 bytes of the signature.
    pub bytes: [u8; 64],
    /// What the token signed besides; `None` for keys that are not on a token.
    pub touch: Option<Touch>,
}

/// What a security token signs together with the message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Touch {
    /// Bit 0: a person was present. Bit 2: the person was verified by PIN or finger.
    pub flags: u8,
    /// How often the token has signed.
    pub counter: u32,
}

/// Length of a bare Ed25519 signature, in bytes.
const SIGNATURE_BYTES: usize = 64;

impl RawSignature {
    /// Takes a decoded signature apart; `None` when it is not of an accepted algorithm.
    pub(crate) fn from_ssh(signature: &ssh_key::Signature) -> Option<Self> {
        let (bytes, trailer) = signature.as_bytes().split_at_checked(SIGNATURE_BYTES)?;
        let touch = match (signature.algorithm(), trailer) {
            (Algorithm::Ed25519, []) => None,
            (Algorithm::SkEd25519, [flags, counter @ ..]) => {
                let counter = u32::from_be_bytes(counter.try_into().ok()?);
                Some(Touch {
                    flags: *flags,
                    counter,
                })
            }
            _ => return None,
        };
        let bytes = bytes.try_into().ok()?;
        Some(Self { bytes, touch })
    }

    /// Puts the signature into the form that SSHSIG carries.
    pub(crate) fn to_ssh(self) -> Result<ssh_key::Signature, ssh_key::Error> {
        let mut data = self.bytes.to_vec();
        let Some(touch) = self.touch else {
            return ssh_key::Signature::new(Algorithm::Ed25519, data);
        };
        data.push(touch.flags);
        data.extend(touch.counter.to_be_bytes());
        ssh_key::Signature::new(Algorithm::SkEd25519, data)
    }
}
