//! The table of rooms (`docs/ARCHITECTURE.md`) as data: what each package may import.
//!
//! A room that does not exist yet has its row already. A new dependency is a change of this file, and so is
//! seen in review. What a row does not name is refused; `Crates::Any` is for the composition root alone.

/// The rule of one package.
#[derive(Debug)]
pub(crate) struct Room {
    /// The package's name.
    pub(crate) package: &'static str,
    /// Where it lies, from the root of the repository.
    pub(crate) path: &'static str,
    /// The packages of ours that it may import.
    pub(crate) rooms: &'static [&'static str],
    /// The crates of others that it may import.
    pub(crate) crates: Crates,
}

/// Which crates of others a room may import.
#[derive(Debug)]
pub(crate) enum Crates {
    /// These; a `*` at the end stands for any ending.
    Only(&'static [&'static str]),
    /// Whatever the root manifest names.
    Any,
}

/// The package that only tests may import.
pub(crate) const TESTKIT: &str = "host-testkit";

/// What tests, benches and generators of any room may import besides.
pub(crate) const DEV_CRATES: &[&str] = &[
    "criterion",
    "insta",
    "proptest",
    "serde_json",
    "tempfile",
    "trycmd",
    "wat",
];

/// One row for each room.
pub(crate) const ROOMS: &[Room] = &[
    Room {
        package: "host-core",
        path: "host/core",
        rooms: &[],
        crates: Crates::Only(&["serde", "thiserror"]),
    },
    Room {
        package: "host-task",
        path: "host/task",
        rooms: &["host-core"],
        crates: Crates::Only(&["regex", "serde", "serde_json", "thiserror"]),
    },
    Room {
        package: "host-trust",
        path: "host/trust",
        rooms: &["host-core"],
        crates: Crates::Only(&[
            "ed25519-dalek",
            "hpke",
            "rcgen",
            "serde",
            "serde_json",
            "sha2",
            "ssh-key",
            "thiserror",
            "x509-parser",
        ]),
    },
    Room {
        package: "host-bundle",
        path: "host/bundle",
        rooms: &["host-core", "host-task", "host-trust"],
        crates: Crates::Only(&[
            "serde",
            "serde_json",
            "sha2",
            "tar",
            "thiserror",
            "unicode-normalization",
        ]),
    },
    Room {
        package: "host-policy",
        path: "host/policy",
        rooms: &["host-core"],
        crates: Crates::Only(&[
            "cedar-policy",
            "miette",
            "regex",
            "serde",
            "serde-saphyr",
            "serde_json",
            "sha2",
            "thiserror",
            "toml",
        ]),
    },
    Room {
        package: "host-jail",
        path: "host/jail",
        rooms: &["host-core"],
        crates: Crates::Only(&[
            "hickory-proto",
            "landlock",
            "libc",
            "rustix",
            "seccompiler",
            "serde",
            "serde_json",
            "thiserror",
        ]),
    },
    Room {
        package: "host-wasm",
        path: "host/wasm",
        rooms: &["host-core"],
        crates: Crates::Only(&[
            "bytes",
            "hmac",
            "rustix",
            "serde",
            "serde_json",
            "sha2",
            "thiserror",
            "tokio",
            "wasmtime*",
            "wiggle",
        ]),
    },
    Room {
        package: "host-store",
        path: "host/store",
        rooms: &["host-core"],
        crates: Crates::Only(&[
            "cap-std",
            "getrandom",
            "hmac",
            "rustix",
            "serde",
            "serde_json",
            "sha2",
            "thiserror",
        ]),
    },
    Room {
        package: "host-link",
        path: "host/link",
        rooms: &["host-core", "host-trust"],
        crates: Crates::Only(&[
            "quinn",
            "rustls",
            "serde",
            "serde_json",
            "thiserror",
            "tokio",
        ]),
    },
    Room {
        package: "host-node",
        path: "host/node",
        rooms: &[
            "host-bundle",
            "host-core",
            "host-jail",
            "host-policy",
            "host-store",
            "host-task",
            "host-trust",
            "host-wasm",
        ],
        crates: Crates::Only(&[
            "cap-std",
            "jiff",
            "nix",
            "rustix",
            "serde",
            "serde_json",
            "sha2",
            "thiserror",
        ]),
    },
    Room {
        package: "host-door",
        path: "host/door",
        rooms: &["host-core", "host-link"],
        crates: Crates::Only(&["serde", "serde_json", "thiserror", "tokio"]),
    },
    Room {
        package: "host-fleet",
        path: "host/fleet",
        rooms: &["host-core", "host-link", "host-task", "host-trust"],
        crates: Crates::Only(&["serde", "serde-saphyr", "serde_json", "thiserror", "tokio"]),
    },
    Room {
        package: "host-plan",
        path: "host/plan",
        rooms: &["host-core", "host-task"],
        crates: Crates::Only(&["serde", "serde-saphyr", "serde_json", "thiserror"]),
    },
    Room {
        package: "host-hub",
        path: "host/hub",
        rooms: &[
            "host-core",
            "host-fleet",
            "host-link",
            "host-plan",
            "host-trust",
        ],
        crates: Crates::Only(&[
            "async-nats",
            "axum",
            "serde",
            "serde_json",
            "sqlx",
            "thiserror",
            "tokio",
        ]),
    },
    Room {
        package: "host-cli",
        path: "host/cli",
        rooms: &[
            "host-bundle",
            "host-core",
            "host-door",
            "host-fleet",
            "host-hub",
            "host-jail",
            "host-link",
            "host-node",
            "host-plan",
            "host-policy",
            "host-store",
            "host-task",
            "host-trust",
            "host-wasm",
        ],
        crates: Crates::Any,
    },
    Room {
        package: TESTKIT,
        path: "host/testkit",
        rooms: &[
            "host-bundle",
            "host-core",
            "host-door",
            "host-fleet",
            "host-hub",
            "host-jail",
            "host-link",
            "host-node",
            "host-plan",
            "host-policy",
            "host-store",
            "host-task",
            "host-trust",
        ],
        crates: Crates::Only(&[
            "rcgen",
            "serde",
            "serde_json",
            "sha2",
            "ssh-key",
            "tempfile",
            "thiserror",
            "tokio",
        ]),
    },
    Room {
        package: "host-xtask",
        path: "host/xtask",
        rooms: &[],
        crates: Crates::Only(&["anyhow", "clap", "serde_json", "tempfile", "toml"]),
    },
    Room {
        package: "host-sdk",
        path: "sdk",
        rooms: &[],
        crates: Crates::Only(&["serde", "serde_json", "wit-bindgen"]),
    },
    Room {
        package: "host-fuzz",
        path: "fuzz",
        rooms: &[
            "host-bundle",
            "host-core",
            "host-jail",
            "host-plan",
            "host-policy",
            "host-store",
            "host-task",
            "host-trust",
            "host-wasm",
        ],
        crates: Crates::Only(&[
            "cedar-policy",
            "serde",
            "serde_json",
            "sha2",
            "ssh-key",
            "tar",
            "tempfile",
            "toml",
            "wat",
        ]),
    },
];
