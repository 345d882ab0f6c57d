//! A line of the log in the Elastic Common Schema, for those who collect records from many programs.
//!
//! What has a field of its own there is in it; the rest is in `labels`, as texts. Nothing of a task's output or result
//! goes along.

use host_core::Digest;
use serde_json::{Map, Value, json};

use super::lines::Told;

/// The version of the schema whose fields these are.
const ECS_VERSION: &str = "8.17.0";

/// What this program is called there.
const PROVIDER: &str = "host";

/// A line as one object; `machine` is where the log is.
pub(super) fn ecs(told: Told<'_>, hash: Option<Digest>, machine: &str) -> Value {
    let mut object = Map::new();
    let mut put = |name: &str, value: Value| {
        if !is_empty(&value) {
            object.insert(name.to_owned(), value);
        }
    };
    put("@timestamp", text(told.time()));
    put("ecs", json!({"version": ECS_VERSION}));
    put("message", message(told).into());
    put("event", event(told, hash));
    put(
        "user",
        fields([("name", text(told.caller().filter(|name| !name.is_empty())))]),
    );
    put("rule", fields([("name", json!(told.rules()))]));
    put("process", process(told));
    put("host", fields([("name", machine.into())]));
    put("labels", labels(told));
    Value::Object(object)
}

fn event(told: Told<'_>, hash: Option<Digest>) -> Value {
    let name = told.event().unwrap_or("unknown");
    let (category, kind) = match name {
        "intended" => ("process", "start"),
        "finished" | "unstarted" | "abandoned" => ("process", "end"),
        "refused" => ("process", "denied"),
        "recovered" => ("file", "error"),
        "checkpoint" | "rekeyed" | "restarted" => ("configuration", "change"),
        _ => ("process", "info"),
    };
    let outcome = match (name, told.status()) {
        ("intended", _) => "unknown",
        ("checkpoint" | "rekeyed" | "restarted", _) | (_, Some("success")) => "success",
        (_, Some("failure" | "refused")) | ("refused" | "unstarted", _) => "failure",
        _ => "unknown",
    };
    let reason = told.outcome("reason").or_else(|| told.field("reason"));
    fields([
        ("kind", "event".into()),
        ("category", json!([category])),
        ("type", json!([kind])),
        ("action", name.into()),
        ("outcome", outcome.into()),
        ("provider", PROVIDER.into()),
        ("dataset", "host.audit".into()),
        (
            "sequence",
            told.field("seq").cloned().unwrap_or(Value::Null),
        ),
        ("reason", reason.cloned().unwrap_or(Value::Null)),
        ("hash", text(hash)),
        ("duration", nanoseconds(told)),
    ])
}

fn process(told: Told<'_>) -> Value {
    let started = told.text("started");
    fields([
        ("name", text(told.task())),
        ("entity_id", text(told.run())),
        (
            "exit_code",
            told.outcome("code").cloned().unwrap_or(Value::Null),
        ),
        ("start", text(started)),
        ("user", fields([("id", text(told.field("uid")))])),
    ])
}

/// Texts only, as labels are.
fn labels(told: Told<'_>) -> Value {
    let bundle = |name: &str| {
        told.field("bundle")
            .and_then(|bundle| bundle.get(name))
            .and_then(Value::as_str)
    };
    let policy = |name: &str| {
        told.field("policy")
            .and_then(|policy| policy.get(name))
            .and_then(Value::as_str)
    };
    let joined = |texts: Vec<&str>| texts.join("\n");
    fields([
        ("run", text(told.run())),
        ("status", text(told.status())),
        ("outcome", text(told.outcome_kind())),
        (
            "limit",
            told.outcome("limit").cloned().unwrap_or(Value::Null),
        ),
        ("bundle_id", text(bundle("id"))),
        ("bundle_module", text(bundle("module"))),
        ("bundle_version", text(bundle("version"))),
        ("input_digest", text(told.text("input"))),
        ("policy_set", text(policy("set"))),
        ("policy_digest", text(policy("digest"))),
        ("grants", joined(told.texts("grant", "capability")).into()),
        (
            "denials",
            joined(told.texts("denials", "capability")).into(),
        ),
        ("prev", text(told.text("prev"))),
    ])
}

fn message(told: Told<'_>) -> String {
    let words = [
        told.event(),
        told.task(),
        told.status(),
        told.outcome("reason").and_then(Value::as_str),
    ];
    let words: Vec<&str> = words
        .into_iter()
        .flatten()
        .filter(|word| !word.is_empty())
        .collect();
    words.join(" ")
}

fn nanoseconds(told: Told<'_>) -> Value {
    let seconds = told.field("runtime").and_then(Value::as_f64);
    seconds
        .and_then(|seconds| std::time::Duration::try_from_secs_f64(seconds).ok())
        .and_then(|runtime| u64::try_from(runtime.as_nanos()).ok())
        .map_or(Value::Null, Value::from)
}

/// An object of those fields that say something.
fn fields<const N: usize>(all: [(&str, Value); N]) -> Value {
    let told = all.into_iter().filter(|(_, value)| !is_empty(value));
    let told: Map<String, Value> = told.map(|(name, value)| (name.to_owned(), value)).collect();
    Value::Object(told)
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

fn text(value: Option<impl ToString>) -> Value {
    value.map_or(Value::Null, |value| Value::String(value.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_told_in_the_fields_of_the_schema() {
        let line = json!({
            "format": "host.journal/2", "seq": 7, "prev": "ab", "time": "2026-11-21T09:20:11.042Z",
            "event": "finished",
            "record": {
                "run": "0192f3c1a2b4714f8c6e1f0a9d3b5c77", "task": "demo", "caller": "ann", "status": "failure",
                "bundle": {"id": "cd", "module": "demo", "version": "1.0.0"},
                "outcome": {"kind": "exited", "code": 3, "limit": null, "reason": "it\nfailed"},
                "value": {"secret": "x"}, "stderr": {"text": "secret"}, "runtime": 0.25,
                "grant": [{"capability": "fs.read:/a", "rule": "ops"}],
            },
        });
        let told = ecs(Told(&line), Some(Digest::from_bytes([1; 32])), "db-03");
        assert_eq!(told["@timestamp"], "2026-11-21T09:20:11.042Z");
        assert_eq!(told["event"]["category"], json!(["process"]));
        assert_eq!(told["event"]["type"], json!(["end"]));
        assert_eq!(told["event"]["outcome"], "failure");
        assert_eq!(told["event"]["sequence"], 7);
        assert_eq!(told["event"]["duration"], 250_000_000);
        assert_eq!(told["event"]["hash"], "01".repeat(32));
        assert_eq!(told["event"]["reason"], "it\nfailed");
        assert_eq!(told["process"]["exit_code"], 3);
        assert_eq!(told["user"]["name"], "ann");
        assert_eq!(told["rule"]["name"], json!(["ops"]));
        assert_eq!(told["host"]["name"], "db-03");
        assert_eq!(told["labels"]["grants"], "fs.read:/a");
        assert!(!told.to_string().contains("secret"));
        assert_eq!(told.to_string().lines().count(), 1);
    }

    #[test]
    fn a_line_of_yesterday_and_an_unknown_one_are_told_too() {
        let old = json!({"format": "host.journal/1", "event": "refused", "record": {"started": "2026-11-21T09:20:11.042Z"}});
        let told = ecs(Told(&old), None, "x");
        assert_eq!(told["@timestamp"], "2026-11-21T09:20:11.042Z");
        assert_eq!(told["event"]["type"], json!(["denied"]));
        let unknown = ecs(Told(&json!({"event": "later"})), None, "x");
        assert_eq!(unknown["event"]["action"], "later");
        assert_eq!(unknown["event"]["type"], json!(["info"]));
    }
}
