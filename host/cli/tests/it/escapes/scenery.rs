//! What is looked at before and after an attack: the machine as a whole, and trees of files.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The ids that runs of root have, and that no file may keep.
pub(super) const THROWAWAY_IDS: std::ops::RangeInclusive<u32> = 0x7800_0000..=0x7BFF_FFFF;

/// What the machine says of itself that no task may change and no other test does.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Machine(BTreeMap<&'static str, String>);

impl Machine {
    const TOLD_BY: [&'static str; 12] = [
        "/proc/sys/kernel/hostname",
        "/proc/sys/kernel/domainname",
        "/proc/sys/kernel/core_pattern",
        "/proc/sys/kernel/randomize_va_space",
        "/proc/sys/kernel/modprobe",
        "/proc/sys/vm/overcommit_memory",
        "/proc/sys/net/ipv4/ip_forward",
        "/proc/sys/user/max_user_namespaces",
        "/proc/self/mountinfo",
        "/proc/swaps",
        "/proc/sysvipc/msg",
        "/proc/sysvipc/sem",
    ];

    pub(super) fn seen() -> Self {
        let told = Self::TOLD_BY.iter();
        Self(
            told.map(|place| (*place, fs::read_to_string(place).unwrap_or_default()))
                .collect(),
        )
    }

    #[track_caller]
    pub(super) fn is_unchanged(&self) {
        assert_eq!(*self, Self::seen());
    }
}

/// Every file of a tree with all that can be seen of it without opening it, and what it holds.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Picture {
    root: PathBuf,
    files: BTreeMap<PathBuf, String>,
}

impl Picture {
    pub(super) fn of(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        let mut files = BTreeMap::new();
        for path in tree(&root) {
            files.insert(path.clone(), look(&path));
        }
        Self { root, files }
    }

    #[track_caller]
    pub(super) fn is_unchanged(&self) {
        assert_eq!(*self, Self::of(&self.root));
    }
}

fn look(path: &Path) -> String {
    let found = fs::symlink_metadata(path).unwrap();
    let content = if found.is_file() {
        String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned()
    } else {
        fs::read_link(path).map_or_else(|_| String::new(), |target| target.display().to_string())
    };
    let mut names = vec![0; 4096];
    let length = rustix::fs::llistxattr(path, &mut names).unwrap_or(0);
    format!(
        "{:o} {}:{} x{} {} changed {}.{:09}, {:?}: {content}",
        found.mode(),
        found.uid(),
        found.gid(),
        found.nlink(),
        found.rdev(),
        found.ctime(),
        found.ctime_nsec(),
        String::from_utf8_lossy(&names[..length]),
    )
}

/// Every entry at or below `root`, without following links.
pub(super) fn tree(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(path) = waiting.pop() {
        if fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir()) {
            let entries = fs::read_dir(&path).into_iter().flatten().flatten();
            waiting.extend(entries.map(|entry| entry.path()));
        }
        found.push(path);
    }
    found
}

/// Asserts that no file below these places, nor one that stands in a place for all, is a throw-away user's.
#[track_caller]
pub(super) fn no_throwaway_owners(places: &[&Path]) {
    let shared = ["/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue", "/run"];
    let shared = shared.iter().filter_map(|place| fs::read_dir(place).ok());
    let entries = shared.flatten().flatten().map(|entry| entry.path());
    for path in places.iter().flat_map(|place| tree(place)).chain(entries) {
        // Other tests remove theirs meanwhile.
        let Ok(found) = fs::symlink_metadata(&path) else {
            continue;
        };
        assert!(
            !THROWAWAY_IDS.contains(&found.uid()) && !THROWAWAY_IDS.contains(&found.gid()),
            "`{}` belongs to {}:{}",
            path.display(),
            found.uid(),
            found.gid()
        );
    }
}
