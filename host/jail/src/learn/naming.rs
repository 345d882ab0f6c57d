//! Which capabilities it takes to do what was noted.
//!
//! What lies below a grant takes the capability of the file itself; what is neither there nor the jail's own takes it if the
//! machine has it. Paths are told by the name that the machine knows them by: grants follow no links. The machine is looked at
//! when the run is over, so that a run learns nothing from how long that takes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use host_core::{ArgumentPattern, CanonicalPath, Capability, Command};

use super::notes::{Note, Use};
use crate::recipe::{INSTALL_DIR, JailRecipe};
use crate::report::{Learned, Noted};
use crate::skeleton::{self, SCRATCH_PARTS};

/// How many things are told of.
const LEARNED_MAX: usize = 2_000;
/// How long all of them may be, in bytes, so that they fit into a line of the journal beside what else stands there.
const LEARNED_BYTES_MAX: usize = 192 << 10;
/// How long a secret is at least that is looked for within a text, in bytes.
const SECRET_BYTES_MIN: usize = 4;
/// The jail's own places besides those that a run may write to.
const OWN: [&str; 4] = [INSTALL_DIR, "/dev", "/proc", "/sys"];
/// Directories that are in every jail, with nothing of the machine in them.
const BARE: [&str; 5] = ["/etc", "/home", "/run", "/var", "/var/run"];

/// Where a path lies, as a run sees it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Where<'j> {
    /// At or below this grant.
    Granted(&'j CanonicalPath),
    /// In what every run has.
    Own,
    /// Not in the jail.
    Elsewhere,
}

/// What is where in a jail.
#[derive(Debug)]
pub(super) struct Jail<'r> {
    recipe: &'r JailRecipe,
    opened: Vec<CanonicalPath>,
    never: Vec<PathBuf>,
}

impl<'r> Jail<'r> {
    pub(super) fn new(recipe: &'r JailRecipe, not_opened: &[usize], never: Vec<PathBuf>) -> Self {
        let openings = recipe.openings.iter().enumerate();
        let opened = openings.filter(|(index, _)| !not_opened.contains(index));
        let opened = opened.filter_map(|(_, opening)| opening.path.to_str()?.parse().ok());
        Self {
            recipe,
            opened: opened.collect(),
            never,
        }
    }

    /// Where `path` lies; `writes` tells whether it is there to be written to.
    pub(super) fn place(&self, path: &CanonicalPath, writes: bool) -> Where<'_> {
        let above = self.opened.iter().filter(|opened| opened.contains(path));
        if let Some(grant) = above.max_by_key(|opened| opened.segments().count()) {
            return Where::Granted(grant);
        }
        let is_own = OWN.iter().any(|own| is_below(path, own));
        // What a run finds in `/etc` is its own, and what it would change there is the machine's.
        let is_generated =
            !writes && !self.recipe.is_function() && skeleton::is_of_etc(Path::new(path.as_str()));
        if is_own || is_generated || self.is_scratch(path) || self.is_system(path) {
            Where::Own
        } else {
            Where::Elsewhere
        }
    }

    /// Whether it lies where every run may write.
    pub(super) fn is_scratch(&self, path: &CanonicalPath) -> bool {
        SCRATCH_PARTS.iter().any(|(_, place)| is_below(path, place))
    }

    /// Whether it lies in the system that every run sees.
    pub(super) fn is_system(&self, path: &CanonicalPath) -> bool {
        let own = Path::new(path.as_str());
        let configured = self.recipe.configured().iter();
        let mut configured = configured.map(PathBuf::as_path);
        self.recipe
            .system()
            .iter()
            .any(|place| is_below(path, place))
            || configured.any(|place| own.starts_with(place))
    }

    /// Whether it is a directory that the jail has for what lies below it.
    fn stands(&self, path: &CanonicalPath) -> bool {
        let own = OWN.into_iter().chain(BARE);
        let own = own.chain(self.recipe.system().iter().copied());
        let own = own.chain(SCRATCH_PARTS.map(|(_, place)| place));
        let path = Path::new(path.as_str());
        let mut below = own.map(Path::new).chain(
            self.opened
                .iter()
                .map(|opened| Path::new(opened.as_str()))
                .chain(self.recipe.configured().iter().map(PathBuf::as_path)),
        );
        below.any(|below| below.starts_with(path))
    }

    /// Whether its text would tell what the run was told in confidence. A short secret is found only as a whole segment or
    /// argument, or it would be found everywhere.
    fn is_in_confidence(&self, capability: &Capability) -> bool {
        let secrets = self.recipe.learn.iter().flat_map(|learn| &learn.secrets);
        let texts = texts(capability);
        let is_told = |secret: &String| {
            let is_long = secret.len() >= SECRET_BYTES_MIN;
            let mut texts = texts.iter();
            !secret.is_empty()
                && texts.any(|text| text == secret || is_long && text.contains(secret.as_str()))
        };
        { secrets }.any(is_told)
    }

    /// Whether no grant opens it.
    fn is_never(&self, path: &CanonicalPath) -> bool {
        let path = Path::new(path.as_str());
        self.never.iter().any(|never| path.starts_with(never))
    }
}

/// What a capability names: a path with each segment, a program with each argument.
fn texts(capability: &Capability) -> Vec<&str> {
    match capability {
        Capability::FsRead(path) | Capability::FsWrite(path) | Capability::UnixConnect(path) => {
            let mut texts: Vec<&str> = path.segments().collect();
            texts.push(path.as_str());
            texts
        }
        Capability::Exec(command) => {
            let mut texts: Vec<&str> = command.program().segments().collect();
            texts.push(command.program().as_str());
            let arguments = command.arguments().iter();
            texts.extend(arguments.filter_map(|argument| match argument {
                ArgumentPattern::Literal(text) => Some(text.as_str()),
                _ => None,
            }));
            texts
        }
        _ => Vec::new(),
    }
}

fn is_below(path: &CanonicalPath, place: &str) -> bool {
    Path::new(path.as_str()).starts_with(place)
}

/// What the machine has at a path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Missing,
    File,
    Directory,
    Socket,
    /// A pipe or a device, or a face of the kernel: nothing that could be granted by itself.
    Other,
}

/// What was found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Found {
    /// Its path by no link.
    pub(super) name: CanonicalPath,
    pub(super) kind: Kind,
}

/// The machine, as far as it is looked at.
pub(super) trait Machine {
    /// What there is, by whatever links.
    fn look(&self, path: &CanonicalPath) -> Found;

    /// Whether there is anything, by no link.
    fn is_there(&self, path: &CanonicalPath) -> bool;
}

/// What `notes` amount to, in bounded room.
pub(super) fn capabilities(
    jail: &Jail<'_>,
    machine: &impl Machine,
    notes: BTreeMap<Note, u64>,
    mut beyond: u64,
) -> Learned {
    let naming = Naming { jail, machine };
    let mut told: BTreeMap<Capability, u64> = BTreeMap::new();
    for (note, times) in notes {
        match naming.name(&note) {
            Ok(Some(capability)) if jail.is_in_confidence(&capability) => {
                beyond = beyond.saturating_add(times);
            }
            Ok(Some(capability)) => {
                let sum = told.entry(capability).or_default();
                *sum = sum.saturating_add(times);
            }
            Ok(None) => {}
            Err(Unnamed) => beyond = beyond.saturating_add(times),
        }
    }
    let mut learned = Learned::default();
    let mut bytes = 0;
    for (capability, times) in told {
        bytes += capability.to_string().len();
        if learned.noted.len() < LEARNED_MAX && bytes <= LEARNED_BYTES_MAX {
            learned.noted.push(Noted { capability, times });
        } else {
            // INVARIANT: grants are bounded in number, so what is added beyond the limit is too.
            match naming.grant_of(&capability) {
                Some(grant) => add(&mut learned.noted, grant, times),
                None => beyond = beyond.saturating_add(times),
            }
        }
    }
    learned.beyond = beyond;
    learned
}

fn add(noted: &mut Vec<Noted>, capability: Capability, times: u64) {
    match noted
        .iter_mut()
        .find(|noted| noted.capability == capability)
    {
        Some(noted) => noted.times = noted.times.saturating_add(times),
        None => noted.push(Noted { capability, times }),
    }
}

/// No capability has such a name.
struct Unnamed;

struct Naming<'n, M> {
    jail: &'n Jail<'n>,
    machine: &'n M,
}

impl<M: Machine> Naming<'_, M> {
    /// The capability that it takes, if it takes one that can be had.
    fn name(&self, note: &Note) -> Result<Option<Capability>, Unnamed> {
        let (path, what) = match note {
            Note::Address(capability) => return Ok(Some(capability.clone())),
            Note::Path(path, what) => (path, what),
        };
        let found = self.machine.look(path);
        if self.jail.is_never(&found.name) || self.jail.is_never(path) {
            return Ok(None);
        }
        Ok(match what {
            Use::Read => self.read(&found),
            Use::Write => self.write(&found),
            Use::Change => self.change(&found),
            Use::Create { writes } => self.create(&found, *writes),
            Use::MakeDirectory => self.make_directory(&found),
            Use::Execute(arguments) => return self.execute(&found, arguments),
            Use::Connect => {
                (found.kind == Kind::Socket).then_some(Capability::UnixConnect(found.name))
            }
        })
    }

    fn read(&self, found: &Found) -> Option<Capability> {
        match (self.jail.place(&found.name, false), found.kind) {
            (Where::Own, _) => None,
            (Where::Granted(grant), Kind::Socket | Kind::Other) => {
                Some(Capability::FsRead(grant.clone()))
            }
            (Where::Granted(_), _) => Some(Capability::FsRead(found.name.clone())),
            (Where::Elsewhere, Kind::File | Kind::Directory) => {
                let stands = self.jail.stands(&found.name);
                (!stands).then(|| Capability::FsRead(found.name.clone()))
            }
            (Where::Elsewhere, _) => None,
        }
    }

    fn write(&self, found: &Found) -> Option<Capability> {
        match (self.jail.place(&found.name, true), found.kind) {
            (Where::Own, _) => None,
            // It is gone again, which only its directory allows.
            (Where::Granted(_), Kind::Missing) => self.change(found),
            (Where::Granted(grant), Kind::Socket | Kind::Other) => {
                Some(Capability::FsWrite(grant.clone()))
            }
            (Where::Granted(_), _) => Some(Capability::FsWrite(found.name.clone())),
            (Where::Elsewhere, Kind::File | Kind::Directory) => {
                let stands = self.jail.stands(&found.name);
                (!stands).then(|| Capability::FsWrite(found.name.clone()))
            }
            (Where::Elsewhere, _) => None,
        }
    }

    /// To change what there is in a directory takes the directory.
    fn change(&self, found: &Found) -> Option<Capability> {
        let parent = parent(&found.name)?;
        match self.jail.place(&found.name, true) {
            Where::Own => None,
            Where::Granted(grant) if *grant == found.name => {
                Some(Capability::FsWrite(grant.clone()))
            }
            Where::Granted(_) => Some(Capability::FsWrite(parent)),
            Where::Elsewhere => {
                let above = self.machine.look(&parent);
                let is_root = above.name.segments().next().is_none();
                let is_there = above.kind == Kind::Directory && !is_root;
                (is_there && !self.jail.is_never(&above.name))
                    .then_some(Capability::FsWrite(above.name))
            }
        }
    }

    fn create(&self, found: &Found, writes: bool) -> Option<Capability> {
        let is_granted = matches!(self.jail.place(&found.name, true), Where::Granted(_));
        match found.kind {
            // It was not there when it was opened.
            _ if is_granted => self.change(found),
            Kind::Missing => self.change(found),
            _ if writes => self.write(found),
            _ => self.read(found),
        }
    }

    fn make_directory(&self, found: &Found) -> Option<Capability> {
        let is_granted = matches!(self.jail.place(&found.name, true), Where::Granted(_));
        (is_granted || found.kind == Kind::Missing)
            .then(|| self.change(found))
            .flatten()
    }

    /// What a run executes in the jail it must be able to read; what is not there would be executed outside.
    fn execute(&self, found: &Found, arguments: &[String]) -> Result<Option<Capability>, Unnamed> {
        match (self.jail.place(&found.name, false), found.kind) {
            (Where::Granted(_), _) => Ok(Some(Capability::FsRead(found.name.clone()))),
            (Where::Elsewhere, Kind::File) => {
                let arguments = arguments.iter().cloned().map(ArgumentPattern::Literal);
                let command = Command::new(None, found.name.clone(), arguments.collect());
                let command = command.map_err(|_| Unnamed)?;
                Ok(Some(Capability::Exec(command)))
            }
            _ => Ok(None),
        }
    }

    /// The same said of all of the grant that it lies in, if it lies in one.
    fn grant_of(&self, capability: &Capability) -> Option<Capability> {
        let granted = |path: &CanonicalPath, writes| match self.jail.place(path, writes) {
            Where::Granted(grant) => Some(grant.clone()),
            Where::Own | Where::Elsewhere => None,
        };
        match capability {
            Capability::FsRead(path) => granted(path, false).map(Capability::FsRead),
            Capability::FsWrite(path) => granted(path, true).map(Capability::FsWrite),
            _ => None,
        }
    }
}

/// The directory of a path; nothing above the root.
fn parent(path: &CanonicalPath) -> Option<CanonicalPath> {
    match path.as_str().rsplit_once('/')? {
        ("", "") => None,
        ("", _) => "/".parse().ok(),
        (above, _) => above.parse().ok(),
    }
}
