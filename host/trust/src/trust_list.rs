//! The trust list: whose signatures count for which modules, what is revoked, which versions are too old.
//!
//! A list is read whole or not at all, changed only by adding authors, and asked one question:
//! [`TrustList::judge`]. Its serial rises with each change, so that an older list can be told from a newer one.
//! Nothing here reads a file or a clock, and a list says nothing about who may change it: the signature around
//! it does, in namespace `trust@host`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use host_core::{Digest, ModuleName, Shown};
use serde_json::{Map, Value};

use crate::key::{Fingerprint, PublicKey};
use crate::moment::Moment;
use crate::sshsig::SIGNATURES_MAX;
use crate::version::Version;

mod judge;
mod read;
mod revoked;
#[cfg(test)]
mod tests;

pub use judge::{DistrustError, SignedBy};
pub use read::ReadTrustError;

/// Longest trust list that is read, in bytes.
pub const TRUST_LIST_BYTES_MAX: usize = 4 * 1_024 * 1_024;

/// Most entries in each of the lists inside a trust list.
pub const TRUST_ENTRIES_MAX: usize = 10_000;

/// Most modules that one entry names.
pub const TRUST_MODULES_MAX: usize = 1_000;

/// The format that is written and accepted.
pub const TRUST_FORMAT: &str = "host.trust/1";

/// Longest name of an owner, in characters.
const OWNER_CHARS_MAX: usize = 128;

/// Why a text is not the name of an owner.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a name of 1 to {OWNER_CHARS_MAX} visible characters")]
pub struct OwnerError;

/// Who owns a key, such as `alice@example.org`: 1 to 128 characters, without control or invisible ones, a backslash,
/// or blanks around.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Owner(Box<str>);

impl Owner {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Owner {
    type Err = OwnerError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let length = text.chars().count();
        // What needs escaping could make two owners look like one.
        let is_plain = Shown(text).to_string() == text && text.trim() == text;
        if length == 0 || length > OWNER_CHARS_MAX || !is_plain {
            return Err(OwnerError);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Which modules an author may sign.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Modules {
    /// Every module, written `*`.
    All,
    /// These modules, by name; at least one.
    Named(BTreeSet<ModuleName>),
}

impl Modules {
    /// Whether the module is among them.
    #[must_use]
    pub fn covers(&self, module: &ModuleName) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.contains(module),
        }
    }

    /// Adds the other modules; says whether that added anything.
    fn widen(&mut self, other: Self) -> bool {
        match (&mut *self, other) {
            (Self::All, _) => false,
            (Self::Named(_), Self::All) => {
                *self = Self::All;
                true
            }
            (Self::Named(have), Self::Named(more)) => {
                let before = have.len();
                have.extend(more);
                have.len() > before
            }
        }
    }

    fn is_sound(&self) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => (1..=TRUST_MODULES_MAX).contains(&names.len()),
        }
    }
}

/// One entry of the list: a key, its owner, and what its signatures are good for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Author {
    /// Who owns the key.
    pub owner: Owner,
    /// The key.
    pub key: PublicKey,
    /// The modules that the key may sign.
    pub modules: Modules,
    /// The first day or second at which the entry counts.
    pub not_before: Option<Moment>,
    /// The last day or second at which the entry counts.
    pub not_after: Option<Moment>,
    /// A remark for people.
    pub comment: Option<String>,
}

/// What adding an author changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Added {
    /// There is a new entry.
    Entry,
    /// An entry that was there covers more modules now.
    Modules,
    /// Everything was there already; the serial stays.
    Nothing,
}

/// Why an author was not added; the list is unchanged.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AddAuthorError {
    /// The key is on the list of revoked keys.
    #[error("key `{fingerprint}` is revoked")]
    Revoked {
        /// The key.
        fingerprint: Fingerprint,
    },
    /// The key is in the list under another owner.
    #[error("key `{fingerprint}` belongs to `{owner}` already")]
    OtherOwner {
        /// The key.
        fingerprint: Fingerprint,
        /// Who has it.
        owner: Owner,
    },
    /// The entry would name no module, or more than [`TRUST_MODULES_MAX`].
    #[error("an author has from 1 to {TRUST_MODULES_MAX} modules, or `*`")]
    ModuleCount,
    /// The list would have more authors or bytes than are read.
    #[error(
        "trust list is full: {TRUST_ENTRIES_MAX} authors and {TRUST_LIST_BYTES_MAX} bytes at most"
    )]
    Full,
    /// The serial cannot rise any further.
    #[error("serial of the trust list is spent")]
    SerialSpent,
}

/// Whose signatures count, and for what.
#[derive(Clone, Debug)]
pub struct TrustList {
    serial: u64,
    threshold: usize,
    authors: Vec<Author>,
    revoked_keys: BTreeSet<Fingerprint>,
    revoked_bundles: BTreeSet<Digest>,
    least: BTreeMap<ModuleName, Version>,
}

impl TrustList {
    /// A list of serial 0 that trusts no one.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            serial: 0,
            threshold: 1,
            authors: Vec::new(),
            revoked_keys: BTreeSet::new(),
            revoked_bundles: BTreeSet::new(),
            least: BTreeMap::new(),
        }
    }

    /// Adds an author; as [`TrustList::add_authors`] with one of them.
    ///
    /// # Errors
    ///
    /// When the key is revoked or another owner's, the modules are none or too many, or the list is full.
    pub fn add_author(&mut self, author: Author) -> Result<Added, AddAuthorError> {
        let added = self.add_authors([author])?;
        Ok(added.into_iter().next().unwrap_or(Added::Nothing))
    }

    /// Adds all of these authors or none, and raises the serial by one unless everything was there already.
    ///
    /// An entry with the same key and the same dates gets the modules added; with other dates the key gets a second
    /// entry, so that no module is trusted at a time for which nobody asked. The answer says for each what it changed.
    ///
    /// # Errors
    ///
    /// When a key is revoked or another owner's, the modules are none or too many, or the list is full.
    pub fn add_authors(
        &mut self,
        authors: impl IntoIterator<Item = Author>,
    ) -> Result<Vec<Added>, AddAuthorError> {
        let mut next = self.clone();
        let mut places = Places::of(&next.authors);
        let revoked = self.revoked();
        let mut changes = Vec::new();
        for author in authors {
            let fingerprint = author.key.fingerprint();
            if revoked.covers(&author.key) {
                return Err(AddAuthorError::Revoked { fingerprint });
            }
            changes.push(next.merge(author, &mut places)?);
        }
        if changes.iter().all(|change| *change == Added::Nothing) {
            return Ok(changes);
        }
        next.serial = self
            .serial
            .checked_add(1)
            .ok_or(AddAuthorError::SerialSpent)?;
        // A list that is written must be readable again.
        if next.authors.len() > TRUST_ENTRIES_MAX || next.to_json().len() > TRUST_LIST_BYTES_MAX {
            return Err(AddAuthorError::Full);
        }
        *self = next;
        Ok(changes)
    }

    fn merge(&mut self, author: Author, places: &mut Places) -> Result<Added, AddAuthorError> {
        if !author.modules.is_sound() {
            return Err(AddAuthorError::ModuleCount);
        }
        let with_key = places.0.entry(*author.key.raw()).or_default();
        let entries = || with_key.iter().filter_map(|place| self.authors.get(*place));
        if let Some(entry) = entries().find(|entry| entry.owner != author.owner) {
            let (fingerprint, owner) = (author.key.fingerprint(), entry.owner.clone());
            return Err(AddAuthorError::OtherOwner { fingerprint, owner });
        }
        let is_same = |place: &&usize| {
            let entry = self.authors.get(**place);
            entry.is_some_and(|entry| entry.is_of(&author))
        };
        let same = with_key.iter().find(is_same).copied();
        if let Some(entry) = same.and_then(|place| self.authors.get_mut(place)) {
            let is_wider = entry.modules.widen(author.modules);
            if !entry.modules.is_sound() {
                return Err(AddAuthorError::ModuleCount);
            }
            return Ok(if is_wider {
                Added::Modules
            } else {
                Added::Nothing
            });
        }
        with_key.push(self.authors.len());
        self.authors.push(author);
        Ok(Added::Entry)
    }

    /// The number that rises with each change.
    #[must_use]
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// How many owners must have signed a bundle.
    #[must_use]
    pub fn threshold(&self) -> usize {
        self.threshold
    }

    /// The entries, in the order of the file.
    #[must_use]
    pub fn authors(&self) -> &[Author] {
        &self.authors
    }

    /// The keys whose signatures no longer count.
    #[must_use]
    pub fn revoked_keys(&self) -> &BTreeSet<Fingerprint> {
        &self.revoked_keys
    }

    /// The bundles that are refused whoever signed them.
    #[must_use]
    pub fn revoked_bundles(&self) -> &BTreeSet<Digest> {
        &self.revoked_bundles
    }

    /// The lowest accepted version of each module that has one.
    #[must_use]
    pub fn least(&self) -> &BTreeMap<ModuleName, Version> {
        &self.least
    }

    /// The file `trust.json`: indented, ending in a line feed, the same text for the same list.
    #[must_use]
    pub fn to_json(&self) -> String {
        let least = self
            .least
            .iter()
            .map(|(module, version)| (module.to_string(), text(version)));
        let revoked = [
            (
                "keys",
                Value::Array(self.revoked_keys.iter().map(text).collect()),
            ),
            (
                "bundles",
                Value::Array(self.revoked_bundles.iter().map(text).collect()),
            ),
        ];
        let list = [
            ("format", text(&TRUST_FORMAT)),
            ("serial", Value::from(self.serial)),
            ("threshold", Value::from(self.threshold)),
            (
                "authors",
                Value::Array(self.authors.iter().map(Author::to_value).collect()),
            ),
            ("revoked", object(revoked)),
            ("least", Value::Object(least.collect())),
        ];
        format!("{:#}\n", object(list))
    }
}

/// Where the entries of each raw key stand, so that adding many authors looks at each entry once.
struct Places(BTreeMap<[u8; 32], Vec<usize>>);

impl Places {
    fn of(authors: &[Author]) -> Self {
        let mut places: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for (place, author) in authors.iter().enumerate() {
            places.entry(*author.key.raw()).or_default().push(place);
        }
        Self(places)
    }
}

impl Author {
    /// Whether the other entry is of the same key at the same times.
    fn is_of(&self, other: &Self) -> bool {
        self.key == other.key
            && self.not_before == other.not_before
            && self.not_after == other.not_after
    }

    fn to_value(&self) -> Value {
        let modules = match &self.modules {
            Modules::All => vec![text(&"*")],
            Modules::Named(names) => names.iter().map(text).collect(),
        };
        let present = [
            ("owner", Some(text(&self.owner))),
            ("key", Some(text(&self.key))),
            ("modules", Some(Value::Array(modules))),
            ("not_before", self.not_before.as_ref().map(text)),
            ("not_after", self.not_after.as_ref().map(text)),
            ("comment", self.comment.as_ref().map(text)),
        ];
        object(
            present
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?))),
        )
    }
}

fn text(value: &impl fmt::Display) -> Value {
    Value::String(value.to_string())
}

fn object(members: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    let members = members
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value));
    Value::Object(members.collect::<Map<_, _>>())
}
