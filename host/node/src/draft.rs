//! What of a record is known before a run starts, and what comes from outside at that moment.

use std::collections::BTreeMap;

use host_core::{
    BundleSummary, Capability, Connection, Denial, Digest, Grant, GrantLine, LimitName, Outcome,
    Record, RecordFormat, RunId, StreamSummary, StreamText, TaskName, Timestamp, Used,
};
use host_jail::{JailRecipe, Learned, Refused, Report};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::judgment::{Judged, KeptJudgment};

/// How much of standard error a record repeats, in bytes.
pub(crate) const RECORD_STDERR_BYTES_MAX: u64 = 64 << 10;

/// Why an optional ask is among the denials of a run that went on without it.
pub const NOT_GRANTED: &str = "optional, and not granted";

/// How the reason of a denial begins that lies inside a grant and is hidden from the run.
pub const HIDDEN: &str = "inside a grant, and forbidden";

/// How the reason of a denial begins that a run itself brought about.
pub const TRIED: &str = "tried";

/// The value of a task's result.
pub type ResultValue = Map<String, Value>;

/// Who sits at the keyboard, as the kernel knows it. Whoever is named as the caller is the word of this person.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct Person {
    /// The user id that this process has.
    pub uid: u32,
    /// The user id that somebody logged in with, and keeps however often they become somebody else; none where nobody
    /// keeps account of logins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login: Option<u32>,
}

/// What comes from outside at the moment of a start: time, chance and who it is are values.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Seconds since 1970.
    pub unix_seconds: u64,
    /// And nanoseconds.
    pub nanos: u32,
    /// Random bytes.
    pub random: [u8; 18],
    /// Who is there.
    pub person: Person,
}

impl Moment {
    /// A fresh run id.
    #[must_use]
    pub fn run_id(&self) -> RunId {
        let [a, b, c, d, e, f, g, h, i, j, ..] = self.random;
        let unix_ms = self.unix_seconds * 1_000 + u64::from(self.nanos / 1_000_000);
        RunId::from_parts(unix_ms, [a, b, c, d, e, f, g, h, i, j])
    }

    /// An id for the compiler's run at the same moment, which no other run has.
    pub(crate) fn compile_id(&self) -> RunId {
        let mut other = *self;
        for byte in &mut other.random {
            *byte = !*byte;
        }
        other.run_id()
    }

    pub(crate) fn timestamp(&self) -> Timestamp {
        Timestamp::from_unix(self.unix_seconds, self.nanos)
    }

    pub(crate) fn seed(&self) -> [u8; 8] {
        let [.., a, b, c, d, e, f, g, h] = self.random;
        [a, b, c, d, e, f, g, h]
    }
}

/// What a run is of, as its record names it.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    /// The task; none where the program itself is run.
    pub(crate) task: Option<TaskName>,
    pub(crate) bundle: BundleSummary,
    /// What its asks could not give it here.
    pub(crate) denials: Vec<Denial>,
    /// Whether it is a WASI program, whose worker says how it ended.
    pub(crate) is_wasm: bool,
    /// The judgment of rules, where rules decided.
    pub(crate) judged: Option<Judged>,
}

/// Something that a run that learns was seen to use, or to look for.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct LearnedLine {
    /// The capability that it takes.
    pub capability: Capability,
    /// Whether the run had it.
    pub granted: bool,
    /// Whether it is of one file, as it was there when the run was over.
    #[serde(default)]
    pub file: bool,
    /// How often.
    pub times: u64,
}

/// Whether the use of a capability is seen at all: nobody sees who reads a variable.
#[must_use]
pub fn is_seen(capability: &Capability) -> bool {
    match capability {
        Capability::FsRead(_)
        | Capability::FsWrite(_)
        | Capability::NetConnect(_)
        | Capability::UnixConnect(_)
        | Capability::Exec(_) => true,
        Capability::HttpRequest(_)
        | Capability::Env(_)
        | Capability::Secret(_)
        | Capability::RunAs(_)
        | Capability::AppearRoot
        | Capability::HostFull => false,
    }
}

/// What of a record is known before the run starts.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) run: RunId,
    pub(crate) task: Option<TaskName>,
    pub(crate) bundle: BundleSummary,
    pub(crate) is_wasm: bool,
    pub(crate) started: Timestamp,
    by: Person,
    pub(crate) grant: Vec<GrantLine>,
    pub(crate) denials: Vec<Denial>,
    judged: Option<Judged>,
}

impl Draft {
    pub(crate) fn new(subject: Subject, grant: Option<&Grant>, moment: &Moment) -> Self {
        let lines = grant
            .into_iter()
            .flat_map(Grant::iter)
            .map(|granted| GrantLine {
                capability: granted.capability.to_string(),
                origin: granted.origin,
                rule: granted.rule.clone(),
                used: Used::Unknown,
            });
        let dropped = grant
            .into_iter()
            .flat_map(Grant::dropped)
            .map(|ask| Denial {
                capability: ask.capability.to_string(),
                reason: NOT_GRANTED.to_owned(),
            });
        let hidden = grant
            .into_iter()
            .flat_map(Grant::exceptions)
            .map(|except| Denial {
                capability: except.capability.to_string(),
                reason: format!("{HIDDEN} by {}", except.rule),
            });
        Self {
            run: moment.run_id(),
            task: subject.task,
            bundle: subject.bundle,
            is_wasm: subject.is_wasm,
            started: moment.timestamp(),
            by: moment.person,
            grant: lines.collect(),
            denials: subject
                .denials
                .into_iter()
                .chain(dropped)
                .chain(hidden)
                .collect(),
            judged: subject.judged,
        }
    }

    /// Adds what the run tried without a grant.
    pub(crate) fn note_refused(&mut self, refused: &[Refused]) {
        self.denials.extend(refused.iter().map(|refused| {
            let times = match refused.times {
                1 => "once".to_owned(),
                times => format!("{times} times"),
            };
            Denial {
                capability: refused.capability.clone(),
                reason: format!("{TRIED} {times}, and not granted: {}", refused.what),
            }
        }));
    }

    /// Says of each grant whether the run made use of it, as far as that can be seen, and of each thing noted whether it
    /// was granted.
    ///
    /// What a run had it used only where it really had it: the text of a grant also covers what is hidden in it, and what
    /// it does not show. And only where nothing was missed can anybody say that something was not used.
    pub(crate) fn mark_used(&mut self, learned: &Learned) -> Vec<LearnedLine> {
        let is_all = !learned.blind && learned.beyond == 0;
        let had = || learned.noted.iter().filter(|noted| noted.granted);
        let mut granted: Vec<Capability> = Vec::with_capacity(self.grant.len());
        for line in &mut self.grant {
            let Ok(capability) = line.capability.parse::<Capability>() else {
                continue;
            };
            if is_seen(&capability) {
                let is_used = had().any(|noted| capability.covers(&noted.capability));
                line.used = match (is_used, is_all) {
                    (true, _) => Used::Yes,
                    (false, true) => Used::No,
                    (false, false) => Used::Unknown,
                };
            }
            granted.push(capability);
        }
        let is_granted =
            |noted: &Capability| granted.iter().any(|capability| capability.covers(noted));
        // What was mounted and not granted every run has: parts of the system, where something in it is hidden.
        let lines = learned.noted.iter();
        let lines = lines.filter(|noted| !noted.granted || is_granted(&noted.capability));
        lines
            .map(|noted| LearnedLine {
                capability: noted.capability.clone(),
                granted: noted.granted,
                file: noted.file,
                times: noted.times,
            })
            .collect()
    }

    /// Says of each grant of the network whether something was connected to by it, which is known where every connection is
    /// told of.
    pub(crate) fn mark_connected(&mut self, connections: &[Connection], are_all: bool) {
        for line in &mut self.grant {
            if !line.capability.starts_with("net.connect:") {
                continue;
            }
            let is_used = connections
                .iter()
                .any(|connection| connection.capability == line.capability);
            line.used = match (is_used, are_all) {
                (true, _) => Used::Yes,
                (false, true) => Used::No,
                (false, false) => Used::Unknown,
            };
        }
    }

    /// Moves grants that could not be opened to what the run did not have.
    pub(crate) fn withhold(&mut self, not_opened: &[(String, String)]) {
        for (capability, cause) in not_opened {
            self.grant.retain(|line| line.capability != *capability);
            self.denials.push(Denial {
                capability: capability.clone(),
                reason: cause.clone(),
            });
        }
    }

    /// The line that says what is about to start.
    pub(crate) fn intended(&self, noop: bool, input: &Digest, recipe: &JailRecipe) -> Value {
        let limits: BTreeMap<&str, String> = LimitName::ALL
            .into_iter()
            .map(|name| (name.as_str(), recipe.limits.text(name)))
            .collect();
        let mut line = json!({
            "event": "intended",
            "run": self.run,
            "caller": self.caller_text(),
            "by": self.by,
            "task": self.task_text(),
            "bundle": self.bundle,
            "started": self.started,
            "noop": noop,
            "input": input,
            "grant": self.grant,
            "limits": limits,
            "uid": recipe.who.outside().0,
        });
        self.judgment().add_to(&mut line, true);
        line
    }

    /// The judgment of rules, for other lines of the journal.
    pub(crate) fn judgment(&self) -> KeptJudgment {
        KeptJudgment(self.judged.clone())
    }

    /// Who ordered the run, which is empty where the person at the keyboard did.
    fn caller_text(&self) -> &str {
        self.judged
            .as_ref()
            .map_or("", |judged| judged.caller.as_str())
    }

    /// The task's name, which is empty where the program itself is run.
    fn task_text(&self) -> &str {
        self.task.as_ref().map_or("", AsRef::as_ref)
    }

    pub(crate) fn record(
        self,
        outcome: Outcome,
        value: ResultValue,
        report: Option<&Report>,
    ) -> Record<ResultValue> {
        let status = outcome.status(value.contains_key("_error"));
        Record {
            format: RecordFormat::V1,
            run: self.run,
            node: None,
            caller: self.judged.map(|judged| judged.caller),
            task: self.task,
            bundle: self.bundle,
            status,
            outcome,
            value,
            stdout: report.map_or_else(StreamSummary::default, |report| StreamSummary {
                bytes: report.stdout.bytes,
                truncated: report.stdout.truncated,
            }),
            stderr: StreamText::default(),
            artifacts: Vec::new(),
            started: self.started,
            runtime: report.map_or(0.0, |report| {
                std::time::Duration::from_millis(report.runtime_ms).as_secs_f64()
            }),
            grant: self.grant,
            denials: self.denials,
            connections: report.map_or_else(Vec::new, |report| report.connections.clone()),
            walls: report
                .map(|report| report.walls.iter().cloned().collect())
                .unwrap_or_default(),
            usage: report
                .map(|report| report.usage.iter().cloned().collect())
                .unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use host_core::Origin;
    use host_jail::Noted;

    use super::*;

    fn draft(grant: &[&str]) -> Draft {
        let moment = Moment {
            unix_seconds: 1,
            nanos: 0,
            random: [0; 18],
            person: Person {
                uid: 0,
                login: None,
            },
        };
        let subject = Subject {
            task: None,
            bundle: BundleSummary {
                id: Digest::from_bytes([0; 32]),
                module: None,
                version: String::new(),
                signers: Vec::new(),
            },
            denials: Vec::new(),
            is_wasm: false,
            judged: None,
        };
        let lines = grant.iter().map(|capability| GrantLine {
            capability: (*capability).to_owned(),
            origin: Origin::Caller,
            rule: String::new(),
            used: Used::Unknown,
        });
        Draft {
            grant: lines.collect(),
            ..Draft::new(subject, None, &moment)
        }
    }

    fn learned(noted: &[(&str, bool)], beyond: u64, blind: bool) -> Learned {
        let noted = noted.iter().map(|(capability, granted)| Noted {
            capability: capability.parse().unwrap(),
            granted: *granted,
            file: true,
            times: 1,
        });
        Learned {
            noted: noted.collect(),
            beyond,
            blind,
        }
    }

    const GRANTS: [&str; 3] = ["fs.read:/srv", "fs.read:/opt", "env:LANG"];

    #[track_caller]
    fn used(learned: &Learned, expected: [Used; 3]) {
        let mut draft = draft(&GRANTS);
        draft.mark_used(learned);
        let used: Vec<Used> = draft.grant.iter().map(|line| line.used).collect();
        assert_eq!(used, expected);
    }

    #[test]
    fn what_was_not_used_is_said_only_where_nothing_was_missed() {
        let noted = [("fs.read:/srv/a", true)];
        used(
            &learned(&noted, 0, false),
            [Used::Yes, Used::No, Used::Unknown],
        );
        let unknown = [Used::Yes, Used::Unknown, Used::Unknown];
        used(&learned(&noted, 1, false), unknown);
        used(&learned(&noted, 0, true), unknown);
    }

    /// A grant that is said to have been used, and a rule for what was forbidden, came of a path that lay in the grant and
    /// was hidden.
    #[test]
    fn what_a_run_did_not_have_it_did_not_use_whatever_the_text_of_its_grants_covers() {
        let noted = learned(
            &[("fs.read:/srv/hidden", false), ("fs.read:/mnt/a", true)],
            0,
            false,
        );
        used(&noted, [Used::No, Used::No, Used::Unknown]);
        let lines = draft(&GRANTS).mark_used(&noted);
        let lines: Vec<(String, bool)> = lines
            .iter()
            .map(|line| (line.capability.to_string(), line.granted))
            .collect();
        let hidden = "fs.read:/srv/hidden".to_owned();
        assert_eq!(
            lines,
            [(hidden, false)],
            "what was not granted is every run's"
        );
    }
}
