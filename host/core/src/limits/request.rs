//! Limits that someone asked for, and the most that a node gives.
//!
//! Read strictly: a name that is unknown or stands twice is an error.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{LimitError, LimitName};

/// Limits that someone asked for, by name. Asking twice for one limit keeps the later value.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct LimitRequests(pub(super) BTreeMap<LimitName, u64>);

impl LimitRequests {
    /// Asks for a limit, such as `wall` and `30s`, `memory` and `64MiB`, `processes` and `16`.
    ///
    /// # Errors
    /// When there is no such limit, the value is not one of its kind, or it is zero or too little for any run.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), LimitError> {
        let name: LimitName = name.parse()?;
        self.0.insert(name, name.read(value)?);
        Ok(())
    }

    /// Whether nothing is asked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is asked of one limit, in milliseconds, bytes or as a number.
    #[must_use]
    pub fn get(&self, name: LimitName) -> Option<u64> {
        self.0.get(&name).copied()
    }

    /// What is asked, each value as text, in the order of [`LimitName::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (LimitName, String)> {
        self.0
            .iter()
            .map(|(name, value)| (*name, name.show(*value)))
    }
}

/// Serialised as an object of name and text.
impl Serialize for LimitRequests {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

/// Unknown and repeated names are errors.
impl<'de> Deserialize<'de> for LimitRequests {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Requests;

        impl<'de> Visitor<'de> for Requests {
            type Value = LimitRequests;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object of limits, such as `{\"wall\": \"30s\"}`")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<LimitRequests, M::Error> {
                let mut requests = LimitRequests::default();
                while let Some((name, value)) = map.next_entry::<String, String>()? {
                    let before = requests.0.len();
                    requests.set(&name, &value).map_err(M::Error::custom)?;
                    if requests.0.len() == before {
                        return Err(M::Error::custom(format_args!(
                            "limit `{name}` is named twice"
                        )));
                    }
                }
                Ok(requests)
            }
        }

        deserializer.deserialize_map(Requests)
    }
}

/// The most that a node gives of each limit. A limit without one has none.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Ceilings(LimitRequests);

impl Ceilings {
    /// Sets the ceiling of a limit; see [`LimitRequests::set`].
    ///
    /// # Errors
    /// As for a request.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), LimitError> {
        self.0.set(name, value)
    }

    pub(super) fn of(&self, name: LimitName) -> u64 {
        self.0.get(name).unwrap_or(u64::MAX)
    }
}
