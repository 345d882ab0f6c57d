//! Fails when a package imports what its row in the table of rooms does not name, when `unsafe` stands outside its
//! two files, or when a file is named so that anything could be inside.
//!
//! The rules are in [`table`] and [`sources`]; the made-up manifests here show that each of them can fail.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "these functions read the repository for tests, where a panic is the report"
)]

mod table;

mod engine;
mod manifest;
mod sources;

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::table::{ROOMS, TESTKIT};

/// How deep source directories may lie; the tree is ours, so passing it is a mistake.
const DEPTH_MAX: usize = 12;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn read_table(path: &Path) -> Table {
    read(path)
        .parse()
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn members(root: &Table) -> Vec<String> {
    let members = root
        .get("workspace")
        .and_then(|workspace| workspace.get("members"))
        .unwrap();
    members
        .as_array()
        .unwrap()
        .iter()
        .map(|member| member.as_str().unwrap().to_owned())
        .collect()
}

/// Every Rust file below `directory` that is not built or generated.
fn rust_files(directory: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    assert!(depth <= DEPTH_MAX, "{} lies too deep", directory.display());
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let path = entry.path();
        let is_ours = path.file_name().is_some_and(|name| name != "target");
        if entry.file_type().unwrap().is_dir() && is_ours {
            rust_files(&path, depth + 1, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// A manifest as `package` at its own place would have it, with these lines of dependencies at its end.
fn made_up(package: &str, dependencies: &str) -> Table {
    format!("[package]\nname = \"{package}\"\n[lints]\nworkspace = true\n{dependencies}")
        .parse()
        .unwrap()
}

#[track_caller]
fn check(package: &str, dependencies: &str, expected: &[&str]) {
    let workspace = r#"
        [workspace.dependencies]
        host-core = { path = "host/core" }
        host-testkit = { path = "host/testkit" }
        renamed = { package = "tokio", version = "1" }
        serde = "1"
        tokio = "1"
    "#;
    let path = ROOMS
        .iter()
        .find(|room| room.package == package)
        .map_or("host/new", |room| room.path);
    let complaints = manifest::complaints(
        &workspace.parse().unwrap(),
        path,
        &made_up(package, dependencies),
    );
    assert_eq!(complaints, expected, "{package}: {dependencies}");
}

#[test]
fn every_member_keeps_to_its_row() {
    let root = root();
    let workspace = read_table(&root.join("Cargo.toml"));
    let members = members(&workspace);
    assert!(
        members.iter().any(|member| member == "host/core"),
        "no members were read: {members:?}"
    );
    let complaints: Vec<String> = members
        .iter()
        .flat_map(|member| {
            let manifest = read_table(&root.join(member).join("Cargo.toml"));
            manifest::complaints(&workspace, member, &manifest)
        })
        .collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn every_row_refuses_what_it_does_not_name() {
    for room in ROOMS {
        let dependencies =
            "[dependencies]\nhost-testkit.workspace = true\nhost-cli = { path = \"../cli\" }";
        let expected = [
            format!("`{}` may not import `host-cli` (from path)", room.package),
            format!(
                "`{}` may not import `host-testkit` (from path)",
                room.package
            ),
        ];
        check(room.package, dependencies, &[&expected[0], &expected[1]]);
    }
}

#[test]
fn no_row_contradicts_another() {
    for room in ROOMS {
        for name in room.rooms {
            let other = ROOMS.iter().find(|other| other.package == *name);
            assert!(
                other.is_some(),
                "{} names {name}, which has no row",
                room.package
            );
            let back = other.is_some_and(|other| other.rooms.contains(&room.package));
            assert!(!back, "{} and {name} may import each other", room.package);
            assert_ne!(
                *name, TESTKIT,
                "{} may import {TESTKIT} outside its tests",
                room.package
            );
        }
    }
}

#[test]
fn a_pure_room_imports_no_runtime_under_any_name() {
    let refused = ["`host-core` may not import `tokio` (from the registry)"];
    check("host-core", "[dependencies]\ntokio = \"1\"", &refused);
    check(
        "host-core",
        "[dependencies]\nrenamed.workspace = true",
        &refused,
    );
    check(
        "host-core",
        "[dependencies]\nquick = { package = \"tokio\", version = \"1\" }",
        &refused,
    );
    check(
        "host-core",
        "[build-dependencies]\ntokio.workspace = true",
        &refused,
    );
    check(
        "host-core",
        "[target.'cfg(unix)'.dependencies]\ntokio.workspace = true",
        &refused,
    );
    check("host-core", "[dependencies]\nserde.workspace = true", &[]);
}

#[test]
fn tests_may_import_what_is_for_tests_and_no_more() {
    check(
        "host-core",
        "[dev-dependencies]\nproptest = \"1\"\nhost-testkit.workspace = true",
        &[],
    );
    check(
        "host-core",
        "[dev-dependencies]\ntokio = \"1\"",
        &["`host-core` may not import `tokio` for tests (from the registry)"],
    );
    check(
        "host-core",
        "[dependencies]\nproptest = \"1\"",
        &["`host-core` may not import `proptest` (from the registry)"],
    );
}

#[test]
fn a_dependency_comes_from_the_registry_or_is_a_room() {
    check(
        "host-task",
        "[dependencies]\nregex = { git = \"https://example.com/regex\" }\nserde = { path = \"../../vendor/serde\" }",
        &[
            "`host-task` may not import `regex` (from git)",
            "`host-task` may not import `serde` (from path)",
        ],
    );
    check(
        "host-task",
        "[dependencies]\nhost-core = \"0.1\"",
        &["`host-task` may not import `host-core` (from the registry)"],
    );
}

#[test]
fn a_member_without_a_row_is_refused() {
    check("host-attic", "", &["`host-attic` at `host/new` has no row"]);
}

#[test]
fn a_member_at_another_place_or_with_its_own_lints_is_refused() {
    let mut manifest = made_up("host-core", "");
    manifest.insert("lints".to_owned(), Value::Table(Table::new()));
    assert_eq!(
        manifest::complaints(&Table::new(), "host/heart", &manifest),
        [
            "`host-core` belongs at `host/core`, not `host/heart`",
            "`host-core` does not inherit the workspace's lints",
        ]
    );
}

#[test]
fn the_sources_keep_unsafe_and_drawers_out() {
    let root = root();
    let mut files = Vec::new();
    for directory in ["host", "sdk", "fuzz"].map(|name| root.join(name)) {
        if directory.is_dir() {
            rust_files(&directory, 0, &mut files);
        }
    }
    assert!(
        files.contains(&root.join("host/jail/src/sys.rs")),
        "the sources were not found"
    );
    let complaints: Vec<String> = files
        .iter()
        .flat_map(|file| sources::complaints(file.strip_prefix(&root).unwrap(), &read(file)))
        .collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn unsafe_is_seen_wherever_code_would_have_it() {
    let outside = Path::new("host/core/src/lib.rs");
    for after in [
        " { }",
        "\n{",
        " fn f() {}",
        " impl Send for X {}",
        " extern \"C\" {}",
        "(no_mangle)",
    ] {
        let text = format!("let x = {}{after}", "unsafe");
        assert_eq!(
            sources::complaints(outside, &text),
            ["`host/core/src/lib.rs` has `unsafe` in it"]
        );
        assert!(sources::complaints(Path::new("host/jail/src/sys.rs"), &text).is_empty());
    }
    for text in [
        "#![forbid(unsafe_code)]",
        "// This is unsafe, they say.",
        "(\"unsafe\", 1)",
    ] {
        assert!(sources::complaints(outside, text).is_empty(), "{text}");
    }
}

#[test]
fn a_drawer_is_seen_as_file_and_as_directory() {
    for path in [
        "host/core/src/util.rs",
        "host/core/src/helpers/mod.rs",
        "host/core/tests/common/x.rs",
    ] {
        assert_eq!(sources::complaints(Path::new(path), "").len(), 1, "{path}");
    }
    assert!(sources::complaints(Path::new("host/core/src/utility_bill.rs"), "").is_empty());
}
