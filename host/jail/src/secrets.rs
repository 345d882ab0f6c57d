//! The secrets of a run: files in memory that no swap takes to a disk, for the run's own user to read.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Gid, Mode, OFlags, Uid};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};

use crate::mounts::{Attach, relative};
use crate::recipe::{JailRecipe, SECRETS_DIR};
use crate::setup::{SetupError, WallStep};
use crate::streams;
use crate::sys::{self, MountChange};

const STEP: &str = "lay the secrets into the jail";

/// The file system with the secrets of `recipe`, if it has any.
pub(crate) fn mount(recipe: &JailRecipe) -> Result<Option<Attach>, SetupError> {
    if recipe.secrets.is_empty() {
        return Ok(None);
    }
    let place = Path::new(SECRETS_DIR);
    let opened = recipe.openings.iter().map(|opening| &opening.path);
    let mut opened = opened.chain(recipe.configured());
    if let Some(over) = opened.find(|path| place.starts_with(path) || path.starts_with(place)) {
        return Err(SetupError::unfit(
            format!("open `{}`", over.display()),
            "the secrets of the run would be covered by it: grant what lies below instead",
        ));
    }
    let mount = in_memory()?;
    let (uid, gid) = recipe.who.outside();
    let owner = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
    for secret in &recipe.secrets {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = rustix::fs::openat(
            &mount,
            secret.name.as_str(),
            flags,
            Mode::from_raw_mode(0o400),
        )
        .step(STEP)?;
        streams::write_all(&file, &secret.bytes).step(STEP)?;
        if recipe.who.by_root() {
            rustix::fs::fchown(&file, owner.0, owner.1).step(STEP)?;
        }
    }
    let change = MountChange {
        set: libc::MOUNT_ATTR_RDONLY
            | libc::MOUNT_ATTR_NOSUID
            | libc::MOUNT_ATTR_NODEV
            | libc::MOUNT_ATTR_NOEXEC,
        userns: None,
        recursive: false,
    };
    sys::mount_setattr(mount.as_fd(), &change).step(STEP)?;
    Ok(Some(Attach {
        mount,
        target: relative(place),
    }))
}

/// A file system whose pages are never swapped: a tmpfs that was told so, which a kernel before 6.4 and an ordinary user
/// cannot have, or a ramfs, which never are.
fn in_memory() -> Result<OwnedFd, SetupError> {
    made("tmpfs", true)
        .or_else(|_| made("ramfs", false))
        .step(STEP)
}

fn made(kind: &str, is_told: bool) -> rustix::io::Result<OwnedFd> {
    let context = rustix::mount::fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    let context = context.as_fd();
    if is_told {
        rustix::mount::fsconfig_set_flag(context, "noswap")?;
    }
    rustix::mount::fsconfig_set_string(context, "mode", "755")?;
    rustix::mount::fsconfig_create(context)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    rustix::mount::fsmount(context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}
