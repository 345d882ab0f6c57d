//! Where a place of a file system can be seen: `/proc/self/mountinfo`, as a pure function of its text.
//!
//! One directory can be mounted at several places, so a path says little about what lies there. Here a place is
//! its file system and its path within it, and two places are compared by that.

use std::path::{Path, PathBuf};

/// One mount.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Mount {
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
struct Origin<'m> {
    device: &'m str,
    path: PathBuf,
}

/// Reads every line that has the usual form, in the order in which they were mounted.
pub(crate) fn read(text: &str) -> Vec<Mount> {
    text.lines().filter_map(read_line).collect()
}

fn read_line(line: &str) -> Option<Mount> {
    let (place, file_system) = line.split_once(" - ")?;
    let mut fields = place.split(' ').skip(2);
    let (device, root, point) = (fields.next()?, fields.next()?, fields.next()?);
    let kind = file_system.split(' ').next()?.to_owned();
    Some(Mount {
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

fn origin<'m>(mounts: &'m [Mount], path: &Path) -> Option<Origin<'m>> {
    // Of those above it the one with the longest path, and of equals the last, is the one that is seen.
    let above = mounts.iter().filter(|mount| path.starts_with(&mount.point));
    let mount = above.max_by_key(|mount| mount.point.components().count())?;
    let below = path.strip_prefix(&mount.point).ok()?;
    Some(Origin {
        device: &mount.device,
        path: join(&mount.root, below),
    })
}

fn join(path: &Path, below: &Path) -> PathBuf {
    if below.as_os_str().is_empty() {
        path.to_owned()
    } else {
        path.join(below)
    }
}

/// Every path at or below `granted` at which `place`, or something in it, is seen, by whatever way.
pub(crate) fn seen_below(mounts: &[Mount], granted: &Path, place: &Path) -> Vec<PathBuf> {
    let Some(place) = origin(mounts, place) else {
        return Vec::new();
    };
    let own = origin(mounts, granted).map(|origin| (origin, granted.to_owned()));
    let below = mounts
        .iter()
        .filter(|mount| mount.point != granted && mount.point.starts_with(granted))
        .map(|mount| {
            let origin = Origin {
                device: &mount.device,
                path: mount.root.clone(),
            };
            (origin, mount.point.clone())
        });
    let views = own.into_iter().chain(below);
    let seen = views.filter_map(|(origin, point)| {
        if origin.device != place.device {
            return None;
        }
        if origin.path.starts_with(&place.path) {
            return Some(point);
        }
        let rest = place.path.strip_prefix(&origin.path).ok()?;
        Some(join(&point, rest))
    });
    let mut seen: Vec<PathBuf> = seen.collect();
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
    fn lines_of_another_form_are_passed_over() {
        assert_eq!(read("nonsense\n\n1 2 3 - x").len(), 0);
        assert_eq!(read(MOUNTS).len(), 6);
    }
}
