//! What one jail shall be, as plain values: who runs, what is mounted, what starts, what it may use up.
//!
//! Nothing here touches the machine. A recipe is made by the path of a run from a grant, looked at in
//! tests, and handed to [`crate::Keeper::prepare`], which is the only thing that acts on it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use host_core::{Endpoint, HostPattern, Limits, RunId, SecretName};
use serde::{Deserialize, Serialize};

use crate::order;
use crate::places::Places;

/// The user and group id that the task sees, unless it appears as root or runs as a user of the node.
pub(crate) const INSIDE_ID: u32 = 1000;

/// Who the task is on the machine.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Who {
    /// A throw-away user and group id that owns nothing. Needs root.
    Throwaway {
        /// The id, for user and group alike.
        id: u32,
    },
    /// A user of the node, with that user's groups and plain rights. Needs root.
    RunAs {
        /// The user's id, never 0.
        uid: u32,
        /// Its main group.
        gid: u32,
        /// Its other groups.
        groups: Vec<u32>,
    },
    /// The ordinary user who started us, with that user's plain rights.
    Caller {
        /// The user's id, never 0.
        uid: u32,
        /// Its main group.
        gid: u32,
    },
}

impl Who {
    /// Whether the keeper is root and can prepare mounts in its own namespace.
    #[must_use]
    pub fn by_root(&self) -> bool {
        !matches!(self, Self::Caller { .. })
    }

    /// The user and group id on the machine.
    #[must_use]
    pub fn outside(&self) -> (u32, u32) {
        match *self {
            Self::Throwaway { id } => (id, id),
            Self::RunAs { uid, gid, .. } | Self::Caller { uid, gid } => (uid, gid),
        }
    }
}

/// One granted file or directory.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Opening {
    /// Its absolute, canonical path, the same inside and outside.
    #[serde(with = "order::path_bytes")]
    pub path: PathBuf,
    /// Whether the task may write.
    pub writable: bool,
    /// Whether the task runs without it where it cannot be opened.
    pub optional: bool,
    /// The capabilities that it stands for, as the record names them.
    pub capabilities: Vec<String>,
}

impl Opening {
    /// Whether it cannot be mounted as it is: `/`, below whose root only its parts can be, and a tree that is to be read
    /// without something in it.
    pub(crate) fn is_in_parts(&self, hidden: &Places<'_>) -> bool {
        !self.writable && (self.path == Path::new("/") || hidden.are_in(&self.path))
    }

    /// Whether it is nothing that was granted, but a part of that.
    pub(crate) fn is_part(&self) -> bool {
        self.capabilities.is_empty()
    }

    /// `path` to be read, where nobody depends on it.
    pub(crate) fn optional(path: PathBuf) -> Self {
        Self {
            path,
            writable: false,
            optional: true,
            capabilities: Vec::new(),
        }
    }
}

/// Somewhere that a run may connect to.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Egress {
    /// The hosts, the port, and the addresses that names may lead to.
    pub endpoint: Endpoint,
    /// Addresses that are not dialled, whatever leads to them.
    pub except: Vec<HostPattern>,
}

/// A text that a run is given in confidence.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
pub struct SecretFile {
    /// Its name, and that of its file below [`SECRETS_DIR`].
    pub name: SecretName,
    /// What it is.
    #[serde(skip)]
    pub bytes: Vec<u8>,
}

impl fmt::Debug for SecretFile {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "SecretFile({}, {} bytes)", self.name, self.bytes.len())
    }
}

/// Where secrets are, inside.
pub const SECRETS_DIR: &str = "/run/host/secrets";

/// What runs in a jail.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Program {
    /// A file inside, by its absolute path there, which the task becomes. Around it is the machine's system, read only.
    File(#[serde(with = "order::path_bytes")] PathBuf),
    /// The function that the keeper was started with, called behind all walls where a file would be executed. There is
    /// nothing of the machine around it but what was granted.
    Function {
        /// What it is told.
        order: String,
        /// How much memory it needs for itself, beside what the limit `memory` is about; it bounds that itself.
        own_bytes: u64,
    },
}

/// One file that is laid into the jail before the program starts.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct InstalledFile {
    /// Where, below [`INSTALL_DIR`].
    #[serde(with = "order::path_bytes")]
    pub path: PathBuf,
    /// Whether it may be executed.
    pub executable: bool,
    /// What it holds. Its digest has been checked by whoever made the recipe.
    #[serde(skip)]
    pub bytes: Vec<u8>,
}

/// Where installed files are, inside.
pub const INSTALL_DIR: &str = "/task";
/// Where the task leaves files that shall come back, inside.
pub const OUT_DIR: &str = "/out";
/// The scratch directory in which the program starts, inside.
pub const WORK_DIR: &str = "/scratch";

/// Threads of its own that a function may have beside those of its limit.
const OWN_THREADS: u64 = 16;
/// Files that it may have open for itself.
const OWN_FILES: u64 = 32;

pub use host_core::SYSTEM_PATHS;

/// Top-level directories that the jail makes for itself, so that a grant of `/` leaves them alone.
pub(crate) const OWN_TOP: [&str; 8] =
    ["proc", "sys", "dev", "tmp", "run", "scratch", "out", "task"];

/// Directories of `/etc` that programs need as they are, so that native tasks see them without asking.
pub(crate) const ETC_DIRECTORIES: [&str; 5] = [
    "/etc/alternatives",
    "/etc/ssl/certs",
    "/etc/pki/tls/certs",
    "/etc/pki/ca-trust/extracted",
    "/etc/ca-certificates",
];
/// Small files of `/etc` that are copied for them as they are, where the machine has them.
pub(crate) const ETC_COPIES: [&str; 17] = [
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/os-release",
    "/etc/debian_version",
    "/etc/redhat-release",
    "/etc/services",
    "/etc/protocols",
    "/etc/ssl/openssl.cnf",
    "/etc/shells",
    "/etc/lsb-release",
    "/etc/centos-release",
    "/etc/fedora-release",
    "/etc/oracle-release",
    "/etc/system-release",
    "/etc/SuSE-release",
    "/etc/timezone",
    "/etc/login.defs",
];

/// What native tasks see of the machine's `/etc` without asking. It is hidden where [`JailRecipe::hidden`] says so, as
/// [`SYSTEM_PATHS`] is not.
pub fn shown_of_etc() -> impl Iterator<Item = &'static str> {
    ETC_DIRECTORIES.into_iter().chain(ETC_COPIES)
}

/// How note is taken of what a run uses.
#[derive(Clone, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Learn {
    /// Texts that were given to the run in confidence: no note has one of them in it.
    pub secrets: Vec<String>,
}

impl fmt::Debug for Learn {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Learn({} secrets)", self.secrets.len())
    }
}

/// What was found in trees that are mounted in parts, beside the parts.
#[derive(Clone, Debug, Default)]
pub struct Apart {
    /// The trees that were granted, and who owns each on the machine.
    pub(crate) trees: BTreeMap<PathBuf, (u32, u32)>,
    /// The directories that were taken apart, and whether the run may list each.
    pub(crate) directories: BTreeMap<PathBuf, bool>,
    /// Links to be made as they are on the machine, with where they lead.
    pub(crate) links: Vec<(PathBuf, PathBuf)>,
    /// What could not be taken apart, and why. It is not opened whole either.
    pub(crate) shut: BTreeMap<PathBuf, String>,
}

impl Apart {
    /// The granted tree that `path` was found in, and who owns it.
    pub(crate) fn tree_of(&self, path: &Path) -> Option<(&Path, (u32, u32))> {
        let mut above = path.ancestors();
        let (tree, owner) = above.find_map(|above| self.trees.get_key_value(above))?;
        Some((tree, *owner))
    }
}

/// A jail to be made.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct JailRecipe {
    /// The run that it is for; names its control groups.
    pub run: RunId,
    /// Who the task is.
    pub who: Who,
    /// The name that the generated `/etc/passwd` gives it.
    pub user_name: String,
    /// Whether it sees itself as user 0, with no power that belongs to it.
    pub appear_root: bool,
    /// Read-only parts of the machine besides [`SYSTEM_PATHS`].
    #[serde(with = "order::paths_bytes")]
    pub system_paths: Vec<PathBuf>,
    /// What was granted of the file system.
    pub openings: Vec<Opening>,
    /// Places that no grant opens: refused at or below, hidden where a grant lies above.
    #[serde(with = "order::paths_bytes")]
    pub never: Vec<PathBuf>,
    /// What is not shown, of granted trees, of [`shown_of_etc`] and of `system_paths`: where it lies in one of these, that
    /// is mounted in parts, without it.
    #[serde(with = "order::paths_bytes")]
    pub hidden: Vec<PathBuf>,
    /// What the keeper finds where it takes trees apart; whoever makes a recipe leaves this empty.
    #[serde(skip)]
    pub apart: Apart,
    /// Where it may connect to.
    pub egress: Vec<Egress>,
    /// The throw-away user and group id of who connects for it, where the keeper is root; unused where nothing is granted.
    pub relay: Option<u32>,
    /// What it is given in confidence.
    pub secrets: Vec<SecretFile>,
    /// Files laid below [`INSTALL_DIR`].
    pub install: Vec<InstalledFile>,
    /// What starts.
    pub program: Program,
    /// Its whole environment.
    pub environment: Vec<(String, String)>,
    /// What it reads from its standard input.
    #[serde(skip)]
    pub stdin: Vec<u8>,
    /// What it may use up.
    #[serde(with = "order::limits")]
    pub limits: Limits,
    /// How note is taken of what it opens, connects to and executes; of most runs none is. It is a record and no wall:
    /// nothing is allowed or refused for it.
    pub learn: Option<Learn>,
}

impl JailRecipe {
    /// Whether something of it cannot be mounted as it is.
    pub(crate) fn has_parts(&self) -> bool {
        let hidden = self.hidden_places();
        let mut shown = self.configured().iter().map(PathBuf::as_path);
        let is_met = |path: &Path| hidden.cover(path) || hidden.are_in(path);
        self.openings
            .iter()
            .any(|opening| opening.is_in_parts(&hidden))
            || shown.any(is_met)
            || self.etc_directories().any(|path| hidden.are_in(path))
    }

    /// What is not shown, to be looked up.
    pub(crate) fn hidden_places(&self) -> Places<'_> {
        Places::of(&self.hidden)
    }

    /// The directories of `/etc` that are shown without a grant.
    pub(crate) fn etc_directories(&self) -> impl Iterator<Item = &'static Path> {
        let is_function = self.is_function();
        ETC_DIRECTORIES
            .iter()
            .filter(move |_| !is_function)
            .map(Path::new)
    }

    /// The user and group id that the task sees.
    #[must_use]
    pub fn inside(&self) -> (u32, u32) {
        match self.who {
            _ if self.appear_root => (0, 0),
            Who::RunAs { uid, gid, .. } => (uid, gid),
            Who::Throwaway { .. } | Who::Caller { .. } => (INSIDE_ID, INSIDE_ID),
        }
    }

    /// Whether a function of this binary is the program.
    pub(crate) fn is_function(&self) -> bool {
        matches!(self.program, Program::Function { .. })
    }

    /// The memory that the kernel bounds the processes of the run to, in bytes.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let own = match self.program {
            Program::File(_) => 0,
            Program::Function { own_bytes, .. } => own_bytes,
        };
        self.limits.memory().bytes().saturating_add(own)
    }

    /// The memory that a control group bounds the run to, in bytes. It counts files in memory too, which are no part of
    /// what a function bounds itself.
    pub(crate) fn group_memory_bytes(&self) -> u64 {
        let files = if self.is_function() {
            self.limits.scratch().bytes()
        } else {
            0
        };
        self.memory_bytes().saturating_add(files)
    }

    /// The processes and threads that the kernel bounds the run to.
    pub(crate) fn processes(&self) -> u64 {
        let own = if self.is_function() { OWN_THREADS } else { 0 };
        self.limits.processes().saturating_add(own)
    }

    /// The open files that the kernel bounds each process to.
    pub(crate) fn files(&self) -> u64 {
        let own = if self.is_function() { OWN_FILES } else { 0 };
        self.limits.files().saturating_add(own)
    }

    /// The directories that native programs see as they are, read only.
    pub(crate) fn system(&self) -> &'static [&'static str] {
        if self.is_function() {
            &[]
        } else {
            &SYSTEM_PATHS
        }
    }

    /// What the configuration adds to these.
    pub(crate) fn configured(&self) -> &[PathBuf] {
        if self.is_function() {
            &[]
        } else {
            &self.system_paths
        }
    }

    /// The openings with their places in the list, in the order in which they must be mounted: what lies above first.
    #[must_use]
    pub fn openings_in_order(&self) -> Vec<(usize, &Opening)> {
        let mut openings: Vec<(usize, &Opening)> = self.openings.iter().enumerate().collect();
        openings.sort_by_key(|(_, opening)| opening.path.components().count());
        openings
    }

    /// What of the jail is mounted from the machine, given what was opened.
    pub(crate) fn shown_from_machine<'a>(
        &'a self,
        opened: impl Iterator<Item = &'a Opening>,
    ) -> Places<'a> {
        let system = self.system().iter().map(Path::new);
        let system = system.chain(self.configured().iter().map(PathBuf::as_path));
        let granted = opened.map(|opening| opening.path.as_path());
        system.chain(granted).collect()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn opening(path: &str, writable: bool) -> Opening {
        Opening {
            path: path.into(),
            writable,
            optional: false,
            capabilities: vec![format!("fs.read:{path}")],
        }
    }

    pub(crate) fn recipe(openings: Vec<Opening>) -> JailRecipe {
        JailRecipe {
            run: RunId::from_parts(1, [0; 10]),
            who: Who::Throwaway { id: 2_000_000_000 },
            user_name: "task".to_owned(),
            appear_root: false,
            system_paths: vec!["/opt/tools".into()],
            openings,
            never: Vec::new(),
            hidden: Vec::new(),
            apart: Apart::default(),
            egress: Vec::new(),
            relay: None,
            secrets: Vec::new(),
            install: Vec::new(),
            program: Program::File("/task/init.sh".into()),
            environment: Vec::new(),
            stdin: Vec::new(),
            limits: Limits::default(),
            learn: None,
        }
    }

    #[test]
    fn what_lies_above_is_mounted_first_and_keeps_its_place_in_the_list() {
        let recipe = recipe(vec![
            opening("/a/b/c", false),
            opening("/a", true),
            opening("/x/y", false),
        ]);
        let order: Vec<(usize, &str)> = recipe
            .openings_in_order()
            .into_iter()
            .map(|(index, opening)| (index, opening.path.to_str().unwrap()))
            .collect();
        assert_eq!(order, [(1, "/a"), (2, "/x/y"), (0, "/a/b/c")]);
    }

    #[test]
    fn a_path_is_shown_when_something_above_it_is() {
        let recipe = recipe(Vec::new());
        let opened = [opening("/srv/app", false)];
        let machine = recipe.shown_from_machine(opened.iter());
        let shown = |path: &str| machine.are_above(Path::new(path));
        assert!(shown("/usr/share") && shown("/opt/tools/x") && shown("/srv/app/data"));
        assert!(!shown("/srv/app") && !shown("/srv/application") && !shown("/usr"));
    }

    #[test]
    fn a_function_has_nothing_of_the_machine_around_it_and_room_for_itself() {
        let function = JailRecipe {
            program: Program::Function {
                order: String::new(),
                own_bytes: 100,
            },
            ..recipe(Vec::new())
        };
        let file = recipe(Vec::new());
        let opened = [opening("/srv/app", false)];
        let machine = function.shown_from_machine(opened.iter());
        let shown = |path: &str| machine.are_above(Path::new(path));
        assert!(!shown("/usr/share") && !shown("/opt/tools/x") && shown("/srv/app/data"));
        assert_eq!(function.memory_bytes(), file.memory_bytes() + 100);
        let scratch = function.limits.scratch().bytes();
        assert_eq!(
            function.group_memory_bytes(),
            function.memory_bytes() + scratch
        );
        assert_eq!(file.group_memory_bytes(), file.memory_bytes());
        assert!(function.files() > file.files() && function.processes() > file.processes());
    }

    #[test]
    fn the_task_sees_one_user_whoever_it_is() {
        let run_as = Who::RunAs {
            uid: 33,
            gid: 34,
            groups: vec![50],
        };
        let seen = |who: Who, appear_root: bool| {
            JailRecipe {
                who,
                appear_root,
                ..recipe(Vec::new())
            }
            .inside()
        };
        assert_eq!(seen(Who::Throwaway { id: 9 }, false), (1000, 1000));
        assert_eq!(seen(Who::Caller { uid: 501, gid: 20 }, false), (1000, 1000));
        assert_eq!(seen(run_as.clone(), false), (33, 34));
        assert_eq!(seen(run_as, true), (0, 0));
    }
}
