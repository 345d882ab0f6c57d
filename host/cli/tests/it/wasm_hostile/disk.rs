//! Programs that fill what they may write to: only ever a task's own scratch directory, `/tmp` and `/out`.

use serde_json::{Value, json};

use super::{PREVIEWS, misbehave, task};
use crate::lab::Lab;
use crate::wasm::lab;

/// The places of a task that are its own and take room of one budget.
const OWN: [&str; 3] = ["/tmp", "/scratch", "/out"];

/// The error of a full disk, as each preview calls it.
fn full(preview: &str) -> &'static str {
    if preview == "p1" {
        "nospc"
    } else {
        "insufficient-space"
    }
}

/// What a task managed in each place of its own, under a limit that people are told was reached.
#[track_caller]
fn filled(lab: &Lab, preview: &str, mode: &str, place: &str, limit: &str) -> (Value, Value) {
    let (mode, arg) = (format!("mode={mode}"), format!("arg={place}"));
    let arguments = [mode.as_str(), &arg, "--limit", limit];
    let (ran, record) = task(lab, preview, &arguments);
    ran.exits(0);
    (record["value"].clone(), record)
}

/// Asserts that whoever runs it is told which limit it reached.
#[track_caller]
fn is_told(lab: &Lab, preview: &str, mode: &str, limit: &str) {
    let (module, name) = (misbehave(), format!("misbehave::{preview}"));
    let mode = format!("mode={mode}");
    let ran = lab
        .run(&["run", &module, &name, &mode, "--limit", limit])
        .exits(0);
    let limit = limit.split('=').next().unwrap();
    ran.says(&[&format!("reached its limit `{limit}`")]);
}

#[test]
fn a_task_that_fills_the_disk_fills_its_own() {
    let lab = lab();
    for preview in PREVIEWS {
        for place in OWN {
            let (value, record) = filled(&lab, preview, "fill-disk", place, "scratch=4MiB");
            assert_eq!(value["error"], full(preview), "{value:#}");
            let bytes = value["bytes"].as_u64().unwrap();
            assert!(
                (3 << 20..=4 << 20).contains(&bytes),
                "{bytes} bytes in {place}"
            );
            let used = record["usage"]["scratch_bytes"].as_u64().unwrap();
            assert!(
                (3 << 20..=4 << 20).contains(&used),
                "{used} bytes are on record"
            );
        }
        is_told(&lab, preview, "fill-disk", "scratch=4MiB");
    }
}

#[test]
fn a_million_files_are_as_many_as_it_may_have() {
    let lab = lab();
    for preview in PREVIEWS {
        for place in ["/tmp", "/scratch"] {
            let (value, _) = filled(&lab, preview, "million-files", place, "inodes=150");
            assert_eq!(value["error"], full(preview), "{value:#}");
            let files = value["files"].as_u64().unwrap();
            assert!((100..150).contains(&files), "{files} files in {place}");
        }
        is_told(&lab, preview, "million-files", "inodes=150");
    }
}

/// What is left in the directory for results is brought back, and must not be more than that.
#[test]
fn files_that_are_left_without_end_come_back_as_far_as_they_may() {
    let lab = lab();
    for preview in PREVIEWS {
        let (value, record) = filled(&lab, preview, "million-files", "/out", "inodes=400");
        let made = value["files"].as_u64().unwrap();
        let back = record["artifacts"].as_array().unwrap().len() as u64;
        assert!(
            (300..400).contains(&made) && back <= made,
            "{made} made, {back} back"
        );
    }
}

#[test]
fn holes_take_no_room_and_are_no_way_around_it() {
    let lab = lab();
    for preview in PREVIEWS {
        for place in ["/tmp", "/scratch"] {
            let (value, record) = filled(&lab, preview, "sparse", place, "scratch=1MiB");
            assert_eq!(value["tried"].as_array().unwrap().len(), 7, "{value:#}");
            let used = record["usage"]["scratch_bytes"].as_u64().unwrap();
            assert!(used < 1 << 20, "{used} bytes");
        }
        // Brought back it would be 2^62 bytes.
        let (_, record) = filled(&lab, preview, "sparse", "/out", "scratch=1MiB");
        assert_eq!(record["artifacts"], json!([]), "{record:#}");
        let room: u64 = lab
            .files("home/state/runs")
            .iter()
            .map(|file| room(file))
            .sum();
        assert!(room < 4 << 20, "the spool takes {room} bytes");
    }
}

/// The room that a file takes on the disk, in bytes.
fn room(file: &std::path::Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    std::fs::symlink_metadata(file).unwrap().blocks() * 512
}

#[test]
fn directories_in_directories_end_at_the_limit_of_inodes() {
    let lab = lab();
    for preview in PREVIEWS {
        for place in OWN {
            let (value, _) = filled(&lab, preview, "deep-directories", place, "inodes=800");
            assert_eq!(value["error"], full(preview), "{value:#}");
            let depth = value["depth"].as_u64().unwrap();
            assert!((700..800).contains(&depth), "{depth} deep in {place}");
        }
        is_told(&lab, preview, "deep-directories", "inodes=800");
    }
}

#[test]
fn what_a_task_fills_is_empty_for_the_next() {
    let lab = lab();
    for _ in 0..2 {
        let (value, _) = filled(&lab, "p1", "fill-disk", "/scratch", "scratch=2MiB");
        assert!(value["bytes"].as_u64().unwrap() > 1 << 20, "{value:#}");
    }
}

/// Files in memory counted as memory of the run, which was killed for a limit that its program had not reached.
#[test]
fn what_a_task_writes_takes_nothing_of_its_memory() {
    let lab = lab();
    for preview in PREVIEWS {
        let limits = ["--limit", "memory=16MiB", "--limit", "scratch=200MiB"];
        let arguments = [&["mode=fill-disk", "arg=/out"][..], &limits].concat();
        let (ran, record) = task(&lab, preview, &arguments);
        ran.exits(0);
        let bytes = record["value"]["bytes"].as_u64().unwrap();
        assert!(bytes > 190 << 20, "{record:#}");
    }
}
