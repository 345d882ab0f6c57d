//! Where a place of a file system can be seen: `/proc/self/mountinfo`, as a pure function of its text.
//!
//! One directory can be mounted at several places, so a path says little about what lies there. Here a place is
//! its file system and its path within it, and two places are compared by that.

use std::path::{Path, PathBuf};

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

/// A place as its file system knows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Place {
    device: String,
    path: PathBuf,
}

/// Reads every line that has the usual form, in the order in which they were mounted.
pub(crate) fn read(text: &str) -> Vec<Mount> {
    text.lines().filter_map(read_line).collect()
}

fn read_line(line: &str) -> Option<Mount> {
    let (place, file_system) = line.split_once(" - ")?;
    let mut fields = place.split(' ');
    let (id, parent) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    let (device, root, point) = (fields.next()?, fields.next()?, fields.next()?);
    let kind = file_system.split(' ').next()?.to_owned();
    Some(Mount {
        id,
        parent,
        device: device.to_owned(),
        root: unescape(root),
        point: unescape(point),
        kind,
    })
}

/// mountinfo writes blanks and backslashes as three octal digits.
fn unescape(text: &str) -> PathBuf {
    let plain = [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ];
    PathBuf::from(
        plain
            .iter()
            .fold(text.to_owned(), |text, (from, to)| text.replace(from, to)),
    )
}

/// What `path` is to its file system.
pub(crate) fn place(mounts: &[Mount], path: &Path) -> Option<Place> {
    let mount = mount_of(mounts, path)?;
    let below = path.strip_prefix(&mount.point).ok()?;
    Some(Place {
        device: mount.device.clone(),
        path: join(&mount.root, below),
    })
}

/// The mount in which `path` lies, found as the kernel walks there: one that was covered later is not seen.
fn mount_of<'m>(mounts: &'m [Mount], path: &Path) -> Option<&'m Mount> {
    let is_first = |mount: &&Mount| !mounts.iter().any(|other| other.id == mount.parent);
    let mut here = mounts.iter().find(is_first)?;
    let mut above: Vec<&Path> = path.ancestors().collect();
    above.reverse();
    for place in above {
        // As many may lie on one another as there are.
        for _ in mounts {
            let on_top = mounts.iter().find(|mount| {
                mount.parent == here.id && mount.id != here.id && mount.point == place
            });
            let Some(on_top) = on_top else { break };
            here = on_top;
        }
    }
    Some(here)
}

fn join(path: &Path, below: &Path) -> PathBuf {
    if below.as_os_str().is_empty() {
        path.to_owned()
    } else {
        path.join(below)
    }
}

/// Every path at or below `granted` at which `wanted`, or something in it, is seen, by whatever way.
pub(crate) fn seen_below(mounts: &[Mount], granted: &Path, wanted: &Path) -> Vec<PathBuf> {
    let Some(wanted) = place(mounts, wanted) else {
        return Vec::new();
    };
    let own = place(mounts, granted).and_then(|origin| seen_at(&origin, granted, &wanted));
    let below = mounts
        .iter()
        .filter(|mount| mount.point != granted && mount.point.starts_with(granted))
        .filter_map(|mount| mount.shows(&wanted));
    let mut seen: Vec<PathBuf> = own.into_iter().chain(below).collect();
    seen.sort();
    seen.dedup();
    seen
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

/// What is seen at or below one of `granted`, and should not be: mounts of a type that is `forbidden`, and `own` places.
/// A place is covered when something of the file system that is mounted at `cover` lies on it, or above it.
pub(crate) fn uncovered(
    mounts: &[Mount],
    cover: &Path,
    granted: &[PathBuf],
    own: &[Place],
    forbidden: impl Fn(&str) -> bool,
) -> Vec<PathBuf> {
    let is_granted = |path: &Path| granted.iter().any(|granted| path.starts_with(granted));
    let shown = mounts
        .iter()
        .filter(|mount| is_granted(&mount.point))
        .flat_map(|mount| {
            let itself = forbidden(&mount.kind).then(|| mount.point.clone());
            let own = own.iter().filter_map(|place| mount.shows(place));
            itself.into_iter().chain(own)
        });
    let covering = mount_of(mounts, cover).map(|mount| mount.device.as_str());
    let is_seen = |path: &PathBuf| {
        let on_top = mount_of(mounts, path);
        on_top.is_none_or(|top| Some(top.device.as_str()) != covering)
    };
    let mut seen: Vec<PathBuf> = shown.filter(is_seen).collect();
    seen.sort();
    seen.dedup();
    seen
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
        let mounts = read(MOUNTS);
        let seen = seen_below(&mounts, Path::new(granted), Path::new(place));
        let expected: Vec<PathBuf> = expected.iter().map(PathBuf::from).collect();
        assert_eq!(seen, expected, "{place} below {granted}");
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
        let mounts = read(text);
        let seen = seen_below(&mounts, Path::new("/above"), Path::new("/m/b/home"));
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
            let granted = [PathBuf::from("/tmp/srv")];
            let own = std::slice::from_ref(&own);
            let kernel = |kind: &str| kind == "sysfs";
            let seen = uncovered(&read(&text), Path::new("/tmp"), &granted, own, kernel);
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

    #[test]
    fn lines_of_another_form_are_passed_over() {
        assert_eq!(read("nonsense\n\n1 2 3 - x").len(), 0);
        assert_eq!(read(MOUNTS).len(), 6);
    }
}
