//! Oracles: for every reader of foreign bytes, a function that takes any bytes and panics when a promise is broken.
//!
//! One module is one subject, and its `check` is the whole interface. [`ORACLES`] lists them under the names of their
//! corpus directories and of their cargo-fuzz targets, which are glue around these functions. What an oracle expects is
//! written from the design and from the documentation of the subject, never by calling the code that it judges.
//!
//! Nothing here opens a file, but for the directories that [`wasi_calls`] makes, reads a clock or makes random numbers: an
//! input that failed once fails again.

#![forbid(unsafe_code)]
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "an oracle reports by panicking, and its own fixtures are sound"
)]

mod edits;
mod fixture;
mod received;
mod tar_readers;
mod words;

pub mod bundle;
pub mod bundle_edits;
pub mod manifest;
pub mod plain_tar;

pub mod input;
pub mod metadata;
pub mod overlay;
pub mod result;

pub mod data_type;

pub mod ask;
pub mod capability;

pub mod choria;
pub mod policy;
pub mod policy_rules;

pub mod allowed_signers;
pub mod public_key;
pub mod signature;
pub mod signature_edits;
pub mod trust_list;

pub mod audit_log;

pub mod verdict;
pub mod wasi_calls;

/// An oracle: takes any bytes and panics when its subject breaks a promise.
pub type Oracle = fn(&[u8]);

/// Every oracle under its name.
pub const ORACLES: [(&str, Oracle); 22] = [
    ("allowed_signers", allowed_signers::check),
    ("ask", ask::check),
    ("audit_log", audit_log::check),
    ("bundle", bundle::check),
    ("bundle_edits", bundle_edits::check),
    ("capability", capability::check),
    ("choria", choria::check),
    ("data_type", data_type::check),
    ("input", input::check),
    ("manifest", manifest::check),
    ("metadata", metadata::check),
    ("overlay", overlay::check),
    ("plain_tar", plain_tar::check),
    ("policy", policy::check),
    ("policy_rules", policy_rules::check),
    ("public_key", public_key::check),
    ("result", result::check),
    ("signature", signature::check),
    ("signature_edits", signature_edits::check),
    ("trust_list", trust_list::check),
    ("verdict", verdict::check),
    ("wasi_calls", wasi_calls::check),
];
