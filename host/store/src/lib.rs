//! What `host` keeps on disk: content by digest, the spool of runs, the journal, the counter of throw-away uids, and
//! configuration files that only their owner could have written.
//!
//! Everything is a plain file below four directories that are checked once, parents included, and then used by
//! descriptor; a name given later can lead neither out of them nor through a link. What is in the cache is never proof:
//! it is hashed again whenever it is read. What is in the journal was on disk before anyone was told.
//!
//! Nothing here decides whether a file may be trusted beyond its owner and mode, reads an environment or prints, and a
//! clock is read only to bound the wait for a lock. Start at [`Store::open`].
#![forbid(unsafe_code)]

mod store;

mod held;
mod owned;
mod walk;
mod whole;

mod compiled;
mod content;
mod secrets;
mod shelved;
mod staging;

mod active;
mod boot;
mod exclusive;
mod journal;
mod spool;
mod uids;

mod disk;
mod lock;
mod names;
mod replace;

#[cfg(test)]
mod lab;

pub use cap_std::fs::Dir;

pub use crate::active::ActiveRun;
pub use crate::boot::NewBoot;
pub use crate::compiled::{COMPILED_BYTES_MAX, COMPILED_KEY_BYTES, CompiledKeyError};
pub use crate::content::ReadContentError;
pub use crate::disk::DiskError;
pub use crate::exclusive::{Exclusive, ExclusiveError};
pub use crate::held::{HeldFile, HoldError};
pub use crate::journal::{
    BREAKS_MAX, Break, Broken, CHAIN_KEY_BYTES, CHECKPOINT_BYTES_MAX, CHECKPOINT_LINES,
    CHECKPOINT_MS, Chain, ChainKey, CheckSeal, Checkpoint, Claim, Evidence, GROUP_BYTES_MAX, Head,
    HeadError, JOURNAL_FORMAT, JOURNAL_FORMAT_BEFORE, Journal, JournalError, JournalLine,
    JournalLines, JournalReader, LINE_BYTES_MAX, REASON_BYTES_MAX, ReadJournalError, RestartError,
    Restarted, Sealer, StateClaim, Unproven, Verdict, VerifyJournalError, verify_log,
};
pub use crate::lock::lock_within;
pub use crate::owned::{
    OwnedDir, Privacy, ReadOwnedError, WriteOwnedError, read_owned, write_owned,
};
pub use crate::secrets::{SECRET_BYTES_MAX, SecretError, Secrets};
pub use crate::shelved::{InPlace, Shelved};
pub use crate::spool::{CreateRunError, OpenRunError, ReadRunError, RunSpool, SpoolFile};
pub use crate::staging::{CommitError, KeepError, STAGED_FILES_MAX, StagedFile, Staging};
pub use crate::store::{OpenMode, OpenStoreError, Place, Places, Store};
pub use crate::uids::{UID_BLOCK, UidError, UidRange, UidRangeError, Uids};
pub use crate::walk::OpenDirError;
pub use crate::whole::{ReadWholeError, read_whole_anywhere};
