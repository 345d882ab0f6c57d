//! This crate against OpenSSH itself: `ssh-keygen`, `ssh-agent` and `ssh-add` must be installed.
#![expect(clippy::unwrap_used, reason = "helpers of tests may end the test")]
#![expect(
    clippy::disallowed_methods,
    reason = "these tests start OpenSSH and put files where it looks"
)]

mod openssh;
mod ssh_agent;
mod ssh_keygen;
