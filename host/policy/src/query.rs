//! What is asked of a set: who, what, with which input, where and when. Plain values, all of them.

use std::collections::{BTreeMap, BTreeSet};

use host_core::{
    Ask, Asks, AsksError, BundleSummary, CallerName, Capability, Digest, LimitName, Limits,
    NodeName, Origin, TaskName, Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::target::ADHOC;

/// The format of a request on record.
pub const REQUEST_FORMAT: &str = "host.request/1";

/// A run that somebody wants. It is written to the audit log, and read from there to be decided once more.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// [`REQUEST_FORMAT`].
    pub format: RequestFormat,
    /// Who wants it.
    pub caller: CallerName,
    /// The task, or `adhoc:` and the SHA-256 of a program that is run without a bundle.
    pub task: Subject,
    /// Where the task comes from.
    pub bundle: BundleSummary,
    /// Its input without what is sensitive.
    pub input: Map<String, Value>,
    /// What the node knows of itself.
    #[serde(default)]
    pub facts: Map<String, Value>,
    /// The node.
    pub node: Node,
    /// Its limits by name, in milliseconds, bytes or as a number.
    pub limits: BTreeMap<LimitName, u64>,
    /// Walls that a machine may lack.
    pub walls: Walls,
    /// Whether it is to change nothing.
    pub noop: bool,
    /// When it starts.
    pub time: Timestamp,
    /// Why it is wanted, in the caller's words.
    #[serde(default)]
    pub reason: String,
    /// What it would have.
    pub asks: Vec<RequestedAsk>,
}

/// The format of a request. Only this one is read.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub enum RequestFormat {
    /// `host.request/1`.
    #[default]
    #[serde(rename = "host.request/1")]
    V1,
}

/// What is run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Subject {
    /// A task of a bundle.
    Task(TaskName),
    /// A program without one, by its digest.
    Adhoc(Digest),
}

impl Subject {
    /// The id of its entity.
    #[must_use]
    pub fn id(&self) -> String {
        match self {
            Self::Task(name) => name.to_string(),
            Self::Adhoc(digest) => format!("{ADHOC}{digest}"),
        }
    }

    /// The module that it belongs to.
    #[must_use]
    pub fn module(&self) -> Option<&str> {
        match self {
            Self::Task(name) => Some(name.module().as_str()),
            Self::Adhoc(_) => None,
        }
    }
}

impl std::str::FromStr for Subject {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix(ADHOC) {
            Some(digest) => digest
                .parse()
                .map(Self::Adhoc)
                .map_err(|error: host_core::DigestError| error.to_string()),
            None => text
                .parse()
                .map(Self::Task)
                .map_err(|error: host_core::NameError| error.to_string()),
        }
    }
}

impl Serialize for Subject {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.id())
    }
}

impl<'de> Deserialize<'de> for Subject {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A node, as rules see it.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Its name; none for a machine that was given none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<NodeName>,
    /// Groups that it belongs to.
    #[serde(default)]
    pub groups: BTreeSet<String>,
    /// Classes that its configuration management gave it.
    #[serde(default)]
    pub classes: BTreeSet<String>,
}

/// Walls that a machine may lack.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Walls {
    /// The version of Landlock's interface; 0 where there is none.
    #[serde(default)]
    pub landlock: u32,
    /// Whether the run has a user id of its own.
    #[serde(default)]
    pub own_user: bool,
}

impl Walls {
    /// The walls of a run with these asks. It has a user of its own where root starts it, unless it asks to be somebody.
    #[must_use]
    pub fn of_run(landlock: u32, by_root: bool, asks: &Asks) -> Self {
        let is_somebody =
            |ask: &Ask| matches!(ask.capability, Capability::RunAs(_) | Capability::HostFull);
        Self {
            landlock,
            own_user: by_root && !asks.iter().any(is_somebody),
        }
    }
}

/// One capability that is asked for.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RequestedAsk {
    /// What it opens.
    pub capability: Capability,
    /// Who asks.
    pub origin: Origin,
    /// Whether the task starts without it.
    pub optional: bool,
}

impl RequestedAsk {
    /// The same without its author's words.
    #[must_use]
    pub fn of(ask: &Ask) -> Self {
        Self {
            capability: ask.capability.clone(),
            origin: ask.origin,
            optional: ask.optional,
        }
    }
}

impl Request {
    /// The asks as a decision is made on them.
    ///
    /// # Errors
    /// When they contradict each other.
    pub fn asks(&self) -> Result<Asks, AsksError> {
        Asks::gather(self.asks.iter().map(|ask| Ask {
            capability: ask.capability.clone(),
            origin: ask.origin,
            optional: ask.optional,
            why: None,
        }))
    }
}

/// The values of all limits; one that bounds nothing is left out.
#[must_use]
pub fn limit_values(limits: &Limits) -> BTreeMap<LimitName, u64> {
    let values = LimitName::ALL
        .into_iter()
        .map(|name| (name, limits.value(name)));
    values.filter(|(_, value)| *value != u64::MAX).collect()
}
