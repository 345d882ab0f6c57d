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

use crate::guard::{self, Guarded, Hidden, OffLimits, Opened};
use crate::idmap::IdMaps;
use crate::mountinfo::Place;
use crate::places::Places;
use crate::recipe::{ETC_DIRECTORIES, JailRecipe, Opening, SYSTEM_PATHS, shown_of_etc};
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
    /// The root of a jail for `recipe`.
    pub(crate) fn of(recipe: &JailRecipe) -> Result<Self, SetupError> {
        let hidden = recipe.hidden_places();
        Self::without(&hidden, recipe.is_function())
    }

    /// For a program with the machine's system, but for what is hidden; for a function with nothing of the machine.
    fn without(hidden: &Places<'_>, is_function: bool) -> Result<Self, SetupError> {
        let bytes = ROOT_BYTES + INSTALLED_BYTES_MAX;
        let root = temporary_file_system(bytes, ROOT_INODES, "the root file system")?;
        let (root, system) = if is_function {
            (skeleton::bare(root)?, Vec::new())
        } else {
            let root = skeleton::base(root, hidden)?;
            let mut system = system_mounts(hidden)?;
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
            ..Self::without(&Places::default(), is_function)?
        })
    }

    /// Whether one that was guessed is one for `recipe`.
    pub(crate) fn fits(&self, recipe: &JailRecipe) -> bool {
        self.is_function == recipe.is_function()
            && (self.is_function || !is_without(&recipe.hidden_places()))
    }
}

/// Whether something that programs otherwise see of `/etc` is hidden.
fn is_without(hidden: &Places<'_>) -> bool {
    shown_of_etc().any(|path| skeleton::is_met(hidden, Path::new(path)))
}

/// Makes the mounts of `recipe`, beginning with what they all have.
pub(crate) fn prepare(recipe: &JailRecipe, base: Base) -> Result<Tree, SetupError> {
    let Base {
        root,
        system,
        scratch,
        ..
    } = base;
    let shows_nothing = recipe.openings.is_empty() && recipe.configured().is_empty();
    let off_limits = if shows_nothing {
        OffLimits::default()
    } else {
        OffLimits::of(&recipe.never)?
    };
    let (guarded, not_opened) = open_all(recipe, &off_limits)?;
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
        own: Vec::new(),
        not_opened,
        notes: Vec::new(),
    };
    tree.system.extend(secrets::mount(recipe)?);
    attach_system_paths(recipe, &off_limits, &mut tree)?;
    tree.own = off_limits.into_places();
    let mut maps = IdMaps::for_recipe(recipe);
    for (guarded, opening) in guarded {
        // A part has the rights of the tree, not more of them because something else in that is hidden.
        let tree_of_part = recipe.apart.tree_of(&opening.path);
        let owner = match tree_of_part.filter(|_| opening.is_part()) {
            Some((_, owner)) => owner,
            None => guard::owner(&guarded),
        };
        attach_opening(&opening, guarded, maps.of(owner)?, &mut tree)?;
    }
    let change = MountChange {
        set: RDONLY | NOSUID_NODEV,
        userns: None,
        recursive: false,
    };
    sys::mount_setattr(tree.root.as_fd(), &change).step("make the root read only")?;
    Ok(tree)
}

/// Openings that are open, and those that are not by their places in the recipe, with why.
type OpenedAll = (Vec<(Guarded, Opening)>, Vec<(usize, String)>);

/// Opens what was granted.
fn open_all(recipe: &JailRecipe, off_limits: &OffLimits<'_>) -> Result<OpenedAll, SetupError> {
    let mut guarded = Vec::with_capacity(recipe.openings.len());
    let mut not_opened = Vec::new();
    let hidden = recipe.hidden_places();
    for (index, opening) in recipe.openings_in_order() {
        match open(opening, recipe, &hidden, off_limits)? {
            Opened::Open(opened) => guarded.push((opened, opening.clone())),
            Opened::Without(cause) => {
                let end = cause.floor_char_boundary(CAUSE_BYTES_MAX);
                not_opened.push((index, cause.get(..end).unwrap_or_default().to_owned()));
            }
        }
    }
    Ok((guarded, not_opened))
}

/// Opens what is to be mounted whole.
fn open(
    opening: &Opening,
    recipe: &JailRecipe,
    hidden: &Places<'_>,
    off_limits: &OffLimits<'_>,
) -> Result<Opened<Guarded>, SetupError> {
    let shut = recipe.apart.shut.get(&opening.path);
    if let Some(cause) = shut.filter(|_| !opening.writable) {
        return Ok(Opened::Without(cause.clone()));
    }
    guard::or_do_without(opening, || {
        let guarded = guard::open(opening, off_limits)?;
        // What was a directory before has been taken apart.
        if guarded.is_dir() && opening.is_in_parts(hidden) {
            let step = format!("open `{}` to the run", opening.path.display());
            let cause = "it became a directory meanwhile, and something in it is forbidden";
            return Err(SetupError::unfit(step, cause));
        }
        Ok(guarded)
    })
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
fn system_mounts(hidden: &Places<'_>) -> Result<Vec<Attach>, SetupError> {
    let mut attach = Vec::new();
    let etc = ETC_DIRECTORIES.iter().map(Path::new);
    let etc = etc.filter(|path| !skeleton::is_met(hidden, path));
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
fn attach_system_paths(
    recipe: &JailRecipe,
    off_limits: &OffLimits<'_>,
    tree: &mut Tree,
) -> Result<(), SetupError> {
    let hidden = recipe.hidden_places();
    for path in recipe.configured() {
        // A link is a link inside too.
        if std::fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink()) {
            continue;
        }
        let opening = Opening::optional(path.clone());
        match open(&opening, recipe, &hidden, off_limits)? {
            Opened::Open(guarded) => {
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
    map: Option<&OwnedFd>,
    tree: &mut Tree,
) -> Result<(), SetupError> {
    let mode = if opening.writable { 0 } else { RDONLY };
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
