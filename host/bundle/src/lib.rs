//! Sealed bundles: a module, and what it needs of others, in one tar that can be signed and verified.
//!
//! Bytes come in through `Read` and go out through `Write`; nothing here knows a path of the machine, a
//! clock or a network. A bundle goes through three states, of which only the last gives programs:
//! [`open`] makes a [`SealedBundle`], a trust list makes it an [`AuthenticBundle`], and reading every byte
//! makes that a [`VerifiedBundle`].
//!
//! The other direction is [`pack`], from a [`ModuleSource`], and [`add_signature`]. A plain tar of a module
//! is read by [`read_plain_tar`] and must be packed before it is used.

#![forbid(unsafe_code)]

mod path;
mod version;

mod manifest;
mod signatures;

mod ustar;

mod entries;
mod sealed;

mod source;

mod pack;
mod sign;

mod plain;

mod diff;
mod identity;
mod needs;

pub use crate::diff::{Change, diff};
pub use crate::entries::EntryError;
pub use crate::identity::{ModuleIdentity, ModuleIdentityError};
pub use crate::manifest::{
    BUNDLE_BYTES_MAX, FILE_BYTES_MAX, FILES_MAX, FileEntry, MANIFEST_BYTES_MAX, MANIFEST_PATH,
    Manifest, ManifestError, NEEDED_MODULES_PATH, OVERLAY_PATH, SIGNATURES_PATH,
};
pub use crate::needs::Needs;
pub use crate::pack::{NeededModule, PackError, PackRequest, Packed, pack};
pub use crate::path::{BundlePath, BundlePathError};
pub use crate::plain::{MemoryModule, PLAIN_TAR_BYTES_MAX, PlainTarError, read_plain_tar};
pub use crate::sealed::{
    AuthenticBundle, FileSink, OpenBundleError, ReceiveError, SealedBundle, VerifiedBundle,
    VerifyBundleError, open,
};
pub use crate::sign::{AddSignatureError, add_signature};
pub use crate::signatures::SignaturesError;
pub use crate::source::{ModuleSource, SourceFile};
pub use crate::ustar::{FileMode, HeaderFault};
pub use crate::version::{ModuleVersion, ModuleVersionError};
