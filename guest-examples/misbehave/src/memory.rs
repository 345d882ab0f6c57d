//! Modes that want more memory than there is: their own, and the host's.

use std::hint::black_box;

use serde_json::{Value, json};

use crate::{Argument, wasi};

/// How much a vector grows at a time.
const STEP_BYTES: usize = 1024 * 1024;

/// What a page of memory has, in bytes.
const PAGE_BYTES: usize = 64 * 1024;

/// How many random bytes are asked for by default; where sizes have 32 bits it is one less.
const RANDOM_BYTES: u64 = 4 << 30;

/// How many timers are made by default.
const TIMERS: u64 = 1_000_000;

/// Fills a vector until there is no more memory, then asks for pages one by one, and touches all of it.
pub(crate) fn grow(_: &Argument) -> Option<Value> {
    let mut held = Vec::new();
    let mut bytes = 0_usize;
    while held.try_reserve(1).is_ok() {
        let mut block: Vec<u8> = Vec::new();
        if block.try_reserve_exact(STEP_BYTES).is_err() {
            break;
        }
        block.resize(STEP_BYTES, 0x5a);
        bytes += block.len();
        held.push(black_box(block));
    }
    let mut pages = 0_usize;
    while let Some(page) = page() {
        black_box(page).fill(0x5a);
        pages += 1;
    }
    // Gives its memory back, so that there is some to print with.
    drop(held);
    Some(json!({
        "vector_bytes": bytes,
        "pages": pages,
        "memory_bytes": core::arch::wasm32::memory_size::<0>() * PAGE_BYTES,
    }))
}

/// Calls itself: down to no more stack, or as deep as the argument says.
///
/// Nothing of it lies in memory, where its own small stack would be at an end first.
pub(crate) fn recurse(argument: &Argument) -> Option<Value> {
    #[inline(never)]
    fn down(depth: u64, limit: u64) -> u64 {
        if depth == limit {
            return depth;
        }
        // Something is left to do after the call, so that it cannot become a loop.
        down(depth + 1, limit).rotate_left(1) ^ depth
    }
    let limit = argument.number(u64::MAX);
    let sum = down(0, limit);
    Some(json!({"depth": limit, "sum": format!("{sum:x}")}))
}

/// Asks for 4 GiB of random bytes, or as many as the argument says, in one call.
pub(crate) fn random(argument: &Argument) -> Option<Value> {
    Some(wasi::random(argument.number(RANDOM_BYTES)))
}

/// Asks for 32 random bytes, twice.
pub(crate) fn random_small(_: &Argument) -> Option<Value> {
    let (first, second) = (wasi::random_bytes(), wasi::random_bytes());
    let hex = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    Some(json!({"bytes": [hex(&first), hex(&second)], "differ": first != second}))
}

/// Hands the host one argument as large as memory allows: a `path` (by default), a `name`, or bytes to `write`.
pub(crate) fn huge_argument(argument: &Argument) -> Option<Value> {
    let what = argument.text("path");
    let text = largest_text();
    Some(json!({"what": what, "bytes": text.len(), "answer": wasi::hand_over(what, &text)}))
}

/// Makes a million timers, or as many as the argument says, and waits for all of them and for one that has run out.
pub(crate) fn subscribe(argument: &Argument) -> Option<Value> {
    Some(wasi::subscribe(argument.number(TIMERS)))
}

/// Adds a page to the memory, unless there is none to be had.
#[expect(unsafe_code, reason = "no safe function gives memory by its address")]
fn page() -> Option<&'static mut [u8]> {
    let before = core::arch::wasm32::memory_grow::<0>(1);
    if before == usize::MAX {
        return None;
    }
    let start = (before * PAGE_BYTES) as *mut u8;
    // SAFETY: the page is new, so nothing else lies in it; nobody but the caller knows of it; and it never goes.
    Some(unsafe { std::slice::from_raw_parts_mut(start, PAGE_BYTES) })
}

/// A text of as many letters as there is memory for, to a sixteenth.
fn largest_text() -> String {
    let mut size = 3 << 30_usize;
    loop {
        let mut letters = Vec::new();
        if letters.try_reserve_exact(size).is_ok() {
            letters.resize(size, b'a');
            return String::from_utf8(letters).unwrap_or_default();
        }
        size -= size / 16;
    }
}
