//! A directory of its own for each test, with modules, data and a `HOST_HOME`, and the binary to use on them.

mod aftermath;
mod module;
mod process;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;
use tempfile::TempDir;

pub(crate) use aftermath::cgroups_of;
pub(crate) use module::ModuleDraft;
pub(crate) use process::{Host, Live, Ran};

/// Where the binary lies that is tested.
pub(crate) fn binary() -> PathBuf {
    std::env::var_os("HOST_TEST_BIN")
        .map_or_else(|| env!("CARGO_BIN_EXE_host").into(), PathBuf::from)
}

/// Where a readable copy of `host/cli/tests` lies.
pub(crate) fn data() -> PathBuf {
    let here = || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    std::env::var_os("HOST_TEST_DATA").map_or_else(here, PathBuf::from)
}

/// Where the guests lie that `cargo xtask guests` has built: each a module, or a bare program in `programs/`.
#[track_caller]
pub(crate) fn guests() -> PathBuf {
    let built = || {
        // The binary lies in the directory of its profile, below that of all builds.
        let builds = Path::new(env!("CARGO_BIN_EXE_host")).ancestors().nth(2);
        builds.unwrap().join("guests")
    };
    built_guests(std::env::var_os("HOST_TEST_GUESTS").map_or_else(built, PathBuf::from))
}

#[track_caller]
fn built_guests(guests: PathBuf) -> PathBuf {
    assert!(
        guests.is_dir(),
        "there is no `{}`: build the guests with `cargo xtask guests`",
        guests.display()
    );
    guests
}

/// Whether the tests run as root.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A directory with mode 0700 that goes away with the value.
#[derive(Debug)]
pub(crate) struct Lab {
    root: TempDir,
    marker: String,
}

/// Directories that a run does not have as its own, unlike what lies below `/tmp`.
const ELSEWHERE: [&str; 3] = [env!("CARGO_TARGET_TMPDIR"), "/srv", "/opt"];

impl Lab {
    pub(crate) fn new() -> Self {
        Self::within(&std::env::temp_dir()).unwrap()
    }

    /// One outside of what every run has as its own; none where there is no such place for whoever tests.
    pub(crate) fn elsewhere() -> Option<Self> {
        let places = ELSEWHERE.iter().map(Path::new);
        let mut places = places.filter(|place| !place.starts_with("/tmp"));
        places.find_map(Self::within)
    }

    fn within(place: &Path) -> Option<Self> {
        static LABS: AtomicU32 = AtomicU32::new(0);
        let marker = format!(
            "host-it-{}-{}-",
            std::process::id(),
            LABS.fetch_add(1, Ordering::Relaxed)
        );
        let root = tempfile::Builder::new()
            .prefix(&marker)
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir_in(place)
            .ok()?;
        Some(Self { root, marker })
    }

    /// A text that stands in the command line of `host`, of its keepers, and of every [`Lab::lingerer`].
    pub(crate) fn marker(&self) -> &str {
        &self.marker
    }

    /// A shell command that does nothing for five minutes and is found if it is left behind.
    pub(crate) fn lingerer(&self) -> String {
        format!("sh -c 'sleep 300; : {}'", self.marker)
    }

    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    /// A path below the lab, as text.
    pub(crate) fn path(&self, below: &str) -> String {
        self.root.path().join(below).to_str().unwrap().to_owned()
    }

    /// Where everything of `host` is.
    pub(crate) fn home(&self) -> PathBuf {
        self.root.path().join("home")
    }

    /// Writes a file below the lab, with the directories above it; returns its path.
    pub(crate) fn write(&self, below: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.root.path().join(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        self.path(below)
    }

    /// Makes a directory below the lab; returns its path.
    pub(crate) fn directory(&self, below: &str) -> String {
        fs::create_dir_all(self.root.path().join(below)).unwrap();
        self.path(below)
    }

    pub(crate) fn read(&self, below: &str) -> String {
        fs::read_to_string(self.root.path().join(below)).unwrap()
    }

    /// A module in `modules/NAME` of the lab.
    pub(crate) fn module(&self, name: &str) -> ModuleDraft {
        ModuleDraft::new(self.root.path().join("modules").join(name))
    }

    /// The module `demo` with a shell script as its own task, which declares nothing.
    pub(crate) fn shell(&self, script: &str) -> String {
        self.module("demo")
            .task("init.sh", &format!("#!/bin/sh\n{script}\n"), Value::Null)
            .build()
    }

    /// The same in Python.
    pub(crate) fn python(&self, script: &str) -> String {
        assert!(
            Path::new("/usr/bin/python3").exists(),
            "this test needs /usr/bin/python3 (package python3)"
        );
        self.module("demo")
            .task(
                "init.py",
                &format!("#!/usr/bin/python3\n{script}\n"),
                Value::Null,
            )
            .build()
    }

    /// `host` with these arguments, not started yet.
    pub(crate) fn host(&self, arguments: &[&str]) -> Host<'_> {
        Host::new(self, arguments)
    }

    /// Runs `host` to its end and looks at what it left.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.host(arguments).run()
    }

    /// Runs `host run` with `--output json` and returns its record.
    #[track_caller]
    pub(crate) fn record(&self, arguments: &[&str]) -> Value {
        self.run(&[&["--output", "json", "run"], arguments].concat())
            .record()
    }

    /// The lines of the journal; none when there is no journal. A torn line is left out.
    pub(crate) fn journal(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.home().join("state/journal.jsonl")).unwrap_or_default();
        text.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// The `event`s of the journal, in order.
    pub(crate) fn events(&self) -> Vec<String> {
        self.journal()
            .iter()
            .map(|line| line["event"].as_str().unwrap().to_owned())
            .collect()
    }

    /// The directory of a run in the spool.
    pub(crate) fn spool(&self, run: &str) -> PathBuf {
        self.home().join("state/runs").join(run)
    }

    /// The ids of the runs in the spool.
    pub(crate) fn spooled(&self) -> Vec<String> {
        let Ok(runs) = fs::read_dir(self.home().join("state/runs")) else {
            return Vec::new();
        };
        runs.map(|run| run.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    /// Every regular file below a directory of the lab.
    pub(crate) fn files(&self, below: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut waiting = vec![self.root.path().join(below)];
        while let Some(directory) = waiting.pop() {
            let Ok(entries) = fs::read_dir(directory) else {
                continue;
            };
            for entry in entries.map(Result::unwrap) {
                match entry.file_type().unwrap() {
                    kind if kind.is_dir() => waiting.push(entry.path()),
                    kind if kind.is_file() => found.push(entry.path()),
                    _ => {}
                }
            }
        }
        found
    }

    /// Asserts that no file below a directory of the lab holds `text`.
    #[track_caller]
    pub(crate) fn nowhere(&self, below: &str, text: &str) {
        for file in self.files(below) {
            let bytes = fs::read(&file).unwrap();
            let found = bytes
                .windows(text.len())
                .any(|window| window == text.as_bytes());
            assert!(!found, "`{}` holds `{text}`", file.display());
        }
    }
}

#[test]
#[should_panic(expected = "`cargo xtask guests`")]
fn guests_that_were_not_built_are_asked_for() {
    built_guests(Lab::new().root().join("guests"));
}
