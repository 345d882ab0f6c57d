//! Looks at what the machine has at a path, by descriptors that open nothing.
//!
//! INVARIANT: only file systems of this machine are walked on. A look-up below an automounter's mount makes it mount what it
//! is asked for, one on a file system of the network goes out into that network, and one in FUSE reaches whoever serves it:
//! a run names the paths that are looked for, so it would speak to all of these through the recorder, which has the machine's
//! rights. Which mounts there are is read once; what is mounted later is not crossed.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use host_core::CanonicalPath;
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};

use super::naming::{Found, Kind, Machine, Unlooked};
use super::walk::{self, Step, Stray, Tree};
use crate::guard;
use crate::mountinfo;
use crate::read::read_mountinfo;

/// The types of file systems that are this machine's own: a look-up on one asks nobody else.
const LOCAL: [&str; 28] = [
    "bcachefs", "btrfs", "cramfs", "devtmpfs", "erofs", "exfat", "ext2", "ext3", "ext4", "f2fs",
    "hfsplus", "iso9660", "jfs", "msdos", "nilfs2", "ntfs3", "overlay", "ramfs", "reiserfs",
    "romfs", "rootfs", "squashfs", "tmpfs", "udf", "ufs", "vfat", "xfs", "zfs",
];

/// This machine, with its mounts as they are when it is first looked at.
#[derive(Debug, Default)]
pub(super) struct OnMachine(OnceCell<Option<Mounts>>);

/// The root directory, and what is mounted where.
#[derive(Debug)]
struct Mounts {
    root: OwnedFd,
    points: Points,
}

/// The places where something is mounted, and whether all that is mounted there is local.
#[derive(Debug, Default)]
struct Points(BTreeMap<String, bool>);

impl Points {
    /// Nothing where a line is not understood: what it says could be what must be known.
    fn read(mountinfo: &[u8]) -> Option<Self> {
        let mounts = mountinfo::Mounts::read(mountinfo);
        let lines = mountinfo.split(|byte| *byte == b'\n');
        if mounts.iter().count() != lines.filter(|line| !line.is_empty()).count() {
            return None;
        }
        let mut points = BTreeMap::new();
        for mount in mounts.iter() {
            let is_local = LOCAL.contains(&mount.kind.as_str());
            let point = mount.point.to_string_lossy().into_owned();
            *points.entry(point).or_insert(true) &= is_local;
        }
        Some(Self(points))
    }

    /// Whether it lies at or below a mount that is not to be walked on.
    fn is_shut(&self, name: &str) -> bool {
        walk::at_or_above(name).any(|above| self.0.get(above) == Some(&false))
    }
}

impl Mounts {
    fn read() -> Option<Self> {
        let points = Points::read(&read_mountinfo().ok()?)?;
        let how = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open("/", how, Mode::empty()).ok()?;
        (!points.is_shut("/")).then_some(Self { root, points })
    }
}

impl Tree for Mounts {
    type Place = OwnedFd;

    fn root(&self) -> Option<OwnedFd> {
        self.root.try_clone().ok()
    }

    fn step(&self, directory: &OwnedFd, segment: &str, name: &str) -> Step<OwnedFd> {
        let limits = match self.points.0.get(name) {
            Some(false) => return Step::Shut,
            Some(true) => ResolveFlags::empty(),
            None => ResolveFlags::NO_XDEV,
        };
        walk::step(directory, segment, limits)
    }
}

impl OnMachine {
    fn mounts(&self) -> Option<&Mounts> {
        self.0.get_or_init(Mounts::read).as_ref()
    }
}

impl Machine for OnMachine {
    fn look(&self, path: &CanonicalPath, follows_last: bool) -> Result<Found, Unlooked> {
        let mounts = self.mounts().ok_or(Unlooked)?;
        let walked = match walk::walk(mounts, path.as_str(), follows_last) {
            Ok(walked) => walked,
            Err(Stray::Round) => {
                return Ok(Found {
                    name: path.clone(),
                    kind: Kind::Missing,
                });
            }
            Err(Stray::Shut) => return Err(Unlooked),
        };
        let kind = match &walked.place {
            Some(place) => kind(place),
            None if walked.is_link => Kind::Link,
            None => Kind::Missing,
        };
        let name = walked.name.parse().map_err(|_| Unlooked)?;
        Ok(Found { name, kind })
    }

    fn is_shut(&self, name: &str) -> bool {
        self.mounts()
            .is_none_or(|mounts| mounts.points.is_shut(name))
    }
}

fn kind(place: &OwnedFd) -> Kind {
    match walk::kind_of_file(place) {
        Some(FileType::Socket) => Kind::Socket,
        Some(_) if guard::shows_the_kernel(place) => Kind::Other,
        Some(FileType::RegularFile) => Kind::File,
        Some(FileType::Directory) => Kind::Directory,
        Some(_) => Kind::Other,
        None => Kind::Missing,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn path(text: &str) -> CanonicalPath {
        text.parse().unwrap()
    }

    #[test]
    fn a_place_is_told_by_the_name_that_no_link_is_in() {
        let lab = tempfile::tempdir().unwrap();
        let root = lab.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("releases/5")).unwrap();
        std::fs::File::create(root.join("releases/5/app.conf")).unwrap();
        symlink("releases/5", root.join("current")).unwrap();
        symlink("../../current/app.conf", root.join("releases/5/again")).unwrap();
        symlink("round", root.join("round")).unwrap();
        symlink("/nonexistent", root.join("nowhere")).unwrap();
        let below = |below: &str| path(root.join(below).to_str().unwrap());
        let machine = OnMachine::default();
        let look = |name: &str| machine.look(&below(name), true).unwrap();
        let real = below("releases/5/app.conf");
        for name in ["releases/5/app.conf", "current/app.conf", "current/again"] {
            let found = look(name);
            assert_eq!(
                (found.name, found.kind),
                (real.clone(), Kind::File),
                "{name}"
            );
        }
        assert_eq!(look("current").kind, Kind::Directory);
        assert_eq!(look("current/none").name, below("releases/5/none"));
        assert_eq!(look("current/none").kind, Kind::Missing);
        assert_eq!(look("round").kind, Kind::Missing);
        assert_eq!(look("nowhere").name.as_str(), "/nonexistent");
        let itself = machine.look(&below("current"), false).unwrap();
        assert_eq!((itself.name, itself.kind), (below("current"), Kind::Link));
        let below_it = machine.look(&below("current/again"), false).unwrap();
        assert_eq!(below_it.name, below("releases/5/again"));
        let null = machine.look(&path("/dev/null"), true).unwrap();
        assert_eq!(null.kind, Kind::Other);
    }

    /// The recorder looked below an automounter's mount for names that a run had made up, and the automounter went to find
    /// them.
    #[test]
    fn only_file_systems_of_this_machine_are_walked_on() {
        let lab = tempfile::tempdir().unwrap();
        let root = lab.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("net/host/share")).unwrap();
        std::fs::create_dir_all(root.join("disk")).unwrap();
        symlink("net/host", root.join("link")).unwrap();
        let at = |below: &str| root.join(below).to_str().unwrap().to_owned();
        let mounts = |kind: &str| {
            let (net, disk) = (at("net"), at("net/host"));
            let lines = format!(
                "1 0 8:1 / / rw - ext4 d rw\n2 1 0:9 / {net} rw - {kind} auto.net rw\n3 2 8:2 / {disk} rw - ext4 d rw\n"
            );
            Points::read(lines.as_bytes()).unwrap()
        };
        let look = |kind: &str, below: &str| {
            let how = OFlags::PATH | OFlags::DIRECTORY;
            let root = rustix::fs::open("/", how, Mode::empty()).unwrap();
            let points = mounts(kind);
            let machine = OnMachine(OnceCell::from(Some(Mounts { root, points })));
            machine.look(&path(&at(below)), true).is_ok()
        };
        for kind in ["autofs", "nfs4", "cifs", "fuse.sshfs", "9p", "afs", "proc"] {
            // What lies on it is local, and the way there is not.
            for below in [
                "net",
                "net/host",
                "net/host/share",
                "net/none",
                "link/share",
            ] {
                assert!(!look(kind, below), "{below} of {kind}");
            }
            assert!(look(kind, "disk") && look(kind, "none"), "{kind}");
        }
        for below in ["net", "net/host/share", "link/share"] {
            assert!(look("xfs", below), "{below}");
        }
        let points = mounts("autofs");
        assert!(points.is_shut(&at("net")) && points.is_shut(&at("net/host/share")));
        assert!(!points.is_shut(&at("disk")) && !points.is_shut("/"));
    }

    #[test]
    fn a_mount_that_the_list_does_not_have_is_not_crossed() {
        let how = OFlags::PATH | OFlags::DIRECTORY;
        let root = rustix::fs::open("/", how, Mode::empty()).unwrap();
        let points = Points::read(b"1 0 8:1 / / rw - ext4 d rw\n").unwrap();
        let machine = OnMachine(OnceCell::from(Some(Mounts { root, points })));
        assert_eq!(machine.look(&path("/proc/self"), true), Err(Unlooked));
        assert!(machine.look(&path("/nonexistent"), true).is_ok());
    }

    #[test]
    fn nothing_is_walked_on_where_the_mounts_are_not_known() {
        assert!(Points::read(b"1 0 8:1 / / rw - ext4 d rw\nsomething else\n").is_none());
        let machine = OnMachine(OnceCell::from(None));
        assert_eq!(machine.look(&path("/etc"), true), Err(Unlooked));
        assert!(machine.is_shut("/etc"));
        let machine = OnMachine::default();
        assert_eq!(
            machine.look(&path("/proc/self/status"), true),
            Err(Unlooked)
        );
    }
}
