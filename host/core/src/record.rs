//! The record of a run: what was run, by whom, with what grant, and what came of it.
//!
//! Printed by `--output json` and kept in the spool. Its fields always stand in one order and are always all there.
//! Unknown fields are ignored when one is read, because a newer version may have written it; another format is refused.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::ask::Origin;
use crate::digest::Digest;
use crate::names::{CallerName, ModuleName, NodeName, TaskName};
use crate::outcome::{Outcome, Status};
use crate::run_id::RunId;
use crate::timestamp::Timestamp;

/// The record of one run on one node, with a value of type `V` as the task's result.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Record<V> {
    /// The format, `host.run/1`.
    pub format: RecordFormat,
    /// The run's id, the same on every node.
    pub run: RunId,
    /// The node; none for a local run. Written as an empty text then.
    #[serde(with = "empty_when_none")]
    pub node: Option<NodeName>,
    /// Who ordered it; none when the person at the keyboard did. Written as an empty text then.
    #[serde(with = "empty_when_none")]
    pub caller: Option<CallerName>,
    /// The task; none for an ad hoc program. Written as an empty text then.
    #[serde(with = "empty_when_none")]
    pub task: Option<TaskName>,
    /// What it came in.
    pub bundle: BundleSummary,
    /// What it amounts to.
    pub status: Status,
    /// How it ended.
    pub outcome: Outcome,
    /// The task's result, by the Puppet rules.
    pub value: V,
    /// How much stdout there was; its bytes are kept apart.
    pub stdout: StreamSummary,
    /// What stderr said.
    pub stderr: StreamText,
    /// Files left in `$HOST_OUT`.
    pub artifacts: Vec<Artifact>,
    /// When it started.
    pub started: Timestamp,
    /// How long it ran, in seconds.
    pub runtime: f64,
    /// What it was granted.
    pub grant: Vec<GrantLine>,
    /// What it tried and was denied, and what it asked for and did not get.
    pub denials: Vec<Denial>,
    /// What it connected to, as far as that is told one by one.
    #[serde(default)]
    pub connections: Vec<Connection>,
    /// The walls that held it, by name, and those that fell back.
    pub walls: BTreeMap<String, String>,
    /// What it used, by name: milliseconds, bytes or a number.
    pub usage: BTreeMap<String, u64>,
}

/// The format of a record. Only this one is read.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub enum RecordFormat {
    /// `host.run/1`.
    #[default]
    #[serde(rename = "host.run/1")]
    V1,
}

/// Which bundle a run came from.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct BundleSummary {
    /// The digest of its manifest; of the program itself where there is no bundle.
    pub id: Digest,
    /// Its module; none where there is no bundle. Written as an empty text then.
    #[serde(with = "empty_when_none")]
    pub module: Option<ModuleName>,
    /// The module's version, as written.
    pub version: String,
    /// The owners of the keys that signed it.
    pub signers: Vec<String>,
}

/// How much a stream carried.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct StreamSummary {
    /// Bytes that were kept.
    pub bytes: u64,
    /// Whether there were more.
    pub truncated: bool,
}

/// What a stream said.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct StreamText {
    /// The bytes as text, what is not UTF-8 replaced.
    pub text: String,
    /// Bytes that were kept.
    pub bytes: u64,
    /// Whether there were more.
    pub truncated: bool,
}

/// A file that a run left behind.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Artifact {
    /// Its name in `$HOST_OUT`.
    pub name: String,
    /// The digest of its content.
    pub digest: Digest,
    /// Its length.
    pub bytes: u64,
}

/// One capability that a run was granted.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct GrantLine {
    /// Its canonical text.
    pub capability: String,
    /// Who asked for it.
    pub origin: Origin,
    /// The rule that permitted it.
    pub rule: String,
    /// Whether the run made use of it.
    pub used: Used,
}

/// Whether a granted capability was made use of.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Used {
    /// It was.
    Yes,
    /// It was not.
    No,
    /// Its wall cannot tell.
    Unknown,
}

/// One thing that a run did not get.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Denial {
    /// The capability that would have been needed.
    pub capability: String,
    /// Why it was denied.
    pub reason: String,
}

/// One connection that a run made to something that was granted.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Connection {
    /// The capability that opened it.
    pub capability: String,
    /// Where it was to lead: a name or an address, and a port.
    pub to: String,
    /// The address that was dialled; none where none was.
    pub address: Option<SocketAddr>,
    /// Bytes that the run sent.
    pub sent: u64,
    /// Bytes that it received.
    pub received: u64,
    /// How long it was open, in milliseconds.
    pub ms: u64,
    /// How it ended.
    pub end: ConnectionEnd,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConnectionEnd {
    /// Both sides closed it.
    Closed,
    /// One of them broke it off.
    Broken,
    /// Nobody said anything for too long.
    Idle,
    /// The run was over.
    RunOver,
    /// Whoever carried it was gone before the run.
    Lost,
    /// Its name could not be looked up.
    NotFound,
    /// Nobody answered at its addresses.
    Unreachable,
    /// Where it led, or what it asked for there, was not granted.
    Refused,
}

/// Writes an absent name as an empty text, so that every field of a record keeps one type.
mod empty_when_none {
    use std::borrow::Cow;
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<T: AsRef<str>, S: Serializer>(
        name: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(name.as_ref().map_or("", AsRef::as_ref))
    }

    pub(super) fn deserialize<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        if text.is_empty() {
            Ok(None)
        } else {
            text.parse().map(Some).map_err(D::Error::custom)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A record as the first version wrote it; it must stay readable.
    const YESTERDAY: &str = r#"{"format":"host.run/1","run":"0192f3c1a2b4714f8c6e1f0a9d3b5c77","node":"web-01","caller":"alice","task":"service::report","bundle":{"id":"abababababababababababababababababababababababababababababababab","module":"service","version":"1.4.0","signers":["release@example.com"]},"status":"success","outcome":{"kind":"exited","code":0,"signal":null,"limit":null,"reason":""},"value":{"z":1,"a":[true]},"stdout":{"bytes":17,"truncated":false},"stderr":{"text":"hm\n","bytes":3,"truncated":true},"artifacts":[{"name":"report.txt","digest":"abababababababababababababababababababababababababababababababab","bytes":5}],"started":"2026-11-21T09:20:11.042Z","runtime":0.25,"grant":[{"capability":"fs.read:/var/log","origin":"bundle","rule":"ops-read","used":"unknown"}],"denials":[{"capability":"fs.read:/etc/shadow","reason":"no rule permits it"}],"walls":{"landlock":"ABI 9","seccomp":"tree"},"usage":{"cpu_ms":12,"memory_bytes":4096}}"#;

    #[test]
    fn a_record_of_yesterday_is_read_and_written_unchanged() {
        let record: Record<Value> = serde_json::from_str(YESTERDAY).unwrap();
        assert_eq!(record.task, Some("service::report".parse().unwrap()));
        assert_eq!(record.grant[0].used, Used::Unknown);
        assert_eq!(record.value, json!({"z": 1, "a": [true]}));
        let today = YESTERDAY.replace(r#","walls""#, r#","connections":[],"walls""#);
        assert_eq!(serde_json::to_string(&record).unwrap(), today);
    }

    #[test]
    fn absent_names_are_written_as_empty_texts() {
        let mut record: Record<Value> = serde_json::from_str(YESTERDAY).unwrap();
        (
            record.node,
            record.caller,
            record.task,
            record.bundle.module,
        ) = (None, None, None, None);
        let written = serde_json::to_value(&record).unwrap();
        for name in ["node", "caller", "task"] {
            assert_eq!(written[name], "");
        }
        assert_eq!(written["bundle"]["module"], "");
        assert_eq!(
            serde_json::from_value::<Record<Value>>(written).unwrap(),
            record
        );
    }

    #[test]
    fn another_format_is_refused_and_a_new_field_ignored() {
        let other = YESTERDAY.replace("host.run/1", "host.run/2");
        assert!(serde_json::from_str::<Record<Value>>(&other).is_err());
        let newer = YESTERDAY.replacen('{', r#"{"mood":"good","#, 1);
        assert!(serde_json::from_str::<Record<Value>>(&newer).is_ok());
        let nameless = YESTERDAY.replace("\"web-01\"", "\"../web\"");
        assert!(serde_json::from_str::<Record<Value>>(&nameless).is_err());
    }
}
