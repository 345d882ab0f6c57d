//! The files that the jail itself provides: the root's directories, a generated `/etc`, the installed task,
//! mount points, and the parts of the scratch file system.
//!
//! Everything is written through the descriptor of a mount that is attached nowhere, so no path of the
//! machine is ever walked. Nothing here comes from a bundle but the installed files, whose names were
//! checked when the bundle was opened.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;

use crate::egress;
use crate::guard::Guarded;
use crate::mounts::{DEVICES, in_scratch, relative};
use crate::places::Places;
use crate::recipe::{
    ETC_COPIES, ETC_DIRECTORIES, INSTALL_DIR, JailRecipe, Opening, SECRETS_DIR, SYSTEM_PATHS,
};
use crate::setup::{SetupError, WallStep};

/// The writable parts of a run: their names in the scratch file system and where they appear.
pub(crate) const SCRATCH_PARTS: [(&str, &str); 5] = [
    ("tmp", "/tmp"),
    ("tmp", "/var/tmp"),
    ("scratch", "/scratch"),
    ("out", "/out"),
    ("shm", "/dev/shm"),
];
/// Each of them once.
pub(crate) const SCRATCH_DIRECTORIES: [&str; 4] = ["tmp", "scratch", "out", "shm"];
/// Where the scratch file system stands for a moment while its parts are bound.
pub(crate) const SCRATCH_STAND: &str = "run";
/// An empty directory to cover others with, in the one place that no grant can cover.
pub(crate) const EMPTY_DIR: &str = "dev/empty";
/// An empty file that nobody can write, to cover others with: the null device could be written wherever it covers one.
pub(crate) const EMPTY_FILE: &str = "dev/nothing";

/// What every root has.
const DIRECTORIES: [&str; 10] = [
    "dev",
    "dev/empty",
    "dev/shm",
    "tmp",
    "run",
    "scratch",
    "out",
    "task",
    "var",
    "var/tmp",
];
/// What one has besides that shows the machine's system.
const SYSTEM_DIRECTORIES: [&str; 4] = ["etc", "proc", "var/run", "home"];
/// Files of `/etc` that are made for a run.
const ETC_MADE: [&str; 6] = [
    "/etc/passwd",
    "/etc/group",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/resolv.conf",
    "/etc/hostname",
];
/// The most that is copied of one such file, in bytes.
const ETC_COPY_BYTES_MAX: usize = 1024 * 1024;
const HOSTS: &str = "127.0.0.1 localhost\n::1 localhost\n";
/// The run's own, which answers at once.
const RESOLVER: &str = "nameserver 127.0.0.1\noptions timeout:1 attempts:2\n";
const NSSWITCH: &str =
    "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n";

/// The root file system of a jail while it is filled.
#[derive(Debug)]
pub(crate) struct Root {
    mount: OwnedFd,
    made: BTreeSet<PathBuf>,
}

/// Whether every program finds something at `path` below `/etc`, as the machine has it or made for it.
pub(crate) fn is_of_etc(path: &Path) -> bool {
    let mut files = ETC_COPIES.iter().chain(&ETC_MADE).map(Path::new);
    let mut directories = ETC_DIRECTORIES.iter();
    files.any(|file| path == file) || directories.any(|above| path.starts_with(above))
}

/// Whether something that every program finds at `path` is not to be seen in a run without `hidden`.
pub(crate) fn is_met(hidden: &Places<'_>, path: &Path) -> bool {
    if hidden.is_empty() {
        return false;
    }
    let meets = |path: &Path| hidden.cover(path) || hidden.are_in(path);
    // It is shown by its own name, but may lie elsewhere.
    meets(path) || fs::canonicalize(path).is_ok_and(|place| meets(&place))
}

/// Fills a root file system with what all jails have, but for what is `hidden`.
pub(crate) fn base(mount: OwnedFd, hidden: &Places<'_>) -> Result<Root, SetupError> {
    let mut writer = Writer::new(&mount);
    for directory in DIRECTORIES.into_iter().chain(SYSTEM_DIRECTORIES) {
        writer.directory(Path::new(directory))?;
    }
    for path in SYSTEM_PATHS.iter().map(Path::new) {
        system_path(path, &mut writer)?;
    }
    devices(&mut writer)?;
    writer.file(Path::new(EMPTY_FILE), b"", 0o444)?;
    etc(&mut writer, hidden)?;
    let made = writer.made;
    Ok(Root { mount, made })
}

/// Fills a root file system with the little that a jail without the machine's system has.
pub(crate) fn bare(mount: OwnedFd) -> Result<Root, SetupError> {
    let mut writer = Writer::new(&mount);
    for directory in DIRECTORIES {
        writer.directory(Path::new(directory))?;
    }
    writer.file(Path::new(EMPTY_FILE), b"", 0o444)?;
    let made = writer.made;
    Ok(Root { mount, made })
}

/// Fills the root file system for `recipe`.
pub(crate) fn root(
    recipe: &JailRecipe,
    openings: &[(Guarded, Opening)],
    root: Root,
) -> Result<OwnedFd, SetupError> {
    let Root { mount, made } = root;
    let mut writer = Writer { root: &mount, made };
    let writer = &mut writer;
    let shown = recipe.shown_from_machine(openings.iter().map(|(_, opening)| opening));
    let is_own = |path: &Path| !shown.are_above(path) && in_scratch(path).is_none();
    // ORDER: before what lies in them, for which they would be made as directories that anyone may list.
    for (directory, listed) in &recipe.apart.directories {
        if is_own(directory) {
            apart(&relative(directory), *listed, writer)?;
        }
    }
    for path in recipe.configured() {
        if in_scratch(path).is_none() {
            system_path(path, writer)?;
        }
    }
    if !recipe.is_function() {
        users(recipe, writer)?;
        if !recipe.egress.is_empty() {
            look_ups(recipe, writer)?;
        }
    }
    if !recipe.secrets.is_empty() {
        writer.mount_point(&relative(Path::new(SECRETS_DIR)), true)?;
    }
    for file in &recipe.install {
        let mode = if file.executable { 0o755 } else { 0o644 };
        writer.file(
            &relative(&Path::new(INSTALL_DIR).join(&file.path)),
            &file.bytes,
            mode,
        )?;
    }
    for (guarded, opening) in openings {
        if is_own(&opening.path) {
            writer.mount_point(&relative(&opening.path), guarded.is_dir())?;
        }
    }
    for (path, target) in &recipe.apart.links {
        if is_own(path) {
            writer.link_beside(target, &relative(path))?;
        }
    }
    Ok(mount)
}

/// Fills the scratch file system `scratch` for `recipe`; its parts belong to the task.
pub(crate) fn scratch(
    recipe: &JailRecipe,
    openings: &[(Guarded, Opening)],
    scratch: OwnedFd,
) -> Result<OwnedFd, SetupError> {
    let mut writer = Writer::new(&scratch);
    for (part, _) in SCRATCH_PARTS {
        let path = Path::new(part);
        writer.directory(path)?;
        if recipe.who.by_root() {
            let (uid, gid) = recipe.who.outside();
            let owner = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
            rustix::fs::chownat(
                &scratch,
                path,
                owner.0,
                owner.1,
                rustix::fs::AtFlags::SYMLINK_NOFOLLOW,
            )
            .step("give the scratch directory to the task")?;
        }
    }
    let shown = recipe.shown_from_machine(openings.iter().map(|(_, opening)| opening));
    let place = |path: &Path| {
        let (part, below) = in_scratch(path).filter(|_| !shown.are_above(path))?;
        Some(Path::new(part).join(below))
    };
    for (directory, listed) in &recipe.apart.directories {
        if let Some(place) = place(directory) {
            apart(&place, *listed, &mut writer)?;
        }
    }
    for path in recipe.configured() {
        if let Some((part, below)) = in_scratch(path)
            && let Ok(found) = fs::symlink_metadata(path)
        {
            writer.mount_point(&Path::new(part).join(below), found.is_dir())?;
        }
    }
    for (guarded, opening) in openings {
        if let Some(place) = place(&opening.path) {
            writer.mount_point(&place, guarded.is_dir())?;
        }
    }
    for (path, target) in &recipe.apart.links {
        if let Some(place) = place(path) {
            writer.link_beside(target, &place)?;
        }
    }
    Ok(scratch)
}

/// A directory of a tree in parts, in which its parts are mounted.
fn apart(path: &Path, listed: bool, writer: &mut Writer<'_>) -> Result<(), SetupError> {
    writer.parents(path)?;
    if writer.makes(path)? && !listed {
        let mode = Mode::from_raw_mode(0o711);
        rustix::fs::chmodat(writer.root, path, mode, AtFlags::empty())
            .map_err(|errno| failed(path, errno))?;
    }
    Ok(())
}

/// A mount point for a part of the system, or a link where the machine has one.
fn system_path(path: &Path, writer: &mut Writer<'_>) -> Result<(), SetupError> {
    let Ok(found) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    if found.is_symlink() {
        let target = fs::read_link(path).step("read a link of the system")?;
        writer.link_beside(&target, &relative(path))
    } else {
        writer.mount_point(&relative(path), found.is_dir())
    }
}

fn devices(writer: &mut Writer<'_>) -> Result<(), SetupError> {
    for (name, _, _) in DEVICES {
        writer.mount_point(&Path::new("dev").join(name), false)?;
    }
    for (name, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        writer.link(target, &Path::new("dev").join(name))?;
    }
    Ok(())
}

/// Who there is inside.
fn users(recipe: &JailRecipe, writer: &mut Writer<'_>) -> Result<(), SetupError> {
    let (uid, gid) = recipe.inside();
    let name = &recipe.user_name;
    let (mut passwd, mut group) = (String::new(), String::new());
    if uid != 0 {
        passwd.push_str("root:x:0:0:root:/root:/usr/sbin/nologin\n");
        group.push_str("root:x:0:\n");
    }
    passwd.push_str(&format!(
        "{name}:x:{uid}:{gid}::/scratch:/bin/sh\nnobody:x:65534:65534::/:/usr/sbin/nologin\n"
    ));
    group.push_str(&format!("{name}:x:{gid}:\nnogroup:x:65534:\n"));
    writer.file(Path::new("etc/passwd"), passwd.as_bytes(), 0o644)?;
    writer.file(Path::new("etc/group"), group.as_bytes(), 0o644)
}

/// How names are looked up where some are granted: those that are known are in a file, of all others DNS is asked.
fn look_ups(recipe: &JailRecipe, writer: &mut Writer<'_>) -> Result<(), SetupError> {
    let names = egress::names(&recipe.egress);
    let mut hosts = String::new();
    for (name, address) in names.iter() {
        hosts.push_str(&format!("{address} {name}\n"));
    }
    // One that is granted leads to the machine's, and not to the run's own.
    if !names.iter().any(|(name, _)| name.as_str() == "localhost") {
        hosts.insert_str(0, HOSTS);
    }
    for (file, text) in [("etc/hosts", hosts.as_str()), ("etc/resolv.conf", RESOLVER)] {
        let path = Path::new(file);
        rustix::fs::unlinkat(writer.root, path, AtFlags::empty())
            .map_err(|errno| failed(path, errno))?;
        writer.file(path, text.as_bytes(), 0o644)?;
    }
    Ok(())
}

fn etc(writer: &mut Writer<'_>, hidden: &Places<'_>) -> Result<(), SetupError> {
    for (file, text) in [
        ("hosts", HOSTS),
        ("nsswitch.conf", NSSWITCH),
        ("resolv.conf", ""),
        ("hostname", &hostname()),
    ] {
        writer.file(&Path::new("etc").join(file), text.as_bytes(), 0o644)?;
    }
    for path in ETC_COPIES.iter().map(Path::new) {
        if !is_met(hidden, path) {
            writer.copy(path)?;
        }
    }
    for path in ETC_DIRECTORIES.iter().map(Path::new) {
        if !is_met(hidden, path) && fs::symlink_metadata(path).is_ok_and(|found| found.is_dir()) {
            writer.mount_point(&relative(path), true)?;
        }
    }
    Ok(())
}

/// The machine's own name, which the run's namespace inherits.
fn hostname() -> String {
    format!("{}\n", rustix::system::uname().nodename().to_string_lossy())
}

/// Writes below a mount that is attached nowhere.
struct Writer<'a> {
    root: &'a OwnedFd,
    /// The directories that are known to be there.
    made: BTreeSet<PathBuf>,
}

impl<'a> Writer<'a> {
    fn new(root: &'a OwnedFd) -> Self {
        Self {
            root,
            made: BTreeSet::new(),
        }
    }

    /// Makes one directory; one that is there already is fine, and anything else in its place is not: a link would
    /// lead out of the jail's root and into the machine's.
    fn directory(&mut self, path: &Path) -> Result<(), SetupError> {
        self.makes(path).map(drop)
    }

    /// The same; says whether it was not there.
    fn makes(&mut self, path: &Path) -> Result<bool, SetupError> {
        if self.made.contains(path) {
            return Ok(false);
        }
        let made = rustix::fs::mkdirat(self.root, path, Mode::from_raw_mode(0o755));
        match made {
            Ok(()) => {}
            Err(Errno::EXIST) => {
                let found = rustix::fs::statat(self.root, path, AtFlags::SYMLINK_NOFOLLOW);
                let found = found.map_err(|errno| failed(path, errno))?;
                if !FileType::from_raw_mode(found.st_mode).is_dir() {
                    return Err(failed(path, Errno::NOTDIR));
                }
            }
            Err(errno) => return Err(failed(path, errno)),
        }
        self.made.insert(path.to_owned());
        Ok(made.is_ok())
    }

    fn parents(&mut self, path: &Path) -> Result<(), SetupError> {
        let mut walked = PathBuf::new();
        for component in path.parent().unwrap_or(Path::new("")).components() {
            let Component::Normal(name) = component else {
                return Err(failed(path, Errno::INVAL));
            };
            walked.push(name);
            self.directory(&walked)?;
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, bytes: &[u8], mode: u32) -> Result<(), SetupError> {
        let mut file = fs::File::from(self.create(path, mode)?);
        file.write_all(bytes).map_err(|cause| failed(path, cause))
    }

    fn create(&mut self, path: &Path, mode: u32) -> Result<OwnedFd, SetupError> {
        self.parents(path)?;
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // Whoever writes here has set its umask, so the mode is what was said.
        rustix::fs::openat(self.root, path, flags, Mode::from_raw_mode(mode))
            .map_err(|errno| failed(path, errno))
    }

    /// Copies a small file of the machine, within the kernel, to where it has it; one that cannot be read is left out.
    fn copy(&mut self, path: &Path) -> Result<(), SetupError> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let Ok(file) = rustix::fs::open(path, flags, Mode::empty()) else {
            return Ok(());
        };
        let found = rustix::fs::fstat(&file).map_err(|errno| failed(path, errno))?;
        let size = usize::try_from(found.st_size).unwrap_or(usize::MAX);
        if !FileType::from_raw_mode(found.st_mode).is_file() || size > ETC_COPY_BYTES_MAX {
            return Ok(());
        }
        let copy = self.create(&relative(path), 0o644)?;
        let mut left = size;
        while left > 0 {
            match rustix::fs::sendfile(&copy, &file, None, left) {
                // It has been cut short meanwhile.
                Ok(0) => break,
                Ok(sent) => left = left.saturating_sub(sent),
                Err(Errno::INTR) => {}
                Err(errno @ (Errno::NOSPC | Errno::NOMEM)) => return Err(failed(path, errno)),
                // It cannot be read, or not so.
                Err(_) => {
                    return rustix::fs::unlinkat(self.root, relative(path), AtFlags::empty())
                        .map_err(|errno| failed(path, errno));
                }
            }
        }
        Ok(())
    }

    fn link(&self, target: &str, path: &Path) -> Result<(), SetupError> {
        rustix::fs::symlinkat(OsStr::new(target), self.root, path)
            .map_err(|errno| failed(path, errno))
    }

    /// Makes a link where nothing is yet: what a jail has of its own stays.
    fn link_beside(&mut self, target: &Path, path: &Path) -> Result<(), SetupError> {
        self.parents(path)?;
        match rustix::fs::symlinkat(target, self.root, path) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
            Err(errno) => Err(failed(path, errno)),
        }
    }

    /// Makes an empty directory or file to mount on.
    fn mount_point(&mut self, path: &Path, is_dir: bool) -> Result<(), SetupError> {
        self.parents(path)?;
        if is_dir {
            return self.directory(path);
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = rustix::fs::openat(self.root, path, flags, Mode::from_raw_mode(0o644));
        made.map(drop).map_err(|errno| failed(path, errno))
    }
}

fn failed(path: &Path, cause: impl Into<std::io::Error>) -> SetupError {
    SetupError::wall(&format!("make `/{}` in the jail", path.display()), cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_scratch_is_a_directory_of_it() {
        let mut parts = SCRATCH_PARTS.map(|(part, _)| part).to_vec();
        parts.dedup();
        assert_eq!(parts, SCRATCH_DIRECTORIES);
    }
}
