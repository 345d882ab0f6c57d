//! What a line of the log tells, whichever version wrote it: some fields stand in the line, some in the record in it.

use host_core::{RunId, Timestamp};
use serde_json::Value;

/// A line, by its fields. Every question has the answer `None` where the line does not say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told<'l>(pub(super) &'l Value);

impl<'l> Told<'l> {
    /// What the line is about.
    pub(super) fn event(self) -> Option<&'l str> {
        self.0.get("event").and_then(Value::as_str)
    }

    /// When it was written; lines of before the chain say when their run began.
    pub(super) fn time(self) -> Option<Timestamp> {
        let time = self.0.get("time").or_else(|| self.field("started"))?;
        time.as_str()?.parse().ok()
    }

    /// The run.
    pub(super) fn run(self) -> Option<RunId> {
        self.text("run")?.parse().ok()
    }

    /// The task; empty where a program is run as it is.
    pub(super) fn task(self) -> Option<&'l str> {
        self.text("task")
    }

    /// Who ordered it; empty where the person at the keyboard did, as with each run of whose caller nothing is said.
    pub(super) fn caller(self) -> Option<&'l str> {
        self.text("caller").or_else(|| self.run().map(|_| ""))
    }

    /// What it amounts to.
    pub(super) fn status(self) -> Option<&'l str> {
        self.text("status")
    }

    /// A field of the line, or of the record in it.
    pub(super) fn field(self, name: &str) -> Option<&'l Value> {
        let in_record = || self.0.get("record").and_then(|record| record.get(name));
        self.0.get(name).or_else(in_record)
    }

    /// A field that is a text.
    pub(super) fn text(self, name: &str) -> Option<&'l str> {
        self.field(name).and_then(Value::as_str)
    }

    /// A field that is a list, as the texts under this name of its items, or the texts that its items are.
    pub(super) fn texts(self, name: &str, of: &str) -> Vec<&'l str> {
        let items = self.field(name).and_then(Value::as_array);
        let text = |item: &'l Value| item.as_str().or_else(|| item.get(of)?.as_str());
        items.into_iter().flatten().filter_map(text).collect()
    }

    /// How it ended: a text, or the fields of an outcome.
    pub(super) fn outcome(self, name: &str) -> Option<&'l Value> {
        self.field("outcome")?
            .get(name)
            .filter(|value| !value.is_null())
    }

    /// How it ended, in a word.
    pub(super) fn outcome_kind(self) -> Option<&'l str> {
        let outcome = self.field("outcome")?;
        outcome.as_str().or_else(|| outcome.get("kind")?.as_str())
    }

    /// The rules that decided: those of a policy, else those of what was granted.
    pub(super) fn rules(self) -> Vec<&'l str> {
        let policy = self.field("policy").and_then(|policy| policy.get("rules"));
        let named = policy.and_then(Value::as_array).into_iter().flatten();
        let mut rules: Vec<&str> = named.filter_map(Value::as_str).collect();
        if rules.is_empty() {
            rules = self.texts("grant", "rule");
        }
        rules.sort_unstable();
        rules.dedup();
        rules
    }
}
