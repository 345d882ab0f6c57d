//! What wasmtime is built with: whatever is left out needs no trust, and half of its advisories are about that.
//!
//! Features of one crate are the union of what all that depend on it ask for, so a manifest alone proves nothing.

use std::collections::BTreeSet;
use std::process::Command;

use super::root;

/// What the worker needs, and what brings nothing that runs.
const OF_WASMTIME: &[&str] = &[
    "addr2line",
    "anyhow",
    "async",
    "backtrace",
    "component-model",
    "cranelift",
    "demangle",
    "once_cell",
    "parallel-compilation",
    "runtime",
    "std",
    "wasmtime-jit-icache-coherence",
];
/// Preview 1 and WASI 0.2, neither what came before nor what comes after.
const OF_WASMTIME_WASI: &[&str] = &["p1", "p2"];

#[expect(
    clippy::disallowed_methods,
    reason = "only cargo knows which features come together"
)]
fn features(package: &str) -> BTreeSet<String> {
    let tree = [
        "tree",
        "--workspace",
        "--locked",
        "--edges",
        "normal",
        "--depth",
        "0",
        "--format",
        "{f}",
        "--invert",
        package,
    ];
    let out = Command::new(env!("CARGO"))
        .args(tree)
        .current_dir(root())
        .output()
        .unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    let features = text.lines().flat_map(|line| line.split(','));
    features
        .map(str::trim)
        .filter(|feature| !feature.is_empty())
        .map(str::to_owned)
        .collect()
}

fn check(package: &str, expected: &[&str]) {
    let found = features(package);
    let found: Vec<&str> = found.iter().map(String::as_str).collect();
    assert_eq!(found, expected, "{package}");
}

#[test]
fn the_engine_has_no_feature_that_nothing_needs() {
    check("wasmtime", OF_WASMTIME);
    check("wasmtime-wasi", OF_WASMTIME_WASI);
}

#[test]
fn only_the_long_lived_line_of_the_engine_is_used() {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let versions: Vec<&str> = lock
        .split("[[package]]")
        .filter(|package| {
            ["\"wasmtime\"", "\"wasmtime-wasi\"", "\"wiggle\""]
                .iter()
                .any(|name| package.contains(&format!("name = {name}\n")))
        })
        .filter_map(|package| {
            package
                .lines()
                .find_map(|line| line.strip_prefix("version = "))
        })
        .collect();
    assert_eq!(versions.len(), 3, "one of each: {versions:?}");
    for version in versions {
        assert!(version.starts_with("\"48.0."), "{version}");
    }
}
