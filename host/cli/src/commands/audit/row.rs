//! A line of the log for people: when, what, of which task, and how it went, on one line of a terminal.

use host_core::Shown;
use serde_json::Value;

use super::lines::Told;

/// Characters of one foreign text that are shown.
const TEXT_CHARACTERS_MAX: usize = 160;

/// Capabilities that are named; of more of them the number is said.
const NAMED_MAX: usize = 4;

/// Columns of the event and of the task.
const EVENT_WIDTH: usize = 10;
const TASK_WIDTH: usize = 20;

/// The line.
pub(super) fn row(told: Told<'_>) -> String {
    let time = told
        .time()
        .map_or_else(|| "-".repeat(20), |time| at(&time.to_string()));
    let event = short(told.event().unwrap_or("?"));
    let task = short(told.task().unwrap_or_default());
    let mut row = format!(
        "{time}  {event:EVENT_WIDTH$}  {task:TASK_WIDTH$}  {}",
        what(told)
    );
    if let Some(caller) = told.caller().filter(|caller| !caller.is_empty()) {
        row.push_str(&format!("  by {}", short(caller)));
    }
    if let Some(run) = told.run() {
        row.push_str(&format!("  run {run}"));
    }
    row.trim_end().to_owned()
}

/// A time to the second, as people read it.
fn at(time: &str) -> String {
    let seconds = time.split_once('.').map_or(time, |(seconds, _)| seconds);
    format!("{}Z", seconds.replacen('T', " ", 1))
}

fn what(told: Told<'_>) -> String {
    match told.event() {
        Some("intended") => granted(told),
        Some("finished" | "unstarted" | "abandoned") => ended(told),
        Some("refused") => {
            let reason = told.outcome("reason").or_else(|| told.field("reason"));
            reason.map_or_else(String::new, of_text)
        }
        Some("recovered") => format!("a torn line of {} bytes was closed", number(told, "bytes")),
        Some("checkpoint") => "signed: all records before this one".to_owned(),
        Some("rekeyed") => "another key proves what follows".to_owned(),
        Some("restarted") => restarted(told),
        _ => String::new(),
    }
}

fn granted(told: Told<'_>) -> String {
    let grants = told.texts("grant", "capability");
    let named: Vec<String> = grants
        .iter()
        .take(NAMED_MAX)
        .map(|text| short(text))
        .collect();
    match grants.len() {
        0 => "nothing granted".to_owned(),
        count if count > NAMED_MAX => {
            format!(
                "granted {} and {} more",
                named.join(", "),
                count - NAMED_MAX
            )
        }
        _ => format!("granted {}", named.join(", ")),
    }
}

fn ended(told: Told<'_>) -> String {
    let mut words = vec![short(told.status().unwrap_or("?"))];
    let kind = told.outcome_kind().unwrap_or_default();
    let code = told.outcome("code").map(Value::to_string);
    let limit = told.outcome("limit").and_then(Value::as_str);
    words.push(match (kind, code, limit) {
        ("exited", Some(code), _) => format!("exited with {}", short(&code)),
        (_, _, Some(limit)) => format!("limit {}", short(limit)),
        _ => short(kind),
    });
    let reason = told.outcome("reason").or_else(|| told.field("reason"));
    let reason = reason.map(of_text).filter(|reason| !reason.is_empty());
    words.extend(reason);
    if let Some(runtime) = told.field("runtime").and_then(Value::as_f64) {
        words.push(format!("{runtime:.2} s"));
    }
    let denied = told.texts("denials", "capability").len();
    if denied > 0 {
        words.push(format!("{denied} denied"));
    }
    words.dedup();
    words.join("  ")
}

fn restarted(told: Told<'_>) -> String {
    let old = told.field("old").and_then(|old| old.get("file"));
    let old = old.map_or_else(
        || "a log that is gone".to_owned(),
        |old| format!("`{}`", of_text(old)),
    );
    let reason = told.field("reason").map(of_text).unwrap_or_default();
    format!("in the place of {old}: {reason}")
}

fn number(told: Told<'_>, name: &str) -> String {
    told.field(name)
        .and_then(Value::as_u64)
        .unwrap_or(0)
        .to_string()
}

fn of_text(value: &Value) -> String {
    value.as_str().map(short).unwrap_or_default()
}

/// A foreign text, escaped and not too long.
fn short(text: &str) -> String {
    let cut: String = text.chars().take(TEXT_CHARACTERS_MAX).collect();
    let more = if cut.len() < text.len() { "..." } else { "" };
    format!("{}{more}", Shown(&cut))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const RUN: &str = "0192f3c1a2b4714f8c6e1f0a9d3b5c77";

    #[test]
    fn lines_say_what_happened() {
        for (line, expected) in [
            (
                json!({"time": "2026-11-21T09:20:11.042Z", "event": "intended", "run": RUN, "task": "demo",
                    "grant": [{"capability": "fs.read:/var/log", "rule": "--allow"}]}),
                "2026-11-21 09:20:11Z  intended    demo                  granted fs.read:/var/log  run 0192f3c1a2b4714f8c6e1f0a9d3b5c77",
            ),
            (
                json!({"time": "2026-11-21T09:20:11.042Z", "event": "finished", "record": {"run": RUN, "task": "demo",
                    "caller": "ann", "status": "failure", "outcome": {"kind": "exited", "code": 3, "reason": ""},
                    "runtime": 0.25, "denials": [{"capability": "fs.read:/x", "reason": "y"}]}}),
                "2026-11-21 09:20:11Z  finished    demo                  failure  exited with 3  0.25 s  1 denied  by ann  run 0192f3c1a2b4714f8c6e1f0a9d3b5c77",
            ),
            (
                json!({"event": "finished", "status": "lost", "outcome": "lost", "reason": "host was killed"}),
                "--------------------  finished                          lost  host was killed",
            ),
            (
                json!({"time": "2026-11-21T09:20:11.042Z", "event": "recovered", "bytes": 13}),
                "2026-11-21 09:20:11Z  recovered                         a torn line of 13 bytes was closed",
            ),
            (
                json!({"time": "2026-11-21T09:20:11.042Z", "event": "new\u{1b}[2Jer", "task": "a\nb"}),
                "2026-11-21 09:20:11Z  new\\u{1b}[2Jer  a\\u{a}b",
            ),
        ] {
            assert_eq!(row(Told(&line)), expected);
        }
    }

    #[test]
    fn a_long_text_is_cut() {
        let line = json!({"event": "refused", "outcome": {"reason": "x".repeat(1_000)}});
        assert!(row(Told(&line)).len() < 260);
    }
}
