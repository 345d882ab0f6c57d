//! Where a place of a file system can be seen: `/proc/self/mountinfo`, as a pure function of its bytes.
//!
//! One directory can be mounted at several places, so a path says little about what lies there. Here a place is
//! its file system and its path within it, and two places are compared by that. A path is bytes and no text: one
//! that was read as text is no longer below its parent.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsString;
use std::ops::Bound;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::places::Places;

/// One mount.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Mount {
    id: u64,
    /// The mount that it is mounted on.
    parent: u64,
    /// The device of its file system, `major:minor`.
    device: String,
    /// The directory of the file system that is mounted.
    root: PathBuf,
    /// Where.
    pub(crate) point: PathBuf,
    /// The type of its file system.
    pub(crate) kind: String,
}

/// Every mount of a process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mounts {
    /// By where they are; those at one place in the order in which they were mounted.
    at: BTreeMap<PathBuf, Vec<Mount>>,
    /// The one that is mounted on no other.
    first: Option<Mount>,
}

/// A place as its file system knows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Place {
    device: String,
    path: PathBuf,
}

impl Mounts {
    /// Reads every line that has the usual form.
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let lines = bytes.split(|byte| *byte == b'\n');
        let all: Vec<Mount> = lines.filter_map(read_line).collect();
        let ids: HashSet<u64> = all.iter().map(|mount| mount.id).collect();
        let first = all.iter().find(|mount| !ids.contains(&mount.parent));
        let first = first.cloned();
        let mut at: BTreeMap<PathBuf, Vec<Mount>> = BTreeMap::new();
        for mount in all {
            at.entry(mount.point.clone()).or_default().push(mount);
        }
        Self { at, first }
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Mount> {
        self.at.values().flatten()
    }

    /// What `path` is to its file system.
    pub(crate) fn place(&self, path: &Path) -> Option<Place> {
        let mount = self.holding(path)?;
        let below = path.strip_prefix(&mount.point).ok()?;
        Some(Place {
            device: mount.device.clone(),
            path: join(&mount.root, below),
        })
    }

    /// The mount in which `path` lies, found as the kernel walks there: one that was covered later is not seen.
    fn holding(&self, path: &Path) -> Option<&Mount> {
        let mut here = self.first.as_ref()?;
        let mut above: Vec<&Path> = path.ancestors().collect();
        above.reverse();
        for place in above {
            let there = self.at.get(place).map(Vec::as_slice).unwrap_or_default();
            // As many may lie on one another as there are.
            for _ in there {
                let on_top = there
                    .iter()
                    .find(|mount| mount.parent == here.id && mount.id != here.id);
                let Some(on_top) = on_top else { break };
                here = on_top;
            }
        }
        Some(here)
    }

    /// Those that lie below `path`, not at it.
    pub(crate) fn below(&self, path: &Path) -> impl Iterator<Item = &Mount> {
        self.at
            .range::<Path, _>((Bound::Excluded(path), Bound::Unbounded))
            .take_while(move |(point, _)| point.starts_with(path))
            .flat_map(|(_, mounts)| mounts)
    }

    /// Every path at or below `granted` at which `wanted`, or something in it, is seen, by whatever way.
    pub(crate) fn seen_below(&self, granted: &Path, wanted: &Place) -> Vec<PathBuf> {
        let own = self
            .place(granted)
            .and_then(|origin| seen_at(&origin, granted, wanted));
        let below = self.below(granted);
        let below = below.filter_map(|mount| mount.shows(wanted));
        let mut seen: Vec<PathBuf> = own.into_iter().chain(below).collect();
        seen.sort();
        seen.dedup();
        seen
    }

    /// What is seen at or below one of `granted`, and should not be: mounts of a type that is `forbidden`, and `own`
    /// places. A place is covered when something of the file system that is mounted at `cover` lies on it, or above it.
    pub(crate) fn uncovered(
        &self,
        cover: &Path,
        granted: &Places<'_>,
        own: &[Place],
        forbidden: impl Fn(&str) -> bool,
    ) -> Vec<PathBuf> {
        let all = self.at.values().flatten();
        let shown = all
            .filter(|mount| granted.cover(&mount.point))
            .flat_map(|mount| {
                let itself = forbidden(&mount.kind).then(|| mount.point.clone());
                let own = own.iter().filter_map(|place| mount.shows(place));
                itself.into_iter().chain(own)
            });
        let covering = self.holding(cover).map(|mount| mount.device.as_str());
        let is_seen = |path: &PathBuf| {
            let on_top = self.holding(path);
            on_top.is_none_or(|top| Some(top.device.as_str()) != covering)
        };
        let mut seen: Vec<PathBuf> = shown.filter(is_seen).collect();
        seen.sort();
        seen.dedup();
        seen
    }
}

fn read_line(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let (id, parent) = (number(fields.next()?)?, number(fields.next()?)?);
    let device = text(fields.next()?);
    let (root, point) = (unescape(fields.next()?), unescape(fields.next()?));
    // Behind its options stand as many more fields as there are, up to this one.
    fields.find(|field| field == b"-")?;
    Some(Mount {
        id,
        parent,
        device,
        root,
        point,
        kind: text(fields.next()?),
    })
}

fn number(field: &[u8]) -> Option<u64> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// A field that the kernel writes in ASCII.
fn text(field: &[u8]) -> String {
    String::from_utf8_lossy(field).into_owned()
}

/// mountinfo writes a blank, a backslash and what else would break a line as a backslash and three octal digits.
fn unescape(field: &[u8]) -> PathBuf {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, behind)) = rest.split_first() {
        if let (b'\\', Some((digits, behind))) = (first, behind.split_first_chunk::<3>())
            && let Some(byte) = octal(digits)
        {
            plain.push(byte);
            rest = behind;
        } else {
            plain.push(*first);
            rest = behind;
        }
    }
    PathBuf::from(OsString::from_vec(plain))
}

fn octal(digits: &[u8; 3]) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()
}

fn join(path: &Path, below: &Path) -> PathBuf {
    if below.as_os_str().is_empty() {
        path.to_owned()
    } else {
        path.join(below)
    }
}

/// Where `wanted`, or something in it, is seen if `origin` is mounted at `point`.
fn seen_at(origin: &Place, point: &Path, wanted: &Place) -> Option<PathBuf> {
    if origin.device != wanted.device {
        return None;
    }
    if origin.path.starts_with(&wanted.path) {
        return Some(point.to_owned());
    }
    let rest = wanted.path.strip_prefix(&origin.path).ok()?;
    Some(join(point, rest))
}

impl Mount {
    fn shows(&self, wanted: &Place) -> Option<PathBuf> {
        let origin = Place {
            device: self.device.clone(),
            path: self.root.clone(),
        };
        seen_at(&origin, &self.point, wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
22 21 0:5 / /proc rw - proc proc rw
23 21 8:2 / /home rw - ext4 /dev/sda2 rw
24 21 8:1 /var/lib/host /mnt/alias rw - ext4 /dev/sda1 rw
25 21 8:1 /var/lib/host/runs /srv/a\\040b rw - ext4 /dev/sda1 rw
26 21 8:1 / /mnt/again rw - ext4 /dev/sda1 rw
";

    fn check(granted: &str, place: &str, expected: &[&str]) {
        let mounts = Mounts::read(MOUNTS.as_bytes());
        let place = mounts.place(Path::new(place)).unwrap();
        let seen = mounts.seen_below(Path::new(granted), &place);
        let expected: Vec<PathBuf> = expected.iter().map(PathBuf::from).collect();
        assert_eq!(seen, expected, "{place:?} below {granted}");
    }

    #[test]
    fn a_place_is_found_below_a_grant_by_every_way() {
        check("/var", "/var/lib/host", &["/var/lib/host"]);
        check(
            "/var/lib/host/runs",
            "/var/lib/host",
            &["/var/lib/host/runs"],
        );
        check("/mnt/alias", "/var/lib/host", &["/mnt/alias"]);
        check("/mnt/alias/x", "/var/lib/host", &["/mnt/alias/x"]);
        check("/srv", "/var/lib/host", &["/srv/a b"]);
        check(
            "/mnt",
            "/var/lib/host",
            &["/mnt/again/var/lib/host", "/mnt/alias"],
        );
        check("/home", "/var/lib/host", &[]);
        check("/etc", "/var/lib/host", &[]);
        check("/home", "/home/u/.config/host", &["/home/u/.config/host"]);
    }

    #[test]
    fn a_mount_that_was_covered_later_is_not_what_is_seen() {
        let text = "\
21 1 8:1 / / rw - ext4 /dev/sda1 rw
22 21 0:40 / /m/b rw - tmpfs none rw
23 21 8:1 /m /m rw - ext4 /dev/sda1 rw
24 21 8:1 /m/b/home /above/alias rw - ext4 /dev/sda1 rw
25 24 0:41 / /above/alias rw - tmpfs none rw
26 21 8:1 /m/b/home /above/other rw - ext4 /dev/sda1 rw
";
        let mounts = Mounts::read(text.as_bytes());
        let place = mounts.place(Path::new("/m/b/home")).unwrap();
        let seen = mounts.seen_below(Path::new("/above"), &place);
        assert!(seen.contains(&PathBuf::from("/above/other")), "{seen:?}");
    }

    #[test]
    fn what_is_not_covered_is_found_by_what_it_is() {
        let own = Place {
            device: "8:1".to_owned(),
            path: "/var/lib/host".into(),
        };
        let check = |mounts: &str, expected: &[&str]| {
            let text = format!(
                "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
                 30 21 0:50 / /tmp rw - tmpfs none rw\n\
                 31 30 8:1 /srv /tmp/srv rw - ext4 /dev/sda1 rw\n{mounts}"
            );
            let granted = [Path::new("/tmp/srv")].into_iter().collect();
            let own = std::slice::from_ref(&own);
            let kernel = |kind: &str| kind == "sysfs";
            let mounts = Mounts::read(text.as_bytes());
            let seen = mounts.uncovered(Path::new("/tmp"), &granted, own, kernel);
            let expected: Vec<PathBuf> = expected.iter().map(PathBuf::from).collect();
            assert_eq!(seen, expected, "{text}");
        };
        check("", &[]);
        let keys = "40 31 8:1 /var/lib/host/keys /tmp/srv/c/b rw - ext4 /dev/sda1 rw\n";
        check(keys, &["/tmp/srv/c/b"]);
        check(
            &format!("{keys}41 40 0:50 /dev/empty /tmp/srv/c/b rw - tmpfs none rw\n"),
            &[],
        );
        check(
            &format!("{keys}41 40 0:51 / /tmp/srv/c/b rw - tmpfs none rw\n"),
            &["/tmp/srv/c/b"],
        );
        let above = "40 31 8:1 /var /tmp/srv/v rw - ext4 /dev/sda1 rw\n";
        check(above, &["/tmp/srv/v/lib/host"]);
        check(
            &format!("{above}41 40 0:50 /dev/empty /tmp/srv/v/lib/host rw - tmpfs none rw\n"),
            &[],
        );
        check(
            "40 31 0:22 / /tmp/srv/s rw - sysfs none rw\n",
            &["/tmp/srv/s"],
        );
        check("40 30 0:22 / /tmp/elsewhere rw - sysfs none rw\n", &[]);
    }

    /// A mount point that is no UTF-8 was read as another path, which lies below nothing.
    #[test]
    fn a_mount_point_is_bytes_and_no_text() {
        let text = b"\
21 1 8:1 / / rw - ext4 /dev/sda1 rw
22 21 0:5 / /srv/\xff\\134040\\040\\043/p rw shared:1 master:2 - proc proc rw
23 21 8:1 /home/\xfe /srv/\xff/h rw - ext4 /dev/sda1 rw
";
        let mounts = Mounts::read(text);
        let path = |bytes: &[u8]| PathBuf::from(OsString::from_vec(bytes.to_vec()));
        let at = path(b"/srv/\xff\\040 #");
        let points: Vec<&Path> = mounts
            .below(&at)
            .map(|mount| mount.point.as_path())
            .collect();
        assert_eq!(points, [at.join("p")]);
        let granted = [at.as_path()].into_iter().collect();
        let seen = mounts.uncovered(Path::new("/tmp"), &granted, &[], |kind| kind == "proc");
        // The cover is of the file system of `/`, and nothing of that lies on it.
        assert_eq!(seen, [at.join("p")]);
        let own = mounts.place(&path(b"/home/\xfe/keys")).unwrap();
        let seen = mounts.seen_below(&path(b"/srv/\xff"), &own);
        assert_eq!(seen, [path(b"/srv/\xff/h/keys")]);
    }

    #[test]
    fn lines_of_another_form_are_passed_over() {
        let count = |text: &str| Mounts::read(text.as_bytes()).at.len();
        assert_eq!(count("nonsense\n\n1 2 3 - x"), 0);
        assert_eq!(count(MOUNTS), 6);
    }
}
