//! What the path of a run must know of the machine and of whoever started it, as values.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::ops::Range;
use std::path::PathBuf;

use host_core::{Ceilings, Limits, SecretName, UserName};
use host_jail::Who;
use host_store::{SecretError, Secrets, UID_BLOCK, UidRange};
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
    /// The version of Landlock's interface here; 0 where there is none.
    pub landlock_abi: u32,
    /// The variables that `env:NAME` can open.
    pub environment: BTreeMap<String, String>,
    /// Where the configuration is, with the secrets that `secret:NAME` can open.
    pub config: PathBuf,
    /// Where a service manager has put secrets besides.
    pub credentials: Option<PathBuf>,
}

impl Machine {
    /// A secret that is kept here.
    pub(crate) fn secret(&self, name: &SecretName) -> Result<Vec<u8>, SecretError> {
        Secrets::open(&self.config, self.credentials.as_deref())?.read(name)
    }
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
        let Ok(groups) = nix::unistd::getgroups() else {
            return Some("of whatever name, which the kernel does not tell".to_owned());
        };
        // The main group is not always among the others.
        let groups = groups.into_iter().chain([nix::unistd::getegid()]);
        groups
            .into_iter()
            .find_map(|group| match nix::unistd::Group::from_gid(group) {
                Ok(Some(found)) if MIGHTY_GROUPS.contains(&found.name.as_str()) => Some(found.name),
                Ok(_) => None,
                Err(_) => Some(format!("{group}, which cannot be looked up")),
            })
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

/// Says which throw-away ids are somebody's: a user's or group's of this machine, a living process's, or one of those
/// that are lent to users for their containers.
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
            let ids = id..block.saturating_add(UID_BLOCK);
            let anyone = is_lent(&ids) || ids.clone().any(is_named);
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

/// The files that say which ids users may use for their containers.
const LENT_IDS: [&str; 2] = ["/etc/subuid", "/etc/subgid"];
/// The most that is read of one of them, in bytes.
const LENT_IDS_BYTES_MAX: u64 = 4 << 20;

/// Whether a user of this machine may use some of `ids` for containers; a file that cannot be read counts as yes.
fn is_lent(ids: &Range<u32>) -> bool {
    LENT_IDS.iter().any(|path| {
        let mut text = String::new();
        let read = File::open(path)
            .and_then(|file| file.take(LENT_IDS_BYTES_MAX).read_to_string(&mut text));
        match read {
            Ok(_) => lends(&text, ids),
            Err(error) => error.kind() != ErrorKind::NotFound,
        }
    })
}

/// Whether a line `user:first:count` of `text` lends some of `ids`.
fn lends(text: &str, ids: &Range<u32>) -> bool {
    text.lines().any(|line| {
        let mut numbers = line
            .split(':')
            .skip(1)
            .map(|word| word.trim().parse::<u64>());
        let (Some(Ok(first)), Some(Ok(count))) = (numbers.next(), numbers.next()) else {
            return false;
        };
        first < u64::from(ids.end) && u64::from(ids.start) < first.saturating_add(count)
    })
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
    fn ids_that_are_lent_to_users_are_taken() {
        let text = "alice:100000:65536\n# nonsense\nbob:2013265920:16\n:::\n";
        for (first, expected) in [
            (100_000, true),
            (165_535, true),
            (165_536, false),
            (99_984, false),
        ] {
            assert_eq!(lends(text, &(first..first + 16)), expected, "{first}");
        }
        assert!(lends(text, &(0x7800_0000..0x7800_0010)));
    }

    #[test]
    fn an_id_of_a_living_process_is_taken() {
        assert!(has_process(nix::unistd::getuid().as_raw()));
        assert!(!has_process(0x7bff_fffe), "an id that nobody has");
    }
}
