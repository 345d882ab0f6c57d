//! An ordinary user's account, for root to see how things go without being root.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::machine::SYSTEM_PATH;

/// The user that root becomes.
const NAME: &str = "nobody";

/// Directories that are copied may nest this deep.
const DEPTH_MAX: usize = 16;

/// An account, and a directory that it can enter.
///
/// The repository and its build directory may lie where others cannot go, so what the user needs is copied here.
#[derive(Debug)]
pub(crate) struct Account {
    uid: u32,
    gid: u32,
    directory: TempDir,
}

impl Account {
    /// Looks the user up and makes the directory, which goes when the value does.
    ///
    /// # Errors
    ///
    /// When there is no such user, or the disk does not allow it.
    pub(crate) fn stage() -> Result<Self> {
        let users = std::fs::read_to_string("/etc/passwd").context("/etc/passwd")?;
        let (uid, gid) = users
            .lines()
            .find_map(ids)
            .with_context(|| format!("this machine has no user `{NAME}`"))?;
        let directory = tempfile::Builder::new().prefix("host-as-user-").tempdir()?;
        std::fs::set_permissions(&directory, Permissions::from_mode(0o755))?;
        let account = Self {
            uid,
            gid,
            directory,
        };
        for owned in ["home", "tmp"] {
            let path = account.path(owned);
            std::fs::create_dir(&path)?;
            std::fs::set_permissions(&path, Permissions::from_mode(0o700))?;
            chown(&path, Some(uid), Some(gid))?;
        }
        Ok(account)
    }

    /// A path in the user's directory; `home` and `tmp` are the user's own, the rest is read-only to it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Copies a file or a tree to `name`, for the user to read, and gives its path there.
    ///
    /// # Errors
    ///
    /// When the disk does not allow it, or the tree is too deep.
    pub(crate) fn copy(&self, from: &Path, name: &str) -> Result<PathBuf> {
        let to = self.path(name);
        copy_readable(from, &to)?;
        Ok(to)
    }

    /// Makes the program run as this user, with the user's environment and no more.
    pub(crate) fn own(&self, command: &mut Command) {
        command
            .env_clear()
            .env("PATH", SYSTEM_PATH)
            .env("LANG", "C.UTF-8")
            .env("HOME", self.path("home"))
            .env("TMPDIR", self.path("tmp"))
            .current_dir(self.path("home"))
            // With an id given and none for groups, the standard library drops root's groups too.
            .gid(self.gid)
            .uid(self.uid);
    }
}

/// The ids in a line of the user list, when it is the line of the user.
fn ids(line: &str) -> Option<(u32, u32)> {
    let mut fields = line.split(':');
    let name = fields.next()?;
    let uid = fields.nth(1)?.parse().ok()?;
    let gid = fields.next()?.parse().ok()?;
    (name == NAME).then_some((uid, gid))
}

/// Copies a file or a tree, with the directories above it, for everybody to read.
///
/// # Errors
///
/// When the disk does not allow it, or the tree is too deep.
pub(crate) fn copy_readable(from: &Path, to: &Path) -> Result<()> {
    copy_tree(from, to, 0).with_context(|| format!("copying {}", from.display()))
}

fn copy_tree(from: &Path, to: &Path, depth: usize) -> Result<()> {
    anyhow::ensure!(depth <= DEPTH_MAX, "more than {DEPTH_MAX} directories deep");
    if let Some(parent) = to.parent() {
        std::fs::create_dir_all(parent)?;
    }
    if !from.is_dir() {
        std::fs::copy(from, to)?;
        return readable(to);
    }
    std::fs::create_dir_all(to)?;
    readable(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        copy_tree(&entry.path(), &to.join(entry.file_name()), depth + 1)?;
    }
    Ok(())
}

/// Lets others read what the umask, or the original's mode, kept from them.
fn readable(path: &Path) -> Result<()> {
    let mode = path.metadata()?.permissions().mode();
    let executable = if path.is_dir() || mode & 0o100 != 0 {
        0o111
    } else {
        0
    };
    std::fs::set_permissions(path, Permissions::from_mode(mode | 0o444 | executable))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::ids;

    #[test]
    fn only_the_line_of_the_user_gives_ids() {
        for (line, expected) in [
            (
                "nobody:x:65534:65533:nobody:/nonexistent:/usr/sbin/nologin",
                Some((65534, 65533)),
            ),
            ("nobody2:x:1:1::/:/bin/sh", None),
            ("nobody:x:many:1::/:/bin/sh", None),
            ("nobody", None),
            ("", None),
        ] {
            assert_eq!(ids(line), expected, "{line}");
        }
    }
}
