//! The sets that ship in `policies/`, and the language as `docs/POLICY.md` teaches it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod sets;
mod teaching;
