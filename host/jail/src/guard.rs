//! Which places no grant opens, looked up on the descriptor that would be mounted.
//!
//! Refused are file systems that are faces of the kernel, and host's own places: a grant at or below one is
//! an error, and where a grant lies above one, that place is hidden in the jail. A tree is not granted for writing
//! when a file in it lends its owner's rights.

use std::ffi::{CStr, OsStr};
use std::fs;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use crate::landlock;
use crate::mountinfo::{Mounts, Place};
use crate::mounts::is_of_scratch;
use crate::read::read_mountinfo;
use crate::recipe::{INSTALL_DIR, OUT_DIR, Opening, WORK_DIR};
use crate::setup::{SetupError, WallStep};

/// File systems that are faces of the kernel: their magic numbers and their names.
const KERNEL_FILE_SYSTEMS: [(i64, &str); 20] = [
    (0x9fa0, "proc"),
    (0x6265_6572, "sysfs"),
    (0x0027_e0eb, "cgroup"),
    (0x6367_7270, "cgroup2"),
    (0xcafe_4a11, "bpf"),
    (0x6462_6720, "debugfs"),
    (0x7472_6163, "tracefs"),
    (0x1cd1, "devpts"),
    (0x7363_6673, "securityfs"),
    (0xf97c_ff8c, "selinuxfs"),
    (0x6265_6570, "configfs"),
    (0x6165_676c, "pstore"),
    (0xde5e_81e4, "efivarfs"),
    (0x1980_0202, "mqueue"),
    (0x6573_5543, "fusectl"),
    (0x4249_4e4d, "binfmt_misc"),
    (0x9584_58f6, "hugetlbfs"),
    (0x6e73_6673, "nsfs"),
    (0x6e66_7364, "nfsd"),
    (0x0765_5821, "resctrl"),
];
/// Directories this deep are climbed when looking for a forbidden parent.
const CLIMB_MAX: usize = 1_024;
/// Entries of a tree that are looked at, for set-id files or for pipes.
const WALK_ENTRIES_MAX: usize = 200_000;

/// An opened grant with what must be hidden or held inside it.
#[derive(Debug)]
pub(crate) struct Guarded {
    /// The file or directory, opened as a place.
    pub(crate) fd: OwnedFd,
    /// What it was when it was opened.
    pub(crate) stat: Stat,
    /// Places below it that the jail hides, none of them inside another.
    pub(crate) hidden: Vec<Hidden>,
}

/// A place that a grant above it would show, and what was there when the grant was opened.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Hidden {
    /// Its absolute path.
    pub(crate) path: PathBuf,
    /// Its device and inode.
    pub(crate) identity: (u64, u64),
}

impl Guarded {
    pub(crate) fn is_dir(&self) -> bool {
        FileType::from_raw_mode(self.stat.st_mode).is_dir()
    }
}

/// What became of a grant that was to be opened.
#[derive(Debug)]
pub(crate) enum Opened<T> {
    /// It is open.
    Open(T),
    /// It cannot be, and the run goes on without it.
    Without(String),
}

/// Opens `opening` by `open`; one that the task can do without, or one for reading that is not there, may stay shut.
pub(crate) fn or_do_without<T>(
    opening: &Opening,
    open: impl FnOnce() -> Result<T, SetupError>,
) -> Result<Opened<T>, SetupError> {
    let is_missing = !opening.writable
        && matches!(fs::symlink_metadata(&opening.path), Err(error) if error.kind() == std::io::ErrorKind::NotFound);
    match open() {
        Ok(opened) => Ok(Opened::Open(opened)),
        Err(error) if opening.optional || is_missing => Ok(Opened::Without(error.cause)),
        Err(error) => Err(error),
    }
}

/// What no grant opens, as this machine has it: looked up once for all grants of a run.
#[derive(Debug, Default)]
pub(crate) struct OffLimits<'n> {
    /// Host's own places, whether they are there or not.
    named: &'n [PathBuf],
    /// Those that are.
    never: Vec<Never>,
    /// The same as their file systems know them, however they are mounted.
    places: Vec<Place>,
    mounts: Mounts,
}

impl<'n> OffLimits<'n> {
    /// Looks up `named` and what is mounted.
    pub(crate) fn of(named: &'n [PathBuf]) -> Result<Self, SetupError> {
        let mounts = read_mountinfo().step("look up host's own places")?;
        let mounts = Mounts::read(&mounts);
        let never = existing(named);
        let places = never
            .iter()
            .filter_map(|place| mounts.place(&place.path))
            .collect();
        Ok(Self {
            named,
            never,
            places,
            mounts,
        })
    }

    /// Host's own places that exist, as their file systems know them.
    pub(crate) fn into_places(self) -> Vec<Place> {
        self.places
    }

    /// Opens `path` without following any link, and refuses what no grant opens.
    pub(crate) fn open(&self, path: &Path) -> Result<Found, SetupError> {
        refuse_places_of_the_jail(path, &|| step_of(path))?;
        self.look_at(open_place(path)?, path)
    }

    /// The same for `name`, which is the directory `path`, in one that was opened like that.
    pub(crate) fn open_in(
        &self,
        directory: &Found,
        name: &OsStr,
        path: &Path,
    ) -> Result<Found, SetupError> {
        let flags = PLACE | OFlags::NOFOLLOW;
        let fd = rustix::fs::openat(&directory.fd, name, flags, Mode::empty())
            .map_err(|errno| SetupError::opening(step_of(path), errno))?;
        self.look_at(fd, path)
    }

    fn look_at(&self, fd: OwnedFd, path: &Path) -> Result<Found, SetupError> {
        let step = || step_of(path);
        let stat = rustix::fs::fstat(&fd).map_err(|errno| SetupError::opening(step(), errno))?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if !kind.is_dir() && !kind.is_file() {
            return Err(SetupError::unfit(
                step(),
                "it is neither a file nor a directory",
            ));
        }
        refuse_kernel_file_system(&fd, &step)?;
        refuse_below(path, &fd, &stat, &self.never)?;
        let own = self.own_places_seen(path);
        if own.iter().any(|seen| path.starts_with(seen)) {
            return Err(SetupError::unfit(
                step(),
                "no grant opens host's own places, by whatever path",
            ));
        }
        Ok(Found { fd, stat, own })
    }

    /// Where host's own places are seen at or below `path`, mounted under another name too.
    fn own_places_seen(&self, path: &Path) -> Vec<PathBuf> {
        let seen = self
            .places
            .iter()
            .flat_map(|place| self.mounts.seen_below(path, place));
        let mut seen: Vec<PathBuf> = seen.collect();
        seen.sort();
        seen.dedup();
        seen
    }

    /// Mounts strictly below `path` that are faces of the kernel.
    fn kernel_mounts_below(&self, path: &Path) -> impl Iterator<Item = PathBuf> {
        let below = self.mounts.below(path);
        below
            .filter(|mount| is_face_of_the_kernel(&mount.kind))
            .map(|mount| mount.point.clone())
    }
}

/// A place that was opened, and is none that no grant opens.
#[derive(Debug)]
pub(crate) struct Found {
    /// The file or directory, opened as a place.
    pub(crate) fd: OwnedFd,
    /// What it was when it was opened.
    pub(crate) stat: Stat,
    /// Where host's own places are seen below it.
    own: Vec<PathBuf>,
}

impl Found {
    pub(crate) fn is_dir(&self) -> bool {
        FileType::from_raw_mode(self.stat.st_mode).is_dir()
    }
}

fn step_of(path: &Path) -> String {
    format!("open `{}` to the run", path.display())
}

/// Opens `opening` as it is to be mounted, without following any link, and refuses what no grant opens.
pub(crate) fn open(opening: &Opening, off_limits: &OffLimits<'_>) -> Result<Guarded, SetupError> {
    let path = opening.path.as_path();
    let step = || step_of(path);
    if opening.writable && path == Path::new("/") {
        let cause = "no task gets the whole machine to write to";
        return Err(SetupError::unfit(step(), cause).hinting("name the directories that it writes"));
    }
    let Found { fd, stat, own } = off_limits.open(path)?;
    let mut guarded = Guarded {
        fd,
        stat,
        hidden: Vec::new(),
    };
    if guarded.is_dir() {
        if opening.writable {
            refuse_own_inside(path, &own, off_limits.named)
                .map_err(|cause| SetupError::unfit(step(), &cause))?;
            refuse_files(path, &guarded, &|_, lends_rights| {
                lends_rights.then_some("a set-id program")
            })?;
        } else if is_of_scratch(path) || landlock::version() == 0 {
            // A read-only mount does not keep a pipe from being written to. Landlock does, where there is one, but not
            // in a place where the task may write otherwise.
            refuse_files(path, &guarded, &|stat, _| {
                let is_pipe = FileType::from_raw_mode(stat.st_mode).is_fifo();
                is_pipe.then_some("a named pipe, which the task could write to")
            })?;
        }
        let below = own.into_iter().chain(off_limits.kernel_mounts_below(path));
        guarded.hidden = hidden(below).map_err(|errno| SetupError::opening(step(), errno))?;
    } else if opening.writable && lends_rights(&guarded.fd, c"", &guarded.stat) {
        return Err(SetupError::unfit(step(), "it is a set-id program"));
    }
    Ok(guarded)
}

/// The jail's own parts are never covered by the machine's: the program that was verified, what it leaves, its devices.
fn refuse_places_of_the_jail(path: &Path, step: &impl Fn() -> String) -> Result<(), SetupError> {
    let covers = [WORK_DIR, OUT_DIR].map(Path::new).contains(&path);
    let is_device = path.starts_with("/dev") && !path.starts_with("/dev/shm");
    if covers || is_device || path.starts_with(INSTALL_DIR) {
        let cause = "every run has one of its own there";
        return Err(SetupError::unfit(step(), cause));
    }
    Ok(())
}

fn open_place(path: &Path) -> Result<OwnedFd, SetupError> {
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    rustix::fs::openat2(
        rustix::fs::CWD,
        path,
        OFlags::PATH | OFlags::CLOEXEC,
        Mode::empty(),
        resolve,
    )
    .map_err(|errno| {
        let error = SetupError::opening(step_of(path), errno);
        match errno {
            Errno::LOOP => name_the_link(path, error),
            Errno::NOENT => error.hinting(
                "a path must exist to be granted; make it first, or grant the directory above it",
            ),
            _ => error,
        }
    })
}

/// Says which component is a link and where it leads.
fn name_the_link(path: &Path, error: SetupError) -> SetupError {
    let mut ancestors: Vec<&Path> = path.ancestors().collect();
    ancestors.reverse();
    for ancestor in ancestors {
        let Ok(target) = fs::read_link(ancestor) else {
            continue;
        };
        let target = ancestor.parent().unwrap_or(ancestor).join(target);
        let rest = path.strip_prefix(ancestor).unwrap_or(Path::new(""));
        let meant = if rest.as_os_str().is_empty() {
            target.clone()
        } else {
            target.join(rest)
        };
        let cause = format!(
            "`{}` is a link to `{}`",
            ancestor.display(),
            target.display()
        );
        let hint = format!(
            "grants follow no links; name the place itself: {}",
            meant.display()
        );
        return SetupError { cause, ..error }.hinting(hint);
    }
    error
}

fn refuse_kernel_file_system(fd: &OwnedFd, step: &impl Fn() -> String) -> Result<(), SetupError> {
    let kind = rustix::fs::fstatfs(fd)
        .map_err(|errno| SetupError::opening(step(), errno))?
        .f_type;
    match KERNEL_FILE_SYSTEMS.iter().find(|(magic, _)| *magic == kind) {
        Some((_, name)) => Err(SetupError::unfit(
            step(),
            &format!("no grant opens a `{name}` file system"),
        )),
        None if is_devtmpfs(fd) => Err(SetupError::unfit(
            step(),
            "no grant opens the machine's devices",
        )),
        None => Ok(()),
    }
}

/// Whether what is open as a place is a face of the kernel, or of the machine's devices, which no grant opens.
pub(crate) fn shows_the_kernel(place: &OwnedFd) -> bool {
    let kind = rustix::fs::fstatfs(place).map(|found| found.f_type);
    let is_known = |kind| KERNEL_FILE_SYSTEMS.iter().any(|(magic, _)| *magic == kind);
    kind.is_ok_and(is_known) || is_devtmpfs(place)
}

/// devtmpfs answers as tmpfs does, so it is known by the device number of `/dev`.
fn is_devtmpfs(fd: &OwnedFd) -> bool {
    let (Ok(here), Ok(devices)) = (rustix::fs::fstat(fd), rustix::fs::stat("/dev")) else {
        return false;
    };
    here.st_dev == devices.st_dev
        && rustix::fs::stat("/").is_ok_and(|root| root.st_dev != here.st_dev)
}

/// One of host's own places that exists on this machine.
#[derive(Debug)]
struct Never {
    path: PathBuf,
    identity: (u64, u64),
}

fn existing(never: &[PathBuf]) -> Vec<Never> {
    let found = never.iter().filter_map(|path| {
        let path = fs::canonicalize(path).ok()?;
        let stat = rustix::fs::stat(&path).ok()?;
        Some(Never {
            identity: identity(&stat),
            path,
        })
    });
    found.collect()
}

fn identity(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

/// Climbs from what was opened to the root and refuses if one of `never` is met on the way.
fn refuse_below(
    path: &Path,
    opened: &OwnedFd,
    stat: &Stat,
    never: &[Never],
) -> Result<(), SetupError> {
    let own = |stat: &Stat| never.iter().find(|place| place.identity == identity(stat));
    let refusal = |place: &Never| {
        let cause = format!("no grant opens host's own `{}`", place.path.display());
        SetupError::unfit(step_of(path), &cause)
    };
    if let Some(place) = own(stat) {
        return Err(refusal(place));
    }
    let failed = |errno: Errno| SetupError::opening(step_of(path), errno);
    let mut here = directory_of(path, opened, stat).map_err(failed)?;
    let mut last = None;
    for _ in 0..CLIMB_MAX {
        let stat = rustix::fs::fstat(&here).map_err(failed)?;
        if let Some(place) = own(&stat) {
            return Err(refusal(place));
        }
        if last == Some(identity(&stat)) {
            return Ok(());
        }
        last = Some(identity(&stat));
        here = rustix::fs::openat(&here, "..", PLACE, Mode::empty()).map_err(failed)?;
    }
    Err(SetupError::unfit(step_of(path), "it lies too deep"))
}

/// How directories are opened to look at them and around them.
const PLACE: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// The directory that was opened, or the one that holds the file that was.
fn directory_of(path: &Path, opened: &OwnedFd, stat: &Stat) -> Result<OwnedFd, Errno> {
    if FileType::from_raw_mode(stat.st_mode).is_dir() {
        return rustix::fs::openat(opened, ".", PLACE, Mode::empty());
    }
    let parent = path.parent().unwrap_or(path);
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let parent = rustix::fs::openat2(rustix::fs::CWD, parent, PLACE, Mode::empty(), resolve)?;
    let name = path.file_name().unwrap_or_default();
    let found = rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
    // A file that was moved since it was opened is looked for nowhere else.
    if identity(&found) == identity(stat) {
        Ok(parent)
    } else {
        Err(Errno::STALE)
    }
}

/// What is to be covered of `places`: the outermost, since a cover hides what lies below it.
fn hidden(places: impl Iterator<Item = PathBuf>) -> Result<Vec<Hidden>, Errno> {
    let mut places: Vec<PathBuf> = places.collect();
    places.sort();
    let mut hidden: Vec<Hidden> = Vec::new();
    for path in places {
        if hidden
            .last()
            .is_some_and(|above| path.starts_with(&above.path))
        {
            continue;
        }
        match rustix::fs::lstat(&path) {
            Ok(stat) => hidden.push(Hidden {
                identity: identity(&stat),
                path,
            }),
            // Another mount lies over it, or an ordinary user may not go there, and so may not its task.
            Err(Errno::NOENT | Errno::ACCESS) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(hidden)
}

/// A task that may write above one of host's own places could move it out of its cover, or make it before host does.
fn refuse_own_inside(path: &Path, seen: &[PathBuf], never: &[PathBuf]) -> Result<(), String> {
    let named = never.iter().find(|place| place.starts_with(path));
    match seen.first().or(named) {
        Some(place) => Err(format!(
            "host's own `{}` lies in it, or would; grant the directories that are needed, one by one",
            place.display()
        )),
        None => Ok(()),
    }
}

/// Whether a file system of this type, as a list of mounts names it, shows the kernel or the machine's devices.
pub(crate) fn is_face_of_the_kernel(kind: &str) -> bool {
    kind == "devtmpfs" || KERNEL_FILE_SYSTEMS.iter().any(|(_, name)| *name == kind)
}

/// Refuses a tree that holds what `unfit` names. For one that lends its owner's rights, whoever may write to the tree
/// could put another program under those rights, and a tree that others change meanwhile cannot be guarded file by
/// file.
fn refuse_files(
    root: &Path,
    guarded: &Guarded,
    unfit: &dyn Fn(&Stat, bool) -> Option<&'static str>,
) -> Result<(), SetupError> {
    let step = || format!("look through `{}`", root.display());
    let refuse = |cause: String| Err(SetupError::unfit(step(), &cause).hinting(PARTS_HINT));
    let mut entries = 0;
    let mut waiting = vec![PathBuf::from(".")];
    while let Some(directory) = waiting.pop() {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let opened = rustix::fs::openat2(&guarded.fd, &directory, flags, Mode::empty(), resolve);
        let listing = match opened.and_then(Dir::new) {
            Ok(listing) => listing,
            // What is gone holds nothing, and what an ordinary user may not list its task may not enter.
            Err(Errno::NOENT | Errno::ACCESS) => continue,
            Err(errno) => return refuse(format!("`{}`: {errno}", directory.display())),
        };
        for entry in Listing(listing) {
            let (name, looked) = entry.map_err(|errno| SetupError::opening(step(), errno))?;
            entries += 1;
            if entries > WALK_ENTRIES_MAX {
                return refuse(format!(
                    "it holds more than {WALK_ENTRIES_MAX} entries, too many to look through"
                ));
            }
            let Some((stat, lends)) = looked else {
                continue;
            };
            let path = directory.join(OsStr::from_bytes(&name));
            if let Some(what) = unfit(&stat, lends) {
                let path = path.strip_prefix(".").unwrap_or(&path);
                return refuse(format!("`{}` in it is {what}", path.display()));
            }
            if FileType::from_raw_mode(stat.st_mode).is_dir() {
                waiting.push(path);
            }
        }
    }
    Ok(())
}

/// What to do about a tree that cannot be granted whole.
const PARTS_HINT: &str = "grant the parts of it that the task needs";

/// The entries of a directory, with what they are and whether they lend rights; gone ones have neither.
struct Listing(Dir);

impl Iterator for Listing {
    type Item = Result<(Vec<u8>, Option<(Stat, bool)>), Errno>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let entry = match self.0.next()? {
                Ok(entry) => entry,
                Err(errno) => return Some(Err(errno)),
            };
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let Ok(directory) = self.0.fd() else {
                return Some(Err(Errno::BADF));
            };
            let stat = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).ok();
            let looked = stat.map(|stat| (stat, lends_rights(directory, name, &stat)));
            return Some(Ok((name.to_bytes().to_vec(), looked)));
        }
    }
}

/// Whether a program would run with more than its caller's rights. An empty name means the descriptor itself.
fn lends_rights(directory: impl AsFd, name: &CStr, stat: &Stat) -> bool {
    if !FileType::from_raw_mode(stat.st_mode).is_file() {
        return false;
    }
    let executable = stat.st_mode & 0o111 != 0;
    stat.st_mode & 0o6000 != 0 || (executable && has_file_capabilities(directory, name))
}

fn has_file_capabilities(directory: impl AsFd, name: &CStr) -> bool {
    // The path of an open directory in proc cannot be swapped under us.
    let mut path = format!("/proc/self/fd/{}", directory.as_fd().as_raw_fd()).into_bytes();
    if !name.to_bytes().is_empty() {
        path.push(b'/');
        path.extend(name.to_bytes());
    }
    let found = if name.to_bytes().is_empty() {
        rustix::fs::getxattr(path.as_slice(), c"security.capability", &mut [0u8; 64])
    } else {
        rustix::fs::lgetxattr(path.as_slice(), c"security.capability", &mut [0u8; 64])
    };
    found.is_ok()
}

/// The user and group that own what was opened.
pub(crate) fn owner(guarded: &Guarded) -> (u32, u32) {
    (guarded.stat.st_uid, guarded.stat.st_gid)
}
