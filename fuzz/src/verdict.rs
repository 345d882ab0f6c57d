//! Subject: the reader of what a worker says last, given any text: its guest may have broken out and say anything.

use host_wasm::Verdict;

/// Panics unless what is read as a verdict is one that can be written and read again.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Some(verdict) = Verdict::read(text) else {
        return;
    };
    let written = serde_json::to_string(&verdict).expect("a verdict can be written");
    assert_eq!(Verdict::read(&written), Some(verdict));
}
