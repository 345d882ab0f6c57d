//! Groups the files of `tasks/` by the task they belong to.

use std::collections::BTreeMap;

use host_core::{ModuleName, Shown, TaskName};

use crate::metadata::Lint;
use crate::names::short_name;

/// The files of one task.
#[derive(Debug, Default)]
pub(super) struct TaskFiles {
    /// Whether there is a `.json` beside them.
    pub(super) has_metadata: bool,
    /// The names in `tasks/` that could run.
    pub(super) executables: Vec<String>,
}

/// The tasks that `paths` hold, and a lint for every metadata file whose name is no task's, and for every file whose
/// name would be one if it were shorter.
pub(super) fn discover<'a>(
    module: &ModuleName,
    paths: impl Iterator<Item = &'a String>,
) -> (BTreeMap<TaskName, TaskFiles>, Vec<Lint>) {
    let mut tasks: BTreeMap<TaskName, TaskFiles> = BTreeMap::new();
    let mut lints = Vec::new();
    for path in paths {
        let Some(file) = path
            .strip_prefix("tasks/")
            .filter(|file| !file.contains('/'))
        else {
            continue;
        };
        let (stem, extension) = split(file);
        if matches!(extension, "md" | "conf") {
            continue;
        }
        // Other files with such names may serve as implementations; metadata without a task serves nobody.
        let Some(name) = short_name(module, stem) else {
            let text = if is_too_long(stem) {
                "is no task: its name is longer than 64 characters"
            } else if extension == "json" {
                "is metadata, and its name is not a task's"
            } else {
                continue;
            };
            lints.push(Lint {
                place: Shown(path).to_string(),
                text: text.to_owned(),
            });
            continue;
        };
        let task = tasks.entry(name).or_default();
        if extension == "json" {
            task.has_metadata = true;
        } else {
            task.executables.push(file.to_owned());
        }
    }
    (tasks, lints)
}

/// Whether all that keeps a name from being a task's is its length.
fn is_too_long(stem: &str) -> bool {
    let (beginning, rest) = stem.split_at_checked(1).unwrap_or(("", stem));
    let is_long = beginning.parse::<ModuleName>().is_ok() && stem.parse::<ModuleName>().is_err();
    is_long
        && rest
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// A file name without its last extension, and that extension without the dot. A leading dot begins no extension.
fn split(file: &str) -> (&str, &str) {
    match file.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => (stem, extension),
        _ => (file, ""),
    }
}
