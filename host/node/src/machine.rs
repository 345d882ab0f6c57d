//! What the path of a run must know of the machine and of whoever started it, as values.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use host_core::{Ceilings, Limits, UserName};
use host_jail::Who;
use host_store::UidRange;
use nix::unistd::{Gid, Uid, User};

/// The environment that every task has, besides `PT_*` and what was granted.
pub(crate) const FIXED_ENVIRONMENT: [(&str, &str); 5] = [
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ("HOME", "/work"),
    ("LANG", "C.UTF-8"),
    ("TMPDIR", "/tmp"),
    ("HOST_OUT", "/out"),
];

/// Who tasks run as where nothing else is granted.
#[derive(Clone, Copy, Debug)]
pub enum Starter {
    /// Root starts runs: each gets a throw-away id from this range.
    Root {
        /// The range.
        uids: UidRange,
    },
    /// An ordinary user starts runs as itself.
    User {
        /// The user's id.
        uid: u32,
        /// Its main group.
        gid: u32,
    },
}

/// This machine, as far as runs depend on it.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Who starts runs.
    pub starter: Starter,
    /// What implementations may require, such as `shell`.
    pub features: BTreeSet<String>,
    /// Read-only parts of the machine that tasks see besides the usual ones.
    pub system_paths: Vec<PathBuf>,
    /// Places that no grant opens.
    pub never: Vec<PathBuf>,
    /// The limits of a run that asks for none.
    pub defaults: Limits,
    /// The most that a run gets of each limit.
    pub ceilings: Ceilings,
    /// The variables that `env:NAME` can open.
    pub environment: BTreeMap<String, String>,
}

/// Why a run cannot be the user that it was granted to be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UserError {
    /// Only root can become another user.
    #[error("`run.as:{user}` needs root")]
    NotRoot {
        /// The user.
        user: UserName,
    },
    /// There is no such user.
    #[error("there is no user `{user}` here")]
    Unknown {
        /// The user.
        user: UserName,
    },
    /// Runs are never root.
    #[error("`run.as:{user}` would be root, which no run is")]
    Root {
        /// The user.
        user: UserName,
    },
    /// The user data base does not answer.
    #[error("user `{user}` cannot be looked up")]
    LookUp {
        /// The user.
        user: UserName,
        /// Why.
        #[source]
        source: nix::Error,
    },
}

impl Machine {
    /// Whether root starts runs.
    #[must_use]
    pub fn by_root(&self) -> bool {
        matches!(self.starter, Starter::Root { .. })
    }

    /// The user `name` of this machine, for a run that is to be it.
    pub(crate) fn user(&self, name: &UserName) -> Result<Who, UserError> {
        let user = || name.clone();
        if !self.by_root() {
            return Err(UserError::NotRoot { user: user() });
        }
        let failed = |source| UserError::LookUp { user: user(), source };
        let found = User::from_name(name.as_str()).map_err(failed)?.ok_or_else(|| UserError::Unknown { user: user() })?;
        if found.uid.is_root() || found.gid.as_raw() == 0 {
            return Err(UserError::Root { user: user() });
        }
        let c_name = std::ffi::CString::new(name.as_str()).map_err(|_| UserError::Unknown { user: user() })?;
        let groups = nix::unistd::getgrouplist(&c_name, found.gid).map_err(failed)?;
        let groups: BTreeSet<u32> = groups.into_iter().map(Gid::as_raw).filter(|group| *group != 0).collect();
        Ok(Who::RunAs { uid: found.uid.as_raw(), gid: found.gid.as_raw(), groups: groups.into_iter().collect() })
    }
}

/// Whether a user or group of this machine, or a living process, has the id.
pub(crate) fn is_taken(id: u32) -> bool {
    let named = !matches!(User::from_uid(Uid::from_raw(id)), Ok(None))
        || !matches!(nix::unistd::Group::from_gid(Gid::from_raw(id)), Ok(None));
    named || has_process(id)
}

fn has_process(id: u32) -> bool {
    use std::os::unix::fs::MetadataExt;
    // What cannot be looked at counts as taken.
    let Ok(processes) = std::fs::read_dir("/proc") else { return true };
    let owners = processes.flatten().filter(|entry| entry.file_name().as_encoded_bytes().first().is_some_and(u8::is_ascii_digit));
    owners.filter_map(|entry| entry.metadata().ok()).any(|owner| owner.uid() == id)
}
