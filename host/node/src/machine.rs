//! What the path of a run must know of the machine and of whoever started it, as values.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use host_core::{Ceilings, Limits, UserName};
use host_jail::Who;
use host_store::{UID_BLOCK, UidRange};
use nix::unistd::{Gid, Uid, User};

/// The environment that every task has, besides `PT_*` and what was granted.
pub(crate) const FIXED_ENVIRONMENT: [(&str, &str); 5] = [
    (
        "PATH",
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ),
    ("HOME", "/scratch"),
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

/// Groups whose members could be anyone on the machine; an ordinary user cannot drop them in a jail.
const MIGHTY_GROUPS: [&str; 5] = ["docker", "lxd", "disk", "shadow", "kmem"];

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

    /// A group of the ordinary user who starts runs that no granted file may meet, if there is one.
    pub(crate) fn mighty_group(&self) -> Option<String> {
        if self.by_root() {
            return None;
        }
        let groups = nix::unistd::getgroups().unwrap_or_default();
        let names = groups
            .into_iter()
            .filter_map(|group| nix::unistd::Group::from_gid(group).ok().flatten());
        names
            .map(|group| group.name)
            .find(|name| MIGHTY_GROUPS.contains(&name.as_str()))
    }

    /// The user `name` of this machine, for a run that is to be it.
    pub(crate) fn user(&self, name: &UserName) -> Result<Who, UserError> {
        let user = || name.clone();
        if !self.by_root() {
            return Err(UserError::NotRoot { user: user() });
        }
        let failed = |source| UserError::LookUp {
            user: user(),
            source,
        };
        let found = User::from_name(name.as_str())
            .map_err(failed)?
            .ok_or_else(|| UserError::Unknown { user: user() })?;
        if found.uid.is_root() || found.gid.as_raw() == 0 {
            return Err(UserError::Root { user: user() });
        }
        let c_name = std::ffi::CString::new(name.as_str())
            .map_err(|_| UserError::Unknown { user: user() })?;
        let groups = nix::unistd::getgrouplist(&c_name, found.gid).map_err(failed)?;
        let groups: BTreeSet<u32> = groups
            .into_iter()
            .map(Gid::as_raw)
            .filter(|group| *group != 0 && *group != found.gid.as_raw())
            .collect();
        Ok(Who::RunAs {
            uid: found.uid.as_raw(),
            gid: found.gid.as_raw(),
            groups: groups.into_iter().collect(),
        })
    }
}

/// Says which throw-away ids are somebody's: a user's or group's of this machine, or a living process's.
///
/// Users and groups are looked up for a block of ids when the first of it comes, because asking costs more than
/// the rest of a start; a block with anyone in it is passed over whole.
#[derive(Debug)]
pub(crate) struct TakenIds {
    range: UidRange,
    passed_over: Cell<Option<u32>>,
}

impl TakenIds {
    pub(crate) fn of(range: UidRange) -> Self {
        Self {
            range,
            passed_over: Cell::new(None),
        }
    }

    pub(crate) fn has(&self, id: u32) -> bool {
        let block = id - id % UID_BLOCK;
        if id == block || id == self.range.first() {
            let anyone = (id..block.saturating_add(UID_BLOCK)).any(is_named);
            self.passed_over.set(anyone.then_some(block));
        }
        self.passed_over.get() == Some(block) || has_process(id)
    }
}

/// Whether a user or group has the id; a data base that does not answer counts as yes.
fn is_named(id: u32) -> bool {
    !matches!(User::from_uid(Uid::from_raw(id)), Ok(None))
        || !matches!(nix::unistd::Group::from_gid(Gid::from_raw(id)), Ok(None))
}

/// Whether any process has the id. The kernel is asked for the priority of that user's processes, which it answers from a
/// table of users in use; looking through `/proc` takes longer the more processes there are, and shows those that hide
/// from tracers as root's. What cannot be answered counts as taken.
fn has_process(id: u32) -> bool {
    let asked = rustix::process::getpriority_user(rustix::process::Uid::from_raw(id));
    asked != Err(rustix::io::Errno::SRCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_with_a_user_in_it_is_passed_over() {
        // Uid 65534 is somebody's on every machine; the range around it is made up.
        let taken = TakenIds::of(UidRange::new(70_000, 80_000).unwrap());
        assert!(!taken.has(70_016), "an id far from any user's");
        let block = 65_534 - 65_534 % UID_BLOCK;
        assert!(taken.has(block) && taken.has(block + 1));
        assert!(!taken.has(70_032), "the next block is looked up anew");
    }

    #[test]
    fn an_id_of_a_living_process_is_taken() {
        assert!(has_process(nix::unistd::geteuid().as_raw()));
    }
}
