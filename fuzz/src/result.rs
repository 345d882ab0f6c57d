//! Subject: the result of a run. The first byte is the exit code, what follows is stdout.
//!
//! What was written is read twice: as it is, and as a member of an object that says an error and holds a secret. That
//! object never passes for success and never shows the secret, whatever its other member makes of it.
//!
//! Numbers are compared with what is written outside of strings, by a look that shares nothing with the parser: it once
//! made a number of an object with a certain key, and would agree with itself.

use std::collections::BTreeSet;

use host_core::TaskName;
use host_task::{RESULT_DEPTH_MAX, TaskResult};
use serde_json::{Map, Value};

use crate::data_type::CANARY;

/// The beginning of the canary, which is enough to know it by.
const CANARY_HEAD: &str = "Qz7";

/// The key that the parser keeps for numbers.
const RESERVED_KEY: &str = "$serde_json::private::Number";

/// Deepest nesting of brackets in text that must be read, below the limit of any reader.
const BRACKETS_MAX: usize = 60;

/// Panics when a failure passes for success, a secret is shown, or what can be read is not.
pub fn check(data: &[u8]) {
    let (exit_code, stdout) = data.split_first().unwrap_or((&0, &[]));
    let exit_code = i32::from(*exit_code);
    let result = read(stdout, exit_code);
    check_whole(&result);
    assert!(result.success == (exit_code == 0) || result.error.is_some());
    assert!(exit_code == 0 || !result.success);
    if let Ok(text) = str::from_utf8(stdout) {
        check_text(text, &result);
        check_numbers(text, &result);
    }
    let text = String::from_utf8_lossy(stdout);
    if !text.contains(CANARY_HEAD) {
        check_hostile(&text, exit_code);
    }
}

fn read(stdout: &[u8], exit_code: i32) -> TaskResult {
    let task: TaskName = "fuzz::result".parse().expect("a task name");
    TaskResult::read(&task, stdout, b"", exit_code)
}

/// Panics when the parts of a result contradict each other.
fn check_whole(result: &TaskResult) {
    let error = result.value.get("_error");
    assert_eq!(result.success, error.is_none());
    assert_eq!(result.success, result.error.is_none());
    assert!(error.is_none_or(|error| error["msg"].is_string() && error["kind"].is_string()));
    assert!(result.sensitive || !result.value.contains_key("_sensitive"));
    let public = result.public_value();
    assert_eq!(public.len(), result.value.len());
    for (key, value) in &public {
        assert!(key == "_sensitive" || result.value.get(key) == Some(value));
    }
}

/// Panics unless text that is plainly an object is the value, and text that is plainly none is output.
fn check_text(text: &str, result: &TaskResult) {
    if !text
        .trim_start_matches('\u{feff}')
        .trim_start()
        .starts_with('{')
    {
        assert_eq!(result.value.get("_output"), Some(&Value::from(text)));
        assert!(!result.sensitive);
        return;
    }
    let is_shallow = text.matches(['[', '{']).count() <= BRACKETS_MAX;
    const { assert!(BRACKETS_MAX < RESULT_DEPTH_MAX) };
    let Ok(members) = serde_json::from_str::<Map<String, Value>>(text) else {
        return;
    };
    if text.contains(RESERVED_KEY) || text.contains("\\u") {
        // The parser does not see such an object as one.
        return;
    }
    if is_shallow {
        assert_eq!(result.sensitive, members.contains_key("_sensitive"));
        let kept = members.iter().filter(|(key, _)| *key != "_error");
        for (key, value) in kept {
            assert_eq!(result.value.get(key), Some(value));
        }
    }
    let says_error = members.get("_error").is_some_and(|error| !error.is_null());
    assert!(!says_error || !result.success);
}

/// Panics when the value has a number that is not written outside of strings.
fn check_numbers(text: &str, result: &TaskResult) {
    let mut written = BTreeSet::new();
    for part in outside_of_strings(text) {
        let is_in_number = |letter: char| letter.is_ascii_alphanumeric() || "+-.".contains(letter);
        let words = part.split(|letter| !is_in_number(letter));
        written.extend(words.map(spelled));
    }
    let members = result.value.iter().filter(|(key, _)| *key != "_error");
    let mut waiting: Vec<&Value> = members.map(|(_, value)| value).collect();
    while let Some(value) = waiting.pop() {
        match value {
            Value::Number(number) => {
                let number = spelled(&number.to_string());
                assert!(written.contains(&number), "{number} in {text}");
            }
            Value::Array(items) => waiting.extend(items),
            Value::Object(members) => waiting.extend(members.values()),
            Value::Null | Value::Bool(_) | Value::String(_) => {}
        }
    }
}

/// A number with its exponent as JSON may have it in three ways: `1E5`, `1e5` and `1e+5`.
fn spelled(number: &str) -> String {
    number.to_ascii_lowercase().replace("e+", "e")
}

/// The parts of `text` between its strings.
fn outside_of_strings(text: &str) -> impl Iterator<Item = String> {
    let mut letters = text.chars();
    let mut has_more = true;
    std::iter::from_fn(move || {
        if !has_more {
            return None;
        }
        let part: String = letters
            .by_ref()
            .take_while(|letter| *letter != '"')
            .collect();
        has_more = false;
        while let Some(letter) = letters.next() {
            has_more = letter == '"';
            if has_more {
                break;
            }
            if letter == '\\' {
                letters.next();
            }
        }
        Some(part)
    })
}

/// Panics when `member` hides the error or shows the secret beside it.
fn check_hostile(member: &str, exit_code: i32) {
    let hostile = format!(
        "{{\"member\": {member}, \"_sensitive\": [\"{CANARY}\"], \"_error\": {{\"msg\": \"it broke\"}}}}"
    );
    let result = read(hostile.as_bytes(), exit_code);
    assert!(!result.success, "{hostile}");
    check_told(&result, &hostile);
    // The task was ended while it wrote: some of the secret is out, and perhaps all of it.
    let secret = hostile.rfind(CANARY_HEAD).expect("the secret");
    let end =
        secret + CANARY_HEAD.len() + member.len() % (hostile.len() - secret - CANARY_HEAD.len());
    let part = hostile.get(..end).expect("between letters");
    check_told(
        &TaskResult::stopped(part.as_bytes(), "host/limit", "stopped"),
        part,
    );
}

fn check_told(result: &TaskResult, stdout: &str) {
    check_whole(result);
    assert!(result.sensitive, "{stdout}");
    let public = Value::Object(result.public_value());
    let told = format!("{public} {result:?} {:?}", result.error);
    assert!(!told.contains(CANARY_HEAD), "{told}");
}
