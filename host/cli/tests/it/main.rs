//! The binary `host` from outside: what it prints, how it ends, and what the machine looks like afterwards.
//!
//! Every test has a [`lab::Lab`] of its own, a directory with modules, data and `HOST_HOME`, and every `host` that it
//! starts there is followed by a look at the machine: nothing of a run may be left. All tests hold for root and for
//! an ordinary user; where the two differ, both are asserted.
//!
//! `HOST_TEST_BIN` names another binary than the one that was built, `HOST_TEST_DATA` a copy of `host/cli/tests`,
//! `HOST_TEST_GUESTS` a copy of what `cargo xtask guests` has built. With `HOST_TEST_LEARN` every attack of the suite in
//! [`escapes`] is made in runs that learn.
#![expect(
    clippy::disallowed_methods,
    reason = "tests start programs, read files, clocks and the environment"
)]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "fixtures fail loudly"
)]
#![expect(clippy::indexing_slicing, reason = "a missing field is a failure")]

mod lab;

mod attacks;
mod audit;
mod bundles;
mod conformance;
mod egress;
mod errors;
mod escapes;
mod grants;
mod input;
mod interrupts;
mod kept_secrets;
mod learn;
mod limits;
mod machine;
mod modules;
mod orphans;
mod output;
mod places;
mod policy;
mod sealing;
mod secrets;
mod terminal;
mod transcripts;
mod walls;
mod wasm;
mod wasm_hostile;
mod wasm_memory;
mod wording;
mod words;
