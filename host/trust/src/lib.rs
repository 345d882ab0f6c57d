//! Keys, signatures and the list of whom to trust.
//!
//! There is one signature format, SSHSIG, over exact bytes ([`sshsig`]), and one kind of key, Ed25519, held in
//! a file ([`KeyFile`]), in an ssh-agent ([`Agent`]) or on a security token behind it. A signature that
//! holds says who made it; only [`TrustList::judge`] says whether that person is trusted with a module.
//!
//! Nothing here opens a file, reads a clock, or makes random numbers: bytes, streams, seconds and seeds are
//! arguments. Every text and frame that comes from outside has a limit, and is refused rather than mended.

#![forbid(unsafe_code)]

mod key;

mod signer;

mod agent;
mod key_file;

pub mod sshsig;

mod allowed_signers;
mod moment;
mod version;

mod trust_list;

pub use agent::{AGENT_FRAME_BYTES_MAX, AGENT_KEYS_MAX, Agent, AgentError, AgentKey};
pub use allowed_signers::{
    ALLOWED_SIGNERS_BYTES_MAX, AllowedSigner, AllowedSignerError, AllowedSignersError,
};
pub use key::{Fingerprint, FingerprintError, PUBLIC_KEY_BYTES_MAX, PublicKey, PublicKeyError};
pub use key_file::{KEY_FILE_BYTES_MAX, KeyFile, KeyFileError};
pub use moment::{Moment, MomentError};
pub use signer::{RawSignature, SignError, Signer, Touch};
pub use trust_list::{
    AddAuthorError, Added, Author, DistrustError, Modules, Owner, OwnerError, ReadTrustError,
    SignedBy, TRUST_ENTRIES_MAX, TRUST_FORMAT, TRUST_LIST_BYTES_MAX, TRUST_MODULES_MAX, TrustList,
};
pub use version::{VERSION_BYTES_MAX, VERSION_NUMBERS_MAX, Version, VersionError};
