//! The mounts of a jail, made as detached trees before anything is attached.
//!
//! Root makes them in the machine's namespace, so that they belong to root and the task can change none of
//! them; an ordinary user's init makes the same trees in its own namespace. Either way [`crate::init`]
//! attaches [`Tree::system`] and then the rest in the order in which it stands in [`Tree::attach`].

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use host_core::Limits;
use rustix::fs::{Mode, OFlags};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, OpenTreeFlags};

use crate::guard::{self, Guarded, Hidden, Opened};
use crate::idmap::IdMaps;
use crate::mountinfo::Place;
use crate::recipe::{JailRecipe, Opening, SYSTEM_PATHS};
use crate::secrets;
use crate::setup::{SetupError, WallStep};
use crate::skeleton::{self, Root, SCRATCH_PARTS};
use crate::sys::{self, MountChange};

const RDONLY: u64 = libc::MOUNT_ATTR_RDONLY;
/// For everything of the machine that a run sees without a grant.
const READ_ONLY: MountChange<'static> = MountChange {
    set: RDONLY | NOSUID_NODEV,
    userns: None,
    recursive: true,
};
const NOSUID_NODEV: u64 = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
const IDMAP: u64 = libc::MOUNT_ATTR_IDMAP;

/// The device nodes that every task has.
pub(crate) const DEVICES: [(&str, u32, u32); 5] = [
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
];
/// Directories of `/etc` that programs need as they are.
pub(crate) const ETC_DIRECTORIES: [&str; 5] = [
    "/etc/alternatives",
    "/etc/ssl/certs",
    "/etc/pki/tls/certs",
    "/etc/pki/ca-trust/extracted",
    "/etc/ca-certificates",
];
/// How much is told of why one opening could not be made, so that all of it fits into one message.
const CAUSE_BYTES_MAX: usize = 80;
/// How much is noted of one wall before no more is added, in bytes.
const NOTE_BYTES_MAX: usize = 1_024;
/// Room for what the jail itself writes to its root, in bytes and inodes.
const ROOT_BYTES: u64 = 16 * 1024 * 1024;
const ROOT_INODES: usize = 128 * 1024;
/// Room for the files of a task, in bytes; whoever makes a recipe lets none have more.
const INSTALLED_BYTES_MAX: u64 = 1 << 30;

/// A detached mount and where it goes, relative to the root of the jail.
#[derive(Debug)]
pub(crate) struct Attach {
    pub(crate) mount: OwnedFd,
    pub(crate) target: PathBuf,
}

/// Everything that init attaches.
#[derive(Debug)]
pub(crate) struct Tree {
    /// The root file system.
    pub(crate) root: OwnedFd,
    /// The machine's system and devices, of which none lies in another.
    pub(crate) system: Vec<Attach>,
    /// Files and directories from the machine, parents first.
    pub(crate) attach: Vec<Attach>,
    /// The writable file system whose parts become `/tmp`, `/scratch`, `/out` and `/dev/shm`.
    pub(crate) scratch: OwnedFd,
    /// Where what was granted is mounted, relative to the root of the jail.
    pub(crate) granted: Vec<PathBuf>,
    /// Places inside that are covered.
    pub(crate) hidden: Vec<Hidden>,
    /// Host's own places, as their file systems know them.
    pub(crate) own: Vec<Place>,
    /// Openings that could not be made, by their places in the recipe, and why.
    pub(crate) not_opened: Vec<(usize, String)>,
    /// Where the walls are lower than asked for by nobody, said in the record.
    pub(crate) notes: Vec<(String, String)>,
}

impl Tree {
    fn grant(&mut self, mount: OwnedFd, target: PathBuf, hidden: Vec<Hidden>) {
        self.granted.push(target.clone());
        self.attach.push(Attach { mount, target });
        self.hidden.extend(hidden);
    }

    fn note(&mut self, wall: &str, note: &str) {
        if let Some((_, noted)) = self.notes.iter_mut().find(|(noted, _)| noted == wall) {
            if noted.len() < NOTE_BYTES_MAX {
                noted.push_str("; ");
                noted.push_str(note);
            }
        } else {
            self.notes.push((wall.to_owned(), note.to_owned()));
        }
    }
}

/// The root of a jail as far as it is the same for all of them.
#[derive(Debug)]
pub(crate) struct Base {
    root: Root,
    system: Vec<Attach>,
    is_function: bool,
    scratch: Option<Scratch>,
}

/// An empty file system that can be written to, with the ceilings that it was made with.
#[derive(Debug)]
struct Scratch {
    mount: OwnedFd,
    bytes: u64,
    inodes: u64,
}

impl Scratch {
    fn of(limits: &Limits) -> Result<Self, SetupError> {
        let (bytes, inodes) = (limits.scratch().bytes(), limits.inodes());
        let most = usize::try_from(inodes).unwrap_or(usize::MAX);
        Ok(Self {
            mount: temporary_file_system(bytes, most, "the scratch file system")?,
            bytes,
            inodes,
        })
    }

    fn fits(&self, limits: &Limits) -> bool {
        self.bytes == limits.scratch().bytes() && self.inodes == limits.inodes()
    }
}

impl Base {
    /// The root of a jail: for a program with the machine's system, for a function with nothing of the machine.
    pub(crate) fn of(is_function: bool) -> Result<Self, SetupError> {
        let bytes = ROOT_BYTES + INSTALLED_BYTES_MAX;
        let root = temporary_file_system(bytes, ROOT_INODES, "the root file system")?;
        let (root, system) = if is_function {
            (skeleton::bare(root)?, Vec::new())
        } else {
            let root = skeleton::base(root)?;
            let mut system = system_mounts()?;
            system.extend(device_mounts()?);
            (root, system)
        };
        Ok(Self {
            root,
            system,
            is_function,
            scratch: None,
        })
    }

    /// The same before its run is known, with the scratch file system of one that has the default limits.
    pub(crate) fn guessed(is_function: bool) -> Result<Self, SetupError> {
        Ok(Self {
            scratch: Some(Scratch::of(&Limits::default())?),
            ..Self::of(is_function)?
        })
    }

    /// Whether it is one for `recipe`.
    pub(crate) fn fits(&self, recipe: &JailRecipe) -> bool {
        self.is_function == recipe.is_function()
    }
}

/// Makes the mounts of `recipe`, beginning with what they all have.
pub(crate) fn prepare(recipe: &JailRecipe, base: Base) -> Result<Tree, SetupError> {
    let Base {
        root,
        system,
        scratch,
        ..
    } = base;
    let mut guarded = Vec::with_capacity(recipe.openings.len());
    let mut not_opened = Vec::new();
    for (index, opening) in recipe.openings_in_order() {
        match guard::open_or_do_without(opening, &recipe.never)? {
            Opened::Guarded(opened) => guarded.push((opened, opening.clone())),
            Opened::Without(cause) => {
                let end = cause.floor_char_boundary(CAUSE_BYTES_MAX);
                not_opened.push((index, cause.get(..end).unwrap_or_default().to_owned()));
            }
        }
    }
    let shows_nothing = guarded.is_empty() && recipe.configured().is_empty();
    let own = if shows_nothing {
        Vec::new()
    } else {
        guard::places(&recipe.never).step("look up host's own places")?
    };
    let root = skeleton::root(recipe, &guarded, root)?;
    let scratch = match scratch {
        Some(scratch) if scratch.fits(&recipe.limits) => scratch,
        _ => Scratch::of(&recipe.limits)?,
    };
    let scratch = skeleton::scratch(recipe, &guarded, scratch.mount)?;
    let mut tree = Tree {
        root,
        system,
        attach: Vec::new(),
        scratch,
        granted: Vec::new(),
        hidden: Vec::new(),
        own,
        not_opened,
        notes: Vec::new(),
    };
    tree.system.extend(secrets::mount(recipe)?);
    attach_system_paths(recipe, &mut tree)?;
    let mut maps = IdMaps::for_recipe(recipe);
    for (guarded, opening) in guarded {
        attach_opening(&opening, guarded, &mut maps, &mut tree)?;
    }
    let change = MountChange {
        set: RDONLY | NOSUID_NODEV,
        userns: None,
        recursive: false,
    };
    sys::mount_setattr(tree.root.as_fd(), &change).step("make the root read only")?;
    Ok(tree)
}

/// A tmpfs with these ceilings, attached nowhere.
fn temporary_file_system(bytes: u64, inodes: usize, what: &str) -> Result<OwnedFd, SetupError> {
    let step = format!("make {what}");
    let context = rustix::mount::fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC).step(&step)?;
    let context = context.as_fd();
    rustix::mount::fsconfig_set_string(context, "size", bytes.to_string()).step(&step)?;
    rustix::mount::fsconfig_set_string(context, "nr_inodes", inodes.to_string()).step(&step)?;
    rustix::mount::fsconfig_set_string(context, "mode", "755").step(&step)?;
    rustix::mount::fsconfig_create(context).step(&step)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    rustix::mount::fsmount(context, FsMountFlags::FSMOUNT_CLOEXEC, attributes).step(&step)
}

/// The read-only system; where the machine has links, the skeleton has too.
fn system_mounts() -> Result<Vec<Attach>, SetupError> {
    let mut attach = Vec::new();
    let etc = ETC_DIRECTORIES.iter().map(Path::new);
    for path in SYSTEM_PATHS.iter().map(Path::new).chain(etc) {
        if std::fs::symlink_metadata(path).is_ok_and(|found| found.is_dir()) {
            let step = format!("mount `{}`", path.display());
            let mount = clone_of_path(path).step(&step)?;
            sys::mount_setattr(mount.as_fd(), &READ_ONLY).step(&step)?;
            attach.push(Attach {
                mount,
                target: relative(path),
            });
        }
    }
    Ok(attach)
}

/// What the node's configuration adds to the system: it opens no more than a grant for reading would.
fn attach_system_paths(recipe: &JailRecipe, tree: &mut Tree) -> Result<(), SetupError> {
    for path in recipe.configured() {
        // A link is a link inside too.
        if std::fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink()) {
            continue;
        }
        let opening = Opening {
            path: path.clone(),
            writable: false,
            optional: true,
            capabilities: Vec::new(),
        };
        match guard::open_or_do_without(&opening, &recipe.never)? {
            Opened::Guarded(guarded) => {
                let mount = clone_of(&guarded, &opening)?;
                set(&mount, &READ_ONLY, &opening)?;
                tree.grant(mount, relative(path), guarded.hidden);
            }
            Opened::Without(cause) => {
                let note = format!("without `{}`: {cause}", path.display());
                tree.note("system_paths", &note);
            }
        }
    }
    Ok(())
}

fn device_mounts() -> Result<Vec<Attach>, SetupError> {
    let mut attach = Vec::new();
    for (name, major, minor) in DEVICES {
        let path = Path::new("/dev").join(name);
        let step = format!("mount `{}`", path.display());
        let mount = clone_of_path(&path).step(&step)?;
        let device = rustix::fs::fstat(&mount).step(&step)?;
        let (found_major, found_minor) = (
            rustix::fs::major(device.st_rdev),
            rustix::fs::minor(device.st_rdev),
        );
        if device.st_mode & 0o170_000 != 0o020_000 || (found_major, found_minor) != (major, minor) {
            return Err(SetupError::wall(
                &step,
                std::io::Error::other("it is not the device of that name"),
            ));
        }
        let change = MountChange {
            // Read only: a device is written to all the same, and its times and modes stay as they are.
            set: RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NOEXEC,
            userns: None,
            recursive: false,
        };
        sys::mount_setattr(mount.as_fd(), &change).step(&step)?;
        attach.push(Attach {
            mount,
            target: relative(&path),
        });
    }
    Ok(attach)
}

/// Clones the mount of one grant with its attributes, and remembers what must be hidden in it.
fn attach_opening(
    opening: &Opening,
    guarded: Guarded,
    maps: &mut IdMaps,
    tree: &mut Tree,
) -> Result<(), SetupError> {
    let mode = if opening.writable { 0 } else { RDONLY };
    let map = maps.of(guard::owner(&guarded))?;
    let mut mount = clone_of(&guarded, opening)?;
    let plain = MountChange {
        set: mode | NOSUID_NODEV,
        userns: None,
        recursive: true,
    };
    if let Some(map) = map {
        let mapped = MountChange {
            set: plain.set | IDMAP,
            userns: Some(map.as_fd()),
            recursive: true,
        };
        if let Err(error) = sys::mount_setattr(mount.as_fd(), &mapped) {
            if opening.writable {
                return Err(no_idmap(opening, error));
            }
            let place = opening.path.display();
            let note = format!("none on {place}: read with the rights of a stranger");
            tree.note("idmap", &note);
            mount = clone_of(&guarded, opening)?;
            set(&mount, &plain, opening)?;
        }
    } else {
        set(&mount, &plain, opening)?;
    }
    tree.grant(mount, relative(&opening.path), guarded.hidden);
    Ok(())
}

fn no_idmap(opening: &Opening, cause: std::io::Error) -> SetupError {
    let owner =
        std::fs::metadata(&opening.path).map(|found| std::os::unix::fs::MetadataExt::uid(&found));
    let hint = match owner {
        // No run is root.
        Ok(0) => "its file system has no id-mapped mounts, and root owns it: give it to another user and run as that, or let it lie on ext4, xfs or btrfs".to_owned(),
        Ok(uid) => format!(
            "its file system has no id-mapped mounts; run as the user who owns it instead: --allow run.as:NAME, the name of user id {uid}"
        ),
        Err(_) => "its file system has no id-mapped mounts".to_owned(),
    };
    let step = format!("map the owner of `{}`", opening.path.display());
    SetupError::opening(step, cause).hinting(hint)
}

fn set(mount: &OwnedFd, change: &MountChange<'_>, opening: &Opening) -> Result<(), SetupError> {
    sys::mount_setattr(mount.as_fd(), change)
        .map_err(|cause| SetupError::opening(format!("mount `{}`", opening.path.display()), cause))
}

fn clone_of(guarded: &Guarded, opening: &Opening) -> Result<OwnedFd, SetupError> {
    let flags = if guarded.is_dir() {
        OpenTreeFlags::AT_RECURSIVE
    } else {
        OpenTreeFlags::empty()
    };
    let flags = flags
        | OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    rustix::mount::open_tree(&guarded.fd, "", flags)
        .map_err(|errno| SetupError::opening(format!("mount `{}`", opening.path.display()), errno))
}

fn clone_of_path(path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE;
    rustix::mount::open_tree(rustix::fs::CWD, path, flags)
}

/// Opens a directory of a mount that is attached nowhere yet.
pub(crate) fn open_dir(mount: &OwnedFd, path: &str) -> rustix::io::Result<OwnedFd> {
    rustix::fs::openat(
        mount,
        path,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW,
        Mode::empty(),
    )
}

/// `/a/b` as `a/b`.
pub(crate) fn relative(path: &Path) -> PathBuf {
    path.strip_prefix("/").unwrap_or(path).to_owned()
}

/// Whether `path` is a place of the scratch file system, or lies in one.
pub(crate) fn is_of_scratch(path: &Path) -> bool {
    SCRATCH_PARTS
        .iter()
        .any(|(_, place)| path.starts_with(place))
}

/// Which part of the scratch file system `path` lies in, if any, and the rest of the path there.
pub(crate) fn in_scratch(path: &Path) -> Option<(&'static str, PathBuf)> {
    SCRATCH_PARTS.iter().find_map(|(part, place)| {
        let below = path
            .strip_prefix(place)
            .ok()
            .filter(|below| !below.as_os_str().is_empty())?;
        Some((*part, below.to_owned()))
    })
}
