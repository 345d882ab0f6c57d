//! The sets that ship in `policies/`, and the language as `docs/POLICY.md` teaches it.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod sets;
mod teaching;
