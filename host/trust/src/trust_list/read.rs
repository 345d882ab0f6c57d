//! Reads a trust list from JSON, strictly.
//!
//! Unknown and duplicate members refuse the whole list, at every level; so do lists in place of objects, `null`, a
//! revocation, least version or module that stands twice, and counts above their limits. There is no way to read half
//! a list.
//!
//! Format, serial and authors must be there, and of an author the owner, key and modules. What may be left out says
//! nothing then: no threshold is one of 1, and dates, comment, revocations and least versions are none. The same
//! author twice is accepted, because entries of one key are read together anyway.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use host_core::{Digest, ModuleName, Shown};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};

use super::{
    Author, Modules, Owner, SIGNATURES_MAX, TRUST_ENTRIES_MAX, TRUST_FORMAT, TRUST_LIST_BYTES_MAX,
    TRUST_MODULES_MAX, TrustList,
};
use crate::key::{Fingerprint, PublicKey};
use crate::moment::Moment;
use crate::version::Version;

/// Why a trust list was refused as a whole.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadTrustError {
    /// The file is longer than [`TRUST_LIST_BYTES_MAX`].
    #[error("trust list is {have_bytes} bytes long, at most {TRUST_LIST_BYTES_MAX} are read")]
    TooLong {
        /// The length of the file.
        have_bytes: usize,
    },
    /// The file is not JSON of the right shape.
    #[error("trust list is not readable")]
    Json(#[source] serde_json::Error),
    /// The file has another format.
    #[error("trust list has format `{}`, expected `{TRUST_FORMAT}`", Shown(.have))]
    Format {
        /// The format that the file names.
        have: String,
    },
    /// The threshold can never be reached, or is reached by no one's signature.
    #[error("threshold of {have} owners, from 1 to {SIGNATURES_MAX} are accepted")]
    Threshold {
        /// The threshold that the file asks for.
        have: usize,
    },
    /// A list inside the trust list is too long.
    #[error("trust list has {have} {what}, at most {most} are read")]
    TooMany {
        /// What there are too many of.
        what: &'static str,
        /// How many there are.
        have: usize,
        /// How many there may be.
        most: usize,
    },
    /// A value stands twice where it may stand once.
    #[error("trust list has twice `{}` among its {what}", Shown(.value))]
    Twice {
        /// Where the value stands.
        what: &'static str,
        /// The value.
        value: String,
    },
    /// An author has no modules, or `*` beside others.
    #[error("modules of author `{owner}` are neither names nor `*` alone")]
    Modules {
        /// Whose entry it is.
        owner: Owner,
    },
}

impl TrustList {
    /// Reads the bytes of `trust.json`.
    ///
    /// # Errors
    ///
    /// When the bytes are too many, have another format, or deviate from it anywhere.
    pub fn read(bytes: &[u8]) -> Result<Self, ReadTrustError> {
        let have_bytes = bytes.len();
        if have_bytes > TRUST_LIST_BYTES_MAX {
            return Err(ReadTrustError::TooLong { have_bytes });
        }
        // The format first: what a later one adds should not be reported as a mistake of this one.
        let Object(FormatOnly { format: have }) = json(bytes)?;
        if have != TRUST_FORMAT {
            return Err(ReadTrustError::Format { have });
        }
        let Object(list): Object<ListFile> = json(bytes)?;
        list.into_trust_list()
    }
}

fn json<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, ReadTrustError> {
    serde_json::from_slice(bytes).map_err(ReadTrustError::Json)
}

#[derive(Deserialize)]
struct FormatOnly {
    format: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListFile {
    #[serde(rename = "format")]
    _format: String,
    serial: u64,
    #[serde(default = "one")]
    threshold: usize,
    authors: Vec<Object<AuthorFile>>,
    #[serde(default)]
    revoked: Object<RevokedFile>,
    #[serde(default)]
    least: Members<ModuleName, Version>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AuthorFile {
    owner: Parsed<Owner>,
    key: Parsed<PublicKey>,
    modules: Vec<Parsed<Scope>>,
    #[serde(default, deserialize_with = "present")]
    not_before: Option<Parsed<Moment>>,
    #[serde(default, deserialize_with = "present")]
    not_after: Option<Parsed<Moment>>,
    #[serde(default, deserialize_with = "present")]
    comment: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RevokedFile {
    #[serde(default)]
    keys: Vec<Parsed<Fingerprint>>,
    #[serde(default)]
    bundles: Vec<Parsed<Digest>>,
}

impl ListFile {
    fn into_trust_list(self) -> Result<TrustList, ReadTrustError> {
        if !(1..=SIGNATURES_MAX).contains(&self.threshold) {
            return Err(ReadTrustError::Threshold {
                have: self.threshold,
            });
        }
        bounded("authors", self.authors.len(), TRUST_ENTRIES_MAX)?;
        let Object(revoked) = self.revoked;
        bounded("least versions", self.least.0.len(), TRUST_ENTRIES_MAX)?;
        let mut least = BTreeMap::new();
        for (Parsed(module), Parsed(version)) in self.least.0 {
            let value = module.to_string();
            if least.insert(module, version).is_some() {
                return Err(ReadTrustError::Twice {
                    what: "least versions",
                    value,
                });
            }
        }
        let authors = self
            .authors
            .into_iter()
            .map(|Object(author)| author.into_author());
        Ok(TrustList {
            serial: self.serial,
            threshold: self.threshold,
            authors: authors.collect::<Result<_, _>>()?,
            revoked_keys: distinct("revoked keys", revoked.keys, TRUST_ENTRIES_MAX)?,
            revoked_bundles: distinct("revoked bundles", revoked.bundles, TRUST_ENTRIES_MAX)?,
            least,
        })
    }
}

impl AuthorFile {
    fn into_author(self) -> Result<Author, ReadTrustError> {
        let Parsed(owner) = self.owner;
        let scopes = distinct("modules of one author", self.modules, TRUST_MODULES_MAX)?;
        let modules = if scopes.len() == 1 && scopes.contains(&Scope::All) {
            Modules::All
        } else {
            let names: Option<BTreeSet<_>> = scopes.into_iter().map(Scope::named).collect();
            let names = names.filter(|names| !names.is_empty());
            Modules::Named(names.ok_or_else(|| ReadTrustError::Modules {
                owner: owner.clone(),
            })?)
        };
        Ok(Author {
            owner,
            key: self.key.0,
            modules,
            not_before: self.not_before.map(|Parsed(moment)| moment),
            not_after: self.not_after.map(|Parsed(moment)| moment),
            comment: self.comment,
        })
    }
}

/// One element of an author's `modules`.
#[derive(Eq, Ord, PartialEq, PartialOrd)]
enum Scope {
    All,
    Named(ModuleName),
}

impl Scope {
    fn named(self) -> Option<ModuleName> {
        match self {
            Self::All => None,
            Self::Named(name) => Some(name),
        }
    }
}

impl FromStr for Scope {
    type Err = <ModuleName as FromStr>::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "*" => Ok(Self::All),
            name => name.parse().map(Self::Named),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => out.write_str("*"),
            Self::Named(name) => name.fmt(out),
        }
    }
}

fn one() -> usize {
    1
}

fn bounded(what: &'static str, have: usize, most: usize) -> Result<(), ReadTrustError> {
    if have > most {
        Err(ReadTrustError::TooMany { what, have, most })
    } else {
        Ok(())
    }
}

fn distinct<T: Ord + fmt::Display>(
    what: &'static str,
    values: Vec<Parsed<T>>,
    most: usize,
) -> Result<BTreeSet<T>, ReadTrustError> {
    bounded(what, values.len(), most)?;
    let mut set = BTreeSet::new();
    for Parsed(value) in values {
        if set.contains(&value) {
            return Err(ReadTrustError::Twice {
                what,
                value: value.to_string(),
            });
        }
        set.insert(value);
    }
    Ok(set)
}

/// Reads an optional member that is there: `null` is not a way to leave one out.
fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// A value that is read from the text of a JSON string.
struct Parsed<T>(T);

impl<'de, T> Deserialize<'de> for Parsed<T>
where
    T: FromStr,
    T::Err: fmt::Display,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.parse().map(Self).map_err(D::Error::custom)
    }
}

/// A struct that is read from a JSON object only; by itself serde would take a list as well.
#[derive(Default)]
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

/// The members of an object whose names are data, in their order and with duplicates.
struct Members<K, V>(Vec<(Parsed<K>, Parsed<V>)>);

impl<K, V> Default for Members<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, K, V> Deserialize<'de> for Members<K, V>
where
    Parsed<K>: Deserialize<'de>,
    Parsed<V>: Deserialize<'de>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor(PhantomData))
    }
}

struct MembersVisitor<K, V>(PhantomData<(K, V)>);

impl<'de, K, V> Visitor<'de> for MembersVisitor<K, V>
where
    Parsed<K>: Deserialize<'de>,
    Parsed<V>: Deserialize<'de>,
{
    type Value = Members<K, V>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}
